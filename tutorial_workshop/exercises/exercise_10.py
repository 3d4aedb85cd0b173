"""Checks of notebook 10: residual quantisation, on points whose code words are known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tutorial_workshop.exercises.checks import Mistake, expect_unchanged

LEVELS = 3
POINTS = np.array([[0.4, 0.4], [0.3, -0.2], [-0.4, -0.1], [-0.1, 0.3], [0.1, 0.2]])


def quarters(points: np.ndarray, level: int) -> tuple[np.ndarray, np.ndarray]:
    """Groups by the signs of both coordinates, the centres of a square's quarters: at each level
    the side is half as long, so the code words are the path to the point in a quadtree.
    """
    side = 0.25 * 0.5**level
    centres = side * np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]])
    return 2 * (points[:, 0] > 0) + (points[:, 1] > 0), centres


def _known() -> tuple[np.ndarray, np.ndarray]:
    """Code words and what is left of `POINTS`, point by point."""
    words, left = [], []
    for point in POINTS:
        path = []
        for level in range(LEVELS):
            group, centres = quarters(point[None], level)
            path.append(int(group[0]))
            point = point - centres[group[0]]
        words.append(path)
        left.append(point)
    return np.array(words), np.array(left)


def _answer(function: Callable, cluster: Callable = quarters) -> tuple[np.ndarray, np.ndarray]:
    """The learner's words and remainders; a mistake where their shapes are not right."""
    where = "residual_words(vectors, 3, cluster)"
    made = function(POINTS.copy(), LEVELS, cluster)
    if not isinstance(made, tuple) or len(made) != 2:
        raise Mistake(
            f"`{where}` gave {type(made).__name__}; expected two things: the code words, and what"
            " is left of the vectors."
        )
    words, left = (np.asarray(part, dtype=float) for part in made)
    if words.shape == (LEVELS, len(POINTS)):
        raise Mistake(
            f"`{where}` gave words of shape {words.shape}; expected {words.shape[::-1]}, a row for"
            " each vector: np.stack(words, axis=1)."
        )
    for name, part, shape in (
        ("words", words, (len(POINTS), LEVELS)),
        ("remainders", left, POINTS.shape),
    ):
        if part.shape != shape:
            raise Mistake(f"`{where}` gave {name} of shape {part.shape}; expected {shape}.")
    return words, left


def _levels_in_order(function: Callable) -> None:
    """`cluster` is asked once for each level, with its number."""
    asked: list[int] = []

    def listening(points, level):
        asked.append(int(level))
        return quarters(points, level)

    _answer(function, listening)
    if asked != list(range(LEVELS)):
        raise Mistake(
            f"`cluster` was asked for the levels {asked}; expected {list(range(LEVELS))}, each"
            " once: cluster(left, level)."
        )


def _words_of_what_is_left(function: Callable) -> None:
    """Each level groups what the levels before have left over."""
    given: list[np.ndarray] = []

    def listening(points, level):
        given.append(np.array(points, dtype=float))
        return quarters(points, level)

    words, _ = _answer(function, listening)
    expected, _ = _known()
    if (words[:, 0] != expected[:, 0]).any():
        raise Mistake("The first code word is not the group that `cluster` gave for the vectors.")
    if np.allclose(given[1], POINTS):
        raise Mistake(
            "Every level grouped the vectors themselves, so it found the same groups again."
            " Subtract the centre of its group from each vector before the next level."
        )
    group, centres = quarters(POINTS, 0)
    if np.allclose(given[1], POINTS + centres[group]):
        raise Mistake("The centres were added: what is left is the vector *minus* its centre.")
    if (words != expected).any():
        level = int(np.flatnonzero((words != expected).any(axis=0))[0])
        raise Mistake(
            f"The words of level {level} are wrong, those before are right. It must group what is"
            " left: the vector minus the centre of *its own* group, at every level before."
        )


def _left_is_what_no_word_says(function: Callable) -> None:
    """What is left plus the chosen centres is the vector again."""
    _, left = _answer(function)
    _, expected = _known()
    if np.allclose(left, POINTS - expected):
        raise Mistake(
            "The second thing is the sum of the centres, what the words *say*; expected what is"
            " left when they are subtracted."
        )
    if not np.allclose(left, expected):
        raise Mistake(
            f"The remainder of the first vector is {left[0].round(4).tolist()}, by hand"
            f" {expected[0].round(4).tolist()}: what is left after the *last* level too."
        )


def _input_stays(function: Callable) -> None:
    """The vectors that were given are still whole."""
    expect_unchanged(
        function,
        POINTS.copy(),
        LEVELS,
        quarters,
        why="`left -= ...` works in place: begin with a copy, or write `left = left - ...`.",
    )


CHECKS = {
    "10-residual": (
        _levels_in_order,
        _words_of_what_is_left,
        _left_is_what_no_word_says,
        _input_stays,
    )
}
