"""Audits from a log, and the same gap under several protocols."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tutorial_lib.audit import audit
from tutorial_lib.audit.logged import LoggedLists
from tutorial_lib.audit.protocols import PROTOCOLS, gap_by_protocol
from tutorial_lib.data import hold_out_k, load_dataset
from tutorial_lib.errors import InputError
from tutorial_lib.models import Popularity, Random


@pytest.fixture(scope="module")
def ds():
    return load_dataset("world-news").subset_users(range(400))


def test_a_log_is_audited_as_the_system_itself(ds):
    """The same lists, called or logged, must give the same findings."""
    split = hold_out_k(ds, 5)
    model = Popularity().fit(split)
    lists = model.recommend(split.test_history, 10, users=split.users)
    frame = pd.DataFrame({"user": split.users, "items": [" ".join(map(str, row)) for row in lists]})
    logged = audit(LoggedLists.from_frame(frame, name="shop"), ds, split)
    assert logged.findings == audit(model, ds, split).findings and "shop" in logged.system


def test_users_who_are_not_in_the_log_have_empty_lists(ds):
    split = hold_out_k(ds, 5)
    report = audit(LoggedLists({}), ds, split)
    assert any("places left empty" in line for line in report.problems)


@pytest.mark.parametrize(
    "frame, wrong",
    [
        (pd.DataFrame({"user": [1]}), "lack the column 'items'"),
        (pd.DataFrame({"user": [1, 1], "items": ["1", "2"]}), "two logged lists"),
        (pd.DataFrame({"user": [1], "items": ["1 x"]}), "whole numbers"),
    ],
)
def test_a_broken_log_is_one_line(frame, wrong):
    with pytest.raises(InputError, match=wrong):
        LoggedLists.from_frame(frame)


def test_lists_are_kept_by_user():
    with pytest.raises(InputError, match="users="):
        LoggedLists({0: [1]}).recommend([[0]])
    assert LoggedLists({3: [5, 6, 7]}).recommend([[]], 2, users=[3]).tolist() == [[5, 6]]


def test_every_protocol_and_model_is_told(ds):
    frame = gap_by_protocol({"Popularity": Popularity, "Random": Random}, ds, "gender", seeds=(0, 1))
    assert len(frame) == len(PROTOCOLS) * 2 * 2 and set(frame["protocol"]) == set(PROTOCOLS)
    assert (frame["low"] <= frame["gap"]).all() and (frame["gap"] <= frame["high"]).all() and frame["p"].between(0, 1).all()
    shares = frame[(frame["metric"] == "popularity lift") & (frame["model"] == "Popularity")]
    assert (shares["delta_gap"] > 0.3).all() and np.isfinite(frame["mean"]).all()


def test_an_attribute_with_more_groups_is_refused(ds):
    with pytest.raises(InputError, match="exactly two groups"):
        gap_by_protocol({"Popularity": Popularity}, ds, "age_group")
