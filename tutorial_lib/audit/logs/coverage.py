"""Who is in a log: a gap between logged users speaks for all users only if all are logged alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.stats import chi2_contingency, hypergeom

from tutorial_lib.audit.core.groups import SUPPRESSED, group_names, usable_attributes
from tutorial_lib.audit.logs.logged import LoggedLists
from tutorial_lib.errors import InputError

UNEVEN = 0.05  # smallest difference between shares that is reported
SURE = 0.001  # largest p of what is reported


def logged_rows(
    log: LoggedLists,
    dataset,
    users: np.ndarray,
    rows: np.ndarray,
    attributes: Sequence[str] | None,
    k: int,
) -> tuple[np.ndarray, dict]:
    """The rows of logged users, and what the evidence must say of the log."""
    problems = log.problems(dataset, k)
    logged = log.covers(users[rows])
    if not logged.any():
        raise InputError(
            f"{log.name}: none of the log's users has targets in this split; hold out fewer items"
        )
    names = usable_attributes(dataset, None)[0] if attributes is None else attributes
    labels = {name: group_names(dataset.users[name])[users[rows]] for name in names}
    notes = {
        "problems": (*problems, *coverage_lines(labels, logged, SUPPRESSED)),
        "scope": log.scope(dataset, users[rows]),
        "log_coverage": log_coverage(labels, logged, SUPPRESSED),
    }
    return rows[logged], notes


def log_coverage(
    labels: Mapping[str, np.ndarray], logged: np.ndarray, smallest: int
) -> pd.DataFrame:
    """How many users of each group are in the log, as far as it may be published.

    Args:
        labels: attribute -> group of every user with targets, [n] str.
        logged: [n] bool.
        smallest: groups with fewer logged users get nan; the other groups of the attribute are then
            rounded to tens, so that the hidden number does not follow from the total.

    Returns:
        Columns attribute, group, logged, users, share.
    """
    tables = []
    for attribute, groups in labels.items():
        counts = _counts(attribute, groups, logged)
        hidden = counts["logged"] < smallest
        table = _rounded(counts) if hidden.any() else counts
        table["share"] = table["logged"] / table["users"].where(table["users"] > 0)
        table.loc[hidden, ["logged", "users", "share"]] = np.nan
        tables.append(table)
    none = pd.DataFrame(columns=["attribute", "group", "logged", "users", "share"])
    return pd.concat(tables, ignore_index=True) if tables else none


def coverage_lines(
    labels: Mapping[str, np.ndarray], logged: np.ndarray, smallest: int
) -> list[str]:
    """A line for each attribute whose groups are logged unequally, and for each group that is all
    but absent; arguments as in `log_coverage`.
    """
    lines = []
    for attribute, groups in labels.items():
        counts = _counts(attribute, groups, logged)
        shown = counts["logged"] >= smallest
        lines += _uneven(counts[shown], counts if shown.all() else _rounded(counts))
        lines += _absent(counts[~shown & (counts["users"] >= smallest)], counts, smallest)
    return lines


def _counts(attribute: str, groups: np.ndarray, logged: np.ndarray) -> pd.DataFrame:
    """Columns attribute, group, logged, users: the exact numbers, in the order of the names."""
    counts = pd.Series(logged, dtype=float).groupby(groups).agg(logged="sum", users="size")
    table = counts.rename_axis("group").reset_index().astype({"users": float})
    table.insert(0, "attribute", attribute)
    return table


def _rounded(counts: pd.DataFrame) -> pd.DataFrame:
    return counts.assign(logged=counts["logged"].round(-1), users=counts["users"].round(-1))


def _uneven(counts: pd.DataFrame, published: pd.DataFrame) -> list[str]:
    """The groups that are logged least and most, if their shares differ beyond chance."""
    share = counts["logged"] / counts["users"]
    if len(counts) < 2 or share.max() - share.min() < UNEVEN:
        return []
    table = np.array([counts["logged"], counts["users"] - counts["logged"]])
    if chi2_contingency(table).pvalue >= SURE:
        return []
    ends = [published.loc[place] for place in (share.idxmin(), share.idxmax())]
    shares = " and ".join(
        f"{x['logged'] / x['users']:.0%} of {x['attribute']} {x['group']}" for x in ends
    )
    return [
        f"log: holds {shares}; its gaps are those of logged users, and speak for all users only if "
        "who is logged has nothing to do with how well they are served"
    ]


def _absent(few: pd.DataFrame, counts: pd.DataFrame, smallest: int) -> list[str]:
    """The groups with too few logged users to be shown, where chance does not explain it."""
    users = int(counts["users"].sum())
    logged = int(counts["logged"].sum())
    chance = hypergeom.cdf(few["logged"], users, logged, few["users"])
    return [
        f"log: holds fewer than {smallest} users of {x.attribute} {x.group}, fewer than the other "
        "groups' share; nothing can be said about them: log all groups alike"
        for x in few[chance < SURE / max(len(counts), 1)].itertuples()
    ]
