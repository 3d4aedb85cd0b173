"""MovieLens-100K's gender gap under four ways to hold targets out: recorded for notebook 08.

    python benchmarks/audit_protocols.py    about half a minute

Needs MovieLens-100K (tutorial fetch ml-100k).
"""

from __future__ import annotations

import time

from tutorial_lib.audit.harms.protocols import gap_by_protocol
from tutorial_lib.data import load_dataset
from tutorial_lib.data.shipped import clone_commit, ship
from tutorial_lib.models import EASE, ItemKNN, Popularity, Random, TransitionKNN

FILE = "results/audit-protocols.csv"


def main() -> None:
    start = time.perf_counter()
    make = {kind.__name__: kind for kind in (Popularity, ItemKNN, EASE, TransitionKNN, Random)}
    make["ItemKNN, all neighbours"] = lambda: ItemKNN(k=10**4, shrink=0.0)
    frame = gap_by_protocol(make, load_dataset("ml-100k"), "gender").round(6)
    seconds, commit = round(time.perf_counter() - start, 1), clone_commit(mark_changes=False)
    frame = frame.assign(dataset="ml-100k", seed=0, seconds=seconds, commit=commit)
    ship({FILE: frame.to_csv(index=False).encode()}, "python benchmarks/audit_protocols.py")
    print(frame.drop(columns=["dataset", "seed", "commit"]).to_string())


if __name__ == "__main__":
    main()
