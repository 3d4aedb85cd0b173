"""PeterRec's transfer between domains: what each regime moves and what it may not, who is learned
from, and that it learns.
"""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from small import make_dataset
from tutorial_recipes.worlds import make_world

from tutorial_lib.data import leave_last_out
from tutorial_lib.errors import InputError
from tutorial_lib.models import SequenceRecommender
from tutorial_lib.strategies import patches
from tutorial_lib.strategies.patches import GROUPS, REGIMES, insert_patches, transfer
from tutorial_lib.strategies.persons import PARTS, PersonPairs, person_pairs

LENGTH, N_ITEMS, N_TARGETS = 7, 60, 50
WIDTH, LAYERS = 8, 2
BLOCK = (
    (8 * 24 + 24) + (8 * 8 + 8) + (8 * 16 + 16) + (16 * 8 + 8)
)  # queries, keys and values; out; widen; narrow
BACKBONE = (N_ITEMS + 4) * WIDTH + LAYERS * BLOCK  # items and four special tokens
NORM = (2 * LAYERS + 1) * 2 * WIDTH
PATCH = 2 * LAYERS * ((8 * 2 + 2) + (2 * 8 + 8))
HEAD = N_TARGETS * (WIDTH + 1)
MOVED = {  # regime: the groups that move
    "fine-zero": {"backbone", "norm", "head"},
    "fine-last": {"head"},
    "patches": {"patch", "norm", "head"},
    "fine-all": {"backbone", "norm", "head"},
}
SIZE = {"backbone": BACKBONE, "norm": NORM, "patch": PATCH, "head": HEAD}


def small(objective="autoregressive", **changes):
    sizes = {"width": WIDTH, "heads": 2, "layers": LAYERS, "expansion": 2, "dropout": 0.1}
    plan = {
        "epochs": 2,
        "batch_tokens": 256,
        "length": LENGTH,
        "learning_rate": 0.02,
        "evaluate_every": 2,
    }
    return SequenceRecommender(objective, **{**sizes, **plan, **changes})


@pytest.fixture(scope="module")
def worlds():
    sizes = {"n_users": 120, "mean_length": 10, "shared_users": 0.8, "n_types": 4}
    return make_world("products", n_items=N_ITEMS, **sizes), make_world(
        "movies", n_items=N_TARGETS, **sizes
    )


@pytest.fixture(scope="module")
def pairs(worlds):
    return person_pairs(*worlds)


@pytest.fixture(scope="module")
def pretrained(worlds):
    return small().fit(leave_last_out(worlds[0]), seed=5, progress=False)


@pytest.fixture(scope="module")
def results(pretrained, pairs):
    return {regime: transfer(pretrained, pairs, regime, labels=20, epochs=3) for regime in MOVED}


each = pytest.mark.parametrize("regime", MOVED, ids=str)


def weights(result):
    return {name: value.clone() for name, value in result.network.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


# --- persons ---


def of_persons(dataset, names):
    return replace(dataset, users=dataset.users.assign(person=names))


def test_who_did_what_in_both_domains():
    """Histories in time order, chosen items once each; who is in one domain only, or did nothing in
    one, is left out.
    """
    source = of_persons(
        make_dataset([(0, 2, 9), (0, 1, 5), (1, 0, 1), (3, 0, 2), (0, 2, 1)], n_users=4),
        ["ann", "bob", "eve", "dan"],
    )
    target = of_persons(
        make_dataset([(0, 1, 1), (2, 3, 2), (2, 0, 3), (2, 3, 4), (1, 0, 5)], n_users=4),
        ["joe", "eve", "ann", "bob"],
    )
    pairs = person_pairs(source, target)
    assert pairs.person.tolist() == ["ann"] and pairs.part.shape == (1,)
    assert pairs.histories[0].tolist() == [2, 1, 2] and pairs.chosen[0].tolist() == [0, 3]
    assert (pairs.n_items, pairs.n_targets) == (3, 4)


def test_the_part_of_a_person_is_theirs(worlds, pairs):
    """Whoever else is there, and whatever they did; about the promised shares; another seed draws
    other parts.
    """
    source, target = worlds
    part = dict(zip(pairs.person, pairs.part))
    fewer = person_pairs(source.subset_users(range(0, 120, 2)), target)
    assert 20 < len(fewer.person) < len(pairs.person) == 96
    assert all(part[name] == own for name, own in zip(fewer.person, fewer.part))
    assert sorted(np.concatenate([pairs.rows(name) for name in PARTS])) == list(range(96))
    for name, share in PARTS.items():
        assert abs(len(pairs.rows(name)) / 96 - share) < 0.15
    assert (person_pairs(source, target, seed=1).part != pairs.part).sum() > 20


@pytest.mark.parametrize("regime", REGIMES)
def test_only_train_persons_are_learned_from(regime, pretrained, pairs):
    """What validation and test persons did in either domain changes no weight; more labels include
    those of fewer.
    """
    train = set(pairs.rows("train").tolist())
    result = transfer(pretrained, pairs, regime, labels=len(train), epochs=1)
    assert set(result.labelled.tolist()) == train
    others = replace(
        pairs,
        histories=[
            history if row in train else history[:1] for row, history in enumerate(pairs.histories)
        ],
        chosen=[
            chosen if row in train else np.array([0]) for row, chosen in enumerate(pairs.chosen)
        ],
    )
    assert same(
        weights(result), weights(transfer(pretrained, others, regime, labels=len(train), epochs=1))
    )
    few, more = (
        set(transfer(pretrained, pairs, regime, labels=n, epochs=1, seed=3).labelled.tolist())
        for n in (5, 12)
    )
    assert len(few) == 5 and len(more) == 12 and few < more < train


# --- what moves ---


def test_a_fresh_patch_changes_nothing(pretrained, pairs):
    """Bit by bit; and each of the patches has a say as soon as its way up is not 0."""
    queries = pretrained.objective.query(
        torch.tensor([[3, 5, 8, 1], [2, 2, 9, 60]]), pretrained.model.vocabulary
    )
    plain, patched = copy.deepcopy(pretrained.model).eval(), copy.deepcopy(pretrained.model).eval()
    insert_patches(patched)
    assert (
        sum(p.numel() for p in patched.parameters()) - sum(p.numel() for p in plain.parameters())
        == PATCH
    )
    with torch.no_grad():
        before = plain.predictions(queries)
        assert torch.equal(patched.predictions(queries), before)
        for block in patched.blocks:
            for layer in (block.attention, block.narrow):
                layer.kit_adapter.up.weight[0] = (
                    30.0  # not all rows alike: the norm that follows takes out what all share
                )
                assert (patched.predictions(queries) - before).abs().max() > 1e-4
                layer.kit_adapter.up.weight.zero_()
                assert torch.equal(patched.predictions(queries), before)


@each
def test_only_what_the_regime_says_moves(regime, results):
    """Exactly 0 elsewhere."""
    result = results[regime]
    assert result.regime == regime and set(result.moved) == set(GROUPS)
    assert {group for group, change in result.moved.items() if change != 0.0} == MOVED[regime]
    assert all(result.moved[group] > 1e-3 for group in MOVED[regime])
    assert REGIMES[regime].moves == MOVED[regime]


@each
def test_the_trunk_comes_from_pretraining(regime, results, pretrained):
    """A frozen parameter is the pre-trained one, bit by bit, and a trained one starts there; with
    fine-zero, neither.
    """
    before = {
        name: value for name, value in pretrained.model.state_dict().items() if name != "bias"
    }
    after = {name.removeprefix("trunk."): value for name, value in weights(results[regime]).items()}
    kinds = {name: "norm" if "norm" in name else "backbone" for name in before}
    assert before.keys() <= after.keys()
    for name in before:
        assert torch.equal(before[name], after[name]) == (kinds[name] not in MOVED[regime])
    apart = (before["embedding.weight"] - after["embedding.weight"]).abs().mean()
    assert (apart > 0.1) == (regime == "fine-zero")


@each
def test_parameters_are_counted(regime, results):
    result, patch = results[regime], PATCH * (regime == "patches")
    assert result.n_trainable == sum(SIZE[group] for group in MOVED[regime])
    assert result.n_parameters == BACKBONE + NORM + HEAD + patch


@pytest.mark.parametrize("regime", REGIMES)
def test_the_pretrained_model_is_never_changed(regime, pretrained, pairs):
    """Neither its weights nor their gradients nor what it recommends."""
    before, scores = copy.deepcopy(pretrained.model.state_dict()), pretrained.score([[1, 2, 3], []])
    transfer(pretrained, pairs, regime, labels=5, epochs=2).score([[1, 2]])
    after = pretrained.model.state_dict()
    assert same(before, after) and np.array_equal(pretrained.score([[1, 2, 3], []]), scores)
    assert (
        all(p.requires_grad for p in pretrained.model.parameters())
        and not pretrained.model.training
    )
    assert (
        pretrained.model.bias is not None
        and type(pretrained.model.blocks[0].narrow) is torch.nn.Linear
    )


@each
def test_the_same_seed_gives_the_same_weights(regime, results, pretrained, pairs):
    """Whatever was drawn before, and without a mark on what is drawn next."""
    torch.manual_seed(7)
    state = torch.get_rng_state()
    again = transfer(pretrained, pairs, regime, labels=20, epochs=3)
    assert torch.equal(torch.get_rng_state(), state)
    assert same(weights(again), weights(results[regime])) and again.losses == results[regime].losses
    other = transfer(pretrained, pairs, regime, labels=20, epochs=3, seed=1)
    assert not same(weights(other), weights(results[regime])) and set(other.labelled) != set(
        again.labelled
    )


# --- what is learned, and from what ---


def test_the_loss_is_the_mean_cross_entropy_of_the_chosen_items(worlds, pairs):
    """Each person counts alike; with a rate of nearly 0, scores start from popularity among the
    labelled.
    """
    still = small(dropout=0.0, epochs=1).fit(leave_last_out(worlds[0]), progress=False)
    result = transfer(still, pairs, "fine-all", labels=10, epochs=1, learning_rate=1e-12)
    scores = torch.from_numpy(
        result.score([pairs.histories[row] for row in result.labelled])
    ).double()
    surprise = -torch.log_softmax(scores, dim=1).numpy()
    chosen = [pairs.chosen[row] for row in result.labelled]
    assert len({len(items) for items in chosen}) > 3  # or persons and items would count alike
    assert result.losses == pytest.approx(
        [np.mean([row[items].mean() for row, items in zip(surprise, chosen)])], abs=1e-5
    )
    counts = np.bincount(np.concatenate(chosen), minlength=N_TARGETS) + 1
    assert np.ptp(result.network.head.bias.detach().numpy() - np.log(counts)) < 1e-5
    assert np.abs(scores.numpy() - result.network.head.bias.detach().numpy()).max() < 0.5


@pytest.fixture(scope="module")
def two_tastes():
    """Persons who read items 0..9 choose targets 0..4, those who read 10..19 choose 5..9:
    popularity cannot tell them apart.
    """
    rng, tastes = np.random.default_rng(0), np.arange(60) % 2
    histories = [10 * taste + rng.permutation(10)[:8] for taste in tastes]
    chosen = [np.arange(5 * taste, 5 * taste + 5) for taste in tastes]
    part = np.where(np.arange(60) < 40, "train", "test")
    pairs = PersonPairs(np.array([f"p{i}" for i in range(60)]), histories, chosen, part, 20, 10)
    split = leave_last_out(
        make_dataset(
            [
                (user, item, step)
                for user, row in enumerate(histories)
                for step, item in enumerate(row)
            ]
        )
    )
    return pairs, small(epochs=12, batch_tokens=64).fit(split, progress=False)


@pytest.mark.parametrize("regime", REGIMES)
def test_it_learns_what_goes_with_what(regime, two_tastes):
    """Of persons never seen, the five items of their taste are on top."""
    pairs, pretrained = two_tastes
    result = transfer(pretrained, pairs, regime, labels=30, epochs=20, learning_rate=0.02)
    assert result.losses[-1] < result.losses[0] - 0.3
    test = pairs.rows("test")
    lists = result.recommend([pairs.histories[row] for row in test], k=5)
    hits = [
        len(set(row.tolist()) & set(pairs.chosen[person].tolist()))
        for row, person in zip(lists, test)
    ]
    assert np.mean(hits) > 4.5


def test_a_score_depends_on_its_own_history_alone(results, pairs, monkeypatch):
    """In a batch with others, in blocks, in another order; the newest items are read, in their
    order, and then [SEP].
    """
    result = copy.deepcopy(results["patches"])
    result.network.head.weight.data *= 50  # so that what is read shows
    histories = [*pairs.histories[:6], [], [4], list(range(30))]
    together = result.score(histories)
    assert (
        together.shape == (9, N_TARGETS)
        and together.dtype == np.float32
        and np.isfinite(together).all()
    )
    assert np.allclose(result.score(histories[::-1])[::-1], together, atol=1e-5)
    monkeypatch.setattr(patches, "SCORED_AT_ONCE", 2)
    assert np.allclose(result.score(histories), together, atol=1e-5)
    assert np.allclose(result.score([list(range(30))[-LENGTH:]])[0], together[-1], atol=1e-5)
    assert not np.allclose(
        result.score([list(range(30))[-LENGTH + 1 :]])[0], together[-1], atol=1e-4
    )
    assert not np.allclose(result.score([[*range(28), 29, 28]])[0], together[-1], atol=1e-4)
    assert np.array_equal(
        result.recommend(histories, k=3), np.argsort(-together, axis=1, kind="stable")[:, :3]
    )
    assert result.score([]).shape == (0, N_TARGETS)


def test_the_answer_is_read_from_the_query(results):
    """Another vector for [SEP] gives other scores; one for [MASK], which is not in the input, does
    not.
    """
    result = copy.deepcopy(results["fine-all"])
    table, before = result.network.trunk.embedding.weight, result.score([[1, 2], [3]])
    vocabulary = result.network.trunk.vocabulary
    with torch.no_grad():
        table[vocabulary.mask] *= -1.0
        assert np.array_equal(result.score([[1, 2], [3]]), before)
        table[vocabulary.separator] *= -1.0
        assert (np.abs(result.score([[1, 2], [3]]) - before).max(axis=1) > 1e-3).all()


def test_a_bidirectional_trunk_can_be_transferred(worlds, pairs):
    """PeterRec has both; the objective says how the trunk reads."""
    masked = small("masked").fit(leave_last_out(worlds[0]), progress=False)
    result = transfer(masked, pairs, "patches", labels=10, epochs=2)
    assert result.moved["backbone"] == 0.0 < result.moved["patch"] and result.score(
        [[1, 2]]
    ).shape == (1, N_TARGETS)


# --- bad input ---

REFUSED = [
    (
        lambda model, pairs: transfer(model, pairs, "fine-al"),
        r"unknown regime 'fine-al': did you mean 'fine-all'",
    ),
    (
        lambda model, pairs: transfer(model, pairs, "patches", labels=0),
        r"labels=0, .*expected 1\.\.\d+ labels",
    ),
    (
        lambda model, pairs: transfer(model, pairs, "patches", labels=97),
        r"labels=97, .*expected 1\.\.\d+ labels",
    ),
    (
        lambda model, pairs: transfer(model, pairs, "patches", labels=5, epochs=0),
        r"epochs=0\): expected .* epochs",
    ),
    (
        lambda model, pairs: transfer(small(), pairs, "patches"),
        r"SequenceRecommender is not fitted",
    ),
    (
        lambda model, pairs: transfer(model, replace(pairs, n_items=61), "patches"),
        r"the model knows 60 items, the source has 61",
    ),
    (lambda model, pairs: pairs.rows("tests"), r"unknown part 'tests': did you mean 'test'"),
    (
        lambda model, pairs: transfer(model, pairs, "patches", labels=1, epochs=1).score([[60]]),
        r"history 0 holds item 60, unknown",
    ),
]


@pytest.mark.parametrize("call, message", REFUSED, ids=[message for _, message in REFUSED])
def test_bad_arguments_are_refused_in_one_line(call, message, pretrained, pairs):
    with pytest.raises(InputError, match=message) as refusal:
        call(pretrained, pairs)
    assert "\n" not in str(refusal.value)


def test_domains_without_shared_persons_are_refused(worlds):
    source, target = worlds
    with pytest.raises(
        InputError,
        match=(
            "'world-products' and 'world-movies' share no person; expected worlds with shared_users"
            " above 0"
        ),
    ):
        person_pairs(source, make_world("movies", n_users=10, n_items=20, shared_users=0.0))
    with pytest.raises(InputError, match="'tiny' has no column users.person"):
        person_pairs(source, make_dataset([(0, 0, 0)]))
    with pytest.raises(
        InputError, match="'world-movies' names 'ann' twice; expected one user per person"
    ):
        person_pairs(source, of_persons(target, ["ann"] * target.n_users))
