"""`load_dataset`: one call for planted worlds and for real data."""

from __future__ import annotations

from pathlib import Path

from tutorial_lib.data.dataset import Dataset
from tutorial_lib.errors import InputError, unknown_name

WORLDS = (
    *("world-movies", "world-products", "world-news"),
    *("world-movies-cold", "world-movies-visits"),
)
REAL = ("ml-100k", "ml-latest-small", "ml-1m", "amazon-games", "mind-small")


def list_datasets() -> list[str]:
    """Names that `load_dataset` knows: the planted worlds first (no download), then real data."""
    return [*WORLDS, *REAL]


def load_dataset(
    name: str,
    *,
    root: str | Path | None = None,
    download: bool = True,
    bad_rows: str = "error",
    **planted,
) -> Dataset:
    """A `Dataset` by name.

    Args:
        name: one of `list_datasets`. Worlds are read from the frozen files that ship with the kit;
            real data is looked for in ``root``, ``$TUTORIAL_DATA`` and the cache (folder or
            original zip), then downloaded.
        root: a folder that holds real data.
        download: False to look on this machine only.
        bad_rows: "error" refuses a malformed row by file and line; "skip" leaves it out and
            reports each in the card's notes.
        **planted: keywords of `tutorial_recipes.worlds.make_world`, such as ``order=0.4``: the
            world is made anew with another planted effect.

    Raises:
        InputError: the name or an option is unknown, or the data cannot be found or read.

    >>> load_dataset("world-news").name
    'world-news'
    """
    if name in WORLDS:
        world = name.removeprefix("world-")
        if planted:
            from tutorial_recipes.worlds import planted_world

            return planted_world(world, **planted)
        from tutorial_lib.data.worlds import load_world

        return load_world(world)
    if name not in REAL:
        raise unknown_name("dataset", name, list_datasets())
    if planted:
        raise InputError(
            f"load_dataset({name!r}): option {next(iter(planted))!r} belongs to planted worlds "
            f"only; expected {', '.join(WORLDS)}"
        )
    if bad_rows not in ("error", "skip"):
        raise InputError(f"load_dataset(bad_rows={bad_rows!r}): expected 'error' or 'skip'")
    from tutorial_lib.data.files import locate

    source = locate(name, root=root, download=download)
    if name.startswith("ml-"):
        from tutorial_lib.data.movielens import read_movielens as read
    elif name == "amazon-games":
        from tutorial_lib.data.amazon import read_amazon_games as read
    else:
        from tutorial_lib.data.mind import read_mind as read
    return read(source, name, bad_rows)
