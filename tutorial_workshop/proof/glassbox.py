"""A synthetic world whose users, tastes and merits are known, so that an audit can be audited.

The catalogue is fixed by ``world_seed`` and the users are drawn by ``user_seed``: the audit takes
the catalogue as given, and so the truth is a mean over all users that could have been drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tutorial_lib.data import Dataset, DatasetCard, Split
from tutorial_lib.errors import check_number, check_whole
from tutorial_lib.recommender import top_k

N_ITEMS, N_GENRES, N_PROVIDERS, N_UNWANTED = 400, 8, 20, 40
MINORITY_PROVIDERS = 6
# Of ten items of a genre, best first, those of minority providers: as good as the others.
PATTERN = (1, 4, 8)
GROUP_B = 0.3  # share of the users
NEVER = -60.0  # log-preference for what nobody takes
HISTORY, TARGETS = 15, 15  # items of a user that are known, and that are held out


@dataclass(frozen=True)
class GlassBox:
    """A world with its truth.

    Args:
        dataset, split: as anything else that can be audited.
        utility: [n_users, n_items], the log-preference of every user for every item.
        unwanted: [u] items that nobody likes: a place that shows one is lost, whoever looks.
        group: [n_users] bool, True for group B.
    """

    dataset: Dataset
    split: Split
    utility: np.ndarray
    unwanted: np.ndarray
    group: np.ndarray


class IdealRanker:
    """Ranks items by the users' true preference: the best possible, and the same for everybody."""

    def __init__(self, world: GlassBox):
        self.utility = world.utility
        self.n_items = world.dataset.n_items

    def fit(self, split, *, seed: int = 0, progress: bool = True) -> IdealRanker:
        return self

    def recommend(
        self,
        histories,
        k: int = 10,
        *,
        users: Sequence[int] | None = None,
        exclude_seen: bool = True,
    ) -> np.ndarray:
        scores = self.utility[np.asarray(users)]
        return top_k(scores, k, exclude=histories if exclude_seen else None)


def make_world(
    n_users: int,
    *,
    user_seed: int = 0,
    world_seed: int = 0,
    taste_gap: float = 0.0,
    size_gap: float = 0.0,
) -> GlassBox:
    """Draw a world. Every user takes 30 items by taste: 15 make the history, 15 are held out.

    Minority providers (30 % of the items) are as good as the others in every genre. Attributes of
    users: group (A 70 %, B 30 %), age (3 bands), region (4); only the two gaps tie anything to a
    group.

    Args:
        n_users: 2 or more.
        user_seed, world_seed: of the users, and of the catalogue.
        taste_gap: 0 = both groups alike; above 0 group B's tastes are broader, hence harder to
            predict, and the service is still the same.
        size_gap: 0 to below 1; above 0 only a part of each history is on record, 80 % in group A
            and in B this share less; nobody is offered the rest again.

    >>> world = make_world(50)
    >>> world.dataset.n_items, len(world.split.test_target[0])
    (400, 15)
    """
    check_whole("make_world", 2, n_users=n_users)
    check_number("make_world", "[0, 1)", size_gap=size_gap)
    check_number("make_world", "[0, inf)", taste_gap=taste_gap)
    genre, provider, quality, unwanted = _catalogue(world_seed)
    rng = np.random.default_rng([world_seed, user_seed, 2])
    group = rng.random(n_users) < GROUP_B
    breadth = np.where(group, 0.3 * (1 + taste_gap), 0.3)
    taste = rng.gamma(np.repeat(breadth[:, None], N_GENRES, axis=1))
    taste /= taste.sum(axis=1, keepdims=True)
    utility = np.log(taste + 0.02)[:, genre] + quality
    # the largest sums of log-preference and Gumbel noise: a draw without replacement
    noisy = utility + rng.gumbel(size=utility.shape)
    n_taken = HISTORY + TARGETS
    taken = np.sort(np.argpartition(-noisy, n_taken, axis=1)[:, :n_taken], axis=1)
    taken = rng.permuted(taken, axis=1)
    n_known = np.full(n_users, HISTORY)
    if size_gap:
        recorded = np.where(group, 0.8 * (1 - size_gap), 0.8)
        n_known = np.maximum(rng.binomial(HISTORY, recorded), 1)
    forgotten = np.arange(HISTORY) >= n_known[:, None]
    utility[np.nonzero(forgotten)[0], taken[:, :HISTORY][forgotten]] = NEVER
    histories = [items[:n] for items, n in zip(taken, n_known, strict=True)]
    users = {
        "group": np.where(group, "B", "A"),
        "age": np.array(["young", "middle", "old"])[rng.integers(0, 3, n_users)],
        "region": np.array(["north", "east", "south", "west"])[rng.integers(0, 4, n_users)],
    }
    targets = list(taken[:, HISTORY:])
    dataset = _dataset(histories, targets, genre, provider, users)
    return GlassBox(dataset, _split(dataset, histories, targets), utility, unwanted, group)


def _catalogue(world_seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Genre, provider and quality of every item, and the unwanted items."""
    rng = np.random.default_rng([world_seed, 1])
    genre = rng.integers(0, N_GENRES, N_ITEMS)
    quality = rng.normal(0, 0.5, N_ITEMS)
    unwanted = np.sort(rng.permutation(N_ITEMS)[:N_UNWANTED])
    quality[unwanted] = NEVER
    best_first = np.lexsort((-quality, genre))
    rank = np.empty(N_ITEMS, dtype=int)  # within the genre
    rank[best_first] = np.arange(N_ITEMS) - np.searchsorted(genre[best_first], genre[best_first])
    minority = rng.integers(0, MINORITY_PROVIDERS, N_ITEMS)
    majority = rng.integers(MINORITY_PROVIDERS, N_PROVIDERS, N_ITEMS)
    provider = np.where(np.isin(rank % 10, PATTERN), minority, majority)
    return genre, provider, quality, unwanted


def _split(dataset: Dataset, histories: list[np.ndarray], targets: list[np.ndarray]) -> Split:
    return Split(
        dataset,
        f"{TARGETS} held out",
        users=np.arange(len(histories)),
        train=histories,
        valid_history=histories,
        valid_target=[np.empty(0, dtype=np.int64)] * len(histories),
        test_history=histories,
        test_target=targets,
    )


def _dataset(
    histories: list[np.ndarray],
    targets: list[np.ndarray],
    genre: np.ndarray,
    provider: np.ndarray,
    users: dict[str, np.ndarray],
) -> Dataset:
    sequences = [np.concatenate(pair) for pair in zip(histories, targets, strict=True)]
    n_users = len(sequences)
    user = np.repeat(np.arange(n_users), [len(items) for items in sequences])
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
        "categories": [(f"genre {g}",) for g in genre],
        "provider": [f"provider {p}" for p in provider],
        "provider_group": np.where(provider < MINORITY_PROVIDERS, "minority", "majority"),
    }
    people = {"user_id": np.arange(n_users).astype(str)} | users
    source = "made by tutorial_workshop.proof.glassbox"
    card = DatasetCard("glass-box", "A world whose truth is known", source, "CC BY 4.0")
    return Dataset(
        "glass-box", pd.DataFrame(events), pd.DataFrame(items), pd.DataFrame(people), card
    )
