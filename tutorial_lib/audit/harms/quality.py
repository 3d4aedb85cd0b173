"""H1, users: does the system serve some groups worse, and how badly are the worst off served?"""

from __future__ import annotations

import numpy as np

from tutorial_lib.audit.core.evidence import Evidence, UserMetric
from tutorial_lib.audit.core.finding import Finding, Level, make_finding
from tutorial_lib.audit.core.groups import (
    MISSING,
    SUPPRESSED,
    contrasts,
    few,
    gap_name,
    shown,
)
from tutorial_lib.audit.core.lists import row_means
from tutorial_lib.audit.inference.adjusted import adjusted_gap
from tutorial_lib.audit.inference.statistics import (
    Estimate,
    group_gap,
    missing_interval,
    ratio_of_means,
)
from tutorial_lib.errors import InputError

WORST = 0.1  # share of users whose mean is the conditional value at risk


def gaps_between_groups(evidence: Evidence) -> list[Finding]:
    """Measure: gaps in four numbers per user, and in NDCG between users alike."""
    margins = evidence.margins
    metrics = [
        evidence.ndcg,
        evidence.quality("recall"),
        UserMetric(
            "miscalibration",
            evidence.miscalibration,
            margins["calibration"],
            "calibration",
            more_is_better=False,
        ),
        UserMetric(
            "popularity lift",
            evidence.popularity_lift,
            margins["popularity"],
            "popularity",
            harm="H2",
            more_is_better=False,
        ),
    ]
    findings = []
    for attribute in evidence.attributes:
        for metric in metrics:
            if not np.isnan(metric.values).all():
                rng = evidence.rng(attribute, metric.name)
                findings += group_gaps(evidence, attribute, metric, rng=rng)
        findings += adjusted_gaps(evidence, attribute, evidence.ndcg)
    return findings


def group_gaps(
    evidence: Evidence, attribute: str, metric: UserMetric, *, rng: np.random.Generator
) -> list[Finding]:
    """mean(a) - mean(b) of any per-user number, a finding per contrast of an attribute's groups.

    A group below the minimum gets its size and no interval; below 10 users not even an estimate.
    Users of unknown group are on neither side; what they could change is in the finding's
    ``bounds``, which the verdict must survive.
    Users without a value are left out, and counted in the notes.
    """
    values, defined = metric.values, ~np.isnan(metric.values)
    labels = evidence.labels(attribute)
    unknown = values[(labels == MISSING) & defined]
    groups = evidence.sizes(attribute)
    findings = []
    for a, b, rows_a, rows_b in contrasts(labels, groups):
        x, y = values[rows_a & defined], values[rows_b & defined]
        estimate, notes = gap_estimate(x, y, evidence.minimum, rng)
        left_out = [int(rows_a.sum()) - len(x), int(rows_b.sum()) - len(y)]
        hide = few(*groups["n"], *left_out)
        notes += _left_out(sum(left_out), "without a value", hide)
        bounds, lines = unknown_bounds(x, y, unknown, hide=hide)
        findings.append(
            make_finding(
                metric.harm,
                "users",
                gap_name(metric.name, attribute, a, b),
                estimate,
                n_by_group={a: len(x), b: len(y)},
                margin=metric.margin,
                notes=[*notes, *lines],
                harmed=(a, b) if metric.more_is_better else (b, a),
                bounds=bounds,
                margin_name=metric.margin_name,
                rounded=hide,
                **(_both_sides((a, x), (b, y), evidence.minimum) if metric.levels else {}),
            )
        )
    return findings


def _left_out(n: int, why: str, hide: bool) -> list[str]:
    return [f"{shown(n, rounded=hide)} users {why} left out."] if n else []


def _both_sides(a: tuple[str, np.ndarray], b: tuple[str, np.ndarray], minimum: int) -> dict:
    """Mean of each side, and their ratio where both have an interval; nothing below ten users."""
    n = min(len(a[1]), len(b[1]))
    if n < SUPPRESSED:
        return {}
    both = {"levels": tuple(Level.of(name, values, minimum) for name, values in (a, b))}
    return both | ({"ratio": ratio_of_means(a[1], b[1])} if n >= minimum else {})


def unknown_bounds(
    x: np.ndarray, y: np.ndarray, unknown: np.ndarray, *, hide: bool = False
) -> tuple[tuple[float, float] | None, list[str]]:
    """The interval of a gap over every group that the users of unknown group may belong to.

    Args:
        x, y: values of the two sides.
        unknown: values of the users of unknown group.
        hide: give their number to the nearest ten.

    Returns:
        The interval, and the sentence that reports it; None and no sentence where nobody's group
        is unknown, or a side is suppressed.
    """
    if not len(unknown) or min(len(x), len(y)) < SUPPRESSED:
        return None, []
    low, high = missing_interval(x, y, unknown)
    line = (
        f"{shown(len(unknown), rounded=hide)} users of unknown group: whatever they are, the gap"
        f" lies between {low:+.4f} and {high:+.4f}, sampling error included."
    )
    return (low, high), [line]


def gap_estimate(
    x: np.ndarray, y: np.ndarray, minimum: int, rng: np.random.Generator
) -> tuple[Estimate, list[str]]:
    """The gap between two groups as far as their sizes allow, and a note where they do not."""
    n = min(len(x), len(y))
    if n < SUPPRESSED:
        note = f"A group has fewer than {SUPPRESSED} users, whose numbers are suppressed."
        return Estimate.nothing(), [note]
    if n < minimum:
        note = f"A group has fewer than {minimum} users: no interval."
        return Estimate.nothing(x.mean() - y.mean()), [note]
    return group_gap(x, y, rng=rng), []


def adjusted_gaps(evidence: Evidence, attribute: str, metric: UserMetric) -> list[Finding]:
    """The same contrasts between users alike in size, popularity and narrowness of their profile.

    A question, not an excuse: a raw gap that vanishes here is still a disparity. It says that the
    group is harder to serve. Users with fewer than four profile items have no second measurement of
    their taste and are left out; where nobody has one, or it is useless, the narrowness is left
    out, and the notes say so. See `adjusted_gap`.
    """
    labels, groups = evidence.labels(attribute), evidence.sizes(attribute)
    values = metric.values
    unknown = values[labels == MISSING]
    findings = []
    for a, b, rows_a, rows_b in contrasts(labels, groups):
        estimate, notes, used = _adjusted(evidence, values, rows_a, rows_a | rows_b)
        x, y = values[rows_a & used], values[rows_b & used]
        left_out = [int(rows_a.sum()) - len(x), int(rows_b.sum()) - len(y)]
        hide = few(*groups["n"], *left_out)
        notes += _left_out(sum(left_out), "with fewer than four profile items", hide)
        bounds = None
        if np.isfinite(estimate.low):
            raw = x.mean() - y.mean()
            explained = raw - estimate.value
            notes.append(f"Raw gap {raw:+.4f}, explained by the covariates {explained:+.4f}.")
            around_raw, lines = unknown_bounds(x, y, unknown, hide=hide)
            if around_raw is not None:  # the raw gap's reach, around the adjusted one
                bounds = around_raw[0] - explained, around_raw[1] - explained
            notes += [f"Adjusted for what the known users explain: {line}" for line in lines]
        findings.append(
            make_finding(
                "H1",
                "users",
                gap_name(f"{metric.name} adjusted", attribute, a, b),
                estimate,
                n_by_group={a: len(x), b: len(y)},
                margin=metric.margin,
                notes=notes,
                harmed=(a, b),
                bounds=bounds,
                rounded=hide,
            )
        )
    return findings


def _adjusted(
    evidence: Evidence, values: np.ndarray, member: np.ndarray, compared: np.ndarray
) -> tuple[Estimate, list[str], np.ndarray]:
    """Estimate, notes, and the rows used: with the narrowness of tastes if possible."""
    twice, known = evidence.concentration, _covariates(evidence)
    measured = compared & ~np.isnan(twice).any(axis=1)
    notes: list[str] = []
    for used, noisy in ((measured, True), (compared, False)):
        if min((used & member).sum(), (used & ~member).sum()) < evidence.minimum:
            continue
        extra = {"noisy": twice[used, 0], "again": twice[used, 1]} if noisy else {}
        try:
            estimate = adjusted_gap(values[used], member[used], known[used], **extra)
        except InputError as error:
            notes.append(f"{error}.")
            continue
        if not noisy:
            notes.append("Not adjusted for the narrowness of tastes.")
        return estimate, notes, used
    too_few = [f"A group has fewer than {evidence.minimum} users: no interval."]
    return Estimate.nothing(), notes or too_few, compared


def _covariates(evidence: Evidence) -> np.ndarray:
    """What makes users easy or hard to serve, as far as it is known exactly: [n, 3].

    Size and popularity of the profile (the mean where it is empty), number of targets.
    """
    popular = row_means(evidence.histories, np.log1p(evidence.item_counts))
    usual = np.nanmean(popular) if np.isfinite(popular).any() else 0.0
    profile_size = np.log1p([len(history) for history in evidence.histories])
    n_targets = np.log([len(target) for target in evidence.targets])
    return np.column_stack([profile_size, np.where(np.isnan(popular), usual, popular), n_targets])


def worst_users(values: np.ndarray, share: float = WORST) -> float:
    """Mean of the worst-off ``share`` of users (conditional value at risk).

    It needs no attribute, so nobody can be left out of it. nan where all of them have 0, the least
    that a metric can be: the mean would be 0 for every system that leaves as many users without a
    hit, whether it leaves 11 % or 90 %. Report the share of users with 0 in its place.

    >>> worst_users(np.arange(10.0), share=0.2), worst_users(np.array([0.0] * 2 + [1.0] * 8))
    (0.5, nan)
    """
    ordered = np.sort(np.asarray(values, dtype=float))
    worst = ordered[: max(1, round(share * len(ordered)))]
    return float(worst.mean()) if worst.any() else float("nan")
