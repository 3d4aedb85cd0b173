"""Likes: what is read, what moves, and that a planted taste is found."""

import numpy as np
import pytest
import torch
from small import make_dataset
from tiny_lms import tiny
from tiny_lms import world as tiny_world

from tutorial_lib.data import Dataset, hold_out_k
from tutorial_lib.data.likes import Rated, rated_histories
from tutorial_lib.errors import InputError
from tutorial_lib.evaluation.ratings import user_auc
from tutorial_lib.models.like_baselines import LIKE_BASELINES
from tutorial_lib.strategies import Budget
from tutorial_lib.strategies.like_prediction import (
    LIKE_STRATEGIES,
    LikeHead,
    adapt_likes,
    mean_vectors,
    newest_of_each_kind,
)


def planted(seed: int = 0) -> Dataset:
    """Half of the users like the items with even codes and nothing else, the other half the odd
    ones; titles say which are which.
    """
    rng, n_users, n_items = np.random.default_rng(seed), 40, 30
    rows = [
        (user, item, time)
        for user in range(n_users)
        for time, item in enumerate(rng.permutation(n_items)[:20])
    ]
    ds, titles = make_dataset(rows, n_users, n_items), tiny_world().items["title"]
    ds.interactions["rating"] = np.where(
        ds.interactions["item"] % 2 == ds.interactions["user"] % 2, 5.0, 2.0
    )
    ds.items["title"] = [f"{titles[item % 2]} {titles[item + 2]}" for item in range(n_items)]
    return ds


@pytest.fixture(scope="module")
def split():
    return hold_out_k(planted(), 6, valid_k=1)


def score(fitted, split) -> float:
    histories, asked = rated_histories(split, "test_history"), rated_histories(split, "test_target")
    scores = fitted.score(histories, [rated.items for rated in asked])
    users = np.repeat(split.users, [len(rated.items) for rated in asked])
    return user_auc(np.concatenate([r.liked for r in asked]), np.concatenate(scores), users)[
        "auc"
    ].mean()


def test_likes_belong_to_their_items(split):
    """A shifted rating would turn every like into noise."""
    for user, rated in zip(split.users, rated_histories(split, "test_history"), strict=True):
        np.testing.assert_array_equal(rated.liked, rated.items % 2 == user % 2)


def test_dataset_without_ratings_is_one_line(split):
    ds = planted()
    ds.interactions.loc[3, "rating"] = np.nan
    with pytest.raises(InputError, match="tiny: some interactions have no rating"):
        rated_histories(hold_out_k(ds, 6, valid_k=1))


def test_the_newest_of_each_kind_are_read():
    history = Rated(np.arange(30), np.arange(30) % 3 == 0)
    liked, disliked = newest_of_each_kind(history)
    assert (
        liked.tolist() == [6, 9, 12, 15, 18, 21, 24, 27]
        and disliked.tolist() == [17, 19, 20, 22, 23, 25, 26, 28, 29][1:]
    )
    empty = mean_vectors(
        [Rated(np.array([], dtype=int), np.array([], dtype=bool))], torch.ones(30, 4)
    )
    assert all((part == 0).all() and part.shape == (1, 4) for part in empty)


def test_an_untrained_head_prefers_what_is_near_to_the_liked():
    """The zero-shot rule, by hand: cosine to the liked minus cosine to the disliked, over four
    temperatures.
    """
    liked, disliked, item = (
        torch.tensor([[1.0, 0.0]]),
        torch.tensor([[0.0, 1.0]]),
        torch.tensor([[0.6, 0.8]]),
    )
    assert LikeHead(2)(liked, disliked, item).item() == pytest.approx((0.6 - 0.8) / (4 * 0.05))


def test_a_planted_taste_is_found_by_the_head_and_not_by_item_counts(split):
    """Each item is liked by half of the users: only a model of the history can tell which half."""
    head = adapt_likes(tiny("encoder"), split, "head", labels=30, seed=0)
    assert score(head, split) > 0.9
    assert score(LIKE_BASELINES["popularity"]().fit(split), split) < 0.6
    assert score(LIKE_BASELINES["ease"](regularisation=1.0).fit(split), split) > 0.9
    assert abs(score(LIKE_BASELINES["random"]().fit(split), split) - 0.5) < 0.12


@pytest.mark.parametrize("strategy", LIKE_STRATEGIES)
def test_what_may_move_moves_and_nothing_else(split, strategy):
    lm = tiny("encoder")
    before = {name: value.clone() for name, value in lm.model.state_dict().items()}
    fitted = adapt_likes(
        lm, split, strategy, labels=4, seed=0, budget=Budget(1e-3, shortest=2, longest=2, size=4)
    )
    assert all(torch.equal(value, before[name]) for name, value in lm.model.state_dict().items()), (
        "the model that was given in moved"
    )
    moved = {name for name, change in fitted.account.moved.items() if change > 0}
    assert moved == {"pre-train-only": set(), "head": {"head"}, "lora": {"head"}}.get(
        strategy, {"backbone", "head"}
    )
    assert (fitted.account.n_trainable > 0) == (strategy != "pre-train-only")
    if strategy == "top-layers":
        changed = {
            name
            for name, value in fitted.account.lm.model.state_dict().items()
            if not torch.equal(value, before[name])
        }
        assert changed and not any("embeddings" in name for name in changed)


def test_same_seed_same_scores_and_labels_are_all_that_is_seen(split):
    """Ratings of unlabelled users, or held-out ones, must not reach the fit."""
    first, again = (adapt_likes(tiny("encoder"), split, "head", labels=5, seed=2) for _ in range(2))
    assert torch.equal(first.head.map.weight, again.head.map.weight)
    ds = planted()
    known = {(user, item) for user, row in zip(split.users, split.train) for item in row}
    labelled = set(np.random.default_rng([2, 64]).permutation(len(split.users))[:5])
    seen = [
        (u, i) in known and u in labelled
        for u, i in zip(ds.interactions["user"], ds.interactions["item"])
    ]
    ds.interactions["rating"] = np.where(
        seen, ds.interactions["rating"], 7.0 - ds.interactions["rating"]
    )
    other = adapt_likes(tiny("encoder"), hold_out_k(ds, 6, valid_k=1), "head", labels=5, seed=2)
    assert torch.equal(first.head.map.weight, other.head.map.weight)


@pytest.mark.parametrize(
    ("strategy", "labels", "message"),
    [
        ("few-shot", 4, "unknown strategy for likes"),
        ("head", 0, "at least 1"),
        ("head", 99, "0..40"),
    ],
)
def test_bad_input_is_one_line(split, strategy, labels, message):
    with pytest.raises(InputError, match=message):
        adapt_likes(tiny("encoder"), split, strategy, labels=labels)
