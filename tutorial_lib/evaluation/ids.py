"""Lists of item ids of any kind as integer codes; ids that could never match, and lists without an
order, are refused.

Zeros are a possible result of a metric, so an input that can only give zeros must be told, not
measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from numbers import Integral

import numpy as np
import pandas as pd

from tutorial_lib.errors import InputError

PADDING = -1
WHERE = "ranking_metrics"
MANY = 10  # users; what fewer have in common may be chance


NOUNS = {
    "recommended": "lists of recommendations",
    "relevant": "of relevant items",
    "scores": "rows of scores",
}


def paired(
    recommended, relevant, where: str = WHERE, names: tuple[str, str] = ("recommended", "relevant")
) -> tuple[Sequence, Sequence, pd.Index | None]:
    """Both sides in one order of users, and their labels (None: no labels, users are paired by
    place).

    Dictionaries and Series are paired by label, in the order of ``recommended``. Raises InputError
    for labels on one side only (unless they are 0, 1, 2, ...), for labels that repeat, and for
    users that only one side knows. where, names: for the messages.
    """
    for name, value in zip(names, (recommended, relevant), strict=True):
        text = isinstance(value, (str, bytes, pd.DataFrame))
        if text or not hasattr(value, "__len__") or getattr(value, "shape", None) == ():
            raise InputError(
                f"{where}: {name} must hold one list of item ids per user, got"
                f" {type(value).__name__}"
            )
    sides = [
        pd.Series(side, dtype=object) if isinstance(side, Mapping) else side
        for side in (recommended, relevant)
    ]
    named = [
        isinstance(side, pd.Series) and not side.index.equals(pd.RangeIndex(len(side)))
        for side in sides
    ]
    if not any(named) and len(sides[0]) != len(sides[1]):
        raise InputError(
            f"{where}: {len(sides[0])} {NOUNS.get(names[0], names[0])} but {len(sides[1])} "
            f"{NOUNS.get(names[1], names[1])}; expected one of each per user"
        )
    labelled = all(isinstance(side, pd.Series) for side in sides)
    mapped = isinstance(recommended, Mapping) or isinstance(relevant, Mapping)
    if not any(named) and not (mapped and labelled):
        return (*(list(side) if isinstance(side, pd.Series) else side for side in sides), None)
    if not labelled:
        raise InputError(
            f"{where}: one side names its users ({_labels(sides)}), the other does not; give both"
            " with labels, or both as lists in the same order of users"
        )
    first, second = (side.index for side in sides)
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
    labels = first.rename("user") if first.nlevels == 1 else first
    return list(sides[0]), list(sides[1].reindex(first)), labels


def score_rows(scores, where: str) -> tuple[np.ndarray, Sequence]:
    """A score matrix without its labels, and its row numbers, labelled where the rows are.

    scores: [n, n_items], or a DataFrame whose columns are the item codes 0..n_items-1, in any
        order.
    """
    if np.ma.is_masked(scores):
        raise InputError(
            f"{where}: scores holds masked places; scores.filled(-np.inf) ranks these items last"
        )
    if not isinstance(scores, pd.DataFrame):
        return scores, np.arange((*np.shape(scores), 0)[0])
    codes = pd.RangeIndex(scores.shape[1])
    if not scores.columns.equals(codes):
        if not scores.columns.is_unique or set(scores.columns) != set(codes):
            raise InputError(
                f"{where}: the columns of scores are named {scores.columns[0]!r}, ...; expected the"
                f" item codes 0..{len(codes) - 1}; where column j is item j, give scores.to_numpy()"
            )
        scores = scores[list(codes)]
    return scores.to_numpy(), pd.Series(np.arange(len(scores)), index=scores.index)


def _labels(sides) -> str:
    index = next(side.index for side in sides if isinstance(side, pd.Series))
    return ", ".join(map(repr, index[:2].tolist())) + ", ..."


def flat(lists: Sequence, name: str) -> tuple[np.ndarray, np.ndarray]:
    """All ids in one array, whole numbers as int64, and how many each user has; padding stays."""
    if np.ma.is_masked(lists):
        raise _masked(name)
    if isinstance(lists, np.ndarray) and lists.ndim == 2:
        return _whole(lists.ravel(), name), np.full(len(lists), lists.shape[1])
    if isinstance(lists, np.ndarray) and (lists.dtype != object or lists.ndim != 1):
        raise InputError(
            f"{WHERE}: {name} must hold one list of item ids per user, got a"
            f" {lists.ndim}-dimensional array"
        )
    types = set(map(type, lists))
    for kind in types:
        _refuse_container(kind, name)
    if pd.Series in types:
        _refuse_scores([ids for ids in lists if isinstance(ids, pd.Series)], name)
    if np.ma.MaskedArray in types and any(map(np.ma.is_masked, lists)):
        raise _masked(name)
    try:
        sizes = np.fromiter(map(len, lists), dtype=np.int64, count=len(lists))
    except TypeError as error:
        raise InputError(
            f"{WHERE}: {name} must hold one list of item ids per user: {error}"
        ) from None
    if types == {np.ndarray}:
        if any(ids.ndim != 1 for ids in lists):
            raise InputError(
                f"{WHERE}: {name} must hold one list of item ids per user, got an array of more"
                " than one dimension"
            )
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


def _refuse_container(kind: type, name: str) -> None:
    """What is no list of ids: a text is a list of letters, a set has no order, a dictionary holds
    more than ids.
    """
    if issubclass(kind, (str, bytes)):
        raise InputError(
            f"{WHERE}: {name} must hold one list of item ids per user, got a string (write ['a'],"
            " not 'a')"
        )
    if issubclass(kind, (set, frozenset)) and name == "recommended":
        raise InputError(
            f"{WHERE}: recommended holds a set, which has no order; expected a list of item ids,"
            " best first"
        )
    if issubclass(kind, Mapping):
        mend = (
            "sorted(scores, key=scores.get, reverse=True)"
            if name == "recommended"
            else "[item for item in gains if gains[item] > 0]"
        )
        raise InputError(
            f"{WHERE}: {name} holds a dictionary per user; expected the item ids alone, as in"
            f" {mend}"
        )
    if issubclass(kind, pd.DataFrame):
        raise InputError(
            f"{WHERE}: {name} holds a DataFrame per user; expected a list of item ids, such as"
            " frame['item'].tolist()"
        )


def _masked(name: str) -> InputError:
    return InputError(f"{WHERE}: {name} holds masked places; ids.filled(-1) makes padding of them")


def _refuse_scores(lists: list[pd.Series], name: str) -> None:
    """InputError for scores labelled by item: fractions, or lists that all fall from high to low.

    Ids of items taken from a log have labels too, those of its rows: such lists are left alone.
    """
    labelled = [ids for ids in lists if not ids.index.equals(pd.RangeIndex(len(ids)))]
    scored = next((ids for ids in labelled if ids.dtype.kind == "f"), None)
    long = [ids for ids in labelled if len(ids) > 2 and ids.dtype.kind in "iu"]
    if scored is None and name == "recommended" and len(long) >= MANY:
        falling = all(ids.is_monotonic_decreasing for ids in long)
        scored = long[0] if falling and len(long) == len(lists) else None
    if scored is not None:
        raise InputError(
            f"{WHERE}: {name} holds a Series of {scored.tolist()[0]!r}, ... labelled"
            f" {scored.index.tolist()[0]!r}, ...: scores of items? Give"
            " scores.sort_values(ascending=False).index; where the values are the ids,"
            " ids.astype(int).tolist()"
        )


def _whole(ids: np.ndarray, name: str) -> np.ndarray:
    """Ids as int64 where all are whole numbers (3.0 is 3), otherwise as they are; InputError for
    missing ids and for masks.
    """
    kind = ids.dtype.kind
    if kind in "iu" or not len(ids):
        return ids if kind in "iu" else np.empty(0, dtype=np.int64)
    types = set(map(type, ids)) if kind == "O" else set()
    if kind in "US" or types == {str}:
        return ids
    if kind == "b" or types & {bool, np.bool_}:
        raise InputError(
            f"{WHERE}: {name} holds True and False; expected item ids: a mask becomes ids by"
            " np.flatnonzero(mask)"
        )
    if pd.isna(ids).any():
        raise InputError(
            f"{WHERE}: {name} holds a missing id (NaN, None or NaT); drop it, or write -1, which is"
            " padding among whole numbers"
        )
    if kind in "fO" and set(_examples(ids)) == {"numbers"}:
        exact = [int(value) for value in ids.tolist()]
        return np.array(exact, dtype=np.int64 if max(map(abs, exact)) < 2**63 else object)
    return ids


def codes(recommended: np.ndarray, relevant: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Ids as codes 0..n_codes-1; small integers are their own code, and -1 among integers stays
    padding.

    Raises InputError where an id of one side could match none of the other: 1 and "1", ("a", 0.9)
    and "a".
    """
    whole = recommended.dtype.kind in "iu" and relevant.dtype.kind in "iu"
    low, top = (
        [int(limit(ids)) for ids in (recommended, relevant) if whole and len(ids)]
        for limit in (np.min, np.max)
    )
    padded = whole and min(low, default=0) >= PADDING  # with ids below -1 in use, -1 is an id too
    if padded and max(top, default=0) < 2**31:
        return (
            recommended.astype(np.int64, copy=False),
            relevant.astype(np.int64, copy=False),
            max(top, default=0) + 1,
        )
    if not whole:
        _refuse_kinds(recommended, relevant)
    joined = np.concatenate([ids.astype(object) for ids in (recommended, relevant)])
    try:
        found, names = pd.factorize(joined)
    except TypeError as error:
        raise InputError(
            f"{WHERE}: an item id must be hashable, such as a number, a text or a tuple ({error})"
        ) from None
    if padded:
        found = np.where(joined == PADDING, PADDING, found)
    return found[: len(recommended)], found[len(recommended) :], len(names)


def _refuse_kinds(recommended: np.ndarray, relevant: np.ndarray) -> None:
    kinds = [_examples(side) for side in (recommended, relevant)]
    scored = next(
        (value for kind, value in kinds[0].items() if kind.startswith("(") and "fractions" in kind),
        None,
    )
    if scored is not None:
        raise InputError(
            f"{WHERE}: recommended holds {scored!r:.60}, a pair of id and score? Give the ids"
            " alone, best first"
        )
    every = [(kind, value) for side in kinds for kind, value in side.items()]
    other = next((pair for pair in every if pair[0] != every[0][0]), None)
    if other:
        shown = " and ".join(f"{value!r:.60} ({kind})" for kind, value in (every[0], other))
        raise InputError(
            f"{WHERE}: ids of different kinds never match, as {shown}; give the ids of both sides"
            " as one kind, such as [[str(i) for i in ids] for ids in recommended]; scores go to"
            " evaluate_scores, as a matrix"
        )


def _examples(ids: np.ndarray) -> dict[str, object]:
    """One id of each kind. Values of one kind can be equal, those of different kinds cannot."""
    values = ids.tolist()
    by_type = dict(zip(map(type, values), values, strict=True))
    if any(
        issubclass(kind, (tuple, float, np.floating)) for kind in by_type
    ):  # their kind depends on the value
        return dict(zip(map(_kind, values), values, strict=True))
    return {_kind(value): value for value in by_type.values()}


def _kind(value) -> str:
    if isinstance(value, Integral) or (
        isinstance(value, (float, np.floating)) and float(value).is_integer()
    ):
        return "numbers"
    if isinstance(value, (float, np.floating)):
        return "fractions"
    if isinstance(value, tuple):
        return f"({', '.join(map(_kind, value))})"
    return "text" if isinstance(value, str) else type(value).__name__
