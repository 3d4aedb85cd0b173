"""`ranking_metrics`: seven metrics from lists of recommended and relevant items."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd

from tutorial_lib.data.histories import positions
from tutorial_lib.evaluation.ids import MANY, PADDING, codes, flat, wrong
from tutorial_lib.evaluation.metrics import cutoffs, groups_of, metric_frame
from tutorial_lib.evaluation.pairing import paired

SAMPLE = 1 << 12  # ids looked at before all of them are


def ranking_metrics(
    recommended: Sequence[Sequence] | np.ndarray | Mapping,
    relevant: Sequence[Collection] | Mapping,
    k: int | Sequence[int] = 10,
) -> pd.DataFrame:
    """Precision, recall, hit rate, MRR, MAP (two kinds) and NDCG of recommendation lists.

    Args:
        recommended: one list of item ids per user, best first; a [n, length] integer array is
            fastest. Ids are of any hashable type, the same on both sides. A repeated id takes up
            its place and is never a hit again, so a list pays for each repeat: six times the same
            hit is one hit at rank 1 and five wasted places. -1 among whole numbers is padding and
            skipped; an empty list scores 0.
        relevant: one collection of item ids per user; repeats count once. Dictionaries and Series
            on both sides are paired by label.
        k: cut-off or cut-offs.

    Returns:
        One row per user with relevant items; the index keeps the original row numbers or labels.
        Columns ``precision@k`` (÷ k), ``recall@k`` (÷ R, the number of relevant items), ``hit@k``
        (any hit), ``mrr@k`` (1/rank of the first hit, 0 beyond k), ``map@k`` (average precision
        ÷ min(R, k)), ``map_r@k`` (÷ R, as trec_eval's map_cut), ``ndcg@k`` (gain 1, discount
        log2(rank + 1), ideal over min(R, k)). ``attrs``: n_users (averaged), n_excluded, k.

    Raises:
        InputError: Unequal lengths or users, strings, sets or dictionaries in place of lists,
            missing ids (NaN), ids that can never match (1 and "1"), scores or 0 and 1 in place of
            ids, or a k below 1.

    Warns where the two sides have no item in common at all, and where most lists repeat one id.

    Source: Manning, Raghavan & Schütze 2008, chapter 8; Järvelin & Kekäläinen 2002 for NDCG.

    >>> frame = ranking_metrics([["a", "b", "c"], ["a"]], [{"c"}, []], k=3)
    >>> frame.loc[0, ["mrr@3", "ndcg@3"]].round(3).tolist(), frame.attrs["n_excluded"]
    ([0.333, 0.5], 1)
    """
    ks = cutoffs(k)
    names = ("recommended", "relevant")
    recommended, relevant, labels = paired("ranking_metrics", names, recommended, relevant)
    n_users = len(recommended)
    rec_flat, rec_sizes = flat(recommended, "recommended")
    rel_flat, rel_sizes = flat(relevant, "relevant")
    _refuse_matrix("recommended", rec_flat, rec_sizes, rel_flat)
    _refuse_matrix("relevant", rel_flat, rel_sizes, rec_flat)
    rec_flat, rel_flat, n_codes = codes(rec_flat, rel_flat)
    table = first_places(_table(recommended, rec_flat, rec_sizes), max(ks))
    rel_row, rel_code = _distinct(np.repeat(np.arange(n_users), rel_sizes), rel_flat, n_codes)
    n_relevant = np.bincount(rel_row, minlength=n_users)
    row, place = np.nonzero(_hits(table, rel_row, rel_code, n_relevant, n_codes))
    # a hit that repeats an earlier one of the same user does not count
    first = np.unique(row * np.int64(n_codes) + table[row, place], return_index=True)[1]
    if len(first) < len(row):
        first.sort()
        row, place = row[first], place[first]
    if not len(row):
        _warn_if_nothing_in_common(rec_flat, rel_flat, n_users)
    kept = np.flatnonzero(n_relevant)
    row = (np.cumsum(n_relevant > 0) - 1)[row]  # a hit needs a relevant item, so its user is kept
    ones = np.ones(len(row), dtype=np.int64)
    index = pd.Index(kept, name="row") if labels is None else labels[kept]
    return metric_frame(groups_of(row, place, ones, ones), n_relevant[kept], ks, index, n_users)


def _warn_if_nothing_in_common(recommended: np.ndarray, relevant: np.ndarray, n_users: int) -> None:
    """No id of one side is on the other, whoever the user: probably two ways of numbering."""
    shown = np.unique(recommended[recommended != PADDING])
    wanted = np.unique(relevant[relevant != PADDING])
    if n_users < MANY or not len(shown) or not len(wanted):
        return
    if not len(np.intersect1d(shown, wanted, assume_unique=True)):
        warnings.warn(
            f"ranking_metrics: none of the {len(shown)} recommended items is relevant to anybody,"
            " so all metrics are 0; are the ids of both sides of one numbering?",
            stacklevel=3,
        )


def _refuse_matrix(name: str, ids: np.ndarray, sizes: np.ndarray, other: np.ndarray) -> None:
    """Refuse rows with a column for every item, of whole scores or of 0 and 1, in place of ids.

    InputError where the rows are long enough to have a column for every id of the other side, and
    hold 0 and 1 only, or mostly repeats. Warns where they are too short, or the users too few.
    """
    width = sizes[0] if len(sizes) else 0
    if width < 3 or ids.dtype.kind not in "iu" or (sizes != width).any():
        return
    table = ids.reshape(-1, width)
    sample = table[:: max(1, table.size // SAMPLE)]
    many = len(table) >= MANY
    wide = other.dtype.kind in "iu" and other.max(initial=0) <= width
    if wide and ids.min() == 0 and ids.max() == 1:
        problem = "0 and 1 only"
    elif (
        many
        and (wide or name == "recommended")
        and _mostly_repeats(sample)  # settles the usual case without sorting the whole table
        and _mostly_repeats(table)
    ):
        problem = "mostly repeats of one id within a list"
    else:
        return
    mend = "np.flatnonzero(row) gives the ids of a row of 0 and 1"
    if name == "recommended":
        mend = "a matrix of scores goes to evaluate_scores"
    error = wrong(name, f"holds {problem}; expected item ids: {mend}")
    if wide and many:
        raise error
    warnings.warn(str(error), stacklevel=3)


def _mostly_repeats(table: np.ndarray) -> bool:
    """Do most rows repeat their own ids in more than half of their places? Padding is no id."""
    ordered = np.sort(table, axis=1)
    new = np.diff(ordered, axis=1, prepend=PADDING) != 0
    is_id = ordered != PADDING
    distinct = np.count_nonzero(new & is_id, axis=1)
    return bool(np.mean(2 * distinct < np.count_nonzero(is_id, axis=1)) > 0.5)


def _table(recommended: Sequence, ids: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Codes as [n_users, longest list], padded at the end."""
    if isinstance(recommended, np.ndarray) and recommended.ndim == 2:
        return ids.reshape(recommended.shape)
    table = np.full((len(sizes), sizes.max(initial=0)), PADDING, dtype=np.int64)
    table[np.repeat(np.arange(len(sizes)), sizes), positions(sizes)] = ids
    return table


def first_places(table: np.ndarray, k: int) -> np.ndarray:
    """The first k places of every list; padding in front of them is skipped first."""
    head = table[:, :k]
    if not head.size or head.min() != PADDING:
        return head
    broken = np.flatnonzero((head == PADDING).any(axis=1))
    rows = table[broken]
    order = np.argsort(rows == PADDING, axis=1, kind="stable")
    head = head.copy()
    head[broken] = np.take_along_axis(rows, order, axis=1)[:, :k]
    return head


def _distinct(rows: np.ndarray, codes: np.ndarray, n_codes: int) -> tuple[np.ndarray, np.ndarray]:
    """(row, code) pairs without repeats or padding, sorted by row, then code."""
    kept = codes != PADDING
    keys = np.unique(rows[kept] * np.int64(n_codes) + codes[kept])
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
    if most <= 8:  # few relevant items per user: compare with one column of them at a time
        relevant = np.full((len(table), most), PADDING - 1, dtype=np.int64)
        relevant[rel_row, positions(n_relevant)] = rel_code
        hits = np.zeros(table.shape, dtype=bool)
        for column in relevant.T:
            hits |= table == column[:, None]
        return hits
    keys = rel_row * np.int64(n_codes) + rel_code
    wanted = np.arange(len(table))[:, None] * np.int64(n_codes) + table
    near = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return (keys[near] == wanted) & (table != PADDING)
