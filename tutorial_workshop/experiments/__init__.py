"""The controlled experiment: strategies and baselines over label budgets and seeds, run side by
side, resumable, in one table.
"""

from tutorial_workshop.experiments.cells import (
    BASELINES,
    Cell,
    cells_of,
    default_strategies,
    run_cell,
)
from tutorial_workshop.experiments.grid import run_grid
from tutorial_workshop.experiments.results import Results, load_results, to_frame

__all__ = [
    "BASELINES",
    "Cell",
    "Results",
    "cells_of",
    "default_strategies",
    "load_results",
    "run_cell",
    "run_grid",
    "to_frame",
]
