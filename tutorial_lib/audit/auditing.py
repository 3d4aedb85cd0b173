"""`audit`: declare what will be tested and by which margins, look once, and report everything."""

from __future__ import annotations

import hashlib
import platform
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from itertools import combinations
from zlib import crc32

import numpy as np
import pandas as pd

from tutorial_lib.audit import exposure, quality
from tutorial_lib.audit.evidence import Evidence, collect, contrasts, group_sizes, usable_attributes
from tutorial_lib.audit.finding import Finding, checked_margins, judge
from tutorial_lib.audit.paired import paired_finding
from tutorial_lib.audit.report import AuditReport
from tutorial_lib.errors import InputError

LARGEST_FAMILY = 8
FAULTS = {
    "unknown": "places with an item outside the catalogue",
    "repeated": "places with an item that stands higher in the same list",
    "consumed": "places with an item the user has already consumed",
    "too_few": "places left empty",
}
WHY_NOT = {
    "miscalibration": "not measured, no user has items with categories in both profile and list; fill the column categories of ds.items",
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
) -> AuditReport:
    """Audit a fitted recommender: group quality, worst-off users, calibration, exposure of providers, popularity, broken lists.

    recommender: anything with ``recommend(histories, k, users=...)``. dataset, split: of the same users and items; several targets a user
    (`hold_out_k`) give the power that one target lacks. margins: name -> margin, in place of the defaults (`MARGINS`): your policy, to be
    declared before you look. k: length of the lists. attributes: user columns to compare (default: all with 2 to 8 groups).
    The declared family (Holm): the ndcg@k gap of every group contrast and the exposure of every provider group; the rest is exploratory.

    Whatever cannot be measured (no such attribute, one group, no provider, a margin out of range, a recommender that breaks its contract)
    becomes a line in ``problems``, and everything else is still audited. Raises InputError only if nothing can be: no targets, a wrong k,
    a split of another data set, lists that are no lists. Core packages only; no model is imported.

    >>> from tutorial_lib.data import hold_out_k, load_dataset
    >>> from tutorial_lib.models import Popularity
    >>> ds = load_dataset("world-news")
    >>> split = hold_out_k(ds, 5)
    >>> report = audit(Popularity().fit(split), ds, split, margins={"exposure": 0.05}, attributes=["gender"])
    >>> report.family
    ('ndcg@10: gender F - M', 'exposure - merit: minority')
    """
    start = time.perf_counter()
    used, problems = checked_margins(margins)
    names, lines = usable_attributes(dataset, attributes)
    groups, more = exposure.provider_groups(dataset)
    evidence = collect(recommender, dataset, split, k=k, on=on)
    sizes = [group_sizes(evidence, name) for name in names]
    family, lines_family = _family(evidence, names, sizes, groups)
    findings, tables, failures = _measure(evidence, names, groups, used, seed)
    problems += [*lines, *more, *lines_family, *failures, *_broken(evidence)]
    scope = _scope(recommender, evidence, on, seed, time.perf_counter() - start)
    table = pd.concat(sizes + tables, ignore_index=True) if sizes else pd.DataFrame(columns=["attribute", "group", "n", "status"])
    measures = pd.DataFrame(_descriptives(evidence), columns=["harm", "measure", "value", "low", "high", "note"])
    system = scope["system"]
    return AuditReport(system, scope, used, family, judge(findings, family), table, tuple(dict.fromkeys(problems)), measures)


def _family(
    evidence: Evidence, names: list[str], sizes: list[pd.DataFrame], groups: np.ndarray | None
) -> tuple[tuple[str, ...], list[str]]:
    """The metrics under Holm's correction, fixed by the groups alone, before any outcome is seen."""
    compared = {name: list(contrasts(evidence.labels(name), size)) for name, size in zip(names, sizes, strict=True)}
    family = [quality.gap_name(f"ndcg@{evidence.k}", name, a, b) for name, found in compared.items() for a, b, *_ in found]
    family += [exposure.merit_name(name) for name in exposure.reported_groups(groups)] if groups is not None else []
    lines = [
        f"attribute {name!r}: fewer than two groups hold a user with targets, so there is no gap" for name in names if not compared[name]
    ]
    if len(family) > LARGEST_FAMILY:
        text = f"the declared family holds {len(family)} tests, and each one costs power: name fewer attributes to stay within"
        lines.append(f"{text} {LARGEST_FAMILY}")
    return tuple(family), lines


def _measure(
    evidence: Evidence, names: list[str], groups: np.ndarray | None, margins: Mapping[str, float], seed: int
) -> tuple[list[Finding], list[pd.DataFrame], list[str]]:
    """All findings, unjudged; tables of intersectional cells; lines for what could not be measured."""

    def rng(*what: str) -> np.random.Generator:  # one stream a measure, so that none depends on what else is measured
        return np.random.default_rng([seed, 17, crc32(repr(what).encode())])

    k, findings, tables = evidence.k, [], []
    ndcg, recall = (evidence.metrics[f"{name}@{k}"].to_numpy() for name in ("ndcg", "recall"))
    margin = _relative(margins["quality"], ndcg)
    measures = {
        f"ndcg@{k}": (ndcg, margin, "H1"),
        f"recall@{k}": (recall, _relative(margins["quality"], recall), "H1"),
        "miscalibration": (quality.miscalibration(evidence), margins["calibration"], "H1"),
        "popularity lift": (exposure.popularity_lift(evidence), margins["popularity"], "H2"),
    }
    problems = [f"{name}: {WHY_NOT[name]}" for name, (values, *_) in measures.items() if np.isnan(values).all()]
    for name in names:
        for measure, (values, limit, harm) in measures.items():
            if not np.isnan(values).all():
                findings += quality.group_gaps(evidence, name, values, measure, limit, rng=rng(name, measure), harm=harm)
        findings += quality.adjusted_gaps(evidence, name, ndcg, f"ndcg@{k}", margin)
    worst = quality.worst_group(evidence, names, ndcg, f"ndcg@{k}", margin, rng=rng("worst group"))
    if names and not worst:
        problems.append(f"worst group: none has {evidence.minimum} users in each half, one to choose it and one to judge it")
    findings += worst
    for pair in combinations(names, 2):
        try:
            table, found = quality.intersection(evidence, pair, ndcg, f"ndcg@{k}", margin, rng=rng(*pair))
        except InputError as error:
            problems.append(str(error))
            continue
        tables.append(table[["attribute", "group", "n", "status"]])
        findings += found
    if groups is not None:
        findings += exposure.exposure_minus_merit(evidence, groups, margins["exposure"], rng=rng("exposure"))
    findings += exposure.popularity_findings(evidence, margins, rng=rng("popularity"))
    return findings + fault_findings(evidence, margins["invented"], rng=rng("faults")), tables, problems


def _relative(share: float, values: np.ndarray) -> float:
    """A margin given as a share of the mean, in the unit of the metric; nan where nobody is served at all."""
    return float(share * values.mean()) if values.mean() > 0 else float("nan")


def fault_findings(evidence: Evidence, margin: float, *, rng: np.random.Generator) -> list[Finding]:
    """How often lists break the contract, as a share of their places; interval over users (`paired_mean`), no p: a share above 0 is one."""
    return [
        paired_finding("H4", "users", text, evidence.faults[name].to_numpy(), margin, rng=rng, share=True) for name, text in FAULTS.items()
    ]


def _broken(evidence: Evidence) -> list[str]:
    """One line for each way in which the recommender breaks its contract; the audit goes on with what is usable."""
    lines = []
    for name in ("unknown", "repeated", "too_few"):
        hurt = int((evidence.faults[name] > 0).sum())
        if hurt:
            share = evidence.faults[name].mean()
            lines.append(
                f"recommend: {share:.1%} are {FAULTS[name]} ({hurt} of {len(evidence.users)} users); they count as shown to nobody"
            )
    return lines


def _descriptives(evidence: Evidence) -> list[dict]:
    """Numbers that have no null of their own."""
    k, ndcg, off = evidence.k, evidence.metrics[f"ndcg@{evidence.k}"], quality.miscalibration(evidence)
    rows = [
        (f"ndcg@{k}, mean over users", float(ndcg.mean()), 0.0, 1.0, ""),
        (f"recall@{k}, mean over users", float(evidence.metrics[f"recall@{k}"].mean()), 0.0, 1.0, ""),
        (f"ndcg@{k} of the worst-off tenth (CVaR)", quality.worst_users(ndcg.to_numpy()), 0.0, 1.0, "needs no attribute"),
        ("miscalibration (Jensen-Shannon distance)", float(np.nanmean(off)) if np.isfinite(off).any() else np.nan, 0.0, 1.0, ""),
    ]
    table = [dict(zip(("harm", "measure", "value", "low", "high", "note"), ("H1", *row), strict=True)) for row in rows]
    return table + exposure.exposure_table(evidence)


def _scope(recommender, evidence: Evidence, on: str, seed: int, seconds: float) -> dict[str, str]:
    """What was audited, on what, with what: enough to repeat it and to notice that something changed."""
    dataset, split = evidence.dataset, evidence.split
    targets = [len(target) for target in evidence.targets]
    versions = [
        f"Python {platform.python_version()}",
        *(f"{name} {_version(name)}" for name in ("numpy", "scipy", "pandas", "tutorial-lib")),
    ]
    return {
        "system": _describe(recommender),
        "data": f"{dataset.name}: {dataset.n_users:,} users, {dataset.n_items:,} items, {dataset.n_interactions:,} interactions",
        "licence": dataset.card.licence,
        "protocol": f"{split.name}, {on} targets, {np.mean(targets):.1f} a user (at least {min(targets)}), lists of {evidence.k}",
        "users judged": f"{len(evidence.users):,} of {len(split.users):,}; {len(split.users) - len(evidence.users):,} have no target",
        "smallest group with an interval": f"{evidence.minimum} users",
        "interactions sha256": _digest(dataset.interactions[["user", "item", "timestamp"]].to_numpy()),
        "lists sha256": _digest(evidence.raw),
        "seed": str(seed),
        "versions": ", ".join(versions),
        "seconds": f"{seconds:.1f}",
    }


def _describe(recommender) -> str:
    """Class and constructor parameters, where they are plain values."""
    held = getattr(recommender, "__dict__", {})
    plain = {name: value for name, value in held.items() if isinstance(value, (int, float, str, bool)) and name != "n_items"}
    shown = ", ".join(f"{name}={value!r}" for name, value in plain.items() if not name.startswith("_") and not name.endswith("_"))
    return f"{type(recommender).__name__}({shown})"


def _digest(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:16]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"
