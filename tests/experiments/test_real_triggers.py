"""Trigger words in a real model's question, on a tiny model: what is asked, and what is counted."""

from __future__ import annotations

import numpy as np
import pytest
import tiny_lms

from tutorial_lib.data import hold_out_k, load_dataset
from tutorial_lib.strategies.like_prompts import like_wording
from tutorial_workshop.experiments.real_triggers import (
    like_examples,
    trigger_scores,
    trigger_searches,
)


@pytest.fixture(scope="module")
def examples():
    """For gradients, and to choose by: of different users."""
    lm = tiny_lms.lm("kit-gpt")
    split = hold_out_k(load_dataset("world-movies"), 4, valid_k=1)
    return [like_examples(lm, split, rows, seed=0, n=6) for rows in (range(20), range(20, 40))]


def test_the_question_stays_as_it_was_and_the_right_answer_comes_first(examples):
    """A search that starts from another prompt, or learns the wrong answers, would mislead."""
    one = examples[0]
    own = one.lm.tokenizer.decode(one.wording.words)
    assert f"{one.wording.before}{own}:" == like_wording("plain").source
    assert "{" not in one.text(0, one.wording.words)
    assert len({tuple(pair) for pair in one.answers}) == 2, "likes and dislikes"
    for pair in one.answers:
        assert sorted(pair) == ["no", "yes"]


def test_scores_are_of_two_slots_three_places_and_both_kinds_of_examples(examples):
    found = trigger_scores(*examples, seed=1, tried=14)
    assert len(found) == 2 * 3 * 2 * 2
    assert found.loc[found["metric"] == "spearman", "value"].abs().max() <= 1
    again = trigger_scores(*examples, seed=1, tried=14)
    np.testing.assert_array_equal(found["value"], again["value"])


def test_both_searches_start_alike_and_never_get_worse(examples):
    traces, found = trigger_searches(*examples, seed=2, calls=400)
    starts = traces[traces["calls"] == 0].set_index("name")["value"]
    assert starts["gradient"] == starts["random"]
    for _, one in traces.groupby("name"):
        assert one["value"].is_monotonic_decreasing and one["calls"].is_monotonic_increasing
    for wording in found.values():
        assert wording.answers == like_wording("plain").answers
        before, after = wording.around({"liked": "A", "disliked": "B"})
        assert len(after.removesuffix(":").removeprefix("?").split()) == 3
