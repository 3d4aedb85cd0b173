"""The harm register: who may be harmed, how badly, and how evidence is gathered.

Rows, interview guide and codes are in ``register.yaml``. The tutorial that this kit follows
(arXiv 2404.03788) speaks of six types of harm; its own names for them could not be retrieved, so
every row carries two published codings.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pandas as pd

from tutorial_lib.audit.core.finding import Finding
from tutorial_lib.data.shipped import read_yaml

NOT_LEGAL = "The columns on law and frameworks are orientation, not legal advice."
SOURCE = (
    "The six harm types of arXiv 2404.03788 could not be retrieved by name: rows are coded by"
    " Weidinger et al. 2021 and Milano et al. 2020."
)
UNLISTED = 0  # the id of findings that belong to no row


@dataclass(frozen=True)
class Harm:
    """One row of the register.

    Args:
        severity, likelihood: 1 (low) to 4, before any evidence.
        route: one of `routes`.
        measured_by: pattern of the metric names that measure this harm.
    """

    id: int
    harm: str
    what: str
    stakeholder: str
    severity: int
    likelihood: int
    weidinger: tuple[str, ...]
    milano: tuple[str, ...]
    route: str
    metric: str
    test: str
    mitigation: str
    frames: str
    measured_by: str


@cache
def _content() -> dict:
    return read_yaml(Path(__file__).with_name("register.yaml"))


@cache
def register() -> tuple[Harm, ...]:
    """All rows, by id."""
    return tuple(
        Harm(**{**row, "weidinger": tuple(row["weidinger"]), "milano": tuple(row["milano"])})
        for row in _content()["harms"]
    )


def classes() -> dict[str, str]:
    """The six harm classes: "H1" -> what it is."""
    return dict(_content()["classes"])


def routes() -> dict[str, str]:
    """The four routes to evidence of the source tutorial: name -> what is done."""
    return dict(_content()["routes"])


def interview_guide() -> tuple[str, ...]:
    """Open questions for those concerned. Ask five people or more, and not only users."""
    return tuple(_content()["interview"])


def coding_sheet() -> pd.DataFrame:
    """Codes for what was said in interviews: columns code, name, when."""
    return pd.DataFrame(_content()["codes"])


def register_frame() -> pd.DataFrame:
    """The register as a table, one row per harm; ``risk`` = severity x likelihood, 1 to 16.

    >>> register_frame()["harm"].nunique(), len(register_frame())
    (6, 18)
    """
    frame = pd.DataFrame([vars(row) for row in register()]).set_index("id")
    for column in ("weidinger", "milano"):
        frame[column] = frame[column].map(", ".join)
    frame.insert(5, "risk", frame["severity"] * frame["likelihood"])
    return frame.drop(columns="measured_by")


def stakeholders() -> pd.DataFrame:
    """Who bears which harm: rows stakeholders, columns H1..H6, the highest risk (0: none)."""
    rows = [
        (who.strip(), row.harm, row.severity * row.likelihood)
        for row in register()
        for who in row.stakeholder.split(",")
    ]
    table = pd.DataFrame(rows, columns=["stakeholder", "harm", "risk"])
    return table.pivot_table(
        index="stakeholder", columns="harm", values="risk", aggfunc="max", fill_value=0
    )


def row_of(metric: str) -> Harm | None:
    """The row that a metric measures; of several, the one furthest down; None if there is none.

    >>> row_of("ndcg@10: gender F - M").id, row_of("ndcg@10: worst group, age old - rest").id
    (1, 2)
    """
    return next((row for row in reversed(register()) if re.search(row.measured_by, metric)), None)


def evidence_frame(findings: Sequence[Finding]) -> pd.DataFrame:
    """The register beside the findings: columns tested (how many) and material (harmful ones).

    Findings that belong to no row are counted in an additional last one, so that none is lost.
    """
    columns = ["harm", "what", "stakeholder", "risk", "route", "mitigation", "frames"]
    frame = register_frame()[columns]
    rows = [
        (row.id if row else UNLISTED, f.harmful) for f in findings for row in [row_of(f.metric)]
    ]
    by_row = pd.DataFrame(rows, columns=["id", "harmful"]).groupby("id")["harmful"]
    counts = by_row.agg(["size", "sum"])
    if UNLISTED in counts.index:
        what = "something that the register does not list"
        frame.loc[UNLISTED] = ["", what, "", 0, "", "to be found", ""]
    counts = counts.reindex(frame.index, fill_value=0).astype(int)
    return frame.assign(tested=counts["size"], material=counts["sum"])
