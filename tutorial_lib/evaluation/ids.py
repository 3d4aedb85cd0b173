"""Lists of item ids of any kind as integer codes.

Ids that could never match, and lists without an order, are refused: zeros are a possible result of
a metric, so an input that can only give zeros must not be measured without a word.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from numbers import Integral

import numpy as np
import pandas as pd

from tutorial_lib.errors import InputError

PADDING = -1
MANY = 10  # users; what fewer have in common may be chance


def wrong(name: str, problem: str) -> InputError:
    """The error for one side of `ranking_metrics`, "recommended" or "relevant"."""
    return InputError(f"ranking_metrics: {name} {problem}")


def _no_lists(name: str, problem: str) -> InputError:
    return wrong(name, f"must hold one list of item ids per user{problem}")


def flat(lists: Sequence, name: str) -> tuple[np.ndarray, np.ndarray]:
    """All ids in one array, whole numbers as int64, and how many each user has; padding stays."""
    if np.ma.is_masked(lists):
        raise _masked(name)
    if isinstance(lists, np.ndarray) and lists.ndim == 2:
        return _whole(np.asarray(lists).ravel(), name), np.full(len(lists), lists.shape[1])
    if isinstance(lists, np.ndarray) and (lists.dtype != object or lists.ndim != 1):
        raise _no_lists(name, f", got a {lists.ndim}-dimensional array")
    types = set(map(type, lists))
    _refuse_rows(lists, types, name)
    try:
        sizes = np.fromiter(map(len, lists), dtype=np.int64, count=len(lists))
    except TypeError as error:
        raise _no_lists(name, f": {error}") from None
    if types == {np.ndarray}:
        if any(ids.ndim != 1 for ids in lists):
            raise _no_lists(name, ", got an array of more than one dimension")
        filled = [ids for ids in lists if len(ids)]
        if len({ids.dtype.kind for ids in filled}) == 1:  # else 1 would become "1" beside a text
            return _whole(np.concatenate(filled), name), sizes
    ids = list(chain.from_iterable(lists))
    if set(map(type, ids)) <= {int}:
        try:
            return np.array(ids, dtype=np.int64), sizes
        except OverflowError:
            pass
    together = np.empty(len(ids), dtype=object)
    together[:] = ids
    return _whole(together, name), sizes


def _masked(name: str) -> InputError:
    return wrong(name, "holds masked places; ids.filled(-1) makes padding of them")


def _refuse_rows(lists: Sequence, types: set[type], name: str) -> None:
    """InputError for rows that are not lists of ids."""
    for kind in types:
        if issubclass(kind, (str, bytes)):
            raise _no_lists(name, ", got a string (write ['a'], not 'a')")
        if issubclass(kind, (set, frozenset)) and name == "recommended":
            raise wrong(
                name, "holds a set, which has no order; expected a list of item ids, best first"
            )
        if issubclass(kind, Mapping):
            mend = "[item for item in gains if gains[item] > 0]"
            if name == "recommended":
                mend = "sorted(scores, key=scores.get, reverse=True)"
            raise wrong(
                name, f"holds a dictionary per user; expected the item ids alone, as in {mend}"
            )
        if issubclass(kind, pd.DataFrame):
            raise wrong(
                name,
                "holds a DataFrame per user; expected a list of item ids, such as"
                " frame['item'].tolist()",
            )
    if pd.Series in types:
        _refuse_scores([ids for ids in lists if isinstance(ids, pd.Series)], len(lists), name)
    if np.ma.MaskedArray in types and any(map(np.ma.is_masked, lists)):
        raise _masked(name)


def _refuse_scores(series: list[pd.Series], n_users: int, name: str) -> None:
    """InputError for scores labelled by item: fractions, or lists that all fall from high to low.

    Ids of items taken from a log have labels too, those of its rows: such lists are left alone.
    """
    labelled = [ids for ids in series if not ids.index.equals(pd.RangeIndex(len(ids)))]
    suspects = [ids for ids in labelled if ids.dtype.kind == "f"]
    if not suspects and name == "recommended" and n_users >= MANY:
        long = [ids for ids in labelled if len(ids) > 2 and ids.dtype.kind in "iu"]
        if len(long) == n_users and all(ids.is_monotonic_decreasing for ids in long):
            suspects = long
    if suspects:
        values, labels = suspects[0].tolist(), suspects[0].index.tolist()
        raise wrong(
            name,
            f"holds a Series of {values[0]!r}, ... labelled {labels[0]!r}, ...: scores of items?"
            " Give scores.sort_values(ascending=False).index; where the values are the ids,"
            " ids.astype(int).tolist()",
        )


def _whole(ids: np.ndarray, name: str) -> np.ndarray:
    """Ids as int64 where all are whole numbers (3.0 is 3), otherwise as they are.

    InputError for missing ids and for masks.
    """
    kind = ids.dtype.kind
    if kind in "iu" or not len(ids):
        return ids if kind in "iu" else np.empty(0, dtype=np.int64)
    types = set(map(type, ids)) if kind == "O" else set()
    if kind in "US" or types == {str}:
        return ids
    if kind == "b" or types & {bool, np.bool_}:
        raise wrong(
            name,
            "holds True and False; expected item ids: a mask becomes ids by np.flatnonzero(mask)",
        )
    if pd.isna(ids).any():
        raise wrong(
            name,
            "holds a missing id (NaN, None or NaT); drop it, or write -1, which is padding among"
            " whole numbers",
        )
    if kind in "fO" and set(_examples(ids)) == {"numbers"}:
        exact = [int(value) for value in ids.tolist()]
        return np.array(exact, dtype=np.int64 if max(map(abs, exact)) < 2**63 else object)
    return ids


def codes(recommended: np.ndarray, relevant: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Ids as codes 0..n_codes-1; small integers are their own code, -1 among integers is padding.

    Raises:
        InputError: An id of one side could match none of the other: 1 and "1", ("a", 0.9) and "a".
    """
    sides = (recommended, relevant)
    padded = False
    if all(ids.dtype.kind in "iu" for ids in sides):
        lowest = min(int(ids.min(initial=0)) for ids in sides)
        highest = max(int(ids.max(initial=0)) for ids in sides)
        padded = lowest >= PADDING  # with ids below -1 in use, -1 is an id too
        if padded and highest < 2**31:
            small = [ids.astype(np.int64, copy=False) for ids in sides]
            return small[0], small[1], highest + 1
    else:
        _refuse_kinds(recommended, relevant)
    joined = np.concatenate([ids.astype(object) for ids in sides])
    try:
        coded, names = pd.factorize(joined)
    except TypeError as error:
        raise InputError(
            "ranking_metrics: an item id must be hashable, such as a number, a text or a tuple"
            f" ({error})"
        ) from None
    if padded:
        coded = np.where(joined == PADDING, PADDING, coded)
    return coded[: len(recommended)], coded[len(recommended) :], len(names)


def _refuse_kinds(recommended: np.ndarray, relevant: np.ndarray) -> None:
    """InputError where ids are of different kinds, or are pairs of id and score."""
    kinds = [_examples(side) for side in (recommended, relevant)]
    for kind, value in kinds[0].items():
        if kind.startswith("(") and "fractions" in kind:
            raise wrong(
                "recommended",
                f"holds {value!r:.60}, a pair of id and score? Give the ids alone, best first",
            )
    every = [pair for side in kinds for pair in side.items()]
    other = next((pair for pair in every if pair[0] != every[0][0]), None)
    if other:
        shown = " and ".join(f"{value!r:.60} ({kind})" for kind, value in (every[0], other))
        raise InputError(
            f"ranking_metrics: ids of different kinds never match, as {shown}; give the ids of both"
            " sides as one kind, such as [[str(i) for i in ids] for ids in recommended]; scores go"
            " to evaluate_scores, as a matrix"
        )


def _examples(ids: np.ndarray) -> dict[str, object]:
    """One id of each kind. Values of one kind can be equal, those of different kinds cannot."""
    values = ids.tolist()
    by_type = dict(zip(map(type, values), values, strict=True))
    if any(issubclass(kind, (tuple, float, np.floating)) for kind in by_type):
        return {_kind(value): value for value in values}  # the kind depends on the value
    return {_kind(value): value for value in by_type.values()}


def _kind(value) -> str:
    if isinstance(value, (float, np.floating)):
        return "numbers" if float(value).is_integer() else "fractions"
    if isinstance(value, Integral):
        return "numbers"
    if isinstance(value, tuple):
        return f"({', '.join(map(_kind, value))})"
    return "text" if isinstance(value, str) else type(value).__name__
