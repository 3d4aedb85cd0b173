"""Figures of notebooks 03 and 04: strategies over labels, a head at one learning rate, a prompt and
what comes of it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from tutorial_workshop.page.output import show
from tutorial_workshop.page.plots import LINE_STYLES, MARKERS, OKABE_ITO, label_axes

Level = tuple[float, float, float]
LEAST_SEEDS = 3  # behind an interval over seeds


def seed_means(
    recorded: pd.DataFrame, strategy: str, metric: str = "ndcg@10"
) -> list[tuple[float, float, float, float]]:
    """(labels, mean, low, high) for each number of labels: the mean of a metric over seeds, and its
    95 % t interval.

    recorded: one row per user, as ``data/results/strategies.csv`` or `experiments.load_results`. A
        strategy without labels gives one row,
    and fewer than three seeds give no interval (low and high are the mean): a t interval of two is
    too wide to say anything.
    """
    from scipy.stats import t

    out = []
    for labels, some in recorded[recorded["strategy"] == strategy].groupby("labels"):
        means = some.groupby("seed")[metric].mean()
        half = t.ppf(0.975, len(means) - 1) * means.sem() if len(means) >= LEAST_SEEDS else 0.0
        out.append((float(labels), means.mean(), means.mean() - half, means.mean() + half))
    return out


def label_curves(curves: Mapping[str, Sequence[tuple]], levels: Mapping[str, Level]):
    """NDCG@10 over the number of labelled users (logarithmic). curves: name -> rows of
    `seed_means`. levels: name -> (mean, low, high).
    """
    import matplotlib.pyplot as plt

    fig, ax = plt.subplots(figsize=(7.6, 4.2))
    colours = [c for name, c in OKABE_ITO.items() if name not in ("yellow", "black")]
    for i, (name, rows) in enumerate(curves.items()):
        labels, mean, low, high = map(np.array, zip(*rows, strict=True))
        shift = 1 + 0.03 * (i - len(curves) / 2)  # whiskers side by side
        ax.errorbar(
            labels * shift,
            mean,
            yerr=[mean - low, high - mean],
            label=name,
            color=colours[i % len(colours)],
            capsize=2,
            marker=MARKERS[i % len(MARKERS)],
            linestyle=LINE_STYLES[i % len(LINE_STYLES)],
        )
    ax.set_xscale("log")
    ticks = sorted({row[0] for rows in curves.values() for row in rows})
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.xaxis.minorticks_off()
    for name, (level, *_) in levels.items():
        ax.axhline(level, color="#555555", linewidth=1, linestyle=":")
        ax.annotate(
            name,
            (1.01, level),
            xycoords=("axes fraction", "data"),
            fontsize=8,
            va="center",
            color="#333333",
        )
    label_axes(ax, "labelled users", "test NDCG@10")
    ax.set_ylim(0, None)
    ax.legend(frameon=False, fontsize=8, ncol=3, loc="upper center", bbox_to_anchor=(0.5, -0.2))
    return fig


def show_label_curves(
    curves: Mapping[str, Sequence[tuple]], levels: Mapping[str, Level], seeds: Mapping[int, int]
) -> None:
    """Show `label_curves` of world-movies with its numbers in words. seeds: labels -> seeds run."""
    told = "; ".join(
        f"{name}: " + ", ".join(f"{count:g} labels {mean:.3f}" for count, mean, *_ in rows)
        for name, rows in curves.items()
    )
    lines = ", ".join(f"{name} {mean:.3f}" for name, (mean, *_) in levels.items())
    runs = ", ".join(f"{n} at {count} labels" for count, n in seeds.items())
    show(
        label_curves(curves, levels),
        alt=f"Test NDCG@10 over the number of labelled users. {told}. Lines: {lines}.",
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
    from tutorial_lib.evaluation import compare_seeds

    sides = []
    for name in (strategy, baseline):
        some = recorded[recorded["strategy"] == name]
        some = some[some["labels"] == (labels if (some["labels"] == labels).any() else 0)]
        sides.append(some.set_index(["seed", "user"])[metric].dropna())
    both = pd.concat(sides, axis=1, join="inner").sort_index()
    return None if both.empty else compare_seeds(both.iloc[:, [0]], both.iloc[:, [1]], metric)


def paired_table(
    recorded: pd.DataFrame, baseline: str | Sequence[str], strategies: Sequence[str]
) -> pd.DataFrame:
    """Gain of each strategy over a baseline at the same labels: mean difference with its 95 %
    interval and adjusted p.

    Pairs are users within seeds; labels 0 of the baseline stand for any number. Holm's adjustment
    is over the whole table. Several baselines make one table, one family of tests, with the column
    "against".
    """
    from tutorial_lib.evaluation import holm

    bases = [baseline] if isinstance(baseline, str) else list(baseline)
    counts = sorted(n for n in recorded["labels"].unique() if 0 < n < recorded["labels"].max())
    rows, p = [], []
    for base, labels, name in itertools.product(bases, counts, strategies):
        run = ((recorded["strategy"] == name) & (recorded["labels"] == labels)).any()
        c = paired_by_label(recorded, name, base, labels) if run else None
        if c is not None:
            rows.append((name, base, int(labels), c.difference, *c.ci, c.pairs))
            p.append(c.p)
    columns = ["strategy", "against", "labels", "gain", "95 % low", "95 % high", "pairs"]
    frame = pd.DataFrame(rows, columns=columns).assign(**{"p adjusted": holm(p)})
    return (frame.drop(columns="against") if len(bases) == 1 else frame).set_index("strategy")


class HeadRuns:
    """Tunes a head on a frozen model at any learning rate, within a second; a run is kept, so that
    the same rate gives the same picture.

    adapted: by `adapt` with strategy "head"; its lm gives the vectors, once. steps: of each run.
    """

    def __init__(self, adapted, split, seed: int, steps: int = 300):
        import torch

        from tutorial_lib.strategies.tuning import labelled_users

        users = labelled_users(split, adapted.labels, seed)
        limit = adapted.words.limit
        drawn = [
            (split.train[row][max(0, t - limit) : t], split.train[row][t])
            for row in users
            for t in range(1, len(split.train[row]))
        ]
        drawn = [drawn[i] for i in np.random.default_rng(seed).permutation(len(drawn))[:600]]
        checked = [row for row, target in enumerate(split.valid_target) if len(target)][:200]
        with torch.no_grad():
            self.items = adapted.head.items
            self.train = adapted.lm.vectors([adapted.prompt(history) for history, _ in drawn])
            self.valid = adapted.lm.vectors(
                [adapted.prompt(split.valid_history[row]) for row in checked]
            )
        self.targets = torch.tensor([int(item) for _, item in drawn])
        self.wanted = np.array([split.valid_target[row][0] for row in checked])
        self.seen = [split.valid_history[row] for row in checked]
        self.steps = steps
        self.seed = seed
        self.runs: dict[float, tuple[list[float], float]] = {}

    def run(self, learning_rate: float) -> tuple[list[float], float]:
        """Losses of all steps, nats per prediction, and the validation NDCG@10."""
        import torch
        import torch.nn.functional as F

        from tutorial_lib.evaluation import target_ranks
        from tutorial_lib.strategies.adapted import Head
        from tutorial_lib.training import descend

        if learning_rate not in self.runs:
            with torch.random.fork_rng():
                head = Head(self.items)
            generator = torch.Generator().manual_seed(self.seed)
            batches = (
                (step / self.steps, torch.randint(len(self.targets), (64,), generator=generator))
                for step in range(self.steps)
            )
            run = descend(
                head.parameters(),
                torch.optim.AdamW(head.parameters(), lr=learning_rate),
                batches,
                lambda rows: F.cross_entropy(head(self.train[rows]), self.targets[rows]),
                learning_rate,
                schedule=lambda progress: 1.0,  # the rate is the lesson here: it stays as it is
                clip=math.inf,
            )
            losses = [loss.item() for _, loss in run]
            with torch.no_grad():
                scores = head(self.valid).double().numpy()
            for line, history in zip(scores, self.seen, strict=True):
                line[history] = -np.inf
            ranks = target_ranks(scores, self.wanted)
            self.runs[learning_rate] = (
                losses,
                float(np.where(ranks <= 10, 1 / np.log2(ranks + 1), 0).mean()),
            )
        return self.runs[learning_rate]

    def draw(self, learning_rate: float):
        """Loss over steps, as a matplotlib ``Figure``."""
        import matplotlib.pyplot as plt

        losses, ndcg = self.run(learning_rate)
        fig, ax = plt.subplots(figsize=(6.4, 2.9))
        ax.plot(range(1, len(losses) + 1), losses, color=OKABE_ITO["blue"])
        ax.set_ylim(0, max(12.0, 1.05 * max(losses)))
        label_axes(
            ax,
            "step",
            "training loss",
            y_unit="nats per prediction",
            title=f"rate {learning_rate:g}: validation NDCG@10 {ndcg:.3f}",
        )
        return fig

    def describe(self, learning_rate: float) -> str:
        losses, ndcg = self.run(learning_rate)
        end = np.mean(losses[-10:])
        return (
            f"Learning rate {learning_rate:g}: the loss goes from {losses[0]:.2f} to {end:.2f} nats"
            f" in {len(losses)} steps; validation NDCG@10 {ndcg:.3f}."
        )


class PromptEditor:
    """What a wording does: the top ten of one user, and NDCG@10 over a few validation users, for
    any template with the gap {history}.

    ask: template text -> recommender. histories, targets: validation users; user: the one whose
        list is drawn. titles: of all items.
    """

    def __init__(self, ask, histories, targets, titles: Sequence[str]):
        self.ask = ask
        self.histories = histories
        self.targets = np.asarray(targets)
        self.titles = titles
        self.known: dict[str, tuple[list[str], float]] = {}  # the first wording first

    def result(self, template: str) -> tuple[list[str], float]:
        """(top ten titles of the first user, NDCG@10 over all)."""
        from tutorial_lib.evaluation import target_ranks
        from tutorial_lib.recommender import top_k

        if template not in self.known:
            scores = np.array(self.ask(template).score(self.histories), dtype=float)
            top = top_k(scores[:1], 10, exclude=self.histories[:1])[0]
            for line, history in zip(scores, self.histories, strict=True):
                line[history] = -np.inf
            ranks = target_ranks(scores, self.targets)
            self.known[template] = (
                [self.titles[i] for i in top],
                float(np.where(ranks <= 10, 1 / np.log2(ranks + 1), 0).mean()),
            )
        return self.known[template]

    def draw(self, template: str):
        """The list, as a matplotlib ``Figure``; the title holds the NDCG and its change against the
        first wording.
        """
        import matplotlib.pyplot as plt

        items, ndcg = self.result(template)
        fig, ax = plt.subplots(figsize=(7.4, 3.1))
        ax.axis("off")
        wanted = self.titles[self.targets[0]]
        for place, title in enumerate(items):
            hit = title == wanted
            mark = "  ← the next one" if hit else ""
            ax.text(
                0.02,
                0.95 - 0.1 * place,
                f"{place + 1:>2}  {title}{mark}",
                fontsize=10,
                weight="bold" if hit else "normal",
                va="top",
            )
        change = ndcg - next(iter(self.known.values()))[1]
        ax.set_title(
            f"NDCG@10 {ndcg:.3f} ({change:+.3f} against the first wording)", loc="left", fontsize=11
        )
        return fig

    def describe(self, template: str) -> str:
        items, ndcg = self.result(template)
        change = ndcg - next(iter(self.known.values()))[1]
        wanted = self.titles[self.targets[0]]
        place = f"at place {items.index(wanted) + 1}" if wanted in items else "not among the ten"
        return (
            f"NDCG@10 over {len(self.targets)} validation users: {ndcg:.3f} ({change:+.3f} against"
            f" the first wording). First of the list: {items[0]}; the item that came next is"
            f" {place}."
        )
