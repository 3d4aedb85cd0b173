"""A log as a recommender: it repeats the lists that another system showed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd

from tutorial_lib.audit.core.groups import shown
from tutorial_lib.audit.logs.reading import columns_of, lists_of, whole_number, whole_text
from tutorial_lib.data import Dataset
from tutorial_lib.errors import InputError

# places of a list: padding; an item that nobody knows; one in the source, not in the audited part
NO_ITEM, UNKNOWN_ITEM, CUT_ITEM = -1, -2, -3


class LoggedLists:
    """A recommender that repeats what was logged, user by user.

    A user with an empty list was logged and shown nothing; a user who is not in the log gets an
    empty list from `recommend`, and `audit` judges the logged users only.

    Args:
        lists: user code -> item codes, best first (-1 is padding and dropped).
        name: what a report calls the system.

    Raises:
        InputError: users or items that are not whole numbers.

    >>> LoggedLists({7: [3, 1]}, name="shop").recommend([[0], [2]], k=3, users=[7, 8]).tolist()
    [[3, 1, -1], [-1, -1, -1]]
    """

    def __init__(self, lists: Mapping[int, Sequence[int]], *, name: str = "logged lists"):
        self.lists = {_code(user, "user", 0): _codes(items, user) for user, items in lists.items()}
        self.name = name
        self._by_id = False
        self._unknown_users: list[str] = []  # ids that the data set does not know
        self._unknown_items: list[str] = []
        self._cut_items: list[str] = []  # ids that it knows, outside the audited part

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        *,
        dataset: Dataset | None = None,
        whole: Dataset | None = None,
        name: str = "logged lists",
    ) -> LoggedLists:
        """From a table of lists; the names of its columns say what it holds.

        Args:
            frame: user and items: codes, items in one text, separated by spaces; or user_id and
                item_ids: the data set's own ids; or one row per item: user_id, item_id and, where
                the rows of a user are not in order, rank (1 first). Other columns are ignored, but
                one such as score or position must not say another order.
            dataset: needed for ids.
            whole: the data set before any users and items were cut from it.
            name: what a report calls the system.

        Raises:
            InputError: anything else.
        """
        users, _ = columns_of(frame)
        log = cls({}, name=name)
        log._by_id = users == "user_id"
        if not log._by_id:
            codes, lists = lists_of(frame, whole_number, _item_or_padding)
            log.lists = {
                user: row[row != NO_ITEM].tolist()
                for user, row in zip(codes.tolist(), lists, strict=True)
            }
            return log
        if dataset is None:
            raise InputError(f"logged lists with {users}: pass dataset=, whose ids they are")
        whole = dataset if whole is None else whole
        user_code = _Ids(dataset.users["user_id"], whole.users["user_id"])
        item_code = _Ids(dataset.items["item_id"], whole.items["item_id"])
        codes, lists = lists_of(frame, user_code, item_code)
        pairs = zip(codes.tolist(), lists, strict=True)
        log.lists = {user: row.tolist() for user, row in pairs if user >= 0}
        log._unknown_users = [*user_code.unknown, *user_code.cut]
        log._unknown_items = item_code.unknown
        log._cut_items = item_code.cut
        return log

    def fit(self, split: Any, *, seed: int = 0, progress: bool = True) -> LoggedLists:
        return self

    def recommend(
        self,
        histories: Any,
        k: int = 10,
        *,
        users: Sequence[int] | np.ndarray | None = None,
        exclude_seen: bool = True,
    ) -> np.ndarray:
        if users is None:
            raise InputError("logged lists are kept by user: pass users=[...], as audit does")
        out = np.full((len(users), k), NO_ITEM, dtype=np.int64)
        for row, user in enumerate(users):
            items = self.lists.get(int(user), [])[:k]
            out[row, : len(items)] = items
        return out

    @property
    def ids(self) -> bool:
        """Whether users and items were named by the data set's own ids."""
        return self._by_id

    def covers(self, users: np.ndarray) -> np.ndarray:
        """Which users are in the log, [n] bool: those with an empty list, too."""
        return np.isin(users, np.fromiter(self.lists, dtype=np.int64, count=len(self.lists)))

    def strangers(self, dataset: Dataset) -> list[str]:
        """Users of the log that the data set does not know, as the log names them.

        Raises:
            InputError: the data set knows nobody, or the users look counted from 1.
        """
        outside = sorted(user for user in self.lists if user >= dataset.n_users)
        strangers = [*self._unknown_users, *map(str, outside)]
        if len(outside) == len(self.lists):
            first = f", such as {strangers[0][:40]!r}" if strangers else ""
            raise InputError(
                f"{self.name}: none of the log's {len(strangers):,} users is in {dataset.name}"
                f"{first}; {self._mend(dataset)}"
            )
        if outside == [dataset.n_users] and 0 not in self.lists:
            raise InputError(
                f"{self.name}: user {dataset.n_users} is not in {dataset.name} and there is no "
                f"user 0, so the log is counted from 1; {self._mend(dataset)}"
            )
        return strangers

    def problems(self, dataset: Dataset, k: int) -> list[str]:
        """A line each for users and items that the data set does not know, and for lists that are
        all shorter than ``k``.
        """
        lines = []
        strangers = self.strangers(dataset)
        longest = max(map(len, self.lists.values()), default=0)
        if 0 < longest < k:
            lines.append(
                f"log: its longest list has {longest} items; audit lists of {longest}, not {k}"
            )
        if strangers:
            lines.append(
                f"log: users not in {dataset.name}: {_counted(strangers)}; their lists are left out"
            )
        items = set(chain.from_iterable(self.lists.values()))
        if max(items, default=0) == dataset.n_items and 0 not in items:
            lines.append(
                f"log: item {dataset.n_items} is not in {dataset.name} and item 0 is in no list, "
                f"so the items look counted from 1; {self._mend(dataset)}"
            )
        if self._unknown_items:
            unknown = _counted(self._unknown_items)
            lines.append(f"log: items not in {dataset.name}: {unknown}; they count as unknown")
        if self._cut_items:
            cut = _counted(self._cut_items)
            lines.append(
                f"log: items cut from {dataset.name} before the audit: {cut}; they are no hits and"
                " no faults"
            )
        return lines

    def scope(self, dataset: Dataset, users: np.ndarray) -> dict[str, str]:
        """What a report says of the log. users: codes of all users that have targets, [n]."""
        covered = users[self.covers(users)]
        empty = sum(not self.lists[user] for user in covered.tolist())
        named = "the data set's own ids" if self.ids else "codes (numbered from 0)"
        judged = f"{len(covered):,} of the {len(users):,} users with targets"
        return {
            "log": f"{self.name}, {len(self.lists):,} users, named by {named}",
            "users logged": f"{judged}, {shown(empty)} with an empty list; only these are judged",
        }

    def _mend(self, dataset: Dataset) -> str:
        if self.ids:
            sample = ", ".join(str(value) for value in dataset.users["user_id"].head(2))
            return f"expected ids of ds.users and ds.items, such as users {sample}"
        return (
            f"expected codes, users 0..{dataset.n_users - 1} and items 0..{dataset.n_items - 1} "
            "(tutorial audit --export-ids FOLDER writes them); the data set's own ids go into "
            "columns user_id and item_ids"
        )


class _Ids:
    """Text -> code of an id: -2 if nobody knows it, -3 if it was cut; both are noted.

    An id is looked up as it is written, and then 1.0 as 1.
    """

    def __init__(self, ids: pd.Series, whole: pd.Series):
        self.codes = {str(value): code for code, value in enumerate(ids)}
        self.known = set(map(str, whole))
        self.unknown: list[str] = []
        self.cut: list[str] = []

    def __call__(self, text: str) -> int:
        text = text if text in self.known else whole_text(text)
        if text in self.codes:
            return self.codes[text]
        if text in self.known:
            self.cut.append(text)
            return CUT_ITEM
        self.unknown.append(text)
        return UNKNOWN_ITEM


def _item_or_padding(text: str) -> int:
    return NO_ITEM if text in ("-1", "-1.0") else whole_number(text)


def _code(value: Any, what: str, lowest: int) -> int:
    """A whole number that is one: 1.0 is, 1.2 and "1" and True are not."""
    number = value.item() if isinstance(value, np.generic) else value
    whole = isinstance(number, int) or (isinstance(number, float) and number.is_integer())
    if isinstance(number, bool) or not whole or not lowest <= number < 2**62:
        raise InputError(f"logged lists: {what} {value!r}; expected a code, a whole number from 0")
    return int(number)


def _codes(items: Any, user: object) -> list[int]:
    """Item codes without padding."""
    if isinstance(items, (str, bytes)) or not isinstance(items, (Sequence, np.ndarray)):
        raise InputError(f"logged lists: user {user} has {items!r:.60}; expected a list of codes")
    if isinstance(items, np.ma.MaskedArray):
        items = np.ma.filled(items.astype(object), NO_ITEM)  # a masked place is an empty one
    array = np.asarray(items)
    if array.ndim == 1 and array.dtype.kind in "iu" and (not len(array) or array.min() >= NO_ITEM):
        return array[array != NO_ITEM].tolist()
    codes = [_code(item, f"user {user}, item", NO_ITEM) for item in items]
    return [code for code in codes if code != NO_ITEM]


def _counted(names: Sequence[str]) -> str:
    """The first three of many names, and their number."""
    some = ", ".join(name[:40] for name in names[:3])
    return f"{some}{', ...' if len(names) > 3 else ''} ({len(names):,} in all)"
