"""What the decks draw with: their font and colours, boxes and arrows, and figures of the kit made
legible from the last row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
from matplotlib import font_manager
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.text import Text

from tutorial_workshop.page.plots import OKABE_ITO, literal_dollars

INK, GREY, PALE = "#10243E", "#5B6777", "#EEF2F7"
BLUE, RED, GREEN, ORANGE, SKY = (
    OKABE_ITO[name] for name in ("blue", "vermillion", "green", "orange", "sky")
)
WIDTH = 1124  # pixels between the margins of a slide
SMALLEST = 20  # pixels of a text that the last row can read


def use_fonts(files: list[Path], folder: Path) -> None:
    """Make matplotlib write in the font of the slides (``files``, WOFF; unpacked to ``folder``)."""
    from fontTools.ttLib import TTFont

    for file in files:
        unpacked = folder / f"{file.stem}.ttf"
        if not unpacked.exists():  # else an earlier deck of this build has done it
            font = TTFont(file)
            font.flavor = None
            font.save(unpacked)
            font_manager.fontManager.addfont(str(unpacked))
    matplotlib.rcParams.update(
        {
            "font.family": ["Atkinson Hyperlegible Next", "DejaVu Sans"],
            "font.size": 20,
            "text.color": INK,
            "axes.labelcolor": INK,
            "xtick.color": INK,
            "ytick.color": INK,
            "axes.edgecolor": GREY,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "svg.fonttype": "path",
            "svg.hashsalt": "slides",
        }
    )


def legible(figure, width: float, height: float, pixels: int = WIDTH):
    """A figure of the kit for a slide: this size in inches, every text a little above `SMALLEST`
    pixels.

    Args:
        figure: matplotlib ``Figure``.
        width, height: inches.
        pixels: what the width takes on the slide.
    """
    figure.set_size_inches(width, height)
    least = SMALLEST * 72 * width / pixels
    for axes in figure.axes:  # ticks have no labels before they are asked for
        for axis in (axes.xaxis, axes.yaxis):
            axis.get_ticklabels()
            axis.set_tick_params(labelsize=least)
    for text in figure.findobj(Text):
        text.set_fontsize(min(max(least, text.get_fontsize()), 1.15 * least))
    if figure.get_layout_engine() is None:
        figure.set_layout_engine("constrained")
    return literal_dollars(figure)


def draw_all(figures: Mapping[str, Callable], numbers: Mapping, folder: Path) -> None:
    """Write every figure as ``folder/NAME.svg``; the same numbers give the same bytes."""
    for name, draw in figures.items():
        figure = draw(numbers)
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None}, transparent=True)
        plt.close(figure)


def canvas(width: float, height: float):
    """A figure without axes; one unit is 100 pixels of the slide."""
    figure = plt.figure(figsize=(width, height))
    ax = figure.add_axes((0, 0, 1, 1))
    # room for the outline of a box at the edge
    ax.set(xlim=(-0.02, width + 0.02), ylim=(0, height))
    ax.axis("off")
    return figure, ax


def box(
    ax, x, y, width, height, text, *, fill=PALE, edge=GREY, ink=INK, size=20, weight=400, style="-"
):
    """A rounded box with its text in the middle; ``x, y``: the lower left corner."""
    shape = FancyBboxPatch(
        (x, y),
        width,
        height,
        boxstyle="round,pad=0,rounding_size=0.09",
        fc=fill,
        ec=edge,
        lw=1.8,
        ls=style,
    )
    ax.add_patch(shape)
    ax.text(
        x + width / 2,
        y + height / 2,
        text,
        ha="center",
        va="center",
        color=ink,
        fontsize=size,
        fontweight=weight,
        linespacing=1.25,
    )


def arrow(ax, start, end, *, colour=INK, style="-", curve=0.0):
    """An arrow between two points; ``curve`` bends it."""
    bend = f"arc3,rad={curve}"
    ax.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle="-|>",
            mutation_scale=20,
            lw=2,
            color=colour,
            ls=style,
            connectionstyle=bend,
        )
    )
