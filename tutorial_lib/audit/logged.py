"""Audit a system that you cannot call: from a log of the lists that it showed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from tutorial_lib.errors import InputError


class LoggedLists:
    """A recommender that repeats what was logged, user by user; whoever is not in the log gets an empty list (and is counted so).

    lists: user code -> item codes, best first. name: how a report calls the system.

    >>> LoggedLists({7: [3, 1]}, name="shop").recommend([[0], [2]], k=3, users=[7, 8]).tolist()
    [[3, 1, -1], [-1, -1, -1]]
    """

    def __init__(self, lists: Mapping[int, Sequence[int]], *, name: str = "logged lists"):
        self.lists, self.name = {int(user): list(items) for user, items in lists.items()}, name

    @classmethod
    def from_frame(cls, frame: pd.DataFrame, *, name: str = "logged lists") -> LoggedLists:
        """From a table with the columns user and items (codes in one text, separated by spaces). Raises InputError for anything else."""
        for column in ("user", "items"):
            if column not in frame:
                raise InputError(f"logged lists lack the column {column!r}: expected user (code) and items (codes, separated by spaces)")
        if frame["user"].duplicated().any():
            raise InputError(f"user {frame['user'][frame['user'].duplicated()].iloc[0]} has two logged lists; keep one list a user")
        try:
            lists = {
                int(user): [int(item) for item in str(items).split()] for user, items in zip(frame["user"], frame["items"], strict=True)
            }
        except ValueError as error:
            raise InputError(f"logged lists: {error}; expected whole numbers, such as items '12 7 30'") from None
        return cls(lists, name=name)

    def fit(self, split, *, seed: int = 0, progress: bool = True) -> LoggedLists:
        return self

    def recommend(self, histories, k: int = 10, *, users: Sequence[int] | None = None, exclude_seen: bool = True) -> np.ndarray:
        if users is None:
            raise InputError("logged lists are kept by user: pass users=[...], as audit and split.users do")
        out = np.full((len(users), k), -1, dtype=np.int64)
        for row, user in enumerate(users):
            items = self.lists.get(int(user), [])[:k]
            out[row, : len(items)] = items
        return out
