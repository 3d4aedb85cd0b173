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

from tutorial_lib.templating import pairs_table

LEVEL = 0.05
SKEWED = 0.1  # skewness of a mean from which t misses on one side in more than 3.5 % of samples
TOO_FEW = "too few non-zero users"


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


@dataclass(frozen=True)
class Comparison:
    """A paired comparison: difference = mean of a - mean of b over the same users.

    Attributes:
        ci: 95 % interval of the difference.
        p: two-sided, of "no difference", from the same t as the interval: the interval excludes 0
            if and only if p < .05.
        n: users.
        minimum_detectable_effect: the true difference that so many users would reveal in 80 % of
            repetitions at alpha = .05, for this one test.
        note: why ci, p and minimum_detectable_effect are nan, where the data allow none.
        seeds: of `compare_seeds`; 1 for `compare`.
        pairs: values of a beside values of b.
    """

    metric: str
    mean_a: float
    mean_b: float
    difference: float
    ci: tuple[float, float]
    p: float
    n: int
    minimum_detectable_effect: float
    note: str = ""
    seeds: int = 1
    pairs: int = 0

    def _rows(self) -> dict[str, str]:
        """What is printed, line by line."""
        difference = f"{self.difference:+.4f}, no interval and no p"
        p = detectable_text = ""
        if not np.isnan(self.p):
            sure = "includes 0: no difference shown" if self.p >= 0.05 else "excludes 0"
            interval = f"95 % interval [{self.ci[0]:+.4f}, {self.ci[1]:+.4f}]"
            difference = f"{self.difference:+.4f}, {interval}: the interval {sure}"
            p = f"{p_text(self.p)} (two-sided, from the same t as the interval)"
            effect = f"a true difference of {self.minimum_detectable_effect:.4f} or more"
            detectable_text = f"{effect} would be seen in 80 % of repetitions"
        over_seeds = f", over {self.seeds} seeds" if self.seeds > 1 else ""
        rows = {
            "a, b": f"{self.mean_a:.4f}, {self.mean_b:.4f}",
            "difference": difference,
            "p": p,
            "users": f"{self.n:,}, paired{over_seeds}",
            "detectable": detectable_text,
            "note": self.note,
        }
        return {name: text for name, text in rows.items() if text}

    def __str__(self) -> str:
        lines = [f"  {name:<11} {text}" for name, text in self._rows().items()]
        return "\n".join([f"{self.metric}: a - b", *lines])

    def _repr_html_(self) -> str:
        return pairs_table(f"{self.metric}: a - b", self._rows().items())


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
    reach = stdtrit(freedom, 1 - LEVEL / (2 * tests)) + stdtrit(freedom, 0.8)
    return float(reach * se)


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
        return _within(_student(joined, value), values, signed)
    plain = _student(values, value)
    if skewness(values - value) < SKEWED:
        return plain
    adjusted = _student(np.concatenate([values, np.repeat([values.min(), values.max()], 2)]), value)
    low, high = min(plain.low, adjusted.low), max(plain.high, adjusted.high)
    return Estimate(value, low, high, max(plain.p, adjusted.p), max(plain.se, adjusted.se))


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


def two_sided(t: float, freedom: float) -> float:
    """Two-sided p of a t statistic; small ones stay above 0."""
    return float(max(2 * stdtr(freedom, -abs(t)), np.finfo(float).tiny))


def t_estimate(value: float, centre: float, se: float, freedom: float) -> Estimate:
    """Interval ``centre`` -+ t se, widened where needed to hold ``value``; p of "centre is 0"."""
    reach = float(stdtrit(freedom, 1 - LEVEL / 2) * se)
    p = two_sided(centre / se, freedom)
    return Estimate(
        float(value), min(centre - reach, value), max(centre + reach, value), p, float(se)
    )


def _within(estimate: Estimate, values: np.ndarray, signed: bool) -> Estimate:
    """The interval cut where no mean can lie: below 0 if no value is, above 1 for hits."""
    low, high = estimate.low, estimate.high
    if not signed and values.min() >= 0:
        low = max(low, 0.0)
        high = min(high, 1.0) if np.isin(values, (0, 1)).all() else high
    return replace(estimate, low=float(low), high=float(high))


def _student(values: np.ndarray, value: float) -> Estimate:
    se = float(values.std(ddof=1) / np.sqrt(len(values)))
    return t_estimate(value, float(values.mean()), se, len(values) - 1)


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
