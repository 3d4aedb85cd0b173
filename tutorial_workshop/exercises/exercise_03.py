"""Checks of notebook 03: which parameters a strategy moves, and the adapter."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from tutorial_workshop.exercises.checks import Mistake, expect, expect_unchanged
from tutorial_workshop.exercises.low_rank_checks import LOW_RANK

PRETRAINED = ("embed.", "layers.", "norm.")
ADDED = {"adapters": "adapters.", "head": "head.", "soft-prompt": "prompt."}  # strategy -> names


def _names(n_layers: int) -> list[str]:
    """A model with everything that any strategy adds to it."""
    layers = [f"layers.{n}.{part}.weight" for n in range(n_layers) for part in ("attention", "mlp")]
    adapters = [f"adapters.{n}.{way}" for n in range(n_layers) for way in ("down", "up")]
    return ["embed.weight", *layers, "norm.weight", *adapters, "head.weight", "prompt.vectors"]


def _expect_names(
    trainable: Callable,
    names: list[str],
    strategy: str,
    n_layers: int,
    moving: tuple[str, ...],
    wrong: Mapping[str, str],
    frozen: str = "",
) -> None:
    """Exactly the names that begin with one of ``moving``, in their order.

    Args:
        moving: beginnings of the names that move.
        wrong: beginning of a name that should be frozen -> what to say where it moves; the first
            that fits is taken.
        frozen: what to say where a name is missing.
    """
    where = f'trainable(names, "{strategy}", {n_layers})'
    found = trainable(names, strategy, n_layers)
    if not isinstance(found, (list, tuple)):
        raise Mistake(
            f"`{where}` gave {type(found).__name__} {found!r:.60}; expected a list of names, in"
            " the order of `names`."
            + (" A set keeps no order." if isinstance(found, (set, frozenset)) else "")
        )
    expected = [name for name in names if name.startswith(moving)]
    for name in found:
        if name not in names:
            raise Mistake(
                f"`{where}` holds {name!r:.60}, which is not one of the names. Give back the names"
                " themselves, of those parameters that move."
            )
        if name not in expected:
            why = next(text for begins, text in wrong.items() if name.startswith(begins))
            raise Mistake(f"`{where}` moves {name!r}. {why}")
    for name in expected:
        if name not in found:
            raise Mistake(f"`{where}` leaves {name!r} frozen. {frozen}")
    if list(found) != expected:
        raise Mistake(
            f"`{where}` gave the right names in another order, or a name more than once; keep the"
            " order of `names`. Go through them once, and do not sort."
        )


def _full(trainable: Callable) -> None:
    """All that was pre-trained, and nothing that was added."""
    rule = '"full" moves all that was pre-trained: embed, layers and norm.'
    wrong = {"": f"It is something which was added later. {rule}"}
    for n_layers in (4, 12):
        _expect_names(trainable, _names(n_layers), "full", n_layers, PRETRAINED, wrong, rule)


def _top_layer(trainable: Callable) -> None:
    """The last layer and nothing around it. Of twelve layers it has two digits: "layers.1" is how
    "layers.11" begins, and the text "9" is greater than the text "11".
    """
    wrong = {
        "norm.": "It stands behind the last layer and is no part of it: it stays frozen.",
        "adapters.3.": "Is it because of the 3 in it? The name must begin with 'layers.3.'.",
        "layers.0.": "The top layer is the one next to the output, not next to the words.",
        "layers.9.": 'As text "9" is greater than "11": take n_layers - 1, or compare with int().',
        "": "Only the last layer, layers.3, moves; all else is frozen.",
    }
    both = (
        "Layers are counted from 0, so of 4 the last is layers.3; the last layer has two parameters"
        " here, attention and mlp."
    )
    _expect_names(trainable, _names(4), "top-layer", 4, ("layers.3.",), wrong, both)
    dot = (
        "The last layer is layers.11. Did you compare without the dot, or a single digit?"
        ' "layers.1" is also the beginning of "layers.11"; "layers.1." is not.'
    )
    wrong[""] = dot
    _expect_names(trainable, _names(12), "top-layer", 12, ("layers.11.",), wrong, dot)


def _added(trainable: Callable) -> None:
    """What was added moves by itself, and under zero-shot nothing at all."""
    for strategy, begins in ADDED.items():
        wrong = dict.fromkeys(
            PRETRAINED, f'It was pre-trained. Under "{strategy}" the backbone is frozen.'
        )
        wrong[""] = f'It belongs to another strategy. Under "{strategy}" only {begins}* moves.'
        all_of_it = f'It would keep its first value. Under "{strategy}" all of {begins}* moves.'
        _expect_names(trainable, _names(4), strategy, 4, (begins,), wrong, all_of_it)
    wrong = {"": "Zero-shot tunes nothing: expected an empty list."}
    _expect_names(trainable, _names(4), "zero-shot", 4, (), wrong)


def _beginning_decides(trainable: Callable) -> None:
    """Real names hold other words and numbers inside, and come in any order."""
    names = ["head.bias", "layers.1.norm.weight", "layers.0.mlp.1.weight", "norm.bias"]
    names += ["layers.0.attention.head_scale", "layers.1.prompt_gate"]
    why = (
        "The beginning of a name says where a parameter is; words and numbers further inside do"
        " not."
    )
    begins = {
        "head": ("head.",),
        "soft-prompt": ("prompt.",),
        "top-layer": ("layers.1.",),
        "full": PRETRAINED,
    }
    for strategy, moving in begins.items():
        _expect_names(trainable, names, strategy, 2, moving, {"": why}, why)


# --- the adapter: hidden vectors of width D, R numbers in the middle
D, R = 6, 2


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

    given = {"hidden": hidden, "down": down, "up": up}
    shapes = ", ".join(f"{name} {list(value.shape)}" for name, value in given.items())
    here = f"With {shapes} your function"
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
        raise Mistake(f"{here} stopped with {type(cause).__name__}: {cause}. {advice}") from cause
    if not isinstance(found, torch.Tensor):
        kind = type(found).__name__
        raise Mistake(f"{here} gave {kind}; expected a tensor in the shape of hidden.")
    if found.shape != hidden.shape:
        raise Mistake(
            f"{here} gave shape {list(found.shape)}; expected the shape of hidden. `@ down` leads"
            " to the width of the middle, and `@ up` leads back."
        )
    return found.detach()


def _change(adapter: Callable, hidden, down, up):
    return _adapted(adapter, hidden, down, up) - hidden


def _near(left, right) -> bool:
    return np.allclose(left, right, rtol=1e-3, atol=1e-4)


def _untrained_changes_nothing(adapter: Callable) -> None:
    """up = 0: the model is the pre-trained one, to the last bit, whatever the axes of hidden."""
    import torch

    for shape in ((D,), (5, D), (2, 5, D)):
        hidden, down = _weights(shape, (D, R))
        found = _adapted(adapter, hidden, down, torch.zeros(R, D))
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


def _bends_in_the_middle(adapter: Callable) -> None:
    """The change scales with what stands behind GELU, and not with what stands before it."""
    hidden, down, up = _weights((4, D), (D, R), (R, D))
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


def _bottleneck(adapter: Callable) -> None:
    """What `down` does not read cannot matter for the change."""
    hidden, down, up = _weights((4, D), (D, R), (R, D))
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
    others = {-1.0: "ReLU", -1.27: "SiLU", -1.76: "tanh", -0.73: "the sigmoid"}
    mistakes = [(value, f"That is {name}.") for value, name in others.items()]
    linear = "Your adapter is linear: down @ up could be one matrix. Put GELU between them."
    expect(
        round(found, 2),  # room for GELU's approximation by tanh
        -1.16,
        "round(adapter(-one, one, one), 2)",
        [*mistakes, (-2.0, linear)],
        "Is it GELU that stands in the middle?",
    )


def _token_by_token(adapter: Callable) -> None:
    """An adapter never mixes tokens: else a causal model would see ahead."""
    import torch

    hidden, down, up = _weights((2, 5, D), (D, R), (R, D))
    other = hidden.clone()
    other[0, 3] += 1
    before = _adapted(adapter, hidden, down, up)
    same = torch.isclose(before, _adapted(adapter, other, down, up), atol=1e-5).all(dim=-1)
    same[0, 3] = True
    if not same.all():
        sequence, token = same.logical_not().nonzero()[0].tolist()
        raise Mistake(
            f"Token 3 of sequence 0 was changed, and the result for token {token} of sequence"
            f" {sequence} changed with it. Each token goes through the adapter by itself."
        )


def _can_learn(adapter: Callable) -> None:
    """The gradient must reach what is trained."""
    import torch

    weights = [weight.requires_grad_() for weight in _weights((3, D), (D, R), (R, D))]
    with torch.enable_grad():
        if not adapter(*weights).requires_grad:
            raise Mistake(
                "No gradient reaches `down` and `up`, so they would never move. Leave out"
                " .detach(), .data and torch.no_grad()."
            )


def _left_alone(adapter: Callable) -> None:
    """The layer before may need its output again: for the next residual, or for the gradient."""
    why = "`+=` works in place: write `hidden + ...`, a new tensor."
    expect_unchanged(adapter, *_weights((3, D), (D, R), (R, D)), why=why)


CHECKS = {
    "03-freeze": (_full, _top_layer, _added, _beginning_decides),
    "03-adapter": (
        _untrained_changes_nothing,
        _bottleneck,
        _one_number,
        _bends_in_the_middle,
        _token_by_token,
        _left_alone,
        _can_learn,
    ),
    "03-lora": LOW_RANK,
}
