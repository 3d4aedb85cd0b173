"""The statistics of an audit: signed contrasts between groups of users, with intervals and tests that hold when groups are unequal.

A user is the unit everywhere. What is *not* here, and why: the range between the best and the worst group (positive in every world
without a gap), the four-fifths rule on hits (false alarms in most such worlds), and the plain permutation of group labels (wrong when
the groups differ in spread). Notebook 08 shows all three fail.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats
from scipy.special import ndtri

from tutorial_lib.errors import InputError
from tutorial_lib.evaluation.statistics import CELLS_AT_ONCE, bca_quantiles, bootstrap_interval, resampled_means, sign_flip_p

RESAMPLES = PERMUTATIONS = 4_999
FEW = 100  # users in the smaller group: below, Welch's t interval covers better than a bootstrap (.933 against .892 at 10 against 200)
MANY = 10_000  # users in all: beyond, with ENOUGH in the smaller group, the normal limit holds and resampling only costs time
ENOUGH = 5_000  # 50 users against 10,000 with one target each: Welch's t finds a gap in 9 % of the worlds without one


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval, two-sided p (nan: no test) and standard error, all in the number's own unit."""

    value: float
    low: float
    high: float
    p: float
    se: float

    @classmethod
    def nothing(cls, value: float = np.nan) -> Estimate:
        """A value that allows no inference (sample too small)."""
        return cls(float(value), np.nan, np.nan, np.nan, np.nan)


def detectable(se: float) -> float:
    """The true difference that is seen in 80 % of repetitions at alpha = .05, for a standard error ``se``: 2.80 of them.

    >>> round(float(detectable(1.0)), 2)
    2.8
    """
    return float((ndtri(0.975) + ndtri(0.8)) * se)


def group_gap(a: np.ndarray, b: np.ndarray, *, rng: np.random.Generator, permutations: int = PERMUTATIONS) -> Estimate:
    """mean(a) - mean(b) of two independent groups of users, [n_a] and [n_b] values.

    Interval: BCa bootstrap; Welch's t where the smaller group has fewer than 100 users.
    p: permutation of the studentised difference (Janssen 1997; Chung & Romano 2013), which keeps its level when the spreads differ.
    Both by Welch's t where the smaller group has 5,000 users and both together more than 10,000.
    Groups without any spread give an interval of width 0 and the smallest p that a permutation can give.
    Raises InputError with fewer than two values in a group.
    """
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if min(len(a), len(b)) < 2:
        raise InputError(f"group_gap: groups of {len(a)} and {len(b)} users; expected at least two in each")
    parts = a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)
    value, se = float(a.mean() - b.mean()), float(np.sqrt(sum(parts)))
    if se <= 1e-12 * max(1.0, np.abs(a).max(), np.abs(b).max()):  # rounding leaves a trace of spread in equal values
        value = 0.0 if abs(value) <= 1e-12 else value
        return Estimate(value, value, value, 1 / (1 + permutations) if value else 1.0, 0.0)
    freedom = sum(parts) ** 2 / (parts[0] ** 2 / (len(a) - 1) + parts[1] ** 2 / (len(b) - 1))
    many = len(a) + len(b) > MANY and min(len(a), len(b)) >= ENOUGH
    if many or min(len(a), len(b)) < FEW:
        reach = stats.t.ppf(0.975, freedom) * se
        low, high = value - reach, value + reach
    else:
        low, high = _bca_gap(a, b, rng)
    p = 2 * stats.t.sf(abs(value) / se, freedom) if many else studentised_permutation_p(a, b, rng=rng, permutations=permutations)
    return Estimate(value, float(low), float(high), float(p), se)


def _bca_gap(a: np.ndarray, b: np.ndarray, rng: np.random.Generator) -> tuple[float, float]:
    """BCa interval of mean(a) - mean(b), both groups resampled (Efron & Tibshirani 1993, section 14.3)."""
    x, y = a - a.mean(), b - b.mean()
    means = [resampled_means(z, rng, RESAMPLES) if len(z) <= MANY else rng.normal(0, z.std() / len(z) ** 0.5, RESAMPLES) for z in (x, y)]
    deviations = means[0] - means[1]
    influence = np.concatenate([x / len(x), -y / len(y)])
    low, high = bca_quantiles(deviations, (influence**3).sum() / (6 * (influence**2).sum() ** 1.5))
    return a.mean() - b.mean() + low, a.mean() - b.mean() + high


def studentised_permutation_p(a: np.ndarray, b: np.ndarray, *, rng: np.random.Generator, permutations: int = PERMUTATIONS) -> float:
    """Two-sided p of equal means: how often shuffled labels give a Welch statistic at least as far from 0 (Chung & Romano 2013).

    Beyond 10,000 users one shuffle is cut into as many small groups as it holds, which are all but independent and cost less.

    >>> studentised_permutation_p(np.zeros(40), np.ones(40) + np.arange(40) % 2, rng=np.random.default_rng(0), permutations=99)
    0.01
    """
    a, b = sorted((a, b), key=len)
    n, pooled = len(a), np.concatenate([a, b])
    pooled = pooled - pooled.mean()
    observed = abs(_welch(pooled[None, :n].sum(1), (pooled[None, :n] ** 2).sum(1), pooled, n)[0]) * (1 - 1e-10)
    cuts = len(pooled) // n if len(pooled) > MANY else 1
    step = max(1, CELLS_AT_ONCE // len(pooled)) * cuts
    further = 0
    for start in range(0, permutations, step):
        wanted = min(step, permutations - start)
        shuffled = rng.permuted(np.tile(pooled, (-(-wanted // cuts), 1)), axis=1)
        drawn = shuffled[:, : n * cuts].reshape(-1, n)[:wanted]
        further += int((np.abs(_welch(drawn.sum(1), np.einsum("ij,ij->i", drawn, drawn), pooled, n)) >= observed).sum())
    return (1 + further) / (1 + permutations)


def _welch(total: np.ndarray, squares: np.ndarray, pooled: np.ndarray, n: int) -> np.ndarray:
    """Welch's t of the first n against the rest, from the sum and the sum of squares of the first n: [rows]; 0/0 = 0."""
    m, rest = len(pooled) - n, pooled.sum() - total
    spread_a = np.maximum(squares - total**2 / n, 0) / (n - 1)
    spread_b = np.maximum((pooled**2).sum() - squares - rest**2 / m, 0) / (m - 1)
    gap, scale = total / n - rest / m, np.sqrt(spread_a / n + spread_b / m)
    return np.divide(gap, scale, out=np.where(np.abs(gap) > 1e-12, np.inf, 0.0) * np.sign(gap + (gap == 0)), where=scale > 1e-12)


def mean_shift(differences: np.ndarray, *, rng: np.random.Generator, permutations: int = PERMUTATIONS) -> Estimate:
    """Mean of paired differences (or of one value a user) against 0, [n]: BCa interval, sign-flip p; normal limit beyond 10,000."""
    d = np.asarray(differences, dtype=float)
    if len(d) < 2:
        raise InputError(f"mean_shift: {len(d)} values; expected at least two")
    value, se = float(d.mean()), float(d.std(ddof=1) / np.sqrt(len(d)))
    if len(d) > MANY and se > 0:
        reach = stats.norm.ppf(0.975) * se
        return Estimate(value, value - reach, value + reach, float(2 * stats.norm.sf(abs(value) / se)), se)
    low, high = bootstrap_interval(d, rng=rng, resamples=RESAMPLES)
    return Estimate(value, low, high, sign_flip_p(d, rng=rng, permutations=permutations), se)


def adjusted_gap(
    values: np.ndarray, member: np.ndarray, covariates: np.ndarray, *, noisy: np.ndarray | None = None, again: np.ndarray | None = None
) -> Estimate:
    """The gap that remains between users alike in their covariates: coefficient of membership in a linear regression, HC3 errors.

    values: [n]. member: [n] bool, True for the first group of the contrast. covariates: [n, c]; constant columns are left out.
    noisy, again: [n], one more covariate that is measured with error, and an independent second measurement of it, such as the same number
    from the other half of a history. Noise in a covariate leaves a part of its effect in the gap; the second measurement, as an instrument
    of the first (two-stage least squares), takes that part out.
    Sources: MacKinnon & White 1985 (HC3); Gillen, Snowberg & Yariv 2019 (a second measurement as instrument).
    Caution: if poor service itself changed a covariate, adjusting for it hides harm.
    Raises InputError if membership follows from the covariates, or the two measurements agree too little to be of use (first-stage F < 10).
    """
    values, covariates = np.asarray(values, dtype=float), np.asarray(covariates, dtype=float)
    covariates = covariates[:, covariates.std(axis=0) > 1e-12]
    fixed = np.column_stack([np.asarray(member, dtype=float), np.ones(len(values)), _standard(covariates)])
    if np.linalg.matrix_rank(fixed[:, 1:]) == np.linalg.matrix_rank(fixed):
        raise InputError("adjusted_gap: the covariates determine the group, so nothing is left to compare; use fewer covariates")
    if np.ptp(values) <= 1e-12:
        return Estimate(0.0, 0.0, 0.0, 1.0, 0.0)  # a regression of equal values would test its own rounding
    design = projected = fixed
    if noisy is not None:
        first, second = _standard(np.asarray(noisy, dtype=float)[:, None]), _standard(np.asarray(again, dtype=float)[:, None])
        design, instruments = np.column_stack([fixed, first]), np.column_stack([fixed, second])
        _strong_enough(first[:, 0], second[:, 0], fixed)
        projected = instruments @ np.linalg.lstsq(instruments, design, rcond=None)[0]
    inverse = np.linalg.pinv(projected.T @ projected)
    beta = inverse @ (projected.T @ values)
    leverage = np.clip(np.einsum("ij,jk,ik->i", projected, inverse, projected), 0, 1 - 1e-9)
    scaled = projected * ((values - design @ beta) / (1 - leverage))[:, None]
    se = float(np.sqrt((inverse @ (scaled.T @ scaled) @ inverse)[0, 0]))
    freedom = len(values) - design.shape[1]
    reach = stats.t.ppf(0.975, freedom) * se
    p = 2 * stats.t.sf(abs(beta[0]) / se, freedom) if se > 0 else float(beta[0] == 0)
    return Estimate(float(beta[0]), float(beta[0] - reach), float(beta[0] + reach), float(p), se)


def _standard(columns: np.ndarray) -> np.ndarray:
    """Each column with mean 0 and spread 1; a constant one becomes 0."""
    spread = columns.std(axis=0)
    return (columns - columns.mean(axis=0)) / np.where(spread > 1e-12, spread, 1)


def _strong_enough(first: np.ndarray, second: np.ndarray, fixed: np.ndarray) -> None:
    """Refuse an instrument with a first-stage F below 10 (Staiger & Stock 1997)."""
    x, z = (v - fixed @ np.linalg.lstsq(fixed, v, rcond=None)[0] for v in (first, second))
    share = min((x @ z) ** 2 / max((x @ x) * (z @ z), 1e-300), 1 - 1e-12)
    strength = share / (1 - share) * (len(first) - fixed.shape[1] - 1)
    if strength < 10:
        raise InputError(f"adjusted_gap: the second measurement tells too little of the first (F = {strength:.1f}, expected 10 or more)")


def rate(successes: int, n: int) -> Estimate:
    """A share of n independent trials with its Wilson interval: 0 of 300 is "below 1.3 %", not 0. No p: a rate is judged by its margin.

    se: from the width of that interval, so that 0 of n does not look exact.

    >>> round(rate(0, 300).high, 4)
    0.0126
    """
    if not 0 <= successes <= n or n < 1:
        raise InputError(f"rate({successes}, {n}): expected 0..n successes of n >= 1 trials")
    low, high = stats.binomtest(int(successes), int(n)).proportion_ci(method="wilson")
    return Estimate(successes / n, float(low), float(high), np.nan, float((high - low) / (2 * ndtri(0.975))))


def shrink(means: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Group means pulled towards their common mean by how noisy each is (empirical Bayes, DerSimonian & Laird 1986 for the spread).

    means, errors: [groups], standard errors > 0 where known; a group whose error is nan or 0 takes the common mean or keeps its own.
    For display of small cells only: tests use the raw values.
    """
    means, errors = np.asarray(means, dtype=float), np.asarray(errors, dtype=float)
    known = np.isfinite(errors) & (errors > 0) & np.isfinite(means)
    if known.sum() < 2:
        return means.copy()
    weight = 1 / errors[known] ** 2
    common = (weight * means[known]).sum() / weight.sum()
    excess = (weight * (means[known] - common) ** 2).sum() - (known.sum() - 1)
    between = max(0.0, excess / (weight.sum() - (weight**2).sum() / weight.sum()))
    common = (means[known] / (errors[known] ** 2 + between)).sum() / (1 / (errors[known] ** 2 + between)).sum()
    out = np.where(errors == 0, means, common)
    out[known] = common + (means[known] - common) * between / (between + errors[known] ** 2)
    return out


def missing_bounds(a: np.ndarray, b: np.ndarray, unknown: np.ndarray) -> tuple[float, float]:
    """Smallest and largest mean(a) - mean(b) over every way to put the users of unknown group into a or b.

    >>> missing_bounds(np.array([1.0]), np.array([0.0]), np.array([1.0]))
    (0.5, 1.0)
    """
    values = np.sort(np.asarray(unknown, dtype=float))
    first = np.arange(len(values) + 1)

    def extremes(ordered: np.ndarray) -> np.ndarray:  # the first j go to a, the others to b
        sums = np.concatenate([[0.0], np.cumsum(ordered)])
        return (np.sum(a) + sums) / (len(a) + first) - (np.sum(b) + sums[-1] - sums) / (len(b) + len(values) - first)

    return float(extremes(values).min()), float(extremes(values[::-1]).max())
