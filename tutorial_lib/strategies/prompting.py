"""Prompts made of words.

The model as it is, a few examples in its context, or the model tuned on prompts that stay fixed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

import numpy as np
from torch import Tensor

from tutorial_lib.errors import InputError, check_whole
from tutorial_lib.language.prompts import SEQUENTIAL, Template, templates
from tutorial_lib.strategies.adapted import Adapted
from tutorial_lib.strategies.task import Task, text_loss
from tutorial_lib.strategies.tuning import sampled_windows

LIKED = 4  # stars of what somebody likes
RATED_SHOWN = 8  # newest items that stand before a rating


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

    Args:
        examples: how many, each of another labelled user.
        limit: newest items written out of each of their histories.
    """
    check_whole("few-shot", 0, examples=examples)
    if examples > len(task.histories):
        raise InputError(
            f"few-shot(examples={examples}): expected 0..{len(task.histories)}, one labelled user"
            " per example"
        )
    shown = []
    rng = np.random.default_rng([task.seed, 2])
    for row in rng.permutation(len(task.histories))[:examples]:
        history, item = next(sampled_windows([task.histories[row]], task.words.limit, rng))
        values = {
            "history": task.words.history(history[-limit:]),
            "noun": task.words.noun,
            "plural": task.words.plural,
        }
        source, target = template.fill(**values, item=task.words.titles[item])
        shown.append(f"{source} {target}. ")
    return Adapted(task.lm, task.words, task.n_items, template, context="".join(shown))


def multi_task(task: Task, families: tuple[str, ...] | None = None) -> Adapted:
    """The model moves, the prompts do not: one model tuned on several tasks in many wordings
    (fixed-prompt PTM tuning; P5).

    Half of the examples are sequential. Held-out templates are never used. Reviews and ratings are
    those that the labelled users gave to the items of their training histories.

    Args:
        families: of `language.prompts` (default: all that the dataset has the data for).
    """
    possible = possible_families(task.dataset)
    for family in families or ():
        if family not in possible:
            raise InputError(
                f"multi-task(families=...): {task.dataset.name} has no data for {family!r};"
                f" expected some of {', '.join(possible)}"
            )
    rng = np.random.default_rng([task.seed, 3])
    examples = iter(PromptedExamples(task, families or possible, rng))
    return _tuned_on_text(task, lambda size: list(islice(examples, size)))


def _tuned_on_text(task: Task, draw: Callable[[int], list[tuple[str, str]]]) -> Adapted:
    """The model tuned on what ``draw(size)`` gives: (source, target) texts."""

    def loss_of() -> tuple[Tensor, int]:
        sources, targets = zip(*draw(task.budget.size), strict=True)
        return text_loss(task.lm, sources, targets)

    return task.tune({"backbone": task.backbone}, template=SEQUENTIAL[0], loss_of=loss_of)


def possible_families(dataset) -> tuple[str, ...]:
    """Template families that this dataset has the data for.

    Ratings are needed for "like" and "rating", reviews with named features for "explanation" and
    "summary".
    """
    families = ["sequential", "direct"]
    if dataset.interactions["rating"].notna().all():
        families += ["like", "rating"]
    if len(dataset.reviews) and {"features", "sentiment"} <= set(dataset.reviews):
        families += ["explanation", "summary"]
    return tuple(families)


class PromptedExamples:
    """Endless (source, target): seen templates of several families, filled from the labelled users'
    training histories.
    """

    def __init__(self, task: Task, families: tuple[str, ...], rng: np.random.Generator):
        self.task, self.rng = task, rng
        self.ratings = _ratings(task)
        self.reviews = _reviews(task)
        self.others = [
            family
            for family in families
            if family != "sequential" and (self.reviews or family not in ("explanation", "summary"))
        ]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        words = self.task.words
        for history, item in self.task.examples(self.rng):
            family = "sequential"
            if self.others and self.rng.random() >= 0.5:
                family = self.others[int(self.rng.integers(len(self.others)))]
            seen = templates(family)
            template = seen[int(self.rng.integers(len(seen)))]
            values: dict[str, str] = {}
            if family in ("like", "rating"):
                history, item, values = self._rated()
            elif family == "direct":
                values = self._candidates(item)
            elif family in ("explanation", "summary"):
                item, values = self._reviewed()
            source, target = template.fill(
                noun=words.noun,
                plural=words.plural,
                history=words.history(history),
                item=words.titles[item],
                **values,
            )
            yield source, target + words.closing * (family in ("sequential", "direct"))

    def _rated(self) -> tuple[list[int], int, dict[str, str]]:
        """A rated item, and the history before it."""
        row = int(self.rng.integers(len(self.ratings)))
        place = int(self.rng.integers(len(self.ratings[row])))
        stars = self.ratings[row][place]
        history = self.task.histories[row]
        values = {"rating": f"{stars:.0f}", "answer": "yes" if stars >= LIKED else "no"}
        return list(history[:place][-RATED_SHOWN:]), history[place], values

    def _candidates(self, item: int) -> dict[str, str]:
        """The item among three others, in any order."""
        words, n_items = self.task.words, self.task.n_items
        drawn = self.rng.choice(n_items, size=min(4, n_items), replace=False)
        options = self.rng.permutation([item, *drawn[drawn != item][:3]])
        return {"candidates": words.separator.join(words.titles[i] for i in options)}

    def _reviewed(self) -> tuple[int, dict[str, str]]:
        """An item, and what somebody wrote about it."""
        item, rating, text, features, verdict = self.reviews[
            int(self.rng.integers(len(self.reviews)))
        ]
        values = {"review": text, "feature": features[0], "verdict": verdict}
        return item, {"rating": f"{rating:.0f}", **values}


def _ratings(task: Task) -> list[np.ndarray]:
    """The rating of each item of each labelled user's history."""
    table = task.dataset.interactions
    table = table[table["user"].isin(task.users)].drop_duplicates(["user", "item"])
    stars = table.set_index(["user", "item"])["rating"].to_dict()
    return [
        np.array([stars[user, int(item)] for item in history])
        for user, history in zip(task.users, task.histories, strict=True)
    ]


def _reviews(task: Task) -> list[tuple]:
    """(item, rating, text, features, sentiment) of what the labelled users wrote about items of
    their training histories.
    """
    table = task.dataset.reviews
    if "features" not in table:
        return []
    table = table[table["user"].isin(task.users)]
    known = dict(zip(task.users, map(set, task.histories), strict=True))
    columns = ["user", "item", "rating", "text", "features", "sentiment"]
    rows = table[columns].itertuples(index=False, name=None)
    return [tuple(row) for user, *row in rows if row[0] in known[user]]


def instruct(task: Task, combinations: tuple | None = None) -> Adapted:
    """The model moves, the prompts do not: instructions made of preference, intention and form
    (fixed-prompt PTM tuning; InstructRec).

    Held-out wordings are never used.

    Args:
        combinations: of `language.instruct` (default: all that are not held out).
    """
    from tutorial_lib.language.instruct import instructions, seen_combinations

    rng = np.random.default_rng([task.seed, 4])
    examples = task.examples(rng)
    chosen = combinations or seen_combinations()

    def draw(size: int) -> list[tuple[str, str]]:
        histories, items = zip(*islice(examples, size), strict=True)
        seed = int(rng.integers(2**31))
        made = instructions(
            task.dataset, histories, items, combinations=chosen, seed=seed, words=task.words
        )
        return [(one.source, one.target) for one in made]

    return _tuned_on_text(task, draw)
