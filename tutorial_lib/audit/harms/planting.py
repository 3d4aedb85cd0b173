"""Users who never were: the rows that attacks and canaries put into the training data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from tutorial_lib.data.splits import EMPTY, Split


def with_users(split: Split, rows: np.ndarray, name: str, *, prefix: str) -> Split:
    """The split with one more user for each row of item codes, int [users, items], in that order:
    any `fit` takes it.

    They come after the true users in ``dataset.users`` (user_id "prefix-0", no attributes), train
    and histories, were active after everybody else, and give the highest rating there is. They have
    no targets, so evaluation leaves them out. The planted truth, which knows nothing of them, is
    dropped. name: what the split's name says of them.
    """
    n_users, planted = split.dataset.n_users, len(rows)
    given, empty = list(rows), [EMPTY] * planted
    parts = {
        part: getattr(split, part) + given for part in ("train", "valid_history", "test_history")
    }
    parts |= {part: getattr(split, part) + empty for part in ("valid_target", "test_target")}
    dataset = _grown(split.dataset, rows, prefix)
    return replace(
        split,
        dataset=dataset,
        name=f"{split.name}, {name}",
        users=np.arange(n_users + planted),
        **parts,
    )


def _grown(dataset, rows: np.ndarray, prefix: str):
    planted, size = rows.shape
    old, known = dataset.interactions, dataset.interactions["rating"].notna().any()
    added = pd.DataFrame(
        {
            "user": np.repeat(np.arange(dataset.n_users, dataset.n_users + planted), size),
            "item": rows.ravel(),
            "rating": old["rating"].max() if known else np.nan,
            "timestamp": old["timestamp"].max() + 1 + np.tile(np.arange(size), planted),
        }
    )
    users = pd.concat(
        [dataset.users, pd.DataFrame({"user_id": [f"{prefix}-{i}" for i in range(planted)]})],
        ignore_index=True,
    )
    return replace(
        dataset, interactions=pd.concat([old, added], ignore_index=True), users=users, truth=None
    )
