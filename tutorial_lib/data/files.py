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
from tutorial_lib.data.download import remove_abandoned
from tutorial_lib.errors import InputError, unknown_name
from tutorial_lib.home import home_folder


@dataclass(frozen=True)
class Origin:
    """What is known about a published data set before any of it is here.

    members: files the loader needs; found in a folder or zip that carries one of the names, at its
        top or one folder down.
    urls, sha256: mirrors of the archive and its checksum; no urls means that the terms ask you to
        fetch it yourself.
    member_sha256: checksums of the published members, compared with your own copy (a difference is
        noted, not refused).
    """

    page: str
    folders: tuple[str, ...]
    archives: tuple[str, ...]
    members: tuple[str, ...]
    urls: tuple[str, ...] = ()
    sha256: str = ""
    member_sha256: Mapping[str, str] = field(default_factory=dict)


def _grouplens(
    name: str,
    page: str,
    members: tuple[str, ...],
    sha256: str,
    member_sha256: Mapping[str, str],
    mirrored: bool,
) -> Origin:
    """A MovieLens release: the publisher, a mirror with the same bytes where there is one, and the
    publisher's file as archived.
    """
    first = f"https://files.grouplens.org/datasets/movielens/{name}.zip"
    mirror = (
        (f"https://huggingface.co/datasets/Recommenders/MovieLens/resolve/main/{name}.zip",)
        if mirrored
        else ()
    )
    urls = (first, *mirror, f"https://web.archive.org/web/2024id_/{first}")
    return Origin(
        f"https://grouplens.org/datasets/movielens/{page}/",
        (name,),
        (f"{name}.zip",),
        members,
        urls,
        sha256,
        member_sha256,
    )


ORIGINS: dict[str, Origin] = {
    "ml-100k": _grouplens(
        "ml-100k",
        "100k",
        ("u.data", "u.item", "u.user"),
        "50d2a982c66986937beb9ffb3aa76efe955bf3d5c6b761f4e3a7cd717c6a3229",
        {
            "u.data": "06416e597f82b7342361e41163890c81036900f418ad91315590814211dca490",
            "u.item": "553841ebc7de3a0fd0d6b62a204ea30c1e651aacfb2814c7a6584ac52f2c5701",
            "u.user": "f120e114da2e8cf314fd28f99417c94ae9ddf1cb6db8ce0e4b5995d40e90e62c",
        },
        mirrored=True,
    ),
    "ml-1m": _grouplens(
        "ml-1m",
        "1m",
        ("ratings.dat", "movies.dat", "users.dat"),
        "a6898adb50b9ca05aa231689da44c217cb524e7ebd39d264c56e2832f2c54e20",
        {
            "ratings.dat": "506d64ca44484487c11dc2d9a28de5c54948213e6b96285e298afe28d6ea4e0f",
            "movies.dat": "0140fc2356357c1a851d0f52e893a1e4d3696df632c4141cea8d5bc3d621f0b9",
        },
        mirrored=True,
    ),
    "ml-latest-small": _grouplens(
        "ml-latest-small",
        "latest",
        ("ratings.csv", "movies.csv", "tags.csv"),
        "696d65a3dfceac7c45750ad32df2c259311949efec81f0f144fdfb91ebc9e436",
        {
            "ratings.csv": "aa289ca83157595d0df6aea1be6a4ded676ddc4385472e8313a8ed9805352646",
            "movies.csv": "5a5f32dd9bb3797b8e728a1b98958789d2b13f294a69fdfbc5727f8a9611aa07",
            "tags.csv": "92a9f8bb7916dceef6151209845788c3643f794dfa79d1feaec7121b5960399d",
        },
        mirrored=False,
    ),
    "amazon-games": Origin(
        "https://github.com/RUCAIBox/LLMRank (section on data sets)",
        ("amazon-games", "Games-6k", "Games"),
        ("amazon-games.zip", "Games-6k.zip", "Games.zip"),
        ("Games-6k.test.inter", "Games-6k.item"),
    ),
    "mind-small": Origin(
        "https://msnews.github.io (MIND-small, training set, after agreeing to its terms)",
        ("mind-small", "MINDsmall_train", "MINDsmall", "mind-sample"),
        ("MINDsmall_train.zip", "mind-small.zip"),
        ("behaviors.tsv", "news.tsv"),
    ),
}


@dataclass(frozen=True)
class Source:
    """The files of one data set, in a folder or inside a zip; ``prefix`` is the folder inside the
    zip ("" or "name/").
    """

    path: Path
    prefix: str = ""

    def read(self, member: str) -> bytes:
        """The bytes of one file; InputError if missing, unreadable, damaged or too large."""
        if not self.path.is_dir():
            return read_zipped(self.path, self.prefix + member)
        path = self.path / self.prefix / member
        try:
            if path.stat().st_size > MOST_BYTES:
                raise too_large(self.where(member))
            return path.read_bytes()
        except FileNotFoundError:
            raise InputError(f"{self.path} lacks {member}: put the original file there") from None
        except OSError as error:
            raise InputError(
                f"cannot read {self.where(member)}: {error.strerror or error}"
            ) from None

    def where(self, member: str) -> str:
        """The file's place, for messages."""
        return str(self.path / (self.prefix + member))

    def beside(self, name: str, members: tuple[str, ...]) -> Source | None:
        """Another folder or zip next to this one, if it holds all ``members``."""
        for path in (self.path.parent / name, self.path.parent / f"{name}.zip"):
            source = _open(path, members) if os.path.exists(path) else None
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
    """A path as somebody gave it, with ~ expanded and seen from here.

    label: its name in the InputError for a ~ that nobody knows.
    """
    try:
        return Path(path).expanduser().absolute()
    except RuntimeError:
        told = f"{label} names {str(path)!r}, but no home folder is known for it"
        raise InputError(f"{told}: give the whole path") from None


def locate(name: str, *, root: str | Path | None = None, download: bool = True) -> Source:
    """The files of a real data set: in ``root``, in ``$TUTORIAL_DATA``, in the cache, or downloaded
    into the cache.

    root: a folder that holds the data set's folder or zip, or that folder or zip itself.
    Raises InputError (one line, with where to get the file and where to put it).
    """
    source = find(name, root)
    if source is None:
        origin = ORIGINS[name]
        path = _download(name, cache_folder(), download, root)
        source = _open(path, origin.members, origin.folders)
        if source is None:
            lacking = " or ".join(origin.members)
            name = origin.archives[0]
            raise InputError(f"the downloaded {name} lacks {lacking}: report this mirror")
    return source


def fetch(name: str, root: str | Path | None = None) -> Path:
    """Make sure that a real data set is on this machine; returns its folder or zip.

    root: where to look first and where a download goes; without it `$TUTORIAL_DATA` and the cache,
        and the cache.
    """
    if name.startswith("world-"):
        raise InputError(
            f"{name!r} ships with the kit: nothing to fetch, use load_dataset({name!r})"
        )
    folder = absolute(root, "root") if root is not None else None
    found = find(name, folder if folder is not None and folder.exists() else None)
    return found.path if found else _download(name, folder or cache_folder(), True, root)


def find(name: str, root: str | Path | None = None) -> Source | None:
    """The files of a data set that are here already, or None; never touches the network.

    What killed downloads left beside them is removed.
    """
    if name not in ORIGINS:
        raise unknown_name("dataset to fetch", name, ORIGINS)
    origin = ORIGINS[name]
    for base in _bases(root):
        for path in _candidates(base, origin):
            source = _open(path, origin.members, origin.folders)
            if source:
                remove_abandoned(path.parent / origin.archives[0])
                return source
    return None


def checksum_notes(name: str, checksums: Mapping[str, str]) -> list[str]:
    """One sentence for each member that differs from the published file of that name.

    >>> checksum_notes("ml-100k", {"u.data": "0" * 64})
    ['u.data differs from the published file (sha256 06416e597f82b734… was expected)']
    """
    known = ORIGINS[name].member_sha256
    changed = [member for member, value in checksums.items() if known.get(member, value) != value]
    return [
        f"{member} differs from the published file (sha256 {known[member][:16]}… was expected)"
        for member in changed
    ]


def _bases(root: str | Path | None) -> Iterator[Path]:
    given = absolute(root, "root") if root else None
    for label, base in (("root", given), ("$TUTORIAL_DATA", named_folder("TUTORIAL_DATA"))):
        if base and not os.path.exists(base):
            raise InputError(f"{label} names {str(base)!r}, which does not exist: correct the path")
        if base:
            yield base
    yield cache_folder()


def _candidates(base: Path, origin: Origin) -> Iterator[Path]:
    """Places below ``base`` where the data set may lie, the base itself last."""
    inside = [base / name for name in origin.folders] + [base / name for name in origin.archives]
    inside += [base / folder / name for folder in origin.folders for name in origin.archives]
    yield from (path for path in inside if os.path.exists(path))
    # Any folder may be a base, so one with only some of these (common) file names is not a damaged
    # copy of this data set.
    if (
        base.suffix == ".zip"
        or base.name in origin.folders
        or all(os.path.isfile(base / member) for member in origin.members)
    ):
        yield from [base] if os.path.exists(base) else []


def _open(path: Path, members: tuple[str, ...], folders: tuple[str, ...] = ()) -> Source | None:
    """A source with all members; None if it has none of them.

    folders: names that tell which of several folders with all members is meant.
    Raises InputError if some members are missing, several folders may be meant or a zip is damaged.
    """
    names = _names(path) if path.is_dir() else zipped_names(path)
    inside: dict[str, set[str]] = {}
    for name in names:
        folder, slash, last = name.rpartition("/")
        if last in members:
            inside.setdefault(folder + slash, set()).add(last)
    complete = (prefix for prefix, present in inside.items() if len(present) == len(members))
    whole = sorted(complete, key=_depth)
    whole = [prefix for prefix in whole if _depth(prefix)[0] == _depth(whole[0])[0]]
    named = [prefix for prefix in whole if prefix.rstrip("/").rpartition("/")[2] in folders]
    if len(named or whole) > 1:
        copies = ", ".join(named or whole)
        mend = "unpack the one you mean and name its folder"
        raise InputError(f"{path} holds several copies ({copies}): {mend}")
    if whole:
        return Source(path, (named or whole)[0])
    if inside:
        prefix = min(inside, key=_depth)
        present = sorted(inside[prefix], key=members.index)
        missing = next(member for member in members if member not in present)
        mend = f"put the original there, or remove {path}"
        raise InputError(f"{path / prefix} lacks {missing} (it has {', '.join(present)}): {mend}")
    return None


def _depth(prefix: str) -> tuple[int, str]:
    return prefix.count("/"), prefix


def _names(folder: Path) -> set[str]:
    """Names of the files in a folder, and one folder down."""
    try:
        found = (file for pattern in ("*", "*/*") for file in folder.glob(pattern))
        return {file.relative_to(folder).as_posix() for file in found if file.is_file()}
    except OSError as error:
        raise InputError(f"cannot read {folder}: {error.strerror or error}") from None


def _download(name: str, folder: Path, allowed: bool, root: str | Path | None) -> Path:
    """The archive of a data set, downloaded into ``folder``; InputError with the way to mend it
    where that is impossible.
    """
    origin = ORIGINS[name]
    mend = (
        f"get {origin.archives[0]} from {origin.page} and put it, or its unpacked folder"
        f" {origin.folders[0]}/, into {folder}"
    )
    if not os.environ.get("TUTORIAL_DATA"):
        mend += " or into the folder that $TUTORIAL_DATA names"
    if not origin.urls or not allowed:
        there = root if root and os.path.exists(absolute(root, "root")) else None
        looked = ", ".join(map(str, _bases(there)))
        why = (
            "its terms do not allow an automatic download"
            if not origin.urls
            else "downloading was switched off"
        )
        raise InputError(f"dataset {name!r} not found in {looked}, and {why}: {mend}")
    try:
        return download_file(origin.urls, folder / origin.archives[0], origin.sha256)
    except InputError as error:
        raise InputError(f"{error}. Mend: {mend}") from None
