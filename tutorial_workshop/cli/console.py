"""What the command line prints: tables, and the progress of notebooks."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterable, Sequence

LONGEST_LINE = 1500  # characters of a complaint; a name of thousands would hide what is wrong
LINE_EVERY = 10.0  # seconds between two progress lines of one notebook where there is no terminal


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Left-aligned columns as wide as their content; the last one may run on."""
    cells = [[str(cell) for cell in row] for row in [columns, *rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
    for row in cells:
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        )


def show_any_text() -> None:
    """Let stdout and stderr show every letter: those that their encoding lacks as ``\\xe9``."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            with contextlib.suppress(ValueError, OSError):  # closed
                stream.reconfigure(errors="backslashreplace")


def forget_stdout() -> None:
    """Let what is still printed vanish: the reader has gone away, or the disk behind it is full."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def stdout_fails() -> bool:
    """True where stdout cannot be written, as on a full disk; it is then forgotten."""
    try:
        print(flush=True)
    except (OSError, ValueError):
        forget_stdout()
        return True
    return False


def complain(message: str, status: int) -> int:
    """One line on stderr, without control characters, whatever a name held."""
    line = "".join(letter if letter.isprintable() else "?" for letter in " ".join(message.split()))
    if len(line) > LONGEST_LINE:
        line = f"{line[: LONGEST_LINE - 305]} ... {line[-300:]}"
    with contextlib.suppress(OSError, ValueError):  # a terminal that is gone
        print(f"tutorial: {line}", file=sys.stderr, flush=True)
    return status


class NotebookProgress:
    """A bar per notebook with cell and time on a terminal; elsewhere a line now and then.

    Use as a context manager; hand ``on_cell`` and ``on_end`` to `runner.run_notebooks`. A reader
    that has gone away stops the lines and not the run.
    """

    def __init__(self, n_notebooks: int):
        self.n_notebooks, self.start, self.bar = n_notebooks, time.monotonic(), None
        self.numbers: dict[str, int] = {}
        self.told: dict[str, float] = {}
        self.tasks: dict[str, int] = {}

    def __enter__(self) -> NotebookProgress:
        if sys.stdout and sys.stdout.isatty():
            from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

            text = TextColumn("{task.description}", markup=False)
            self.bar = Progress(
                text,
                BarColumn(bar_width=24),
                TextColumn("cell {task.completed}/{task.total}"),
                TimeElapsedColumn(),
            )
            self.bar.start()
        return self

    def __exit__(self, *_) -> None:
        if self.bar:
            with contextlib.suppress(OSError):  # a terminal that is gone
                self.bar.stop()

    def on_cell(self, notebook: str, cell: int, total: int) -> None:
        """Cell number ``cell`` of ``total`` code cells has started."""
        number = self.numbers.setdefault(notebook, len(self.numbers) + 1)
        title = f"[{number}/{self.n_notebooks}] {notebook}"
        now = time.monotonic()
        if self.bar:
            if notebook not in self.tasks:
                self.tasks[notebook] = self.bar.add_task(title, total=total)
            self.bar.update(self.tasks[notebook], completed=cell)
        elif cell == 1 or now - self.told[notebook] >= LINE_EVERY:
            self.told[notebook] = now
            self._say(f"{title}  cell {cell}/{total}  {now - self.start:.0f} s elapsed")

    def on_end(self, run) -> None:
        """A `runner.NotebookRun` is over."""
        if run.notebook in self.tasks:
            self.bar.remove_task(self.tasks.pop(run.notebook))
        mark = {"ok": "done", "failed": "FAILED"}[run.status]
        self._say(
            f"{mark}  {run.notebook}  {run.cells} cells in {run.seconds:.1f} s, "
            f"{run.peak_memory_mb:.0f} MB"
        )

    def _say(self, line: str) -> None:
        try:
            if self.bar:
                self.bar.console.print(line, markup=False, highlight=False)
            else:
                print(line, flush=True)
        except OSError:
            forget_stdout()
