"""Sampled metrics do what the literature says (and warn), and recommendations from the future are
counted.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import hypergeom
from small import make_dataset

from tutorial_lib.data import leave_last_out, temporal_split
from tutorial_lib.errors import InputError
from tutorial_lib.evaluation import evaluate
from tutorial_lib.evaluation.protocols import (
    SampledMetricsWarning,
    evaluate_sampled,
    impossible_share,
)

pytestmark = pytest.mark.filterwarnings(
    "ignore::tutorial_lib.evaluation.protocols.SampledMetricsWarning"
)


class Fixed:
    def __init__(self, scores):
        self.scores = scores

    def score(self, histories, users=None):
        return self.scores[users]


def setting(n_users=40, n_items=60, length=8):
    rng = np.random.default_rng(0)
    split = leave_last_out(
        make_dataset(
            [
                (u, i, t)
                for u in range(n_users)
                for t, i in enumerate(rng.permutation(n_items)[:length])
            ],
            n_items=n_items,
        )
    )
    return split, Fixed(rng.standard_normal((n_users, n_items)))


def test_sampled_metrics_warn_and_name_the_bias():
    split, model = setting()
    with pytest.warns(SampledMetricsWarning, match="Krichene & Rendle 2020"):
        frame = evaluate_sampled(model, split, k=5, negatives=10)
    assert (
        "SAMPLED" in frame.attrs["protocol"]
        and frame.attrs["sampled"] == 10
        and frame.attrs["n_users"] == 40
    )


def test_uniform_negatives_give_the_hypergeometric_expectation():
    """The number of negatives above a target of full rank r is hypergeometric: that is the whole
    bias, in closed form.
    """
    split, model = setting()
    full = evaluate(model, split, k=1)
    candidates = 60 - 7  # all items less the history; the target is one of them
    ranks = 1 / evaluate(model, split, k=53)["mrr@53"].to_numpy()
    expected = hypergeom.cdf(
        4, candidates - 1, np.round(ranks) - 1, 10
    ).mean()  # hit@5 among 10 negatives
    seen = [
        evaluate_sampled(model, split, k=5, negatives=10, seed=seed)["hit@5"].mean()
        for seed in range(150)
    ]
    assert abs(np.mean(seen) - expected) < 4 * np.std(seen) / np.sqrt(len(seen))
    assert expected > 3 * full["hit@1"].mean()  # and it is far above the full ranking


def test_popular_negatives_are_harder_for_a_popularity_scorer_than_uniform_ones():
    rng = np.random.default_rng(1)
    weight = 1 / np.arange(1, 81)
    rows = [
        (u, i, t)
        for u in range(200)
        for t, i in enumerate(rng.choice(80, 8, replace=False, p=weight / weight.sum()))
    ]
    split = leave_last_out(make_dataset(rows, n_items=80))
    model = Fixed(np.tile(weight, (200, 1)))
    uniform, popular = (
        evaluate_sampled(model, split, k=3, negatives=20, by=by)["ndcg@3"].mean()
        for by in ("uniform", "popularity")
    )
    assert uniform > popular + 0.1


def test_all_negatives_make_the_full_ranking():
    split, model = setting()
    sampled = evaluate_sampled(model, split, k=(5, 10), negatives=59)
    np.testing.assert_array_equal(sampled.to_numpy(), evaluate(model, split, k=(5, 10)).to_numpy())


def test_the_draw_depends_on_seed_and_user_only():
    split, model = setting()
    first = evaluate_sampled(model, split, k=5, negatives=10, seed=3)
    pd.testing.assert_frame_equal(
        evaluate_sampled(model, split, k=5, negatives=10, seed=3, block=7), first
    )
    assert not evaluate_sampled(model, split, k=5, negatives=10, seed=4).equals(first)


def test_users_get_negatives_of_their_own():
    split = leave_last_out(
        make_dataset([(u, i, t) for u in range(30) for t, i in enumerate((0, 1, 2))], n_items=30)
    )
    alike = Fixed(np.tile(np.arange(30.0) % 7, (30, 1)))
    assert (
        evaluate_sampled(alike, split, k=5, negatives=6)["mrr@5"].nunique() > 3
    )  # same history, target and scores


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(by="age"), "by='age'"),
        (dict(negatives=60), "negatives=60"),
        (dict(negatives=0), "negatives=0"),
    ],
)
def test_evaluate_sampled_refuses(options, message):
    split, model = setting()
    with pytest.raises(InputError, match=message):
        evaluate_sampled(model, split, **options)


# Time 0..9. Item 5 appears for the first time at 9, after the test event of user 0 (time 2) and in
# the test event of user 1.
LATE = [(0, 0, 0), (0, 1, 1), (0, 2, 2), (1, 0, 3), (1, 3, 5), (1, 4, 6), (1, 5, 9)]


def test_items_nobody_had_met_at_the_test_event_are_counted():
    split = leave_last_out(make_dataset(LATE, n_items=7))
    frame = impossible_share(np.array([[2, 5, 3, -1], [5, 0, 6, 1]]), split)
    # user 0: items 5 and 3 come later (2 of 3); user 1: item 6 never comes (1 of 4), 5 is there at
    # that very moment
    assert (
        frame["impossible"].tolist() == pytest.approx([2 / 3, 1 / 4]) and frame.index.name == "user"
    )
    assert impossible_share(np.array([[1, 2], [4, 3]]), split, on="valid")[
        "impossible"
    ].tolist() == [0.5, 0.0]


def test_users_without_targets_or_recommendations_are_left_out():
    split = temporal_split(make_dataset(LATE, n_items=7), valid=0.0, test=0.2)
    assert impossible_share(np.array([[1, 5], [5, -1]]), split).index.tolist() == [1]
    assert len(impossible_share(np.full((2, 3), -1), split)) == 0
    with pytest.raises(InputError, match="one row per user"):
        impossible_share(np.array([[1, 5]]), split)
