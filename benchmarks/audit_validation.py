"""The audit held against worlds whose truth is known.

    python benchmarks/audit_validation.py [--replications 400] [--seed 0] [--jobs 1]

About 1 s per replication on one core. Records the table of notebook 08 and of
``tutorial audit --validate``.
"""

from __future__ import annotations

import argparse
import time

from results_file import machine

from tutorial_lib.data.shipped import clone_commit, ship
from tutorial_workshop.proof.validation import RECORDED, validate


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--replications", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    chosen = parser.parse_args()
    commit, start = clone_commit(mark_changes=False), time.perf_counter()
    frame = validate(
        chosen.replications, chosen.seed, chosen.jobs, tell=lambda line: print(line, flush=True)
    )
    frame = frame.round(5).assign(
        seed=chosen.seed,
        seconds=round(time.perf_counter() - start, 1),
        jobs=chosen.jobs,
        commit=commit,
        machine=machine(),
    )
    ship({RECORDED: frame.to_csv(index=False).encode()}, "python benchmarks/audit_validation.py")
    print(frame.drop(columns=["seed", "seconds", "jobs", "commit", "machine"]).round(3).to_string())


if __name__ == "__main__":
    main()
