"""The item Transformer: nothing flows where the batch says that nothing may flow, padding and
absolute position do not matter.
"""

from __future__ import annotations

import operator
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from tutorial_lib.errors import InputError
from tutorial_lib.models.sequence import Dropout, ItemTransformer
from tutorial_lib.objectives import (
    Autoregressive,
    Batch,
    GapFilling,
    Masked,
    PartiallyAutoregressive,
    Permuted,
    Rearranged,
    ReplacedToken,
    Softmax,
    Vocabulary,
)
from tutorial_lib.objectives.batch import padded

ITEMS = 12
VOCABULARY = Vocabulary(ITEMS)
HIDING = [  # objectives that certainly hide what they ask for
    Autoregressive(lag=1, segments=0.0),
    Autoregressive(lag=2, segments=0.0),
    PartiallyAutoregressive(ratio=0.4, block=2.0, order="random"),
    PartiallyAutoregressive(ratio=1.0, block=2.0, order="left-to-right"),
    Permuted(ratio=1.0, block=1.0, order="random"),
    GapFilling(ratio=0.5, block=1.0, order="left-to-right"),
    Masked(ratio=0.4, keep="mask", last=0.0),
    Masked(ratio=0.4, keep="mask", last=0.7),
]
OBJECTIVES = [*HIDING, Masked(ratio=0.4, keep="80/10/10", last=0.0)]
NAME = operator.attrgetter("name")
PIECES = [np.array([3, 1, 4, 1, 5, 9, 2]), np.array([6]), np.array([5, 3, 5, 8])]


def network(dropout=0.0, layers=2, width=16, seed=0):
    """Two layers, so that what leaks in two steps is caught, with weights so large that every
    influence shows.
    """
    torch.manual_seed(seed)
    model = ItemTransformer(
        ITEMS, width=width, heads=2, layers=layers, expansion=2, dropout=dropout
    )
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.5)
    return model.eval()


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@torch.no_grad()
def states(model, batch):
    return model(batch)


# --- leaks ---


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 9))
def test_a_causal_batch_never_sees_what_comes_later(seed, length):
    """Another item at t + 1 leaves the outputs up to t as they are, bit for bit, and changes that
    at t + 1.
    """
    tokens = torch.from_numpy(np.random.default_rng(seed).integers(0, ITEMS, (3, length)))
    nothing = torch.empty(0, dtype=torch.long)
    model, batch = network(), Batch(tokens, True, nothing, nothing, nothing)
    before = states(model, batch)
    for t in range(-1, length - 1):
        changed = tokens.clone()
        changed[:, t + 1] = (changed[:, t + 1] + 1) % ITEMS
        after = states(model, replace(batch, tokens=changed))
        assert torch.equal(before[:, : t + 1], after[:, : t + 1])
        assert (before[:, t + 1] - after[:, t + 1]).abs().amax(dim=1).min() > 1e-3


@pytest.mark.parametrize("seed", range(3))
def test_masked_modelling_never_sees_a_masked_item(seed):
    """Other items under the masks: the same tokens, so the same scores, bit for bit."""
    objective, model, sequences = (
        Masked(ratio=0.4, keep="mask", last=0.2),
        network(),
        padded(PIECES, VOCABULARY.pad),
    )
    batch = objective.corrupt(sequences, VOCABULARY, generator(seed))
    other = sequences.clone()
    other[batch.rows, batch.steps] = (other[batch.rows, batch.steps] + 5) % ITEMS
    again = objective.corrupt(other, VOCABULARY, generator(seed))
    assert not torch.equal(batch.labels, again.labels) and torch.equal(batch.tokens, again.tokens)
    assert torch.equal(*(model.item_scores(states(model, b).flatten(0, 1)) for b in (batch, again)))


@pytest.mark.parametrize("objective", HIDING, ids=NAME)
@pytest.mark.parametrize("seed", range(3))
def test_no_prediction_sees_its_own_label(objective, seed):
    """From sequence to hidden state: with another item at a place, the prediction of that place is
    read from the same state.
    """
    sequences, model, checked = padded((PIECES[:1] + PIECES[2:]) * 4, VOCABULARY.pad), network(), 0
    batch = objective.corrupt(sequences, VOCABULARY, generator(seed))
    before = states(model, batch)[batch.rows, batch.steps]
    for place in range(4):
        other = sequences.clone()
        other[:, place] = (other[:, place] + 5) % ITEMS
        again = objective.corrupt(other, VOCABULARY, generator(seed))
        after = states(model, again)[again.rows, again.steps]
        own = batch.labels != again.labels
        assert torch.allclose(before[own], after[own], atol=1e-6)
        checked += int(own.sum())
    assert checked >= 2


def perturbed(batch):
    """One copy of the batch for each column, with another token there."""
    other = torch.where(batch.tokens < ITEMS, (batch.tokens + 1) % ITEMS, 0)
    for column in range(batch.tokens.shape[1]):
        tokens = batch.tokens.clone()
        tokens[:, column] = other[:, column]
        yield replace(batch, tokens=tokens)


@pytest.mark.parametrize("objective", OBJECTIVES, ids=NAME)
@pytest.mark.parametrize("asked", ["corrupt", "query"])
def test_a_token_flows_into_a_prediction_if_and_only_if_it_is_seen(objective, asked):
    """Whatever `sees` allows has an effect, and nothing else has: no future, no other hidden item,
    no padding, no label.
    """
    sequences, model = padded(PIECES, VOCABULARY.pad), network()
    if asked == "corrupt":
        batch = objective.corrupt(sequences, VOCABULARY, generator(1))
    else:
        batch = objective.query(sequences, VOCABULARY)
    sees, before = (
        batch.sees()[batch.rows, batch.steps],
        states(model, batch)[batch.rows, batch.steps],
    )
    for column, other in enumerate(perturbed(batch)):
        change = (states(model, other)[batch.rows, batch.steps] - before).abs().amax(dim=1)
        assert (change[sees[:, column]] > 1e-4).all()
        assert (change[~sees[:, column]] < 1e-6).all()


# --- padding and position ---


@pytest.mark.parametrize("objective", OBJECTIVES, ids=NAME)
def test_a_query_does_not_depend_on_its_neighbours(objective):
    """The same history alone, in a padded batch, and in a wider one: the same hidden state; an
    empty one included.
    """
    model, histories = network(), [*PIECES, np.empty(0, dtype=np.int64)]

    def asked(pieces, columns=0):
        batch = objective.query(
            F.pad(padded(pieces, VOCABULARY.pad), (0, columns), value=VOCABULARY.pad), VOCABULARY
        )
        return states(model, batch)[batch.rows, batch.steps]

    together = asked(histories)
    assert torch.isfinite(together).all()
    assert torch.allclose(asked(histories, columns=4), together, atol=1e-5)
    for row, history in enumerate(histories):
        assert torch.allclose(asked([history])[0], together[row], atol=1e-5)
    # each history another state
    assert (together[:, None] - together[None]).abs().amax(dim=2).fill_diagonal_(1.0).min() > 1e-3


@pytest.mark.parametrize(
    "objective", [Autoregressive(lag=1, segments=0.0), Rearranged(share=0.0)], ids=NAME
)
def test_all_hidden_states_are_the_same_alone_and_in_a_padded_batch(objective):
    """Causal and bidirectional: at every place, not only where something is predicted."""
    model = network()
    together = states(
        model, objective.corrupt(padded(PIECES, VOCABULARY.pad), VOCABULARY, generator())
    )
    for row, piece in enumerate(PIECES):
        alone = states(
            model, objective.corrupt(padded([piece], VOCABULARY.pad), VOCABULARY, generator())
        )[0]
        assert torch.allclose(alone, together[row, : len(alone)], atol=1e-5)


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("shift", [1, 13, 100])
def test_only_distances_of_positions_count(causal, shift):
    """Rotary positions: all of them moved by a constant change nothing; other distances change
    much.
    """
    model, nothing = network(), torch.empty(0, dtype=torch.long)
    tokens = torch.from_numpy(np.random.default_rng(0).integers(0, ITEMS, (2, 8)))
    batch, positions = (
        Batch(tokens, causal, nothing, nothing, nothing),
        torch.arange(8).expand(2, -1),
    )
    plain = states(model, batch)
    assert torch.allclose(plain, states(model, replace(batch, positions=positions)), atol=1e-6)
    assert torch.allclose(
        plain, states(model, replace(batch, positions=positions + shift)), atol=2e-5
    )
    assert (plain - states(model, replace(batch, positions=positions * 2))).abs().max() > 0.01


def test_order_counts_in_a_bidirectional_batch():
    """Without positions, a bidirectional network could not tell a history from its mirror image."""
    model, nothing = network(), torch.empty(0, dtype=torch.long)
    tokens = torch.tensor([[1, 2, 3, 4, 5, VOCABULARY.mask], [5, 4, 3, 2, 1, VOCABULARY.mask]])
    a, b = states(model, Batch(tokens, False, nothing, nothing, nothing))[:, -1]
    assert (a - b).abs().max() > 0.01


# --- scores ---


def test_what_is_trained_is_what_scores():
    """The loss is the cross-entropy of `item_scores`: the same vectors, the same bias, no special
    token among the items.
    """
    model = network()
    torch.nn.init.normal_(model.bias)
    batch = Autoregressive(lag=1, segments=0.0).corrupt(
        padded(PIECES, VOCABULARY.pad), VOCABULARY, generator()
    )
    with torch.no_grad():
        hidden = model.predictions(batch)
        scores = model.item_scores(hidden)
        loss = Softmax(exclude_seen=False)(
            hidden, model.embedding.weight, model.bias, batch.labels, ITEMS
        )
    assert scores.shape == (len(batch.labels), ITEMS) and scores.std() > 0.1
    assert float(loss) == pytest.approx(
        float(F.cross_entropy(scores, batch.labels, reduction="sum")), rel=1e-5
    )


def test_every_question_has_a_head_of_its_own():
    torch.manual_seed(0)
    model = ItemTransformer(
        ITEMS,
        width=8,
        heads=2,
        layers=1,
        expansion=2,
        dropout=0.0,
        questions=("continues", "replaced"),
    ).eval()
    batch = ReplacedToken(ratio=0.3).corrupt(
        padded(PIECES, VOCABULARY.pad), VOCABULARY, generator()
    )
    hidden = states(model, batch)[batch.rows, batch.steps]
    answers = [model.answers(question, hidden) for question in ("continues", "replaced")]
    assert answers[0].shape == batch.labels.shape and not torch.allclose(*answers)


REFUSED = [
    {"width": 10},
    {"width": 6},
    {"width": 0},
    {"heads": 0},
    {"layers": 0},
    {"expansion": 0},
    {"dropout": 1.0},
    {"dropout": -0.1},
]


@pytest.mark.parametrize("wrong", REFUSED, ids=str)
def test_sizes_that_cannot_work_are_refused_in_one_line(wrong):
    with pytest.raises(
        InputError,
        match=(
            r"ItemTransformer\(.*(width must be a multiple of 2 \* heads|expected a (whole"
            r" )?number)"
        ),
    ):
        ItemTransformer(
            ITEMS, **{"width": 8, "heads": 2, "layers": 1, "expansion": 2, "dropout": 0.1, **wrong}
        )


# --- dropout ---


@pytest.mark.parametrize("p", [0.1, 0.3, 0.5])
@pytest.mark.parametrize("seed", range(3))
def test_dropout_drops_its_share_and_keeps_the_mean(p, seed):
    """Bounds: five standard deviations of the binomial, and the rounding of p to 1/256."""
    torch.manual_seed(seed)
    x = torch.ones(100_003, requires_grad=True)  # no multiple of 8
    out = Dropout(p).train()(x)
    dropped, sd = out == 0, (p * (1 - p) / len(x)) ** 0.5
    assert float(dropped.float().mean()) == pytest.approx(p, abs=1 / 512 + 5 * sd)
    assert float(out.detach().mean()) == pytest.approx(1.0, abs=5 * sd / (1 - p))
    assert out[~dropped].detach().std() < 1e-6  # all that stay are scaled alike
    neighbours = (dropped[1:] & dropped[:-1]).float().mean()
    # one number says nothing about the next
    assert float(neighbours) == pytest.approx(p * p, abs=p / 200 + 10 * sd)
    (gradient,) = torch.autograd.grad(out.sum(), x)
    # x is 1: what was dropped learns nothing, the rest is scaled
    assert torch.equal(gradient, out.detach())


def test_dropout_is_new_each_time_and_follows_from_the_seed():
    module, x = Dropout(0.3).train(), torch.ones(7, 9)
    torch.manual_seed(0)
    first, second = module(x), module(x)
    torch.manual_seed(0)
    assert torch.equal(module(x), first) and not torch.equal(first, second)


@pytest.mark.parametrize("p, training", [(0.5, False), (0.0, True)])
def test_dropout_changes_nothing_while_scoring_or_with_p_0(p, training):
    x = torch.randn(5, 7)
    assert torch.equal(Dropout(p).train(training)(x), x)


def test_nearly_everything_may_be_dropped():
    """0.999 lies in [0, 1), so `ItemTransformer` takes it."""
    out = Dropout(0.999).train()(torch.ones(10_000))
    assert torch.isfinite(out).all() and (out == 0).float().mean() > 0.98


def test_a_network_drops_only_while_training():
    model = network(dropout=0.5)
    batch = Autoregressive(lag=1, segments=0.0).corrupt(
        padded(PIECES, VOCABULARY.pad), VOCABULARY, generator()
    )
    assert torch.equal(states(model, batch), states(model, batch))
    assert not torch.allclose(states(model.train(), batch), states(model, batch))
