"""The repository as a whole: clean code, links that lead somewhere, and files that fit on any
machine.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LEFT_OUT = {
    ".venv",
    ".git",
    "node_modules",
    "runs",
    "build",
    "dist",
    "__pycache__",
    ".pytest_cache",
    ".ruff_cache",
    ".hypothesis",
    ".cache",
}
TEXTS = {
    ".py",
    ".md",
    ".ipynb",
    ".yml",
    ".yaml",
    ".toml",
    ".json",
    ".css",
    ".html",
    ".txt",
    ".lock",
    ".cff",
    ".svg",
    "",
}
PAGES = (".md", ".ipynb")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)[^)]*\)|\b(?:src|href)=[\"']([^\"']+)[\"']")


def built(name: str) -> bool:
    return name in LEFT_OUT or name.startswith(".venv") or name.endswith(".egg-info")


def repository_files() -> list[Path]:
    """Files of the repository (as git sees them, ignored ones left out), or all files outside build
    folders without git.
    """
    command = [
        "git",
        "-C",
        str(ROOT),
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
        "-z",
    ]
    try:
        names = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split(
            "\0"
        )
        files = [ROOT / name for name in names if name]
    except (OSError, subprocess.CalledProcessError):
        files = [
            path for path in ROOT.rglob("*") if not any(map(built, path.relative_to(ROOT).parts))
        ]
    return sorted(path for path in files if path.is_file())


FILES = repository_files()


@pytest.mark.parametrize(
    "command", ["ruff check --no-cache .", "ruff format --no-cache --check .", "mypy"]
)
def test_style_and_types(command):
    """Style, likely mistakes and types, in .py files and in the cells of notebooks."""
    command = [sys.executable, "-m", *command.split()]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-5000:]


def markdown(path: Path) -> str:
    if path.suffix != ".ipynb":
        return path.read_text(encoding="utf-8")
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")


def heading_anchors(text: str) -> set[str]:
    """Anchors as GitHub makes them from headings, and explicit ids."""
    headings = re.findall(r"^#{1,6} +(.+?) *#*$", text, re.M)
    slugs = {
        re.sub(
            r"[^\w\- ]", "", re.sub(r"[*`]|\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        ).replace(" ", "-")
        for heading in headings
    }
    return slugs | set(re.findall(r"\b(?:id|name)=[\"']([^\"']+)[\"']", text))


def broken_links(path: Path) -> list[str]:
    """Relative links of a Markdown file or notebook to a file or heading that is not there."""
    text = re.sub(r"```.*?```|`[^`\n]*`", "", markdown(path), flags=re.S)
    found = []
    for link in (one or other for one, other in LINK.findall(text)):
        target, _, anchor = link.partition("#")
        if re.match(r"[a-z][a-z0-9+.-]*:", link) or link.startswith("//"):
            continue
        file = (path.parent / target).resolve() if target else path
        if not file.exists():
            found.append(link)
        elif (
            anchor
            and file.suffix in (".md", ".ipynb")
            and anchor.lower() not in {name.lower() for name in heading_anchors(markdown(file))}
        ):
            found.append(link)
    return found


# a deck is a template: slides/build.py draws the figures that it names, and
# tests/tools/test_slides.py looks at the built page
LINKED = [
    path
    for path in FILES
    if path.suffix in PAGES and not re.match(r"slides/\d\d_", path.relative_to(ROOT).as_posix())
]


@pytest.mark.parametrize("path", LINKED, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_between_files(path):
    """A moved file leaves dead links behind, and the learner finds them first."""
    assert broken_links(path) == []


def test_link_check_sees_a_dead_link(tmp_path):
    """The check above must be able to fail."""
    (tmp_path / "there.md").write_text("# One heading\n")
    (tmp_path / "page.md").write_text(
        "[a](there.md) [b](gone.md) [c](there.md#one-heading) [d](there.md#two) <img"
        " src='gone.png'> `[e](gone)`"
    )
    assert broken_links(tmp_path / "page.md") == ["gone.md", "there.md#two", "gone.png"]


def test_no_path_of_one_machine():
    """An absolute path works for whoever wrote it and for nobody else."""
    private = re.compile(r"(?<![\w/.])(?:/home/|/root/|/Users/|/tmp/|[A-Z]:\\\\Users)")
    texts = [path for path in FILES if path.suffix in TEXTS and path != Path(__file__)]
    assert [
        path.relative_to(ROOT).as_posix()
        for path in texts
        if private.search(path.read_text(encoding="utf-8", errors="replace"))
    ] == []


# third-party sources that the kit cites; nothing else may look like an address of the kit itself
CITED = {"SmartmediaAI/LMRS", "RUCAIBox/LLMRank", "RUCAIBox/CIKM2020-S3Rec", "jeykigung/P5"}
CITED |= {  # and the hooks that pre-commit runs
    "astral-sh/ruff-pre-commit",
    "codespell-project/codespell",
    "pre-commit/pre-commit-hooks",
    "zizmorcore/zizmor-pre-commit",
}
ADDRESS = re.compile(
    r"(?:github(?:usercontent)?\.com[/:]|research\.google\.com/github/|mybinder\.org/v2/gh/)([\w.-]+/[\w.-]+)",
    re.I,
)
OWN = "lm-recsys-kit"  # the placeholder that once stood in every notebook


def unknown_addresses(text: str, own: str = "") -> set[str]:
    """Repositories that a text names and that are neither cited sources nor the kit's own one."""
    found = {name.removesuffix(".git").rstrip(".") for name in ADDRESS.findall(text)}
    return {name for name in found if name not in CITED | {own}} | ({OWN} if OWN in text else set())


def test_no_address_that_nobody_owns():
    """Whoever registers a repository of that name would have its code installed on every learner's
    machine.
    """
    from tools.builder import repository

    own, _ = repository(ROOT)
    texts = [
        path
        for path in FILES
        if path.suffix in TEXTS and path != Path(__file__) and path.name != "test_builder.py"
    ]
    read = {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8", errors="replace")
        for path in texts
    }
    found = {name: unknown_addresses(text, own) for name, text in read.items()}
    assert {name: names for name, names in found.items() if names} == {}


def test_no_install_line_names_a_package_that_nobody_owns():
    """The kit is on no package index: whoever registers its name there would be installed."""
    line = re.compile(
        r"pip install[^\n]*[\s'\"]tutorial[-_]lib(?![-\w]*\.whl)(?=[\s\['\"`@=<>])", re.I
    )
    assert line.search("pip install 'tutorial-lib[lab]'") and line.search(
        "pip install tutorial_lib "
    )
    texts = [path for path in FILES if path.suffix in TEXTS and path != Path(__file__)]
    read = {path.relative_to(ROOT).as_posix(): path.read_text("utf-8", "replace") for path in texts}
    assert [name for name, text in read.items() if line.search(text)] == []


@pytest.mark.parametrize(
    "text",
    [
        "git+https://github.com/lm-recsys-kit/lm-recsys-kit@v0.1.0",
        "git@github.com:some/where.git",
        "https://colab.research.google.com/github/some/where/blob/main/a.ipynb",
        "https://mybinder.org/v2/gh/some/where/main",
        "https://raw.githubusercontent.com/some/where/main/a.py",
    ],
)
def test_the_check_of_addresses_sees_them(text):
    assert unknown_addresses(text)
    assert unknown_addresses(text, "some/where") == (
        set() if "some/where" in text else {"lm-recsys-kit/lm-recsys-kit", OWN}
    )
    assert (
        unknown_addresses("https://github.com/RUCAIBox/LLMRank, github.com/jeykigung/P5/pull/3")
        == set()
    )


PACKAGES = ("tutorial_lib", "tutorial_workshop", "recipes", "tools")
LONGEST_FILE = 300
LONGEST_BODY = 40  # of a function: without its signature and its docstring


def test_library_files_and_functions_stay_short():
    """A reader takes in a page at a time."""
    for path in sorted(path for name in PACKAGES for path in (ROOT / name).rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= LONGEST_FILE, path.name
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                documented = ast.get_docstring(node, clean=False) is not None
                body = node.body[documented:] or node.body
                length = node.end_lineno - body[0].lineno + 1
                assert length <= LONGEST_BODY, f"{path.name}: {node.name}"


def test_no_public_name_is_defined_twice():
    """Whoever looks for a function or class by its name finds one; `main` is where a command
    starts.
    """
    places: dict[str, list[str]] = {}
    for path in sorted(path for name in PACKAGES[:2] for path in (ROOT / name).rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(path.relative_to(ROOT).as_posix())
    del places["main"]
    assert {name: files for name, files in places.items() if len(files) > 1} == {}


# What each part may import, besides itself: the spine of the design, first to last. The audit sees
# recommenders, splits and data sets only; the library knows nothing of the workshop.
FOUNDATION = {"errors", "exports", "home", "templating"}
DATA = FOUNDATION | {"data"}
RECOMMENDER = DATA | {"recommender"}
LANGUAGE = RECOMMENDER | {"language"}
SELECTION = RECOMMENDER | {"selection"}
TRAINING = DATA | {"objectives", "training"}
MODELS = LANGUAGE | SELECTION | TRAINING | {"models"}
STRATEGIES = MODELS | {"strategies"}
EVALUATION = SELECTION | {"evaluation"}
MAY_IMPORT = {
    "__init__": {"moved"},
    "__main__": set(),
    "moved": set(),
    "errors": set(),
    "templating": set(),
    "home": set(),
    "data": FOUNDATION,
    "recommender": DATA,
    "selection": RECOMMENDER,
    "language": DATA,
    "objectives": DATA,
    "training": DATA | {"objectives"},
    "models": LANGUAGE | SELECTION | TRAINING,
    "strategies": MODELS,
    "evaluation": SELECTION,
    "audit": EVALUATION,
}
# Arrows that still run backwards, each with what will end it.
BACKWARDS = {
    ("data", "recipes"): "load_dataset(name, order=0.4) makes a world with other planted effects",
}


def arrows() -> set[tuple[str, str]]:
    """(part, part that it imports) for everything in tutorial_lib, imports inside functions too."""
    found = set()
    for path in sorted((ROOT / "tutorial_lib").rglob("*.py")):
        part = path.relative_to(ROOT / "tutorial_lib").with_suffix("").parts[0]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
                if node.module == "tutorial_lib":
                    names = [f"tutorial_lib.{alias.name}" for alias in node.names]
            else:
                names = [alias.name for alias in getattr(node, "names", [])]
                names = names if isinstance(node, ast.Import) else []
            for name in names:
                package, _, rest = name.partition(".")
                if package == "tutorial_lib" and rest:
                    found.add((part, rest.split(".")[0]))
                elif package in ("tutorial_workshop", "tutorial_recipes", "tools"):
                    found.add((part, package.removeprefix("tutorial_")))
    return found


def test_data_flows_one_way():
    """Every arrow between two parts of the library runs along the spine."""
    wrong = {
        (part, other)
        for part, other in arrows()
        if other != part and other not in MAY_IMPORT.get(part, set()) | {"__version__"}
    }
    assert wrong == set(BACKWARDS), wrong ^ set(BACKWARDS)


@pytest.mark.full
def test_the_readmes_python_runs():
    """The first code a visitor copies."""
    blocks = re.findall(
        r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.S
    )
    assert blocks
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})
