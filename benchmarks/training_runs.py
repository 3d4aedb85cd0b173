"""One training run of the kit, for training.py: its clock stands still during evaluations."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from tutorial_lib.evaluation import evaluate
from tutorial_lib.models.sequence_recommender import SequenceRecommender

LENGTH = 100  # RecTools' session_max_len
MATCHED = {"width": 64, "layers": 2, "heads": 4, "length": LENGTH}
# of RecTools' feed-forward layers: SASRec keeps the width, BERT4Rec takes it four times
EXPANSION = {"causal": 1, "masked": 4}


class Clock:
    """Seconds since it was made, on the wall and of processor time, less the pauses."""

    def __init__(self):
        self.start = self._now()

    @staticmethod
    def _now() -> np.ndarray:
        return np.array([time.perf_counter(), time.process_time()])

    def now(self) -> np.ndarray:
        return self._now() - self.start

    @contextlib.contextmanager
    def pause(self):
        begin = self._now()
        yield
        self.start += self._now() - begin


def pace(runs: list[Run]) -> np.ndarray:
    """Median seconds an epoch over all runs: on the wall, in processor time."""
    return np.array(
        [np.median(np.concatenate([run.per_epoch(clock) for run in runs])) for clock in (0, 1)]
    )


def seconds_text(runs: list[Run]) -> str:
    """Seconds an epoch: median on the wall (in processor time), least-most on the wall."""
    (wall, cpu), each = pace(runs), np.concatenate([run.per_epoch() for run in runs])
    return f"{wall:.2f} ({cpu:.2f}), {each.min():.2f}-{each.max():.2f}"


@dataclass
class Run:
    """What is recorded of one training run.

    Args:
        seconds: wall and processor time at the end of each epoch.
        curve: (epoch, seconds, validation NDCG@10).
        counts: of each epoch, items read, targets, and whatever else was counted.
        shape: arguments of the kit's Transformer.
        test: per-user metrics with the weights of the best validation NDCG@10.
    """

    seconds: list[np.ndarray] = field(default_factory=list)
    curve: list[tuple[int, float, float]] = field(default_factory=list)
    counts: list[dict] = field(default_factory=list)
    shape: dict = field(default_factory=dict)
    test: pd.DataFrame | None = None

    def per_epoch(self, clock: int = 0) -> np.ndarray:
        """Seconds of each epoch but the first, which holds the preparation; or of the only one."""
        each = np.diff(np.array([np.zeros(2), *self.seconds])[:, clock])
        return each[1:] if len(each) > 1 else each

    def counted(self, what: str) -> float:
        return float(np.mean([count.get(what, 0) for count in self.counts]))


class Tally:
    """An objective that counts what it is asked: items with and without padding, pairs, targets."""

    def __init__(self, objective):
        self.objective = objective
        self.total = dict.fromkeys(("items", "padded", "pairs", "square", "targets"), 0)

    def __getattr__(self, name: str):
        if name == "objective":
            raise AttributeError(name)
        return getattr(self.objective, name)

    def corrupt(self, sequences, vocabulary, generator):
        batch = self.objective.corrupt(sequences, vocabulary, generator)
        sizes = (sequences != vocabulary.pad).sum(dim=1)
        square = int((sizes * sizes).sum())
        pairs = int((sizes * (sizes + 1)).sum()) // 2 if batch.causal else square
        new = {
            "items": int(sizes.sum()),
            "padded": sequences.numel(),
            "pairs": pairs,
            "square": square,
            "targets": len(batch.labels),
        }
        self.total = {name: value + new[name] for name, value in self.total.items()}
        return batch

    def take(self) -> dict:
        total, self.total = self.total, dict.fromkeys(self.total, 0)
        return total


class Watched(SequenceRecommender):
    """Scoring stops the clock; counting the ranks (milliseconds) counts against the kit."""

    clock: Clock

    def score(self, histories, users=None):
        with self.clock.pause():
            return super().score(histories, users)


def kit_run(
    split, objective, *, seed: int = 0, judge: bool = True, tell=lambda *_: None, **settings
) -> Run:
    """Fit the kit's model with ``settings`` of `SequenceRecommender`.

    Args:
        judge: evaluate on test afterwards.
    """
    run, tally = Run(), Tally(objective)

    def on_epoch(epoch) -> None:
        run.seconds.append(model.clock.now())
        run.counts.append(tally.take())
        if epoch.ndcg is not None:
            run.curve.append((epoch.number, run.seconds[-1][0], epoch.ndcg))
            tell(*run.curve[-1])

    model = Watched(tally, on_epoch=on_epoch, **settings)
    run.shape = model.shape
    model.clock = Clock()
    model.fit(split, seed=seed)
    if judge:
        run.test = evaluate(model, split, k=10)
    return run
