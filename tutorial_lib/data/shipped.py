"""Where the files that ship with the kit lie: found alike from a clone, an editable install and a
wheel.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from tutorial_lib.errors import InputError

PACKAGE = Path(__file__).resolve().parents[1]


def shipped(relative: str | Path = "") -> Path:
    """The path of a file or folder below the kit's ``data/``; it need not exist yet.

    In a clone or an editable install that is ``data/`` beside the package, in a wheel
    ``_shipped/data`` inside it.

    Raises:
        InputError: neither is there, or ``relative`` leads out of the folder.

    >>> shipped("worlds").name
    'worlds'
    """
    relative = Path(relative)
    if relative.is_absolute() or ".." in relative.parts:
        raise InputError(
            f"shipped({str(relative)!r}): expected a path below the kit's data folder, such as "
            "'worlds/movies'"
        )
    for folder in (PACKAGE / "_shipped" / "data", PACKAGE.parent / "data"):
        if folder.is_dir():
            return folder / relative
    raise InputError(
        f"the kit's data folder is missing: expected {PACKAGE.parent / 'data'}; install the kit "
        "again, or clone it whole"
    )


def read_yaml(path: Path) -> Any:
    """The content of a YAML file, by the fast parser where PyYAML has it."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(path.read_text(encoding="utf-8"), loader)


def ship(files: dict[str, bytes], made_by: str, folder: Path | None = None) -> None:
    """Write files (path below ``data/`` -> content) and enter each in MANIFEST.json, which is
    written last; ``folder``: the kit's data folder by default.
    """
    folder = shipped() if folder is None else Path(folder)
    path = folder / "MANIFEST.json"
    manifest = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    for name, content in files.items():
        write_whole(folder / name, content)
        manifest[name] = {
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "licence": "CC BY 4.0",
            "made_by": made_by,
        }
    write_whole(path, (json.dumps(dict(sorted(manifest.items())), indent=2) + "\n").encode())


def write_whole(path: Path, content: bytes) -> None:
    """Write a file under a temporary name, then rename it: no reader ever sees half of it.

    Raises:
        OSError: such as "No space left on device", naming ``path``; what was there stays.
    """
    part = path.with_name(f"{path.name}.{uuid4().hex[:12]}.part")  # two writers never share one
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(content)
        os.replace(part, path)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from None
    finally:
        with suppress(OSError):
            part.unlink()


def clone_commit(mark_changes: bool = True) -> str:
    """Short hash of the clone's commit, with + when files differ from it (``mark_changes``); empty
    outside a clone.
    """
    root = PACKAGE.parent
    if not (root / ".git").exists():
        return ""
    command = ["git", "-C", str(root), "describe", "--always", "--exclude=*"]
    if mark_changes:
        command.append("--dirty=+")
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
