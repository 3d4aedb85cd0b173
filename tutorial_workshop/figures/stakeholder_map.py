"""The stakeholder map of notebook 08: who bears which class of harm, and how large the risk is
before any evidence.
"""

from __future__ import annotations

import pandas as pd

from tutorial_workshop.page.output import show
from tutorial_workshop.page.plots import OKABE_ITO, label_axes

LARGEST = 16  # severity 4 x likelihood 4


def draw_stakeholder_map(risks: pd.DataFrame):
    """A grid of stakeholders and harm classes; size and number of a dot are the risk. risks: of
    `audit.register.stakeholders`.
    """
    import matplotlib.pyplot as plt

    ordered = risks.loc[risks.max(axis=1).sort_values(kind="stable").index]
    fig, ax = plt.subplots(figsize=(7.0, 0.9 + 0.4 * len(ordered)), layout="constrained")
    for row, (_, values) in enumerate(ordered.iterrows()):
        for column, risk in enumerate(values):
            if risk:
                colour = OKABE_ITO["vermillion" if risk / LARGEST > 0.5 else "sky"]
                style = {"color": colour, "edgecolor": "black", "linewidth": 0.8}
                ax.scatter(column, row, s=90 + 45 * risk, **style)
                ax.text(column, row, str(risk), ha="center", va="center", fontsize=9, color="black")
    ax.set_yticks(range(len(ordered)), ordered.index)
    ax.set_xticks(range(ordered.shape[1]), ordered.columns)
    ax.set_xlim(-0.6, ordered.shape[1] - 0.4)
    ax.set_ylim(-0.7, len(ordered) - 0.3)
    label_axes(ax, "harm class", "stakeholder")
    return fig


def show_stakeholder_map(risks: pd.DataFrame) -> None:
    """Show the map, every risk in words."""
    numbers = "; ".join(
        f"{who}: {', '.join(f'{harm} {risk}' for harm, risk in row.items() if risk)}"
        for who, row in risks.iterrows()
    )
    show(
        draw_stakeholder_map(risks),
        alt=f"Stakeholders by harm class; the number is the highest risk. {numbers}.",
        caption="Risk = severity times likelihood, 1 to 16. H1 user quality, H2 exposure, H3"
        " privacy, H4 truth, H5 manipulation, H6 long run.",
    )
