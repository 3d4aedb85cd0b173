"""Cross-domain transfer, cold users and cold items on planted worlds, and paths over a knowledge
graph: data/results/transfer.csv.gz. Each part replaces its own rows.

python benchmarks/transfer.py transfer [--overlaps 1 0.5]    # about 2 minutes an overlap, one core
python benchmarks/transfer.py persons | cold | paths         # 1 to 3 minutes each
python benchmarks/transfer.py real --seeds 3                 # 20 minutes; needs data and MiniLM
python benchmarks/transfer.py real-paths --seeds 3           # 7 minutes; needs ml-100k, -kg
python benchmarks/transfer.py tune                           # prints; changes no file
"""

from __future__ import annotations

import argparse
import itertools
import time
from functools import partial

import numpy as np
import pandas as pd
import torch
from results_file import machine, markdown_table, write_section

from tutorial_lib.data.shipped import clone_commit, ship, shipped
from tutorial_lib.evaluation import expected_metrics
from tutorial_lib.models import EASE, Blend
from tutorial_lib.recommender import top_k
from tutorial_workshop.experiments import transfer
from tutorial_workshop.experiments.cells import labelled_only
from tutorial_workshop.experiments.graph_paths import path_cells
from tutorial_workshop.experiments.results import to_bytes

TABLE = "results/transfer.csv.gz"
KEYS = ["part", "overlap", "labels", "system", "seed"]
PARTS = {
    "cold": transfer.cold_item_cells,
    "paths": path_cells,
    "real-paths": partial(path_cells, name=transfer.REAL_SOURCE, users=400),
}


def rows_of(part: str, overlap: float, labels: int, seed: int, cells) -> list[pd.DataFrame]:
    """The cells of one setting as rows, one for each test user."""
    out = []
    for system, seconds, values in cells:
        frame = values.to_frame() if isinstance(values, pd.Series) else values
        key = dict(zip(KEYS, (part, overlap, labels, system, seed), strict=True))
        frame = frame.round(5).reset_index().assign(**key, seconds=round(seconds, 2))
        out.append(frame)
        print(*key.values(), f"{seconds:.1f} s", frame["ndcg@10"].mean().round(4), flush=True)
    return out


def transfer_rows(overlap: float, seeds: range) -> list[pd.DataFrame]:
    """All systems at one overlap; what no seed changes stands once, with seed 0."""
    target = transfer.Target.at(overlap)
    cells = transfer.prompt_cells(target, dealt=overlap == 1)
    rows = rows_of("transfer", overlap, 0, 0, cells)
    for labels, seed in itertools.product(transfer.LABELS, seeds):
        cells = transfer.transfer_cells(target, labels, seed)
        rows += rows_of("transfer", overlap, labels, seed, cells)
    return rows


def real_rows(name: str, seeds: range) -> list[pd.DataFrame]:
    """From MovieLens-100K to a real catalogue; needs both, and MiniLM."""
    target, rows = transfer.Target.real(name), []
    everybody = sum(len(history) > 1 for history in target.split.train)
    budgets = (*transfer.LABELS[:3], everybody)
    for labels, seed in itertools.product(budgets, seeds):
        cells = transfer.transfer_cells(target, labels, seed)
        rows += rows_of(name, np.nan, labels, seed, cells)
    return rows


def person_rows(overlap: float, seeds: range) -> list[pd.DataFrame]:
    target, rows = transfer.Target.at(overlap), []
    for seed in seeds:
        rows += rows_of("persons", overlap, 0, seed, transfer.person_cells(target, seed))
    return rows


def other_rows(part: str, seeds: range) -> list[pd.DataFrame]:
    """Parts without an overlap."""
    cells = PARTS[part]
    return [row for seed in seeds for row in rows_of(part, np.nan, 0, seed, cells(seed))]


def record(rows: list[pd.DataFrame], command: str) -> pd.DataFrame:
    """Replace the rows of these parts and overlaps in the shipped table."""
    new = pd.concat(rows).assign(commit=clone_commit(mark_changes=False))
    path = shipped(TABLE)
    if path.exists():
        old = pd.read_csv(path)
        done = set(zip(new["part"], new["overlap"].fillna(-1), strict=True))
        kept = [key not in done for key in zip(old["part"], old["overlap"].fillna(-1), strict=True)]
        new = pd.concat([old[kept], new])
    new = new.sort_values([*KEYS, "user"], kind="stable")
    extra = [name for name in new if name not in (*KEYS, "user")]
    ship({TABLE: to_bytes(new[[*KEYS, "user", *extra]])}, command)
    return new


def tune() -> None:
    """EASE's regularisation and its weight beside a text model, by expected NDCG@10 of validation
    users at overlap 1, seed 0.
    """
    target = transfer.Target.at(1.0)
    split, truth = target.split, target.split.dataset.truth.on("valid")
    histories = [split.valid_history[row] for row in target.rows]
    p = truth.next_item_probabilities(histories)

    def ndcg(scores) -> float:
        lists = top_k(np.asarray(scores), 10, exclude=histories)
        return float(expected_metrics(lists, p, k=10)["ndcg@10"].mean())

    for labels in transfer.LABELS[1:]:
        known = labelled_only(split, labels, 0)
        found = {x: ndcg(EASE(x).fit(known).score(histories)) for x in (10, 30, 50, 100, 200, 400)}
        print(f"EASE, {labels} labels:", {x: round(value, 4) for x, value in found.items()})
        ease = EASE(transfer.REGULARISATION[labels]).fit(known)
        model = transfer.TextRecommender(
            transfer.encoder(), transfer.source_model(0), plan=transfer.SHORT, **transfer.SHAPE
        ).fit(known)
        for weight, power in itertools.product((0.3, 0.5, 0.7), (1.0, 2.0)):
            blend = Blend(model, ease, weight, power).choose(known)
            print(f"  mix {weight}, {power}: {ndcg(blend.score(histories)):.4f}", flush=True)


def summary(table: pd.DataFrame) -> str:
    """Means over users and seeds, as Markdown."""
    part = table[table["part"] == "transfer"]
    means = part.pivot_table("ndcg@10", ["labels", "system"], "overlap").round(4).reset_index()
    cold = table[table["part"] == "cold"].groupby("system")
    cold = cold[["ndcg@10", "among new", "share of new"]].mean().round(4).reset_index()
    persons = table[table["part"] == "persons"]
    persons = persons.pivot_table("ndcg@10", "system", "overlap").round(4).reset_index()
    seconds = table.drop_duplicates(KEYS)["seconds"].sum()
    text = f"{machine()} {seconds / 60:.0f} processor minutes. Expected NDCG@10, mean of users and"
    text += " seeds.\n\nTransfer, by overlap:\n\n" + markdown_table(means)
    text += "\n\nCold users, by overlap:\n\n" + markdown_table(persons)
    text += "\n\nCold items:\n\n" + markdown_table(cold)
    real = table[table["part"].isin(transfer.REAL_TARGETS)]
    if len(real):
        real = real.pivot_table("ndcg@10", ["part", "system"], "labels").round(4).reset_index()
        text += "\n\nFrom MovieLens-100K, realised NDCG@10, by labels:\n\n" + markdown_table(real)
    paths = table[table["part"].isin(["paths", "real-paths"])].groupby(["part", "system"])
    columns = ["recall@10", "ndcg@10", "hop 1", "hop 2", "hop 3", "nowhere", "reachable"]
    paths = paths[columns].mean().round(4).reset_index()
    return text + "\n\nPaths over the graph:\n\n" + markdown_table(paths)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=("transfer", "persons", *PARTS, "real", "tune"))
    parser.add_argument("--overlaps", type=float, nargs="+", default=transfer.OVERLAPS)
    parser.add_argument("--targets", nargs="+", default=list(transfer.REAL_TARGETS))
    parser.add_argument("--seeds", type=int, default=5)
    given = parser.parse_args()
    torch.set_num_threads(1)
    start, seeds = time.process_time(), range(given.seeds)
    if given.part == "tune":
        tune()
        return
    command = f"python benchmarks/transfer.py {given.part}"
    if given.part == "real":
        for name in given.targets:
            table = record(real_rows(name, seeds), command)
    elif given.part in PARTS:
        table = record(other_rows(given.part, seeds), command)
    else:
        make = transfer_rows if given.part == "transfer" else person_rows
        for overlap in given.overlaps:
            table = record(make(overlap, seeds), command)
    if set(table["part"]) >= {"transfer", "persons", "cold"}:
        write_section("transfer", "Transfer, cold start and paths", command, summary(table))
    print(f"{time.process_time() - start:.0f} processor seconds")


if __name__ == "__main__":
    main()
