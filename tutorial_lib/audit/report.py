"""`AuditReport`: everything an audit declared, tested and found, and what it could not test."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from tutorial_lib.audit.finding import INCONCLUSIVE, MATERIAL, Finding, findings_frame, judge
from tutorial_lib.data.shipped import write_whole

POSITIVE, COMMENTS, NEGATIVE = "positive", "positive with comments", "negative"


@dataclass(frozen=True)
class Opinion:
    """An auditor's opinion in the words of an audit under Art. 37 of the DSA, and its reasons, the heaviest first. None says "fair"."""

    word: str
    reasons: tuple[str, ...]


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

    @property
    def opinion(self) -> Opinion:
        """Negative: a material finding in the declared family. Positive with comments: a material one elsewhere, an undecided one in the
        family, or something that could not be measured as asked. Positive: none of these."""
        declared = [f for f in self.findings if f.metric in self.family]
        material = [str(f) for f in declared if f.verdict == MATERIAL]
        comments = [str(f) for f in self.findings if f.verdict == MATERIAL and f.metric not in self.family]
        comments += [str(f) for f in declared if f.verdict == INCONCLUSIVE] + list(self.problems)
        if material or comments:
            return Opinion(NEGATIVE if material else COMMENTS, (*material, *comments))
        return Opinion(POSITIVE, ("No declared test found a difference beyond its margin, and none was left undecided.",))

    def to_frame(self) -> pd.DataFrame:
        """One row a finding, in the columns of `Finding`."""
        return findings_frame(self.findings)

    def to_markdown(self) -> str:
        """The whole report as Markdown, opinion first."""
        from tutorial_lib.audit.report_parts import markdown

        return markdown(self)

    def to_html(self) -> str:
        """The whole report as one page that needs nothing else: style and figures inside, tables with captions, alternative texts."""
        from tutorial_lib.audit.report_html import page

        return page(self)

    def _repr_html_(self) -> str:
        from tutorial_lib.audit.report_html import summary

        return summary(self)

    def save(self, folder: str | Path) -> tuple[Path, ...]:
        """Write report.html, report.md, findings.csv and model_card.md, each under a temporary name that is then renamed; their paths."""
        from tutorial_lib.audit.model_card import model_card

        folder = Path(folder)
        files = {
            "report.html": self.to_html(),
            "report.md": self.to_markdown(),
            "findings.csv": self.to_frame().to_csv(index=False),
            "model_card.md": model_card(self),
        }
        for name, text in files.items():
            write_whole(folder / name, text.encode())
        return tuple(folder / name for name in files)
