"""Where curves cross: if these fail, "from so many labels on" is another number than that of the
runs, or looks surer than they are.
"""

from __future__ import annotations

import itertools

import matplotlib

matplotlib.use("Agg")
import numpy as np
import pandas as pd
import pytest

from tutorial_lib.errors import InputError
from tutorial_workshop.figures.crossings import crossing, crossings, show_crossings

METRIC = "ndcg@10"
BUDGETS = (16, 64, 256, 1024)


def recorded(gains, noise=0.0, seed_noise=0.0, seeds=5, users=60, seed=0) -> pd.DataFrame:
    """``tuned`` with these gains over ``prompt``, which needs no labels, at `BUDGETS`."""
    rng = np.random.default_rng(seed)
    rows = [("prompt", 0, s, u, 0.2) for s, u in itertools.product(range(seeds), range(users))]
    for labels, gain in zip(BUDGETS, gains):
        shift = seed_noise * rng.standard_normal(seeds)
        for s, u in itertools.product(range(seeds), range(users)):
            rows.append(("tuned", labels, s, u, 0.2 + gain + shift[s] + noise * rng.normal()))
    return pd.DataFrame(rows, columns=["strategy", "labels", "seed", "user", METRIC])


@pytest.mark.parametrize(
    ("gains", "labels", "words"),
    [
        ((-0.02, -0.01, 0.01, 0.02), 128, "from about 128 labelled users on"),
        ((-0.03, 0.01, 0.02, 0.03), 16 * 4**0.75, "from about 45 labelled users on"),
        ((0.01, 0.02, 0.03, 0.04), 0, "always, at 16 labelled users already"),
        ((-0.04, -0.03, -0.02, -0.01), np.inf, "never, not even with 1,024 labelled users"),
        ((0.02, 0.01, -0.01, -0.02), 128, "up to about 128 only"),
        (
            (0.01, 0.02, -0.01, 0.02),
            np.nan,
            "no stable order: the signs of the mean gains are ++−+",
        ),
    ],
)
def test_a_crossing_without_noise_is_that_of_the_gains(gains, labels, words):
    """Interpolated in the logarithm of the labels, with "always", "never", the other way round and
    "no stable order" as possible answers.
    """
    found = crossing(recorded(gains), "tuned", "prompt", resamples=50)
    assert found.labels == pytest.approx(labels, nan_ok=True) and words in str(found)
    if not np.isnan(labels):
        assert (found.low, found.high) == pytest.approx((labels, labels))
        assert "the same in 95 %" in str(found)


def test_an_interval_knows_that_seeds_differ():
    """Many users do not make up for few seeds: labelled users and runs differ between them."""
    gains, widths = (-0.03, -0.01, 0.01, 0.03), {0.0: [], 0.02: []}
    for seed_noise, seed in itertools.product(widths, range(6)):
        frame = recorded(gains, 0.02, seed_noise=seed_noise, users=100, seed=seed)
        found = crossing(frame, "tuned", "prompt", resamples=500)
        widths[seed_noise].append(np.log(found.high / found.low))
    assert np.mean(widths[0.02]) > 2 * np.mean(widths[0.0])


def test_an_interval_may_be_open():
    """Where the data allow "never", the interval says "beyond"."""
    found = crossing(recorded((-0.03, -0.02, -0.01, 0.001), noise=0.1), "tuned", "prompt")
    assert found.high == np.inf and "to beyond 1,024" in str(found)
    found = crossing(recorded((0.001, 0.02, 0.03, 0.04), noise=0.1), "tuned", "prompt")
    assert found.low == 0 < found.high < np.inf and "below 16 to" in str(found)


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    """Of 60 repetitions with noise of users and of seeds, at least 54."""
    gains, held = (-0.03, -0.01, 0.01, 0.03), 0
    for seed in range(60):
        frame = recorded(gains, noise=0.1, seed_noise=0.01, users=40, seed=seed)
        found = crossing(frame, "tuned", "prompt", resamples=300)
        # a flip of signs is an answer too, but not an interval that holds 128
        held += bool(found.low <= 128 <= found.high)
    assert held >= 54


def test_pairs_are_the_same_user_in_the_same_seed():
    """In whatever order the rows stand; who stands on one side only does not count."""
    frame = recorded((-0.02, -0.01, 0.01, 0.02), noise=0.02)
    stranger = frame.iloc[[0]].assign(user=999, ndcg10=0)
    mixed = pd.concat([frame, stranger]).sample(frac=1, random_state=0)
    first, second = (crossing(some, "tuned", "prompt") for some in (frame, mixed))
    assert (first.labels, first.low, first.high) == pytest.approx(
        (second.labels, second.low, second.high)
    )
    assert "of other users only" in str(crossing(frame[frame["seed"] == 0], "tuned", "prompt"))


def test_a_seed_that_is_missing_at_one_budget_counts_at_none():
    """A grid in the middle of its run: else the curve bends where fewer seeds are in it."""
    frame = recorded((-0.03, -0.01, 0.01, 0.03), noise=0.02, seed_noise=0.02, seeds=3)
    part = frame[(frame["seed"] < 2) | (frame["labels"] < 256)]
    found, expected = (
        crossing(some, "tuned", "prompt") for some in (part, frame[frame["seed"] < 2])
    )
    assert (found.labels, found.seeds) == (pytest.approx(expected.labels), 2)


def test_nothing_in_common_is_refused():
    frame = recorded((-0.02, -0.01, 0.01, 0.02))
    with pytest.raises(InputError, match="no seed and users in common at every number of labels"):
        crossing(frame, "tuned", "full")
    with pytest.raises(InputError, match="no seed and users in common"):
        crossing(frame[frame["labels"] == 0], "prompt", "prompt")


def test_the_figure_has_a_row_per_pair_and_arrows_where_the_interval_is_open():
    frame = recorded((-0.03, -0.02, -0.01, 0.001), noise=0.1)
    shaky = recorded((0.01, 0.02, -0.01, 0.02)).assign(strategy="shaky")
    frame = pd.concat([frame, shaky[shaky["labels"] > 0]])
    pairs = [("tuned", "prompt"), ("shaky", "prompt")]
    figure = crossings({pair: crossing(frame, *pair) for pair in pairs})
    (ax,) = figure.axes
    names = [text.get_text() for text in ax.get_yticklabels()]
    assert names == ["tuned passes prompt", "shaky passes prompt"]
    assert [text.get_text() for text in ax.texts] == ["no stable order"]
    assert [line.get_marker() for line in ax.lines].count(">") == 1
    assert not [line for line in ax.lines if line.get_marker() == "<"]


def test_what_is_shown_is_returned_and_what_was_not_run_is_left_out(capsys):
    frame = recorded((-0.02, -0.01, 0.01, 0.02))
    found = show_crossings(frame, [("tuned", "prompt"), ("full", "prompt")])
    shown = capsys.readouterr().out
    assert list(found) == [("tuned", "prompt")] and "full" not in shown
    assert f"`tuned` passes `prompt`: {found['tuned', 'prompt']}." in shown
