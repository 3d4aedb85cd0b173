"""The same gap under several protocols, and by several numbers of targets."""

from __future__ import annotations

import numpy as np
import pytest

from tutorial_lib.audit.evidence import collect
from tutorial_lib.audit.protocols import PROTOCOLS, gap_by_protocol, gap_by_targets
from tutorial_lib.data import hold_out_k, leave_last_out, load_dataset
from tutorial_lib.errors import InputError
from tutorial_lib.models import Popularity, Random


@pytest.fixture(scope="module")
def ds():
    return load_dataset("world-news").subset_users(range(400))


def test_every_protocol_and_model_is_told(ds):
    make = {"Popularity": Popularity, "Random": Random}
    frame = gap_by_protocol(make, ds, "gender", seeds=(0, 1))
    assert len(frame) == len(PROTOCOLS) * 2 * 2 and set(frame["protocol"]) == set(PROTOCOLS)
    assert (frame["low"] <= frame["gap"]).all() and (frame["gap"] <= frame["high"]).all()
    assert frame["p"].between(0, 1).all()
    lift = frame[(frame["metric"] == "popularity lift") & (frame["model"] == "Popularity")]
    assert (lift["delta_gap"] > 0.3).all() and np.isfinite(frame["mean"]).all()


def test_an_attribute_with_more_groups_is_told_group_by_group(ds):
    make, names = {"Popularity": Popularity}, ["gender", "age_group"]
    frame = gap_by_protocol(make, ds, names, seeds=(0,))
    of_age = frame[frame["attribute"] == "age_group"]
    assert set(of_age["b"]) == {"rest"} and of_age["a"].nunique() == 3
    alone = gap_by_protocol(make, ds, "gender", seeds=(0,))
    assert frame[frame["attribute"] == "gender"].reset_index(drop=True).equals(alone)


def test_an_attribute_without_groups_is_refused(ds):
    one = ds.users.assign(gender="F")
    alike = type(ds)("alike", ds.interactions, ds.items, one, ds.card)
    with pytest.raises(InputError, match="fewer than two groups"):
        gap_by_protocol({"Popularity": Popularity}, alike, "gender")


def test_lists_that_are_there_are_judged_by_fewer_targets(ds):
    """All targets give the audit's own gap; the other rows say how far it hangs on their number."""
    split = hold_out_k(ds, 5)
    evidence = collect(Popularity().fit(split), ds, split)
    frame = gap_by_targets(evidence, "gender", model="shop")
    assert frame["protocol"].unique().tolist() == [
        "1 of 5 targets",
        "3 of 5 targets",
        "5 of 5 targets",
    ]
    ndcg = evidence.metrics["ndcg@10"].to_numpy()
    women = evidence.labels("gender") == "F"
    gap = ndcg[women].mean() - ndcg[~women].mean()
    last = frame[(frame["metric"] == "ndcg@10") & (frame["protocol"] == "5 of 5 targets")].iloc[0]
    assert last["gap"] * (1 if last["a"] == "F" else -1) == pytest.approx(gap)
    short = leave_last_out(ds)
    with pytest.raises(InputError, match="expected 3 or more"):
        gap_by_targets(collect(Popularity().fit(short), ds, short), "gender", model="shop")
