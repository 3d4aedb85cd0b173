"""Notebook 06: paired tests declared beforehand, each with a verdict against a margin, drawn and in
words.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from tutorial_lib.evaluation import holm
from tutorial_workshop.figures.language_models import paired_by_label
from tutorial_workshop.page.output import say, show, table
from tutorial_workshop.page.plots import OKABE_ITO

ALPHA = 0.05


def verdict(low: float, high: float, p: float, margin: float) -> str:
    """What an interval and an adjusted p say about a difference, given the margin below which it
    does not matter.

    It is not the audit's rule (`audit.verdict_of`): there a difference counts only if all of its
    interval lies beyond the margin; here, as declared in notebook 06, adjusted p decides.

    "equivalent": the 95 % interval lies within ± margin (two one-sided tests at .025 each). Else
    "better" or "worse": adjusted p < .05. Else "inconclusive": it may be 0, or it may matter, or
    there is no interval (nan).

    >>> verdict(0.01, 0.06, p=0.001, margin=0.02), verdict(-0.01, 0.01, p=0.9, margin=0.02)
    ('better', 'equivalent')
    """
    if -margin < low and high < margin:
        return "equivalent"
    if not p < ALPHA:  # nan: not measured
        return "inconclusive"
    return "better" if low + high > 0 else "worse"


def family_tests(
    rows: pd.DataFrame,
    pairs: Sequence[tuple[str, str]],
    labels: Sequence[int],
    margin: float,
    metric: str = "ndcg@10",
):
    """Paired tests of a family declared beforehand: strategy minus baseline at each number of
    labels, p adjusted over all (Holm).

    rows: of `figures_grid.select`. pairs: (strategy, baseline); what was not run is left out.
        margin: see `verdict`.
    Returns a frame: strategy, against, labels, gain, 95 % low, 95 % high, pairs (users within
    seeds; they are not independent: `compare_seeds`), detectable (the true difference that such
    runs reveal in 80 % of repetitions, for one test), p adjusted, verdict.
    """
    found = [
        (name, base, int(count), c.difference, *c.ci, c.pairs, c.minimum_detectable_effect, c.p)
        for name, base in pairs
        for count in labels
        if (c := paired_by_label(rows, name, base, count, metric)) is not None
    ]
    columns = [
        "strategy",
        "against",
        "labels",
        "gain",
        "95 % low",
        "95 % high",
        "pairs",
        "detectable",
        "p adjusted",
    ]
    frame = pd.DataFrame(found, columns=columns)
    frame["p adjusted"] = holm(frame["p adjusted"])
    frame["verdict"] = [
        verdict(low, high, p, margin)
        for low, high, p in frame[["95 % low", "95 % high", "p adjusted"]].to_numpy()
    ]
    return frame


def gains(frame: pd.DataFrame, margin: float, metric: str = "NDCG@10"):
    """Gains of `family_tests` over the budgets, one panel a strategy, with 95 % intervals and the
    margin as a band.

    Filled markers: better or worse; squares: equivalent; hollow circles: inconclusive.
    """
    import matplotlib.pyplot as plt

    names = frame["strategy"].unique()
    fig, axes = plt.subplots(
        1,
        len(names),
        figsize=(9.4, 3.4),
        sharey=True,
        sharex=True,
        layout="constrained",
        squeeze=False,
    )
    looks = {
        "better": ("^", "green", 1),
        "worse": ("v", "vermillion", 1),
        "equivalent": ("s", "blue", 1),
        "inconclusive": ("o", "blue", 0),
    }
    for ax, name in zip(axes[0], names, strict=True):
        ax.axhspan(-margin, margin, color="#EEEEEE", zorder=0)
        ax.axhline(0, color="black", linewidth=1, linestyle="-")
        for row in frame[frame["strategy"] == name].to_dict("records"):
            marker, colour, filled = looks[row["verdict"]]
            around = [[row["gain"] - row["95 % low"]], [row["95 % high"] - row["gain"]]]
            fill = OKABE_ITO[colour] if filled else "white"
            look = {
                "marker": marker,
                "color": OKABE_ITO[colour],
                "markerfacecolor": fill,
                "markersize": 8,
                "capsize": 3,
            }
            ax.errorbar([row["labels"]], [row["gain"]], yerr=around, **look)
        ax.set_title(name, fontsize=11)
        counts = sorted(frame["labels"].unique())
        ax.set_xscale("log")
        ax.set_xticks(counts, [f"{count:g}" for count in counts], fontsize=9)
        ax.xaxis.minorticks_off()
        ax.set_xlim(counts[0] / 1.7, counts[-1] * 1.7)
    axes[0][0].set_ylabel(f"{metric}, gain over {frame['against'].iloc[0]}")
    fig.supxlabel("labelled users", fontsize=11)
    return fig


def show_gains(frame: pd.DataFrame, margin: float) -> None:
    """Show `gains` over full fine-tuning, every verdict in words."""
    told = "; ".join(
        f"{row.strategy} at {row.labels}: {row.gain:+.3f}, {row.verdict}"
        for row in frame.itertuples()
    )
    show(
        gains(frame, margin),
        alt="Gain in NDCG@10 over full fine-tuning, one panel per prompt strategy, over labelled"
        f" users. {told}.",
        caption="Up: better; down: worse; square: equivalent; hollow: inconclusive. Whiskers: 95 %"
        " intervals. Grey band: the margin.",
    )


def table_of_tests(frame: pd.DataFrame, caption: str) -> None:
    """Show the tests of a family, one per row."""
    columns = ["against", "labels", "gain", "95 % low", "95 % high", "p adjusted", "verdict"]
    table(
        frame.set_index("strategy")[columns],
        caption=f"{caption}, {len(frame)} tests",
        digits=3,
    )


def say_which_were_run(
    declared: Sequence[tuple[str, str]], labels: Sequence[int], frame: pd.DataFrame
) -> None:
    """Say how many tests were declared, and which of them have no runs behind them.

    Args:
        declared: (strategy, baseline). labels: budgets of each.
        frame: of `family_tests`.
    """
    ran = set(zip(frame["strategy"], frame["against"], frame["labels"], strict=True))
    missing = [
        f"`{name}` against `{base}` at {count} labels"
        for name, base in declared
        for count in labels
        if (name, base, count) not in ran
    ]
    rest = f"**Not run**: {', '.join(missing)}" if missing else "All of them were run"
    say(f"Declared: {len(declared) * len(labels)} tests. {rest}.")


def say_what_could_be_seen(frame: pd.DataFrame, margin: float) -> None:
    """Say how often each verdict was given, and which difference such tests reveal."""
    counts = ", ".join(f"{n} {verdict}" for verdict, n in frame["verdict"].value_counts().items())
    detectable, pairs = frame["detectable"].median(), frame["pairs"].median()
    times = "That is below the margin."
    if detectable > margin:
        times = (
            f"That is {detectable / margin:.1f} times the margin of {margin}: it takes more seeds"
            " and more users to see a difference as small as that."
        )
    say(
        f"Of {len(frame)} tests: {counts}.",
        f"What the test could see: a true difference of {detectable:.3f} (median) in 80 % of"
        f" repetitions, with {pairs:.0f} pairs. {times}",
    )


def order_in_words(rows: pd.DataFrame) -> str:
    """Who leads where, by the verdicts over the budgets; the signs of the mean gains beside them.

    >>> rows = {"labels": [8, 64], "gain": [0.1, -0.1], "verdict": ["better", "worse"]}
    >>> order_in_words(pd.DataFrame(rows))
    'shown ahead at 8 and shown behind at 64; signs of the mean gains: +−'
    """
    rows = rows.sort_values("labels")
    parts = []
    for verdict_name, words in (("better", "shown ahead at"), ("worse", "shown behind at")):
        labels = rows.loc[rows["verdict"] == verdict_name, "labels"]
        if len(labels):
            parts.append(f"{words} {', '.join(map(str, labels))}")
    order = " and ".join(parts) or "no order is shown at any budget"
    signs = "".join("+" if gain > 0 else "−" for gain in rows["gain"])
    unstable = " (no stable order)" if len(set(signs)) > 1 and len(parts) < 2 else ""
    return f"{order}; signs of the mean gains: {signs}{unstable}"
