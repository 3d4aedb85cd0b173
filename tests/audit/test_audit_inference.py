"""The statistics of an audit hold what they promise: against scipy, against formulas on paper, and
in worlds without a difference.
"""

from itertools import product
from math import nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tutorial_lib.audit.core.finding import INCONCLUSIVE, verdict_of
from tutorial_lib.audit.inference import statistics as inference
from tutorial_lib.audit.inference.adjusted import adjusted_gap, shrink
from tutorial_lib.audit.inference.statistics import (
    group_gap,
    mean_shift,
    rate,
    studentised_permutation_p,
)
from tutorial_lib.errors import InputError
from tutorial_lib.evaluation.estimates import detectable


def rng(seed=0):
    return np.random.default_rng(seed)


# --- the gap between two groups ---


def test_dense_groups_without_skew_get_welchs_interval_and_p():
    draw = rng(3)
    for sizes in ((299, 300), (200, 900), (6_000, 7_000)):
        a, b = draw.normal(0.1, 1, sizes[0]), draw.normal(0, 3, sizes[1])
        theirs = stats.ttest_ind(a, b, equal_var=False)
        found = group_gap(a, b, rng=draw)
        assert (found.low, found.high) == pytest.approx(tuple(theirs.confidence_interval(0.95)))
        assert found.p == pytest.approx(theirs.pvalue, rel=1e-9)
        assert found.se == pytest.approx(found.value / theirs.statistic)


def test_groups_with_few_hits_get_the_interval_of_agresti_and_caffo():
    """7 of 50 against 120 of 900: one hit and one miss join each group."""
    a, b = np.r_[np.ones(7), np.zeros(43)], np.r_[np.ones(120), np.zeros(780)]
    found = group_gap(a, b, rng=rng())
    theirs = stats.ttest_ind(np.r_[a, 0, 1], np.r_[b, 0, 1], equal_var=False)
    assert (found.low, found.high) == pytest.approx(tuple(theirs.confidence_interval(0.95)))
    assert found.p == pytest.approx(theirs.pvalue) and found.value == pytest.approx(
        7 / 50 - 120 / 900
    )


def shares(n, p):
    """Number of hits of n users with a share p, and its probability; what is rarer than 1e-9 is
    left out.
    """
    hits = np.arange(n + 1)
    chance = stats.binom.pmf(hits, n, p)
    return hits[chance > 1e-9], chance[chance > 1e-9]


@pytest.mark.parametrize("sizes", [(30, 900), (50, 900), (30, 30), (100, 900)])
def test_the_coverage_of_a_gap_between_sparse_groups_by_exact_calculation(sizes):
    """No simulation: every number of hits in both groups, weighted with its probability."""
    n, m = sizes
    for p, q in product((0.01, 0.04, 0.1), repeat=2):
        (x, of_x), (y, of_y) = shares(n, p), shares(m, q)
        mean = (x[:, None] + 1) / (n + 2), (y + 1) / (m + 2)
        parts = mean[0] * (1 - mean[0]) / (n + 1), mean[1] * (1 - mean[1]) / (m + 1)
        freedom = (parts[0] + parts[1]) ** 2 / (parts[0] ** 2 / (n + 1) + parts[1] ** 2 / (m + 1))
        reach = stats.t.ppf(0.975, freedom) * np.sqrt(parts[0] + parts[1])
        given = x[:, None] + y > 0
        missed = (np.abs(mean[0] - mean[1] - (p - q)) > reach) & given
        weight = of_x[:, None] * of_y
        assert (
            1 - (weight * missed).sum() >= 0.945
            and 1 - (weight * missed).sum() / (weight * given).sum() >= 0.945
        ), (p, q)
        i, j = len(x) // 2, len(y) // 2  # that the kit's interval is the one calculated with
        a, b = np.repeat([1.0, 0.0], [x[i], n - x[i]]), np.repeat([1.0, 0.0], [y[j], m - y[j]])
        found = group_gap(a, b, rng=rng())
        gap = mean[0][i, 0] - mean[1][j]
        assert found.low == pytest.approx(
            min(gap - reach[i, j], found.value)
        ) and found.high == pytest.approx(max(gap + reach[i, j], found.value))


@pytest.mark.parametrize("sizes", [(30, 300), (300, 30), (60, 60)])
def test_skewed_groups_get_the_inverted_permutation_test_and_interval_and_p_agree(sizes):
    draw, repeats, covered = rng(14), 250, 0
    for _ in range(repeats):
        a, b = draw.lognormal(0, 1, sizes[0]), draw.lognormal(0, 1, sizes[1])
        found = group_gap(a, b, rng=draw, permutations=499)
        covered += found.low <= 0 <= found.high
        assert (found.low > 0 or found.high < 0) == (found.p < 0.05)
        assert found.low <= found.value <= found.high
    assert covered / repeats >= 0.93 - 2 * np.sqrt(0.05 * 0.95 / repeats)
    moved = group_gap(a + 5, b, rng=rng(0), permutations=499)
    still = group_gap(a, b, rng=rng(0), permutations=499)
    assert (moved.low - 5, moved.high - 5) == pytest.approx(
        (still.low, still.high), abs=1e-4
    )  # a shift moves the interval and no more


@pytest.mark.full
def test_a_studentised_permutation_keeps_its_level_with_unequal_spreads_and_a_plain_one_does_not():
    """The smaller group is the noisier one. Without studentising every fifth world without a gap
    shows one.
    """
    draw, repeats, permutations, n, m = rng(4), 400, 199, 50, 200
    worlds = np.concatenate(
        [draw.normal(0, 3, (repeats, n)), draw.normal(0, 1, (repeats, m))], axis=1
    )
    studentised = (
        sum(
            studentised_permutation_p(w[:n], w[n:], rng=draw, permutations=permutations) <= 0.05
            for w in worlds
        )
        / repeats
    )

    shuffled = draw.permuted(np.repeat(worlds[:, None], permutations, axis=1), axis=2)
    far = (
        np.abs(shuffled[..., :n].mean(2) - shuffled[..., n:].mean(2))
        >= np.abs(worlds[:, :n].mean(1) - worlds[:, n:].mean(1))[:, None]
    )
    plain = ((1 + far.sum(1)) / (1 + permutations) <= 0.05).mean()
    reach = 3.5 * np.sqrt(0.05 * 0.95 / repeats)
    assert 0.05 - reach < studentised < 0.05 + reach
    assert plain > 0.05 + 2 * reach


def sparse(draw, size):
    """NDCG@10 with one target: 14 % of the users have a hit, at any rank."""
    return np.where(draw.random(size) < 0.14, draw.choice(1 / np.log2(np.arange(2, 12)), size), 0.0)


@pytest.mark.full
def test_a_small_group_beside_very_many_users_keeps_its_level_where_welchs_t_does_not():
    draw, repeats = rng(12), 1_500
    worlds = [(sparse(draw, 50), sparse(draw, 10_000)) for _ in range(repeats)]
    ours = np.mean(
        [studentised_permutation_p(a, b, rng=draw, permutations=199) <= 0.05 for a, b in worlds]
    )
    welch = np.mean([stats.ttest_ind(a, b, equal_var=False).pvalue <= 0.05 for a, b in worlds])
    reach = 3.5 * np.sqrt(0.05 * 0.95 / repeats)
    assert 0.05 - reach < ours < 0.05 + reach < welch
    gaps = np.mean([group_gap(a, b, rng=draw).p <= 0.05 for a, b in worlds])
    assert gaps < 0.05 + reach


@pytest.mark.parametrize(
    "sizes", [(12, 25), (12, 10_001)], ids=["each draw a shuffle", "a shuffle is cut"]
)
def test_the_permutation_p_is_that_of_scipy(sizes):
    draw = rng(5)
    a, b = draw.normal(1.5, 2, sizes[0]), draw.exponential(1, sizes[1])

    def welch(x, y, axis):
        return np.abs(x.mean(axis) - y.mean(axis)) / np.sqrt(
            x.var(axis, ddof=1) / x.shape[axis] + y.var(axis, ddof=1) / y.shape[axis]
        )

    theirs = stats.permutation_test(
        (a, b),
        welch,
        vectorized=True,
        n_resamples=9_999,
        batch=100,
        alternative="greater",
        rng=draw,
    ).pvalue
    assert studentised_permutation_p(a, b, rng=draw, permutations=20_000) == pytest.approx(
        theirs, abs=0.015
    )


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 400), st.integers(2, 400))
def test_swapping_the_groups_changes_the_sign_alone(seed, n, m):
    a, b = rng(seed).exponential(1, n), rng(seed + 1).normal(0, 1, m)
    one, other = (group_gap(x, y, rng=rng(0), permutations=199) for x, y in ((a, b), (b, a)))
    assert one.value == pytest.approx(-other.value) and one.se == pytest.approx(other.se)
    skewed = inference.skewness(np.r_[(a - a.mean()) / n, (b.mean() - b) / m]) >= inference.SKEWED
    fewest = min(n, m)
    if fewest < inference.FEWEST or (
        fewest >= inference.ENOUGH and not skewed
    ):  # else shuffled, and other shuffles
        assert (one.low, one.high, one.p) == pytest.approx((-other.high, -other.low, other.p))
    assert one.low <= one.value <= one.high and 0 < one.p <= 1


@pytest.mark.parametrize("n, m", [(40, 50), (6_000, 5_000)])
def test_where_nothing_varies_there_is_no_interval_and_never_an_all_clear(n, m):
    same = group_gap(np.full(n, 0.1), np.full(m, 0.1 + 1e-17), rng=rng(), permutations=99)
    assert (
        same.value == 0
        and np.isnan([same.low, same.high, same.p, same.se]).all()
        and "too few non-zero users" in same.note
    )
    assert verdict_of((same.low, same.high), same.p, 0.03) == INCONCLUSIVE


@pytest.mark.parametrize("n, m", [(2, 2), (12, 30), (40, 50), (6_000, 5_000)])
def test_groups_that_are_constant_and_apart_are_not_measured_without_error(n, m):
    apart = group_gap(np.ones(n), np.zeros(m), rng=rng(), permutations=99)
    assert (
        apart.value == 1
        and apart.low < 1 <= apart.high
        and 0 < apart.p < (1.1 if n == 2 else 1e-3)
        and apart.se > 0
    )
    theirs = stats.ttest_ind(np.r_[np.ones(n), 0, 1], np.r_[np.zeros(m), 0, 1], equal_var=False)
    assert apart.p == pytest.approx(max(theirs.pvalue, np.finfo(float).tiny), rel=1e-6)


def test_a_single_value_is_refused_in_one_line():
    with pytest.raises(InputError, match="groups of 1 and 5 users; expected at least two"):
        group_gap(np.ones(1), np.ones(5), rng=rng())
    with pytest.raises(InputError, match="1 values; expected at least two"):
        mean_shift(np.ones(1))


def test_the_detectable_difference_is_found_four_times_in_five():
    draw, n, found = rng(6), 100, 0
    size = detectable(np.sqrt(2 / n))
    for _ in range(300):
        a, b = draw.normal(size, 1, n), draw.normal(0, 1, n)
        found += stats.ttest_ind(a, b, equal_var=False).pvalue < 0.05
    assert abs(found / 300 - 0.8) < 3.5 * np.sqrt(0.8 * 0.2 / 300)


def test_a_shift_is_the_mean_of_pairs_with_the_interval_of_differences():
    draw = rng(7)
    d = draw.normal(0.1, 1, 20_000)
    found, theirs = mean_shift(d), stats.ttest_1samp(d, 0)
    assert (found.low, found.high) == pytest.approx(tuple(theirs.confidence_interval(0.95)))
    assert 0 < found.p == pytest.approx(theirs.pvalue)
    assert mean_shift(d + 9).p > 0  # where t underflows


# --- the adjusted gap ---


def test_without_covariates_hc3_is_a_formula_on_paper():
    """Leverage is 1/n within a group, so the squared error is s_a^2 / (n_a - 1) + s_b^2 / (n_b -
    1).
    """
    draw = rng(9)
    a, b = draw.normal(1, 1, 40), draw.normal(0, 3, 70)
    member = np.r_[np.ones(40, bool), np.zeros(70, bool)]
    found = adjusted_gap(
        np.r_[a, b], member, np.full((110, 2), 7.0)
    )  # constant covariates are no covariates
    se = np.sqrt(a.var(ddof=1) / 39 + b.var(ddof=1) / 69)
    reach = stats.t.ppf(0.975, 108) * se
    assert (found.value, found.se) == pytest.approx((a.mean() - b.mean(), se))
    assert (found.low, found.high) == pytest.approx((found.value - reach, found.value + reach))
    assert found.p == pytest.approx(2 * stats.t.sf(abs(found.value) / se, 108))


def test_hc3_with_covariates_by_leaving_out_each_user():
    """HC3 weighs each residual by 1 / (1 - leverage), which is the residual of the fit without that
    user: no formula shared.
    """
    draw, n = rng(10), 60
    member, x = draw.random(n) < 0.4, draw.normal(size=(n, 2))
    y = 0.5 * member + x @ [1, -2] + draw.normal(size=n) * (1 + np.abs(x[:, 0]))
    design = np.column_stack([member, np.ones(n), x])
    fit = np.linalg.lstsq(design, y, rcond=None)[0]
    left_out = [
        y[i] - design[i] @ np.linalg.lstsq(np.delete(design, i, 0), np.delete(y, i), rcond=None)[0]
        for i in range(n)
    ]
    inverse = np.linalg.inv(design.T @ design)
    covariance = sum(
        e**2 * np.outer(inverse @ row, inverse @ row)
        for e, row in zip(left_out, design, strict=True)
    )
    found = adjusted_gap(y, member, x)
    assert (found.value, found.se) == pytest.approx((fit[0], np.sqrt(covariance[0, 0])))


def confounded(seed, n=4_000, noise=1.0):
    """Taste differs between groups and alone decides quality: the raw gap is .5, the gap between
    users alike in taste is 0.
    """
    draw = rng(seed)
    member = draw.random(n) < 0.3
    taste = draw.normal(size=n) + 0.5 * member
    once, again = taste + noise * draw.normal(size=n), taste + noise * draw.normal(size=n)
    return taste + draw.normal(size=n), member, once, again


def test_a_gap_that_a_covariate_explains_vanishes_and_one_it_does_not_explain_stays():
    values, member, taste, _ = confounded(0, noise=0.0)
    assert values[member].mean() - values[~member].mean() > 0.4
    gone = adjusted_gap(values, member, taste[:, None])
    kept = adjusted_gap(values - 0.3 * member, member, taste[:, None])
    assert gone.low < 0 < gone.high and gone.high - gone.low < 0.15
    assert kept.value == pytest.approx(gone.value - 0.3)


def test_a_covariate_with_noise_leaves_a_part_of_its_effect_and_a_second_measurement_takes_it_out():
    """With as much noise as taste, half of the gap of .5 stays; the instrumented interval holds the
    truth as often as it says.
    """
    values, member, once, again = confounded(1)
    assert adjusted_gap(values, member, once[:, None]).value == pytest.approx(0.25, abs=0.08)
    covered = 0
    for seed in range(200):
        values, member, once, again = confounded(seed, n=400)
        found = adjusted_gap(values, member, np.empty((400, 0)), noisy=once, again=again)
        covered += found.low < 0 < found.high
    assert covered / 200 > 0.95 - 3.5 * np.sqrt(0.05 * 0.95 / 200)


def test_what_cannot_be_adjusted_is_refused_in_one_line_and_equal_values_have_no_gap():
    values, member, once, _ = confounded(2, n=300)
    with pytest.raises(InputError, match="the covariates determine the group"):
        adjusted_gap(values, member, np.column_stack([once, 3.0 * member]))
    with pytest.raises(InputError, match="F = .*expected 10 or more"):
        adjusted_gap(values, member, once[:, None], noisy=values, again=rng().normal(size=300))
    flat = adjusted_gap(np.full(300, 0.7), member, once[:, None])
    assert (
        flat.value == 0
        and np.isnan([flat.low, flat.high, flat.p]).all()
        and "all 300 have the value 0.7" in flat.note
    )


# --- rates, shrinkage, unknown groups ---


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 400), st.data())
def test_wilson_limits_are_the_shares_that_the_score_test_just_accepts(n, data):
    successes = data.draw(st.integers(0, n))
    found, mirrored = rate(successes, n), rate(n - successes, n)
    for limit in (found.low, found.high):
        if 1e-9 < limit < 1 - 1e-9:
            assert abs(found.value - limit) == pytest.approx(
                1.959964 * np.sqrt(limit * (1 - limit) / n), rel=1e-5
            )
    assert (found.low, found.high) == pytest.approx(
        (1 - mirrored.high, 1 - mirrored.low), abs=1e-12
    )
    assert found.se > 0 and np.isnan(found.p)


def test_impossible_counts_are_refused():
    for successes, n in ((3, 2), (-1, 5), (0, 0)):
        with pytest.raises(InputError, match="expected 0..n successes"):
            rate(successes, n)


def test_shrinkage_leaves_exact_means_and_pulls_pure_noise_to_the_common_mean():
    means = np.array([0.1, 0.2, 0.6])
    assert shrink(means, np.full(3, 1e-9)) == pytest.approx(means, abs=1e-9)
    assert shrink(means, np.full(3, 10.0)) == pytest.approx(np.full(3, means.mean()))
    assert shrink(means, np.array([0.0, 10.0, 10.0]))[0] == 0.1  # known exactly
    between = shrink(means, np.full(3, 0.1))
    assert (np.abs(between - means.mean()) < np.abs(means - means.mean()))[[0, 2]].all() and (
        np.diff(between) > 0
    ).all()
    assert np.isfinite(shrink(np.array([nan, 0.2, 0.6]), np.array([nan, 0.1, 0.1]))[0])


def test_shrunk_means_are_nearer_to_the_truth():
    draw, groups = rng(11), 40
    truth, errors = draw.normal(0.3, 0.05, groups), draw.uniform(0.02, 0.2, groups)
    seen = truth + errors * draw.normal(size=groups)
    assert ((shrink(seen, errors) - truth) ** 2).mean() < 0.5 * ((seen - truth) ** 2).mean()
