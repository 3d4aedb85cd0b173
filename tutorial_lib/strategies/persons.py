"""Persons who are known in two domains, such as world-products and world-movies."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from tutorial_lib.data.dataset import Dataset
from tutorial_lib.errors import InputError, unknown_name

PARTS = {"train": 0.5, "valid": 0.2, "test": 0.3}  # share of the persons, about


@dataclass(frozen=True)
class PersonPairs:
    """Persons known in both domains, row by row.

    Attributes:
        person: their names.
        histories: item codes of the source, oldest first.
        chosen: item codes of the target, each once, ascending.
        part: "train", "valid" or "test".
        n_items: size of the source's catalogue.
        n_targets: size of the target's catalogue.
    """

    person: np.ndarray
    histories: list[np.ndarray]
    chosen: list[np.ndarray]
    part: np.ndarray
    n_items: int
    n_targets: int

    def rows(self, part: str) -> np.ndarray:
        """Row numbers of the persons of one part."""
        if part not in PARTS:
            raise unknown_name("part", part, PARTS)
        return np.flatnonzero(self.part == part)

    def counts(self, rows: np.ndarray) -> np.ndarray:
        """How many of these persons chose each item of the target."""
        chosen = np.concatenate([self.chosen[row] for row in rows])
        return np.bincount(chosen, minlength=self.n_targets)


def person_pairs(source: Dataset, target: Dataset, *, seed: int = 0) -> PersonPairs:
    """Who did what in the source, and chose what in the target; ``users.person`` says who is who.

    Persons without either are left out. The part of a person follows from their name and the seed
    alone, whoever else is there.

    Raises:
        InputError: A dataset names no persons, or one twice, or no person is in both.

    >>> from tutorial_lib.data import load_dataset
    >>> pairs = person_pairs(load_dataset("world-products"), load_dataset("world-movies"))
    >>> len(pairs.person), [len(pairs.rows(part)) for part in PARTS]
    (800, [392, 162, 246])
    """
    sources = _by_person(source)
    targets = _by_person(target)
    shared = sorted(sources.keys() & targets.keys())
    if not shared:
        raise InputError(
            f"person_pairs: {source.name!r} and {target.name!r} share no person; expected worlds"
            " with shared_users above 0"
        )
    return PersonPairs(
        person=np.array(shared),
        histories=[sources[name] for name in shared],
        chosen=[np.unique(targets[name]) for name in shared],
        part=np.array([_part(name, seed) for name in shared]),
        n_items=source.n_items,
        n_targets=target.n_items,
    )


def _by_person(dataset: Dataset) -> dict[str, np.ndarray]:
    if "person" not in dataset.users:
        raise InputError(
            f"person_pairs: {dataset.name!r} has no column users.person; expected a world, such as"
            " 'world-movies'"
        )
    known = dataset.users["person"].dropna()
    if known.duplicated().any():
        raise InputError(
            f"person_pairs: {dataset.name!r} names {known[known.duplicated()].iloc[0]!r} twice;"
            " expected one user per person"
        )
    sequences = dataset.sequences()
    return {str(name): sequences[user] for user, name in known.items() if len(sequences[user])}


def _part(name: str, seed: int) -> str:
    """Part of a person, from a hash of their name."""
    draw = int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:8], "big") / 2**64
    ends = np.cumsum(list(PARTS.values()))[:-1]
    return list(PARTS)[int(np.searchsorted(ends, draw, side="right"))]
