"""Where targets stand among all scores of their row, counted without sorting anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
import pandas as pd

from tutorial_lib.errors import InputError
from tutorial_lib.evaluation.metrics import Groups, groups_of, metric_frame
from tutorial_lib.evaluation.pairing import paired, score_rows
from tutorial_lib.recommender import refuse_nan

Ties = Literal["expected", "optimistic", "pessimistic", "index"]
# Scores compared at a time: they and their two comparison buffers stay in a core's own cache.
BLOCK_BYTES = 1 << 18


def target_ranks(scores: np.ndarray, targets: np.ndarray, ties: Ties = "expected") -> np.ndarray:
    """1-based rank of one target per row among all columns; the rank is counted, not sorted.

    Args:
        scores: [n, n_items], higher is better; log-probabilities and -inf are fine.
        targets: [n], column of the target in each row.
        ties: where a target stands among columns with exactly its score. "expected": the middle of
            the tied places (the mean over all orders, may end in .5); "optimistic": first;
            "pessimistic": last; "index": lower column first.

    Returns:
        float64 [n] for "expected", else int64 [n].

    Raises:
        InputError: NaN scores (naming the row), a wrong shape, or a target outside the columns.

    >>> target_ranks(np.array([[0.1, 0.7, 0.7, 0.7]]), [2])
    array([2.])
    >>> target_ranks(np.array([[0.1, 0.7, 0.7, 0.7]]), [2], ties="pessimistic")
    array([3])
    """
    scores, rows = score_rows(scores, "target_ranks")
    scores = check_scores(scores)
    targets = np.asarray(paired("target_ranks", ("scores", "targets"), rows, targets)[1])
    check_ties(ties)
    if targets.shape != (len(scores),):
        raise InputError(
            f"target_ranks: expected one target per row, shape ({len(scores)},), got shape"
            f" {targets.shape}"
        )
    check_targets(targets, scores.shape[1], "target_ranks")
    above, tied, left = count_above(scores, targets, index=ties == "index")
    if ties == "expected":
        return above + (tied + 1) / 2
    return above + {"optimistic": 1, "pessimistic": tied, "index": left + 1}[ties]


def check_ties(ties: str) -> None:
    """InputError unless ``ties`` is one of `Ties`."""
    known = get_args(Ties)
    if ties not in known:
        raise InputError(f"ties={ties!r}: expected one of {', '.join(map(repr, known))}")


def check_scores(scores: np.ndarray) -> np.ndarray:
    """Scores as a two-dimensional floating array (float32 and float64 are not copied)."""
    scores = np.asarray(scores)
    if scores.ndim != 2 or scores.shape[1] == 0:
        raise InputError(
            f"scores: expected shape [rows, n_items] with at least one item, got {scores.shape}"
        )
    if scores.dtype.kind not in "fiub":
        raise InputError(f"scores: expected numbers, got dtype {scores.dtype}")
    return scores if scores.dtype in (np.float32, np.float64) else scores.astype(np.float64)


def check_targets(targets: np.ndarray, n_items: int, where: str) -> None:
    """InputError unless all targets are item codes 0..n_items-1."""
    if len(targets) and targets.dtype.kind not in "iu":
        raise InputError(f"{where}: targets are item codes (integers), got dtype {targets.dtype}")
    bad = np.flatnonzero((targets < 0) | (targets >= n_items))
    if len(bad):
        raise InputError(
            f"{where}: target {targets[bad[0]]} lies outside the catalogue of {n_items} items:"
            f" expected codes 0..{n_items - 1}"
        )


def count_above(
    scores: np.ndarray,
    targets: np.ndarray,
    rows: np.ndarray | None = None,
    excluded: np.ndarray | None = None,
    index: bool = False,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Count, for each (row, target), the columns that score higher, and those that score the same.

    Args:
        scores: [n, n_items] floats.
        targets: [p] columns.
        rows: [p] row of each target, ascending; None: one target per row.
        excluded: [n], how many scores of each row were set to NaN to take them out of the ranking;
            any other NaN is refused.
        index: whether to count the tied columns left of the target (else they are given as 0).

    Returns:
        Columns above, columns tied (target included), tied columns left of the target: [p] each.
    """
    n_pairs = len(targets)
    n_items = scores.shape[1]
    goals = scores[np.arange(n_pairs) if rows is None else rows, targets][:, None]
    candidates = np.full(n_pairs, n_items)
    if excluded is not None:
        candidates -= excluded if rows is None else excluded[rows]
    above, below = _compare(scores, goals, rows)
    # NaN is neither above nor below anything, so a row where above + below = candidates - 1 has
    # neither ties nor NaN; only the other rows are looked at again.
    tied = candidates - above - below
    left = np.zeros(n_pairs, dtype=np.int64)
    unsure = np.flatnonzero((tied != 1) | np.isnan(goals[:, 0]))
    size = max(1, BLOCK_BYTES // (n_items * scores.itemsize))
    for start in range(0, len(unsure), size):
        pairs = unsure[start : start + size]
        row = pairs if rows is None else rows[pairs]
        equal = scores[row] == goals[pairs]
        wrong = np.flatnonzero(np.count_nonzero(equal, axis=1) != tied[pairs])
        if len(wrong):
            raise InputError(
                f"scores of row {row[wrong[0]]} contain NaN: a ranking needs numbers"
                " (log-probabilities and -inf are fine); look for a division by zero or log of a"
                " negative number in the model"
            )
        if index:
            to_the_left = np.arange(n_items) < targets[pairs, None]
            left[pairs] = np.count_nonzero(equal & to_the_left, axis=1)
    return above, tied, left


def _compare(
    scores: np.ndarray, goals: np.ndarray, rows: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """How many columns lie above, and how many below, the goal of each pair: int64 [p] both.

    Fast because a block of comparisons fits the cache and its bytes are summed eight at a time, as
    64-bit words. A byte holds at most 255, so a longer row is summed in several words.
    """
    n_pairs = len(goals)
    n_items = scores.shape[1]
    size = max(1, min(64, BLOCK_BYTES // (n_items * scores.itemsize)))
    chunks = -(-n_items // (8 * 255))
    width = -(-n_items // (8 * chunks))
    buffer = np.zeros((2, size, chunks * width * 8), dtype=bool)
    words = buffer.view(np.uint64).reshape(2, size, chunks, width)
    sums = np.empty((2, n_pairs, chunks), dtype=np.uint64)
    for start in range(0, n_pairs, size):
        block = scores[start : start + size] if rows is None else scores[rows[start : start + size]]
        n = len(block)
        part = slice(start, start + n)
        np.greater(block, goals[part], out=buffer[0, :n, :n_items])
        np.less(block, goals[part], out=buffer[1, :n, :n_items])
        np.add.reduce(words[:, :n], axis=3, out=sums[:, part])
    above, below = sums.view(np.uint8).reshape(2, n_pairs, chunks * 8).sum(axis=2, dtype=np.int64)
    return above, below


@dataclass(frozen=True)
class Ranked:
    """Where the targets of a block of users stand."""

    users: np.ndarray  # [b]
    groups: Groups
    n_relevant: np.ndarray  # [b] targets of each user, repeats counted once
    tied: np.ndarray  # [b] does a non-target share a target's score?
    n_hidden: int  # targets among the hidden items
    n_barred: int  # other targets, scored -inf


def rank_targets(
    scores: np.ndarray,
    targets: np.ndarray | Sequence[np.ndarray],
    hidden: tuple[np.ndarray, np.ndarray] | np.ndarray | None,
    ties: Ties,
    users: np.ndarray,
) -> Ranked:
    """Rank the targets of each row among the items that are not hidden.

    Args:
        scores: [b, n_items].
        targets: [b] codes, or one array of codes per row, none empty.
        hidden: index of the scores to take out of the ranking. A hidden target, and one scored
            -inf, stands nowhere, as `top_k` shows none of them. None: all items are ranked.
        ties: as in `evaluate`.
        users: user of each row.
    """
    n, n_items = scores.shape
    row, goal = _pairs(targets, n_items)
    single = len(goal) == n
    n_relevant = np.bincount(row, minlength=n)
    excluded = None
    n_hidden = n_barred = 0
    if hidden is not None:
        refuse_nan(scores, users.tolist())
        scores = scores.copy()
        scores[hidden] = np.nan
        excluded = np.count_nonzero(np.isnan(scores), axis=1)
        reached = scores[row, goal]
        n_hidden = int(np.isnan(reached).sum())
        n_barred = int((reached == -np.inf).sum())
        if n_hidden or n_barred:
            in_reach = reached > -np.inf
            row = row[in_reach]
            goal = goal[in_reach]
            single = False
    above, tied, left = count_above(
        scores, goal, None if single else row, excluded, index=ties == "index"
    )
    if not single:
        order = np.lexsort((left, above, row))
        row, above, tied, left = row[order], above[order], tied[order], left[order]
    groups, shared = _grouped(row, above, tied, left, ties)
    tied_users = np.bincount(row[shared], minlength=n) > 0
    return Ranked(users, groups, n_relevant, tied_users, n_hidden, n_barred)


def _pairs(
    targets: np.ndarray | Sequence[np.ndarray], n_items: int
) -> tuple[np.ndarray, np.ndarray]:
    """(row, target) of every target, sorted by row; repeated targets count once."""
    n = len(targets)
    if isinstance(targets, np.ndarray):
        row, goal = np.arange(n), targets
    else:
        row = np.repeat(np.arange(n), [len(target) for target in targets])
        goal = np.concatenate(targets)
    check_targets(goal, n_items, "evaluate")
    if len(goal) > n:
        row, goal = np.divmod(np.unique(row * np.int64(n_items) + goal), n_items)
    return row, goal


def _grouped(
    row: np.ndarray, above: np.ndarray, tied: np.ndarray, left: np.ndarray, ties: Ties
) -> tuple[Groups, np.ndarray]:
    """Groups of equally scored targets, and the places of targets tied with a non-target.

    All arrays: [targets], sorted by row, then by rank; see `count_above`.
    """
    change = (np.diff(row, prepend=-1) != 0) | (np.diff(above, prepend=-1) != 0)
    start = np.flatnonzero(change)  # the first target of every group of equal scores
    hits = np.diff(start, append=len(row))
    shared = start[tied[start] > hits]
    if ties == "expected":
        return groups_of(row[start], above[start], tied[start], hits), shared
    place = np.arange(len(row)) - np.repeat(start, hits)  # 0, 1, ... among the group's targets
    offset = {
        "optimistic": place,
        "pessimistic": tied - np.repeat(hits, hits) + place,
        "index": left,
    }[ties]
    ones = np.ones(len(row), dtype=np.int64)
    return groups_of(row, above + offset, ones, ones), shared


def frame_of(
    blocks: list[Ranked], ks: list[int], n_users: int, index: pd.Index | None = None
) -> pd.DataFrame:
    """Blocks as one table of metrics; ``attrs["tied"]``: share of users with a tied target.

    Args:
        blocks: of the users with targets.
        ks: cut-offs.
        n_users: of all users, those without targets included.
        index: of the table (default: the users).
    """
    n_relevant = np.concatenate([block.n_relevant for block in blocks])
    starts = np.cumsum([0] + [len(block.n_relevant) for block in blocks])
    parts = [
        replace(block.groups, row=block.groups.row + start)
        for block, start in zip(blocks, starts, strict=False)
    ]
    columns = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("row", "above", "size", "hits", "before")
    }
    if index is None:
        index = pd.Index(np.concatenate([block.users for block in blocks]), name="user")
    frame = metric_frame(Groups(**columns), n_relevant, ks, index, n_users)
    frame.attrs["tied"] = float(np.concatenate([block.tied for block in blocks]).mean())
    return frame
