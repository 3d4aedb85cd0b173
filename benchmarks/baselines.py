"""Quality of the baselines on MovieLens-100K, and the grid that chose TransitionKNN's defaults.

    python benchmarks/baselines.py            # the table in benchmarks/RESULTS.md (seconds)
    python benchmarks/baselines.py --tune     # the grid (about five minutes on one core)

Protocol: 5-core, leave-last-out, ties in time in stable file order, seen items filtered, full
ranking. Models are fitted on ``split.train`` (everything but the last two items), chosen on
validation targets, reported once on test targets.

Caveat: an earlier, forward-only form of TransitionKNN was looked at on test as well (at best
.2015/.1074) before reverse counting and the source power were added; within the grid below the
defaults are the validation winner.

Needs the original files: set TUTORIAL_DATA to the folder that holds ml-100k/.
"""

from __future__ import annotations

import argparse
import itertools
import time
from dataclasses import replace

import numpy as np
import pandas as pd
from results_file import machine, markdown_table, write_section

from tutorial_lib.data import leave_last_out, load_dataset
from tutorial_lib.data.splits import Split
from tutorial_lib.evaluation import evaluate, summarise
from tutorial_lib.models import EASE, ItemKNN, Popularity, Random, TransitionKNN

GRID = {
    "window": (5, 10, 20),
    "reverse": (0.0, 0.3, 0.7, 1.0),
    "source_power": (0.0, 0.3, 0.5),
    "target_power": (0.2, 0.4, 0.6),
    "decay": (0.7, 0.8, 0.9),
    "last": (10, 20),
}


def validation_folds(split: Split, n_folds: int = 3) -> list[Split]:
    """Splits whose only target is the 2nd-, 3rd-, 4th-last item; none holds the test item."""
    folds = []
    for back in range(n_folds):
        history = [s[: len(s) - 1 - back] for s in split.test_history]
        target = [s[len(s) - 1 - back : len(s) - back] for s in split.test_history]
        valid = {"valid_history": history, "valid_target": target}
        folds.append(replace(split, name=f"fold {back}", train=history, **valid))
    return folds


def tune(split: Split) -> pd.DataFrame:
    folds, rows = validation_folds(split), []
    for values in itertools.product(*GRID.values()):
        chosen = dict(zip(GRID, values, strict=True))
        frames = [
            evaluate(TransitionKNN(**chosen).fit(fold), fold, k=10, on="valid") for fold in folds
        ]
        rows.append({**chosen, "valid ndcg@10": np.mean([f["ndcg@10"].mean() for f in frames])})
    return pd.DataFrame(rows).sort_values("valid ndcg@10", ascending=False)


def table(split: Split) -> pd.DataFrame:
    rows = []
    for model in (Random(), Popularity(), ItemKNN(), EASE(), TransitionKNN()):
        start = time.perf_counter()
        model.fit(split, seed=0)
        fit_seconds = time.perf_counter() - start
        test, valid = evaluate(model, split, k=10), evaluate(model, split, k=10, on="valid")
        summary = summarise(test)
        row = {"model": type(model).__name__, "valid NDCG@10": f"{valid['ndcg@10'].mean():.4f}"}
        for name, column in (("test HR@10", "hit@10"), ("test NDCG@10", "ndcg@10")):
            value = summary.loc[column]
            row[name] = f"{value['mean']:.4f} [{value['low']:.4f}, {value['high']:.4f}]"
        rows.append({**row, "users": len(test), "fit s": f"{fit_seconds:.2f}"})
    return pd.DataFrame(rows)


def variants(split: Split) -> pd.DataFrame:
    """The same numbers under two other conventions that published tables use."""
    rows = []
    parts = {"training": split, "training + validation": split.merge_validation()}
    for model in (Popularity(), EASE(), TransitionKNN()):
        for fitted_on, part in parts.items():
            model.fit(part)
            for ties in ("expected", "index"):
                frame = evaluate(model, part, k=10, ties=ties)
                values = (f"{frame[column].mean():.4f}" for column in ("hit@10", "ndcg@10"))
                rows.append((type(model).__name__, fitted_on, ties, *values))
    columns = ["model", "fitted on", "ties in score", "test HR@10", "test NDCG@10"]
    return pd.DataFrame(rows, columns=columns)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    about_tune = "print the validation grid of TransitionKNN instead of the table"
    parser.add_argument("--tune", action="store_true", help=about_tune)
    chosen = parser.parse_args()
    split = leave_last_out(load_dataset("ml-100k", download=False).k_core(5))
    if chosen.tune:
        print(tune(split).head(15).to_string(index=False))
        return
    result = markdown_table(table(split))
    result += f"\n\nThe same under other conventions:\n\n{markdown_table(variants(split))}"
    note = f"{split}\n\n95 % bootstrap intervals over users. {machine()}"
    title, command = "Baselines on MovieLens-100K", "python benchmarks/baselines.py"
    write_section("baselines-ml-100k", title, command, f"{note}\n\n{result}")
    print(result)


if __name__ == "__main__":
    main()
