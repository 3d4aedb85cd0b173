"""One loop that makes a model learn an objective from sequences: batches, optimiser, schedule,
checkpoints.
"""

from tutorial_lib.training.batching import padded
from tutorial_lib.training.loop import Epoch, Learner, Plan, rate, train

__all__ = ["Epoch", "Learner", "Plan", "padded", "rate", "train"]
