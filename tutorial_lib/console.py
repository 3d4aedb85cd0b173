"""What the command line prints: tables, and the progress of notebooks."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Sequence

LINE_EVERY = 10.0  # seconds between two progress lines of one notebook where there is no terminal


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Left-aligned columns as wide as their content; the last one may run on."""
    cells = [[str(cell) for cell in row] for row in [columns, *rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
    for row in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


class NotebookProgress:
    """A bar with notebook, cell and elapsed time on a terminal; elsewhere a plain line per notebook and every ten seconds.

    Use as a context manager; hand ``on_cell`` and ``on_end`` to `runner.run_notebooks`.
    """

    def __init__(self, n_notebooks: int):
        self.n_notebooks, self.ended, self.start, self.last_line, self.bar = n_notebooks, 0, time.monotonic(), 0.0, None

    def __enter__(self) -> NotebookProgress:
        if sys.stdout.isatty():
            from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

            columns = [
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                TextColumn("cell {task.completed}/{task.total}"),
                TimeElapsedColumn(),
            ]
            self.bar = Progress(*columns)
            self.bar.start()
            self.task = self.bar.add_task("starting", total=1)
        return self

    def __exit__(self, *_) -> None:
        if self.bar:
            self.bar.stop()

    def on_cell(self, notebook: str, cell: int, total: int) -> None:
        """Cell number ``cell`` of ``total`` code cells has started."""
        title = f"[{self.ended + 1}/{self.n_notebooks}] {notebook}"
        if self.bar:
            if cell == 1:
                self.bar.reset(self.task)
            self.bar.update(self.task, description=title.replace("[", r"\["), completed=cell, total=total)
        elif cell == 1 or time.monotonic() - self.last_line >= LINE_EVERY:
            self.last_line = time.monotonic()
            print(f"{title}  cell {cell}/{total}  {self.last_line - self.start:.0f} s elapsed", flush=True)

    def on_end(self, run) -> None:
        """A `runner.NotebookRun` is over."""
        self.ended += 1
        print_line = self.bar.console.print if self.bar else print
        mark = {"ok": "done", "failed": "FAILED"}[run.status]
        print_line(f"{mark}  {run.notebook}  {run.cells} cells in {run.seconds:.1f} s, {run.peak_memory_mb:.0f} MB")
