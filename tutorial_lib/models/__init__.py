"""Everything that can recommend."""

from tutorial_lib.models.baselines import EASE, ItemKNN, Oracle, Popularity, Random, TransitionKNN
from tutorial_lib.recommender import Recommender

__all__ = ["EASE", "ItemKNN", "Oracle", "Popularity", "Random", "Recommender", "TransitionKNN"]
