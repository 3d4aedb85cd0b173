"""Curves over labels: if these fail, they differ from the runs behind them."""

from __future__ import annotations

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import scipy.stats

from tutorial_lib.evaluation import compare, holm_comparisons, p_text
from tutorial_workshop.figures.labels import label_curves, seed_means, show_label_curves
from tutorial_workshop.figures.words import verdict_table

METRIC = "ndcg@10"


@pytest.fixture(autouse=True)
def no_figure_is_left_open():
    yield
    plt.close("all")


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


def test_a_picture_says_how_many_seeds_and_users_are_behind_it(capsys):
    """Only those of the curves that are drawn, and a range where they differ."""
    rows = [("full", 4, seed, user, 0.1 * seed) for seed in range(3) for user in range(5)] + [
        ("zero-shot", 0, seed, user, 0.2) for seed in range(2) for user in range(5)
    ]
    rows += [("not drawn", 4, seed, 0, 0.2) for seed in range(9)]
    frame = pd.DataFrame(rows, columns=["strategy", "labels", "seed", "user", METRIC])
    frame = frame.assign(dataset="world-movies", lm="kit-gpt")
    curves, levels = {"full": seed_means(frame, "full")}, {"zero-shot": (0.2, 0.2, 0.2)}
    show_label_curves(curves, levels, frame)
    shown = capsys.readouterr().out
    assert "world-movies, kit-gpt, 2 to 3 seeds of 5 test users" in shown
    assert "full: 4 labels 0.100" in shown and "zero-shot 0.200" in shown


def test_a_table_of_verdicts_is_one_family(capsys):
    """Each pair judged alone finds a false difference too often: p-values are those of Holm."""
    rng, users = np.random.default_rng(0), pd.RangeIndex(60, name="user")
    base = pd.DataFrame({METRIC: rng.random(60)}, index=users)
    tests = {
        name: compare(base + rng.normal(gain, 0.02, (60, 1)), base)
        for name, gain in {"same": 0.0, "more": 0.05, "less": -0.05}.items()
    }
    found = verdict_table(tests, 0.01, caption="What is told")
    assert found == {"same": "equivalent", "more": "better", "less": "worse"}
    told = capsys.readouterr().out
    adjusted = holm_comparisons(tests, 0.01)["p_holm"]
    assert "What is told" in told and "3 tests (Holm)" in told and "within ± 0.01" in told
    assert f"{p_text(adjusted['same'])}  equivalent" in told and "< 0.0001  better" in told
