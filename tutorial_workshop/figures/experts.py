"""Notebook 11: which expert reads which domain, and models against a control."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tutorial_workshop.figures.real_model import dots, interval_table
from tutorial_workshop.page.output import show, table
from tutorial_workshop.page.plots import OKABE_ITO, label_axes

STYLES = (("blue", "o"), ("orange", "s"))


def expert_shares(load: pd.DataFrame) -> pd.DataFrame:
    """How much the experts specialise, and how even their load is; intervals over seeds.

    Args:
        load: ``data/results/experts-load.csv.gz``.

    Returns:
        mean, low, high, n of "MODEL: main less shuffled" (share of a domain's tokens at its main
        expert, less the same with domains dealt out anew; mean over domains and layers) and of
        "MODEL: busiest expert" (its share of all tokens).
    """
    seeds = load.groupby(["model", "seed"], sort=False)[["specialisation", "busiest"]].mean()
    parts = {}
    for model, of in seeds.groupby("model", sort=False):
        parts[f"{model}: main less shuffled"] = of["specialisation"]
        parts[f"{model}: busiest expert"] = of["busiest"]
    return interval_table(parts)


def show_experts(load: pd.DataFrame, experts: int) -> pd.DataFrame:
    """Main expert of each domain against shuffled domains, and the load; `expert_shares`."""
    import matplotlib.pyplot as plt

    models, domains = load["model"].unique(), load["domain"].unique()
    fig, ax = plt.subplots(figsize=(7.6, 3.2), layout="constrained")
    for number, (model, (colour, marker)) in enumerate(zip(models, STYLES, strict=True)):
        of = load[load["model"] == model]
        places = np.arange(len(domains))[::-1] + 0.12 - 0.24 * number
        for name, face in (("main", OKABE_ITO[colour]), ("shuffled", "white")):
            means = of.groupby("domain")[name].mean()[domains]
            label = model if name == "main" else f"{model}: domains shuffled"
            ax.plot(means, places, marker, color=OKABE_ITO[colour], mfc=face, label=label)
    ax.axvline(1 / experts, color="#777777", linestyle=":", label="an even spread")
    ax.set_yticks(np.arange(len(domains))[::-1], domains)
    ax.set_xlim(0, 1)
    label_axes(ax, "share of the domain's tokens at its main expert", "")
    fig.legend(loc="outside right upper", frameon=False, fontsize=8)
    means = load.groupby(["model", "domain"], sort=False)[["main", "shuffled"]].mean()
    told = "; ".join(
        f"{model}, {domain}: {row['main']:.2f} against {row['shuffled']:.2f}"
        for (model, domain), row in means.iterrows()
    )
    seeds = load["seed"].nunique()
    show(
        fig,
        alt=f"Share of each domain's tokens at its main expert, against shuffled domains. {told}.",
        caption=f"{experts} experts, means of {seeds} seeds. Filled: domains as planted.",
    )
    found = expert_shares(load)
    table(found, caption=f"Over {seeds} seeds, 95 % intervals", digits=3)
    return found


def show_against(found: pd.DataFrame, base: str, margin: float, caption: str) -> None:
    """Differences from a control with their intervals, and the rows of `joint_table`."""
    import matplotlib.pyplot as plt

    rows = found.drop(base)
    fig, ax = plt.subplots(figsize=(7.6, 0.7 + 0.45 * len(rows)), layout="constrained")
    ax.axvspan(-margin, margin, color="#EEEEEE")
    ax.axvline(0, color="#777777", linewidth=1)
    dots(ax, rows.rename(columns={"difference": "mean"}), color=OKABE_ITO["blue"])
    ax.set_ylim(-0.6, len(rows) - 0.4)
    label_axes(ax, f"NDCG@10 minus that of: {base}", "")
    told = "; ".join(
        f"{name} {row['difference']:+.4f} [{row['low']:+.4f}, {row['high']:+.4f}], {row['verdict']}"
        for name, row in rows.iterrows()
    )
    show(
        fig,
        alt=f"Differences in NDCG@10 from {base}, with 95 % intervals. {told}.",
        caption=f"{caption} Grey: less than the margin of {margin}.",
    )
    table(
        found.drop(columns=["front", "worst seed"]),
        caption=f"Against {base}: paired over seeds and users, adjusted for {len(rows)} tests",
        digits=4,
        fold=True,
    )
