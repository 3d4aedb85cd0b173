"""The pages of the website, before Sphinx: notebooks, decks, texts and an API reference.

``python -m tools.site_pages OUT [EXECUTED]`` writes them to ``OUT``; ``make site`` does so and
calls Sphinx (``site/conf.py``). Notebooks show the outputs of the run in ``EXECUTED`` (a folder
that ``tutorial run`` wrote), those that it lacks stand without outputs. Formulas become pictures
with their TeX as alt text, so a page needs no script from elsewhere.
"""

from __future__ import annotations

import ast
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat

from tools.builder import tags_of
from tutorial_workshop.page.export import still_notebook

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("tutorial_lib", "tutorial_workshop")
TEXTS = {  # page -> the file that it is
    "reading.md": "docs/reading.md",
    "glossary.md": "GLOSSARY.md",
    "results.md": "benchmarks/RESULTS.md",
    "contributing.md": "CONTRIBUTING.md",
}
# how a page shows cells that are not the lesson
_FOLDED = {"setup": "remove-cell", "parameters": "hide-input", "injected-parameters": "remove-cell"}


def notebooks() -> list[str]:
    """The notebooks of the site, relative to ``notebooks/``, without their ending."""
    folder = ROOT / "notebooks"
    found = [*sorted(folder.glob("[0-9]*.ipynb")), *sorted(folder.glob("half_day/[0-9]*.ipynb"))]
    return [path.relative_to(folder).with_suffix("").as_posix() for path in found]


def contents() -> str:
    """The first page, with every page of the site in its tables of contents."""
    long = [name for name in notebooks() if "/" not in name]
    short = [name for name in notebooks() if "/" in name]
    tables = {
        "Notebooks": [f"notebooks/{name}" for name in long],
        "Half a day": ["notebooks/half_day/README", *(f"notebooks/{name}" for name in short)],
        "Beside them": ["slides", "glossary", "reading", "results", "contributing"],
        "API reference": [f"api/{name}" for name, _ in modules()],
    }
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    title, first = re.findall(r"^# (.+)\n+((?:.+\n)+)", text)[0]
    parts = [f"# {title}", first]
    for caption, pages in tables.items():
        listed = "\n".join(pages)
        parts.append(f"```{{toctree}}\n:caption: {caption}\n:maxdepth: 1\n\n{listed}\n```")
    return "\n\n".join(parts) + "\n"


# --- pages ---


def shown_notebook(name: str, executed: Path | None):
    """One notebook as the site shows it: executed if it was, set-up and parameters folded."""
    path = ROOT / "notebooks" / f"{name}.ipynb"
    run = executed / path.name if executed else path
    notebook = still_notebook(nbformat.read(run if run.is_file() else path, 4), path.parent)
    for cell in notebook.cells:
        extra = [_FOLDED[tag] for tag in tags_of(cell) if tag in _FOLDED]
        cell.metadata["tags"] = [*tags_of(cell), *extra]
        if cell.cell_type == "markdown":
            cell.source = _inside(cell.source, f"notebooks/{name}")
    return notebook


def _inside(text: str, page: str) -> str:
    """Text with its relative links changed to where the site has these pages; links to other files
    become their text. Files are known by their names, so solutions may lie a folder deeper.
    """
    known = {Path(source).name: name for name, source in TEXTS.items()}
    known |= {Path(name).name + ".ipynb": f"notebooks/{name}.ipynb" for name in notebooks()}
    up = "../" * page.count("/")

    def moved(match: re.Match) -> str:
        if re.match(r"\w+:|#", match[2]):
            return match[0]
        target = known.get(Path(match[2].split("#")[0]).name)
        return f"[{match[1]}]({up}{target})" if target else match[1]

    return re.sub(r"(?<!!)\[((?:[^\[\]]|`[^`]*`)*)\]\(([^)\s]+)\)", moved, text)


def slides_page() -> str:
    """A list of the decks; they are single files, which stand beside the pages."""
    rows = []
    for deck in sorted((ROOT / "slides").glob("[0-9]*.html")):
        title = re.search(r"<title>(.*?)</title>", deck.read_text(encoding="utf-8"), re.S)
        name = title[1].strip() if title else deck.stem
        rows.append(f'- <a href="decks/{deck.name}">{name}</a>')
    return "# Slides\n\nEach deck is one file, and needs no network.\n\n" + "\n".join(rows) + "\n"


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
        found = [node for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))]
        public = [node for node in found if not node.name.startswith("_")]
        if public:
            parts += [f"## {path.stem}", _first_line(tree)]
        for node in public:
            parts += [f"### {node.name}", f"```text\n{_signature(node)}\n```", _docstring(node)]
    return "\n\n".join(filter(None, parts)) + "\n"


def _signature(node: ast.FunctionDef | ast.ClassDef) -> str:
    if isinstance(node, ast.ClassDef):
        return f"class {node.name}({', '.join(map(ast.unparse, node.bases))})".replace("()", "")
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"{node.name}({ast.unparse(node.args)}){returns}"


def _first_line(node: ast.Module) -> str:
    return (ast.get_docstring(node) or "").split("\n\n")[0]


def _docstring(node: ast.FunctionDef | ast.ClassDef) -> str:
    text = ast.get_docstring(node)
    return f"````text\n{text}\n````" if text else ""


def write_pages(out: Path, executed: Path | None = None) -> None:
    """Write every page below ``out``, a folder that this function owns."""
    shutil.rmtree(out, ignore_errors=True)
    pages = {"index.md": contents(), "slides.md": slides_page()}
    for name, source in TEXTS.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        pages[name] = _inside(text, name.removesuffix(".md"))
    readme = (ROOT / "notebooks/half_day/README.md").read_text(encoding="utf-8")
    pages["notebooks/half_day/README.md"] = readme.replace("[solutions](solutions)", "solutions")
    for name in notebooks():
        pages[f"notebooks/{name}.ipynb"] = nbformat.writes(shown_notebook(name, executed))
    for name, paths in modules():
        pages[f"api/{name}.md"] = api_page(name, paths)
    for name, text in pages.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text(text, encoding="utf-8")
    files = {"site/conf.py": "", "site/static/*": "static", "benchmarks/figures/*.*": "figures"}
    for pattern, place in (files | {"slides/[0-9]*.html": "extra/decks"}).items():
        (out / place).mkdir(parents=True, exist_ok=True)
        for path in ROOT.glob(pattern):
            shutil.copy(path, out / place)


if __name__ == "__main__":
    write_pages(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
