"""What a history or a list is made of: the share of each category in it, for many users at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from tutorial_lib.data.histories import flatten

CELLS = 1 << 24  # users x items that are looked at together


def category_shares(dataset) -> tuple[np.ndarray, list[str]]:
    """p(category | item), [n_items, C], and the C names; an item of several categories is split
    evenly, one of none has a row of zeros.

    A data set without the column ``categories``, or with nothing in it, has C = 0.

    >>> from tutorial_lib.data import load_dataset
    >>> shares, names = category_shares(load_dataset("world-movies"))
    >>> shares.shape[1] == len(names), bool(np.allclose(shares.sum(axis=1), 1))
    (True, True)
    """
    column_of_items = (
        dataset.items["categories"] if "categories" in dataset.items else [()] * dataset.n_items
    )
    listed = [
        categories if isinstance(categories, (tuple, list)) else ()
        for categories in column_of_items
    ]  # nan where unknown
    names = sorted({name for categories in listed for name in categories})
    column = {name: c for c, name in enumerate(names)}
    shares = np.zeros((dataset.n_items, len(names)))
    for item, categories in enumerate(listed):
        for name in categories:
            shares[item, column[name]] += 1 / len(categories)
    return shares, names


def list_matrix(
    lists: Sequence[Sequence[int]] | np.ndarray, n_items: int, weights: np.ndarray | None = None
) -> sparse.csr_matrix:
    """[n, n_items], entry = weight of the item's place in its row; -1 = padding is skipped.

    weights: [k], one a place of an [n, k] array (default: 1 each).
    """
    items, sizes = _items(lists)
    values = (
        np.ones(len(items))
        if weights is None
        else np.tile(np.asarray(weights, dtype=float), len(lists))
    )
    kept = items >= 0
    before = np.concatenate([[0], np.cumsum(kept)])  # kept items before each place
    starts = before[np.concatenate([[0], np.cumsum(sizes)])]
    return sparse.csr_matrix((values[kept], items[kept], starts), shape=(len(lists), n_items))


def _items(lists: Sequence[Sequence[int]] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All items in one array, and how many each row has."""
    if isinstance(lists, np.ndarray) and lists.ndim == 2:
        return lists.ravel(), np.full(len(lists), lists.shape[1])
    items, rows = flatten(lists)
    return items, np.bincount(rows, minlength=len(lists))


def contained(lists: np.ndarray, rows: Sequence[np.ndarray], n_items: int) -> np.ndarray:
    """Which items of each list stand in the same row of ``rows``: bool, [n, k].

    lists: int [n, k]; whatever is no code of the catalogue is contained in nothing.
    rows: one int array of item codes a list, such as histories.

    >>> contained(np.array([[1, 2], [1, -1]]), [np.array([2]), np.array([1, 0])], 3).tolist()
    [[False, True], [True, False]]
    """
    items, sizes = _items(rows)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    named = (lists >= 0) & (lists < n_items)
    out = np.zeros(lists.shape, dtype=bool)
    step = max(1, CELLS // n_items)
    for start in range(0, len(lists), step):
        stop = min(start + step, len(lists))
        table = np.zeros((stop - start, n_items), dtype=bool)
        row = np.repeat(np.arange(stop - start), sizes[start:stop])
        table[row, items[starts[start] : starts[stop]]] = True
        here = np.where(named[start:stop], lists[start:stop], 0)
        out[start:stop] = np.take_along_axis(table, here, axis=1)
    return out & named


def row_means(
    lists: Sequence[Sequence[int]] | np.ndarray,
    values: np.ndarray,
    weights: np.ndarray | None = None,
) -> np.ndarray:
    """Mean of ``values`` ([n_items] or [n_items, C]) over each row's items, weighted by place: [n]
    or [n, C]; nan where a row is empty.
    """
    matrix = list_matrix(lists, len(values), weights)
    total = np.asarray(matrix.sum(axis=1)).ravel()
    sums = matrix @ values
    with np.errstate(invalid="ignore", divide="ignore"):
        return sums / (total if sums.ndim == 1 else total[:, None])
