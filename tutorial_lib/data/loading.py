"""`load_dataset`: one call for planted worlds and for real data."""

from __future__ import annotations

from pathlib import Path

from tutorial_lib.data.dataset import Dataset
from tutorial_lib.errors import InputError, unknown_name

WORLDS = ("world-movies", "world-products", "world-news")
REAL = ("ml-100k", "ml-latest-small", "ml-1m", "amazon-games", "mind-small")


def list_datasets() -> list[str]:
    """Names that `load_dataset` knows: the planted worlds first (embedded, no download), then the
    real data sets.
    """
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

    Worlds are read from the frozen files that ship with the kit; keyword arguments such as
    ``order=0.4`` regenerate the world with another planted effect (see `worlds.make_world`). Real
    data is looked for in ``root``, ``$TUTORIAL_DATA`` and the cache (folder or original zip), then
    downloaded if ``download``.
    ``bad_rows``: "error" refuses a malformed row by file and line; "skip" leaves it out and reports
        each in the card's notes.

    >>> load_dataset("world-news").name
    'world-news'
    """
    if name in WORLDS:
        domain = name.removeprefix("world-")
        if planted:
            from tutorial_recipes.worlds import make_world

            return make_world(domain, **planted)
        from tutorial_lib.data.worlds import load_world

        return load_world(domain)
    if name not in REAL:
        raise unknown_name("dataset", name, list_datasets())
    if planted:
        raise InputError(
            f"load_dataset({name!r}): option {next(iter(planted))!r} belongs to planted worlds"
            f" only; expected {', '.join(WORLDS)}"
        )
    if bad_rows not in ("error", "skip"):
        raise InputError(f"load_dataset(bad_rows={bad_rows!r}): expected 'error' or 'skip'")
    from tutorial_lib.data.files import locate

    folder = locate(name, root=root, download=download)
    if name.startswith("ml-"):
        from tutorial_lib.data.movielens import read_movielens as read
    elif name == "amazon-games":
        from tutorial_lib.data.amazon import read_amazon_games as read
    else:
        from tutorial_lib.data.mind import read_mind as read
    return read(folder, name, bad_rows=bad_rows)
