"""The kit's causal model in three sizes: what it knows before it is tuned, what labelled users add,
and from which size on a gradient finds prompt words with fewer calls than chance does.

    tutorial pretrain kit-gpt --width 64 --out runs/kit-gpt-64      # 20 minutes of one core
    tutorial pretrain kit-gpt --width 256 --out runs/kit-gpt-256    # 50 minutes
    python benchmarks/scale.py [--parts labels opponents scores] [--widths 64 128 256] [--seeds ...]
    python benchmarks/scale.py --write

All sizes read the same texts once; rates of pre-training and tuning are inversely proportional to
the width (arXiv 2203.03466, table 3), from those that were chosen for width 128. A part, width and
seed that is in ``runs/scale`` is not run again. `opponents` and `scores` are those of
automatic_prompts.py.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import torch
from automatic_prompts import Bench, opponents, scores
from results_file import machine, markdown_table, write_section

from tutorial_lib.data.shipped import clone_commit, ship
from tutorial_lib.evaluation import evaluate
from tutorial_lib.models import Oracle
from tutorial_lib.strategies import STRATEGIES, adapt
from tutorial_workshop.experiments import split_of
from tutorial_workshop.experiments.results import to_bytes

ROOT = Path(__file__).resolve().parents[1]
RUNS, TABLE = ROOT / "runs" / "scale", "results/scale.csv.gz"
SHIPPED, USERS = 128, 300
MODELS = {width: str(ROOT / "runs" / f"kit-gpt-{width}") for width in (64, 256)}
MODELS[SHIPPED] = "kit-gpt"
CELLS = [("pre-train-only", 0), ("zero-shot", 0), *(("full", n) for n in (16, 64, 256))]


def labels(b: Bench) -> None:
    """Expected NDCG@10 of the model untuned, prompted, and tuned on a number of users."""
    split = split_of("world-movies").sample_targets(USERS)
    width = b.lm.model.config.hidden_size
    fitted = {("ceiling", 0): lambda: Oracle().fit(split)}
    for name, n in CELLS:
        own = STRATEGIES[name].budget
        rate = own and replace(own, learning_rate=own.learning_rate * SHIPPED / width)
        given = {"labels": n, "seed": b.seed, "budget": rate}
        fitted[name, n] = lambda name=name, given=given: adapt(b.lm, split, name, **given)
    for (name, n), fit in fitted.items():
        if n or b.seed == 0:  # no seed changes what is not tuned
            values = evaluate(fit(), split, k=10, expected=True)["ndcg@10"]
            b.keep(name, "ndcg@10", values, values.index, calls=n)


PARTS = {"labels": labels, "opponents": opponents, "scores": scores}


def write() -> None:
    """All parts as one table, and the means."""
    found = pd.concat(pd.read_csv(path) for path in sorted(RUNS.glob("*.csv")))
    found = found.sort_values(["part", "width", "seed"], kind="stable")
    columns = "part width parameters seed name setting metric calls user value seconds commit"
    found = found.reindex(columns=columns.split())
    ship({TABLE: to_bytes(found)}, "python benchmarks/scale.py")
    keys = ["part", "name", "setting", "calls", "metric"]
    last = found[(found["metric"] != "objective") | (found["calls"] > 0)]
    means = last.fillna({"setting": "", "calls": 0}).pivot_table("value", keys, "parameters")
    took = found.groupby(["part", "width", "seed"])["seconds"].max().sum() / 60
    body = f"{machine()} {took:.0f} processor minutes, without pre-training.\n\n"
    main_rows = means.drop("objective", level="metric").round(4).reset_index()
    write_section(
        "scale",
        "One model in several sizes",
        "python benchmarks/scale.py --write",
        body + markdown_table(main_rows),
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=list(PARTS))
    parser.add_argument("--widths", nargs="+", type=int, default=sorted(MODELS), choices=MODELS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--write", action="store_true", help="ship what has been run")
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.write:
        return write()
    RUNS.mkdir(parents=True, exist_ok=True)
    commit = clone_commit(mark_changes=False)
    wanted = [(p, s, w) for p in given.parts for s in given.seeds for w in given.widths]
    for part, seed, width in wanted:
        path = RUNS / f"{part}-{width}-{seed}.csv"
        if path.exists():
            continue
        bench = Bench(seed, MODELS[width])
        PARTS[part](bench)
        size = sum(parameter.numel() for parameter in bench.lm.model.parameters())
        fixed = {"part": part, "width": width, "parameters": size, "commit": commit}
        pd.DataFrame(bench.rows).assign(**fixed).to_csv(path, index=False)
        print(path.stem, f"{time.process_time() - bench.start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
