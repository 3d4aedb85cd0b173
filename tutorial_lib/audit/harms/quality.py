"""H1, users: does the system serve some groups worse, who is worst off, and do lists match what
people like?
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tutorial_lib.audit.core.categories import row_means
from tutorial_lib.audit.core.evidence import SUPPRESSED, Evidence, contrasts, group_sizes, status
from tutorial_lib.audit.core.finding import Finding, few, make_finding, shown
from tutorial_lib.audit.core.groups import (
    MISSING,
    cell_name,
    contrast_name,
    quoted_column,
    rest_name,
)
from tutorial_lib.audit.core.levels import level, missing_interval, ratio_of_means
from tutorial_lib.audit.inference.statistics import Estimate, adjusted_gap, group_gap, shrink
from tutorial_lib.errors import InputError

MOST_CELLS = 50
WORST = 0.1  # share of users whose mean is the conditional value at risk


def gap_name(measure: str, attribute: str, a: str, b: str) -> str:
    """The name of a contrast, the same before and after it is measured: "ndcg@10: gender F - M"."""
    return f"{measure}: {contrast_name(attribute, a, b)}"


def group_gaps(
    evidence: Evidence,
    attribute: str,
    values: np.ndarray,
    measure: str,
    margin: float,
    *,
    rng: np.random.Generator,
    harm: str = "H1",
    more_is_better: bool = True,
    levels: bool = False,
    margin_name: str = "",
) -> list[Finding]:
    """One finding a contrast between the groups of an attribute: mean(a) - mean(b) of any per-user
    number.

    values: [n], one a user; nan where it is not defined (left out, and counted in the notes).
    margin: in the unit of ``values``. more_is_better: who is worse off, the side with less (as of
    NDCG) or the side with more (as of miscalibration). levels: also the mean of each side and their
    ratio. margin_name: as in `Finding`.
    A group below the minimum gets its size and no interval; below 10 users not even an estimate.
    Users of unknown group are in neither side; what they could change is in the finding's
    ``bounds``, which the verdict must survive.
    """
    labels, defined = evidence.labels(attribute), ~np.isnan(values)
    unknown, findings, groups = (
        values[(labels == MISSING) & defined],
        [],
        group_sizes(evidence, attribute),
    )
    for a, b, rows_a, rows_b in contrasts(labels, groups):
        x, y = values[rows_a & defined], values[rows_b & defined]
        estimate, notes = _estimate(x, y, evidence.minimum, rng)
        left_out = int(rows_a.sum()) - len(x), int(rows_b.sum()) - len(y)
        hide = _gives_away(groups) or few(*left_out)
        notes += _left_out(sum(left_out), "without a value", hide)
        bounds, said = unknown_bounds(x, y, unknown, hide=hide)
        more = _both_sides((a, x), (b, y), evidence.minimum) if levels else {}
        more |= {
            "harmed": (a, b) if more_is_better else (b, a),
            "bounds": bounds,
            "margin_name": margin_name,
        }
        more["rounded"] = hide
        name, sizes = gap_name(measure, attribute, a, b), {a: len(x), b: len(y)}
        findings.append(
            make_finding(
                harm,
                "users",
                name,
                estimate,
                n_by_group=sizes,
                margin=margin,
                notes=notes + said,
                **more,
            )
        )
    return findings


def _gives_away(sizes: pd.DataFrame) -> bool:
    """Does a group of fewer than ten follow from the sizes of the others, and so ask for rounding?"""
    return few(*sizes["n"])


def _left_out(n: int, why: str, hide: bool) -> list[str]:
    return [f"{shown(n, rounded=hide)} users {why} left out."] if n else []


def _both_sides(one: tuple[str, np.ndarray], other: tuple[str, np.ndarray], minimum: int) -> dict:
    """Mean of each side, and their ratio where both have an interval; nothing beside a group that
    is suppressed.
    """
    n = min(len(one[1]), len(other[1]))
    if n < SUPPRESSED:
        return {}
    levels = tuple(level(name, values, minimum) for name, values in (one, other))
    return {"levels": levels} | (
        {"ratio": ratio_of_means(one[1], other[1])} if n >= minimum else {}
    )


def unknown_bounds(
    x: np.ndarray, y: np.ndarray, unknown: np.ndarray, *, hide: bool = False
) -> tuple[tuple[float, float] | None, list[str]]:
    """The interval of a gap over every group that the users of unknown group may belong to, and the
    sentence that tells it. hide: tell their number to the nearest ten.
    """
    if not len(unknown) or min(len(x), len(y)) < SUPPRESSED:
        return None, []
    low, high = missing_interval(x, y, unknown)
    told = (
        f"{shown(len(unknown), rounded=hide)} users of unknown group: whatever they are, the gap"
        f" lies between {low:+.4f} and {high:+.4f}"
    )
    return (low, high), [f"{told}, sampling error included."]


def _estimate(
    x: np.ndarray, y: np.ndarray, minimum: int, rng: np.random.Generator
) -> tuple[Estimate, list[str]]:
    """The gap between two groups as far as their sizes allow, and what to say about it."""
    n = min(len(x), len(y))
    if n < SUPPRESSED:
        return Estimate.nothing(), [
            f"A group has fewer than {SUPPRESSED} users, whose numbers are suppressed."
        ]
    if n < minimum:
        return Estimate.nothing(x.mean() - y.mean()), [
            f"A group has fewer than {minimum} users: no interval."
        ]
    return group_gap(x, y, rng=rng), []


def adjusted_gaps(
    evidence: Evidence, attribute: str, values: np.ndarray, measure: str, margin: float
) -> list[Finding]:
    """The same contrasts between users alike in size, popularity and narrowness of their profile
    (see `adjusted_gap`).

    A question, not an excuse: a raw gap that vanishes here is still a disparity. It says that the
    group is harder to serve. Users with fewer than four profile items have no second measurement of
    their taste and are left out; where nobody has one, or it is useless, the narrowness is left
    out, and the notes say so.
    """
    labels, findings, groups = evidence.labels(attribute), [], group_sizes(evidence, attribute)
    for a, b, rows_a, rows_b in contrasts(labels, groups):
        estimate, notes, used = _adjusted(evidence, values, rows_a, rows_a | rows_b)
        x, y = values[rows_a & used], values[rows_b & used]
        left_out = int(rows_a.sum()) - len(x), int(rows_b.sum()) - len(y)
        hide = _gives_away(groups) or few(*left_out)
        notes += _left_out(sum(left_out), "with fewer than four profile items", hide)
        bounds = None
        if np.isfinite(estimate.low):
            raw = x.mean() - y.mean()
            notes.append(
                f"Raw gap {raw:+.4f}, explained by the covariates {raw - estimate.value:+.4f}."
            )
            bounds, said = unknown_bounds(x, y, values[labels == MISSING], hide=hide)
            bounds = bounds and tuple(
                end - raw + estimate.value for end in bounds
            )  # the raw gap's reach, around the adjusted one
            notes += [f"Adjusted for what the known users explain: {line}" for line in said]
        name, sizes = gap_name(f"{measure} adjusted", attribute, a, b), {a: len(x), b: len(y)}
        more = {"harmed": (a, b), "bounds": bounds, "rounded": hide}
        findings.append(
            make_finding(
                "H1", "users", name, estimate, n_by_group=sizes, margin=margin, notes=notes, **more
            )
        )
    return findings


def _adjusted(
    evidence: Evidence, values: np.ndarray, member: np.ndarray, compared: np.ndarray
) -> tuple[Estimate, list[str], np.ndarray]:
    """Estimate, notes, and the rows used: with the taste's narrowness where it can be used, without
    it elsewhere.
    """
    twice, known = evidence.concentration, evidence.covariates.to_numpy()
    measured = compared & ~np.isnan(twice).any(axis=1)
    notes: list[str] = []
    for used, noisy in ((measured, True), (compared, False)):
        if min((used & member).sum(), (used & ~member).sum()) < evidence.minimum:
            continue
        extra = {"noisy": twice[used, 0], "again": twice[used, 1]} if noisy else {}
        try:
            found = adjusted_gap(values[used], member[used], known[used], **extra)
        except InputError as error:
            notes.append(f"{error}.")
            continue
        return (
            found,
            notes if noisy else [*notes, "Not adjusted for the narrowness of tastes."],
            used,
        )
    return (
        Estimate.nothing(),
        notes or [f"A group has fewer than {evidence.minimum} users: no interval."],
        compared,
    )


def worst_group(
    evidence: Evidence,
    attributes: Sequence[str],
    values: np.ndarray,
    measure: str,
    margin: float,
    *,
    rng: np.random.Generator,
) -> list[Finding]:
    """The group that looks worst on one half of the users, judged on the other half: choosing and
    judging on the same users exaggerates.
    """
    first, candidates = rng.random(len(values)) < 0.5, []
    for attribute in attributes:
        labels = evidence.labels(attribute)
        known = labels != MISSING
        for name in np.unique(labels[known]):
            members, others = labels == name, known & (labels != name)
            if (
                min((part & half).sum() for part in (members, others) for half in (first, ~first))
                >= evidence.minimum
            ):
                gap = values[members & first].mean() - values[others & first].mean()
                candidates.append((gap, attribute, str(name), members, others))
    if not candidates:
        return []
    _, attribute, name, members, others = min(candidates, key=lambda candidate: candidate[0])
    x, y = values[members & ~first], values[others & ~first]
    note = (
        f"{attribute} {name}: the worst of {len(candidates)} groups on {first.sum()} users, judged"
        f" on the other {(~first).sum()}."
    )
    groups = group_sizes(evidence, attribute)
    hide, rest = _gives_away(groups), rest_name(set(groups["group"]))
    bounds, said = unknown_bounds(x, y, values[~members & ~others & ~first], hide=hide)
    metric = f"{measure}: worst group, {contrast_name(attribute, name, rest)}"
    sizes = {name: len(x), rest: len(y)}
    more = {"harmed": (name, ""), "bounds": bounds, "notes": [note, *said]}
    more["rounded"] = hide
    return [
        make_finding(
            "H1", "users", metric, group_gap(x, y, rng=rng), n_by_group=sizes, margin=margin, **more
        )
    ]


def cells(evidence: Evidence, attributes: Sequence[str], values: np.ndarray) -> pd.DataFrame:
    """Every cell of two attributes: columns attribute, group, n, status, mean, se, shrunk (pulled
    to the common mean by its noise).

    The noise of a cell is taken from the spread within all cells: in twelve users without a hit the
    spread is 0, the noise is not.
    """
    pairs = [evidence.labels(attribute) for attribute in attributes]
    joint = pd.Series([cell_name(a, b) for a, b in zip(*pairs, strict=True)])
    known = (pairs[0] != MISSING) & (pairs[1] != MISSING)
    table = (
        pd.DataFrame({"group": joint, "value": values})[known]
        .groupby("group")["value"]
        .agg(["size", "mean", "std"])
    )
    levels = [sorted(set(labels) - {MISSING}) for labels in pairs]
    table = table.reindex([cell_name(a, b) for a in levels[0] for b in levels[1]])
    n = table["size"].fillna(0).astype(int)
    enough = (n >= SUPPRESSED).to_numpy()
    se, mean = (
        (table["std"] / np.sqrt(n)).where(enough).to_numpy(),
        table["mean"].where(enough).to_numpy(),
    )
    within = np.sqrt((table["std"] ** 2 * (n - 1)).sum() / max((n - 1).clip(lower=0).sum(), 1))
    noise = within / np.sqrt(np.where(enough, n, np.nan))
    return pd.DataFrame(
        {
            "attribute": " x ".join(attributes),
            "group": table.index,
            "n": n.to_numpy(),
            "status": [status(size, evidence.minimum) for size in n],
            "mean": mean,
            "se": se,
            "shrunk": np.where(enough, shrink(mean, noise), np.nan),
        }
    )


def intersection(
    evidence: Evidence,
    pair: tuple[str, str],
    values: np.ndarray,
    measure: str,
    margin: float,
    *,
    rng: np.random.Generator,
) -> tuple[pd.DataFrame, list[Finding]]:
    """The cells of two attributes (see `cells`), and each cell that is large enough against all
    other users.

    Raises InputError for more than 50 cells.
    """
    table = cells(evidence, pair, values)
    if len(table) > MOST_CELLS:
        raise InputError(
            f"{' x '.join(pair)} has {len(table)} cells, too many to judge: use coarser groups (at"
            f" most {MOST_CELLS} cells)"
        )
    labels = [evidence.labels(attribute) for attribute in pair]
    joint = np.array([cell_name(a, b) for a, b in zip(*labels, strict=True)])
    known = (labels[0] != MISSING) & (labels[1] != MISSING)
    findings, hide, columns = [], _gives_away(table), " x ".join(map(quoted_column, pair))
    for row in table[table["status"] == "measured"].itertuples():
        x, y = values[joint == row.group], values[known & (joint != row.group)]
        estimate, notes = _estimate(x, y, evidence.minimum, rng)
        notes.append(f"Cell mean {row.mean:.4f}, shrunk towards all cells {row.shrunk:.4f}.")
        bounds, said = unknown_bounds(x, y, values[~known], hide=hide)
        name, sizes = (
            f"{measure}: {columns} {row.group} - rest",
            {row.group: len(x), "rest": len(y)},
        )
        more = {
            "harmed": (row.group, "rest"),
            "bounds": bounds,
            "notes": notes + said,
            "rounded": hide,
        }
        findings.append(
            make_finding("H1", "users", name, estimate, n_by_group=sizes, margin=margin, **more)
        )
    return table, findings


def miscalibration(evidence: Evidence) -> np.ndarray:
    """Jensen-Shannon distance between the categories of profile and list, [n] in [0, 1] (base 2);
    nan where a list or profile has none.

    Steck 2018 uses the Kullback-Leibler divergence, which depends on a smoothing constant; this one
    is bounded and needs none.
    """
    shares = evidence.categories[0]
    if not shares.any():
        return np.full(len(evidence.users), np.nan)
    return js_distance(row_means(evidence.histories, shares), row_means(evidence.lists, shares))


def js_distance(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Square root of the Jensen-Shannon divergence in bits between the rows of p and q, each [n,
    C], made to sum to 1: [n].

    >>> js_distance(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])).tolist()
    [1.0]
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        p, q = (
            x / x.sum(axis=1, keepdims=True) for x in (np.asarray(p, float), np.asarray(q, float))
        )
        middle = (p + q) / 2
        parts = [np.where(x > 0, x * np.log2(x / middle), 0.0).sum(axis=1) / 2 for x in (p, q)]
    return np.where(
        np.isnan(p).any(axis=1) | np.isnan(q).any(axis=1),
        np.nan,
        np.sqrt(np.clip(sum(parts), 0, 1)),
    )


def worst_users(values: np.ndarray, share: float = WORST) -> float:
    """Mean of the worst-off ``share`` of users (conditional value at risk): needs no attribute, so
    nobody can be left out of it.

    nan where all of them have 0, the least that a metric can be. The mean would be 0 for every
    system that leaves as many users without a hit, whether it leaves 11 % or 90 %: not informative.
    Report the share of users with 0 in its place.

    >>> worst_users(np.arange(10.0), share=0.2), worst_users(np.array([0.0] * 2 + [1.0] * 8))
    (0.5, nan)
    """
    ordered = np.sort(np.asarray(values, dtype=float))
    worst = ordered[: max(1, round(share * len(ordered)))]
    return float(worst.mean()) if worst.any() else float("nan")
