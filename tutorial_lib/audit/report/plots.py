"""The figures of a report's page, drawn by matplotlib as SVG: estimates with their intervals."""

from __future__ import annotations

import io
import re
import textwrap
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tutorial_lib.audit.core.finding import (
    EQUIVALENT,
    INCONCLUSIVE,
    MATERIAL,
    WITHIN,
    Finding,
    Level,
)
from tutorial_lib.audit.core.groups import shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe-Ito, darkened until text in them has a contrast of 4.5 on white
COLOURS = {MATERIAL: "#b84e00", WITHIN: "#8a5a00", EQUIVALENT: "#00755a", INCONCLUSIVE: "#5c5c5c"}
MARKERS = {MATERIAL: "s", WITHIN: "^", EQUIVALENT: "o", INCONCLUSIVE: "D"}  # never colour alone
SIDES = (("#0072b2", "o"), ("#444444", "s"))  # first and second side of a contrast
REACH = 4.0  # margins shown on either side of 0; what lies beyond is drawn at the edge
WIDTH = 4.2  # inches: as wide as a telephone, so that the text is not shrunk there
LINE_LENGTH = 62  # letters of the small type that fit into this width


class Figure(NamedTuple):
    """A picture, its text for those who do not see it, and a caption."""

    svg: str
    alt: str
    caption: str


class Row(NamedTuple):
    """Label (left) and result (right) above an estimate with its interval; nan is not drawn."""

    label: list[str]
    result: str
    estimate: float
    low: float
    high: float
    colour: str
    marker: str


def levels_figure(findings: Sequence[Finding]) -> Figure | None:
    """The mean of each side of every declared test; tests of one unit share an axis."""
    units: dict[str, list[Finding]] = {}
    for f in findings:
        if any(np.isfinite(x.mean) for x in f.levels):
            unit = "share of exposure and of merit" if f.harm == "H2" else f.metric.split(":")[0]
            units.setdefault(unit, []).append(f)
    if not units:
        return None
    panels = [[row for f in some for row in _level_rows(f)] for some in units.values()]
    texts = [
        f"{f.metric}: " + ", ".join(f"{x.group} {_told(x)}" for x in f.levels)
        for some in units.values()
        for f in some
    ]

    def finish(axes: Sequence[Axes]) -> None:
        for ax, (unit, some) in zip(axes, units.items(), strict=True):
            ax.set_xlim(0, _top([x for f in some for x in f.levels]))
            ax.set_xlabel(unit, fontsize=7.5, parse_math=False)

    return Figure(
        _svg(panels, finish),
        f"Levels by group. {'; '.join(texts)}",
        "Level of each side with its 95 % interval. Providers: share of the exposure, and share of"
        " what users chose.",
    )


def forest_plot(findings: Sequence[Finding]) -> Figure | None:
    """Estimate and interval of each finding in units of its margin, with its verdict."""
    if not findings:
        return None

    def finish(axes: Sequence[Axes]) -> None:
        axes[0].axvspan(-1, 1, color="#dedede", linewidth=0)
        axes[0].axvline(0, color="#222222", linewidth=0.8)
        axes[0].set_xlim(-REACH, REACH)

    return Figure(
        _svg([[_forest_row(f) for f in findings]], finish),
        "Forest plot. " + "; ".join(map(str, findings)),
        "Forest plot: differences and 95 % intervals of the declared family, each in units of its"
        f" own margin. Grey: within the margin. What lies beyond {REACH:.0f} margins stands at the"
        " edge.",
    )


def _top(levels: Sequence[Level]) -> float:
    """The smallest round number that no mean and no interval exceeds."""
    most = float(np.nanmax([value for x in levels for value in (x.mean, x.high)]))
    if not most > 0:
        return 1.0
    steps = 10 ** np.floor(np.log10(most)) * np.array([1, 1.5, 2, 3, 4, 5, 7.5, 10])
    return float(steps[steps >= most][0])


def _told(level: Level) -> str:
    if np.isnan(level.mean):
        return "not told"
    if np.isnan(level.low):
        return f"{level.mean:.4f}, no interval"
    return f"{level.mean:.4f} [{level.low:.4f}, {level.high:.4f}]"


def _level_rows(f: Finding) -> list[Row]:
    """A row for each side; the first one also names the test."""
    rows = []
    name = textwrap.wrap(f.metric, LINE_LENGTH)
    for x, look in zip(f.levels, SIDES, strict=True):
        n = f.n_by_group.get(x.group)
        side = x.group if n is None else f"{x.group} (n {shown(n, rounded=f.hides_sizes)})"
        result = _told(x)
        label = textwrap.wrap(side, LINE_LENGTH - len(result))
        rows.append(Row([*name, *label], result, x.mean, x.low, x.high, *look))
        name = []
    return rows


def _forest_row(f: Finding) -> Row:
    scaled = np.array([f.estimate, *f.ci]) / (f.margin if f.margin > 0 else np.nan)
    label = textwrap.wrap(f.metric, LINE_LENGTH - len(f.verdict))
    look = (COLOURS[f.verdict], MARKERS[f.verdict])
    estimate, low, high = np.clip(scaled, -REACH, REACH).tolist()
    return Row(label, f.verdict, estimate, low, high, *look)


def _svg(panels: Sequence[Sequence[Row]], finish: Callable[[Sequence[Axes]], None]) -> str:
    """Panels of rows, one below the other, as an <svg> element that scales with the page.

    Args:
        panels: rows of each axis, from top to bottom.
        finish: gives each axis its limits and marks.
    """
    import matplotlib
    from matplotlib.figure import Figure as Canvas

    heights = [0.5 + sum(map(_height, rows)) for rows in panels]
    canvas = Canvas(figsize=(WIDTH, sum(heights)), layout="constrained")
    axes = list(canvas.subplots(len(panels), height_ratios=heights, squeeze=False)[:, 0])
    file = io.StringIO()
    # text stays text, and the same report gives the same file
    with (
        matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "report"}),
        warnings.catch_warnings(action="ignore", category=UserWarning),  # of letters without glyph
    ):
        for ax, rows in zip(axes, panels, strict=True):
            _draw_rows(ax, rows)
        finish(axes)
        canvas.savefig(file, format="svg", metadata={"Date": None})
    svg = file.getvalue()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.S)
    svg = re.sub(r'<g id="[^"]*">', "<g>", svg)  # two figures of one page would share these
    return re.sub(r' (width|height)="[\d.]+pt"', "", svg, count=2)


def _height(row: Row) -> float:
    """Inches: lines of text, and the interval below them."""
    return 0.13 * len(row.label) + 0.22


def _draw_rows(ax: Axes, rows: Sequence[Row]) -> None:
    """Rows from top to bottom; the unit of the vertical axis is an inch."""
    place: dict[str, Any] = {"transform": ax.get_yaxis_transform(), "va": "bottom", "fontsize": 8}
    place |= {"parse_math": False, "in_layout": False}  # a long name makes no axis shorter
    y = 0.0
    for row in rows:
        y += _height(row)
        ax.text(0, y - 0.08, "\n".join(row.label), **place)
        ax.text(1, y - 0.08, row.result, ha="right", color=row.colour, **place)
        ax.axhline(y, color="#cccccc", linewidth=0.8)
        ax.plot([row.low, row.high], [y, y], color=row.colour, linewidth=2.2)
        ax.plot(row.estimate, y, row.marker, color=row.colour, markersize=6, clip_on=False)
    ax.set_ylim(y + 0.12, 0)
    ax.set_yticks([])
    ax.tick_params(labelsize=7.5)
    ax.spines[["left", "right", "top"]].set_visible(False)
