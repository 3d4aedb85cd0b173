"""Runs the cells of a grid: through joblib's processes on one machine, or on a Dask cluster, and
goes on after a kill.
"""

from __future__ import annotations

import contextlib
import functools
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from tutorial_lib.data.shipped import write_whole
from tutorial_lib.errors import InputError, check_whole
from tutorial_workshop.experiments.cells import Cell
from tutorial_workshop.experiments.fingerprints import changes, fingerprint
from tutorial_workshop.experiments.results import CELL, Results, to_bytes, to_frame, to_results
from tutorial_workshop.experiments.running import run_cell


def run_grid(
    cells: Sequence[Cell],
    folder: str | Path,
    *,
    jobs: int = 1,
    dask: str | None = None,
    run: Callable[[Cell], dict] = run_cell,
    recorded: pd.DataFrame | None = None,
    tell: Callable[[str], None] = print,
) -> pd.DataFrame:
    """Run what is not yet in ``folder`` and return the table of all ``cells``, which is also
    written to ``folder``/grid.csv.gz.

    A cell's file is written as soon as it is done: kill this process at any moment, call it again,
    and no finished cell is repeated. Its worker processes end when it does. A finished cell counts
    only for the model, data and settings that it was made from (`fingerprints`); one of others, or
    of an earlier version that did not note them, is run again, with a line of notice.

    Args:
        jobs: processes here, 1 to 1024.
        dask: address of a scheduler ("tcp://host:8786"), or "local" for a cluster of ``jobs``
            worker processes; the results come back here, so the workers need no shared disk.
        run: what a cell does, a function that can be pickled.
        recorded: a table, as `load_results` gives it: cells that it holds, made from the same
            model, data and settings, are written to ``folder`` and not run.
        tell: takes the progress, one line at a time.

    Raises:
        InputError: for no cells, jobs out of range, a cluster that cannot be reached, and whatever
            `run_cell` raises.
    """
    if not cells:
        raise InputError("run_grid: no cells; expected at least one, as cells_of gives them")
    check_whole("run_grid", 1, 1024, jobs=jobs)
    results = Results(folder, tell)
    results.folder.mkdir(parents=True, exist_ok=True)
    stamps = {cell: fingerprint(cell) for cell in dict.fromkeys(cells)}
    done = _current(results.read(stamps), stamps, tell)
    if recorded is not None:
        done |= _from_table(recorded, {c: s for c, s in stamps.items() if c not in done}, results)
    left = [cell for cell in dict.fromkeys(cells) if cell not in done]
    tell(f"{len(done)} of {len(set(cells))} cells are in {folder}, {len(left)} to run")
    start = time.perf_counter()
    for number, (cell, result) in enumerate(_running(left, run, jobs, dask), 1):
        results.write(cell, {"fingerprint": stamps[cell], **result})
        passed = time.perf_counter() - start
        mean = sum(first := next(iter(result["values"].values()))) / len(first)
        rest = passed / number * (len(left) - number) / 60
        tell(
            f"{number}/{len(left)} {cell.name}: {mean:.4f}, {result['seconds']:.1f} s to tune;"
            f" {rest:.0f} min left"
        )
    frame = to_frame(results.read(dict.fromkeys(cells)).values())
    write_whole(results.folder / "grid.csv.gz", to_bytes(frame))
    return frame


def _from_table(
    recorded: pd.DataFrame, stamps: dict[Cell, dict], results: Results
) -> dict[Cell, dict]:
    """The cells that a recorded table holds, as the files that they came from."""
    known, found = to_results(recorded), {}
    for cell, stamp in stamps.items():
        result = known.get(tuple(getattr(cell, name) for name in CELL), {})
        if result.get("fingerprint") == stamp:
            found[cell] = {"cell": asdict(cell), **result}
            results.write(cell, found[cell])
    return found


def _current(
    found: dict[Cell, dict], stamps: dict[Cell, dict], tell: Callable[[str], None]
) -> dict[Cell, dict]:
    """The finished cells that were made from what is there now; the others are listed, one line per
    reason.
    """
    why = {cell: changes(result.get("fingerprint"), stamps[cell]) for cell, result in found.items()}
    for reason, number in Counter(filter(None, why.values())).items():
        first = next(cell for cell, given in why.items() if given == reason)
        tell(
            f"{number} finished cells are run again, {first.name} first: they were made from"
            f" {reason}"
        )
    return {cell: result for cell, result in found.items() if not why[cell]}


def _running(cells: list[Cell], run: Callable[[Cell], dict], jobs: int, dask: str | None):
    """(cell, result) in the order in which they finish."""
    if not cells:
        return
    if jobs == 1 and dask is None:
        for cell in cells:
            yield cell, run(cell)
        return
    import joblib

    if dask:
        place, ahead, parent = _cluster(dask, jobs), "2*n_jobs", None
    else:
        place = joblib.parallel_config("loky", n_jobs=jobs, inner_max_num_threads=1)
        ahead, parent = "1*n_jobs", os.getpid()
    with place:
        options = {"return_as": "generator_unordered", "batch_size": 1, "pre_dispatch": ahead}
        calls = (joblib.delayed(_paired)(run, cell, parent) for cell in cells)
        yield from joblib.Parallel(**options)(calls)


def _paired(run: Callable[[Cell], dict], cell: Cell, parent: int | None) -> tuple[Cell, dict]:
    """parent: process that waits for the result, on this machine; None where Dask looks after its
    workers.
    """
    if parent is not None and parent != os.getpid():
        _end_with(parent)
    return cell, run(cell)


@functools.lru_cache(maxsize=1)  # one thread a worker, however many cells it runs
def _end_with(parent: int) -> None:
    """End this worker within a second of its parent's death: a killed parent can tell it nothing,
    and loky waits five minutes.
    """
    import psutil

    def watch() -> None:
        while os.getppid() == parent and psutil.pid_exists(parent):
            time.sleep(0.5)
        os._exit(1)  # whatever the main thread is in the middle of; only the parent writes files

    threading.Thread(target=watch, daemon=True).start()


@contextlib.contextmanager
def _cluster(address: str, jobs: int):
    """joblib on a Dask cluster: one of ``jobs`` processes on this machine ("local"), or the one at
    this address.
    """
    import joblib

    try:
        from distributed import Client, LocalCluster
    except ImportError:
        raise InputError(
            "the grid on Dask needs the package distributed: pip install dask distributed"
        ) from None
    with contextlib.ExitStack() as stack:
        if address == "local":
            address = stack.enter_context(
                LocalCluster(n_workers=jobs, threads_per_worker=1, dashboard_address=None)
            )
        try:
            client = stack.enter_context(Client(address, timeout=10))
        except (OSError, ValueError) as error:
            raise InputError(
                f"no Dask scheduler answers at {address!r} ({type(error).__name__}): expected"
                " tcp://HOST:PORT"
            ) from None
        with joblib.parallel_config("dask", client=client):
            yield
