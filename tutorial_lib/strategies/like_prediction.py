"""Like or dislike instead of the next item: the same strategies, asked whether a user will like it.

The question has one answer for every rating, where the next item has one for every user: that is
what gives its AUC statistical power. Source: TALLRec, arXiv 2305.00447.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from tutorial_lib.data.histories import Histories
from tutorial_lib.data.likes import Rated, drawn_likes, rated_histories
from tutorial_lib.errors import InputError, unknown_name
from tutorial_lib.models.kept import title_vectors
from tutorial_lib.models.language_models import LanguageModel
from tutorial_lib.strategies import finetune
from tutorial_lib.strategies.adapted import TEMPERATURE, Adapted
from tutorial_lib.strategies.like_prompts import (
    LIKE_PROMPTS,
    LikePrompt,
    LikePromptTask,
    like_wording,
)
from tutorial_lib.strategies.task import Task, own_words
from tutorial_lib.strategies.tuning import Budget, labelled_users

SHOWN = 8  # newest liked and newest disliked items of a history that are read
SHORT = Budget(1e-3, epochs=1.0, shortest=16, longest=32, size=8)  # a step reads whole histories
BUDGETS = {"full": replace(SHORT, learning_rate=1e-4)}  # of the others: SHORT
HEAD = Budget(3e-3, epochs=20.0, longest=400, size=64, weight_decay=0.1)
UNTUNED = ("pre-train-only", "zero-shot")
# strategies that read vectors; those that ask for a text's likelihood have no encoder to ask
LIKE_STRATEGIES: dict[str, Callable] = {
    "pre-train-only": finetune.pretrained_only,
    "head": lambda task: task.tune({}, budget=HEAD),
    "top-layers": finetune.top_layers,
    "full": finetune.full,
    "lora": finetune.lora,
    "from-scratch": finetune.from_scratch,
}


class LikeHead(nn.Module):
    """score = temperature^-1 * ((A (l - d)) . e / 4 + v . e) + b: a logit of "will like it".

    l and d are the mean vectors of liked and of disliked items [n, D] (0 where there is none), e is
    the vector of the item asked about [n, D]. A starts as the identity, v and b at 0: untuned, the
    score is the higher, the nearer an item is to liked items and the farther from disliked ones.
    """

    def __init__(self, width: int):
        super().__init__()
        self.map = nn.Linear(width, width, bias=False)
        self.taste = nn.Parameter(torch.zeros(width))
        self.bias = nn.Parameter(torch.zeros(1))
        with torch.no_grad():
            self.map.weight.copy_(torch.eye(width))

    def forward(self, liked: Tensor, disliked: Tensor, items: Tensor) -> Tensor:
        near = (self.map(liked - disliked) * items).sum(-1) / (4 * TEMPERATURE)
        return near + items @ self.taste / TEMPERATURE + self.bias


@dataclass
class LikeTask(Task):
    """A `Task` whose loss is that of the likes, and whose head moves with what a strategy moves.

    Attributes:
        rated: rated histories of the labelled users.
        frozen: the encoder does not move for now, so item vectors are computed once.
        own: the strategy's budget, where none was asked for.
    """

    rated: list[Rated] = field(default_factory=list)
    frozen: bool = False
    own: Budget = SHORT

    def __post_init__(self) -> None:
        super().__post_init__()
        self.head = LikeHead(self.lm.width)
        self.vectors = self.item_vectors() if self.frozen else None

    def item_vectors(self) -> Tensor:
        """Of all items, [n_items, D]."""
        return title_vectors(self.lm, self.words.titles)

    def tune(self, moving, *, budget: Budget | None = None, **more) -> Adapted:
        """As in `Task`, for the loss of the likes; the head moves too."""
        rng = np.random.default_rng([self.seed, 1])
        budget = self.budget or budget or self.own
        return super().tune(
            {**moving, "head": [*moving.get("head", ()), *self.head.parameters()]},
            budget=budget,
            loss_of=lambda: self.loss(budget.size, rng),
            **more,
        )

    def loss(self, size: int, rng: np.random.Generator) -> tuple[Tensor, int]:
        """Binary cross-entropy of ratings, each predicted from those before it; tokens read."""
        histories, asked, truth = drawn_likes(self.rated, size, rng)
        shown = [items for history in histories for items in newest_of_each_kind(history)]
        needed = np.unique(np.concatenate([*shown, asked]))
        vectors, tokens = self.vectors, len(needed)
        if vectors is None:
            titles = [self.words.titles[item] for item in needed]
            tokens = sum(len(self.lm.prompt_ids(title)) for title in titles)
            vectors = torch.zeros(self.n_items, self.lm.width)
            vectors = vectors.index_put((torch.from_numpy(needed),), self.lm.vectors(titles))
        logits = self.head(*mean_vectors(histories, vectors), vectors[torch.tensor(asked)])
        return F.binary_cross_entropy_with_logits(logits, torch.tensor(truth)), tokens


def newest_of_each_kind(history: Rated) -> tuple[np.ndarray, np.ndarray]:
    """The newest liked and the newest disliked items, at most `SHOWN` each."""
    return history.items[history.liked][-SHOWN:], history.items[~history.liked][-SHOWN:]


def mean_vectors(histories: Sequence[Rated], vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Mean vector of the liked and of the disliked items of each history, both [n, D].

    Zeros where there are none.
    """
    means = torch.zeros(2, len(histories), vectors.shape[1])
    for row, history in enumerate(histories):
        for kind, items in enumerate(newest_of_each_kind(history)):
            if len(items):
                means[kind, row] = vectors[torch.from_numpy(items)].mean(0)
    return means[0], means[1]


@dataclass
class LikePredictor:
    """A fitted predictor of likes.

    Attributes:
        head: gives the logits.
        vectors: of all items, [n_items, D].
        account: the `Adapted` with ``.moved``, ``.n_trainable``, ``.seconds``, ``.flops``.
    """

    head: LikeHead
    vectors: Tensor
    account: Adapted

    def score(self, histories: Sequence[Rated], items: Histories) -> list[np.ndarray]:
        """For each history, the logits that its ``items`` are liked."""
        with torch.inference_mode():
            liked, disliked = mean_vectors(histories, self.vectors)
            logits = []
            for row, asked in enumerate(items):
                vectors = self.vectors[torch.as_tensor(np.asarray(asked))]
                sides = (side[row].expand(len(vectors), -1) for side in (liked, disliked))
                logits.append(self.head(*sides, vectors).numpy())
            return logits


def adapt_likes(
    lm: LanguageModel,
    split,
    strategy: str = "head",
    labels: int = 64,
    seed: int = 0,
    *,
    budget: Budget | None = None,
    wording: str = "plain",
) -> LikePredictor | LikePrompt:
    """Adapt a language model to likes, from the rated training histories of ``labels`` users.

    The model is asked for vectors of titles (`LIKE_STRATEGIES`), or in words
    (`like_prompts.LIKE_PROMPTS`). Where pre-trained weights move below a head, that is fitted
    first, with the encoder frozen, and then goes on with it; ``account.moved`` is that of the last
    stage.

    Args:
        lm: is not changed.
        split: of a dataset with ratings.
        strategy: one of `LIKE_STRATEGIES` or `LIKE_PROMPTS`.
        labels: number of users, drawn by ``seed``.
        seed: of everything that is drawn.
        budget: in place of the strategy's own.
        wording: of `like_prompts.like_wordings`, where the model is asked in words.

    Raises:
        InputError: An unknown strategy or wording, more labels than users, no labels where
            something is tuned, or a dataset without ratings.

    Source: linear probing, then fine-tuning: Kumar et al. 2022, arXiv 2202.10054.
    """
    if strategy not in (names := [*LIKE_STRATEGIES, *LIKE_PROMPTS]):
        raise unknown_name("strategy for likes", strategy, names)
    if labels < 1 and strategy not in UNTUNED:
        raise InputError(
            f"adapt_likes(labels={labels}): strategy {strategy!r} tunes something and needs at"
            " least 1 labelled user"
        )
    rated = rated_histories(split)
    rows = labelled_users(split, labels, seed)
    known_to_task: dict[str, Any] = {
        "lm": lm.clone(),
        "words": own_words(lm, split.dataset),
        "histories": [split.train[row] for row in rows],
        "n_items": split.dataset.n_items,
        "seed": seed,
        "budget": budget,
        "rated": [rated[row] for row in rows],
    }
    start = time.perf_counter()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if strategy in LIKE_PROMPTS:
            asked = LikePromptTask(**known_to_task, wording=like_wording(wording))
            fitted: LikePredictor | LikePrompt = asked.adapted(strategy)
        else:
            fitted = _by_vectors(known_to_task, strategy)
    account = fitted.account
    account.strategy, account.labels, account.seed = strategy, labels, seed
    account.seconds = time.perf_counter() - start if account.seconds else 0.0
    return fitted


def _by_vectors(known: dict[str, Any], strategy: str) -> LikePredictor:
    """`adapt_likes` from vectors of titles."""
    frozen = strategy != "from-scratch"
    task = LikeTask(**known, frozen=frozen, own=BUDGETS.get(strategy, SHORT))
    if frozen and strategy not in ("head", "pre-train-only"):
        task.tune({}, budget=HEAD)
        task.vectors = None
    account = LIKE_STRATEGIES[strategy](task)
    vectors = task.item_vectors() if task.vectors is None else task.vectors
    return LikePredictor(task.head, vectors, account)
