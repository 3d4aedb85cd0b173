"""Titles, makers, descriptions and reviews of planted worlds, written from the words of
`world_words`.

Every choice is an index computed from uniform random numbers, so that the text is a pure function
of the seed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tutorial_recipes import world_words as words

THEMES = list(words.THEMES)
THEME_WORDS = [text.split() for text, _, _ in words.THEMES.values()]
SUBJECTS = [text.split(",") for _, text, _ in words.THEMES.values()]
PLACES = [text.split(",") for _, _, text in words.THEMES.values()]
MOODS = list(words.MOODS)
MOOD_WORDS = [text.split() for text in words.MOODS.values()]
SENTIMENTS = ("negative", "mixed", "positive")


def pick(
    random: np.random.Generator, options: int | np.ndarray, size: int | tuple[int, ...]
) -> np.ndarray:
    """Uniform integers 0..options-1. Built on ``random()`` alone, whose stream numpy keeps stable
    over versions.
    """
    return np.minimum((random.random(size) * options).astype(np.int64), np.asarray(options) - 1)


def forms(domain: str) -> list[str]:
    """The second category of a domain: genre, kind of product, desk of a newspaper."""
    return list(words.FORMS[domain])


def number_within(groups: np.ndarray) -> np.ndarray:
    """0, 1, 2, ... within each group, in order of appearance."""
    order = np.argsort(groups, kind="stable")
    _, starts, sizes = np.unique(groups[order], return_index=True, return_counts=True)
    out = np.empty(len(groups), dtype=np.int64)
    out[order] = np.arange(len(groups)) - np.repeat(starts, sizes)
    return out


def _mixed_radix(
    number: int, options: Sequence[Sequence[str]], start: int, stride: int
) -> tuple[list[str], int]:
    """The ``number``-th of all combinations in a scattered order, and how often the combinations
    had to be used up before.
    """
    capacity = int(np.prod([len(o) for o in options]))
    again, index = divmod(number, capacity)
    index = (start + index * stride) % capacity
    chosen = []
    for option in options:
        index, digit = divmod(index, len(option))
        chosen.append(option[digit])
    return chosen, again + 1


def series_names(domain: str, theme: np.ndarray) -> list[str]:
    """One unique name a series, such as "Coral Chronicles"; ``theme``: theme index of every series."""
    names = []
    for number, t in zip(number_within(theme).tolist(), theme.tolist(), strict=True):
        chosen, again = _mixed_radix(
            number, (THEME_WORDS[t], words.SERIES[domain]), start=17 * t, stride=37
        )
        names.append(" ".join(chosen).title() + (f" {_roman(again)}" if again > 1 else ""))
    return names


def provider_names(domain: str, number: int) -> list[str]:
    """Unique made-up maker names, such as "Quilovane Studio"; the domains share none."""
    first, vowel, last = words.SYLLABLES
    start = 401 * list(words.MAKERS).index(domain)
    names = []
    for i in range(number):
        (a, b, c, kind), again = _mixed_radix(
            i, (first, vowel, last, words.MAKERS[domain]), start, stride=1201
        )
        names.append(f"{a}{b}{c} {kind}".title() + (f" {_roman(again)}" if again > 1 else ""))
    return names


def titles(
    domain: str,
    theme: np.ndarray,
    mood: np.ndarray,
    form: np.ndarray,
    series: list[str],
    volume: np.ndarray,
) -> list[str]:
    """One unique title an item; its words carry theme, mood and form, and for a series its name and
    volume (0: no series).
    """
    nouns = [text.split() for text in words.FORMS[domain].values()]
    cell = (theme * len(MOODS) + mood) * len(nouns) + form
    template = {
        "movies": "{series} {volume}: {title}",
        "products": "{title}, {series} No. {volume}",
        "news": "{title} ({series}, part {volume})",
    }[domain]
    out = []
    columns = (number_within(cell), cell, theme, mood, form, volume)
    for (number, c, t, m, f, v), name in zip(
        zip(*(x.tolist() for x in columns), strict=True), series, strict=True
    ):
        chosen, again = _mixed_radix(
            number, (MOOD_WORDS[m], THEME_WORDS[t], nouns[f]), start=101 * c, stride=325
        )  # coprime to 8 * 18 * 6
        title = " ".join(chosen).title() + (f" {_roman(again)}" if again > 1 else "")
        out.append(template.format(title=title, series=name, volume=v) if v else title)
    return out


def _roman(number: int) -> str:
    parts = ((10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I"))
    text = ""
    for value, sign in parts:
        text += sign * (number // value)
        number %= value
    return text


def descriptions(
    domain: str, theme: np.ndarray, mood: np.ndarray, form: np.ndarray, random: np.random.Generator
) -> list[str]:
    """One sentence an item: mood, form, what it is about, where."""
    kinds, templates = forms(domain), words.DESCRIPTIONS[domain]
    draws = random.random((len(theme), 8))
    out = []
    for t, m, f, u in zip(
        theme.tolist(), mood.tolist(), form.tolist(), draws.tolist(), strict=True
    ):
        tone = _at(MOOD_WORDS[m], u[0])
        first, second = _two(SUBJECTS[t], u[2], u[3])
        text = _at(templates, u[6]).format(
            tone=tone,
            a_tone=f"{'an' if tone[0] in 'aeiou' else 'a'} {tone}",
            form=kinds[f],
            theme=THEMES[t],
            place=_at(PLACES[t], u[1]),
            first=first,
            second=second,
            who=_at(words.WHO[domain], u[4]),
            does=_at(words.DOES[domain], u[5]),
            material=_at(
                words.SOFT_MATERIALS if kinds[f] in words.SOFT_FORMS else words.HARD_MATERIALS, u[7]
            ),
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
    """Text, named features and sentiment of every review. Inputs: one entry a review; strength and
    weakness: feature indices of the item.

    Sentiment follows the rating: >= 4 positive, 3 mixed, <= 2 negative. With probability .7 the
    praise is for the item's strength and the blame for its weakness, else for any feature.
    """
    names, contexts = words.FEATURES[domain], words.CONTEXTS[domain]
    draws = random.random((len(rating), 10))
    good = np.where(
        draws[:, 0] < 0.7,
        strength,
        np.minimum((draws[:, 1] * len(names)).astype(int), len(names) - 1),
    )
    bad = np.where(
        draws[:, 2] < 0.7,
        weakness,
        np.minimum((draws[:, 3] * len(names)).astype(int), len(names) - 1),
    )
    bad = np.where(bad == good, (bad + 1) % len(names), bad)
    level = np.digitize(rating, [2.5, 3.5])
    texts, features = [], []
    for t, m, g, b, s, u in zip(
        theme.tolist(),
        mood.tolist(),
        good.tolist(),
        bad.tolist(),
        level.tolist(),
        draws[:, 4:].tolist(),
        strict=True,
    ):
        sentiment = SENTIMENTS[s]
        opinion = words.OPINIONS[sentiment]
        opening = f"{_at(words.OPENINGS[sentiment], u[0])}, {_at(contexts, u[1])}"
        if s == 1:
            named = (names[g], names[b])
            body = (
                f"The {named[0]} {_is(named[0])} {_at(opinion, u[2])}, the {named[1]}"
                f" {_is(named[1])} {_at(opinion, u[3])}"
            )
        else:
            named = (names[g if s == 2 else b],)
            subject = f"something so {_at(MOOD_WORDS[m], u[3])} about {_at(SUBJECTS[t], u[4])}"
            body = f"The {named[0]} {_is(named[0])} {_at(opinion, u[2])} for {subject}"
        texts.append(f"{opening}. {body}. {_at(words.CLOSINGS[sentiment], u[5])}")
        features.append(named)
    return texts, features, [SENTIMENTS[s] for s in level.tolist()]


def _at(options: Sequence[str], u: float) -> str:
    return options[int(u * len(options))]


def _is(feature: str) -> str:
    return "are" if feature in words.PLURAL else "is"


def _two(options: Sequence[str], u: float, v: float) -> tuple[str, str]:
    """Two different options."""
    i, step = int(u * len(options)), 1 + int(v * (len(options) - 1))
    return options[i], options[(i + step) % len(options)]
