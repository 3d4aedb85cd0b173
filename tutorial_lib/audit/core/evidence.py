"""What an audit looks at, collected once: lists, targets and profiles of the users that a split can
judge, and their groups.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from zlib import crc32

import numpy as np
import pandas as pd

from tutorial_lib.audit.core.groups import (
    MISSING,
    group_names,
    known_groups,
    status,
)
from tutorial_lib.audit.core.lists import (
    ask,
    category_shares,
    cleaned,
    contained,
    js_distance,
    list_matrix,
    row_means,
)
from tutorial_lib.audit.core.margins import checked_margins
from tutorial_lib.audit.logs.coverage import logged_rows
from tutorial_lib.audit.logs.doubts import doubts
from tutorial_lib.audit.logs.logged import LoggedLists
from tutorial_lib.data import Dataset, Split
from tutorial_lib.errors import InputError
from tutorial_lib.evaluation.metrics import hit_metrics


@dataclass(frozen=True)
class UserMetric:
    """One number per user, and how gaps in it between groups are judged.

    Args:
        name: as in "ndcg@10".
        values: [n]; nan where it is not defined.
        margin: of a gap, in the unit of the values; nan: there is no usable one.
        margin_name: its name in `MARGINS`.
        harm: class of the register.
        more_is_better: as of NDCG, not of miscalibration.
        levels: are the means of both sides and their ratio reported, too?
    """

    name: str
    values: np.ndarray
    margin: float
    margin_name: str = ""
    harm: str = "H1"
    more_is_better: bool = True
    levels: bool = False


@dataclass(frozen=True)
class Evidence:
    """Lists and targets of n users; row i belongs to user ``users[i]``.

    Args:
        dataset, split: what was audited.
        users: [n] user codes.
        histories, targets: one int array per user.
        raw: int [n, k], as the recommender gave them.
        lists: int [n, k], what may be judged: unknown items and repeats are -1.
        faults: [n] columns unknown, repeated, consumed, too_few: the share of the k places lost.
        attributes, margins, family, seed: as declared (`Declaration`), where it was.
        problems: of a log, one line each.
        scope: of a log, name -> text for the report.
        log_coverage: of a log, columns attribute, group, logged, users (with targets), share; nan
            below 10 users, and the other groups then in tens.
    """

    dataset: Dataset
    split: Split
    users: np.ndarray
    histories: list[np.ndarray]
    targets: list[np.ndarray]
    raw: np.ndarray
    lists: np.ndarray
    faults: pd.DataFrame
    attributes: tuple[str, ...] = ()
    margins: Mapping[str, float] = field(default_factory=lambda: checked_margins(None)[0])
    family: tuple[str, ...] = ()
    seed: int = 0
    problems: tuple[str, ...] = ()
    scope: Mapping[str, str] = field(default_factory=dict)
    log_coverage: pd.DataFrame | None = None
    _labels: dict = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def k(self) -> int:
        """Length of the lists."""
        return self.lists.shape[1]

    def rng(self, *measure: str) -> np.random.Generator:
        """A random stream of its own for each measure: none depends on what else is measured."""
        return np.random.default_rng([self.seed, 17, crc32(repr(measure).encode())])

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """Columns of `ranking_metrics` at k, one row per user.

        An unknown or repeated item takes its place in the list and is never a hit.
        """
        n_items = self.dataset.n_items
        relevant = list_matrix(self.targets, n_items)
        relevant.sum_duplicates()  # an item counts once
        hits = contained(self.lists, self.targets, n_items)
        return hit_metrics(hits, relevant.getnnz(axis=1), self.users)

    @cached_property
    def ndcg(self) -> UserMetric:
        """What the declared gaps are measured in."""
        return self.quality("ndcg", levels=True)

    def quality(self, metric: str, *, levels: bool = False) -> UserMetric:
        """A ranking metric at k. Its margin is a share of the mean; nan where nobody has a hit."""
        name = f"{metric}@{self.k}"
        values = self.metrics[name].to_numpy()
        margin = float(self.margins["quality"] * values.mean()) if values.any() else np.nan
        return UserMetric(name, values, margin, "quality", levels=levels)

    @cached_property
    def minimum(self) -> int:
        """Users a group needs for an interval.

        50 where the usual user has one target, most of whose metrics are then 0; 30 where at least
        half of them have two or more.
        """
        return 30 if np.mean([len(t) >= 2 for t in self.targets]) >= 0.5 else 50

    @cached_property
    def item_counts(self) -> np.ndarray:
        """Training interactions of each item: [n_items]."""
        items = np.concatenate(self.split.train).astype(np.int64)
        return np.bincount(items, minlength=self.dataset.n_items)

    @cached_property
    def categories(self) -> tuple[np.ndarray, list[str]]:
        """p(category | item), [n_items, C], and the names of the categories."""
        return category_shares(self.dataset)

    @cached_property
    def miscalibration(self) -> np.ndarray:
        """Distance between the categories of profile and list, [n] in [0, 1]; nan without either.

        Steck 2018 uses the Kullback-Leibler divergence, which depends on a smoothing constant; the
        Jensen-Shannon distance is bounded and needs none.
        """
        shares = self.categories[0]
        if not shares.any():
            return np.full(len(self.users), np.nan)
        return js_distance(row_means(self.histories, shares), row_means(self.lists, shares))

    @cached_property
    def popularity_lift(self) -> np.ndarray:
        """Mean training count of a user's list over that of the profile, minus 1: [n].

        nan without list or profile. Source: PopLift, Abdollahpouri et al. 2019.
        """
        counts = self.item_counts.astype(float)
        with np.errstate(divide="ignore", invalid="ignore"):
            lift = row_means(self.lists, counts) / row_means(self.histories, counts) - 1
        return np.where(np.isfinite(lift), lift, np.nan)

    @cached_property
    def concentration(self) -> np.ndarray:
        """How narrow a taste is, measured twice: [n, 2], nan for profiles below four items.

        The chance that two items of a profile are of one category (Simpson's index, without
        replacement, which is unbiased whatever the size), from the items at even and at odd places:
        two independent measurements of one taste.
        """
        halves = ([h[start::2] for h in self.histories] for start in (0, 1))
        return np.column_stack([self._simpson(half) for half in halves])

    def _simpson(self, histories: list[np.ndarray]) -> np.ndarray:
        size = np.array([len(h) for h in histories], dtype=float)
        shares = self.categories[0]
        with np.errstate(invalid="ignore", divide="ignore"):
            counts = row_means(histories, shares) * size[:, None]
            # pairs of an item with itself, which are not pairs of two items
            alone = row_means(histories, (shares**2).sum(axis=1)) * size
            pairs = (counts**2).sum(axis=1) - alone
            return np.where(size >= 2, pairs / (size * (size - 1)), np.nan)

    def labels(self, attribute: str) -> np.ndarray:
        """Group name of every user, [n] str; `MISSING` where it is not known."""
        if attribute not in self._labels:
            self._labels[attribute] = group_names(self.dataset.users[attribute])[self.users]
        return self._labels[attribute]

    def sizes(self, attribute: str) -> pd.DataFrame:
        """Columns attribute, group, n, status of every group of the data set.

        Groups without a judged user are listed, too, and so are the users of unknown group.
        """
        counts = pd.Series(self.labels(attribute)).value_counts()
        names = known_groups(self.dataset.users[attribute])
        names += [MISSING] if MISSING in counts else []
        n = [int(counts.get(name, 0)) for name in names]
        said = [status(size, self.minimum) for size in n]
        return pd.DataFrame({"attribute": attribute, "group": names, "n": n, "status": said})


def judged_rows(
    dataset, split, *, k: int, on: str
) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Rows of the split with targets, their users, and their targets.

    All that can be known before a list is asked for.

    Raises:
        InputError: ``on`` is not test or valid, a split of other data, a k out of range, or a split
            without targets.
    """
    if on not in ("test", "valid"):
        raise InputError(f"audit(on={on!r}): expected 'test' or 'valid'")
    if split.dataset.n_users != dataset.n_users or split.dataset.n_items != dataset.n_items:
        raise InputError(
            f"audit: the split belongs to {split.dataset!r}, not to {dataset!r};"
            " make it from the data set that is audited"
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
    """Ask the recommender for k items for every user of the split with targets.

    Args:
        recommender: anything with ``recommend``. Of a log, only the logged users are judged.
        dataset, split: of the same users and items.
        k: length of the lists, 1 to the size of the catalogue.
        on: "test" or "valid".
        attributes: user columns by which the users of a log are counted (default: all that can be
            compared).

    Raises:
        InputError: no user can be judged, k is out of range, or the answer is not one list of item
            codes per user.
    """
    rows, users, _ = judged_rows(dataset, split, k=k, on=on)
    log = _log_within(recommender)
    notes: dict = {}
    if log is not None:
        rows, notes = logged_rows(log, dataset, np.asarray(split.users), rows, attributes, k)
        users = np.asarray(split.users)[rows]
    targets = [getattr(split, f"{on}_target")[i] for i in rows]
    histories = [getattr(split, f"{on}_history")[i] for i in rows]
    raw = ask(recommender, histories, users, k)
    lists, faults = cleaned(raw, dataset.n_items, histories)
    if log is not None:
        notes["problems"] += doubts(dataset, users, histories, targets, lists, ids=log.ids)
    faults = faults.set_index(users)
    return Evidence(dataset, split, users, histories, targets, raw, lists, faults, **notes)


def _log_within(recommender) -> LoggedLists | None:
    """The log that is audited, also under a layer that keeps it as ``inner``, as injectors do."""
    while not isinstance(recommender, LoggedLists) and hasattr(recommender, "inner"):
        recommender = recommender.inner
    return recommender if isinstance(recommender, LoggedLists) else None
