"""Every objective against its formula, worked out by plain loops from a table that holds the
probability of each sequence of four items.
"""

from __future__ import annotations

import itertools
import math
import operator

import numpy as np
import pytest
import torch

from tutorial_lib.errors import InputError
from tutorial_lib.objectives import (
    Autoregressive,
    Batch,
    GapFilling,
    Joint,
    Masked,
    NextSegment,
    PartiallyAutoregressive,
    Permuted,
    Rearranged,
    ReplacedToken,
    Softmax,
    Vocabulary,
)
from tutorial_lib.objectives.batch import padded
from tutorial_lib.training import Learner

LENGTH, ITEMS = 4, 3
VOCABULARY = Vocabulary(ITEMS)
WORDS = list(itertools.product(range(ITEMS), repeat=LENGTH))  # every possible sequence
LOSS = Softmax(exclude_seen=False)  # a table knows repeats
SEQUENCES = [(0, 1, 2, 1), (2, 2, 0, 1), (1, 1, 1, 1)]


def table():
    """A joint distribution in which every item depends on all others: {sequence: probability}."""
    weights = np.random.default_rng(7).gamma(0.7, size=len(WORDS))
    return dict(zip(WORDS, (weights / weights.sum()).tolist()))


JOINT = table()


def conditional(place, given):
    """p(x_place = . | the items at some other places), by adding up the table: a list over the
    items.
    """
    mass = [0.0] * ITEMS
    for word, probability in JOINT.items():
        if all(word[at] == item for at, item in given.items()):
            mass[word[place]] += probability
    return [value / sum(mass) for value in mass]


def surprise(sequence, place, seen):
    """- log p(x_place | X_seen) of one sequence."""
    return -math.log(conditional(place, {at: sequence[at] for at in seen})[sequence[place]])


def reach(batch, row, step):
    """Every token from which anything can flow into token ``step``, over any number of layers."""
    sees, found = batch.sees()[row], {step}
    while more := {j for i in found for j in sees[i].nonzero()[:, 0].tolist()} - found:
        found |= more
    return found


def predictions(batch, row=0, lag=1):
    """[(place of the label in its sequence, places of the items that flow into the prediction)] of
    one sequence.

    Items stand in their order, from column 0 or after a [START] on; queries are appended, and hold
    no item.
    """
    tokens = batch.tokens[row].tolist()
    first = int(tokens[0] == VOCABULARY.start)
    out = []
    for step in batch.steps[batch.rows == row].tolist():
        seen = {j - first for j in reach(batch, row, step) if tokens[j] < ITEMS}
        place = step if batch.positions is None else int(batch.positions[row, step])
        out.append((place - first + (lag if batch.causal else 0), seen))
    return out


class Table(torch.nn.Module):
    """A model that knows the table: it scores an item by the log-probability that what flows into
    the prediction gives it.
    """

    def __init__(self, lag=1):
        super().__init__()
        self.vocabulary, self.lag = VOCABULARY, lag
        self.embedding = torch.nn.Embedding.from_pretrained(torch.eye(VOCABULARY.size))
        self.bias = torch.zeros(VOCABULARY.size)

    def predictions(self, batch):
        tokens, out = batch.tokens.tolist(), []
        for row in range(len(tokens)):
            items = [token for token in tokens[row] if token != VOCABULARY.start]
            for place, seen in predictions(batch, row, self.lag):
                logs = [math.log(p) for p in conditional(place, {at: items[at] for at in seen})]
                out.append(logs + [0.0] * (VOCABULARY.size - ITEMS))
        return torch.tensor(out)


def ask(objective, sequence, seed=0):
    return objective.corrupt(
        torch.tensor([sequence]), VOCABULARY, torch.Generator().manual_seed(seed)
    )


def total(objective, batch, lag=1):
    """Sum of the losses as the training computes it."""
    return float(Learner(Table(lag), objective)([batch], [1]))


# --- item objectives: the loss is that of the docstring ---


@pytest.mark.parametrize("sequence", SEQUENCES)
def test_autoregressive_is_the_chain_rule(sequence):
    """L = - sum_t log p(x_t | X_{<t}) is - log p(X)."""
    objective = Autoregressive(lag=1, segments=0.0, loss=LOSS)
    batch = ask(objective, sequence)
    assert batch.labels.tolist() == list(sequence)
    assert predictions(batch) == [(t, set(range(t))) for t in range(LENGTH)]
    assert total(objective, batch) == pytest.approx(-math.log(JOINT[sequence]), rel=1e-5)


@pytest.mark.parametrize("lag", [2, 3])
@pytest.mark.parametrize("sequence", SEQUENCES)
def test_autoregressive_with_a_lag_hides_the_newest_items(sequence, lag):
    """L = - sum_t log p(x_t | X_{<t-1}) for lag 2, over the positions that have a context, the
    empty one included.
    """
    objective = Autoregressive(lag=lag, segments=0.0, loss=LOSS)
    batch = ask(objective, sequence)
    by_hand = sum(surprise(sequence, t, range(t - lag + 1)) for t in range(lag - 1, LENGTH))
    assert batch.labels.tolist() == list(sequence[lag - 1 :])
    assert total(objective, batch, lag) == pytest.approx(by_hand, rel=1e-5)


PARTITIONS = [  # blocks M_1, M_2, ... in the order in which they are predicted
    [{1}],
    [{0, 3}],
    [{3}, {0}],
    [{1, 2}, {0, 3}],
    [{2}, {3, 0}, {1}],
    [{3}, {2}, {1}, {0}],
    [{0, 1, 2, 3}],
]


@pytest.mark.parametrize("blocks", PARTITIONS)
@pytest.mark.parametrize("sequence", SEQUENCES)
def test_partially_autoregressive_predicts_each_block_from_what_is_not_hidden_any_more(
    sequence, blocks
):
    """L = - sum_i sum_{m in M_i} log p(x_m | X_{\\M_{>=i}}) for a partition given by hand."""
    ranks = torch.tensor(
        [[next((i for i, block in enumerate(blocks, 1) if at in block), 0) for at in range(LENGTH)]]
    )
    objective = PartiallyAutoregressive(ratio=0.5, block=2.0, order="random", loss=LOSS)
    batch = objective.ask(torch.tensor([sequence]), ranks > 0, ranks, VOCABULARY)
    by_hand = 0.0
    for i, block in enumerate(blocks):
        hidden = set().union(*blocks[i:])
        by_hand += sum(surprise(sequence, m, set(range(LENGTH)) - hidden) for m in block)
    assert total(objective, batch) == pytest.approx(by_hand, rel=1e-5)


def drawn_blocks(batch):
    """The partition of the hidden positions that a batch has drawn, in the order of prediction,
    read from what each prediction sees.
    """
    asked = predictions(batch)
    hidden, blocks = {place for place, _ in asked}, {}
    for place, seen in asked:
        blocks.setdefault(frozenset(seen), set()).add(place)
    filled = set(range(LENGTH)) - hidden
    for seen, block in sorted(blocks.items(), key=lambda pair: len(pair[0])):
        assert seen == filled  # all that is not hidden any more, and nothing else
        filled = filled | block
    assert filled == set(range(LENGTH)) and len(asked) == len(hidden)
    return [block for _, block in sorted(blocks.items(), key=lambda pair: len(pair[0]))]


SETTINGS = [
    (0.3, 1.0, "random"),
    (0.5, 2.0, "random"),
    (0.7, 2.0, "left-to-right"),
    (1.0, 1.5, "left-to-right"),
    (1.0, 3.0, "random"),
]


@pytest.mark.parametrize("ratio, block, order", SETTINGS)
def test_partially_autoregressive_draws_blocks_and_their_order(ratio, block, order):
    """The loss of what was drawn is the block formula; blocks are neighbours among the hidden; a
    new draw is another partition.
    """
    objective, sequence, seen = (
        PartiallyAutoregressive(ratio=ratio, block=block, order=order, loss=LOSS),
        SEQUENCES[0],
        set(),
    )
    for seed in range(12):
        batch = ask(objective, sequence, seed)
        blocks = drawn_blocks(batch)
        hidden = sorted(set().union(*blocks))
        for drawn in blocks:
            numbers = [hidden.index(place) for place in drawn]
            assert max(numbers) - min(numbers) == len(numbers) - 1
        if order == "left-to-right":
            assert [place for drawn in blocks for place in sorted(drawn)] == hidden
        by_hand = sum(
            surprise(sequence, m, set(range(LENGTH)).difference(*blocks[i:]))
            for i, drawn in enumerate(blocks)
            for m in drawn
        )
        assert total(objective, batch) == pytest.approx(by_hand, rel=1e-5)
        seen.add(tuple(map(frozenset, blocks)))
    assert len(seen) >= 4


@pytest.mark.parametrize("sequence", SEQUENCES)
def test_partially_autoregressive_contains_autoregressive(sequence):
    """Blocks of one, all hidden, from the left: that is AM."""
    objective = PartiallyAutoregressive(ratio=1.0, block=1.0, order="left-to-right", loss=LOSS)
    batch = ask(objective, sequence)
    assert predictions(batch) == predictions(
        ask(Autoregressive(lag=1, segments=0.0, loss=LOSS), sequence)
    )
    assert total(objective, batch) == pytest.approx(-math.log(JOINT[sequence]), rel=1e-5)


@pytest.mark.parametrize("sequence", SEQUENCES)
def test_permuted_factorises_along_any_order(sequence):
    """- sum_t log p(x_{z_t} | X_{z_<t}) is - log p(X) for every order z, and the orders differ from
    draw to draw.
    """
    objective, orders = Permuted(ratio=1.0, block=1.0, order="random", loss=LOSS), set()
    for seed in range(12):
        batch = ask(objective, sequence, seed)
        orders.add(tuple(place for block in drawn_blocks(batch) for place in block))
        assert total(objective, batch) == pytest.approx(-math.log(JOINT[sequence]), rel=1e-5)
    assert len(orders) >= 6 and (0, 1, 2, 3) not in orders  # 12 of 24 orders


@pytest.mark.parametrize("seed", range(6))
def test_gap_filling_sees_the_future_and_the_filled_gaps(seed):
    """L = - sum_{m in M} log p(x_m | X_{\\M}, X_{<m})."""
    objective, sequence = (
        GapFilling(ratio=0.5, block=1.0, order="left-to-right", loss=LOSS),
        SEQUENCES[0],
    )
    batch = ask(objective, sequence, seed)
    hidden = {place for place, _ in predictions(batch)}
    by_hand = sum(
        surprise(sequence, m, (set(range(LENGTH)) - hidden) | set(range(m))) for m in hidden
    )
    assert total(objective, batch) == pytest.approx(by_hand, rel=1e-5)


@pytest.mark.parametrize("seed", range(6))
def test_masked_sees_everything_but_the_masked(seed):
    """L = - sum_{x in M(X)} log p(x | X_{\\M(X)})."""
    objective, sequence = Masked(ratio=0.5, keep="mask", last=0.0, loss=LOSS), SEQUENCES[0]
    batch = ask(objective, sequence, seed)
    hidden = [place for place in range(LENGTH) if batch.tokens[0, place] == VOCABULARY.mask]
    assert hidden == [place for place, _ in predictions(batch)] and batch.labels.tolist() == [
        sequence[at] for at in hidden
    ]
    by_hand = sum(surprise(sequence, m, set(range(LENGTH)) - set(hidden)) for m in hidden)
    assert total(objective, batch) == pytest.approx(by_hand, rel=1e-5)


EXCLUDING = [
    Autoregressive(lag=1, segments=0.0, loss=Softmax(exclude_seen=True)),
    PartiallyAutoregressive(ratio=0.5, block=2.0, order="random", loss=Softmax(exclude_seen=True)),
    Masked(ratio=0.5, keep="mask", last=0.2, loss=Softmax(exclude_seen=True)),
]


@pytest.mark.parametrize("objective", EXCLUDING, ids=operator.attrgetter("name"))
@pytest.mark.parametrize("sequence", SEQUENCES)
def test_seen_items_are_left_out_of_each_prediction_by_what_it_sees(objective, sequence):
    """Items that another prediction of the same sequence sees stay in the sum; the label stays
    although it stands in the context.
    """
    for seed in range(4):
        batch, by_hand = ask(objective, sequence, seed), 0.0
        for place, seen in predictions(batch):
            odds = conditional(place, {at: sequence[at] for at in seen})
            left = set(range(ITEMS)) - {sequence[at] for at in seen} | {sequence[place]}
            by_hand -= math.log(odds[sequence[place]] / sum(odds[item] for item in left))
        assert total(objective, batch) == pytest.approx(by_hand, rel=1e-5, abs=1e-6)


# --- what is drawn ---


def some_sequences(n=200, n_items=50, longest=9, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.integers(0, n_items, size) for size in rng.integers(1, longest + 1, n)], Vocabulary(
        n_items
    )


ITEM_OBJECTIVES = [
    Autoregressive(lag=1, segments=0.0),
    Autoregressive(lag=2, segments=0.0),
    PartiallyAutoregressive(ratio=0.3, block=2.0, order="random"),
    Permuted(ratio=1.0, block=1.0, order="random"),
    GapFilling(ratio=0.4, block=1.0, order="left-to-right"),
    Masked(ratio=0.3, keep="mask", last=0.3),
    Masked(ratio=0.3, keep="80/10/10", last=0.0),
]
QUESTIONS = [ReplacedToken(ratio=0.3), NextSegment(), Rearranged(share=0.5)]
NAME = operator.attrgetter("name")


@pytest.mark.parametrize("objective", [*ITEM_OBJECTIVES, *QUESTIONS], ids=NAME)
def test_a_batch_follows_from_the_generator_alone(objective):
    """A draw from anywhere else would make runs that cannot be repeated; padding may never be
    predicted.
    """
    pieces, vocabulary = some_sequences()
    sequences = padded(pieces, vocabulary.pad)
    first, second = (
        objective.corrupt(sequences, vocabulary, torch.Generator().manual_seed(3)) for _ in range(2)
    )
    assert torch.equal(first.tokens, second.tokens) and torch.equal(first.labels, second.labels)
    assert (first.labels >= 0).all() and (first.labels < vocabulary.n_items).all()
    assert (first.tokens[first.rows, first.steps] != vocabulary.pad).all()
    if not isinstance(objective, Autoregressive):
        third = objective.corrupt(sequences, vocabulary, torch.Generator().manual_seed(4))
        changed = third.tokens.shape != first.tokens.shape or not torch.equal(
            first.tokens, third.tokens
        )
        assert changed or not torch.equal(first.sees(), third.sees())


@pytest.mark.parametrize(
    "objective", [o for o in ITEM_OBJECTIVES if not isinstance(o, Autoregressive)], ids=NAME
)
def test_every_sequence_has_a_target_and_the_share_is_that_asked_for(objective):
    rng = np.random.default_rng(0)
    pieces = [rng.integers(0, 50, size) for size in (1, 2, *[40] * 200)]
    batch = objective.corrupt(padded(pieces, 50), Vocabulary(50), torch.Generator().manual_seed(0))
    targets = torch.bincount(batch.rows, minlength=len(pieces))
    assert (targets >= 1).all()
    expected = (
        objective.ratio * (1 - getattr(objective, "last", 0.0))
        + getattr(objective, "last", 0.0) / 40
    )
    # 8,000 positions; `last` differs by row
    assert float(targets[2:].float().mean()) / 40 == pytest.approx(expected, abs=0.03)


def test_the_mean_size_of_a_block_is_that_asked_for():
    hidden = torch.ones(50, 60, dtype=torch.bool)
    ranks = PartiallyAutoregressive(ratio=1.0, block=3.0, order="left-to-right").ranks(
        hidden, torch.Generator().manual_seed(0)
    )
    assert 60 / ranks.amax(dim=1).float().mean() == pytest.approx(3.0, rel=0.1)


def test_masked_with_bert_replacement():
    """80 % [MASK], 10 % any item, 10 % the item itself; nothing but targets is changed."""
    pieces = np.random.default_rng(0).integers(0, 1000, (200, 50))
    sequences = torch.from_numpy(pieces)
    batch = Masked(ratio=0.5, keep="80/10/10", last=0.0).corrupt(
        sequences, Vocabulary(1000), torch.Generator().manual_seed(0)
    )
    shown = batch.tokens[batch.rows, batch.steps]
    masked, same = (shown == 1001).float().mean(), (shown == batch.labels).float().mean()
    # 5 sd of 5,000 draws
    assert masked == pytest.approx(0.8, abs=0.025) and same == pytest.approx(0.1, abs=0.02)
    assert (shown[(shown != 1001) & (shown != batch.labels)] < 1000).all()
    back = batch.tokens.clone()
    back[batch.rows, batch.steps] = batch.labels
    assert torch.equal(back, sequences)


def test_masked_last_is_the_recommendation_task():
    """Cut at a random place, the last item that is left is the only target: what comes later is
    neither read nor asked for.
    """
    pieces = [np.arange(1 + row % 9) for row in range(900)]
    batch = Masked(ratio=0.9, keep="mask", last=1.0).corrupt(
        padded(pieces, 50), Vocabulary(50), torch.Generator().manual_seed(0)
    )
    assert batch.rows.tolist() == list(range(900)) and torch.equal(batch.labels, batch.steps)
    assert batch.tokens.tolist() == [
        [*range(end), 51, *[50] * (8 - end)] for end in batch.steps.tolist()
    ]
    assert not batch.sees()[batch.rows, batch.steps][batch.tokens == 50].any()
    counts = torch.bincount(batch.steps[8::9], minlength=9)  # of 100 sequences of nine items
    assert len(counts) == 9 and counts.min() > 0 and counts.max() < 30


@pytest.mark.parametrize("seed", range(4))
def test_masked_last_has_the_loss_of_one_step_of_a_chain(seed):
    objective, sequence = Masked(ratio=0.5, keep="mask", last=1.0, loss=LOSS), SEQUENCES[0]
    batch = ask(objective, sequence, seed)
    (end,) = batch.steps.tolist()
    assert total(objective, batch) == pytest.approx(surprise(sequence, end, range(end)), rel=1e-5)


def test_segments_are_put_in_another_order_and_stay_whole():
    """A sequence of neighbours, cut at one place in three: runs of neighbours of that mean length,
    each item once, padding at the end.
    """
    sizes = [1, 5, *[60] * 40]
    sequences, generator = (
        padded([np.arange(size) for size in sizes], 60),
        torch.Generator().manual_seed(0),
    )
    batch = Autoregressive(lag=1, segments=3.0).corrupt(sequences, Vocabulary(60), generator)
    asked = [batch.labels[batch.rows == row].tolist() for row in range(len(sizes))]
    for row, (items, size) in enumerate(zip(asked, sizes)):
        assert (
            sorted(items) == list(range(size))
            and batch.tokens[row].tolist() == [62, *items, *[60] * 60][:60]
        )
    runs = [1 + sum(b != a + 1 for a, b in zip(items, items[1:])) for items in asked[2:]]
    assert 60 / np.mean(runs) == pytest.approx(3.0, rel=0.15)
    assert len(set(map(tuple, asked[2:]))) == 40


# --- yes/no questions ---


class Answering(torch.nn.Module):
    """A model whose logits are known: 0.5, -1, 2, 0.5, ... for prediction 0, 1, 2, 3, ..."""

    vocabulary = Vocabulary(50)
    logits = (0.5, -1.0, 2.0)

    def predictions(self, batch):
        return torch.tensor([self.logits[m % 3] for m in range(len(batch.labels))])

    def answers(self, question, hidden):
        self.asked = question
        return hidden


def cross_entropy(answers):
    """- y log p - (1 - y) log(1 - p), summed, for the logits of `Answering`."""
    loss = 0.0
    for m, y in enumerate(answers):
        p = 1 / (1 + math.exp(-Answering.logits[m % 3]))
        loss -= math.log(p) if y else math.log(1 - p)
    return loss


def questioned(objective, seed):
    """A batch over sequences without repeats (so that a new place is a new item), and the
    sequences.
    """
    rng = np.random.default_rng(seed)
    pieces = [rng.permutation(50)[:size] for size in rng.integers(2, 9, 150)]
    return pieces, objective.corrupt(
        padded(pieces, 50), Vocabulary(50), torch.Generator().manual_seed(seed)
    )


def check_loss(objective, batch, answers):
    model = Answering()
    assert batch.labels.dtype == torch.float32 and batch.labels.tolist() == [
        float(y) for y in answers
    ]
    assert float(Learner(model, objective)([batch], [len(answers)])) == pytest.approx(
        cross_entropy(answers) / len(answers), rel=1e-5
    )
    assert model.asked == objective.head


@pytest.mark.parametrize("seed", range(3))
def test_replaced_token_asks_of_each_item_whether_it_is_original(seed):
    """y_t = 1 if x~_t = x_t else 0, for every item and no padding; about the asked share is drawn
    anew, from the batch's items.
    """
    objective = ReplacedToken(ratio=0.3)
    pieces, batch = questioned(objective, seed)
    answers = [
        int(batch.tokens[row, t]) == int(x)
        for row, piece in enumerate(pieces)
        for t, x in enumerate(piece)
    ]
    check_loss(objective, batch, answers)
    assert 0.2 < 1 - np.mean(answers) < 0.45  # at least one of each, short ones raise the share
    assert (batch.tokens[padded(pieces, 50) == 50] == 50).all() and batch.tokens.max() <= 50


@pytest.mark.parametrize("seed", range(3))
def test_next_segment_asks_whether_the_second_part_follows(seed):
    """c = 1 if y follows x in its history; [START] x [SEP] y; else y is the second part of another
    one.
    """
    objective = NextSegment()
    pieces, batch = questioned(objective, seed)
    answers = []
    for row, tokens in enumerate(batch.tokens.tolist()):
        cut = tokens.index(VOCABULARY.separator - ITEMS + 50)
        x, y = tokens[1:cut], [token for token in tokens[cut + 1 :] if token != 50]
        own = pieces[row].tolist()
        assert tokens[0] == 52 and x == own[: len(x)] and 1 <= len(x) < len(own)
        answers.append(x + y == own)
        room = len(tokens) - cut - 1  # a second part that is too long for the batch is cut off
        assert answers[-1] or any(
            y == other[at:][:room]
            for other in (p.tolist() for p in pieces)
            for at in range(1, len(other))
        )
    check_loss(objective, batch, answers)
    assert batch.rows.tolist() == list(range(150)) and not batch.steps.any()  # read at [START]
    assert 0.35 < np.mean(answers) < 0.65


@pytest.mark.parametrize("seed", range(3))
def test_rearranged_asks_whether_the_order_is_another(seed):
    """y = 1 if x' is a rearranged history: the same items, in another order; a shuffle that changes
    nothing counts as 0.
    """
    objective = Rearranged(share=0.5)
    pieces, batch = questioned(objective, seed)
    answers = []
    for row, tokens in enumerate(batch.tokens.tolist()):
        items = [token for token in tokens[1:] if token != 50]
        assert (
            tokens[0] == 52
            and sorted(items) == sorted(pieces[row].tolist())
            and tokens[1 : 1 + len(items)] == items
        )
        answers.append(items != pieces[row].tolist())
    check_loss(objective, batch, answers)
    assert batch.rows.tolist() == list(range(150)) and not batch.steps.any()
    assert 0.25 < np.mean(answers) < 0.6  # half, less the shuffles of two items that change nothing


def test_rearranged_share():
    assert not questioned(Rearranged(share=0.0), 0)[1].labels.any()
    assert questioned(Rearranged(share=1.0), 0)[1].labels.mean() > 0.8


class Both(Table):
    """Answers yes/no questions like `Answering`, and knows the table."""

    def predictions(self, batch):
        return (
            Answering().predictions(batch)
            if batch.labels.is_floating_point()
            else super().predictions(batch)
        )

    def answers(self, question, hidden):
        return hidden


def test_joint_is_a_weighted_sum_of_means():
    """L = L_main + sum_i weight_i L_i, each a mean over its own predictions."""
    main, other = Masked(ratio=0.5, keep="mask", last=0.0, loss=LOSS), Rearranged(share=0.5)
    joint = Joint(main, (other, other), (0.25, 2.0))
    learner = Learner(Both(), joint)
    batches = learner.corrupt(torch.tensor(SEQUENCES), torch.Generator().manual_seed(1))
    counts = [len(batch.labels) for batch in batches]
    places = [predictions(batches[0], row) for row in range(3)]
    by_hand = (
        sum(
            surprise(SEQUENCES[row], place, seen) for row in range(3) for place, seen in places[row]
        )
        / counts[0]
    )
    by_hand += sum(
        weight * cross_entropy(batch.labels.tolist()) / 3
        for weight, batch in zip((0.25, 2.0), batches[1:])
    )
    assert counts[0] > 3 and float(learner(batches, counts)) == pytest.approx(by_hand, rel=1e-5)


# --- batches ---


def test_special_tokens_are_no_items_and_differ():
    vocabulary = Vocabulary(600)
    special = [vocabulary.pad, vocabulary.mask, vocabulary.start, vocabulary.separator]
    assert sorted(special) == list(range(600, 604)) and vocabulary.size == 604


@pytest.mark.parametrize("objective", [*ITEM_OBJECTIVES, *QUESTIONS], ids=NAME)
def test_visibility_is_closed(objective):
    """If a sees b and b sees c, a must see c: otherwise c leaks in through the second layer of any
    model.
    """
    pieces, vocabulary = some_sequences(n=60)
    sees = (
        objective.corrupt(
            padded(pieces, vocabulary.pad), vocabulary, torch.Generator().manual_seed(0)
        )
        .sees()
        .float()
    )
    assert torch.equal((sees @ sees) > 0, sees > 0)


@pytest.mark.parametrize("objective", ITEM_OBJECTIVES, ids=NAME)
def test_contexts_are_the_tokens_that_flow_into_each_prediction(objective):
    """`contexts` is what a loss leaves out of its sum as seen: it must be exactly what can reach
    the prediction.
    """
    pieces, vocabulary = some_sequences(n=20)
    batch = objective.corrupt(
        padded(pieces, vocabulary.pad), vocabulary, torch.Generator().manual_seed(0)
    )
    contexts = batch.contexts(vocabulary.pad)
    for m, (row, step) in enumerate(zip(batch.rows.tolist(), batch.steps.tolist())):
        flowing = reach(batch, row, step)
        wanted = [
            token if j in flowing else vocabulary.pad
            for j, token in enumerate(batch.tokens[row].tolist())
        ]
        assert contexts[m].tolist() == wanted
    assert torch.equal(batch.contexts(vocabulary.pad, 3, 8), contexts[3:8])


@pytest.mark.parametrize("objective", [*ITEM_OBJECTIVES, *QUESTIONS], ids=NAME)
@pytest.mark.parametrize("parts", [1, 2, 3, 8])
def test_shares_hold_every_prediction_once(objective, parts):
    """What one process of several leaves out, another must have; more processes than sequences must
    work as well.
    """
    pieces, vocabulary = some_sequences(n=5)
    whole = objective.corrupt(
        padded(pieces, vocabulary.pad), vocabulary, torch.Generator().manual_seed(0)
    )

    def told(batch):
        sees = batch.sees()
        positions = (
            torch.arange(batch.tokens.shape[1]).expand_as(batch.tokens)
            if batch.positions is None
            else batch.positions
        )
        return [
            (step, label, batch.tokens[row].tolist(), positions[row].tolist(), sees[row].tolist())
            for row, step, label in zip(
                batch.rows.tolist(), batch.steps.tolist(), batch.labels.tolist()
            )
        ]

    shares = [whole.share(part, parts) for part in range(parts)]
    assert sorted(line for share in shares for line in told(share)) == sorted(told(whole))
    # a process without a sequence still runs the model
    assert all(len(share.tokens) for share in shares)
    assert max(len(share.tokens) for share in shares) == -(-5 // parts)


# --- query ---


@pytest.mark.parametrize("objective", ITEM_OBJECTIVES, ids=NAME)
@pytest.mark.parametrize("columns", [0, 3])
def test_a_query_sees_the_whole_history_and_no_more(objective, columns):
    """The next item is asked for at the place after the last one, from all items of the history,
    however wide the batch is padded.
    """
    pieces = [np.array([4, 1, 1]), np.empty(0, dtype=np.int64), np.array([7]), np.arange(5)]
    vocabulary = Vocabulary(9)
    histories = torch.nn.functional.pad(
        padded(pieces, vocabulary.pad), (0, columns), value=vocabulary.pad
    )
    batch = objective.query(histories, vocabulary)
    assert batch.rows.tolist() == [0, 1, 2, 3]
    for row, piece in enumerate(pieces):
        step = int(batch.steps[row])
        tokens = [int(batch.tokens[row, j]) for j in sorted(reach(batch, row, step))]
        assert [
            token for token in tokens if token < 9
        ] == piece.tolist() and vocabulary.pad not in tokens
        positions = (
            batch.positions[row].tolist()
            if batch.positions is not None
            else list(range(batch.tokens.shape[1]))
        )
        own = step if not batch.causal else step + 1  # a causal query is read from the newest item
        at = positions[own] if own < len(positions) else own
        assert at == len(piece) + (int(batch.tokens[row, 0]) == vocabulary.start)


@pytest.mark.parametrize(
    "objective", [o for o in ITEM_OBJECTIVES if getattr(o, "lag", 1) == 1], ids=NAME
)
def test_a_query_looks_like_a_training_example(objective):
    """Predicting the last item while training, and asking for it, must read the same tokens at the
    same places.
    """
    history, vocabulary = torch.tensor([[3, 1, 4, 1]]), Vocabulary(9)
    query = objective.query(history[:, :3], vocabulary)
    hidden = torch.tensor([[False, False, False, True]])
    if isinstance(objective, Masked):
        draws = (
            Masked(ratio=0.5, keep="mask", last=1.0).corrupt(
                history, vocabulary, torch.Generator().manual_seed(n)
            )
            for n in range(99)
        )
        asked = next(batch for batch in draws if batch.steps.tolist() == [3])  # not cut
    elif isinstance(objective, PartiallyAutoregressive):
        asked = objective.ask(history, hidden, hidden.long(), vocabulary)
    else:
        asked = objective.corrupt(history, vocabulary, torch.Generator())

    def read(batch, step):
        places = (
            torch.arange(batch.tokens.shape[1])[None]
            if batch.positions is None
            else batch.positions
        )
        return [
            (int(batch.tokens[0, j]), int(places[0, j])) for j in sorted(reach(batch, 0, int(step)))
        ]

    assert read(query, query.steps[0]) == read(asked, asked.steps[-1])


# --- bad arguments ---

REFUSED = [
    (lambda: Autoregressive(lag=0), r"Autoregressive\(lag=0\): expected a whole number from 1"),
    (lambda: Autoregressive(lag=1.5), r"Autoregressive\(lag=1.5\): expected a whole number"),
    (
        lambda: Autoregressive(segments=0.5),
        r"Autoregressive\(segments=0.5\): expected a number in \[1, inf\)",
    ),
    (
        lambda: Autoregressive(segments=float("nan")),
        r"Autoregressive\(segments=nan\): expected a number",
    ),
    (
        lambda: PartiallyAutoregressive(ratio=0.0),
        r"PartiallyAutoregressive\(ratio=0.0\): expected a number in \(0, 1\]",
    ),
    (lambda: PartiallyAutoregressive(ratio="0.5"), r"ratio='0.5'\): expected a number"),
    (lambda: Permuted(block=0.5), r"Permuted\(block=0.5\): expected a number in \[1, inf\)"),
    (lambda: Permuted(block=float("nan")), r"Permuted\(block=nan\): expected a number"),
    (
        lambda: GapFilling(order="backwards"),
        r"GapFilling\(.*'backwards'.*'random' or 'left-to-right'",
    ),
    (lambda: Masked(ratio=1.5), r"Masked\(ratio=1.5\): expected a number in \(0, 1\]"),
    (lambda: Masked(ratio=float("nan")), r"Masked\(ratio=nan\): expected a number"),
    (lambda: Masked(keep="all"), r"keep='all'.*'mask' or '80/10/10'"),
    (lambda: Masked(last=-0.1), r"last=-0.1\): expected a number in \[0, 1\]"),
    (lambda: ReplacedToken(ratio=2), r"ReplacedToken\(ratio=2\): expected a number in \(0, 1\]"),
    (lambda: Rearranged(share=-1), r"Rearranged\(share=-1\): expected a number in \[0, 1\]"),
    (
        lambda: Joint(Masked(), (Rearranged(),), (float("nan"),)),
        r"Joint\(weight=nan\): expected a number",
    ),
    (lambda: Joint(Rearranged(), (), ()), "a main objective that predicts items"),
    (lambda: Joint(Masked(), (Rearranged(),), ()), "one weight for each"),
]


@pytest.mark.parametrize("make, message", REFUSED)
def test_bad_settings_are_refused_in_one_line(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_a_batch_without_a_mask_lets_all_see_all():
    tokens = torch.tensor([[1, 2, 3]])
    batch = Batch(tokens, False, torch.tensor([0]), torch.tensor([1]), torch.tensor([2]))
    assert batch.sees().all() and batch.contexts(9).tolist() == [[1, 2, 3]]
