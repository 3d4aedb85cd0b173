"""Exercises of notebook 01: histories as sentences, and counting which item follows which."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tutorial_workshop.page.checker import Exercise, Mistake

_TITLES = ["Alpha", "Beta", "Gamma", "Delta"]


def _library_sentence(history: Sequence[int], titles: Sequence[str], last: int = 5) -> str:
    return " | ".join(titles[item] for item in list(history)[-last:])


def _expect_text(
    found: object, expected: str, where: str, reasons: dict[str, str], otherwise: str
) -> None:
    if not isinstance(found, str):
        raise Mistake(
            f"`{where}` gave {type(found).__name__} {found!r:.60}; expected one text. Put the"
            " titles together with ' | '.join(...)."
        )
    if found != expected:
        raise Mistake(
            f"`{where}` gave {found!r}; expected {expected!r}."
            f" {reasons.get(found.strip(), otherwise)}"
        )


def _titles_in_order(sentence: Callable) -> None:
    """Titles, not codes, oldest first, joined by the separator."""
    reasons = {
        "2 | 0": "Those are the item codes. Look each code up: titles[code].",
        "Alpha | Gamma": (
            "The newest item must come last, as the next word of a text does. Keep the order of the"
            " history."
        ),
        "Gamma Alpha": (
            "Put ' | ' between two titles, so that a reader (or a model) sees where one ends."
        ),
        "Gamma | Alpha |": (
            "There is a separator too many at the end: ' | '.join(...) puts it between titles only."
        ),
        "Gamma|Alpha": "The separator is a bar with a space on each side: ' | '.",
    }
    _expect_text(
        sentence([2, 0], _TITLES, 5),
        "Gamma | Alpha",
        "to_sentence([2, 0], titles, 5)",
        reasons,
        "Titles in the order of the history.",
    )


def _newest_only(sentence: Callable) -> None:
    """Only the newest items fit: the end of the history, not its beginning."""
    where = "to_sentence([0, 1, 2, 3], titles, 2)"
    reasons = {
        "Alpha | Beta": (
            "Those are the two oldest items. The newest are at the end: history[-last:]."
        ),
        "Alpha | Beta | Gamma | Delta": (
            "That is the whole history: keep the newest `last` items only, history[-last:]."
        ),
        "Delta | Gamma": "The right items in reverse order: oldest first.",
    }
    _expect_text(
        sentence([0, 1, 2, 3], _TITLES, 2),
        "Gamma | Delta",
        where,
        reasons,
        "Keep the newest `last` items, oldest of them first.",
    )


def _short_history(sentence: Callable) -> None:
    """A history shorter than ``last``, and an empty one, still give a text."""
    _expect_text(
        sentence([1], _TITLES, 3),
        "Beta",
        "to_sentence([1], titles, 3)",
        {},
        "A history may be shorter than `last`: then it is used whole.",
    )
    _expect_text(
        sentence([], _TITLES, 3),
        "",
        "to_sentence([], titles, 3)",
        {},
        "An empty history is an empty text.",
    )


SENTENCE = Exercise(
    name="01-sentence",
    task=(
        "Write to_sentence(history, titles, last): the titles of the newest `last` items, oldest"
        " first, with ' | ' between them."
    ),
    checks=(_titles_in_order, _newest_only, _short_history),
    reference=_library_sentence,
    hints=(
        (
            "A history is a sequence of item codes, oldest first. `titles[code]` is the title of an"
            " item."
        ),
        (
            "`history[-last:]` cuts out the newest `last` codes and keeps their order, also where"
            " there are fewer."
        ),
        "`' | '.join(titles[item] for item in history[-last:])` is the whole body, after `return`.",
    ),
    solution='''
def to_sentence(history, titles, last=5):
    """The newest titles of a history as one text."""
    return " | ".join(titles[item] for item in history[-last:])
''',
)


def _library_counts(histories: Sequence[Sequence[int]], n_items: int) -> np.ndarray:
    """The same matrix by ``TransitionKNN`` in its simplest setting."""
    from types import SimpleNamespace

    from tutorial_lib.models import TransitionKNN

    chain = TransitionKNN(window=1, reverse=0, last=1, source_power=0, target_power=0)
    split = SimpleNamespace(
        train=[np.asarray(h, dtype=np.int64) for h in histories],
        dataset=SimpleNamespace(n_items=n_items),
    )
    return chain.fit(split).transitions.toarray()


def _matrix(counts: Callable, histories: list[list[int]], n_items: int) -> np.ndarray:
    found, where = counts(histories, n_items), f"count_transitions({histories}, {n_items})"
    try:
        matrix = np.asarray(found, dtype=float)
    except (TypeError, ValueError):
        raise Mistake(
            f"`{where}` gave {type(found).__name__}; expected an array of numbers,"
            " np.zeros((n_items, n_items)) filled in."
        ) from None
    if matrix.shape != (n_items, n_items):
        raise Mistake(
            f"`{where}` gave shape {matrix.shape}; expected ({n_items}, {n_items}): one row per"
            " item before, one column per item after."
        )
    return matrix


def _one_step(counts: Callable) -> None:
    """1 after 0, and 2 after 1: nothing else."""
    found = _matrix(counts, [[0, 1, 2]], 3)
    expected = np.array([[0, 1, 0], [0, 0, 1], [0, 0, 0]])
    if np.array_equal(found, expected):
        return
    where = "count_transitions([[0, 1, 2]], 3)"
    if np.array_equal(found, expected.T):
        raise Mistake(
            f"`{where}` has rows and columns exchanged: counts[a, b] says how often b came right"
            " after a."
        )
    if found[0, 2]:
        raise Mistake(
            f"`{where}` counts 2 after 0, but 1 stands between them. Only direct neighbours count:"
            " zip(history[:-1], history[1:])."
        )
    raise Mistake(
        f"`{where}` gave {found.astype(int).tolist()}; by hand it is {expected.tolist()}."
    )


def _users_apart(counts: Callable) -> None:
    """The last item of one user is not followed by the first item of the next."""
    found = _matrix(counts, [[0, 1], [2, 3]], 4)
    if found[1, 2]:
        raise Mistake(
            "In `count_transitions([[0, 1], [2, 3]], 4)` item 2 did not follow item 1: "
            "they belong to different users. Go history by history."
        )
    if found.sum() != 2:
        raise Mistake(
            f"`count_transitions([[0, 1], [2, 3]], 4)` holds {found.sum():g} steps in all; there"
            " are 2, one per user."
        )


def _again_and_again(counts: Callable) -> None:
    """The same step in two histories counts twice."""
    found = _matrix(counts, [[0, 1], [0, 1], [0, 1]], 2)
    if found[0, 1] == 1:
        raise Mistake(
            "Three users went from 0 to 1, and you count 1. Add 1 for every step; with index"
            " arrays, `counts[a, b] += 1` adds only once a pair: use np.add.at."
        )
    if found[0, 1] != 3 or found.sum() != 3:
        raise Mistake(
            f"Three users went from 0 to 1; your matrix gives {found.tolist()}. Expected 3 at [0,"
            " 1], and 0 elsewhere: counts, not shares."
        )
    repeated = _matrix(counts, [[0, 1, 0, 1]], 2)
    if (repeated[0, 1], repeated[1, 0]) != (2, 1):
        raise Mistake(
            f"`count_transitions([[0, 1, 0, 1]], 2)` gave {repeated.tolist()}; "
            "a step may also return within one history: 2 at [0, 1], 1 at [1, 0]."
        )


def _short_ones(counts: Callable) -> None:
    """Histories of one item, or of none, hold no step."""
    found = _matrix(counts, [[0], [], [1, 0]], 2)
    if found.sum() != 1 or found[1, 0] != 1:
        raise Mistake(
            f"`count_transitions([[0], [], [1, 0]], 2)` gave {found.tolist()}; a history of one"
            " item, or of none, holds no step."
        )


TRANSITIONS = Exercise(
    name="01-transitions",
    task=(
        "Write count_transitions(histories, n_items): an [n_items, n_items] array, counts[a, b] ="
        " how often b came right after a."
    ),
    checks=(_one_step, _users_apart, _again_and_again, _short_ones),
    reference=_library_counts,
    hints=(
        (
            "Start from `np.zeros((n_items, n_items))`, go through the histories one by one, and"
            " add 1 for each pair of neighbours."
        ),
        "`zip(history[:-1], history[1:])` gives the pairs (item, next item) of one history.",
        (
            "`for history in histories:` and inside it `for a, b in zip(history[:-1], history[1:]):"
            " counts[a, b] += 1`. Return `counts` after both loops."
        ),
    ),
    solution='''
import numpy as np


def count_transitions(histories, n_items):
    """counts[a, b]: how often item b came right after item a."""
    counts = np.zeros((n_items, n_items))
    for history in histories:
        for a, b in zip(history[:-1], history[1:]):
            counts[a, b] += 1
    return counts
''',
)

EXERCISES = {exercise.name: exercise for exercise in (SENTENCE, TRANSITIONS)}
