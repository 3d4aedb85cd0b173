"""Where real data lies: `$TUTORIAL_DATA`, the cache, or a mirror; a folder and the original zip are
read alike.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tutorial_lib.data.archives import MOST_BYTES, read_zipped, too_large, zipped_names
from tutorial_lib.data.download import download as download_file
from tutorial_lib.data.shipped import read_yaml
from tutorial_lib.errors import InputError, unknown_name
from tutorial_lib.home import home_folder


@dataclass(frozen=True)
class Origin:
    """What is known about a published data set before any of it is here: see ``published.yaml``."""

    title: str
    source: str
    licence: str
    citation: str
    page: str
    folders: list[str]
    archives: list[str]
    members: list[str]
    urls: list[str] = field(default_factory=list)
    sha256: str = ""
    member_sha256: Mapping[str, str] = field(default_factory=dict)


ORIGINS = {
    name: Origin(**entry)
    for name, entry in read_yaml(Path(__file__).with_name("published.yaml")).items()
}


@dataclass(frozen=True)
class Source:
    """The files of one data set; ``prefix`` is the folder inside a folder or zip, "" or "name/"."""

    path: Path
    prefix: str = ""

    def read(self, member: str) -> bytes:
        """The bytes of one file; InputError if missing, unreadable, damaged or too large."""
        if not self.path.is_dir():
            return read_zipped(self.path, self.prefix + member)
        place = Path(self.where(member))
        try:
            if place.stat().st_size > MOST_BYTES:
                raise too_large(place)
            return place.read_bytes()
        except FileNotFoundError:
            raise InputError(f"{self.path} lacks {member}: put the original file there") from None
        except OSError as error:
            raise InputError(f"cannot read {place}: {error.strerror or error}") from None

    def where(self, member: str) -> str:
        """The file's place, for messages."""
        return str(self.path / (self.prefix + member))

    def beside(self, name: str, members: list[str]) -> Source | None:
        """Another folder or zip next to this one, if it holds all ``members``."""
        for path in (self.path.parent / name, self.path.parent / f"{name}.zip"):
            source = _open(path, members, []) if os.path.exists(path) else None
            if source:
                return source
        return None


def cache_folder() -> Path:
    """``$TUTORIAL_CACHE``, or ~/.cache/tutorial_lib; created by the first download."""
    return named_folder("TUTORIAL_CACHE") or home_folder() / ".cache" / "tutorial_lib"


def named_folder(variable: str) -> Path | None:
    """The folder that an environment variable names, made `absolute`; None where it is not set."""
    value = os.environ.get(variable)
    return absolute(value, f"${variable}") if value else None


def absolute(path: str | Path, label: str) -> Path:
    """An absolute path, with ~ expanded; ``label`` names it in the InputError for a ~ without a
    home.
    """
    try:
        return Path(path).expanduser().absolute()
    except RuntimeError:
        raise InputError(
            f"{label} names {str(path)!r}, but no home folder is known for it: give the whole path"
        ) from None


def locate(name: str, *, root: str | Path | None = None, download: bool = True) -> Source:
    """The files of a real data set: in ``root``, in ``$TUTORIAL_DATA``, in the cache, or downloaded
    into the cache.

    Args:
        name: of a published data set.
        root: a folder that holds the data set's folder or zip, or that folder or zip itself.
        download: False to look on this machine only.

    Raises:
        InputError: it is not there (the line says where to get it and where to put it), or damaged.
    """
    source = find(name, root)
    if source is None:
        origin = ORIGINS[name]
        path = _download(name, download, root)
        source = _open(path, origin.members, origin.folders)
        if source is None:
            lacking = " or ".join(origin.members)
            raise InputError(
                f"the downloaded {origin.archives[0]} lacks {lacking}: report this mirror"
            )
    return source


def fetch(name: str) -> Path:
    """Make sure that a real data set is on this machine; returns its folder or zip."""
    if name.startswith("world-"):
        raise InputError(
            f"{name!r} ships with the kit: nothing to fetch, use load_dataset({name!r})"
        )
    source = find(name)
    return source.path if source else _download(name)


def find(name: str, root: str | Path | None = None) -> Source | None:
    """The files of a data set that are on this machine, or None; never touches the network."""
    if name not in ORIGINS:
        raise unknown_name("dataset to fetch", name, ORIGINS)
    origin = ORIGINS[name]
    for base in _bases(root):
        for path in _candidates(base, origin):
            source = _open(path, origin.members, origin.folders)
            if source:
                return source
    return None


def checksum_notes(name: str, checksums: Mapping[str, str]) -> list[str]:
    """One sentence for each member that differs from the published file of that name.

    >>> checksum_notes("ml-100k", {"u.data": "0" * 64})
    ['u.data differs from the published file (sha256 06416e597f82b734… was expected)']
    """
    known = ORIGINS[name].member_sha256
    return [
        f"{member} differs from the published file (sha256 {known[member][:16]}… was expected)"
        for member, value in checksums.items()
        if known.get(member, value) != value
    ]


def _bases(root: str | Path | None) -> Iterator[Path]:
    """Folders to look in, first to last."""
    given = absolute(root, "root") if root else None
    for label, base in (("root", given), ("$TUTORIAL_DATA", named_folder("TUTORIAL_DATA"))):
        if base and not os.path.exists(base):
            raise InputError(f"{label} names {str(base)!r}, which does not exist: correct the path")
        if base:
            yield base
    yield cache_folder()


def _candidates(base: Path, origin: Origin) -> Iterator[Path]:
    """Places below ``base`` where the data set may lie, the base itself last."""
    names = [*origin.folders, *origin.archives]
    names += [f"{folder}/{archive}" for folder in origin.folders for archive in origin.archives]
    places = [base / name for name in names]
    # Any folder may be a base: one with only some of these (common) file names is not a damaged
    # copy of this data set.
    whole = all(os.path.isfile(base / member) for member in origin.members)
    if base.suffix == ".zip" or base.name in origin.folders or whole:
        places.append(base)
    yield from (place for place in places if os.path.exists(place))


def _open(path: Path, members: list[str], folders: list[str]) -> Source | None:
    """The source in a folder or zip, or None where it has none of the members.

    Args:
        path: a folder or zip.
        members: files that must be there together, in any one folder inside.
        folders: names that tell which of several folders with all members is meant.

    Raises:
        InputError: some members are missing, several folders may be meant, or a zip is damaged.
    """
    inside: dict[str, set[str]] = {}
    for name in _names(path) if path.is_dir() else zipped_names(path):
        folder, slash, last = name.rpartition("/")
        if last in members:
            inside.setdefault(folder + slash, set()).add(last)
    whole = [prefix for prefix, present in inside.items() if len(present) == len(members)]
    top = min((prefix.count("/") for prefix in whole), default=0)
    whole = sorted(prefix for prefix in whole if prefix.count("/") == top)
    named = [prefix for prefix in whole if prefix.rstrip("/").rpartition("/")[2] in folders]
    chosen = named or whole
    if len(chosen) > 1:
        raise InputError(
            f"{path} holds several copies ({', '.join(chosen)}): "
            "unpack the one you mean and name its folder"
        )
    if chosen:
        return Source(path, chosen[0])
    if inside:
        prefix = min(inside, key=lambda prefix: (prefix.count("/"), prefix))
        present = [member for member in members if member in inside[prefix]]
        missing = next(member for member in members if member not in present)
        raise InputError(
            f"{path / prefix} lacks {missing} (it has {', '.join(present)}): "
            f"put the original there, or remove {path}"
        )
    return None


def _names(folder: Path) -> set[str]:
    """Names of the files in a folder, and one folder down."""
    try:
        files = [file for pattern in ("*", "*/*") for file in folder.glob(pattern)]
        return {file.relative_to(folder).as_posix() for file in files if file.is_file()}
    except OSError as error:
        raise InputError(f"cannot read {folder}: {error.strerror or error}") from None


def _download(name: str, allowed: bool = True, root: str | Path | None = None) -> Path:
    """The archive of a data set, downloaded into the cache; an InputError says how to mend it."""
    origin = ORIGINS[name]
    folder = cache_folder()
    mend = (
        f"get {origin.archives[0]} from {origin.page} and put it, or its unpacked folder "
        f"{origin.folders[0]}/, into {folder}"
    )
    if not os.environ.get("TUTORIAL_DATA"):
        mend += " or into the folder that $TUTORIAL_DATA names"
    if not origin.urls or not allowed:
        looked = ", ".join(map(str, _bases(root)))
        why = "downloading was switched off"
        if not origin.urls:
            why = "its terms do not allow an automatic download"
        raise InputError(f"dataset {name!r} not found in {looked}, and {why}: {mend}")
    try:
        return download_file(origin.urls, folder / origin.archives[0], origin.sha256)
    except InputError as error:
        raise InputError(f"{error}. Mend: {mend}") from None
