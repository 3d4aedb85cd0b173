"""What notebook 02 says and draws: the widget over its whole grid, figures, the live curve, and the
recorded results it reads.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from sampling import settings_of
from test_content_00_01 import cells

from tutorial_lib.data.shipped import shipped
from tutorial_lib.objectives import (
    Autoregressive,
    GapFilling,
    Masked,
    NextSegment,
    Permuted,
    ReplacedToken,
    Vocabulary,
)
from tutorial_lib.training import Epoch
from tutorial_workshop.exercises.loading import reference
from tutorial_workshop.experiments import recorded_table
from tutorial_workshop.figures import joint_table
from tutorial_workshop.figures import objectives as figures
from tutorial_workshop.figures.live_curve import LiveCurve, training_curves
from tutorial_workshop.page.display import png_bytes

NAME = "02_objectives_am_mlm"
CONTROLS = {
    "ratio": [0.1, 0.2, 0.3, 0.5, 0.8],
    "mask": ["random places", "cut, last hidden"],
    "seed": range(6),
}


@settings_of(CONTROLS)
def test_masking_playground_draws_every_setting(settings):
    """A slider position that cannot be drawn would freeze the widget; two that differ in targets
    must not look alike.
    """
    pictures = [png_bytes(figures.masking_picture(**values), dpi=40) for values in settings]
    examples = [str(figures.masked_example(**values)) for values in settings]
    pairs = set(zip(pictures, examples))
    assert len(pairs) == len(set(pictures)) == len(set(examples)) > len(settings) / 3


def test_masking_playground_stands_in_the_notebook_with_this_grid():
    """The grid above must be the learner's."""
    (source,) = [cell.source for cell in cells(NAME) if "masking_picture," in cell.source]
    for name, values in CONTROLS.items():
        written = (
            f"range({len(values)})" if isinstance(values, range) else str(values).replace("'", '"')
        )
        assert f"{name}={written}" in source


@settings_of(CONTROLS)
def test_masking_playground_in_words(settings):
    """What a screen reader is told: targets are exactly the hidden letters, and what is cut off is
    neither seen nor asked.
    """
    for values in settings:
        sees, predict = figures.masked_example(**values)
        for letter, shown, asked in zip(figures.LETTERS, sees, predict, strict=True):
            assert (shown == "?") == (asked != "")
            assert asked in ("", letter) and shown in (letter, "?", "·")
        targets = [p for p in predict if p]
        assert figures.describe_masking(**values).startswith(
            f"{len(targets)} of 12 items are targets ({', '.join(targets)});"
        )
        if values["mask"] == "cut, last hidden":
            assert len(targets) == 1 and set(sees[sees.index("?") + 1 :]) <= {"·"}


def test_attention_pictures_show_what_the_batch_says():
    """A hatched cell too many would teach a leak."""
    vocabulary, history = Vocabulary(12), torch.tensor([[0, 1, 2, 3]])
    batches = {
        o.name: o.corrupt(history, vocabulary, torch.Generator().manual_seed(1))
        for o in (Autoregressive(), Masked(), GapFilling())
    }
    figure = figures.attention_pictures(batches, vocabulary)
    for ax, batch in zip(figure.axes, batches.values(), strict=True):
        drawn = {(round(p.get_y() + 0.5), round(p.get_x() + 0.5)) for p in ax.patches}
        assert drawn == set(map(tuple, np.argwhere(batch.sees()[0].numpy())))
    labels = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert labels == ["start → A", "A → B", "B → C", "C → D"]


def test_reliability_bins_by_hand():
    """Groups of equal size, the least believed first; nothing is lost."""
    found = figures.reliability_bins(
        np.array([[0.8, 0.1], [0.3, 0.6]]), np.array([[0.4, 0.1], [0.1, 0.4]]), bins=2
    )
    assert found == [
        (pytest.approx(0.2), pytest.approx(0.1)),
        (pytest.approx(0.7), pytest.approx(0.4)),
    ]
    assert len(figures.reliability_bins(np.arange(5) / 5, np.arange(5) / 5, bins=8)) == 5
    fig = figures.reliability({"t = 0": (np.linspace(0, 1, 20), np.linspace(0, 0.3, 20))})
    assert [line.get_label() for line in fig.axes[0].lines] == ["calibrated", "t = 0"]


def test_the_text_claims_no_more_than_was_run():
    """A difference of two recipes is no effect of an architecture; the survey says "may not always
    hold strictly".
    """
    text = "\n".join(cell.source for cell in cells(NAME))
    assert "Effect of the architecture" not in text and "**no** effect of the architecture" in text
    assert "may not always hold strictly" in text and "may not hold strictly" not in text
    assert "10.1145/3477495.3532054" in text  # RESETBERT4Rec


def test_live_curve_tells_each_validation_once(capsys):
    """In CI a training cell leaves a few plain lines, and the curve keeps all of them for later
    figures.
    """
    live = LiveCurve("causal", epochs=3)
    for number in (1, 2, 3):
        live(
            Epoch(
                number,
                5.0 - number,
                float(number),
                100 * number,
                ndcg=0.1 * number if number != 2 else None,
            )
        )
    assert capsys.readouterr().out.splitlines() == [
        "causal: epoch 1 of 3, loss 4.000, NDCG@10 0.1000, 1 s",
        "causal: epoch 3 of 3, loss 2.000, NDCG@10 0.3000, 3 s",
    ]
    left, right = training_curves(live.history).axes
    assert left.lines[0].get_xdata().tolist() == [1, 2, 3] and right.lines[
        0
    ].get_ydata().tolist() == pytest.approx([0.1, 0.3])


def test_recorded_results_carry_what_makes_them_evidence():
    """A recorded number without seed, commit and seconds is hearsay."""
    results = pd.read_csv(shipped("results/sequence.csv"))
    trained = results[results.model.isin(["causal", "masked"])]
    assert (
        len(trained)
        and trained[["seed", "commit", "seconds", "epochs", "users"]].notna().all().all()
    )
    assert trained.commit.astype(str).str.fullmatch(r"[0-9a-f]{7,}").all()
    on_test = trained[trained.on == "test"]
    ml = on_test[on_test.dataset == "ml-100k"]
    assert ml.groupby("model").seed.nunique().to_dict() == {"causal": 5, "masked": 5}
    assert sorted(on_test[on_test.dataset == "world-movies"].users.unique()) == [
        2_000,
        5_000,
        10_000,
        20_000,
    ]
    assert (results.share.dropna() <= 1).all(), (
        "nothing but the exact probabilities reaches the ceiling"
    )


def test_claims_about_recorded_runs_hold():
    """Sentences and captions of the notebook that speak of the recorded runs."""
    results = pd.read_csv(shipped("results/sequence.csv"))
    worlds = results[(results.dataset == "world-movies") & (results.on == "test")]
    share = worlds.pivot_table(index="users", columns="model", values="share")
    assert share["causal"].is_monotonic_increasing  # "The Transformer's share grows with the data"
    assert (share["causal + chain"] > share["causal"]).all()  # "the chain adds"
    curves = pd.read_csv(shipped("results/sequence-curves.csv"))
    value = curves.pivot_table(index="epoch", columns="model", values="ndcg@10")
    early = value.dropna().iloc[0]
    assert early["masked"] < early["causal"]  # "the masked model rises later"


def test_what_is_asked_names_what_is_in_sight():
    """Items that a prediction cannot see, or answers of another history, would teach a leak."""
    vocabulary, two = Vocabulary(12), torch.tensor([[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]])

    def asked(objective, seed=288):
        batch = objective.corrupt(two, vocabulary, torch.Generator().manual_seed(seed))
        return figures.what_is_asked(batch, vocabulary)

    reads, answers = asked(Autoregressive())
    assert reads == "start A B C D"
    assert answers == "A ← nothing; B ← A; C ← A B; D ← A B C; E ← A B C D"
    for seed in range(20):
        before = ""
        for pair in asked(Permuted(), seed)[1].replace("nothing", "").split("; "):
            label, items = pair.split(" ←")
            assert items.replace(" ", "") == "".join(sorted(before))
            before += label
        reads, answers = asked(ReplacedToken(0.4), seed)
        assert answers.split() == [
            "yes" if a == b else "no" for a, b in zip(reads.split(), "ABCDE", strict=True)
        ]
        reads, answers = asked(NextSegment(), seed)
        first, second = reads.removeprefix("start ").split(" | ")
        joined = f"{first} {second}".replace(" ", "")
        assert answers == ("yes" if "ABCDE".startswith(joined) else "no"), reads


def test_the_mask_of_blocks_holds_the_other_objectives():
    """As the text says: one block is MLM's question, ranks 1, 2, 3, ... are that of AM."""
    mask = reference("02-block-mask")
    assert mask([0, 1, 1])[3:, :3].tolist() == [[True, False, False]] * 2
    assert mask([1, 2, 3])[3:, :3].tolist() == np.tri(3, k=-1, dtype=bool).tolist()


def test_claims_about_joined_objectives_hold():
    """Alone none is better than AM, and permuted modelling once learned nothing; joined to AM all
    stay within the margin, for about half as much time again.
    """
    recorded = recorded_table("joint-objectives.csv.gz")
    alone = joint_table(recorded[~recorded["objective"].str.contains("+", regex=False)], "AM", 0.01)
    verdicts = alone["verdict"].drop("AM")
    assert verdicts.drop("permuted").eq("worse").all() and verdicts["permuted"] == "inconclusive"
    by_seed = recorded[recorded["objective"] == "permuted"].groupby("seed")["ndcg@10"].mean()
    assert (by_seed < 0.04).sum() == 1
    joined = joint_table(recorded[recorded["objective"].str.startswith("AM")], "AM", 0.01)
    assert (joined["verdict"].drop("AM") == "equivalent").all() and (joined["low"] > 0).any()
    to_mlm = joint_table(recorded[recorded["objective"].str.startswith("MLM")], "MLM", 0.01)
    assert (to_mlm["verdict"].drop("MLM") == "inconclusive").sum() == 2
    assert not (to_mlm["verdict"] == "better").any()
    assert 1.3 < joined["seconds"].drop("AM").mean() / joined.loc["AM", "seconds"] < 1.8
