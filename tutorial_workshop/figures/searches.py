"""Notebook 05: searches for prompt words over their calls, and what became of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from tutorial_workshop.figures.labels import over_seeds
from tutorial_workshop.figures.words import rows_table
from tutorial_workshop.page.output import say, show
from tutorial_workshop.page.plots import label_axes, look


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


def mean_trace(traces: Sequence[pd.Series], calls: Sequence[float] | np.ndarray) -> np.ndarray:
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


def show_traces(
    traces: Mapping[str, Sequence[pd.Series]], live: Mapping[str, pd.Series], bare: float
) -> None:
    """Show `trace_curves` with the ends of all searches in words."""
    ends = {name: over_seeds([trace.iloc[-1] for trace in some]) for name, some in traces.items()}
    recorded = "; ".join(
        f"{m} {x:.3f} ({low:.3f} to {high:.3f})" for m, (x, low, high) in ends.items()
    )
    yours = ", ".join(f"{name} {trace.iloc[-1]:.3f}" for name, trace in live.items())
    show(
        trace_curves(traces, live, bare),
        alt=f"Validation loss over calls. Recorded at the end: {recorded}; no words {bare:.3f}."
        f" Yours: {yours}.",
        caption=f"Left: kit-gpt, world-movies, {len(traces['random'])} seeds, all words. Right:"
        " your short searches.",
    )


def say_calls_needed(traces: Mapping[str, Sequence[pd.Series]]) -> None:
    """Say after which share of its calls gradient search is where random search ends."""
    shares = [
        calls_to_reach(gradient, random.iloc[-1]) / random.index[-1]
        for gradient, random in zip(traces["gradient"], traces["random"], strict=True)
    ]
    reached = sorted(share for share in shares if np.isfinite(share))
    after = f", after {', '.join(f'{x:.0%}' for x in reached)} of its calls" if reached else ""
    met = len(reached) == len(shares) and max(reached) <= 0.5
    say(
        f"Gradient search comes down to random search's final loss in {len(reached)} of"
        f" {len(shares)} seeds{after}.",
        "Goal set beforehand: in all, after at most 50 %. It is"
        f" {'reached' if met else 'not reached'}.",
    )


def show_advantage_by_vocabulary(recorded: pd.DataFrame, calls: int = 3000) -> None:
    """Show both searches' loss after so many calls, for three numbers of words to choose from."""
    rows = []
    for words in ("128", "512", "all"):
        traces = search_traces(recorded, words)
        gradient, random = (
            np.array([loss_after(trace, calls) for trace in traces[name]])
            for name in ("gradient", "random")
        )
        rows.append((words, gradient.mean(), random.mean(), *over_seeds(random - gradient)))
    columns = ["gradient", "random", "advantage of the gradient", "95 % low", "95 % high"]
    caption = f"Validation loss after {calls} calls, recorded; the advantage is paired over seeds"
    rows_table(rows, ["words to choose from", *columns], caption=caption)


def show_switches(switches: pd.DataFrame) -> None:
    """Show what each switch of the public code does to a search of equal calls.

    Args:
        switches: the part "switches" of ``data/results/automatic-prompts.csv``.
    """
    values = switches.pivot_table(
        index=["metric", "seed"], columns="name", values="value", sort=False
    )
    rows = []
    for name in switches["name"].unique():
        flips = values.loc["accepted flips", name].mean()
        again = values.loc["objective when measured again, minus as accepted", name].mean()
        on_events, on_test = (
            over_seeds(values.loc[metric, name] - values.loc[metric, "ours"])
            for metric in ("loss on 200 events", "test loss")
        )
        rows.append((name, flips, on_events[0], *on_test, f"{again:+.3f}"))
    columns = ["flips", "loss on 200 events, minus ours", "test loss, minus ours"]
    columns = ["search", *columns, "95 % low", "95 % high", "measured again"]
    seeds = switches["seed"].nunique()
    last = "last column: objective when measured again, minus the value accepted"
    rows_table(rows, columns, caption=f"Equal calls, {seeds} seeds; {last}")


def say_goal(goal, p: float, loss: pd.Series, manual: str) -> None:
    """Say whether the found prompt is ahead of the best manual one, as was set beforehand.

    Args:
        goal: comparison in test NDCG@10. p: adjusted.
        loss: difference in the loss of the next title, with its limits ("loss", "low ", "high ").
        manual: the best manual prompt.
    """
    low, high = goal.ci
    seen = f"{goal.difference:+.3f} ({low:+.3f} to {high:+.3f}), adjusted p {p:.3f}"
    outcome = f"**reached**: {seen}"
    if not p < 0.05:
        least = goal.minimum_detectable_effect
        outcome = f"**not shown**: {seen}. These {goal.n} users would show {least:.3f} or more"
    elif goal.difference < 0:
        outcome = f"**missed**, the found prompt is behind: {seen}"
    say(
        f"Best manual prompt by validation NDCG@10: `{manual}`. Goal set beforehand, the found"
        f" prompt ahead of it in test NDCG@10: {outcome}.",
        "In the loss of the next title, which the search was told to lower, the difference is"
        f" {loss['loss']:+.3f} nats per token ({loss['low ']:+.3f} to {loss['high ']:+.3f}). A loss"
        " is not a ranking: section 5.",
    )


def trace_curves(
    traces: Mapping[str, Sequence[pd.Series]], live: Mapping[str, pd.Series], bare: float
):
    """Validation loss over calls: bands over seeds, live runs as thin lines with markers, the loss
    without words as a level.
    """
    import matplotlib.pyplot as plt

    fig, panels = plt.subplots(1, 2, figsize=(8.4, 3.6), layout="constrained")
    for place, (name, seeds) in enumerate(traces.items()):
        style = look(place)
        calls = np.linspace(0, min(trace.index.max() for trace in seeds), 60)
        mean, low, high = mean_trace(seeds, calls).T
        panels[0].plot(calls, mean, **{**style, "marker": None}, label=name)
        panels[0].fill_between(calls, low, high, color=style["color"], alpha=0.18, linewidth=0)
        one = live[name]
        panels[1].step(one.index, one.to_numpy(), where="post", **style, markersize=4)
    panels[0].axhline(bare, color="#555555", linestyle=":", linewidth=1.2, label="no words")
    left = {"y_unit": "nats per token", "title": "recorded, mean and 95 % over seeds"}
    label_axes(panels[0], "calls", "validation loss", **left)
    label_axes(panels[1], "calls", "", title="yours")
    fig.legend(loc="outside lower center", ncols=3, frameon=False)
    return fig
