"""How sure a number is: intervals, paired comparison, and the smallest difference a test could have seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri

from tutorial_lib.errors import InputError, unknown_name

RESAMPLES = 10_000
CELLS_AT_ONCE = 1 << 22


@dataclass(frozen=True)
class Interval:
    """A mean over users and its 95 % bootstrap interval."""

    mean: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.mean:.4f} [{self.low:.4f}, {self.high:.4f}] (n={self.n:,})"


@dataclass(frozen=True)
class Comparison:
    """A paired comparison: difference = mean of a - mean of b over the same users.

    ci: 95 % bootstrap interval (BCa) of the difference. p: two-sided sign-flip permutation test of "no difference".
    minimum_detectable_effect: the true difference that this many users would reveal in 80 % of repetitions at alpha = .05.
    """

    metric: str
    mean_a: float
    mean_b: float
    difference: float
    ci: tuple[float, float]
    p: float
    n: int
    minimum_detectable_effect: float

    def _rows(self) -> list[tuple[str, str]]:
        sure = "the interval excludes 0" if self.ci[0] > 0 or self.ci[1] < 0 else "the interval includes 0: no difference shown"
        return [
            ("a, b", f"{self.mean_a:.4f}, {self.mean_b:.4f}"),
            ("difference", f"{self.difference:+.4f}, 95 % interval [{self.ci[0]:+.4f}, {self.ci[1]:+.4f}]: {sure}"),
            ("p", f"{self.p:.4f} (sign-flip permutation, two-sided)"),
            ("users", f"{self.n:,}, paired"),
            ("detectable", f"a true difference of {self.minimum_detectable_effect:.4f} or more would be seen in 80 % of repetitions"),
        ]

    def __str__(self) -> str:
        return "\n".join([f"{self.metric}: a - b"] + [f"  {name:<11} {text}" for name, text in self._rows()])

    def _repr_html_(self) -> str:
        left = "style='text-align: left'"
        rows = "".join(f"<tr><th {left} scope='row'>{escape(name)}</th><td {left}>{escape(text)}</td></tr>" for name, text in self._rows())
        return f"<table><caption>{escape(self.metric)}: a - b</caption>{rows}</table>"


def compare(a: pd.DataFrame, b: pd.DataFrame, metric: str = "ndcg@10", *, seed: int = 0) -> Comparison:
    """Compare two systems on the same users, user by user.

    a, b: per-user frames from `evaluate` or `ranking_metrics`; paired on their index, in whatever order the rows stand.
    metric: a column of both. seed: of the bootstrap and of the permutation test.
    Raises InputError if the users differ, the frames were made on different parts, or a value is NaN.
    Source: Efron 1987 (BCa interval); Smucker, Allan & Carterette 2007 (randomisation test for retrieval).

    >>> from tutorial_lib.evaluation import ranking_metrics
    >>> a = ranking_metrics([[1, 2], [3, 4], [5, 6]], [[1], [3], [6]], k=2)
    >>> b = ranking_metrics([[2, 1], [3, 4], [6, 5]], [[1], [3], [6]], k=2)
    >>> result = compare(a, b, "hit@2")
    >>> result.difference, result.p, result.n
    (0.0, 1.0, 3)
    """
    x, y = _paired(a, b, metric)
    d = x - y
    n = len(d)
    effect = (ndtri(0.975) + ndtri(0.8)) * d.std(ddof=1) / np.sqrt(n) if n > 1 else np.inf
    rng = np.random.default_rng(seed)
    ci = bootstrap_interval(d, rng=rng)
    return Comparison(metric, float(x.mean()), float(y.mean()), float(d.mean()), ci, sign_flip_p(d, rng=rng), n, float(effect))


def mean_interval(frame: pd.DataFrame, metric: str = "ndcg@10", *, seed: int = 0) -> Interval:
    """Mean of one metric over users, with its 95 % bootstrap interval (BCa).

    >>> print(mean_interval(pd.DataFrame({"hit@10": [0.0, 1.0] * 50}), "hit@10"))
    0.5000 [0.4000, 0.6000] (n=100)
    """
    values = _values(frame, metric)
    return Interval(float(values.mean()), *bootstrap_interval(values, rng=np.random.default_rng(seed)), len(values))


def summarise(results: pd.DataFrame | Mapping[str, pd.DataFrame], metrics: list[str] | str | None = None, *, seed: int = 0) -> pd.DataFrame:
    """Means with intervals as a table: one row a metric; for a mapping {model: frame}, one row a model and metric.

    Columns mean, low, high (95 % bootstrap interval over users), n (users averaged).
    """
    if isinstance(results, Mapping):
        tables = {name: summarise(frame, metrics, seed=seed) for name, frame in results.items()}
        return pd.concat(tables, names=["model", "metric"])
    names = [metrics] if isinstance(metrics, str) else list(results.columns) if metrics is None else list(metrics)
    rows = [mean_interval(results, name, seed=seed) for name in names]
    return pd.DataFrame(
        [(r.mean, r.low, r.high, r.n) for r in rows], columns=["mean", "low", "high", "n"], index=pd.Index(names, name="metric")
    )


def holm(p: Sequence[float]) -> np.ndarray:
    """p-values of several tests, adjusted so that the chance of one false alarm among all is kept (Holm 1979).

    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p, dtype=float)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    out = np.empty(len(p))
    out[order] = np.minimum(stepped, 1.0)
    return out


def bootstrap_interval(
    values: np.ndarray, *, rng: np.random.Generator, resamples: int = RESAMPLES, confidence: float = 0.95
) -> tuple[float, float]:
    """Bias-corrected and accelerated bootstrap interval of the mean (Efron 1987); equal values give an interval of width 0."""
    n, mean = len(values), values.mean()
    centred = values - mean
    if n < 2 or not np.abs(centred).max() > 1e-12 * max(1.0, abs(mean)):
        return float(mean), float(mean)
    skew = (centred**3).sum() / (6 * (centred**2).sum() ** 1.5)  # acceleration of a mean: the jackknife in closed form
    low, high = bca_quantiles(resampled_means(centred, rng, resamples), skew, confidence)
    return float(mean + low), float(mean + high)


def bca_quantiles(deviations: np.ndarray, skew: float, confidence: float = 0.95) -> np.ndarray:
    """The two bootstrap quantiles that make a BCa interval (Efron 1987): [2], to be added to the estimate.

    deviations: [resamples] bootstrap estimates minus the estimate. skew: the acceleration, from the jackknife or in closed form.
    """
    below = ((deviations < 0).sum() + 0.5 * (deviations == 0).sum()) / len(deviations)
    bias = ndtri(np.clip(below, 0.5 / len(deviations), 1 - 0.5 / len(deviations)))
    z = ndtri([(1 - confidence) / 2, (1 + confidence) / 2]) + bias
    return np.quantile(deviations, ndtr(bias + z / (1 - skew * z)))


def resampled_means(values: np.ndarray, rng: np.random.Generator, resamples: int) -> np.ndarray:
    """Means of samples drawn with replacement, [resamples]."""
    n = len(values)
    distinct, counts = np.unique(values, return_counts=True)
    if 8 * len(distinct) <= n:  # few distinct values (one target, small k): draw how often each occurs, the same law at less work
        return rng.multinomial(n, counts / n, size=resamples) @ distinct / n
    step = max(1, CELLS_AT_ONCE // n)
    sizes = [min(step, resamples - start) for start in range(0, resamples, step)]
    return np.concatenate([values[rng.integers(0, n, (size, n), dtype=np.int32)].mean(axis=1) for size in sizes])


def sign_flip_p(differences: np.ndarray, *, rng: np.random.Generator, permutations: int = RESAMPLES) -> float:
    """Two-sided p of a mean difference of 0: how often random signs give a mean at least as far from 0 (exact up to 12 pairs)."""
    moved = differences[differences != 0]  # a zero stays zero under either sign
    n = len(moved)
    if n == 0:
        return 1.0
    observed = abs(moved.sum()) * (1 - 1e-12)
    if n <= 12:
        signs = 1 - 2 * (np.arange(2**n)[:, None] >> np.arange(n) & 1)
        return float((np.abs(signs @ moved) >= observed).mean())
    step = max(1, CELLS_AT_ONCE // n)
    further = 0
    for start in range(0, permutations, step):
        plus = rng.integers(0, 2, (min(step, permutations - start), n), dtype=np.int8)
        further += int((np.abs(2 * (plus @ moved) - moved.sum()) >= observed).sum())
    return (1 + further) / (1 + permutations)


def _paired(a: pd.DataFrame, b: pd.DataFrame, metric: str) -> tuple[np.ndarray, np.ndarray]:
    x, y = _values(a, metric), _values(b, metric)
    parts = a.attrs.get("on"), b.attrs.get("on")
    if None not in parts and parts[0] != parts[1]:
        raise InputError(f"compare: a was evaluated on {parts[0]!r} and b on {parts[1]!r}; evaluate both on the same part")
    if not (a.index.is_unique and b.index.is_unique):
        raise InputError("compare: a user appears twice in an index; expected one row per user (average over seeds first)")
    only = len(a.index.difference(b.index)), len(b.index.difference(a.index))
    if any(only):
        raise InputError(
            f"compare: the users differ ({only[0]} only in a, {only[1]} only in b); use the same split, or keep the common users"
        )
    return x, y[b.index.get_indexer(a.index)]


def _values(frame: pd.DataFrame, metric: str) -> np.ndarray:
    if metric not in frame:
        raise unknown_name("metric", metric, [str(column) for column in frame.columns])
    values = frame[metric].to_numpy(dtype=np.float64)
    if not len(values):
        raise InputError(f"no users to average {metric} over: expected a frame with at least one row")
    if np.isnan(values).any():
        raise InputError(f"{metric} of {frame.index[np.isnan(values)][0]!r} is NaN: expected a number for every user")
    return values
