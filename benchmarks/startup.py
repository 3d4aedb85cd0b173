"""What a learner waits for: import, a world, its exact truth, and the notebooks in the quick
profile.

python benchmarks/startup.py        # about half a minute
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from results_file import machine, markdown_table, write_section

REPEATS = 5
TIMED = "import time; start = time.perf_counter(); {}; print(time.perf_counter() - start)"
LARGE = """
import resource, time
from tutorial_recipes.worlds import make_world
start = time.perf_counter()
ds = make_world("movies", n_users=100_000, n_items=20_000)
print(f"{ds.n_interactions:,} interactions in {time.perf_counter() - start:.1f} s", end=", peak memory ")
print(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB")
"""
TRUTH = "ds.truth.next_item_probabilities(histories)"


def seconds(statement: str, before: str = "pass") -> tuple[float, float, float]:
    """Median, least and most seconds of a statement, each time in a fresh interpreter; ``before``
    runs outside the clock.
    """
    command = [sys.executable, "-c", before + "\n" + TIMED.format(statement)]
    times = [
        float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        for _ in range(REPEATS)
    ]
    return statistics.median(times), min(times), max(times)


def main() -> None:
    import pandas as pd

    load = "from tutorial_lib.data import load_dataset, leave_last_out"
    prepare = (
        f"{load}\nds = load_dataset('world-movies')\nhistories ="
        " leave_last_out(ds).test_history[:2000]"
    )
    measured = [
        ("`import tutorial_lib`", *seconds("import tutorial_lib"), 0.3),
        (
            "import pandas and load world-movies",
            *seconds(f"{load}; load_dataset('world-movies')"),
            "",
        ),
        ("load world-movies, pandas imported", *seconds("load_dataset('world-movies')", load), 1.0),
        ("exact next-item probabilities, 2,000 histories", *seconds(TRUTH, prepare), ""),
        (
            "generate world-movies anew",
            *seconds("make_world('movies')", "from tutorial_recipes.worlds import make_world"),
            5.0,
        ),
    ]
    rows = [(what, *(f"{value:.3f}" for value in values), goal) for what, *values, goal in measured]
    table = markdown_table(
        pd.DataFrame(rows, columns=["what", "median s", "least", "most", "goal s"])
    )
    large = subprocess.run(
        [sys.executable, "-c", LARGE], capture_output=True, text=True, check=True
    ).stdout.strip()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        command = [
            sys.executable,
            "-m",
            "tutorial_lib",
            "run",
            "--profile",
            "quick",
            "--out",
            str(out),
        ]
        subprocess.run(
            command,
            check=True,
            stdout=subprocess.DEVNULL,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        runs = pd.read_csv(out / "notebooks.csv")[
            ["notebook", "cells", "seconds", "peak_memory_mb"]
        ]
    goals = {"00_start_here": "60 s", "01_recommendation_as_language": "180 s, 1,500 MB"}
    notebooks = markdown_table(runs.assign(goal=runs["notebook"].map(goals)))
    body = "\n\n".join(
        [
            f"{REPEATS} fresh interpreters each. {machine()}",
            table,
            f"A world of 100,000 users and 20,000 items: {large}.",
            "Exercise notebooks, quick profile, embedded data:",
            notebooks,
        ]
    )
    write_section("startup", "Start-up, worlds and notebooks", "python benchmarks/startup.py", body)
    print(body)


if __name__ == "__main__":
    main()
