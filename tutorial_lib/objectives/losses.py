"""How an item prediction is judged: full softmax, sampled softmax, binary cross-entropy with
negatives, gBCE.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tutorial_lib.errors import check_number, check_whole

# A block of logits stays in the cache of one core (1 MB), and memory flat for any catalogue.
LOGITS_AT_ONCE = 1 << 18
FEWEST_ROWS = 32  # fewer make the products slow


class Loss(Protocol):
    """How M item predictions are judged."""

    def __call__(
        self,
        hidden: Tensor,
        items: Tensor,
        bias: Tensor,
        labels: Tensor,
        n_items: int,
        contexts: Callable[[int, int], Tensor] | None = None,
    ) -> Tensor:
        """The sum over the predictions, in nats.

        Args:
            hidden: [M, D], the states that predictions are read from.
            items: [n_items + special tokens, D], the items' vectors.
            bias: [n_items + special tokens].
            labels: int [M].
            n_items: Size of the catalogue.
            contexts: Gives the tokens that predictions start..stop may see.
        """
        ...


@dataclass(frozen=True)
class Softmax:
    """Cross-entropy over the whole catalogue: l = - log( exp(s_y) / sum_j exp(s_j) ).

    Args:
        exclude_seen: Leave the items that the prediction sees out of the sum, as the ranking leaves
            them out. Right where nobody takes an item twice; False for data with repeats.

    >>> hidden, items, bias = torch.zeros(1, 2), torch.zeros(14, 2), torch.zeros(14)
    >>> loss = Softmax()(hidden, items, bias, torch.tensor([3]), 10)
    >>> round(loss.exp().item(), 4)
    10.0
    """

    exclude_seen: bool = True

    def __call__(self, hidden, items, bias, labels, n_items, contexts=None) -> Tensor:
        left_out = contexts if self.exclude_seen else None
        return _FullSoftmax.apply(hidden, items, bias, labels, n_items, left_out)


class _FullSoftmax(torch.autograd.Function):
    """Loss and gradient in one pass over blocks of predictions, so that the [M, n_items] logits
    never exist as a whole.

    With p = softmax(s): dl/ds = p - 1[label], dl/dhidden = (dl/ds) items, dl/ditems = (dl/ds)^T
    hidden, dl/dbias = dl/ds.
    """

    @staticmethod
    def forward(ctx, hidden, items, bias, labels, n_items, contexts):
        ctx.kind = hidden.dtype
        hidden = hidden.float()
        d_hidden = torch.empty_like(hidden)
        d_items = torch.zeros_like(items)
        d_bias = torch.zeros_like(bias)
        total = hidden.new_zeros(())
        block = max(1, min(len(hidden), max(FEWEST_ROWS, LOGITS_AT_ONCE // len(items))))
        # one room for all blocks: fresh memory would cost as much as the products
        room = hidden.new_empty(2, block, len(items))
        for start in range(0, len(hidden), block):
            part = hidden[start : start + block]
            label = labels[start : start + block, None]
            logits, p = room[:, : len(part)]  # [block, n_items + special] each
            torch.mm(part, items.T, out=logits).add_(bias)
            own = logits.gather(1, label)
            if contexts is not None:
                logits.scatter_(1, contexts(start, start + block), -torch.inf)
                logits.scatter_(1, label, own)  # a label is never left out
            logits[:, n_items:] = -torch.inf
            torch.softmax(logits, dim=1, out=p)
            # log sum exp(s) = s_j - log p_j for any j; the largest is the safe choice
            total += (logits.amax(dim=1) - p.amax(dim=1).log() - own[:, 0]).sum()
            p.scatter_add_(1, label, torch.full_like(own, -1.0))
            torch.mm(p, items, out=d_hidden[start : start + block])
            d_items.addmm_(p.T, part)
            d_bias += p.sum(dim=0)
        ctx.save_for_backward(d_hidden, d_items, d_bias)
        return total

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, upstream):
        d_hidden, d_items, d_bias = ctx.saved_tensors
        d_hidden = (d_hidden * upstream).to(ctx.kind)
        return d_hidden, d_items * upstream, d_bias * upstream, None, None, None


def _draw(n: int, n_items: int, labels: Tensor) -> Tensor:
    """n negatives for each label, uniform over the other items: int [M, n]."""
    drawn = torch.randint(n_items - 1, (len(labels), n), device=labels.device)
    return drawn + (drawn >= labels[:, None])  # skips the label


def _scores(hidden: Tensor, items: Tensor, bias: Tensor, chosen: Tensor) -> Tensor:
    """Scores of the chosen items: [M, n]."""
    return torch.einsum("md,mnd->mn", hidden, F.embedding(chosen, items)) + bias[chosen]


def _yes_and_no(n: int, weight: float, hidden, items, bias, labels, n_items) -> Tensor:
    """weight * "yes" for the labels + "no" for n negatives of each."""
    own = _scores(hidden, items, bias, labels[:, None])
    others = _scores(hidden, items, bias, _draw(n, n_items, labels))
    return weight * F.softplus(-own).sum() + F.softplus(others).sum()


def popularity_bias(loss: Loss | None, counts: np.ndarray) -> np.ndarray:
    """The scores at which ``loss`` is least for a model that knows nothing but popularity.

    Log counts; for a yes/no loss less log(n / weight of "yes"), since n negatives stand against
    each label. A softmax is the same for any shift. Started elsewhere, gBCE with t = 1, whose
    probabilities are small, first has to lower every score, and hardly learns in a short run.

    Args:
        loss: One of this module; any other is not shifted.
        counts: [n_items], above 0.

    >>> (popularity_bias(GeneralisedBCE(n_negatives=2, t=1.0), np.ones(5)).round(3) + 0.0).tolist()
    [-1.386, -1.386, -1.386, -1.386, -1.386]
    """
    start = np.log(counts / counts.mean())
    if isinstance(loss, BinaryCrossEntropy):
        return start - math.log(loss.n_negatives)
    if isinstance(loss, GeneralisedBCE):
        return start + math.log(loss.beta(len(counts)) / loss.n_negatives)
    return start


def _check_negatives(loss) -> None:
    check_whole(type(loss).__name__, 1, 1_000_000, n_negatives=loss.n_negatives)


@dataclass(frozen=True)
class SampledSoftmax:
    """Cross-entropy against n shared negatives, corrected for how often each is drawn.

        l = - log( exp(s'_y) / sum_{j in y + N} exp(s'_j) )

    N is one uniform draw with replacement for all predictions of a batch; s'_j = s_j - log(n /
    n_items) for j in N, s'_y = s_y. A draw that equals the label is left out. The expected sum is
    that of the full softmax (seen items included). For catalogues of some 10,000 items and more.
    Source: Jean et al. 2015 (arXiv 1412.2007).
    """

    n_negatives: int = 1024

    def __post_init__(self) -> None:
        _check_negatives(self)

    def __call__(self, hidden, items, bias, labels, n_items, contexts=None) -> Tensor:
        drawn = torch.randint(n_items, (self.n_negatives,), device=labels.device)
        own = (hidden * F.embedding(labels, items)).sum(dim=1, keepdim=True) + bias[labels, None]
        # log of the expected count of each item in the draw
        expected = torch.log(torch.tensor(self.n_negatives / n_items))
        others = hidden @ items[drawn].T + bias[drawn] - expected.to(hidden)
        others = others.masked_fill(drawn == labels[:, None], -torch.inf)
        return (torch.logsumexp(torch.cat([own, others], dim=1), dim=1) - own[:, 0]).sum()


@dataclass(frozen=True)
class BinaryCrossEntropy:
    """Yes for the label, no for n negatives.

        l = - log sigma(s_y) - sum_{j in N} log(1 - sigma(s_j))

    N is uniform over all items but the label, new for each prediction.
    Source: with n = 1, SASRec (Kang & McAuley 2018, arXiv 1808.09781).
    """

    n_negatives: int = 1

    def __post_init__(self) -> None:
        _check_negatives(self)

    def __call__(self, hidden, items, bias, labels, n_items, contexts=None) -> Tensor:
        return _yes_and_no(self.n_negatives, 1.0, hidden, items, bias, labels, n_items)


@dataclass(frozen=True)
class GeneralisedBCE:
    """gBCE: as `BinaryCrossEntropy`, with the label's probability to the power of beta.

        l = - log sigma(s_y)^beta - sum_{j in N} log(1 - sigma(s_j))

    beta = a (t (1 - 1/a) + 1/a) with the sampling rate a = n / (n_items - 1). t = 0 gives beta = 1,
    plain BCE, which overestimates probabilities because it sees few of the negatives; t = 1 gives
    beta = a, which is calibrated.
    Source: Petrov & Macdonald 2023 (gSASRec, arXiv 2308.07192).
    """

    n_negatives: int = 64
    t: float = 0.75

    def __post_init__(self) -> None:
        _check_negatives(self)
        check_number("GeneralisedBCE", "[0, 1]", t=self.t)

    def beta(self, n_items: int) -> float:
        rate = self.n_negatives / (n_items - 1)
        return rate * (self.t * (1 - 1 / rate) + 1 / rate)

    def __call__(self, hidden, items, bias, labels, n_items, contexts=None) -> Tensor:
        beta = self.beta(n_items)
        return _yes_and_no(self.n_negatives, beta, hidden, items, bias, labels, n_items)
