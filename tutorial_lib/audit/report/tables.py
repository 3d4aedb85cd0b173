"""The tables of a report, for reading: numbers as text, what is suppressed as a dash."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from tutorial_lib.audit.core.finding import MATERIAL, Finding
from tutorial_lib.audit.core.groups import shown
from tutorial_lib.audit.core.margins import MARGINS
from tutorial_lib.audit.core.opinion import RULES
from tutorial_lib.audit.harms.register import evidence_frame, row_of
from tutorial_lib.audit.report.opening import needed

if TYPE_CHECKING:
    from tutorial_lib.audit.report.report import AuditReport

DASH = "–"


def number(value: float, *, sign: bool = True, digits: int = 4) -> str:
    """So many decimals, or a dash for what is not known."""
    if pd.isna(value):
        return DASH
    return f"{value:+.{digits}f}" if sign else f"{value:.{digits}f}"


def interval(value: float, low: float, high: float, *, sign: bool = True, digits: int = 4) -> str:
    """A number with its interval, or a dash."""
    if pd.isna(value):
        return DASH
    estimate, *ends = [number(x, sign=sign, digits=digits) for x in (value, low, high)]
    return f"{estimate} [{'no interval' if DASH in ends else ', '.join(ends)}]"


def rounded_p(p: float) -> str:
    """Three decimals, as far as permutations can tell; a dash where there is no test."""
    return "< 0.001" if p < 0.001 else number(p, sign=False, digits=3)


def _frame(rows: Sequence[Mapping], none: str = "none") -> pd.DataFrame:
    """A row per mapping; one that says so where there is none."""
    return pd.DataFrame(rows) if rows else pd.DataFrame({"": [none]})


def rules_table(place: int) -> pd.DataFrame:
    """The rules of the opinion. place: of the one that applies."""
    rows = [
        (f"{i + 1}", rule.when, rule.word, "applies here" if i == place else "")
        for i, rule in enumerate(RULES)
    ]
    return pd.DataFrame(rows, columns=["rule", "if", "then", "this audit"])


def declared_table(report: AuditReport) -> pd.DataFrame:
    """The declared family, one row per test: everything that its verdict rests on."""
    rows = []
    for f in report.declared:
        users = f"{shown(f.n, rounded=f.hides_sizes)} / "
        users += DASH if math.isnan(f.n_needed) else needed(f.n_needed)
        row = {
            "test": f.metric,
            "verdict": f.verdict,
            "difference [95 %]": interval(f.estimate, *f.ci),
            "ratio [95 %]": interval(*f.ratio, sign=False, digits=2),
            "margin": number(f.margin, sign=False) + _set_by(report, f),
            "MDE after Holm": number(f.mde, sign=False),
            "could decide": ("yes" if f.could_decide else "no") if f.measured else DASH,
            "users: had / needed": users,
            "adjusted p": rounded_p(f.p_adjusted),
            "notes": " ".join([_levels(f), *f.notes]).strip(),
        }
        rows.append(row)
    return _frame(rows)


def _set_by(report: AuditReport, f: Finding) -> str:
    if report.declaration is None or f.margin_name not in report.declaration.margins:
        return ""
    value, who = report.declaration.margins[f.margin_name]
    return f" ({who}{'' if value is None else f': {value:g}'})"


def _levels(f: Finding) -> str:
    """The mean of each side, with its interval."""
    if not f.levels:
        return ""
    sides = [f"{x.group} {interval(x.mean, x.low, x.high, sign=False)}" for x in f.levels]
    return f"Levels: {'; '.join(sides)} (n: {f.sizes})."


def findings_table(findings: Sequence[Finding]) -> pd.DataFrame:
    """One row per finding."""
    rows = [
        {
            "measure": f.metric,
            "verdict": f.verdict,
            "estimate [95 %]": interval(f.estimate, *f.ci),
            "margin": number(f.margin, sign=False),
            "MDE": number(f.mde, sign=False),
            "p": rounded_p(f.p),
            "adjusted p": rounded_p(f.p_adjusted),
            "harm": f.harm,
            "notes": " ".join(filter(None, [f"n: {f.sizes}.", _worse_off(f), *f.notes])),
        }
        for f in findings
    ]
    return _frame(rows)


def _worse_off(f: Finding) -> str:
    if math.isnan(f.estimate) or f.verdict != MATERIAL:
        return ""
    return f"Worse off: {f.bearer}." if f.bearer else "Good news: nobody is worse off."


def scope_table(report: AuditReport) -> pd.DataFrame:
    values = [str(value) for value in report.scope.values()]
    return pd.DataFrame({"": list(report.scope), "value": values})


def log_table(coverage: pd.DataFrame) -> pd.DataFrame:
    """Who is in a log, sizes as they may be published. coverage: of `log_coverage`."""
    frame = coverage.copy()
    hidden = frame["logged"].isna().groupby(frame["attribute"]).transform("any")
    for name in ("logged", "users"):
        pairs = zip(frame[name], hidden, strict=True)
        frame[name] = [DASH if pd.isna(n) else shown(int(n), rounded=few) for n, few in pairs]
    frame["share"] = [DASH if pd.isna(share) else f"{share:.0%}" for share in frame["share"]]
    return frame


def protocols_table(protocols: pd.DataFrame) -> pd.DataFrame:
    rows = [
        {
            "measure": f"{r.metric}: {f'{r.attribute} {r.a} - {r.b}'.strip()}",
            "model": r.model,
            "protocol": r.protocol,
            "gap [95 %]": interval(r.gap, r.low, r.high),
        }
        for r in protocols.itertuples()
    ]
    return _frame(rows)


def register_table(report: AuditReport) -> pd.DataFrame:
    """The register beside what was tested; how and what to do stand in the notes."""
    frame = evidence_frame(report.findings).reset_index(names="row")
    notes = [
        f"Evidence: {r.route}. To mitigate: {r.mitigation}. {r.frames}" for r in frame.itertuples()
    ]
    columns = ["row", "harm", "what", "stakeholder", "risk", "tested", "material"]
    return frame[columns].assign(notes=notes)


def margins_table(report: AuditReport) -> pd.DataFrame:
    """Every margin with who set it, and what it is a margin of."""
    declared = report.declaration.margins if report.declaration else {}
    rows = [
        (
            name,
            number(value, sign=False),
            declared[name][1] if name in declared else DASH,
            MARGINS[name][2] if name in MARGINS else "",
        )
        for name, value in report.margins.items()
    ]
    return pd.DataFrame(rows, columns=["margin", "value", "set by", "of"])


def descriptives_table(report: AuditReport) -> pd.DataFrame:
    frame = report.descriptives.copy()
    for column in ("value", "low", "high"):
        frame[column] = [number(value, sign=False) for value in frame[column]]
    return frame.rename(columns={"note": "notes"})


def treatment_table(report: AuditReport) -> pd.DataFrame:
    """One row for every material finding that harms somebody, also outside the register."""
    rows = []
    for f in report.findings:
        if not f.harmful:
            continue
        known = row_of(f.metric)
        row = {
            "harm": f.harm,
            "finding": f.metric,
            "worse off": f.bearer,
            "possible mitigation": known.mitigation if known else "to be found",
        }
        rows.append(row | dict.fromkeys(("residual risk", "owner", "date"), ""))
    return _frame(rows, none="no material finding that harms somebody")


def groups_table(report: AuditReport) -> pd.DataFrame:
    """Every group; beside a suppressed one, sizes are rounded to the nearest ten."""
    groups = report.groups
    hidden = (groups["status"] == "suppressed").groupby(groups["attribute"]).transform("any")
    sizes = [shown(n, rounded=near) for n, near in zip(groups["n"], hidden, strict=True)]
    return groups.assign(n=sizes)
