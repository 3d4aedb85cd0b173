"""One error type for bad input, and the sentence that mends it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any, TypeGuard


class InputError(ValueError):
    """Bad input, described in one line: what was wrong, what was expected, how to mend it.

    The command line prints the line and exits with status 2; in a notebook it is an ordinary
    ``ValueError``.
    """

    def __init__(self, message: str):
        super().__init__(" ".join(message.split()))  # one line, whatever was pasted in


def unknown_name(kind: str, name: str, known: Iterable[str]) -> InputError:
    """The error for a name that does not exist, with the nearest names suggested.

    >>> print(unknown_name("dataset", "ml-100", ["ml-100k", "ml-1m", "world-movies"]))
    unknown dataset 'ml-100': did you mean 'ml-100k' or 'ml-1m'? Known: ml-100k, ml-1m, world-movies
    """
    known = list(known)
    near = difflib.get_close_matches(str(name), known, n=2, cutoff=0.5)
    hint = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
    return InputError(f"unknown {kind} {short_repr(name)}: {hint}Known: {', '.join(known)}")


LARGEST_SEED = 2**63 - 1  # what both numpy and torch take


def is_whole(value: Any) -> TypeGuard[int]:
    """Is this a whole number? True and False are none."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def is_number(value: Any) -> TypeGuard[float]:
    """Is this a real number? True and False are none; NaN is one."""
    return isinstance(value, Real) and not isinstance(value, bool)


def check_whole(where: str, low: int, high: int | None = None, **values: Any) -> None:
    """InputError for the first of the named values that is not a whole number in low..high.

    >>> check_whole("adapt", 0, labels=64)
    """
    for name, value in values.items():
        if not is_whole(value) or value < low or (high is not None and value > high):
            most = "" if high is None else f" to {high:,}"
            raise InputError(
                f"{where}({name}={short_repr(value)}): expected a whole number from {low:,}{most}"
            )


def check_seed(where: str, seed: Any) -> None:
    """InputError for a seed that numpy or torch would refuse."""
    check_whole(where, 0, LARGEST_SEED, seed=seed)


def check_number(where: str, within: str, **values: Any) -> None:
    """InputError for the first of the named values that is not a number in the interval ``within``;
    NaN is in none.

    >>> check_number("Budget", "(0, 10]", learning_rate=1e-3)
    """
    low, high = (float(end) for end in within[1:-1].split(","))
    for name, value in values.items():
        above = is_number(value) and (low < value or (within[0] == "[" and low == value))
        if not above or not (value < high or (within[-1] == "]" and value == high)):
            raise InputError(f"{where}({name}={short_repr(value)}): expected a number in {within}")


def short_repr(value: Any, most: int = 60) -> str:
    """The value as Python writes it, cut to at most ``most`` characters.

    >>> short_repr("a" * 100, most=10)
    "'aaaaaa..."
    """
    try:
        text = repr(value)
    except ValueError:  # a number of thousands of digits
        return f"a number of {value.bit_length():,} bits"
    return text if len(text) <= most else f"{text[: most - 3]}..."
