"""`AuditReport`: everything an audit declared, tested and found, and what it could not test."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import pandas as pd

from tutorial_lib.audit.finding import Finding, findings_frame, judge


@dataclass(frozen=True)
class AuditReport:
    """The result of `audit`.

    system: what was audited (class and parameters). scope: name -> text: data set, protocol, users, versions, hashes, seed, seconds.
    margins: name -> margin as declared. family: metric names declared before measuring (Holm). findings: everything tested, not only
    what fired. groups: DataFrame with columns attribute, group, n, status ("measured", "too few for an interval", "suppressed", "empty").
    descriptives: numbers without a null, such as coverage or Gini: columns harm, measure, value, low and high (reachable range), note.
    problems: one line for everything that could not be measured, and why.
    """

    system: str
    scope: Mapping[str, str]
    margins: Mapping[str, float]
    family: tuple[str, ...]
    findings: tuple[Finding, ...]
    groups: pd.DataFrame
    problems: tuple[str, ...] = ()
    descriptives: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=["harm", "measure", "value", "low", "high", "note"]))

    def add(self, findings: Iterable[Finding], problems: Iterable[str] = ()) -> AuditReport:
        """A report with more findings (of prompts, privacy, simulation, ...), all judged again as one audit."""
        return replace(self, findings=judge((*self.findings, *findings), self.family), problems=(*self.problems, *problems))

    def to_frame(self) -> pd.DataFrame:
        """One row a finding, in the columns of `Finding`."""
        return findings_frame(self.findings)
