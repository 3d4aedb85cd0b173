"""Widgets of notebooks 03 and 04: if these fail, a curve or a sentence says something else
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
import torch
import torch.nn.functional as F

from tutorial_lib.data import Dataset, DatasetCard, leave_last_out, load_dataset
from tutorial_lib.evaluation import evaluate
from tutorial_lib.language.prompts import Template
from tutorial_lib.recommender import ScoreRecommender
from tutorial_lib.strategies.tuning import labelled_users
from tutorial_workshop.figures.language_models import HeadRuns, PromptEditor, next_item_chances
from tutorial_workshop.page import TextBox
from tutorial_workshop.page.display import png_bytes
from tutorial_workshop.page.widgets import Explorer, grid

METRIC = "ndcg@10"


@pytest.fixture(autouse=True)
def no_figure_is_left_open():
    yield
    plt.close("all")


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

    out = PromptEditor(ask, HISTORIES, np.eye(len(TITLES))[TARGETS], TITLES)
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


def test_a_prompt_is_judged_in_expectation():
    """Where the next item is not certain, each place counts by the chance of its item."""
    chances = np.zeros((3, len(TITLES)))
    chances[[0, 1, 2], TARGETS] = 0.75
    chances[:, 14] = 0.25  # the last of every list, beyond the ten
    one = PromptEditor(lambda text: Fixed(PLACES[text]), HISTORIES, chances, TITLES)
    assert one.result("{history};")[1] == pytest.approx(0.75 * ndcg("{history};"))


def test_a_world_judges_by_its_own_chances():
    """On other data the drawn target has all of the chance; a world knows better."""
    world = load_dataset("world-news")
    chances = next_item_chances(world, [[3, 5]], [7])
    assert (
        chances.sum() == pytest.approx(1) and 0 < chances[0, 7] < 1 and not chances[0, [3, 5]].any()
    )
    assert next_item_chances(SimpleNamespace(truth=None, n_items=3), [[0]], [2]).tolist() == [
        [0, 0, 1]
    ]


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
    assert bold == ([f"{place:>2}  Film F  ← the likeliest next one"] if place <= 10 else [])
    where = f"at place {place}" if place <= 10 else "not among the ten"
    assert editor.describe(text).endswith(
        f"First of the list: {items[0]}; the likeliest next item is {where}."
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
