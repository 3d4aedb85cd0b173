"""The kit's language model, asked as it is: as many users and items as the time allows."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import pandas as pd

from tutorial_lib.data import Split
from tutorial_lib.data.histories import flatten
from tutorial_lib.evaluation import ranking_metrics
from tutorial_lib.recommender import top_k
from tutorial_workshop.capstone.stages import Value, as_columns

PROMPT = "Prompted kit-gpt"
USERS, FEWEST_USERS = 200, 50  # that are asked about, by plan
FEWEST_SHOWN = 20  # where the machine gets slower; fewer tell nothing
SPARE = 0.7  # of the time is planned for
FEWEST_ITEMS = 50  # that are put in order: the most popular ones
PACED = 64  # titles that show how fast this machine reads them
AT_ONCE = 4  # users between two looks at the clock
USUAL = 8  # histories that show what each title gets anyway, where there is time for all titles


def prompted(split: Split, seconds: float, seed: int) -> Value:
    """Ask the kit's small language model, as it is, for the next title, for so many seconds.

    Real titles are long, so an answer over a whole catalogue may take seconds: then only its most
    popular items are put in order, so many that enough users can be asked.
    """
    from tutorial_lib.strategies import adapt

    start = time.perf_counter()
    n = split.dataset.n_items
    popular = np.argsort(-np.bincount(flatten(split.train)[0], minlength=n), kind="stable")
    rows = np.flatnonzero([len(target) > 0 for target in split.test_target])
    rows = np.random.default_rng([seed, 47]).permutation(rows)
    model = adapt("kit-gpt", split, "zero-shot", labels=0, seed=seed, calibrate=0)
    each = _pace(model, [split.test_history[row] for row in rows[:AT_ONCE]], popular[:PACED])
    # one answer is a title for a user
    answers = SPARE * (seconds - (time.perf_counter() - start)) / each
    n_asked = int(min(n, answers / min(FEWEST_USERS, len(rows))))
    line = f"{PROMPT}: left out, --minutes leaves no time to ask it on this machine"
    left_out = {"left out": line, "said": "left out"}
    if n_asked < min(n, FEWEST_ITEMS):
        return left_out
    if n_asked == n and answers > n * (FEWEST_USERS + USUAL):
        model.calibrate(USUAL, seed)
    items = np.sort(popular[:n_asked])
    lists: list[np.ndarray] = []
    block = 0.0
    while len(lists) < min(len(rows), USERS):
        before = time.perf_counter()
        if lists and before + block - start > seconds:
            break
        asked = rows[len(lists) : len(lists) + AT_ONCE]
        lists += list(_best(model, [split.test_history[row] for row in asked], items))
        block = time.perf_counter() - before
    if len(lists) < min(len(rows), USERS, FEWEST_SHOWN):
        return left_out
    rows = rows[: len(lists)]
    frame = ranking_metrics(np.array(lists), [split.test_target[row] for row in rows], k=10)
    frame.index = pd.Index(np.asarray(split.users)[rows], name="user")
    limit = f"{PROMPT}: asked for {len(rows):,} users only, so it is shown and not chosen"
    if len(items) < n:
        limit += f"; it put only the {len(items):,} most popular of {n:,} items in order"
    said = f"test NDCG@10 {frame['ndcg@10'].mean():.4f}"
    return as_columns(frame) | {"said": said, "limit": limit}


def _pace(model, histories: Sequence[np.ndarray], items: np.ndarray) -> float:
    """Seconds for one title and one user; the first time also loads what is needed."""
    for _ in range(2):
        start = time.perf_counter()
        _scores(model, histories, items)
    return (time.perf_counter() - start) / (len(histories) * len(items))


def _scores(model, histories: Sequence[np.ndarray], items: np.ndarray) -> np.ndarray:
    """Log-likelihood of the titles of some items, [n, n_asked], in nats."""
    from tutorial_lib.models.decoding import log_likelihood

    titles = [model.words.answers[item] for item in items]
    found = log_likelihood(model.lm, model.prompts(histories), titles).log_probability
    return found + model.added[items]


def _best(model, histories: Sequence[np.ndarray], items: np.ndarray) -> np.ndarray:
    """The ten best of some items for each history, without its own: [n, 10]."""
    place = {int(item): column for column, item in enumerate(items)}
    seen = [[place[item] for item in map(int, row) if item in place] for row in histories]
    best = top_k(_scores(model, histories, items), min(10, len(items)), exclude=seen)
    return np.where(best < 0, -1, items[best])
