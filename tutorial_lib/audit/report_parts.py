"""What a report says, section by section, whatever it is written in: the skeleton that an auditor expects."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from tutorial_lib.audit.finding import MARGINS, VERDICTS, Finding
from tutorial_lib.audit.register import NOT_LEGAL, SOURCE, classes, evidence_frame, interview_guide, routes

LIMITS = (
    "The audit was made with the tools of the system's own makers unless somebody else ran it: say who, and who paid.",
    "It judges lists for the users of this data set. Users who left, and people who never came, are not in it.",
    "The catalogue is taken as given: intervals say how the numbers would vary with other users, not with other items.",
    "INCONCLUSIVE is not a pass. No verdict says that a system treats people justly; each is about one measure and one margin.",
)
METHODS = (
    "A user is the unit. Gaps are signed. Intervals are 95 %: BCa bootstrap, or Welch's t where a group has fewer than 100 users.",
    "p: permutation of the studentised difference, two-sided; adjusted by Holm in the declared family, by Benjamini-Hochberg elsewhere.",
    "MATERIAL: detected, and the interval lies beyond the margin. WITHIN MARGIN: detected, and it lies within. "
    "EQUIVALENT: not detected, and it lies within. INCONCLUSIVE: it crosses the margin.",
    "mde is the true difference that would be seen in 80 % of repetitions.",
)
OPEN = "Not done. An audit that stops here has not asked anybody."


@dataclass(frozen=True)
class Section:
    """A heading, sentences, and tables with captions. ``figure``: where the forest plot stands."""

    heading: str
    lines: tuple[str, ...] = ()
    tables: tuple[tuple[str, pd.DataFrame], ...] = ()
    figure: bool = False


def sections(report) -> list[Section]:
    """The report in its order: opinion first, then how it came about, then everything else."""
    opinion, counts = report.opinion, pd.Series([f.verdict for f in report.findings]).value_counts()
    verdicts = ", ".join(f"{counts.get(name, 0)} {name}" for name in VERDICTS)
    declared = [f for f in report.findings if f.metric in report.family]
    other = [f for f in report.findings if f.metric not in report.family]
    return [
        Section(f"Opinion: {opinion.word}", (*opinion.reasons, f"{len(report.findings)} findings: {verdicts}.")),
        Section("Scope", tables=(("What was audited, on what, with what", _pairs(report.scope)),)),
        Section("Independence and limits", LIMITS),
        Section("Harms and stakeholders", _harms(), (("Register, with what was tested here", _register(report)),)),
        Section("Criteria, fixed in advance", _criteria(report), (("Margins", _margins(report)),)),
        Section("Methods", METHODS),
        Section("Findings: the declared family", tables=(("Declared before measuring", findings_table(declared)),), figure=True),
        Section("Findings: everything else that was tested", tables=(("Exploratory", findings_table(other)),)),
        Section("Numbers without a test", tables=(("They describe, and get no verdict", _descriptives(report)),)),
        Section("What could not be measured as asked", report.problems or ("Nothing.",)),
        Section("Qualitative evidence", (OPEN, "Guide for interviews:", *interview_guide())),
        Section("Long run", _longrun(report)),
        Section("Treatment and residual risk", tables=(("To be filled in by those responsible", _treatment(report)),)),
        Section("Annex: groups", tables=(("Every group, also those too small to judge", _groups(report)),)),
    ]


def _pairs(mapping) -> pd.DataFrame:
    return pd.DataFrame({"": list(mapping), "value": [str(value) for value in mapping.values()]})


def _harms() -> tuple[str, ...]:
    return SOURCE, "Classes: " + "; ".join(f"{name} {text}" for name, text in classes().items()) + ".", _routes(), NOT_LEGAL


def _routes() -> str:
    return "Routes to evidence: " + "; ".join(f"{name} ({text})" for name, text in routes().items()) + "."


def _register(report) -> pd.DataFrame:
    return evidence_frame(report.findings).reset_index(names="row")


def _criteria(report) -> tuple[str, ...]:
    return (f"{len(report.family)} tests were declared before anything was measured: {'; '.join(report.family) or 'none'}.",)


def _margins(report) -> pd.DataFrame:
    rows = [(name, value, MARGINS[name][2] if name in MARGINS else "") for name, value in report.margins.items()]
    return pd.DataFrame(rows, columns=["margin", "value", "of"])


def findings_table(findings: list[Finding]) -> pd.DataFrame:
    """Findings for reading: numbers as text, what is suppressed as a dash."""
    rows = [
        {
            "verdict": f.verdict,
            "metric": f.metric,
            "estimate [95 % interval]": f"{number(f.estimate)} [{number(f.ci[0])}, {number(f.ci[1])}]",
            "margin": number(f.margin, sign=False),
            "mde": number(f.mde, sign=False),
            "p": number(f.p, sign=False),
            "adjusted p": number(f.p_adjusted, sign=False),
            "n": ", ".join(f"{name} {shown(n)}" for name, n in f.n_by_group.items()),
            "harm": f.harm,
            "stakeholder": f.stakeholder,
            "notes": " ".join(f.notes),
        }
        for f in findings
    ]
    return pd.DataFrame(rows) if rows else pd.DataFrame({"": ["none"]})


def number(value: float, *, sign: bool = True) -> str:
    """Four decimals, or a dash for what is not known."""
    if pd.isna(value):
        return "–"
    return f"{value:+.4f}" if sign else f"{value:.4f}"


def shown(n: int) -> str:
    """A group's size as it may be published: below ten only that."""
    return f"{n:,}" if n >= 10 or n == 0 else "fewer than 10"


def _descriptives(report) -> pd.DataFrame:
    frame = report.descriptives.copy()
    for column in ("value", "low", "high"):
        frame[column] = [number(value, sign=False) for value in frame[column]]
    return frame


def _longrun(report) -> tuple[str, ...]:
    found = [str(f) for f in report.findings if f.harm == "H6"]
    return tuple(found) or ("Not simulated. What builds up over weeks cannot be seen in one set of lists.",)


def _treatment(report) -> pd.DataFrame:
    frame = evidence_frame(report.findings)
    frame = frame[frame["material"] > 0][["harm", "what", "stakeholder", "mitigation"]].reset_index(names="row")
    return frame.assign(**{"residual risk": "", "owner": "", "date": ""}) if len(frame) else pd.DataFrame({"": ["no material finding"]})


def _groups(report) -> pd.DataFrame:
    return report.groups.assign(n=[shown(n) for n in report.groups["n"]])


def markdown(report) -> str:
    """All sections as Markdown."""
    parts = [f"# Audit of {escaped(report.system)}"]
    for section in sections(report):
        parts.append(f"## {escaped(section.heading)}")
        if section.lines:
            parts.append("\n".join(f"- {escaped(line)}" for line in section.lines))
        for caption, table in section.tables:
            parts += [f"*{escaped(caption)}*", markdown_table(table)]
    return "\n\n".join(parts) + "\n"


def markdown_table(table: pd.DataFrame) -> str:
    """A pipe table; cells are escaped, and kept on one line."""
    rows = [list(table), ["---"] * table.shape[1], *table.astype(object).where(table.notna(), "").to_numpy().tolist()]
    return "\n".join("| " + " | ".join(cell if cell == "---" else escaped(cell) for cell in row) + " |" for row in rows)


def escaped(text: object) -> str:
    """Text that Markdown shows as it is: no tags, no cells, no emphasis."""
    text = " ".join(str(text).split())
    for sign, safe in (("\\", "\\\\"), ("&", "&amp;"), ("<", "&lt;"), ("|", "\\|"), ("*", "\\*"), ("_", "\\_"), ("`", "\\`"), ("[", "\\[")):
        text = text.replace(sign, safe)
    return text
