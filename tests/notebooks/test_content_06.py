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
from tutorial_workshop.figures import compared, family_tests
from tutorial_workshop.figures.costs import describe_cost
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


def declared() -> str:
    """The first text after the parameters."""
    tags = [cell.metadata.get("tags", []) for cell in cells(NAME)]
    (at,) = [number for number, found in enumerate(tags) if "parameters" in found]
    return cells(NAME)[at + 1].source


def families() -> list[list[tuple[str, str]]]:
    """Pairs of the three families, as the notebook's code has them."""
    first = [(name, "full") for name in constant("PROMPTS")]
    second = [("soft-prompt", name) for name in constant("BASELINES")]
    return [first, second, constant("FAMILY_3")]


def test_the_declaration_stands_before_every_number():
    """It is the first thing after the parameters, and says what the code then does."""
    text, counts = declared(), constant("COUNTS")
    words = ("question", "metric", "margin", "test", "verdict", "Holm", "goal", "at least 80 %")
    assert all(word in text for word in words)
    assert (
        'METRIC, MARGIN = "ndcg@10", 0.01' in TEXT and "0.01: as if one user in a hundred" in text
    )
    assert f"n = {', '.join(f'{n:,}' for n in counts)};" in text
    for number, pairs in enumerate(families(), 1):
        row = next(line for line in text.splitlines() if f"**family {number}**" in line)
        assert f"{len(pairs) * len(counts)} tests |" in row
    assert "load_results" not in TEXT[: TEXT.index("METRIC")]


def test_the_families_are_what_they_are_called(grid):
    """All five are prompts, and all prompts that were run at every budget: one that was left out
    would be a choice after the fact. `full-words` has a family of its own.
    """
    budgets = grid.groupby("strategy")["labels"].nunique()
    prompts = {
        name
        for name, number in budgets.items()
        if name in STRATEGIES and STRATEGIES[name].cell in CELLS[4:]
        if number > 1 or not STRATEGIES[name].moves
    }
    assert prompts - {"few-shot"} == {*constant("PROMPTS"), "full-words"}
    assert {*constant("BASELINES"), "ceiling", "random"} == set(BASELINES)


def test_all_that_is_declared_is_run(grid):
    """25 declared and 24 run, in silence, is a choice that nobody sees."""
    for pairs in families():
        found = family_tests(grid, pairs, constant("COUNTS"), 0.01)
        assert len(found) == len(pairs) * len(constant("COUNTS"))
    assert "say_which_were_run(" in TEXT and "if done == DECLARED" in TEXT


def test_recorded_cells_say_where_they_come_from(grid):
    """A number without seed, commit and costs could not be made again."""
    assert grid["commit"].str.fullmatch(r"[0-9a-f]{7,}").all()
    tuned = grid[grid["strategy"].isin([name for name, s in STRATEGIES.items() if s.moves])]
    assert (tuned["flops"] > 0).all() and (tuned["trainable"] > 0).all()
    assert (grid["stored_bytes"] == 4 * grid["trainable"]).all()
    assert (grid.loc[grid["strategy"] != "random", "score_seconds"] >= 0).all()


def test_recorded_cells_compare_like_with_like(grid):
    """Users are crossed with seeds: every cell has the same test users."""
    users = {frozenset(some["user"]) for _, some in grid.groupby(["seed", "strategy", "labels"])}
    assert len(users) == 1 and len(next(iter(users))) >= 300


def test_no_list_passes_the_ceiling(grid):
    """In expectation no list of anybody can be better than the one by the known probabilities."""
    keys = ["seed", "user"]
    known = grid[grid["strategy"] == "ceiling"].set_index(keys)["ndcg@10"]
    others = grid[grid["strategy"] != "ceiling"]
    above = others["ndcg@10"].to_numpy() - known.reindex(others.set_index(keys).index).to_numpy()
    assert above.max() < 2e-5  # rounding


def test_the_widget_can_be_moved_everywhere(grid):
    """Every budget and strategy that the controls offer has a point, or a sentence that says why
    not.
    """
    means = grid_means(grid)
    assert {*constant("COUNTS")} <= {*means["labels"]}
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
    assert told.startswith("undecided at 0, 1, 2, 3, 4 ") and "+++−+, no stable order" in told
    told = order_of([0.05, 0.01, 0.0, -0.06], ["better", "inconclusive", "equivalent", "worse"])
    expected = "ahead at 0; behind at 3; equivalent at 2; undecided at 1"
    assert told == f"{expected} (signs of the mean gains: ++−−)"


def test_counting_beats_the_head_on_movielens():
    """Section 9 says it in a sentence with the recorded numbers; the text after it rests on it."""
    rows = select(load_results(), "ml-100k", "minilm", "like")
    level = grid_means(rows, "auc").set_index(["strategy", "labels"])["mean"]
    counts = level["head"].index
    assert len(counts) >= 5 and all(level["popularity", n] > level["head", n] for n in counts)
    assert compared(rows, "popularity", "head", counts[-1], "auc").ci[0] > 0
    assert "**popularity is ahead of the head at {ahead} of " in TEXT


def test_few_seeds_have_no_interval(grid):
    """A t interval of two seeds reached from -.138 to .252, and one of a single seed from .067 to
    .067.
    """
    means = grid_means(grid[grid["seed"] < 2])
    assert (means["low"] == means["mean"]).all() and (means["high"] == means["mean"]).all()
    assert "2 seeds, so no interval" in describe_cost(means, 64, "seconds", "ease")


def test_every_question_is_asked():
    """A question in the file that no cell asks is lost."""
    asked = set(re.findall(rf'quiz\("{NAME}", "([a-z-]+)"\)', TEXT))
    assert asked == set(load_questions(FOLDER / f"{NAME}.yaml"))
