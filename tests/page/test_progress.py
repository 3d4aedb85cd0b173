"""Progress is kept on this computer, without a name, and only where a person works."""

from __future__ import annotations

import json

import pytest

from tutorial_lib.errors import InputError
from tutorial_workshop.cli.main import main
from tutorial_workshop.exercises.loading import get_exercise
from tutorial_workshop.page import checker, progress, questions


@pytest.fixture
def learner(tmp_path, monkeypatch):
    """A notebook of a person, with a cache of its own."""
    monkeypatch.setenv("TUTORIAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("TUTORIAL_NOTEBOOK", raising=False)
    monkeypatch.setattr(progress, "in_notebook", lambda: True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def answer(question: questions.Question, box, right: bool) -> None:
    """Tick one choice that is right, or wrong, and press Check."""
    _, choices, button, _ = box.children
    place = next(n for n, choice in enumerate(question.choices) if choice.correct == right)
    choices.children[place].value = True
    button.click()


def test_tries_are_counted_and_exported(learner, monkeypatch, capsys):
    """An exercise solved at the second try and a question answered at the second click."""
    checker.attempt(lambda *_: 0.0, exercise="00-hit")
    checker.attempt(get_exercise("00-hit").reference, exercise="00-hit")
    boxes = []
    monkeypatch.setattr(questions, "display_html", lambda *_, widget: boxes.append(widget))
    questions.quiz("00_start_here", "one-user")
    asked = questions.get_question("00_start_here", "one-user")
    answer(asked, boxes[0], right=False)
    answer(asked, boxes[0], right=True)
    assert main(["progress", "--out", "out"]) == 0
    kept = json.loads((learner / "out" / "progress.json").read_text())
    expected = {"tries": 2, "right": True, "at first": False}
    for name, one in (*kept["exercises"].items(), *kept["questions"].items()):
        assert name in ("00-hit", "00_start_here/one-user")
        assert {key: one[key] for key in expected} == expected
    page = (learner / "out" / "certificate.html").read_text()
    assert f"1 of {kept['of']['exercises']} exercises" in page and "0 at the first try" in page
    assert "http" not in page and "<script" not in page and str(learner) not in page


def test_what_is_not_tried_or_not_by_a_person_is_not_kept(learner, monkeypatch, capsys):
    """Else the first run of all notebooks would fill somebody's certificate."""
    checker.attempt(None, exercise="00-hit")
    monkeypatch.setenv("TUTORIAL_NOTEBOOK", "00_start_here")
    checker.attempt(get_exercise("00-hit").reference, exercise="00-hit")
    monkeypatch.delenv("TUTORIAL_NOTEBOOK")
    monkeypatch.setattr(progress, "in_notebook", lambda: False)
    checker.attempt(get_exercise("00-hit").reference, exercise="00-hit")
    assert not progress.progress_file().exists()
    with pytest.raises(InputError, match="nothing to show yet"):
        progress.save_progress(learner)


def test_a_place_that_cannot_be_written_or_a_broken_line_is_no_obstacle(learner, capsys):
    (learner / "cache").write_text("a file where the folder should be")
    checker.attempt(get_exercise("00-hit").reference, exercise="00-hit")
    assert "correct" in capsys.readouterr().out
    (learner / "cache").unlink()
    progress.remember("exercise", "00-hit", True)
    with progress.progress_file().open("a") as log:
        log.write('{"kind": "exer')
    assert progress.progress()["exercises"]["00-hit"]["tries"] == 1
