"""One loop for everything that learns by gradient: optimiser steps, schedule, checkpoints."""

from tutorial_lib.objectives.batch import Learner
from tutorial_lib.training.loop import Epoch, Plan, descend, train, warm_up_cosine

__all__ = ["Epoch", "Learner", "Plan", "descend", "train", "warm_up_cosine"]
