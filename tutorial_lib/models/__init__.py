"""Everything that can recommend."""

from tutorial_lib.models.baselines import EASE, ItemKNN, Oracle, Popularity, Random, TransitionKNN

__all__ = ["EASE", "ItemKNN", "Oracle", "Popularity", "Random", "TransitionKNN"]
