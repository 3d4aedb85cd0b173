"""Masked modelling: some items are hidden, and all others, on both sides, help to guess them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator, Tensor

from tutorial_lib.errors import InputError, check_number
from tutorial_lib.objectives.batch import Batch, Vocabulary, all_see_all, lengths, place_shares
from tutorial_lib.objectives.losses import Loss, Softmax


@dataclass(frozen=True)
class Masked:
    """Masked language modelling (MLM), the cloze task.

        L = - sum_{x in M(X)} log p(x | X_{\\M(X)})

    Source: Devlin et al. 2019 (BERT); Sun et al. 2019 (BERT4Rec, arXiv 1904.06690).

    Args:
        ratio: Share of items that become targets.
        keep: What stands in a target's place: "mask" always [MASK] (BERT4Rec's code), "80/10/10"
            [MASK], a random item, or the item itself (BERT's paper). Only with "mask" is the label
            certainly hidden.
        last: Share of sequences that are cut at a random place, and whose only target is then the
            last item, as when recommending (BERT4Rec's extra samples, there at the end of the
            sequence only). Both defaults were chosen on validation targets of MovieLens-100K
            (benchmarks/sequence_models.py).
        loss: One of `losses`.

    >>> masked, some = Masked(ratio=0.01, last=1.0), torch.tensor([[5, 7, 2]])
    >>> batch = masked.corrupt(some, Vocabulary(10), Generator().manual_seed(0))
    >>> batch.tokens.tolist(), batch.labels.tolist()
    ([[11, 10, 10]], [5])
    """

    ratio: float = 0.2
    keep: str = "mask"
    last: float = 0.5
    loss: Loss = Softmax()
    name: ClassVar[str] = "masked"
    head: ClassVar[str] = "items"

    def __post_init__(self) -> None:
        check_number("Masked", "(0, 1]", ratio=self.ratio)
        check_number("Masked", "[0, 1]", last=self.last)
        if self.keep not in ("mask", "80/10/10"):
            raise InputError(f"Masked(keep={self.keep!r}): expected 'mask' or '80/10/10'")

    def corrupt(self, sequences: Tensor, vocabulary: Vocabulary, generator: Generator) -> Batch:
        target = place_shares(sequences, vocabulary, self.ratio, generator)
        only_last = torch.rand(len(sequences), 1, generator=generator) < self.last
        size = lengths(sequences, vocabulary)[:, None]
        place = torch.arange(sequences.shape[1])
        end = (torch.rand(size.shape, generator=generator) * size).long()
        target = torch.where(only_last, (place == end) & (place < size), target)
        sequences = sequences.masked_fill(only_last & (place > end), vocabulary.pad)
        shown = torch.full_like(sequences, vocabulary.mask)
        if self.keep == "80/10/10":
            draw = torch.rand(sequences.shape, generator=generator)
            other = torch.randint(vocabulary.n_items, sequences.shape, generator=generator)
            shown = torch.where(draw < 0.1, other, torch.where(draw < 0.2, sequences, shown))
        rows, steps = target.nonzero(as_tuple=True)
        tokens = torch.where(target, shown, sequences)
        visible = all_see_all(tokens, vocabulary)
        return Batch(tokens, False, rows, steps, sequences[rows, steps], visible)

    def query(self, histories: Tensor, vocabulary: Vocabulary) -> Batch:
        last = lengths(histories, vocabulary)
        tokens = torch.cat([histories, torch.full_like(histories[:, :1], vocabulary.pad)], dim=1)
        rows = torch.arange(len(tokens))
        tokens[rows, last] = vocabulary.mask
        visible = all_see_all(tokens, vocabulary)
        return Batch(tokens, False, rows, last, torch.zeros_like(last), visible)
