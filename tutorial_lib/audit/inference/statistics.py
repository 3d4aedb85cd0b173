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

PERMUTATIONS = 1_999  # p down to .0005, a tenth of what Holm asks of the smallest of nine
SKEWED = 0.05  # half of what t bears
ENOUGH = 200  # users in a group: of fewer, a sample that shows no skewness may have missed its tail
FEWEST = 10  # users in a group: fewer allow too few shuffles, and their skewness is not known
CELLS_AT_ONCE = 1 << 22
Z = float(ndtri(0.975))


def group_gap(
    a: np.ndarray, b: np.ndarray, *, rng: np.random.Generator, permutations: int = PERMUTATIONS
) -> Estimate:
    """mean(a) - mean(b) of two independent groups of users.

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
    is known about how much could.

    Args:
        a, b: [n_a] and [n_b], one value per user.
        rng: of the shuffles.
        permutations: number of shuffles.

    Raises:
        InputError: fewer than two values in a group.
    """
    # values that are equal but for rounding are equal
    a, b = (np.round(np.asarray(x, dtype=float), 12) for x in (a, b))
    if min(len(a), len(b)) < 2:
        raise InputError(
            f"group_gap: groups of {len(a)} and {len(b)} users; expected at least two in each"
        )
    value = float(a.mean() - b.mean())
    ends = [min(a.min(), b.min()), max(a.max(), b.max())]
    if ends[0] == ends[1]:
        return Estimate.nothing(0.0, f"{TOO_FEW}: all {len(a) + len(b)} have the value {ends[0]:g}")
    if mostly_alike(a) or mostly_alike(b):
        return _welch_estimate(np.append(a, ends), np.append(b, ends), value)
    plain = _welch_estimate(a, b, value)
    skew = skewness(np.concatenate([(a - a.mean()) / len(a), (b.mean() - b) / len(b)]))
    smaller = min(len(a), len(b))
    if smaller < FEWEST or (smaller >= ENOUGH and skew < SKEWED):
        return plain
    p_at = _p_of_shifts(a, b, rng=rng, permutations=permutations)
    low, high = _inverted(value, plain.se, p_at)
    return Estimate(value, low, high, p_at(0.0), plain.se)


def _welch_estimate(a: np.ndarray, b: np.ndarray, value: float) -> Estimate:
    """Welch's t for a and b, around their own difference of means; ``value``: what is reported."""
    parts = a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)
    freedom = sum(parts) ** 2 / (parts[0] ** 2 / (len(a) - 1) + parts[1] ** 2 / (len(b) - 1))
    return t_estimate(value, float(a.mean() - b.mean()), float(np.sqrt(sum(parts))), freedom)


def _inverted(value: float, se: float, p_at: Callable[[float], float]) -> tuple[float, float]:
    """The ends of the shifts around ``value`` that a test does not reject, by bisection."""
    limits = []
    for side in (-1, 1):
        inner, outer = 0.0, se
        to_zero = -side * value
        if to_zero > 0:  # 0 lies on this side, and in the interval if and only if not rejected
            inner, outer = (0.0, to_zero) if p_at(0.0) < LEVEL else (to_zero, se + to_zero)
        while p_at(value + side * outer) >= LEVEL and outer < 64 * (se + abs(value)):
            inner, outer = outer, 2 * outer
        for _ in range(20):
            middle = (inner + outer) / 2
            if p_at(value + side * middle) >= LEVEL:
                inner = middle
            else:
                outer = middle
        limits.append(value + side * inner)
    return float(limits[0]), float(limits[1])


def studentised_permutation_p(
    a: np.ndarray, b: np.ndarray, *, rng: np.random.Generator, permutations: int = PERMUTATIONS
) -> float:
    """Two-sided p of equal means: how often shuffled labels give as large a Welch statistic.

    Source: Chung & Romano 2013.

    >>> a, b, rng = np.zeros(40), np.ones(40) + np.arange(40) % 2, np.random.default_rng(0)
    >>> studentised_permutation_p(a, b, rng=rng, permutations=99)
    0.01
    """
    return _p_of_shifts(a, b, rng=rng, permutations=permutations)(0.0)


def _p_of_shifts(
    a: np.ndarray, b: np.ndarray, *, rng: np.random.Generator, permutations: int
) -> Callable[[float], float]:
    """The permutation p of "mean(a) - mean(b) is d", as a function of d: that of a - d against b.

    The shuffles are drawn once. What a Welch statistic needs of a drawn group are its size, sum and
    sum of squares; a shift of a changes them by how many members of a were drawn and by their sum.
    One shuffle of all users gives as many groups of the smaller size as it holds, which are all but
    independent and cost less.
    """
    values = np.concatenate([np.asarray(a, dtype=float), np.asarray(b, dtype=float)])
    size = len(values)
    smaller = min(len(a), len(b))
    of_a = np.arange(size) < len(a)
    z = values - values.mean()
    columns = np.stack([np.ones(size), z, z**2, of_a, z * of_a], axis=1)
    own = columns[of_a if len(a) <= len(b) else ~of_a].sum(axis=0)
    groups_per_shuffle = size // smaller
    shuffles = -(-permutations // groups_per_shuffle)
    step = max(1, CELLS_AT_ONCE // size)
    drawn = []
    for start in range(0, shuffles, step):
        rows = min(step, shuffles - start)
        shuffled = rng.permuted(np.tile(np.arange(size, dtype=np.int32), (rows, 1)), axis=1)
        places = shuffled[:, : smaller * groups_per_shuffle].reshape(-1, smaller)
        drawn.append(np.stack([column[places].sum(axis=1) for column in columns.T], axis=1))
    sums = np.vstack([own, np.concatenate(drawn)[:permutations]])
    total = columns.sum(axis=0)

    def p(shift: float) -> float:
        t = np.abs(_welch(_shifted(sums, shift), _shifted(total, shift)))
        return float((1 + (t[1:] >= t[0] * (1 - 1e-10)).sum()) / len(t))

    return p


def _shifted(sums: np.ndarray, shift: float) -> np.ndarray:
    """(size, sum, sum of squares) once a is moved down by ``shift``.

    Args:
        sums: size, sum, sum of squares, members of a, their sum, in the last axis.
        shift: how far.
    """
    size, total, squares, of_a, total_a = sums.T
    return np.stack([size, total - shift * of_a, squares - 2 * shift * total_a + shift**2 * of_a])


def _welch(drawn: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Welch's t of the drawn against the rest, each size, sum, sum of squares; 0/0 = 0: [rows]."""
    means, spread = [], 0.0
    for size, plain, squares in (drawn, total[:, None] - drawn):
        means.append(plain / size)
        spread = spread + np.maximum(squares - plain**2 / size, 0) / (size - 1) / size
    gap, scale = means[0] - means[1], np.sqrt(spread)
    unscaled = np.where(np.abs(gap) > 1e-12, np.inf, 0.0)
    return np.divide(gap, scale, out=unscaled, where=scale > 1e-12)


def mean_shift(differences: np.ndarray, *, scale: float = 0.0) -> Estimate:
    """Mean of paired differences against 0: `mean_estimate`.

    Args:
        differences: [n].
        scale: the largest |difference| possible, for samples in which all are 0.

    Raises:
        InputError: fewer than two values.
    """
    if len(differences) < 2:
        raise InputError(f"mean_shift: {len(differences)} values; expected at least two")
    return mean_estimate(differences, signed=True, scale=scale)


def rate(successes: int, n: int) -> Estimate:
    """A share of n independent trials with its Wilson interval: 0 of 300 is "below 1.3 %", not 0.

    No p: a rate is judged by its margin. se: from the width of the interval, so that 0 of n does
    not look exact.

    >>> round(rate(0, 300).high, 4)
    0.0126
    """
    if not 0 <= successes <= n or n < 1:
        raise InputError(f"rate({successes}, {n}): expected 0..n successes of n >= 1 trials")
    low, high = stats.binomtest(int(successes), int(n)).proportion_ci(method="wilson")
    return Estimate(successes / n, float(low), float(high), np.nan, float((high - low) / (2 * Z)))


def ratio_of_means(
    a: np.ndarray, b: np.ndarray, *, paired: bool = False
) -> tuple[float, float, float]:
    """mean(a) / mean(b) with its 95 % interval.

    The interval holds every ratio r for which mean(a) - r mean(b) does not differ detectably from
    0 (Fieller 1954).

    Args:
        a, b: [n_a] and [n_b], of independent groups.
        paired: of the same users, [n] each.

    Returns:
        The ratio, low, high. The ends are nan where mean(b) itself does not differ from 0: any
        ratio is then possible.

    >>> ratio_of_means(np.array([1.0, 1.0, 1.0]), np.array([2.0, 2.0, 2.0]))
    (0.5, 0.5, 0.5)
    """
    if min(len(a), len(b)) < 2 or b.mean() == 0:
        return np.nan, np.nan, np.nan
    x, y = float(a.mean()), float(b.mean())
    var_x, var_y = float(a.var(ddof=1)) / len(a), float(b.var(ddof=1)) / len(b)
    covariance = float(np.cov(a, b)[0, 1]) / len(a) if paired else 0.0
    # the ends solve: square r^2 - 2 middle r + rest = 0
    square = y * y - Z * Z * var_y
    middle = x * y - Z * Z * covariance
    rest = x * x - Z * Z * var_x
    if square <= 0:
        return x / y, np.nan, np.nan
    reach = np.sqrt(max(0.0, middle * middle - square * rest))
    return x / y, float((middle - reach) / square), float((middle + reach) / square)


def missing_interval(a: np.ndarray, b: np.ndarray, unknown: np.ndarray) -> tuple[float, float]:
    """The reach of mean(a) - mean(b) over every way to put the users of unknown group into a or b.

    Each way has its Welch interval (normal quantile); the result reaches from the lowest end of any
    to the highest. An extreme way sorts the unknown users by value and cuts once, so all n + 1 cuts
    from below and from above are tried.

    >>> halves = np.repeat([0.0, 1.0], 50)
    >>> low, high = missing_interval(halves, halves, np.ones(100))
    >>> low < -0.25 and high > 0.25
    True
    """
    ordered = np.sort(np.asarray(unknown, dtype=float))
    low_up, high_up = _ends(a, b, ordered)
    low_down, high_down = _ends(a, b, ordered[::-1])
    return (
        float(min(low_up.min(), low_down.min())),
        float(max(high_up.max(), high_down.max())),
    )


def _ends(a: np.ndarray, b: np.ndarray, ordered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the interval if the first j of the ordered values go to a, the others to b: [n+1]."""
    first = np.arange(len(ordered) + 1)
    total, squares = (np.concatenate([[0.0], np.cumsum(ordered**power)]) for power in (1, 2))
    mean_a, part_a = _moments(len(a) + first, np.sum(a) + total, np.sum(a**2) + squares)
    mean_b, part_b = _moments(
        len(b) + first[::-1], np.sum(b) + total[-1] - total, np.sum(b**2) + squares[-1] - squares
    )
    reach = Z * np.sqrt(part_a + part_b)
    return mean_a - mean_b - reach, mean_a - mean_b + reach


def _moments(
    n: np.ndarray, total: np.ndarray, squares: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and its squared standard error, from the count, the sum and the sum of squares."""
    mean = total / n
    return mean, np.maximum(squares / n - mean**2, 0.0) / np.maximum(n - 1, 1)
