"""A file that only one living process can hold: it tells a run that was killed from one at work."""

from __future__ import annotations

import errno
import io
import os
import sys
from pathlib import Path

_NO_LOCKS_HERE = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)  # some network file systems


def take_lock(path: Path) -> io.IOBase | None:
    """Hold a file until it is closed or this process ends, however it ends.

    Args:
        path: the file; made, with its folder.

    Returns:
        The open file, or None while another process holds it. Where the file system has no locks,
        the file all the same.

    Raises:
        OSError: the file cannot be opened or locked.
    """
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a")
        try:
            _lock(file)
            if os.path.samestat(os.fstat(file.fileno()), os.stat(path)):
                return file
        except FileNotFoundError:  # its last holder has just removed it
            pass
        except BlockingIOError:
            file.close()
            return None
        except OSError as error:
            if error.errno in _NO_LOCKS_HERE:
                return file
            file.close()
            raise
        file.close()


def _lock(file: io.IOBase) -> None:
    """Lock an open file. Raises BlockingIOError where it is locked already."""
    if sys.platform == "win32":
        import msvcrt

        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError as error:
            raise BlockingIOError(str(error)) from error
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
