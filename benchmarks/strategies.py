"""Strategies against labels: one language model, one task, several seeds.

    python benchmarks/strategies.py [--lm kit-gpt] [--seeds 0 1 2 3 4] [--users 40] [--write]
    python benchmarks/strategies.py --choose

The first is the grid of notebooks 03 and 04, NDCG@10 of every test user; the second compares
learning rates, on validation targets and other seeds. Every seed draws its own labelled users and
its own test users; labelled users' training histories are all that a strategy sees.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from results_file import machine, markdown_table, write_section
from scipy.stats import t

from tutorial_lib.data import leave_last_out, load_dataset
from tutorial_lib.data.shipped import clone_commit, ship
from tutorial_lib.evaluation import target_ranks
from tutorial_lib.models import Oracle, Popularity
from tutorial_lib.models.language_models import load_language_model
from tutorial_lib.strategies import Budget, adapt
from tutorial_lib.strategies.tuning import labelled_users

EVERYWHERE = ("from-scratch", "full", "item-bias", "lora", "soft-prompt", "prompt-and-lm")
AT_64 = (*EVERYWHERE, "top-layers", "head", "prefix")
NOTHING = ("pre-train-only", "zero-shot")  # the same at any number of labels
RATES = {
    "full": (5e-4, 1e-3, 2e-3),
    "top-layers": (1e-3, 2e-3, 4e-3),
    "lora": (2e-3, 5e-3, 1e-2),
    "adapters": (2e-3, 5e-3, 1e-2),
    "soft-prompt": (3e-3, 1e-2, 3e-2),
    "prefix": (3e-3, 1e-2, 3e-2),
    "head": (3e-3, 1e-2, 3e-2),
    "from-scratch": (1e-3, 3e-3, 6e-3),
}


def ndcg(model, split, rows, on: str = "test") -> np.ndarray:
    """NDCG@10 of each of these users, seen items left out; one target each."""
    histories = [getattr(split, f"{on}_history")[row] for row in rows]
    targets = np.array([getattr(split, f"{on}_target")[row][0] for row in rows])
    scores = np.array(model.score(histories), dtype=float)
    for line, history in zip(scores, histories, strict=True):
        line[history] = -np.inf
    ranks = target_ranks(scores, targets)
    return np.where(ranks <= 10, 1 / np.log2(ranks + 1), 0.0)


class LabelledPopularity:
    """Items by how many of the labelled users have them."""

    def __init__(self, split, labels: int, seed: int):
        rows = labelled_users(split, labels, seed)
        items = np.concatenate([split.train[row] for row in rows])
        self.counts = np.bincount(items, minlength=split.dataset.n_items).astype(float)

    def score(self, histories) -> np.ndarray:
        return np.tile(self.counts, (len(histories), 1))


def run(
    lm_name: str, dataset: str, seeds: list[int], users: int, labels: tuple[int, ...]
) -> pd.DataFrame:
    split, lm = leave_last_out(load_dataset(dataset)), load_language_model(lm_name)
    commit = clone_commit(mark_changes=False)
    rows = []
    oracle, popular = Oracle().fit(split), Popularity().fit(split)
    for seed in seeds:
        tested = np.random.default_rng([seed, 9]).permutation(len(split.users))[:users]

        def keep(name, model, count, seed=seed, tested=tested):
            start = time.perf_counter()
            values = ndcg(model, split, tested)
            scored = time.perf_counter() - start
            tuned = getattr(model, "seconds", 0.0)
            rows.extend(
                {
                    "lm": lm_name,
                    "dataset": dataset,
                    "strategy": name,
                    "labels": count,
                    "seed": seed,
                    "user": int(split.users[row]),
                    "ndcg@10": round(float(value), 6),
                    "trainable": getattr(model, "n_trainable", 0),
                    "seconds": round(tuned, 2),
                    "flops": getattr(model, "flops", 0.0),
                    "commit": commit,
                }
                for row, value in zip(tested, values, strict=True)
            )
            print(
                f"seed {seed} labels {count:>4} {name:<15} {values.mean():.4f}"
                f"  tuned {tuned:.0f} s, scored {scored:.0f} s",
                flush=True,
            )

        keep("ceiling", oracle, len(split.users))
        keep("popularity, all labels", popular, len(split.users))
        for name in NOTHING:
            keep(name, adapt(lm, split, name, labels=0, seed=seed), 0)
        for count in labels:
            keep("popularity", LabelledPopularity(split, count, seed), count)
            for name in AT_64 if count == 64 else EVERYWHERE:
                keep(name, adapt(lm, split, name, labels=count, seed=seed), count)
    return pd.DataFrame(rows)


def choose(lm_name: str, dataset: str, users: int, only: list[str]) -> None:
    """Validation NDCG@10 for each learning rate; seeds 100, 101, validation targets."""
    split, lm = leave_last_out(load_dataset(dataset)), load_language_model(lm_name)
    for name, rates in RATES.items():
        if only and name not in only:
            continue
        for rate in rates:
            found = []
            for seed in (100, 101):
                tested = np.random.default_rng([seed, 9]).permutation(len(split.users))[:users]
                model = adapt(lm, split, name, labels=64, seed=seed, budget=own_budget(name, rate))
                found.append(ndcg(model, split, tested, "valid").mean())
            print(
                f"{name:<13} rate {rate:<7g} validation NDCG@10 {np.mean(found):.4f}"
                f"  loss {np.mean(model.losses[-5:]):.3f} {model.seconds:.0f} s",
                flush=True,
            )


def own_budget(name: str, rate: float) -> Budget:
    """The strategy's own budget at another rate."""
    if name == "head":
        return Budget(rate, epochs=20.0, longest=1000, size=64, weight_decay=0.1)
    return Budget(rate, epochs=8.0, longest=480) if name == "from-scratch" else Budget(rate)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--lm", default="kit-gpt")
    parser.add_argument("--dataset", default="world-movies")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    about_part = "write the rows there; --write joins all parts of that folder"
    parser.add_argument("--part", type=Path, help=about_part)
    parser.add_argument("--users", type=int, default=40)
    parser.add_argument("--labels", type=int, nargs="+", default=[16, 64, 256])
    parser.add_argument("--choose", action="store_true")
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.choose:
        return choose(args.lm, args.dataset, args.users, args.only)
    if args.write and args.part:
        found = pd.concat([pd.read_csv(path) for path in sorted(args.part.glob("*.csv"))])
    else:
        found = run(args.lm, args.dataset, args.seeds, args.users, tuple(args.labels))
    if args.part and not args.write:
        args.part.mkdir(parents=True, exist_ok=True)
        found.to_csv(args.part / f"seeds-{'-'.join(map(str, args.seeds))}.csv", index=False)
    table = summary(found)
    print(table.to_string(index=False))
    if args.write:
        content = found.to_csv(index=False, lineterminator="\n").encode()
        ship({"results/strategies.csv": content}, "python benchmarks/strategies.py --write")
        seeds, users = found["seed"].nunique(), found.groupby("seed")["user"].nunique().iloc[0]
        body = (
            f"{machine()}\n\n"
            f"world-movies, {args.lm}, {seeds} seeds, {users} test users each (others in every"
            " seed); NDCG@10, mean over seeds ± half the 95 % t interval; share of the ceiling on"
            f" the same users.\n\n{markdown_table(table)}"
        )
        command = "python benchmarks/strategies.py --write"
        write_section("strategies", "Strategies against labels", command, body)


def summary(found: pd.DataFrame) -> pd.DataFrame:
    """One row per strategy and number of labels."""
    ceiling = found.loc[found["strategy"] == "ceiling", "ndcg@10"].mean()
    rows = []
    for (labels, name), some in found.groupby(["labels", "strategy"], sort=True):
        means = some.groupby("seed")["ndcg@10"].mean()
        half = t.ppf(0.975, len(means) - 1) * means.sem() if len(means) > 1 else float("nan")
        costs = some.groupby("seed")[["seconds", "trainable", "flops"]].first().mean()
        rows.append(
            {
                "labels": labels,
                "strategy": name,
                "NDCG@10": f"{means.mean():.4f} ± {half:.4f}",
                "of the ceiling": f"{means.mean() / ceiling:.0%}",
                "moves": f"{costs['trainable']:,.0f}",
                "seconds": f"{costs['seconds']:.0f}",
                "GFLOP": f"{costs['flops'] / 1e9:,.0f}",
            }
        )
    return pd.DataFrame(rows)


if __name__ == "__main__":
    main()
