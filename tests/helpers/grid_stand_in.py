"""A cell that costs nothing but a little time, for tests of the grid; run as a script it is the
process that gets killed.
"""

import os
import sys
import time
from dataclasses import asdict
from pathlib import Path

from tutorial_workshop.experiments import Cell, run_grid

CELLS = [
    Cell("world-movies", "kit-gpt", "full", labels, seed, 3)
    for seed in range(4)
    for labels in (8, 16, 64)
]


def stand_in(cell: Cell) -> dict:
    """What `run_cell` gives, from the cell's name alone; each start is written to the file
    $GRID_LOG, and starts after the first $GRID_FINISH of that file never end.
    """
    if "GRID_LOG" in os.environ:
        log = Path(os.environ["GRID_LOG"])
        with log.open("a") as file:
            file.write(f"{cell.name}\n")
        before = log.read_text().rpartition(f"{cell.name}\n")[0].count("\n")
        if before >= int(os.environ.get("GRID_FINISH", len(CELLS))):
            time.sleep(3600)
    time.sleep(float(os.environ.get("GRID_SLEEP", 0)))
    value = cell.labels / 1000 + cell.seed / 100
    costs = {
        "score_seconds": 0.1,
        "seconds": 1.5,
        "flops": 1e9,
        "trainable": 10,
        "stored_bytes": 40,
    }
    values = {"ndcg@10": [value, 0.0, 1.0], "hit@10": [1.0, 0.0, 1.0]}
    values |= {f"realised_{name}": [1.0, 0.0, 0.0] for name in values}
    values["items"] = ["5 2", "1", "3 4 5"]
    return {"cell": asdict(cell), "users": [3, 1, 2], "values": values, **costs}


if __name__ == "__main__":
    run_grid(CELLS, Path(sys.argv[1]), jobs=int(sys.argv[2]), run=stand_in)
