"""Scores, relevance and masks in place of ids; columns of ratings that belong together by label."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from tutorial_lib.errors import InputError
from tutorial_lib.evaluation import auc, ranking_metrics, user_auc

RNG = np.random.default_rng(0)
GOALS = [[i % 7] for i in range(20)]
COUNTS = RNG.integers(0, 5, (20, 50))
SPARSE = np.where(RNG.random((20, 50)) < 0.1, RNG.integers(1, 900, (20, 50)), 0)
LISTS = np.array([RNG.permutation(50)[:10] for _ in range(20)])
RELEVANCE = (RNG.random((20, 50)) < 0.1).astype(int)
RELEVANCE[0, :2] = 0, 1


def best_first(scores):
    return [pd.Series(row, index=RNG.permutation(50)).nlargest(10) for row in scores]


MATRICES = {
    "scores": (COUNTS, GOALS, "recommended holds mostly repeats.*evaluate_scores"),
    "scores of few items": (SPARSE, GOALS, "recommended holds mostly repeats.*evaluate_scores"),
    "scores as lists": (COUNTS.tolist(), GOALS, "recommended holds mostly repeats"),
    "scores as fractions": (COUNTS.astype(float), GOALS, "recommended holds mostly repeats"),
    "scores below zero": (COUNTS - 3, GOALS, "recommended holds mostly repeats"),
    "likes": (RELEVANCE, GOALS, "recommended holds 0 and 1 only.*evaluate_scores"),
    "relevance": (LISTS, RELEVANCE, "relevant holds 0 and 1 only.*np.flatnonzero"),
    "relevance as lists": (LISTS.tolist(), RELEVANCE.tolist(), "relevant holds 0 and 1 only"),
    "relevance as arrays": (LISTS, list(RELEVANCE.astype(np.uint8)), "relevant holds 0 and 1"),
    "grades": (LISTS, RELEVANCE * 3, "relevant holds mostly repeats.*np.flatnonzero"),
    "a Series of scores": (best_first(RNG.random((20, 50))), GOALS, "Series of 0.*sort_values"),
    "a Series of ranks": (best_first(COUNTS * 1.0), GOALS, "Series of 4.0.*sort_values"),
    "a Series of counts": (best_first(SPARSE + 9), GOALS, "a Series of [0-9]+, .*sort_values"),
    "a Series of gains": (LISTS, [pd.Series({3: 1.0})] * 20, "relevant holds a Series of 1.0"),
    "masked places": (np.ma.masked_array(LISTS, mask=LISTS < 5), GOALS, "masked places.*filled"),
    "masked rows": ([np.ma.masked_array([1, 2], mask=[0, 1])], [[1]], "masked places"),
    "masked goals": (LISTS[:, :1], np.ma.masked_array(LISTS, mask=LISTS < 5), "relevant.*masked"),
    "one number": (np.array(5), [[1]], "recommended must hold"),
    "one number of goals": ([[1]], np.array(5), "relevant must hold"),
}


@pytest.mark.parametrize("recommended, relevant, message", MATRICES.values(), ids=MATRICES)
def test_what_is_no_list_of_ids_is_refused(recommended, relevant, message):
    """NDCG@10 of such a matrix of counts was .60: each number was read as an id."""
    with pytest.raises(InputError, match=message):
        ranking_metrics(recommended, relevant, k=10)


SUSPECTS = {
    "relevance of one user": ([[2, 1]], [[0, 1, 1]], "relevant holds 0 and 1 only"),
    "likes of one user": ([[0, 1, 1]], [[2, 1]], "recommended holds 0 and 1 only"),
    "a stuck model": (np.tile(LISTS[:, :1], 10), LISTS[:, :2], "mostly repeats"),
    "scores beside large ids": (COUNTS, [[i * 1000] for i in range(20)], "mostly repeats"),
}


@pytest.mark.parametrize("recommended, relevant, message", SUSPECTS.values(), ids=SUSPECTS)
def test_what_is_probably_no_list_of_ids_is_told(recommended, relevant, message):
    with pytest.warns(UserWarning, match=message):
        ranking_metrics(recommended, relevant, k=10)


LOG = pd.DataFrame({"user": np.repeat(range(20), 10), "item": LISTS.ravel()})
PLAIN = {
    "lists": (LISTS.tolist(), GOALS),
    "a whole ranking": (np.array([RNG.permutation(50) for _ in range(20)]), GOALS),
    "padding": (np.where(np.arange(10) < 1, LISTS, -1), GOALS),
    "half repeats": (np.concatenate([LISTS, LISTS], axis=1), GOALS),
    "two items": (np.tile([[0, 1]], (20, 1)), np.tile([[1]], (20, 1))),
    "one item each": (LISTS[:, :1], [LISTS[0, :1]] * 20),
    "plays again and again": (LISTS, [[i % 7] * 9 for i in range(20)]),
    "many plays": (LISTS[:, :1], np.tile(LISTS[:, :1], 9)),
    "rows of a log": ([part for _, part in LOG.groupby("user")["item"]], GOALS),
    "goals of a log": (LISTS, [part for _, part in LOG.sample(frac=1).groupby("user")["item"]]),
    "one falling row of a log": ([pd.Series([9, 5, 3], index=[4, 8, 9])], [[5]]),
    "ids as fractions": ([pd.Series([3.0, 1.0])], [[1]]),
    "nothing masked": (np.ma.masked_array(LISTS), GOALS),
    "no users": (np.empty((0, 5), dtype=int), []),
    "empty lists": (np.empty((20, 0), dtype=int), GOALS),
    "no goals": (LISTS, [[]] * 20),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("recommended, relevant", PLAIN.values(), ids=PLAIN)
def test_ids_are_taken_without_a_word(recommended, relevant):
    ranking_metrics(recommended, relevant, k=3)


def test_users_may_have_labels_of_several_parts():
    names = pd.MultiIndex.from_tuples([(0, 7), (0, 8), (1, 7)], names=["seed", "user"])
    lists = pd.Series([[1], [2], [3]], index=names)
    goals = pd.Series([[3], [1], [4]], index=names[[2, 0, 1]])
    for one, other in ((lists, goals), (lists.to_dict(), goals.to_dict())):
        frame = ranking_metrics(one, other, k=1)
        assert frame["hit@1"].tolist() == [1.0, 0.0, 1.0] and frame.index.tolist() == names.tolist()
    assert ranking_metrics(lists, goals, k=1).index.names == ["seed", "user"]


def test_numbered_dictionaries_are_lists():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frame = ranking_metrics({0: [1], 1: [2]}, [[1], [3]], k=1)
    assert frame["hit@1"].tolist() == [1.0, 0.0]


# --- ratings ---


def test_series_of_ratings_are_paired_by_label():
    order = [3, 0, 4, 1, 2]
    given = pd.Series([5.0, 1, 4, 2, 3], index=list("abcde"))
    guess, liked = given + [0, 1, 0, 1, 0], (given > 2).astype(int)
    users = pd.Series(list("xyxyx"), index=given.index)
    expected = auc(liked, -guess)
    assert auc(liked.iloc[order], -guess) == auc(liked, -guess.iloc[order]) == expected
    assert auc(liked.tolist(), -guess) == auc(liked, -guess.to_numpy()) == expected
    mixed = [0, 1, 0, 0, 1], guess, users
    liked = pd.Series(mixed[0], index=given.index)
    frame = user_auc(liked, guess, users)
    for one in (
        user_auc(liked.iloc[order], guess, users),
        user_auc(liked, guess.iloc[order], users),
        user_auc(liked, guess, users.iloc[order]),
        user_auc(*map(list, mixed)),
    ):
        pd.testing.assert_frame_equal(one, frame)


@pytest.mark.parametrize(
    "liked, scores, message",
    [
        (pd.Series([1.0, 2]), pd.Series([1.0, 2], index=[1, 2]), "different labels.*to_numpy"),
        (pd.Series([1.0, 2], index=[1, 1]), pd.Series([1.0, 2], index=[1, 0]), "different labels"),
        (pd.Series([1.0, 2]), pd.Series([1.0, 2, 3]), "different labels"),
        (["1", "0"], [1, 2], "liked holds .*no numbers"),
        ([1, 0], pd.Series(["1", "2"], dtype=object), "scores holds .*no numbers"),
        ([1, 0], [1, None], "scores.1. is NaN"),
        ([1, 0], pd.array([1, None], dtype="Int64"), "scores.1. is NaN"),
        ([1, 0], [1j, 2], "no numbers"),
    ],
)
def test_ratings_that_cannot_be_paired_or_read_are_refused(liked, scores, message):
    with pytest.raises(InputError, match=message):
        auc(liked, scores)
    with pytest.raises(InputError, match=message):
        user_auc(liked, scores, [1] * len(liked))
