"""Margins: how large a difference must be to matter. A policy, argued by somebody before anything
is measured.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Real
from types import NoneType

from tutorial_lib.errors import unknown_name

DEFAULT, GIVEN = "default", "given"  # who set a margin: the kit, or whoever called the audit

# name -> (default, largest sensible value, what it bounds). Exposure is a share of merit: an
# absolute margin of .03 lets a provider with 2 % of the demand be shown to nobody. A fifth is the
# four-fifths idea of selection rates, applied to a share that users themselves set.
MARGINS: dict[str, tuple[float, float, str]] = {
    "quality": (
        0.10,
        1.0,
        "gap in ranking quality between groups, as a share of the mean over all users",
    ),
    "exposure": (
        0.20,
        1.0,
        "exposure share of a provider group minus its merit share, as a share of its merit",
    ),
    "popularity": (0.10, 10.0, "gap in popularity lift between groups of users"),
    "popularity-lift": (
        0.10,
        10.0,
        "popularity of lists over that of the same users' profiles, minus 1",
    ),
    "tail-share": (
        0.03,
        1.0,
        "share of tail items in lists minus their share in the same users' profiles",
    ),
    "calibration": (
        0.05,
        1.0,
        "gap in miscalibration (Jensen-Shannon distance) between groups of users",
    ),
    "leak": (0.05, 0.5, "AUC above chance with which an attribute or a membership is guessed"),
    "similarity": (
        0.05,
        1.0,
        "list dissimilarity caused by naming an attribute, beyond that of paraphrases",
    ),
    "contaminated": (
        0.05,
        1.0,
        "share of titles recovered from item ids, beyond what shuffled ids give",
    ),
    "invented": (
        0.01,
        1.0,
        (
            "share of places lost to items unknown, repeated or already consumed, or left empty, "
            "each and in all"
        ),
    ),
    "order": (
        0.05,
        1.0,
        "Kendall's tau between the order of the candidates in the input and in the output",
    ),
    "lift": (
        0.01,
        1.0,
        "rise in the chance that an attacked item is recommended, beyond that of matched items",
    ),
    "faithful": (
        0.05,
        1.0,
        "drop of an item's score share when its explanation is deleted, beyond random deletions",
    ),
    "longrun": (0.05, 1.0, "change over the simulated rounds, beyond that of the control"),
}


def checked_margins(margins: Mapping[str, float] | None) -> tuple[dict[str, float], list[str]]:
    """All margins, the given ones in place of the defaults, and one line for each that cannot be
    used (its margin is then nan).

    >>> checked_margins({"exposure": 7})[1][0].split("; ")
    ["margins['exposure']=7: expected a number above 0 and at most 1.0", 'what needs it gets no verdict']
    """
    used = {name: default for name, (default, _, _) in MARGINS.items()}
    if not isinstance(margins, (Mapping, NoneType)):
        return used, [
            f"margins={margins!r}: expected a mapping of names to numbers, such as {{'exposure':"
            " 0.2}; the defaults are used"
        ]
    problems = []
    for name, value in (margins or {}).items():
        if name not in MARGINS:
            problems.append(str(unknown_name("margin", name, MARGINS)))
        elif (
            isinstance(value, bool)
            or not isinstance(value, Real)
            or not 0 < value <= MARGINS[name][1]
        ):
            expected = f"expected a number above 0 and at most {MARGINS[name][1]}"
            problems.append(f"margins[{name!r}]={value}: {expected}; what needs it gets no verdict")
            used[name] = math.nan
        else:
            used[name] = float(value)
    return used, problems
