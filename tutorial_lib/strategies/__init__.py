"""Adapting a pre-trained language model to a recommendation task: which parameters move is the
whole difference.
"""

from tutorial_lib.exports import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "adapted": ("BARE", "Adapted"),
        "automatic_prompts": ("prompt_template",),
        "finetune": ("layer_stacks",),
        "patches": ("REGIMES", "transfer"),
        "persons": ("person_pairs",),
        "prompt_examples": ("EXPANSIONS", "Examples", "word_tokens", "words_of"),
        "prompt_objectives": ("objective_on",),
        "prompt_search": ("Search", "SearchPlan"),
        "taxonomy": ("CELLS", "STRATEGIES", "Strategy", "adapt", "strategies_for"),
        "tuning": ("Budget", "labelled_users"),
    },
)
