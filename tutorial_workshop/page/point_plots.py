"""Points with intervals: a table of shares or differences as a picture."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from tutorial_lib.errors import InputError
from tutorial_workshop.page.plots import label_axes, look, note, whiskers

LEGEND_LETTERS = 75  # that have room below a figure, side by side


def interval_points(
    labels: Sequence[str],
    groups: Mapping[str, Sequence[tuple[float, float, float]]],
    *,
    quantity: str,
    zero: str = "",
    title: str = "",
):
    """Points with intervals, one row per label, one marker per group; a table of shares or
    differences as a picture.

    Args:
        labels: one per row, the first on top.
        groups: name -> (mean, low, high) for each label; low = high = mean where there is no
            sample.
        quantity: what the axis measures.
        zero: what 0 means, e.g. ``"no difference"``; draws a line there.
        title: one line above.

    Raises:
        InputError: when a group has not one triple per label.
    """
    import matplotlib.pyplot as plt

    fig, ax = plt.subplots(figsize=(7.4, 1.3 + (0.34 + 0.2 * len(groups)) * len(labels)))
    for number, (name, rows) in enumerate(groups.items()):
        if len(rows) != len(labels):
            raise InputError(
                f"interval_points: group {name!r} has {len(rows)} rows for {len(labels)} labels;"
                " give one (mean, low, high) per label"
            )
        shift = (number - (len(groups) - 1) / 2) * min(0.26, 0.84 / len(groups))
        _draw_group(ax, rows, shift, "+.3f" if zero else ".3f", look(number), name)
    for row in range(
        1, len(labels) if len(groups) > 3 else 0
    ):  # else rows stand apart by themselves
        ax.axhline(row - 0.5, color="#cccccc", linewidth=0.8)
    if zero:
        ax.axvline(0, color="black", linestyle="--", linewidth=1.2)
        ax.annotate(zero, (0, -0.62), ha="center", va="bottom", fontsize=9, annotation_clip=False)
    ax.set_yticks(range(len(labels)), labels)
    ax.set_ylim(len(labels) - 0.5, -0.6)
    ends = [end for rows in groups.values() for row in rows for end in row if math.isfinite(end)]
    _room_for_numbers(ax, ends + ([0.0] if zero else []))
    ax.grid(axis="y", visible=False)
    if len(groups) > 1:
        columns = max(1, min(len(groups), 3, LEGEND_LETTERS // max(map(len, groups))))
        fig.legend(loc="outside lower center", ncols=columns, frameon=False)
    label_axes(ax, quantity, "", title=title)
    return fig


def _room_for_numbers(ax, ends: Sequence[float]) -> None:
    """The axis reaches a little beyond the data to the left, and as far as its numbers need to the
    right.
    """
    low, high = min(ends, default=0.0), max(ends, default=1.0)
    span = (high - low) or 1.0
    ax.set_xlim(low - 0.06 * span, high + 0.18 * span)


def _draw_group(ax, rows, shift: float, form: str, style: dict, name: str) -> None:
    """One group's points with their whiskers and numbers, ``shift`` rows below the labels."""
    places = [row + shift for row in range(len(rows))]
    means, lows, highs = zip(*rows, strict=True)
    style |= {"linestyle": "none", "markeredgecolor": "black", "markersize": 8, "label": name}
    around = whiskers(means, lows, highs)
    ax.errorbar(means, places, xerr=around, ecolor="black", elinewidth=1.4, capsize=4, **style)
    behind = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}
    for mean, high, y in zip(means, highs, places, strict=True):
        note(ax, format(mean, form), (high, y), (7, 0), va="center", fontsize=9, bbox=behind)
