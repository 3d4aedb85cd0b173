"""From histories to batches: windows of similar length, padded to rectangles, and the `Batch` that
an objective makes of them: corrupted tokens, who may see whom, and what is to be predicted where.
`Learner` joins a model and an objective: batches go in, a loss comes out.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Generator, Tensor

from tutorial_lib.objectives.losses import Loss

SPECIAL = ("[PAD]", "[MASK]", "[START]", "[SEP]")


def windows(
    sequences: Sequence[np.ndarray], length: int, rng: np.random.Generator
) -> list[np.ndarray]:
    """Histories in pieces of at most ``length`` items; longer ones are cut at random places.

    >>> [w.tolist() for w in windows([np.arange(3), np.arange(7)], 5, np.random.default_rng(0))]
    [[0, 1, 2], [2, 3, 4, 5, 6], [0, 1]]
    """
    pieces = []
    for sequence in sequences:
        if len(sequence) <= length:
            pieces.append(sequence)
            continue
        stops = np.arange(len(sequence) - 1 - rng.integers(length), 0, -length)
        pieces += [sequence[max(0, stop - length) : stop] for stop in (len(sequence), *stops)]
    return [piece for piece in pieces if len(piece)]


def batches(pieces: Sequence[np.ndarray], tokens: int, rng: np.random.Generator) -> list[list[int]]:
    """Numbers of the pieces in each batch, in random order: pieces of similar length together, at
    most ``tokens`` items per batch, padding included.
    """
    sizes = np.array([len(piece) for piece in pieces])
    # a little noise, so that neighbours differ from epoch to epoch
    order = np.argsort(sizes * rng.uniform(0.95, 1.05, len(sizes)), kind="stable")
    groups: list[list[int]] = [[]]
    widest = 0
    for piece in order:
        widest = max(widest, sizes[piece])
        if groups[-1] and (len(groups[-1]) + 1) * widest > tokens:
            groups.append([])
            widest = sizes[piece]
        groups[-1].append(int(piece))
    return [groups[number] for number in rng.permutation(len(groups))]


def padded(pieces: Sequence[Sequence[int] | np.ndarray], pad: int) -> Tensor:
    """int64 [B, T], padded on the right; at least one column."""
    sizes = np.array([len(piece) for piece in pieces])
    out = np.full((len(pieces), max(1, sizes.max(initial=0))), pad, dtype=np.int64)
    out[np.arange(out.shape[1]) < sizes[:, None]] = np.concatenate(
        [np.asarray(piece, dtype=np.int64) for piece in pieces]
    )
    return torch.from_numpy(out)


@dataclass(frozen=True)
class Vocabulary:
    """The codes of a model's tokens: items 0..n_items-1, then those of `SPECIAL`.

    >>> Vocabulary(600).mask, Vocabulary(600).size
    (601, 604)
    """

    n_items: int

    @property
    def pad(self) -> int:
        return self.n_items

    @property
    def mask(self) -> int:
        return self.n_items + 1

    @property
    def start(self) -> int:
        return self.n_items + 2

    @property
    def separator(self) -> int:
        return self.n_items + 3

    @property
    def size(self) -> int:
        return self.n_items + len(SPECIAL)


@dataclass(frozen=True)
class Batch:
    """A batch as the model reads it, B sequences of L tokens, and its M predictions.

    Args:
        tokens: int [B, L], padded on the right.
        causal: Token i sees tokens 0..i; otherwise ``visible`` says what it sees.
        rows: int [M], the sequence that each prediction is about.
        steps: int [M], the token whose hidden state it is read from.
        labels: Item codes, int [M], or 0/1, float [M], for a yes/no question.
        visible: bool [B, 1 or L, L], True where token i (row) may look at token j (column); None
            with ``causal``, or where all see all.
        positions: int [B, L], place of each token in its sequence; None: 0, 1, 2, ...
    """

    tokens: Tensor
    causal: bool
    rows: Tensor
    steps: Tensor
    labels: Tensor
    visible: Tensor | None = None
    positions: Tensor | None = None

    def sees(self) -> Tensor:
        """Who sees whom, written out: bool [B, L, L]."""
        n, length = self.tokens.shape
        if self.visible is not None:
            return self.visible.expand(n, length, length)
        everything = torch.ones(n, length, length, dtype=torch.bool)
        return everything.tril() if self.causal else everything

    def contexts(self, pad: int, start: int = 0, stop: int | None = None) -> Tensor:
        """The tokens that each of the predictions start..stop may see, ``pad`` in place of the
        others: int [stop - start, L].
        """
        rows, steps = self.rows[start:stop], self.steps[start:stop]
        tokens = self.tokens[rows]
        if self.causal:
            seen = torch.arange(tokens.shape[1], device=tokens.device) <= steps[:, None]
        elif self.visible is None:
            return tokens
        else:
            seen = self.visible.expand(-1, tokens.shape[1], -1)[rows, steps]
        return torch.where(seen, tokens, pad)

    def share(self, part: int, parts: int) -> Batch:
        """Every ``parts``-th sequence from ``part`` on, for one of several processes."""
        if parts == 1:
            return self
        chosen = torch.arange(part, max(len(self.tokens), part + 1), parts)
        chosen = chosen % len(self.tokens)  # more parts than sequences: read one, predict nothing
        mine = self.rows % parts == part
        return Batch(
            self.tokens[chosen],
            self.causal,
            self.rows[mine] // parts,
            self.steps[mine],
            self.labels[mine],
            None if self.visible is None else self.visible[chosen],
            None if self.positions is None else self.positions[chosen],
        )

    def to(self, device) -> Batch:
        moved = {
            name: value.to(device, non_blocking=True)
            for name, value in vars(self).items()
            if isinstance(value, Tensor)
        }
        return replace(self, **moved)


class Objective(Protocol):
    """What is predicted from what.

    ``head`` is "items", or the name of a yes/no question about a token or a sequence; ``loss`` and
    ``query`` are those of objectives that predict items.
    """

    @property
    def name(self) -> str: ...

    @property
    def head(self) -> str: ...

    @property
    def loss(self) -> Loss: ...

    def corrupt(self, sequences: Tensor, vocabulary: Vocabulary, generator: Generator) -> Batch:
        """From sequences (int [B, T], padded) to what the model reads and must predict."""
        ...

    def query(self, histories: Tensor, vocabulary: Vocabulary) -> Batch:
        """The batch whose predictions are the next items of histories (int [B, T], padded)."""
        ...


def parts_of(objective: Objective) -> tuple[tuple[Objective, float], ...]:
    """The objectives of a `Joint` with their weights; any other objective is its own only part."""
    return getattr(objective, "parts", ((objective, 1.0),))


class Learner(nn.Module):
    """A model and what it learns: corrupted batches go in, one loss comes out.

    Args:
        model: An `ItemTransformer`, or any module with its attributes and methods.
        objective: One objective, or a `Joint`.
    """

    def __init__(self, model: nn.Module, objective: Objective):
        super().__init__()
        self.model = model
        self.parts = parts_of(objective)

    def corrupt(self, sequences: Tensor, generator: Generator) -> list[Batch]:
        """One batch for each part of the objective."""
        return [part.corrupt(sequences, self.model.vocabulary, generator) for part, _ in self.parts]

    def forward(self, corrupted: list[Batch], counts: list[int]) -> Tensor:
        """Sum over the parts of weight * sum of losses / count, and the model's ``penalty``, if it
        has one; ``counts``: predictions of each part, in all processes together.
        """
        total = torch.zeros(())
        for (part, weight), batch, count in zip(self.parts, corrupted, counts, strict=True):
            total = total + weight / max(count, 1) * self.loss(part, batch)
        return total + getattr(self.model, "penalty", 0.0)

    def loss(self, part: Objective, batch: Batch) -> Tensor:
        """Sum of the losses of one part over its predictions, in nats."""
        model = self.model
        hidden = model.predictions(batch)
        if part.head != "items":
            answers = model.answers(part.head, hidden)
            return F.binary_cross_entropy_with_logits(answers, batch.labels, reduction="sum")
        contexts = functools.partial(batch.contexts, model.vocabulary.pad)
        items, n_items = model.embedding.weight, model.vocabulary.n_items
        return part.loss(hidden, items, model.bias, batch.labels, n_items, contexts)


def lengths(sequences: Tensor, vocabulary: Vocabulary) -> Tensor:
    """Number of tokens before the padding: int [B]."""
    return (sequences != vocabulary.pad).sum(dim=1)


def with_start(sequences: Tensor, vocabulary: Vocabulary) -> Tensor:
    """The same with [START] before the first token: [B, T + 1]."""
    return torch.cat([torch.full_like(sequences[:, :1], vocabulary.start), sequences], dim=1)


def all_see_all(tokens: Tensor, vocabulary: Vocabulary) -> Tensor | None:
    """``visible`` of a bidirectional model: all but padding; None where nothing is padded."""
    real = tokens != vocabulary.pad
    return None if bool(real.all()) else real[:, None, :]


def place_shares(
    sequences: Tensor, vocabulary: Vocabulary, share: float, generator: Generator
) -> Tensor:
    """A random ``share`` of the items of each sequence, at least one of each: bool [B, T]."""
    real = sequences != vocabulary.pad
    draw = torch.rand(sequences.shape, generator=generator).masked_fill(~real, 2.0)
    chosen = draw < share
    # a sequence without a target would teach nothing
    chosen[torch.arange(len(draw)), draw.argmin(dim=1)] = True
    return chosen & real
