"""The widget of notebook 08: one contrast, its interval, a margin that the reader moves, and the
verdict that follows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan

from tutorial_lib.audit.core.finding import (
    EQUIVALENT,
    INCONCLUSIVE,
    MATERIAL,
    WITHIN,
    Finding,
    verdict_of,
)
from tutorial_lib.audit.report.report import AuditReport
from tutorial_lib.errors import unknown_name
from tutorial_workshop.page.plots import MARKERS, OKABE_ITO, label_axes, literal_dollars

LOOKS = {  # verdict -> (colour, marker): never colour alone
    MATERIAL: (OKABE_ITO["vermillion"], MARKERS[1]),
    WITHIN: (OKABE_ITO["orange"], MARKERS[2]),
    EQUIVALENT: (OKABE_ITO["green"], MARKERS[0]),
    INCONCLUSIVE: ("#777777", MARKERS[3]),
}
NO_HIT = (  # instead of a verdict: with a mean of 0 there is no share of it, and nothing to compare
    "no hit at all"
)
MEANS = {
    MATERIAL: "there is a difference, and all of the interval lies beyond the margin",
    WITHIN: "there is a difference, and all of the interval lies within the margin",
    EQUIVALENT: "no difference was detected, and all of the 95 % interval lies within the margin",
    INCONCLUSIVE: "the interval crosses the margin",
}
# An interval does not cross the margin, and yet nothing is decided:
NOT_DETECTED = (
    "the interval lies beyond the margin, but not enough for so many tests: the adjusted p is not"
    " below .05"
)
UNKNOWN_GROUP = "users of unknown group could take the result across the margin"


@dataclass(frozen=True)
class VerdictView:
    """findings: measure -> contrast -> system -> `Finding`; levels: measure -> system -> mean over
    users, of which a margin is a share.
    """

    findings: Mapping[str, Mapping[str, Mapping[str, Finding]]]
    levels: Mapping[str, Mapping[str, float]]

    @classmethod
    def of_reports(cls, reports: Mapping[str, AuditReport], measures: Sequence[str]) -> VerdictView:
        """The declared contrasts of several systems' reports; a system that was asked for too few
        users may lack one.
        """
        findings, levels = {}, {}
        found = {name: {f.metric: f for f in report.findings} for name, report in reports.items()}
        family = next(iter(reports.values())).family
        contrasts = [name.split(": ", 1)[1] for name in family if name.startswith(measures[0])]
        for measure in measures:
            findings[measure] = {
                contrast: {
                    name: some[f"{measure}: {contrast}"]
                    for name, some in found.items()
                    if f"{measure}: {contrast}" in some
                }
                for contrast in contrasts
            }
            levels[measure] = {
                name: report.descriptives.set_index("measure")["value"][
                    f"{measure}, mean over users"
                ]
                for name, report in reports.items()
            }
        return cls(findings, levels)

    @property
    def measures(self) -> list[str]:
        return list(self.findings)

    @property
    def contrasts(self) -> list[str]:
        return list(next(iter(self.findings.values())))

    def rows(
        self, margin: int, measure: str, contrast: str
    ) -> list[tuple[str, Finding, float, str]]:
        """(system, finding, margin in the metric's unit, verdict) of each system; ``margin`` in
        percent of the system's mean.
        """
        if measure not in self.findings or contrast not in self.findings[measure]:
            raise unknown_name(
                "contrast",
                f"{measure}, {contrast}",
                [f"{m}, {c}" for m, some in self.findings.items() for c in some],
            )
        rows = []
        for system, finding in self.findings[measure][contrast].items():
            absolute = margin / 100 * abs(self.levels[measure][system])
            verdict = (
                verdict_of(finding.ci, finding.p_adjusted, absolute, bounds=finding.bounds)
                if absolute > 0
                else NO_HIT
            )
            rows.append((system, finding, absolute, verdict))
        return rows

    def draw(self, margin: int, measure: str, contrast: str):
        """One line per system: estimate and 95 % interval in percent of the system's mean, over the
        band of the margin.
        """
        import matplotlib.pyplot as plt

        rows = self.rows(margin, measure, contrast)
        fig, ax = plt.subplots(figsize=(7.6, 1.4 + 0.6 * len(rows)), layout="constrained")
        ax.axvspan(-margin, margin, color="#DDDDDD", alpha=0.6, zorder=0)
        ax.axvline(0, color="black", linewidth=1)
        for place, (system, finding, _, verdict) in enumerate(rows):
            if verdict == NO_HIT:
                continue
            scale = 100 / abs(self.levels[measure][system])
            colour, marker = LOOKS[verdict]
            low, high = finding.ci
            ends = [low * scale, high * scale]
            ax.plot(ends, [place, place], color=colour, linewidth=2.5, linestyle="-")
            point = {"marker": marker, "markersize": 9, "linestyle": "none"}
            ax.plot(finding.estimate * scale, place, color=colour, **point)
        ax.set_yticks(range(len(rows)), [f"{system}\n{verdict}" for system, _, _, verdict in rows])
        ax.set_ylim(len(rows) - 0.5, -0.5)
        unit = "% of the system's mean; band: margin"
        label_axes(ax, f"gap in {measure}, {contrast}", "", x_unit=unit)
        ax.grid(axis="y", visible=False)
        return literal_dollars(fig)

    def describe(self, margin: int, measure: str, contrast: str) -> str:
        """The verdicts in words."""
        verdicts = [_in_words(*row) for row in self.rows(margin, measure, contrast)]
        return f"{measure}, {contrast}, margin {margin} % of the mean. " + "; ".join(verdicts) + "."


def _in_words(system: str, f: Finding, absolute: float, verdict: str) -> str:
    if verdict == NO_HIT:
        return f"{system}: {NO_HIT}, nothing to compare"
    low, high = f.ci
    if isnan(low):
        return f"{system}: too few users for an interval"
    return (
        f"{system} {f.estimate:+.4f} [{low:+.4f}, {high:+.4f}], margin {absolute:.4f}:"
        f" **{verdict}** ({_reason(f, absolute, verdict)})"
    )


def _reason(f: Finding, margin: float, verdict: str) -> str:
    if verdict == INCONCLUSIVE and verdict_of(f.ci, f.p_adjusted, margin) != INCONCLUSIVE:
        return UNKNOWN_GROUP
    if verdict == INCONCLUSIVE and (f.ci[0] > margin or f.ci[1] < -margin):
        return NOT_DETECTED
    return MEANS[verdict]
