"""Executes one notebook in a kernel of the running interpreter."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import nbformat
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError

from tutorial_lib.data.files import cache_folder
from tutorial_lib.errors import InputError
from tutorial_lib.home import ensure_home
from tutorial_workshop.cli.run_folder import write_text_file

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
NO_ANSWER = "the kernel does not answer"
_ALIVE: set[AsyncKernelManager] = set()


@dataclass(frozen=True)
class NotebookRun:
    """What became of one notebook.

    Args:
        notebook: its name in the folder of the run.
        status: "ok" or "failed".
        seconds: wall clock.
        cells: executed code cells.
        peak_memory_mb: peak resident memory of the kernel.
        error: what went wrong, in one line.
    """

    notebook: str
    status: str
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
    text = f"{type(error).__name__}: {error}".removesuffix(": ")
    return textwrap.shorten(text, 200, placeholder=" ...")


def execute(
    notebook: Path,
    out: Path,
    parameters: dict[str, object],
    *,
    env: dict[str, str],
    cwd: Path,
    own: Path,
    on_cell: Callable[[str, int, int], None],
    starts: int = 2,
) -> NotebookRun:
    """Execute one notebook and write it to ``out``, up to the failing cell if one fails.

    Args:
        notebook: path of an .ipynb file.
        out: path of the executed one; its stem names the run.
        parameters: name -> literal, for the notebook's ``parameters`` cell.
        env: variables of the kernel beside those of this process.
        cwd: folder that the kernel works in.
        own: folder for what the kernel keeps for itself.
        on_cell: called with the name, code cells started and their number.
        starts: how often a kernel is started that does not answer: two programs that start one at
            the same moment may be given the same port.

    Raises:
        OSError: ``out`` could not be written; it names the path.
    """
    start = time.perf_counter()
    executed = with_parameters(notebook, parameters)
    # Jupyter's own place for this file may not exist, and a killed run would leave it there
    kernel = _OwnKernel(connection_file=str(own / f"{out.stem[:60]}-{time.monotonic_ns()}.json"))
    total = sum(cell.cell_type == "code" and bool(cell.source.strip()) for cell in executed.cells)
    watch = _Watch(kernel, lambda done: on_cell(out.stem, done, total))
    client = NotebookClient(
        executed,
        km=kernel,
        timeout=None,
        shutdown_kernel="immediate",
        record_timing=False,
        on_cell_start=watch.started,
        on_cell_complete=watch.completed,
    )
    _ALIVE.add(kernel)
    try:
        error = _execute(client, kernel_environment(env, own), cwd)
    finally:
        _kill_group(_pid(kernel))
        _ALIVE.discard(kernel)
    if error.startswith(NO_ANSWER) and not watch.done and starts > 1:
        return execute(
            notebook, out, parameters, env=env, cwd=cwd, own=own, on_cell=on_cell, starts=starts - 1
        )
    if error:
        error = textwrap.shorten(
            f"code cell {watch.done} of {total}: {error}", 300, placeholder=" ..."
        )
        notice = nbformat.v4.new_markdown_cell(f"**Not executed to its end.** {error}")
        executed.cells.insert(0, notice)
    executed.metadata.pop("widgets", None)  # state for front ends that are not there
    write_text_file(out, nbformat.writes(executed))
    seconds = round(time.perf_counter() - start, 2)
    status = "failed" if error else "ok"
    return NotebookRun(out.stem, status, seconds, watch.done, round(watch.peak, 1), error)


class _Watch:
    """Counts code cells as they start, and keeps the highest memory seen after one."""

    def __init__(self, kernel: AsyncKernelManager, on_start: Callable[[int], None]):
        self.kernel = kernel
        self.on_start = on_start
        self.done = 0
        self.peak = 0.0

    def started(self, cell: nbformat.NotebookNode, cell_index: int) -> None:
        if cell.cell_type == "code":
            self.done += 1
            self.on_start(self.done)

    def completed(self, cell: nbformat.NotebookNode, cell_index: int) -> None:
        self.peak = max(self.peak, peak_memory(_pid(self.kernel)))


def with_parameters(notebook: Path, parameters: dict[str, object]) -> nbformat.NotebookNode:
    """The notebook with a cell after the one tagged ``parameters`` that assigns other values."""
    read = nbformat.v4.upgrade(nbformat.read(notebook, as_version=4))
    tags = [cell.metadata.get("tags", []) for cell in read.cells]
    if parameters:
        place = next(i for i, some in enumerate(tags) if "parameters" in some)
        source = "# Parameters\n" + "\n".join(f"{k} = {v!r}" for k, v in parameters.items())
        cell = nbformat.v4.new_code_cell(
            source, id="parameters-given", metadata={"tags": ["injected-parameters"]}
        )
        read.cells.insert(place + 1, cell)
    return read


def _execute(client: NotebookClient, env: dict[str, str], cwd: Path) -> str:
    """Execute; returns what went wrong in the notebook, or an empty text."""
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    try:
        client.execute(env=env, cwd=str(cwd), **silent)
    except CellExecutionError as failure:
        return f"{failure.ename}: {failure.evalue}"
    except DeadKernelError:
        return "the kernel died (out of memory?)"
    except (RuntimeError, TimeoutError) as failure:
        return f"{NO_ANSWER}: {failure}"
    except Exception as failure:  # such as an output that is against the format
        return in_one_line(failure)
    return ""


def kernel_environment(extra: dict[str, str], own: Path) -> dict[str, str]:
    """The variables of a kernel: those of this process with every place absolute.

    Args:
        extra: variables that come first.
        own: folder for IPython's and matplotlib's files where the home folder cannot be written.
    """
    ensure_home()
    variables = THREADS | {**os.environ, **extra}
    for name in filter(variables.get, PLACES):
        variables[name] = os.path.abspath(os.path.expanduser(variables[name]))
    for name in filter(variables.get, SEARCH_PATHS):
        variables[name] = os.pathsep.join(map(os.path.abspath, variables[name].split(os.pathsep)))
    with contextlib.suppress(RuntimeError, OSError, InputError):  # the same cache here and there
        variables.setdefault("TUTORIAL_CACHE", os.path.abspath(cache_folder()))
    if not os.access(os.path.expanduser("~"), os.W_OK):
        variables.setdefault("IPYTHONDIR", str(own / "ipython"))
        variables.setdefault("MPLCONFIGDIR", str(own / "matplotlib"))
    return variables


class _OwnKernel(AsyncKernelManager):
    """A kernel of the running interpreter, whatever kernelspecs are installed on the machine."""

    @property
    def kernel_spec(self) -> KernelSpec:
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=argv, display_name="Python 3", language="python")


def kill_kernels() -> None:
    """End every kernel that `execute` is waiting for in any thread, and what it started."""
    for kernel in list(_ALIVE):
        _kill_group(_pid(kernel))


def _pid(kernel: AsyncKernelManager) -> int | None:
    return getattr(kernel.provisioner, "pid", None)


def _kill_group(pid: int | None) -> None:
    """End a kernel that is still there, and whatever it started: each leads a process group."""
    if pid and hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)


def peak_memory(pid: int | None) -> float:
    """Peak resident memory of a process in MB; 0 when it is gone.

    Its present memory where the system keeps no peak.
    """
    with contextlib.suppress(OSError, IndexError):
        status = Path(f"/proc/{pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024
    import psutil

    with contextlib.suppress(psutil.Error):
        return psutil.Process(pid).memory_info().rss / 2**20 if pid else 0.0
    return 0.0
