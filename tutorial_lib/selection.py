"""What a model is chosen by on validation: one number, NDCG@10 over the whole catalogue.

Nothing is seen here but scores, the items of the histories, and the validation targets.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tutorial_lib.data.histories import Histories, check_histories
from tutorial_lib.recommender import refuse_nan

CUTOFF = 10
# numbers in a block of scores, so that memory stays flat for any number of users
SCORES_AT_ONCE = 1 << 24


def validation_ndcg(score: Callable[[Histories], np.ndarray], split) -> float:
    """Mean NDCG@10 of the users of a split that have validation targets.

    Args:
        score: Gives the scores of histories, [n, n_items]; asked for a block of users at a time.
    """
    rows = [row for row, target in enumerate(split.valid_target) if len(target)]
    size = rows_at_once(split.dataset.n_items)
    values = []
    for start in range(0, len(rows), size):
        block = rows[start : start + size]
        histories = [split.valid_history[row] for row in block]
        targets = [split.valid_target[row] for row in block]
        values.append(expected_ndcg(score(histories), histories, targets))
    return float(np.concatenate(values).mean())


def rows_at_once(n_items: int) -> int:
    """How many users to score at a time: at most 1,024, and fewer where the catalogue is large."""
    return max(1, min(1024, SCORES_AT_ONCE // n_items))


def expected_ndcg(scores: np.ndarray, histories: Histories, targets: Histories) -> np.ndarray:
    """NDCG@10 of each row of scores, in expectation over the orders of equally scored items.

    Items of the history are not ranked; a target among them, or one scored -inf, is a miss.

    Args:
        scores: [n, n_items], higher is better.
        histories: Item codes of each row.
        targets: One or more item codes per row.

    Returns:
        float64 [n].

    >>> expected_ndcg(np.array([[0.0, 3.0, 2.0, 2.0]]), [[1]], [[2]]).round(3).tolist()
    [0.815]
    """
    refuse_nan(scores)
    n, n_items = scores.shape
    items, of_row = check_histories(histories, n_items)
    scores = scores.copy()
    scores[of_row, items] = -np.inf
    goal, row = check_histories(targets, n_items)
    row, goal = np.divmod(np.unique(row * n_items + goal), n_items)  # a repeated target counts once
    n_relevant = np.bincount(row, minlength=n)
    reached = scores[row, goal] > -np.inf
    row, goal = row[reached], goal[reached]
    own = scores[row, goal][:, None]
    above = np.count_nonzero(scores[row] > own, axis=1)
    size = np.count_nonzero(scores[row] == own, axis=1)
    # targets of a row with equal scores are one group
    _, first, hits = np.unique(row * (n_items + 1) + above, return_index=True, return_counts=True)
    return ndcg_of_groups(row[first], above[first], size[first], hits, n_relevant, CUTOFF)


def ndcg_of_groups(
    row: np.ndarray,
    above: np.ndarray,
    size: np.ndarray,
    hits: np.ndarray,
    n_relevant: np.ndarray,
    k: int,
) -> np.ndarray:
    """NDCG@k of each user, where relevant items stand in groups of equal scores.

    Every order within a group is equally likely, so each of its places holds a relevant item with
    probability hits / size (McSherry & Najork 2008).

    Args:
        row: User of each group.
        above: Items that stand before the group.
        size: Items in the group.
        hits: Relevant ones among them.
        n_relevant: Relevant items of each user, float or int [n_users].
        k: Cut-off.

    Returns:
        float64 [n_users].
    """
    row, above, size, hits = (values[above < k] for values in (row, above, size, hits))
    discounts = np.concatenate([[0.0], np.cumsum(1 / np.log2(np.arange(2, k + 2)))])
    end = np.minimum(above + size, k)
    gain = np.where(size == 1, 1 / np.log2(above + 2), discounts[end] - discounts[above])
    total = np.bincount(row, weights=hits / size * gain, minlength=len(n_relevant))
    return total / discounts[np.minimum(n_relevant, k)]
