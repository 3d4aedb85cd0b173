"""Does a log belong to the data set it is audited on? Signs that its ids, users or time are wrong.

What cannot be told: a system that ignores histories and shows consumed items again looks the same
with users mixed up; a few wrong ids among many right ones; wrong ids of a system that is no better
than chance, which is told as such.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
import pandas as pd
from scipy.stats import chi2_contingency

from tutorial_lib.audit.categories import contained, list_matrix

MOST_CHECKED = 5_000  # users
UNEVEN, SURE = 0.05, 0.01  # coverage: smallest difference that is told, and largest p
CONSUMED = 0.1  # share of places with a consumed item that is told
FEWEST_PLACES = 100  # consumed items in other users' lists, to say that users are mixed up
BETTER = 1.5  # times as many hits under another reading of the ids
ERRORS = 4.0  # standard errors


def log_coverage(
    labels: Mapping[str, np.ndarray], logged: np.ndarray, smallest: int
) -> pd.DataFrame:
    """How many users of each group are in the log.

    labels: attribute -> group of every user with targets, [n] str. logged: [n] bool.
    smallest: groups of fewer users, or with fewer logged ones, get nan.
    Returns columns attribute, group, logged, users, share.
    """
    rows = []
    for attribute, groups in labels.items():
        for group in sorted(set(groups.tolist())):
            here = groups == group
            n, found = int(here.sum()), int(logged[here].sum())
            shown = (found, n, found / n) if min(n, found) >= smallest else (np.nan,) * 3
            rows.append((attribute, group, *shown))
    return pd.DataFrame(rows, columns=["attribute", "group", "logged", "users", "share"])


def coverage_lines(coverage: pd.DataFrame) -> list[str]:
    """A line for each attribute whose groups are logged unequally."""
    lines = []
    for attribute, part in coverage.dropna().groupby("attribute", sort=False):
        low, high = part.loc[part["share"].idxmin()], part.loc[part["share"].idxmax()]
        if high["share"] - low["share"] < UNEVEN:
            continue
        counts = np.array([part["logged"], part["users"] - part["logged"]])
        if chi2_contingency(counts).pvalue < SURE:
            shares = " and ".join(
                f"{x['share']:.0%} of {attribute} {x['group']}" for x in (low, high)
            )
            lines.append(
                f"log: holds {shares}; its gaps are those of logged users, and speak for all users "
                "only if who is logged has nothing to do with how well they are served"
            )
    return lines


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
        lines += _other_readings(dataset, users, lists, targets, ids)
    return (*_consumed(lists, histories, dataset.n_items), *lines)


def _consumed(lists: np.ndarray, histories: Sequence[np.ndarray], n_items: int) -> list[str]:
    """Items of a user's own history, next to what other users' lists would hold of it."""
    places = int((lists >= 0).sum())
    if not places or len(lists) < 2:
        return []

    def held(turn: int) -> int:
        return int(contained(np.roll(lists, turn, axis=0), histories, n_items).sum())

    own, turns = held(0), sorted({1, len(lists) // 3, len(lists) // 2} - {0})
    lines = []
    if own > CONSUMED * places:
        lines.append(
            f"log: {own / places:.0%} of the places hold items that the user had consumed before; "
            "was the log made at another time than the split, or for other users?"
        )
    expected = sum(map(held, turns)) / len(turns)
    if expected >= FEWEST_PLACES and 0.8 * expected <= own <= 1.25 * expected:
        lines.append(
            f"log: a user's own list holds as much of the user's history ({own:,} places) as other "
            f"users' lists do ({expected:,.0f}): users or items may be mixed up, or the ids wrong"
        )
    return lines


def _against_chance(
    lists: np.ndarray, histories: Sequence[np.ndarray], targets: Sequence[np.ndarray], n_items: int
) -> tuple[list[str], bool]:
    """Hits next to those of lists drawn at random from the items that a user has not consumed.

    Returns the line to tell, if any, and whether there are fewer hits than chance gives.
    """
    fresh = (lists >= 0) & ~contained(lists, histories, n_items)
    hits = int((contained(lists, targets, n_items) & fresh).sum())
    known, wanted = (list_matrix(rows, n_items).astype(bool) for rows in (histories, targets))
    # a target that stands in the history cannot be hit by a fresh item
    open_targets = np.diff(wanted.indptr) - np.asarray(wanted.multiply(known).sum(axis=1)).ravel()
    chance = open_targets / np.maximum(n_items - np.diff(known.indptr), 1)
    places = fresh.sum(axis=1)
    expected = float((places * chance).sum())
    error = float(np.sqrt((places * chance * (1 - chance)).sum()))
    if error == 0:
        return [], False
    found = (
        f"{hits:,} targets are in the lists, and lists drawn at random would hold {expected:,.0f}"
    )
    if hits < expected - ERRORS * error:
        why = "was the log made after the targets were consumed, so that they were no longer shown?"
        return [f"log: {found}; {why}"], True
    if hits < expected + 2 * error or hits < 1.2 * expected:
        wrong = "are these the ids of this data set?"
        return [f"log: quality is at random's level: {found}; {wrong}"], False
    return [], False


def _other_readings(
    dataset, users: np.ndarray, lists: np.ndarray, targets: Sequence[np.ndarray], ids: bool
) -> list[str]:
    """Do the lists hit far more targets if their ids are read in another way?"""
    names = ("as the data set's own ids", "as counted from 1") if not ids else ("as codes",)
    tables = [_readings(dataset.users["user_id"], ids), _readings(dataset.items["item_id"], ids)]
    row_of = np.full(dataset.n_users, -1)
    row_of[users] = np.arange(len(users))
    rates = {}
    for by_user, by_item in product(range(len(names) + 1), repeat=2):
        meant = tables[0][by_user][users]  # the users that the lists would then belong to
        rows = np.where(meant >= 0, row_of[meant], -1)
        kept, wanted = rows >= 0, [targets[row] for row in rows if row >= 0]
        shown = np.where(lists[kept] >= 0, tables[1][by_item][np.maximum(lists[kept], 0)], -1)
        hits, places = contained(shown, wanted, dataset.n_items).sum(), (lists[kept] >= 0).sum()
        rates[by_user, by_item] = (
            (hits / places, np.sqrt(max(hits, 1)) / places) if places else (0, 1)
        )
    (now, error), best = rates[0, 0], max(rates, key=lambda reading: rates[reading][0])
    rate, other = rates[best]
    if rate <= BETTER * now or rate - now <= ERRORS * np.hypot(error, other):
        return []
    what = [
        f"{part} {names[by - 1]}" for part, by in zip(("users", "items"), best, strict=True) if by
    ]
    times = f"{rate / now:.1f} times as" if now else "very"
    wrong = "columns user_id and item_ids hold" if ids else "columns user and items hold"
    meant = "ids of the data set" if ids else "codes from 0; ids go into user_id and item_ids"
    return [f"log: read {' and '.join(what)}, the lists hit {times} often; {wrong} {meant}"]


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
    return [np.arange(n), as_ids, np.arange(n) - 1]
