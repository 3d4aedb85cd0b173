"""H2, creators: who is shown, next to how much they deserve, and how far popularity decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from tutorial_lib.audit.core.categories import list_matrix, row_means
from tutorial_lib.audit.core.evidence import Evidence
from tutorial_lib.audit.core.finding import Finding, few, make_finding
from tutorial_lib.audit.core.finding import shown as count
from tutorial_lib.audit.core.groups import MISSING, MOST_GROUPS, group_names, unknown_line
from tutorial_lib.audit.core.levels import level, ratio_of_means
from tutorial_lib.audit.inference.statistics import Estimate, mean_shift
from tutorial_lib.data.histories import flatten
from tutorial_lib.evaluation import coverage, gini
from tutorial_lib.evaluation.beyond_accuracy import exposure

HEAD = (
    0.8  # share of the training interactions that the head carries; what is outside it is the tail
)


def discounts(k: int) -> np.ndarray:
    """Attention to rank 1..k, 1 / log2(rank + 1) as in NDCG: [k]."""
    return 1 / np.log2(np.arange(k) + 2)


def provider_groups(dataset) -> tuple[np.ndarray | None, list[str]]:
    """Provider group of every item, [n_items] str ("" = unknown), and the lines that say why there
    is none, and which texts are read as unknown.

    Column ``provider_group`` of ds.items, or ``provider`` where it has at most 25 values.
    """
    for name in ("provider_group", "provider"):
        if name in dataset.items:
            groups = group_names(dataset.items[name])
            groups[groups == MISSING] = ""
            n, unknown = len(set(groups) - {""}), unknown_line(name, dataset.items[name])
            if 2 <= n <= MOST_GROUPS:
                return groups, unknown
            if n == 1:
                return None, [
                    *unknown,
                    (
                        f"items have one provider group only, {max(groups)!r}: exposure cannot be"
                        " compared"
                    ),
                ]
            if n > MOST_GROUPS:
                return None, [
                    f"items have {n} providers: add a column provider_group to ds.items with at"
                    f" most {MOST_GROUPS} groups"
                ]
    return None, [
        f"{dataset.name} names no provider: exposure of providers is not measured; add a column"
        " provider_group to ds.items"
    ]


def merit_name(group: str) -> str:
    """The name of an exposure finding, the same before and after it is measured."""
    return f"exposure - merit: {group}"


def reported_groups(groups: np.ndarray, targets: Sequence[np.ndarray]) -> list[str]:
    """Provider groups that get a finding: of two that share all items the one with less merit, else
    all.

    The difference of the other one is minus this one's, and its margin, a share of its merit, is
    wider: nothing can be MATERIAL there and not here. groups: [n_items] str, "" = unknown. targets:
    item codes, one array a user.
    """
    names = np.unique(groups[groups != ""].astype(str))
    if len(names) != 2 or (groups == "").any():
        return names.tolist()
    return [str(names[np.nanmean(row_means(targets, _members(groups, names)), axis=0).argmin()])]


def _members(groups: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """[n_items, n_names]: 1 where an item is of the group, else 0."""
    return (groups[:, None] == np.array(names, dtype=object)).astype(float)


def exposure_minus_merit(
    evidence: Evidence, groups: np.ndarray, margin: float, *, rng: np.random.Generator,
    names: Sequence[str] | None = None,
) -> list[Finding]:  # fmt: skip
    """Share of a group's items in what users are shown, minus their share in what users go on to
    consume, mean over users.

    Exposure is weighted by rank (`discounts`), merit is the share of the user's targets, as in the
    disparate treatment of Singh & Joachims 2018. groups: [n_items] str, "" = unknown. margin: a
    share of the group's merit, such as .2: a fifth less or more than users choose. An absolute
    margin would let a provider with less merit than that be shown to nobody. The ratio exposure /
    merit stands beside it. Items of unknown provider are in no group; what they could change is in
    the finding's ``bounds``. Interval over users, the catalogue taken as fixed. names: the groups
    that were declared (default: `reported_groups` of the evidence's targets).
    """
    names = reported_groups(groups, evidence.targets) if names is None else names
    belongs = _members(groups, names)
    shown, merit = (
        row_means(evidence.lists, belongs, discounts(evidence.k)),
        row_means(evidence.targets, belongs),
    )
    both = ~np.isnan(shown[:, 0]) & ~np.isnan(merit[:, 0])
    unknown = _unknown_reach(evidence, groups == "", both)
    left_out = int((~both).sum())
    notes = [f"{count(left_out)} users with an empty list left out."] if left_out else []
    found = [
        _exposure_finding(
            evidence,
            name,
            shown[both, i],
            merit[both, i],
            belongs[:, i],
            margin,
            unknown,
            notes,
            rng,
        )
        for i, name in enumerate(names)
    ]
    return [replace(f, rounded=few(left_out)) for f in found]


def _exposure_finding(
    evidence: Evidence, name: str, shown: np.ndarray, merit: np.ndarray, belongs: np.ndarray,
    share: float, unknown: tuple[float, float], notes: list[str], rng: np.random.Generator,
) -> Finding:  # fmt: skip
    """shown, merit: [users], shares of the group in each list and among each user's targets.
    unknown: of `_unknown_reach`.
    """
    estimate, bounds, levels, notes = Estimate.nothing(), None, (), list(notes)
    deserved = float(merit.mean()) if len(merit) else np.nan
    if len(shown) >= evidence.minimum:
        estimate = mean_shift(shown - merit, rng=rng)
        levels = level("shown", shown, evidence.minimum), level("chosen", merit, evidence.minimum)
    notes.insert(
        0, f"Share of the catalogue {belongs.mean():.4f}. The margin is {share:.0%} of the merit."
    )
    if unknown != (0.0, 0.0) and np.isfinite(estimate.low):
        bounds = estimate.low + unknown[0], estimate.high + unknown[1]
        notes.append(
            "Items of unknown provider: with all of them, the difference lies between"
            f" {bounds[0]:+.4f} and {bounds[1]:+.4f}."
        )
    if share >= 1:
        notes.append(
            "The margin is as large as the merit: even a group that is shown to nobody could not be"
            " MATERIAL."
        )
    if deserved == 0:
        notes.append("No user chose an item of this group, so there is no merit to compare with.")
    sizes = {"users": len(shown), "items": int(belongs.sum())}
    more = {
        "harmed": (name, "other providers"),
        "levels": levels,
        "bounds": bounds,
        "margin_name": "exposure",
    }
    more["ratio"] = ratio_of_means(shown, merit, paired=True)
    margin = share * deserved if deserved > 0 else np.nan
    return make_finding(
        "H2",
        "providers",
        merit_name(name),
        estimate,
        n_by_group=sizes,
        margin=margin,
        notes=notes,
        **more,
    )


def _unknown_reach(
    evidence: Evidence, unknown: np.ndarray, rows: np.ndarray
) -> tuple[float, float]:
    """How far down and up exposure - merit of any group could move if it held the worst, or the
    best, of the items of unknown provider.
    """
    if not unknown.any() or not rows.any():
        return 0.0, 0.0
    shown = list_matrix(evidence.lists, len(unknown), discounts(evidence.k))[rows]
    taken = list_matrix(evidence.targets, len(unknown))[rows]
    shares = [
        np.asarray(m.multiply(1 / m.sum(axis=1)).mean(axis=0)).ravel()[unknown]
        for m in (shown, taken)
    ]
    excess = shares[0] - shares[1]
    return float(np.minimum(excess, 0).sum()), float(np.maximum(excess, 0).sum())


def tail_items(item_counts: np.ndarray, head: float = HEAD) -> np.ndarray:
    """[n_items] bool: items outside the smallest set of items that carries ``head`` of all training
    interactions.

    >>> tail_items(np.array([80, 15, 5])).tolist()
    [False, True, True]
    """
    order = np.argsort(-item_counts, kind="stable")
    before = np.cumsum(item_counts[order]) - item_counts[order]
    tail = np.ones(len(item_counts), dtype=bool)
    tail[order[before < head * item_counts.sum()]] = False
    return tail


def popularity_lift(evidence: Evidence) -> np.ndarray:
    """PopLift: mean training count of a user's list over that of the profile, minus 1: [n], nan
    without either (Abdollahpouri 2019).
    """
    counts = evidence.item_counts.astype(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        lift = row_means(evidence.lists, counts) / row_means(evidence.histories, counts) - 1
    return np.where(np.isfinite(lift), lift, np.nan)


def tail_shift(evidence: Evidence) -> np.ndarray:
    """Share of tail items in the list (averaged: APLT) minus their share in the profile, [n]; nan
    without list or profile.
    """
    tail = tail_items(evidence.item_counts).astype(float)
    return row_means(evidence.lists, tail) - row_means(evidence.histories, tail)


def popularity_findings(
    evidence: Evidence, margins: dict[str, float], *, rng: np.random.Generator
) -> list[Finding]:
    """Do lists hold more popular, and fewer tail items than the same users' profiles? Paired over
    users, judged by margin and interval.

    No p: nearly every system differs here, and such a p would loosen the Benjamini-Hochberg
    adjustment of all the others.
    """
    rows = (
        (
            "popularity lift of lists over profiles",
            "users",
            popularity_lift(evidence),
            "popularity-lift",
        ),
        ("tail share: lists - profiles", "providers", tail_shift(evidence), "tail-share"),
    )
    findings = []
    for name, stakeholder, values, margin in rows:
        left_out, values = int(np.isnan(values).sum()), values[~np.isnan(values)]
        estimate = (
            mean_shift(values, rng=rng) if len(values) >= evidence.minimum else Estimate.nothing()
        )
        estimate = replace(estimate, p=np.nan)
        more = {"n_by_group": {"users": len(values)}, "rounded": few(left_out)}
        more |= {"margin": margins[margin], "margin_name": margin}
        findings.append(make_finding("H2", stakeholder, name, estimate, **more))
    return findings


def delta_gap(evidence: Evidence, rows: np.ndarray | None = None) -> float:
    """Delta GAP: group average popularity of lists over that of profiles, minus 1, of the users in
    ``rows`` (default: all).

    Source: Abdollahpouri et al. 2019. Unlike `popularity_lift` a ratio of two means, so heavy users
    of popular items weigh more.
    """
    rows = np.ones(len(evidence.users), dtype=bool) if rows is None else rows
    counts = evidence.item_counts.astype(float)
    profile, listed = (
        row_means(part, counts)[rows] for part in (evidence.histories, evidence.lists)
    )
    if np.isnan(profile).all() or np.isnan(listed).all():
        return float("nan")
    return float(np.nanmean(listed) / np.nanmean(profile) - 1)


def popularity_opportunity(evidence: Evidence) -> float:
    """PRU: minus the mean Spearman correlation of popularity and rank among a user's own targets
    (Zhu et al. 2021): 0 is what is asked.

    Rank within the list, k + 1 beyond it; users with one target, or whose targets are all alike in
    rank or popularity, say nothing.
    """
    items, rows = flatten(evidence.targets)
    place = np.asarray(
        list_matrix(evidence.lists, evidence.dataset.n_items, np.arange(1, evidence.k + 1))[
            rows, items
        ]
    ).ravel()
    table = pd.DataFrame(
        {
            "rank": np.where(place == 0, evidence.k + 1, place),
            "popularity": evidence.item_counts[items],
        }
    )
    ranks = table.groupby(rows).rank()
    centred = ranks - ranks.groupby(rows).transform("mean")
    sums = (
        (centred.assign(both=centred["rank"] * centred["popularity"]) ** [2, 2, 1])
        .groupby(rows)
        .sum()
    )
    spread = np.sqrt(sums["rank"] * sums["popularity"])
    return -float((sums["both"] / spread)[spread > 1e-9].mean())


def gini_range(n_items: int, n_lists: int, k: int) -> tuple[float, float]:
    """Smallest and largest Gini index that n_lists lists of k different items can have over n_items
    items (Rampisela et al. 2024).

    The smallest spreads all n_lists * k places evenly, the largest shows the same k items to
    everybody.

    >>> gini_range(n_items=4, n_lists=1, k=1)
    (0.75, 0.75)
    """
    each, extra = divmod(n_lists * k, n_items)
    even = np.repeat([each, each + 1], [n_items - extra, extra])
    weights = 2 * np.arange(1, n_items + 1) - n_items - 1
    return float((weights * even).sum() / (n_items * even.sum())), 1 - k / n_items


def exposure_table(evidence: Evidence) -> list[dict]:
    """Numbers without a null: Gini (raw, and as a share of its reachable range), coverage, ARP,
    APLT, delta GAP, PRU.

    Lists with empty places have another reachable range, which is then not given.
    """
    lists, counts, n = evidence.lists, evidence.item_counts, evidence.dataset.n_items
    if not (lists >= 0).any():
        return []
    unknown, full = float("nan"), (lists >= 0).all()
    raw, (low, high) = (
        gini(lists, n),
        gini_range(n, len(lists), evidence.k) if full else (unknown, unknown),
    )
    share = (raw - low) / (high - low) if high > low else unknown
    tail = row_means(lists, tail_items(counts).astype(float))
    reach = min(1.0, lists.size / n)
    shown = exposure(lists, n)
    top = float(np.sort(shown)[::-1][: max(1, n // 100)].sum() / shown.sum())
    popular = float(np.nanmean(row_means(lists, counts.astype(float))))
    rows = [
        ("Gini of exposure", raw, low, high, "reachable range for this many lists"),
        (
            "Gini, share of its reachable range",
            share,
            0.0,
            1.0,
            "0: as even as can be; 1: everybody sees the same items",
        ),
        ("share of exposure of the top 1 % of items", top, unknown, 1.0, ""),
        (
            "coverage of the catalogue",
            coverage(lists, n),
            evidence.k / n if full else 0.0,
            reach,
            f"at k = {evidence.k}",
        ),
        ("ARP: mean training count of a listed item", popular, unknown, unknown, ""),
        (
            "APLT: share of tail items in lists",
            float(np.nanmean(tail)),
            0.0,
            1.0,
            f"tail: outside the head of {HEAD:.0%} of interactions",
        ),
        (
            "delta GAP: popularity of lists over profiles",
            delta_gap(evidence),
            unknown,
            unknown,
            "0: as popular as what users chose",
        ),
        (
            "PRU: popular targets are ranked first",
            popularity_opportunity(evidence),
            -1.0,
            1.0,
            "0 is asked; targets beyond the list tie",
        ),
    ]
    return [
        dict(zip(("harm", "measure", "value", "low", "high", "note"), ("H2", *row), strict=True))
        for row in rows
    ]
