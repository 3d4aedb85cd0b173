"""Hard prompts that a search finds for a frozen model, as strategies: AutoPrompt and PAP-REC."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pandas as pd

from tutorial_lib.data.histories import Histories
from tutorial_lib.errors import unknown_name
from tutorial_lib.language.prompts import Template, as_words
from tutorial_lib.models.language_models import LanguageModel
from tutorial_lib.strategies.adapted import Adapted
from tutorial_lib.strategies.prompt_examples import (
    CLOSING,
    GRADIENT_CALLS,
    Examples,
    user_events,
    words_of,
)
from tutorial_lib.strategies.prompt_objectives import OBJECTIVES, objective_on
from tutorial_lib.strategies.prompt_search import Search, SearchPlan
from tutorial_lib.strategies.task import Task

MOST_EVENTS = 96  # examples of each kind, where no user has a word of their own


def prompt_template(lm: LanguageModel, tokens: Sequence[int]) -> Template:
    """The words behind the history, closed like a title."""
    words = as_words(words_of(lm, tokens))
    return Template("sequential", f"{{history}}; {words}{CLOSING}", "{item}")


@dataclass
class Searched(Adapted):
    """What a search found, as a recommender.

    Attributes:
        tokens: words for all users.
        own: user code -> last token.
        log: see `Search.frame`.
        calls: used.
    """

    tokens: list[int] = field(default_factory=list)
    own: dict[int, int] = field(default_factory=dict)
    log: pd.DataFrame | None = None
    calls: int = 0

    def prompts(self, histories: Histories, users: Sequence[int] | None = None) -> list[str]:
        """What the model reads, with users' own words; without users the words for all."""
        if users is None:
            return super().prompts(histories)
        templates = {
            user: prompt_template(self.lm, [*self.tokens[:-1], token])
            for user, token in self.own.items()
        }
        return [
            replace(self, template=templates.get(int(user), self.template)).prompt(list(history))
            for history, user in zip(histories, users, strict=True)
        ]


def auto_prompt(
    task: Task,
    slots: int = 3,
    calls: int = 20_000,
    top: int = 10,
    method: str = "gradient",
    expansion: str = "halfway",
    norm_control: bool = True,
    objective: str = "loss",
    validation_events: int = 3,
    resample_negatives: bool = False,
) -> Adapted:
    """Words behind the history, found by the gradient at their embeddings; the model stays frozen
    (AutoPrompt, a hard prompt).

    A given `Budget` sets ``calls``.

    Args:
        objective: of `prompt_objectives.OBJECTIVES`.
        validation_events: of each labelled user, taken from the end of the training part.
        resample_negatives: new wrong items at every look, as in PAP-REC's public code. The other
            arguments: see `SearchPlan`.
    """
    plan = SearchPlan(slots, calls, top, method, expansion, norm_control, 0, task.seed)
    return _searched(task, plan, objective, validation_events, resample_negatives)


def pap_rec(
    task: Task,
    slots: int = 3,
    calls: int = 20_000,
    top: int = 10,
    method: str = "gradient",
    expansion: str = "halfway",
    norm_control: bool = True,
    objective: str = "loss",
    validation_events: int = 3,
    resample_negatives: bool = False,
    user_rounds: int = 2,
) -> Adapted:
    """Words for all users and one word of each user's own, found in turn; the model stays frozen
    (PAP-REC, personalised hard prompts).

    Arguments: as in `auto_prompt`. The public code has validation_events=1, norm_control=False,
    expansion="token", and re-samples the wrong items.

    Source: Li et al. 2024, arXiv 2402.00284.
    """
    plan = SearchPlan(slots, calls, top, method, expansion, norm_control, user_rounds, task.seed)
    return _searched(task, plan, objective, validation_events, resample_negatives)


def _searched(
    task: Task, plan: SearchPlan, objective: str, validation_events: int, resample: bool
) -> Searched:
    """Search as planned, and account for it."""
    if objective not in OBJECTIVES:
        raise unknown_name("objective", objective, OBJECTIVES)
    task.lm.require("causal", what="a search for prompt words")
    task.lm.model.requires_grad_(False)
    if task.budget:  # as many calls as a tuning of that length
        plan = replace(plan, calls=task.budget.longest * task.budget.size * GRADIENT_CALLS)
    most = None if plan.user_rounds else MOST_EVENTS
    train, valid = (
        Examples(task.lm, task.words, [event[1:] for event in part], [event[0] for event in part])
        for part in user_events(task, validation_events, most)
    )
    measure = objective_on(objective, valid, resample, task.seed)
    search = Search(train, measure, plan, on_step=task.on_step).run()
    log = search.frame()
    out = Searched(
        task.lm,
        task.words,
        task.n_items,
        prompt_template(task.lm, search.tokens),
        tokens=search.tokens,
        own=search.own,
        log=log,
        calls=search.calls,
        n_trainable=plan.slots + len(search.own),
        seconds=time.perf_counter() - search.start,
        losses=[search.value] if log.empty else log["value"].tolist(),
    )
    change = train.vocabulary[search.tokens].double() - train.vocabulary[search.first].double()
    out.moved["prompt"] = float(change.norm())
    tokens_read = search.calls * (1 + plan.slots + train.titles.shape[1])
    out.flops = 2.0 * task.lm.n_parameters * tokens_read
    return out
