"""The core audit on a town small enough for paper and pencil, and on every broken input: one line
each, and the rest as before.
"""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.stats import spearmanr

from tutorial_lib.audit import audit
from tutorial_lib.audit.core.evidence import UserMetric, collect
from tutorial_lib.audit.core.finding import make_finding
from tutorial_lib.audit.core.groups import MISSING, contrasts, group_names
from tutorial_lib.audit.core.lists import as_codes
from tutorial_lib.audit.harms.calibration import js_distance, miscalibration
from tutorial_lib.audit.harms.exposure import exposure_minus_merit, provider_groups, reported_groups
from tutorial_lib.audit.harms.popularity import (
    delta_gap,
    exposure_table,
    gini_range,
    popularity_lift,
    popularity_opportunity,
    tail_items,
    tail_shift,
)
from tutorial_lib.audit.harms.quality import adjusted_gaps, group_gaps, worst_users
from tutorial_lib.audit.harms.subgroups import cells, worst_group
from tutorial_lib.audit.inference.statistics import Estimate
from tutorial_lib.data import Dataset, DatasetCard, hold_out_k, leave_last_out, random_hold_out
from tutorial_lib.errors import InputError
from tutorial_lib.evaluation import coverage, gini, ranking_metrics

N_USERS, N_ITEMS, K = 240, 40, 10


def town(n_users=N_USERS, seed=0, **users):
    """Users with 8 to 16 of 40 items, popular ones more often, two genders, three ages, two
    provider groups, three genres.
    """
    rng = np.random.default_rng(seed)
    weights = 1 / np.arange(1, N_ITEMS + 1) ** 0.7
    sizes = rng.integers(8, 17, n_users)
    chosen = [rng.choice(N_ITEMS, size, replace=False, p=weights / weights.sum()) for size in sizes]
    rows = {
        "user": np.repeat(np.arange(n_users), sizes),
        "item": np.concatenate(chosen),
        "rating": 1.0,
        "timestamp": np.arange(sizes.sum()),
    }
    items = {
        "item_id": [f"i{i}" for i in range(N_ITEMS)],
        "title": [f"title {i}" for i in range(N_ITEMS)],
        "categories": [
            ("drama",) if i % 3 else ("comedy", "drama") if i % 2 else ("news",)
            for i in range(N_ITEMS)
        ],
        "provider_group": np.where(np.arange(N_ITEMS) % 4 == 0, "minority", "majority"),
    }
    known = {
        "gender": rng.choice(["F", "M"], n_users, p=[0.4, 0.6]),
        "age": rng.choice(["old", "mid", "young"], n_users),
    }
    frame = pd.DataFrame({"user_id": [f"u{u}" for u in range(n_users)], **(users or known)})
    return Dataset(
        "town",
        pd.DataFrame(rows),
        pd.DataFrame(items),
        frame,
        DatasetCard("town", "town", "made by a test", "none"),
    )


class Fixed:
    """Recommends the first unseen items of one order a user, with a change to the lists if asked."""

    def __init__(self, change=None, seed=0):
        self.change, self.seed = change, seed

    def recommend(self, histories, k=10, *, users=None, exclude_seen=True):
        out = []
        for user, history in zip(users, histories, strict=True):
            order = np.random.default_rng([self.seed, int(user)]).permutation(N_ITEMS)
            order = order[np.argsort(order // 12, kind="stable")]  # popular items first, in bands
            out.append(order[~np.isin(order, history)][:k])
        return self.change(np.array(out)) if self.change else np.array(out)


@pytest.fixture(scope="module")
def split():
    return random_hold_out(town(), 3)


@pytest.fixture(scope="module")
def evidence(split):
    return collect(Fixed(), split.dataset, split, k=K)


@pytest.fixture(scope="module")
def report(split):
    return audit(Fixed(), split.dataset, split)


def with_ndcg(evidence, values, **changes):
    """The same evidence with other numbers in place of its NDCG."""
    changed = replace(evidence, **changes)
    vars(changed)["ndcg"] = UserMetric("m", values, 0.1)
    return changed


def rng(seed=0):
    return np.random.default_rng(seed)


def finding(report_or_findings, metric):
    found = [
        f for f in getattr(report_or_findings, "findings", report_or_findings) if f.metric == metric
    ]
    assert len(found) == 1, metric
    return found[0]


# --- measures by hand ---


def test_a_finding_reads_without_nan():
    """Opinions quote findings: a group of five users must read as such, not as +nan [+nan, +nan]."""
    few = make_finding(
        "H1", "users", "gap", Estimate.nothing(0.2), n_by_group={"F": 5, "M": 90}, margin=0.1
    )
    none = make_finding(
        "H1",
        "users",
        "gap",
        Estimate.nothing(float("nan")),
        n_by_group={"F": 0},
        margin=float("nan"),
    )
    assert (
        str(few)
        == "INCONCLUSIVE: gap +0.2000, too few for an interval, margin 0.1000 (n: F fewer than 10,"
        " M about 90)"
    )
    assert str(none) == "INCONCLUSIVE: gap not measured (n: F 0)"


def test_exposure_minus_merit_by_hand(evidence):
    minority = np.arange(N_ITEMS) % 4 == 0
    weights = 1 / np.log2(np.arange(2, K + 2))
    by_user = [
        weights[minority[row]].sum() / weights.sum() - minority[target].mean()
        for row, target in zip(evidence.lists, evidence.targets, strict=True)
    ]
    groups, problems = provider_groups(evidence.dataset)
    assert problems == [] and reported_groups(groups, evidence.targets) == ["minority"]
    found = exposure_minus_merit(evidence, groups, 0.03)
    assert len(found) == 1 and found[0].estimate == pytest.approx(np.mean(by_user))
    assert (
        found[0].n_by_group == {"users": N_USERS, "items": 10}
        and "Share of the catalogue 0.250" in found[0].notes[0]
    )
    half = replace(
        evidence, lists=np.where(np.arange(K) < 1, evidence.lists, -1)
    )  # one place filled: its weight is all the attention
    alone = exposure_minus_merit(half, groups, 0.03)[0]
    assert alone.estimate == pytest.approx(
        np.mean([minority[row[0]] - minority[t].mean() for row, t in zip(half.lists, half.targets)])
    )


def test_all_of_three_provider_groups_are_reported_and_their_excesses_cancel(evidence):
    groups = np.array(["a", "b", "c", "a"] * 10)
    found = exposure_minus_merit(evidence, groups, 0.03)
    assert [f.metric for f in found] == [f"exposure - merit: {name}" for name in "abc"]
    assert sum(f.estimate for f in found) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    "n_items, n_lists, k", [(4, 2, 1), (4, 1, 3), (3, 2, 2), (4, 2, 2), (3, 3, 1)]
)
def test_gini_range_by_brute_force(n_items, n_lists, k):
    from itertools import combinations, product

    reached = [
        gini(np.array(lists), n_items)
        for lists in product(combinations(range(n_items), k), repeat=n_lists)
    ]
    assert gini_range(n_items, n_lists, k) == pytest.approx((min(reached), max(reached)))


def test_popularity_measures_by_hand(evidence):
    counts = np.bincount(np.concatenate(evidence.split.train), minlength=N_ITEMS)
    assert evidence.item_counts.tolist() == counts.tolist()
    listed = np.array([counts[row].mean() for row in evidence.lists])
    profile = np.array([counts[history].mean() for history in evidence.histories])
    assert popularity_lift(evidence) == pytest.approx(listed / profile - 1)
    assert delta_gap(evidence) == pytest.approx(listed.mean() / profile.mean() - 1)
    tail = set(range(N_ITEMS))
    for item in np.argsort(
        -counts, kind="stable"
    ):  # the head: items from the most popular down, until 80 % are carried
        if counts[list(set(range(N_ITEMS)) - tail)].sum() >= 0.8 * counts.sum():
            break
        tail.remove(int(item))
    assert set(np.flatnonzero(tail_items(counts)).tolist()) == tail
    in_tail = np.isin(np.arange(N_ITEMS), list(tail))
    assert tail_shift(evidence) == pytest.approx(
        [
            in_tail[row].mean() - in_tail[h].mean()
            for row, h in zip(evidence.lists, evidence.histories, strict=True)
        ]
    )
    table = pd.DataFrame(exposure_table(evidence)).set_index("measure")["value"]
    assert table["APLT: share of tail items in lists"] == pytest.approx(
        in_tail[evidence.lists].mean()
    )
    assert table["ARP: mean training count of a listed item"] == pytest.approx(listed.mean())
    assert (
        table["coverage of the catalogue"]
        == len(np.unique(evidence.lists)) / N_ITEMS
        == coverage(evidence.lists, N_ITEMS)
    )


def test_popularity_opportunity_is_minus_spearman_user_by_user(evidence):
    counts, by_user = evidence.item_counts, []
    for row, target in zip(evidence.lists, evidence.targets, strict=True):
        places = [list(row).index(item) + 1 if item in row else K + 1 for item in target]
        if len(set(places)) > 1 and len(set(counts[target])) > 1:
            by_user.append(spearmanr(counts[target], places).statistic)
    assert len(by_user) > 50 and popularity_opportunity(evidence) == pytest.approx(
        -np.mean(by_user)
    )
    by_count = replace(
        evidence, lists=np.tile(np.argsort(-counts, kind="stable")[:K], (N_USERS, 1))
    )
    assert popularity_opportunity(by_count) > 0.8  # popular targets first: the sign


def test_coverage_and_its_range_follow_k(split):
    looks = {
        k: (
            pd.DataFrame(exposure_table(collect(Fixed(), split.dataset, split, k=k))).set_index(
                "measure"
            )
        )
        for k in (1, 5)
    }
    row = {k: looks[k].loc["coverage of the catalogue"] for k in looks}
    assert row[1]["value"] < row[5]["value"] and [row[k]["low"] for k in row] == [
        1 / N_ITEMS,
        5 / N_ITEMS,
    ]
    assert row[5]["note"] == "at k = 5"


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 6))
def test_js_distance_is_that_of_scipy(seed, width):
    p, q = rng(seed).random((5, width)) ** 3, rng(seed + 1).random((5, width)) ** 3
    p[0, 0] = q[1, 1] = 0.0
    assert js_distance(p, q) == pytest.approx(
        [jensenshannon(a, b, base=2) for a, b in zip(p, q, strict=True)], abs=1e-9
    )
    assert js_distance(p, q) == pytest.approx(js_distance(q * 3, p)) and js_distance(
        p, p
    ) == pytest.approx(np.zeros(5), abs=1e-7)


def test_miscalibration_compares_the_genres_of_profile_and_list(evidence):
    shares, names = evidence.categories
    assert (
        names == ["comedy", "drama", "news"]
        and shares[3].tolist() == [0.5, 0.5, 0]
        and shares[0].tolist() == [0, 0, 1]
    )
    assert miscalibration(evidence) == pytest.approx(
        [
            jensenshannon(shares[h].mean(0), shares[row].mean(0), base=2)
            for h, row in zip(evidence.histories, evidence.lists, strict=True)
        ]
    )


def test_the_worst_off_tenth():
    values = rng().permutation(np.arange(100.0))
    assert worst_users(values) == np.arange(10).mean() and worst_users(np.array([3.0])) == 3.0


def test_a_tenth_without_any_hit_is_not_said_to_be_measured():
    """0 would be the value of every system that leaves a tenth of its users without a hit."""
    for without in (11, 50, 100):
        assert np.isnan(worst_users(np.r_[np.zeros(without), np.ones(100 - without)]))
    assert worst_users(np.r_[np.zeros(9), np.ones(91)]) == pytest.approx(0.1)


# --- groups ---


def test_group_means_are_those_of_fairlearn(evidence):
    metrics = pytest.importorskip(
        "fairlearn.metrics", reason="fairlearn is missing: pip install fairlearn"
    )
    labels, values = evidence.labels("age"), evidence.metrics[f"ndcg@{K}"].to_numpy()
    frame = metrics.MetricFrame(
        metrics=lambda t, p: p.mean(), y_true=values, y_pred=values, sensitive_features=labels
    )
    for name, rest in (
        ("old", ["mid", "young"]),
        ("mid", ["old", "young"]),
        ("young", ["old", "mid"]),
    ):
        found = finding(
            group_gaps(evidence, "age", UserMetric("ndcg", values, 0.01), rng=rng()),
            f"ndcg: age {name} - rest",
        )
        sizes = {group: (labels == group).sum() for group in rest}
        others = sum(frame.by_group[group] * n for group, n in sizes.items()) / sum(sizes.values())
        assert found.estimate == pytest.approx(frame.by_group[name] - others)
        assert found.n_by_group == {name: (labels == name).sum(), "rest": sum(sizes.values())}
    gap = finding(
        group_gaps(evidence, "gender", UserMetric("ndcg", values, 0.01), rng=rng()),
        "ndcg: gender F - M",
    ).estimate
    by_gender = metrics.MetricFrame(
        metrics=lambda t, p: p.mean(),
        y_true=values,
        y_pred=values,
        sensitive_features=evidence.labels("gender"),
    )
    assert gap == pytest.approx(by_gender.by_group["F"] - by_gender.by_group["M"])


def test_quality_is_that_of_the_evaluation(evidence):
    expected = ranking_metrics(evidence.lists, evidence.targets, K)
    assert np.array_equal(
        evidence.metrics.to_numpy(), expected.to_numpy()
    ) and evidence.metrics.index.tolist() == list(range(N_USERS))


@settings(max_examples=15, deadline=None)
@given(st.permutations(["old", "mid", "young"]), st.permutations(["F", "M"]))
def test_renaming_groups_changes_nothing_but_names(ages, genders):
    ds = town()
    age, gender = (
        dict(zip(["old", "mid", "young"], ages, strict=True)),
        dict(zip(["F", "M"], genders, strict=True)),
    )
    named = replace(
        ds,
        users=ds.users.assign(age=ds.users["age"].map(age), gender=ds.users["gender"].map(gender)),
    )
    split = random_hold_out(ds, 3)
    looks = [collect(Fixed(), data, split, k=K) for data in (ds, named)]
    values = looks[0].metrics[f"ndcg@{K}"].to_numpy()
    for attribute, mapping in (("age", age), ("gender", gender)):
        before, after = (
            group_gaps(look, attribute, UserMetric("m", values, 0.01), rng=rng()) for look in looks
        )
        names = {f.metric: f for f in after}
        for f in before:
            a, b = (
                mapping.get(name, name) for name in f.metric.split(f"{attribute} ")[1].split(" - ")
            )
            sign = (
                1 if f"m: {attribute} {a} - {b}" in names else -1
            )  # of two groups the first in the alphabet comes first
            twin = names[f"m: {attribute} {a} - {b}" if sign > 0 else f"m: {attribute} {b} - {a}"]
            assert twin.estimate == pytest.approx(sign * f.estimate) and twin.mde == pytest.approx(
                f.mde
            )
            assert list(twin.n_by_group.values())[::sign] == list(
                f.n_by_group.values()
            ) and twin.p == pytest.approx(f.p, abs=0.04)


def test_the_sign_of_a_gap_is_that_of_the_names_whatever_the_sizes_and_unknown_users_are_in_no_contrast():
    """With "smaller - larger" one user more in a group turned the sign of the same gap."""
    for n_a, n_b in ((5, 3), (3, 5), (4, 4)):
        labels = np.array(["b"] * n_b + ["a"] * n_a + [MISSING] * 9)
        sizes = pd.DataFrame({"group": ["b", "a", "c", MISSING], "n": [n_b, n_a, 0, 9]})
        ((a, b, rows_a, rows_b),) = contrasts(labels, sizes)
        assert (a, b, rows_a.sum(), rows_b.sum()) == ("a", "b", n_a, n_b)
    assert [c[:2] for c in contrasts(np.array(["a", "b", "c"]), sizes.assign(n=[1, 1, 1, 0]))] == [
        ("a", "rest"),
        ("b", "rest"),
        ("c", "rest"),
    ]


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
    planted = np.where(look.labels("age") == "c", -1.0, 0.0) + 0.1 * draw.normal(size=900)
    (found,) = worst_group(with_ndcg(look, planted, attributes=("age",)))
    assert (
        found.metric == "m: worst group, age c - rest"
        and found.ci[0] < -1 < found.ci[1]
        and found.verdict == "MATERIAL"
    )


def test_cells_are_all_listed_small_ones_without_a_number_and_the_empty_as_well():
    gender = np.array(["F"] * 20 + ["M"] * 220)
    age = np.array(["old"] * 5 + ["mid"] * 15 + ["old"] * 100 + ["mid"] * 100 + ["young"] * 20)
    ds = town(gender=gender, age=age)
    look = collect(Fixed(), ds, random_hold_out(ds, 3), k=K)
    values = np.where(gender == "F", 0.0, rng().random(240))
    table = cells(with_ndcg(look, values), ["gender", "age"]).set_index("group")
    assert table["n"].to_dict() == {
        "F x mid": 15,
        "F x old": 5,
        "F x young": 0,
        "M x mid": 100,
        "M x old": 100,
        "M x young": 20,
    }
    status = table["status"].to_dict()
    assert (status["F x young"], status["F x old"], status["F x mid"], status["M x old"]) == (
        "empty",
        "suppressed",
        "too few for an interval",
        "measured",
    )
    assert table.loc[["F x old", "F x young"], ["mean", "se", "shrunk"]].isna().all(axis=None)
    mine = table.loc["F x mid"]
    assert (
        mine["mean"] == 0 and 0 < mine["shrunk"] < 0.3
    )  # no spread in 15 users is no knowledge: it is shrunk all the same
    assert table.loc["M x old", "mean"] == pytest.approx(
        values[(gender == "M") & (age == "old")].mean()
    )


def unusual(report) -> list[str]:
    """What could not be measured, but for the worst group, which needs more users than the small
    town has.
    """
    return [line for line in report.problems if not line.startswith("worst group")]


def test_missing_values_are_a_category_of_their_own_with_bounds():
    known = town().users
    for attribute, first in (("gender", "gender F - M"), ("age", "age mid - rest")):
        column = (
            known[attribute]
            .astype(object)
            .where(np.arange(N_USERS) % 5 > 0, [None, "", " ", np.nan] * 60)
        )
        ds = town(**{attribute: column.to_numpy()})
        split = random_hold_out(ds, 3)
        report = audit(Fixed(), ds, split)
        assert report.groups.set_index("group").loc[MISSING, "n"] == 48 and not unusual(report)
        found = finding(report, f"ndcg@10: {first}")
        assert sum(found.n_by_group.values()) == 192
        assert any(
            "48 users of unknown group: whatever they are, the gap lies between" in note
            for note in found.notes
        )


@pytest.mark.parametrize(
    "column",
    [
        np.arange(N_USERS) % 2 == 0,
        pd.Categorical(["x", "y"] * 120, categories=["x", "y", "nobody"]),
        np.arange(N_USERS) % 2 + 0.5,
        pd.array([1, pd.NA] * 60 + [2, 1] * 60, dtype="Int64"),
        pd.array([True, pd.NA] * 60 + [False, True] * 60, dtype="boolean"),
        pd.array(["x", pd.NA] * 60 + ["y", "x"] * 60, dtype="string"),
    ],
    ids=["bool", "categorical", "float", "Int64 with NA", "boolean with NA", "string with NA"],
)
def test_columns_of_any_type_are_compared(column):
    ds = town(kind=column)
    report = audit(Fixed(), ds, random_hold_out(ds, 3))
    assert not unusual(report) and len(report.family) == 2
    missing = int(pd.isna(pd.Series(column)).sum())
    assert sum(finding(report, report.family[0]).n_by_group.values()) == N_USERS - missing
    assert ("nobody" in set(report.groups["group"])) is isinstance(column, pd.Categorical)


def test_names_of_groups():
    assert group_names(pd.Series([" F", "F ", "", "  ", None, pd.NA, 2, True])).tolist() == [
        "F",
        "F",
        *[MISSING] * 4,
        "2",
        "True",
    ]


def test_adjusted_gaps_say_what_they_leave_out_and_explain_the_same_users(evidence):
    short = replace(
        evidence, histories=[h[:2] if i < 30 else h for i, h in enumerate(evidence.histories)]
    )
    values = rng().random(N_USERS)
    (found,) = adjusted_gaps(short, "gender", UserMetric("m", values, 0.1))
    assert found.metric == "m adjusted: gender F - M"
    text = " ".join(found.notes)
    used = np.arange(N_USERS) >= 30 if "left out" in text else np.full(N_USERS, True)
    labels = evidence.labels("gender")
    raw = values[used & (labels == "F")].mean() - values[used & (labels == "M")].mean()
    assert f"Raw gap {raw:+.4f}, explained by the covariates {raw - found.estimate:+.4f}." in text
    assert found.n_by_group == {
        "F": (used & (labels == "F")).sum(),
        "M": (used & (labels == "M")).sum(),
    }


# --- the audit as a whole ---


def test_the_declared_family_names_measured_findings_and_the_rest_is_exploratory(report):
    assert report.family == (
        "ndcg@10: gender F - M",
        "ndcg@10: age mid - rest",
        "ndcg@10: age old - rest",
        "ndcg@10: age young - rest",
        "exposure - merit: minority",
    )
    names = [f.metric for f in report.findings]
    assert len(names) == len(set(names)) and set(report.family) <= set(names)
    assert report.problems == () and {f.harm for f in report.findings} == {"H1", "H2", "H4"}
    assert list(report.groups["attribute"].unique()) == ["gender", "age", "gender x age"] and len(
        report.to_frame()
    ) == len(names)


def test_same_seed_same_report_and_another_seed_moves_only_what_is_drawn(split, report):
    again, other = (
        audit(Fixed(), split.dataset, split),
        audit(Fixed(), split.dataset, split, seed=1),
    )
    assert repr(again.findings) == repr(report.findings) and again.descriptives.equals(
        report.descriptives
    )  # repr: nan is not nan
    for name in ("lists sha256", "data sha256", "targets sha256", "system", "protocol"):
        assert again.scope[name] == report.scope[name] == other.scope[name]
    shared = {f.metric for f in report.findings if "worst group" not in f.metric}
    for metric in shared:
        assert finding(other, metric).estimate == finding(report, metric).estimate
    assert any(finding(other, metric).ci != finding(report, metric).ci for metric in shared)
    changed = audit(Fixed(lambda lists: lists[:, ::-1]), split.dataset, split)
    assert changed.scope["lists sha256"] != report.scope["lists sha256"]


def same_findings(report, other, drop=()):
    """All findings of `report` but those whose metric contains one of `drop` are in `other`, with
    the same numbers before adjustment.
    """
    theirs = {f.metric: f for f in other.findings}
    for f in report.findings:
        if not any(part in f.metric for part in drop):
            twin = theirs[f.metric]
            assert repr((f.estimate, f.ci, f.p, f.n_by_group)) == repr(
                (twin.estimate, twin.ci, twin.p, twin.n_by_group)
            ), f.metric


def one_line(report, text):
    found = [line for line in report.problems if text in line]
    assert len(found) == 1 and "\n" not in found[0], (text, report.problems)
    return found[0]


GENDER, AGE = ("gender",), ("age", "worst group")


def with_users(split, **columns):
    ds = replace(split.dataset, users=split.dataset.users.assign(**columns))
    return replace(split, dataset=ds), ds


def test_an_attribute_that_does_not_exist_is_one_line(split, report):
    found = audit(Fixed(), split.dataset, split, attributes=["gender", "agee"])
    assert "did you mean 'age' or" in one_line(found, "unknown attribute 'agee'")
    same_findings(report, found, drop=AGE)
    single = audit(
        Fixed(), split.dataset, split, attributes="gender"
    )  # a name is not a list of letters
    assert single.problems == () and repr(single.findings) == repr(found.findings)
    assert repr(
        audit(Fixed(), split.dataset, split, attributes=["gender", "gender"]).findings
    ) == repr(single.findings)


def test_no_attribute_at_all_is_one_line(split, report):
    bare = replace(split.dataset, users=split.dataset.users[["user_id"]])
    found = audit(Fixed(), bare, replace(split, dataset=bare))
    one_line(found, "town has no user attribute")
    same_findings(report, found, drop=(*GENDER, *AGE))
    assert (
        found.family == ("exposure - merit: minority",)
        and found.groups.empty
        and "group" in found.groups
    )


def test_one_group_only_and_nothing_but_missing_values_are_one_line_each(split, report):
    for column, text in (
        ("M", "has one group only, 'M'"),
        (None, "is missing for every user"),
        (" ", "is missing for every user"),
    ):
        found = audit(Fixed(), *with_users(split, gender=column)[::-1])
        assert "'gender'" in one_line(found, text)
        same_findings(report, found, drop=(*GENDER, "worst group"))


def test_all_judged_users_in_one_group_is_one_line(split, report):
    """The data set has both groups, but nobody of one has a target."""
    women = (split.dataset.users["gender"] == "F").to_numpy()
    narrow = replace(
        split,
        test_target=[np.empty(0, int) if women[u] else t for u, t in enumerate(split.test_target)],
    )
    found = audit(Fixed(), split.dataset, narrow)
    one_line(found, "attribute 'gender': fewer than two groups hold a user with targets")
    table = found.groups[found.groups["attribute"] == "gender"].set_index("group")
    assert table.loc["F", ["n", "status"]].tolist() == [0, "empty"] and not any(
        "gender F - M" in f.metric for f in found.findings
    )
    assert any("age old - rest" in f.metric for f in found.findings)


def test_an_attribute_of_200_values_is_one_line(split, report):
    postcode = [f"{u % 110:05d}" for u in range(N_USERS)]
    found = audit(Fixed(), *with_users(split, postcode=postcode)[::-1])
    assert "has 110 values, too many to compare" in one_line(found, "'postcode'")
    same_findings(report, found)
    town_of = [f"{u % 12}" for u in range(N_USERS)]
    found = audit(Fixed(), *with_users(split, town=town_of)[::-1])
    assert "pass attributes=[..., 'town']" in one_line(
        found, "'town' has 12 groups and was not named"
    )
    same_findings(report, found)
    found = audit(Fixed(), *with_users(split, town=town_of)[::-1], attributes=["town", "gender"])
    one_line(found, "the declared family holds 14 tests")
    small = finding(found, "ndcg@10: town 3 - rest")  # 20 users: an estimate, and no interval
    assert (
        np.isfinite(small.estimate) and np.isnan(small.ci).all() and small.verdict == "INCONCLUSIVE"
    )
    two_hundred = audit(
        Fixed(),
        *with_users(split, postcode=[str(u % 200) for u in range(N_USERS)])[::-1],
        attributes=["postcode", "age"],
    )
    assert "has 200 values" in one_line(two_hundred, "'postcode'")
    too_many = {"a": np.arange(N_USERS) % 8, "b": np.arange(N_USERS) // 8 % 8}
    found = audit(Fixed(), *with_users(split, **too_many)[::-1], attributes=["a", "b"])
    one_line(found, "a x b has 64 cells, too many to judge")


def test_margins_out_of_range_or_unknown_are_one_line_each_and_their_findings_get_no_verdict(
    split, report
):
    found = audit(
        Fixed(),
        split.dataset,
        split,
        margins={"exposure": 7, "qualty": 0.1, "popularity": -1, "calibration": 0.2},
    )
    for text in ("margins['exposure']=7", "unknown margin 'qualty'", "margins['popularity']=-1"):
        one_line(found, text)
    same_findings(report, found)
    for f in found.findings:
        if f.metric.startswith(("exposure", "popularity lift: ")):
            assert f.verdict == "INCONCLUSIVE" and np.isnan(f.margin)
    assert finding(found, "miscalibration: gender F - M").margin == 0.2
    assert found.margins["quality"] == 0.1
    wrong = audit(Fixed(), split.dataset, split, margins=0.1)
    one_line(wrong, "margins=0.1: expected a mapping")
    assert repr(wrong.findings) == repr(report.findings)


def strings(lists):
    return [["Heat", *row[1:].tolist()] for row in lists]


def as_object(change):
    return lambda lists: [change(i, row.tolist()) for i, row in enumerate(lists)]


@pytest.mark.parametrize(
    "change, fault, share",
    [
        (lambda lists: np.where(np.arange(K) == 1, lists[:, :1], lists), "repeated", 0.1),
        (lambda lists: np.where(np.arange(K) == 1, N_ITEMS + 5, lists), "unknown", 0.1),
        (lambda lists: np.where(np.arange(K) == 1, -7, lists), "unknown", 0.1),
        (lambda lists: lists[:, :8], "too_few", 0.2),
        (
            lambda lists: [row[: 5 + 5 * (i % 2)] for i, row in enumerate(lists.tolist())],
            "too_few",
            0.25,
        ),
        (lambda lists: lists + np.where(np.arange(K) == 3, 0.5, 0.0), "unknown", 0.1),
        (lambda lists: np.where(np.arange(K) == 9, np.nan, lists), "unknown", 0.1),
        (strings, "unknown", 0.1),
        (
            as_object(lambda i, row: [str(row[0]), *row[1:]]),
            "unknown",
            0.1,
        ),  # "12" is an item_id, not the item of code 12
        (as_object(lambda i, row: [None, *row[1:]]), "unknown", 0.1),
    ],
    ids=[
        "duplicates",
        "unknown",
        "negative",
        "too few",
        "ragged",
        "fractions",
        "nan",
        "strings",
        "codes as text",
        "None",
    ],
)
def test_a_recommender_that_breaks_its_contract_is_one_line_and_the_rest_is_audited(
    split, report, change, fault, share
):
    found = audit(Fixed(change), split.dataset, split)
    texts = {
        "unknown": "outside the catalogue",
        "repeated": "stands higher in the same list",
        "too_few": "left empty",
    }
    line = one_line(found, texts[fault])
    assert line.startswith(f"recommend: {share:.1%} are places") and len(found.problems) == 1
    broken = finding(found, next(f.metric for f in found.findings if texts[fault] in f.metric))
    assert (
        broken.estimate == pytest.approx(share)
        and broken.verdict == "MATERIAL"
        and broken.margin == 0.01
    )
    assert [f.metric for f in found.findings if "worst" not in f.metric] == [
        f.metric for f in report.findings if "worst" not in f.metric
    ]
    assert all(np.isfinite(f.ci).all() for f in found.findings if "places" not in f.metric)
    # a hit on an item that was spoiled is lost, and no list becomes better by being shorter
    assert found.descriptives["value"][0] <= report.descriptives["value"][0]


def test_clean_lists_of_whole_floats_and_of_python_ints_are_the_same_lists(split, report):
    for change in (
        lambda lists: lists.astype(float),
        lambda lists: lists.tolist(),
        lambda lists: lists.astype(np.int32),
    ):
        found = audit(Fixed(change), split.dataset, split)
        assert found.problems == () and repr(found.findings) == repr(report.findings)
    longer = audit(
        Fixed(lambda lists: np.c_[lists, lists]), split.dataset, split
    )  # what stands beyond k was not asked for
    assert longer.problems == () and repr(longer.findings) == repr(report.findings)


def test_consumed_items_are_found_and_count_as_shown(split):
    def seen(histories, k, *, users=None, exclude_seen=True):
        return Fixed().recommend([h[:0] for h in histories], k, users=users)

    class Seen:
        recommend = staticmethod(seen)

    found = finding(
        audit(Seen(), split.dataset, split), "places with an item the user has already consumed"
    )
    lists = seen(split.test_history, K, users=split.users)
    assert found.estimate == pytest.approx(
        np.mean([np.isin(row, h).mean() for row, h in zip(lists, split.test_history, strict=True)])
    )
    assert found.verdict == "MATERIAL"


@pytest.mark.parametrize(
    "answer, text",
    [
        (lambda lists: lists[:-1], "gave 239 lists for 240 users"),
        (lambda lists: None, "gave no lists for 240 users"),
        (lambda lists: "item 3", "gave no lists"),
        (lambda lists: lists[:, 0], "expected a list of item codes"),
        (lambda lists: [None] * len(lists), "expected a list of item codes"),
        (lambda lists: ["3 4 5"] * len(lists), "expected a list of item codes"),
        (lambda lists: [{3: 0.5}] * len(lists), "expected a list of item codes"),
    ],
    ids=[
        "a user short",
        "None",
        "a string",
        "one item a user",
        "no list a user",
        "a text a user",
        "scores by item",
    ],
)
def test_what_is_no_list_at_all_is_refused_in_one_line(split, answer, text):
    with pytest.raises(InputError, match=text):
        audit(Fixed(answer), split.dataset, split)


def test_codes_of_odd_lists():
    assert as_codes([3, 4.0, 4.5, "5", None, float("inf"), True, np.int8(6)]).tolist() == [
        3,
        4,
        -2,
        -2,
        -2,
        -2,
        -2,
        6,
    ]
    assert (
        as_codes([]).tolist() == []
        and as_codes([[1], [2]]).tolist() == [-2, -2]
        and as_codes([2**60, 1]).tolist() == [-2, 1]
    )


def test_all_lists_empty_is_told_and_crashes_nothing(split):
    with np.errstate(all="raise"):
        found = audit(Fixed(lambda lists: lists[:, :0]), split.dataset, split)
    one_line(found, "recommend: 100.0% are places left empty (240 of 240 users)")
    one_line(found, "miscalibration: not measured")
    one_line(found, "popularity lift: not measured")
    assert (
        not (found.descriptives["harm"] == "H2").any()
        and finding(found, "ndcg@10: gender F - M").verdict == "INCONCLUSIVE"
    )
    assert finding(found, "exposure - merit: minority").n_by_group["users"] == 0


def test_a_perfect_recommender_has_no_gap_made_of_rounding(split):
    class Oracle:
        def recommend(self, histories, k=10, *, users=None, exclude_seen=True):
            targets = [split.test_target[u] for u in users]
            others = [
                [i for i in range(N_ITEMS) if i not in set(h) | set(t)]
                for h, t in zip(histories, targets, strict=True)
            ]
            return np.array([[*t, *o][:k] for t, o in zip(targets, others, strict=True)])

    found = audit(Oracle(), split.dataset, split)
    gaps = [f for f in found.findings if f.metric.startswith(("ndcg", "recall"))]
    assert {(f.estimate, f.verdict) for f in gaps} == {(0.0, "INCONCLUSIVE")} and len(
        gaps
    ) > 8  # nothing varied: nothing is known
    assert all(
        "have the value 1" in " ".join(f.notes) for f in gaps if f.metric.startswith("ndcg@10: ")
    )


def test_one_held_out_item_needs_fifty_users_a_group_and_more_need_thirty(split):
    labels = np.where(np.arange(N_USERS) < 49, "F", "M")
    for make, minimum in ((leave_last_out, 50), (lambda ds: hold_out_k(ds, 2, valid_k=0), 30)):
        ds = replace(split.dataset, users=split.dataset.users.assign(gender=labels))
        for n in (minimum - 1, minimum):
            ds = replace(
                ds, users=ds.users.assign(gender=np.where(np.arange(N_USERS) < n, "F", "M"))
            )
            found = finding(
                audit(Fixed(), ds, make(ds), attributes=["gender"]), "ndcg@10: gender F - M"
            )
            assert (
                np.isfinite(found.ci).all() == (n >= minimum)
                and np.isfinite(found.estimate)
                and found.n_by_group["F"] == n
            )
            assert (found.verdict == "INCONCLUSIVE" and np.isnan(found.p)) or n >= minimum
    few = replace(ds, users=ds.users.assign(gender=np.where(np.arange(N_USERS) < 9, "F", "M")))
    found = finding(audit(Fixed(), few, split, attributes=["gender"]), "ndcg@10: gender F - M")
    assert (
        np.isnan(found.estimate)
        and "fewer than 10 users, whose numbers are suppressed" in found.notes[0]
    )


def test_data_without_providers_or_categories_is_two_lines(split, report):
    ds = replace(split.dataset, items=split.dataset.items[["item_id", "title"]])
    found = audit(Fixed(), ds, replace(split, dataset=ds))
    one_line(found, "town names no provider")
    one_line(found, "miscalibration: not measured, no user has items with categories")
    assert len(found.problems) == 2
    same_findings(report, found, drop=("exposure", "miscalibration", "adjusted"))
    unknown = replace(
        ds,
        items=split.dataset.items.assign(
            categories=[np.nan] * N_ITEMS, provider_group=pd.Categorical(["a", None] * 20)
        ),
    )
    found = audit(Fixed(), unknown, replace(split, dataset=unknown))
    one_line(found, "items have one provider group only, 'a'")
    many = replace(ds, items=ds.items.assign(provider=[f"p{i % 30}" for i in range(N_ITEMS)]))
    one_line(audit(Fixed(), many, replace(split, dataset=many)), "items have 30 providers")


def test_users_without_profile_are_judged_on_what_they_have():
    ds = town()
    split = random_hold_out(ds, 3)
    empty = np.empty(0, dtype=np.int64)
    cold = replace(
        split, test_history=[empty if u < 60 else h for u, h in enumerate(split.test_history)]
    )
    with np.errstate(all="raise"):
        found = audit(Fixed(), ds, cold)
    lift = finding(found, "popularity lift: gender F - M")
    assert (
        sum(lift.n_by_group.values()) == 180 and "60 users without a value left out." in lift.notes
    )
    assert sum(finding(found, "ndcg@10: gender F - M").n_by_group.values()) == N_USERS
    nobody = replace(split, test_history=[empty] * N_USERS)
    found = audit(Fixed(), ds, nobody)
    one_line(found, "popularity lift: not measured")


@pytest.mark.parametrize("k", [N_ITEMS, 1])
def test_the_longest_and_the_shortest_lists(split, k):
    found = audit(Fixed(lambda lists: lists) if k == 1 else Padded(), split.dataset, split, k=k)
    assert found.family[0] == f"ndcg@{k}: gender F - M"
    assert any("left empty" in line for line in found.problems) is (
        k == N_ITEMS
    )  # what was consumed cannot be offered again


class Padded(Fixed):
    def recommend(self, histories, k=10, *, users=None, exclude_seen=True):
        rows = [np.setdiff1d(np.arange(N_ITEMS), h)[:k] for h in histories]
        return np.array([np.r_[row, np.full(k - len(row), -1)] for row in rows]).astype(int)


def test_what_makes_the_whole_audit_impossible_is_refused_in_one_line(split):
    ds = split.dataset
    for arguments, text in (
        ({"k": 0}, "expected a whole number from 1 to 40"),
        ({"k": 41}, "expected a whole number from 1 to 40"),
        ({"on": "train"}, "expected 'test' or 'valid'"),
        ({"on": "valid"}, "has valid targets"),
    ):
        with pytest.raises(InputError, match=text):
            audit(Fixed(), ds, split, **arguments)
    with pytest.raises(InputError, match="the split belongs to"):
        audit(Fixed(), town(n_users=100), split)


def test_group_sizes_list_every_group_of_the_data(evidence):
    table = evidence.sizes("age")
    assert (
        table["group"].tolist() == ["mid", "old", "young"]
        and table["n"].sum() == N_USERS
        and set(table["status"]) == {"measured"}
    )


def test_a_report_takes_more_findings_and_judges_all_again(report):
    extra = [replace(f, metric=f"again {f.metric}", p=1.0) for f in report.findings[:3]]
    longer = report.add(extra, ["no energy meter"])
    assert len(longer.findings) == len(report.findings) + 3 and longer.problems == (
        *report.problems,
        "no energy meter",
    )
    for f in report.findings:  # the declared family is untouched by what was explored later
        if f.metric in report.family:
            assert finding(longer, f.metric) == f


def test_the_audit_imports_no_model_no_torch_and_no_figures():
    code = (
        "import sys, tutorial_lib.audit\nheavy = {'torch', 'transformers', 'matplotlib', 'opacus',"
        " 'codecarbon', 'huggingface_hub', 'fairlearn'} & set(sys.modules)\nback = [m for m in"
        " sys.modules if m.startswith(('tutorial_lib.models', 'tutorial_lib.strategies',"
        " 'tutorial_workshop.page'))]\nprint(sorted(heavy), sorted(back))"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert out.strip() == "[] []"
