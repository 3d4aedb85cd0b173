"""Splits: what a model may learn from, what it is chosen on, and what it is judged on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from numbers import Integral, Real

import numpy as np

from tutorial_lib.data.dataset import Dataset
from tutorial_lib.errors import InputError, check_seed

EMPTY = np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class Split:
    """Histories and held-out targets, row i belonging to user ``users[i]``; every field is a list
    of int arrays in time order.

    ``train`` is what `fit` may see, ``valid_target`` is what a choice may be made on, given
    ``valid_history``; ``test_target`` is touched once, given ``test_history`` (all but the target,
    so it includes the validation target). A user with too few interactions has them all in
    ``train`` and the histories, and empty targets: evaluation leaves such users out and counts
    them.
    ``tied_targets``: share of test targets with the same timestamp as the event before or after
        them in the user's sequence,
    so that the order of the file, not time, made them the target.
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
        >>> sum(len(t) for t in leave_last_out(load_dataset("world-news")).sample_targets(50).test_target)
        50
        """
        check_seed("sample_targets", seed)
        able = np.flatnonzero([len(target) > 0 for target in self.test_target])
        if not _whole(n) or not 1 <= n <= len(able):
            raise InputError(
                f"sample_targets(n={n}): expected 1..{len(able)}, the users with test targets"
            )
        kept = set(np.random.default_rng([seed, 9]).permutation(able)[:n].tolist())
        parts = {
            p: [t if i in kept else EMPTY for i, t in enumerate(getattr(self, p))]
            for p in ("valid_target", "test_target")
        }
        return replace(self, name=f"{self.name}, {n} users", **parts)

    def __repr__(self) -> str:
        n_test, n_valid = (
            sum(len(t) > 0 for t in part) for part in (self.test_target, self.valid_target)
        )
        return (
            f"Split({self.name} of {self.dataset.name}: {sum(map(len, self.train)):,} training"
            f" interactions, {n_valid:,} users with validation targets, {n_test:,} with test"
            f" targets, {self.tied_targets:.1%} of test targets tied in time)"
        )


def leave_last_out(dataset: Dataset, *, tie_seed: int | None = None) -> Split:
    """The last item of every user is the test target, the one before it the validation target (Kang
    & McAuley 2018, section IV.A).

    Users with fewer than three interactions stay in training and get no targets. Equal timestamps
    keep the order of the source file; ``tie_seed`` shuffles them instead, to show how much that
    order decides.

    >>> from tutorial_lib.data import load_dataset
    >>> split = leave_last_out(load_dataset("world-news"))
    >>> len(split.test_target[0]), len(split.test_history[0]) - len(split.train[0])
    (1, 1)
    """
    return _hold_out(dataset, 1, 1, tie_seed, "leave-last-out", minimum=3)


def hold_out_k(
    dataset: Dataset, k: int = 5, *, valid_k: int | None = None, tie_seed: int | None = None
) -> Split:
    """The last ``k`` items of every user are test targets, the ``valid_k`` (default: k) before them
    validation targets.

    Several targets a user give audits by group the statistical power that one target lacks.
    Users with k + valid_k interactions or fewer stay in training and get no targets.
    """
    valid_k = k if valid_k is None else valid_k
    if not (_whole(k) and _whole(valid_k)) or k < 1 or valid_k < 0:
        raise InputError(
            f"hold_out_k(k={k!r}, valid_k={valid_k!r}): "
            "k must be at least 1 and valid_k at least 0, both whole numbers"
        )
    return _hold_out(dataset, k, valid_k, tie_seed, f"hold-out-{k}", minimum=k + valid_k + 1)


def temporal_split(
    dataset: Dataset, *, valid: float = 0.1, test: float = 0.1, tie_seed: int | None = None
) -> Split:
    """One point in time for all users: the last ``test`` share of interactions is test, the
    ``valid`` share before it validation.

    No model can then learn from the future, which leave-last-out allows (Ji et al. 2023, arXiv
    2010.11060). Both cuts move back to a timestamp's first event, so that equal timestamps are
    never divided. Users without an event before a cut have no history there; they get no target for
    it.
    """
    numbers = _number(test) and _number(valid)
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
    sequences, seconds = _sequences_with_time(dataset, tie_seed)
    parts = []
    for sequence, when in zip(sequences, seconds, strict=True):
        a, b = np.searchsorted(when, [valid_start, test_start])
        has_valid, has_test = a > 0, b > 0
        parts.append(
            (
                sequence[:a],
                sequence[:a],
                sequence[a:b] if has_valid else EMPTY,
                sequence[:b],
                sequence[b:] if has_test else EMPTY,
            )
        )
    ties = [when[np.searchsorted(when, test_start) :] for when in seconds]
    tied = _share_tied([(t, np.arange(len(t))) for t in ties])
    return _checked(dataset, f"temporal (test from {test_start})", parts, tied)


def random_hold_out(
    dataset: Dataset, k: int | None = None, *, share: float | None = None, seed: int = 0
) -> Split:
    """``k`` items of every user drawn at random, or a ``share`` of them, are test targets; the
    rest, in time order, is history.

    For audits by group, which need several targets a user and whose users should be treated alike.
    A ``share`` gives heavy users more targets and with them a higher NDCG: on MovieLens-100K that
    rule makes most of the gender gap (notebook 08). No validation part: choose settings on another
    split. Users with fewer than k + 1 (or 2) interactions get no targets.

    >>> from tutorial_lib.data import load_dataset
    >>> set(map(len, random_hold_out(load_dataset("world-news"), 5).test_target)) <= {0, 5}
    True
    """
    by_count = share is None and _whole(k) and k >= 1
    by_share = k is None and _number(share) and 0 < share < 1
    if not (by_count or by_share):
        raise InputError(
            f"random_hold_out(k={k!r}, share={share!r}): give either k, at least 1, or share, "
            "between 0 and 1"
        )
    check_seed("random_hold_out", seed)
    rng = np.random.default_rng([seed, 23])
    parts = []
    for sequence in dataset.sequences():
        n = len(sequence)
        held = (
            k if k is not None else max(1, min(round(share * n), n - 1))
        )  # one item at least stays in the history
        if n <= held:
            parts.append((sequence, sequence, EMPTY, sequence, EMPTY))
            continue
        chosen = np.zeros(n, dtype=bool)
        chosen[rng.permutation(n)[:held]] = True
        rest = sequence[~chosen]
        parts.append((rest, rest, EMPTY, rest, sequence[chosen]))
    return _checked(
        dataset, f"random {k} a user" if k is not None else f"random {share:.0%}", parts, 0.0
    )


def _whole(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _hold_out(
    dataset: Dataset, k: int, valid_k: int, tie_seed: int | None, name: str, minimum: int
) -> Split:
    sequences, seconds = _sequences_with_time(dataset, tie_seed)
    parts, targets = [], []
    for sequence, when in zip(sequences, seconds, strict=True):
        n = len(sequence)
        if n < minimum:
            parts.append((sequence, sequence, EMPTY, sequence, EMPTY))
            continue
        a, b = n - k - valid_k, n - k
        parts.append((sequence[:a], sequence[:a], sequence[a:b], sequence[:b], sequence[b:]))
        targets.append((when, np.arange(b, n)))
    return _checked(dataset, name, parts, _share_tied(targets))


def _sequences_with_time(
    dataset: Dataset, tie_seed: int | None
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    rows = dataset.sorted_rows(tie_seed)
    cuts = np.cumsum(
        np.bincount(dataset.interactions["user"].to_numpy(), minlength=dataset.n_users)
    )[:-1]
    item, time = (dataset.interactions[c].to_numpy()[rows] for c in ("item", "timestamp"))
    return np.split(item, cuts), np.split(time, cuts)


def _share_tied(targets: list[tuple[np.ndarray, np.ndarray]]) -> float:
    """Share of target positions whose timestamp equals that of a neighbour in the user's sequence."""
    tied = total = 0
    for when, positions in targets:
        same = np.concatenate([[False], when[1:] == when[:-1], [False]])
        tied += int((same[positions] | same[positions + 1]).sum())
        total += len(positions)
    return tied / total if total else 0.0


def _checked(
    dataset: Dataset, name: str, parts: list[tuple[np.ndarray, ...]], tied: float
) -> Split:
    columns = (
        [list(column) for column in zip(*parts, strict=True)] if parts else [[] for _ in range(5)]
    )
    if not any(len(t) for t in columns[4]):
        longest = max((len(p[0]) for p in parts), default=0)
        raise InputError(
            f"{name} split of {dataset.name!r} is empty: no user has enough interactions (longest"
            f" sequence: {longest}); hold out fewer items or load more data"
        )
    return Split(dataset, name, np.arange(dataset.n_users), *columns, tied_targets=tied)
