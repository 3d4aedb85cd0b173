"""How sure a number is: intervals, paired comparison, the smallest difference a test could see.

The unit is a user. Runs repeated over seeds hold the same users again, or others that share a seed:
`compare_seeds` is for those.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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


def compare(
    a: pd.DataFrame, b: pd.DataFrame, metric: str = "ndcg@10", *, seed: int = 0
) -> Comparison:
    """Compare two systems on the same users, user by user.

    a, b: per-user frames from `evaluate` or `ranking_metrics`; paired on their index, in whatever
    order the rows stand.
    metric: a column of both. seed: taken so that earlier calls hold; nothing is drawn.
    The interval is that of `mean_estimate` for differences. It assumes neither that differences are
    symmetric about their mean, as flipping their signs does, nor that many users differ. Where no
    user differs, or there is one user, there is no interval.
    Raises InputError if the users differ, a user stands twice or the index holds several seeds (for
    those: `compare_seeds`), the frames were made on different parts, or a value is not finite.
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
    found = mean_estimate(x - y, signed=True)
    note = f"{found.note}: no user differs" if found.note and len(x) > 1 else found.note
    return _comparison(metric, x, y, found, note, 1, len(x))


def compare_seeds(a: pd.DataFrame, b: pd.DataFrame, metric: str = "ndcg@10") -> Comparison:
    """Compare two systems run with several seeds: does it hold for other users and other seeds?

    a, b: frames whose index has the levels "seed" and "user"; what both have is paired. A user may
    stand in one seed or in several.
    Two tests, both of which must hold: over users, each user's difference averaged over seeds, and
    over seeds, each seed's difference averaged over its users. The interval is the hull of the two
    and p the larger. Users x seeds are not independent pairs: all users of a seed share its model
    and its labelled users, and one user's runs resemble each other. Simulated with 2 to 5 seeds, 40
    and 300 users: false positives <= .07, where pooled pairs reach .3 and more.
    n: users. seeds: seeds. With one seed the interval is over users alone, and the note says so.
    Raises InputError for an index without these levels, a pair that stands twice, nothing in
    common, or a value that is not a finite number.
    """
    x, y, users, seeds = _both(a, b, metric)
    pairs, names = pd.DataFrame({"a": x, "b": y}), np.unique(seeds)
    x, y = pairs.groupby(users).mean().to_numpy().T
    found, n = mean_estimate(x - y, signed=True), len(x)
    note = f"{found.note}: no user differs" if found.note and n > 1 else found.note
    if len(names) == 1:
        note = note or "one seed: holds for other users, not for other seeds"
    elif not found.note:
        other = mean_estimate(
            (pairs["a"] - pairs["b"]).groupby(seeds).mean().to_numpy(), signed=True
        )
        low, high = np.fmin(found.low, other.low), np.fmax(found.high, other.high)
        se = float(high - low) / (
            2 * ndtri(0.975)
        )  # few seeds: t reaches further than 1.96 standard errors
        found = Estimate(found.value, float(low), float(high), float(np.fmax(found.p, other.p)), se)
    return _comparison(metric, x, y, found, note, len(names), len(pairs))


def mean_interval(frame: pd.DataFrame, metric: str = "ndcg@10", *, seed: int = 0) -> Interval:
    """Mean of one metric over users, with the 95 % interval of `mean_estimate`.

    seed: taken so that earlier calls hold; nothing is drawn. With one user, or where all have 0,
    there is no interval, and the note says so. Raises InputError for a value that is not finite,
    and for rows that are not independent: a user twice, or several seeds in the index.

    >>> print(mean_interval(pd.DataFrame({"hit@10": [0.0, 1.0] * 50}), "hit@10"))
    0.5000 [0.4003, 0.5997] (n=100)
    >>> print(mean_interval(pd.DataFrame({"hit@10": [0.0] * 50}), "hit@10"))
    0.0000 no interval: too few non-zero users (n=50)
    """
    values = _values(frame, metric)
    _one_row_per_user(frame, "mean_interval")
    found = mean_estimate(values, signed=bool(values.min() < 0))
    return Interval(found.value, found.low, found.high, len(values), found.note)


def summarise(
    results: pd.DataFrame | Mapping[str, pd.DataFrame],
    metrics: list[str] | str | None = None,
    *,
    seed: int = 0,
) -> pd.DataFrame:
    """Means with intervals as a table: one row a metric; of {model: frame}, one a model and metric.

    Columns mean, low, high (95 % interval over users; nan where there is none), n (users averaged).
    """
    if isinstance(results, Mapping):
        tables = {name: summarise(frame, metrics) for name, frame in results.items()}
        return pd.concat(tables, names=["model", "metric"])
    names = (
        [metrics]
        if isinstance(metrics, str)
        else list(results.columns)
        if metrics is None
        else list(metrics)
    )
    rows = [mean_interval(results, name) for name in names]
    return pd.DataFrame(
        [(r.mean, r.low, r.high, r.n) for r in rows],
        columns=["mean", "low", "high", "n"],
        index=pd.Index(names, name="metric"),
    )


def holm(p: Sequence[float]) -> np.ndarray:
    """p of several tests, adjusted so that the chance of any false alarm is kept (Holm 1979).

    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p, dtype=float)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    out = np.empty(len(p))
    out[order] = np.minimum(stepped, 1.0)
    return out


def holm_comparisons(comparisons: Mapping[str, Comparison]) -> pd.DataFrame:
    """Several comparisons as one table, p adjusted for their number (`holm`).

    Columns difference, low, high, p, p_holm, detectable (at .05 / number of tests, which is what
    Holm's method asks of the smallest p), n. A comparison without p takes no part.
    """
    rows = [
        (c.difference, *c.ci, c.p, np.nan, c.minimum_detectable_effect, c.n)
        for c in comparisons.values()
    ]
    columns = ["difference", "low", "high", "p", "p_holm", "detectable", "n"]
    table = pd.DataFrame(
        rows, columns=columns, index=pd.Index(list(comparisons), name="comparison")
    )
    tested = table["p"].notna()
    table.loc[tested, "p_holm"] = holm(table.loc[tested, "p"])
    tests = max(1, int(tested.sum()))
    freedoms = [_freedom(c.n, c.seeds) for c in comparisons.values()]
    table["detectable"] *= [
        detectable(1.0, tests, freedom) / detectable(1.0, 1, freedom) for freedom in freedoms
    ]
    return table


def _freedom(users: int, seeds: int) -> float:
    """Degrees of freedom of a comparison's standard error; over seeds it holds them already."""
    return users - 1 if seeds == 1 and users > 1 else np.inf


def _comparison(
    metric: str, x: np.ndarray, y: np.ndarray, found: Estimate, note: str, seeds: int, pairs: int
) -> Comparison:
    ci = (found.low, found.high)
    effect = detectable(found.se, freedom=_freedom(len(x), seeds))
    return Comparison(
        metric,
        float(x.mean()),
        float(y.mean()),
        found.value,
        ci,
        found.p,
        len(x),
        effect,
        note,
        seeds,
        pairs,
    )


def _both(
    a: pd.DataFrame, b: pd.DataFrame, metric: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Values of a and of b for each (seed, user) of both, the users, the seeds: [pairs] each."""
    sides = []
    for name, frame in (("a", a), ("b", b)):
        if not {"seed", "user"} <= set(frame.index.names):
            raise InputError(
                f"compare_seeds: the index of {name} has the levels {list(frame.index.names)}; "
                "expected 'seed' and 'user'"
            )
        values = pd.Series(_values(frame, metric), index=frame.index).reorder_levels(
            ["seed", "user"]
        )
        if not values.index.is_unique:
            twice = values.index[values.index.duplicated()][0]
            raise InputError(
                f"compare_seeds: {name} has seed {twice[0]!r}, user {twice[1]!r} twice; "
                "expected one row for each"
            )
        sides.append(values)
    both = pd.concat(sides, axis=1, join="inner").sort_index()
    if both.empty:
        raise InputError("compare_seeds: a and b have no user of the same seed in common")
    return *both.to_numpy().T, *(
        both.index.get_level_values(level).to_numpy() for level in ("user", "seed")
    )


def _paired(a: pd.DataFrame, b: pd.DataFrame, metric: str) -> tuple[np.ndarray, np.ndarray]:
    x, y = _values(a, metric), _values(b, metric)
    parts = a.attrs.get("on"), b.attrs.get("on")
    if None not in parts and parts[0] != parts[1]:
        raise InputError(
            f"compare: a was evaluated on {parts[0]!r} and b on {parts[1]!r}; "
            "evaluate both on the same part"
        )
    _one_row_per_user(a, "compare")
    _one_row_per_user(b, "compare")
    only = len(a.index.difference(b.index)), len(b.index.difference(a.index))
    if any(only):
        raise InputError(
            f"compare: the users differ ({only[0]} only in a, {only[1]} only in b); "
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
