"""Any table of texts: csv in whatever dialect, json lines, parquet, packed or not; or one line that
says what is wrong with the file.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zlib
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import dropwhile, islice
from pathlib import Path
from typing import Any

import pandas as pd

from tutorial_lib.data.archives import MOST_BYTES
from tutorial_lib.data.tables import BOM, encoding_now
from tutorial_lib.errors import InputError, short_repr

SEPARATORS = ("\t", "::", ";", "|", ",", " ")
NAMED = {"\t": "tabs", "::": "'::'", ";": "semicolons", "|": "'|'", ",": "commas", " ": "spaces"}
LOOKED_AT = 50  # lines that show separator and header
NO_HEADER = re.compile(r"[-+]?[\d.,]+|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}.*|")  # a number or date
QUOTED = re.compile(r'^"(.*)"$')
NO_TABLE = {  # first bytes -> what it is, what to do
    b"PK\x03\x04": ("a zip or a spreadsheet", "unpack it, or save the sheet as csv in UTF-8"),
    b"\xd0\xcf\x11\xe0": ("an old spreadsheet", "save the sheet as csv in UTF-8"),
    b"BZh": ("packed by bzip2", "unpack it"),
    b"\xfd7zXZ": ("packed by xz", "unpack it"),
    b"(\xb5/\xfd": ("packed by zstd", "unpack it"),
    b"\x80\x04": ("a pickle", "write it as csv: a pickle can run any program"),
    b"<": ("a page or XML", "download the table itself"),
}


@dataclass(frozen=True)
class AnyTable:
    """The cells of a file, by column.

    Args:
        path: of the file.
        columns: name -> cells, texts or (json, parquet) values; "column 1", ... without a header.
        lines: number in the file of each row, from 1 (parquet: of the row).
        headed: do the columns have names?
        notes: how it was read, one sentence each.
    """

    path: Path
    columns: Mapping[str, Sequence[Any]]
    lines: Sequence[int]
    headed: bool
    notes: tuple[str, ...]


def read_any_table(path: str | Path, known: Callable[[str], bool]) -> AnyTable:
    """Read a csv (any usual separator), json lines or parquet file, also packed by gzip.

    Args:
        path: of the file; what it is, is told by its content, not by its name.
        known: is this the name of a column that one would look for? Tells a header.

    Raises:
        InputError: it is no such table; file, line and mend are named.
    """
    path = Path(path)
    data = unpacked(path, "take the rows of fewer users")
    for start, (what, mend) in NO_TABLE.items():
        if data.startswith(start):
            raise InputError(f"{path} is {what}: {mend}")
    if data.startswith(b"PAR1"):
        return _parquet(path, data)
    encoding, said = _encoding(path, data)
    text = io.TextIOWrapper(io.BytesIO(data), encoding, newline="")
    if re.match(rb"\s*[{\[]", data.removeprefix(BOM)):
        return _json(path, text)
    return _separated(path, text, known, said)


def unpacked(path: Path, fewer: str) -> bytes:
    """The bytes of a file, unpacked where they are a gzip's; at most `MOST_BYTES` of them.

    Args:
        path: of the file.
        fewer: what to do about a larger one, for the message.
    """
    try:
        with path.open("rb") as plain:
            packed = plain.read(2) == b"\x1f\x8b" or path.name.lower().endswith(".gz")
        with gzip.open(path) if packed else path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except (FileNotFoundError, IsADirectoryError):
        raise InputError(f"{path}: no such file; give the path of a log or table") from None
    except (OSError, EOFError, zlib.error) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{path}: cannot be read ({why}); write the file again") from None
    if len(data) > MOST_BYTES:
        raise InputError(f"{path}: more than {MOST_BYTES >> 20} MiB unpacked; {fewer}")
    return data


def _encoding(path: Path, data: bytes) -> tuple[str, list[str]]:
    """Of a text file, with a note unless it is UTF-8."""
    if not data.strip():
        raise InputError(f"{path} is empty: expected a header line, such as user,item, and rows")
    said = []
    encoding = "utf-8-sig"
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    elif b"\0" in data:
        line = data[: data.index(b"\0")].count(b"\n") + 1
        raise InputError(f"{path}, line {line}: a NUL byte, so it is no text; save it as UTF-8")
    else:
        try:
            data.decode(encoding)
        except UnicodeDecodeError as error:
            encoding = encoding_now(data)
            if encoding == "utf-8":  # other lines are: this one is damaged
                line = data[: error.start].count(b"\n") + 1
                raise InputError(
                    f"{path}, line {line}: bytes that are not UTF-8, as other lines are; save the"
                    " file as UTF-8, or mend the line"
                ) from None
    if encoding != "utf-8-sig":
        said.append(f"the text is not UTF-8 and was read as {encoding}")
    return encoding, said


def _separated(path: Path, text: io.TextIOWrapper, known: Callable, said: list[str]) -> AnyTable:
    """A table of lines with a separator between fields."""
    try:
        head = list(islice(dropwhile(_in_front, text), LOOKED_AT))
        text.seek(0)
        separator = _separator(path, head, known)
        rows = _rows(text, separator)
        number, first = next(rows)  # an open quotation mark shows here or in `_columns`
        names = [name.strip().lstrip("#").strip() for name in first]
        headed = any(map(known, names)) or not any(map(NO_HEADER.fullmatch, names))
        if headed:
            _check_names(path, names, number)
        else:
            names = [f"column {place}" for place in range(1, len(first) + 1)]
            said.append("the file has no header line")
        cells, lines = _columns(path, rows, len(names), [] if headed else [(number, first)])
    except UnicodeError as error:
        raise InputError(f"{path} cannot be decoded ({error}); save it as UTF-8") from None
    except csv.Error as error:
        raise InputError(f"{path}, line 1: {error}; mend the quotation mark") from None
    what = f"a table separated by {NAMED[separator]}"
    columns = {name: cells[place] for place, name in enumerate(names) if name}
    return AnyTable(path, columns, lines, headed, (what, *said))


def _columns(
    path: Path, rows: Iterator, width: int, first: list
) -> tuple[list[list[str]], Sequence[int]]:
    """The cells of each column, and the line of each row."""
    cells: list[list[str]] = [[] for _ in range(width)]
    same: dict[str, str] = {}  # ids are repeated thousands of times: one text each is kept
    lines = array("q")
    try:
        for number, row in [*first, *rows] if first else rows:
            if len(row) != width:
                raise InputError(
                    f"{path}, line {number}: {len(row)} field{'s' * (len(row) != 1)}, expected"
                    f" {width} as in the first line; mend the line (a separator inside a field"
                    " needs quotation marks around the field)"
                )
            lines.append(number)
            for column, text in zip(cells, row, strict=True):
                column.append(same.setdefault(text, text))
    except csv.Error as error:
        after = lines[-1] if lines else 1
        raise InputError(f"{path}, after line {after}: {error}; mend the quotation mark") from None
    if not lines:
        raise InputError(f"{path} has a header and no rows below it: expected one row an event")
    return cells, lines


def _in_front(line: str) -> bool:
    """Is this line nothing that belongs to the table? Some programs write such ones before it."""
    return not line.strip() or line.lower().startswith(("%", "sep="))


def _rows(text: Any, separator: str) -> Iterator[tuple[int, list[str]]]:
    """(line number, fields) of each line of the table; blank ones are left out."""
    numbered: Iterator[tuple[int, list[str]]]
    if len(separator) > 1:
        lines = (line.rstrip("\r\n") for line in text)
        numbered = ((number, line.split(separator)) for number, line in enumerate(lines, 1))
    elif separator in "\t ":  # titles with one quotation mark are common where tabs part fields
        rows = csv.reader(text, delimiter=separator, quoting=csv.QUOTE_NONE)
        numbered = ((rows.line_num, [QUOTED.sub(r"\1", cell) for cell in row]) for row in rows)
    else:
        rows = csv.reader(text, delimiter=separator, strict=True)
        numbered = ((rows.line_num, row) for row in rows)
    started = False
    for number, row in numbered:
        started = started or not _in_front(separator.join(row))
        if started and any(map(str.strip, row)):
            yield number, row


def _separator(path: Path, head: list[str], known: Callable[[str], bool]) -> str:
    """What parts the fields: of the separators that give all first lines as many fields, the one
    whose header has known names, or else the most fields.
    """
    widths = {}
    for separator in SEPARATORS:
        try:
            rows = [row for _, row in _rows(head, separator)]
        except csv.Error:  # an open quotation mark
            rows = [row for _, row in _rows(head[:1], separator)] if '"' not in head[0] else []
        if not rows or len(rows[0]) < 2:
            continue
        names = [name.strip().lstrip("#").strip() for name in rows[0]]
        alike = sum(len(row) == len(rows[0]) for row in rows) / len(rows)
        named = sum(map(known, names))
        if named or alike > 0.5:
            widths[separator] = (named, alike if separator != " " else alike - 1, len(rows[0]))
    if not widths:
        shown = short_repr(head[0].strip(), 60) if head else "nothing"
        raise InputError(
            f"{path}, line 1: {shown} is not parted by commas, tabs, semicolons, '|', '::' or"
            " spaces into fields; expected a header line, such as user,item, and a row an event"
        )
    return max(widths, key=lambda separator: widths[separator])


def _check_names(path: Path, names: list[str], line: int) -> None:
    seen: set[str] = set()
    for name in names:
        if name and name in seen:
            raise InputError(
                f"{path}, line {line}: the column {name!r} stands twice; rename one of the two"
            )
        seen.add(name)


def _json(path: Path, text: io.TextIOWrapper) -> AnyTable:
    """One JSON object a line, or one list of them."""
    content = text.read()
    rows, lines = [], array("q")
    if content.lstrip().startswith("["):
        rows = _parsed(path, content, 1)
        lines.extend(range(1, len(rows) + 1))
    else:
        for number, line in enumerate(content.split("\n"), 1):
            if line.strip():
                rows.append(_parsed(path, line, number))
                lines.append(number)
    for number, row in zip(lines, rows, strict=True):
        if not isinstance(row, dict):
            raise InputError(f"{path}, line {number}: {short_repr(row)} is no JSON object")
    names = list(dict.fromkeys(name for row in rows for name in row))
    if not names:
        raise InputError(f"{path} has no rows: expected one JSON object a line")
    columns = {name: [row.get(name) for row in rows] for name in names}
    return AnyTable(path, columns, lines, True, ("one JSON object a row",))


def _parsed(path: Path, text: str, line: int) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{path}, line {line}: is not JSON ({error}); write one object a line, such as"
            ' {"user": 1, "item": 2}'
        ) from None


def _parquet(path: Path, data: bytes) -> AnyTable:
    try:
        frame = pd.read_parquet(io.BytesIO(data)).reset_index(drop=True)
    except ImportError:
        raise InputError(f"{path} is parquet, which needs a package: pip install pyarrow") from None
    except Exception as error:  # pyarrow has many
        raise InputError(f"{path}: damaged parquet ({error}); write the file again") from None
    if frame.empty:
        raise InputError(f"{path} has no rows: expected one row an event")
    names = [str(name) for name in frame.columns]
    _check_names(path, names, 1)
    columns = {name: frame.iloc[:, place].tolist() for place, name in enumerate(names)}
    return AnyTable(path, columns, range(1, len(frame) + 1), True, ("a parquet table",))
