"""H4, opacity: what decides a list, and what it costs to do without the profile.

Articles 27 and 38 of the DSA ask for both; this is orientation, not legal advice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from tutorial_lib.audit.core.evidence import Evidence
from tutorial_lib.audit.core.finding import Finding
from tutorial_lib.audit.core.groups import MISSING, SUPPRESSED
from tutorial_lib.audit.core.lists import ask
from tutorial_lib.audit.harms.similarity import list_similarity
from tutorial_lib.audit.inference.paired import paired_finding
from tutorial_lib.errors import InputError
from tutorial_lib.evaluation import mean_interval, ranking_metrics

Histories = Sequence[np.ndarray]


def _of_somebody_else(histories: Histories, rng: np.random.Generator) -> list[np.ndarray]:
    """Each user gets another user's history: what is left is what everybody is shown."""
    shift = 1 + int(rng.integers(len(histories) - 1)) if len(histories) > 1 else 0
    return [*histories[shift:], *histories[:shift]]


# input -> (histories, rng) -> the histories without that input
INPUTS: dict[str, Callable] = {
    "order of the history": lambda histories, rng: [rng.permutation(h) for h in histories],
    "newest item": lambda histories, rng: [h[:-1] for h in histories],
    "all but the newest item": lambda histories, rng: [h[-1:] for h in histories],
    "whose history it is": _of_somebody_else,
}


def main_parameters(recommender, evidence: Evidence, *, seed: int = 0) -> pd.DataFrame:
    """How much of a list each input decides: hide one of `INPUTS` at a time, and ask again.

    Items of the true history stay out of all lists.

    Returns:
        One row per input, the most important first: changed (mean 1 - Jaccard of the lists),
        ndcg_lost with low and high (95 %).

    Source: ablation, as in permutation importance (Fisher, Rudin & Dominici 2019).
    """
    k, histories = evidence.k, evidence.histories
    ndcg = f"ndcg@{k}"
    depth = min(k + max(map(len, histories)), evidence.dataset.n_items)
    rows = []
    for name, hide in INPUTS.items():
        hidden = hide(histories, np.random.default_rng([seed, 103]))
        # Seen items come back, since the recommender does not know the true history: _unseen
        # takes them out.
        ranked = ask(recommender, hidden, evidence.users, depth, exclude_seen=False)
        lists = _unseen(ranked, histories, k)
        lost = evidence.metrics[ndcg].to_numpy()
        lost = lost - ranking_metrics(lists, evidence.targets, k)[ndcg].to_numpy()
        mean = mean_interval(pd.DataFrame({"lost": lost}), "lost")
        changed = float((1 - list_similarity(lists, evidence.lists, "jaccard")).mean())
        rows.append((name, changed, mean.mean, mean.low, mean.high))
    frame = pd.DataFrame(rows, columns=["input", "changed", "ndcg_lost", "low", "high"])
    return frame.set_index("input").sort_values("changed", ascending=False)


def _unseen(ranked: np.ndarray, histories: Histories, k: int) -> np.ndarray:
    """The first k items of each ranking that are not in the history: [n, k], -1 = padding."""
    lists = np.full((len(ranked), k), -1)
    for row, (items, history) in enumerate(zip(ranked.tolist(), histories, strict=True)):
        seen = set(history.tolist())
        kept = [item for item in items if item >= 0 and item not in seen][:k]
        lists[row, : len(kept)] = kept
    return lists


def non_profiling_cost(
    profiled: Evidence,
    plain: Evidence,
    margin: float,
    *,
    attribute: str | None = None,
    seed: int = 0,
) -> list[Finding]:
    """What an option without profiling, such as a popularity list, costs: NDCG plain - profiled.

    Args:
        profiled, plain: evidence of both options for the same users.
        margin: in NDCG.
        attribute: a user column; its groups get a finding each, beside that of all users.

    Raises:
        InputError: the users differ.
    """
    if not np.array_equal(profiled.users, plain.users):
        raise InputError(
            "non_profiling_cost: the two options were judged on different users; use the same split"
            " for both"
        )
    ndcg = f"ndcg@{profiled.k}"
    change = (plain.metrics[ndcg] - profiled.metrics[ndcg]).to_numpy()
    parts = {"all users": change}
    if attribute:
        labels = profiled.labels(attribute)
        parts |= {f"{attribute} {g}": change[labels == g] for g in sorted({*labels} - {MISSING})}
    return [
        paired_finding("H4", "users", f"{ndcg} without profiling - with: {who}", values, margin)
        for who, values in parts.items()
        if who == "all users" or len(values) >= SUPPRESSED
    ]
