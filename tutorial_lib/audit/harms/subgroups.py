"""H1, users: the group that is worst off, and the people at the crossing of two groups."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from tutorial_lib.audit.core.evidence import Evidence
from tutorial_lib.audit.core.finding import Finding, make_finding
from tutorial_lib.audit.core.groups import (
    MISSING,
    SUPPRESSED,
    cell_name,
    contrast_name,
    few,
    quoted_column,
    rest_name,
    status,
)
from tutorial_lib.audit.harms.quality import gap_estimate, unknown_bounds
from tutorial_lib.audit.inference.adjusted import shrink
from tutorial_lib.audit.inference.statistics import group_gap

MOST_CELLS = 50  # of two attributes; more are too many to judge


def worst_group(evidence: Evidence) -> list[Finding]:
    """Measure: the group that looks worst on one half of the users, judged on the other half.

    Choosing and judging on the same users would exaggerate. No finding where no group has the
    minimum of users in each half.
    """
    values, rng = evidence.ndcg.values, evidence.rng("worst group")
    chosen_on = rng.random(len(values)) < 0.5
    judged_on = ~chosen_on
    candidates = []
    for attribute in evidence.attributes:
        labels = evidence.labels(attribute)
        known = labels != MISSING
        for name in np.unique(labels[known]):
            members, others = labels == name, known & (labels != name)
            parts = [side & half for side in (members, others) for half in (chosen_on, judged_on)]
            if min(part.sum() for part in parts) >= evidence.minimum:
                gap = values[members & chosen_on].mean() - values[others & chosen_on].mean()
                candidates.append((gap, attribute, str(name), members, others))
    if not candidates:
        return []
    _, attribute, name, members, others = min(candidates, key=lambda candidate: candidate[0])
    groups = evidence.sizes(attribute)
    hide, rest = few(*groups["n"]), rest_name(set(groups["group"]))
    x, y = values[members & judged_on], values[others & judged_on]
    bounds, lines = unknown_bounds(x, y, values[~members & ~others & judged_on], hide=hide)
    note = (
        f"{attribute} {name}: the worst of {len(candidates)} groups on {chosen_on.sum()} users,"
        f" judged on the other {judged_on.sum()}."
    )
    return [
        make_finding(
            "H1",
            "users",
            f"{evidence.ndcg.name}: worst group, {contrast_name(attribute, name, rest)}",
            group_gap(x, y, rng=rng),
            n_by_group={name: len(x), rest: len(y)},
            margin=evidence.ndcg.margin,
            notes=[note, *lines],
            harmed=(name, ""),
            bounds=bounds,
            rounded=hide,
        )
    ]


def pairs_of_attributes(evidence: Evidence, *, judged: bool = True) -> list[tuple[str, str]]:
    """Each two attributes whose cells are few enough to be judged, or those that are not."""
    pairs = combinations(evidence.attributes, 2)
    return [pair for pair in pairs if (n_cells(evidence, pair) <= MOST_CELLS) is judged]


def n_cells(evidence: Evidence, pair: tuple[str, str]) -> int:
    """How many groups two attributes have at once."""
    return math.prod(len({*evidence.labels(attribute)} - {MISSING}) for attribute in pair)


def _joint(evidence: Evidence, attributes: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The cell of every user, [n] str, and whether both of its groups are known, [n] bool."""
    first, second = (evidence.labels(attribute) for attribute in attributes)
    codes, pairs = pd.factorize(pd.MultiIndex.from_arrays([first, second]))
    names = np.array([cell_name(a, b) for a, b in pairs])
    return names[codes], (first != MISSING) & (second != MISSING)


def cells(evidence: Evidence, attributes: Sequence[str]) -> pd.DataFrame:
    """Every cell of two attributes, in the order of their groups, with its NDCG.

    Returns:
        Columns attribute, group, n, status, mean, se, shrunk (pulled to the common mean by its
        noise). The noise of a cell is taken from the spread within all cells: in twelve users
        without a hit the spread is 0, the noise is not.
    """
    cell, known = _joint(evidence, attributes)
    table = pd.Series(evidence.ndcg.values)[known].groupby(cell[known]).agg(["size", "mean", "std"])
    levels = [sorted({*evidence.labels(attribute)} - {MISSING}) for attribute in attributes]
    table = table.reindex([cell_name(a, b) for a in levels[0] for b in levels[1]])
    n = table["size"].fillna(0).astype(int)
    squares = (table["std"] ** 2 * (n - 1)).sum()
    within = np.sqrt(squares / max((n - 1).clip(lower=0).sum(), 1))
    shown_n = n.where(n >= SUPPRESSED)  # nothing is published of smaller cells
    mean = table["mean"].where(n >= SUPPRESSED).to_numpy()
    noise = (within / np.sqrt(shown_n)).to_numpy()
    return pd.DataFrame(
        {
            "attribute": " x ".join(attributes),
            "group": table.index,
            "n": n.to_numpy(),
            "status": [status(size, evidence.minimum) for size in n],
            "mean": mean,
            "se": (table["std"] / np.sqrt(shown_n)).to_numpy(),
            "shrunk": np.where(n >= SUPPRESSED, shrink(mean, noise), np.nan),
        }
    )


def intersections(evidence: Evidence) -> list[Finding]:
    """Measure: each large cell of two attributes, against all other users."""
    pairs = pairs_of_attributes(evidence)
    return [finding for pair in pairs for finding in _cell_gaps(evidence, pair)]


def _cell_gaps(evidence: Evidence, pair: tuple[str, str]) -> list[Finding]:
    table = cells(evidence, pair)
    cell, known = _joint(evidence, pair)
    values, rng = evidence.ndcg.values, evidence.rng(*pair)
    hide, columns = few(*table["n"]), " x ".join(map(quoted_column, pair))
    findings = []
    for row in table[table["status"] == "measured"].itertuples():
        x, y = values[cell == row.group], values[known & (cell != row.group)]
        estimate, notes = gap_estimate(x, y, evidence.minimum, rng)
        notes.append(f"Cell mean {row.mean:.4f}, shrunk towards all cells {row.shrunk:.4f}.")
        bounds, lines = unknown_bounds(x, y, values[~known], hide=hide)
        findings.append(
            make_finding(
                "H1",
                "users",
                f"{evidence.ndcg.name}: {columns} {row.group} - rest",
                estimate,
                n_by_group={row.group: len(x), "rest": len(y)},
                margin=evidence.ndcg.margin,
                notes=[*notes, *lines],
                harmed=(row.group, "rest"),
                bounds=bounds,
                rounded=hide,
            )
        )
    return findings
