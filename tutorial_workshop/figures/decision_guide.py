"""Notebook 06: advice that comes out of the recorded numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tutorial_lib.errors import InputError, unknown_name
from tutorial_lib.evaluation import holm
from tutorial_workshop.figures.grid import COSTS, NOT_CHOSEN, at_labels, cost_in_words, grid_means
from tutorial_workshop.figures.labels import paired_by_label
from tutorial_workshop.figures.paired_tests import ALPHA, family_tests
from tutorial_workshop.page.output import table


@dataclass(frozen=True)
class Advice:
    """What `guide` advises, and why.

    Attributes:
        strategy: the advice.
        labels: recorded budget that it rests on (0: it needs none).
        best: the highest mean among what fits.
        ties: what fits and is not significantly worse than the best, which is one of them.
        reasons: sentences.
        table: one row per strategy, with its role.
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
) -> Advice:
    """Which strategy to take, out of recorded runs: the cheapest of those that fit and are not
    significantly worse than the best of them in NDCG@10.

    Args:
        rows: of `grid.select`.
        labels: users with labels that you have; the largest recorded budget up to it counts.
        limits: column of `grid.COSTS` -> most that you can pay, e.g. {"ms a user": 50}; a cost that
            nobody counted does not fit.
        cheap: the cost that decides among ties.
        most_loss: a tie may have at most this much less than the best, in the mean of the pairs.

    Raises:
        InputError: for an unknown cost, a number below 0, no rows, and where nothing fits.
    """
    means, fits = _fitting(rows, labels, dict(limits or {}), cheap)
    best, budget = fits.iloc[0], int(fits["labels"].max())
    found = {
        name: paired_by_label(rows, name, best["strategy"], budget) for name in fits["strategy"][1:]
    }
    tests = {name: test for name, test in found.items() if test is not None}
    adjusted = holm([test.p for test in tests.values()])
    tied = [best["strategy"]] + [
        name
        for (name, test), p in zip(tests.items(), adjusted, strict=True)
        if test.difference >= (0 if p < ALPHA else -most_loss)
    ]
    ties = fits[fits["strategy"].isin(tied)]
    chosen = ties.sort_values([cheap, "mean"], ascending=[True, False]).iloc[0]
    role = dict.fromkeys(means["strategy"], "does not fit")
    left_out = "worse than the best" if most_loss == np.inf else "loses too much"
    role |= dict.fromkeys(fits["strategy"], left_out)
    role |= dict.fromkeys(tied, "tie with the best") | {best["strategy"]: "best"}
    role[chosen["strategy"]] = "best, chosen" if chosen["strategy"] == tied[0] else "chosen"
    return Advice(
        strategy=chosen["strategy"],
        labels=int(chosen["labels"]),
        best=best["strategy"],
        ties=tuple(ties["strategy"]),
        reasons=tuple(_reasons(means, fits, best, ties, chosen, tests, cheap)),
        table=means.assign(role=means["strategy"].map(role)),
    )


def _fitting(
    rows: pd.DataFrame, labels: int, limits: dict[str, float], cheap: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(what was recorded up to so many labels, what of it keeps the limits), best first."""
    for name in [*limits, cheap]:
        if name not in COSTS:
            raise unknown_name("cost", name, COSTS)
    if labels < 0 or min(limits.values(), default=0) < 0:
        raise InputError(f"guide(labels={labels}, limits={limits}): expected numbers from 0")
    means = at_labels(grid_means(rows), labels)
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
    """The way to the advice in sentences."""
    leader = f"`{best['strategy']}`"
    out = [
        f"{len(fits)} of {len(means)} strategies fit your limits; the best of them is {leader},"
        f" mean {best['mean']:.3f}."
    ]
    if len(ties) == 1:
        return [*out, f"All others that fit are worse than you allow, so {leader} it is."]
    names = ", ".join(f"`{name}`" for name in ties["strategy"] if name != best["strategy"])
    out.append(f"Not significantly worse (paired, Holm over {len(tests)} tests): {names}.")
    price = cost_in_words(chosen[cheap])
    if chosen["strategy"] == best["strategy"]:
        return [*out, f"The best is also the cheapest of them ({price} {COSTS[cheap]})."]
    loss = tests[chosen["strategy"]]
    return [
        *out,
        f"The cheapest of them is **`{chosen['strategy']}`**: {price} against"
        f" {cost_in_words(best[cheap])} {COSTS[cheap]}. What that may cost in accuracy:"
        f" {-loss.difference:.3f}, 95 % interval {-loss.ci[1]:+.3f} to {-loss.ci[0]:+.3f}.",
    ]


def how_sure(advice: Advice, rows: pd.DataFrame, labels: int, margin: float) -> str:
    """Whether the advice is the best itself, cannot lose more than the margin, or is only a tie."""
    if advice.strategy == advice.best:
        return "the best"
    tests = family_tests(rows, [(advice.strategy, advice.best)], [labels], margin)
    proven = len(tests) > 0 and (tests["95 % low"] > -margin).all()
    return "non-inferior" if proven else "a tie, not proven"


def advice_table(advice: Advice) -> None:
    """Show all strategies that a `guide` looked at, with their role."""
    costs = {
        COSTS[cost]: advice.table[cost].map(cost_in_words) for cost in ("ms a user", "stored_bytes")
    }
    frame = advice.table[["strategy", "mean"]].assign(**costs, role=advice.table["role"])
    table(frame.set_index("strategy"), caption="All that was recorded", digits=3)
