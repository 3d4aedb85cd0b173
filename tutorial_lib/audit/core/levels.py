"""What stands beside a difference: the mean of each side, their ratio, and how far the users of
unknown group could move it.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from tutorial_lib.audit.core.evidence import SUPPRESSED
from tutorial_lib.audit.core.finding import Level
from tutorial_lib.audit.inference.statistics import mean_estimate

Z = float(ndtri(0.975))
UNKNOWN = (np.nan, np.nan, np.nan)


def level(group: str, values: np.ndarray, minimum: int) -> Level:
    """Mean of one group's values with its 95 % interval; none below ``minimum`` users, not even a
    mean below ten.
    """
    if len(values) < max(minimum, 2):
        return Level(
            group, float(values.mean()) if len(values) >= SUPPRESSED else np.nan, np.nan, np.nan
        )
    found = mean_estimate(values)
    return Level(group, found.value, found.low, found.high)


def ratio_of_means(
    a: np.ndarray, b: np.ndarray, *, paired: bool = False
) -> tuple[float, float, float]:
    """mean(a) / mean(b) with its 95 % interval: all ratios r for which mean(a) - r mean(b) is not
    told from 0 (Fieller 1954).

    a, b: [n_a] and [n_b], of independent groups, or of the same users (``paired``, [n] each).
    The ends are nan where mean(b) itself is not told from 0: any ratio is then possible.

    >>> ratio_of_means(np.array([1.0, 1.0, 1.0]), np.array([2.0, 2.0, 2.0]))
    (0.5, 0.5, 0.5)
    """
    if min(len(a), len(b)) < 2 or b.mean() == 0:
        return UNKNOWN
    x, y = float(a.mean()), float(b.mean())
    var_x, var_y = float(a.var(ddof=1)) / len(a), float(b.var(ddof=1)) / len(b)
    both = float(np.cov(a, b)[0, 1]) / len(a) if paired else 0.0
    square, middle, rest = y * y - Z * Z * var_y, x * y - Z * Z * both, x * x - Z * Z * var_x
    if square <= 0:
        return x / y, np.nan, np.nan
    reach = np.sqrt(max(0.0, middle * middle - square * rest))
    return x / y, float((middle - reach) / square), float((middle + reach) / square)


def missing_interval(a: np.ndarray, b: np.ndarray, unknown: np.ndarray) -> tuple[float, float]:
    """From the smallest to the largest mean(a) - mean(b) over every way to put the users of unknown
    group into a or b, sampling included.

    Each way has its Welch interval (normal quantile); the result reaches from the lowest end of any
    to the highest. An extreme way sorts the unknown users by value and cuts once, so all n + 1 cuts
    from below and from above are tried.

    >>> low, high = missing_interval(np.repeat([0.0, 1.0], 50), np.repeat([0.0, 1.0], 50), np.ones(100))
    >>> low < -0.25 and high > 0.25
    True
    """
    ordered = np.sort(np.asarray(unknown, dtype=float))
    low = min(_ends(a, b, ordered)[0].min(), _ends(a, b, ordered[::-1])[0].min())
    high = max(_ends(a, b, ordered)[1].max(), _ends(a, b, ordered[::-1])[1].max())
    return float(low), float(high)


def _ends(a: np.ndarray, b: np.ndarray, ordered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the interval of the gap if the first j of the ordered values go to a and the others
    to b, j = 0..n: two [n + 1].
    """
    first = np.arange(len(ordered) + 1)
    total, squares = (np.concatenate([[0.0], np.cumsum(ordered**power)]) for power in (1, 2))
    mean_a, part_a = _moments(len(a) + first, np.sum(a) + total, np.sum(a**2) + squares)
    mean_b, part_b = _moments(
        len(b) + first[::-1], np.sum(b) + total[-1] - total, np.sum(b**2) + squares[-1] - squares
    )
    reach = Z * np.sqrt(part_a + part_b)
    return mean_a - mean_b - reach, mean_a - mean_b + reach


def _moments(
    n: np.ndarray, total: np.ndarray, squares: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and its squared standard error, from the count, the sum and the sum of squares."""
    mean = total / n
    return mean, np.maximum(squares / n - mean**2, 0.0) / np.maximum(n - 1, 1)
