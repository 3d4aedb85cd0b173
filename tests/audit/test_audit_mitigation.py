"""Re-ranking: the knob at 0 changes nothing; greedy choices equal those worked out on paper or by
brute force.
"""

from itertools import permutations

import numpy as np
import pytest
from small import random_dataset
from tutorial_recipes.worlds import make_world

from tutorial_lib.audit.core.lists import category_shares, row_means
from tutorial_lib.audit.harms.popularity import tail_items
from tutorial_lib.audit.mitigation.reranking import (
    Calibrated,
    Exploring,
    PopularityPenalty,
    Reranked,
    XQuAD,
)
from tutorial_lib.data import hold_out_k, leave_last_out
from tutorial_lib.errors import InputError
from tutorial_lib.evaluation import coverage, evaluate
from tutorial_lib.models import EASE, Popularity
from tutorial_lib.recommender import ScoreRecommender

N = 30


@pytest.fixture(scope="module")
def split():
    return leave_last_out(random_dataset(n_users=40, n_items=N))


@pytest.fixture(scope="module")
def world():
    return hold_out_k(make_world("movies", n_users=600, n_items=200), 5)


class Fixed(ScoreRecommender):
    """The same given scores for everybody; knows nothing but `score`."""

    def __init__(self, scores):
        self.scores, self.n_items = np.asarray(scores, dtype=float), len(scores)

    def fit(self, split, *, seed=0, progress=True):
        return self

    def score(self, histories, users=None):
        return np.tile(self.scores, (len(histories), 1))


def calibration_kl(histories, lists, shares, alpha=0.01):
    """C_KL of Steck 2018, eq. 6: [n] nats."""
    p, q = row_means(histories, shares), row_means(lists, shares)
    mixed = np.maximum((1 - alpha) * q + alpha * p, 1e-12)
    return (p * np.log(np.maximum(p, 1e-12) / mixed)).sum(axis=1)


def rules(strength, n_items=N):
    rng = np.random.default_rng(5)
    counts, shares = rng.integers(0, 50, n_items), rng.dirichlet(np.ones(4), n_items)
    groups = np.where(np.arange(n_items) % 3 == 0, "small", "large")
    return [
        PopularityPenalty(counts, strength),
        XQuAD(groups, strength),
        Calibrated(shares, strength),
    ]


@pytest.mark.parametrize("rule", rules(0.0), ids=lambda rule: type(rule).__name__)
@pytest.mark.parametrize("exclude_seen", [True, False])
def test_a_rule_of_no_strength_leaves_every_list_as_it_was(rule, exclude_seen, split):
    inner = EASE(10).fit(split)
    ours = Reranked(inner, rule, pool=20, places=5)
    for k in (3, 12, N):  # within the places, beyond them, and more than may be recommended
        wanted = inner.recommend(split.test_history, k, exclude_seen=exclude_seen)
        assert (ours.recommend(split.test_history, k, exclude_seen=exclude_seen) == wanted).all()


@pytest.mark.parametrize("rule", rules(0.7), ids=lambda rule: type(rule).__name__)
def test_lists_hold_each_item_once_none_seen_and_only_the_pool_in_the_places(rule, split):
    inner = EASE(10).fit(split)
    lists = Reranked(inner, rule, pool=8, places=6).recommend(split.test_history, N)
    pool = inner.recommend(split.test_history, 8)
    for row, candidates, history in zip(lists, pool, split.test_history, strict=True):
        shown = row[row >= 0]
        assert len(set(shown)) == len(shown) == N - len(set(history)) and not set(shown) & set(
            history
        )
        assert set(row[:6]) <= set(candidates)
        assert (row[len(shown) :] == -1).all()


def test_the_evaluation_sees_the_new_lists(split):
    reranked = Reranked(Popularity(), PopularityPenalty(np.arange(N)[::-1], 0.9), pool=N).fit(split)
    lists = reranked.recommend(split.test_history, 5)
    hits = [target[0] in row for target, row in zip(split.test_target, lists, strict=True)]
    assert evaluate(reranked, split, k=5)["hit@5"].tolist() == hits
    assert (lists != Popularity().fit(split).recommend(split.test_history, 5)).any()


def test_blocks_of_users_change_nothing(split):
    reranked = Reranked(EASE(10).fit(split), Calibrated(np.eye(3)[np.arange(N) % 3], 0.8), pool=20)
    one = reranked.recommend(split.test_history, 10, block=1)
    assert (one == reranked.recommend(split.test_history, 10)).all()
    one = reranked.recommend(split.test_history, 10, block=1, exclude_seen=False)
    assert (one == reranked.recommend(split.test_history, 10, exclude_seen=False)).all()


def test_items_that_cannot_be_recommended_stay_out():
    lists = Reranked(
        Fixed([3, -np.inf, 2, 1]), PopularityPenalty(np.arange(4), 1.0), pool=4, places=4
    ).recommend([[0], [2], []], 4)
    assert lists.tolist() == [[2, 3, -1, -1], [0, 3, -1, -1], [0, 2, 3, -1]]


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e18])
def test_lifting_survives_any_scale_of_scores(scale):
    scores = scale * np.array([4.0, 3.0, 2.0, 1.0])
    fresh = Reranked(
        Fixed(scores), PopularityPenalty(np.array([9, 4, 1, 0]), 1.0), pool=4, places=4
    )
    assert fresh.recommend([[]], 4).tolist() == [[3, 2, 1, 0]]


def test_the_same_strength_means_the_same_for_scores_of_another_scale(split):
    lists = []
    for factor in (1.0, 1000.0):
        inner = EASE(10).fit(split)
        inner.weights = factor * inner.weights
        lists.append(
            Reranked(inner, XQuAD(np.arange(N) % 2, 0.4), pool=20).recommend(split.test_history, 10)
        )
    assert (lists[0] == lists[1]).all()


def test_the_popularity_penalty_on_paper():
    # relevance 1, .5, 0; penalty 1, log 3 / log 9 = .5, 0; at .6: .4 - .6, .2 - .3, 0
    lists = Reranked(
        Fixed([3, 2, 1]), PopularityPenalty(np.array([8, 2, 0]), 0.6), pool=3, places=3
    ).recommend([[]], 3)
    assert lists.tolist() == [[2, 1, 0]]
    lists = Reranked(
        Fixed([3, 2, 1]), PopularityPenalty(np.array([8, 2, 0]), 0.4), pool=3, places=3
    ).recommend([[]], 3)
    assert lists.tolist() == [[0, 1, 2]]


def test_xquad_follows_the_profile_and_stops_at_what_it_covered():
    groups, inner = np.repeat(["head", "tail"], 4), Fixed([10, 9, 8, 7, 4, 3, 2, 1])
    histories = [[3, 7], [0, 3]]  # half tail, no tail
    lists = Reranked(inner, XQuAD(groups, 0.9), pool=6, places=4).recommend(histories, 4)
    # first user, second place: head .1 x .875 + .9 x .5 x 0, tail .1 x .25 + .9 x .5 x 1; fourth:
    # tail is 1/3 of the list, head 2/3
    assert lists.tolist() == [
        [0, 4, 1, 5],
        [1, 2, 4, 5],
    ]  # the second gets tail only as the pool runs out of head


def test_calibrated_makes_the_greedy_choice_of_the_definition(split):
    rng = np.random.default_rng(2)
    shares = np.eye(5)[
        rng.integers(0, 5, N)
    ]  # some categories are missing from every short list, where alpha decides
    inner, strength, k = EASE(10).fit(split), 0.1, 4
    histories = split.test_history[:12]
    ours = Reranked(inner, Calibrated(shares, strength), pool=10, places=k).recommend(histories, k)
    scores, pools = inner.score(histories), inner.recommend(histories, 10)
    for history, score, pool, row in zip(histories, scores, pools, ours, strict=True):
        s = (score[pool] - score[pool].min()) / (score[pool].max() - score[pool].min())
        chosen = []
        for _ in range(k):
            left = [i for i in pool if i not in chosen]
            lists = np.array([[*chosen, i] for i in left])
            kl = calibration_kl([history] * len(left), lists, shares)
            chosen.append(
                left[
                    int(
                        np.argmax(
                            (1 - strength) * s[[list(pool).index(i) for i in left]] - strength * kl
                        )
                    )
                ]
            )
        assert chosen == row.tolist()


def test_calibrated_nears_the_best_list_there_is_and_leaves_users_without_profile_alone():
    rng = np.random.default_rng(3)
    shares = np.eye(3)[rng.integers(0, 3, 8)]
    inner, history = Fixed(np.arange(8.0)), [[0, 1, 2, 3]]
    lists = Reranked(inner, Calibrated(shares, 1.0), pool=8, places=3).recommend(history, 3)
    every = np.array(list(permutations(range(4, 8), 3)))
    best = calibration_kl(history * len(every), every, shares).min()
    before = calibration_kl(history, inner.recommend(history, 3), shares)[0]
    after = calibration_kl(history, lists, shares)[0]
    assert best <= after <= before
    assert after == pytest.approx(best, abs=1e-9)
    assert Reranked(inner, Calibrated(shares, 0.9), pool=8, places=3).recommend(
        [[]], 3
    ).tolist() == [[7, 6, 5]]


def test_a_strength_out_of_range_and_a_pool_too_small_are_refused(split):
    with pytest.raises(InputError, match="strength=1.5"):
        Reranked(Popularity().fit(split), PopularityPenalty(np.ones(N), 1.5)).recommend([[0]], 3)
    with pytest.raises(InputError, match="places <= pool"):
        Reranked(Popularity(), PopularityPenalty(np.ones(N)), pool=5, places=10)
    with pytest.raises(InputError, match="not fitted"):
        Reranked(Popularity(), PopularityPenalty(np.ones(N))).recommend([[0]], 3)
    with pytest.raises(InputError, match="epsilon=2"):
        Exploring(Popularity(), 2)


# --- exploration ---


def test_exploration_replaces_the_share_it_should_with_unseen_items_of_the_whole_catalogue(world):
    inner = Popularity().fit(world)
    usual = inner.recommend(world.test_history, 10)
    lists = Exploring(inner, 0.2, seed=1).recommend(world.test_history, 10)
    share = (lists != usual).mean()
    assert share == pytest.approx(0.2, abs=4 * np.sqrt(0.2 * 0.8 / lists.size))
    assert all(
        len(set(row)) == 10 and not set(row) & set(seen)
        for row, seen in zip(lists, world.test_history, strict=True)
    )
    assert coverage(lists, inner.n_items) > 0.95 > coverage(usual, inner.n_items)
    assert (Exploring(inner, 0.0).recommend(world.test_history, 10) == usual).all()
    assert (Exploring(inner, 0.2, seed=1).recommend(world.test_history, 10) == lists).all()
    assert (Exploring(inner, 0.2, seed=2).recommend(world.test_history, 10) != lists).any()


# --- what the mitigations do to a world ---


def test_item_side_mitigation_raises_the_tail_at_small_cost(world):
    """The teaching point: the first steps of the knob are nearly free."""
    inner = EASE(100).fit(world)
    counts = Popularity().fit(world).counts
    tail = tail_items(counts)
    before, after = inner, Reranked(inner, PopularityPenalty(counts, 0.5))
    share = [
        row_means(r.recommend(world.test_history, 10), tail.astype(float)).mean()
        for r in (before, after)
    ]
    quality = [evaluate(r, world, k=10)["ndcg@10"].mean() for r in (before, after)]
    assert share[1] > 1.7 * share[0]
    assert quality[1] > 0.97 * quality[0]


def test_calibration_falls_steadily_with_the_knob(world):
    inner, shares = EASE(100).fit(world), category_shares(world.dataset)[0]
    kl = [
        calibration_kl(
            world.test_history,
            Reranked(inner, Calibrated(shares, s)).recommend(world.test_history, 10),
            shares,
        ).mean()
        for s in (0.0, 0.2, 0.5, 0.9)
    ]
    assert kl == sorted(kl, reverse=True) and kl[-1] < 0.5 * kl[0]
