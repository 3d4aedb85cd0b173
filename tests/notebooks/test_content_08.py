"""What notebook 08 reads: recorded lists, protocols and validation say where they come from, and
hold what the text says of them.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from test_content_00_01 import cells

from tutorial_lib.audit.core.evidence import collect
from tutorial_lib.audit.harms.protocols import PROTOCOLS
from tutorial_lib.audit.logs.logged import LoggedLists
from tutorial_lib.data import hold_out_k, load_dataset
from tutorial_lib.data.shipped import shipped
from tutorial_lib.language.attributes import ATTRIBUTES, NEUTRAL, PARAPHRASES, about
from tutorial_lib.language.prompts import SEQUENTIAL

NAME = "08_ethics_audit"


@pytest.fixture(scope="module")
def lists() -> pd.DataFrame:
    return pd.read_csv(shipped("results/audit-lists.csv.gz"))


def test_recorded_lists_say_where_they_come_from(lists):
    assert {"system", "who", "user", "items", "seed", "seconds", "commit"} <= set(lists)
    assert lists["commit"].str.fullmatch(r"[0-9a-f]{7,}").all() and (lists["seconds"] > 0).all()
    assert not lists.duplicated(["system", "who", "user"]).any()


def test_every_wording_was_asked_for_the_same_users(lists):
    """An excess over paraphrases is paired: a wording for other users would compare people, not
    words.
    """
    zero = lists[lists["system"] == "kit-gpt"]
    wordings = [*PARAPHRASES, *(value for values in ATTRIBUTES.values() for value in values)]
    users = {who: frozenset(part["user"]) for who, part in zero.groupby("who")}
    assert (
        set(users) == {NEUTRAL, *wordings}
        and len({users[who] for who in wordings}) == 1
        and users[wordings[0]] <= users[NEUTRAL]
    )


def test_recorded_lists_hold_ten_items_that_the_user_did_not_know(lists):
    split = hold_out_k(load_dataset("world-movies"), 5, valid_k=1)
    for _, part in lists[lists["who"] == NEUTRAL].groupby("system"):
        seen = collect(LoggedLists.from_frame(part), split.dataset, split)
        assert not seen.faults.to_numpy().any() and (seen.lists >= 0).all()


def test_wordings_differ_in_one_slot():
    assert about(NEUTRAL) == SEQUENTIAL[0]
    assert len({about(who).source.split(" enjoyed")[1] for who in (NEUTRAL, *PARAPHRASES)}) == 1


def test_recorded_protocols_say_what_the_text_says():
    """Section 5: a share held out makes most of the gap, and with the same number for everybody its
    sign depends on the model.
    """
    gaps = pd.read_csv(shipped("results/audit-protocols.csv"))
    assert (
        set(gaps["protocol"]) == set(PROTOCOLS)
        and gaps["commit"].str.fullmatch(r"[0-9a-f]{7,}").all()
    )
    ndcg = gaps[gaps["metric"] == "ndcg@10"].set_index(["protocol", "model"])["gap"]
    assert abs(ndcg["20 % at random", "EASE"]) > 2 * abs(ndcg["5 at random", "EASE"])
    for protocol in ("last 5", "last 1"):
        assert len(set(np.sign(ndcg[protocol]))) == 2


def test_recorded_validation_meets_its_bars():
    checked = pd.read_csv(shipped("results/audit-validation.csv"))
    assert (checked["replications"] >= 300).all() and (checked["result"].dropna() == "met").all()


def test_the_notebook_never_calls_a_system_fair():
    text = "\n".join(cell.source for cell in cells(NAME))
    assert "is fair" not in text and "are fair" not in text and "not legal advice" in text


def test_recorded_remedies_cover_what_the_library_has_and_hold_what_the_text_says():
    """Section 9 shows each remedy against the same system without it; a row from an uncommitted or
    partial run would be no evidence.
    """
    rows = pd.read_csv(shipped("results/audit-mitigations.csv")).set_index("mitigation")
    named = (
        "popularity",
        "xQuAD",
        "calibrated",
        "FA*IR",
        "IPS",
        "counterfactual",
        "adversarial",
        "constrained",
        "order",
        "DP-SGD",
        "exploration",
    )
    assert len(rows) == len(named) and all(
        any(row.startswith(name) for row in rows.index) for name in named
    )
    assert (
        rows["commit"].str.fullmatch(r"[0-9a-f]{7,}").all() and (rows["low"] <= rows["high"]).all()
    )
    assert (rows["quality_low"] <= rows["quality_high"]).all()
    assert (
        rows.loc["constrained decoding", "after"] == 0
        and rows.loc["constrained decoding", "quality_low"] > 0
    )
    private = rows.loc["DP-SGD, epsilon 8"]
    assert (
        private["high"] < -3 and private["quality_high"] < 0
    )  # the remedy that costs accuracy, as section 7 says
