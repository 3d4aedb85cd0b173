"""H4, opacity: what decides a list, and what it costs to do without the profile (DSA Art. 27 and
38; orientation, not legal advice).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from tutorial_lib.audit.core.evidence import MISSING, SUPPRESSED, Evidence, ask
from tutorial_lib.audit.core.finding import Finding
from tutorial_lib.audit.harms.counterfactual import list_similarity
from tutorial_lib.audit.inference.paired import paired_finding
from tutorial_lib.errors import InputError
from tutorial_lib.evaluation import mean_interval, ranking_metrics

Histories = Sequence[np.ndarray]


def shuffled_order(histories: Histories, rng: np.random.Generator) -> list[np.ndarray]:
    """Each history in random order: what the order told is gone."""
    return [rng.permutation(history) for history in histories]


def without_newest(histories: Histories, rng: np.random.Generator) -> list[np.ndarray]:
    """Each history without its last item."""
    return [history[:-1] for history in histories]


def newest_only(histories: Histories, rng: np.random.Generator) -> list[np.ndarray]:
    """Only the newest item of each history."""
    return [history[-1:] for history in histories]


def of_somebody_else(histories: Histories, rng: np.random.Generator) -> list[np.ndarray]:
    """Each user gets another user's history: what is left is what everybody is shown."""
    shift = 1 + int(rng.integers(len(histories) - 1)) if len(histories) > 1 else 0
    return list(histories[shift:]) + list(histories[:shift])


PARTS: dict[str, Callable] = {
    "order of the history": shuffled_order,
    "newest item": without_newest,
    "all but the newest item": newest_only,
    "whose history it is": of_somebody_else,
}


def main_parameters(
    recommender, evidence: Evidence, *, parts: Mapping[str, Callable] = PARTS, seed: int = 0
) -> pd.DataFrame:
    """How much of a list each input decides: hide one at a time, and ask again.

    parts: name -> function (histories, rng) -> histories without that input. Items of the true
        history stay out of all lists.
    Returns one row an input, the most important first: changed (mean 1 - Jaccard of the lists),
    ndcg_lost with low and high (95 %).
    Source: ablation, as in permutation importance (Fisher, Rudin & Dominici 2019).
    """
    rows, k = [], evidence.k
    for name, hide in parts.items():
        hidden = hide(evidence.histories, np.random.default_rng([seed, 103]))
        depth = min(k + max(map(len, evidence.histories)), evidence.dataset.n_items)
        lists = ask(
            recommender, hidden, evidence.users, depth, exclude_seen=False
        )  # the true history is taken out below
        seen = [set(history.tolist()) for history in evidence.histories]
        kept = [
            [i for i in row if i >= 0 and i not in own][:k]
            for row, own in zip(lists.tolist(), seen, strict=True)
        ]
        table = np.array([row + [-1] * (k - len(row)) for row in kept])
        lost = (
            evidence.metrics[f"ndcg@{k}"].to_numpy()
            - ranking_metrics(table, evidence.targets, k)[f"ndcg@{k}"].to_numpy()
        )
        mean = mean_interval(pd.DataFrame({"lost": lost}), "lost", seed=seed)
        rows.append(
            (
                name,
                float((1 - list_similarity(table, evidence.lists, "jaccard")).mean()),
                mean.mean,
                mean.low,
                mean.high,
            )
        )
    frame = pd.DataFrame(rows, columns=["input", "changed", "ndcg_lost", "low", "high"]).set_index(
        "input"
    )
    return frame.sort_values("changed", ascending=False)


def non_profiling_cost(
    profiled: Evidence,
    plain: Evidence,
    margin: float,
    *,
    attribute: str | None = None,
    seed: int = 0,
) -> list[Finding]:
    """What users lose by an option that does not profile them, such as a popularity list: NDCG
    plain - profiled, in all and by group.

    profiled, plain: evidence of both options for the same users. margin: in NDCG. attribute: a user
        column, for the groups.
    Raises InputError if the users differ.
    """
    if not np.array_equal(profiled.users, plain.users):
        raise InputError(
            "non_profiling_cost: the two options were judged on different users; use the same split"
            " for both"
        )
    name, rng = f"ndcg@{profiled.k}", np.random.default_rng([seed, 107])
    change = (plain.metrics[name] - profiled.metrics[name]).to_numpy()
    findings = [
        paired_finding(
            "H4", "users", f"{name} without profiling - with: all users", change, margin, rng=rng
        )
    ]
    labels = profiled.labels(attribute) if attribute else np.array([])
    for group in sorted(set(labels.tolist()) - {MISSING}):
        part = change[labels == group]
        if len(part) >= SUPPRESSED:
            findings.append(
                paired_finding(
                    "H4",
                    "users",
                    f"{name} without profiling - with: {attribute} {group}",
                    part,
                    margin,
                    rng=rng,
                )
            )
    return findings
