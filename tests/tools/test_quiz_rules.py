"""Rules of quiz files: every question has a right answer, every answer an explanation."""

from __future__ import annotations

import pytest

from tools.quiz_rules import check_balance, check_quiz
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


def test_the_right_choices_are_told_neither_by_length_nor_by_letter():
    """Else a learner who picks the longest line, or always B, passes without reading."""
    assert check_balance(FILES) == []


def test_long_right_choices_and_a_favourite_letter_are_told(tmp_path):
    """The rule must see what it is there for: here every right choice is longer, and at B."""
    choice = "      - {text: TEXT, why: w}\n"
    question = "  - id: ID\n    question: Which?\n    choices:\n"
    right = choice.replace("TEXT", "the long and right one").replace(
        "why: w", "why: w, correct: true"
    )
    text = "questions:\n"
    for number in range(12):
        text += question.replace("ID", f"q{number}") + right + choice.replace("TEXT", "other")
    path = tmp_path / "q.yaml"
    path.write_text(text, encoding="utf-8")
    problems = check_balance([path])
    assert any("longest in 12 of 12" in problem for problem in problems)
    at_b = [q for q, found in load_questions(path).items() if found.choices[1].correct]
    for number in set(range(12)) - {int(q[1:]) for q in at_b}:
        text = text.replace(f"id: q{number}\n", f"id: {number}-GONE\n")
    blocks = [b for b in text.split("  - id: ")[1:] if "GONE" not in b]
    path.write_text("questions:\n" + "".join("  - id: " + b for b in blocks), encoding="utf-8")
    assert any(problem.startswith("quizzes: B is right") for problem in check_balance([path]))


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
