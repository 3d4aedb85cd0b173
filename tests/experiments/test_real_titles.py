"""The probes of a real model, on a tiny one: what is asked, and what is counted."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import tiny_lms

from tutorial_lib.audit import counterfactual_findings
from tutorial_lib.data import hold_out_k, leave_last_out, load_dataset
from tutorial_lib.language.verbalise import verbaliser
from tutorial_lib.models import load_language_model
from tutorial_lib.strategies.like_prompts import like_wording
from tutorial_workshop.experiments.real_titles import (
    VALUES,
    by_wording,
    equally_popular,
    like_answers,
    named_lists,
    next_rows,
    reranked,
    year_answers,
)

ROWS = [3, 8, 20]


@pytest.fixture(scope="module")
def lm():
    return tiny_lms.lm("kit-gpt")


@pytest.fixture(scope="module")
def split():
    return leave_last_out(load_dataset("world-movies"))


def test_users_are_asked_about_the_oldest_of_their_test_items(lm):
    """The item itself in the history, or another user's answer, would make the question idle."""
    split = hold_out_k(load_dataset("world-movies"), 4, valid_k=1)
    asked = {name: like_wording(name) for name in ("plain", "claim")}
    found = like_answers(lm, split, ROWS, asked, most=3)
    assert found.groupby(["wording", "user"]).size().eq(3).all() and len(found) == 2 * 3 * 3
    for row in ROWS:
        mine = found[(found["user"] == split.users[row]) & (found["wording"] == "plain")]
        assert mine["item"].tolist() == list(split.test_target[row][:3])


def test_a_wording_is_summed_up_by_auc_and_by_how_often_it_says_yes():
    """A score above 0 is a yes, whatever its rank."""
    table = {"wording": "w", "user": [1, 1, 2, 2], "liked": [True, False, True, False]}
    found = by_wording(pd.DataFrame({**table, "score": [0.5, 0.2, -3.0, -1.0]})).set_index("user")
    assert found["auc"].to_dict() == {1: 1.0, 2: 0.0}
    assert found["yes"].to_dict() == {1: 1.0, 2: 0.0} and found["truth"].eq(0.5).all()


def test_candidates_are_unseen_and_as_popular_as_the_target(split):
    """Against rarer items popularity alone would win."""
    counts = np.bincount(np.concatenate(split.train), minlength=split.dataset.n_items)
    found = equally_popular(split, ROWS, n=6, seed=1)
    for row, items in zip(ROWS, found, strict=True):
        assert items[0] == split.test_target[row][0] and len(set(items.tolist())) == 7
        assert not set(items[1:].tolist()) & set(split.test_history[row].tolist())
        away = np.abs(np.log1p(counts) - np.log1p(counts[items[0]]))
        free = np.setdiff1d(np.arange(len(counts)), [*split.test_history[row], items[0]])
        assert away[items[1:]].max() == pytest.approx(np.sort(away[free])[5])


def test_every_scorer_is_counted_for_every_user(lm, split):
    candidates = equally_popular(split, ROWS, n=4)
    found = reranked(lm, split, ROWS, candidates)
    assert found.groupby("scorer").size().eq(3).all() and found["auc"].between(0, 1).all()
    counts = np.bincount(np.concatenate(split.train), minlength=split.dataset.n_items)
    popular = found[found["scorer"] == "popularity"]["auc"].to_numpy()
    of = counts[candidates]
    expected = ((of[:, :1] > of[:, 1:]) + 0.5 * (of[:, :1] == of[:, 1:])).mean(axis=1)
    np.testing.assert_allclose(popular, expected)


def test_a_year_is_one_of_the_catalogue_and_the_control_deals_the_same_answers(lm):
    titles = ["Solaris (1972)", "Alien (1979)", "Heat (1995)", "Untitled", "Fargo (1996)"]
    found = year_answers(lm, titles)
    assert found["title"].tolist() == ["Solaris", "Alien", "Heat", "Fargo"]
    assert set(found["guessed"]) <= {1972, 1979, 1995, 1996}
    assert sorted(found["guessed"]) == sorted(found["dealt"])


def test_a_place_in_a_file_is_asked_about_in_order_and_out_of_order(lm):
    """Without the shuffled control, a line like those before it would pass for memory."""
    lines = [f"{i}|{title}" for i, title in enumerate(tiny_lms.catalogue())]
    found = next_rows(lm, lines, n=4, wrong=5)
    assert found.groupby("place")["order"].apply(sorted).tolist() == [["file", "shuffled"]] * 4
    assert found["rank"].between(1, 6).all()


def test_lists_of_named_users_fit_the_audit(split):
    lm = load_language_model("kit-gpt")
    words, histories = verbaliser(split.dataset), [split.test_history[row] for row in ROWS]
    neutral, values, others = named_lists(lm, words, histories, split.dataset.n_items, k=3)
    assert neutral.shape == (3, 3) and set(values) == set(VALUES) and len(others) >= 5
    findings = counterfactual_findings(neutral, values["gender"], others)
    assert len(findings) >= 2
