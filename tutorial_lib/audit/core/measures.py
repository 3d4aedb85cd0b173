"""What an audit measures: a list of functions, each from the evidence to its findings.

To add a measure, write such a function in `harms` and append it to `MEASURES`. It takes its margins
and its random stream from the evidence, and returns no finding where it cannot measure.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from tutorial_lib.audit.core.evidence import Evidence
from tutorial_lib.audit.core.finding import Finding
from tutorial_lib.audit.core.groups import shown
from tutorial_lib.audit.core.lists import ALL_FAULTS, FAULTS
from tutorial_lib.audit.harms import exposure, popularity, quality, subgroups
from tutorial_lib.audit.inference.paired import paired_finding


def list_faults(evidence: Evidence) -> list[Finding]:
    """How often lists break the contract of ``recommend``, in each way and in all.

    As a share of their places; a place is lost once. No p: a share above 0 is one.
    """
    shares = {text: evidence.faults[name] for name, text in FAULTS.items()}
    shares[ALL_FAULTS] = evidence.faults[list(FAULTS)].sum(axis=1)
    margin = evidence.margins["invented"]
    return [
        paired_finding("H4", "users", text, values.to_numpy(), margin, share=True)
        for text, values in shares.items()
    ]


MEASURES: tuple[Callable[[Evidence], list[Finding]], ...] = (
    quality.gaps_between_groups,
    subgroups.worst_group,
    subgroups.intersections,
    exposure.provider_exposure,
    popularity.popularity_findings,
    list_faults,
)


def not_measured(evidence: Evidence, findings: list[Finding]) -> list[str]:
    """One line for everything that the measures could not measure, and for broken lists."""
    lines = []
    if np.isnan(evidence.miscalibration).all():
        lines.append(
            "miscalibration: not measured, no user has items with categories in both profile and"
            " list; fill the column categories of ds.items"
        )
    if np.isnan(evidence.popularity_lift).all():
        lines.append("popularity lift: not measured, no user has both a profile and a list")
    if evidence.attributes and not any(": worst group, " in f.metric for f in findings):
        lines.append(
            f"worst group: none has {evidence.minimum} users in each half, one to choose it and one"
            " to judge it"
        )
    lines += [
        f"{' x '.join(pair)} has {subgroups.n_cells(evidence, pair)} cells, too many to judge:"
        f" use coarser groups (at most {subgroups.MOST_CELLS} cells)"
        for pair in subgroups.pairs_of_attributes(evidence, judged=False)
    ]
    for name in ("unknown", "repeated", "too_few"):
        users = int((evidence.faults[name] > 0).sum())
        if users:
            share = evidence.faults[name].mean()
            of = f"({shown(users)} of {len(evidence.users):,} users)"
            lines.append(
                f"recommend: {share:.1%} are {FAULTS[name]} {of}; they count as shown to nobody"
            )
    return lines


def group_table(evidence: Evidence) -> pd.DataFrame:
    """Columns attribute, group, n, status: all groups of each attribute, and of each two."""
    tables = [evidence.sizes(name) for name in evidence.attributes]
    tables += [subgroups.cells(evidence, pair) for pair in subgroups.pairs_of_attributes(evidence)]
    columns = ["attribute", "group", "n", "status"]
    if not tables:
        return pd.DataFrame(columns=columns)
    return pd.concat([table[columns] for table in tables], ignore_index=True)


def descriptives(evidence: Evidence) -> pd.DataFrame:
    """Numbers without a null hypothesis: columns harm, measure, value, low, high, note."""
    k = evidence.k
    ndcg = evidence.ndcg.values
    worst = quality.worst_users(ndcg)
    off = evidence.miscalibration
    free = "needs no attribute"
    values = [
        (f"ndcg@{k}, mean over users", ndcg.mean(), ""),
        (f"recall@{k}, mean over users", evidence.metrics[f"recall@{k}"].mean(), ""),
        (f"users with an ndcg@{k} of 0", (ndcg == 0).mean(), free),
        (
            f"ndcg@{k} of the worst-off tenth (CVaR)",
            worst,
            free if worst > 0 else "not informative: all have 0",
        ),
        (
            "miscalibration (Jensen-Shannon distance)",
            np.nanmean(off) if np.isfinite(off).any() else np.nan,
            "",
        ),
    ]
    columns = ["harm", "measure", "value", "low", "high", "note"]
    rows = [("H1", name, float(value), 0.0, 1.0, note) for name, value, note in values]
    return pd.DataFrame(
        [dict(zip(columns, row, strict=True)) for row in rows]
        + popularity.exposure_table(evidence),
        columns=columns,
    )
