"""Mitigations that only the recorded table of notebook 08 uses: see `audit_mitigations`.

FA*IR lists, thinned training data, swapped attributes, and training under differential privacy.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np
from scipy.stats import binom

from tutorial_lib.data.histories import flatten


def fair_minimums(k: int, p: float, alpha: float) -> np.ndarray:
    """m(1), ..., m(k): the fewest protected items allowed in the first 1, ..., k places: [k] int.

    m(i) is the smallest m with P(at most m of i) > alpha, each place protected with chance p.
    Source: Zehlike et al. 2017, definition 3.1.
    """
    places = np.arange(1, k + 1)
    return (binom.cdf(np.arange(k + 1)[:, None], places, p) <= alpha).sum(axis=0)


def fail_probability(minimums: np.ndarray, p: float) -> float:
    """The chance that a fair ranking breaks a minimum somewhere: exact, place by place."""
    chance = np.ones(1)  # of 0, 1, ... protected items so far, all minimums met
    for least in minimums:
        chance = np.convolve(chance, [1 - p, p])
        chance[:least] = 0.0
    return float(1 - chance.sum())


@cache
def adjusted_alpha(k: int, p: float, alpha: float) -> float:
    """The level at which to test each of k cuts so that a fair ranking fails with chance ``alpha``.

    A table of minimums changes only where the level passes a value of the distribution function,
    so the largest level that holds is one of those. Source: Zehlike et al. 2017, section 3.3.
    """
    values = binom.cdf(np.arange(k)[:, None], np.arange(1, k + 1), p)
    levels = np.concatenate([[0.0], np.unique(values[values <= alpha])])
    low, high = 0, len(levels)  # levels[low] holds, levels[high] does not
    while high - low > 1:
        middle = (low + high) // 2
        if fail_probability(fair_minimums(k, p, levels[middle]), p) <= alpha:
            low = middle
        else:
            high = middle
    return float(levels[low])


@dataclass(frozen=True, eq=False)
class FairTopK:
    """A rule for `Reranked`: the best item, unless the minimum asks for the best protected one.

    Args:
        protected: [n_items] bool.
        p: the least share of protected items.
        alpha: chance that a list drawn fairly would be refused, over all its cuts.
    """

    protected: np.ndarray = field(repr=False)
    p: float = 0.3
    alpha: float = 0.1

    def __call__(self, pool, relevance, histories, k):
        minimums = fair_minimums(k, self.p, adjusted_alpha(k, self.p, self.alpha))
        member, rows = self.protected[np.maximum(pool, 0)], np.arange(len(pool))
        free, count = np.isfinite(relevance), np.zeros(len(pool), dtype=int)
        relevance, columns = np.where(free, relevance, 0.0), np.full((len(pool), k), -1)
        for place, least in enumerate(minimums):
            asked = (count < least) & (free & member).any(axis=1)
            allowed = free & (member | ~asked[:, None])
            best = np.where(allowed, relevance, -np.inf).argmax(axis=1)
            taken = allowed[rows, best]
            columns[:, place] = np.where(taken, best, -1)
            count += taken & member[rows, best]
            free[rows, best] = False
        return columns


def ips_weights(counts: np.ndarray, beta: float = 0.5, clip: float = 10.0) -> np.ndarray:
    """Weight of an interaction with each item, (1 / count) ** beta: [n_items].

    Scaled to mean 1 over the interactions, then cut at ``clip``. Source: inverse propensity
    scoring, Schnabel et al. 2016; the power law of Yang et al. 2018.
    """
    counts = np.asarray(counts, dtype=float)
    weights = np.where(counts > 0, np.maximum(counts, 1) ** -beta, 0.0)
    return np.minimum(weights * counts.sum() / (weights * counts).sum(), clip)


def reweighted_split(split, weights: np.ndarray, *, keep: float = 0.5, seed: int = 0):
    """The split with its training part thinned to about ``keep``, in proportion to item weights.

    An interaction stays at most once. Nobody's history is emptied: each user keeps at least the
    interaction nearest to being kept.
    """
    items, rows = flatten(split.train)
    chance = stay_chances(np.asarray(weights, dtype=float)[items], keep)
    with np.errstate(divide="ignore"):
        draw = np.random.default_rng([seed, 23]).random(len(items)) / chance  # below 1: kept
    nearest = np.full(len(split.train), np.inf)
    np.minimum.at(nearest, rows, draw)
    stays = (draw < 1) | (draw == nearest[rows])
    sizes = np.bincount(rows[stays], minlength=len(split.train))
    name = f"{split.name}, reweighted, {stays.mean():.0%} of the training part"
    return replace(split, name=name, train=np.split(items[stays], np.cumsum(sizes)[:-1]))


def stay_chances(weights: np.ndarray, keep: float) -> np.ndarray:
    """min(1, c x weight) with c such that the mean is ``keep``, or as near as it can be."""
    if keep * len(weights) >= (weights > 0).sum():
        return (weights > 0).astype(float)
    order = np.sort(weights)[::-1]
    rest = np.cumsum(order[::-1])[::-1]  # rest[i]: sum of all but the i largest
    # If exactly the i largest are cut at 1.
    scale = (keep * len(weights) - np.arange(len(order))) / np.where(rest > 0, rest, np.nan)
    return np.minimum(1.0, scale[np.flatnonzero(scale * order <= 1)[0]] * weights)


def swap_attribute(texts: Sequence[str], values: Sequence[str], seed: int = 0) -> list[str]:
    """Counterfactual data augmentation: every text once with each value in its place, shuffled.

    Values are found as whole words in any case; a capital at the beginning is kept. A text with
    several of them has all exchanged at once, each for the next. Texts that name none are kept
    once. Source: Lu et al. 2020.
    """
    position = {value.lower(): i for i, value in enumerate(values)}
    longest_first = "|".join(map(re.escape, sorted(values, key=len, reverse=True)))
    pattern = re.compile(rf"(?<!\w)({longest_first})(?!\w)", re.IGNORECASE)

    def variant(text: str, step: int) -> str:
        def other(match: re.Match) -> str:
            value = values[(position[match[0].lower()] + step) % len(values)]
            first = value[0].upper() if match[0][0].isupper() else value[0].lower()
            return first + value[1:]

        return pattern.sub(other, text)

    steps = [range(len(values)) if pattern.search(text) else (0,) for text in texts]
    out = [variant(text, step) for text, some in zip(texts, steps, strict=True) for step in some]
    return [out[i] for i in np.random.default_rng([seed, 29]).permutation(len(out))]


def private_training(
    model: Any,
    loader: Any,
    loss_of: Callable[[Any, Any], Any],
    *,
    epsilon: float,
    max_grad_norm: float = 1.0,
    epochs: int = 3,
    lr: float = 1e-3,
    seed: int = 0,
) -> float:
    """Train a torch model in place by DP-SGD, through opacus; the epsilon spent, at delta 1 / rows.

    The unit is the sequence (a row of the loader's data set): what is repeated in many rows is not
    hidden. GPT-2 needs ``position_ids`` with the batch dimension: gradients are kept row by row,
    and positions that all rows share have no row.

    Source: Abadi et al. 2016; privacy counted by Renyi divergences (Mironov 2017).
    """
    import torch
    from opacus import PrivacyEngine

    delta = 1 / len(loader.dataset)
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        # opacus on its random numbers, torch on hooks of the first layer
        warnings.simplefilter("ignore", UserWarning)
        torch.manual_seed(seed)
        engine = PrivacyEngine(accountant="rdp")
        wrapped, optimiser, batches = engine.make_private_with_epsilon(
            module=model.train(),
            optimizer=torch.optim.Adam(trainable, lr=lr),
            data_loader=loader,
            target_epsilon=epsilon,
            target_delta=delta,
            epochs=epochs,
            max_grad_norm=max_grad_norm,
            noise_generator=torch.Generator().manual_seed(seed),
        )
        try:
            for batch in (batch for _ in range(epochs) for batch in batches):
                if not len(batch[0]):  # Poisson sampling may draw nobody
                    continue
                optimiser.zero_grad()
                loss_of(wrapped, batch).backward()
                optimiser.step()
        finally:
            wrapped.to_standard_module()  # takes the hooks off the model that was given
        spent = float(engine.get_epsilon(delta))
    model.eval()
    return spent
