"""Instructions after InstructRec (Zhang et al. 2023, arXiv 2305.07001): what somebody likes, what
they want now, and what a model is to do.

An instruction = preference x intention x task form, and perhaps a context. A model tuned on some
combinations is asked others, never seen. If it can answer them, it has learned the parts and how to
put them together, not a list of tasks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from tutorial_lib.data.dataset import Dataset
from tutorial_lib.errors import InputError
from tutorial_lib.language.verbalise import Verbaliser, verbaliser

PREFERENCES = (
    "none",
    "implicit",
    "explicit",
)  # implicit: the history; explicit: what is liked, in words
INTENTIONS = (
    "none",
    "vague",
    "specific",
)  # vague: one attribute of what is wanted now; specific: several
FORMS = ("pointwise", "pairwise", "matching", "reranking")
Combination = tuple[str, str, str]
# neither preference nor intention: all users would ask the same, and the answer could only be what
# is popular
COMBINATIONS: tuple[Combination, ...] = tuple(
    c for c in product(PREFERENCES, INTENTIONS, FORMS) if c[:2] != ("none", "none")
)
# each value of a part, and each pair of values of two parts, also occurs outside these six: only
# the whole combination is new
HELD_OUT: tuple[Combination, ...] = (
    ("none", "vague", "pairwise"), ("none", "specific", "reranking"), ("implicit", "none", "matching"),
    ("implicit", "specific", "pointwise"), ("explicit", "none", "reranking"), ("explicit", "vague", "pointwise"),
)  # fmt: skip
# Wordings: the last of every row is held out
WITH_CONTEXT = 0.5  # share of instructions with a sentence that says nothing about the answer
CONTEXT = (
    "It is a rainy evening.",
    "I am on a train.",
    "The weekend has begun.",
    "There is an hour left before dinner.",
)
PREFERENCE = {
    "implicit": (
        "I chose {history}.",
        "My {plural}, in order: {history}.",
        "Lately I enjoyed {history}.",
        "Behind me lie {history}.",
    ),
    "explicit": (
        "I like {likes} {plural}.",
        "I prefer {likes} {plural}.",
        "My taste: {likes} {plural}.",
        "Give me {likes} {plural}.",
    ),
}
INTENTION = {
    "vague": (
        "I would like {hint}.",
        "Now I am in the mood for {hint}.",
        "This time I want {hint}.",
        "Let it be {hint}.",
    ),
    "specific": (
        "I am looking for {wish}.",
        "What I need is {wish}.",
        "Please find {wish}.",
        "My wish today: {wish}.",
    ),
}
FORM = {
    "pointwise": ("Is {item} right for me? Yes or no:", "Should I take {item}, yes or no? Answer:",
                  "Would {item} please me? Say yes or no:", "Do you recommend {item}? Please say yes or no:"),
    "pairwise": ("Which one suits me better, {options}? Answer:", "Choose one of the two: {options}. My choice:",
                 "If it is {options}, the better one for me is", "I hesitate between two {plural}, {options}. You decide:"),
    "matching": ("Which {noun} of all should I take? Answer:", "Recommend one {noun} to me:", "The best {noun} for me is",
                 "Out of the whole catalogue, name one for me:"),
    "reranking": ("Candidates: {options}. Rank them for me, best first:", "Order these {plural} for me: {options}. The best is",
                  "To choose from: {options}. On top of my list comes", "Sort by how well they suit me: {options}. Number one:"),
}  # fmt: skip
SHOWN = {
    "pointwise": 2,
    "pairwise": 2,
    "matching": 1,
    "reranking": 5,
}  # the target and random others
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
    """combination: (preference, intention, form). source: what is asked; target: the right answer,
    a space stands between them.

    options: the answers to choose from: ("yes", "no"), or 2 or 5 titles; empty for matching: every
        title of the catalogue is one.
    answer: number of the right one, among the options or in the catalogue. choices: how many
        answers there are.
    item: code of the item that the user went on to, also where a pointwise instruction asks about
        another one. user: code, or -1.
    """

    combination: Combination
    source: str
    target: str
    options: tuple[str, ...]
    answer: int
    choices: int
    item: int
    user: int = -1

    @property
    def text(self) -> str:
        return f"{self.source} {self.target}"


def instructions(
    dataset: Dataset, histories: Sequence[Sequence[int]], targets: Sequence[int], *, combinations: Sequence[Combination],
    seed: int = 0, users: Sequence[int] | None = None, held_out_wording: bool = False, words: Verbaliser | None = None,
) -> list[Instruction]:  # fmt: skip
    """One instruction for each history and its target; number i depends on ``seed``, i, its history
    and its target alone.

    histories: item codes, oldest first. targets: one item code each, or arrays of one as in a
        `Split`; a target is left out of its history.
    combinations: some of `COMBINATIONS`, drawn from evenly. Vague and specific intentions tell
        attributes of the target, which a history
    does not: compare models on the same combinations only. Where items have no mood and one
    category, both tell the same.
    held_out_wording: every part in the one wording that is in no other instruction.
    The other items of a choice are drawn evenly from outside the history, so knowing what is
    popular is enough to beat `chance`.

    >>> from tutorial_lib.data import load_dataset
    >>> [one] = instructions(load_dataset("world-movies"), [[5, 3]], [8], combinations=[("explicit", "specific", "matching")])
    >>> print(one.source)
    It is a rainy evening. I like space and sharp movies. Please find a strange movie with desert and drama in it. The best movie for me is
    >>> one.target
    'Cactus Files 3: Uncanny Sandstone Promise'
    """
    combinations = [tuple(combination) for combination in combinations]
    codes = [np.ravel(target) for target in targets]
    histories = [np.ravel(history).astype(np.int64).tolist() for history in histories]
    catalogue = _catalogue(dataset, words)
    _refuse(dataset, catalogue, histories, codes, combinations, users)
    people = [-1] * len(codes) if users is None else [int(user) for user in users]
    return [
        _instruction(
            catalogue,
            history,
            int(code[0]),
            user,
            combinations,
            held_out_wording,
            np.random.default_rng([seed, i]),
        )
        for i, (history, code, user) in enumerate(zip(histories, codes, people, strict=True))
    ]


def chance(examples: Sequence[Instruction], k: int = CUTOFF) -> float:
    """Expected share of right answers when every answer is as likely as any other; a matching may
    name ``k`` titles (k=1: one).

    >>> chance([Instruction(("none", "vague", "pairwise"), "A or B?", "A", ("A", "B"), answer=0, choices=2, item=0)])
    0.5
    """
    if not len(examples) or k < 1:
        raise InputError(
            f"chance(k={k}) of {len(examples)} instructions: expected at least one instruction, and"
            " k of at least 1"
        )
    return float(np.mean([min(1.0, (1 if one.options else k) / one.choices) for one in examples]))


def _refuse(
    dataset: Dataset, catalogue: _Catalogue, histories: list, codes: list, combinations: list, users
) -> None:
    unknown = next(
        (combination for combination in combinations if combination not in COMBINATIONS), None
    )
    if unknown is not None or not combinations:
        raise InputError(
            f"instructions(combinations={[unknown] if unknown else []}): expected some of"
            f" COMBINATIONS: {COMBINATIONS[:2]}..."
        )
    if len(codes) != len(histories) or any(code.size != 1 for code in codes):
        raise InputError(
            f"instructions: expected one target for each of {len(histories)} histories; leave out"
            " users without a target"
        )
    if users is not None and len(users) != len(histories):
        raise InputError(
            f"instructions: expected one user for each of {len(histories)} histories, got"
            f" {len(users)}"
        )
    used = np.concatenate(
        [*codes, *(np.array(history, dtype=np.int64) for history in histories), [0]]
    )
    if used.min() < 0 or used.max() >= dataset.n_items:
        raise InputError(
            f"instructions: expected item codes in 0..{dataset.n_items - 1}, found"
            f" {used.min()}..{used.max()}"
        )
    empty = next((row for row, history in enumerate(histories) if not history), None)
    if empty is not None and any(preference != "none" for preference, _, _ in combinations):
        raise InputError(
            f"instructions: history {empty} is empty and shows no preference; leave it out or use"
            " combinations without one"
        )
    if (
        not any(catalogue.kinds)
        and not any(catalogue.moods)
        and any(c[0] == "explicit" or c[1] != "none" for c in combinations)
    ):
        raise InputError(
            f"instructions: the items of {dataset.name} have no categories or moods to put into"
            " words; use implicit none only"
        )
    known = max(
        (len({*history, int(code[0])}) for history, code in zip(histories, codes, strict=True)),
        default=1,
    )
    more, titles = max(SHOWN[form] for _, _, form in combinations) - 1, len(set(catalogue.same))
    if titles < known + more:
        raise InputError(
            f"instructions: expected {more} items outside a history and its target, {known} items"
            f" in all; there are {titles} titles"
        )


@dataclass(frozen=True)
class _Catalogue:
    """same: one number a title, so that two items of one title are never a choice. kinds, moods: of
    every item, where there are any.
    """

    words: Verbaliser
    same: list[int]
    kinds: list[list[str]]
    moods: list[list[str]]

    def others(self, known: Sequence[int], many: int, rng: np.random.Generator) -> list[int]:
        """Items drawn evenly, with titles that differ from those of ``known`` and from one another."""
        taken, out = {self.same[item] for item in known}, []
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
        kinds, moods = (
            [name for item in reversed(history) for name in names[item]]
            for names in (self.kinds, self.moods)
        )
        best = Counter(kinds).most_common(1 if moods else 2) + Counter(moods).most_common(1)
        return " and ".join(name for name, _ in best) or "good"

    def hint(self, item: int, place: float) -> str:
        """One attribute of an item; place in 0..1 says which."""
        hints = [f"something {mood}" for mood in self.moods[item]] + [
            f"something with {kind} in it" for kind in self.kinds[item]
        ]
        return hints[int(place * len(hints))] if hints else "something good"

    def wish(self, item: int) -> str:
        """Mood and categories of an item."""
        kinds, first = (
            " and ".join(self.kinds[item]),
            " ".join([*self.moods[item], self.words.noun]),
        )
        wish = (
            f"{first} with {kinds} in it"
            if kinds
            else first
            if self.moods[item]
            else f"good {first}"
        )
        return f"{'an' if wish[0].lower() in 'aeiou' else 'a'} {wish}"


def _catalogue(dataset: Dataset, words: Verbaliser | None = None) -> _Catalogue:
    words, nothing = words or verbaliser(dataset), [""] * dataset.n_items
    kinds = [
        [kind for kind in kinds if kind and kind != "unknown"]
        for kinds in dataset.items.get("categories", nothing)
    ]
    moods = [[mood] if mood else [] for mood in dataset.items.get("mood", nothing)]
    return _Catalogue(words, np.unique(words.titles, return_inverse=True)[1].tolist(), kinds, moods)


def _instruction(
    catalogue,
    history,
    target: int,
    user: int,
    combinations,
    held_out: bool,
    rng: np.random.Generator,
) -> Instruction:
    """As many random numbers are drawn for one target as for another before any depends on it, so
    wordings say nothing about it.
    """

    def wording(options):
        return options[-1] if held_out else options[int(rng.random() * (len(options) - 1))]

    combination, words = combinations[int(rng.random() * len(combinations))], catalogue.words
    parts = [wording(CONTEXT)] if rng.random() < WITH_CONTEXT else []
    parts += [
        wording(table[name])
        for table, name in zip((PREFERENCE, INTENTION, FORM), combination, strict=True)
        if name != "none"
    ]
    form, (hinted, place) = combination[2], rng.random(2)
    history, place = (
        [item for item in history if catalogue.same[item] != catalogue.same[target]],
        int(place * SHOWN[form]),
    )
    shown = catalogue.others([*history, target], SHOWN[form] - 1, rng)
    shown.insert(place, target)
    titles = tuple(words.titles[item] for item in shown)
    source = " ".join(parts).format(
        history=words.history(history), likes=catalogue.likes(history), hint=catalogue.hint(target, hinted), wish=catalogue.wish(target),
        item=titles[0], options=(" or " if form == "pairwise" else words.separator).join(titles), noun=words.noun, plural=words.plural,
    )  # fmt: skip
    if form == "matching":
        return Instruction(
            combination, source, titles[0], (), target, len(words.titles), target, user
        )
    options = (
        YES_NO if form == "pointwise" else titles
    )  # asked about the first item shown: yes if that is the target
    return Instruction(
        combination, source, options[place], options, place, len(options), target, user
    )
