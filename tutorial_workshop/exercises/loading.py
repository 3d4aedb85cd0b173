"""Reads the exercises: texts and cases from YAML, checks from Python, solutions from notebooks."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from tutorial_lib.data.shipped import read_yaml
from tutorial_lib.errors import unknown_name
from tutorial_workshop.exercises.checks import Mistake, expect
from tutorial_workshop.page.notebooks import notebooks_folder

SOLUTION_MARK = re.compile(r"^[ \t]*# SOLUTION (BEGIN|END)[ \t]*(\n|\Z)", re.M)


@dataclass(frozen=True)
class Exercise:
    """One exercise.

    Args:
        name: number of the notebook and a word, e.g. ``"01-ndcg"``.
        task: one sentence, what to write.
        hints: three, from a nudge to nearly the code.
        checks: functions that take the learner's function, call it on small cases, and raise
            ``Mistake``. Each tests a property (a bound, a case worked out by hand, a change of
            input and what must follow), never equality with the solution.
    """

    name: str
    task: str
    hints: tuple[str, str, str]
    checks: tuple[Callable[[Callable], None], ...]

    @property
    def solution(self) -> str:
        """The code, with the imports that it needs."""
        return solution(self.name)[1]

    @property
    def reference(self) -> Callable:
        """The solution as a function, to go on with meanwhile."""
        return reference(self.name)


@cache
@cache
def all_exercises() -> dict[str, Exercise]:
    """Every exercise of the kit, by name."""
    found = {}
    for path in sorted(Path(__file__).parent.glob("exercise_*.yaml")):
        module = f"{__package__}.{path.stem}"
        in_code = importlib.util.find_spec(module) is not None
        checks = importlib.import_module(module).CHECKS if in_code else {}
        for name, parts in read_yaml(path).items():
            cases = [_case(name, case, parts.get("given", {})) for case in parts.get("cases", [])]
            found[name] = Exercise(
                name, parts["task"], tuple(parts["hints"]), (*cases, *checks.get(name, ()))
            )
    return found


def get_exercise(name: str) -> Exercise:
    """The exercise of that name; an unknown one is refused with the nearest names."""
    exercises = all_exercises()
    if name not in exercises:
        raise unknown_name("exercise", name, sorted(exercises))
    return exercises[name]


def _case(name: str, case: Mapping, given: Mapping[str, str]) -> Callable[[Callable], None]:
    """The check that makes one call and compares what comes out."""

    def check(function: Callable) -> None:
        names: dict[str, Any] = {"math": math, "np": np}

        def value(written: object) -> Any:
            return eval(written, names) if isinstance(written, str) else written

        names |= {key: value(written) for key, written in given.items()}
        expected = value(case["expect"])
        mistakes = [(value(wrong), why) for wrong, why in case.get("mistakes", {}).items()]
        names[solution(name)[0]] = function
        try:
            found = value(case["call"])
        except Mistake as stopped:
            advice = case.get("stopped", "")
            raise Mistake(f"{stopped} {advice}".rstrip()) from stopped.__cause__
        expect(found, expected, case["call"], mistakes, case.get("otherwise", ""))

    return check


@cache
def solution(name: str) -> tuple[str, str]:
    """Name of the function that an exercise asks for, and its code in the notebook's source."""
    (path,) = (notebooks_folder() / "src").glob(f"{name[:2]}_*.py")
    source = path.read_text(encoding="utf-8")
    attempted = rf'^def (\w+)\((?:(?!^# %%).)*^\1 = attempt\(\1, exercise="{name}"\)'
    match = re.search(attempted, source, re.M | re.S)
    if match is None:
        raise ValueError(f"{path.name} has no line: name = attempt(name, exercise={name!r})")
    code = match[0][: match[0].rindex(f"\n{match[1]} = attempt")]
    code = SOLUTION_MARK.sub("", code).strip()
    return match[1], "\n\n\n".join([*filter(None, [_imports(source, code)]), code])


def _imports(source: str, code: str) -> str:
    """The import lines of a notebook that some code in it relies on."""
    used = {node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)}
    lines = []
    for node in ast.parse(source).body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            node.names = [n for n in node.names if (n.asname or n.name).split(".")[0] in used]
            if node.names:
                lines.append(ast.unparse(node))
    return "\n".join(lines)


@cache
def reference(name: str) -> Callable:
    """The solution of an exercise as a function; the same one on every call."""
    function, code = solution(name)
    space: dict = {}
    exec(code, space)
    return space[function]
