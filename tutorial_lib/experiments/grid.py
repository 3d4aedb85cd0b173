"""Runs the cells of a grid: through joblib's processes on one machine, or on a Dask cluster, and goes on after a kill."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from tutorial_lib.data.shipped import write_whole
from tutorial_lib.errors import InputError
from tutorial_lib.experiments.cells import Cell, run_cell
from tutorial_lib.experiments.results import Results, to_bytes, to_frame


def run_grid(
    cells: Sequence[Cell],
    folder: str | Path,
    *,
    jobs: int = 1,
    dask: str | None = None,
    run: Callable[[Cell], dict] = run_cell,
    tell: Callable[[str], None] = print,
) -> pd.DataFrame:
    """Run what is not yet in ``folder`` and return the table of all ``cells``, which is also written to ``folder``/grid.csv.gz.

    jobs: processes here. dask: address of a scheduler ("tcp://host:8786"), or "local" for a cluster of ``jobs`` worker processes; the
    results come back to this process, so the workers need no shared disk. run: what a cell does, a function that can be pickled.
    A cell's file is written as soon as it is done: kill this process at any moment, call it again, and no finished cell is repeated.
    Raises InputError for no cells, jobs below 1, a cluster that cannot be reached, and whatever `run_cell` raises.
    """
    if not cells or jobs < 1:
        raise InputError(f"run_grid({len(cells)} cells, jobs={jobs}): expected at least one cell and one job")
    results = Results(folder, tell)
    results.folder.mkdir(parents=True, exist_ok=True)
    done = results.read(dict.fromkeys(cells))
    left = [cell for cell in dict.fromkeys(cells) if cell not in done]
    tell(f"{len(done)} of {len(set(cells))} cells are in {folder}, {len(left)} to run")
    start = time.perf_counter()
    for number, (cell, result) in enumerate(_running(left, run, jobs, dask), 1):
        results.write(cell, result)
        passed = time.perf_counter() - start
        mean = sum(first := next(iter(result["values"].values()))) / len(first)
        rest = passed / number * (len(left) - number) / 60
        tell(f"{number}/{len(left)} {cell.name}: {mean:.4f}, {result['seconds']:.1f} s to tune; {rest:.0f} min left")
    frame = to_frame(results.read(dict.fromkeys(cells)).values())
    write_whole(results.folder / "grid.csv.gz", to_bytes(frame))
    return frame


def _running(cells: list[Cell], run: Callable[[Cell], dict], jobs: int, dask: str | None):
    """(cell, result) in the order in which they finish."""
    if not cells:
        return
    if jobs == 1 and dask is None:
        for cell in cells:
            yield cell, run(cell)
        return
    import joblib

    with _cluster(dask, jobs) if dask else joblib.parallel_config("loky", n_jobs=jobs, inner_max_num_threads=1):
        yield from joblib.Parallel(return_as="generator_unordered", batch_size=1, pre_dispatch="1*n_jobs" if not dask else "2*n_jobs")(
            joblib.delayed(_paired)(run, cell) for cell in cells
        )


def _paired(run: Callable[[Cell], dict], cell: Cell) -> tuple[Cell, dict]:
    return cell, run(cell)


@contextlib.contextmanager
def _cluster(address: str, jobs: int):
    """joblib on a Dask cluster: one of ``jobs`` processes on this machine ("local"), or the one at this address."""
    import joblib

    try:
        from distributed import Client, LocalCluster
    except ImportError:
        raise InputError("the grid on Dask needs the package distributed: pip install 'tutorial-lib[dask]'") from None
    with contextlib.ExitStack() as stack:
        if address == "local":
            address = stack.enter_context(LocalCluster(n_workers=jobs, threads_per_worker=1, dashboard_address=None))
        try:
            client = stack.enter_context(Client(address, timeout=10))
        except (OSError, ValueError) as error:
            raise InputError(f"no Dask scheduler answers at {address!r} ({type(error).__name__}): expected tcp://HOST:PORT") from None
        with joblib.parallel_config("dask", client=client):
            yield
