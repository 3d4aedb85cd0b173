"""Ranking and writing by the same models for the same users: the recorded results of notebook 07.

    python benchmarks/explanations.py [--seeds 0 1 2] [--users 40]

One row per test user, model and seed. Test users are those who reviewed their test item; every seed
draws its own test users and its own labelled users. A model ranks the catalogue for the user, and
writes an explanation of the test item, asked with the rating and the feature of the user's own
review, which is the reference. A run that is stopped goes on where it was: finished (seed, model)
cells are kept.
"""

from __future__ import annotations

import argparse
import time

import pandas as pd

from tutorial_lib.data import leave_last_out, load_dataset
from tutorial_lib.data.shipped import clone_commit, ship, shipped
from tutorial_lib.evaluation import evaluate
from tutorial_lib.language.explanations import explanation_cases
from tutorial_lib.models.generation import write_texts
from tutorial_lib.models.pretrained import load_language_model
from tutorial_lib.strategies import Budget, adapt

FILE = "results/explanations.csv"
MODELS = {  # name -> (language model, strategy, labelled users, options)
    "kit-gpt": ("kit-gpt", "zero-shot", 0, {}),
    "kit-gpt, P5": ("kit-gpt", "multi-task", 64, {}),
    "kit-gpt, P5 explanations": (
        "kit-gpt",
        "multi-task",
        64,
        {"families": ("sequential", "explanation")},
    ),
    "kit-gpt, full": ("kit-gpt", "full", 64, {}),
    "kit-t5": ("kit-t5", "zero-shot", 0, {}),
}


def cell(split, seed: int, name: str, users: int) -> pd.DataFrame:
    source, strategy, labels, options = MODELS[name]
    cases, tested = explanation_cases(split, users, seed=seed)
    options = {**options, "budget": Budget(1e-3, longest=50) if strategy == "multi-task" else None}
    start = time.perf_counter()
    lm = load_language_model(source)
    model = adapt(lm, split, strategy, labels=labels, seed=seed, **options)
    ranked = evaluate(model, tested, k=10)["ndcg@10"]
    texts = write_texts(model.lm, cases["prompt"].tolist())
    frame = cases.drop(columns="prompt")
    frame = frame.assign(model=name, seed=seed, labels=labels, hypothesis=texts)
    frame["ndcg@10"] = ranked.reindex(cases.index).round(6)
    return frame.assign(seconds=round(time.perf_counter() - start, 1)).reset_index()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--users", type=int, default=40)
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS))
    chosen = parser.parse_args()
    split, path = leave_last_out(load_dataset("world-movies")), shipped(FILE)
    done = pd.read_csv(path) if path.is_file() else pd.DataFrame({"seed": [], "model": []})
    commit = clone_commit(mark_changes=False)
    for seed in chosen.seeds:
        for name in chosen.models:
            if ((done["seed"] == seed) & (done["model"] == name)).any():
                continue
            frame = cell(split, seed, name, chosen.users).assign(commit=commit)
            done = pd.concat([done, frame]) if len(done) else frame
            ship({FILE: done.to_csv(index=False).encode()}, "python benchmarks/explanations.py")
            ndcg, seconds = frame["ndcg@10"].mean(), frame["seconds"].iloc[0]
            print(f"seed {seed} {name}: NDCG@10 {ndcg:.4f}, {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()
