"""Checks of notebook 07: a paired bootstrap over users and seeds, on tables of known spread."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tutorial_workshop.exercises.checks import Mistake, expect_unchanged

RESAMPLES = 1000
WIDE = 2 * 1.96  # standard errors that a 95 % interval is long


def _tables(users: float, seeds: float, shape: tuple[int, int] = (80, 40)):
    """Two tables, [users, seeds], whose difference is .1 and what users and seeds add to it, with
    these spreads; both tables vary much more than their difference.
    """
    rng = np.random.default_rng(7)
    parts = [rng.normal(size=(shape[0], 1)), rng.normal(size=(1, shape[1]))]
    of_users, of_seeds = ((part - part.mean()) / part.std() for part in parts)
    common = rng.normal(size=shape)
    return common + 0.1 + users * of_users + seeds * of_seeds, common


def _interval(function: Callable, a, b, rng_seed: int = 0) -> tuple[float, float]:
    """The learner's interval, or a mistake that says what came out instead."""
    found = function(a, b, RESAMPLES, np.random.default_rng(rng_seed))
    call = f"paired_bootstrap(a, b, {RESAMPLES}, rng), a and b {list(a.shape)},"
    try:
        low, high = map(float, found)
    except (TypeError, ValueError):
        raise Mistake(f"`{call}` gave {found!r:.60}; expected two numbers, low and high.") from None
    if not low <= high:
        raise Mistake(f"`{call}` gave {low:.3f} to {high:.3f}; expected the lower end first.")
    return low, high


def _pairs_stay_pairs(function: Callable) -> None:
    """Where a beats b by .1 on every user and seed, there is nothing to be unsure of."""
    a, b = _tables(users=0, seeds=0)
    low, high = _interval(function, a, b)
    if high < 0:
        raise Mistake(
            f"a is better than b, and you give {low:.3f} to {high:.3f}: mean(a) − mean(b)."
        )
    if high - low > 1e-6:
        raise Mistake(
            f"a is better than b by 0.1 for every user in every seed, and you give {low:.3f} to"
            f" {high:.3f}. Draw users and seeds once a resample, the *same* ones for both models: a"
            " user who is hard for one is hard for the other."
        )
    if abs(low - 0.1) > 1e-6:
        raise Mistake(f"The difference is 0.1 everywhere; you give {low:.3f} to {high:.3f}.")


def _as_long_as(function: Callable, users: float, seeds: float, shorter: str) -> None:
    """The interval is as long as the spreads say; ``shorter``: why it may be less."""
    a, b = _tables(users, seeds)
    low, high = _interval(function, a, b)
    wanted = WIDE * np.sqrt(users**2 / a.shape[0] + seeds**2 / a.shape[1])
    share = (high - low) / wanted
    if 0.9 < share < 1.1:
        return
    told = f"The interval has {share:.0%} of the length that it should have"
    if 0.78 < share < 0.9:
        why = "That is a 90 % interval: take the quantiles .025 and .975."
    elif share > 1.1:
        why = "Did you draw fewer users or seeds than there are, or take quantiles further out?"
    else:
        why = shorter
    raise Mistake(f"{told}, where users differ by {users:g} and seeds by {seeds:g}. {why}")


def _other_users(function: Callable) -> None:
    """All seeds agree, users differ."""
    why = (
        "Draw users with replacement, as many as there are, whole rows and not cell by cell, and"
        " take quantiles of the resampled *means*: their spread is the standard error, so nothing"
        " is divided by a root."
    )
    _as_long_as(function, users=1.0, seeds=0.0, shorter=why)


def _other_seeds(function: Callable) -> None:
    """All users agree, seeds differ."""
    why = (
        "A seed's luck is shared by all its users. Draw the seeds too, once a resample and for all"
        " users together, not cell by cell and not anew for each user: else the luck averages out."
    )
    _as_long_as(function, users=0.0, seeds=1.0, shorter=why)
    _as_long_as(function, users=1.0, seeds=0.7, shorter=why)


def _percentiles(function: Callable) -> None:
    """Quantiles of means never leave the range of what was measured."""
    a, b = np.zeros((12, 3)), np.zeros((12, 3))
    a[0] = 1.0
    low, high = _interval(function, a, b)
    if low < 0:
        raise Mistake(
            f"No user is worse with a, and your interval begins at {low:.3f}. Take quantiles of the"
            " resampled means, not their mean ± 2 standard deviations."
        )


def _drawn_from_rng(function: Callable) -> None:
    """The same generator, the same interval."""
    a, b = _tables(users=1.0, seeds=0.5)
    if _interval(function, a, b, 1) != _interval(function, a, b, 1):
        raise Mistake("The same generator gave two intervals: draw from `rng` only.")
    if _interval(function, a, b, 1) == _interval(function, a, b, 2):
        raise Mistake(
            "Two generators gave the same interval: draw from `rng`, do not make another."
        )
    why = "The tables are the caller's. Take rows and columns of them, and write into neither."
    expect_unchanged(function, a, b, 10, np.random.default_rng(0), why=why)


CHECKS = {
    "07-bootstrap": (
        _pairs_stay_pairs,
        _other_users,
        _other_seeds,
        _percentiles,
        _drawn_from_rng,
    )
}
