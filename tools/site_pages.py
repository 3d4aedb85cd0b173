"""The pages of the website, before Sphinx: notebooks, decks, texts and an API reference.

``python -m tools.site_pages OUT [EXECUTED]`` writes them to ``OUT``; ``make site`` does so and
calls Sphinx (``site/conf.py``). Notebooks show the outputs of the run in ``EXECUTED`` (a folder
that ``tutorial run`` wrote), those that it lacks stand without outputs. Formulas become pictures
with their TeX as alt text, so a page needs no script from elsewhere.
"""

from __future__ import annotations

import html
import re
import shutil
import sys
from pathlib import Path

import nbformat
import pandas as pd

from tools.builder import tags_of
from tools.site_api import api_page, modules
from tutorial_workshop.page.export import still_notebook
from tutorial_workshop.proof.claims import ledger

ROOT = Path(__file__).resolve().parents[1]
PACK = "slides/instructor"
TEXTS = {  # page -> the file that it is
    "reading.md": "docs/reading.md",
    "glossary.md": "GLOSSARY.md",
    "results.md": "benchmarks/RESULTS.md",
    "contributing.md": "CONTRIBUTING.md",
    "notebooks/half_day/paths.md": "notebooks/half_day/README.md",
    "instructor/pack.md": f"{PACK}/README.md",
} | {  # the tests and their key are for paper, not for a page that a participant finds
    f"instructor/{name}.md": f"{PACK}/{name}.md"
    for name in ("plans", "notebooks", "room", "five_questions", "survey", "rubric")
}
# how a page shows cells that are not the lesson
_FOLDED = {"setup": "remove-cell", "parameters": "hide-input", "injected-parameters": "remove-cell"}


def notebooks() -> list[str]:
    """The notebooks of the site, relative to ``notebooks/``, without their ending."""
    folder = ROOT / "notebooks"
    found = [*sorted(folder.glob("[0-9]*.ipynb")), *sorted(folder.glob("half_day/[0-9]*.ipynb"))]
    return [path.relative_to(folder).with_suffix("").as_posix() for path in found]


def contents() -> str:
    """The first page: what the README says of the kit and its notebooks, and where everything is;
    every page of the site is in its tables of contents.
    """
    long = [name for name in notebooks() if "/" not in name]
    short = [name for name in notebooks() if "/" in name]
    pack = [page.removesuffix(".md") for page in TEXTS if page.startswith("instructor/")]
    tables = {
        "Notebooks": [f"notebooks/{name}" for name in long],
        "Half a day": ["notebooks/half_day/paths", *(f"notebooks/{name}" for name in short)],
        "Beside them": ["slides", "glossary", "reading", "claims", "results", "contributing"],
        "For who teaches": pack,
        "API reference": [f"api/{name}" for name, _ in modules()],
    }
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    title, about = re.findall(r"^# (.+)\n+((?:.*\n)+?)## ", text)[0]
    parts = [
        f"# {title}",
        about,
        _text("begin"),
        "## The notebooks",
        _section(text, "The notebooks"),
    ]
    for caption, pages in tables.items():
        listed = "\n".join(pages)
        options = f":hidden:\n:caption: {caption}"
        parts.append(f"```{{toctree}}\n{options}\n\n{listed}\n```")
    return _inside("\n\n".join(parts) + "\n", "index")


def _text(name: str) -> str:
    """What the site says itself."""
    return (ROOT / "site/texts" / f"{name}.md").read_text(encoding="utf-8")


def _section(text: str, title: str) -> str:
    """What stands below a heading of the second level."""
    return text.split(f"## {title}\n")[1].split("\n## ")[0].strip()


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
    known = {Path(source).name: name for name, source in TEXTS.items() if "README" not in source}
    known |= {"/".join(Path(source).parts[-2:]): name for name, source in TEXTS.items()}
    known |= {Path(name).name + ".ipynb": f"notebooks/{name}.ipynb" for name in notebooks()}
    known |= {"slides/README.md": "slides.md", "claims.yaml": "claims.md"}
    up = "../" * page.count("/")

    def moved(match: re.Match) -> str:
        if re.match(r"\w+:|#", match[2]):
            return match[0]
        path = Path(match[2].split("#")[0])
        if (ROOT / "slides" / path.name).is_file() and path.suffix in (".html", ".pdf"):
            return f'<a href="{up}decks/{path.name}">{match[1]}</a>'
        if path.name == "GLOSSARY.md" and "#" in match[2]:  # Sphinx knows no addresses of rows
            row = match[2].split("#")[1]
            return f'<a href="{up}glossary.html#{row}" title="{match[3]}">{match[1]}</a>'
        target = known.get(path.name) or known.get("/".join(path.parts[-2:]))
        return f"[{match[1]}]({up}{target})" if target else match[1]

    return re.sub(r"(?<!!)\[((?:[^\[\]]|`[^`]*`)*)\]\(([^)\s]+)(?: \"([^\"]*)\")?\)", moved, text)


def slides_page() -> str:
    """The decks, as `slides/README.md` lists them; single files, which stand beside the pages."""
    text = (ROOT / "slides/README.md").read_text(encoding="utf-8")
    return _inside(text.split("\nTo change a deck")[0], "slides").replace(".html</a>", "</a>")


def claims_page(claims: pd.DataFrame | None = None) -> str:
    """The claims ledger, as it is recorded today."""
    claims = ledger() if claims is None else claims
    counted = ", ".join(f"{n} {verdict}" for verdict, n in claims["verdict"].value_counts().items())
    lines = [f"{_text('claims')}\n{len(claims)} claims: {counted}.\n"]
    lines += ["| claim | verdict | difference, 95 % interval | margin |", "|---|---|---|---|"]
    for row in claims.itertuples():
        said = (
            f"{row.claim} <small>{html.escape(row.source)}; {html.escape(row.experiment)}</small>"
        )
        value = f"{row.value:.3f} [{row.low:.3f}, {row.high:.3f}]"
        lines.append(f"| {said} | **{row.verdict}** | {value} | {row.margin:g} |")
    return "\n".join(lines) + "\n"


def write_pages(out: Path, executed: Path | None = None) -> None:
    """Write every page below ``out``, a folder that this function owns."""
    shutil.rmtree(out, ignore_errors=True)
    pages = {"index.md": contents(), "slides.md": slides_page(), "claims.md": claims_page()}
    for name, source in TEXTS.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        pages[name] = _inside(text, name.removesuffix(".md"))
    for name in notebooks():
        pages[f"notebooks/{name}.ipynb"] = nbformat.writes(shown_notebook(name, executed))
    for name, paths in modules():
        pages[f"api/{name}.md"] = api_page(name, paths)
    for name, text in pages.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text(text, encoding="utf-8")
    files = {"site/conf.py": "", "site/static/*": "static", "benchmarks/figures/*.*": "figures"}
    for pattern, place in (files | {"slides/[0-9]*.*[lf]": "extra/decks"}).items():
        (out / place).mkdir(parents=True, exist_ok=True)
        for path in ROOT.glob(pattern):
            shutil.copy(path, out / place)


if __name__ == "__main__":
    write_pages(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
