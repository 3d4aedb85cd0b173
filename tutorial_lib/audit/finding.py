"""One measured harm, as an auditor states it: a signed estimate, its interval, the margin it is judged by, and one of four verdicts."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from numbers import Real
from types import NoneType

import pandas as pd
from scipy.stats import false_discovery_control

from tutorial_lib.audit.inference import Estimate, detectable
from tutorial_lib.errors import unknown_name
from tutorial_lib.evaluation.statistics import holm

MATERIAL, WITHIN, EQUIVALENT, INCONCLUSIVE = VERDICTS = ("MATERIAL", "WITHIN MARGIN", "EQUIVALENT", "INCONCLUSIVE")
ALPHA = 0.05

# name -> (default, largest sensible value, what it bounds). Margins are policy: someone must argue for them, before anything is measured.
MARGINS: dict[str, tuple[float, float, str]] = {
    "quality": (0.10, 1.0, "gap in ranking quality between groups, as a share of the mean over all users"),
    "exposure": (0.03, 1.0, "exposure share of a provider group minus its merit share"),
    "popularity": (0.10, 10.0, "gap in popularity lift between groups of users"),
    "calibration": (0.05, 1.0, "gap in miscalibration (Jensen-Shannon distance) between groups of users"),
    "leak": (0.05, 0.5, "AUC above chance with which an attribute or a membership is guessed"),
    "similarity": (0.05, 1.0, "list dissimilarity caused by naming an attribute, beyond that of paraphrases"),
    "contaminated": (0.05, 1.0, "share of titles recovered from item ids, beyond what shuffled ids give"),
    "invented": (0.01, 1.0, "share of recommended items that break the contract: not in the catalogue, repeated, already consumed"),
    "order": (0.05, 1.0, "Kendall's tau between the order of the candidates in the input and in the output"),
    "lift": (0.01, 1.0, "rise in the chance that an attacked item is recommended, beyond that of matched items"),
    "faithful": (0.05, 1.0, "drop of an item's score share when its explanation is deleted, beyond that of random deletions"),
    "longrun": (0.05, 1.0, "change over the simulated rounds, beyond that of the control"),
}


@dataclass(frozen=True)
class Finding:
    """One row of an audit.

    harm: class of the register, "H1".."H6". stakeholder: who bears it. metric: what was measured, signed, as in "ndcg@10: gender F - M".
    estimate, ci, mde, margin: in the metric's unit; ci: 95 % interval, (nan, nan) where the sample is too small for one.
    n_by_group: users (prompts, items) in each group that was compared. mde: the true difference seen in 80 % of repetitions at alpha = .05.
    p: two-sided, of "no difference"; nan where no such test exists. p_adjusted: Holm within the declared family, Benjamini-Hochberg
    among the other findings. verdict: one of `VERDICTS`. notes: one sentence each.
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

    def __post_init__(self) -> None:
        if self.verdict not in VERDICTS:
            raise unknown_name("verdict", self.verdict, VERDICTS)

    def __str__(self) -> str:
        low, high = self.ci
        groups = ", ".join(f"{name} {n:,}" for name, n in self.n_by_group.items())
        p = f"{self.p_adjusted:.3f}" if self.p_adjusted >= 0.001 else "< 0.001"
        adjusted = "" if math.isnan(self.p_adjusted) else f", adjusted p {p}"
        value = f"{self.estimate:+.4f} [{low:+.4f}, {high:+.4f}]"
        if math.isnan(low):
            value = "not measured" if math.isnan(self.estimate) else f"{self.estimate:+.4f}, too few for an interval"
        margin = "" if math.isnan(self.margin) else f", margin {self.margin:.4f}"
        return f"{self.verdict}: {self.metric} {value}{margin}{adjusted} (n: {groups})"


def make_finding(
    harm: str,
    stakeholder: str,
    metric: str,
    estimate: Estimate,
    *,
    n_by_group: Mapping[str, int],
    margin: float,
    notes: Iterable[str] = (),
) -> Finding:
    """A finding that stands alone: its verdict rests on the unadjusted p until `judge` sees the whole family."""
    ci = (estimate.low, estimate.high)
    found = verdict_of(ci, estimate.p, margin)
    numbers = estimate.value, ci, dict(n_by_group), detectable(estimate.se), estimate.p, math.nan, margin
    return Finding(harm, stakeholder, metric, *numbers, found, tuple(notes))


def verdict_of(ci: tuple[float, float], p_adjusted: float, margin: float, *, alpha: float = ALPHA) -> str:
    """The verdict that an interval, an adjusted p and a margin allow.

    MATERIAL: a difference was detected and the whole interval lies beyond the margin. WITHIN MARGIN: detected, and the whole interval lies
    inside. EQUIVALENT: not detected, and the whole interval lies inside, which is a stricter test than the two one-sided ones of
    Schuirmann 1987 (those need a 90 % interval). INCONCLUSIVE: the data allow both a material difference and none.

    >>> verdict_of((0.05, 0.09), 0.001, 0.03), verdict_of((0.01, 0.02), 0.001, 0.03), verdict_of((-0.01, 0.02), 0.4, 0.03)
    ('MATERIAL', 'WITHIN MARGIN', 'EQUIVALENT')
    >>> verdict_of((0.01, 0.09), 0.001, 0.03)  # there is a difference; whether it is a material one is open
    'INCONCLUSIVE'
    """
    low, high = ci
    if math.isnan(low) or math.isnan(high) or math.isnan(margin):
        return INCONCLUSIVE
    detected = (low > 0 or high < 0) and not p_adjusted >= alpha  # no p (nan): the interval alone decides
    if detected and (low > margin or high < -margin):
        return MATERIAL
    if -margin <= low and high <= margin:
        return WITHIN if detected else EQUIVALENT
    return INCONCLUSIVE


def judge(findings: Iterable[Finding], family: Collection[str]) -> tuple[Finding, ...]:
    """Adjust the p-values and set the verdicts: Holm for the metrics of ``family``, Benjamini-Hochberg for all others.

    family: metric names declared before the measurement. A finding without p keeps none. Sources: Holm 1979; Benjamini & Hochberg 1995.
    """
    findings = tuple(findings)
    adjusted = [math.nan] * len(findings)
    for declared, adjust in ((True, holm), (False, false_discovery_control)):
        rows = [i for i, f in enumerate(findings) if (f.metric in family) is declared and not math.isnan(f.p)]
        for row, p in zip(rows, adjust([findings[i].p for i in rows]) if rows else (), strict=True):
            adjusted[row] = float(p)
    return tuple(replace(f, p_adjusted=p, verdict=verdict_of(f.ci, p, f.margin)) for f, p in zip(findings, adjusted, strict=True))


def checked_margins(margins: Mapping[str, float] | None) -> tuple[dict[str, float], list[str]]:
    """All margins, the given ones in place of the defaults, and one line for each that cannot be used (its margin is then nan).

    >>> checked_margins({"exposure": 7})[1]
    ["margins['exposure']=7: expected a number above 0 and at most 1.0; what needs it gets no verdict"]
    """
    used = {name: default for name, (default, _, _) in MARGINS.items()}
    if not isinstance(margins, (Mapping, NoneType)):
        return used, [f"margins={margins!r}: expected a mapping of names to numbers, such as {{'exposure': 0.05}}; the defaults are used"]
    problems = []
    for name, value in (margins or {}).items():
        if name not in MARGINS:
            problems.append(str(unknown_name("margin", name, MARGINS)))
        elif isinstance(value, bool) or not isinstance(value, Real) or not 0 < value <= MARGINS[name][1]:
            problems.append(
                f"margins[{name!r}]={value}: expected a number above 0 and at most {MARGINS[name][1]}; what needs it gets no verdict"
            )
            used[name] = math.nan
        else:
            used[name] = float(value)
    return used, problems


def findings_frame(findings: Iterable[Finding]) -> pd.DataFrame:
    """One row a finding, the interval as two columns ``low`` and ``high``; ``n_by_group`` and ``notes`` as text."""
    rows = [
        {
            "harm": f.harm,
            "stakeholder": f.stakeholder,
            "metric": f.metric,
            "estimate": f.estimate,
            "low": f.ci[0],
            "high": f.ci[1],
            "n_by_group": ", ".join(f"{name}: {n:,}" for name, n in f.n_by_group.items()),
            "mde": f.mde,
            "p": f.p,
            "p_adjusted": f.p_adjusted,
            "margin": f.margin,
            "verdict": f.verdict,
            "notes": " ".join(f.notes),
        }
        for f in findings
    ]
    columns = "harm stakeholder metric estimate low high n_by_group mde p p_adjusted margin verdict notes".split()
    return pd.DataFrame(rows, columns=columns)
