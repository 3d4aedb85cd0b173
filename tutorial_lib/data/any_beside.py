"""Tables beside a log: titles, categories and providers of its items, attributes of its users."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd

from tutorial_lib.data.any_columns import KEYS, is_known, no_column, roles_of, texts_of, whole_ids
from tutorial_lib.data.any_table import AnyTable, read_any_table
from tutorial_lib.errors import InputError, short_repr

OF_ITEMS = ("item", "title", "categories", "provider")
AGES = (-1, 17, 24, 34, 44, 54, 150)  # years: upper ends of groups
AGE_GROUPS = ("under 18", "18-24", "25-34", "35-44", "45-54", "55 and older")


class Columns(Protocol):
    """The columns of a log by role, and what was understood."""

    columns: dict[str, str]
    understood: list[str]


def items_beside(
    log: Columns, ids: pd.Index, events: pd.DataFrame, path: str | Path | None
) -> pd.DataFrame:
    """What `Dataset.items` holds, one row per item of the log; ``path``: of a table of items."""
    titles = events.loc[events["title"] != ""].drop_duplicates("item").set_index("item")["title"]
    frame = pd.DataFrame({"item_id": ids})
    frame["title"] = [_plain(text) for text in titles.reindex(ids).fillna("")]
    frame["text"] = ""
    frame["categories"] = [()] * len(ids)
    if path is None:
        return frame
    table, found, rows = _beside(log, ids, path, "item", OF_ITEMS)
    if "title" in found:
        texts = texts_of(table, found["title"])
        frame["title"] = [_plain(texts[row]) if row >= 0 else "" for row in rows]
    if "categories" in found:
        texts = texts_of(table, found["categories"])
        split = [tuple(filter(None, map(str.strip, re.split(r"[|;,]", text)))) for text in texts]
        frame["categories"] = [split[row] if row >= 0 else () for row in rows]
    if "provider" in found:
        texts = texts_of(table, found["provider"])
        frame["provider"] = [texts[row] if row >= 0 else "" for row in rows]
    return frame


def _plain(title: str) -> str:
    """A title on one line, without HTML's names of letters."""
    return " ".join(html.unescape(title).split())


def users_beside(log: Columns, ids: pd.Index, path: str | Path | None) -> pd.DataFrame:
    """What `Dataset.users` holds, one row per user of the log; age in years becomes a group."""
    frame = pd.DataFrame({"user_id": ids})
    if path is None:
        return frame
    table, found, rows = _beside(log, ids, path, "user", ("user",))
    for name in table.columns:
        if name == found["user"]:
            continue
        texts = np.array([*texts_of(table, name), ""], dtype=object)  # the last: not in the table
        column = pd.Series(texts[rows])
        if name.lower() == "age":
            years = pd.to_numeric(column, errors="coerce")
            if years.notna().any():
                column = pd.cut(years, AGES, labels=AGE_GROUPS).astype(object).fillna("")
        frame[name if name != "user_id" else "user_id "] = column
    return frame


def _beside(
    log: Columns, ids: pd.Index, path: str | Path, role: str, roles: tuple[str, ...]
) -> tuple[AnyTable, dict[str, str], np.ndarray]:
    """A table of items or users, its columns, and its row of each id of the log (-1: none)."""
    own = log.columns[role if role in log.columns else "list"]
    table = read_any_table(path, lambda name: is_known(name) or name.lower() in KEYS or name == own)
    where = f"{table.path}, line 1"
    if not table.headed:
        raise InputError(f"{where}: no header; add a first line such as {role}_id,title")
    given = {role: own} if own in table.columns else {}
    found = roles_of(table, roles, given)
    keys = [name for name in table.columns if name.lower() in KEYS]
    if role not in found and keys:
        found[role] = keys[0]
    if role not in found:
        raise no_column(table, role, "as in the log")
    named = f"{table.path}, column {found[role]!r}"
    texts = whole_ids(texts_of(table, found[role]), lambda row: f"{named}, row {row + 1}")
    known = pd.Index(texts)
    rows = known.drop_duplicates().get_indexer(ids)
    first = np.flatnonzero(~known.duplicated())
    rows = np.where(rows >= 0, first[rows], -1)
    if (rows < 0).all():
        raise InputError(
            f"{named}: holds no {role} of the log ({short_repr(texts[0])} there,"
            f" {short_repr(ids[0])} in the log); give the table that belongs to this log"
        )
    said = ", ".join(f"{name} = {column!r}" for name, column in found.items())
    log.understood.append(f"{table.path.name}: {said}")
    if (rows < 0).any():
        log.understood.append(f"{(rows < 0).sum():,} of {len(ids):,} {role}s are not in that table")
    return table, found, rows
