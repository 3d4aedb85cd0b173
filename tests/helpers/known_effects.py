"""Effects of known size that only tests inject: into rankers, rewordings and user states."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import ndtr
from scipy.stats import binom

from tutorial_workshop.proof.injectors import others, uniform


def repeats_its_input(rank: Callable[[np.ndarray], np.ndarray], beta: float) -> Callable:
    """A ranker of candidates, [n, c] -> [n, c], that gives them back as they came with chance beta.

    Over random input orders the expected Kendall tau between places in input and output is beta.
    """

    def ranked(candidates: np.ndarray) -> np.ndarray:
        weights = (np.arange(candidates.shape[1]) + 1) ** 3
        key = (candidates.astype(np.int64) * weights).sum(axis=1) + np.arange(len(candidates))
        return np.where(uniform(0, key, 1) < beta, candidates, rank(candidates))

    return ranked


def reworded(lists: np.ndarray, kappa: float, n_items: int, *, seed: int = 0) -> np.ndarray:
    """Lists with each place swapped, with chance kappa, for an item that was not in the list."""
    rows = np.arange(len(lists))
    swapped = uniform(seed + 73, rows, lists.shape[1]) < kappa
    return np.where(swapped, others(np.arange(n_items), lists, [], seed + 74, rows), lists)


def true_dissimilarity(kappa: float, k: int) -> float:
    """Expected 1 - Jaccard of k items and `reworded`: where n stay, Jaccard is n / (2k - n)."""
    kept = np.arange(k + 1)
    return float(1 - (binom.pmf(kept, k, 1 - kappa) * kept / (2 * k - kept)).sum())


def leaking_states(group: np.ndarray, delta: float, d: int = 16, *, seed: int = 0) -> np.ndarray:
    """User states, [n, d]: unit noise, plus delta along one direction for the group's members."""
    rng = np.random.default_rng([seed, 83])
    direction = rng.normal(size=d)
    direction = direction / np.linalg.norm(direction)
    return rng.normal(size=(len(group), d)) + delta * np.asarray(group)[:, None] * direction


def true_auc(delta: float) -> float:
    """The best AUC between two normal distributions ``delta`` standard deviations apart."""
    return float(ndtr(delta / np.sqrt(2)))
