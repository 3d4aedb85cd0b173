"""Notebook 06: advice that comes out of the recorded numbers: the cheapest of what cannot lose more
than the margin.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tutorial_lib.errors import InputError, check_number, unknown_name
from tutorial_workshop.experiments import BASELINES
from tutorial_workshop.figures.grid import COSTS, NOT_CHOSEN, at_labels, cost_in_words, grid_means
from tutorial_workshop.figures.paired_tests import compared
from tutorial_workshop.page.output import table

ABOUT = 2.0  # costs up to this ratio count as the same: times of one model vary by nearly as much


@dataclass(frozen=True)
class Advice:
    """What `guide` advises, and why.

    Attributes:
        strategy: the advice.
        labels: recorded budget that it rests on (0: it needs none).
        best: the highest mean among what fits.
        kept: what fits and cannot lose more than the margin against the best, which is one of them.
        most_lost: what the advice may lose against the best, by its 95 % interval; 0 for the best.
        reasons: sentences.
        table: one row per strategy, with its role and ``most_lost``.
    """

    strategy: str
    labels: int
    best: str
    kept: tuple[str, ...]
    most_lost: float
    reasons: tuple[str, ...]
    table: pd.DataFrame


def guide(
    rows: pd.DataFrame,
    labels: int,
    margin: float,
    *,
    limits: dict[str, float] | None = None,
    only: Collection[str] | None = None,
    cheap: str = "ms a user",
) -> Advice:
    """Which strategy to take, out of recorded runs: the cheapest of those that fit and cannot lose
    more than the margin against the best of them, in NDCG@10.

    Non-inferiority: the whole 95 % interval of the difference from the best lies above -margin. The
    best is chosen on the same users, which flatters it and makes the rule stricter, not laxer.

    Args:
        rows: of `grid.select`.
        labels: users with labels that you have; the largest recorded budget up to it counts.
        margin: what may be lost.
        limits: column of `grid.COSTS` -> most that you can pay, e.g. {"stored_bytes": 1e5}; a cost
            that nobody counted does not fit.
        only: the strategies that come into question (default: all).
        cheap: the cost that decides among what is kept; among the cheapest the best is taken.

    Raises:
        InputError: for an unknown cost, a number below 0, no rows, and where nothing fits.

    Source: Piaggio et al. 2012, doi 10.1001/jama.2012.87802 (how non-inferiority is judged).
    """
    check_number("guide", "(0, inf)", margin=margin)
    rows = at_labels(rows, labels)
    means, fits = _fitting(rows, labels, dict(limits or {}), only, cheap)
    best, budget = fits.iloc[0], int(fits["labels"].max())
    lost = {best["strategy"]: 0.0} | {
        name: _most_lost(rows, name, best["strategy"], budget) for name in fits["strategy"][1:]
    }
    kept = fits[[lost[name] <= margin for name in fits["strategy"]]]
    chosen = kept[kept[cheap] <= ABOUT * kept[cheap].min()].iloc[0]
    name = chosen["strategy"]
    role = dict.fromkeys(means["strategy"], "does not fit")
    role |= dict.fromkeys(fits["strategy"], "may lose too much")
    role |= dict.fromkeys(kept["strategy"], "kept") | {best["strategy"]: "best"}
    role[name] = "best, chosen" if name == best["strategy"] else "chosen"
    return Advice(
        strategy=name,
        labels=int(chosen["labels"]),
        best=best["strategy"],
        kept=tuple(kept["strategy"]),
        most_lost=lost[name],
        reasons=tuple(_reasons(means, fits, kept, chosen, lost[name], margin, cheap)),
        table=means.assign(role=means["strategy"].map(role), lost=means["strategy"].map(lost)),
    )


def _fitting(
    rows: pd.DataFrame,
    labels: int,
    limits: dict[str, float],
    only: Collection[str] | None,
    cheap: str,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(what was recorded, what of it comes into question), best first."""
    for name in [*limits, cheap]:
        if name not in COSTS:
            raise unknown_name("cost", name, COSTS)
    if labels < 0 or min(limits.values(), default=0) < 0:
        raise InputError(f"guide(labels={labels}, limits={limits}): expected numbers from 0")
    means = grid_means(rows)
    means = means[~means["strategy"].isin(NOT_CHOSEN)]
    fits = means if only is None else means[means["strategy"].isin(list(only))]
    least = {name: float(fits[name].min()) for name in limits}
    for name, most in limits.items():
        fits = fits[fits[name] <= most]
    if fits.empty:
        raise InputError(
            f"guide: nothing recorded fits labels={labels}, limits={limits} and only={only}; the"
            f" least of each cost is {least}: raise the limits, or leave them out"
        )
    return means, fits


def _most_lost(rows: pd.DataFrame, name: str, best: str, labels: int) -> float:
    """What a strategy may lose against the best: the lower end of the difference, turned round;
    nan where nothing is known.
    """
    c = compared(rows, name, best, labels)
    if c is None:
        return np.nan
    return 0.0 if np.isnan(c.p) and c.n > 1 else -c.ci[0]  # no p: no user differs


def _reasons(means, fits, kept, chosen, lost, margin, cheap) -> list[str]:
    """The way to the advice in sentences."""
    best = fits.iloc[0]
    leader = f"`{best['strategy']}`"
    out = [
        f"{len(fits)} of {len(means)} strategies fit; the best of them is {leader}, mean"
        f" {best['mean']:.3f}."
    ]
    if len(kept) == 1:
        return [*out, f"Each of the others may lose more than {margin}, so {leader} it is."]
    names = ", ".join(f"`{name}`" for name in kept["strategy"] if name != best["strategy"])
    out.append(f"Shown to lose no more than {margin} against it: {names}.")
    price = cost_in_words(chosen[cheap])
    if chosen["strategy"] == best["strategy"]:
        return [*out, f"The best is also the cheapest of them: {COSTS[cheap]}: {price}."]
    return [
        *out,
        f"The cheapest of them is **`{chosen['strategy']}`**: {COSTS[cheap]} {price} against"
        f" {cost_in_words(best[cheap])}. It loses {best['mean'] - chosen['mean']:.3f} in the mean,"
        f" and at most {lost:.3f} by the 95 % interval.",
    ]


def advice_table(advice: Advice) -> None:
    """Show all strategies that a `guide` looked at, with their role, folded."""
    costs = {
        COSTS[cost]: advice.table[cost].map(cost_in_words) for cost in COSTS if cost != "flops"
    }
    frame = advice.table[["strategy", "mean"]].assign(
        **{"may lose": advice.table["lost"]}, **costs, role=advice.table["role"]
    )
    table(frame.set_index("strategy"), caption="All that was recorded", digits=3, fold=True)


def questions() -> dict[str, dict]:
    """Situations that people are in -> arguments of `guide`."""
    from tutorial_lib.strategies import STRATEGIES

    frozen = [name for name, strategy in STRATEGIES.items() if "backbone" not in strategy.moves]
    return {
        "nothing limits you": {},
        "100 kB stored per task": {"limits": {"stored_bytes": 1e5}, "cheap": "stored_bytes"},
        "no pre-trained model": {"only": [*BASELINES, "from-scratch"]},
        "one language model for many tasks": {"only": [*frozen, "multi-task"]},
    }


def show_advice(rows: pd.DataFrame, budgets: Sequence[int], margin: float) -> None:
    """Show the advice of `guide` for each of `questions` at each number of labelled users."""
    advice = {}
    for labels in budgets:
        for question, arguments in questions().items():
            try:
                found = guide(rows, labels, margin, **arguments)
            except InputError:  # nothing needs so few labels
                advice[labels, question] = "-"
                continue
            lost = "the best" if found.strategy == found.best else f"loses ≤ {found.most_lost:.3f}"
            advice[labels, question] = f"{found.strategy} ({lost})"
    frame = pd.Series(advice).unstack()[list(questions())].rename_axis("labelled users")
    table(frame, caption=f"The cheapest of what cannot lose more than {margin} against the best")
