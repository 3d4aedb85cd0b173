"""The one loop that every strategy tunes with, the examples it sees, and the measure of what it
moved.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn as nn
from torch import Tensor

from tutorial_lib.errors import InputError, check_number, check_seed, check_whole
from tutorial_lib.training import descend

GROUPS = (
    "backbone",
    "prompt",
    "head",
)  # pre-trained weights; vectors in front of the text; everything added behind or between


@dataclass(frozen=True)
class Budget:
    """How long a strategy tunes. epochs: passes over the windows of the labelled users, but at
    least ``shortest`` and at most ``longest`` steps of ``size`` examples. learning_rate: highest; a
    warm-up over a tenth of the steps, then a fall to 0 along a cosine.
    """

    learning_rate: float
    epochs: float = 4.0
    shortest: int = 24
    longest: int = 120
    size: int = 16
    weight_decay: float = 0.01

    def __post_init__(self) -> None:
        check_number("Budget", "(0, inf)", learning_rate=self.learning_rate, epochs=self.epochs)
        check_number("Budget", "[0, inf)", weight_decay=self.weight_decay)
        check_whole(
            "Budget", 1, 1_000_000, shortest=self.shortest, longest=self.longest, size=self.size
        )
        if self.shortest > self.longest:
            raise InputError(
                f"Budget(shortest={self.shortest}, longest={self.longest}): expected shortest <="
                " longest"
            )

    def steps(self, windows: int) -> int:
        return int(np.clip(round(self.epochs * windows / self.size), self.shortest, self.longest))


@dataclass(frozen=True)
class Tuned:
    """losses: one a step, nats a token. seconds, flops: of the tuning; flops are counted in one
    step and scaled by the number of tokens.
    """

    losses: list[float]
    seconds: float
    flops: float


def labelled_users(split, labels: int, seed: int) -> np.ndarray:
    """``labels`` rows of the split, drawn at random: whose training histories may be used. Smaller
    draws are part of larger ones.
    """
    check_seed("adapt", seed)
    check_whole("adapt", 0, labels=labels)
    able = np.flatnonzero([len(history) > 1 for history in split.train])
    if not 0 <= labels <= len(able):
        raise InputError(
            f"adapt(labels={labels}): expected 0..{len(able)}, the users of this split with two or"
            " more training items"
        )
    return np.random.default_rng([seed, 64]).permutation(able)[:labels]


def windows(
    histories: Sequence[Sequence[int]], limit: int, rng: np.random.Generator
) -> Iterator[tuple[list[int], int]]:
    """Endless (history, next item) from the labelled users, each user as often as they have windows
    of ``limit`` + 1 items.
    """
    weights = np.array([max(1.0, len(history) / (limit + 1)) for history in histories])
    while True:
        for row in rng.choice(len(histories), size=256, p=weights / weights.sum()):
            items = list(histories[row])
            end = int(rng.integers(min(len(items) - 1, max(1, limit // 2)), len(items)))
            yield items[max(0, end - limit) : end], items[end]


def count_windows(histories: Sequence[Sequence[int]], limit: int) -> int:
    """How many examples one pass over the labelled users holds."""
    return sum(max(1, round(len(history) / (limit + 1))) for history in histories)


def tune(
    parameters: dict[str, list[nn.Parameter]],
    loss_of: Callable[[], tuple[Tensor, int]],
    budget: Budget,
    steps: int,
    *,
    on_step: Callable[[int, float], None] | None = None,
    seed: int = 0,
) -> Tuned:
    """Move ``parameters`` (by group) against the gradient of ``loss_of()`` -> (mean loss, tokens
    read), ``steps`` times.

    Only these parameters get a gradient. on_step: called with the number of the step from 1, and
    its loss.
    """
    from torch.utils.flop_counter import FlopCounterMode

    chosen = [parameter for group in parameters.values() for parameter in group]
    if not chosen:
        raise InputError("tune: no parameters to move")
    optimizer = torch.optim.AdamW(
        chosen, lr=budget.learning_rate, betas=(0.9, 0.98), weight_decay=budget.weight_decay
    )
    tokens, losses = [], []  # of each step

    def loss_of_step(_step: int) -> Tensor:
        loss, read = loss_of()
        tokens.append(read)
        return loss

    start = time.perf_counter()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        progress = (((step + 0.5) / steps, step) for step in range(steps))
        taken = descend(chosen, optimizer, progress, loss_of_step, budget.learning_rate)
        counter = FlopCounterMode(display=False)
        with counter:  # counting slows a step down, so the first one stands for all
            first = next(taken)
        for step, loss in itertools.chain([first], taken):
            losses.append(loss.item())
            if on_step:
                on_step(step + 1, losses[-1])
            if not np.isfinite(losses[-1]):
                raise InputError(
                    f"tune: the loss is not finite at step {step + 1}; take a smaller learning rate"
                )
    for parameter in chosen:
        parameter.grad = None  # as large as the parameter, and of no use any more
    flops = counter.get_total_flops() / max(tokens[0], 1) * sum(tokens)
    return Tuned(losses, time.perf_counter() - start, flops)


def only(model: nn.Module, chosen: Sequence[nn.Parameter] = ()) -> None:
    """Let gradients flow to these parameters only."""
    wanted = {id(parameter) for parameter in chosen}
    for parameter in model.parameters():
        parameter.requires_grad_(id(parameter) in wanted)


def snapshot(groups: dict[str, list[nn.Parameter]]) -> dict[str, list[Tensor]]:
    """Copies of all parameters, by group."""
    return {
        name: [parameter.detach().clone() for parameter in group] for name, group in groups.items()
    }


def movement(
    before: dict[str, list[Tensor]], groups: dict[str, list[nn.Parameter]]
) -> dict[str, float]:
    """L2 norm of the change of each group; exactly 0.0 where no bit has changed."""
    out = {}
    for name in GROUPS:
        pairs = list(zip(before.get(name, ()), groups.get(name, ()), strict=True))
        squares = [
            (new.detach() - old).double().pow(2).sum().item()
            for old, new in pairs
            if not torch.equal(old, new)
        ]
        out[name] = float(np.sqrt(sum(squares)))
    return out
