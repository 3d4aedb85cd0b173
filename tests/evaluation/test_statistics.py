"""Intervals, p-values and the detectable effect hold what they promise: checked by simulation with
known truth.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tutorial_lib.errors import InputError
from tutorial_lib.evaluation import (
    compare,
    holm,
    holm_comparisons,
    mean_interval,
    summarise,
)
from tutorial_lib.evaluation.estimates import detectable, mean_estimate
from tutorial_lib.evaluation.statistics import holm_sizes


def frame(values, metric="ndcg@10", **attrs) -> pd.DataFrame:
    table = pd.DataFrame(
        {metric: np.asarray(values, dtype=float)}, index=pd.Index(range(len(values)), name="user")
    )
    table.attrs.update(attrs)
    return table


def within(count: int, repeats: int, low: float, high: float) -> bool:
    """Could a true rate in [low, high] give this count? Bounds widened by 3.5 binomial standard
    errors: a false alarm in 2,000 runs.
    """
    slack = [3.5 * np.sqrt(rate * (1 - rate) / repeats) for rate in (low, high)]
    return low - slack[0] <= count / repeats <= high + slack[1]


def coverage(draw, truth, n, repeats=600, signed=False, seed=0):
    """Share of samples whose interval holds the truth: of all (no interval claims nothing), and of
    those with an interval.
    """
    rng, missed, given = np.random.default_rng(seed), 0, 0
    for _ in range(repeats):
        found = mean_estimate(draw(rng, n), signed=signed)
        given += not np.isnan(found.low)
        missed += found.low > truth + 1e-12 or found.high < truth - 1e-12
    return 1 - missed / repeats, 1 - missed / max(given, 1), given


def keeps(share, repeats):
    return share >= 0.93 - 2 * np.sqrt(0.05 * 0.95 / max(repeats, 1))


@pytest.mark.parametrize("n", [30, 100, 300])
@pytest.mark.parametrize("wins, losses", [(0.01, 0.01), (0.06, 0.06), (0, 0.02), (0.05, 0.01)])
def test_intervals_of_differences_keep_their_level_where_few_users_differ(n, wins, losses):
    def draw(rng, n):
        u = rng.random(n)
        return (u < wins) * 1.0 - (u > 1 - losses)

    of_all, of_given, given = coverage(draw, wins - losses, n, signed=True)
    assert keeps(of_all, 600) and keeps(of_given, given), (of_all, of_given)


@pytest.mark.parametrize("n", [30, 100, 300])
@pytest.mark.parametrize("rate", [0.01, 0.04, 0.1])
def test_intervals_of_a_mean_keep_their_level_where_few_users_have_a_hit(n, rate):
    gains = 1 / np.log2(np.arange(2, 12))
    for sizes in (np.ones(1), gains):
        of_all, of_given, given = coverage(
            lambda rng, n, s=sizes: (rng.random(n) < rate) * rng.choice(s, n),
            rate * sizes.mean(),
            n,
        )
        assert keeps(of_all, 600) and keeps(of_given, given), (of_all, of_given)


def test_intervals_of_dense_values_keep_their_level_whether_or_not_they_are_skewed():
    for draw, truth in (
        (lambda rng, n: rng.normal(0.2, 1, n), 0.2),
        (lambda rng, n: rng.exponential(1, n), 1),
        (lambda rng, n: rng.lognormal(0, 1, n), np.exp(0.5)),
        (lambda rng, n: np.where(rng.random(n) < 0.03, 0.0, 1.0), 0.97),
    ):
        assert keeps(coverage(draw, truth, 50)[0], 600)


def test_sparse_intervals_are_those_of_the_papers():
    hits = np.repeat(
        [1.0, 0.0], [3, 47]
    )  # Agresti & Coull 1998: two hits and two misses join; t for the normal quantile
    found, share = mean_estimate(hits), 5 / 54
    reach = stats.t.ppf(0.975, 53) * np.sqrt(share * (1 - share) / 53)
    assert (found.low, found.high) == pytest.approx(
        (max(0, share - reach), share + reach)
    ) and found.value == 3 / 50
    pairs = np.repeat(
        [1.0, -1.0, 0.0], [6, 1, 293]
    )  # Bonett & Price 2012: one win and one loss join
    found, theirs = mean_estimate(pairs, signed=True), stats.ttest_1samp(np.r_[pairs, 1, -1], 0)
    assert (found.low, found.high) == pytest.approx(
        tuple(theirs.confidence_interval(0.95))
    ) and found.p == pytest.approx(theirs.pvalue)


@pytest.mark.parametrize("n", [30, 100, 300, 1000])
def test_coverage_by_exact_calculation_where_all_who_differ_differ_to_one_side(n):
    """The hardest pairs for Bonett and Price: no loss in the sample speaks for those that exist."""
    wins = np.arange(n + 1)
    found = [mean_estimate(np.repeat([1.0, 0.0], [x, n - x]), signed=True) for x in range(n // 4)]
    for share in (0.01, 0.02, 0.03, 0.06, 0.1):
        missed = np.array(
            [f.low > share or f.high < share for f in found] + [True] * (n + 1 - len(found))
        )
        assert 1 - stats.binom.pmf(wins, n, share)[missed].sum() > 0.937, share


@pytest.mark.parametrize("wins, exact", [(4, 0.125), (5, 0.0625), (6, 0.03125), (7, 0.015625)])
def test_p_of_few_pairs_is_near_the_exact_test(wins, exact):
    d = np.repeat([1.0, 0.0], [wins, 300 - wins])  # McNemar's exact p: 2 / 2 ** wins
    found = mean_estimate(d, signed=True).p
    assert found == pytest.approx(exact, rel=0.35) and (found >= 0.05) == (exact >= 0.05)


def test_p_keeps_its_level_on_skewed_differences_where_flipped_signs_do_not():
    rng, repeats, n = np.random.default_rng(1), 800, 30
    ours = theirs = 0
    for _ in range(repeats):
        d = rng.lognormal(0, 1, n) - np.exp(0.5)
        ours += mean_estimate(d, signed=True).p <= 0.05
        signs = rng.choice([-1.0, 1.0], (400, n))
        theirs += (np.abs(signs @ d) >= abs(d.sum())).mean() <= 0.05
    assert ours / repeats <= 0.07 + 2 * np.sqrt(0.05 * 0.95 / repeats) and theirs / repeats > 0.09


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.sampled_from([0.0, 0.0, 0.0, 1.0, -1.0, 0.5, 0.301, 7.25]), min_size=2, max_size=60
    ),
    st.booleans(),
)
def test_interval_and_p_agree_and_hold_the_mean(values, signed):
    found = mean_estimate(np.array(values), signed=signed)
    if np.isnan(found.low):
        assert not np.any(values) and np.isnan(found.p) and found.note
        return
    assert found.low <= found.value <= found.high and 0 < found.p <= 1 and found.se > 0
    if signed:
        assert (found.low > 0 or found.high < 0) == (found.p < 0.05)
        mirrored = mean_estimate(-np.array(values), signed=True)
        assert (mirrored.low, mirrored.high) == pytest.approx((-found.high, -found.low))


def test_no_interval_where_nothing_is_known():
    one = compare(frame([0.7]), frame([0.5]))
    assert (
        one.difference == pytest.approx(0.2)
        and np.isnan([*one.ci, one.p, one.minimum_detectable_effect]).all()
    )
    assert (
        "1 user: no interval" in str(one)
        and "excludes" not in str(one)
        and "1 user" in one._repr_html_()
    )
    same = compare(frame([0.3, 0.1, 0.0]), frame([0.3, 0.1, 1e-17]))
    assert (
        same.difference == pytest.approx(0)
        and np.isnan(same.ci[0])
        and "too few non-zero users" in same._repr_html_()
    )
    zero = mean_interval(frame(np.zeros(300)))
    assert zero.mean == 0 and np.isnan(zero.low) and "too few non-zero users" in str(zero)
    assert np.isnan(mean_interval(frame([0.3])).low) and "1 user" in str(
        mean_interval(frame([0.3]))
    )
    table = summarise(frame(np.zeros(9)))
    assert table["mean"].tolist() == [0] and table[["low", "high"]].isna().all(axis=None)


def test_values_that_are_all_alike_but_not_0_have_an_interval_with_width():
    hits = mean_interval(frame(np.ones(30)))
    assert hits.high == 1 and hits.low == pytest.approx(
        32 / 34 - stats.t.ppf(0.975, 33) * np.sqrt(32 * 2 / 34**2 / 33)
    )
    gain = compare(frame(np.full(30, 0.3)), frame(np.full(30, 0.1)))
    assert 0 < gain.ci[0] < 0.2 <= gain.ci[1] and 0 < gain.p < 0.001


def test_p_is_never_0():
    many = compare(frame(np.random.default_rng(0).normal(5, 1, 20_000)), frame(np.zeros(20_000)))
    assert many.p > 0 and "p           < 0.0001" in str(many)


def test_the_minimum_detectable_effect_is_found_in_four_of_five_repetitions():
    rng, n, repeats = np.random.default_rng(3), 200, 1000
    pilot = rng.normal(0, 0.3, n)
    pilot = (
        (pilot - pilot.mean()) / pilot.std(ddof=1) * 0.3
    )  # exactly the true spread, so the formula alone is on trial
    effect = compare(frame(pilot), frame(np.zeros(n))).minimum_detectable_effect
    found = sum(
        compare(frame(rng.normal(effect, 0.3, n)), frame(np.zeros(n))).p < 0.05
        for _ in range(repeats)
    )
    assert within(found, repeats, 0.79, 0.81), found / repeats


def test_compare_finds_a_planted_difference_and_says_so():
    rng = np.random.default_rng(4)
    base = rng.random(400)
    result = compare(frame(base + rng.normal(0.05, 0.1, 400)), frame(base))
    assert (
        result.ci[0] < 0.05 < result.ci[1]
        and result.ci[0] > 0
        and result.p < 0.001
        and result.n == 400
    )
    assert result.difference == pytest.approx(result.mean_a - result.mean_b)
    assert "excludes 0" in str(result) and "400, paired" in str(result)
    assert "<table>" in result._repr_html_() and "&" not in str(result)


def test_compare_pairs_users_whatever_their_order():
    rng = np.random.default_rng(5)
    a, b = frame(rng.random(50)), frame(rng.random(50))
    assert compare(a, b.sample(frac=1, random_state=0)) == compare(a, b)


def test_compare_is_antisymmetric_and_a_system_does_not_differ_from_itself():
    rng = np.random.default_rng(6)
    a, b = frame(rng.random(80)), frame(rng.random(80))
    assert compare(a, b).difference == -compare(b, a).difference
    same = compare(a, a)
    assert (
        same.difference == 0
        and np.isnan([*same.ci, same.p]).all()
        and "no user differs" in str(same)
    )


@pytest.mark.parametrize(
    "a, b, message",
    [
        (frame([1, 2, 3]), frame([1, 2]), r"users differ \(1 only in a, 0 only in b\)"),
        (frame([1, 2]), frame([1, 2]).rename(index={1: 0}), "twice"),
        (frame([1, 2], on="test"), frame([1, 2], on="valid"), "on 'test' and b on 'valid'"),
        (frame([1, 2]), frame([1, 2], "ndcg@5"), "unknown metric 'ndcg@10': did you mean 'ndcg@5'"),
        (frame([1, np.nan]), frame([1, 2]), "NaN"),
        (frame([1, 2]), frame([1, np.inf]), "of 1 is inf: expected a finite number"),
        (frame([]), frame([]), "no users"),
    ],
)
def test_compare_refuses(a, b, message):
    with pytest.raises(InputError, match=message):
        compare(a, b)


def test_tables_hold_mean_interval_and_users():
    rng = np.random.default_rng(7)
    results = {
        name: (
            pd.DataFrame({"hit@10": rng.random(90) < 0.2, "ndcg@10": rng.random(90)}).astype(float)
        )
        for name in "AB"
    }
    table = summarise(results["A"])
    assert list(table.index) == ["hit@10", "ndcg@10"] and list(table.columns) == [
        "mean",
        "low",
        "high",
        "n",
    ]
    assert (
        (table["low"] < table["mean"]) & (table["mean"] < table["high"]) & (table["n"] == 90)
    ).all()
    interval = mean_interval(results["A"], "ndcg@10")
    assert tuple(table.loc["ndcg@10"]) == (
        interval.mean,
        interval.low,
        interval.high,
        interval.n,
    ) and "(n=90)" in str(interval)
    assert list(summarise(results["B"], ["hit@10"]).index) == ["hit@10"]


def test_several_comparisons_are_adjusted_for_their_number():
    rng = np.random.default_rng(13)
    base = frame(rng.random(200))
    tests = {
        name: compare(base + shift * rng.random((200, 1)), base)
        for name, shift in (("a", 0.05), ("b", 0.001), ("c", 0.02))
    }
    tests["same"] = compare(base, base)
    table = holm_comparisons(tests)
    assert table["p_holm"].tolist()[:3] == pytest.approx(
        holm([c.p for c in tests.values()][:3])
    ) and np.isnan(table.loc["same", "p_holm"])
    for name, size in zip("abc", holm_sizes(table["p"][:3]), strict=True):
        effect = detectable(1, int(size), 199) / detectable(1, 1, 199)
        effect *= tests[name].minimum_detectable_effect
        assert table.loc[name, "detectable"] == pytest.approx(effect)
    assert "verdict" not in table


@pytest.mark.parametrize("seed", range(6))
def test_a_test_is_adjusted_for_those_that_holm_cannot_reject_before_it(seed):
    """A family's detectable difference by the first step is that of no test but the first."""
    rng = np.random.default_rng(seed)
    p = rng.random(7) ** 4
    for i, size in enumerate(holm_sizes(p)):
        for factor, rejected in ((0.999, True), (1.001, False)):
            changed = p.copy()
            changed[i] = factor * 0.05 / size
            assert (holm(changed)[i] < 0.05) == rejected


def test_equivalence_is_two_one_sided_tests_and_comes_before_a_difference():
    """Against scipy's one-sided t tests; a sure difference within the margin is no reason to
    choose.
    """
    rng = np.random.default_rng(14)
    d = rng.normal(0.003, 0.03, 500)
    found = compare(frame(d), frame(np.zeros(500)))
    for margin in (0.004, 0.01, 0.03):
        below = stats.ttest_1samp(d, margin, alternative="less").pvalue
        above = stats.ttest_1samp(d, -margin, alternative="greater").pvalue
        assert found.p_equivalent(margin) == pytest.approx(max(below, above))
    sure = compare(frame(d + 0.001), frame(np.zeros(500)))
    assert sure.p < 0.05 and sure.verdict(0.01) == "equivalent"
    far = compare(frame(d + 0.05), frame(np.zeros(500)))
    assert far.verdict(0.01) == far.verdict(far.difference) == "better"
    assert compare(frame(np.zeros(500)), frame(d + 0.05)).verdict(0.01) == "worse"
    loose = compare(frame(rng.normal(0, 1, 30)), frame(np.zeros(30)))
    assert loose.verdict(0.01) == "inconclusive"
    assert compare(frame(d), frame(d)).verdict(0.01) == "inconclusive"  # nobody differs
    for wrong in (0, -0.01, np.nan):
        with pytest.raises(InputError, match="p_equivalent.margin=.*expected a number in"):
            found.verdict(wrong)


def test_verdicts_of_a_family_are_adjusted_each_kind_on_its_own():
    noise = stats.norm.ppf((np.arange(300) + 0.5) / 300)
    noise *= 0.03 / noise.std(ddof=1)
    zero = frame(np.zeros(300))
    tests = {str(shift): compare(frame(noise + shift), zero) for shift in (0.02, 0.005, 0.0, -0.03)}
    table = holm_comparisons(tests, margin=0.01)
    alike = [c.p_equivalent(0.01) for c in tests.values()]
    assert table["p_equivalent"].tolist() == pytest.approx(holm(alike).tolist())
    assert table["verdict"].tolist() == ["better", "equivalent", "equivalent", "worse"]
    many = tests | {f"{i}": tests["0.005"] for i in range(30)}
    assert tests["0.005"].verdict(0.01) == "equivalent"
    assert holm_comparisons(many, 0.01).loc["0.005", "verdict"] == "inconclusive"


@pytest.mark.parametrize("truth, wrong", [(0.0, ("better", "worse")), (0.01, ("equivalent",))])
def test_false_verdicts_are_rare(truth, wrong):
    """At no difference, and at a difference as large as the margin: 5 % each, no more."""
    rng, repeats = np.random.default_rng(17), 1500
    zero, sd = frame(np.zeros(60)), 0.03
    drawn = (compare(frame(rng.normal(truth, sd, 60)), zero) for _ in range(repeats))
    missed = sum(c.verdict(0.01) in wrong for c in drawn)
    assert within(missed, repeats, 0.0, 0.05), missed / repeats


@pytest.mark.parametrize("users", (5, 10, 20))
def test_few_users_detect_what_is_printed_in_four_of_five_repetitions(users):
    """2.8 standard errors are found in 56 % of repetitions with 5 users: t asks for more."""
    shift, reach = detectable(1.0, freedom=users - 1), stats.t.ppf(0.975, users - 1)
    power = stats.nct.sf(reach, users - 1, shift) + stats.nct.cdf(-reach, users - 1, shift)
    assert power == pytest.approx(0.8, abs=0.01)
    values = frame(np.arange(users) / users)
    said = compare(values, frame(np.zeros(users))).minimum_detectable_effect
    assert said == pytest.approx(shift * np.std(np.arange(users) / users, ddof=1) / users**0.5)


def test_rows_that_are_not_independent_have_no_interval_of_their_own():
    """Four users with three seeds each are four users, not twelve."""
    index = pd.MultiIndex.from_product([range(3), range(4)], names=["seed", "user"])
    for rows in (index, pd.Index([1, 2, 3, 4] * 3), index.set_names([None, "user"]).droplevel(0)):
        with pytest.raises(InputError, match="average over seeds first"):
            mean_interval(pd.DataFrame({"ndcg@10": np.arange(12.0)}, index=rows))


def test_what_is_no_column_of_numbers_is_refused_in_one_line():
    numbers = pd.DataFrame({"ndcg@10": [0.1, 0.2]})
    texts, twice = numbers.astype(str), pd.concat([numbers, numbers], axis=1)
    for wrong, message in (
        (numbers["ndcg@10"], "a DataFrame"),
        (texts, "numbers, got values of"),
        (twice, "several columns"),
    ):
        with pytest.raises(InputError, match=message):
            mean_interval(wrong)
        with pytest.raises(InputError, match=message):
            compare(wrong, wrong)


def test_the_difference_that_holm_lets_see_is_found_in_four_of_five_repetitions():
    rng, tests, repeats = np.random.default_rng(15), 8, 2000
    z = rng.normal(size=(repeats, tests))
    z[:, 0] += detectable(1.0, tests)
    found = sum(holm(2 * stats.norm.sf(np.abs(row)))[0] < 0.05 for row in z)
    assert within(found, repeats, 0.79, 0.82), found / repeats
