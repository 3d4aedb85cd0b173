"""Notebook 06: the recorded grid as a table of means and costs, and as curves over labels, one
panel per family of the survey's cells.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tutorial_lib.errors import unknown_name
from tutorial_workshop.experiments import BASELINES
from tutorial_workshop.figures.language_models import seed_means
from tutorial_workshop.page.output import show
from tutorial_workshop.page.plots import LINE_STYLES, MARKERS, OKABE_ITO

FAMILIES = ("no language model", "fine-tune the backbone", "fine-tune an extra part", "prompt")
COSTS = {  # column of `grid_means` -> what it counts
    "trainable": "numbers trained",
    "stored_bytes": "bytes stored per task",
    "seconds": "seconds to tune",
    "flops": "FLOPs to tune",
    "ms a user": "milliseconds to score a user",
}
NOT_CHOSEN = ("ceiling", "random")  # known truth and pure chance: marks to read the others by


def family(strategy: str) -> str:
    """One of `FAMILIES`, by the cell of the survey's table that a strategy stands in.

    >>> family("ease"), family("lora"), family("soft-prompt")
    ('no language model', 'fine-tune an extra part', 'prompt')
    """
    from tutorial_lib.strategies import STRATEGIES

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
    out = []
    for name in rows["strategy"].unique():
        for (labels, *interval), (_, some) in zip(
            seed_means(rows, name, metric),
            rows[rows["strategy"] == name].groupby("labels"),
            strict=True,
        ):
            cells = some.groupby("seed")[[*list(COSTS)[:4], "score_seconds"]].first().mean()
            costs = {**cells[list(COSTS)[:4]], "ms a user": 1000 * cells["score_seconds"]}
            out.append(
                {
                    "strategy": name,
                    "labels": int(labels),
                    **dict(zip(("mean", "low", "high"), interval, strict=True)),
                    "seeds": some["seed"].nunique(),
                    "family": family(name),
                    **costs,
                }
            )
    columns = ["strategy", "labels", "mean", "low", "high", "seeds", "family", *COSTS]
    return pd.DataFrame(out, columns=columns).sort_values(
        "mean", ascending=False, ignore_index=True
    )


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
    while at + 1 < len(
        groups
    ):  # neighbours that overlap become one block, around the mean of where its members want to be
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

    marks = means.iloc[:0] if marks is None else marks
    level = max([*means["mean"], *marks["mean"], floor]) - floor
    reach = (
        min(max([*means["high"], *marks["high"], floor]) - floor, 1.5 * level) or 0.1
    )  # a whisker may leave the picture
    top = floor + 1.08 * reach
    counts = sorted({*means["labels"], *marks["labels"]} - {0}) or [1]
    fig, axes = plt.subplots(
        2, 2, figsize=(9.4, 7.2), sharex=True, sharey=True, layout="constrained"
    )
    for ax, name in zip(axes.flat, FAMILIES, strict=True):
        tuned = means[(means["labels"] > 0) & ~means["strategy"].isin(NOT_CHOSEN)]
        for _, some in tuned[tuned["family"] != name].groupby("strategy"):
            some = some.sort_values("labels")
            ax.plot(
                some["labels"], some["mean"], color="#DDDDDD", linewidth=1, linestyle="-", zorder=1
            )
        labels = _lines(ax, tuned[tuned["family"] == name])
        for row in means[
            (means["labels"] == 0) & ((means["family"] == name) | (means["strategy"] == "ceiling"))
        ].itertuples():
            style = "--" if row.strategy == "ceiling" else ":"
            ax.plot(
                [counts[0] / 1.4, counts[-1] * 1.15],
                [row.mean] * 2,
                color="#555555",
                linewidth=1,
                linestyle=style,
                zorder=1,
            )
            labels.append((row.mean, row.strategy, "#333333"))
        _stars(ax, marks[(marks["family"] == name) | (marks["family"] == "yours")])
        heights = spread([height for height, *_ in labels], 0.045 * (top - floor))
        for height, (_, text, colour) in zip(heights, labels, strict=True):
            ax.text(counts[-1] * 1.25, height, text, color=colour, fontsize=9, va="center")
        if not labels:
            ax.text(
                0.03,
                0.95,
                "none recorded",
                transform=ax.transAxes,
                fontsize=9,
                va="top",
                color="#555555",
            )
        ax.set_title(name, fontsize=11)
    ax.set_xscale("log")
    ax.set_xticks(counts, [f"{count:g}" for count in counts])
    ax.xaxis.minorticks_off()
    ax.set_xlim(counts[0] / 1.4, counts[-1] * (counts[-1] / counts[0]) ** 0.42 * 1.5)
    ax.set_ylim(floor, top)
    fig.supxlabel("labelled users", fontsize=11)
    fig.supylabel(quantity, fontsize=11)
    return fig


def _lines(ax, some: pd.DataFrame) -> list[tuple[float, str, str]]:
    """Draw one family's curves; (height, name, colour) of the label at each one's end."""
    colours, labels = (
        [OKABE_ITO[c] for c in ("blue", "vermillion", "green", "purple", "orange", "sky")],
        [],
    )
    for i, (name, rows) in enumerate(some.groupby("strategy")):
        rows = rows.sort_values("labels")
        around = [rows["mean"] - rows["low"], rows["high"] - rows["mean"]]
        look = {"marker": MARKERS[i % 8], "linestyle": LINE_STYLES[i % 8], "color": colours[i % 6]}
        ax.errorbar(
            rows["labels"] * (1 + 0.04 * i),
            rows["mean"],
            yerr=around,
            capsize=2,
            linewidth=1.6,
            markersize=5,
            **look,
        )
        labels.append((rows["mean"].iloc[-1], name, colours[i % 6]))
    return labels


def _stars(ax, marks: pd.DataFrame) -> None:
    for row in marks[marks["labels"] > 0].itertuples():
        around = [[row.mean - row.low], [row.high - row.mean]]
        look = {
            "marker": "*",
            "markersize": 12,
            "color": "black",
            "capsize": 3,
            "linewidth": 1,
            "zorder": 5,
        }
        ax.errorbar([row.labels * 0.88], [row.mean], yerr=around, **look)
        text = ax.annotate(
            row.strategy,
            (row.labels * 0.88, row.mean),
            xytext=(5, 6),
            textcoords="offset points",
            fontsize=9,
            weight="bold",
        )
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
        parts.append(
            f"{name} "
            + ", ".join(
                f"{row.mean:.3f}" + (f" at {row.labels} labels" if row.labels else "")
                for row in rows
            )
        )
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
    told = curves_in_words(means if marks is None else marks)
    show(learning_curves(means, marks, quantity, floor), alt=f"{what}: {told}.", caption=caption)
