"""Paired tests declared beforehand, each with a verdict against a margin, drawn and in words."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from tutorial_lib.evaluation import Comparison, compare, holm_comparisons
from tutorial_workshop.figures.crossings import at_budget
from tutorial_workshop.page.output import say, show, table
from tutorial_workshop.page.plots import OKABE_ITO, log_ticks, whiskers


def compared(
    rows: pd.DataFrame, strategy: str, against: str, labels: int, metric: str = "ndcg@10"
) -> Comparison | None:
    """`compare` of two strategies with so many labelled users, over the users and seeds that both
    have; None if one of them was not run.
    """
    a, b = (at_budget(rows, name, labels, metric) for name in (strategy, against))
    common = a.index.intersection(b.index)
    return compare(a.loc[common], b.loc[common], metric) if len(common) else None


def family_tests(
    rows: pd.DataFrame,
    pairs: Sequence[tuple[str, str]],
    labels: Sequence[int],
    margin: float,
    metric: str = "ndcg@10",
) -> pd.DataFrame:
    """A family of tests declared beforehand, one row each: a strategy minus a baseline.

    Args:
        rows: of `grid.select`.
        pairs: (strategy, baseline); what was not run is left out.
        labels: numbers of labelled users, for each of the pairs.
        margin: see `Comparison.verdict`; p-values are adjusted over the family (Holm).
        metric: column of ``rows``.

    Returns:
        Columns strategy, against, labels, pairs (users within seeds), gain, 95 % low, 95 % high (of
        this one test), p adjusted, detectable (the true difference that is seen in 80 % of
        repetitions, after the adjustment), verdict.
    """
    tests = [(name, base, int(count)) for name, base in pairs for count in labels]
    found = {test: c for test in tests if (c := compared(rows, *test, metric=metric)) is not None}
    frame = pd.DataFrame(list(found), columns=["strategy", "against", "labels"])
    frame["pairs"] = [c.pairs for c in found.values()]
    adjusted = holm_comparisons({str(test): c for test, c in found.items()}, margin)
    adjusted = adjusted.drop(columns=["p", "p_equivalent", "n"]).reset_index(drop=True)
    names = {"difference": "gain", "low": "95 % low", "high": "95 % high", "p_holm": "p adjusted"}
    return frame.join(adjusted.rename(columns=names))


MARKS = {  # verdict -> marker, colour, whether it is filled
    "better": ("^", OKABE_ITO["green"], True),
    "worse": ("v", OKABE_ITO["vermillion"], True),
    "equivalent": ("s", OKABE_ITO["blue"], True),
    "inconclusive": ("o", OKABE_ITO["blue"], False),
}


def gains(frame: pd.DataFrame, margin: float):
    """Gains of `family_tests` over the budgets, one panel per pair, with 95 % intervals and the
    margin as a band; markers as in `MARKS`.
    """
    import matplotlib.pyplot as plt

    pairs = list(frame.groupby(["strategy", "against"], sort=False))
    share = {"sharey": True, "sharex": True, "squeeze": False, "layout": "constrained"}
    fig, axes = plt.subplots(1, len(pairs), figsize=(9.4, 3.4), **share)
    counts = sorted(frame["labels"].unique())
    for ax, ((name, base), rows) in zip(axes[0], pairs, strict=True):
        ax.axhspan(-margin, margin, color="#EEEEEE", zorder=0)
        ax.axhline(0, color="black", linewidth=1, linestyle="-")
        for row in rows.to_dict("records"):
            marker, colour, filled = MARKS[row["verdict"]]
            around = whiskers(row["gain"], row["95 % low"], row["95 % high"])
            style = {"marker": marker, "color": colour, "markersize": 8, "capsize": 3}
            style["markerfacecolor"] = colour if filled else "white"
            ax.errorbar([row["labels"]], [row["gain"]], yerr=around, **style)
        ax.set_title(f"{name}\n− {base}", fontsize=10)
        log_ticks(ax, counts)
        for label in ax.get_xticklabels():
            label.set_fontsize(9)
        ax.set_xlim(counts[0] / 1.7, counts[-1] * 1.7)
    axes[0][0].set_ylabel("gain in NDCG@10")
    fig.supxlabel("labelled users", fontsize=11)
    return fig


def show_gains(frame: pd.DataFrame, margin: float) -> None:
    """Show `gains`, every verdict in words."""
    numbers = "; ".join(
        f"{row.strategy} minus {row.against} at {row.labels}: {row.gain:+.3f}, {row.verdict}"
        for row in frame.itertuples()
    )
    show(
        gains(frame, margin),
        alt=f"Gain in NDCG@10 over labelled users, one panel per pair of strategies. {numbers}.",
        caption="Up: better; down: worse; square: equivalent; hollow: inconclusive. Whiskers: 95 %"
        f" intervals of each test alone; verdicts are adjusted for all. Grey band: the margin,"
        f" ± {margin}.",
    )


def table_of_tests(frame: pd.DataFrame, caption: str) -> None:
    """Show the tests of a family, one per row, folded."""
    shown = ["against", "labels", "gain", "95 % low", "95 % high", "p adjusted", "detectable"]
    table(
        frame.set_index("strategy")[[*shown, "verdict"]],
        caption=f"{caption}, {len(frame)} tests",
        digits=3,
        fold=True,
    )


def share_decided(frame: pd.DataFrame) -> float:
    """The share of the tests of `family_tests` that ended better, worse or equivalent."""
    return float((frame["verdict"] != "inconclusive").mean())


def say_which_were_run(
    name: str, declared: Sequence[tuple[str, str]], labels: Sequence[int], frame: pd.DataFrame
) -> None:
    """Say how many tests of a family were declared, and which of them have no runs behind them.

    Args:
        name: of the family.
        declared: (strategy, baseline).
        labels: budgets of each.
        frame: of `family_tests`.
    """
    ran = set(zip(frame["strategy"], frame["against"], frame["labels"], strict=True))
    missing = [
        f"`{own}` against `{base}` at {count} labels"
        for own, base in declared
        for count in labels
        if (own, base, count) not in ran
    ]
    rest = f"**Not run**: {', '.join(missing)}" if missing else "all of them were run"
    say(f"{name}: {len(declared) * len(labels)} tests declared; {rest}.")


def say_what_could_be_seen(frame: pd.DataFrame, margin: float) -> None:
    """Say how often each verdict was given, and which difference such tests reveal."""
    counts = ", ".join(f"{n} {verdict}" for verdict, n in frame["verdict"].value_counts().items())
    detectable = frame["detectable"].median()
    seen = "below the margin: what matters can be seen"
    if detectable > margin:
        seen = (
            f"{detectable / margin:.1f} times the margin, so a difference that matters may stay"
            " unseen: it takes more seeds, or more users"
        )
    say(
        f"Of {len(frame)} tests: {counts}. **Decided: {share_decided(frame):.0%}.**",
        f"What such a test can see: a true difference of {detectable:.4f} (median, after the"
        f" adjustment) in 80 % of repetitions. That is {seen}.",
    )


def order_in_words(rows: pd.DataFrame) -> str:
    """Who leads where, by the verdicts over the budgets; the signs of the mean gains beside them.

    >>> rows = {"labels": [16, 64], "gain": [0.1, -0.1], "verdict": ["better", "worse"]}
    >>> order_in_words(pd.DataFrame(rows))
    'ahead at 16; behind at 64 (signs of the mean gains: +−)'
    """
    rows = rows.sort_values("labels")
    words = {"better": "ahead", "worse": "behind", "equivalent": "equivalent"}
    words |= {"inconclusive": "undecided"}
    parts = [
        f"{said} at {', '.join(f'{n:,}' for n in rows.loc[rows['verdict'] == name, 'labels'])}"
        for name, said in words.items()
        if (rows["verdict"] == name).any()
    ]
    signs = "".join("+" if gain > 0 else "−" for gain in rows["gain"])
    turns = sum(a != b for a, b in zip(signs, signs[1:], strict=False))
    unstable = ", no stable order" if turns > 1 else ""
    return f"{'; '.join(parts)} (signs of the mean gains: {signs}{unstable})"
