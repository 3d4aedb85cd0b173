"""Reading a zip that may be damaged, locked or larger than it says: bytes, or one clear line."""

from __future__ import annotations

import bz2
import copy
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tutorial_lib.errors import InputError

MOST_BYTES = (
    256 * 2**20
)  # of one unpacked file; the largest one known here, MIND-small's, has 90 MB
METHODS = {
    zipfile.ZIP_STORED: "stored",
    zipfile.ZIP_DEFLATED: "deflate",
    zipfile.ZIP_BZIP2: "bzip2",
    zipfile.ZIP_LZMA: "lzma",
}
NAMES = {9: "deflate64", 93: "zstandard", 95: "xz", 98: "PPMd", 99: "AES"}


def zipped_names(path: Path) -> list[str]:
    """Names of the files in a zip; names that lead out of it (``../x``, ``/x``) are left out."""
    with _opened(path) as archive:
        names = [info.filename for info in archive.infolist() if not info.is_dir()]
    return [name for name in names if not name.startswith("/") and ".." not in name.split("/")]


def read_zipped(path: Path, member: str) -> bytes:
    """The bytes of one member of a zip, at most `MOST_BYTES`.

    Raises InputError where it is missing or stands twice, is locked by a password, packed in a way
    that Python's zipfile cannot read, damaged, or larger than `MOST_BYTES`, whatever the zip says.
    """
    with _opened(path) as archive:
        found = [info for info in archive.infolist() if info.filename == member]
        if len(found) != 1:
            what = f"holds {len(found)} files {member}" if found else f"lacks {member}"
            raise InputError(f"{path} {what}: put the original file there")
        info, place = found[0], path / member
        if info.flag_bits & 0x41:  # encrypted, in the old way or the strong one
            raise InputError(f"{place} is locked by a password: unpack it and put the folder there")
        if info.compress_type not in METHODS:
            method = NAMES.get(info.compress_type, f"number {info.compress_type}")
            known = ", ".join(METHODS.values())
            raise InputError(
                f"{place} is packed by the method {method}, expected {known}: unpack it with the "
                "program that made it and put the folder there"
            )
        if info.file_size > MOST_BYTES:
            raise too_large(place)
        return _unpacked(archive, info, place)


def too_large(place: Path | str) -> InputError:
    """The error for a file that would fill the memory."""
    return InputError(
        f"{place} is larger than {MOST_BYTES // 2**20} MiB, the most that is read; "
        "is it the file that was published?"
    )


def _unpacked(archive: zipfile.ZipFile, info: zipfile.ZipInfo, place: Path) -> bytes:
    """The content of a member, unpacked to one byte more than it says at most.

    `ZipFile.read` unpacks bzip2 and lzma without a limit: 100 KB may become gigabytes before it
    looks at the declared size. So the packed bytes are read as if they were stored.
    """
    packed = copy.copy(info)
    packed.compress_type, packed.file_size, packed.CRC = (
        zipfile.ZIP_STORED,
        info.compress_size,
        None,
    )
    if info.compress_size > MOST_BYTES:
        raise too_large(place)
    with archive.open(packed) as file:
        content = file.read()
    unpack = {8: zlib.decompressobj(-15), 12: bz2.BZ2Decompressor()}.get(info.compress_type)
    if info.compress_type == zipfile.ZIP_LZMA:
        unpack, content = _lzma(content, info.file_size)
    if unpack is not None:
        content = unpack.decompress(content, info.file_size + 1)
    if len(content) != info.file_size or zlib.crc32(content) != info.CRC:
        raise _damaged(archive.filename)
    return content


def _lzma(packed: bytes, size: int) -> tuple[lzma.LZMADecompressor, bytes]:
    """What unpacks the lzma of a zip, and the bytes to give it (APPNOTE.TXT, section 5.8)."""
    _, header, properties, dictionary = struct.unpack_from("<HHBI", packed)
    rest, lc = divmod(properties, 9)
    pb, lp = divmod(rest, 5)
    options = {"id": lzma.FILTER_LZMA1, "lc": lc, "lp": lp, "pb": pb}
    options["dict_size"] = min(
        max(dictionary, 4096), max(size, 4096)
    )  # all that can be looked back to
    unpack = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[options])
    return unpack, packed[4 + header :]


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """The zip, and InputError for whatever goes wrong while it is read."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except InputError:
        raise
    except OSError as error:
        if error.errno is None:  # bzip2 says "invalid data stream" in this way
            raise _damaged(path) from None
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None
    except (
        Exception
    ):  # a damaged zip raises BadZipFile, zlib.error, LZMAError, EOFError, struct.error ...
        raise _damaged(path) from None


def _damaged(path: Path | str) -> InputError:
    return InputError(
        f"{path} is not a complete zip file (cut short while copying or downloading?): "
        "delete it and fetch it again"
    )
