"""The few figures that several notebooks share, in the Okabe-Ito palette and never in colour alone.

Every function returns a new matplotlib ``Figure``; hand it to ``show``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tutorial_lib.errors import InputError

OKABE_ITO = {
    "blue": "#0072B2",
    "vermillion": "#D55E00",
    "green": "#009E73",
    "purple": "#CC79A7",
    "orange": "#E69F00",
    "sky": "#56B4E9",
    "black": "#000000",
    "yellow": "#F0E442",
}
LINE_STYLES = ["-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)), (0, (8, 2))]
MARKERS = ["o", "s", "^", "D", "v", "P", "X", "*"]


def use_style() -> None:
    """Set the kit's matplotlib style: legible sizes, Okabe-Ito colours joined with line styles,
    light grid, white background.
    """
    import matplotlib
    from cycler import cycler

    file = Path(__file__).with_name("kit.mplstyle")
    matplotlib.rcParams.update(matplotlib.rc_params_from_file(file, use_default_template=False))
    colours = cycler(color=list(OKABE_ITO.values()))
    matplotlib.rcParams["axes.prop_cycle"] = colours + cycler(linestyle=LINE_STYLES)


def label_axes(ax, x: str, y: str, *, x_unit: str = "", y_unit: str = "", title: str = "") -> None:
    """Label both axes, with the unit in brackets where there is one.

    Args:
        ax: matplotlib ``Axes``.
        x, y: what the axis counts, e.g. ``"cut-off k"``.
        x_unit, y_unit: e.g. ``"items"``, ``"seconds"``; empty for a pure number.
        title: one line, left-aligned; empty for none.
    """
    ax.set_xlabel(f"{x} [{x_unit}]" if x_unit else x)
    ax.set_ylabel(f"{y} [{y_unit}]" if y_unit else y)
    if title:
        ax.set_title(title)


def look(number: int, colours: int = 8) -> dict:
    """Colour, line style and marker of the series with this number, of ``colours`` in turn."""
    palette = list(OKABE_ITO.values())[:colours]
    return {
        "color": palette[number % colours],
        "linestyle": LINE_STYLES[number % len(LINE_STYLES)],
        "marker": MARKERS[number % len(MARKERS)],
    }


def note(ax, text: str, at: tuple, shift: tuple[float, float], **style):
    """A text beside a point of the data, ``shift`` points to the right and up."""
    return ax.annotate(text, at, xytext=shift, textcoords="offset points", **style)


def box(ax, corner: tuple[float, float], width: float, height: float, **style) -> None:
    """A rectangle; ``style``: facecolor, edgecolor, hatch."""
    import matplotlib.pyplot as plt

    ax.add_patch(plt.Rectangle(corner, width, height, **style))


def whiskers(means, lows, highs) -> np.ndarray:
    """Distances of means to the ends of their intervals, [2, n], as ``errorbar`` takes them."""
    return np.array([np.subtract(means, lows), np.subtract(highs, means)]).reshape(2, -1)


def log_ticks(ax, ticks: Sequence[float], form: str = "g") -> None:
    """A logarithmic x axis with these ticks only, their numbers in this format."""
    ax.set_xscale("log")
    ax.set_xticks(list(ticks), [format(tick, form) for tick in ticks])
    ax.xaxis.minorticks_off()


def literal_dollars(fig):
    """The same figure, with every ``$`` in its texts taken literally: titles are data.

    A title such as "$5 or $10" would otherwise be set as mathematics, and "$\\bad{$" ends in an
    error. The powers of ten at a log axis, formulas that matplotlib writes itself, stay formulas.
    """
    from matplotlib.text import Text

    for ax in fig.axes:  # labels of ticks have no text before they are asked for
        for axis in (ax.xaxis, ax.yaxis):
            axis.get_ticklabels()
    for text in fig.findobj(Text):
        if "$" in text.get_text() and "\\mathdefault" not in text.get_text():
            text.set_parse_math(False)
    return fig


def _check_intervals(labels, means, lows, highs) -> None:
    if not len(labels) == len(means) == len(lows) == len(highs):
        counts = f"{len(labels)} labels, {len(means)} means, {len(lows)} lows, {len(highs)} highs"
        raise InputError(f"interval_bars: {counts}; give one of each per bar")
    for label, low, mean, high in zip(labels, lows, means, highs, strict=True):
        if not low <= mean <= high:
            raise InputError(
                f"interval_bars: {label!r} has mean {mean:.4g} outside [{low:.4g}, {high:.4g}];"
                " check the order of lows and highs"
            )


def _draw_intervals(ax, labels, means, lows, highs, highlight) -> None:
    rows = range(len(labels))
    for row, label, mean, high in zip(rows, labels, means, highs, strict=True):
        marked = label == highlight
        style = {
            "color": OKABE_ITO["orange" if marked else "sky"],
            "hatch": "//" if marked else None,
        }
        ax.barh(row, mean, **style, edgecolor="black", linewidth=0.6)
        note(ax, f"{mean:.3f}", (high, row), (6, 0), va="center")
    ends = whiskers(means, lows, highs)
    ax.errorbar(means, rows, xerr=ends, fmt="none", ecolor="black", capsize=4, linewidth=1.4)
    ax.set_yticks(list(rows), labels)
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)


def interval_bars(
    labels: Sequence[str],
    means: Sequence[float],
    lows: Sequence[float],
    highs: Sequence[float],
    *,
    quantity: str,
    unit: str = "",
    title: str = "",
    highlight: str | None = None,
    ceiling: tuple[float, str] | None = None,
):
    """Horizontal bars with an interval, one per label, the first on top, each with its value in
    text.

    Args:
        labels, means, lows, highs: one entry per bar; ``low <= mean <= high``.
        quantity, unit: what the bars measure, for the axis label.
        title: one line above the figure.
        highlight: the label to set apart (hatched and in another colour).
        ceiling: a value that no bar can pass and its name, drawn as a dashed line.

    Returns:
        A matplotlib ``Figure``.

    Raises:
        InputError: when the lengths differ or an interval does not hold its mean.

    >>> fig = interval_bars(["Popularity"], [0.045], [0.037], [0.053], quantity="NDCG@10")
    """
    import matplotlib.pyplot as plt

    _check_intervals(labels, means, lows, highs)
    longest = max(map(len, labels), default=0)  # long names shall not squeeze their bars
    size = (7.0 + min(1.6, 0.05 * max(0, longest - 26)), 0.8 + 0.5 * len(labels))
    fig, ax = plt.subplots(figsize=size, layout="constrained")
    _draw_intervals(ax, labels, means, lows, highs, highlight)
    if ceiling is not None:
        value, name = ceiling
        label = f"{name}: {value:.3f}"
        ax.axvline(value, color="black", linestyle="--", linewidth=1.4, label=label)
        fig.legend(loc="outside lower right", frameon=False)
    ends = [0.0, *lows, *highs] + ([ceiling[0]] if ceiling else [])
    span = max(ends) - min(ends) or 1.0  # all may be 0: a few users, and no hit
    below = 0.03 * span if min(ends) < 0 else 0.0
    ax.set_xlim(min(ends) - below, max(ends) + 0.15 * span)  # room for the numbers
    label_axes(ax, quantity, "", x_unit=unit, title=title)
    return fig


def curves(
    x: Sequence[float],
    series: Mapping[str, Sequence[float]],
    *,
    x_label: str,
    y_label: str,
    **axes: str,
):
    """One line per series, told apart by colour, line style and marker.

    Args:
        x: positions, the same for all series.
        series: name -> values, at most eight of them.
        x_label, y_label: what the axes count.
        **axes: ``x_unit``, ``y_unit`` and ``title``, as in ``label_axes``.

    Returns:
        A matplotlib ``Figure``.

    Raises:
        InputError: for more than eight series, or a series of another length than ``x``.
    """
    import matplotlib.pyplot as plt

    if len(series) > len(OKABE_ITO):
        raise InputError(
            f"curves: {len(series)} series cannot be told apart, at most {len(OKABE_ITO)}; split"
            " the figure"
        )
    fig, ax = plt.subplots(layout="constrained")
    for number, (name, values) in enumerate(series.items()):
        if len(values) != len(x):
            raise InputError(
                f"curves: series {name!r} has {len(values)} values for {len(x)} positions; give one"
                " per position"
            )
        ax.plot(x, values, **look(number), label=name)
    label_axes(ax, x_label, y_label, **axes)
    fig.legend(loc="outside right upper", frameon=False)
    return fig
