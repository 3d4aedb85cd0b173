"""Tables and curves over labels: if these fail, they differ from the runs behind them."""

from __future__ import annotations

import itertools

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import scipy.stats

from tutorial_lib.evaluation import compare_seeds, holm
from tutorial_workshop.figures.labels import label_curves, paired_table, seed_means

METRIC = "ndcg@10"


@pytest.fixture(autouse=True)
def no_figure_is_left_open():
    yield
    plt.close("all")


def recorded(seed=0, users=30):
    """As data/results/strategies.csv: one row a user and seed; strategies with and without labels,
    and one that knows all of them.
    """
    rng, rows = np.random.default_rng(seed), []
    ease = rng.random(users)  # what makes pairs alike
    for strategy, counts in {
        "from-scratch": (4, 16),
        "full": (4, 16),
        "lora": (4,),
        "zero-shot": (0,),
        "popularity": (60,),
    }.items():
        for labels, run, user in itertools.product(counts, range(3), range(users)):
            value = 0.6 * ease[user] + 0.02 * labels + 0.1 * run + 0.2 * rng.random()
            rows.append((strategy, labels, run, user, value))
    return pd.DataFrame(rows, columns=["strategy", "labels", "seed", "user", METRIC])


def test_seed_means_by_hand():
    """A mean over users within seeds, then over seeds; the interval is that of three seeds, not of
    hundreds of users.
    """
    rows = [
        ("a", 4, 0, 0.1),
        ("a", 4, 0, 0.3),
        ("a", 4, 1, 0.3),
        ("a", 4, 2, 0.5),
        ("a", 4, 2, 0.7),
        ("a", 1, 5, 0.25),
        ("b", 4, 0, 0.9),
    ]
    frame = pd.DataFrame(rows, columns=["strategy", "labels", "seed", METRIC])
    one, four = seed_means(frame.sample(frac=1, random_state=0), "a")
    seeds = [0.2, 0.3, 0.6]
    low, high = scipy.stats.t.interval(0.95, df=2, loc=np.mean(seeds), scale=scipy.stats.sem(seeds))
    assert four == pytest.approx((4.0, np.mean(seeds), low, high)) and high - low > 0.8
    assert one == pytest.approx((1.0, 0.25, 0.25, 0.25))  # one seed gives no interval
    assert seed_means(frame, "c") == []


def raw(frame, name, baseline, labels, base_labels):
    """`compare_seeds` on the two strategies' rows, matched by seed and user."""
    a, b = (
        frame[(frame["strategy"] == strategy) & (frame["labels"] == count)].set_index(
            ["seed", "user"]
        )[[METRIC]]
        for strategy, count in ((name, labels), (baseline, base_labels))
    )
    return compare_seeds(a.sort_index(), b.sort_index())


def test_pairs_are_the_same_user_in_the_same_seed():
    """Mean differences, intervals and p of matched pairs, in whatever order the rows stand; Holm
    over the whole table.
    """
    frame = recorded()
    table = paired_table(frame, "from-scratch", ["full", "lora"])
    expected = [("full", 4), ("lora", 4), ("full", 16)]
    assert [(name, labels) for name, labels in zip(table.index, table["labels"])] == expected
    comparisons = [raw(frame, name, "from-scratch", labels, labels) for name, labels in expected]
    assert table["gain"].tolist() == pytest.approx([c.difference for c in comparisons])
    assert table[["95 % low", "95 % high"]].to_numpy() == pytest.approx(
        np.array([c.ci for c in comparisons])
    )
    assert table["p adjusted"].tolist() == pytest.approx(holm([c.p for c in comparisons]).tolist())
    assert table["pairs"].tolist() == [90, 90, 90]
    pd.testing.assert_frame_equal(
        paired_table(frame.sample(frac=1, random_state=1), "from-scratch", ["full", "lora"]), table
    )


def test_a_baseline_without_labels_stands_for_any_number():
    table = paired_table(recorded(), "zero-shot", ["full"])
    assert table["labels"].tolist() == [4, 16]
    assert table["gain"].tolist() == pytest.approx(
        [raw(recorded(), "full", "zero-shot", count, 0).difference for count in (4, 16)]
    )


def test_what_was_not_run_is_not_in_the_table():
    """Nor is what knows the labels of all users: no other strategy has as many."""
    assert paired_table(recorded(), "popularity", ["full"]).empty
    assert set(
        paired_table(recorded(), "from-scratch", ["full", "popularity", "soft-prompt"]).index
    ) == {"full"}


@pytest.mark.parametrize("column, last, pairs", [("user", 29, 87), ("seed", 2, 60)])
def test_strangers_are_no_pair(column, last, pairs):
    """A user (or a seed) that only this side has, and another one that only that side has: as many
    rows, but no pairs.
    """
    frame = recorded()
    frame.loc[(frame["strategy"] == "from-scratch") & (frame[column] == last), column] = 99
    table = paired_table(frame, "from-scratch", ["full"])
    common = recorded()[recorded()[column] != last]
    comparisons = [raw(common, "full", "from-scratch", labels, labels) for labels in (4, 16)]
    assert table["pairs"].tolist() == [pairs, pairs] and table["gain"].tolist() == pytest.approx(
        [c.difference for c in comparisons]
    )
    assert table[["95 % low", "95 % high"]].to_numpy() == pytest.approx(
        np.array([c.ci for c in comparisons])
    )


def test_label_curves_draw_every_point():
    """Means and whiskers where the table has them; lines for what needs no labels; no curve told by
    its colour alone.
    """
    curves = {
        "full": [(4.0, 0.2, 0.15, 0.25), (16.0, 0.3, 0.2, 0.4)],
        "lora": [(4.0, 0.1, 0.05, 0.2)],
        **{f"more {i}": [(64.0, 0.1 * i, 0.09 * i, 0.12 * i)] for i in range(1, 4)},
    }
    figure = label_curves(curves, {"zero-shot": (0.12, 0.1, 0.14), "ceiling": (0.5, 0.5, 0.5)})
    (ax,) = figure.axes
    for (name, rows), container in zip(curves.items(), ax.containers, strict=True):
        line, _, (whiskers,) = container
        assert container.get_label() == name
        assert line.get_xdata() == pytest.approx(
            [row[0] for row in rows], rel=0.1
        )  # side by side, not far
        assert line.get_ydata() == pytest.approx([row[1] for row in rows])
        assert [tuple(segment[:, 1]) for segment in whiskers.get_segments()] == [
            pytest.approx(row[2:]) for row in rows
        ]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == list(curves)
    assert [label.get_text() for label in ax.get_xticklabels()] == [
        "4",
        "16",
        "64",
    ] and ax.get_xscale() == "log"
    looks = [
        (container[0].get_marker(), container[0].get_linestyle()) for container in ax.containers
    ]
    assert len(set(looks)) == len(curves) and len(
        {container[0].get_color() for container in ax.containers}
    ) == len(curves)
    flat = {
        line.get_ydata()[0]
        for line in ax.lines
        if len(set(line.get_ydata())) == 1 and line.get_linestyle() == ":"
    }
    assert {0.12, 0.5} <= flat and {"zero-shot", "ceiling"} <= {
        text.get_text() for text in ax.texts
    }
    assert (
        ax.get_ylim()[0] == 0
        and ax.get_xlabel() == "labelled users"
        and ax.get_ylabel() == "test NDCG@10"
    )


def test_several_baselines_are_one_family():
    """Two tables, each adjusted alone, find a false gain in up to 10 % instead of 5 %."""
    frame, names = recorded(), ["full", "lora"]
    both = paired_table(frame, ["from-scratch", "zero-shot"], names)
    for base in ("from-scratch", "zero-shot"):
        part = both[both["against"] == base].drop(columns="against")
        alone = paired_table(frame, base, names)
        pd.testing.assert_frame_equal(
            part.drop(columns="p adjusted"), alone.drop(columns="p adjusted")
        )
        assert (part["p adjusted"].to_numpy() >= alone["p adjusted"].to_numpy()).all()
    assert len(both) == 2 * len(alone) > 2
