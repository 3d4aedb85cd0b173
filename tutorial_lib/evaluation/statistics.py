"""How sure a number is: intervals, paired comparison, the smallest difference a test could see.

The unit is a user. Runs repeated over seeds hold the same users again, or others that share a seed:
`compare_seeds` is for those.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.special import ndtri

from tutorial_lib.errors import InputError, unknown_name
from tutorial_lib.evaluation.estimates import (
    Comparison,
    Estimate,
    Interval,
    detectable,
    mean_estimate,
)


def compare(a: pd.DataFrame, b: pd.DataFrame, metric: str = "ndcg@10") -> Comparison:
    """Compare two systems on the same users, user by user.

    The interval is that of `mean_estimate` for differences. It assumes neither that differences are
    symmetric about their mean, as flipping their signs does, nor that many users differ. Where no
    user differs, or there is one user, there is no interval.

    Args:
        a: per-user frame from `evaluate` or `ranking_metrics`.
        b: likewise; paired with a on their index, in whatever order the rows stand.
        metric: a column of both.

    Raises:
        InputError: The users differ, a user stands twice, the index holds several seeds (for those:
            `compare_seeds`), the frames were made on different parts, or a value is not finite.

    Source: Bonett & Price 2012 (few users differ); see `evaluation.estimates`.

    >>> from tutorial_lib.evaluation import ranking_metrics
    >>> a = ranking_metrics([[1, 2], [3, 4], [5, 6]], [[1], [3], [6]], k=2)
    >>> b = ranking_metrics([[2, 1], [3, 4], [6, 5]], [[1], [3], [6]], k=2)
    >>> result = compare(a, b, "ndcg@2")
    >>> round(result.difference, 3), round(result.p, 2), result.n
    (0.0, 1.0, 3)
    >>> compare(a, b, "hit@2").note
    'too few non-zero users: no user differs'
    """
    x, y = _paired(a, b, metric)
    return _comparison(metric, x, y, _difference(x, y), seeds=1, pairs=len(x))


def compare_seeds(a: pd.DataFrame, b: pd.DataFrame, metric: str = "ndcg@10") -> Comparison:
    """Compare two systems run with several seeds: does it hold for other users and other seeds?

    Two tests, both of which must hold: over users, each user's difference averaged over seeds, and
    over seeds, each seed's difference averaged over its users. The interval is the hull of the two
    and p the larger. Users x seeds are not independent pairs: all users of a seed share its model
    and its labelled users, and one user's runs resemble each other. Simulated with 2 to 5 seeds, 40
    and 300 users: false positives <= .07, where pooled pairs reach .3 and more. With one seed the
    interval is over users alone, and the note says so.

    Args:
        a: frame whose index has the levels "seed" and "user". A user may stand in one seed or in
            several.
        b: likewise; what both have is paired.
        metric: a column of both.

    Raises:
        InputError: An index without these levels, a pair that stands twice, nothing in common, or
            a value that is not finite.
    """
    pairs = _pairs_by_seed(a, b, metric)
    by_user = pairs.groupby(level="user").mean()
    x, y = by_user["a"].to_numpy(), by_user["b"].to_numpy()
    estimate = _difference(x, y)
    n_seeds = pairs.index.get_level_values("seed").nunique()
    if n_seeds == 1 and not estimate.note:
        estimate = replace(estimate, note="one seed: holds for other users, not for other seeds")
    elif not estimate.note:
        by_seed = (pairs["a"] - pairs["b"]).groupby(level="seed").mean()
        other = mean_estimate(by_seed.to_numpy(), signed=True)
        low = float(np.fmin(estimate.low, other.low))
        high = float(np.fmax(estimate.high, other.high))
        # few seeds: t reaches further than 1.96 standard errors
        se = (high - low) / (2 * ndtri(0.975))
        estimate = Estimate(estimate.value, low, high, float(np.fmax(estimate.p, other.p)), se)
    return _comparison(metric, x, y, estimate, n_seeds, len(pairs))


def _difference(x: np.ndarray, y: np.ndarray) -> Estimate:
    """Mean of x - y over users; the note says so where no user differs."""
    estimate = mean_estimate(x - y, signed=True)
    if estimate.note and len(x) > 1:
        return replace(estimate, note=f"{estimate.note}: no user differs")
    return estimate


def _comparison(
    metric: str, x: np.ndarray, y: np.ndarray, estimate: Estimate, seeds: int, pairs: int
) -> Comparison:
    return Comparison(
        metric,
        mean_a=float(x.mean()),
        mean_b=float(y.mean()),
        difference=estimate.value,
        ci=(estimate.low, estimate.high),
        p=estimate.p,
        n=len(x),
        minimum_detectable_effect=detectable(estimate.se, freedom=_freedom(len(x), seeds)),
        note=estimate.note,
        seeds=seeds,
        pairs=pairs,
    )


def _freedom(users: int, seeds: int) -> float:
    """Degrees of freedom of a comparison's standard error; over seeds it holds them already."""
    return users - 1 if seeds == 1 and users > 1 else np.inf


def mean_interval(frame: pd.DataFrame, metric: str = "ndcg@10") -> Interval:
    """Mean of one metric over users, with the 95 % interval of `mean_estimate`.

    With one user, or where all have 0, there is no interval, and the note says so.

    Raises:
        InputError: A value that is not finite, or rows that are not independent: a user twice, or
            several seeds in the index.

    >>> print(mean_interval(pd.DataFrame({"hit@10": [0.0, 1.0] * 50}), "hit@10"))
    0.5000 [0.4003, 0.5997] (n=100)
    >>> print(mean_interval(pd.DataFrame({"hit@10": [0.0] * 50}), "hit@10"))
    0.0000 no interval: too few non-zero users (n=50)
    """
    values = _values(frame, metric)
    _one_row_per_user(frame, "mean_interval")
    estimate = mean_estimate(values, signed=bool(values.min() < 0))
    return Interval(estimate.value, estimate.low, estimate.high, len(values), estimate.note)


def summarise(results: pd.DataFrame, metrics: Sequence[str] | None = None) -> pd.DataFrame:
    """Means with intervals as a table, one row per metric (default: all columns).

    Returns:
        Columns mean, low, high (95 % interval over users; nan where there is none), n (users
        averaged).
    """
    intervals = {
        name: mean_interval(results, name)
        for name in (results.columns if metrics is None else metrics)
    }
    rows = [(i.mean, i.low, i.high, i.n) for i in intervals.values()]
    index = pd.Index(list(intervals), name="metric")
    return pd.DataFrame(rows, columns=["mean", "low", "high", "n"], index=index)


def holm(p: Sequence[float] | np.ndarray | pd.Series) -> np.ndarray:
    """p of several tests, adjusted so that the chance of any false alarm is kept (Holm 1979).

    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    given = np.asarray(p, dtype=float)
    order = np.argsort(given, kind="stable")
    stepped = np.maximum.accumulate(given[order] * np.arange(len(given), 0, -1))
    adjusted = np.empty(len(given))
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def holm_comparisons(comparisons: Mapping[str, Comparison]) -> pd.DataFrame:
    """Several comparisons as one table, p adjusted for their number (`holm`).

    Returns:
        Columns difference, low, high, p, p_holm, detectable (at .05 / number of tests, which is
        what Holm's method asks of the smallest p), n. A comparison without p takes no part.
    """
    tests = max(1, sum(not np.isnan(c.p) for c in comparisons.values()))
    rows = []
    for c in comparisons.values():
        freedom = _freedom(c.n, c.seeds)
        wider = detectable(1.0, tests, freedom) / detectable(1.0, 1, freedom)
        rows.append((c.difference, *c.ci, c.p, np.nan, c.minimum_detectable_effect * wider, c.n))
    table = pd.DataFrame(
        rows,
        columns=["difference", "low", "high", "p", "p_holm", "detectable", "n"],
        index=pd.Index(list(comparisons), name="comparison"),
    )
    tested = table["p"].notna()
    table.loc[tested, "p_holm"] = holm(table.loc[tested, "p"])
    return table


def _pairs_by_seed(a: pd.DataFrame, b: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Columns a and b, index (seed, user): what both frames have."""
    sides = {}
    for name, frame in (("a", a), ("b", b)):
        if not {"seed", "user"} <= set(frame.index.names):
            raise InputError(
                f"compare_seeds: the index of {name} has the levels {list(frame.index.names)}; "
                "expected 'seed' and 'user'"
            )
        values = pd.Series(_values(frame, metric), index=frame.index)
        values = values.reorder_levels(["seed", "user"])
        if not values.index.is_unique:
            seed, user = values.index[values.index.duplicated()][0]
            raise InputError(
                f"compare_seeds: {name} has seed {seed!r}, user {user!r} twice; "
                "expected one row for each"
            )
        sides[name] = values
    both = pd.concat(sides, axis=1, join="inner").sort_index()
    if both.empty:
        raise InputError("compare_seeds: a and b have no user of the same seed in common")
    return both


def _paired(a: pd.DataFrame, b: pd.DataFrame, metric: str) -> tuple[np.ndarray, np.ndarray]:
    """Values of a and of b for each user of a."""
    x, y = _values(a, metric), _values(b, metric)
    parts = (a.attrs.get("on"), b.attrs.get("on"))
    if None not in parts and parts[0] != parts[1]:
        raise InputError(
            f"compare: a was evaluated on {parts[0]!r} and b on {parts[1]!r}; "
            "evaluate both on the same part"
        )
    kinds = (a.attrs.get("expected"), b.attrs.get("expected"))
    if None not in kinds and kinds[0] != kinds[1]:
        how = {True: "in expectation", False: "by drawn targets"}
        raise InputError(
            f"compare: a is {how[kinds[0]]}, b {how[kinds[1]]}; evaluate both with the same"
            " expected=..."
        )
    _one_row_per_user(a, "compare")
    _one_row_per_user(b, "compare")
    only_a = len(a.index.difference(b.index))
    only_b = len(b.index.difference(a.index))
    if only_a or only_b:
        raise InputError(
            f"compare: the users differ ({only_a} only in a, {only_b} only in b); "
            "use the same split, or keep the common users"
        )
    return x, y[b.index.get_indexer(a.index)]


def _one_row_per_user(frame: pd.DataFrame, caller: str) -> None:
    """Refuse rows that are not independent: one user several times, or several seeds."""
    levels = frame.index.names if frame.index.nlevels > 1 else ()  # one row per seed is fine
    if "seed" in levels and frame.index.get_level_values("seed").nunique() > 1:
        raise InputError(
            f"{caller}: the index holds several seeds, whose users are not independent; "
            "average over seeds first, or compare by compare_seeds"
        )
    if not frame.index.is_unique:
        raise InputError(
            f"{caller}: a user appears twice in an index; expected one row per user "
            "(average over seeds first)"
        )


def _values(frame: pd.DataFrame, metric: str) -> np.ndarray:
    """The column as float64, [n]; InputError unless it is one column of finite numbers."""
    if not isinstance(frame, pd.DataFrame):
        raise InputError(
            f"expected a DataFrame with a column {metric!r} and one row per user, "
            f"got {type(frame).__name__}"
        )
    if metric not in frame:
        raise unknown_name("metric", metric, [str(column) for column in frame.columns])
    column = frame[metric]
    if column.ndim != 1 or not pd.api.types.is_numeric_dtype(column):
        kind = "several columns" if column.ndim != 1 else f"values of type {column.dtype}"
        raise InputError(f"{metric}: expected one column of numbers, got {kind}")
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    if not len(values):
        raise InputError(
            f"no users to average {metric} over: expected a frame with at least one row"
        )
    if not np.isfinite(values).all():
        at = int(np.flatnonzero(~np.isfinite(values))[0])
        shown = "NaN" if np.isnan(values[at]) else values[at]
        raise InputError(
            f"{metric} of {frame.index[at]!r} is {shown}: expected a finite number for every user"
        )
    return values
