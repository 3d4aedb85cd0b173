"""Figures of notebook 02: who sees whom, what a masking objective hides, and curves of trained
models. Pure functions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tutorial_workshop.page.output import say, show
from tutorial_workshop.page.plots import (
    OKABE_ITO,
    box,
    curves,
    label_axes,
    log_ticks,
    look,
    note,
)

if TYPE_CHECKING:
    from tutorial_lib.objectives import Batch

LETTERS = "ABCDEFGHIJKL"  # the twelve items of the masking playground
SHADES = {"seen": OKABE_ITO["sky"], "hidden": "#F2F2F2"}


def _token_names(batch, vocabulary) -> list[str]:
    special = {
        vocabulary.pad: "·",
        vocabulary.mask: "?",
        vocabulary.start: "start",
        vocabulary.separator: "|",
    }
    return [
        special.get(token, LETTERS[token] if token < len(LETTERS) else str(token))
        for token in batch.tokens[0].tolist()
    ]


def attention_pictures(batches: Mapping[str, Batch], vocabulary):
    """Attention masks side by side: row i of a picture says which tokens token i sees; a cross
    marks what must be predicted there.

    batches: title -> `objectives.Batch` whose first sequence is drawn. vocabulary: for the names of
        the tokens.
    """
    import matplotlib.pyplot as plt

    fig, axes = plt.subplots(1, len(batches), figsize=(3.3 * len(batches), 3.8), squeeze=False)
    style = {"facecolor": SHADES["seen"], "edgecolor": "white", "hatch": "//", "linewidth": 0.8}
    for ax, (title, batch) in zip(axes[0], batches.items(), strict=True):
        names = _token_names(batch, vocabulary)
        for i, j in np.argwhere(batch.sees()[0].numpy()):
            box(ax, (j - 0.5, i - 0.5), 1, 1, **style)
        ends = (-0.5, len(names) - 0.5)
        ax.set(xlim=ends, ylim=ends[::-1], aspect="equal", facecolor=SHADES["hidden"])
        ax.set_xticks(range(len(names)), names, fontsize=9)
        targets = {
            int(step): f" → {_name(int(label), vocabulary)}"
            for row, step, label in zip(batch.rows, batch.steps, batch.labels, strict=True)
            if row == 0
        }
        rows = [name + targets.get(i, "") for i, name in enumerate(names)]
        ax.set_yticks(range(len(names)), rows, fontsize=9)
        ax.grid(False)
        y = "token → what it must predict" if ax is axes[0][0] else ""
        label_axes(ax, "is seen", y, title=title)
    return fig


def _name(code: int, vocabulary) -> str:
    return LETTERS[code] if code < min(len(LETTERS), vocabulary.n_items) else str(code)


def what_is_asked(batch: Batch, vocabulary) -> tuple[str, str]:
    """What a network reads of the first history of a batch, and what it must answer: items, each
    from those that are in sight, fewest first; or yes and no.
    """
    reads = " ".join(_token_names(batch, vocabulary)).rstrip("· ")
    mine = (batch.rows == 0).nonzero()[:, 0].tolist()
    if batch.labels.is_floating_point():
        return reads, " ".join("yes" if batch.labels[place] else "no" for place in mine)
    contexts = batch.contexts(vocabulary.pad)[mine]
    seen = [[LETTERS[token] for token in row if token < vocabulary.n_items] for row in contexts]
    pairs = sorted(zip(seen, batch.labels[mine].tolist(), strict=True), key=lambda p: len(p[0]))
    answers = [f"{LETTERS[label]} ← {' '.join(items) or 'nothing'}" for items, label in pairs]
    return reads, "; ".join(answers)


def masked_example(ratio: float, mask: str, seed: int) -> tuple[list[str], list[str]]:
    """What the model sees, and what it must predict ("" where nothing), for the history A..L under
    `Masked`.
    """
    import torch

    from tutorial_lib.objectives import Masked, Vocabulary

    vocabulary = Vocabulary(len(LETTERS))
    sequence = torch.arange(len(LETTERS))[None]
    objective = Masked(ratio=ratio, last=1.0 if mask == "cut, last hidden" else 0.0)
    batch = objective.corrupt(sequence, vocabulary, torch.Generator().manual_seed(seed))
    predict = [""] * len(LETTERS)
    for step, label in zip(batch.steps.tolist(), batch.labels.tolist(), strict=True):
        predict[step] = LETTERS[label]
    return _token_names(batch, vocabulary), predict


def masking_picture(ratio: float, mask: str, seed: int):
    """The masking playground: one history of twelve items, what the model sees of it, and what it
    must predict.
    """
    import matplotlib.pyplot as plt

    sees, predict = masked_example(ratio, mask, seed)
    fig, ax = plt.subplots(figsize=(8.4, 2.3))
    lines = {"history": list(LETTERS), "model sees": sees, "must predict": predict}
    for row, (title, cells) in enumerate(lines.items()):
        for column, text in enumerate(cells):
            style = {"facecolor": "white", "edgecolor": "black" if text else "#BBBBBB"}
            behind = None
            if row == 1 and text == "?":
                style |= {"facecolor": OKABE_ITO["orange"], "hatch": "//"}
                behind = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
            elif row == 2 and text:
                style["facecolor"] = SHADES["seen"]
            box(ax, (column, row), 0.92, 0.86, **style)
            middle = {"ha": "center", "va": "center", "fontweight": "bold", "bbox": behind}
            ax.text(column + 0.46, row + 0.43, text, **middle)
        ax.text(-0.2, row + 0.43, title, ha="right", va="center")
    ax.set(xlim=(-2.4, len(LETTERS)), ylim=(3, -0.1))
    ax.axis("off")
    return fig


def describe_masking(ratio: float, mask: str, seed: int) -> str:
    """The masking playground in one sentence."""
    sees, predict = masked_example(ratio, mask, seed)
    targets = [item for item in predict if item]
    return (
        f"{len(targets)} of {len(LETTERS)} items are targets ({', '.join(targets)}); the model sees"
        f" {' '.join(sees)}. The auto-regressive objective has {len(LETTERS)} targets in the same"
        " history."
    )


def _ahead(histories: Mapping[str, Sequence], column: int) -> str:
    """The name with the highest last value where the shortest curve ends, in so many epochs (0) or
    seconds (1).
    """
    end = min(rows[-1][column] for rows in histories.values())
    read = {
        name: np.interp(end, [row[column] for row in rows], [row[2] for row in rows])
        for name, rows in histories.items()
    }
    return max(read, key=lambda name: read[name])


def show_learning_panels(
    histories: Mapping[str, Sequence], lines: Mapping[str, float], caption: str
) -> list[str]:
    """Show validation NDCG@10 over epochs (left) and over seconds of training (right), one curve
    per model, the last point of every curve in words.

    Args:
        histories: name -> list of (epoch, seconds, NDCG@10).
        lines: name -> a constant value for comparison.
        caption: how to read the figure.

    Returns:
        The models that are ahead after as many epochs and after as many seconds as the shorter run
        has.
    """
    import matplotlib.pyplot as plt

    fig, axes = plt.subplots(1, 2, figsize=(8.8, 3.6), sharey=True)
    for column, ax in enumerate(axes):
        for number, (name, points) in enumerate(histories.items()):
            x, y = zip(*((point[column], point[2]) for point in points), strict=True)
            ax.plot(x, y, **look(number), label=name)
        for (name, value), style in zip(lines.items(), (":", "--", "-."), strict=False):
            ax.axhline(value, color="black", linewidth=1.2, linestyle=style, label=name)
        ax.set_ylim(bottom=0)
    y_label = "validation NDCG@10"
    label_axes(axes[0], "passes over the data", y_label, x_unit="epochs", title="At equal steps")
    label_axes(axes[1], "time", "", x_unit="seconds of training", title="At equal seconds")
    handles, _ = axes[0].get_legend_handles_labels()
    fig.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False)
    ends = "; ".join(
        f"{name}: epoch {rows[-1][0]}, {rows[-1][1]:.0f} s, {rows[-1][2]:.3f}"
        for name, rows in histories.items()
    )
    constant = ", ".join(f"{name} {value:.3f}" for name, value in lines.items()) or "none"
    over = "Validation NDCG@10 over epochs and over seconds."
    show(fig, alt=f"{over} Last points: {ends}. Lines: {constant}.", caption=caption)

    return [_ahead(histories, 0), _ahead(histories, 1)]


def reliability_bins(
    believed: np.ndarray, true: np.ndarray, bins: int = 8
) -> list[tuple[float, float]]:
    """(mean believed, mean true probability) of each of ``bins`` groups of equal size, the least
    believed first.

    >>> reliability_bins(np.array([0.1, 0.3, 0.6, 0.8]), np.array([0.1, 0.1, 0.4, 0.4]), bins=2)
    [(0.2, 0.1), (0.7, 0.4)]
    """
    believed, true = np.ravel(believed), np.ravel(true)
    groups = np.array_split(np.argsort(believed, kind="stable"), bins)
    return [
        (float(believed[rows].mean()), float(true[rows].mean())) for rows in groups if len(rows)
    ]


def reliability(belief: Mapping[str, tuple[np.ndarray, np.ndarray]]):
    """Reliability curve: true over believed probability, one curve per model, with the diagonal of
    a calibrated one.

    belief: name -> (believed, true), two arrays of one shape.
    """
    import matplotlib.pyplot as plt

    fig, ax = plt.subplots(figsize=(4.8, 4.0), layout="constrained")
    ax.plot([0, 1], [0, 1], color="black", linewidth=1, linestyle=":", label="calibrated")
    for number, (name, sides) in enumerate(belief.items()):
        x, y = zip(*reliability_bins(*sides), strict=True)
        ax.plot(x, y, **look(number), label=name)
    ax.set(xlim=(0, 1), ylim=(0, 1))
    label_axes(ax, "believed probability", "true probability")
    ax.legend(frameon=False, loc="upper left")
    return fig


def show_reliability(belief: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> None:
    """Show `reliability` with its numbers in words."""
    numbers = "; ".join(
        f"{name}: " + ", ".join(f"{a:.2f} true {b:.2f}" for a, b in reliability_bins(*sides))
        for name, sides in belief.items()
    )
    show(
        reliability(belief),
        alt="True over believed probability of the ten items of every list, in groups of equal"
        f" size. Believed, true: {numbers}.",
        caption="On the diagonal a model is calibrated; below it, it believes too much. Each"
        " marker: an eighth of the recommended items.",
    )


def show_share_of_ceiling(shares) -> None:
    """Show the share of the exact ceiling's NDCG@10 over the number of training users, one curve
    per model, and what the largest world adds to the smallest.

    Args:
        shares: frame, users x model, with "causal", "causal + chain", "EASE" and "chain".
    """
    names = ["causal + chain", "causal", "EASE", "chain"]
    users = shares.index.tolist()
    series = {name: shares[name].round(3).tolist() for name in names}
    y_label = "share of the ceiling's NDCG@10"
    fig = curves(users, series, x_label="users in the world", x_unit="log scale", y_label=y_label)
    ax = fig.axes[0]
    log_ticks(ax, users, ",")
    ax.set_ylim(0, 1.05)
    ax.axhline(1.0, color="black", linewidth=1.2)
    note(ax, "ceiling", (users[0], 1.0), (0, 3), va="bottom", fontsize=9)
    values = "; ".join(f"{name}: {shares[name].round(2).tolist()}" for name in names)
    show(
        fig,
        alt=f"Share of the ceiling's NDCG@10 over the number of users: {values}.",
        caption="The Transformer's share grows with the data; the chain adds what the Transformer"
        " learns slowly: single steps.",
    )
    first, last = shares.loc[min(users)], shares.loc[max(users)]
    say(
        f"At {first.name:,} users the causal model reaches {first['causal']:.0%} of the ceiling, at"
        f" {last.name:,} users {last['causal']:.0%}; with the chain {first['causal + chain']:.0%}"
        f" and {last['causal + chain']:.0%}.",
        f"EASE, which ignores order, goes from {first['EASE']:.0%} to {last['EASE']:.0%}.",
    )
