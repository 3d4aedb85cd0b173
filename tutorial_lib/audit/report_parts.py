"""What a report says, section by section, whatever it is written in: the skeleton that an auditor expects."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from tutorial_lib.audit.finding import INCONCLUSIVE, MARGINS, MATERIAL, VERDICTS, Finding, shown, sizes_text, verdict_of
from tutorial_lib.audit.opinion import RULES, opinion_of
from tutorial_lib.audit.register import NOT_LEGAL, SOURCE, classes, evidence_frame, interview_guide, routes, row_of

LIMITS = (
    "The audit was made with the tools of the system's own makers unless somebody else ran it: say who, and who paid.",
    "It judges lists for the users of this data set. Users who left, and people who never came, are not in it.",
    "The catalogue is taken as given: intervals say how the numbers would vary with other users, not with other items.",
    "Merit is what users went on to choose, and they could choose only what they knew. Where earlier lists decided that, merit repeats "
    "their bias: a group that was never shown has little merit here, and exposure that follows it looks deserved.",
    "INCONCLUSIVE is not a pass. No verdict says that a system treats people justly; each is about one measure and one margin.",
)
METHODS = (
    "A user is the unit. Gaps are signed: of two groups the first name minus the second, in alphabetical order. Intervals are 95 %.",
    "p: permutation of the studentised difference, two-sided; adjusted by Holm in the declared family, by Benjamini-Hochberg elsewhere. "
    "Measures that differ from 0 in nearly every system (broken lists, popularity of lists over profiles) have no p.",
    "MATERIAL: a difference was detected (the interval leaves out 0, and the adjusted p, where there is one, is below .05), and the whole "
    "interval lies beyond the margin. WITHIN MARGIN: detected, and the whole interval lies within the margin.",
    "EQUIVALENT: not detected, and the whole 95 % interval lies within the margin, as in two one-sided tests at .025 each.",
    "INCONCLUSIVE: none of these. The interval crosses the margin, or it lies beyond the margin but the adjusted p is not below .05, or "
    "there is no interval, or users or items of unknown group could take the result across the margin.",
    "Smallest detectable difference (MDE): the true difference that would be found in 80 % of repetitions; in the declared family of m "
    "tests at .05 / m, as Holm's method asks. A test could decide if its MDE is no larger than its margin.",
    "Units needed: as many as would bring the MDE down to the margin, with groups in the same proportions.",
)
OPEN = "Not done. An audit that stops here has not asked anybody."
HOW_TO_PROTOCOLS = (
    "Not measured. How targets are held out can make a gap, or hide it: run tutorial_lib.audit.protocols.gap_by_protocol over its four "
    "protocols, and add the table by report.with_protocols(table)."
)
DASH = "–"


@dataclass(frozen=True)
class Section:
    """A heading, sentences, and tables with captions. A column "notes" is printed below its row.
    ``figure``: "levels", "forest" or "".
    """

    heading: str
    lines: tuple[str, ...] = ()
    tables: tuple[tuple[str, pd.DataFrame], ...] = ()
    figure: str = ""


def sections(report) -> list[Section]:
    """The report in its order: opinion first, then how it came about, then everything else."""
    opinion, place = opinion_of(report.facts)
    declared, other = split_findings(report)
    return [
        Section(f"Opinion: {opinion.word}", opening(report), figure="levels"),
        Section("Findings: the declared family", tables=(("Declared before measuring", declared_table(report)),), figure="forest"),
        Section("Why this opinion", (*opinion.reasons, _counts(report)), (("The first rule that holds gives the opinion", _rules(place)),)),
        Section("What could not be measured as asked", report.problems or ("Nothing.",)),
        Section("Scope", tables=(("What was audited, on what, with what", _pairs(report.scope)), *_log_tables(report))),
        Section("Criteria, fixed in advance", _criteria(report), (("Margins", _margins(report)),)),
        Section("Findings: everything else that was tested", tables=(("Exploratory", findings_table(other)),)),
        _protocols(report),
        Section("Numbers without a test", tables=(("They describe, and get no verdict", _descriptives(report)),)),
        Section("Methods", METHODS),
        Section("Independence and limits", LIMITS),
        Section("Harms and stakeholders", _harms(), (("Register, with what was tested here", _register(report)),)),
        Section("Qualitative evidence", (OPEN, "Guide for interviews:", *interview_guide())),
        Section("Long run", _longrun(report)),
        Section("Treatment and residual risk", tables=(("To be filled in by those responsible", _treatment(report)),)),
        Section("Annex: groups", tables=(("Every group, also those too small to judge", _groups(report)),)),
    ]


def split_findings(report) -> tuple[list[Finding], list[Finding]]:
    """Findings of the declared family, in its order, and all others."""
    declared = [f for f in report.findings if f.metric in report.family]
    return declared, [f for f in report.findings if f.metric not in report.family]


def opening(report) -> tuple[str, str, str]:
    """Three sentences: what was asked, what was found, and what could not be decided and what it
    would take.
    """
    facts, m = report.facts, len(report.family)
    made = report.declaration
    when = f" on {made.date} (declaration {made.sha256[:12]})," if made else ","
    asked = f"Asked: {m} tests, declared{when} before any list was read: {'; '.join(report.family)}."
    if not m:
        asked = "Asked: nothing. No test was declared, because no group of users or providers could be compared."
    bad = [f"{f.metric} {f.estimate:+.4f} (margin {f.margin:.4f}; worse off: {f.bearer})" for f in facts.material]
    decided = len(facts.declared) - len(facts.undecided)
    found = f"Found: {len(bad)} of {m} declared tests beyond the margin" + (f": {'; '.join(bad)}" if bad else "")
    found += f"; {decided - len(bad)} within it." if m else "."
    if facts.faults:
        found += " Lists break their contract: " + "; ".join(f"{f.estimate:.1%} {f.metric}" for f in facts.faults) + "."
    if facts.harmful:
        found += f" {len(facts.harmful)} exploratory findings are material too."
    if not facts.usable:
        found = "Found: no list holds a single item of the catalogue, so nothing about groups or providers can be said."
    open_tests = [f"{f.metric} ({_takes(f)})" for f in facts.undecided] + [f"{name} (not measured)" for name in facts.missing]
    undecided = f"Not decided: {'; '.join(open_tests)}." if open_tests else "Not decided: nothing that was declared."
    return asked, found, undecided


def _takes(f: Finding) -> str:
    """What it would take to decide a finding."""
    if not f.measured:
        return "no interval: more users, or items in their lists, are needed"
    if math.isnan(f.margin):
        return "no margin to judge it by"
    if f.bounds and verdict_of(f.ci, f.p_adjusted, f.margin) != INCONCLUSIVE:
        return "users or items of unknown group could overturn it, so their group must be known"
    if f.could_decide:
        return f"{f.n:,} users can tell a gap of the margin from none, but the truth lies too near the margin: only more users can tell"
    return f"it would take about {_rounded(f.n_needed)} users in place of {f.n:,}"


def _rounded(n: float) -> str:
    """Two figures: nobody knows such a number better."""
    digits = max(0, len(str(int(n))) - 2)
    return f"{math.ceil(n / 10**digits) * 10**digits:,}"


def _counts(report) -> str:
    counts = pd.Series([f.verdict for f in report.findings]).value_counts()
    return f"{len(report.findings)} findings: {', '.join(f'{counts.get(name, 0)} {name}' for name in VERDICTS)}."


def _rules(place: int) -> pd.DataFrame:
    rows = [(f"{i + 1}", rule.when, rule.word, "applies here" if i == place else "") for i, rule in enumerate(RULES)]
    return pd.DataFrame(rows, columns=["rule", "if", "then", "this audit"])


def declared_table(report) -> pd.DataFrame:
    """The declared family for reading, a row a test: everything that its verdict rests on."""
    rows = [
        {
            "verdict": f.verdict,
            "test": f.metric,
            "difference [95 %]": interval(f.estimate, *f.ci),
            "ratio [95 %]": interval(*f.ratio, sign=False, digits=2),
            "margin": f"{number(f.margin, sign=False)}{_set_by(report, f)}",
            "MDE after Holm": number(f.mde, sign=False),
            "could decide": ("yes" if f.could_decide else "no") if f.measured else DASH,
            "users: had / needed": f"{shown(f.n)} / {_needed(f)}",
            "adjusted p": number(f.p_adjusted, sign=False),
            "notes": " ".join([levels_text(f), *f.notes]).strip(),
        }
        for f in split_findings(report)[0]
    ]
    return pd.DataFrame(rows) if rows else pd.DataFrame({"": ["none"]})


def _needed(f: Finding) -> str:
    return DASH if math.isnan(f.n_needed) else _rounded(f.n_needed)


def _set_by(report, f: Finding) -> str:
    if report.declaration is None or f.margin_name not in report.declaration.margins:
        return ""
    value, who = report.declaration.margins[f.margin_name]
    return f" ({who}{'' if value is None else f': {value:g}'})"


def levels_text(f: Finding) -> str:
    """The mean of each side, with its interval."""
    if not f.levels:
        return ""
    told = [f"{x.group} {interval(x.mean, x.low, x.high, sign=False)}" for x in f.levels]
    return f"Levels: {'; '.join(told)} (n: {sizes_text(f.n_by_group)})."


def findings_table(findings: Sequence[Finding]) -> pd.DataFrame:
    """Findings for reading: numbers as text, what is suppressed as a dash."""
    rows = [
        {
            "verdict": f.verdict,
            "measure": f.metric,
            "estimate [95 %]": interval(f.estimate, *f.ci),
            "margin": number(f.margin, sign=False),
            "MDE": number(f.mde, sign=False),
            "p": number(f.p, sign=False),
            "adjusted p": number(f.p_adjusted, sign=False),
            "harm": f.harm,
            "notes": " ".join([f"n: {sizes_text(f.n_by_group)}.", _worse_off(f), *f.notes]).replace("  ", " "),
        }
        for f in findings
    ]
    return pd.DataFrame(rows) if rows else pd.DataFrame({"": ["none"]})


def _worse_off(f: Finding) -> str:
    if math.isnan(f.estimate) or f.verdict != MATERIAL:
        return ""
    return f"Worse off: {f.bearer}." if f.bearer else "Good news: nobody is worse off."


def interval(value: float, low: float, high: float, *, sign: bool = True, digits: int = 4) -> str:
    """A number with its interval, or a dash."""
    if pd.isna(value):
        return DASH
    told = number(value, sign=sign, digits=digits)
    return (
        f"{told} [no interval]"
        if pd.isna(low) or pd.isna(high)
        else f"{told} [{number(low, sign=sign, digits=digits)}, {number(high, sign=sign, digits=digits)}]"
    )


def number(value: float, *, sign: bool = True, digits: int = 4) -> str:
    """So many decimals, or a dash for what is not known."""
    if pd.isna(value):
        return DASH
    return f"{value:+.{digits}f}" if sign else f"{value:.{digits}f}"


def _pairs(mapping) -> pd.DataFrame:
    return pd.DataFrame({"": list(mapping), "value": [str(value) for value in mapping.values()]})


def _log_tables(report) -> tuple[tuple[str, pd.DataFrame], ...]:
    if report.log_coverage is None or not len(report.log_coverage):
        return ()
    frame = report.log_coverage.copy()
    for name in ("logged", "users"):
        frame[name] = [DASH if pd.isna(n) else shown(int(n)) for n in frame[name]]
    frame["share"] = [DASH if pd.isna(share) else f"{share:.0%}" for share in frame["share"]]
    return (("The log: share of each group's users whose lists were logged", frame),)


def _harms() -> tuple[str, ...]:
    told = "; ".join(f"{name} ({text})" for name, text in routes().items())
    named = "; ".join(f"{name} {text}" for name, text in classes().items())
    return SOURCE, f"Classes: {named}.", f"Routes to evidence: {told}.", NOT_LEGAL


def _register(report) -> pd.DataFrame:
    return evidence_frame(report.findings).reset_index(names="row")


def _criteria(report) -> tuple[str, ...]:
    made = report.declaration
    lines = [f"{len(report.family)} tests: {'; '.join(report.family) or 'none'}."]
    if made:
        lines.append(f"Declared on {made.date} (UTC), from data, split and arguments alone, before the system was asked for a list.")
        lines.append(f"SHA-256 of the declaration: {made.sha256}. Its text: {made.to_json()}")
    return tuple(lines)


def _margins(report) -> pd.DataFrame:
    by = report.declaration.margins if report.declaration else {}
    rows = [
        (name, number(value, sign=False), by.get(name, (None, DASH))[1], MARGINS[name][2] if name in MARGINS else "")
        for name, value in report.margins.items()
    ]
    return pd.DataFrame(rows, columns=["margin", "value", "set by", "of"])


def _protocols(report) -> Section:
    heading = "How much is the protocol's doing"
    if report.protocols is None:
        return Section(heading, (HOW_TO_PROTOCOLS,))
    table = report.protocols
    lines = []
    for (model, metric), part in table.groupby(["model", "metric"], sort=False):
        a, b = part[["a", "b"]].iloc[0]
        signs = "one sign throughout" if (part["gap"] > 0).all() or (part["gap"] < 0).all() else "the sign changes"
        reach = f"from {part['gap'].min():+.4f} to {part['gap'].max():+.4f}, spread {part['gap'].max() - part['gap'].min():.4f}"
        lines.append(f"{model}, {metric}, {a} - {b}: {reach} over {part['protocol'].nunique()} protocols; {signs}.")
    rows = [(r.model, r.metric, r.protocol, interval(r.gap, r.low, r.high)) for r in table.itertuples()]
    frame = pd.DataFrame(rows, columns=["model", "measure", "protocol", "gap [95 %]"])
    return Section(heading, tuple(lines), (("The same gap, targets held out in several ways", frame),))


def _descriptives(report) -> pd.DataFrame:
    frame = report.descriptives.copy()
    for column in ("value", "low", "high"):
        frame[column] = [number(value, sign=False) for value in frame[column]]
    return frame.rename(columns={"note": "notes"})


def _longrun(report) -> tuple[str, ...]:
    found = [str(f) for f in report.findings if f.harm == "H6"]
    return tuple(found) or ("Not simulated. What builds up over weeks cannot be seen in one set of lists.",)


def _treatment(report) -> pd.DataFrame:
    """One row for every material finding that harms somebody, whether or not the register has a row
    for it.
    """
    rows = []
    for f in filter(lambda f: f.harmful, report.findings):
        row = row_of(f.metric)
        rows.append((f.harm, f.metric, f.bearer, row.mitigation if row else "to be found"))
    if not rows:
        return pd.DataFrame({"": ["no material finding that harms somebody"]})
    frame = pd.DataFrame(rows, columns=["harm", "finding", "worse off", "possible mitigation"])
    return frame.assign(**{"residual risk": "", "owner": "", "date": ""})


def _groups(report) -> pd.DataFrame:
    groups = report.groups
    small = groups.loc[groups["status"] == "suppressed", "attribute"] if "status" in groups else ()
    rounded = [attribute in set(small) for attribute in groups["attribute"]] if len(groups) else []
    return groups.assign(n=[shown(n, rounded=near) for n, near in zip(groups["n"], rounded, strict=True)])
