"""The HTML page of a notebook: if these fail, alt texts are lost, or the page asks the network for
something.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tools import builder
from tutorial_lib.errors import InputError
from tutorial_workshop.page import export_html

TINY = Path(__file__).parents[1] / "tools" / "fixtures" / "notebooks" / "src" / "90_tiny.py"
PNG = "iVBORw0KGgo="


class Page(HTMLParser):
    """Tags with their attributes."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def of(self, tag: str) -> list[dict]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def executed():
    notebook = nbformat.reads(builder.build(TINY, False), as_version=4)
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    return notebook


def test_the_unfilled_exercise_runs_to_its_end(executed):
    """An exercise that nobody filled in must not stop the notebook."""
    texts = [
        o.text
        for cell in executed.cells
        for o in cell.get("outputs", [])
        if o.output_type == "stream" and o.name == "stdout"
    ]
    assert texts[0] == "01-ndcg: not attempted: using the reference.\n"
    assert texts[-1].startswith("90.total on world-movies, smoke: 1225.0000")


def test_every_picture_keeps_its_alt_text(executed):
    page = Page(export_html(executed))
    alts = [image.get("alt") for image in page.of("img")]
    assert "Bars of NDCG 0.63 and MRR 0.50 for one hit at rank 2." in alts, (
        "a figure shown by show()"
    )
    assert "Bars of NDCG and MRR for one hit at a rank that you choose." in alts, (
        "the still picture of a widget"
    )
    assert r"\log_2(r + 1)" in alts, "a formula"
    assert all(alts)


def test_nothing_is_asked_from_the_network(executed):
    text = export_html(executed)
    page = Page(text)
    assert not page.of("script") and not page.of("link") and not page.of("iframe")
    assert all(image["src"].startswith("data:") for image in page.of("img"))
    assert not re.search(r"@import|url\(", text)
    assert "mathjax" not in text.lower() and "require.js" not in text.lower()


def test_title_language_and_caption(executed):
    text = export_html(executed)
    assert '<html lang="en">' in text and "<title>A tiny notebook</title>" in text
    assert re.search(
        r"<figure[^>]*><img [^>]*><figcaption[^>]*>One hit at rank 2[^<]*</figcaption></figure>",
        text,
    )
    assert text.count("Which logarithm does NDCG need") == 1, (
        "the question stands there once, not as widget and as text"
    )
    assert "widget-view" not in text and "VBox(" not in text


def test_images(tmp_path):
    (tmp_path / "map.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    source = (
        '![the map](map.svg) ![far away](https://example.org/x.png)\n\n<img src="map.svg"'
        ' alt="again &amp; again">'
    )
    page = Page(
        export_html(
            nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(source)]), folder=tmp_path
        )
    )
    assert [image["alt"] for image in page.of("img")] == ["the map", "again & again"]
    assert all(image["src"].startswith("data:image/svg+xml") for image in page.of("img"))


def test_an_output_without_alt_text_is_said_to_have_none():
    output = nbformat.v4.new_output("display_data", data={"image/png": PNG})
    cell = nbformat.v4.new_code_cell("x", outputs=[output])
    assert 'alt="Figure without a description"' in export_html(
        nbformat.v4.new_notebook(cells=[cell])
    )


def test_a_foreign_widget_leaves_a_line():
    data = {
        "application/vnd.jupyter.widget-view+json": {"model_id": "x"},
        "text/plain": "IntSlider(value=0)",
    }
    cell = nbformat.v4.new_code_cell(
        "x", outputs=[nbformat.v4.new_output("display_data", data=data)]
    )
    text = export_html(nbformat.v4.new_notebook(cells=[cell]))
    assert "open the notebook and run it" in text and "IntSlider(" not in text


@pytest.mark.parametrize(
    ("source", "formulas"),
    [
        ("NDCG is $\\frac{DCG}{IDCG}$ and $$\\sum_{r=1}^{k} \\frac{g_r}{\\log_2(r+1)}$$", 2),
        ("It costs $5 and $6.", 0),
        ("Write `$x$` and ```\n$y$\n``` in code.", 0),
        ("Price \\$5, then $x$.", 1),
        ("Unknown $\\nosuchcommand{x}$.", 0),
    ],
)
def test_formulas(source, formulas):
    page = Page(
        export_html(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(source)]))
    )
    assert len([image for image in page.of("img") if "math" in image.get("class", "")]) == formulas


def test_the_notebook_given_is_left_alone(executed):
    before = nbformat.writes(executed)
    export_html(executed)
    assert nbformat.writes(executed) == before


def test_bad_files_are_refused(tmp_path):
    with pytest.raises(InputError, match="cannot read a notebook from .*none.ipynb"):
        export_html(tmp_path / "none.ipynb")
    (tmp_path / "x.ipynb").write_text("hello")
    with pytest.raises(InputError, match="expected an .ipynb file"):
        export_html(tmp_path / "x.ipynb")


@pytest.mark.parametrize(
    "text",
    ["![a](" + "x" * 300 + ".png)", "$" + "{" * 500 + "}" * 500 + "$", "![a](a\0b.png)", "![a](.)"],
    ids=["long name", "nested braces", "no path", "folder"],
)
def test_odd_markdown_makes_a_page(text, tmp_path):
    """One picture with a long name ended a run of all notebooks."""
    cells = [nbformat.v4.new_markdown_cell(text), nbformat.v4.new_markdown_cell("and the rest")]
    assert "and the rest" in export_html(nbformat.v4.new_notebook(cells=cells), tmp_path)


@pytest.mark.parametrize(
    "about", [{"image/png": {"alt": 5}}, {"image/png": "x"}, {"image/png": None}]
)
def test_odd_metadata_makes_a_page(about):
    cell = nbformat.v4.new_code_cell("1")
    cell.outputs = [
        nbformat.NotebookNode(output_type="display_data", data={"image/png": PNG}, metadata=about)
    ]
    (image,) = Page(export_html(nbformat.v4.new_notebook(cells=[cell]))).of("img")
    assert image["alt"] in ("5", "Figure without a description")


def test_code_that_is_not_the_lesson_stands_behind_a_line_that_opens_it():
    """Else every page begins with forty lines that nobody has to read, and the parameters that were
    handed over look like a part of the notebook.
    """
    from nbformat.v4 import new_code_cell, new_notebook

    given = [
        new_code_cell("a = 1\n\nif a < 2:\n    pass", metadata={"tags": ["setup"]}),
        new_code_cell("PROFILE = 'quick'", metadata={"tags": ["injected-parameters"]}),
        new_code_cell("import some", metadata={"tags": ["hide-input"]}),
        new_code_cell("import other", metadata={"tags": ["hide-input"]}),
        new_code_cell("the_lesson = 3"),
    ]
    page = export_html(new_notebook(cells=given))
    lines = ["Set-up", "Run with these parameters", "Show the code"]
    assert re.findall(r"<summary>(.*?)</summary>", page) == lines
    inside = "".join(re.findall(r"<details>.*?</details>", page, re.S))
    assert (
        "if a &lt; 2:" in inside
        and "PROFILE" in inside
        and "import other" in inside
        and "the_lesson" not in inside
    )
    assert page.count("PROFILE") == 1 and page.count("&lt; 2") == 1
