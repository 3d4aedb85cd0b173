"""How every strategy tunes: for how long, on whose examples, and what has moved in the end."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn as nn
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from tutorial_lib.errors import InputError, check_number, check_seed, check_whole
from tutorial_lib.training import descend


@dataclass(frozen=True)
class Budget:
    """How long and how fast a strategy tunes.

    Args:
        learning_rate: highest; a warm-up over a tenth of the steps, then a fall to 0 along a
            cosine.
        epochs: passes over the windows of the labelled users, within the bounds that follow.
        shortest: fewest steps.
        longest: most steps.
        size: examples in a step.
        weight_decay: of AdamW.
    """

    learning_rate: float
    epochs: float = 6.0
    shortest: int = 12
    longest: int = 512
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
        """How many steps are taken, given the number of windows."""
        return int(np.clip(round(self.epochs * windows / self.size), self.shortest, self.longest))


@dataclass(frozen=True)
class Tuned:
    """What tuning gave: losses (nats per token, one per step), seconds, and FLOPs."""

    losses: list[float]
    seconds: float
    flops: float


def labelled_users(split, labels: int, seed: int) -> np.ndarray:
    """``labels`` rows of the split, drawn at random: whose training histories may be used.

    Smaller draws are part of larger ones.
    """
    check_seed("adapt", seed)
    check_whole("adapt", 0, labels=labels)
    able = np.flatnonzero([len(history) > 1 for history in split.train])
    if labels > len(able):
        raise InputError(
            f"adapt(labels={labels}): expected 0..{len(able)}, the users of this split with two or"
            " more training items"
        )
    return np.random.default_rng([seed, 64]).permutation(able)[:labels]


def sampled_windows(
    histories: Sequence[np.ndarray], limit: int, rng: np.random.Generator
) -> Iterator[tuple[list[int], int]]:
    """Endless (history, next item), each user as often as they have windows of ``limit`` + 1."""
    weights = np.array([max(1.0, len(history) / (limit + 1)) for history in histories])
    while True:
        for row in rng.choice(len(histories), size=256, p=weights / weights.sum()):
            items = list(histories[row])
            end = int(rng.integers(min(len(items) - 1, max(1, limit // 2)), len(items)))
            yield items[max(0, end - limit) : end], items[end]


def count_windows(histories: Sequence[np.ndarray], limit: int) -> int:
    """How many examples one pass over the labelled users holds."""
    return sum(max(1, round(len(history) / (limit + 1))) for history in histories)


def tune(
    parameters: Sequence[nn.Parameter],
    loss_of: Callable[[], tuple[Tensor, int]],
    budget: Budget,
    steps: int,
    *,
    on_step: Callable[[int, float], None] | None = None,
    seed: int = 0,
) -> Tuned:
    """Move parameters against the gradient of a loss.

    Args:
        parameters: what moves.
        loss_of: draws a batch and gives its mean loss, and how many tokens were read.
        budget: learning rate and weight decay.
        steps: how many.
        on_step: called with the number of the step, from 1, and its loss.
        seed: of what the model draws.
    """
    optimizer = torch.optim.AdamW(
        parameters, lr=budget.learning_rate, betas=(0.9, 0.98), weight_decay=budget.weight_decay
    )
    losses: list[float] = []
    tokens: list[int] = []  # of each step

    def loss_of_step(_step: int) -> Tensor:
        loss, read = loss_of()
        tokens.append(read)
        return loss

    start = time.perf_counter()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        progress = (((step + 0.5) / steps, step) for step in range(steps))
        taken = descend(parameters, optimizer, progress, loss_of_step, budget.learning_rate)
        # counting slows a step down, so the first one stands for all
        with FlopCounterMode(display=False) as counter:
            first = next(taken)
        for step, loss in itertools.chain([first], taken):
            losses.append(loss.item())
            if on_step:
                on_step(step + 1, losses[-1])
            if not np.isfinite(losses[-1]):
                raise InputError(
                    f"tune: the loss is not finite at step {step + 1}; take a smaller learning rate"
                )
    for parameter in parameters:
        parameter.grad = None  # as large as the parameter, and no longer needed
    flops = counter.get_total_flops() / max(tokens[0], 1) * sum(tokens)
    return Tuned(losses, time.perf_counter() - start, flops)


Groups = Mapping[str, Sequence[nn.Parameter]]  # "backbone", "prompt", "head", ...: parameters


def snapshot(groups: Groups) -> dict[str, list[Tensor]]:
    """Copies of all parameters, by group."""
    return {
        name: [parameter.detach().clone() for parameter in group] for name, group in groups.items()
    }


def checksums(parameters: Iterable[nn.Parameter]) -> list[int]:
    """One number per parameter, for a model too large for a `snapshot` of what is frozen."""
    return [int(parameter.detach().view(torch.int32).sum()) for parameter in parameters]


def movement(before: Mapping[str, Sequence[Tensor]], groups: Groups) -> dict[str, float]:
    """L2 norm of the change of each group; exactly 0.0 where no bit has changed."""
    moved = {}
    for name, group in groups.items():
        squares = [
            (new.detach() - old).double().pow(2).sum().item()
            for old, new in zip(before[name], group, strict=True)
            if not torch.equal(old, new)
        ]
        moved[name] = float(np.sqrt(sum(squares)))
    return moved
