"""A difference measured over several seeds: does it hold for other users and for other seeds?

Users x seeds are not independent pairs: all users of a seed share its model, its labelled users and
its luck, and one user's runs resemble each other. With the same users in every seed, both are
crossed, and the variance of the mean has a part from either (Searle, Casella & McCulloch 1992,
chapter 4). Simulated levels: ``tests/evaluation/test_two_levels.py``.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from tutorial_lib.evaluation.estimates import Estimate, Student, mean_estimate


def two_levels(differences: pd.Series) -> Estimate:
    """Mean over users, its interval and p for other users and other seeds.

    The hull of two intervals: over users, each user's differences averaged over seeds
    (`mean_estimate`), and over both (`crossed`), or, unless each user stands in every seed, over
    the means of the seeds: then few seeds leave few degrees of freedom.

    Args:
        differences: one per pair of index levels "seed", of which there are two or more, and
            "user".
    """
    table = differences.unstack("seed")  # [users, seeds]
    estimate = mean_estimate(table.mean(axis=1).to_numpy(), signed=True)
    if not estimate.parts:
        return estimate
    if table.notna().all(axis=None):
        second = crossed(table.to_numpy())
    else:
        by_seed = table.mean()
        se = float(by_seed.std() / np.sqrt(len(by_seed)))
        second = Student(float(by_seed.mean()), se, len(by_seed) - 1)
    if not second.se:
        return estimate
    return Estimate.of_parts(estimate.value, *estimate.parts, second)


def crossed(values: np.ndarray) -> Student:
    """The mean of a complete table, users and seeds both drawn at random.

    value = mean + user + seed + rest. With the mean squares of users, seeds and rest, the variance
    of the mean is (users + seeds - rest) / (U S), and no less than that of either alone. A few
    seeds give few degrees of freedom. Satterthwaite's would make one number of them, and is too
    sure of itself with two to four seeds that differ (levels of .07 to .13); Cochran and Cox's
    quantile keeps to .06. The seeds' share is what they exceed the rest by; (S - 2) / (S - 1) of
    the rest is taken off, so with two seeds, whose mean square is near 0 often by chance, nothing.

    Args:
        values: [U, S], finite, U and S at least 2.

    >>> round(crossed(np.array([[0.1, 0.3], [0.2, 0.4], [0.6, 0.8]])).centre, 3)
    0.4
    """
    users, seeds = values.shape
    by_user = values.mean(axis=1, keepdims=True)
    by_seed = values.mean(axis=0, keepdims=True)
    rest = ((values - by_user - by_seed + values.mean()) ** 2).sum() / ((users - 1) * (seeds - 1))
    of_users = float(seeds * by_user.var(ddof=1))
    of_seeds = float(users * by_seed.var(ddof=1))
    total = max(of_users + of_seeds - rest, of_users, of_seeds)
    extra = max(of_seeds - rest * (seeds - 2) / (seeds - 1), 0.0)
    share = extra / max(of_users + extra, np.finfo(float).tiny)
    se = float(np.sqrt(total / (users * seeds)))
    return Student(float(values.mean()), se, users - 1, few=seeds - 1, share=share)
