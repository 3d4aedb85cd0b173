"""How much of the catalogue the recommendation lists reach, and how unequally."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tutorial_lib.errors import InputError


def coverage(recommended: ArrayLike, n_items: int) -> float:
    """Share of the catalogue that appears in at least one list, in [0, 1].

    Args:
        recommended: [n, k] item codes, -1 = padding.
        n_items: size of the whole catalogue (``ds.n_items``), seen in training or not.

    >>> coverage([[0, 1], [1, 2]], n_items=4)
    0.75
    """
    return float((exposure(recommended, n_items) > 0).mean())


def gini(recommended: ArrayLike, n_items: int) -> float:
    """Gini index of exposure over the whole catalogue.

    0 if every item appears equally often, (n_items - 1) / n_items if one takes all. Arguments: as
    in `coverage`.

    >>> gini([[0], [1]], n_items=2), gini([[0], [0]], n_items=2)
    (0.0, 0.5)
    """
    counts = np.sort(exposure(recommended, n_items))
    if counts[-1] == 0:
        raise InputError("gini: no item was recommended at all; expected at least one item code")
    weights = 2 * np.arange(1, n_items + 1) - n_items - 1
    return float((weights * counts).sum() / (n_items * counts.sum()))


def exposure(recommended: ArrayLike, n_items: int) -> np.ndarray:
    """How often each item of the catalogue is recommended: int [n_items]; padding is skipped."""
    codes = np.asarray(recommended).ravel()
    if len(codes) and (codes.dtype.kind not in "iu" or codes.max() >= n_items or codes.min() < -1):
        raise InputError(
            f"recommended: expected item codes 0..{n_items - 1} (or -1 for padding) in an [n, k]"
            " array"
        )
    return np.bincount(codes[codes >= 0].astype(np.int64), minlength=n_items)
