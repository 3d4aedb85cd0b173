"""Exercise of notebook 03: the adapter."""

from __future__ import annotations

from collections.abc import Callable

from tutorial_workshop.page.checker import Exercise, Mistake

_D, _R = 6, 2  # width of the checks' hidden vectors, and of the middle of the adapter


def _weights(*shapes: tuple[int, ...]) -> list:
    """Normal numbers, the same in every run; the global generator is left alone."""
    import torch

    generator = torch.Generator().manual_seed(3)
    return [torch.randn(*shape, generator=generator) for shape in shapes]


def _adapted(adapter: Callable, hidden, down, up):
    """The learner's result, or a mistake that names the shapes: a printed tensor would hide the
    message.
    """
    import torch

    shapes = ", ".join(
        f"{name} {list(value.shape)}"
        for name, value in (("hidden", hidden), ("down", down), ("up", up))
    )
    try:
        found = adapter(hidden, down, up)
    except Mistake as stopped:
        cause = stopped.__cause__
        advice = "`hidden` may have any number of axes; only the last one, of width D, matters."
        if isinstance(cause, RuntimeError):
            advice = (
                "Nothing needs to be turned round: `@` multiplies the last axis of the left side"
                " with the first axis of the matrix."
            )
        raise Mistake(
            f"With {shapes} your function stopped with {type(cause).__name__}: {cause}. {advice}"
        ) from cause
    if not isinstance(found, torch.Tensor):
        raise Mistake(
            f"With {shapes} your function gave {type(found).__name__}; expected a tensor in the"
            " shape of hidden."
        )
    if found.shape != hidden.shape:
        middle = (
            " That is the width of the middle: `@ up` leads back."
            if found.shape == (*hidden.shape[:-1], down.shape[1])
            else ""
        )
        raise Mistake(
            f"With {shapes} your function gave shape {list(found.shape)}; expected the shape of"
            f" hidden.{middle}"
        )
    return found.detach()


def _same_shape(adapter: Callable) -> None:
    """One vector, several, a batch of sequences: what comes in goes out."""
    for shape in ((2, 5, _D), (5, _D), (_D,)):
        _adapted(adapter, *_weights(shape, (_D, _R), (_R, _D)))


def _left_alone(adapter: Callable) -> None:
    """The layer before may need its output again: for the next residual, or for the gradient."""
    import torch

    class Watched(torch.Tensor):
        def __deepcopy__(
            self, memo
        ):  # learners' functions get copies of their arguments: not of this one
            return self

    hidden, down, up = _weights((3, _D), (_D, _R), (_R, _D))
    given = hidden.clone().as_subclass(Watched)
    _adapted(adapter, given, down, up)
    if not torch.equal(given.as_subclass(torch.Tensor), hidden):
        raise Mistake(
            "`adapter` changed the tensor `hidden` it was given. `+=` works in place: write `hidden"
            " + ...`, a new tensor."
        )


def _untrained_changes_nothing(adapter: Callable) -> None:
    """up = 0: the model is the pre-trained one, to the last bit."""
    import torch

    hidden, down = _weights((2, 5, _D), (_D, _R))
    found = _adapted(adapter, hidden, down, torch.zeros(_R, _D))
    if torch.equal(found, hidden):
        return
    if not found.any():
        raise Mistake(
            "With `up` = 0 your function gave 0: the model would lose all it knows. Add the result"
            " to `hidden` (the residual)."
        )
    if torch.equal(found, 2 * hidden):
        raise Mistake("With `up` = 0 your function gave twice `hidden`: add it once.")
    raise Mistake(
        "With `up` = 0 your function must give `hidden` bit by bit: an untrained adapter changes"
        " nothing. Nothing acts on the sum."
    )


def _change(adapter: Callable, hidden, down, up):
    return _adapted(adapter, hidden, down, up) - hidden


def _near(left, right) -> bool:
    import torch

    return torch.allclose(left, right, rtol=1e-3, atol=1e-4)


def _not_linear(adapter: Callable) -> None:
    """Without a bend in the middle, down and up are one matrix."""
    a, b, down, up = _weights((4, _D), (4, _D), (_D, _R), (_R, _D))
    if _near(
        _change(adapter, a + b, down, up),
        _change(adapter, a, down, up) + _change(adapter, b, down, up),
    ):
        raise Mistake(
            "Your adapter is linear: down @ up could be one matrix. Put GELU between them:"
            " gelu(hidden @ down) @ up."
        )


def _bottleneck(adapter: Callable) -> None:
    """What `down` does not read cannot matter for the change."""
    hidden, down, up = _weights((4, _D), (_D, _R), (_R, _D))
    down[3:] = 0
    other = hidden.clone()
    other[:, 3:] += 1
    if not _near(_change(adapter, hidden, down, up), _change(adapter, other, down, up)):
        raise Mistake(
            "The change depends on parts of `hidden` that `down` does not read. It is added to"
            " `hidden`, and uses hidden @ down only."
        )


def _one_number(adapter: Callable) -> None:
    """Width 1, all weights 1, by hand: -1 + gelu(-1) = -1 - 0.1587."""
    import torch

    one = torch.ones(1, 1)
    found = float(_adapted(adapter, -one, one, one))
    reasons = {
        -1.0: "That is ReLU, which is 0 below 0.",
        -1.2689: "That is SiLU.",
        -1.7616: "That is tanh.",
        -0.7311: "That is the sigmoid.",
    }
    if abs(found + 1.1587) > 2e-3:  # room for GELU's tanh approximation
        reason = next(
            (text for wrong, text in reasons.items() if abs(found - wrong) < 2e-3),
            "Is it GELU that stands in the middle?",
        )
        raise Mistake(
            f"With hidden = -1, down = up = 1 your function gave {found:.4f}; by hand it is -1 +"
            f" gelu(-1) = -1.1587. {reason}"
        )


def _bends_in_the_middle(adapter: Callable) -> None:
    """What stands before GELU does not scale with the result, and what stands behind it does."""
    hidden, down, up = _weights((4, _D), (_D, _R), (_R, _D))
    change = _change(adapter, hidden, down, up)
    if not _near(_change(adapter, hidden, down, 2 * up), 2 * change):
        raise Mistake(
            "With twice `up` the change must double: nothing bends behind `up`. GELU stands in the"
            " middle: gelu(hidden @ down) @ up."
        )
    if _near(_change(adapter, hidden, 2 * down, up), 2 * change):
        raise Mistake(
            "With twice `down` the change just doubles: nothing bends behind `down`. GELU acts on"
            " hidden @ down, not on hidden."
        )


def _token_by_token(adapter: Callable) -> None:
    """An adapter mixes the entries of a token, never tokens: else a causal model would see ahead."""
    import torch

    hidden, down, up = _weights((2, 5, _D), (_D, _R), (_R, _D))
    other = hidden.clone()
    other[0, 3] += 1
    same = torch.isclose(
        _adapted(adapter, hidden, down, up), _adapted(adapter, other, down, up), atol=1e-5
    ).all(dim=-1)
    same[0, 3] = True
    if not same.all():
        where = same.logical_not().nonzero()[0].tolist()
        raise Mistake(
            f"Token 3 of sequence 0 was changed, and the result for token {where[1]} of sequence"
            f" {where[0]} changed with it. Each token goes through the adapter by itself."
        )


def _can_learn(adapter: Callable) -> None:
    """The gradient must reach what is trained."""
    import torch

    weights = [weight.requires_grad_() for weight in _weights((3, _D), (_D, _R), (_R, _D))]
    with torch.enable_grad():
        if not adapter(*weights).requires_grad:
            raise Mistake(
                "No gradient reaches `down` and `up`, so they would never move. Leave out"
                " .detach(), .data and torch.no_grad()."
            )


def _reference_adapter(hidden, down, up):
    """What `tutorial_lib.strategies.finetune.Adapter` computes, which keeps its own weights and
    biases.
    """
    import torch.nn.functional as F

    return hidden + F.gelu(hidden @ down) @ up


ADAPTER = Exercise(
    name="03-adapter",
    task=(
        "Write adapter(hidden, down, up): hidden [..., D], plus what passes through down [D, r], a"
        " GELU, and up [r, D]."
    ),
    checks=(
        _same_shape,
        _left_alone,
        _untrained_changes_nothing,
        _not_linear,
        _bottleneck,
        _one_number,
        _bends_in_the_middle,
        _token_by_token,
        _can_learn,
    ),
    reference=_reference_adapter,
    hints=(
        (
            "Three steps make the change: D numbers become r, GELU bends them, r numbers become D."
            " The change is added to `hidden`."
        ),
        (
            "`hidden @ down` has shape [..., r], and `@ up` leads back to [..., D]. GELU is"
            " `torch.nn.functional.gelu`."
        ),
        (
            "With `import torch.nn.functional as F`, the change is `F.gelu(hidden @ down) @ up`."
            " Return `hidden` plus that, without `+=`."
        ),
    ),
    solution='''
import torch.nn.functional as F


def adapter(hidden, down, up):
    """hidden [..., D], plus a change that passes through r numbers."""
    return hidden + F.gelu(hidden @ down) @ up
''',
)

EXERCISES = {ADAPTER.name: ADAPTER}
