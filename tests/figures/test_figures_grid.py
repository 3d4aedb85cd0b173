"""Figures and advice of notebook 06: if these fail, a curve, a verdict or a recommendation says
something else than the runs behind it.
"""

from __future__ import annotations

import itertools

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import scipy.stats

from tutorial_lib.errors import InputError
from tutorial_lib.evaluation import compare, holm_comparisons, mean_interval
from tutorial_lib.strategies import CELLS, STRATEGIES
from tutorial_workshop.experiments import BASELINES
from tutorial_workshop.experiments.results import COLUMNS
from tutorial_workshop.figures.costs import cheapest_best, cost_map, cost_panels, describe_cost
from tutorial_workshop.figures.decision_guide import guide, show_advice
from tutorial_workshop.figures.grid import (
    COSTS,
    FAMILIES,
    at_labels,
    curves_in_words,
    family,
    grid_means,
    learning_curves,
    over_users,
    select,
    spread,
)
from tutorial_workshop.figures.paired_tests import (
    compared,
    family_tests,
    gains,
    say_what_could_be_seen,
    say_which_were_run,
    share_decided,
)
from tutorial_workshop.page.display import png_bytes

METRIC = "ndcg@10"
LEVELS = {  # strategy -> (labels -> mean, seconds a user)
    "ceiling": ({0: 0.9}, 0.0),
    "zero-shot": ({0: 0.3}, 0.2),
    "ease": ({8: 0.1, 64: 0.52}, 0.001),
    "full": ({8: 0.2, 64: 0.6}, 0.4),
    "lora": ({8: 0.2, 64: 0.4}, 0.5),
    "soft-prompt": ({8: 0.4, 64: 0.5}, 0.3),
}


@pytest.fixture(autouse=True)
def no_figure_is_left_open():
    yield
    plt.close("all")


def recorded(users=40, seeds=3, noise=0.05) -> pd.DataFrame:
    """As `experiments.load_results` gives it: one row a cell and user; users are the same in every
    seed and for all strategies.
    """
    rng, rows = np.random.default_rng(0), []
    ease = rng.random(users)
    for number, (name, (levels, seconds)) in enumerate(LEVELS.items()):
        for labels, level in levels.items():
            for seed in range(seeds):
                value = level + 0.1 * (ease - 0.5) + noise * rng.standard_normal(users)
                same = {
                    "format": 1,
                    "task": "next",
                    "dataset": "d",
                    "lm": "" if name in BASELINES else "m",
                    "strategy": name,
                }
                same |= {
                    "labels": labels,
                    "seed": seed,
                    "trainable": 10**number,
                    "stored_bytes": 4 * 10**number,
                    "seconds": labels + seed,
                }
                same |= {
                    "score_seconds": seconds,
                    "flops": np.nan if name in BASELINES else 1e9 * labels,
                }
                rows += [
                    {**same, "user": user, METRIC: value[user], "auc": value[user]}
                    for user in range(users)
                ]
    return pd.DataFrame(rows, columns=COLUMNS)


# tables


def test_every_strategy_has_a_family():
    """A new cell of the survey would land in the wrong panel without anybody noticing."""
    assert {family(name) for name in STRATEGIES} == set(FAMILIES[1:]) and {
        family(name) for name in BASELINES
    } == {FAMILIES[0]}
    assert all(
        (family(name) == "prompt") == (s.cell in CELLS[4:]) for name, s in STRATEGIES.items()
    )
    with pytest.raises(InputError, match="soft-promt.*soft-prompt"):
        family("soft-promt")


def test_select_keeps_one_experiment():
    frame = recorded()
    other = [frame.assign(dataset="e"), frame.assign(task="like"), frame.assign(lm="n")]
    found = select(pd.concat([frame, *other]), "d", "m")
    assert (
        set(found["lm"]) == {"", "m"}
        and set(found["task"]) == {"next"}
        and set(found["dataset"]) == {"d"}
    )
    assert select(frame, "d", "m", "like").empty and grid_means(select(frame, "x", "m")).empty


def test_summary_by_hand():
    """Interval over seeds, not over users; costs are those of a cell, however many its users."""
    frame = recorded()
    row = grid_means(frame).set_index(["strategy", "labels"]).loc[("full", 64)]
    means = (
        frame[(frame["strategy"] == "full") & (frame["labels"] == 64)]
        .groupby("seed")[METRIC]
        .mean()
    )
    low, high = scipy.stats.t.interval(0.95, df=2, loc=means.mean(), scale=scipy.stats.sem(means))
    assert row[["mean", "low", "high"]].tolist() == pytest.approx([means.mean(), low, high])
    assert (
        row["seeds"] == 3
        and row["seconds"] == 65
        and row["ms a user"] == pytest.approx(400)
        and row["flops"] == 64e9
    )
    assert grid_means(frame)["mean"].is_monotonic_decreasing
    assert np.isnan(grid_means(frame).set_index("strategy").loc["ease", "flops"]).all()


def test_a_live_run_has_intervals_over_users():
    frame = recorded(seeds=1)
    row = over_users(frame).set_index(["strategy", "labels"]).loc[("full", 8)]
    values = frame[(frame["strategy"] == "full") & (frame["labels"] == 8)].reset_index(drop=True)
    interval = mean_interval(values, METRIC)
    assert row[["mean", "low", "high"]].tolist() == pytest.approx(
        [interval.mean, interval.low, interval.high]
    )
    assert row["low"] < row["mean"] < row["high"]


def test_at_labels_never_takes_more_than_you_have():
    means = grid_means(recorded())
    assert {*at_labels(means, 63)["labels"]} == {0, 8} and {*at_labels(means, 64)["labels"]} == {
        0,
        64,
    }
    assert {*at_labels(means, 7)["strategy"]} == {"ceiling", "zero-shot"}


def test_the_front_is_what_nothing_beats():
    """Cheaper and better than every other one on it; the known truth is not for sale, and what
    nobody counted is not free.
    """
    means = at_labels(grid_means(recorded()), 64)
    assert cheapest_best(means, "ms a user")["strategy"].tolist() == ["ease", "full"]
    assert cheapest_best(means, "stored_bytes")["strategy"].tolist() == [
        "zero-shot",
        "ease",
        "full",
    ]
    assert cheapest_best(means, "flops")["strategy"].tolist() == ["zero-shot", "full"]


@pytest.mark.parametrize("places", [[0, 0, 0], [0.3, 0.1, 0.2, 5], [], [2, 1.5, 1.6, 1.4, 0.1]])
def test_spread_keeps_order_and_distance(places):
    found = spread(places, 0.5)
    order = np.argsort(places, kind="stable")
    assert (np.diff(found[order]) > 0.5 - 1e-9).all()
    assert found.sum() == pytest.approx(np.sum(places))


# figures


def test_curves_stand_in_the_panel_of_their_family():
    """Means where the table has them; names at the ends; a live point is a star."""
    means = grid_means(recorded())
    mark = (
        means[means["strategy"] == "lora"]
        .head(1)
        .assign(strategy="mine", family="yours", mean=0.7, low=0.6, high=0.8)
    )
    figure = learning_curves(means, mark)
    panels = {ax.get_title(): ax for ax in figure.axes}
    assert set(panels) == set(FAMILIES)
    for name, titles in {
        "no language model": ["ease"],
        "fine-tune the backbone": ["full"],
        "prompt": ["soft-prompt"],
    }.items():
        texts = {text.get_text() for text in panels[name].texts}
        assert {*titles, "mine", "ceiling"} <= texts and not {"lora"} & texts
        line = panels[name].containers[0][0]
        assert line.get_ydata() == pytest.approx(
            means[means["strategy"] == titles[0]].sort_values("labels")["mean"].tolist()
        )
        (star,) = [c[0] for c in panels[name].containers if c[0].get_marker() == "*"]
        assert star.get_ydata() == pytest.approx([0.7])
    assert "zero-shot" in {text.get_text() for text in panels["prompt"].texts}
    assert figure.axes[0].get_ylim()[0] == 0


@pytest.mark.parametrize(
    "rows", [slice(0, 0), slice(0, 1), slice(None)], ids=["nothing", "one", "all"]
)
def test_curves_draw_what_there_is(rows):
    """Fewer budgets, one seed or nothing recorded must not break the notebook."""
    frame = recorded(seeds=1)
    figure = learning_curves(grid_means(frame[frame["strategy"].isin(sorted(LEVELS)[rows])]))
    empty = [
        ax.get_title()
        for ax in figure.axes
        if "none recorded" in {text.get_text() for text in ax.texts}
    ]
    assert empty == ([] if rows == slice(None) else list(FAMILIES) if rows.stop == 0 else [])
    assert png_bytes(figure, dpi=30)


def test_a_whisker_does_not_flatten_the_curves():
    """Two seeds can have an interval from -1 to 2; the curves are what is looked at."""
    means = grid_means(recorded())
    limits = learning_curves(means.assign(high=9.0), floor=0.1).axes[0].get_ylim()
    assert limits == pytest.approx((0.1, 0.1 + 1.62 * (means["mean"].max() - 0.1)))


def test_told_names_every_number():
    means = grid_means(recorded())
    text = curves_in_words(means)
    assert all(f"{row.mean:.3f}" in text and row.strategy in text for row in means.itertuples())


@pytest.mark.full
@pytest.mark.parametrize("cost", COSTS)
def test_cost_map_over_its_grid(cost):
    """Every setting of the widget draws, the budget changes the picture, and so does the strategy
    picked.
    """
    means = grid_means(recorded())
    pictures = {
        (labels, name): png_bytes(cost_map(at_labels(means, labels), cost, name), dpi=40)
        for labels in (8, 64)
        for name in LEVELS
    }
    for name in ("full", "soft-prompt"):
        assert pictures[8, name] != pictures[64, name]
    assert pictures[8, "full"] != pictures[8, "soft-prompt"]


def test_the_widget_says_what_it_shows():
    """In words, for the strategy picked, at every budget; also where it was not run."""
    means = grid_means(recorded())
    text = describe_cost(means, 64, "ms a user", "full")
    assert (
        "full" in text
        and f"{means.set_index(['strategy', 'labels']).loc[('full', 64), 'mean']:.3f}" in text
        and "400" in text
    )
    assert "front: ease, full" in text and "not counted" in describe_cost(
        means, 64, "flops", "ease"
    )
    assert "was not run" in describe_cost(means, 4, "stored_bytes", "full")


def test_cost_map_places_points():
    """At its cost and mean; what costs nothing stands at a tick "0"; the truth and unknown costs
    are not drawn.
    """
    means = at_labels(grid_means(recorded()), 64)
    figure = cost_map(means, "flops")
    ax = figure.axes[0]
    assert {text.get_text() for text in ax.texts} == {"zero-shot", "full", "lora", "soft-prompt"}
    at = {round(c[0].get_ydata()[0], 6): c[0].get_xdata()[0] for c in ax.containers}
    assert at[round(float(means.set_index("strategy").loc["full", "mean"]), 6)] == 64e9
    ticks = dict(zip([t.get_text() for t in ax.get_xticklabels()], ax.get_xticks(), strict=True))
    assert (
        at[round(float(means.set_index("strategy").loc["zero-shot", "mean"]), 6)]
        == ticks["0"]
        < 64e9
    )
    assert len(cost_panels(means).axes) == 4


# tests and advice


def against_full(frame, names=("soft-prompt", "zero-shot"), margin=0.02):
    """The tests of these strategies against full fine-tuning at both budgets."""
    return family_tests(frame, [(name, "full") for name in names], [8, 64], margin)


def test_a_family_pairs_users_of_a_seed_and_adjusts_over_all_of_it():
    """What needs no labels stands for any number; what was not run is left out, not invented."""
    frame = recorded()
    found = against_full(frame, ("soft-prompt", "zero-shot", "multi-task"))
    sides = {}
    for name, own, labels in itertools.product(("soft-prompt", "zero-shot"), (0, 8, 64), (8, 64)):
        if own in (labels, 0) and (own == 0) == (name == "zero-shot"):
            a, b = (
                frame[(frame["strategy"] == n) & (frame["labels"] == count)]
                for n, count in ((name, own), ("full", labels))
            )
            sides[name, labels] = [some.set_index(["seed", "user"])[[METRIC]] for some in (a, b)]
    expected = holm_comparisons({str(key): compare(*both) for key, both in sides.items()}, 0.02)
    assert list(zip(found["strategy"], found["labels"])) == list(sides)
    for own, theirs in (("gain", "difference"), ("95 % low", "low"), ("p adjusted", "p_holm")):
        assert found[own].tolist() == pytest.approx(expected[theirs].tolist())
    assert found["detectable"].tolist() == pytest.approx(expected["detectable"].tolist())
    assert found["verdict"].tolist() == expected["verdict"].tolist()
    assert found["verdict"].tolist()[:2] == ["better", "worse"] and set(found["pairs"]) == {120}
    assert against_full(frame, ("multi-task",)).empty


def test_a_stranger_on_one_side_is_no_pair():
    frame = recorded()
    stranger = (frame["strategy"] == "full") & (frame["user"] == 7)
    found = against_full(frame.assign(user=frame["user"].where(~stranger, 999)))
    assert set(found["pairs"]) == {117}
    left = against_full(frame[frame["user"] != 7])
    assert found["gain"].tolist() == pytest.approx(left["gain"].tolist())


def test_gains_show_the_verdict_in_their_markers():
    """Shape and fill tell what colour alone would not."""
    table = against_full(recorded()).assign(
        verdict=["better", "worse", "equivalent", "inconclusive"]
    )
    figure = gains(table, 0.02)
    marks = [
        (c[0].get_marker(), c[0].get_markerfacecolor() == "white")
        for ax in figure.axes
        for c in ax.containers
    ]
    assert marks == [("^", False), ("v", False), ("s", False), ("o", True)]
    assert [ax.get_title() for ax in figure.axes] == ["soft-prompt\n− full", "zero-shot\n− full"]
    drawn = [c[0].get_ydata()[0] for ax in figure.axes for c in ax.containers]
    assert drawn == pytest.approx(table["gain"].tolist())


def test_what_is_said_of_a_family_is_counted(capsys):
    """How many tests were declared, which were not run, and the share that was decided."""
    frame = recorded()
    pairs = [("soft-prompt", "full"), ("multi-task", "full")]
    found = family_tests(frame, pairs, [8, 64], 0.02)
    say_which_were_run("family 1", pairs, [8, 64], found)
    shown = capsys.readouterr().out
    assert (
        "family 1: 4 tests declared" in shown
        and "`multi-task` against `full` at 64 labels" in shown
    )
    found = against_full(frame).assign(verdict=["better", "worse", "equivalent", "inconclusive"])
    assert share_decided(found) == 0.75
    say_what_could_be_seen(found, 0.02)
    assert "1 inconclusive" in (shown := capsys.readouterr().out) and "Decided: 75%" in shown
    say_what_could_be_seen(found.assign(detectable=0.05), 0.02)
    assert "2.5 times the margin" in capsys.readouterr().out


def test_the_guide_keeps_only_what_cannot_lose_more_than_the_margin():
    """A tie is a lack of proof: with noise as large as the differences nothing but the best is
    kept, however cheap the others are.
    """
    sharp, blurred = recorded(users=400), recorded(users=12, noise=1.0)
    found = guide(sharp, 64, 0.02)
    assert (found.strategy, found.best, found.kept) == ("full", "full", ("full",))
    assert "may lose more than 0.02" in found.reasons[-1] and found.most_lost == 0
    assert "ceiling" not in set(found.table["strategy"])
    assert guide(blurred, 64, 0.02).kept == (guide(blurred, 64, 0.02).best,)
    found = guide(sharp, 64, 0.1)  # ease is .08 behind full
    assert (found.strategy, found.best, found.kept) == ("ease", "full", ("full", "ease"))
    lower = compared(sharp, "ease", "full", 64).ci[0]
    assert found.most_lost == pytest.approx(-lower) and 0.07 < found.most_lost < 0.1
    assert f"at most {-lower:.3f}" in found.reasons[-1] and "**`ease`**" in found.reasons[-1]
    assert guide(sharp, 64, 0.4, cheap="stored_bytes").strategy == "zero-shot"
    # 300 and 400 ms a user are about the same, so the better of the two
    assert guide(sharp, 64, 0.4, only=["soft-prompt", "full", "lora"]).strategy == "full"


def test_who_gives_the_same_lists_loses_nothing():
    """Without any difference there is no interval; that is no lack of proof."""
    frame = recorded()
    twin = frame[frame["strategy"] == "full"].assign(strategy="ease", score_seconds=0.0001)
    both = pd.concat([frame[frame["strategy"] == "full"], twin])
    assert guide(both, 64, 0.001).strategy == "ease"
    alone = guide(both[both["user"] == 3][lambda rows: rows["seed"] == 0], 64, 0.001)
    assert alone.kept == (alone.best,)  # one user shows nothing


def test_the_guide_keeps_the_limits():
    """Labels, time, memory and what may be used each rule out what they should."""
    frame = recorded(users=400)
    assert guide(frame, 63, 0.02).strategy == "soft-prompt" and guide(frame, 63, 0.02).labels == 8
    assert guide(frame, 0, 0.02).strategy == "zero-shot"
    found = guide(frame, 64, 0.02, limits={"ms a user": 350})
    assert found.best == "ease" and found.reasons[0].startswith("3 of 5")
    assert found.table.set_index("strategy").loc["full", "role"] == "does not fit"
    assert guide(frame, 64, 0.02, limits={"stored_bytes": 4 * 10**2}).strategy == "ease"
    found = guide(frame, 64, 0.5, limits={"flops": 1e12})  # nobody counted those of ease
    assert found.best == "full" and "ease" not in found.kept
    assert guide(frame, 64, 0.02, only=["ease", "lora"]).best == "ease"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"labels": -1}, "numbers from 0"),
        ({"labels": 8, "limits": {"watts": 1}}, "cost 'watts'"),
        ({"labels": 8, "cheap": "watts"}, "cost 'watts'"),
        ({"labels": 64, "limits": {"ms a user": 0.5}}, "raise the limits"),
        ({"labels": 64, "only": ["few-shot"]}, "nothing recorded fits"),
        ({"labels": 8, "limits": {"ms a user": -1}}, "numbers from 0"),
        ({"labels": 8, "margin": 0}, "margin=0"),
    ],
)
def test_the_guide_refuses_what_it_cannot_answer(arguments, words):
    with pytest.raises(InputError, match=words):
        guide(recorded(), **{"margin": 0.02, **arguments})
    with pytest.raises(InputError, match="nothing recorded"):
        guide(recorded().iloc[:0], 8, 0.02)


def test_advice_is_given_for_every_question_and_budget(capsys):
    """One row a budget; where nothing fits a dash, not a stop."""
    show_advice(recorded(), [0, 8, 64], 0.1)
    _, header, *rows = capsys.readouterr().out.strip().split("\n")
    assert len(rows) == 3 and "no pre-trained model" in header
    assert rows[0].split("  ")[3] == "-" and rows[2].split("  ")[3].startswith("ease (the best)")
