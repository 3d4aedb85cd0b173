"""What turns the tokens of IDs into vectors of items, and hidden states into tokens of IDs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from tutorial_lib.models.sequence import Dropout
from tutorial_lib.objectives.batch import SPECIAL


class FeedForward(nn.Module):
    """x + narrow(gelu(widen(norm(x)))), as in a block of the Transformer."""

    def __init__(self, width: int, expansion: int, dropout: float):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.widen = nn.Linear(width, expansion * width)
        self.narrow = nn.Linear(expansion * width, width)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.dropout(self.narrow(F.gelu(self.widen(self.norm(x)))))


class IdReader(nn.Embedding):
    """The vector of an item, made of the vectors of its tokens: items of equal tokens read alike,
    and an item that nobody has chosen yet has a vector too.

    Args:
        tokens: int [n_items, depth], each place in a range of its own.
        n_tokens: Of all places.
        width: Of a vector.
        expansion: Of the feed-forward network that mixes tokens.
    """

    def __init__(self, tokens: Tensor, n_tokens: int, width: int, expansion: int):
        super().__init__(n_tokens + len(SPECIAL), width)
        nn.init.normal_(self.weight, std=width**-0.5)
        self.register_buffer("tokens", tokens)
        self.mix = FeedForward(width, expansion, dropout=0.0)

    def forward(self, items: Tensor) -> Tensor:
        """int [B, L] of items and special tokens -> [B, L, D]."""
        codes, place = items.unique(return_inverse=True)  # each item is mixed once
        n_items, depth = self.tokens.shape
        known = codes[codes < n_items]
        of_items = F.embedding(self.tokens[known], self.weight).sum(dim=1) * depth**-0.5
        special = self.weight[codes[len(known) :] - n_items + len(self.weight) - len(SPECIAL)]
        return F.embedding(place, torch.cat([self.mix(of_items), special]))


class IdWriter(nn.Module):
    """The next token of an ID, from a hidden state h and the tokens that are written already:

        p(c_d | h, c_1 .. c_{d-1}) = softmax over the tokens of place d of
            norm(f(h + v(c_1) + ... + v(c_{d-1}))) . w(c_d) + b(c_d),   f a feed-forward network.

    TIGER writes with a whole Transformer decoder; here all that a token depends on is one state, so
    that a step of a beam costs two small matrix products and nothing has to be cached.
    """

    def __init__(self, tokens: Tensor, sizes: Sequence[int], width: int, expansion: int):
        super().__init__()
        self.register_buffer("tokens", tokens)
        self.starts = np.cumsum([0, *sizes]).tolist()
        self.written = nn.Embedding(self.starts[-1], width)  # v
        self.vectors = nn.Embedding(self.starts[-1], width)  # w
        self.bias = nn.Parameter(torch.zeros(self.starts[-1]))
        self.mix = FeedForward(width, expansion, dropout=0.1)
        self.norm = nn.LayerNorm(width)
        nn.init.normal_(self.vectors.weight, std=width**-0.5)

    def log_probabilities(self, prefix: Tensor, place: int) -> Tensor:
        """Of every token at a place: [..., D] -> [..., sizes[place]].

        Args:
            prefix: Hidden state plus the vectors of the tokens before.
            place: 0 for the first token.
        """
        rows = slice(self.starts[place], self.starts[place + 1])
        logits = F.linear(self.norm(self.mix(prefix)), self.vectors.weight[rows], self.bias[rows])
        return logits.log_softmax(dim=-1)

    def forward(self, hidden, items, bias, labels, n_items, contexts=None) -> Tensor:
        """The `Loss` of M predictions: minus the log-probability of the labels' IDs."""
        tokens = self.tokens[labels]  # [M, depth]
        prefix, total = hidden, hidden.new_zeros(())
        for place, token in enumerate(tokens.unbind(dim=1)):
            logp = self.log_probabilities(prefix, place)
            total = total + F.nll_loss(logp, token - self.starts[place], reduction="sum")
            prefix = prefix + self.written(token)
        return total
