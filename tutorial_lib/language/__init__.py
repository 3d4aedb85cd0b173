"""Histories, items and tasks as text: verbalisers, prompt templates, instructions, item IDs."""

from tutorial_lib.exports import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "attributes": ("ATTRIBUTES", "NEUTRAL", "PARAPHRASES", "about"),
        "explanations": ("explanation_cases",),
        "id_schemes": ("item_ids",),
        "instruct": ("HELD_OUT", "instructions", "seen_combinations"),
        "prompts": ("FAMILIES", "SEQUENTIAL", "Template", "templates"),
        "verbalise": ("verbaliser",),
    },
)
