"""From a log to a split: as many users as time allows, a k-core, three parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tutorial_lib.data import Dataset, Split, leave_last_out
from tutorial_lib.data.any_log import AnyLog, read_any_log
from tutorial_lib.errors import InputError

PER_MINUTE = 100_000  # interactions that are kept
JUDGED_PER_MINUTE = 400  # users that validation and test are drawn from
CORES = (5, 3)  # fewer than three interactions leave nothing to learn from
FEWEST_ITEMS = 10
FEW_USERS = 200  # with fewer of them, a smaller core is taken


@dataclass(frozen=True)
class Prepared:
    """What models are fitted to and judged on.

    Args:
        log: as it was read.
        split: its targets are those of the judged users only.
        left_out: what was cut, one sentence each, the log's own lines first.
        limits: what was made smaller to keep to the time.
    """

    log: AnyLog
    split: Split
    left_out: tuple[str, ...]
    limits: tuple[str, ...]

    @property
    def dataset(self) -> Dataset:
        return self.split.dataset

    @property
    def ordered(self) -> bool:
        """Is it known which item came next?"""
        return self.log.order != "none"


def prepare(
    path: Path,
    items: Path | None,
    users: Path | None,
    columns: Mapping[str, str],
    *,
    minutes: int,
    seed: int,
) -> Prepared:
    """Read a log and its tables; sample users, cut to a core and split.

    Raises:
        InputError: a file cannot be read, or too little is left.
    """
    log = read_any_log(path, items=items, users=users, columns=columns)
    dataset, limits = _sampled(log.dataset, PER_MINUTE * minutes, seed)
    core, cut = _core(dataset)
    # without an order all times are equal, so that shuffling ties draws the targets at random
    split = leave_last_out(core, tie_seed=None if log.order != "none" else seed)
    able = sum(map(bool, map(len, split.test_target)))
    judged = min(able, JUDGED_PER_MINUTE * minutes)
    if judged < able:
        limits.append(f"{judged:,} of {able:,} users, drawn at random, are judged")
    sampled = split.sample_targets(judged, seed)
    name = "leave-last-out" if log.order != "none" else "random hold-out"
    return Prepared(log, replace(sampled, name=name), (*log.dropped, cut), tuple(limits))


def _sampled(dataset: Dataset, most: int, seed: int) -> tuple[Dataset, list[str]]:
    """Users drawn at random until they have ``most`` interactions."""
    if dataset.n_interactions <= most:
        return dataset, []
    sizes = np.bincount(dataset.interactions["user"], minlength=dataset.n_users)
    order = np.random.default_rng([seed, 41]).permutation(dataset.n_users)
    kept = order[np.cumsum(sizes[order]) <= most]
    if not len(kept):
        raise InputError(f"one user has more than {most:,} interactions: raise --minutes")
    line = f"{len(kept):,} of {dataset.n_users:,} users, drawn at random, are used at all"
    return dataset.subset_users(kept.tolist()), [line]


def _core(dataset: Dataset) -> tuple[Dataset, str]:
    """The 5-core, or the 3-core where that leaves few users; and what is left."""
    cores = {}
    for k in CORES:
        try:
            cores[k] = dataset.k_core(k)
        except InputError:
            continue
        if cores[k].n_users >= FEW_USERS:
            break
    k = min(cores, default=CORES[-1])
    if not cores or cores[k].n_items <= FEWEST_ITEMS:
        left = cores[k].n_items if cores else 0
        raise InputError(
            f"{dataset.name}: {left} of {dataset.n_items:,} items are left where users and items"
            f" have {k} interactions each, and lists of ten need more: give a larger log"
        )
    core = cores[k]
    return core, (
        f"{k}-core (users and items with at least {k} interactions each):"
        f" {core.n_users:,} of {dataset.n_users:,} users, {core.n_items:,} of"
        f" {dataset.n_items:,} items and {core.n_interactions:,} of"
        f" {dataset.n_interactions:,} interactions are left"
    )
