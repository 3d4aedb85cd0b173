"""One measured harm, as an auditor states it: a signed estimate, its interval, the margin it is
judged by, and one of four verdicts.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control

from tutorial_lib.audit.core.groups import SUPPRESSED, few, sizes_text, two_digits
from tutorial_lib.audit.core.margins import NOBODY, harmed_sides
from tutorial_lib.errors import unknown_name
from tutorial_lib.evaluation.estimates import Estimate, detectable, mean_estimate
from tutorial_lib.evaluation.statistics import holm

VERDICTS = ("MATERIAL", "WITHIN MARGIN", "EQUIVALENT", "INCONCLUSIVE")
MATERIAL, WITHIN, EQUIVALENT, INCONCLUSIVE = VERDICTS
ALPHA = 0.05


@dataclass(frozen=True)
class Level:
    """The mean of one group, with its 95 % interval (nan where the group is too small for one)."""

    group: str
    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, group: str, values: np.ndarray, minimum: int) -> Level:
        """Of one group's values, [n]; no interval below ``minimum`` users, no mean below ten."""
        if len(values) >= max(minimum, 2):
            estimate = mean_estimate(values)
            return cls(group, estimate.value, estimate.low, estimate.high)
        mean = float(values.mean()) if len(values) >= SUPPRESSED else math.nan
        return cls(group, mean, math.nan, math.nan)


@dataclass(frozen=True)
class Finding:
    """One row of an audit. Estimates, intervals, mde and margin are in the metric's own unit.

    Args:
        harm: class of the register, "H1".."H6".
        stakeholder: who bears it.
        metric: what was measured, signed, as in "ndcg@10: gender F - M".
        estimate: the difference.
        ci: 95 % interval; (nan, nan) where the sample is too small for one.
        n_by_group: users (prompts, items) in each group that was compared.
        mde: the true difference seen in 80 % of repetitions, at .05 / m in a family of m tests.
        p: two-sided, of "no difference"; nan where no such test exists.
        p_adjusted: by Holm's method in the declared family, else by Benjamini & Hochberg's.
        margin: how large a difference must be to matter; nan: nobody gave a usable one.
        verdict: one of `VERDICTS`.
        notes: one sentence each.
        se: standard error.
        harmed: who is worse off where the estimate lies below 0, and who where it lies above; "" =
            nobody, which is good news. None: the stakeholder either way.
        levels: mean of each side.
        ratio: of the two sides, with its interval.
        bounds: the interval over every way to place those whose group is unknown; None: all known.
        margin_name: its name in `MARGINS`.
        rounded: sizes are published to the nearest ten, as they would give away a smaller group.

    Raises:
        InputError: a verdict outside `VERDICTS` (there is no "fair").
    """

    harm: str
    stakeholder: str
    metric: str
    estimate: float
    ci: tuple[float, float]
    n_by_group: Mapping[str, int]
    mde: float
    p: float
    p_adjusted: float
    margin: float
    verdict: str
    notes: tuple[str, ...] = ()
    se: float = math.nan
    harmed: tuple[str, str] | None = None
    levels: tuple[Level, ...] = ()
    ratio: tuple[float, float, float] = (math.nan, math.nan, math.nan)
    bounds: tuple[float, float] | None = None
    margin_name: str = ""
    rounded: bool = False

    def __post_init__(self) -> None:
        if self.verdict not in VERDICTS:
            raise unknown_name("verdict", self.verdict, VERDICTS)

    @property
    def sizes(self) -> str:
        """Group sizes as they may be published."""
        return sizes_text(self.n_by_group, rounded=self.rounded)

    @property
    def hides_sizes(self) -> bool:
        """Are sizes published to the nearest ten only?"""
        return self.rounded or few(*self.n_by_group.values())

    @property
    def measured(self) -> bool:
        """Is there an interval, without which nothing can be decided?"""
        return not any(map(math.isnan, (self.estimate, *self.ci)))

    @property
    def bearer(self) -> str:
        """Who is worse off on this side of 0; "" for nobody."""
        if math.isnan(self.estimate) or self.estimate == 0:
            return NOBODY
        return self.stakeholder if self.harmed is None else self.harmed[int(self.estimate > 0)]

    @property
    def harmful(self) -> bool:
        """MATERIAL on a side that harms somebody. MATERIAL on the other side is good news."""
        return self.verdict == MATERIAL and self.bearer != NOBODY

    @property
    def could_decide(self) -> bool:
        """Was the sample large enough to detect a true difference as large as the margin?"""
        return self.measured and self.mde <= self.margin

    @property
    def n(self) -> int:
        """Units of the sample over all groups (items of a provider group are no sample)."""
        no_sample = "items" if self.stakeholder == "providers" else None
        return sum(n for name, n in self.n_by_group.items() if name != no_sample)

    @property
    def n_needed(self) -> float:
        """Units, in the same proportions, for which the mde would be the margin; nan: unknown."""
        if not self.measured or math.isnan(self.mde) or not self.margin > 0:
            return math.nan
        return math.ceil(self.n * (self.mde / self.margin) ** 2)

    def __str__(self) -> str:
        low, high = self.ci
        if math.isnan(self.estimate):
            value = "not measured"
        elif math.isnan(low):
            value = f"{self.estimate:+.4f}, too few for an interval"
        else:
            value = f"{self.estimate:+.4f} [{low:+.4f}, {high:+.4f}]"
        margin = "" if math.isnan(self.margin) else f", margin {self.margin:.4f}"
        p = f"{self.p_adjusted:.3f}" if self.p_adjusted >= 0.001 else "< 0.001"
        adjusted = "" if math.isnan(self.p_adjusted) else f", adjusted p {p}"
        return f"{self.verdict}: {self.metric} {value}{margin}{adjusted} (n: {self.sizes})"


def make_finding(
    harm: str,
    stakeholder: str,
    metric: str,
    estimate: Estimate,
    *,
    n_by_group: Mapping[str, int],
    margin: float,
    notes: Iterable[str] = (),
    harmed: tuple[str, str] | None = None,
    bounds: tuple[float, float] | None = None,
    **more,
) -> Finding:
    """A finding that stands alone: judged by the unadjusted p until `judge` sees the whole family.

    The arguments are fields of `Finding` (more: levels, ratio, margin_name, rounded). The note of
    the estimate joins the notes; who is harmed follows by default from the metric's name.
    """
    ci = (estimate.low, estimate.high)
    reason = f"{estimate.note[:1].upper()}{estimate.note[1:]}."
    return Finding(
        harm,
        stakeholder,
        metric,
        estimate.value,
        ci,
        dict(n_by_group),
        mde=detectable(estimate.se),
        p=estimate.p,
        p_adjusted=math.nan,
        margin=margin,
        verdict=verdict_of(ci, estimate.p, margin, bounds=bounds),
        notes=(*notes, reason) if estimate.note else tuple(notes),
        se=estimate.se,
        harmed=harmed or harmed_sides(metric, stakeholder),
        bounds=bounds,
        **more,
    )


def verdict_of(
    ci: tuple[float, float],
    p_adjusted: float,
    margin: float,
    *,
    alpha: float = ALPHA,
    bounds: tuple[float, float] | None = None,
) -> str:
    """The verdict that an interval, an adjusted p and a margin allow.

    MATERIAL: a difference was detected, and the whole interval lies beyond the margin.
    WITHIN MARGIN: detected, and the whole interval lies inside.
    EQUIVALENT: not detected, and the whole 95 % interval lies inside: two one-sided tests at .025
    each, which is stricter than those at .05 of Schuirmann 1987 (a 90 % interval).
    INCONCLUSIVE: everything else. The interval crosses the margin; or it lies beyond, but the
    adjusted p is not below alpha; or there is no interval; or those of unknown group could move the
    result across the margin.

    Args:
        ci: 95 % interval, nan where there is none.
        p_adjusted: nan = no test: the interval alone decides.
        margin: above 0, in the unit of the interval.
        bounds: as in `Finding`.

    >>> verdict_of((0.05, 0.09), 0.001, 0.03), verdict_of((-0.01, 0.02), 0.4, 0.03)
    ('MATERIAL', 'EQUIVALENT')
    >>> verdict_of((0.01, 0.09), 0.001, 0.03)  # a difference, perhaps a material one
    'INCONCLUSIVE'
    """
    low, high = ci
    if math.isnan(low) or math.isnan(high) or math.isnan(margin):
        return INCONCLUSIVE
    # not "p < alpha": where p is nan, the interval alone decides
    detected = (low > 0 or high < 0) and not p_adjusted >= alpha
    if bounds is not None:
        low, high = min(low, bounds[0]), max(high, bounds[1])
    if detected and (low > margin or high < -margin):
        return MATERIAL
    if -margin <= low and high <= margin:
        return WITHIN if detected else EQUIVALENT
    return INCONCLUSIVE


def judge(findings: Iterable[Finding], family: Collection[str]) -> tuple[Finding, ...]:
    """Adjust p, mde and verdict: Holm in the family, Benjamini-Hochberg for all others.

    Args:
        findings: of one audit. One without p keeps none.
        family: metric names that were declared before the measurement.

    Returns:
        The findings in their order. The mde of a declared test is that at .05 / m, m the size of
        the family: what Holm's method asks of the smallest p.

    Source: Holm 1979; Benjamini & Hochberg 1995.
    """
    findings = tuple(findings)
    adjusted = [math.nan] * len(findings)
    for declared, adjust in ((True, holm), (False, false_discovery_control)):
        tested = [
            i
            for i, f in enumerate(findings)
            if (f.metric in family) is declared and not math.isnan(f.p)
        ]
        if tested:
            for i, p in zip(tested, adjust([findings[i].p for i in tested]), strict=True):
                adjusted[i] = float(p)
    return tuple(
        _judged(f, p, len(family) if f.metric in family else 1)
        for f, p in zip(findings, adjusted, strict=True)
    )


def _judged(f: Finding, p: float, tests: int) -> Finding:
    mde = f.mde if math.isnan(f.se) else detectable(f.se, tests=tests)
    return replace(f, p_adjusted=p, mde=mde, verdict=verdict_of(f.ci, p, f.margin, bounds=f.bounds))


COLUMNS = (
    "harm stakeholder metric estimate low high n_by_group mde p p_adjusted margin verdict"
    " worse_off levels ratio n_needed notes"
).split()


def findings_frame(findings: Iterable[Finding]) -> pd.DataFrame:
    """One row per finding; the interval as ``low`` and ``high``, sizes as they may be published."""
    rows = [
        vars(f)
        | {
            "low": f.ci[0],
            "high": f.ci[1],
            "n_by_group": f.sizes,
            "worse_off": f.bearer,
            "levels": "; ".join(
                f"{x.group} {x.mean:.4f} [{x.low:.4f}, {x.high:.4f}]" for x in f.levels
            ),
            "ratio": f.ratio[0],
            "n_needed": two_digits(f.n_needed) if f.hides_sizes else f.n_needed,
            "notes": " ".join(f.notes),
        }
        for f in findings
    ]
    return pd.DataFrame(rows, columns=COLUMNS)
