"""`adapt`: which weights move, whose data is read, what a run costs; every strategy with every kind
of language model it works with.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import replace
from functools import cache
from math import prod

import numpy as np
import pandas as pd
import pytest
import torch
from test_instructions import reads_as
from tutorial_recipes.pretraining import untrained
from tutorial_recipes.tokenizer import train_tokenizer
from tutorial_recipes.worlds import make_world

from tutorial_lib.data import hold_out_k, leave_last_out
from tutorial_lib.errors import InputError
from tutorial_lib.language.instruct import seen_combinations
from tutorial_lib.language.prompts import FAMILIES, SEQUENTIAL, Template, templates
from tutorial_lib.language.verbalise import verbaliser
from tutorial_lib.models.decoding import log_likelihood
from tutorial_lib.models.language_models import LanguageModel
from tutorial_lib.recommender import Recommender
from tutorial_lib.strategies import BARE, CELLS, STRATEGIES, Adapted, Budget, adapt
from tutorial_lib.strategies import adapted as adapted_module
from tutorial_lib.strategies.finetune import insert_adapters, layer_stacks
from tutorial_lib.strategies.prompt_search import SearchPlan
from tutorial_lib.strategies.soft_prompts import opening_ids
from tutorial_lib.strategies.taxonomy import strategies_for
from tutorial_lib.strategies.tuning import labelled_users, tune

GROUPS = {"backbone", "prompt", "head"}
KIT = {"causal": "kit-gpt", "masked": "kit-bert", "seq2seq": "kit-t5"}
KINDS = (*KIT, "encoder")
WIDTH, LAYERS, ITEMS, LABELS = 32, 3, 40, 4  # kit-t5 has a layer less in each of its two stacks
SHORT = Budget(1e-2, shortest=2, longest=2, size=2)
LONG = Budget(1e-3, shortest=1, longest=1, size=40)  # one step of many examples
STILL = Budget(
    1e-12, shortest=1, longest=1, size=1, weight_decay=0.0
)  # too slow to move anything: how tuning starts
SEARCHES = ("auto-prompt", "pap-rec")  # of words: no gradient steps, see test_automatic_prompts.py
CASES = [(name, kind) for name, strategy in STRATEGIES.items() for kind in strategy.kinds]
OFTEN = {"full-masked", "lora-masked", "soft-prompt-seq2seq", "multi-task-seq2seq"} | {
    "head-encoder",
    "adapters-encoder",
}  # beside all causal ones; the whole grid is run once a week


def often(cases):
    """The cases, most of those of other kinds than causal in the weekly lane."""
    return [
        pytest.param(name, kind, id=f"{name}-{kind}")
        if kind == "causal" or f"{name}-{kind}" in OFTEN
        else pytest.param(name, kind, id=f"{name}-{kind}", marks=pytest.mark.weekly)
        for name, kind in cases
    ]


each = pytest.mark.parametrize("name, kind", often(CASES))
each_kind = pytest.mark.parametrize(
    "kind",
    [
        "causal",
        "encoder",
        pytest.param("masked", marks=pytest.mark.weekly),
        pytest.param("seq2seq", marks=pytest.mark.weekly),
    ],
)


@cache
def the_split():
    return leave_last_out(make_world("movies", n_users=60, n_items=ITEMS))


@cache
def words():
    return verbaliser(the_split().dataset)


@cache
def tokenizer():
    wordings = [template.source for family in FAMILIES.values() for template in family]
    return train_tokenizer(
        [*the_split().dataset.items["text"], *map(words().history, the_split().train), *wordings],
        700,
    )


@cache
def tiny(kind):
    """A language model of one kind, with weights so large that a word more or less shows in every
    score; not to be changed.
    """
    import transformers

    special = {
        "pad": tokenizer().pad_token_id,
        "start": tokenizer().bos_token_id,
        "end": tokenizer().eos_token_id,
    }
    with torch.random.fork_rng():
        torch.manual_seed(0)
        if kind == "encoder":
            sizes = {
                "hidden_size": WIDTH,
                "num_hidden_layers": LAYERS,
                "num_attention_heads": 2,
                "intermediate_size": 2 * WIDTH,
            }
            model = transformers.BertModel(
                transformers.BertConfig(vocab_size=len(tokenizer()), **sizes)
            )
        else:
            model = untrained(
                KIT[kind], len(tokenizer()), width=WIDTH, layers=LAYERS, heads=2, **special
            )
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.dim() > 1:
                    parameter.normal_(0, 0.2)
    return LanguageModel(f"tiny {kind}", kind, model.eval(), tokenizer())


@cache
def given(kind):
    """The weights of `tiny` before any strategy."""
    return {
        name: parameter.detach().clone() for name, parameter in tiny(kind).model.named_parameters()
    }


@cache
def adapted(name, kind):
    """One short run of each strategy; not to be changed."""
    given(kind)
    torch.manual_seed(5)
    before, numpys = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    out = run(name, kind)
    out.disturbed = not (
        torch.equal(before, torch.get_rng_state())
        and np.array_equal(numpys, np.random.get_state()[1])  # noqa: NPY002
    )
    return out


@cache
def asked(kind, number):
    """Scores after a hard prompt: template number ``number`` of the family, nothing tuned."""
    return run("zero-shot", kind, template=SEQUENTIAL[number]).score(histories(1))


def run(name, kind="causal", split=None, labels=LABELS, budget=SHORT, calibrate=0, **more):
    if name in SEARCHES and budget is SHORT:  # too few calls to find a word that helps
        plan = SearchPlan(calls=6000, start="random", wrong=2, user_rounds=1)
        budget, more = None, {"plan": plan, **more}
    return adapt(
        tiny(kind),
        split or the_split(),
        name,
        labels=labels,
        budget=budget,
        calibrate=calibrate,
        **more,
    )


def histories(n=1):
    return [*the_split().test_history[:n], []]


def weights(lm):
    """Parameters by the names they had before `peft` wrapped their layers."""
    return {
        name.replace(".base_layer", ""): parameter
        for name, parameter in lm.model.named_parameters()
    }


def parts(out):
    """All parameters of a system, by name."""
    named = [
        (f"{n}.{name}", p)
        for n in ("soft", "deep")
        if getattr(out.lm, n)
        for name, p in getattr(out.lm, n).named_parameters()
    ]
    return weights(out.lm) | dict(named) | (dict(out.head.named_parameters()) if out.head else {})


def same(one, other):
    """Every weight and every score equal to the bit."""
    a, b = parts(one), parts(other)
    return (
        a.keys() == b.keys()
        and all(torch.equal(a[k], b[k]) for k in a)
        and np.array_equal(one.score(histories()), other.score(histories()))
    )


def distance(pairs):
    return float(sum((new.detach() - old).double().pow(2).sum() for new, old in pairs)) ** 0.5


def labelled(seed=0, labels=LABELS):
    """Training histories of the labelled users."""
    return [the_split().train[row] for row in labelled_users(the_split(), labels, seed)]


def windows(of=None):
    """All (history, next item) that may be drawn from the labelled users."""
    limit = words().limit
    return [
        (items[max(0, end - limit) : end], items[end])
        for items in of or labelled()
        for end in range(1, len(items))
    ]


def filled(template, history, item, **values):
    nouns = {"noun": words().noun, "plural": words().plural}
    return template.fill(
        history=words().history(history), item=words().titles[item], **nouns, **values
    )


# --- what moves ---


@each
def test_exactly_the_groups_of_the_table_move(name, kind):
    """Or the table that the notebooks teach would not be what the code does; and what does not move
    costs nothing.
    """
    out, moves = adapted(name, kind), STRATEGIES[name].moves
    assert (
        out.moved.keys() == GROUPS
        and {group for group, change in out.moved.items() if change != 0.0} == moves
    )
    assert all(change >= 0 for change in out.moved.values())
    steps = {"prompt-and-lm": 3, "item-bias": 0}.get(
        name, 2 if moves else 0
    )  # in two stages; counted, not tuned
    assert (len(out.losses) == steps or name in SEARCHES) and np.isfinite(out.losses).all()
    assert (out.seconds > 0) == (out.flops > 0) == (out.n_trainable > 0) == bool(moves)
    assert (out.strategy, out.labels, out.seed) == (name, LABELS, 0)


@each
def test_what_is_frozen_is_the_same_to_the_bit(name, kind):
    """ "Frozen" is a claim about bits: a norm or a bias that slips through makes it false."""
    after = weights(adapted(name, kind).lm)
    new = {key for key in after if key not in given(kind)}
    assert given(kind).keys() <= after.keys() and all(
        re.search("lora_|kit_adapter", key) for key in new
    )
    assert bool(new) == (name in ("lora", "adapters"))
    changed = {key for key, weight in given(kind).items() if not torch.equal(weight, after[key])}
    assert ("backbone" in STRATEGIES[name].moves) == bool(changed)
    if name == "top-layers":
        last = LAYERS - 2 if kind == "seq2seq" else LAYERS - 1
        assert all(re.search(rf"(layers|layer|block)\.{last}\.", key) for key in changed)
        assert {key.split(".")[0] for key in changed} == (
            {"encoder", "decoder"} if kind == "seq2seq" else {min(changed).split(".")[0]}
        )
    if name in ("full", "full-words", "multi-task", "instruct", "prompt-and-lm"):
        unused = {
            key for key in given(kind) if key.startswith("pooler")
        }  # of BERT: no part of the vectors
        assert changed == given(kind).keys() - unused


@each
def test_the_model_given_in_is_not_changed(name, kind):
    """Otherwise the second strategy of a comparison would start where the first one ended."""
    adapted(name, kind)
    lm = tiny(kind)
    assert lm.soft is None and lm.deep is None
    assert [*given(kind)] == [key for key, _ in lm.model.named_parameters()]
    assert all(
        torch.equal(given(kind)[key], parameter) for key, parameter in lm.model.named_parameters()
    )
    assert all(
        parameter.requires_grad and parameter.grad is None for parameter in lm.model.parameters()
    )
    assert not any(module._forward_hooks for module in lm.model.modules())


@each_kind
def test_moved_is_the_length_of_the_change(kind):
    """Worked out from the weights before and after."""
    for name in ("full", "top-layers"):
        out = adapted(name, kind)
        assert out.moved["backbone"] == pytest.approx(
            distance((weights(out.lm)[k], old) for k, old in given(kind).items()), rel=1e-6
        )
    out = adapted("head", kind)
    assert out.moved["head"] == pytest.approx(
        distance([(out.head.map.weight, torch.eye(WIDTH)), (out.head.bias, 0)]), rel=1e-6
    )
    if kind != "encoder":
        for name in ("soft-prompt", "prompt-and-lm"):
            tokens, out = (
                opening_ids(tiny(kind), SEQUENTIAL[0], words().noun, words().plural),
                adapted(name, kind),
            )
            start = tiny(kind).model.get_input_embeddings().weight[tokens].detach()
            assert out.moved["prompt"] == pytest.approx(
                distance([(out.lm.soft(), start)]), rel=1e-6
            )


def counted(name, kind):
    """n_trainable by hand."""
    backbone, width = sum(prod(weight.shape) for weight in given(kind).values()), WIDTH
    layers = 2 * (LAYERS - 1) if kind == "seq2seq" else LAYERS
    opening = len(
        tokenizer()("Someone enjoyed these movies, one after another:", add_special_tokens=False)[
            "input_ids"
        ]
    )
    opening += kind != "seq2seq"  # the start token
    tops = {"encoder": r"layer\.2\.", "seq2seq": r"block\.1\."}
    top = tops.get(kind, r"layers\.2\.")
    linear = {n: m for n, m in tiny(kind).model.named_modules() if isinstance(m, torch.nn.Linear)}
    output = tiny(kind).model.get_output_embeddings()
    inner = [module for module in linear.values() if module is not output]
    upper = [weight for key, weight in given(kind).items() if re.search(top, key)]
    return {
        "pre-train-only": 0,
        "zero-shot": 0,
        "few-shot": 0,
        "from-scratch": backbone,
        "full": backbone,
        "full-words": backbone,
        "multi-task": backbone,
        "instruct": backbone,
        "top-layers": sum(prod(weight.shape) for weight in upper),
        "head": width * width + ITEMS,
        "item-bias": ITEMS,
        "adapters": layers * (2 * width * (width // 4) + width // 4 + width),
        "lora": sum(4 * (module.in_features + module.out_features) for module in inner),
        "soft-prompt": opening * width,
        "prompt-and-lm": opening * width + backbone,
        "p-tuning": 8 * width + 3 * (width * width + width),
        "prefix": opening * 2 * layers * width,
    }[name]


@each
def test_trainable_parameters_are_counted_right(name, kind):
    """By formula; and no more than that many numbers have changed."""
    out = adapted(name, kind)
    words_found = 3 + len(out.own) if name in SEARCHES else 0
    assert out.n_trainable == (words_found or counted(name, kind))
    changed = sum(
        weights(out.lm)[key].numel()
        for key, old in given(kind).items()
        if not torch.equal(old, weights(out.lm)[key])
    )
    assert changed <= out.n_trainable
    new = (
        0
        if name in ("from-scratch", "top-layers", "instruct", *SEARCHES)
        or name in ("full", "full-words", "multi-task")
        else out.n_trainable
    )
    backbone = sum(prod(weight.shape) for weight in given(kind).values())
    assert out.n_parameters == (new if name == "prompt-and-lm" else new + backbone)


def test_flops_of_a_head_by_hand():
    """Two steps of two vectors: [B, D] x [D, D], then [B, D] x [D, n], once forward and once
    backward; a multiply-add is two.
    """
    assert adapted("head", "causal").flops == 2 * 2 * 2 * (2 * WIDTH * WIDTH + 2 * WIDTH * ITEMS)
    assert (
        adapted("head", "causal").flops
        < adapted("top-layers", "causal").flops
        < adapted("full", "causal").flops
    )


@each
def test_it_obeys_the_contract(name, kind):
    """Finite scores of the whole catalogue, an empty history too; lists without seen items."""
    out, some = adapted(name, kind), histories()
    scores = out.score(some)
    assert isinstance(out, Recommender) and scores.shape == (2, ITEMS) and np.isfinite(scores).all()
    assert np.ptp(scores[0] - scores[1]) > 1e-3, "the history plays no part"
    assert out.score([]).shape == (0, ITEMS)
    for history, row in zip(some[:1], out.recommend(some[:1], k=10)):
        assert (
            not set(row.tolist()) & set(map(int, history))
            and len(set(row.tolist())) == 10
            and row.min() >= 0
        )
    with pytest.raises(InputError, match="history 0 holds item 40, unknown"):
        out.score([[ITEMS]])


@pytest.mark.parametrize("name", ["full", "lora", "adapters", "soft-prompt", "prefix", "head"])
def test_tuning_lowers_the_loss(name):
    """On one user, again and again: a gradient of the wrong sign, or of the wrong parameters, would
    not.
    """
    losses = run(name, labels=1, budget=Budget(3e-2, shortest=12, longest=12, size=2)).losses
    assert np.mean(losses[-4:]) < np.mean(losses[:4]) - 0.05


def test_full_words_differs_from_full_by_the_words_alone(monkeypatch):
    """Else their difference in notebook 06 would be that of two recipes."""
    monkeypatch.setattr("tutorial_lib.strategies.finetune.SEQUENTIAL", (BARE,))
    worded, bare = (run(name, budget=SHORT) for name in ("full-words", "full"))
    assert worded.losses == bare.losses and worded.template == bare.template == BARE
    monkeypatch.undo()
    assert run("full-words", budget=SHORT).template == SEQUENTIAL[0]


# --- the table ---


def test_every_cell_of_the_survey_has_a_strategy():
    """A cell without one could not be tried out."""
    assert len(set(CELLS)) == 8 and {strategy.cell for strategy in STRATEGIES.values()} == {
        *CELLS,
        "control",
    }


def test_records_of_the_table():
    """Notebook 03 prints them: a gap would be an empty place in its table."""
    for name, strategy in STRATEGIES.items():
        assert (
            strategy.name == name
            and strategy.moves <= GROUPS
            and strategy.systems
            and all(strategy.systems)
        )
        assert set(strategy.kinds) <= set(KINDS) and "causal" in strategy.kinds
    frozen = {
        CELLS[0]: set(),
        CELLS[4]: set(),
        CELLS[5]: {"prompt"},
        CELLS[6]: {"backbone"},
        CELLS[7]: {"backbone", "prompt"},
    }
    for strategy in STRATEGIES.values():  # a cell is what moves
        assert strategy.moves == frozen.get(strategy.cell, strategy.moves)


@pytest.mark.parametrize(
    "system, cells",
    [
        ("GRec", {0}),
        ("RecInDial", {1}),
        ("ReXPlug", {2}),
        ("PeterRec", {3}),
        ("Chat-REC", {4}),
        ("LMRecSys", {4, 6}),
        ("UniCRS", {5}),
        ("Prompt4NR", {6}),
        ("PEPLER", {7}),
    ],
)
def test_systems_stand_in_the_cells_the_survey_gives_them(system, cells):
    """One from each row of the survey's list (github.com/SmartmediaAI/LMRS); LMRecSys is in two."""
    found = {
        strategy.cell
        for strategy in STRATEGIES.values()
        if any(one.startswith(system) for one in strategy.systems)
    }
    assert found == {CELLS[cell] for cell in cells}


def test_strategies_for_a_kind():
    assert strategies_for(tiny("causal")) == list(STRATEGIES)
    for kind in ("masked", "seq2seq"):
        assert set(STRATEGIES) - set(strategies_for(tiny(kind))) == {"prefix", *SEARCHES}
    assert strategies_for(tiny("encoder")) == [
        "from-scratch",
        "pre-train-only",
        "full",
        "top-layers",
        "head",
        "adapters",
        "lora",
    ]


WRONG = [
    (name, kind)
    for name, strategy in STRATEGIES.items()
    for kind in KINDS
    if kind not in strategy.kinds
]


@pytest.mark.parametrize("name, kind", WRONG, ids=map("-".join, WRONG))
def test_a_model_of_the_wrong_kind_is_refused(name, kind):
    """In one line that names a model to take; half-way through, torch would say something else."""
    fitting = " or ".join(KIT[good] for good in STRATEGIES[name].kinds)
    with pytest.raises(
        InputError,
        match=(
            f"^strategy '{name}' needs a .* model; tiny {kind} is {kind} .*: take {fitting} or"
            " another"
        ),
    ):
        run(name, kind)


# --- bad input ---

PLAIN = Template("sequential", "What next?", "{item}")
OTHER_GAP = Template("sequential", "{user} had {history};", "{item}")
REFUSED = [
    (lambda: run("soft-promt"), r"unknown strategy 'soft-promt': did you mean 'soft-prompt'"),
    (lambda: run("lora", rnk=2), r"unknown option of strategy 'lora' 'rnk': did you mean 'rank'"),
    (lambda: run("lora", task=2), r"unknown option of strategy 'lora' 'task'"),
    (lambda: run("full", layers=1), r"adapt\(layers=...\): strategy 'full' has no options"),
    (
        lambda: run("full", labels=0),
        r"adapt\(labels=0\): strategy 'full' tunes something and needs at least 1",
    ),
    (lambda: run("zero-shot", labels=61), r"adapt\(labels=61\): expected 0\.\.60, the users"),
    (lambda: run("zero-shot", labels=-1), r"adapt\(labels=-1\): expected a whole number from 0"),
    (lambda: run("p5"), r"strategy 'p5' is called 'multi-task' now"),
    (lambda: run("full", labels=4.0), r"adapt\(labels=4\.0\): expected a whole number from 0"),
    (lambda: run("full", calibrate=-1), r"adapt\(calibrate=-1\): expected a whole number from 0"),
    (lambda: run("lora", rank=0), r"adapt\(rank=0\): expected a whole number from 1"),
    (lambda: run("p-tuning", length=0), r"adapt\(length=0\): expected a whole number from 1"),
    (
        lambda: run("adapters", bottleneck=0),
        r"adapt\(bottleneck=0\): expected a whole number from 1",
    ),
    (lambda: run("top-layers", layers=0), r"adapt\(layers=0\): expected a whole number from 1"),
    (
        lambda: run("top-layers", layers=3),
        r"top-layers\(layers=3\): expected 1\.\.2; the model has 3 layers",
    ),
    (
        lambda: run("top-layers", "seq2seq", layers=2),
        r"top-layers\(layers=2\): expected 1\.\.1; the model has 2 layers",
    ),
    (lambda: run("few-shot", examples=5), r"few-shot\(examples=5\): expected 0\.\.4"),
    (
        lambda: run("few-shot", examples=-1),
        r"few-shot\(examples=-1\): expected a whole number from 0",
    ),
    (lambda: run("few-shot", labels=0), r"few-shot\(examples=2\): expected 0\.\.0"),
    (
        lambda: run("multi-task", families=("likes",)),
        r"world-movies has no data for 'likes'; expected some of sequential, direct, like",
    ),
    (
        lambda: run("instruct", combinations=(("none", "none", "pairwise"),)),
        r"expected some of COMBINATIONS",
    ),
    (lambda: Budget(0.0), r"Budget\(learning_rate=0.0\): expected a number in \(0, inf\)"),
    (lambda: Budget(1e-3, epochs=0), r"Budget\(epochs=0\): expected a number in \(0, inf\)"),
    (lambda: Budget(1e-3, shortest=0), r"Budget\(shortest=0\): expected a whole number from 1"),
    (lambda: Budget(1e-3, shortest=9, longest=8), r"shortest <= longest"),
    (lambda: Budget(1e-3, size=0), r"Budget\(size=0\): expected a whole number from 1"),
    (
        lambda: Adapted(tiny("causal"), words(), ITEMS).fit(the_split()),
        r"Adapted.fit: this recommender was not made by adapt",
    ),
]


@pytest.mark.parametrize("make, message", REFUSED, ids=[message for _, message in REFUSED])
def test_bad_input_is_refused_in_one_line(make, message):
    with pytest.raises(InputError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["soft-prompt", "prefix", "prompt-and-lm"])
@pytest.mark.parametrize("template", [PLAIN, OTHER_GAP], ids=["no history", "other gap first"])
def test_a_template_that_no_soft_prompt_can_start_from_is_refused(name, template):
    """The vectors stand for the words up to the history: without it, or with another gap before it,
    there are none.
    """
    with pytest.raises(InputError, match="history"):
        run(name, template=template)


def test_a_soft_prompt_of_no_vectors_is_refused():
    """A template that begins with the history gives an encoder-decoder model nothing to tune: the
    run would be a silent zero-shot.
    """
    with pytest.raises(InputError, match="history"):
        run("soft-prompt", "seq2seq", template=SEQUENTIAL[2])


def test_a_template_must_be_a_template():
    """A learner passes the words themselves."""
    with pytest.raises(InputError, match="[Tt]emplate"):
        run("zero-shot", template="Someone enjoyed {history}; then").score([[1]])


def test_a_loss_that_is_no_number_stops_the_run():
    weight = torch.nn.Parameter(torch.ones(2))
    with pytest.raises(InputError, match="not finite at step 1; take a smaller learning rate"):
        tune([weight], lambda: ((weight * torch.nan).sum(), 1), Budget(1e-3), 3)


def test_a_budget_counts_passes_between_its_bounds():
    budget = Budget(1e-2, epochs=2.0, shortest=3, longest=10, size=4)
    assert [budget.steps(count) for count in (0, 2, 10, 100)] == [3, 3, 5, 10]


# --- whose data is read ---


@cache
def poisoned():
    """The same split for the labelled users' training parts; all else that somebody did is
    something else.
    """
    split, known = the_split(), set(labelled_users(the_split(), LABELS, 0).tolist())
    other = lambda part: [(items + 11) % ITEMS for items in part]  # noqa: E731
    table = split.dataset.interactions
    seen = {(user, item) for user in known for item in split.train[user].tolist()}
    kept = np.array([pair in seen for pair in zip(table["user"], table["item"])])
    lies = table[~kept & ~table["user"].isin(known)]
    lies = lies.assign(item=(lies["item"] + 11) % ITEMS, rating=6.0 - lies["rating"])
    reviews = split.dataset.reviews
    kept_reviews = np.array([pair in seen for pair in zip(reviews["user"], reviews["item"])])
    reviews = reviews.assign(text=reviews["text"].where(kept_reviews, "Nobody wrote this."))
    dataset = replace(
        split.dataset, interactions=pd.concat([lies, table[kept]]), reviews=reviews, truth=None
    )
    return replace(
        split,
        dataset=dataset,
        train=[
            items if row in known else new
            for row, (items, new) in enumerate(zip(split.train, other(split.train)))
        ],
        **{
            p: other(getattr(split, p))
            for p in ("valid_history", "valid_target", "test_history", "test_target")
        },
    )


@pytest.mark.parametrize("name", STRATEGIES)
def test_only_training_histories_of_labelled_users_are_read(name):
    """A glance at a validation item or at a user without a label would make all learning curves too
    good. Same seed, same weights, too.
    """
    out, expected = run(name, split=poisoned()), adapted(name, "causal")
    assert same(out, expected) and out.context == expected.context
    assert out.losses == expected.losses


@pytest.mark.parametrize("name", ["from-scratch", "head", "soft-prompt", "multi-task", "instruct"])
def test_another_seed_is_another_run(name):
    """Other labelled users, or the intervals over seeds would be too narrow."""
    assert run(name, seed=1).losses != adapted(name, "causal").losses


def test_few_labels_are_part_of_many():
    """So a curve over labels compares runs that know more with runs that know less, of the same
    users.
    """
    split = the_split()
    draws = [labelled_users(split, count, 3).tolist() for count in (0, 1, 4, 30, 60)]
    for few, many in zip(draws, draws[1:]):
        assert many[: len(few)] == few and len(set(many)) == len(many)
    assert sorted(draws[-1]) == list(range(60)) and set(labelled_users(split, 4, 0)) != set(
        labelled_users(split, 4, 1)
    )
    short = replace(
        split, train=[items[: 1 + row % 2] for row, items in enumerate(split.train)]
    )  # one item has no next one
    assert {row % 2 for row in labelled_users(short, 30, 0)} == {1}
    with pytest.raises(InputError, match=r"labels=31\): expected 0\.\.30"):
        labelled_users(short, 31, 0)


@pytest.mark.parametrize(
    "name", [name for name, strategy in STRATEGIES.items() if not strategy.moves]
)
def test_without_labels(name):
    """What moves nothing needs none (few-shot without its examples)."""
    out = run(name, labels=0, **({"examples": 0} if name == "few-shot" else {}))
    expected = adapted("pre-train-only" if name == "pre-train-only" else "zero-shot", "causal")
    assert np.array_equal(out.score(histories()), expected.score(histories()))


@each
def test_the_random_numbers_of_the_caller_stay_as_they_are(name, kind):
    """Only the seed decides; otherwise a call of adapt would change what comes after it."""
    assert not adapted(name, kind).disturbed


# --- prompts made of words ---


@cache
def drawn(name, **options):
    """(source, target) of 1,000 examples that a strategy tunes with; the model reads none."""
    told = []

    def loss(lm, prompts, targets, whole):
        told.extend(zip(prompts, targets))
        return lm.model.get_input_embeddings().weight.sum()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LanguageModel, "loss", loss)
        run(name, budget=Budget(1e-3, shortest=20, longest=20, size=50), **options)
    assert len(told) == 1000
    return told


@cache
def possible():
    """family -> {(source, target): template}: every example that the labelled users' histories and
    true ratings allow.
    """
    split, out = the_split(), {family: {} for family in FAMILIES if family != "direct"}
    table = split.dataset.interactions
    stars = dict(zip(zip(table["user"], table["item"]), table["rating"]))
    for template in templates("sequential"):
        out["sequential"] |= {
            filled(template, history, item): template for history, item in windows()
        }
    for user in labelled_users(split, LABELS, 0):
        for place, item in enumerate(split.train[user]):
            rating = stars[user, item]
            values = {"rating": str(int(rating)), "answer": "yes" if rating in (4, 5) else "no"}
            for family in ("like", "rating"):
                for template in templates(family):
                    out[family][
                        filled(template, split.train[user][:place][-8:], item, **values)
                    ] = template
    for user, item, rating, text, features, verdict in split.dataset.reviews.itertuples(
        index=False, name=None
    ):
        row = np.flatnonzero(split.users == user)[0]
        if row in labelled_users(split, LABELS, 0) and item in split.train[row]:
            values = {
                "rating": str(int(rating)),
                "review": text,
                "feature": features[0],
                "verdict": verdict,
            }
            for family in ("explanation", "summary"):
                out[family] |= {
                    filled(template, [], item, **values): template for template in templates(family)
                }
    return out


def read_direct(source, target):
    """(template, candidates) of a direct example."""
    for template in FAMILIES["direct"]:
        wording = template.source.format(
            history="<h>", candidates="<c>", noun=words().noun, plural=words().plural
        )
        found = re.fullmatch(re.escape(wording).replace("<c>", "(.+)").replace("<h>", ".+"), source)
        if found and any(
            filled(template, history, item, candidates=found[1]) == (source, target)
            for history, item in windows()
        ):
            return template, found[1].split(words().separator)


def test_p5_tunes_with_seen_templates_and_true_labels():
    """A held-out wording among them would void the test of understanding; a wrong label would teach
    a wrong taste.
    """
    seen, places = {family: [] for family in FAMILIES}, set()
    for example in drawn("multi-task"):
        family = next(
            (family for family, examples in possible().items() if example in examples), "direct"
        )
        if family == "direct":
            template, candidates = read_direct(*example)
            assert (
                example[1] in candidates
                and len(candidates) == 4
                and set(candidates) <= set(words().titles)
            )
            places.add(candidates.index(example[1]))
        else:
            template = possible()[family][example]
        assert not template.held_out
        seen[family].append(template)
    for family, used in seen.items():
        assert set(used) == set(templates(family)), family
    assert places == {0, 1, 2, 3}
    share = {family: len(used) / 1000 for family, used in seen.items()}
    assert share["sequential"] == pytest.approx(0.5, abs=0.06) and min(share.values()) > 0.1 - 0.04


def test_candidates_of_a_direct_example_differ():
    """Twice the right answer among four would give it away."""
    direct = [
        example
        for example in drawn("multi-task")
        if not any(example in examples for examples in possible().values())
    ]
    assert len(direct) > 60 and all(len(set(read_direct(*example)[1])) == 4 for example in direct)


def test_p5_takes_the_families_it_is_told():
    """The ablation of notebook 04: sequential prompts alone."""
    assert all(
        example in possible()["sequential"]
        for example in drawn("multi-task", families=("sequential",))
    )
    used = {
        family
        for example in drawn("multi-task", families=("sequential", "rating"))
        for family in possible()
        if example in possible()[family]
    }
    assert used == {"sequential", "rating"}


def test_p5_leaves_out_what_there_is_no_data_for():
    """Labelled users who wrote no reviews; a dataset without reviews, or without ratings."""
    split, users = the_split(), labelled_users(the_split(), LABELS, 0)
    table = split.dataset.reviews
    for poorer in (
        with_data(reviews=table[~table["user"].isin(users)]),
        with_data(reviews=table.iloc[:0]),
        with_data(interactions=split.dataset.interactions.assign(rating=np.nan)),
    ):
        assert len(run("multi-task", split=poorer, budget=LONG).losses) == 1
    with pytest.raises(
        InputError,
        match=(
            "world-movies has no data for 'summary'; expected some of sequential, direct, like,"
            " rating$"
        ),
    ):
        run("multi-task", split=with_data(reviews=table.iloc[:0]), families=("summary",))


def with_data(**changes):
    """The split with other tables in its dataset."""
    return replace(the_split(), dataset=replace(the_split().dataset, **changes))


def test_instruct_tunes_with_seen_combinations_and_wordings():
    """Held-out combinations measure whether a model puts parts together; each of the others must
    occur.
    """
    seen, used = set(seen_combinations()), set()
    titles = {words().titles[item] for _, item in windows()} | {"yes", "no"}
    for source, target in drawn("instruct"):
        (combination,) = (
            set(reads_as(source)) & seen
        )  # fits no pattern if one of its wordings is held out
        assert target in titles
        used.add(combination)
    assert used == seen
    only = ("explicit", "vague", "matching")
    assert all(reads_as(source) == [only] for source, _ in drawn("instruct", combinations=(only,)))


def owners(context, template, limit, users):
    """For each example of a few-shot context: which of these users' histories it is taken from."""
    known, out, text = {}, [], ""
    for row, items in enumerate(users):
        for history, item in windows([items]):
            known.setdefault(" ".join(filled(template, history[-limit:], item)) + ". ", set()).add(
                row
            )
    for character in context:
        text += character
        if text in known:
            out, text = [*out, known[text]], ""
    assert text == "", f"no example of these users: {text!r}"
    return out


def test_few_shot_shows_labelled_examples():
    """As many as asked for, each a wording and its answer, of labelled users alone, with few items
    each; then comes the question.
    """
    template = SEQUENTIAL[3]
    out = run("few-shot", template=template, examples=4, limit=3)
    assert len(owners(out.context, template, 3, labelled())) == 4
    assert out.prompt([1, 2]) == out.context + filled(template, [1, 2], 0)[0]
    assert len(owners(adapted("few-shot", "causal").context, SEQUENTIAL[0], 6, labelled())) == 2
    assert len(owners(run("few-shot", seed=1).context, SEQUENTIAL[0], 6, labelled(seed=1))) == 2


@pytest.mark.parametrize("seed", range(5))
def test_few_shot_examples_are_of_different_users(seed):
    """One labelled user an example, says its error line; the same user again, or even the same
    example, would tell a model little.
    """
    context = run("few-shot", seed=seed, examples=3, labels=3).context
    assert sorted(owners(context, SEQUENTIAL[0], 6, labelled(seed, 3)), key=min) == [{0}, {1}, {2}]


# --- what is added to a likelihood ---


def test_calibration_takes_off_what_a_title_gets_anyway(monkeypatch):
    """Three tenths of the log of the mean likelihood after random histories: of the seed, not of
    anybody's data.
    """
    asked = []

    def tell(lm, prompts, candidates):
        asked.append(prompts)
        return log_likelihood(lm, prompts, candidates)

    monkeypatch.setattr(adapted_module, "log_likelihood", tell)
    out = run("few-shot", split=poisoned(), calibrate=3)
    (prompts,) = asked
    drawn = [
        prompt.removeprefix(out.context)
        .split("another: ")[1]
        .removesuffix("; and then")
        .split("; ")
        for prompt in prompts
    ]
    assert len(drawn) == 3 and all(
        len(set(titles)) == words().limit and set(titles) <= set(words().titles) for titles in drawn
    )
    usual = np.exp(log_likelihood(out.lm, prompts, words().titles).log_probability).mean(axis=0)
    assert out.prior == pytest.approx(np.log(usual), rel=1e-9)
    assert np.allclose(
        out.score(histories()),
        adapted("few-shot", "causal").score(histories()) - 0.3 * np.log(usual),
        atol=1e-4,
    )
    assert np.array_equal(run("few-shot", calibrate=3).prior, out.prior)
    assert not np.allclose(
        run("zero-shot", calibrate=3, seed=1).prior, run("zero-shot", calibrate=3).prior
    )


@pytest.mark.parametrize("name, kind", [("head", "causal"), ("full", "encoder")])
def test_vectors_are_not_calibrated(name, kind):
    assert run(name, kind, calibrate=3).prior is None


def test_an_item_bias_is_counted():
    """log(1 + labelled users who have the item), on top of what the prompt gives."""
    counts = np.array([sum(item in items for items in labelled()) for item in range(ITEMS)])
    out = adapted("item-bias", "causal")
    assert np.allclose(
        out.score(histories()) - adapted("zero-shot", "causal").score(histories()),
        np.log(1 + counts),
        atol=1e-9,
    )
    assert (
        out.moved["head"] == pytest.approx(np.linalg.norm(np.log(1 + counts)))
        and len(set(counts)) > 2
    )


# --- how tuning starts ---


def test_from_scratch_starts_without_pre_training():
    """The seed's own weights, not the pre-trained ones; or the control would be fine-tuning."""
    start = weights(run("from-scratch", budget=STILL).lm)
    matrices = [key for key, weight in given("causal").items() if weight.dim() > 1]
    assert not any(torch.allclose(start[key], given("causal")[key], atol=0.05) for key in matrices)
    assert start.keys() == given("causal").keys()
    assert all(
        torch.allclose(weight, start[key], atol=1e-9)
        for key, weight in weights(tiny("causal").fresh(0)).items()
    )
    other = weights(run("from-scratch", seed=1, budget=STILL).lm)
    assert not any(torch.allclose(other[key], start[key], atol=1e-3) for key in matrices)


STARTS = [
    (name, kind) for name, kind in CASES if name in ("soft-prompt", "prefix", "prompt-and-lm")
]


@pytest.mark.parametrize("name, kind", often(STARTS))
def test_vectors_start_as_the_words_of_a_hard_prompt(name, kind):
    """So that what tuning gains is told against the wording, not against noise."""
    for number in (0, 5):
        start = run(name, kind, template=SEQUENTIAL[number], budget=STILL).score(histories(1))
        assert np.abs(start - asked(kind, number)).max() < 1e-4
    assert np.abs(asked(kind, 0) - asked(kind, 5)).max() > 0.1, (
        "words play no part: the test would see nothing"
    )


@each_kind
def test_new_parts_start_as_nothing(kind):
    """Untrained adapters, and LoRA before its first step, leave every score as it was."""
    before = adapted("pre-train-only", kind).score(histories())
    lm = tiny(kind).clone()
    layers = [layer for stack in layer_stacks(lm) for layer in stack]
    new = [p for adapter in insert_adapters(layers, WIDTH, 5) for p in adapter.parameters()]
    with pytest.raises(InputError, match="has adapters already"):
        insert_adapters(layers, WIDTH, 5)
    assert np.array_equal(Adapted(lm, words(), ITEMS).score(histories()), before)
    assert len(new) == 4 * (2 * (LAYERS - 1) if kind == "seq2seq" else LAYERS)
    lora = run("lora", kind, budget=STILL)
    assert np.abs(lora.score(histories()) - before).max() < 1e-6 * np.abs(before).max()
    head = run("head", kind, budget=STILL).score(
        histories()
    )  # cosine of the vectors, over the temperature
    vectors = [
        tiny(kind).vectors(texts).detach().numpy()
        for texts in ([lora.prompt(h) for h in histories()], words().titles)
    ]
    assert np.allclose(head, vectors[0] @ vectors[1].T / 0.05, atol=1e-4)


def test_top_layers_moves_as_many_as_asked():
    changed = {
        key
        for key, weight in weights(run("top-layers", layers=2).lm).items()
        if not torch.equal(weight, given("causal")[key])
    }
    assert {re.search(r"layers\.(\d)\.", key)[1] for key in changed} == {"1", "2"}


def test_options_reach_the_strategy():
    """Sizes by formula."""
    linear = [
        m
        for n, m in tiny("causal").model.named_modules()
        if isinstance(m, torch.nn.Linear) and n != "lm_head"
    ]
    assert run("lora", rank=2).n_trainable == 2 * sum(
        m.in_features + m.out_features for m in linear
    )
    assert run("adapters", bottleneck=3).n_trainable == LAYERS * (3 * WIDTH + 3 + 3 * WIDTH + WIDTH)
    assert run("p-tuning", length=5).lm.soft().shape == (5, WIDTH)
    assert run("zero-shot", template=PLAIN).prompt([1, 2]) == "What next?"
    rows = run("zero-shot", template=PLAIN).score([[1], [2]])
    np.testing.assert_allclose(rows[0], rows[1], atol=1e-4)


def test_pepler_tunes_the_prompt_first_then_both():
    """Its first stage is the strategy soft-prompt, for a third of the steps and at the rate that
    vectors take; the account is that of both stages.
    """
    both = run("prompt-and-lm", budget=Budget(1e-3, shortest=6, longest=6, size=2))
    prompt = run("soft-prompt", budget=Budget(2e-2, shortest=2, longest=2, size=2))
    assert both.losses[:2] == prompt.losses and len(both.losses) == 8
    assert both.moved["prompt"] != prompt.moved["prompt"] and both.flops > 3 * prompt.flops
    assert both.seconds > 0 and both.lm.soft is not None


@pytest.mark.parametrize("name", ["full", "head", "prompt-and-lm"])
def test_each_step_is_told(name):
    """The live curve counts on steps 1, 2, 3, ... with their losses, also across two stages."""
    told = []
    out = run(name, on_step=lambda step, loss: told.append((step, loss)))
    assert told == list(enumerate(out.losses, 1))


# --- fit and clone ---


@pytest.mark.parametrize(
    "name, options",
    [("lora", {"rank": 2}), ("few-shot", {"examples": 1}), ("from-scratch", {}), ("prefix", {})],
)
def test_fit_repeats_the_strategy_on_another_split(name, options):
    """From the same starting model, with the same options, whatever was tuned before: the contract
    of every recommender.
    """
    other = hold_out_k(the_split().dataset, 3)
    out = run(name, **options)
    assert out.fit(other, seed=2) is out
    fresh = run(name, split=other, seed=2, **options)
    assert same(out, fresh) and (out.context, out.seed, out.losses) == (
        fresh.context,
        2,
        fresh.losses,
    )


@pytest.mark.parametrize("name", ["zero-shot", "head"])
def test_fit_on_another_dataset_reads_its_titles(name):
    """A recommender for news must not recommend films."""
    news = leave_last_out(make_world("news", n_users=30, n_items=50))
    out = run(name)
    if name == "zero-shot":
        out.write([1], beams=2)
    out.fit(news)
    assert out.words.titles == verbaliser(news.dataset).titles
    assert np.array_equal(out.score([[1, 45]]), run(name, split=news).score([[1, 45]]))
    if name == "zero-shot":
        assert out.write([1], beams=2).texts == run(name, split=news).write([1], beams=2).texts


def test_words_of_ones_own():
    """Richer texts of items are what is read and what is scored, in `fit` too."""
    mine = verbaliser(the_split().dataset, fields=("title", "mood"), limit=3)
    out = run("zero-shot", words=mine)
    assert out.prompt([1, 2, 3, 4]) == filled(SEQUENTIAL[0], [0], 0)[0].replace(
        words().titles[0], mine.history([2, 3, 4])
    )
    assert out.fit(the_split()).words == mine


def sequels(closing=""):
    """Every second title begins with the one before it."""
    plain = words().titles
    titles = [plain[item - item % 2] + ";" * (item % 2) for item in range(ITEMS)]
    return replace(words(), titles=tuple(titles), closing=closing)


def test_a_title_that_begins_another_one_is_told_of_unless_it_is_closed():
    """Without the closing token a sequel can never rank above its original, whoever asks."""
    end = tokenizer().eos_token
    plain, closed = (run("zero-shot", words=sequels(closing)) for closing in ("", end))
    ahead = [model.score(histories(20)) for model in (plain, closed)]
    assert (ahead[0][:, ::2] >= ahead[0][:, 1::2]).all()
    titles = [title + end for title in closed.words.titles]
    wanted = log_likelihood(closed.lm, closed.prompts(histories(20)), titles).log_probability
    assert np.array_equal(ahead[1], wanted) and not np.allclose(*ahead)
    with pytest.warns(UserWarning, match=r"20 titles begin others, such as .* closing="):
        plain.recommend(histories(2), k=5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lists = closed.recommend(histories(20), k=5, exclude_seen=False)
    assert np.array_equal(lists, np.argsort(-ahead[1], axis=1)[:, :5])


@pytest.mark.parametrize("name", ["full", "multi-task"])
def test_tuning_learns_the_closing_token(name):
    """A model that never saw a title end would be asked for something that it cannot know."""
    end, budget = tokenizer().eos_token, Budget(1e-2, shortest=8, longest=8, size=8)
    ends = []
    for closing in ("", end):
        tuned = run(name, words=replace(words(), closing=closing), budget=budget)
        without = replace(tuned, words=words())
        closed = replace(tuned, words=replace(words(), closing=end))
        ends.append((closed.score(histories(5)) - without.score(histories(5))).mean())
    assert ends[1] > ends[0] + 0.5


def test_instruct_writes_items_as_it_is_told():
    """A model tuned on titles alone would be asked for titles with moods."""
    mine = verbaliser(the_split().dataset, fields=("title", "mood"))
    targets = {target for _, target in drawn("instruct", words=mine)}
    assert targets - {"yes", "no"} <= set(mine.titles)


ADDED = ["adapters", "lora", "soft-prompt", "p-tuning", "prefix", "prompt-and-lm"]


@pytest.mark.parametrize("name", ADDED)
def test_a_clone_has_the_added_parts_as_its_own(name):
    """It scores the same; with other numbers in its added parts it scores otherwise, and the first
    one does not. Else a second strategy on top of a first would forget it, or change it."""
    out = adapted(name, "causal")
    before = out.score(histories())
    copy = replace(out, lm=out.lm.clone())
    assert np.array_equal(copy.score(histories()), before)
    new = [p for key, p in parts(copy).items() if re.search("lora_B|kit_adapter|soft|deep", key)]
    with torch.no_grad():
        for parameter in new:
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)))
    assert new and np.abs(copy.score(histories()) - before).max() > 1e-3
    assert np.array_equal(out.score(histories()), before)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"seed": -1}, r"adapt\(seed=-1\): expected a whole number from 0"),
        ({"seed": 1.5}, r"adapt\(seed=1.5\): expected a whole number"),
        ({"seed": 2**80}, r"adapt\(seed=\d+\): expected a whole number from 0 to"),
        ({"labels": 10**9}, r"adapt\(labels=1000000000\): expected 0.."),
        ({"labels": "²"}, r"adapt\(labels='²'\): expected a whole number"),
        ({"calibrate": 10**9}, r"adapt\(calibrate=1000000000\): expected a whole number from 0 to"),
        (
            {"strategy": "lora", "rank": 10**9},
            r"adapt\(rank=1000000000\): expected a whole number from 1 to",
        ),
        (
            {"strategy": "p-tuning", "length": 5000},
            r"p-tuning\(length=5000\): expected at most \d+, half of what",
        ),
        (
            {"strategy": "few-shot", "examples": 1.5},
            r"few-shot\(examples=1.5\): expected a whole number",
        ),
        ({"strategy": "few-shot", "limit": 0}, r"adapt\(limit=0\): expected a whole number from 1"),
        (
            {"strategy": "top-layers", "layers": 1.5},
            r"adapt\(layers=1.5\): expected a whole number",
        ),
    ],
)
def test_numbers_that_cannot_be_are_refused_before_anything_is_tuned(given, message):
    with pytest.raises(InputError, match=message):
        adapt(tiny("causal"), the_split(), **{"strategy": "full", "labels": 2, **given})


NO_BUDGET = [
    {"learning_rate": float("nan")},
    {"learning_rate": float("inf")},
    {"epochs": float("inf")},
    {"epochs": float("nan")},
    {"weight_decay": float("nan")},
    {"weight_decay": -1},
    {"size": 2.5},
    {"longest": 10**12},
]


@pytest.mark.parametrize("given", NO_BUDGET, ids=str)
def test_a_budget_of_no_numbers_is_refused(given):
    with pytest.raises(InputError, match=rf"Budget\({next(iter(given))}=.*: expected"):
        Budget(**{"learning_rate": 1e-3, **given})
