"""FA*IR: at every cut of the list, at least as many items of a protected group as a fair coin of
that weight would nearly always give.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from scipy.stats import binom

from tutorial_lib.errors import InputError

MOST_PLACES = 1000


def fair_minimums(k: int, p: float, alpha: float) -> np.ndarray:
    """m(1), ..., m(k): the fewest protected items allowed in the first 1, ..., k places: [k] int.

    m(i) is the smallest m with P(at most m of i) > alpha, each place protected with chance p
    (Zehlike et al. 2017, definition 3.1).

    >>> fair_minimums(12, p=0.5, alpha=0.1).tolist()
    [0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 3, 4]
    """
    if not 1 <= k <= MOST_PLACES or not 0 < p < 1 or not 0 <= alpha < 1:
        raise InputError(
            f"FA*IR(k={k}, p={p}, alpha={alpha}): expected k in 1..{MOST_PLACES}, p between 0 and"
            " 1, alpha in 0..1"
        )
    places = np.arange(1, k + 1)
    return (binom.cdf(np.arange(k + 1)[:, None], places, p) <= alpha).sum(
        axis=0
    )  # the distribution function grows with m


def fail_probability(minimums: np.ndarray, p: float) -> float:
    """The chance that a fair ranking, each place protected with chance p, breaks a minimum
    somewhere: exact, place by place.

    >>> fail_probability(np.array([0, 1]), 0.5)  # only "none of two" breaks it
    0.25
    """
    chance = np.ones(1)  # of 0, 1, ... protected items so far, all minimums met
    for least in minimums:
        chance = np.convolve(chance, [1 - p, p])
        chance[:least] = 0.0
    return float(1 - chance.sum())


@lru_cache(maxsize=64)
def adjusted_alpha(k: int, p: float, alpha: float) -> float:
    """The level at which to test each of k cuts so that a fair ranking fails with chance at most
    ``alpha`` in all; 0: no test possible.

    Testing k cuts at ``alpha`` each fails too many fair rankings (Zehlike et al. 2017, section
    3.3). A table changes only where the level passes a value of the distribution function, so the
    largest level that holds is found among those values, without simulation.
    """
    fair_minimums(k, p, alpha)  # refuses what is out of range
    values = binom.cdf(np.arange(k)[:, None], np.arange(1, k + 1), p)
    levels = np.concatenate([[0.0], np.unique(values[values <= alpha])])
    low, high = (
        0,
        len(levels),
    )  # levels[low] holds, levels[high] does not: the chance to fail grows with the level
    while high - low > 1:
        middle = (low + high) // 2
        holds = fail_probability(fair_minimums(k, p, levels[middle]), p) <= alpha
        low, high = (middle, high) if holds else (low, middle)
    return float(levels[low])


@dataclass(frozen=True, eq=False)
class FairTopK:
    """A re-ranking rule: the best item, unless the minimum of protected items asks for the best
    protected one (Zehlike et al. 2017).

    protected: [n_items] bool. p: the least share of protected items, the knob. alpha: chance that a
        list drawn fairly would be refused,
    over all its cuts. Where the pool has too few protected items the minimum is not met. For use in
    `Reranked`.
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
            found = allowed[rows, best]
            columns[:, place] = np.where(found, best, -1)
            count += found & member[rows, best]
            free[rows, best] = False
        return columns
