"""Lists of prompted language models for notebook 08: who is served how, what an attribute changes.

    python benchmarks/audit_lists.py [--users 400]

One row per system, wording and user of world-movies. Systems: kit-gpt as it is, and kit-gpt tuned
by P5 on 64 labelled users, both for every user with targets, asked neutrally; and kit-gpt as it is
for ``--users`` drawn users, asked in paraphrases and with an attribute named. A run that is stopped
goes on where it was.
"""

from __future__ import annotations

import argparse
import gzip
import time

import numpy as np
import pandas as pd

from tutorial_lib.data import hold_out_k, load_dataset
from tutorial_lib.data.shipped import clone_commit, ship, shipped
from tutorial_lib.language.attributes import ATTRIBUTES, NEUTRAL, PARAPHRASES, about
from tutorial_lib.models.pretrained import load_language_model
from tutorial_lib.strategies import Budget, adapt

FILE, K, SEED = "results/audit-lists.csv.gz", 10, 0
ZERO, P5 = "kit-gpt", "kit-gpt, P5"


def lists_of(split, rows: np.ndarray, system: str, who: str) -> pd.DataFrame:
    start = time.perf_counter()
    lm = load_language_model("kit-gpt")
    if system == ZERO:
        model = adapt(lm, split, "zero-shot", labels=0, template=about(who))
    else:
        budget = Budget(1e-3, longest=50)
        model = adapt(lm, split, "multi-task", labels=64, seed=SEED, budget=budget)
    lists = model.recommend([split.test_history[row] for row in rows], K)
    text = [" ".join(map(str, items)) for items in lists.tolist()]
    frame = pd.DataFrame({"system": system, "who": who, "user": split.users[rows], "items": text})
    return frame.assign(seed=SEED, seconds=round(time.perf_counter() - start, 1))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--users", type=int, default=400)
    chosen = parser.parse_args()
    split, path = hold_out_k(load_dataset("world-movies"), 5, valid_k=1), shipped(FILE)
    done = pd.read_csv(path) if path.is_file() else pd.DataFrame({"system": [], "who": []})
    everyone = np.flatnonzero([len(target) > 0 for target in split.test_target])
    some = np.sort(np.random.default_rng([SEED, 8]).permutation(everyone)[: chosen.users])
    wordings = [*PARAPHRASES, *(value for values in ATTRIBUTES.values() for value in values)]
    cases = [(ZERO, NEUTRAL, everyone), *((ZERO, who, some) for who in wordings)]
    cases.append((P5, NEUTRAL, everyone))
    for system, who, rows in cases:
        if ((done["system"] == system) & (done["who"] == who)).any():
            continue
        frame = lists_of(split, rows, system, who).assign(commit=clone_commit(mark_changes=False))
        done = pd.concat([done, frame]) if len(done) else frame
        packed = gzip.compress(done.to_csv(index=False).encode(), mtime=0)
        ship({FILE: packed}, "python benchmarks/audit_lists.py")
        print(f"{system} | {who}: {len(rows)} users, {frame['seconds'].iloc[0]:.0f} s", flush=True)


if __name__ == "__main__":
    main()
