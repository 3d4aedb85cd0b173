"""Prompts made of words: the model as it is, a few examples in its context, or the model tuned on
prompts that stay fixed.
"""

from __future__ import annotations

from itertools import islice

import numpy as np

from tutorial_lib.errors import InputError, check_whole
from tutorial_lib.language.prompts import SEQUENTIAL, Template, templates
from tutorial_lib.strategies.adapted import Adapted
from tutorial_lib.strategies.task import Task
from tutorial_lib.strategies.tuning import windows


def zero_shot(task: Task, template: Template = SEQUENTIAL[0]) -> Adapted:
    """Nothing moves and nothing is shown: the wording asks, the likelihood answers (tuning-free
    prompting).
    """
    return Adapted(task.lm, task.words, task.n_items, template)


def few_shot(
    task: Task, template: Template = SEQUENTIAL[0], examples: int = 2, limit: int = 6
) -> Adapted:
    """Nothing moves, but labelled examples stand in front of the question (in-context learning,
    Brown et al. 2020, arXiv 2005.14165).

    examples: how many; limit: newest items written out of each of their histories.
    """
    check_whole("few-shot", 0, examples=examples)
    if examples > len(task.histories):
        raise InputError(
            f"few-shot(examples={examples}): expected 0..{len(task.histories)}, one labelled user"
            " an example"
        )
    shown = []
    rng = np.random.default_rng([task.seed, 2])
    for row in rng.permutation(len(task.histories))[:examples]:
        history, item = next(windows([task.histories[row]], task.words.limit, rng))
        values = {
            "history": task.words.history(history[-limit:]),
            "noun": task.words.noun,
            "plural": task.words.plural,
        }
        source, target = template.fill(**values, item=task.words.titles[item])
        shown.append(f"{source} {target}. ")
    return Adapted(task.lm, task.words, task.n_items, template, context="".join(shown))


def p5(task: Task, families: tuple[str, ...] | None = None) -> Adapted:
    """The model moves, the prompts do not: one model tuned on several tasks in many wordings
    (fixed-prompt PTM tuning; P5).

    families: of `language.prompts`, all that the dataset has the data for by default; half of the
        examples are sequential. Held-out
    templates are never used. Reviews and ratings are those that the labelled users gave to the
    items of their training histories.
    """
    budget, rng = task.plan(5e-4, epochs=6.0, longest=240), np.random.default_rng([task.seed, 3])
    drawn = prompted_examples(task, families or possible_families(task.dataset), rng)

    def loss_of():
        pairs = list(islice(drawn, budget.size))
        sources, targets = zip(*pairs, strict=True)
        tokens = sum(
            map(len, task.lm.tokenizer([f"{s} {t}" for s, t in pairs], verbose=False)["input_ids"])
        )
        return task.lm.loss(sources, targets, whole=task.lm.kind == "causal"), tokens

    return task.tuned({"backbone": task.backbone}, budget, template=SEQUENTIAL[0], loss_of=loss_of)


def possible_families(dataset) -> tuple[str, ...]:
    """Template families that this dataset has the data for: ratings, and reviews with named
    features.
    """
    rated = dataset.interactions["rating"].notna().all()
    told = len(dataset.reviews) and {"features", "sentiment"} <= set(dataset.reviews)
    return (
        "sequential",
        "direct",
        *(("like", "rating") if rated else ()),
        *(("explanation", "summary") if told else ()),
    )


def prompted_examples(task: Task, families: tuple[str, ...], rng: np.random.Generator):
    """Endless (source, target): seen templates of several families, filled from the labelled users'
    training histories.
    """
    for family in families:
        if family not in possible_families(task.dataset):
            known = ", ".join(possible_families(task.dataset))
            raise InputError(
                f"p5(families=...): {task.dataset.name} has no data for {family!r}; expected some"
                f" of {known}"
            )
    stars, reviews = _ratings(task), _reviews(task)
    others = [
        family
        for family in families
        if family != "sequential" and (reviews or family not in ("explanation", "summary"))
    ]
    for history, item in task.examples(rng):
        family = (
            "sequential"
            if not others or rng.random() < 0.5
            else others[int(rng.integers(len(others)))]
        )
        template = templates(family)[int(rng.integers(len(templates(family))))]
        values = {"noun": task.words.noun, "plural": task.words.plural}
        if family in ("like", "rating"):
            row = int(rng.integers(len(stars)))
            place = int(rng.integers(len(stars[row])))
            history, item = task.histories[row][:place][-8:], task.histories[row][place]
            values |= {
                "rating": f"{stars[row][place]:.0f}",
                "answer": "yes" if stars[row][place] >= 4 else "no",
            }
        elif family == "direct":
            drawn = rng.choice(task.n_items, size=min(4, task.n_items), replace=False)
            options = rng.permutation([item, *drawn[drawn != item][:3]])
            values["candidates"] = task.words.separator.join(task.words.titles[i] for i in options)
        elif family in ("explanation", "summary"):
            item, rating, text, features, verdict = reviews[int(rng.integers(len(reviews)))]
            values |= {
                "rating": f"{rating:.0f}",
                "review": text,
                "feature": features[0],
                "verdict": verdict,
            }
        yield template.fill(
            **values, history=task.words.history(history), item=task.words.titles[item]
        )


def _ratings(task: Task) -> list[np.ndarray]:
    """The rating of each item of each labelled user's history."""
    table = task.dataset.interactions
    table = table[table["user"].isin(task.users)].drop_duplicates(["user", "item"])
    stars = dict(zip(zip(table["user"], table["item"], strict=True), table["rating"], strict=True))
    return [
        np.array([stars[user, int(item)] for item in history])
        for user, history in zip(task.users, task.histories, strict=True)
    ]


def _reviews(task: Task) -> list[tuple]:
    """(item, rating, text, features, sentiment) of what the labelled users wrote about items of
    their training histories.
    """
    table, kept = task.dataset.reviews, dict(zip(task.users, map(set, task.histories), strict=True))
    if "features" not in table:
        return []
    table = table[table["user"].isin(task.users)]
    rows = table[["user", "item", "rating", "text", "features", "sentiment"]].itertuples(
        index=False, name=None
    )
    return [row for user, *row in rows if row[0] in kept[user]]


def instruct(task: Task, combinations: tuple | None = None) -> Adapted:
    """The model moves, the prompts do not: instructions made of preference, intention and form
    (fixed-prompt PTM tuning; InstructRec).

    combinations: of `language.instruct`; all that are not held out by default. Held-out
        wordings are never used.
    """
    from tutorial_lib.language.instruct import instructions, seen_combinations

    budget, rng = task.plan(5e-4, epochs=6.0, longest=240), np.random.default_rng([task.seed, 4])
    combinations, drawn = combinations or seen_combinations(), task.examples(rng)

    def loss_of():
        pairs = list(islice(drawn, budget.size))
        made = instructions(
            task.dataset,
            *zip(*pairs, strict=True),
            combinations=combinations,
            seed=int(rng.integers(2**31)),
            words=task.words,
        )
        sources, targets = [one.source for one in made], [one.target for one in made]
        tokens = sum(
            map(
                len,
                task.lm.tokenizer(
                    [f"{s} {t}" for s, t in zip(sources, targets, strict=True)], verbose=False
                )["input_ids"],
            )
        )
        return task.lm.loss(sources, targets, whole=task.lm.kind == "causal"), tokens

    return task.tuned({"backbone": task.backbone}, budget, template=SEQUENTIAL[0], loss_of=loss_of)
