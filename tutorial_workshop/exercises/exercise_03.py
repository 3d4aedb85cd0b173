"""Exercise of notebook 03: which parameters a strategy moves."""

from __future__ import annotations

from collections.abc import Callable

from tutorial_workshop.page.checker import Exercise, Mistake

_BEGINS = {
    "adapters": "adapters.",
    "head": "head.",
    "soft-prompt": "prompt.",
}  # strategy -> how the parameters it adds are called


def _names(n_layers: int) -> list[str]:
    """A model with everything that any strategy adds to it."""
    layers = [
        f"layers.{layer}.{part}.weight"
        for layer in range(n_layers)
        for part in ("attention", "mlp")
    ]
    patches = [f"adapters.{layer}.{way}" for layer in range(n_layers) for way in ("down", "up")]
    return ["embed.weight", *layers, "norm.weight", *patches, "head.weight", "prompt.vectors"]


def _moved(
    trainable: Callable, names: list[str], strategy: str, n_layers: int
) -> tuple[list[str], str]:
    """What the learner's function lets move, and the call; or a mistake that says what came out
    instead of a list of names.
    """
    where = f'trainable(names, "{strategy}", {n_layers})'
    found = trainable(names, strategy, n_layers)
    if isinstance(found, (set, frozenset, dict)):
        raise Mistake(
            f"`{where}` gave a {type(found).__name__}; expected a list, in the order of `names`. A"
            " set keeps no order."
        )
    if not isinstance(found, (list, tuple)):
        raise Mistake(
            f"`{where}` gave {type(found).__name__} {found!r:.60}; expected a list of names."
        )
    if len(found) == len(names) and all(isinstance(value, bool) for value in found):
        raise Mistake(
            f"`{where}` gave True and False; expected the names themselves, of those parameters"
            " that move."
        )
    unknown = [name for name in found if name not in names]
    if unknown:
        raise Mistake(
            f"`{where}` holds {unknown[0]!r:.60}, which is not one of the names. Give names back as"
            " they are."
        )
    return list(found), where


def _in_order(found: list[str], names: list[str], where: str) -> None:
    """Called when the right names are there: once each, in the order they came in."""
    if len(found) > len(set(found)):
        raise Mistake(f"`{where}` names {max(found, key=found.count)!r} more than once.")
    if found != [name for name in names if name in found]:
        raise Mistake(
            f"`{where}` gave the right names in another order; keep the order of `names`. Go"
            " through them once, and do not sort."
        )


def _full(trainable: Callable) -> None:
    """All that was pre-trained, and nothing that was added."""
    for names, n_layers in ((_names(4), 4), (_names(12), 12)):
        found, where = _moved(trainable, names, "full", n_layers)
        for name in names:
            added = name.startswith(tuple(_BEGINS.values()))
            if added and name in found:
                raise Mistake(
                    f'`{where}` moves {name!r}, which was added later. "full" moves what was'
                    " pre-trained: embed, layers, norm."
                )
            if not added and name not in found:
                raise Mistake(
                    f'`{where}` leaves {name!r} frozen. "full" moves all that was pre-trained:'
                    " embed, layers and norm."
                )
        _in_order(found, names, where)


def _top_layer(trainable: Callable) -> None:
    """The last of four layers, and nothing around it."""
    names = _names(4)
    found, where = _moved(trainable, names, "top-layer", 4)
    if not found:
        raise Mistake(
            f"`{where}` gave no name. Layers are counted from 0: the last of 4 is layers.3, number"
            " n_layers - 1."
        )
    for name in found:
        if name == "norm.weight":
            raise Mistake(
                f"`{where}` moves 'norm.weight'. It stands behind the last layer and is no part of"
                " it: it stays frozen."
            )
        if name.startswith("adapters.3."):
            raise Mistake(
                f"`{where}` moves {name!r}, because of the 3 in it. The name must begin with"
                " 'layers.3.'."
            )
        if name.startswith("layers.0."):
            raise Mistake(
                f"`{where}` moves layer 0, the one next to the words. The top layer is the one next"
                " to the output, layers.3."
            )
        if not name.startswith("layers.3."):
            raise Mistake(
                f"`{where}` moves {name!r}. Only the last layer, layers.3, moves; all else is"
                " frozen."
            )
    if len(found) < 2:
        raise Mistake(
            f"`{where}` gave {found}; the last layer has two parameters here, attention and mlp."
        )
    _in_order(found, names, where)


def _twelve_layers(trainable: Callable) -> None:
    """Layer numbers of two digits: "layers.1" is how "layers.11" begins, and the text "9" is
    greater than the text "11".
    """
    names = _names(12)
    found, where = _moved(trainable, names, "top-layer", 12)
    expected = [name for name in names if name.startswith("layers.11.")]
    if sorted(found) == sorted(expected):
        return _in_order(found, names, where)
    if any(name.startswith("layers.9.") for name in found):
        raise Mistake(
            f'`{where}` moves layer 9: as a text "9" is greater than "11". Take the number n_layers'
            " - 1, or compare with int()."
        )
    raise Mistake(
        f"`{where}` gave {found[:2] or 'no name'}; expected those of layer 11. Did you compare"
        ' without the dot, or a single digit? "layers.1" is also the beginning of "layers.10"'
        ' and "layers.11"; "layers.1." is not.'
    )


def _added(trainable: Callable) -> None:
    """What was added moves by itself: the model in front of it, behind it or around it stays
    frozen.
    """
    names = _names(4)
    for strategy, begins in _BEGINS.items():
        found, where = _moved(trainable, names, strategy, 4)
        for name in found:
            if not name.startswith(tuple(_BEGINS.values())):
                raise Mistake(
                    f'`{where}` moves {name!r}, which was pre-trained. Under "{strategy}" the'
                    " backbone is frozen."
                )
            if not name.startswith(begins):
                raise Mistake(
                    f"`{where}` moves {name!r}, which belongs to another strategy. Under"
                    f' "{strategy}" only {begins}* moves.'
                )
        missing = [name for name in names if name.startswith(begins) and name not in found]
        if missing:
            raise Mistake(
                f"`{where}` leaves {missing[0]!r} frozen: then it stays at its first value. Under"
                f' "{strategy}" all of {begins}* moves.'
            )
        _in_order(found, names, where)


def _nothing(trainable: Callable) -> None:
    """Zero-shot: not a single name."""
    names = _names(4)
    found, where = _moved(trainable, names, "zero-shot", 4)
    if len(found) == len(names):
        raise Mistake(
            f"`{where}` gave all the names. Zero-shot tunes nothing: expected an empty list."
        )
    if found:
        raise Mistake(
            f"`{where}` moves {found[0]!r}. Zero-shot tunes nothing: expected an empty list."
        )


def _beginning_decides(trainable: Callable) -> None:
    """Real names hold other words and numbers inside, and come in any order."""
    names = [
        "head.bias",
        "layers.1.norm.weight",
        "layers.0.mlp.1.weight",
        "layers.0.attention.head_scale",
        "layers.1.prompt_gate",
        "norm.bias",
    ]
    for strategy, expected in {
        "head": names[:1],
        "soft-prompt": [],
        "top-layer": [names[1], names[4]],
        "full": names[1:],
    }.items():
        found, where = _moved(trainable, names, strategy, 2)
        for name in names:
            if (name in found) != (name in expected):
                does, should = ("moves", "be frozen") if name in found else ("leaves out", "move")
                raise Mistake(
                    f"With names {names}, `{where}` {does} {name!r}, which should {should}. The"
                    " beginning of a name says where a parameter is; words and numbers further"
                    " inside do not."
                )
        _in_order(found, names, where)


def _reference_trainable(names: list[str], strategy: str, n_layers: int) -> list[str]:
    begins = {
        "full": ("embed.", "layers.", "norm."),
        "top-layer": (f"layers.{n_layers - 1}.",),
        "adapters": ("adapters.",),
        "head": ("head.",),
        "soft-prompt": ("prompt.",),
        "zero-shot": (),
    }
    return [name for name in names if name.startswith(begins[strategy])]


FREEZE = Exercise(
    name="03-freeze",
    task=(
        "Write trainable(names, strategy, n_layers): a list of the parameters that move under a"
        " strategy, in the order of `names`."
    ),
    checks=(_full, _top_layer, _twelve_layers, _added, _nothing, _beginning_decides),
    reference=_reference_trainable,
    hints=(
        (
            "The beginning of a name says what a parameter is. `embed.`, `layers.` and `norm.` were"
            " pre-trained; `adapters.`, `head.` and `prompt.` were added. Write down for each"
            " strategy which beginnings move."
        ),
        (
            'Compare with the dot, `name.startswith("layers.11.")`: "layers.1" is also how'
            ' "layers.11" begins. Layers are counted from 0, so the last one is `n_layers - 1`.'
        ),
        (
            '`begins` is a dict, strategy -> tuple of beginnings, such as `"top-layer":'
            ' (f"layers.{n_layers - 1}.",)` and `"zero-shot": ()`. `startswith` takes a tuple:'
            " `[name for name in names if name.startswith(begins[strategy])]`."
        ),
    ),
    solution='''
def trainable(names, strategy, n_layers):
    """Names of the parameters that move under a strategy."""
    begins = {
        "full": ("embed.", "layers.", "norm."),
        "top-layer": (f"layers.{n_layers - 1}.",),
        "adapters": ("adapters.",),
        "head": ("head.",),
        "soft-prompt": ("prompt.",),
        "zero-shot": (),
    }
    return [name for name in names if name.startswith(begins[strategy])]
''',
)

EXERCISES = {FREEZE.name: FREEZE}
