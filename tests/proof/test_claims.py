"""The claims ledger: every row is backed by a recorded result, and no number is typed by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tutorial_lib.data.shipped import read_yaml, shipped
from tutorial_lib.errors import InputError
from tutorial_workshop.proof import claims


@pytest.fixture(scope="module")
def table():
    return claims.ledger()


def test_no_claim_without_an_experiment(table):
    """Twenty or more claims; each names a file of recorded results that is there."""
    assert len(table) >= 20 and table.index.is_unique
    for row in table.itertuples():
        name, _, rows = row.experiment.partition(": ")
        assert rows and shipped(f"results/{name}").is_file(), row.Index
        assert row.source and row.claim[-1].isalnum() or row.claim[-1] == ")"


def test_every_number_has_an_interval_and_a_verdict(table):
    verdicts = {"supported", "not here", "refuted", "not testable here"}
    assert set(table["verdict"]) <= verdicts and len(set(table["verdict"])) >= 3
    measured = table.dropna(subset=["low", "high"])
    assert len(measured) >= 20 and (measured["low"] < measured["high"]).all()
    assert measured["value"].between(measured["low"], measured["high"]).all()


def test_no_result_stands_in_the_file():
    """The file holds what is compared and by which margin; values come from data/results."""
    for entry in read_yaml(claims.CLAIMS):
        assert entry.keys() & {"table", "golden", "row"} and 0 < entry["margin"] < 1
        assert not entry.keys() & {"value", "low", "high", "verdict", "p", "n"}
        assert entry["expects"] in ("more", "less", "same")


def test_a_row_is_what_the_recorded_users_say(table):
    """One difference, computed again by hand."""
    grid = pd.read_csv(shipped("results/grid.csv.gz"), low_memory=False)
    grid = grid[(grid["task"] == "next") & (grid["dataset"] == "world-movies")]
    tuned = grid[(grid["strategy"] == "full") & (grid["labels"] == 1000)]
    asked = grid[grid["strategy"] == "zero-shot"]
    both = tuned.merge(asked, on=["seed", "user"])
    mean = (both["ndcg@10_x"] - both["ndcg@10_y"]).groupby(both["user"]).mean().mean()
    assert table.loc["many-labels", "value"] == pytest.approx(mean, abs=1e-12)


@pytest.mark.parametrize("expects, opposite", [("more", "less"), ("less", "more")])
def test_a_verdict_turns_with_what_was_claimed(expects, opposite):
    assert claims.verdict_on_claim(0.02, 0.03, 0.01, "more") == "supported"
    assert claims.verdict_on_claim(0.02, 0.03, 0.01, "less") == "refuted"
    assert claims.verdict_on_claim(0.02, 0.03, 0.01, "same") == "refuted"
    assert claims.verdict_on_claim(-0.005, 0.005, 0.01, expects) == "not here"
    assert claims.verdict_on_claim(-0.005, 0.005, 0.01, "same") == "supported"
    assert claims.verdict_on_claim(-0.005, 0.05, 0.01, opposite) == "not testable here"
    assert claims.verdict_on_claim(np.nan, np.nan, 0.01, "same") == "not testable here"


def test_a_claim_about_nothing_recorded_is_refused():
    with pytest.raises(InputError, match="has no row of"):
        claims._values("sequence.csv", {"model": "none"}, "ndcg@10")
    with pytest.raises(InputError, match="lacks 'no.such'"):
        claims._golden("no.such", 0)


def test_a_share_of_rows_that_agree(table):
    """Right answers, of the recorded file, counted by hand."""
    asked = pd.read_csv(shipped("results/smollm2-evidence.csv.gz"))
    right = (asked["answer"] == asked["strength"]).groupby(asked["condition"]).mean()
    read = right["right"] - right["shuffled"]
    assert table.loc["evidence-read", "value"] == pytest.approx(read, abs=1e-12)
    assert table.loc["evidence-read", "n"] == asked["item"].nunique()
