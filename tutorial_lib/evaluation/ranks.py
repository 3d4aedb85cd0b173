"""Where one target stands among all scores of its row, without sorting anything."""

from __future__ import annotations

from typing import Literal

import numpy as np

from tutorial_lib.errors import InputError
from tutorial_lib.evaluation.ids import paired, score_rows

Ties = Literal["expected", "optimistic", "pessimistic", "index"]
TIES = ("expected", "optimistic", "pessimistic", "index")
BLOCK_BYTES = (
    1 << 18
)  # scores compared at a time: they and their two comparison buffers stay in a core's own cache


def target_ranks(scores: np.ndarray, targets: np.ndarray, ties: Ties = "expected") -> np.ndarray:
    """1-based rank of one target per row among all columns; the rank is counted, not sorted.

    scores: [n, n_items], higher is better; log-probabilities and -inf are fine.
    targets: [n] column of the target in each row.
    ties: where a target stands among columns with exactly its score. "expected": the middle of the
        tied places (the mean over all orders, may end in .5); "optimistic": first; "pessimistic":
        last; "index": lower column first.
    Returns float64 [n] for "expected", else int64 [n]. Raises InputError on NaN scores (naming the
    row), a wrong shape, or a target outside the columns.

    >>> target_ranks(np.array([[0.1, 0.7, 0.7, 0.7]]), [2])
    array([2.])
    >>> [int(target_ranks(np.array([[0.1, 0.7, 0.7, 0.7]]), [2], ties=rule)[0]) for rule in ("optimistic", "pessimistic", "index")]
    [1, 3, 2]
    """
    scores, rows = score_rows(scores, "target_ranks")
    scores = check_scores(scores)
    targets = np.asarray(paired(rows, targets, "target_ranks", ("scores", "targets"))[1])
    check_ties(ties)
    if targets.shape != (len(scores),):
        raise InputError(
            f"target_ranks: expected one target per row, shape ({len(scores)},), got shape"
            f" {targets.shape}"
        )
    check_targets(targets, scores.shape[1], "target_ranks")
    above, tied, first = count_above(scores, targets, index=ties == "index")
    if ties == "expected":
        return above + (tied + 1) / 2
    return above + {"optimistic": 1, "pessimistic": tied, "index": first + 1}[ties]


def check_ties(ties: str) -> None:
    if ties not in TIES:
        raise InputError(f"ties={ties!r}: expected one of {', '.join(map(repr, TIES))}")


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
    """For each (row, target): how many columns score higher, how many the same (target included),
    how many of these are left of it.

    rows: [p] row of each target, ascending (default: one target a row). excluded: [n] how many
        scores of each row were set to
    NaN to take them out of the ranking; any other NaN is refused. index: whether to count the last
    number (else zeros).

    Why it is fast: two comparisons and two byte sums per block that fits the cache. NaN is neither
    above nor below anything, so a row where above + below = candidates - 1 has neither ties nor
    NaN; only other rows are looked at again.
    """
    n_pairs, n_items = len(targets), scores.shape[1]
    goals = scores[np.arange(n_pairs) if rows is None else rows, targets][:, None]
    candidates = (
        np.full(n_pairs, n_items)
        if excluded is None
        else n_items - (excluded if rows is None else excluded[rows])
    )
    size = max(1, min(64, BLOCK_BYTES // (n_items * scores.itemsize)))
    chunks = -(
        -n_items // (8 * 255)
    )  # a byte can sum 255 ones: longer rows are summed in several words
    width = -(-n_items // (8 * chunks))
    buffer = np.zeros((2, size, chunks * width * 8), dtype=bool)
    words = buffer.view(np.uint64).reshape(2, size, chunks, width)
    sums = np.empty((2, n_pairs, chunks), dtype=np.uint64)
    for start in range(0, n_pairs, size):
        block = scores[start : start + size] if rows is None else scores[rows[start : start + size]]
        part, n = slice(start, start + len(block)), len(block)
        np.greater(block, goals[part], out=buffer[0, :n, :n_items])
        np.less(block, goals[part], out=buffer[1, :n, :n_items])
        np.add.reduce(words[:, :n], axis=3, out=sums[:, part])
    above, below = sums.view(np.uint8).reshape(2, n_pairs, chunks * 8).sum(axis=2, dtype=np.int64)
    tied, left = candidates - above - below, np.zeros(n_pairs, dtype=np.int64)
    _look_again(
        scores,
        targets,
        rows,
        goals,
        np.flatnonzero((tied != 1) | np.isnan(goals[:, 0])),
        tied,
        left if index else None,
    )
    return above, tied, left


def _look_again(scores, targets, rows, goals, unsure, tied, left) -> None:
    """Rows with ties or NaN: refuse NaN, and count tied columns left of the target where asked."""
    n_items = scores.shape[1]
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
        if left is not None:
            left[pairs] = np.count_nonzero(
                equal & (np.arange(n_items) < targets[pairs, None]), axis=1
            )
