"""Cells that are not the lesson: badges and set-up from ``tools/templates``, folded code."""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader
from nbformat.v4 import new_code_cell

from tutorial_workshop.page.environment import project_table

# JupyterLab shows three dots in place of the code, Colab a title
HIDDEN = {"cellView": "form", "jupyter": {"source_hidden": True}}
_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("templates")), trim_blocks=True
)


def repository(root: Path) -> tuple[str, str]:
    """``owner/name`` on GitHub and the release tag ``v<version>``, from pyproject.toml.

    The name is empty while pyproject.toml has no such address.
    """
    project = project_table(root)
    urls = " ".join(project.get("urls", {}).values())
    match = re.search(r"github\.com/([\w.-]+/[\w.-]+?)(\.git)?/?( |$)", urls)
    return match[1] if match else "", f"v{project.get('version', '0.1.0')}"


def setup_source(root: Path) -> str:
    """The set-up cell, which installs the kit in Colab.

    From its repository or, while that has no address, from an uploaded wheel.
    """
    where, tag = repository(root)
    template = _TEMPLATES.get_template("setup_cell.py.jinja")
    return template.render(repository=where, tag=tag, version=tag.removeprefix("v"))


def badges(root: Path, path: str) -> str:
    """The badges of one notebook (path relative to the repository root), each with alt text."""
    where, tag = repository(root)
    return _TEMPLATES.get_template("badges.md.jinja").render(repository=where, tag=tag, path=path)


def setup_cell(root: Path):
    """The set-up cell, its code hidden: what it has to say is its output."""
    return new_code_cell(setup_source(root), metadata={"tags": ["setup"], **HIDDEN})


def with_folded_code(cells: Sequence) -> list:
    """The cells, with the code hidden of the imports that come first after the parameters, and of
    the numbers that are compared with recorded ones.
    """
    result, opening = [], False
    for cell in cells:
        tags = list(cell.metadata.get("tags", []))
        if cell.cell_type == "code":
            opening = "parameters" in tags or (opening and _only_imports(cell))
        compares = cell.cell_type == "code" and re.search(r"^ *golden\(", cell.source, re.M)
        if compares or (opening and cell.cell_type == "code" and "parameters" not in tags):
            cell = copy.deepcopy(cell)
            cell.metadata |= {"tags": list(dict.fromkeys([*tags, "hide-input"])), **HIDDEN}
        result.append(cell)
    return result


def _only_imports(cell) -> bool:
    return all(
        isinstance(node, (ast.Import, ast.ImportFrom)) for node in ast.parse(cell.source).body
    )
