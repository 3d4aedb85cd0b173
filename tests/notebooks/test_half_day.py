"""The half-day path: six short notebooks that run by themselves and fit 175 minutes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell

from tools.builder import stale, tags_of
from tools.cell_names import bound_and_needed, undefined, with_what_they_need
from tools.guess_rules import check_guesses
from tools.half_day import (
    _fitted,
    _named_minutes,
    _without_empty_sections,
    cells_of,
    minutes,
    parts,
)
from tutorial_lib.data.shipped import read_yaml
from tutorial_lib.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "notebooks"
PARTS = parts(FOLDER)
SECONDS = json.loads((FOLDER / "half_day" / "seconds.json").read_text(encoding="utf-8"))
by_part = pytest.mark.parametrize("part", PARTS, ids=lambda part: part.stem)


@cache
def cells(number: int) -> list:
    return cells_of(PARTS[number - 1], FOLDER)


# --- what a cell needs ---


@pytest.mark.parametrize(
    ("source", "bound", "needed"),
    [
        ("x = x + 1", {"x"}, {"x"}),
        ("x = 1\ny = x", {"x", "y"}, set()),
        ("x |= y", {"x"}, {"x", "y"}),
        ("x[y] = 1", {"x"}, {"x", "y"}),
        ("def f(a):\n    b = a + c\n    return f(b)", {"f"}, {"c"}),
        ("[a * b for a in c]", set(), {"b", "c"}),
        ("if KNOWN:\n    ds = ds.k_core(5)", {"ds"}, {"KNOWN", "ds"}),
        ("for a in b:\n    c = a\n    d[a] = c", {"a", "c", "d"}, {"b", "d"}),
        ("with open(p) as f:\n    f.read()", {"f"}, {"p"}),
        ("try:\n    a = b\nexcept ValueError:\n    a = c", {"a"}, {"b", "c"}),
        ("import numpy as np\nfrom a import b\n%pip install x", {"np", "b"}, set()),
        ("f = lambda x: x + y", {"f"}, {"y"}),
        ("class A(B):\n    def g(self):\n        return h", {"A"}, {"B", "h"}),
    ],
)
def test_names_that_a_cell_binds_and_needs(source, bound, needed):
    """A name that is missed here is a NameError in front of a room."""
    assert bound_and_needed(source) == (bound, needed)


def test_the_nearest_binding_above_comes_along_and_nothing_else():
    def code(source, *tags):
        return new_code_cell(source, metadata={"tags": list(tags)} if tags else {})

    said = new_markdown_cell("Text.")
    source = [code("a = 1"), code("a = {}"), code("b = 3"), code("a[1] = 2"), said]
    chosen = with_what_they_need([*source, code("c = a", "half-day-1")], "half-day-1")
    assert [cell.source for cell in chosen] == ["a = {}", "a[1] = 2", "c = a"]
    assert chosen[0].metadata["jupyter"] == {"source_hidden": True}
    assert tags_of(source[1]) == [], "the source itself must stay as it is"
    assert undefined([code("c = a"), code("a = 1")]) == {"a"}


# --- the notebooks ---


def test_of_a_cell_that_is_needed_for_its_imports_only_these_come_along():
    """Else a cell that trains for a minute comes along for one name that it imports."""
    heavy = new_code_cell("import a\nfrom b import (\n    c,\n)\n\nd = c(a)")
    shown = new_code_cell("c()", metadata={"tags": ["half-day-1"]})
    first, _ = with_what_they_need([heavy, shown], "half-day-1")
    assert first.source == "from b import (\n    c,\n)"


def test_six_parts_are_those_of_the_source_tutorial():
    assert [part.minutes for part in PARTS] == [20, 45, 20, 50, 20, 20]
    assert sum(part.minutes for part in PARTS) == 175


@by_part
def test_a_part_runs_by_itself_and_has_everything(part):
    """Every name is bound in an earlier cell; title, objectives, something to do, a recap."""
    found = cells(part.number)
    assert undefined(found) == set()
    code = "\n".join(cell.source for cell in found if cell.cell_type == "code")
    assert re.search(r"attempt\(|^quiz\(", code, re.M)
    assert "golden(" not in re.sub(r"import .*", "", code), "goldens belong to the long notebooks"
    tags = [tag for cell in found for tag in tags_of(cell)]
    assert tags[:2] == ["title", "objectives"] and tags[-1] == "recap"
    assert 3 <= len(part.objectives) <= 5 and 30 <= len(part.recap.split()) <= 90
    numbers = [
        int(number)
        for cell in found
        if cell.cell_type == "markdown"
        for number in re.findall(r"^## (\d+)\. ", cell.source, re.M)
    ]
    assert numbers == list(range(1, len(numbers) + 1))


@by_part
def test_a_shown_cell_is_introduced(part):
    """A hint or a table without its text above it would hang in the air."""
    for above, cell in zip(cells(part.number), cells(part.number)[1:]):
        if "hint(" in cell.source and cell.cell_type == "code":
            assert "attempt(" in above.source, cell.source


def test_headings_and_other_sections_are_named_as_they_are_found_here():
    text = "## 4. A\nSee section 6, section 9, notebook 04, section 2. [01](01_a.ipynb) [x](#y)"
    (cell, other) = _fitted([new_markdown_cell(text), new_markdown_cell("## 6. B")], "02", 3)
    assert cell.source == (
        "## 3. A\nSee section 4, section 9 of notebook 02, notebook 04, section 2. "
        "[01](../01_a.ipynb) [x](#y)"
    )
    assert other.source == "## 4. B"


def test_a_heading_without_a_section_is_left_out():
    """The long notebooks end a section and begin the next in one text cell."""
    source = ["Before.\n\n## 7. Loss", "## 8. Order", "More.\n\n## 9. Far", "code", "x\n## 1. y"]
    found = _without_empty_sections([new_markdown_cell(text) for text in source])
    assert [cell.source for cell in found] == ["Before.", *source[1:4], "x"]


def test_a_part_without_cells_is_refused(tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "01_x.py").write_text("# %%\na = 1\n")
    lines = "name: a, minutes: 1, title: A, question: Q, objectives: [], sources: [01_x], recap: R"
    (tmp_path / "src" / "half_day.yaml").write_text(f"parts:\n  - {{{lines}}}\n")
    with pytest.raises(InputError, match="no cell is tagged 'half-day-1'"):
        cells_of(parts(tmp_path)[0], tmp_path)


def test_every_tag_chooses_a_cell_of_a_part_that_names_the_source():
    """A tag in a source that its part does not name would be ignored in silence."""
    for path in sorted((FOLDER / "src").glob("*.py")):
        for number in re.findall(r'"half-day-(\d)"', path.read_text(encoding="utf-8")):
            assert path.stem in PARTS[int(number) - 1].sources, (path.name, number)


@by_part
def test_what_is_guessed_turns_out_in_the_same_part(part):
    """The cell that computes it may stand in the long notebook alone."""
    assert check_guesses(cells(part.number), "") == []


# --- minutes ---


@by_part
def test_a_part_fits_its_minutes(part):
    """By the model that the README states, with the waiting that was measured."""
    seconds = SECONDS[part.stem]
    assert minutes(cells(part.number), seconds["seconds"])["all"] <= part.minutes
    assert seconds["longest"] <= 45, "nobody should wait longer for one cell"


def test_the_path_runs_in_six_minutes():
    assert sum(seconds["seconds"] for seconds in SECONDS.values()) <= 360


def test_minutes_count_what_the_model_names():
    shown = [
        new_markdown_cell("word " * 196 + "**Guess first:** two more"),
        new_code_cell('f = attempt(f, exercise="x")'),
        new_code_cell('quiz("a", "b")'),
        new_code_cell("table(x)"),
        new_code_cell("y = 1", metadata={"tags": ["hide-input"]}),
    ]
    found = minutes(shown, 30)
    assert found == {
        "reading": 1.0,
        "waiting": 0.5,
        "exercise": 6.0,
        "question": 1.0,
        "guess": 0.5,
        "result": 0.75,
        "all": 9.75,
    }


def test_longer_paths_name_notebooks_that_exist_and_fit():
    """A seminar has 90 minutes, a day six hours; what does not fit is named for at home."""
    day, seminars = read_yaml(FOLDER / "src" / "half_day.yaml")["paths"]
    page = (FOLDER / "half_day" / "README.md").read_text(encoding="utf-8")
    for path in (day, seminars):
        for name, numbers in path["blocks"]:
            (total,) = re.findall(rf"^\| {name} \| {', '.join(numbers)} \| (\d+) \|$", page, re.M)
            assert int(total) <= 90
        every = [n for _, numbers in path["blocks"] + path["home"] for n in numbers]
        assert sorted(every) == sorted(p.stem[:2] for p in (FOLDER / "src").glob("[0-9]*.py"))
    assert len(seminars["blocks"]) == 6 and len(day["blocks"]) == 4


def test_the_readme_names_the_minutes_that_the_notebooks_name():
    """Who plans a course reads the README, not twelve boxes."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for source in (FOLDER / "src").glob("[0-9]*.py"):
        number = source.stem[:2]
        (row,) = re.findall(rf"^\| \[{number} .*$", text, re.M)
        named = [_named_minutes(FOLDER, number, of) for of in ("follow", "exercises")]
        assert re.findall(r"\| (\d+) ", row) == [str(m) for m in named], number
    page = (FOLDER / "half_day" / "README.md").read_text(encoding="utf-8")
    totals = re.findall(r"^\| \*\*in all\*\* \| \| \*\*(\d+)\*\* \|$", page, re.M)
    assert re.findall(r"^\| (?:a full day|six seminars) \| (\d+) \|", text, re.M) == totals


def test_what_is_built_is_up_to_date():
    """Whoever edits a source must not leave the short notebooks behind."""
    assert [line for line in stale(FOLDER) if "half_day" in line] == []


@pytest.mark.full
@by_part
def test_a_part_runs_to_its_end_with_nothing_filled_in(part, tmp_path):
    """As a learner has it: every cell, unfilled exercises, without a warning on the page."""
    notebook = FOLDER / "half_day" / f"{part.stem}.ipynb"
    command = [sys.executable, "-m", "tutorial_lib", "run", str(notebook), "--profile", "smoke"]
    done = subprocess.run(
        [*command, "--out", str(tmp_path / "run")],
        env=os.environ | {"TUTORIAL_STRICT": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    executed = nbformat.read(tmp_path / "run" / notebook.name, 4)
    outputs = [output for cell in executed.cells for output in cell.get("outputs", [])]
    assert [output["text"] for output in outputs if output.get("name") == "stderr"] == []
