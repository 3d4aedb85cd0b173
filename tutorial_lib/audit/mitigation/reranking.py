"""Mitigation after scoring: re-rank the best candidates of any recommender, or explore at random.

Every rule orders a pool of candidates. Its ``strength`` (lambda) goes from 0, the list as it was,
to 1, the rule alone. Scores are scaled to 0..1 within each pool, so that one strength means the
same for counts, probabilities and logits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, field

import numpy as np

from tutorial_lib.audit.core.lists import row_means
from tutorial_lib.data.histories import Histories, check_histories
from tutorial_lib.errors import InputError
from tutorial_lib.recommender import ScoreRecommender, fitted, top_k

TINY = 1e-12
ALPHA = 0.01  # share of the profile mixed into the list's categories, so that none has chance 0

# (pool, relevance, histories, k) -> [n, k] columns of the pool, best first, -1 where none is left.
# pool: [n, m] item codes, best first. relevance: [n, m] in 0..1, -inf where the pool has no item.
Rule = Callable[[np.ndarray, np.ndarray, Histories, int], np.ndarray]


class _Wrapped(ScoreRecommender):
    """A recommender around another one, which may be fitted already."""

    def __init__(self, inner):
        self.inner = inner
        if hasattr(inner, "n_items"):
            self.n_items = inner.n_items

    def fit(self, split, *, seed: int = 0, progress: bool = True):
        self.inner.fit(split, seed=seed, progress=progress)
        self.n_items = split.dataset.n_items
        return self


class Reranked(_Wrapped):
    """A recommender whose first places are filled anew from its best candidates, by a rule.

    The scores that `score` gives are the inner ones, those of the chosen items lifted above all
    others, so that `evaluate` sees the new lists. Items of the history are no candidates;
    `recommend` with ``exclude_seen=False`` admits them.

    Args:
        inner: any Recommender; one that is fitted already need not be fitted again.
        rule: a `Rule`, such as `Calibrated`.
        pool: candidates per user, taken from the top of the inner ranking.
        places: ranks that the rule fills; what follows keeps the inner order.

    Raises:
        InputError: unless 1 <= places <= pool.
    """

    def __init__(self, inner, rule: Rule, pool: int = 100, places: int = 10):
        super().__init__(inner)
        if not 1 <= places <= pool:
            raise InputError(
                f"Reranked(pool={pool}, places={places}): expected 1 <= places <= pool, as places"
                " are filled from the pool"
            )
        self.rule, self.pool, self.places = rule, pool, places
        self.seen_are_candidates = False

    def score(self, histories: Histories, users: Sequence[int] | None = None) -> np.ndarray:
        check_histories(histories, fitted(self).n_items)
        scores = np.array(self.inner.score(histories, users=users), dtype=np.float64)
        seen = None if self.seen_are_candidates else histories
        pool = top_k(scores, min(self.pool, self.n_items), exclude=seen)
        relevance = pool_relevance(scores, pool)
        columns = self.rule(pool, relevance, histories, min(self.places, pool.shape[1]))
        rows, places = np.nonzero(columns >= 0)
        top = np.where(np.isfinite(scores), scores, -np.inf).max(axis=1)
        top = np.where(np.isfinite(top), top, 0.0)
        step = np.maximum(1.0, np.abs(top))  # large enough to count at any scale of scores
        lifted = top[rows] + step[rows] * (columns.shape[1] - places)
        scores[rows, pool[rows, columns[rows, places]]] = lifted
        return scores

    def recommend(self, histories, k=10, *, users=None, exclude_seen=True, block=1024):
        ranker = copy(self)
        ranker.seen_are_candidates = not exclude_seen
        return super(Reranked, ranker).recommend(
            histories, k, users=users, exclude_seen=exclude_seen, block=block
        )


class Exploring(_Wrapped):
    """A recommender that gives each place of a list, with chance ``epsilon``, to a random item.

    The mitigation of feedback loops: what is never shown is never learned. Scores are those of the
    inner recommender, so `evaluate` sees no exploration: judge the lists of `recommend`.

    Args:
        inner: any Recommender.
        epsilon: share of the places, in 0..1.
        seed: of the draw; give every round of a simulation its own.

    Source: epsilon-greedy, Sutton & Barto 2018, section 2.4.
    """

    def __init__(self, inner, epsilon: float = 0.1, seed: int = 0):
        super().__init__(inner)
        if not 0 <= epsilon <= 1:
            raise InputError(
                f"Exploring(epsilon={epsilon}): expected a share of the places in 0..1"
            )
        self.epsilon, self.seed = epsilon, seed

    def score(self, histories: Histories, users: Sequence[int] | None = None) -> np.ndarray:
        return self.inner.score(histories, users=users)

    def recommend(self, histories, k=10, *, users=None, exclude_seen=True, block=1024):
        rng = np.random.default_rng([self.seed, 17])
        out = super().recommend(histories, k, users=users, exclude_seen=exclude_seen, block=block)
        for start in range(0, len(out), block):
            lists = out[start : start + block]  # a view: what is written into it stays
            excluded = [row[row >= 0] for row in lists]
            if exclude_seen:
                seen = histories[start : start + block]
                excluded = [np.append(row, h) for row, h in zip(excluded, seen, strict=True)]
            drawn = top_k(rng.random((len(lists), self.n_items)), k, exclude=excluded)
            replaced = (rng.random(lists.shape) < self.epsilon) & (drawn >= 0) & (lists >= 0)
            lists[replaced] = drawn[replaced]
        return out


def pool_relevance(scores: np.ndarray, pool: np.ndarray) -> np.ndarray:
    """Scores of the pool's items, scaled to 0..1 in each row: [n, m]; -inf where there is no item.

    >>> pool_relevance(np.array([[5.0, 9.0, 7.0]]), np.array([[1, 2, 0]])).tolist()
    [[1.0, 0.5, 0.0]]
    """
    values = np.take_along_axis(scores, np.maximum(pool, 0), axis=1)
    there = (pool >= 0) & np.isfinite(values)
    low = np.where(there, values, np.inf).min(axis=1, keepdims=True)
    high = np.where(there, values, -np.inf).max(axis=1, keepdims=True)
    span = np.where(high > low, high - low, 1.0)
    low = np.where(np.isfinite(low), low, 0.0)
    return np.where(there, (np.where(there, values, 0) - low) / span, -np.inf)


def greedy(
    relevance: np.ndarray, strength: float, bonus: Callable[[np.ndarray], np.ndarray], k: int
) -> np.ndarray:
    """[n, k] columns: place by place the largest (1 - strength) x relevance + strength x bonus.

    Args:
        relevance: [n, m]; of equal ones the earlier column is taken.
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


def _sum_of_chosen(features: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """[n, 1, d]: sum of the features of the chosen columns, from [n, m, d]."""
    of_chosen = np.take_along_axis(features, np.maximum(chosen, 0)[:, :, None], axis=1)
    return of_chosen.sum(axis=1, keepdims=True)


@dataclass(frozen=True, eq=False)
class PopularityPenalty:
    """Take off what popularity adds: strength x log(1 + count) / log(1 + largest count).

    Args:
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
    """Cover the kinds of items that the user consumes: head and tail, or groups of providers.

    The bonus of an item of group c is the share of c in the user's profile, times what is still
    missing of c: 1 minus its share of the list so far.

    Args:
        groups: [n_items], the label of each item; a user without a history has the shares of the
            catalogue.

    Source: Abdollahpouri, Burke & Mobasher 2019, section 4.
    """

    groups: np.ndarray = field(repr=False)
    strength: float = 0.3

    def __call__(self, pool, relevance, histories, k):
        names, code = np.unique(self.groups, return_inverse=True)
        member = np.eye(len(names))[code]  # [n_items, groups]
        profile = row_means(histories, member)
        profile = np.where(np.isnan(profile), member.mean(axis=0), profile)  # [n, groups]
        features = member[np.maximum(pool, 0)]  # [n, m, groups]

        def missing(chosen: np.ndarray) -> np.ndarray:
            share = _sum_of_chosen(features, chosen)[:, 0] / max(chosen.shape[1], 1)
            return np.einsum("nmg,ng->nm", features, profile * (1 - share))

        return greedy(relevance, self.strength, missing, k)


@dataclass(frozen=True, eq=False)
class Calibrated:
    """Lists with the categories of the profile: minus the KL divergence between the two.

    Users without categories keep their list.

    Args:
        shares: [n_items, C], of `category_shares`.

    Source: Steck 2018, eq. 3-6, greedily.
    """

    shares: np.ndarray = field(repr=False)
    strength: float = 0.5

    def __call__(self, pool, relevance, histories, k):
        wanted = np.nan_to_num(row_means(histories, self.shares))  # [n, C]
        features = self.shares[np.maximum(pool, 0)]  # [n, m, C]

        def closeness(chosen: np.ndarray) -> np.ndarray:
            with_item = _sum_of_chosen(features, chosen) + features  # of the list with each item
            share = with_item / (chosen.shape[1] + 1)
            mixed = np.maximum((1 - ALPHA) * share + ALPHA * wanted[:, None], TINY)
            # Minus the divergence, but for a constant of the user.
            return np.einsum("nmc,nc->nm", np.log(mixed), wanted)

        return greedy(relevance, self.strength, closeness, k)
