"""Text tables of real data: parsed fast, every bad row named by file and line, nothing dropped
without a note.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Mapping
from io import BytesIO

import numpy as np
import pandas as pd

from tutorial_lib.data.dataset import Dataset, DatasetCard
from tutorial_lib.data.files import Source, checksum_notes
from tutorial_lib.errors import InputError

BOM = b"\xef\xbb\xbf"  # which some editors put before UTF-8
EXACT = 2**53 - 1  # up to here float64 holds every whole number
LISTED = 20  # skipped rows named one by one in a note


class TableReader:
    """Reads the files of one data set and keeps what its card must tell: checksums, skipped rows,
    duplicates.

    bad_rows: "error" raises InputError at the first malformed row, "skip" leaves such rows out and
        lists them in the notes.
    """

    def __init__(self, source: Source, name: str, bad_rows: str = "error"):
        self.source, self.name, self.bad_rows = source, name, bad_rows
        self.sha256: dict[str, str] = {}
        self.notes: list[str] = []

    def table(
        self,
        member: str,
        columns: Mapping[str, type],
        *,
        separator: str = "\t",
        header: str | None = None,
        encoding: str = "utf-8",
        quoted: bool = False,
        limits: Mapping[str, tuple[float, float]] | None = None,
    ) -> pd.DataFrame:
        """One file as a frame whose index is the line number (from 1).

        columns: name -> int, float or str, in file order; every line must have exactly these
            fields.
        header: the first line as published, or None for a file without one; limits: column ->
            lowest and highest value.
        encoding: as published; a latin-1 file saved again as UTF-8 or cp1252 is read as that.
        """
        data = self.source.read(member)
        self.sha256[member] = hashlib.sha256(data).hexdigest()
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            place = self.source.where(member)
            raise InputError(f"{place} was saved as UTF-16 ('Unicode'): save it again as UTF-8")
        resaved = encoding == "latin-1" and checksum_notes(self.name, {member: self.sha256[member]})
        if resaved and (found := _encoding_now(data)) != encoding:
            told = f"{member} was saved again as {found} (published as latin-1) and is read as such"
            self.notes.append(told)
            encoding = found
        data = data.removeprefix(BOM).replace(b"\r\n", b"\n")
        shape = f"{len(columns)} fields split by {separator!r}: {' '.join(columns)}"
        if header is not None:
            first, _, data = data.partition(b"\n")
            if first != header.encode():
                raise InputError(
                    f"{self.source.where(member)}, line 1: found {_excerpt(first)}, expected the"
                    f" header {header!r}"
                )
        start = 1 if header is None else 2
        frame = None if quoted else _parse_whole(data, columns, separator, encoding, start)
        bad: dict[int, str] = {}
        if frame is None:
            frame, bad = _parse_lines(data, columns, separator, encoding, quoted, start)
        for column, (low, high) in (limits or {}).items():
            outside = frame.index[~frame[column].between(low, high)]
            bad |= {
                line: f"{column} {frame.at[line, column]} outside {low:g}..{high:g}"
                for line in outside
            }
        return self.reject(member, frame, bad, shape)

    def report(
        self,
        member: str,
        bad: Mapping[int, str],
        expected: str,
        what: str = "malformed rows left out",
    ) -> None:
        """Note the lines in ``bad`` (line -> reason) as ``what``, or raise InputError for the first
        of them.
        """
        lines = sorted(bad)
        if lines and self.bad_rows == "error":
            place = f"{self.source.where(member)}, line {lines[0]}"
            raise InputError(
                f"{place}: {bad[lines[0]]}; expected {expected}. Mend the line, or load with"
                " bad_rows='skip'"
            )
        if lines:
            rest = f" and {len(lines) - LISTED:,} more" if len(lines) > LISTED else ""
            self.notes.append(
                f"{what}: {len(lines):,}"
                f" ({', '.join(f'{member}:{line}' for line in lines[:LISTED])}{rest})"
            )

    def reject(
        self, member: str, frame: pd.DataFrame, bad: Mapping[int, str], expected: str
    ) -> pd.DataFrame:
        """``frame`` without the lines in ``bad``, which are reported; InputError if no line is
        left.
        """
        self.report(member, bad, expected)
        kept = frame.drop(index=frame.index.intersection(list(bad))) if bad else frame
        if kept.empty:
            example = f" (line {min(bad)}: {bad[min(bad)]})" if bad else ""
            raise InputError(
                f"{self.source.where(member)} holds no usable row{example}; expected {expected}"
            )
        return kept

    def unique(self, member: str, frame: pd.DataFrame, column: str) -> pd.DataFrame:
        """``frame`` with every id of ``column`` once; a second row for an id counts as malformed."""
        again = frame.index[frame[column].duplicated()]
        bad = {
            line: f"{column} {_shown(frame.at[line, column])} is there already" for line in again
        }
        return self.reject(member, frame, bad, "each id once")

    def coded(
        self, member: str, frame: pd.DataFrame, column: str, ids: pd.Series, table: str
    ) -> pd.DataFrame:
        """``frame`` with the ids of ``column`` replaced by row numbers of ``ids``; an id that
        ``table`` lacks is malformed.
        """
        codes = pd.Index(ids).get_indexer(frame[column])
        bad = {
            line: f"{column} {_shown(frame.at[line, column])} is not in {table}"
            for line in frame.index[codes < 0]
        }
        kept = self.reject(member, frame, bad, f"a {column} of {table}")
        return kept.assign(**{column: codes[codes >= 0]})

    def first_of_each_pair(self, frame: pd.DataFrame) -> pd.DataFrame:
        """One interaction for each (user, item): the first in time, in row order between equal
        times. The rest is counted.
        """
        order = np.argsort(frame["timestamp"].to_numpy(), kind="stable")
        again = np.empty(len(frame), dtype=bool)
        again[order] = frame[["user", "item"]].iloc[order].duplicated().to_numpy()
        if again.any():
            self.notes.append(
                f"{again.sum():,} repeated (user, item) pairs left out: the first in time is kept"
            )
        return frame[~again]

    def note_repeated_titles(self, items: pd.DataFrame) -> None:
        """Note how many items share their title with an earlier one."""
        twins = int(items["title"].duplicated().sum())
        if twins:
            self.notes.append(
                f"{twins:,} items repeat the title of an earlier one: a title does not always name"
                " one item"
            )

    def dataset(
        self,
        interactions: pd.DataFrame,
        items: pd.DataFrame,
        users: pd.DataFrame,
        about: Mapping[str, str],
        **tables,
    ) -> Dataset:
        """The finished data set; ``about``: title, source, licence and citation of its card."""
        if interactions.empty:
            raise InputError(
                f"{self.source.path}: no interaction is left; do the files belong together?"
            )
        columns = ["user", "item", "rating", "timestamp"]
        interactions = interactions[columns].astype(
            {"user": np.int64, "item": np.int64, "rating": np.float64, "timestamp": np.int64}
        )
        counts = {"users": len(users), "items": len(items), "interactions": len(interactions)}
        counts |= {
            label: len(tables[key])
            for key, label in (("reviews", "reviews"), ("graph", "triples"))
            if len(tables.get(key, ()))
        }
        notes = (*checksum_notes(self.name, self.sha256), *self.notes)
        card = DatasetCard(self.name, **about, sha256=self.sha256, counts=counts, notes=notes)
        frames = (frame.reset_index(drop=True) for frame in (interactions, items, users))
        return Dataset(
            self.name,
            *frames,
            card,
            **{key: frame.reset_index(drop=True) for key, frame in tables.items()},
        )


def _parse_whole(
    data: bytes, columns: Mapping[str, type], separator: str, encoding: str, start: int
) -> pd.DataFrame | None:
    """The fast way for a file without a flaw; None if there is any, so that the slow way can name
    its line.
    """
    if len(separator) > 1:  # the C parser splits at one character only
        data, separator = data.replace(separator.encode(), b"\t"), "\t"
    if not data or (_field_counts(data, separator) != len(columns)).any():
        return None
    try:
        with np.errstate(invalid="ignore"):  # pandas warns before it refuses 1e400 as whole
            frame = pd.read_csv(
                BytesIO(data),
                sep=separator,
                header=None,
                names=list(columns),
                dtype=dict(columns),
                encoding=encoding,
                engine="c",
                quoting=csv.QUOTE_NONE,
                na_filter=False,
                lineterminator="\n",
                skip_blank_lines=False,
            )
    except (
        ValueError,
        OverflowError,
    ):  # pandas' ParserError and UnicodeDecodeError are ValueErrors
        return None
    for column, kind in columns.items():
        if kind is float and not np.isfinite(frame[column]).all():
            return None
        # one "1.0" in a column makes pandas read all of it as floats, and round what is larger
        if kind is int and not frame[column].between(-EXACT, EXACT).all():
            return None
    return frame.set_axis(range(start, start + len(frame)))


def _encoding_now(data: bytes) -> str:
    """What a file published as latin-1 is now: utf-8, cp1252 or latin-1.

    One line with an accent that is UTF-8 makes it UTF-8; lines that are not are then malformed.
    """
    if data.isascii():
        return "latin-1"
    accented = [line for line in data.split(b"\n") if not line.isascii()]
    if data.startswith(BOM) or any(map(_is_utf8, accented)):
        return "utf-8"
    letters = any(0x80 <= byte < 0xA0 for byte in data)  # in cp1252; in latin-1, control characters
    return "cp1252" if letters else "latin-1"


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _field_counts(data: bytes, separator: str) -> np.ndarray:
    """Number of fields on each line, shape [lines]."""
    codes = np.frombuffer(data, dtype=np.uint8)
    ends = np.flatnonzero(codes == ord("\n"))
    if not data.endswith(b"\n"):
        ends = np.append(ends, len(data))
    return np.diff(np.searchsorted(np.flatnonzero(codes == ord(separator)), ends), prepend=0) + 1


def _parse_lines(
    data: bytes,
    columns: Mapping[str, type],
    separator: str,
    encoding: str,
    quoted: bool,
    start: int,
) -> tuple[pd.DataFrame, dict[int, str]]:
    """The careful way: the good lines as a frame, and the reason against each bad line."""
    rows, numbers, bad = [], [], {}
    for number, line in enumerate(data.removesuffix(b"\n").split(b"\n") if data else [], start):
        try:
            text = line.decode(encoding)
        except UnicodeDecodeError:
            bad[number] = f"bytes that are not {encoding} ({_excerpt(line)})"
            continue
        fields = _split_quoted(text, separator) if quoted else text.split(separator)
        if len(fields) == len(columns):
            rows.append(fields)
            numbers.append(number)
        else:
            bad[number] = (
                f"found {len(fields)} field{'s' if len(fields) != 1 else ''} in {_excerpt(line)}"
            )
    frame = pd.DataFrame(rows, columns=list(columns), index=numbers, dtype=str)
    for column, kind in columns.items():
        if kind is not str:
            values = pd.to_numeric(frame[column], errors="coerce").astype(float)
            wrong = ~(values.abs() <= EXACT) | ((values % 1 != 0) if kind is int else False)
            noun = "whole number" if kind is int else "number"
            bad |= {
                line: f"{column} {frame.at[line, column]!r} is not a {noun}"
                for line in frame.index[wrong]
            }
            frame = frame[~wrong].assign(
                **{column: values[~wrong].astype(np.int64 if kind is int else np.float64)}
            )
    return frame, bad


def _split_quoted(text: str, separator: str) -> list[str]:
    """Fields of one CSV line; [] if a quotation mark is left open."""
    try:
        return next(csv.reader([text], delimiter=separator, strict=True), [])
    except csv.Error:
        return []


def _shown(value: object) -> str:
    return repr(value) if isinstance(value, str) else str(value)


def _excerpt(line: bytes) -> str:
    text = line.decode("utf-8", "backslashreplace")
    return repr(text if len(text) <= 60 else text[:57] + "...")
