"""`audit`: declare what will be tested and by which margins, look once, and report everything."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from itertools import combinations
from zlib import crc32

import numpy as np
import pandas as pd

from tutorial_lib.audit.core.declaration import Declaration, declare
from tutorial_lib.audit.core.evidence import Evidence, collect, group_sizes
from tutorial_lib.audit.core.finding import Finding, judge, make_finding, shown
from tutorial_lib.audit.core.opinion import ALL_FAULTS, FAULTS
from tutorial_lib.audit.core.scope import scope_of
from tutorial_lib.audit.harms import exposure, quality
from tutorial_lib.audit.inference.paired import paired_finding
from tutorial_lib.audit.inference.statistics import Estimate
from tutorial_lib.audit.report.report import AuditReport
from tutorial_lib.errors import InputError

WHY_NOT = {
    "miscalibration": (
        "not measured, no user has items with categories in both profile and list; fill the column"
        " categories of ds.items"
    ),
    "popularity lift": "not measured, no user has both a profile and a list",
}


def audit(
    recommender,
    dataset,
    split,
    margins: Mapping[str, float] | None = None,
    *,
    k: int = 10,
    attributes: Sequence[str] | None = None,
    on: str = "test",
    seed: int = 0,
    declaration: Declaration | None = None,
) -> AuditReport:
    """Audit a fitted recommender: group quality, worst-off users, calibration, exposure of
    providers, popularity, broken lists.

    recommender: anything with ``recommend(histories, k, users=...)``. dataset, split: of the same
    users and items; several targets a user (`hold_out_k`) give the power that one target lacks.
    margins: name -> margin, in place of the defaults (`MARGINS`): your policy, to be declared
    before you look. k: length of the lists. attributes: user columns to compare (default: all with
    2 to 8 groups). The declared family (Holm): the ndcg@k gap of every group contrast and the
    exposure of every provider group; the rest is exploratory. It is declared, and hashed, from data
    set, split and arguments alone, before the recommender is asked (`declare`). declaration: one
    that was made, and perhaps published, earlier; it must be what these arguments declare.

    Whatever cannot be measured (no such attribute, one group, no provider, a margin out of range, a
    recommender that breaks its contract) becomes a line in ``problems``, and everything else is
    still audited. Raises InputError only if nothing can be: no targets, a wrong k, a split of
    another data set, lists that are no lists, another declaration. Core packages only; no model is
    imported.

    >>> from tutorial_lib.data import hold_out_k, load_dataset
    >>> from tutorial_lib.models import Popularity
    >>> ds = load_dataset("world-news")
    >>> split = hold_out_k(ds, 5)
    >>> report = audit(Popularity().fit(split), ds, split, margins={"exposure": 0.25}, attributes=["gender"])
    >>> report.family
    ('ndcg@10: gender F - M', 'exposure - merit: minority')
    """
    start = time.perf_counter()
    if not callable(getattr(recommender, "recommend", None)):
        got = type(recommender).__name__
        raise InputError(
            f"audit(recommender): expected an object with a method recommend, got {got}"
        )
    declared = declare(dataset, split, margins, k=k, attributes=attributes, on=on, seed=seed)
    declared = _as_promised(declaration, declared)
    names, used = list(declared.attributes), declared.used_margins
    groups = exposure.provider_groups(dataset)[0]
    evidence = collect(recommender, dataset, split, k=k, on=on, attributes=names)
    sizes = [group_sizes(evidence, name) for name in names]
    findings, tables, failures = _measure(evidence, declared, groups)
    findings += _unmeasured(declared.family, findings)
    scope = scope_of(recommender, evidence, declared, time.perf_counter() - start)
    problems = (*declared.problems, *failures, *_broken(evidence), *evidence.problems)
    none = pd.DataFrame(columns=["attribute", "group", "n", "status"])
    return AuditReport(
        scope["system"],
        scope,
        used,
        declared.family,
        judge(findings, declared.family),
        pd.concat(sizes + tables, ignore_index=True) if sizes else none,
        tuple(dict.fromkeys(problems)),
        pd.DataFrame(
            _descriptives(evidence), columns=["harm", "measure", "value", "low", "high", "note"]
        ),
        usable=bool((evidence.lists >= 0).any()),
        declaration=declared,
        log_coverage=evidence.log_coverage,
    )


def _as_promised(before: Declaration | None, now: Declaration) -> Declaration:
    """The earlier declaration, if there is one and nothing but the date has changed."""
    if before is None:
        return now
    if not isinstance(before, Declaration):
        raise InputError(f"audit(declaration={before!r}): expected what declare returned, or None")
    for field in fields(now):
        if field.name != "date" and getattr(before, field.name) != getattr(now, field.name):
            was, found = getattr(before, field.name), getattr(now, field.name)
            raise InputError(
                f"audit: {field.name} was declared as {was!r} and is now {found!r}; audit what was"
                " declared, or declare anew"
            )
    return before


def _unmeasured(family: Sequence[str], findings: Sequence[Finding]) -> list[Finding]:
    """A finding without a number for every declared test that has none, so that it is told and not
    forgotten.
    """
    found = {f.metric for f in findings}
    note = "Declared, and not measured: no judged user, or no judged item, is in one of the groups."
    return [
        make_finding(
            "H1",
            "users",
            name,
            Estimate.nothing(),
            n_by_group={},
            margin=float("nan"),
            notes=[note],
        )
        for name in family
        if name not in found
    ]


def _measure(
    evidence: Evidence, declared: Declaration, groups: np.ndarray | None
) -> tuple[list[Finding], list[pd.DataFrame], list[str]]:
    """All findings, unjudged; tables of intersectional cells; lines for what could not be measured."""

    def rng(
        *what: str,
    ) -> np.random.Generator:  # one stream a measure, so that none depends on what else is measured
        return np.random.default_rng([declared.seed, 17, crc32(repr(what).encode())])

    names, margins = list(declared.attributes), declared.used_margins
    k, findings = evidence.k, []
    ndcg, recall = (evidence.metrics[f"{name}@{k}"].to_numpy() for name in ("ndcg", "recall"))
    margin = _relative(margins["quality"], ndcg)
    measures = {
        f"ndcg@{k}": (ndcg, margin, "H1", "quality"),
        f"recall@{k}": (recall, _relative(margins["quality"], recall), "H1", "quality"),
        "miscalibration": (
            quality.miscalibration(evidence),
            margins["calibration"],
            "H1",
            "calibration",
        ),
        "popularity lift": (
            exposure.popularity_lift(evidence),
            margins["popularity"],
            "H2",
            "popularity",
        ),
    }
    problems = [
        f"{name}: {WHY_NOT[name]}"
        for name, (values, *_) in measures.items()
        if np.isnan(values).all()
    ]
    for name in names:
        for measure, (values, limit, harm, margin_name) in measures.items():
            if not np.isnan(values).all():
                told = {
                    "levels": measure == f"ndcg@{k}",
                    "more_is_better": margin_name == "quality",
                    "margin_name": margin_name,
                }
                findings += quality.group_gaps(
                    evidence,
                    name,
                    values,
                    measure,
                    limit,
                    rng=rng(name, measure),
                    harm=harm,
                    **told,
                )
        findings += quality.adjusted_gaps(evidence, name, ndcg, f"ndcg@{k}", margin)
    worst = quality.worst_group(evidence, names, ndcg, f"ndcg@{k}", margin, rng=rng("worst group"))
    if names and not worst:
        problems.append(
            f"worst group: none has {evidence.minimum} users in each half, one to choose it and one"
            " to judge it"
        )
    findings += worst
    tables, found, unmeasured = _intersections(evidence, names, ndcg, margin, rng)
    findings += found
    problems += unmeasured
    if groups is not None:
        known = np.unique(groups[groups != ""].astype(str)).tolist()
        told = [name for name in known if exposure.merit_name(name) in declared.family]
        findings += exposure.exposure_minus_merit(
            evidence, groups, margins["exposure"], rng=rng("exposure"), names=told
        )
    findings += exposure.popularity_findings(evidence, margins, rng=rng("popularity"))
    return (
        findings + fault_findings(evidence, margins["invented"], rng=rng("faults")),
        tables,
        problems,
    )


def _intersections(
    evidence: Evidence,
    names: list[str],
    ndcg: np.ndarray,
    margin: float,
    rng: Callable[..., np.random.Generator],
) -> tuple[list[pd.DataFrame], list[Finding], list[str]]:
    """Groups of two attributes at once: tables of their cells, findings, and what was too many."""
    tables, findings, problems = [], [], []
    for pair in combinations(names, 2):
        try:
            table, found = quality.intersection(
                evidence, pair, ndcg, f"ndcg@{evidence.k}", margin, rng=rng(*pair)
            )
        except InputError as error:
            problems.append(str(error))
            continue
        tables.append(table[["attribute", "group", "n", "status"]])
        findings += found
    return tables, findings, problems


def _relative(share: float, values: np.ndarray) -> float:
    """A margin given as a share of the mean, in the unit of the metric; nan where nobody is served
    at all.
    """
    return float(share * values.mean()) if values.mean() > 0 else float("nan")


def fault_findings(evidence: Evidence, margin: float, *, rng: np.random.Generator) -> list[Finding]:
    """How often lists break the contract, as a share of their places, in each way and in all (a
    place is lost once); interval over users (`paired_mean`), no p: a share above 0 is one.
    """
    shares = {text: evidence.faults[name] for name, text in FAULTS.items()}
    shares[ALL_FAULTS] = evidence.faults[list(FAULTS)].sum(axis=1)
    return [
        paired_finding("H4", "users", text, values.to_numpy(), margin, rng=rng, share=True)
        for text, values in shares.items()
    ]


def _broken(evidence: Evidence) -> list[str]:
    """One line for each way in which the recommender breaks its contract; the audit goes on with
    what is usable.
    """
    lines = []
    for name in ("unknown", "repeated", "too_few"):
        hurt = int((evidence.faults[name] > 0).sum())
        if hurt:
            share = evidence.faults[name].mean()
            told = f"({shown(hurt)} of {len(evidence.users):,} users)"
            lines.append(
                f"recommend: {share:.1%} are {FAULTS[name]} {told}; they count as shown to nobody"
            )
    return lines


def _descriptives(evidence: Evidence) -> list[dict]:
    """Numbers that have no null of their own."""
    k, ndcg, off = (
        evidence.k,
        evidence.metrics[f"ndcg@{evidence.k}"],
        quality.miscalibration(evidence),
    )
    worst = quality.worst_users(ndcg.to_numpy())
    rows = [
        (f"ndcg@{k}, mean over users", float(ndcg.mean()), 0.0, 1.0, ""),
        (
            f"recall@{k}, mean over users",
            float(evidence.metrics[f"recall@{k}"].mean()),
            0.0,
            1.0,
            "",
        ),
        (f"users with an ndcg@{k} of 0", float((ndcg == 0).mean()), 0.0, 1.0, "needs no attribute"),
        (
            f"ndcg@{k} of the worst-off tenth (CVaR)",
            worst,
            0.0,
            1.0,
            "needs no attribute" if worst > 0 else "not informative: all have 0",
        ),
        (
            "miscalibration (Jensen-Shannon distance)",
            float(np.nanmean(off)) if np.isfinite(off).any() else np.nan,
            0.0,
            1.0,
            "",
        ),
    ]
    table = [
        dict(zip(("harm", "measure", "value", "low", "high", "note"), ("H1", *row), strict=True))
        for row in rows
    ]
    return table + exposure.exposure_table(evidence)
