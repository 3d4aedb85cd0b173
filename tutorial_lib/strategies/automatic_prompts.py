"""Prompts that a search finds word by word for a frozen model: AutoPrompt (Shin et al. 2020), and
PAP-REC (Li et al. 2024) on top.

A round takes the gradient of the loss at one slot of the prompt, scores every word of the
vocabulary by it, tries the best few on validation examples, and keeps the best one if it lowers the
objective. Random search is the same loop with words drawn at random.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from tutorial_lib.data.histories import Histories, check_histories
from tutorial_lib.errors import InputError, check_seed, check_whole, unknown_name
from tutorial_lib.language.prompts import Template, as_words
from tutorial_lib.models.decoding import log_likelihood
from tutorial_lib.models.language_models import LanguageModel
from tutorial_lib.strategies.adapted import CALIBRATION, Adapted
from tutorial_lib.strategies.prompt_examples import (
    CLOSING,
    EXPANSIONS,
    GRADIENT_CALLS,
    Examples,
    candidate_scores,
    user_events,
    word_tokens,
    words_of,
)
from tutorial_lib.strategies.prompt_objectives import OBJECTIVES, objective_on
from tutorial_lib.strategies.task import Task

METHODS = ("gradient", "random")


@dataclass(frozen=True)
class Plan:
    """slots: words of the prompt. calls: most (prompt, example) pairs that may be read, a gradient
    counts three. top: candidates a slot.
    method: of `METHODS`. expansion: see `Examples.gradients`. norm_control: see `candidate_scores`.
        user_rounds: how often the last word is
    chosen for each user alone (PAP-REC); 0: never (AutoPrompt)."""

    slots: int = 3
    calls: int = 20_000
    top: int = 10
    method: str = "gradient"
    expansion: str = "halfway"
    norm_control: bool = True
    user_rounds: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        for name, value, known in (
            ("method", self.method, METHODS),
            ("expansion point", self.expansion, EXPANSIONS),
        ):
            if value not in known:
                raise unknown_name(name, value, known)
        check_whole(
            "prompt search", 1, 1_000_000_000, slots=self.slots, calls=self.calls, top=self.top
        )
        check_whole("prompt search", 0, 1_000_000, user_rounds=self.user_rounds)
        check_seed("prompt search", self.seed)
        if self.user_rounds and self.slots < 2:
            raise InputError(
                f"prompt search(slots={self.slots}): expected 2 or more, one word for all users and"
                " one of their own"
            )


@dataclass
class Search:
    """One search; ``run`` it once. train: for gradients; objective: see `prompt_objectives`, on
    other examples; vocabulary: token ids that may stand in the prompt (default: `word_tokens`).
    on_step: told the number of evaluated prompts and the objective.

    tokens: [slots], the words found; own: user -> last word, where it is a user's own; value:
        objective; log: a row for each candidate.
    """

    train: Examples
    objective: object
    plan: Plan
    vocabulary: np.ndarray | None = None
    on_step: Callable[[int, float], None] | None = None
    log: list[dict] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.vocabulary = (
            word_tokens(self.train.lm) if self.vocabulary is None else np.asarray(self.vocabulary)
        )
        if len(self.vocabulary) < 2:
            raise InputError(
                f"prompt search: a vocabulary of {len(self.vocabulary)} words; expected 2 or more"
                " token ids of whole words"
            )
        self.rng = np.random.default_rng([self.plan.seed, 11])
        self.embeddings = self.train.vocabulary.numpy()[self.vocabulary].astype(np.float64)
        self.tokens = [
            int(token) for token in self.rng.choice(self.vocabulary, size=self.plan.slots)
        ]
        self.first, self.own, self.tried, self.round, self.evaluated = (
            list(self.tokens),
            {},
            set(),
            0,
            0,
        )
        self.start = time.perf_counter()

    @property
    def calls(self) -> int:
        """(prompt, example) pairs read so far."""
        return self.train.calls + self.objective.calls - self.calls_before

    def run(self) -> Search:
        """Task rounds until the calls are used up; user rounds at equal distances in between."""
        self.calls_before = self.train.calls + self.objective.calls
        self.value = float(self._measure([self.tokens]).mean())
        for part in range(1, self.plan.user_rounds + 2):
            while self.calls < self.plan.calls * part / (self.plan.user_rounds + 1):
                if not self._task_round():
                    break
            if part <= self.plan.user_rounds:
                self._user_round()
        return self

    def frame(self) -> pd.DataFrame:
        """Every tried candidate: kind ("task" or "user"), round, slot, user (-1: all), word,
        before, after (objective), accepted, evaluated (prompts so far), calls, seconds, and the
        objective in force after the step, ``value``."""
        return pd.DataFrame(self.log)

    def prompts(self, examples: Examples, tokens: Sequence[int] | None = None) -> np.ndarray:
        """The prompt of each example, users' own words in it: [n, slots]."""
        out = np.tile(np.asarray(self.tokens if tokens is None else tokens), (len(examples), 1))
        if self.own:
            out[:, -1] = [self.own.get(int(user), out[0, -1]) for user in examples.users]
        return out

    def _measure(self, tokens: Sequence[Sequence[int]]) -> np.ndarray:
        """[k, n]: the objective of prompts on each validation example."""
        self.evaluated += len(tokens)
        return self.objective(
            np.array([self.prompts(self.objective.examples, one) for one in tokens])
        )

    def _task_round(self) -> bool:
        """Try slots in random order until one word is accepted; False if nothing is left to try."""
        self.round += 1
        left = False
        for slot in self.rng.permutation(self.plan.slots - bool(self.own)):
            chosen = self._candidates(int(slot))
            if len(chosen):
                left = True
                if self._try(int(slot), chosen) or self.calls >= self.plan.calls:
                    break
        return left

    def _with(self, slot: int, token: int) -> list[int]:
        return [*self.tokens[:slot], int(token), *self.tokens[slot + 1 :]]

    def _candidates(self, slot: int) -> np.ndarray:
        """The words to try there, best first; never a prompt that was tried before."""
        if self.plan.method == "random":
            order = self.rng.permutation(len(self.vocabulary))
        else:
            order = np.argsort(-self._scores(self._gradients(slot).mean(0)), kind="stable")
        fresh = [
            t
            for t in self.vocabulary[order]
            if t != self.tokens[slot] and tuple(self._with(slot, t)) not in self.tried
        ]
        return np.array(fresh[: self.plan.top], dtype=np.int64)

    def _gradients(self, slot: int) -> np.ndarray:
        """[n, D]"""
        return self.train.gradients(
            self.prompts(self.train),
            slot,
            self.plan.expansion,
            seed=int(self.rng.integers(2**31)),
            among=self.vocabulary,
        )

    def _scores(self, gradient: np.ndarray) -> np.ndarray:
        return candidate_scores(gradient, self.embeddings, self.plan.norm_control)

    def _try(self, slot: int, chosen: np.ndarray) -> bool:
        """Measure these words in a slot, and keep the best if it lowers the objective."""
        options = [self._with(slot, token) for token in chosen]
        self.tried.update(map(tuple, options))
        values, before = self._measure(options).mean(1), self.value
        best = int(values.argmin())
        accepted = bool(values[best] < before)
        if accepted:
            self.tokens, self.value = options[best], float(values[best])
        for place, (token, value) in enumerate(zip(chosen, values, strict=True)):
            self._note("task", slot, -1, token, before, value, accepted and place == best)
        self._tell()
        return accepted

    def _user_round(self) -> None:
        """The last word, for all users in parallel; a user's word changes only where that user's
        own objective falls.
        """
        self.round += 1
        slot, valid = self.plan.slots - 1, self.objective.examples
        users, place = np.unique(valid.users, return_inverse=True)
        chosen = self._user_candidates(slot, users)  # [U, top]
        prompts = np.repeat(self.prompts(valid)[None], 1 + chosen.shape[1], axis=0)
        prompts[1:, :, slot] = chosen.T[:, place]
        self.evaluated += chosen.shape[1]
        values = self.objective(prompts)  # [1 + top, n]
        counts = np.bincount(place)
        by_user = np.array([np.bincount(place, row) / counts for row in values])  # [1 + top, U]
        for column, user in enumerate(users):
            best = int(by_user[:, column].argmin())
            if best:
                self.own[int(user)] = int(chosen[column, best - 1])
            for rank, token in enumerate(chosen[column], start=1):
                self._note(
                    "user",
                    slot,
                    int(user),
                    token,
                    by_user[0, column],
                    by_user[rank, column],
                    rank == best,
                )
        self.own = self.own or {
            int(users[0]): self.tokens[-1]
        }  # from now on the last word belongs to the users
        self.tried, self.value = set(), float((by_user.min(0) * counts).sum() / counts.sum())
        self._tell()

    def _user_candidates(self, slot: int, users: np.ndarray) -> np.ndarray:
        """[U, top]: by each user's own gradient, or at random."""
        top = min(self.plan.top, len(self.vocabulary))
        if self.plan.method == "random":
            return np.array(
                [self.rng.choice(self.vocabulary, size=top, replace=False) for _ in users]
            )
        gradients = self._gradients(slot)
        mean = {
            user: gradients[self.train.users == user].mean(0)
            for user in users
            if (self.train.users == user).any()
        }
        general = gradients.mean(0)
        scores = np.array([self._scores(mean.get(user, general)) for user in users])
        return self.vocabulary[np.argsort(-scores, axis=1, kind="stable")[:, :top]]

    def _note(
        self,
        kind: str,
        slot: int,
        user: int,
        token: int,
        before: float,
        after: float,
        accepted: bool,
    ) -> None:
        self.log.append(
            {"kind": kind, "round": self.round, "slot": slot, "user": user, "token": int(token), "word": words_of(self.train.lm, [token]),
             "before": float(before), "after": float(after), "accepted": bool(accepted), "value": self.value, "evaluated": self.evaluated,
             "calls": self.calls, "seconds": round(time.perf_counter() - self.start, 3)}
        )  # fmt: skip

    def _tell(self) -> None:
        if self.on_step:
            self.on_step(self.evaluated, self.value)


def prompt_template(lm: LanguageModel, tokens: Sequence[int]) -> Template:
    """The words behind the history, closed like a title."""
    return Template(
        "sequential", f"{{history}}; {as_words(words_of(lm, tokens))}{CLOSING}", "{item}"
    )


@dataclass
class Searched(Adapted):
    """What a search found, as a recommender. tokens: for all users; own: user code -> last token;
    log: see `Search.frame`; calls: used.
    """

    tokens: list[int] = field(default_factory=list)
    own: dict[int, int] = field(default_factory=dict)
    log: pd.DataFrame | None = None
    calls: int = 0

    def prompt(self, history: Sequence[int], user: int | None = None) -> str:
        """The text that the model reads; with the user's own word if the user has one."""
        if user not in self.own:
            return super().prompt(history)
        asked = replace(
            self, template=prompt_template(self.lm, [*self.tokens[:-1], self.own[user]]), own={}
        )
        return asked.prompt(history)

    def score(self, histories: Histories, users: Sequence[int] | None = None) -> np.ndarray:
        """[n, n_items]: log p(title | prompt), nats. users: codes; without them everybody gets the
        words for all.
        """
        if users is None or not self.own:
            return super().score(histories)
        check_histories(histories, self.n_items)
        prompts = [
            self.prompt(history, int(user)) for history, user in zip(histories, users, strict=True)
        ]
        scores = log_likelihood(self.lm, prompts, self.words.titles).scores(
            self.normalise, self.prior, CALIBRATION
        )
        return scores if self.bias is None else scores + self.bias


def auto_prompt(
    task: Task, slots: int = 3, calls: int = 20_000, top: int = 10, method: str = "gradient", expansion: str = "halfway",
    norm_control: bool = True, objective: str = "loss", validation_events: int = 3, resample_negatives: bool = False,
) -> Adapted:  # fmt: skip
    """Words behind the history, found by the gradient at their embeddings; the model stays frozen
    (AutoPrompt, a hard prompt).

    objective: of `prompt_objectives.OBJECTIVES`. validation_events: of each labelled user, taken
        from the end of the training part.
    resample_negatives: new wrong items at every look, as in PAP-REC's public code. Others: see
        `Plan`. A given `Budget` sets ``calls``.
    """
    plan = Plan(slots, calls, top, method, expansion, norm_control, 0, task.seed)
    return _searched(task, plan, objective, validation_events, resample_negatives)


def pap_rec(
    task: Task, slots: int = 3, calls: int = 20_000, top: int = 10, method: str = "gradient", expansion: str = "halfway",
    norm_control: bool = True, objective: str = "loss", validation_events: int = 3, resample_negatives: bool = False,
    user_rounds: int = 2,
) -> Adapted:  # fmt: skip
    """Words for all users and one word of each user's own, found in turn; the model stays frozen
    (PAP-REC, personalised hard prompts).

    Arguments: as in `auto_prompt`. Source: Li et al. 2024, arXiv 2402.00284; its public code has
        validation_events=1,
    norm_control=False, expansion="token", and re-samples the wrong items.
    """
    plan = Plan(slots, calls, top, method, expansion, norm_control, user_rounds, task.seed)
    return _searched(task, plan, objective, validation_events, resample_negatives)


def _searched(
    task: Task, plan: Plan, objective: str, validation_events: int, resample: bool
) -> Searched:
    if objective not in OBJECTIVES:
        raise unknown_name("objective", objective, OBJECTIVES)
    task.lm.require("causal", what="a search for prompt words")
    task.lm.model.requires_grad_(False)
    if task.budget:  # as many calls as a tuning of that length
        plan = replace(plan, calls=task.budget.longest * task.budget.size * GRADIENT_CALLS)
    most = 96 if not plan.user_rounds else 10**9
    parts = user_events(task, validation_events, most)
    train, valid = (
        Examples(task.lm, task.words, [e[1:] for e in part], [e[0] for e in part]) for part in parts
    )
    found = Search(
        train, objective_on(objective, valid, resample, task.seed), plan, on_step=task.on_step
    ).run()
    told = found.frame()
    out = Searched(
        task.lm,
        task.words,
        task.n_items,
        prompt_template(task.lm, found.tokens),
        tokens=found.tokens,
        own=found.own,
        log=told,
    )
    before, after = (train.vocabulary[tokens].double() for tokens in (found.first, found.tokens))
    out.moved["prompt"] = float((after - before).norm())
    out.n_trainable, out.calls = plan.slots + len(found.own), found.calls
    out.seconds = time.perf_counter() - found.start
    read = found.calls * (1 + plan.slots + train.titles.shape[1])
    out.flops, out.losses = (
        2.0 * task.lm.n_parameters * read,
        [found.value] if told.empty else told["value"].tolist(),
    )
    return out
