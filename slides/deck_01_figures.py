"""The figures of deck 1, drawn from its numbers: SVG with text as outlines."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import matplotlib.pyplot as plt
from drawing import BLUE, GREY, INK, ORANGE, PALE, RED, SKY, arrow, box, canvas

NAMES = {
    "oracle": "Ceiling (exact)",
    "transition": "Transition kNN",
    "ease": "EASE",
    "itemknn": "Item kNN",
    "popularity": "Popularity",
    "random": "Random",
}


def two_objectives(numbers: Mapping):
    """Auto-regressive and masked language modelling: which inputs each prediction may see."""
    figure, ax = canvas(11.4, 4.35)
    for left, words, hidden, title in (
        (0, "ABCD", 4, "Auto-regressive"),
        (6.0, "ABCDE", 2, "Masked"),
    ):
        colour = BLUE if hidden == 4 else RED
        ax.text(left, 4.08, title, fontsize=25, fontweight=700, va="center")
        step = 1.08
        for place in range(5):
            x = left + place * step
            masked = place == hidden
            word = "?" if masked else words[place]
            box(
                ax,
                x,
                0.5,
                0.88,
                0.8,
                word,
                fill=colour if masked else PALE,
                ink="white" if masked else INK,
                size=26,
                weight=700,
                edge=colour if masked else GREY,
            )
            if not masked:
                # the arrows arrive side by side
                first = left + hidden * step - 0.06
                last = left + hidden * step + 0.94
                arrow(ax, (x + 0.44, 1.34), (first + (last - first) * place / 4, 2.54))
        box(
            ax,
            left + hidden * step - 0.2,
            2.58,
            1.28,
            0.8,
            "E" if hidden == 4 else "C",
            fill="white",
            edge=colour,
            size=26,
            weight=700,
        )
        note = (
            "sees the past, predicts the next" if hidden == 4 else "sees both sides, fills the gap"
        )
        ax.text(left, 0.16, note, fontsize=20, color=GREY, va="center")
    ax.plot([5.65, 5.65], [0.1, 4.2], color="#C8D0DB", lw=1.5)
    return figure


def architecture(numbers: Mapping):
    """The generic architecture: from data and language to output and evaluation."""
    figure, ax = canvas(11.4, 4.0)
    parts = [
        ("Data", "histories\ntexts, graphs"),
        ("Language", "item tokens\nor prompts"),
        ("Language\nmodel", ""),
        ("Output", "scores\nor text"),
        ("Checks", "accuracy\nand harm"),
    ]
    width, gap, low, high = 1.9, 0.475, 1.15, 1.75
    for place, (name, below) in enumerate(parts):
        x = place * (width + gap)
        core = place == 2
        box(ax, x, low, width, high, "", fill=BLUE if core else PALE, edge=BLUE if core else GREY)
        if core:
            ax.text(
                x + width / 2,
                low + high / 2,
                name,
                ha="center",
                va="center",
                fontsize=25,
                fontweight=700,
                color="white",
                linespacing=0.95,
            )
        else:
            ax.text(
                x + width / 2,
                low + 1.32,
                name,
                ha="center",
                va="center",
                fontsize=25,
                fontweight=700,
            )
            for line, text in enumerate(below.split("\n")):
                ax.text(
                    x + width / 2,
                    low + 0.72 - 0.36 * line,
                    text,
                    ha="center",
                    va="center_baseline",
                    fontsize=19.5,
                )
        if place:
            arrow(ax, (x - gap + 0.03, low + high / 2), (x - 0.03, low + high / 2))
    middle = 2 * (width + gap) + width / 2
    ax.text(
        middle,
        3.72,
        "Objective: what is predicted in training",
        ha="center",
        va="center",
        fontsize=21,
        fontweight=700,
        color=INK,
    )
    arrow(ax, (middle, 3.5), (middle, low + high + 0.04), colour=RED)
    ax.text(
        middle,
        0.24,
        "Strategy: which parameters move",
        ha="center",
        va="center",
        fontsize=21,
        fontweight=700,
        color=INK,
    )
    arrow(ax, (middle, 0.48), (middle, low - 0.04), colour=RED)
    return figure


def answer(numbers: Mapping):
    """The five most probable next items of the example history, with their exact probabilities."""
    figure, ax = plt.subplots(figsize=(6.4, 4.7))
    titles = [numbers[f"top_{place}_title"] for place in range(1, 6)]
    p = [100 * numbers[f"top_{place}_p"] for place in range(1, 6)]
    for place, (title, value) in enumerate(zip(titles, p, strict=True)):
        watched = title == numbers["target_title"]
        weight = 700 if watched else 400
        ax.barh(
            place,
            value,
            height=0.36,
            color=ORANGE if watched else SKY,
            edgecolor=INK,
            hatch="//" if watched else None,
            lw=1,
        )
        ax.text(0, place - 0.43, title, fontsize=18, fontweight=weight, va="center_baseline")
        ax.text(
            value + max(p) * 0.025,
            place + 0.01,
            f"{value:.1f} %" + (" watched" if watched else ""),
            fontsize=18,
            fontweight=weight,
            va="center_baseline",
        )
    ax.set(xlim=(0, max(p) * 1.62), ylim=(4.35, -0.75), yticks=[], xticks=[])
    ax.spines[["left", "bottom"]].set_visible(False)
    figure.subplots_adjust(left=0.005, right=1, top=1, bottom=0)
    return figure


def leaderboard(numbers: Mapping):
    """Baselines and the ceiling: NDCG@10 with 95 % intervals."""
    figure, ax = plt.subplots(figsize=(11.4, 4.35))
    order = sorted(NAMES, key=lambda name: -numbers[f"{name}_ndcg"])
    for row, name in enumerate(order):
        mean, low, high = (numbers[f"{name}_ndcg{end}"] for end in ("", "_low", "_high"))
        top = name == "oracle"
        ax.barh(
            row,
            mean,
            height=0.62,
            color=ORANGE if top else SKY,
            edgecolor=INK,
            hatch="//" if top else None,
            lw=1,
        )
        ax.errorbar(
            mean,
            row,
            xerr=[[mean - low], [high - mean]],
            fmt="none",
            ecolor=INK,
            capsize=7,
            lw=2.2,
            capthick=2.2,
        )
        ax.text(
            high + 0.0025,
            row,
            f"{mean:.3f}",
            va="center",
            fontsize=21,
            fontweight=700 if top else 400,
        )
    ax.axvline(numbers["oracle_ndcg"], color=RED, ls="--", lw=2, zorder=0)
    ax.set_yticks(range(len(order)), [NAMES[name] for name in order], fontsize=21, va="center")
    ax.set(ylim=(len(order) - 0.45, -0.55), xlim=(0, numbers["oracle_ndcg_high"] * 1.1))
    ax.set_xlabel(
        "NDCG@10, full ranking (higher is better); whiskers: 95 % interval over users", fontsize=19
    )
    ax.tick_params(axis="x", labelsize=17)
    ax.tick_params(axis="y", length=0)
    figure.tight_layout(pad=0.3)
    return figure


def sampled(numbers: Mapping):
    """The same models by full ranking and against sampled negatives: HR@10."""
    figure, ax = plt.subplots(figsize=(6.3, 4.9))
    order = sorted(NAMES, key=lambda name: -numbers[f"{name}_hr"])
    for row, name in enumerate(order):
        full, few = numbers[f"{name}_hr"], numbers[f"{name}_sampled_hr"]
        ax.plot([full, few], [row, row], color="#A9B4C2", lw=3, zorder=1)
        for key, x, marker, colour, label in (
            (f"{name}_hr", full, "o", BLUE, "full ranking"),
            (f"{name}_sampled_hr", few, "s", ORANGE, f"{numbers['negatives']} sampled negatives"),
        ):
            ax.plot(
                x,
                row,
                marker,
                ms=11,
                color=colour,
                mec=INK,
                ls="",
                label=label if not row else None,
            )
            low, high = numbers[f"{key}_low"], numbers[f"{key}_high"]
            ax.errorbar(
                x,
                row,
                xerr=[[x - low], [high - x]],
                fmt="none",
                ecolor=INK,
                capsize=9,
                lw=2,
                zorder=3,
            )
    ax.set_yticks(range(len(order)), [NAMES[name] for name in order], fontsize=18, va="center")
    ax.set(ylim=(len(order) - 0.5, -0.6), xlim=(-0.03, 1))
    ax.spines["left"].set_visible(False)
    ax.set_xlabel("HR@10 in the planted world, 95 % intervals", fontsize=18)
    ax.tick_params(axis="x", labelsize=16)
    ax.tick_params(axis="y", length=0)
    figure.legend(
        loc="upper left",
        fontsize=17,
        frameon=False,
        ncols=2,
        handletextpad=0.2,
        columnspacing=0.9,
        borderpad=0,
    )
    figure.tight_layout(pad=0.3, rect=(0, 0, 1, 0.91))
    return figure


FIGURES: dict[str, Callable] = {
    "two_objectives": two_objectives,
    "architecture": architecture,
    "answer": answer,
    "leaderboard": leaderboard,
    "sampled": sampled,
}
