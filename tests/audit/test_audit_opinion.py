"""The opinion by its table of rules, over all combinations; and no odd input ends in a good one."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import pytest
from audit_town import N_ITEMS, Fixed, town
from hypothesis import given, settings
from hypothesis import strategies as st

from tutorial_lib.audit import LoggedLists, audit
from tutorial_lib.audit.core.finding import INCONCLUSIVE, MATERIAL, VERDICTS, make_finding
from tutorial_lib.audit.core.lists import FAULTS
from tutorial_lib.audit.core.opinion import COMMENTS, NEGATIVE, NONE, OPINIONS, POSITIVE, RULES
from tutorial_lib.audit.inference.statistics import Estimate
from tutorial_lib.audit.report.report import AuditReport
from tutorial_lib.data import hold_out_k, leave_last_out, random_hold_out
from tutorial_lib.errors import InputError

# name -> verdicts of the declared tests that are not MATERIAL; "nothing" = not measured
FAMILIES = {
    "empty": [],
    "all unmeasured": ["nothing", "nothing"],
    "more than half undecided": ["EQUIVALENT", INCONCLUSIVE, INCONCLUSIVE, "nothing"],
    "half undecided": [
        "EQUIVALENT",
        "WITHIN MARGIN",
        "EQUIVALENT",
        INCONCLUSIVE,
        INCONCLUSIVE,
        "nothing",
    ],
    "some undecided": ["EQUIVALENT", "WITHIN MARGIN", "EQUIVALENT", INCONCLUSIVE],
    "all decided": ["EQUIVALENT", "WITHIN MARGIN"],
}
SHAPES = {
    MATERIAL: Estimate(0.2, 0.1, 0.3, 0.0001, 0.05),
    "WITHIN MARGIN": Estimate(0.02, 0.01, 0.03, 0.0001, 0.005),
    "EQUIVALENT": Estimate(0.0, -0.01, 0.01, 1.0, 0.005),
    INCONCLUSIVE: Estimate(0.02, -0.06, 0.1, 0.6, 0.04),
    "nothing": Estimate.nothing(),
}


def of(verdict: str, metric: str, sign: int = 1):
    x = SHAPES[verdict]
    low, high = sorted((sign * x.low, sign * x.high))
    estimate = Estimate(sign * x.value, low, high, x.p, x.se)
    return make_finding("H1", "users", metric, estimate, n_by_group={"a": 50, "b": 90}, margin=0.05)


def made(
    family: str, material: bool, faults: bool, harmful: bool, problems: bool, usable: bool
) -> AuditReport:
    verdicts = [*FAMILIES[family], *([MATERIAL] if material else [])]
    if material and "half" in family:
        verdicts += ["nothing", INCONCLUSIVE]  # still at least half of them open
    names = [f"ndcg@10: group {i} - rest" for i in range(len(verdicts))]
    findings = [of(v, name) for v, name in zip(verdicts, names, strict=True)]
    findings += [of(MATERIAL, FAULTS["repeated"])] if faults else []
    findings += [
        of(MATERIAL, "popularity lift of lists over profiles", 1 if harmful else -1)
    ]  # below 0 it is good news
    findings += [
        of(INCONCLUSIVE, "recall@10: group 1 - rest"),
        of(INCONCLUSIVE, FAULTS["consumed"]),
    ]
    groups = pd.DataFrame(columns=["attribute", "group", "n", "status"])
    lines = ("a line",) if problems else ()
    return AuditReport(
        "Shop()", {"data": "shop: 1"}, {}, tuple(names), (), groups, lines, usable=usable
    ).add(findings)


def expected(
    family: str, material: bool, faults: bool, harmful: bool, problems: bool, usable: bool
) -> str:
    """The order that was decided, written a second time and in another form."""
    if not usable:
        return NONE
    if material or faults:
        return NEGATIVE
    if family in ("empty", "all unmeasured", "more than half undecided"):
        return NONE
    return (
        COMMENTS
        if family in ("half undecided", "some undecided") or harmful or problems
        else POSITIVE
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_the_opinion_over_all_combinations(family):
    """Absence of evidence must not end in the positive class, and good news is no comment."""
    for material, faults, harmful, problems, usable in product((False, True), repeat=5):
        if material and family in ("empty", "all unmeasured"):
            continue  # then it would be neither
        report = made(family, material, faults, harmful, problems, usable)
        case = (family, material, faults, harmful, problems, usable)
        assert report.opinion.word == expected(*case), case
        assert report.opinion.reasons and all(report.opinion.reasons)
        assert not (report.opinion.word == POSITIVE and len(report.opinion.reasons) != 1)


def test_the_rules_stand_in_the_report_and_the_one_that_applied_is_marked():
    for family in ("all decided", "empty"):
        text = made(family, False, False, False, False, True).to_markdown()
        assert all(rule.when in text for rule in RULES) and text.count("applies here") == 1
    assert {rule.word for rule in RULES} == set(OPINIONS)


def test_a_page_without_an_opinion_is_not_green():
    for family, word in (
        ("empty", "no-opinion"),
        ("all decided", "positive"),
        ("some undecided", "positive-with-comments"),
    ):
        page = made(family, False, False, False, False, True).to_html()
        assert f'<section class="opinion {word}">' in page


ONE_SIDED = {  # metric -> does it harm below 0, above 0
    "popularity lift of lists over profiles": (False, True),
    "tail share: lists - profiles": (True, False),
    "places left empty": (False, True),
    "attribute told by state: AUC - .5": (False, True),
    "leak amplification: AUC of state - history": (False, True),
    "membership: AUC - .5": (False, True),
    "canary exposure, planted 4 times (bits)": (False, True),
    "dissimilarity (prag): A woman - paraphrases": (False, True),
    "titles recovered from item ids, beyond shuffled ids": (False, True),
    "exposure lift of the attacked item - controls": (False, True),
    "ndcg@10: attacked - before": (True, False),
    "comprehensiveness: explanation - random": (True, False),
    "ndcg@10 without profiling - with: all users": (True, False),
    "coverage: retrained - random, change over 10 rounds": (True, False),
    "ndcg@10 after - before: all users": (True, False),
    "ndcg@10 gap after - before: gender F - M": (True, True),
    "ndcg@10: gender F - M": (True, True),
    "tau of input and output of 10 candidates over 8 orders": (True, True),
}


@pytest.mark.parametrize("metric", ONE_SIDED)
def test_every_measure_knows_on_which_side_it_harms(metric):
    assert (of(MATERIAL, metric, -1).harmful, of(MATERIAL, metric, 1).harmful) == ONE_SIDED[metric]
    assert not of(INCONCLUSIVE, metric).harmful and not of("EQUIVALENT", metric).harmful


def test_a_gap_names_who_is_worse_off():
    """Less NDCG is worse, more miscalibration is; and a group of providers that is shown more takes
    it from the others.
    """
    ds = town()
    split = random_hold_out(ds, 3)
    for f in audit(Fixed(), ds, split).findings:
        if ": gender F - M" in f.metric and np.isfinite(f.estimate) and f.estimate:
            low_is_bad = f.metric.startswith(("ndcg", "recall"))
            assert f.bearer == ("F" if (f.estimate < 0) == low_is_bad else "M"), f
        if f.metric.startswith("exposure"):
            assert f.bearer == ("minority" if f.estimate < 0 else "other providers")


# --- nothing measured is never fine ---


class Odd:
    """Lists of one fault for everybody."""

    def __init__(self, kind: str):
        self.kind = kind

    def recommend(self, histories, k=10, *, users=None, exclude_seen=True):
        n = len(histories)
        if self.kind == "empty":
            return [[] for _ in range(n)]
        if self.kind == "invented":
            return np.full((n, k), 10**6) + np.arange(k)
        if self.kind == "consumed":
            return [
                np.resize(h, k) if len(h) >= k else np.r_[h, np.full(k - len(h), -1)]
                for h in histories
            ]
        if self.kind == "same":
            return np.tile(np.arange(k), (n, 1))
        return [
            np.setdiff1d(np.random.default_rng(int(u)).permutation(N_ITEMS), h, True)[:k]
            for u, h in zip(users, histories, strict=True)
        ]


@pytest.mark.parametrize(
    "kind, word", [("empty", NONE), ("invented", NONE), ("consumed", NEGATIVE)]
)
def test_lists_that_cannot_be_judged_get_no_opinion_and_broken_ones_a_negative_one(kind, word):
    ds = town()
    report = audit(Odd(kind), ds, random_hold_out(ds, 3))
    assert report.opinion.word == word
    assert report.usable is (kind == "consumed")


def test_twenty_users_and_an_empty_family_get_no_opinion():
    few = town(n_users=20)
    report = audit(Fixed(), few, random_hold_out(few, 3))
    assert (
        report.opinion.word == NONE
        and "no declared test could be measured" in report.opinion.reasons[0].lower()
    )
    bare = town(gender=["F"] * 240)
    bare = replace(bare, items=bare.items.drop(columns="provider_group"))
    report = audit(Fixed(), bare, random_hold_out(bare, 3))
    assert (
        report.family == ()
        and report.opinion.word == NONE
        and "No test was declared." in report.opinion.reasons
    )


def test_a_declared_test_that_a_log_leaves_out_is_told_as_unmeasured():
    """Only men were logged: the declared gap has no finding of its own, and must not vanish."""
    ds = town()
    split = random_hold_out(ds, 3)
    men = np.flatnonzero(ds.users["gender"] == "M")
    lists = {
        int(u): np.setdiff1d(np.arange(N_ITEMS), split.test_history[u])[:10].tolist() for u in men
    }
    report = audit(LoggedLists(lists, name="shop"), ds, split, attributes=["gender"])
    (gap,) = [f for f in report.findings if f.metric == "ndcg@10: gender F - M"]
    assert (
        not gap.measured
        and "Declared, and not measured" in " ".join(gap.notes)
        and "ndcg@10: gender F - M" in report.family
    )
    assert (
        "ndcg@10: gender F - M"
        in report.to_markdown().split("## Why this opinion")[0].split("Not decided")[1]
    )
    assert not report.opinion.word == POSITIVE and (
        report.log_coverage is None or "share" in report.log_coverage
    )


@st.composite
def odd_data(draw):
    n = draw(st.sampled_from([3, 20, 60, 150]))
    groups = draw(st.sampled_from(["none", "one", "missing", "two", "nine", "lone member"]))
    column = {
        "one": ["x"] * n,
        "missing": [None] * n,
        "two": [("a", "b", None)[u % 3] for u in range(n)],
        "nine": [f"g{u % 9}" for u in range(n)],
        "lone member": ["a"] + ["b"] * (n - 1),
    }
    ds = town(
        n_users=n,
        seed=draw(st.integers(0, 3)),
        **({"g": column[groups]} if groups != "none" else {"user_id": range(n)}),
    )
    providers = draw(st.sampled_from(["none", "two", "25", "one", "missing", "half missing", "40"]))
    labels = {
        "two": [f"p{i % 2}" for i in range(N_ITEMS)],
        "25": [f"p{i % 25}" for i in range(N_ITEMS)],
        "one": ["p"] * N_ITEMS,
    }
    labels |= {
        "missing": [None] * N_ITEMS,
        "half missing": [None if i % 2 else f"p{i % 3}" for i in range(N_ITEMS)],
    }
    labels["40"] = [f"p{i}" for i in range(N_ITEMS)]
    items = ds.items.drop(columns="provider_group")
    items = items if providers == "none" else items.assign(provider=labels[providers])
    return replace(ds, items=items)


MAKERS = {
    "last": leave_last_out,
    "three": lambda ds: random_hold_out(ds, 3),
    "share": lambda ds: random_hold_out(ds, share=0.3),
    "two": lambda ds: hold_out_k(ds, 2, valid_k=0),
}


@settings(max_examples=12, deadline=None)
@given(
    odd_data(),
    st.sampled_from(list(MAKERS)),
    st.sampled_from(["empty", "invented", "consumed", "same", "usual"]),
    st.sampled_from([1, 5, 10, N_ITEMS]),
    st.sampled_from([None, {"exposure": 1.0}, {"quality": -1}, {"exposure": 0.5, "what": 1}, 7]),
)
def test_whatever_is_accepted_ends_in_a_report_and_nothing_measured_is_never_positive(
    ds, maker, kind, k, margins
):
    try:
        split = MAKERS[maker](ds)
        report = audit(Odd(kind), ds, split, margins, k=k)
    except InputError as error:
        assert "\n" not in str(error)
        return
    declared = [f for f in report.findings if f.metric in report.family]
    assert sorted(f.metric for f in declared) == sorted(report.family) and all(
        f.verdict in VERDICTS for f in report.findings
    )
    if not any(f.measured for f in declared) or not report.usable:
        assert not report.opinion.word.startswith(POSITIVE)
    undecided = sum(f.verdict == INCONCLUSIVE for f in declared)
    assert not (report.opinion.word.startswith(POSITIVE) and 2 * undecided > len(declared))
    assert (
        report.to_html().endswith("</html>\n")
        and report.to_markdown()
        and len(report.to_frame()) == len(report.findings)
    )
