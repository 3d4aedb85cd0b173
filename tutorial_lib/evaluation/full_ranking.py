"""`evaluate`: rank the whole catalogue for every user of a split, and say what was done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from tutorial_lib.data.histories import check_histories, flatten, item_codes
from tutorial_lib.errors import InputError, check_whole
from tutorial_lib.evaluation.ids import paired, score_rows
from tutorial_lib.evaluation.metrics import Groups, cutoffs, groups_of, per_user_frame
from tutorial_lib.evaluation.ranks import Ties, check_scores, check_targets, check_ties, count_above
from tutorial_lib.recommender import check_shape, refuse_nan

SCORES_AT_ONCE = (
    1 << 24
)  # a block of scores is at most this many numbers, so memory stays flat for any number of users


def evaluate(
    recommender,
    split,
    k: int | Sequence[int] = (5, 10),
    on: str = "test",
    exclude_seen: bool = True,
    *,
    ties: Ties = "expected",
    block: int | None = None,
) -> pd.DataFrame:
    """All metrics of a recommender over the full catalogue, one row a user.

    recommender: anything with ``score(histories, users=...) -> [n, n_items]``.
    split: its ``test_history``/``test_target`` are used (``on="test"``), or
        ``valid_history``/``valid_target`` (``on="valid"``).
    k: cut-off or cut-offs, at most the size of the catalogue.
    exclude_seen: rank what `recommend` can show: neither items of the history nor items scored
        -inf. A target among these is out of reach and counts as a miss; the protocol line says how
        many. False ranks all items.
    ties: how equal scores are ordered. "expected" (default): the exact mean over all orders of the
        tied items, so a constant scorer gets hit@k = k / candidates; "optimistic", "pessimistic",
        or "index" (lower item code first).
    block: users scored at a time (default: as many as keep a block under 2**24 scores, at most
        1,024).
    Returns the columns of `ranking_metrics`, index "user" (user codes). ``attrs``: n_users
    (averaged), n_excluded (without
        targets), tied (share of users with a target tied with a non-target), repeats (targets that
        stand in their history), barred (other targets, scored -inf, where seen items are excluded),
        k, on, ties, exclude_seen, protocol (a sentence).
    Raises InputError for an empty part, k beyond the catalogue, NaN scores, scores of the wrong
    shape, codes that are no item codes, or a block below 1.

    >>> from tutorial_lib.data import leave_last_out, load_dataset
    >>> from tutorial_lib.models import Popularity
    >>> split = leave_last_out(load_dataset("world-news"))
    >>> frame = evaluate(Popularity().fit(split), split, k=10)
    >>> frame.attrs["n_users"] == len(frame), frame.columns[-1]
    (True, 'ndcg@10')
    """
    ks, n_items = cutoffs(k), split.dataset.n_items
    check_ties(ties)
    _check_k(ks, n_items)
    parts, users, repeats, barred = [], [], 0, 0
    for who, histories, targets, scores in scored_blocks(recommender, split, on, block):
        seen = seen_index(histories, n_items)
        parts.append(
            groups_of_scores(
                scores, targets, seen if exclude_seen else None, ties, who, reach_all=False
            )
        )
        repeats += parts[-1][3] if exclude_seen else _repeats(targets, seen, n_items)
        barred += parts[-1][4]
        users.append(who)
    frame = frame_of(parts, ks, pd.Index(np.concatenate(users), name="user"), len(split.users))
    frame.attrs.update(on=on, ties=ties, exclude_seen=exclude_seen, repeats=repeats, barred=barred)
    frame.attrs["protocol"] = _protocol(split, frame.attrs)
    return frame


def _protocol(split, attrs: dict) -> str:
    seen = "excluded" if attrs["exclude_seen"] else "kept"
    what = (
        f"{split.name} {attrs['on']} of {split.dataset.name}: full ranking of"
        f" {split.dataset.n_items:,} items, seen items {seen}"
    )
    users = f"{attrs['n_users']:,} users averaged, {attrs['n_excluded']:,} without targets left out"
    fate = (
        "count as misses, as in recommend (exclude_seen=False ranks them)"
        if attrs["exclude_seen"]
        else "are ranked like the rest"
    )
    repeats = (
        f"; {attrs['repeats']:,} targets stand in their user's history and {fate}"
        if attrs["repeats"]
        else ""
    )
    barred = ""
    if attrs["barred"]:
        barred = (
            f"; {attrs['barred']:,} targets are scored -inf and count as misses, as in recommend"
        )
    return f"{what}, ties {attrs['ties']}; {users}{repeats}{barred}"


def _repeats(targets: Sequence, seen: tuple[np.ndarray, np.ndarray], n_items: int) -> int:
    """How many of the targets (one array a row) stand in their own history; ``seen``: as
    `seen_index` gives it.
    """
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
    """The same metrics from a score matrix you already have: [n, n_items], higher is better.

    targets: one item code a row, or one collection of codes a row; rows without targets are left
        out and counted.
    histories: item codes to take out of each row's ranking (default: none); a target among them is
        a miss, as in `evaluate`, and so is one scored -inf. k, ties, raises: as in `evaluate`.
    Series, dictionaries and the rows of a DataFrame of scores are paired by label, which is then
    the index of the result; InputError
        where only some of them have labels other than 0, 1, 2, ...

    >>> scores = np.array([[0.0, 3.0, 2.0, 1.0]])
    >>> evaluate_scores(scores, [2], k=1)["hit@1"].tolist(), evaluate_scores(scores, [2], histories=[[1]], k=1)["hit@1"].tolist()
    ([0.0], [1.0])
    """
    where = "evaluate_scores"
    ks, (scores, rows) = cutoffs(k), score_rows(scores, where)
    scores = check_scores(scores)
    check_ties(ties)
    _check_k(ks, scores.shape[1])
    _, targets, labels = paired(rows, targets, where, ("scores", "targets"))
    if histories is not None:
        histories = paired(rows, histories, where, ("scores", "histories"))[1]
    single, lists = _goals(targets)
    kept = (
        np.arange(len(scores))
        if lists is None
        else np.flatnonzero([len(target) for target in lists])
    )
    if not len(kept):
        raise InputError("evaluate_scores: no row has a target; expected at least one")
    copies = histories is not None or len(kept) < len(
        scores
    )  # without copies the matrix is read once, as it lies
    size = max(1, min(1024, SCORES_AT_ONCE // scores.shape[1])) if copies else len(scores)
    parts = []
    for start in range(0, len(kept), size):
        chosen = kept[start : start + size]
        goals = single[chosen] if lists is None else [lists[row] for row in chosen]
        hidden = (
            seen_index([histories[row] for row in chosen], scores.shape[1])
            if histories is not None
            else None
        )
        parts.append(
            groups_of_scores(
                scores[chosen] if copies else scores, goals, hidden, ties, chosen, reach_all=False
            )
        )
    index = pd.Index(kept, name="row") if labels is None else labels[kept]
    return frame_of(parts, ks, index, len(scores))


def _goals(targets: Sequence) -> tuple[np.ndarray | None, list[np.ndarray] | None]:
    """Targets as one array of codes, one a row, or as a list of arrays; the other is None."""
    if isinstance(targets, np.ndarray) and targets.ndim == 1 and targets.dtype.kind in "iu":
        return targets, None
    alone = [pd.api.types.is_scalar(one) or getattr(one, "shape", None) == () for one in targets]
    if all(alone):
        return item_codes(targets, "evaluate_scores: targets"), None
    if any(alone):
        raise InputError(
            f"evaluate_scores: the target of row {alone.index(True)} is no list, others are; "
            "expected one item code a row, or one list of codes a row ([] where there is none)"
        )
    flat, rows = flatten(targets, "target")
    ends = np.cumsum(np.bincount(rows, minlength=len(targets)))
    return None, [flat[a:b] for a, b in zip([0, *ends], ends, strict=False)]


def _check_k(ks: list[int], n_items: int) -> None:
    if max(ks) > n_items:
        raise InputError(f"k={max(ks)} is larger than the catalogue: expected at most {n_items}")


def scored_blocks(
    recommender, split, on: str = "test", block: int | None = None
) -> Iterator[tuple[np.ndarray, list, list, np.ndarray]]:
    """Users with targets, a block at a time: (user codes, histories, targets, scores [b, n_items])."""
    if on not in ("test", "valid"):
        raise InputError(f"evaluate(on={on!r}): expected 'test' or 'valid'")
    all_histories, all_targets = getattr(split, f"{on}_history"), getattr(split, f"{on}_target")
    rows = [row for row, targets in enumerate(all_targets) if len(targets)]
    if not rows:
        raise InputError(
            f"evaluate(on={on!r}): split '{split.name}' has no {on} targets; use the other part, or"
            " the split before merge_validation"
        )
    n_items = split.dataset.n_items
    if block is not None:
        check_whole("evaluate", 1, block=block)
    block = block or max(1, min(1024, SCORES_AT_ONCE // n_items))
    for start in range(0, len(rows), block):
        chosen = rows[start : start + block]
        histories, users = [all_histories[row] for row in chosen], np.asarray(split.users)[chosen]
        scores = np.asarray(recommender.score(histories, users=users))
        check_shape(recommender, scores, len(chosen), n_items)
        yield users, histories, [all_targets[row] for row in chosen], check_scores(scores)


def groups_of_scores(
    scores, targets, hidden, ties: str, names, *, reach_all: bool = True
) -> tuple[Groups, np.ndarray, np.ndarray, int, int]:
    """Where the targets of each row stand, how many a row has, whether a non-target shares a
    target's score, how many were hidden, and how many others are out of reach.

    targets: int array (one a row) or a list of int arrays. hidden: index of the scores to take out
        of the ranking. reach_all: hidden
    targets stay in it; otherwise they, and targets scored -inf, count as targets that stand
    nowhere, for `top_k` shows none of them.
    names: user of each row, for the error message.
    """
    n, n_items = scores.shape
    row, goal = np.arange(n), targets
    if not isinstance(targets, np.ndarray):
        row, goal = np.repeat(row, [len(target) for target in targets]), np.concatenate(targets)
    check_targets(goal, n_items, "evaluate")
    many = len(goal) > n
    if many:
        row, goal = np.divmod(
            np.unique(row * np.int64(n_items) + goal), n_items
        )  # repeated targets count once
    n_relevant = np.bincount(row, minlength=n)
    excluded, lost, barred = None, np.zeros(len(goal), dtype=bool), 0
    if hidden is not None:
        scores, excluded, lost = _hide(scores, hidden, row, goal, names, reach_all)
        if not reach_all:
            gone = lost | (scores[row, goal] == -np.inf)
            barred = int(gone.sum() - lost.sum())
            if gone.any():
                row, goal, many = row[~gone], goal[~gone], True
    above, tied, left = count_above(
        scores, goal, row if many else None, excluded, index=ties == "index"
    )
    if many:
        order = np.lexsort((left, above, row))
        row, above, tied, left = row[order], above[order], tied[order], left[order]
    start = np.flatnonzero(
        np.diff(row * np.int64(n_items + 1) + above, prepend=-1)
    )  # the first target of every group of equal scores
    hits = np.diff(start, append=len(row))
    shared = np.bincount(row[start], weights=tied[start] > hits, minlength=n) > 0
    if ties == "expected":
        return (
            groups_of(row[start], above[start], tied[start], hits),
            n_relevant,
            shared,
            int(lost.sum()),
            barred,
        )
    place = np.arange(len(row)) - np.repeat(start, hits)  # 0, 1, ... among the targets of one group
    above = (
        above
        + {"optimistic": place, "pessimistic": tied - np.repeat(hits, hits) + place, "index": left}[
            ties
        ]
    )
    ones = np.ones(len(row), dtype=np.int64)
    return groups_of(row, above, ones, ones), n_relevant, shared, int(lost.sum()), barred


def seen_index(histories: Sequence, n_items: int) -> tuple[np.ndarray, np.ndarray]:
    """(rows, items) of everything in the histories, ready to index a score matrix."""
    items, rows = check_histories(histories, n_items)
    return rows, items


def _hide(
    scores, hidden, row, goal, names, reach_all: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A copy with hidden scores set to NaN, how many of them there are per row, and which targets
    were among them.

    reach_all: targets keep their scores.
    """
    refuse_nan(scores, names)
    masked = scores.copy()
    masked[hidden] = np.nan
    lost = np.isnan(masked[row, goal])
    if reach_all:
        masked[row, goal] = scores[row, goal]
    return masked, np.count_nonzero(np.isnan(masked), axis=1), lost


def frame_of(
    parts: list[tuple[Groups, np.ndarray, np.ndarray, int, int]],
    ks: list[int],
    index: pd.Index,
    n_users: int,
) -> pd.DataFrame:
    """Blocks of `groups_of_scores` as one table; ``attrs["tied"]``: share of users with a target
    tied with a non-target.
    """
    offsets = np.cumsum([0] + [len(part[1]) for part in parts[:-1]])
    rows = [part[0].row + offset for part, offset in zip(parts, offsets, strict=True)]
    rest = [
        np.concatenate([getattr(part[0], name) for part in parts])
        for name in ("above", "size", "hits", "before")
    ]
    n_relevant, tied = (np.concatenate([part[i] for part in parts]) for i in (1, 2))
    frame = per_user_frame(Groups(np.concatenate(rows), *rest), n_relevant, ks, index, n_users)
    frame.attrs["tied"] = float(tied.mean())
    return frame
