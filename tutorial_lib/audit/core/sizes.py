"""Sizes of groups as they may be published: none below ten, and none that gives one away."""

from __future__ import annotations

import math
from collections.abc import Mapping

SUPPRESSED = 10  # users: smaller groups are never shown as numbers


def sizes_text(n_by_group: Mapping[str, int], *, rounded: bool = False) -> str:
    """Group sizes as they may be published: below ten only that, and beside such a group the others
    to the nearest ten.

    >>> sizes_text({"F": 5, "M": 92}), sizes_text({"F": 20, "M": 92})
    ('F fewer than 10, M about 90', 'F 20, M 92')
    """
    small = rounded or few(*n_by_group.values())
    return ", ".join(f"{name} {shown(n, rounded=small)}" for name, n in n_by_group.items())


def few(*counts: int) -> bool:
    """Is one of the counts above 0 and too small to be told?"""
    return any(0 < n < SUPPRESSED for n in counts)


def two_digits(n: float) -> float:
    """Rounded up to two digits: nobody knows a needed number better; nan stays nan."""
    digits = 0 if math.isnan(n) else max(0, len(str(int(n))) - 2)
    return n if math.isnan(n) else math.ceil(n / 10**digits) * 10**digits


def shown(n: int, *, rounded: bool = False) -> str:
    """A group's size as it may be published. rounded: to tens, so that a small group beside it does
    not follow from the total.
    """
    if 0 < n < SUPPRESSED:
        return f"fewer than {SUPPRESSED}"
    return f"about {round(n, -1):,}" if rounded and n else f"{n:,}"
