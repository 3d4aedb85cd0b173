"""Likes without a language model: what a title's words have to beat."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tutorial_lib.data.likes import Rated, rated_histories
from tutorial_lib.data.splits import Split
from tutorial_lib.models.baselines import ease_weights


class RandomLikes:
    """A number drawn for each question: AUC one half, and its spread."""

    def fit(self, split: Split) -> RandomLikes:
        return self

    def score(self, histories: Sequence[Rated], items: Sequence[Sequence[int]]) -> list[np.ndarray]:
        """For each history, a number for each of its ``items``, higher: rather liked."""
        rng = np.random.default_rng(len(histories))
        return [rng.random(len(asked)) for asked in items]


class LikeShare:
    """The share of users who liked an item, drawn towards the overall share as if ``prior`` more
    users had given that.
    """

    def __init__(self, prior: float = 3.0):
        self.prior = prior

    def fit(self, split: Split) -> LikeShare:
        liked, given = (np.zeros(split.dataset.n_items) for _ in range(2))
        for rated in rated_histories(split):
            np.add.at(given, rated.items, 1)
            np.add.at(liked, rated.items, rated.liked)
        overall = liked.sum() / max(given.sum(), 1)
        self.counts = (liked + self.prior * overall) / (given + self.prior)  # [n_items]
        return self

    def score(self, histories: Sequence[Rated], items: Sequence[Sequence[int]]) -> list[np.ndarray]:
        """As in `RandomLikes`."""
        return [self.counts[np.asarray(asked)] for asked in items]


class SignedEASE:
    """`EASE` on a matrix of +1 (liked), -1 (disliked) and 0 (Steck 2019, arXiv 1905.03375, eq. 8),
    beside the item's own `LikeShare`.
    """

    def __init__(self, regularisation: float = 200.0):
        self.regularisation = regularisation

    def fit(self, split: Split) -> SignedEASE:
        self.share = LikeShare().fit(split)
        signs = self._signs(rated_histories(split), split.dataset.n_items)  # [n_users, n_items]
        self.weights = ease_weights(signs.T @ signs, self.regularisation)
        return self

    @staticmethod
    def _signs(histories: Sequence[Rated], n_items: int) -> np.ndarray:
        out = np.zeros((len(histories), n_items))
        for row, rated in enumerate(histories):
            out[row, rated.items] = np.where(rated.liked, 1.0, -1.0)
        return out

    def score(self, histories: Sequence[Rated], items: Sequence[Sequence[int]]) -> list[np.ndarray]:
        """As in `RandomLikes`."""
        scores = self._signs(histories, len(self.weights)) @ self.weights + self.share.counts
        return [row[np.asarray(asked)] for row, asked in zip(scores, items, strict=True)]


LIKE_BASELINES = {"random": RandomLikes, "popularity": LikeShare, "ease": SignedEASE}
