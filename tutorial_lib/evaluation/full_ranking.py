"""`evaluate`: rank the whole catalogue for every user of a split, and say what was done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from tutorial_lib.data.histories import check_histories, flatten, item_codes
from tutorial_lib.errors import InputError, check_whole
from tutorial_lib.evaluation.expected import evaluate_expected
from tutorial_lib.evaluation.metrics import cutoffs
from tutorial_lib.evaluation.pairing import paired, score_rows
from tutorial_lib.evaluation.ranks import Ties, check_scores, check_ties, frame_of, rank_targets
from tutorial_lib.recommender import check_shape
from tutorial_lib.selection import rows_at_once


def evaluate(
    recommender,
    split,
    k: int | Sequence[int] = (5, 10),
    on: str = "test",
    exclude_seen: bool = True,
    *,
    ties: Ties = "expected",
    block: int | None = None,
    expected: bool = False,
) -> pd.DataFrame:
    """All metrics of a recommender over the full catalogue, one row per user.

    Args:
        recommender: anything with ``score(histories, users=...) -> [n, n_items]``, or, if
            ``expected``, with ``recommend``.
        split: its ``test_history`` and ``test_target`` are used, or ``valid_...`` (see ``on``).
        k: cut-off or cut-offs, at most the size of the catalogue.
        on: "test" or "valid".
        exclude_seen: rank what `recommend` can show: neither items of the history nor items scored
            -inf. A target among these is out of reach and counts as a miss; the protocol line says
            how many. False ranks all items.
        ties: how equal scores are ordered. "expected": the exact mean over all orders of the tied
            items, so a constant scorer gets hit@k = k / candidates; "optimistic", "pessimistic",
            or "index" (lower item code first).
        block: users scored at a time (default: as many as keep a block under 2**24 scores, at most
            1,024).
        expected: judge the lists of `recommend` in expectation under the world's exact next-item
            probabilities given each history, not by the drawn targets: `expected_metrics`, for the
            same users. Equal scores then stand as `recommend` orders them.

    Returns:
        The columns of `ranking_metrics`, index "user" (user codes). ``attrs``: n_users (averaged),
        n_excluded (without targets), tied (share of users with a target tied with a non-target),
        repeats (targets that stand in their history), barred (other targets, scored -inf, where
        seen items are excluded), k, on, ties, exclude_seen, expected, protocol (a sentence).

    Raises:
        InputError: An empty part, k beyond the catalogue, NaN scores, scores of the wrong shape,
            codes that are not item codes, or a block below 1; if ``expected``: data without truth,
            several targets per user, or targets that are no draws from the truth.

    >>> from tutorial_lib.data import leave_last_out, load_dataset
    >>> from tutorial_lib.models import Popularity
    >>> split = leave_last_out(load_dataset("world-news"))
    >>> frame = evaluate(Popularity().fit(split), split, k=10)
    >>> frame.attrs["n_users"] == len(frame), frame.columns[-1]
    (True, 'ndcg@10')
    """
    ks = cutoffs(k)
    n_items = split.dataset.n_items
    check_ties(ties)
    _check_k(ks, n_items)
    if expected:
        return _in_expectation(recommender, split, ks, on, exclude_seen, ties, block)
    blocks = []
    repeats = 0
    for users, histories, targets, scores in scored_blocks(recommender, split, on, block):
        seen = seen_index(histories, n_items)
        ranked = rank_targets(scores, targets, seen if exclude_seen else None, ties, users)
        repeats += ranked.n_hidden if exclude_seen else _repeats(targets, seen, n_items)
        blocks.append(ranked)
    frame = frame_of(blocks, ks, len(split.users))
    barred = sum(ranked.n_barred for ranked in blocks)
    frame.attrs.update(on=on, ties=ties, exclude_seen=exclude_seen, repeats=repeats, barred=barred)
    frame.attrs["expected"] = False
    frame.attrs["protocol"] = _protocol(split, frame.attrs)
    return frame


def _in_expectation(
    recommender, split, ks: list[int], on: str, exclude_seen: bool, ties: str, block: int | None
) -> pd.DataFrame:
    """`evaluate` by the exact probabilities of the next item."""
    if ties not in ("expected", "index"):
        raise InputError(
            f"evaluate(expected=True, ties={ties!r}): the lists of recommend are judged, in which"
            " equal scores have an order already; leave out ties"
        )
    blocks = _target_blocks(split, on, block)
    frame = evaluate_expected(recommender, split, blocks, ks, on=on, exclude_seen=exclude_seen)
    frame.attrs.update(on=on, ties="index", exclude_seen=exclude_seen, expected=True)
    frame.attrs.update(repeats=0, barred=0)
    frame.attrs["protocol"] = (
        f"{_protocol(split, frame.attrs)}; in expectation under the world's exact next-item"
        " probabilities"
    )
    return frame


def _protocol(split, attrs: dict) -> str:
    """What was done, as a sentence."""
    seen = "excluded" if attrs["exclude_seen"] else "kept"
    parts = [
        f"{split.name} {attrs['on']} of {split.dataset.name}: full ranking of"
        f" {split.dataset.n_items:,} items, seen items {seen}, ties {attrs['ties']}",
        f"{attrs['n_users']:,} users averaged, {attrs['n_excluded']:,} without targets left out",
    ]
    if attrs["repeats"]:
        fate = "are ranked like the rest"
        if attrs["exclude_seen"]:
            fate = "count as misses, as in recommend (exclude_seen=False ranks them)"
        parts.append(f"{attrs['repeats']:,} targets stand in their user's history and {fate}")
    if attrs["barred"]:
        parts.append(
            f"{attrs['barred']:,} targets are scored -inf and count as misses, as in recommend"
        )
    return "; ".join(parts)


def _repeats(targets: Sequence, seen: tuple[np.ndarray, np.ndarray], n_items: int) -> int:
    """How many of the targets (one array per row) stand in their own history."""
    goals, rows = check_histories(targets, n_items)
    wanted = np.unique(rows * np.int64(n_items) + goals)
    return int(np.isin(wanted, seen[0] * np.int64(n_items) + seen[1]).sum())


def evaluate_scores(
    scores: np.ndarray,
    targets: Sequence,
    histories: Sequence | None = None,
    k: int | Sequence[int] = (5, 10),
    *,
    ties: Ties = "expected",
) -> pd.DataFrame:
    """The same metrics from a score matrix you already have.

    Series, dictionaries and the rows of a DataFrame of scores are paired by label, which is then
    the index of the result; InputError where only some of them have labels other than 0, 1, 2, ...

    Args:
        scores: [n, n_items], higher is better.
        targets: one item code per row, or one collection of codes per row; rows without targets
            are left out and counted.
        histories: item codes to take out of each row's ranking (default: none); a target among
            them is a miss, as in `evaluate`, and so is one scored -inf.
        k: as in `evaluate`.
        ties: as in `evaluate`.

    >>> scores = np.array([[0.0, 3.0, 2.0, 1.0]])
    >>> evaluate_scores(scores, [2], k=1)["hit@1"].item()
    0.0
    >>> evaluate_scores(scores, [2], histories=[[1]], k=1)["hit@1"].item()
    1.0
    """
    where = "evaluate_scores"
    ks = cutoffs(k)
    scores, rows = score_rows(scores, where)
    scores = check_scores(scores)
    n, n_items = scores.shape
    check_ties(ties)
    _check_k(ks, n_items)
    _, targets, labels = paired(where, ("scores", "targets"), rows, targets)
    if histories is not None:
        histories = paired(where, ("scores", "histories"), rows, histories)[1]
    goals = _goals(targets)
    kept = np.arange(n)
    if isinstance(goals, list):
        kept = np.flatnonzero([len(goal) for goal in goals])
    if not len(kept):
        raise InputError("evaluate_scores: no row has a target; expected at least one")
    copied = histories is not None or len(kept) < n  # otherwise the matrix is read once, as it lies
    size = rows_at_once(n_items) if copied else n
    blocks = []
    for start in range(0, len(kept), size):
        chosen = kept[start : start + size]
        hidden = None
        if histories is not None:
            hidden = seen_index([histories[row] for row in chosen], n_items)
        wanted = [goals[row] for row in chosen] if isinstance(goals, list) else goals[chosen]
        blocks.append(
            rank_targets(scores[chosen] if copied else scores, wanted, hidden, ties, chosen)
        )
    index = pd.Index(kept, name="row") if labels is None else labels[kept]
    return frame_of(blocks, ks, n, index)


def _goals(targets: Sequence) -> np.ndarray | list[np.ndarray]:
    """Targets as one array of codes, one per row, or as a list of arrays."""
    if isinstance(targets, np.ndarray) and targets.ndim == 1 and targets.dtype.kind in "iu":
        return targets
    alone = [pd.api.types.is_scalar(one) or getattr(one, "shape", None) == () for one in targets]
    if all(alone):
        return item_codes(targets, "evaluate_scores: targets")
    if any(alone):
        raise InputError(
            f"evaluate_scores: the target of row {alone.index(True)} is no list, others are; "
            "expected one item code per row, or one list of codes per row ([] where there is none)"
        )
    flat, rows = flatten(targets, "target")
    ends = np.cumsum(np.bincount(rows, minlength=len(targets)))
    return [flat[a:b] for a, b in zip([0, *ends], ends, strict=False)]


def _check_k(ks: list[int], n_items: int) -> None:
    if max(ks) > n_items:
        raise InputError(f"k={max(ks)} is larger than the catalogue: expected at most {n_items}")


def scored_blocks(
    recommender, split, on: str = "test", block: int | None = None
) -> Iterator[tuple[np.ndarray, list, list, np.ndarray]]:
    """Blocks of users with targets: (user codes, histories, targets, scores [b, n_items])."""
    for users, histories, targets in _target_blocks(split, on, block):
        scores = np.asarray(recommender.score(histories, users=users))
        check_shape(recommender, scores, len(users), split.dataset.n_items)
        yield users, histories, targets, check_scores(scores)


def _target_blocks(split, on: str, block: int | None) -> Iterator[tuple[np.ndarray, list, list]]:
    """Blocks of users with targets: (user codes, histories, targets)."""
    if on not in ("test", "valid"):
        raise InputError(f"evaluate(on={on!r}): expected 'test' or 'valid'")
    histories = getattr(split, f"{on}_history")
    targets = getattr(split, f"{on}_target")
    rows = [row for row, some in enumerate(targets) if len(some)]
    if not rows:
        raise InputError(
            f"evaluate(on={on!r}): split '{split.name}' has no {on} targets; use the other part, or"
            " the split before merge_validation"
        )
    if block is not None:
        check_whole("evaluate", 1, block=block)
    block = block or rows_at_once(split.dataset.n_items)
    for start in range(0, len(rows), block):
        chosen = rows[start : start + block]
        users = np.asarray(split.users)[chosen]
        yield users, [histories[row] for row in chosen], [targets[row] for row in chosen]


def seen_index(histories: Sequence, n_items: int) -> tuple[np.ndarray, np.ndarray]:
    """(rows, items) of everything in the histories, ready to index a score matrix."""
    items, rows = check_histories(histories, n_items)
    return rows, items
