"""Objectives alone and joined (open question 2 of the survey), on world-movies.

    python benchmarks/joint_objectives.py [--seeds 5]

One small network and one number of passes for all; each objective's rate is chosen on validation
targets with a seed of its own; lists of all test users are judged in expectation. Writes
data/results/joint-objectives.csv.gz, one row per run and user; runs that it holds are not repeated.
About fifteen minutes on one core.
"""

from __future__ import annotations

import argparse
import time

import pandas as pd
import torch
from results_file import machine, markdown_table, write_section

from tutorial_lib.data import leave_last_out, load_dataset
from tutorial_lib.data.shipped import clone_commit, ship, shipped
from tutorial_lib.evaluation import evaluate, expected_metrics
from tutorial_lib.models import SequenceRecommender
from tutorial_lib.objectives import (
    Autoregressive,
    GapFilling,
    Joint,
    Masked,
    NextSegment,
    PartiallyAutoregressive,
    Permuted,
    Rearranged,
    ReplacedToken,
)
from tutorial_workshop.experiments.results import to_bytes

COMMAND, TABLE = "python benchmarks/joint_objectives.py", "results/joint-objectives.csv.gz"
NETWORK = {"width": 32, "heads": 1, "layers": 1, "dropout": 0.1, "batch_tokens": 1024}
PASSES = {"epochs": 12, "evaluate_every": 12}
RATES, CHOOSING = (3e-3, 8e-3), 100  # learning rates, and the seed they are chosen with
AM, MLM = Autoregressive(), Masked()
BESIDE = {"RSP": Rearranged(), "NSP": NextSegment(), "RTD": ReplacedToken()}
WEIGHTS = (0.1, 0.5)
OBJECTIVES = {
    **{"AM": AM, "MLM": MLM, "PAM": PartiallyAutoregressive(), "gap filling": GapFilling()},
    "permuted": Permuted(),
    **{f"AM + {w} MLM": Joint(AM, (MLM,), (w,)) for w in WEIGHTS},
    **{f"AM + {w} {name}": Joint(AM, (o,), (w,)) for name, o in BESIDE.items() for w in WEIGHTS},
    **{f"MLM + 0.1 {name}": Joint(MLM, (o,), (0.1,)) for name, o in BESIDE.items()},
}


def fitted(objective, rate: float, split, seed: int) -> SequenceRecommender:
    model = SequenceRecommender(objective, **NETWORK, **PASSES, learning_rate=rate)
    return model.fit(split, seed=seed, progress=False)


def best_rate(objective, split) -> float:
    """Of `RATES`, the one with the best lists for the validation histories."""
    chances = split.dataset.truth.next_item_probabilities(split.valid_history)
    reached = {}
    for rate in RATES:
        lists = fitted(objective, rate, split, CHOOSING).recommend(split.valid_history, 10)
        reached[rate] = expected_metrics(lists, chances, 10)["ndcg@10"].mean()
    return max(reached, key=reached.__getitem__)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    seeds = range(parser.parse_args().seeds)
    torch.set_num_threads(1)
    split = leave_last_out(load_dataset("world-movies"))
    known = pd.read_csv(shipped(TABLE)) if shipped(TABLE).exists() else pd.DataFrame()
    parts, commit = [known], clone_commit(mark_changes=False)
    for name, objective in OBJECTIVES.items():
        of = known[known["objective"] == name] if len(known) else known
        rate = best_rate(objective, split) if of.empty else of["learning_rate"].iloc[0]
        for seed in set(seeds) - set(of.get("seed", ())):
            start = time.process_time()
            model = fitted(objective, rate, split, seed)
            seconds = round(time.process_time() - start, 1)
            found = evaluate(model, split, k=10, expected=True)["ndcg@10"].round(5)
            fixed = {"objective": name, "seed": seed, "learning_rate": rate}
            fixed |= {"seconds": seconds, "commit": commit}
            parts.append(found.reset_index().assign(**fixed))
            print(f"{name}, rate {rate}, seed {seed}: {found.mean():.4f}, {seconds} s", flush=True)
    frame = pd.concat(parts, ignore_index=True)
    ship({TABLE: to_bytes(frame)}, COMMAND)
    each = frame.groupby(["objective", "seed"], sort=False)
    each = each.agg(ndcg=("ndcg@10", "mean"), seconds=("seconds", "first"))
    table = each.groupby("objective", sort=False).mean().round(4).reset_index()
    body = f"{machine()} Seeds: {frame['seed'].nunique()}.\n\n{markdown_table(table)}"
    write_section("joint-objectives", "Objectives alone and joined", COMMAND, body)


if __name__ == "__main__":
    main()
