"""Files of one report belong together: all of them are written, or none. And no cell of a table is
a formula.
"""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import pandas as pd

from tutorial_lib.errors import InputError

# a spreadsheet reads a cell that begins so as a formula, or hides what follows
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def safe_csv(frame: pd.DataFrame) -> str:
    """The frame as CSV. Text that a spreadsheet would compute gets an apostrophe in front of it.

    >>> safe_csv(pd.DataFrame({"name": ["=1+1", "fine"], "x": [-1.0, 2.0]})).splitlines()
    ['name,x', "'=1+1,-1.0", 'fine,2.0']
    """
    return frame.map(as_text_cell).to_csv(index=False, lineterminator="\n")


def as_text_cell(value: object) -> object:
    """A text on one line that no spreadsheet computes; any other value as it is."""
    if not isinstance(value, str):
        return value
    one_line = value.replace("\r", " ").replace("\n", " ")
    return f"'{one_line}" if value.startswith(FORMULA) else one_line


def write_together(folder: Path, files: Mapping[str, str]) -> tuple[Path, ...]:
    """Write all files or none; what stood there before stays if one cannot be written.

    Args:
        folder: made, with its parents, if it is not there.
        files: name -> text.

    Returns:
        The paths, in the order of ``files``.

    Raises:
        InputError: with the path that could not be written, and the system's reason.
    """
    paths = tuple(folder / name for name in files)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in filter(Path.is_dir, paths):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        with tempfile.TemporaryDirectory(dir=folder, prefix=".report-") as temporary:
            for name, text in files.items():
                Path(temporary, name).write_text(text, encoding="utf-8", newline="\n")
            _replace_all(paths, Path(temporary))
    except OSError as error:
        raise InputError(
            f"{error.filename or folder}: {error.strerror or error}; nothing of the report was"
            " written"
        ) from None
    return paths


def _replace_all(paths: tuple[Path, ...], new: Path) -> None:
    """Move files from the folder ``new`` to their paths; at the first failure undo it all."""
    with ExitStack() as undo:  # runs its callbacks in reverse order, unless all went well
        for path in paths:
            if path.exists():
                old = new / f"{path.name}.old"
                os.replace(path, old)
                undo.callback(os.replace, old, path)
                os.replace(new / path.name, path)
            else:
                os.replace(new / path.name, path)
                undo.callback(path.unlink)
        undo.pop_all()
