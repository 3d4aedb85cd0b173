"""Runs notebooks and publishes each page as its notebook ends; unknown parameters are errors."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

import nbformat

import tutorial_lib
from tutorial_lib.data.shipped import clone_commit
from tutorial_lib.errors import InputError
from tutorial_workshop.cli.kernels import NotebookRun, execute, in_one_line, kill_kernels
from tutorial_workshop.cli.run_folder import RunFolder, write_text

__all__ = ["PARAMETERS", "NotebookRun", "declared_parameters", "execute", "run_notebooks"]
PARAMETERS = ("PROFILE", "DATASET", "LM", "SEED")
_ASSIGNED = re.compile(r"^(\w+)[ \t]*(?::[^=\n]+)?=(?!=)", re.M)


def declared_parameters(notebook: Path) -> list[str]:
    """Names assigned in the notebook's cell tagged ``parameters``.

    Raises InputError for a file that is no notebook.
    """
    try:
        cells = nbformat.read(notebook, as_version=4).cells
    except (
        Exception
    ) as error:  # JSON, encoding, version and schema each fail with an error of their own
        raise InputError(
            f"cannot read a notebook from {notebook}: {in_one_line(error)}; expected an .ipynb file"
        ) from None
    marked = (cell.source for cell in cells if "parameters" in cell.metadata.get("tags", []))
    return _ASSIGNED.findall(next(marked, ""))


def run_notebooks(
    notebooks: Sequence[Path],
    out: str | Path,
    parameters: dict[str, object],
    *,
    variant: str = "exercise",
    jobs: int = 1,
    export_html: Callable[[Path, Path], str] | None = None,
    on_cell: Callable[[str, int, int], None] = lambda notebook, done, total: None,
    on_end: Callable[[NotebookRun], None] = lambda run: None,
) -> list[NotebookRun]:
    """Execute notebooks into the folder ``out``; a failing one does not stop the rest.

    There each appears as it ends: the executed .ipynb (up to the failing cell, if one fails) and
    .html. Beside them index.html (state, minutes and memory of every notebook), results.csv (what
    ``golden`` recorded) and notebooks.csv (seconds, peak memory, errors) grow. See `run_folder` for
    what becomes of an earlier run there.

    Args:
        notebooks: paths of .ipynb files; of two with one name, the second is called ``name-2``.
        out: a folder that is empty, new, or was written by an earlier run.
        parameters: name -> literal, each declared by every notebook's ``parameters`` cell or, for
            the four common ones (`PARAMETERS`), handed only to the notebooks that declare it.
        variant: "exercise" or "solution", for the table.
        jobs: notebooks at a time, 1 or more; each takes up to 1.5 GB.
        export_html: (executed .ipynb, folder that its images are relative to) -> text of the page.
        on_cell: called with notebook, code cells started and their number, from another thread.
        on_end: called with what became of a notebook.

    Returns:
        What became of each notebook, in their order.

    Raises:
        InputError: before anything runs, an unknown parameter or an unusable folder; later, a
            disk that is full.
        KeyboardInterrupt: its text says what was kept.
    """
    named = _named(notebooks)
    given = _check_parameters(named, parameters)
    context = {
        "variant": variant,
        "dataset": parameters.get("DATASET", ""),
        "profile": parameters.get("PROFILE", ""),
    }
    context |= {"version": tutorial_lib.__version__, "commit": clone_commit()}
    folder = RunFolder(Path(out).absolute(), list(named), context)
    try:
        with folder, contextlib.closing(_executed(named, given, folder, jobs, on_cell)) as ended:
            for run in ended:
                if export_html:
                    run = _with_page(run, folder.work, named[run.notebook].parent, export_html)
                run, rows = _with_records(run, folder.work, given[run.notebook])
                folder.publish(run, rows)
                shutil.rmtree(folder.work / "scratch" / run.notebook, ignore_errors=True)
                on_end(run)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"interrupted: {folder.left()}") from None
    except OSError as error:
        raise InputError(
            f"{error.strerror or error}: {error.filename or folder.out}; {folder.left()}"
        ) from error
    return [folder.runs[name] for name in named]


def _executed(
    named: dict[str, Path], given: dict[str, dict], folder: RunFolder, jobs: int, on_cell: Callable
) -> Iterator[NotebookRun]:
    """What became of each notebook, as they end; ``jobs`` are at work at a time."""

    def one(name: str) -> NotebookRun:
        scratch, own = folder.work / "scratch" / name, folder.work / "kernel"
        scratch.mkdir(parents=True)
        own.mkdir(exist_ok=True)
        env = {
            "TUTORIAL_RESULTS": str(folder.work / f"{name}.jsonl"),
            "TUTORIAL_NOTEBOOK": named[name].stem,
        }
        return execute(
            named[name],
            folder.work / f"{name}.ipynb",
            given[name],
            env=env,
            cwd=scratch,
            own=own,
            on_cell=on_cell,
        )

    waiting, running = list(named), set()
    # the kernels are watched from threads, so that a signal reaches this one at once
    with ThreadPoolExecutor(jobs) as pool:
        try:
            while waiting or running:
                while waiting and len(running) < jobs:
                    name = waiting.pop(0)
                    folder.begin(name)
                    running.add(pool.submit(one, name))
                ended, running = wait(running, timeout=1, return_when=FIRST_COMPLETED)
                for future in ended:
                    yield future.result()
        finally:
            _stop(running)


def _stop(running: set[Future]) -> None:
    """End the kernels of notebooks that are still at work."""
    while any(not future.done() for future in running):
        kill_kernels()
        wait(running, timeout=0.1)


def _named(notebooks: Sequence[Path]) -> dict[str, Path]:
    """What each notebook is called in the folder -> its path.

    The same file comes once, and no two names differ by case alone: some file systems mix them up.
    """
    named: dict[str, Path] = {}
    taken = {"index"}
    for path in dict.fromkeys(Path(os.path.abspath(path)) for path in notebooks):
        name, number = path.stem, 1
        while name.casefold() in taken:
            number += 1
            name = f"{path.stem[:60]}-{number}"
        taken.add(name.casefold())
        named[name] = path
    return named


def _check_parameters(
    named: dict[str, Path], parameters: dict[str, object]
) -> dict[str, dict[str, object]]:
    """Notebook -> the parameters it takes; InputError for one that nobody takes."""
    declared = {name: set(declared_parameters(path)) for name, path in named.items()}
    for parameter in parameters:
        missing = [notebook for notebook, names in declared.items() if parameter not in names]
        if missing and (parameter not in PARAMETERS or len(missing) == len(declared)):
            known = ", ".join(sorted(set().union(*declared.values()))) or "none"
            raise InputError(
                f"parameter {parameter} is not declared by {', '.join(missing)}: "
                f"its parameters cell has {known}"
            )
    return {
        name: {key: value for key, value in parameters.items() if key in names}
        for name, names in declared.items()
    }


def _with_page(
    run: NotebookRun, work: Path, images: Path, export_html: Callable[[Path, Path], str]
) -> NotebookRun:
    """Write the page; a notebook that no page can be made of has failed, and the others go on.

    Raises OSError where the page is made and cannot be written: the disk is full.
    """
    try:
        page = export_html(work / f"{run.notebook}.ipynb", images)
        page = page.encode("utf-8", "replace").decode("utf-8")  # half a surrogate pair is no letter
    except Exception as error:  # whatever nbconvert, its filters and templates raise
        return run.failed(f"the page could not be made: {in_one_line(error)}")
    write_text(work / f"{run.notebook}.html", page)
    return run


def _with_records(
    run: NotebookRun, work: Path, given: dict[str, object]
) -> tuple[NotebookRun, list[dict]]:
    """Rows that the notebook's golden calls appended to its log, with the run's own values."""
    context = {"notebook": run.notebook} | {name.lower(): value for name, value in given.items()}
    log = work / f"{run.notebook}.jsonl"
    try:
        text = log.read_text(encoding="utf-8") if log.exists() else ""
        rows = [context | json.loads(line) for line in text.splitlines()]
    except (ValueError, TypeError) as error:  # half a line of a kernel that was killed
        return run.failed(f"its results cannot be read: {in_one_line(error)}"), []
    if os.environ.get("TUTORIAL_RESULTS"):  # somebody collects the records of several runs
        with open(os.environ["TUTORIAL_RESULTS"], "a", encoding="utf-8") as collected:
            collected.write(text)
    return run, rows
