"""What the tuning benchmark chooses on, and the parts that it mixes."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tutorial_lib.data import leave_last_out, load_dataset
from tutorial_lib.models import EASE, Blend, TransitionKNN
from tutorial_lib.objectives.batch import Vocabulary

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
tuned = pytest.importorskip("sequence_tuned", reason="benchmarks/ is in the clone, not the wheel")


def test_choices_see_no_test_target_and_models_none_of_their_own():
    split = leave_last_out(load_dataset("world-movies").subset_users(range(50)))
    chosen_on = tuned.five_newest(split)
    users = len(split.users)
    assert len(chosen_on.valid_target) == tuned.NEWEST * users
    for row, (history, target) in enumerate(
        zip(chosen_on.valid_history, chosen_on.valid_target, strict=True)
    ):
        known = split.test_history[row % users]  # all but the test target
        back = row // users + 1
        assert np.array_equal(np.append(history, target), known[: len(known) - back + 1])
        assert np.array_equal(chosen_on.train[row % users], known[: -tuned.NEWEST])


def test_a_blend_can_be_the_main_member_of_another():
    split = leave_last_out(load_dataset("world-news").subset_users(range(50)))
    inner = Blend(EASE(), TransitionKNN(), 0.3, 1.0).fit(split)
    outer = Blend(tuned.Logits(inner), TransitionKNN().fit(split), 0.0, 1.0).choose(split)
    np.testing.assert_allclose(
        outer.score(split.test_history), inner.score(split.test_history), atol=1e-9
    )


@pytest.mark.parametrize("options", [{"jitter": 3}, {"drop": 0.5}, {"jitter": 3, "drop": 0.5}])
def test_altered_histories_keep_their_items_near_their_place(options):
    vocabulary = Vocabulary(40)
    sequences = torch.arange(40).repeat(8, 1)
    sequences[::2, 30:] = vocabulary.pad
    batch = tuned.Altered(**options).corrupt(sequences, vocabulary, torch.Generator())
    for row in range(8):
        labels = batch.labels[batch.rows == row]
        items = 40 if row % 2 else 30
        assert len(set(labels.tolist())) == len(labels) <= items
        if "drop" in options:
            assert 0.2 * items < len(labels) < 0.8 * items
        else:
            assert len(labels) == items
            assert (labels - torch.arange(items)).abs().max() in (1, 2, 3)
        if "jitter" not in options:
            assert (labels.diff() > 0).all()
