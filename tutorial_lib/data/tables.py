"""Text tables of real data: each bad row named by file and line, nothing dropped without a note."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Mapping

import numpy as np
import pandas as pd

from tutorial_lib.data.dataset import Dataset, DatasetCard
from tutorial_lib.data.files import ORIGINS, Source, checksum_notes
from tutorial_lib.errors import InputError, short_repr

BOM = b"\xef\xbb\xbf"  # which some editors put before UTF-8
EXACT = 2**53 - 1  # up to here float64 holds every whole number
LISTED = 20  # skipped rows named one by one in a note


class TableReader:
    """Reads the files of one data set and keeps what its card must say.

    Args:
        source: the files.
        name: of the published data set.
        bad_rows: "error" raises InputError at the first malformed row, "skip" leaves such rows out
            and lists them in the notes.
    """

    def __init__(self, source: Source, name: str, bad_rows: str):
        self.source = source
        self.name = name
        self.bad_rows = bad_rows
        self.sha256: dict[str, str] = {}
        self.notes: list[str] = []
        origin = ORIGINS[name]
        self.about = {
            field: getattr(origin, field) for field in ("title", "source", "licence", "citation")
        }

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

        Args:
            member: the file.
            columns: name -> int, float or str, in file order; every line must have exactly these
                fields.
            separator: between fields.
            header: the first line as published, or None for a file without one.
            encoding: as published; a latin-1 file saved again as UTF-8 or cp1252 is read as that.
            quoted: fields may stand in quotation marks, as CSV has them.
            limits: column -> lowest and highest value.
        """
        data, encoding = self._bytes(member, encoding)
        start = 1
        if header is not None:
            start = 2
            first, _, data = data.partition(b"\n")
            if first != header.encode():
                raise InputError(
                    f"{self.source.where(member)}, line 1: found {_excerpt(first)}, expected the "
                    f"header {header!r}"
                )
        frame, bad = _parse(data, columns, separator, encoding, quoted, start)
        shape = f"{len(columns)} fields split by {separator!r}: {' '.join(columns)}"
        frame = self._without(member, frame, bad, shape)
        for column, (low, high) in (limits or {}).items():
            outside = ~frame[column].between(low, high)
            why = f"outside {low:g}..{high:g}"
            frame = self.reject(member, frame, column, outside, why, shape)
        return frame

    def reject(
        self, member: str, frame: pd.DataFrame, column: str, wrong, why: str, expected: str
    ) -> pd.DataFrame:
        """``frame`` without the rows of ``wrong`` (bool [rows]), each reported as column, value and
        ``why``; InputError if no row is left.
        """
        lines = frame.index[np.asarray(wrong, dtype=bool)]
        bad = {line: f"{column} {_shown(frame.at[line, column])} {why}" for line in lines}
        return self._without(member, frame, bad, expected)

    def unique(self, member: str, frame: pd.DataFrame, column: str) -> pd.DataFrame:
        """``frame`` with each id of ``column`` once; a second row for an id counts as malformed."""
        again = frame[column].duplicated()
        return self.reject(member, frame, column, again, "is there already", "each id once")

    def coded(
        self, member: str, frame: pd.DataFrame, column: str, ids: pd.Series, table: str
    ) -> pd.DataFrame:
        """``frame`` with the ids of ``column`` replaced by row numbers of ``ids``; an id that
        ``table`` lacks is malformed.
        """
        codes = pd.Index(ids).get_indexer(frame[column])
        expected = f"a {column} of {table}"
        kept = self.reject(member, frame, column, codes < 0, f"is not in {table}", expected)
        return kept.assign(**{column: codes[codes >= 0]})

    def report(self, member: str, bad: Mapping[int, str], expected: str, what: str) -> None:
        """Note the lines in ``bad`` (line -> reason) as ``what``, or raise InputError for the first
        of them.
        """
        if not bad:
            return
        lines = sorted(bad)
        if self.bad_rows == "error":
            raise InputError(
                f"{self.source.where(member)}, line {lines[0]}: {bad[lines[0]]}; expected "
                f"{expected}. Mend the line, or load with bad_rows='skip'"
            )
        listed = ", ".join(f"{member}:{line}" for line in lines[:LISTED])
        rest = f" and {len(lines) - LISTED:,} more" if len(lines) > LISTED else ""
        self.notes.append(f"{what}: {len(lines):,} ({listed}{rest})")

    def _without(
        self, member: str, frame: pd.DataFrame, bad: Mapping[int, str], expected: str
    ) -> pd.DataFrame:
        """``frame`` without the lines in ``bad``, which are reported; InputError if no line is
        left.
        """
        self.report(member, bad, expected, "malformed rows left out")
        kept = frame[~frame.index.isin(list(bad))] if bad else frame
        if kept.empty:
            example = f" (line {min(bad)}: {bad[min(bad)]})" if bad else ""
            raise InputError(
                f"{self.source.where(member)} holds no usable row{example}; expected {expected}"
            )
        return kept

    def _bytes(self, member: str, encoding: str) -> tuple[bytes, str]:
        """The content of a file with lines that end in \\n, and its encoding now."""
        data = self.source.read(member)
        self.sha256[member] = hashlib.sha256(data).hexdigest()
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            place = self.source.where(member)
            raise InputError(f"{place} was saved as UTF-16 ('Unicode'): save it again as UTF-8")
        if encoding == "latin-1" and checksum_notes(self.name, {member: self.sha256[member]}):
            encoding = encoding_now(data)
            if encoding != "latin-1":
                self.notes.append(
                    f"{member} was saved again as {encoding} (published as latin-1) and is read "
                    "as such"
                )
        return data.removeprefix(BOM).replace(b"\r\n", b"\n"), encoding

    def first_of_each_pair(self, frame: pd.DataFrame) -> pd.DataFrame:
        """One interaction for each (user, item): the first in time, in row order between equal
        times. The others are counted in a note.
        """
        by_time = frame.sort_values("timestamp", kind="stable")
        again = by_time.duplicated(["user", "item"]).reindex(frame.index).to_numpy()
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
                f"{twins:,} items repeat the title of an earlier one: a title does not always name "
                "one item"
            )

    def dataset(
        self,
        interactions: pd.DataFrame,
        items: pd.DataFrame,
        users: pd.DataFrame,
        **others: pd.DataFrame,
    ) -> Dataset:
        """The finished data set; ``others``: reviews and graph, where there are any."""
        if interactions.empty:
            raise InputError(
                f"{self.source.path}: no interaction is left; do the files belong together?"
            )
        kinds = {"user": np.int64, "item": np.int64, "rating": np.float64, "timestamp": np.int64}
        interactions = interactions[list(kinds)].astype(kinds)
        tables = {"interactions": interactions, "items": items, "users": users, **others}
        tables = {name: frame.reset_index(drop=True) for name, frame in tables.items()}
        counts = {name: len(tables[name]) for name in ("users", "items", "interactions")}
        for name, label in (("reviews", "reviews"), ("graph", "triples")):
            if len(tables.get(name, ())):
                counts[label] = len(tables[name])
        notes = (*checksum_notes(self.name, self.sha256), *self.notes)
        card = DatasetCard(self.name, **self.about, sha256=self.sha256, counts=counts, notes=notes)
        return Dataset(name=self.name, card=card, **tables)


def _parse(
    data: bytes,
    columns: Mapping[str, type],
    separator: str,
    encoding: str,
    quoted: bool,
    start: int,
) -> tuple[pd.DataFrame, dict[int, str]]:
    """The good lines as a frame, and the reason against each bad line."""
    rows: list[list[str]] = []
    numbers: list[int] = []
    bad: dict[int, str] = {}
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
            plural = "" if len(fields) == 1 else "s"
            bad[number] = f"found {len(fields)} field{plural} in {_excerpt(line)}"
    frame = pd.DataFrame(rows, columns=list(columns), index=numbers, dtype=str)
    for column, kind in columns.items():
        if kind is str:
            continue
        values = pd.to_numeric(frame[column], errors="coerce").astype(float)
        wrong = ~(values.abs() <= EXACT)  # missing and infinite values too
        noun = "number"
        if kind is int:
            wrong |= values % 1 != 0
            noun = "whole number"
        for line in frame.index[wrong]:
            bad[line] = f"{column} {frame.at[line, column]!r} is not a {noun}"
        frame = frame[~wrong].assign(**{column: values[~wrong].astype(kind)})
    return frame, bad


def _split_quoted(text: str, separator: str) -> list[str]:
    """Fields of one CSV line; [] if a quotation mark is left open."""
    try:
        return next(csv.reader([text], delimiter=separator, strict=True), [])
    except csv.Error:
        return []


def encoding_now(data: bytes) -> str:
    """What a file published as latin-1 is now: utf-8, cp1252 or latin-1.

    One line with an accent that is UTF-8 makes it UTF-8; lines that are not are then malformed.
    """
    accented = [line for line in data.split(b"\n") if not line.isascii()]
    if accented and (data.startswith(BOM) or any(map(_is_utf8, accented))):
        return "utf-8"
    letters = any(0x80 <= byte < 0xA0 for byte in data)  # in cp1252; in latin-1, control characters
    return "cp1252" if letters else "latin-1"


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _shown(value: object) -> str:
    return short_repr(value) if isinstance(value, str) else str(value)


def _excerpt(line: bytes) -> str:
    return short_repr(line.decode("utf-8", "backslashreplace"))
