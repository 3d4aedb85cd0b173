"""The notebook builder: if these fail, notebooks and sources drift apart, solutions leak, or a
notebook does not open.
"""

from __future__ import annotations

import json
import os
import shutil
from functools import cache
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell

from tools import builder, rules
from tools.opening_cells import setup_source, with_folded_code
from tutorial_lib.errors import InputError

TINY = Path(__file__).parent / "fixtures" / "notebooks" / "src" / "90_tiny.py"
NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
SOURCES = sorted((NOTEBOOKS / "src").glob("*.py"))


FOUR_MODULES = "\n".join(
    f"from tutorial_lib.{name} import x" for name in ("data", "models", "training", "evaluation")
)


@cache
def built(solution: bool) -> str:
    return builder.build(TINY, solution)


def cells(solution: bool) -> list:
    return nbformat.reads(built(solution), as_version=4).cells


@pytest.fixture
def copy(tmp_path):
    """A notebooks folder of its own with the tiny source."""
    (tmp_path / "notebooks" / "src").mkdir(parents=True)
    shutil.copy(TINY, tmp_path / "notebooks" / "src")
    return tmp_path / "notebooks"


def test_the_same_bytes_on_every_build(copy):
    assert builder.build(TINY, False) == built(False)
    assert len(builder.build_all(copy)) == 2
    before = {path: path.read_bytes() for path in copy.rglob("*.ipynb")}
    assert builder.build_all(copy) == [] and before == {
        path: path.read_bytes() for path in copy.rglob("*.ipynb")
    }
    assert not list(copy.rglob("*.part"))


def test_solutions_are_emptied_at_the_same_indent():
    code = [cell.source for cell in cells(False) if "folded-text" not in builder.tags_of(cell)]
    source = "\n\n".join(code)
    assert '    """NDCG of one list, gain 1 for a relevant item."""\n    ...\n' in source + "\n"
    assert "seen.add(item)\n    return dcg / sum" not in source and "SOLUTION" not in source
    assert "The solution adds the discounts" not in source, (
        "cells tagged 'solution' stay out of the exercises"
    )
    solved = "\n".join(cell.source for cell in cells(True))
    assert (
        "seen.add(item)\n    return dcg / sum" in solved
        and "SOLUTION" not in solved
        and "The solution adds" in solved
    )


def test_metadata_opens_without_questions():
    """No kernelspec: JupyterLab asks for a kernel. Widget state: GitHub says "Invalid Notebook"."""
    notebook = json.loads(built(True))
    assert (
        notebook["metadata"]["kernelspec"]["name"] == "python3"
        and "widgets" not in notebook["metadata"]
    )
    assert all(
        cell["outputs"] == [] and cell["execution_count"] is None
        for cell in notebook["cells"]
        if cell["cell_type"] == "code"
    )
    kept = {"tags", "cellView", "jupyter"}
    assert all(set(cell["metadata"]) <= kept for cell in notebook["cells"])


def test_cell_ids_are_unique_and_stay_when_a_cell_is_put_before():
    """Else every cell after a new one shows up as changed."""
    ids = [cell["id"] for cell in cells(False)]
    assert len(set(ids)) == len(ids)


def test_ids_survive_an_insertion_and_double_cells(copy):
    source = copy / "src" / "90_tiny.py"
    before = [
        cell["id"] for cell in nbformat.reads(builder.build(source, False), as_version=4).cells
    ]
    marker = '# %% tags=["exercise"]'
    source.write_text(
        source.read_text().replace(marker, "# %%\nhello = 1\n\n# %%\nhello = 1\n\n" + marker)
    )
    after = [
        cell["id"] for cell in nbformat.reads(builder.build(source, False), as_version=4).cells
    ]
    assert [i for i in after if i in before] == before and len(set(after)) == len(before) + 2
    assert builder.build(source, False) == builder.build(source, False), (
        "double ids would be replaced by random ones"
    )


def test_generated_cells_stand_in_their_place():
    tags = [tuple(cell.metadata.get("tags", [])) for cell in cells(False)]
    assert tags[:4] == [("title",), ("objectives",), ("setup",), ("parameters",)]
    setup = cells(False)[2].source
    assert "%pip install --quiet {wheel}" in setup and "-U" not in setup and "==" not in setup
    assert rules.check_code(setup) == []


def test_imports_and_checks_are_folded_and_what_a_learner_edits_is_not():
    """Else a page begins with lines that are not the lesson, or hides what is to be changed."""

    def code(source, *tags):
        return new_code_cell(source, metadata={"tags": list(tags)} if tags else {})

    opening = [code("SEED = 0", "parameters"), code("import a"), new_markdown_cell("# Text")]
    later = [code("from b import c"), code("d = c(a)"), code("import e"), code("golden(d)")]
    built_cells = with_folded_code([*opening, *later])
    hidden = [cell.metadata.get("jupyter", {}).get("source_hidden", False) for cell in built_cells]
    assert hidden == [False, True, False, True, False, False, True]
    assert built_cells[1].metadata.tags == ["hide-input"] and not opening[1].metadata
    assert cells(False)[2].metadata["jupyter"] == {"source_hidden": True}, "the set-up cell"


def test_without_an_address_nothing_names_one():
    """A badge or an install line that leads to a repository nobody owns can be taken over by
    anybody.
    """
    for solution in (False, True):
        text = built(solution)
        assert (
            "github" not in text.lower() and "mybinder" not in text and "colab.research" not in text
        )


def test_with_an_address_badges_and_install_line_come_back(copy):
    (copy.parent / "pyproject.toml").write_text(
        '[project]\nversion = "1.2"\n[project.urls]\nSource = "https://github.com/some/where"\n'
    )
    _, badges, _, setup, *_ = nbformat.reads(
        builder.build(copy / "src" / "90_tiny.py", True), as_version=4
    ).cells
    assert (
        badges.metadata.tags == ["badges"] and badges.source.count("[![Open this notebook in ") == 2
    )
    assert "some/where/blob/v1.2/notebooks/solutions/90_tiny.ipynb" in badges.source
    assert (
        '%pip install --quiet "git+https://github.com/some/where@v1.2"' in setup.source
        and "whl" not in setup.source
    )
    assert rules.check_code(setup.source) == []


@pytest.mark.parametrize("uploaded", [False, True])
def test_colab_without_the_kit_asks_for_the_wheel(tmp_path, monkeypatch, uploaded):
    """The first cell is all that a learner sees: it must say in one line what to bring."""
    import importlib.util

    from tutorial_lib import __version__

    wheel = tmp_path / f"tutorial_lib-{__version__}-py3-none-any.whl"
    if uploaded:
        wheel.write_text("old")
        os.utime(wheel, (1, 1))
        (tmp_path / f"{wheel.stem} (1).whl").write_text("new")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLAB_RELEASE_TAG", "stand-in")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    code = setup_source(NOTEBOOKS.parent).split("# Not in Colab")[0]
    installed = []
    code = code.replace("%pip install --quiet {wheel}", "installed.append(wheel)")
    if uploaded:
        exec(code, {"installed": installed})
        assert installed == [os.path.join("newest", wheel.name)], "a name that pip takes"
        assert (tmp_path / installed[0]).read_text() == "new", "the one uploaded last"
    else:
        with pytest.raises(
            ModuleNotFoundError, match=f"upload the kit.s wheel, {wheel.name} "
        ) as told:
            exec(code, {})
        assert "\n" not in str(told.value)


def test_quiz_and_hints_stand_as_text_too():
    """GitHub and nbviewer show no outputs of a notebook that was never run."""
    texts = [cell.source for cell in cells(False) if "folded-text" in cell.metadata.get("tags", [])]
    assert len(texts) == 2 and "Hint 3 of 3" in texts[0] and "Which logarithm" in texts[1]
    assert all("\n\n" not in text for text in texts)


def test_check_finds_what_is_out_of_date(copy, capsys, monkeypatch):
    monkeypatch.chdir(copy.parent)
    assert builder.main(["--check"]) == 1 and "missing for its source" in capsys.readouterr().err
    assert builder.main([]) == 0 and builder.main(["--check"]) == 0
    capsys.readouterr()
    (copy / "90_tiny.ipynb").write_text("{}")
    (copy / "91_stray.ipynb").write_text("{}")
    assert builder.main(["--check"]) == 1
    told = capsys.readouterr().err
    assert "differs from its source" in told and "91_stray.ipynb: no source" in told
    assert builder.main(["--folder", str(copy / "nowhere")]) == 2


def test_the_repository_comes_from_pyproject(tmp_path):
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nversion = "1.2"\n[project.urls]\nSource = "https://github.com/some/where.git"\n'
    )
    assert builder.repository(tmp_path) == ("some/where", "v1.2")
    assert builder.repository(tmp_path / "none")[0] == ""


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (('tags=["objectives"]', 'tags=["goals"]'), "tag 'objectives' stands on 0 cells"),
        (('tags=["recap"]', 'tags=["title"]'), "tag 'title' stands on 2 cells"),
        (("SEED = 0  # whole number", "SEED = 0"), "has no comment"),
        (("SEED = 0  # whole number", "SEED = int(0)  # whole"), "is not NAME = literal"),
        (("SEED = 0  # whole number", "SEED = [  # seeds\n    0,\n]"), "is not NAME = literal"),
        (("import math  # noqa: E402", "from math import *"), "star import from math"),
        (("import math  # noqa: E402", "import (math"), "does not parse"),
        (("import math  # noqa: E402", FOUR_MODULES), "imports from 5 of the kit's modules"),
        (("import math  # noqa: E402", "say(f'{1}', f'{2:.3f}')"), "2 f-strings for 1 lines"),
        (("import math  # noqa: E402", "import math\n" * 24), "lines of code, at most 25"),
        (
            ('    alt="Bars of NDCG 0.63 and MRR 0.50 for one hit at rank 2.",\n', ""),
            "show(...) without alt",
        ),
        (("    alt=", "    text="), "explore(...) without alt"),
        (('guess("90-total"', 'print("90-total"'), "no guess(...) follows 'how much is the sum"),
        (('guess("90-total"', 'guess("90-sum"'), "guess '90-sum' never turns out"),
        (('guess("90-total"', 'guess("91-total"'), "guess '91-total' does not begin with '90-'"),
        (('turned_out("90-total", total)', "total"), "guess '90-total' never turns out"),
        (('turned_out("90-total", total)', 'turned_out("90-total", 1225)'), "value that was typed"),
        (('turned_out("90-total", total)', 'turned_out("90-t", total)'), "but nobody guessed"),
        (("my_guesses()", "total"), "my_guesses() does not stand after the last result"),
        (("# | 1225 | the sum |", "# ![](sum.svg)"), "image sum.svg has no alt text"),
        (("# | 1225 | the sum |", '# <img src="sum.svg" alt=" ">'), "has no alt text"),
    ],
)
def test_each_rule_is_held(copy, change, complaint):
    assert rules.check_source(TINY) == []
    source = copy / "src" / "90_tiny.py"
    text = source.read_text()
    assert change[0] in text
    source.write_text(text.replace(*change))
    problems = rules.check_source(source)
    assert any(complaint in problem and problem.startswith("90_tiny.py") for problem in problems), (
        problems
    )


def test_presentation_is_counted_as_a_reader_would():
    """A format such as ``.3f`` is no text of its own; bars and tables with a caption are fine."""
    assert rules.check_presentation('loss = 1\nsay(f"{loss:.3f}")') == []
    assert rules.check_presentation('bars(\n    values,\n    caption=f"{n} users",\n)') == []
    assert rules.check_presentation('loss = 1\nsay(f"{loss}", f"{loss:.2f}")') != []


def test_notebooks_together_import_from_few_modules(copy, monkeypatch):
    """A learner can keep ten packages in mind, not seventy modules."""
    assert rules.check_modules(SOURCES) == []
    source = copy / "src" / "90_tiny.py"
    source.write_text(source.read_text().replace("import math  # noqa: E402", FOUR_MODULES))
    monkeypatch.setattr(rules, "MOST_MODULES_IN_ALL", 3)
    assert "import from 5 modules" in rules.check_modules([source])[0]


def test_order_of_parts(copy):
    source = copy / "src" / "90_tiny.py"
    text = source.read_text()
    swapped = (
        text.replace('tags=["recap"]', "X")
        .replace('tags=["references"]', 'tags=["recap"]')
        .replace("X", 'tags=["references"]')
    )
    source.write_text(swapped)
    assert any("parts stand in the order" in problem for problem in rules.check_source(source))


def test_bad_sources_are_refused(copy):
    source = copy / "src" / "90_tiny.py"
    text = source.read_text()
    for change, complaint in [
        (("    # SOLUTION END\n", ""), "do not pair up"),
        (("    # SOLUTION BEGIN\n", ""), "do not pair up"),
        (('quiz("demo", "log-base")', 'quiz("demo", "log-bas")'), "did you mean 'log-base'"),
        (('hint("01-ndcg")', 'hint("01-ndgc")'), "did you mean '01-ndcg'"),
    ]:
        source.write_text(text.replace(*change))
        with pytest.raises(InputError, match=complaint):
            builder.build(source, False)
    with pytest.raises(InputError, match="no notebook source"):
        builder.build(copy / "src" / "none.py", True)


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_the_kits_notebooks_keep_the_rules(source):
    """That they are what their sources build is asked in tests/notebooks."""
    assert rules.check_source(source) == []
