"""`audit`: declare what will be tested and by which margins, look once, and report everything."""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from importlib.metadata import version

import numpy as np

from tutorial_lib.audit.core.declaration import Declaration, declare, digest
from tutorial_lib.audit.core.evidence import Evidence, collect
from tutorial_lib.audit.core.finding import Finding, judge, make_finding
from tutorial_lib.audit.core.measures import MEASURES, descriptives, group_table, not_measured
from tutorial_lib.audit.report.report import AuditReport
from tutorial_lib.errors import InputError
from tutorial_lib.evaluation.estimates import Estimate


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

    The declared family (Holm) is the ndcg@k gap of every group contrast and the exposure of every
    provider group; the rest is exploratory. It is declared, and hashed, from data set, split and
    arguments alone, before the recommender is asked. Core packages only; no model is imported.

    Args:
        recommender: anything with ``recommend(histories, k, users=...)``.
        dataset, split: of the same users and items; several targets per user (`hold_out_k`) give
            the power that one target lacks.
        margins: name -> margin, in place of the defaults (`MARGINS`): your policy, to be declared
            before you look.
        k: length of the lists, 1 to the size of the catalogue.
        attributes: user columns to compare (default: all with 2 to 8 groups).
        on: "test" or "valid".
        seed: of the resampling.
        declaration: one that was made, and perhaps published, earlier; it must be what these
            arguments declare.

    Returns:
        A report. Whatever could not be measured (no such attribute, one group, no provider, a
        margin out of range, a recommender that breaks its contract) is a line in ``problems``.

    Raises:
        InputError: nothing can be audited: no targets, a wrong k, a split of another data set,
            lists that are not lists, another declaration.

    >>> from tutorial_lib.data import hold_out_k, load_dataset
    >>> from tutorial_lib.models import Popularity
    >>> ds = load_dataset("world-news")
    >>> split = hold_out_k(ds, 5)
    >>> model = Popularity().fit(split)
    >>> report = audit(model, ds, split, {"exposure": 0.25}, attributes=["gender"])
    >>> report.family
    ('ndcg@10: gender F - M', 'exposure - merit: minority')
    """
    start = time.perf_counter()
    _check_recommender(recommender)
    declared = declare(dataset, split, margins, k=k, attributes=attributes, on=on, seed=seed)
    declared = declared if declaration is None else _confirmed(declaration, declared)
    evidence = replace(
        collect(recommender, dataset, split, k=k, on=on, attributes=declared.attributes),
        attributes=declared.attributes,
        margins=declared.used_margins,
        family=declared.family,
        seed=declared.seed,
    )
    findings = [finding for measure in MEASURES for finding in measure(evidence)]
    problems = (*declared.problems, *not_measured(evidence, findings), *evidence.problems)
    findings += _unmeasured(declared.family, findings)
    scope = _scope(recommender, evidence, declared, time.perf_counter() - start)
    return AuditReport(
        system=scope["system"],
        scope=scope,
        margins=declared.used_margins,
        family=declared.family,
        findings=judge(findings, declared.family),
        groups=group_table(evidence),
        problems=tuple(dict.fromkeys(problems)),
        descriptives=descriptives(evidence),
        usable=bool((evidence.lists >= 0).any()),
        declaration=declared,
        log_coverage=evidence.log_coverage,
    )


def _check_recommender(recommender) -> None:
    if not callable(getattr(recommender, "recommend", None)):
        wanted, got = "an object with a method recommend", type(recommender).__name__
        raise InputError(f"audit(recommender): expected {wanted}, got {got}")


def _confirmed(earlier: Declaration, now: Declaration) -> Declaration:
    """The earlier declaration, if nothing but the date has changed since."""
    if not isinstance(earlier, Declaration):
        raise InputError(f"audit(declaration={earlier!r}): expected what declare returned, or None")
    for field in fields(now):
        before, after = getattr(earlier, field.name), getattr(now, field.name)
        if field.name != "date" and before != after:
            raise InputError(
                f"audit: {field.name} was declared as {before!r} and is now {after!r};"
                " audit what was declared, or declare anew"
            )
    return earlier


def _unmeasured(family: Sequence[str], findings: Sequence[Finding]) -> list[Finding]:
    """A finding without a number for every declared test that has none: none is left out."""
    measured = {f.metric for f in findings}
    nothing, no_margin = Estimate.nothing(), float("nan")
    note = "Declared, and not measured: no judged user, or no judged item, is in one of the groups."
    return [
        make_finding("H1", "users", name, nothing, n_by_group={}, margin=no_margin, notes=[note])
        for name in family
        if name not in measured
    ]


def _scope(
    recommender, evidence: Evidence, declared: Declaration, seconds: float
) -> dict[str, str]:
    """What was audited, on what, with what: enough to repeat an audit and to notice a change."""
    dataset, split = evidence.dataset, evidence.split
    targets = [len(target) for target in evidence.targets]
    per_user = f"{np.mean(targets):.1f} per user ({min(targets)} to {max(targets)})"
    packages = ("numpy", "scipy", "pandas", "tutorial-lib")
    versions = [f"Python {platform.python_version()}"]
    versions += [f"{name} {version(name)}" for name in packages]
    return {
        "system": _describe(recommender),
        "data": (
            f"{dataset.name}: {dataset.n_users:,} users, {dataset.n_items:,} items,"
            f" {dataset.n_interactions:,} interactions"
        ),
        "licence": dataset.card.licence,
        "filters and notes of the data": "; ".join(map(str, dataset.card.notes)) or "none",
        "protocol": f"{split.name}, {declared.on} targets, {per_user}, lists of {evidence.k}",
        "ties in time": (
            f"{split.tied_targets:.1%} of test targets have the time of a neighbour, so file order"
            " made them targets"
        ),
        "users judged": f"{len(evidence.users):,} of the {len(split.users):,} of the split",
        "smallest group with an interval": f"{evidence.minimum} users",
        "declared": f"{declared.date} (UTC), before any list was asked for",
        "declaration sha256": declared.sha256,
        "data sha256": declared.data_sha256,
        "targets sha256": declared.targets_sha256,
        "lists sha256": digest(evidence.raw),
        "seed": str(declared.seed),
        "versions": ", ".join(versions),
        "seconds": f"{seconds:.1f}",
        **evidence.scope,
    }


def _describe(recommender) -> str:
    """Class and constructor parameters, where they are plain values."""
    parameters = [
        f"{name}={value!r}"
        for name, value in getattr(recommender, "__dict__", {}).items()
        if isinstance(value, (int, float, str, bool))
        and not (name.startswith("_") or name.endswith("_") or name == "n_items")
    ]
    return f"{type(recommender).__name__}({', '.join(parameters)})"
