import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small import make_dataset, random_dataset

from tutorial_lib.data import leave_last_out, load_dataset
from tutorial_lib.errors import InputError
from tutorial_lib.models import EASE, ItemKNN, Oracle, Popularity, Random, TransitionKNN
from tutorial_lib.recommender import Recommender, top_k

BASELINES = [Popularity, Random, TransitionKNN, ItemKNN, EASE]


@pytest.fixture(scope="module")
def split():
    return leave_last_out(random_dataset(seed=1))


@pytest.mark.parametrize("model", BASELINES)
def test_every_baseline_obeys_the_contract(model, split):
    fitted = model().fit(split, seed=0, progress=False)
    assert isinstance(fitted, Recommender)
    histories = [*split.test_history[:5], np.empty(0, dtype=np.int64), [3]]
    scores = fitted.score(histories)
    assert scores.shape == (7, split.dataset.n_items) and np.isfinite(scores).all()
    # a row's score depends on that row alone
    assert np.allclose(fitted.score(histories[2:3]), scores[2:3], rtol=1e-12, atol=1e-15)
    lists = fitted.recommend(histories, k=10)
    for history, row in zip(histories, lists):
        assert not set(row.tolist()) & set(map(int, history)) and len(set(row.tolist())) == 10
    assert np.array_equal(lists, model().fit(split, seed=0).recommend(histories, k=10))


@pytest.mark.parametrize("model", BASELINES)
def test_bad_input_is_refused_in_one_line(model, split):
    with pytest.raises(InputError, match=r"not fitted: call \w+\(\).fit\(split\)"):
        model().recommend([[0]])
    fitted = model().fit(split)
    with pytest.raises(InputError, match="k must lie in 1..30"):
        fitted.recommend([[0]], k=31)
    with pytest.raises(
        InputError, match="history 1 holds item 99, unknown to this catalogue of 30 items"
    ):
        fitted.recommend([[0], [99]])
    with pytest.raises(InputError, match="unknown to this catalogue"):
        fitted.score([[-1]])


def test_seen_items_never_fill_up_a_short_list(split):
    model = Popularity().fit(split)
    assert model.recommend([list(range(28))], k=5)[0].tolist()[2:] == [-1, -1, -1]
    assert sorted(model.recommend([list(range(28))], k=5)[0, :2].tolist()) == [28, 29]


def test_popularity_counts_training_only():
    split = leave_last_out(
        make_dataset(
            [(0, 0, 1), (0, 1, 2), (0, 2, 3), (0, 3, 4), (1, 1, 1), (1, 0, 2), (1, 3, 3), (1, 3, 4)]
        )
    )
    assert Popularity().fit(split).score([[]])[0].tolist() == [2.0, 2.0, 0.0, 0.0]


def test_transition_knn_by_hand():
    # training sequences 0 1 2 and 0 2: transitions 0->1, 1->2, 0->2
    ds = make_dataset(
        [
            (0, 0, 1),
            (0, 1, 2),
            (0, 2, 3),
            (0, 3, 4),
            (0, 4, 5),
            (1, 0, 1),
            (1, 2, 2),
            (1, 4, 3),
            (1, 3, 4),
        ]
    )
    model = TransitionKNN(
        last=2, decay=0.5, window=1, reverse=0.0, source_power=0.0, target_power=0.0
    ).fit(leave_last_out(ds))
    # newest: 1 -> 2; then item 0 at half weight
    assert np.allclose(model.score([[0, 1]])[0], [0, 0.5, 1 + 0.5, 0, 0], atol=1e-6)
    assert np.allclose(model.score([[1, 0]])[0], [0, 1, 1 + 0.5, 0, 0], atol=1e-6)  # order matters
    backward = TransitionKNN(
        last=1, window=1, reverse=0.25, source_power=0.0, target_power=0.0
    ).fit(leave_last_out(ds))
    assert np.allclose(backward.score([[2]])[0], [0.25, 0.25, 0, 0, 0], atol=1e-6)


def test_ease_solves_its_least_squares_problem(split):
    """The closed form is the minimum: no weight off the diagonal has a gradient."""
    model = EASE(regularisation=2.0).fit(split)
    x = np.zeros((len(split.train), 30))
    for row, history in enumerate(split.train):
        x[row, history] = 1.0
    gradient = x.T @ (x @ model.weights - x) + 2.0 * model.weights
    assert np.abs(gradient[~np.eye(30, dtype=bool)]).max() < 1e-8 and np.all(
        np.diag(model.weights) == 0
    )


def test_item_knn_keeps_k_neighbours_and_is_cosine(split):
    model = ItemKNN(k=3, shrink=0.0).fit(split)
    x = np.zeros((len(split.train), 30))
    for row, history in enumerate(split.train):
        x[row, history] = 1.0
    norms = np.sqrt((x**2).sum(axis=0))
    cosine = (x.T @ x) / np.outer(norms, norms) * (1 - np.eye(30))
    kept = model.similarity.toarray()
    assert ((kept > 0).sum(axis=0) <= 3).all()
    assert np.allclose(kept[kept > 0], cosine[kept > 0]) and np.allclose(
        kept.max(axis=0), cosine.max(axis=0)
    )


def test_random_depends_on_history_and_seed_only(split):
    model = Random().fit(split, seed=1)
    a, b = model.score([[1, 2], [3]]), model.score([[3], [1, 2]])
    assert np.array_equal(a[0], b[1]) and not np.array_equal(a[0], a[1])
    assert not np.array_equal(a, Random().fit(split, seed=2).score([[1, 2], [3]]))


def test_oracle_needs_a_world(split):
    with pytest.raises(InputError, match="planted worlds"):
        Oracle().fit(split)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 4))
def test_top_k_equals_a_stable_sort(seed, k, levels):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, levels, size=(7, 12)).astype(float)  # few levels: many ties
    assert np.array_equal(top_k(scores, k), np.argsort(-scores, axis=1, kind="stable")[:, :k])


def test_nan_scores_are_refused_and_log_probabilities_are_fine():
    with pytest.raises(InputError, match="row 1 contain NaN"):
        top_k(np.array([[1.0, 2.0], [np.nan, 0.0]]), 1)
    assert top_k(np.array([[-5.0, -1.0, -9.0]]), 2).tolist() == [[1, 0]]


def test_transition_knn_decays_with_distance_and_divides_by_popularity():
    # training sequences 0 1 2 and 0 2 (item 3, 4 are held out): counts 2, 1, 2
    ds = make_dataset(
        [
            (0, 0, 1),
            (0, 1, 2),
            (0, 2, 3),
            (0, 3, 4),
            (0, 4, 5),
            (1, 0, 1),
            (1, 2, 2),
            (1, 4, 3),
            (1, 3, 4),
        ]
    )
    split = leave_last_out(ds)
    plain = {"last": 1, "window": 2, "reverse": 0.0}
    model = TransitionKNN(**plain, window_decay=0.25, source_power=0.0, target_power=0.0).fit(split)
    # 2 stands two steps after 0 once, and one step once
    assert np.allclose(model.score([[0]])[0], [0, 1, 0.25 + 1, 0, 0], atol=1e-6)
    model = TransitionKNN(**plain, window_decay=1.0, source_power=1.0, target_power=0.0).fit(split)
    assert np.allclose(model.score([[0]])[0], [0, 1 / 2, 2 / 2, 0, 0], atol=1e-6)
    model = TransitionKNN(**plain, window_decay=1.0, source_power=0.0, target_power=0.5).fit(split)
    assert np.allclose(model.score([[0]])[0], [0, 1, 2 / 2**0.5, 0, 0], atol=1e-6)


def test_the_oracle_is_the_truth_and_knowing_the_types_is_another_answer():
    split = leave_last_out(load_dataset("world-news"))
    histories, users = [h[:3] for h in split.test_history[:50]], split.users[:50]
    truth = split.dataset.truth
    assert np.array_equal(
        Oracle().fit(split).score(histories, users=users), truth.next_item_probabilities(histories)
    )
    informed = Oracle(know_types=True).fit(split)
    assert np.array_equal(
        informed.score(histories, users=users),
        truth.next_item_probabilities(histories, users=users),
    )
    assert not np.allclose(
        informed.score(histories, users=users), truth.next_item_probabilities(histories)
    )
    with pytest.raises(InputError, match="needs users"):
        informed.score(histories)


NAN = float("nan")
IMPOSSIBLE = [
    (lambda: TransitionKNN(last=2.5), r"TransitionKNN\(last=2.5\): expected a whole number from 1"),
    (lambda: TransitionKNN(window=0), r"TransitionKNN\(window=0\): expected a whole number from 1"),
    (
        lambda: TransitionKNN(decay=NAN),
        r"TransitionKNN\(decay=nan\): expected a number in \(0, 1\]",
    ),
    (lambda: TransitionKNN(reverse=NAN), r"TransitionKNN\(reverse=nan\): expected a number"),
    (
        lambda: TransitionKNN(source_power=NAN),
        r"TransitionKNN\(source_power=nan\): expected a number",
    ),
    (lambda: ItemKNN(k=0), r"ItemKNN\(k=0\): expected a whole number from 1"),
    (lambda: ItemKNN(shrink=-1), r"ItemKNN\(shrink=-1\): expected a number in \[0, inf\)"),
    (lambda: EASE(NAN), r"EASE\(regularisation=nan\): expected a number in \(0, inf\)"),
    (lambda: EASE("300"), r"EASE\(regularisation='300'\): expected a number"),
]


@pytest.mark.parametrize("make, message", IMPOSSIBLE, ids=[message for _, message in IMPOSSIBLE])
def test_settings_that_are_no_numbers_are_refused(make, message):
    """NaN passes a comparison that is written the wrong way round, and ends as a table of NaN."""
    with pytest.raises(InputError, match=message):
        make()


@pytest.mark.parametrize("k", [2.5, True, "3", None, 0, -1])
def test_a_length_of_lists_that_is_no_number_is_refused(k, split):
    with pytest.raises(InputError, match="k must lie in 1..30"):
        Random().fit(split).recommend([[0]], k=k)


@pytest.mark.parametrize("seed", [-1, 0.5, "1", 2**64])
def test_seeds_that_no_generator_takes_are_refused(seed, split):
    with pytest.raises(InputError, match=r"seed=.*expected a whole number from 0"):
        Random().fit(split, seed=seed)
