"""One cell of the grid: a strategy, a number of labelled users, a seed; fitted, timed, and measured
on the same test users as its row.
"""

from __future__ import annotations

import functools
import hashlib
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from numbers import Integral
from urllib.parse import quote

import numpy as np

from tutorial_lib.data import hold_out_k, leave_last_out, load_dataset
from tutorial_lib.data.splits import EMPTY, Split
from tutorial_lib.errors import LARGEST_SEED, InputError, check_whole, unknown_name
from tutorial_lib.evaluation import evaluate
from tutorial_lib.evaluation.ratings import user_auc
from tutorial_lib.models.like_baselines import LIKE_BASELINES
from tutorial_workshop.experiments.fingerprints import fingerprint, model_fingerprint

BASELINES = (
    "ceiling",
    "random",
    "popularity",
    "transition-knn",
    "ease",
    "item-transformer",
)  # no language model in them
BUDGETS = (0, 8, 16, 64, 256, "all")
CORE = 5  # real data is cut to its 5-core, worlds are taken whole
HELD_OUT = 10  # newest ratings of each user that the task "like" tests on
LONGEST_NAME = 150  # letters of a cell's file name; file systems take 255 bytes
USERS = 60  # test users of a cell, others in every seed


@dataclass(frozen=True)
class Cell:
    """labels: users whose training histories may be used. lm: "" for baselines. users: test users.
    task: "next" item or "like".
    """

    dataset: str
    lm: str
    strategy: str
    labels: int
    seed: int
    users: int = USERS
    task: str = "next"

    @property
    def name(self) -> str:
        """Of its file, and unique to it: what a file name cannot hold is quoted as in a URL, a long
        name ends in its checksum.
        """
        parts = (
            self.task,
            self.dataset,
            self.lm or "none",
            self.strategy,
            self.labels,
            self.seed,
            self.users,
        )
        name = "-".join(quote(str(part), safe="") for part in parts)
        return (
            name
            if len(name) <= LONGEST_NAME
            else f"{name[:60]}-{hashlib.sha256(name.encode()).hexdigest()[:32]}"
        )


def cells_of(
    dataset: str,
    lm: str,
    strategies: Sequence[str],
    budgets: Sequence[int | str] = BUDGETS,
    seeds: Sequence[int] = (0, 1, 2, 3, 4),
    *,
    users: int = USERS,
    task: str = "next",
) -> list[Cell]:
    """The cells of a grid, seed by seed, so that a run that is broken off has whole seeds.

    budgets: numbers of labelled users; "all": every user of the split with two or more training
        items. What tunes nothing has one cell a
    seed, at 0 labels (ceiling and "random" too); what tunes something has none at 0. Raises
    InputError for an unknown strategy, dataset or task, a budget larger than the data, and a
    language model that a strategy cannot work with.
    """
    for seed in seeds:
        check_whole("grid", 0, LARGEST_SEED, seed=seed)
    able = _check(dataset, lm, strategies, budgets, users, task)
    counts = sorted({able if budget == "all" else int(budget) for budget in budgets})
    return [
        Cell(dataset, "" if name in BASELINES else lm, name, labels, seed, users, task)
        for seed in seeds
        for labels in (counts if 0 in counts else [0, *counts])
        for name in strategies
        if (labels == 0) == _untuned(name) and (labels > 0 or 0 in counts or name == "ceiling")
    ]


def default_strategies(dataset: str, lm: str, task: str = "next") -> list[str]:
    """Every baseline and strategy that works with this dataset and language model; few-shot, slow
    to score, only by name.
    """
    from tutorial_lib.strategies import strategies_for
    from tutorial_lib.strategies.like_prediction import LIKE_STRATEGIES

    if task == "like":
        return [*LIKE_BASELINES, *LIKE_STRATEGIES]
    known = split_of(dataset).dataset.truth is not None
    able = [
        name
        for name in strategies_for(language_model(lm))
        if name not in ("few-shot", "p-tuning", "instruct")
    ]
    return [name for name in BASELINES if known or name != "ceiling"] + able


def _untuned(name: str) -> bool:
    from tutorial_lib.strategies import STRATEGIES

    return (
        name in ("ceiling", "random")
        if name in BASELINES
        else not STRATEGIES[name].moves and name != "few-shot"
    )


def _check(
    dataset: str,
    lm: str,
    strategies: Sequence[str],
    budgets: Sequence[int | str],
    users: int,
    task: str,
) -> int:
    """The number of users that "all" means."""
    from tutorial_lib.strategies import STRATEGIES
    from tutorial_lib.strategies.like_prediction import LIKE_STRATEGIES

    if task not in ("next", "like"):
        raise unknown_name("task", task, ("next", "like"))
    known = [*LIKE_BASELINES, *LIKE_STRATEGIES] if task == "like" else [*BASELINES, *STRATEGIES]
    for name in strategies:
        if name not in known:
            raise unknown_name(f"strategy of the task {task!r}", name, known)
    split = split_of(dataset)
    if "ceiling" in strategies and split.dataset.truth is None:
        raise InputError(
            f"grid: only a planted world has a known ceiling, {dataset} has none: leave"
            " 'ceiling' out"
        )
    able = sum(len(history) > 1 for history in split.train)
    for budget in budgets:
        if budget != "all" and (not isinstance(budget, Integral) or not 0 <= budget <= able):
            raise InputError(
                f"grid: budget {budget!r} of {dataset}: expected 'all' or a number of users from 0"
                f" to {able}"
            )
    check_whole("grid", 1, users=users)
    split.sample_targets(users)  # refuses too many
    for name in sorted(set(strategies) - set(BASELINES)) if task == "next" else ():
        language_model(lm).require(*STRATEGIES[name].kinds, what=f"strategy {name!r}")
    return able


@functools.lru_cache(maxsize=3)
def split_of(dataset: str, held_out: int = 1) -> Split:
    """Leave-last-out of a dataset as the grid uses it, or the last ``held_out`` of each user; kept,
    since a process works on many cells.
    """
    ds = load_dataset(dataset)
    ds = ds if ds.truth is not None else ds.k_core(CORE)
    return leave_last_out(ds) if held_out == 1 else hold_out_k(ds, held_out, valid_k=5)


def language_model(name: str):
    """Kept, since a process works on many cells; read again when its files have changed."""
    return _language_model(name, model_fingerprint(name))


@functools.lru_cache(maxsize=1)
def _language_model(name: str, files: str):
    from tutorial_lib.models import load_language_model

    return load_language_model(name)


def run_cell(cell: Cell) -> dict:
    """Fit and measure; what `results.Results` keeps.

    Keys: cell (its fields), fingerprint (see `fingerprints`), users (codes), values (metric -> one
        number a user), seconds (of tuning or
    fitting), score_seconds (a user), flops (of tuning; None where nobody counted), trainable
    (numbers that may move), stored_bytes (what one task needs besides the shared model, 4 bytes a
    number), peak_mb (most resident memory of the process while the cell ran).
    """
    made_from = fingerprint(cell)  # now: the files may be replaced while the cell runs
    with PeakMemory() as memory:
        if cell.task == "like":
            fitted, frame, scoring = run_likes(cell)
        else:
            fitted, start = fit(cell), time.perf_counter()
            frame = evaluate(
                fitted,
                split_of(cell.dataset).sample_targets(cell.users, seed=cell.seed),
                k=10,
                block=16,
            )
            scoring = (time.perf_counter() - start) / len(frame)
    counted = costs(fitted, cell)
    return {
        "cell": asdict(cell),
        "fingerprint": made_from,
        "users": frame.index.tolist(),
        "values": {
            name: frame[name].round(6).tolist()
            for name in ("ndcg@10", "hit@10", "auc")
            if name in frame
        },
        "score_seconds": round(scoring, 4),
        "peak_mb": round(memory.peak / 2**20),
        **counted,
    }


def fit(cell: Cell):
    """The fitted recommender of a cell; it has seen training histories of labelled users only (the
    ceiling: the world's truth).
    """
    from tutorial_lib import models
    from tutorial_lib.strategies import adapt

    split = split_of(cell.dataset)
    if cell.strategy not in BASELINES:
        return adapt(
            language_model(cell.lm), split, cell.strategy, labels=cell.labels, seed=cell.seed
        )
    make = {
        "ceiling": models.Oracle,
        "random": models.Random,
        "popularity": models.Popularity,
        "transition-knn": models.TransitionKNN,
        "ease": models.EASE,
        "item-transformer": models.SequenceRecommender,
    }[cell.strategy]
    known = (
        split
        if cell.strategy in ("ceiling", "random")
        else labelled_only(split, cell.labels, cell.seed)
    )
    start = time.perf_counter()
    fitted = make().fit(known, seed=cell.seed, progress=False)
    fitted.seconds = time.perf_counter() - start
    return fitted


def run_likes(cell: Cell):
    """(what was fitted, per-user AUC over the last `HELD_OUT` ratings, seconds a user) of a cell of
    the task "like".
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
    start = time.perf_counter()
    tested = split.sample_targets(cell.users, seed=cell.seed)
    rows = [row for row, target in enumerate(tested.test_target) if len(target)]
    all_histories = rated_histories(tested, "test_history")
    all_asked = rated_histories(tested, "test_target")
    asked = [all_asked[row] for row in rows]
    items: list = [rated.items for rated in asked]
    scores = fitted.score([all_histories[row] for row in rows], items)
    scoring = (time.perf_counter() - start) / len(rows)
    users = np.repeat(np.asarray(tested.users)[rows], [len(rated.items) for rated in asked])
    frame = user_auc(
        np.concatenate([rated.liked for rated in asked]), np.concatenate(scores), users
    )
    return getattr(fitted, "account", fitted), frame, scoring


def labelled_only(split: Split, labels: int, seed: int) -> Split:
    """A split with nothing but the training histories of the users that `adapt` would draw."""
    from tutorial_lib.strategies.tuning import labelled_users

    rows = labelled_users(split, labels, seed)
    train = [split.train[row] for row in rows]
    nothing = [EMPTY] * labels
    return replace(
        split,
        name=f"{split.name}, {labels} labelled",
        users=split.users[rows],
        train=train,
        valid_history=train,
        valid_target=nothing,
        test_history=train,
        test_target=nothing,
    )


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


class PeakMemory:
    """``with PeakMemory() as memory: ...; memory.peak``: most resident memory of this process
    meanwhile, in bytes, seen every 50 ms.
    """

    def __enter__(self) -> PeakMemory:
        import psutil

        self._process, self._stop = psutil.Process(), threading.Event()
        self.peak = self._process.memory_info().rss
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._stop.wait(0.05):
            self.peak = max(self.peak, self._process.memory_info().rss)

    def __exit__(self, *_) -> None:
        self._stop.set()
        self._thread.join()
