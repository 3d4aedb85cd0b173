"""The grid of notebooks 03, 04, 06 and 07: strategies and baselines over label budgets and seeds.

    python benchmarks/grid.py [--folder runs/grid] [--part movies others products once ...]
    python benchmarks/grid.py [--folder runs/grid] [--part ...] --write

On two planted worlds and, if asked for, on MovieLens-100K. The first runs what is neither in the
folder nor in data/results/grid.csv.gz, most wanted first; kill it whenever you like, it goes on
where it stood. The second ships what is there as data/results/grid.csv.gz, also in the middle of a
run.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from itertools import chain
from operator import attrgetter
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from results_file import machine, markdown_table, write_section

from tutorial_lib.data.shipped import ship
from tutorial_lib.errors import InputError
from tutorial_workshop.experiments import (
    BASELINES,
    Cell,
    Results,
    cells_of,
    load_results,
    run_grid,
    to_frame,
)
from tutorial_workshop.experiments.fingerprints import fingerprint
from tutorial_workshop.experiments.results import CELL, to_bytes

FEW, MANY, EVERY = (0, 16, 64, 256), (1000,), (0, 16, 64, 256, "all")
# what notebook 06 declares tests of, beside `QUICK`
FAMILIES = ("full", "soft-prompt", "prefix", "prompt-and-lm", "full-words", "multi-task")
QUICK = (*BASELINES, "pre-train-only", "zero-shot", "item-bias")
OTHERS = ("head", "adapters", "lora", "from-scratch", "top-layers")
ONCE = ("few-shot", "p-tuning", "instruct")
ASKED = 200  # users whose likes a real model is asked about in words
SEARCHED = ("auto-prompt", "pap-rec")


def world(name: str, strategies: Sequence[str], budgets=FEW, seeds: int = 5) -> list[Cell]:
    return cells_of(name, "kit-gpt", strategies, budgets, range(seeds))


def real(task: str, users: int, strategies: Sequence[str], budgets) -> list[Cell]:
    return cells_of("ml-100k", "minilm", strategies, budgets, users=users, task=task)


def movies() -> list[list[Cell]]:
    name = "world-movies"
    return [world(name, QUICK, FEW + MANY), world(name, FAMILIES), world(name, FAMILIES, MANY)]


def others() -> list[list[Cell]]:
    return [world("world-movies", OTHERS), world("world-movies", OTHERS, MANY)]


def products() -> list[list[Cell]]:
    names = (*QUICK, *FAMILIES)
    return [world("world-products", names, budgets, 3) for budgets in (FEW, MANY)]


def once() -> list[list[Cell]]:
    return [world("world-movies", names, [64], 3) for names in (ONCE, SEARCHED)]


def likes() -> list[list[Cell]]:
    names = ("random", "popularity", "ease", "pre-train-only", "head")
    tuned = ("full", "lora", "top-layers")
    return [real("like", 900, names, EVERY), real("like", 900, tuned, [64])]


def real_next() -> list[list[Cell]]:
    light = ("random", "popularity", "transition-knn", "ease", "pre-train-only")
    return [real("next", 300, light, EVERY), real("next", 300, ["head"], [16, 64])]


def likes_in_words() -> list[list[Cell]]:
    """Beside the counters of `likes`, on some of the same users."""
    made = partial(cells_of, "ml-100k", "smollm2", users=ASKED, task="like")
    light = made(("zero-shot", "head"), (0, 16, 64, 256))
    return [light, *(made(("lora-words", "soft-prompt"), (n,)) for n in (64, 16, 256))]


# the cells of each part, most wanted first; the last three need MovieLens-100K and a real model
PARTS = {"movies": movies, "others": others, "products": products, "once": once}
PARTS |= {"like": likes, "next": real_next, "words": likes_in_words}


def recorded() -> pd.DataFrame | None:
    """What the shipped table holds; None where there is none yet, or one from before."""
    try:
        return load_results()
    except InputError as error:
        print(error)
        return None


def joined(folder: Path, cells: list[Cell]) -> pd.DataFrame:
    """The finished cells of a folder, and what the shipped table holds beside them; of ``cells``
    only those that were made from the model, data and settings of today.
    """
    stamps = {cell: fingerprint(cell) for cell in cells}
    found = {
        cell: result
        for cell, result in Results(folder).read(cells).items()
        if result["fingerprint"] == stamps[cell]
    }
    frame, old = to_frame(found.values()), recorded()
    if old is None:
        return frame
    key = attrgetter(*CELL)
    today = {key(cell): " ".join(stamp.values()) for cell, stamp in stamps.items()}
    keys = list(old[CELL].itertuples(index=False, name=None))
    current = [
        today.get(one, made) == made for one, made in zip(keys, old["fingerprint"], strict=True)
    ]
    new = {key(cell) for cell in found}
    kept = old[np.array(current) & [one not in new for one in keys]]
    return pd.concat([frame, kept], ignore_index=True)


def write(folder: Path, cells: list[Cell]) -> None:
    """Ship what is `joined`, and say what it cost."""
    frame = joined(folder, cells)
    ship({"results/grid.csv.gz": to_bytes(frame)}, "python benchmarks/grid.py --write")
    aggregates = {"seconds": "first", "score_seconds": "first", "user": "size"}
    aggregates |= {"ndcg@10": "mean", "auc": "mean"}
    by = ["task", "dataset", "strategy", "labels"]
    each = frame.groupby([*by, "seed"]).agg(aggregates)
    seconds = each["seconds"] + each["score_seconds"] * each["user"]
    hours = seconds.groupby(["task", "dataset"]).sum() / 3600
    value = each["ndcg@10"].fillna(each["auc"]).groupby(by).agg(["mean", "count"])
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
    parser.add_argument("--folder", type=Path, default=Path("runs/grid"))
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--part", choices=list(PARTS), nargs="+", default=list(PARTS)[:4])
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    pd.set_option("display.width", 200)
    cells = list(dict.fromkeys(chain(*chain(*(PARTS[name]() for name in args.part)))))
    if args.write:
        return write(args.folder, cells)
    tell = partial(print, flush=True)
    run_grid(cells, args.folder, jobs=args.jobs, recorded=recorded(), tell=tell)


if __name__ == "__main__":
    main()
