"""What a run is given: what each notebook is called, and which parameters it takes."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

import nbformat

from tutorial_lib.errors import InputError
from tutorial_workshop.cli.kernels import in_one_line

PARAMETERS = ("PROFILE", "DATASET", "LM", "SEED")  # that need not be declared by all notebooks
_ASSIGNED = re.compile(r"^(\w+)[ \t]*(?::[^=\n]+)?=(?!=)", re.M)


def declared_parameters(notebook: Path) -> list[str]:
    """Names assigned in the notebook's cell tagged ``parameters``.

    Raises:
        InputError: the file is not a notebook.
    """
    try:
        cells = nbformat.read(notebook, as_version=4).cells
    except Exception as error:  # JSON, encoding, version and schema each fail in their own way
        raise InputError(
            f"cannot read a notebook from {notebook}: {in_one_line(error)}; expected an .ipynb file"
        ) from None
    marked = (cell.source for cell in cells if "parameters" in cell.metadata.get("tags", []))
    return _ASSIGNED.findall(next(marked, ""))


def unique_names(notebooks: Sequence[Path]) -> dict[str, Path]:
    """What each notebook is called in the folder -> its path.

    The same file comes once, and no two names differ by case alone: some file systems mix them up.
    """
    named: dict[str, Path] = {}
    taken = {"index"}
    for path in dict.fromkeys(Path(os.path.abspath(path)) for path in notebooks):
        name = path.stem
        number = 1
        while name.casefold() in taken:
            number += 1
            name = f"{path.stem[:60]}-{number}"
        taken.add(name.casefold())
        named[name] = path
    return named


def checked_parameters(
    named: dict[str, Path], parameters: dict[str, object]
) -> dict[str, dict[str, object]]:
    """Notebook -> the parameters it takes; InputError for one that nobody takes."""
    declared = {name: set(declared_parameters(path)) for name, path in named.items()}
    for parameter in parameters:
        missing = [notebook for notebook, names in declared.items() if parameter not in names]
        if missing and (parameter not in PARAMETERS or len(missing) == len(declared)):
            known = ", ".join(sorted(set().union(*declared.values()))) or "none"
            raise InputError(
                f"parameter {parameter} is not declared by {', '.join(missing)}: "
                f"its parameters cell has {known}"
            )
    return {
        name: {key: value for key, value in parameters.items() if key in names}
        for name, names in declared.items()
    }
