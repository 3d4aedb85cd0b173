"""Notebook 05: scores of words against true losses, and cheap measures against the full metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from tutorial_workshop.figures.words import rows_table
from tutorial_workshop.page.output import show
from tutorial_workshop.page.plots import OKABE_ITO, label_axes, look


class ScorePlot:
    """True loss of words in one slot against what the gradient promises, for any expansion point,
    with or without norm control.

    examples: for the gradient; true: float [V], the loss with each word; tokens: [V]; names: their
        text; prompt, slot: where they stand.
    """

    def __init__(
        self, examples, true, tokens, names: Sequence[str], prompt: Sequence[int], slot: int, among
    ):
        self.examples = examples
        self.true = np.asarray(true)
        self.tokens = np.asarray(tokens)
        self.names = names
        self.prompt = list(prompt)
        self.slot = slot
        self.among = among
        self.known: dict[str, np.ndarray] = {}  # expansion point -> gradient

    def scores(self, expansion: str, norm_control: bool) -> np.ndarray:
        """[V]; the gradient at an expansion point is taken once."""
        from tutorial_lib.strategies.wordings import candidate_scores

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

        scores = self.scores(expansion, norm_control)
        rho, _ = self.numbers(top, expansion, norm_control)
        chosen = np.argsort(-scores)[:top]
        fig, ax = plt.subplots(figsize=(7.2, 3.6), layout="constrained")
        ax.scatter(scores, self.true, s=14, color="#888888", label="a word")
        label = f"highest scores, the {top} that are tried"
        style = {"s": 46, "marker": "D", "color": OKABE_ITO["vermillion"], "label": label}
        ax.scatter(scores[chosen], self.true[chosen], **style)
        low, high = self.true.min(), self.true.max()
        ax.set_ylim(low - 0.35 * (high - low), high + 0.08 * (high - low))
        best = chosen[np.argsort(self.true[chosen])[:3]]
        # each below its point, a line lower than the one at its left: neighbours do not overlap
        line = {"arrowstyle": "-", "color": "#999999", "linewidth": 0.8}
        for row, i in enumerate(best[np.argsort(scores[best])]):
            where = {
                "textcoords": ("data", "axes fraction"),
                "xytext": (scores[i], 0.16 - 0.07 * row),
            }
            point = (scores[i], self.true[i])
            ax.annotate(self.names[i], point, **where, arrowprops=line, fontsize=9)
        x, title = "first-order score (higher: promises a lower loss)", f"Spearman {rho:+.2f}"
        label_axes(ax, x, "true loss", y_unit="nats per token", title=title)
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
    table = table[[cheap, full]].dropna()  # users whom both measures asked
    a, b = -table[cheap].to_numpy(), table[full].to_numpy()  # [users, prompts]

    def correlation(rows):
        ranks = [rankdata(side[rows].mean(0)) for side in (a, b)]
        return np.corrcoef(ranks)[0, 1] if all(np.ptp(r) > 0 for r in ranks) else np.nan

    rng = np.random.default_rng(seed)
    drawn = [correlation(rng.integers(len(a), size=len(a))) for _ in range(draws)]
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return float(correlation(np.arange(len(a)))), float(low), float(high)


def show_measure_scatter(
    by_prompt: pd.DataFrame, agreement: Mapping[str, Mapping[str, tuple]], users: int
) -> None:
    """Show the means of each surrogate over prompts against their NDCG@10, a panel for each, with
    their correlations in words.

    Args:
        by_prompt: one row per prompt, columns ndcg@10, kind, and one per surrogate.
        agreement: kind of prompt -> measure -> `order_agreement`.
        users: behind each mean.
    """
    import matplotlib.pyplot as plt

    measures = list(next(iter(agreement.values())))
    shape = {"figsize": (9.0, 3.2), "layout": "constrained", "sharey": True}
    fig, panels = plt.subplots(1, len(measures), **shape)
    for ax, name in zip(panels, measures, strict=True):
        first = ax is panels[0]
        for place, (kind, some) in enumerate(by_prompt.groupby("kind")):
            style = look(place) | {"linestyle": "none", "label": kind if first else ""}
            ax.plot(some[name], some["ndcg@10"], **style)
        label_axes(ax, name, "ndcg@10" if first else "")
    fig.legend(loc="outside lower center", ncols=3, frameon=False)
    correlations = "; ".join(
        f"{kind}: " + ", ".join(f"{measure} {rho:.2f}" for measure, (rho, *_) in some.items())
        for kind, some in agreement.items()
    )
    show(
        fig,
        alt=f"NDCG@10 of {len(by_prompt)} prompts against {len(measures)} surrogates. Spearman of"
        f" minus the surrogate with NDCG@10: {correlations}.",
        caption=f"{len(by_prompt)} prompts, {users} validation users; short answers: 1 − NDCG@5.",
    )


def agreement_table(
    agreement: Mapping[str, Mapping[str, tuple]], cost: Mapping[str, float]
) -> None:
    """Show how far each cheap measure orders prompts as NDCG@10 does, and its share of the cost."""
    rows = [
        (kind, measure, *values, cost[measure] / cost["ndcg@10"])
        for kind, some in agreement.items()
        for measure, values in some.items()
    ]
    columns = ["prompts", "surrogate", "Spearman with NDCG@10", "95 % low", "95 % high"]
    caption = "Does a better surrogate mean a better NDCG@10? 1: the same order; users resampled"
    rows_table(rows, [*columns, "share of its time"], caption=caption, digits=2)
