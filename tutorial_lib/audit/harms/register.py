"""The harm register: who may be harmed, how badly, how evidence is got, and where the harm stands
in published codings.

Rows, interview guide and codes stand in ``register.yaml``. The tutorial that this kit follows
(arXiv 2404.03788) speaks of six types of harm; its own names of them could not be retrieved, so
every row carries two published codings.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pandas as pd

from tutorial_lib.audit.core.finding import Finding, make_finding
from tutorial_lib.audit.inference.statistics import rate
from tutorial_lib.errors import InputError

NOT_LEGAL = "The columns on law and frameworks are orientation, not legal advice."
SOURCE = (
    "The six harm types of arXiv 2404.03788 could not be retrieved by name: rows are coded by"
    " Weidinger et al. 2021 and Milano et al. 2020."
)


@dataclass(frozen=True)
class Harm:
    """One row. severity, likelihood: 1 (low) to 4, before evidence. route: one of `routes`.
    measured_by: a pattern of metric names.
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
    import yaml

    return yaml.safe_load(Path(__file__).with_name("register.yaml").read_text(encoding="utf-8"))


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


def register_frame() -> pd.DataFrame:
    """The register as a table, one row a harm; ``risk`` = severity x likelihood, 1 to 16.

    >>> register_frame()["harm"].nunique(), len(register_frame())
    (6, 18)
    """
    frame = pd.DataFrame([vars(row) for row in register()]).set_index("id")
    for column in ("weidinger", "milano"):
        frame[column] = frame[column].map(", ".join)
    frame.insert(5, "risk", frame["severity"] * frame["likelihood"])
    return frame.drop(columns="measured_by")


def stakeholders() -> pd.DataFrame:
    """Who bears which class of harm: rows stakeholders, columns H1..H6, the highest risk (1 to 16)
    where there is one, else 0.
    """
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
    """The row that a metric measures: of those whose pattern is found in its name, the one furthest
    down; None if there is none.

    >>> row_of("ndcg@10: gender F - M").id, row_of("ndcg@10: worst group, age old - rest").id, row_of("something else")
    (1, 2, None)
    """
    return next((row for row in reversed(register()) if re.search(row.measured_by, metric)), None)


def evidence_frame(findings: Sequence[Finding]) -> pd.DataFrame:
    """The register beside what was found: columns tested (number of findings) and material (how
    many of them harm somebody), by id.

    A finding that belongs to no row stands in an additional last one, so that none is lost.
    """
    frame = register_frame()[
        ["harm", "what", "stakeholder", "risk", "route", "mitigation", "frames"]
    ]
    rows = [(row.id if row else 0, f.harmful) for f in findings for row in [row_of(f.metric)]]
    found = (
        pd.DataFrame(rows, columns=["id", "harmful"]).groupby("id")["harmful"].agg(["size", "sum"])
    )
    if 0 in found.index:
        other = {
            "harm": "",
            "what": "something that the register does not list",
            "stakeholder": "",
            "risk": 0,
            "route": "",
        }
        frame.loc[0] = other | {"mitigation": "to be found", "frames": ""}
    found = found.reindex(frame.index, fill_value=0).astype(int)
    return frame.assign(tested=found["size"], material=found["sum"])


def interview_guide() -> tuple[str, ...]:
    """Open questions for those concerned. Ask five people or more, and not only users."""
    return tuple(_content()["interview"])


def coding_sheet() -> pd.DataFrame:
    """Codes for what was said: columns code, name, when."""
    return pd.DataFrame(_content()["codes"])


def coding_template(statements: Sequence[str]) -> pd.DataFrame:
    """A sheet to fill in: one row a statement, columns statement, coder_a, coder_b, severity,
    quote_allowed.
    """
    return pd.DataFrame(
        {
            "statement": list(statements),
            "coder_a": "",
            "coder_b": "",
            "severity": "",
            "quote_allowed": "",
        }
    )


def agreement(coder_a: Sequence[str], coder_b: Sequence[str]) -> float:
    """Cohen's kappa of two coders who coded the same statements, in [-1, 1]: 1 = always the same, 0
    = as by chance (Cohen 1960).

    Raises InputError for lists of unlike length, fewer than two statements, or a code outside the
    sheet.

    >>> agreement(["Q", "Q", "E", "P"], ["Q", "Q", "E", "P"])
    1.0
    """
    from sklearn.metrics import cohen_kappa_score

    known = set(coding_sheet()["code"])
    strange = sorted({*coder_a, *coder_b} - known)
    if len(coder_a) != len(coder_b) or len(coder_a) < 2 or strange:
        wrong = (
            f"unknown code {strange[0]!r}"
            if strange
            else f"{len(coder_a)} and {len(coder_b)} codes"
        )
        raise InputError(
            f"agreement: {wrong}; expected two codings of the same statements, with the codes"
            f" {', '.join(sorted(known))}"
        )
    if list(coder_a) == list(coder_b):
        return 1.0  # also where only one code was used, for which kappa is not defined
    return float(cohen_kappa_score(list(coder_a), list(coder_b), labels=sorted(known)))


def catalogue_checks(dataset, margin: float = 0.01) -> list[Finding]:
    """What the catalogue says, checked against itself and its knowledge graph: the share of items
    at fault, with Wilson's interval.

    Empty titles, titles that two items share, years outside 1850 to 2100, items without a category,
    and graph triples whose item has no such category (relation "has_category").
    """
    items = dataset.items
    title = items["title"].astype(str).str.strip()
    faults = {
        "items without a title": title == "",
        "items whose title another item has": title.duplicated(keep=False) & (title != ""),
        "items without a category": items["categories"].map(len) == 0,
    }
    if "year" in items:
        year = pd.to_numeric(items["year"], errors="coerce")
        faults["items with a year outside 1850 to 2100"] = year.notna() & ~year.between(1850, 2100)
    themes = (
        dataset.graph[dataset.graph["relation"].isin(["has_category"])]
        if len(dataset.graph)
        else dataset.graph
    )
    if len(themes):
        said = themes["tail"].str.split(":").str[-1]
        wrong = [
            theme not in items["categories"].iloc[head]
            for head, theme in zip(themes["head"], said, strict=True)
        ]
        faults["graph triples that the categories contradict"] = pd.Series(wrong)
    findings = []
    for name, bad in faults.items():
        n = {"checked": len(bad)}
        findings.append(
            make_finding(
                "H4", "users", name, rate(int(bad.sum()), len(bad)), n_by_group=n, margin=margin
            )
        )
    return findings
