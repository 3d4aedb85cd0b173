"""A recommender that has learnt nothing: it counts on from the largest item number that it has
seen.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tutorial_lib.data.histories import Histories, check_histories
from tutorial_lib.errors import unknown_name
from tutorial_lib.language.id_schemes import SCHEMES, item_ids
from tutorial_lib.recommender import ScoreRecommender, fitted


class NextNumber(ScoreRecommender):
    """Recommends the numbers max(history) + 1, + 2, ...; all other items stand below, the nearest
    first.

    ids_scheme: how items get their numbers (`language.id_schemes.SCHEMES`). The rule has learnt
        nothing: with "random" IDs it is as good as
    chance, and what it scores above that was in the IDs. Under "leak-prone", and under "as-given"
    where the file was numbered so, that is the held-out items themselves; under the other schemes
    it is what training shows. Run it beside every model that reads item IDs as text, for the model
    can find this rule too (reported for P5: S. Rajput 2023, github.com/jeykigung/P5/pull/3).

    >>> from tutorial_lib.data import leave_last_out, load_dataset
    >>> split = leave_last_out(load_dataset("world-news"))
    >>> NextNumber("as-given").fit(split).recommend([[7, 3]], k=3).tolist()
    [[8, 9, 10]]
    """

    def __init__(self, ids_scheme: str = "leak-prone"):
        if ids_scheme not in SCHEMES:
            raise unknown_name("ids_scheme of NextNumber", ids_scheme, SCHEMES)
        self.ids_scheme = ids_scheme

    def fit(self, split, *, seed: int = 0, progress: bool = True) -> NextNumber:
        self.n_items = split.dataset.n_items
        self.ids = item_ids(split, self.ids_scheme, seed=seed)
        return self

    def score(self, histories: Histories, users: Sequence[int] | None = None) -> np.ndarray:
        items, rows = check_histories(histories, fitted(self).n_items)
        largest = np.zeros(len(histories), dtype=np.int64)
        np.maximum.at(largest, rows, self.ids.numbers[items])
        ahead = self.ids.numbers - largest[:, None]  # [n, n_items]: 1 for the next number
        return np.where(ahead > 0, self.n_items - ahead, ahead - 1.0)
