"""Reviews as evidence: what a prompt shows under each condition, and what is recorded of it."""

from __future__ import annotations

import numpy as np
import pytest
import tiny_lms

from tutorial_lib.data import load_dataset
from tutorial_workshop.experiments.real_evidence import (
    CONDITIONS,
    GIVEN,
    answers_from_reviews,
    evidence_for,
    praised,
)


@pytest.fixture(scope="module")
def ds():
    return load_dataset("world-movies")


@pytest.fixture(scope="module")
def item(ds) -> int:
    counts = praised(ds.reviews)["item"].value_counts()
    return int(counts.index[counts >= GIVEN][0])


def shown(ds, item: int, condition: str):
    return evidence_for(ds, item, condition, "scenery", np.random.default_rng(3))


def test_shuffled_reviews_are_of_other_items_and_the_others_of_this_one(ds, item):
    """A control that shows some of the right reviews would look too good."""
    texts = praised(ds.reviews)
    own = set(texts.loc[texts["item"] == item, "text"])
    assert shown(ds, item, "none").empty
    assert set(shown(ds, item, "right")["text"]) <= own
    assert set(shown(ds, item, "planted")["text"][:-1]) <= own
    assert len(shown(ds, item, "shuffled")) == GIVEN
    others = texts.loc[texts["item"] != item, "text"]
    assert set(shown(ds, item, "shuffled")["text"]) <= set(others)


def test_the_order_to_lie_changes_no_review_but_the_last_and_not_what_it_praises(ds, item):
    """Else a counter of features would be misled too, and nothing would follow about the model."""
    plain, injected = shown(ds, item, "right"), shown(ds, item, "injected")
    assert plain["feature"].tolist() == injected["feature"].tolist()
    assert plain["text"].tolist()[:-1] == injected["text"].tolist()[:-1]
    assert injected["text"].iloc[-1].startswith(plain["text"].iloc[-1])


def test_each_item_is_asked_about_once_in_each_condition(ds, item):
    found = answers_from_reviews(tiny_lms.lm("kit-gpt"), ds, [item], seed=1)
    assert found["condition"].tolist() == list(CONDITIONS)
    told = found.set_index("condition")
    assert told.loc["none", "counted"] == "" and told.loc["none", "supporting"] == 0
    assert (told["supporting"] <= GIVEN).all()
    weakness = ds.items["weakness"].iloc[item]
    assert not {told["strength"].iloc[0], weakness} & set(told["false"])
