"""A town whose people, tastes and merits are known, and injectors that plant a harm of known size into any recommender.

So the audit can be audited: does it find what was planted, at its true size, and does it keep silent where nothing was planted?
The catalogue is fixed by ``world_seed`` and the users are drawn by ``user_seed``: the audit takes the catalogue as given, and so the truth
is a mean over all users that could have been drawn.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import ndtr
from scipy.stats import binom

from tutorial_lib.data import Dataset, DatasetCard, Split
from tutorial_lib.errors import InputError

N_ITEMS, N_GENRES, N_PROVIDERS, N_DUDS = 400, 8, 20, 40
MINORITY_PROVIDERS, GROUP_B = 0.3, 0.3
HISTORY, TARGETS = 15, 15  # items of a user that are known, and that are held out


@dataclass(frozen=True)
class Town:
    """dataset, split: as anything else that can be audited. utility: [n_users, n_items], the log-preference of every user for every item.

    duds: [d] items that nobody likes: a place that shows one is lost, whoever looks. group: [n_users] bool, True for group B.
    """

    dataset: Dataset
    split: Split
    utility: np.ndarray
    duds: np.ndarray
    group: np.ndarray


class Oracle:
    """Ranks a town's items by the users' true preference: the best that can be done, and the same service for everybody."""

    def __init__(self, town: Town):
        self.utility, self.n_items = town.utility, town.dataset.n_items

    def fit(self, split, *, seed: int = 0, progress: bool = True) -> Oracle:
        return self

    def recommend(self, histories, k: int = 10, *, users: Sequence[int] | None = None, exclude_seen: bool = True) -> np.ndarray:
        from tutorial_lib.recommender import top_k

        return top_k(self.utility[np.asarray(users)], k, exclude=histories if exclude_seen else None)


def make_town(
    n_users: int, *, user_seed: int = 0, world_seed: int = 0, taste_gap: float = 0.0, size_gap: float = 0.0, providers_merit: float = 0.0
) -> Town:
    """Draw a town. Every user likes 30 items, drawn by the user's taste: 15 make the history, 15 are held out.

    taste_gap: 0 = both groups alike; above 0 group B's tastes are broader, hence harder to predict, and the service is still the same.
    size_gap: above 0 only a part of each history is on record, 80 % in group A, and in B this share less. providers_merit: what minority providers' items lack in quality.
    Attributes: group (A 70 %, B 30 %), age (3 bands), region (4), all independent of taste unless ``taste_gap`` says otherwise.
    """
    if n_users < 2 or not 0 <= size_gap < 1 or taste_gap < 0:
        raise InputError(
            f"make_town(n_users={n_users}, taste_gap={taste_gap}, size_gap={size_gap}): expected 2 users or more, gaps >= 0, size < 1"
        )
    catalogue = np.random.default_rng([world_seed, 1])
    genre = catalogue.integers(0, N_GENRES, N_ITEMS)
    provider = catalogue.integers(0, N_PROVIDERS, N_ITEMS)
    minority = provider < MINORITY_PROVIDERS * N_PROVIDERS
    quality = catalogue.normal(0, 0.5, N_ITEMS) - providers_merit * minority
    duds = catalogue.permutation(N_ITEMS)[:N_DUDS]
    quality[duds] = -60.0
    rng = np.random.default_rng([world_seed, user_seed, 2])
    group = rng.random(n_users) < GROUP_B
    breadth = np.where(group, 0.3 * (1 + taste_gap), 0.3)
    taste = rng.gamma(np.repeat(breadth[:, None], N_GENRES, axis=1))
    taste /= taste.sum(axis=1, keepdims=True)
    utility = np.log(taste[:, genre] + 0.02) + quality
    liked = np.argsort(-(utility + rng.gumbel(size=utility.shape)), axis=1)[:, : HISTORY + TARGETS]
    liked = rng.permuted(liked, axis=1)
    share = np.where(group, 0.8 * (1 - size_gap), 0.8) if size_gap else np.ones(n_users)
    known = np.maximum(rng.binomial(HISTORY, share), 1)
    histories = [items[:n] for items, n in zip(liked, known, strict=True)]
    people = {"group": np.where(group, "B", "A"), "age": rng.integers(0, 3, n_users), "region": rng.integers(0, 4, n_users)}
    dataset = _dataset(histories, liked[:, HISTORY:], genre, provider, minority, people)
    nothing = [np.empty(0, dtype=np.int64)] * n_users
    split = Split(dataset, f"{TARGETS} held out", np.arange(n_users), histories, histories, nothing, histories, list(liked[:, HISTORY:]))
    return Town(dataset, split, utility, duds, group)


def _dataset(histories: list[np.ndarray], targets: np.ndarray, genre, provider, minority, people: dict) -> Dataset:
    sequences = [np.concatenate([history, held]) for history, held in zip(histories, targets, strict=True)]
    user = np.repeat(np.arange(len(sequences)), list(map(len, sequences)))
    events = {"user": user, "item": np.concatenate(sequences), "rating": np.nan, "timestamp": np.arange(len(user))}
    items = {"item_id": np.arange(N_ITEMS).astype(str), "title": [f"Item {i}" for i in range(N_ITEMS)], "text": ""}
    items |= {"categories": [(f"genre {g}",) for g in genre], "provider": [f"provider {p}" for p in provider]}
    items |= {"provider_group": np.where(minority, "minority", "majority")}
    users = pd.DataFrame({"user_id": np.arange(len(sequences)).astype(str), "group": people["group"]})
    users["age"] = np.array(["young", "middle", "old"])[people["age"]]
    users["region"] = np.array(["north", "east", "south", "west"])[people["region"]]
    card = DatasetCard("town", "A town of glass", "made by tutorial_lib.audit.glassbox", "CC BY 4.0")
    return Dataset("town", pd.DataFrame(events), pd.DataFrame(items), users, card)


class _Injected:
    """A recommender around another: what it changes in each place is drawn anew for each user, by ``seed`` and user."""

    def __init__(self, inner, chance: float, seed: int):
        if not 0 <= chance <= 1:
            raise InputError(f"{type(self).__name__}: the chance per place is {chance}; expected 0..1")
        self.inner, self.chance, self.seed = inner, chance, seed

    def fit(self, split, *, seed: int = 0, progress: bool = True):
        self.inner.fit(split, seed=seed, progress=progress)
        return self

    def recommend(self, histories, k: int = 10, *, users: Sequence[int] | None = None, exclude_seen: bool = True) -> np.ndarray:
        lists = np.array(self.inner.recommend(histories, k, users=users, exclude_seen=exclude_seen), dtype=np.int64)
        rng = np.random.default_rng([self.seed, 71, int(np.asarray(users)[0]) if users is not None and len(users) else 0])
        hit = (rng.random(lists.shape) < self.chance) & (lists >= 0) & self._open(lists, users)
        return np.where(hit, self._replacement(lists, rng), lists)

    def _open(self, lists: np.ndarray, users) -> np.ndarray:
        """Which places may be changed: bool, [n, k] or [n, 1]."""
        return np.ones((len(lists), 1), dtype=bool)

    def _replacement(self, lists: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        raise NotImplementedError


class UserBias(_Injected):
    """Spoils each place of the lists of some users, with chance rho: there stands one of ``bad`` (such as a town's duds) instead.

    If nobody likes a bad item, every expected gain falls by the share rho: the gap is -rho times the mean of the group without bias.
    """

    def __init__(self, inner, rho: float, users: Collection[int], bad: np.ndarray, seed: int = 0):
        super().__init__(inner, rho, seed)
        self.users, self.bad = np.asarray(sorted(users)), np.asarray(bad)

    def _open(self, lists, users):
        return np.isin(np.asarray(users), self.users)[:, None]

    def _replacement(self, lists, rng):
        return _different(lists, self.bad, rng)


class ProviderBias(_Injected):
    """Takes each place from an item of ``group`` with chance phi, and gives it to a random item of another group.

    The group's expected exposure share falls by the share phi. groups: [n_items] labels.
    """

    def __init__(self, inner, phi: float, groups: np.ndarray, group: str, seed: int = 0):
        super().__init__(inner, phi, seed)
        self.member = np.asarray(groups) == group

    def _open(self, lists, users):
        return self.member[np.maximum(lists, 0)]

    def _replacement(self, lists, rng):
        return _different(lists, np.flatnonzero(~self.member), rng)


class OutOfCatalogue(_Injected):
    """Replaces each place, with chance omega, by an item that does not exist: the rate of unknown items is omega."""

    def __init__(self, inner, omega: float, n_items: int, seed: int = 0):
        super().__init__(inner, omega, seed)
        self.n_items = n_items

    def _replacement(self, lists, rng):
        return self.n_items + np.arange(lists.shape[1]) + 0 * lists


def _different(lists: np.ndarray, pool: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """[n, k] items of the pool, all different in a row, and none that the row's list holds already where the pool has enough."""
    n, k = lists.shape
    order = rng.random((n, len(pool)))
    order[(lists[:, :, None] == pool).any(axis=1)] += 1  # those already shown come last
    return pool[np.argpartition(order, min(k, len(pool)) - 1, axis=1)[:, :k]]


def reworded(lists: np.ndarray, kappa: float, n_items: int, *, seed: int = 0) -> np.ndarray:
    """Lists as after another wording of the prompt: each place swapped, with chance kappa, for a random item that was not in the list."""
    rng = np.random.default_rng([seed, 73])
    return np.where(rng.random(lists.shape) < kappa, _different(lists, np.arange(n_items), rng), lists)


def true_dissimilarity(kappa: float, k: int) -> float:
    """Expected 1 - Jaccard between a list of k and `reworded`: n of k places stay, n binomial, Jaccard n / (2k - n).

    >>> true_dissimilarity(0.0, 10), true_dissimilarity(1.0, 10)
    (0.0, 1.0)
    """
    kept = np.arange(k + 1)
    return float(1 - (binom.pmf(kept, k, 1 - kappa) * kept / (2 * k - kept)).sum())


def position_biased(order: np.ndarray, beta: float, *, seed: int = 0) -> np.ndarray:
    """A ranker that gives back its input order with chance beta, else its own: [n, c] positions in the input, best first.

    order: [n, c], its own order. The expected Kendall tau between random input orders and outputs is beta.
    """
    copied = np.random.default_rng([seed, 79]).random(len(order)) < beta
    return np.where(copied[:, None], np.arange(order.shape[1]), order)


def leaking_states(group: np.ndarray, delta: float, d: int = 16, *, seed: int = 0) -> np.ndarray:
    """User states that give the group away: unit noise in d dimensions, plus delta along one direction for its members: [n, d]."""
    rng = np.random.default_rng([seed, 83])
    direction = rng.normal(size=d)
    return rng.normal(size=(len(group), d)) + delta * np.asarray(group)[:, None] * direction / np.linalg.norm(direction)


def true_auc(delta: float) -> float:
    """The best AUC between two normal distributions delta standard deviations apart: Phi(delta / sqrt 2). Also of membership scores.

    >>> round(true_auc(1.0), 3)
    0.76
    """
    return float(ndtr(delta / np.sqrt(2)))
