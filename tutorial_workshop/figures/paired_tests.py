"""Notebook 06: paired tests declared beforehand, each with a verdict against a margin, drawn and in
words.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from tutorial_workshop.figures.labels import paired_gains
from tutorial_workshop.page.output import say, show, table
from tutorial_workshop.page.plots import OKABE_ITO, log_ticks, whiskers

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
    """`paired_gains` of a family declared beforehand, each with its verdict.

    Args:
        rows: of `grid.select`.
        pairs: (strategy, baseline); what was not run is left out.
        labels: numbers of labelled users, for each of the pairs.
        margin: see `verdict`.
        metric: column of ``rows``.
    """
    tests = [(name, base, count) for name, base in pairs for count in labels]
    frame = paired_gains(rows, tests, metric)
    ends = frame[["95 % low", "95 % high", "p adjusted"]].to_numpy()
    return frame.assign(verdict=[verdict(low, high, p, margin) for low, high, p in ends])


MARKS = {  # verdict -> marker, colour, whether it is filled
    "better": ("^", OKABE_ITO["green"], True),
    "worse": ("v", OKABE_ITO["vermillion"], True),
    "equivalent": ("s", OKABE_ITO["blue"], True),
    "inconclusive": ("o", OKABE_ITO["blue"], False),
}


def gains(frame: pd.DataFrame, margin: float):
    """Gains of `family_tests` over the budgets, one panel per strategy, with 95 % intervals and the
    margin as a band; markers as in `MARKS`.
    """
    import matplotlib.pyplot as plt

    names = frame["strategy"].unique()
    share = {"sharey": True, "sharex": True, "squeeze": False, "layout": "constrained"}
    fig, axes = plt.subplots(1, len(names), figsize=(9.4, 3.4), **share)
    counts = sorted(frame["labels"].unique())
    for ax, name in zip(axes[0], names, strict=True):
        ax.axhspan(-margin, margin, color="#EEEEEE", zorder=0)
        ax.axhline(0, color="black", linewidth=1, linestyle="-")
        for row in frame[frame["strategy"] == name].to_dict("records"):
            marker, colour, filled = MARKS[row["verdict"]]
            around = whiskers(row["gain"], row["95 % low"], row["95 % high"])
            style = {"marker": marker, "color": colour, "markersize": 8, "capsize": 3}
            style["markerfacecolor"] = colour if filled else "white"
            ax.errorbar([row["labels"]], [row["gain"]], yerr=around, **style)
        ax.set_title(name, fontsize=11)
        log_ticks(ax, counts)
        for label in ax.get_xticklabels():
            label.set_fontsize(9)
        ax.set_xlim(counts[0] / 1.7, counts[-1] * 1.7)
    axes[0][0].set_ylabel(f"NDCG@10, gain over {frame['against'].iloc[0]}")
    fig.supxlabel("labelled users", fontsize=11)
    return fig


def show_gains(frame: pd.DataFrame, margin: float) -> None:
    """Show `gains` over full fine-tuning, every verdict in words."""
    numbers = "; ".join(
        f"{row.strategy} at {row.labels}: {row.gain:+.3f}, {row.verdict}"
        for row in frame.itertuples()
    )
    show(
        gains(frame, margin),
        alt="Gain in NDCG@10 over full fine-tuning, one panel per prompt strategy, over labelled"
        f" users. {numbers}.",
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
