"""Will this user like that item? The question in words, answered by the likelier of two words.

Source: TALLRec, Bao et al. 2023, arXiv 2305.00447; the words' own bias: Zhao et al. 2021,
arXiv 2102.09690.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from torch import Tensor

from tutorial_lib.data.histories import Histories
from tutorial_lib.data.likes import Rated, drawn_likes
from tutorial_lib.data.shipped import read_yaml
from tutorial_lib.errors import InputError, unknown_name
from tutorial_lib.language.verbalise import Verbaliser
from tutorial_lib.models.decoding import log_likelihood
from tutorial_lib.models.language_models import LanguageModel
from tutorial_lib.strategies import finetune
from tutorial_lib.strategies.adapted import Adapted
from tutorial_lib.strategies.soft_prompts import add_soft_prompt
from tutorial_lib.strategies.task import Task, count_tokens
from tutorial_lib.strategies.tuning import Budget

SHOWN = 4  # newest liked and newest disliked items that are written out
GAPS = ("{liked}", "{disliked}", "{item}")
LORA = Budget(1e-3, epochs=1.0, shortest=16, longest=48, size=8)
SOFT = Budget(1e-2, epochs=1.0, shortest=16, longest=48, size=8)


@dataclass(frozen=True)
class LikeWording:
    """A question with the gaps {liked}, {disliked} and {item}, and its two answers.

    >>> ask = LikeWording("Likes {liked}, not {disliked}. {item}?", ("yes", "no"))
    >>> ask.around({"liked": "A; B", "disliked": "nothing yet"})
    ('Likes A; B, not nothing yet.', '?')
    """

    source: str
    answers: tuple[str, str]

    def __post_init__(self) -> None:
        once = all(self.source.count(gap) == 1 for gap in GAPS)
        if not once or max(GAPS, key=self.source.find) != "{item}":
            raise InputError(
                f"wording {self.source!r}: expected each of {', '.join(GAPS)} once, {{item}} last"
            )

    def around(self, values: dict[str, str]) -> tuple[str, str]:
        """What stands before the item, and what behind it."""
        before, _, after = self.source.partition("{item}")
        for name, value in values.items():
            before = before.replace(f"{{{name}}}", value)
        return before.rstrip(), after


def like_wording(name: str) -> LikeWording:
    """A wording of ``like_wordings.yaml``; InputError for an unknown name."""
    if name not in LIKE_WORDINGS:
        raise unknown_name("wording for likes", name, LIKE_WORDINGS)
    return LIKE_WORDINGS[name]


LIKE_WORDINGS = {
    name: LikeWording(of["source"], tuple(of["answers"]))
    for name, of in read_yaml(Path(__file__).with_name("like_wordings.yaml")).items()
}


@dataclass
class LikePrompt:
    """A language model that is asked about likes in words.

    Attributes:
        lm: as it is after tuning.
        words: how items are written.
        wording: the question.
        account: the `Adapted` with what moved and what it cost.
    """

    lm: LanguageModel
    words: Verbaliser
    wording: LikeWording
    account: Adapted

    def score(self, histories: Sequence[Rated], items: Histories) -> list[np.ndarray]:
        """For each history, log p(yes) - log p(no) of its ``items``, in nats: above 0 is a yes.

        A history is read once for all of them; of a conversation, once for each.
        """
        out = []
        for history, asked in zip(histories, items, strict=True):
            before, after = self.wording.around(self.values(history))
            titles = [self.words.titles[item] for item in asked]
            if self.lm.chat:
                prompts = [f"{before} {title}{after}" for title in titles]
                logp = log_likelihood(self.lm, prompts, self.wording.answers).log_probability
            else:
                texts = [f"{title}{after} {a}" for title in titles for a in self.wording.answers]
                logp = log_likelihood(self.lm, [before], texts).log_probability.reshape(-1, 2)
            out.append(logp[:, 0] - logp[:, 1])
        return out

    def values(self, history: Rated) -> dict[str, str]:
        """Words for the gaps before the item."""
        sides = {"liked": history.liked, "disliked": ~history.liked}
        return {
            name: self.words.history(history.items[side][-SHOWN:]) for name, side in sides.items()
        }

    def loss(
        self, histories: Sequence[Rated], asked: Sequence[int], liked: Sequence[float]
    ) -> tuple[Tensor, int]:
        """Mean negative log-likelihood of the right answers, in nats a token; tokens read."""
        prompts, answers = [], []
        for history, item, truth in zip(histories, asked, liked, strict=True):
            before, after = self.wording.around(self.values(history))
            prompts.append(f"{before} {self.words.titles[item]}{after}")
            answers.append(self.wording.answers[0 if truth else 1])
        return self.lm.loss(prompts, answers), count_tokens(self.lm, prompts, answers)


@dataclass
class LikePromptTask(Task):
    """A `Task` whose loss is that of the answers to a question.

    Attributes:
        rated: rated histories of the labelled users.
        wording: the question.
    """

    rated: list[Rated] = field(default_factory=list)
    wording: LikeWording = LikeWording("{liked}{disliked}{item}", ("yes", "no"))

    def adapted(self, strategy: str) -> LikePrompt:
        """The model after a strategy of `LIKE_PROMPTS`."""
        adapt, budget = LIKE_PROMPTS[strategy]
        self.budget = self.budget or budget
        account = adapt(self)
        return LikePrompt(self.lm, self.words, self.wording, account)

    def tune(self, moving, *, budget: Budget | None = None, **more) -> Adapted:
        """As in `Task`, for the loss of the answers."""
        account = Adapted(self.lm, self.words, self.n_items)
        asked = LikePrompt(self.lm, self.words, self.wording, account)
        rng, chosen = np.random.default_rng([self.seed, 1]), budget or self.budget
        more["loss_of"] = lambda: asked.loss(*drawn_likes(self.rated, chosen.size, rng))
        return super().tune(moving, budget=chosen, **more)


def soft_likes(task: LikePromptTask) -> Adapted:
    """Vectors in place of the question's opening words, which they start as (`soft_prompts`)."""
    opening, gap, rest = task.wording.source.partition("{liked}")
    new = add_soft_prompt(task.lm, task.lm.prompt_ids(opening.rstrip()))
    task.wording = replace(task.wording, source=gap + rest)
    return task.tune({"prompt": new})


# name -> what moves, and its budget
LIKE_PROMPTS: dict[str, tuple[Callable, Budget | None]] = {
    "zero-shot": (finetune.pretrained_only, None),
    "soft-prompt": (soft_likes, SOFT),
    "lora-words": (finetune.lora, LORA),
}
