"""The measures of the core audit, worked out by hand on a data set small enough for it."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest
from audit_town import N_ITEMS, N_USERS, Fixed, K, finding, rng, town, with_ndcg
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.stats import spearmanr

from tutorial_lib.audit.core.declaration import reported_groups
from tutorial_lib.audit.core.evidence import UserMetric, collect
from tutorial_lib.audit.core.finding import make_finding
from tutorial_lib.audit.core.groups import MISSING, contrasts, provider_groups
from tutorial_lib.audit.core.lists import js_distance
from tutorial_lib.audit.harms.exposure import exposure_minus_merit
from tutorial_lib.audit.harms.popularity import (
    delta_gap,
    exposure_table,
    gini_range,
    popularity_opportunity,
    tail_items,
    tail_shift,
)
from tutorial_lib.audit.harms.quality import adjusted_gaps, group_gaps, worst_users
from tutorial_lib.audit.harms.subgroups import cells, worst_group
from tutorial_lib.audit.inference.statistics import Estimate
from tutorial_lib.data import random_hold_out
from tutorial_lib.evaluation import coverage, gini, ranking_metrics


def gaps(evidence, attribute, values):
    return group_gaps(evidence, attribute, UserMetric("m", values, 0.01), rng=rng())


def described(evidence) -> pd.DataFrame:
    return pd.DataFrame(exposure_table(evidence)).set_index("measure")


def test_a_finding_reads_without_nan():
    """Opinions quote findings: five users must read as such, not as +nan [+nan, +nan]."""
    sizes = {"F": 5, "M": 90}
    few = make_finding("H1", "users", "gap", Estimate.nothing(0.2), n_by_group=sizes, margin=0.1)
    none = make_finding(
        "H1", "users", "gap", Estimate.nothing(), n_by_group={"F": 0}, margin=np.nan
    )
    assert str(few) == (
        "INCONCLUSIVE: gap +0.2000, too few for an interval, margin 0.1000 (n: F fewer than 10,"
        " M about 90)"
    )
    assert str(none) == "INCONCLUSIVE: gap not measured (n: F 0)"


# --- exposure and popularity ---


def test_exposure_minus_merit_by_hand(evidence):
    minority = np.arange(N_ITEMS) % 4 == 0
    weights = 1 / np.log2(np.arange(2, K + 2))
    shown = (minority[evidence.lists] * weights).sum(axis=1) / weights.sum()
    merit = np.array([minority[target].mean() for target in evidence.targets])
    groups, problems = provider_groups(evidence.dataset)
    assert problems == [] and reported_groups(groups, evidence.targets) == ["minority"]
    (found,) = exposure_minus_merit(evidence, groups, 0.03)
    assert found.estimate == pytest.approx((shown - merit).mean())
    assert found.n_by_group == {"users": N_USERS, "items": 10}
    assert "Share of the catalogue 0.250" in found.notes[0]
    # one place filled: its weight is all the attention
    first = replace(evidence, lists=np.where(np.arange(K) < 1, evidence.lists, -1))
    alone = exposure_minus_merit(first, groups, 0.03)[0]
    assert alone.estimate == pytest.approx((minority[first.lists[:, 0]] - merit).mean())


def test_all_of_three_provider_groups_are_reported_and_their_excesses_cancel(evidence):
    found = exposure_minus_merit(evidence, np.array(["a", "b", "c", "a"] * 10), 0.03)
    assert [f.metric for f in found] == [f"exposure - merit: {name}" for name in "abc"]
    assert sum(f.estimate for f in found) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    "n_items, n_lists, k", [(4, 2, 1), (4, 1, 3), (3, 2, 2), (4, 2, 2), (3, 3, 1)]
)
def test_gini_range_by_brute_force(n_items, n_lists, k):
    every = product(combinations(range(n_items), k), repeat=n_lists)
    reached = [gini(np.array(lists), n_items) for lists in every]
    assert gini_range(n_items, n_lists, k) == pytest.approx((min(reached), max(reached)))


def test_popularity_measures_by_hand(evidence):
    counts = np.bincount(np.concatenate(evidence.split.train), minlength=N_ITEMS)
    assert evidence.item_counts.tolist() == counts.tolist()
    listed = counts[evidence.lists].mean(axis=1)
    profile = np.array([counts[history].mean() for history in evidence.histories])
    assert evidence.popularity_lift == pytest.approx(listed / profile - 1)
    assert delta_gap(evidence) == pytest.approx(listed.mean() / profile.mean() - 1)
    # the head: items from the most popular down, until 80 % are carried
    order, carried, in_tail = np.argsort(-counts, kind="stable"), 0, np.ones(N_ITEMS, bool)
    for item in order:
        if carried >= 0.8 * counts.sum():
            break
        in_tail[item], carried = False, carried + counts[item]
    assert (tail_items(counts) == in_tail).all()
    of_profile = np.array([in_tail[history].mean() for history in evidence.histories])
    assert tail_shift(evidence) == pytest.approx(in_tail[evidence.lists].mean(axis=1) - of_profile)
    table = described(evidence)["value"]
    assert table["APLT: share of tail items in lists"] == pytest.approx(
        in_tail[evidence.lists].mean()
    )
    assert table["ARP: mean training count of a listed item"] == pytest.approx(listed.mean())
    share = len(np.unique(evidence.lists)) / N_ITEMS
    assert table["coverage of the catalogue"] == share == coverage(evidence.lists, N_ITEMS)


def test_popularity_opportunity_is_minus_spearman_user_by_user(evidence):
    counts, by_user = evidence.item_counts, []
    for row, target in zip(evidence.lists, evidence.targets, strict=True):
        places = [list(row).index(item) + 1 if item in row else K + 1 for item in target]
        if len(set(places)) > 1 and len(set(counts[target])) > 1:
            by_user.append(spearmanr(counts[target], places).statistic)
    assert len(by_user) > 50
    assert popularity_opportunity(evidence) == pytest.approx(-np.mean(by_user))
    by_count = np.tile(np.argsort(-counts, kind="stable")[:K], (N_USERS, 1))
    # popular targets first: the sign
    assert popularity_opportunity(replace(evidence, lists=by_count)) > 0.8


def test_coverage_and_its_range_follow_k(split):
    one, five = (described(collect(Fixed(), split.dataset, split, k=k)) for k in (1, 5))
    rows = [table.loc["coverage of the catalogue"] for table in (one, five)]
    assert rows[0]["value"] < rows[1]["value"] and rows[1]["note"] == "at k = 5"
    assert [row["low"] for row in rows] == [1 / N_ITEMS, 5 / N_ITEMS]


# --- calibration and the worst off ---


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 6))
def test_js_distance_is_that_of_scipy(seed, width):
    p, q = rng(seed).random((5, width)) ** 3, rng(seed + 1).random((5, width)) ** 3
    p[0, 0] = q[1, 1] = 0.0
    theirs = [jensenshannon(a, b, base=2) for a, b in zip(p, q, strict=True)]
    assert js_distance(p, q) == pytest.approx(theirs, abs=1e-9)
    assert js_distance(p, q) == pytest.approx(js_distance(q * 3, p))
    assert js_distance(p, p) == pytest.approx(np.zeros(5), abs=1e-7)


def test_miscalibration_compares_the_genres_of_profile_and_list(evidence):
    shares, names = evidence.categories
    assert names == ["comedy", "drama", "news"]
    assert shares[3].tolist() == [0.5, 0.5, 0] and shares[0].tolist() == [0, 0, 1]
    pairs = zip(evidence.histories, evidence.lists, strict=True)
    by_hand = [jensenshannon(shares[h].mean(0), shares[row].mean(0), base=2) for h, row in pairs]
    assert evidence.miscalibration == pytest.approx(by_hand)


def test_the_worst_off_tenth():
    """A tenth without a hit would be 0 for every such system: not informative."""
    assert worst_users(rng().permutation(np.arange(100.0))) == np.arange(10).mean()
    assert worst_users(np.array([3.0])) == 3.0
    for without in (11, 50, 100):
        assert np.isnan(worst_users(np.r_[np.zeros(without), np.ones(100 - without)]))
    assert worst_users(np.r_[np.zeros(9), np.ones(91)]) == pytest.approx(0.1)


# --- gaps between groups ---


def test_group_means_are_those_of_fairlearn(evidence):
    metrics = pytest.importorskip(
        "fairlearn.metrics", reason="fairlearn is missing: pip install fairlearn"
    )
    values = evidence.ndcg.values

    def means(attribute):
        frame = metrics.MetricFrame(
            metrics=lambda t, p: p.mean(),
            y_true=values,
            y_pred=values,
            sensitive_features=evidence.labels(attribute),
        )
        return frame.by_group

    sizes = pd.Series(evidence.labels("age")).value_counts()
    for name in ("old", "mid", "young"):
        found = finding(gaps(evidence, "age", values), f"m: age {name} - rest")
        rest = sizes.drop(name)
        others = (means("age")[rest.index] * rest).sum() / rest.sum()
        assert found.estimate == pytest.approx(means("age")[name] - others)
        assert found.n_by_group == {name: sizes[name], "rest": rest.sum()}
    gap = finding(gaps(evidence, "gender", values), "m: gender F - M").estimate
    assert gap == pytest.approx(means("gender")["F"] - means("gender")["M"])


def test_quality_is_that_of_the_evaluation(evidence):
    expected = ranking_metrics(evidence.lists, evidence.targets, K)
    assert np.array_equal(evidence.metrics.to_numpy(), expected.to_numpy())
    assert evidence.metrics.index.tolist() == list(range(N_USERS))
    assert evidence.ndcg.margin == pytest.approx(0.1 * expected[f"ndcg@{K}"].mean())


def test_a_place_lost_to_a_fault_is_a_place_without_a_hit(evidence):
    """Unknown, repeated and missing items take up their places; a repeated target counts once."""
    lists = evidence.lists.copy()
    lists[::2, 0] = -1
    targets = [np.repeat(target, 2) for target in evidence.targets]
    named = np.where(lists < 0, N_ITEMS, lists)  # an item that nobody chose
    expected = ranking_metrics(named, evidence.targets, K)
    found = replace(evidence, lists=lists, targets=targets).metrics
    assert np.array_equal(found.to_numpy(), expected.to_numpy())


@pytest.mark.full
@settings(max_examples=15, deadline=None)
@given(st.permutations(["old", "mid", "young"]), st.permutations(["F", "M"]))
def test_renaming_groups_changes_nothing_but_names(ages, genders):
    ds = town()
    renamed = {
        "age": dict(zip(["old", "mid", "young"], ages, strict=True)),
        "gender": dict(zip(["F", "M"], genders, strict=True)),
    }
    columns = {name: ds.users[name].map(mapping) for name, mapping in renamed.items()}
    named = replace(ds, users=ds.users.assign(**columns))
    split = random_hold_out(ds, 3)
    looks = [collect(Fixed(), data, split, k=K) for data in (ds, named)]
    values = looks[0].ndcg.values
    for attribute, mapping in renamed.items():
        before, after = (gaps(look, attribute, values) for look in looks)
        names = {f.metric: f for f in after}
        for f in before:
            a, b = (mapping.get(name, name) for name in f.metric.split(" ", 2)[2].split(" - "))
            # of two groups the first in the alphabet comes first
            sign = 1 if f"m: {attribute} {a} - {b}" in names else -1
            twin = names[f"m: {attribute} {a} - {b}" if sign > 0 else f"m: {attribute} {b} - {a}"]
            assert twin.estimate == pytest.approx(sign * f.estimate)
            assert twin.mde == pytest.approx(f.mde) and twin.p == pytest.approx(f.p, abs=0.04)
            assert list(twin.n_by_group.values())[::sign] == list(f.n_by_group.values())


def test_the_sign_of_a_gap_is_that_of_the_names_whatever_the_sizes():
    """With "smaller - larger" one user more in a group turned the sign of the same gap."""
    for n_a, n_b in ((5, 3), (3, 5), (4, 4)):
        labels = np.array(["b"] * n_b + ["a"] * n_a + [MISSING] * 9)
        sizes = pd.DataFrame({"group": ["b", "a", "c", MISSING], "n": [n_b, n_a, 0, 9]})
        ((a, b, rows_a, rows_b),) = contrasts(labels, sizes)
        assert (a, b, rows_a.sum(), rows_b.sum()) == ("a", "b", n_a, n_b)
    three = contrasts(np.array(["a", "b", "c"]), sizes.assign(n=[1, 1, 1, 0]))
    assert [c[:2] for c in three] == [("a", "rest"), ("b", "rest"), ("c", "rest")]


def test_adjusted_gaps_say_what_they_leave_out_and_explain_the_same_users(evidence):
    histories = [h[:2] if i < 30 else h for i, h in enumerate(evidence.histories)]
    values = rng().random(N_USERS)
    short = replace(evidence, histories=histories)
    (found,) = adjusted_gaps(short, "gender", UserMetric("m", values, 0.1))
    assert found.metric == "m adjusted: gender F - M"
    text = " ".join(found.notes)
    used = np.arange(N_USERS) >= 30 if "left out" in text else np.full(N_USERS, True)
    sides = {name: used & (evidence.labels("gender") == name) for name in ("F", "M")}
    raw = values[sides["F"]].mean() - values[sides["M"]].mean()
    assert f"Raw gap {raw:+.4f}, explained by the covariates {raw - found.estimate:+.4f}." in text
    assert found.n_by_group == {name: side.sum() for name, side in sides.items()}


# --- the worst group, and two attributes at once ---


@pytest.mark.full
def test_the_worst_group_is_chosen_and_judged_on_different_users():
    """Groups without any difference: chosen and judged on the same users, the worst one looks 1.5
    standard errors worse than the rest.
    """
    ds = town(n_users=900, age=np.array(list("abcdef"))[np.arange(900) % 6])
    look = collect(Fixed(), ds, random_hold_out(ds, 3), k=K)
    draw, honest, naive = rng(1), [], []
    for seed in range(150):
        values = draw.normal(size=900)
        means = pd.Series(values).groupby(look.labels("age")).mean()
        naive.append(means.min() - (values.mean() * 6 - means.min()) / 5)
        (found,) = worst_group(with_ndcg(look, values, attributes=("age",), seed=seed))
        honest.append(found.estimate)
        assert sum(found.n_by_group.values()) < 520 and "judged on the other" in found.notes[0]
    error = np.std(honest) / np.sqrt(150)
    assert abs(np.mean(honest)) < 3.5 * error and np.mean(naive) < -7 * error
    injected = np.where(look.labels("age") == "c", -1.0, 0.0) + 0.1 * draw.normal(size=900)
    (found,) = worst_group(with_ndcg(look, injected, attributes=("age",)))
    assert found.metric == "m: worst group, age c - rest" and found.verdict == "MATERIAL"
    assert found.ci[0] < -1 < found.ci[1]


def test_cells_are_all_listed_small_ones_without_a_number_and_the_empty_as_well():
    gender = np.array(["F"] * 20 + ["M"] * 220)
    age = np.array(["old"] * 5 + ["mid"] * 15 + ["old"] * 100 + ["mid"] * 100 + ["young"] * 20)
    ds = town(gender=gender, age=age)
    look = collect(Fixed(), ds, random_hold_out(ds, 3), k=K)
    values = np.where(gender == "F", 0.0, rng().random(240))
    table = cells(with_ndcg(look, values), ["gender", "age"]).set_index("group")
    assert list(table[["n", "status"]].itertuples(name=None)) == [
        ("F x mid", 15, "too few for an interval"),
        ("F x old", 5, "suppressed"),
        ("F x young", 0, "empty"),
        ("M x mid", 100, "measured"),
        ("M x old", 100, "measured"),
        ("M x young", 20, "too few for an interval"),
    ]
    assert table.loc[["F x old", "F x young"], ["mean", "se", "shrunk"]].isna().all(axis=None)
    # no spread in 15 users is no knowledge: it is shrunk all the same
    assert table.loc["F x mid", "mean"] == 0 and 0 < table.loc["F x mid", "shrunk"] < 0.3
    mean = values[(gender == "M") & (age == "old")].mean()
    assert table.loc["M x old", "mean"] == pytest.approx(mean)
