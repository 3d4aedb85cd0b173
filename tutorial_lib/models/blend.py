"""A mixture of two recommenders, weighed on validation, and the average of several."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from tutorial_lib.data.histories import Histories, check_histories
from tutorial_lib.errors import InputError
from tutorial_lib.recommender import Recommender, ScoreRecommender, fitted
from tutorial_lib.selection import expected_ndcg

WEIGHTS = (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
POWERS = (1.0, 1.5, 2.0, 3.0)
VALIDATED = 1 << 25  # scores that a choice looks at


class Blend(ScoreRecommender):
    """p(item | history) = (1 - w) p_main + w p_other, over the items not in the history.

    A mixture rather than a product: the history decides by its taste or by its last step, seldom by
    both.

    Args:
        main: Its scores are logits (`SequenceRecommender`, or an average of several): p_main is
            their softmax.
        other: Its scores are counts or weights (`TransitionKNN`, `ItemKNN`, ...): p_other is
            proportional to score ** power.
        weight: w, in [0, 1]; None: `fit` chooses.
        power: Above 1 it trusts what was seen often; None: `fit` chooses.

    `fit` takes the weight and power with the best NDCG@10 on the validation targets, kept as
    ``chosen_weight`` and ``chosen_power``. A split without validation targets needs both.

    >>> from tutorial_lib.data import leave_last_out, load_dataset
    >>> from tutorial_lib.models import SequenceRecommender, TransitionKNN
    >>> split = leave_last_out(load_dataset("world-news").subset_users(range(60)))
    >>> main = SequenceRecommender(width=8, layers=1, epochs=1)
    >>> blend = Blend(main, TransitionKNN()).fit(split, progress=False)
    >>> blend.score(split.test_history[:3]).sum(axis=1).round(6).tolist()
    [1.0, 1.0, 1.0]
    """

    def __init__(
        self,
        main: Recommender,
        other: Recommender,
        weight: float | None = None,
        power: float | None = None,
    ):
        if (weight is not None and not 0 <= weight <= 1) or (power is not None and power <= 0):
            raise InputError(
                f"Blend(weight={weight}, power={power}): expected weight in [0, 1] and power above"
                " 0, or None"
            )
        self.main = main
        self.other = other
        self.weights = WEIGHTS if weight is None else (weight,)
        self.powers = POWERS if power is None else (power,)

    def fit(self, split, *, seed: int = 0, progress: bool = True) -> Blend:
        """Fit both members, then `choose`."""
        self.main.fit(split, seed=seed, progress=progress)
        self.other.fit(split, seed=seed, progress=progress)
        return self.choose(split)

    def choose(self, split) -> Blend:
        """Choose weight and power for members that are fitted on the split already.

        Looks at the validation targets of as many users as keep the scores under 2**25 numbers.
        """
        pairs = list(itertools.product(self.weights, self.powers))
        best = 0
        if len(pairs) > 1:
            rows = [row for row, target in enumerate(split.valid_target) if len(target)]
            rows = rows[: max(1, VALIDATED // split.dataset.n_items)]
            if not rows:
                raise InputError(
                    "Blend: the split has no validation targets to choose on; give weight=... and"
                    " power=..."
                )
            histories = [split.valid_history[row] for row in rows]
            targets = [split.valid_target[row] for row in rows]
            first = _softmax(self.main.score(histories), histories)
            scores = self.other.score(histories)
            others = {power: _share(scores, histories, power) for power in self.powers}
            mixed = ((1 - weight) * first + weight * others[power] for weight, power in pairs)
            ndcg = [expected_ndcg(some, histories, targets).mean() for some in mixed]
            best = int(np.argmax(ndcg))
        self.chosen_weight, self.chosen_power = pairs[best]
        self.n_items = split.dataset.n_items
        return self

    def score(self, histories: Histories, users: Sequence[int] | None = None) -> np.ndarray:
        """Probabilities, float [n, n_items]: 0 on the items of the history, rows sum to 1."""
        check_histories(histories, fitted(self).n_items)
        first = _softmax(self.main.score(histories, users=users), histories)
        second = _share(self.other.score(histories, users=users), histories, self.chosen_power)
        return (1 - self.chosen_weight) * first + self.chosen_weight * second


class Average(ScoreRecommender):
    """The mean of the scores of several recommenders, such as one model from several seeds."""

    def __init__(self, members: Sequence[Recommender]):
        if not members:
            raise InputError("Average: expected at least one recommender")
        self.members = list(members)
        if hasattr(members[0], "n_items"):
            self.n_items = members[0].n_items

    def fit(self, split, *, seed: int = 0, progress: bool = True) -> Average:
        """Fit member number i from seed + i."""
        for number, member in enumerate(self.members):
            member.fit(split, seed=seed + number, progress=progress)
        self.n_items = split.dataset.n_items
        return self

    def score(self, histories: Histories, users: Sequence[int] | None = None) -> np.ndarray:
        return np.mean([member.score(histories, users=users) for member in self.members], axis=0)


def _unseen(values: np.ndarray, histories: Histories) -> np.ndarray:
    """A copy with 0 on the items of the histories, each row divided by its sum (all 0: every unseen
    item alike).
    """
    values = np.array(values, dtype=np.float64)
    items, rows = check_histories(histories, values.shape[1])
    values[rows, items] = 0.0
    values[values.sum(axis=1) <= 0] = 1.0
    values[rows, items] = 0.0
    return values / values.sum(axis=1, keepdims=True)


def _softmax(logits: np.ndarray, histories: Histories) -> np.ndarray:
    return _unseen(np.exp(logits - logits.max(axis=1, keepdims=True), dtype=np.float64), histories)


def _share(scores: np.ndarray, histories: Histories, power: float) -> np.ndarray:
    return _unseen(np.maximum(scores, 0.0) ** power, histories)
