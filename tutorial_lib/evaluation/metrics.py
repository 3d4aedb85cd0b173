"""The seven ranking metrics, for hits at known positions and for hits inside a group of ties.

A *group* is a run of equally scored items that holds at least one relevant item: ``above`` items
stand before it, it holds ``size`` items of which ``hits`` are relevant, and ``before`` relevant
items of the same user stand in earlier groups. An untied hit at rank r is the group (above=r-1,
size=1, hits=1). Inside a group every order is equally likely, so each metric has an exact expected
value: no shuffling, no dependence on item ids (McSherry & Najork 2008).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tutorial_lib.errors import InputError
from tutorial_lib.selection import ndcg_of_groups

METRICS = ("precision", "recall", "hit", "mrr", "map", "map_r", "ndcg")


@dataclass(frozen=True)
class Groups:
    """Groups with relevant items, sorted by user row, then by rank; int64 arrays of one length."""

    row: np.ndarray
    above: np.ndarray
    size: np.ndarray
    hits: np.ndarray
    before: np.ndarray

    def select(self, chosen: np.ndarray) -> Groups:
        """The groups where the boolean array ``chosen`` is true."""
        return Groups(
            self.row[chosen],
            self.above[chosen],
            self.size[chosen],
            self.hits[chosen],
            self.before[chosen],
        )


def groups_of(row: np.ndarray, above: np.ndarray, size: np.ndarray, hits: np.ndarray) -> Groups:
    """Add ``before`` to groups that are already sorted by row, then by ``above``."""
    so_far = np.cumsum(hits) - hits
    starts = np.flatnonzero(np.diff(row, prepend=-1))
    before = so_far - np.repeat(so_far[starts], np.diff(starts, append=len(row)))
    return Groups(row, above, size, hits, before)


def cutoffs(k: int | Sequence[int]) -> list[int]:
    """The cut-offs as a list; InputError unless each is a positive integer."""
    ks: list = list(k) if isinstance(k, Iterable) and np.ndim(k) else [k]
    whole = [isinstance(c, (int, np.integer)) and not isinstance(c, bool) and c >= 1 for c in ks]
    if not ks or not all(whole):
        raise InputError(
            f"k={k!r}: expected a positive whole number or a list of them, as in k=10 or k=(5, 10)"
        )
    return list(dict.fromkeys(int(c) for c in ks))


def hit_metrics(hits: np.ndarray, n_relevant: np.ndarray, users: np.ndarray) -> pd.DataFrame:
    """Every metric at the length of the lists, one row per user.

    Args:
        hits: bool [n, k], the places that hold a relevant item, each item once.
        n_relevant: [n], all positive.
        users: [n], the index.
    """
    row, place = np.nonzero(hits)
    ones = np.ones(len(row), dtype=np.int64)
    groups = groups_of(row, place, ones, ones)
    return metric_frame(groups, n_relevant, [hits.shape[1]], pd.Index(users), len(users))


def metric_frame(
    groups: Groups, n_relevant: np.ndarray, ks: Sequence[int], index: pd.Index, n_users: int
) -> pd.DataFrame:
    """Every metric at every cut-off, one row per user.

    Args:
        groups: where the relevant items of each user stand.
        n_relevant: [len(index)], all positive.
        ks: cut-offs.
        index: of the users averaged.
        n_users: of all users, those without relevant items included.

    Returns:
        Columns ``precision@5``, ...; ``attrs``: n_users (averaged), n_excluded and k.
    """
    columns: dict[str, np.ndarray] = {}
    for k in ks:
        values = _metrics_at(groups.select(groups.above < k), n_relevant, k)
        columns |= {f"{metric}@{k}": values[metric] for metric in METRICS}
    frame = pd.DataFrame(columns, index=index)
    frame.attrs.update(n_users=len(index), n_excluded=n_users - len(index), k=list(ks))
    return frame


def _metrics_at(groups: Groups, n_relevant: np.ndarray, k: int) -> dict[str, np.ndarray]:
    """{metric: [n_users]} from groups that begin within the first k places."""
    above = groups.above
    slots = np.minimum(groups.size, k - above)  # places of the group that lie within the first k
    share = groups.hits / groups.size  # chance that one such place holds a relevant item
    harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, k + 1))])
    untied = groups.size == 1
    # sum of 1/rank over the slots
    inverse = np.where(untied, 1 / (above + 1), harmonic[above + slots] - harmonic[above])
    # Given a hit at the j-th place, each of the j-1 places before it holds one of the other hits-1
    # relevant items among the other size-1 items.
    pair = (groups.hits - 1) / np.maximum(groups.size - 1, 1)
    precision_sum = share * ((groups.before + 1) * inverse + pair * (slots - (above + 1) * inverse))
    hit, reciprocal = _first_hit(groups, slots, inverse)

    def total(values: np.ndarray) -> np.ndarray:
        sums = np.bincount(groups.row, weights=values, minlength=len(n_relevant))
        return sums.astype(np.float64, copy=False)  # bincount gives int where there is no group

    n_found = total(share * slots)
    average = total(precision_sum)
    reachable = np.minimum(n_relevant, k)
    return {
        "precision": n_found / k,
        "recall": n_found / n_relevant,
        "hit": total(hit),
        "mrr": total(reciprocal),
        "map": average / reachable,
        "map_r": average / n_relevant,
        "ndcg": ndcg_of_groups(groups.row, above, groups.size, groups.hits, n_relevant, k),
    }


def _first_hit(
    groups: Groups, slots: np.ndarray, inverse: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Chance that a user's first relevant item lies within the slots, and its expected 1/rank.

    Zero for all but a user's first group.
    """
    first = groups.before == 0
    hit = first * 1.0
    reciprocal = first * inverse
    tied = np.flatnonzero(first & (groups.size > 1))
    above, size, hits, slots = groups.above[tied], groups.size[tied], groups.hits[tied], slots[tied]
    missed = np.ones(len(tied))
    rank_sum = np.zeros(len(tied))
    for place in range(slots.max(initial=0)):  # draw the places one by one, without replacement
        undecided = (place < slots) & (missed > 0)
        chance = np.where(undecided, hits / np.maximum(size - place, 1), 0.0)
        rank_sum += missed * chance / (above + place + 1)
        missed *= 1 - chance
    hit[tied] = 1 - missed
    reciprocal[tied] = rank_sum
    return hit, reciprocal
