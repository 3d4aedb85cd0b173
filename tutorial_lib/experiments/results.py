"""What the cells gave: one file a cell while a grid runs, one tidy table afterwards."""

from __future__ import annotations

import gzip
import io
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import pandas as pd

import tutorial_lib
from tutorial_lib.data.shipped import clone_commit, shipped, write_whole
from tutorial_lib.errors import InputError
from tutorial_lib.experiments.cells import Cell

FORMAT = 1  # of a cell's file and of the table; another number is another version of the kit
PARTS = {"cell", "users", "values", "score_seconds", "peak_mb", "seconds", "flops", "trainable", "stored_bytes", "commit", "version"}
COLUMNS = [
    "format", "task", "dataset", "lm", "strategy", "labels", "seed", "user", "ndcg@10", "hit@10", "auc", "trainable", "stored_bytes",
    "seconds", "score_seconds", "flops", "peak_mb", "commit", "version",
]  # fmt: skip


class Results:
    """A folder of finished cells. A file appears whole or not at all, so a grid that was killed goes on where it stood.

    A file that cannot be read, or comes from another version, is moved to ``set-aside/`` and told in a line; the rest is used.
    """

    def __init__(self, folder: str | Path, tell: Callable[[str], None] = print):
        self.folder, self.tell = Path(folder), tell
        self.commit = clone_commit(mark_changes=False)

    def path(self, cell: Cell) -> Path:
        return self.folder / f"{cell.name}.json"

    def write(self, cell: Cell, result: dict) -> None:
        content = {"format": FORMAT, "version": tutorial_lib.__version__, "commit": self.commit, **result}
        write_whole(self.path(cell), json.dumps(content).encode())

    def read(self, cells: Iterable[Cell]) -> dict[Cell, dict]:
        """The finished ones of these cells."""
        found = {cell: self._read(cell) for cell in cells if self.path(cell).exists()}
        return {cell: result for cell, result in found.items() if result is not None}

    def _read(self, cell: Cell) -> dict | None:
        path = self.path(cell)
        try:
            result = json.loads(path.read_text(encoding="utf-8"))
            number = result.get("format")
            if number != FORMAT:
                return self._set_aside(path, f"has format {number}, this version of the kit writes {FORMAT}")
            lengths = {len(values) for values in [result["users"], *result["values"].values()]}
            if PARTS - set(result) or len(lengths) != 1 or Cell(**result["cell"]) != cell:
                return self._set_aside(path, "is incomplete, or belongs to another cell")
            return result
        except (ValueError, KeyError, TypeError, AttributeError):
            return self._set_aside(path, "cannot be read")

    def _set_aside(self, path: Path, why: str) -> None:
        aside = self.folder / "set-aside"
        aside.mkdir(exist_ok=True)
        os.replace(path, aside / path.name)
        self.tell(f"{path.name} {why}: moved to {aside}, its cell will be run again; all others are used")


def to_frame(results: Iterable[dict]) -> pd.DataFrame:
    """One row a cell and test user, sorted, with the columns `COLUMNS`; costs repeat on every row of a cell."""
    rows = []
    for result in results:
        same = {**result["cell"], **{name: result.get(name) for name in ("format", *PARTS) if name not in ("cell", "users", "values")}}
        for place, user in enumerate(result["users"]):
            rows.append({**same, "user": user, **{name: values[place] for name, values in result["values"].items()}})
    frame = pd.DataFrame(rows, columns=COLUMNS)
    return frame.sort_values(["task", "dataset", "lm", "labels", "strategy", "seed"], kind="stable", ignore_index=True)


def to_bytes(frame: pd.DataFrame) -> bytes:
    """The table as it ships: gzipped CSV, the same bytes for the same rows."""
    return gzip.compress(frame.to_csv(index=False, lineterminator="\n").encode(), mtime=0)


def load_results(path: str | Path = "grid.csv.gz") -> pd.DataFrame:
    """A recorded table: a file name below the kit's ``data/results/``, or the path of your own.

    Raises InputError, in one line, for a missing or damaged file and for one from another version.

    >>> load_results().columns[:4].tolist()
    ['format', 'task', 'dataset', 'lm']
    """
    path = Path(path) if Path(path).is_absolute() or Path(path).exists() else shipped(f"results/{path}")
    if not path.exists():
        raise InputError(f"results {path}: no such file; run: tutorial grid --out FOLDER, which writes FOLDER/grid.csv.gz")
    try:
        text = dict.fromkeys(("task", "dataset", "lm", "strategy", "commit", "version"), str)
        frame = pd.read_csv(io.BytesIO(gzip.decompress(path.read_bytes())), dtype=text)
    except (OSError, EOFError, ValueError, UnicodeDecodeError) as error:
        raise InputError(f"results {path}: damaged ({type(error).__name__}); expected a gzipped CSV as tutorial grid writes it") from None
    if list(frame.columns) != COLUMNS or set(frame["format"]) - {FORMAT}:
        raise InputError(f"results {path}: from another version of the kit; run tutorial grid again, or install the version it names")
    return frame.assign(lm=frame["lm"].fillna(""))
