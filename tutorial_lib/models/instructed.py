"""How well a language model follows instructions: it chooses the answer that it finds likeliest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tutorial_lib.errors import InputError
from tutorial_lib.language.instruct import CUTOFF, Instruction
from tutorial_lib.models.decoding import log_likelihood
from tutorial_lib.models.language_models import LanguageModel

COLUMNS = ("preference", "intention", "form", "correct", "rank")


def answers(
    lm: LanguageModel,
    instructions: Sequence[Instruction],
    titles: Sequence[str],
    normalise: str = "none",
) -> pd.DataFrame:
    """One row an instruction: preference, intention, form, correct (bool) and rank (of the right
    answer, 1 is best).

    titles: of the whole catalogue, as `verbaliser` writes them; the answers to a matching. Correct:
        the right option is the likeliest one;
    matching: its title is among the `CUTOFF` likeliest, which `chance` counts alike. A tie is
        shared: among t equally likely answers a rank
    is the mean of t places, and first place is not won. normalise: "none", or "length" for the mean
    over an answer's tokens.

    >>> from tutorial_lib.models.language_models import load_language_model
    >>> one = Instruction(("none", "vague", "pairwise"), "I want one with a B in it, A or B?", "B", ("A", "B"), answer=1, choices=2, item=1)
    >>> answers(load_language_model("kit-gpt"), [one], titles=("A", "B")).columns.tolist()
    ['preference', 'intention', 'form', 'correct', 'rank']
    """
    for number, one in enumerate(instructions):
        if not one.options and (one.choices != len(titles) or titles[one.item] != one.target):
            raise InputError(
                f"answers: instruction {number} is not about these {len(titles)} titles; take"
                " verbaliser(its dataset).titles"
            )
    ranks = np.empty(len(instructions))
    groups: dict[tuple[str, ...], list[int]] = {}
    for row, one in enumerate(instructions):
        groups.setdefault(one.options, []).append(row)
    for options, rows in groups.items():  # prompts with the same answers are scored together
        found = log_likelihood(
            lm, [instructions[row].source for row in rows], options or titles
        ).scores(normalise)  # [rows, answers]
        right = found[np.arange(len(rows)), [instructions[row].answer for row in rows]][:, None]
        ranks[rows] = (found > right).sum(1) + ((found == right).sum(1) + 1) / 2
    most = np.array([1 if one.options else CUTOFF for one in instructions])
    parts = [
        (*one.combination, correct, rank)
        for one, correct, rank in zip(instructions, ranks <= most, ranks, strict=True)
    ]
    return pd.DataFrame(parts, columns=list(COLUMNS))
