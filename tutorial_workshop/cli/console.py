"""What the command line prints: tables, and the progress of notebooks."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from tutorial_workshop.cli.kernels import NotebookRun

LONGEST_LINE = 1500  # characters of a complaint; a name of thousands would hide what is wrong


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
    """A live line per notebook with cell and time on a terminal; elsewhere one as it starts.

    Use as a context manager; hand ``on_cell`` and ``on_end`` to `run.run_notebooks`. A reader that
    has gone away stops the lines and not the run.
    """

    def __init__(self, n_notebooks: int):
        self.n_notebooks = n_notebooks
        self.live: Progress | None = None
        self.numbers: dict[str, int] = {}
        self.lines: dict[str, TaskID] = {}

    def __enter__(self) -> NotebookProgress:
        if sys.stdout and sys.stdout.isatty():
            from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

            self.live = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=24),
                TextColumn("cell {task.completed}/{task.total}"),
                TimeElapsedColumn(),
            )
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.live:
            with contextlib.suppress(OSError):  # a terminal that is gone
                self.live.stop()

    def on_cell(self, notebook: str, cell: int, total: int) -> None:
        """Cell number ``cell`` of ``total`` code cells has started."""
        if notebook not in self.numbers:
            self.numbers[notebook] = len(self.numbers) + 1
            title = f"[{self.numbers[notebook]}/{self.n_notebooks}] {notebook}"
            if self.live:
                self.lines[notebook] = self.live.add_task(title, total=total)
            else:
                self._say(f"{title} started, {total} cells")
        if self.live:
            self.live.update(self.lines[notebook], completed=cell)

    def on_end(self, run: NotebookRun) -> None:
        """A notebook is over."""
        if self.live and run.notebook in self.lines:
            self.live.remove_task(self.lines.pop(run.notebook))
        mark = {"ok": "done", "failed": "FAILED"}[run.status]
        self._say(
            f"{mark}  {run.notebook}  {run.cells} cells in {run.seconds:.1f} s, "
            f"{run.peak_memory_mb:.0f} MB"
        )

    def _say(self, line: str) -> None:
        try:
            if self.live:
                self.live.console.print(line, markup=False, highlight=False)
            else:
                print(line, flush=True)
        except OSError:
            forget_stdout()
