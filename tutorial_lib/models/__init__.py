"""Everything that can recommend. What needs torch is imported when it is asked for."""

from tutorial_lib.models.baselines import EASE, ItemKNN, Oracle, Popularity, Random, TransitionKNN
from tutorial_lib.models.blend import Average, Blend
from tutorial_lib.recommender import Recommender

__all__ = [
    "EASE",
    "Average",
    "Blend",
    "ItemKNN",
    "Oracle",
    "Popularity",
    "Random",
    "Recommender",
    "SequenceRecommender",
    "TransitionKNN",
    "load_language_model",
]


def __getattr__(name: str):
    if name == "SequenceRecommender":
        from tutorial_lib.models.sequence_recommender import SequenceRecommender

        return SequenceRecommender
    if name == "load_language_model":
        from tutorial_lib.models.language_models import load_language_model

        return load_language_model
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
