"""What `recommend` gives an audit: lists that name their users, and places that are masked."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tutorial_lib.audit.core import lists as asking
from tutorial_lib.audit.core.evidence import collect
from tutorial_lib.audit.core.lists import ask
from tutorial_lib.data import hold_out_k, load_dataset
from tutorial_lib.errors import InputError
from tutorial_lib.models import EASE

USERS = np.array([4, 7, 9])
LISTS = [[1, 2], [3, 4], [5, 6]]


class Gives:
    """A recommender that answers with whatever ``answer`` makes of the users."""

    def __init__(self, answer):
        self.answer = answer

    def recommend(self, histories, k=10, *, users=None, exclude_seen=True):
        return self.answer(users)


def asked(lists, k=2):
    return ask(Gives(lambda users: lists), [[0]] * len(USERS), USERS, k).tolist()


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 2, 0]])
def test_a_series_is_paired_by_its_users(order):
    """As of a groupby, which sorts by its own key; by place, everybody would get another's list."""
    series = pd.Series(LISTS, index=USERS)
    assert asked(series.iloc[order]) == LISTS
    assert asked(series.set_axis(USERS.astype(float)).iloc[order]) == LISTS
    assert asked(pd.Series(LISTS)) == LISTS  # 0, 1, 2 say nothing


@pytest.mark.parametrize(
    "labels",
    [[0, 1, 3], [2, 1, 0], ["4", "7", "9"], [4, 7, 7], [4, 7, None], [(0, 4), (0, 7), (0, 9)]],
)
def test_labels_that_are_not_the_users_are_refused(labels):
    index = pd.MultiIndex.from_tuples(labels) if isinstance(labels[0], tuple) else pd.Index(labels)
    with pytest.raises(InputError, match="label it by user") as error:
        asked(pd.Series(LISTS, index=index))
    assert "\n" not in str(error.value)


def test_a_table_is_no_list_a_user():
    """Its length is that of its rows, and its items are the names of its columns."""
    with pytest.raises(InputError, match="gave no lists for 3 users"):
        asked(pd.DataFrame(LISTS, index=USERS))
    with pytest.raises(InputError, match="gave 2 lists for 3 users"):
        asked(pd.Series(LISTS[:2], index=USERS[:2]))


@pytest.mark.parametrize("kind", [np.int64, np.uint8, np.float64, object])
def test_a_masked_place_is_an_empty_one(kind):
    """What lies under a mask was not shown."""
    mask = [[False, True], [False, False], [True, True]]
    lists = np.ma.masked_array(np.array(LISTS, dtype=kind), mask=mask)
    expected = [[1, -1], [3, 4], [-1, -1]]
    assert asked(lists) == expected and asked(list(lists)) == expected
    assert asked(np.ma.masked_array(np.array(LISTS, dtype=kind))) == LISTS


def test_an_audit_of_labelled_lists_is_that_of_the_lists(monkeypatch):
    """Block by block, too."""
    ds = load_dataset("world-news").subset_users(range(300))
    split = hold_out_k(ds, 5)
    lists = EASE().fit(split).recommend(split.test_history, 10, users=split.users)
    named = pd.Series(lists.tolist(), index=split.users).sample(frac=1, random_state=0)
    plain = collect(Gives(lambda users: named.loc[users].tolist()), ds, split)
    monkeypatch.setattr(asking, "USERS_AT_ONCE", 64)
    mixed = collect(Gives(lambda users: named[named.index.isin(users)]), ds, split)
    assert (mixed.raw == plain.raw).all() and mixed.metrics.equals(plain.metrics)
