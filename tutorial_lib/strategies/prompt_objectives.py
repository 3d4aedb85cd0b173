"""What a prompt is chosen by.

The loss of the next title, short answers that the model writes, or a choice among a few items. Each
takes prompts, [k, l] or [k, n, l], and gives a value for each of the n examples, [k, n]; lower is
better. ``calls`` counts the pairs of prompt and example read.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tutorial_lib.models.generation import beam_search, catalogue_trie
from tutorial_lib.strategies.prompt_examples import CLOSING, Examples, words_of

BEAMS = 5  # answers that are kept, and the cut-off of the surrogate metric
NEGATIVES = 4  # wrong items beside the right one


class TitleLoss:
    """Mean loss of the next title's tokens, nats: smooth, and cheapest."""

    def __init__(self, examples: Examples):
        self.examples = examples

    @property
    def calls(self) -> int:
        return self.examples.calls

    def __call__(self, prompts: Sequence | np.ndarray) -> np.ndarray:
        return self.examples.losses(prompts)


class ShortAnswers:
    """1 - NDCG@5 of five beams, no longer than a title, tokens compared exactly.

    PAP-REC's surrogate metric. A call counts once per beam.
    """

    def __init__(self, examples: Examples):
        self.examples = examples
        self.calls = 0
        self.trie = catalogue_trie(examples.lm, examples.words.titles)

    def __call__(self, prompts: Sequence | np.ndarray) -> np.ndarray:
        shaped = self.examples.shaped(prompts).numpy()
        self.calls += BEAMS * shaped.shape[0] * len(self.examples)
        return np.array(
            [
                [
                    self._one(history, item, tokens)
                    for (history, item), tokens in zip(self.examples.pairs, rows, strict=True)
                ]
                for rows in shaped
            ]
        )

    def _one(self, history, item: int, tokens: np.ndarray) -> float:
        """The objective of one prompt on one example."""
        examples = self.examples
        words = words_of(examples.lm, tokens.tolist()) + CLOSING if len(tokens) else ""
        answers = beam_search(
            examples.lm,
            f"{examples.words.history(history)}; {words}".strip(),
            examples.words.titles,
            beams=BEAMS,
            constrained=False,
            longest=examples.titles.shape[1],
            trie=self.trie,
        )
        place = np.flatnonzero(answers.items == item)
        return 1.0 - (1 / np.log2(place[0] + 2) if len(place) else 0.0)


class ItemChoice:
    """1 - NDCG@5 of the next item among four wrong ones, by the mean loss of their titles.

    Args:
        resample: other wrong items for every prompt that is looked at, as in PAP-REC's public code:
            two prompts are then compared on different questions, and luck is accepted.
    """

    def __init__(self, examples: Examples, resample: bool = False, seed: int = 0):
        self.examples = examples
        self.resample = resample
        self.calls = 0
        self.rng = np.random.default_rng([seed, 13])
        # histories are read once, whatever is asked about them
        repeated = [pair for pair in examples.pairs for _ in range(1 + NEGATIVES)]
        self.asked = Examples(examples.lm, examples.words, repeated)
        self._draw()

    def _draw(self) -> None:
        """Other wrong items."""
        items: list[int] = []
        everything = np.arange(len(self.examples.words.titles))
        for history, item in self.examples.pairs:
            others = self.rng.permutation(np.setdiff1d(everything, [*history, item]))
            items += [item, *others[:NEGATIVES]]
        self.asked = self.asked.asked_for(items)

    def __call__(self, prompts: Sequence | np.ndarray) -> np.ndarray:
        shaped = self.examples.shaped(prompts).numpy()
        if not self.resample:
            return self._read(shaped)
        values = []
        for one in shaped:
            self._draw()
            values.append(self._read(one[None]))
        return np.concatenate(values)

    def _read(self, prompts: np.ndarray) -> np.ndarray:
        repeated = np.repeat(prompts, 1 + NEGATIVES, axis=1)
        losses = self.asked.losses(repeated).reshape(len(prompts), -1, 1 + NEGATIVES)
        self.calls += losses.size
        rank = (losses < losses[..., :1]).sum(-1) + 1
        return 1.0 - 1 / np.log2(rank + 1)


PromptObjective = TitleLoss | ShortAnswers | ItemChoice
OBJECTIVES = ("loss", "answers", "choice")


def objective_on(
    name: str, examples: Examples, resample: bool = False, seed: int = 0
) -> PromptObjective:
    """The objective of that name, out of `OBJECTIVES`, on these examples."""
    if name == "choice":
        return ItemChoice(examples, resample, seed)
    return TitleLoss(examples) if name == "loss" else ShortAnswers(examples)
