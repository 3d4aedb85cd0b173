"""How sure a number is: intervals, paired comparison, the smallest difference a test could see.

The unit is a user. Runs repeated over seeds hold the same users again, or others that share a seed:
`compare` then asks whether a difference holds for other seeds too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from tutorial_lib.errors import InputError, unknown_name
from tutorial_lib.evaluation.comparison import Comparison
from tutorial_lib.evaluation.estimates import Interval, mean_estimate
from tutorial_lib.evaluation.two_levels import two_levels


def compare(a: pd.DataFrame, b: pd.DataFrame, metric: str = "ndcg@10") -> Comparison:
    """Compare two systems on the same users, user by user.

    The interval is that of `mean_estimate` for differences. It assumes neither that differences are
    symmetric about their mean, as flipping their signs does, nor that many users differ. Where no
    user differs, or there is one user, there is no interval.

    Run with several seeds, the systems are compared over users and over seeds (`two_levels`):
    pooled pairs would find differences that are none in .3 of samples and more, for users x seeds
    are not independent. With one seed the interval is over users alone, and the note says so.

    Args:
        a: per-user frame from `evaluate` or `ranking_metrics`; of several seeds if its index has
            the levels "seed" and "user".
        b: likewise; paired with a on their index, in whatever order the rows stand.
        metric: a column of both.

    Raises:
        InputError: The users differ, a user stands twice, the frames were made on different parts
            or only one in expectation, or a value is not finite.

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
    both = _paired(a, b, metric)
    differences = both["a"] - both["b"]
    seeds = 1
    if "seed" in both.index.names and "user" in both.index.names:
        seeds = both.index.get_level_values("seed").nunique()
        by_user = both.groupby(level="user").mean()
    else:
        by_user = both
    if seeds > 1:
        estimate = two_levels(differences)
    else:
        estimate = mean_estimate(differences.to_numpy(), signed=True)
    note = estimate.note
    if note and len(by_user) > 1:
        note = f"{note}: no user differs"
    elif not note and seeds == 1 and "seed" in both.index.names:
        note = "one seed: holds for other users, not for other seeds"
    return Comparison(
        metric,
        mean_a=float(by_user["a"].mean()),
        mean_b=float(by_user["b"].mean()),
        difference=estimate.value,
        ci=(estimate.low, estimate.high),
        p=estimate.p,
        n=len(by_user),
        parts=estimate.parts,
        note=note,
        seeds=seeds,
        pairs=len(both),
    )


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


def holm_sizes(p: Sequence[float] | np.ndarray | pd.Series, alpha: float = 0.05) -> np.ndarray:
    """For how many tests each one is adjusted: 1 + those of the others that Holm's method cannot
    reject before it comes to this one.

    The first step asks for alpha / n; once others are rejected, the rest share alpha. So this, and
    not n, says what a test of a family can see.

    >>> holm_sizes([0.001, 0.002, 0.3, 0.4]).tolist()
    [3, 3, 2, 2]
    """
    given = np.asarray(p, dtype=float)
    sizes = np.empty(len(given), dtype=np.int64)
    for i in range(len(given)):
        others = np.sort(np.delete(given, i))
        left = np.arange(len(given), 1, -1)  # tests that are left at each step
        rejected = np.cumprod(others * left < alpha).sum()
        sizes[i] = len(given) - rejected
    return sizes


def holm_comparisons(
    comparisons: Mapping[str, Comparison], margin: float | None = None
) -> pd.DataFrame:
    """Several comparisons as one table, p adjusted for their number (`holm`).

    Args:
        comparisons: name -> `compare`.
        margin: if given, each gets a verdict (`Comparison.verdict`) by p-values adjusted over all:
            those of "no difference" and those of equivalence, each kind on its own. So the chance
            of any false "better" or "worse" is at most .05, and so is that of any false
            "equivalent".

    Returns:
        Columns difference, low, high (95 %, of this one test), p, p_holm, detectable (at .05 /
        `holm_sizes`, which is what Holm's method asks of this one, given the others), n; with a
        margin also p_equivalent (adjusted) and verdict. A comparison without p takes no part.
    """
    rows = [(c.difference, *c.ci, c.p, np.nan, np.nan, c.n) for c in comparisons.values()]
    table = pd.DataFrame(
        rows,
        columns=["difference", "low", "high", "p", "p_holm", "detectable", "n"],
        index=pd.Index(list(comparisons), name="comparison"),
    )
    tested = table["p"].notna()
    table.loc[tested, "p_holm"] = holm(table.loc[tested, "p"])
    able = [c for c in comparisons.values() if not np.isnan(c.p)]
    sizes = holm_sizes(table.loc[tested, "p"])
    table.loc[tested, "detectable"] = [
        c.detectable(int(size)) for c, size in zip(able, sizes, strict=True)
    ]
    if margin is None:
        return table
    table["p_equivalent"] = [c.p_equivalent(margin) for c in comparisons.values()]
    table.loc[tested, "p_equivalent"] = holm(table.loc[tested, "p_equivalent"])
    adjusted = zip(comparisons.values(), table["p_holm"], table["p_equivalent"], strict=True)
    table["verdict"] = [c.verdict(margin, p=p, p_equivalent=alike) for c, p, alike in adjusted]
    return table


def _paired(a: pd.DataFrame, b: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Columns a and b: the values of both, in the order of a's index."""
    x, y = (pd.Series(_values(frame, metric), index=frame.index) for frame in (a, b))
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
    if x.index.nlevels > 1 and "seed" in x.index.names and "user" not in x.index.names:
        raise InputError(
            f"compare: the index has the levels {list(x.index.names)}; expected 'seed' and 'user'"
        )
    if y.index.nlevels > 1 and set(y.index.names) == set(x.index.names):
        y = y.reorder_levels(x.index.names)
    for name, values in (("a", x), ("b", y)):
        if not values.index.is_unique:
            twice = values.index[values.index.duplicated()][0]
            raise InputError(
                f"compare: {name} has {_label(values.index, twice)} twice; expected one row per"
                " user, or per seed and user with both in the index"
            )
    only_a = len(x.index.difference(y.index))
    only_b = len(y.index.difference(x.index))
    if only_a or only_b:
        raise InputError(
            f"compare: the users differ ({only_a} only in a, {only_b} only in b); "
            "use the same split, or keep the common users"
        )
    return pd.DataFrame({"a": x, "b": y.reindex(x.index)})


def _label(index: pd.Index, value) -> str:
    """ "user 3", or "seed 0, user 3", as the levels are called."""
    values = value if index.nlevels > 1 else (value,)
    plain = (one.item() if isinstance(one, np.generic) else one for one in values)
    named = zip(index.names, plain, strict=True)
    return ", ".join(f"{name or 'user'} {one!r}" for name, one in named)


def _one_row_per_user(frame: pd.DataFrame, caller: str) -> None:
    """Refuse rows that are not independent: one user several times, or several seeds."""
    levels = frame.index.names if frame.index.nlevels > 1 else ()  # one row per seed is fine
    if "seed" in levels and frame.index.get_level_values("seed").nunique() > 1:
        raise InputError(
            f"{caller}: the index holds several seeds, whose users are not independent; "
            "average over seeds first"
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
