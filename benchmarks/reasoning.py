"""A thought before the answer, on world-movies: does it help to write what the next item is about?

    python benchmarks/reasoning.py [--seeds 3]

The kit's language model is fine-tuned on the same users with the same steps to answer with the
title alone, with the theme of the next item before it, with a filler as long (the control for equal
tokens), or with themes that were dealt out to other items. Lists are judged in expectation. Writes
data/results/reasoning.csv.gz, one row per run and user; runs that it holds are not repeated. Six
minutes on one core.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import pandas as pd
import torch
from results_file import machine, markdown_table, write_section

from tutorial_lib.data import leave_last_out, load_dataset
from tutorial_lib.data.shipped import clone_commit, ship, shipped
from tutorial_lib.evaluation import compare, expected_metrics
from tutorial_lib.models import load_language_model
from tutorial_lib.strategies import Budget, adapt
from tutorial_workshop.experiments.reasoning import committed, words_with
from tutorial_workshop.experiments.results import to_bytes

COMMAND, TABLE = "python benchmarks/reasoning.py", "results/reasoning.csv.gz"
THOUGHTS = ("none", "filler", "theme", "shuffled")
USERS, LABELS, STEPS, RATE = 200, 128, 80, 5e-4  # the rate is that of strategy "full"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=3)
    seeds = range(parser.parse_args().seeds)
    torch.set_num_threads(1)
    dataset = load_dataset("world-movies")
    split = leave_last_out(dataset)
    rows = np.sort(np.random.default_rng(61).permutation(len(split.users))[:USERS])
    histories = [split.test_history[row] for row in rows]
    chances = dataset.truth.next_item_probabilities(histories)
    themes = np.array([categories[0] for categories in dataset.items["categories"]])
    lm = load_language_model("kit-gpt")
    known = pd.read_csv(shipped(TABLE)) if shipped(TABLE).exists() else pd.DataFrame()
    parts, commit = [known], clone_commit(mark_changes=False)
    budget = Budget(RATE, shortest=STEPS, longest=STEPS)

    def judged(lists: np.ndarray) -> pd.DataFrame:
        found = expected_metrics(lists, chances, 10, users=split.users[rows])[["ndcg@10"]]
        first = themes[lists[:, 0]][:, None] == themes
        return found.assign(theme=(chances * first).sum(axis=1)).round(5).reset_index()

    for seed in seeds:
        for thought in THOUGHTS:
            if len(known) and ((known["thought"] == thought) & (known["seed"] == seed)).any():
                continue
            start = time.process_time()
            words = words_with(thought, dataset, seed)
            model = adapt(lm, split, "full", LABELS, seed, words=words, budget=budget, calibrate=0)
            seconds = round(time.process_time() - start, 1)
            tokens = np.mean([len(lm.target_ids(answer)) for answer in words.answers])
            fixed = {"seed": seed, "tokens": round(float(tokens), 2), "seconds": seconds}
            found = judged(model.recommend(histories, 10)).assign(thought=thought, **fixed)
            parts.append(found.assign(commit=commit))
            if thought == "theme":
                other = judged(committed(model, histories)).assign(thought="theme, committed")
                parts.append(other.assign(**fixed, commit=commit))
            print(f"{thought}, seed {seed}: {found['ndcg@10'].mean():.4f}, {seconds} s", flush=True)
            ship({TABLE: to_bytes(pd.concat(parts, ignore_index=True))}, COMMAND)
    frame = pd.concat(parts, ignore_index=True)
    ship({TABLE: to_bytes(frame)}, COMMAND)
    write_section("reasoning", "A thought before the answer", COMMAND, section(frame))


def section(frame: pd.DataFrame) -> str:
    each = frame.groupby("thought", sort=False)[["ndcg@10", "theme", "tokens", "seconds"]].mean()
    parts = {name: part.set_index(["seed", "user"]) for name, part in frame.groupby("thought")}
    lines = []
    for name in parts:
        if name != "filler":
            test = compare(parts[name], parts["filler"], "ndcg@10")
            low, high = test.ci
            lines.append(f"- {name} minus filler: {test.difference:+.4f} [{low:+.4f}, {high:+.4f}]")
    table = markdown_table(each.round(4).reset_index())
    said = f"{machine()} Seeds: {frame['seed'].nunique()}, users: {frame['user'].nunique()}."
    return "\n\n".join([said, table, "\n".join(lines)])


if __name__ == "__main__":
    main()
