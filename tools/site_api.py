"""The API reference of the website: what is public in each package, read from its source."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("tutorial_lib", "tutorial_workshop")
LISTS = ("Args:", "Raises:", "Attributes:")  # sections whose entries have names
_ENTRY = re.compile(r"(?P<name>[*\w., ]+?)(?: \([^)]*\))?: (?P<about>.+)", re.S)


def modules() -> Iterator[tuple[str, list[Path]]]:
    """The kit's packages, each with its public modules: dotted name, paths."""
    for package in PACKAGES:
        folders = [ROOT / package, *sorted((ROOT / package).rglob("*/"))]
        for folder in folders:
            paths = [p for p in sorted(folder.glob("*.py")) if not p.stem.startswith("_")]
            if paths:
                yield ".".join(folder.relative_to(ROOT).parts), paths


def api_page(name: str, paths: list[Path]) -> str:
    """Public functions and classes of a package with signature and docstring, by module."""
    parts = [f"# {name}"]
    for path in paths:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        public = [node for node in tree.body if _is_public(node)]
        if public:
            about = (ast.get_docstring(tree) or "").split("\n\n")[0]
            parts += [f"## {path.stem}", as_markdown(about)]
        for node in public:
            parts += _described(node, "###")
            if isinstance(node, ast.ClassDef):
                methods = [inner for inner in node.body if _is_public(inner)]
                parts += [part for inner in methods for part in _described(inner, "####")]
    return "\n\n".join(filter(None, parts)) + "\n"


def _is_public(node: ast.AST) -> bool:
    return isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_")


def _described(node: ast.FunctionDef | ast.ClassDef, level: str) -> list[str]:
    about = as_markdown(ast.get_docstring(node) or "")
    return [f"{level} {node.name}", f"```python\n{_signature(node)}\n```", about]


def _signature(node: ast.FunctionDef | ast.ClassDef) -> str:
    if isinstance(node, ast.ClassDef):
        return f"class {node.name}({', '.join(map(ast.unparse, node.bases))})".replace("()", "")
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"{node.name}({ast.unparse(node.args)}){returns}"


def as_markdown(docstring: str) -> str:
    """A docstring in Google's style: arguments become a list, examples and tables stay as typed."""
    blocks = re.split(r"\n\s*\n", docstring)
    return "\n\n".join(_block(block) for block in blocks if block.strip())


def _block(block: str) -> str:
    """One paragraph, example, table or section of a docstring."""
    first, *rest = block.split("\n")
    if first.lstrip().startswith(">>>"):
        return f"```pycon\n{block}\n```"
    if re.fullmatch(r"[A-Z]\w+:", first) and rest:
        head = f"**{first[:-1]}**\n\n"
        if first not in LISTS:
            return head + _escaped(" ".join(line.strip() for line in rest))
        entries = re.split(r"\n(?!     )", "\n".join(rest))  # deeper than an entry: it goes on
        return head + "\n".join(_entry(" ".join(entry.split())) for entry in entries)
    if any(line.startswith("  ") for line in (first, *rest)):
        return f"```text\n{block}\n```"
    return _escaped(" ".join([first, *rest]))


def _entry(entry: str) -> str:
    named = _ENTRY.fullmatch(entry)
    if named:
        return f"- `{named['name']}`: {_escaped(named['about'])}"
    return f"- {_escaped(entry)}"


def _escaped(text: str) -> str:
    """Text whose signs mean nothing to Markdown, outside of code."""
    pieces = re.split(r"(``.+?``|`[^`]+`)", text)
    return "".join(
        piece if place % 2 else re.sub(r"([*_$<\[\]{|#~\\])", r"\\\1", piece)
        for place, piece in enumerate(pieces)
    )
