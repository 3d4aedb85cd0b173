"""The website: every notebook is in it, links lead to pages, nothing is fetched from outside."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tools import site_pages

ROOT = Path(__file__).resolve().parents[2]
FETCHED = re.compile(
    r"<(?:script|link|img|iframe|source)\b[^>]*\b(?:src|href)=[\"']?(?:https?:)?//[^\"' >]+"
    r"|url\([\"']?(?:https?:)?//[^)]+|@import [\"'](?:https?:)?//[^;]+"
)


def test_every_notebook_and_deck_is_in_a_table_of_contents():
    """A notebook that is left out of the contents is a page that nobody finds."""
    listed = re.findall(r"^(\S+)$", site_pages.contents(), re.M)
    there = [*(ROOT / "notebooks").glob("[0-9]*.ipynb")]
    there += (ROOT / "notebooks" / "half_day").glob("[0-9]*.ipynb")
    assert len(there) >= 15
    for path in there:
        page = path.relative_to(ROOT).with_suffix("").as_posix()
        assert listed.count(page) == 1, page
    for deck in (ROOT / "slides").glob("[0-9]*.html"):
        assert f'href="decks/{deck.name}"' in site_pages.slides_page()
    assert "api/tutorial_lib.evaluation" in listed


def test_links_lead_to_pages_of_the_site_or_become_text():
    text = "[g](../GLOSSARY.md) [n](02_objectives_am_mlm.ipynb) [s](src/x.py) [a](https://a.b)"
    assert site_pages._inside(text, "notebooks/01_recommendation_as_language") == (
        "[g](../glossary.md) [n](../notebooks/02_objectives_am_mlm.ipynb) s [a](https://a.b)"
    )


def test_an_executed_notebook_keeps_its_outputs_and_folds_what_is_no_lesson(tmp_path, monkeypatch):
    """Set-up tables and given parameters say nothing to a reader of the page."""
    name = "00_start_here"
    cells = [
        new_code_cell("setup()", metadata={"tags": ["setup"]}),
        new_code_cell("PROFILE = 'quick'", metadata={"tags": ["parameters"]}),
        new_markdown_cell(r"$\frac{1}{2}$"),
        new_code_cell("1 + 1"),
    ]
    cells[3].outputs = [nbformat.v4.new_output("execute_result", {"text/plain": "2"})]
    nbformat.write(new_notebook(cells=cells), tmp_path / f"{name}.ipynb")
    shown = site_pages.shown_notebook(name, tmp_path)
    assert [cell.metadata.tags[-1:] for cell in shown.cells[:2]] == [
        ["remove-cell"],
        ["hide-input"],
    ]
    assert 'alt="\\frac{1}{2}"' in shown.cells[2].source
    assert shown.cells[3].outputs[0].data["text/plain"] == "2"
    assert len(site_pages.shown_notebook(name, None).cells) > 20, "else as it was built"


def test_the_api_reference_names_what_is_public(tmp_path):
    path = tmp_path / "some.py"
    path.write_text(
        '"""A module."""\ndef f(a: int = 1) -> str:\n    """Says f."""\n\n\ndef _g(): ...\n\n\n'
        'class C(dict):\n    """Says C."""\n'
    )
    page = site_pages.api_page("p", [path])
    assert "### f" in page and "f(a: int=1) -> str" in page and "Says f." in page
    assert "class C(dict)" in page and "_g" not in page and "A module." in page


def test_what_would_be_fetched_is_seen():
    """The check of the built pages must be able to fail."""
    for bad in ('<script src="https://a.b/c.js">', '<img alt="" src=//a.b>', "url('http://a.b')"):
        assert FETCHED.search(bad)
    assert not FETCHED.search('<a href="https://a.b">a</a> <img src="data:image/png,x">')


@pytest.mark.full
def test_the_built_site_fetches_nothing(tmp_path):
    """`make site` without executing; needs the environment that it makes (.venv-site)."""
    sphinx = ROOT / ".venv-site" / "bin" / "sphinx-build"
    if not sphinx.is_file():
        pytest.skip("no .venv-site: run make site once")
    site_pages.write_pages(tmp_path / "pages")
    command = [str(sphinx), "-q", "-b", "html", str(tmp_path / "pages"), str(tmp_path / "site")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "not found" not in done.stderr and "nonexisting" not in done.stderr, done.stderr[-3000:]
    pages = [*(tmp_path / "site").rglob("*.html"), *(tmp_path / "site").rglob("*.css")]
    found = {path.name: FETCHED.findall(path.read_text(encoding="utf-8")) for path in pages}
    assert {name: urls for name, urls in found.items() if urls} == {}
    images = [
        tag
        for path in (tmp_path / "site" / "notebooks").rglob("*.html")
        for tag in re.findall(r"<img\b[^>]*>", path.read_text(encoding="utf-8"))
    ]
    assert images and all(re.search(r'\balt="[^"]', tag) for tag in images)
    assert (tmp_path / "site" / "searchindex.js").is_file()
