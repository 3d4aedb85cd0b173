"""Does a language model follow instructions? It chooses the answer that it finds likeliest."""

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
    """The rank that a model gives to the right answer of each instruction.

    Among t equally likely answers a rank is the mean of t places, and first place is not won.

    Args:
        titles: Of the whole catalogue, as `verbaliser` writes them; the answers to a matching.
        normalise: "none", or "length" for the mean over an answer's tokens.

    Returns:
        One row per instruction: preference, intention, form, correct (the right answer is the
        likeliest; matching: among the `CUTOFF` likeliest) and rank (1 is best).
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
        sources = [instructions[row].source for row in rows]
        scores = log_likelihood(lm, sources, options or titles).scores(normalise)  # [rows, answers]
        right = scores[np.arange(len(rows)), [instructions[row].answer for row in rows]][:, None]
        ranks[rows] = (scores > right).sum(1) + ((scores == right).sum(1) + 1) / 2
    most = np.array([1 if one.options else CUTOFF for one in instructions])
    parts = [
        (*one.combination, correct, rank)
        for one, correct, rank in zip(instructions, ranks <= most, ranks, strict=True)
    ]
    return pd.DataFrame(parts, columns=list(COLUMNS))
