"""What an audit will test is fixed, and hashed, before the system is asked for anything."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from test_audit_core import Fixed, town

from tutorial_lib.audit import audit
from tutorial_lib.audit.declaration import declare
from tutorial_lib.data import random_hold_out
from tutorial_lib.errors import InputError


class Refuses:
    """A system that fails when it is asked: whatever is known then was known before."""

    def recommend(self, histories, k=10, *, users=None, exclude_seen=True):
        raise RuntimeError("asked")


def test_the_declaration_is_hashed_before_the_system_is_asked(monkeypatch):
    """A margin that is chosen after the results are known tells which result was wanted."""
    from tutorial_lib.audit import auditing

    ds = town()
    split = random_hold_out(ds, 3)
    hashes = []
    monkeypatch.setattr(auditing, "declare", lambda *a, **b: hashes.append(declare(*a, **b)) or hashes[-1])
    with pytest.raises(RuntimeError, match="asked"):
        audit(Refuses(), ds, split, {"exposure": 0.1})
    report = audit(Fixed(), ds, split, {"exposure": 0.1})
    assert hashes[0].sha256 == hashes[1].sha256 == report.declaration.sha256 == declare(ds, split, {"exposure": 0.1}).sha256
    assert report.declaration.sha256 in report.to_html() and report.declaration.sha256 in report.to_markdown()
    assert report.declaration.date in report.scope["declared"] and report.declaration.family == report.family


def test_everything_that_decides_a_verdict_is_in_the_hash():
    ds = town()
    split = random_hold_out(ds, 3)
    same = declare(ds, split, date="2026-01-01").sha256
    moved = replace(ds, interactions=ds.interactions.assign(timestamp=ds.interactions["timestamp"] + 1))
    users = replace(ds, users=ds.users.assign(gender=ds.users["gender"].iloc[::-1].to_numpy()))
    items = replace(ds, items=ds.items.assign(provider_group=ds.items["provider_group"].iloc[::-1].to_numpy()))
    others = [declare(one, replace(split, dataset=one), date="2026-01-01") for one in (moved, users, items)]
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
    keep = ds.interactions[(ds.interactions["user"] >= 100) | (ds.interactions.groupby("user").cumcount() < 8)]
    uneven = replace(ds, interactions=keep.reset_index(drop=True)).k_core(2)
    assert lengths.min() >= 8
    report = audit(Fixed(), uneven, random_hold_out(uneven, share=0.3), attributes=["gender"])
    assert any("users of F have" in line and "hold out the same number" in line for line in report.problems)
    assert "2-core" in report.scope["filters and notes of the data"] and "tied" not in report.scope["protocol"]
    assert report.scope["ties in time"].startswith("0.0%") and "targets" in report.scope["protocol"]
    equal = audit(Fixed(), uneven, random_hold_out(uneven, 3), attributes=["gender"])
    assert not any("on average" in line for line in equal.problems)
