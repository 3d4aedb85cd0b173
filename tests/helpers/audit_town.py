"""A data set small enough for paper and pencil, and fixed lists, for tests of the audit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from tutorial_lib.audit.core.evidence import UserMetric
from tutorial_lib.data import Dataset, DatasetCard

N_USERS, N_ITEMS, K = 240, 40, 10


def town(n_users=N_USERS, seed=0, **users):
    """Users with 8 to 16 of 40 items, popular ones more often, two genders, three ages, two
    provider groups, three genres.
    """
    rng = np.random.default_rng(seed)
    weights = 1 / np.arange(1, N_ITEMS + 1) ** 0.7
    sizes = rng.integers(8, 17, n_users)
    chosen = [rng.choice(N_ITEMS, size, replace=False, p=weights / weights.sum()) for size in sizes]
    events = {
        "user": np.repeat(np.arange(n_users), sizes),
        "item": np.concatenate(chosen),
        "rating": 1.0,
        "timestamp": np.arange(sizes.sum()),
    }
    items = {
        "item_id": [f"i{i}" for i in range(N_ITEMS)],
        "title": [f"title {i}" for i in range(N_ITEMS)],
        "categories": [
            ("drama",) if i % 3 else ("comedy", "drama") if i % 2 else ("news",)
            for i in range(N_ITEMS)
        ],
        "provider_group": np.where(np.arange(N_ITEMS) % 4 == 0, "minority", "majority"),
    }
    known = {
        "gender": rng.choice(["F", "M"], n_users, p=[0.4, 0.6]),
        "age": rng.choice(["old", "mid", "young"], n_users),
    }
    people = {"user_id": [f"u{u}" for u in range(n_users)], **(users or known)}
    tables = (pd.DataFrame(table) for table in (events, items, people))
    return Dataset("town", *tables, DatasetCard("town", "town", "made by a test", "none"))


class Fixed:
    """Recommends the first unseen items of one order per user, with a change if asked."""

    def __init__(self, change=None, seed=0):
        self.change, self.seed = change, seed

    def recommend(self, histories, k=10, *, users=None, exclude_seen=True):
        out = []
        for user, history in zip(users, histories, strict=True):
            order = np.random.default_rng([self.seed, int(user)]).permutation(N_ITEMS)
            order = order[np.argsort(order // 12, kind="stable")]  # popular items first, in bands
            out.append(order[~np.isin(order, history)][:k])
        return self.change(np.array(out)) if self.change else np.array(out)


def finding(report_or_findings, metric):
    """The one finding of that name."""
    findings = getattr(report_or_findings, "findings", report_or_findings)
    (one,) = [f for f in findings if f.metric == metric]
    return one


def with_ndcg(evidence, values, **changes):
    """The same evidence with other numbers in place of its NDCG."""
    changed = replace(evidence, **changes)
    vars(changed)["ndcg"] = UserMetric("m", values, 0.1)
    return changed


def rng(seed=0):
    return np.random.default_rng(seed)
