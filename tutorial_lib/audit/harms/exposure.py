"""H2, creators: who is shown, beside how often users choose them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tutorial_lib.audit.core.declaration import members_of, merit_name, reported_groups
from tutorial_lib.audit.core.evidence import Evidence
from tutorial_lib.audit.core.finding import Finding, Level, make_finding
from tutorial_lib.audit.core.groups import few, provider_groups, shown
from tutorial_lib.audit.core.lists import list_matrix, row_means
from tutorial_lib.audit.inference.statistics import Estimate, mean_shift, ratio_of_means


def discounts(k: int) -> np.ndarray:
    """Attention to rank 1..k, 1 / log2(rank + 1) as in NDCG: [k]."""
    return 1 / np.log2(np.arange(k) + 2)


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
    members = members_of(groups, names)
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
