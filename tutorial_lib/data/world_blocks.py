"""Histories as rectangular arrays of bounded size, as `Truth` reads them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

# numbers in the largest intermediate array of one block of histories: bounds memory to some 100 MB
CELLS = 4_000_000


@dataclass(frozen=True, eq=False)
class PaddedHistories:
    """Histories padded to one length L."""

    rows: np.ndarray  # of the call, [B]
    items: np.ndarray  # [B, L]
    mask: np.ndarray  # False on padding, [B, L]
    events: np.ndarray  # where the items stand in the flat array, [number of True in mask]
    sizes: np.ndarray  # [B]
    seen_at: np.ndarray  # position of each item in the history, L where it is unseen: [B, n_items]
    late: np.ndarray  # whether new items are on offer, at each step and the next: bool [B, L + 1]
    tied: np.ndarray  # whether a step follows a link, likewise: 1, 0 or NaN (not known)
    users: np.ndarray | None = None  # [B]

    @cached_property
    def unseen(self) -> np.ndarray:
        """1.0 where an item is not in the history: [B, n_items]."""
        return (self.seen_at == self.items.shape[1]).astype(np.float64)


def blocks_of(
    flat: np.ndarray, sizes: np.ndarray, n_items: int, numbers: int
) -> Iterator[PaddedHistories]:
    """Histories of similar length together, in arrays of bounded size; nothing is late or tied yet.

    Args:
        flat: item codes of all histories one after another, none twice in a history.
        sizes: items of each history.
        n_items: size of the catalogue.
        numbers: that are computed for each step of a history.
    """
    starts = np.concatenate([[0], np.cumsum(sizes)])
    by_size = np.argsort(sizes, kind="stable")
    stop = len(by_size)
    while stop > 0:  # the longest first, so that the padded length of a block is known
        length = int(sizes[by_size[stop - 1]])
        width = max(n_items, length * numbers)
        chosen = by_size[max(0, stop - max(1, CELLS // width)) : stop]
        stop -= len(chosen)
        position = np.arange(length)
        mask = position < sizes[chosen, None]
        events = (starts[chosen, None] + position)[mask]
        items = np.zeros(mask.shape, dtype=np.int64)
        items[mask] = flat[events]
        seen_at = np.full((len(chosen), n_items), length, dtype=np.int32)
        line, step = np.nonzero(mask)
        seen_at[line, items[line, step]] = step
        late = np.zeros((len(chosen), length + 1), dtype=bool)
        tied = np.full(late.shape, np.nan)
        yield PaddedHistories(chosen, items, mask, events, sizes[chosen], seen_at, late, tied)
