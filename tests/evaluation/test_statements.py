"""Statements, features, perplexity, AUC: if these fail, a made-up explanation passes for true."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from tutorial_lib.data import load_dataset
from tutorial_lib.errors import InputError
from tutorial_lib.evaluation import (
    auc,
    catalogue_facts,
    factual_frame,
    feature_metrics,
    mentioned,
    perplexity,
    user_auc,
)
from tutorial_lib.evaluation.statements import Facts

PAIRS = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.integers(0, 2)),
    min_size=2,
    max_size=30,
)


@settings(max_examples=100, deadline=None)
@given(PAIRS.filter(lambda pairs: len({liked for liked, *_ in pairs}) == 2))
def test_auc_equals_scikit_learn_with_ties_pooled_and_by_user(pairs):
    liked, scores, users = map(np.array, zip(*pairs))
    assert auc(liked, scores) == pytest.approx(roc_auc_score(liked, scores))
    assert auc(liked, -scores) == pytest.approx(1 - auc(liked, scores))
    expected = {
        u: roc_auc_score(liked[users == u], scores[users == u])
        for u in set(users.tolist())
        if len(set(liked[users == u])) == 2
    }
    if not expected:
        with pytest.raises(InputError, match="likes only or dislikes only"):
            user_auc(liked, scores, users)
        return
    frame = user_auc(liked, scores, users)
    assert frame["auc"].to_dict() == pytest.approx(expected)
    assert set(frame.attrs["excluded"]) == set(users.tolist()) - set(expected)
    assert frame.attrs["n_users"] + frame.attrs["n_excluded"] == len(set(users.tolist()))


def test_pooled_auc_rewards_knowing_who_likes_much():
    """A score that is one constant a user says nothing about items: .5 within users, and well above
    it pooled.
    """
    liked, users = [1, 1, 1, 0, 1, 0, 0, 0], [0, 0, 0, 0, 1, 1, 1, 1]
    constant = [0.75] * 4 + [0.25] * 4
    assert auc(liked, constant) == 0.75 and user_auc(liked, constant, users)["auc"].tolist() == [
        0.5,
        0.5,
    ]


@pytest.mark.parametrize(
    "call",
    [
        lambda: auc([1], [0.1, 0.2]),
        lambda: auc([], []),
        lambda: auc([1, 1], [0.1, 0.2]),
        lambda: auc([1, 3], [0.1, 0.2]),
        lambda: user_auc([1, 0], [0.1, 0.2], [1]),
        lambda: perplexity([], []),
        lambda: perplexity([-1.0], [0]),
        lambda: perplexity([0.5], [2]),
        lambda: mentioned("text", ["a"]),
        lambda: mentioned(["text"], []),
        lambda: mentioned(["text"], ["!"]),
        lambda: feature_metrics([], ["a"], []),
        lambda: feature_metrics(["a"], ["a"], ["b"]),
        lambda: factual_frame(["a"], [5], Facts({"a": ("x", "y")}, [set()])),
        lambda: factual_frame(["a"], [0, 0], Facts({"a": ("x", "y")}, [set()])),
    ],
)
def test_bad_input_is_refused(call):
    with pytest.raises(InputError):
        call()


def test_perplexity_by_hand():
    """Pooled over tokens, not the mean of the texts' perplexities; a uniform model has the size of
    its vocabulary.
    """
    assert perplexity([-3 * np.log(50), -np.log(50)], [3, 1]) == pytest.approx(50)
    assert perplexity([-np.log(4), 0.0], [1, 1]) == pytest.approx(2)


def test_mentioned_finds_whole_phrases_and_the_longest():
    assert mentioned(["A Silent Probe."], ["silent", "silent probe", "probes"]) == [
        {"silent probe"}
    ]
    assert mentioned(["silent film, silent probe"], ["silent", "silent probe"]) == [
        {"silent", "silent probe"}
    ]
    assert mentioned(["unsilent", ""], ["silent"]) == [set(), set()]


def test_feature_metrics_by_hand():
    texts = ["the plot and the cast", "the plot", "nothing", "plot, plot"]
    found = feature_metrics(texts, ["plot", "cast", "music"], ["cast", "music", "plot", "plot"])
    assert found == pytest.approx(
        {"fmr": 2 / 4, "fcr": 2 / 3, "div": 3 / 6}
    )  # three of six pairs share the plot
    assert feature_metrics(["plot"], ["plot"], ["plot"]) == {"fmr": 1.0, "fcr": 1.0, "div": 0.0}


@pytest.mark.parametrize("name", ["world-movies", "world-products", "world-news"])
def test_what_people_of_a_world_wrote_is_true(name):
    """The statements are found in real reviews, and all are true; about another item most of them
    are false. Else the metric is noise.
    """
    ds = load_dataset(name)
    reviews, facts = ds.reviews.iloc[:3000], catalogue_facts(ds)
    own = factual_frame(reviews["text"].tolist(), reviews["item"].tolist(), facts)
    assert own["statements"].mean() > 1 and (own["true"] == own["statements"]).all()
    moved = factual_frame(reviews["text"].tolist(), np.roll(reviews["item"], 1).tolist(), facts)
    assert moved["true"].sum() / moved["statements"].sum() < 0.25


def test_facts_of_data_without_words_of_its_own():
    ds = load_dataset("world-movies")
    plain = type(
        "Plain",
        (),
        {
            "name": "plain",
            "truth": None,
            "items": pd.DataFrame({"categories": [("comedy", "war"), ("unknown",)]}),
        },
    )
    facts = catalogue_facts(plain)
    found = factual_frame(["A comedy.", "A war comedy."], [0, 1], facts, users=[7, 7])
    assert found.reset_index().to_numpy().tolist() == [[7, 1, 1], [7, 2, 0]]
    empty = type(
        "Empty", (), {"name": "empty", "truth": None, "items": ds.items.drop(columns="categories")}
    )
    with pytest.raises(InputError, match="no categories"):
        catalogue_facts(empty)
