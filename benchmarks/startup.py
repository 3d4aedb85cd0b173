"""What a learner waits for: import, a world, its exact truth, and the notebooks in profile quick.

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
seconds = time.perf_counter() - start
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(f"{ds.n_interactions:,} interactions in {seconds:.1f} s, peak memory {memory:,.0f} MB")
"""
TRUTH = "ds.truth.next_item_probabilities(histories)"


def seconds(statement: str, before: str = "pass") -> tuple[float, float, float]:
    """Median, least and most seconds of a statement, each time in a fresh interpreter.

    ``before`` runs outside the clock.
    """
    command = [sys.executable, "-c", before + "\n" + TIMED.format(statement)]
    times = [
        float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        for _ in range(REPEATS)
    ]
    return statistics.median(times), min(times), max(times)


def main() -> None:
    import pandas as pd

    imports = "from tutorial_lib.data import load_dataset, leave_last_out"
    load = "load_dataset('world-movies')"
    prepare = f"{imports}\nds = {load}\nhistories = leave_last_out(ds).test_history[:2000]"
    generator = "from tutorial_recipes.worlds import make_world"
    cases = [  # what, statement, what runs before it, goal
        ("`import tutorial_lib`", "import tutorial_lib", "pass", 0.3),
        ("import pandas and load world-movies", f"{imports}; {load}", "pass", ""),
        ("load world-movies, pandas imported", load, imports, 1.0),
        ("exact next-item probabilities, 2,000 histories", TRUTH, prepare, ""),
        ("generate world-movies anew", "make_world('movies')", generator, 5.0),
    ]
    rows = [
        (what, *(f"{value:.3f}" for value in seconds(statement, before)), goal)
        for what, statement, before, goal in cases
    ]
    columns = ["what", "median s", "least", "most", "goal s"]
    table = markdown_table(pd.DataFrame(rows, columns=columns))
    command = [sys.executable, "-c", LARGE]
    large = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        command = [sys.executable, "-m", "tutorial_lib", "run"]
        command += ["--profile", "quick", "--out", str(out)]
        one_thread = os.environ | {"OMP_NUM_THREADS": "1"}
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=one_thread)
        runs = pd.read_csv(out / "notebooks.csv")
    runs = runs[["notebook", "cells", "seconds", "peak_memory_mb"]]
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
