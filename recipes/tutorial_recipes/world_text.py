"""Titles, makers, descriptions and reviews of planted worlds.

The words come from two tables: ``world_words.yaml`` here, and the themes and moods of
`tutorial_lib.data.worlds`. Every choice is an index computed from uniform random numbers, so that
the text is a pure function of the seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tutorial_lib.data import worlds
from tutorial_lib.data.shipped import read_yaml

WORDS = worlds.WORDS | read_yaml(Path(__file__).with_name("world_words.yaml"))
THEMES = [(name, *words.values()) for name, words in WORDS["themes"].items()]
MOODS = list(WORDS["moods"].values())
SENTIMENTS = ("negative", "mixed", "positive")
TITLES = {  # of items in a series
    "movies": "{series} {volume}: {title}",
    "products": "{title}, {series} No. {volume}",
    "news": "{title} ({series}, part {volume})",
}


def pick(
    random: np.random.Generator, options: int | np.ndarray, size: int | tuple[int, ...]
) -> np.ndarray:
    """Uniform integers 0..options-1. Built on ``random()`` alone, whose stream numpy keeps stable
    over versions.
    """
    return _index(random.random(size), options)


def _index(u: np.ndarray, options: int | np.ndarray) -> np.ndarray:
    """Uniform numbers in [0, 1) as integers 0..options-1."""
    return np.minimum((u * options).astype(np.int64), np.asarray(options) - 1)


def number_within(groups: np.ndarray) -> np.ndarray:
    """0, 1, 2, ... within each group, in order of appearance."""
    order = np.argsort(groups, kind="stable")
    _, starts, sizes = np.unique(groups[order], return_index=True, return_counts=True)
    out = np.empty(len(groups), dtype=np.int64)
    out[order] = np.arange(len(groups)) - np.repeat(starts, sizes)
    return out


def _combination(
    number: int, options: Sequence[Sequence[str]], start: int, stride: int
) -> tuple[list[str], str]:
    """The ``number``-th of all combinations in a scattered order.

    Returns:
        One word from each of ``options``, and a numeral (" II", ...) where all combinations had to
        be used up before, "" the first time. ``stride`` must be coprime to their number.
    """
    capacity = int(np.prod([len(words) for words in options]))
    again, index = divmod(number, capacity)
    index = (start + index * stride) % capacity
    chosen = []
    for words in options:
        index, digit = divmod(index, len(words))
        chosen.append(words[digit])
    return chosen, f" {_roman(again + 1)}" if again else ""


def _roman(number: int) -> str:
    text = ""
    for value, sign in ((10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I")):
        text += sign * (number // value)
        number %= value
    return text


def series_names(domain: str, theme: np.ndarray) -> list[str]:
    """One unique name per series, such as "Coral Chronicles"; ``theme``: index per series."""
    names = []
    for number, t in zip(number_within(theme).tolist(), theme.tolist(), strict=True):
        _, title_words, _, _ = THEMES[t]
        options = (title_words, WORDS["series"][domain])
        chosen, numeral = _combination(number, options, start=17 * t, stride=37)
        names.append(" ".join(chosen).title() + numeral)
    return names


def provider_names(domain: str, number: int) -> list[str]:
    """Unique made-up names of makers, such as "Quilovane Studio"; the domains share none."""
    options = (*WORDS["syllables"], WORDS["makers"][domain])
    start = 401 * list(WORDS["makers"]).index(domain)
    names = []
    for i in range(number):
        (*syllables, kind), numeral = _combination(i, options, start, stride=1201)
        names.append(f"{''.join(syllables)} {kind}".title() + numeral)
    return names


def titles(
    domain: str,
    theme: np.ndarray,
    mood: np.ndarray,
    form: np.ndarray,
    series: list[str],
    volume: np.ndarray,
) -> list[str]:
    """One unique title per item.

    Its words carry theme, mood and form, and for a series its name and volume (0: no series).
    """
    nouns = list(WORDS["forms"][domain].values())
    cell = (theme * len(MOODS) + mood) * len(nouns) + form
    columns = [x.tolist() for x in (number_within(cell), cell, theme, mood, form, volume)]
    out = []
    for number, c, t, m, f, v, name in zip(*columns, series, strict=True):
        _, title_words, _, _ = THEMES[t]
        options = (MOODS[m], title_words, nouns[f])  # 8, 18 and 6 words
        chosen, numeral = _combination(number, options, start=101 * c, stride=325)
        title = " ".join(chosen).title() + numeral
        out.append(TITLES[domain].format(title=title, series=name, volume=v) if v else title)
    return out


def descriptions(
    domain: str, theme: np.ndarray, mood: np.ndarray, form: np.ndarray, random: np.random.Generator
) -> list[str]:
    """One sentence per item: mood, form, what it is about, where."""
    forms = list(WORDS["forms"][domain])
    draws = random.random((len(theme), 8))
    columns = [x.tolist() for x in (theme, mood, form, draws)]
    out = []
    for t, m, f, u in zip(*columns, strict=True):
        name, _, subjects, places = THEMES[t]
        tone = _at(MOODS[m], u[0])
        # two different subjects
        first = int(u[2] * len(subjects))
        second = first + 1 + int(u[3] * (len(subjects) - 1))
        kind = "soft_materials" if forms[f] in WORDS["soft_forms"] else "hard_materials"
        text = _at(WORDS["descriptions"][domain], u[6]).format(
            tone=tone,
            a_tone=f"{'an' if tone[0] in 'aeiou' else 'a'} {tone}",
            form=forms[f],
            theme=name,
            place=_at(places, u[1]),
            first=subjects[first],
            second=subjects[second % len(subjects)],
            who=_at(WORDS["who"][domain], u[4]),
            does=_at(WORDS["does"][domain], u[5]),
            material=_at(WORDS[kind], u[7]),
        )
        out.append(text[0].upper() + text[1:])
    return out


def reviews(
    domain: str,
    theme: np.ndarray,
    mood: np.ndarray,
    strength: np.ndarray,
    weakness: np.ndarray,
    rating: np.ndarray,
    random: np.random.Generator,
) -> tuple[list[str], list[tuple[str, ...]], list[str]]:
    """Text, named features and sentiment of every review.

    Sentiment follows the rating: >= 4 positive, 3 mixed, <= 2 negative. With probability .7 the
    praise is for the item's strength and the blame for its weakness, else for any feature.

    Args:
        domain: "movies", "products" or "news".
        theme: theme index of the reviewed item, like the next four one entry per review.
        mood: its mood index.
        strength: feature index.
        weakness: feature index.
        rating: 1..5.
        random: the stream to draw from.
    """
    names = WORDS["features"][domain]
    contexts = WORDS["contexts"][domain]
    draws = random.random((len(rating), 10))
    praised = np.where(draws[:, 0] < 0.7, strength, _index(draws[:, 1], len(names)))
    blamed = np.where(draws[:, 2] < 0.7, weakness, _index(draws[:, 3], len(names)))
    blamed = np.where(blamed == praised, (blamed + 1) % len(names), blamed)
    levels = np.digitize(rating, [2.5, 3.5])
    columns = [x.tolist() for x in (theme, mood, praised, blamed, levels, draws[:, 4:])]
    texts = []
    features = []
    for t, m, good, bad, level, u in zip(*columns, strict=True):
        sentiment = SENTIMENTS[level]
        opinions = WORDS["opinions"][sentiment]
        if sentiment == "mixed":
            named: tuple[str, ...] = (names[good], names[bad])
            first, second = (_with_verb(feature) for feature in named)
            body = f"The {first} {_at(opinions, u[2])}, the {second} {_at(opinions, u[3])}"
        else:
            named = (names[good if sentiment == "positive" else bad],)
            _, _, subjects, _ = THEMES[t]
            about = f"something so {_at(MOODS[m], u[3])} about {_at(subjects, u[4])}"
            body = f"The {_with_verb(named[0])} {_at(opinions, u[2])} for {about}"
        opening = f"{_at(WORDS['openings'][sentiment], u[0])}, {_at(contexts, u[1])}"
        texts.append(f"{opening}. {body}. {_at(WORDS['closings'][sentiment], u[5])}")
        features.append(named)
    return texts, features, [SENTIMENTS[level] for level in levels.tolist()]


def _at(options: Sequence[str], u: float) -> str:
    return options[int(u * len(options))]


def _with_verb(feature: str) -> str:
    return f"{feature} {'are' if feature in WORDS['plural_features'] else 'is'}"
