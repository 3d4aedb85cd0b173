"""Any log of who took what as a `Dataset`: which column is which, what was understood, what was
left out.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tutorial_lib.data.any_beside import items_beside, users_beside
from tutorial_lib.data.any_columns import (
    MISSING,
    YES_NO,
    by_place,
    is_known,
    items_of,
    no_column,
    roles_of,
    texts_of,
    whole_ids,
)
from tutorial_lib.data.any_table import AnyTable, read_any_table
from tutorial_lib.data.any_times import seconds_of
from tutorial_lib.data.dataset import Dataset, DatasetCard
from tutorial_lib.data.files import Source
from tutorial_lib.errors import InputError, short_repr

OF_LOG = ("user", "item", "rating", "weight", "time", "title", "list")
MOST_RETITLED = 0.2  # share of items with several titles
NEEDED = {"user": "who acted", "item": "what was taken"}


@dataclass(frozen=True)
class AnyLog:
    """A log as it was understood.

    Args:
        dataset: every (user, item) once, the first in time; its card holds all notes.
        order: "times", "positions" (an order without times) or "none".
        titles: do at least nine in ten items have one?
        understood: how the files were read, one sentence each.
        dropped: what was left out and how often, one sentence each.
    """

    dataset: Dataset
    order: str
    titles: bool
    understood: tuple[str, ...]
    dropped: tuple[str, ...]


def read_any_log(
    path: str | Path,
    *,
    items: str | Path | None = None,
    users: str | Path | None = None,
    columns: Mapping[str, str] | None = None,
) -> AnyLog:
    """Read a log of interactions in any usual layout.

    Args:
        path: of the log: one row an event, or a user's list of items a row; see `read_any_table`
            for formats, and any_columns.yaml for names of columns.
        items: of a table of items: id, and title, categories or provider.
        users: of a table of users: id, and attributes to compare groups by.
        columns: role ("user", "item", "rating", "weight", "time", "title") -> the log's column,
            where names do not tell.

    Raises:
        InputError: something cannot be read, or only by a guess: file, column, line and mend.
    """
    table = read_any_table(path, is_known)
    if _is_mind(table):
        if items or users:
            raise InputError(f"{path} is MIND's: it brings its news.tsv, leave other tables out")
        return _mind(Path(path))
    log = _Log(table, columns or {})
    events = log.events()
    user_codes, user_ids = pd.factorize(events["user"])
    item_codes, item_ids = pd.factorize(events["item"])
    frame = pd.DataFrame({"user": user_codes, "item": item_codes})
    frame["rating"] = events["rating"].to_numpy()
    frame["timestamp"] = np.floor(events["time"].to_numpy()).astype(np.int64)
    about_items = items_beside(log, item_ids, events, items)
    about_users = users_beside(log, user_ids, users)
    titles = about_items["title"] != ""
    about_items["title"] = about_items["title"].where(titles, "item " + about_items["item_id"])
    name = re.sub(r"[^a-z0-9]+", "-", Path(path).name.lower().split(".")[0]).strip("-") or "log"
    card = DatasetCard(
        name,
        f"Log {Path(path).name}",
        "a file of your own",
        "not stated",
        sha256={Path(path).name: hashlib.sha256(Path(path).read_bytes()).hexdigest()},
        counts={"users": len(user_ids), "items": len(item_ids), "interactions": len(frame)},
        notes=(*log.understood, *log.dropped),
    )
    return AnyLog(
        Dataset(name, frame, about_items, about_users, card),
        log.order,
        bool(titles.mean() >= 0.9),
        tuple(log.understood),
        tuple(log.dropped),
    )


class _Log:
    """A table, the column of each role, and what is to be said about them."""

    def __init__(self, table: AnyTable, given: Mapping[str, str]):
        self.table = table
        self.understood: list[str] = [f"{table.path.name}: {'; '.join(table.notes)}"]
        self.dropped: list[str] = []
        self.order = "none"
        self.columns = roles_of(table, OF_LOG, given) if table.headed or given else by_place(table)
        if "list" in self.columns and "user" in self.columns:
            self.columns.pop("time", None)
        elif "item" not in self.columns and "title" in self.columns:
            self.columns["item"] = self.columns["title"]
        for role, meaning in NEEDED.items():
            if role not in self.columns and not (role == "item" and "list" in self.columns):
                raise no_column(table, role, meaning)
        said = ", ".join(f"{role} = {name!r}" for role, name in self.columns.items())
        self.understood.append(f"columns: {said}")
        unread = [name for name in table.columns if name not in self.columns.values()]
        if unread:
            self.understood.append(f"columns that are not used: {', '.join(unread)[:200]}")

    def texts(self, role: str) -> list[str]:
        """The cells of a role's column as texts, "" where a value is missing."""
        return texts_of(self.table, self.columns[role])

    def events(self) -> pd.DataFrame:
        """Columns user, item, rating, time (float seconds or ranks) and title, in time order, each
        (user, item) once.
        """
        users = whole_ids(self.texts("user"), self._where("user"))
        if "list" in self.columns:
            events = self._lists(users)
        else:
            events = self._rows(users)
        ids = (events["user"] != "") & (events["item"] != "")
        events = self._without(events, ~ids, "rows without a user or an item")
        events = self._without(events, events["time"].isna(), "rows without a time")
        # stable: rows of equal time stay in the order of the file
        events = events.sort_values("time", kind="stable")
        again = events.duplicated(["user", "item"])
        what = "repeated (user, item) pairs, of which the first is kept"
        events = self._without(events, again, what)
        if events["time"].nunique() == 1 and self.order != "none":
            self.order = "none"
            self.understood.append("all times are equal, so they tell no order")
        return events.reset_index(drop=True)

    def _rows(self, users: list[str]) -> pd.DataFrame:
        events = pd.DataFrame({"user": users, "row": range(len(users))}, dtype=object)
        events["item"] = whole_ids(self.texts("item"), self._where("item"))
        events["title"] = self._titles(events["item"])
        events["rating"] = rating = self._numbers("rating")
        events["time"] = self._times()
        if rating.max() == 1 and set(rating[~np.isnan(rating)]) <= {-1, 0, 1}:
            name = self.columns["rating"]  # yes or no: who was shown an item and left it
            events = self._without(events, rating <= 0, f"rows whose {name!r} says no (0 or -1)")
        if "weight" in self.columns:
            name = self.columns["weight"]
            weight = self._numbers("weight")
            self.understood.append(
                f"{name!r} says how often or how much, which is no rating: each pair counts once"
            )
            idle = (weight <= 0)[events.index]
            events = self._without(events, idle, f"rows whose {name!r} is 0 or less")
        return events

    def _titles(self, items: pd.Series) -> list[str]:
        """The title beside each event; "" where the column holds reviews' titles, not items'."""
        if "title" not in self.columns:
            return [""] * len(items)
        titles = pd.Series(self.texts("title"), index=items.index)
        several = titles.groupby(items).agg(["size", "nunique"]).query("size > 1")["nunique"] > 1
        if len(several) and several.mean() > MOST_RETITLED:
            self.understood.append(
                f"{self.columns['title']!r} differs from event to event: no title"
            )
            return [""] * len(items)
        return titles.tolist()

    def _lists(self, users: list[str]) -> pd.DataFrame:
        """Rows of a user's list of items, with one more item behind it where there is a column."""
        last = self.texts("item") if "item" in self.columns else [""] * len(users)
        lists = items_of(self.table, self.columns["list"])
        rows = [[*some, item] if item else some for some, item in zip(lists, last, strict=True)]
        sizes = np.array([len(row) for row in rows])
        events = pd.DataFrame({"user": np.repeat(np.array(users, dtype=object), sizes)})
        events["item"] = np.array([item for row in rows for item in row], dtype=object)
        events["title"], events["rating"] = "", np.nan
        events["time"] = events.groupby("user").cumcount().astype(float)
        self.order = "positions"
        self.understood.append("one row a list; places in the list are an order and no times")
        return events

    def _times(self) -> np.ndarray:
        """Seconds or ranks; 0 where the log has no times."""
        n = len(self.table.lines)
        if "time" not in self.columns:
            self.understood.append("no column of times: no order of events is known")
            return np.zeros(n)
        texts = ["" if text.lower() in MISSING else text for text in self.texts("time")]
        seconds, are_times, how = seconds_of(texts, self._where("time"))
        self.understood.append(f"{self.columns['time']!r}: {how}")
        if np.isnan(seconds).all():
            return np.zeros(n)
        self.order = "times" if are_times else "positions"
        return seconds

    def _numbers(self, role: str) -> np.ndarray:
        """float64 [rows]; NaN where nothing is given, or where no value is a number at all."""
        n = len(self.table.lines)
        if role not in self.columns:
            return np.full(n, np.nan)
        texts = pd.Series(self.texts(role), dtype=object)
        texts = texts.where(~texts.str.lower().isin(MISSING), "")
        plain = texts.str.lower()
        if set(plain) <= set(YES_NO):
            plain = plain.map(YES_NO)
        plain = plain.str.replace(r"^(-?\d+),(\d+)$", r"\1.\2", regex=True)
        numbers = pd.to_numeric(plain, "coerce")
        values = numbers.to_numpy(dtype=np.float64)
        bad = (texts != "").to_numpy() & ~np.isfinite(values)
        if bad.all() or (bad.any() and not np.isfinite(values).any()):
            name = self.columns[role]
            self.understood.append(f"{name!r} holds no number: it is not used as {role}")
            return np.full(n, np.nan)
        if bad.any():
            place = int(np.flatnonzero(bad)[0])
            raise InputError(
                f"{self._where(role)(place)}: {short_repr(texts[place], 40)} is no number; write a"
                " number, or leave the field empty"
            )
        return values

    def _where(self, role: str) -> Callable[[int], str]:
        """What names a place in a role's column."""
        name, table = self.columns[role], self.table
        return lambda place: f"{table.path}, column {name!r}, line {table.lines[place]}"

    def _without(self, events: pd.DataFrame, bad: Any, what: str) -> pd.DataFrame:
        """The events that are not ``bad``, and a note; InputError if none is left."""
        bad = np.asarray(bad, dtype=bool)
        if not bad.any():
            return events
        self.dropped.append(f"{bad.sum():,} {what}")
        if bad.all():
            raise InputError(
                f"{self.table.path}: nothing is left without {what}; is the right column read?"
                f" ({self.understood[1]}; name another with --column ROLE=NAME)"
            )
        return events[~bad]


# --- MIND's own file ---


def _is_mind(table: AnyTable) -> bool:
    """Is this MIND's behaviors.tsv, whose columns hold lists of clicks?"""
    if table.headed or len(table.columns) != 5:
        return False
    shown = list(table.columns["column 5"][:20])
    return all(re.fullmatch(r"\S+-[01]( +\S+-[01])* *", text) for text in shown)


def _mind(path: Path) -> AnyLog:
    """MIND's behaviors.tsv with its news.tsv, by their own reader."""
    from tutorial_lib.data.mind import read_mind

    if path.name != "behaviors.tsv" or not path.with_name("news.tsv").is_file():
        raise InputError(
            f"{path} looks like behaviors.tsv of MIND, which needs news.tsv beside it: put both"
            " under their own names into one folder"
        )
    dataset = read_mind(Source(path.parent), "mind-small", "skip")
    said = "behaviors.tsv and news.tsv are MIND's own files: clicks are the interactions"
    return AnyLog(dataset, "times", True, (said,), dataset.card.notes)
