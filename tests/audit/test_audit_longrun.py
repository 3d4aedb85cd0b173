"""The feedback loop: controls stay flat where nothing is learned, loops narrow what is shown,
exploration holds it open.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tutorial_lib.audit.core.finding import MATERIAL
from tutorial_lib.audit.core.margins import checked_margins
from tutorial_lib.audit.harms.longrun import MEASURES, longrun_findings, simulate
from tutorial_lib.data import load_dataset
from tutorial_lib.errors import InputError
from tutorial_lib.models import ItemKNN, Popularity


@pytest.fixture(scope="module")
def town():
    return load_dataset("world-movies").subset_users(np.arange(150))


@pytest.fixture(scope="module")
def loop(town):
    return simulate(ItemKNN, town, rounds=6, explore=(0.0, 0.3), consume=False, group="gender")


def end(frame, arm, metric, turn):
    return frame[(frame["arm"] == arm) & (frame["metric"] == metric) & (frame["round"] == turn)][
        "value"
    ].mean()


def test_every_arm_round_and_seed_is_told_once(loop):
    metrics = {*MEASURES, "drift, group F", "drift, group M"}
    assert set(loop["metric"]) == metrics and set(loop["arm"]) == {
        "retrained",
        "retrained, 30% explored",
        "frozen",
        "random",
    }
    assert (
        len(loop) == len(metrics) * 4 * 5 * 7
        and not loop.duplicated(["arm", "seed", "round", "metric"]).any()
    )
    bounded = loop[loop["metric"].map(lambda name: MEASURES.get(name.split(",")[0], ("", True))[1])]
    assert bounded["value"].between(0, 1).all()


def test_retraining_narrows_and_exploring_holds_open(loop):
    """The mechanism itself: a loop that fed nothing back would leave retrained and frozen alike."""
    assert (
        end(loop, "retrained", "coverage", 6)
        < end(loop, "frozen", "coverage", 6)
        < end(loop, "retrained", "coverage", 0)
    )
    assert (
        end(loop, "retrained, 30% explored", "coverage", 6)
        > end(loop, "retrained", "coverage", 6) + 0.2
    )
    assert abs(end(loop, "random", "gini", 6) - end(loop, "random", "gini", 0)) < 0.03
    assert (
        end(loop, "retrained", "served", 0)
        > end(loop, "retrained, 30% explored", "served", 0)
        > end(loop, "random", "served", 0)
    )


def test_removal_alone_makes_popular_lists_less_alike(town):
    """The trap: with consumed items removed even a frozen counter's lists diverge; shown again,
    they stay identical.
    """
    frames = [
        simulate(Popularity, town, rounds=4, seeds=[0], consume=consume)
        for consume in (True, False)
    ]
    assert (
        end(frames[0], "frozen", "similarity", 4) < end(frames[0], "frozen", "similarity", 0) - 0.1
    )
    assert (
        end(frames[1], "frozen", "similarity", 4)
        == end(frames[1], "frozen", "similarity", 0)
        == 1.0
    )


def test_findings_subtract_the_control(loop):
    margins = checked_margins(None)[0]
    found = {f.metric: f for f in longrun_findings(loop, margins)}
    first = found["coverage: retrained - random, change over 6 rounds"]
    own = end(loop, "retrained", "coverage", 6) - end(loop, "retrained", "coverage", 0)
    control = end(loop, "random", "coverage", 6) - end(loop, "random", "coverage", 0)
    assert (
        first.estimate == pytest.approx(own - control)
        and first.n_by_group == {"seeds": 5}
        and first.verdict == MATERIAL
    )
    drift = found["drift: retrained - random, change over 6 rounds"].estimate
    assert drift == pytest.approx(
        end(loop, "retrained", "drift", 6) - end(loop, "random", "drift", 6)
    )


def test_too_few_seeds_get_no_interval(town):
    frame = simulate(Popularity, town, rounds=1, seeds=[0, 1])
    assert all(np.isnan(f.ci[0]) for f in longrun_findings(frame, checked_margins(None)[0]))


def test_same_seed_same_frame(town):
    a, b = (simulate(Popularity, town, rounds=2, seeds=[3], explore=(0.2,)) for _ in range(2))
    assert a.equals(b)


def test_refusals(town):
    with pytest.raises(InputError, match="shares in 0..1"):
        simulate(Popularity, town, explore=(2.0,))
    with pytest.raises(InputError, match="true taste of users of 'world-movies.*' is not known"):
        simulate(Popularity, replace(town, truth=None))
