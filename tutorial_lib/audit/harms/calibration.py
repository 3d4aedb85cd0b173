"""H1, users: do lists cover a user's interests in proportion?"""

from __future__ import annotations

import numpy as np

from tutorial_lib.audit.core.evidence import Evidence
from tutorial_lib.audit.core.lists import row_means


def miscalibration(evidence: Evidence) -> np.ndarray:
    """Distance between the categories of profile and list, [n] in [0, 1]; nan where one has none.

    Steck 2018 uses the Kullback-Leibler divergence, which depends on a smoothing constant; the
    Jensen-Shannon distance is bounded and needs none.
    """
    shares = evidence.categories[0]
    if not shares.any():
        return np.full(len(evidence.users), np.nan)
    return js_distance(row_means(evidence.histories, shares), row_means(evidence.lists, shares))


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
