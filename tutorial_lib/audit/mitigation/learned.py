"""Mitigation while training: filter an attribute out of user states by an adversary, or train under
differential privacy.

Needs torch (and opacus for privacy); both are imported only when called.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tutorial_lib.errors import InputError
from tutorial_lib.evaluation.ratings import auc


@dataclass(frozen=True)
class FilteredStates:
    """states: [n, d] after the filter. apply: the filter, [m, d] -> [m, d], for states of other
    users.

    scores_changed: variance that the filter adds to states @ items.T, as a share of the variance of
        those scores over the items.
    adversary_auc: how well the adversary of the training still guesses the label. Not evidence: it
        has been fooled by construction.
    Train a fresh probe on ``states``, and believe that one (Elazar & Goldberg 2018).
    """

    states: np.ndarray
    apply: Callable[[np.ndarray], np.ndarray]
    scores_changed: float
    adversary_auc: float


def remove_attribute(
    states: np.ndarray, labels: np.ndarray, items: np.ndarray, *, strength: float = 1.0, hidden: int = 0, steps: int = 800,
    lr: float = 1e-2, seed: int = 0,
) -> FilteredStates:  # fmt: skip
    """Learn a filter on user states so that an adversary cannot read a binary label from them,
    while the scores stay.

    It minimises L_scores - strength x L_adversary over a linear map added to the state, by gradient
    reversal (Ganin et al. 2016, eq. 9). Adam runs without momentum and the filter's rate falls to
    0: with momentum the two players chase each other in circles.
    states: [n, d]. labels: [n] of two values. items: [m, d], the vectors that score a state as
        states @ items.T. strength: 0 keeps the
    states, larger removes more. hidden: width of the adversary's hidden layer, 0 = a linear
    adversary, which steers surely but leaves what only a curved boundary can read. steps:
    full-batch steps at rate ``lr``; with too few, the adversary is already at chance while a fresh
    probe still reads everything. Raises InputError for shapes that do not fit or labels that are
    not of two values.
    """
    import torch

    states, items = np.asarray(states, dtype=np.float32), np.asarray(items, dtype=np.float32)
    classes, codes = np.unique(labels, return_inverse=True)
    if (
        states.ndim != 2
        or items.ndim != 2
        or states.shape[1] != items.shape[1]
        or len(codes) != len(states)
        or len(classes) != 2
    ):
        shapes = (
            f"states {states.shape}, items {items.shape}, {len(codes)} labels of {len(classes)}"
            " values"
        )
        raise InputError(
            f"remove_attribute: got {shapes}; expected [n, d], [m, d] and n labels of two values"
        )
    x, y = torch.from_numpy(states), torch.from_numpy(codes.astype(np.float32))
    centred = torch.from_numpy(
        items - items.mean(axis=0)
    )  # a constant added to all scores of a user moves no item
    gram = centred.T @ centred
    scale = ((x @ gram) * x).sum(1).mean().clamp_min(1e-12)

    def scores_changed(moved):
        return ((moved @ gram) * moved).sum(1).mean() / scale

    change, adversary = _reverse_gradient(
        x, y, scores_changed, strength=strength, hidden=hidden, steps=steps, lr=lr, seed=seed
    )

    def apply(other: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            given = torch.as_tensor(np.asarray(other, dtype=np.float32))
            return (given + change(given)).numpy()

    after = apply(states)
    with torch.no_grad():
        guess = adversary(torch.from_numpy(after))[:, 0].numpy()
        return FilteredStates(
            after, apply, float(scores_changed(change(x))), float(auc(codes, guess))
        )


def _reverse_gradient(
    x,
    y,
    scores_changed: Callable,
    *,
    strength: float,
    hidden: int,
    steps: int,
    lr: float,
    seed: int,
):
    """The trained change of the states and the trained adversary. scores_changed: from the change,
    [n, d], to its price.
    """
    import torch
    from torch import nn

    weight = torch.where(
        y > 0, 0.5 / y.mean(), 0.5 / (1 - y.mean())
    )  # both groups count alike, however small one is
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        change = nn.Linear(x.shape[1], x.shape[1])
        adversary = nn.Sequential(
            nn.Linear(x.shape[1], hidden or 1),
            *([nn.Tanh(), nn.Linear(hidden, 1)] if hidden else []),
        )
    for parameter in change.parameters():
        nn.init.zeros_(parameter)
    optimiser = torch.optim.Adam(
        [{"params": change.parameters()}, {"params": adversary.parameters()}],
        lr=lr,
        betas=(0.0, 0.99),
    )
    decay = torch.optim.lr_scheduler.LambdaLR(
        optimiser, [lambda step: 1 - step / steps, lambda step: 1.0]
    )
    for _ in range(steps):
        moved = change(x)
        filtered = x + moved
        reversed_ = (
            (1 + strength) * filtered.detach() - strength * filtered
        )  # the value of filtered, minus strength times its gradient
        guessed = nn.functional.binary_cross_entropy_with_logits(
            adversary(reversed_)[:, 0], y, weight=weight
        )
        optimiser.zero_grad()
        (scores_changed(moved) + guessed).backward()
        optimiser.step()
        decay.step()
    return change, adversary


@dataclass(frozen=True)
class PrivateTraining:
    """model: the one that was given, trained. epsilon, delta: privacy spent, as (epsilon, delta) of
    one sequence. noise_multiplier: of the clipping norm. losses: mean loss of each epoch. moved:
    norm of the change of all weights."""

    model: Any
    epsilon: float
    delta: float
    noise_multiplier: float
    losses: list[float]
    moved: float


def private_training(
    model, loader, loss_of: Callable[[Any, Any], Any], *, epsilon: float, delta: float | None = None, max_grad_norm: float = 1.0,
    epochs: int = 3, lr: float = 1e-3, seed: int = 0,
) -> PrivateTraining:  # fmt: skip
    """Train a torch model by DP-SGD (Abadi et al. 2016) through opacus: what is learned barely
    depends on any one sequence.

    The unit is the sequence (a row of the loader's data set): what is repeated in many rows is not
    hidden, and a user is protected only if all of the user's data is one row. Privacy is counted by
    Renyi divergences (Mironov 2017).
    loader: a DataLoader of a TensorDataset; its batches are drawn anew by Poisson sampling, so
        their sizes vary. loss_of(model, batch):
    the mean loss of a batch, computed with the model it is given. delta: default 1 / rows. GPT-2
    and its kind need ``position_ids`` with the batch dimension passed to them explicitly, of shape
    [batch, length]: gradients are kept row by row, and positions that all rows share have no row.
    Raises InputError without opacus, for a privacy budget that is not positive, and if no weight
    has moved.
    """
    try:
        from opacus import PrivacyEngine
    except ImportError:
        raise InputError("private_training needs opacus: pip install opacus") from None
    import torch

    rows = len(loader.dataset)
    delta = 1 / rows if delta is None else delta
    trainable = {
        name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad
    }
    if not epsilon > 0 or not 0 < delta < 1 or not trainable:
        given = f"epsilon={epsilon}, delta={delta}, {len(trainable)} trainable parameters"
        raise InputError(
            f"private_training: got {given}; expected epsilon > 0, delta between 0 and 1, and at"
            " least one"
        )
    before = {name: parameter.detach().clone() for name, parameter in trainable.items()}
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", UserWarning
        )  # opacus on its random numbers, torch on hooks of the first layer
        torch.manual_seed(seed)
        engine, optimiser = (
            PrivacyEngine(accountant="rdp"),
            torch.optim.Adam(trainable.values(), lr=lr),
        )
        wrapped, optimiser, loader = engine.make_private_with_epsilon(
            module=model.train(), optimizer=optimiser, data_loader=loader, target_epsilon=epsilon, target_delta=delta, epochs=epochs,
            max_grad_norm=max_grad_norm, noise_generator=torch.Generator().manual_seed(seed),
        )  # fmt: skip
        try:
            losses = [_private_epoch(wrapped, optimiser, loader, loss_of) for _ in range(epochs)]
        finally:
            wrapped.to_standard_module()  # takes the hooks off the model that was given
        spent = float(engine.get_epsilon(delta))
    moved = float(
        sum(((trainable[name].detach() - old) ** 2).sum() for name, old in before.items()) ** 0.5
    )
    if not moved > 0:
        raise InputError(
            "private_training: no weight has moved; expected lr > 0, and a loss_of that uses the"
            " model it is given"
        )
    return PrivateTraining(
        model.eval(), spent, delta, float(optimiser.noise_multiplier), losses, moved
    )


def _private_epoch(model, optimiser, loader, loss_of) -> float:
    losses = []
    for batch in loader:
        if not len(batch[0]):
            # Poisson sampling may draw nobody; with batches of a usual size it practically never
            # does
            continue
        optimiser.zero_grad()
        loss = loss_of(model, batch)
        try:
            loss.backward()
            optimiser.step()
        except RuntimeError as error:
            if "equal size" not in str(error):
                raise
            raise InputError(
                "private_training: some weight has no gradient of its own for each row; "
                "expected every input to have the batch dimension (GPT-2: pass position_ids)"
            ) from None
        losses.append(float(loss.detach()))
    return float(np.mean(losses)) if losses else float("nan")
