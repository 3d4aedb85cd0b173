"""False alarms on real users: MovieLens-100K with shuffled labels, so that no group differs.

    python benchmarks/audit_permuted_labels.py [--permutations 1000]    needs MovieLens-100K

Lists of EASE and Popularity (hold-out-5 of the 5-core, lists of 10) are made once. Each permutation
shuffles whole users' values against their labels (gender and age group together) and judges the
declared family of `audit`, 8 gaps in NDCG@10, and the same 8 gaps in popularity lift.
Recorded: data/results/audit-permuted-labels.csv.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import pandas as pd

from tutorial_lib.audit.core.evidence import UserMetric, collect
from tutorial_lib.audit.core.finding import ALPHA, judge
from tutorial_lib.audit.harms.quality import group_gaps
from tutorial_lib.audit.inference.statistics import rate
from tutorial_lib.data import hold_out_k, load_dataset
from tutorial_lib.data.shipped import clone_commit, ship
from tutorial_lib.models import EASE, Popularity

FILE, K, SEED = "results/audit-permuted-labels.csv", 10, 0
ATTRIBUTES = ("gender", "age_group")
BAR = 0.06


def false_alarms(evidence, values: np.ndarray, measure: str, permutations: int) -> pd.DataFrame:
    """One row per permutation: tests with p < .05, and whether any is left after Holm."""
    rows = []
    for permutation in range(permutations):
        rng = np.random.default_rng([SEED, permutation, 41])
        shuffled = rng.permutation(values)
        metric = UserMetric(measure, shuffled, np.nan)
        found = [
            finding
            for name in ATTRIBUTES
            for finding in group_gaps(evidence, name, metric, rng=rng)
        ]
        judged = judge(found, [finding.metric for finding in found])
        raw, adjusted = np.array([(f.p, f.p_adjusted) for f in judged]).T
        rows.append(((raw < ALPHA).sum(), len(raw), (adjusted < ALPHA).any(), (raw < ALPHA).any()))
    return pd.DataFrame(rows, columns=["one", "tests", "after Holm", "without Holm"])


def summary(model: str, measure: str, outcomes: pd.DataFrame) -> list[dict]:
    """One row per check; the interval of one test takes the permutation as its unit."""
    n, share = len(outcomes), outcomes["one"] / outcomes["tests"]
    mean, reach = share.mean(), 1.96 * float(share.std(ddof=1)) / np.sqrt(n)
    rows = [("false positives: one test at .05", mean, mean - reach, mean + reach)]
    for how in ("after Holm", "without Holm"):
        found = rate(int(outcomes[how].sum()), n)
        check = f"false positives: any of 8 contrasts, {how}"
        rows.append((check, found.value, found.low, found.high))
    judged = [*(["met" if row[1] <= BAR else "missed"] for row in rows[:2]), [""]]
    return [
        {"model": model, "measure": measure, "check": check, "permutations": n, "value": value}
        | {"low": low, "high": high, "at_most": BAR if result else np.nan, "result": result}
        for (check, value, low, high), (result,) in zip(rows, judged, strict=True)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--permutations", type=int, default=1_000)
    permutations = parser.parse_args().permutations
    start, rows = time.perf_counter(), []
    ds = load_dataset("ml-100k").k_core(5)
    split = hold_out_k(ds, 5)
    for kind in (EASE, Popularity):
        evidence = collect(kind().fit(split), ds, split, k=K)
        measures = {
            f"ndcg@{K}": evidence.metrics[f"ndcg@{K}"].to_numpy(),
            "popularity lift": evidence.popularity_lift,
        }
        for measure, values in measures.items():
            outcomes = false_alarms(evidence, values, measure, permutations)
            rows += summary(kind.__name__, measure, outcomes)
    seconds, commit = round(time.perf_counter() - start, 1), clone_commit(mark_changes=False)
    frame = pd.DataFrame(rows).round(5)
    frame = frame.assign(dataset=ds.name, seed=SEED, seconds=seconds, commit=commit)
    if permutations >= 100:  # fewer are a trial
        content = frame.to_csv(index=False).encode()
        ship({FILE: content}, "python benchmarks/audit_permuted_labels.py")
    print(frame.drop(columns=["dataset", "seed", "commit"]).to_string())


if __name__ == "__main__":
    main()
