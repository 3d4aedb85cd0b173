"""The exact ten best titles by branch and bound, beside scoring every title: processor seconds and
nodes of the trie that are read, in one run.

python benchmarks/best_titles.py [--users 200] [--write]        # about a minute
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import pandas as pd
from results_file import machine, markdown_table, write_section

from tutorial_lib.data import leave_last_out, load_dataset
from tutorial_lib.models.best_titles import best_titles
from tutorial_lib.models.decoding import log_likelihood
from tutorial_lib.recommender import top_k
from tutorial_lib.strategies import adapt

STRATEGIES = {"zero-shot": 0, "item-bias": 64, "full": 64}  # name -> labelled users
SCORED = 40  # users whose whole catalogue is scored: that is slow


def measured(world: str, strategy: str, labels: int, users: int) -> dict:
    """One row of the table."""
    split = leave_last_out(load_dataset(world))
    fitted = adapt("kit-gpt", split, strategy, labels=labels)
    histories = split.sample_targets(users).test_history
    prompts, trie = fitted.prompts(histories), fitted.trie
    start = time.process_time()
    plain = log_likelihood(fitted.lm, prompts[:SCORED], fitted.words.titles).log_probability
    everything = (time.process_time() - start) / SCORED
    start = time.process_time()
    found = best_titles(fitted.lm, prompts, trie, added=fitted.added, hidden=histories)
    shorter = (time.process_time() - start) / users
    expected = top_k(plain + fitted.added, 10, exclude=histories[:SCORED])
    inner = int((trie.n_children > 0).sum()) - 1
    return {
        "world": world,
        "strategy": strategy,
        "inner nodes": f"{inner:,}",
        "read, mean (most)": f"{found.n_read.mean():.0f} ({found.n_read.max()})",
        "share read": f"1/{inner / found.n_read.mean():.0f}",
        "everything, ms": f"{1000 * everything:.0f}",
        "branch and bound, ms": f"{1000 * shorter:.1f}",
        "ratio": f"{everything / shorter:.1f}",
        "same lists": f"{np.mean((found.items[:SCORED] == expected).all(axis=1)):.0%}",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=200)
    parser.add_argument("--write", action="store_true", help="replace the section of RESULTS.md")
    given = parser.parse_args()
    rows = [
        measured(world, strategy, labels, given.users)
        for world in ("world-movies", "world-products")
        for strategy, labels in STRATEGIES.items()
    ]
    table = markdown_table(pd.DataFrame(rows))
    print(table)
    if given.write:
        about = "Ten best of the whole catalogue, kit-gpt, processor milliseconds per user."
        command = "python benchmarks/best_titles.py --write"
        title = "The ten best titles: branch and bound beside scoring everything"
        write_section("best-titles", title, command, f"{machine()}\n{about}\n\n{table}")


if __name__ == "__main__":
    main()
