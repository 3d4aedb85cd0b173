"""A town whose people, tastes and merits are known, and injectors that plant a harm of known size
into any recommender.

So the audit can be audited: does it find what was planted, at its true size, and does it keep
silent where nothing was planted? The catalogue is fixed by ``world_seed`` and the users are drawn
by ``user_seed``: the audit takes the catalogue as given, and so the truth is a mean over all users
that could have been drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np
import pandas as pd
from scipy.special import ndtr
from scipy.stats import binom

from tutorial_lib.data import Dataset, DatasetCard, Split
from tutorial_lib.data.histories import flatten
from tutorial_lib.errors import InputError
from tutorial_lib.recommender import top_k

N_ITEMS, N_GENRES, N_PROVIDERS, N_DUDS = 400, 8, 20, 40
MINORITY_PROVIDERS = 6
PATTERN = (
    1,
    4,
    8,
)  # of ten items of a genre, best first, those of minority providers: as good as the others
GROUP_B = 0.3
NOBODY = -60.0  # log-preference for what nobody takes
HISTORY, TARGETS = 15, 15  # items of a user that are known, and that are held out


@dataclass(frozen=True)
class Town:
    """dataset, split: as anything else that can be audited. utility: [n_users, n_items], the
    log-preference of every user for every item.

    duds: [d] items that nobody likes: a place that shows one is lost, whoever looks. group:
        [n_users] bool, True for group B.
    """

    dataset: Dataset
    split: Split
    utility: np.ndarray
    duds: np.ndarray
    group: np.ndarray


class Oracle:
    """Ranks a town's items by the users' true preference: the best that can be done, and the same
    service for everybody.
    """

    def __init__(self, town: Town):
        self.utility, self.n_items = town.utility, town.dataset.n_items

    def fit(self, split, *, seed: int = 0, progress: bool = True) -> Oracle:
        return self

    def recommend(
        self,
        histories,
        k: int = 10,
        *,
        users: Sequence[int] | None = None,
        exclude_seen: bool = True,
    ) -> np.ndarray:
        return top_k(
            self.utility[np.asarray(users)], k, exclude=histories if exclude_seen else None
        )


def make_town(
    n_users: int,
    *,
    user_seed: int = 0,
    world_seed: int = 0,
    taste_gap: float = 0.0,
    size_gap: float = 0.0,
) -> Town:
    """Draw a town. Every user likes 30 items, drawn by the user's taste: 15 make the history, 15
    are held out.

    taste_gap: 0 = both groups alike; above 0 group B's tastes are broader, hence harder to predict,
        and the service is still the same.
    size_gap: above 0 only a part of each history is on record, 80 % in group A and in B this share
        less; nobody is offered the rest again.
    Minority providers (30 % of the items) are as good as the others in every genre. Attributes of
    users: group (A 70 %, B 30 %), age (3 bands), region (4); only ``taste_gap`` and ``size_gap``
    tie anything to a group. Raises InputError for fewer than 2 users, a negative taste_gap, or a
    size_gap outside 0..1.

    >>> town = make_town(50)
    >>> town.dataset.n_items, len(town.split.test_target[0])
    (400, 15)
    """
    if n_users < 2 or not 0 <= size_gap < 1 or taste_gap < 0:
        given = f"n_users={n_users}, taste_gap={taste_gap}, size_gap={size_gap}"
        raise InputError(
            f"make_town({given}): expected 2 users or more, taste_gap >= 0 and 0 <= size_gap < 1"
        )
    genre, provider, quality, duds = _catalogue(world_seed)
    rng = np.random.default_rng([world_seed, user_seed, 2])
    group = rng.random(n_users) < GROUP_B
    breadth = np.where(group, 0.3 * (1 + taste_gap), 0.3)
    taste = rng.gamma(np.repeat(breadth[:, None], N_GENRES, axis=1))
    taste /= taste.sum(axis=1, keepdims=True)
    utility = np.log(taste + 0.02)[:, genre] + quality
    liked = np.argpartition(-(utility + rng.gumbel(size=utility.shape)), HISTORY + TARGETS, axis=1)[
        :, : HISTORY + TARGETS
    ]
    liked = rng.permuted(np.sort(liked, axis=1), axis=1)
    known = (
        rng.binomial(HISTORY, np.where(group, 0.8 * (1 - size_gap), 0.8))
        if size_gap
        else np.full(n_users, HISTORY)
    )
    forgotten = np.arange(HISTORY) >= np.maximum(known, 1)[:, None]
    utility[np.nonzero(forgotten)[0], liked[:, :HISTORY][forgotten]] = NOBODY
    histories = [items[:n] for items, n in zip(liked, np.maximum(known, 1), strict=True)]
    people = {
        "group": np.where(group, "B", "A"),
        "age": rng.integers(0, 3, n_users),
        "region": rng.integers(0, 4, n_users),
    }
    dataset = _dataset(histories, liked[:, HISTORY:], genre, provider, people)
    nothing = [np.empty(0, dtype=np.int64)] * n_users
    split = Split(
        dataset,
        f"{TARGETS} held out",
        np.arange(n_users),
        histories,
        histories,
        nothing,
        histories,
        list(liked[:, HISTORY:]),
    )
    return Town(dataset, split, utility, duds, group)


def _catalogue(world_seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Genre, provider and quality of every item, and the duds."""
    rng = np.random.default_rng([world_seed, 1])
    genre, quality = rng.integers(0, N_GENRES, N_ITEMS), rng.normal(0, 0.5, N_ITEMS)
    duds = np.sort(rng.permutation(N_ITEMS)[:N_DUDS])
    quality[duds] = NOBODY
    best_first = np.lexsort((-quality, genre))
    rank = np.empty(N_ITEMS, dtype=int)
    rank[best_first] = np.arange(N_ITEMS) - np.searchsorted(genre[best_first], genre[best_first])
    minority = np.isin(rank % 10, PATTERN)
    provider = np.where(
        minority,
        rng.integers(0, MINORITY_PROVIDERS, N_ITEMS),
        rng.integers(MINORITY_PROVIDERS, N_PROVIDERS, N_ITEMS),
    )
    return genre, provider, quality, duds


def _dataset(
    histories: list[np.ndarray], targets: np.ndarray, genre, provider, people: dict
) -> Dataset:
    sequences = [
        np.concatenate([history, held]) for history, held in zip(histories, targets, strict=True)
    ]
    user = np.repeat(np.arange(len(sequences)), list(map(len, sequences)))
    events = {
        "user": user,
        "item": np.concatenate(sequences),
        "rating": np.nan,
        "timestamp": np.arange(len(user)),
    }
    items = {
        "item_id": np.arange(N_ITEMS).astype(str),
        "title": [f"Item {i}" for i in range(N_ITEMS)],
        "text": "",
    }
    items |= {
        "categories": [(f"genre {g}",) for g in genre],
        "provider": [f"provider {p}" for p in provider],
    }
    items |= {"provider_group": np.where(provider < MINORITY_PROVIDERS, "minority", "majority")}
    users = pd.DataFrame(
        {"user_id": np.arange(len(sequences)).astype(str), "group": people["group"]}
    )
    users["age"] = np.array(["young", "middle", "old"])[people["age"]]
    users["region"] = np.array(["north", "east", "south", "west"])[people["region"]]
    card = DatasetCard(
        "town", "A town of glass", "made by tutorial_workshop.proof.glassbox", "CC BY 4.0"
    )
    return Dataset("town", pd.DataFrame(events), pd.DataFrame(items), users, card)


class _Injected:
    """A recommender around another. What happens to a user's list depends on seed and user alone,
    not on who else is asked for.
    """

    def __init__(self, inner, chance: float, seed: int):
        if not 0 <= chance <= 1:
            raise InputError(
                f"{type(self).__name__}: the chance per place is {chance}; expected 0..1"
            )
        self.inner, self.chance, self.seed = inner, chance, seed

    def fit(self, split, *, seed: int = 0, progress: bool = True):
        self.inner.fit(split, seed=seed, progress=progress)
        return self

    def recommend(
        self,
        histories,
        k: int = 10,
        *,
        users: Sequence[int] | None = None,
        exclude_seen: bool = True,
    ) -> np.ndarray:
        if users is None:
            raise InputError(
                f"{type(self).__name__}.recommend: users is missing; pass the code of the user of"
                " every history"
            )
        lists = np.array(
            self.inner.recommend(histories, k, users=users, exclude_seen=exclude_seen),
            dtype=np.int64,
        )
        users, salt = np.asarray(users), crc32(type(self).__name__.encode())
        hit = (
            (uniform(self.seed + salt, users, lists.shape[1]) < self.chance)
            & (lists >= 0)
            & self._open(lists, users)
        )
        return np.where(
            hit, self._replacement(lists, users, histories if exclude_seen else []), lists
        )

    def _open(self, lists: np.ndarray, users: np.ndarray) -> np.ndarray:
        """Which places may be changed: bool, [n, k] or [n, 1]."""
        return np.ones((len(lists), 1), dtype=bool)

    def _replacement(
        self, lists: np.ndarray, users: np.ndarray, seen: Sequence[np.ndarray]
    ) -> np.ndarray:
        """What stands in a changed place: [n, k]."""
        raise NotImplementedError


class UserBias(_Injected):
    """Spoils each place of the lists of ``users``, with chance rho: there stands one of ``bad``
    (such as a town's duds) instead.

    If nobody likes a bad item, every expected gain falls by the share rho: the gap is -rho times
    the mean of the group without bias.
    """

    def __init__(self, inner, rho: float, users: Collection[int], bad: np.ndarray, seed: int = 0):
        super().__init__(inner, rho, seed)
        self.users, self.bad = np.asarray(sorted(users), dtype=np.int64), np.asarray(bad)

    def _open(self, lists, users):
        return np.isin(users, self.users)[:, None]

    def _replacement(self, lists, users, seen):
        return _others(self.bad, lists, seen, self.seed, users)


class ProviderBias(_Injected):
    """Takes each place from an item of ``group`` with chance phi, and gives it to a random item of
    the other groups.

    The group's expected exposure share falls by the share phi. groups: [n_items] labels.
    """

    def __init__(self, inner, phi: float, groups: Sequence[str], group: str, seed: int = 0):
        super().__init__(inner, phi, seed)
        self.member = np.asarray(groups) == group

    def _open(self, lists, users):
        return (lists < len(self.member)) & self.member[np.clip(lists, 0, len(self.member) - 1)]

    def _replacement(self, lists, users, seen):
        return _others(np.flatnonzero(~self.member), lists, seen, self.seed, users)


class OutOfCatalogue(_Injected):
    """Replaces each place, with chance omega, by an item that does not exist: the rate of unknown
    items is omega.
    """

    def __init__(self, inner, omega: float, n_items: int, seed: int = 0):
        super().__init__(inner, omega, seed)
        self.n_items = n_items

    def _replacement(self, lists, users, seen):
        return self.n_items + np.arange(lists.shape[1]) + 0 * lists


class PositionBias:
    """A ranker of candidates that gives them back as they came with chance beta, else asks another:
    candidates [n, c] -> [n, c].

    Over random input orders the expected Kendall tau between places in input and output is beta.
    """

    def __init__(self, rank: Callable[[np.ndarray], np.ndarray], beta: float, seed: int = 0):
        if not 0 <= beta <= 1:
            raise InputError(f"PositionBias: beta={beta}; expected 0..1")
        self.rank, self.beta, self.seed = rank, beta, seed

    def __call__(self, candidates: np.ndarray) -> np.ndarray:
        candidates = np.asarray(candidates)
        key = (candidates.astype(np.int64) * (np.arange(candidates.shape[1]) + 1) ** 3).sum(
            axis=1
        ) + np.arange(len(candidates))
        return np.where(uniform(self.seed, key, 1) < self.beta, candidates, self.rank(candidates))


def uniform(seed: int, keys: np.ndarray, columns: int) -> np.ndarray:
    """Uniform numbers in [0, 1), [n, columns], of which each row depends on the seed and its own
    int key only (SplitMix64).

    Source: Steele, Lea & Flood 2014. A generator that is drawn from in turn would make a user's
        list depend on who is asked for first.
    """
    x = np.asarray(keys).astype(np.uint64)[:, None] * np.uint64(0x9E3779B97F4A7C15)
    x = (
        x
        + np.arange(1, columns + 1, dtype=np.uint64) * np.uint64(0xD1342543DE82EF95)
        + np.uint64(seed * 0x2545F4914F6CDD1D % 2**64)
    )
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)) * 2:
        x = (x ^ (x >> np.uint64(shift))) * np.uint64(factor)
    return ((x ^ (x >> np.uint64(31))) >> np.uint64(11)) / 2.0**53


def _others(
    pool: np.ndarray, lists: np.ndarray, seen: Sequence[np.ndarray], seed: int, keys: np.ndarray
) -> np.ndarray:
    """[n, k] items of the pool, different within a row, none of them in the row's list or history
    while the pool has enough others.
    """
    n, k = lists.shape
    taken = np.zeros((n, int(max(pool.max(), lists.max(initial=0))) + 1), dtype=bool)
    np.put_along_axis(taken, np.maximum(lists, 0), lists >= 0, axis=1)
    items, rows = (
        flatten(list(seen)) if len(seen) else (np.empty(0, dtype=int), np.empty(0, dtype=int))
    )
    inside = items < taken.shape[1]
    taken[rows[inside], items[inside]] = True
    order = uniform(seed + 1, keys, len(pool)) + taken[:, pool]
    width = min(k, len(pool))
    return pool[np.argsort(order, axis=1)[:, np.arange(k) % width]]


def reworded(lists: np.ndarray, kappa: float, n_items: int, *, seed: int = 0) -> np.ndarray:
    """Lists as after another wording of the prompt: each place swapped, with chance kappa, for a
    random item that was not in the list.
    """
    rows = np.arange(len(lists))
    swapped = uniform(seed + 73, rows, lists.shape[1]) < kappa
    return np.where(swapped, _others(np.arange(n_items), lists, [], seed + 74, rows), lists)


def true_dissimilarity(kappa: float, k: int) -> float:
    """Expected 1 - Jaccard between a list of k and `reworded`: n of k places stay, n binomial,
    Jaccard n / (2k - n).

    >>> true_dissimilarity(0.0, 10), true_dissimilarity(1.0, 10)
    (0.0, 1.0)
    """
    kept = np.arange(k + 1)
    return float(1 - (binom.pmf(kept, k, 1 - kappa) * kept / (2 * k - kept)).sum())


def leaking_states(group: np.ndarray, delta: float, d: int = 16, *, seed: int = 0) -> np.ndarray:
    """User states that give the group away: unit noise in d dimensions, plus delta along one
    direction for its members: [n, d].
    """
    rng = np.random.default_rng([seed, 83])
    direction = rng.normal(size=d)
    return rng.normal(size=(len(group), d)) + delta * np.asarray(group)[
        :, None
    ] * direction / np.linalg.norm(direction)


def membership_scores(member: np.ndarray, mu: float, *, seed: int = 0) -> np.ndarray:
    """Scores of records, higher by mu for the members of the training data, with unit noise: [n].
    AUC: `true_auc` of mu.
    """
    return np.random.default_rng([seed, 89]).normal(size=len(member)) + mu * np.asarray(member)


def true_auc(delta: float) -> float:
    """The best AUC between two normal distributions delta standard deviations apart: Phi(delta /
    sqrt 2). Also of membership scores.

    >>> round(true_auc(1.0), 3)
    0.76
    """
    return float(ndtr(delta / np.sqrt(2)))
