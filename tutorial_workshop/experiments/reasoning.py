"""Writing a thought before the answer: what the next item is about, then its title."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tutorial_lib.data import Dataset
from tutorial_lib.data.histories import Histories
from tutorial_lib.errors import InputError
from tutorial_lib.language.verbalise import Verbaliser, verbaliser
from tutorial_lib.models.best_titles import best_titles
from tutorial_lib.models.decoding import log_likelihood
from tutorial_lib.strategies import Adapted


@dataclass(frozen=True)
class Reasoned(Verbaliser):
    """A `Verbaliser` whose answers begin with a thought; histories are written as ever.

    Args:
        thoughts: One text per item.
    """

    thoughts: tuple[str, ...] = ()

    @property
    def answers(self) -> tuple[str, ...]:
        pairs = zip(self.thoughts, super().answers, strict=True)
        return tuple(f"{thought}: {answer}" for thought, answer in pairs)


def words_with(thought: str, dataset: Dataset, seed: int = 0) -> Verbaliser:
    """How a model answers.

    Since an item has one theme, the likelihood of "theme: title" is p(theme | history) times
    p(title | history, theme): ranking whole answers is the sum over all thoughts, not over the one
    that was written first.

    Args:
        thought: "none" (the title alone), "theme" (what the item is about, then the title),
            "filler" (what an item is called, as many tokens), or "shuffled" (themes dealt out to
            other items: as many words, with nothing behind them).
        dataset: A planted world: its first category is the theme.
        seed: Of "shuffled".
    """
    plain = verbaliser(dataset)
    themes = [categories[0] for categories in dataset.items["categories"]]
    if thought == "none":
        return plain
    dealt = np.random.default_rng([seed, 59]).permutation(len(themes))
    thoughts = {
        "theme": themes,
        "filler": [plain.noun] * len(themes),
        "shuffled": [themes[item] for item in dealt],
    }
    if thought not in thoughts:
        raise InputError(f"words_with({thought!r}): expected none, {', '.join(thoughts)}")
    own = (plain.titles, plain.noun, plain.plural, plain.limit, plain.separator, plain.closing)
    return Reasoned(*own, tuple(thoughts[thought]))


def committed(model: Adapted, histories: Histories, k: int = 10) -> np.ndarray:
    """Lists of a model that first writes its likeliest thought, and then goes on behind that one
    only: int [n, k], -1 where fewer items go with it.
    """
    of_item = np.array(model.words.thoughts)
    thoughts = sorted(set(of_item))
    prompts = model.prompts(histories)
    found = log_likelihood(model.lm, prompts, [f"{thought}:" for thought in thoughts])
    written = np.array(thoughts)[found.log_probability.argmax(axis=1)]
    hidden = [
        np.union1d(np.asarray(history, dtype=np.int64), np.flatnonzero(of_item != thought))
        for history, thought in zip(histories, written, strict=True)
    ]
    return best_titles(model.lm, prompts, model.trie, k, hidden=hidden).items
