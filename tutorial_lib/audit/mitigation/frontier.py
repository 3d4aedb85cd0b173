"""Did a mitigation help, and who paid? Change per group beside the gap, the levelling-down flag,
and quality against harm over a knob.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tutorial_lib.audit.core.evidence import MISSING, SUPPRESSED, contrasts
from tutorial_lib.audit.core.finding import MARGINS, Finding, make_finding
from tutorial_lib.audit.inference.statistics import Estimate, group_gap, mean_shift
from tutorial_lib.errors import InputError, unknown_name
from tutorial_lib.evaluation import pareto_front


@dataclass(frozen=True)
class MitigationEffect:
    """findings: change over all users, change of each group, and for each contrast the gap before,
    after, and its change.

    groups: one row a group ("all" first): group, n, before, after, change, low, high. gaps: one row
        a contrast: contrast, before, after,
    change, levelling_down. levelling_down: True if any contrast is.
    """

    findings: tuple[Finding, ...]
    groups: pd.DataFrame
    gaps: pd.DataFrame

    @property
    def levelling_down(self) -> bool:
        return bool(self.gaps["levelling_down"].any())


def before_after(
    before: pd.DataFrame, after: pd.DataFrame, groups: pd.Series, metric: str = "ndcg@10", *, seed: int = 0,
    margin: float = MARGINS["quality"][0], minimum: int = 30, harm: str = "H1",
) -> MitigationEffect:  # fmt: skip
    """Compare the same users before and after a mitigation, in all and by group.

    before, after: per-user frames of `evaluate`, one row a user, in any order. groups: group of
        each user, index = user code (nan =
    unknown: counted in all, in no group); its name is the attribute. margin: share of the mean
        before. minimum: users a group needs for an
    interval (50 where every user has one target). Groups below 10 users get no numbers. Levelling
    down: the gap shrinks although neither side gained (no interval of the change above 0) and at
    least one side lost (an interval below 0). A smaller gap is then no success; the words are
    Parfit's (1997), for algorithms Mittelstadt, Wachter & Russell 2023. Raises InputError for an
    unknown metric, users that differ, a user twice, users without an entry in ``groups``, or NaN.
    """
    x, y, labels = _paired(before, after, groups, metric)
    rng, attribute = np.random.default_rng(seed), groups.name or "group"
    level = margin * abs(x.mean())
    names = sorted(set(labels) - {MISSING})
    sizes = pd.DataFrame({"group": names, "n": [(labels == name).sum() for name in names]})
    changes, rows, findings = {}, [], []
    for name, members in {
        "all": np.ones(len(x), bool),
        **{name: labels == name for name in names},
    }.items():
        changes[name] = _estimate([y[members] - x[members]], minimum, rng)
        told = f"{metric} after - before: {'all users' if name == 'all' else f'{attribute} {name}'}"
        findings.append(
            make_finding(
                harm,
                "users",
                told,
                changes[name],
                n_by_group={name: int(members.sum())},
                margin=level,
            )
        )
        shown = members.sum() >= SUPPRESSED
        means = (x[members].mean(), y[members].mean()) if shown else (np.nan, np.nan)
        rows.append(
            (
                name,
                int(members.sum()),
                *means,
                changes[name].value,
                changes[name].low,
                changes[name].high,
            )
        )
    gaps = []
    for a, b, rows_a, rows_b in contrasts(labels, sizes):
        if b not in changes:
            changes[b] = _estimate([(y - x)[rows_b]], minimum, rng)
        parts = {
            told: _estimate([v[rows_a], v[rows_b]], minimum, rng)
            for told, v in (("before", x), ("after", y), ("change", y - x))
        }
        down = levels_down(parts["before"].value, parts["after"].value, changes[a], changes[b])
        notes = ["Levelling down: the gap shrank, nobody gained, and a group lost."] if down else []
        n_by_group = {a: int(rows_a.sum()), b: int(rows_b.sum())}
        for told, part in parts.items():
            title = (
                f"{metric} {told}: {attribute} {a} - {b}"
                if told != "change"
                else f"{metric} gap after - before: {attribute} {a} - {b}"
            )
            some = notes if told != "before" else []
            findings.append(
                make_finding(
                    harm, "users", title, part, n_by_group=n_by_group, margin=level, notes=some
                )
            )
        gaps.append((f"{attribute} {a} - {b}", *(part.value for part in parts.values()), down))
    return MitigationEffect(
        tuple(findings),
        pd.DataFrame(rows, columns=["group", "n", "before", "after", "change", "low", "high"]),
        pd.DataFrame(gaps, columns=["contrast", "before", "after", "change", "levelling_down"]),
    )


def levels_down(
    gap_before: float, gap_after: float, change_a: Estimate, change_b: Estimate
) -> bool:
    """The gap shrinks, no side has a gain that the data show, and at least one has a loss that they
    show; nan: not shown.

    >>> gain, loss = Estimate(0.02, 0.01, 0.03, 0.01, 0.005), Estimate(-0.02, -0.03, -0.01, 0.01, 0.005)
    >>> levels_down(-0.05, -0.02, loss, loss), levels_down(-0.05, -0.02, gain, loss), levels_down(-0.02, -0.05, loss, loss)
    (True, False, False)
    """
    sides = change_a, change_b
    return bool(
        abs(gap_after) < abs(gap_before)
        and not any(s.low > 0 for s in sides)
        and any(s.high < 0 for s in sides)
    )


def _estimate(parts: list[np.ndarray], minimum: int, rng: np.random.Generator) -> Estimate:
    """Mean of one part, or gap between two, as far as the smaller allows: nothing below 10 users,
    no interval below ``minimum``.
    """
    n = min(map(len, parts))
    if n < SUPPRESSED:
        return Estimate.nothing()
    if n < minimum:
        return Estimate.nothing(parts[0].mean() - (parts[1].mean() if len(parts) > 1 else 0.0))
    return group_gap(*parts, rng=rng) if len(parts) > 1 else mean_shift(parts[0], scale=1.0)


def _paired(
    before: pd.DataFrame, after: pd.DataFrame, groups: pd.Series, metric: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values before and after, [n] each, and group names, [n] str, of the same users."""
    for frame in (before, after):
        if metric not in frame:
            raise unknown_name("metric", metric, [str(column) for column in frame.columns])
        if not frame.index.is_unique:
            raise InputError(
                "before_after: a user appears twice; expected one row a user (average over seeds"
                " first)"
            )
        if frame[metric].isna().any():
            raise InputError(
                f"before_after: {metric} of user {frame.index[frame[metric].isna()][0]!r} is NaN;"
                " expected a number"
            )
    unlike = before.index.symmetric_difference(after.index)
    if len(unlike) or not len(before):
        raise InputError(
            f"before_after: {len(unlike)} users are in one frame only; expected the same users in"
            " both, at least one"
        )
    unknown = before.index.difference(groups.index)
    if len(unknown) or not groups.index.is_unique:
        raise InputError(
            f"before_after: groups lack {len(unknown)} users or name one twice; expected one entry"
            " a user, index = user code"
        )
    known = groups.loc[before.index]
    labels = np.where(known.isna(), MISSING, known.astype(str))
    return before[metric].to_numpy(float), after.loc[before.index, metric].to_numpy(float), labels


def frontier(
    table: pd.DataFrame, quality: str = "ndcg@10", harm: str = "gini", *, better: str = "low"
) -> pd.DataFrame:
    """The table with a column ``front``: True where no other row has at least the quality and as
    little harm, and is better in one.

    table: one row a system or value of a knob; higher quality is better. better: which values of
        ``harm`` are: "low" (Gini, KL), "high"
    (coverage, share of the tail) or "zero" (a gap). A point off the front is beaten whatever the
    price of harm; among those on it the choice is a policy, not a measurement. Raises InputError
    for a missing column or another ``better``.

    >>> frontier(pd.DataFrame({"ndcg@10": [0.4, 0.3, 0.2], "gap": [-0.05, 0.01, -0.02]}), harm="gap", better="zero")["front"].tolist()
    [True, True, False]
    """
    for column in (quality, harm):
        if column not in table:
            raise unknown_name("column", column, [str(name) for name in table.columns])
    values = table[harm].to_numpy(float)
    signed = {"low": -values, "high": values, "zero": -np.abs(values)}
    if better not in signed:
        raise unknown_name("better", better, signed)
    return table.assign(
        front=pareto_front(np.column_stack([table[quality].to_numpy(float), signed[better]]))
    )
