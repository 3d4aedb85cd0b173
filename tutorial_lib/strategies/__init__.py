"""Adapting a pre-trained language model to a recommendation task: which parameters move is the
whole difference.
"""

from tutorial_lib.strategies.adapted import Adapted
from tutorial_lib.strategies.taxonomy import CELLS, STRATEGIES, Strategy, adapt, strategies_for
from tutorial_lib.strategies.tuning import Budget

__all__ = ["CELLS", "STRATEGIES", "Adapted", "Budget", "Strategy", "adapt", "strategies_for"]
