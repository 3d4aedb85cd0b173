"""Recommendation along the paths of a knowledge graph, measured on worlds and on real data."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import pandas as pd

from tutorial_lib.data import leave_last_out, load_dataset
from tutorial_lib.evaluation import expected_metrics
from tutorial_lib.models import EASE, Oracle, Popularity, TransitionKNN
from tutorial_lib.models.paths import PathRecommender
from tutorial_lib.recommender import top_k
from tutorial_workshop.experiments.cells import CORE, next_item_chances

PEOPLE = 400  # users whose paths are learned


def path_cells(
    seed: int, name: str = "world-movies", users: int = 100
) -> Iterator[tuple[str, float, pd.DataFrame]]:
    """Paths over the graph of a dataset, written freely and along the graph, with the share of
    triples at each hop that exist; and baselines on the same users.

    On real data the item that came next counts as certain: expectations are realised values.
    """
    dataset = load_dataset(name)
    dataset = dataset.k_core(CORE) if dataset.truth is None else dataset
    people = range(min(PEOPLE, dataset.n_users))
    split = leave_last_out(dataset.subset_users(people))
    rows = np.flatnonzero([len(t) > 0 for t in split.sample_targets(users).test_target])
    histories = [split.test_history[row] for row in rows]
    targets = [split.test_target[row][0] for row in rows]
    p = next_item_chances(split.dataset, histories, targets)

    def judged(lists: np.ndarray) -> pd.DataFrame:
        return expected_metrics(lists, p, k=10, users=rows.tolist())[["recall@10", "ndcg@10"]]

    start = time.process_time()
    model = PathRecommender().fit(split, seed=seed)
    for name, constrained in (("paths, free", False), ("paths, along the graph", True)):
        model.constrained = constrained
        frame = judged(model.recommend(histories, k=10, users=rows.tolist()))
        written = model.write(histories, rows.tolist())
        hops = written.faithful(model.graph, histories)
        frame = frame.assign(**{f"hop {hop}": hops[hop - 1] for hop in (1, 2, 3)})
        yield name, time.process_time() - start, frame.assign(nowhere=(written.items < 0).mean())
    if seed == 0:
        oracle = [] if dataset.truth is None else [Oracle()]
        for baseline in (EASE(), TransitionKNN(), Popularity(), *oracle):
            start = time.process_time()
            name = type(baseline).__name__.replace("Oracle", "ceiling")
            lists = baseline.fit(split).recommend(histories, k=10)
            yield name, time.process_time() - start, judged(lists)
        for hops in (1, 2, 3):
            within = model.graph.within(histories, hops)
            best = judged(top_k(np.where(within, p, -np.inf), 10, exclude=histories))
            best["reachable"] = (p * within).sum(axis=1)
            yield f"ceiling within {hops} hops", 0.0, best
