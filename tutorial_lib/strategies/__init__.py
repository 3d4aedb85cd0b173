"""Adapting a pre-trained language model to a recommendation task: which parameters move is the
whole difference.
"""

from tutorial_lib.exports import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "adapted": ("BARE", "Adapted"),
        "finetune": ("layer_stacks",),
        "patches": ("REGIMES", "transfer"),
        "persons": ("person_pairs",),
        "prompt_examples": ("EXPANSIONS", "Examples"),
        "prompt_objectives": ("AnswerLoss", "ShortAnswers"),
        "prompt_search": ("Search", "SearchPlan"),
        "taxonomy": ("CELLS", "STRATEGIES", "Strategy", "adapt", "strategies_for"),
        "tuning": ("Budget", "labelled_users"),
        "wordings": ("NO_WORD", "Wording", "word_tokens", "words_of"),
    },
)
