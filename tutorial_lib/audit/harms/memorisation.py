"""H3, users: can a rare sequence be read out of a model? The canary test of Carlini et al. 2019."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats

from tutorial_lib.audit.core.finding import Finding, make_finding
from tutorial_lib.audit.harms.injection import with_fake_users
from tutorial_lib.audit.inference.statistics import Estimate
from tutorial_lib.data import Split
from tutorial_lib.errors import InputError
from tutorial_lib.evaluation import target_ranks

FEWEST = 30  # canaries below which there is no interval


def plant_canaries(
    split: Split, times: Sequence[int], n: int = 40, size: int = 6, *, seed: int = 0
) -> tuple[Split, dict[int, np.ndarray]]:
    """Put sequences that nobody would choose into the training data.

    Items are drawn evenly over the catalogue, so that no canary follows from what other users do.

    Args:
        times: how often each canary is repeated, a number for each set of canaries. 0 is the
            control, which the model never sees.
        n: canaries in each set.
        size: items in each canary.

    Returns:
        The split with the canaries, and for each of ``times`` its set, int [n, size].

    Raises:
        InputError: negative or repeated ``times``, none above 0, fewer than 2 canaries, or an
            impossible size.
    """
    n_items = split.dataset.n_items
    repeated = len(set(times)) < len(times)
    if n < 2 or not 2 <= size <= n_items or not any(times) or min(times) < 0 or repeated:
        raise InputError(
            f"plant_canaries: got times={list(times)}, n={n}, size={size}; expected different"
            f" times from 0, one above 0, n from 2, size 2..{n_items}"
        )
    rng = np.random.default_rng([seed, 67])
    catalogues = np.tile(np.arange(n_items), (n, 1))
    canaries = {often: rng.permuted(catalogues, axis=1)[:, :size] for often in times}
    rows = np.concatenate([np.repeat(some, often, axis=0) for often, some in canaries.items()])
    return with_fake_users(split, rows, f"{len(rows)} canaries", prefix="canary"), canaries


def canary_ranks(recommender, canaries: np.ndarray) -> np.ndarray:
    """1-based rank of each canary's last item after its others, among all items but those: int [n].

    Ties count half, rounded up.
    """
    known, last = canaries[:, :-1], canaries[:, -1]
    scores = np.array(recommender.score(list(known)), dtype=float)
    np.put_along_axis(scores, known, -np.inf, axis=1)
    return np.ceil(target_ranks(scores, last)).astype(int)


def canary_exposure(ranks: np.ndarray, candidates: int) -> np.ndarray:
    """Exposure of canaries in bits: log2(candidates) - log2(rank), [n].

    Of a canary that was never planted 2 ** -exposure is uniform, and the mean exposure 1.44 bits.

    Args:
        ranks: [n], 1-based rank of each canary among all ``candidates`` sequences of its format,
            itself included, by the model's likelihood.

    Source: Carlini et al. 2019, definition 2.

    >>> canary_exposure(np.array([1, 8]), 1024).tolist()
    [10.0, 7.0]
    """
    ranks = np.asarray(ranks, dtype=float)
    if candidates < 2 or (ranks < 1).any() or (ranks > candidates).any():
        raise InputError(
            f"canary_exposure: ranks must lie in 1..candidates ({candidates}), and there must be at"
            " least two candidates"
        )
    return np.log2(candidates) - np.log2(ranks)


def memorisation(
    ranks: np.ndarray, candidates: int, margin: float = 1.0, *, planted: int = 0, seed: int = 0
) -> Finding:
    """Mean exposure of canaries beyond that of canaries never planted, in bits.

    Interval: t over canaries. p: Kolmogorov-Smirnov test of 2 ** -exposure against the uniform
    distribution, the ranks spread within their step so that few candidates do not look like a
    departure from it.

    Args:
        ranks, candidates: as in `canary_exposure`.
        margin: in bits.
        planted: how often each canary was in the training data, for the name.
    """
    exposure = canary_exposure(ranks, candidates)
    n = len(exposure)
    null = float(np.mean(np.log2(candidates) - np.log2(np.arange(1, candidates + 1))))
    value = float(exposure.mean() - null)
    estimate = Estimate.nothing(value)
    if n >= FEWEST:
        se = float(exposure.std(ddof=1) / np.sqrt(n))
        reach = stats.t.ppf(0.975, n - 1) * se
        spread = (np.asarray(ranks) - np.random.default_rng([seed, 53]).random(n)) / candidates
        p = float(stats.kstest(spread, "uniform").pvalue)
        estimate = Estimate(value, value - reach, value + reach, p, se)
    return make_finding(
        "H3",
        "users",
        f"canary exposure, planted {planted} times (bits)",
        estimate,
        n_by_group={"canaries": n},
        margin=margin,
        notes=[
            f"Mean {exposure.mean():.2f} of at most {np.log2(candidates):.2f}.",
            f"Null mean {null:.2f}.",
        ],
    )
