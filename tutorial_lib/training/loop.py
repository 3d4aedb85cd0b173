"""One training loop for every objective, on `accelerate`: one core, several GPUs or several
machines, the same code.

Here objectives (what is predicted) and models (what predicts) meet. Whatever is random follows from
``seed`` and the number of the epoch alone, so a run that was killed goes on from its last whole
epoch to the same weights as one that was not.
"""

from __future__ import annotations

import functools
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from tutorial_lib.errors import InputError, check_number, check_seed, check_whole
from tutorial_lib.objectives.batch import Batch, Objective, parts_of
from tutorial_lib.training.batching import batches, padded, windows
from tutorial_lib.training.checkpoints import Checkpoint, fingerprint

MOST_EPOCHS, MOST_TOKENS = 1_000_000, 1 << 24  # beyond these a number is a slip of the pen


@dataclass(frozen=True)
class Plan:
    """How long and how fast to train.

    epochs: passes over the data. batch_tokens: items in one step, padding included. length: items
        in one window of a history.
    learning_rate: highest rate, reached after the share ``warm_up`` of all steps, then falling to 0
        along a cosine.
    weight_decay: of matrices (AdamW). clip: largest norm of the gradient. patience: evaluations
        without a better validation NDCG@10
    before training stops (0: never). evaluate_every: epochs between two evaluations.
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
    """What is told after an epoch: its number from 1, mean loss (nats a prediction), training
    seconds and predictions so far, and the validation NDCG@10 where it was measured."""

    number: int
    loss: float
    seconds: float
    predictions: int
    ndcg: float | None = None


class Learner(nn.Module):
    """A model and what it has to learn: corrupted batches go in, one loss comes out."""

    def __init__(self, model: nn.Module, objective: Objective):
        super().__init__()
        self.model, self.parts = model, parts_of(objective)

    def corrupt(self, sequences: Tensor, generator: torch.Generator) -> list[Batch]:
        """One batch for each part of the objective."""
        return [part.corrupt(sequences, self.model.vocabulary, generator) for part, _ in self.parts]

    def forward(self, corrupted: list[Batch], counts: list[int]) -> Tensor:
        """sum over the parts of weight * sum of losses / count; ``counts``: predictions of each
        part, in all processes together.
        """
        total = 0.0
        for (part, weight), batch, count in zip(self.parts, corrupted, counts, strict=True):
            total = total + weight / max(count, 1) * self.loss(part, batch)
        return total

    def loss(self, part: Objective, batch: Batch) -> Tensor:
        """Sum of the losses of one part over its predictions, in nats."""
        model, hidden = self.model, self.model.predictions(batch)
        if part.head != "items":
            return F.binary_cross_entropy_with_logits(
                model.answers(part.head, hidden), batch.labels, reduction="sum"
            )
        contexts = functools.partial(batch.contexts, model.vocabulary.pad)
        return part.loss(
            hidden,
            model.embedding.weight,
            model.bias,
            batch.labels,
            model.vocabulary.n_items,
            contexts,
        )


def rate(progress: float, warm_up: float) -> float:
    """Share of the highest learning rate when the share ``progress`` of all steps is done: up along
    a line, down along a cosine.

    >>> [round(rate(p, 0.1), 2) for p in (0.0, 0.05, 0.1, 0.55, 1.0)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    if progress < warm_up:
        return progress / warm_up
    return 0.5 * (1 + math.cos(math.pi * (progress - warm_up) / (1 - warm_up)))


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
    """Train a model in place; returns what was told after each epoch.

    sequences: item codes of each user, oldest first. validate: gives the validation NDCG@10 of the
        model as it is; the weights with the
    best value are kept at the end. checkpoint: a file that is written after each epoch, and gone on
    from if it exists. Under ``accelerate launch`` every process takes its share of each batch.
    Raises InputError for a checkpoint of another run, no items to learn from, or a loss that is no
    number any more.
    """
    from accelerate import Accelerator

    check_seed("train", seed)
    if not any(len(sequence) for sequence in sequences):
        raise InputError("training: all sequences are empty; expected at least one interaction")
    accelerator = Accelerator(mixed_precision=_precision())
    if int(os.environ.get("WORLD_SIZE", 1)) != accelerator.num_processes:
        raise InputError(
            f"training: {os.environ['WORLD_SIZE']} processes were started, but they do not train"
            " together; on machines without a GPU start them as ACCELERATE_USE_CPU=true accelerate"
            " launch --multi_gpu ..."
        )
    optimizer = torch.optim.AdamW(
        _groups(model, plan.weight_decay), lr=plan.learning_rate, betas=(0.9, 0.98), fused=True
    )
    learner, optimizer = accelerator.prepare(Learner(model, objective), optimizer)
    run = _Run(accelerator, learner, optimizer, sequences, plan, seed, validate)
    store = (
        Checkpoint(checkpoint, fingerprint(model, objective, sequences, plan, seed))
        if checkpoint
        else None
    )
    if store and (state := store.load()):
        run.restore(state)
    with torch.random.fork_rng():  # what the caller draws next does not depend on the training
        while not run.over():
            told = run.epoch()
            if store and accelerator.is_main_process:
                store.save(run.state())
            accelerator.wait_for_everyone()
            if on_epoch and accelerator.is_main_process:
                on_epoch(told)
    if run.best:
        model.load_state_dict(run.best["weights"])
    model.eval()
    return run.history


def _precision() -> str | None:
    """bf16 on a GPU that has it; otherwise what ``accelerate launch`` was told (default: none)."""
    return "bf16" if torch.cuda.is_available() and torch.cuda.is_bf16_supported() else None


def _groups(model: nn.Module, weight_decay: float) -> list[dict]:
    """Matrices with weight decay; biases and norms without."""
    parameters = list(model.parameters())
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]


class _Run:
    """A training run between two epochs: everything that changes."""

    def __init__(self, accelerator, learner, optimizer, sequences, plan: Plan, seed: int, validate):
        self.accelerator, self.learner, self.optimizer = accelerator, learner, optimizer
        self.sequences, self.plan, self.seed, self.validate = sequences, plan, seed, validate
        self.inner = accelerator.unwrap_model(learner)
        self.history: list[Epoch] = []
        self.best: dict | None = None
        self.waited = 0  # evaluations since the best one

    def state(self) -> dict:
        """What `restore` needs, as tensors and plain values."""
        told = [asdict(epoch) for epoch in self.history]
        weights, optimizer = self.inner.model.state_dict(), self.optimizer.state_dict()
        return {
            "weights": weights,
            "optimizer": optimizer,
            "history": told,
            "best": self.best,
            "waited": self.waited,
        }

    def restore(self, state: dict) -> None:
        self.inner.model.load_state_dict(state["weights"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.history = [Epoch(**told) for told in state["history"]]
        self.best, self.waited = state["best"], state["waited"]

    def over(self) -> bool:
        return len(self.history) >= self.plan.epochs or bool(
            self.plan.patience and self.waited >= self.plan.patience
        )

    def epoch(self) -> Epoch:
        """One pass over the data, and the evaluation where one is due."""
        number = len(self.history) + 1
        rng = np.random.default_rng([self.seed, number])
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        torch.manual_seed(
            int(rng.integers(2**62)) + self.accelerator.process_index
        )  # dropout and negatives differ between processes
        pieces = windows(self.sequences, self.plan.length, rng)
        groups = batches(pieces, self.plan.batch_tokens, rng)
        start, total, seen = time.perf_counter(), 0.0, 0
        self.learner.train()
        for step, group in enumerate(groups):
            done = (number - 1 + (step + 0.5) / len(groups)) / self.plan.epochs
            for options in self.optimizer.param_groups:
                options["lr"] = self.plan.learning_rate * rate(done, self.plan.warm_up)
            loss, count = self.step([pieces[piece] for piece in group], generator)
            total, seen = total + loss * count, seen + count
        if not seen:
            raise InputError(
                "training: no item can be predicted from these sequences; expected longer ones, or"
                " another objective"
            )
        loss = float(self.accelerator.reduce(total, "sum")) / seen
        if not math.isfinite(loss):
            raise InputError(
                f"training: the loss of epoch {number} is {loss}; try a lower learning_rate than"
                f" {self.plan.learning_rate}"
            )
        before = self.history[-1] if self.history else Epoch(0, 0.0, 0.0, 0)
        seconds, predictions = (
            before.seconds + time.perf_counter() - start,
            before.predictions + seen,
        )
        self.history.append(Epoch(number, loss, seconds, predictions, self.evaluate(number)))
        return self.history[-1]

    def step(self, pieces: list[np.ndarray], generator: torch.Generator) -> tuple[Tensor, int]:
        """One step on one batch; returns this process's part of the loss, and the predictions of
        all processes.
        """
        accelerator = self.accelerator
        whole = self.inner.corrupt(
            padded(pieces, self.inner.model.vocabulary.pad), generator
        )  # the same in every process
        counts = [len(batch.labels) for batch in whole]
        mine = [
            batch.share(accelerator.process_index, accelerator.num_processes).to(accelerator.device)
            for batch in whole
        ]
        self.optimizer.zero_grad()
        loss = self.learner(mine, counts)
        accelerator.backward(
            loss * accelerator.num_processes
        )  # gradients are averaged over the processes, the loss is a sum over them
        accelerator.clip_grad_norm_(self.learner.parameters(), self.plan.clip)
        self.optimizer.step()
        return loss.detach(), counts[0]

    def evaluate(self, number: int) -> float | None:
        """Validation NDCG@10 where it is due, the same in every process; the best weights are kept."""
        if self.validate is None or (
            number % self.plan.evaluate_every and number < self.plan.epochs
        ):
            return None
        from accelerate.utils import broadcast_object_list

        self.learner.eval()
        ndcg = [float(self.validate()) if self.accelerator.is_main_process else 0.0]
        broadcast_object_list(ndcg)
        if self.best is None or ndcg[0] > self.best["ndcg"]:
            weights = {
                name: value.detach().clone()
                for name, value in self.inner.model.state_dict().items()
            }
            self.best, self.waited = {"ndcg": ndcg[0], "weights": weights}, 0
        else:
            self.waited += 1
        return ndcg[0]
