"""Quizzes: if these fail, a question has no right answer, an answer has no explanation, or Colab
cannot draw it.
"""

from __future__ import annotations

from collections import Counter

import pytest
from kernel import kernel, shown

from tutorial_lib.errors import InputError
from tutorial_workshop.page import quiz
from tutorial_workshop.page.display import inline_html
from tutorial_workshop.page.questions import (
    FOLDER,
    feedback_html,
    get_question,
    load_questions,
    question_box,
    question_html,
    question_text,
)

FILES = sorted(FOLDER.glob("*.yaml"))


def test_each_choice_has_its_own_answer_in_the_text_version():
    """The text version is all that GitHub, nbviewer and an exported page show."""
    question = get_question("demo", "log-base")
    page = question_html(question)
    assert (
        page.count("<details>") == 2
        and page.count("<strong>Wrong.</strong>") == 1
        and page.count("<strong>Right.</strong>") == 1
    )
    assert "<script" not in page and "style=" not in page


def places(question, correct):
    """Where the right (or the wrong) choices stand, as they are shown."""
    return [place for place, choice in enumerate(question.choices) if choice.correct == correct]


def test_feedback_says_in_words_what_is_right():
    question = get_question("demo", "position-aware")
    right, wrong = places(question, True), places(question, False)
    assert len(right) == 2 and len(wrong) == 1
    assert "<strong>Correct.</strong>" in feedback_html(question, set(right))
    assert "not all of them" in feedback_html(question, {right[0]})
    assert "Not quite" in feedback_html(question, {right[0], wrong[0]})
    assert "Not quite" in feedback_html(question, {0, 1, 2})


SINGLE = [q for path in FILES for q in load_questions(path).values() if not q.several]


def test_the_order_is_shuffled_and_the_same_every_time(tmp_path):
    """Else the right answer stands where its author wrote it, or moves between two readings."""
    path = tmp_path / "q.yaml"
    choices = "".join(f"      - {{text: t{n}, why: w}}\n" for n in range(4))
    text = f"questions:\n  - id: NAME\n    question: Which?\n    choices:\n{choices}"
    text = text.replace("t0, why: w", "t0, why: w, correct: true")
    orders = {}
    for number in range(40):
        path.write_text(text.replace("NAME", f"q{number}"), encoding="utf-8")
        read = [next(iter(load_questions(path).values())) for _ in range(2)]
        assert read[0] == read[1]
        orders[number] = tuple(choice.text for choice in read[0].choices)
    assert len(set(orders.values())) > 10 and {order.index("t0") for order in orders.values()} == {
        0,
        1,
        2,
        3,
    }
    assert orders[0] == (
        "t2",
        "t0",
        "t3",
        "t1",
    ), "the order of a question changed: letters in notes are wrong now"


@pytest.mark.parametrize("question", SINGLE, ids=lambda question: question.id)
def test_letters_agree_wherever_a_question_is_drawn(question):
    """Else "who took B?" means one choice in the widget and another one in the text version."""
    boxes = question_box(question).children[1].children
    page, text = question_html(question), question_text(question)
    for letter, choice, box in zip("ABCDE", question.choices, boxes, strict=False):
        assert box.description == f"{letter}. {choice.text}"
        assert f"  {letter}. {choice.text}" in text.splitlines()
        said = inline_html(f"{letter}. {choice.text.rstrip('.')}")
        assert said in feedback_html(question, {question.choices.index(choice)}) and said in page


@pytest.mark.parametrize("size", [3, 4])
def test_no_rank_by_length_tells_the_right_choice(size):
    """Else whoever always picks the second longest line is right in two questions of three."""
    found, asked = Counter(), [q for q in SINGLE if len(q.choices) == size]
    for question in asked:
        right = len(question.choices[places(question, True)[0]].text)
        lengths = sorted((len(choice.text) for choice in question.choices), reverse=True)
        assert lengths.count(right) == 1, (
            f"{question.id}: a wrong choice is as long as the right one"
        )
        found[lengths.index(right) + 1] += 1
    for rank in range(1, size + 1):
        told = (
            f"the right one of {size} is number {rank} by length in {found[rank]} of {len(asked)}"
        )
        assert 0.15 <= found[rank] / len(asked) <= 0.4, told


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_text_speaks_of_a_place_or_a_letter(path):
    """Choices are shuffled: "the first choice" or "as in B" would point at a different one."""
    import re

    place = (
        r"\b(first|second|third|last|next|previous|former|latter|other|upper|lower)"
        r" (choice|answer|option)s?\b"
    )
    letter = (
        r"\b(choice|answer|option) [A-E]\b|\b(all|none|both) of (the above|these choices|them are"
        r" right)\b"
    )
    for question in load_questions(path).values():
        for text in [question.text, *(t for c in question.choices for t in (c.text, c.why))]:
            assert not re.search(f"{place}|{letter}", text, re.I), f"{question.id}: {text}"


def test_boxes_start_empty_and_one_clears_the_other():
    """A choice made beforehand would count as an answer; two ticks where one is right would be no
    answer.
    """
    question = get_question("demo", "log-base")
    head, choices, button, feedback = question_box(question).children
    first, second = (choices.children[places(question, correct)[0]] for correct in (False, True))
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
    question = get_question("demo", "position-aware")
    head, choices, button, feedback = question_box(question).children
    for number in places(question, True):
        choices.children[number].value = True
    button.click()
    assert "<strong>Correct.</strong>" in feedback.value


def test_a_notebook_gets_widget_and_text_in_one_output():
    """Two outputs would show the question twice; a page without a kernel needs the text."""
    with kernel() as run:
        outputs = shown(run('from tutorial_workshop.page import quiz\nquiz("demo", "log-base")'))
    assert len(outputs) == 1
    assert set(outputs[0].data) == {
        "text/plain",
        "text/html",
        "application/vnd.jupyter.widget-view+json",
    }


def test_unknown_names_are_refused(capsys):
    with pytest.raises(InputError, match="did you mean 'demo'"):
        quiz("dmo", "log-base")
    with pytest.raises(InputError, match="did you mean 'log-base'"):
        quiz("demo", "log-bse")
    quiz("demo", "log-base")
    assert capsys.readouterr().out.startswith("Question: Which logarithm")
