"""One cell of the grid run: fitted, timed, and measured on the same test users as its row."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import asdict

import numpy as np

from tutorial_lib.evaluation import evaluate
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
        cell (its fields), fingerprint (see `fingerprints`), users (codes), values (metric -> one
        number per user), seconds (processor time of tuning or fitting), score_seconds (processor
        time per user), flops (of tuning; None where nobody counted), trainable (numbers that may
        move), stored_bytes (what one task needs besides the shared model, 4 bytes a number),
        peak_mb (most resident memory of the process while the cell ran).
    """
    made_from = fingerprint(cell)  # now: the files may be replaced while the cell runs
    with watched_memory() as peak:
        if cell.task == "like":
            fitted, frame, scoring = run_likes(cell)
        else:
            fitted, start = fit(cell), time.process_time()
            targets = split_of(cell.dataset).sample_targets(cell.users, seed=cell.seed)
            frame = evaluate(fitted, targets, k=10, block=16)
            scoring = (time.process_time() - start) / len(frame)
    metrics = [name for name in ("ndcg@10", "hit@10", "auc") if name in frame]
    return {
        "cell": asdict(cell),
        "fingerprint": made_from,
        "users": frame.index.tolist(),
        "values": {name: frame[name].round(6).tolist() for name in metrics},
        "score_seconds": round(scoring, 4),
        "peak_mb": round(peak() / 2**20),
        **costs(fitted, cell),
    }


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
    and seconds per user.
    """
    from tutorial_lib.data.likes import rated_histories
    from tutorial_lib.strategies.like_prediction import LIKE_STRATEGIES, adapt_likes

    split = split_of(cell.dataset, HELD_OUT)
    if cell.strategy in LIKE_STRATEGIES:
        fitted = adapt_likes(language_model(cell.lm), split, cell.strategy, cell.labels, cell.seed)
    else:
        begin = time.perf_counter()
        fitted = LIKE_BASELINES[cell.strategy]().fit(labelled_only(split, cell.labels, cell.seed))
        fitted.seconds = time.perf_counter() - begin
    start = time.process_time()
    tested = split.sample_targets(cell.users, seed=cell.seed)
    histories, targets = (rated_histories(tested, f"test_{s}") for s in ("history", "target"))
    rows = [row for row, target in enumerate(tested.test_target) if len(target)]
    asked = [targets[row] for row in rows]
    scores = fitted.score([histories[row] for row in rows], [rated.items for rated in asked])
    scoring = (time.process_time() - start) / len(rows)
    users = np.repeat(np.asarray(tested.users)[rows], [len(rated.items) for rated in asked])
    liked = np.concatenate([rated.liked for rated in asked])
    frame = user_auc(liked, np.concatenate(scores), users)
    return getattr(fitted, "account", fitted), frame, scoring


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


@contextlib.contextmanager
def watched_memory():
    """``with watched_memory() as peak``: peak() is the most resident memory of this process since
    then, in bytes, seen every 50 ms.
    """
    import psutil

    process, stop = psutil.Process(), threading.Event()
    seen = [process.memory_info().rss]

    def watch() -> None:
        while not stop.wait(0.05):
            seen[0] = max(seen[0], process.memory_info().rss)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield lambda: seen[0]
    finally:
        stop.set()
        thread.join()
