"""What the checks of exercises are written with."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from numbers import Integral
from typing import Any

import numpy as np


class Mistake(Exception):
    """Raised by a check: one or two sentences to the learner, what came out, what was expected, and
    the likely reason.
    """


class NotAttempted(Exception):
    """The learner's function gave back nothing: the stub is still a stub."""


def expect(
    found: object,
    expected: str | float | list,
    where: str,
    mistakes: Iterable[tuple[object, str]] = (),
    otherwise: str = "",
) -> None:
    """Raise a ``Mistake`` unless the learner's function gave what was worked out by hand.

    Args:
        found: what the learner's function returned.
        expected: a text, a whole number (``int``), any number (``float``), or nested lists of
            numbers. Numbers are compared to 1e-6.
        where: the call, as the learner would write it.
        mistakes: pairs of a wrong value and what most likely led to it.
        otherwise: what to say about any other wrong value.
    """
    value = _converted(found, expected)
    if value is None:
        kind = type(found).__name__
        complaint = f"gave {kind} {found!r:.60}; expected {_kind(expected)}. {otherwise}"
    elif np.shape(value) != np.shape(expected):
        complaint = f"gave the shape {np.shape(value)}; expected {np.shape(expected)}. {otherwise}"
    elif not _same(value, expected):
        stripped = value.strip() if isinstance(value, str) else value
        reason = next((why for wrong, why in mistakes if _same(stripped, wrong)), otherwise)
        by_hand = "expected" if isinstance(expected, str) else "worked out by hand it is"
        complaint = f"gave {_shown(value)}; {by_hand} {_shown(expected)}. {reason}"
    else:
        return
    raise Mistake(f"`{where}` {complaint}".rstrip())


def expect_unchanged(function: Callable, given: object, *others: object, why: str) -> None:
    """Raise a ``Mistake`` where the learner's function changes its first argument.

    It calls the learner's own function, not the one that checks get, which works on copies: so it
    stands behind the checks that look at what comes out.
    """
    before = repr(given)
    function.__wrapped__(given, *others)  # type: ignore[attr-defined]
    if repr(given) != before:
        raise Mistake(f"`{function.__name__}` changed the value it was given. {why}")


def _kind(expected: Any) -> str:
    if isinstance(expected, str):
        return "one text"
    if isinstance(expected, (list, np.ndarray)):
        return "an array of numbers"
    return "a whole number" if isinstance(expected, int) else "one number"


def _converted(found: Any, expected: Any) -> str | np.ndarray | None:
    """The value as a text or as numbers, whichever is expected; None where it is another kind."""
    if isinstance(expected, str):
        return found if isinstance(found, str) else None
    whole = isinstance(found, Integral) and not isinstance(found, bool)
    if isinstance(found, (str, bytes)) or (isinstance(expected, int) and not whole):
        return None
    try:
        value = np.asarray(found, dtype=float)
    except (TypeError, ValueError, RuntimeError):  # torch: a tensor that requires its gradient
        return None
    return None if value.ndim and np.ndim(expected) == 0 else value


def _same(value: Any, other: Any) -> bool:
    if isinstance(value, str) or isinstance(other, str):
        return value == other
    return np.shape(value) == np.shape(other) and np.allclose(value, other, rtol=1e-6, atol=1e-6)


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return repr(value)
    if np.ndim(value) == 0:
        return f"{float(value):.4f}"
    numbers = np.round(value, 4)
    whole = (numbers == np.round(numbers)).all()
    return str((numbers.astype(int) if whole else numbers).tolist())
