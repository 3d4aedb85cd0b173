"""The same gap under several protocols, and by several numbers of targets."""

from __future__ import annotations

import numpy as np
import pytest

from tutorial_lib.audit.core.evidence import collect
from tutorial_lib.audit.harms.protocols import PROTOCOLS, gap_by_protocol, gap_by_targets
from tutorial_lib.data import hold_out_k, leave_last_out, load_dataset
from tutorial_lib.errors import InputError
from tutorial_lib.models import Popularity, Random


@pytest.fixture(scope="module")
def ds():
    return load_dataset("world-news").subset_users(range(400))


def regrouped(ds, groups):
    users = ds.users.assign(gender=np.asarray(groups))
    return type(ds)("regrouped", ds.interactions, ds.items, users, ds.card)


def judged(ds):
    """Codes of the users that every protocol and the split of `tables` judge."""
    splits = [hold_out_k(ds, 5), *(draw(ds, 0) for draw in PROTOCOLS.values())]
    kept = [{int(u) for u, t in zip(s.users, s.test_target, strict=True) if len(t)} for s in splits]
    return sorted(set.intersection(*kept))


def tables(ds):
    """The two tables that an audit can show."""
    split = hold_out_k(ds, 5)
    evidence = collect(Popularity().fit(split), ds, split)
    yield gap_by_protocol({"Popularity": Popularity}, ds, "gender", seeds=(0,))
    yield gap_by_targets(evidence, "gender", model="shop")


def test_no_number_of_a_group_below_ten_is_published(ds):
    """Its gap is dropped, and its size does not follow from those beside it."""
    groups = np.where(np.arange(ds.n_users) % 2, "A", "B")
    groups[judged(ds)[:4]] = "C"
    for table in tables(regrouped(ds, groups)):
        assert set(table["a"]) == {"A", "B"}
        assert (table[["n_a", "n_b"]] % 10 == 0).all(axis=None)


def test_no_interval_below_the_minimum_is_published(ds):
    """As in the audit itself: an estimate and no more."""
    groups = np.where(np.arange(ds.n_users) % 2, "A", "B")
    groups[judged(ds)[:15]] = "C"
    for table in tables(regrouped(ds, groups)):
        few, rest = table[table["a"] == "C"], table[table["a"] != "C"]
        assert len(few) and few[["low", "high", "p"]].isna().all(axis=None)
        assert np.isfinite(few["gap"]).all() and np.isfinite(rest["low"]).all()


def test_two_groups_of_which_one_is_hidden_have_no_gap(ds):
    groups = np.full(ds.n_users, "A")
    groups[judged(ds)[:9]] = "B"
    with pytest.raises(InputError, match="fewer than two groups of 10 judged users"):
        gap_by_protocol({"Popularity": Popularity}, regrouped(ds, groups), "gender", seeds=(0,))


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
    alike = regrouped(ds, one["gender"])
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
