"""The audit as a whole: what it declares and repeats, and every odd input: one line each, and the
rest as before.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from audit_town import N_ITEMS, N_USERS, Fixed, K, finding, town

from tutorial_lib.audit import audit
from tutorial_lib.audit.core.groups import MISSING, group_names
from tutorial_lib.audit.core.lists import as_codes
from tutorial_lib.data import hold_out_k, leave_last_out, random_hold_out
from tutorial_lib.errors import InputError

EMPTY = np.empty(0, dtype=np.int64)
GENDER, AGE = ("gender",), ("age", "worst group")  # parts of names of findings


def audited(split, change=None, **options):
    return audit(Fixed(change), split.dataset, split, **options)


def with_users(split, **columns):
    ds = replace(split.dataset, users=split.dataset.users.assign(**columns))
    return replace(split, dataset=ds)


def with_items(split, items):
    return replace(split, dataset=replace(split.dataset, items=items))


def same_findings(report, other, drop=()):
    """All findings of `report` but those whose metric contains one of `drop` are in `other`, with
    the same numbers before adjustment.
    """
    theirs = {f.metric: f for f in other.findings}
    for f in report.findings:
        if not any(part in f.metric for part in drop):
            mine, twin = ((x.estimate, x.ci, x.p, x.n_by_group) for x in (f, theirs[f.metric]))
            assert repr(mine) == repr(twin), f.metric  # repr: nan is not nan


def one_line(report, text):
    (line,) = [line for line in report.problems if text in line]
    assert "\n" not in line
    return line


def unusual(report) -> list[str]:
    """What could not be measured, but for the worst group, which needs more users."""
    return [line for line in report.problems if not line.startswith("worst group")]


# --- what is declared and repeated ---


def test_the_declared_family_names_measured_findings_and_the_rest_is_exploratory(report):
    assert report.family == (
        "ndcg@10: gender F - M",
        "ndcg@10: age mid - rest",
        "ndcg@10: age old - rest",
        "ndcg@10: age young - rest",
        "exposure - merit: minority",
    )
    names = [f.metric for f in report.findings]
    assert len(names) == len(set(names)) == len(report.to_frame()) and set(report.family) <= {
        *names
    }
    assert report.problems == () and {f.harm for f in report.findings} == {"H1", "H2", "H4"}
    assert list(report.groups["attribute"].unique()) == ["gender", "age", "gender x age"]


def test_same_seed_same_report_and_another_seed_moves_only_what_is_drawn(split, report):
    again, other = audited(split), audited(split, seed=1)
    assert repr(again.findings) == repr(report.findings)
    assert again.descriptives.equals(report.descriptives)
    for name in ("lists sha256", "data sha256", "targets sha256", "system", "protocol"):
        assert again.scope[name] == report.scope[name] == other.scope[name]
    pairs = [
        (f, finding(other, f.metric)) for f in report.findings if "worst group" not in f.metric
    ]
    assert all(one.estimate == two.estimate for one, two in pairs if np.isfinite(one.estimate))
    assert any(one.ci != two.ci for one, two in pairs)
    changed = audited(split, lambda lists: lists[:, ::-1])
    assert changed.scope["lists sha256"] != report.scope["lists sha256"]


def test_a_report_takes_more_findings_and_judges_all_again(report):
    extra = [replace(f, metric=f"again {f.metric}", p=1.0) for f in report.findings[:3]]
    longer = report.add(extra, ["no energy meter"])
    assert len(longer.findings) == len(report.findings) + 3
    assert longer.problems == (*report.problems, "no energy meter")
    for name in report.family:  # the declared family is untouched by what was explored later
        assert finding(longer, name) == finding(report, name)


def test_the_audit_imports_no_model_no_torch_and_no_figures():
    code = (
        "import sys; from tutorial_lib.audit import audit\n"
        "heavy = {'torch', 'transformers', 'matplotlib', 'opacus', 'codecarbon', 'huggingface_hub',"
        " 'fairlearn'} & set(sys.modules)\n"
        "back = [m for m in sys.modules if m.startswith(('tutorial_lib.models',"
        " 'tutorial_lib.strategies', 'tutorial_workshop.page'))]\n"
        "print(sorted(heavy), sorted(back))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[] []"


# --- attributes ---


def test_group_sizes_list_every_group_of_the_data(evidence):
    table = evidence.sizes("age")
    assert table["group"].tolist() == ["mid", "old", "young"]
    assert table["n"].sum() == N_USERS and set(table["status"]) == {"measured"}


def test_missing_values_are_a_category_of_their_own_with_bounds():
    known, unknown = town().users, [None, "", " ", np.nan] * 60
    for attribute, first in (("gender", "gender F - M"), ("age", "age mid - rest")):
        column = known[attribute].astype(object).where(np.arange(N_USERS) % 5 > 0, unknown)
        report = audited(random_hold_out(town(**{attribute: column.to_numpy()}), 3))
        assert report.groups.set_index("group").loc[MISSING, "n"] == 48 and not unusual(report)
        found = finding(report, f"ndcg@10: {first}")
        assert sum(found.n_by_group.values()) == 192
        line = "48 users of unknown group: whatever they are, the gap lies between"
        assert any(line in note for note in found.notes)


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
    report = audited(random_hold_out(town(kind=column), 3))
    assert not unusual(report) and len(report.family) == 2
    missing = int(pd.isna(pd.Series(column)).sum())
    assert sum(finding(report, report.family[0]).n_by_group.values()) == N_USERS - missing
    assert ("nobody" in set(report.groups["group"])) is isinstance(column, pd.Categorical)


def test_names_of_groups():
    names = group_names(pd.Series([" F", "F ", "", "  ", None, pd.NA, 2, True])).tolist()
    assert names == ["F", "F", *[MISSING] * 4, "2", "True"]


def test_an_attribute_that_does_not_exist_is_one_line(split, report):
    found = audited(split, attributes=["gender", "agee"])
    assert "did you mean 'age' or" in one_line(found, "unknown attribute 'agee'")
    same_findings(report, found, drop=AGE)
    single = audited(split, attributes="gender")  # a name is not a list of letters
    assert single.problems == () and repr(single.findings) == repr(found.findings)
    twice = audited(split, attributes=["gender", "gender"])
    assert repr(twice.findings) == repr(single.findings)


def test_no_attribute_at_all_is_one_line(split, report):
    bare = replace(split.dataset, users=split.dataset.users[["user_id"]])
    found = audited(replace(split, dataset=bare))
    one_line(found, "town has no user attribute")
    same_findings(report, found, drop=(*GENDER, *AGE))
    assert found.family == ("exposure - merit: minority",)
    assert found.groups.empty and "group" in found.groups


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("M", "has one group only, 'M'"),
        (None, "is missing for every user"),
        (" ", "is missing for every user"),
    ],
)
def test_one_group_only_and_nothing_but_missing_values_are_one_line(split, report, column, text):
    found = audited(with_users(split, gender=column))
    assert "'gender'" in one_line(found, text)
    same_findings(report, found, drop=(*GENDER, "worst group"))


def test_all_judged_users_in_one_group_is_one_line(split):
    """The data set has both groups, but nobody of one has a target."""
    women = split.dataset.users["gender"] == "F"
    targets = [EMPTY if woman else t for woman, t in zip(women, split.test_target, strict=True)]
    found = audited(replace(split, test_target=targets))
    one_line(found, "attribute 'gender': fewer than two groups hold a user with targets")
    table = found.groups[found.groups["attribute"] == "gender"].set_index("group")
    assert table.loc["F", ["n", "status"]].tolist() == [0, "empty"]
    names = " ".join(f.metric for f in found.findings)
    assert "gender F - M" not in names and "age old - rest" in names


def test_too_many_groups_are_one_line(split, report):
    users = np.arange(N_USERS)
    found = audited(with_users(split, postcode=[f"{u % 110:05d}" for u in users]))
    assert "has 110 values, too many to compare" in one_line(found, "'postcode'")
    same_findings(report, found)
    towns = with_users(split, town=[f"{u % 12}" for u in users])
    found = audited(towns)
    line = one_line(found, "'town' has 12 groups and was not named")
    assert "pass attributes=[..., 'town']" in line
    same_findings(report, found)
    found = audited(towns, attributes=["town", "gender"])
    one_line(found, "the declared family holds 14 tests")
    small = finding(found, "ndcg@10: town 3 - rest")  # 20 users: an estimate, and no interval
    assert np.isfinite(small.estimate) and np.isnan(small.ci).all()
    assert small.verdict == "INCONCLUSIVE"
    found = audited(with_users(split, a=users % 8, b=users // 8 % 8), attributes=["a", "b"])
    one_line(found, "a x b has 64 cells, too many to judge")


def test_one_held_out_item_needs_fifty_users_a_group_and_more_need_thirty(split):
    def gap_beside(n, make):
        ds = with_users(split, gender=np.where(np.arange(N_USERS) < n, "F", "M")).dataset
        report = audit(Fixed(), ds, make(ds), attributes=["gender"])
        return finding(report, "ndcg@10: gender F - M")

    for make, minimum in ((leave_last_out, 50), (lambda ds: hold_out_k(ds, 2, valid_k=0), 30)):
        below, enough = (gap_beside(n, make) for n in (minimum - 1, minimum))
        assert np.isnan(below.ci).all() and np.isfinite(enough.ci).all()
        assert np.isfinite([below.estimate, enough.estimate]).all()
        assert below.n_by_group["F"] == minimum - 1 and enough.n_by_group["F"] == minimum
        assert below.verdict == "INCONCLUSIVE" and np.isnan(below.p)
    few = gap_beside(9, lambda ds: random_hold_out(ds, 3))
    assert np.isnan(few.estimate)
    assert "fewer than 10 users, whose numbers are suppressed" in few.notes[0]


# --- margins, items and profiles ---


def test_margins_out_of_range_or_unknown_are_one_line_each_and_get_no_verdict(split, report):
    margins = {"exposure": 7, "qualty": 0.1, "popularity": -1, "calibration": 0.2}
    found = audited(split, margins=margins)
    for text in ("margins['exposure']=7", "unknown margin 'qualty'", "margins['popularity']=-1"):
        one_line(found, text)
    same_findings(report, found)
    for f in found.findings:
        if f.metric.startswith(("exposure", "popularity lift: ")):
            assert f.verdict == "INCONCLUSIVE" and np.isnan(f.margin)
    assert finding(found, "miscalibration: gender F - M").margin == 0.2
    assert found.margins["quality"] == 0.1
    wrong = audited(split, margins=0.1)
    one_line(wrong, "margins=0.1: expected a mapping")
    assert repr(wrong.findings) == repr(report.findings)


def test_data_without_providers_or_categories_is_two_lines(split, report):
    items = split.dataset.items
    bare = items[["item_id", "title"]]
    found = audited(with_items(split, bare))
    one_line(found, "town names no provider")
    one_line(found, "miscalibration: not measured, no user has items with categories")
    assert len(found.problems) == 2
    same_findings(report, found, drop=("exposure", "miscalibration", "adjusted"))
    half = pd.Categorical(["a", None] * 20)
    unknown = items.assign(categories=[np.nan] * N_ITEMS, provider_group=half)
    one_line(audited(with_items(split, unknown)), "items have one provider group only, 'a'")
    many = bare.assign(provider=[f"p{i % 30}" for i in range(N_ITEMS)])
    one_line(audited(with_items(split, many)), "items have 30 providers")


def test_users_without_profile_are_judged_on_what_they_have(split):
    cold = [EMPTY if u < 60 else h for u, h in enumerate(split.test_history)]
    with np.errstate(all="raise"):
        found = audited(replace(split, test_history=cold))
    lift = finding(found, "popularity lift: gender F - M")
    assert sum(lift.n_by_group.values()) == 180
    assert "60 users without a value left out." in lift.notes
    assert sum(finding(found, "ndcg@10: gender F - M").n_by_group.values()) == N_USERS
    nobody = audited(replace(split, test_history=[EMPTY] * N_USERS))
    one_line(nobody, "popularity lift: not measured")


# --- lists ---


def second_place(item):
    """Lists with ``item`` (or what it makes of the lists) in the second place."""
    return lambda lists: np.where(np.arange(K) == 1, item(lists) if callable(item) else item, lists)


def first_item(item):
    """Python lists with something else in the first place."""
    return lambda lists: [[item(row), *row[1:]] for row in lists.tolist()]


BROKEN = {
    "duplicates": (second_place(lambda lists: lists[:, :1]), "repeated", 0.1),
    "unknown": (second_place(N_ITEMS + 5), "unknown", 0.1),
    "negative": (second_place(-7), "unknown", 0.1),
    "fractions": (second_place(lambda lists: lists + 0.5), "unknown", 0.1),
    "nan": (second_place(np.nan), "unknown", 0.1),
    "too few": (lambda lists: lists[:, :8], "too_few", 0.2),
    "ragged": (
        lambda lists: [row[: 5 + 5 * (i % 2)] for i, row in enumerate(lists.tolist())],
        "too_few",
        0.25,
    ),
    "titles": (first_item(lambda row: "Heat"), "unknown", 0.1),
    # "12" is an item_id, not the item of code 12
    "codes as text": (first_item(lambda row: str(row[0])), "unknown", 0.1),
    "None": (first_item(lambda row: None), "unknown", 0.1),
}
TEXTS = {
    "unknown": "outside the catalogue",
    "repeated": "stands higher in the same list",
    "too_few": "left empty",
}


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_lists_are_one_line_and_the_rest_is_audited(split, report, kind):
    change, fault, share = BROKEN[kind]
    found = audited(split, change)
    line = one_line(found, TEXTS[fault])
    assert line.startswith(f"recommend: {share:.1%} are places") and len(found.problems) == 1
    (broken,) = [f for f in found.findings if TEXTS[fault] in f.metric]
    assert broken.estimate == pytest.approx(share)
    assert broken.verdict == "MATERIAL" and broken.margin == 0.01
    names = [[f.metric for f in r.findings if "worst" not in f.metric] for r in (found, report)]
    assert names[0] == names[1]
    assert all(np.isfinite(f.ci).all() for f in found.findings if "places" not in f.metric)
    # a hit on an item that was spoiled is lost, and no list becomes better by being shorter
    assert found.descriptives["value"][0] <= report.descriptives["value"][0]


@pytest.mark.parametrize(
    "change",
    [
        lambda lists: lists.astype(float),
        lambda lists: lists.tolist(),
        lambda lists: lists.astype(np.int32),
        lambda lists: np.c_[lists, lists],  # what stands beyond k was not asked for
    ],
    ids=["floats", "Python ints", "int32", "too long"],
)
def test_the_same_lists_in_another_form_are_the_same_lists(split, report, change):
    found = audited(split, change)
    assert found.problems == () and repr(found.findings) == repr(report.findings)


def test_consumed_items_are_found_and_count_as_shown(split):
    class Seen(Fixed):
        def recommend(self, histories, k=10, *, users=None, exclude_seen=True):
            return super().recommend([h[:0] for h in histories], k, users=users)

    report = audit(Seen(), split.dataset, split)
    found = finding(report, "places with an item the user has already consumed")
    lists = Seen().recommend(split.test_history, K, users=split.users)
    pairs = zip(lists, split.test_history, strict=True)
    assert found.estimate == pytest.approx(np.mean([np.isin(row, h).mean() for row, h in pairs]))
    assert found.verdict == "MATERIAL"


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (lambda lists: lists[:-1], "gave 239 lists for 240 users"),
        (lambda lists: None, "gave no lists for 240 users"),
        (lambda lists: "item 3", "gave no lists"),
        (lambda lists: lists[:, 0], "expected a list of item codes"),
        (lambda lists: [None] * len(lists), "expected a list of item codes"),
        (lambda lists: ["3 4 5"] * len(lists), "expected a list of item codes"),
        (lambda lists: [{3: 0.5}] * len(lists), "expected a list of item codes"),
    ],
    ids=["a user short", "None", "a string", "one item", "no list", "a text", "scores by item"],
)
def test_what_is_no_list_at_all_is_refused_in_one_line(split, answer, text):
    with pytest.raises(InputError, match=text):
        audited(split, answer)


def test_codes_of_odd_lists():
    odd = [3, 4.0, 4.5, "5", None, float("inf"), True, np.int8(6)]
    assert as_codes(odd).tolist() == [3, 4, -2, -2, -2, -2, -2, 6]
    assert as_codes([]).tolist() == []
    assert as_codes([[1], [2]]).tolist() == [-2, -2]
    assert as_codes([2**60, 1]).tolist() == [-2, 1]


def test_all_lists_empty_is_reported_and_crashes_nothing(split):
    with np.errstate(all="raise"):
        found = audited(split, lambda lists: lists[:, :0])
    one_line(found, "recommend: 100.0% are places left empty (240 of 240 users)")
    one_line(found, "miscalibration: not measured")
    one_line(found, "popularity lift: not measured")
    assert not (found.descriptives["harm"] == "H2").any()
    assert finding(found, "ndcg@10: gender F - M").verdict == "INCONCLUSIVE"
    assert finding(found, "exposure - merit: minority").n_by_group["users"] == 0


def test_a_perfect_recommender_has_no_gap_made_of_rounding(split):
    class Perfect:
        def recommend(self, histories, k=10, *, users=None, exclude_seen=True):
            targets = [split.test_target[u] for u in users]
            rest = [np.setdiff1d(np.arange(N_ITEMS), [*h, *t]) for h, t in zip(histories, targets)]
            return np.array([[*t, *r][:k] for t, r in zip(targets, rest, strict=True)])

    found = audit(Perfect(), split.dataset, split)
    gaps = [f for f in found.findings if f.metric.startswith(("ndcg", "recall"))]
    # nothing varied: nothing is known
    assert {(f.estimate, f.verdict) for f in gaps} == {(0.0, "INCONCLUSIVE")} and len(gaps) > 8
    for f in gaps:
        if f.metric.startswith("ndcg@10: "):
            assert "have the value 1" in " ".join(f.notes)


class Padded(Fixed):
    def recommend(self, histories, k=10, *, users=None, exclude_seen=True):
        rows = [np.setdiff1d(np.arange(N_ITEMS), h)[:k] for h in histories]
        return np.array([np.r_[row, np.full(k - len(row), -1)] for row in rows]).astype(int)


@pytest.mark.parametrize("k", [N_ITEMS, 1])
def test_the_longest_and_the_shortest_lists(split, k):
    found = audit(Fixed() if k == 1 else Padded(), split.dataset, split, k=k)
    assert found.family[0] == f"ndcg@{k}: gender F - M"
    # what was consumed cannot be offered again
    assert any("left empty" in line for line in found.problems) is (k == N_ITEMS)


def test_what_makes_the_whole_audit_impossible_is_refused_in_one_line(split):
    for arguments, text in (
        ({"k": 0}, "expected a whole number from 1 to 40"),
        ({"k": 41}, "expected a whole number from 1 to 40"),
        ({"on": "train"}, "expected 'test' or 'valid'"),
        ({"on": "valid"}, "has valid targets"),
    ):
        with pytest.raises(InputError, match=text):
            audited(split, **arguments)
    with pytest.raises(InputError, match="the split belongs to"):
        audit(Fixed(), town(n_users=100), split)
