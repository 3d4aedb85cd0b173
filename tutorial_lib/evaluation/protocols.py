"""Protocols that papers use and that should not rank models, kept here to show what they do."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import gammaln

from tutorial_lib.errors import InputError
from tutorial_lib.evaluation.full_ranking import scored_blocks
from tutorial_lib.evaluation.metrics import cutoffs
from tutorial_lib.evaluation.ranks import Ties, check_ties, frame_of, rank_targets

SAMPLED_WARNING = (
    "sampled metrics rank the target among {n} {by} negatives, not among all items: they are biased"
    " upwards, can order models differently from the full ranking even in expectation, and cannot"
    " be compared with it (Krichene & Rendle 2020, KDD). Use evaluate() to compare models."
)


class SampledMetricsWarning(UserWarning):
    """Says that a number was computed against sampled negatives."""


def evaluate_sampled(
    recommender,
    split,
    k: int | Sequence[int] = (5, 10),
    on: str = "test",
    *,
    negatives: int = 100,
    by: str = "uniform",
    seed: int = 0,
    ties: Ties = "expected",
    block: int | None = None,
) -> pd.DataFrame:
    """Metrics with the targets ranked among a few sampled items only: biased, for teaching.

    Warns SampledMetricsWarning always. Arguments that are not listed, and what is returned: as in
    `evaluate`.

    Args:
        negatives: items drawn per user without replacement, neither seen ones nor targets (99 and
            100 are usual; all that remain if there are fewer).
        by: "uniform" over items, or "popularity" (chance proportional to training interactions).
        seed: of the draw; the same users get the same negatives for every recommender and every
            ``block``.

    Source: Krichene & Rendle 2020, "On sampled metrics for item recommendation".
    """
    ks = cutoffs(k)
    check_ties(ties)
    if by not in ("uniform", "popularity"):
        raise InputError(f"evaluate_sampled(by={by!r}): expected 'uniform' or 'popularity'")
    n_items = split.dataset.n_items
    if not 1 <= negatives < n_items:
        raise InputError(
            f"evaluate_sampled(negatives={negatives}): expected 1..{n_items - 1}, fewer than the"
            " catalogue has items"
        )
    warnings.warn(SAMPLED_WARNING.format(n=negatives, by=by), SampledMetricsWarning, stacklevel=2)
    weights = np.ones(n_items)
    if by == "popularity":
        weights = np.bincount(np.concatenate(split.train).astype(np.int64), minlength=n_items)
    blocks = []
    for users, histories, targets, scores in scored_blocks(recommender, split, on, block):
        draw = [
            _draw(weights, history, target, negatives, [seed, int(user)])
            for user, history, target in zip(users, histories, targets, strict=True)
        ]
        blocks.append(rank_targets(scores, targets, ~np.array(draw), ties, users))
    frame = frame_of(blocks, ks, len(split.users))
    frame.attrs.update(on=on, ties=ties, sampled=negatives)
    frame.attrs["protocol"] = (
        f"SAMPLED, {split.name} {on} of {split.dataset.name}: targets among {negatives} {by}"
        f" negatives, seed {seed}, ties {ties}, {len(frame):,} users averaged"
    )
    return frame


def _draw(
    weights: np.ndarray, history: np.ndarray, target: np.ndarray, n: int, seed: list[int]
) -> np.ndarray:
    """Boolean [n_items]: the target, and up to n other new items drawn without replacement.

    Exponential races: the item with the largest weight tends to arrive first (Efraimidis &
    Spirakis 2006).
    """
    times = np.random.default_rng(seed).exponential(size=len(weights))
    times = times / np.where(weights > 0, weights, np.nan)
    times[np.concatenate([history, target]).astype(np.int64)] = np.nan
    first = np.argpartition(times, n - 1)[:n]  # NaN sorts last
    ranked = np.zeros(len(weights), dtype=bool)
    ranked[first[~np.isnan(times[first])]] = True
    ranked[target] = True
    return ranked


def expected_sampled(
    ranks: Sequence[int] | np.ndarray,
    candidates: Sequence[int] | np.ndarray,
    k: int = 10,
    *,
    negatives: int = 100,
) -> pd.DataFrame:
    """What `evaluate_sampled` gives on average over all draws of uniform negatives, exactly.

    A target with a items above it among c others meets x of them in a sample of m with the
    hypergeometric chance P(x) = C(a, x) C(c - a, m - x) / C(c, m), and then stands at rank x + 1.

    Args:
        ranks: [n], 1-based whole ranks among all items not seen.
        candidates: [n], how many other items are ranked (the target not counted).
        k: cut-off.
        negatives: m; where a user has fewer candidates, all of them.

    Returns:
        Columns ``hit@k``, ``mrr@k``, ``ndcg@k``, one row per user.

    Source: Krichene & Rendle 2020, section 4, without replacement.

    >>> expected_sampled([2], [9], k=1, negatives=3)["hit@1"].round(3).item()
    0.667
    """
    (k,) = cutoffs(k)
    ranks = np.asarray(ranks)
    others = np.asarray(candidates)
    one_each = ranks.ndim == 1 and ranks.shape == others.shape
    if not one_each or ((ranks < 1) | (ranks > others + 1) | (ranks % 1 != 0)).any():
        raise InputError(
            "expected_sampled: expected one whole rank in 1..candidates + 1 for each user, such as"
            " target_ranks(..., ties='index')"
        )
    if negatives < 1:
        raise InputError(f"expected_sampled(negatives={negatives}): expected 1 or more")
    above = ranks.astype(int)[:, None] - 1
    others = others.astype(int)[:, None]
    m = np.minimum(negatives, others)
    x = np.arange(k)
    chance = np.exp(
        _log_choose(above, x) + _log_choose(others - above, m - x) - _log_choose(others, m)
    )
    gains = {"hit": np.ones(k), "mrr": 1 / (x + 1), "ndcg": 1 / np.log2(x + 2)}
    return pd.DataFrame({f"{name}@{k}": chance @ gain for name, gain in gains.items()})


def _log_choose(n: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Natural log of the binomial coefficient; -inf where x is not in 0..n."""
    possible = (x >= 0) & (x <= n)
    x = np.where(possible, x, 0)
    return np.where(possible, gammaln(n + 1.0) - gammaln(x + 1.0) - gammaln(n - x + 1.0), -np.inf)


def impossible_share(recommended: np.ndarray, split, on: str = "test") -> pd.DataFrame:
    """Share of each user's recommendations that nobody had met yet when the user's target happened.

    Leave-last-out trains on the whole time line, so a model can recommend an item whose first
    interaction lies after the test event. A temporal split keeps this near zero.

    Args:
        recommended: [n_users, k] item codes, one row for each of ``split.users``; -1 = padding.
        split: any split.
        on: "test" or "valid".

    Returns:
        Column ``impossible`` in [0, 1], index "user", for users with targets and at least one
        recommendation.

    Source: Ji et al. 2023, arXiv 2010.11060.
    """
    recommended = np.asarray(recommended)
    n_users = len(split.users)
    if recommended.ndim != 2 or len(recommended) != n_users:
        raise InputError(
            f"impossible_share: expected one row per user of the split, shape ({n_users}, k), got"
            f" {recommended.shape}"
        )
    log = split.dataset.interactions
    time = log["timestamp"].to_numpy()
    first = np.full(split.dataset.n_items, np.inf)  # when an item was met for the first time
    np.minimum.at(first, log["item"].to_numpy(), time)
    lengths = np.bincount(log["user"].to_numpy(), minlength=split.dataset.n_users)
    begins = (np.cumsum(lengths) - lengths)[split.users]  # of each user, among the sorted rows
    history = np.array([len(items) for items in getattr(split, f"{on}_history")])
    tested = np.array([len(items) > 0 for items in getattr(split, f"{on}_target")])
    kept = np.flatnonzero(tested & (recommended >= 0).any(axis=1))
    event = time[split.dataset.sorted_rows()][(begins + history)[kept]]
    lists = recommended[kept]
    is_item = lists >= 0
    later = (first[np.maximum(lists, 0)] > event[:, None]) & is_item
    share = later.sum(axis=1) / is_item.sum(axis=1)
    users = pd.Index(np.asarray(split.users)[kept], name="user")
    return pd.DataFrame({"impossible": share}, index=users)
