"""What the lists are made of: how much of the catalogue they reach, how unequally, how popular, how
novel.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from tutorial_lib.errors import InputError


def list_statistics(recommended: np.ndarray, item_counts: np.ndarray) -> pd.Series:
    """All measures of this module in one row: coverage, gini, popularity, novelty (bits)."""
    return pd.Series(
        {
            "coverage": coverage(recommended, len(item_counts)),
            "gini": gini(recommended, len(item_counts)),
            "popularity": popularity(recommended, item_counts),
            "novelty": novelty(recommended, item_counts),
        }
    )


def coverage(recommended: np.ndarray, n_items: int) -> float:
    """Share of the catalogue that appears in at least one list, in [0, 1].

    recommended: [n, k] item codes, -1 = padding. n_items: size of the whole catalogue
        (``ds.n_items``), seen in training or not.

    >>> coverage([[0, 1], [1, 2]], n_items=4)
    0.75
    """
    return float((exposure(recommended, n_items) > 0).mean())


def gini(recommended: np.ndarray, n_items: int) -> float:
    """Gini index of exposure over the whole catalogue: 0 if every item appears equally often,
    (n_items - 1) / n_items if one takes all.

    >>> gini([[0], [1]], n_items=2), gini([[0], [0]], n_items=2)
    (0.0, 0.5)
    """
    counts = np.sort(exposure(recommended, n_items))
    if counts[-1] == 0:
        raise InputError("gini: no item was recommended at all; expected at least one item code")
    weights = 2 * np.arange(1, n_items + 1) - n_items - 1
    return float((weights * counts).sum() / (n_items * counts.sum()))


def popularity(recommended: np.ndarray, item_counts: np.ndarray) -> float:
    """Mean number of interactions of a recommended item; ``item_counts``: [n_items], counted in the
    training part.

    >>> popularity([[0, 1]], [10, 20, 30])
    15.0
    """
    item_counts = np.asarray(item_counts)
    return _weighted_mean(exposure(recommended, len(item_counts)), item_counts, "popularity")


def novelty(recommended: np.ndarray, item_counts: np.ndarray) -> float:
    """Mean self-information of a recommended item in bits: -log2 of its share of interactions (Zhou
    et al. 2010).

    An item nobody has met counts as met once (its information would be infinite).

    >>> novelty([[0, 1]], [1, 1, 2])
    2.0
    """
    item_counts = np.asarray(item_counts)
    share = np.maximum(item_counts, 1) / max(item_counts.sum(), 1)
    return _weighted_mean(exposure(recommended, len(item_counts)), -np.log2(share), "novelty")


def exposure(recommended: np.ndarray, n_items: int) -> np.ndarray:
    """How often each item of the catalogue is recommended: int [n_items]; -1 = padding is skipped."""
    codes = np.asarray(recommended).ravel()
    if len(codes) and (codes.dtype.kind not in "iu" or codes.max() >= n_items or codes.min() < -1):
        raise InputError(
            f"recommended: expected item codes 0..{n_items - 1} (or -1 for padding) in an [n, k]"
            " array"
        )
    return np.bincount(codes[codes >= 0].astype(np.int64), minlength=n_items)


def _weighted_mean(counts: np.ndarray, values: np.ndarray, name: str) -> float:
    if counts.sum() == 0:
        raise InputError(f"{name}: no item was recommended at all; expected at least one item code")
    return float((counts * values).sum() / counts.sum())
