"""What a learner finds in every notebook: objectives that are tested, questions, exercises of which
one is a build, a widget, a recap, and links to the glossary.
"""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest

from tools.builder import build, read_source, tags_of
from tutorial_workshop.exercises.loading import all_exercises
from tutorial_workshop.page.questions import FOLDER, load_questions

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "notebooks" / "src").glob("[0-9]*.py"))
by_notebook = pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
MARK = r"\*\*Exercise (\d\d-[\w-]+)\*\* \((build, )?about (\d+) minutes, difficulty [123] of 3\)"


def text_of(source: Path, *kinds: str) -> str:
    """The cells of these kinds, each line of a text joined to the one before."""
    return "\n\n".join(cell.source for cell in read_source(source) if cell.cell_type in kinds)


def box(source: Path) -> list[str]:
    """The objectives of a notebook, each as one line."""
    (found,) = [c.source for c in read_source(source) if "objectives" in tags_of(c)]
    lines = re.sub(r"\n>   +", " ", found).splitlines()
    return [line.removeprefix("> - ") for line in lines if line.startswith("> - ")]


def quizzes(source: Path) -> list[str]:
    asked = re.findall(r'^quiz\("([^"]+)", "([^"]+)"\)', text_of(source, "code"), re.M)
    assert {name for name, _ in asked} == {source.stem}
    return [question for _, question in asked]


def exercises(source: Path) -> list[str]:
    return re.findall(r'= attempt\(\w+, exercise="([^"]+)"\)', text_of(source, "code"))


def test_all_twelve_are_looked_at():
    assert [path.stem[:2] for path in SOURCES] == [f"{n:02d}" for n in range(12)]


@by_notebook
def test_each_objective_is_tested(source):
    """By an exercise, a question or a section that it names, and that is there."""
    sections = re.findall(r"^## (\d+)\. ", text_of(source, "markdown"), re.M)
    named = []
    for objective in box(source):
        assert objective.count("*") >= 2, "a verb, in italics"
        where = re.findall(r"\(([^()]*)\)", objective)
        where = [w for w in where if re.search(r"exercise|question|section|contest|set-up", w)]
        assert where, objective
        for kind, numbers in re.findall(r"(question|section)s? ([\d, and]+)", " ".join(where)):
            known = sections if kind == "section" else range(1, len(quizzes(source)) + 1)
            assert {*re.findall(r"\d+", numbers)} <= {*map(str, known)}, objective
        named += re.findall(r"\d\d-[\w-]+", " ".join(where))
    assert sorted(named) == sorted(exercises(source)), "each exercise serves an objective"


@by_notebook
def test_questions_are_five_or_more_and_all_are_asked(source):
    asked = quizzes(source)
    assert len(asked) >= 5
    assert sorted(asked) == sorted(load_questions(FOLDER / f"{source.stem}.yaml"))


@by_notebook
def test_exercises_are_two_or_more_and_one_is_a_build(source):
    """Each says how long it takes and how hard it is, where its task is told."""
    marks = re.findall(MARK, text_of(source, "markdown").replace("\n", " "))
    assert sorted(name for name, *_ in marks) == sorted(exercises(source))
    assert set(exercises(source)) == {n for n in all_exercises() if n[:2] == source.stem[:2]}
    assert len(marks) >= 2
    assert [int(minutes) for _, build_, minutes in marks if build_] >= [15]


@by_notebook
def test_a_widget_a_recap_and_links_to_the_glossary(source):
    assert re.search(r"^explore\(", text_of(source, "code"), re.M)
    cells = nbformat.reads(build(source, solution=False), 4).cells
    (recap,) = [cell for cell in cells if "recap" in tags_of(cell)]
    assert "table(" in recap.source, "computed, not typed"
    links = re.findall(r"\(\.\./GLOSSARY\.md#", "\n".join(cell.source for cell in cells))
    assert len(links) >= 4
