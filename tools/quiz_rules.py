"""The rules that every quiz file keeps; what a file looks like is told by ``quiz_schema.yaml``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator

SCHEMA = yaml.safe_load(Path(__file__).with_name("quiz_schema.yaml").read_text(encoding="utf-8"))


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
