"""Points with intervals: a table of shares or differences as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tutorial_lib.errors import InputError
from tutorial_workshop.page.plots import MARKERS, OKABE_ITO, label_axes


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
        InputError: when a group has not one triple a label.
    """
    import matplotlib.pyplot as plt

    fig, ax = plt.subplots(figsize=(7.4, 1.3 + (0.34 + 0.2 * len(groups)) * len(labels)))
    label_box = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}
    for number, (name, rows) in enumerate(groups.items()):
        if len(rows) != len(labels):
            raise InputError(
                f"interval_points: group {name!r} has {len(rows)} rows for {len(labels)} labels;"
                " give one (mean, low, high) a label"
            )
        place = [row + (number - (len(groups) - 1) / 2) * 0.26 for row in range(len(labels))]
        means = [mean for mean, _, _ in rows]
        around = [[mean - low for mean, low, _ in rows], [high - mean for mean, _, high in rows]]
        style = {
            "marker": MARKERS[number],
            "color": list(OKABE_ITO.values())[number],
            "markeredgecolor": "black",
            "markersize": 8,
        }
        ax.errorbar(
            means,
            place,
            xerr=around,
            linestyle="none",
            ecolor="black",
            elinewidth=1.4,
            capsize=4,
            label=name,
            **style,
        )
        for mean, (_, _, high), y in zip(means, rows, place, strict=True):
            ax.annotate(
                f"{mean:+.3f}" if zero else f"{mean:.3f}",
                (high, y),
                xytext=(7, 0),
                textcoords="offset points",
                va="center",
                fontsize=9,
                bbox=label_box,
            )
    if zero:
        ax.axvline(0, color="black", linestyle="--", linewidth=1.2)
        ax.annotate(zero, (0, -0.62), ha="center", va="bottom", fontsize=9, annotation_clip=False)
    ax.set_yticks(range(len(labels)), labels)
    ax.set_ylim(len(labels) - 0.5, -0.6)
    ax.margins(x=0.18)
    ax.grid(axis="y", visible=False)
    if len(groups) > 1:
        fig.legend(loc="outside lower center", ncols=min(len(groups), 3), frameon=False)
    label_axes(ax, quantity, "", title=title)
    return fig
