"""Checks of notebook 02: the causal mask, that of blocks, and the collator of masked modelling."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

import numpy as np

from tutorial_workshop.exercises.checks import Mistake, NotAttempted, expect_unchanged

MASK = -1  # what the checks use as [MASK]


def _mask(causal_mask: Callable, length: int) -> tuple[np.ndarray, str]:
    """The learner's mask of so many tokens, and the call."""
    where = f"causal_mask({length})"
    return _as_mask(causal_mask(length), where, length), where


def _as_mask(found: Iterable, where: str, length: int) -> np.ndarray:
    """What a call gave as a mask, bool [length, length]; or a mistake that says what it is
    instead.
    """
    try:
        values = np.array([[float(value) for value in row] for row in found])
    except (TypeError, ValueError, RuntimeError):
        raise Mistake(
            f"`{where}` gave {type(found).__name__}; expected an array or tensor of True and False,"
            f" [{length}, {length}]."
        ) from None
    if (values < 0).any():
        # some libraries add a mask to the scores: 0 where a token may look, else -inf
        raise Mistake(
            f"`{where}` holds {values.min():g}: that is a mask to *add* to attention scores, 0"
            " where a token may look. Here it holds True where a token may look, False elsewhere:"
            " compare it with 0, as in `mask == 0`."
        )
    if values.shape != (length, length):
        shape = f"{len(values)} rows of {values.size // max(len(values), 1)}"
        raise Mistake(
            f"`{where}` has {shape}; expected {length} rows of {length}, one row per token that"
            " looks."
        )
    return values.astype(bool)


def _one_token(causal_mask: Callable) -> None:
    """A sequence of one token sees itself."""
    mask, where = _mask(causal_mask, 1)
    if not mask.all():
        _mask(causal_mask, 3)  # a mask to add shows itself only where something is hidden
        raise Mistake(
            f"`{where}` must be [[True]]: a token sees itself. Did you leave out the"
            " diagonal, or take True for hidden?"
        )


def _past_and_self(causal_mask: Callable) -> None:
    """Row i: True up to i, False behind."""
    for length in (3, 5):
        mask, where = _mask(causal_mask, length)
        wanted = np.tri(length, dtype=bool)
        if (mask == wanted).all():
            continue
        if (mask == wanted.T).all():
            why = (
                "It is upside down: row 0, the first token, sees all later ones. Rows look, columns"
                " are looked at."
            )
        elif (mask == ~wanted).all():
            why = "It marks what is hidden. In this kit True means: may be seen."
        elif mask.all():
            why = "Every token sees every other: that is the mask of a bidirectional model."
        elif not mask.diagonal().any():
            why = (
                "In it no token sees itself. The item at position i is known when item i + 1 is"
                " predicted."
            )
        elif (mask & ~wanted).any():
            why = "In it a token sees a later one, which holds the answer. Keep j <= i."
        else:
            why = "In it a token does not see all earlier ones. Keep every j <= i."
        raise Mistake(f"`{where}` is not the mask of a causal model. {why}")


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


def _fault(item: int, shown: object, label: object) -> str:
    """What is wrong with one position, empty where it is right."""
    if label is None:
        if shown == item:
            return ""
        if shown == MASK:
            return (
                f"item {item} is hidden, but has no label: nothing is learned from that position."
            )
        return f"an item that is no target must stay as it is, {item}, not {shown}."
    if shown == item:
        return (
            f"item {item} is a label and still stands in the input: the model could copy the"
            " answer."
        )
    if label == MASK:
        return (
            "a label is the mask token. The label is the original item: keep it before you hide it."
        )
    if label != item:
        return (
            f"the label at the place of item {item} is {label}; expected the item that was hidden"
            " there."
        )
    return "" if shown == MASK else f"a hidden item must become the mask token {MASK}, not {shown}."


def _aligned(mask_items: Callable) -> None:
    """Hidden where there is a label, the item itself where there is none."""
    history = list(range(10, 18))
    for seed in range(20):
        inputs, labels, where = _call(mask_items, history, 0.4, seed)
        for position in zip(history, inputs, labels, strict=True):
            fault = _fault(*position)
            if fault:
                raise Mistake(f"`{where}`: {fault}")


def _at_least_one(mask_items: Callable) -> None:
    """Every history teaches something."""
    for seed in range(30):
        _, labels, where = _call(mask_items, [10, 11], 0.05, seed)
        if all(label is None for label in labels):
            raise Mistake(
                f"`{where}` has no target at all. A short history with a small ratio must still"
                " hide one item."
            )


def _ratio(mask_items: Callable) -> None:
    """The share of targets is the ratio, every position takes part, and a seed repeats a run."""
    n, history = 200, list(range(100, 120))
    runs = [_call(mask_items, history, 0.3, seed)[1] for seed in range(n)]
    hidden = np.array([[label is not None for label in labels] for labels in runs])
    share = hidden.mean()
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
    often = hidden.sum(axis=0)
    if often.min() < 0.1 * n:
        raise Mistake(
            f"Position {often.argmin()} is hidden in {often.min()} of {n} histories: draw every"
            " position alike."
        )
    if _call(mask_items, history, 0.3, 5)[1] != runs[5]:
        raise Mistake(
            "The same generator gave two results: draw from `rng`, so that a seed repeats a run."
        )


def _not_in_place(mask_items: Callable) -> None:
    """The caller's history is data, not scratch paper."""
    why = "The next epoch would train on masks. Build new lists."
    expect_unchanged(mask_items, [10, 11, 12, 13], 0.9, MASK, random.Random(0), why=why)


def _blocks(block_mask: Callable) -> None:
    """Who sees whom: items by rank, queries what comes before their block, nobody a query."""
    for ranks in ([0, 1], [0, 2, 0, 1, 1], [2, 1, 3], [1, 0, 1, 0], [3, 0, 1, 2, 2, 0]):
        where = f"block_mask({ranks})"
        rank = np.array(ranks)
        asked = np.flatnonzero(rank)
        n = len(rank)
        mask = _as_mask(block_mask(ranks), where, n + len(asked))
        items, queries = mask[:n, :n], mask[n:, :n]
        for i, j in np.argwhere(items != (rank <= rank[:, None])):
            sees = f"In `{where}` item {i}, rank {rank[i]},"
            if items[i, j]:
                raise Mistake(
                    f"{sees} sees item {j}, rank {rank[j]}. A query that reads item {i} would find"
                    " there what is still to be guessed: no item sees a higher rank."
                )
            raise Mistake(f"{sees} does not see item {j}, rank {rank[j]}: not above its own.")
        for q, j in np.argwhere(queries != (rank < rank[asked][:, None])):
            sees = f"In `{where}` the query for item {asked[q]}, rank {rank[asked[q]]},"
            if queries[q, j] and j == asked[q]:
                raise Mistake(f"{sees} sees that item: its answer is in sight.")
            if queries[q, j]:
                raise Mistake(
                    f"{sees} sees item {j}, rank {rank[j]}. It may see lower ranks alone. Are the"
                    " queries in the order of the items, not of the ranks?"
                )
            raise Mistake(
                f"{sees} does not see item {j}, rank {rank[j]}: blocks that were guessed before"
                " are in sight, and so is what was never hidden. Are the queries in the order of"
                " the items?"
            )
        if mask[:n, n:].any():
            raise Mistake(f"In `{where}` an item sees a query. Nobody sees a query but itself.")
        if not (mask[n:, n:] == np.eye(len(asked), dtype=bool)).all():
            raise Mistake(f"In `{where}` each query must see itself, and no other query.")


CHECKS = {
    "02-causal-mask": (_one_token, _past_and_self),
    "02-block-mask": (_blocks,),
    "02-mask-items": (_aligned, _at_least_one, _ratio, _not_in_place),
}
