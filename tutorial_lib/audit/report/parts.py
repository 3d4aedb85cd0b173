"""What a report says, section by section, whatever it is written in: the skeleton that an auditor
expects.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from tutorial_lib.audit.core.finding import INCONCLUSIVE, VERDICTS, Finding, shown, verdict_of
from tutorial_lib.audit.core.opinion import opinion_of
from tutorial_lib.audit.harms.register import NOT_LEGAL, SOURCE, classes, interview_guide, routes
from tutorial_lib.audit.report.tables import (
    declared_table,
    descriptives_table,
    findings_table,
    groups_table,
    interval,
    log_tables,
    margins_table,
    pairs,
    register_table,
    rounded,
    rules_table,
    split_findings,
    treatment_table,
)

LIMITS = (
    (
        "The audit was made with the tools of the system's own makers unless somebody else ran it:"
        " say who, and who paid."
    ),
    (
        "It judges lists for the users of this data set. Users who left, and people who never came,"
        " are not in it."
    ),
    (
        "The catalogue is taken as given: intervals say how the numbers would vary with other"
        " users, not with other items."
    ),
    (
        "Merit is what users went on to choose, and they could choose only what they knew. Where"
        " earlier lists decided that, merit repeats their bias: a group that was never shown has"
        " little merit here, and exposure that follows it looks deserved."
    ),
    (
        "INCONCLUSIVE is not a pass. No verdict says that a system treats people justly; each is"
        " about one measure and one margin."
    ),
)
METHODS = (
    (
        "A user is the unit. Gaps are signed: of two groups the first name minus the second, in"
        " alphabetical order. Intervals are 95 %."
    ),
    (
        "Interval and p of a gap come from one test: Welch's t (with pseudo-observations at the"
        " ends of the range where most users have the same value), or the inverted permutation of"
        " the studentised difference where that is skewed. p: two-sided; adjusted by Holm in the"
        " declared family, by Benjamini-Hochberg elsewhere. Measures that differ from 0 in nearly"
        " every system (broken lists, popularity of lists over profiles) have no p."
    ),
    (
        "MATERIAL: a difference was detected (the interval leaves out 0, and the adjusted p, where"
        " there is one, is below .05), and the whole interval lies beyond the margin. WITHIN"
        " MARGIN: detected, and the whole interval lies within the margin."
    ),
    (
        "EQUIVALENT: not detected, and the whole 95 % interval lies within the margin, as in two"
        " one-sided tests at .025 each."
    ),
    (
        "INCONCLUSIVE: none of these. The interval crosses the margin, or it lies beyond the margin"
        " but the adjusted p is not below .05, or there is no interval, or users or items of"
        " unknown group could take the result across the margin."
    ),
    (
        "Smallest detectable difference (MDE): the true difference that would be found in 80 % of"
        " repetitions; in the declared family of m tests at .05 / m, as Holm's method asks. A test"
        " could decide if its MDE is no larger than its margin."
    ),
    (
        "Units needed: as many as would bring the MDE down to the margin, with groups in the same"
        " proportions."
    ),
)
TAKES = "it would take about"
OPEN = "Not done. An audit that stops here has not asked anybody."
HOW_TO_PROTOCOLS = (
    "Not measured. How targets are held out can make a gap, or hide it: run"
    " tutorial_lib.audit.harms.protocols.gap_by_protocol over its four protocols, and add the table"
    " by report.with_protocols(table)."
)


@dataclass(frozen=True)
class Section:
    """A heading, sentences, and tables with captions. A column "notes" is printed below its row.
    figure: "levels", "forest" or "". details: (name, text) of what is folded away at first.
    """

    heading: str
    lines: tuple[str, ...] = ()
    tables: tuple[tuple[str, pd.DataFrame], ...] = ()
    figure: str = ""
    details: tuple[tuple[str, str], ...] = ()


def sections(report) -> list[Section]:
    """The report in its order: opinion first, then how it came about, then everything else."""
    return [*_answer(report), *_evidence(report), *_context(report)]


def _answer(report) -> list[Section]:
    """What a reader in a hurry needs: opinion, declared tests, reasons, gaps in the evidence."""
    opinion, place = opinion_of(report.facts)
    declared, _ = split_findings(report)
    return [
        Section(f"Opinion: {opinion.word}", opening(report), figure="levels"),
        Section(
            "Findings: the declared family",
            tables=(("Declared before measuring", declared_table(report)),),
            figure="forest",
        ),
        Section(
            "Why this opinion",
            (*opinion.reasons, _counts(report)),
            (("The first rule that holds gives the opinion", rules_table(place)),),
        ),
        Section("What could not be measured as asked", report.problems or ("Nothing.",)),
    ]


def _evidence(report) -> list[Section]:
    """What was looked at, by which criteria, and everything that was found."""
    _, other = split_findings(report)
    return [
        Section(
            "Scope",
            tables=(
                ("What was audited, on what, with what", pairs(report.scope)),
                *log_tables(report),
            ),
        ),
        _criteria(report),
        Section(
            "Findings: everything else that was tested",
            tables=(("Exploratory", findings_table(other)),),
        ),
        _protocols(report),
        Section(
            "Numbers without a test",
            tables=(("They describe, and get no verdict", descriptives_table(report)),),
        ),
    ]


def _context(report) -> list[Section]:
    """How to read the numbers, what they leave out, and what is to be done."""
    return [
        Section("Methods", METHODS),
        Section("Independence and limits", LIMITS),
        Section(
            "Harms and stakeholders",
            _harms(),
            (("Register, with what was tested here", register_table(report)),),
        ),
        Section("Qualitative evidence", (OPEN, "Guide for interviews:", *interview_guide())),
        Section("Long run", _longrun(report)),
        Section(
            "Treatment and residual risk",
            tables=(("To be filled in by those responsible", treatment_table(report)),),
        ),
        Section(
            "Annex: groups",
            tables=(("Every group, also those too small to judge", groups_table(report)),),
        ),
    ]


def opening(report) -> tuple[str, str, str]:
    """Three sentences: what was asked, what was found, and what could not be decided and what it
    would take.
    """
    return _asked(report), _found(report), _undecided(report)


def _asked(report) -> str:
    made, names = report.declaration, [name.partition(": ") for name in report.family]
    gaps = [what or start for start, _, what in names if not start.startswith("exposure")]
    providers = [what for start, _, what in names if start.startswith("exposure")]
    if not names:
        return (
            "Asked: nothing. No test was declared, because no group of users or providers could be"
            " compared."
        )
    parts = (
        [f"does {names[0][0]} differ between groups of users ({'; '.join(gaps)})"] if gaps else []
    )
    parts += (
        [f"are providers shown as much as users choose them ({'; '.join(providers)})"]
        if providers
        else []
    )
    when = (
        f" on {made.date}, declaration {made.sha256[:12]}, before any list was asked for"
        if made
        else ""
    )
    return f"Asked: {', and '.join(parts)}? {len(names)} tests, declared{when}."


def _found(report) -> str:
    facts = report.facts
    if not facts.usable:
        return (
            "Found: no list holds a single item of the catalogue, so nothing about groups or"
            " providers can be said."
        )
    bad = [
        f"{f.metric} {f.estimate:+.4f}, margin {f.margin:.4f}, worse off: {f.bearer}"
        for f in facts.material
    ]
    within = facts.tests - facts.open_tests - len(bad)
    told = [
        f"{len(bad)} of {facts.tests} declared tests beyond the"
        f" margin{' (' if bad else ''}{'; '.join(bad)}{')' if bad else ''}"
    ]
    told.append(f"{within} within it")
    told += (
        [
            "lists break their contract"
            f" ({'; '.join(f'{f.estimate:.1%} {f.metric}' for f in facts.faults)})"
        ]
        if facts.faults
        else []
    )
    told += (
        [f"{len(facts.harmful)} exploratory findings material and harmful"] if facts.harmful else []
    )
    return f"Found: {', '.join(told)}."


def _undecided(report) -> str:
    """What is open, grouped by what it would take."""
    facts, needs = report.facts, {}
    for f in facts.undecided:
        needs.setdefault(_takes(f), []).append(f)
    larger = [f for f in facts.undecided if _takes(f).startswith(TAKES)]
    parts = []
    if larger:
        most = max(larger, key=lambda f: f.n_needed / f.n)
        names = "; ".join(f.metric for f in larger)
        reach = TAKES if len(larger) == 1 else TAKES.replace("about", "up to")
        parts.append(
            f"{names}: {reach} {rounded(most.n_needed)} users in place of"
            f" {shown(most.n, rounded=most.hides_sizes)}"
        )
    for need, some in needs.items():
        left = [f.metric for f in some if f not in larger]
        parts += [f"{'; '.join(left)}: {need}"] if left else []
    parts += [f"{name}: not measured" for name in facts.missing]
    if not parts:
        return "Not decided: nothing that was declared."
    return f"Not decided: {facts.open_tests} of {facts.tests}. " + ". ".join(parts) + "."


def _takes(f: Finding) -> str:
    """What it would take to decide a finding."""
    if not f.measured:
        return "no interval: more users, or items in their lists, are needed"
    if math.isnan(f.margin):
        return "no margin to judge it by"
    if f.bounds and verdict_of(f.ci, f.p_adjusted, f.margin) != INCONCLUSIVE:
        return "users or items of unknown group could overturn it, so their group must be known"
    had = shown(f.n, rounded=f.hides_sizes)
    if f.could_decide:
        return f"{had} users are enough in general, but the truth lies too near the margin for them"
    return f"{TAKES} {rounded(f.n_needed)} users in place of {had}"


def _counts(report) -> str:
    counts = pd.Series([f.verdict for f in report.findings]).value_counts()
    return (
        f"{len(report.findings)} findings:"
        f" {', '.join(f'{counts.get(name, 0)} {name}' for name in VERDICTS)}."
    )


def _harms() -> tuple[str, ...]:
    told = "; ".join(f"{name} ({text})" for name, text in routes().items())
    named = "; ".join(f"{name} {text}" for name, text in classes().items())
    return SOURCE, f"Classes: {named}.", f"Routes to evidence: {told}.", NOT_LEGAL


def _criteria(report) -> Section:
    made = report.declaration
    lines, details = [f"{len(report.family)} tests: {'; '.join(report.family) or 'none'}."], ()
    if made:
        lines.append(
            f"Declared on {made.date} (UTC), from data, split and arguments alone, before the"
            " system was asked for a list."
        )
        lines.append(f"SHA-256 of the declaration: {made.sha256}.")
        details = (("The text of the declaration, whose hash this is", made.to_json()),)
    tables = (("Margins", margins_table(report)),)
    return Section("Criteria, fixed in advance", tuple(lines), tables, details=details)


def _protocols(report) -> Section:
    heading = "How much is the protocol's doing"
    if report.protocols is None:
        return Section(heading, (HOW_TO_PROTOCOLS,))
    table = report.protocols
    table = table if "attribute" in table else table.assign(attribute="")
    lines, keys = [], ["model", "metric", "attribute", "a", "b"]
    for (model, metric, attribute, a, b), part in table.groupby(keys, sort=False):
        gaps, name = part["gap"], f"{model}, {metric}: {f'{attribute} {a} - {b}'.strip()}"
        signs = (
            "one sign throughout" if (gaps > 0).all() or (gaps < 0).all() else "the sign changes"
        )
        reach = f"from {gaps.min():+.4f} to {gaps.max():+.4f}, spread {gaps.max() - gaps.min():.4f}"
        lines.append(f"{name}: {reach} over {part['protocol'].nunique()} protocols; {signs}.")
    rows = [
        (
            f"{r.metric}: {r.attribute} {r.a} - {r.b}".replace(":  ", ": "),
            r.model,
            r.protocol,
            interval(r.gap, r.low, r.high),
        )
        for r in table.itertuples()
    ]
    frame = pd.DataFrame(rows, columns=["measure", "model", "protocol", "gap [95 %]"])
    return Section(
        heading, tuple(lines), (("The same gap, targets held out in several ways", frame),)
    )


def _longrun(report) -> tuple[str, ...]:
    found = [str(f) for f in report.findings if f.harm == "H6"]
    return tuple(found) or (
        "Not simulated. What builds up over weeks cannot be seen in one set of lists.",
    )
