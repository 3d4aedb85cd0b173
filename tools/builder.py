"""Notebooks from one source: ``notebooks/src/NN_name.py`` -> exercises and solutions.

The exercises go to ``notebooks/``, the solutions to ``notebooks/solutions/``. The source is
py:percent with the solutions inside, and cell tags say what each part is. The builder

- writes the badges (after the ``title`` cell) and the ``setup`` cell (before ``parameters``), the
  same in all notebooks; while pyproject.toml names no repository there are no badges, and in Colab
  the set-up cell takes a wheel that was uploaded; code that is not the lesson is folded;
- empties what stands between ``# SOLUTION BEGIN`` and ``# SOLUTION END`` to ``...`` and drops cells
  tagged ``solution`` (exercises only);
- puts folded text in the place of each ``hint(...)`` cell, and after each ``quiz(...)`` cell, for
  pages where no kernel runs;
- links the first use of each term of the glossary, and writes its page;
- gives the same bytes on every build: cell ids from the content, a fixed kernel, no outputs, no
  widget state.

``python -m tools.builder [--check]`` builds all, or only says what is out of date.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from tools.opening_cells import badges, repository, setup_cell, with_folded_code
from tutorial_lib.data.shipped import write_whole
from tutorial_lib.errors import InputError
from tutorial_workshop.exercises.loading import SOLUTION_MARK, get_exercise
from tutorial_workshop.page.checker import help_html
from tutorial_workshop.page.display import folded
from tutorial_workshop.page.questions import FOLDER as QUIZZES
from tutorial_workshop.page.questions import get_question, question_html

_SOLUTION = re.compile(
    r"^(?P<indent>[ \t]*)# SOLUTION BEGIN[ \t]*\n.*?^[ \t]*# SOLUTION END[ \t]*$", re.M | re.S
)
_QUIZ = re.compile(r"""^quiz\(\s*["']([^"']+)["'],\s*["']([^"']+)["']""", re.M)
_HINT = re.compile(r"""hint\(["']([^"']+)["']\)""")
_KEPT_METADATA = ("tags", "cellView", "jupyter")
METADATA = {  # without a kernelspec JupyterLab stops to ask for a kernel
    "colab": {"provenance": [], "toc_visible": True},
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def exercise_source(source: str) -> str:
    """The source of a cell with its solutions emptied to ``...``, at the same indent.

    >>> print(exercise_source("if x:\\n    # SOLUTION BEGIN\\n    y = x\\n    # SOLUTION END"))
    if x:
        ...
    """
    return _SOLUTION.sub(lambda match: f"{match['indent']}...", source)


def tags_of(cell) -> list[str]:
    """The tags of a cell, empty where it has none."""
    return list(cell.metadata.get("tags", []))


def read_source(path: Path) -> list:
    """The cells of a source notebook.

    Raises:
        InputError: no such file, solution marks that do not pair up, or a markdown cell that was
            read as code.
    """
    import jupytext
    import nbformat

    if not path.is_file():
        raise InputError(f"no notebook source {path}; sources are notebooks/src/NN_name.py")
    try:
        cells = jupytext.reads(path.read_text(encoding="utf-8"), fmt="py:percent").cells
    except nbformat.ValidationError as error:
        raise InputError(
            f"{path.name} is no notebook source: {error.message}; a header of its own is not needed"
        ) from None
    for number, cell in enumerate(cells, start=1):
        if cell.cell_type == "code" and SOLUTION_MARK.search(_SOLUTION.sub("", cell.source)):
            raise InputError(
                f"{path.name}, cell {number}: '# SOLUTION BEGIN' and '# SOLUTION END' do not"
                " pair up"
            )
    return cells


def _folded_cells(source: str) -> list:
    """Markdown cells with the text of the quizzes and hints that a code cell calls."""
    from nbformat.v4 import new_markdown_cell

    texts = [
        folded("The question as text, with its answers", question_html(get_question(*names)))
        for names in _QUIZ.findall(source)
    ]
    texts += [help_html(get_exercise(name)) for name in dict.fromkeys(_HINT.findall(source))]
    return [new_markdown_cell(text, metadata={"tags": ["folded-text"]}) for text in texts]


def _generated(cells: list, root: Path, path: str) -> list:
    """The cells with badges, the set-up cell and the folded texts put in."""
    from nbformat.v4 import new_markdown_cell

    setup = setup_cell(root)
    result = []
    for cell in with_folded_code(cells):
        if "setup" in tags_of(cell):  # a placeholder in the source
            continue
        if "parameters" in tags_of(cell):
            result.append(setup)
        if not _HINT.fullmatch(cell.source.strip()):
            result.append(cell)
        if "title" in tags_of(cell) and repository(root)[0]:
            result.append(new_markdown_cell(badges(root, path), metadata={"tags": ["badges"]}))
        if cell.cell_type == "code":
            result += _folded_cells(cell.source)
    return result


def build(src_path: str | Path, solution: bool) -> str:
    """One notebook as text.

    Args:
        src_path: ``notebooks/src/NN_name.py``.
        solution: True for the notebook with solutions, False for the one with exercises.

    Returns:
        The .ipynb file's content; the same for the same source, always.

    Raises:
        InputError: see ``read_source``; also for a quiz or exercise that does not exist.
    """
    src_path = Path(src_path)
    folder = "notebooks/solutions" if solution else "notebooks"
    path = f"{folder}/{src_path.stem}.ipynb"
    return notebook_text(read_source(src_path), src_path.resolve().parents[2], path, solution)


def notebook_text(cells: list, root: Path, path: str, solution: bool) -> str:
    """Cells as the text of a notebook at ``path`` below ``root``; arguments and errors as in
    ``build``.
    """
    import nbformat

    if not solution:
        cells = [cell for cell in cells if "solution" not in tags_of(cell)]
    from tools import glossary

    seen: Counter[str] = Counter()
    finished = []
    up = "../" * (len(Path(path).parts) - 1 - solution)  # links of solutions are lengthened below
    known = glossary.terms(root / glossary.FILE)
    for cell in glossary.linked(_generated(cells, root, path), known, up):
        source = cell.source
        if cell.cell_type == "code" and solution:
            source = SOLUTION_MARK.sub("", source).rstrip("\n")
        elif cell.cell_type == "code":
            source = exercise_source(source).rstrip("\n")
        elif solution:
            source = source.replace("](../", "](../../")  # solutions/ lies one folder deeper
        name = f"{Path(path).stem}:{cell.cell_type}:{source}"
        digest = hashlib.sha1(name.encode()).hexdigest()[:8]
        seen[digest] += 1
        plain = {
            "cell_type": cell.cell_type,
            "id": digest if seen[digest] == 1 else f"{digest}-{seen[digest]}",
            "source": source,
            "metadata": _kept_metadata(cell),
        }
        if cell.cell_type == "code":
            plain |= {"outputs": [], "execution_count": None}
        finished.append(plain)
    notebook = nbformat.from_dict(
        {"cells": finished, "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5}
    )
    nbformat.validate(notebook)
    return nbformat.writes(notebook, version=4).rstrip("\n") + "\n"


def _kept_metadata(cell) -> dict:
    """What a built cell keeps of its metadata: not the tags that only choose cells."""
    kept = {key: cell.metadata[key] for key in _KEPT_METADATA if key in cell.metadata}
    tags = [tag for tag in kept.pop("tags", []) if not tag.startswith("half-day-")]
    return ({"tags": tags} if tags else {}) | kept


def outputs(src_path: Path) -> dict[Path, bool]:
    """Where the two notebooks of a source go: path -> whether it holds the solutions."""
    folder = src_path.parent.parent
    return {
        folder / f"{src_path.stem}.ipynb": False,
        folder / "solutions" / f"{src_path.stem}.ipynb": True,
    }


def _wanted(folder: Path) -> Iterator[tuple[Path, str]]:
    """Every file that the sources of a folder make, and what should be in it."""
    from tools import glossary
    from tools.half_day import built

    for src in sorted((folder / "src").glob("*.py")):
        for path, solution in outputs(src).items():
            yield path, build(src, solution)
    yield from built(folder).items()
    if known := glossary.terms(folder.resolve().parent / glossary.FILE):
        yield folder.parent / glossary.PAGE, glossary.page(known)


def _differing(wanted: dict[Path, str]) -> dict[Path, str]:
    """Those of the files that are missing, or differ from what should be in them."""
    return {
        path: text
        for path, text in wanted.items()
        if not path.exists() or path.read_bytes() != text.encode()
    }


def stale(folder: Path) -> list[str]:
    """What is out of date in a ``notebooks`` folder, and notebooks without a source."""
    wanted = dict(_wanted(folder))
    found = [
        f"{path}: {'differs from' if path.exists() else 'missing for'} its source"
        for path in _differing(wanted)
    ]
    places = ("", "solutions", "half_day", "half_day/solutions")
    there = {path for place in places for path in (folder / place).glob("*.ipynb")}
    return found + [f"{path}: no source in {folder / 'src'}" for path in sorted(there - {*wanted})]


def build_all(folder: Path) -> list[Path]:
    """Build every source of a ``notebooks`` folder; returns the files that changed."""
    changed = _differing(dict(_wanted(folder)))
    for path, text in changed.items():
        write_whole(path, text.encode())
    return list(changed)


def problems_of(sources: Sequence[Path], root: Path) -> list[str]:
    """What breaks a rule in the sources, the quizzes or the glossary."""
    from tools.glossary import FILE, check_glossary, terms
    from tools.quiz_rules import check_balance, check_quiz
    from tools.rules import check_modules, check_source

    found = [problem for source in sources for problem in check_source(source)]
    found += check_modules(sources)
    quizzes = sorted(QUIZZES.glob("*.yaml"))
    of_quizzes = [problem for path in quizzes for problem in check_quiz(path)]
    return found + (of_quizzes or check_balance(quizzes)) + check_glossary(terms(root / FILE))


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line: 0 all is well, 1 something is out of date or breaks a rule, 2 bad input."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.builder", description="build the notebooks from notebooks/src"
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing, say what is out of date"
    )
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path("notebooks"),
        help="the notebooks folder (default: notebooks)",
    )
    given = parser.parse_args(arguments)
    sources = sorted((given.folder / "src").glob("*.py"))
    try:
        if not sources:
            raise InputError(
                f"no sources in {given.folder / 'src'}; run this from the repository root"
            )
        problems = problems_of(sources, given.folder.parent)
        if given.check:
            problems += stale(given.folder)
        else:
            for path in build_all(given.folder):
                print(f"wrote {path}")
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"{len(sources)} sources, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
