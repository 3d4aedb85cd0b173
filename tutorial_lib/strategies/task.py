"""What one call of `adapt` works on, and the step that most strategies share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from tutorial_lib.language.prompts import Template
from tutorial_lib.language.verbalise import Verbaliser, verbaliser
from tutorial_lib.models.language_models import LanguageModel
from tutorial_lib.strategies.adapted import BARE, TEMPERATURE, Adapted
from tutorial_lib.strategies.tuning import (
    Budget,
    checksums,
    count_windows,
    movement,
    sampled_windows,
    snapshot,
    tune,
)

Loss = Callable[[], tuple[Tensor, int]]  # draws a batch: its mean loss, and the tokens read


@dataclass
class Task:
    """What one call of `adapt` works on.

    Attributes:
        lm: a copy that may be changed.
        words: how items are written.
        histories: training parts of the labelled users.
        n_items: size of the catalogue.
        seed: of everything that is drawn.
        budget: a `Budget`, or None where nothing is tuned by gradient.
        on_step: called with step and loss after each step.
        dataset: for item attributes and reviews, where a strategy uses them.
        users: codes of the labelled users.
    """

    lm: LanguageModel
    words: Verbaliser
    histories: list[np.ndarray]
    n_items: int
    seed: int
    budget: Any = None
    on_step: Callable[[int, float], None] | None = None
    dataset: Any = None
    users: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    def __post_init__(self) -> None:
        self.backbone = list(self.lm.model.parameters())  # before anything is added

    def examples(self, rng: np.random.Generator) -> Iterator[tuple[list[int], int]]:
        """Endless (history, next item) of the labelled users."""
        return sampled_windows(self.histories, self.words.limit, rng)

    def tune(
        self,
        moving: dict[str, list[nn.Parameter]],
        *,
        budget: Budget | None = None,
        template: Template = BARE,
        loss_of: Loss | None = None,
        **fields,
    ) -> Adapted:
        """Tune parameters and account for it.

        Args:
            moving: parameters by group; those outside "backbone" are new.
            budget: in place of the task's.
            template: how the model is asked, in tuning and afterwards.
            loss_of: in place of the next-item loss.
            **fields: of `Adapted`.
        """
        budget = budget or self.budget
        out = Adapted(self.lm, self.words, self.n_items, template, **fields)
        if loss_of is None:
            examples = self.examples(np.random.default_rng([self.seed, 1]))
            loss_of = next_item_loss(out, examples, budget.size)
        groups = {**moving, "backbone": self.backbone}
        kept = checksums(self.backbone) if self.lm.large and "backbone" not in moving else None
        before = snapshot(groups if kept is None else moving)
        parameters = [parameter for group in moving.values() for parameter in group]
        self.lm.model.requires_grad_(False)
        for parameter in parameters:
            parameter.requires_grad_(True)
        steps = budget.steps(count_windows(self.histories, self.words.limit))
        tuned = tune(parameters, loss_of, budget, steps, on_step=self.on_step, seed=self.seed)
        self.lm.model.requires_grad_(False)
        if kept not in (None, checksums(self.backbone)):
            raise RuntimeError(f"{self.lm.name}: a weight that was frozen has changed")
        return replace(
            out,
            moved={**out.moved, **movement(before, groups if kept is None else moving)},
            n_trainable=sum(parameter.numel() for parameter in parameters),
            seconds=tuned.seconds,
            flops=tuned.flops,
            losses=tuned.losses,
        )


def own_words(lm: LanguageModel, dataset) -> Verbaliser:
    """How items are written where nobody says: a large model that reads or writes text has met
    titles as people say them.
    """
    return verbaliser(dataset, spoken=lm.large and lm.kind != "encoder")


def next_item_loss(asked: Adapted, examples: Iterator[tuple], size: int) -> Loss:
    """The loss of the title that follows a history; for encoders, of choosing it among others."""

    def loss_of() -> tuple[Tensor, int]:
        drawn = [next(examples) for _ in range(size)]
        prompts = [asked.prompt(history) for history, _ in drawn]
        items = [item for _, item in drawn]
        if asked.lm.kind == "encoder":
            titles = [asked.words.titles[item] for item in items]
            loss = contrastive_loss(asked.lm.vectors(prompts), asked.lm.vectors(titles), items)
            return loss, count_tokens(asked.lm, prompts, titles)
        answers = asked.words.answers
        return text_loss(asked.lm, prompts, [answers[item] for item in items])

    return loss_of


def text_loss(
    lm: LanguageModel, sources: Sequence[str], targets: Sequence[str]
) -> tuple[Tensor, int]:
    """Mean loss of targets after their sources, and the tokens read.

    Causal models learn the whole text, as in pre-training; others the target.
    """
    loss = lm.loss(sources, targets, whole=lm.kind == "causal")
    return loss, count_tokens(lm, sources, targets)


def count_tokens(lm: LanguageModel, sources: Sequence[str], targets: Sequence[str]) -> int:
    """Tokens of all sources with their targets."""
    texts = [f"{source} {target}" for source, target in zip(sources, targets, strict=True)]
    return sum(len(ids) for ids in lm.tokenizer(texts, verbose=False)["input_ids"])


def contrastive_loss(histories: Tensor, titles: Tensor, items: Sequence[int]) -> Tensor:
    """Which of the titles of this batch follows which history? Cross-entropy over the batch.

    Args:
        histories: vectors, [B, D].
        titles: vectors of the items that follow, [B, D].
        items: their codes; the same item elsewhere in the batch is not a wrong answer.

    Source: Radford et al. 2021 (arXiv 2103.00020).
    """
    logits = histories @ titles.T / TEMPERATURE
    same = torch.tensor(np.equal.outer(items, items)) & ~torch.eye(len(items), dtype=torch.bool)
    return F.cross_entropy(logits.masked_fill(same, -torch.inf), torch.arange(len(items)))
