"""Notebook 06: the recorded grid as a table of means and costs, and as curves over labels, one
panel per family of the survey's cells.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tutorial_lib.errors import unknown_name
from tutorial_workshop.experiments import BASELINES
from tutorial_workshop.figures.labels import seed_means
from tutorial_workshop.page.output import show
from tutorial_workshop.page.plots import log_ticks, look, note, whiskers

FAMILIES = ("no language model", "fine-tune the backbone", "fine-tune an extra part", "prompt")
COSTS = {  # column of `grid_means` -> what it counts
    "stored_bytes": "bytes stored per task",
    "seconds": "processor seconds to tune",
    "flops": "FLOPs to tune",
    "ms a user": "processor milliseconds per user",
}
OF_REAL_MODELS = {"lora-words": "lora", "MiniLM head": "head"}  # likes, asked in words or not
NOT_CHOSEN = ("ceiling", "random")  # known truth and pure chance: marks to read the others by


def family(strategy: str) -> str:
    """One of `FAMILIES`, by the cell of the survey's table that a strategy stands in.

    >>> family("ease"), family("lora"), family("soft-prompt")
    ('no language model', 'fine-tune an extra part', 'prompt')
    """
    from tutorial_lib.strategies import STRATEGIES

    strategy = OF_REAL_MODELS.get(strategy, strategy)
    if strategy in BASELINES:
        return FAMILIES[0]
    if strategy not in STRATEGIES:
        raise unknown_name("strategy", strategy, [*BASELINES, *STRATEGIES])
    cell = STRATEGIES[strategy].cell
    return FAMILIES[3 if "prompt" in cell else 2 if "extra" in cell else 1]


def select(recorded: pd.DataFrame, dataset: str, lm: str, task: str = "next") -> pd.DataFrame:
    """The rows of one dataset and task: those of a language model, and those that need none. May be
    empty.
    """
    return recorded[
        (recorded["dataset"] == dataset)
        & (recorded["task"] == task)
        & recorded["lm"].isin([lm, ""])
    ]


def grid_means(rows: pd.DataFrame, metric: str = "ndcg@10") -> pd.DataFrame:
    """One row per strategy and number of labels, best first: mean with its 95 % t interval over
    seeds, and the mean cost of a cell.

    Columns: strategy, labels, mean, low, high (equal to the mean with fewer than three seeds),
        seeds, family, and those of `COSTS`.
    """
    counted = list(COSTS)[:3]
    out = []
    for name in rows["strategy"].unique():
        for (labels, *interval), (_, some) in zip(
            seed_means(rows, name, metric),
            rows[rows["strategy"] == name].groupby("labels"),
            strict=True,
        ):
            costs = some.groupby("seed")[[*counted, "score_seconds"]].first().mean()
            milliseconds = 1000 * costs["score_seconds"]
            seeds = some["seed"].nunique()
            prices = (*costs[counted], milliseconds)
            out.append((name, int(labels), *interval, seeds, family(name), *prices))
    columns = ["strategy", "labels", "mean", "low", "high", "seeds", "family", *COSTS]
    frame = pd.DataFrame(out, columns=columns)
    return frame.sort_values("mean", ascending=False, ignore_index=True)


def cost_in_words(number: float) -> str:
    """A cost for readers: whole numbers from 10 on, two digits below, billions in words.

    >>> cost_in_words(1184896), cost_in_words(0.1534), cost_in_words(0), cost_in_words(3.2e10)
    ('1,184,896', '0.15', '0', '32 billion')
    """
    if number >= 1e9:
        return f"{number / 1e9:,.0f} billion"
    return f"{number:,.0f}" if number >= 10 else f"{number:.2g}"


def over_users(rows: pd.DataFrame, metric: str = "ndcg@10") -> pd.DataFrame:
    """`grid_means` with 95 % intervals over users in place of seeds: for a live run of one seed."""
    from tutorial_lib.evaluation import mean_interval

    means = grid_means(rows, metric)
    for at, row in means.iterrows():
        some = rows[
            (rows["strategy"] == row["strategy"]) & (rows["labels"] == row["labels"])
        ].reset_index(drop=True)
        interval = mean_interval(some, metric)
        means.loc[at, ["low", "high"]] = interval.low, interval.high
    return means


def at_labels(means: pd.DataFrame, labels: int) -> pd.DataFrame:
    """What so many labels allow: the rows of `grid_means` with the most labels that do not exceed
    them, and those without any.

    >>> means = pd.DataFrame({"strategy": ["a", "a", "b"], "labels": [8, 64, 0]})
    >>> at_labels(means, 30)["labels"].tolist()
    [8, 0]
    """
    counts = [count for count in means["labels"].unique() if 0 < count <= labels]
    return means[means["labels"].isin([0, max(counts, default=0)])]


def spread(places: Sequence[float], gap: float) -> np.ndarray:
    """The places moved apart, as little as keeps ``gap`` between neighbours and the order as it is.

    >>> spread([0.0, 0.1, 3.0], 1.0).tolist()
    [-0.45, 0.55, 3.0]
    """
    wanted = np.asarray(places, dtype=float)
    groups = [[i] for i in np.argsort(wanted, kind="stable")]
    centre = lambda group: np.mean([wanted[i] - gap * k for k, i in enumerate(group)])  # noqa: E731
    at = 0
    # neighbours that overlap become one block, around the mean of where its members want to be
    while at + 1 < len(groups):
        if centre(groups[at]) + gap * len(groups[at]) > centre(groups[at + 1]) + 1e-12:
            groups[at : at + 2] = [groups[at] + groups[at + 1]]
            at = max(at - 1, 0)
        else:
            at += 1
    out = np.empty(len(wanted))
    for group in groups:
        out[group] = centre(group) + gap * np.arange(len(group))
    return out


def learning_curves(
    means: pd.DataFrame,
    marks: pd.DataFrame | None = None,
    quantity: str = "test NDCG@10",
    floor: float = 0.0,
):
    """One panel per family: its strategies over label budgets in colour, all others in grey, the
    untuned ones as dotted lines.

    means: of `grid_means`. marks: further rows of the same columns, drawn as stars with their
        intervals (a live run, your own strategy).
    floor: where the axis of accuracy starts.
    """
    import matplotlib.pyplot as plt

    if marks is None:
        marks = means.iloc[:0]
    elif (over := (means["labels"] == 0) | means.duplicated("strategy", keep=False)).any():
        means = means[over]  # beside the stars single points would only be in the way
    level = max([*means["mean"], *marks["mean"], floor]) - floor
    highest = max([*means["high"], *marks["high"], floor]) - floor
    reach = min(highest, 1.5 * level) or 0.1  # a whisker may leave the picture
    top = floor + 1.08 * reach
    counts = sorted({*means["labels"], *marks["labels"]} - {0}) or [1]
    fig, axes = plt.subplots(
        2, 2, figsize=(9.4, 7.2), sharex=True, sharey=True, layout="constrained"
    )
    for ax, name in zip(axes.flat, FAMILIES, strict=True):
        labels = _family_panel(ax, means, name, (counts[0] / 1.4, counts[-1] * 1.15))
        _stars(ax, marks[(marks["family"] == name) | (marks["family"] == "yours")])
        heights = spread([height for height, *_ in labels], 0.045 * (top - floor))
        for height, (_, text, colour) in zip(heights, labels, strict=True):
            ax.text(counts[-1] * 1.25, height, text, color=colour, fontsize=9, va="center")
        if not labels:  # a frame around nothing would look like a result
            ax.clear()
            ax.set_axis_off()
            style = {"fontsize": 9, "va": "top", "color": "#555555"}
            ax.text(0.0, 0.97, "none recorded", transform=ax.transAxes, **style)
        ax.set_title(name, fontsize=11)
    log_ticks(ax, counts)
    ax.set_xlim(counts[0] / 1.4, counts[-1] * (counts[-1] / counts[0]) ** 0.42 * 1.5)
    ax.set_ylim(floor, top)
    fig.supxlabel("labelled users", fontsize=11)
    fig.supylabel(quantity, fontsize=11)
    return fig


def _family_panel(
    ax, means: pd.DataFrame, name: str, ends: tuple[float, float]
) -> list[tuple[float, str, str]]:
    """Draw one family's curves before the others'; (height, name, colour) of each one's label."""
    labels = []
    tuned = means[(means["labels"] > 0) & ~means["strategy"].isin(NOT_CHOSEN)].sort_values("labels")
    for _, rows in tuned[tuned["family"] != name].groupby("strategy"):
        grey = {"color": "#DDDDDD", "linewidth": 1, "linestyle": "-", "zorder": 1}
        ax.plot(rows["labels"], rows["mean"], **grey)
    for i, (strategy, rows) in enumerate(tuned[tuned["family"] == name].groupby("strategy")):
        style = look(i, 6)
        around = whiskers(rows["mean"], rows["low"], rows["high"])
        places = rows["labels"] * (1 + min(0.04, 0.2 / tuned["strategy"].nunique()) * i)
        style |= {"capsize": 2, "linewidth": 1.6, "markersize": 5}
        ax.errorbar(places, rows["mean"], yerr=around, **style)
        labels.append((rows["mean"].iloc[-1], strategy, style["color"]))
    flat = (means["family"] == name) | (means["strategy"] == "ceiling")
    for row in means[(means["labels"] == 0) & flat].itertuples():
        style = {"linestyle": "--" if row.strategy == "ceiling" else ":", "color": "#555555"}
        ax.plot(ends, [row.mean] * 2, **style, linewidth=1, zorder=1)
        labels.append((row.mean, row.strategy, "#333333"))
    return labels


def _stars(ax, marks: pd.DataFrame) -> None:
    style = {"marker": "*", "markersize": 12, "color": "black", "capsize": 3, "linewidth": 1}
    for row in marks[marks["labels"] > 0].itertuples():
        place = row.labels * 0.88
        around = whiskers(row.mean, row.low, row.high)
        ax.errorbar([place], [row.mean], yerr=around, **style, zorder=5)
        text = note(ax, row.strategy, (place, row.mean), (5, 6), fontsize=9, weight="bold")
        text.set_path_effects(halo())


def halo() -> list:
    """A white rim that keeps text legible where a line crosses it."""
    from matplotlib.patheffects import withStroke

    return [withStroke(linewidth=3, foreground="white")]


def curves_in_words(means: pd.DataFrame) -> str:
    """Curves or points in words, best first."""
    parts = []
    for name in means.sort_values("mean", ascending=False)["strategy"].unique():
        rows = means[means["strategy"] == name].sort_values("labels").itertuples()
        at = [f"{r.mean:.3f}" + (f" at {r.labels} labels" if r.labels else "") for r in rows]
        parts.append(f"{name} {', '.join(at)}")
    return "; ".join(parts)


def show_learning_curves(
    means: pd.DataFrame,
    what: str,
    caption: str,
    *,
    marks: pd.DataFrame | None = None,
    quantity: str = "test NDCG@10",
    floor: float = 0.0,
) -> None:
    """Show `learning_curves` with its numbers in words: those of ``marks``, if there are any.

    Args:
        what: what is drawn, the beginning of the alt text.
        caption: how to read it.
    """
    numbers = curves_in_words(means if marks is None else marks)
    show(learning_curves(means, marks, quantity, floor), alt=f"{what}: {numbers}.", caption=caption)
