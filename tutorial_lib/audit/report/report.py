"""`AuditReport`: everything an audit declared, tested and found, and what it could not test."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from tutorial_lib.audit.core.declaration import Declaration
from tutorial_lib.audit.core.finding import Finding, findings_frame, judge
from tutorial_lib.audit.core.opinion import Basis, Opinion, basis_of, opinion_of
from tutorial_lib.errors import InputError

PROTOCOL_COLUMNS = ("model", "protocol", "metric", "a", "b", "gap", "low", "high")
DESCRIPTIVE_COLUMNS = ("harm", "measure", "value", "low", "high", "note")


@dataclass(frozen=True)
class AuditReport:
    """The result of `audit`.

    Args:
        system: what was audited: class and parameters.
        scope: name -> text: data set, protocol, users, versions, hashes, seed, seconds.
        margins: name -> margin as declared.
        family: names of the metrics declared before measuring (Holm).
        findings: everything tested, not only what is MATERIAL.
        groups: columns attribute, group, n, and status: "measured", "too few for an interval",
            "suppressed" or "empty".
        problems: one line for everything that could not be measured, and why.
        descriptives: numbers without a null hypothesis, such as coverage or Gini: columns harm,
            measure, value, low and high (reachable range), note.
        usable: whether any list holds an item of the catalogue.
        declaration: what was fixed before the system was asked, with its hash.
        log_coverage: of a log, columns attribute, group, logged, users, share.
        protocols: the table given to `with_protocols`.
    """

    system: str
    scope: Mapping[str, str]
    margins: Mapping[str, float]
    family: tuple[str, ...]
    findings: tuple[Finding, ...]
    groups: pd.DataFrame
    problems: tuple[str, ...] = ()
    descriptives: pd.DataFrame = field(
        default_factory=lambda: pd.DataFrame(columns=DESCRIPTIVE_COLUMNS)
    )
    usable: bool = True
    declaration: Declaration | None = None
    log_coverage: pd.DataFrame | None = None
    protocols: pd.DataFrame | None = None

    def add(self, findings: Iterable[Finding], problems: Iterable[str] = ()) -> AuditReport:
        """A report with more findings (of prompts, privacy, simulation, ...), all judged again as
        one audit.
        """
        return replace(
            self,
            findings=judge((*self.findings, *findings), self.family),
            problems=(*self.problems, *problems),
        )

    def with_protocols(self, table: pd.DataFrame) -> AuditReport:
        """A report that also shows the gap under several protocols or splits.

        Args:
            table: the result of `gap_by_protocol`, with at least three protocols.

        Raises:
            InputError: a column is missing, or there are fewer than three protocols.
        """
        lacking = [name for name in PROTOCOL_COLUMNS if name not in table]
        if lacking:
            raise InputError(
                f"with_protocols: the table lacks the column {lacking[0]!r}; expected the result of"
                " gap_by_protocol"
            )
        if table["protocol"].nunique() < 3:
            raise InputError(
                f"with_protocols: {table['protocol'].nunique()} protocols; expected at least three"
                " ways to hold targets out"
            )
        return replace(self, protocols=table)

    @property
    def declared(self) -> tuple[Finding, ...]:
        """Findings of the family that was declared before measuring."""
        return tuple(f for f in self.findings if f.metric in self.family)

    @property
    def exploratory(self) -> tuple[Finding, ...]:
        """All other findings."""
        return tuple(f for f in self.findings if f.metric not in self.family)

    @property
    def basis(self) -> Basis:
        """What the opinion rests on."""
        return basis_of(self.findings, self.family, self.problems, self.usable)

    @property
    def opinion(self) -> Opinion:
        """The opinion of the first of `opinion.RULES` that holds, with its reasons."""
        return opinion_of(self.basis)[0]

    def to_frame(self) -> pd.DataFrame:
        """One row per finding, in the columns of `findings_frame`."""
        return findings_frame(self.findings)

    def to_markdown(self) -> str:
        """The whole report as Markdown, opinion first."""
        from tutorial_lib.audit.report.render import markdown

        return markdown(self)

    def to_html(self) -> str:
        """The whole report as one page that needs nothing else: style and figures inside."""
        from tutorial_lib.audit.report.render import page

        return page(self)

    def _repr_html_(self) -> str:
        from tutorial_lib.audit.report.render import summary_html

        return summary_html(self)

    def save(self, folder: str | Path) -> tuple[Path, ...]:
        """Write report.html, report.md, findings.csv and model_card.md, all four or none.

        Returns:
            The paths of the files.

        Raises:
            InputError: with the path that could not be written.
        """
        from tutorial_lib.audit.report.files import safe_csv, write_together
        from tutorial_lib.audit.report.render import model_card

        files = {
            "report.html": self.to_html(),
            "report.md": self.to_markdown(),
            "findings.csv": safe_csv(self.to_frame()),
            "model_card.md": model_card(self),
        }
        return write_together(Path(folder), files)
