"""Losses of item predictions against numbers worked out by hand, explicit formulas, and the full
softmax that they stand for.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tutorial_lib.errors import InputError
from tutorial_lib.objectives import (
    BinaryCrossEntropy,
    GeneralisedBCE,
    SampledSoftmax,
    Softmax,
    losses,
)

PAD = 3  # three items, then four special tokens


def catalogue(odds, special=100.0):
    """Hidden states [1, 2], item vectors and biases that give item j the score log(odds[j]), half
    of it from the bias.
    """
    logs = torch.tensor([math.log(value) for value in odds] + [special] * 4)
    vectors = torch.stack([logs / 2, torch.full_like(logs, 9.0)], dim=1)
    return torch.tensor([[1.0, 0.0]]), vectors, logs / 2


def value(loss, odds, label, context=None, seed=0):
    torch.manual_seed(seed)
    contexts = None if context is None else lambda start, stop: torch.tensor([context])[start:stop]
    return float(loss(*catalogue(odds), torch.tensor([label]), len(odds), contexts))


# --- full softmax ---


@pytest.mark.parametrize(
    "exclude_seen, context, expected",
    [
        # odds 1 + 2 + 5 against 2; special tokens never count, whatever they score
        (False, [2, PAD], 8 / 2),
        (True, [PAD, PAD], 8 / 2),
        (True, [2, PAD], 3 / 2),
        (True, [2, 0], 2 / 2),
        (True, [1, 2], 3 / 2),  # the label stands in the context, and stays
        (True, [1, 1], 8 / 2),
    ],
)
def test_softmax_by_hand(exclude_seen, context, expected):
    assert value(Softmax(exclude_seen=exclude_seen), (1, 2, 5), 1, context) == pytest.approx(
        math.log(expected), abs=1e-6
    )


@pytest.mark.parametrize("label, expected", [(0, 150.0), (1, 0.0), (2, 75.0)])
def test_softmax_survives_scores_far_apart(label, expected):
    """exp(75) squared is no float32 any more, and exp(-150) is 0: the loss must not become inf or
    NaN.
    """
    odds = (math.exp(-75), math.exp(75), 1.0)
    assert value(Softmax(exclude_seen=False), odds, label) == pytest.approx(expected, abs=1e-4)


def explicit_softmax(hidden, items, bias, labels, n_items, contexts):
    """The formula, with the whole matrix of logits."""
    logits = (hidden @ items.T + bias)[:, :n_items]
    left_out = torch.zeros(len(labels), len(items), dtype=torch.bool)
    if contexts is not None:
        left_out.scatter_(1, contexts, True)
    left_out[torch.arange(len(labels)), labels] = False
    return F.cross_entropy(
        logits.masked_fill(left_out[:, :n_items], -torch.inf), labels, reduction="sum"
    )


# blocks of 1, 2 and all 7 predictions
@pytest.mark.parametrize("at_once, blocks", [(1, 7), (30, 4), (10**6, 1)])
@pytest.mark.parametrize("exclude_seen", [False, True])
def test_softmax_gradient_is_that_of_the_formula(monkeypatch, at_once, blocks, exclude_seen):
    """Loss and all three gradients are written by hand, in blocks: each must be what autograd finds
    for the plain formula.
    """
    monkeypatch.setattr(losses, "LOGITS_AT_ONCE", at_once)
    monkeypatch.setattr(losses, "FEWEST_ROWS", 1)
    n_items, predictions = 11, 7
    torch.manual_seed(0)
    leaves = [
        torch.randn(*size, requires_grad=True)
        for size in ((predictions, 4), (n_items + 4, 4), (n_items + 4,))
    ]
    labels = torch.randint(n_items, (predictions,))
    contexts = torch.randint(n_items + 1, (predictions, 5))  # with padding, and some of the labels
    contexts[0, 0] = labels[0]
    asked = []
    ours = Softmax(exclude_seen=exclude_seen)(
        *leaves, labels, n_items, lambda a, b: asked.append(a) or contexts[a:b]
    )
    assert len(asked) == blocks * exclude_seen
    theirs = explicit_softmax(*leaves, labels, n_items, contexts if exclude_seen else None)
    assert float(ours.detach()) == pytest.approx(float(theirs.detach()), rel=1e-5)
    for a, b in zip(
        torch.autograd.grad(0.37 * ours, leaves), torch.autograd.grad(0.37 * theirs, leaves)
    ):
        assert torch.allclose(a, b, atol=1e-5) and b.abs().max() > 0.01


@pytest.mark.parametrize(
    "loss",
    [
        Softmax(exclude_seen=True),
        SampledSoftmax(4),
        BinaryCrossEntropy(2),
        GeneralisedBCE(2, t=0.5),
    ],
    ids=repr,
)
def test_no_predictions_cost_nothing(loss):
    """A process that got no sequence of a batch still takes part in the step."""
    hidden = torch.zeros(0, 4, requires_grad=True)
    total = loss(
        hidden,
        torch.randn(15, 4),
        torch.randn(15),
        torch.zeros(0, dtype=torch.long),
        11,
        lambda a, b: torch.zeros(0, 5).long(),
    )
    total.backward()
    assert float(total.detach()) == 0.0


# --- sampled losses ---


def drawn_counts(n, seed):
    """How often each of three items is among the n shared negatives: with equal scores, the loss of
    a label counts the others.
    """
    losses_of = [value(SampledSoftmax(n), (1, 1, 1), label, seed=seed) for label in range(3)]
    others = [(math.exp(loss) - 1) * n / 3 for loss in losses_of]  # exp(loss) = 1 + 3 / n * others
    counts = [round(n - other) for other in others]
    assert sum(counts) == n and all(
        abs(n - other - count) < 1e-3 for other, count in zip(others, counts)
    )
    return counts


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("label", range(3))
def test_sampled_softmax_by_hand(seed, label):
    """- log( odds_y / (odds_y + sum over the draws that are not y of odds_j * n_items / n) )"""
    n, odds = 5, (1, 2, 5)
    counts = drawn_counts(n, seed)
    others = sum(count * odds[item] for item, count in enumerate(counts) if item != label)
    assert value(SampledSoftmax(n), odds, label, seed=seed) == pytest.approx(
        math.log((odds[label] + 3 / n * others) / odds[label]), rel=1e-5
    )


def test_sampled_softmax_approaches_the_full_one():
    """With many negatives the estimate lies near the full softmax, on average."""
    full = value(Softmax(exclude_seen=False), (1, 2, 5), 1)
    values = [value(SampledSoftmax(2000), (1, 2, 5), 1, seed=seed) for seed in range(30)]
    assert sum(values) / 30 == pytest.approx(full, abs=0.01)  # sd of one: 0.017
    assert max(values) - min(values) > 1e-3  # a draw, not the full sum


@pytest.mark.parametrize("n", [1, 4])
def test_binary_cross_entropy_by_hand(n):
    """Odds 2 for the label, 5 for all others: - log(2 / 3) - n log(1 - 5 / 6)."""
    assert value(BinaryCrossEntropy(n), (5, 2, 5), 1) == pytest.approx(
        math.log(3 / 2) + n * math.log(6), rel=1e-5
    )


@pytest.mark.parametrize("label", [0, 3, 5])
def test_negatives_are_uniform_over_all_items_but_the_label(label):
    """The mean loss of 40,000 draws is the formula's, with each of the other items in turn; the
    label as a negative would cost 12.
    """
    odds = [1.0, 3.0, 0.2, 8.0, 1.5, 2.0]
    odds[label] = math.exp(12.0)
    n = 40_000
    expected = sum(math.log1p(odd) for item, odd in enumerate(odds) if item != label) / 5
    # 5 sd: 0.017
    assert value(BinaryCrossEntropy(n), odds, label) / n == pytest.approx(expected, abs=0.02)


def test_each_prediction_draws_its_own_negatives():
    hidden, items, bias = torch.ones(200, 1), torch.arange(104.0)[:, None] / 50, torch.zeros(104)
    torch.manual_seed(0)
    gradient = torch.autograd.grad(
        BinaryCrossEntropy(1)(
            hidden.requires_grad_(), items, bias, torch.zeros(200, dtype=torch.long), 100
        ),
        hidden,
    )
    assert len(set(gradient[0][:, 0].tolist())) > 50  # one value for each of the items drawn


@pytest.mark.parametrize(
    "n, t, expected",
    [(1, 0.0, 1.0), (2, 1.0, 2 / 4), (1, 1.0, 1 / 4), (1, 0.75, 0.25 * (0.75 * (1 - 4) + 4))],
)
def test_generalised_bce_by_hand(n, t, expected):
    """beta = a (t (1 - 1/a) + 1/a) with a = n / 4: 1 for t = 0, a for t = 1; it weighs the label's
    term and no other.
    """
    loss, odds = GeneralisedBCE(n_negatives=n, t=t), (5, 2, 5, 5, 5)
    assert loss.beta(5) == pytest.approx(expected)
    assert value(loss, odds, 1) == pytest.approx(
        expected * math.log(3 / 2) + n * math.log(6), rel=1e-5
    )


def test_generalised_bce_without_calibration_is_bce():
    torch.manual_seed(0)
    arguments = (
        torch.randn(9, 4),
        torch.randn(15, 4),
        torch.randn(15),
        torch.randint(11, (9,)),
        11,
    )
    values = []
    for loss in (
        BinaryCrossEntropy(3),
        GeneralisedBCE(n_negatives=3, t=0.0),
        GeneralisedBCE(n_negatives=3, t=1.0),
    ):
        torch.manual_seed(1)
        values.append(float(loss(*arguments)))
    assert values[0] == pytest.approx(values[1], rel=1e-6) and values[2] < values[0] - 0.1


@pytest.mark.parametrize(
    "loss",
    [
        BinaryCrossEntropy(1),
        BinaryCrossEntropy(8),
        GeneralisedBCE(8, t=0.0),
        GeneralisedBCE(8, t=0.75),
        GeneralisedBCE(8, t=1.0),
    ],
    ids=str,
)
def test_training_starts_where_popularity_alone_is_best(loss):
    """Started too high, gBCE with t = 1 spends a short run on lowering all scores, and learns
    nothing else.
    """
    counts = np.arange(1.0, 41)
    start = torch.from_numpy(losses.popularity_bias(loss, counts)).float()
    labels = torch.repeat_interleave(torch.arange(40), torch.from_numpy(counts).long() * 30)
    hidden, items = torch.zeros(len(labels), 1), torch.zeros(44, 1)
    cost = {}
    for shift in (-0.3, 0.0, 0.3):
        torch.manual_seed(0)
        bias = torch.cat([start + shift, torch.zeros(4)])
        cost[shift] = float(loss(hidden, items, bias, labels, 40))
    assert cost[0.0] < min(cost[-0.3], cost[0.3])


@pytest.mark.parametrize("make", [SampledSoftmax, BinaryCrossEntropy, GeneralisedBCE])
def test_no_negatives_are_refused(make):
    with pytest.raises(
        InputError, match=rf"{make.__name__}\(n_negatives=0\): expected a whole number from 1"
    ):
        make(n_negatives=0)


@pytest.mark.parametrize("t", [-0.1, 1.5])
def test_a_calibration_outside_its_range_is_refused(t):
    with pytest.raises(InputError, match=rf"GeneralisedBCE\(t={t}\): expected a number in"):
        GeneralisedBCE(n_negatives=1, t=t)
