"""From histories to batches: windows of similar length, padded to rectangles, and the `Batch` that
an objective makes of them: corrupted tokens, who may see whom, and what is to be predicted where.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

# their codes follow those of the items: n_items, n_items + 1, ...
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


def padded(pieces: Sequence[Sequence[int]], pad: int) -> Tensor:
    """int64 [B, T], padded on the right; at least one column."""
    sizes = np.array([len(piece) for piece in pieces])
    out = np.full((len(pieces), max(1, sizes.max(initial=0))), pad, dtype=np.int64)
    out[np.arange(out.shape[1]) < sizes[:, None]] = np.concatenate(
        [np.asarray(piece, dtype=np.int64) for piece in pieces]
    )
    return torch.from_numpy(out)


@dataclass(frozen=True)
class Vocabulary:
    """The codes of a model's tokens: items 0..n_items-1, then the special ones.

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

    tokens: int [B, L], padded on the right.
    causal: token i sees tokens 0..i; otherwise ``visible`` says what it sees.
    visible: bool [B, 1 or L, L], True where token i (row) may look at token j (column); None with
        ``causal``, or where all see all.
    positions: int [B, L], place of each token in its sequence; None: 0, 1, 2, ...
    rows, steps: int [M]; prediction m is read from the hidden state of token ``steps[m]`` of
        sequence ``rows[m]``.
    labels: item codes int [M], or 0/1 float [M] for a yes/no question.
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
        if self.causal:
            return torch.ones(length, length, dtype=torch.bool).tril().expand(n, -1, -1)
        return (
            torch.ones(n, length, length, dtype=torch.bool)
            if self.visible is None
            else self.visible.expand(n, length, length)
        )

    def contexts(self, pad: int, start: int = 0, stop: int | None = None) -> Tensor:
        """The tokens that prediction m may see, the others replaced by ``pad``: int [stop - start,
        L] for m in start..stop.
        """
        rows, steps = self.rows[start:stop], self.steps[start:stop]
        tokens = self.tokens[rows]
        if self.causal:
            seen = torch.arange(tokens.shape[1], device=tokens.device) <= steps[:, None]
        elif self.visible is None:
            return tokens
        else:
            seen = self.visible[
                rows, steps if self.visible.shape[1] > 1 else torch.zeros_like(steps)
            ]
        return torch.where(seen, tokens, pad)

    def share(self, part: int, parts: int) -> Batch:
        """Every ``parts``-th sequence from ``part`` on, for one of several processes; a part
        without a sequence predicts nothing.
        """
        if parts == 1:
            return self
        chosen, mine = torch.arange(len(self.tokens))[part::parts], self.rows % parts == part
        place = self.rows[mine] // parts
        chosen = chosen if len(chosen) else torch.zeros(1, dtype=torch.long)
        cut = {
            name: value[chosen]
            for name in ("tokens", "visible", "positions")
            if (value := getattr(self, name)) is not None
        }
        return replace(self, rows=place, steps=self.steps[mine], labels=self.labels[mine], **cut)

    def to(self, device) -> Batch:
        moved = {
            name: value.to(device, non_blocking=True)
            for name, value in vars(self).items()
            if isinstance(value, Tensor)
        }
        return replace(self, **moved)


class Objective(Protocol):
    """What is predicted from what. ``head``: "items", or the name of a yes/no question about a
    token or a sequence.
    """

    name: str
    head: str

    def corrupt(
        self, sequences: Tensor, vocabulary: Vocabulary, generator: torch.Generator
    ) -> Batch:
        """From clean sequences (int [B, T], padded on the right) to what the model reads and must
        predict.
        """
        ...

    def query(self, histories: Tensor, vocabulary: Vocabulary) -> Batch:
        """The batch whose predictions are the next item of each history (int [B, T], padded on the
        right; labels mean nothing).
        """
        ...


def parts_of(objective) -> tuple[tuple[Objective, float], ...]:
    """The single objectives of a `Joint` with their weights; any other objective is its own only
    part.
    """
    return getattr(objective, "parts", ((objective, 1.0),))


def lengths(sequences: Tensor, vocabulary: Vocabulary) -> Tensor:
    """Number of tokens before the padding: int [B]."""
    return (sequences != vocabulary.pad).sum(dim=1)


def with_start(sequences: Tensor, vocabulary: Vocabulary) -> Tensor:
    """The same with [START] before the first token: [B, T + 1]."""
    return torch.cat([torch.full_like(sequences[:, :1], vocabulary.start), sequences], dim=1)


def all_see_all(tokens: Tensor, vocabulary: Vocabulary) -> Tensor | None:
    """``visible`` of a bidirectional model: everything but padding; None where nothing is padded."""
    real = tokens != vocabulary.pad
    return None if bool(real.all()) else real[:, None, :]


def place_shares(
    sequences: Tensor, vocabulary: Vocabulary, share: float, generator: torch.Generator
) -> Tensor:
    """A random ``share`` of the real positions of each sequence, at least one of each: bool [B, T]."""
    real = sequences != vocabulary.pad
    draw = torch.rand(sequences.shape, generator=generator).masked_fill(~real, 2.0)
    chosen = draw < share
    chosen[torch.arange(len(draw)), draw.argmin(dim=1)] = (
        True  # a sequence without a target would teach nothing
    )
    return chosen & real
