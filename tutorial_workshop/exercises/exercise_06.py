"""Checks of notebook 06: a strategy of your own, which plays by the rules of the experiment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np

from tutorial_lib.errors import InputError
from tutorial_lib.recommender import ScoreRecommender
from tutorial_workshop.exercises.checks import Mistake

N_ITEMS, N_USERS, LENGTH, LABELS = 30, 40, 9, 20  # of the small world to check in


class WeightedSum(ScoreRecommender):
    """Adds up the scores of several recommenders, standardised in each history (mean 0, spread 1).

    Args:
        parts: fitted recommenders of one catalogue.
        weights: one per part, any numbers.
    """

    def __init__(self, parts: Sequence, weights: Sequence[float]):
        if not len(parts) == len(weights) > 0:
            raise InputError(
                f"WeightedSum: {len(parts)} parts and {len(weights)} weights; give one weight per"
                " part, and at least one part"
            )
        self.parts = list(parts)
        self.weights = list(weights)
        self.n_items = parts[0].n_items

    def score(self, histories, users=None) -> np.ndarray:
        """[n, n_items]."""
        total = np.zeros((len(histories), self.n_items))
        for part, weight in zip(self.parts, self.weights, strict=True):
            scores = np.asarray(part.score(histories, users=users), dtype=float)
            spread = scores.std(axis=1, keepdims=True)
            centred = scores - scores.mean(axis=1, keepdims=True)
            total += weight * centred / np.where(spread > 0, spread, 1.0)
        return total


@cache
def _split(kept: tuple[int, ...] = tuple(range(N_USERS)), other_targets: bool = False):
    """A small world in which some items are popular.

    Args:
        kept: users whose histories stay; all others get other items.
        other_targets: True changes the held-out items of all users.
    """
    import pandas as pd

    from tutorial_lib.data import Dataset, DatasetCard, leave_last_out

    rng = np.random.default_rng(6)
    chance = 1.0 / (1 + np.arange(N_ITEMS)) ** 1.3
    chance /= chance.sum()
    order = rng.permutation(N_ITEMS)
    rows = [rng.choice(N_ITEMS, LENGTH, replace=False, p=chance) for _ in range(N_USERS)]
    sequences = order[np.array(rows)]
    others = np.setdiff1d(np.arange(N_USERS), kept)
    sequences[others] = (sequences[others] + 11) % N_ITEMS
    if other_targets:
        sequences[:, -2:] = (sequences[:, -2:] + 7) % N_ITEMS
    interactions = pd.DataFrame(
        {
            "user": np.repeat(np.arange(N_USERS), LENGTH),
            "item": sequences.ravel(),
            "rating": 5.0,
            "timestamp": np.tile(np.arange(LENGTH), N_USERS),
        }
    )
    first = ("Dark", "Quiet", "Last", "Golden", "Lost")
    second = ("Comet", "River", "Owl", "Train", "Harbour", "Key")
    titles = [f"{a} {b}" for a in first for b in second]
    items = pd.DataFrame(
        {
            "item_id": range(N_ITEMS),
            "title": titles,
            "text": titles,
            "categories": [("film",)] * N_ITEMS,
            "provider": "x",
        }
    )
    users = pd.DataFrame({"user_id": range(N_USERS)})
    card = DatasetCard("check", "a small world", "made up", "CC0")
    return leave_last_out(Dataset("check", interactions, items, users, card))


def _scores(strategy: Callable, split, labels: int = LABELS, seed: int = 0) -> np.ndarray:
    """The scores of the learner's recommender for some histories, or a mistake that says why that
    is not a recommender.
    """
    where = f"my_strategy(split, labels={labels}, seed={seed})"
    made = strategy(split, labels, seed)
    if isinstance(made, type):
        raise Mistake(
            f"`{where}` gave the class {made.__name__}; expected a fitted recommender: make one,"
            " fit it, give it back."
        )
    if not hasattr(made, "score"):
        raise Mistake(
            f"`{where}` gave {type(made).__name__}; expected a recommender, something with"
            " `score(histories, users=None)`."
        )
    histories = [[1, 2, 3], [4], list(range(8))]
    try:
        scores = np.asarray(made.score(histories, users=None), dtype=float)
    except (InputError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise Mistake(
            f"`{where}.score(histories, users=None)` stopped with {type(error).__name__}: {error}."
            " Is it fitted?"
        ) from error
    shape = (len(histories), N_ITEMS)
    if scores.shape != shape:
        raise Mistake(
            f"`{where}.score` gave the shape {scores.shape} for {len(histories)} histories and"
            f" {N_ITEMS} items; expected {shape}: one row per history, one column per item of the"
            " whole catalogue."
        )
    if np.isnan(scores).any():
        raise Mistake(
            f"`{where}.score` holds NaN. Do you divide by 0, or take the logarithm of a count that"
            " is 0? Add 1 to the counts."
        )
    if not np.isfinite(scores).all():
        raise Mistake(
            f"`{where}.score` holds infinite numbers: log(0)? An item that no labelled user has"
            " needs a finite score, too."
        )
    return scores


def _same_seed(strategy: Callable) -> None:
    """The same call, the same scores."""
    first = _scores(strategy, _split(), seed=1)
    if not np.allclose(first, _scores(strategy, _split(), seed=1)):
        raise Mistake(
            "Two calls with the same seed gave different scores. Draw from"
            " np.random.default_rng(seed) only, and pass seed on."
        )


def _labelled_only(strategy: Callable) -> None:
    """Nobody but the labelled users counts, and of them the training part."""
    from tutorial_lib.strategies.tuning import labelled_users

    for labels, seed in ((LABELS, 0), (6, 3)):
        call = f"my_strategy(split, labels={labels}, seed={seed})"
        users = tuple(labelled_users(_split(), labels, seed).tolist())
        before = _scores(strategy, _split(), labels, seed)
        if not np.allclose(before, _scores(strategy, _split(other_targets=True), labels, seed)):
            raise Mistake(
                f"`{call}`: the scores changed with the held-out items of the users. Those are the"
                " answers of the test: fit on `split.train` of labelled users, never on"
                " `dataset.interactions`, histories of the test, or targets."
            )
        if not np.allclose(before, _scores(strategy, _split(users), labels, seed)):
            raise Mistake(
                f"`{call}`: the scores changed with the histories of users who have no label. Fit"
                " on `labelled_only(split, labels, seed)`, with the number and the seed that you"
                " were given, else your point on the plot stands at the wrong budget."
            )


def _beats_random(strategy: Callable) -> None:
    """With half the labels, better than random lists on validation targets."""
    from tutorial_lib.evaluation import evaluate

    split = _split()

    def ndcg(recommender) -> float:
        return evaluate(recommender, split, k=10, on="valid")["ndcg@10"].mean()

    class Constant:
        """All items tie, and ties are scored in expectation: exactly what random lists give."""

        def score(self, histories, users=None):
            return np.zeros((len(histories), N_ITEMS))

    chance = ndcg(Constant())
    found = np.mean([ndcg(strategy(split, LABELS, seed)) for seed in range(3)])
    if found < 0.8 * chance:
        raise Mistake(
            f"Validation NDCG@10 is {found:.3f} in a small world with popular items, below that of"
            f" random lists ({chance:.3f}). Is the sign wrong? Higher must mean better."
        )
    if found < 1.25 * chance:
        raise Mistake(
            f"Validation NDCG@10 is {found:.3f} in a small world with popular items, random lists"
            f" have {chance:.3f}: nothing was learned. Counting what the labelled users have would"
            " do better."
        )


CHECKS = {"06-strategy": (_same_seed, _labelled_only, _beats_random)}
