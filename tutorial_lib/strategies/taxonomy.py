"""The survey's table of training strategies, each a function, all called by `adapt`.

Source: Liu, Zhang & Gulla 2023, arXiv 2302.03735. The table itself stands in `strategies.yaml`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tutorial_lib.data.shipped import read_yaml
from tutorial_lib.errors import InputError, check_whole, unknown_name
from tutorial_lib.language.prompts import Template
from tutorial_lib.language.verbalise import Verbaliser
from tutorial_lib.models.language_models import LanguageModel
from tutorial_lib.models.pretrained import load_language_model
from tutorial_lib.strategies import automatic_prompts, finetune, prompting, soft_prompts
from tutorial_lib.strategies.adapted import Adapted
from tutorial_lib.strategies.costs import cost_line
from tutorial_lib.strategies.task import Task, own_words
from tutorial_lib.strategies.tuning import Budget, labelled_users

RANDOM_HISTORIES = 8  # that show what each title gets anyway
SIZES = ("rank", "bottleneck", "length", "layers", "limit")  # options that count something
TABLE = read_yaml(Path(__file__).with_name("strategies.yaml"))
CELLS = tuple(dict.fromkeys(row["cell"] for row in TABLE.values() if row["cell"] != "control"))


@dataclass(frozen=True)
class Strategy:
    """A way of adapting a pre-trained model.

    Attributes:
        name: for `adapt`.
        cell: of the survey's table (PTM: pre-trained model), or "control".
        moves: what changes while adapting, a subset of {"backbone", "prompt", "head"}; head is
            everything added behind or between frozen layers.
        systems: published examples.
        kinds: of language models that it works with.
        budget: its own; None where nothing is tuned by gradient.
        function: what does it.
    """

    name: str
    cell: str
    moves: frozenset[str]
    systems: tuple[str, ...]
    kinds: tuple[str, ...]
    budget: Budget | None
    function: Callable[..., Adapted]


FUNCTIONS: dict[str, Callable[..., Adapted]] = {
    "from-scratch": finetune.from_scratch,
    "pre-train-only": finetune.pretrained_only,
    "full": finetune.full,
    "top-layers": finetune.top_layers,
    "head": finetune.head,
    "adapters": finetune.adapters,
    "item-bias": finetune.item_bias,
    "lora": finetune.lora,
    "zero-shot": prompting.zero_shot,
    "few-shot": prompting.few_shot,
    "soft-prompt": soft_prompts.soft_prompt,
    "p-tuning": soft_prompts.p_tuning,
    "prefix": soft_prompts.prefix,
    "auto-prompt": automatic_prompts.auto_prompt,
    "pap-rec": automatic_prompts.pap_rec,
    "full-words": finetune.full_words,
    "multi-task": prompting.multi_task,
    "instruct": prompting.instruct,
    "prompt-and-lm": soft_prompts.pepler,
}
STRATEGIES = {
    name: Strategy(
        name,
        row["cell"],
        frozenset(row["moves"]),
        tuple(row["systems"]),
        tuple(row["kinds"]),
        Budget(**row["budget"]) if "budget" in row else None,
        FUNCTIONS[name],
    )
    for name, row in TABLE.items()
}


def strategies_for(lm: LanguageModel) -> list[str]:
    """Names of the strategies that work with this kind of model, in the order of the table."""
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
    calibrate: int | None = None,
    **options,
) -> Adapted:
    """Adapt a pre-trained language model to recommending on a split.

    Args:
        lm: a `LanguageModel`, which is not changed, or a name for `load_language_model`.
        split: from `tutorial_lib.data`.
        strategy: a name out of `STRATEGIES`.
        labels: number of users whose training histories may be used, drawn by ``seed``; their
            validation and test items, and all other users, stay unseen.
        seed: of everything that is drawn.
        budget: how long and how fast, in place of the strategy's own.
        words: how items are written (default: titles, as one says them where the model is
            ``large``; newest 12 items).
        on_step: called with step and loss.
        calibrate: random histories that show what each title gets anyway, see `Adapted.calibrate`;
            0: plain likelihood (default: `RANDOM_HISTORIES`; 0 for a model that is ``large``, where
            it takes minutes, and makes the search for the ten best five times as long).
        **options: of the strategy's function, such as ``template``, ``rank`` or ``layers``.

    Returns:
        A fitted `Recommender` with ``.moved``, ``.n_trainable``, ``.seconds``, ``.flops``,
        ``.losses``.

    Raises:
        InputError: An unknown strategy or option, or a model that the strategy cannot work with.

    >>> from tutorial_lib.data import leave_last_out, load_dataset
    >>> split = leave_last_out(load_dataset("world-movies"))
    >>> adapt("kit-gpt", split, "zero-shot").moved
    {'backbone': 0.0, 'prompt': 0.0, 'head': 0.0}
    """
    lm = load_language_model(lm) if isinstance(lm, str) else lm
    if calibrate is None:
        calibrate = 0 if lm.large else RANDOM_HISTORIES
    _check(strategy, options, labels, calibrate)
    lm.require(*STRATEGIES[strategy].kinds, what=f"strategy {strategy!r}")
    rows = labelled_users(split, labels, seed)
    frozen = "backbone" not in STRATEGIES[strategy].moves
    task = Task(
        lm.clone(share=lm.large and frozen),
        words or own_words(lm, split.dataset),
        [split.train[row] for row in rows],
        split.dataset.n_items,
        seed,
        budget or STRATEGIES[strategy].budget,
        on_step,
        split.dataset,
        split.users[rows],
    )
    if lm.large and lm.kind != "encoder":
        print(cost_line(task, strategy, STRATEGIES[strategy].moves, calibrate), flush=True)
    with torch.random.fork_rng():  # what the caller draws next does not depend on the strategy
        torch.manual_seed(seed)
        out = STRATEGIES[strategy].function(task, **options)
    out.strategy, out.labels, out.seed = strategy, labels, seed
    if calibrate and out.head is None and lm.kind != "encoder":
        out.calibrate(calibrate, seed)
    given: dict[str, Any] = {"budget": budget, "words": words, "on_step": on_step}
    given |= {"calibrate": calibrate, **options}
    out.refit = lambda other, seed: adapt(lm, other, strategy, labels, seed, **given)
    return out


def _check(strategy: str, options: dict, labels: int, calibrate: int) -> None:
    """One line for an unknown strategy or option, a bad number, and for nothing to tune on."""
    given = {name: options[name] for name in SIZES if options.get(name) is not None}
    check_whole("adapt", 0, labels=labels)
    check_whole("adapt", 0, 100_000, calibrate=calibrate)
    check_whole("adapt", 1, 65_536, **given)
    if strategy == "p5":  # its name up to version 0.1.0
        raise InputError("strategy 'p5' is called 'multi-task' now: adapt(..., 'multi-task')")
    if strategy not in STRATEGIES:
        raise unknown_name("strategy", strategy, STRATEGIES)
    _, *known = inspect.signature(STRATEGIES[strategy].function).parameters  # the first is the task
    for name in options:
        if not known:
            raise InputError(f"adapt({name}=...): strategy {strategy!r} has no options")
        if name not in known:
            raise unknown_name(f"option of strategy {strategy!r}", name, known)
    template = options.get("template")
    if template is not None and not isinstance(template, Template):
        raise InputError(
            f"adapt(template={template!r}): expected a Template, as in"
            " Template('sequential', '{history};', '{item}')"
        )
    if labels == 0 and STRATEGIES[strategy].moves:
        raise InputError(
            f"adapt(labels=0): strategy {strategy!r} tunes something and needs at least 1 labelled"
            " user"
        )
