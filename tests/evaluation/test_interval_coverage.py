"""The recorded coverage of intervals on sparse data, and a part of it made again."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tutorial_lib.data.shipped import shipped

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
interval_coverage = pytest.importorskip(
    "interval_coverage", reason="benchmarks/ is in the clone, not in the wheel"
)


@pytest.fixture(scope="module")
def recorded() -> pd.DataFrame:
    return pd.read_csv(shipped(interval_coverage.FILE)).set_index("cell")


def test_every_cell_is_recorded_and_keeps_its_level(recorded):
    """Of all samples, and of those that get an interval; a cell that gives hardly any would show
    nothing.
    """
    assert list(recorded.index) == [cell.name for cell in interval_coverage.grid()]
    assert (recorded["replications"] >= 1000).all() and recorded["commit"].notna().all()
    for column in ("coverage", "coverage_given"):
        low = recorded[recorded[column] < interval_coverage.KEPT]
        assert low.empty, low[[column, "given"]]
    assert (recorded["given"] >= 0.2).all() and (
        recorded.loc[recorded["kind"] == "groups", "given"] >= 0.4
    ).all()
    rows = recorded["coverage"] + recorded["too_high"] + recorded["too_low"]
    assert rows.to_numpy() == pytest.approx(np.ones(len(recorded)), abs=2e-5)


def test_a_resampled_interval_does_not_keep_it_there(recorded):
    """Why the kit does not use one: in all cells with few hits it misses far more often."""
    plain = recorded[recorded["values"] != "lognormal"].groupby("kind")["coverage_percentile"].min()
    assert (plain < 0.6).all() and set(plain.index) == {"mean", "pairs", "groups"}


@pytest.mark.parametrize(
    "name",
    [
        "mean, 4%, hits, n 30",
        "pairs, 0% / 2%, ndcg, n 300",
        "groups, 4% / 4%, hits, n 50/900",
        "groups, 10% / 1%, ndcg, n 30/900",
    ],
)
def test_a_cell_made_again_agrees_with_the_record(recorded, name):
    cell = next(cell for cell in interval_coverage.grid() if cell.name == name)
    again = interval_coverage.measure(cell, 200, seed=1)
    reach = 3.5 * np.sqrt(0.05 * 0.95 / 200)
    for column in ("coverage", "coverage_given", "given"):
        slack = reach if column != "given" else 3.5 * 0.5 / np.sqrt(200)
        assert abs(again[column] - recorded.loc[name, column]) < slack, column
    first = recorded.loc[name]
    same = interval_coverage.measure(cell, 20, seed=int(first["seed"]))
    assert same == interval_coverage.measure(cell, 20, seed=int(first["seed"])) | {
        "seconds": same["seconds"]
    }
