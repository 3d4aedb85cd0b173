"""Blends: probabilities that add up, a weight chosen on validation targets only, and an average
that is one.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from small import random_dataset

from tutorial_lib.data import leave_last_out
from tutorial_lib.errors import InputError
from tutorial_lib.models import Average, Blend, Popularity, TransitionKNN
from tutorial_lib.recommender import Recommender, ScoreRecommender


class Fixed(ScoreRecommender):
    """Gives every history the same scores."""

    def __init__(self, scores):
        self.scores, self.n_items = np.asarray(scores, dtype=np.float64), len(scores)

    def fit(self, split, *, seed=0, progress=True):
        self.seed = seed
        return self

    def score(self, histories, users=None):
        return np.tile(self.scores, (len(histories), 1))


@pytest.fixture(scope="module")
def split():
    return leave_last_out(random_dataset(distinct_times=True))


def test_a_mixture_by_hand(split):
    """(1 - w) softmax + w share, both over the items that are not in the history."""
    logits, counts = np.zeros(30), np.zeros(30)
    logits[[0, 1]], counts[[1, 2]] = np.log([2.0, 4.0]), [1.0, 3.0]
    blend = Blend(Fixed(logits), Fixed(counts), weight=0.25, power=2.0).fit(split)
    (scores,) = blend.score([[0, *range(4, 30)]])  # left: items 1, 2, 3
    first, second = np.array([4, 1, 1]) / 6, np.array([1, 9, 0]) / 10
    assert scores[1:4] == pytest.approx(0.75 * first + 0.25 * second)
    assert scores.sum() == pytest.approx(1) and not scores[[0, *range(4, 30)]].any()


def test_where_the_other_member_knows_nothing_all_unseen_items_are_alike(split):
    """0 / 0 would be NaN in the ranking of a user whose last item led nowhere."""
    (scores,) = (
        Blend(Fixed(np.zeros(30)), Fixed(np.zeros(30)), weight=0.5, power=1.0)
        .fit(split)
        .score([[3]])
    )
    assert scores[3] == 0 and np.delete(scores, 3) == pytest.approx(np.full(29, 1 / 29))


def test_the_weight_is_chosen_on_validation_and_never_on_test(split):
    """Give the answer of the validation targets to one member, that of the test targets to the
    other.
    """

    class Knows(Fixed):
        def __init__(self, targets):
            super().__init__(np.zeros(30))
            self.targets = {user: target for user, target in enumerate(targets)}

        def score(self, histories, users=None):
            out = np.zeros((len(histories), 30))
            for row in range(len(histories)):
                out[row, self.targets[row]] = 5.0
            return out

    for other, expected in ((split.valid_target, True), (split.test_target, False)):
        blend = Blend(Fixed(np.linspace(0, 1, 30)), Knows(other)).fit(split)
        assert (blend.chosen_weight > 0) == expected, blend.chosen_weight
    hidden = replace(split, test_target=[np.empty(0, dtype=np.int64)] * len(split.users))
    again = Blend(Fixed(np.linspace(0, 1, 30)), TransitionKNN()).fit(hidden)
    same = Blend(Fixed(np.linspace(0, 1, 30)), TransitionKNN()).fit(split)
    assert (again.chosen_weight, again.chosen_power) == (same.chosen_weight, same.chosen_power)


def test_without_validation_targets_both_numbers_are_needed(split):
    with pytest.raises(InputError, match="give weight=... and power=..."):
        Blend(Fixed(np.zeros(30)), Popularity()).fit(split.merge_validation())
    assert (
        Blend(Fixed(np.zeros(30)), Popularity(), weight=0.1, power=1.0)
        .fit(split.merge_validation())
        .chosen_weight
        == 0.1
    )


@pytest.mark.parametrize("given", [{"weight": 1.5}, {"weight": -0.1}, {"power": 0.0}])
def test_numbers_out_of_range_are_refused(given):
    with pytest.raises(InputError, match="weight in"):
        Blend(Popularity(), Popularity(), **given)


def test_an_average_is_the_mean_of_members_fitted_from_different_seeds(split):
    members = [Fixed(np.arange(30)), Fixed(np.ones(30))]
    average = Average(members).fit(split, seed=7)
    assert [member.seed for member in members] == [7, 8]
    assert average.score([[1]])[0] == pytest.approx((np.arange(30) + 1) / 2)
    assert isinstance(average, Recommender) and isinstance(
        Blend(Popularity(), Popularity()), Recommender
    )
    with pytest.raises(InputError, match="at least one"):
        Average([])
