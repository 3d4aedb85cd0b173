"""What the cells gave: one file per cell while a grid runs, one tidy table afterwards."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import os
import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import tutorial_lib
from tutorial_lib.data.shipped import clone_commit, shipped, write_whole
from tutorial_lib.errors import InputError
from tutorial_workshop.experiments.cells import Cell
from tutorial_workshop.experiments.fingerprints import WHAT

FORMAT = 2  # of a cell's file and of the table; another number is another version of the kit
CELL = ["task", "dataset", "lm", "strategy", "labels", "seed"]
METRICS = ["ndcg@10", "hit@10", "realised_ndcg@10", "realised_hit@10", "auc"]
COSTS = ["trainable", "stored_bytes", "seconds", "score_seconds", "flops"]
MADE_BY = ["commit", "version"]
# what is the same for all users of a cell stands in front, which packs best
COLUMNS = ["format", *CELL, *COSTS, *MADE_BY, "fingerprint", "user", *METRICS, "items"]
PARTS = {"cell", "users", "values", *COSTS, *MADE_BY}  # of a cell's file
TEXTS = ("task", "dataset", "lm", "strategy", "commit", "version", "fingerprint", "items")
LIST = r"\d{1,9}(?: \d{1,9}){0,9}"  # a top ten: item codes, best first
# column: least, most, whole number?, needed in every row? Nobody counts the flops of a baseline,
# and a task has one metric or the other.
LIMITS = {
    "labels": (0, 1e9, True, True),
    "seed": (0, 2**63, True, True),
    "user": (0, 1e9, True, True),
    "ndcg@10": (0, 1, False, False),
    "hit@10": (0, 1, False, False),
    "realised_ndcg@10": (0, 1, False, False),
    "realised_hit@10": (0, 1, False, False),
    "auc": (0, 1, False, False),
    "trainable": (0, 1e13, True, True),
    "stored_bytes": (0, 1e14, True, True),
    "seconds": (0, 1e8, False, True),
    "score_seconds": (0, 1e8, False, True),
    "flops": (0, 1e26, False, False),
}
CHECKSUM = "sha256"  # its key in a cell's file
MOST_BYTES = 2**29  # of an unpacked table; the kit's own has some 30 MB


class Results:
    """A folder of finished cells. A file appears whole or not at all, so a grid that was killed
    goes on where it stood.

    Each file carries a checksum of its content, for a wrong digit is JSON as good as a right one.
    A file that cannot be read, was changed, or comes from another version, is moved to
    ``set-aside/`` with a line of notice; the rest is used.
    """

    def __init__(self, folder: str | Path, tell: Callable[[str], None] = print):
        self.folder, self.tell = Path(folder), tell
        self.commit = clone_commit(mark_changes=False)

    def path(self, cell: Cell) -> Path:
        return self.folder / f"{cell.name}.json"

    def write(self, cell: Cell, result: dict) -> None:
        made_by = {"version": tutorial_lib.__version__, "commit": self.commit}
        content = {"format": FORMAT, **made_by, **result}
        write_whole(self.path(cell), json.dumps({**content, CHECKSUM: checksum(content)}).encode())

    def read(self, cells: Iterable[Cell]) -> dict[Cell, dict]:
        """The finished ones of these cells; files that are no good are set aside, with one line for
        each reason.
        """
        found: dict[Cell, dict] = {}
        faults: dict[str, list[Path]] = {}
        for cell in cells:
            path = self.path(cell)
            if path.exists():
                result, fault = self._read(path, cell)
                if fault:
                    faults.setdefault(fault, []).append(path)
                else:
                    found[cell] = {key: part for key, part in result.items() if key != CHECKSUM}
        for fault, paths in faults.items():
            self._set_aside(paths, fault)
        return found

    def _read(self, path: Path, cell: Cell) -> tuple[dict, str]:
        """Of one file: content, and what is wrong with it ("": nothing)."""
        try:
            result = json.loads(path.read_text(encoding="utf-8"))
            return result, _fault(result, cell)
        except OSError as error:
            reason = f"{error.strerror or error}; a file that can be read was expected"
            raise InputError(f"results {path}: {reason}") from None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
            return {}, "cannot be read"

    def _set_aside(self, paths: Sequence[Path], why: str) -> None:
        aside = self.folder / "set-aside"
        for path in paths:
            try:
                aside.mkdir(exist_ok=True)
                os.replace(path, aside / path.name)
            except OSError as error:
                reason = f"cannot be moved to {aside} ({error.strerror or error}): delete it"
                raise InputError(f"results {path} {why}, and {reason}") from None
        more = f" (and {len(paths) - 1} files like it)" if len(paths) > 1 else ""
        self.tell(
            f"{paths[0].name} {why}{more}: moved to {aside}, to be run again; all others are used"
        )


def _fault(result: dict, cell: Cell) -> str:
    """What is wrong with the content of a cell's file, as the end of a sentence; or ""."""
    if result.get("format") != FORMAT:
        return f"has format {result.get('format')}, this version of the kit writes {FORMAT}"
    lengths = {len(values) for values in [result["users"], *result["values"].values()]}
    if PARTS - set(result) or len(lengths) != 1 or Cell(**result["cell"]) != cell:
        return "is incomplete, or belongs to another cell"
    if _wrong_number(to_frame([result])):
        return "holds a number that nobody can have measured"
    if CHECKSUM not in result:
        return "has no checksum, as of an earlier version of the kit"
    content = {name: value for name, value in result.items() if name != CHECKSUM}
    if result[CHECKSUM] != checksum(content):
        return "was changed after it was written (checksum differs)"
    return ""


def checksum(content: dict) -> str:
    """SHA-256 of what a cell's file holds, however its JSON is laid out."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def to_frame(results: Iterable[dict]) -> pd.DataFrame:
    """One row per cell and test user, sorted, with the columns `COLUMNS`; costs repeat on every row
    of a cell.

    "ndcg@10" and "hit@10" are in expectation where the dataset is a planted world, the "realised"
    ones are those of the one target that was drawn; "items" is the top ten, codes joined by spaces;
    "seconds" and "score_seconds" (per user) are processor seconds.
    """
    rows = []
    for result in results:
        same = result["cell"] | {name: result.get(name) for name in ("format", *COSTS, *MADE_BY)}
        same["fingerprint"] = " ".join((result.get("fingerprint") or {}).values())
        for place, user in enumerate(result["users"]):
            metrics = {name: values[place] for name, values in result["values"].items()}
            rows.append({**same, "user": user, **metrics})
    frame = pd.DataFrame(rows, columns=COLUMNS)
    order = ["task", "dataset", "lm", "labels", "strategy", "seed"]
    return frame.sort_values(order, kind="stable", ignore_index=True)


def to_results(frame: pd.DataFrame) -> dict[tuple, dict]:
    """The opposite of `to_frame`: (the fields `CELL`) -> what a cell's file holds, but for its
    "cell". So a grid goes on from a recorded table where its folder is lost.
    """
    found = {}
    for key, rows in frame.groupby(CELL, sort=False):
        first = rows[["format", *COSTS, *MADE_BY]].astype(object).iloc[0]
        held = [name for name in (*METRICS, "items") if rows[name].notna().all()]
        found[key] = {
            **first.where(first.notna(), None).to_dict(),
            "fingerprint": dict(zip(WHAT, rows["fingerprint"].iloc[0].split(" "), strict=False)),
            "users": rows["user"].tolist(),
            "values": {name: rows[name].tolist() for name in held},
        }
    return found


def to_bytes(frame: pd.DataFrame) -> bytes:
    """The table as it ships: gzipped CSV, the same bytes for the same rows."""
    return gzip.compress(frame.to_csv(index=False, lineterminator="\n").encode(), mtime=0)


def load_results(path: str | Path = "grid.csv.gz") -> pd.DataFrame:
    """A recorded table: a file name below the kit's ``data/results/``, or the path of your own.

    Raises InputError, in one line, for a missing or damaged file, for one from another version, and
    for a number that nobody can have measured (text, a metric outside 0..1, negative or endless
    costs), named by column and line.

    >>> load_results().columns[:4].tolist()
    ['format', 'task', 'dataset', 'lm']
    """
    here = Path(path).is_absolute() or os.path.exists(path)
    path = Path(path) if here else shipped(f"results/{path}")
    if not os.path.exists(path):
        raise InputError(
            f"results {path}: no such file; run: tutorial grid --out FOLDER, which writes"
            " FOLDER/grid.csv.gz"
        )
    try:
        frame = pd.read_csv(io.BytesIO(_unpacked(path)), dtype=dict.fromkeys(TEXTS, str))
    except (OSError, EOFError, ValueError, zlib.error, OverflowError, csv.Error) as error:
        raise InputError(
            f"results {path}: damaged ({type(error).__name__}); expected a gzipped CSV as tutorial"
            " grid writes it"
        ) from None
    if list(frame.columns) != COLUMNS or set(frame["format"]) - {FORMAT}:
        raise InputError(
            f"results {path}: from another version of the kit; run tutorial grid again, or install"
            " the version it names"
        )
    if not frame["items"].dropna().str.fullmatch(LIST).all():
        raise InputError(
            f"results {path}: a damaged list; expected up to ten item codes with spaces between"
        )
    if frame.empty:
        raise InputError(f"results {path}: no row; expected one for each cell and test user")
    if wrong := _wrong_number(frame):
        raise InputError(f"results {path}: {wrong}; download or record the file again")
    return frame.fillna({"lm": "", "fingerprint": "", "commit": ""})


def recorded_table(name: str, **options) -> pd.DataFrame:
    """A table of the kit's ``data/results/``; ``options`` are those of ``pandas.read_csv``.

    >>> recorded_table("sequence-curves.csv").columns[:2].tolist()
    ['dataset', 'model']
    """
    return pd.read_csv(shipped(f"results/{name}"), **options)


def _unpacked(path: Path) -> bytes:
    """The content of a gzip file; ValueError for more than `MOST_BYTES`."""
    with gzip.open(path) as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError("too large")
    return content


def _wrong_number(frame: pd.DataFrame) -> str:
    """The first number that nobody can have measured, in words (the first row is line 2); or ""."""
    for column, (low, high, whole, needed) in LIMITS.items():
        numeric = frame[column].dtype.kind in "iuf" or frame[column].isna().all()
        values = frame[column] if numeric else frame[column].map(_number).astype(float)
        right = values.between(low, high) & (values % 1 == 0 if whole else True)
        right |= frame[column].isna() & (not needed)
        if not (right.all() and numeric):
            line = int(np.argmin(right.to_numpy()))  # where there is text, it is the first
            found = str(frame[column].iloc[line])[:40]
            kind = "a whole number" if whole else "a number"
            place = f"{column} {found!r} in line {line + 2}"
            return f"{place}, expected {kind} from {low:g} to {high:g}"
    return ""


def _number(value: Any) -> float:
    """What a column with text in it holds, as a number; NaN where it is none."""
    try:
        return np.nan if isinstance(value, bool) else float(value)
    except (ValueError, TypeError, OverflowError):
        return np.nan
