"""Seconds and memory of the core audit, small and large.

    python benchmarks/audit_speed.py [--part small|large]    small: world-movies; large: 100,000 users x 5,000 items, lists of 50

Making the data and the lists is not counted. Peak memory is that of the whole process, data included.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np
import pandas as pd

from tutorial_lib.audit import audit
from tutorial_lib.data import Dataset, DatasetCard, hold_out_k, load_dataset
from tutorial_lib.models import EASE

USERS, ITEMS, EVENTS, K = 100_000, 5_000, 30, 50


class Drawn:
    """Lists drawn by popularity, in no time: so that the audit is timed, and not a model."""

    def __init__(self, chance: np.ndarray):
        self.cumulated = np.cumsum(chance / chance.sum())

    def recommend(self, histories, k=10, *, users=None, exclude_seen=True):
        return np.minimum(np.searchsorted(self.cumulated, np.random.default_rng(1).random((len(histories), k))), len(self.cumulated) - 1)


def large() -> tuple[Dataset, Drawn]:
    rng = np.random.default_rng(0)
    system = Drawn(1 / np.arange(1, ITEMS + 1) ** 0.6)
    item = np.minimum(np.searchsorted(system.cumulated, rng.random(USERS * 2 * EVENTS)), ITEMS - 1)
    events = pd.DataFrame({"user": np.repeat(np.arange(USERS), 2 * EVENTS), "item": item}).drop_duplicates()
    events = events.assign(rating=np.nan, timestamp=np.arange(len(events)))
    items = pd.DataFrame({"item_id": np.arange(ITEMS).astype(str), "title": [f"item {i}" for i in range(ITEMS)], "text": ""})
    items["categories"] = [(f"c{i % 18}", f"d{i % 7}") for i in range(ITEMS)]
    items["provider"], items["provider_group"] = "", np.where(rng.random(ITEMS) < 0.3, "minority", "majority")
    users = pd.DataFrame({"user_id": np.arange(USERS).astype(str), "gender": rng.choice(["F", "M"], USERS)})
    users["age_group"] = rng.choice(list("abcdef"), USERS)
    return Dataset("large", events, items, users, DatasetCard("large", "drawn", "drawn", "none")), system


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=("small", "large"), default="small")
    part = parser.parse_args().part
    ds, system = (load_dataset("world-movies"), None) if part == "small" else large()
    split = hold_out_k(ds, 5)
    start = time.perf_counter()
    report = audit(system or EASE().fit(split), ds, split, k=10 if part == "small" else K)
    seconds, peak = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{part}: {ds.n_users:,} users x {ds.n_items:,} items, {len(report.findings)} findings: {seconds:.1f} s, peak {peak:.2f} GB")


if __name__ == "__main__":
    main()
