"""The rules that every notebook source keeps: parts in order, short cells, alt texts."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from pathlib import Path

from tools.builder import read_source, tags_of
from tools.guess_rules import check_guesses

# badges and set-up are put in by the builder
ORDER = ("title", "objectives", "parameters", "recap", "references")
LONGEST_CELL = 25  # lines of code
MOST_MODULES = 3  # of the kit, that a cell imports from
MOST_MODULES_IN_ALL = 30  # of the kit, that the notebooks import from together
KIT = ("tutorial_lib", "tutorial_workshop", "tutorial_recipes")
TALK = ("say", "print")  # calls that are presentation, whatever they are given
_REQUIRED_KEYWORDS = {"show": ("alt", "caption"), "explore": ("alt",)}


def _code(source: str) -> ast.Module:
    """A cell's syntax tree, with magics (``%``, ``!``) blanked out."""
    return ast.parse(re.sub(r"^([ \t]*)[%!].*$", r"\1pass", source, flags=re.M))


def _check_order(tags: list[list[str]]) -> list[str]:
    flat = [tag for cell in tags for tag in cell if tag in ORDER]
    problems = [
        f"tag '{tag}' stands on {flat.count(tag)} cells, expected one"
        for tag in ORDER
        if flat.count(tag) != 1
    ]
    if not problems and flat != list(ORDER):
        problems.append(f"parts stand in the order {', '.join(flat)}; expected {', '.join(ORDER)}")
    if tags and "title" not in tags[0]:
        problems.append("the first cell is not tagged 'title'")
    return problems


def check_parameters(source: str) -> list[str]:
    """What is wrong with a parameters cell: each line must be ``NAME = literal  # unit and range``.

    >>> check_parameters("SEED = 0  # any whole number")
    []
    >>> check_parameters("SEED = 0")
    ["parameters: 'SEED = 0' has no comment; say its unit and range"]
    """
    problems = []
    for line in filter(None, map(str.strip, source.splitlines())):
        if line.startswith("#"):
            continue
        try:
            (node,) = ast.parse(line).body
            if not (
                isinstance(node, ast.Assign)
                and len(node.targets) == 1
                and isinstance(node.targets[0], ast.Name)
            ):
                raise ValueError
            ast.literal_eval(node.value)
        except (SyntaxError, ValueError):
            problems.append(f"parameters: {line!r} is not NAME = literal on one line")
            continue
        if not line[node.end_col_offset :].strip().startswith("#"):
            problems.append(f"parameters: {line!r} has no comment; say its unit and range")
    return problems


def kit_modules(tree: ast.AST) -> set[str]:
    """The kit's modules that a syntax tree imports from.

    >>> sorted(kit_modules(ast.parse("import numpy\\nfrom tutorial_lib.data import Split")))
    ['tutorial_lib.data']
    """
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
    return {name for name in found if name.split(".")[0] in KIT}


def _lines(node: ast.AST) -> range:
    return range(node.lineno, node.end_lineno + 1)  # type: ignore[attr-defined]


def check_presentation(source: str) -> list[str]:
    """Whether a cell holds more f-strings than lines of the lesson: lines of code outside f-strings
    and outside ``say`` and ``print``. Presentation belongs behind one call in ``figures/``.

    >>> check_presentation("say(f'{a}', f'{b}')")
    ['2 f-strings for 0 lines of the lesson; move the presentation to tutorial_workshop/figures']
    """
    tree = _code(source)
    values = [node for node in ast.walk(tree) if isinstance(node, ast.FormattedValue)]
    formats = {id(value.format_spec) for value in values}  # ``.3f`` is a JoinedStr of its own
    texts = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr) and id(node) not in formats
    ]
    talk = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in TALK
    ]
    shown = {line for node in [*texts, *talk] for line in _lines(node)}
    lesson = [
        number
        for number, line in enumerate(source.splitlines(), start=1)
        if number not in shown and re.search(r"\w", line.split("#")[0])
    ]
    if len(texts) <= len(lesson):
        return []
    return [
        f"{len(texts)} f-strings for {len(lesson)} lines of the lesson; move the presentation to"
        " tutorial_workshop/figures"
    ]


def check_modules(paths: Iterable[Path]) -> list[str]:
    """Whether the notebooks together import from too many of the kit's modules."""
    found: set[str] = set()
    for path in paths:
        for cell in read_source(path):
            if cell.cell_type == "code":
                found |= kit_modules(_code(cell.source))
    if len(found) <= MOST_MODULES_IN_ALL:
        return []
    return [
        f"the notebooks import from {len(found)} modules, at most {MOST_MODULES_IN_ALL};"
        " import from packages, as in from tutorial_lib.models import EASE"
    ]


def check_code(source: str) -> list[str]:
    """What is wrong with a code cell: too long, too many modules, more presentation than lesson,
    star imports, ``show`` or ``explore`` without their texts, code that does not parse.
    """
    lines = len(source.strip().splitlines())
    problems = [f"{lines} lines of code, at most {LONGEST_CELL}"] if lines > LONGEST_CELL else []
    try:
        tree = _code(source)
    except SyntaxError as error:
        return [*problems, f"code does not parse: {error.msg} (line {error.lineno})"]
    modules = kit_modules(tree)
    if len(modules) > MOST_MODULES:
        problems.append(f"imports from {len(modules)} of the kit's modules, at most {MOST_MODULES}")
    problems += check_presentation(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
            problems.append(f"star import from {node.module}")
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            given = {keyword.arg for keyword in node.keywords}
            missing = [
                word
                for word in _REQUIRED_KEYWORDS.get(node.func.id, ())
                if word not in given and None not in given
            ]
            if missing:
                problems.append(f"{node.func.id}(...) without {' and '.join(missing)}")
    return problems


def check_markdown(source: str) -> list[str]:
    """What is wrong with a text cell: images without alt text.

    >>> check_markdown("![](map.svg)")
    ['image map.svg has no alt text']
    """
    problems = [
        f"image {path} has no alt text"
        for alt, path in re.findall(r"!\[([^\]]*)\]\(([^)\s]+)", source)
        if not alt.strip()
    ]
    for tag in re.findall(r"<img\b[^>]*>", source):
        if not re.search(r"""\balt=("[^"]*\S[^"]*"|'[^']*\S[^']*')""", tag):
            problems.append(f"image {tag[:60]} has no alt text")
    return problems


def check_source(path: str | Path) -> list[str]:
    """Every rule that a notebook source breaks, each with the file and the cell."""
    path = Path(path)
    cells = read_source(path)
    problems = [
        f"{path.name}: {problem}" for problem in _check_order([tags_of(cell) for cell in cells])
    ]
    for number, cell in enumerate(cells, start=1):
        found = check_code(cell.source) if cell.cell_type == "code" else check_markdown(cell.source)
        if "parameters" in tags_of(cell):
            found += (
                check_parameters(cell.source)
                if cell.cell_type == "code"
                else ["the parameters are a text cell"]
            )
        problems += [f"{path.name}, cell {number}: {problem}" for problem in found]
    if not any("does not parse" in problem for problem in problems):
        number_of_notebook = path.name[:3].replace("_", "-")
        problems += [f"{path.name}: {p}" for p in check_guesses(cells, number_of_notebook)]
    return problems
