"""A mean over users with an interval that keeps its level when most users have the same value.

Where few users have a hit, the spread of a sample says little about that of the population: with
one hit among 30 users, the percentile, BCa and t intervals of a mean miss a true rate far more
often than in 5 % of samples. The mend is old: before the t interval is taken, a few
pseudo-observations at the ends of the range join the sample (Agresti & Coull 1998 for a share,
Bonett & Price 2012 for a paired difference, Agresti & Caffo 2000 for two groups). Among many users
they weigh nothing; among few they stand for what was not seen. p comes from the same t, so it never
contradicts the interval.
Coverage is recorded in ``data/results/interval-coverage.csv``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import stdtr, stdtrit

LEVEL = 0.05
SKEWED = 0.1  # skewness of a mean from which t misses on one side in more than 3.5 % of samples
TOO_FEW = "too few non-zero users"


@dataclass(frozen=True)
class Student:
    """A mean by Student's t: where it is centred, its standard error, how well that is known.

    Attributes:
        freedom: degrees of freedom of ``se``.
        few: those of a second source of variance, such as a handful of seeds.
        share: of the variance from that source, 0..1. The quantile is then the mean of both t
            quantiles, so weighted (Cochran & Cox 1957, section 4.14, for unequal variances).
    """

    centre: float
    se: float
    freedom: float
    few: float = np.inf
    share: float = 0.0

    def reach(self, tail: float) -> float:
        """How far from the centre the chance of more, on one side, is ``tail`` (at most .5)."""
        quantile = (1 - self.share) * stdtrit(self.freedom, tail)
        if self.share:
            quantile += self.share * stdtrit(self.few, tail)
        return -float(quantile) * self.se

    def tail(self, distance: float) -> float:
        """The chance of more than this distance, on one side: the inverse of `reach`."""
        if distance < 0:
            return 1 - self.tail(-distance)
        if not self.share:
            return float(max(stdtr(self.freedom, -distance / self.se), np.finfo(float).tiny))
        low, high = -700.0, float(np.log(0.5))  # log of the tail
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if self.reach(np.exp(middle)) > distance else (low, middle)
        return float(np.exp(high))


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval, two-sided p and standard error, all in its own unit.

    low, high and se are nan where the data allow no interval, and ``note`` then says why; p is nan
    where there is no test.
    """

    value: float
    low: float
    high: float
    p: float
    se: float
    note: str = ""
    parts: tuple[Student, ...] = ()

    @classmethod
    def of_parts(cls, value: float, *parts: Student) -> Estimate:
        """The hull of t intervals, widened where needed to hold ``value``; the largest p."""
        reaches = [part.reach(LEVEL / 2) for part in parts]
        low = min(part.centre - reach for part, reach in zip(parts, reaches, strict=True))
        high = max(part.centre + reach for part, reach in zip(parts, reaches, strict=True))
        p = max(2 * part.tail(abs(part.centre)) for part in parts)
        se = max(part.se for part in parts)
        return cls(float(value), min(low, value), max(high, value), p, se, parts=parts)

    @classmethod
    def nothing(cls, value: float = np.nan, note: str = "") -> Estimate:
        """A value that allows no inference."""
        return cls(float(value), np.nan, np.nan, np.nan, np.nan, note)


@dataclass(frozen=True)
class Interval:
    """A mean over n users and its 95 % interval; nan where there is none, and ``note`` says why."""

    mean: float
    low: float
    high: float
    n: int
    note: str = ""

    def __str__(self) -> str:
        limits = f"[{self.low:.4f}, {self.high:.4f}]"
        if np.isnan(self.low):
            limits = f"no interval: {self.note}"
        return f"{self.mean:.4f} {limits} (n={self.n:,})"


def p_text(p: float) -> str:
    """p for readers: never 0, and a dash where there is none.

    >>> p_text(0.03), p_text(1e-9), p_text(float("nan"))
    ('0.0300', '< 0.0001', '-')
    """
    if np.isnan(p):
        return "-"
    return "< 0.0001" if p < 0.0001 else f"{p:.4f}"


def detectable(se: float, tests: int = 1, freedom: float = np.inf) -> float:
    """The true difference that is seen in 80 % of repetitions at alpha = .05: 2.80 ``se``.

    Args:
        se: standard error of the difference.
        tests: size of the family whose p-values are adjusted by Holm's method. The smallest p must
            lie below .05 / tests, so one true difference among ``tests`` must be larger to be seen
            as often.
        freedom: degrees of freedom of ``se``, at least 1: with few users it is known badly, and t
            asks for more.

    >>> round(detectable(1.0), 2), round(detectable(1.0, tests=8), 2)
    (2.8, 3.58)
    >>> round(detectable(1.0, freedom=9), 2)
    3.15
    """
    t = Student(0.0, se, freedom)
    return t.reach(LEVEL / (2 * tests)) + t.reach(0.2)


def mean_estimate(values: np.ndarray, *, signed: bool = False, scale: float = 0.0) -> Estimate:
    """Mean of one value per user against 0.

    Where most users have the same value: t with pseudo-observations. For differences, one at minus
    and one at plus the largest |value|; otherwise two at the smallest, two at the largest. Where
    0.5 to 10 % of 30 to 1,000 users differ, all to one side, its coverage is .938 or more by exact
    calculation, and its p is near that of McNemar's exact test. Else, if the mean is skewed (see
    `skewness`), the hull of t with and without two pseudo-observations at either end; else
    Student's t.

    Args:
        values: [n].
        signed: are the values differences?
        scale: the largest |value| possible, for samples in which every value is 0; two
            pseudo-observations then stand at either end. Without it such a sample has no interval:
            nobody knows how large a value could have been.
    """
    values = np.round(np.asarray(values, dtype=float), 12)  # equal but for rounding is equal
    value = float(values.mean())
    if len(values) < 2:
        return Estimate.nothing(value, "1 user: no interval")
    if mostly_alike(values):
        ends, times = _range(values, signed, scale)
        if ends[0] == ends[1]:
            return Estimate.nothing(value, TOO_FEW)
        joined = np.concatenate([values, np.repeat(ends, times)])
        return _within(Estimate.of_parts(value, _student(joined)), values, signed)
    plain = _student(values)
    if skewness(values - value) < SKEWED:
        return Estimate.of_parts(value, plain)
    adjusted = _student(np.concatenate([values, np.repeat([values.min(), values.max()], 2)]))
    return Estimate.of_parts(value, plain, adjusted)


def mostly_alike(values: np.ndarray) -> bool:
    """Do more than half of the users have one and the same value? (NDCG with one target: 0.)"""
    return bool(2 * np.unique(values, return_counts=True)[1].max() > len(values))


def skewness(influence: np.ndarray) -> float:
    """|Skewness| of a sum of independent terms, from what each user adds to it (mean 0 in a group).

    Below .1 Student's t is safe: by the Edgeworth expansion a skewness of .1 moves the share of
    samples missed on either side from 2.5 % to 1.7 and 3.4 % (Hall 1992, section 2.6).

    >>> round(skewness(np.array([-1.0, -1.0, 2.0])), 2)
    0.41
    """
    return float(abs((influence**3).sum()) / max((influence**2).sum() ** 1.5, 1e-300))


def t_estimate(value: float, centre: float, se: float, freedom: float) -> Estimate:
    """Interval ``centre`` -+ t se, widened where needed to hold ``value``; p of "centre is 0"."""
    return Estimate.of_parts(value, Student(float(centre), float(se), freedom))


def _within(estimate: Estimate, values: np.ndarray, signed: bool) -> Estimate:
    """The interval cut where no mean can lie: below 0 if no value is, above 1 for hits."""
    low, high = estimate.low, estimate.high
    if not signed and values.min() >= 0:
        low = max(low, 0.0)
        high = min(high, 1.0) if np.isin(values, (0, 1)).all() else high
    return replace(estimate, low=float(low), high=float(high))


def _student(values: np.ndarray) -> Student:
    se = float(values.std(ddof=1) / np.sqrt(len(values)))
    return Student(float(values.mean()), se, len(values) - 1)


def _range(values: np.ndarray, signed: bool, scale: float) -> tuple[tuple[float, float], int]:
    """Where the pseudo-observations stand, and how many at each end."""
    if signed:
        size = float(np.abs(values).max())
        return ((-size, size), 1) if size else ((-scale, scale), 2)
    low, high = float(values.min()), float(values.max())
    if low == high:  # all alike, such as 30 hits of 30: the other end is 0
        low, high = min(low, 0.0), max(high, 0.0)
    return (low, high or scale), 2


@dataclass(frozen=True)
class Correlation:
    """Spearman's rank correlation with its 95 % interval; NaN where undefined."""

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        if np.isnan(self.value):
            return "undefined"
        return f"{self.value:+.2f} [{self.low:+.2f}, {self.high:+.2f}] (n={self.n:,})"


def spearman(a: ArrayLike, b: ArrayLike) -> Correlation:
    """Rank correlation of two columns, ties sharing ranks, with an approximate 95 % interval.

    Below four pairs the interval is [-1, 1]. A pair with NaN is left out, so ``n`` may be less than
    the length; a constant column makes the correlation undefined (NaN).

    Source: Bonett & Wright 2000 (Fisher z with their standard error).

    >>> print(spearman([1, 2, 3, 4, 5], [1, 3, 2, 4, 5]))
    +0.90 [-0.17, +1.00] (n=5)
    """
    columns = {"a": np.asarray(a, dtype=np.float64), "b": np.asarray(b, dtype=np.float64)}
    ranks = pd.DataFrame(columns).dropna().rank()
    x, y, n = ranks["a"].to_numpy(), ranks["b"].to_numpy(), len(ranks)
    if n < 2 or x.std() == 0 or y.std() == 0:
        return Correlation(np.nan, np.nan, np.nan, n)
    value = float(np.clip(np.corrcoef(x, y)[0, 1], -1, 1))
    if n < 4:
        return Correlation(value, -1.0, 1.0, n)
    half = 1.959964 * np.sqrt((1 + value**2 / 2) / (n - 3))
    centre = np.arctanh(np.clip(value, -1 + 1e-12, 1 - 1e-12))
    return Correlation(value, float(np.tanh(centre - half)), float(np.tanh(centre + half)), n)
