"""docs/reading.md sends people to lines of ten files: each must hold what it says."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reading.md"
REFERENCE = re.compile(r"\[`(\w+)`\]\(([^)#]+)#L(\d+)\)")


def references() -> list[tuple[str, Path, int]]:
    """(name, file, line) of every reference to a line."""
    found = REFERENCE.findall(PAGE.read_text(encoding="utf-8"))
    return [(name, (PAGE.parent / path).resolve(), int(line)) for name, path, line in found]


def test_every_line_defines_what_the_page_says():
    """A reader who lands beside the function stops reading."""
    for name, path, line in references():
        text = path.read_text(encoding="utf-8").splitlines()[line - 1]
        assert re.match(rf"\s*(def|class) {name}\b", text), f"{path.name}#L{line}: {text.strip()}"


def test_it_is_ten_files():
    """The page promises ten, and each of its numbered steps opens one."""
    steps = re.findall(r"^\*\*(\d+)\. ", PAGE.read_text(encoding="utf-8"), re.M)
    assert steps == [str(number) for number in range(1, 11)]
    assert len({path for _, path, _ in references()}) == 10
