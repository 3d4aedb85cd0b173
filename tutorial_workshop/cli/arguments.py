"""Types of the command line's arguments; anything else is refused in one line."""

from __future__ import annotations

import argparse
import math
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from tutorial_lib.errors import InputError

_LONGEST_NAME = 255  # bytes; of most file systems


class Parser(argparse.ArgumentParser):
    """Says what was wrong in one line, without the usage text before it."""

    def _print_message(self, message: str, file=None):
        """Help and version; argparse itself keeps quiet about a disk that is full."""
        if message and file:
            file.write(message)
            file.flush()

    def error(self, message: str):
        raise InputError(f"{shortened(message, 300)} (see {self.prog} --help)")


def shortened(text: str, most: int = 60) -> str:
    """A text cut to ``most`` characters.

    >>> shortened("9" * 5000, 6)
    '999...'
    """
    return text if len(text) <= most else text[: most - 3] + "..."


def whole(low: int, high: int) -> Callable[[str], int]:
    """A type for argparse: a whole number from ``low`` to ``high``.

    >>> whole(0, 9)("7")
    7
    """

    def parse(text: str) -> int:
        # int() alone takes "1_000", spaces and digits of other scripts
        digits = re.fullmatch("-?[0-9]{1,19}", text)
        if not digits or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(
                f"{shortened(text)!r} is not a whole number from {low:,} to {high:,}"
            )
        return int(text)

    return parse


def plain_number(text: str) -> float:
    """A decimal number in ASCII digits; NaN for anything else, such as float() takes it.

    >>> plain_number("1e-3"), plain_number("1_0"), plain_number(" 1")
    (0.001, nan, nan)
    """
    digits = re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", text, re.ASCII | re.IGNORECASE)
    return float(text) if digits else math.nan


def number_between(low: float, high: float) -> Callable[[str], float]:
    """A type for argparse: a number from ``low`` to below ``high``.

    >>> number_between(0, 1)("0.25")
    0.25
    """

    def parse(text: str) -> float:
        value = plain_number(text)
        if not low <= value < high:  # also for nan
            raise argparse.ArgumentTypeError(
                f"{shortened(text)!r} is not a number from {low:g} to below {high:g}"
            )
        return value

    return parse


def labels(text: str) -> int | str:
    """A type for argparse: how many labelled users, or ``all``."""
    if text == "all":
        return text
    try:
        return whole(0, 10**9)(text)
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(f"{error}, nor the word all") from None


def name(text: str) -> str:
    """A type for argparse: a name that is not empty."""
    if not text.strip():
        raise argparse.ArgumentTypeError("an empty name")
    return text


def folder(text: str) -> Path:
    """A type for argparse: the path of a folder, which need not exist."""
    if not text.strip():
        raise argparse.ArgumentTypeError("an empty name; expected a folder")
    for part in Path(text).parts:
        if len(os.fsencode(part)) > _LONGEST_NAME:
            raise argparse.ArgumentTypeError(
                f"the name {shortened(part)!r} has more than {_LONGEST_NAME} bytes"
            )
    return Path(os.path.expanduser(text))


def check_text(arguments: Sequence[str]) -> None:
    """InputError for an argument that is empty, has no value, or that is not text: with a NUL byte,
    or broken.
    """
    for place, argument in enumerate(arguments, 1):
        if "\0" in argument or any("\ud800" <= letter <= "\udfff" for letter in argument):
            raise InputError(
                f"argument {place}, {shortened(ascii(argument))}, is not text: type it again"
            )
        if not argument.strip():  # it would count as not given
            before = shortened(arguments[place - 2]) if place > 1 else "tutorial"
            raise InputError(f"argument {place}, after {before}, is empty: expected a value")
        option, sign, value = argument.partition("=")
        # argparse makes [] of "--"
        if option.startswith("--") and sign and value.strip() in ("", "--"):
            raise InputError(f"argument {place}, {shortened(ascii(argument))}, has no value")
