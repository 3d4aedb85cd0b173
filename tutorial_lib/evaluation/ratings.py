"""Predicted ratings against given ones, and like against dislike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tutorial_lib.errors import InputError


def rmse(predicted: Sequence[float], given: Sequence[float]) -> float:
    """Root of the mean squared error, in the unit of the ratings; two Series are paired by label.

    >>> rmse([3, 5], [3, 3]), mae([3, 5], [3, 3])
    (1.4142135623730951, 1.0)
    """
    predicted, given = _numbers("rmse", predicted=predicted, given=given)
    return float(np.sqrt(np.mean((predicted - given) ** 2)))


def mae(predicted: Sequence[float], given: Sequence[float]) -> float:
    """Mean absolute error, in the unit of the ratings."""
    predicted, given = _numbers("mae", predicted=predicted, given=given)
    return float(np.mean(np.abs(predicted - given)))


def auc(liked: Sequence[bool], scores: Sequence[float]) -> float:
    """Chance that a liked item scores higher than a disliked one, a tie counting half, in [0, 1];
    all pairs pooled.

    liked: 1 or True, 0 or False. scores: higher means more likely to be liked; any scale, so
        log-probabilities will do.
    Pooled over users it also rewards knowing who likes much: `user_auc` does not. Source: Hanley &
    McNeil 1982 (Mann-Whitney).

    >>> auc([1, 0, 0], [0.9, 0.9, 0.1])
    0.75
    """
    scores, liked = _numbers("auc", scores=scores, liked=liked)
    _only_two_classes(liked)
    positive = int(liked.sum())
    if not 0 < positive < len(liked):
        raise InputError(
            f"auc: {positive} liked of {len(liked)}; expected at least one liked and one disliked,"
            " else no pair can be compared"
        )
    ranks = pd.Series(scores).rank().to_numpy()  # ties share the mean of their ranks
    return float(
        (ranks[liked == 1].sum() - positive * (positive + 1) / 2)
        / (positive * (len(liked) - positive))
    )


def user_auc(liked: Sequence[bool], scores: Sequence[float], users: Sequence) -> pd.DataFrame:
    """AUC within each user, who then weighs the same whatever their number of ratings.

    liked, scores: as in `auc`. users: whose pair each one is.
    Returns column ``auc``, index "user", for `mean_interval` and `compare`. A user who likes
    everything, or nothing, has no AUC and is
        left out; ``attrs``: n_users (averaged), n_excluded, excluded (their codes).
    """
    columns = _by_label("user_auc", liked=liked, scores=scores, users=users)
    scores, liked = _numbers("user_auc", scores=columns["scores"], liked=columns["liked"])
    users = columns["users"]
    _only_two_classes(liked)
    if len(users) != len(liked):
        raise InputError(
            f"user_auc: {len(liked)} pairs but {len(users)} users; expected one user a pair"
        )
    table = pd.DataFrame({"user": np.asarray(users), "liked": liked, "score": scores})
    table["rank"] = table.groupby("user")["score"].rank()
    sums = (
        table.assign(won=table["rank"] * table["liked"])
        .groupby("user")
        .agg(n=("liked", "size"), likes=("liked", "sum"), won=("won", "sum"))
    )
    both = sums["likes"].between(1, sums["n"] - 1)
    if not both.any():
        raise InputError(
            f"user_auc: each of {len(sums)} users has likes only or dislikes only; use the pooled"
            " auc, or more ratings a user"
        )
    kept = sums[both]
    value = (kept["won"] - kept["likes"] * (kept["likes"] + 1) / 2) / (
        kept["likes"] * (kept["n"] - kept["likes"])
    )
    frame = value.to_frame("auc")
    frame.attrs.update(
        n_users=len(frame), n_excluded=int((~both).sum()), excluded=sums.index[~both].tolist()
    )
    return frame


def _numbers(where: str, **columns: Sequence) -> list[np.ndarray]:
    """Two columns of numbers, equally long and not empty; Series are paired by label."""
    columns = _by_label(where, **columns)
    (first, a), (second, b) = (
        (name, _floats(where, name, values)) for name, values in columns.items()
    )
    if a.ndim != 1 or a.shape != b.shape or not len(a):
        raise InputError(
            f"{where}: {first} has shape {a.shape}, {second} {b.shape}; expected two lists of one"
            " length, not empty"
        )
    for name, values in ((first, a), (second, b)):
        bad = np.flatnonzero(np.isnan(values))
        if len(bad):
            raise InputError(
                f"{where}: {name}[{bad[0]}] is NaN; leave out what has no rating, and say how much"
                " that is"
            )
    return [a, b]


def _by_label(where: str, **columns: Sequence) -> dict[str, Sequence]:
    """The columns, Series in the order of the first Series; InputError where their labels differ.

    What is no Series has no labels, and is paired by place.
    """
    labelled = {name: values for name, values in columns.items() if isinstance(values, pd.Series)}
    if len(labelled) < 2:
        return columns
    first, index = next((name, values.index) for name, values in labelled.items())
    for name, values in labelled.items():
        if values.index.equals(index):
            continue
        unique = index.is_unique and values.index.is_unique
        if not unique or len(index) != len(values) or not index.isin(values.index).all():
            raise InputError(
                f"{where}: {first} and {name} are Series with different labels, so which values "
                "belong together is unknown; where it is those of one place, give "
                f"{first}.to_numpy() and {name}.to_numpy()"
            )
        columns[name] = values.reindex(index)
    return columns


def _floats(where: str, name: str, values: Sequence) -> np.ndarray:
    """The values as float64, missing ones as NaN; InputError for texts and whatever is no number."""
    array = np.asarray(values)
    if array.dtype.kind == "O":
        array = np.array(
            [np.nan if pd.api.types.is_scalar(v) and pd.isna(v) else v for v in array.ravel()]
        ).reshape(array.shape)
    if array.dtype.kind not in "fiub":
        raise InputError(
            f"{where}: {name} holds {array.dtype}, no numbers; pd.to_numeric reads texts"
        )
    return array.astype(np.float64)


def _only_two_classes(liked: np.ndarray) -> None:
    other = liked[~np.isin(liked, (0, 1))]
    if len(other):
        raise InputError(
            f"auc: liked holds {other[0]:g}; expected 0 and 1 only: cut the ratings first, as in"
            " ratings >= 4"
        )
