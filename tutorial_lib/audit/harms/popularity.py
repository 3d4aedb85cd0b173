"""H2, creators and niche users: how far popularity decides what is shown."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from tutorial_lib.audit.core.evidence import Evidence
from tutorial_lib.audit.core.finding import Finding, make_finding
from tutorial_lib.audit.core.groups import few
from tutorial_lib.audit.core.lists import list_matrix, row_means
from tutorial_lib.audit.inference.statistics import Estimate, mean_shift
from tutorial_lib.data.histories import flatten
from tutorial_lib.evaluation import coverage, gini
from tutorial_lib.evaluation.beyond_accuracy import exposure

# Share of the training interactions that the head carries; what is outside it is the tail.
HEAD = 0.8


def tail_items(item_counts: np.ndarray) -> np.ndarray:
    """[n_items] bool: items outside the smallest set that carries `HEAD` of all interactions.

    >>> tail_items(np.array([80, 15, 5])).tolist()
    [False, True, True]
    """
    order = np.argsort(-item_counts, kind="stable")
    before = np.cumsum(item_counts[order]) - item_counts[order]
    tail = np.ones(len(item_counts), dtype=bool)
    tail[order[before < HEAD * item_counts.sum()]] = False
    return tail


def tail_shift(evidence: Evidence) -> np.ndarray:
    """Share of tail items in the list minus their share in the profile: [n]; nan without either."""
    tail = tail_items(evidence.item_counts).astype(float)
    return row_means(evidence.lists, tail) - row_means(evidence.histories, tail)


def popularity_findings(evidence: Evidence) -> list[Finding]:
    """Measure: do lists hold more popular, and fewer tail items than the same users' profiles?

    Judged by margin and interval, without a p: nearly every system differs here, and such a p
    would loosen the Benjamini-Hochberg adjustment of all the others.
    """
    lift, shift = evidence.popularity_lift, tail_shift(evidence)
    rows = [
        ("popularity lift of lists over profiles", "users", lift, "popularity-lift"),
        ("tail share: lists - profiles", "providers", shift, "tail-share"),
    ]
    findings = []
    for name, stakeholder, values, margin_name in rows:
        defined = values[~np.isnan(values)]
        enough = len(defined) >= evidence.minimum
        estimate = replace(mean_shift(defined), p=np.nan) if enough else Estimate.nothing()
        findings.append(
            make_finding(
                "H2",
                stakeholder,
                name,
                estimate,
                n_by_group={"users": len(defined)},
                margin=evidence.margins[margin_name],
                margin_name=margin_name,
                rounded=few(len(values) - len(defined)),
            )
        )
    return findings


def delta_gap(evidence: Evidence) -> float:
    """Delta GAP: average popularity of lists over that of profiles, minus 1.

    Unlike the popularity lift a ratio of two means, so heavy users of popular items weigh more.
    Source: Abdollahpouri et al. 2019.
    """
    counts = evidence.item_counts.astype(float)
    profile, listed = (row_means(part, counts) for part in (evidence.histories, evidence.lists))
    if np.isnan(profile).all() or np.isnan(listed).all():
        return float("nan")
    return float(np.nanmean(listed) / np.nanmean(profile) - 1)


def popularity_opportunity(evidence: Evidence) -> float:
    """PRU: minus the mean Spearman correlation of popularity and rank among a user's own targets.

    0 is wanted. Rank within the list, k + 1 beyond it; users with one target, or whose targets are
    all alike in rank or popularity, are left out. Source: Zhu et al. 2021.
    """
    items, rows = flatten(evidence.targets)
    ranks = np.arange(1, evidence.k + 1)
    listed = list_matrix(evidence.lists, evidence.dataset.n_items, ranks)
    rank = np.asarray(listed[rows, items]).ravel()  # 0: not in the list
    rank = np.where(rank == 0, evidence.k + 1, rank)
    table = pd.DataFrame({"rank": rank, "popularity": evidence.item_counts[items]})
    order = table.groupby(rows).rank()
    x, y = (order - order.groupby(rows).transform("mean")).to_numpy().T
    sums = pd.DataFrame({"xx": x * x, "yy": y * y, "xy": x * y}).groupby(rows).sum()
    spread = np.sqrt(sums["xx"] * sums["yy"])
    return -float((sums["xy"] / spread)[spread > 1e-9].mean())


def gini_range(n_items: int, n_lists: int, k: int) -> tuple[float, float]:
    """Smallest and largest Gini index that ``n_lists`` lists of k different items can have.

    The smallest spreads all places evenly, the largest shows the same k items to everybody.
    Source: Rampisela et al. 2024.

    >>> gini_range(n_items=4, n_lists=1, k=1)
    (0.75, 0.75)
    """
    each, extra = divmod(n_lists * k, n_items)
    even = np.repeat([each, each + 1], [n_items - extra, extra])
    weights = 2 * np.arange(1, n_items + 1) - n_items - 1
    return float((weights * even).sum() / (n_items * even.sum())), 1 - k / n_items


def exposure_table(evidence: Evidence) -> list[dict]:
    """Gini (raw, and as a share of its reachable range), coverage, ARP, APLT, delta GAP, PRU.

    Lists with empty places have another reachable range, which is then not given.
    """
    lists, counts, n = evidence.lists, evidence.item_counts, evidence.dataset.n_items
    if not (lists >= 0).any():
        return []
    nan, k = float("nan"), evidence.k
    full = (lists >= 0).all()
    raw = gini(lists, n)
    low, high = gini_range(n, len(lists), k) if full else (nan, nan)
    share = (raw - low) / (high - low) if high > low else nan
    listed = exposure(lists, n)
    top = float(np.sort(listed)[::-1][: max(1, n // 100)].sum() / listed.sum())
    popular = float(np.nanmean(row_means(lists, counts.astype(float))))
    tail = float(np.nanmean(row_means(lists, tail_items(counts).astype(float))))
    least, most = k / n if full else 0.0, min(1.0, lists.size / n)
    even = "0: as even as can be; 1: everybody sees the same items"
    outside = f"tail: outside the head of {HEAD:.0%} of interactions"
    gap = delta_gap(evidence)
    same = "0: as popular as what users chose"
    opportunity = popularity_opportunity(evidence)
    tied = "0 is asked; targets beyond the list tie"
    rows = [
        ("Gini of exposure", raw, low, high, "reachable range for this many lists"),
        ("Gini, share of its reachable range", share, 0.0, 1.0, even),
        ("share of exposure of the top 1 % of items", top, nan, 1.0, ""),
        ("coverage of the catalogue", coverage(lists, n), least, most, f"at k = {k}"),
        ("ARP: mean training count of a listed item", popular, nan, nan, ""),
        ("APLT: share of tail items in lists", tail, 0.0, 1.0, outside),
        ("delta GAP: popularity of lists over profiles", gap, nan, nan, same),
        ("PRU: popular targets are ranked first", opportunity, -1.0, 1.0, tied),
    ]
    columns = ("harm", "measure", "value", "low", "high", "note")
    return [dict(zip(columns, ("H2", *row), strict=True)) for row in rows]
