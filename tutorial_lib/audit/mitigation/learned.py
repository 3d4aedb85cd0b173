"""Mitigation while training: filter an attribute out of user states by an adversary.

Needs torch, which is imported only when called.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tutorial_lib.errors import InputError
from tutorial_lib.evaluation.ratings import auc

RATE = 1e-2  # of the adversary; the filter's falls to 0


@dataclass(frozen=True)
class FilteredStates:
    """User states without the attribute, and what that cost.

    Args:
        states: [n, d] after the filter.
        apply: the filter, [m, d] -> [m, d], for states of other users.
        scores_changed: variance that the filter adds to states @ items.T, as a share of the
            variance of those scores over the items.
        adversary_auc: how well the adversary of the training still guesses the label. Not evidence:
            it has been fooled by construction. Train a fresh probe on ``states``, and believe that
            one (Elazar & Goldberg 2018).
    """

    states: np.ndarray
    apply: Callable[[np.ndarray], np.ndarray]
    scores_changed: float
    adversary_auc: float


def remove_attribute(
    states: np.ndarray,
    labels: np.ndarray,
    items: np.ndarray,
    *,
    strength: float = 1.0,
    steps: int = 800,
    seed: int = 0,
) -> FilteredStates:
    """Learn a filter on user states so that an adversary cannot read a binary label from them.

    It minimises L_scores - strength x L_adversary over a linear map added to the state, by gradient
    reversal (Ganin et al. 2016, eq. 9). The adversary is linear, which steers reliably but leaves
    what only a curved boundary can read.

    Args:
        states: [n, d].
        labels: [n] of two values.
        items: [m, d], the vectors that score a state as states @ items.T.
        strength: 0 keeps the states, larger removes more.
        steps: full-batch; with too few, the adversary is already at chance
            while a fresh probe still reads everything.

    Raises:
        InputError: shapes that do not fit, or labels that are not of two values.
    """
    import torch

    states, items = np.asarray(states, dtype=np.float32), np.asarray(items, dtype=np.float32)
    classes, codes = np.unique(labels, return_inverse=True)
    matrices = states.ndim == items.ndim == 2 and states.shape[1] == items.shape[1]
    if not matrices or len(codes) != len(states) or len(classes) != 2:
        raise InputError(
            f"remove_attribute: got states {states.shape}, items {items.shape}, {len(codes)} labels"
            f" of {len(classes)} values; expected [n, d], [m, d] and n labels of two values"
        )
    x = torch.from_numpy(states)
    y = torch.from_numpy(codes.astype(np.float32))
    # A constant added to all scores of a user moves no item.
    centred = torch.from_numpy(items - items.mean(axis=0))
    gram = centred.T @ centred  # [d, d]
    variance = ((x @ gram) * x).sum(1).mean().clamp_min(1e-12)

    def scores_changed(moved):
        return ((moved @ gram) * moved).sum(1).mean() / variance

    change, adversary = _reverse_gradient(x, y, scores_changed, strength, steps, seed)

    def apply(other: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            given = torch.as_tensor(np.asarray(other, dtype=np.float32))
            return (given + change(given)).numpy()

    filtered = apply(states)
    with torch.no_grad():
        guess = adversary(torch.from_numpy(filtered))[:, 0].numpy()
        cost = float(scores_changed(change(x)))
    return FilteredStates(filtered, apply, cost, float(auc(codes, guess)))


def _reverse_gradient(x, y, scores_changed: Callable, strength: float, steps: int, seed: int):
    """The trained change of the states, and the adversary it was trained against."""
    import torch
    from torch import nn
    from torch.nn.functional import binary_cross_entropy_with_logits

    # Both groups count alike, however small one is.
    weight = torch.where(y > 0, 0.5 / y.mean(), 0.5 / (1 - y.mean()))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        change = nn.Linear(x.shape[1], x.shape[1])
        adversary = nn.Linear(x.shape[1], 1)
    nn.init.zeros_(change.weight)
    nn.init.zeros_(change.bias)
    # Without momentum, and the filter's rate falls to 0: with momentum the two players chase each
    # other in circles.
    players = [{"params": change.parameters()}, {"params": adversary.parameters()}]
    optimiser = torch.optim.Adam(players, lr=RATE, betas=(0.0, 0.99))
    decay = torch.optim.lr_scheduler.LambdaLR(
        optimiser, [lambda step: 1 - step / steps, lambda step: 1.0]
    )
    for _ in range(steps):
        moved = change(x)
        filtered = x + moved
        # The value of filtered, and minus strength times its gradient.
        reversed_ = (1 + strength) * filtered.detach() - strength * filtered
        fooled = binary_cross_entropy_with_logits(adversary(reversed_)[:, 0], y, weight=weight)
        optimiser.zero_grad()
        (scores_changed(moved) + fooled).backward()
        optimiser.step()
        decay.step()
    return change, adversary
