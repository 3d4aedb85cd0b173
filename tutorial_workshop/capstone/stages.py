"""Stages of a run, each kept in the output folder and used again where nothing has changed."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd

from tutorial_lib.data.shipped import write_whole

METRICS = ["ndcg@10", "hit@10"]
Value = dict[str, Any]  # what a stage found, as JSON keeps it


class Stages:
    """The stages of one run, and the time that it may take.

    Args:
        folder: of the output; ``stages/`` in it holds a file a stage.
        key: of all that the stages depend on; a file of another key is made anew.
        minutes: that the whole run may take.
        tell: gets a line for every stage.
        start: when the run began, by `time.perf_counter` (default: now).
    """

    def __init__(
        self,
        folder: Path,
        key: str,
        minutes: float,
        tell: Callable[[str], None],
        start: float | None = None,
    ):
        self.folder, self.key, self.tell = folder / "stages", key, tell
        self.total = 60.0 * minutes
        self.start = time.perf_counter() if start is None else start

    def left(self, reserve: float = 0.0) -> float:
        """Seconds that are left, but for a share of the whole that later stages need."""
        return self.total * (1 - reserve) - (time.perf_counter() - self.start)

    def get(self, name: str, compute: Callable[[], Value]) -> Value:
        """What a stage found, now or in an earlier run."""
        path = self.folder / f"{name}.json"
        with suppress(OSError, ValueError, KeyError, TypeError):
            kept = json.loads(path.read_text(encoding="utf-8"))
            if kept["key"] == self.key:
                self.tell(f"{name}: kept from an earlier run")
                return kept["value"]
        start = time.perf_counter()
        value = compute()
        seconds = round(time.perf_counter() - start, 1)
        record = {"key": self.key, "seconds": seconds, "value": value}
        write_whole(path, json.dumps(record).encode())
        self.tell(f"{name}: {value.get('said') or 'done'} ({seconds:.0f} s)")
        return value


def as_columns(frame: pd.DataFrame) -> Value:
    """A per-user frame as JSON keeps it."""
    users = {"users": [int(user) for user in frame.index]}
    return users | {name: frame[name].round(6).tolist() for name in METRICS}


def kept_frame(value: Value) -> pd.DataFrame:
    """The per-user frame that a stage kept."""
    index = pd.Index(value["users"], name="user")
    return pd.DataFrame({name: value[name] for name in METRICS}, index=index)


def key_of(files: list[Path], **options: object) -> str:
    """A checksum of the content of files and of options."""
    digest = hashlib.sha256(json.dumps(options, sort_keys=True, default=str).encode())
    for path in files:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
