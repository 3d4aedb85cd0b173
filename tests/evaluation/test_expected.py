"""Metrics in expectation: the mean over every target that could have been drawn, and no other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tutorial_lib.data import Split, hold_out_k, leave_last_out, load_dataset
from tutorial_lib.errors import InputError
from tutorial_lib.evaluation import compare, evaluate, expected_metrics, ranking_metrics
from tutorial_lib.models import EASE, ItemKNN, Oracle, Popularity, Random, TransitionKNN
from tutorial_lib.recommender import ScoreRecommender


@pytest.fixture(scope="module")
def split() -> Split:
    return leave_last_out(load_dataset("world-movies"))


# --- expected_metrics ---


@pytest.mark.filterwarnings("ignore:ranking_metrics")
@settings(max_examples=100, deadline=None)
@given(st.data())
def test_it_is_the_mean_over_all_targets_weighted_by_their_chance(data):
    """Lists with holes and repeats included: `ranking_metrics` of each possible target is the
    judge.
    """
    n_items, length = data.draw(st.integers(2, 7)), data.draw(st.integers(3, 6))
    code = st.integers(-1, n_items - 1)
    lists = np.array([data.draw(st.lists(code, min_size=length, max_size=length))])
    weights = data.draw(st.lists(st.integers(0, 5), min_size=n_items, max_size=n_items))
    weights[0] += 1
    chances = np.array(weights) / sum(weights)
    got = expected_metrics(lists, chances[None], k=(1, 3))
    each = pd.concat([ranking_metrics(lists, [[t]], k=(1, 3)) for t in range(n_items)])
    assert list(got.columns) == list(each.columns)
    np.testing.assert_allclose(got.to_numpy()[0], chances @ each.to_numpy(), atol=1e-12)


def test_realised_means_converge_to_it(split):
    """300 targets drawn for each of 200 users from the world's own probabilities."""
    histories = split.test_history[:200]
    lists = EASE().fit(split).recommend(histories, k=10)
    chances = split.dataset.truth.next_item_probabilities(histories)
    expected = expected_metrics(lists, chances, k=10).mean()
    rng = np.random.default_rng(0)
    draws = [(chances.cumsum(axis=1) > rng.random((200, 1))).argmax(axis=1) for _ in range(300)]
    realised = pd.DataFrame([ranking_metrics(lists, d[:, None], k=10).mean() for d in draws])
    distance = (realised.mean() - expected) / (realised.std() / np.sqrt(len(draws)))
    assert distance.abs().max() < 4


def test_users_name_the_rows():
    lists, chances = [[1], [0]], [[0.5, 0.5], [1.0, 0.0]]
    assert expected_metrics(lists, chances, k=1).index.tolist() == [0, 1]
    named = expected_metrics(lists, chances, k=1, users=[7, 3])
    assert (named.index.tolist(), named.index.name) == ([7, 3], "user")
    assert named["hit@1"].tolist() == [0.5, 1.0]


CHANCES = np.full((2, 4), 0.25)


@pytest.mark.parametrize(
    ("lists", "chances", "k", "message"),
    [
        ([[0, 1], [1, 2]], CHANCES, 5, "lists of 2 places for k=5"),
        ([[0, 1], [1]], CHANCES, 1, "fill short lists with -1"),
        ([[0, 1]], CHANCES, 1, r"got shapes \(1, 2\) and \(2, 4\)"),
        ([[0, 4], [0, 1]], CHANCES, 1, "item codes 0..3 in lists, -1 for nothing"),
        ([[0, -2], [0, 1]], CHANCES, 1, "item codes 0..3"),
        ([[0.0, 1.0], [0.0, 1.0]], CHANCES, 1, "item codes 0..3"),
        (np.empty((0, 3), int), np.empty((0, 4)), 1, "no lists"),
        ([[0], [1]], CHANCES * [[1], [0.9]], 1, "row 1 are negative or sum to 0.9;"),
        ([[0], [1]], [[1.5, -0.5, 0, 0], [1, 0, 0, 0]], 1, "row 0 are negative or sum to 1;"),
        ([[0], [1]], CHANCES * [[1], [np.nan]], 1, "row 1 are negative or sum to nan"),
        ([[0], [1]], CHANCES, 0, "k=0: expected a positive whole number"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(lists, chances, k, message):
    with pytest.raises(InputError, match=message):
        expected_metrics(lists, chances, k)


# --- evaluate(expected=True) ---


class Lists(ScoreRecommender):
    """Recommends as another model does, and refuses to score."""

    def __init__(self, model):
        self.model, self.n_items = model, model.n_items

    def score(self, histories, users=None):
        raise AssertionError("expected metrics need lists only")

    def recommend(self, histories, k=10, **options):
        return self.model.recommend(histories, k, **options)


def test_it_needs_lists_only_and_judges_the_same_users(split):
    few = split.sample_targets(50)
    model = Popularity().fit(split)
    drawn = evaluate(model, few)
    frame = evaluate(Lists(model), few, expected=True, block=16)
    assert frame.index.equals(drawn.index) and list(frame.columns) == list(drawn.columns)
    assert frame.attrs["n_users"] == 50 and frame.attrs["n_excluded"] == 1950
    assert frame.attrs["expected"] and not drawn.attrs["expected"]
    assert frame.attrs["protocol"].endswith(
        "in expectation under the world's exact next-item probabilities"
    )
    whole = evaluate(model, few, expected=True)
    pd.testing.assert_frame_equal(frame, whole)


def test_the_differences_recorded_for_this_world_are_seen_with_far_fewer_users(split):
    """EASE against TransitionKNN, ItemKNN and Popularity: the recorded means and spreads."""
    ease = evaluate(EASE().fit(split), split, k=10, expected=True)["ndcg@10"]
    for other, difference, spread in (
        (TransitionKNN(), 0.0219, 0.038),
        (ItemKNN(), 0.0077, 0.021),
        (Popularity(), 0.1004, 0.066),
    ):
        gaps = ease - evaluate(other.fit(split), split, k=10, expected=True)["ndcg@10"]
        assert gaps.mean() == pytest.approx(difference, abs=1e-4)
        assert gaps.std() == pytest.approx(spread, abs=1e-3)


def test_no_list_beats_the_oracle_for_any_user_and_random_gives_an_equal_share(split):
    for on in ("test", "valid"):
        ceiling = evaluate(Oracle().fit(split), split, k=10, on=on, expected=True)["ndcg@10"]
        ease = evaluate(EASE().fit(split), split, k=10, on=on, expected=True)["ndcg@10"]
        assert (ease <= ceiling + 1e-12).all()
    assert ceiling.mean() > 0.19  # of validation
    random = evaluate(Random().fit(split), split, k=10, expected=True)["ndcg@10"]
    unseen = 600 - np.array([len(set(history)) for history in split.test_history])
    share = (1 / np.log2(np.arange(2, 12))).sum() / unseen
    assert abs(random.mean() - share.mean()) < 4 * random.sem()


def test_the_same_mean_as_drawn_targets_on_both_parts(split):
    model = EASE().fit(split)
    for on in ("test", "valid"):
        drawn = evaluate(model, split, k=10, on=on)["ndcg@10"]
        expected = evaluate(model, split, k=10, on=on, expected=True)["ndcg@10"]
        gap = drawn - expected
        assert abs(gap.mean()) < 4 * gap.sem()


def test_seen_items_have_no_chance(split):
    few = split.sample_targets(20)
    seen = Lists(Popularity().fit(split))
    seen.recommend = lambda histories, k, **_: np.array([h[:k] for h in histories])
    assert evaluate(seen, few, k=3, expected=True).to_numpy().max() == 0


def other_world(split):
    news = leave_last_out(load_dataset("world-news"))
    return replace(split, dataset=replace(split.dataset, truth=news.dataset.truth))


def shuffled(split):
    rng = np.random.default_rng(0)
    return replace(split, test_history=[rng.permutation(h) for h in split.test_history])


def chosen_by_target(split):
    popular = np.bincount(np.concatenate(split.train), minlength=600).argsort()[-100:]
    kept = [t if np.isin(t, popular).all() else t[:0] for t in split.test_target]
    return replace(split, test_target=kept)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: leave_last_out(replace(s.dataset, truth=None)), "are not known"),
        (other_world, "'world-movies' has 600 items, its truth 400"),
        (shuffled, "no draws from its truth: another world, altered histories"),
        (chosen_by_target, "Choose users by their history"),
        (lambda s: hold_out_k(s.dataset, 2), "several targets"),
        (lambda s: s.merge_validation(), "has no valid targets"),
    ],
)
def test_a_split_whose_truth_is_unknown_or_foreign_is_refused(split, change, message):
    other = change(split)
    with pytest.raises(InputError, match=message):
        on = "valid" if "valid" in message else "test"
        evaluate(Popularity().fit(other), other, k=10, on=on, expected=True)


class Scorer:
    def score(self, histories, users=None):
        return np.zeros((len(histories), 600))


class TooFew(Scorer):
    def recommend(self, histories, k, **_):
        return np.zeros((len(histories) - 1, k), int)


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        (Scorer(), {}, r"Scorer has no recommend\(histories, k\)"),
        (TooFew(), {}, "TooFew.recommend gave 1999 lists for 2000 histories"),
        (Scorer(), {"ties": "optimistic"}, "leave out ties"),
        (Scorer(), {"k": 601}, "k=601 is larger than the catalogue"),
        (TooFew(), {"on": "train"}, "expected 'test' or 'valid'"),
    ],
)
def test_a_recommender_without_lists_and_wrong_options_are_refused(split, model, options, message):
    with pytest.raises(InputError, match=message):
        evaluate(model, split, block=2000, expected=True, **options)


def test_a_drawn_frame_is_not_compared_with_an_expected_one(split):
    few = split.sample_targets(20)
    model = Popularity().fit(split)
    with pytest.raises(InputError, match="a is in expectation, b by drawn targets"):
        compare(evaluate(model, few, expected=True), evaluate(model, few))
