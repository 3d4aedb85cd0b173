"""Checks of notebook 01."""

from __future__ import annotations

import random
from collections.abc import Callable

from tutorial_workshop.exercises.checks import Mistake


def _laws(ndcg: Callable) -> None:
    """On random lists: between 0 and 1, and never lower when a hit moves up."""
    generator = random.Random(0)
    for _ in range(50):
        items = generator.sample(range(20), 8)
        relevant = set(generator.sample(range(20), generator.randint(1, 6)))
        k = generator.randint(1, 10)
        where = f"ndcg_at_k({items}, {relevant}, {k})"
        value = float(ndcg(items, relevant, k))
        if not 0 <= value <= 1 + 1e-9:
            raise Mistake(
                f"`{where}` gave {value:.4f}, outside 0 to 1. Divide DCG by the DCG of the best"
                " possible list."
            )
        for rank in range(1, 8):
            if items[rank] in relevant and items[rank - 1] not in relevant:
                better = items[: rank - 1] + [items[rank], items[rank - 1]] + items[rank + 1 :]
                if float(ndcg(better, relevant, k)) < value - 1e-9:
                    raise Mistake(
                        f"`{where}`: moving a hit up from rank {rank + 1} to {rank} made the value"
                        " fall. A higher rank must earn more."
                    )


CHECKS = {"01-ndcg": (_laws,)}
