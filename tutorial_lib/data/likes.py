"""Ratings as likes and dislikes, in the order in which a user gave them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tutorial_lib.data.splits import Split
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


def rated_histories(split: Split, part: str = "train") -> list[Rated]:
    """The histories of a split with their likes, one per row of the split.

    Args:
        split: of a dataset with ratings.
        part: field of the split, such as "train" or "test_history".

    Raises:
        InputError: some interaction has no rating.
    """
    ds = split.dataset
    table = ds.interactions
    if table["rating"].isna().any():
        raise InputError(
            f"likes of {ds.name}: some interactions have no rating; expected a dataset with "
            "ratings, such as ml-100k"
        )
    # one number per (user, item), sorted, so that a rating is found by bisection
    pairs = table["user"].to_numpy() * ds.n_items + table["item"].to_numpy()
    order = np.argsort(pairs, kind="stable")
    pairs = pairs[order]
    liked = table["rating"].to_numpy()[order] >= LIKED
    out = []
    for user, items in zip(split.users, getattr(split, part), strict=True):
        items = np.asarray(items, dtype=np.int64)
        out.append(Rated(items, liked[np.searchsorted(pairs, user * ds.n_items + items)]))
    return out


def drawn_likes(
    rated: Sequence[Rated], size: int, rng: np.random.Generator
) -> tuple[list[Rated], list[int], list[float]]:
    """``size`` ratings, each with those before it: (histories, items, 1.0 where it is a like)."""
    able = [one for one in rated if len(one.items) > 2]
    weights = np.array([len(one.items) - 2 for one in able], dtype=float)
    drawn = [able[row] for row in rng.choice(len(able), size=size, p=weights / weights.sum())]
    ends = [int(rng.integers(2, len(one.items))) for one in drawn]
    pairs = list(zip(drawn, ends, strict=True))
    return (
        [one.before(end) for one, end in pairs],
        [one.items[end] for one, end in pairs],
        [float(one.liked[end]) for one, end in pairs],
    )
