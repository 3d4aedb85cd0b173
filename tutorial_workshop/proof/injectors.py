"""Injectors that put a harm of known size into any recommender.

Does the audit find what was injected, at its true size, and stay silent where nothing was?
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from zlib import crc32

import numpy as np

from tutorial_lib.data.histories import flatten
from tutorial_lib.errors import InputError


class _Injected:
    """A recommender around another.

    What happens to a user's list depends on seed and user alone, not on who else is asked for.
    """

    def __init__(self, inner, chance: float, seed: int):
        if not 0 <= chance <= 1:
            raise InputError(
                f"{type(self).__name__}: the chance per place is {chance}; expected 0..1"
            )
        self.inner = inner
        self.chance = chance
        self.seed = seed

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
        name = type(self).__name__
        if users is None:
            raise InputError(
                f"{name}.recommend: users is missing; pass the code of the user of every history"
            )
        given = self.inner.recommend(histories, k, users=users, exclude_seen=exclude_seen)
        lists = np.array(given, dtype=np.int64)
        codes = np.asarray(users)
        # salted by name: two injectors around each other must not hit the same places
        drawn = uniform(self.seed + crc32(name.encode()), codes, lists.shape[1]) < self.chance
        hit = drawn & (lists >= 0) & self._may_change(lists, codes)
        seen = histories if exclude_seen else []
        return np.where(hit, self._replacement(lists, codes, seen), lists)

    def _may_change(self, lists: np.ndarray, users: np.ndarray) -> np.ndarray:
        """Which places may be changed: bool, [n, k] or [n, 1]."""
        return np.ones((len(lists), 1), dtype=bool)

    def _replacement(
        self, lists: np.ndarray, users: np.ndarray, seen: Sequence[np.ndarray]
    ) -> np.ndarray:
        """What stands in a changed place: [n, k]."""
        raise NotImplementedError


class UserBias(_Injected):
    """Spoils each place of the lists of ``users`` with chance rho: it shows one of ``bad``.

    If nobody likes a bad item, every expected gain falls by the share rho: the gap is -rho times
    the mean of the group without bias.
    """

    def __init__(self, inner, rho: float, users: Collection[int], bad: np.ndarray, seed: int = 0):
        super().__init__(inner, rho, seed)
        self.users = np.asarray(sorted(users), dtype=np.int64)
        self.bad = np.asarray(bad)

    def _may_change(self, lists, users):
        return np.isin(users, self.users)[:, None]

    def _replacement(self, lists, users, seen):
        return others(self.bad, lists, seen, self.seed, users)


class ProviderBias(_Injected):
    """Takes each place from an item of ``group`` with chance phi, and gives it to another group.

    The group's expected exposure share falls by the share phi. groups: [n_items] labels.
    """

    def __init__(
        self, inner, phi: float, groups: Sequence[str] | np.ndarray, group: str, seed: int = 0
    ):
        super().__init__(inner, phi, seed)
        self.member = np.asarray(groups) == group

    def _may_change(self, lists, users):
        return (lists < len(self.member)) & self.member[np.clip(lists, 0, len(self.member) - 1)]

    def _replacement(self, lists, users, seen):
        return others(np.flatnonzero(~self.member), lists, seen, self.seed, users)


class OutOfCatalogue(_Injected):
    """Replaces each place, with chance omega, by an item that does not exist."""

    def __init__(self, inner, omega: float, n_items: int, seed: int = 0):
        super().__init__(inner, omega, seed)
        self.n_items = n_items

    def _replacement(self, lists, users, seen):
        return self.n_items + np.arange(lists.shape[1]) + 0 * lists


def uniform(seed: int, keys: np.ndarray, columns: int) -> np.ndarray:
    """Uniform numbers in [0, 1), [n, columns]; each row depends on the seed and its own key only.

    A generator that is drawn from in turn would make a user's list depend on who is asked for
    first. This one hashes (seed, key, column): SplitMix64, by Steele, Lea & Flood 2014.
    """
    x = np.asarray(keys).astype(np.uint64)[:, None] * np.uint64(0x9E3779B97F4A7C15)
    x = x + np.arange(1, columns + 1, dtype=np.uint64) * np.uint64(0xD1342543DE82EF95)
    x = x + np.uint64(seed * 0x2545F4914F6CDD1D % 2**64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)) * 2:
        x = (x ^ (x >> np.uint64(shift))) * np.uint64(factor)
    return ((x ^ (x >> np.uint64(31))) >> np.uint64(11)) / 2.0**53


def others(
    pool: np.ndarray, lists: np.ndarray, seen: Sequence[np.ndarray], seed: int, keys: np.ndarray
) -> np.ndarray:
    """Items of the pool to put into each row, drawn by seed and the row's key: [n, k].

    Different within a row, none of them in the row's list or history while the pool has enough.
    """
    n, k = lists.shape
    taken = np.zeros((n, int(max(pool.max(), lists.max(initial=0))) + 1), dtype=bool)
    np.put_along_axis(taken, np.maximum(lists, 0), lists >= 0, axis=1)
    if len(seen):
        items, rows = flatten(list(seen))
        inside = items < taken.shape[1]
        taken[rows[inside], items[inside]] = True
    order = uniform(seed + 1, keys, len(pool)) + taken[:, pool]  # those taken come last
    return pool[np.argsort(order, axis=1)[:, np.arange(k) % min(k, len(pool))]]
