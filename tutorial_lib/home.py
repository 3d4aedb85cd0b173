"""A home folder for an account without one, as ``docker run -u 54321`` or a JupyterHub gives."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path


def home_folder() -> Path:
    """The user's home folder; where none is known, one of its own among the temporary files."""
    try:
        return Path.home()
    except (RuntimeError, KeyError):
        return _temporary_home()


def ensure_home() -> None:
    """Give an account that the system does not know a $HOME it can write to, and a $USER.

    What the commands import (matplotlib, torch, transformers, Jupyter) keeps files below the home
    folder and fails, or writes to a folder named "~", without one. Kernels inherit both.
    """
    if os.name != "posix" or _known_account():
        return
    os.environ.setdefault("USER", f"user{os.getuid()}")  # what getpass.getuser() asks first
    home = os.environ.get("HOME")
    if home and os.access(home, os.W_OK):
        return
    folder = _temporary_home()
    with suppress(OSError):
        folder.mkdir(mode=0o700, exist_ok=True)
        mine = folder.stat().st_uid == os.getuid()
        os.environ["HOME"] = str(folder) if mine else tempfile.mkdtemp(prefix="home-")


def _temporary_home() -> Path:
    return Path(tempfile.gettempdir()) / f"home-{os.getuid()}"


def _known_account() -> bool:
    import pwd

    try:
        pwd.getpwuid(os.getuid())
    except KeyError:
        return False
    return True
