"""The website: every notebook is in it, links lead to pages, nothing is fetched from outside, and a
phone, a keyboard and a screen reader get on with it.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tools import site_api, site_pages

ROOT = Path(__file__).resolve().parents[2]
AXE_PAGES = (  # one of each kind
    *("index", "slides", "claims", "glossary", "search", "instructor/plans"),
    *("notebooks/08_ethics_audit", "notebooks/half_day/paths", "api/tutorial_lib.language"),
)
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
    assert {"api/tutorial_lib.evaluation", "claims", "glossary", "results", "reading"} <= {*listed}


def test_a_participant_does_not_find_the_key_of_the_test():
    """The pack is there for who teaches; the tests are handed out, the key is not."""
    listed = re.findall(r"^(\S+)$", site_pages.contents(), re.M)
    assert {"instructor/plans", "instructor/notebooks"} <= {*listed}
    assert not [page for page in listed if re.search(r"key|(pre|post)_test", page)]


def test_links_lead_to_pages_of_the_site_or_become_text():
    text = "[g](../GLOSSARY.md) [n](02_objectives_am_mlm.ipynb) [s](src/x.py) [a](https://a.b)"
    assert site_pages._inside(text, "notebooks/01_recommendation_as_language") == (
        "[g](../glossary.md) [n](../notebooks/02_objectives_am_mlm.ipynb) s [a](https://a.b)"
    )
    both = "[d](../06_open_challenges.html) [p](instructor/README.md)"
    assert site_pages._inside(both, "instructor/five_questions") == (
        '<a href="../decks/06_open_challenges.html">d</a> [p](../instructor/pack.md)'
    )


def test_a_claim_stands_with_its_verdict_its_interval_and_where_it_was_recorded():
    row = {"claim": "A < B", "source": "X 2020", "experiment": "grid", "margin": 0.01}
    row |= {"verdict": "refuted", "value": -0.04, "low": -0.05, "high": -0.03}
    page = site_pages.claims_page(pd.DataFrame([row]))
    assert "1 claims: 1 refuted." in page
    assert "| **refuted** | -0.040 [-0.050, -0.030] | 0.01 |" in page and "X 2020; grid" in page


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
        'class C(dict):\n    """Says C."""\n\n    def m(self):\n        """Says m."""\n'
    )
    page = site_api.api_page("p", [path])
    assert "### f" in page and "f(a: int=1) -> str" in page and "Says f." in page
    assert "class C(dict)" in page and "_g" not in page and "A module." in page
    assert "#### m" in page and "m(self)" in page and "Says m." in page


def test_a_docstring_reads_as_a_text():
    """Arguments are a list, an example stays as typed, and no sign of it is taken for Markdown."""
    said = "Says a*b.\n\nArgs:\n    n: how\n        many.\n\nReturns:\n    One\n    of n_s.\n\n"
    said += ">>> 1\n1"
    assert site_api.as_markdown(said) == (
        "Says a\\*b.\n\n**Args**\n\n- `n`: how many.\n\n**Returns**\n\nOne of n\\_s.\n\n"
        "```pycon\n>>> 1\n1\n```"
    )


def test_what_would_be_fetched_is_seen():
    """The check of the built pages must be able to fail."""
    for bad in ('<script src="https://a.b/c.js">', '<img alt="" src=//a.b>', "url('http://a.b')"):
        assert FETCHED.search(bad)
    assert not FETCHED.search('<a href="https://a.b">a</a> <img src="data:image/png,x">')


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """`make site` without executing; needs the environment that it makes (.venv-site)."""
    sphinx = ROOT / ".venv-site" / "bin" / "sphinx-build"
    if not sphinx.is_file():
        pytest.skip("no .venv-site: run make site-environment once")
    folder = tmp_path_factory.mktemp("website")
    site_pages.write_pages(folder / "pages")
    command = [str(sphinx), "-q", "-b", "html", str(folder / "pages"), str(folder / "site")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and "WARNING" not in done.stderr, done.stderr[-3000:]
    return folder / "site"


@pytest.mark.full
def test_the_built_site_fetches_nothing(site):
    pages = [*site.rglob("*.html"), *site.rglob("*.css")]
    found = {path.name: FETCHED.findall(path.read_text(encoding="utf-8")) for path in pages}
    assert {name: urls for name, urls in found.items() if urls} == {}
    images = [
        tag
        for path in (site / "notebooks").rglob("*.html")
        for tag in re.findall(r"<img\b[^>]*>", path.read_text(encoding="utf-8"))
    ]
    assert images and all(re.search(r'\balt="[^"]', tag) for tag in images)
    assert (site / "searchindex.js").is_file()


@pytest.mark.full
def test_every_link_leads_to_a_page_or_a_file_of_the_site(site):
    """Links between pages, to decks and to PDFs; `#` alone is the page itself."""
    lost = []
    for path in site.rglob("*.html"):
        if "decks" in path.parts:
            continue
        for link in re.findall(r'<a\b[^>]*\bhref="([^"#?]+)', path.read_text(encoding="utf-8")):
            if not re.match(r"\w+:", link) and not (path.parent / link).exists():
                lost.append((path.name, link))
    assert lost == []


@pytest.mark.browser
def test_pages_on_a_phone_and_for_a_screen_reader(site, chromium):
    """No page scrolls sideways on a phone; axe finds nothing serious; nothing asks a network."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page, asked = chromium.new_page(viewport={"width": 390, "height": 900}), []
    page.on("request", lambda request: asked.append(request.url))
    wide = []
    for path in sorted(site.rglob("*.html")):
        if "decks" not in path.parts:
            page.goto(path.as_uri())
            if page.evaluate("document.documentElement.scrollWidth") > 390:
                wide.append(path.name)
    assert wide == []
    for width in (390, 1100):
        page.set_viewport_size({"width": width, "height": 900})
        for name in AXE_PAGES:
            page.goto((site / f"{name}.html").as_uri())
            found = axe.run(page, options={"resultTypes": ["violations"]}).response["violations"]
            serious = [v["id"] for v in found if v["impact"] in ("serious", "critical")]
            assert serious == [], (name, width)
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []


@pytest.mark.browser
def test_search_works_without_a_server(site, chromium):
    """The pages may lie on a stick: the index is a script, and nothing has to be fetched."""
    page = chromium.new_page()
    page.goto((site / "search.html").as_uri() + "?q=four-fifths")
    page.wait_for_selector("#search-results li")
    assert "Ethics" in page.locator("#search-results").inner_text()
