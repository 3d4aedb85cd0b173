"""Worlds with a secret: only the seed tells which harm was injected, if any."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tutorial_lib.audit.core.evidence import collect
from tutorial_lib.audit.core.lists import row_means
from tutorial_lib.audit.harms.exposure import discounts
from tutorial_lib.data import Dataset, Split
from tutorial_workshop.proof.glassbox import IdealRanker, make_world
from tutorial_workshop.proof.injectors import ProviderBias, UserBias

KINDS = ("nobody", "users", "providers")
USERS, RHO, PHI = 1000, 0.3, 0.5


@dataclass(frozen=True)
class SecretWorld:
    """A recommender to be audited, and what is true of it.

    Args:
        recommender, dataset, split: to be audited.
        harmed: "nobody", "users" or "providers".
        truth: the injected gap (0 for nobody).
    """

    recommender: object
    dataset: Dataset
    split: Split
    harmed: str
    truth: float

    def explanation(self) -> str:
        """What was injected, in a sentence."""
        if self.harmed == "nobody":
            return "Nothing was injected."
        if self.harmed == "users":
            return (
                f"{RHO:.0%} of the places of users of group B were spoilt: a gap of"
                f" {self.truth:+.3f} in NDCG@10, A - B."
            )
        return (
            f"{PHI:.0%} of the places of minority providers were given away: exposure minus merit"
            f" is {self.truth:+.3f}."
        )


def secret_world(seed: int) -> SecretWorld:
    """A world of 1,000 users, and a recommender with a secret; the same seed gives the same."""
    harmed = KINDS[int(np.random.default_rng([seed, 97]).integers(len(KINDS)))]
    return world_with_harm(harmed, seed)


def world_with_harm(harmed: str, seed: int) -> SecretWorld:
    """A world in which it is known who is harmed: one of `KINDS`."""
    world = make_world(USERS, user_seed=seed)
    # two attributes in place of three: an audit in seconds
    dataset = replace(world.dataset, users=world.dataset.users.drop(columns="region"))
    split = replace(world.split, dataset=dataset)
    fair = IdealRanker(world)
    if harmed == "nobody":
        return SecretWorld(fair, dataset, split, harmed, 0.0)
    seen = collect(fair, dataset, split)
    if harmed == "users":
        group_b = np.flatnonzero(world.group)
        against_users = UserBias(fair, RHO, group_b, world.unwanted, seed)
        truth = RHO * float(seen.metrics["ndcg@10"].mean())  # A - B
        return SecretWorld(against_users, dataset, split, harmed, truth)
    groups = dataset.items["provider_group"].to_numpy()
    minority = (groups == "minority").astype(float)
    exposure = row_means(seen.lists, minority, discounts(seen.k)).mean()
    merit = row_means(seen.targets, minority).mean()
    against_providers = ProviderBias(fair, PHI, groups, "minority", seed)
    truth = float((1 - PHI) * exposure - merit)
    return SecretWorld(against_providers, dataset, split, harmed, truth)
