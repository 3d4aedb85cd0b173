"""How alike two lists of recommendations are."""

from __future__ import annotations

import numpy as np

from tutorial_lib.audit.inference.paired import int_lists
from tutorial_lib.errors import unknown_name

KINDS = ("jaccard", "serp", "prag")
PAIRS_AT_ONCE = 1 << 24


def list_similarity(a: np.ndarray, b: np.ndarray, kind: str = "prag") -> np.ndarray:
    """How alike two lists are, row by row, in [0, 1]: [n]; 1 if identical, 0 if disjoint.

    With m the length of the longer list and r the rank of v in a:

    - "jaccard": |a & b| / |a | b|; blind to order.
    - "serp": sum over v in both of (m - r + 1), by m (m + 1) / 2; top ranks weigh more, the order
      in b does not count.
    - "prag": share of the m (m - 1) / 2 pairs of ranks whose order in a, v1 before v2, b keeps: v1
      in b, and v2 absent or after it; reversed lists give 0. For m = 1: whether the items are the
      same.

    Args:
        a, b: int [n, k_a], [n, k_b]; -1 is padding, a repeated item counts at its first rank.
            Both empty: 1; one of them: 0.

    Source: Zhang et al. 2023 (FaiRLLM, arXiv 2305.07609), as printed. Their released code weighs
    the ranks of SERP one too high and divides by four times too much, so that identical lists
    score (K + 3) / (4 (K + 1)); its Jaccard divides by zero where both lists are empty.

    >>> a = np.array([[1, 2, 3]])
    >>> [[float(list_similarity(a, b, kind)[0]) for kind in KINDS] for b in (a, a[:, ::-1])]
    [[1.0, 1.0, 1.0], [1.0, 1.0, 0.0]]
    """
    if kind not in KINDS:
        raise unknown_name("similarity", kind, KINDS)
    a = int_lists("list_similarity: a", a)
    b = int_lists("list_similarity: b", b, len(a))
    step = max(1, PAIRS_AT_ONCE // max(1, a.shape[1] * max(a.shape[1], b.shape[1])))
    blocks = [slice(start, start + step) for start in range(0, len(a), step)]
    return np.concatenate([np.empty(0), *(_similarity(a[rows], b[rows], kind) for rows in blocks)])


def _similarity(a: np.ndarray, b: np.ndarray, kind: str) -> np.ndarray:
    a, b = _without_gaps(a), _without_gaps(b)
    size_a, size_b = (a >= 0).sum(axis=1), (b >= 0).sum(axis=1)
    m = np.maximum(size_a, size_b)
    same = (a[:, :, None] == b[:, None, :]) & (a >= 0)[:, :, None]  # [n, k_a, k_b]
    shared = same.any(axis=2)  # [n, k_a]
    if kind == "jaccard":
        score = shared.sum(axis=1)
        most = size_a + size_b - score
    elif kind == "serp":
        score = (shared * (m[:, None] - np.arange(a.shape[1]))).sum(axis=1)
        most = m * (m + 1) // 2
    else:
        # An absent item stands after all of b.
        place = np.where(shared, same.argmax(axis=2), b.shape[1])
        in_order = np.triu(np.ones((a.shape[1],) * 2, dtype=bool), 1)  # v1 before v2 in a
        kept = (place[:, :, None] < place[:, None, :]) & (a >= 0)[:, None, :] & in_order
        score = np.where(m == 1, shared.any(axis=1), kept.sum(axis=(1, 2)))
        most = np.where(m == 1, 1, m * (m - 1) // 2)
    return np.divide(score, most, out=np.ones(len(a)), where=most > 0)


def _without_gaps(lists: np.ndarray) -> np.ndarray:
    """Each row without repeats, its padding moved to the end."""
    repeated = np.tril(lists[:, :, None] == lists[:, None, :], -1).any(axis=2)
    lists = np.where(repeated | (lists < 0), -1, lists)
    return np.take_along_axis(lists, np.argsort(lists < 0, axis=1, kind="stable"), axis=1)
