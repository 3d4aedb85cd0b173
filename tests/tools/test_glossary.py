"""The glossary: terms in plain sentences, and a link at the first use of each in every notebook."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest

from tools import glossary
from tools.builder import build, read_source
from tools.half_day import cells_of, notebook_text, parts

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "notebooks"
KNOWN = glossary.terms(ROOT / glossary.FILE)
SOURCES = sorted((FOLDER / "src").glob("[0-9]*.py"))
LINK = re.compile(rf'\[([^\]]*)\]\([./]*{glossary.PAGE}#(\S+) "[^"\n]*"\)')


def texts(notebook: str) -> list[str]:
    """The running text of a built notebook."""
    cells = nbformat.reads(notebook, 4).cells
    return [
        cell.source
        for cell in cells
        if cell.cell_type == "markdown" and not glossary._NO_TEXT & {*cell.metadata.get("tags", [])}
    ]


def unexplained(found: list[str], known=KNOWN) -> dict[str, str]:
    """Terms that stand in the text before (or without) their link: name -> where."""
    by_anchor = {term.anchor: term.name for term in known}
    by_way = {way.lower(): term.name for term in known for way in term.written}
    pattern = re.compile(rf"§(\S+)§|{glossary._pattern(known).pattern}")
    explained, missing = set(), {}
    for text in found:
        words = glossary.NO_WORDS.sub(" ", LINK.sub(r" §\2§ ", text))
        for match in pattern.finditer(words):
            if match[1]:
                explained.add(by_anchor[match[1]])
                continue
            name = by_way[" ".join(match[0].split()).lower()]
            if name not in explained:
                missing.setdefault(name, words[max(0, match.start() - 40) : match.end() + 40])
    return missing


def test_terms_are_many_in_order_and_plain():
    assert len(KNOWN) >= 90 and glossary.check_glossary(KNOWN) == []
    wrong = [
        glossary.Term("b", "too short", "", ("way",)),
        glossary.Term("a", "A sentence. Another one. And a third.", "", ("way",)),
    ]
    said = "\n".join(glossary.check_glossary(wrong))
    assert "order" in said and "'b' needs" in said and "'a' needs" in said and "'way'" in said


def test_what_the_later_notebooks_need_is_there():
    names = {term.name for term in KNOWN}
    assert {
        *("semantic ID", "residual quantisation", "RQ-VAE", "trie", "constrained decoding"),
        *("cold start", "negative transfer", "knowledge graph", "faithfulness", "contamination"),
        *("overlap (of domains)", "cut, stratum", "PMI", "LoRA", "low-rank", "prompt injection"),
        *("next sentence prediction (NSP)", "attention", "embedding", "nat", "SNSR, SNSV"),
        *("path language model", "retrieval-augmented generation (RAG)", "chain of thought (CoT)"),
        *(
            "collator",
            "BCE",
            "EASE",
            "Holm adjustment",
            "closing token",
            "mixture of experts (MoE)",
        ),
    } <= names


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_every_term_is_linked_at_its_first_use(source):
    """Else a learner meets a word that nobody explains."""
    found = texts(build(source, solution=False))
    assert unexplained(found) == {}
    anchors = [anchor for text in found for _, anchor in LINK.findall(text)]
    assert len(anchors) == len(set(anchors)) >= 4, "once each"
    assert {*anchors} <= {term.anchor for term in KNOWN}


@pytest.mark.parametrize("part", parts(FOLDER), ids=lambda part: part.stem)
@pytest.mark.parametrize("solution", [False, True])
def test_links_lead_to_the_page_from_every_folder(part, solution):
    below = "solutions/" if solution else ""
    path = f"notebooks/half_day/{below}{part.stem}.ipynb"
    built = notebook_text(cells_of(part, FOLDER), ROOT, path, solution)
    assert unexplained(texts(built)) == {}
    for way in set(re.findall(r"\]\((\S*GLOSSARY\.md)", "\n".join(texts(built)))):
        assert (ROOT / path).parent.joinpath(way).resolve() == ROOT / "GLOSSARY.md"


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_nothing_but_links_is_put_into_the_text(source):
    cells = read_source(source)
    linked = glossary.linked(cells, KNOWN, "../")
    assert [LINK.sub(r"\1", cell.source) for cell in linked] == [cell.source for cell in cells]


@pytest.mark.parametrize(
    ("text", "linked"),
    [
        ("A trie, a trie", "A [trie](../GLOSSARY.md#trie), a trie"),
        ("# Trie\n`trie` $trie$ [trie](x) <a trie>\n| trie |\nit tries", None),
        ("Soft\nprompt, soft prompt", "[Soft\nprompt](../GLOSSARY.md#soft-prompt), soft prompt"),
        ("I am AM", "I am [AM](../GLOSSARY.md#auto-regressive-model-am)"),
        ("Exercise 01-trie, pre-trie, trie@2", None),
    ],
)  # fmt: skip
def test_what_is_linked(text, linked):
    (cell,) = glossary.linked([nbformat.v4.new_markdown_cell(text)], KNOWN, "../")
    assert re.sub(r' "[^"]*"\)', ")", cell.source) == (linked or text)


def test_every_row_of_the_page_has_its_address():
    page = (ROOT / "GLOSSARY.md").read_text(encoding="utf-8")
    assert page == glossary.page(KNOWN)
    assert re.findall(r'^\| <a id="([^"]+)"></a>', page, re.M) == [term.anchor for term in KNOWN]
    assert "(https://arxiv.org/abs/2106.09685)" in page and "(https://aclanthology.org/" in page
