"""Yes/no questions about a sequence, asked beside a main objective: replaced token, next segment,
rearranged sequence.

Their loss is the binary cross-entropy -y log p - (1 - y) log(1 - p); none of them can recommend by
itself, so they are joined with an objective that predicts items (`Joint`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator, Tensor

from tutorial_lib.errors import InputError, check_number
from tutorial_lib.objectives.batch import (
    Batch,
    Objective,
    Vocabulary,
    all_see_all,
    lengths,
    place_shares,
    with_start,
)


@dataclass(frozen=True)
class ReplacedToken:
    """Replaced token detection (RTD): which of the items are not the original ones?

        L = - sum_t log p(y_t | x~),   y_t = 1 if x~_t = x_t else 0

    A draw that hits the original counts as original.
    Source: Clark et al. 2020 (ELECTRA, arXiv 2003.10555), whose generator is replaced by a draw
        from the items of the batch, so that frequent items stand in as often as they occur.

    Args:
        ratio: Share of positions that are drawn anew.
    """

    ratio: float = 0.3
    name: ClassVar[str] = "replaced token"
    head: ClassVar[str] = "replaced"

    def __post_init__(self) -> None:
        check_number("ReplacedToken", "(0, 1]", ratio=self.ratio)

    def corrupt(self, sequences: Tensor, vocabulary: Vocabulary, generator: Generator) -> Batch:
        real = sequences != vocabulary.pad
        pool = sequences[real]
        drawn = pool[torch.randint(len(pool), sequences.shape, generator=generator)]
        replaced = place_shares(sequences, vocabulary, self.ratio, generator)
        tokens = torch.where(replaced, drawn, sequences)
        rows, steps = real.nonzero(as_tuple=True)
        labels = (tokens == sequences)[rows, steps].float()
        return Batch(tokens, False, rows, steps, labels, all_see_all(tokens, vocabulary))


@dataclass(frozen=True)
class NextSegment:
    """Next sentence prediction (NSP) on histories: does the second segment continue the first?

        L = - log p(c | x, y),   c = 1 if y follows x else 0

    Each history is cut at a random place; half of the second segments come from another user
    (c = 0). The model reads [START] x [SEP] y.
    Source: Devlin et al. 2019 (BERT, arXiv 1810.04805).
    """

    name: ClassVar[str] = "next segment"
    head: ClassVar[str] = "continues"

    def corrupt(self, sequences: Tensor, vocabulary: Vocabulary, generator: Generator) -> Batch:
        n, width = sequences.shape
        size = lengths(sequences, vocabulary)
        # 1..size-1 items in the first segment
        cut = 1 + (torch.rand(n, generator=generator) * (size - 1)).long()
        other = (torch.arange(n) + torch.randint(1, max(n, 2), (n,), generator=generator)) % n
        swapped = (torch.rand(n, generator=generator) < 0.5) & (other != torch.arange(n))
        source = torch.where(swapped, other, torch.arange(n))
        place = torch.arange(width + 2)[None, :].expand(n, -1)
        # place in the sequence that gives the second segment
        after = place - cut[:, None] - 2 + cut[source][:, None]
        following = sequences[source[:, None], after.clamp(0, width - 1)]
        second = torch.where(after < size[source][:, None], following, vocabulary.pad)
        first = sequences.gather(1, (place - 1).clamp(0, width - 1))
        tokens = torch.where(place <= cut[:, None], first, second)
        tokens = torch.where(place == cut[:, None] + 1, vocabulary.separator, tokens)
        tokens[:, 0] = vocabulary.start
        return _at_start(tokens, (~swapped).float(), vocabulary)


@dataclass(frozen=True)
class Rearranged:
    """Rearrange sequence prediction (RSP): has this history been rearranged?

        L = - log p(y | x'),   y = 1 if x' is a rearranged history, else 0

    One answer per sequence, read at [START]: a classifier like `NextSegment`, although the survey
    calls it similar to `Permuted`, which predicts items.
    Source: Zhao 2022 (RESETBERT4Rec, SIGIR).

    Args:
        share: Of the histories that are shuffled.
    """

    share: float = 0.5
    name: ClassVar[str] = "rearranged"
    head: ClassVar[str] = "rearranged"

    def __post_init__(self) -> None:
        check_number("Rearranged", "[0, 1]", share=self.share)

    def corrupt(self, sequences: Tensor, vocabulary: Vocabulary, generator: Generator) -> Batch:
        n = len(sequences)
        key = torch.rand(sequences.shape, generator=generator)
        key = key.masked_fill(sequences == vocabulary.pad, 2.0)  # padding stays at the end
        shuffled = sequences.gather(1, key.argsort(dim=1))
        changed = torch.rand(n, 1, generator=generator) < self.share
        tokens = torch.where(changed, shuffled, sequences)
        # a shuffle that changes nothing is not a rearrangement
        labels = (tokens != sequences).any(dim=1).float()
        return _at_start(with_start(tokens, vocabulary), labels, vocabulary)


def _at_start(tokens: Tensor, labels: Tensor, vocabulary: Vocabulary) -> Batch:
    """One question per sequence, answered at [START]."""
    rows = torch.arange(len(tokens))
    visible = all_see_all(tokens, vocabulary)
    return Batch(tokens, False, rows, torch.zeros_like(rows), labels, visible)


@dataclass(frozen=True)
class Joint:
    """A main objective that predicts items, and others beside it, each a mean over its predictions.

        L = L_main + sum_i weight_i L_i

    RESETBERT4Rec is ``Joint(Masked(), (Rearranged(),), (0.1,))``.
    """

    main: Objective
    others: tuple[Objective, ...]
    weights: tuple[float, ...]
    head: ClassVar[str] = "items"

    def __post_init__(self) -> None:
        # a Joint has no corrupt: there is no Joint within a Joint
        single = all(hasattr(part, "corrupt") for part in (self.main, *self.others))
        if not single or self.main.head != "items" or len(self.others) != len(self.weights):
            raise InputError(
                "Joint: expected a main objective that predicts items, other single objectives, and"
                " one weight for each of these"
            )
        for weight in self.weights:
            check_number("Joint", "[0, inf)", weight=weight)

    @property
    def name(self) -> str:
        return " + ".join(objective.name for objective in (self.main, *self.others))

    @property
    def parts(self) -> tuple[tuple[Objective, float], ...]:
        return ((self.main, 1.0), *zip(self.others, self.weights, strict=True))

    def query(self, histories: Tensor, vocabulary: Vocabulary) -> Batch:
        return self.main.query(histories, vocabulary)
