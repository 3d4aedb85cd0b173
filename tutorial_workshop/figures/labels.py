"""A metric over numbers of labelled users: means over seeds, curves, and paired tests."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from tutorial_lib.evaluation import compare_seeds, holm
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
        recorded: one row per user, as ``data/results/strategies.csv`` or
            `experiments.load_results`.
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
    curves: Mapping[str, Sequence[tuple]], levels: Mapping[str, Level], seeds: Mapping[int, int]
) -> None:
    """Show `label_curves` of world-movies with its numbers in words. seeds: labels -> seeds run."""
    numbers = "; ".join(
        f"{name}: " + ", ".join(f"{count:g} labels {mean:.3f}" for count, mean, *_ in rows)
        for name, rows in curves.items()
    )
    lines = ", ".join(f"{name} {mean:.3f}" for name, (mean, *_) in levels.items())
    runs = ", ".join(f"{n} at {count} labels" for count, n in seeds.items())
    show(
        label_curves(curves, levels),
        alt=f"Test NDCG@10 over the number of labelled users. {numbers}. Lines: {lines}.",
        caption=f"world-movies, kit-gpt, seeds: {runs}. Whiskers: 95 % t intervals over seeds."
        " Lines need no labels, or all of them.",
    )


def paired_by_label(
    recorded: pd.DataFrame, strategy: str, baseline: str, labels: int, metric: str = "ndcg@10"
):
    """`compare_seeds` of a strategy and a baseline at the same number of labels, over the users and
    seeds that both have; None if one of them was not run.

    What was recorded at 0 labels only needs none, and stands for any number.
    """
    sides = []
    for name in (strategy, baseline):
        some = recorded[recorded["strategy"] == name]
        some = some[some["labels"] == (labels if (some["labels"] == labels).any() else 0)]
        sides.append(some.set_index(["seed", "user"])[metric].dropna())
    both = pd.concat(sides, axis=1, join="inner").sort_index()
    return None if both.empty else compare_seeds(both.iloc[:, [0]], both.iloc[:, [1]], metric)


def paired_gains(
    recorded: pd.DataFrame, tests: Iterable[tuple[str, str, int]], metric: str = "ndcg@10"
) -> pd.DataFrame:
    """One row per test that was run: a strategy minus a baseline, p adjusted over all (Holm).

    Args:
        recorded: as in `seed_means`.
        tests: (strategy, baseline, number of labels).
        metric: column of ``recorded``.

    Returns:
        Columns strategy, against, labels, gain, 95 % low, 95 % high, pairs (users within seeds;
        they are not independent: `compare_seeds`), detectable (the true difference that such runs
        reveal in 80 % of repetitions, for one test), p adjusted.
    """
    rows = [
        (name, base, int(labels), c.difference, *c.ci, c.pairs, c.minimum_detectable_effect, c.p)
        for name, base, labels in tests
        if (c := paired_by_label(recorded, name, base, labels, metric)) is not None
    ]
    columns = ["strategy", "against", "labels", "gain", "95 % low", "95 % high", "pairs"]
    frame = pd.DataFrame(rows, columns=[*columns, "detectable", "p adjusted"])
    return frame.assign(**{"p adjusted": holm(frame["p adjusted"])})


def paired_table(
    recorded: pd.DataFrame, baseline: str | Sequence[str], strategies: Sequence[str]
) -> pd.DataFrame:
    """`paired_gains` of each strategy over a baseline at all numbers of labels but the largest.

    Labels 0 of the baseline stand for any number. Several baselines make one table, one family of
    tests, with the column "against".
    """
    bases = [baseline] if isinstance(baseline, str) else list(baseline)
    counts = sorted(n for n in recorded["labels"].unique() if 0 < n < recorded["labels"].max())
    run = set(zip(recorded["strategy"], recorded["labels"], strict=True))
    order = itertools.product(bases, counts, strategies)
    tests = [(name, base, labels) for base, labels, name in order if (name, labels) in run]
    frame = paired_gains(recorded, tests).drop(columns="detectable").set_index("strategy")
    return frame.drop(columns="against") if len(bases) == 1 else frame
