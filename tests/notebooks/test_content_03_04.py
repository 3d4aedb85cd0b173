"""What notebooks 03 and 04 read and claim: the recorded strategies, the survey's cells, and the
controls of their widgets.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from test_content_00_01 import cells

from tutorial_lib.data import load_dataset
from tutorial_lib.data.shipped import shipped
from tutorial_lib.models.decoding import log_likelihood
from tutorial_lib.models.language_models import load_language_model
from tutorial_lib.strategies import CELLS, STRATEGIES
from tutorial_workshop.figures.labels import paired_table, seed_means

NAMES = {"03": "03_pretrain_finetune", "04": "04_prompting"}


@pytest.fixture(scope="module")
def recorded() -> pd.DataFrame:
    return pd.read_csv(shipped("results/strategies.csv"))


def test_recorded_results_say_where_they_come_from(recorded):
    """A number without seed, commit and seconds could not be made again; an invented one has none
    of them.
    """
    assert {
        "lm",
        "dataset",
        "strategy",
        "labels",
        "seed",
        "user",
        "ndcg@10",
        "trainable",
        "seconds",
        "flops",
        "commit",
    } <= set(recorded)
    assert set(recorded["lm"]) == {"kit-gpt"} and set(recorded["dataset"]) == {"world-movies"}
    assert recorded["commit"].str.fullmatch(r"[0-9a-f]{7,}").all()
    assert recorded["seed"].nunique() >= 5
    tuned = recorded[recorded["strategy"].isin([name for name, s in STRATEGIES.items() if s.moves])]
    assert (tuned["flops"] > 0).all() and (tuned["trainable"] > 0).all()
    assert (
        tuned.loc[tuned["strategy"] != "item-bias", "seconds"] > 0
    ).all()  # counting takes less than the hundredth that is kept
    assert recorded["ndcg@10"].between(0, 1).all()


def test_recorded_results_compare_like_with_like(recorded):
    """Paired tests need the same test users under every strategy of a seed, and other users in
    other seeds.
    """
    users = {
        key: frozenset(some["user"])
        for key, some in recorded.groupby(["seed", "strategy", "labels"])
    }
    for seed in recorded["seed"].unique():
        assert len({found for (s, *_), found in users.items() if s == seed}) == 1
    assert len(set(users.values())) == recorded["seed"].nunique()


def test_recorded_results_stay_below_the_ceiling(recorded):
    """A mean above the exact ceiling would mean that something has seen the targets."""
    ((_, ceiling, *_),) = seed_means(recorded, "ceiling")
    for strategy in set(recorded["strategy"]) - {"ceiling"}:
        assert all(mean < ceiling for _, mean, *_ in seed_means(recorded, strategy)), strategy


@pytest.mark.parametrize("notebook", NAMES.values(), ids=NAMES)
def test_strategies_named_in_the_notebooks_were_recorded(notebook, recorded):
    """A missing curve would break the notebook on a learner's machine."""
    text = "\n".join(cell.source for cell in cells(notebook) if cell.cell_type == "code")
    for name in ("from-scratch", "full"):
        assert f'"{name}"' in text and len(seed_means(recorded, name)) >= 3
    for baseline in ("from-scratch", "full"):
        assert len(paired_table(recorded, baseline, ["lora", "soft-prompt"])) >= 4


def test_tuning_is_compared_with_the_untuned_model_too(recorded):
    """Against from-scratch alone, "fine-tuning helps" is really "pre-training helps"."""
    found = paired_table(
        recorded, "pre-train-only", ["full", "top-layers", "head", "item-bias", "lora"]
    )
    assert (
        set(found.loc[["full"], "labels"]) == {16, 64, 256}
        and found["p adjusted"].between(0, 1).all()
    )
    text = "\n".join(cell.source for cell in cells(NAMES["03"]))
    assert (
        'paired_table(recorded, "pre-train-only", TUNED)' in text
        and "STRATEGIES[name].systems" in text
        and "multi-task" in text
    )


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
    "02_objectives_am_mlm": ("order matters",),
    "04_prompting": ("NDCG@10, change",),
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
