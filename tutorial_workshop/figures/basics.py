"""Notebooks 00 and 01: the contest, one user's lists, the metric playground, repeated draws of the
targets, and where a sampled metric reads.

Functions that draw are pure: the same arguments give the same picture. Hand what they return to
``show`` or ``explore``.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence

import numpy as np

from tutorial_lib.errors import InputError
from tutorial_workshop.page.output import say, show
from tutorial_workshop.page.plots import OKABE_ITO, box, label_axes, log_ticks, look, note

LONGEST_LIST = 20  # ranks that the playground draws
INK = {"hit": OKABE_ITO["orange"], "other": "#EDEDED", "cut": "black"}


def metric_values(rank: int, k: int) -> dict[str, float]:
    """MRR@k, NDCG@k and recall@k of one list whose only relevant item stands at ``rank`` (from 1).

    >>> {name: round(value, 3) for name, value in metric_values(rank=2, k=5).items()}
    {'MRR': 0.5, 'NDCG': 0.631, 'recall': 1.0}
    """
    if rank < 1 or k < 1:
        raise InputError(f"metric_values(rank={rank}, k={k}): both count from 1")
    inside = rank <= k
    return {"MRR": inside / rank, "NDCG": inside / math.log2(rank + 1), "recall": float(inside)}


def _draw_list(ax, rank: int, k: int) -> None:
    """The ranked list as boxes, the hit marked, a line under rank k."""
    for place in range(1, LONGEST_LIST + 1):
        hit = place == rank
        style = {"facecolor": INK["hit"], "edgecolor": "black", "hatch": "//"}
        if not hit:
            style = {"facecolor": INK["other"], "edgecolor": "#AAAAAA"}
        box(ax, (0, place - 0.42), 1, 0.84, **style)
        ink = "black" if place <= k else "#666666"
        ax.text(-0.08, place, str(place), ha="right", va="center", fontsize=9, color=ink)
    behind = {"facecolor": "white", "edgecolor": "none", "pad": 1.2}
    ax.text(0.5, rank, "hit", ha="center", va="center", fontweight="bold", bbox=behind)
    ax.plot([-0.3, 1.1], [k + 0.5, k + 0.5], color=INK["cut"], linestyle="--", linewidth=1.6)
    ax.text(1.15, k + 0.5, f"k = {k}", va="center")
    ax.set(xlim=(-0.35, 1.75), ylim=(LONGEST_LIST + 0.8, 0.2))
    ax.set_title("Ranked list")
    ax.axis("off")


def metric_playground(rank: int, k: int):
    """One ranked list with its hit at ``rank``, and what three metrics make of it as the hit moves.

    Args:
        rank: place of the only relevant item, 1 to 20.
        k: cut-off, 1 to 20.

    Returns:
        A matplotlib ``Figure``.
    """
    import matplotlib.pyplot as plt

    fig, (left, right) = plt.subplots(1, 2, figsize=(8.6, 4.6), width_ratios=[1, 3.4])
    _draw_list(left, rank, k)
    # the metrics jump at the cut: no line across it
    parts = range(1, k + 1), range(k + 1, LONGEST_LIST + 1)
    for number, (name, value) in enumerate(metric_values(rank, k).items()):
        style = look(number)
        for part in parts:
            values = [metric_values(r, k)[name] for r in part]
            right.plot(part, values, **{**style, "marker": "."}, linewidth=1.8, markersize=5)
        label = f"{name}@{k} = {value:.3f}"
        style |= {"linestyle": "none", "markersize": 12, "markeredgecolor": "black"}
        right.plot([rank], [value], **style, label=label)
    right.axvline(rank, color="#999999", linewidth=1, zorder=0)
    right.set(xlim=(0.4, LONGEST_LIST + 0.6), ylim=(-0.04, 1.06), xticks=[1, 5, 10, 15, 20])
    right.legend(loc="upper right", frameon=True, framealpha=0.95)
    title = f"Hit at rank {rank}, cut-off {k}"
    label_axes(right, "rank of the hit", "value of the metric", title=title)
    return fig


def describe_playground(rank: int, k: int) -> str:
    """The playground's picture in one sentence."""
    values = ", ".join(
        f"{name}@{k} = {value:.3f}" for name, value in metric_values(rank, k).items()
    )
    return f"Hit at rank {rank}: {values}." + (
        "" if rank <= k else f" Rank {rank} lies below the cut-off {k}: every metric is 0."
    )


def metric_curves(k: int = 10):
    """All three metrics against the rank of the hit, for one cut-off: the still version of the
    playground.
    """
    from tutorial_workshop.page.plots import curves

    ranks = list(range(1, LONGEST_LIST + 1))
    series = {
        f"{name}@{k}": [metric_values(r, k)[name] for r in ranks] for name in metric_values(1, k)
    }
    fig = curves(
        ranks, series, x_label="rank of the only relevant item", y_label="value of the metric"
    )
    fig.axes[0].set_xticks([1, 5, 10, 15, 20])
    return fig


def depth_curves(
    depths: Sequence[int], found: Mapping[str, Sequence[float]], *, read_at: Mapping[str, float]
):
    """hit@k of some models over the cut-off k (logarithmic), with the places marked at which
    metrics read them.

    Args:
        depths: cut-offs, rising. found: model -> hit@k for each of them.
        read_at: name of a metric -> the depth that it reads.
    """
    from tutorial_workshop.page.plots import curves

    fig = curves(
        depths,
        found,
        x_label="cut-off k of the full ranking",
        x_unit="items, log scale",
        y_label="hit@k",
    )
    ax = fig.axes[0]
    log_ticks(ax, depths, "d")
    ax.set_ylim(0, 1.05)
    for name, depth in read_at.items():
        ax.axvline(depth, color="black", linestyle=":", linewidth=1.6)
        text = name.replace(" ", "\n") + "\nreads here"
        note(ax, text, (depth, 1.03), (4, 0), va="top", fontsize=9)
    return fig


def two_panels(panels: Mapping[str, Mapping[str, float]], *, units: Sequence[str]):
    """Small horizontal bar charts side by side, each with its own scale and its values in text.

    Args:
        panels: title -> label -> value; the same labels in each.
        units: one axis label per panel.
    """
    import matplotlib.pyplot as plt

    fig, axes = plt.subplots(1, len(panels), figsize=(8.4, 1.9), sharey=True)
    for ax, (title, values), unit in zip(axes, panels.items(), units, strict=True):
        for row, (label, value) in enumerate(values.items()):
            style = {"color": OKABE_ITO["orange" if row else "sky"], "hatch": "//" if row else None}
            ax.barh(label, value, **style, edgecolor="black", linewidth=0.6)
            note(ax, f"{value:,.0f}", (value, row), (5, 0), va="center")
        ax.margins(x=0.22)
        ax.grid(axis="y", visible=False)
        label_axes(ax, unit, "", title=title)
    axes[0].invert_yaxis()
    return fig


def user_lists(history: Sequence[str], lists: Mapping[str, Sequence[str]], target: str):
    """One user as text cards: the newest items of the history, then each model's list, the held-out
    item marked wherever it appears.

    Args:
        history: titles, oldest first.
        lists: model name -> titles, best first.
        target: title of the held-out item.
    """
    import matplotlib.pyplot as plt

    columns = {
        "What the user chose\n(newest last)": list(history),
        **{f"{name}\nrecommends": list(titles) for name, titles in lists.items()},
    }
    rows = max(map(len, columns.values()))
    fig, axes = plt.subplots(1, len(columns), figsize=(9.2, 0.62 * rows + 1.3))
    for number, (ax, (title, titles)) in enumerate(zip(axes, columns.items(), strict=True)):
        for row, text in enumerate(titles):
            hit = number > 0 and text == target
            face = INK["hit"] if hit else "white"
            box(ax, (0, row), 1, 0.88, facecolor=face, edgecolor="black" if hit else "#999999")
            label = ("HIT: " if hit else f"{row + 1}. " if number else "") + text
            lines = "\n".join(textwrap.wrap(label, 32)[:2])
            weight = "bold" if hit else "normal"
            ax.text(0.03, row + 0.44, lines, va="center", fontsize=9, fontweight=weight)
        ax.set(xlim=(0, 1.02), ylim=(rows, -0.1))
        ax.set_title(title, fontsize=11)
        ax.axis("off")
    fig.supxlabel("Held out, what the user chose next: " + target, fontsize=10, x=0.02, ha="left")
    return fig


def choices_of(letters: str, rounds: int, options: int) -> list[int] | None:
    """A learner's letters as places from 0, one per round; None where none was written.

    Raises:
        InputError: another number of letters, or a letter that no option has.

    >>> choices_of("b a", rounds=2, options=5)
    [1, 0]
    """
    written = "".join(letters.split()).upper()
    if not written:
        return None
    known = "ABCDEFGHIJ"[:options]
    if len(written) != rounds or not set(written) <= set(known):
        raise InputError(
            f"MINE = {letters!r}: expected {rounds} letters from {known[0]} to {known[-1]}, one per"
            f" round, such as {known[:rounds].ljust(rounds, known[0])!r}"
        )
    return [known.index(letter) for letter in written]


def redrawn_histogram(differences: np.ndarray, expected: float, names: str):
    """How often each difference of two models came out when the targets were drawn again.

    Args:
        differences: one mean difference per repetition.
        expected: the same difference in expectation.
        names: what is subtracted from what.
    """
    import matplotlib.pyplot as plt

    fig, ax = plt.subplots(figsize=(7.4, 2.9), layout="constrained")
    ax.hist(differences, bins=20, color=OKABE_ITO["sky"], edgecolor="black", hatch="//")
    ax.axvline(0, color="black", linewidth=1)
    ax.axvline(expected, color=OKABE_ITO["vermillion"], linewidth=2.5, linestyle="--")
    ax.set_ylim(0, 1.18 * ax.get_ylim()[1])  # room for the words above the bars
    note(ax, " in expectation", (expected, ax.get_ylim()[1]), (2, -4), va="top")
    label_axes(ax, f"{names}, NDCG@10", "repetitions of the draw")
    return fig


def show_redrawn(differences: np.ndarray, known, *, names: str) -> None:
    """Show `redrawn_histogram`, and in words how often the sign was wrong.

    Args:
        differences: one mean difference per repetition.
        known: the ``Comparison`` of the same users in expectation.
        names: what is subtracted from what.
    """
    low, high = float(differences.min()), float(differences.max())
    wrong = float((differences * known.difference <= 0).mean())
    mean = float(differences.mean())
    show(
        redrawn_histogram(differences, known.difference, names),
        alt=f"Histogram of {len(differences)} differences {names} from {low:+.3f} to {high:+.3f},"
        f" mean {mean:+.4f}; dashed line, in expectation: {known.difference:+.4f}.",
        caption="Same lists, same users, only the drawn targets differ. Left of the black line the"
        " draw names the wrong winner.",
    )
    say(
        f"{known.n} users, {len(differences)} repetitions: the drawn difference lies between"
        f" {low:+.3f} and {high:+.3f}, and names the wrong model in {wrong:.0%} of them.",
        f"Its mean is {mean:+.4f}. In expectation the difference is {known.difference:+.4f}, 95 %"
        f" interval {known.ci[0]:+.4f} to {known.ci[1]:+.4f}.",
    )
