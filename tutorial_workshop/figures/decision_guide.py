"""Notebook 06: paired tests with a verdict against a margin, where two curves cross, and advice
that comes out of the numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tutorial_lib.errors import InputError, unknown_name
from tutorial_lib.evaluation import holm
from tutorial_workshop.figures.grid import COSTS, NOT_CHOSEN, at_labels, plain, summary
from tutorial_workshop.figures.language_models import paired
from tutorial_workshop.page.plots import OKABE_ITO

ALPHA = 0.05


def verdict(low: float, high: float, p: float, margin: float) -> str:
    """What an interval and an adjusted p say about a difference, given the margin below which it
    does not matter.

    "equivalent": the 95 % interval lies within ± margin (two one-sided tests at .025 each). Else
    "better" or "worse": adjusted p < .05. Else "inconclusive": it may be 0, or it may matter, or
    there is no interval (nan).

    >>> verdict(0.01, 0.06, 0.001, 0.02), verdict(-0.01, 0.01, 0.9, 0.02), verdict(-0.01, 0.06, 0.2, 0.02)
    ('better', 'equivalent', 'inconclusive')
    """
    if -margin < low and high < margin:
        return "equivalent"
    if not p < ALPHA:  # nan: not measured
        return "inconclusive"
    return "better" if low + high > 0 else "worse"


def contrasts(
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
        if (c := paired(rows, name, base, count, metric)) is not None
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


def crossing(frame: pd.DataFrame) -> tuple[int, int] | None:
    """Between which two budgets the sign of the gain changes for good; None if the same side leads
    at the largest and all smaller ones.

    frame: rows of `contrasts` of one strategy against one baseline. The sign alone, no test: say
        how sure each side is beside it.

    >>> crossing(pd.DataFrame({"labels": [8, 16, 64], "gain": [0.02, 0.01, -0.01]}))
    (16, 64)
    """
    frame = frame.sort_values("labels")
    ahead, counts = (frame["gain"] > 0).to_numpy(), frame["labels"].to_numpy()
    changes = np.flatnonzero(ahead[1:] != ahead[:-1])
    return (int(counts[changes[-1]]), int(counts[changes[-1] + 1])) if len(changes) else None


def gains(frame: pd.DataFrame, margin: float, metric: str = "NDCG@10"):
    """Gains of `contrasts` over the budgets, one panel a strategy, with 95 % intervals and the
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


def sides(frame: pd.DataFrame) -> str:
    """`crossing` in words, after "the strategy ...".

    >>> sides(pd.DataFrame({"labels": [8, 16, 64], "gain": [0.02, 0.01, -0.01]}))
    'leads up to 16 labels and trails from 64 on'
    """
    between, leads = crossing(frame), frame.sort_values("labels")["gain"].iloc[-1] > 0
    before, after = ("trails", "leads") if leads else ("leads", "trails")
    return (
        f"{before} up to {between[0]} labels and {after} from {between[1]} on"
        if between
        else f"{after} at every budget"
    )


@dataclass(frozen=True)
class Choice:
    """strategy: the advice. labels: recorded budget that it rests on (0: it needs none). best: the
    highest mean among what fits.

    ties: what fits and is not significantly worse than the best, which is one of them. reasons:
        sentences. table: one row a strategy.
    """

    strategy: str
    labels: int
    best: str
    ties: tuple[str, ...]
    reasons: tuple[str, ...]
    table: pd.DataFrame


def guide(
    rows: pd.DataFrame,
    labels: int,
    *,
    limits: dict[str, float] | None = None,
    cheap: str = "ms a user",
    most_loss: float = np.inf,
    metric: str = "ndcg@10",
) -> Choice:
    """Which strategy to take, out of recorded runs: the cheapest of those that fit and are not
    significantly worse than the best of them.

    rows: of `figures_grid.select`. labels: users with labels that you have; the largest recorded
        budget up to it counts. limits: column of
    `figures_grid.COSTS` -> most that you can pay, e.g. {"ms a user": 50, "stored_bytes": 1e6}; a
    cost that nobody counted does not fit.
    cheap: the cost that decides among ties. most_loss: a tie may have at most this much less than
        the best, in the mean of the pairs.
    Raises InputError for an unknown cost, a number below 0, no rows, and where nothing fits.
    """
    limits = dict(limits or {})
    means, fits = _fitting(rows, labels, limits, cheap, metric)
    best = fits.iloc[0]
    others = [name for name in fits["strategy"] if name != best["strategy"]]
    found = [
        (name, paired(rows, name, best["strategy"], int(fits["labels"].max()), metric))
        for name in others
    ]
    tests = {name: test for name, test in found if test is not None}
    adjusted = holm([test.p for test in tests.values()])
    tied = {
        n
        for (n, test), p in zip(tests.items(), adjusted, strict=True)
        if test.difference >= (0 if p < ALPHA else -most_loss)
    }
    ties = fits[fits["strategy"].isin([best["strategy"], *tied])]
    chosen = ties.sort_values([cheap, "mean"], ascending=[True, False]).iloc[0]
    left_out = "worse than the best" if most_loss == np.inf else "loses too much"
    role = dict.fromkeys(fits["strategy"], left_out) | dict.fromkeys(
        ties["strategy"], "tie with the best"
    )
    role[best["strategy"]] = "best"
    role[chosen["strategy"]] = (
        "chosen" if chosen["strategy"] != best["strategy"] else "best, chosen"
    )
    table = means.assign(role=[role.get(name, "does not fit") for name in means["strategy"]])
    reasons = _reasons(means, fits, best, ties, chosen, tests, cheap)
    return Choice(
        chosen["strategy"],
        int(chosen["labels"]),
        best["strategy"],
        tuple(ties["strategy"]),
        tuple(reasons),
        table,
    )


def _fitting(
    rows: pd.DataFrame, labels: int, limits: dict[str, float], cheap: str, metric: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(what was recorded up to so many labels, what of it keeps the limits), best first."""
    for name in [*limits, cheap]:
        if name not in COSTS:
            raise unknown_name("cost", name, COSTS)
    if labels < 0 or min(limits.values(), default=0) < 0:
        raise InputError(f"guide(labels={labels}, limits={limits}): expected numbers from 0")
    means = at_labels(summary(rows, metric), labels)
    means = means[~means["strategy"].isin(NOT_CHOSEN)]
    keeps = pd.Series(True, index=means.index)
    for name, most in limits.items():
        keeps &= means[name] <= most
    if not keeps.any():
        least = {name: float(means[name].min()) for name in limits}
        raise InputError(
            f"guide: nothing recorded fits labels={labels} and limits={limits}; the least of each"
            f" is {least}: raise them"
        )
    return means, means[keeps]


def _reasons(means, fits, best, ties, chosen, tests, cheap) -> list[str]:
    """The way to the choice in sentences."""
    out = [
        f"{len(fits)} of {len(means)} strategies fit your limits; the best of them is"
        f" `{best['strategy']}`, mean {best['mean']:.3f}."
    ]
    if len(ties) == 1:
        return [
            *out,
            f"All others that fit are worse than you allow, so `{best['strategy']}` it is.",
        ]
    names = ", ".join(f"`{name}`" for name in ties["strategy"] if name != best["strategy"])
    out.append(f"Not significantly worse (paired, Holm over {len(tests)} tests): {names}.")
    price = f"{plain(chosen[cheap])} against {plain(best[cheap])} {COSTS[cheap]}"
    if chosen["strategy"] == best["strategy"]:
        return [
            *out,
            f"The best is also the cheapest of them ({plain(chosen[cheap])} {COSTS[cheap]}).",
        ]
    loss = tests[chosen["strategy"]]
    return [
        *out,
        (
            f"The cheapest of them is **`{chosen['strategy']}`**: {price}. What that may cost in"
            f" accuracy: {-loss.difference:.3f}, 95 % interval {-loss.ci[1]:+.3f} to"
            f" {-loss.ci[0]:+.3f}."
        ),
    ]
