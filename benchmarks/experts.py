"""Mixture of experts on a mix of planted domains (movies, products, news).

    python benchmarks/experts.py [--seeds 3]

A small item Transformer learns the histories of three worlds at once, with a feed-forward layer of
four experts (with and without the load-balance loss), a dense one of equal active parameters, and a
dense one of equal total parameters. Each model's rate is chosen on validation histories with a seed
of its own; lists of test users are judged in expectation. Writes data/results/experts.csv.gz (one
row per run and user) and experts-load.csv.gz (one per run, layer and domain). Four minutes on one
core.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import pandas as pd
import torch
from results_file import machine, markdown_table, write_section

from tutorial_lib.data.shipped import clone_commit, ship
from tutorial_lib.evaluation import compare, expected_metrics
from tutorial_lib.models import SequenceRecommender
from tutorial_lib.models.experts import ExpertRecommender
from tutorial_workshop.experiments.domains import expert_load, mixed_worlds
from tutorial_workshop.experiments.results import to_bytes

COMMAND = "python benchmarks/experts.py"
TABLE, LOADS = "results/experts.csv.gz", "results/experts-load.csv.gz"
WORLDS, USERS = ("world-movies", "world-products", "world-news"), 500  # of each
EXPERTS, BALANCE = 4, 0.01
NETWORK = {"width": 32, "heads": 1, "layers": 1, "dropout": 0.1, "batch_tokens": 1024}
PASSES = {"epochs": 12, "evaluate_every": 12}
RATES, CHOOSING = (4e-3, 8e-3), 100  # learning rates, and the seed they are chosen with
MODELS: dict[str, Callable[..., SequenceRecommender]] = {
    "experts": lambda **options: ExpertRecommender(EXPERTS, BALANCE, **options),
    "experts, no balance": lambda **options: ExpertRecommender(EXPERTS, 0.0, **options),
    "dense, equal active": lambda **options: SequenceRecommender(expansion=4, **options),
    "dense, equal total": lambda **options: SequenceRecommender(expansion=4 * EXPERTS, **options),
}


def fitted(name: str, rate: float, split, seed: int) -> SequenceRecommender:
    model = MODELS[name](**NETWORK, **PASSES, learning_rate=rate)
    return model.fit(split, seed=seed, progress=False)


def best_rate(name: str, mix) -> float:
    """Of `RATES`, the one with the best lists for the validation histories."""
    reached = {}
    for rate in RATES:
        lists = fitted(name, rate, mix.split, CHOOSING).recommend(mix.split.valid_history, 10)
        chances = mix.chances(mix.split.valid_history)
        reached[rate] = expected_metrics(lists, chances, 10)["ndcg@10"].mean()
    return max(reached, key=reached.__getitem__)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--users", type=int, default=USERS, help="of each world")
    args = parser.parse_args()
    torch.set_num_threads(1)
    mix = mixed_worlds(WORLDS, args.users)
    chances = mix.chances(mix.split.test_history)
    rows, loads, commit = [], [], clone_commit(mark_changes=False)
    for name in MODELS:
        rate = best_rate(name, mix)
        for seed in range(args.seeds):
            start = time.process_time()
            model = fitted(name, rate, mix.split, seed)
            seconds = round(time.process_time() - start, 1)
            fixed = {"model": name, "seed": seed, "learning_rate": rate, "seconds": seconds}
            fixed |= {"weights": sum(p.numel() for p in model.model.blocks.parameters())}
            lists = model.recommend(mix.split.test_history, 10)
            found = expected_metrics(lists, chances, 10, users=mix.split.users)[["ndcg@10"]]
            rows.append(found.round(5).reset_index().assign(**fixed, commit=commit))
            if isinstance(model, ExpertRecommender):
                loads.append(expert_load(model, mix, seed).assign(**fixed, commit=commit))
            mean = found["ndcg@10"].mean()
            print(f"{name}, rate {rate}, seed {seed}: {mean:.4f}, {seconds} s", flush=True)
    frame, load = pd.concat(rows, ignore_index=True), pd.concat(loads, ignore_index=True)
    ship({TABLE: to_bytes(frame), LOADS: to_bytes(load)}, COMMAND)
    write_section("experts", "Mixture of experts", COMMAND, section(frame, load))


def section(frame: pd.DataFrame, load: pd.DataFrame) -> str:
    each = frame.groupby(["model", "seed"], sort=False).agg(
        ndcg=("ndcg@10", "mean"), seconds=("seconds", "first"), weights=("weights", "first")
    )
    table = each.groupby("model", sort=False).mean().round(4).reset_index()
    keyed = frame.set_index(["seed", "user"])
    parts = {name: part for name, part in keyed.groupby("model")}
    lines = []
    for other in list(MODELS)[1:]:
        test = compare(parts["experts"], parts[other], "ndcg@10")
        low, high = test.ci
        lines.append(f"- experts minus {other}: {test.difference:+.4f} [{low:+.4f}, {high:+.4f}]")
    said = "\n".join(lines)
    means = load.groupby(["model", "domain"], sort=False)[["main", "shuffled", "busiest"]].mean()
    return (
        f"{machine()} Seeds: {frame['seed'].nunique()}.\n\n{markdown_table(table)}\n\n{said}\n\n"
        f"{markdown_table(means.round(3).reset_index())}"
    )


if __name__ == "__main__":
    main()
