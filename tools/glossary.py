"""The glossary: one YAML, its page, and a link at the first use of a term in a notebook.

``notebooks/src/glossary.yaml`` holds the terms. ``python -m tools.builder`` writes ``GLOSSARY.md``
and links the first use of each term in the running text of a notebook to its row there; whoever
points at the link reads the meaning.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tools.builder import tags_of
from tutorial_lib.data.shipped import read_yaml

FILE = "notebooks/src/glossary.yaml"
PAGE = "GLOSSARY.md"
# whole cells that are no running text, and parts of others
_NO_TEXT = {"title", "objectives", "references", "badges", "folded-text"}
NO_WORDS = re.compile(
    r"```.*?```|`[^`]*`|\$\$.*?\$\$|\$[^$]+\$|!?\[[^\]]*\]\([^)]*\)|<[^>]+>"
    r"|^#.*?$|^\|.*?$|\w+://\S+|Exercise \d\S+",
    re.M | re.S,
)


@dataclass(frozen=True)
class Term:
    """One term: what it means, where it comes from ("" if nowhere), how it is written."""

    name: str
    means: str
    source: str
    written: tuple[str, ...]

    @property
    def anchor(self) -> str:
        """Its name in an address."""
        return re.sub(r"\W+", "-", self.name.lower()).strip("-")


@cache
def terms(path: Path) -> tuple[Term, ...]:
    """The terms of a glossary, in its order; none where there is no such file."""
    if not path.is_file():
        return ()
    found = []
    for name, parts in read_yaml(path).items():
        written = parts.get("found_as", [name, f"{name}s"])
        found.append(Term(name, parts["means"], parts.get("source", ""), tuple(written)))
    return tuple(found)


def page(known: Sequence[Term]) -> str:
    """The glossary as a table in Markdown, each row with an address of its own."""
    rows = [
        f'| <a id="{term.anchor}"></a>{term.name} | {term.means} | {_addressed(term.source)} |'
        for term in known
    ]
    about = (
        f"{len(known)} terms. A notebook links each at its first use. Written by `make notebooks`"
        f" from `{FILE}`."
    )
    head = ["# Glossary", "", about, "", "| term | meaning here | source |", "|---|---|---|"]
    return "\n".join([*head, *rows]) + "\n"


def _addressed(source: str) -> str:
    source = re.sub(r"arXiv (\S+)", r"[arXiv \1](https://arxiv.org/abs/\1)", source)
    source = re.sub(r"ACL (\S+)", r"[ACL \1](https://aclanthology.org/\1/)", source)
    return re.sub(r"doi (\S+)", r"[doi \1](https://doi.org/\1)", source)


def _pattern(known: Sequence[Term]) -> re.Pattern:
    """Matches every way in which a term is written, the longest first; in a word that begins with
    a small letter this may be a capital.
    """
    ways = sorted((way for term in known for way in term.written), key=len, reverse=True)
    either = [
        (f"[{way[0]}{way[0].upper()}]" if way[0].islower() else re.escape(way[0]))
        + re.escape(way[1:]).replace(r"\ ", r"\s+")
        for way in ways
    ]
    return re.compile(rf"(?<![\w/@-])(?:{'|'.join(either)})(?![\w@-])")


def linked(cells: Sequence, known: Sequence[Term], up: str) -> list:
    """The cells with the first use of each term linked to the glossary.

    Args:
        cells: of a notebook; those with links are changed in copies.
        known: of `terms`.
        up: the way to the folder of the glossary, such as ``"../"``.
    """
    if not known:
        return list(cells)
    by_way = {way.lower(): term for term in known for way in term.written}
    pattern, seen, out = _pattern(known), set(), []

    def link(match: re.Match) -> str:
        term = by_way[" ".join(match[0].split()).lower()]
        if term.name in seen:
            return match[0]
        seen.add(term.name)
        told = html.escape(term.means)
        return f'[{match[0]}]({up}{PAGE}#{term.anchor} "{told}")'

    for cell in cells:
        if cell.cell_type == "markdown" and not _NO_TEXT & {*tags_of(cell)}:
            cell = cell.copy()
            cell["source"] = _in_words(cell["source"], lambda text: pattern.sub(link, text))
        out.append(cell)
    return out


def _in_words(source: str, change: Callable[[str], str]) -> str:
    """A text with its words changed, and code, formulas, links, headings and tables left."""
    parts, end = [], 0
    for kept in NO_WORDS.finditer(source):
        parts += [change(source[end : kept.start()]), kept[0]]
        end = kept.end()
    return "".join([*parts, change(source[end:])])


def check_glossary(known: Sequence[Term]) -> list[str]:
    """What is wrong with a glossary: order, length of a meaning, one spelling for two terms."""
    problems = []
    names = [term.name.casefold() for term in known]
    if names != sorted(set(names)):
        problems.append("glossary: the terms do not stand in order")
    owners: dict[str, str] = {}
    for term in known:
        sentences = len(re.findall(r"[.!?] [A-Z]", term.means)) + 1
        if not 15 <= len(term.means) <= 250 or sentences > 2:
            problems.append(f"glossary: {term.name!r} needs one or two plain sentences")
        for way in term.written:
            other = owners.setdefault(way.lower(), term.name)
            if other != term.name:
                problems.append(f"glossary: {way!r} is written for {other!r} and {term.name!r}")
    return problems
