"""Rules of quiz files: every question has a right answer, every answer an explanation."""

from __future__ import annotations

import pytest

from tools.quiz_rules import check_quiz
from tutorial_workshop.page.questions import FOLDER, load_questions, question_box

FILES = sorted(FOLDER.glob("*.yaml"))
GOOD = """
questions:
  - id: one
    question: Which?
    choices:
      - {text: A, why: Because., correct: true}
      - {text: B, why: Not this.}
"""


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_quiz_file_is_sound(path):
    assert check_quiz(path) == []
    for question in load_questions(path).values():
        assert all(len(choice.why) >= 10 for choice in question.choices), (
            f"{question.id}: an explanation of one word explains nothing"
        )
        assert question_box(question).children, question.id


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("correct: true", "correct: false"), "0 correct choices"),
        (
            ("why: Not this.", "why: Not this., correct: true"),
            "2 correct choices with several: False",
        ),
        (
            ("question: Which?", "question: Which?\n    several: true"),
            "1 correct choices with several: True",
        ),
        ((", why: Not this.", ""), "choice 2: 'why' is a required property"),
        (("why: Not this.", "why: ''"), "choice 2: expected a text"),
        (("why: Not this.", "why: Nope, wy: x"), "choice 2: Additional properties"),
        (("text: B", "text: A"), "read the same"),
        (("text: B", "text: " + "B" * 101), "choice 2: at most 100 characters"),
        (("correct: true", "correct: 'yes'"), "as true, or leave it out"),
        (("      - {text: B, why: Not this.}\n", ""), "question 1: give 2 to 5 choices"),
        (("id: one", "id: One_1"), "small letters"),
        (("questions:", "quiz:"), "'questions' is a required property"),
        (("why: Because.", "why: {"), "not valid YAML"),
    ],
)
def test_a_broken_file_is_refused_with_its_place(tmp_path, change, complaint):
    path = tmp_path / "broken.yaml"
    path.write_text(GOOD.replace(*change), encoding="utf-8")
    problems = check_quiz(path)
    assert any(complaint in problem for problem in problems), problems
    assert all(problem.startswith("broken.yaml") for problem in problems)


def test_good_file_and_double_id(tmp_path):
    path = tmp_path / "q.yaml"
    path.write_text(GOOD, encoding="utf-8")
    assert check_quiz(path) == [] and list(load_questions(path)) == ["one"]
    path.write_text(GOOD + GOOD.split("questions:\n")[1].lstrip("\n"), encoding="utf-8")
    problems = check_quiz(path)
    assert len(problems) == 2 and all("id is used twice" in problem for problem in problems)
