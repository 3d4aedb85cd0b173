"""Prompt templates in families, after P5 (Geng et al. 2022, arXiv 2203.13366): one language model,
several tasks, many wordings.

The templates stand in ``templates.yaml``. Those that are held out are in no training text of the
kit, neither when its language models are pre-trained nor when `adapt` tunes one: they measure
whether a model understands the task or knows the wording.
"""

from __future__ import annotations

import string
from dataclasses import dataclass
from pathlib import Path

from tutorial_lib.data.shipped import read_yaml
from tutorial_lib.errors import InputError, unknown_name

GAPS = (
    *("noun", "plural", "history", "item", "candidates", "answer"),
    *("rating", "feature", "review", "verdict", "user"),
)


@dataclass(frozen=True)
class Template:
    """A prompt with gaps in braces, and the text that should follow it.

    Args:
        family: The task.
        source: The prompt; each gap is one of `GAPS`, a name alone.
        target: What should follow.
        held_out: Whether no training text contains it.

    Raises:
        InputError: Here and not when it is filled, for an unknown gap, an attribute, index, format
            or conversion behind a name, and braces that do not pair up.

    >>> ask = Template("sequential", "{plural}: {history}; then", "{item}")
    >>> ask.fill(plural="movies", history="A; B", item="C")
    ('movies: A; B; then', 'C')
    """

    family: str
    source: str
    target: str
    held_out: bool = False

    def __post_init__(self) -> None:
        for text in (self.family, self.source, self.target):
            _refuse_unreadable(text)
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
        """The source before and after the first ``gap``, as texts of templates; None without one.

        >>> Template("sequential", "{{{plural}}}: {history}; {noun}", "").around("history")
        ('{{{plural}}}: ', '; {noun}')
        """
        before = ""
        for words, name, _, _ in _parsed(self.source):
            before += as_words(words)
            if name == gap:
                _, _, after = self.source.partition(before + f"{{{gap}}}")
                return before, after
            before += f"{{{name}}}" if name else ""
        return None

    def fill(self, **values: str) -> tuple[str, str]:
        """(source, target), gaps filled; InputError names a value that is missing."""
        missing = self.gaps - set(values)
        if missing:
            raise InputError(f"template {self.source!r}: no value for {', '.join(sorted(missing))}")
        return self.source.format(**values), self.target.format(**values)


def as_words(text: str) -> str:
    """Any text as a piece of a template that says just this: braces are doubled."""
    return text.replace("{", "{{").replace("}", "}}")


def templates(family: str, *, held_out: bool = False) -> tuple[Template, ...]:
    """The templates of a family: those that models are trained with, or those held out.

    >>> len(templates("sequential")), len(templates("sequential", held_out=True))
    (8, 4)
    """
    if family not in FAMILIES:
        raise unknown_name("template family", family, FAMILIES)
    return tuple(template for template in FAMILIES[family] if template.held_out == held_out)


def _refuse_unreadable(text) -> None:
    """InputError for what is not text, or holds half of a character, which no tokenizer reads."""
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


def _families() -> dict[str, tuple[Template, ...]]:
    return {
        family: tuple(
            Template(family, source, of["target"], part == "held_out")
            for part in ("trained", "held_out")
            for source in of[part]
        )
        for family, of in read_yaml(Path(__file__).with_name("templates.yaml")).items()
    }


FAMILIES = _families()
SEQUENTIAL = FAMILIES["sequential"]
