"""One error type for bad input, and the sentence that mends it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from numbers import Integral, Real


class InputError(ValueError):
    """Bad input, told in one line: what was wrong, what was expected, how to mend it.

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
    return InputError(f"unknown {kind} {_short(name)}: {hint}Known: {', '.join(known)}")


LARGEST_SEED = 2**63 - 1  # what both numpy and torch take


def check_whole(where: str, low: int, high: int | None = None, **values) -> None:
    """InputError for the first of the named values that is no whole number from ``low`` to
    ``high``.

    >>> check_whole("adapt", 0, labels=64)
    """
    for name, value in values.items():
        whole = isinstance(value, Integral) and not isinstance(value, bool)
        if not whole or value < low or (high is not None and value > high):
            most = "" if high is None else f" to {high:,}"
            raise InputError(
                f"{where}({name}={_short(value)}): expected a whole number from {low:,}{most}"
            )


def check_seed(where: str, seed: int) -> None:
    """InputError for a seed that numpy or torch would refuse: expected a whole number from 0 to
    2**63 - 1.
    """
    check_whole(where, 0, LARGEST_SEED, seed=seed)


def check_number(where: str, within: str, **values) -> None:
    """InputError for the first of the named values that is no number in the interval ``within``;
    NaN is none.

    >>> check_number("Budget", "(0, 10]", learning_rate=1e-3)
    """
    low, high = (float(end) for end in within[1:-1].split(","))
    for name, value in values.items():
        number = isinstance(value, Real) and not isinstance(value, bool)
        inside = number and (low < value or (within[0] == "[" and low == value))
        if not inside or not (value < high or (within[-1] == "]" and value == high)):
            raise InputError(f"{where}({name}={_short(value)}): expected a number in {within}")


def _short(value) -> str:
    """The value as given, cut to fit a line; a number of thousands of digits cannot be printed."""
    try:
        text = repr(value)
    except ValueError:
        return f"a number of {value.bit_length():,} bits"
    return text if len(text) <= 60 else f"{text[:57]}..."
