"""Metrics of recommendation lists in expectation, where the chance of every next item is known.

A drawn target tells little about a list: NDCG@10 of one user is mostly 0. On a planted world the
probability of each next item is known, so what the list scores on average over all targets that
could have been drawn is a sum, not a sample: the same mean as with drawn targets, without their
noise (Rao-Blackwell). No model sees these probabilities; they judge, as the targets do.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from tutorial_lib.errors import InputError
from tutorial_lib.evaluation.metrics import METRICS, cutoffs
from tutorial_lib.evaluation.ranking import first_places

UNLIKELY = 5.0  # standard errors between the targets' log probability and what the truth leads to


def expected_metrics(
    lists: np.ndarray,
    probabilities: np.ndarray,
    k: int | Sequence[int] = (5, 10),
    *,
    users: Sequence[int] | None = None,
) -> pd.DataFrame:
    """The metrics of `ranking_metrics` in expectation over one relevant item, the next one.

    E[NDCG@k | history] = sum over the ranks r <= k of p(item at r | history) / log2(r + 1), and
    likewise 1/r for MRR and MAP, 1 for hit and recall, 1/k for precision.

    Args:
        lists: [n, k or more] item codes, best first; -1 = nothing, which is skipped. A repeated
            item takes up its place and counts at its first.
        probabilities: [n, n_items] of the next item given each history, as
            ``truth.next_item_probabilities(histories)`` gives them. If the model was shown altered
            histories, these are still those of the true ones.
        k: cut-off or cut-offs.
        users: [n] user codes, the index (default: 0, 1, ...).

    Returns:
        The columns of `ranking_metrics`, index "user"; ``attrs``: n_users, n_excluded, k.

    Raises:
        InputError: Lists shorter than k, codes outside the catalogue, another number of rows, or
            rows of probabilities that are none.

    Source: Blackwell 1947 (a conditional expectation has the same mean and no more variance).

    >>> frame = expected_metrics([[2, 0]], [[0.5, 0.2, 0.3]], k=2)
    >>> frame[["hit@2", "mrr@2", "ndcg@2"]].round(3).loc[0].tolist()
    [0.8, 0.55, 0.615]
    """
    ks = cutoffs(k)
    lists, probabilities = _checked(lists, probabilities, max(ks))
    places = first_places(lists, max(ks))
    chance = np.take_along_axis(probabilities, np.maximum(places, 0), axis=1)
    chance[(places < 0) | _repeated(places)] = 0.0
    ranks = np.arange(1, places.shape[1] + 1)
    columns: dict[str, np.ndarray] = {}
    for cutoff in ks:
        head, rank = chance[:, :cutoff], ranks[:cutoff]
        hit, reciprocal, ndcg = head.sum(axis=1), head @ (1 / rank), head @ (1 / np.log2(rank + 1))
        values = dict.fromkeys(("recall", "hit"), hit)
        values |= dict.fromkeys(("mrr", "map", "map_r"), reciprocal)
        values |= {"precision": hit / cutoff, "ndcg": ndcg}
        columns |= {f"{metric}@{cutoff}": values[metric] for metric in METRICS}
    index = pd.Index(np.arange(len(lists)) if users is None else users, name="user")
    frame = pd.DataFrame(columns, index=index)
    frame.attrs.update(n_users=len(frame), n_excluded=0, k=list(ks))
    return frame


def evaluate_expected(
    recommender, split, blocks: Iterable, ks: Sequence[int], *, on: str, exclude_seen: bool
) -> pd.DataFrame:
    """`expected_metrics` of a recommender's own top lists: what `evaluate` does where asked to.

    Args:
        recommender: anything with ``recommend``.
        split: of a dataset with ``truth``.
        blocks: (user codes, histories, targets) of some users at a time.
        ks: cut-offs.
        on: "test" or "valid", the part that the targets are of.
        exclude_seen: as in ``recommend``.
    """
    truth = _truth_of(split).on(on)
    if not hasattr(recommender, "recommend"):
        raise InputError(
            f"evaluate(expected=True): {type(recommender).__name__} has no recommend(histories, k);"
            " expected a Recommender, such as a subclass of ScoreRecommender"
        )
    frames, surprises = [], []
    for users, histories, targets in blocks:
        lists = recommender.recommend(histories, k=max(ks), users=users, exclude_seen=exclude_seen)
        probabilities = truth.next_item_probabilities(histories)
        if len(np.atleast_1d(lists)) != len(users):
            raise InputError(
                f"{type(recommender).__name__}.recommend gave {len(np.atleast_1d(lists))} lists"
                f" for {len(users)} histories; expected one list per history"
            )
        frames.append(expected_metrics(lists, probabilities, ks, users=users))
        surprises.append(_surprise(probabilities, targets))
    _refuse_foreign(split, np.concatenate(surprises, axis=1))
    frame = pd.concat(frames)
    frame.attrs.update(n_users=len(frame), n_excluded=len(split.users) - len(frame), k=list(ks))
    return frame


def _truth_of(split):
    """The truth of a split's dataset; InputError where there is none, or it does not fit."""
    ds = split.dataset
    if ds.truth is None:
        raise InputError(
            f"evaluate(expected=True): the next-item probabilities of {ds.name!r} are not known, "
            "only those of a whole planted world; leave out expected=True to judge by the targets"
        )
    if ds.truth.n_items != ds.n_items:
        raise InputError(
            f"evaluate(expected=True): {ds.name!r} has {ds.n_items} items, its truth "
            f"{ds.truth.n_items}; use the dataset as load_dataset gives it"
        )
    return ds.truth


def _surprise(probabilities: np.ndarray, targets: Sequence[np.ndarray]) -> np.ndarray:
    """[2, n]: log p of each target minus its mean under the truth, and its variance.

    A target that repeats an item of the history lies outside the process: it gives 0, 0.
    """
    if any(len(target) > 1 for target in targets):
        raise InputError(
            "evaluate(expected=True): some users have several targets; the truth is that of one"
            " next item, so use leave_last_out"
        )
    log_p = np.log(np.maximum(probabilities, 1e-300))
    mean = (probabilities * log_p).sum(axis=1)
    variance = (probabilities * log_p**2).sum(axis=1) - mean**2
    of_target = log_p[np.arange(len(targets)), np.concatenate(targets)]
    return np.where(of_target > -600, [of_target - mean, variance], 0.0)


def _refuse_foreign(split, surprises: np.ndarray) -> None:
    """InputError where the targets are no draws from the truth, as after a change of histories."""
    difference, variance = surprises.sum(axis=1)
    if abs(difference) > UNLIKELY * np.sqrt(variance):
        raise InputError(
            f"evaluate(expected=True): the targets of {split.name!r} of {split.dataset.name!r} are"
            " no draws from its truth: another world, altered histories, or users chosen by their"
            " target? Choose users by their history, and give altered lists to expected_metrics"
            " with the probabilities of the true histories"
        )


def _repeated(places: np.ndarray) -> np.ndarray:
    """Boolean [n, k]: the places whose item stands at an earlier place already."""
    order = np.argsort(places, axis=1, kind="stable")
    ordered = np.take_along_axis(places, order, axis=1)
    again = np.zeros(places.shape, dtype=bool)
    np.put_along_axis(again, order[:, 1:], ordered[:, 1:] == ordered[:, :-1], axis=1)
    return again


def _checked(lists, probabilities, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Both as arrays [n, length] and [n, n_items]; InputError says what does not fit."""
    try:
        lists = np.asarray(lists)
        probabilities = np.asarray(probabilities, dtype=np.float64)
    except (TypeError, ValueError):
        lists = np.empty(0)
        probabilities = np.empty(0)
    if lists.ndim != 2 or probabilities.ndim != 2 or len(lists) != len(probabilities):
        raise InputError(
            "expected_metrics: expected lists [n, k] of item codes (fill short lists with -1) and"
            f" probabilities [n, n_items], got shapes {lists.shape} and {probabilities.shape}"
        )
    if not len(lists):
        raise InputError("expected_metrics: no lists; expected at least one row")
    n_items = probabilities.shape[1]
    if lists.shape[1] < k:
        raise InputError(
            f"expected_metrics: lists of {lists.shape[1]} places for k={k}; ask for {k} items, or"
            " fill up with -1"
        )
    if lists.dtype.kind not in "iu" or lists.min() < -1 or lists.max() >= n_items:
        raise InputError(
            f"expected_metrics: expected item codes 0..{n_items - 1} in lists, -1 for nothing"
        )
    off = ~(np.abs(probabilities.sum(axis=1) - 1) < 1e-6) | ~(probabilities >= 0).all(axis=1)
    if off.any():
        raise InputError(
            f"expected_metrics: the probabilities of row {np.flatnonzero(off)[0]} are negative or"
            f" sum to {probabilities[off][0].sum():.4g}; expected 0 or more and a sum of 1"
        )
    return lists, probabilities
