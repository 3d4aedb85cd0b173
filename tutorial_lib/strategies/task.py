"""What one call of `adapt` works on, and the step that most strategies share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch.nn as nn
from torch import Tensor

from tutorial_lib.language.prompts import Template
from tutorial_lib.language.verbalise import Verbaliser
from tutorial_lib.models.language_models import LanguageModel
from tutorial_lib.strategies.adapted import BARE, Adapted
from tutorial_lib.strategies.tuning import (
    Budget,
    count_windows,
    movement,
    only,
    snapshot,
    tune,
    windows,
)


@dataclass
class Task:
    """lm: a copy that may be changed. histories: training parts of the labelled users. budget: None
    for the strategy's own. on_step: told after each step. dataset: for item attributes and reviews,
    where a strategy uses them; users: codes of the labelled users.
    """

    lm: LanguageModel
    words: Verbaliser
    histories: list[np.ndarray]
    n_items: int
    seed: int
    budget: Budget | None = None
    on_step: Callable[[int, float], None] | None = None
    dataset: object = None
    users: np.ndarray | None = None

    def __post_init__(self) -> None:
        self.backbone = list(self.lm.model.parameters())  # before anything is added

    def plan(self, learning_rate: float, **more) -> Budget:
        """The budget asked for, or the strategy's own."""
        return self.budget or Budget(learning_rate, **more)

    def examples(self, rng: np.random.Generator):
        """Endless (history, next item) of the labelled users."""
        return windows(self.histories, self.words.limit, rng)

    def tuned(
        self,
        chosen: dict[str, Sequence[nn.Parameter]],
        budget: Budget,
        *,
        template: Template = BARE,
        added: dict[str, Sequence[nn.Parameter]] | None = None,
        loss_of: Callable[[], tuple[Tensor, int]] | None = None,
        **more,
    ) -> Adapted:
        """Tune ``chosen`` parameters (by group) and account for it. added: parameters that are new,
        by group; template: how the model is asked, in tuning and afterwards; loss_of: in place of
        the next-item loss; more: fields of `Adapted`.
        """
        groups = {
            "backbone": self.backbone,
            **{name: list(group) for name, group in (added or {}).items()},
        }
        out = Adapted(self.lm, self.words, self.n_items, template, **more)
        before = snapshot(groups)
        only(self.lm.model, [parameter for group in chosen.values() for parameter in group])
        told = tune(
            {name: list(group) for name, group in chosen.items()},
            loss_of
            or next_item_loss(
                out, self.examples(np.random.default_rng([self.seed, 1])), budget.size
            ),
            budget,
            budget.steps(count_windows(self.histories, self.words.limit)),
            on_step=self.on_step,
            seed=self.seed,
        )
        moved = movement(before, groups)
        trainable = sum(parameter.numel() for group in chosen.values() for parameter in group)
        only(self.lm.model)
        return replace(
            out,
            moved=moved,
            n_trainable=trainable,
            seconds=told.seconds,
            flops=told.flops,
            losses=told.losses,
        )


def next_item_loss(asked: Adapted, examples, size: int) -> Callable[[], tuple[Tensor, int]]:
    """A function that draws a batch and gives (loss, tokens read).

    Causal models learn every title of the text, as in pre-training; others the title that follows;
    encoders to tell it from the others of the batch.
    """

    def loss_of() -> tuple[Tensor, int]:
        drawn = [next(examples) for _ in range(size)]
        prompts, items = (
            [asked.prompt(history) for history, _ in drawn],
            [item for _, item in drawn],
        )
        targets = [asked.words.titles[item] for item in items]
        tokens = sum(
            map(
                len,
                asked.lm.tokenizer(
                    [f"{p} {t}" for p, t in zip(prompts, targets, strict=True)], verbose=False
                )["input_ids"],
            )
        )
        if asked.lm.kind == "encoder":
            return asked.vector_loss(prompts, items), tokens
        return asked.lm.loss(prompts, targets, whole=asked.lm.kind == "causal"), tokens

    return loss_of
