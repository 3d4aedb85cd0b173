"""The search that finds prompt words one by one for a frozen model.

A round takes the gradient of the loss at one slot of the prompt, scores every word of the
vocabulary by it, tries the best few on validation examples, and keeps the best one if it lowers the
objective. Random search is the same loop with words drawn at random.

Sources: AutoPrompt (Shin et al. 2020, arXiv 2010.15980); PAP-REC (Li et al. 2024, arXiv 2402.00284)
for words of users' own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from tutorial_lib.errors import InputError, check_seed, check_whole, unknown_name
from tutorial_lib.strategies.prompt_examples import EXPANSIONS, Examples
from tutorial_lib.strategies.prompt_objectives import PromptObjective
from tutorial_lib.strategies.wordings import NO_WORD, candidate_scores, word_tokens, words_of

METHODS = ("gradient", "random")


@dataclass(frozen=True)
class SearchPlan:
    """How to search.

    Args:
        slots: words that may be added to the manual prompt that the search starts from.
        start: "manual": its own words, the slots empty; "random": random words in all slots, as in
            AutoPrompt.
        shorten: whether a word may be left out (not so in AutoPrompt and PAP-REC).
        calls: most answers that may be read behind a prompt; with a gradient, each counts three
            times.
        top: candidates per slot.
        method: of `METHODS`.
        expansion: where the gradient is taken, see `Examples.gradients`.
        norm_control: see `candidate_scores`.
        user_rounds: how often a last word is chosen for each user alone (PAP-REC); 0: never
            (AutoPrompt).
        validation_events: of each labelled user, taken from the end of the training part.
        wrong: wrong answers beside each right one, between which the objective chooses; 0: the loss
            of the right one alone.
        resample: other wrong answers at every look, as in PAP-REC's public code.
        seed: of all that is drawn.
    """

    slots: int = 3
    start: str = "manual"
    shorten: bool = True
    calls: int = 50_000
    top: int = 10
    method: str = "gradient"
    expansion: str = "mean"
    norm_control: bool = True
    user_rounds: int = 0
    validation_events: int = 3
    wrong: int = 7
    resample: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise unknown_name("method", self.method, METHODS)
        if self.expansion not in EXPANSIONS:
            raise unknown_name("expansion point", self.expansion, EXPANSIONS)
        if self.start not in ("manual", "random"):
            raise unknown_name("start", self.start, ("manual", "random"))
        check_whole("prompt search", 1, 1_000_000_000, calls=self.calls, top=self.top)
        small = {"slots": self.slots, "user_rounds": self.user_rounds, "wrong": self.wrong}
        check_whole("prompt search", 0, 1000, **small)
        check_whole("prompt search", 1, 1000, validation_events=self.validation_events)
        check_seed("prompt search", self.seed)


@dataclass
class Search:
    """One search; ``run`` it once.

    Attributes:
        train: examples for gradients.
        objective: see `prompt_objectives`, on other examples with the same wording.
        plan: how to search.
        vocabulary: token ids that may stand in the prompt (default: `word_tokens`).
        on_step: called with the number of evaluated prompts and the objective.
        tokens: the words found, `NO_WORD` where a slot has none; ``first``: those it started from.
            With user rounds the last slot is the users'.
        own: user -> last word, where it is a user's own.
        value: the objective of the words found.
        log: a row for each candidate, see `frame`.
    """

    train: Examples
    objective: PromptObjective
    plan: SearchPlan
    vocabulary: np.ndarray | None = None
    on_step: Callable[[int, float], None] | None = None
    log: list[dict] = field(default_factory=list)

    def __post_init__(self) -> None:
        given = self.vocabulary
        self.words = word_tokens(self.train.lm) if given is None else np.asarray(given)
        if len(self.words) < 2:
            raise InputError(
                f"prompt search: a vocabulary of {len(self.words)} words; expected 2 or more"
                " token ids of whole words"
            )
        self.rng = np.random.default_rng([self.plan.seed, 11])
        self.embeddings = self.train.vocabulary.numpy()[self.words].astype(np.float64)
        self.tokens = [*self.train.wording.words, *[NO_WORD] * self.plan.slots]
        if self.plan.start == "random":
            self.tokens = self.rng.choice(self.words, size=self.plan.slots).tolist()
        self.shared = len(self.tokens)  # slots of all users
        self.tokens += [NO_WORD] * bool(self.plan.user_rounds)
        if not self.tokens:
            raise InputError(
                "prompt search(slots=0): this manual prompt has no words to change; expected 1 or"
                " more slots"
            )
        self.first = list(self.tokens)
        self.own: dict[int, int] = {}
        self.tried: set[tuple[int, ...]] = {tuple(self.tokens)}
        self.round = 0
        self.evaluated = 0
        self.calls_before = self.train.calls + self.objective.calls
        self.start = time.perf_counter()

    @property
    def calls(self) -> int:
        """Answers read behind a prompt so far."""
        return self.train.calls + self.objective.calls - self.calls_before

    def run(self) -> Search:
        """Task rounds until the calls are used up; user rounds at equal distances in between."""
        self.value = float(self._measure([self.tokens]).mean())
        parts = self.plan.user_rounds + 1
        for part in range(1, parts + 1):
            while self.calls < self.plan.calls * part / parts and self._task_round():
                pass
            if part < parts:
                self._user_round()
        return self

    def frame(self) -> pd.DataFrame:
        """Every tried candidate.

        Returns:
            kind ("task" or "user"), round, slot, user (-1: all), token, word, before, after
            (objective), accepted, value (the objective in force after the step), evaluated (prompts
            so far), calls, seconds.
        """
        return pd.DataFrame(self.log)

    def prompts(self, examples: Examples, tokens: Sequence[int] | None = None) -> np.ndarray:
        """The prompt of each example, users' own words in it: [n, slots]."""
        prompts = np.tile(np.asarray(self.tokens if tokens is None else tokens), (len(examples), 1))
        if self.own:
            prompts[:, -1] = [self.own.get(int(user), NO_WORD) for user in examples.users]
        return prompts

    def _measure(self, options: Sequence[Sequence[int]]) -> np.ndarray:
        """[k, n]: the objective of prompts on each validation example."""
        self.evaluated += len(options)
        valid = self.objective.examples
        return self.objective(np.array([self.prompts(valid, tokens) for tokens in options]))

    def _task_round(self) -> bool:
        """Try slots in random order until one word is accepted; False if nothing is left to try."""
        self.round += 1
        left = False
        filled = [slot for slot in range(self.shared) if self.tokens[slot] != NO_WORD]
        empty = [slot for slot in range(self.shared) if self.tokens[slot] == NO_WORD]
        for slot in self.rng.permutation(filled + empty[:1]).tolist():  # all empty ones are alike
            candidates = self._candidates(slot)
            if len(candidates):
                left = True
                if self._try(slot, candidates) or self.calls >= self.plan.calls:
                    break
        return left

    def _with(self, slot: int, token: int) -> list[int]:
        return [*self.tokens[:slot], int(token), *self.tokens[slot + 1 :]]

    def _candidates(self, slot: int) -> np.ndarray:
        """The words to try there, best first; never a prompt that was tried before."""
        if self.plan.method == "random":
            order = self.rng.permutation(len(self.words))
        else:
            order = self._order(self._gradients(slot).mean(0))
        fresh = [
            token
            for token in [*[NO_WORD] * self.plan.shorten, *self.words[order]]
            if token != self.tokens[slot] and tuple(self._with(slot, token)) not in self.tried
        ]
        return np.array(fresh[: self.plan.top], dtype=np.int64)

    def _order(self, gradient: np.ndarray) -> np.ndarray:
        """Places in the vocabulary, the most promising word first."""
        scores = candidate_scores(gradient, self.embeddings, self.plan.norm_control)
        return np.argsort(-scores, kind="stable")

    def _gradients(self, slot: int) -> np.ndarray:
        """Of each example's loss at the slot, [n, D]."""
        seed = int(self.rng.integers(2**31))
        prompts = self.prompts(self.train)
        return self.train.gradients(prompts, slot, self.plan.expansion, seed, self.words)

    def _try(self, slot: int, candidates: np.ndarray) -> bool:
        """Measure these words in a slot, and keep the best if it lowers the objective."""
        options = [self._with(slot, token) for token in candidates]
        self.tried.update(map(tuple, options))
        values = self._measure(options).mean(1)
        before = self.value
        best = int(values.argmin())
        accepted = bool(values[best] < before)
        if accepted:
            self.tokens = options[best]
            self.value = float(values[best])
        for place, token in enumerate(candidates):
            self._note("task", slot, -1, token, before, values[place], accepted and place == best)
        self._report()
        return accepted

    def _user_round(self) -> None:
        """The last word, for all users in parallel.

        A user's word changes only where that user's own objective falls.
        """
        self.round += 1
        slot = len(self.tokens) - 1
        valid = self.objective.examples
        users, place = np.unique(valid.users, return_inverse=True)
        candidates = self._user_candidates(slot, users)  # [U, top]
        prompts = np.repeat(self.prompts(valid)[None], 1 + candidates.shape[1], axis=0)
        prompts[1:, :, slot] = candidates.T[:, place]
        self.evaluated += candidates.shape[1]
        values = self.objective(prompts)  # [1 + top, n]
        counts = np.bincount(place)
        by_user = np.array([np.bincount(place, row) / counts for row in values])  # [1 + top, U]
        for column, user in enumerate(users.tolist()):
            before, *after = by_user[:, column]
            best = int(by_user[:, column].argmin()) - 1  # -1: the present word
            if best >= 0:
                self.own[user] = int(candidates[column, best])
            for i, token in enumerate(candidates[column]):
                self._note("user", slot, user, token, before, after[i], i == best)
        self.tried = {tuple(self.tokens)}
        self.value = float((by_user.min(0) * counts).sum() / counts.sum())
        self._report()

    def _user_candidates(self, slot: int, users: np.ndarray) -> np.ndarray:
        """[U, top]: by each user's own gradient, or at random."""
        top = min(self.plan.top, len(self.words))
        if self.plan.method == "random":
            return np.array([self.rng.choice(self.words, size=top, replace=False) for _ in users])
        gradients = self._gradients(slot)
        of_user = [gradients[self.train.users == user] for user in users]
        orders = [self._order((own if len(own) else gradients).mean(0)) for own in of_user]
        return self.words[np.array(orders)[:, :top]]

    def _note(self, kind: str, slot: int, user: int, token, before, after, accepted: bool) -> None:
        """Add a candidate to the log."""
        self.log.append(
            {
                "kind": kind,
                "round": self.round,
                "slot": slot,
                "user": user,
                "token": int(token),
                "word": words_of(self.train.lm, [token]),
                "before": float(before),
                "after": float(after),
                "accepted": accepted,
                "value": self.value,
                "evaluated": self.evaluated,
                "calls": self.calls,
                "seconds": round(time.perf_counter() - self.start, 3),
            }
        )

    def _report(self) -> None:
        if self.on_step:
            self.on_step(self.evaluated, self.value)
