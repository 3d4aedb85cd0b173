"""How fast and how long each strategy tunes: chosen on validation, before the grid is run.

    python benchmarks/tuning.py

On world-movies, seed 100, which the grid does not use: rates and numbers of steps by expected
NDCG@10 of 100 validation users. Writes data/results/tuning.csv; runs that it holds are not
repeated. What was chosen stands in tutorial_lib/strategies/strategies.yaml.
"""

from __future__ import annotations

import argparse
import io
import time

import pandas as pd
import torch

from tutorial_lib.data.shipped import clone_commit, ship, shipped
from tutorial_lib.evaluation import evaluate
from tutorial_lib.strategies import STRATEGIES, Budget, adapt
from tutorial_workshop.experiments import language_model, split_of

DATASET, LM, SEED, USERS = "world-movies", "kit-gpt", 100, 100
TABLE = "results/tuning.csv"
RUN = ["strategy", "labels", "learning_rate", "steps"]
COLUMNS = [*RUN, "size", "seed", "users", "ndcg@10", "loss", "seconds", "commit"]
UNTUNED = ("zero-shot", "pre-train-only")
# (strategy, labels, steps): rates that are tried
RUNS = {
    ("full", 64, 96): (1e-4, 5e-4, 1e-3),
    ("full", 64, 48): (5e-4, 1e-3),
    ("full", 1000, 256): (5e-4, 1e-3),
    ("full-words", 64, 96): (5e-4,),
    ("soft-prompt", 64, 96): (1e-3, 3e-3, 1e-2, 3e-2, 1e-1),
    ("prefix", 64, 96): (1e-3, 3e-3, 1e-2),
    ("multi-task", 64, 96): (1e-3, 5e-4),
    ("prompt-and-lm", 64, 96): (5e-4,),
    ("full", 16, 24): (5e-4, 1e-3),
    ("soft-prompt", 1000, 256): (1e-3,),
    ("prefix", 1000, 256): (1e-2,),
    ("adapters", 64, 96): (1e-3, 3e-3, 1e-2),
    ("head", 64, 200): (3e-3, 1e-2),
    ("head", 1000, 800): (3e-3, 1e-2),
    ("lora", 64, 96): (1e-3, 3e-3, 1e-2),
    ("top-layers", 64, 96): (1e-3, 3e-3),
    ("from-scratch", 64, 192): (1e-3, 3e-3),
    ("adapters", 1000, 256): (3e-3,),
    ("full", 1000, 512): (1e-3, 5e-4),
    ("multi-task", 1000, 256): (5e-4,),
    ("full", 1000, 1024): (1e-3, 5e-4),
    ("p-tuning", 64, 96): (1e-3, 5e-3, 2e-2),
    ("instruct", 64, 96): (1e-3, 5e-4),
}


def runs() -> list[tuple]:
    """(strategy, labels, rate, steps); what tunes nothing stands first, to compare with."""
    return [(name, 0, 0.0, 0) for name in UNTUNED] + [
        (name, labels, rate, steps)
        for (name, labels, steps), rates in RUNS.items()
        for rate in rates
    ]


def measured(strategy: str, labels: int, rate: float, steps: int) -> dict:
    """One run, as a row of the table."""
    split = split_of(DATASET)
    own = STRATEGIES[strategy].budget
    budget = own and Budget(
        rate,
        shortest=steps,
        longest=steps,
        size=own.size,
        weight_decay=own.weight_decay,
    )
    lm = language_model(LM)
    start = time.process_time()
    fitted = adapt(lm, split, strategy, labels=labels, seed=SEED, budget=budget)
    seconds = time.process_time() - start
    asked = split.sample_targets(USERS, seed=SEED)
    values = evaluate(fitted, asked, k=10, on="valid", expected=True)["ndcg@10"]
    row = dict(zip(RUN, (strategy, labels, rate, steps), strict=True))
    last = fitted.losses[-max(1, steps // 5) :]
    row |= {"size": budget.size if budget else 0, "seed": SEED, "users": USERS}
    row |= {"ndcg@10": round(values.mean(), 5), "seconds": round(seconds, 1)}
    row |= {"loss": round(sum(last) / len(last), 4) if last else None}
    return row | {"commit": clone_commit(mark_changes=False)}


def main() -> None:
    argparse.ArgumentParser(description=__doc__.split("\n")[0]).parse_args()
    torch.set_num_threads(1)
    path = shipped(TABLE)
    frame = pd.read_csv(path) if path.exists() else pd.DataFrame(columns=COLUMNS)
    done = set(frame[RUN].itertuples(index=False, name=None))
    for run in [run for run in runs() if run not in done]:
        row = measured(*run)
        print(row, flush=True)
        frame = pd.concat([frame, pd.DataFrame([row], columns=COLUMNS)], ignore_index=True)
        content = io.BytesIO()
        frame.to_csv(content, index=False, lineterminator="\n")
        ship({TABLE: content.getvalue()}, "python benchmarks/tuning.py")


if __name__ == "__main__":
    main()
