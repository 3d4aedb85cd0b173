"""What an audit measures: one function per harm, from the evidence to its findings.

To add a measure, write such a function and append it to `MEASURES`. It takes its margins and its
random stream from the evidence, and returns no finding where it cannot measure.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import combinations

import numpy as np
import pandas as pd

from tutorial_lib.audit.core.evidence import Evidence
from tutorial_lib.audit.core.finding import Finding
from tutorial_lib.audit.core.groups import MISSING, shown
from tutorial_lib.audit.core.lists import ALL_FAULTS, FAULTS
from tutorial_lib.audit.harms import calibration, exposure, popularity, quality, subgroups
from tutorial_lib.audit.inference.paired import paired_finding


def group_gaps(evidence: Evidence) -> list[Finding]:
    """Gaps between groups in four numbers per user, and in NDCG between users alike."""
    k, margins = evidence.k, evidence.margins
    recall = evidence.metrics[f"recall@{k}"].to_numpy()
    numbers = {  # name -> (one value per user, margin, its name, harm)
        f"ndcg@{k}": (_ndcg(evidence), _quality_margin(evidence), "quality", "H1"),
        f"recall@{k}": (recall, _relative(margins["quality"], recall), "quality", "H1"),
        "miscalibration": (
            calibration.miscalibration(evidence),
            margins["calibration"],
            "calibration",
            "H1",
        ),
        "popularity lift": (
            popularity.popularity_lift(evidence),
            margins["popularity"],
            "popularity",
            "H2",
        ),
    }
    findings = []
    for attribute in evidence.attributes:
        for name, (values, margin, margin_name, harm) in numbers.items():
            if np.isnan(values).all():
                continue
            findings += quality.group_gaps(
                evidence,
                attribute,
                values,
                name,
                margin,
                rng=evidence.rng(attribute, name),
                harm=harm,
                more_is_better=margin_name == "quality",
                levels=name == f"ndcg@{k}",
                margin_name=margin_name,
            )
        findings += quality.adjusted_gaps(
            evidence, attribute, _ndcg(evidence), f"ndcg@{k}", _quality_margin(evidence)
        )
    return findings


def worst_group(evidence: Evidence) -> list[Finding]:
    """The group that looks worst on one half of the users, judged on the other half."""
    return subgroups.worst_group(
        evidence,
        evidence.attributes,
        _ndcg(evidence),
        f"ndcg@{evidence.k}",
        _quality_margin(evidence),
        rng=evidence.rng("worst group"),
    )


def intersections(evidence: Evidence) -> list[Finding]:
    """Each group of two attributes at once, against all other users."""
    findings = []
    for pair in _pairs(evidence):
        findings += subgroups.intersection(
            evidence,
            pair,
            _ndcg(evidence),
            f"ndcg@{evidence.k}",
            _quality_margin(evidence),
            rng=evidence.rng(*pair),
        )
    return findings


def provider_exposure(evidence: Evidence) -> list[Finding]:
    """Exposure minus merit of the provider groups that were declared."""
    groups, _ = exposure.provider_groups(evidence.dataset)
    if groups is None:
        return []
    known = np.unique(groups[groups != ""].astype(str)).tolist()
    names = [name for name in known if exposure.merit_name(name) in evidence.family]
    margin = evidence.margins["exposure"]
    return exposure.exposure_minus_merit(evidence, groups, margin, names=names)


def list_popularity(evidence: Evidence) -> list[Finding]:
    """Popularity of lists against that of the same users' profiles."""
    return popularity.popularity_findings(evidence, evidence.margins)


def list_faults(evidence: Evidence) -> list[Finding]:
    """How often lists break the contract of ``recommend``, in each way and in all.

    As a share of their places; a place is lost once. No p: a share above 0 is one.
    """
    shares = {text: evidence.faults[name] for name, text in FAULTS.items()}
    shares[ALL_FAULTS] = evidence.faults[list(FAULTS)].sum(axis=1)
    margin = evidence.margins["invented"]
    return [
        paired_finding("H4", "users", text, values.to_numpy(), margin, share=True)
        for text, values in shares.items()
    ]


MEASURES: tuple[Callable[[Evidence], list[Finding]], ...] = (
    group_gaps,
    worst_group,
    intersections,
    provider_exposure,
    list_popularity,
    list_faults,
)


def not_measured(evidence: Evidence, findings: list[Finding]) -> list[str]:
    """One line for everything that the measures could not measure, and for broken lists."""
    lines = []
    if np.isnan(calibration.miscalibration(evidence)).all():
        lines.append(
            "miscalibration: not measured, no user has items with categories in both profile and"
            " list; fill the column categories of ds.items"
        )
    if np.isnan(popularity.popularity_lift(evidence)).all():
        lines.append("popularity lift: not measured, no user has both a profile and a list")
    if evidence.attributes and not any(": worst group, " in f.metric for f in findings):
        lines.append(
            f"worst group: none has {evidence.minimum} users in each half, one to choose it and one"
            " to judge it"
        )
    lines += [
        f"{' x '.join(pair)} has {_n_cells(evidence, pair)} cells, too many to judge:"
        f" use coarser groups (at most {subgroups.MOST_CELLS} cells)"
        for pair in _pairs(evidence, judged=False)
    ]
    for name in ("unknown", "repeated", "too_few"):
        users = int((evidence.faults[name] > 0).sum())
        if users:
            share = evidence.faults[name].mean()
            of = f"({shown(users)} of {len(evidence.users):,} users)"
            lines.append(
                f"recommend: {share:.1%} are {FAULTS[name]} {of}; they count as shown to nobody"
            )
    return lines


def group_table(evidence: Evidence) -> pd.DataFrame:
    """Columns attribute, group, n, status: all groups of each attribute, and of each two."""
    tables = [evidence.sizes(name) for name in evidence.attributes]
    tables += [subgroups.cells(evidence, pair, _ndcg(evidence)) for pair in _pairs(evidence)]
    columns = ["attribute", "group", "n", "status"]
    if not tables:
        return pd.DataFrame(columns=columns)
    return pd.concat([table[columns] for table in tables], ignore_index=True)


def descriptives(evidence: Evidence) -> pd.DataFrame:
    """Numbers without a null hypothesis: columns harm, measure, value, low, high, note."""
    k = evidence.k
    ndcg = _ndcg(evidence)
    worst = quality.worst_users(ndcg)
    off = calibration.miscalibration(evidence)
    free = "needs no attribute"
    values = [
        (f"ndcg@{k}, mean over users", ndcg.mean(), ""),
        (f"recall@{k}, mean over users", evidence.metrics[f"recall@{k}"].mean(), ""),
        (f"users with an ndcg@{k} of 0", (ndcg == 0).mean(), free),
        (
            f"ndcg@{k} of the worst-off tenth (CVaR)",
            worst,
            free if worst > 0 else "not informative: all have 0",
        ),
        (
            "miscalibration (Jensen-Shannon distance)",
            np.nanmean(off) if np.isfinite(off).any() else np.nan,
            "",
        ),
    ]
    columns = ["harm", "measure", "value", "low", "high", "note"]
    rows = [("H1", name, float(value), 0.0, 1.0, note) for name, value, note in values]
    return pd.DataFrame(
        [dict(zip(columns, row, strict=True)) for row in rows]
        + popularity.exposure_table(evidence),
        columns=columns,
    )


def _ndcg(evidence: Evidence) -> np.ndarray:
    return evidence.metrics[f"ndcg@{evidence.k}"].to_numpy()


def _quality_margin(evidence: Evidence) -> float:
    return _relative(evidence.margins["quality"], _ndcg(evidence))


def _relative(share: float, values: np.ndarray) -> float:
    """A margin given as a share of the mean, in the metric's unit; nan where nobody has a hit."""
    return float(share * values.mean()) if values.mean() > 0 else float("nan")


def _pairs(evidence: Evidence, *, judged: bool = True) -> list[tuple[str, str]]:
    """Each two attributes whose cells are few enough to be judged, or those that are not."""
    return [
        pair
        for pair in combinations(evidence.attributes, 2)
        if (_n_cells(evidence, pair) <= subgroups.MOST_CELLS) is judged
    ]


def _n_cells(evidence: Evidence, pair: tuple[str, str]) -> int:
    return math.prod(len(set(evidence.labels(name)) - {MISSING}) for name in pair)
