"""The models of a capstone: fitted within the time there is, and judged on the same users."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tutorial_lib.data import Split
from tutorial_lib.evaluation import evaluate, ranking_metrics
from tutorial_lib.models import EASE, ItemKNN, Popularity, TransitionKNN
from tutorial_workshop.capstone.prepare import Prepared
from tutorial_workshop.capstone.stages import Stages, Value

METRICS = ["ndcg@10", "hit@10"]
EASE_ITEMS = 5_000  # 200 MB a matrix, of which there are three, and half a minute
SAMPLED_ITEMS = 5_000  # with more of them the Transformer learns by a sample of the others
TIMED = 8_000  # interactions of the epoch that shows how fast this machine is
EPOCHS, FEWEST_EPOCHS = 20, 5
LEAST_TRAINED = 0.05  # of the interactions; with fewer it would be judged unfairly
PROMPTED, FEWEST_PROMPTED = 200, 20  # users of the prompted model
CALIBRATED_ITEMS = 1_000  # what each title gets anyway is measured for so many, in seconds
PROMPT_SHARE = 0.15  # of the time
TRANSFORMER, PROMPT = "Transformer", "Prompted kit-gpt"


def baselines(prepared: Prepared) -> tuple[dict[str, Callable[[], Any]], list[str]]:
    """Name -> class of the baselines that suit the data, and why others were left out."""
    models: dict[str, Callable[[], Any]] = {"Popularity": Popularity, "ItemKNN": ItemKNN}
    lines = []
    if prepared.ordered:
        models["TransitionKNN"] = TransitionKNN
    else:
        lines.append(
            "TransitionKNN and Transformer: left out, they learn what comes next, and this log has"
            " no order"
        )
    n = prepared.dataset.n_items
    if n <= EASE_ITEMS:
        models["EASE"] = EASE
    else:
        lines.append(f"EASE: left out, {n:,} items need {n**2 * 24 / 1e9:.0f} GB")
    return models, lines


def judged(model: Any, split: Split) -> Value:
    """NDCG@10 and hit@10 of each judged user, and the mean on validation."""
    frame = evaluate(model, split, k=10)
    valid = float(evaluate(model, split, k=10, on="valid")["ndcg@10"].mean())
    return {"valid": valid, "said": f"validation NDCG@10 {valid:.4f}"} | as_columns(frame)


def as_columns(frame: pd.DataFrame) -> Value:
    """A per-user frame as JSON keeps it."""
    users = {"users": [int(user) for user in frame.index]}
    return users | {name: frame[name].round(6).tolist() for name in METRICS}


def kept_frame(value: Value) -> pd.DataFrame:
    """The per-user frame that a stage kept."""
    index = pd.Index(value["users"], name="user")
    return pd.DataFrame({name: value[name] for name in METRICS}, index=index)


# --- the item Transformer ---


class _TimeUp(Exception):
    """Ends a training between two epochs."""


def transformer(split: Split, folder: Path, seconds: float, seed: int) -> Value:
    """Train the item Transformer for about so many seconds, save it, judge it."""
    from tutorial_lib.models import SequenceRecommender
    from tutorial_lib.objectives import Autoregressive, SampledSoftmax

    start = time.perf_counter()
    large = split.dataset.n_items > SAMPLED_ITEMS
    objective = Autoregressive(loss=SampledSoftmax()) if large else Autoregressive()
    made = partial(SequenceRecommender, objective)
    affordable = _pace(split, made, seed) * (seconds - (time.perf_counter() - start))
    given = sum(map(len, split.train))
    epochs = int(np.clip(affordable // given, FEWEST_EPOCHS, EPOCHS))
    if affordable / epochs < LEAST_TRAINED * given:
        line = f"{TRANSFORMER}: left out, --minutes leaves no time to train it on this machine"
        return {"left out": line, "said": "left out"}
    part = first_users(split, int(affordable / epochs), seed)
    done: list[Any] = []

    def on_epoch(epoch: Any) -> None:
        done.append(epoch)
        if time.perf_counter() - start > seconds:  # slower than it was at first
            raise _TimeUp

    model = made(epochs=epochs, evaluate_every=max(1, epochs // 4), on_epoch=on_epoch)
    try:
        model.fit(part, seed=seed, progress=False)
    except _TimeUp:  # what it has learned so far counts
        model.n_items, model.history = split.dataset.n_items, done
    model.save(folder)
    used = sum(map(len, part.train))
    value = judged(model, split) | {"epochs": len(done)}
    if used < given or len(done) < EPOCHS:
        value["limit"] = (
            f"Transformer: trained for {len(done)} epochs (of {EPOCHS} where there is time) on"
            f" {used:,} of {given:,} interactions"
        )
    return value


def _pace(split: Split, made: Callable, seed: int) -> float:
    """Interactions a second that this machine trains on."""
    nothing = [row[:0] for row in split.valid_target]
    for size in (TIMED // 20, TIMED):  # the first time also loads what is needed
        part = replace(first_users(split, size, seed), valid_target=nothing)
        start = time.perf_counter()
        made(epochs=1).fit(part, seed=seed, progress=False)
        seconds = time.perf_counter() - start
    return sum(map(len, part.train)) / seconds


def first_users(split: Split, most: int, seed: int) -> Split:
    """The split with training histories of users, drawn at random, that hold ``most`` events."""
    sizes = np.array(list(map(len, split.train)))
    order = np.random.default_rng([seed, 43]).permutation(len(sizes))
    kept = np.zeros(len(sizes), dtype=bool)
    kept[order[np.cumsum(sizes[order]) <= max(most, int(sizes[order[0]]))]] = True
    rows = [row if keep else row[:0] for row, keep in zip(split.train, kept, strict=True)]
    return replace(split, train=rows)


# --- the prompted language model ---


def prompted(split: Split, seconds: float, seed: int) -> Value:
    """Ask the kit's small language model, as it is, for the next title: as many users as time
    allows.
    """
    from tutorial_lib.strategies import adapt

    start = time.perf_counter()
    calibrate = None if split.dataset.n_items <= CALIBRATED_ITEMS else 0
    model = adapt("kit-gpt", split, "zero-shot", labels=0, seed=seed, calibrate=calibrate)
    rows = np.flatnonzero([len(target) > 0 for target in split.test_target])
    rows = np.random.default_rng([seed, 47]).permutation(rows)[:PROMPTED]
    lists: list[np.ndarray] = []
    while len(lists) < len(rows):
        block = rows[len(lists) : len(lists) + 8]
        lists += list(model.recommend([split.test_history[row] for row in block], 10))
        spent = time.perf_counter() - start
        if spent * (1 + 8 / len(lists)) > seconds and len(lists) >= FEWEST_PROMPTED:
            break
        if spent > 3 * seconds:
            break
    rows = rows[: len(lists)]
    frame = ranking_metrics(np.array(lists), [split.test_target[row] for row in rows], k=10)
    frame.index = pd.Index(np.asarray(split.users)[rows], name="user")
    mean = frame["ndcg@10"].mean()
    limit = f"{PROMPT}: asked for {len(rows):,} users only, so it is shown and not chosen"
    return as_columns(frame) | {"said": f"test NDCG@10 {mean:.4f}", "limit": limit}


def fit_candidates(
    prepared: Prepared, stages: Stages, out: Path, seed: int
) -> tuple[dict[str, Value], list[str]]:
    """Name -> what was found, of every model that suits the data and fits into the time; and why
    others were left out.
    """
    split = prepared.split
    models, lines = baselines(prepared)
    found = {}
    for name, made in models.items():
        found[name] = stages.get(name, partial(_fitted, made, split, seed))
    prompts = prepared.log.titles and stages.total * PROMPT_SHARE
    if prepared.ordered:
        seconds = stages.left(reserve=0.25) - prompts
        found[TRANSFORMER] = stages.get(
            TRANSFORMER, lambda: transformer(split, out / "transformer", seconds, seed)
        )
    if not prepared.log.titles:
        lines.append(f"{PROMPT}: left out, it reads titles, and the items have none")
    elif stages.left(reserve=0.1) < 10:
        lines.append(f"{PROMPT}: left out, --minutes leaves no time for it")
    else:
        seconds = min(prompts, stages.left(reserve=0.1))
        found[PROMPT] = stages.get(PROMPT.replace(" ", "-"), lambda: prompted(split, seconds, seed))
    lines += [value["left out"] for value in found.values() if "left out" in value]
    return {name: value for name, value in found.items() if "left out" not in value}, lines


def _fitted(made: Callable[[], Any], split: Split, seed: int) -> Value:
    return judged(made().fit(split, seed=seed), split)


def refitted(name: str, split: Split, out: Path, seed: int) -> Any:
    """The model of that name as it was judged."""
    if name == TRANSFORMER:
        from tutorial_lib.models import SequenceRecommender

        return SequenceRecommender.load(out / "transformer")
    classes = {"Popularity": Popularity, "ItemKNN": ItemKNN, "TransitionKNN": TransitionKNN}
    return (classes | {"EASE": EASE})[name]().fit(split, seed=seed)
