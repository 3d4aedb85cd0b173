"""Answers that learners give to the exercises of notebook 06, and a piece of the message that each
must get.
"""

from __future__ import annotations

import numpy as np

from tutorial_lib.models import EASE, Popularity, Random, TransitionKNN
from tutorial_lib.recommender import ScoreRecommender
from tutorial_workshop.experiments.cells import labelled_only


class Fixed(ScoreRecommender):
    """The same scores for everybody."""

    def __init__(self, scores):
        self.scores, self.n_items = np.asarray(scores, dtype=float), len(scores)

    def score(self, histories, users=None):
        return np.tile(self.scores, (len(histories), 1))


def counts(split, labels, seed):
    return Popularity().fit(labelled_only(split, labels, seed)).counts


def everybody(split, labels, seed):
    return TransitionKNN().fit(split)


def all_interactions(split, labels, seed):
    return Fixed(np.bincount(split.dataset.interactions["item"], minlength=split.dataset.n_items))


def test_histories_of_the_labelled(split, labels, seed):
    known = labelled_only(split, labels, seed)
    rows = [row for row, user in enumerate(split.users) if user in set(known.users)]
    return Fixed(
        np.bincount(
            np.concatenate([split.test_history[row] for row in rows]),
            minlength=split.dataset.n_items,
        )
    )


def always_seed_0(split, labels, seed):
    return Popularity().fit(labelled_only(split, labels, 0))


def always_20_labels(split, labels, seed):
    return Popularity().fit(labelled_only(split, 20, seed))


def first_users(split, labels, seed):
    return Fixed(np.bincount(np.concatenate(split.train[:labels]), minlength=split.dataset.n_items))


def not_fitted(split, labels, seed):
    return EASE()


def the_class(split, labels, seed):
    return Popularity


def only_numbers(split, labels, seed):
    return counts(split, labels, seed)


def items_that_occur(split, labels, seed):
    found = counts(split, labels, seed)
    return Fixed(found[found > 0])


def log_of_counts(split, labels, seed):
    with np.errstate(divide="ignore"):
        return Fixed(np.log(counts(split, labels, seed)))


def share_of_nothing(split, labels, seed):
    found = counts(split, labels, seed)
    with np.errstate(invalid="ignore"):
        return Fixed(found / np.where(found > 0, found, 0))


def rarest_first(split, labels, seed):
    return Fixed(-counts(split, labels, seed))


def noise(split, labels, seed):
    return Fixed(
        counts(split, labels, seed) + np.random.default_rng().random(split.dataset.n_items)
    )


def chance(split, labels, seed):
    return Random().fit(split, seed=seed)


def no_proof(best, lows, costs, margin):
    return min([best, *lows], key=costs.get)


def above_zero(best, lows, costs, margin):
    return min([best, *(name for name, low in lows.items() if low >= 0)], key=costs.get)


def without_the_best(best, lows, costs, margin):
    return min([name for name, low in lows.items() if low >= -margin], key=costs.get)


def without_the_edge(best, lows, costs, margin):
    return min([best, *(name for name, low in lows.items() if low > -margin)], key=costs.get)


WRONG_ANSWERS = {
    "06-cheapest": [
        (no_proof, "c may lose .02, more than the margin"),
        (above_zero, "Compare with -margin, not with 0"),
        (without_the_best, "it is among those to choose from"),
        (without_the_edge, "it is kept"),
    ],
    "06-strategy": [
        (everybody, "users who have no label"),
        (all_interactions, "held-out items of the users"),
        (test_histories_of_the_labelled, "held-out items of the users"),
        (always_seed_0, "users who have no label"),
        (always_20_labels, "users who have no label"),
        (first_users, "users who have no label"),
        (not_fitted, "Is it fitted?"),
        (the_class, "gave the class Popularity"),
        (only_numbers, "something with `score(histories, users=None)`"),
        (items_that_occur, "one column per item"),
        (log_of_counts, "log(0)"),
        (share_of_nothing, "holds NaN"),
        (rarest_first, "Is the sign wrong?"),
        (noise, "Two calls with the same seed"),
        (chance, "nothing was learned"),
    ],
}
