"""Ratings as likes and dislikes, in the order in which a user gave them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tutorial_lib.errors import InputError

LIKED = 4.0  # a rating from here on is a like


@dataclass(frozen=True)
class Rated:
    """One user's rated items in time order: int codes and whether each was liked, both [n]."""

    items: np.ndarray
    liked: np.ndarray

    def before(self, end: int) -> Rated:
        """The first ``end`` ratings."""
        return Rated(self.items[:end], self.liked[:end])


def rated_histories(split, part: str = "train") -> list[Rated]:
    """The histories of a split with their likes, a row of the split each.

    part: field of the split, "train", "valid_history", "valid_target", "test_history" or
        "test_target".
    Raises InputError for a dataset without ratings.
    """
    ds = split.dataset
    given = ds.interactions["rating"].to_numpy()
    if np.isnan(given).any():
        raise InputError(
            f"likes of {ds.name}: some interactions have no rating; expected a dataset with"
            " ratings, such as ml-100k"
        )
    pairs = (
        ds.interactions["user"].to_numpy() * np.int64(ds.n_items)
        + ds.interactions["item"].to_numpy()
    )
    order = np.argsort(pairs, kind="stable")
    keys, liked = pairs[order], given[order] >= LIKED
    out = []
    for user, items in zip(split.users, getattr(split, part), strict=True):
        items = np.asarray(items, dtype=np.int64)
        out.append(Rated(items, liked[np.searchsorted(keys, user * np.int64(ds.n_items) + items)]))
    return out
