"""Exercises of notebook 05: which words to try, and which of them to keep."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tutorial_workshop.page.checker import Exercise, Mistake, expect_close

_TABLE = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 2.0], [3.0, 4.0]])


def _found(first_order: Callable, gradient, table) -> tuple[np.ndarray, str]:
    """The learner's scores, one a word, and the call."""
    where = f"first_order({np.asarray(gradient).tolist()}, E) with {len(table)} words"
    found = first_order(np.array(gradient, dtype=float), np.array(table, dtype=float))
    try:
        scores = np.asarray(found, dtype=float)
    except (TypeError, ValueError):
        raise Mistake(
            f"`{where}` gave {type(found).__name__} {found!r:.60}; expected one number a word."
        ) from None
    if scores.shape != (len(table),):
        raise Mistake(
            f"`{where}` gave the shape {scores.shape}; expected ({len(table)},): one number a word,"
            " the inner product of each row with the gradient: embeddings @ gradient."
        )
    return scores, where


def _one_number_a_word(first_order: Callable) -> None:
    """A row of the table is a word."""
    _found(first_order, [3.0, 1.0], _TABLE)


def _sign(first_order: Callable) -> None:
    """Downhill: the loss shall fall."""
    scores, where = _found(first_order, [1.0, 0.0], [[1.0, 0.0], [-1.0, 0.0]])
    if scores[0] > scores[1]:
        raise Mistake(
            f"`{where}`: the word that lies along the gradient got the higher score. The gradient"
            " points to where the loss rises: a word that lowers the loss lies against it. Change"
            " the sign."
        )


def _worked_out(first_order: Callable) -> None:
    """By hand, with lengths that differ."""
    scores, where = _found(first_order, [3.0, 1.0], _TABLE)
    for word, expected in ((3, -13.0), (0, -3.0), (1, 3.0), (2, -2.0)):
        length, norm = np.linalg.norm(_TABLE[word]), 10**0.5
        reasons = {
            expected / length: (
                "You divided by the length of the embedding. That is the norm control of section 2:"
                " a choice, not Taylor."
            ),
            expected / norm: (
                "You divided by the length of the gradient. That changes no order, but it is no"
                " change of the loss any more."
            ),
            expected / length / norm: (
                "That is the cosine. The first-order change of the loss is the plain inner product."
            ),
            abs(
                expected
            ): "You took the absolute value: a word that raises the loss would be tried first.",
        }
        reasons = {wrong: why for wrong, why in reasons.items() if abs(wrong - expected) > 1e-9}
        expect_close(
            scores[word],
            expected,
            f"{where}[{word}]",
            reasons,
            f"Row {word} of E is {_TABLE[word].tolist()}.",
        )


def _scale(first_order: Callable) -> None:
    """Linear: a steeper loss promises more."""
    one, where = _found(first_order, [0.5, -1.0], _TABLE)
    two, _ = _found(first_order, [1.0, -2.0], _TABLE)
    if not np.allclose(two, 2 * one):
        raise Mistake(
            f"`{where}`: twice the gradient must give twice the scores; no softmax and no ranks"
            " here, only the inner product."
        )


def _library_scores(gradient, embeddings):
    from tutorial_lib.strategies.prompt_examples import candidate_scores

    return candidate_scores(np.asarray(gradient), np.asarray(embeddings))


SCORES = Exercise(
    name="05-scores",
    task=(
        "Write first_order(gradient, embeddings): what each word promises to lower the loss by,"
        " -<gradient, E_w>; higher is better."
    ),
    checks=(_one_number_a_word, _sign, _worked_out, _scale),
    reference=_library_scores,
    hints=(
        (
            "To first order the loss changes by the inner product of the gradient with the step."
            " The step to word w is E_w minus the present embedding, and the second part is the"
            " same for all words."
        ),
        (
            "`embeddings` has one row a word and `gradient` is one vector: a matrix times a vector"
            " gives one number a word."
        ),
        (
            "`embeddings @ gradient` is the change of the loss. You want the words that lower it to"
            " come first, so turn the sign around."
        ),
    ),
    solution='''
def first_order(gradient, embeddings):
    """How much each word promises to lower the loss, [V]."""
    return -(embeddings @ gradient)
''',
)


def _flip(
    best_flip: Callable,
    now: float,
    tried: list[float],
    expected: int,
    reasons: dict[int, str],
    otherwise: str,
) -> None:
    where = f"best_flip({now}, {tried})"
    found = best_flip(now, np.array(tried))
    if isinstance(found, (bool, np.bool_, float)) or not isinstance(found, (int, np.integer)):
        raise Mistake(
            f"`{where}` gave {type(found).__name__} {found!r:.40}; expected a whole number: a place"
            " in `tried`, or -1."
        )
    if found != expected:
        raise Mistake(
            f"`{where}` gave {found}; expected {expected}. {reasons.get(int(found), otherwise)}"
        )


def _lowest(best_flip: Callable) -> None:
    """The best candidate, not the first that is good enough."""
    reasons = {
        0: (
            "That is the first word that lowers the loss. All were measured: keep the one with the"
            " lowest."
        ),
        1: "That is the highest loss. Lower is better.",
        -1: "Two of these words lower the loss.",
    }
    _flip(best_flip, 2.0, [1.9, 2.4, 1.7, 2.2], 2, reasons, "Keep the word with the lowest loss.")


def _none(best_flip: Callable) -> None:
    """A word that does harm stays out, also if it is the best of the ten."""
    _flip(
        best_flip,
        2.0,
        [2.5, 2.1, 2.3],
        -1,
        {1: "The best of them is still worse than the present word."},
        "None lowers the loss: -1.",
    )


def _equal(best_flip: Callable) -> None:
    """A tie is no gain."""
    tie = (
        "It is no better than the present word. If ties are accepted, the search may go round in"
        " circles."
    )
    _flip(
        best_flip,
        2.0,
        [2.0, 2.1],
        -1,
        {0: tie},
        "A word must be better than the present one, not as good.",
    )


def _small_gain(best_flip: Callable) -> None:
    """No margin was asked for."""
    _flip(
        best_flip,
        2.0,
        [2.1, 1.9999],
        1,
        {-1: "A small gain is a gain: here no margin is asked for."},
        "Keep the lowest.",
    )


def _library_flip(now, tried):
    best = int(np.argmin(tried))
    return best if tried[best] < now else -1


ACCEPT = Exercise(
    name="05-accept",
    task=(
        "Write best_flip(now, tried): the place of the word to keep among the losses `tried`, or -1"
        " if none is below `now`."
    ),
    checks=(_lowest, _none, _equal, _small_gain),
    reference=_library_flip,
    hints=(
        (
            "Two questions: which of the candidates is best, and is it better than what stands"
            " there now?"
        ),
        (
            "`tried.argmin()` is the place of the lowest loss. Compare that loss with `now`, and"
            " give back -1 unless it is lower."
        ),
        (
            "`best = int(tried.argmin())`, then `best` if `tried[best] < now`, and -1 otherwise."
            " With `<=` a tie would be accepted."
        ),
    ),
    solution='''
def best_flip(now, tried):
    """Place of the word to keep, or -1."""
    best = int(tried.argmin())
    return best if tried[best] < now else -1
''',
)

EXERCISES = {exercise.name: exercise for exercise in (SCORES, ACCEPT)}
