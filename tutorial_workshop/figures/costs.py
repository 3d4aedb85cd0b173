"""Notebook 06: accuracy against what a strategy costs, with the Pareto front; drawn by itself, in
panels, and for a widget.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tutorial_workshop.figures.grid import (
    COSTS,
    FAMILIES,
    NOT_CHOSEN,
    at_labels,
    cost_in_words,
    halo,
    spread,
)
from tutorial_workshop.figures.labels import LEAST_SEEDS
from tutorial_workshop.page.output import say, show, table
from tutorial_workshop.page.plots import OKABE_ITO, label_axes, note, whiskers

RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
LOOKS = {
    FAMILIES[0]: ("sky", "s"),
    FAMILIES[1]: ("vermillion", "^"),
    FAMILIES[2]: ("green", "D"),
    FAMILIES[3]: ("blue", "o"),
    "yours": ("black", "*"),
}


def _priced(means: pd.DataFrame, cost: str) -> pd.DataFrame:
    """The rows whose cost was counted, without those that nobody could choose."""
    return means[means[cost].notna() & ~means["strategy"].isin(NOT_CHOSEN)]


def cheapest_best(means: pd.DataFrame, cost: str) -> pd.DataFrame:
    """The Pareto front: rows that no other one beats, with a higher mean at no higher cost. Unknown
    costs are left out.
    """
    from tutorial_lib.evaluation import pareto_front

    known = _priced(means, cost)
    if known.empty:
        return known
    front = pareto_front(np.column_stack([-known[cost], known["mean"]]))
    return known[front].sort_values(cost)


def cost_map(means: pd.DataFrame, cost: str, picked: str = ""):
    """Accuracy against one of `COSTS` (logarithmic, with 0 at the left edge), the Pareto front as a
    line, every point with its name.

    Args:
        means: one row per strategy, from `at_labels`.
        cost: column of ``means``.
        picked: strategy that stands out, with its interval.
    """
    import matplotlib.pyplot as plt

    fig, ax = plt.subplots(figsize=(8.4, 4.8), layout="constrained")
    _draw_costs(ax, means, cost, picked, _priced(means, cost))
    label_axes(ax, COSTS[cost], "test NDCG@10")
    family_legend(fig, _priced(means, cost)["family"].unique())
    return fig


def _draw_costs(ax, means: pd.DataFrame, cost: str, picked: str, named: pd.DataFrame) -> None:
    """The points of `cost_map`; those of ``named`` have their names."""
    known, front = _priced(means, cost), cheapest_best(means, cost)
    positive = known.loc[known[cost] > 0, cost]
    zero = positive.min() / 8 if len(positive) else 1.0
    place = known[cost].where(known[cost] > 0, zero)
    line = {"where": "post", "color": "#999999", "linewidth": 1.2, "linestyle": "-", "zorder": 1}
    ax.step(place[front.index], front["mean"], **line)
    for row in known.itertuples():
        chosen = row.strategy == picked
        colour, marker = OKABE_ITO[LOOKS[row.family][0]], LOOKS[row.family][1]
        style = {"marker": marker, "color": colour, "linestyle": "none", "capsize": 4}
        style |= {"markersize": 13, "zorder": 5} if chosen else {"markersize": 8, "zorder": 3}
        fill = colour if chosen or row.Index in front.index else "white"
        around = whiskers(row.mean, row.low, row.high) if chosen else None
        ax.errorbar([place[row.Index]], [row.mean], yerr=around, markerfacecolor=fill, **style)
    _names(ax, named, place, max([*known["high" if picked else "mean"], 1e-9]), picked)
    _cost_axis(ax, place, zero if len(known) > len(positive) else None)
    ax.set_ylim(0, 1.1 * max([*known["high" if picked else "mean"], 1e-9]))


def describe_cost(means: pd.DataFrame, labels: int, cost: str, strategy: str) -> str:
    """What `cost_map` shows for a budget, a cost and the strategy picked, in one or two sentences.
    means: of `grid_means`.
    """
    rows = at_labels(means, labels)
    front = ", ".join(cheapest_best(rows, cost)["strategy"])
    found = rows[rows["strategy"] == strategy]
    if found.empty:
        return (
            f"{strategy} was not run with {labels} labels or fewer. On the front of {COSTS[cost]}:"
            f" {front}."
        )
    row = found.iloc[0]
    price = "not counted" if pd.isna(row[cost]) else cost_in_words(row[cost])
    interval = f"{row['low']:.3f} to {row['high']:.3f}"
    if row["seeds"] < LEAST_SEEDS:
        interval = f"{row['seeds']} seed{'s' if row['seeds'] > 1 else ''}, so no interval"
    return (
        f"With {labels} labels, {strategy} has NDCG@10 {row['mean']:.3f} ({interval});"
        f" {COSTS[cost]}: {price}. On the front: {front}."
    )


def _cost_axis(ax, place: pd.Series, zero: float | None) -> None:
    """Powers of ten where there are points; ``zero``: where points that cost nothing stand, left of
    a dotted line.
    """
    ax.set_xscale("log")
    if place.empty:
        return
    powers = 10.0 ** np.arange(np.floor(np.log10(place.min())), np.ceil(np.log10(place.max())) + 1)
    shown = [x for x in powers if x <= place.max() * 3 and (zero is None or x > zero * 3)]
    shown = shown[:: len(shown) // 6 + 1]
    # raised digits, for a formula of ours would be taken literally (`literal_dollars`)
    ticks = {x: "10" + f"{np.log10(x):.0f}".translate(RAISED) for x in shown}
    if zero is not None:
        ticks[zero] = "0"
        ax.axvline(zero * 2.5, color="#BBBBBB", linewidth=0.8, linestyle=":")
    ax.set_xticks(list(ticks), list(ticks.values()))
    ax.xaxis.minorticks_off()
    width = max(place.max() / place.min(), 10)
    ax.set_xlim(place.min() / width**0.05, place.max() * width**0.25)


def family_legend(fig, families: Sequence[str]) -> None:
    """What the markers mean, below the picture."""
    from matplotlib.lines import Line2D

    looks = [(name, *LOOKS[name]) for name in LOOKS if name in set(families)]
    handles = [
        Line2D([], [], marker=m, color=OKABE_ITO[c], linestyle="none", markersize=8, label=name)
        for name, c, m in looks
    ]
    fig.legend(
        handles=handles, loc="outside lower center", ncol=len(handles), frameon=False, fontsize=9
    )


def cost_panels(means: pd.DataFrame):
    """`cost_map` for each of `COSTS`."""
    import matplotlib.pyplot as plt

    fig, axes = plt.subplots(2, 2, figsize=(9.4, 6.8), sharey=True, layout="constrained")
    for ax, cost in zip(axes.flat, COSTS, strict=True):
        _draw_costs(ax, means, cost, "", cheapest_best(means, cost))
        label_axes(ax, COSTS[cost], "")
    fig.supylabel("test NDCG@10", fontsize=11)
    family_legend(fig, means["family"].unique())
    return fig


def show_cost_panels(means: pd.DataFrame, labels: int) -> None:
    """Show `cost_panels` with the Pareto fronts in words."""
    fronts = "; ".join(
        f"{text}: {', '.join(cheapest_best(means, cost)['strategy'])}"
        for cost, text in COSTS.items()
    )
    show(
        cost_panels(means),
        alt="Test NDCG@10 against bytes stored, processor time of tuning, FLOPs and processor time"
        f" per user, at {labels} labels. Pareto fronts: {fronts}.",
        caption=f"{labels} labelled users, means over seeds. Filled: on the front; left of the"
        " dotted line: no cost. FLOPs were counted for the language model only.",
    )


def cost_table(means: pd.DataFrame, labels: int) -> None:
    """Show all accuracies and costs, and full fine-tuning in multiples of a soft prompt."""
    full, soft = (means.set_index("strategy").loc[name] for name in ("full", "soft-prompt"))
    say(
        "Full fine-tuning over soft prompt: bytes stored ×"
        f" {full['stored_bytes'] / soft['stored_bytes']:,.0f}, processor seconds to tune ×"
        f" {full['seconds'] / soft['seconds']:.1f}, FLOPs ×"
        f" {full['flops'] / soft['flops']:.1f}, processor time per user ×"
        f" {full['ms a user'] / soft['ms a user']:.1f}.",
        "Processor time is work done on one core, whatever else the machine was doing. It is not"
        " latency: that depends on the machine, the batch and the queue.",
    )
    frame = means.set_index("strategy")[["mean", "low", "high"]].rename(columns={"mean": "NDCG@10"})
    for cost in COSTS:
        values = means[cost]
        frame[COSTS[cost]] = ["-" if pd.isna(value) else cost_in_words(value) for value in values]
    table(frame, caption=f"All costs, {labels} labelled users", digits=3, fold=True)


def _names(ax, named: pd.DataFrame, place: pd.Series, top: float, picked: str) -> None:
    """Names at the right of points; those of neighbouring points are moved apart."""
    steps = np.log10(place[named.index])
    columns = 4 if len(named) > 8 else 2  # few names: a small panel, where each takes half of it
    column = (
        (steps / max(steps.max() - steps.min(), 1e-9) * columns).round() if len(named) else steps
    )
    for _, some in named.groupby(column):
        for height, row in zip(spread(some["mean"], 0.045 * top), some.itertuples(), strict=True):
            style = {"fontsize": 8.5, "va": "center", "zorder": 6}
            style["weight"] = "bold" if row.strategy == picked else "normal"
            text = note(ax, row.strategy, (place[row.Index], height), (8, 0), **style)
            text.set_path_effects(halo())
