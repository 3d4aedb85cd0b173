"""The tables of a report, for reading: numbers as text, what is suppressed as a dash."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from tutorial_lib.audit.core.finding import MARGINS, MATERIAL, Finding, shown, two_digits
from tutorial_lib.audit.core.opinion import RULES
from tutorial_lib.audit.harms.register import evidence_frame, row_of

DASH = "–"


def split_findings(report) -> tuple[list[Finding], list[Finding]]:
    """Findings of the declared family, and all others."""
    declared = [f for f in report.findings if f.metric in report.family]
    return declared, [f for f in report.findings if f.metric not in report.family]


def rules_table(place: int) -> pd.DataFrame:
    rows = [
        (f"{i + 1}", rule.when, rule.word, "applies here" if i == place else "")
        for i, rule in enumerate(RULES)
    ]
    return pd.DataFrame(rows, columns=["rule", "if", "then", "this audit"])


def declared_table(report) -> pd.DataFrame:
    """The declared family for reading, a row a test: everything that its verdict rests on."""
    rows = [
        {
            "test": f.metric,
            "verdict": f.verdict,
            "difference [95 %]": interval(f.estimate, *f.ci),
            "ratio [95 %]": interval(*f.ratio, sign=False, digits=2),
            "margin": f"{number(f.margin, sign=False)}{_set_by(report, f)}",
            "MDE after Holm": number(f.mde, sign=False),
            "could decide": ("yes" if f.could_decide else "no") if f.measured else DASH,
            "users: had / needed": f"{shown(f.n, rounded=f.hides_sizes)} / {_needed(f)}",
            "adjusted p": p_text(f.p_adjusted),
            "notes": " ".join([levels_text(f), *f.notes]).strip(),
        }
        for f in split_findings(report)[0]
    ]
    return pd.DataFrame(rows) if rows else pd.DataFrame({"": ["none"]})


def _needed(f: Finding) -> str:
    return DASH if math.isnan(f.n_needed) else rounded(f.n_needed)


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
    return f"Levels: {'; '.join(told)} (n: {f.sizes})."


def findings_table(findings: Sequence[Finding]) -> pd.DataFrame:
    """Findings for reading: numbers as text, what is suppressed as a dash."""
    rows = [
        {
            "measure": f.metric,
            "verdict": f.verdict,
            "estimate [95 %]": interval(f.estimate, *f.ci),
            "margin": number(f.margin, sign=False),
            "MDE": number(f.mde, sign=False),
            "p": p_text(f.p),
            "adjusted p": p_text(f.p_adjusted),
            "harm": f.harm,
            "notes": " ".join([f"n: {f.sizes}.", _worse_off(f), *f.notes]).replace("  ", " "),
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
        else (
            f"{told} [{number(low, sign=sign, digits=digits)},"
            f" {number(high, sign=sign, digits=digits)}]"
        )
    )


def number(value: float, *, sign: bool = True, digits: int = 4) -> str:
    """So many decimals, or a dash for what is not known."""
    if pd.isna(value):
        return DASH
    return f"{value:+.{digits}f}" if sign else f"{value:.{digits}f}"


def p_text(p: float) -> str:
    """Three decimals, as far as permutations can tell; a dash where there is no test."""
    return "< 0.001" if p < 0.001 else number(p, sign=False, digits=3)


def pairs(mapping) -> pd.DataFrame:
    return pd.DataFrame({"": list(mapping), "value": [str(value) for value in mapping.values()]})


def log_tables(report) -> tuple[tuple[str, pd.DataFrame], ...]:
    if report.log_coverage is None or not len(report.log_coverage):
        return ()
    frame = report.log_coverage.copy()
    hidden = frame["logged"].isna().groupby(frame["attribute"]).transform("any")
    for name in ("logged", "users"):
        told = zip(frame[name], hidden, strict=True)
        frame[name] = [DASH if pd.isna(n) else shown(int(n), rounded=few) for n, few in told]
    frame["share"] = [DASH if pd.isna(share) else f"{share:.0%}" for share in frame["share"]]
    return (("The log: share of each group's users whose lists were logged", frame),)


def register_table(report) -> pd.DataFrame:
    """The register beside what was tested; how and what to do stand in the notes."""
    frame = evidence_frame(report.findings).reset_index(names="row")
    told = [
        f"Evidence: {r.route}. To mitigate: {r.mitigation}. {r.frames}" for r in frame.itertuples()
    ]
    return frame[["row", "harm", "what", "stakeholder", "risk", "tested", "material"]].assign(
        notes=told
    )


def margins_table(report) -> pd.DataFrame:
    by = report.declaration.margins if report.declaration else {}
    rows = [
        (
            name,
            number(value, sign=False),
            by.get(name, (None, DASH))[1],
            MARGINS[name][2] if name in MARGINS else "",
        )
        for name, value in report.margins.items()
    ]
    return pd.DataFrame(rows, columns=["margin", "value", "set by", "of"])


def descriptives_table(report) -> pd.DataFrame:
    frame = report.descriptives.copy()
    for column in ("value", "low", "high"):
        frame[column] = [number(value, sign=False) for value in frame[column]]
    return frame.rename(columns={"note": "notes"})


def treatment_table(report) -> pd.DataFrame:
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


def groups_table(report) -> pd.DataFrame:
    groups = report.groups
    small = groups.loc[groups["status"] == "suppressed", "attribute"] if "status" in groups else ()
    rounded = [attribute in set(small) for attribute in groups["attribute"]] if len(groups) else []
    return groups.assign(
        n=[shown(n, rounded=near) for n, near in zip(groups["n"], rounded, strict=True)]
    )


def rounded(n: float) -> str:
    """Two figures: nobody knows such a number better."""
    return f"{two_digits(n):,}"
