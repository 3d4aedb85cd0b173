"""Figures of the real model: what they say follows from the table they are given."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tutorial_lib.errors import InputError
from tutorial_workshop.figures import real_likes, real_model


@pytest.fixture
def answers() -> pd.DataFrame:
    """`sure` ranks the test users perfectly and always says yes; `claim` knows nothing, says no."""
    rows = []
    for user in range(40):
        for item in range(6):
            liked = item % 2 == 0
            part = "valid" if user < 15 else "test"
            rows.append(("sure", user, item, liked, 2.0 + liked + 0.1 * (item == 4), part))
            rows.append(("claim", user, item, liked, -2.0 - (item + user) % 3, part))
    return pd.DataFrame(rows, columns=["wording", "user", "item", "liked", "score", "part"])


def test_wordings_are_chosen_on_validation_and_reported_on_test(answers, capsys):
    """The best of eight on the test users would be flattered by luck."""
    found = real_likes.show_wordings(answers)
    said = capsys.readouterr().out
    assert found.loc["sure"].tolist() == [1.0, 1.0] and found.loc["claim", "yes"] == 0.0
    assert "from **0.00 to 1.00**" in said and "Best on 15 validation users: `sure`" in said
    turned = answers.assign(score=answers["score"].where(answers["part"] == "test", 0.0))
    by_claim = (turned["part"] == "valid") & (turned["wording"] == "claim")
    turned["score"] = np.where(by_claim, turned["liked"], turned["score"])
    real_likes.show_wordings(turned)
    assert "`claim`. On the test users its AUC is 0." in capsys.readouterr().out


def test_a_threshold_comes_from_other_users_and_mends_what_is_said(answers):
    """Set on the test users it would be right by construction."""
    found = real_likes.show_threshold(answers)
    assert found.loc["sure", "yes as asked"] == 1.0
    assert found.loc["sure", "right with a threshold"] > 0.8 > found.loc["sure", "right as asked"]
    high = answers.assign(score=answers["score"].where(answers["part"] == "test", 9.0))
    assert real_likes.show_threshold(high).loc["sure", "yes with a threshold"] == 0.0


def test_forms_are_compared_with_the_first_answer_by_answer(answers):
    """Equal shares of yes may hide opposite answers."""
    found = real_likes.show_forms(answers)
    assert found["same answer as sure"].to_dict() == {"sure": 1.0, "claim": 0.0}


def test_cold_items_are_a_stratum_of_their_own(capsys):
    """Where nobody has an item, counters cannot win: mixed in, they would hide it."""
    rng = np.random.default_rng(0)
    rows = [
        (
            user,
            name,
            0.9 if name == "EASE" and user % 4 else rng.random(),
            1 if user % 4 == 0 else 30,
        )
        for user in range(80)
        for name in ("log p", "PMI", "popularity", "EASE")
    ]
    verdicts = real_model.show_reranking(
        pd.DataFrame(rows, columns=["user", "scorer", "auc", "count"]), 0.02
    )
    said = capsys.readouterr().out
    assert verdicts["EASE − PMI"] == "better" and len(verdicts) == 3
    assert "all targets: " in said and "fewer than 5 interactions: " in said


def test_what_trigger_words_repair_is_measured_against_the_question_as_it_was(capsys):
    """A share of yes that moves past the truth to the other side is no repair."""
    rows = []
    for seed in range(4):
        for name, value in (("mean", 0.2 + 0.01 * seed), ("token", 0.1)):
            rows.append(("scores", seed, name, "other examples", "spearman", None, None, value))
        for name, end in (("gradient", 0.6 + 0.001 * seed), ("random", 0.65)):
            rows.append(("opponents", seed, name, None, "objective", 0, None, 0.7))
            rows.append(("opponents", seed, name, None, "objective", 500, None, end))
    for name, seed, yes in (("plain", 0, 0.1), ("gradient", 0, 0.9), ("gradient", 1, 0.5)):
        for user in range(3):
            for metric, value in (("yes", yes), ("truth", 0.5), ("auc", 0.55)):
                rows.append(("repaired", seed, name, "?", metric, None, user, value))
    columns = ["part", "seed", "name", "setting", "metric", "calls", "user", "value"]
    found = real_model.show_triggers(pd.DataFrame(rows, columns=columns))
    assert found["spearman"][0] == pytest.approx(0.215)
    assert found["objective"][0] == pytest.approx(-0.0485) and found["objective"][2] < 0
    assert found["off"][0] == pytest.approx(-0.2), "from .4 off to .4 and 0"
    assert "4 of 4 seeds" in capsys.readouterr().out


def test_memory_stands_beside_its_control(capsys):
    years = pd.DataFrame({"year": [1990, 1991] * 30, "count": range(60)})
    years = years.assign(guessed=1990, dealt=1991)
    rows = pd.DataFrame({"order": ["file", "shuffled"] * 30, "rank": [1, 2] * 30})
    found = real_model.show_memory(years, rows)["mean"]
    assert found["year of a film"] == 0.5 and found["next line of the file, of 20"] == 1.0
    assert found["after lines from anywhere"] == 0.0


def test_named_lists_are_grouped_by_attribute_and_wording(capsys):
    """A wording taken for a value, or the other way round, would be another test."""
    rng = np.random.default_rng(1)
    prompts = ["Someone", *(f"paraphrase {i}" for i in range(5))]
    prompts += [f"gender: {value}, wording {i}" for value in ("female", "male") for i in (0, 1)]
    rows = [
        (anchor, prompt, " ".join(map(str, rng.permutation(30)[:10])))
        for prompt in prompts
        for anchor in range(32)
    ]
    found = real_model.named_findings(pd.DataFrame(rows, columns=["anchor", "prompt", "items"]))
    assert list(found) == ["gender"]
    named = {
        value for value in ("female", "male") if any(value in f.metric for f in found["gender"])
    }
    assert named == {"female", "male"}
    shown = real_model.show_named(pd.DataFrame(rows, columns=["anchor", "prompt", "items"]))
    assert (shown["p adjusted"] <= 1).all() and len(shown) == 2
    assert f"of {len(shown)}**" in capsys.readouterr().out


def test_a_table_that_was_not_recorded_names_its_command():
    with pytest.raises(InputError, match="real_lm.py --part nothing makes it"):
        real_model.probe("nothing")
