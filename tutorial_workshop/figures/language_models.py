"""Widgets of notebooks 03 and 04: a head at one learning rate, a prompt and what comes of it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tutorial_workshop.experiments.cells import next_item_chances
from tutorial_workshop.page.plots import OKABE_ITO, label_axes


def _ndcg_at_10(lists: np.ndarray, chances: np.ndarray) -> float:
    """Mean NDCG@10 of top lists, in expectation over the next item."""
    from tutorial_lib.evaluation import expected_metrics

    return float(expected_metrics(lists, chances, k=10)["ndcg@10"].mean())


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
        drawn = [drawn[i] for i in np.random.default_rng(seed).permutation(len(drawn))[:400]]
        checked = [row for row, target in enumerate(split.valid_target) if len(target)][:100]
        with torch.no_grad():
            self.items = adapted.head.items
            self.train = adapted.lm.vectors([adapted.prompt(history) for history, _ in drawn])
            self.valid = adapted.lm.vectors(
                [adapted.prompt(split.valid_history[row]) for row in checked]
            )
        self.targets = torch.tensor([int(item) for _, item in drawn])
        self.seen = [split.valid_history[row] for row in checked]
        wanted = [split.valid_target[row][0] for row in checked]
        self.chances = next_item_chances(split.dataset, self.seen, wanted)
        self.steps = steps
        self.seed = seed
        self.runs: dict[float, tuple[list[float], float]] = {}

    def run(self, learning_rate: float) -> tuple[list[float], float]:
        """Losses of all steps, nats per prediction, and the validation NDCG@10."""
        import torch
        import torch.nn.functional as F

        from tutorial_lib.recommender import top_k
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
            lists = top_k(scores, 10, exclude=self.seen)
            self.runs[learning_rate] = losses, _ndcg_at_10(lists, self.chances)
        return self.runs[learning_rate]

    def draw(self, learning_rate: float):
        """Loss over steps, as a matplotlib ``Figure``."""
        import matplotlib.pyplot as plt

        losses, ndcg = self.run(learning_rate)
        fig, ax = plt.subplots(figsize=(6.4, 2.9))
        ax.plot(range(1, len(losses) + 1), losses, color=OKABE_ITO["blue"])
        ax.set_ylim(0, max(12.0, 1.05 * max(losses)))
        title = f"rate {learning_rate:g}: validation NDCG@10 {ndcg:.3f}"
        label_axes(ax, "step", "training loss", y_unit="nats per prediction", title=title)
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

    ask: template text -> recommender. histories: of validation users, the list of the first is
        drawn. chances: of `next_item_chances`. titles: of all items.
    """

    def __init__(self, ask, histories, chances: np.ndarray, titles: Sequence[str]):
        self.ask = ask
        self.histories = histories
        self.chances = chances
        self.titles = titles
        self.wanted = titles[int(chances[0].argmax())]
        self.known: dict[str, tuple[list[str], float]] = {}  # the first wording first

    def result(self, template: str) -> tuple[list[str], float]:
        """(top ten titles of the first user, NDCG@10 over all)."""
        if template not in self.known:
            lists = self.ask(template).recommend(self.histories, k=10)
            first = [self.titles[i] for i in lists[0]]
            self.known[template] = first, _ndcg_at_10(lists, self.chances)
        return self.known[template]

    def draw(self, template: str):
        """The list, as a matplotlib ``Figure``; the title holds the NDCG and its change against the
        first wording.
        """
        import matplotlib.pyplot as plt

        items, ndcg = self.result(template)
        fig, ax = plt.subplots(figsize=(7.4, 3.1))
        ax.axis("off")
        for place, title in enumerate(items):
            hit = title == self.wanted
            mark = "  ← the likeliest next one" if hit else ""
            line, weight = f"{place + 1:>2}  {title}{mark}", "bold" if hit else "normal"
            ax.text(0.02, 0.95 - 0.1 * place, line, fontsize=10, weight=weight, va="top")
        change = ndcg - next(iter(self.known.values()))[1]
        title = f"NDCG@10 {ndcg:.3f} ({change:+.3f} against the first wording)"
        ax.set_title(title, loc="left", fontsize=11)
        return fig

    def describe(self, template: str) -> str:
        items, ndcg = self.result(template)
        change = ndcg - next(iter(self.known.values()))[1]
        place = "not among the ten"
        if self.wanted in items:
            place = f"at place {items.index(self.wanted) + 1}"
        return (
            f"NDCG@10 over {len(self.histories)} validation users: {ndcg:.3f} ({change:+.3f}"
            f" against the first wording). First of the list: {items[0]}; the likeliest next item"
            f" is {place}."
        )
