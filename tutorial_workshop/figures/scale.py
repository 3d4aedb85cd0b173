"""Pictures and numbers of one model in three sizes (``benchmarks/scale.py``)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tutorial_workshop.figures.labels import label_curves, over_seeds
from tutorial_workshop.figures.searches import search_traces, shares_of_calls
from tutorial_workshop.page.output import show, table

UNTUNED, TUNED, BEST = "pre-train-only", "full", "ceiling"


def _millions(parameters: float) -> str:
    return f"{parameters / 1e6:.1f} M"


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
        curves[size] = [(max(labels, 4), *point) for labels, point in points.items()]
        shares[size] = {n: tuple(value / best for value in point) for n, point in points.items()}
    words = "; ".join(
        f"{size}: " + ", ".join(f"{n} labels {share:.0%}" for n, (share, *_) in by.items())
        for size, by in shares.items()
    )
    show(
        label_curves(curves, {"ceiling": (best, best, best)}),
        alt=f"Share of the ceiling's NDCG@10 by size and labelled users. {words}.",
        caption="kit-gpt in three sizes, all tuned in full; the leftmost points need no label."
        " Whiskers: 95 % over seeds (no label: over users).",
    )
    return shares


def show_search_by_size(
    recorded: pd.DataFrame, at: str = "mean x1", setting: str = "other examples, cosine"
) -> pd.DataFrame:
    """Show what a gradient is worth to a search in each size.

    Args:
        recorded: ``data/results/scale.csv.gz``.
        at: Which of the measured first-order scores, and
        setting: from which examples.

    Returns:
        By size: spearman of score and true loss, and the final objective of gradient search minus
        random search, each with low and high (95 % t intervals over slots and over seeds); seeds in
        which gradient search came down to random search's end, and with which share of the calls.
    """
    rows = {}
    for parameters, some in recorded.groupby("parameters"):
        slots = some[(some["part"] == "scores") & (some["metric"] == "spearman")]
        slots = slots[(slots["name"] == at) & (slots["setting"] == setting)]
        traces = search_traces(some)
        gain = [
            float(a.iloc[-1] - b.iloc[-1])
            for a, b in zip(traces["gradient"], traces["random"], strict=True)
        ]
        calls = [share for share in shares_of_calls(traces) if np.isfinite(share)]
        rows[_millions(float(parameters))] = {
            **dict(zip(("spearman", "low", "high"), over_seeds(slots["value"]), strict=True)),
            **dict(zip(("gradient − random", "from", "to"), over_seeds(gain), strict=True)),
            "reached in": f"{len(calls)} of {len(gain)} seeds",
            "with calls": f"{np.mean(calls):.0%}" if calls else "",
        }
    frame = pd.DataFrame(rows).T.rename_axis("size")
    table(frame, caption="Words searched with and without a gradient, by size of the model")
    return frame
