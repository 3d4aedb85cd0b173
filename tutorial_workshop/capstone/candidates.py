"""The models of a capstone: fitted within the time there is, and judged on the same users."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tutorial_lib.data import Split
from tutorial_lib.evaluation import evaluate
from tutorial_lib.models import EASE, ItemKNN, Popularity, TransitionKNN
from tutorial_workshop.capstone.prepare import Prepared
from tutorial_workshop.capstone.prompted import PROMPT, prompted
from tutorial_workshop.capstone.stages import Stages, Value, as_columns

KNN_PAIRS = 16_000_000  # pairs of items, 100 bytes each while they are sorted
EASE_ITEMS = 5_000  # 200 MB a matrix, of which there are three, and half a minute
SAMPLED_ITEMS = 5_000  # with more of them the Transformer learns by a sample of the others
TIMED = 8_000  # interactions of the epoch that shows how fast this machine is
EPOCHS, FEWEST_EPOCHS, FEWEST_DONE = 20, 5, 3
SPARE = 0.7  # of the time is planned for, as a machine may get slower
LEAST_TRAINED = 0.05  # of the interactions; with fewer it would be judged unfairly
PROMPT_SHARE = 0.15  # of the time
LATER = 0.25  # of the time: the audit fits the chosen model once more, and the page is written
TRANSFORMER = "Transformer"


def baselines(prepared: Prepared) -> tuple[dict[str, Callable[[], Any]], list[str]]:
    """Name -> class of the baselines that suit the data, and why others were left out."""
    models: dict[str, Callable[[], Any]] = {"Popularity": Popularity}
    lines = []
    if prepared.ordered:
        models["TransitionKNN"] = TransitionKNN
    else:
        lines.append(
            "TransitionKNN and Transformer: left out, they learn what comes next, and this log has"
            " no order"
        )
    n, pairs = prepared.dataset.n_items, _pairs(prepared.split)
    if pairs <= KNN_PAIRS:
        models["ItemKNN"] = ItemKNN
    else:
        lines.append(f"ItemKNN: left out, its table of pairs of items needs {pairs * 1e-7:.0f} GB")
    if n <= EASE_ITEMS:
        models["EASE"] = EASE
    else:
        lines.append(f"EASE: left out, {n:,} items need {n**2 * 24 / 1e9:.0f} GB")
    return models, lines


def cost_in_seconds(name: str, split: Split) -> float:
    """What fitting and judging a baseline takes on a slow core, about."""
    seconds = {"ItemKNN": 1e-6 * _pairs(split), "EASE": 2.5e-10 * split.dataset.n_items**3}
    return seconds.get(name, 1.0)


def _pairs(split: Split) -> int:
    """Pairs of items that some user took both of, at most."""
    taken = sum(len(row) ** 2 for row in split.train)
    return min(taken, split.dataset.n_items**2)


def judged(model: Any, split: Split) -> Value:
    """NDCG@10 and hit@10 of each judged user, and the mean on validation."""
    frame = evaluate(model, split, k=10)
    valid = float(evaluate(model, split, k=10, on="valid")["ndcg@10"].mean())
    return {"valid": valid, "said": f"validation NDCG@10 {valid:.4f}"} | as_columns(frame)


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
    pace = _pace(split, made, seed) if seconds > 0 else 0.0
    affordable = SPARE * pace * (seconds - (time.perf_counter() - start))
    given = sum(map(len, split.train))
    epochs = int(np.clip(affordable // given, FEWEST_EPOCHS, EPOCHS))
    line = f"{TRANSFORMER}: left out, --minutes leaves no time to train it on this machine"
    left_out = {"left out": line, "said": "left out"}
    if affordable / epochs < LEAST_TRAINED * given:
        return left_out
    part = first_users(split, int(affordable / epochs), seed)
    done: list[Any] = []
    on_epoch = _until(start + seconds, done)
    model = made(epochs=epochs, evaluate_every=max(1, epochs // 4), on_epoch=on_epoch)
    try:
        model.fit(part, seed=seed, progress=False)
    except _TimeUp:  # what it has learned so far counts
        if len(done) < min(FEWEST_DONE, epochs):
            return left_out
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


def _until(end: float, done: list[Any]) -> Callable[[Any], None]:
    """Notes each epoch, and raises `_TimeUp` where another one would end too late."""
    began = [time.perf_counter()]

    def on_epoch(epoch: Any) -> None:
        now = time.perf_counter()
        done.append(epoch)
        if now + (now - began[-1]) > end:  # the machine is slower than it was at first
            raise _TimeUp
        began.append(now)

    return on_epoch


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
        twice = 2 * cost_in_seconds(name, split)  # the audit may fit it once more
        if name != "Popularity" and twice > stages.left(reserve=LATER):
            lines.append(f"{name}: left out, --minutes leaves no time for it")
        else:
            found[name] = stages.get(name, partial(_fitted, made, split, seed))
    prompts = prepared.log.titles and stages.total * PROMPT_SHARE
    if prepared.ordered:
        seconds = stages.left(reserve=LATER) - prompts
        found[TRANSFORMER] = stages.get(
            TRANSFORMER, lambda: transformer(split, out / "transformer", seconds, seed)
        )
    if prepared.log.titles:
        limit = min(prompts, stages.left(reserve=LATER))
        found[PROMPT] = stages.get(PROMPT.replace(" ", "-"), lambda: prompted(split, limit, seed))
    else:
        lines.append(f"{PROMPT}: left out, it reads titles, and the items have none")
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
