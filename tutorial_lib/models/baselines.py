"""Baselines every language model has to beat; each a `Recommender` that is fitted in well under a
second.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from tutorial_lib.data.histories import Histories, check_histories, flatten, positions
from tutorial_lib.errors import InputError, check_number, check_seed, check_whole, unknown_name
from tutorial_lib.language.id_schemes import SCHEMES, item_ids
from tutorial_lib.recommender import ScoreRecommender, fitted


def interaction_matrix(histories: Histories, n_items: int) -> sparse.csr_matrix:
    """[n, n_items] matrix of how often each history holds each item."""
    items, rows = check_histories(histories, n_items)
    return sparse.csr_matrix((np.ones(len(items)), (rows, items)), shape=(len(histories), n_items))


def recency_matrix(
    histories: Histories, n_items: int, last: int, decay: float
) -> sparse.csr_matrix:
    """[n, n_items] matrix with decay ** age of the ``last`` newest items of each history (age 0:
    the newest).
    """
    check_histories(histories, n_items)  # all of each, not only the newest
    items, rows = flatten([np.asarray(history[-last:])[::-1] for history in histories])
    age = positions(np.bincount(rows, minlength=len(histories)))
    return sparse.csr_matrix((decay**age, (rows, items)), shape=(len(histories), n_items))


class Popularity(ScoreRecommender):
    """Scores every item by its number of training interactions, for everybody alike."""

    def fit(self, split, *, seed: int = 0, progress: bool = True) -> Popularity:
        self.n_items = split.dataset.n_items
        counts = np.bincount(flatten(split.train)[0], minlength=self.n_items)
        self.counts = counts.astype(np.float64)
        return self

    def score(self, histories: Histories, users: Sequence[int] | None = None) -> np.ndarray:
        check_histories(histories, fitted(self).n_items)
        return np.tile(self.counts, (len(histories), 1))


class Random(ScoreRecommender):
    """Uniform noise, of history and seed only: the floor of every leaderboard."""

    def fit(self, split, *, seed: int = 0, progress: bool = True) -> Random:
        check_seed("Random.fit", seed)
        self.n_items, self.seed = split.dataset.n_items, seed
        return self

    def score(self, histories: Histories, users: Sequence[int] | None = None) -> np.ndarray:
        check_histories(histories, fitted(self).n_items)
        # one generator per row, keyed by the history: blocks of rows and their order change nothing
        out = np.empty((len(histories), self.n_items))
        for row, history in enumerate(histories):
            out[row] = np.random.default_rng([self.seed, *map(int, history)]).random(self.n_items)
        return out


class TransitionKNN(ScoreRecommender):
    """Items that stood near the user's newest items in other users' sequences, decayed by distance
    on both sides.

    An item j at most ``window`` steps after i adds ``window_decay ** (distance - 1)`` to the pair
    (i, j), and ``reverse`` times that to (j, i); the pair is divided by ``count_i ** source_power *
    count_j ** target_power``. A history is its ``last`` newest items, weighted ``decay ** age``.
    Items near none of them are ranked by popularity, far below the rest. With ``window=1,
    reverse=0, last=1, target_power=0`` it is a first-order Markov chain.

    The defaults were chosen on validation targets of MovieLens-100K (``benchmarks/baselines.py
    --tune``).
    Related: sequential rules in Ludewig & Jannach 2018, arXiv 1803.09587, section 3.
    """

    def __init__(
        self,
        last: int = 10,
        decay: float = 0.8,
        window: int = 20,
        window_decay: float = 0.9,
        reverse: float = 0.7,
        source_power: float = 0.5,
        target_power: float = 0.4,
    ):
        check_whole("TransitionKNN", 1, last=last, window=window)
        check_number("TransitionKNN", "(0, 1]", decay=decay, window_decay=window_decay)
        check_number("TransitionKNN", "[0, inf)", reverse=reverse)
        check_number(
            "TransitionKNN", "(-inf, inf)", source_power=source_power, target_power=target_power
        )
        self.last, self.decay, self.window, self.window_decay = last, decay, window, window_decay
        self.reverse, self.source_power, self.target_power = reverse, source_power, target_power

    def fit(self, split, *, seed: int = 0, progress: bool = True) -> TransitionKNN:
        n = self.n_items = split.dataset.n_items
        items, rows = flatten(split.train)
        counts = np.maximum(np.bincount(items, minlength=n), 1).astype(np.float64)
        near = sparse.csr_matrix((n, n))
        for distance in range(1, min(self.window, len(items) - 1) + 1):
            same = rows[distance:] == rows[:-distance]  # both items belong to one user
            pairs = (items[:-distance][same], items[distance:][same])
            weights = np.full(same.sum(), self.window_decay ** (distance - 1))
            near = near + sparse.csr_matrix((weights, pairs), shape=(n, n))
        near = near + self.reverse * near.T
        source = sparse.diags(counts**-self.source_power)
        target = sparse.diags(counts**-self.target_power)
        self.transitions = (source @ near @ target).tocsr()
        self.backoff = 1e-9 * counts / counts.max()
        return self

    def score(self, histories: Histories, users: Sequence[int] | None = None) -> np.ndarray:
        weights = recency_matrix(histories, fitted(self).n_items, self.last, self.decay)
        return (weights @ self.transitions).toarray() + self.backoff


class ItemKNN(ScoreRecommender):
    """Cosine similarity between items' sets of users, the ``k`` nearest kept (Sarwar et al. 2001),
    with shrinkage.
    """

    def __init__(self, k: int = 100, shrink: float = 10.0):
        check_whole("ItemKNN", 1, k=k)
        check_number("ItemKNN", "[0, inf)", shrink=shrink)
        self.k, self.shrink = k, shrink

    def fit(self, split, *, seed: int = 0, progress: bool = True) -> ItemKNN:
        n = self.n_items = split.dataset.n_items
        x = interaction_matrix(split.train, n)
        x.data[:] = 1.0
        together = (x.T @ x).tocoo()
        norms = np.sqrt(np.asarray(x.sum(axis=0)).ravel())
        off = together.row != together.col
        row, col, both = together.row[off], together.col[off], together.data[off]
        value = both / (norms[row] * norms[col] + self.shrink)
        by_target = np.argsort(col, kind="stable")
        ends = np.cumsum(np.bincount(col, minlength=n))
        nearest = [
            some[np.argsort(-value[some], kind="stable")[: self.k]]
            for some in np.split(by_target, ends[:-1])
        ]
        near = np.concatenate(nearest)
        self.similarity = sparse.csr_matrix((value[near], (row[near], col[near])), shape=(n, n))
        return self

    def score(self, histories: Histories, users: Sequence[int] | None = None) -> np.ndarray:
        return (interaction_matrix(histories, fitted(self).n_items) @ self.similarity).toarray()


class EASE(ScoreRecommender):
    """Linear item-item weights in closed form, diagonal zero (Steck 2019, arXiv 1905.03375, eq. 8).

    ``regularisation`` is lambda. Memory and time grow with n_items squared and cubed: for
    catalogues up to about 20,000 items.
    """

    def __init__(self, regularisation: float = 300.0):
        check_number("EASE", "(0, inf)", regularisation=regularisation)
        self.regularisation = regularisation

    def fit(self, split, *, seed: int = 0, progress: bool = True) -> EASE:
        n = self.n_items = split.dataset.n_items
        x = interaction_matrix(split.train, n)
        x.data[:] = 1.0
        self.weights = ease_weights((x.T @ x).toarray(), self.regularisation)
        return self

    def score(self, histories: Histories, users: Sequence[int] | None = None) -> np.ndarray:
        return np.asarray(interaction_matrix(histories, fitted(self).n_items) @ self.weights)


def ease_weights(gram: np.ndarray, regularisation: float) -> np.ndarray:
    """The item-to-item weights [n, n] of EASE from X^T X, zero on the diagonal; changes ``gram``.

    Source: Steck 2019, eq. 8.
    """
    diagonal = np.diag_indices(len(gram))
    gram[diagonal] += regularisation
    inverse = np.linalg.inv(gram)
    weights = -inverse / np.diag(inverse)
    weights[diagonal] = 0.0
    return weights


class NextNumber(ScoreRecommender):
    """Recommends the numbers max(history) + 1, + 2, ...; all other items stand below, the nearest
    first.

    The rule has learnt nothing: with "random" IDs it is as good as chance, and what it scores above
    that was in the IDs. Under "leak-prone", and under "as-given" where the file was numbered so,
    that is the held-out items themselves; under the other schemes it is what training shows. Run it
    beside every model that reads item IDs as text, for the model can find this rule too (reported
    for P5: S. Rajput 2023, github.com/jeykigung/P5/pull/3).

    Args:
        ids_scheme: How items get their numbers, a key of `language.id_schemes.SCHEMES`.

    >>> from tutorial_lib.data import leave_last_out, load_dataset
    >>> split = leave_last_out(load_dataset("world-news"))
    >>> NextNumber("as-given").fit(split).recommend([[7, 3]], k=3).tolist()
    [[8, 9, 10]]
    """

    def __init__(self, ids_scheme: str = "leak-prone"):
        if ids_scheme not in SCHEMES:
            raise unknown_name("ids_scheme of NextNumber", ids_scheme, SCHEMES)
        self.ids_scheme = ids_scheme

    def fit(self, split, *, seed: int = 0, progress: bool = True) -> NextNumber:
        self.n_items = split.dataset.n_items
        self.ids = item_ids(split, self.ids_scheme, seed=seed)
        return self

    def score(self, histories: Histories, users: Sequence[int] | None = None) -> np.ndarray:
        items, rows = check_histories(histories, fitted(self).n_items)
        largest = np.zeros(len(histories), dtype=np.int64)
        np.maximum.at(largest, rows, self.ids.numbers[items])
        ahead = self.ids.numbers - largest[:, None]  # [n, n_items]: 1 for the next number
        return np.where(ahead > 0, self.n_items - ahead, ahead - 1.0)


class Oracle(ScoreRecommender):
    """The exact next-item probabilities of a planted world: the ceiling of every leaderboard on it.

    ``know_types=True`` also uses each user's true taste type, which no model can see; it then needs
    ``users``.
    """

    def __init__(self, know_types: bool = False):
        self.know_types = know_types

    def fit(self, split, *, seed: int = 0, progress: bool = True) -> Oracle:
        if split.dataset.truth is None:
            raise InputError(
                f"Oracle: {split.dataset.name!r} has no known truth; it exists for planted worlds"
                " only (world-movies, world-products, world-news)"
            )
        self.n_items, self.truth = split.dataset.n_items, split.dataset.truth
        return self

    def score(self, histories: Histories, users: Sequence[int] | None = None) -> np.ndarray:
        if fitted(self).know_types and users is None:
            raise InputError(
                "Oracle(know_types=True).score needs users=..., one user code per history"
            )
        users = users if self.know_types else None
        return self.truth.next_item_probabilities(histories, users=users)
