"""Rows that belong together by label: users of two dictionaries or Series, rows of scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from tutorial_lib.errors import InputError

ROWS = {
    "recommended": "lists of recommendations",
    "relevant": "lists of relevant items",
    "scores": "rows of scores",
}


def paired(
    where: str, names: tuple[str, str], first, second
) -> tuple[Sequence, Sequence, pd.Index | None]:
    """Both sides in one order of users, and their labels (None: users are paired by place).

    Dictionaries and Series are paired by label, in the order of ``first``.

    Args:
        where: function named in the messages.
        names: of both sides, for the messages.
        first: one entry per user: a sequence, a dictionary or a Series.
        second: likewise.

    Raises:
        InputError: Labels on one side only (unless they are 0, 1, 2, ...), labels that repeat,
            users that only one side knows.
    """
    for name, value in zip(names, (first, second), strict=True):
        table = isinstance(value, (str, bytes, pd.DataFrame))
        if table or not hasattr(value, "__len__") or getattr(value, "shape", None) == ():
            raise InputError(
                f"{where}: {name} must hold one list of item ids per user, got"
                f" {type(value).__name__}"
            )
    sides = [
        pd.Series(side, dtype=object) if isinstance(side, Mapping) else side
        for side in (first, second)
    ]
    indexes = [side.index for side in sides if isinstance(side, pd.Series)]
    named = any(not index.equals(pd.RangeIndex(len(index))) for index in indexes)
    if not named and len(sides[0]) != len(sides[1]):
        one, other = (f"{len(s)} {ROWS.get(n, n)}" for s, n in zip(sides, names, strict=True))
        raise InputError(f"{where}: {one} but {other}; expected one of each per user")
    mapped = isinstance(first, Mapping) or isinstance(second, Mapping)
    if not named and not (mapped and len(indexes) == 2):
        plain = [list(side) if isinstance(side, pd.Series) else side for side in sides]
        return plain[0], plain[1], None
    if len(indexes) < 2:
        shown = ", ".join(map(repr, indexes[0][:2].tolist()))
        raise InputError(
            f"{where}: one side names its users ({shown}, ...), the other does not; give both"
            " with labels, or both as lists in the same order of users"
        )
    _refuse_unequal_labels(where, *indexes)
    labels = indexes[0]
    return (
        list(sides[0]),
        list(sides[1].reindex(labels)),
        labels.rename("user") if labels.nlevels == 1 else labels,
    )


def _refuse_unequal_labels(where: str, first: pd.Index, second: pd.Index) -> None:
    for index in (first, second):
        if not index.is_unique:
            raise InputError(
                f"{where}: the user {index[index.duplicated()].tolist()[0]!r} has two lists;"
                " expected one list per user"
            )
    odd = first.symmetric_difference(second, sort=False)
    if len(odd):
        raise InputError(
            f"{where}: the user {odd.tolist()[0]!r} is on one side only, as are {len(odd) - 1}"
            " more; expected the same users on both sides"
        )


def score_rows(scores, where: str) -> tuple[np.ndarray, np.ndarray | pd.Series]:
    """A score matrix without its labels, and its row numbers, labelled where the rows are.

    Args:
        scores: [n, n_items], or a DataFrame whose columns are the item codes in any order.
        where: function named in the messages.
    """
    if np.ma.is_masked(scores):
        raise InputError(
            f"{where}: scores holds masked places; scores.filled(-np.inf) ranks these items last"
        )
    if not isinstance(scores, pd.DataFrame):
        return scores, np.arange((*np.shape(scores), 0)[0])
    codes = pd.RangeIndex(scores.shape[1])
    if not scores.columns.is_unique or set(scores.columns) != set(codes):
        raise InputError(
            f"{where}: the columns of scores are named {scores.columns[0]!r}, ...; expected the"
            f" item codes 0..{len(codes) - 1}; where column j is item j, give scores.to_numpy()"
        )
    ordered = scores if scores.columns.equals(codes) else scores[list(codes)]
    return ordered.to_numpy(), pd.Series(np.arange(len(scores)), index=scores.index)
