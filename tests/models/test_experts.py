"""Mixture of experts: each token passes through one expert, and the gate can learn which."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tutorial_lib.data import leave_last_out, load_dataset
from tutorial_lib.errors import InputError
from tutorial_lib.models import SequenceRecommender
from tutorial_lib.models.experts import ExpertRecommender, ExpertTransformer, SwitchFeedForward
from tutorial_lib.objectives import Autoregressive
from tutorial_lib.objectives.batch import Learner, Vocabulary, padded


@pytest.fixture
def layer():
    torch.manual_seed(0)
    return SwitchFeedForward(8, 2, 3)


def test_each_token_is_what_its_expert_makes_of_it_times_its_chance(layer):
    x = torch.randn(2, 5, 8)
    out = layer(x, torch.ones(2, 5, dtype=torch.bool))
    for row in range(2):
        for step in range(5):
            chances = layer.gate(x[row, step]).softmax(dim=0)
            best = int(chances.argmax())
            own = layer.narrow[best](F.gelu(layer.widen[best](x[row, step])))
            torch.testing.assert_close(out[row, step], own * chances[best])


def test_padding_is_no_token(layer):
    """It is neither read nor counted, so what stands there changes nothing."""
    x, real = torch.randn(2, 5, 8), torch.ones(2, 5, dtype=torch.bool)
    real[1, 2:] = False
    first = layer(x, real)
    balance = layer.balance.item()
    x[1, 2:] = 99.0
    torch.testing.assert_close(layer(x, real)[real], first[real])
    assert layer.balance.item() == balance and len(layer.chosen) == 7
    assert (first[1, 2:] == 0).all()


def test_the_balance_is_1_for_an_even_spread_and_more_for_one_expert(layer):
    with torch.no_grad():
        layer.gate.weight.zero_()
        layer.gate.weight[:3, :3] = 50 * torch.eye(3)
    real = torch.ones(1, 6, dtype=torch.bool)
    even = torch.eye(8)[:3].repeat(2, 1)[None]
    layer(even, real)
    assert layer.balance.item() == pytest.approx(1.0, abs=1e-4)
    layer(torch.eye(8)[[0] * 6][None], real)
    assert layer.balance.item() == pytest.approx(3.0, abs=1e-4)


def test_the_loss_holds_the_balance_and_moves_the_gate():
    """Without the weight nothing is added; with it the gate is pushed towards an even spread."""
    torch.manual_seed(0)
    shape = {"width": 8, "heads": 1, "layers": 2, "expansion": 2, "dropout": 0.0}
    model = ExpertTransformer(20, 4, 0.5, **shape)
    vocabulary = Vocabulary(20)
    learner = Learner(model, Autoregressive())
    corrupted = learner.corrupt(padded([[1, 2, 3], [4, 5]], vocabulary.pad), torch.Generator())
    loss = learner(corrupted, [5])
    added = 0.5 * sum(block.switch.balance.item() for block in model.blocks)
    model.weight = 0.0
    assert loss.item() - learner(corrupted, [5]).item() == pytest.approx(added, abs=1e-5)
    loss.backward()
    assert all(block.switch.gate.weight.grad.abs().sum() > 0 for block in model.blocks)


def weights(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def test_a_token_passes_as_many_weights_as_in_a_dense_layer():
    """All weights are those of the wide dense layer, but for the gate and biases of a few."""
    dense, wide = (SequenceRecommender(width=8, expansion=n, layers=1)._build(20) for n in (4, 16))
    some = ExpertRecommender(4, width=8, expansion=4, layers=1)._build(20)
    switch = some.blocks[0].switch
    unused = 3 * (weights(switch.widen[0]) + weights(switch.narrow[0]))
    assert weights(some) - unused - weights(switch.gate) == weights(dense)
    assert 0 < weights(some) - weights(wide) < 0.05 * weights(wide)


def test_it_learns_and_is_the_same_for_the_same_seed():
    split = leave_last_out(load_dataset("world-news").subset_users(range(60)))
    options = {"width": 8, "layers": 1, "epochs": 3, "dropout": 0.0}
    one = ExpertRecommender(2, **options).fit(split, seed=1, progress=False)
    again = ExpertRecommender(2, **options).fit(split, seed=1, progress=False)
    assert one.history[-1].loss < one.history[0].loss
    histories = split.test_history[:5]
    np.testing.assert_array_equal(one.score(histories), again.score(histories))
    with pytest.raises(InputError, match="experts"):
        ExpertRecommender(0)
