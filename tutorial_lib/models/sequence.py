"""A small Transformer over item tokens, causal or bidirectional: the batch says which."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from tutorial_lib.errors import InputError, check_number, check_whole
from tutorial_lib.objectives.batch import SPECIAL, Batch, Vocabulary

ROTARY_BASE = 10_000.0


class Attention(nn.Module):
    """Multi-head self-attention with rotary positions.

    Source: Vaswani et al. 2017; Su et al. 2021 (arXiv 2104.09864).
    """

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.to_qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, phases: Tensor, causal: bool, visible: Tensor | None) -> Tensor:
        B, L, D = x.shape  # batch, length, width
        qkv = self.to_qkv(x).view(B, L, 3, self.heads, D // self.heads)
        q, k, v = qkv.unbind(dim=2)  # each [B, L, heads, D / heads]
        q = rotate(q, phases).transpose(1, 2)  # [B, heads, L, D / heads]
        k = rotate(k, phases).transpose(1, 2)
        v = v.transpose(1, 2)
        mask = visible
        if visible is not None and visible.ndim == 3:
            mask = visible[:, None]  # the same for all heads
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal)
        return self.out(mixed.transpose(1, 2).reshape(B, L, D))


def rotary_phases(positions: Tensor, size: int) -> Tensor:
    """exp(i * position * frequency) for each pair of dimensions: complex [..., size / 2]."""
    frequency = ROTARY_BASE ** (-torch.arange(0, size, 2, device=positions.device) / size)
    angle = positions[..., None].float() * frequency
    return torch.polar(torch.ones_like(angle), angle)


def rotate(x: Tensor, phases: Tensor) -> Tensor:
    """Rotate each pair of dimensions by its phase, so that q·k depends on the distance of two
    positions only: [B, L, heads, size].
    """
    pairs = torch.view_as_complex(x.float().unflatten(-1, (-1, 2)))  # [B, L, heads, size / 2]
    return torch.view_as_real(pairs * phases[..., None, :]).flatten(-2).to(x.dtype)


class Block(nn.Module):
    """Attention, then a feed-forward network, each added to what came in (pre-norm)."""

    def __init__(self, width: int, heads: int, expansion: int, dropout: float):
        super().__init__()
        self.norm_attention = nn.LayerNorm(width)
        self.norm_feed = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.widen = nn.Linear(width, expansion * width)
        self.narrow = nn.Linear(expansion * width, width)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, phases: Tensor, causal: bool, visible: Tensor | None) -> Tensor:
        x = x + self.dropout(self.attention(self.norm_attention(x), phases, causal, visible))
        return x + self.dropout(self.feed(self.norm_feed(x)))

    def feed(self, x: Tensor) -> Tensor:
        return self.narrow(F.gelu(self.widen(x)))


def start_small(network: nn.Module) -> None:
    """Draw the weights of all linear layers with a spread of .02; biases start at 0."""
    for module in network.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


class ItemTransformer(nn.Module):
    """Tokens in, one hidden state per token out; items are scored by their own embedding vectors
    (tied) plus a bias. Causal or bidirectional is a property of the batch, not of the weights.

    Args:
        n_items: Size of the catalogue.
        width: Of the hidden states, a multiple of 2 * heads.
        heads: Of the attention.
        layers: Blocks of attention and feed-forward network.
        expansion: Width of the feed-forward network, as a multiple.
        dropout: Share of hidden numbers set to 0 while training, [0, 1).
        questions: Names of the yes/no questions that some objectives ask; each gets a linear head.

    Source: SASRec (Kang & McAuley 2018), BERT4Rec (Sun et al. 2019); rotary positions stand in
        place of learned ones.
    """

    def __init__(
        self,
        n_items: int,
        width: int = 64,
        heads: int = 2,
        layers: int = 2,
        expansion: int = 4,
        dropout: float = 0.3,
        questions: Iterable[str] = (),
    ):
        super().__init__()
        check_whole("ItemTransformer", 1, 1 << 20, width=width, heads=heads)
        check_whole("ItemTransformer", 1, 1024, layers=layers, expansion=expansion)
        check_number("ItemTransformer", "[0, 1)", dropout=dropout)
        if width % (2 * heads):
            given = f"width={width}, heads={heads}"
            raise InputError(f"ItemTransformer({given}): width must be a multiple of 2 * heads")
        _refuse_too_large(n_items, width, layers, expansion)
        self.vocabulary = Vocabulary(n_items)
        self.head_size = width // heads
        self.embedding = nn.Embedding(self.vocabulary.size, width)
        self.bias = nn.Parameter(torch.zeros(self.vocabulary.size))
        self.blocks = nn.ModuleList(Block(width, heads, expansion, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.dropout = Dropout(dropout)
        self.questions = nn.ModuleDict({name: nn.Linear(width, 1) for name in sorted(questions)})
        start_small(self)
        # so that scores start with a spread of about 1
        nn.init.normal_(self.embedding.weight, std=width**-0.5)

    def forward(self, batch: Batch) -> Tensor:
        """Hidden states: [B, L, D]."""
        tokens, positions = batch.tokens, batch.positions
        if positions is None:
            positions = torch.arange(tokens.shape[1], device=tokens.device)
        phases = rotary_phases(positions, self.head_size)
        scale = math.sqrt(self.embedding.embedding_dim)
        x = self.dropout(self.embedding(tokens) * scale)  # [B, L, D]
        for block in self.blocks:
            x = block(x, phases, batch.causal, batch.visible)
        return self.norm(x)

    def predictions(self, batch: Batch) -> Tensor:
        """The hidden states that the batch's predictions are read from: [M, D]."""
        return self(batch)[batch.rows, batch.steps]

    def item_scores(self, hidden: Tensor) -> Tensor:
        """[M, D] -> [M, n_items]."""
        n = self.vocabulary.n_items
        return torch.addmm(self.bias[:n], hidden, self.embedding.weight[:n].T)

    def answers(self, question: str, hidden: Tensor) -> Tensor:
        """Logits of "yes": [M, D] -> [M]."""
        return self.questions[question](hidden)[:, 0]


class Dropout(nn.Module):
    """Sets a share p of the numbers to 0 and scales up the rest, while training.

    Why not `torch.nn.Dropout`: on a CPU it draws one random number per element, which costs more
    than the matrix products around it. Here one random byte decides, so p is rounded to 1/256, and
    one draw gives 8 bytes.
    """

    def __init__(self, p: float):
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        dropped = min(255, round(self.p * 256))  # of 256 byte values
        if not self.training or dropped == 0:
            return x
        if x.device.type != "cpu":
            return F.dropout(x, self.p)
        words = torch.empty(-(-x.numel() // 8), dtype=torch.int64).random_(-(2**63), None)
        kept = words.view(torch.uint8)[: x.numel()].view(x.shape) >= dropped
        return x * kept.to(x.dtype).mul_(256 / (256 - dropped))


def _refuse_too_large(n_items: int, width: int, layers: int, expansion: int) -> None:
    """InputError where weights, gradients and Adam's two moments would not fit into memory."""
    import psutil

    numbers = (n_items + len(SPECIAL)) * width + layers * (4 + 2 * expansion) * width**2
    needed = 16 * numbers
    there = psutil.virtual_memory().total
    if needed > there:
        raise InputError(
            f"ItemTransformer(width={width}, layers={layers}, expansion={expansion}): training"
            f" takes about {needed >> 30:,} GB of memory, this machine has {there >> 30:,} GB;"
            " expected smaller sizes, such as width=64, layers=2"
        )
