"""What an audit will test is fixed, and hashed, before the system is asked for anything."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from audit_town import N_ITEMS, Fixed, town

from tutorial_lib.audit import audit
from tutorial_lib.audit.core.declaration import declare
from tutorial_lib.audit.logs.logged import LoggedLists
from tutorial_lib.data import random_hold_out
from tutorial_lib.errors import InputError


class Refuses:
    """A system that fails when it is asked: whatever is known then was known before."""

    def recommend(self, histories, k=10, *, users=None, exclude_seen=True):
        raise RuntimeError("asked")


def test_the_declaration_is_hashed_before_the_system_is_asked(monkeypatch):
    """A margin that is chosen after the results are known tells which result was wanted."""
    from tutorial_lib.audit.core import audit as auditing

    ds = town()
    split = random_hold_out(ds, 3)
    hashes = []
    monkeypatch.setattr(
        auditing, "declare", lambda *a, **b: hashes.append(declare(*a, **b)) or hashes[-1]
    )
    with pytest.raises(RuntimeError, match="asked"):
        audit(Refuses(), ds, split, {"exposure": 0.1})
    report = audit(Fixed(), ds, split, {"exposure": 0.1})
    assert (
        hashes[0].sha256
        == hashes[1].sha256
        == report.declaration.sha256
        == declare(ds, split, {"exposure": 0.1}).sha256
    )
    assert (
        report.declaration.sha256 in report.to_html()
        and report.declaration.sha256 in report.to_markdown()
    )
    assert (
        report.declaration.date in report.scope["declared"]
        and report.declaration.family == report.family
    )


def test_everything_that_decides_a_verdict_is_in_the_hash():
    ds = town()
    split = random_hold_out(ds, 3)
    same = declare(ds, split, date="2026-01-01").sha256
    moved = replace(
        ds, interactions=ds.interactions.assign(timestamp=ds.interactions["timestamp"] + 1)
    )
    users = replace(ds, users=ds.users.assign(gender=ds.users["gender"].iloc[::-1].to_numpy()))
    items = replace(
        ds, items=ds.items.assign(provider_group=ds.items["provider_group"].iloc[::-1].to_numpy())
    )
    others = [
        declare(one, replace(split, dataset=one), date="2026-01-01")
        for one in (moved, users, items)
    ]
    arguments = [
        {"k": 5},
        {"seed": 1},
        {"attributes": ["gender"]},
        {"margins": {"quality": 0.11}},
        {"margins": {"quality": 0.1}},
    ]
    others += [declare(ds, split, date="2026-01-01", **one) for one in arguments]
    others += [
        declare(ds, random_hold_out(ds, 3, seed=1), date="2026-01-01"),
        declare(ds, split, date="2026-01-02"),
    ]
    hashes = [same, *(one.sha256 for one in others)]
    assert len(set(hashes)) == len(hashes) and declare(ds, split, date="2026-01-01").sha256 == same


def test_an_earlier_declaration_keeps_its_hash_and_another_one_is_refused():
    ds = town()
    split = random_hold_out(ds, 3)
    earlier = declare(ds, split, date="2026-01-01")
    assert audit(Fixed(), ds, split, declaration=earlier).declaration.sha256 == earlier.sha256
    with pytest.raises(InputError, match="margins was declared as .* declare anew"):
        audit(Fixed(), ds, split, {"quality": 0.5}, declaration=earlier)


def test_unequal_numbers_of_targets_filters_and_ties_are_told():
    ds = town(gender=["F"] * 100 + ["M"] * 140)
    lengths = np.bincount(ds.interactions["user"])
    keep = ds.interactions[
        (ds.interactions["user"] >= 100) | (ds.interactions.groupby("user").cumcount() < 8)
    ]
    uneven = replace(ds, interactions=keep.reset_index(drop=True)).k_core(2)
    assert lengths.min() >= 8
    report = audit(Fixed(), uneven, random_hold_out(uneven, share=0.3), attributes=["gender"])
    assert any(
        "users of F have" in line and "hold out the same number" in line for line in report.problems
    )
    assert (
        "2-core" in report.scope["filters and notes of the data"]
        and "tied" not in report.scope["protocol"]
    )
    assert report.scope["ties in time"].startswith("0.0%") and "targets" in report.scope["protocol"]
    equal = audit(Fixed(), uneven, random_hold_out(uneven, 3), attributes=["gender"])
    assert not any("on average" in line for line in equal.problems)


WRONG = [
    ({"k": 10.0}, "k=10.0"),
    ({"k": True}, "k=True"),
    ({"k": "10"}, "k='10'"),
    ({"k": None}, "k=None"),
    ({"attributes": 5}, "attributes=5"),
    ({"attributes": [["gender"]]}, "attributes="),
    ({"attributes": {"gender": 1}}, "attributes="),
    ({"seed": -1}, "seed=-1"),
    ({"seed": "a"}, "seed='a'"),
    ({"seed": 1.5}, "seed=1.5"),
    ({"on": ["test"]}, "on="),
]


@pytest.mark.parametrize(("arguments", "text"), WRONG, ids=[text for _, text in WRONG])
def test_an_argument_of_another_type_is_refused_in_one_line(arguments, text):
    ds = town()
    split = random_hold_out(ds, 3)
    for call in (
        lambda: audit(Fixed(), ds, split, **arguments),
        lambda: declare(ds, split, **arguments),
    ):
        with pytest.raises(InputError, match="expected") as caught:
            call()
        assert text in str(caught.value) and "\n" not in str(caught.value)


def test_what_is_no_declaration_no_day_no_data_and_no_recommender_is_refused():
    ds = town()
    split = random_hold_out(ds, 3)
    for date in ("banana", "2026-1-1", "20260101", "2026-02-30", 5):
        with pytest.raises(InputError, match="expected a day as yyyy-mm-dd"):
            declare(ds, split, date=date)
    for wrong in ("x", {}, 3):
        with pytest.raises(InputError, match="expected what declare returned"):
            audit(Fixed(), ds, split, declaration=wrong)
    with pytest.raises(InputError, match="expected a Split, got Dataset"):
        audit(Fixed(), ds, ds)
    with pytest.raises(InputError, match="expected a Dataset, got str"):
        audit(Fixed(), "town", split)
    with pytest.raises(InputError, match="expected an object with a method recommend"):
        audit("popularity", ds, split)
    k, seed = np.int64(10), np.int32(3)
    assert declare(ds, split, k=k, seed=seed, date="2026-01-01").k == 10


def test_the_provider_group_that_was_declared_is_measured_for_a_log_of_some_users():
    """Merit among the logged users may order two groups the other way round."""
    ds = town()
    split = random_hold_out(ds, 3)
    declared = declare(ds, split).family[-1]
    minority = np.arange(N_ITEMS) % 4 == 0
    keen = [u for u, t in zip(split.users, split.test_target) if minority[t].mean() > 0.5]
    log = LoggedLists({int(u): row for u, row in zip(split.users, fixed_lists(split)) if u in keen})
    report = audit(log, ds, split)
    found = [f.metric for f in report.findings if f.metric.startswith("exposure - merit")]
    assert len(keen) > 5 and found == [declared] == ["exposure - merit: minority"]


def fixed_lists(split) -> list[list[int]]:
    return Fixed().recommend(split.test_history, users=split.users).tolist()
