"""What stands in a report, section by section, whatever it is written in."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from tutorial_lib.audit.core.finding import VERDICTS
from tutorial_lib.audit.core.opinion import opinion_of
from tutorial_lib.audit.harms.register import NOT_LEGAL, SOURCE, classes, interview_guide, routes
from tutorial_lib.audit.report import tables
from tutorial_lib.audit.report.opening import opening
from tutorial_lib.audit.report.plots import Figure, forest_plot, levels_figure
from tutorial_lib.data.shipped import read_yaml

if TYPE_CHECKING:
    from tutorial_lib.audit.report.report import AuditReport


@dataclass(frozen=True)
class Section:
    """A heading with what stands below it.

    Args:
        heading: one line.
        lines: sentences.
        tables: caption -> table; a column "notes" is printed below its row.
        figure: only for pages.
        details: name -> text of what is folded away at first.
    """

    heading: str
    lines: tuple[str, ...] = ()
    tables: dict[str, pd.DataFrame] | None = None
    figure: Figure | None = None
    details: dict[str, str] | None = None


@cache
def texts() -> dict:
    """What every report says."""
    return read_yaml(Path(__file__).with_name("texts.yaml"))


def sections(report: AuditReport) -> list[Section]:
    """The report in its order: opinion first, then how it came about, then everything else."""
    return [*_answer(report), *_evidence(report), *_context(report)]


def _answer(report: AuditReport) -> list[Section]:
    """What a reader in a hurry needs: opinion, declared tests, reasons, gaps in the evidence."""
    opinion, place = opinion_of(report.basis)
    verdicts = [f.verdict for f in report.findings]
    counts = ", ".join(f"{verdicts.count(name)} {name}" for name in VERDICTS)
    return [
        Section(f"Opinion: {opinion.word}", opening(report), figure=levels_figure(report.declared)),
        Section(
            "Findings: the declared family",
            tables={"Declared before measuring": tables.declared_table(report)},
            figure=forest_plot(report.declared),
        ),
        Section(
            "Why this opinion",
            (*opinion.reasons, f"{len(verdicts)} findings: {counts}."),
            {"The first rule that holds gives the opinion": tables.rules_table(place)},
        ),
        Section("What could not be measured as asked", report.problems or ("Nothing.",)),
    ]


def _evidence(report: AuditReport) -> list[Section]:
    """What was looked at, by which criteria, and everything that was found."""
    scope = {"What was audited, on what, with what": tables.scope_table(report)}
    if report.log_coverage is not None and len(report.log_coverage):
        caption = "The log: share of each group's users whose lists were logged"
        scope[caption] = tables.log_table(report.log_coverage)
    return [
        Section("Scope", tables=scope),
        _criteria(report),
        Section(
            "Findings: everything else that was tested",
            tables={"Exploratory": tables.findings_table(report.exploratory)},
        ),
        _protocols(report),
        Section(
            "Numbers without a test",
            tables={"They describe, and get no verdict": tables.descriptives_table(report)},
        ),
    ]


def _context(report: AuditReport) -> list[Section]:
    """How to read the numbers, what they leave out, and what is to be done."""
    said = texts()
    long_run = tuple(str(f) for f in report.findings if f.harm == "H6")
    named = "; ".join(f"{name} {text}" for name, text in classes().items())
    ways = "; ".join(f"{name} ({text})" for name, text in routes().items())
    return [
        Section("Methods", tuple(said["methods"])),
        Section("Independence and limits", tuple(said["limits"])),
        Section(
            "Harms and stakeholders",
            (SOURCE, f"Classes: {named}.", f"Routes to evidence: {ways}.", NOT_LEGAL),
            {"Register, with what was tested here": tables.register_table(report)},
        ),
        Section(
            "Qualitative evidence",
            (said["nobody_asked"], "Guide for interviews:", *interview_guide()),
        ),
        Section("Long run", long_run or (said["no_long_run"],)),
        Section(
            "Treatment and residual risk",
            tables={"To be filled in by those responsible": tables.treatment_table(report)},
        ),
        Section(
            "Annex: groups",
            tables={"Every group, also those too small to judge": tables.groups_table(report)},
        ),
    ]


def _criteria(report: AuditReport) -> Section:
    declared = report.declaration
    lines = [f"{len(report.family)} tests: {'; '.join(report.family) or 'none'}."]
    details = {}
    if declared:
        lines += [
            f"Declared on {declared.date} (UTC), from data, split and arguments alone, before the"
            " system was asked for a list.",
            f"SHA-256 of the declaration: {declared.sha256}.",
        ]
        details["The text of the declaration, whose hash this is"] = declared.to_json()
    margins = {"Margins": tables.margins_table(report)}
    return Section("Criteria, fixed in advance", tuple(lines), margins, details=details)


def _protocols(report: AuditReport) -> Section:
    heading = "How much is the protocol's doing"
    if report.protocols is None:
        return Section(heading, (texts()["no_protocols"],))
    table = report.protocols
    table = table if "attribute" in table else table.assign(attribute="")
    lines = []
    keys = ["model", "metric", "attribute", "a", "b"]
    for (model, metric, attribute, a, b), part in table.groupby(keys, sort=False):
        gaps = part["gap"]
        one_sign = (gaps > 0).all() or (gaps < 0).all()
        lines.append(
            f"{model}, {metric}: {f'{attribute} {a} - {b}'.strip()}: from {gaps.min():+.4f} to"
            f" {gaps.max():+.4f}, spread {gaps.max() - gaps.min():.4f} over"
            f" {part['protocol'].nunique()} protocols;"
            f" {'one sign throughout' if one_sign else 'the sign changes'}."
        )
    caption = "The same gap, targets held out in several ways"
    return Section(heading, tuple(lines), {caption: tables.protocols_table(table)})
