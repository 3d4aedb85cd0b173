"""Quizzes: if these fail, a question has no right answer, an answer has no explanation, or Colab cannot draw it."""

from __future__ import annotations

import pytest
from kernel import kernel, shown

from tutorial_lib.errors import InputError
from tutorial_lib.teaching import quiz
from tutorial_lib.teaching.questions import FOLDER, feedback_html, get_question, load_questions, question_box, question_html

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
    for question in load_questions(path).values():
        assert all(len(choice.why) >= 10 for choice in question.choices), f"{question.id}: an explanation of one word explains nothing"
        assert question_box(question).children, question.id


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("correct: true", "correct: false"), "0 correct choices"),
        (("why: Not this.", "why: Not this., correct: true"), "2 correct choices with several: False"),
        (("question: Which?", "question: Which?\n    several: true"), "1 correct choices with several: True"),
        ((", why: Not this.", ""), "missing why"),
        (("why: Not this.", "why: ''"), "choice B: expected a text"),
        (("why: Not this.", "why: No, wy: x"), "unknown wy"),
        (("text: B", "text: A"), "read the same"),
        (("text: B", "text: " + "B" * 101), "101 characters"),
        (("correct: true", "correct: 'yes'"), "write true or leave it out"),
        (("      - {text: B, why: Not this.}\n", ""), "2 to 5 choices"),
        (("id: one", "id: One_1"), "small letters"),
        (("questions:", "quiz:"), "under the key 'questions'"),
        (("why: Because.", "why: {"), "not valid YAML"),
    ],
)
def test_a_broken_file_is_refused_with_its_place(tmp_path, change, complaint):
    path = tmp_path / "broken.yaml"
    path.write_text(GOOD.replace(*change), encoding="utf-8")
    with pytest.raises(InputError, match=complaint) as caught:
        load_questions(path)
    assert str(caught.value).startswith("broken.yaml")


def test_good_file_and_double_id(tmp_path):
    path = tmp_path / "q.yaml"
    path.write_text(GOOD, encoding="utf-8")
    assert list(load_questions(path)) == ["one"]
    path.write_text(GOOD + GOOD.split("questions:\n")[1].lstrip("\n"), encoding="utf-8")
    with pytest.raises(InputError, match="used twice"):
        load_questions(path)


def test_each_choice_has_its_own_answer_in_the_text_version():
    """The text version is all that GitHub, nbviewer and an exported page show."""
    question = get_question("demo", "log-base")
    page = question_html(question)
    assert page.count("<details>") == 2 and page.count("<strong>Wrong.</strong>") == 1 and page.count("<strong>Right.</strong>") == 1
    assert "<script" not in page and "style=" not in page


def test_feedback_says_in_words_what_is_right():
    question = get_question("demo", "position-aware")
    assert "<strong>Correct.</strong>" in feedback_html(question, {0, 2})
    assert "not all of them" in feedback_html(question, {0})
    assert "Not quite" in feedback_html(question, {0, 1})
    assert "Not quite" in feedback_html(question, {0, 1, 2})


def test_boxes_start_empty_and_one_clears_the_other():
    """A choice made beforehand would count as an answer; two ticks where one is right would be no answer."""
    head, choices, button, feedback = question_box(get_question("demo", "log-base")).children
    first, second = choices.children
    button.click()
    assert "Tick an answer first" in feedback.value
    first.value = True
    button.click()
    assert "Not this one" in feedback.value and "same factor" in feedback.value
    second.value = True
    assert not first.value
    button.click()
    assert "<strong>Correct.</strong>" in feedback.value


def test_tick_boxes():
    head, choices, button, feedback = question_box(get_question("demo", "position-aware")).children
    for number in (0, 2):
        choices.children[number].value = True
    button.click()
    assert "<strong>Correct.</strong>" in feedback.value


def test_a_notebook_gets_widget_and_text_in_one_output():
    """Two outputs would show the question twice; without the text a page without kernel is empty."""
    with kernel() as run:
        outputs = shown(run('from tutorial_lib.teaching import quiz\nquiz("demo", "log-base")'))
    assert len(outputs) == 1
    assert set(outputs[0].data) == {"text/plain", "text/html", "application/vnd.jupyter.widget-view+json"}


def test_unknown_names_are_refused(capsys):
    with pytest.raises(InputError, match="did you mean 'demo'"):
        quiz("dmo", "log-base")
    with pytest.raises(InputError, match="did you mean 'log-base'"):
        quiz("demo", "log-bse")
    quiz("demo", "log-base")
    assert capsys.readouterr().out.startswith("Question: Which logarithm")
