"""Short dialogues in which somebody asks for a recommendation: made from templates, a dataset's
histories and their targets.

An item stands in the text as its code, so that a model may read and write it as one token (see
`models.pointer`). No word of the reply before the item depends on which item it is: a model that is
given those words learns nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tutorial_lib.data.dataset import Dataset
from tutorial_lib.errors import InputError
from tutorial_lib.language.verbalise import verbaliser

ASKED, SEEKER, RECOMMENDER = (
    0.5,
    "Seeker:",
    "Recommender:",
)  # share of dialogues in which the recommender asks back
OPENINGS = (
    "I enjoyed {items}.",
    "Lately I liked {items}. What should I take next?",
    "My last {plural} were {items}.",
    "After {items} I want something new.",
)
NEWCOMER = "Hello, I am looking for a {noun}. I know none here yet."
QUESTIONS = {
    "mood": ("What mood are you in?", "Which mood should the {noun} have?"),
    "kind": ("What kind of {noun} are you looking for?", "Is there a kind that you like most?"),
}
ANSWERS = {
    "mood": ("Something {facet}, please.", "I am in the mood for something {facet}."),
    "kind": ("One with {facet} in it, if you can.", "I like {facet} most."),
}
REPLIES = (
    "How about {item}?",
    "How about {item}? It is {about}.",
    "Then I would suggest {item}.",
    "I have an idea. Try {item}.",
    "{item} would suit you.",
    "{item} could be next. Tell me how you like it.",
    "People with your taste went on with {item}.",
    "My suggestion is {item}, {about}.",
)


@dataclass(frozen=True)
class Dialogue:
    """turns: the whole dialogue in pieces, str = words, int = item code; an item stands for a space
    and its title.

    reply_start: number of the piece at which the recommender's last reply starts; it lasts to the
        end. target: the one item it names.

    >>> talk = Dialogue(("Seeker: I liked", 2, ". Recommender:", " How about", 0, "?"), reply_start=3, target=0)
    >>> talk.reply, talk.text(("Dark Comet", "Sunny Reef", "Quiet Owl"))
    ((' How about', 0, '?'), 'Seeker: I liked Quiet Owl. Recommender: How about Dark Comet?')
    """

    turns: tuple[str | int, ...]
    reply_start: int
    target: int

    def __post_init__(self) -> None:
        named = [piece for piece in self.reply if not isinstance(piece, str)]
        if self.reply_start < 1 or named != [self.target]:
            raise InputError(
                f"Dialogue: expected words before the reply, and one item in it, {self.target}; it"
                f" names {named}"
            )

    @property
    def context(self) -> tuple[str | int, ...]:
        return self.turns[: self.reply_start]

    @property
    def reply(self) -> tuple[str | int, ...]:
        return self.turns[self.reply_start :]

    def text(self, titles: Sequence[str]) -> str:
        return "".join(
            piece if isinstance(piece, str) else f" {titles[piece]}" for piece in self.turns
        )


def dialogues(
    dataset: Dataset, histories: Sequence[Sequence[int]], targets: Sequence[int], seed: int = 0
) -> list[Dialogue]:
    """One dialogue for each history and its target; number i depends on ``seed``, i, its history
    and its target alone.

    histories: item codes, oldest first; the 2 to 4 newest are named. targets: one item code each,
        or arrays of one as in a `Split`.
    Where the dataset has moods or categories, the recommender asks for the target's in half of the
    dialogues: so a dialogue may tell more than its history does, and its recall is not to be
    compared with that of a model that sees histories alone.

    >>> from tutorial_lib.data import load_dataset
    >>> [talk] = dialogues(load_dataset("world-movies"), [[5, 3]], [8])
    >>> talk.turns[1], talk.turns[3], talk.reply
    (5, 3, (' How about', 8, '?'))
    """
    codes = [np.ravel(target) for target in targets]
    if len(codes) != len(histories) or any(code.size != 1 for code in codes):
        raise InputError(
            f"dialogues: expected one target for each of {len(histories)} histories; leave out"
            " users without a target"
        )
    used = np.concatenate(
        [*codes, *(np.asarray(history, dtype=np.int64) for history in histories), [0]]
    )
    if used.min() < 0 or used.max() >= dataset.n_items:
        raise InputError(
            f"dialogues: expected item codes in 0..{dataset.n_items - 1}, found"
            f" {used.min()}..{used.max()}"
        )
    words, facets = verbaliser(dataset), _facets(dataset)
    names, rows = (
        {"noun": words.noun, "plural": words.plural},
        enumerate(zip(histories, codes, strict=True)),
    )
    return [
        _dialogue(history, int(code[0]), names, facets, np.random.default_rng([seed, i]))
        for i, (history, code) in rows
    ]


def _facets(dataset: Dataset) -> dict[str, list[Sequence[str]]]:
    """What may be asked for: moods and kinds of every item, where the dataset has any."""
    moods, kinds = (dataset.items.get(column, []) for column in ("mood", "categories"))
    out = {
        "mood": [[mood] if mood else [] for mood in moods],
        "kind": [list(categories) for categories in kinds],
    }
    return {key: values for key, values in out.items() if any(values)}


def _dialogue(
    history, target: int, names: dict[str, str], facets: dict[str, list], rng: np.random.Generator
) -> Dialogue:
    """As many random numbers are drawn for one target as for another, so wordings say nothing about
    it.
    """

    def pick(options):
        return options[int(rng.random() * len(options))]

    newest = [f"<item {item}>" for item in list(history)[-pick((2, 3, 4)) :]]
    opening, ask, reply = (
        pick(OPENINGS) if newest else NEWCOMER,
        rng.random() < ASKED and facets,
        pick(REPLIES),
    )
    said = [
        SEEKER,
        opening.format(
            items=" and ".join(filter(None, [", ".join(newest[:-1]), *newest[-1:]])), **names
        ),
    ]
    if ask:
        key = pick(list(facets))
        answer = pick(ANSWERS[key]).format(facet=pick(facets[key][target] or ["any"]))
        said += [RECOMMENDER, pick(QUESTIONS[key]).format(**names), SEEKER, answer]
    first = next((values[target][0] for values in facets.values() if values[target]), "good")
    about = f"{'an' if first[0].lower() in 'aeiou' else 'a'} {first} {names['noun']}"
    context, replied = (
        _pieces(" ".join([*said, RECOMMENDER])),
        _pieces(" " + reply.format(item=f"<item {target}>", about=about)),
    )
    return Dialogue((*context, *replied), len(context), target)


def _pieces(text: str) -> tuple[str | int, ...]:
    """Words and items in turn; the space before an item belongs to it."""
    return tuple(
        int(part) if i % 2 else part
        for i, part in enumerate(re.split(r" <item (\d+)>", text))
        if part
    )
