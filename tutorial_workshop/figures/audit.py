"""Figures of an audit: findings as a forest plot, quality against harm over a knob, and curves of a
feedback loop.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from tutorial_lib.errors import InputError
from tutorial_workshop.figures.verdicts import LOOKS
from tutorial_workshop.page.plots import (
    LINE_STYLES,
    MARKERS,
    OKABE_ITO,
    label_axes,
    literal_dollars,
)

COLOURS = list(OKABE_ITO.values())
MOST_ROWS = 40
REACH = (
    4.0  # margins shown on either side of 0; what lies beyond is drawn at the edge, with an arrow
)


def draw_findings(frame: pd.DataFrame, title: str = ""):
    """A forest plot: one line a finding, estimate and 95 % interval in units of its own margin, so
    that all share an axis.

    frame: of `findings_frame` or ``AuditReport.to_frame()``. Grey band: within the margin. Verdict
        by colour, marker and in words. Findings
    without an interval are hollow; estimates beyond four margins stand at the edge. Raises
    InputError for no findings or more than 40.
    """
    import matplotlib.pyplot as plt

    if not 1 <= len(frame) <= MOST_ROWS:
        raise InputError(
            f"draw_findings: {len(frame)} findings; expected 1..{MOST_ROWS}, as in"
            " frame[frame['harm'] == 'H1']"
        )
    fig, ax = plt.subplots(figsize=(8.6, 1.3 + 0.34 * len(frame)), layout="constrained")
    ax.axvspan(-1, 1, color="#DDDDDD", alpha=0.6, zorder=0)
    ax.axvline(0, color="black", linewidth=1, linestyle="-")
    for place, row in enumerate(frame.itertuples()):
        value, low, high = (np.array([row.estimate, row.low, row.high]) / row.margin).tolist()
        colour, marker = LOOKS[row.verdict]
        if np.isfinite([low, high]).all():
            ax.plot(
                np.clip([low, high], -REACH, REACH),
                [place, place],
                color=colour,
                linewidth=2.2,
                linestyle="-",
            )
        if np.isfinite(value):
            shape = marker if abs(value) <= REACH else "<" if value < 0 else ">"
            fill = colour if np.isfinite(low) else "white"
            ax.plot(
                np.clip(value, -REACH, REACH),
                place,
                marker=shape,
                markersize=8,
                color=colour,
                markerfacecolor=fill,
                linestyle="none",
            )
        ax.annotate(
            row.verdict,
            (1.01, place),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=8,
            color="black",
        )
    ax.set_yticks(range(len(frame)), list(frame["metric"]), fontsize=8.5)
    ax.set_ylim(len(frame) - 0.4, -0.6)
    ax.set_xlim(-REACH * 1.04, REACH * 1.04)
    ax.grid(axis="y", visible=False)
    label_axes(
        ax,
        "estimate with 95 % interval",
        "",
        x_unit="margins of the finding; band: within the margin",
        title=title,
    )
    return literal_dollars(fig)


def draw_frontier(
    frame: pd.DataFrame, quality: str = "ndcg@10", harm: str = "gini", *, method: str = "method", knob: str = "strength",
    harm_label: str = "", quality_label: str = "",
):  # fmt: skip
    """Quality against a harm, one line a method over its knob; points on the front are filled,
    beaten ones hollow.

    frame: of `audit.frontier.frontier`, columns ``quality``, ``harm``, ``method``, ``knob``, front.
        Where it also has the columns
    "{quality}_low" and "{quality}_high", or the same of ``harm``, these are drawn as intervals.
    Raises InputError above eight methods.
    """
    import matplotlib.pyplot as plt

    names = list(dict.fromkeys(frame[method]))
    if len(names) > len(MARKERS):
        raise InputError(
            f"draw_frontier: {len(names)} methods cannot be told apart, at most {len(MARKERS)};"
            " split the figure"
        )
    fig, ax = plt.subplots(figsize=(8.0, 4.8), layout="constrained")
    for name, colour, style, marker in zip(names, COLOURS, LINE_STYLES, MARKERS, strict=False):
        some = frame[frame[method] == name].sort_values(knob, na_position="first")
        ax.plot(some[harm], some[quality], color=colour, linestyle=style, linewidth=1.2, zorder=1)
        bars = {axis: _bars(some, column) for axis, column in (("xerr", harm), ("yerr", quality))}
        ax.errorbar(
            some[harm],
            some[quality],
            **bars,
            fmt="none",
            ecolor=colour,
            elinewidth=1,
            capsize=3,
            zorder=2,
        )
        for on, fill in ((True, colour), (False, "white")):
            part = some[some["front"] == on]
            ax.plot(
                part[harm],
                part[quality],
                marker=marker,
                markersize=8,
                color=colour,
                markerfacecolor=fill,
                linestyle="none",
                zorder=3,
            )
        ax.plot([], [], color=colour, linestyle=style, marker=marker, label=name)
    ax.plot(
        [],
        [],
        color="#777777",
        marker="o",
        markerfacecolor="white",
        linestyle="none",
        label="beaten (hollow)",
    )
    _knobs(ax, frame[[harm, quality, knob]].dropna())
    label_axes(ax, harm_label or harm, quality_label or quality)
    fig.legend(loc="outside right upper", frameon=False)
    return literal_dollars(fig)


def _knobs(ax, points: pd.DataFrame) -> None:
    """The value of the knob beside each point, where no label stands already. points: columns x, y,
    knob.
    """
    places = points.to_numpy(float)
    scale = np.maximum(np.ptp(places[:, :2], axis=0), 1e-12) * (0.035, 0.045) if len(places) else 1
    told: list[np.ndarray] = []
    for *place, value in places[::-1]:  # from the last method and the strongest knob on
        at = np.array(place) / scale
        if all((np.abs(at - other) > 1).any() for other in told):
            told.append(at)
            ax.annotate(f"{value:g}", place, xytext=(6, 5), textcoords="offset points", fontsize=8)


def _bars(frame: pd.DataFrame, column: str) -> np.ndarray | None:
    """Distances to the ends of the interval, [2, rows], where the frame has them."""
    if f"{column}_low" not in frame or f"{column}_high" not in frame:
        return None
    ends = frame[column] - frame[f"{column}_low"], frame[f"{column}_high"] - frame[column]
    return np.maximum(np.stack([end.to_numpy(float) for end in ends]), 0)


def draw_feedback(frame: pd.DataFrame, labels: dict[str, str] | None = None):
    """Curves of a simulated loop: one panel a metric, one line an arm (mean over seeds), the band
    from the lowest to the highest seed.

    frame: tidy, columns round, arm, seed, metric, value, of `longrun.simulate`. labels: metric ->
        what to write at its axis.
    Raises InputError for a frame without rows, or more than eight arms.
    """
    import matplotlib.pyplot as plt

    metrics, arms = (list(dict.fromkeys(frame[column])) for column in ("metric", "arm"))
    if not metrics or len(arms) > len(MARKERS):
        raise InputError(
            f"draw_feedback: {len(metrics)} metrics and {len(arms)} arms; expected rows, and at"
            f" most {len(MARKERS)} arms"
        )
    columns = 2 if len(metrics) in (2, 4) else min(3, len(metrics))
    rows = -(-len(metrics) // columns)
    fig, axes = plt.subplots(
        rows, columns, figsize=(3.4 * columns, 2.7 * rows), squeeze=False, layout="constrained"
    )
    for ax, metric in zip(axes.flat, metrics, strict=False):
        for arm, colour, style, marker in zip(arms, COLOURS, LINE_STYLES, MARKERS, strict=False):
            some = (
                frame[(frame["metric"] == metric) & (frame["arm"] == arm)]
                .groupby("round")["value"]
                .agg(["mean", "min", "max"])
            )
            ax.fill_between(
                some.index, some["min"], some["max"], color=colour, alpha=0.18, linewidth=0
            )
            ax.plot(
                some.index,
                some["mean"],
                color=colour,
                linestyle=style,
                marker=marker,
                markersize=4,
                linewidth=1.6,
            )
        label_axes(ax, "round", (labels or {}).get(metric, metric))
    for ax in axes.flat[len(metrics) :]:
        ax.set_axis_off()
    looks = zip(arms, COLOURS, LINE_STYLES, MARKERS, strict=False)
    handles = [
        plt.Line2D([], [], color=c, linestyle=s, marker=m, label=arm) for arm, c, s, m in looks
    ]
    fig.legend(
        handles=handles,
        loc="outside lower center",
        ncol=min(4, len(handles)),
        frameon=False,
        fontsize=9,
    )
    return literal_dollars(fig)
