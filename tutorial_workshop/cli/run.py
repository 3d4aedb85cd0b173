"""``tutorial run``: notebooks side by side, each page published as its notebook ends."""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import re
import shutil
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

import psutil

import tutorial_lib
from tutorial_lib.data.shipped import clone_commit, shipped
from tutorial_lib.errors import InputError
from tutorial_workshop.cli.arguments import shortened
from tutorial_workshop.cli.console import NotebookProgress, complain
from tutorial_workshop.cli.kernels import NotebookRun, execute, in_one_line, kill_kernels
from tutorial_workshop.cli.run_folder import RunFolder, write_text_file
from tutorial_workshop.cli.run_input import checked_parameters, unique_names
from tutorial_workshop.page.environment import cores, total_memory_gb
from tutorial_workshop.page.notebooks import find_notebooks, notebooks_folder

NOTEBOOK_GB = 1.5  # memory that a notebook takes at most


# --- the command ---


def run(args: argparse.Namespace) -> int:
    """Execute the notebooks that the command line names; returns the exit status.

    Raises:
        InputError: whatever is wrong is said before anything runs.
    """
    notebooks = find_notebooks(
        args.notebooks, solutions=args.solutions, folder=args.notebooks_folder
    )
    jobs = _jobs(args.jobs, len(notebooks))
    given = {
        "PROFILE": args.profile,
        "DATASET": args.dataset,
        "LM": args.lm and _model_place(args.lm),
        "SEED": args.seed,
    }
    from tutorial_workshop.page.export import export_html  # needs nbconvert

    if args.dataset and not args.dataset.startswith("world-"):
        from tutorial_lib.data import load_dataset

        load_dataset(args.dataset)  # a missing file or a broken line is reported now
    # what fails in the watcher of a kernel after its notebook has failed is in that one's line
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    out = args.out or _default_folder(args, notebooks)
    with NotebookProgress(len(notebooks)) as progress:
        runs = run_notebooks(
            notebooks,
            out,
            {name: value for name, value in given.items() if value is not None},
            variant="solution" if args.solutions else "exercise",
            jobs=jobs,
            export_html=export_html,
            on_cell=progress.on_cell,
            on_end=progress.on_end,
        )
    return _report(runs, out)


def _jobs(asked: int | None, notebooks: int) -> int:
    """Notebooks at a time: as asked, or as many as cores and memory allow."""
    memory = total_memory_gb()
    if asked is None:
        free = psutil.virtual_memory().available / 1e9
        fit = int(min(free, memory or free) / NOTEBOOK_GB)
        return max(1, min(cores(), fit, notebooks))
    if asked > 1 and memory is not None and asked * NOTEBOOK_GB > memory:
        raise InputError(
            f"--jobs {asked}: a notebook takes up to {NOTEBOOK_GB} GB, and there are {memory:.1f}:"
            f" take --jobs {max(1, int(memory / NOTEBOOK_GB))}"
        )
    return asked


def _model_place(name: str) -> str:
    """A language model as a kernel finds it, which works in another folder.

    A folder as an absolute path, any other name as it is.
    """
    kit_model = name == Path(name).name and shipped(f"checkpoints/{name}").is_dir()
    if name == "minilm" or kit_model:
        return name
    folder = Path(os.path.expanduser(name))
    if folder.is_dir():
        return str(folder.absolute())
    if not re.fullmatch(r"\w[\w.-]*(/\w[\w.-]*)?", name, re.ASCII):
        raise InputError(
            f"--lm {shortened(name)}: no such folder here, and no name of a model such as kit-gpt,"
            " gpt2 or google/flan-t5-small"
        )
    return name


def _default_folder(args: argparse.Namespace, notebooks: Sequence[Path]) -> Path:
    """A folder under runs/; a part of the notebooks gets one of its own."""
    chosen = [path.stem.split("_")[0] for path in notebooks] if args.notebooks else []
    variant = ["solutions"] if args.solutions else []
    name = "-".join([args.dataset or "embedded", args.profile, *variant, *chosen])
    return Path("runs", name[:100])


def _report(runs: Sequence[NotebookRun], out: Path) -> int:
    print(f"\nExecuted notebooks: {out / 'index.html'} lists them (.html to read, .ipynb to open)")
    print(
        f"Results table: {out / 'results.csv'}    Time and memory: {out / 'notebooks.csv'}",
        flush=True,
    )
    failed = [run for run in runs if run.error]
    for run in failed:
        place = out / f"{run.notebook}.ipynb"
        complain(f"{run.notebook} failed: {run.error} (executed so far: {place})", 1)
    return 1 if failed else 0


# --- the work ---


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
            those of `run_input.PARAMETERS`, handed only to the notebooks that declare it.
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
    named = unique_names(notebooks)
    given = checked_parameters(named, parameters)
    context = {
        "variant": variant,
        "dataset": parameters.get("DATASET", ""),
        "profile": parameters.get("PROFILE", ""),
        "version": tutorial_lib.__version__,
        "commit": clone_commit(),
    }
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
    named: dict[str, Path],
    given: dict[str, dict[str, object]],
    folder: RunFolder,
    jobs: int,
    on_cell: Callable[[str, int, int], None],
) -> Generator[NotebookRun]:
    """What became of each notebook, as they end; ``jobs`` are at work at a time."""

    def one(name: str) -> NotebookRun:
        scratch = folder.work / "scratch" / name
        own = folder.work / "kernel"
        scratch.mkdir(parents=True)
        own.mkdir(exist_ok=True)
        env = {
            "TUTORIAL_RESULTS": str(folder.work / f"{name}.jsonl"),
            "TUTORIAL_NOTEBOOK": named[name].stem,
        }
        out = folder.work / f"{name}.ipynb"
        return execute(
            named[name], out, given[name], env=env, cwd=scratch, own=own, on_cell=on_cell
        )

    waiting = _longest_first(named) if jobs > 1 else list(named)
    running: set[Future] = set()
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
            while any(not future.done() for future in running):
                kill_kernels()
                wait(running, timeout=0.1)


def _longest_first(named: dict[str, Path]) -> list[str]:
    """Names by the seconds that a clone's tests allow each notebook, so that no long one runs alone
    at the end; without a clone as they are.
    """
    budgets = {}
    with contextlib.suppress(InputError, OSError, ValueError):
        path = notebooks_folder().parent / "tests" / "notebooks" / "budgets.json"
        budgets = json.loads(path.read_text(encoding="utf-8"))
    seconds = {name: max(budgets.get(path.stem, {"": 0}).values()) for name, path in named.items()}
    return sorted(named, key=seconds.__getitem__, reverse=True)


def _with_page(
    run: NotebookRun, work: Path, images: Path, export_html: Callable[[Path, Path], str]
) -> NotebookRun:
    """Write the page; a notebook that no page can be made of has failed, and the others go on.

    Raises:
        OSError: the page is made and cannot be written: the disk is full.
    """
    try:
        page = export_html(work / f"{run.notebook}.ipynb", images)
    except Exception as error:  # whatever nbconvert, its filters and templates raise
        return run.failed(f"the page could not be made: {in_one_line(error)}")
    write_text_file(work / f"{run.notebook}.html", page)
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
