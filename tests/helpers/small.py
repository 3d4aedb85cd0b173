"""Tiny data sets for tests: built by hand, so that every expected number can be worked out on
paper.
"""

import numpy as np
import pandas as pd

from tutorial_lib.data import Dataset, DatasetCard
from tutorial_lib.recommender import ScoreRecommender


def make_dataset(rows, n_users=None, n_items=None, name="tiny"):
    """`rows`: (user, item, timestamp) in file order."""
    frame = (
        pd.DataFrame(rows, columns=["user", "item", "timestamp"]).astype("int64").assign(rating=1.0)
    )
    n_users = n_users or int(frame["user"].max()) + 1
    n_items = n_items or int(frame["item"].max()) + 1
    items = pd.DataFrame(
        {
            "item_id": [f"i{i}" for i in range(n_items)],
            "title": [f"title {i}" for i in range(n_items)],
        }
    )
    users = pd.DataFrame({"user_id": [f"u{u}" for u in range(n_users)]})
    return Dataset(name, frame, items, users, DatasetCard(name, name, "made by a test", "none"))


def random_dataset(seed=0, n_users=40, n_items=30, length=12, distinct_times=False):
    """Users with `length` distinct items each, in a shuffled file order, many tied in time."""
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(n_users):
        for step, item in enumerate(rng.permutation(n_items)[:length]):
            rows.append((user, item, step if distinct_times else step // 3))
    return make_dataset([rows[i] for i in rng.permutation(len(rows))], n_users, n_items)


class Fixed(ScoreRecommender):
    """Returns rows of a fixed score matrix by user, and remembers how many rows were asked at a
    time.
    """

    def __init__(self, scores):
        self.scores, self.asked, self.n_items = scores, [], scores.shape[1]

    def score(self, histories, users=None):
        self.asked.append(len(histories))
        return self.scores[users]
