"""The three sentences that a report opens with: what was asked, found, and left undecided."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tutorial_lib.audit.core.finding import INCONCLUSIVE, Finding, verdict_of
from tutorial_lib.audit.core.groups import shown, two_digits

if TYPE_CHECKING:
    from tutorial_lib.audit.report.report import AuditReport

LARGER_SAMPLE = "it would take about"


def opening(report: AuditReport) -> tuple[str, str, str]:
    """What was asked, what was found, and what could not be decided and what it would take."""
    return _asked(report), _found(report), _undecided(report)


def needed(n: float) -> str:
    """Units needed, to two digits: nobody knows such a number better."""
    return f"{two_digits(n):,}"


def _asked(report: AuditReport) -> str:
    if not report.family:
        return (
            "Asked: nothing. No test was declared, because no group of users or providers could be"
            " compared."
        )
    names = [name.partition(": ") for name in report.family]
    gaps = [what or start for start, _, what in names if not start.startswith("exposure")]
    providers = [what for start, _, what in names if start.startswith("exposure")]
    questions = []
    if gaps:
        measure = names[0][0]
        questions.append(f"does {measure} differ between groups of users ({'; '.join(gaps)})")
    if providers:
        questions.append(
            f"are providers shown as much as users choose them ({'; '.join(providers)})"
        )
    declared = report.declaration
    when = ""
    if declared:
        when = (
            f" on {declared.date}, declaration {declared.sha256[:12]}, before any list was asked"
            " for"
        )
    return f"Asked: {', and '.join(questions)}? {len(names)} tests, declared{when}."


def _found(report: AuditReport) -> str:
    basis = report.basis
    if not basis.usable:
        return (
            "Found: no list holds a single item of the catalogue, so nothing about groups or"
            " providers can be said."
        )
    material = "; ".join(
        f"{f.metric} {f.estimate:+.4f}, margin {f.margin:.4f}, worse off: {f.bearer}"
        for f in basis.material
    )
    beyond = len(basis.material)
    parts = [
        f"{beyond} of {len(basis.declared)} declared tests beyond the margin"
        + (f" ({material})" if material else ""),
        f"{len(basis.declared) - len(basis.undecided) - beyond} within it",
    ]
    if basis.faults:
        faults = "; ".join(f"{f.estimate:.1%} {f.metric}" for f in basis.faults)
        parts.append(f"lists break their contract ({faults})")
    if basis.harmful:
        parts.append(f"{len(basis.harmful)} exploratory findings material and harmful")
    return f"Found: {', '.join(parts)}."


def _undecided(report: AuditReport) -> str:
    """What is open, grouped by what it would take."""
    basis = report.basis
    larger: list[Finding] = []  # a larger sample would decide them
    other: dict[str, list[str]] = {}  # what it would take -> names of the tests
    for f in basis.undecided:
        what = _takes(f)
        if what.startswith(LARGER_SAMPLE):
            larger.append(f)
        else:
            other.setdefault(what, []).append(f.metric)
    parts = []
    if larger:
        sentence = _larger_sample(max(larger, key=lambda f: f.n_needed / f.n))
        if len(larger) > 1:
            sentence = sentence.replace("about", "up to", 1)
        parts.append(f"{'; '.join(f.metric for f in larger)}: {sentence}")
    parts += [f"{'; '.join(names)}: {what}" for what, names in other.items()]
    if not parts:
        return "Not decided: nothing that was declared."
    count = f"{len(basis.undecided)} of {len(basis.declared)}"
    return f"Not decided: {count}. " + ". ".join(parts) + "."


def _larger_sample(f: Finding) -> str:
    had = shown(f.n, rounded=f.hides_sizes)
    return f"{LARGER_SAMPLE} {needed(f.n_needed)} users in place of {had}"


def _takes(f: Finding) -> str:
    """What it would take to decide a finding."""
    if not f.measured:
        return "no interval: more users, or items in their lists, are needed"
    if math.isnan(f.margin):
        return "no margin to judge it by"
    if f.bounds and verdict_of(f.ci, f.p_adjusted, f.margin) != INCONCLUSIVE:
        return "users or items of unknown group could overturn it, so their group must be known"
    if f.could_decide:
        had = shown(f.n, rounded=f.hides_sizes)
        return f"{had} users are enough in general, but the truth lies too near the margin for them"
    return _larger_sample(f)
