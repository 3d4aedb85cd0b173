"""Prompts made of words: the model as it is, a few examples in its context, or the model tuned on prompts that stay fixed."""

from __future__ import annotations

from itertools import islice

import numpy as np

from tutorial_lib.errors import InputError
from tutorial_lib.language.prompts import SEQUENTIAL, Template, templates
from tutorial_lib.strategies.adapted import Adapted
from tutorial_lib.strategies.task import Task


def zero_shot(task: Task, template: Template = SEQUENTIAL[0]) -> Adapted:
    """Nothing moves and nothing is shown: the wording asks, the likelihood answers (tuning-free prompting)."""
    return Adapted(task.lm, task.words, task.n_items, template)


def few_shot(task: Task, template: Template = SEQUENTIAL[0], examples: int = 2, limit: int = 6) -> Adapted:
    """Nothing moves, but labelled examples stand in front of the question (in-context learning, Brown et al. 2020, arXiv 2005.14165).

    examples: how many; limit: newest items written out of each of their histories.
    """
    if not 0 <= examples <= len(task.histories):
        raise InputError(f"few-shot(examples={examples}): expected 0..{len(task.histories)}, one labelled user an example")
    shown = []
    for history, item in islice(task.examples(np.random.default_rng([task.seed, 2])), examples):
        values = {"history": task.words.history(history[-limit:]), "noun": task.words.noun, "plural": task.words.plural}
        source, target = template.fill(**values, item=task.words.titles[item])
        shown.append(f"{source} {target}. ")
    return Adapted(task.lm, task.words, task.n_items, template, context="".join(shown))


def p5(task: Task, families: tuple[str, ...] = ("sequential", "like", "rating", "direct")) -> Adapted:
    """The model moves, the prompts do not: one model tuned on several tasks in many wordings (fixed-prompt PTM tuning; P5).

    families: of `language.prompts`; half of the examples are sequential. Held-out templates are never used.
    """
    budget, rng = task.plan(5e-4, epochs=6.0, longest=240), np.random.default_rng([task.seed, 3])
    drawn = prompted_examples(task, families, rng)

    def loss_of():
        pairs = list(islice(drawn, budget.size))
        sources, targets = zip(*pairs, strict=True)
        tokens = sum(map(len, task.lm.tokenizer([f"{s} {t}" for s, t in pairs], verbose=False)["input_ids"]))
        return task.lm.loss(sources, targets, whole=task.lm.kind == "causal"), tokens

    return task.tuned({"backbone": task.backbone}, budget, template=SEQUENTIAL[0], loss_of=loss_of)


def prompted_examples(task: Task, families: tuple[str, ...], rng: np.random.Generator):
    """Endless (source, target): seen templates of several families, filled from the labelled users' training histories."""
    ratings = _ratings(task) if {"like", "rating"} & set(families) else {}
    titles, nouns = task.words.titles, {"noun": task.words.noun, "plural": task.words.plural}
    others = [family for family in families if family != "sequential"]
    for history, item in task.examples(rng):
        family = "sequential" if not others or rng.random() < 0.5 else others[int(rng.integers(len(others)))]
        template = templates(family)[int(rng.integers(len(templates(family))))]
        values = {"history": task.words.history(history), "item": titles[item], **nouns}
        if family in ("like", "rating"):
            row, stars = ratings[int(rng.integers(len(ratings)))]
            items = task.histories[row]
            place = int(rng.integers(len(items)))
            values |= {"history": task.words.history(items[:place][-8:]), "item": titles[items[place]], "rating": f"{stars[place]:.0f}"}
            values["answer"] = "yes" if stars[place] >= 4 else "no"
        if family == "direct":
            options = rng.permutation([item, *rng.choice(task.n_items, size=3, replace=False)])
            values["candidates"] = task.words.separator.join(titles[i] for i in options)
        yield template.fill(**values)


def _ratings(task: Task) -> list[tuple[int, np.ndarray]]:
    """(row of the history, rating of each of its items) of the labelled users."""
    table = task.dataset.interactions
    table = table[table["user"].isin(task.users)].drop_duplicates(["user", "item"])
    stars = dict(zip(zip(table["user"], table["item"], strict=True), table["rating"], strict=True))
    return [
        (row, np.array([stars[user, int(item)] for item in history]))
        for row, (user, history) in enumerate(zip(task.users, task.histories, strict=True))
    ]


def instruct(task: Task, combinations: tuple | None = None) -> Adapted:
    """The model moves, the prompts do not: instructions made of preference, intention and form (fixed-prompt PTM tuning; InstructRec).

    combinations: of `language.instructions`; all that are not held out by default. Held-out wordings are never used.
    """
    from tutorial_lib.language.instructions import instructions, seen_combinations

    budget, rng = task.plan(5e-4, epochs=6.0, longest=240), np.random.default_rng([task.seed, 4])
    combinations, drawn = combinations or seen_combinations(), task.examples(rng)

    def loss_of():
        pairs = list(islice(drawn, budget.size))
        made = instructions(task.dataset, *zip(*pairs, strict=True), combinations=combinations, seed=int(rng.integers(2**31)))
        sources, targets = [one.source for one in made], [one.target for one in made]
        tokens = sum(map(len, task.lm.tokenizer([f"{s} {t}" for s, t in zip(sources, targets, strict=True)], verbose=False)["input_ids"]))
        return task.lm.loss(sources, targets, whole=task.lm.kind == "causal"), tokens

    return task.tuned({"backbone": task.backbone}, budget, template=SEQUENTIAL[0], loss_of=loss_of)
