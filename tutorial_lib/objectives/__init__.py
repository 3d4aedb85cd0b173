"""What is predicted from what: how each objective corrupts a batch of sequences, and how its loss
is read.
"""

from tutorial_lib.objectives.autoregressive import (
    Autoregressive,
    GapFilling,
    PartiallyAutoregressive,
    Permuted,
)
from tutorial_lib.objectives.auxiliary import Joint, NextSegment, Rearranged, ReplacedToken
from tutorial_lib.objectives.batch import Batch, Objective, Vocabulary
from tutorial_lib.objectives.losses import (
    BinaryCrossEntropy,
    GeneralisedBCE,
    SampledSoftmax,
    Softmax,
)
from tutorial_lib.objectives.masked import Masked

__all__ = [
    "Autoregressive",
    "Batch",
    "BinaryCrossEntropy",
    "GapFilling",
    "GeneralisedBCE",
    "Joint",
    "Masked",
    "NextSegment",
    "Objective",
    "PartiallyAutoregressive",
    "Permuted",
    "Rearranged",
    "ReplacedToken",
    "SampledSoftmax",
    "Softmax",
    "Vocabulary",
]
