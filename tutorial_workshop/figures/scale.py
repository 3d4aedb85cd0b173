"""Pictures and numbers of one model in several sizes (``benchmarks/scale.py``)."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd

from tutorial_lib.evaluation import Comparison, compare
from tutorial_workshop.figures.labels import label_curves, over_seeds
from tutorial_workshop.figures.searches import search_traces, shares_of_calls
from tutorial_workshop.page.output import show, table

LEFTMOST = 4  # where 0 stands on a logarithmic axis
UNTUNED, TUNED, BEST = "pre-train-only", "full", "ceiling"


def _millions(parameters: float) -> str:
    return f"{parameters / 1e6:.1f} M"


def _in_words(value) -> str:
    if isinstance(value, str):
        return value
    mean, low, high = value
    return f"{mean:.3f} ({low:.3f} to {high:.3f})"


def show_scale(recorded: pd.DataFrame) -> dict[str, dict[int, tuple[float, float, float]]]:
    """Show NDCG@10 over labelled users, a curve for each size, below the ceiling.

    Args:
        recorded: ``data/results/scale.csv.gz``.

    Returns:
        Size -> labels -> share of the ceiling's mean, with a 95 % t interval over seeds (of the
        untuned model, where no seed plays a part: over users).
    """
    part = recorded[recorded["part"] == "labels"].astype({"calls": int})
    best = float(part.loc[part["name"] == BEST, "value"].mean())
    curves, shares = {}, {}
    for parameters, rows in part.groupby("parameters"):
        own = rows[rows["name"] == UNTUNED]["value"]
        half = 1.96 * own.sem()
        points = {0: (own.mean(), own.mean() - half, own.mean() + half)}
        for labels, some in rows[rows["name"] == TUNED].groupby("calls"):
            points[labels] = over_seeds(some.groupby("seed")["value"].mean())
        size = _millions(parameters)
        curves[size] = [(max(labels, LEFTMOST), *point) for labels, point in points.items()]
        shares[size] = {n: tuple(value / best for value in point) for n, point in points.items()}
    words = "; ".join(
        f"{size}: " + ", ".join(f"{n} labels {share:.0%}" for n, (share, *_) in by.items())
        for size, by in shares.items()
    )
    fig = label_curves(curves, {"ceiling": (best, best, best)})
    ticks = [0, *sorted(set(part["calls"]) - {0})]
    fig.axes[0].set_xticks([max(n, LEFTMOST) for n in ticks], list(map(str, ticks)))
    show(
        fig,
        alt=f"Share of the ceiling's NDCG@10 by size and labelled users. {words}.",
        caption="kit-gpt by millions of parameters, tuned in full."
        " Whiskers: 95 % over seeds (no label: over users).",
    )
    return shares


def size_tests(recorded: pd.DataFrame) -> dict[str, dict[str, Comparison]]:
    """Each size minus the next smaller one, untuned and tuned in full, by labelled users.

    Args:
        recorded: ``data/results/scale.csv.gz``.

    Returns:
        "larger − smaller" -> "n labels" -> the difference in expected NDCG@10: a family of tests
        for each pair of sizes.
    """
    part = recorded[recorded["part"] == "labels"].astype({"calls": int})
    found: dict[str, dict[str, Comparison]] = {}
    for sizes in pairwise(sorted(set(part["parameters"]))):
        family = found.setdefault(" − ".join(map(_millions, reversed(sizes))), {})
        for labels in sorted(set(part["calls"])):
            rows = part[
                (part["name"] == (TUNED if labels else UNTUNED)) & (part["calls"] == labels)
            ]
            values = rows.pivot_table("value", ["seed", "user"], "parameters").dropna()
            small, large = (values[[size]].set_axis(["ndcg@10"], axis=1) for size in sizes)
            family[f"{labels} labels"] = compare(large, small, "ndcg@10")
    return found


def show_search_by_size(recorded: pd.DataFrame, at: str = "mean x1") -> pd.DataFrame:
    """Show what a gradient is worth to a search in each size.

    Args:
        recorded: ``data/results/scale.csv.gz``.
        at: Which of the measured first-order scores; default: the one that the search uses.

    Returns:
        By size: Spearman's correlation of score and true loss, on the examples of the gradient and
        on others, and the final objective of gradient search minus random search, in nats, each as
        mean, low and high (95 % t intervals over slots and over seeds); seeds in which gradient
        search came down to random search's end, and the mean share of the calls that it took.
    """
    rows = {}
    searched = recorded[recorded["part"] != "labels"]
    for parameters, some in searched.groupby("parameters"):
        slots = some[(some["metric"] == "spearman") & (some["name"] == at)]
        row: dict = {
            kind: over_seeds(slots.loc[slots["setting"] == f"{kind}, cosine", "value"])
            for kind in ("same examples", "other examples")
        }
        traces = search_traces(some)
        ends = zip(traces["gradient"], traces["random"], strict=True)
        gain = [float(gradient.iloc[-1] - random.iloc[-1]) for gradient, random in ends]
        row["gradient − random"] = over_seeds(gain)
        calls = [share for share in shares_of_calls(traces) if np.isfinite(share)]
        row["reached in"] = f"{len(calls)} of {len(gain)} seeds"
        row["with calls"] = f"{np.mean(calls):.0%}" if calls else "-"
        rows[_millions(float(str(parameters)))] = row
    frame = pd.DataFrame(rows).T.rename_axis("size")
    shown = frame.map(_in_words)
    table(shown, caption="Words searched with and without a gradient, by size of the model")
    return frame
