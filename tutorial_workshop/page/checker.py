"""Exercises that never block: checks that name the mistake, graded hints, and a reference to go on
with. The exercises themselves are in ``tutorial_workshop/exercises``.
"""

from __future__ import annotations

import copy
import functools
import html
from collections.abc import Callable

from tutorial_lib.errors import InputError
from tutorial_workshop.exercises.checks import Mistake, NotAttempted
from tutorial_workshop.exercises.loading import Exercise, get_exercise
from tutorial_workshop.page.display import display_html, folded, inline_html
from tutorial_workshop.page.progress import remember


def _guarded(function: Callable) -> Callable:
    """The learner's function on copies of its arguments; what goes wrong becomes a ``Mistake`` or
    ``NotAttempted``.
    """

    @functools.wraps(function)
    def call(*arguments, **keywords):
        shown = ", ".join([*map(repr, arguments), *(f"{k}={v!r}" for k, v in keywords.items())])
        try:
            result = function(*copy.deepcopy(arguments), **copy.deepcopy(keywords))
        except NotImplementedError:
            raise NotAttempted from None
        except Exception as error:
            raise Mistake(
                f"`{function.__name__}({shown:.200})` stopped with {type(error).__name__}: {error}."
            ) from error
        if result is None or result is Ellipsis:
            missing = "It gave back nothing: if you did fill it in, is the `return` missing?"
            raise NotAttempted("" if _looks_empty(function) else missing)
        return result

    return call


def _looks_empty(function: Callable) -> bool:
    """True when the body is only a docstring and ``...`` or ``pass``: its byte code is as short."""

    def stub():
        """Text."""
        ...

    code = getattr(function, "__code__", None)
    return code is None or (not code.co_names and len(code.co_code) <= len(stub.__code__.co_code))


def run_checks(function: object, exercise: Exercise) -> tuple[str, str]:
    """Run the checks of an exercise. Never raises, but for Ctrl-C.

    Returns:
        A verdict, ``"correct"``, ``"not attempted"`` or ``"mistake"``, and a message to the
        learner.
    """
    if not callable(function):
        return "not attempted", ""
    guarded = _guarded(function)
    try:
        for check in exercise.checks:
            check(guarded)
    except NotAttempted as nothing:
        return "not attempted", str(nothing)
    except Mistake as mistake:
        return "mistake", str(mistake)
    except Exception as error:  # a result of a kind that the check did not foresee
        problem = f"{type(error).__name__}: {error}"
        return "mistake", (
            f"Your function gave a result that could not be checked ({problem}). Compare its type"
            " with the task."
        )
    return "correct", ""


def attempt(function: Callable, exercise: str) -> Callable:
    """Check what the learner wrote, say what was found, and give back the function to go on with.

    Args:
        function: the learner's function, filled in or not.
        exercise: name of the exercise, e.g. ``"01-ndcg"``.

    Returns:
        The learner's function when it is right, else the reference, so that the notebook always
        runs to its end.

    Raises:
        InputError: only for an unknown exercise name.

    >>> def ndcg_at_k(recommended, relevant, k): ...
    >>> ndcg = attempt(ndcg_at_k, exercise="01-ndcg")
    01-ndcg: not attempted: using the reference.
    """
    task = get_exercise(exercise)
    verdict, message = run_checks(function, task)
    if verdict != "not attempted":
        remember("exercise", exercise, verdict == "correct")
    if verdict == "correct":
        print(f"{exercise}: correct. Going on with your function.")
        return function
    if verdict == "not attempted":
        print(f"{exercise}: not attempted: using the reference. {message}".rstrip())
    else:
        print(f"{exercise}: not yet. {message}")
        print(f'Using the reference meanwhile. For help: hint("{exercise}", 1)')
    return task.reference


def whose(function: Callable, exercise: str) -> str:
    """Whose function a notebook goes on with: "your function", or "the reference" in its place.

    >>> whose(get_exercise("01-ndcg").reference, "01-ndcg")
    'the reference'
    """
    return "the reference" if function is get_exercise(exercise).reference else "your function"


def _solution_html(exercise: Exercise) -> str:
    code = html.escape(exercise.solution, quote=False)
    code = code.replace("\n\n", "\n&#10;")  # an empty line would end the block in Markdown
    return folded("Solution (try the hints first)", f"<pre><code>{code}</code></pre>")


def help_html(exercise: Exercise) -> str:
    """Three hints and the solution, each folded, as plain HTML."""
    hints = [
        folded(f"Hint {level} of 3", f"<p>{inline_html(text)}</p>")
        for level, text in enumerate(exercise.hints, start=1)
    ]
    return "\n".join([*hints, _solution_html(exercise)])


def hint(exercise: str, level: int | None = None) -> None:
    """Show one hint, or all of them folded.

    Args:
        exercise: name of the exercise.
        level: 1 (a nudge), 2, 3 (nearly the code) or 4 (the solution, folded); None shows all four,
            folded.

    Raises:
        InputError: for an unknown exercise or level.
    """
    task = get_exercise(exercise)
    if level is None:
        hints = [f"Hint {number}: {text}" for number, text in enumerate(task.hints, start=1)]
        display_html(help_html(task), "\n".join([*hints, "Solution:", task.solution]))
    elif level in (1, 2, 3):
        text = task.hints[level - 1]
        page = f"<p><strong>Hint {level} of 3.</strong> {inline_html(text)}</p>"
        display_html(page, f"Hint {level} of 3: {text}")
    elif level == 4:
        display_html(_solution_html(task), task.solution)
    else:
        raise InputError(
            f"hint: level={level!r} does not exist; use 1, 2, 3, 4 (the solution), or leave it out"
        )
