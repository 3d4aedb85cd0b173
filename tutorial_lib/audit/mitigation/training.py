"""Mitigation before training: reweight what a model learns from, or show it every text with every
value of an attribute.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tutorial_lib.data.histories import flatten
from tutorial_lib.errors import InputError


def ips_weights(counts: np.ndarray, beta: float = 0.5, clip: float = 10.0) -> np.ndarray:
    """Weight of an interaction with each item, (1 / count) ** beta scaled to mean 1 over the
    interactions, then cut at ``clip``: [n_items].

    Popularity stands in for the chance that an item was shown at all (inverse propensity scoring,
    Schnabel et al. 2016; the power law of Yang et al. 2018). counts: [n_items] training
    interactions. beta: 0 leaves all as it is, 1 gives every item the same total weight.
    clip: bounds the variance at the price of bias. Items without interactions weigh 0. See
        `effective_sample_size` for the price.
    Raises InputError for a beta outside 0..1, a clip below 1, or counts that are all 0.

    >>> ips_weights(np.array([1, 4, 0]), beta=1).tolist()  # 2.5 x 1 = 0.625 x 4
    [2.5, 0.625, 0.0]
    """
    counts = np.asarray(counts, dtype=float)
    if not 0 <= beta <= 1 or not clip >= 1:
        raise InputError(
            f"ips_weights(beta={beta}, clip={clip}): expected beta in 0..1 and clip of at least 1,"
            " the mean weight"
        )
    if not (counts >= 0).all() or not counts.any():
        raise InputError(
            "ips_weights: expected the number of training interactions of each item, not all 0 and"
            " none negative"
        )
    weights = np.where(counts > 0, np.maximum(counts, 1) ** -beta, 0.0)
    return np.minimum(weights * counts.sum() / (weights * counts).sum(), clip)


def effective_sample_size(weights: np.ndarray, counts: np.ndarray) -> float:
    """How many equally weighted interactions would tell as much: (sum of weights)^2 / sum of
    squared weights (Kish 1965).

    >>> effective_sample_size(np.array([1.0, 1.0]), np.array([3, 2])), effective_sample_size(np.array([1.0, 0.0]), np.array([3, 2]))
    (5.0, 3.0)
    """
    weights, counts = np.asarray(weights, dtype=float), np.asarray(counts, dtype=float)
    return float((weights * counts).sum() ** 2 / (weights**2 * counts).sum())


def reweighted_split(split, weights: np.ndarray, *, keep: float = 0.5, seed: int = 0):
    """The split with its training part thinned: an interaction stays with a chance proportional to
    its item's weight, at most 1.

    Works with any `Recommender.fit`, also where a model knows no weights. weights: [n_items] >= 0.
    keep: expected share of interactions that stays, about; a larger share clips more weights,
    because no interaction can stay more than once. Nobody's history is emptied: each user keeps at
    least the interaction nearest to being kept. Histories and targets that are judged do not
    change. Raises InputError for weights of another length, negative or NaN, or a share outside
    0..1.
    """
    weights = np.asarray(weights, dtype=float)
    n_items = split.dataset.n_items
    if weights.shape != (n_items,) or not (weights >= 0).all():
        raise InputError(
            f"reweighted_split: expected {n_items} weights of at least 0, one an item, got shape"
            f" {weights.shape}"
        )
    if not 0 < keep <= 1:
        raise InputError(f"reweighted_split(keep={keep}): expected a share above 0, at most 1")
    items, rows = flatten(split.train)
    chance = stay_chances(weights[items], keep)
    with np.errstate(divide="ignore"):
        draw = np.random.default_rng([seed, 23]).random(len(items)) / chance  # below 1: kept
    nearest = np.full(len(split.train), np.inf)
    np.minimum.at(nearest, rows, draw)
    stays = (draw < 1) | (draw == nearest[rows])
    sizes = np.bincount(rows[stays], minlength=len(split.train))
    train = np.split(items[stays], np.cumsum(sizes)[:-1])
    return replace(
        split,
        name=f"{split.name}, reweighted, {stays.mean():.0%} of the training part",
        train=train,
    )


def stay_chances(weights: np.ndarray, keep: float) -> np.ndarray:
    """min(1, c x weight) with c such that the mean is ``keep``, or as near as weights of 0 allow.

    >>> stay_chances(np.array([1.0, 1.0, 2.0]), 0.5).tolist(), stay_chances(np.array([1.0, 1.0, 8.0]), 0.5).tolist()
    ([0.375, 0.375, 0.75], [0.25, 0.25, 1.0])
    """
    if keep * len(weights) >= (weights > 0).sum():
        return (weights > 0).astype(float)
    order = np.sort(weights)[::-1]
    rest = np.cumsum(order[::-1])[::-1]  # rest[i]: sum of all but the i largest
    scale = (keep * len(weights) - np.arange(len(order))) / np.where(
        rest > 0, rest, np.nan
    )  # if exactly the i largest are clipped
    return np.minimum(1.0, scale[np.flatnonzero(scale * order <= 1)[0]] * weights)


def swap_attribute(texts: Sequence[str], values: Sequence[str], seed: int = 0) -> list[str]:
    """Counterfactual data augmentation: every text that names a value, once with each value in its
    place, shuffled (Lu et al. 2020).

    values: two or more words or phrases of one attribute, as in `language.attributes.ATTRIBUTES`;
        found as whole words in any case, a
    capital at the beginning is kept. A text with several of them has all exchanged at once, each
    value for the next (the one after it, and so on), so that "a man and a woman" becomes "a woman
    and a man". Texts that name none are kept once. Raises InputError for fewer than two different
    values.

    >>> sorted(swap_attribute(["A woman liked it", "Human error"], ["a woman", "a man"]))
    ['A man liked it', 'A woman liked it', 'Human error']
    """
    position = {value.lower(): i for i, value in enumerate(values)}
    if (
        len(position) < 2
        or len(position) < len(values)
        or not all(value.strip() for value in values)
    ):
        raise InputError(
            f"swap_attribute(values={list(values)}): expected two or more different words or"
            " phrases of one attribute"
        )
    longest_first = sorted(values, key=len, reverse=True)
    pattern = re.compile(
        r"(?<!\w)(" + "|".join(map(re.escape, longest_first)) + r")(?!\w)", re.IGNORECASE
    )

    def variant(text: str, step: int) -> str:
        def other(match: re.Match) -> str:
            value = values[(position[match[0].lower()] + step) % len(values)]
            first = value[0].upper() if match[0][0].isupper() else value[0].lower()
            return first + value[1:]

        return pattern.sub(other, text)

    out = [
        variant(text, step)
        for text in texts
        for step in (range(len(values)) if pattern.search(text) else (0,))
    ]
    return [out[i] for i in np.random.default_rng([seed, 29]).permutation(len(out))]
