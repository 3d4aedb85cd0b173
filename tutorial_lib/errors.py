"""One error type for bad input, and the sentence that mends it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Bad input, told in one line: what was wrong, what was expected, how to mend it.

    The command line prints the line and exits with status 2; in a notebook it is an ordinary ``ValueError``.
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
    return InputError(f"unknown {kind} {name!r}: {hint}Known: {', '.join(known)}")
