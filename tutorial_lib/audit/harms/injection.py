"""Fake users: the rows that attacks and canaries put into the training data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from tutorial_lib.data import Dataset, Split
from tutorial_lib.data.splits import EMPTY


def with_fake_users(split: Split, rows: np.ndarray, name: str, *, prefix: str) -> Split:
    """The split with one more user for each row of item codes; any `fit` takes it.

    Fake users follow the true ones in ``dataset.users`` (user_id "prefix-0", no attributes), in
    train and in the histories. They were active after everybody else and gave the highest rating
    there is. They have no targets, so evaluation leaves them out. The known truth of a synthetic
    world, which does not cover them, is dropped.

    Args:
        rows: int [users, items], in the order of time.
        name: how the split's name describes the fake users.
        prefix: how their user_id begins.
    """
    n_users = split.dataset.n_users + len(rows)
    fakes = list(rows)
    nothing = [EMPTY] * len(rows)
    return replace(
        split,
        dataset=_with_events(split.dataset, rows, prefix),
        name=f"{split.name}, {name}",
        users=np.arange(n_users),
        train=split.train + fakes,
        valid_history=split.valid_history + fakes,
        valid_target=split.valid_target + nothing,
        test_history=split.test_history + fakes,
        test_target=split.test_target + nothing,
    )


def _with_events(dataset: Dataset, rows: np.ndarray, prefix: str) -> Dataset:
    """The data set with the interactions of the fake users at its end."""
    n_fakes, size = rows.shape
    old = dataset.interactions
    added = pd.DataFrame(
        {
            "user": np.repeat(np.arange(dataset.n_users, dataset.n_users + n_fakes), size),
            "item": rows.ravel(),
            "rating": old["rating"].max(),  # nan where nothing is rated
            "timestamp": old["timestamp"].max() + 1 + np.tile(np.arange(size), n_fakes),
        }
    )
    fakes = pd.DataFrame({"user_id": [f"{prefix}-{i}" for i in range(n_fakes)]})
    return replace(
        dataset,
        interactions=pd.concat([old, added], ignore_index=True),
        users=pd.concat([dataset.users, fakes], ignore_index=True),
        truth=None,
    )
