"""H2, creators: who is shown, beside how often users choose them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tutorial_lib.audit.core.evidence import Evidence
from tutorial_lib.audit.core.finding import Finding, Level, make_finding
from tutorial_lib.audit.core.groups import (
    MISSING,
    MOST_GROUPS,
    few,
    group_names,
    shown,
    unknown_line,
)
from tutorial_lib.audit.core.lists import list_matrix, row_means
from tutorial_lib.audit.inference.statistics import Estimate, mean_shift, ratio_of_means


def discounts(k: int) -> np.ndarray:
    """Attention to rank 1..k, 1 / log2(rank + 1) as in NDCG: [k]."""
    return 1 / np.log2(np.arange(k) + 2)


def provider_groups(dataset) -> tuple[np.ndarray | None, list[str]]:
    """Provider group of every item, from ``provider_group`` or, if few enough, ``provider``.

    Returns:
        [n_items] str ("" = unknown), or None; and the lines that say why there is none, and which
        texts are read as unknown.
    """
    for name in ("provider_group", "provider"):
        if name not in dataset.items:
            continue
        column = dataset.items[name]
        groups = group_names(column)
        groups[groups == MISSING] = ""
        n = len(set(groups) - {""})
        if n > MOST_GROUPS:
            return None, [
                f"items have {n} providers: add a column provider_group to ds.items with at"
                f" most {MOST_GROUPS} groups"
            ]
        if n == 1:
            one = f"items have one provider group only, {max(groups)!r}"
            return None, [*unknown_line(name, column), f"{one}: exposure cannot be compared"]
        if n:
            return groups, unknown_line(name, column)
    return None, [
        f"{dataset.name} names no provider: exposure of providers is not measured; add a column"
        " provider_group to ds.items"
    ]


def merit_name(group: str) -> str:
    """The name of an exposure finding, the same before and after it is measured."""
    return f"exposure - merit: {group}"


def reported_groups(groups: np.ndarray, targets: Sequence[np.ndarray]) -> list[str]:
    """Provider groups that get a finding: all, but of two that share all items the lesser only.

    The difference of the other is minus this one's, and its margin, a share of its larger merit,
    is wider: nothing can be MATERIAL there and not here.

    Args:
        groups: [n_items] str, "" = unknown.
        targets: item codes, one array per user.
    """
    names = np.unique(groups[groups != ""].astype(str)).tolist()
    if len(names) != 2 or (groups == "").any():
        return names
    merit = np.nanmean(row_means(targets, _members(groups, names)), axis=0)
    return [names[merit.argmin()]]


def _members(groups: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """[n_items, n_names]: 1 where an item is of the group, else 0."""
    return (groups[:, None] == np.array(names, dtype=object)).astype(float)


def provider_exposure(evidence: Evidence) -> list[Finding]:
    """Measure: exposure minus merit of the provider groups that were declared."""
    groups, _ = provider_groups(evidence.dataset)
    if groups is None:
        return []
    known = np.unique(groups[groups != ""].astype(str)).tolist()
    names = [name for name in known if merit_name(name) in evidence.family]
    return exposure_minus_merit(evidence, groups, evidence.margins["exposure"], names=names)


def exposure_minus_merit(
    evidence: Evidence, groups: np.ndarray, margin: float, *, names: Sequence[str] | None = None
) -> list[Finding]:
    """Share of a group's items in what users are shown, minus their share in what users choose.

    The mean over users; the interval takes the catalogue as fixed. Exposure is weighted by rank
    (`discounts`), merit is the share of the user's targets, as in the disparate treatment of Singh
    & Joachims 2018. The ratio exposure / merit stands beside it. Items of unknown provider are in
    no group; what they could change is in the finding's ``bounds``.

    Args:
        groups: [n_items] str, "" = unknown.
        margin: a share of the group's merit, such as .2: a fifth less or more than users choose.
            An absolute margin would let a provider with less merit than that be shown to nobody.
        names: the groups that were declared (default: `reported_groups` of the targets).
    """
    names = reported_groups(groups, evidence.targets) if names is None else names
    members = _members(groups, names)
    shares = row_means(evidence.lists, members, discounts(evidence.k))  # [n, groups]
    merits = row_means(evidence.targets, members)
    both = ~np.isnan(shares[:, 0]) & ~np.isnan(merits[:, 0])
    reach = _unknown_reach(evidence, groups == "", both)
    return [
        _provider_finding(
            evidence, name, shares[both, i], merits[both, i], members[:, i], margin, reach
        )
        for i, name in enumerate(names)
    ]


def _provider_finding(
    evidence: Evidence,
    name: str,
    share: np.ndarray,
    merit: np.ndarray,
    members: np.ndarray,
    margin: float,
    reach: tuple[float, float],
) -> Finding:
    """share, merit: [users with a list], the group's in each list and among each user's targets."""
    minimum, left_out = evidence.minimum, len(evidence.users) - len(share)
    notes = [
        f"Share of the catalogue {members.mean():.4f}. The margin is {margin:.0%} of the merit."
    ]
    if left_out:
        notes.append(f"{shown(left_out)} users with an empty list left out.")
    estimate, bounds = Estimate.nothing(), None
    levels: tuple[Level, ...] = ()
    if len(share) >= minimum:
        estimate = mean_shift(share - merit)
        levels = Level.of("shown", share, minimum), Level.of("chosen", merit, minimum)
    if reach != (0.0, 0.0) and np.isfinite(estimate.low):
        bounds = estimate.low + reach[0], estimate.high + reach[1]
        notes.append(
            "Items of unknown provider: with all of them, the difference lies between"
            f" {bounds[0]:+.4f} and {bounds[1]:+.4f}."
        )
    if margin >= 1:
        notes.append(
            "The margin is as large as the merit: even a group that is shown to nobody could not be"
            " MATERIAL."
        )
    deserved = float(merit.mean()) if len(merit) else np.nan
    if deserved == 0:
        notes.append("No user chose an item of this group, so there is no merit to compare with.")
    return make_finding(
        "H2",
        "providers",
        merit_name(name),
        estimate,
        n_by_group={"users": len(share), "items": int(members.sum())},
        margin=margin * deserved if deserved > 0 else np.nan,
        notes=notes,
        harmed=(name, "other providers"),
        levels=levels,
        ratio=ratio_of_means(share, merit, paired=True),
        bounds=bounds,
        margin_name="exposure",
        rounded=few(left_out),
    )


def _unknown_reach(
    evidence: Evidence, unknown: np.ndarray, rows: np.ndarray
) -> tuple[float, float]:
    """How far exposure - merit could fall and rise if a group held the worst or best of them."""
    if not unknown.any() or not rows.any():
        return 0.0, 0.0
    listed = list_matrix(evidence.lists, len(unknown), discounts(evidence.k))[rows]
    chosen = list_matrix(evidence.targets, len(unknown))[rows]
    share, merit = (
        np.asarray(m.multiply(1 / m.sum(axis=1)).mean(axis=0)).ravel()[unknown]
        for m in (listed, chosen)
    )
    return float(np.minimum(share - merit, 0).sum()), float(np.maximum(share - merit, 0).sum())
