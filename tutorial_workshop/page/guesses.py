"""Guesses before a result: kept on this computer, and set beside what came out.

``guess`` stands before a cell and ``turned_out`` where that cell has computed the answer;
``my_guesses``, at the end of a notebook, shows how well calibrated the learner was.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real

from tutorial_lib.errors import InputError
from tutorial_workshop.page.output import say, table
from tutorial_workshop.page.progress import remember

Answer = float | str


@dataclass(frozen=True)
class Guess:
    """What a learner guessed; arguments as in ``guess``."""

    asked: str
    mine: Answer
    within: float

    def error(self, value: Answer) -> float:
        """The guess minus what came out; of words 0 where they are the same, else nan."""
        if isinstance(self.mine, str) or isinstance(value, str):
            return 0.0 if self.mine == value else math.nan
        return self.mine - value

    def close(self, value: Answer) -> bool:
        """Whether the guess is as near as the notebook asked for."""
        return abs(self.error(value)) <= self.within + 1e-9


_asked: dict[str, Sequence[str]] = {}  # of this session: name -> choices, none for a number
_made: dict[str, Guess] = {}
_came_out: dict[str, Answer] = {}


def guess(
    name: str,
    mine: Answer | None,
    asked: str,
    *,
    within: float = 0.0,
    choices: Sequence[str] = (),
) -> None:
    """Keep a guess, until ``turned_out`` tells what came out. A guess that cannot be read, or comes
    after the result, is not kept: a line says so, and the notebook goes on.

    Args:
        name: number of the notebook and a word, e.g. ``"00-counter"``.
        mine: a number or one of ``choices``; None is no guess.
        asked: what is guessed, with its unit.
        within: a number that is so near, in that unit, is close.
        choices: the words to choose from; without them a number is asked for.

    Raises:
        InputError: neither ``within`` nor ``choices``, or both.

    >>> guess("00-doctest", 0.4, "share of hits", within=0.1)
    Kept: 0.4 (share of hits).
    >>> guess("00-doctest", "often", "share of hits", within=0.1)
    Not kept: 'often' is no number.
    """
    if bool(choices) == (within > 0):
        raise InputError(f"guess {name!r}: give choices=[...] for words or within=... for a number")
    _asked[name] = choices
    if mine is None or (name in _made and _made[name].mine == mine):
        return
    if choices and str(mine).strip().lower() not in [choice.lower() for choice in choices]:
        say(f"Not kept: {mine!r} is none of {', '.join(choices)}.")
    elif not choices and (not isinstance(mine, Real) or not math.isfinite(mine)):
        say(f"Not kept: {mine!r} is no number.")
    elif name in _came_out:
        say("Not kept: the result is out already. Restart the kernel to guess again.")
    else:
        word = next((c for c in choices if c.lower() == str(mine).strip().lower()), "")
        _made[name] = Guess(asked, word or float(mine), within)
        say(f"Kept: {_text(_made[name].mine)} ({asked}).")


def turned_out(name: str, value: object) -> None:
    """Tell what came out. Without a guess of that name, or without a value (None, nan: this data
    set has none), nothing is shown.

    Args:
        name: as in ``guess``.
        value: computed: a number, one of the choices, or a truth value for "yes" and "no".

    Raises:
        InputError: a value that nobody could have guessed.

    >>> guess("00-doctest-b", 0.4, "share of hits", within=0.1)
    Kept: 0.4 (share of hits).
    >>> turned_out("00-doctest-b", 0.53)
    Your guess, share of hits: 0.4. It is 0.53: off by -0.13.
    """
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, bool):
        value = "yes" if value else "no"
    if value is None or (isinstance(value, Real) and not math.isfinite(value)):
        return
    answer = value if isinstance(value, str) else float(value)  # type: ignore[arg-type]
    if name in _asked and (answer not in _asked[name] if _asked[name] else isinstance(answer, str)):
        asked = ", ".join(_asked[name]) or "a number"
        raise InputError(f"turned_out({name!r}, {value!r}): the guess was asked for {asked}")
    first, _came_out[name] = name not in _came_out, answer
    if name not in _made:
        return
    mine = _made[name]
    close, error = mine.close(answer), mine.error(answer)
    how = "close" if close else "not the one" if math.isnan(error) else f"off by {error:+.3g}"
    say(f"Your guess, {mine.asked}: {_text(mine.mine)}. It is {_text(answer)}: {how}.")
    if first:
        remember("guess", name, close, asked=mine.asked, guess=mine.mine, value=answer)


def my_guesses() -> None:
    """Show the guesses of this session beside what came out, and how many were close."""
    told = {name: mine for name, mine in _made.items() if name in _came_out}
    if not told:
        say("No guess was kept. Write one in place of `None` where you are asked to guess first.")
        return

    import pandas as pd

    rows, missed = [], []
    for name, mine in told.items():
        value = _came_out[name]
        error, close = mine.error(value), mine.close(value)
        missed += [] if close or math.isnan(error) else [error]
        number = not isinstance(value, str)
        off = f"{error:+.3g}" if number else "-"
        rows.append((mine.asked, _text(mine.mine), _text(value), off, "yes" if close else "no"))
    columns = ["guessed", "you", "came out", "error", "close"]
    table(
        pd.DataFrame(rows, columns=columns).set_index("guessed"), caption="You, before each result"
    )
    high = sum(error > 0 for error in missed)
    right = sum(row[-1] == "yes" for row in rows)
    lean = f" Of the numbers, {high} too high and {len(missed) - high} too low." if missed else ""
    say(f"**Close: {right} of {len(rows)}.**{lean}")


def _text(value: Answer) -> str:
    """A number with three digits that count, without trailing zeros."""
    return value if isinstance(value, str) else f"{value:,.3g}" if value < 1000 else f"{value:,.0f}"
