"""One cell of the grid run: fitted, timed, and measured on the same test users as its row."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from tutorial_lib.evaluation import expected_metrics, ranking_metrics
from tutorial_lib.evaluation.ratings import user_auc
from tutorial_lib.models.like_baselines import LIKE_BASELINES
from tutorial_workshop.experiments.cells import (
    BASELINES,
    HELD_OUT,
    UNTUNED,
    Cell,
    labelled_only,
    language_model,
    split_of,
)
from tutorial_workshop.experiments.fingerprints import fingerprint


def run_cell(cell: Cell) -> dict:
    """Fit and measure; what `results.Results` keeps.

    Returns:
        cell (its fields), fingerprint (see `fingerprints`), users (codes), values (column of
        `results.to_frame` -> one value per user), seconds (processor time of tuning or fitting),
        score_seconds (processor time per user), flops (of tuning; None where nobody counted),
        trainable (numbers that may move), stored_bytes (what one task needs besides the shared
        model, 4 bytes a number).
    """
    made_from = fingerprint(cell)  # now: the files may be replaced while the cell runs
    fitted, frame, scoring = (run_likes if cell.task == "like" else run_next)(cell)
    return {
        "cell": asdict(cell),
        "fingerprint": made_from,
        "users": frame.index.tolist(),
        "values": frame.round(5).to_dict("list"),
        "score_seconds": round(scoring, 5),
        **costs(fitted, cell),
    }


def run_next(cell: Cell):
    """A cell of the task "next": what was fitted, one row per test user (metrics, in expectation
    where the dataset knows its next-item probabilities; the same metrics for the one target that
    was drawn; the top ten), and processor seconds per user.
    """
    fitted = fit(cell)
    split = split_of(cell.dataset).sample_targets(cell.users)
    rows = [row for row, target in enumerate(split.test_target) if len(target)]
    histories, targets = (
        [part[row] for row in rows] for part in (split.test_history, split.test_target)
    )
    users = np.asarray(split.users)[rows].tolist()
    start = time.process_time()
    lists = fitted.recommend(histories, k=10, users=users)
    scoring = (time.process_time() - start) / len(rows)
    frame = ranking_metrics(lists, targets, k=10)[["ndcg@10", "hit@10"]]
    frame.index = pd.Index(users, name="user")
    truth = split.dataset.truth
    if truth is not None:
        chances = truth.next_item_probabilities(histories)
        expected = expected_metrics(lists, chances, k=10, users=users)[["ndcg@10", "hit@10"]]
        frame = expected.join(frame.add_prefix("realised_"))
    frame["items"] = [" ".join(str(item) for item in row if item >= 0) for row in lists]
    return fitted, frame, scoring


def fit(cell: Cell):
    """The fitted recommender of a cell; it has seen training histories of labelled users only (the
    ceiling: the world's truth).
    """
    from tutorial_lib import models
    from tutorial_lib.strategies import adapt

    split, labels, seed = split_of(cell.dataset), cell.labels, cell.seed
    if cell.strategy not in BASELINES:
        lm, start = language_model(cell.lm), time.process_time()
        fitted = adapt(lm, split, cell.strategy, labels=labels, seed=seed)
    else:
        known = split if cell.strategy in UNTUNED else labelled_only(split, labels, seed)
        start = time.process_time()
        fitted = getattr(models, BASELINES[cell.strategy])().fit(known, seed=seed, progress=False)
    fitted.seconds = time.process_time() - start  # other jobs on the machine do not count
    return fitted


def run_likes(cell: Cell):
    """A cell of the task "like": what was fitted, per-user AUC over the last `HELD_OUT` ratings,
    and processor seconds per user.
    """
    from tutorial_lib.data.likes import rated_histories
    from tutorial_lib.strategies.like_prediction import adapt_likes

    split = split_of(cell.dataset, HELD_OUT)
    fitted: Any
    if cell.strategy not in LIKE_BASELINES:
        lm, begin = language_model(cell.lm), time.process_time()
        fitted = adapt_likes(lm, split, cell.strategy, cell.labels, cell.seed)
        account = fitted.account
    else:
        known, begin = labelled_only(split, cell.labels, cell.seed), time.process_time()
        account = fitted = LIKE_BASELINES[cell.strategy]().fit(known)
    account.seconds = time.process_time() - begin
    start = time.process_time()
    tested = split.sample_targets(cell.users)
    histories, targets = (rated_histories(tested, f"test_{s}") for s in ("history", "target"))
    rows = [row for row, target in enumerate(tested.test_target) if len(target)]
    rated = [targets[row] for row in rows]
    scores = fitted.score([histories[row] for row in rows], [one.items for one in rated])
    scoring = (time.process_time() - start) / len(rows)
    users = np.repeat(np.asarray(tested.users)[rows], [len(one.items) for one in rated])
    liked = np.concatenate([one.liked for one in rated])
    frame = user_auc(liked, np.concatenate(scores), users)[["auc"]]
    return account, frame, scoring


def costs(fitted, cell: Cell) -> dict:
    """Trained numbers, bytes to store, FLOPs and seconds."""
    baseline = cell.strategy in BASELINES
    trained = _numbers_learned(fitted, cell.strategy) if baseline else fitted.n_trainable
    return {
        "trainable": trained,
        "stored_bytes": 4 * trained,
        "seconds": round(fitted.seconds, 3),
        "flops": None if baseline else float(fitted.flops),
    }


def _numbers_learned(fitted, baseline: str) -> int:
    """Weights or counts of a baseline; 0 for what keeps none."""
    if baseline == "item-transformer":
        return sum(parameter.numel() for parameter in fitted.model.parameters())
    learned = {"popularity": "counts", "transition-knn": "transitions", "ease": "weights"}
    value = getattr(fitted, learned.get(baseline, ""), None)
    if value is None:
        return 0
    return int(value.nnz if hasattr(value, "nnz") else np.size(value))
