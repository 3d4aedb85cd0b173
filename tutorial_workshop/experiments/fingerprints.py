"""What a finished cell was made from: the model's files, the data, the settings. Where one has
changed, its number is of something else.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import os
from pathlib import Path

import pandas as pd

PROTOCOL = 2  # raise it when a cell of the same settings comes out otherwise
# bytes; of a larger file the first and the last megabyte are read, and its size and time stand
# for the rest
WHOLE = 1 << 30
EDGE = 1 << 20
LENGTH = 16  # digits of a checksum that are kept
WHAT = {
    "model": "other weights, configuration or tokenizer",
    "data": "other data",
    "settings": "other settings, or by another protocol",
}


def fingerprint(cell) -> dict[str, str]:
    """Of a `Cell`: "model" (files of its language model, "" for baselines), "data" (interactions
    and titles), "settings" (of the kit).

    Raises InputError for a dataset or a model that is not there.
    """
    model = model_fingerprint(cell.lm) if cell.lm else ""
    parts = (model, _data(cell.dataset, cell.task), _settings(cell))
    return dict(zip(WHAT, parts, strict=True))


def changes(found: dict | None, expected: dict[str, str]) -> str:
    """Why a cell with the fingerprint ``found`` cannot stand for one with ``expected``; empty where
    it can.

    >>> changes({"model": "a", "data": "b"}, {"model": "c", "data": "b"})
    'other weights, configuration or tokenizer'
    """
    if not isinstance(found, dict):
        return "an earlier version of the kit, which did not note its model and data"
    return ", ".join(WHAT[name] for name, value in expected.items() if found.get(name) != value)


def model_fingerprint(name: str) -> str:
    """SHA-256 over the files of a model's folder but those for readers; for a model of the Hub its
    name and commit.
    """
    from tutorial_lib.models.pretrained import model_source

    source = model_source(name)
    if not os.path.isdir(source):
        return f"{source}@{_commit(name)}"
    digest = hashlib.sha256()
    for path in sorted(Path(source).rglob("*")):
        if path.is_file() and path.suffix != ".md":
            state = path.stat()
            content = _file(str(path), state.st_size, state.st_mtime_ns)
            digest.update(f"{path.relative_to(source)}:{content}\n".encode())
    return digest.hexdigest()[:LENGTH]


@functools.lru_cache(maxsize=4)
def _commit(name: str) -> str | None:
    from tutorial_lib.models import load_language_model

    return getattr(load_language_model(name).model.config, "_commit_hash", None)


@functools.lru_cache(maxsize=256)
def _file(path: str, size: int, modified: int) -> str:
    """SHA-256 of a file; of a very large one that of its edges, size and time of change."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        if size <= WHOLE:
            return hashlib.file_digest(file, "sha256").hexdigest()
        digest.update(file.read(EDGE))
        file.seek(-EDGE, os.SEEK_END)
        digest.update(file.read() + f"{size} {modified}".encode())
    return digest.hexdigest()


@functools.lru_cache(maxsize=4)
def _data(dataset: str, task: str) -> str:
    from tutorial_workshop.experiments.cells import HELD_OUT, split_of

    ds = split_of(dataset, HELD_OUT if task == "like" else 1).dataset
    digest = hashlib.sha256()
    columns = ds.interactions[["user", "item", "rating", "timestamp"]]
    digest.update(pd.util.hash_pandas_object(columns, index=False).to_numpy().tobytes())
    digest.update("\n".join(map(str, ds.items["title"])).encode())
    return digest.hexdigest()[:LENGTH]


def _settings(cell) -> str:
    """Protocol, test users, and the defaults of what the cell fits."""
    from tutorial_lib import models
    from tutorial_lib.strategies import BARE, STRATEGIES, adapt
    from tutorial_lib.strategies.adapted import CALIBRATION
    from tutorial_lib.strategies.like_prompts import LIKE_PROMPTS, LIKE_WORDINGS, SHOWN
    from tutorial_lib.strategies.taxonomy import RANDOM_HISTORIES
    from tutorial_workshop.experiments import cells

    settings = [PROTOCOL, cells.CORE, cells.HELD_OUT, cell.users]
    if cell.strategy == "item-transformer":
        made = models.SequenceRecommender()
        settings += [made.plan, made.shape, made.objective]
    elif cell.strategy not in cells.BASELINES and cell.strategy in STRATEGIES:
        strategy = STRATEGIES[cell.strategy]
        of_adapt = _defaults(adapt) | {"calibrate": RANDOM_HISTORIES}
        settings += [BARE, CALIBRATION, of_adapt, _defaults(strategy.function)]
        settings.append(strategy.budget)
    if cell.task == "like" and cell.strategy in LIKE_PROMPTS:
        settings += [LIKE_PROMPTS[cell.strategy][1], LIKE_WORDINGS, SHOWN]
    return hashlib.sha256(repr(settings).encode()).hexdigest()[:LENGTH]


def _defaults(function) -> dict:
    """Its options and their defaults; how they are annotated does not matter."""
    parameters = inspect.signature(function).parameters.values()
    return {one.name: one.default for one in parameters if one.default is not one.empty}
