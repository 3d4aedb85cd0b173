"""Audit a system that you cannot call: from a log of the lists that it showed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain

import numpy as np
import pandas as pd

from tutorial_lib.audit.core.log_file import columns_of, lists_of, whole_number, whole_text
from tutorial_lib.audit.core.sizes import shown
from tutorial_lib.errors import InputError

NO_ITEM, UNKNOWN_ITEM, CUT_ITEM = -1, -2, -3  # CUT_ITEM: in the source, not in the audited part


class LoggedLists:
    """A recommender that repeats what was logged, user by user.

    A user with an empty list was logged and shown nothing; a user who is not in the log gets an
    empty list from `recommend`, and `audit` judges the logged users only.

    lists: user code -> item codes, best first (-1 is padding and dropped).
    name: how a report calls the system.
    Raises InputError for users or items that are no whole numbers.

    >>> LoggedLists({7: [3, 1]}, name="shop").recommend([[0], [2]], k=3, users=[7, 8]).tolist()
    [[3, 1, -1], [-1, -1, -1]]
    """

    def __init__(self, lists: Mapping[int, Sequence[int]], *, name: str = "logged lists"):
        self.lists = {_code(user, "user", 0): _codes(items, user) for user, items in lists.items()}
        self.name = name
        self._by_id = False  # the log named users and items by the data set's own ids
        self._strangers: list[str] = []  # ids of users that the data set does not know
        self._unknown: list[str] = []  # ids of items that the data set does not know
        self._cut: list[str] = []  # ids that it knows, outside the audited part

    @classmethod
    def from_frame(
        cls, frame: pd.DataFrame, *, dataset=None, whole=None, name: str = "logged lists"
    ) -> LoggedLists:
        """From a table of lists; the names of its columns say what it holds.

        frame: user and items: codes, items in one text, separated by spaces; or user_id and
            item_ids: the data set's own ids; or one row an item: user_id, item_id and, where the
            rows of a user are not in order, rank (1 first). Other columns are ignored, but one such
            as score or position must not say another order.
        dataset: needed for ids. whole: the data set before any users and items were cut from it.
        Raises InputError for anything else.
        """
        users, items, ids = columns_of(frame)
        if not ids:
            codes, lists = lists_of(frame, users, items, whole_number, _item_or_padding)
            return cls(dict(zip(codes.tolist(), lists, strict=True)), name=name)
        if dataset is None:
            raise InputError(f"logged lists with {users}: pass dataset=, whose ids they are")
        whole = dataset if whole is None else whole
        user_code = _reader(dataset.users["user_id"], whole.users["user_id"])
        item_code = _reader(dataset.items["item_id"], whole.items["item_id"])
        codes, lists = lists_of(frame, users, items, user_code, item_code)
        log = cls({}, name=name)
        pairs = zip(codes.tolist(), lists, strict=True)
        log.lists = {user: row.tolist() for user, row in pairs if user >= 0}
        log._by_id = True
        log._strangers = [*user_code.unknown, *user_code.cut]
        log._unknown, log._cut = item_code.unknown, item_code.cut
        return log

    def fit(self, split, *, seed: int = 0, progress: bool = True) -> LoggedLists:
        return self

    def recommend(
        self,
        histories,
        k: int = 10,
        *,
        users: Sequence[int] | None = None,
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

    def strangers(self, dataset) -> list[str]:
        """Users of the log that the data set does not know, as the log names them.

        Raises InputError if it knows nobody, or the users look counted from 1.
        """
        outside = sorted(user for user in self.lists if user >= dataset.n_users)
        known = len(self.lists) - len(outside)
        strangers = [*self._strangers, *map(str, outside)]
        if not known:
            first = f", such as {strangers[0][:40]!r}" if strangers else ""
            raise InputError(
                f"{self.name}: none of the log's {len(strangers):,} users is in {dataset.name}"
                f"{first}; {_mend(dataset, self._by_id)}"
            )
        if outside == [dataset.n_users] and 0 not in self.lists:
            raise InputError(
                f"{self.name}: user {dataset.n_users} is not in {dataset.name} and there is no "
                f"user 0, so the log is counted from 1; {_mend(dataset, self._by_id)}"
            )
        return strangers

    def problems(self, dataset, k: int) -> list[str]:
        """One line for users and items of the log that the data set does not know, and for lists
        that are all shorter than ``k``."""
        lines, strangers = [], self.strangers(dataset)
        longest = max(map(len, self.lists.values()), default=0)
        if 0 < longest < k:
            asked = f"audit lists of {longest}, not {k}"
            lines.append(f"log: its longest list has {longest} items; {asked}")
        if strangers:
            where = f"not in {dataset.name}: {_some(strangers)}"
            lines.append(
                f"log: users {where} ({len(strangers):,} in all); their lists are left out"
            )
        shown = set(chain.from_iterable(self.lists.values()))
        if max(shown, default=0) == dataset.n_items and 0 not in shown:
            lines.append(
                f"log: item {dataset.n_items} is not in {dataset.name} and item 0 is in no list, "
                f"so the items look counted from 1; {_mend(dataset, self._by_id)}"
            )
        if self._unknown:
            where = f"not in {dataset.name}: {_some(self._unknown)}"
            lines.append(
                f"log: items {where} ({len(self._unknown):,} in all); they count as unknown"
            )
        if self._cut:
            items = f"{_some(self._cut)} ({len(self._cut):,} in all)"
            lines.append(
                f"log: items cut from {dataset.name} before the audit: {items}; they are no hits "
                "and no faults"
            )
        return lines

    def scope(self, dataset, users: np.ndarray) -> dict[str, str]:
        """What a report says of the log. users: codes of all users that have targets, [n]."""
        covered = users[self.covers(users)]
        empty = sum(not self.lists[user] for user in covered.tolist())
        named = "the data set's own ids" if self._by_id else "codes (numbered from 0)"
        judged = f"{len(covered):,} of the {len(users):,} users with targets"
        return {
            "log": f"{self.name}, {len(self.lists):,} users, named by {named}",
            "users logged": f"{judged}, {shown(empty)} with an empty list; only these are judged",
        }


def log_within(recommender) -> LoggedLists | None:
    """The log that is audited, also under a layer that keeps it as ``inner``, as injectors do."""
    while not isinstance(recommender, LoggedLists) and hasattr(recommender, "inner"):
        recommender = recommender.inner
    return recommender if isinstance(recommender, LoggedLists) else None


class _reader:
    """Text -> code of an id: -2 and noted if nobody knows it, -3 if it was cut.

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
        (self.cut if text in self.known else self.unknown).append(text)
        return CUT_ITEM if text in self.known else UNKNOWN_ITEM


def _item_or_padding(text: str) -> int:
    return NO_ITEM if text in ("-1", "-1.0") else whole_number(text)


def _code(value: object, what: str, lowest: int) -> int:
    """A whole number that is one: 1.0 is, 1.2 and "1" and True are not."""
    number = value.item() if isinstance(value, np.generic) else value
    whole = isinstance(number, int) or (isinstance(number, float) and number.is_integer())
    if isinstance(number, bool) or not whole or not lowest <= number < 2**62:
        raise InputError(f"logged lists: {what} {value!r}; expected a code, a whole number from 0")
    return int(number)


def _codes(items: object, user: object) -> list[int]:
    """Item codes without padding."""
    if isinstance(items, (str, bytes)) or not isinstance(items, (Sequence, np.ndarray)):
        raise InputError(f"logged lists: user {user} has {items!r:.60}; expected a list of codes")
    if isinstance(items, np.ma.MaskedArray):  # a masked place is an empty one
        items = items.astype(object).filled(NO_ITEM)
    array = np.asarray(items)
    if array.ndim == 1 and array.dtype.kind in "iu" and (not len(array) or array.min() >= -1):
        return array[array != NO_ITEM].tolist()
    codes = [_code(item, f"user {user}, item", NO_ITEM) for item in items]
    return [code for code in codes if code != NO_ITEM]


def _mend(dataset, ids: bool) -> str:
    users, items = dataset.n_users - 1, dataset.n_items - 1
    if ids:
        sample = ", ".join(str(value) for value in dataset.users["user_id"].head(2))
        return f"expected ids of ds.users and ds.items, such as users {sample}"
    return (
        f"expected codes, users 0..{users} and items 0..{items} (tutorial audit --export-ids "
        "FOLDER writes them); the data set's own ids go into columns user_id and item_ids"
    )


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(name[:40] for name in names[:3])
    return f"{shown}, ..." if len(names) > 3 else shown
