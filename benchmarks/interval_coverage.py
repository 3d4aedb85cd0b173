"""How often the kit's 95 % intervals hold the known truth where few users have a hit.

    python benchmarks/interval_coverage.py [--replications 1000] [--seed 0]

About 3 minutes on one core. Writes data/results/interval-coverage.csv and a section of RESULTS.md.
Each replication draws users from a known distribution and asks `mean_interval`, `compare` or
`group_gap`; a percentile bootstrap of the same sample stands beside them.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
from results_file import machine, markdown_table, write_section

from tutorial_lib.audit.inference.statistics import group_gap
from tutorial_lib.data.shipped import clone_commit, ship
from tutorial_lib.evaluation import compare, mean_interval

FILE = "results/interval-coverage.csv"
COMMAND = "python benchmarks/interval_coverage.py"
GAINS = 1 / np.log2(np.arange(2, 12))  # NDCG@10 of one target at rank 1 to 10
SIZES = {"hits": np.ones(1), "ndcg": GAINS}
RESAMPLES = 400
KEPT = 0.93


@dataclass(frozen=True)
class Cell:
    """One known distribution.

    Args:
        kind: "mean" (share of hits), "pairs" (shares of wins and of losses) or "groups" (share of
            hits in each).
        n: users, [1] or [2].
        rates: the shares of the kind.
        values: of a hit: "hits" (1), "ndcg" (any of ten ranks) or "lognormal" (every user has a
            value; both groups alike).
    """

    kind: str
    n: tuple[int, ...]
    rates: tuple[float, ...]
    values: str

    @property
    def name(self) -> str:
        rates = " / ".join(f"{rate:.0%}" for rate in self.rates)
        parts = [self.kind, *([rates] if rates else []), self.values]
        return f"{', '.join(parts)}, n {'/'.join(map(str, self.n))}"

    @property
    def truth(self) -> float:
        if self.values == "lognormal":
            return 0.0
        size = SIZES[self.values].mean()
        return self.rates[0] * size - (self.rates[1] * size if len(self.rates) > 1 else 0.0)


def grid() -> list[Cell]:
    rates = (0.01, 0.04, 0.1)
    even = [(rate, rate) for rate in np.arange(1, 7) / 100]
    uneven = [(0.0, 0.02), (0.02, 0.0), (0.05, 0.01), (0.01, 0.03), (0.06, 0.01)]
    groups = ((30, 900), (50, 900), (100, 900), (30, 30))
    cells = [
        Cell("mean", (n,), (rate,), values)
        for values, n, rate in product(SIZES, (30, 50, 100, 300), rates)
    ]
    cells += [
        Cell("pairs", (n,), pair, values)
        for values, n, pair in product(SIZES, (30, 100, 300), even + uneven)
    ]
    cells += [
        Cell("groups", n, pair, values)
        for values, n, pair in product(SIZES, groups, product(rates, rates))
    ]
    return cells + [Cell("groups", n, (), "lognormal") for n in ((30, 300), (300, 30), (100, 900))]


def draw(cell: Cell, rng: np.random.Generator) -> list[np.ndarray]:
    """One sample: [n] values of a mean; [n] differences; or the values of two groups."""
    if cell.values == "lognormal":
        return [rng.lognormal(0, 1, n) for n in cell.n]
    sizes = SIZES[cell.values]
    if cell.kind == "pairs":
        u = rng.random(cell.n[0])
        sign = (u < cell.rates[0]) * 1.0 - (u >= 1 - cell.rates[1])
        return [sign * rng.choice(sizes, cell.n[0])]
    return [
        (rng.random(n) < rate) * rng.choice(sizes, n)
        for n, rate in zip(cell.n, cell.rates, strict=True)
    ]


def interval(cell: Cell, sample: list[np.ndarray], rng: np.random.Generator) -> tuple[float, float]:
    """What the kit says of a sample: (nan, nan) for "too few non-zero users"."""
    if cell.kind == "groups":
        found = group_gap(*sample, rng=rng)
        return found.low, found.high
    frame = pd.DataFrame({"x": sample[0]})
    if cell.kind == "pairs":
        return compare(frame, frame * 0, "x").ci
    found = mean_interval(frame, "x")
    return found.low, found.high


def percentile(sample: list[np.ndarray], rng: np.random.Generator) -> tuple[float, float]:
    """The percentile bootstrap, which sees nothing beyond the sample."""
    means = []
    for values in sample:
        distinct, counts = np.unique(values, return_counts=True)
        drawn = rng.multinomial(len(values), counts / len(values), size=RESAMPLES)
        means.append(drawn @ distinct / len(values))
    low, high = np.quantile(means[0] - (means[1] if len(means) > 1 else 0.0), [0.025, 0.975])
    return float(low), float(high)


def measure(cell: Cell, replications: int, seed: int) -> dict:
    """One row: coverage, misses by side, width, and the percentile bootstrap's coverage.

    Coverage is counted over all samples (one without an interval claims nothing, so it misses
    nothing) and over those with an interval.
    """
    rng = np.random.default_rng([seed, *cell.name.encode()])
    start, found, plain = time.perf_counter(), [], []
    for _ in range(replications):
        sample = draw(cell, rng)
        found.append(interval(cell, sample, rng))
        plain.append(percentile(sample, rng))
    (low, high), (low_0, high_0) = np.transpose(found), np.transpose(plain)
    given, near = ~np.isnan(low), 1e-9
    held = (low_0 <= cell.truth + near) & (high_0 >= cell.truth - near)
    above, below = (low > cell.truth + near).sum(), (high < cell.truth - near).sum()
    return {
        "cell": cell.name,
        "kind": cell.kind,
        "values": cell.values,
        "n": "/".join(map(str, cell.n)),
        "truth": cell.truth,
        "coverage": 1 - (above + below) / replications,
        "coverage_given": 1 - (above + below) / max(1, given.sum()),
        "given": given.mean(),
        "too_high": above / replications,
        "too_low": below / replications,
        "width": float(np.nanmean(high - low)),
        "coverage_percentile": held.mean(),
        "replications": replications,
        "seed": seed,
        "seconds": round(time.perf_counter() - start, 1),
    }


def section(table: pd.DataFrame) -> str:
    """The worst cell of each kind, for RESULTS.md."""

    def lowest(part: pd.DataFrame, column: str) -> str:
        worst = part.loc[part[column].idxmin()]
        return f"{worst[column]:.3f} ({worst['cell'].split(', ', 1)[1]})"

    rows = [
        {
            "intervals": f"{kind}, {values}",
            "cells": len(part),
            "lowest coverage": f"{part['coverage'].min():.3f}",
            "lowest where given": lowest(part, "coverage_given"),
            "lowest share given": f"{part['given'].min():.2f}",
            "percentile bootstrap": lowest(part, "coverage_percentile"),
        }
        for (kind, values), part in table.groupby(["kind", "values"], sort=False)
    ]
    first = table.iloc[0]
    text = (
        "95 % intervals of `mean_interval`, `compare` and `group_gap`,"
        f" {first['replications']:,} replications per cell, seed {first['seed']},"
        f" {table['seconds'].sum():.0f} s in all. {machine()}\n\n"
        f"All {len(table)} cells keep {KEPT} or more, counted over all samples and over those that"
        ' get an interval; the others read "too few non-zero users".'
        " Whole table: `data/results/interval-coverage.csv`."
    )
    return f"{text}\n\n{markdown_table(pd.DataFrame(rows))}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--replications", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    rows = [measure(cell, chosen.replications, chosen.seed) for cell in grid()]
    table = pd.DataFrame(rows).round(5)
    table["commit"] = clone_commit(mark_changes=False)
    print(table.sort_values("coverage_given").head(12).to_string())
    missed = table[table[["coverage", "coverage_given"]].min(axis=1) < KEPT]
    if len(missed):
        names = "; ".join(missed["cell"])
        raise SystemExit(f"{len(missed)} cells below {KEPT}: {names}; nothing is written")
    ship({FILE: table.to_csv(index=False).encode()}, COMMAND)
    write_section("interval-coverage", "Intervals on sparse data", COMMAND, section(table))


if __name__ == "__main__":
    main()
