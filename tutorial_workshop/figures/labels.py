"""A metric over numbers of labelled users: means over seeds, and curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from tutorial_workshop.page.output import show
from tutorial_workshop.page.plots import label_axes, log_ticks, look, whiskers

Level = tuple[float, float, float]
LEAST_SEEDS = 3  # behind an interval of `seed_means`: a t interval of two is too wide to read


def over_seeds(values: Sequence[float] | np.ndarray, least: int = 2) -> tuple[float, float, float]:
    """(mean, low, high): 95 % t interval over seeds; none (low = high = mean) below ``least``."""
    from scipy.stats import t

    numbers = np.asarray(values, dtype=float)
    n, mean, half = len(numbers), float(numbers.mean()), 0.0
    if n >= least:
        half = float(t.ppf(0.975, n - 1) * numbers.std(ddof=1) / np.sqrt(n))
    return mean, mean - half, mean + half


def seed_means(
    recorded: pd.DataFrame, strategy: str, metric: str = "ndcg@10"
) -> list[tuple[float, float, float, float]]:
    """(labels, mean, low, high) per number of labels: a metric's mean and `over_seeds` interval.

    Args:
        recorded: one row per user and cell, as of `experiments.load_results`.
        strategy: its name; one that needs no labels gives one row.
        metric: column of ``recorded``.
    """
    return [
        (float(labels), *over_seeds(some.groupby("seed")[metric].mean(), LEAST_SEEDS))
        for labels, some in recorded[recorded["strategy"] == strategy].groupby("labels")
    ]


def label_curves(curves: Mapping[str, Sequence[tuple]], levels: Mapping[str, Level]):
    """NDCG@10 over the number of labelled users (logarithmic).

    Args:
        curves: name -> rows of `seed_means`.
        levels: name -> (mean, low, high), drawn as a line.
    """
    import matplotlib.pyplot as plt

    fig, ax = plt.subplots(figsize=(7.6, 4.2))
    for i, (name, rows) in enumerate(curves.items()):
        labels, *interval = map(np.array, zip(*rows, strict=True))
        places = labels * (1 + 0.03 * (i - len(curves) / 2))  # whiskers side by side
        around = whiskers(*interval)
        ax.errorbar(places, interval[0], yerr=around, label=name, capsize=2, **look(i, 6))
    log_ticks(ax, sorted({row[0] for rows in curves.values() for row in rows}))
    beside = {"xycoords": ("axes fraction", "data"), "fontsize": 8, "va": "center"}
    for name, (level, *_) in levels.items():
        ax.axhline(level, color="#555555", linewidth=1, linestyle=":")
        ax.annotate(name, (1.01, level), **beside, color="#333333")
    label_axes(ax, "labelled users", "test NDCG@10")
    ax.set_ylim(0, None)
    ax.legend(frameon=False, fontsize=8, ncol=3, loc="upper center", bbox_to_anchor=(0.5, -0.2))
    return fig


def show_label_curves(
    curves: Mapping[str, Sequence[tuple]], levels: Mapping[str, Level], recorded: pd.DataFrame
) -> None:
    """Show `label_curves` of ``recorded`` rows with their numbers in words."""
    numbers = "; ".join(
        f"{name}: " + ", ".join(f"{count:g} labels {mean:.3f}" for count, mean, *_ in rows)
        for name, rows in curves.items()
    )
    lines = ", ".join(f"{name} {mean:.3f}" for name, (mean, *_) in levels.items())
    drawn = recorded[recorded["strategy"].isin([*curves, *levels])]
    seeds = drawn.groupby(["strategy", "labels"])["seed"].nunique()
    users = drawn.groupby(["strategy", "labels", "seed"])["user"].nunique()
    data, lm = drawn["dataset"].iloc[0], drawn["lm"].max()
    show(
        label_curves(curves, levels),
        alt=f"Test NDCG@10 over the number of labelled users. {numbers}. Lines: {lines}.",
        caption=f"{data}, {lm}, {_range(seeds)} seeds of {_range(users)} test users. Whiskers: 95 %"
        " t intervals over seeds, from three on. Dotted lines: no labels used.",
    )


def _range(numbers: pd.Series) -> str:
    """The least and the most of some numbers; one where they are the same."""
    return " to ".join(map(str, sorted({numbers.min(), numbers.max()})))
