"""From items and histories to words: what a language model gets to read."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tutorial_lib.data.dataset import Dataset
from tutorial_lib.errors import InputError, check_whole

NOUNS = {  # part of a dataset's name: one item, several
    "movies": ("movie", "movies"),
    "ml": ("movie", "movies"),
    "products": ("product", "products"),
    "news": ("article", "articles"),
    "mind": ("article", "articles"),
    "games": ("game", "games"),
}
IN_BRACKETS = re.compile(r"( \([^()]*\))+$")  # years and other titles, at the end
ARTICLE = re.compile(r"^(.+), (A|An|Das|Der|Die|El|Il|La|Las|Le|Les|Los|The)$")
FIELDS = ("title", "category", "mood", "provider", "text")


@dataclass(frozen=True)
class Verbaliser:
    """Item codes to text.

    Args:
        titles: One string per item.
        noun: What an item is called.
        plural: What several are called.
        limit: Newest items of a history that are written out.
        separator: Between two items; no title may contain it.
        closing: Ends every answer, such as a model's end token. Without it a title is scored as
            the beginning of an answer, and one that begins another always ranks above it.

    >>> titles = ("Dark Comet", "Dark Comet II", "Quiet Owl")
    >>> words = Verbaliser(titles, "movie", "movies", limit=2, closing=";")
    >>> words.history([0, 1, 2]), words.answers[0]
    ('Dark Comet II; Quiet Owl', 'Dark Comet;')
    """

    titles: tuple[str, ...]
    noun: str = "item"
    plural: str = "items"
    limit: int = 12
    separator: str = "; "
    closing: str = ""

    def __post_init__(self) -> None:
        check_whole("Verbaliser", 1, limit=self.limit)
        _check_separator(self.separator)
        if not isinstance(self.closing, str):
            raise InputError(f"Verbaliser(closing={self.closing!r}): expected text, such as ';'")
        for title in self.titles:
            if not isinstance(title, str):
                raise InputError(
                    f"Verbaliser: the title {title!r} is {type(title).__name__}, expected text"
                )
            if self.separator in title:
                raise InputError(
                    f"Verbaliser: the title {title!r} contains the separator {self.separator!r};"
                    " choose another separator"
                )

    @property
    def answers(self) -> tuple[str, ...]:
        """What a model is scored on, and learns to write, for each item."""
        return tuple(title + self.closing for title in self.titles) if self.closing else self.titles

    def history(self, items: Sequence[int]) -> str:
        """The newest ``limit`` items, oldest first; "nothing yet" for an empty history."""
        titles = [self.titles[item] for item in list(items)[-self.limit :]]
        return self.separator.join(titles) or "nothing yet"


def verbaliser(
    dataset: Dataset,
    *,
    fields: Sequence[str] = ("title",),
    limit: int = 12,
    separator: str = "; ",
    closing: str = "",
    spoken: bool = False,
) -> Verbaliser:
    """A `Verbaliser` for a dataset; arguments that are not listed: as there.

    Args:
        fields: What an item's text holds, "title" first, out of `FIELDS`. More fields tell a model
            more about an item, and cost tokens in every prompt.
        spoken: Titles as one says them, see `as_spoken`.

    >>> from tutorial_lib.data import load_dataset
    >>> verbaliser(load_dataset("world-movies"), fields=("title", "mood")).titles[6]
    'Uncanny Spring Verdict, strange'
    """
    _check_separator(separator)
    unknown = [field for field in fields if field not in FIELDS]
    if unknown or not fields:
        raise InputError(
            f"verbaliser(fields={list(fields)}): expected one or more of {', '.join(FIELDS)}"
        )
    columns = [_field(dataset, field) for field in fields]
    if spoken:
        columns[0] = as_spoken(columns[0])
    titles = tuple(
        ", ".join(part for part in parts if part).replace(separator, ", ")
        for parts in zip(*columns, strict=True)
    )
    name = next((key for key in NOUNS if key in dataset.name.split("-")), "")
    noun, plural = NOUNS.get(name, ("item", "items"))
    return Verbaliser(titles, noun, plural, limit, separator, closing)


def as_spoken(titles: Sequence[str]) -> list[str]:
    """Catalogue entries as one says them: the article in front, no year, no second title.

    A model of the world's text knows them so, and they are half as many tokens. Where two items
    would be called the same, both stay as they were.

    >>> as_spoken(["Usual Suspects, The (1995)", "Seven (Se7en) (1995)"])
    ['The Usual Suspects', 'Seven']
    >>> as_spoken(["Sabrina (1954)", "Sabrina (1995)"])
    ['Sabrina (1954)', 'Sabrina (1995)']
    """
    short = [ARTICLE.sub(r"\2 \1", IN_BRACKETS.sub("", title)) for title in titles]
    counts = Counter(short)
    return [
        new if new and counts[new] == 1 else title for new, title in zip(short, titles, strict=True)
    ]


def _check_separator(separator) -> None:
    if not isinstance(separator, str) or not separator:
        raise InputError(f"verbaliser(separator={separator!r}): expected some text, such as '; '")


def _field(dataset: Dataset, field: str) -> list[str]:
    column = "categories" if field == "category" else field
    if column not in dataset.items:
        raise InputError(
            f"verbaliser: {dataset.name} has no {field}; its items have"
            f" {', '.join(dataset.items.columns)}"
        )
    values = dataset.items[column]
    return [" ".join(value) if field == "category" else str(value) for value in values]
