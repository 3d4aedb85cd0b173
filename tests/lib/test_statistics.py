"""Intervals, p-values and the detectable effect hold what they promise: checked by simulation with known truth."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tutorial_lib.errors import InputError
from tutorial_lib.evaluation import compare, mean_interval, summarise
from tutorial_lib.evaluation.statistics import bootstrap_interval, sign_flip_p


def frame(values, metric="ndcg@10", **attrs) -> pd.DataFrame:
    table = pd.DataFrame({metric: np.asarray(values, dtype=float)}, index=pd.Index(range(len(values)), name="user"))
    table.attrs.update(attrs)
    return table


def within(count: int, repeats: int, low: float, high: float) -> bool:
    """Could a true rate in [low, high] give this count? Bounds widened by 3.5 binomial standard errors: a false alarm in 2,000 runs."""
    slack = [3.5 * np.sqrt(rate * (1 - rate) / repeats) for rate in (low, high)]
    return low - slack[0] <= count / repeats <= high + slack[1]


def sparse_ndcg(rng, n):
    """Like NDCG@10 with one target: a fifth of the users have a hit, at any of ten ranks; the true mean follows."""
    gains = 1 / np.log2(np.arange(2, 12))
    return np.where(rng.random(n) < 0.2, rng.choice(gains, n), 0.0), 0.2 * gains.mean()


@pytest.mark.parametrize("few_values", [True, False], ids=["few distinct values", "all values differ"])
def test_bootstrap_interval_covers_the_true_mean(few_values):
    rng, repeats, hits = np.random.default_rng(0), 800, 0
    for _ in range(repeats):
        values, truth = sparse_ndcg(rng, 300)
        if not few_values:
            values = values + rng.normal(0, 0.01, 300)
        low, high = bootstrap_interval(values, rng=rng, resamples=1000)
        hits += low <= truth <= high
    # BCa is second-order accurate: at n = 300 its true coverage is within a point and a half of 95 %
    assert within(hits, repeats, 0.935, 0.96), hits / repeats


@pytest.mark.parametrize("few_values", [True, False], ids=["few distinct values", "all values differ"])
def test_bootstrap_interval_is_the_bca_interval_of_scipy(few_values):
    rng = np.random.default_rng(0)
    values = rng.lognormal(0, 1.2, 60)
    values = np.repeat(values[:7], (30, 20, 8, 2, 2, 2, 1)) if few_values else values
    ours = bootstrap_interval(values, rng=rng, resamples=100_000)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=100_000, method="BCa", batch=1000, rng=rng).confidence_interval
    plain = stats.bootstrap((values,), np.mean, n_resamples=100_000, method="percentile", batch=1000, rng=rng).confidence_interval
    width = theirs.high - theirs.low
    assert np.abs(np.subtract(ours, theirs)).max() < 0.02 * width
    assert np.abs(np.subtract(plain, theirs)).max() > 0.05 * width  # the data are skewed enough to tell the two kinds apart


def test_interval_of_equal_values_has_no_width():
    assert bootstrap_interval(np.full(50, 0.1), rng=np.random.default_rng(0)) == pytest.approx((0.1, 0.1))
    assert bootstrap_interval(np.array([0.3]), rng=np.random.default_rng(0)) == (0.3, 0.3)


@pytest.mark.parametrize("n", [10, 60], ids=["exact", "sampled"])
def test_false_positives_are_as_rare_as_promised(n):
    rng, repeats = np.random.default_rng(1), 1500
    found = sum(sign_flip_p(sparse_ndcg(rng, n)[0] - sparse_ndcg(rng, n)[0], rng=rng, permutations=400) <= 0.05 for _ in range(repeats))
    # exact test: never above alpha; below it where ties make the p-values coarse
    assert within(found, repeats, 0.0 if n == 10 else 0.03, 0.05), found / repeats


def test_p_of_a_sampled_permutation_test_is_near_the_t_test():
    d = np.random.default_rng(2).normal(0.15, 1, 200)
    assert sign_flip_p(d, rng=np.random.default_rng(0)) == pytest.approx(stats.ttest_1samp(d, 0).pvalue, abs=0.01)


def test_p_of_few_pairs_is_exact():
    d = np.array([0.5, 0.25, 0.125])  # only the two one-sided sign patterns reach the observed mean
    assert sign_flip_p(d, rng=np.random.default_rng(0)) == 2 / 8
    assert sign_flip_p(np.zeros(9), rng=np.random.default_rng(0)) == 1.0


def test_the_minimum_detectable_effect_is_found_in_four_of_five_repetitions():
    rng, n, repeats = np.random.default_rng(3), 200, 1000
    pilot = rng.normal(0, 0.3, n)
    pilot = (pilot - pilot.mean()) / pilot.std(ddof=1) * 0.3  # exactly the true spread, so the formula alone is on trial
    effect = compare(frame(pilot), frame(np.zeros(n))).minimum_detectable_effect
    found = sum(sign_flip_p(rng.normal(effect, 0.3, n), rng=rng, permutations=400) <= 0.05 for _ in range(repeats))
    assert within(found, repeats, 0.79, 0.81), found / repeats


def test_compare_finds_a_planted_difference_and_says_so():
    rng = np.random.default_rng(4)
    base = rng.random(400)
    result = compare(frame(base + rng.normal(0.05, 0.1, 400)), frame(base))
    assert result.ci[0] < 0.05 < result.ci[1] and result.ci[0] > 0 and result.p < 0.001 and result.n == 400
    assert result.difference == pytest.approx(result.mean_a - result.mean_b)
    assert "excludes 0" in str(result) and "400, paired" in str(result)
    assert "<table>" in result._repr_html_() and "&" not in str(result)


def test_compare_pairs_users_whatever_their_order():
    rng = np.random.default_rng(5)
    a, b = frame(rng.random(50)), frame(rng.random(50))
    assert compare(a, b.sample(frac=1, random_state=0)) == compare(a, b)
    assert compare(a, b, seed=1).ci != compare(a, b).ci


def test_compare_is_antisymmetric_and_a_system_does_not_differ_from_itself():
    rng = np.random.default_rng(6)
    a, b = frame(rng.random(80)), frame(rng.random(80))
    assert compare(a, b).difference == -compare(b, a).difference
    same = compare(a, a)
    assert (same.difference, same.ci, same.p) == (0.0, (0.0, 0.0), 1.0) and "includes 0" in str(same)


@pytest.mark.parametrize(
    "a, b, message",
    [
        (frame([1, 2, 3]), frame([1, 2]), r"users differ \(1 only in a, 0 only in b\)"),
        (frame([1, 2]), frame([1, 2]).rename(index={1: 0}), "twice"),
        (frame([1, 2], on="test"), frame([1, 2], on="valid"), "on 'test' and b on 'valid'"),
        (frame([1, 2]), frame([1, 2], "ndcg@5"), "unknown metric 'ndcg@10': did you mean 'ndcg@5'"),
        (frame([1, np.nan]), frame([1, 2]), "NaN"),
        (frame([]), frame([]), "no users"),
    ],
)
def test_compare_refuses(a, b, message):
    with pytest.raises(InputError, match=message):
        compare(a, b)


def test_tables_hold_mean_interval_and_users():
    rng = np.random.default_rng(7)
    results = {name: pd.DataFrame({"hit@10": rng.random(90) < 0.2, "ndcg@10": rng.random(90)}).astype(float) for name in "AB"}
    table = summarise(results["A"])
    assert list(table.index) == ["hit@10", "ndcg@10"] and list(table.columns) == ["mean", "low", "high", "n"]
    assert ((table["low"] < table["mean"]) & (table["mean"] < table["high"]) & (table["n"] == 90)).all()
    interval = mean_interval(results["A"], "ndcg@10")
    assert tuple(table.loc["ndcg@10"]) == (interval.mean, interval.low, interval.high, interval.n) and "(n=90)" in str(interval)
    assert list(summarise(results, "hit@10").index) == [("A", "hit@10"), ("B", "hit@10")]
