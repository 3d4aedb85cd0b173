"""Where two learning curves cross: how many labelled users it takes until one strategy passes
another, with an interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tutorial_lib.errors import InputError
from tutorial_workshop.page.output import say, show
from tutorial_workshop.page.plots import label_axes, log_ticks, look

RESAMPLES = 2_000


@dataclass(frozen=True)
class Crossing:
    """The number of labelled users at which one strategy passes another, of `crossing`.

    Attributes:
        labels: estimate; 0: ahead at every budget; inf: at none; nan: no stable order.
        low: end of the 95 % interval, 0: below the smallest budget.
        high: the other end, inf: beyond the largest budget.
        gains: budget -> mean gain, from the smallest budget to the largest.
        seeds: that both were run with.
        rises: False where the order turns the other way: ahead first, behind later.
    """

    labels: float
    low: float
    high: float
    gains: dict[int, float]
    seeds: int
    rises: bool = True

    @property
    def signs(self) -> str:
        """Of the mean gains, one per budget."""
        return "".join("+" if gain > 0 else "−" for gain in self.gains.values())

    def __str__(self) -> str:
        """The answer to "from how many labelled users on is it ahead?"."""
        first, last = min(self.gains), max(self.gains)
        if np.isnan(self.labels):
            return f"no stable order: the signs of the mean gains are {self.signs}"
        ends = [_in_words(end, first, last) for end in (self.low, self.high)]
        interval = f"95 % interval of the crossing: {ends[0]} to {ends[1]}"
        if ends[0] == ends[1]:
            interval = "the same in 95 % of resamples"
        interval += "; one seed, so of other users only" if self.seeds == 1 else ""
        if self.labels == 0:
            return f"always, at {first:,} labelled users already ({interval})"
        if self.labels == np.inf:
            return f"never, not even with {last:,} labelled users ({interval})"
        where = "from about {:,.0f} labelled users on" if self.rises else "up to about {:,.0f} only"
        return f"{where.format(self.labels)} ({interval})"


def _in_words(end: float, first: int, last: int) -> str:
    """An end of the interval."""
    if end == 0:
        return f"below {first:,}"
    return f"beyond {last:,}" if end == np.inf else f"{end:,.0f}"


def at_budget(recorded: pd.DataFrame, strategy: str, labels: int, metric: str) -> pd.DataFrame:
    """What a strategy has with so many labelled users: one column, index (seed, user).

    What was recorded at 0 labels only needs none, and stands for any number.
    """
    some = recorded[recorded["strategy"] == strategy]
    some = some[some["labels"] == (labels if (some["labels"] == labels).any() else 0)]
    return some.set_index(["seed", "user"])[[metric]].dropna()


def crossing(
    recorded: pd.DataFrame,
    strategy: str,
    against: str,
    metric: str = "ndcg@10",
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Crossing:
    """From how many labelled users on ``strategy`` is ahead of ``against``.

    Between two budgets the gain is interpolated in the logarithm of the labels. The interval is a
    bootstrap of seeds crossed with users, each drawn with replacement, which is conservative (Owen
    2007). In a resample the gain may only rise with the labels (isotonic regression), so that each
    has one crossing; where the signs of the means themselves change more than once, there is none.

    Args:
        recorded: one row per user and cell, as of `experiments.load_results`, of one experiment.
        strategy: the one that labels should help more.
        against: recorded at the same numbers of labels, or without any.
        metric: column of ``recorded``.
        resamples: of the bootstrap.
        seed: of its draws.

    Raises:
        InputError: no number of labels at which both were run.

    Source: Owen 2007, doi 10.1214/07-AOAS122; idea of the question: Le Scao & Rush 2021.
    """
    gains = _gains(recorded, strategy, against, metric)
    means = np.array([[some.mean() for some in gains.values()]])
    shown = dict(zip(gains, means[0].tolist(), strict=True))
    seeds = pd.concat(gains).index.get_level_values("seed").nunique()
    ahead = means[0] > 0
    if (ahead[1:] != ahead[:-1]).sum() > 1:
        return Crossing(np.nan, np.nan, np.nan, shown, seeds)
    turn = -1 if ahead[0] and not ahead[-1] else 1
    drawn = turn * _resampled(gains, resamples, np.random.default_rng(seed))
    found = np.sort(_zeros(drawn, list(gains)))
    low, high = (float(found[round(end * (resamples - 1))]) for end in (0.025, 0.975))
    own = float(_zeros(turn * means, list(gains))[0])
    return Crossing(own, low, high, shown, seeds, turn > 0)


def _gains(
    recorded: pd.DataFrame, strategy: str, against: str, metric: str
) -> dict[int, pd.Series]:
    """Number of labels -> gains, index (seed, user), where both were run; of the seeds that are
    there at every number, so that a curve does not bend because other seeds come in.
    """
    both = recorded[recorded["strategy"].isin([strategy, against])]
    gains = {}
    for labels in sorted(set(both["labels"]) - {0}):
        a, b = (at_budget(both, name, labels, metric)[metric] for name in (strategy, against))
        if len(some := (a - b).dropna()):
            gains[int(labels)] = some
    seeds = [set(some.index.get_level_values("seed")) for some in gains.values()]
    common = set.intersection(*seeds) if seeds else set()
    if not common:
        raise InputError(
            f"crossing: {strategy!r} and {against!r} have no seed and users in common at every"
            " number of labels; run both alike: tutorial grid --labels 16 64 256"
        )
    return {
        labels: some[some.index.get_level_values("seed").isin(common)]
        for labels, some in gains.items()
    }


def _resampled(gains: dict[int, pd.Series], resamples: int, rng: np.random.Generator) -> np.ndarray:
    """Mean gains [resamples, budgets] over seeds and users drawn with replacement."""
    table = pd.concat(gains).unstack()  # rows (budget, seed), columns users
    seeds = table.index.unique(1)
    drawn = [
        rng.multinomial(n, np.full(n, 1 / n), size=resamples).astype(float)
        for n in (len(seeds), table.shape[1])
    ]
    means = []
    for labels in gains:
        values = table.loc[labels].reindex(seeds).to_numpy()  # seeds, users
        total, number = (
            ((drawn[0] @ part) * drawn[1]).sum(axis=1)
            for part in (np.nan_to_num(values), (~np.isnan(values)).astype(float))
        )
        means.append(total / np.maximum(number, 1))
    return np.stack(means, axis=1)


def _zeros(gains: np.ndarray, budgets: list[int]) -> np.ndarray:
    """Where rising curves pass 0; 0: they start above it; inf: they end below it.

    gains: [curves, budgets], made to rise by isotonic regression (max-min formula).
    """
    size = range(len(budgets))
    mean = {(j, k): gains[:, j : k + 1].mean(axis=1) for j in size for k in size if j <= k}
    rising = [
        np.max(
            [np.min([mean[j, k] for k in size if k >= i], axis=0) for j in size if j <= i], axis=0
        )
        for i in size
    ]
    zeros = np.where(rising[0] > 0, 0.0, np.inf)
    for i in size[1:]:
        low, high = rising[i - 1], rising[i]
        share = np.clip(-low / np.where(high > low, high - low, 1), 0, 1)
        between = budgets[i - 1] * (budgets[i] / budgets[i - 1]) ** share
        zeros = np.where((low <= 0) & (high > 0), between, zeros)
    return zeros


def crossings(found: dict[tuple[str, str], Crossing]):
    """One row per pair: where the first passes the second, with its interval; an arrow where that
    lies below the smallest budget or beyond the largest, a text where there is no stable order.
    """
    import matplotlib.pyplot as plt

    budgets = sorted({n for c in found.values() for n in c.gains})
    left, right = budgets[0] / 2.5, budgets[-1] * 2.5  # where "always" and "never" stand
    fig, ax = plt.subplots(figsize=(7.6, 1.2 + 0.42 * len(found)), layout="constrained")
    for row, ((_name, _other), c) in enumerate(found.items()):
        if np.isnan(c.labels):
            ax.text(np.sqrt(left * right), row, "no stable order", ha="center", va="center")
            continue
        low, high, at = np.clip([c.low, c.high, c.labels], left, right)
        ax.plot([low, high], [row, row], color="#777777", linewidth=2, linestyle="-")
        for end, marker in ((low, "<"), (high, ">")):
            if end in (left, right):
                ax.plot(end, row, marker=marker, color="#777777", markersize=7)
        ax.plot(at, row, **look(0) | {"marker": "o" if c.rises else "s", "markersize": 8})
    ax.set_yticks(range(len(found)), [f"{name} passes {other}" for name, other in found])
    ax.set_ylim(len(found) - 0.5, -0.5)
    log_ticks(ax, budgets)
    ax.set_xticks([left, *budgets, right], ["always", *map(str, budgets), "never"])
    ax.set_xlim(left / 1.3, right * 1.3)
    label_axes(ax, "labelled users", "")
    ax.grid(axis="y", visible=False)
    return fig


def show_crossings(
    recorded: pd.DataFrame, pairs: Sequence[tuple[str, str]], metric: str = "ndcg@10"
) -> dict[tuple[str, str], Crossing]:
    """Show where the first of each pair passes the second, in a figure and in words.

    Returns:
        pair -> `crossing`; pairs that were not run are left out.
    """
    run = set(recorded["strategy"])
    found = {pair: crossing(recorded, *pair, metric) for pair in pairs if run.issuperset(pair)}
    numbers = [f"`{name}` passes `{other}`: {c}" for (name, other), c in found.items()]
    show(
        crossings(found),
        alt=f"Number of labelled users at which curves cross. {'; '.join(numbers)}.",
        caption="Point: estimate; line: 95 % bootstrap interval over seeds and users; arrow: it"
        " goes on below the smallest or beyond the largest number of labels. Square: the first"
        " leads up to there, and not from there on.",
    )
    say(*(f"{text}." for text in numbers))
    return found
