"""`SequenceRecommender`: the contract of every recommender, one line for bad input, and a folder
that is whole or refused.
"""

from __future__ import annotations

import hashlib
import json
import os
import re

import numpy as np
import pytest
import torch
from safetensors.torch import save as safetensors
from small import make_dataset, random_dataset

from tutorial_lib.data import leave_last_out
from tutorial_lib.errors import InputError
from tutorial_lib.models import SequenceRecommender, sequence_recommender
from tutorial_lib.objectives import (
    Autoregressive,
    GapFilling,
    GeneralisedBCE,
    Joint,
    Masked,
    NextSegment,
    PartiallyAutoregressive,
    Permuted,
    Rearranged,
    ReplacedToken,
    Softmax,
)
from tutorial_lib.recommender import Recommender
from tutorial_lib.training import Plan

OBJECTIVES = {
    "autoregressive": Autoregressive(lag=1, segments=0.0, loss=Softmax(exclude_seen=True)),
    "masked": Masked(
        ratio=0.4, keep="80/10/10", last=0.2, loss=GeneralisedBCE(n_negatives=3, t=0.5)
    ),
    "partially autoregressive": PartiallyAutoregressive(
        ratio=0.4, block=2.0, order="random", loss=Softmax(exclude_seen=False)
    ),
    "permuted": Permuted(ratio=1.0, block=1.0, order="random"),
    "gap filling": GapFilling(ratio=0.4, block=1.0, order="left-to-right"),
    "joint": Joint(
        Masked(ratio=0.4, keep="mask", last=0.2),
        (Rearranged(share=0.4), NextSegment(), ReplacedToken(0.2)),
        (0.1, 0.2, 0.3),
    ),
}
LENGTH = 7


def small(objective="autoregressive", **changes):
    sizes = {"width": 8, "heads": 2, "layers": 2, "expansion": 2, "dropout": 0.1}
    plan = {
        "epochs": 2,
        "batch_tokens": 128,
        "length": LENGTH,
        "learning_rate": 0.02,
        "warm_up": 0.1,
        "weight_decay": 0.01,
    }
    plan |= {"clip": 1.0, "patience": 0, "evaluate_every": 1}
    return SequenceRecommender(OBJECTIVES.get(objective, objective), **{**sizes, **plan, **changes})


@pytest.fixture(scope="module")
def split():
    return leave_last_out(random_dataset(seed=1))


@pytest.fixture(scope="module")
def models(split):
    return {name: small(name).fit(split, seed=0, progress=False) for name in OBJECTIVES}


@pytest.fixture
def model(models):
    return models["autoregressive"]


each = pytest.mark.parametrize("name", OBJECTIVES)

# --- the contract ---


@each
def test_it_obeys_the_contract(name, models, split):
    """Scores of the whole catalogue, finite for an empty history too; lists without what was seen;
    the same for the same seed.
    """
    model = models[name]
    assert isinstance(model, Recommender)
    histories = [*split.test_history[:5], np.empty(0, dtype=np.int64), [3], (1, 2)]
    scores = model.score(histories)
    assert scores.shape == (8, 30) and scores.dtype == np.float32 and np.isfinite(scores).all()
    lists = model.recommend(histories, k=10)
    for history, row in zip(histories, lists):
        assert (
            not set(row.tolist()) & set(map(int, history))
            and len(set(row.tolist())) == 10
            and row.min() >= 0
        )
    assert 3 in model.recommend([[3]], k=30, exclude_seen=False)[0]
    again = small(name).fit(split, seed=0, progress=False)
    assert np.array_equal(again.score(histories), scores)
    assert model.score([]).shape == (0, 30) and model.recommend([], k=3).shape == (0, 3)


def test_seeds_differ(model, split):
    assert not np.allclose(
        small().fit(split, seed=1, progress=False).score([[1, 2]]), model.score([[1, 2]])
    )


@each
def test_a_score_depends_on_its_own_history_alone(name, models, split, monkeypatch):
    """In a batch with other lengths, in another order, read in blocks of few tokens: always the
    same row.
    """
    model = models[name]
    histories = [[], [4], *split.test_history[:6], [1, 2, 3], list(range(30)), [5, 6]]
    together = model.score(histories)
    assert np.abs(together[0] - together[1]).max() > 1e-3
    for row, history in enumerate(histories):
        assert np.allclose(model.score([history])[0], together[row], atol=1e-5)
    assert np.allclose(model.score(histories[::-1])[::-1], together, atol=1e-5)
    for tokens in (1, 20):
        monkeypatch.setattr(sequence_recommender, "SCORED_AT_ONCE", tokens)
        assert np.allclose(model.score(histories), together, atol=1e-5)


@each
def test_states_are_what_scores_are_read_from(name, models, split):
    """A probe of privacy reads them: another layer, or another row's state, would say nothing of
    the system in use.
    """
    model, histories = models[name], [[5], *split.test_history[:4]]
    states = torch.from_numpy(model.states(histories))
    assert states.shape == (5, model.shape["width"])
    assert np.allclose(
        model.model.item_scores(states).detach().numpy(), model.score(histories), atol=1e-5
    )


@each
def test_of_a_long_history_the_newest_items_are_read(name, models):
    model, long = models[name], list(range(25))
    assert np.allclose(model.score([long]), model.score([long[-LENGTH:]]), atol=1e-6)
    assert not np.allclose(model.score([long]), model.score([long[-LENGTH + 1 :]]), atol=1e-6)
    # their order counts
    assert not np.allclose(model.score([long]), model.score([long[:-2] + long[:-3:-1]]), atol=1e-6)


def test_scoring_changes_nothing(model, split):
    """Neither the caller's random numbers nor dropout play a part."""
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first = model.score(split.test_history)
    assert np.array_equal(first, model.score(split.test_history)) and torch.equal(
        torch.get_rng_state(), before
    )


# --- fit ---


def test_it_learns_the_order():
    """Users walk along a ring: the next item is the one after the last, whatever is popular."""
    ds = make_dataset(
        [(user, (user + step) % 20, step) for user in range(100) for step in range(6)]
    )
    split = leave_last_out(ds)
    model = small(epochs=25, learning_rate=0.03, width=16, dropout=0.0, evaluate_every=25).fit(
        split, progress=False
    )
    hits = model.recommend(split.test_history, k=1)[:, 0] == np.concatenate(split.test_target)
    assert hits.mean() > 0.9


def test_validation_chooses_the_weights(split):
    """After fit, validation NDCG@10 is the best one told."""
    from tutorial_lib.evaluation import evaluate

    model = small(epochs=5, learning_rate=0.05).fit(split, progress=False)
    told = [epoch.ndcg for epoch in model.history]
    # or this test would not tell the best from the last
    assert len(set(told)) > 1 and max(told) > told[-1]
    assert evaluate(model, split, k=10, on="valid")["ndcg@10"].mean() == pytest.approx(
        max(told), abs=1e-12
    )


def test_a_split_without_validation_is_trained_for_all_epochs(split):
    model = small(epochs=3, patience=1).fit(split.merge_validation(), progress=False)
    assert [(epoch.number, epoch.ndcg) for epoch in model.history] == [
        (1, None),
        (2, None),
        (3, None),
    ]
    # the targets have joined
    assert model.history[0].predictions > small().fit(split, progress=False).history[0].predictions


def test_scores_start_from_popularity(split):
    """With a rate of nearly 0 the bias is the logarithm of the training counts, plus one, up to a
    constant.
    """
    model = small(epochs=1, learning_rate=1e-12).fit(split, progress=False)
    counts = np.bincount(np.concatenate(split.train), minlength=30) + 1
    difference = model.model.bias.detach().numpy()[:30] - np.log(counts)
    assert np.ptp(difference) < 1e-5 and np.ptp(counts) > 3


def test_progress_is_one_plain_line_an_epoch(split, capsys):
    small().fit(split, progress=False)
    assert capsys.readouterr().out == ""
    small().fit(split, progress=True)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and all(
        re.fullmatch(r"epoch \d: loss \d\.\d{4}, \d+ s, validation NDCG@10 0\.\d{4}", line)
        for line in lines
    )
    told = []
    model = small(on_epoch=told.append).fit(split, progress=True)
    assert told == model.history and capsys.readouterr().out == ""


def test_a_fit_that_broke_off_goes_on(split, tmp_path):
    def stop(epoch):
        raise KeyboardInterrupt

    whole = small(epochs=3).fit(split, seed=2, progress=False)
    with pytest.raises(KeyboardInterrupt):
        small(epochs=3, checkpoint=tmp_path / "run", on_epoch=stop).fit(split, seed=2)
    rest = []
    resumed = small(epochs=3, checkpoint=tmp_path / "run", on_epoch=rest.append).fit(split, seed=2)
    assert [epoch.number for epoch in rest] == [2, 3]
    assert np.array_equal(whole.score(split.test_history), resumed.score(split.test_history))
    with pytest.raises(InputError, match="belongs to a run with another seed"):
        small(epochs=3, checkpoint=tmp_path / "run").fit(split, seed=3, progress=False)


# --- defaults ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "objective", ["masked", Masked(), Joint(Masked(), (NextSegment(),), (0.1,))]
)
def test_masked_without_arguments_has_the_settings_of_the_results(objective):
    """With those of the causal model it reaches two thirds of the recorded NDCG: a reader would
    blame the objective.
    """
    model = SequenceRecommender(objective)
    main = getattr(model.objective, "main", model.objective)
    assert (main.ratio, main.last, model.plan.epochs, model.shape["dropout"]) == (0.2, 0.5, 40, 0.1)


@pytest.mark.parametrize("objective", ["autoregressive", "permuted", "gap filling"])
def test_other_objectives_keep_the_common_settings(objective):
    model = SequenceRecommender(objective)
    assert (model.plan.epochs, model.shape["dropout"]) == (20, 0.3)


def test_what_is_given_goes_before_what_was_chosen():
    model = SequenceRecommender("masked", epochs=1, dropout=0.25)
    assert (model.plan.epochs, model.shape["dropout"], model.plan.length) == (1, 0.25, 200)
    assert SequenceRecommender("masked", plan=Plan(epochs=3)).plan.epochs == 3
    assert SequenceRecommender("masked", plan=Plan(epochs=3), epochs=7).plan == Plan(epochs=7)
    assert SequenceRecommender("masked", dropout=0).shape["dropout"] == 0


# --- bad input ---

REFUSED = [
    (
        lambda: SequenceRecommender("autoregresive"),
        r"unknown objective 'autoregresive': did you mean 'autoregressive'",
    ),
    (
        lambda: small(epoch=3),
        r"unknown argument of SequenceRecommender 'epoch': did you mean 'epochs'",
    ),
    (lambda: small(layer=3), r"'layer': did you mean 'layers'"),
    (lambda: small(expanson=3), r"'expanson': did you mean 'expansion'"),
    (
        lambda: small(Rearranged(share=0.5)),
        r"'rearranged' predicts no items; use it beside one that does: Joint\(",
    ),
    (lambda: small(Masked), r"predicts no items|expected an objective"),
    (lambda: small(3), r"3 predicts no items"),
    (lambda: small(width=10), r"width must be a multiple of 2 \* heads"),
    (lambda: small(epochs=0), r"Plan\(epochs=0\): expected a whole number from 1"),
    (lambda: small(epochs=1.5), r"epochs=1.5\): expected a whole number"),
    (
        lambda: small(epochs=10**9),
        r"epochs=1000000000\): expected a whole number from 1 to 1,000,000",
    ),
    (
        lambda: small(learning_rate=float("nan")),
        r"learning_rate=nan\): expected a number in \(0, inf\)",
    ),
    (lambda: small(learning_rate=float("inf")), r"learning_rate=inf\): expected a number"),
    (lambda: small(learning_rate="0.1"), r"learning_rate='0.1'\): expected a number"),
    (lambda: small(weight_decay=-0.1), r"weight_decay=-0.1\): expected a number in \[0, inf\)"),
    (lambda: small(dropout=float("nan")), r"dropout=nan\): expected a number in \[0, 1\)"),
    (lambda: small(width=2**20), r"width=1048576, layers=2, expansion=2\): training takes about"),
    (
        lambda: small(width=10**5000),
        r"width=a number of 16,610 bits\): expected a whole number from 1 to 1,048,576",
    ),
    (lambda: small(layers=10**6), r"layers=1000000\): expected a whole number from 1 to 1,024"),
    (lambda: small(width=8.0), r"width=8.0\): expected a whole number"),
    (lambda: small().fit(None, seed=-1), r"fit\(seed=-1\): expected a whole number from 0"),
    (lambda: small().fit(None, seed=10**30), r"fit\(seed=10*\): expected a whole number from 0"),
    (lambda: small().fit(None, seed="3"), r"fit\(seed='3'\): expected a whole number"),
    (
        lambda: small().score([[1]]),
        r"SequenceRecommender is not fitted: call SequenceRecommender\(\).fit\(split\)",
    ),
    (lambda: small().recommend([[1]]), r"SequenceRecommender is not fitted"),
    (lambda: small().save("nowhere"), r"SequenceRecommender is not fitted"),
]


@pytest.mark.parametrize("make, message", REFUSED, ids=[message for _, message in REFUSED])
def test_bad_arguments_are_refused_in_one_line(make, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        make()
    assert not list(tmp_path.iterdir())


def test_unknown_items_are_refused(model):
    with pytest.raises(
        InputError, match="history 1 holds item 30, unknown to this catalogue of 30 items"
    ):
        model.score([[0], [30]])
    with pytest.raises(InputError, match="history 0 holds item -1, unknown"):
        model.recommend([[-1]])
    with pytest.raises(InputError, match="history 0 holds item 99, unknown"):
        model.score([[99] + [0] * 20])  # also among the items that are too old to be read


# --- save and load ---


@each
def test_a_saved_model_scores_the_same(name, models, split, tmp_path):
    """The objective with all its parts, the plan, the sizes and the history come back, and the
    model can be trained again.
    """
    model = models[name]
    assert model.save(tmp_path / "deep" / "model") == tmp_path / "deep" / "model"
    assert sorted(path.name for path in (tmp_path / "deep" / "model").iterdir()) == [
        "model.json",
        "model.safetensors",
    ]
    loaded = SequenceRecommender.load(str(tmp_path / "deep" / "model"))
    assert np.array_equal(loaded.score(split.test_history), model.score(split.test_history))
    assert (loaded.objective, loaded.plan, loaded.shape, loaded.history) == (
        model.objective,
        model.plan,
        model.shape,
        model.history,
    )
    assert loaded.n_items == 30
    again = loaded.fit(split, seed=0, progress=False)
    assert np.array_equal(again.score(split.test_history), model.score(split.test_history))


@pytest.fixture
def folder(model, tmp_path):
    return model.save(tmp_path / "model")


def rewritten(folder, **changes):
    """model.json with other entries; a value of ... removes one."""
    path = folder / "model.json"
    config = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({name: value for name, value in config.items() if value is not ...}))


def other_weights(folder, content):
    """Other bytes in model.safetensors, with the checksum to match."""
    (folder / "model.safetensors").write_bytes(content)
    rewritten(folder, sha256=hashlib.sha256(content).hexdigest())


def cut(folder, name, keep=0.5):
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: int(len(content) * keep)])


def entry(folder, name, **changes):
    return {**json.loads((folder / "model.json").read_text())[name], **changes}


DAMAGE = {
    "no json": (
        lambda f: (f / "model.json").unlink(),
        r"model\.json is missing; expected a folder written by save",
    ),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), r"model\.safetensors is missing"),
    "json cut short": (lambda f: cut(f, "model.json"), r"model\.json is not JSON"),
    "json empty": (lambda f: cut(f, "model.json", 0), r"model\.json is not JSON"),
    "json of bytes": (
        lambda f: (f / "model.json").write_bytes(b"\xff\xfe\x00"),
        r"model\.json is not JSON",
    ),
    "foreign json": (
        lambda f: (f / "model.json").write_text('{"model_type": "gpt2"}'),
        r"not of the format tutorial_lib",
    ),
    "json list": (
        lambda f: (f / "model.json").write_text("[1, 2]"),
        r"not of the format tutorial_lib",
    ),
    "other format": (
        lambda f: rewritten(f, format="tutorial_lib.SequenceRecommender/99"),
        r"not of the format tutorial_lib",
    ),
    "weights cut short": (
        lambda f: cut(f, "model.safetensors"),
        r"model\.safetensors is damaged or of another model \(checksum differs\)",
    ),
    "weights empty": (lambda f: cut(f, "model.safetensors", 0), r"checksum differs"),
    "no checksum": (lambda f: rewritten(f, sha256=...), r"checksum differs"),
    "other weights": (
        lambda f: other_weights(f, safetensors({"a": torch.zeros(2)})),
        r"does not describe the weights \(RuntimeError\)",
    ),
    "no safetensors": (
        lambda f: other_weights(f, b"no safetensors at all"),
        r"save the model again",
    ),
    "other width": (
        lambda f: rewritten(f, shape=entry(f, "shape", width=16)),
        r"does not describe the weights",
    ),
    "other layers": (
        lambda f: rewritten(f, shape=entry(f, "shape", layers=1)),
        r"does not describe the weights",
    ),
    "other catalogue": (lambda f: rewritten(f, n_items=31), r"does not describe the weights"),
    "no catalogue": (lambda f: rewritten(f, n_items=None), r"does not describe the weights"),
    "no shape": (lambda f: rewritten(f, shape=...), r"does not describe the weights \(KeyError\)"),
    "unknown field": (
        lambda f: rewritten(f, plan=entry(f, "plan", momentum=1)),
        r"does not describe the weights \(TypeError\)",
    ),
    "unknown objective": (
        lambda f: rewritten(f, objective={"class": "Telepathy"}),
        r"'Telepathy', which is not an objective",
    ),
    "no objective": (
        lambda f: rewritten(f, objective={"ratio": 0.3}),
        r"does not describe the weights \(KeyError\)",
    ),
    "a class that is none": (
        lambda f: rewritten(f, objective={"class": "Vocabulary", "n_items": 3}),
        r"predicts no items",
    ),
    "broken history": (
        lambda f: rewritten(f, history=[{"number": 1}]),
        r"does not describe the weights \(TypeError\)",
    ),
}


@pytest.mark.parametrize("damage, message", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_folder_is_refused_in_one_line(damage, message, folder):
    """And nothing in it is touched."""
    damage(folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(InputError, match=message):
        SequenceRecommender.load(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_what_is_no_folder_is_refused_in_one_line(tmp_path):
    with pytest.raises(
        InputError,
        match=r"load\('.*absent'\): model\.json is missing; expected a folder written by save",
    ):
        SequenceRecommender.load(tmp_path / "absent")
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").write_text("a file")
    with pytest.raises(InputError, match=r"load\('.*file'\): .*expected a folder written by save"):
        SequenceRecommender.load(tmp_path / "file")


def fail_at(monkeypatch, number):
    """The disk is full at the ``number``-th file that is put in its place."""
    real, calls = os.replace, []

    def replace(source, target):
        calls.append(target)
        if len(calls) == number:
            raise OSError(28, "No space left on device")
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)


def test_a_save_that_fails_at_the_start_leaves_the_old_model(folder, models, split, monkeypatch):
    old = models["autoregressive"].score(split.test_history)
    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
        fail_at(patch, 1)
        models["masked"].save(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["model.json", "model.safetensors"]
    assert np.array_equal(SequenceRecommender.load(folder).score(split.test_history), old)


@pytest.mark.parametrize("name", ["permuted", "masked"])
def test_a_save_that_breaks_off_between_its_files_is_noticed(name, folder, models, monkeypatch):
    """New weights beside the old model.json would fit by their shapes: the checksum tells."""
    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
        fail_at(patch, 2)
        models[name].save(folder)
    assert not list(folder.glob("*.part"))
    with pytest.raises(InputError, match="checksum differs"):
        SequenceRecommender.load(folder)
    models[name].save(folder)
    assert SequenceRecommender.load(folder).objective == OBJECTIVES[name]


def test_a_plan_may_be_given_whole_and_changed_by_name():
    plan = Plan(epochs=3, length=11)
    model = SequenceRecommender("masked", plan=plan, epochs=5)
    assert (model.plan.epochs, model.plan.length, plan.epochs) == (5, 11, 3) and isinstance(
        model.objective, Masked
    )
