"""What a prompt is chosen by, on validation examples; lower is better.

Each takes prompts, [k, l] or [k, n, l], and gives a value for each of the n examples, [k, n].
``calls`` counts the answers read or written behind a prompt.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tutorial_lib.models.generation import beam_search, catalogue_trie
from tutorial_lib.strategies.prompt_examples import Examples

BEAMS = 5  # answers that are kept, and the cut-off of the surrogate metric


class AnswerLoss:
    """The examples' own loss: of the right answer, or of choosing it among wrong ones.

    Args:
        examples: to choose by.
        others: texts from which other wrong answers are drawn for every prompt that is looked
            at, as in PAP-REC's public code: two prompts are then compared on different questions,
            and luck is accepted.
        seed: of what is drawn.
    """

    def __init__(self, examples: Examples, others: Sequence[str] = (), seed: int = 0):
        self.examples, self.others = examples, np.array(others)
        self.rng = np.random.default_rng([seed, 13])
        self.calls = 0

    def __call__(self, prompts: Sequence | np.ndarray) -> np.ndarray:
        shaped = self.examples.shaped(prompts).numpy()
        self.calls += self.examples.titles[..., 0].numel() * len(shaped)
        if not len(self.others):
            return self.examples.losses(shaped)
        return np.concatenate([self._redrawn().losses(one[None]) for one in shaped])

    def _redrawn(self) -> Examples:
        rows = []
        for right, *wrong in self.examples.answers:
            drawn = self.rng.choice(self.others[self.others != right], len(wrong), replace=False)
            rows.append([right, *drawn])
        return self.examples.asked(rows)


class ShortAnswers:
    """1 - NDCG@5 of five beams, no longer than an answer, compared token by token.

    PAP-REC's surrogate metric. A call counts once per beam.

    Args:
        examples: to choose by.
        titles: of the catalogue; a beam that spells one of them is an answer.
    """

    def __init__(self, examples: Examples, titles: Sequence[str]):
        self.examples, self.titles = examples, titles
        self.calls = 0
        self.trie = catalogue_trie(examples.lm, titles)

    def __call__(self, prompts: Sequence | np.ndarray) -> np.ndarray:
        shaped = self.examples.shaped(prompts).numpy()
        self.calls += BEAMS * shaped.shape[0] * len(self.examples)
        return np.array([[self._one(i, row) for i, row in enumerate(rows)] for rows in shaped])

    def _one(self, example: int, tokens: np.ndarray) -> float:
        """The objective of one prompt on one example."""
        answers = beam_search(
            self.examples.lm,
            self.examples.text(example, tokens.tolist()),
            self.titles,
            beams=BEAMS,
            constrained=False,
            longest=self.examples.titles.shape[2],
            trie=self.trie,
        )
        right = self.examples.answers[example][0]
        place = [
            i for i, item in enumerate(answers.items) if item >= 0 and self.titles[item] == right
        ]
        return 1.0 - (1 / np.log2(place[0] + 2) if place else 0.0)


PromptObjective = AnswerLoss | ShortAnswers
