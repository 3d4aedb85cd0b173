"""Does a log belong to the data set it is audited on? Signs that its ids, users or time are wrong.

What cannot be seen: a system that ignores histories and shows consumed items again looks the same
with users mixed up; a few wrong ids among many right ones; wrong ids of a system that is no better
than chance, which is reported as such.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd

from tutorial_lib.audit.core.lists import contained, list_matrix
from tutorial_lib.data import Dataset

MOST_CHECKED = 5_000  # users
CONSUMED = 0.1  # share of places with a consumed item that is reported
FEWEST_PLACES = 100  # consumed items in other users' lists, to say that users are mixed up
PAIRINGS = 5  # random ways to give the lists to other users
BETTER = 1.5  # times as many hits under another reading of the ids
FEWEST_HITS = 20  # under another reading, to suggest it
TWICE = 2  # times random's hits: what a log must rule out to be called no better than random
ERRORS = 4.0  # standard errors
READINGS = ("as the data set's own ids", "as counted from 1", "as one too low")  # of codes

Rows = Sequence[np.ndarray]


def doubts(
    dataset: Dataset,
    users: np.ndarray,
    histories: Rows,
    targets: Rows,
    lists: np.ndarray,
    *,
    ids: bool,
) -> tuple[str, ...]:
    """Lines for signs that the log does not belong to these users, items or targets.

    Args:
        dataset: whose users and items the codes are.
        users: codes, [n]; at most 5,000 of them are looked at, evenly spaced.
        histories: one int array per user.
        targets: one int array per user.
        lists: int [n, k]; -1: nothing to judge.
        ids: whether the log named users and items by the data set's own ids.
    """
    some = slice(None, None, -(-len(users) // MOST_CHECKED))
    users = users[some]
    log = _Log(lists[some], histories[some], targets[some], dataset.n_items)
    chance, fewer_than_chance = _against_chance(log.hits())
    lines = [*log.consumed(), *chance]
    if not fewer_than_chance:  # lists without targets would look better under any reading
        lines += _other_readings(dataset, users, log, ids)
    return tuple(lines)


class _Hits(NamedTuple):
    """Targets in the lists, among places that hold no item of the user's history."""

    hits: int
    places: int
    expected: float  # hits of lists drawn at random from what a user has not consumed
    error: float  # standard deviation of that number

    @property
    def rate(self) -> float:
        return self.hits / self.places if self.places else 0.0

    @property
    def rate_error(self) -> float:
        return np.sqrt(max(self.hits, 1)) / max(self.places, 1)

    def beats(self, other: _Hits, times: float = 1.0) -> bool:
        """Is the rate so many times as high, and the difference beyond chance?"""
        error = np.hypot(self.rate_error, other.rate_error)
        return self.rate > times * other.rate and self.rate - other.rate > ERRORS * error


class _Log(NamedTuple):
    """Lists [n, k] with the histories and targets of the users they were shown to."""

    lists: np.ndarray
    histories: Rows
    targets: Rows
    n_items: int

    def hits(self) -> _Hits:
        seen = contained(self.lists, self.histories, self.n_items)
        fresh = (self.lists >= 0) & ~seen
        hits = int((contained(self.lists, self.targets, self.n_items) & fresh).sum())
        known = list_matrix(self.histories, self.n_items).astype(bool)
        wanted = list_matrix(self.targets, self.n_items).astype(bool)
        # a target that stands in the history cannot be hit by a fresh item
        lost = np.asarray(wanted.multiply(known).sum(axis=1)).ravel()
        unseen = np.maximum(self.n_items - np.diff(known.indptr), 1)
        chance = (np.diff(wanted.indptr) - lost) / unseen
        places = fresh.sum(axis=1)
        error = float(np.sqrt((places * chance * (1 - chance)).sum()))
        return _Hits(hits, int(places.sum()), float((places * chance).sum()), error)

    def consumed(self) -> list[str]:
        """Items of a user's own history, next to what other users' lists would hold of it."""
        places = int((self.lists >= 0).sum())
        if not places or len(self.lists) < 2:
            return []
        rng = np.random.default_rng(0)  # not in the order of the log: it may be off by one user
        own = int(contained(self.lists, self.histories, self.n_items).sum())
        others = [
            contained(
                self.lists[rng.permutation(len(self.lists))], self.histories, self.n_items
            ).sum()
            for _ in range(PAIRINGS)
        ]
        expected = float(np.median(others))
        lines = []
        if own > CONSUMED * places:
            lines.append(
                f"log: {own / places:.0%} of the places hold items that the user had consumed"
                " before; was the log made at another time than the split, or for other users?"
            )
        if expected >= FEWEST_PLACES and 0.8 * expected <= own <= 1.25 * expected:
            lines.append(
                f"log: a user's own list holds as much of the user's history ({own:,} places) as"
                f" other users' lists do ({expected:,.0f}): users or items may be mixed up, or the"
                " ids wrong"
            )
        return lines


def _against_chance(now: _Hits) -> tuple[list[str], bool]:
    """Hits next to those of lists drawn at random from the items that a user has not consumed.

    Returns:
        Lines, and whether there are fewer hits than chance gives.
    """
    hits, _, expected, error = now
    if error == 0:
        return [], False
    seen = (
        f"{hits:,} targets are in the lists, and lists drawn at random would hold {expected:,.0f}"
    )
    if hits < expected - ERRORS * error:
        why = "was the log made after the targets were consumed, so that they were no longer shown?"
        return [f"log: {seen}; {why}"], True
    at_random = hits < expected + 2 * error or hits < 1.2 * expected
    # a few users hit as little by chance, whatever they are shown
    if at_random and hits + 3 * np.sqrt(max(hits, 1)) < TWICE * expected:
        wrong = "are these the ids of this data set?"
        return [f"log: quality is at random's level: {seen}; {wrong}"], False
    return [], False


def _other_readings(dataset: Dataset, users: np.ndarray, log: _Log, ids: bool) -> list[str]:
    """Do the lists hit far more targets if their ids are read in another way?

    Reported where the hits are many, more than random lists have, and, for another reading of the
    users, more than the same lists have among users drawn at random.
    """
    by_users = _readings(dataset.users["user_id"], ids)
    by_items = _readings(dataset.items["item_id"], ids)
    row_of = np.full(dataset.n_users, -1)
    row_of[users] = np.arange(len(users))

    def read(by_user: int, by_item: int, mixed: bool = False) -> _Hits:
        meant = by_users[by_user][users]  # the users that the lists would then belong to
        rows = np.where(meant >= 0, row_of[meant], -1)
        lists = log.lists[rows >= 0]
        lists = np.where(lists >= 0, by_items[by_item][np.maximum(lists, 0)], -1)
        rows = rows[rows >= 0]
        rows = np.random.default_rng(0).permutation(rows) if mixed else rows
        histories = [log.histories[row] for row in rows]
        return _Log(lists, histories, [log.targets[row] for row in rows], log.n_items).hits()

    places = range(len(by_users))
    readings = {by: read(*by) for by in product(places, places)}
    now = readings.pop((0, 0))
    if not now.places:  # nothing but consumed items, which cannot be hits
        return []
    for by, hits in sorted(readings.items(), key=lambda pair: -pair[1].rate):
        enough = hits.hits >= FEWEST_HITS and hits.hits > hits.expected + ERRORS * hits.error
        if not enough or not hits.beats(now, BETTER):
            continue
        if by[0] and not hits.beats(read(*by, mixed=True)):
            continue
        return [_reading_line(by, now, hits, ids)]
    return []


def _reading_line(by: tuple[int, int], now: _Hits, then: _Hits, ids: bool) -> str:
    """The line about another reading. by: of users and items, its place in `_readings`."""
    names = ("as codes",) if ids else READINGS
    parts = zip(("users", "items"), by, strict=True)
    what = " and ".join(f"{part} {names[way - 1]}" for part, way in parts if way)
    columns = "columns user and items hold codes from 0; ids go into user_id and item_ids"
    if ids:
        columns = "columns user_id and item_ids hold ids of the data set"
    return (
        f"log: read {what}, the lists would hold {then.hits:,} targets, not {now.hits:,}; {columns}"
    )


def _readings(names: pd.Series, ids: bool) -> list[np.ndarray]:
    """Tables from a code as it was read to the code that was meant, -1: none; the own one first."""
    n = len(names)
    own = np.arange(n)
    texts = [str(name) for name in names]
    if ids:
        digits = [text.isascii() and text.isdigit() and len(text) < 18 for text in texts]
        codes = [int(text) if plain else n for text, plain in zip(texts, digits, strict=True)]
        return [own, np.array([code if code < n else -1 for code in codes])]
    code_of = {text: code for code, text in enumerate(texts)}
    as_ids = np.array([code_of.get(str(code), -1) for code in range(n)])
    one_more = np.append(np.arange(1, n), -1)
    return [own, as_ids, own - 1, one_more]
