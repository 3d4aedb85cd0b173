"""Exercises of notebook 02: the causal mask, and the collator of masked modelling."""

from __future__ import annotations

import random
from collections.abc import Callable

from tutorial_workshop.page.checker import Exercise, Mistake, NotAttempted


def _rows(mask: object, where: str, length: int) -> list[list[bool]]:
    """The learner's mask as lists of booleans, or a mistake that says what it is instead."""
    try:
        values = [[float(value) for value in row] for row in mask]
    except (TypeError, ValueError, RuntimeError):
        raise Mistake(
            f"`{where}` gave {type(mask).__name__}; expected an array or tensor of True and False,"
            " [length, length]."
        ) from None
    _refuse_additive(values, where)
    rows = [[bool(value) for value in row] for row in values]
    if len(rows) != length or any(len(row) != length for row in rows):
        shape = f"{len(rows)} rows of {len(rows[0]) if rows else 0}"
        raise Mistake(
            f"`{where}` has {shape}; expected {length} rows of {length}, one row per token that"
            " looks."
        )
    return rows


def _refuse_additive(values: list[list[float]], where: str) -> None:
    """Some libraries *add* a mask to the attention scores: 0 where a token may look, -inf (or a
    large negative number) where not.
    """
    lowest = min((value for row in values for value in row), default=0.0)
    if not lowest < 0:  # nan is left to the checks that follow
        return
    raise Mistake(
        f"`{where}` holds {lowest:g}: that is a mask to *add* to attention scores, 0 where a token"
        " may look. Here it holds True where a token may look, False elsewhere: compare it with 0,"
        " as in `mask == 0`."
    )


def _one_token(causal_mask: Callable) -> None:
    """A sequence of one token sees itself."""
    if _rows(causal_mask(1), "causal_mask(1)", 1) != [[True]]:
        _rows(
            causal_mask(3), "causal_mask(3)", 3
        )  # a mask to add shows itself only where something is hidden
        raise Mistake(
            "`causal_mask(1)` must be [[True]]: a token sees itself. Did you leave out the"
            " diagonal, or take True for hidden?"
        )


def _past_and_self(causal_mask: Callable) -> None:
    """Row i: True up to i, False behind."""
    for length in (3, 5):
        where, wanted = (
            f"causal_mask({length})",
            [[j <= i for j in range(length)] for i in range(length)],
        )
        rows = _rows(causal_mask(length), where, length)
        if rows == wanted:
            continue
        if rows == [list(column) for column in zip(*wanted, strict=True)]:
            raise Mistake(
                f"`{where}` is upside down: row 0, the first token, sees all later ones. Rows look,"
                " columns are looked at."
            )
        if rows == [[not value for value in row] for row in wanted]:
            raise Mistake(f"`{where}` marks what is hidden. In this kit True means: may be seen.")
        if all(value for row in rows for value in row):
            raise Mistake(
                f"`{where}` lets every token see every other: that is the mask of a bidirectional"
                " model."
            )
        if not any(rows[i][i] for i in range(length)):
            raise Mistake(
                f"`{where}`: no token sees itself. The item at position i is known when item i + 1"
                " is predicted."
            )
        if any(rows[i][j] for i in range(length) for j in range(i + 1, length)):
            raise Mistake(
                f"`{where}`: a token sees a later one, which holds the answer. Keep j <= i."
            )
        raise Mistake(f"`{where}`: a token does not see all earlier ones. Keep every j <= i.")


def _reference_mask(length: int):
    import torch

    return torch.ones(length, length, dtype=torch.bool).tril()


CAUSAL_MASK = Exercise(
    name="02-causal-mask",
    task=(
        "Write causal_mask(length): [length, length], True where token i (row) may see token j"
        " (column)."
    ),
    checks=(_one_token, _past_and_self),
    reference=_reference_mask,
    hints=(
        (
            "Token i may see tokens 0, 1, ..., i: the past and itself. Write down the three rows"
            " for length 3 first."
        ),
        "All entries with j <= i are True: the lower triangle, diagonal included.",
        (
            "`torch.ones(length, length, dtype=torch.bool)` is all True; its method `.tril()` keeps"
            " the lower triangle."
        ),
    ),
    solution='''
import torch


def causal_mask(length):
    """True where token i (row) may see token j (column)."""
    return torch.ones(length, length, dtype=torch.bool).tril()
''',
)

MASK = -1  # what the checks use as [MASK]


def _call(mask_items: Callable, history: list, ratio: float, seed: int) -> tuple[list, list, str]:
    where = f"mask_items({history}, {ratio}, {MASK}, random.Random({seed}))"
    result = mask_items(history, ratio, MASK, random.Random(seed))
    if not isinstance(result, (tuple, list)) or len(result) != 2:
        raise Mistake(f"`{where}` gave {result!r:.80}; expected two lists: inputs, labels.")
    try:
        inputs, labels = map(list, result)
    except TypeError:
        raise Mistake(f"`{where}`: inputs and labels must be lists.") from None
    if all(part is None or part is Ellipsis for part in (*inputs, *labels)):
        raise NotAttempted
    if len(inputs) != len(history) or len(labels) != len(history):
        raise Mistake(
            f"`{where}`: inputs has {len(inputs)} and labels {len(labels)} entries; "
            f"expected {len(history)} each, one per position, so that both stay aligned."
        )
    return inputs, labels, where


def _aligned(mask_items: Callable) -> None:
    """Hidden where there is a label, the item itself where there is none."""
    history = [10, 11, 12, 13, 14, 15, 16, 17]
    for seed in range(20):
        inputs, labels, where = _call(mask_items, list(history), 0.4, seed)
        for item, shown, label in zip(history, inputs, labels, strict=True):
            if label is not None and shown == item:
                raise Mistake(
                    f"`{where}`: item {item} is a label and still stands in the input: the model"
                    " could copy the answer."
                )
            if label is None and shown == MASK:
                raise Mistake(
                    f"`{where}`: item {item} is hidden, but has no label: nothing is learned from"
                    " that position."
                )
            if label is None and shown != item:
                raise Mistake(
                    f"`{where}`: an item that is no target must stay as it is, {item}, not {shown}."
                )
            if label == MASK:
                raise Mistake(
                    f"`{where}`: a label is the mask token. The label is the original item: keep it"
                    " before you hide it."
                )
            if label is not None and label != item:
                raise Mistake(
                    f"`{where}`: the label at the place of item {item} is {label}; expected the"
                    " item that was hidden there."
                )
            if label is not None and shown != MASK:
                raise Mistake(
                    f"`{where}`: a hidden item must be replaced by the mask token {MASK}, not by"
                    f" {shown}."
                )


def _at_least_one(mask_items: Callable) -> None:
    """Every history teaches something."""
    for seed in range(30):
        _, labels, where = _call(mask_items, [10, 11], 0.05, seed)
        if not any(label is not None for label in labels):
            raise Mistake(
                f"`{where}` has no target at all. A short history with a small ratio must still"
                " hide one item."
            )


def _ratio(mask_items: Callable) -> None:
    """The share of targets is the ratio, and every place takes part."""
    n, places = 200, [0] * 20
    for seed in range(n):
        _, labels, _ = _call(mask_items, list(range(100, 120)), 0.3, seed)
        for place, label in enumerate(labels):
            places[place] += label is not None
    share = sum(places) / (n * 20)
    if abs(share - 0.7) < 0.05:
        raise Mistake(
            f"With ratio 0.3 your function hides {share:.0%}: 0.3 is the share that is hidden, not"
            " the share that is kept."
        )
    if abs(share - 0.3) > 0.05:
        raise Mistake(
            f"With ratio 0.3 your function hides {share:.0%} of the items, over {n} histories"
            " of 20."
        )
    if min(places) < 0.1 * n:
        raise Mistake(
            f"Position {places.index(min(places))} is hidden in {min(places)} of {n} histories:"
            " draw every position alike."
        )
    again = {str(_call(mask_items, list(range(100, 120)), 0.3, 5)[1]) for _ in range(2)}
    if len(again) > 1:
        raise Mistake(
            "The same generator gave two results: draw from `rng`, so that a seed repeats a run."
        )


def _not_in_place(mask_items: Callable) -> None:
    """The caller's history is data, not scratch paper."""

    class Watched(list):
        def __deepcopy__(
            self, memo
        ):  # learners' functions get copies of their arguments: not of this one
            return self

    history = Watched([10, 11, 12, 13])
    mask_items(history, 0.9, MASK, random.Random(0))
    if list(history) != [10, 11, 12, 13]:
        raise Mistake(
            "`mask_items` changed the history it was given: the next epoch would train on masks."
            " Build new lists."
        )


def _reference_collator(
    history: list, ratio: float, mask: int, rng: random.Random
) -> tuple[list, list]:
    chosen = [rng.random() < ratio for _ in history]
    chosen[rng.randrange(len(history))] |= not any(chosen)
    inputs = [mask if hidden else item for item, hidden in zip(history, chosen, strict=True)]
    return inputs, [item if hidden else None for item, hidden in zip(history, chosen, strict=True)]


COLLATOR = Exercise(
    name="02-mask-items",
    task=(
        "Write mask_items(history, ratio, mask, rng): what the model sees, and the label of each"
        " position (None: no target)."
    ),
    checks=(_not_in_place, _aligned, _at_least_one, _ratio),
    reference=_reference_collator,
    hints=(
        (
            "Decide for each position by itself whether it is hidden: `rng.random() < ratio`. Then"
            " build two new lists."
        ),
        (
            "inputs: `mask` where hidden, else the item. labels: the item where hidden, else None."
            " Both are as long as the history."
        ),
        (
            "If no position was chosen, choose one: `chosen[rng.randrange(len(history))] = True`."
            " Do this before you build the lists."
        ),
    ),
    solution='''
def mask_items(history, ratio, mask, rng):
    """(inputs, labels): hidden items become `mask` and are the labels; None elsewhere."""
    chosen = [rng.random() < ratio for _ in history]
    if not any(chosen):
        chosen[rng.randrange(len(history))] = True
    inputs = [mask if hidden else item for item, hidden in zip(history, chosen)]
    labels = [item if hidden else None for item, hidden in zip(history, chosen)]
    return inputs, labels
''',
)

EXERCISES = {exercise.name: exercise for exercise in (CAUSAL_MASK, COLLATOR)}
