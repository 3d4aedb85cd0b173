"""Deck 3, objectives: what a model learns by guessing the next item, and a hidden one."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import pandas as pd
import torch
from drawing import legible
from records import goldens, in_words

from tutorial_lib.objectives import Autoregressive, GapFilling, Masked, Vocabulary
from tutorial_workshop.experiments import recorded_table
from tutorial_workshop.figures import masking_picture, over_seeds
from tutorial_workshop.figures.objectives import LETTERS, attention_pictures, masked_example
from tutorial_workshop.page.plots import curves, label_axes, log_ticks, look

MASKING = {"ratio": 0.3, "mask": "random places", "seed": 1}
RUNS = {"causal": "AM, causal", "masked": "MLM, both sides"}


def compute() -> dict[str, float | int | str]:
    """Every number and alt text by its name in the deck."""
    numbers = goldens(
        chain="02.chain.loss",
        chain_late="02.chain.loss-one-index-too-few",
        leak="02.leak.loss-gap",
        loss_effect="02.loss.effect",
        order_gain="02.order.gain",
        rsp="02.rsp.accuracy",
        believed="02.calibration.t1",
    )
    sees, predict = masked_example(**MASKING)
    hidden = [item for item in predict if item]
    numbers |= {"history_items": len(LETTERS), "hidden_items": len(hidden)}
    numbers["alt_masking"] = (
        f"A history of {len(LETTERS)} items. The model sees {' '.join(sees)} and must predict "
        f"{', '.join(hidden)}; an auto-regressive model predicts all {len(LETTERS)}."
    )
    return numbers | long_runs() | ceiling_shares()


@cache
def recorded() -> pd.DataFrame:
    """Item Transformers on MovieLens-100K and on worlds of several sizes."""
    return recorded_table("sequence.csv")


def long_runs() -> dict:
    """Both recipes on MovieLens-100K, trained to their best: test NDCG@10 over seeds."""
    of_data = recorded()[recorded()["dataset"] == "ml-100k"]
    tested = of_data[of_data["on"] == "test"]
    numbers: dict = {}
    for name in RUNS:
        values = tested.loc[tested["model"] == name, "ndcg@10"]
        ends = ("", "_low", "_high")
        numbers |= {f"{name}{e}": x for e, x in zip(ends, over_seeds(values), strict=True)}
        numbers[f"{name}_seeds"] = len(values)
        numbers[f"{name}_passes"] = int(tested.loc[tested["model"] == name, "epochs"].max())
    chain = tested.loc[tested["model"] == "TransitionKNN", "ndcg@10"]
    numbers["transition"] = chain.mean()
    words = "; ".join(
        f"{RUNS[name]}: " + ", ".join(f"{y:.3f} after {x}" for x, _, y in points)
        for name, points in learning().items()
    )
    return numbers | {"alt_learning": f"Validation NDCG@10 over passes. {words}."}


@cache
def learning() -> dict[str, list[tuple]]:
    """Recipe -> (passes, seconds, validation NDCG@10) of one recorded run."""
    return {
        name: list(rows[["epoch", "seconds", "ndcg@10"]].itertuples(index=False, name=None))
        for name, rows in recorded_table("sequence-curves.csv").groupby("model", sort=False)
        if name in RUNS
    }


def draw_learning(numbers: Mapping):
    """Both recipes over passes."""
    import matplotlib.pyplot as plt

    figure, ax = plt.subplots(layout="constrained")
    for place, (name, points) in enumerate(learning().items()):
        passes, _, values = zip(*points, strict=True)
        ax.plot(passes, values, **look(place), label=RUNS[name])
    ax.set_ylim(bottom=0)
    label_axes(ax, "passes over the data", "validation NDCG@10")
    ax.legend(frameon=False, loc="lower right")
    return legible(figure, 8.6, 3.2)


@cache
def shares() -> pd.DataFrame:
    """Share of the exact ceiling, users x model."""
    worlds = recorded()[recorded()["dataset"] == "world-movies"]
    table = worlds.pivot_table(index="users", columns="model", values="share", aggfunc="mean")
    return table[["causal + chain", "causal", "EASE", "chain"]]


def ceiling_shares() -> dict:
    """How far from the best possible, in small and large worlds."""
    table = shares()
    first, last = table.index.min(), table.index.max()
    words = "; ".join(f"{name}: {in_words(of.to_dict(), '.2f')} of" for name, of in table.items())
    return {
        "small_world": int(first),
        "large_world": int(last),
        "share_small": table.loc[first, "causal"],
        "share_large": table.loc[last, "causal"],
        "share_mixed": table.loc[last, "causal + chain"],
        "share_ease": table.loc[last, "EASE"],
        "alt_shares": f"Share of the ceiling's NDCG@10 over the number of users. {words} it.",
    }


def draw_shares(numbers: Mapping):
    """The share of the ceiling, over the number of users."""
    table = shares()
    users = table.index.tolist()
    series = {name: table[name].tolist() for name in table}
    figure = curves(users, series, x_label="users in the world", y_label="share of the ceiling")
    ax = figure.axes[0]
    log_ticks(ax, users, ",")
    ax.set_ylim(0, 1.05)
    ax.axhline(1, color="black", linewidth=1.2)
    return legible(figure, 8.6, 3.3)


def draw_masks(numbers: Mapping):
    """Who sees whom, under three objectives."""
    vocabulary, dice = Vocabulary(n_items=12), torch.Generator().manual_seed(11)
    history = torch.tensor([[0, 1, 2, 3]])
    objectives = {
        "auto-regressive": Autoregressive(),
        "masked": Masked(ratio=0.3, last=0),
        "gap filling": GapFilling(0.4),
    }
    batches = {name: one.corrupt(history, vocabulary, dice) for name, one in objectives.items()}
    figure = attention_pictures(batches, vocabulary)
    return legible(figure, 10.0, 3.7)


def draw_masking(numbers: Mapping):
    """One history, what the model sees of it, and what it must predict."""
    return legible(masking_picture(**MASKING), 8.6, 2.4)


FIGURES = {
    "masks": draw_masks,
    "masking": draw_masking,
    "learning": draw_learning,
    "shares": draw_shares,
}
