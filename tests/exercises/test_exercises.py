"""Exercises: if these fail, a learner is told a wrong thing about right code, or nothing about
wrong code.
"""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from tutorial_lib.errors import InputError
from tutorial_workshop.exercises.checks import Mistake, expect, expect_unchanged
from tutorial_workshop.exercises.loading import Exercise, all_exercises
from tutorial_workshop.page.checker import attempt, help_html, hint, run_checks
from tutorial_workshop.page.notebooks import notebooks_folder

EXERCISES = all_exercises()
WRONG = {
    name: answers
    for path in sorted(Path(__file__).parent.glob("wrong_answers_*.py"))
    for name, answers in importlib.import_module(path.stem).WRONG_ANSWERS.items()
}


def stub(*arguments, **keywords):
    """Your code here."""
    ...


def pass_stub(*arguments, **keywords):
    pass


def raising_stub(*arguments, **keywords):
    raise NotImplementedError


def forgot_to_return(recommended, relevant, k):
    total = len(recommended)
    total += k


@pytest.mark.parametrize("name", EXERCISES)
def test_the_reference_is_accepted(name):
    """Else every notebook goes on with a function that the kit itself calls wrong, and so does a
    learner who copies the solution.
    """
    assert EXERCISES[name].reference is EXERCISES[name].reference
    assert run_checks(EXERCISES[name].reference, EXERCISES[name]) == ("correct", "")


@pytest.mark.parametrize("name", EXERCISES)
@pytest.mark.parametrize(
    "empty",
    [stub, pass_stub, raising_stub, None, ...],
    ids=["dots", "pass", "raises", "none", "ellipsis"],
)
def test_an_empty_stub_is_not_attempted(name, empty, capsys):
    """Else an exercise that nobody touched blocks the notebook or is called a mistake."""
    assert attempt(empty, exercise=name) is EXERCISES[name].reference
    assert capsys.readouterr().out == f"{name}: not attempted: using the reference.\n"


@pytest.mark.parametrize("name", EXERCISES)
def test_every_exercise_has_recorded_wrong_answers_and_help(name):
    """Else a check could accept anything, or a learner who is stuck finds nothing."""
    assert len(WRONG.get(name, [])) >= 3, (
        "record at least three wrong answers in tests/exercises/wrong_answers_NN.py"
    )
    exercise = EXERCISES[name]
    assert (
        exercise.name == name
        and len(exercise.hints) == 3
        and all(len(text) > 20 for text in exercise.hints)
    )
    assert "\n\n" not in help_html(exercise), (
        "an empty line ends an HTML block in Markdown, and the solution spills out of its fold"
    )


@pytest.mark.parametrize("number", [f"{n:02d}" for n in range(2, 11)])
def test_every_notebook_from_02_on_has_a_build(number):
    """An exercise of a quarter of an hour, marked with minutes and difficulty, whose checks tell at
    least six mistakes apart.
    """
    (path,) = (notebooks_folder() / "src").glob(f"{number}_*.py")
    text = re.sub(r"\n# ", " ", path.read_text(encoding="utf-8"))
    mark = r"\*\*Exercise (\d\d-[a-z-]+)\*\* \(build, about 15 minutes, difficulty [123] of 3\)"
    builds = re.findall(mark, text)
    assert builds and set(builds) <= set(EXERCISES)
    for name in builds:
        assert len({expected for _, expected in WRONG[name]}) >= 6, name


@pytest.mark.parametrize(
    ("name", "wrong", "expected"), [(n, w, e) for n, answers in WRONG.items() for w, e in answers]
)
def test_each_wrong_answer_is_told_its_mistake(name, wrong, expected, capsys):
    """Else a wrong answer passes, or is blamed on something else."""
    assert attempt(wrong, exercise=name) is EXERCISES[name].reference
    printed = capsys.readouterr().out
    assert expected in printed and "not yet" in printed and f'hint("{name}", 1)' in printed


def test_a_right_answer_is_handed_back(capsys):
    """Else the learner's own work is thrown away."""
    space: dict = {}
    exec(EXERCISES["01-ndcg"].solution, space)
    assert attempt(space["ndcg_at_k"], exercise="01-ndcg") is space["ndcg_at_k"]
    assert capsys.readouterr().out == "01-ndcg: correct. Going on with your function.\n"


def test_a_missing_return_is_named(capsys):
    """Else a learner who wrote ten lines reads "not attempted" and no reason."""
    attempt(forgot_to_return, exercise="01-ndcg")
    assert "is the `return` missing?" in capsys.readouterr().out


def test_learners_cannot_spoil_the_checks(capsys):
    """Else a function that changes its arguments is judged on its own changes."""
    given = []

    def spoils(recommended, relevant, k):
        given.append(list(recommended))
        recommended.clear()
        relevant.clear()
        return 1.0

    def check(function):
        function(items := [1, 2], {1}, 2)
        assert items == [1, 2]

    exercise = Exercise("x", "", ("", "", ""), (check,))
    assert run_checks(spoils, exercise) == ("correct", "") and given == [[1, 2]]


def test_a_check_that_breaks_does_not_stop_the_notebook():
    """Else an answer of an unforeseen type ends the notebook with a traceback."""
    broken = Exercise("x", "", ("", "", ""), (lambda f: f() + 1,))
    verdict, message = run_checks(lambda: "text", broken)
    assert verdict == "mistake" and "TypeError" in message


def test_keyboard_interrupt_goes_through():
    """Else a learner cannot stop an endless loop."""

    def endless(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        attempt(endless, exercise="01-ndcg")


def test_expect_names_the_reason_of_a_known_wrong_value():
    """Else a learner reads that something is wrong, and not what."""
    halved = r"gave 0\.5000; worked out by hand it is 1\.0000\. Halved\."
    with pytest.raises(Mistake, match=halved):
        expect(0.5, 1.0, "f()", [(0.5, "Halved.")], "Something else.")
    with pytest.raises(Mistake, match="nan"):
        expect(float("nan"), 1.0, "f()")
    with pytest.raises(Mistake, match="'a ' .* 'b'|'a '.*Padded"):
        expect("a ", "b", "f()", [("a", "Padded.")])


@pytest.mark.parametrize(
    ("found", "expected", "complaint"),
    [
        ("1.0", 1.0, "gave str '1.0'; expected one number"),
        ([1.0], 1.0, r"gave list \[1.0\]; expected one number"),
        (1.0, 1, "gave float 1.0; expected a whole number"),
        (True, 1, "gave bool True; expected a whole number"),
        (1, "text", "gave int 1; expected one text"),
        ({}, [1.0], "expected an array of numbers"),
        ([[1.0]], [1.0], r"gave the shape \(1, 1\); expected \(1,\)"),
        ([1.0, 2.0], [1.0, 3.0], r"gave \[1, 2\]; worked out by hand it is \[1, 3\]"),
    ],
)
def test_expect_refuses_other_kinds_of_values(found, expected, complaint):
    with pytest.raises(Mistake, match=complaint):
        expect(found, expected, "f()")
    expect(expected, expected, "f()")


def test_a_changed_argument_is_noticed():
    def pops(items):
        items.pop()

    pops.__wrapped__ = pops
    with pytest.raises(Mistake, match="`pops` changed the value it was given. Copy it."):
        expect_unchanged(pops, [1], why="Copy it.")


def test_hints(capsys):
    """Each level shows its hint and no later one, so that help stays graded."""
    hint("01-ndcg", 1)
    first = capsys.readouterr().out
    assert first.startswith("Hint 1 of 3") and "min(len(relevant), k)" not in first
    hint("01-ndcg")
    assert "def ndcg_at_k" in capsys.readouterr().out
    hint("01-ndcg", 4)
    assert "def ndcg_at_k" in capsys.readouterr().out


def test_unknown_names_are_refused():
    with pytest.raises(InputError, match="did you mean '01-ndcg'"):
        attempt(stub, exercise="01-ndgc")
    with pytest.raises(InputError, match="level=5 does not exist"):
        hint("01-ndcg", 5)
