"""Seconds and memory of the audit: called, through the command, and from a log.

    python benchmarks/audit_speed.py [--part small|command|large]

small: world-movies, EASE. command: the whole of ``tutorial audit Popularity`` on 10,000 users, in a
process of its own, with gaps under four protocols. large: 100,000 users x 5,000 items from a log of
lists of 50, reading the log included. Making the data and the log is not counted. Peak memory is
that of the whole process, data included.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from tutorial_lib.audit import LoggedLists, audit
from tutorial_lib.audit.logs.reading import read_log
from tutorial_lib.data import Dataset, DatasetCard, hold_out_k, load_dataset
from tutorial_lib.models import EASE

USERS, ITEMS, EVENTS, K = 100_000, 5_000, 30, 50
USERS_OF_COMMAND, ITEMS_OF_COMMAND = 10_000, 3_000
AGES = (1, 18, 25, 35, 45, 50, 56)


def drawn(users: int, items: int, events: int, rng: np.random.Generator) -> tuple:
    """Users and items of events drawn by popularity, each pair once, and [users, K] lists."""
    chance = np.cumsum(1 / np.arange(1, items + 1) ** 0.6)
    chance /= chance[-1]
    item = np.minimum(np.searchsorted(chance, rng.random(users * events)), items - 1)
    key = np.unique(np.repeat(np.arange(users), events) * items + item)
    lists = np.minimum(np.searchsorted(chance, rng.random((users, K))), items - 1)
    return key // items, key % items, lists


def large() -> tuple[Dataset, str]:
    """The data set, and the log as text."""
    rng = np.random.default_rng(0)
    user, item, lists = drawn(USERS, ITEMS, 2 * EVENTS, rng)
    time_of = rng.permutation(len(user))
    events = pd.DataFrame({"user": user, "item": item, "rating": np.nan, "timestamp": time_of})
    titles = [f"item {i}" for i in range(ITEMS)]
    items = pd.DataFrame({"item_id": np.arange(ITEMS).astype(str), "title": titles, "text": ""})
    items["categories"] = [(f"c{i % 18}", f"d{i % 7}") for i in range(ITEMS)]
    items["provider"] = ""
    items["provider_group"] = np.where(rng.random(ITEMS) < 0.3, "minority", "majority")
    users = pd.DataFrame({"user_id": np.arange(USERS).astype(str)})
    users["gender"] = rng.choice(["F", "M"], USERS)
    users["age_group"] = rng.choice(list("abcdef"), USERS)
    ds = Dataset("large", events, items, users, DatasetCard("large", "drawn", "drawn", "none"))
    rows = [f"{user},{' '.join(map(str, row))}" for user, row in enumerate(lists.tolist())]
    return ds, "\n".join(["user_id,item_ids", *rows])


def folder_of_ratings(folder: Path) -> None:
    """Drawn ratings in the files of MovieLens-1M, so that the command can be given a name."""
    rng, place = np.random.default_rng(0), folder / "ml-1m"
    place.mkdir()
    user, item, _ = drawn(USERS_OF_COMMAND, ITEMS_OF_COMMAND, 60, rng)
    columns = (user + 1, rng.permutation(ITEMS_OF_COMMAND)[item] + 1)
    columns += (rng.integers(1, 6, len(user)), rng.integers(9e8, 1e9, len(user)))
    ratings = ["::".join(map(str, row)) for row in zip(*columns, strict=True)]
    movies = [f"{i + 1}::Film {i} (19{50 + i % 50})::Drama" for i in range(ITEMS_OF_COMMAND)]
    women, ages = rng.random(USERS_OF_COMMAND) < 0.3, rng.choice(AGES, USERS_OF_COMMAND)
    people = zip(women, ages, strict=True)
    users = [
        f"{u + 1}::{'F' if w else 'M'}::{age}::{u % 21}::0" for u, (w, age) in enumerate(people)
    ]
    for name, lines in (("ratings", ratings), ("movies", movies), ("users", users)):
        (place / f"{name}.dat").write_text("\n".join(lines) + "\n")


def run_command() -> float:
    with TemporaryDirectory() as folder:
        folder_of_ratings(Path(folder))
        command = [sys.executable, "-m", "tutorial_lib", "audit", "Popularity"]
        command += ["--dataset", "ml-1m", "--out", str(Path(folder, "out"))]
        start = time.perf_counter()
        where = os.environ | {"TUTORIAL_DATA": folder}
        subprocess.run(command, check=True, env=where, stdout=subprocess.DEVNULL)
        return time.perf_counter() - start


def run_small() -> tuple[float, int]:
    ds = load_dataset("world-movies")
    split = hold_out_k(ds, 5)
    start = time.perf_counter()
    report = audit(EASE().fit(split), ds, split)
    return time.perf_counter() - start, len(report.findings)


def run_large() -> tuple[float, int]:
    ds, text = large()
    split = hold_out_k(ds, 5)
    with TemporaryDirectory() as folder:
        path = Path(folder, "shown.csv")
        path.write_text(text)
        start = time.perf_counter()
        report = audit(LoggedLists.from_frame(read_log(path), dataset=ds), ds, split, k=K)
    return time.perf_counter() - start, len(report.findings)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--part", choices=("small", "command", "large"), default="small")
    part = parser.parse_args().part
    if part == "command":
        seconds, what = run_command(), f"{USERS_OF_COMMAND:,} users, tutorial audit Popularity"
        who = resource.RUSAGE_CHILDREN
    else:
        seconds, found = run_small() if part == "small" else run_large()
        what, who = f"{found} findings", resource.RUSAGE_SELF
    used = resource.getrusage(who)
    cpu = f", {used.ru_utime + used.ru_stime:.1f} s of CPU" if part == "command" else ""
    print(f"{part}: {what}: {seconds:.1f} s{cpu}, peak {used.ru_maxrss / 1e6:.2f} GB")


if __name__ == "__main__":
    main()
