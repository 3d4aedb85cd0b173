"""Quality of the item Transformers on MovieLens-100K, and as a share of a planted world's ceiling.

    python benchmarks/sequence_models.py ml-100k [--seeds 5]
    python benchmarks/sequence_models.py world [--seeds 3]
    python benchmarks/sequence_models.py defaults [--seeds 1]
    python benchmarks/sequence_models.py --write

ml-100k needs the original files under $TUTORIAL_DATA; defaults is what a call without arguments
gives there; --write puts tables into RESULTS.md and data/results from what was run.

Protocol: leave-last-out, ties in time in stable file order, seen items filtered, full ranking.
Settings were chosen on validation targets; for MovieLens (5-core) models are then fitted once more
on training + validation items, and the test targets are looked at once.

Every fitted model is kept under runs/sequence/, so a run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import time
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from results_file import machine, markdown_table, write_section
from tutorial_recipes.worlds import make_world

from tutorial_lib.data import leave_last_out, load_dataset
from tutorial_lib.data.shipped import clone_commit, ship, write_whole
from tutorial_lib.evaluation import evaluate, mean_interval
from tutorial_lib.models import (
    EASE,
    Average,
    Blend,
    Oracle,
    Popularity,
    SequenceRecommender,
    TransitionKNN,
)
from tutorial_lib.objectives import Autoregressive, Masked

RUNS = Path("runs/sequence")
ML = {  # chosen on validation; for "masked" these are the defaults, written out
    "causal": lambda: SequenceRecommender("autoregressive", epochs=30, dropout=0.4),
    "masked": lambda: SequenceRecommender(Masked(ratio=0.2, last=0.5), epochs=40, dropout=0.1),
}
CALLS = (
    'Calls: causal, `SequenceRecommender("autoregressive", epochs=30, dropout=0.4)`; masked,'
    ' `SequenceRecommender("masked")`, whose defaults these settings are. Rows on valid:'
    " `.fit(split)`; rows on test: `.fit(split.merge_validation())`."
)
DEFAULTS, FIRST_SEED = ("autoregressive", "masked"), 3
# users: epochs, dropout
WORLD = {2_000: (60, 0.3), 5_000: (40, 0.2), 10_000: (25, 0.15), 20_000: (15, 0.1)}
FIRST_ORDER = {"window": 1, "reverse": 0, "last": 1, "source_power": 0, "target_power": 0}


def fitted(name: str, seed: int, make, split) -> tuple[SequenceRecommender, dict]:
    """The model of that name and seed, loaded if it was fitted before, and what was recorded."""
    folder = RUNS / f"{name}-{seed}"
    path = folder / "recorded.json"
    if not path.exists():
        started, commit = time.perf_counter(), clone_commit(mark_changes=False)
        model = make().fit(split, seed=seed)
        model.save(folder)
        seconds = round(time.perf_counter() - started, 1)
        recorded = {"seconds": seconds, "commit": commit, "epochs": len(model.history)}
        write_whole(path, json.dumps(recorded).encode())
    return SequenceRecommender.load(folder), json.loads(path.read_text())


def row(dataset: str, model: str, seed: int, frame: pd.DataFrame, on: str, **recorded) -> dict:
    """The means of one evaluation, and what was recorded of the fit."""
    about = {"dataset": dataset, "model": model, "seed": seed, "on": on, "users": len(frame)}
    means = {"hit@10": frame["hit@10"].mean(), "ndcg@10": frame["ndcg@10"].mean()}
    return about | means | recorded


def keep(name: str, rows: list[dict]) -> None:
    write_whole(RUNS / f"{name}.json", json.dumps(rows, indent=1).encode())
    print(pd.DataFrame(rows).to_string(), flush=True)


def ml_100k(seeds: int) -> None:
    split = leave_last_out(load_dataset("ml-100k", download=False).k_core(5))
    refit = split.merge_validation()
    rows, curves = [], []
    for name, make in ML.items():
        model, recorded = fitted(f"ml-100k-{name}-valid", 0, make, split)
        frame = evaluate(model, split, k=10, on="valid")
        rows.append(row("ml-100k", name, 0, frame, "valid", **recorded))
        about = {"dataset": "ml-100k", "model": name, "seed": 0}
        curves += [
            about | {"epoch": epoch.number, "seconds": epoch.seconds, "ndcg@10": epoch.ndcg}
            for epoch in model.history
            if epoch.ndcg is not None
        ]
        if name == "causal":
            chosen = Blend(model, TransitionKNN().fit(split)).choose(split)
            how = {"weight": chosen.chosen_weight, "power": chosen.chosen_power}
            frame = evaluate(chosen, split, k=10, on="valid")
            rows.append(row("ml-100k", "causal + TransitionKNN", 0, frame, "valid"))
            print(f"blend chosen on validation: {how}", flush=True)
    transitions = TransitionKNN().fit(refit)
    rows.append(row("ml-100k", "TransitionKNN", 0, evaluate(transitions, refit, k=10), "test"))

    def blended(model):
        return Blend(model, transitions, *how.values()).choose(refit)

    refitted = []
    for name, make in ML.items():
        for seed in range(seeds):
            model, recorded = fitted(f"ml-100k-{name}-refit", seed, make, refit)
            frame = evaluate(model, refit, k=10)
            rows.append(row("ml-100k", name, seed, frame, "test", **recorded))
            if name == "causal":
                refitted.append(model)
                frame = evaluate(blended(model), refit, k=10)
                mixed = "causal + TransitionKNN"
                rows.append(row("ml-100k", mixed, seed, frame, "test", **recorded))
        keep("ml-100k", rows)
    average = Average(refitted)
    best = {
        "mean of causal models": average,
        "mean of causal models + TransitionKNN": blended(average),
    }
    for name, model in best.items():
        frame = evaluate(model, refit, k=10)
        rows.append(row("ml-100k", name, 0, frame, "test"))
        print(name, mean_interval(frame, "hit@10"), mean_interval(frame, "ndcg@10"), flush=True)
    keep("ml-100k", rows)
    keep("ml-100k-curves", curves)


def defaults(seeds: int) -> None:
    """`SequenceRecommender(name).fit(split, seed=...)` and nothing else.

    On the split as it is, and on training + validation items.
    """
    split = leave_last_out(load_dataset("ml-100k", download=False).k_core(5))
    parts = {"split": split, "split.merge_validation()": split.merge_validation()}
    rows = []
    for name, (fit_on, part) in product(DEFAULTS, parts.items()):
        for seed in range(FIRST_SEED, FIRST_SEED + seeds):
            make = partial(SequenceRecommender, name)
            model, recorded = fitted(f"defaults-{name}-{fit_on}", seed, make, part)
            call = {"call": f'SequenceRecommender("{name}").fit({fit_on})'}
            frame = evaluate(model, part, k=10)
            rows.append(call | row("ml-100k", name, seed, frame, "test", **recorded))
            keep("defaults", rows)


def world(seeds: int) -> None:
    rows = []
    for users, (epochs, dropout) in WORLD.items():
        ds = load_dataset("world-movies") if users == 2_000 else make_world("movies", n_users=users)
        split = leave_last_out(ds)
        oracle = Oracle().fit(split)
        ceiling = evaluate(oracle, split, k=10)["ndcg@10"].mean()

        def add(name, seed, model, split=split, ceiling=ceiling, **recorded):
            frame = evaluate(model, split, k=10)
            share = frame["ndcg@10"].mean() / ceiling
            rows.append(row("world-movies", name, seed, frame, "test", share=share, **recorded))

        add("Oracle", 0, oracle)
        chain = TransitionKNN(**FIRST_ORDER).fit(split)
        for name, model in (("Popularity", Popularity()), ("EASE", EASE()), ("chain", chain)):
            add(name, 0, model.fit(split))
        settings = {"epochs": epochs, "dropout": dropout, "evaluate_every": epochs}
        make = partial(SequenceRecommender, Autoregressive(segments=6), **settings)
        for seed in range(seeds if users == 2_000 else 1):
            model, recorded = fitted(f"world-{users}", seed, make, split)
            mixed = Blend(model, chain).choose(split)
            add("causal", seed, model, **recorded)
            add("causal + chain", seed, mixed, **recorded)
            how = f"weight {mixed.chosen_weight}, power {mixed.chosen_power}"
            print(users, seed, how, flush=True)
        keep("world", rows)


def summary(rows: pd.DataFrame, by: list[str], values: list[str]) -> pd.DataFrame:
    """Mean, and the 95 % t interval over seeds where there are several."""
    from scipy.stats import t

    def text(column: pd.Series) -> str:
        if len(column) < 2:
            return f"{column.mean():.4f}"
        half = t.ppf(0.975, len(column) - 1) * column.std(ddof=1) / np.sqrt(len(column))
        return f"{column.mean():.4f} ± {half:.4f}"

    groups = rows.groupby(by, sort=False)
    table = groups[values].agg(text)
    table["seeds"] = groups.size()
    table["s a model"] = groups["seconds"].mean().round(0)
    return table.reset_index()


def write() -> None:
    parts = {
        name: pd.DataFrame(json.loads((RUNS / f"{name}.json").read_text()))
        for name in ("ml-100k", "world", "ml-100k-curves")
    }
    table = pd.concat([parts["ml-100k"], parts["world"]])
    files = {"sequence": table, "sequence-curves": parts["ml-100k-curves"]}
    for name, frame in files.items():
        content = frame.to_csv(index=False, compression=None, float_format="%.6f").encode()
        ship({f"results/{name}.csv": content}, "python benchmarks/sequence_models.py --write")
    ml = summary(parts["ml-100k"], ["model", "on"], ["hit@10", "ndcg@10"])
    worlds = summary(parts["world"], ["users", "model"], ["ndcg@10", "share"])
    note = (
        "± is half the 95 % t interval over seeds."
        f" {machine()} torch {torch.__version__}, one thread."
    )
    script = "python benchmarks/sequence_models.py"
    command = f"{script} ml-100k; {script} world; the same with --write"
    protocol = __doc__.split("Protocol: ")[1].split("\n\n")[0]
    body = f"{protocol} {CALLS} {note}\n\n{markdown_table(ml)}"
    write_section("sequence-ml-100k", "Item Transformers on MovieLens-100K", command, body)
    write_defaults()
    share = "Share: of the exact Bayes ceiling's NDCG@10 on the same users."
    body = f"{share} {note}\n\n{markdown_table(worlds)}"
    title = "Item Transformers and the ceiling of world-movies"
    write_section("sequence-world", title, command, body)


def write_defaults() -> None:
    """The section on calls without arguments."""
    rows = pd.DataFrame(json.loads((RUNS / "defaults.json").read_text())).dropna(axis=1)
    table = rows[["call", "seed", "epochs", "hit@10", "ndcg@10", "seconds"]]
    table = table.round({"hit@10": 4, "ndcg@10": 4, "seconds": 0})
    body = (
        "What a call without further arguments gives: leave-last-out, 5-core, seen items filtered,"
        " full ranking, test targets."
        f" {machine()} torch {torch.__version__}, one thread, other jobs beside."
        f"\n\n{markdown_table(table)}"
    )
    command = "python benchmarks/sequence_models.py defaults --write"
    title = "Item Transformers by default on MovieLens-100K"
    write_section("sequence-defaults", title, command, body)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("part", nargs="?", choices=("ml-100k", "world", "defaults"))
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.part == "ml-100k":
        ml_100k(given.seeds or 5)
    elif given.part == "world":
        world(given.seeds or 3)
    elif given.part == "defaults":
        defaults(given.seeds or 1)
    if given.write:
        write_defaults() if given.part == "defaults" else write()


if __name__ == "__main__":
    main()
