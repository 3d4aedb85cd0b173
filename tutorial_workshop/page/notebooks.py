"""Where the notebooks lie, and which one a name means."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import tutorial_lib
from tutorial_lib.errors import InputError, unknown_name


def notebooks_folder() -> Path:
    """The folder of notebooks: the clone's own, or the copy inside an installed wheel."""
    package = Path(tutorial_lib.__file__).resolve().parent
    for folder in (package.parent / "notebooks", package / "_shipped" / "notebooks"):
        if any(folder.glob("*.ipynb")):
            return folder
    raise InputError(
        "no notebooks found beside tutorial_lib: clone the repository or install the wheel again"
    )


def find_notebooks(
    names: Sequence[str] = (), *, solutions: bool = False, folder: Path | None = None
) -> list[Path]:
    """Paths of notebooks by name (``01_recommendation_as_language``), leading number (``01``) or
    path.

    Without names, all that are called ``NN_name``: others in the folder are somebody's own.

    Raises InputError with the nearest names suggested for one that does not exist.
    """
    folder = Path(folder) if folder else notebooks_folder()
    folder = folder / "solutions" if solutions else folder
    known = {path.stem: path for path in sorted(folder.glob("*.ipynb"))}
    if not known:
        raise InputError(f"no notebooks in {folder}: build them with python -m tools.builder")
    if not names:
        return [path for name, path in known.items() if re.match(r"\d\d_", name)]
    return [_find_one(name, known) for name in dict.fromkeys(names)]


def _find_one(name: str, known: dict[str, Path]) -> Path:
    path = Path(name)
    if path.suffix == ".ipynb" and path.is_file():
        return path
    stem = path.name.removesuffix(".ipynb")
    by_number = [
        path for key, path in known.items() if stem.isdigit() and key.split("_")[0] == stem.zfill(2)
    ]
    if stem not in known and len(by_number) != 1:
        raise unknown_name("notebook", stem, known)
    return known.get(stem) or by_number[0]
