"""Towns of glass with a secret: something was planted in the recommender, or nothing, and only the
seed tells which.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tutorial_lib.audit.core.evidence import collect
from tutorial_lib.audit.core.lists import row_means
from tutorial_lib.audit.harms.exposure import discounts
from tutorial_lib.data import Dataset, Split
from tutorial_workshop.proof.glassbox import Oracle, ProviderBias, UserBias, make_town

KINDS = ("nobody", "users", "providers")
USERS, RHO, PHI = 1000, 0.3, 0.5


@dataclass(frozen=True)
class Secret:
    """recommender, dataset, split: to be audited. harmed: "nobody", "users" or "providers"; truth:
    the planted gap (0 for nobody).
    """

    recommender: object
    dataset: Dataset
    split: Split
    harmed: str
    truth: float

    def told(self) -> str:
        """What was planted, in a sentence."""
        if self.harmed == "nobody":
            return "Nothing was planted."
        if self.harmed == "users":
            return (
                f"Users of group B got {RHO:.0%} of their places spoilt: a gap of {self.truth:+.3f}"
                " in NDCG@10, A - B."
            )
        return (
            f"{PHI:.0%} of the places of minority providers were given away: exposure minus merit"
            f" is {self.truth:+.3f}."
        )


def secret_world(seed: int) -> Secret:
    """A town of 1,000 users, and a recommender with a secret; the same seed gives the same."""
    harmed = KINDS[int(np.random.default_rng([seed, 97]).integers(len(KINDS)))]
    return planted(harmed, seed)


def planted(harmed: str, seed: int) -> Secret:
    """A town in which it is known who is harmed."""
    town = make_town(USERS, user_seed=seed)
    dataset = replace(
        town.dataset, users=town.dataset.users.drop(columns="region")
    )  # two attributes: an audit in seconds
    town = replace(town, dataset=dataset, split=replace(town.split, dataset=dataset))
    inner = Oracle(town)
    if harmed == "nobody":
        return Secret(inner, town.dataset, town.split, harmed, 0.0)
    plain = collect(inner, town.dataset, town.split)
    if harmed == "users":
        truth = RHO * float(plain.metrics["ndcg@10"].mean())  # A - B
        return Secret(
            UserBias(inner, RHO, np.flatnonzero(town.group), town.duds, seed),
            town.dataset,
            town.split,
            harmed,
            truth,
        )
    groups = town.dataset.items["provider_group"].to_numpy()
    minority = (groups == "minority").astype(float)
    shown, merit = (
        row_means(plain.lists, minority, discounts(plain.k)).mean(),
        row_means(plain.targets, minority).mean(),
    )
    return Secret(
        ProviderBias(inner, PHI, groups, "minority", seed),
        town.dataset,
        town.split,
        harmed,
        float((1 - PHI) * shown - merit),
    )
