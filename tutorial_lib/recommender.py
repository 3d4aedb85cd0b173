"""The one contract everything that recommends obeys, from a popularity counter to a prompted language model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from itertools import chain
from numbers import Integral
from typing import Protocol, runtime_checkable

import numpy as np

from tutorial_lib.errors import InputError, check_whole

Histories = Sequence[Sequence[int]]  # one sequence of item codes a row, oldest first


@runtime_checkable
class Recommender(Protocol):
    """Fit on the training part of a split, then score or rank the whole catalogue for any history."""

    def fit(self, split, *, seed: int = 0, progress: bool = True) -> Recommender: ...

    def score(self, histories: Histories, users: Sequence[int] | None = None) -> np.ndarray:
        """[n, n_items], higher is better. ``users``: user codes, one a row, for models that know users."""
        ...

    def recommend(self, histories: Histories, k: int = 10, *, users: Sequence[int] | None = None, exclude_seen: bool = True) -> np.ndarray:
        """[n, k] item codes, best first; -1 fills the end where fewer than k items may be recommended."""
        ...


class ScoreRecommender:
    """Base of every recommender that scores the whole catalogue: `recommend` is `score`, seen items out, top k."""

    n_items: int  # set by fit

    def score(self, histories: Histories, users: Sequence[int] | None = None) -> np.ndarray:
        raise NotImplementedError

    def recommend(
        self, histories: Histories, k: int = 10, *, users: Sequence[int] | None = None, exclude_seen: bool = True, block: int = 1024
    ) -> np.ndarray:
        n_items = fitted(self).n_items
        if isinstance(k, bool) or not isinstance(k, Integral) or not 1 <= k <= n_items:
            raise InputError(f"recommend(k={k}): k must lie in 1..{n_items}, the size of the catalogue")
        check_whole("recommend", 1, block=block)
        check_histories(histories, n_items)
        histories = list(histories)
        if users is not None and len(users) != len(histories):
            raise InputError(
                f"recommend: {len(histories)} histories but {len(users)} users; "
                "expected one user a history"
            )
        users = None if users is None else np.asarray(users)
        out = np.empty((len(histories), k), dtype=np.int64)
        for start in range(0, len(histories), block):
            rows = slice(start, start + block)
            scores = self.score(histories[rows], users=None if users is None else users[rows])
            check_shape(self, scores, len(histories[rows]), n_items)
            out[rows] = top_k(scores, k, exclude=histories[rows] if exclude_seen else None)
        return out


def fitted(recommender):
    """The recommender itself, or one clear line if `fit` was not called yet."""
    if not hasattr(recommender, "n_items"):
        name = type(recommender).__name__
        raise InputError(f"{name} is not fitted: call {name}().fit(split) before score, recommend or evaluate")
    return recommender


def check_shape(recommender, scores: np.ndarray, n_rows: int, n_items: int) -> None:
    """InputError unless ``score`` gave one row a history and one column an item."""
    if np.shape(scores) != (n_rows, n_items):
        raise InputError(
            f"{type(recommender).__name__}.score returned shape {np.shape(scores)}, expected "
            f"({n_rows}, {n_items}): one row a history, one column an item"
        )


def check_histories(histories: Histories, n_items: int) -> tuple[np.ndarray, np.ndarray]:
    """What `flatten` gives, after refusing histories that name items outside the catalogue (one line that says which)."""
    flat, rows = flatten(histories)
    bad = np.flatnonzero((flat < 0) | (flat >= n_items))
    if len(bad):
        raise InputError(
            f"history {rows[bad[0]]} holds item {flat[bad[0]]}, unknown to this catalogue of {n_items} items: "
            f"expected codes 0..{n_items - 1} (map titles to codes with ds.items)"
        )
    return flat, rows


def flatten(histories: Histories, what: str = "history") -> tuple[np.ndarray, np.ndarray]:
    """All item codes in one array, and the row each belongs to.

    what: how a message names one row. Raises InputError for what is no sequence of whole numbers a
    row: texts, masks, missing values and fractions, a dictionary or a table in place of the rows.
    """
    if isinstance(histories, (str, bytes, Mapping)) or hasattr(histories, "columns"):
        raise _no_rows(what, histories)
    try:
        sizes = np.fromiter(map(len, histories), dtype=np.int64, count=len(histories))
    except TypeError:
        raise _no_rows(what, histories) from None
    rows = np.repeat(np.arange(len(sizes)), sizes)
    kinds = set(map(type, histories))
    listed = chain.from_iterable(row for row in histories if type(row) is not np.ndarray)
    if kinds <= {np.ndarray, list, tuple} and set(map(type, listed)) <= {int, np.int64}:
        filled = [np.asarray(row) for row in histories if len(row)]
        if {(array.ndim, array.dtype.kind) for array in filled} == {(1, "i")}:
            return np.concatenate(filled).astype(np.int64, copy=False), rows
    parts = [item_codes(row, f"{what} {number}") for number, row in enumerate(histories)]
    return np.concatenate([*parts, np.empty(0, dtype=np.int64)]), rows


def _no_rows(what: str, histories) -> InputError:
    rows = isinstance(histories, (list, tuple, np.ndarray))
    found = "a row that is no list" if rows else type(histories).__name__
    return InputError(
        f"expected one {what} a row, each a list of item codes, as in [[3, 1], [2]]; found {found}"
    )


def item_codes(values: Sequence[int], where: str) -> np.ndarray:
    """The values as an int64 array; InputError unless each is a whole number (3.0 is 3).

    where: how a message begins, such as "history 3".
    """
    if isinstance(values, (str, bytes, Mapping)) or hasattr(values, "columns"):
        raise InputError(f"{where} is {type(values).__name__}; expected a list of item codes")
    listed = list(values) if isinstance(values, Set) else values
    try:
        array = np.asarray(listed)
    except ValueError:  # lists of unequal length
        raise InputError(f"{where} holds lists; expected a list of item codes") from None
    plain = type(values) is np.ndarray or {bool, np.bool_}.isdisjoint(map(type, listed))
    if array.ndim == 1 and array.dtype.kind == "i" and plain and not np.ma.is_masked(values):
        return array.astype(np.int64, copy=False)
    if array.ndim != 1:
        raise InputError(f"{where} has {array.ndim} dimensions; expected a list of item codes")
    for value in listed:
        whole = isinstance(value, Integral) and not isinstance(value, bool)
        if not whole and not (isinstance(value, (float, np.floating)) and value.is_integer()):
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


def refuse_nan(scores: np.ndarray, names: Sequence | None = None) -> None:
    """InputError that names the first row with NaN; ``names``: user of each row, where it is known."""
    bad = np.flatnonzero(np.isnan(scores).any(axis=1))
    if len(bad):
        where = f"row {bad[0]}" if names is None else f"user {names[bad[0]]}"
        raise InputError(f"scores of {where} contain NaN: a ranking needs numbers (log-probabilities and -inf are fine)")


def top_k(scores: np.ndarray, k: int, exclude: Histories | None = None) -> np.ndarray:
    """[n, k] columns with the highest scores, best first; equal scores: lower column first.

    ``exclude``: item codes per row that may not appear (nor may items scored -inf). Where fewer than k remain, the row ends in -1.
    Raises InputError on NaN scores.
    """
    refuse_nan(scores)
    if exclude is not None:
        items, rows = flatten(exclude)
        scores = scores.copy()
        scores[rows, items] = -np.inf
    order = _top_columns(scores, k)
    if exclude is not None:
        order[np.take_along_axis(scores, order, axis=1) == -np.inf] = -1
    return order


def _top_columns(scores: np.ndarray, k: int) -> np.ndarray:
    """[n, k] columns by descending score, then ascending column."""
    columns = np.argpartition(scores, -k, axis=1)[:, -k:]
    bound = np.take_along_axis(scores, columns, axis=1).min(axis=1, keepdims=True)
    # argpartition picks arbitrarily among scores equal to the k-th: rows where that matters are sorted in full
    cut = np.flatnonzero((scores >= bound).sum(axis=1) > k)
    columns[cut] = np.argsort(-scores[cut], axis=1, kind="stable")[:, :k]
    columns.sort(axis=1)
    best = np.argsort(-np.take_along_axis(scores, columns, axis=1), axis=1, kind="stable")
    return np.take_along_axis(columns, best, axis=1)
