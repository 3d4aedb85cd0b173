"""Instructions after InstructRec (Zhang et al. 2023, arXiv 2305.07001): what somebody likes, what
they want now, and what a model is to do.

An instruction is preference x intention x task form, and perhaps a context. A model that was tuned
on some combinations is asked others. If it can answer them, it has learned the parts and how to put
them together, not a list of tasks. The wordings stand in ``instruct.yaml``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from tutorial_lib.data.dataset import Dataset
from tutorial_lib.data.shipped import read_yaml
from tutorial_lib.errors import InputError
from tutorial_lib.language.verbalise import Verbaliser, verbaliser

Combination = tuple[str, str, str]
PREFERENCES = ("none", "implicit", "explicit")  # implicit: the history; explicit: likes, in words
INTENTIONS = ("none", "vague", "specific")  # of what is wanted now: one attribute; several
FORMS = ("pointwise", "pairwise", "matching", "reranking")
# With neither preference nor intention, all users would ask the same, and the answer could only be
# what is popular.
COMBINATIONS: tuple[Combination, ...] = tuple(
    c for c in product(PREFERENCES, INTENTIONS, FORMS) if c[:2] != ("none", "none")
)
# Each value of a part, and each pair of values of two parts, also occurs outside these six: only
# the whole combination is new.
HELD_OUT: tuple[Combination, ...] = (
    ("none", "vague", "pairwise"),
    ("none", "specific", "reranking"),
    ("implicit", "none", "matching"),
    ("implicit", "specific", "pointwise"),
    ("explicit", "none", "reranking"),
    ("explicit", "vague", "pointwise"),
)
# the last of every list is held out
WORDINGS: dict = read_yaml(Path(__file__).with_name("instruct.yaml"))
WITH_CONTEXT = 0.5  # share of instructions with a sentence that says nothing about the answer
# items that a form shows: the target and random others
SHOWN = {"pointwise": 2, "pairwise": 2, "matching": 1, "reranking": 5}
YES_NO = ("yes", "no")
CUTOFF = 10  # a matching is right if the target is among so many of the catalogue


def seen_combinations() -> tuple[Combination, ...]:
    """All combinations that a model may be tuned on.

    >>> len(COMBINATIONS), len(HELD_OUT), len(seen_combinations())
    (32, 6, 26)
    """
    return tuple(combination for combination in COMBINATIONS if combination not in HELD_OUT)


@dataclass(frozen=True)
class Instruction:
    """A question, its answer, and what else could have been answered.

    Args:
        combination: (preference, intention, form).
        source: What is asked.
        target: The right answer; a space stands between the two.
        options: The answers to choose from: ("yes", "no"), or 2 or 5 titles; empty for matching,
            where every title of the catalogue is one.
        answer: Number of the right one, among the options or in the catalogue.
        choices: How many answers there are.
        item: The item that the user went on to, also where a pointwise instruction asks about
            another one.
    """

    combination: Combination
    source: str
    target: str
    options: tuple[str, ...]
    answer: int
    choices: int
    item: int


def instructions(
    dataset: Dataset,
    histories: Sequence[Sequence[int]],
    targets: Sequence[int],
    *,
    combinations: Sequence[Combination],
    seed: int = 0,
    held_out_wording: bool = False,
    words: Verbaliser | None = None,
) -> list[Instruction]:
    """One instruction for each history and its target.

    Number i depends on the seed, i, its history and its target alone. Vague and specific intentions
    tell attributes of the target, which a history does not: compare models on the same combinations
    only. The other items of a choice are drawn evenly from outside the history, so knowing what is
    popular is enough to beat chance.

    Args:
        dataset: Where items have no mood and one category, both intentions tell the same.
        histories: Item codes, oldest first.
        targets: One item code each, or arrays of one as in a `Split`; a target is left out of its
            history.
        combinations: Some of `COMBINATIONS`, drawn from evenly.
        seed: Of combinations, wordings and other items.
        held_out_wording: Every part in the one wording that is in no other instruction.
        words: How items are written (default: by title).

    >>> from tutorial_lib.data import load_dataset
    >>> movies, kinds = load_dataset("world-movies"), [("explicit", "specific", "matching")]
    >>> [one] = instructions(movies, [[5, 3]], [8], combinations=kinds)
    >>> one.source[:76]
    'It is a rainy evening. I like space and sharp movies. Please find a strange '
    >>> one.target
    'Cactus Files 3: Uncanny Sandstone Promise'
    """
    combinations = list(combinations)
    codes = [np.ravel(target) for target in targets]
    pasts = [np.ravel(history).astype(np.int64).tolist() for history in histories]
    catalogue = _catalogue(dataset, words or verbaliser(dataset))
    _refuse(dataset, catalogue, pasts, codes, combinations)
    made = []
    for i, (past, code) in enumerate(zip(pasts, codes, strict=True)):
        rng = np.random.default_rng([seed, i])
        made.append(
            _instruction(catalogue, past, int(code[0]), combinations, held_out_wording, rng)
        )
    return made


def _refuse(dataset: Dataset, catalogue: _Catalogue, histories, codes, combinations) -> None:
    """InputError for what cannot be asked."""
    unknown = [combination for combination in combinations if combination not in COMBINATIONS]
    if unknown or not combinations:
        raise InputError(
            f"instructions(combinations={unknown[:1]}): expected some of COMBINATIONS:"
            f" {COMBINATIONS[:2]}..."
        )
    if len(codes) != len(histories) or any(code.size != 1 for code in codes):
        raise InputError(
            f"instructions: expected one target for each of {len(histories)} histories; leave out"
            " users without a target"
        )
    known = [{*history, int(code[0])} for history, code in zip(histories, codes, strict=True)]
    used = {0}.union(*known)
    if min(used) < 0 or max(used) >= dataset.n_items:
        raise InputError(
            f"instructions: expected item codes in 0..{dataset.n_items - 1}, found"
            f" {min(used)}..{max(used)}"
        )
    if [] in histories and any(preference != "none" for preference, _, _ in combinations):
        raise InputError(
            f"instructions: history {histories.index([])} is empty and shows no preference; leave"
            " it out or use combinations without one"
        )
    put_into_words = any(c[0] == "explicit" or c[1] != "none" for c in combinations)
    if put_into_words and not any(catalogue.kinds) and not any(catalogue.moods):
        raise InputError(
            f"instructions: the items of {dataset.name} have no categories or moods to put into"
            " words; use implicit none only"
        )
    most = max(map(len, known), default=1)
    more = max(SHOWN[form] for _, _, form in combinations) - 1
    titles = len(set(catalogue.same))
    if titles < most + more:
        raise InputError(
            f"instructions: expected {more} items outside a history and its target, {most} items"
            f" in all; there are {titles} titles"
        )


@dataclass(frozen=True)
class _Catalogue:
    """Items in words.

    Args:
        words: Writes titles.
        same: One number per title, so that two items of one title are never a choice.
        kinds: Categories of every item.
        moods: Its mood, or nothing.
    """

    words: Verbaliser
    same: list[int]
    kinds: list[list[str]]
    moods: list[list[str]]

    def others(self, known: Sequence[int], many: int, rng: np.random.Generator) -> list[int]:
        """Items drawn evenly, no two titles alike, and none that of a ``known`` item."""
        taken = {self.same[item] for item in known}
        out: list[int] = []
        while len(out) < many:
            item = int(rng.integers(len(self.same)))
            if self.same[item] not in taken:
                taken.add(self.same[item])
                out.append(item)
        return out

    def likes(self, history: Sequence[int]) -> str:
        """The most frequent category and mood, or the two most frequent categories; of equally
        frequent ones the newest.
        """
        kinds = Counter(kind for item in reversed(history) for kind in self.kinds[item])
        moods = Counter(mood for item in reversed(history) for mood in self.moods[item])
        best = kinds.most_common(1 if moods else 2) + moods.most_common(1)
        return " and ".join(name for name, _ in best) or "good"

    def hint(self, item: int, place: float) -> str:
        """One attribute of an item; ``place``, from 0 to 1, says which."""
        hints = [f"something {mood}" for mood in self.moods[item]]
        hints += [f"something with {kind} in it" for kind in self.kinds[item]]
        return hints[int(place * len(hints))] if hints else "something good"

    def wish(self, item: int) -> str:
        """Mood and categories of an item."""
        wish = " ".join([*self.moods[item], self.words.noun])
        if self.kinds[item]:
            wish = f"{wish} with {' and '.join(self.kinds[item])} in it"
        elif not self.moods[item]:
            wish = f"good {wish}"
        return f"{'an' if wish[0].lower() in 'aeiou' else 'a'} {wish}"


def _catalogue(dataset: Dataset, words: Verbaliser) -> _Catalogue:
    nothing = [""] * dataset.n_items
    kinds = [
        [kind for kind in kinds if kind and kind != "unknown"]
        for kinds in dataset.items.get("categories", nothing)
    ]
    moods = [[mood] if mood else [] for mood in dataset.items.get("mood", nothing)]
    return _Catalogue(words, np.unique(words.titles, return_inverse=True)[1].tolist(), kinds, moods)


def _wording(options: list[str], held_out: bool, rng: np.random.Generator) -> str:
    return options[-1] if held_out else options[int(rng.random() * (len(options) - 1))]


def _instruction(
    catalogue: _Catalogue,
    history: list[int],
    target: int,
    combinations: list[Combination],
    held_out: bool,
    rng: np.random.Generator,
) -> Instruction:
    """All random numbers but those of the other items are drawn before anything depends on the
    target, so wordings say nothing about it.
    """
    combination = combinations[int(rng.random() * len(combinations))]
    parts = [_wording(WORDINGS["context"], held_out, rng)] if rng.random() < WITH_CONTEXT else []
    _, _, form = combination
    for part, name in zip(("preference", "intention", "form"), combination, strict=True):
        if name != "none":
            parts.append(_wording(WORDINGS[part][name], held_out, rng))
    hinted, at = rng.random(2)
    place = int(at * SHOWN[form])
    words = catalogue.words
    history = [item for item in history if catalogue.same[item] != catalogue.same[target]]
    shown = catalogue.others([*history, target], SHOWN[form] - 1, rng)
    shown.insert(place, target)
    titles = tuple(words.titles[item] for item in shown)
    separator = " or " if form == "pairwise" else words.separator
    source = " ".join(parts).format(
        history=words.history(history),
        likes=catalogue.likes(history),
        hint=catalogue.hint(target, hinted),
        wish=catalogue.wish(target),
        item=titles[0],
        options=separator.join(titles),
        noun=words.noun,
        plural=words.plural,
    )
    if form == "matching":
        n = len(words.titles)
        return Instruction(combination, source, titles[0], (), target, n, target)
    # a pointwise instruction asks about the first item shown: yes if that is the target
    options = YES_NO if form == "pointwise" else titles
    return Instruction(combination, source, options[place], options, place, len(options), target)
