"""Prompt templates in families, after P5 (Geng et al. 2022, arXiv 2203.13366): one language model,
several tasks, many wordings.

A template is a source with gaps and a target with gaps. Templates that are ``held_out`` are in no
training text of the kit, neither when its language models are pre-trained nor when `adapt` tunes
one: they measure whether a model understands the task or knows the wording.
"""

from __future__ import annotations

import string
from dataclasses import dataclass

from tutorial_lib.errors import InputError, unknown_name

GAPS = (
    "noun",
    "plural",
    "history",
    "item",
    "candidates",
    "answer",
    "rating",
    "feature",
    "review",
    "verdict",
    "user",
)


def _refuse_no_text(text) -> None:
    """InputError for what is no text, or holds half of a character, which no tokenizer can read."""
    if not isinstance(text, str):
        raise InputError(f"template {text!r:.60}: expected text, got {type(text).__name__}")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"template {text!r}: {text[error.start]!r} is half of a character (a lone surrogate);"
            " leave it out"
        ) from None


def _parsed(text: str) -> list[tuple]:
    """(words, gap, format, conversion) for each gap; InputError for braces that do not pair up."""
    try:
        return list(string.Formatter().parse(text))
    except ValueError as error:
        raise InputError(
            f"template {text!r}: {error}; write a gap as {{history}}, and a brace as {{{{"
        ) from None


def as_words(text: str) -> str:
    """Any text as a piece of a template that says just this: braces are doubled."""
    return text.replace("{", "{{").replace("}", "}}")


@dataclass(frozen=True)
class Template:
    """family: the task. source: the prompt, target: what should follow it; gaps in braces, out of
    `GAPS`, each a name alone.

    Raises InputError, here and not when it is filled, for an unknown gap, an attribute, index,
    format or conversion behind a name, and braces that do not pair up.

    >>> Template("sequential", "{plural}: {history}; then", "{item}").fill(plural="movies", history="A; B", item="C")
    ('movies: A; B; then', 'C')
    """

    family: str
    source: str
    target: str
    held_out: bool = False

    def __post_init__(self) -> None:
        for text in (self.family, self.source, self.target):
            _refuse_no_text(text)
        for text in (self.source, self.target):
            for _, gap, form, conversion in _parsed(text):
                if gap is not None and gap not in GAPS:
                    raise unknown_name(f"gap in template {text!r}", gap, GAPS)
                if form or conversion:
                    raise InputError(
                        f"template {text!r}: a gap is a name alone; write {{{gap}}}, with nothing"
                        " behind the name"
                    )

    @property
    def gaps(self) -> set[str]:
        return {gap for text in (self.source, self.target) for _, gap, _, _ in _parsed(text) if gap}

    def around(self, gap: str) -> tuple[str, str] | None:
        """The source before and after the first ``gap``, both as templates' texts; None where it
        has none.

        >>> Template("sequential", "{{{plural}}}: {history}; {noun}", "").around("history")
        ('{{{plural}}}: ', '; {noun}')
        """
        pieces = [
            (as_words(words), f"{{{found}}}" if found else "")
            for words, found, _, _ in _parsed(self.source)
        ]
        place = next((i for i, (_, found) in enumerate(pieces) if found == f"{{{gap}}}"), None)
        if place is None:
            return None
        before, after = (
            "".join(map("".join, part)) for part in (pieces[:place], pieces[place + 1 :])
        )
        return before + pieces[place][0], after

    def fill(self, **values: str) -> tuple[str, str]:
        """(source, target), gaps filled; InputError names a value that is missing."""
        missing = self.gaps - set(values)
        if missing:
            raise InputError(f"template {self.source!r}: no value for {', '.join(sorted(missing))}")
        return self.source.format(**values), self.target.format(**values)


def _family(
    name: str, target: str, seen: tuple[str, ...], held_out: tuple[str, ...]
) -> tuple[Template, ...]:
    return tuple(
        Template(name, source, target, source in held_out) for source in (*seen, *held_out)
    )


SEQUENTIAL = _family(
    "sequential",
    "{item}",
    (
        "Someone enjoyed these {plural}, one after another: {history}; and then",
        "After {history} the same person went on to",
        "{history};",
        "One person's {plural} in order: {history}; next:",
        "People who chose {history} also chose",
        "Given the {plural} {history}, the next {noun} is",
        "Which {noun} follows {history}? Answer:",
        "Recommend a {noun} to someone who has just had {history}:",
    ),
    (
        "My favourite {plural} so far are {history}. What should come next?",
        "If you liked {history}, you will love",
        "This customer already knows {history}. We suggest the {noun}",
        "{plural} similar to {history} include",
    ),
)
LIKE = _family(
    "like",
    "{answer}",
    (
        "Someone enjoyed {history}. Would they like {item}? Yes or no:",
        "Liked before: {history}. Will {item} please them too?",
        "{history}; now {item}. A good choice, yes or no?",
        "Does {item} suit a person who chose {history}?",
    ),
    ("Fans of {history} were asked about {item}. Did they like it?",),
)
RATING = _family(
    "rating",
    "{rating}",
    (
        "Someone who chose {history} rates {item}. Stars from 1 to 5:",
        "{history}; then {item}. Rating:",
        "How many stars would a person with the {plural} {history} give {item}?",
        "Predict the rating of {item} by someone who knows {history}:",
    ),
    ("On a scale of five, what does a lover of {history} think of {item}?",),
)
EXPLANATION = _family(
    "explanation",
    "{review}",
    (
        "Someone gave {item} {rating} stars. What do they say about the {feature}?",
        "Explain a rating of {rating} for {item}, with a word on the {feature}:",
        "Write about the {feature} of {item}, {rating} of 5 stars:",
        "{item}, {rating} stars, because of the {feature}:",
    ),
    ("Why {rating} stars for {item}? Tell us about the {feature}.",),
)
SUMMARY = _family(
    "summary",
    "{verdict}, {feature}",
    (
        "Review: {review} In short:",
        "Summarise: {review} Summary:",
        "{review} The verdict, and on what:",
        "What does this review say, and about which feature? {review}",
    ),
    ("Boil this down to two words: {review}",),
)
DIRECT = _family(
    "direct",
    "{item}",
    (
        "Candidates: {candidates}. Best for someone who enjoyed {history}:",
        "Choose one of {candidates} for a person who had {history}:",
        "{history}; to choose from: {candidates}; choice:",
        "A person with the {plural} {history} picks from {candidates} the {noun}",
    ),
    ("Here are some {plural}: {candidates}. Which of them goes with {history}?",),
)
FAMILIES = {
    "sequential": SEQUENTIAL,
    "like": LIKE,
    "rating": RATING,
    "explanation": EXPLANATION,
    "summary": SUMMARY,
    "direct": DIRECT,
}


def templates(family: str, *, held_out: bool = False) -> tuple[Template, ...]:
    """The templates of a family: those that models are trained with, or those held out.

    >>> len(templates("sequential")), len(templates("sequential", held_out=True))
    (8, 4)
    """
    if family not in FAMILIES:
        raise unknown_name("template family", family, FAMILIES)
    return tuple(template for template in FAMILIES[family] if template.held_out == held_out)
