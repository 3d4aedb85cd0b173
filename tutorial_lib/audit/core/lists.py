"""Lists of items: asked for, checked, and what they hold, for many users at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real

import numpy as np
import pandas as pd
from scipy import sparse

from tutorial_lib.audit.logs.logged import CUT_ITEM, UNKNOWN_ITEM
from tutorial_lib.data.histories import flatten
from tutorial_lib.errors import InputError

USERS_AT_ONCE = 4096
CELLS = 1 << 24  # users x items that are held in memory together
FAULTS = {  # ways in which a list breaks the contract of `recommend` -> the metric that counts them
    "unknown": "places with an item outside the catalogue",
    "repeated": "places with an item that stands higher in the same list",
    "consumed": "places with an item the user has already consumed",
    "too_few": "places left empty",
}
ALL_FAULTS = "places lost in any of these ways"  # of one place only one way is counted

Lists = Sequence[Sequence[int]] | Sequence[np.ndarray] | np.ndarray  # a row per user


# --- what a recommender answers ---


def ask(
    recommender, histories: list[np.ndarray], users: np.ndarray, k: int, **options
) -> np.ndarray:
    """Ask for k items for each user, in blocks of users.

    Args:
        recommender: anything with ``recommend``.
        histories: one int array per user.
        users: [n] user codes.
        k: length of the lists.
        options: passed to ``recommend`` as they are.

    Returns:
        Item codes, int [n, k]; short lists are filled up with -1.

    Raises:
        InputError: the answer is not one list of item codes per user.
    """
    out = np.full((len(users), k), -1, dtype=np.int64)
    for start in range(0, len(users), USERS_AT_ONCE):
        rows = slice(start, start + USERS_AT_ONCE)
        lists = recommender.recommend(histories[rows], k, users=users[rows], **options)
        lists = _by_user(lists, users[rows])
        plain = isinstance(lists, np.ndarray) and not isinstance(lists, np.ma.MaskedArray)
        if plain and lists.ndim == 2 and lists.dtype.kind in "iu":
            width = min(k, lists.shape[1])
            out[rows, :width] = lists[:, :width]
            continue
        for row, items in enumerate(lists, start):
            listlike = hasattr(items, "__getitem__") and hasattr(items, "__len__")
            if not listlike or isinstance(items, (str, bytes, Mapping)):
                raise InputError(
                    f"audit: recommend gave {items!r} for user {users[row]};"
                    " expected a list of item codes"
                )
            codes = as_codes(items[:k])
            out[row, : len(codes)] = codes
    return out


def _by_user(lists, users: np.ndarray):
    """One list per user in the order of ``users``; a Series with labels is matched by them."""
    whole = (str, bytes, Mapping, pd.DataFrame)
    n_lists = len(lists) if hasattr(lists, "__len__") and not isinstance(lists, whole) else "no"
    if n_lists != len(users):
        raise InputError(
            f"audit: recommend gave {n_lists} lists for {len(users)} users;"
            " expected one list per user"
        )
    if not isinstance(lists, pd.Series) or lists.index.equals(pd.RangeIndex(n_lists)):
        return lists
    strange = list(set(lists.index) ^ set(users.tolist()))
    if strange or not lists.index.is_unique:
        which = f", such as {strange[0]!r}" if strange else ": one has two lists"
        raise InputError(
            "audit: recommend gave a Series whose labels are not the users that were asked for"
            f"{which}; label it by user, or return the lists in the order of the histories"
        )
    return lists.reindex(users)


def as_codes(items: Sequence) -> np.ndarray:
    """Whatever a list holds as item codes, int64.

    Returns:
        `UNKNOWN_ITEM` for titles, fractions and nan (also for "12"), -1 where masked.
    """
    if isinstance(items, np.ma.MaskedArray):
        items = items.astype(object).filled(-1)
    codes = np.asarray(items)
    if codes.ndim != 1 or codes.dtype.kind not in "iuf":
        numbers = [isinstance(item, Real) and not isinstance(item, bool) for item in items]
        codes = np.array(
            [item if number else np.nan for item, number in zip(items, numbers, strict=True)],
            dtype=float,
        )
    whole = (np.abs(codes) < 2**53) & (codes == np.round(codes))  # false for nan
    return np.where(whole, codes, UNKNOWN_ITEM).astype(np.int64)


def cleaned(
    raw: np.ndarray, n_items: int, histories: Sequence[np.ndarray]
) -> tuple[np.ndarray, pd.DataFrame]:
    """Lists without unknown items and repeats, and how many places each fault costs.

    Args:
        raw: int [n, k]; -1 = nothing offered, any other code outside the catalogue = an unknown
            item, except `CUT_ITEM`, which is no fault.
        n_items: size of the catalogue.
        histories: one int array per user.

    Returns:
        The lists, [n, k], -1 in place of unknown items and repeats; consumed items stay, as they
        were shown. Columns unknown, repeated, consumed, too_few: the share of the user's k places.
    """
    unknown = ((raw < -1) & (raw != CUT_ITEM)) | (raw >= n_items)
    order = np.argsort(raw, axis=1, kind="stable")
    ordered = np.take_along_axis(raw, order, axis=1)
    repeated = np.zeros_like(unknown)
    np.put_along_axis(repeated, order[:, 1:], ordered[:, 1:] == ordered[:, :-1], axis=1)
    repeated &= (raw >= 0) & ~unknown
    lists = np.where(unknown | repeated | (raw < 0), -1, raw)
    consumed = contained(lists, histories, n_items)
    faults = {"unknown": unknown, "repeated": repeated, "consumed": consumed, "too_few": raw == -1}
    return lists, pd.DataFrame({name: where.mean(axis=1) for name, where in faults.items()})


# --- what a list or a history holds ---


def category_shares(dataset) -> tuple[np.ndarray, list[str]]:
    """p(category | item): an item of several categories is split evenly between them.

    Returns:
        [n_items, C], a row of zeros for an item without a category; the C names. C = 0 for a data
        set without the column ``categories``.

    >>> from tutorial_lib.data import load_dataset
    >>> shares, names = category_shares(load_dataset("world-movies"))
    >>> shares.shape[1] == len(names), bool(np.allclose(shares.sum(axis=1), 1))
    (True, True)
    """
    column = dataset.items["categories"] if "categories" in dataset.items else ()
    listed = [value if isinstance(value, (tuple, list)) else () for value in column]  # or nan
    names = sorted({name for categories in listed for name in categories})
    position = {name: c for c, name in enumerate(names)}
    shares = np.zeros((dataset.n_items, len(names)))
    for item, categories in enumerate(listed):
        for name in categories:
            shares[item, position[name]] += 1 / len(categories)
    return shares, names


def list_matrix(lists: Lists, n_items: int, weights: np.ndarray | None = None) -> sparse.csr_matrix:
    """Lists as a sparse matrix, [n, n_items]: the weight of an item's place in its row.

    Args:
        lists: int [n, k], or one array per row; -1 = padding is skipped.
        n_items: size of the catalogue.
        weights: [k], one per place of an [n, k] array (default: 1 each).
    """
    items, sizes = _items(lists)
    values = np.ones(len(items))
    if weights is not None:
        values = np.tile(np.asarray(weights, dtype=float), len(lists))
    kept = items >= 0
    before = np.concatenate([[0], np.cumsum(kept)])  # kept items before each place
    starts = before[np.concatenate([[0], np.cumsum(sizes)])]
    return sparse.csr_matrix((values[kept], items[kept], starts), shape=(len(lists), n_items))


def _items(lists: Lists) -> tuple[np.ndarray, np.ndarray]:
    """All items in one array, and how many each row has."""
    if isinstance(lists, np.ndarray) and lists.ndim == 2:
        return lists.ravel(), np.full(len(lists), lists.shape[1])
    items, rows = flatten(list(lists))
    return items, np.bincount(rows, minlength=len(lists))


def row_means(lists: Lists, values: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Mean of ``values`` over each row's items, weighted by place.

    Args:
        lists: as in `list_matrix`.
        values: [n_items] or [n_items, C].
        weights: [k], one per place (default: 1 each).

    Returns:
        [n] or [n, C]; nan where a row is empty.
    """
    matrix = list_matrix(lists, len(values), weights)
    total = np.asarray(matrix.sum(axis=1)).ravel()
    sums = matrix @ values
    with np.errstate(invalid="ignore", divide="ignore"):
        return sums / (total if sums.ndim == 1 else total[:, None])


def js_distance(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Square root of the Jensen-Shannon divergence in bits between rows of p and q: [n].

    scipy's `jensenshannon` gives nan where rounding makes the divergence negative.

    Args:
        p, q: [n, C], made to sum to 1; the distance of a row of zeros is nan.

    >>> js_distance(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])).tolist()
    [1.0]
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        p = p / p.sum(axis=1, keepdims=True)
        q = q / q.sum(axis=1, keepdims=True)
        middle = (p + q) / 2
        terms = [np.where(x > 0, x * np.log2(x / middle), 0.0).sum(axis=1) / 2 for x in (p, q)]
    undefined = np.isnan(p).any(axis=1) | np.isnan(q).any(axis=1)
    return np.where(undefined, np.nan, np.sqrt(np.clip(sum(terms), 0, 1)))


def contained(lists: np.ndarray, rows: Sequence[np.ndarray], n_items: int) -> np.ndarray:
    """Which items of each list stand in the same row of ``rows``.

    Args:
        lists: int [n, k]; a code outside the catalogue is contained in nothing.
        rows: one int array of item codes per list, such as histories.
        n_items: size of the catalogue.

    Returns:
        bool, [n, k].

    >>> contained(np.array([[1, 2], [1, -1]]), [np.array([2]), np.array([1, 0])], 3).tolist()
    [[False, True], [True, False]]
    """
    items, sizes = _items(rows)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    known = (lists >= 0) & (lists < n_items)
    out = np.zeros(lists.shape, dtype=bool)
    step = max(1, CELLS // n_items)
    for start in range(0, len(lists), step):
        stop = min(start + step, len(lists))
        table = np.zeros((stop - start, n_items), dtype=bool)
        row = np.repeat(np.arange(stop - start), sizes[start:stop])
        table[row, items[starts[start] : starts[stop]]] = True
        here = np.where(known[start:stop], lists[start:stop], 0)
        out[start:stop] = np.take_along_axis(table, here, axis=1)
    return out & known
