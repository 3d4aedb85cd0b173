"""Notebook 05: searches for prompt words over their calls, and what became of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from tutorial_lib.evaluation import Comparison, compare
from tutorial_workshop.figures.labels import over_seeds
from tutorial_workshop.figures.words import verdict_table
from tutorial_workshop.page.output import say, show
from tutorial_workshop.page.plots import label_axes, look

MARGIN = 0.01  # of NDCG@10 and of ROUGE-L: smaller differences do not matter; declared beforehand
LISTS = "test ndcg@10"


def values_of(
    recorded: pd.DataFrame, part: str, name: str, metric: str = LISTS, **fixed
) -> pd.DataFrame:
    """One column, the metric, of one prompt: index (seed, user).

    Args:
        recorded: ``data/results/automatic-prompts.csv.gz``. A manual prompt is recorded once, for
            it is the same in every seed: its rows are given to all seeds.
        part: of the benchmark.
        name: of the prompt, search or baseline.
        metric: as recorded.
        **fixed: other columns and their values.
    """
    of_part = recorded[recorded["part"] == part]
    some = of_part[(of_part["name"] == name) & (of_part["metric"] == metric)]
    for column, value in fixed.items():
        some = some[some[column] == value]
    seeds = recorded["seed"].unique()
    if some["seed"].nunique() == 1 < len(seeds):
        some = pd.concat([some.assign(seed=seed) for seed in seeds])
    return some.set_index(["seed", "user"])[["value"]].set_axis([metric], axis=1)


def means_by_name(recorded: pd.DataFrame, part: str, metric: str) -> pd.Series:
    """Mean of a metric for each (seed, name), names as level 1."""
    some = recorded[(recorded["part"] == part) & (recorded["metric"] == metric)]
    return some.groupby(["seed", "name"])["value"].mean()


def best_manual(recorded: pd.DataFrame, part: str = "manual", metric: str = "ndcg@10") -> str:
    """The manual prompt with the highest mean on the validation users."""
    means = means_by_name(recorded, part, f"valid {metric}").groupby(level="name").mean()
    return str(means[[name for name in means.index if "{" in name]].idxmax())


def best_found(recorded: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series]:
    """The prompt that gradient search found: of each seed's starts, the best on validation users.

    Returns:
        Its test NDCG@10, as `values_of` gives it, and the prompt of each seed.
    """
    found = recorded[recorded["name"].str.startswith("gradient, from")]
    valid = found[found["metric"] == "valid ndcg@10"].groupby(["seed", "name"])["value"].mean()
    frames, prompts = [], {}
    for seed, name in valid.groupby(level="seed").idxmax():
        rows = found[(found["name"] == name) & (found["seed"] == seed)]
        frames.append(values_of(rows, rows["part"].iloc[0], name))
        prompts[seed] = rows["setting"].dropna().iloc[0]
    return pd.concat(frames), pd.Series(prompts, name="prompt")


def task_comparisons(recorded: pd.DataFrame) -> dict[str, Comparison]:
    """The prompt that was found against the best manual one and the best baseline, task by task."""
    found, _ = best_found(recorded)
    sides = {"next item": (found, "manual", LISTS)}
    for task, part, metric in (
        ("one of a list", "straightforward", LISTS),
        ("explanation", "explanation", "test rougeL"),
    ):
        sides[task] = (values_of(recorded, part, "automatic", metric), part, metric)
    out = {}
    for task, (automatic, part, metric) in sides.items():
        valid = metric.removeprefix("test ")
        names = means_by_name(recorded, part, metric).groupby(level="name").mean()
        others = [name for name in names.index if "{" not in name and name != "automatic"]
        baseline = str(names[others].idxmax())
        for kind, name in (
            ("best manual prompt", best_manual(recorded, part, valid)),
            (f"best baseline, {baseline}", baseline),
        ):
            other = values_of(recorded, part, name, metric).reindex(automatic.index)
            out[f"{task}: found − {kind}"] = compare(automatic, other, metric)
    return out


def start_comparisons(recorded: pd.DataFrame) -> dict[str, Comparison]:
    """Test NDCG@10 of what gradient search found from a manual prompt, minus that prompt's own."""
    of_searches = recorded[recorded["part"] == "searches"]
    return {
        name.removeprefix("gradient, "): compare(
            values_of(recorded, "searches", name),
            values_of(recorded, "manual", name.removeprefix("gradient, from ")),
            LISTS,
        )
        for name in of_searches["name"].unique()
        if name.startswith("gradient, from ")
    }


def search_traces(recorded: pd.DataFrame) -> dict[str, list[pd.Series]]:
    """Search -> for each seed the validation objective over calls, from random words."""
    some = recorded[recorded["part"] == "opponents"]
    return {
        method: [one.set_index("calls")["value"] for _, one in rows.groupby("seed")]
        for method, rows in some.groupby("name", sort=True)
    }


def calls_to_reach(trace: pd.Series, objective: float) -> float:
    """Calls after which a search is at or below an objective; infinity if it never is."""
    there = trace.index[trace.to_numpy() <= objective]
    return float(there[0]) if len(there) else float("inf")


def mean_trace(traces: Sequence[pd.Series], calls: Sequence[float] | np.ndarray) -> np.ndarray:
    """[len(calls), 3]: mean, low and high over seeds of the objective in force after so many calls;
    NaN before all have begun.
    """
    rows = [
        [
            trace[trace.index <= c].iloc[-1] if (trace.index <= c).any() else np.nan
            for trace in traces
        ]
        for c in calls
    ]
    return np.array([over_seeds(row) for row in rows])


def show_traces(traces: Mapping[str, Sequence[pd.Series]], live: Mapping[str, pd.Series]) -> None:
    """Show `trace_curves` with the ends of all searches in words."""
    ends = {name: over_seeds([trace.iloc[-1] for trace in some]) for name, some in traces.items()}
    recorded = "; ".join(
        f"{m} {x:.3f} ({low:.3f} to {high:.3f})" for m, (x, low, high) in ends.items()
    )
    yours = ", ".join(f"{name} {trace.iloc[-1]:.3f}" for name, trace in live.items())
    show(
        trace_curves(traces, live),
        alt=f"Validation objective over calls. Recorded at the end: {recorded}. Yours: {yours}.",
        caption=f"Left: kit-gpt, world-movies, {len(traces['random'])} seeds. Right: your short"
        " searches.",
    )


def shares_of_calls(traces: Mapping[str, Sequence[pd.Series]]) -> list[float]:
    """Of random search's calls, the share after which gradient search is where it ended, by
    seed.
    """
    return [
        calls_to_reach(gradient, random.iloc[-1]) / random.index[-1]
        for gradient, random in zip(traces["gradient"], traces["random"], strict=True)
    ]


def say_calls_needed(traces: Mapping[str, Sequence[pd.Series]]) -> None:
    """Say after which share of its calls gradient search is where random search ends."""
    shares = shares_of_calls(traces)
    reached = sorted(share for share in shares if np.isfinite(share))
    after = f", after {', '.join(f'{x:.0%}' for x in reached)} of its calls" if reached else ""
    met = len(reached) == len(shares) and max(reached) <= 0.5
    say(
        f"Gradient search comes down to random search's final objective in {len(reached)} of"
        f" {len(shares)} seeds{after}.",
        "Goal set beforehand: in all, after at most 50 %. It is"
        f" {'reached' if met else 'not reached'}.",
    )


def show_own_words(recorded: pd.DataFrame) -> dict[str, str]:
    """Show what users' own words keep of their promise on the users' test items; return the
    verdicts.
    """
    tests = {}
    for events in (1, 3, 5):
        own, shuffled, none = (
            values_of(recorded, "own", name, setting=str(events))
            for name in ("own", "shuffled", "none")
        )
        tests[f"{events} events: own − shuffled words"] = compare(own, shuffled, LISTS)
        tests[f"{events} events: own − no word"] = compare(own, none, LISTS)
    return verdict_table(tests, MARGIN, caption="Test NDCG@10 in expectation, labelled users")


def trace_curves(traces: Mapping[str, Sequence[pd.Series]], live: Mapping[str, pd.Series]):
    """Validation objective over calls: bands over seeds, live runs as thin lines with markers."""
    import matplotlib.pyplot as plt

    fig, panels = plt.subplots(1, 2, figsize=(8.4, 3.6), layout="constrained")
    for place, (name, seeds) in enumerate(traces.items()):
        style = look(place)
        calls = np.linspace(0, min(trace.index.max() for trace in seeds), 60)
        mean, low, high = mean_trace(seeds, calls).T
        panels[0].plot(calls, mean, **{**style, "marker": None}, label=name)
        panels[0].fill_between(calls, low, high, color=style["color"], alpha=0.18, linewidth=0)
        if name in live:
            one = live[name]
            panels[1].step(one.index, one.to_numpy(), where="post", **style, markersize=4)
    left = {"y_unit": "nats", "title": "recorded, mean and 95 % over seeds"}
    label_axes(panels[0], "calls", "validation objective", **left)
    label_axes(panels[1], "calls", "", title="yours")
    fig.legend(loc="outside lower center", ncols=3, frameon=False)
    return fig
