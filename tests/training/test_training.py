"""Batches, the training loop and its checkpoint: what is random follows from the seed, and a killed
run ends where it would have ended.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import re
import runpy
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim.optimizer import register_optimizer_step_pre_hook

from tutorial_lib.errors import InputError
from tutorial_lib.models.sequence import ItemTransformer
from tutorial_lib.objectives import (
    Autoregressive,
    BinaryCrossEntropy,
    GapFilling,
    Joint,
    Masked,
    NextSegment,
    PartiallyAutoregressive,
    Permuted,
    Rearranged,
    ReplacedToken,
    SampledSoftmax,
    Softmax,
)
from tutorial_lib.objectives.batch import batches, padded, windows
from tutorial_lib.training import Plan, descend, train, warm_up_cosine

ITEMS = 12


def sequences(n=30, longest=12, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.integers(0, ITEMS, size) for size in rng.integers(1, longest + 1, n)]


def plan(**changes):
    small = {
        "epochs": 3,
        "batch_tokens": 64,
        "length": 8,
        "learning_rate": 1e-2,
        "warm_up": 0.1,
        "weight_decay": 0.01,
        "clip": 1.0,
    }
    return Plan(**{**small, "patience": 0, "evaluate_every": 1, **changes})


def network(width=8, heads=2, dropout=0.2, questions=("continues", "rearranged", "replaced")):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return ItemTransformer(
            ITEMS,
            width=width,
            heads=heads,
            layers=1,
            expansion=2,
            dropout=dropout,
            questions=questions,
        )


def weights(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(a, b):
    return all(torch.equal(a[name], b[name]) for name in a)


AM = Autoregressive(lag=1, segments=0.0, loss=Softmax(exclude_seen=True))
OBJECTIVES = {
    "autoregressive": AM,
    "sampled": Autoregressive(lag=1, segments=0.0, loss=SampledSoftmax(5)),
    "masked": Masked(ratio=0.4, keep="80/10/10", last=0.1, loss=BinaryCrossEntropy(2)),
    "permuted": Permuted(ratio=1.0, block=1.0, order="random"),
    "joint": Joint(
        Masked(ratio=0.4, keep="mask", last=0.1),
        (Rearranged(share=0.5), NextSegment(), ReplacedToken(0.3)),
        (0.1, 0.2, 0.3),
    ),
}
each_objective = pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=OBJECTIVES)

# --- batches ---


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(0, 40), max_size=8), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_windows_are_pieces_in_their_order(sizes, length, seed):
    """Short histories stay whole; a long one is cut into runs of neighbours, and the newest items
    are always one of them.
    """
    histories = [np.arange(size) + 100 * number for number, size in enumerate(sizes)]
    pieces = [piece.tolist() for piece in windows(histories, length, np.random.default_rng(seed))]
    for piece in pieces:
        assert 1 <= len(piece) <= length and piece == list(range(piece[0], piece[0] + len(piece)))
    for history in (history.tolist() for history in histories if len(history)):
        own = [piece for piece in pieces if piece[0] // 100 == history[0] // 100]
        assert history[-length:] in own and (len(history) > length or own == [history])
    assert len({piece[0] // 100 for piece in pieces}) == sum(size > 0 for size in sizes)


@pytest.mark.parametrize("length", [1, 3, 5])
def test_windows_of_one_epoch_hold_every_item(length):
    """An item that no window holds would be lost for that epoch."""
    for seed in range(40):
        assert set(
            np.concatenate(windows([np.arange(7)], length, np.random.default_rng(seed)))
        ) == set(range(7))


@pytest.mark.parametrize("length", [1, 3, 5])
def test_no_window_comes_twice_in_an_epoch(length):
    for seed in range(40):
        pieces = [
            tuple(piece) for piece in windows([np.arange(7)], length, np.random.default_rng(seed))
        ]
        assert len(set(pieces)) == len(pieces)


def test_windows_are_cut_anew_in_each_epoch():
    cuts = {
        tuple(map(len, windows([np.arange(50)], 10, np.random.default_rng(seed))))
        for seed in range(10)
    }
    assert len(cuts) > 3


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.integers(1, 30), min_size=1, max_size=40),
    st.integers(1, 60),
    st.integers(0, 2**32 - 1),
)
def test_batches_hold_each_piece_once_within_the_budget(sizes, tokens, seed):
    pieces = [np.zeros(size) for size in sizes]
    groups = batches(pieces, tokens, np.random.default_rng(seed))
    assert sorted(itertools.chain(*groups)) == list(range(len(sizes)))
    assert all(
        len(group) == 1 or len(group) * max(sizes[piece] for piece in group) <= tokens
        for group in groups
    )


def test_batches_differ_between_epochs_and_waste_little_on_padding():
    sizes = np.random.default_rng(0).integers(1, 100, 500)
    first, again, other = (
        batches([np.zeros(size) for size in sizes], 1000, np.random.default_rng(seed))
        for seed in (1, 1, 2)
    )
    assert first == again and first != other
    # other neighbours, not the same batches in another order
    assert set(map(frozenset, first)) != set(map(frozenset, other))
    widths = [max(sizes[piece] for piece in group) for group in first]
    assert sum(len(group) * width for group, width in zip(first, widths)) < 1.15 * sizes.sum()
    # long and short mixed over the epoch
    assert widths != sorted(widths) and widths != sorted(widths, reverse=True)


def test_padded():
    assert padded([[1, 2, 3], [], np.array([4])], 9).tolist() == [[1, 2, 3], [9, 9, 9], [4, 9, 9]]
    assert padded([[]], 9).tolist() == [[9]] and padded([[1]], 9).dtype == torch.int64


# --- the loop ---


def test_descend_takes_the_steps_that_a_loop_written_out_takes():
    """Rate, gradient, clipping, step: bit for bit, whatever gradient was there before."""
    torch.manual_seed(0)
    inputs, wanted = torch.randn(20, 4, 3), torch.randn(20, 4)
    ours, theirs = torch.nn.Linear(3, 1), torch.nn.Linear(3, 1)
    theirs.load_state_dict(ours.state_dict())
    for model in (ours, theirs):
        model.weight.grad = torch.ones(1, 3)
    optimizer = torch.optim.AdamW(theirs.parameters(), lr=1.0)
    expected = []
    for step in range(20):
        optimizer.param_groups[0]["lr"] = 0.3 * warm_up_cosine(step / 20)
        optimizer.zero_grad()
        loss = F.mse_loss(theirs(inputs[step])[:, 0], wanted[step])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(theirs.parameters(), 0.5)
        optimizer.step()
        expected.append((step, loss.item()))
    steps = descend(
        ours.parameters(),
        torch.optim.AdamW(ours.parameters(), lr=1.0),
        ((step / 20, step) for step in range(20)),
        lambda step: F.mse_loss(ours(inputs[step])[:, 0], wanted[step]),
        0.3,
        clip=0.5,
    )
    assert [(step, loss.item()) for step, loss in steps] == expected
    assert same(weights(ours), weights(theirs))


def test_descend_without_clipping_at_one_rate():
    model = torch.nn.Linear(1, 1, bias=False)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    torch.nn.init.zeros_(model.weight)
    slopes = [(0.0, 100.0), (0.9, 1.0)]
    steps = descend(
        model.parameters(),
        optimizer,
        slopes,
        lambda slope: slope * model.weight.sum(),
        0.5,
        schedule=lambda progress: 1.0,
        clip=math.inf,
    )
    assert [float(loss) for _, loss in steps] == [0.0, -50.0]
    assert model.weight.item() == -50.5


@each_objective
def test_the_same_seed_gives_the_same_weights_bit_for_bit(objective):
    """Also after other draws of the caller, whose own draws must not depend on the training."""
    results = []
    for caller, seed in ((1, 5), (2, 5), (1, 6)):
        model = network()
        torch.manual_seed(caller)
        before = torch.get_rng_state()
        history = train(model, objective, sequences(), plan(), seed=seed)
        assert torch.equal(torch.get_rng_state(), before) and not model.training
        results.append((weights(model), [epoch.loss for epoch in history]))
    assert same(results[0][0], results[1][0]) and results[0][1] == results[1][1]
    assert not same(results[0][0], results[2][0]) and results[0][1] != results[2][1]


@pytest.mark.parametrize(
    "objective",
    [AM, Permuted(ratio=1.0, block=1.0, order="random")],
    ids=["autoregressive", "permuted"],
)
def test_the_loss_of_an_epoch_is_the_mean_over_its_predictions(objective):
    """With a rate of nearly 0, the mean over batches of unlike size must be that over all items at
    once; counts add up over the epochs.
    """
    data, model = (
        [np.array([3, 1]), np.array([7]), np.arange(8), np.array([2, 5, 2])] * 3,
        network(dropout=0.0),
    )
    plain = Autoregressive(lag=1, segments=0.0, loss=Softmax(exclude_seen=True))
    objective = objective if objective is not AM else plain
    history = train(
        model, objective, data, plan(epochs=2, batch_tokens=16, learning_rate=1e-12), seed=0
    )
    n = sum(map(len, data))
    assert [epoch.number for epoch in history] == [1, 2] and [
        epoch.predictions for epoch in history
    ] == [n, 2 * n]
    assert 0 < history[0].seconds < history[1].seconds and history[0].ndcg is None
    if objective is plain:
        batch = objective.corrupt(padded(data, ITEMS), model.vocabulary, torch.Generator())
        with torch.no_grad():
            seen = torch.zeros(n, model.vocabulary.size, dtype=torch.bool).scatter_(
                1, batch.contexts(ITEMS), True
            )[:, :ITEMS]
            seen[torch.arange(n), batch.labels] = False
            scores = model.item_scores(model.predictions(batch)).masked_fill(seen, -torch.inf)
            expected = float(F.cross_entropy(scores, batch.labels))
        assert [epoch.loss for epoch in history] == pytest.approx([expected] * 2, rel=1e-5)


class Recorded:
    """An objective that remembers what it was given in each step."""

    name, head, loss = "recorded", "items", Softmax(exclude_seen=True)

    def __init__(self):
        self.given, self.read = [], []

    def corrupt(self, clean, vocabulary, generator):
        batch = Masked(ratio=0.5, keep="mask", last=0.0).corrupt(clean, vocabulary, generator)
        self.given.append(clean.tolist())
        self.read.append(batch.tokens.tolist())
        return batch


def test_each_epoch_takes_all_data_with_new_masks_in_a_new_order():
    objective, data = Recorded(), sequences(longest=8)
    train(network(), objective, data, plan(epochs=2), seed=0)
    half = len(objective.given) // 2
    rows = [
        [tuple(x for x in row if x != ITEMS) for step in part for row in step]
        for part in (objective.given[:half], objective.given[half:])
    ]
    assert sorted(rows[0]) == sorted(rows[1]) == sorted(tuple(map(int, piece)) for piece in data)
    assert rows[0] != rows[1]
    masks = [
        sorted(tuple(row) for step in part for row in step if len(row) > 6)
        for part in (objective.read[:half], objective.read[half:])
    ]
    assert masks[0] != masks[1]


def test_the_rate_rises_along_a_line_and_falls_along_a_cosine():
    assert [warm_up_cosine(progress, 0.2) for progress in (0.0, 0.05, 0.1, 0.2)] == pytest.approx(
        [0.0, 0.25, 0.5, 1.0]
    )
    assert warm_up_cosine(0.6, 0.2) == pytest.approx(0.5) and warm_up_cosine(
        0.4, 0.2
    ) == pytest.approx(0.5 * (1 + math.cos(math.pi / 4)))
    assert warm_up_cosine(1.0, 0.2) == pytest.approx(0.0) and warm_up_cosine(0.0, 0.0) == 1.0


def test_the_optimizer_gets_the_rate_of_the_plan():
    """One value a step: the schedule at the middle of the step, over all epochs."""
    rates = []
    hook = register_optimizer_step_pre_hook(
        lambda optimizer, *_: rates.append({group["lr"] for group in optimizer.param_groups})
    )
    data = [np.arange(8) for _ in range(16)]  # two steps of eight
    try:
        train(
            network(),
            AM,
            data,
            plan(epochs=3, batch_tokens=64, learning_rate=0.02, warm_up=0.25),
            seed=0,
        )
    finally:
        hook.remove()
    assert all(len(groups) == 1 for groups in rates)
    assert [groups.pop() for groups in rates] == pytest.approx(
        [0.02 * warm_up_cosine((step + 0.5) / 6, 0.25) for step in range(6)]
    )


LEARNERS = [
    Autoregressive(lag=1, segments=0.0, loss=Softmax(exclude_seen=False)),
    PartiallyAutoregressive(
        ratio=0.5, block=2.0, order="left-to-right", loss=Softmax(exclude_seen=False)
    ),
    Permuted(ratio=1.0, block=1.0, order="random", loss=Softmax(exclude_seen=False)),
    GapFilling(ratio=0.5, block=1.0, order="left-to-right", loss=Softmax(exclude_seen=False)),
    Masked(ratio=0.3, keep="mask", last=0.2, loss=Softmax(exclude_seen=False)),
]


@pytest.mark.parametrize("objective", LEARNERS, ids=[objective.name for objective in LEARNERS])
def test_every_objective_learns_a_cycle(objective):
    """0 1 2 ... 11 0 1 ...: every item is as frequent as any other (2.5 nats), but the order makes
    the next one nearly certain.

    AM is asked after one item, too: it alone has met sequences of every length, as beginnings.
    """
    data = [(np.arange(9) + start) % ITEMS for start in range(ITEMS)] * 4
    model = network(width=32, dropout=0.0)
    train(
        model,
        objective,
        data,
        plan(epochs=30, batch_tokens=128, length=9, learning_rate=2e-2),
        seed=0,
    )
    sizes, limit = ((1, 2, 4, 8), 0.1) if isinstance(objective, Autoregressive) else ((8,), 0.5)
    batch = objective.query(
        padded([piece[:size] for piece in data[:ITEMS] for size in sizes], ITEMS), model.vocabulary
    )
    following = torch.tensor([int(piece[size]) for piece in data[:ITEMS] for size in sizes])
    with torch.no_grad():
        loss = F.cross_entropy(model.item_scores(model.predictions(batch)), following)
    assert loss < limit, loss


# --- validation ---


def validated(values, **changes):
    """A run whose validation gives the values of a list: the model, its history, and the weights at
    each evaluation.
    """
    model, seen, script = network(), [], iter(values)

    def validate():
        assert not model.training
        seen.append(weights(model))
        return next(script)

    return model, train(model, AM, sequences(), plan(**changes), seed=0, validate=validate), seen


def test_training_stops_when_validation_stays_worse_and_keeps_the_best_weights():
    # an equal value is no better one
    model, history, seen = validated([0.1, 0.3, 0.3, 0.2], epochs=9, patience=2)
    assert [epoch.ndcg for epoch in history] == [0.1, 0.3, 0.3, 0.2]
    assert same(weights(model), seen[1]) and not same(seen[1], seen[2]) and not model.training


def test_a_better_value_starts_the_wait_anew():
    model, history, seen = validated([0.3, 0.2, 0.4, 0.1, 0.5, 0.2, 0.1], epochs=9, patience=2)
    assert len(history) == 7 and same(weights(model), seen[4])


def test_without_patience_all_epochs_are_trained_and_the_last_is_evaluated():
    model, history, seen = validated([0.3, 0.2, 0.1], epochs=5, patience=0, evaluate_every=2)
    assert [epoch.ndcg for epoch in history] == [None, 0.3, None, 0.2, 0.1]
    assert same(weights(model), seen[0])


def test_an_evaluation_leaves_the_training_as_it_is():
    """Neither dropout nor a draw: the epochs after it are those of a run that is not validated."""
    model, history, seen = validated([0.1, 0.2, 0.3], epochs=3)
    other = network()
    plain = train(other, AM, sequences(), plan(epochs=3), seed=0)
    assert same(weights(other), weights(model)) and [e.loss for e in plain] == [
        e.loss for e in history
    ]


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_dropout_is_new_in_each_epoch_and_comes_back_after_an_evaluation(dropout):
    """With a rate of nearly 0, the loss of an epoch changes with what is dropped, and with nothing
    else.
    """
    model = network(dropout=dropout)
    history = train(
        model,
        AM,
        sequences(longest=8),
        plan(epochs=3, learning_rate=1e-12),
        seed=0,
        validate=lambda: 0.1,
    )
    first, *others = (epoch.loss for epoch in history)
    assert all((abs(loss - first) > 1e-3) == bool(dropout) for loss in others)


# --- refusals ---


@pytest.mark.parametrize("data", [[], [[], np.empty(0, dtype=np.int64)]])
def test_no_items_are_refused(data):
    with pytest.raises(
        InputError, match="all sequences are empty; expected at least one interaction"
    ):
        train(network(), AM, data, plan())


class Broken:
    name, head, corrupt = "broken", "items", AM.corrupt

    @staticmethod
    def loss(hidden, *_):
        return hidden.sum() * math.nan


@pytest.mark.parametrize(
    "objective, learning_rate", [(Broken, 0.01), (AM, 1e30)], ids=["nan", "diverged"]
)
def test_a_loss_that_is_no_number_names_the_learning_rate(objective, learning_rate, tmp_path):
    """And the checkpoint never holds the ruined weights."""
    store = tmp_path / "run"
    with pytest.raises(
        InputError,
        match=(
            r"loss of epoch 1 is (nan|inf); try a lower learning_rate than"
            rf" {re.escape(str(learning_rate))}"
        ),
    ):
        train(
            network(), objective, sequences(), plan(learning_rate=learning_rate), checkpoint=store
        )
    assert not store.exists()


WRONG = [
    ("epochs", 0),
    ("batch_tokens", 0),
    ("length", 0),
    ("evaluate_every", 0),
    ("learning_rate", 0.0),
    ("clip", 0.0),
    ("warm_up", 1.0),
]


UNREAL = [
    ("epochs", 2.5),
    ("learning_rate", math.nan),
    ("learning_rate", math.inf),
    ("warm_up", math.nan),
    ("length", 10**12),
]


@pytest.mark.parametrize("name, value", [*WRONG, *UNREAL, ("weight_decay", -0.1), ("patience", -1)])
def test_a_plan_that_cannot_work_is_refused(name, value):
    with pytest.raises(InputError, match=rf"Plan\({name}={value}\): expected a (whole )?number"):
        plan(**{name: value})


@pytest.mark.parametrize("seed", [-1, 2**64, 1.0, "0", None])
def test_a_seed_that_no_generator_takes_is_refused(seed):
    with pytest.raises(InputError, match=r"train\(seed=.*\): expected a whole number from 0"):
        train(network(), AM, sequences(), plan(), seed=seed)


# --- checkpoints ---


class Killed(BaseException):
    pass


def away(model, sign=-1.0):
    """A validation that is best for the first weights (or, with sign 1, the last): the distance
    from where training started.
    """
    start = model.embedding.weight.detach().clone()
    return lambda: sign * float((model.embedding.weight.detach() - start).norm())


def finish(objective, store=None, stop_after=None, sign=None):
    """One run; with ``stop_after`` it breaks off after that epoch."""

    def told(epoch):
        if epoch.number == stop_after:
            raise Killed

    model = network()
    validate = None if sign is None else away(model, sign)
    try:
        history = train(
            model,
            objective,
            sequences(),
            plan(epochs=4),
            seed=3,
            validate=validate,
            on_epoch=told,
            checkpoint=store,
        )
    except Killed:
        return None
    return weights(model), [
        (epoch.number, epoch.loss, epoch.predictions, epoch.ndcg) for epoch in history
    ]


def agree(a, b):
    return same(a[0], b[0]) and a[1] == b[1]


@each_objective
def test_a_run_that_broke_off_goes_on_to_the_same_weights(objective, tmp_path):
    """After any epoch, twice in one run, and from a file whose run was over."""
    whole, store = finish(objective), tmp_path / "deep" / "run"
    for stop in (1, 3):
        assert finish(objective, store, stop_after=stop) is None and store.exists()
    assert agree(finish(objective, store), whole)
    assert agree(finish(objective, store), whole)
    assert [path.name for path in store.parent.iterdir()] == ["run"]


@pytest.mark.parametrize("sign, best", [(-1.0, 0), (1.0, 3)])
def test_a_run_that_broke_off_remembers_its_best_weights(sign, best, tmp_path):
    whole = finish(AM, sign=sign)
    ndcg = [line[3] for line in whole[1]]
    assert ndcg.index(max(ndcg)) == best
    assert finish(AM, tmp_path / "run", stop_after=2, sign=sign) is None
    assert agree(finish(AM, tmp_path / "run", sign=sign), whole)


def test_a_run_that_broke_off_remembers_how_long_it_has_waited(tmp_path):
    """Patience counts over the break: one worse value before it, one after it."""
    model, script = network(), iter([0.3, 0.2, 0.1, 0.4])

    def told(epoch):
        if epoch.number == 2:
            raise Killed

    run = {"seed": 0, "validate": lambda: next(script), "checkpoint": tmp_path / "run"}
    with pytest.raises(Killed):
        train(model, AM, sequences(), plan(epochs=9, patience=2), on_epoch=told, **run)
    assert [
        epoch.ndcg for epoch in train(model, AM, sequences(), plan(epochs=9, patience=2), **run)
    ] == [0.3, 0.2, 0.1]


KILLED = """
import os, signal, sys
sys.path.insert(0, sys.argv[2])
import test_training as t
model = t.network()
kill = lambda epoch: epoch.number == 2 and os.kill(os.getpid(), signal.SIGKILL)
more = {"seed": 3, "validate": t.away(model), "on_epoch": kill, "checkpoint": sys.argv[1]}
t.train(model, t.AM, t.sequences(), t.plan(epochs=4), **more)
"""


@pytest.mark.full
def test_a_killed_process_goes_on_to_the_same_weights(tmp_path):
    store = tmp_path / "run"
    command = [sys.executable, "-c", KILLED, str(store), os.path.dirname(__file__)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert run.returncode == -signal.SIGKILL, run.stderr
    assert len(torch.load(store, weights_only=True)["history"]) == 2
    assert agree(finish(AM, store, sign=-1.0), finish(AM, sign=-1.0))


def test_a_checkpoint_that_cannot_be_written_leaves_the_last_one(tmp_path, monkeypatch):
    store, whole = tmp_path / "run", finish(AM)
    assert finish(AM, store, stop_after=2) is None
    kept = store.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(OSError, match="No space left"):
            finish(AM, store)
    assert store.read_bytes() == kept and [path.name for path in tmp_path.iterdir()] == ["run"]
    assert agree(finish(AM, store), whole)


def refused(store, match, seed=3, objective=AM, data=None, model=None, **changes):
    kept = store.read_bytes()
    with pytest.raises(InputError, match=match) as error:
        train(
            model or network(),
            objective,
            data or sequences(),
            plan(**{"epochs": 4, **changes}),
            seed=seed,
            checkpoint=store,
        )
    assert "\n" not in str(error.value) and str(store) in str(error.value)
    assert store.read_bytes() == kept


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """The bytes of a checkpoint after two of four epochs."""
    store = tmp_path_factory.mktemp("stored") / "run"
    finish(AM, store, stop_after=2)
    return store.read_bytes()


def foreign(content):
    import io

    buffer = io.BytesIO()
    torch.save({"weights": torch.zeros(3)}, buffer)
    return buffer.getvalue()


DAMAGE = {
    "empty": lambda content: b"",
    "cut short": lambda content: content[: len(content) // 2],
    "other bytes": lambda content: b"epoch,loss\n1,2.5\n",
    "another torch file": foreign,
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_checkpoint_is_refused_and_left_alone(damage, stored, tmp_path):
    store = tmp_path / "run"
    store.write_bytes(damage(stored))
    refused(store, r"checkpoint .* cannot be read \(\w+\): delete it to start anew")


OTHERS = {
    "seed": {"seed": 4},
    "plan": {"learning_rate": 0.02},
    "objective": {
        "objective": Autoregressive(lag=2, segments=0.0, loss=Softmax(exclude_seen=True))
    },
    "data": {"data": sequences(seed=1)},
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_checkpoint_of_another_run_is_refused_and_left_alone(name, stored, tmp_path):
    store = tmp_path / "run"
    store.write_bytes(stored)
    refused(store, rf"belongs to a run with another {name}: name another file", **OTHERS[name])


@pytest.mark.parametrize("change", [{"width": 16}, {"heads": 1}, {"dropout": 0.5}], ids=str)
def test_a_checkpoint_of_another_model_is_refused(change, stored, tmp_path):
    """Also where the weights would fit: they were trained with other heads, or another dropout."""
    store = tmp_path / "run"
    store.write_bytes(stored)
    refused(store, "belongs to a run with another model", model=network(**change))


# --- two processes ---

TWO = """
import json, sys
if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])
import test_training as t

def run():
    from accelerate import Accelerator
    told = []
    all_questions = ("continues", "rearranged", "replaced")
    for name, questions in (("autoregressive", ()), ("joint", all_questions)):
        model, objective = t.network(dropout=0.0, questions=questions), t.OBJECTIVES[name]
        history = t.train(model, objective, t.sequences(41), t.plan(batch_tokens=24), seed=0)
        trained = {n: v.tolist() for n, v in model.state_dict().items()}
        told.append(([e.loss for e in history], [e.predictions for e in history], trained))
    processes = Accelerator()
    return {"processes": processes.num_processes, "main": processes.is_main_process, "told": told}

if __name__ == "__main__":
    result = run()
    if result["main"]:
        print("RESULT", json.dumps(result))
"""


@pytest.mark.full
def test_two_processes_train_like_one(tmp_path):
    """Each takes its share of every batch, some batches of one sequence included: the same losses,
    and the same weights, but for rounding.

    ``--cpu`` of `accelerate launch` starts one process only; on CPUs ``--multi_gpu`` starts two,
    and the variable joins them.
    """
    script = tmp_path / "two.py"
    script.write_text(TWO)
    flags = (
        "--multi_gpu --num_processes 2 --num_machines 1 --mixed_precision no --dynamo_backend no"
        " --main_process_port 0".split()
    )
    command = [
        sys.executable,
        "-m",
        "accelerate.commands.launch",
        *flags,
        str(script),
        os.path.dirname(__file__),
    ]
    environment = {**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    run = subprocess.run(
        command, capture_output=True, text=True, timeout=300, env=environment, cwd=tmp_path
    )
    assert run.returncode == 0, run.stderr[-2000:]
    (line,) = [line for line in run.stdout.splitlines() if line.startswith("RESULT ")]
    two = json.loads(line.removeprefix("RESULT "))
    one = runpy.run_path(str(script))["run"]()
    assert (one["processes"], two["processes"]) == (1, 2)
    for (losses, counts, trained), (losses_of_two, counts_of_two, trained_by_two) in zip(
        one["told"], two["told"]
    ):
        assert losses_of_two == pytest.approx(losses, abs=1e-4) and counts_of_two == counts
        for name, value in trained.items():
            assert np.allclose(trained_by_two[name], value, atol=1e-3)
