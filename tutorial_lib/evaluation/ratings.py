"""AUC: how well scores tell liked items from disliked ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from tutorial_lib.errors import InputError


def auc(liked: ArrayLike, scores: ArrayLike) -> float:
    """Chance that a liked item scores higher than a disliked one, a tie counting half, in [0, 1].

    All pairs are pooled. Pooled over users it also rewards knowing who likes much: `user_auc` does
    not.

    Args:
        liked: 1 or True, 0 or False.
        scores: higher means more likely to be liked; on any scale, so log-probabilities will do.
            Where both are Series, they are paired by label.

    Source: Hanley & McNeil 1982 (Mann-Whitney).

    >>> auc([1, 0, 0], [0.9, 0.9, 0.1])
    0.75
    """
    table = _table("auc", liked=liked, scores=scores)
    positive = int(table["liked"].sum())
    if not 0 < positive < len(table):
        raise InputError(
            f"auc: {positive} liked of {len(table)}; expected at least one liked and one disliked,"
            " else no pair can be compared"
        )
    ranks = table["scores"].rank()  # ties share the mean of their ranks
    return float(_area(ranks[table["liked"] == 1].sum(), positive, len(table)))


def user_auc(liked: ArrayLike, scores: ArrayLike, users: Sequence | np.ndarray) -> pd.DataFrame:
    """AUC within each user, who then weighs the same whatever their number of ratings.

    Args:
        liked: as in `auc`.
        scores: as in `auc`.
        users: whose pair each one is.

    Returns:
        Column ``auc``, index "user", for `mean_interval` and `compare`. A user who likes
        everything, or nothing, has no AUC and is left out; ``attrs``: n_users (averaged),
        n_excluded, excluded (their codes).
    """
    table = _table("user_auc", liked=liked, scores=scores, users=users)
    ranks = table.groupby("users")["scores"].rank()
    sums = (
        table.assign(rank_of_liked=ranks * table["liked"])
        .groupby("users")
        .agg(n=("liked", "size"), liked=("liked", "sum"), ranks=("rank_of_liked", "sum"))
        .rename_axis("user")
    )
    both = sums["liked"].between(1, sums["n"] - 1)
    if not both.any():
        raise InputError(
            f"user_auc: each of {len(sums)} users has likes only or dislikes only; use the pooled"
            " auc, or more ratings per user"
        )
    kept = sums[both]
    frame = _area(kept["ranks"], kept["liked"], kept["n"]).to_frame("auc")
    excluded = sums.index[~both].tolist()
    frame.attrs.update(n_users=len(frame), n_excluded=len(excluded), excluded=excluded)
    return frame


def _area(ranks, positive, n):
    """AUC from the sum of the ranks of the ``positive`` liked items among ``n``."""
    return (ranks - positive * (positive + 1) / 2) / (positive * (n - positive))


def _table(where: str, **columns) -> pd.DataFrame:
    """The columns as a table, numbers in all but ``users``; Series are paired by label."""
    columns = _by_label(where, columns)
    values = {
        name: np.asarray(column) if name == "users" else _floats(where, name, column)
        for name, column in columns.items()
    }
    shapes = {name: column.shape for name, column in values.items()}
    if len(set(shapes.values())) > 1 or values["liked"].ndim != 1 or not len(values["liked"]):
        shown = ", ".join(f"{name} has shape {shape}" for name, shape in shapes.items())
        raise InputError(f"{where}: {shown}; expected lists of one length, not empty")
    strange = values["liked"][~np.isin(values["liked"], (0, 1))]
    if len(strange):
        raise InputError(
            f"{where}: liked holds {strange[0]:g}; expected 0 and 1 only: cut the ratings first, as"
            " in ratings >= 4"
        )
    return pd.DataFrame(values)


def _by_label(where: str, columns: dict) -> dict:
    """The columns, Series in the order of the first Series; InputError where their labels differ.

    What is not a Series has no labels, and is paired by place.
    """
    series = {name: column for name, column in columns.items() if isinstance(column, pd.Series)}
    if len(series) < 2:
        return columns
    first, *others = series
    index = series[first].index
    paired = dict(columns)
    for name in others:
        labels = series[name].index
        if labels.equals(index):
            continue
        unique = index.is_unique and labels.is_unique
        if not unique or len(index) != len(labels) or not index.isin(labels).all():
            raise InputError(
                f"{where}: {first} and {name} are Series with different labels, so which values "
                "belong together is unknown; where it is those of one place, give "
                f"{first}.to_numpy() and {name}.to_numpy()"
            )
        paired[name] = series[name].reindex(index)
    return paired


def _floats(where: str, name: str, values: ArrayLike) -> np.ndarray:
    """The values as float64; InputError for missing values, texts and other non-numbers."""
    array = np.asarray(values)
    if array.dtype.kind == "O":
        array = np.array([np.nan if value is pd.NA or value is None else value for value in array])
    if array.dtype.kind not in "fiub":
        raise InputError(
            f"{where}: {name} holds {array.dtype}, no numbers; pd.to_numeric reads texts"
        )
    bad = np.flatnonzero(np.isnan(array))
    if len(bad):
        raise InputError(
            f"{where}: {name}[{bad[0]}] is NaN; leave out what has no rating, and say how much that"
            " is"
        )
    return array.astype(np.float64)
