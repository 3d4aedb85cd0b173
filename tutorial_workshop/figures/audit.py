"""Notebook 08: findings as tables, quality against harm over a knob, and what remedies cost."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tutorial_lib.audit import findings_frame, shown
from tutorial_lib.errors import InputError
from tutorial_workshop.figures.words import rows_table
from tutorial_workshop.page.output import say, show, table
from tutorial_workshop.page.plots import (
    MARKERS,
    label_axes,
    literal_dollars,
    look,
    note,
    whiskers,
)


def draw_frontier(
    frame: pd.DataFrame,
    quality: str = "ndcg@10",
    harm: str = "gini",
    *,
    harm_label: str = "",
    quality_label: str = "",
):
    """Quality against a harm, one line per method over its knob; points on the front are filled,
    beaten ones hollow.

    Args:
        frame: of `audit.frontier.frontier`, columns ``quality``, ``harm``, method, strength, front.
            Columns "{quality}_low" and "{quality}_high", or the same of ``harm``, are drawn as
            intervals.
        quality, harm: columns of ``frame``.
        harm_label, quality_label: of the axes; the columns' names if empty.

    Raises:
        InputError: above eight methods.
    """
    import matplotlib.pyplot as plt

    names = list(dict.fromkeys(frame["method"]))
    if len(names) > len(MARKERS):
        raise InputError(
            f"draw_frontier: {len(names)} methods cannot be told apart, at most {len(MARKERS)};"
            " split the figure"
        )
    fig, ax = plt.subplots(figsize=(8.0, 4.8), layout="constrained")
    for number, name in enumerate(names):
        some = frame[frame["method"] == name].sort_values("strength", na_position="first")
        _draw_method(ax, some, harm, quality, look(number))
        ax.plot([], [], **look(number), label=name)
    hollow = {"marker": "o", "color": "#777777", "markerfacecolor": "white", "linestyle": "none"}
    ax.plot([], [], **hollow, label="beaten (hollow)")
    _knobs(ax, frame[[harm, quality, "strength"]].dropna())
    label_axes(ax, harm_label or harm, quality_label or quality)
    fig.legend(loc="outside right upper", frameon=False)
    return literal_dollars(fig)


def _draw_method(ax, some: pd.DataFrame, harm: str, quality: str, style: dict) -> None:
    """Line, intervals and points of one method."""
    colour, marker = style["color"], style["marker"]
    line = {"color": colour, "linestyle": style["linestyle"], "linewidth": 1.2}
    ax.plot(some[harm], some[quality], **line, zorder=1)
    bars = {"xerr": _bars(some, harm), "yerr": _bars(some, quality), "ecolor": colour}
    bars |= {"fmt": "none", "elinewidth": 1, "capsize": 3}
    ax.errorbar(some[harm], some[quality], **bars, zorder=2)
    for on, fill in ((True, colour), (False, "white")):
        part = some[some["front"] == on]
        points = {"marker": marker, "markersize": 8, "linestyle": "none", "color": colour}
        ax.plot(part[harm], part[quality], **points, markerfacecolor=fill, zorder=3)


def _knobs(ax, points: pd.DataFrame) -> None:
    """The value of the knob beside each point, where no label stands already. points: columns x, y,
    knob.
    """
    places = points.to_numpy(float)
    scale = np.maximum(np.ptp(places[:, :2], axis=0), 1e-12) * (0.035, 0.045) if len(places) else 1
    placed: list[np.ndarray] = []
    for *place, value in places[::-1]:  # from the last method and the strongest knob on
        at = np.array(place) / scale
        if all((np.abs(at - other) > 1).any() for other in placed):
            placed.append(at)
            note(ax, f"{value:g}", tuple(place), (6, 5), fontsize=8)


def _bars(frame: pd.DataFrame, column: str) -> np.ndarray | None:
    """Distances to the ends of the interval, [2, rows], where the frame has them."""
    if f"{column}_low" not in frame or f"{column}_high" not in frame:
        return None
    return np.maximum(whiskers(frame[column], frame[f"{column}_low"], frame[f"{column}_high"]), 0)


def show_frontier(front: pd.DataFrame, name: str, users: int) -> None:
    """Show NDCG@10 against the share of tail items, every point in words.

    Args:
        front: of `audit.frontier`, with columns ndcg@10 and tail. name: of the data set.
        users: behind each point.
    """
    numbers = "; ".join(
        f"{row['method']} {row['strength']:g}: {row['ndcg@10']:.3f}, {row['tail']:.3f}"
        for row in front.to_dict("records")
    )
    axes = {"harm_label": "share of tail items in lists", "quality_label": "NDCG@10"}
    show(
        draw_frontier(front, harm="tail", **axes),
        alt=f"NDCG@10 against the share of tail items: {numbers}.",
        caption=f"{name}, {users:,} users. Filled: on the front, no other point is better on both.",
    )


def show_findings(findings, caption: str) -> None:
    """Show estimate, interval, margin and verdict of each finding."""
    frame = findings_frame(findings).set_index("metric")
    table(frame[["estimate", "low", "high", "margin", "verdict"]], caption=caption, digits=3)


def levels_table(report, caption: str) -> None:
    """Show both sides of every difference that was declared."""
    rows = [
        (finding.metric, side.group, side.mean, side.low, side.high)
        for finding in report.findings
        if finding.metric in report.family
        for side in finding.levels
    ]
    columns = ["test", "side", "level", "95 % low", "95 % high"]
    rows_table(rows, columns, caption=caption)


def say_group_sizes(report) -> None:
    """Say how large the groups are, and how many are too small to judge."""
    sizes = report.groups
    first = ", ".join(f"{row.group} {shown(row.n)}" for row in sizes.head(6).itertuples())
    few, hidden = (
        (sizes["status"] == status).sum() for status in ("too few for an interval", "suppressed")
    )
    say(
        f"Groups: {first}, ... Too few for an interval: {few}; suppressed: {hidden}.",
        "Small groups are listed, not dropped: an audit that leaves them out looks better than the"
        " system is.",
    )


def remedies_table(remedies: pd.DataFrame) -> None:
    """Show what each remedy changes, what it costs, and which of them went too far.

    Args:
        remedies: ``data/results/audit-mitigations.csv``, one row per remedy.
    """
    change = [f"{r.quality_low:+.3f} to {r.quality_high:+.3f}" for r in remedies.itertuples()]
    quality = {"quality_before": "from", "quality_after": "to"}
    columns = ["system", "harm", "before", "after", "quality", *quality]
    frame = remedies[columns].rename(columns=quality)
    table(
        frame.assign(change=change),
        caption="What each remedy changes, and its price: quality from, to, and the 95 % interval"
        " of its paired change",
        digits=3,
    )
    paid, lower = remedies["quality_high"] < 0, remedies["high"] < 0
    past = remedies.index[(remedies["before"] > 0) & (remedies["after"] < 0)]
    say(
        f"**{lower.sum()} of {len(remedies)}** lower their harm beyond chance. Of these, quality"
        f" fell detectably under {'; '.join(remedies.index[lower & paid])}.",
        f"No loss was seen under {'; '.join(remedies.index[lower & ~paid])}. That is not no loss:"
        " read the interval.",
        *(f"{name} went past 0: too much of a remedy is another bias." for name in past),
    )
