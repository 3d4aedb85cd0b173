"""What adapting a large model will cost, said before it starts."""

from __future__ import annotations

import time

import torch

from tutorial_lib.language.verbalise import Verbaliser
from tutorial_lib.models.language_models import LanguageModel
from tutorial_lib.strategies.task import Task
from tutorial_lib.strategies.tuning import count_windows

BACKWARD = 3.5  # times a forward pass: forward and gradient together, measured on SmolLM2
TRIED = 64  # tokens that are read to see how fast the model is here


def cost_line(task: Task, strategy: str, moves: frozenset[str], calibrate: int) -> str:
    """One line: tokens, minutes on this machine, gigabytes.

    Args:
        moves: what the strategy changes; weights that move are kept four times, with gradient and
            the two moments of Adam.
        calibrate: histories after which every title is read.
    """
    lm, words = task.lm, task.words
    learned = 0
    if moves and task.budget is not None:
        steps = task.budget.steps(count_windows(task.histories, words.limit))
        learned = steps * task.budget.size * tokens_of(lm, words, words.limit + 1)
    read = calibrate * len(words.titles) * tokens_of(lm, words, 1)
    seconds = (read + BACKWARD * learned) / reading_speed(lm) if read + learned else 0.0
    gigabytes = 4 * lm.n_parameters * (2 + 3 * ("backbone" in moves)) / 1e9
    return (
        f"{lm.name}, {strategy}: up to {learned:,} tokens to learn from, {read:,} to read, about"
        f" {seconds / 60:.1f} minutes on this machine, {gigabytes:.1f} GB for weights"
    )


def tokens_of(lm: LanguageModel, words: Verbaliser, n: int) -> int:
    """Tokens of ``n`` titles in a row, by the first hundred of the catalogue."""
    some = words.titles[:100]
    return round(n * len(lm.target_ids(words.separator.join(some))) / len(some))


def reading_speed(lm: LanguageModel) -> float:
    """Tokens per second of a forward pass, timed."""
    ids = torch.full((1, TRIED), lm.target_ids("a")[-1], device=lm.device)
    more = {"decoder_input_ids": ids} if lm.kind == "seq2seq" else {}
    took = []
    with torch.inference_mode():
        for _ in range(2):  # the first one also warms up
            start = time.perf_counter()
            lm.model(input_ids=ids, **more)
            took.append(time.perf_counter() - start)
    return TRIED / min(took)
