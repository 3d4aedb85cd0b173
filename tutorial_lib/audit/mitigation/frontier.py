"""Did a mitigation help, and who paid for it?

Change per group beside the gap, the levelling-down flag, and quality against harm over a knob.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tutorial_lib.audit.core.finding import Finding, make_finding
from tutorial_lib.audit.core.groups import MISSING, SUPPRESSED, contrasts
from tutorial_lib.audit.core.margins import MARGINS
from tutorial_lib.audit.inference.statistics import Estimate, group_gap, mean_shift
from tutorial_lib.errors import InputError, unknown_name
from tutorial_lib.evaluation import pareto_front


@dataclass(frozen=True)
class MitigationEffect:
    """What changed for the same users.

    Args:
        findings: change over all users and of each group, and for each contrast the gap before and
            after, and its change.
        groups: one row per group ("all" first): group, n, before, after, change, low, high.
        gaps: one row per contrast: contrast, before, after, change, levelling_down.
    """

    findings: tuple[Finding, ...]
    groups: pd.DataFrame
    gaps: pd.DataFrame

    @property
    def levelling_down(self) -> bool:
        """Is any contrast levelled down?"""
        return bool(self.gaps["levelling_down"].any())


def before_after(
    before: pd.DataFrame,
    after: pd.DataFrame,
    groups: pd.Series,
    metric: str = "ndcg@10",
    *,
    seed: int = 0,
    minimum: int = 30,
) -> MitigationEffect:
    """Compare the same users before and after a mitigation, in all and by group.

    Levelling down: the gap shrinks although neither side gained (no interval of the change above
    0) and at least one side lost (an interval below 0). A smaller gap is then no success; the
    words are Parfit's (1997), for algorithms Mittelstadt, Wachter & Russell 2023. The margin is the
    default of "quality", as a share of the mean before.

    Args:
        before, after: per-user frames of `evaluate`, one row per user, in any order.
        groups: group of each user, index = user code (nan = unknown: counted in all, in no
            group); its name is the attribute.
        minimum: users a group needs for an interval (50 where every user has one target). Groups
            below 10 users get no numbers.

    Raises:
        InputError: unknown metric, users that differ, a user twice, users without an entry in
            ``groups``, or NaN.
    """
    x, y, labels = _paired(before, after, groups, metric)
    attribute, margin = groups.name or "group", MARGINS["quality"][0] * abs(x.mean())
    rng = np.random.default_rng(seed)
    names = sorted(set(labels) - {MISSING})
    members = {"all": np.ones(len(x), dtype=bool)} | {name: labels == name for name in names}
    findings, rows, gaps = [], [], []
    for name, inside in members.items():
        change = _change(y[inside] - x[inside], minimum)
        who = "all users" if name == "all" else f"{attribute} {name}"
        n = int(inside.sum())
        findings.append(_finding(f"{metric} after - before: {who}", change, {name: n}, margin))
        means = (x[inside].mean(), y[inside].mean()) if n >= SUPPRESSED else (np.nan, np.nan)
        rows.append((name, n, *means, change.value, change.low, change.high))
    sizes = pd.DataFrame({"group": names, "n": [members[name].sum() for name in names]})
    for a, b, in_a, in_b in contrasts(labels, sizes):
        contrast, n_by_group = f"{attribute} {a} - {b}", {a: int(in_a.sum()), b: int(in_b.sum())}
        gap, new_gap, shift = (_gap(v[in_a], v[in_b], minimum, rng) for v in (x, y, y - x))
        sides = [_change((y - x)[side], minimum) for side in (in_a, in_b)]
        down = levels_down(gap.value, new_gap.value, *sides)
        note = ["Levelling down: the gap shrank, nobody gained, and a group lost."] if down else []
        findings += [
            _finding(f"{metric} before: {contrast}", gap, n_by_group, margin),
            _finding(f"{metric} after: {contrast}", new_gap, n_by_group, margin, note),
            _finding(f"{metric} gap after - before: {contrast}", shift, n_by_group, margin, note),
        ]
        gaps.append((contrast, gap.value, new_gap.value, shift.value, down))
    return MitigationEffect(
        tuple(findings),
        pd.DataFrame(rows, columns=["group", "n", "before", "after", "change", "low", "high"]),
        pd.DataFrame(gaps, columns=["contrast", "before", "after", "change", "levelling_down"]),
    )


def _finding(
    name: str, estimate: Estimate, sizes: dict[str, int], margin: float, notes: Sequence[str] = ()
) -> Finding:
    return make_finding("H1", "users", name, estimate, n_by_group=sizes, margin=margin, notes=notes)


def levels_down(
    gap_before: float, gap_after: float, change_a: Estimate, change_b: Estimate
) -> bool:
    """The gap shrinks, no side has a gain that the data show, and at least one has such a loss.

    >>> gain = Estimate(0.02, 0.01, 0.03, 0.01, 0.005)
    >>> loss = Estimate(-0.02, -0.03, -0.01, 0.01, 0.005)
    >>> levels_down(-0.05, -0.02, loss, loss), levels_down(-0.05, -0.02, gain, loss)
    (True, False)
    """
    sides = change_a, change_b
    shrinks = abs(gap_after) < abs(gap_before)
    return bool(shrinks and not any(s.low > 0 for s in sides) and any(s.high < 0 for s in sides))


def _change(values: np.ndarray, minimum: int) -> Estimate:
    """Mean change: nothing below 10 users, no interval below ``minimum``."""
    if len(values) < SUPPRESSED:
        return Estimate.nothing()
    if len(values) < minimum:
        return Estimate.nothing(values.mean())
    return mean_shift(values, scale=1.0)


def _gap(a: np.ndarray, b: np.ndarray, minimum: int, rng: np.random.Generator) -> Estimate:
    """Gap of two groups: nothing below 10 users in one, no interval below ``minimum``."""
    n = min(len(a), len(b))
    if n < SUPPRESSED:
        return Estimate.nothing()
    if n < minimum:
        return Estimate.nothing(a.mean() - b.mean())
    return group_gap(a, b, rng=rng)


def _paired(
    before: pd.DataFrame, after: pd.DataFrame, groups: pd.Series, metric: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values before and after, [n] each, and group names, [n] str, of the same users."""
    for frame in (before, after):
        if metric not in frame:
            raise unknown_name("metric", metric, [str(column) for column in frame.columns])
        if not frame.index.is_unique:
            raise InputError(
                "before_after: a user appears twice; expected one row per user (average over seeds"
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
            " per user, index = user code"
        )
    known = groups.loc[before.index]
    labels = np.where(known.isna(), MISSING, known.astype(str))
    return before[metric].to_numpy(float), after.loc[before.index, metric].to_numpy(float), labels


def frontier(
    table: pd.DataFrame, quality: str = "ndcg@10", harm: str = "gini", *, better: str = "low"
) -> pd.DataFrame:
    """The table with a column ``front``: False where another row beats this one on both.

    A point off the front is beaten whatever the price of harm; among those on it the choice is a
    policy, not a measurement.

    Args:
        table: one row per system or value of a knob; higher quality is better.
        better: which values of ``harm`` are better: "low" (Gini, KL), "high" (coverage, share of
            the tail) or "zero" (a gap).

    Raises:
        InputError: a missing column or another ``better``.

    >>> table = pd.DataFrame({"ndcg@10": [0.4, 0.3, 0.2], "gap": [-0.05, 0.01, -0.02]})
    >>> frontier(table, harm="gap", better="zero")["front"].tolist()
    [True, True, False]
    """
    for column in (quality, harm):
        if column not in table:
            raise unknown_name("column", column, [str(name) for name in table.columns])
    values = table[harm].to_numpy(float)
    signed = {"low": -values, "high": values, "zero": -np.abs(values)}
    if better not in signed:
        raise unknown_name("better", better, signed)
    points = np.column_stack([table[quality].to_numpy(float), signed[better]])
    return table.assign(front=pareto_front(points))
