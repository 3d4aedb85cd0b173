"""What an audit looks at, collected once: lists, targets and profiles of the users that a split can
judge, and their groups.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from numbers import Real

import numpy as np
import pandas as pd

from tutorial_lib.audit.core.categories import category_shares, contained, row_means
from tutorial_lib.audit.core.groups import (
    MISSING,
    group_names,
    known_groups,
    rest_name,
    usable_attributes,
)
from tutorial_lib.audit.core.log_checks import coverage_lines, doubts, log_coverage
from tutorial_lib.audit.core.logged import CUT_ITEM, UNKNOWN_ITEM, LoggedLists, log_within
from tutorial_lib.audit.core.sizes import SUPPRESSED
from tutorial_lib.errors import InputError
from tutorial_lib.evaluation.ranking import ranking_metrics

USERS_AT_ONCE = 4096


@dataclass(frozen=True)
class Evidence:
    """Lists and targets of n users; row i belongs to user ``users[i]``.

    lists: int [n, k], what may be judged: unknown items and repeats are -1. raw: the same before
        cleaning. histories, targets: one int
    array a user. faults: [n] columns unknown, repeated, consumed, too_few: the share of the k
    places lost in each way.

    Of a log only (`LoggedLists`), where the n users are those that were logged:
    problems: one line each. scope: name -> text, for the report.
    log_coverage: columns attribute, group, logged, users (with targets), share; nan below 10 users,
        and the other groups then in tens.
    """

    dataset: object
    split: object
    users: np.ndarray
    histories: list[np.ndarray]
    targets: list[np.ndarray]
    raw: np.ndarray
    lists: np.ndarray
    faults: pd.DataFrame
    problems: tuple[str, ...] = ()
    scope: Mapping[str, str] = field(default_factory=dict)
    log_coverage: pd.DataFrame | None = None
    _labels: dict = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def k(self) -> int:
        return self.lists.shape[1]

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """Columns of `ranking_metrics` at k, one row a user; an unknown item takes its place in the
        list and is never a hit.
        """
        n_items = self.dataset.n_items
        named = np.where(
            (self.raw >= 0) & (self.raw < n_items), self.raw, n_items + np.arange(self.k)
        )
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="ranking_metrics: recommended holds mostly")
            if not (self.lists >= 0).any():  # the audit says so itself
                warnings.filterwarnings("ignore", message="ranking_metrics: none of the")
            return ranking_metrics(named, self.targets, self.k).set_axis(self.users)

    @cached_property
    def minimum(self) -> int:
        """Users a group needs for an interval: 50 where the usual user has one target, most of
        whose metrics are then 0; 30 where at least half have two or more.
        """
        return 30 if np.mean([len(t) >= 2 for t in self.targets]) >= 0.5 else 50

    @cached_property
    def item_counts(self) -> np.ndarray:
        """Training interactions of each item: [n_items]."""
        return np.bincount(
            np.concatenate(self.split.train).astype(np.int64), minlength=self.dataset.n_items
        )

    @cached_property
    def categories(self) -> tuple[np.ndarray, list[str]]:
        return category_shares(self.dataset)

    @cached_property
    def covariates(self) -> pd.DataFrame:
        """What makes users easy or hard to serve, as far as it is known exactly: size and
        popularity of the profile, number of targets.
        """
        popular = row_means(self.histories, np.log1p(self.item_counts))
        columns = {
            "log profile size": np.log1p([len(h) for h in self.histories]),
            "profile popularity": np.where(
                np.isnan(popular),
                np.nanmean(popular) if np.isfinite(popular).any() else 0.0,
                popular,
            ),
            "log targets": np.log([len(t) for t in self.targets]),
        }
        return pd.DataFrame(columns, index=self.users)

    @cached_property
    def concentration(self) -> np.ndarray:
        """How narrow a taste is, measured twice: [n, 2], nan for profiles of fewer than four items.

        The chance that two items of a profile are of one category (Simpson's index, without
        replacement, which is unbiased whatever the size), from the items at odd and at even places:
        two independent measurements of one taste.
        """
        return np.column_stack(
            [self._simpson([h[start::2] for h in self.histories]) for start in (0, 1)]
        )

    def _simpson(self, histories: list[np.ndarray]) -> np.ndarray:
        size = np.array([len(h) for h in histories], dtype=float)
        shares = self.categories[0]
        with np.errstate(invalid="ignore", divide="ignore"):
            counts = row_means(histories, shares) * size[:, None]
            alone = (
                row_means(histories, (shares**2).sum(axis=1)) * size
            )  # an item meets itself: taken off
            return np.where(
                size >= 2, ((counts**2).sum(axis=1) - alone) / (size * (size - 1)), np.nan
            )

    def labels(self, attribute: str) -> np.ndarray:
        """Group name of every user, [n] str; `MISSING` where it is not known."""
        if attribute not in self._labels:
            self._labels[attribute] = group_names(self.dataset.users[attribute])[self.users]
        return self._labels[attribute]


def judged_rows(
    dataset, split, *, k: int, on: str
) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Rows of the split with targets, their users, and their targets: all that can be known before
    a list is asked for.

    Raises InputError for another ``on`` than test or valid, a split of other data, a k out of
    range, or a split without targets.
    """
    if on not in ("test", "valid"):
        raise InputError(f"audit(on={on!r}): expected 'test' or 'valid'")
    if split.dataset.n_users != dataset.n_users or split.dataset.n_items != dataset.n_items:
        raise InputError(
            f"audit: the split belongs to {split.dataset!r}, not to {dataset!r}; make it from the"
            " data set that is audited"
        )
    if not 1 <= k <= dataset.n_items:
        raise InputError(f"audit(k={k}): expected 1..{dataset.n_items}, the size of the catalogue")
    targets = getattr(split, f"{on}_target")
    rows = np.flatnonzero([len(target) > 0 for target in targets])
    if not len(rows):
        raise InputError(
            f"audit: no user of {split!r} has {on} targets; choose a split that holds items out"
        )
    return rows, np.asarray(split.users)[rows], [targets[i] for i in rows]


def collect(
    recommender,
    dataset,
    split,
    *,
    k: int = 10,
    on: str = "test",
    attributes: Sequence[str] | None = None,
) -> Evidence:
    """Ask the recommender for k items for every user of the split with targets, and note what
    breaks the contract.

    Of a log, only the logged users are judged; ``attributes``: user columns by which to count them
    (default: all that can be compared). Raises InputError if there is no such user, k is out of
    range, or the answer is not one list of item codes a user.
    """
    rows, users, held_out = judged_rows(dataset, split, k=k, on=on)
    log, notes = log_within(recommender), {}
    if log is not None:
        rows, notes = _logged_rows(log, dataset, np.asarray(split.users), rows, attributes, k)
        users, held_out = (
            np.asarray(split.users)[rows],
            [getattr(split, f"{on}_target")[i] for i in rows],
        )
    histories = [getattr(split, f"{on}_history")[i] for i in rows]
    raw = ask(recommender, histories, users, k)
    lists, faults = cleaned(raw, dataset.n_items, histories)
    if log is not None:
        notes["problems"] += doubts(dataset, users, histories, held_out, lists, ids=log.ids)
    return Evidence(
        dataset, split, users, histories, held_out, raw, lists, faults.set_index(users), **notes
    )


def _logged_rows(
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
    coverage = log_coverage(labels, logged, SUPPRESSED)
    problems = (*problems, *coverage_lines(labels, logged, SUPPRESSED))
    scope = log.scope(dataset, users[rows])
    return rows[logged], {"problems": problems, "scope": scope, "log_coverage": coverage}


def ask(
    recommender, histories: list[np.ndarray], users: np.ndarray, k: int, **options
) -> np.ndarray:
    """[n, k] item codes, short lists filled up with -1, asked for in blocks of users; ``options``
    go to `recommend` as they are.
    """
    out = np.full((len(users), k), -1, dtype=np.int64)
    for start in range(0, len(users), USERS_AT_ONCE):
        rows = slice(start, start + USERS_AT_ONCE)
        lists = recommender.recommend(histories[rows], k, users=users[rows], **options)
        lists = _by_user(lists, users[rows])
        plain = isinstance(lists, np.ndarray) and not isinstance(lists, np.ma.MaskedArray)
        if plain and lists.ndim == 2 and lists.dtype.kind in "iu":
            width = min(k, lists.shape[1])
            out[rows, :width] = lists[:, :width]
            continue
        for row, items in enumerate(lists, start):
            if (
                isinstance(items, (str, bytes, Mapping))
                or not hasattr(items, "__getitem__")
                or not hasattr(items, "__len__")
            ):
                raise InputError(
                    f"audit: recommend gave {items!r} for user {users[row]}; expected a list of"
                    " item codes"
                )
            codes = as_codes(items[:k])
            out[row, : len(codes)] = codes
    return out


def _by_user(lists, users: np.ndarray):
    """One list a user, in the order of ``users``: a Series with labels is paired by them.

    Raises InputError for another number of lists, and for labels that are not the users.
    """
    whole = (str, bytes, Mapping, pd.DataFrame)
    n_lists = len(lists) if hasattr(lists, "__len__") and not isinstance(lists, whole) else "no"
    if n_lists != len(users):
        raise InputError(
            f"audit: recommend gave {n_lists} lists for {len(users)} users; expected one list a"
            " user"
        )
    if not isinstance(lists, pd.Series) or lists.index.equals(pd.RangeIndex(n_lists)):
        return lists
    strange = list(set(lists.index) ^ set(users.tolist()))
    if strange or not lists.index.is_unique:
        found = f", such as {strange[0]!r}" if strange else ": one has two lists"
        raise InputError(
            "audit: recommend gave a Series whose labels are not the users that were asked for"
            f"{found}; label it by user, or return the lists in the order of the histories"
        )
    return lists.reindex(users)


def as_codes(items: Sequence) -> np.ndarray:
    """A list of whatever was given in place of item codes as int64; -2 (`UNKNOWN_ITEM`) for titles,
    fractions and nan (also "12"), -1 where masked.
    """
    if isinstance(items, np.ma.MaskedArray):
        items = items.astype(object).filled(-1)
    codes = np.asarray(items)
    if codes.ndim != 1 or codes.dtype.kind not in "iuf":
        codes = np.array(
            [
                item if isinstance(item, Real) and not isinstance(item, bool) else np.nan
                for item in items
            ],
            dtype=float,
        )
    whole = (np.abs(codes) < 2**53) & (codes == np.round(codes))  # false for nan
    return np.where(whole, codes, UNKNOWN_ITEM).astype(np.int64)


def cleaned(
    raw: np.ndarray, n_items: int, histories: Sequence[np.ndarray]
) -> tuple[np.ndarray, pd.DataFrame]:
    """Lists in which unknown items and repeats are -1, and for each user the share of places lost
    in each way.

    raw: int [n, k]; -1 = nothing offered, any other code outside the catalogue = an unknown item,
        but for `CUT_ITEM`, which is no fault.
    Returns ([n, k], columns unknown, repeated, consumed, too_few). Consumed items stay in the
    lists: they were shown.
    """
    unknown = ((raw < -1) & (raw != CUT_ITEM)) | (raw >= n_items)
    order = np.argsort(raw, axis=1, kind="stable")
    ordered = np.take_along_axis(raw, order, axis=1)
    again = np.zeros_like(unknown)
    np.put_along_axis(again, order[:, 1:], ordered[:, 1:] == ordered[:, :-1], axis=1)
    again &= (raw >= 0) & ~unknown
    lists = np.where(unknown | again | (raw < 0), -1, raw)
    consumed = contained(lists, histories, n_items)
    parts = {"unknown": unknown, "repeated": again, "consumed": consumed, "too_few": raw == -1}
    return lists, pd.DataFrame({name: part.mean(axis=1) for name, part in parts.items()})


def group_sizes(evidence: Evidence, attribute: str) -> pd.DataFrame:
    """Columns attribute, group, n, status: every group of the data set, also those without a judged
    user, and the missing ones.
    """
    labels = evidence.labels(attribute)
    names = known_groups(evidence.dataset.users[attribute])
    counts = pd.Series(labels).value_counts()
    names += [MISSING] if MISSING in counts else []
    sizes = [int(counts.get(name, 0)) for name in names]
    return pd.DataFrame(
        {
            "attribute": attribute,
            "group": names,
            "n": sizes,
            "status": [status(n, evidence.minimum) for n in sizes],
        }
    )


def status(n: int, minimum: int) -> str:
    """What may be said about a group of n users: "measured", "too few for an interval",
    "suppressed" (below 10) or "empty".
    """
    if n == 0:
        return "empty"
    return (
        "suppressed" if n < SUPPRESSED else "too few for an interval" if n < minimum else "measured"
    )


def contrasts(
    labels: np.ndarray, sizes: pd.DataFrame
) -> Iterator[tuple[str, str, np.ndarray, np.ndarray]]:
    """(name of a, name of b, rows of a, rows of b) of every comparison: of two groups in the order
    of their names, of more each - the rest.

    Not the smaller minus the larger: with a few users more or less the same gap would change its
    sign.

    Users of unknown group are in no contrast; empty groups are passed over (they stand in
    ``sizes``).
    """
    groups = sorted(sizes.loc[(sizes["group"] != MISSING) & (sizes["n"] > 0), "group"])
    known, rest = labels != MISSING, rest_name(set(sizes["group"]))
    if len(groups) == 2:
        yield groups[0], groups[1], labels == groups[0], labels == groups[1]
        return
    for name in groups if len(groups) > 2 else ():
        yield name, rest, labels == name, known & (labels != name)
