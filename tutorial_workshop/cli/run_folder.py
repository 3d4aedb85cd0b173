"""The folder that a run fills: a page as each notebook ends, two tables, and an index of them all.

While a run is at work the folder holds ``.tutorial-run``, with a lock and everything half-written;
files come out of it by a rename. An earlier run is not touched before the first new page is there;
then it stands in ``earlier/`` (or ``earlier-2/`` and so on: nothing is written over) until a run is
complete. What a killed run left is put in order by the next one. Files that no run has written
stay.
"""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tutorial_lib.data.locks import take_lock
from tutorial_lib.errors import InputError
from tutorial_lib.templating import render

if TYPE_CHECKING:
    from tutorial_workshop.cli.kernels import NotebookRun

COLUMNS = {
    "results.csv": "notebook dataset profile name value seed mean ok".split(),
    "notebooks.csv": [
        *"notebook variant dataset profile status".split(),
        *"seconds cells peak_memory_mb error version commit".split(),
    ],
}
WORK = ".tutorial-run"
_PART = ".tutorial-earlier"  # an earlier run while it is set aside
_MARK = "notebooks.csv"  # a folder with this file in it was written by a run
_PAGES = (".html", ".ipynb")


class RunFolder:
    """Take the folder ``out`` for a run of notebooks called ``names``; use as a context manager.

    Args:
        out: absolute path of the folder; made, with its parents, if it is not there.
        names: what each notebook is called in the folder, all different.
        context: columns that are the same for every notebook of the run.

    Raises:
        InputError: ``out`` cannot be written, holds files that no run has written, or another run
            is at work in it.
    """

    def __init__(self, out: Path, names: Sequence[str], context: dict[str, object]):
        self.out = out
        self.context = context
        self.states = dict.fromkeys(names, "waiting")
        self.runs: dict[str, NotebookRun] = {}
        self.rows: dict[str, list[dict]] = {}
        self.work = out / WORK
        self.made: list[Path] = []
        self.replaces = False  # an earlier run, which stays until the first page is there
        self.start = time.strftime("%Y-%m-%d %H:%M")

    def __enter__(self) -> RunFolder:
        self._claim()
        try:
            _empty(self.work)
            if (self.out / _PART).is_dir():  # a killed run had only half set it aside
                _set_aside(self.out)
            self.replaces = (self.out / _MARK).is_file()
            if not self.replaces:
                self._tell("running")
        except BaseException:
            self.__exit__(OSError)
            raise
        return self

    def _claim(self) -> None:
        """Make the folder and lock it."""
        try:
            if self.out.exists() and not self.out.is_dir():
                raise InputError(f"output folder {self.out} is a file: name another with --out")
            if self.out.is_dir() and not _written_by_a_run(self.out):
                raise InputError(
                    f"output folder {self.out} holds files that no run has written: "
                    "name an empty or new one with --out"
                )
            self.made = [folder for folder in (self.out, *self.out.parents) if not folder.exists()]
            lock = take_lock(self.work / "lock")
        except OSError as error:
            self._remove_made()
            no_folder = isinstance(error, FileExistsError | NotADirectoryError)
            why = "not a folder" if no_folder else error.strerror
            raise InputError(
                f"cannot write to {self.out}: {why}; name another folder with --out"
            ) from error
        if lock is None:
            raise InputError(
                f"another tutorial run is at work in {self.out}: "
                "wait for its end, or name another folder with --out"
            )
        self.lock = lock

    def begin(self, name: str) -> None:
        """A notebook has started."""
        self.states[name] = "running"
        if self.runs or not self.replaces:
            self._tell("running")

    def publish(self, run: NotebookRun, rows: list[dict]) -> None:
        """A notebook has ended: its files move to ``out``, and tables and index grow."""
        if not self.runs and self.replaces:
            _set_aside(self.out)
        self.states[run.notebook] = "done" if run.status == "ok" else "failed"
        self.runs[run.notebook] = run
        self.rows[run.notebook] = rows
        self._write_tables()
        for path in _pages(self.work, run.notebook):
            os.replace(path, self.out / path.name)
        self._tell("running")

    def __exit__(self, kind: type[BaseException] | None = None, *_: object) -> None:
        """Nothing hidden stays.

        A complete run ends the earlier one; one that broke off keeps its pages, or leaves no trace.
        """
        complete = False
        try:
            if kind is None:
                self._tell("complete")
                _remove_earlier(self.out)
                complete = True
        finally:
            if not complete:
                self._break_off()
            shutil.rmtree(self.work, ignore_errors=True)
            self.lock.close()
            if os.name == "nt":  # a file that is open cannot be removed there
                shutil.rmtree(self.work, ignore_errors=True)
            if not complete:
                self._remove_made()

    def _remove_made(self) -> None:
        """Remove the folders that were made for this run, where nothing is in them."""
        for folder in self.made:
            with contextlib.suppress(OSError):
                folder.rmdir()

    def left(self) -> str:
        """What a run that broke off has left, in one sentence."""
        if not self.runs:
            kept = f"the earlier run in {self.out} is as it was"
            return f"no notebook was done; {kept if self.replaces else 'nothing was left behind'}"
        earlier = earlier_runs(self.out)
        also = f"; the earlier run is in {earlier[-1]}" if earlier else ""
        done = f"{len(self.runs)} of {len(self.states)} notebooks are done and kept"
        return f"{done}, see {self.out / 'index.html'}{also}"

    def _break_off(self) -> None:
        """Say so in the index, also on a full disk: what is unfinished makes room first."""
        with contextlib.suppress(OSError):
            _empty(self.work)
            if not self.runs:
                return None if self.replaces else _remove_files(self.out)
            for name in set(self.states) - set(self.runs):
                for path in _pages(self.out, name):  # its other file had no time to follow
                    path.unlink()
                self.states[name] = "interrupted" if self.states[name] == "running" else "not run"
            try:
                self._tell("broken off")
            except OSError:  # better no index than one that is wrong
                (self.out / "index.html").unlink(missing_ok=True)
                self._tell("broken off")

    def _tell(self, state: str) -> None:
        """Write tables and index. state: "running", "complete" or "broken off"."""
        self._write_tables()
        shown = {name: _pages(self.out, name) for name in self.runs}
        index = render(
            Path(__file__).with_name("index.html.j2"),
            state=state,
            start=self.start,
            now=time.strftime("%H:%M:%S"),
            about=", ".join(f"{key} {value}" for key, value in self.context.items() if value),
            earlier=[path.name for path in earlier_runs(self.out)],
            states=self.states,
            runs=self.runs,
            pages={name: paths[0].name for name, paths in shown.items() if paths},
        )
        self._write("index.html", index)

    def _write_tables(self) -> None:
        ended = [name for name in self.states if name in self.runs]
        results = [row for name in ended for row in self.rows[name]]
        self._write(_MARK, _table(_MARK, [vars(self.runs[name]) | self.context for name in ended]))
        self._write("results.csv", _table("results.csv", results))

    def _write(self, name: str, text: str) -> None:
        """Write whole, or not at all; a full disk is reported with the path."""
        write_text_file(self.work / name, text)
        os.replace(self.work / name, self.out / name)


def write_text_file(path: Path, text: str) -> None:
    """Write a file; half a surrogate pair, which is not a letter, as its number.

    Raises:
        OSError: always with the path, also where the disk is full.
    """
    try:
        path.write_bytes(text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def _pages(folder: Path, name: str) -> list[Path]:
    """The files of a notebook that are there, the one to open first."""
    return [path for kind in _PAGES if (path := folder / f"{name}{kind}").exists()]


def _table(name: str, rows: list[dict]) -> str:
    columns = list(dict.fromkeys([*COLUMNS[name], *(key for row in rows for key in row)]))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _written_by_a_run(out: Path) -> bool:
    inside = [path.name for path in out.iterdir() if path.name != WORK]
    known = (out / _MARK).is_file() or (out / _PART).is_dir() or earlier_runs(out)
    return not inside or bool(known)


def _files(folder: Path) -> list[Path]:
    """The files that a run has written, the table that names them last."""
    try:
        with (folder / _MARK).open(newline="", encoding="utf-8") as file:
            names = [Path(row.get("notebook") or "").name for row in csv.DictReader(file)]
    except (OSError, ValueError, csv.Error):
        names = []
    pages = [path for name in names for path in _pages(folder, name)]
    common = [folder / name for name in ("index.html", "results.csv", _MARK)]
    return [path for path in (*pages, *common) if path.is_file()]


def _remove_files(folder: Path) -> None:
    for path in _files(folder):
        path.unlink(missing_ok=True)


def _earlier_names(out: Path) -> Iterator[Path]:
    yield out / "earlier"
    yield from (out / f"earlier-{number}" for number in itertools.count(2))


def earlier_runs(out: Path) -> list[Path]:
    """The folders that earlier runs were set aside in, oldest first; a user's own are left out."""
    there = itertools.takewhile(os.path.lexists, _earlier_names(out))
    return [folder for folder in there if (folder / _MARK).is_file()]


def _set_aside(out: Path) -> None:
    """Move the earlier run into ``earlier/``, or the next such name that is free.

    A killed run may have begun it: what it has moved is in the same hidden folder.
    """
    part = out / _PART
    part.mkdir(exist_ok=True)
    for path in _files(out):
        os.replace(path, part / path.name)
    part.rename(next(path for path in _earlier_names(out) if not os.path.lexists(path)))


def _remove_earlier(out: Path) -> None:
    """A run is complete: end those before it, but for what a user has put beside their files."""
    for folder in reversed(earlier_runs(out)):
        with contextlib.suppress(OSError):
            _remove_files(folder)
            folder.rmdir()


def _empty(work: Path) -> None:
    for path in work.iterdir():
        if path.name != "lock":
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
