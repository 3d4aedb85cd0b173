"""On which side of 0 a measure harms somebody: the other side is good news."""

from __future__ import annotations

NOBODY = ""

# How the name of a one-sided measure begins: above 0 (or below 0) it harms, on the other side it is
# good news. Everything else is a gap, in which one side loses whatever the sign.
HARMFUL_ABOVE = (
    "popularity lift of lists", "places ", "written items ", "attribute told by ", "leak amplification", "membership", "canary exposure",
    "dissimilarity ", "SNSR ", "share of the list typical ", "titles recovered ", "false statements ", "exposure lift ", "attack success",
    "instability ", "first place by ", "energy", "items w", "graph triples ", "gini", "similarity", "drift", "popularity: ",
)  # fmt: skip
HARMFUL_BELOW = (
    "tail share: ",
    "comprehensiveness",
    "sufficiency",
    "coverage",
    "breadth",
    "served",
)
CHANGES = (
    " after - before",
    ": attacked - before",
    " - neutral",
    " without profiling - with",
    ": worst group, ",
)  # in a measure of quality


def harmed_sides(metric: str, stakeholder: str) -> tuple[str, str] | None:
    """Who is worse off below 0 and above 0, of a measure that harms on one side only; None for a
    gap.

    >>> harmed_sides("places left empty", "users"), harmed_sides("ndcg@10: gender F - M", "users")
    (('', 'users'), None)
    """
    if metric.startswith(HARMFUL_ABOVE):
        return NOBODY, stakeholder
    below = metric.startswith(HARMFUL_BELOW) or (
        any(part in metric for part in CHANGES) and " gap after - before" not in metric
    )
    return (stakeholder, NOBODY) if below else None
