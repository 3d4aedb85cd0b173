"""Files of one report belong together: all of them are written, or none. And no cell of a table is
a formula.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from tutorial_lib.errors import InputError

FORMULA = (
    "=",
    "+",
    "-",
    "@",
    "\t",
    "\r",
    "\n",
)  # a spreadsheet reads a cell that begins so as a formula, or hides what follows


def safe_csv(frame: pd.DataFrame) -> str:
    """The frame as CSV; text that a spreadsheet would compute gets an apostrophe in front. Numbers
    stay numbers.

    >>> safe_csv(pd.DataFrame({"name": ["=1+1", "fine"], "x": [-1.0, 2.0]})).splitlines()
    ['name,x', "'=1+1,-1.0", 'fine,2.0']
    """
    texts = [name for name in frame if not pd.api.types.is_numeric_dtype(frame[name])]
    return frame.assign(**{name: frame[name].map(_inert) for name in texts}).to_csv(
        index=False, lineterminator="\n"
    )


def _inert(value: object) -> object:
    if not isinstance(value, str):
        return value
    one_line = value.replace("\r", " ").replace("\n", " ")
    return f"'{one_line}" if value.startswith(FORMULA) else one_line


def write_together(folder: Path, files: Mapping[str, str]) -> tuple[Path, ...]:
    """Write texts into a folder under temporary names, and rename them when all are complete; their
    paths.

    Whatever stood there before is put back if a rename fails. Raises InputError with the path and
    the system's reason.
    """
    parts = {folder / name: folder / f"{name}.part" for name in files}
    path = folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in zip(parts, files.values(), strict=True):
            parts[path].write_text(text, encoding="utf-8", newline="\n")
        _replace_all(parts)
    except OSError as error:
        raise InputError(
            f"{error.filename or path}: {error.strerror or error}; nothing of the report was"
            " written"
        ) from None
    finally:
        for part in parts.values():
            with contextlib.suppress(OSError):  # the folder itself may be what failed
                part.unlink()
    return tuple(parts)


def _replace_all(parts: Mapping[Path, Path]) -> None:
    """Rename each value to its key; at the first failure everything is as it was."""
    kept: dict[Path, Path | None] = {}
    for path in filter(Path.is_dir, parts):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    try:
        for path, part in parts.items():
            old = path.with_name(f"{path.name}.old")
            kept[path] = old if path.exists() else None
            if path.exists():
                os.replace(path, old)
            os.replace(part, path)
    except OSError:
        for path, old in kept.items():
            if old is not None and old.exists():
                os.replace(old, path)
            elif old is None:
                path.unlink(missing_ok=True)
        raise
    for old in filter(None, kept.values()):
        old.unlink()
