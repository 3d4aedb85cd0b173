"""What a prompt is chosen by: the loss of the next title, short answers that the model writes, or a
choice among a few items.
"""

from __future__ import annotations

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

    def __call__(self, prompts) -> np.ndarray:
        """[k, l] or [k, n, l] -> [k, n]; lower is better, as in all objectives."""
        return self.examples.losses(prompts)


class ShortAnswers:
    """1 - NDCG@5 of five beams, no longer than a title, tokens compared exactly: PAP-REC's
    surrogate metric. A call counts once a beam.
    """

    def __init__(self, examples: Examples):
        self.examples, self.calls = examples, 0
        self.trie = catalogue_trie(examples.lm, examples.words.titles)

    def __call__(self, prompts) -> np.ndarray:
        e = self.examples
        shaped = e._shaped(prompts).numpy()
        self.calls += BEAMS * shaped.shape[0] * len(e)
        return np.array(
            [
                [self._one(pair, tokens) for pair, tokens in zip(e.pairs, one, strict=True)]
                for one in shaped
            ]
        )

    def _one(self, pair, tokens) -> float:
        e = self.examples
        text = (
            e.words.history(pair[0])
            + "; "
            + (words_of(e.lm, tokens) + CLOSING if len(tokens) else "")
        )
        found = beam_search(
            e.lm,
            text.strip(),
            e.words.titles,
            beams=BEAMS,
            constrained=False,
            longest=e.titles.shape[1],
            trie=self.trie,
        )
        place = np.flatnonzero(found.items == pair[1])
        return 1.0 - (1 / np.log2(place[0] + 2) if len(place) else 0.0)


class Choice:
    """1 - NDCG@5 of the next item among four wrong ones, by the mean loss of their titles.

    resample: other wrong items for every prompt that is looked at, as in PAP-REC's public code: two
        prompts are then compared on
    different questions, and luck is accepted.
    """

    def __init__(self, examples: Examples, resample: bool = False, seed: int = 0):
        self.examples, self.resample, self.calls = examples, resample, 0
        self.rng = np.random.default_rng([seed, 13])
        repeated = [pair for pair in examples.pairs for _ in range(1 + NEGATIVES)]
        self.asked = Examples(
            examples.lm, examples.words, repeated
        )  # histories are read once, whatever is asked about them
        self._draw()

    def _draw(self) -> None:
        items, n_items = [], len(self.examples.words.titles)
        for history, item in self.examples.pairs:
            others = self.rng.permutation(np.setdiff1d(np.arange(n_items), [*history, item]))[
                :NEGATIVES
            ]
            items += [item, *others]
        self.asked = self.asked.asked_for(items)

    def __call__(self, prompts) -> np.ndarray:
        shaped = self.examples._shaped(prompts).numpy()
        return (
            np.concatenate([self._read(one[None]) for one in shaped])
            if self.resample
            else self._read(shaped)
        )

    def _read(self, prompts: np.ndarray) -> np.ndarray:
        if self.resample:
            self._draw()
        losses = self.asked.losses(np.repeat(prompts, 1 + NEGATIVES, axis=1)).reshape(
            len(prompts), -1, 1 + NEGATIVES
        )
        self.calls += losses.size
        rank = (losses < losses[..., :1]).sum(-1) + 1
        return 1.0 - 1 / np.log2(rank + 1)


OBJECTIVES = ("loss", "answers", "choice")


def objective_on(name: str, examples: Examples, resample: bool = False, seed: int = 0):
    """The objective of that name, out of `OBJECTIVES`, on these examples."""
    return (
        {"loss": TitleLoss, "answers": ShortAnswers}[name](examples)
        if name != "choice"
        else Choice(examples, resample, seed)
    )
