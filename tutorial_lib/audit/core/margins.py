"""Margins: how large a difference must be to matter, and on which side of 0 a measure harms.

A margin is a policy, argued by somebody before anything is measured.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Real

from tutorial_lib.errors import unknown_name

DEFAULT, GIVEN = "default", "given"  # who set a margin: the kit, or whoever called the audit
NOBODY = ""

# name -> (default, largest sensible value, what it bounds). Exposure is a share of merit: an
# absolute margin of .03 lets a provider with 2 % of the demand be shown to nobody. A fifth is the
# four-fifths idea of selection rates, applied to a share that users themselves set.
MARGINS: dict[str, tuple[float, float, str]] = {
    "quality": (0.1, 1.0, "gap in ranking quality between groups, as a share of the overall mean"),
    "exposure": (0.2, 1.0, "a provider group's exposure minus merit, as a share of its merit"),
    "popularity": (0.1, 10.0, "gap in popularity lift between groups of users"),
    "popularity-lift": (0.1, 10.0, "popularity of lists over that of the users' profiles, minus 1"),
    "tail-share": (0.03, 1.0, "share of tail items in lists minus that in the users' profiles"),
    "calibration": (0.05, 1.0, "gap in miscalibration (Jensen-Shannon distance) between groups"),
    "leak": (0.05, 0.5, "AUC above chance with which an attribute or a membership is guessed"),
    "similarity": (0.05, 1.0, "list dissimilarity when an attribute is named, beyond paraphrases"),
    "contaminated": (0.05, 1.0, "share of titles recovered from item ids, beyond shuffled ids"),
    "invented": (
        0.01,
        1.0,
        "share of places lost to items unknown, repeated, consumed or missing, each and in all",
    ),
    "order": (0.05, 1.0, "Kendall's tau between candidates in the order given and as ranked"),
    "lift": (0.01, 1.0, "rise in an attacked item's chance to be listed, beyond matched items"),
    "faithful": (
        0.05,
        1.0,
        "drop of an item's score share without its explanation, beyond random deletions",
    ),
    "longrun": (0.05, 1.0, "change over the simulated rounds, beyond that of the control"),
}


def checked_margins(margins: Mapping[str, float] | None) -> tuple[dict[str, float], list[str]]:
    """All margins, the given ones in place of the defaults.

    Returns:
        Name -> margin, nan where the given value cannot be used; one line for each such value.

    >>> used, lines = checked_margins({"exposure": 7})
    >>> lines[0].split("; ")[0]
    "margins['exposure']=7: expected a number above 0 and at most 1.0"
    """
    used = {name: default for name, (default, _, _) in MARGINS.items()}
    if margins is None:
        return used, []
    if not isinstance(margins, Mapping):
        expected = "expected a mapping of names to numbers, such as {'exposure': 0.2}"
        return used, [f"margins={margins!r}: {expected}; the defaults are used"]
    problems = []
    for name, value in margins.items():
        if name not in MARGINS:
            problems.append(str(unknown_name("margin", name, MARGINS)))
            continue
        largest = MARGINS[name][1]
        number = isinstance(value, Real) and not isinstance(value, bool)
        used[name] = float(value) if number and 0 < value <= largest else math.nan
        if math.isnan(used[name]):
            expected = f"expected a number above 0 and at most {largest}"
            problems.append(f"margins[{name!r}]={value}: {expected}; what needs it gets no verdict")
    return used, problems


# How the name of a one-sided measure begins: above 0 (or below 0) it harms, on the other side it is
# good news. Everything else is a gap, in which one side loses whatever the sign.
HARMFUL_ABOVE = (
    "popularity lift of lists", "places ", "written items ", "attribute told by ",
    "leak amplification", "membership", "canary exposure", "dissimilarity ", "SNSR ",
    "share of the list typical ", "titles recovered ", "false statements ", "exposure lift ",
    "attack success", "instability ", "first place by ", "energy", "items w", "graph triples ",
    "gini", "similarity", "drift", "popularity: ",
)  # fmt: skip
HARMFUL_BELOW = (
    "tail share: ",
    "comprehensiveness",
    "sufficiency",
    "coverage",
    "breadth",
    "served",
)
CHANGES_OF_QUALITY = (
    " after - before",
    ": attacked - before",
    " - neutral",
    " without profiling - with",
    ": worst group, ",
)


def harmed_sides(metric: str, stakeholder: str) -> tuple[str, str] | None:
    """Who is worse off below 0 and above 0; None for a gap, which harms on both sides.

    >>> harmed_sides("places left empty", "users"), harmed_sides("ndcg@10: gender F - M", "users")
    (('', 'users'), None)
    """
    if metric.startswith(HARMFUL_ABOVE):
        return NOBODY, stakeholder
    is_change = any(part in metric for part in CHANGES_OF_QUALITY)
    if metric.startswith(HARMFUL_BELOW) or (is_change and " gap after - before" not in metric):
        return stakeholder, NOBODY
    return None
