"""The rules that every quiz file keeps, and those that all keep together; what a file looks like is
told by ``quiz_schema.yaml``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator

from tutorial_workshop.page.questions import load_questions

SCHEMA = yaml.safe_load(Path(__file__).with_name("quiz_schema.yaml").read_text(encoding="utf-8"))

TELLING = 0.4  # largest share of single-answer questions whose right choice has the extreme length
LUCK = 1.5  # times chance: how often the right choice may stand at one letter


def check_balance(paths: Iterable[Path]) -> list[str]:
    """Whether the right choices of all quizzes together are told by their length or their letter:
    else whoever picks the longest line, or always B, passes without reading.
    """
    questions = [question for path in paths for question in load_questions(path).values()]
    single = [question.choices for question in questions if not question.several]
    extreme: Counter[str] = Counter()
    found: Counter[str] = Counter()
    chance: Counter[str] = Counter()
    for choices in single:
        lengths = [len(choice.text) for choice in choices]
        right = [choice.correct for choice in choices].index(True)
        extreme["longest"] += lengths[right] == max(lengths)
        extreme["shortest"] += lengths[right] == min(lengths)
        found["ABCDE"[right]] += 1
        chance.update({letter: 1 / len(choices) for letter in "ABCDE"[: len(choices)]})
    problems = [
        f"quizzes: the right choice is the {which} in {number} of {len(single)} questions, at most"
        f" {TELLING:.0%}; reword some choices"
        for which, number in extreme.items()
        if number > TELLING * len(single)
    ]
    return problems + [
        f"quizzes: {letter} is right {found[letter]} times, by chance {share:.1f}; give a new"
        " question another id, from which its order is drawn"
        for letter, share in chance.items()
        if not share / LUCK <= found[letter] <= share * LUCK
    ]


def check_quiz(path: Path) -> list[str]:
    """Every rule that a quiz file breaks, each with the file and the place."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        problem = " ".join(str(error).split())
        return [
            f"{path.name}: not valid YAML ({problem}); put texts that hold ': ' or '#' in quotes"
        ]
    problems = list(_against_schema(content)) or list(_about_answers(content["questions"]))
    return [f"{path.name}{problem}" for problem in problems]


def _against_schema(content: object) -> Iterator[str]:
    for error in Draft202012Validator(SCHEMA).iter_errors(content):
        place = ""
        for key, number in zip(error.path, list(error.path)[1:], strict=False):
            if key in ("questions", "choices"):
                place += f", {key.removesuffix('s')} {int(number) + 1}"
        yield f"{place}: {error.schema.get('description', error.message)}"


def _about_answers(questions: list[dict]) -> Iterator[str]:
    ids = [question["id"] for question in questions]
    for number, question in enumerate(questions, start=1):
        place = f", question {number} ({question['id']})"
        if ids.count(question["id"]) > 1:
            yield f"{place}: the id is used twice; give each question its own"
        texts = {choice["text"] for choice in question["choices"]}
        if len(texts) < len(question["choices"]):
            yield f"{place}: two choices read the same"
        right = sum(choice.get("correct", False) for choice in question["choices"])
        several = question.get("several", False)
        if (several and right < 2) or (not several and right != 1):
            expected = "mark exactly one, or two and more with 'several: true'"
            yield f"{place}: {right} correct choices with several: {several}; {expected}"
