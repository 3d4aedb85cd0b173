"""What `evaluate_scores`, `target_ranks` and `recommend` take for codes and rows, and what they
refuse.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from small import Fixed, make_dataset

from tutorial_lib.data import leave_last_out
from tutorial_lib.errors import InputError
from tutorial_lib.evaluation import evaluate, evaluate_scores, target_ranks

LOG = [(user, (user + step) % 9, step) for user in range(5) for step in range(4)]


def test_rows_of_scores_targets_and_histories_are_paired_by_label():
    rng = np.random.default_rng(5)
    scores, users, order = rng.random((4, 6)), [7, 3, 9, 5], [2, 0, 3, 1]
    targets, histories = [[1], [2, 3], [], [4]], [[0], [], [5], [1]]
    expected = evaluate_scores(scores, targets, histories, k=2)
    assert len(expected) == 3

    def shuffled(values):
        return pd.Series(values, index=users).iloc[order]

    table = pd.DataFrame(scores, index=users)
    options = [dict, lambda series: series]
    for one, other in [(a, b) for a in options for b in options]:
        found = evaluate_scores(table, one(shuffled(targets)), other(shuffled(histories)), k=2)
        np.testing.assert_array_equal(found.to_numpy(), expected.to_numpy())
        assert found.index.tolist() == [7, 3, 5] and found.index.name == "user"
    turned = pd.DataFrame(scores)[[5, 0, 3, 1, 4, 2]]
    pd.testing.assert_frame_equal(evaluate_scores(turned, targets, histories, k=2), expected)
    numbered = dict(enumerate(targets)), pd.Series(histories)
    pd.testing.assert_frame_equal(evaluate_scores(scores, *numbered, k=2), expected)
    ranks = target_ranks(table, pd.Series([1, 2, 3, 4], index=users).iloc[order])
    np.testing.assert_array_equal(ranks, target_ranks(scores, [1, 2, 3, 4]))


GOALS = [1, 2, 3, 4]
TARGETS = [
    GOALS,
    tuple(GOALS),
    np.int32(GOALS),
    np.uint8(GOALS),
    np.float64(GOALS),
    list(np.int16(GOALS)),
    pd.Series(GOALS),
    pd.array(GOALS, dtype="Int64"),
    np.array(GOALS, dtype=object),
    torch.tensor(GOALS),
    [[goal] for goal in GOALS],
    [{goal} for goal in GOALS],
    [(goal, goal) for goal in GOALS],
    [np.array([goal]) for goal in GOALS],
    [[1], np.array([2.0]), pd.Series([3], index=[8]), {4: None}.keys()],
    np.array(GOALS)[:, None],
]


@pytest.mark.parametrize("targets", TARGETS, ids=range(len(TARGETS)))
def test_codes_of_any_form_are_the_same_targets(targets):
    scores = np.random.default_rng(6).random((4, 6))
    expected = evaluate_scores(scores, GOALS, [[0], [], [5, 2], [1]], k=2)
    histories = [np.array([0]), (), {5, 2}, [np.uint8(1)]]
    pd.testing.assert_frame_equal(evaluate_scores(scores, targets, histories, k=2), expected)


SCORES = np.random.default_rng(7).random((4, 6))
BAD_ROWS = {
    "a missing code": ([1, float("nan")], "holds nan"),
    "none": ([1, None], "holds None"),
    "a missing code of pandas": (pd.array([1, None], dtype="Int64"), "holds <NA>"),
    "a fraction": ([1.5, 2], "holds 1.5"),
    "fractions": (np.array([1.5, 2]), "holds 1.5"),
    "texts": (["1", "2"], "holds '1'"),
    "an array of texts": (np.array(["1"]), "holds '1'"),
    "a text": ("12", "is str|one .* (a|per) row|got a string"),
    "a mask": (np.arange(6) == 1, "holds False.*np.flatnonzero"),
    "a mask as a list": ([True, 2], "holds True.*np.flatnonzero"),
    "a dictionary": ({1: 0.5}, "is dict"),
    "unequal lists": ([[1], [2, 3]], "holds lists"),
    "two dimensions": (np.ones((1, 2), dtype=int), "2 dimensions"),
    "masked places": (np.ma.masked_array([1, 2], mask=[True, False]), "holds (masked|--)"),
    "nothing": (None, "no list"),
    "a huge code": ([2**70], "outside the catalogue|unknown to this catalogue"),
    "a huge unsigned code": (np.uint64([2**63]), "outside the catalogue|unknown to this catalogue"),
}


@pytest.mark.parametrize("row, message", BAD_ROWS.values(), ids=BAD_ROWS)
def test_rows_that_are_no_codes_are_refused_everywhere(row, message):
    """Half of these were cut to whole numbers, the others ended in a TypeError of numpy's."""
    rows = [[0], row, [1], [2]]
    model = Fixed(SCORES)
    for call in (
        lambda: evaluate_scores(SCORES, rows, k=2),
        lambda: evaluate_scores(SCORES, GOALS, rows, k=2),
        lambda: model.recommend(rows, 2, users=range(4)),
    ):
        with pytest.raises(InputError, match=message) as error:
            call()
        assert len(str(error.value)) < 300


@pytest.mark.parametrize(
    "scores, targets, histories, message",
    [
        (SCORES, pd.Series(GOALS, index=[3, 2, 1, 0]), None, "names its users .3, 2"),
        (SCORES, {4: 1, 5: 2, 6: 3, 7: 4}, None, "names its users .4, 5"),
        (SCORES, GOALS, pd.Series([[0]] * 4, index=[4, 5, 6, 7]), "names its users .4, 5"),
        (pd.DataFrame(SCORES, index=list("abcd")), GOALS, None, "names its users .'a'"),
        (pd.DataFrame(SCORES, index=list("aacd")), dict.fromkeys("acd", 1), None, "two lists"),
        (pd.DataFrame(SCORES, columns=list("abcdef")), GOALS, None, "columns.*'a'.*to_numpy"),
        (pd.DataFrame(SCORES, columns=range(1, 7)), GOALS, None, "columns.*named 1"),
        (np.ma.masked_array(SCORES, mask=SCORES > 0.5), GOALS, None, "filled.-np.inf"),
        (SCORES, [1, [2], 3, [4]], None, "row 0 is no list, others are"),
        (SCORES, [[1], 2, [3], [4]], None, "row 1 is no list, others are"),
        (SCORES, ["1", "2", "3", "4"], None, "holds '1'"),
        (SCORES, np.array(GOALS) + 0.5, None, "holds 1.5"),
        (SCORES, SCORES > 0.5, None, "np.flatnonzero"),
        (SCORES, np.array(5), None, "targets must hold"),
        (SCORES, GOALS, "abcd", "histories must hold"),
        (SCORES, GOALS, pd.DataFrame([[0]] * 4), "histories must hold"),
        (SCORES, GOALS, [0, 1, 2, 3], "a row that is no list"),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(scores, targets, histories, message):
    with pytest.raises(InputError, match=message):
        evaluate_scores(scores, targets, histories, k=2)


@pytest.mark.parametrize("block", [0, -3, 2.5, True, "10"])
def test_a_block_is_a_number_of_users(block):
    model = Fixed(np.zeros((23, 40)))
    for call in (
        lambda: evaluate(model, leave_last_out(make_dataset(LOG, n_items=40)), block=block),
        lambda: model.recommend([[0]], users=[0], block=block),
    ):
        with pytest.raises(InputError, match="block="):
            call()


def test_recommend_refuses_what_does_not_fit_its_histories():
    model = Fixed(SCORES)
    with pytest.raises(InputError, match="1 histories but 2 users"):
        model.recommend([[0]], 2, users=[0, 1])
    with pytest.raises(InputError, match=r"shape \(1, 4, 6\), expected \(2, 6\)"):
        model.recommend([[0], [1]], 2)
    for histories in ({0: [1]}, "ab", pd.DataFrame([[1]]), 5, np.array([1, 2])):
        with pytest.raises(InputError, match="one history per row"):
            model.recommend(histories, 2)
    by_user = pd.Series([[0], [1], [2], [3]], index=[9, 8, 7, 6])
    listed = model.recommend(by_user.tolist(), 2, users=range(4))
    np.testing.assert_array_equal(model.recommend(by_user, 2, users=range(4)), listed)
