"""What the decks read of the recorded results, and how a number gets its name in a deck."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache

import pandas as pd

from tutorial_lib.data.shipped import shipped
from tutorial_workshop.experiments import load_results
from tutorial_workshop.figures import select

MARGIN = 0.01  # of NDCG@10: smaller differences do not matter; declared before looking
COUNTS = (16, 64, 256, 1000)  # labelled users
PROMPTS = ("zero-shot", "soft-prompt", "prefix", "multi-task", "prompt-and-lm")
FAMILY_1 = [(name, "full") for name in PROMPTS]  # of notebook 06, where they were declared


@cache
def grid(dataset: str = "world-movies", lm: str = "kit-gpt", task: str = "next") -> pd.DataFrame:
    """Recorded runs of one world, model and task, as notebook 06 reads them."""
    return select(load_results(), dataset, lm, task)


def golden(key: str, variant: str = "world-movies/quick") -> dict:
    """A recorded value of a notebook: mean and sd over n seeds, and its trivial baseline."""
    return json.loads(shipped("results/goldens.json").read_text(encoding="utf-8"))[key][variant]


def goldens(**keys: str) -> dict[str, float]:
    """Name in the deck -> key of a golden: its mean, and as NAME_trivial its trivial baseline."""
    numbers = {}
    for name, key in keys.items():
        found = golden(key)
        numbers |= {name: found["mean"], f"{name}_trivial": found["trivial"]}
        numbers[f"{name}_seeds"] = found["n"]
    return numbers


def interval(name: str, value) -> dict[str, float]:
    """NAME, NAME_low and NAME_high of an ``Interval``, a ``Comparison``, or a triple."""
    if hasattr(value, "ci"):
        value = (value.difference, *value.ci)
    elif hasattr(value, "low"):
        value = (value.mean, value.low, value.high)
    return {f"{name}{end}": float(x) for end, x in zip(("", "_low", "_high"), value, strict=True)}


def in_words(values: Mapping[str, float], form: str = ".3f") -> str:
    """Names with their values, for an alt text."""
    return ", ".join(f"{name} {value:{form}}" for name, value in values.items())
