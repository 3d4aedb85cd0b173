"""Figures of notebooks 03 and 04: if these fail, a curve, a table or a widget says something else
than the runs behind it.
"""

from __future__ import annotations

import re
from types import SimpleNamespace

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import scipy.stats
import torch
import torch.nn.functional as F

from tutorial_lib.data import Dataset, DatasetCard, leave_last_out
from tutorial_lib.evaluation import compare_seeds, evaluate, holm
from tutorial_lib.language.prompts import Template
from tutorial_lib.recommender import ScoreRecommender
from tutorial_lib.strategies.tuning import labelled_users
from tutorial_workshop.figures.labels import label_curves, paired_table, seed_means
from tutorial_workshop.figures.language_models import (
    HeadRuns,
    PromptEditor,
)
from tutorial_workshop.page import TextBox
from tutorial_workshop.page.display import png_bytes
from tutorial_workshop.page.widgets import Explorer, grid

METRIC = "ndcg@10"


@pytest.fixture(autouse=True)
def no_figure_is_left_open():
    yield
    plt.close("all")


# recorded runs


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
        for labels in counts:
            for run in range(3):
                for user in range(users):
                    rows.append(
                        (
                            strategy,
                            labels,
                            run,
                            user,
                            0.6 * ease[user] + 0.02 * labels + 0.1 * run + 0.2 * rng.random(),
                        )
                    )
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


# a head at any learning rate

ITEMS, LIMIT = 20, 4


@pytest.fixture(scope="module")
def ring():
    """Users walk along a ring of 20 items: the next one is the one after the last."""
    rows = [(user, (7 * user + step) % ITEMS, 1.0, step) for user in range(60) for step in range(6)]
    table = pd.DataFrame(rows, columns=["user", "item", "rating", "timestamp"])
    items = pd.DataFrame({"item_id": range(ITEMS), "title": [f"title {i}" for i in range(ITEMS)]})
    return leave_last_out(
        Dataset(
            "ring",
            table,
            items,
            pd.DataFrame({"user_id": range(60)}),
            DatasetCard("ring", "ring", "a test", "none"),
        )
    )


class Stand(ScoreRecommender):
    """In place of a language model with a head: a history's vector is mostly that of its last item,
    and a little of the one before.
    """

    def __init__(self, labels=30):
        generator = torch.Generator().manual_seed(0)
        table = F.normalize(torch.randn(ITEMS, 16, generator=generator), dim=-1)
        self.n_items, self.labels, self.words, self.lm, self.read = (
            ITEMS,
            labels,
            SimpleNamespace(limit=LIMIT),
            self,
            [],
        )
        self.head = SimpleNamespace(items=table)

    def prompt(self, history):
        return " ".join(str(int(item)) for item in history)

    def vectors(self, texts):
        self.read += texts
        histories = [[int(word) for word in text.split()] for text in texts]
        table = self.head.items
        return F.normalize(
            torch.stack(
                [table[h[-1]] + 0.3 * table[h[-2] if len(h) > 1 else h[-1]] for h in histories]
            ),
            dim=-1,
        )

    def score(self, histories, users=None):
        return (
            self.vectors([self.prompt(history) for history in histories]) @ self.head.items.T
        ).numpy()


@pytest.fixture(scope="module")
def runs(ring):
    return HeadRuns(Stand(), ring, seed=0, steps=60)


def test_a_head_learns_at_the_right_rate_only(runs):
    """What the learner is to find out: too slow does nothing, too fast jumps about."""
    slow, right, fast = (runs.run(rate) for rate in (1e-5, 3e-2, 1e2))
    assert right[1] > slow[1] + 0.3 and right[1] > fast[1]
    assert (
        np.mean(right[0][-10:]) < np.mean(slow[0][-10:]) - 0.5 and max(fast[0]) > max(slow[0]) + 5
    )


def test_an_untrained_head_is_measured_as_any_recommender(ring, runs):
    """At a rate of nearly 0 the head ranks by cosine: the same NDCG as `evaluate` gives, seen items
    left out.
    """
    losses, ndcg = runs.run(1e-9)
    assert (
        ndcg == pytest.approx(evaluate(Stand(), ring, k=10, on="valid")[METRIC].mean(), abs=1e-9)
        and 0 < ndcg < 1
    )
    logits = runs.train @ runs.items.T / 0.05
    assert (
        np.mean(losses) == pytest.approx(F.cross_entropy(logits, runs.targets).item(), rel=0.02)
        and len(losses) == 60
    )


def test_a_head_sees_training_items_of_labelled_users(ring):
    """Each of their items after its history, and validation histories; nothing else."""
    stand = Stand(labels=5)
    runs = HeadRuns(stand, ring, seed=3)
    some = [ring.train[row] for row in labelled_users(ring, 5, 3)]
    windows = [
        (stand.prompt(items[max(0, t - LIMIT) : t]), int(items[t]))
        for items in some
        for t in range(1, len(items))
    ]
    assert sorted(zip(stand.read, runs.targets.tolist())) == sorted(windows)
    assert stand.read[len(windows) :] == [stand.prompt(history) for history in ring.valid_history]


def test_the_same_rate_gives_the_same_picture(ring, runs):
    """Also in another kernel; and a run is kept, so that moving back costs nothing."""
    picture = png_bytes(runs.draw(0.01))
    kept = runs.run(0.01)
    assert runs.run(0.01) is kept and png_bytes(runs.draw(0.01)) == picture
    torch.manual_seed(99)
    again = HeadRuns(Stand(), ring, seed=0, steps=60)
    assert again.run(0.01) == kept and png_bytes(again.draw(0.01)) == picture != png_bytes(
        runs.draw(0.02)
    )
    assert HeadRuns(Stand(), ring, seed=1, steps=60).run(0.01)[0] != kept[0]


def test_a_run_leaves_the_random_numbers_of_the_learner_alone(ring):
    torch.manual_seed(7)
    before = torch.get_rng_state()
    HeadRuns(Stand(), ring, seed=0, steps=2).run(0.01)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("rate", [1e-4, 0.03, 100.0])
def test_words_and_picture_of_a_run_agree(runs, rate):
    """A screen reader is told the numbers that are drawn; no curve leaves the picture."""
    losses, ndcg = runs.run(rate)
    (ax,) = runs.draw(rate).axes
    assert (
        ax.lines[0].get_xdata().tolist() == [*range(1, 61)]
        and ax.lines[0].get_ydata().tolist() == losses
    )
    assert ax.get_ylim()[0] == 0 and ax.get_ylim()[1] >= max(losses)
    assert (
        ax.get_title(loc="left") + ax.get_title() == f"rate {rate:g}: validation NDCG@10 {ndcg:.3f}"
    )
    first, last, told = re.fullmatch(
        rf"Learning rate {rate:g}: the loss goes from ([\d.]+) to ([\d.]+) nats in 60 steps;"
        r" validation NDCG@10 (\d\.\d+)\.",
        runs.describe(rate),
    ).groups()
    assert (float(first), float(last), float(told)) == pytest.approx(
        (losses[0], np.mean(losses[-10:]), ndcg), abs=0.0051
    )


# a prompt and what comes of it

HISTORIES, TARGETS = [[0, 1], [1], [2, 3, 4]], [5, 6, 7]
TITLES = [f"Film {letter}" for letter in "ABCDEFGHIJKLMNO"]
PLACES = {
    "{history};": (1, 3, 11),
    "after {history}": (2, 1, 10),
    "not {history}": (12, 11, 12),
}  # of the three targets


class Fixed(ScoreRecommender):
    """Places its three targets as asked; items of the history would come first."""

    n_items = len(TITLES)

    def __init__(self, places):
        self.places = places

    def score(self, histories, users=None):
        out = np.zeros((len(histories), self.n_items))
        for row, (history, target, place) in enumerate(
            zip(histories, TARGETS, self.places, strict=True)
        ):
            rest = [item for item in range(self.n_items) if item not in (*history, target)]
            order = [*history, *rest[: place - 1], target, *rest[place - 1 :]]
            out[row, order] = -np.arange(len(order), dtype=float)
        return out


@pytest.fixture
def editor():
    asked = []

    def ask(text):
        Template("sequential", text, "{item}")
        asked.append(text)
        return Fixed(PLACES[text])

    out = PromptEditor(ask, HISTORIES, TARGETS, TITLES)
    out.asked = asked
    return out


def ndcg(text):
    return np.mean([1 / np.log2(place + 1) if place <= 10 else 0 for place in PLACES[text]])


def test_a_prompt_is_judged_by_hand(editor):
    """NDCG over all users, the list of the first one, seen items left out; each wording is asked
    once.
    """
    for text in [*PLACES, *PLACES]:
        items, value = editor.result(text)
        assert value == pytest.approx(ndcg(text)) and len(items) == len(set(items)) == 10
        assert not {"Film A", "Film B"} & set(items)  # the history of the first user
        assert (items.index("Film F") + 1 if "Film F" in items else 12) == PLACES[text][0]
    assert editor.asked == list(PLACES)
    assert ndcg("{history};") == pytest.approx(0.5)


def test_the_change_is_against_the_first_wording(editor):
    """Not against the last one: a learner who goes on trying must see the gain in all."""
    for text in [*PLACES, "after {history}"]:
        title = editor.draw(text).axes[0].get_title(loc="left")
        expected = (
            f"NDCG@10 {ndcg(text):.3f} ({ndcg(text) - ndcg('{history};'):+.3f} against the first"
            " wording)"
        )
        assert title == expected
        assert editor.describe(text).startswith(
            f"NDCG@10 over 3 validation users: {expected.removeprefix('NDCG@10 ')}. "
        )


@pytest.mark.parametrize("text", PLACES)
def test_words_and_picture_of_a_prompt_agree(editor, text):
    drawn = [one.get_text() for one in editor.draw(text).axes[0].texts]
    bold = [one.get_text() for one in editor.draw(text).axes[0].texts if one.get_weight() == "bold"]
    items, _ = editor.result(text)
    assert [re.sub(r"^ *\d+  |  ←.*", "", line) for line in drawn] == items
    assert [int(line.split()[0]) for line in drawn] == [*range(1, 11)]
    place = PLACES[text][0]
    assert bold == ([f"{place:>2}  Film F  ← the next one"] if place <= 10 else [])
    where = f"at place {place}" if place <= 10 else "not among the ten"
    assert editor.describe(text).endswith(
        f"First of the list: {items[0]}; the item that came next is {where}."
    )


def test_a_broken_template_is_told_and_the_box_lives_on(editor):
    """The learner types a gap that does not exist: a line says so, and the next try works."""
    box = TextBox(tuple(PLACES))
    panel = Explorer(editor.draw, "ten titles", editor.describe, {}, {"template": box})
    first = panel.image.value
    for broken, message in (
        ("{histroy}", "did you mean 'history'"),
        ("{history", "write a gap as {history}"),
    ):
        panel.controls["template"].value = broken
        assert "could not be drawn" in panel.line.value and message in panel.line.value
    panel.controls["template"].value = "after {history}"
    assert panel.image.value != first and f"{ndcg('after {history}'):.3f}" in panel.line.value
    panel.controls["template"].value = "{history};"
    assert panel.image.value == first and "(+0.000 against" in panel.line.value
    pictures = [png_bytes(editor.draw(**values)) for values in grid({"template": box})]
    assert len(set(pictures)) == len(PLACES)


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
