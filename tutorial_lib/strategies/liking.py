"""Like or dislike instead of the next item: the same strategies, asked whether a user will like an
item (TALLRec, arXiv 2305.00447).

The question has one answer for every rating, where the next item has one for every user: that is
what gives its AUC statistical power.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from tutorial_lib.data.likes import Rated, rated_histories
from tutorial_lib.errors import InputError, unknown_name
from tutorial_lib.language.verbalise import verbaliser
from tutorial_lib.models.language_models import LanguageModel
from tutorial_lib.strategies import finetune
from tutorial_lib.strategies.adapted import TEMPERATURE, Adapted
from tutorial_lib.strategies.task import Task
from tutorial_lib.strategies.tuning import Budget, labelled_users

SHOWN = 8  # newest liked and newest disliked items of a history that are read
HEAD = Budget(3e-3, epochs=20.0, longest=400, size=64, weight_decay=0.1)
LIKING: dict[str, Callable] = {
    "pre-train-only": finetune.pretrained_only,
    "head": lambda task: task.tuned({}, HEAD),
    "top-layers": finetune.top_layers,
    "full": finetune.full,
    "lora": finetune.lora,
    "from-scratch": finetune.from_scratch,
}  # strategies that read vectors; those that ask for a text's likelihood have no encoder to ask


class Liker(nn.Module):
    """score = temperature^-1 * (A (l - d)) . e + v . e + b: a logit of "will like it".

    l, d: mean vectors of liked and of disliked items [n, D] (0 where there is none), e: vector of
        the item asked about [n, D]. A starts as
    the identity, v and b at 0: untuned, an item is liked the more, the nearer it is to liked items
    and the farther from disliked ones.
    """

    def __init__(self, width: int):
        super().__init__()
        self.map = nn.Linear(width, width, bias=False)
        self.taste, self.bias = nn.Parameter(torch.zeros(width)), nn.Parameter(torch.zeros(1))
        with torch.no_grad():
            self.map.weight.copy_(torch.eye(width))

    def forward(self, liked: Tensor, disliked: Tensor, items: Tensor) -> Tensor:
        return (
            (self.map(liked - disliked) * items).sum(-1) / (4 * TEMPERATURE)
            + items @ self.taste / TEMPERATURE
            + self.bias
        )


@dataclass
class LikeTask(Task):
    """A `Task` whose loss is that of the likes, and whose head moves with whatever a strategy
    moves.
    """

    rated: list[Rated] = field(default_factory=list)
    frozen: bool = False  # for now the encoder does not move: item vectors are computed once

    def __post_init__(self) -> None:
        super().__post_init__()
        self.liker = Liker(self.lm.width)
        self.vectors = self.item_vectors() if self.frozen else None

    def item_vectors(self) -> Tensor:
        with torch.no_grad():
            return self.lm.vectors(self.words.titles)

    def plan(self, learning_rate: float, **more) -> Budget:
        return self.budget or Budget(
            min(learning_rate, 1e-3), epochs=1.0, shortest=16, longest=32, size=8
        )

    def tuned(self, chosen, budget: Budget, *, added=None, **more) -> Adapted:
        top = list(self.liker.parameters())
        chosen, added = (
            {**groups, "head": [*groups.get("head", ()), *top]} for groups in (chosen, added or {})
        )
        rng = np.random.default_rng([self.seed, 1])
        return super().tuned(
            chosen,
            self.budget or budget,
            added=added,
            loss_of=lambda: self.loss(budget.size, rng),
            **more,
        )

    def loss(self, size: int, rng: np.random.Generator) -> tuple[Tensor, int]:
        """Binary cross-entropy of ``size`` ratings, each predicted from the ratings before it;
        tokens read.
        """
        able = [rated for rated in self.rated if len(rated.items) > 2]
        weights = np.array([len(rated.items) - 2 for rated in able], dtype=float)
        drawn = [able[row] for row in rng.choice(len(able), size=size, p=weights / weights.sum())]
        ends = [int(rng.integers(2, len(rated.items))) for rated in drawn]
        histories = [rated.before(end) for rated, end in zip(drawn, ends, strict=True)]
        asked = [rated.items[end] for rated, end in zip(drawn, ends, strict=True)]
        truth = torch.tensor(
            [float(rated.liked[end]) for rated, end in zip(drawn, ends, strict=True)]
        )
        shown = [side for history in histories for side in sides(history)]
        needed = np.unique(np.concatenate([*shown, asked]))
        vectors = self.vectors
        if vectors is None:
            vectors = torch.zeros(self.n_items, self.lm.width).index_put(
                (torch.from_numpy(needed),),
                self.lm.vectors([self.words.titles[item] for item in needed]),
            )
        tokens = (
            len(needed)
            if self.vectors is not None
            else sum(len(self.lm.prompt_ids(self.words.titles[item])) for item in needed)
        )
        return (
            F.binary_cross_entropy_with_logits(
                self.liker(*means(histories, vectors), vectors[torch.tensor(asked)]), truth
            ),
            tokens,
        )


def sides(history: Rated) -> tuple[np.ndarray, np.ndarray]:
    """The newest liked and the newest disliked items, at most `SHOWN` each."""
    return history.items[history.liked][-SHOWN:], history.items[~history.liked][-SHOWN:]


def means(histories: Sequence[Rated], vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Mean vector of the liked and of the disliked items of each history, both [n, D]; zeros where
    there are none.
    """
    zero = vectors.new_zeros(vectors.shape[1])
    parts = [
        [vectors[torch.from_numpy(side)].mean(0) if len(side) else zero for side in sides(history)]
        for history in histories
    ]
    return tuple(torch.stack(column) for column in zip(*parts, strict=True))


@dataclass
class Likes:
    """A fitted predictor of likes. account: the `Adapted` with ``.moved``, ``.n_trainable``,
    ``.seconds``, ``.flops``.
    """

    liker: Liker
    vectors: Tensor
    account: Adapted

    def score(self, histories: Sequence[Rated], items: Sequence[Sequence[int]]) -> list[np.ndarray]:
        """For each history, the logit of liking each of its ``items``."""
        with torch.inference_mode():
            liked, disliked = means(histories, self.vectors)
            rows = [torch.as_tensor(np.asarray(asked)) for asked in items]
            return [
                self.liker(
                    liked[i].expand(len(row), -1),
                    disliked[i].expand(len(row), -1),
                    self.vectors[row],
                ).numpy()
                for i, row in enumerate(rows)
            ]


def adapt_likes(
    lm: LanguageModel,
    split,
    strategy: str = "head",
    labels: int = 64,
    seed: int = 0,
    *,
    budget: Budget | None = None,
) -> Likes:
    """Adapt a language model to likes, from the rated training histories of ``labels`` users.

    Where pre-trained weights move, the head is fitted first, with the encoder frozen, and then goes
    on with it (linear probing, then fine-tuning: Kumar et al. 2022, arXiv 2202.10054);
    ``account.moved`` tells what moved in that last stage.

    lm: is not changed. strategy: one of `LIKING`; budget: in place of the strategy's own. Raises
        InputError for an unknown strategy, more
    labels than users, no labels where something is tuned, and a dataset without ratings.
    """
    if strategy not in LIKING:
        raise unknown_name("strategy for likes", strategy, LIKING)
    if labels < 1 and strategy != "pre-train-only":
        raise InputError(
            f"adapt_likes(labels={labels}): strategy {strategy!r} tunes something and needs at"
            " least 1 labelled user"
        )
    rated, rows = rated_histories(split), labelled_users(split, labels, seed)
    words, frozen = verbaliser(split.dataset), strategy != "from-scratch"
    known = [rated[row] for row in rows]
    histories, n_items = [split.train[row] for row in rows], split.dataset.n_items
    task = LikeTask(
        lm.clone(),
        words,
        histories,
        n_items,
        seed,
        budget,
        None,
        split.dataset,
        split.users[rows],
        known,
        frozen,
    )
    start = time.perf_counter()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if frozen and strategy not in ("head", "pre-train-only"):
            task.tuned({}, HEAD)
            task.vectors = None
        account = LIKING[strategy](task)
    account.strategy, account.labels, account.seed = strategy, labels, seed
    account.seconds = time.perf_counter() - start if account.seconds else 0.0
    return Likes(task.liker, task.item_vectors() if task.vectors is None else task.vectors, account)
