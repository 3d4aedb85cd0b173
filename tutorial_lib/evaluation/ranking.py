"""`ranking_metrics`: seven metrics from lists of recommended and relevant items."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import chain

import numpy as np
import pandas as pd

from tutorial_lib.errors import InputError
from tutorial_lib.evaluation.metrics import cutoffs, groups_of, per_user_frame
from tutorial_lib.recommender import positions

PADDING = -1


def ranking_metrics(recommended: Sequence[Sequence], relevant: Sequence[Collection], k: int | Sequence[int] = 10) -> pd.DataFrame:
    """Precision, recall, hit rate, MRR, MAP (two kinds) and NDCG of recommendation lists, one row a user.

    recommended: one list of item ids a user, best first; a [n, length] integer array is fastest. Ids are of any hashable type.
        A repeated id counts at its first place only; -1 among integers is padding and skipped; an empty list scores 0.
    relevant: one collection of item ids a user; repeats count once.
    k: cut-off or cut-offs.
    Returns columns ``precision@k`` (÷ k), ``recall@k`` (÷ R, the number of relevant items), ``hit@k`` (any hit), ``mrr@k``
        (1/rank of the first hit, 0 beyond k), ``map@k`` (average precision ÷ min(R, k)), ``map_r@k`` (÷ R, as trec_eval's
        map_cut), ``ndcg@k`` (gain 1, discount log2(rank + 1), ideal over min(R, k)). Users without relevant items are left
        out; the index keeps the original row numbers, and ``attrs`` holds n_users (averaged), n_excluded and k.
    Raises InputError for unequal lengths, strings in place of lists, or a k below 1.
    Source: Manning, Raghavan & Schütze 2008, chapter 8; Järvelin & Kekäläinen 2002 for NDCG.

    >>> frame = ranking_metrics([["a", "b", "c"], ["a"]], [{"c"}, []], k=3)
    >>> frame.loc[0, ["mrr@3", "ndcg@3"]].round(3).tolist(), frame.attrs["n_excluded"]
    ([0.333, 0.5], 1)
    """
    ks = cutoffs(k)
    for name, value in (("recommended", recommended), ("relevant", relevant)):
        if isinstance(value, (str, bytes)) or not hasattr(value, "__len__"):
            raise InputError(f"ranking_metrics: {name} must hold one list of item ids per user, got {type(value).__name__}")
    n_users = len(recommended)
    if n_users != len(relevant):
        raise InputError(
            f"ranking_metrics: {n_users} lists of recommendations but {len(relevant)} of relevant items; expected one of each per user"
        )
    (rec_flat, rec_sizes), (rel_flat, rel_sizes) = _flat(recommended, "recommended"), _flat(relevant, "relevant")
    rec_flat, rel_flat, n_codes = _codes(rec_flat, rel_flat)
    table = _table(recommended, rec_flat, rec_sizes)
    table = _first_places(table, max(ks))
    rel_row, rel_flat = _distinct(np.repeat(np.arange(n_users), rel_sizes), rel_flat, n_codes)
    n_relevant = np.bincount(rel_row, minlength=n_users)
    row, place = np.nonzero(_hits(table, rel_row, rel_flat, n_relevant, n_codes))
    kept = np.flatnonzero(n_relevant)
    row = (np.cumsum(n_relevant > 0) - 1)[row]  # a hit needs a relevant item, so its user is kept
    ones = np.ones(len(row), dtype=np.int64)
    groups = groups_of(row, place, ones, ones)
    return per_user_frame(groups, n_relevant[kept], ks, pd.Index(kept, name="row"), n_users)


def _flat(lists: Sequence, name: str) -> tuple[np.ndarray, np.ndarray]:
    """All ids in one array, and how many each row has; padding in integer arrays stays."""
    if isinstance(lists, np.ndarray) and lists.ndim == 2:
        return lists.ravel(), np.full(len(lists), lists.shape[1])
    if isinstance(lists, np.ndarray) and lists.dtype != object:
        raise InputError(f"ranking_metrics: {name} must hold one list of item ids per user, got a {lists.ndim}-dimensional array")
    if any(isinstance(ids, (str, bytes)) for ids in lists):
        raise InputError(f"ranking_metrics: {name} must hold one list of item ids per user, got a string (write ['a'], not 'a')")
    try:
        sizes = np.fromiter(map(len, lists), dtype=np.int64, count=len(lists))
    except TypeError as error:
        raise InputError(f"ranking_metrics: {name} must hold one list of item ids per user: {error}") from None
    if len(lists) and all(isinstance(ids, np.ndarray) for ids in lists):
        return np.concatenate(lists), sizes
    ids = list(chain.from_iterable(lists))
    if all(type(i) is int and abs(i) < 2**63 for i in ids):
        return np.array(ids, dtype=np.int64), sizes
    flat = np.empty(len(ids), dtype=object)
    flat[:] = ids
    return flat, sizes


def _codes(recommended: np.ndarray, relevant: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Ids of any type as codes 0..n_codes-1; small integers are their own code, and -1 among integers stays padding."""
    whole = recommended.dtype.kind in "iu" and relevant.dtype.kind in "iu"
    low, top = ([int(limit(ids)) for ids in (recommended, relevant) if whole and len(ids)] for limit in (np.min, np.max))
    padded = whole and min(low, default=0) >= PADDING  # with ids below -1 in use, -1 is an id too
    if padded and max(top, default=0) < 2**31:
        return recommended.astype(np.int64, copy=False), relevant.astype(np.int64, copy=False), max(top, default=0) + 1
    joined = np.concatenate([ids.astype(object) for ids in (recommended, relevant)])
    codes, names = pd.factorize(joined)
    if padded:
        codes = np.where(joined == PADDING, PADDING, codes)
    return codes[: len(recommended)], codes[len(recommended) :], len(names)


def _table(recommended: Sequence, flat: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Codes as [n_users, longest list], padded at the end."""
    if isinstance(recommended, np.ndarray) and recommended.ndim == 2:
        return flat.reshape(recommended.shape)
    table = np.full((len(sizes), sizes.max(initial=0)), PADDING, dtype=np.int64)
    table[np.repeat(np.arange(len(sizes)), sizes), positions(sizes)] = flat
    return table


def _first_places(table: np.ndarray, k: int) -> np.ndarray:
    """The first k places of every list; rows with repeats or padding among them are closed up first."""
    head = table[:, :k]
    ordered = np.sort(head, axis=1)
    broken = np.flatnonzero((ordered[:, 1:] == ordered[:, :-1]).any(axis=1) | (ordered[:, :1] == PADDING).any(axis=1))
    if not len(broken):
        return head
    rows = table[broken]
    order = np.argsort(rows, axis=1, kind="stable")
    ordered = np.take_along_axis(rows, order, axis=1)
    drop = np.zeros(rows.shape, dtype=bool)
    np.put_along_axis(drop, order, np.diff(ordered, axis=1, prepend=PADDING - 1) == 0, axis=1)
    rows = np.where(drop, PADDING, rows)
    closed = np.take_along_axis(rows, np.argsort(rows == PADDING, axis=1, kind="stable"), axis=1)
    head = head.copy()
    head[broken] = closed[:, :k]
    return head


def _distinct(rows: np.ndarray, codes: np.ndarray, n_codes: int) -> tuple[np.ndarray, np.ndarray]:
    """(row, code) pairs without repeats or padding, sorted by row, then code."""
    keys = np.unique(rows[codes != PADDING] * np.int64(n_codes) + codes[codes != PADDING])
    return keys // n_codes, keys % n_codes


def _hits(table: np.ndarray, rel_row: np.ndarray, rel_code: np.ndarray, n_relevant: np.ndarray, n_codes: int) -> np.ndarray:
    """Boolean [n_users, k]: which recommended items are relevant."""
    most = n_relevant.max(initial=0)
    if most <= 8:  # few relevant items a user: compare with one column of them at a time
        relevant = np.full((len(table), most), PADDING - 1, dtype=np.int64)
        relevant[rel_row, positions(n_relevant)] = rel_code
        hits = np.zeros(table.shape, dtype=bool)
        for column in relevant.T:
            hits |= table == column[:, None]
        return hits
    keys, wanted = rel_row * np.int64(n_codes) + rel_code, np.arange(len(table))[:, None] * np.int64(n_codes) + table
    near = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return (keys[near] == wanted) & (table != PADDING)
