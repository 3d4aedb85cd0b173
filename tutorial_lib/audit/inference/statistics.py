"""The statistics of an audit: signed contrasts between groups of users, for unequal groups too.

A user is the unit everywhere. What is *not* here, and why: the range between the best and the worst
group (positive in every world without a gap), the four-fifths rule on hits (false alarms in most
such worlds), and the plain permutation of group labels (wrong when the groups differ in spread).
Notebook 08 shows all three fail.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import stats
from scipy.special import ndtri

from tutorial_lib.errors import InputError
from tutorial_lib.evaluation.estimates import (
    LEVEL,
    TOO_FEW,
    Estimate,
    mean_estimate,
    mostly_alike,
    skewness,
    t_estimate,
)
from tutorial_lib.evaluation.estimates import detectable as detectable  # also found here

PERMUTATIONS = 1_999  # p down to .0005, a tenth of what Holm asks of the smallest of nine
SKEWED = 0.05  # half of what t bears
ENOUGH = 200  # users in a group: of fewer, a sample that shows no skewness may have missed its tail
FEWEST = 10  # users in a group: fewer allow too few shuffles, and their skewness is not known
CELLS_AT_ONCE = 1 << 22


def group_gap(
    a: np.ndarray, b: np.ndarray, *, rng: np.random.Generator, permutations: int = PERMUTATIONS
) -> Estimate:
    """mean(a) - mean(b) of two independent groups of users, [n_a] and [n_b] values.

    Interval and p come from one test, so that they never contradict each other:

    - In one of the groups most users have the same value, such as an NDCG of 0: Welch's t with two
      pseudo-observations in each group, at the smallest and the largest value of all (Agresti &
      Caffo 2000 for shares). Plain t and every resampling of a group without a hit see no spread in
      it. Exact calculation for shares of 1 to 50 % in groups of 10 to 10,000: coverage >= .946.
    - Else, with fewer than 200 users in a group or a skewed difference (`skewness` >= .05): the
      permutation test of the studentised difference (Janssen 1997; Chung & Romano 2013), inverted:
      the interval is every shift of a that the test does not reject. Exact where the groups differ
      by a shift.
    - Else, and with fewer than ten users in a group, Welch's t: all but equal to the others in
      large groups, at no cost.

    Where all users of both groups have one value there is no interval: nothing varied, so nothing
    is known about how much could. Raises InputError with fewer than two values in a group.
    """
    a, b = (
        np.round(np.asarray(x, dtype=float), 12) for x in (a, b)
    )  # equal but for rounding is equal
    if min(len(a), len(b)) < 2:
        raise InputError(
            f"group_gap: groups of {len(a)} and {len(b)} users; expected at least two in each"
        )
    value, ends = float(a.mean() - b.mean()), [min(a.min(), b.min()), max(a.max(), b.max())]
    if ends[0] == ends[1]:
        return Estimate.nothing(0.0, f"{TOO_FEW}: all {len(a) + len(b)} have the value {ends[0]:g}")
    if mostly_alike(a) or mostly_alike(b):
        return _welch_estimate(np.append(a, ends), np.append(b, ends), value)
    plain = _welch_estimate(a, b, value)
    skew = skewness(np.concatenate([(a - a.mean()) / len(a), (b.mean() - b) / len(b)]))
    fewest = min(len(a), len(b))
    if fewest < FEWEST or (fewest >= ENOUGH and skew < SKEWED):
        return plain
    low, high, p = _inverted(
        a, b, value, plain.se, shifted_p(a, b, rng=rng, permutations=permutations)
    )
    return Estimate(value, low, high, p, plain.se)


def _welch_estimate(a: np.ndarray, b: np.ndarray, value: float) -> Estimate:
    """Welch's t for a and b, around their own difference of means; ``value``: what is reported."""
    parts = a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)
    freedom = sum(parts) ** 2 / (parts[0] ** 2 / (len(a) - 1) + parts[1] ** 2 / (len(b) - 1))
    return t_estimate(value, float(a.mean() - b.mean()), float(np.sqrt(sum(parts))), freedom)


def _inverted(
    a: np.ndarray, b: np.ndarray, value: float, se: float, p_at: Callable[[float], float]
) -> tuple[float, float, float]:
    """The shifts around ``value`` that a test does not reject, and its p of no shift."""
    p, limits = p_at(0.0), []
    for side in (-1, 1):
        inner, outer = 0.0, se
        if (
            side * value < 0
        ):  # 0 lies on this side: it must lie in the interval if and only if it is not rejected
            inner, outer = (0.0, -side * value) if p < LEVEL else (-side * value, se - side * value)
        while p_at(value + side * outer) >= LEVEL and outer < 64 * (se + abs(value)):
            inner, outer = outer, 2 * outer
        for _ in range(20):
            middle = (inner + outer) / 2
            inner, outer = (
                (middle, outer) if p_at(value + side * middle) >= LEVEL else (inner, middle)
            )
        limits.append(value + side * inner)
    return float(limits[0]), float(limits[1]), p


def studentised_permutation_p(
    a: np.ndarray, b: np.ndarray, *, rng: np.random.Generator, permutations: int = PERMUTATIONS
) -> float:
    """Two-sided p of equal means: how often shuffled labels give a Welch statistic at least as far
    from 0 (Chung & Romano 2013).

    >>> a, b, rng = np.zeros(40), np.ones(40) + np.arange(40) % 2, np.random.default_rng(0)
    >>> studentised_permutation_p(a, b, rng=rng, permutations=99)
    0.01
    """
    return shifted_p(a, b, rng=rng, permutations=permutations)(0.0)


def shifted_p(
    a: np.ndarray, b: np.ndarray, *, rng: np.random.Generator, permutations: int
) -> Callable[[float], float]:
    """The same p of "mean(a) - mean(b) is d", as a function of d: that of a - d against b.

    The shuffles are drawn once. What a Welch statistic needs of a drawn group are its size, sum and
    sum of squares; a shift of a changes them by how many members of a were drawn and by their sum.
    One shuffle of all users gives as many groups of the smaller size as it holds, which are all but
    independent and cost less.
    """
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    n, size = min(len(a), len(b)), len(a) + len(b)
    of_a = np.arange(size) < len(a)
    z = np.concatenate([a, b]) - np.concatenate([a, b]).mean()
    columns = np.stack([np.ones(size), z, z**2, of_a, z * of_a], axis=1)
    own = columns[of_a if len(a) <= len(b) else ~of_a].sum(axis=0)
    cuts, drawn = size // n, []
    step = max(1, CELLS_AT_ONCE // size)
    for start in range(0, -(-permutations // cuts), step):
        rows = min(step, -(-permutations // cuts) - start)
        shuffled = rng.permuted(np.tile(np.arange(size, dtype=np.int32), (rows, 1)), axis=1)
        places = shuffled[:, : n * cuts].reshape(-1, n)
        drawn.append(np.stack([column[places].sum(axis=1) for column in columns.T], axis=1))
    sums, total = np.vstack([own, np.concatenate(drawn)[:permutations]]), columns.sum(axis=0)

    def p(shift: float) -> float:
        t = np.abs(_welch(_shifted(sums, shift), _shifted(total, shift)))
        return float((1 + (t[1:] >= t[0] * (1 - 1e-10)).sum()) / len(t))

    return p


def _shifted(sums: np.ndarray, shift: float) -> np.ndarray:
    """(size, sum, sum of squares) once a is moved down by ``shift``.

    sums: size, sum, sum of squares, members of a, their sum, in the last axis.
    """
    size, total, squares, of_a, total_a = sums.T
    return np.stack([size, total - shift * of_a, squares - 2 * shift * total_a + shift**2 * of_a])


def _welch(drawn: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Welch's t of the drawn against the rest, each size, sum, sum of squares; 0/0 = 0: [rows]."""
    mean, spread = [], 0.0
    for size, plain, squares in (drawn, total[:, None] - drawn):
        mean.append(plain / size)
        spread = spread + np.maximum(squares - plain**2 / size, 0) / (size - 1) / size
    gap, scale = mean[0] - mean[1], np.sqrt(spread)
    return np.divide(
        gap, scale, out=np.where(np.abs(gap) > 1e-12, np.inf, 0.0), where=scale > 1e-12
    )


def mean_shift(
    differences: np.ndarray,
    *,
    rng: np.random.Generator | None = None,
    permutations: int = PERMUTATIONS,
    scale: float = 0.0,
) -> Estimate:
    """Mean of paired differences against 0, [n]: `mean_estimate`.

    scale: the largest |difference| possible, for samples without any. Nothing is drawn any more:
    rng and permutations are taken so that earlier calls hold.
    Raises InputError with fewer than two values.
    """
    if len(differences) < 2:
        raise InputError(f"mean_shift: {len(differences)} values; expected at least two")
    return mean_estimate(differences, signed=True, scale=scale)


def adjusted_gap(
    values: np.ndarray,
    member: np.ndarray,
    covariates: np.ndarray,
    *,
    noisy: np.ndarray | None = None,
    again: np.ndarray | None = None,
) -> Estimate:
    """The gap that remains between users alike in their covariates: coefficient of membership in a
    linear regression, HC3 errors.

    values: [n]. member: [n] bool, True for the first group of the contrast. covariates: [n, c];
        constant columns are left out.
    noisy, again: [n], one more covariate that is measured with error, and an independent second
        measurement of it, such as the same number
    from the other half of a history. Noise in a covariate leaves a part of its effect in the gap;
    the second measurement, as an instrument of the first (two-stage least squares), takes that part
    out.
    Sources: MacKinnon & White 1985 (HC3); Gillen, Snowberg & Yariv 2019 (a second measurement as
        instrument).
    Caution: if poor service itself changed a covariate, adjusting for it hides harm.
    Raises InputError if membership follows from the covariates, or the two measurements agree too
    little to be of use (first-stage F < 10).
    """
    values, covariates = np.asarray(values, dtype=float), np.asarray(covariates, dtype=float)
    covariates = covariates[:, covariates.std(axis=0) > 1e-12]
    fixed = np.column_stack(
        [np.asarray(member, dtype=float), np.ones(len(values)), _standard(covariates)]
    )
    if np.linalg.matrix_rank(fixed[:, 1:]) == np.linalg.matrix_rank(fixed):
        raise InputError(
            "adjusted_gap: the covariates determine the group, so nothing is left to compare; use"
            " fewer covariates"
        )
    if np.ptp(values) <= 1e-12:
        return Estimate.nothing(0.0, f"{TOO_FEW}: all {len(values)} have the value {values[0]:g}")
    design = projected = fixed
    if noisy is not None:
        first, second = (
            _standard(np.asarray(noisy, dtype=float)[:, None]),
            _standard(np.asarray(again, dtype=float)[:, None]),
        )
        design, instruments = np.column_stack([fixed, first]), np.column_stack([fixed, second])
        _strong_enough(first[:, 0], second[:, 0], fixed)
        projected = instruments @ np.linalg.lstsq(instruments, design, rcond=None)[0]
    inverse = np.linalg.pinv(projected.T @ projected)
    beta = inverse @ (projected.T @ values)
    leverage = np.clip(np.einsum("ij,jk,ik->i", projected, inverse, projected), 0, 1 - 1e-9)
    scaled = projected * ((values - design @ beta) / (1 - leverage))[:, None]
    se = float(np.sqrt((inverse @ (scaled.T @ scaled) @ inverse)[0, 0]))
    freedom = len(values) - design.shape[1]
    if not se > 0:
        return Estimate.nothing(beta[0], f"{TOO_FEW}: the covariates explain every value")
    return t_estimate(beta[0], float(beta[0]), se, freedom)


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
        raise InputError(
            "adjusted_gap: the second measurement tells too little of the first (F ="
            f" {strength:.1f}, expected 10 or more)"
        )


def rate(successes: int, n: int) -> Estimate:
    """A share of n independent trials with its Wilson interval: 0 of 300 is "below 1.3 %", not 0.
    No p: a rate is judged by its margin.

    se: from the width of that interval, so that 0 of n does not look exact.

    >>> round(rate(0, 300).high, 4)
    0.0126
    """
    if not 0 <= successes <= n or n < 1:
        raise InputError(f"rate({successes}, {n}): expected 0..n successes of n >= 1 trials")
    low, high = stats.binomtest(int(successes), int(n)).proportion_ci(method="wilson")
    return Estimate(
        successes / n, float(low), float(high), np.nan, float((high - low) / (2 * ndtri(0.975)))
    )


def shrink(means: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Group means pulled towards their common mean by how noisy each is (empirical Bayes,
    DerSimonian & Laird 1986 for the spread).

    means, errors: [groups], standard errors > 0 where known; a group whose error is nan or 0 takes
        the common mean or keeps its own.
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
    common = (means[known] / (errors[known] ** 2 + between)).sum() / (
        1 / (errors[known] ** 2 + between)
    ).sum()
    out = np.where(errors == 0, means, common)
    out[known] = common + (means[known] - common) * between / (between + errors[known] ** 2)
    return out
