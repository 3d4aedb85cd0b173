"""Privacy measures find planted leaks at their analytic size, and nothing where nothing leaks."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from known_effects import leaking_states, true_auc
from tutorial_recipes.worlds import make_world

from tutorial_lib.audit.core.finding import EQUIVALENT, MATERIAL
from tutorial_lib.audit.harms.memorisation import (
    canary_exposure,
    canary_ranks,
    memorisation,
    plant_canaries,
)
from tutorial_lib.audit.harms.privacy import (
    attribute_leak,
    aucs,
    history_features,
    size_features,
)
from tutorial_lib.data import leave_last_out
from tutorial_lib.errors import InputError
from tutorial_lib.evaluation import auc
from tutorial_lib.models import SequenceRecommender

LABELS = np.where(np.random.default_rng(5).random(800) < 0.4, "F", "M")


def test_a_planted_leak_is_found_near_its_bayes_size():
    """A probe that leaked labels between folds would exceed the best possible AUC; one that learned
    nothing would stay at .5.
    """
    states = leaking_states(LABELS == "F", 1.5, seed=1)
    (found,) = attribute_leak({"state": states}, LABELS, 0.05)
    best = true_auc(1.5) - 0.5
    assert found.verdict == MATERIAL and best - 0.06 < found.estimate < best + 0.03
    assert found.ci[0] < found.estimate < found.ci[1] and found.p == pytest.approx(1 / 200)


@pytest.mark.full
def test_no_leak_is_no_finding():
    """False alarms of the label permutation: at most one of four seeds may fall below .05 here."""
    p = [
        attribute_leak(
            {"state": leaking_states(LABELS == "F", 0.0, seed=seed)}, LABELS, 0.05, seed=seed
        )[0].p
        for seed in range(4)
    ]
    assert sum(value < 0.05 for value in p) <= 1


@pytest.mark.full
def test_a_probe_below_chance_counts_as_chance():
    """Held-out labels of a feature that says nothing pull the other way: an interval that ends
    below .5 must not pass for a reading.
    """
    noise = np.random.default_rng(0).normal(size=(4, 800, 1))
    found = [attribute_leak({"state": one}, LABELS, 0.05)[0] for one in noise]
    below = [f for f in found if "counts as .5" in " ".join(f.notes)]
    assert below and all(f.estimate == 0 and f.ci[0] < 0 < f.ci[1] for f in below)


@pytest.mark.full
def test_amplification_compares_state_with_history():
    """What a state adds to the history is the harm of the system, not of the data."""
    strong, weak = (
        leaking_states(LABELS == "F", 2.0, seed=2),
        leaking_states(LABELS == "F", 0.3, seed=3),
    )
    *_, last = attribute_leak({"state": strong, "history": weak}, LABELS, 0.05)
    assert (
        last.metric.startswith("leak amplification")
        and last.verdict == MATERIAL
        and last.estimate > 0.15
    )
    *_, less = attribute_leak(
        {"state": weak, "history": strong}, LABELS, 0.05
    )  # no harm, so no material one either
    assert (
        less.estimate == 0
        and less.verdict == EQUIVALENT
        and "tells less than the history" in less.notes[0]
    )


def test_unknown_users_are_left_out_and_odd_input_is_refused():
    states = leaking_states(LABELS == "F", 1.0)
    labels = np.where(np.arange(800) < 100, "(missing)", LABELS)
    (found,) = attribute_leak({"state": states}, labels, 0.05)
    assert sum(found.n_by_group.values()) == 700
    with pytest.raises(InputError, match="at least two"):
        attribute_leak({"state": states}, np.full(800, "F"), 0.05)
    with pytest.raises(InputError, match="have 10 rows"):
        attribute_leak({"state": states[:10]}, LABELS, 0.05)


def test_features_tell_items_and_size():
    held = history_features([[0, 2], [1]], 3)
    assert held.toarray() == pytest.approx(np.array([[0.5**0.5, 0, 0.5**0.5], [0, 1, 0]]))
    assert size_features([[0, 2], []]).ravel() == pytest.approx(np.log([3, 1]))


@given(st.integers(0, 10**6))
def test_auc_of_each_column_is_that_of_the_evaluation(seed):
    r = np.random.default_rng(seed)
    truth, guess = r.random((30, 3)) < 0.5, r.integers(0, 5, (30, 3)).astype(float)
    if np.isin(truth.sum(axis=0), [0, 30]).any():
        return
    alone = [auc(truth[:, i], guess[:, i]) for i in range(3)]
    assert aucs(truth, guess) == pytest.approx(alone)


def test_canaries():
    """The null has 1.44 bits; a canary that ranks first of 1,024 has ten."""
    assert canary_exposure(np.array([1]), 1024).tolist() == [10.0]
    r = np.random.default_rng(0)
    null = memorisation(r.integers(1, 1025, 400), 1024)
    assert null.verdict == EQUIVALENT and null.p > 0.05 and abs(null.estimate) < 0.3
    assert memorisation(np.ones(40, dtype=int), 1024).verdict == MATERIAL
    assert np.isnan(memorisation(np.ones(5, dtype=int), 1024).ci[0])
    with pytest.raises(InputError, match="ranks must lie"):
        canary_exposure(np.array([0]), 10)


def test_planted_canaries_are_in_the_data_as_often_as_said():
    split = leave_last_out(make_world("movies", n_users=60, n_items=50))
    grown, canaries = plant_canaries(split, (0, 1, 3), n=5, size=4)
    assert {often: some.shape for often, some in canaries.items()} == {
        0: (5, 4),
        1: (5, 4),
        3: (5, 4),
    }
    added = [tuple(row) for row in grown.train[60:]]
    assert len(added) == 20 and all(
        added.count(tuple(row)) == often for often, some in canaries.items() for row in some
    )
    assert (
        all(len(set(row)) == 4 for some in canaries.values() for row in some.tolist())
        and grown.train[:60] == split.train
    )
    assert grown.dataset.users["user_id"].iloc[-1] == "canary-19" and grown.dataset.truth is None
    for wrong in (
        {"times": (0,)},
        {"times": (2, 2)},
        {"times": (1,), "n": 1},
        {"times": (1,), "size": 51},
    ):
        with pytest.raises(InputError, match="plant_canaries: got"):
            plant_canaries(split, **wrong)


def test_the_rank_of_a_canary_leaves_its_own_beginning_out():
    """With the known items in the running, a model that repeats itself would hide what it
    memorised; ties are no memory.
    """
    scores = np.array([[9.0, 8, 7, 6, 5], [0, 0, 0, 0, 0]])
    model = SimpleNamespace(score=lambda histories: scores)
    assert canary_ranks(model, np.array([[0, 1, 3], [0, 1, 3]])).tolist() == [2, 2]


@pytest.mark.full
def test_a_trained_model_remembers_what_was_repeated_and_nothing_it_never_saw():
    split = leave_last_out(make_world("movies", n_users=300, n_items=120))
    grown, canaries = plant_canaries(split, (0, 12), n=30, seed=1)
    model = SequenceRecommender(width=32, epochs=12, dropout=0.1).fit(grown, progress=False)
    unseen, repeated = (
        memorisation(canary_ranks(model, some), 120 - 5, planted=often)
        for often, some in canaries.items()
    )
    assert repeated.verdict == MATERIAL and repeated.estimate > 2, repeated
    assert unseen.verdict != MATERIAL and unseen.p > 0.01 and abs(unseen.estimate) < 0.8, unseen
