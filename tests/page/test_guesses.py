"""Guesses are kept before the result, judged as the notebook declared, and never in the way."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tutorial_lib.errors import InputError
from tutorial_workshop.cli.main import main
from tutorial_workshop.page import guess, guesses, my_guesses, progress, turned_out


@pytest.fixture(autouse=True)
def session(tmp_path, monkeypatch):
    """A notebook of a person who has just begun, with a cache of its own."""
    for name in ("_asked", "_made", "_came_out"):
        monkeypatch.setattr(guesses, name, {})
    monkeypatch.setenv("TUTORIAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("TUTORIAL_NOTEBOOK", raising=False)
    monkeypatch.setattr(progress, "in_notebook", lambda: True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def number(mine, name="00-share"):
    guess(name, mine, "share of hits", within=0.1)


def word(mine, name="00-winner"):
    guess(name, mine, "the winner", choices=["counter", "neither"])


def test_a_notebook_without_guesses_says_nothing_until_its_end(session, capsys):
    number(None)
    turned_out("00-share", 0.5)
    assert capsys.readouterr().out == ""
    my_guesses()
    assert "No guess was kept" in capsys.readouterr().out
    assert not progress.progress_file().exists()


def test_what_is_close_is_declared_and_summed_up(capsys):
    for name, mine, value in [
        ("00-a", 0.4, 0.5),  # just within .1
        ("00-b", 0.9, np.float32(0.5)),
        ("00-c", 0, 0.5),
    ]:
        number(mine, name)
        turned_out(name, value)
    word(" Counter ")
    turned_out("00-winner", "counter")
    word("neither", "00-other")
    turned_out("00-other", "counter")
    capsys.readouterr()
    my_guesses()
    told = capsys.readouterr().out
    assert "**Close: 2 of 5.** Of the numbers, 1 too high and 1 too low." in told
    assert "share of hits  0.9  0.5  +0.4  no" in told and "the winner  neither  counter  -" in told


def test_truth_is_yes_or_no_and_no_value_is_no_result(capsys):
    guess("00-a", "yes", "whether it is better", choices=["yes", "no"])
    turned_out("00-a", np.bool_(True))
    assert "It is yes: close." in capsys.readouterr().out
    number(0.4)
    turned_out("00-share", None)
    turned_out("00-share", float("nan"))
    assert "It is" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("make", "mine", "told"),
    [
        (number, "40 %", "'40 %' is no number"),
        (number, ..., "Ellipsis is no number"),
        (number, float("nan"), "nan is no number"),
        (word, "ease", "'ease' is none of counter, neither"),
    ],
)
def test_what_cannot_be_read_is_told_and_does_not_stop_the_notebook(make, mine, told, capsys):
    make(mine)
    assert f"Not kept: {told}" in capsys.readouterr().out
    my_guesses()
    assert "No guess was kept" in capsys.readouterr().out


def test_a_guess_after_the_result_does_not_count(capsys):
    """Else everybody is well calibrated."""
    number(0.9)
    number(0.4)  # thought better of it, before the result
    turned_out("00-share", 0.5)
    number(0.4)  # the cell is run again
    assert "Not kept" not in capsys.readouterr().out
    number(0.5)
    assert "the result is out already" in capsys.readouterr().out
    turned_out("00-share", 0.5)
    assert "0.4. It is 0.5" in capsys.readouterr().out
    turned_out("00-late", 1)
    number(1, "00-late")
    assert "the result is out already" in capsys.readouterr().out


def test_the_first_guess_is_kept_and_exported(session, monkeypatch, capsys):
    """In another session the answer is known."""
    for mine in (0.4, 0.5):
        monkeypatch.setattr(guesses, "_made", {})
        monkeypatch.setattr(guesses, "_came_out", {})
        number(mine)
        turned_out("00-share", 0.53)
        turned_out("00-share", 0.53)
    assert len(progress.progress_file().read_text().splitlines()) == 2
    assert main(["progress", "--out", "out"]) == 0
    kept = json.loads((session / "out" / "progress.json").read_text())["guesses"]
    assert list(kept) == ["00-share"]
    assert (kept["00-share"]["guess"], kept["00-share"]["right"]) == (0.4, False)
    page = (session / "out" / "certificate.html").read_text()
    assert "0 of 1 guesses close" in page and "<td>0.4</td><td>0.53</td><td>no</td>" in page


def test_a_question_without_a_measure_is_refused():
    for wrong in ({}, {"within": 0.1, "choices": ["a"]}):
        with pytest.raises(InputError, match="guess '00-a': give choices"):
            guess("00-a", 1, "anything", **wrong)


@pytest.mark.parametrize(
    ("ask", "name", "value"), [(number, "00-share", "a"), (word, "00-winner", 1)]
)
def test_a_result_that_nobody_could_have_guessed_is_refused(ask, name, value):
    """A misspelt word would make every guess wrong; asked for without a guess too, as in tests."""
    ask(None, name)
    with pytest.raises(InputError, match="the guess was asked for (a number|counter, neither)"):
        turned_out(name, value)
