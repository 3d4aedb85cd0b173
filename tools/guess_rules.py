"""The rules of guesses: each is kept, each turns out, and all are shown at the end."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence

ASKED = "**Guess first:**"


def _calls(source: str) -> list[tuple[str, list[ast.expr]]]:
    """(function, arguments) of the calls of the functions of guesses in a cell, in order."""
    tree = ast.parse(re.sub(r"^([ \t]*)[%!].*$", r"\1pass", source, flags=re.M))
    nodes = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)]
    kinds = ("guess", "turned_out", "my_guesses")
    return [(n.func.id, n.args) for n in nodes if n.func.id in kinds]  # type: ignore[attr-defined]


def _name(arguments: Sequence[ast.expr]) -> str:
    """The name that a call is given, which must be written out."""
    first = arguments[0] if arguments else None
    return str(first.value) if isinstance(first, ast.Constant) else ""


def check_guesses(cells: Sequence, number: str) -> list[str]:
    """What is wrong with the guesses of a notebook.

    Args:
        cells: of its source, or of what was built from it.
        number: how their names begin. "": those of a notebook made of others' cells, where what
            came along may tell more than was asked.
    """
    kept: dict[str, int] = {}
    told: dict[str, int] = {}
    shown, problems = -1, []
    for place, cell in enumerate(cells):
        if cell.cell_type == "markdown" and ASKED in cell.source:
            after = cells[place + 1] if place + 1 < len(cells) else cell
            if after.cell_type != "code" or "guess" not in [
                name for name, _ in _calls(after.source)
            ]:
                problems.append(f"no guess(...) follows {_question(cell.source)!r}")
        for function, arguments in _calls(cell.source) if cell.cell_type == "code" else ():
            name = _name(arguments)
            if function == "my_guesses":
                shown = place
            elif function == "guess":
                problems += [f"two guesses are called {name!r}"] if name in kept else []
                kept[name] = place
                if not name.startswith(number):
                    problems.append(f"guess {name!r} does not begin with {number!r}")
            elif any(isinstance(value, ast.Constant) and value.value for value in arguments[1:]):
                problems.append(f"turned_out({name!r}, ...) has a value that was typed")
            else:
                told[name] = place
    problems += [f"guess {name!r} never turns out" for name in kept if name not in told]
    unasked = [name for name in told if name not in kept and number]
    problems += [f"{name!r} turns out, but nobody guessed" for name in unasked]
    problems += [f"{n!r} turns out before the guess" for n in kept if told.get(n, 999) <= kept[n]]
    if kept and shown < max(told.values(), default=0):
        problems.append("my_guesses() does not stand after the last result")
    return problems


def _question(text: str) -> str:
    return " ".join(text[text.index(ASKED) + len(ASKED) :].split())[:60]
