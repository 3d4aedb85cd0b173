"""Ties against brute force, ranks against a plain count, `evaluate` against hide-sort-measure."""

from __future__ import annotations

import time
from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small import Fixed, make_dataset

from tutorial_lib.data import Dataset, hold_out_k, leave_last_out
from tutorial_lib.errors import InputError
from tutorial_lib.evaluation import evaluate, evaluate_scores, ranking_metrics, target_ranks
from tutorial_lib.models.baselines import interaction_matrix
from tutorial_lib.recommender import ScoreRecommender

# --- ties: the closed form is the average over every order ---


def average_over_orders(scores, targets, k, hidden=()) -> np.ndarray:
    """Mean metrics over all rankings that the scores allow, each equally likely; hidden items are
    out, targets or not.
    """
    items = [i for i in range(len(scores)) if i not in hidden]
    orders = [
        order
        for order in permutations(items)
        if all(scores[a] >= scores[b] for a, b in zip(order, order[1:], strict=False))
    ]
    return (
        ranking_metrics(np.array(orders, dtype=int), [targets] * len(orders), k).mean().to_numpy()
    )


@pytest.mark.filterwarnings(
    "ignore:ranking_metrics. none of the"
)  # many orders of one user's items are no users
@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(0, 2), min_size=2, max_size=6), st.data())
def test_expected_values_under_ties_match_brute_force(levels, data):
    item = st.integers(0, len(levels) - 1)
    targets, hidden = (
        data.draw(st.sets(item, min_size=1, max_size=4)),
        data.draw(st.sets(item, max_size=4)),
    )
    k = data.draw(st.integers(1, len(levels)))
    scores = np.log(np.array([levels], dtype=np.float32) / 2 + 1e-30)
    got = evaluate_scores(scores, [targets], [sorted(hidden)], k=k).iloc[0].to_numpy()
    np.testing.assert_allclose(
        got, average_over_orders(levels, targets, k, hidden), rtol=0, atol=1e-9
    )


@pytest.mark.parametrize("ties", ["optimistic", "pessimistic", "index"])
def test_other_tie_rules_are_the_ranking_they_name(ties):
    scores, targets = np.array([[1.0, 1.0, 1.0, 1.0, 2.0]]), {1, 3}
    order = {
        "optimistic": [4, 1, 3, 0, 2],
        "pessimistic": [4, 0, 2, 1, 3],
        "index": [4, 0, 1, 2, 3],
    }[ties]
    got, expected = (
        evaluate_scores(scores, [targets], k=(2, 3, 4), ties=ties),
        ranking_metrics([order], [targets], k=(2, 3, 4)),
    )
    np.testing.assert_allclose(got.to_numpy(), expected.to_numpy(), rtol=0, atol=1e-12)


def test_infinite_scores_tie_like_any_others():
    scores = np.array([[np.inf, np.inf, 0.0, -np.inf, -np.inf]])
    assert [target_ranks(scores, [t])[0] for t in range(5)] == [1.5, 1.5, 3.0, 4.5, 4.5]


# --- target_ranks ---


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, np.int64])
@pytest.mark.parametrize(
    "n_items", [1, 7, 8, 255, 256, 2041, 5000]
)  # around the limits of the byte sums
def test_ranks_are_those_of_a_plain_count(n_items, dtype):
    rng = np.random.default_rng(n_items)
    scores, targets = rng.integers(0, 50, (37, n_items)).astype(dtype), rng.integers(0, n_items, 37)
    goal = scores[np.arange(37), targets][:, None]
    above, tied = (scores > goal).sum(axis=1), (scores == goal).sum(axis=1)
    left = ((scores == goal) & (np.arange(n_items) < targets[:, None])).sum(axis=1)
    expected = {
        "expected": above + (tied + 1) / 2,
        "optimistic": above + 1,
        "pessimistic": above + tied,
        "index": above + left + 1,
    }
    for ties, ranks in expected.items():
        np.testing.assert_array_equal(target_ranks(scores, targets, ties=ties), ranks)


def test_a_row_where_every_item_scores_higher_is_counted_in_full():
    scores = np.ones((3, 4099), dtype=np.float32)
    scores[:, 17] = 0
    np.testing.assert_array_equal(target_ranks(scores, [17, 17, 17]), [4099, 4099, 4099])


@pytest.mark.parametrize("place", [(2, 0), (2, 3)], ids=["another item", "the target itself"])
@pytest.mark.parametrize("tied", [False, True])
def test_nan_is_refused_with_its_row_even_among_ties(place, tied):
    scores = np.zeros((4, 6)) if tied else np.random.default_rng(0).random((4, 6))
    scores[place] = np.nan
    with pytest.raises(InputError, match="row 2 contain NaN"):
        target_ranks(scores, [3, 3, 3, 3])


def test_a_single_column_of_nan_is_refused():
    with pytest.raises(InputError, match="NaN"):
        target_ranks([[np.nan]], [0])


@pytest.mark.parametrize(
    "scores, targets, ties, message",
    [
        (np.zeros((2, 3)), [0, 3], "expected", "target 3 lies outside the catalogue of 3"),
        (np.zeros((2, 3)), [0, -1], "expected", "target -1"),
        (np.zeros((2, 3)), [0], "expected", "2 rows of scores but 1 targets"),
        (np.zeros((2, 3)), [0.0, 1.0], "expected", "integers"),
        (np.zeros(3), [0], "expected", "shape"),
        (np.zeros((2, 3)), [0, 1], "mean", "ties='mean'"),
        (np.array([["a"]]), [0], "expected", "numbers"),
    ],
)
def test_target_ranks_refuses(scores, targets, ties, message):
    with pytest.raises(InputError, match=message):
        target_ranks(scores, targets, ties=ties)


def test_no_rows_give_no_ranks():
    assert target_ranks(np.zeros((0, 5)), np.zeros(0, dtype=int)).shape == (0,)


# --- evaluate ---


def dataset() -> Dataset:
    rng = np.random.default_rng(0)
    return make_dataset(
        [(u, i, t) for u in range(23) for t, i in enumerate(rng.permutation(40)[: 2 + u % 12])],
        n_items=40,
    )


def by_sorting(scores, histories, targets, k, exclude_seen=True):
    """The same evaluation the slow way: hide, sort, make lists."""
    lists = []
    for row, history in zip(scores, histories, strict=True):
        hidden = set(history.tolist()) if exclude_seen else set()
        lists.append([i for i in np.argsort(-row, kind="stable") if i not in hidden])
    return ranking_metrics(lists, targets, k)


@pytest.mark.parametrize("exclude_seen", [True, False])
@pytest.mark.parametrize("on", ["test", "valid"])
@pytest.mark.parametrize("held_out", [1, 3])
def test_evaluate_is_hide_sort_and_measure(held_out, on, exclude_seen):
    split = leave_last_out(dataset()) if held_out == 1 else hold_out_k(dataset(), held_out)
    scores = np.random.default_rng(1).standard_normal((23, 40)).astype(np.float32)
    frame = evaluate(Fixed(scores), split, k=(1, 5, 40), on=on, exclude_seen=exclude_seen)
    expected = by_sorting(
        scores,
        getattr(split, f"{on}_history"),
        getattr(split, f"{on}_target"),
        (1, 5, 40),
        exclude_seen,
    )
    np.testing.assert_allclose(frame.to_numpy(), expected.to_numpy(), rtol=0, atol=1e-12)
    assert list(frame.index) == list(expected.index) and frame.index.name == "user"
    assert frame.attrs["n_excluded"] == 23 - len(frame) > 0
    assert (
        frame.attrs["on"] == on
        and "40 items" in frame.attrs["protocol"]
        and f"{len(frame)} users" in frame.attrs["protocol"]
    )


@pytest.mark.parametrize("held_out", [1, 3])
def test_blocks_do_not_change_the_numbers(held_out):
    split = hold_out_k(dataset(), held_out)
    model = Fixed(np.random.default_rng(2).integers(0, 9, (23, 40)).astype(np.float32))
    whole = evaluate(model, split, block=1000)
    for block in (1, 4, 7):
        model.asked.clear()
        pd.testing.assert_frame_equal(evaluate(model, split, block=block), whole)
        assert max(model.asked) <= block


def test_a_constant_scorer_gets_k_of_n():
    split = leave_last_out(dataset())
    frame = evaluate(Fixed(np.zeros((23, 40))), split, k=(5, 10))
    candidates = 40 - np.array([len(split.test_history[u]) for u in frame.index])
    np.testing.assert_allclose(frame["hit@10"], 10 / candidates, atol=1e-12)
    np.testing.assert_allclose(frame["hit@5"], 5 / candidates, atol=1e-12)
    assert frame.attrs["tied"] == 1.0
    assert evaluate(Fixed(np.random.default_rng(0).random((23, 40))), split).attrs["tied"] == 0.0


def test_a_target_in_the_history_is_a_miss_and_repeats_in_the_history_count_once():
    scores = np.array([[3.0, 2.0, 1.0, 0.0]])
    assert evaluate_scores(scores, [1], [[0, 0, 1, 1]], k=1)["hit@1"].item() == 0.0
    assert evaluate_scores(np.zeros((1, 4)), [3], [[0, 0, 1, 1]], k=1)[
        "hit@1"
    ].item() == pytest.approx(1 / 2)
    both = evaluate_scores(scores, [[1, 2]], [[0, 1]], k=2).iloc[
        0
    ]  # one of two is in reach, at rank 1
    assert (both["recall@2"], both["mrr@2"], both["precision@2"]) == (0.5, 1.0, 0.5)


class Repeating(ScoreRecommender):
    """Scores that say: the same again."""

    n_items = 40

    def score(self, histories, users=None):
        return interaction_matrix(histories, self.n_items).toarray() + np.linspace(
            0, 0.5, self.n_items
        )


def repeats():
    """Users who go on taking what they took before: most targets stand in their history."""
    rng = np.random.default_rng(4)
    return make_dataset(
        [(u, (u + i) % 40, t) for u in range(30) for t, i in enumerate(rng.integers(0, 9, 12))],
        n_items=40,
    )


@pytest.mark.parametrize("ties", ["expected", "optimistic", "pessimistic", "index"])
@pytest.mark.parametrize("on", ["test", "valid"])
@pytest.mark.parametrize("held_out", [1, 3])
def test_evaluate_never_finds_what_recommend_cannot_give(held_out, on, ties):
    """A target in the history used to compete without the other seen items: hit@10 .41 where every
    list is without it.
    """
    split = leave_last_out(repeats()) if held_out == 1 else hold_out_k(repeats(), held_out)
    model, histories, targets = (
        Repeating(),
        getattr(split, f"{on}_history"),
        getattr(split, f"{on}_target"),
    )
    lists = model.recommend(histories, k=5)
    frame, expected = (
        evaluate(model, split, k=5, on=on, ties=ties),
        ranking_metrics(lists, targets, k=5),
    )
    np.testing.assert_allclose(frame.to_numpy(), expected.to_numpy(), rtol=0, atol=1e-12)
    number = sum(
        len(set(target.tolist()) & set(history.tolist()))
        for history, target in zip(histories, targets, strict=True)
    )
    assert frame.attrs["repeats"] == number > 0
    assert (
        f"{number} targets stand in their user's history and count as misses"
        in frame.attrs["protocol"]
    )
    kept = evaluate(model, split, k=5, on=on, exclude_seen=False, ties=ties, block=7)
    assert (
        kept.attrs["repeats"] == number
        and "stand in their user's history and are ranked like the rest" in kept.attrs["protocol"]
    )
    assert kept["hit@5"].mean() > frame["hit@5"].mean()


@pytest.mark.parametrize("ties", ["expected", "optimistic", "pessimistic", "index"])
@pytest.mark.parametrize("held_out", [1, 3])
def test_evaluate_never_finds_what_is_scored_minus_infinity(held_out, ties):
    """`recommend` shows none of it; hit@5 rose as a model was able to score fewer items."""
    split = leave_last_out(repeats()) if held_out == 1 else hold_out_k(repeats(), held_out)
    scores = np.random.default_rng(1).random((30, 40))
    scores[:, 12:] = -np.inf
    model, users = Fixed(scores), np.arange(30)
    for options in ({}, {"exclude_seen": False}):
        lists = model.recommend(split.test_history, k=20, users=users, **options)
        expected = ranking_metrics(lists, split.test_target, k=20)
        frame = evaluate(model, split, k=20, ties="index", **options)
        np.testing.assert_allclose(frame.to_numpy(), expected.to_numpy(), rtol=0, atol=1e-12)
    frame = evaluate(model, split, k=20, ties=ties, block=7)
    pairs = zip(split.test_history, split.test_target, strict=True)
    barred = sum(item >= 12 for old, new in pairs for item in set(new.tolist()) - set(old.tolist()))
    assert frame.attrs["barred"] == barred > 0
    assert f"{barred} targets are scored -inf and count as misses" in frame.attrs["protocol"]
    lists = model.recommend(split.test_history, k=20, users=users)
    expected = ranking_metrics(lists, split.test_target, k=20)
    np.testing.assert_allclose(frame.to_numpy(), expected.to_numpy(), rtol=0, atol=1e-12)


def test_data_without_repeats_say_nothing_of_them():
    frame = evaluate(Fixed(np.random.default_rng(0).random((23, 40))), leave_last_out(dataset()))
    assert frame.attrs["repeats"] == 0 and "history" not in frame.attrs["protocol"]


def test_a_target_named_twice_counts_once():
    scores = np.array([[3.0, 2.0, 1.0, 0.0]])
    pd.testing.assert_frame_equal(
        evaluate_scores(scores, [[2, 0, 2]], k=2), evaluate_scores(scores, [[0, 2]], k=2)
    )


def test_the_scores_handed_in_are_not_changed():
    scores = np.random.default_rng(0).random((2, 5))
    before = scores.copy()
    evaluate_scores(scores, [1, 2], [[0], [3]], k=1)
    np.testing.assert_array_equal(scores, before)


def test_rows_without_targets_are_left_out_and_counted():
    frame = evaluate_scores(np.random.default_rng(0).random((3, 5)), [[1], [], [2, 4]], k=5)
    assert (
        list(frame.index) == [0, 2]
        and frame.attrs["n_excluded"] == 1
        and (frame["recall@5"] == 1).all()
    )


@pytest.mark.parametrize("exclude_seen", [True, False])
def test_evaluate_refuses_nan_scores(exclude_seen):
    scores = np.random.default_rng(0).random((23, 40))
    scores[9, 13] = np.nan
    with pytest.raises(InputError, match="NaN"):
        evaluate(Fixed(scores), leave_last_out(dataset()), exclude_seen=exclude_seen)


@pytest.mark.parametrize(
    "columns, options, message",
    [
        (40, dict(k=41), "k=41 is larger than the catalogue: expected at most 40"),
        (39, {}, r"Fixed.score returned shape \(\d+, 39\), expected \(\d+, 40\)"),
        (40, dict(on="train"), "on='train'"),
        (40, dict(ties="random"), "ties='random'"),
        (40, dict(k=0), "k=0"),
    ],
)
def test_evaluate_refuses(columns, options, message):
    with pytest.raises(InputError, match=message):
        evaluate(Fixed(np.zeros((23, columns))), leave_last_out(dataset()), **options)


def test_evaluate_refuses_a_part_without_targets():
    with pytest.raises(InputError, match="no valid targets"):
        evaluate(
            Fixed(np.zeros((23, 40))), leave_last_out(dataset()).merge_validation(), on="valid"
        )


@pytest.mark.parametrize(
    "targets, histories, options, message",
    [
        ([0], None, {}, "2 rows of scores but 1 targets"),
        ([0, 1], [[0]], {}, "1 histories"),
        ([0, 9], None, {}, "target 9"),
        ([0, 1], [[0], [9]], {}, "item 9"),
        ([[], []], None, {}, "no row has a target"),
        ([0, 1], None, dict(k=6), "larger than the catalogue"),
    ],
)
def test_evaluate_scores_refuses(targets, histories, options, message):
    with pytest.raises(InputError, match=message):
        evaluate_scores(np.zeros((2, 5)), targets, histories, **{"k": 1, **options})


@pytest.mark.full
def test_a_rank_costs_a_few_passes_over_the_scores():
    """The speed that benchmarks/RESULTS.md claims (about two passes): a sort or a copy of the
    matrix would take ten and more.
    """
    scores = np.random.default_rng(0).random((3000, 3416), dtype=np.float32)
    targets = np.arange(3000)
    best = {"pass": np.inf, "ranks": np.inf}
    for _ in range(9):
        for name, work in (
            ("pass", lambda: scores.max(axis=1)),
            ("ranks", lambda: target_ranks(scores, targets)),
        ):
            started = time.process_time()
            work()
            best[name] = min(best[name], time.process_time() - started)
    assert best["ranks"] <= 4 * best["pass"]
