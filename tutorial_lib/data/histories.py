"""Histories as every stage reads them: one sequence of item codes per row, oldest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from itertools import chain
from typing import Any

import numpy as np

from tutorial_lib.errors import InputError, is_whole

# one sequence of item codes per row, oldest first
Histories = Sequence[Sequence[int]] | Sequence[np.ndarray]


def check_histories(histories: Histories, n_items: int) -> tuple[np.ndarray, np.ndarray]:
    """What `flatten` gives, after refusing histories that name items outside the catalogue."""
    flat, rows = flatten(histories)
    bad = np.flatnonzero((flat < 0) | (flat >= n_items))
    if len(bad):
        raise InputError(
            f"history {rows[bad[0]]} holds item {flat[bad[0]]}, unknown to this catalogue of "
            f"{n_items} items: expected codes 0..{n_items - 1} (map titles to codes with ds.items)"
        )
    return flat, rows


def flatten(histories: Histories, what: str = "history") -> tuple[np.ndarray, np.ndarray]:
    """All item codes in one array, and the row each belongs to.

    Args:
        histories: one sequence of item codes per row.
        what: how a message names one row.

    Raises:
        InputError: a row is not a sequence of whole numbers (a text, a mask, missing values or
            fractions), or the rows come as a dictionary or a table.
    """
    if isinstance(histories, (str, bytes, Mapping)) or hasattr(histories, "columns"):
        raise _no_rows(what, histories)
    try:
        sizes = np.fromiter(map(len, histories), dtype=np.int64, count=len(histories))
    except TypeError:
        raise _no_rows(what, histories) from None
    rows = np.repeat(np.arange(len(sizes)), sizes)
    # the common case at once: int arrays, or lists of int
    kinds = set(map(type, histories))
    listed = chain.from_iterable(row for row in histories if type(row) is not np.ndarray)
    if kinds <= {np.ndarray, list, tuple} and set(map(type, listed)) <= {int, np.int64}:
        filled = [np.asarray(row) for row in histories if len(row)]
        if {(array.ndim, array.dtype.kind) for array in filled} == {(1, "i")}:
            return np.concatenate(filled).astype(np.int64, copy=False), rows
    parts = [item_codes(row, f"{what} {number}") for number, row in enumerate(histories)]
    return np.concatenate([*parts, np.empty(0, dtype=np.int64)]), rows


def _no_rows(what: str, histories: Any) -> InputError:
    rows = isinstance(histories, (list, tuple, np.ndarray))
    given = "a row that is no list" if rows else type(histories).__name__
    return InputError(
        f"expected one {what} per row, each a list of item codes, as in [[3, 1], [2]]; found "
        f"{given}"
    )


def item_codes(values: Any, where: str) -> np.ndarray:
    """The values as an int64 array; InputError unless each is a whole number (3.0 is 3).

    Args:
        values: item codes in a list, array, series or set.
        where: how a message begins, such as "history 3".
    """
    if isinstance(values, (str, bytes, Mapping)) or hasattr(values, "columns"):
        raise InputError(f"{where} is {type(values).__name__}; expected a list of item codes")
    listed = list(values) if isinstance(values, Set) else values
    try:
        array = np.asarray(listed)
    except ValueError:  # lists of unequal length
        raise InputError(f"{where} holds lists; expected a list of item codes") from None
    # numpy takes a True among whole numbers for 1
    plain = type(values) is np.ndarray or {bool, np.bool_}.isdisjoint(map(type, listed))
    if array.ndim == 1 and array.dtype.kind == "i" and plain and not np.ma.is_masked(values):
        return array.astype(np.int64, copy=False)
    if array.ndim != 1:
        raise InputError(f"{where} has {array.ndim} dimensions; expected a list of item codes")
    for value in listed:
        whole_float = isinstance(value, (float, np.floating)) and value.is_integer()
        if not is_whole(value) and not whole_float:
            shown = value.item() if isinstance(value, np.generic) else value
            mask = isinstance(shown, bool)
            mend = "np.flatnonzero(mask) turns a mask into codes" if mask else "0, 1, 2, ..."
            raise InputError(f"{where} holds {shown!r:.40}; expected item codes: {mend}")
    return np.array([int(min(value, 2**62)) for value in listed], dtype=np.int64)


def positions(sizes: np.ndarray) -> np.ndarray:
    """0, 1, 2, ... within each row of the arrays that `flatten` gives, from the rows' sizes.

    >>> positions(np.array([2, 0, 3])).tolist()
    [0, 1, 0, 1, 2]
    """
    return np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
