"""Reading a zip that may be damaged, locked or larger than it says: bytes, or one clear line."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tutorial_lib.errors import InputError

# of one unpacked file; the largest one known here, MIND-small's, has 90 MB
MOST_BYTES = 256 * 2**20


def zipped_names(path: Path) -> list[str]:
    """Names of the files in a zip; names that lead out of it (``../x``, ``/x``) are left out."""
    with _opened(path) as archive:
        names = [info.filename for info in archive.infolist() if not info.is_dir()]
    return [name for name in names if not name.startswith("/") and ".." not in name.split("/")]


def read_zipped(path: Path, member: str) -> bytes:
    """The bytes of one member of a zip, at most `MOST_BYTES`.

    Raises:
        InputError: it is missing or there twice, is locked by a password, is packed by
            another method than deflate, damaged, or larger than `MOST_BYTES`, whatever the zip
            says.
    """
    with _opened(path) as archive:
        infos = [info for info in archive.infolist() if info.filename == member]
        if len(infos) != 1:
            what = f"holds {len(infos)} files {member}" if infos else f"lacks {member}"
            raise InputError(f"{path} {what}: put the original file there")
        info = infos[0]
        place = path / member
        if info.flag_bits & 0x41:  # encrypted, in the old way or the strong one
            raise InputError(f"{place} is locked by a password: unpack it and put the folder there")
        # Python unpacks bzip2 and lzma without a limit: a few KB may fill the memory
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise InputError(
                f"{place} is packed by zip method {info.compress_type}, expected 8 (deflate): "
                "unpack it with the program that made it and put the folder there"
            )
        if info.file_size > MOST_BYTES:
            raise too_large(place)
        with archive.open(info) as file:
            content = file.read(info.file_size + 1)  # not all of it: the size may be a lie
        if len(content) != info.file_size:
            raise _damaged(path)
        return content


def too_large(place: Path | str) -> InputError:
    """The error for a file that would fill the memory."""
    return InputError(
        f"{place} is larger than {MOST_BYTES // 2**20} MiB, the most that is read; "
        "is it the file that was published?"
    )


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """The zip, and InputError for whatever goes wrong while it is read."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None
    except Exception:  # BadZipFile, zlib.error, EOFError, struct.error, NotImplementedError ...
        raise _damaged(path) from None


def _damaged(path: Path) -> InputError:
    return InputError(
        f"{path} is not a complete zip file (cut short while copying or downloading?): "
        "delete it and fetch it again"
    )
