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
        several: false                    # optional; true: more than one choice is right, and all must be ticked

``backticks`` and ``**stars**`` work in all texts. The order of the choices in the file does not
matter: they are shuffled by a fixed seed and the question's id, so a question looks the same on
every page and on every day, and its letters agree wherever it is drawn. So no text may speak of
"the first choice".
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from pathlib import Path

from tutorial_lib.errors import InputError, unknown_name
from tutorial_workshop.page.display import display_html, folded, inline_html

FOLDER = Path(__file__).parent / "quizzes"
_LONGEST_CHOICE = 100  # characters: the label of a tick box does not wrap
_LETTERS = "ABCDE"
_SEED = 0  # of the shuffles; a test checks that the right choices spread evenly over the letters


@dataclass(frozen=True)
class Choice:
    """One answer, whether it is right, and why."""

    text: str
    why: str
    correct: bool = False


@dataclass(frozen=True)
class Question:
    """One question with two to five choices, in the order in which they are shown."""

    id: str
    text: str
    choices: tuple[Choice, ...]
    several: bool = False


def load_questions(path: Path) -> dict[str, Question]:
    """Read and check one quiz file.

    Returns:
        Question id -> ``Question``, in the order of the file.

    Raises:
        InputError: naming the file, the question and what is wrong with it.
    """
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise InputError(
            f"{path.name}: not valid YAML ({error}); put texts that hold ': ' or '#' in quotes"
        ) from None
    if (
        not isinstance(content, dict)
        or not isinstance(content.get("questions"), list)
        or not content["questions"]
    ):
        raise InputError(f"{path.name}: expected a list under the key 'questions'")
    questions: dict[str, Question] = {}
    for number, raw in enumerate(content["questions"], start=1):
        question = _parse(raw, f"{path.name}, question {number}")
        if question.id in questions:
            raise InputError(
                f"{path.name}, question {number}: the id {question.id!r} is used twice; give each"
                " question its own"
            )
        questions[question.id] = question
    return questions


def _keys(raw: object, needed: set[str], optional: set[str], where: str) -> dict:
    """The mapping itself, refused when a key is missing or unknown."""
    if not isinstance(raw, dict):
        raise InputError(
            f"{where}: expected keys {', '.join(sorted(needed))}, got {type(raw).__name__}"
        )
    missing, unknown = needed - set(raw), set(raw) - needed - optional
    if missing or unknown:
        what = "; ".join(
            f"{kind} {', '.join(sorted(map(str, keys)))}"
            for kind, keys in (("missing", missing), ("unknown", unknown))
            if keys
        )
        raise InputError(f"{where}: {what}. Known keys: {', '.join(sorted(needed | optional))}")
    return raw


def _text(value: object, where: str) -> str:
    text = (
        " ".join(str(value).split())
        if isinstance(value, (str, int, float)) and not isinstance(value, bool)
        else ""
    )
    if not text:
        raise InputError(f"{where}: expected a text, got {value!r}; put it in quotes")
    return text


def _parse(raw: object, where: str) -> Question:
    raw = _keys(raw, {"id", "question", "choices"}, {"several"}, where)
    identifier = _text(raw["id"], where)
    where = f"{where} ({identifier})"
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", identifier):
        raise InputError(f"{where}: an id is made of small letters, digits and single hyphens")
    if not isinstance(raw["choices"], list) or not 2 <= len(raw["choices"]) <= 5:
        raise InputError(f"{where}: give 2 to 5 choices")
    choices = []
    for number, item in enumerate(raw["choices"], start=1):
        place = f"{where}, choice {number}"
        item = _keys(item, {"text", "why"}, {"correct"}, place)
        if not isinstance(item.get("correct", False), bool):
            raise InputError(f"{place}: correct is {item['correct']!r}; write true or leave it out")
        choice = Choice(
            _text(item["text"], place), _text(item["why"], place), item.get("correct", False)
        )
        if len(choice.text) > _LONGEST_CHOICE:
            raise InputError(
                f"{place}: {len(choice.text)} characters, at most {_LONGEST_CHOICE} fit on one"
                " line; move the detail into 'why'"
            )
        choices.append(choice)
    if len({choice.text for choice in choices}) < len(choices):
        raise InputError(f"{where}: two choices read the same")
    right, several = sum(choice.correct for choice in choices), raw.get("several", False)
    if not isinstance(several, bool) or (right != 1 and not several) or (several and right < 2):
        expected = "mark exactly one, or two and more with 'several: true'"
        raise InputError(f"{where}: {right} correct choices with several: {several}; {expected}")
    return Question(
        identifier, _text(raw["question"], where), _shuffled(choices, identifier), several
    )


def _shuffled(choices: list[Choice], identifier: str) -> tuple[Choice, ...]:
    """The choices in the order in which they are shown: the same for the same id, on every machine."""
    places = random.Random(f"{_SEED} {identifier}").sample(range(len(choices)), len(choices))
    return tuple(choices[place] for place in places)


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
        verdict = (
            "Not this one. Read why, then try again."
            if not question.several
            else "Not quite. Read why, then try again."
        )
    lines = ""
    for place in sorted(chosen):
        choice = question.choices[place]
        said = inline_html(f"{_LETTERS[place]}. {choice.text.rstrip('.')}")
        lines += f"<li><strong>{'Right' if choice.correct else 'Wrong'}:</strong> {said}. "
        lines += f"{inline_html(choice.why)}</li>"
    return f'<div role="status" aria-live="polite"><strong>{verdict}</strong><ul>{lines}</ul></div>'


def question_html(question: Question) -> str:
    """The whole question as plain HTML: every choice folds open to its explanation. Needs no kernel
    and no script.
    """
    several = " (more than one is right)" if question.several else ""
    parts = [f"<p><strong>Question.</strong> {inline_html(question.text)}{several}</p>"]
    for letter, choice in zip(_LETTERS, question.choices, strict=False):
        answer = (
            f"<p><strong>{'Right' if choice.correct else 'Wrong'}.</strong>"
            f" {inline_html(choice.why)}</p>"
        )
        parts.append(folded(f"{letter}. {choice.text}", answer))
    return "\n".join(parts)


def question_text(question: Question) -> str:
    """Question and choices as plain text, without the answers (for terminals and logs)."""
    return "\n".join(
        [
            f"Question: {question.text}",
            *(f"  {a}. {c.text}" for a, c in zip(_LETTERS, question.choices, strict=False)),
        ]
    )


def question_box(question: Question):
    """The question as a widget: a tick box for each choice, a Check button, and the explanation.

    Built from what ipywidgets 7 and 8 share. Tab and Space reach everything. Radio buttons would
    not do: JupyterLab takes their arrow keys to move between cells. So where one choice is right,
    ticking it clears the others.

    Returns:
        A ``VBox`` whose children are question, box of choices, button and feedback, in this order.
    """
    import ipywidgets as widgets

    wide = {"width": "max-content", "max_width": "100%"}
    task = "Tick all that are right." if question.several else "Tick one."
    head = widgets.HTML(f"<strong>Question.</strong> {inline_html(question.text)} {task}")
    boxes = [
        widgets.Checkbox(
            value=False,
            description=f"{letter}. {choice.text}",
            indent=False,
            layout=wide,
        )
        for letter, choice in zip(_LETTERS, question.choices, strict=False)
    ]
    button, feedback = widgets.Button(description="Check"), widgets.HTML("")

    def check(_button) -> None:
        chosen = {number for number, box in enumerate(boxes) if box.value}
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
        InputError: for an unknown quiz or question, or a file that breaks the rules above.
    """
    asked = get_question(notebook, question)
    display_html(question_html(asked), question_text(asked), widget=question_box(asked))
