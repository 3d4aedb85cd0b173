"""Figures of notebook 05: scores against true losses, searches over calls, a cheap measure against
the full one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from tutorial_workshop.page.plots import LINE_STYLES, MARKERS, OKABE_ITO, label_axes


def over_seeds(values: Sequence[float]) -> tuple[float, float, float]:
    """(mean, low, high): 95 % t interval over seeds; no interval for one seed."""
    from scipy.stats import t

    values = np.asarray(values, dtype=float)
    half = (
        t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
        if len(values) > 1
        else 0.0
    )
    return float(values.mean()), float(values.mean() - half), float(values.mean() + half)


def search_traces(recorded: pd.DataFrame, words: str = "all") -> dict[str, list[pd.Series]]:
    """method -> for each seed the validation loss over calls; recorded:
    ``data/results/automatic-prompts.csv``.
    """
    some = recorded[
        (recorded["part"] == "traces")
        & (recorded["metric"] == "validation loss")
        & (recorded["words"] == words)
    ]
    return {
        method: [one.set_index("calls")["value"] for _, one in rows.groupby("seed")]
        for method, rows in some.groupby("setting", sort=True)
    }


def calls_to_reach(trace: pd.Series, loss: float) -> float:
    """Calls after which a search is at or below a loss; infinity if it never is."""
    there = trace.index[trace.to_numpy() <= loss]
    return float(there[0]) if len(there) else float("inf")


def loss_after(trace: pd.Series, calls: float) -> float:
    """The loss in force at the end of the round in which so many calls were used up."""
    return float(trace[trace.index >= calls].iloc[0])


def mean_trace(traces: Sequence[pd.Series], calls: Sequence[float]) -> np.ndarray:
    """[len(calls), 3]: mean, low and high over seeds of the loss in force after so many calls; NaN
    before all have begun.
    """
    rows = [
        [
            trace[trace.index <= c].iloc[-1] if (trace.index <= c).any() else np.nan
            for trace in traces
        ]
        for c in calls
    ]
    return np.array([over_seeds(row) for row in rows])


def trace_curves(
    traces: Mapping[str, Sequence[pd.Series]], live: Mapping[str, pd.Series], bare: float
):
    """Validation loss over calls: bands over seeds, live runs as thin lines with markers, the loss
    without words as a level.
    """
    import matplotlib.pyplot as plt

    fig, panels = plt.subplots(1, 2, figsize=(8.4, 3.6), layout="constrained")
    for place, (name, seeds) in enumerate(traces.items()):
        colour, style = list(OKABE_ITO.values())[place], LINE_STYLES[place]
        calls = np.linspace(0, min(trace.index.max() for trace in seeds), 60)
        mean, low, high = mean_trace(seeds, calls).T
        panels[0].plot(calls, mean, color=colour, linestyle=style, label=name)
        panels[0].fill_between(calls, low, high, color=colour, alpha=0.18, linewidth=0)
        one = live[name]
        panels[1].step(
            one.index,
            one.to_numpy(),
            where="post",
            color=colour,
            linestyle=style,
            marker=MARKERS[place],
            markersize=4,
        )
    panels[0].axhline(bare, color="#555555", linestyle=":", linewidth=1.2, label="no words")
    label_axes(
        panels[0],
        "calls",
        "validation loss",
        y_unit="nats a token",
        title="recorded, mean and 95 % over seeds",
    )
    label_axes(panels[1], "calls", "", title="yours")
    fig.legend(loc="outside lower center", ncols=3, frameon=False)
    return fig


class ScorePlot:
    """True loss of words in one slot against what the gradient promises, for any expansion point,
    with or without norm control.

    examples: for the gradient; true: float [V], the loss with each word; tokens: [V]; names: their
        text; prompt, slot: where they stand.
    """

    def __init__(
        self, examples, true, tokens, names: Sequence[str], prompt: Sequence[int], slot: int, among
    ):
        self.examples, self.true, self.tokens, self.names = (
            examples,
            np.asarray(true),
            np.asarray(tokens),
            names,
        )
        self.prompt, self.slot, self.among, self.known = list(prompt), slot, among, {}

    def scores(self, expansion: str, norm_control: bool) -> np.ndarray:
        """[V]; the gradient at an expansion point is taken once."""
        from tutorial_lib.strategies.prompt_examples import candidate_scores

        if expansion not in self.known:
            self.known[expansion] = self.examples.gradients(
                self.prompt, self.slot, expansion, among=self.among
            ).mean(0)
        return candidate_scores(
            self.known[expansion],
            self.examples.vocabulary.numpy()[self.tokens].astype(float),
            norm_control,
        )

    def numbers(self, top: int, expansion: str, norm_control: bool) -> tuple[float, int]:
        """(Spearman correlation of score and fall of the loss, rank by true loss of the best of the
        ``top`` highest scores).
        """
        from scipy.stats import spearmanr

        scores = self.scores(expansion, norm_control)
        chosen = np.argsort(-scores)[:top]
        return (
            float(spearmanr(scores, -self.true)[0]),
            int((self.true < self.true[chosen].min()).sum()) + 1,
        )

    def draw(self, top: int, expansion: str, norm_control: bool):
        """Scatter, the ``top`` highest scores marked, as a matplotlib ``Figure``."""
        import matplotlib.pyplot as plt

        scores, (rho, _) = (
            self.scores(expansion, norm_control),
            self.numbers(top, expansion, norm_control),
        )
        chosen = np.argsort(-scores)[:top]
        fig, ax = plt.subplots(figsize=(7.2, 3.6), layout="constrained")
        ax.scatter(scores, self.true, s=14, color="#888888", label="a word")
        look = {
            "s": 46,
            "marker": "D",
            "color": OKABE_ITO["vermillion"],
            "label": f"highest scores, the {top} that are tried",
        }
        ax.scatter(scores[chosen], self.true[chosen], **look)
        for i in chosen[np.argsort(self.true[chosen])[:3]]:
            ax.annotate(
                self.names[i],
                (scores[i], self.true[i]),
                xytext=(6, -9),
                textcoords="offset points",
                fontsize=9,
            )
        label_axes(
            ax,
            "first-order score (higher: promises a lower loss)",
            "true loss",
            y_unit="nats a token",
            title=f"Spearman {rho:+.2f}",
        )
        ax.margins(x=0.12)
        fig.legend(loc="outside lower center", ncols=2, frameon=False)
        return fig

    def describe(self, top: int, expansion: str, norm_control: bool) -> str:
        """The picture's numbers in a sentence."""
        rho, rank = self.numbers(top, expansion, norm_control)
        control = "cosine" if norm_control else "dot product"
        return (
            f"Gradient at {expansion!r}, {control}: Spearman {rho:+.2f} over {len(self.true)}"
            f" words; the best of the {top} that would be tried is number {rank} of all."
        )


def order_agreement(
    measured: pd.DataFrame, cheap: str, full: str, draws: int = 400, seed: int = 0
) -> tuple[float, float, float]:
    """Spearman correlation over prompts of a cheap measure (lower is better) with the full one
    (higher is better): (value, low, high).

    measured: columns seed, user, name (of the prompt), metric, value. The 95 % interval resamples
        users; a draw in which all prompts are
    equal says nothing and is left out.
    """
    from scipy.stats import rankdata

    table = measured.pivot_table(index=["seed", "user"], columns=["metric", "name"], values="value")
    a, b = -table[cheap].to_numpy(), table[full].to_numpy()  # [users, prompts]

    def correlation(rows):
        ranks = [rankdata(side[rows].mean(0)) for side in (a, b)]
        return np.corrcoef(ranks)[0, 1] if all(np.ptp(r) > 0 for r in ranks) else np.nan

    rng = np.random.default_rng(seed)
    drawn = [correlation(rng.integers(len(a), size=len(a))) for _ in range(draws)]
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return float(correlation(np.arange(len(a)))), float(low), float(high)


def measure_scatter(table: pd.DataFrame, cheap: Sequence[str], full: str):
    """One panel per cheap measure: its mean for each prompt against the full one. table: one row
    per prompt.
    """
    import matplotlib.pyplot as plt

    fig, panels = plt.subplots(1, len(cheap), figsize=(8.2, 3.3), layout="constrained", sharey=True)
    for ax, name in zip(np.atleast_1d(panels), cheap, strict=True):
        for place, (kind, some) in enumerate(table.groupby("kind")):
            style = {
                "marker": MARKERS[place],
                "color": list(OKABE_ITO.values())[place],
                "linestyle": "none",
            }
            ax.plot(
                some[name],
                some[full],
                **style,
                label=kind if ax is np.atleast_1d(panels)[0] else None,
            )
        label_axes(ax, name, full if ax is np.atleast_1d(panels)[0] else "")
    fig.legend(loc="outside lower center", ncols=3, frameon=False)
    return fig
