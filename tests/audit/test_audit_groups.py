"""Names of groups: what says "unknown" is unknown, and no two tests or cells share a name."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from audit_town import N_ITEMS, N_USERS, Fixed, finding, town

from tutorial_lib.audit import audit
from tutorial_lib.audit.core.evidence import collect
from tutorial_lib.audit.core.groups import (
    MISSING,
    contrast_name,
    group_names,
    provider_groups,
    rest_name,
)
from tutorial_lib.audit.harms.subgroups import cells
from tutorial_lib.audit.mitigation.frontier import before_after
from tutorial_lib.data import random_hold_out

EVERY_FIFTH = np.arange(N_USERS) % 5 == 0


@pytest.mark.parametrize(
    "text",
    ["nan", "None", "?", "N/A", " unknown ", "-", "NULL", "<NA>", "(missing)", "n/a", "Not stated"],
)
def test_unknown_written_as_text_is_unknown_and_told(text):
    """As a group of its own it got three declared tests, and its users were in no bounds."""
    gender = np.where(EVERY_FIFTH, text, town().users["gender"])
    ds = town(gender=gender)
    report = audit(Fixed(), ds, random_hold_out(ds, 3))
    assert report.family[0] == "ndcg@10: gender F - M"
    found = finding(report, report.family[0])
    assert found.bounds is not None and "48 users of unknown group" in " ".join(found.notes)
    assert report.groups.set_index("group").loc[MISSING, "n"] == 48
    lines = [line for line in report.problems if "read as unknown" in line]
    assert len(lines) == 1 and "'gender'" in lines[0] and repr(text.strip()) in lines[0]


def test_an_ordinary_group_is_no_unknown_and_a_missing_value_needs_no_line():
    column = pd.Series(["other", "Nancy", "N", "0", "none", None, np.nan, " "])
    assert group_names(column).tolist() == ["other", "Nancy", "N", "0", "none", *[MISSING] * 3]
    ds = town(gender=np.where(EVERY_FIFTH, None, town().users["gender"]))
    report = audit(Fixed(), ds, random_hold_out(ds, 3))
    assert not any("read as unknown" in line for line in report.problems)


def test_a_provider_written_as_unknown_is_unknown():
    ds = town()
    names = np.where(np.arange(N_ITEMS) % 8 == 1, "Unknown", ds.items["provider_group"])
    groups, lines = provider_groups(
        ds.__class__(**(vars(ds) | {"items": ds.items.assign(provider_group=names)}))
    )
    assert set(groups) == {"", "majority", "minority"} and "'Unknown'" in lines[0]


def test_a_group_called_rest_is_not_the_rest():
    """Both sides were called rest, and their sizes fell together."""
    kinds = np.array(["rest", "a", "b"], dtype=object)[np.arange(N_USERS) % 3]
    ds = town(kind=kinds)
    report = audit(Fixed(), ds, random_hold_out(ds, 3))
    assert report.family[2] == "ndcg@10: kind rest - all the rest"
    found = finding(report, report.family[2])
    assert found.n_by_group == {"rest": 80, "all the rest": 160}
    assert rest_name(["rest", "all the rest"]) == "all the all the rest"
    values = pd.Series(np.linspace(0, 1, N_USERS))
    frames = [pd.DataFrame({"ndcg@10": values + shift}) for shift in (0.0, 0.1)]
    effect = before_after(*frames, pd.Series(kinds, name="kind"))
    assert "kind rest - all the rest" in set(effect.gaps["contrast"])


def test_a_group_called_rest_of_whom_nobody_is_judged_changes_no_name():
    """The declaration and the measurement must call the others the same."""
    kinds = np.array(["rest", "a", "b", "c"], dtype=object)[np.arange(N_USERS) % 4]
    ds = town(kind=kinds)
    split = random_hold_out(ds, 3)
    none = np.empty(0, dtype=int)
    target = [none if kinds[u] == "rest" else t for u, t in zip(split.users, split.test_target)]
    report = audit(Fixed(), ds, split.__class__(**(vars(split) | {"test_target": target})))
    assert {f.metric for f in report.findings} >= set(report.family)
    assert all(np.isfinite(finding(report, name).estimate) for name in report.family)


def test_no_two_tests_share_a_name():
    """Column "a b" with group "c" and column "a" with group "b c" gave two tests of one name."""
    half, first = np.arange(N_USERS) % 2 == 0, np.arange(N_USERS) < 120
    ds = town(**{"a b": np.where(half, "c", "d"), "a": np.where(first, "b c", "d")})
    report = audit(Fixed(), ds, random_hold_out(ds, 3))
    names = [f.metric for f in report.findings]
    assert len(set(report.family)) == len(report.family) == 3 and len(set(names)) == len(names)
    assert {'ndcg@10: "a b" c - d', "ndcg@10: a b c - d"} < set(report.family)


def test_names_tell_columns_and_groups_apart():
    pairs = [("a", 'b" c', "d"), ("a", "b", "c - d"), ("a", "b - c", "d"), ('a" b', "c", "d")]
    pairs += [("a b", "c", "d"), ("a", "b c", "d"), ("a", "x b y x z", "d"), ("a x", "b", "d")]
    assert len({contrast_name(*pair) for pair in pairs}) == len(pairs)
    assert contrast_name("gender", "new york", "x") == "gender new york - x"


def test_cells_of_one_spelling_stay_apart():
    """Group "p x q" with "r" and group "p" with "q x r" were one cell."""
    left = np.where(np.arange(N_USERS) < 120, "p x q", "p")
    right = np.where(np.arange(N_USERS) % 120 < 50, "q x r", "r")
    ds = town(left=left, right=right)
    look = collect(Fixed(), ds, random_hold_out(ds, 3))
    table = cells(look, ["left", "right"])
    assert table["group"].is_unique and sorted(table["n"]) == [50, 50, 70, 70]


def test_a_user_group_called_items_is_counted():
    kinds = np.array(["items", "z"], dtype=object)[np.arange(N_USERS) % 2]
    ds = town(kind=kinds)
    report = audit(Fixed(), ds, random_hold_out(ds, 3))
    assert finding(report, report.family[0]).n == N_USERS
    assert finding(report, "exposure - merit: minority").n == N_USERS
