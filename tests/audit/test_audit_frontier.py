"""Before and after: planted changes are found with their sign and size, and a gap that shrinks by
harm to all is called by its name.
"""

import numpy as np
import pandas as pd
import pytest
from tutorial_recipes.worlds import make_world

from tutorial_lib.audit.core.lists import category_shares
from tutorial_lib.audit.mitigation.frontier import before_after, frontier
from tutorial_lib.audit.mitigation.reranking import Calibrated, PopularityPenalty, Reranked
from tutorial_lib.data import hold_out_k
from tutorial_lib.errors import InputError
from tutorial_lib.evaluation import evaluate
from tutorial_lib.models import EASE, Popularity


def planted(change_f, change_m, n=400, seed=0, noise=0.05):
    """Quality .30 for F, .40 for M; changes of the given mean."""
    rng = np.random.default_rng(seed)
    groups = pd.Series(np.where(np.arange(n) % 2, "F", "M"), name="gender")
    base = np.where(groups == "F", 0.3, 0.4) + 0.1 * rng.normal(size=n)
    change = np.where(groups == "F", change_f, change_m) + noise * rng.normal(size=n)
    before, after = pd.DataFrame({"ndcg@10": base}), pd.DataFrame({"ndcg@10": base + change})
    return before, after.sample(frac=1, random_state=1), groups  # pairing is by user, not by row


def found(effect, metric):
    return next(f for f in effect.findings if f.metric == metric)


def test_planted_changes_are_found_by_user_whatever_the_order_of_rows():
    effect = before_after(*planted(0.06, -0.02))
    for name, truth in (("all users", 0.02), ("gender F", 0.06), ("gender M", -0.02)):
        finding = found(effect, f"ndcg@10 after - before: {name}")
        assert finding.ci[0] < truth < finding.ci[1] and finding.ci[1] - finding.ci[0] < 0.02
    for name, truth in (("before", -0.1), ("after", -0.02)):
        finding = found(effect, f"ndcg@10 {name}: gender F - M")
        assert finding.ci[0] < truth < finding.ci[1]
    change = found(effect, "ndcg@10 gap after - before: gender F - M")
    assert change.ci[0] < 0.08 < change.ci[1] and change.verdict == "MATERIAL"
    assert change.margin == pytest.approx(0.1 * planted(0, 0)[0]["ndcg@10"].mean())
    assert effect.groups["group"].tolist() == ["all", "F", "M"] and effect.groups["n"].tolist() == [
        400,
        200,
        200,
    ]


@pytest.mark.parametrize(
    "change_f, change_m, flag",
    [
        (-0.02, -0.08, True),  # everybody loses, the better served more
        (0.0, -0.08, True),  # one pays, nobody gains
        (0.06, -0.02, False),  # somebody gains
        (0.06, 0.0, False),
        (-0.08, -0.02, False),  # the gap grows: worse, but not levelling
        (0.0, 0.0, False),
    ],
)
def test_levelling_down_is_flagged_where_it_is_and_only_there(change_f, change_m, flag):
    effect = before_after(*planted(change_f, change_m, seed=3))
    assert effect.levelling_down is flag
    notes = found(effect, "ndcg@10 after: gender F - M").notes
    assert bool(notes and "Levelling down" in notes[0]) is flag


def test_the_rest_of_one_group_is_not_the_rest_of_another():
    """c loses and its rest gains: no levelling down, although the rest of a gains nothing."""
    rng = np.random.default_rng(0)
    groups = pd.Series(np.repeat(["a", "b", "c"], 100), name="age")
    before = pd.DataFrame({"ndcg@10": np.repeat([0.3, 0.3, 0.5], 100) + 0.05 * rng.random(300)})
    after = (
        before + np.repeat([[0.0], [0.06], [-0.06]], 100, axis=0) + 0.01 * rng.normal(size=(300, 1))
    )
    gaps = before_after(before, after, groups).gaps.set_index("contrast")
    assert abs(gaps.loc["age c - rest", "after"]) < abs(gaps.loc["age c - rest", "before"])
    assert not gaps["levelling_down"].any()


def test_nothing_changed_is_told_as_nothing():
    before, _, groups = planted(0, 0)
    effect = before_after(before, before, groups)
    assert (effect.groups["change"] == 0).all() and not effect.levelling_down
    assert found(effect, "ndcg@10 after - before: all users").verdict == "EQUIVALENT"


def test_more_than_two_groups_small_ones_and_unknown_ones():
    before, after, _ = planted(-0.05, -0.05, n=300)
    groups = pd.Series(["a"] * 100 + ["b"] * 100 + ["c"] * 20 + ["d"] * 5 + [None] * 75, name="age")
    effect = before_after(before, after, groups)
    table = effect.groups.set_index("group")
    assert table.loc["all", "n"] == 300 and table.loc["a", "n"] == 100  # unknown ones count in all
    assert np.isnan(table.loc["c", "low"]) and not np.isnan(
        table.loc["c", "change"]
    )  # too few for an interval
    assert table.loc["d", ["before", "after", "change"]].isna().all()  # too few to be shown
    assert effect.gaps["contrast"].tolist() == [f"age {name} - rest" for name in "abcd"]
    assert found(effect, "ndcg@10 after: age d - rest").verdict == "INCONCLUSIVE"


def test_frames_that_cannot_be_paired_are_refused():
    before, after, groups = planted(0, 0, n=60)
    for b, a, g, words in (
        (before, after.iloc[:-1], groups, "one frame only"),
        (pd.concat([before, before]), after, groups, "twice"),
        (before, after, groups.iloc[:-1], "lack 1 users"),
        (before, after * np.nan, groups, "NaN"),
        (before.rename(columns={"ndcg@10": "hit"}), after, groups, "metric"),
    ):
        with pytest.raises(InputError, match=words):
            before_after(b, a, g)


# --- the frontier ---


def test_the_front_holds_what_nothing_beats_in_the_direction_that_is_better():
    table = pd.DataFrame(
        {
            "ndcg@10": [0.4, 0.39, 0.38, 0.2],
            "gini": [0.9, 0.7, 0.8, 0.7],
            "tail": [0.0, 0.1, 0.05, 0.1],
        },
        index=list("abcd"),
    )
    assert frontier(table)["front"].tolist() == [True, True, False, False]
    assert frontier(table, harm="tail", better="high")["front"].tolist() == [
        True,
        True,
        False,
        False,
    ]
    assert frontier(table, harm="tail", better="low")["front"].tolist() == [
        True,
        False,
        False,
        False,
    ]
    assert frontier(table).index.tolist() == list("abcd") and "front" not in table
    with pytest.raises(InputError, match="better"):
        frontier(table, better="most")
    with pytest.raises(InputError, match="column"):
        frontier(table, harm="ginii")


# --- the teaching point on a world ---


@pytest.fixture(scope="module")
def unequal():
    """A world in which women are harder to serve, its split and a recommender."""
    world = make_world("movies", n_users=1500, n_items=200, quality_gap=0.9, seed=1)
    split = hold_out_k(world, 5)
    return world, split, EASE(100).fit(split)


def test_strong_calibration_closes_the_gap_by_levelling_down(unequal):
    world, split, inner = unequal
    before = evaluate(inner, split, k=10)
    after = evaluate(Reranked(inner, Calibrated(category_shares(world)[0], 0.9)), split, k=10)
    effect = before_after(before, after, world.users["gender"])
    gap = effect.gaps.iloc[0]
    assert (
        gap["before"] < gap["after"] < 0
        and found(effect, "ndcg@10 gap after - before: gender F - M").ci[0] > 0
    )  # looks like progress
    assert effect.levelling_down  # is none
    assert (effect.groups["high"] < 0).all()  # everybody lost


def test_gentle_mitigation_of_items_neither_costs_much_nor_closes_the_gap_of_users(unequal):
    world, split, inner = unequal
    before = evaluate(inner, split, k=10)
    after = evaluate(
        Reranked(inner, PopularityPenalty(Popularity().fit(split).counts, 0.2)), split, k=10
    )
    effect = before_after(before, after, world.users["gender"])
    overall = effect.groups.iloc[0]
    assert abs(overall["change"]) < 0.03 * overall["before"]
    assert effect.gaps.iloc[0]["after"] == pytest.approx(effect.gaps.iloc[0]["before"], rel=0.25)
    assert not effect.levelling_down
