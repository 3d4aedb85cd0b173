"""The one contract everything that recommends obeys, from a popularity counter to a prompted
language model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from tutorial_lib.data.histories import Histories, check_histories, flatten
from tutorial_lib.errors import InputError, check_whole, is_whole


@runtime_checkable
class Recommender(Protocol):
    """Fit on the training part of a split, then score or rank the whole catalogue."""

    def fit(self, split, *, seed: int = 0, progress: bool = True) -> Recommender: ...

    def score(self, histories: Histories, users: Sequence[int] | None = None) -> np.ndarray:
        """[n, n_items], higher is better.

        Args:
            histories: one sequence of item codes per row, oldest first.
            users: user codes, one per row, for models that know users.
        """
        ...

    def recommend(
        self,
        histories: Histories,
        k: int = 10,
        *,
        users: Sequence[int] | None = None,
        exclude_seen: bool = True,
    ) -> np.ndarray:
        """[n, k] item codes, best first; -1 fills the end where fewer than k may be recommended."""
        ...


class ScoreRecommender:
    """Base of every recommender that scores the whole catalogue: `recommend` is `score`, without
    seen items, top k (where a model knows a shorter way to the same list, it overrides `_best`).
    """

    n_items: int  # set by fit

    def score(self, histories: Histories, users: Sequence[int] | None = None) -> np.ndarray:
        raise NotImplementedError

    def recommend(
        self,
        histories: Histories,
        k: int = 10,
        *,
        users: Sequence[int] | None = None,
        exclude_seen: bool = True,
        block: int = 1024,
    ) -> np.ndarray:
        n_items = fitted(self).n_items
        if not is_whole(k) or not 1 <= k <= n_items:
            raise InputError(
                f"recommend(k={k}): k must lie in 1..{n_items}, the size of the catalogue"
            )
        check_whole("recommend", 1, block=block)
        check_histories(histories, n_items)
        listed: Any = list(histories)
        if users is not None and len(users) != len(listed):
            raise InputError(
                f"recommend: {len(listed)} histories but {len(users)} users; "
                "expected one user per history"
            )
        out = np.empty((len(listed), k), dtype=np.int64)
        for start in range(0, len(listed), block):
            rows = slice(start, start + block)
            some: Any = None if users is None else np.asarray(users)[rows]
            out[rows] = self._best(listed[rows], k, some, exclude_seen)
        return out

    def _best(self, histories: Any, k: int, users: Any, exclude_seen: bool) -> np.ndarray:
        """`recommend` of one block of histories."""
        scores = self.score(histories, users=users)
        check_shape(self, scores, len(histories), self.n_items)
        return top_k(scores, k, exclude=histories if exclude_seen else None)


def fitted(recommender):
    """The recommender itself, or one clear line if `fit` was not called yet."""
    if not hasattr(recommender, "n_items"):
        name = type(recommender).__name__
        raise InputError(
            f"{name} is not fitted: call {name}().fit(split) before score, recommend or evaluate"
        )
    return recommender


def check_shape(recommender, scores: np.ndarray, n_rows: int, n_items: int) -> None:
    """InputError unless ``score`` gave one row per history and one column per item."""
    if np.shape(scores) != (n_rows, n_items):
        raise InputError(
            f"{type(recommender).__name__}.score returned shape {np.shape(scores)}, expected "
            f"({n_rows}, {n_items}): one row per history, one column per item"
        )


def refuse_nan(scores: np.ndarray, names: Sequence | None = None) -> None:
    """InputError that names the first row with NaN; ``names``: user of each row, where known."""
    bad = np.flatnonzero(np.isnan(scores).any(axis=1))
    if len(bad):
        where = f"row {bad[0]}" if names is None else f"user {names[bad[0]]}"
        raise InputError(
            f"scores of {where} contain NaN: a ranking needs numbers (log-probabilities and -inf "
            "are fine)"
        )


def top_k(scores: np.ndarray, k: int, exclude: Histories | None = None) -> np.ndarray:
    """[n, k] columns with the highest scores, best first; equal scores: lower column first.

    Args:
        scores: [n, n_items].
        k: 1..n_items.
        exclude: item codes per row that may not appear (nor may items scored -inf); where fewer
            than k remain, the row ends in -1.

    Raises:
        InputError: some score is NaN.
    """
    refuse_nan(scores)
    if exclude is not None:
        items, rows = flatten(exclude)
        scores = scores.copy()
        scores[rows, items] = -np.inf
    order = _top_columns(scores, k)
    if exclude is not None:
        order[np.take_along_axis(scores, order, axis=1) == -np.inf] = -1
    return order


def _top_columns(scores: np.ndarray, k: int) -> np.ndarray:
    """[n, k] columns by descending score, then ascending column."""
    columns = np.argpartition(scores, -k, axis=1)[:, -k:]
    bound = np.take_along_axis(scores, columns, axis=1).min(axis=1, keepdims=True)
    # argpartition picks arbitrarily among scores equal to the k-th: rows where that matters are
    # sorted in full
    cut = np.flatnonzero((scores >= bound).sum(axis=1) > k)
    columns[cut] = np.argsort(-scores[cut], axis=1, kind="stable")[:, :k]
    columns.sort(axis=1)
    best = np.argsort(-np.take_along_axis(scores, columns, axis=1), axis=1, kind="stable")
    return np.take_along_axis(columns, best, axis=1)
