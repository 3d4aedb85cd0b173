"""Notebook 06: advice that comes out of the recorded numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tutorial_lib.errors import InputError, unknown_name
from tutorial_lib.evaluation import holm
from tutorial_workshop.figures.grid import COSTS, NOT_CHOSEN, at_labels, cost_in_words, grid_means
from tutorial_workshop.figures.language_models import paired_by_label
from tutorial_workshop.figures.paired_tests import ALPHA, family_tests
from tutorial_workshop.page.output import table


@dataclass(frozen=True)
class Advice:
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
) -> Advice:
    """Which strategy to take, out of recorded runs: the cheapest of those that fit and are not
    significantly worse than the best of them.

    rows: of `grid.select`. labels: users with labels that you have; the largest recorded
        budget up to it counts. limits: column of
    `grid.COSTS` -> most that you can pay, e.g. {"ms a user": 50, "stored_bytes": 1e6}; a
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
        (name, paired_by_label(rows, name, best["strategy"], int(fits["labels"].max()), metric))
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
    return Advice(
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
    means = at_labels(grid_means(rows, metric), labels)
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
    price = f"{cost_in_words(chosen[cheap])} against {cost_in_words(best[cheap])} {COSTS[cheap]}"
    if chosen["strategy"] == best["strategy"]:
        return [
            *out,
            "The best is also the cheapest of them"
            f" ({cost_in_words(chosen[cheap])} {COSTS[cheap]}).",
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


def how_sure(
    advice: Advice, rows: pd.DataFrame, labels: int, margin: float, metric: str = "ndcg@10"
) -> str:
    """Whether the advice is the best itself, cannot lose more than the margin, or is only a tie."""
    if advice.strategy == advice.best:
        return "the best"
    tests = family_tests(rows, [(advice.strategy, advice.best)], [labels], margin, metric)
    proven = len(tests) > 0 and (tests["95 % low"] > -margin).all()
    return "non-inferior" if proven else "a tie, not proven"


def advice_table(advice: Advice) -> None:
    """Show all strategies that a `guide` looked at, with their role."""
    costs = {
        COSTS[cost]: advice.table[cost].map(cost_in_words) for cost in ("ms a user", "stored_bytes")
    }
    frame = advice.table[["strategy", "mean"]].assign(**costs, role=advice.table["role"])
    table(frame.set_index("strategy"), caption="All that was recorded", digits=3)
