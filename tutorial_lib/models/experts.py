"""Mixture of experts: several feed-forward networks, of which each token passes through one."""

from __future__ import annotations

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from tutorial_lib.errors import check_number, check_whole
from tutorial_lib.models.sequence import Block, ItemTransformer, start_small
from tutorial_lib.models.sequence_recommender import SequenceRecommender
from tutorial_lib.objectives.batch import Batch

BLOCK = ("width", "heads", "expansion", "dropout")


class SwitchFeedForward(nn.Module):
    """A feed-forward layer of several experts; a gate sends each token to the one it rates highest.

    With E experts it holds E times the weights of a dense layer and costs a token as much as one.
    After each call: ``chosen``, the expert of each real token, int [n], and ``balance``, 1 if the
    tokens are spread evenly over the experts, up to E if all go to one.

    Args:
        width: Of the hidden states.
        expansion: Width of each expert, as a multiple.
        experts: How many there are.

    Source: Fedus, Zoph & Shazeer 2022 (arXiv 2101.03961), eq. 1 to 6; no token is dropped here.
    """

    def __init__(self, width: int, expansion: int, experts: int):
        super().__init__()
        self.gate = nn.Linear(width, experts, bias=False)
        self.widen = nn.ModuleList(nn.Linear(width, expansion * width) for _ in range(experts))
        self.narrow = nn.ModuleList(nn.Linear(expansion * width, width) for _ in range(experts))

    def forward(self, x: Tensor, real: Tensor) -> Tensor:
        """[B, L, D], and which tokens are no padding, bool [B, L] -> [B, L, D]."""
        tokens = x[real]  # [n, D]
        chances = self.gate(tokens).softmax(dim=-1)  # [n, E]
        chance, self.chosen = chances.max(dim=-1)
        mixed = torch.zeros_like(tokens)
        for number, (widen, narrow) in enumerate(zip(self.widen, self.narrow, strict=True)):
            rows = torch.nonzero(self.chosen == number)[:, 0]
            mixed[rows] = narrow(F.gelu(widen(tokens[rows])))
        share = F.one_hot(self.chosen, chances.shape[1]).float().mean(dim=0)  # of the tokens
        self.balance = chances.shape[1] * (share * chances.mean(dim=0)).sum()
        out = torch.zeros_like(x)
        # times its chance, so that the gate has a gradient though the choice has none
        out[real] = mixed * chance[:, None]
        return out


class ExpertBlock(Block):
    """A block of an `ExpertTransformer`: attention, then a `SwitchFeedForward`."""

    def __init__(self, width: int, heads: int, expansion: int, dropout: float, experts: int):
        super().__init__(width, heads, expansion, dropout)
        del self.widen, self.narrow
        self.switch = SwitchFeedForward(width, expansion, experts)

    def feed(self, x: Tensor) -> Tensor:
        return self.switch(x, self.real)


class ExpertTransformer(ItemTransformer):
    """An `ItemTransformer` whose feed-forward layers are `SwitchFeedForward`.

    Args:
        n_items: Size of the catalogue.
        experts: In each layer.
        balance: Weight of the load-balance loss.
        **shape: Of `ItemTransformer`.
    """

    def __init__(self, n_items: int, experts: int, balance: float, **shape):
        check_whole("ExpertTransformer", 1, 1024, experts=experts)
        check_number("ExpertTransformer", "[0, inf)", balance=balance)
        super().__init__(n_items, **shape)
        self.weight = balance
        width, heads, expansion, dropout = (shape[name] for name in BLOCK)
        self.blocks = nn.ModuleList(
            ExpertBlock(width, heads, expansion, dropout, experts) for _ in self.blocks
        )
        start_small(self.blocks)

    def forward(self, batch: Batch) -> Tensor:
        for block in self.blocks:
            block.real = batch.tokens != self.vocabulary.pad
        return super().forward(batch)

    @property
    def penalty(self) -> Tensor:
        """What is added to the loss of the batch that was read last."""
        return self.weight * torch.stack([block.switch.balance for block in self.blocks]).sum()


class ExpertRecommender(SequenceRecommender):
    """A `SequenceRecommender` on an `ExpertTransformer`.

    Args:
        experts: In each layer.
        balance: Weight of the load-balance loss.
        **options: Of `SequenceRecommender`.

    >>> from tutorial_lib.data import leave_last_out, load_dataset
    >>> split = leave_last_out(load_dataset("world-news").subset_users(range(40)))
    >>> model = ExpertRecommender(2, width=8, layers=1, epochs=1).fit(split, progress=False)
    >>> model.recommend(split.test_history[:2], k=3).shape
    (2, 3)
    """

    def __init__(self, experts: int = 4, balance: float = 0.01, **options):
        self.experts, self.balance = experts, balance
        super().__init__(**options)

    def _build(self, n_items: int) -> ExpertTransformer:
        return ExpertTransformer(n_items, self.experts, self.balance, **self.shape)
