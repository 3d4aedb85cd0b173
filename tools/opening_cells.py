"""The cells at the top of every notebook: badges and set-up, from ``tools/templates``."""

from __future__ import annotations

import re
from pathlib import Path

from jinja2 import Environment, FileSystemLoader

from tutorial_workshop.page.environment import project_table

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
