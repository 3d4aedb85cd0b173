"""Read a log of shown lists: any bytes become a table of texts, or one clear line."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Sequence
from io import StringIO
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tutorial_lib.data.any_table import unpacked
from tutorial_lib.errors import InputError

EXPECTED = (
    "expected the columns user and items (codes), or user_id and item_ids (the data set's own "
    "ids), with items separated by spaces; or one row an item: user_id, item_id and, where the "
    "rows are not in order, rank"
)
USER_COLUMN = {"items": "user", "item_ids": "user_id", "item": "user", "item_id": "user_id"}
ONE_PER_ROW = ("item", "item_id")  # the others hold a whole list
RISES = ("rank", "ranking", "position", "pos", "place", "slot")  # down a list, from its first item
FALLS = tuple("score scores prediction pred predicted probability prob similarity logit".split())


# --- from bytes to a table ---


def read_log(path: str | Path) -> pd.DataFrame:
    """Every column of a csv file (also .gz) as text; an empty field is "".

    Raises:
        InputError: the file is not such a table: damaged, not UTF-8, unequal rows, no header.
    """
    path = Path(path)
    rows = csv.reader(StringIO(_text(path), newline=None), strict=True)
    try:
        header = [name.strip() for name in next(rows, [])]
        table = _columns(rows, header, path)
    except csv.Error as error:
        raise InputError(f"{path}, line {rows.line_num}: {error}; {EXPECTED}") from None
    # two columns of one name must stay two: `columns_of` refuses them
    return pd.DataFrame(dict(enumerate(table)), dtype=object).set_axis(header, axis=1)


def _columns(rows: Any, header: list[str], path: Path) -> list[list[str]]:
    """The columns below the header, which ``rows``, a csv.reader, has read; no blank lines."""
    if not any(header):
        raise InputError(f"{path}: the first line is empty; {EXPECTED}")
    cells: list[str] = []
    same: dict[str, str] = {}  # ids are repeated thousands of times: one text each is kept
    for row in rows:
        if row and len(row) != len(header):
            fields = f"{len(row)} fields under a header of {len(header)}"
            raise InputError(f"{path}, line {rows.line_num}: {fields}; {EXPECTED}")
        cells += [same.setdefault(text, text) for text in row]
    return [cells[place :: len(header)] for place in range(len(header))]


def _text(path: Path) -> str:
    """What the file holds, unpacked and decoded."""
    data = unpacked(path, "log fewer users")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        where = f"{path}: byte {error.start + 1} is not UTF-8"
        raise InputError(f"{where}; save the table as csv in UTF-8") from None
    if "\0" in text:
        raise InputError(
            f"{path}: holds a NUL byte, so it is not text; save the table as csv in UTF-8"
        )
    return text


# --- from a table to lists ---


def columns_of(frame: pd.DataFrame) -> tuple[str, str]:
    """The columns of users and of items, which say what a table of lists holds.

    Raises:
        InputError: a column is missing or there twice, or codes and ids are mixed.
    """
    names = [str(name) for name in frame.columns]
    items = [name for name in names if name in USER_COLUMN]
    users = [name for name in names if name in ("user", "user_id")]
    for same in (items, users, [name for name in names if _is_rank(name)]):
        if len(same) > 1:
            raise InputError(f"logged lists: columns {' and '.join(same[:2])}; keep one of them")
    expected = USER_COLUMN[items[0]] if items else "items"
    if not items or not users:
        present = ", ".join(map(repr, names[:8]))
        raise InputError(
            f"logged lists lack the column {expected!r}: logged lists have the columns {present};"
            f" {EXPECTED}"
        )
    if users[0] != expected:
        raise InputError(f"logged lists: {users[0]} and {items[0]} mix codes and ids; {EXPECTED}")
    return users[0], items[0]


def lists_of(
    frame: pd.DataFrame, users_as: Callable[[str], int], items_as: Callable[[str], int]
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Users and their lists.

    Args:
        frame: a table that `columns_of` takes.
        users_as: text -> code, or InputError; asked once for every different text.
        items_as: likewise, of items.

    Returns:
        User codes, [n], and one array of item codes for each; negative codes of users that
        ``users_as`` does not know.

    Raises:
        InputError: a user has two lists, two items have one rank, or the rows are in no order.
    """
    user_column, item_column = columns_of(frame)
    names = [str(value).strip() for value in frame[user_column]]
    # a table that pandas has read has nan where a user was shown nothing
    texts = frame[item_column].astype(object).where(frame[item_column].notna(), "").map(str)
    if item_column in ONE_PER_ROW:
        names, rows = _joined(frame, names, [text.strip() for text in texts])
    else:
        rows = [text.split() for text in texts]
    users = _mapped(names, users_as)
    again = pd.Series(users).duplicated() & (users >= 0)
    if again.any():
        user = _short(names[int(again.argmax())])
        raise InputError(f"user {user} has two logged lists; keep one list per user")
    items = _mapped(list(chain.from_iterable(rows)), items_as)
    return users, np.split(items, np.cumsum([len(row) for row in rows])[:-1]) if rows else []


def _joined(
    frame: pd.DataFrame, names: list[str], items: list[str]
) -> tuple[list[str], list[list[str]]]:
    """One row per user from one row per item, ordered by rank, or else as the rows come."""
    table = pd.DataFrame({"user": names, "item": items}, dtype=object)
    ranks = [name for name in frame.columns if _is_rank(name)]
    if ranks:
        table["rank"] = _numbers(frame[ranks[0]])
        bad = np.flatnonzero(~np.isfinite(table["rank"]))
        if len(bad):
            value = _short(frame[ranks[0]].iloc[bad[0]])
            raise InputError(f"logged lists: rank {value}; expected a number, 1 for the first item")
        tied = table.duplicated(["user", "rank"])
        if tied.any():
            user = _short(names[int(tied.argmax())])
            raise InputError(f"user {user} has two items of one rank; number them 1, 2, 3")
        table = table.sort_values("rank", kind="stable")
    else:
        _check_order(frame, table["user"])
    lists = table.groupby("user", sort=False)["item"].agg(list)
    # no item: the user was shown nothing
    return lists.index.tolist(), [[item for item in row if item] for row in lists]


def _check_order(frame: pd.DataFrame, users: pd.Series) -> None:
    """InputError where a column such as score says another order than the rows' own."""
    for column, name in enumerate(frame.columns):
        words = [word for word in re.split("[^a-z]+", str(name).lower()) if word in RISES + FALLS]
        if not words:
            continue
        numbers = pd.Series(_numbers(frame.iloc[:, column]))
        place = numbers if words[-1] in RISES else -numbers
        # false beside what is not a number, such as the name of a place on the page
        if (place < place.groupby(users, sort=False).shift()).any():
            raise InputError(
                f"logged lists: the rows are not in the order of the column {name!r}, which is not "
                "read; add a column rank (1 for the first item), or leave the column out if the "
                "rows are in the order that was shown"
            )


def _numbers(column: pd.Series) -> np.ndarray:
    return pd.to_numeric(column, errors="coerce").to_numpy(dtype=float)


def _is_rank(name: object) -> bool:
    return str(name).strip().lower() == "rank"


def _mapped(texts: Sequence[str], to_code: Callable[[str], int]) -> np.ndarray:
    codes, unique = pd.factorize(pd.Series(texts, dtype=object))
    return np.array([to_code(text) for text in unique], dtype=np.int64)[codes]


# --- texts of numbers ---


def whole_number(text: str) -> int:
    """A code from its text.

    Raises:
        InputError: a fraction, a sign, inf, digits of other scripts, 10^20.

    >>> whole_number("12")
    12
    """
    text = whole_text(text)
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise InputError(
            f"logged lists: {_short(text)} is no code; expected whole numbers from 0, such as "
            "items '12 7 30' (the data set's own ids go into columns user_id and item_ids)"
        )
    return int(text)


def whole_text(text: str) -> str:
    """pandas writes whole numbers with a gap somewhere as 1.0; any other text stays as it is.

    >>> whole_text("12.0"), whole_text("v0.0")
    ('12', 'v0.0')
    """
    digits = text.removesuffix(".0")
    return digits if digits.isascii() and digits.isdigit() else text


def _short(value: object) -> str:
    text = str(value)
    return repr(text if len(text) <= 40 else f"{text[:40]}...")
