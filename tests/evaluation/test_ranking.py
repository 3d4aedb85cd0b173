"""Ranking metrics against an independent judge (pytrec_eval), the field's known traps, and the laws
they must obey.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tutorial_lib.errors import InputError
from tutorial_lib.evaluation import coverage, evaluate_scores, gini, ranking_metrics
from tutorial_lib.evaluation.metrics import METRICS

LOG2_3 = np.log2(3)


# --- pytrec_eval as judge ---


def judged(recommended, relevant, k: int) -> pd.DataFrame:
    """The seven metrics by pytrec_eval, for users with relevant items; lists are cut at k where
    trec_eval has no cut-off of its own.
    """
    pytrec_eval = pytest.importorskip("pytrec_eval")
    qrels = {
        str(u): {str(i): 1 for i in set(items)}
        for u, items in enumerate(relevant)
        if len(set(items))
    }
    runs = {
        u: {str(i): -float(place) for place, i in enumerate(recommended[int(u)])} for u in qrels
    }
    heads = {u: dict(list(run.items())[:k]) for u, run in runs.items()}
    names = {f"P.{k}", f"recall.{k}", f"success.{k}", f"map_cut.{k}", f"ndcg_cut.{k}"}
    full = pytrec_eval.RelevanceEvaluator(qrels, names).evaluate(runs)
    cut = pytrec_eval.RelevanceEvaluator(qrels, {"recip_rank", "map"}).evaluate(heads)
    empty = {"recip_rank": 0.0, "map": 0.0, **{name.replace(".", "_"): 0.0 for name in names}}
    rows = {}
    for u, items in qrels.items():
        a, b = full.get(u, empty), cut.get(u, empty)
        assert a[f"map_cut_{k}"] == pytest.approx(
            b["map"], abs=1e-12
        )  # trec_eval divides by R either way
        average = a[f"map_cut_{k}"]
        rows[int(u)] = [a[f"P_{k}"], a[f"recall_{k}"], a[f"success_{k}"], b["recip_rank"]]
        rows[int(u)] += [average * len(items) / min(len(items), k), average, a[f"ndcg_cut_{k}"]]
    return pd.DataFrame.from_dict(
        rows, orient="index", columns=[f"{m}@{k}" for m in METRICS]
    ).astype(float)


CASES = st.lists(
    st.tuples(
        st.permutations(range(12)), st.integers(0, 12), st.sets(st.integers(0, 15), max_size=14)
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=200, deadline=None)
@given(CASES, st.integers(1, 14))
def test_agrees_with_pytrec_eval_on_any_untied_list(cases, k):
    recommended, relevant = (
        [list(order[:length]) for order, length, _ in cases],
        [items for _, _, items in cases],
    )
    ours, theirs = ranking_metrics(recommended, relevant, k), judged(recommended, relevant, k)
    assert list(ours.index) == list(theirs.index)
    np.testing.assert_allclose(ours.to_numpy(), theirs.to_numpy(), rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    "n_relevant", [1, 5, 40]
)  # 40: the look-up for many relevant items, not column by column
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_agrees_with_pytrec_eval_on_long_lists(seed, n_relevant):
    rng = np.random.default_rng(seed)
    recommended = np.argsort(rng.random((60, 300)), axis=1)[:, :100]
    relevant = [rng.choice(300, n_relevant, replace=False).tolist() for _ in range(60)]
    ours = ranking_metrics(recommended, relevant, k=(1, 10, 100))
    for k in (1, 10, 100):
        np.testing.assert_allclose(
            ours.filter(regex=f"@{k}$"),
            judged(recommended.tolist(), relevant, k),
            rtol=0,
            atol=1e-9,
        )


# --- the traps of the field: each case broke at least one published library ---

TRAPS = {
    "ndcg divides by what is achievable, not by k hits": ([9, 8, 1], [1], 10, {"ndcg": 0.5}),
    "rank 2 is discounted": ([9, 1], [1], 10, {"ndcg": 1 / LOG2_3}),
    "ap divides by R, not by the hits found": (
        [1, 9, 2],
        [1, 2, 3],
        10,
        {"map": (1 + 2 / 3) / 3, "map_r": (1 + 2 / 3) / 3},
    ),
    "recall divides by R, not min(R, k); the two APs differ": (
        [1, 2],
        [1, 2, 3, 4, 5],
        2,
        {"recall": 0.4, "map": 1.0, "map_r": 0.4, "ndcg": 1.0},
    ),
    "precision divides by k, not by the list's length": (
        [1, 2, 9],
        [1, 2],
        5,
        {"precision": 0.4, "ndcg": 1.0},
    ),
    "no recommendations score 0": ([], [1], 5, dict.fromkeys(METRICS, 0.0)),
    "a repeated recommendation counts once": (
        [1, 1, 2],
        [1],
        3,
        {"recall": 1.0, "ndcg": 1.0, "map": 1.0, "precision": 1 / 3},
    ),
    "a repeat keeps its place": ([9, 9, 1], [1], 2, {"hit": 0.0, "mrr": 0.0}),
    "a repeated hit pushes the next one down": (
        [1, 1, 2],
        [1, 2],
        3,
        {"hit": 1.0, "map": (1 + 2 / 3) / 2, "precision": 2 / 3},
    ),
    "a repeated relevant item counts once": (
        [1, 2],
        [1, 1],
        2,
        {"recall": 1.0, "ndcg": 1.0, "map": 1.0, "map_r": 1.0},
    ),
    "mrr is 0 beyond k": ([9, 8, 1], [1], 2, {"mrr": 0.0}),
}


@pytest.mark.parametrize("recommended, relevant, k, expected", TRAPS.values(), ids=TRAPS)
def test_trap(recommended, relevant, k, expected):
    row = ranking_metrics([recommended], [relevant], k).iloc[0]
    assert {name: row[f"{name}@{k}"] for name in expected} == pytest.approx(expected, abs=1e-12)


def test_trap_log_probabilities_are_scores_like_any_other():
    row = evaluate_scores(np.array([[-0.1, -2.0, -3.0, -np.inf]]), [0], k=1).iloc[0]
    assert (row == 1).all()


@pytest.mark.parametrize("target", [0, 4])
def test_trap_ties_do_not_depend_on_where_the_target_stands(target):
    row = evaluate_scores(np.zeros((1, 5)), [target], k=3).iloc[0]
    assert row["hit@3"] == pytest.approx(3 / 5) and row["precision@3"] == pytest.approx(1 / 5)
    assert row["mrr@3"] == pytest.approx((1 + 1 / 2 + 1 / 3) / 5) and row[
        "ndcg@3"
    ] == pytest.approx((1 + 1 / LOG2_3 + 1 / 2) / 5)


def test_trap_users_without_relevant_items_are_left_out_and_counted():
    frame = ranking_metrics([[1], [1], [2]], [[], [1], []], k=1)
    assert (
        list(frame.index) == [1] and frame.attrs["n_users"] == 1 and frame.attrs["n_excluded"] == 2
    )
    assert not frame.isna().any(axis=None)


@pytest.mark.parametrize(
    "form",
    [list, np.array, lambda lists: [[str(i) for i in row] for row in lists]],
    ids=["list", "array", "text"],
)
def test_a_list_with_repeats_is_worse_than_the_clean_one(form):
    """The first item shown six times, the rest pushed down: five places say nothing new, and the
    metrics must show it.
    """
    clean, padded = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [1, 1, 1, 1, 1, 1, 2, 3, 4, 5]
    relevant = form([[1, 3]])
    good, bad = (ranking_metrics(form([row]), relevant, k=10).iloc[0] for row in (clean, padded))
    assert (
        bad["ndcg@10"] < good["ndcg@10"] and bad["map@10"] < good["map@10"] and bad["hit@10"] == 1
    )
    assert bad["ndcg@10"] == pytest.approx((1 + 1 / np.log2(9)) / (1 + 1 / LOG2_3), abs=1e-12)
    assert ranking_metrics(form([padded]), form([[5]]), k=6)["hit@6"].item() == 0


# --- ids, padding, shapes ---


def test_ids_of_any_type_give_the_numbers_of_their_codes():
    rng = np.random.default_rng(3)
    codes = [rng.permutation(30)[: rng.integers(0, 20)].tolist() for _ in range(40)]
    wanted = [rng.choice(30, 12).tolist() for _ in range(40)]
    expected = ranking_metrics(codes, wanted, k=(3, 10))
    for name in (
        str,
        lambda i: ("item", i),
        lambda i: i - 7,
        lambda i: i + 2**62,
        lambda i: i + 2**80,
        lambda i: float(i) + 0.5,
    ):
        other = ranking_metrics(
            [[name(i) for i in row] for row in codes],
            [{name(i) for i in row} for row in wanted],
            k=(3, 10),
        )
        pd.testing.assert_frame_equal(other, expected)


def test_padding_in_integer_arrays_is_no_recommendation():
    padded = np.array([[5, -1, 3, -1], [-1, -1, -1, -1], [1, 2, 3, -1]])
    pd.testing.assert_frame_equal(
        ranking_metrics(padded, [[3], [3], [3]], k=3),
        ranking_metrics([[5, 3], [], [1, 2, 3]], [[3], [3], [3]], k=3),
    )


def test_padding_is_skipped_beside_large_ids_too():
    large = 2**40
    padded = np.array([[-1, large, -1], [large + 1, -1, -1]])
    assert ranking_metrics(padded, [[large], [-1, large]], k=1)["hit@1"].tolist() == [1.0, 0.0]
    assert ranking_metrics(padded, [[large], [-1, large]], k=1)["recall@1"].tolist() == [1.0, 0.0]
    assert (
        ranking_metrics([[1, 2]], [np.array([2, -1])], k=2)["recall@2"].item() == 1.0
    )  # padding is not relevant either


def test_list_array_and_list_of_arrays_are_the_same():
    table = np.array([[4, 2, 7], [1, 0, 3]])
    relevant = [[2, 9], [3]]
    for other in (
        table.tolist(),
        list(table),
        table.astype(np.int16),
        list(table.astype(np.uint8)),
    ):
        pd.testing.assert_frame_equal(
            ranking_metrics(other, relevant, k=(1, 3)), ranking_metrics(table, relevant, k=(1, 3))
        )


def test_k_beyond_the_list_is_allowed_and_columns_come_k_by_k():
    frame = ranking_metrics([[1]], [[1]], k=[2, 50])
    assert list(frame.columns) == [f"{m}@{k}" for k in (2, 50) for m in METRICS]
    assert frame["precision@50"].item() == 1 / 50 and frame["ndcg@50"].item() == 1.0


@pytest.mark.parametrize("k", [0, -1, 2.5, [], [5, 0], True, "10"])
def test_refuses_a_k_that_is_no_cut_off(k):
    with pytest.raises(InputError, match="k="):
        ranking_metrics([[1]], [[1]], k=k)


@pytest.mark.parametrize(
    "recommended, relevant, message",
    [
        ([[1], [2]], [[1]], "2 lists of recommendations but 1"),
        ([1, 2], [[1], [2]], "one list of item ids per user"),
        (["ab"], [["a"]], "got a string"),
        ("ab", [["a"], ["b"]], "got str"),
        (np.array([1, 2]), [[1], [2]], "1-dimensional"),
    ],
)
def test_refuses_what_is_no_list_of_lists(recommended, relevant, message):
    with pytest.raises(InputError, match=message):
        ranking_metrics(recommended, relevant)


NEVER = {
    "numbers and text": ([[1, 2]], [["1"]], "1 .numbers.|2 .numbers.*'1' .text."),
    "text and numbers": ([["1", "2"]], [[1]], "ids of different kinds never match"),
    "an array of text": (np.array([["1", "2"]]), [[1]], "ids of different kinds"),
    "arrays of text": ([np.array(["1"])], [np.array([1])], "ids of different kinds"),
    "one array of each kind": (
        [np.array(["1"]), np.array([1])],
        [["1"], ["1"]],
        "ids of different kinds",
    ),
    "a mixture on one side": ([[1, "2"]], [[1]], "ids of different kinds"),
    "bytes and text": ([[b"a"]], [["a"]], "ids of different kinds never match, as b'a' .bytes."),
    "pairs with scores": ([[("a", 0.9)]], [["a"]], "a pair of id and score. Give the ids alone"),
    "pairs with scores on both sides": ([[("a", 0.9)]], [[("a", 1.5)]], "a pair of id and score"),
    "pairs of other kinds": ([[("item", 1)]], [[("item", "1")]], "ids of different kinds"),
    "scores in place of ids": (
        np.array([[0.2, 0.9]]),
        [[1]],
        "0.[29] .fractions.*scores go to evaluate_scores",
    ),
    "a set in place of a list": ([{1, 2}], [[1]], "holds a set, which has no order"),
    "a frozen set": ([frozenset({1})], [[1]], "holds a set"),
    "a dictionary of scores": ([{"a": 0.9}], [["a"]], "holds a dictionary.*sorted.scores"),
    "a dictionary of gains": ([["a"]], [{"a": 0}], "holds a dictionary.*gains.item. > 0"),
    "a frame a user": ([pd.DataFrame({"item": [1]})], [[1]], "holds a DataFrame"),
    "a frame": (pd.DataFrame([[1, 2]]), [[1]], "got DataFrame"),
    "a mask": (np.array([[True, False]]), [[1]], "holds True and False"),
    "a mask as a list": ([[True, False]], [[1]], "holds True and False"),
    "a missing id": ([[1, None]], [[1]], "recommended holds a missing id"),
    "a missing number": ([[1.0, float("nan")]], [[1]], "recommended holds a missing id"),
    "a missing number in an array": (
        np.array([[1.0, np.nan]]),
        [[1]],
        "recommended holds a missing id",
    ),
    "a missing relevant id": ([["a"]], [["a", pd.NA]], "relevant holds a missing id"),
    "a missing time": ([[pd.NaT]], [[pd.NaT]], "holds a missing id"),
    "ids that cannot be compared": ([[["a"]]], [[["a"]]], "must be hashable"),
    "three dimensions": (np.zeros((1, 2, 3), dtype=int), [[1]], "3-dimensional"),
    "two dimensions a user": ([np.zeros((1, 2), dtype=int)], [[1]], "more than one dimension"),
}


@pytest.mark.parametrize("recommended, relevant, message", NEVER.values(), ids=NEVER)
def test_what_can_only_give_zeros_is_refused(recommended, relevant, message):
    """All of these gave a table of zeros, or of nonsense, without a word."""
    with pytest.raises(InputError, match=message) as error:
        ranking_metrics(recommended, relevant, k=2)
    assert len(str(error.value).splitlines()) == 1


def test_whole_numbers_of_any_type_are_the_same_ids():
    expected = ranking_metrics([[3, 1], [2, 5]], [[1], [5]], k=2)
    for one, other in (
        (np.int64, int),
        (float, int),
        (int, np.float32),
        (np.uint8, np.int64),
        (np.float64, float),
    ):
        found = ranking_metrics(
            [[one(i) for i in row] for row in ([3, 1], [2, 5])], [[other(1)], [other(5)]], k=2
        )
        pd.testing.assert_frame_equal(found, expected)
    pd.testing.assert_frame_equal(
        ranking_metrics(
            np.array([[3.0, 1, -1], [2, 5, -1]]), [np.array([1.0]), np.array([5])], k=2
        ),
        expected,
    )
    pd.testing.assert_frame_equal(
        ranking_metrics([np.array([3, 1]), np.array([2.0, 5.0])], [[1], [5]], k=2), expected
    )
    empty = ranking_metrics([np.array([]), np.array([7])], [np.array([1]), np.array([7])], k=2)
    assert empty["hit@2"].tolist() == [0.0, 1.0]


def test_users_are_paired_by_their_labels():
    """Two groupbys need not give the users in one order."""
    recommended, relevant = (
        {"ann": [1], "bob": [2], "eve": [3]},
        {"eve": [4], "bob": [2], "ann": [1]},
    )
    expected = [1.0, 1.0, 0.0]
    for one, other in ((dict, dict), (pd.Series, pd.Series), (dict, pd.Series)):
        frame = ranking_metrics(one(recommended), other(relevant), k=1)
        assert (
            frame["hit@1"].tolist() == expected
            and frame.index.tolist() == ["ann", "bob", "eve"]
            and frame.index.name == "user"
        )
    some = ranking_metrics(recommended, {**relevant, "bob": []}, k=1)
    assert some.index.tolist() == ["ann", "eve"] and some.attrs["n_excluded"] == 1
    numbered = pd.Series([[1], [2]])
    assert ranking_metrics(numbered, [[1], [3]], k=1).index.name == "row"
    assert ranking_metrics({0: [1], 1: [2]}, pd.Series([[1], [2]]), k=1)["hit@1"].tolist() == [
        1.0,
        1.0,
    ]


@pytest.mark.parametrize(
    "recommended, relevant, message",
    [
        ({"ann": [1]}, {"bob": [1]}, "the user '(ann|bob)' is on one side only"),
        ({"ann": [1], "bob": [2]}, {"bob": [1]}, "the user 'ann' is on one side only"),
        ({5: [1]}, [[1]], "one side names its users .5, ....*the other does not"),
        (pd.Series([[1], [2]], index=[4, 2]), [[1], [2]], "one side names its users"),
        (
            pd.Series([[1], [2]], index=[4, 4]),
            pd.Series([[1], [2]], index=[4, 4]),
            "the user 4 has two lists",
        ),
    ],
)
def test_users_that_cannot_be_paired_are_refused(recommended, relevant, message):
    with pytest.raises(InputError, match=message):
        ranking_metrics(recommended, relevant, k=1)


def test_two_ways_of_numbering_are_told():
    """Codes against catalogue numbers, say: both are whole numbers, and none of one side is on the
    other.
    """
    codes, numbers = [[i] for i in range(12)], [[1000 + i] for i in range(12)]
    with pytest.warns(
        UserWarning,
        match="none of the 12 recommended items is relevant to anybody.*of one numbering",
    ):
        assert not ranking_metrics(codes, numbers, k=1).to_numpy().any()


@pytest.mark.filterwarnings("error")
def test_an_honest_zero_is_not_commented_on():
    ranking_metrics(
        [[i] for i in range(12)], [[(i + 1) % 12] for i in range(12)], k=1
    )  # the items occur on both sides
    ranking_metrics([[1]], [[2]], k=1)  # one user says nothing


# --- laws ---


@settings(max_examples=100, deadline=None)
@given(CASES, st.integers(1, 14))
def test_every_metric_lies_in_the_unit_interval_and_a_perfect_list_gets_one(cases, k):
    relevant = [items | {0} for _, _, items in cases]
    values = ranking_metrics([list(order) + list(order) for order, _, _ in cases], relevant, k)
    assert ((values >= 0) & (values <= 1)).all(axis=None)
    perfect = ranking_metrics([sorted(items) for items in relevant], relevant, k)
    assert (perfect[[f"{m}@{k}" for m in ("hit", "mrr", "map", "ndcg")]].sub(1).abs() < 1e-12).all(
        axis=None
    )


@settings(max_examples=100, deadline=None)
@given(
    st.permutations(range(10)),
    st.sets(st.integers(0, 9), min_size=1),
    st.integers(1, 10),
    st.integers(1, 9),
)
def test_moving_a_relevant_item_up_never_lowers_a_metric(order, relevant, k, place):
    better = list(order)
    if better[place] in relevant and better[place - 1] not in relevant:
        better[place - 1], better[place] = better[place], better[place - 1]
    both = ranking_metrics([order, better], [relevant, relevant], k)
    assert (both.iloc[1] - both.iloc[0] >= -1e-12).all()


def test_the_order_of_users_changes_nothing():
    rng = np.random.default_rng(0)
    recommended, relevant = (
        rng.permuted(np.tile(np.arange(20), (15, 1)), axis=1),
        [rng.choice(20, 3).tolist() for _ in range(15)],
    )
    order = rng.permutation(15)
    shuffled = ranking_metrics(recommended[order], [relevant[i] for i in order], k=5)
    np.testing.assert_array_equal(
        shuffled.to_numpy(), ranking_metrics(recommended, relevant, k=5).to_numpy()[order]
    )


# --- beyond accuracy ---


def test_beyond_accuracy_on_lists_worked_by_hand():
    lists = np.array([[0, 1], [0, 2], [0, -1]])
    assert coverage(lists, 4) == 3 / 4  # the catalogue is all items, also the one nobody was shown
    assert gini(lists, 4) == pytest.approx(
        sum(abs(a - b) for a in (3, 1, 1, 0) for b in (3, 1, 1, 0)) / (2 * 4 * 5)
    )


def test_gini_runs_from_equal_to_one_item():
    assert gini(np.arange(10)[:, None], 10) == 0 and gini(
        np.zeros((10, 1), dtype=int), 10
    ) == pytest.approx(0.9)


@pytest.mark.parametrize("lists", [[[4]], [[-2]], [[0.5]]])
def test_beyond_accuracy_refuses_unknown_items(lists):
    with pytest.raises(InputError, match="item codes 0..3"):
        coverage(lists, 4)


def test_gini_refuses_empty_lists():
    with pytest.raises(InputError, match="no item was recommended"):
        gini(np.full((2, 3), -1), 4)
