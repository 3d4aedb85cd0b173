"""`ranking_metrics`: seven metrics from lists of recommended and relevant items."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd

from tutorial_lib.data.histories import positions
from tutorial_lib.errors import InputError
from tutorial_lib.evaluation.ids import MANY, PADDING, codes, flat, paired
from tutorial_lib.evaluation.metrics import cutoffs, groups_of, per_user_frame

SAMPLE = 1 << 12  # ids looked at before all of them are


def ranking_metrics(
    recommended: Sequence[Sequence] | Mapping,
    relevant: Sequence[Collection] | Mapping,
    k: int | Sequence[int] = 10,
) -> pd.DataFrame:
    """Precision, recall, hit rate, MRR, MAP (two kinds) and NDCG of recommendation lists, one row a
    user.

    recommended: one list of item ids a user, best first; a [n, length] integer array is fastest.
        Ids are of any hashable type, the same on both sides. A repeated id takes up its place and
        is never a hit again, so a list pays for each repeat: six times the same hit is one hit at
        rank 1 and five wasted places. -1 among whole numbers is padding and skipped; an empty list
        scores 0.
    relevant: one collection of item ids a user; repeats count once. Dictionaries and Series on both
        sides are paired by label.
    k: cut-off or cut-offs.
    Returns columns ``precision@k`` (÷ k), ``recall@k`` (÷ R, the number of relevant items),
    ``hit@k`` (any hit), ``mrr@k``
        (1/rank of the first hit, 0 beyond k), ``map@k`` (average precision ÷ min(R, k)),
        ``map_r@k`` (÷ R, as trec_eval's map_cut), ``ndcg@k`` (gain 1, discount log2(rank + 1),
        ideal over min(R, k)). Users without relevant items are left out; the index keeps the
        original row numbers or labels, and ``attrs`` holds n_users (averaged), n_excluded and k.
    Raises InputError for unequal lengths or users, strings, sets or dictionaries in place of lists,
    missing ids (NaN), ids that can never
        match (1 and "1"), scores or 0 and 1 in place of ids, or a k below 1. Warns where the two
        sides have no item in common at all, and where most lists say one thing again and again.
    Source: Manning, Raghavan & Schütze 2008, chapter 8; Järvelin & Kekäläinen 2002 for NDCG.

    >>> frame = ranking_metrics([["a", "b", "c"], ["a"]], [{"c"}, []], k=3)
    >>> frame.loc[0, ["mrr@3", "ndcg@3"]].round(3).tolist(), frame.attrs["n_excluded"]
    ([0.333, 0.5], 1)
    """
    ks = cutoffs(k)
    recommended, relevant, labels = paired(recommended, relevant)
    n_users = len(recommended)
    (rec_flat, rec_sizes), (rel_flat, rel_sizes) = (
        flat(recommended, "recommended"),
        flat(relevant, "relevant"),
    )
    _refuse_matrix("recommended", rec_flat, rec_sizes, rel_flat)
    _refuse_matrix("relevant", rel_flat, rel_sizes, rec_flat)
    rec_flat, rel_flat, n_codes = codes(rec_flat, rel_flat)
    table = _first_places(_table(recommended, rec_flat, rec_sizes), max(ks))
    rel_row, rel_flat = _distinct(np.repeat(np.arange(n_users), rel_sizes), rel_flat, n_codes)
    n_relevant = np.bincount(rel_row, minlength=n_users)
    row, place = _once(
        table, *np.nonzero(_hits(table, rel_row, rel_flat, n_relevant, n_codes)), n_codes
    )
    if not len(row):
        _warn_if_strangers(rec_flat, rel_flat, n_users)
    kept = np.flatnonzero(n_relevant)
    row = (np.cumsum(n_relevant > 0) - 1)[row]  # a hit needs a relevant item, so its user is kept
    ones = np.ones(len(row), dtype=np.int64)
    groups = groups_of(row, place, ones, ones)
    index = pd.Index(kept, name="row") if labels is None else labels[kept]
    return per_user_frame(groups, n_relevant[kept], ks, index, n_users)


def _warn_if_strangers(recommended: np.ndarray, relevant: np.ndarray, n_users: int) -> None:
    """No hit, and no id of one side on the other, whoever the user: probably two ways of numbering."""
    shown, wanted = (np.unique(ids[ids != PADDING]) for ids in (recommended, relevant))
    if (
        n_users >= MANY
        and len(shown)
        and len(wanted)
        and not len(np.intersect1d(shown, wanted, assume_unique=True))
    ):
        warnings.warn(
            f"ranking_metrics: none of the {len(shown)} recommended items is relevant to anybody,"
            " so all metrics are 0; are the ids of both sides of one numbering?",
            stacklevel=3,
        )


def _refuse_matrix(name: str, ids: np.ndarray, sizes: np.ndarray, other: np.ndarray) -> None:
    """A column for every item, holding whole scores or 0 and 1, is no list of ids.

    InputError where the rows are long enough to have a column for every id of the other side, and
    hold 0 and 1 only, or mostly repeats. Warns where they are too short, or the users too few.
    """
    width = sizes[0] if len(sizes) else 0
    if width < 3 or ids.dtype.kind not in "iu" or (sizes != width).any():
        return
    wide = other.dtype.kind in "iu" and other.max(initial=0) <= width
    table = ids.reshape(-1, width)
    binary = wide and ids.min() == 0 and ids.max() == 1
    repeats = len(table) >= MANY and (wide or name == "recommended")
    if repeats and not binary:
        some = table[:: max(1, len(table) * width // SAMPLE)]
        repeats = _mostly_repeats(some) and _mostly_repeats(table)
    if not binary and not repeats:
        return
    what = "0 and 1 only" if binary else "mostly repeats of one id within a list"
    mend = "np.flatnonzero(row) gives the ids of a row of 0 and 1"
    if name == "recommended":
        mend = "a matrix of scores goes to evaluate_scores"
    told = f"ranking_metrics: {name} holds {what}; expected item ids: {mend}"
    if wide and len(table) >= MANY:
        raise InputError(told)
    warnings.warn(told, stacklevel=3)


def _mostly_repeats(table: np.ndarray) -> bool:
    """Do most rows repeat ids of their own in more than half of their places? Padding is no id."""
    ordered = np.sort(table, axis=1)
    new = np.diff(ordered, axis=1, prepend=PADDING) != 0
    there = ordered != PADDING
    distinct = np.count_nonzero(new & there, axis=1)
    return bool(np.mean(2 * distinct < np.count_nonzero(there, axis=1)) > 0.5)


def _table(recommended: Sequence, flat: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Codes as [n_users, longest list], padded at the end."""
    if isinstance(recommended, np.ndarray) and recommended.ndim == 2:
        return flat.reshape(recommended.shape)
    table = np.full((len(sizes), sizes.max(initial=0)), PADDING, dtype=np.int64)
    table[np.repeat(np.arange(len(sizes)), sizes), positions(sizes)] = flat
    return table


def _first_places(table: np.ndarray, k: int) -> np.ndarray:
    """The first k places of every list; padding in front of them is skipped first."""
    head = table[:, :k]
    if not head.size or head.min() != PADDING:
        return head
    broken = np.flatnonzero((head == PADDING).any(axis=1))
    rows = table[broken]
    head = head.copy()
    head[broken] = np.take_along_axis(
        rows, np.argsort(rows == PADDING, axis=1, kind="stable"), axis=1
    )[:, :k]
    return head


def _once(
    table: np.ndarray, row: np.ndarray, place: np.ndarray, n_codes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Hits without those that repeat an earlier hit of the same user; sorted by row, then place, as
    they came.
    """
    first = np.unique(row * np.int64(n_codes) + table[row, place], return_index=True)[1]
    return (row, place) if len(first) == len(row) else (row[np.sort(first)], place[np.sort(first)])


def _distinct(rows: np.ndarray, codes: np.ndarray, n_codes: int) -> tuple[np.ndarray, np.ndarray]:
    """(row, code) pairs without repeats or padding, sorted by row, then code."""
    keys = np.unique(rows[codes != PADDING] * np.int64(n_codes) + codes[codes != PADDING])
    return keys // n_codes, keys % n_codes


def _hits(
    table: np.ndarray,
    rel_row: np.ndarray,
    rel_code: np.ndarray,
    n_relevant: np.ndarray,
    n_codes: int,
) -> np.ndarray:
    """Boolean [n_users, k]: which recommended items are relevant."""
    most = n_relevant.max(initial=0)
    if most <= 8:  # few relevant items a user: compare with one column of them at a time
        relevant = np.full((len(table), most), PADDING - 1, dtype=np.int64)
        relevant[rel_row, positions(n_relevant)] = rel_code
        hits = np.zeros(table.shape, dtype=bool)
        for column in relevant.T:
            hits |= table == column[:, None]
        return hits
    keys, wanted = (
        rel_row * np.int64(n_codes) + rel_code,
        np.arange(len(table))[:, None] * np.int64(n_codes) + table,
    )
    near = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return (keys[near] == wanted) & (table != PADDING)
