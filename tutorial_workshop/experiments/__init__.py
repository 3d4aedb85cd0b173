"""The controlled experiment: strategies and baselines over label budgets and seeds, run side by
side, resumable, in one table.
"""

from tutorial_lib.exports import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "cells": (
            *("BASELINES", "BUDGETS", "Cell", "cells_of", "default_strategies"),
            *("labelled_only", "language_model", "split_of"),
        ),
        "grid": ("run_grid",),
        "real_evidence": ("answers_from_reviews", "evidence_for"),
        "running": ("run_cell",),
        "transfer": ("with_texts_dealt_out",),
        "results": ("Results", "load_results", "recorded_table", "to_frame"),
    },
)
