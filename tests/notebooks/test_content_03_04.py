"""What notebooks 03 and 04 read and claim: the recorded grid, the survey's cells, the controls, and
the closing token.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from test_content_00_01 import cells

from tutorial_lib.data import leave_last_out, load_dataset
from tutorial_lib.evaluation import evaluate
from tutorial_lib.language import verbaliser
from tutorial_lib.models import Random
from tutorial_lib.models.decoding import log_likelihood
from tutorial_lib.models.pretrained import load_language_model
from tutorial_lib.strategies import CELLS, STRATEGIES, adapt
from tutorial_workshop.experiments import load_results
from tutorial_workshop.figures import crossing, family_tests, seed_means, select

NAMES = {"03": "03_pretrain_finetune", "04": "04_prompting"}


@pytest.fixture(scope="module")
def grid():
    return select(load_results(), "world-movies", "kit-gpt")


def code_of(notebook: str) -> str:
    return "\n".join(cell.source for cell in cells(notebook) if cell.cell_type == "code")


@pytest.mark.parametrize("notebook", NAMES.values(), ids=NAMES)
def test_what_the_notebooks_draw_was_recorded(notebook, grid):
    """A missing line would break the notebook on a learner's machine, or leave a gap unsaid."""
    text = code_of(notebook)
    names = {name for name in [*STRATEGIES, "ease", "random", "ceiling"] if f'"{name}"' in text}
    assert {"from-scratch", "full", "random", "ceiling"} <= names
    for name in {"pre-train-only", "zero-shot", "ease", "ceiling", "random"} & names:
        assert len(seed_means(grid, name)) == (4 if name == "ease" else 1), name


def test_recorded_means_stay_below_the_ceiling(grid):
    """A mean above the exact ceiling would mean that something has seen the targets."""
    ((_, ceiling, *_),) = seed_means(grid, "ceiling")
    for strategy in set(grid["strategy"]) - {"ceiling"}:
        assert all(mean < ceiling for _, mean, *_ in seed_means(grid, strategy)), strategy


def test_tuning_is_compared_with_the_untuned_model(grid):
    """Against from-scratch alone, "fine-tuning helps" is really "pre-training helps"."""
    budgets = [n for n in grid["labels"].unique() if n > 0]
    found = family_tests(grid, [("item-bias", "pre-train-only")], budgets, 0.01)
    assert len(found) == 4 and (found["verdict"] != "inconclusive").any()
    text = code_of(NAMES["03"])
    assert '(name, "pre-train-only") for name in TUNED' in text
    assert "STRATEGIES[name].systems" in text


def test_the_worth_of_pre_training_has_an_interval(grid):
    """Notebook 03: the crossing must be a number of users, not the end of what was run."""
    found = crossing(grid, "ease", "pre-train-only", resamples=200)
    assert 0 < found.labels < 1000 and found.low <= found.labels <= found.high


def test_a_model_with_strangers_titles_is_no_better_than_chance():
    """Notebook 03, section 1: else its score would come from something else than the words."""
    ds = load_dataset("world-movies")
    split = leave_last_out(ds)
    tested = split.sample_targets(40, seed=0)
    lm, words = load_language_model("kit-gpt"), verbaliser(ds)
    order = np.random.default_rng(0).permutation(ds.n_items)
    dealt = replace(words, titles=tuple(words.titles[item] for item in order))
    means = [
        evaluate(model, tested, k=10, expected=True)["ndcg@10"].mean()
        for model in (
            Random().fit(split),
            adapt(lm, split, "pre-train-only", labels=0, words=dealt, calibrate=0),
            adapt(lm, split, "pre-train-only", labels=0, calibrate=0),
        )
    ]
    chance, strangers, own = means
    assert abs(strangers - chance) < 0.01 < own - 3 * chance


def test_a_fragment_wins_unless_its_end_is_scored():
    """Notebook 04, section 3: without the closing token a title can never pass its own beginning;
    with it, it can.
    """
    lm = load_language_model("kit-gpt")
    titles = [t for t in load_dataset("world-movies").items["title"] if len(t.split()) > 2][:12]
    cut = [title.rsplit(" ", 1)[0] for title in titles]
    share = {}
    for end in ("", lm.tokenizer.eos_token):
        found = log_likelihood(lm, [f"{titles[0]};"], [text + end for text in cut + titles])
        fragments, whole = np.split(found.log_probability[0], 2)
        share[end] = (fragments >= whole).mean()
    assert share[""] == 1 and share[lm.tokenizer.eos_token] < 0.5
    assert lm.target_ids("a" + lm.tokenizer.eos_token)[-1] == lm.end_id


LOOPS = {  # notebook -> a piece of each cell that makes several tests and says what is shown
    "01_recommendation_as_language": (
        '("chain", "Popularity")',
        'combinations(["ShortList"',
        "random split {effect}",
    ),
}


@pytest.mark.parametrize(
    ("notebook", "needle"), [(n, needle) for n, some in LOOPS.items() for needle in some]
)
def test_loops_of_tests_are_adjusted(notebook, needle):
    """Each of these cells makes several tests; without Holm its sentence finds a difference by luck
    too often.
    """
    (source,) = [c.source for c in cells(notebook) if c.cell_type == "code" and needle in c.source]
    assert "holm(" in source and "ci[0] > 0" not in source


def test_every_cell_of_the_survey_has_a_strategy():
    """Notebook 03 promises eight ways to adapt."""
    assert {s.cell for s in STRATEGIES.values()} == set(CELLS) | {"control"} and len(CELLS) == 8


def test_prompt_editor_starts_from_a_wording_with_the_gap():
    """Every text that the editor offers must work; the box starts with the first wording."""
    (source,) = [cell.source for cell in cells(NAMES["04"]) if "TextBox(" in cell.source]
    assert "SEQUENTIAL[0].source" in source
