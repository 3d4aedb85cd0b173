"""The survey's table of training strategies (Liu, Zhang & Gulla 2023, arXiv 2302.03735), each cell
a function, all called by `adapt`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from tutorial_lib.errors import InputError, check_whole, unknown_name
from tutorial_lib.language.prompts import Template
from tutorial_lib.language.verbalise import Verbaliser, verbaliser
from tutorial_lib.models.language_models import LanguageModel, load_language_model
from tutorial_lib.strategies import automatic_prompts, finetune, prompting, soft_prompts
from tutorial_lib.strategies.adapted import Adapted
from tutorial_lib.strategies.task import Task
from tutorial_lib.strategies.tuning import Budget, labelled_users

SIZES = ("rank", "bottleneck", "length", "layers", "limit")  # options that count something
CELLS = (
    "pre-train without fine-tuning", "fine-tune the holistic model", "fine-tune a partial model", "fine-tune an extra part",
    "tuning-free prompting", "fixed-PTM prompt tuning", "fixed-prompt PTM tuning", "prompt + PTM tuning",
)  # fmt: skip


@dataclass(frozen=True)
class Strategy:
    """name: for `adapt`. cell: of the survey's table (PTM: pre-trained model), or "control". moves:
    what changes while adapting, a subset of {"backbone", "prompt", "head"}; head: everything added
    behind or between frozen layers. systems: published examples.
    """

    name: str
    cell: str
    moves: frozenset[str]
    systems: tuple[str, ...]
    function: Callable[..., Adapted]
    kinds: tuple[str, ...] = (
        "causal",
        "masked",
        "seq2seq",
        "encoder",
    )  # of language models that it works with

    @property
    def what(self) -> str:
        """One sentence."""
        return " ".join(self.function.__doc__.split("\n\n")[0].split())


WRITERS = ("causal", "masked", "seq2seq")  # give text a likelihood


def _table(*rows: tuple) -> dict[str, Strategy]:
    return {
        name: Strategy(name, cell, frozenset(moves.split()), tuple(systems.split(", ")), f, *kinds)
        for name, cell, moves, systems, f, *kinds in rows
    }


STRATEGIES = _table(
    ("from-scratch", "control", "backbone", "no pre-training", finetune.from_scratch),
    ("pre-train-only", CELLS[0], "", "BERT4Rec, GRec, PLM-Rec", finetune.pretrained_only),
    ("full", CELLS[1], "backbone", "RecInDial, U-BERT, UNBERT, RESETBERT4Rec", finetune.full),
    ("top-layers", CELLS[2], "backbone", "ReXPlug, UniSRec, VQ-Rec", finetune.top_layers),
    ("head", CELLS[3], "head", "PeterRec (FineLast), S3-Rec", finetune.head),
    ("adapters", CELLS[3], "head", "PeterRec (patches)", finetune.adapters),
    (
        "item-bias",
        CELLS[3],
        "head",
        "calibrated likelihood (not in the survey's list)",
        finetune.item_bias,
        WRITERS,
    ),
    ("lora", CELLS[3], "head", "TALLRec (not in the survey's list)", finetune.lora),
    (
        "zero-shot",
        CELLS[4],
        "",
        "LMRecSys, P5 on a new task, Sileo et al.",
        prompting.zero_shot,
        WRITERS,
    ),
    (
        "few-shot",
        CELLS[4],
        "",
        "Chat-REC, Is ChatGPT a good recommender?",
        prompting.few_shot,
        WRITERS,
    ),
    ("soft-prompt", CELLS[5], "prompt", "UniCRS, PPR", soft_prompts.soft_prompt, WRITERS),
    (
        "p-tuning",
        CELLS[5],
        "prompt",
        "automated prompting for cross-domain recommendation",
        soft_prompts.p_tuning,
        WRITERS,
    ),
    ("prefix", CELLS[5], "prompt", "PPR", soft_prompts.prefix, ("causal",)),
    (
        "auto-prompt",
        CELLS[5],
        "prompt",
        "AutoPrompt (words, not vectors)",
        automatic_prompts.auto_prompt,
        ("causal",),
    ),
    (
        "pap-rec",
        CELLS[5],
        "prompt",
        "PAP-REC (later than the survey)",
        automatic_prompts.pap_rec,
        ("causal",),
    ),
    (
        "p5",
        CELLS[6],
        "backbone",
        "P5 in pre-training, LMRecSys, Prompt4NR, GPT4Rec",
        prompting.p5,
        WRITERS,
    ),
    (
        "instruct",
        CELLS[6],
        "backbone",
        "InstructRec (later than the survey)",
        prompting.instruct,
        WRITERS,
    ),
    ("prompt-and-lm", CELLS[7], "backbone prompt", "PEPLER", soft_prompts.pepler, WRITERS),
)


def strategies_for(lm: LanguageModel) -> list[str]:
    """Names of the strategies that work with this kind of model, in the order of the survey's
    table.
    """
    return [name for name, strategy in STRATEGIES.items() if lm.kind in strategy.kinds]


def adapt(
    lm: str | LanguageModel,
    split,
    strategy: str = "soft-prompt",
    labels: int = 64,
    seed: int = 0,
    *,
    budget: Budget | None = None,
    words: Verbaliser | None = None,
    on_step: Callable[[int, float], None] | None = None,
    calibrate: int = 8,
    **options,
) -> Adapted:
    """Adapt a pre-trained language model to recommending on a split, and return it as a fitted
    recommender.

    lm: a `LanguageModel`, which is not changed, or a name for `load_language_model`. strategy: a
        name out of `STRATEGIES`. labels: users
    whose training histories may be used, drawn by ``seed``; their validation and test items, and
    all other users, stay unseen. budget: how long and how fast, in place of the strategy's own.
    words: how items are written (default: titles, newest 12 items). on_step: called with step and
    loss. calibrate: random histories that show what each title gets anyway, see
    `Adapted.calibrate`; 0: plain likelihood.
    options: of the strategy's function, such as ``template``, ``rank`` or ``layers``.

    Returns `Adapted`: a `Recommender` with ``.moved``, ``.n_trainable``, ``.seconds``, ``.flops``,
    ``.losses``. Raises InputError for an unknown strategy or option, and for a model that the
    strategy cannot work with.

    >>> from tutorial_lib.data import leave_last_out, load_dataset
    >>> split = leave_last_out(load_dataset("world-movies"))
    >>> adapt("kit-gpt", split, "zero-shot").moved
    {'backbone': 0.0, 'prompt': 0.0, 'head': 0.0}
    """
    _check(strategy, options, labels, calibrate)
    lm = load_language_model(lm) if isinstance(lm, str) else lm
    lm.require(*STRATEGIES[strategy].kinds, what=f"strategy {strategy!r}")
    rows, given_words = labelled_users(split, labels, seed), words
    words = words or verbaliser(split.dataset)
    histories = [split.train[row] for row in rows]
    task = Task(
        lm.clone(),
        words,
        histories,
        split.dataset.n_items,
        seed,
        budget,
        on_step,
        split.dataset,
        split.users[rows],
    )
    with torch.random.fork_rng():  # what the caller draws next does not depend on the strategy
        torch.manual_seed(seed)
        out = STRATEGIES[strategy].function(task, **options)
    out.strategy, out.labels, out.seed = strategy, labels, seed
    if calibrate and out.head is None and lm.kind != "encoder":
        out.calibrate(calibrate, seed)
    given = {
        "budget": budget,
        "words": given_words,
        "on_step": on_step,
        "calibrate": calibrate,
        **options,
    }
    out.again = lambda other, seed: adapt(lm, other, strategy, labels, seed, **given)
    return out


def _check(strategy: str, options: dict, labels: int, calibrate: int) -> None:
    """One line for an unknown strategy or option, a number that is none, and for nothing to tune
    on.
    """
    given = {name: options[name] for name in SIZES if options.get(name) is not None}
    check_whole("adapt", 0, labels=labels)
    check_whole("adapt", 0, 100_000, calibrate=calibrate)
    check_whole("adapt", 1, 65_536, **given)
    if strategy not in STRATEGIES:
        raise unknown_name("strategy", strategy, STRATEGIES)
    function = STRATEGIES[strategy].function
    known = function.__code__.co_varnames[1 : function.__code__.co_argcount]
    for name in options:
        if name not in known and not known:
            raise InputError(f"adapt({name}=...): strategy {strategy!r} has no options")
        if name not in known:
            raise unknown_name(f"option of strategy {strategy!r}", name, known)
    if not isinstance(options.get("template", Template("", "", "")), Template):
        raise InputError(
            f"adapt(template={options['template']!r}): expected a Template, as in"
            " Template('sequential', '{history};', '{item}')"
        )
    if labels == 0 and STRATEGIES[strategy].moves:
        raise InputError(
            f"adapt(labels=0): strategy {strategy!r} tunes something and needs at least 1 labelled"
            " user"
        )
