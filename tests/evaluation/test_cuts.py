"""Cuts: every user stands where the rule says, a ceiling only where one holds, and an empty cut
costs one line.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tutorial_lib.data import leave_last_out, load_dataset
from tutorial_lib.errors import InputError
from tutorial_lib.evaluation import evaluate
from tutorial_lib.evaluation.cuts import by_cuts, cuts_of, expected_among
from tutorial_lib.models import EASE, Oracle, Popularity

SURE = np.array([[1.0, 0.0, 0.0]])  # the first of three items comes next


@pytest.fixture(scope="module")
def split():
    return leave_last_out(load_dataset("world-news"))


@pytest.fixture(scope="module")
def cold():
    return leave_last_out(load_dataset("world-movies-cold"))


def named(parts, perspective, by=None):
    return [part for part in parts if part.perspective == perspective and by in (None, part.by)]


def test_thirds_divide_all_users_with_targets_by_what_their_name_says(split):
    """A user in two thirds, or in none, would make the parts' mean differ from the whole's."""
    parts = cuts_of(split)
    counts = np.bincount(np.concatenate(split.train), minlength=split.dataset.n_items)
    values = [
        lambda row: len(split.test_history[row]),
        lambda row: counts[split.test_history[row]].mean(),
        lambda row: counts[split.test_target[row][0]],
    ]
    sparsity = named(parts, "sparsity")
    assert [part.by for part in sparsity] == ["history"] * 6 + ["target"] * 3
    for number, value in enumerate(values):
        thirds = sparsity[3 * number : 3 * number + 3]
        together = np.concatenate([part.users for part in thirds])
        assert sorted(together) == list(split.users)
        assert all(len(part.users) > len(split.users) / 5 for part in thirds)
        ends = [[f(map(value, part.users)) for f in (min, max)] for part in thirds]
        assert ends[0][1] < ends[1][0] and ends[1][1] < ends[2][0]
        words = "history of {:.0f} to {:.0f} items" if number == 0 else "in {:.0f} to {:.0f} tr"
        assert all(words.format(*two) in part.name for two, part in zip(ends, thirds, strict=True))


def test_cold_items_are_those_that_training_does_not_hold(cold):
    (part,) = named(cuts_of(cold, few=0), "cold items")
    new = np.isin(np.concatenate(cold.test_target), cold.dataset.truth.new_items)
    assert part.by == "target" and set(part.users) == set(cold.users[new]) and new.sum() > 100
    (users,) = named(cuts_of(cold, few=7), "cold users")
    assert users.by == "history" and set(users.users) == {
        row for row, history in enumerate(cold.test_history) if len(history) <= 7
    }


def test_a_ceiling_stands_in_cuts_by_history_only_and_an_empty_cut_costs_one_line(split):
    few = split.sample_targets(300)
    oracle = Oracle().fit(split)
    frames = {"oracle": evaluate(oracle, few, k=10), "ease": evaluate(EASE().fit(split), few, k=10)}
    with pytest.warns(UserWarning) as lines:
        board = by_cuts(frames, cuts_of(few, few=0), ceiling="oracle")
    assert [str(line.message) for line in lines] == [
        f"cut {name!r} ({kind}) is left out: none of the users that were judged is in it"
        for kind, name in (
            ("cold users", "history of at most 0 items"),
            ("cold items", "next item in at most 0 training histories"),
        )
    ]
    share = board["share of the ceiling"]
    assert share[board["by"] == "target"].isna().all() and len(board) == 18
    best = share[(board["model"] == "oracle") & (board["by"] == "history")]
    assert best.to_numpy() == pytest.approx(1)
    first = board.iloc[1]
    assert first["model"] == "ease" and first["low"] < first["mean"] < first["high"]
    inside = frames["ease"].loc[frames["ease"].index.isin(cuts_of(few)[0].users), "ndcg@10"]
    assert first["mean"] == pytest.approx(inside.mean()) and first["users"] == len(inside)


def test_frames_in_expectation_are_not_cut_by_target(split):
    """They hold the mean over all targets that could have come, so such a row would be wrong."""
    few = split.sample_targets(60)
    frame = evaluate(Popularity().fit(split), few, k=10, expected=True)
    with pytest.warns(UserWarning, match=r"evaluate\(expected=False\)") as lines:
        board = by_cuts({"popularity": frame}, cuts_of(few, few=1000))
    assert set(board["by"]) == {"history"} and len(lines) == 4


def test_seeds_are_averaged_before_the_interval(split):
    """Users x seeds are not independent: an interval over all rows would be too narrow."""
    few = split.sample_targets(60)
    frame = evaluate(Popularity().fit(split), few, k=10)
    twice = pd.concat({0: frame, 1: frame}, names=["seed"])
    parts = named(cuts_of(few), "sparsity", "history")
    once, two = (by_cuts({"popularity": f}, parts) for f in (frame, twice))
    pd.testing.assert_frame_equal(once, two)


def test_among_new_items_the_truth_is_the_ceiling_and_a_counter_is_chance(cold):
    truth, histories = cold.dataset.truth, cold.test_history[:400]
    p = truth.next_item_probabilities(histories)
    new = np.isin(np.arange(600), truth.new_items)
    ease = EASE().fit(cold).score(histories)
    best, counted = (expected_among(s, p, new, histories)["ndcg@10"] for s in (p, ease))
    chance = (1 / np.log2(np.arange(2, 12))).sum() / new.sum()  # any order of 60 items
    assert counted.mean() == pytest.approx(chance, rel=0.15) and best.mean() > 4 * chance
    assert (best >= counted - 1e-12).all()
    histories[0] = np.append(histories[0], truth.new_items[:-1])  # only one is left to list
    one = expected_among(p[:1] * 0, p[:1], new, histories[:1])["ndcg@10"]
    left = p[0, truth.new_items]
    assert one.iloc[0] == pytest.approx(left[-1] / left.sum())


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda s: cuts_of(s, on="train"), "test"),
        (lambda s: cuts_of(s, few=-1), "few=-1"),
        (lambda s: cuts_of(s.merge_validation(), on="valid"), "has no targets"),
        (lambda s: by_cuts({}, [], ceiling="oracle"), "oracle"),
        (lambda s: expected_among(SURE, SURE, SURE[0] == 0, [np.empty(0, int)]), "empty"),
    ],
)
def test_bad_input_ends_in_one_line(split, call, words):
    with pytest.raises(InputError) as caught:
        call(split)
    assert words in str(caught.value) and "\n" not in str(caught.value)
