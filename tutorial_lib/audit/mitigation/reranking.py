"""Mitigation after scoring: re-rank the best candidates of any recommender by a rule with one knob,
or explore at random.

Every rule orders a pool of candidates; `strength` (lambda) goes from 0, the list as it was, to 1,
the rule alone. Scores are scaled to 0..1 within each pool, so that one strength means the same for
counts, probabilities and logits. Two mitigations that need no re-ranking are part of the kit's
models: decoding that can only write titles of the catalogue stands in `models/decoding.py` and
`models/beams.py`. Mitigation at training time stands in `mitigation_training`, before and after in
`frontier`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from tutorial_lib.audit.core.categories import row_means
from tutorial_lib.data.histories import Histories, check_histories
from tutorial_lib.errors import InputError
from tutorial_lib.recommender import ScoreRecommender, fitted, top_k

TINY = 1e-12


class Rule(Protocol):
    """What `Reranked` needs: the order in which candidates of a pool are shown."""

    def __call__(
        self, pool: np.ndarray, relevance: np.ndarray, histories: Histories, k: int
    ) -> np.ndarray:
        """[n, k] columns of the pool, best first, -1 where none is left.

        pool: [n, m] item codes, best first. relevance: [n, m] in 0..1, -inf where the pool has no
            item.
        """
        ...


class Reranked(ScoreRecommender):
    """A recommender whose first places are filled anew from its own best candidates, by a rule.

    inner: any Recommender; one that is fitted already need not be fitted again. rule: a `Rule`,
        such as `Calibrated`.
    pool: candidates a user, taken from the top of the inner ranking. places: ranks that the rule
        fills; what follows keeps the inner
    order. The scores that `score` gives are the inner ones, those of the chosen items lifted above
    all others, so `evaluate` sees the new lists; items of the history are not candidates there
    (`recommend` with ``exclude_seen=False`` admits them). Raises InputError unless 1 <= places <=
    pool.
    """

    def __init__(self, inner, rule: Rule, pool: int = 100, places: int = 10):
        if not 1 <= places <= pool:
            raise InputError(
                f"Reranked(pool={pool}, places={places}): expected 1 <= places <= pool, as places"
                " are filled from the pool"
            )
        self.inner, self.rule, self.pool, self.places = inner, rule, pool, places
        if hasattr(inner, "n_items"):
            self.n_items = inner.n_items

    def fit(self, split, *, seed: int = 0, progress: bool = True) -> Reranked:
        self.inner.fit(split, seed=seed, progress=progress)
        self.n_items = split.dataset.n_items
        return self

    def score(
        self, histories: Histories, users: Sequence[int] | None = None, *, exclude_seen: bool = True
    ) -> np.ndarray:
        check_histories(histories, fitted(self).n_items)
        scores = np.array(self.inner.score(histories, users=users), dtype=np.float64)
        pool = top_k(
            scores, min(self.pool, self.n_items), exclude=histories if exclude_seen else None
        )
        relevance = pool_relevance(scores, pool)
        columns = self.rule(pool, relevance, histories, min(self.places, pool.shape[1]))
        rows, slots = np.nonzero(columns >= 0)
        top = np.where(np.isfinite(scores), scores, -np.inf).max(axis=1)
        top = np.where(np.isfinite(top), top, 0.0)
        lift = np.maximum(1.0, np.abs(top))[rows] * (columns.shape[1] - slots)
        scores[rows, pool[rows, columns[rows, slots]]] = top[rows] + lift
        return scores

    def recommend(
        self,
        histories: Histories,
        k: int = 10,
        *,
        users: Sequence[int] | None = None,
        exclude_seen: bool = True,
        block: int = 1024,
    ) -> np.ndarray:
        if exclude_seen:
            return super().recommend(histories, k, users=users, block=block)
        if not 1 <= k <= fitted(self).n_items:
            raise InputError(
                f"recommend(k={k}): k must lie in 1..{self.n_items}, the size of the catalogue"
            )
        out = np.empty((len(histories), k), dtype=np.int64)
        for start in range(0, len(histories), block):
            rows = slice(start, start + block)
            out[rows] = top_k(
                self.score(
                    histories[rows], None if users is None else users[rows], exclude_seen=False
                ),
                k,
            )
        return out


class Exploring(ScoreRecommender):
    """A recommender that gives each place of a list, with chance ``epsilon``, to an item drawn at
    random from the rest of the catalogue.

    The mitigation of feedback loops: what is never shown is never learned. Scores are those of the
    inner recommender, so `evaluate` sees no exploration: judge the lists of `recommend`. The draw
    depends on ``seed`` only: give every round of a simulation its own. Raises InputError unless 0
    <= epsilon <= 1. Source: epsilon-greedy, Sutton & Barto 2018, section 2.4.
    """

    def __init__(self, inner, epsilon: float = 0.1, seed: int = 0):
        if not 0 <= epsilon <= 1:
            raise InputError(
                f"Exploring(epsilon={epsilon}): expected a share of the places in 0..1"
            )
        self.inner, self.epsilon, self.seed = inner, epsilon, seed
        if hasattr(inner, "n_items"):
            self.n_items = inner.n_items

    def fit(self, split, *, seed: int = 0, progress: bool = True) -> Exploring:
        self.inner.fit(split, seed=seed, progress=progress)
        self.n_items = split.dataset.n_items
        return self

    def score(self, histories: Histories, users: Sequence[int] | None = None) -> np.ndarray:
        return self.inner.score(histories, users=users)

    def recommend(
        self,
        histories: Histories,
        k: int = 10,
        *,
        users: Sequence[int] | None = None,
        exclude_seen: bool = True,
        block: int = 1024,
    ) -> np.ndarray:
        rng = np.random.default_rng([self.seed, 17])
        out = super().recommend(histories, k, users=users, exclude_seen=exclude_seen, block=block)
        for start in range(0, len(out), block):
            lists = out[start : start + block]
            held = [row[row >= 0] for row in lists]
            if exclude_seen:
                held = [
                    np.concatenate([row, np.asarray(h, dtype=np.int64)])
                    for row, h in zip(held, histories[start:], strict=False)
                ]
            drawn = top_k(rng.random((len(lists), self.n_items)), k, exclude=held)
            replaced = (rng.random(lists.shape) < self.epsilon) & (drawn >= 0) & (lists >= 0)
            lists[replaced] = drawn[replaced]
        return out


def pool_relevance(scores: np.ndarray, pool: np.ndarray) -> np.ndarray:
    """Scores of the pool's items, scaled to 0..1 in each row: [n, m]; -inf where there is no item
    to show.

    >>> pool_relevance(np.array([[5.0, 9.0, 7.0]]), np.array([[1, 2, 0]])).tolist()
    [[1.0, 0.5, 0.0]]
    """
    values = np.take_along_axis(scores, np.maximum(pool, 0), axis=1)
    there = (pool >= 0) & np.isfinite(values)
    low = np.where(there, values, np.inf).min(axis=1, keepdims=True, initial=np.inf)
    high = np.where(there, values, -np.inf).max(axis=1, keepdims=True, initial=-np.inf)
    span = np.where(high > low, high - low, 1.0)
    return np.where(
        there, (np.where(there, values, 0) - np.where(np.isfinite(low), low, 0)) / span, -np.inf
    )


def greedy(
    relevance: np.ndarray, strength: float, bonus: Callable[[np.ndarray], np.ndarray], k: int
) -> np.ndarray:
    """[n, k] columns, place by place the one with the largest (1 - strength) x relevance + strength
    x bonus; ties: the earlier column.

    bonus: from the columns chosen so far, [n, places so far], to [n, m].
    """
    if not 0 <= strength <= 1:
        raise InputError(f"strength={strength}: expected 0 (relevance alone) to 1 (the rule alone)")
    free, rows = np.isfinite(relevance), np.arange(len(relevance))
    relevance = np.where(free, relevance, 0.0)
    chosen = np.empty((len(relevance), 0), dtype=np.int64)
    for _ in range(k):
        gain = np.where(free, (1 - strength) * relevance + strength * bonus(chosen), -np.inf)
        best = gain.argmax(axis=1)
        chosen = np.column_stack([chosen, np.where(free[rows, best], best, -1)])
        free[rows, best] = False
    return chosen


def _of_chosen(features: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """[n, places, d] features of the chosen columns, from [n, m, d]."""
    return np.take_along_axis(features, np.maximum(chosen, 0)[:, :, None], axis=1)


@dataclass(frozen=True, eq=False)
class PopularityPenalty:
    """Take off what popularity adds: an item loses strength x log(1 + count) / log(1 + largest
    count).

    counts: [n_items] training interactions.
    """

    counts: np.ndarray = field(repr=False)
    strength: float = 0.3

    def __call__(self, pool, relevance, histories, k):
        popular = np.log1p(self.counts)
        penalty = (popular / max(popular.max(), TINY))[np.maximum(pool, 0)]
        return greedy(relevance, self.strength, lambda chosen: -penalty, k)


@dataclass(frozen=True, eq=False)
class XQuAD:
    """Cover the user's kinds of item: head and tail, or groups of providers (Abdollahpouri, Burke &
    Mobasher 2019, section 4).

    The bonus of an item of group c is the share of c in the user's profile, times what is still
    missing of c: 1 minus its share of the list so far, or, with ``binary``, 1 until the first item
    of c. groups: [n_items], the label of each item; a user without a history has the shares of the
    catalogue.
    """

    groups: np.ndarray = field(repr=False)
    strength: float = 0.3
    binary: bool = False

    def __call__(self, pool, relevance, histories, k):
        names, code = np.unique(self.groups, return_inverse=True)
        member = np.eye(len(names))[code]
        profile = row_means(histories, member)
        profile = np.where(np.isnan(profile), member.mean(axis=0), profile)
        features = member[np.maximum(pool, 0)]  # [n, m, groups]

        def missing(chosen: np.ndarray) -> np.ndarray:
            count = _of_chosen(features, chosen).sum(axis=1)
            left = count == 0 if self.binary else 1 - count / max(chosen.shape[1], 1)
            return np.einsum("nmg,ng->nm", features, profile * left)

        return greedy(relevance, self.strength, missing, k)


@dataclass(frozen=True, eq=False)
class Calibrated:
    """Lists with the categories of the profile: (1 - strength) x relevance - strength x KL
    divergence (Steck 2018, eq. 3-6), greedily.

    shares: [n_items, C] from `category_shares`. alpha: smoothing, as in `calibration_kl`. Users
        without categories keep their list.
    """

    shares: np.ndarray = field(repr=False)
    strength: float = 0.5
    alpha: float = 0.01

    def __call__(self, pool, relevance, histories, k):
        wanted = np.nan_to_num(row_means(histories, self.shares))[:, None]  # [n, 1, C]
        features = self.shares[np.maximum(pool, 0)]

        def closeness(chosen: np.ndarray) -> np.ndarray:
            held = _of_chosen(features, chosen).sum(axis=1, keepdims=True)
            share = (held + features) / (chosen.shape[1] + 1)
            mixed = np.maximum((1 - self.alpha) * share + self.alpha * wanted, TINY)
            return np.einsum(
                "nmc,nc->nm", np.log(mixed), wanted[:, 0]
            )  # minus KL, but for a constant of the user

        return greedy(relevance, self.strength, closeness, k)


@dataclass(frozen=True, eq=False)
class MMR:
    """Maximal marginal relevance: an item loses strength x its cosine with the most similar item
    shown before (Carbonell & Goldstein 1998).

    features: [n_items, d], such as the shares of categories or an embedding.
    """

    features: np.ndarray = field(repr=False)
    strength: float = 0.3

    def __call__(self, pool, relevance, histories, k):
        unit = self.features / np.maximum(
            np.linalg.norm(self.features, axis=1, keepdims=True), TINY
        )
        features = unit[np.maximum(pool, 0)]

        def novelty(chosen: np.ndarray) -> np.ndarray:
            if not chosen.shape[1]:
                return np.zeros(pool.shape)
            return -np.matmul(features, _of_chosen(features, chosen).transpose(0, 2, 1)).max(axis=2)

        return greedy(relevance, self.strength, novelty, k)


def calibration_kl(
    histories: Histories, lists: np.ndarray, shares: np.ndarray, alpha: float = 0.01
) -> np.ndarray:
    """C_KL = sum_c p log(p / ((1 - alpha) q + alpha p)), p and q the categories of profile and
    list: [n] nats; nan without either.

    lists: [n, k], -1 = padding. shares: [n_items, C]. Source: Steck 2018, eq. 6. Largest value:
        log(1 / alpha).

    >>> calibration_kl([[0]], np.array([[0], ]), np.eye(2)).tolist(), calibration_kl([[0]], np.array([[1]]), np.eye(2)).round(3).tolist()
    ([0.0], [4.605])
    """
    p, q = row_means(histories, shares), row_means(lists, shares)
    mixed = np.maximum((1 - alpha) * q + alpha * p, TINY)
    return (p * np.log(np.maximum(p, TINY) / mixed)).sum(axis=1)
