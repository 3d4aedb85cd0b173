"""Does a log belong to the data set it is audited on? Signs that its ids, users or time are wrong.

What cannot be told: a system that ignores histories and shows consumed items again looks the same
with users mixed up; a few wrong ids among many right ones; wrong ids of a system that is no better
than chance, which is told as such.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import chi2_contingency, hypergeom

from tutorial_lib.audit.core.categories import contained, list_matrix

MOST_CHECKED = 5_000  # users
UNEVEN, SURE = 0.05, 0.001  # coverage: smallest difference that is told, and largest p
CONSUMED = 0.1  # share of places with a consumed item that is told
FEWEST_PLACES = 100  # consumed items in other users' lists, to say that users are mixed up
PAIRINGS = 5  # random ways to give the lists to other users
BETTER = 1.5  # times as many hits under another reading of the ids
FEWEST_HITS = 20  # under another reading, to suggest it
TWICE = 2  # times random's hits: what a log must rule out to be called no better than random
ERRORS = 4.0  # standard errors


def log_coverage(
    labels: Mapping[str, np.ndarray], logged: np.ndarray, smallest: int
) -> pd.DataFrame:
    """How many users of each group are in the log, as far as it may be published.

    labels: attribute -> group of every user with targets, [n] str. logged: [n] bool.
    smallest: groups of fewer users, or with fewer logged ones, get nan; the other groups of the
    attribute are then rounded to tens, so that the hidden number does not follow from the total.
    Returns columns attribute, group, logged, users, share.
    """
    tables = [_counts(attribute, groups, logged) for attribute, groups in labels.items()]
    for table in tables:
        hidden = table["logged"] < smallest
        if hidden.any():
            table[["logged", "users"]] = table[["logged", "users"]].round(-1)
        table["share"] = table["logged"] / table["users"].where(table["users"] > 0)
        table.loc[hidden, ["logged", "users", "share"]] = np.nan
    none = pd.DataFrame(columns=["attribute", "group", "logged", "users", "share"])
    return pd.concat(tables, ignore_index=True) if tables else none


def _counts(attribute: str, groups: np.ndarray, logged: np.ndarray) -> pd.DataFrame:
    """Columns attribute, group, logged, users: the exact numbers, in the order of the names."""
    found = pd.Series(logged, dtype=float).groupby(groups).agg(["sum", "size"])
    columns = {"group": found.index, "logged": found["sum"], "users": found["size"]}
    table = pd.DataFrame(columns).reset_index(drop=True).astype({"users": float})
    table.insert(0, "attribute", attribute)
    return table


def coverage_lines(
    labels: Mapping[str, np.ndarray], logged: np.ndarray, smallest: int
) -> list[str]:
    """A line for each attribute whose groups are logged unequally, and for each group that is all
    but absent; arguments as in `log_coverage`."""
    lines = []
    for attribute, groups in labels.items():
        counts = _counts(attribute, groups, logged)
        shown = counts["logged"] >= smallest
        told = (
            counts
            if shown.all()
            else counts.assign(logged=counts["logged"].round(-1), users=counts["users"].round(-1))
        )
        lines += _uneven(counts[shown], told)
        lines += _absent(counts[~shown & (counts["users"] >= smallest)], counts, smallest)
    return lines


def _uneven(counts: pd.DataFrame, told: pd.DataFrame) -> list[str]:
    """The groups that are logged least and most, if their shares differ; ``told``: the numbers as
    they may be published."""
    share = counts["logged"] / counts["users"]
    if len(counts) < 2 or share.max() - share.min() < UNEVEN:
        return []
    table = np.array([counts["logged"], counts["users"] - counts["logged"]])
    if chi2_contingency(table).pvalue >= SURE:
        return []
    ends = (told.loc[share.idxmin()], told.loc[share.idxmax()])
    shares = " and ".join(
        f"{x['logged'] / x['users']:.0%} of {x['attribute']} {x['group']}" for x in ends
    )
    return [
        f"log: holds {shares}; its gaps are those of logged users, and speak for all users only if "
        "who is logged has nothing to do with how well they are served"
    ]


def _absent(few: pd.DataFrame, counts: pd.DataFrame, smallest: int) -> list[str]:
    """The groups with too few logged users to be told, where chance does not explain it."""
    total, logged = int(counts["users"].sum()), int(counts["logged"].sum())
    chance = hypergeom.cdf(few["logged"], total, logged, few["users"])
    told = few[chance < SURE / max(len(counts), 1)]
    return [
        f"log: holds fewer than {smallest} users of {x.attribute} {x.group}, fewer than the other "
        "groups' share; nothing can be said about them: log all groups alike"
        for x in told.itertuples()
    ]


def doubts(
    dataset,
    users: np.ndarray,
    histories: Sequence[np.ndarray],
    targets: Sequence[np.ndarray],
    lists: np.ndarray,
    *,
    ids: bool,
) -> tuple[str, ...]:
    """Lines for signs that the log does not belong to these users, items or targets.

    users: codes, [n]. histories, targets: one int array a user. lists: int [n, k], -1 = nothing to
    judge. ids: the log named users and items by the data set's own ids.
    At most 5,000 users are looked at, evenly spaced.
    """
    step = -(-len(users) // MOST_CHECKED)
    users, lists, histories, targets = (
        users[::step],
        lists[::step],
        histories[::step],
        targets[::step],
    )
    lines, below = _against_chance(lists, histories, targets, dataset.n_items)
    if not below:  # lists without targets would look better under any reading
        lines += _other_readings(dataset, users, lists, histories, targets, ids)
    return (*_consumed(lists, histories, dataset.n_items), *lines)


def _consumed(lists: np.ndarray, histories: Sequence[np.ndarray], n_items: int) -> list[str]:
    """Items of a user's own history, next to what other users' lists would hold of it."""
    places = int((lists >= 0).sum())
    if not places or len(lists) < 2:
        return []

    rng = np.random.default_rng(0)  # not in the order of the log: it may be off by one user
    orders = [rng.permutation(len(lists)) for _ in range(PAIRINGS)]
    others = [int(contained(lists[order], histories, n_items).sum()) for order in orders]
    own, expected = int(contained(lists, histories, n_items).sum()), float(np.median(others))
    lines = []
    if own > CONSUMED * places:
        lines.append(
            f"log: {own / places:.0%} of the places hold items that the user had consumed before; "
            "was the log made at another time than the split, or for other users?"
        )
    if expected >= FEWEST_PLACES and 0.8 * expected <= own <= 1.25 * expected:
        lines.append(
            f"log: a user's own list holds as much of the user's history ({own:,} places) as other "
            f"users' lists do ({expected:,.0f}): users or items may be mixed up, or the ids wrong"
        )
    return lines


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


def _hits(
    lists: np.ndarray, histories: Sequence[np.ndarray], targets: Sequence[np.ndarray], n_items: int
) -> _Hits:
    fresh = (lists >= 0) & ~contained(lists, histories, n_items)
    hits = int((contained(lists, targets, n_items) & fresh).sum())
    known, wanted = (list_matrix(rows, n_items).astype(bool) for rows in (histories, targets))
    # a target that stands in the history cannot be hit by a fresh item
    open_targets = np.diff(wanted.indptr) - np.asarray(wanted.multiply(known).sum(axis=1)).ravel()
    chance = open_targets / np.maximum(n_items - np.diff(known.indptr), 1)
    places = fresh.sum(axis=1)
    error = float(np.sqrt((places * chance * (1 - chance)).sum()))
    return _Hits(hits, int(places.sum()), float((places * chance).sum()), error)


def _against_chance(
    lists: np.ndarray, histories: Sequence[np.ndarray], targets: Sequence[np.ndarray], n_items: int
) -> tuple[list[str], bool]:
    """Hits next to those of lists drawn at random from the items that a user has not consumed.

    Returns the line to tell, if any, and whether there are fewer hits than chance gives.
    """
    hits, _, expected, error = _hits(lists, histories, targets, n_items)
    if error == 0:
        return [], False
    found = (
        f"{hits:,} targets are in the lists, and lists drawn at random would hold {expected:,.0f}"
    )
    if hits < expected - ERRORS * error:
        why = "was the log made after the targets were consumed, so that they were no longer shown?"
        return [f"log: {found}; {why}"], True
    at_random = hits < expected + 2 * error or hits < 1.2 * expected
    # a few users hit as little by chance, whatever they are shown
    if at_random and hits + 3 * np.sqrt(max(hits, 1)) < TWICE * expected:
        wrong = "are these the ids of this data set?"
        return [f"log: quality is at random's level: {found}; {wrong}"], False
    return [], False


def _other_readings(
    dataset,
    users: np.ndarray,
    lists: np.ndarray,
    histories: Sequence[np.ndarray],
    targets: Sequence[np.ndarray],
    ids: bool,
) -> list[str]:
    """Do the lists hit far more targets if their ids are read in another way?

    Told where the hits are many, more than random lists have, and, for another reading of the
    users, more than the same lists have among users drawn at random.
    """
    other = ("as the data set's own ids", "as counted from 1", "as one too low")
    names = ("as codes",) if ids else other
    by_users, by_items = (
        _readings(dataset.users["user_id"], ids),
        _readings(dataset.items["item_id"], ids),
    )
    row_of = np.full(dataset.n_users, -1)
    row_of[users] = np.arange(len(users))

    def read(by_user: int, by_item: int, mixed: bool = False) -> _Hits:
        meant = by_users[by_user][users]  # the users that the lists would then belong to
        rows = np.where(meant >= 0, row_of[meant], -1)
        shown, rows = lists[rows >= 0], rows[rows >= 0]
        shown = np.where(shown >= 0, by_items[by_item][np.maximum(shown, 0)], -1)
        rows = np.random.default_rng(0).permutation(rows) if mixed else rows
        known, wanted = [histories[row] for row in rows], [targets[row] for row in rows]
        return _hits(shown, known, wanted, dataset.n_items)

    found = {by: read(*by) for by in product(range(len(names) + 1), repeat=2)}
    now = found.pop((0, 0))
    if not now.places:  # nothing but consumed items, which cannot be hits
        return []
    for by, hits in sorted(found.items(), key=lambda pair: -pair[1].rate):
        enough = hits.hits >= FEWEST_HITS and hits.hits > hits.expected + ERRORS * hits.error
        if not enough or not hits.beats(now, BETTER):
            continue
        if by[0] and not hits.beats(read(*by, mixed=True)):
            continue
        told = f"the lists would hold {hits.hits:,} targets, not {now.hits:,}"
        return [_reading_line(by, names, told, ids)]
    return []


def _reading_line(by: tuple[int, int], names: Sequence[str], told: str, ids: bool) -> str:
    """The line about another reading; by: its place in ``names`` from 1, 0 for as it is read now."""
    parts = zip(("users", "items"), by, strict=True)
    what = " and ".join(f"{part} {names[way - 1]}" for part, way in parts if way)
    wrong = "columns user_id and item_ids hold" if ids else "columns user and items hold"
    meant = "ids of the data set" if ids else "codes from 0; ids go into user_id and item_ids"
    return f"log: read {what}, {told}; {wrong} {meant}"


def _readings(names: pd.Series, ids: bool) -> list[np.ndarray]:
    """Tables from a code as it was read to the code that was meant, -1: none; the own one first."""
    n = len(names)
    texts = [str(name) for name in names]
    if ids:
        numbers = [
            int(text) if text.isascii() and text.isdigit() and len(text) < 18 else -1
            for text in texts
        ]
        return [np.arange(n), np.array([number if number < n else -1 for number in numbers])]
    code_of = {text: code for code, text in enumerate(texts)}
    as_ids = np.array([code_of.get(str(code), -1) for code in range(n)])
    one_more = np.append(np.arange(1, n), -1)
    return [np.arange(n), as_ids, np.arange(n) - 1, one_more]
