"""Where a leaderboard holds: for whom, and for which items.

A *cut* is a part of a split's users. The perspectives are those of the half-day tutorial (arXiv
2404.03788): sparsity, cold users, cold items. Users may be chosen by their history, which every
model sees, or by their target, which none does. Only the first keep a ceiling: the best list given
a history is the best for all users with such histories, but among users whose *target* is rare, a
model that always recommends what is rare can pass the oracle.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from tutorial_lib.data.histories import flatten
from tutorial_lib.errors import InputError, check_whole, unknown_name
from tutorial_lib.evaluation.expected import expected_metrics
from tutorial_lib.evaluation.statistics import mean_interval
from tutorial_lib.recommender import top_k

PARTS = ("lowest", "middle", "highest")


@dataclass(frozen=True, eq=False)
class Cut:
    """A part of the users of a split.

    Args:
        perspective: "sparsity", "cold users" or "cold items".
        name: What these users have in common, in words.
        by: "history" or "target", what they were chosen by.
        users: Codes; may be empty.
    """

    perspective: str
    name: str
    by: str
    users: np.ndarray = field(repr=False)


def cuts_of(split, *, on: str = "test", few: int = 5) -> list[Cut]:
    """The strata of a split: thirds of the users by how much is known of them and of their items,
    and those of whom, or of whose items, next to nothing is known.

    Args:
        split: Users without targets are left out.
        on: "test" or "valid".
        few: At most so many items make a user cold, at most so many training histories an item.

    Returns:
        Eleven cuts, of which some may be empty, as cold users and items are where there are none.

    >>> from tutorial_lib.data import leave_last_out, load_dataset
    >>> [cut.name for cut in cuts_of(leave_last_out(load_dataset("world-news")))][:2]
    ['history of 4 to 11 items', 'history of 12 to 22 items']
    """
    if on not in ("test", "valid"):
        raise unknown_name("part of cuts_of", on, ("test", "valid"))
    check_whole("cuts_of", 0, few=few)
    histories, targets = getattr(split, f"{on}_history"), getattr(split, f"{on}_target")
    rows = [row for row, target in enumerate(targets) if len(target)]
    if not rows:
        raise InputError(f"cuts_of(on={on!r}): {split.name!r} has no targets there")
    users = np.asarray(split.users)[rows]
    lengths = np.array([len(histories[row]) for row in rows])
    counts = np.bincount(flatten(split.train)[0], minlength=split.dataset.n_items)
    known = np.array([counts[histories[row]].mean() if len(histories[row]) else 0 for row in rows])
    rarest = np.array([counts[targets[row]].min() for row in rows])
    about = "{low:.0f} to {high:.0f}"
    out = _thirds(users, lengths, f"history of {about} items", "history")
    words = f"items of the history in {about} training histories"
    out += _thirds(users, known, words, "history")
    out += _thirds(users, rarest, f"next item in {about} training histories", "target")
    cold = f"history of at most {few} items"
    out.append(Cut("cold users", cold, "history", users[lengths <= few]))
    cold = f"next item in at most {few} training histories"
    return [*out, Cut("cold items", cold, "target", users[rarest <= few])]


def _thirds(users: np.ndarray, values: np.ndarray, words: str, by: str) -> list[Cut]:
    """The users in three parts of about the same size, by a value; equal values stay together."""
    third = np.searchsorted(np.quantile(values, [1 / 3, 2 / 3]), values)
    out = []
    for part in range(len(PARTS)):
        chosen = values[third == part]
        name = f"{PARTS[part]} third: no user"
        if len(chosen):
            name = words.format(low=chosen.min(), high=chosen.max())
        out.append(Cut("sparsity", name, by, users[third == part]))
    return out


def by_cuts(
    frames: Mapping[str, pd.DataFrame],
    parts: Sequence[Cut],
    metric: str = "ndcg@10",
    *,
    ceiling: str = "",
) -> pd.DataFrame:
    """A leaderboard, one row for each cut and model.

    A cut that holds none of the frames' users is left out with a warning, and so is one by target
    where frames are in expectation, which says nothing of the targets that were drawn.

    Args:
        frames: Model -> one row per user, as from `evaluate`; of several seeds if the index has
            the levels "seed" and "user", whose mean is then taken.
        parts: From `cuts_of`.
        metric: A column of all frames.
        ceiling: The frame of the best that is possible, as of `Oracle`, if there is one.

    Returns:
        Columns perspective, cut, by, model, mean, low, high (95 % interval over users), users, and
        share of the ceiling (NaN in cuts by target, which have none).
    """
    if ceiling and ceiling not in frames:
        raise unknown_name("frame", ceiling, frames)
    expected = any(frame.attrs.get("expected") for frame in frames.values())
    values = {name: frame.groupby(level="user")[[metric]].mean() for name, frame in frames.items()}
    rows = []
    for cut in parts:
        inside = {name: frame[frame.index.isin(cut.users)] for name, frame in values.items()}
        if not all(map(len, inside.values())):
            _leave_out(cut, "none of the users that were judged is in it")
        elif expected and cut.by == "target":
            _leave_out(cut, "it needs lists judged by drawn targets: evaluate(expected=False)")
        else:
            best = inside[ceiling][metric].mean() if ceiling and cut.by == "history" else np.nan
            for name, frame in inside.items():
                i = mean_interval(frame, metric)
                key = (cut.perspective, cut.name, cut.by, name)
                rows.append((*key, i.mean, i.low, i.high, i.n, i.mean / best))
    columns = ["perspective", "cut", "by", "model", "mean", "low", "high", "users"]
    return pd.DataFrame(rows, columns=[*columns, "share of the ceiling"])


def _leave_out(cut: Cut, why: str) -> None:
    warnings.warn(f"cut {cut.name!r} ({cut.perspective}) is left out: {why}", stacklevel=3)


def expected_among(
    scores: np.ndarray,
    probabilities: np.ndarray,
    members: np.ndarray,
    histories: Sequence[np.ndarray],
    k: int = 10,
    *,
    users: Sequence[int] | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Metrics in expectation, given that the next item is one of ``members``, of a list of these.

    What a cut by target asks for, with a ceiling: the condition is part of the probabilities, and
    every model knows it. ``expected_among(probabilities, probabilities, ...)`` is the ceiling.

    Args:
        scores: [n, n_items]. Equal ones stand in a random order, so a model that knows nothing
            about the members is as good as chance.
        probabilities: [n, n_items] of the next item, as in `expected_metrics`.
        members: bool [n_items], such as new items.
        histories: Item codes of each row, int arrays; they are not listed.
        k: Length of the list.
        users: Codes, the index.
        seed: Of the order of equal scores.

    Raises:
        InputError: No member can come next.
    """
    p = np.asarray(probabilities) * members
    share = p.sum(axis=1)
    rows = np.flatnonzero(share > 0)
    if not len(rows):
        raise InputError("expected_among: none of the members can come next; the cut is empty")
    order = np.random.default_rng(seed).permutation(len(members))  # place -> item
    shuffled = np.where(members, scores, -np.inf)[np.ix_(rows, order)]
    place = np.argsort(order)
    lists = top_k(shuffled, k, exclude=[place[histories[row]] for row in rows.tolist()])
    lists = np.where(lists < 0, -1, order[lists])
    codes = np.arange(len(p)) if users is None else np.asarray(users)
    return expected_metrics(lists, p[rows] / share[rows, None], k, users=codes[rows].tolist())
