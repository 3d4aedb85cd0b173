"""What models are chosen by: the very number that `evaluate` would give, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small import random_dataset

from tutorial_lib.data import hold_out_k, leave_last_out
from tutorial_lib.errors import InputError
from tutorial_lib.evaluation import evaluate, evaluate_scores
from tutorial_lib.models import Random
from tutorial_lib.selection import expected_ndcg, validation_ndcg


@settings(max_examples=200, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 12),
    st.integers(10, 40),
    st.sampled_from([0, 1, 3]),
    st.sampled_from([np.float32, np.float64]),
    st.booleans(),
)
def test_ndcg_is_that_of_the_evaluation(seed, n, n_items, levels, dtype, barred):
    """Ties, several targets, targets in their history, targets scored -inf."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(n, n_items)).astype(dtype)
    if levels:
        scores = np.round(scores * levels)
    if barred:
        scores[rng.random(scores.shape) < 0.1] = -np.inf
    histories = [rng.choice(n_items, rng.integers(0, 6)).tolist() for _ in range(n)]
    targets = [rng.choice(n_items, rng.integers(1, 4)).tolist() for _ in range(n)]
    expected = evaluate_scores(scores, targets, histories, k=10)["ndcg@10"]
    ours = expected_ndcg(scores, histories, targets)
    assert np.array_equal(ours, expected) and ours.mean() == expected.mean()


@pytest.mark.parametrize("hold_out", [leave_last_out, lambda data: hold_out_k(data, 3)])
def test_validation_is_that_of_the_evaluation(hold_out):
    """Users without validation targets are left out, and nothing of the test part is seen."""
    split = hold_out(random_dataset(seed=2))
    model = Random().fit(split)
    if any(len(target) for target in split.valid_target):
        expected = evaluate(model, split, k=10, on="valid")["ndcg@10"].mean()
        assert validation_ndcg(model.score, split) == expected


def test_nan_is_refused():
    with pytest.raises(InputError, match="row 1 contain NaN"):
        expected_ndcg(np.array([[1.0, 2.0], [np.nan, 0.0]]), [[], []], [[0], [1]])
