"""What notebook 11 reads and claims: recorded objectives and answers, and its widget."""

from __future__ import annotations

import pandas as pd
import pytest

from tutorial_lib.data.shipped import shipped
from tutorial_workshop.experiments import recorded_table
from tutorial_workshop.figures.experts import expert_shares
from tutorial_workshop.figures.open_questions import CitationView, answer_kinds, joint_table
from tutorial_workshop.figures.real_model import probe
from tutorial_workshop.figures.scale import size_tests


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


@pytest.mark.parametrize(
    "name, column, arms",
    [
        ("experts", "model", {"experts", "experts, no balance", "dense, equal active", "dense, equal total"}),  # noqa: E501
        ("reasoning", "thought", {"none", "filler", "theme", "shuffled", "theme, committed"}),
    ],
)  # fmt: skip
def test_every_arm_of_an_experiment_is_judged_on_the_same_users(name, column, arms):
    """A control that was run on other users, or with fewer seeds, is none."""
    frame = pd.read_csv(shipped(f"results/{name}.csv.gz"))
    assert set(frame[column]) == arms and frame["seed"].nunique() >= 3
    users = frame.groupby([column, "seed"])["user"].apply(lambda of: tuple(sorted(of)))
    assert users.nunique() == 1
    assert frame["commit"].astype(str).str.fullmatch(r"[0-9a-f]{7,}").all()
    assert (frame["seconds"] > 0).all()


def test_a_filler_costs_as_many_tokens_as_a_thought():
    tokens = pd.read_csv(shipped("results/reasoning.csv.gz")).groupby("thought")["tokens"].mean()
    assert abs(tokens["filler"] - tokens["theme"]) < 0.1 < tokens["filler"] - tokens["none"]


def test_a_dense_layer_is_as_large_as_the_experts_or_as_cheap():
    weights = pd.read_csv(shipped("results/experts.csv.gz")).groupby("model")["weights"].first()
    assert weights["dense, equal total"] == pytest.approx(weights["experts"], rel=0.02)
    assert weights["dense, equal active"] < weights["experts"] / 2


def test_shares_of_experts_are_means_over_seeds():
    load = pd.read_csv(shipped("results/experts-load.csv.gz"))
    assert ((load["main"] - load["shuffled"] - load["specialisation"]).abs() < 2e-4).all()
    assert (load.groupby(["model", "seed", "layer"])["busiest"].nunique() == 1).all()
    found = expert_shares(load)
    one = load[load["model"] == "experts"]
    assert found.loc["experts: busiest expert", "mean"] == pytest.approx(one["busiest"].mean())
    assert (found["n"] == load["seed"].nunique()).all()


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


def test_what_section_8_says_of_three_sizes():
    """A third of the parameters ranks worse than kit-gpt, three times the parameters like it."""
    small, large = size_tests(recorded_table("scale.csv.gz")).values()
    assert list(small) == list(large) == ["0 labels", "16 labels", "64 labels", "256 labels"]
    assert all(c.ci[0] > 0 and 0.008 < c.difference < 0.013 for c in small.values())
    assert {c.verdict(0.01) for c in large.values()} == {"equivalent"}
