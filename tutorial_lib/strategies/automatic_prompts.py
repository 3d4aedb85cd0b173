"""Hard prompts that a search finds for a frozen model, as strategies: AutoPrompt and PAP-REC."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
import torch

from tutorial_lib.data.histories import Histories
from tutorial_lib.errors import InputError, check_whole
from tutorial_lib.language.prompts import Template, templates
from tutorial_lib.strategies.adapted import Adapted
from tutorial_lib.strategies.prompt_examples import GRADIENT_CALLS, Examples
from tutorial_lib.strategies.prompt_objectives import AnswerLoss
from tutorial_lib.strategies.prompt_search import Search, SearchPlan
from tutorial_lib.strategies.task import Task
from tutorial_lib.strategies.wordings import NO_WORD, Wording

MOST_EVENTS = 96  # examples of each kind, where no user has a word of their own; else
NEWEST = 3  # of each user, for gradients
SHARED_WORDS, OWN_WORDS = SearchPlan(), SearchPlan(user_rounds=2)


@dataclass
class Searched(Adapted):
    """What a search found, as a recommender.

    Attributes:
        wording: what the words stand in.
        tokens: words for all users.
        own: user code -> last token.
        log: see `Search.frame`.
        calls: used.
    """

    wording: Wording | None = None
    tokens: list[int] = field(default_factory=list)
    own: dict[int, int] = field(default_factory=dict)
    log: pd.DataFrame | None = None
    calls: int = 0

    def prompts(self, histories: Histories, users: Sequence[int] | None = None) -> list[str]:
        """What the model reads, with users' own words; without users the words for all."""
        if users is None or self.wording is None:
            return super().prompts(histories)
        templates = {
            user: self.wording.template(self.lm, [*self.tokens[:-1], token])
            for user, token in self.own.items()
        }
        return [
            replace(self, template=templates.get(int(user), self.template)).prompt(list(history))
            for history, user in zip(histories, users, strict=True)
        ]


def auto_prompt(
    task: Task, plan: SearchPlan = SHARED_WORDS, template: Template | None = None
) -> Adapted:
    """Words of a manual prompt, changed and added to where the gradient at their embeddings says
    so; the model stays frozen (AutoPrompt, a hard prompt).

    A given `Budget` sets the plan's ``calls``, the task its ``seed``.

    Args:
        plan: how to search.
        template: the manual prompt to start from (default: of those of pre-training, the one that
            the search's own objective prefers).
    """
    return _searched(task, replace(plan, user_rounds=0), template)


def pap_rec(task: Task, plan: SearchPlan = OWN_WORDS, template: Template | None = None) -> Adapted:
    """Words for all users and one word of each user's own, found in turn; the model stays frozen
    (PAP-REC, personalised hard prompts).

    Arguments: as in `auto_prompt`. The public code has start="random", shorten=False, slots=5,
    validation_events=1, norm_control=False, and re-samples the wrong answers.

    Source: Li et al. 2024, arXiv 2402.00284.
    """
    return _searched(task, replace(plan, user_rounds=max(1, plan.user_rounds)), template)


def _searched(task: Task, plan: SearchPlan, template: Template | None) -> Searched:
    """Search as planned, and account for it."""
    start = time.perf_counter()
    task.lm.require("causal", what="a search for prompt words")
    task.lm.model.requires_grad_(False)
    plan = replace(plan, seed=task.seed)
    if task.budget:  # as many calls as a tuning of that length
        read = task.budget.longest * task.budget.size * GRADIENT_CALLS
        plan = replace(plan, calls=read * (1 + plan.wrong))
    train, valid = _examples(task, plan, template)
    titles = task.words.answers if plan.resample else ()
    search = Search(train, AnswerLoss(valid, titles, task.seed), plan, on_step=task.on_step).run()
    log = search.frame()
    out = Searched(
        task.lm,
        task.words,
        task.n_items,
        train.wording.template(task.lm, search.tokens),
        wording=train.wording,
        tokens=search.tokens,
        own=search.own,
        log=log,
        calls=search.calls,
        n_trainable=len(search.tokens) - bool(plan.user_rounds) + len(search.own),
        seconds=time.perf_counter() - start,
        losses=[search.value] if log.empty else log["value"].tolist(),
    )
    out.moved["prompt"] = _moved(search)
    tokens_read = search.calls * (1 + len(search.tokens) + train.titles.shape[2])
    out.flops = 2.0 * task.lm.n_parameters * tokens_read
    return out


def _examples(task: Task, plan: SearchPlan, template: Template | None) -> list[Examples]:
    """For gradients, and to choose words by."""
    parts = user_events(task, plan.validation_events, NEWEST * bool(plan.user_rounds))
    rng = np.random.default_rng([task.seed, 12])
    most = None if plan.user_rounds else MOST_EVENTS
    chosen = template or best_template(task, parts[1][:MOST_EVENTS], plan)
    return [
        Examples.of_events(
            task.lm,
            task.words,
            [part[i] for i in rng.permutation(len(part))[:most]],
            chosen,
            plan.wrong,
            task.seed,
        )
        for part in parts
    ]


def best_template(task: Task, events: Sequence[tuple], plan: SearchPlan) -> Template:
    """The manual prompt of pre-training with the lowest loss on these events."""
    values = {}
    for manual in templates("sequential"):
        try:
            wording = Wording.of(task.lm, manual, task.words)
        except InputError:  # not made of whole tokens of this model: no search can start there
            continue
        examples = Examples.of_events(task.lm, task.words, events, wording, plan.wrong, task.seed)
        values[manual] = examples.losses([wording.words or [NO_WORD]]).mean()
    return min(values, key=values.__getitem__)


def _moved(search: Search) -> float:
    """L2 distance of the embeddings in the slots, before and after; an empty slot counts as 0."""
    table = search.train.vocabulary.double()
    before, after = (
        table[[max(0, t) for t in tokens]] * (torch.tensor(tokens)[:, None] != NO_WORD)
        for tokens in (search.first, search.tokens)
    )
    return float((after - before).norm())


def user_events(task: Task, validation_events: int, newest: int = 0) -> tuple[list, list]:
    """(user, history, item) of the labelled users, for gradients and for validation.

    The last ``validation_events`` of each user's training part, but at most half, are for
    validation; of those before, gradients get the ``newest`` of each user (0: all).
    """
    check_whole("prompt search", 1, validation_events=validation_events)
    train: list[tuple] = []
    valid: list[tuple] = []
    for user, history in zip(task.users, task.histories, strict=True):
        events = [
            (int(user), history[max(0, end - task.words.limit) : end], int(history[end]))
            for end in range(1, len(history))
        ]
        last = min(validation_events, max(1, len(events) // 2))
        train += events[:-last][-newest:]
        valid += events[-last:]
    if not train:
        raise InputError(
            "prompt search: no event is left for the gradient; give more labelled users, or users"
            " with longer histories"
        )
    return train, valid
