"""Figures of notebook 11: what they say follows from the recorded rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tutorial_workshop.figures.open_questions import (
    CitationView,
    joint_table,
    show_evidence,
    show_joint,
)


@pytest.fixture
def recorded() -> pd.DataFrame:
    """AM beside one that is clearly better and costs more, and one that is alike."""
    rng = np.random.default_rng(0)
    rows = []
    for seed in range(3):
        for user in range(60):
            base = 0.1 + 0.02 * rng.standard_normal()
            for name, shift, seconds in (("AM", 0, 5), ("costly", 0.05, 9), ("alike", 1e-4, 7)):
                value = base + shift + 0.001 * rng.standard_normal()
                rows.append((name, seed, user, value, seconds + seed / 10))
    return pd.DataFrame(rows, columns=["objective", "seed", "user", "ndcg@10", "seconds"])


def test_each_objective_is_compared_with_the_base_and_the_front_holds_what_nothing_beats(recorded):
    found = joint_table(recorded, "AM", margin=0.01)
    assert found["verdict"].drop("AM").to_dict() == {"costly": "better", "alike": "equivalent"}
    assert np.isnan(found.loc["AM", "difference"])
    assert found["front"].loc[["AM", "costly"]].all()
    cheap = recorded.assign(
        seconds=recorded["seconds"].where(recorded["objective"] != "costly", 1.0)
    )
    assert joint_table(cheap, "AM", 0.01)["front"].to_dict() == {
        "AM": False,
        "costly": True,
        "alike": False,
    }


def test_the_figure_says_which_objectives_nothing_beats(recorded, capsys):
    show_joint(joint_table(recorded, "AM", 0.01), "AM", 3)
    assert "both cheaper and better than: " in capsys.readouterr().out


@pytest.fixture
def answers() -> pd.DataFrame:
    """Ten items: with right reviews all answers are right; an order turns half of them."""
    rows = []
    for item in range(10):
        for name, answer, supporting in (
            ("none", "plot", 0),
            ("right", "humor", 3),
            ("injected", "scenery" if item % 2 else "humor", 0 if item % 2 else 3),
        ):
            counted = "" if name == "none" else "humor"
            rows.append((item, name, answer, counted, "humor", "scenery", supporting))
    columns = ["item", "condition", "answer", "counted", "strength", "false", "supporting"]
    return pd.DataFrame(rows, columns=columns)


def test_an_order_is_followed_by_the_model_and_not_by_a_count(answers):
    """The count is the opponent: were it asked about other reviews, it would prove nothing."""
    found = show_evidence(answers)
    assert found.loc["right", "model: right"] == 1.0 and found.loc["none", "count: right"] == 0.0
    assert found.loc["injected"].tolist() == [0.5, 0.5, 1.0, 0.0]


def test_an_answer_without_enough_support_is_not_given(answers):
    """It must not count as wrong, nor as right."""
    view = CitationView(answers)
    assert view.shares(0).loc["injected"].tolist() == [0.5, 0.5, 0.0, 0.0]
    assert view.shares(2).loc["injected"].tolist() == [0.5, 0.0, 0.0, 0.5]
    assert view.shares(4)["no answer"].eq(1.0).all()
    assert "injected: 50% right, 0% false" in view.describe(2)
    view.draw(1)
