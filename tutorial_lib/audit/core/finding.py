"""One measured harm, as an auditor states it: a signed estimate, its interval, the margin it is
judged by, and one of four verdicts.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

import pandas as pd
from scipy.stats import false_discovery_control

from tutorial_lib.audit.core.harmful import NOBODY, harmed_sides
from tutorial_lib.audit.core.margins import MARGINS, checked_margins
from tutorial_lib.audit.core.sizes import few, shown, sizes_text, two_digits
from tutorial_lib.audit.inference.statistics import Estimate, detectable
from tutorial_lib.errors import unknown_name
from tutorial_lib.evaluation.statistics import holm

__all__ = [
    "ALPHA",
    "MARGINS",
    "VERDICTS",
    "Finding",
    "Level",
    "checked_margins",
    "few",
    "findings_frame",
    "judge",
    "make_finding",
    "shown",
    "sizes_text",
    "two_digits",
    "verdict_of",
]

MATERIAL, WITHIN, EQUIVALENT, INCONCLUSIVE = VERDICTS = (
    "MATERIAL",
    "WITHIN MARGIN",
    "EQUIVALENT",
    "INCONCLUSIVE",
)
ALPHA = 0.05
NOWHERE = (math.nan, math.nan)


@dataclass(frozen=True)
class Level:
    """The mean of one group, with its 95 % interval (nan where the group is too small for one)."""

    group: str
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Finding:
    """One row of an audit.

    harm: class of the register, "H1".."H6". stakeholder: who bears it. metric: what was measured,
    signed, as in "ndcg@10: gender F - M". estimate, ci, mde, margin: in the metric's unit; ci: 95 %
    interval, (nan, nan) where the sample is too small for one. n_by_group: users (prompts, items)
    in each group that was compared. mde: the true difference seen in 80 % of repetitions, at alpha
    = .05, and at .05 / m in a declared family of m tests, whose p-values Holm's method adjusts. p:
    two-sided, of "no difference"; nan where no such test exists. p_adjusted: Holm within the
    declared family, Benjamini-Hochberg among the other findings. verdict: one of `VERDICTS`. notes:
    one sentence each.
    se: standard error. harmed: who is worse off where the estimate lies below 0, and who where it
    lies above; "" = nobody, which is good news; None: the stakeholder either way. levels: mean of
    each side. ratio: of the two sides, with its interval. bounds: the interval over every way to
    place those whose group is unknown; None: all are known. margin_name: its name in `MARGINS`.
    rounded: sizes are told to the nearest ten, because they and others would give away a group of
    fewer than ten.
    Raises InputError for a verdict outside `VERDICTS` (there is no "fair").
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
    ratio: tuple[float, float, float] = (math.nan, *NOWHERE)
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
        """Are sizes told to the nearest ten only?"""
        return self.rounded or few(*self.n_by_group.values())

    @property
    def measured(self) -> bool:
        """Is there an interval, without which nothing can be decided?"""
        return not (math.isnan(self.estimate) or math.isnan(self.ci[0]) or math.isnan(self.ci[1]))

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
        """Was the sample large enough to see, in 80 % of repetitions, a true difference as large as
        the margin?
        """
        return self.measured and self.mde <= self.margin

    @property
    def n(self) -> int:
        """Units of the sample over all groups (items of a provider group are no sample)."""
        no_sample = "items" if self.stakeholder == "providers" else None
        return sum(n for name, n in self.n_by_group.items() if name != no_sample)

    @property
    def n_needed(self) -> float:
        """Units, in the same proportions, with which the smallest detectable difference would be
        the margin; nan: not known.
        """
        if not self.measured or math.isnan(self.mde) or not self.margin > 0:
            return math.nan
        return math.ceil(self.n * (self.mde / self.margin) ** 2)

    def __str__(self) -> str:
        low, high = self.ci
        p = f"{self.p_adjusted:.3f}" if self.p_adjusted >= 0.001 else "< 0.001"
        adjusted = "" if math.isnan(self.p_adjusted) else f", adjusted p {p}"
        value = f"{self.estimate:+.4f} [{low:+.4f}, {high:+.4f}]"
        if math.isnan(low):
            value = (
                "not measured"
                if math.isnan(self.estimate)
                else f"{self.estimate:+.4f}, too few for an interval"
            )
        margin = "" if math.isnan(self.margin) else f", margin {self.margin:.4f}"
        return f"{self.verdict}: {self.metric} {value}{margin}{adjusted} (n: {self.sizes})"


def make_finding(
    harm: str, stakeholder: str, metric: str, estimate: Estimate, *, n_by_group: Mapping[str, int], margin: float,
    notes: Iterable[str] = (), harmed: tuple[str, str] | None = None, bounds: tuple[float, float] | None = None, **more: object,
) -> Finding:  # fmt: skip
    """A finding that stands alone: its verdict rests on the unadjusted p until `judge` sees the
    whole family.

    harmed: as in `Finding`; by default what the measure's name says (`HARMFUL_ABOVE`,
    `HARMFUL_BELOW`). more: levels, ratio, margin_name.
    """
    ci = (estimate.low, estimate.high)
    found = verdict_of(ci, estimate.p, margin, bounds=bounds)
    numbers = (
        estimate.value,
        ci,
        dict(n_by_group),
        detectable(estimate.se),
        estimate.p,
        math.nan,
        margin,
    )
    notes = (
        *notes,
        *([f"{estimate.note[0].upper()}{estimate.note[1:]}."] if estimate.note else []),
    )
    told = {
        "se": estimate.se,
        "harmed": harmed or harmed_sides(metric, stakeholder),
        "bounds": bounds,
        **more,
    }
    return Finding(harm, stakeholder, metric, *numbers, found, notes, **told)


def verdict_of(
    ci: tuple[float, float],
    p_adjusted: float,
    margin: float,
    *,
    alpha: float = ALPHA,
    bounds: tuple[float, float] | None = None,
) -> str:
    """The verdict that an interval, an adjusted p and a margin allow.

    MATERIAL: a difference was detected and the whole interval lies beyond the margin. WITHIN
    MARGIN: detected, and the whole interval lies inside. EQUIVALENT: not detected, and the whole 95
    % interval lies inside: two one-sided tests at .025 each, which is stricter than those at .05 of
    Schuirmann 1987 (a 90 % interval). INCONCLUSIVE: everything else. The interval crosses the
    margin; or it lies beyond, but the adjusted p is not below alpha; or there is no interval; or
    those of unknown group could take the result across the margin. bounds: the interval over all
    ways to place those of unknown group (`missing_interval`); None: no group is unknown.

    >>> verdict_of((0.05, 0.09), 0.001, 0.03), verdict_of((0.01, 0.02), 0.001, 0.03), verdict_of((-0.01, 0.02), 0.4, 0.03)
    ('MATERIAL', 'WITHIN MARGIN', 'EQUIVALENT')
    >>> verdict_of((0.01, 0.09), 0.001, 0.03)  # there is a difference; whether it is a material one is open
    'INCONCLUSIVE'
    >>> verdict_of((-0.01, 0.02), 0.4, 0.03, bounds=(-0.08, 0.02))
    'INCONCLUSIVE'
    """
    low, high = ci
    if math.isnan(low) or math.isnan(high) or math.isnan(margin):
        return INCONCLUSIVE
    detected = (
        low > 0 or high < 0
    ) and not p_adjusted >= alpha  # no p (nan): the interval alone decides
    least, most = ci if bounds is None else (min(low, bounds[0]), max(high, bounds[1]))
    if detected and (least > margin or most < -margin):
        return MATERIAL
    if -margin <= least and most <= margin:
        return WITHIN if detected else EQUIVALENT
    return INCONCLUSIVE


def judge(findings: Iterable[Finding], family: Collection[str]) -> tuple[Finding, ...]:
    """Adjust the p-values, the smallest detectable differences and the verdicts: Holm in
    ``family``, Benjamini-Hochberg for all others.

    family: metric names declared before the measurement. A finding without p keeps none. Sources:
    Holm 1979; Benjamini & Hochberg 1995. The mde of a declared test is that at .05 / m, m the size
    of the family: what Holm's method asks of the smallest p.
    """
    findings, m = tuple(findings), max(1, len(family))
    adjusted = [math.nan] * len(findings)
    for declared, adjust in ((True, holm), (False, false_discovery_control)):
        rows = [
            i
            for i, f in enumerate(findings)
            if (f.metric in family) is declared and not math.isnan(f.p)
        ]
        for row, p in zip(rows, adjust([findings[i].p for i in rows]) if rows else (), strict=True):
            adjusted[row] = float(p)
    return tuple(
        _judged(f, p, m if f.metric in family else 1)
        for f, p in zip(findings, adjusted, strict=True)
    )


def _judged(f: Finding, p: float, tests: int) -> Finding:
    mde = f.mde if math.isnan(f.se) else detectable(f.se, tests=tests)
    return replace(f, p_adjusted=p, mde=mde, verdict=verdict_of(f.ci, p, f.margin, bounds=f.bounds))


def findings_frame(findings: Iterable[Finding]) -> pd.DataFrame:
    """One row a finding, the interval as two columns ``low`` and ``high``; levels, sizes and notes
    as text, sizes as they may be published.
    """
    rows = [
        {
            "harm": f.harm,
            "stakeholder": f.stakeholder,
            "metric": f.metric,
            "estimate": f.estimate,
            "low": f.ci[0],
            "high": f.ci[1],
            "n_by_group": f.sizes,
            "mde": f.mde,
            "p": f.p,
            "p_adjusted": f.p_adjusted,
            "margin": f.margin,
            "verdict": f.verdict,
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
    columns = (
        "harm stakeholder metric estimate low high n_by_group mde p p_adjusted margin verdict"
        " worse_off levels ratio n_needed notes"
    )
    return pd.DataFrame(rows, columns=columns.split())
