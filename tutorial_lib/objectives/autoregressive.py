"""Objectives that factorise a sequence: auto-regressive, partially auto-regressive, permuted, and
gap filling.

X_{<t} is what stands before position t, X_{\\M} what is not in the set of positions M. Sums run
over the predicted positions; a training step divides by their number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator, Tensor

from tutorial_lib.errors import InputError, check_number, check_whole
from tutorial_lib.objectives.batch import Batch, Vocabulary, lengths, place_shares, with_start
from tutorial_lib.objectives.losses import Loss, Softmax


@dataclass(frozen=True)
class Autoregressive:
    """Auto-regressive modelling (AM): each item from all items before it.

        L = - sum_{t=1..T} log p(x_t | X_{<t})

    Source: Liu et al. 2023 (arXiv 2302.03735), eq. 1; the survey prints X_{<t-1}, which is
        ``lag=2`` here: the item just before the target is then hidden, so the product over t does
        not factorise p(X). SASRec (Kang & McAuley 2018), GPT.

    Args:
        lag: Distance from the newest visible item to the target.
        segments: Cut each history into segments of this mean length and put them in random order,
            anew each time (0: never). Steps inside a segment stay as they are, so the model still
            learns which item follows which, but cannot memorise whole histories. Helps where the
            distant past is a set rather than a sequence.
        loss: One of `losses`.

    >>> batch = Autoregressive().corrupt(torch.tensor([[5, 7, 2]]), Vocabulary(10), Generator())
    >>> batch.tokens.tolist(), batch.labels.tolist()
    ([[12, 5, 7]], [5, 7, 2])
    """

    lag: int = 1
    segments: float = 0.0
    loss: Loss = Softmax()
    name: ClassVar[str] = "autoregressive"
    head: ClassVar[str] = "items"

    def __post_init__(self) -> None:
        check_whole("Autoregressive", 1, lag=self.lag)
        if self.segments != 0:
            check_number("Autoregressive", "[1, inf)", segments=self.segments)

    def corrupt(self, sequences: Tensor, vocabulary: Vocabulary, generator: Generator) -> Batch:
        if self.segments:
            sequences = _segments_shuffled(sequences, self.segments, vocabulary, generator)
        length = sequences.shape[1] + 1 - self.lag
        read = with_start(sequences, vocabulary)[:, :length]
        labels = sequences[:, self.lag - 1 :]
        rows, steps = (labels != vocabulary.pad).nonzero(as_tuple=True)
        return Batch(read, True, rows, steps, labels[rows, steps])

    def query(self, histories: Tensor, vocabulary: Vocabulary) -> Batch:
        last = lengths(histories, vocabulary)  # [START] shifts all by one
        rows = torch.arange(len(histories))
        return Batch(with_start(histories, vocabulary), True, rows, last, torch.zeros_like(last))


def _segments_shuffled(
    sequences: Tensor, mean_length: float, vocabulary: Vocabulary, generator: Generator
) -> Tensor:
    """The same items, cut before each with probability 1 / mean_length, the segments in random
    order: int [B, T].
    """
    begins = torch.rand(sequences.shape, generator=generator) < 1 / mean_length
    segment = begins.cumsum(dim=1)  # number of each item's segment
    key = torch.rand(len(sequences), sequences.shape[1] + 1, generator=generator).gather(1, segment)
    key = key.masked_fill(sequences == vocabulary.pad, 2.0)  # padding stays at the end
    return sequences.gather(1, key.argsort(dim=1, stable=True))


@dataclass(frozen=True)
class PartiallyAutoregressive:
    """Partially auto-regressive modelling (PAM): hidden positions block by block, each from what is
    visible and the blocks before it.

        L = - E_M sum_i sum_{m in M_i} log p(x_m | X_{\\M_{>=i}})

    M = M_1, M_2, ... is a partition of the hidden positions. With ``block=1,
    order="left-to-right", ratio=1`` every M_i is one position and the sum is that of AM.
    A hidden item stays in the input, for the blocks after its own; what predicts it is a query, a
    [MASK] with its position appended at the end, which sees no item of its own block or a later
    one. That is also XLNet's second stream.
    Source: Bao et al. 2020 (UniLMv2, arXiv 2002.12804).

    Args:
        ratio: Share of hidden positions.
        block: Mean number of positions in a block, neighbours among the hidden ones.
        order: Of the blocks, "random" or "left-to-right".
        loss: One of `losses`.
    """

    ratio: float = 0.3
    block: float = 2.0
    order: str = "random"
    loss: Loss = Softmax()
    name: ClassVar[str] = "partially autoregressive"
    head: ClassVar[str] = "items"

    def __post_init__(self) -> None:
        check_number(type(self).__name__, "(0, 1]", ratio=self.ratio)
        check_number(type(self).__name__, "[1, inf)", block=self.block)
        if self.order not in ("random", "left-to-right"):
            raise InputError(
                f"{type(self).__name__}(order={self.order!r}): expected 'random' or 'left-to-right'"
            )

    def ranks(self, hidden: Tensor, generator: Generator) -> Tensor:
        """0 for what is not hidden, i for the positions of block M_i: int [B, T]."""
        begins = hidden & (torch.rand(hidden.shape, generator=generator) < 1 / self.block)
        begins |= hidden & (hidden.cumsum(dim=1) == 1)
        number = begins.cumsum(dim=1)  # of the block, counted from the left
        if self.order == "random":
            # any distinct numbers: only their order counts
            shuffled = torch.rand(hidden.shape, generator=generator).argsort(dim=1).argsort(dim=1)
            number = 1 + shuffled.gather(1, (number - 1).clamp(min=0))
        return number * hidden

    def corrupt(self, sequences: Tensor, vocabulary: Vocabulary, generator: Generator) -> Batch:
        hidden = place_shares(sequences, vocabulary, self.ratio, generator)
        return self.ask(sequences, hidden, self.ranks(hidden, generator), vocabulary)

    def ask(
        self, sequences: Tensor, hidden: Tensor, ranks: Tensor, vocabulary: Vocabulary
    ) -> Batch:
        """The batch for given hidden positions (bool [B, T]) and block numbers (int [B, T])."""
        n, length = sequences.shape
        width = int(hidden.sum(dim=1).max())
        at = torch.argsort(~hidden, dim=1, stable=True)[:, :width]  # position of each query [B, Q]
        real = hidden.gather(1, at)
        start = torch.zeros(n, 1, dtype=torch.long)
        queries = torch.where(real, vocabulary.mask, vocabulary.pad)
        tokens = torch.cat([with_start(sequences, vocabulary), queries], dim=1)
        positions = torch.cat([start, torch.arange(1, length + 1).expand(n, -1), at + 1], dim=1)
        rank = torch.cat([start, ranks], dim=1)  # [START] is never hidden
        # content sees its own block, a query only those before
        limit = torch.cat([rank, ranks.gather(1, at) - 1], dim=1)
        content = tokens[:, None, : length + 1] != vocabulary.pad
        visible = torch.eye(length + 1 + width, dtype=torch.bool).repeat(n, 1, 1)
        visible[:, :, : length + 1] |= (rank[:, None, :] <= limit[:, :, None]) & content
        rows, query = real.nonzero(as_tuple=True)
        labels = sequences[rows, at[rows, query]]
        return Batch(tokens, False, rows, query + length + 1, labels, visible, positions)

    def query(self, histories: Tensor, vocabulary: Vocabulary) -> Batch:
        with_next = torch.cat([histories, torch.full_like(histories[:, :1], vocabulary.pad)], dim=1)
        last = lengths(histories, vocabulary)
        with_next[torch.arange(len(histories)), last] = vocabulary.mask  # no query sees it
        hidden = torch.arange(with_next.shape[1]) == last[:, None]
        return self.ask(with_next, hidden, hidden.long(), vocabulary)


@dataclass(frozen=True)
class Permuted(PartiallyAutoregressive):
    """Permuted language modelling: one random order z of all positions, each item from those before
    it in z.

        L = - E_z sum_t log p(x_{z_t} | X_{z_<t})

    Not to be confused with `Rearranged`, which asks one yes/no question about a whole sequence.
    Source: Yang et al. 2019 (XLNet, arXiv 1906.08237).
    """

    ratio: float = 1.0
    block: float = 1.0
    name: ClassVar[str] = "permuted"


@dataclass(frozen=True)
class GapFilling(PartiallyAutoregressive):
    """Gap filling: hidden items from left to right, each from everything that is not hidden, future
    included, and the gaps filled so far.

        L = - E_M sum_{m in M} log p(x_m | X_{\\M}, X_{<m})

    Source: Yuan et al. 2020 (GRec, arXiv 1906.04473). Its encoder reads both sides of the gaps, its
        decoder must not see the gap that it fills; here one network plays both parts: the items
        are the encoder's input, the queries the decoder's.
    """

    ratio: float = 0.3
    block: float = 1.0
    order: str = "left-to-right"
    name: ClassVar[str] = "gap filling"
