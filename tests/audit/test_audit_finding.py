"""Findings and their verdicts: by a table, by laws, as a family; margins that cannot be used."""

from __future__ import annotations

from math import nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tutorial_lib.audit.core.evidence import Evidence
from tutorial_lib.audit.core.finding import (
    EQUIVALENT,
    INCONCLUSIVE,
    MATERIAL,
    WITHIN,
    judge,
    make_finding,
    verdict_of,
)
from tutorial_lib.audit.core.margins import MARGINS, checked_margins
from tutorial_lib.audit.inference.statistics import Estimate, group_gap


@pytest.mark.parametrize(
    "ci, p, margin, expected",
    [
        ((0.04, 0.09), 0.001, 0.03, MATERIAL),
        ((-0.09, -0.04), 0.001, 0.03, MATERIAL),
        ((0.04, 0.09), 0.06, 0.03, INCONCLUSIVE),  # adjusted p: not detected
        ((0.04, 0.09), 0.05, 0.03, INCONCLUSIVE),  # at alpha is not below it
        ((0.03, 0.09), 0.001, 0.03, INCONCLUSIVE),  # touches the margin
        ((0.01, 0.09), 0.001, 0.03, INCONCLUSIVE),
        ((0.01, 0.03), 0.001, 0.03, WITHIN),
        ((0.01, 0.03), 0.2, 0.03, EQUIVALENT),
        ((-0.03, 0.03), 0.9, 0.03, EQUIVALENT),
        ((-0.031, 0.02), 0.9, 0.03, INCONCLUSIVE),
        ((0.0, 0.02), 0.001, 0.03, EQUIVALENT),  # the interval does not exclude 0
        ((0.04, 0.09), nan, 0.03, MATERIAL),  # no test: the interval alone decides
        ((0.01, 0.02), nan, 0.03, WITHIN),
        ((nan, nan), 0.001, 0.03, INCONCLUSIVE),
        ((0.04, 0.09), 0.001, nan, INCONCLUSIVE),  # nobody declared a usable margin
    ],
)
def test_verdicts_as_a_table(ci, p, margin, expected):
    assert verdict_of(ci, p, margin) == expected


# exact in binary, so that scaling keeps every comparison
numbers = st.integers(-100, 100).map(lambda v: v / 64)


@settings(max_examples=200, deadline=None)
@given(
    numbers,
    numbers,
    st.integers(1, 64).map(lambda v: v / 64),
    st.floats(0, 1),
    st.sampled_from([0.25, 4.0, 1024.0]),
)
def test_a_verdict_does_not_depend_on_unit_or_sign(x, y, margin, p, scale):
    low, high = min(x, y), max(x, y)
    verdict = verdict_of((low, high), p, margin)
    assert verdict_of((low * scale, high * scale), p, margin * scale) == verdict
    assert verdict_of((-high, -low), p, margin) == verdict
    if verdict in (EQUIVALENT, WITHIN):  # a wider margin forgives no less, a narrower one no more
        assert verdict_of((low, high), p, margin * 4) == verdict
    if verdict == MATERIAL:
        assert verdict_of((low, high), p, margin / 4) == verdict


def findings_of(*ps):
    made = [Estimate(0.05, 0.04, 0.06, p, 0.005) for p in ps]
    return [
        make_finding("H1", "users", f"m{i}", e, n_by_group={"a": 50}, margin=0.03)
        for i, e in enumerate(made)
    ]


def test_holm_inside_the_family_benjamini_hochberg_outside_and_no_p_stays_none():
    judged = judge(findings_of(0.02, 0.03, 0.02, 0.03, 0.04, nan), family=("m0", "m1"))
    adjusted = [0.04, 0.04, *stats.false_discovery_control([0.02, 0.03, 0.04])]
    assert [f.p_adjusted for f in judged[:5]] == pytest.approx(adjusted)
    assert np.isnan(judged[5].p_adjusted) and judged[5].verdict == MATERIAL
    alone = judge(findings_of(0.03), family=("m0",))
    pair = judge(findings_of(0.03, 0.03), family=("m0", "m1"))
    assert [f.verdict for f in (*alone, *pair)] == [MATERIAL, INCONCLUSIVE, INCONCLUSIVE]


def test_judging_again_with_more_findings_starts_from_the_raw_p():
    first = judge(findings_of(0.01, 0.02), family=("m0",))
    assert judge(first, family=("m0",)) == first
    assert judge(first, family=("m0", "m1"))[1].p_adjusted == pytest.approx(0.02)
    assert judge((), family=("m0",)) == ()


def test_margins_are_checked_one_line_each_and_an_unusable_one_gives_no_verdict():
    unusable = {"quality": 0, "exposure": 1.5, "leak": "a lot", "order": True, "lift": nan}
    used, problems = checked_margins(unusable | {"qualty": 0.1, "popularity": np.float32(0.5)})
    assert {name for name, value in used.items() if np.isnan(value)} == set(unusable)
    assert used["popularity"] == 0.5 and used["calibration"] == MARGINS["calibration"][0]
    assert len(problems) == 6 and not any("\n" in line for line in problems)
    assert "unknown margin 'qualty': did you mean 'quality'" in problems[5]
    assert "expected a mapping" in checked_margins([0.1])[1][0] and checked_margins(None)[1] == []


@pytest.mark.parametrize("twice, minimum", [(0, 50), (1, 50), (49, 50), (50, 30), (100, 30)])
def test_one_user_with_two_targets_does_not_lower_the_minimum(twice, minimum):
    targets = [np.arange(2)] * twice + [np.arange(1)] * (100 - twice)
    lists = np.zeros((100, 5), int)
    assert Evidence(None, None, np.arange(100), [], targets, lists, lists, None).minimum == minimum


def test_a_finding_without_interval_says_why():
    none = group_gap(np.zeros(60), np.zeros(80), rng=np.random.default_rng(0))
    found = make_finding("H1", "users", "gap", none, n_by_group={"F": 60, "M": 80}, margin=0.03)
    assert found.verdict == INCONCLUSIVE
    assert any("few non-zero users" in note for note in found.notes)
