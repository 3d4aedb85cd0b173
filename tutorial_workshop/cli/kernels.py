"""Executes one notebook with papermill, strictly, in a kernel of the running interpreter."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import nbformat
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec
from nbclient.exceptions import DeadKernelError
from papermill import PapermillExecutionError, execute_notebook
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, papermill_engines

from tutorial_lib.data.files import cache_folder
from tutorial_lib.errors import InputError
from tutorial_lib.home import ensure_home

# on shared cores, a second spinning thread costs more than it gives
THREADS = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
# variables that name one place, and those that name a list of them: a kernel works in a folder of
# its own, so what is relative to the place where the command was given must be made absolute
PLACES = """
    HOME TUTORIAL_DATA TUTORIAL_CACHE HF_HOME HF_HUB_CACHE HUGGINGFACE_HUB_CACHE
    HF_ASSETS_CACHE HF_DATASETS_CACHE HF_TOKEN_PATH HF_XET_CACHE TRANSFORMERS_CACHE
    TORCH_HOME XDG_CACHE_HOME XDG_CONFIG_HOME XDG_DATA_HOME NLTK_DATA SACREBLEU IPYTHONDIR
    MPLCONFIGDIR MATPLOTLIBRC JUPYTER_CONFIG_DIR JUPYTER_DATA_DIR JUPYTER_RUNTIME_DIR
    JOBLIB_TEMP_FOLDER TMPDIR TEMP TMP SSL_CERT_FILE SSL_CERT_DIR REQUESTS_CA_BUNDLE
    CURL_CA_BUNDLE
""".split()
SEARCH_PATHS = ("PATH", "PYTHONPATH")
_ALIVE: set[AsyncKernelManager] = set()


@dataclass(frozen=True)
class NotebookRun:
    """What became of one notebook.

    seconds: wall clock. cells: executed code cells. peak_memory_mb: peak resident memory.
    """

    notebook: str
    status: str  # "ok" or "failed"
    seconds: float
    cells: int
    peak_memory_mb: float
    error: str = ""

    def failed(self, why: str) -> NotebookRun:
        """The same with one more thing that went wrong, after the first."""
        return replace(self, status="failed", error="; ".join(filter(None, (self.error, why))))


def in_one_line(error: Exception) -> str:
    """The kind of an error and what it says, at most 200 characters.

    >>> in_one_line(ValueError("one\\nline"))
    'ValueError: one line'
    """
    told = f"{type(error).__name__}: {error}".removesuffix(": ")
    return textwrap.shorten(told, 200, placeholder=" ...")


def execute(
    notebook: Path,
    out: Path,
    parameters: dict[str, object],
    *,
    env: dict[str, str] | None = None,
    cwd: Path | None = None,
    own: Path | None = None,
    on_cell: Callable[[str, int, int], None] = lambda notebook, done, total: None,
) -> NotebookRun:
    """Execute one notebook and write it to ``out``, partial if a cell fails.

    Args:
        notebook: path of an .ipynb file.
        out: path of the executed one; its stem names the run.
        parameters: name -> literal, for the notebook's ``parameters`` cell.
        env: variables of the kernel beside those of this process.
        cwd: folder that the kernel works in; default: that of ``out``.
        own: folder for what the kernel keeps for itself; default: a temporary one.
        on_cell: called with the name, code cells started and their number.

    Raises:
        OSError: ``out`` could not be written; it names the path.
    """
    watch = _Watch(out.stem, on_cell)
    start = time.perf_counter()
    with contextlib.ExitStack() as stack:
        own = own or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tutorial-")))
        options = {"watch": watch, "env": kernel_environment(env or {}, own), "own": own}
        error = _papermill(
            notebook, out, parameters, options | {"cwd_of_kernel": str(cwd or out.parent)}, watch
        )
    if out.exists():
        _forget_paths(out)
    seconds = round(time.perf_counter() - start, 2)
    return NotebookRun(
        out.stem, "failed" if error else "ok", seconds, watch.done, round(watch.peak, 1), error
    )


def _papermill(
    notebook: Path,
    out: Path,
    parameters: dict[str, object],
    options: dict[str, object],
    watch: _Watch,
) -> str:
    """Execute; returns what went wrong in the notebook, in one short line, or an empty text."""
    # papermill fills parameters into {braces} of a path
    places = [str(path).replace("{", "{{").replace("}", "}}") for path in (notebook, out)]
    whose = {"engine_name": "tutorial", "kernel_name": "python3", "language": "python"}
    error = ""
    try:
        execute_notebook(*places, parameters, progress_bar=False, **whose, **options)
    except PapermillExecutionError as failure:
        error = f"code cell {watch.done} of {watch.total}: {failure.ename}: {failure.evalue}"
    except DeadKernelError:
        error = f"code cell {watch.done} of {watch.total}: the kernel died (out of memory?)"
    except (RuntimeError, TimeoutError) as failure:
        error = f"code cell {watch.done} of {watch.total}: the kernel does not answer: {failure}"
    except OSError as failure:  # a full disk tells no path
        raise OSError(
            failure.errno, failure.strerror or str(failure), failure.filename or str(out)
        ) from failure
    except Exception as failure:  # an output that is against the format, or cannot be written
        error = f"code cell {watch.done} of {watch.total}: {in_one_line(failure)}"
    return textwrap.shorten(error, 300, placeholder=" ...")


def kernel_environment(extra: dict[str, str], own: Path) -> dict[str, str]:
    """The variables of a kernel: those of this process with every place absolute.

    Args:
        extra: variables that come first.
        own: folder for IPython's and matplotlib's files where the home folder cannot be written.
    """
    ensure_home()
    found = THREADS | {**os.environ, **extra}
    for name in filter(found.get, PLACES):
        found[name] = os.path.abspath(os.path.expanduser(found[name]))
    for name in filter(found.get, SEARCH_PATHS):
        found[name] = os.pathsep.join(map(os.path.abspath, found[name].split(os.pathsep)))
    with contextlib.suppress(RuntimeError, OSError, InputError):  # the same cache here and there
        found.setdefault("TUTORIAL_CACHE", os.path.abspath(cache_folder()))
    if not os.access(os.path.expanduser("~"), os.W_OK):
        found.setdefault("IPYTHONDIR", str(own / "ipython"))
        found.setdefault("MPLCONFIGDIR", str(own / "matplotlib"))
    return found


def _forget_paths(executed: Path) -> None:
    """Take papermill's notes out of the file: they name folders of this machine."""
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
    """papermill's own engine with our kernel and environment, and nothing left running."""

    @classmethod
    def execute_managed_notebook(
        cls, nb_man, kernel_name, *, watch, env, own, cwd_of_kernel, start_timeout=60, **kwargs
    ):
        # Jupyter's own place for this file may not exist, and a killed run would leave it there
        kernel = _OwnKernel(
            connection_file=str(own / f"{watch.notebook[:60]}-{time.monotonic_ns()}.json")
        )
        watch.attach(nb_man, kernel)
        options = {
            "timeout": None,
            "startup_timeout": start_timeout,
            "shutdown_kernel": "immediate",
        }
        client = PapermillNotebookClient(nb_man, km=kernel, **options)
        _ALIVE.add(kernel)
        try:
            client.execute(
                env=env,
                cwd=cwd_of_kernel,
                cleanup_kc=True,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        finally:
            _kill_group(getattr(kernel.provisioner, "pid", None))
            _ALIVE.discard(kernel)
        nb_man.nb.metadata.pop(
            "widgets", None
        )  # widget state is for front ends that are not there; it only swells the file


papermill_engines.register("tutorial", _Engine)


def kill_kernels() -> None:
    """End every kernel that `execute` is waiting for in any thread, and what it started."""
    for kernel in list(_ALIVE):
        _kill_group(getattr(kernel.provisioner, "pid", None))


def _kill_group(pid: int | None) -> None:
    """End a kernel that is still there, and whatever it started: each leads a process group."""
    if pid and hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)


def peak_memory(pid: int | None) -> float:
    """Peak resident memory of a process in MB; 0 when it is gone.

    Its present memory where the system keeps no peak.
    """
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
