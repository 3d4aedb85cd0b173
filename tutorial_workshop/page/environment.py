"""The first cell of every notebook: is this computer ready, and if not, what mends it?"""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from tutorial_lib.errors import InputError
from tutorial_workshop.page.display import display_html, folded, html_table

_DISTRIBUTION = "tutorial-lib"
# where the name to import differs from the name to install
_IMPORT_NAME = {"pyyaml": "yaml", "scikit-learn": "sklearn"}
_LEAST_MEMORY_GB = 2.0


@dataclass(frozen=True)
class EnvironmentRow:
    """One line of the table: what was looked for, what was found, what is needed, and how to fix it
    (empty when all is well).
    """

    name: str
    found: str
    needed: str
    ok: bool
    fix: str = ""


def _row(name: str, found: str, needed: str, ok: bool, fix: str = "") -> EnvironmentRow:
    """A line of the table; the fix only where it is needed."""
    return EnvironmentRow(name, found, needed, ok, "" if ok else fix)


def in_colab() -> bool:
    """True inside Google Colab."""
    return "google.colab" in sys.modules or "COLAB_RELEASE_TAG" in os.environ


def project_table(root: Path) -> dict:
    """The project table of a clone's pyproject.toml; empty where there is none, as in an installed
    wheel.
    """
    import tomllib

    path = root / "pyproject.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))["project"] if path.is_file() else {}


class Requirement(NamedTuple):
    """A package and its lower bound, as in ``torch>=2.6``; no other kind is in pyproject.toml."""

    name: str
    bound: str

    def met_by(self, version: str) -> bool:
        """Compares the numbers of two versions, without any package: none may be there yet."""
        return _numbers(version) >= _numbers(self.bound)


def _numbers(version: str) -> tuple[int, ...]:
    """The numbers that a version starts with, without zeros at the end.

    >>> _numbers("2.6.0+cpu")
    (2, 6)
    """
    numbers = [int(number) for number in re.findall(r"\d+", re.sub(r"[^\d.].*", "", version))]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def core_requirements() -> list[Requirement]:
    """The kit's own dependencies with their lower bounds (extras left out)."""
    try:
        lines = metadata.requires(_DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        lines = project_table(Path(__file__).resolve().parents[2]).get("dependencies", [])
    return [Requirement(*line.split(">=")) for line in lines if ";" not in line]


def _dependency_row(requirement: Requirement) -> EnvironmentRow:
    """Installed and new enough? Looks at the installed version only, and imports nothing."""
    name, needed = requirement.name, f">={requirement.bound}"
    fix = f'pip install "{name}{needed}"'
    if in_colab():
        again = "Runtime > Disconnect and delete runtime, then run the set-up cell again"
        fix = f"{again}; if it stays: {fix}"
    try:
        found = metadata.version(name)
    except metadata.PackageNotFoundError:
        return _row(name, "missing", needed, False, fix)
    if importlib.util.find_spec(_IMPORT_NAME.get(name.lower(), name.replace("-", "_"))) is None:
        fix = f'pip install --force-reinstall "{name}{needed}"'
        return _row(name, f"{found}, cannot be imported", needed, False, fix)
    return _row(name, found, needed, requirement.met_by(found), fix)


def _python_row() -> EnvironmentRow:
    ok = sys.version_info >= (3, 11)
    fix = "install Python 3.11 or newer, then make the environment again (README)"
    return _row("python", platform.python_version(), ">=3.11", ok, fix)


def total_memory_gb() -> float | None:
    """Memory that this process may use, in GB (10^9 bytes): the machine's, or the container's where
    that is less; None if unknown.
    """
    limits = []
    try:
        limits.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):  # Windows
        try:
            import psutil

            limits.append(psutil.virtual_memory().total)
        except ImportError:
            pass
    try:
        limits.append(int(Path("/sys/fs/cgroup/memory.max").read_text()))
    except (OSError, ValueError):
        pass
    return min(limits) / 1e9 if limits else None


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _machine_rows() -> list[EnvironmentRow]:
    memory = total_memory_gb()
    enough = memory is None or memory >= _LEAST_MEMORY_GB
    found = "unknown" if memory is None else f"{memory:.1f} GB"
    fix = "use a machine or a Colab runtime with 2 GB or more, and close other notebooks"
    return [
        _row("memory", found, f">={_LEAST_MEMORY_GB:.0f} GB", enough, fix),
        _row("cores", str(cores()), ">=1", True),
    ]


def _data_rows() -> list[EnvironmentRow]:
    """Are the shipped worlds there, and does $TUTORIAL_DATA (if set) point at a folder?"""
    try:
        from tutorial_lib.data.shipped import shipped

        worlds = Path(shipped("worlds"))
    except (ImportError, InputError, OSError):
        worlds = Path(__file__).resolve().parents[2] / "data" / "worlds"
    count = sum(1 for path in worlds.rglob("*") if path.is_file())
    found = f"{count} files" if count else "missing"
    fix = "install the kit again: its data folder is missing (README, 'Install')"
    rows = [_row("shipped data", found, "worlds", count > 0, fix)]
    if folder := os.environ.get("TUTORIAL_DATA"):
        ok = Path(folder).expanduser().is_dir()
        found = folder if ok else f"no folder {folder}"
        fix = "point TUTORIAL_DATA at the folder that holds your data sets, or unset it"
        rows.append(_row("TUTORIAL_DATA", found, "a folder", ok, fix))
    return rows


def _place_row() -> EnvironmentRow:
    where = "Colab" if in_colab() else f"{platform.system()} {platform.machine()}"
    offline = os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}
    hub = "Hub switched off (HF_HUB_OFFLINE)" if offline else "Hub allowed (not tested)"
    return _row("running in", f"{where}; {hub}", "any", True)


def environment_rows() -> list[EnvironmentRow]:
    """Look at this computer: Python, every core dependency, memory, cores, data, and where we are.
    No network, no heavy import.

    Returns:
        One ``EnvironmentRow`` a line of the table, the machine first.
    """
    return [
        _python_row(),
        *map(_dependency_row, core_requirements()),
        *_machine_rows(),
        *_data_rows(),
        _place_row(),
    ]


def rows_to_text(rows: list[EnvironmentRow]) -> str:
    """The table as aligned text, with the fix below each line that fails.

    >>> print(rows_to_text([EnvironmentRow("torch", "2.1", ">=2.6", False, "pip install torch")]))
    [FAIL] torch  2.1  (needed: >=2.6)
           fix: pip install torch
    """
    wide = max(len(row.name) for row in rows)
    found = max(len(row.found) for row in rows)
    lines = []
    for row in rows:
        state = "[OK]  " if row.ok else "[FAIL]"
        lines.append(f"{state} {row.name:<{wide}}  {row.found:<{found}}  (needed: {row.needed})")
        if not row.ok:
            lines.append(f"       fix: {row.fix}")
    return "\n".join(lines)


def rows_to_html(rows: list[EnvironmentRow]) -> str:
    """The table as HTML, with a header row and a caption for screen readers; folded to one line
    where all is well.
    """
    bad = sum(not row.ok for row in rows)
    caption = f"{bad} line{'s' * (bad > 1)} to mend: see the last column."
    states = ["[OK]" if row.ok else "[FAIL]" for row in rows]
    cells = [
        (r.name, state, r.found, r.needed, r.fix) for r, state in zip(rows, states, strict=True)
    ]
    header = ("What", "State", "Found", "Needed", "Fix")
    if bad:
        return html_table(caption, header, cells, ("left",) * 5)
    found = html_table("What was found", header[:-1], [c[:-1] for c in cells], ("left",) * 4)
    return folded("This computer is ready.", found)


def limit_threads(threads: int | None = None) -> int:
    """Fix the number of threads, so that numbers repeat and threads that wait do not slow down a
    shared computer.

    Args:
        threads: how many; None keeps ``OMP_NUM_THREADS`` where it is set, else takes 1 (for small
            models the fastest, and the results do not depend on the machine's number of cores).

    Returns:
        The number in force.
    """
    if threads is None:
        inherited = os.environ.get("OMP_NUM_THREADS", "")
        threads = int(inherited) if re.fullmatch("[1-9][0-9]{0,3}", inherited) else 1
    if type(threads) is not int or threads < 1:
        raise InputError(
            f"threads={threads!r} is not a positive whole number; leave it out, or write threads=1"
        )
    os.environ["OMP_NUM_THREADS"] = str(threads)  # torch reads both when it is first imported
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)
    return threads


def setup(threads: int | None = None, *, offline: bool = False) -> None:
    """Make a notebook ready: draw the [OK]/[FAIL] table, fix the threads, set the figure style.
    Under a second; nothing is downloaded.

    Args:
        threads: number of CPU threads for torch; see ``limit_threads``.
        offline: True in a room without network, so that the Hugging Face libraries do not wait for
            it (sets ``HF_HUB_OFFLINE``).
    """
    from tutorial_workshop.page.plots import use_style

    limit_threads(threads)
    if offline:
        os.environ["HF_HUB_OFFLINE"] = "1"
    use_style()
    rows = environment_rows()
    display_html(rows_to_html(rows), rows_to_text(rows))
