"""Where the files that ship with the kit lie: found alike from a clone, an editable install and a wheel."""

from __future__ import annotations

from pathlib import Path

from tutorial_lib.errors import InputError

PACKAGE = Path(__file__).resolve().parents[1]


def shipped(relative: str | Path = "") -> Path:
    """The path of a file or folder below the kit's top-level ``data/``; it need not exist yet.

    In a clone or an editable install that is ``data/`` beside the package, in a wheel ``_shipped/data`` inside it.

    Raises InputError if neither is there, or if ``relative`` leads out of the folder.

    >>> shipped("worlds").name
    'worlds'
    """
    relative = Path(relative)
    if relative.is_absolute() or ".." in relative.parts:
        raise InputError(f"shipped({str(relative)!r}): expected a path below the kit's data folder, such as 'worlds/movies'")
    for folder in (PACKAGE / "_shipped" / "data", PACKAGE.parent / "data"):
        if folder.is_dir():
            return folder / relative
    raise InputError(f"the kit's data folder is missing: expected {PACKAGE.parent / 'data'}; install the kit again, or clone it whole")
