"""A large model says first what it will cost, and takes less memory for the same result."""

from __future__ import annotations

import re

import numpy as np
import pytest
import tiny_lms
import torch

from tutorial_lib.data import leave_last_out, load_dataset
from tutorial_lib.language.verbalise import verbaliser
from tutorial_lib.models import language_models
from tutorial_lib.strategies import Budget, adapt


def test_a_large_model_says_first_what_it_will_cost(capsys, monkeypatch):
    """Half an hour without a word looks like a standstill."""
    monkeypatch.setattr(language_models, "LARGE", 1000)
    split = leave_last_out(load_dataset("world-movies"))
    budget = Budget(1e-4, shortest=2, longest=2, size=3)
    adapt(tiny_lms.tiny("kit-gpt"), split, "full", 4, budget=budget)
    (line,) = capsys.readouterr().out.splitlines()
    form = r"full: up to ([\d,]+) tokens .*about [\d.]+ minutes on this machine, [\d.]+ GB"
    found = re.search(form, line)
    titles = verbaliser(split.dataset).titles[:100]
    each = len(tiny_lms.lm("kit-gpt").target_ids("; ".join(titles))) / 100
    assert int(found[1].replace(",", "")) == 2 * 3 * round(13 * each)


@pytest.mark.parametrize("strategy", ["lora", "adapters", "soft-prompt", "full", "top-layers"])
def test_a_large_model_is_adapted_as_a_small_one(strategy, monkeypatch):
    """Shared weights and parts of a batch save memory; they must change nothing else."""
    split = leave_last_out(load_dataset("world-movies"))
    budget = Budget(1e-3, shortest=3, longest=3, size=4)
    asked, found = [split.test_history[0]], []
    for limit in (10**9, 1000):
        monkeypatch.setattr(language_models, "LARGE", limit)
        lm = tiny_lms.tiny("kit-gpt")
        before = [parameter.detach().clone() for parameter in lm.model.parameters()]
        found.append(adapt(lm, split, strategy, 4, budget=budget, calibrate=0))
        assert all(torch.equal(a, b) for a, b in zip(before, lm.model.parameters(), strict=True))
    small, large = found
    assert small.moved == pytest.approx(large.moved, rel=1e-2)
    assert {k for k, v in small.moved.items() if v} == {k for k, v in large.moved.items() if v}
    np.testing.assert_allclose(large.score(asked), small.score(asked), rtol=1e-3)


def test_a_frozen_weight_of_a_large_model_that_moves_is_found(monkeypatch):
    """The copy shares its weights with the model that was given in."""
    monkeypatch.setattr(language_models, "LARGE", 1000)
    split, lm = leave_last_out(load_dataset("world-movies")), tiny_lms.tiny("kit-gpt")

    def disturb(step: int, loss: float) -> None:
        next(lm.model.parameters()).data[0, 0] += 1.0

    budget = Budget(1e-3, shortest=2, longest=2, size=2)
    with pytest.raises(RuntimeError, match="a weight that was frozen has changed"):
        adapt(lm, split, "lora", 4, budget=budget, on_step=disturb)
