"""What notebook 11 reads and claims: recorded objectives and answers, and its widget."""

from __future__ import annotations

import pandas as pd
import pytest

from tutorial_lib.data.shipped import shipped
from tutorial_workshop.figures.open_questions import CitationView, answer_kinds, joint_table
from tutorial_workshop.figures.real_model import probe


@pytest.fixture(scope="module")
def recorded() -> pd.DataFrame:
    return pd.read_csv(shipped("results/joint-objectives.csv.gz"))


def test_recorded_runs_say_where_they_come_from(recorded):
    """A number without seed, commit and seconds could not be made again."""
    assert recorded["commit"].astype(str).str.fullmatch(r"[0-9a-f]{7,}").all()
    assert (recorded["seconds"] > 0).all() and recorded["seed"].nunique() >= 3
    cells = recorded.groupby(["objective", "seed"])["user"].nunique()
    assert cells.nunique() == 1, "every objective is judged on the same users in every seed"


def test_every_objective_of_the_text_was_run(recorded):
    """The notebook names RSP, NSP, RTD, PAM, gap filling and permuted language modelling."""
    names = " ".join(joint_table(recorded, "AM", 0.01).index)
    for objective in ("MLM", "PAM", "gap filling", "permuted", "RSP", "NSP", "RTD"):
        assert objective in names


def test_answers_are_of_all_conditions_on_the_same_items():
    """A condition with easier items would look better than it is."""
    answers = probe("evidence")
    items = answers.groupby("condition")["item"].apply(lambda of: tuple(sorted(of)))
    assert items.nunique() == 1 and len(items) == 5
    assert not (answers["strength"] == answers["false"]).any()
    assert (answer_kinds(answers, "counted")[answers["condition"] == "none"] == "no answer").all()


def test_the_widget_draws_every_setting():
    view = CitationView(probe("evidence"))
    for supporting in (0, 1, 2, 3):
        shares = view.shares(supporting)
        assert shares.sum(axis=1).sub(1).abs().max() < 1e-9
        view.draw(supporting)
