"""Read a log of shown lists: any bytes become a table of texts, or one clear line."""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from collections.abc import Callable, Sequence
from io import StringIO
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd

from tutorial_lib.data.archives import MOST_BYTES
from tutorial_lib.errors import InputError

LARGEST = MOST_BYTES  # unpacked: a gzip file of 2 MB can hold 2 GB
EXPECTED = (
    "expected the columns user and items (codes), or user_id and item_ids (the data set's own "
    "ids), with items separated by spaces; or one row an item: user_id, item_id and, where the "
    "rows are not in order, rank"
)
RISES, FALLS = 1, -1
ORDERS = {  # words in the names of columns that say an item's place: their way down a list
    **dict.fromkeys(("rank", "ranking", "position", "pos", "place", "slot"), RISES),
    **dict.fromkeys(("score", "scores", "prediction", "pred", "predicted"), FALLS),
    **dict.fromkeys(("probability", "prob", "similarity", "logit"), FALLS),
}
LISTED = {"items": "user", "item_ids": "user_id"}  # one row a user
SINGLE = {"item": "user", "item_id": "user_id"}  # one row an item


def read_log(path: str | Path) -> pd.DataFrame:
    """Every column of a csv file (also .gz) as text; an empty field is "".

    Raises InputError for what is no such table: damaged, not UTF-8, unequal rows, no header.
    """
    path = Path(path)
    rows = csv.reader(StringIO(_text(path), newline=None), strict=True)
    try:
        header = [name.strip() for name in next(rows, [])]
        table = _table(rows, header, path)
    except csv.Error as error:
        raise InputError(f"{path}, line {rows.line_num}: {error}; {EXPECTED}") from None
    # two columns of one name must stay two: `columns_of` refuses them
    return pd.DataFrame(dict(enumerate(table)), dtype=object).set_axis(header, axis=1)


def _table(rows, header: list[str], path: Path) -> list[list[str]]:
    """The columns below the header; blank lines are skipped."""
    if not any(header):
        raise InputError(f"{path}: the first line is empty; {EXPECTED}")
    kept, same = [], {}  # ids are repeated thousands of times: one text each is kept
    for row in rows:
        if len(row) != len(header) and row:
            found = f"{len(row)} fields under a header of {len(header)}"
            raise InputError(f"{path}, line {rows.line_num}: {found}; {EXPECTED}")
        kept += [same.setdefault(text, text) for text in row]
    return [kept[place :: len(header)] for place in range(len(header))]


def _text(path: Path) -> str:
    """What the file holds, unpacked and decoded."""
    try:
        with gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except (OSError, EOFError, zlib.error) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{path}: cannot be read ({why}); write the file again") from None
    if len(data) > LARGEST:
        raise InputError(f"{path}: more than {LARGEST >> 20} MiB unpacked; log fewer users")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        where = f"{path}: byte {error.start + 1} is not UTF-8"
        raise InputError(f"{where}; save the table as csv in UTF-8") from None
    if "\0" in text:
        raise InputError(
            f"{path}: holds a NUL byte, so it is no text; save the table as csv in UTF-8"
        )
    return text


def columns_of(frame: pd.DataFrame) -> tuple[str, str, bool]:
    """(user column, item column, whether the names say ids): what a table of lists is read by.

    Raises InputError where a column is missing or there twice, or codes and ids are mixed.
    """
    names = [str(name) for name in frame.columns]
    items = [name for name in names if name in {**LISTED, **SINGLE}]
    users = [name for name in names if name in ("user", "user_id")]
    found = f"logged lists have the columns {', '.join(map(repr, names[:8]))}"
    ranks = [name for name in names if _is_rank(name)]
    for same in (items, users, ranks):
        if len(same) > 1:
            raise InputError(f"logged lists: columns {' and '.join(same[:2])}; keep one of them")
    if not items:
        lacking = "items"
    elif not users:
        lacking = {**LISTED, **SINGLE}[items[0]]
    elif {**LISTED, **SINGLE}[items[0]] != users[0]:
        mixed = f"{users[0]} and {items[0]} mix codes and ids"
        raise InputError(f"logged lists: {mixed}; {EXPECTED}")
    else:
        return users[0], items[0], users[0] == "user_id"
    raise InputError(f"logged lists lack the column {lacking!r}: {found}; {EXPECTED}")


def lists_of(
    frame: pd.DataFrame,
    user_column: str,
    item_column: str,
    users_as: Callable[[str], int],
    items_as: Callable[[str], int],
) -> tuple[np.ndarray, list[np.ndarray]]:
    """User codes, [n], and their lists of item codes; -1 for a user the mapping does not know.

    users_as, items_as: text -> code, or InputError; each is asked once for every different text.
    """
    names = [str(value).strip() for value in frame[user_column]]
    # a table that pandas has read has nan where a user was shown nothing
    nothing = frame[item_column].isna()
    shown = ["" if no else str(v) for v, no in zip(frame[item_column], nothing, strict=True)]
    if item_column in SINGLE:
        names, rows = _rows_joined(frame, names, [[text.strip()] for text in shown])
    else:
        rows = [text.split() for text in shown]
    users, sizes = _mapped(names, users_as), [len(row) for row in rows]
    again = pd.Series(users).duplicated() & (users >= 0)
    if again.any():
        user = _short(names[int(again.argmax())])
        raise InputError(f"user {user} has two logged lists; keep one list a user")
    items = _mapped(list(chain.from_iterable(rows)), items_as)
    return users, np.split(items, np.cumsum(sizes)[:-1]) if sizes else []


def _rows_joined(frame, names: list[str], items: list[list[str]]) -> tuple[list, list]:
    """One row a user from one row an item, ordered by rank, or else as the rows come."""
    row, users = pd.factorize(np.array([*names, ""], dtype=object)[:-1])
    order = np.argsort(row, kind="stable")
    ranks = [name for name in frame.columns if _is_rank(name)]
    if ranks:
        rank = pd.to_numeric(frame[ranks[0]], errors="coerce").to_numpy(dtype=float)
        bad = np.flatnonzero(~np.isfinite(rank))
        if len(bad):
            value = _short(frame[ranks[0]].iloc[bad[0]])
            raise InputError(f"logged lists: rank {value}; expected a number, 1 for the first item")
        order = np.lexsort((rank, row))
        tied = (np.diff(row[order]) == 0) & (np.diff(rank[order]) == 0)
        if tied.any():
            user = _short(users[row[order][int(tied.argmax())]])
            raise InputError(f"user {user} has two items of one rank; number them 1, 2, 3")
    else:
        _check_order(frame, row, order)
    rows: list[list[str]] = [[] for _ in users]
    row = row.tolist()
    for place in order.tolist():
        rows[row[place]] += filter(None, items[place])  # no item: the user was shown nothing
    return list(users), rows


def _is_rank(name: object) -> bool:
    return str(name).strip().lower() == "rank"


def _check_order(frame, row: np.ndarray, order: np.ndarray) -> None:
    """Raises InputError where a column such as score says another order than the rows' own."""
    same_user = np.diff(row[order]) == 0
    for column, name in enumerate(frame.columns):
        ways = [ORDERS[word] for word in re.split("[^a-z]+", str(name).lower()) if word in ORDERS]
        if not ways:
            continue
        numbers = pd.to_numeric(frame.iloc[:, column], errors="coerce").to_numpy(dtype=float)
        place = ways[-1] * numbers[order]
        # false beside what is no number, such as the name of a place on the page
        if (same_user & (place[1:] < place[:-1])).any():
            raise InputError(
                f"logged lists: the rows are not in the order of the column {name!r}, which is not "
                "read; add a column rank (1 for the first item), or leave the column out if the "
                "rows are in the order that was shown"
            )


def whole_number(text: str) -> int:
    """A code from its text. Raises InputError for a fraction, a sign, inf, other digits, 10^20.

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


def _mapped(texts: Sequence[str], to_code: Callable[[str], int]) -> np.ndarray:
    codes, unique = pd.factorize(np.array([*texts, ""], dtype=object)[:-1])
    return np.array([to_code(text) for text in unique], dtype=np.int64)[codes]


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
