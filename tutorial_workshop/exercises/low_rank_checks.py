"""Checks of notebook 03: a frozen Linear with a low-rank change beside it (LoRA)."""

from __future__ import annotations

from collections.abc import Callable

from tutorial_workshop.exercises.checks import Mistake, NotAttempted

IN, OUT, RANK, SCALE = 6, 4, 2, 3.0
CALL = f"low_rank(linear, {RANK}, {SCALE:g})"


def _normal(*shape: int, seed: int = 5):
    """Normal numbers, the same in every run; the global generator is left alone."""
    import torch

    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def _frozen_layer():
    import torch

    linear = torch.nn.Linear(IN, OUT, device="meta").to_empty(device="cpu")  # draws nothing
    with torch.no_grad():
        linear.weight.copy_(_normal(OUT, IN, seed=1))
        linear.bias.copy_(_normal(OUT, seed=2))
    return linear


def _made(low_rank: Callable, linear, trained: bool = False) -> tuple:
    """The four parts that the learner's function gives; with ``trained``, down and up hold numbers
    as after some steps.
    """
    import torch

    with torch.random.fork_rng():  # a first value is drawn, and no other draw may change by it
        parts = low_rank(linear, RANK, SCALE)
    if not isinstance(parts, (tuple, list)) or len(parts) != 4:
        raise Mistake(
            f"`{CALL}` gave {type(parts).__name__}; expected four things: down, up, forward,"
            " merged."
        )
    down, up, forward, merged = parts
    if all(part is None or part is Ellipsis for part in parts):
        raise NotAttempted
    shapes = {"down": (down, (RANK, IN)), "up": (up, (OUT, RANK))}
    for name, (found, shape) in shapes.items():
        if not isinstance(found, torch.Tensor) or tuple(found.shape) != shape:
            what = list(found.shape) if isinstance(found, torch.Tensor) else type(found).__name__
            raise Mistake(
                f"For a Linear from {IN} to {OUT} and rank {RANK}, {name} is {what}; expected a"
                f" tensor {list(shape)}. `down` leads from `in` to `rank` numbers, `up` to `out`."
            )
    if not callable(forward) or not callable(merged):
        raise Mistake("forward and merged must be functions: give them back without calling them.")
    if trained:
        with torch.no_grad():
            down.copy_(_normal(RANK, IN, seed=3))
            up.copy_(_normal(OUT, RANK, seed=4))
    return down, up, forward, merged


def _near(left, right) -> bool:
    return left.shape == right.shape and bool(((left - right).abs() < 1e-4).all())


def _starts_as_it_was(low_rank: Callable) -> None:
    """Before the first step nothing is changed, and something can be learned."""
    import torch

    linear, x = _frozen_layer(), _normal(3, IN)
    down, up, forward, _ = _made(low_rank, linear)
    found, plain = forward(x), linear(x)
    if not isinstance(found, torch.Tensor) or found.shape != plain.shape:
        raise Mistake(f"forward(x) must give what the Linear gives, {list(plain.shape)} here.")
    if not torch.equal(found, plain):
        if not found.any():
            raise Mistake("A fresh forward(x) gives 0: add the change to what the Linear gives.")
        raise Mistake(
            "A fresh layer must give exactly what the frozen Linear gives: `up` starts at 0, so"
            " that training starts from the pre-trained model."
        )
    if not down.any():
        raise Mistake(
            "`down` and `up` both start at 0: then the gradient of each is 0, and neither ever"
            " moves. Draw `down` at random."
        )


def _adds_the_change(low_rank: Callable) -> None:
    """linear(x) + scale * up @ down @ x, for the numbers that down and up hold now."""
    linear = _frozen_layer()
    down, up, forward, _ = _made(low_rank, linear, trained=True)
    for x in (_normal(IN), _normal(3, IN), _normal(2, 5, IN)):
        change = (forward(x) - linear(x)).detach()
        wanted = (x @ down.T @ up.T).detach()
        if _near(change, SCALE * wanted):
            continue
        if not change.any():
            raise Mistake(
                "`down` and `up` were changed, and forward(x) was not: it must read them whenever"
                " it is called. Did you copy them, or compute their product once?"
            )
        if _near(change, wanted):
            raise Mistake("The change is right but for `scale`: multiply it by that.")
        if _near(change, SCALE / RANK * wanted):
            raise Mistake("`scale` is the whole factor here: do not divide by the rank again.")
        raise Mistake(
            "forward(x) − linear(x) is not scale · up · down · x. No curve stands in between, the"
            " bias is counted once, and x has `in` as its *last* axis: (x @ down.T) @ up.T."
        )


def _merges(low_rank: Callable) -> None:
    """One Linear that does the same, made anew by each call."""
    import torch

    linear, x = _frozen_layer(), _normal(3, IN)
    _, _, forward, merged = _made(low_rank, linear, trained=True)
    before = forward(x)
    one = merged()
    if not isinstance(one, torch.nn.Linear):
        raise Mistake(f"merged() gave {type(one).__name__}; expected one torch.nn.Linear.")
    if not _near(forward(x), before):
        raise Mistake(
            "After merged() forward(x) gives something else: the change went into the frozen layer"
            " itself, and is now added twice. Copy the Linear first."
        )
    if _near(one(x), before):
        return
    bare = torch.nn.functional.linear(x, one.weight)
    if _near(bare, before - linear.bias):
        raise Mistake("The merged Linear has lost the bias of the frozen one.")
    if _near(one(x), linear(x)):
        raise Mistake(
            "merged() gives the frozen Linear without the change: add scale * up @ down to its"
            " weight, with the numbers that down and up hold *now*."
        )
    raise Mistake(
        "merged()(x) and forward(x) differ. The weight of a Linear is [out, in], and so is up @"
        " down; add scale times that to it, once."
    )


def _only_the_change_learns(low_rank: Callable) -> None:
    """The gradient reaches down and up, and the pre-trained numbers get none."""
    import torch

    linear = _frozen_layer()
    own = low_rank.__wrapped__  # type: ignore[attr-defined]  # the other one gets a copy
    with torch.enable_grad():
        down, up, forward, _ = _made(own, linear, trained=True)
        loss = forward(_normal(3, IN)).sum()
        if not (down.requires_grad and up.requires_grad and loss.requires_grad):
            raise Mistake(
                "No gradient reaches `down` and `up`, so they would never move: make them"
                " torch.nn.Parameter, and use them without .data or .detach() in forward."
            )
        loss.backward()
    if linear.weight.grad is not None or linear.bias.grad is not None:
        raise Mistake(
            "The weight or the bias of the Linear got a gradient, too: then it is not frozen."
            " `linear.requires_grad_(False)`."
        )
    if down.grad is None or up.grad is None:
        raise Mistake(
            "The loss does not depend on the `down` and `up` that you gave back: use these in"
            " forward."
        )


LOW_RANK = (_starts_as_it_was, _adds_the_change, _merges, _only_the_change_learns)
