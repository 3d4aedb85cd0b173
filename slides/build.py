"""Build the slides: ``python slides/build.py`` makes an HTML file and a PDF of every deck.

Each deck has a module: ``deck_NN.py`` computes its numbers and draws its figures. They are put into
the deck's Markdown, which Marp turns into pages; fonts and figures are inlined, so nothing is asked
from a network. A deck whose sources and numbers have not changed is left alone.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import html
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType

from tutorial_lib.data.shipped import write_whole
from tutorial_lib.errors import InputError, unknown_name

HERE = Path(__file__).resolve().parent
SOURCES = (
    *("theme.css", "build.py", "drawing.py", "records.py"),
    *("published.json", "package.json"),
)
FONT = (
    "node_modules/@fontsource/atkinson-hyperlegible-{family}/files/"
    "atkinson-hyperlegible-{family}-latin-{weight}-normal.{kind}"
)
FACES = (
    ("next", "Atkinson Hyperlegible Next", (400, 600, 700)),
    ("mono", "Atkinson Hyperlegible Mono", (600,)),
)
PLACE = re.compile(r"\{\{(\w+)(?::([^}]+))?\}\}")


def decks() -> list[Path]:
    """The Markdown sources of all decks, in order."""
    return sorted(HERE.glob("[0-9][0-9]_*.md"))


def source_hash(deck: Path) -> str:
    """SHA-256 over everything that a built deck is made from: its text, its modules, what all decks
    share, and its numbers. The alt text of a figure holds the values that it draws, and alt texts
    are among the numbers; so new recorded results make just those decks stale that show them.
    """
    digest = hashlib.sha256()
    shared = [HERE / name for name in SOURCES]
    for path in (deck, *sorted(HERE.glob(f"deck_{deck.stem[:2]}*.py")), *shared):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    digest.update(json.dumps(stored_numbers().get(deck.stem), sort_keys=True).encode())
    return digest.hexdigest()


def stored_hash(built: Path) -> str:
    """The source hash that a built HTML or PDF file carries, or an empty text."""
    content = built.read_bytes() if built.exists() else b""
    found = re.search(rb"source-hash[^0-9a-f]{1,12}(?:content=.)?([0-9a-f]{64})", content)
    return found.group(1).decode() if found else ""


def stale(deck: Path) -> bool:
    """True unless both the page and the PDF were made from the deck as it is now."""
    return any(
        stored_hash(deck.with_suffix(kind)) != source_hash(deck) for kind in (".html", ".pdf")
    )


def stored_numbers() -> dict[str, dict]:
    """Deck -> its computed numbers, as the last build wrote them."""
    path = HERE / "numbers.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def known_numbers(deck: Path) -> dict:
    """What a deck's placeholders may name: its computed numbers and the published ones."""
    from_others = {
        name: entry["value"]
        for name, entry in json.loads((HERE / "published.json").read_text(encoding="utf-8")).items()
    }
    return stored_numbers().get(deck.stem, {}) | from_others


def module_of(deck: Path) -> ModuleType:
    """The module that computes a deck's numbers (`compute`) and draws its figures (`FIGURES`)."""
    if str(HERE) not in sys.path:
        sys.path.insert(0, str(HERE))
    return importlib.import_module(f"deck_{deck.stem[:2]}")


def fill(text: str, numbers: Mapping) -> str:
    """Put numbers in place of ``{{name}}`` and ``{{name:format}}``.

    A percentage gets a no-break space before its sign.

    >>> fill("NDCG {{best:.2f}} of {{who}}", {"best": 0.257, "who": "A & B"})
    'NDCG 0.26 of A &amp; B'
    """

    def value(match: re.Match) -> str:
        name, form = match.groups()
        if name not in numbers:
            raise unknown_name("number in a deck", name, numbers)
        text = format(numbers[name], form or "")
        return html.escape(
            text.removesuffix("%") + "\u00a0%" if form and form.endswith("%") else text
        )

    return PLACE.sub(value, text)


def inline(text: str, figures: Path) -> str:
    """Replace every ``src="figures/NAME.svg"`` by the picture itself."""

    def data(match: re.Match) -> str:
        file = figures / f"{match.group(1)}.svg"
        if not file.exists():
            raise unknown_name(
                "figure in a deck", match.group(1), [path.stem for path in figures.glob("*.svg")]
            )
        return f'src="data:image/svg+xml;base64,{base64.b64encode(file.read_bytes()).decode()}"'

    return re.sub(r'src="figures/(\w+)\.svg"', data, text)


def theme() -> str:
    """The theme with its fonts inside."""
    faces = []
    for family, name, weights in FACES:
        for weight in weights:
            packed = base64.b64encode(
                (HERE / FONT.format(family=family, weight=weight, kind="woff2")).read_bytes()
            ).decode()
            source = f"url(data:font/woff2;base64,{packed}) format('woff2')"
            faces.append(
                f"@font-face {{ font-family: '{name}'; font-weight: {weight}; src: {source}; }}"
            )
    return (HERE / "theme.css").read_text(encoding="utf-8") + "\n".join(faces)


def tools() -> tuple[Path, str]:
    """Marp and a Chromium; InputError with the mend if one is missing."""
    if not shutil.which("node"):
        raise InputError(
            "slides: Node.js is missing; install version 18 or newer (Debian, Ubuntu: apt install"
            " nodejs npm)"
        )
    marp = HERE / "node_modules" / ".bin" / "marp"
    if (
        not marp.exists()
        or not (HERE / FONT.format(family="next", weight=400, kind="woff2")).exists()
    ):
        raise InputError(
            "slides: Marp is missing; run: npm install --no-package-lock --prefix slides"
        )
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    browser = os.environ.get("CHROME_PATH") or next(filter(None, map(shutil.which, names)), None)
    if not browser or not Path(browser).exists():
        raise InputError(
            "slides: Chromium is missing, the PDF needs it; install it (apt install chromium) or"
            " set CHROME_PATH to Chrome"
        )
    return marp, browser


def run_marp(source: Path, out: Path, *options: str) -> None:
    """One call of Marp; its own words in one line if it fails."""
    marp, browser = tools()
    command = [
        str(marp),
        "--no-stdin",
        "--html",
        "--theme",
        str(source.with_name("theme.css")),
        *options,
        str(source),
        "-o",
        str(out),
    ]
    try:
        environment = os.environ | {"CHROME_PATH": browser}
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=environment,
            timeout=300,
        )
    except subprocess.TimeoutExpired as error:
        raise InputError(
            f"slides: Marp did not finish {source.name} in five minutes; try again, or set"
            " CHROME_PATH to Chrome"
        ) from error
    if done.returncode or not out.exists():
        raise InputError(
            f"slides: Marp failed on {source.name}: {(done.stderr or done.stdout)[-300:]}"
        )


def build(deck: Path, work: Path) -> None:
    """HTML and PDF of one deck beside its source, replaced only when both are done.

    Args:
        work: the folder that holds the figures.
    """
    filled = work / deck.name
    filled.write_text(
        inline(fill(deck.read_text(encoding="utf-8"), known_numbers(deck)), work),
        encoding="utf-8",
    )
    (work / "theme.css").write_text(theme(), encoding="utf-8")
    page, pdf = filled.with_suffix(".html"), filled.with_suffix(".pdf")
    run_marp(filled, page)
    run_marp(filled, pdf, "--pdf", "--pdf-outlines")
    text = page.read_text(encoding="utf-8")
    for scope in set(re.findall(r'data-theme="([a-z0-9]{20,})"', text)):
        # Marp draws this name by lot; the same sources shall give the same page
        text = text.replace(scope, "tutorial")
    mark = f'<meta name="source-hash" content="{source_hash(deck)}">'
    page.write_text(text.replace("<head>", f"<head>{mark}", 1), encoding="utf-8")
    with pdf.open("ab") as file:
        # a comment after the end of the file: readers pass over it
        file.write(f"\n%% source-hash {source_hash(deck)}\n".encode())
    for made in (page, pdf):
        write_whole(deck.with_name(made.name), made.read_bytes())


def refresh_numbers(check: bool, chosen: Sequence[Path]) -> bool:
    """Compute the numbers of some decks, and write them unless ``check``; True if ``numbers.json``
    holds them already.
    """
    stored = stored_numbers()
    fresh = True
    for deck in chosen:
        new = {name: _plain(value) for name, value in module_of(deck).compute().items()}
        if not same(stored.get(deck.stem, {}), new):
            stored[deck.stem], fresh = new, False
    if not fresh and not check:
        text = json.dumps(stored, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
        write_whole(HERE / "numbers.json", text.encode())
    return fresh


def _plain(value):
    """A number or text as JSON knows it, rounded to six digits."""
    value = value.item() if hasattr(value, "item") else value
    return round(value, 6) if isinstance(value, float) else value


def same(old: Mapping, new: Mapping) -> bool:
    """Equal up to half of the last digit that a slide shows: machines differ in the last bits."""
    number = (int, float)
    return old.keys() == new.keys() and all(
        (
            abs(old[key] - value) < 5e-4
            if isinstance(value, number) and isinstance(old[key], number)
            else old[key] == value
        )
        for key, value in new.items()
    )


def main(arguments: list[str] | None = None) -> int:
    """0: done, or up to date under --check; 1: --check found something stale; 2: cannot build."""
    parser = argparse.ArgumentParser(description="Build the slides (HTML and PDF).")
    parser.add_argument(
        "--check",
        action="store_true",
        help="build nothing; exit status 1 if a deck or a number is stale",
    )
    parser.add_argument("--force", action="store_true", help="build decks that are up to date, too")
    parser.add_argument("decks", nargs="*", help="numbers of decks, such as 02; else all")
    args = parser.parse_args(arguments)
    try:
        return _run(args.check, args.force, args.decks)
    except InputError as error:
        print(f"slides: {str(error).removeprefix('slides: ')}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("slides: interrupted; the decks are as they were", file=sys.stderr)
        return 130


def _chosen(numbers: Sequence[str]) -> list[Path]:
    """The decks of these numbers, or all."""
    by_number = {deck.stem[:2]: deck for deck in decks()}
    for number in numbers:
        if number not in by_number:
            raise unknown_name("deck", number, by_number)
    return [by_number[number] for number in numbers or by_number]


def _run(check: bool, force: bool, numbers: Sequence[str]) -> int:
    chosen = _chosen(numbers)
    if not check:
        tools()
    fresh = refresh_numbers(check, chosen)
    old = [deck for deck in chosen if force or stale(deck)]
    if check:
        for deck in old if fresh else chosen:
            print(f"stale: {deck.stem} (run: python slides/build.py)")
        return int(bool(old) or not fresh)
    with tempfile.TemporaryDirectory() as folder:
        for deck in old:
            _figures(deck, Path(folder))
            build(deck, Path(folder))
    for deck in chosen:
        print(
            f"{'built' if deck in old else 'up to date'}:"
            f" {deck.with_suffix('.html').relative_to(HERE.parent)} and .pdf"
        )
    return 0


def _figures(deck: Path, work: Path) -> None:
    figures = module_of(deck).FIGURES
    from drawing import draw_all, use_fonts

    use_fonts(
        [HERE / FONT.format(family="next", weight=weight, kind="woff") for weight in (400, 700)],
        work,
    )
    draw_all(figures, known_numbers(deck), work)


if __name__ == "__main__":
    sys.exit(main())
