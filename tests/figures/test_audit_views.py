"""The widgets and the map of notebook 08, over their whole grids."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from tutorial_lib.audit.core.finding import MATERIAL, make_finding
from tutorial_lib.audit.harms.longrun import MEASURES
from tutorial_lib.audit.harms.register import stakeholders
from tutorial_lib.audit.inference.statistics import Estimate
from tutorial_lib.errors import InputError
from tutorial_workshop.figures.feedback import FeedbackView, arm_of
from tutorial_workshop.figures.stakeholder_map import draw_stakeholder_map
from tutorial_workshop.figures.verdicts import VerdictView
from tutorial_workshop.page.widgets import grid
from tutorial_workshop.proof.secret_worlds import KINDS, secret_world, world_with_harm


def finding(low: float, high: float):
    estimate = Estimate((low + high) / 2, low, high, 0.001, 0.01)
    return make_finding(
        "H1", "users", "ndcg@10: g a - b", estimate, n_by_group={"a": 50, "b": 60}, margin=0.01
    )


VIEW = VerdictView(
    {
        "ndcg@10": {
            "g a - b": {
                "one": finding(0.02, 0.04),
                "two": finding(-0.05, 0.05),
                "few": finding(float("nan"), float("nan")),
            }
        }
    },
    {"ndcg@10": {"one": 0.1, "two": 0.2, "few": 0.1}},
)


def test_verdicts_follow_the_margin():
    """5 % of .1 is .005: material; 20 %: the interval reaches from the margin's edge on; 50 %:
    within.
    """
    verdicts = [VIEW.rows(margin, "ndcg@10", "g a - b")[0][3] for margin in (5, 30, 50)]
    assert verdicts == [MATERIAL, "INCONCLUSIVE", "WITHIN MARGIN"]
    assert "few: too few users" in VIEW.describe(
        5, "ndcg@10", "g a - b"
    ) and "fair" not in VIEW.describe(5, "ndcg@10", "g a - b")


def test_verdict_view_over_its_whole_grid():
    told = set()
    for margin in (2, 20, 50):
        values = {"margin": margin, "measure": VIEW.measures[0], "contrast": VIEW.contrasts[0]}
        plt.close(VIEW.draw(**values))
        told.add(VIEW.describe(**values))
    assert len(told) == 3
    with pytest.raises(InputError, match="unknown contrast"):
        VIEW.draw(5, "ndcg@10", "nobody")


def test_a_system_without_a_hit_is_named_and_not_drawn():
    """A share of a mean of 0 is not a number: no division by zero, and no verdict."""
    gaps = {"none": finding(0.0, 0.0), "one": finding(0.02, 0.04)}
    view = VerdictView({"ndcg@10": {"g a - b": gaps}}, {"ndcg@10": {"none": 0.0, "one": 0.1}})
    assert [row[3] for row in view.rows(5, "ndcg@10", "g a - b")] == ["no hit at all", MATERIAL]
    assert "none: no hit at all, nothing to compare; one +0.0300" in view.describe(
        5, "ndcg@10", "g a - b"
    )
    figure = view.draw(5, "ndcg@10", "g a - b")
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == [
        "none\nno hit at all",
        "one\nMATERIAL",
    ]
    plt.close(figure)


FRAME = pd.DataFrame(
    [
        (arm, seed, turn, metric, 0.1 * turn + 0.01 * seed + (arm == "random"))
        for arm in ("retrained", arm_of(10), "frozen", "random")
        for seed in (0, 1)
        for turn in (0, 1, 2)
        for metric in MEASURES
    ],
    columns=["arm", "seed", "round", "metric", "value"],
)


def test_feedback_view_over_its_whole_grid():
    view = FeedbackView(FRAME)
    assert list(view.lines(10, "gini")) == [
        "retrained, 10 % explored",
        "retrained, no exploration",
        "trained once",
        "random lists",
    ]
    assert list(view.lines(0, "gini"))[0] == "retrained, no exploration"
    for values in grid({"explored": [0, 10], "measure": list(MEASURES)}):
        plt.close(view.draw(**values))
        assert "2 seeds" in view.describe(**values) and "0.005 → 0.205" in view.describe(**values)
    with pytest.raises(InputError, match="unknown arm"):
        view.draw(30, "gini")


def test_the_map_shows_every_risk():
    risks = stakeholders()
    figure = draw_stakeholder_map(risks)
    numbers = [text.get_text() for text in figure.axes[0].texts]
    plt.close(figure)
    assert sorted(numbers) == sorted(str(value) for value in risks.to_numpy().ravel() if value)


def test_secrets_are_kept_by_seed_and_all_kinds_occur():
    assert {secret_world(seed).harmed for seed in range(20)} == set(KINDS)
    assert (
        world_with_harm("users", 1).truth > 0
        and world_with_harm("providers", 1).truth < 0
        and world_with_harm("nobody", 1).truth == 0
    )
    assert (
        "Nothing" in world_with_harm("nobody", 1).explanation()
        and "group B" in world_with_harm("users", 1).explanation()
    )
