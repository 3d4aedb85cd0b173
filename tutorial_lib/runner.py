"""Executes notebooks with papermill, strictly: unknown parameters are errors, and results appear whole or not at all."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import nbformat
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec
from nbclient.exceptions import DeadKernelError
from papermill import PapermillExecutionError, execute_notebook, inspect_notebook
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, papermill_engines

import tutorial_lib
from tutorial_lib.data.shipped import clone_commit
from tutorial_lib.errors import InputError

PARAMETERS = ("PROFILE", "DATASET", "LM", "SEED")
TABLES = {
    "results.csv": "notebook dataset profile name value seed mean ok".split(),
    "notebooks.csv": "notebook variant dataset profile status seconds cells peak_memory_mb error version commit".split(),
}
THREADS = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}  # on shared cores, a second spinning thread costs more than it gives


@dataclass(frozen=True)
class NotebookRun:
    """What became of one notebook: ``seconds`` of wall clock, executed code ``cells``, peak resident memory of its kernel."""

    notebook: str
    status: str  # "ok" or "failed"
    seconds: float
    cells: int
    peak_memory_mb: float
    error: str = ""


def declared_parameters(notebook: Path) -> list[str]:
    """Names assigned in the notebook's cell tagged ``parameters``."""
    return list(inspect_notebook(str(notebook)))


def run_notebooks(
    notebooks: Sequence[Path],
    out: str | Path,
    parameters: dict[str, object],
    *,
    variant: str = "exercise",
    export_html: Callable[[Path, Path], str] | None = None,
    on_cell: Callable[[str, int, int], None] = lambda notebook, done, total: None,
    on_end: Callable[[NotebookRun], None] = lambda run: None,
) -> list[NotebookRun]:
    """Execute notebooks one after the other into the folder ``out``; a failing one does not stop the rest.

    notebooks: paths of .ipynb files. parameters: name -> literal, each declared by every notebook's ``parameters`` cell or, for
    the four common ones (`PARAMETERS`), handed only to the notebooks that declare it.
    export_html: (executed .ipynb, folder that its images are relative to) -> the text of the page.
    on_cell: called with notebook, code cells started and their number. on_end: called with what became of a notebook.
    ``out`` then holds the executed .ipynb (up to the failing cell, if one fails), .html, results.csv (what ``golden`` recorded)
    and notebooks.csv (seconds, peak memory, errors). It is written beside ``out`` and renamed at the end; Ctrl-C leaves nothing.
    Raises InputError before anything runs: unknown parameter, unwritable folder.
    """
    declared = _check_parameters(notebooks, parameters)
    out = Path(out).absolute()
    work, made = _working_folder(out)
    try:
        scratch = work / "scratch"
        scratch.mkdir()
        runs, rows = [], []
        for path in notebooks:
            given = {name: value for name, value in parameters.items() if name in declared[path.stem]}
            log = scratch / f"{path.stem}.jsonl"
            env = {"TUTORIAL_RESULTS": str(log), "TUTORIAL_NOTEBOOK": path.stem}
            run = execute(path, work / path.name, given, env=env, cwd=scratch, on_cell=on_cell)
            if export_html:
                page = export_html(work / path.name, path.parent)
                (work / f"{path.stem}.html").write_text(page, encoding="utf-8")
            rows += _recorded(log, path.stem, given)
            runs.append(run)
            on_end(run)
        shutil.rmtree(scratch)
        context = {"variant": variant, "dataset": parameters.get("DATASET", ""), "profile": parameters.get("PROFILE", "")}
        context |= {"version": tutorial_lib.__version__, "commit": clone_commit()}
        _write_table(work / "results.csv", rows)
        _write_table(work / "notebooks.csv", [vars(run) | context for run in runs])
        _publish(work, out)
    except BaseException:
        _take_away(work, made)
        raise
    return runs


def execute(
    notebook: Path,
    out: Path,
    parameters: dict[str, object],
    *,
    env: dict[str, str] | None = None,
    cwd: Path | None = None,
    on_cell: Callable[[str, int, int], None] = lambda notebook, done, total: None,
) -> NotebookRun:
    """Execute one notebook in a kernel of this very interpreter and write it to ``out``, partial if a cell fails."""
    watch = _Watch(notebook.stem, on_cell)
    start, error = time.perf_counter(), ""
    environment = THREADS | {**os.environ, **(env or {})}
    if "TUTORIAL_DATA" in environment:  # the kernel works in another folder
        environment["TUTORIAL_DATA"] = str(Path(environment["TUTORIAL_DATA"]).absolute())
    try:
        execute_notebook(
            str(notebook),
            str(out),
            parameters,
            engine_name="tutorial",
            progress_bar=False,
            watch=watch,
            env=environment,
            cwd_of_kernel=str(cwd or out.parent),
        )
    except PapermillExecutionError as failure:
        error = f"code cell {watch.done} of {watch.total}: {failure.ename}: {failure.evalue}"
    except DeadKernelError:
        error = f"code cell {watch.done} of {watch.total}: the kernel died (out of memory?)"
    if out.exists():
        _forget_paths(out)
    error = textwrap.shorten(error, 300, placeholder=" ...")
    seconds = round(time.perf_counter() - start, 2)
    return NotebookRun(notebook.stem, "failed" if error else "ok", seconds, watch.done, round(watch.peak, 1), error)


def _forget_paths(executed: Path) -> None:
    """Take papermill's notes out of the file: they name folders of this machine, and one that is gone after the run."""
    notebook = nbformat.read(executed, as_version=4)
    notebook.metadata.pop("papermill", None)
    for cell in notebook.cells:
        cell.metadata.pop("papermill", None)
    nbformat.write(notebook, executed)


class _Watch:
    """Counts code cells as they start and keeps the highest resident memory seen after one."""

    def __init__(self, notebook: str, on_cell: Callable[[str, int, int], None]):
        self.notebook, self.on_cell, self.done, self.total, self.peak = notebook, on_cell, 0, 0, 0.0

    def attach(self, manager, kernel: AsyncKernelManager) -> None:
        start, complete = manager.cell_start, manager.cell_complete
        self.total = sum(cell.cell_type == "code" for cell in manager.nb.cells)

        def cell_start(cell, *args, **kwargs):
            if cell.cell_type == "code":
                self.done += 1
                self.on_cell(self.notebook, self.done, self.total)
            return start(cell, *args, **kwargs)

        def cell_complete(cell, *args, **kwargs):
            if cell.cell_type == "code":
                self.peak = max(self.peak, peak_memory(getattr(kernel.provisioner, "pid", None)))
            return complete(cell, *args, **kwargs)

        manager.cell_start, manager.cell_complete = cell_start, cell_complete


class _OwnKernel(AsyncKernelManager):
    """A kernel of the running interpreter, whatever kernelspecs are installed on the machine."""

    @property
    def kernel_spec(self) -> KernelSpec:
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=argv, display_name="Python 3", language="python")


class _Engine(NBClientEngine):
    """papermill's own engine with our kernel and environment, and nothing left running whatever happens."""

    @classmethod
    def execute_managed_notebook(cls, nb_man, kernel_name, *, watch, env, cwd_of_kernel, start_timeout=60, **kwargs):
        kernel = _OwnKernel()
        watch.attach(nb_man, kernel)
        client = PapermillNotebookClient(nb_man, km=kernel, timeout=None, startup_timeout=start_timeout, shutdown_kernel="immediate")
        try:
            client.execute(env=env, cwd=cwd_of_kernel, cleanup_kc=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        finally:
            _kill_group(getattr(kernel.provisioner, "pid", None))
        nb_man.nb.metadata.pop("widgets", None)  # widget state is for front ends that are not there; it only swells the file


papermill_engines.register("tutorial", _Engine)


def _kill_group(pid: int | None) -> None:
    """End a kernel that is still there, and whatever it started: each kernel leads a process group of its own."""
    if pid and hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)


def peak_memory(pid: int | None) -> float:
    """Peak resident memory of a process in MB (its present one where the system keeps no peak); 0 when it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024
    except (OSError, IndexError):
        pass
    with contextlib.suppress(ImportError, ProcessLookupError, OSError):
        import psutil  # ipykernel brings it

        if pid and psutil.pid_exists(pid):
            return psutil.Process(pid).memory_info().rss / 2**20
    return 0.0


def _check_parameters(notebooks: Sequence[Path], parameters: dict[str, object]) -> dict[str, set[str]]:
    """Notebook -> the names it declares; InputError for a parameter that nobody takes."""
    declared = {path.stem: set(declared_parameters(path)) for path in notebooks}
    for name in parameters:
        missing = [notebook for notebook, names in declared.items() if name not in names]
        if missing and (name not in PARAMETERS or len(missing) == len(declared)):
            known = ", ".join(sorted(set().union(*declared.values()))) or "none"
            raise InputError(f"parameter {name} is not declared by {', '.join(missing)}: its parameters cell has {known}")
    return declared


def _working_folder(out: Path) -> tuple[Path, list[Path]]:
    """A fresh folder beside ``out``, and the parents that had to be made for it, innermost first."""
    try:
        if out.exists() and not out.is_dir():
            raise InputError(f"output folder {out} is a file: name another with --out")
        if out.is_dir() and any(out.iterdir()) and not (out / "notebooks.csv").is_file():
            raise InputError(f"output folder {out} holds files that no run has written: name an empty or new one with --out")
        made = [folder for folder in out.parents if not folder.exists()]
        out.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    except OSError as error:
        why = "not a folder" if isinstance(error, FileExistsError | NotADirectoryError) else error.strerror
        raise InputError(f"cannot write to {out.parent}: {why}; name another folder with --out") from error
    work.chmod(0o755)
    return work, made


def _take_away(work: Path, made: Sequence[Path]) -> None:
    """Remove the working folder, and the parents made for it where nobody has put anything else."""
    shutil.rmtree(work, ignore_errors=True)
    for folder in made:
        with contextlib.suppress(OSError):
            folder.rmdir()


def _publish(work: Path, out: Path) -> None:
    """Rename the finished folder to its place; an older run there goes only when the new one is in."""
    old = work.with_name(f"{work.name}-old")
    if out.exists():
        out.rename(old)
    work.rename(out)
    shutil.rmtree(old, ignore_errors=True)


def _recorded(log: Path, notebook: str, given: dict[str, object]) -> list[dict]:
    """Rows that the notebook's golden calls appended to ``log``, completed with the run's own values."""
    context = {"notebook": notebook} | {name.lower(): value for name, value in given.items()}
    text = log.read_text(encoding="utf-8") if log.exists() else ""
    if os.environ.get("TUTORIAL_RESULTS"):  # somebody collects the records of several runs
        with open(os.environ["TUTORIAL_RESULTS"], "a", encoding="utf-8") as collected:
            collected.write(text)
    return [context | json.loads(line) for line in text.splitlines()]


def _write_table(path: Path, rows: list[dict]) -> None:
    columns = list(dict.fromkeys([*TABLES[path.name], *(key for row in rows for key in row)]))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)
