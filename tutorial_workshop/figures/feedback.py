"""Notebook 08: the slider of the feedback loop, exploration against what becomes of the lists."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tutorial_lib.audit.harms.longrun import MEASURES
from tutorial_lib.errors import unknown_name
from tutorial_workshop.page.plots import OKABE_ITO, label_axes


def arm_of(explored: int) -> str:
    """The arm of `simulate` with this share of places explored, in percent."""
    return "retrained" if explored == 0 else f"retrained, {explored}% explored"


@dataclass(frozen=True)
class FeedbackView:
    """frame: of `longrun.simulate`, columns arm, seed, round, metric, value."""

    frame: pd.DataFrame

    def lines(self, explored: int, measure: str) -> dict[str, pd.DataFrame]:
        """Label -> rounds x seeds, of the chosen arm, the one without exploration, and the two
        controls.
        """
        arms = {
            arm_of(explored): f"retrained, {explored} % explored",
            "retrained": "retrained, no exploration",
            "frozen": "trained once",
            "random": "random lists",
        }
        some = self.frame[self.frame["metric"] == measure]
        known = sorted(some["arm"].unique())
        if not len(some) or arm_of(explored) not in known:
            raise unknown_name(
                "arm or measure",
                f"{arm_of(explored)}, {measure}",
                known or sorted(self.frame["metric"].unique()),
            )
        return {
            label: some[some["arm"] == arm].pivot(index="round", columns="seed", values="value")
            for arm, label in arms.items()
        }

    def draw(self, explored: int, measure: str):
        """One line per arm over the rounds, mean over seeds; the band spans the seeds."""
        import matplotlib.pyplot as plt

        fig, ax = plt.subplots(figsize=(7.6, 3.8), layout="constrained")
        colours = ("vermillion", "blue", "green", "black")
        looks = zip(colours, ("-", "--", "-.", ":"), ("o", "s", "^", None), strict=True)
        lines = self.lines(explored, measure).items()
        for (label, values), (name, style, marker) in zip(lines, looks, strict=False):
            colour = OKABE_ITO[name]
            line = {"color": colour, "linestyle": style, "marker": marker, "markersize": 4}
            ax.plot(values.index, values.mean(axis=1), label=label, **line)
            ends = values.min(axis=1), values.max(axis=1)
            ax.fill_between(values.index, *ends, color=colour, alpha=0.15, linewidth=0)
        shown = self.frame.loc[self.frame["metric"] == measure, "value"]
        low, high = shown.min(), shown.max()
        room = 0.05 * (high - low) or 0.05
        ax.set_ylim(low - room, high + room)
        label_axes(ax, "round", measure, x_unit="each user chooses one item a round")
        fig.legend(loc="outside upper center", ncols=2, frameon=False)
        return fig

    def describe(self, explored: int, measure: str) -> str:
        """First and last value of each line."""
        ends = []
        for label, values in self.lines(explored, measure).items():
            mean = values.mean(axis=1).to_numpy()
            ends.append(f"{label} {mean[0]:.3f} → {mean[-1]:.3f}")
        seeds = np.size(next(iter(self.lines(explored, measure).values())).columns)
        return f"{MEASURES[measure][0]}, first → last round: {'; '.join(ends)} ({seeds} seeds)."
