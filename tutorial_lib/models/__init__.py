"""Everything that can recommend. What needs torch is imported when it is asked for."""

from tutorial_lib.exports import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "baselines": (
            *("EASE", "ItemKNN", "NextNumber", "Oracle"),
            *("Popularity", "Random", "TransitionKNN"),
        ),
        "blend": ("Average", "Blend"),
        "decoding": ("log_likelihood", "naive_log_likelihood"),
        "generation": ("write_text", "write_texts"),
        "instruction_following": ("answers",),
        "paths": ("PathRecommender",),
        "path_graph": ("graph_of",),
        "pretrained": ("load_language_model",),
        "sequence": ("ItemTransformer",),
        "sequence_recommender": ("SequenceRecommender",),
        "text_transfer": ("TextEncoder", "TextRecommender"),
    },
)
