"""Figures of notebook 07: test sets drawn again, a sampled metric over its number of negatives,
both sides of a model, and what the winner of many gains.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tutorial_lib.evaluation import compare
from tutorial_lib.evaluation.estimates import mean_estimate
from tutorial_workshop.page.output import say, show
from tutorial_workshop.page.plots import MARKERS, OKABE_ITO, label_axes, log_ticks, look, whiskers

COLOURS = 7  # of the palette, without its yellow


def draws_picture(draws: pd.DataFrame, true: float):
    """Every drawn test set as a point, sorted by its difference, with the truth as a line; one
    panel for drawn targets, one in expectation.

    Args:
        draws: columns how, difference, verdict ("right sign", "wrong sign", "not significant").
        true: the difference over all users and all targets.
    """
    import matplotlib.pyplot as plt

    colours = ("blue", "vermillion")
    looks = {
        "not significant": {"color": "#AAAAAA", "marker": ".", "markersize": 2},
        **{
            name: {"color": OKABE_ITO[colour], "marker": marker, "markersize": 6}
            for name, colour, marker in zip(
                ("right sign", "wrong sign"), colours, MARKERS, strict=False
            )
        },
    }
    share = {"sharey": True, "layout": "constrained"}
    fig, axes = plt.subplots(1, 2, figsize=(8.4, 3.6), **share)
    for ax, (how, some) in zip(axes, draws.groupby("how", sort=False), strict=True):
        some = some.sort_values("difference").assign(place=np.arange(len(some)))
        for name, style in looks.items():
            points = some[some["verdict"] == name]
            ax.plot(points["place"], points["difference"], linestyle="none", label=name, **style)
        ax.axhline(0, color="black", linewidth=1)
        ax.axhline(true, color="#555555", linewidth=1.2, linestyle=":", label="the truth")
        left = "difference in NDCG@10" if ax is axes[0] else ""
        label_axes(ax, "test sets, sorted", left, title=how)
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return fig


def show_draws(draws: pd.DataFrame, true: float, users: int) -> None:
    """Show `draws_picture` of test sets of so many users, with its shares in words."""
    shares = draws.groupby("how", sort=False)["verdict"].value_counts(normalize=True)
    numbers = "; ".join(f"{how}, {name}: {x:.1%}" for (how, name), x in shares.items())
    show(
        draws_picture(draws, true),
        alt=f"Differences measured on test sets of {users} users. {numbers}. Truth {true:+.4f}.",
        caption=f"{users} users each; one drawn target per user, or in expectation over all.",
    )


def recorded_signs(rows: pd.DataFrame, labels: int, metric: str = "ndcg@10") -> pd.DataFrame:
    """Pairs of recorded systems, seed by seed: the difference by drawn targets and in expectation.

    Args:
        rows: of `grid.select`, with the columns ``metric`` (in expectation) and ``realised_...``.
        labels: budget; systems without labels join.

    Returns:
        One row per pair and seed: pair, seed, users, realised, expected, significant (of the
        realised difference alone, p < .05), wrong (significant, and the expectation over all seeds
        is significant the other way round).
    """
    rows = rows[rows["labels"].isin([0, labels]) & ~rows["strategy"].isin(["ceiling", "random"])]
    kinds = {"expected": metric, "realised": f"realised_{metric}"}
    sides = {
        kind: rows.pivot_table(index=["seed", "user"], columns="strategy", values=column)
        for kind, column in kinds.items()
    }
    names = list(sides["expected"])
    found = []
    for a, b in ((a, b) for i, a in enumerate(names) for b in names[i + 1 :]):
        expected, realised = (side[[a, b]].dropna() for side in sides.values())
        if expected.empty or realised.empty:
            continue
        one, other = (expected[[name]].set_axis(["x"], axis=1) for name in (a, b))
        truth = compare(one, other, "x")
        for seed, some in (realised[a] - realised[b]).groupby(level="seed"):
            drawn = mean_estimate(some.to_numpy(), signed=True)
            opposite = truth.p < 0.05 and truth.difference * drawn.value < 0
            numbers = (len(some), drawn.value, truth.difference, drawn.p < 0.05)
            found.append((f"{a} − {b}", seed, *numbers, drawn.p < 0.05 and opposite))
    columns = ["pair", "seed", "users", "realised", "expected", "significant", "wrong"]
    return pd.DataFrame(found, columns=columns)


@dataclass(frozen=True)
class SampledCurves:
    """Exact expectations of sampled metrics, drawn and described as a paper reports them at one
    number of negatives.

    Attributes:
        negatives: [g] numbers of sampled items.
        values: metric -> model -> [g].
        full: metric -> model -> the value among all items.
    """

    negatives: Sequence[int]
    values: Mapping[str, Mapping[str, Sequence[float]]]
    full: Mapping[str, Mapping[str, float]]

    def order(self, negatives: int, metric: str) -> list[str]:
        """Models, best first, as the sampled metric orders them."""
        at = list(self.negatives).index(negatives)
        return sorted(self.values[metric], key=lambda model: -self.values[metric][model][at])

    def swaps(self, metric: str) -> list[tuple[str, str, int]]:
        """(model ahead with few negatives, model ahead in the full ranking, largest number of
        negatives with the wrong order).
        """
        found, models = [], list(self.values[metric])
        for a in models:
            for b in models:
                gap = np.subtract(self.values[metric][a], self.values[metric][b])
                if self.full[metric][a] < self.full[metric][b] and (gap > 0).any():
                    found.append((a, b, int(np.asarray(self.negatives)[gap > 0].max())))
        return found

    def draw(self, negatives: int, metric: str):
        """Each model's lead over the mean of all, in points, so that crossings can be seen; a line
        at the chosen number of negatives.
        """
        import matplotlib.pyplot as plt

        fig, ax = plt.subplots(figsize=(7.6, 4.0), layout="constrained")
        middle = np.mean(list(self.values[metric].values()), axis=0)
        for i, (model, values) in enumerate(self.values[metric].items()):
            lead = 100 * (np.asarray(values) - middle)
            ax.plot(self.negatives, lead, label=model, markersize=4, **look(i, COLOURS))
        ax.axvline(negatives, color="black", linewidth=1.2)
        place = self.order(negatives, metric)
        ax.set_title(f"{negatives} negatives: " + " > ".join(place), fontsize=10)
        ax.axhline(0, color="#777777", linewidth=1)
        ticks = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
        first, last = self.negatives[0], self.negatives[-1]
        log_ticks(ax, [n for n in ticks if first <= n <= last], ",")
        units = {"x_unit": "items, logarithmic", "y_unit": "points"}
        label_axes(ax, "sampled negatives", f"{metric}, lead over the mean", **units)
        fig.legend(loc="outside right upper", frameon=False)
        return fig

    def describe(self, negatives: int, metric: str) -> str:
        """The order at this number of negatives, beside that of the full ranking."""
        full = sorted(self.full[metric], key=lambda model: -self.full[metric][model])
        order = self.order(negatives, metric)
        same = "the same order" if order == full else "**another order**"
        return (
            f"{metric} with {negatives} negatives: {' > '.join(order)}. All items:"
            f" {' > '.join(full)}: {same}."
        )


def pareto_picture(both: pd.DataFrame, accuracy: str, language: str):
    """Models by accuracy and language with 95 % whiskers; the front is filled and joined. both: of
    `Scorecard.both`.
    """
    import matplotlib.pyplot as plt

    fig, ax = plt.subplots(figsize=(7.6, 4.2), layout="constrained")
    for i, (model, row) in enumerate(both.iterrows()):
        x, y = row[accuracy], row[language]
        front = bool(row["front", ""])
        style = look(i, COLOURS) | {"linestyle": "none", "markersize": 9, "capsize": 3}
        style["markerfacecolor"] = style["color"] if front else "white"
        style["label"] = f"{model} (front)" if front else model
        around = {
            axis: whiskers(value["value"], value["low"], value["high"])
            for axis, value in (("xerr", x), ("yerr", y))
        }
        ax.errorbar(x["value"], y["value"], **around, **style)
    line = both[both["front", ""]].sort_values((accuracy, "value"))
    style = {"where": "post", "color": "#555555", "linewidth": 1, "linestyle": ":"}
    ax.step(line[accuracy, "value"], line[language, "value"], **style)
    label_axes(ax, accuracy, language)
    ax.locator_params(axis="x", nbins=6)
    fig.legend(loc="outside right upper", frameon=False)
    return fig


def curse_curves(systems: Sequence[int], gains: Mapping[str, Sequence[float]]):
    """What the best of m equal systems seems to gain, over m; one line per number of test users."""
    import matplotlib.pyplot as plt

    fig, ax = plt.subplots(figsize=(7.6, 3.6), layout="constrained")
    for i, (name, values) in enumerate(gains.items()):
        ax.plot(systems, values, label=name, markersize=4, **look(i, COLOURS))
    ax.axhline(0, color="black", linewidth=1)
    ax.set_xscale("log", base=2)
    ax.set_xticks(systems, [str(m) for m in systems])
    label_axes(ax, "equal systems tried", "reported gain of the best", y_unit="NDCG@10")
    fig.legend(loc="outside right upper", frameon=False)
    return fig


def show_pareto_picture(card, users: int, seeds: int) -> None:
    """Show accuracy against language of the recorded models, with their values in words.

    Args:
        card: `Scorecard` with NDCG@10 and ROUGE-L.
    """
    both = card.both()
    values = card.table["value"].unstack().loc[both.index]
    numbers = "; ".join(
        f"{name} {row['ndcg@10']:.3f}, {row['rougeL']:.3f}" for name, row in values.iterrows()
    )
    show(
        pareto_picture(both, "ndcg@10", "rougeL"),
        alt=f"Models by NDCG@10 and ROUGE-L: {numbers}.",
        caption=f"world-movies, {users} users, {seeds} seeds. Whiskers: 95 %. Filled: front.",
    )


def say_which_side_wins(card, by_facts) -> None:
    """Say which model is closest to the references, which is truest, and who is on the front.

    Args:
        card: `Scorecard` whose front is by NDCG@10 and ROUGE-L.
        by_facts: the same with factual precision in place of ROUGE-L.
    """
    values = card.table["value"]
    closest, truest = (
        values.xs(side, level="metric").idxmax() for side in ("rougeL", "factual_precision")
    )
    lines = [
        f"{name}: ROUGE-L {values[name, 'rougeL']:.3f},"
        f" true {values[name, 'factual_precision']:.0%}"
        for name in (closest, truest)
    ]
    say(
        f"Closest to the users' words is **{lines[0]}**. Truest is **{lines[1]}**. What users wrote"
        " is true throughout.",
        f"On the front by NDCG@10 and ROUGE-L: {'; '.join(card.front)}. By NDCG@10 and factual"
        f" precision: **{'; '.join(by_facts.front)}**.",
    )


def show_curse(systems: Sequence[int], gains: Mapping[str, Sequence[float]]) -> None:
    """Show `curse_curves` with all values in words."""
    numbers = "; ".join(
        f"{name}: " + ", ".join(f"{value:.3f}" for value in values)
        for name, values in gains.items()
    )
    show(
        curse_curves(systems, gains),
        alt=f"Gain of the best of m equal systems. {numbers}.",
        caption="Simulated: all systems have the users' values of EASE, drawn anew. The true gain"
        " is 0 everywhere.",
    )
