"""An item Transformer that knows when things happened, and when the next one is asked for.

What it is told is more than a blind model knows: at the time of a real request the clock is known,
in an offline test it is the time of the held-out event. Its results belong in no ranking with those
of blind models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn as nn
from torch import Generator, Tensor

from tutorial_lib.data.histories import Histories, check_histories
from tutorial_lib.errors import InputError
from tutorial_lib.models.sequence import ItemTransformer
from tutorial_lib.models.sequence_recommender import SequenceRecommender
from tutorial_lib.objectives import Autoregressive
from tutorial_lib.objectives.batch import SPECIAL, Batch, Vocabulary, lengths, with_start
from tutorial_lib.recommender import fitted

LONGEST = 26  # gaps of 2**26 seconds (two years) and more are one bucket
NOTHING_BEFORE = LONGEST + 1  # bucket of the [START] token, which has no time


@dataclass(frozen=True)
class TimedBatch(Batch):
    """A batch whose tokens have times.

    Args:
        times: int [B, L], in seconds: when the item after each token happens.
    """

    times: Tensor | None = None

    def share(self, part: int, parts: int) -> TimedBatch:
        if parts > 1:
            raise InputError("TimeAwareRecommender trains in one process; start one only")
        return self


@dataclass(frozen=True, eq=False)
class TimedAutoregressive(Autoregressive):
    """`Autoregressive`, reading sequences of *events*: their items, and when they happened.

    An event's code is its number in ``items`` plus the size of the vocabulary.
    """

    items: Tensor = torch.empty(0, dtype=torch.long)
    times: Tensor = torch.empty(0, dtype=torch.long)

    def corrupt(self, sequences: Tensor, vocabulary: Vocabulary, generator: Generator) -> Batch:
        items, times = self._of_events(sequences, vocabulary)
        return TimedBatch(**vars(super().corrupt(items, vocabulary, generator)), times=times)

    def query(self, histories: Tensor, vocabulary: Vocabulary) -> Batch:
        """The last event of each sequence is the one asked for: of it only the time is read."""
        items, times = self._of_events(histories, vocabulary)
        rows, last = torch.arange(len(items)), lengths(items, vocabulary) - 1
        items[rows, last] = vocabulary.pad
        tokens = with_start(items, vocabulary)[:, :-1]
        return TimedBatch(tokens, True, rows, last, torch.zeros_like(last), times=times)

    def _of_events(self, sequences: Tensor, vocabulary: Vocabulary) -> tuple[Tensor, Tensor]:
        event = (sequences - vocabulary.size).clamp(min=0)
        padding = sequences == vocabulary.pad
        return self.items[event].masked_fill(padding, vocabulary.pad), self.times[event]


class TimeAwareTransformer(ItemTransformer):
    """A causal `ItemTransformer` in which token i looks at token j the more or the less, the longer
    ago j was when the item after i happened:

        softmax_j(q_i . k_j / sqrt(d) + b(t_{i+1} - t_j)),   b learned for each head and bucket;

    bucket 0 is "the same second", bucket n from 2**(n-1) seconds to less than 2**n.

    Source: Zhai et al. 2024 (HSTU, arXiv 2402.17152), relative attention bias; HSTU itself has no
        softmax.
    """

    def __init__(self, n_items: int, heads: int = 2, **shape):
        super().__init__(n_items, heads=heads, **shape)
        self.time_bias = nn.Embedding(NOTHING_BEFORE + 1, heads)
        nn.init.zeros_(self.time_bias.weight)  # starts as the blind model

    def forward(self, batch: TimedBatch) -> Tensor:  # type: ignore[override]
        bias = self.time_bias(gap_buckets(batch.times)).permute(0, 3, 1, 2)  # [B, heads, L, L]
        length = batch.tokens.shape[1]
        future = torch.ones(length, length, dtype=torch.bool, device=bias.device).triu(1)
        bias = bias.masked_fill(future, -torch.inf)
        return super().forward(replace(batch, causal=False, visible=bias))


def gap_buckets(times: Tensor) -> Tensor:
    """Buckets of the time from each earlier item to the item after each token.

    Args:
        times: int [B, L], when the item after each token happens; token 0 is [START].

    Returns:
        int [B, L, L], row i, column j.

    >>> gap_buckets(torch.tensor([[100, 100, 107]]))[0].tolist()
    [[27, 0, 0], [27, 0, 0], [27, 3, 3]]
    """
    gaps = (times[:, :, None] - times[:, None, :-1]).clamp(min=0)
    buckets = (gaps + 0.5).log2().floor().long().add(1).clamp(0, LONGEST)
    return torch.cat([torch.full_like(times[:, :, None], NOTHING_BEFORE), buckets], dim=2)


class TimeAwareRecommender(SequenceRecommender):
    """`SequenceRecommender` (auto-regressive) with a `TimeAwareTransformer`.

    `score` needs ``users``: for a user's history it knows, from the data set it was fitted on, when
    its events and the one after it happened. Validation targets are not looked at; the weights of
    the last epoch are kept.

    Args:
        shape: Sizes, dropout and plan, as in `SequenceRecommender`.

    >>> from tutorial_lib.data import leave_last_out, load_dataset
    >>> split = leave_last_out(load_dataset("world-news").subset_users(range(40)))
    >>> model = TimeAwareRecommender(width=8, layers=1, epochs=1).fit(split, progress=False)
    >>> model.recommend(split.test_history[:2], k=3, users=split.users[:2]).shape
    (2, 3)
    """

    def __init__(self, **shape):
        super().__init__("autoregressive", **shape)

    def _build(self, n_items: int) -> ItemTransformer:
        return TimeAwareTransformer(n_items, **self.shape)

    def fit(self, split, *, seed: int = 0, progress: bool = True) -> TimeAwareRecommender:
        dataset = split.dataset
        table = dataset.interactions.iloc[dataset.sorted_rows()]
        self._items = table["item"].to_numpy(dtype=np.int64)
        sizes = np.bincount(table["user"], minlength=dataset.n_users)
        self._starts = np.concatenate([[0], np.cumsum(sizes)])
        times = torch.tensor(table["timestamp"].to_numpy(dtype=np.int64))
        self.objective = TimedAutoregressive(items=torch.tensor(self._items), times=times)
        unseen = replace(split, valid_target=[np.empty(0, dtype=np.int64)] * len(split.users))
        super().fit(unseen, seed=seed, progress=progress)
        return self

    def _sequences(self, split) -> list[np.ndarray]:
        return self._events(split.train, split.users, 0)

    @torch.inference_mode()
    def score(self, histories: Histories, users: Sequence[int] | None = None) -> np.ndarray:
        """float32 [n, n_items]; see the class for ``users``."""
        check_histories(histories, fitted(self).n_items)
        if users is None:
            raise InputError(
                "TimeAwareRecommender.score: users are missing; expected the user code of each"
                " history, whose times are looked up: score(histories, users=users)"
            )
        out = np.empty((len(histories), self.n_items), dtype=np.float32)
        for rows, hidden in self._read(self._events(histories, users, 1)):
            out[rows] = self.model.item_scores(hidden).float().cpu().numpy()
        return out

    def _events(self, histories: Histories, users, more: int) -> list[np.ndarray]:
        """The codes of the events of each history, and of ``more`` events after it."""
        rows = []
        for history, user in zip(histories, users, strict=True):
            start, stop = self._starts[user], self._starts[user + 1]
            items = np.asarray(history, dtype=np.int64)
            end = start + len(items)
            if end + more > stop or not np.array_equal(self._items[start:end], items):
                raise InputError(
                    f"TimeAwareRecommender: the history of user {user} does not begin that user's"
                    " events in the data set, or none follows it, so its times are not known;"
                    " expected histories as leave_last_out gives them"
                )
            rows.append(np.arange(start, end + more) + self.n_items + len(SPECIAL))
        return rows
