"""The grid of notebook 06: strategies and baselines over label budgets and seeds.

    python benchmarks/grid.py --folder FOLDER [--jobs 2] [--part world|next|like]
    python benchmarks/grid.py --folder FOLDER --write

On a planted world and on MovieLens-100K. The first runs what is missing in the folder, the second
ships what is there as data/results/grid.csv.gz. A part that is killed goes on where it stood.
Baselines and cheap strategies have five seeds at every budget; slow ones have fewer, and
``--write`` says how many hours all of it took.
"""

from __future__ import annotations

import argparse
from functools import partial
from itertools import chain
from pathlib import Path

import pandas as pd
import torch
from results_file import machine, markdown_table, write_section

from tutorial_lib.data.shipped import ship
from tutorial_workshop.experiments import BASELINES, Cell, Results, cells_of, run_grid, to_frame
from tutorial_workshop.experiments.results import to_bytes

EVERY, SEEDS = (0, 8, 16, 64, 256, "all"), (0, 1, 2, 3, 4)
QUICK = ("pre-train-only", "zero-shot", "head", "item-bias")
MAIN = ("full", "multi-task", "soft-prompt", "prompt-and-lm")
OTHERS = ("from-scratch", "top-layers", "adapters", "lora", "prefix")


def world(*more) -> list[Cell]:
    return cells_of("world-movies", "kit-gpt", *more, users=60)


def real(task: str, users: int, *more) -> list[Cell]:
    return cells_of("ml-100k", "minilm", *more, users=users, task=task)


def parts() -> dict[str, list[list[Cell]]]:
    """The cells of each part, most wanted first."""
    light = ("random", "popularity", "transition-knn", "ease", "pre-train-only")
    liked = ("random", "popularity", "ease", "pre-train-only", "head")
    return {
        "world": [
            world((*BASELINES, *QUICK), EVERY, SEEDS),
            world((*MAIN, *OTHERS), EVERY[:-1], [0]),
            world(MAIN, ["all"], [0]),
            world(MAIN, (16, 64, 256), SEEDS[1:]),
            world(MAIN, (8, "all"), SEEDS[1:]),
            world(OTHERS, EVERY[1:], SEEDS),
        ],
        "like": [
            real("like", 900, liked, EVERY, SEEDS),
            real("like", 900, ("full", "lora", "top-layers"), [64], SEEDS),
        ],
        "next": [
            real("next", 200, light, EVERY, SEEDS),
            real("next", 200, ["head"], [16, 64], SEEDS),
            real("next", 200, ["item-transformer"], [64, "all"], SEEDS),
        ],
    }


def write(folder: Path) -> None:
    """Join the finished cells of all parts, ship them, and say what they cost."""
    found = [
        Results(folder / name).read(dict.fromkeys(chain(*groups))).values()
        for name, groups in parts().items()
    ]
    frame = to_frame(chain(*found))
    ship({"results/grid.csv.gz": to_bytes(frame)}, "python benchmarks/grid.py --write")
    aggregates = {"seconds": "first", "score_seconds": "first", "user": "size"}
    aggregates |= {"ndcg@10": "mean", "auc": "mean"}
    by = ["task", "dataset", "strategy", "labels"]
    cells = frame.groupby([*by, "seed"]).agg(aggregates)
    seconds = cells["seconds"] + cells["score_seconds"] * cells["user"]
    hours = seconds.groupby(["task", "dataset"]).sum() / 3600
    value = cells["ndcg@10"].fillna(cells["auc"]).groupby(by).agg(["mean", "count"])
    table = value["mean"].map("{:.3f}".format) + " (" + value["count"].astype(str) + ")"
    table = table.unstack("labels").fillna("").reset_index()
    costs = "; ".join(
        f"{dataset}, task {task}: {spent:.1f} hours of one busy core"
        for (task, dataset), spent in hours.items()
    )
    body = (
        f"{machine()}\n\n"
        f"Mean of NDCG@10 (task next) or AUC (task like), and number of seeds. {costs}."
        f"\n\n{markdown_table(table)}"
    )
    command = "python benchmarks/grid.py --write"
    write_section("grid", "Grid of strategies and label budgets", command, body)
    print(body)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--part", choices=("world", "next", "like"))
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    pd.set_option("display.width", 200)
    if args.write:
        return write(args.folder)
    for name, groups in parts().items():
        if args.part in (None, name):
            cells = list(chain(*groups))
            run_grid(cells, args.folder / name, jobs=args.jobs, tell=partial(print, flush=True))


if __name__ == "__main__":
    main()
