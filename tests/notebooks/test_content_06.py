"""What notebook 06 reads and claims: the recorded grid, its declaration, and the controls of its
widget.
"""

from __future__ import annotations

import ast
import re

import pandas as pd
import pytest
from test_content_00_01 import cells

from tutorial_lib.strategies import CELLS, STRATEGIES
from tutorial_workshop.experiments import BASELINES, load_results
from tutorial_workshop.figures.grid import at_labels, grid_means, select
from tutorial_workshop.figures.paired_tests import order_in_words
from tutorial_workshop.page.questions import FOLDER, load_questions

NAME = "06_prompt_vs_finetune"
TEXT = "\n".join(cell.source for cell in cells(NAME) if cell.cell_type == "code")


def constant(name: str):
    """The value that the notebook gives to a name, written out there."""
    (value,) = re.findall(rf"^{name} = (.+)$", TEXT, flags=re.M)
    return ast.literal_eval(value)


@pytest.fixture(scope="module")
def grid() -> pd.DataFrame:
    return select(load_results(), "world-movies", "kit-gpt")


def test_the_declaration_stands_before_every_number():
    """The table of what is asked is the first thing after the parameters, and says what the code
    then does.
    """
    sources = [cell.source for cell in cells(NAME)]
    (at,) = [
        i for i, cell in enumerate(cells(NAME)) if "parameters" in cell.metadata.get("tags", [])
    ]
    declared = sources[at + 1]
    assert all(
        word in declared
        for word in (
            "question",
            "metric",
            "margin",
            "test",
            "family 1",
            "family 2",
            "verdict",
            "Holm",
        )
    )
    assert (
        'METRIC, MARGIN = "ndcg@10", 0.02' in TEXT and "NDCG@10" in declared and "0.02" in declared
    )
    assert len(constant("PROMPTS")) == 5 and "five prompt strategies" in declared
    assert len(constant("BASELINES")) == 4 and "each of four baselines" in declared
    assert "load_results" not in "\n".join(sources[: at + 2])


def test_the_families_are_what_they_are_called(grid):
    """All five are prompts, and all prompts of the grid: one that was run and left out would be a
    choice after the fact.
    """
    prompts = {
        name
        for name in grid["strategy"]
        if name in STRATEGIES and STRATEGIES[name].cell in CELLS[4:]
    }
    assert prompts == set(constant("PROMPTS")) and set(constant("BASELINES")) | {
        "ceiling",
        "random",
    } == set(BASELINES)


def test_recorded_cells_say_where_they_come_from(grid):
    """A number without seed, commit and costs could not be made again."""
    assert (
        grid["commit"].str.fullmatch(r"[0-9a-f]{7,}").all() and grid["ndcg@10"].between(0, 1).all()
    )
    tuned = grid[grid["strategy"].isin([name for name, s in STRATEGIES.items() if s.moves])]
    assert (
        (tuned["flops"] > 0).all()
        and (tuned["trainable"] > 0).all()
        and (tuned["stored_bytes"] == 4 * tuned["trainable"]).all()
    )
    assert (grid.loc[grid["strategy"] != "random", "score_seconds"] >= 0).all()


def test_recorded_cells_compare_like_with_like(grid):
    """Paired tests need the same test users under every strategy of a seed, and other users in
    other seeds.
    """
    users = {
        key: frozenset(some["user"]) for key, some in grid.groupby(["seed", "strategy", "labels"])
    }
    for seed in grid["seed"].unique():
        assert len({found for (s, *_), found in users.items() if s == seed}) == 1
    assert len(set(users.values())) == grid["seed"].nunique()


def test_no_strategy_passes_the_ceiling(grid):
    """A mean above the exact ceiling of the same users would mean that something has seen the
    targets.
    """
    by_seed = grid.groupby(["strategy", "labels", "seed"])["ndcg@10"].mean()
    ceiling = by_seed["ceiling", 0]
    others = by_seed.drop("ceiling", level="strategy").unstack("seed")
    assert (
        others.mean(axis=1) < [ceiling[row.dropna().index].mean() for _, row in others.iterrows()]
    ).all()


def test_the_widget_can_be_moved_everywhere(grid):
    """Every budget and strategy that the controls offer has a point, or a sentence that says why
    not.
    """
    means = grid_means(grid)
    assert len({*means["labels"]} - {0}) >= 2
    assert {"soft-prompt", "full"} <= set(at_labels(means, 64)["strategy"])


def order_of(gains, verdicts):
    """The sentence about these gains and verdicts."""
    rows = {"labels": range(len(gains)), "gain": gains, "verdict": verdicts}
    return order_in_words(pd.DataFrame(rows))


def test_an_order_is_read_from_verdicts_not_from_signs():
    """+.007, +.008, +.007, -.002, +.009 was told as "trails up to 256 labels and leads from 2000
    on".
    """
    told = order_of([0.007, 0.008, 0.007, -0.002, 0.009], ["inconclusive"] * 5)
    assert "no order is shown at any budget" in told and "+++−+ (no stable order)" in told
    told = order_of([0.05, 0.01, -0.06], ["better", "inconclusive", "worse"])
    assert told == "shown ahead at 0 and shown behind at 2; signs of the mean gains: ++−"
    assert "no stable order" not in order_of([0.01, 0.02], ["inconclusive", "better"])


def test_counting_beats_the_head_on_movielens():
    """Section 9 says it in a sentence; were it otherwise, that sentence would be computed to
    something else.
    """
    rows = select(load_results(), "ml-100k", "minilm", "like")
    level = grid_means(rows, "auc").set_index(["strategy", "labels"])["mean"]
    counts = level["head"].index
    assert len(counts) >= 5 and all(level["popularity", n] > level["head", n] for n in counts)
    assert 'family_tests(real_rows[task], [("head", "popularity")]' in TEXT


def test_every_declared_test_was_run_or_is_named(grid):
    """25 declared and 24 run, in silence, is a choice that nobody sees."""
    assert (
        TEXT.count("say_which_were_run(FAMILY_1, COUNTS, first)") == 1
        and TEXT.count("say_which_were_run(FAMILY_2, COUNTS, second)") == 1
    )


def test_few_seeds_have_no_interval(grid):
    """A t interval of two seeds reached from -.138 to .252, and one of a single seed from .067 to
    .067.
    """
    means = grid_means(grid)
    few = means[means["seeds"] < 3]
    assert len(few) and (few["low"] == few["mean"]).all() and (few["high"] == few["mean"]).all()
    from tutorial_workshop.figures.costs import describe_cost

    row = few[few["labels"] > 0].iloc[0]
    assert "so no interval" in describe_cost(means, row["labels"], "seconds", row["strategy"])


def test_every_question_is_asked():
    """A question in the file that no cell asks is lost."""
    asked = set(re.findall(rf'quiz\("{NAME}", "([a-z-]+)"\)', TEXT))
    assert asked == set(load_questions(FOLDER / f"{NAME}.yaml"))
