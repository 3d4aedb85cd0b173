"""Splits: what a model may learn from, what it is chosen on, and what it is judged on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from tutorial_lib.data.dataset import Dataset
from tutorial_lib.errors import InputError, check_seed, is_number, is_whole

EMPTY = np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class Split:
    """Histories and held-out targets, row i belonging to user ``users[i]``.

    A user with too few interactions has them all in ``train`` and the histories, and empty targets:
    evaluation leaves such users out and counts them.

    Args:
        dataset: what was split.
        name: of the split.
        users: user codes, one per row of the lists below, each an int array in time order.
        train: what `fit` may see.
        valid_history: what is known when ``valid_target`` is to be predicted.
        valid_target: what a choice may be made on.
        test_history: all but the test target, so it includes the validation target.
        test_target: touched once, given ``test_history``.
        tied_targets: share of test targets with the same timestamp as the event before or after
            them in the user's sequence, so that the order of the file, not time, made them the
            target.
    """

    dataset: Dataset
    name: str
    users: np.ndarray
    train: list[np.ndarray]
    valid_history: list[np.ndarray]
    valid_target: list[np.ndarray]
    test_history: list[np.ndarray]
    test_target: list[np.ndarray]
    tied_targets: float = 0.0

    def merge_validation(self) -> Split:
        """A split whose ``train`` has gained the validation targets, and whose validation part is
        empty.

        The usual last step of a protocol: choose hyper-parameters on validation, refit on train +
        validation, report on test. ``evaluate(..., on="valid")`` refuses such a split, because the
        model has seen those targets.
        """
        nothing = [EMPTY] * len(self.users)
        return replace(
            self,
            name=f"{self.name}, refit",
            train=self.test_history,
            valid_history=nothing,
            valid_target=nothing,
        )

    def sample_targets(self, n: int, seed: int = 0) -> Split:
        """The same training data, but only ``n`` users, drawn at random, keep their targets: for
        models that are slow to score.

        >>> from tutorial_lib.data import load_dataset
        >>> split = leave_last_out(load_dataset("world-news")).sample_targets(50)
        >>> sum(len(target) for target in split.test_target)
        50
        """
        check_seed("sample_targets", seed)
        able = np.flatnonzero([len(target) > 0 for target in self.test_target])
        if not is_whole(n) or not 1 <= n <= len(able):
            raise InputError(
                f"sample_targets(n={n}): expected 1..{len(able)}, the users with test targets"
            )
        kept = set(np.random.default_rng([seed, 9]).permutation(able)[:n].tolist())

        def sampled(targets: list[np.ndarray]) -> list[np.ndarray]:
            return [target if row in kept else EMPTY for row, target in enumerate(targets)]

        return replace(
            self,
            name=f"{self.name}, {n} users",
            valid_target=sampled(self.valid_target),
            test_target=sampled(self.test_target),
        )

    def __repr__(self) -> str:
        n_valid = sum(len(target) > 0 for target in self.valid_target)
        n_test = sum(len(target) > 0 for target in self.test_target)
        return (
            f"Split({self.name} of {self.dataset.name}: {sum(map(len, self.train)):,} training "
            f"interactions, {n_valid:,} users with validation targets, {n_test:,} with test "
            f"targets, {self.tied_targets:.1%} of test targets tied in time)"
        )


def leave_last_out(dataset: Dataset, *, tie_seed: int | None = None) -> Split:
    """The last item of every user is the test target, the one before it the validation target.

    Users with fewer than three interactions stay in training and get no targets.

    Args:
        dataset: what to split.
        tie_seed: shuffles events of equal timestamp, to show how much their order decides; by
            default they keep the order of the source file.

    Source: Kang & McAuley 2018, section IV.A.

    >>> from tutorial_lib.data import load_dataset
    >>> split = leave_last_out(load_dataset("world-news"))
    >>> len(split.test_target[0]), len(split.test_history[0]) - len(split.train[0])
    (1, 1)
    """
    return _hold_out(dataset, 1, 1, tie_seed, "leave-last-out")


def hold_out_k(
    dataset: Dataset, k: int = 5, *, valid_k: int | None = None, tie_seed: int | None = None
) -> Split:
    """The last ``k`` items of every user are test targets, the ``valid_k`` (default: k) before them
    validation targets.

    Several targets per user give audits by group the statistical power that one target lacks.
    Users with k + valid_k interactions or fewer stay in training and get no targets. ``tie_seed``
    as in `leave_last_out`.
    """
    valid_k = k if valid_k is None else valid_k
    if not (is_whole(k) and is_whole(valid_k)) or k < 1 or valid_k < 0:
        raise InputError(
            f"hold_out_k(k={k!r}, valid_k={valid_k!r}): "
            "k must be at least 1 and valid_k at least 0, both whole numbers"
        )
    return _hold_out(dataset, k, valid_k, tie_seed, f"hold-out-{k}")


def temporal_split(
    dataset: Dataset, *, valid: float = 0.1, test: float = 0.1, tie_seed: int | None = None
) -> Split:
    """One point in time for all users: the last ``test`` share of interactions is test, the
    ``valid`` share before it validation.

    No model can then learn from the future, which leave-last-out allows. Both cuts move back to a
    timestamp's first event, so that equal timestamps are never divided. Users without an event
    before a cut have no history there; they get no target for it. ``tie_seed`` as in
    `leave_last_out`.

    Source: Ji et al. 2023, arXiv 2010.11060.
    """
    numbers = is_number(test) and is_number(valid)
    if not (numbers and 0 < test < 1 and 0 <= valid < 1 and valid + test < 1):
        raise InputError(
            f"temporal_split(valid={valid!r}, test={test!r}): both are shares of the interactions, "
            "test > 0 and valid + test < 1"
        )
    times = np.sort(dataset.interactions["timestamp"].to_numpy())
    if not len(times):
        raise InputError(f"temporal_split: dataset {dataset.name!r} has no interactions")
    last = len(times) - 1  # a share of less than one event is one event
    test_start = times[min(int(round(len(times) * (1 - test))), last)]
    valid_start = times[min(int(round(len(times) * (1 - test - valid))), last)]
    parts = []
    tied = []
    for items, when in _sequences_with_time(dataset, tie_seed):
        a, b = np.searchsorted(when, [valid_start, test_start])
        valid_target = items[a:b] if a > 0 else EMPTY
        test_target = items[b:] if b > 0 else EMPTY
        parts.append(_Parts(items[:a], items[:a], valid_target, items[:b], test_target))
        tied.append(_tied(when[b:]))
    return _split(dataset, f"temporal (test from {test_start})", parts, tied)


def random_hold_out(
    dataset: Dataset, k: int | None = None, *, share: float | None = None, seed: int = 0
) -> Split:
    """``k`` items of every user drawn at random, or a ``share`` of them, are test targets; the
    rest, in time order, is history.

    For audits by group, which need several targets per user and whose users should be treated
    alike. A ``share`` gives heavy users more targets and with them a higher NDCG: on MovieLens-100K
    that rule makes most of the gender gap (notebook 08). No validation part: choose settings on
    another split. Users with fewer than k + 1 (or 2) interactions get no targets.

    >>> from tutorial_lib.data import load_dataset
    >>> set(map(len, random_hold_out(load_dataset("world-news"), 5).test_target)) <= {0, 5}
    True
    """
    sequences = dataset.sequences()
    if share is None and is_whole(k) and k >= 1:
        name = f"random {k} per user"
        numbers = [k] * len(sequences)
    elif k is None and is_number(share) and 0 < share < 1:
        name = f"random {share:.0%}"
        # one item at least stays in the history
        numbers = [max(1, min(round(share * len(items)), len(items) - 1)) for items in sequences]
    else:
        raise InputError(
            f"random_hold_out(k={k!r}, share={share!r}): give either k, at least 1, or share, "
            "between 0 and 1"
        )
    check_seed("random_hold_out", seed)
    rng = np.random.default_rng([seed, 23])
    parts = []
    for items, held in zip(sequences, numbers, strict=True):
        if len(items) <= held:
            parts.append(_Parts(items, items, EMPTY, items, EMPTY))
            continue
        chosen = np.zeros(len(items), dtype=bool)
        chosen[rng.permutation(len(items))[:held]] = True
        rest = items[~chosen]
        parts.append(_Parts(rest, rest, EMPTY, rest, items[chosen]))
    return _split(dataset, name, parts, [])


class _Parts(NamedTuple):
    """One user's row of a `Split`."""

    train: np.ndarray
    valid_history: np.ndarray
    valid_target: np.ndarray
    test_history: np.ndarray
    test_target: np.ndarray


def _hold_out(dataset: Dataset, k: int, valid_k: int, tie_seed: int | None, name: str) -> Split:
    """The last ``k`` events of each user with at least one more than both targets take."""
    parts = []
    tied = []
    for items, when in _sequences_with_time(dataset, tie_seed):
        b = len(items) - k
        a = b - valid_k
        if a < 1:
            parts.append(_Parts(items, items, EMPTY, items, EMPTY))
            continue
        parts.append(_Parts(items[:a], items[:a], items[a:b], items[:b], items[b:]))
        tied.append(_tied(when)[b:])
    return _split(dataset, name, parts, tied)


def _sequences_with_time(
    dataset: Dataset, tie_seed: int | None
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Item codes and timestamps of each user in time order."""
    rows = dataset.sorted_rows(tie_seed)
    table = dataset.interactions
    sizes = np.bincount(table["user"].to_numpy(), minlength=dataset.n_users)
    cuts = np.cumsum(sizes)[:-1]
    items = np.split(table["item"].to_numpy()[rows], cuts)
    times = np.split(table["timestamp"].to_numpy()[rows], cuts)
    return list(zip(items, times, strict=True))


def _tied(when: np.ndarray) -> np.ndarray:
    """Whether each event's timestamp equals that of a neighbour: bool [n]."""
    same = np.concatenate([[False], when[1:] == when[:-1], [False]])
    return same[:-1] | same[1:]


def _split(
    dataset: Dataset, name: str, parts: Sequence[_Parts], tied: Sequence[np.ndarray]
) -> Split:
    """The split from the rows of all users; ``tied``: for each test target, whether it is."""
    if not any(len(row.test_target) for row in parts):
        longest = max((len(row.train) for row in parts), default=0)
        raise InputError(
            f"{name} split of {dataset.name!r} is empty: no user has enough interactions (longest "
            f"sequence: {longest}); hold out fewer items or load more data"
        )
    fields = {field: [getattr(row, field) for row in parts] for field in _Parts._fields}
    share = float(np.concatenate(tied).mean()) if tied else 0.0
    return Split(dataset, name, np.arange(dataset.n_users), tied_targets=share, **fields)
