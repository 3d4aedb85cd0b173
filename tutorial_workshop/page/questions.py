"""Quizzes: questions in YAML, an explanation for every choice, drawn with core widgets and readable
without any.

A file ``quizzes/<notebook>.yaml`` holds::

    questions:
      - id: log-base                      # letters, digits, hyphens
        question: Which logarithm does NDCG need?
        choices:                          # 2 to 5, each with its own explanation
          - text: Any, as long as it is the same above and below
            correct: true
            why: The base cancels in the ratio DCG / IDCG.
          - text: Only base 2
            why: Base 2 is the custom. The ratio does not change with the base.
        several: false                    # optional; true: all the right ones must be ticked

The rules are in ``tools/quiz_rules.py``. ``backticks`` and ``**stars**`` work in all texts. The
order of the choices in the file does not matter: they are shuffled by a fixed seed and the
question's id, so a question looks the same on every page and on every day, and its letters agree
wherever it is drawn. So no text may speak of "the first choice".
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tutorial_lib.data.shipped import read_yaml
from tutorial_lib.errors import unknown_name
from tutorial_workshop.page.display import display_html, folded, inline_html

FOLDER = Path(__file__).parent / "quizzes"
_LETTERS = "ABCDE"
_SEED = 0  # of the shuffles; a test checks that the right choices spread evenly over the letters


@dataclass(frozen=True)
class Choice:
    """One answer, whether it is right, and why."""

    text: str
    why: str
    correct: bool = False

    @property
    def verdict(self) -> str:
        return "Right" if self.correct else "Wrong"


@dataclass(frozen=True)
class Question:
    """One question with two to five choices, in the order in which they are shown."""

    id: str
    text: str
    choices: tuple[Choice, ...]
    several: bool = False


def load_questions(path: Path) -> dict[str, Question]:
    """Read one quiz file: question id -> ``Question``, in the order of the file."""
    return {raw["id"]: _question(raw) for raw in read_yaml(path)["questions"]}


def _question(raw: dict) -> Question:
    """One question, its choices in the order in which they are shown: the same for the same id, on
    every machine.
    """
    choices = [Choice(**choice) for choice in raw["choices"]]
    order = random.Random(f"{_SEED} {raw['id']}").sample(range(len(choices)), len(choices))
    shuffled = tuple(choices[place] for place in order)
    return Question(raw["id"], raw["question"], shuffled, raw.get("several", False))


def get_question(notebook: str, question: str) -> Question:
    """The question of that id in ``quizzes/<notebook>.yaml``; unknown names are refused with the
    nearest ones.
    """
    path = FOLDER / f"{notebook}.yaml"
    if not path.is_file():
        raise unknown_name("quiz", notebook, sorted(p.stem for p in FOLDER.glob("*.yaml")))
    questions = load_questions(path)
    if question not in questions:
        raise unknown_name(f"question in quiz {notebook!r},", question, questions)
    return questions[question]


def feedback_html(question: Question, chosen: set[int]) -> str:
    """What a learner reads after choosing (indices of the choices): right or not in words, and why,
    choice by choice.
    """
    right = {i for i, choice in enumerate(question.choices) if choice.correct}
    if chosen == right:
        verdict = "Correct."
    elif chosen and chosen < right:
        verdict = "Right so far, but not all of them. Tick the others too."
    else:
        verdict = "Not quite." if question.several else "Not this one."
        verdict += " Read why, then try again."
    lines = ""
    for place in sorted(chosen):
        choice = question.choices[place]
        answer = inline_html(f"{_LETTERS[place]}. {choice.text.rstrip('.')}")
        lines += f"<li><strong>{choice.verdict}:</strong> {answer}. {inline_html(choice.why)}</li>"
    return f'<div role="status" aria-live="polite"><strong>{verdict}</strong><ul>{lines}</ul></div>'


def question_html(question: Question) -> str:
    """The whole question as plain HTML: every choice folds open to its explanation. Needs no kernel
    and no script.
    """
    several = " (more than one is right)" if question.several else ""
    parts = [f"<p><strong>Question.</strong> {inline_html(question.text)}{several}</p>"]
    for letter, choice in zip(_LETTERS, question.choices, strict=False):
        answer = f"<p><strong>{choice.verdict}.</strong> {inline_html(choice.why)}</p>"
        parts.append(folded(f"{letter}. {choice.text}", answer))
    return "\n".join(parts)


def question_text(question: Question) -> str:
    """Question and choices as plain text, without the answers (for terminals and logs)."""
    lines = [f"  {a}. {c.text}" for a, c in zip(_LETTERS, question.choices, strict=False)]
    return "\n".join([f"Question: {question.text}", *lines])


def question_box(question: Question, on_answer: Callable[[bool], None] = lambda right: None):
    """The question as a widget: a tick box for each choice, a Check button, and the explanation.

    Built from what ipywidgets 7 and 8 share. Tab and Space reach everything. Radio buttons would
    not do: JupyterLab takes their arrow keys to move between cells. So where one choice is right,
    ticking it clears the others.

    Args:
        question: what is asked.
        on_answer: called at each *Check* of an answer with whether it is all right.

    Returns:
        A ``VBox`` whose children are question, box of choices, button and feedback, in this order.
    """
    import ipywidgets as widgets

    wide = {"width": "max-content", "max_width": "100%"}
    task = "Tick all that are right." if question.several else "Tick one."
    head = widgets.HTML(f"<strong>Question.</strong> {inline_html(question.text)} {task}")
    boxes = [
        widgets.Checkbox(
            value=False, description=f"{letter}. {choice.text}", indent=False, layout=wide
        )
        for letter, choice in zip(_LETTERS, question.choices, strict=False)
    ]
    button = widgets.Button(description="Check")
    feedback = widgets.HTML("")

    def check(_button) -> None:
        chosen = {number for number, box in enumerate(boxes) if box.value}
        if chosen:
            on_answer(chosen == {n for n, choice in enumerate(question.choices) if choice.correct})
        feedback.value = (
            feedback_html(question, chosen)
            if chosen
            else '<div role="status">Tick an answer first.</div>'
        )

    def clear_others(change) -> None:
        if change["new"]:
            for box in boxes:
                if box is not change["owner"]:
                    box.value = False

    button.on_click(check)
    if not question.several:
        for box in boxes:
            box.observe(clear_others, "value")
    return widgets.VBox([head, widgets.VBox(boxes), button, feedback])


def quiz(notebook: str, question: str) -> None:
    """Ask one question in a notebook.

    Args:
        notebook: name of the quiz file, e.g. ``"01_recommendation_as_language"``.
        question: id of the question in it.

    Raises:
        InputError: for an unknown quiz or question.
    """
    from tutorial_workshop.page.progress import remember

    asked = get_question(notebook, question)
    box = question_box(asked, partial(remember, "question", f"{notebook}/{question}"))
    display_html(question_html(asked), question_text(asked), widget=box)
