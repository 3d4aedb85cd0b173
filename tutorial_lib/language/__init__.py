"""Histories, items and tasks as text: verbalisers, prompt templates, instructions, item IDs."""

from tutorial_lib.language.attributes import ATTRIBUTES, NEUTRAL, PARAPHRASES, about
from tutorial_lib.language.explanations import explanation_cases
from tutorial_lib.language.instruct import HELD_OUT, instructions, seen_combinations
from tutorial_lib.language.id_schemes import item_ids
from tutorial_lib.language.prompts import FAMILIES, SEQUENTIAL, Template, templates
from tutorial_lib.language.verbalise import verbaliser

__all__ = [
    "ATTRIBUTES",
    "FAMILIES",
    "HELD_OUT",
    "NEUTRAL",
    "PARAPHRASES",
    "SEQUENTIAL",
    "Template",
    "about",
    "explanation_cases",
    "instructions",
    "item_ids",
    "seen_combinations",
    "templates",
    "verbaliser",
]
