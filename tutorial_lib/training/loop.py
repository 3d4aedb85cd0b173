"""Training: `descend` takes the steps of everything that learns by gradient; `train` teaches a
model an objective, on `accelerate`: one core, several GPUs or several machines run the same code.

What is random in an epoch follows from the seed and the epoch's number alone: a run that was killed
resumes after its last whole epoch and ends with the same weights.
"""

from __future__ import annotations

import functools
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn as nn
from torch import Tensor

from tutorial_lib.errors import InputError, check_number, check_seed, check_whole
from tutorial_lib.objectives.batch import Batch, Learner, Objective, batches, padded, windows
from tutorial_lib.training.checkpoints import Checkpoint, run_fingerprint

MOST_EPOCHS, MOST_TOKENS = 1_000_000, 1 << 24  # larger numbers are typing errors


@dataclass(frozen=True)
class Plan:
    """How long and how fast to train.

    Args:
        epochs: Passes over the data.
        batch_tokens: Items in one step, padding included.
        length: Items in one window of a history.
        learning_rate: Highest rate; `warm_up_cosine` gives its course.
        warm_up: Share of all steps until the highest rate is reached, [0, 1).
        weight_decay: Of matrices (AdamW).
        clip: Largest norm of the gradient.
        patience: Evaluations without a better validation NDCG@10 before training stops (0: never).
        evaluate_every: Epochs between two evaluations.
    """

    epochs: int = 20
    batch_tokens: int = 2048
    length: int = 200
    learning_rate: float = 4e-3
    warm_up: float = 0.1
    weight_decay: float = 0.01
    clip: float = 1.0
    patience: int = 0
    evaluate_every: int = 5

    def __post_init__(self) -> None:
        check_whole("Plan", 1, MOST_EPOCHS, epochs=self.epochs, evaluate_every=self.evaluate_every)
        check_whole("Plan", 1, MOST_TOKENS, batch_tokens=self.batch_tokens, length=self.length)
        check_whole("Plan", 0, MOST_EPOCHS, patience=self.patience)
        check_number("Plan", "(0, inf)", learning_rate=self.learning_rate)
        check_number("Plan", "(0, inf]", clip=self.clip)
        check_number("Plan", "[0, 1)", warm_up=self.warm_up)
        check_number("Plan", "[0, inf)", weight_decay=self.weight_decay)


@dataclass(frozen=True)
class Epoch:
    """An epoch's number from 1, its mean loss (nats per prediction), training seconds and
    predictions so far, and the validation NDCG@10 where it was measured.
    """

    number: int
    loss: float
    seconds: float
    predictions: int
    ndcg: float | None = None


def warm_up_cosine(progress: float, warm_up: float = 0.1) -> float:
    """Share of the highest learning rate when the share ``progress`` of all steps is done: up along
    a line, down along a cosine.

    >>> [round(warm_up_cosine(p, 0.1), 2) for p in (0.0, 0.05, 0.1, 0.55, 1.0)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    if progress < warm_up:
        return progress / warm_up
    return 0.5 * (1 + math.cos(math.pi * (progress - warm_up) / (1 - warm_up)))


def descend(
    parameters: Iterable[nn.Parameter],
    optimizer: torch.optim.Optimizer,
    batches: Iterable[tuple[float, Any]],
    loss_of: Callable[[Any], Tensor],
    learning_rate: float,
    *,
    schedule: Callable[[float], float] = warm_up_cosine,
    clip: float = 1.0,
    accelerator=None,
) -> Iterator[tuple[Any, Tensor]]:
    """Take one step against the gradient for each batch; yield the batch and its loss.

    Args:
        parameters: Whose gradient is clipped, as one vector.
        optimizer: What moves them.
        batches: Pairs of the share of the training that is done, 0 to 1, and a batch.
        loss_of: Gives the loss of a batch, a scalar.
        learning_rate: Highest rate.
        schedule: From the share that is done to the share of the highest rate.
        clip: Largest norm of the gradient; inf for no limit.
        accelerator: The `accelerate.Accelerator` that prepared model and optimizer, if one did.
    """
    parameters = list(parameters)
    backward = accelerator.backward if accelerator else Tensor.backward
    clip_gradient = accelerator.clip_grad_norm_ if accelerator else nn.utils.clip_grad_norm_
    for progress, batch in batches:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * schedule(progress)
        optimizer.zero_grad()
        loss = loss_of(batch)
        backward(loss)
        clip_gradient(parameters, clip)
        optimizer.step()
        yield batch, loss.detach()


def train(
    model: nn.Module,
    objective: Objective,
    sequences: Sequence[np.ndarray],
    plan: Plan,
    *,
    seed: int = 0,
    validate: Callable[[], float] | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
    checkpoint: str | Path | None = None,
) -> list[Epoch]:
    """Train a model in place; under ``accelerate launch`` processes share each batch.

    Args:
        sequences: Item codes of each user, oldest first.
        validate: Gives the validation NDCG@10 of the model as it is; the best weights are kept.
        checkpoint: A file that is written after each epoch, and resumed from if it exists.

    Raises:
        InputError: For a checkpoint of another run, nothing to learn from, or a loss that is not
            finite.
    """
    check_seed("train", seed)
    if not any(len(sequence) for sequence in sequences):
        raise InputError("training: all sequences are empty; expected at least one interaction")
    run = _Run(model, objective, sequences, plan, seed, validate)
    store = None
    if checkpoint:
        store = Checkpoint(checkpoint, run_fingerprint(model, objective, sequences, plan, seed))
    if store and (state := store.load()):
        run.restore(state)
    with torch.random.fork_rng():  # what the caller draws next does not depend on the training
        while not run.over():
            epoch = run.epoch()
            if store and run.accelerator.is_main_process:
                store.save(run.state())
            run.accelerator.wait_for_everyone()
            if on_epoch and run.accelerator.is_main_process:
                on_epoch(epoch)
    if run.best:
        model.load_state_dict(run.best["weights"])
    model.eval()
    return run.history


class _Run:
    """A training run between two epochs: everything that changes."""

    def __init__(self, model, objective, sequences, plan: Plan, seed: int, validate):
        from accelerate import Accelerator

        self.sequences, self.plan, self.seed, self.validate = sequences, plan, seed, validate
        bf16 = torch.cuda.is_available() and torch.cuda.is_bf16_supported()
        self.accelerator = Accelerator(mixed_precision="bf16" if bf16 else None)
        started = int(os.environ.get("WORLD_SIZE", 1))
        if started != self.accelerator.num_processes:
            raise InputError(
                f"training: {started} processes were started, but they do not train together; on"
                " machines without a GPU: ACCELERATE_USE_CPU=true accelerate launch --multi_gpu ..."
            )
        matrices = [p for p in model.parameters() if p.ndim > 1]
        vectors = [p for p in model.parameters() if p.ndim <= 1]  # biases and norms do not decay
        groups = [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}]
        optimizer = torch.optim.AdamW(
            groups, plan.learning_rate, (0.9, 0.98), weight_decay=plan.weight_decay, fused=True
        )
        self.inner = Learner(model, objective)
        self.learner, self.optimizer = self.accelerator.prepare(self.inner, optimizer)
        self.history: list[Epoch] = []
        self.best: dict | None = None  # NDCG and weights

    def state(self) -> dict:
        """What `restore` needs, as tensors and plain values."""
        return {
            "weights": self.inner.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "history": [asdict(epoch) for epoch in self.history],
            "best": self.best,
        }

    def restore(self, state: dict) -> None:
        self.inner.model.load_state_dict(state["weights"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.history = [Epoch(**epoch) for epoch in state["history"]]
        self.best = state["best"]

    def over(self) -> bool:
        """Are all epochs done, or were too many evaluations no better than the best before?"""
        measured = [epoch.ndcg for epoch in self.history if epoch.ndcg is not None]
        waited = len(measured) - 1 - measured.index(max(measured)) if measured else 0
        return len(self.history) >= self.plan.epochs or 0 < self.plan.patience <= waited

    def epoch(self) -> Epoch:
        """One pass over the data, and the evaluation where one is due."""
        before = self.history[-1] if self.history else Epoch(0, 0.0, 0.0, 0)
        number = before.number + 1
        total, seen, start = torch.zeros(()), 0, time.perf_counter()
        self.learner.train()
        steps = descend(
            self.learner.parameters(),
            self.optimizer,
            self.batches(number),
            # gradients are averaged over the processes, the loss is a sum over them
            lambda batch: self.learner(*batch) * self.accelerator.num_processes,
            self.plan.learning_rate,
            schedule=functools.partial(warm_up_cosine, warm_up=self.plan.warm_up),
            clip=self.plan.clip,
            accelerator=self.accelerator,
        )
        for (_, counts), loss in steps:
            total = total + loss * counts[0]
            seen += counts[0]
        if not seen:
            raise InputError(
                "training: no item of these sequences can be predicted; expected longer ones"
            )
        mean = float(self.accelerator.reduce(total, "mean")) / seen
        if not math.isfinite(mean):
            raise InputError(
                f"training: the loss of epoch {number} is {mean}; try a lower learning_rate than"
                f" {self.plan.learning_rate}"
            )
        seconds = before.seconds + time.perf_counter() - start
        ndcg = self.evaluate(number)
        self.history.append(Epoch(number, mean, seconds, before.predictions + seen, ndcg))
        return self.history[-1]

    def batches(self, number: int) -> Iterator[tuple[float, tuple[list[Batch], list[int]]]]:
        """For each step: how much of the training is done, and what `Learner.forward` takes."""
        rng = np.random.default_rng([self.seed, number])
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        process, processes = self.accelerator.process_index, self.accelerator.num_processes
        # dropout and negatives differ between processes
        torch.manual_seed(int(rng.integers(2**62)) + process)
        pieces = windows(self.sequences, self.plan.length, rng)
        groups = batches(pieces, self.plan.batch_tokens, rng)
        for step, group in enumerate(groups):
            sequences = padded([pieces[piece] for piece in group], self.inner.model.vocabulary.pad)
            whole = self.inner.corrupt(sequences, generator)  # the same in every process
            mine = [b.share(process, processes).to(self.accelerator.device) for b in whole]
            progress = (number - 1 + (step + 0.5) / len(groups)) / self.plan.epochs
            yield progress, (mine, [len(batch.labels) for batch in whole])

    def evaluate(self, number: int) -> float | None:
        """Validation NDCG@10 where it is due, the same in every process; keeps the best weights."""
        due = number % self.plan.evaluate_every == 0 or number >= self.plan.epochs
        if self.validate is None or not due:
            return None
        from accelerate.utils import broadcast_object_list

        self.learner.eval()
        ndcg = [float(self.validate()) if self.accelerator.is_main_process else 0.0]
        broadcast_object_list(ndcg)
        if self.best is None or ndcg[0] > self.best["ndcg"]:
            weights = self.inner.model.state_dict()
            weights = {name: value.detach().clone() for name, value in weights.items()}
            self.best = {"ndcg": ndcg[0], "weights": weights}
        return ndcg[0]
