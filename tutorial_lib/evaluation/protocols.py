"""Evaluation protocols you will meet in papers and should not use to rank models, kept here to show
what they do.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import gammaln

from tutorial_lib.errors import InputError
from tutorial_lib.evaluation.full_ranking import frame_of, groups_of_scores, scored_blocks
from tutorial_lib.evaluation.metrics import cutoffs
from tutorial_lib.evaluation.ranks import Ties, check_ties

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
    """Metrics with the targets ranked among a few sampled items only: biased, for teaching and for
    reading old papers.

    negatives: items drawn per user without replacement, never seen ones nor targets (99 and 100 are
        usual; all that remain if there are fewer). by: "uniform" over items, or "popularity"
        (chance proportional to training interactions).
    seed: of the draw; the same users get the same negatives for every recommender and every
        ``block``.
    k, on, ties, block, returns: as in `evaluate`.
    Warns SampledMetricsWarning always. Source: Krichene & Rendle 2020, "On sampled metrics for item
    recommendation".
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
    counts = (
        np.bincount(np.concatenate(split.train).astype(np.int64), minlength=n_items)
        if by == "popularity"
        else np.ones(n_items)
    )
    parts, users = [], []
    for who, histories, targets, scores in scored_blocks(recommender, split, on, block):
        barred = [
            np.concatenate([history, target])
            for history, target in zip(histories, targets, strict=True)
        ]
        drawn = np.stack(
            [
                _draw(counts, bar, negatives, seed, user)
                for bar, user in zip(barred, who, strict=True)
            ]
        )
        parts.append(groups_of_scores(scores, targets, ~drawn, ties, who))
        users.append(who)
    frame = frame_of(parts, ks, pd.Index(np.concatenate(users), name="user"), len(split.users))
    what = f"targets among {negatives} {by} negatives, seed {seed}, ties {ties}"
    text = (
        f"SAMPLED, {split.name} {on} of {split.dataset.name}: {what}, {len(frame):,} users averaged"
    )
    frame.attrs.update(on=on, ties=ties, sampled=negatives, protocol=text)
    return frame


def _draw(weights: np.ndarray, barred: np.ndarray, n: int, seed: int, user: int) -> np.ndarray:
    """Boolean [n_items]: up to n items drawn without replacement, by weight (exponential races:
    Efraimidis & Spirakis 2006).
    """
    waiting = np.random.default_rng([seed, int(user)]).exponential(size=len(weights)) / np.where(
        weights > 0, weights, np.nan
    )
    waiting[barred.astype(np.int64)] = np.nan
    first = np.argpartition(waiting, n - 1)[:n]  # NaN sorts last
    drawn = np.zeros(len(weights), dtype=bool)
    drawn[first[~np.isnan(waiting[first])]] = True
    return drawn


def expected_sampled(
    ranks: np.ndarray, candidates: np.ndarray, k: int = 10, *, negatives: int = 100
) -> pd.DataFrame:
    """What `evaluate_sampled` gives on average over all draws of uniform negatives, exactly, from
    the ranks in the full catalogue.

    A target with a items above it among c others meets x of them in a sample of m with the
    hypergeometric chance P(x) = C(a, x) C(c - a, m - x) / C(c, m), and then stands at rank x + 1
    (Krichene & Rendle 2020, section 4, without replacement).

    ranks: [n] 1-based whole ranks among all items not seen. candidates: [n] how many other items
        are ranked (the target not counted).
    negatives: m; where a user has fewer candidates, all of them.
    Returns columns ``hit@k``, ``mrr@k``, ``ndcg@k``, one row a user.

    >>> expected_sampled([3], [9], k=1, negatives=9)["hit@1"].item(), expected_sampled([2], [9], k=1, negatives=3)["hit@1"].round(3).item()
    (0.0, 0.667)
    """
    (k,), ranks, others = cutoffs(k), np.asarray(ranks), np.asarray(candidates)
    if (
        ranks.ndim != 1
        or ranks.shape != others.shape
        or (ranks != ranks.astype(int)).any()
        or (ranks < 1).any()
        or (ranks > others + 1).any()
    ):
        raise InputError(
            "expected_sampled: expected one whole rank in 1..candidates + 1 for each user, such as"
            " target_ranks(..., ties='index')"
        )
    if negatives < 1:
        raise InputError(f"expected_sampled(negatives={negatives}): expected 1 or more")
    above, m, x = (
        ranks.astype(int)[:, None] - 1,
        np.minimum(negatives, others)[:, None],
        np.arange(k),
    )
    others = others.astype(int)[:, None]
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
    interaction lies after the test event (Ji et al. 2023, arXiv 2010.11060). A temporal split keeps
    this near zero.

    recommended: [n_users, k] item codes, one row for each of ``split.users``; -1 = padding.
    Returns column ``impossible`` in [0, 1], index "user", for users with targets and at least one
    recommendation.
    """
    recommended = np.asarray(recommended)
    if recommended.ndim != 2 or len(recommended) != len(split.users):
        raise InputError(
            f"impossible_share: expected one row per user of the split, shape ({len(split.users)},"
            f" k), got {recommended.shape}"
        )
    interactions = split.dataset.interactions
    first = np.full(split.dataset.n_items, np.inf)
    np.minimum.at(first, interactions["item"].to_numpy(), interactions["timestamp"].to_numpy())
    time = interactions["timestamp"].to_numpy()[split.dataset.sorted_rows()]
    ends = np.cumsum(np.bincount(interactions["user"].to_numpy(), minlength=split.dataset.n_users))
    starts = np.concatenate([[0], ends[:-1]])[split.users]
    position = np.fromiter(
        map(len, getattr(split, f"{on}_history")), dtype=np.int64, count=len(split.users)
    )
    tested = (
        np.fromiter(
            map(len, getattr(split, f"{on}_target")), dtype=np.int64, count=len(split.users)
        )
        > 0
    )
    kept = np.flatnonzero(tested & (recommended >= 0).any(axis=1))
    event = time[(starts + position)[kept]]
    lists = recommended[kept]
    later = (first[np.maximum(lists, 0)] > event[:, None]) & (lists >= 0)
    share = later.sum(axis=1) / (lists >= 0).sum(axis=1)
    return pd.DataFrame(
        {"impossible": share}, index=pd.Index(np.asarray(split.users)[kept], name="user")
    )
