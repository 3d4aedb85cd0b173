"""Differences over several seeds: the level is kept for other users and for other seeds, and what
can be seen is worked out.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tutorial_lib.errors import InputError
from tutorial_lib.evaluation import compare
from tutorial_lib.evaluation.estimates import Student
from tutorial_lib.evaluation.two_levels import crossed, two_levels

USER, REST = 0.035, 0.02  # spread over users, and of what remains: as measured between strategies


def differences(rng, users, seeds, *, seed_sd=0.0, user=USER, rest=REST, skewed=False):
    """[users, seeds] of two systems that are equal on average."""
    own = rng.exponential(user, users) - user if skewed else rng.normal(0, user, users)
    if skewed:  # and half of the users do not differ at all, but for the rest
        own *= rng.random(users) < 0.5
    return own[:, None] + rng.normal(0, seed_sd, seeds) + rng.normal(0, rest, (users, seeds))


def series(table: np.ndarray, own_users: bool = False) -> pd.Series:
    """The table with the levels "seed" and "user"; with own users, none stands in two seeds."""
    users, seeds = table.shape
    index = pd.MultiIndex.from_product([range(seeds), range(users)], names=["seed", "user"])
    values = pd.Series(table.T.ravel(), index=index)
    if own_users:
        seed, user = (index.get_level_values(level) for level in index.names)
        values.index = pd.MultiIndex.from_arrays([seed, user + 1000 * seed], names=index.names)
    return values


def frames(values: pd.Series) -> tuple[pd.DataFrame, pd.DataFrame]:
    a = values.to_frame("ndcg@10")
    return a, a * 0


def rejected(estimates, repeats) -> float:
    return sum(e.p < 0.05 for e in estimates) / repeats


CELLS = [  # seeds, users, spread of the seeds, skewed
    (2, 40, 0.0, True),
    (2, 300, 0.005, False),
    (3, 40, 0.002, True),
    (3, 300, 0.005, False),
    (5, 40, 0.0, True),
    (5, 300, 0.002, False),
    (5, 400, 0.005, True),
    (5, 400, 0.0, False),
]


@pytest.mark.parametrize("seeds, users, seed_sd, skewed", CELLS)
def test_the_level_is_kept_whatever_the_seeds_do(seeds, users, seed_sd, skewed):
    """At most .06 of samples without a difference give p < .05 (2,000 samples of 54 such cells:
    .009 to .063).
    """
    rng, repeats = np.random.default_rng(8), 250
    drawn = (
        two_levels(series(differences(rng, users, seeds, seed_sd=seed_sd, skewed=skewed)))
        for _ in range(repeats)
    )
    assert rejected(drawn, repeats) <= 0.06 + 2.5 * np.sqrt(0.06 * 0.94 / repeats)


def mean_squares(rng, repeats, users, seeds, seed_sd):
    """Sufficient statistics of normal tables, drawn as such: mean, and mean squares of users, seeds
    and rest.
    """
    expected = (
        (users - 1, seeds * USER**2 + REST**2),
        (seeds - 1, users * seed_sd**2 + REST**2),
        ((users - 1) * (seeds - 1), REST**2),
    )
    squares = [e * rng.chisquare(df, repeats) / df for df, e in expected]
    variance = seed_sd**2 / seeds + USER**2 / users + REST**2 / (users * seeds)
    return rng.normal(0, np.sqrt(variance), repeats), *squares


def of_mean_squares(mean, of_users, of_seeds, rest, users, seeds) -> Student:
    """`crossed` of a table with these: three orthogonal patterns, scaled."""
    row = np.tile([1.0, -1.0], users)[:users]
    column = np.tile([1.0, -1.0], seeds)[:seeds]
    row, column = row - row.mean(), column - column.mean()
    unit_row, unit_column = row / np.linalg.norm(row), column / np.linalg.norm(column)
    return crossed(
        mean
        + np.sqrt(of_users * (users - 1) / seeds) * unit_row[:, None]
        + np.sqrt(of_seeds * (seeds - 1) / users) * unit_column
        + np.sqrt(rest * (users - 1) * (seeds - 1)) * np.outer(unit_row, unit_column)
    )


@pytest.mark.parametrize("tests", [1, 24])
@pytest.mark.parametrize("seeds, users, seed_sd", [(2, 40, 0.005), (3, 40, 0.002), (5, 300, 0.005)])
def test_the_level_is_kept_in_the_tail_that_holm_asks_for(seeds, users, seed_sd, tests):
    """At .05 / 24 a statistic must be right far out: twice that is the most that is borne."""
    rng, repeats = np.random.default_rng(9), 4000
    drawn = zip(*mean_squares(rng, repeats, users, seeds, seed_sd), strict=True)
    level = 0.05 / tests
    found = 0
    for mean, *squares in drawn:
        t = of_mean_squares(mean, *squares, users, seeds)
        found += abs(mean) > t.reach(level / 2)
    allowed = 0.05 if tests == 1 else 2 * level
    assert found / repeats <= allowed + 2.5 * np.sqrt(allowed / repeats)


@pytest.mark.parametrize("users, seed_sd, most", [(300, 0.0, 0.0093), (400, 0.0, 0.0081)])
def test_what_a_family_of_24_can_see_with_five_seeds(users, seed_sd, most):
    """The declared family: with seeds that do not matter, .0085 (300 users) and .0074 (400) are
    seen in 80 % of repetitions; what is printed is that, or a little more.
    """
    rng, repeats = np.random.default_rng(10), 1500
    drawn = list(zip(*mean_squares(rng, repeats, users, 5, seed_sd), strict=True))
    parts = [of_mean_squares(*one, users, 5) for one in drawn]
    reaches = np.array([t.reach(0.05 / 48) for t in parts])
    centres = np.array([t.centre for t in parts])
    seen = np.quantile(reaches - centres, 0.8)  # a shift by so much is seen in 80 %
    printed = np.median([t.reach(0.05 / 48) + t.reach(0.2) for t in parts])
    assert seen < most and seen * 0.93 < printed < seen * 1.15


def test_seeds_that_differ_cost_what_they_must():
    """The interval is wider than over users alone, and narrower than by the seeds' means alone."""
    rng = np.random.default_rng(11)
    table = differences(rng, 300, 5, seed_sd=0.002)
    both = compare(*frames(series(table)))
    users = compare(*frames(series(table.mean(axis=1, keepdims=True))))
    assert both.difference == pytest.approx(users.difference) and both.n == users.n == 300
    assert np.ptp(both.ci) >= np.ptp(users.ci) * (1 - 1e-9) and both.pairs == 1500
    assert "300, paired, over 5 seeds" in str(both)


def test_the_variance_of_the_mean_by_hand():
    """(users + seeds - rest) / (U S), and the quantile between those of both."""
    table = differences(np.random.default_rng(12), 50, 4, seed_sd=0.05)
    of_users = 4 * table.mean(axis=1).var(ddof=1)
    of_seeds = 50 * table.mean(axis=0).var(ddof=1)
    rest = (table - table.mean(axis=1, keepdims=True) - table.mean(axis=0) + table.mean()).ravel()
    rest = (rest @ rest) / (49 * 3)
    t = crossed(table)
    assert t.centre == pytest.approx(table.mean())
    assert t.se**2 == pytest.approx((of_users + of_seeds - rest) / 200)
    quantiles = stats.t.ppf(0.975, [49, 3])
    share = (of_seeds - rest * 2 / 3) / (of_users + of_seeds - rest * 2 / 3)
    assert t.reach(0.025) == pytest.approx(t.se * (quantiles @ [1 - share, share]))
    for tail in (0.4, 0.025, 1e-5):
        assert t.tail(t.reach(tail)) == pytest.approx(tail)
    assert t.tail(-t.reach(0.1)) == pytest.approx(0.9) and t.tail(0) == pytest.approx(0.5)


def test_users_that_no_seed_shares_are_judged_over_seeds():
    """Nested: the seeds' means are all that is independent; a user missing in one seed alike."""
    rng, repeats = np.random.default_rng(13), 300
    spread = {"seed_sd": 0.02, "user": 0, "rest": np.hypot(USER, REST)}  # each pair its own user
    tables = [differences(rng, 40, 5, **spread) for _ in range(repeats)]
    nested = [two_levels(series(table, own_users=True)) for table in tables]
    assert rejected(nested, repeats) <= 0.05 + 2.5 * np.sqrt(0.05 * 0.95 / repeats)
    pooled = [compare(*frames(series(t).reset_index(drop=True))) for t in tables]
    assert rejected(pooled, repeats) > 0.2
    by_seed = tables[0].mean(axis=0)
    reach = stats.t.ppf(0.975, 4) * by_seed.std(ddof=1) / np.sqrt(5)
    assert nested[0].low == pytest.approx(by_seed.mean() - reach)
    holed = two_levels(series(tables[0]).iloc[1:])
    assert holed.parts[-1].freedom == 4 and not holed.parts[-1].share


def test_it_says_what_it_cannot_know():
    a, b = frames(series(differences(np.random.default_rng(14), 40, 1)))
    one = compare(a, b)
    plain = compare(a.droplevel("seed"), b.droplevel("seed"))
    assert (one.ci, one.p) == (plain.ci, plain.p) and "not for other seeds" in str(one)
    a, b = frames(series(differences(np.random.default_rng(14), 40, 3)))
    same = compare(b, b)
    assert np.isnan([same.p, same.minimum_detectable_effect]).all()
    assert "no user differs" in same.note and same.verdict(0.01) == "inconclusive"
    user = a.xs(0, level="user", drop_level=False)
    only = compare(user, user * 0)
    assert np.isnan(only.p) and "1 user" in only.note
    alike = compare(b + 0.1, b)  # every user gains as much in every seed
    assert alike.ci[0] < 0.1 <= alike.ci[1]


def test_pairs_by_name_whatever_the_order_of_rows_and_levels():
    a, b = frames(series(differences(np.random.default_rng(15), 30, 3)))
    other = b.sample(frac=1, random_state=0).reorder_levels(["user", "seed"])
    assert compare(a, other) == compare(a, b)


def test_refuses_in_one_line():
    a, b = frames(series(differences(np.random.default_rng(16), 5, 2)))
    for one, other, message in (
        (a, pd.concat([b, b.iloc[:1]]), "b has seed 0, user 0 twice"),
        (a.droplevel("seed"), b, "a has user 0 twice; expected one row per user, or per seed and"),
        (a.iloc[:6], b, r"users differ \(0 only in a, 4 only in b\)"),
        (a.loc[[0]], b.loc[[1]], "users differ"),
        (a * np.nan, b, "is NaN"),
        (a.rename_axis(["seed", "who"]), b, "expected 'seed' and 'user'"),
    ):
        with pytest.raises(InputError, match=message):
            compare(one, other)
