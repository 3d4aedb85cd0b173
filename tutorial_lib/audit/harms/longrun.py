"""H6, society and creators: what happens when lists make choices, and choices the next lists?

A simulation, not a forecast: users choose among what they are shown by a taste that never changes,
and the model learns from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tutorial_lib.audit.core.finding import Finding, make_finding
from tutorial_lib.audit.core.lists import category_shares, js_distance, list_matrix, row_means
from tutorial_lib.audit.harms.exposure import discounts
from tutorial_lib.audit.mitigation.reranking import Exploring
from tutorial_lib.data import Dataset, Split
from tutorial_lib.data.splits import EMPTY
from tutorial_lib.errors import InputError
from tutorial_lib.evaluation import coverage, gini
from tutorial_lib.evaluation.estimates import Estimate, t_estimate

FEWEST_SEEDS = 5
MEASURES = {  # name -> (what it says, does it lie in 0..1)
    "gini": ("Gini index of exposure", True),
    "coverage": ("share of the catalogue in at least one list", True),
    "popularity": ("mean count, in the first training data, of a listed item", False),
    "similarity": ("mean Jaccard similarity between the lists of two users", True),
    "breadth": ("mean entropy of the categories of a list, in nats", False),
    "drift": (
        "distance (Jensen-Shannon) between true taste and what was chosen since the start, in"
        " categories",
        True,
    ),
    "served": ("true utility of the lists, as a share of the best lists", True),
}


class RandomLists:
    """The control that learns nothing: every place an item at random."""

    def __init__(self, n_items: int, seed: int):
        self.n_items, self.rng = n_items, np.random.default_rng([seed, 61])

    def recommend(self, histories, k: int = 10, *, users=None, exclude_seen: bool = True):
        chance = self.rng.random((len(histories), self.n_items))
        if exclude_seen:
            chance[list_matrix(histories, self.n_items).toarray() > 0] = -1
        return np.argpartition(-chance, k - 1, axis=1)[:, :k]


def simulate(
    make: Callable,
    dataset: Dataset,
    *,
    rounds: int = 10,
    k: int = 10,
    explore: Sequence[float] = (0.0,),
    seeds: Iterable[int] = range(5),
    consume: bool = True,
    group: str | None = None,
) -> pd.DataFrame:
    """Run the loop: show k items to every user, let each choose one, train again.

    A user picks one shown item with a chance proportional to attention (1 / log2(rank + 1)) times
    true utility. Beside the retrained arms run two controls: "frozen" is trained once and never
    again, "random" shows random lists.

    Args:
        make: constructor of an unfitted recommender, retrained each round.
        dataset: a synthetic world, whose users' true taste is known.
        explore: shares of places given to random items, one arm each.
        seeds: each runs all arms once.
        consume: chosen items leave the user's lists; otherwise they may be shown again. Removal
            alone makes lists more or less alike, whatever the model does, so look at both.
        group: a user attribute; drift is then also measured for each group, as "drift, group F".

    Returns:
        Columns arm, seed, round (0..rounds), metric (of `MEASURES`), value.

    Raises:
        InputError: the true taste is not known, or a number is out of range.

    Source: Chaney, Stewart & Engelhardt 2018; Mansoury et al. 2020, arXiv 2007.13019.
    """
    if dataset.truth is None:
        raise InputError(
            f"simulate: the true taste of users of {dataset.name!r} is not known; expected a"
            " synthetic world, such as load_dataset('world-movies')"
        )
    if rounds < 1 or not 1 <= k <= dataset.n_items // 2 or not all(0 <= e <= 1 for e in explore):
        raise InputError(
            f"simulate(rounds={rounds}, k={k}, explore={list(explore)}): expected rounds >= 1, k >="
            " 1, shares in 0..1"
        )
    users = range(dataset.n_users)
    taste = dataset.truth.next_item_probabilities([EMPTY] * len(users), users=users)
    loop = _Loop(dataset, np.asarray(taste), k, rounds, consume, group)
    arms: dict[str, tuple] = {_arm_name(e): (make, True, e) for e in explore}
    arms |= {"frozen": (make, False, 0.0), "random": (None, False, 0.0)}
    rows = [
        (arm, seed, *row)
        for seed in seeds
        for arm, settings in arms.items()
        for row in loop.run(*settings, seed=seed)
    ]
    return pd.DataFrame(rows, columns=["arm", "seed", "round", "metric", "value"])


def _arm_name(explored: float) -> str:
    return "retrained" if explored == 0 else f"retrained, {explored:.0%} explored"


class _Loop:
    """Users with a fixed taste, and what is measured in every round."""

    def __init__(
        self,
        dataset: Dataset,
        utility: np.ndarray,
        k: int,
        rounds: int,
        consume: bool,
        group: str | None,
    ):
        self.dataset, self.k, self.rounds, self.consume = dataset, k, rounds, consume
        self.start = dataset.sequences()
        self.users = np.arange(dataset.n_users)
        self.utility = utility / utility.sum(axis=1, keepdims=True)  # [n, n_items]
        self.best = np.sort(self.utility, axis=1)[:, ::-1][:, :k].sum(axis=1)
        self.shares = category_shares(dataset)[0]
        self.taste = self.utility @ self.shares  # [n, categories]
        self.counts = dataset.item_counts.astype(float)
        self.groups = None if group is None else dataset.users[group].astype(str).to_numpy()

    def run(self, make, retrain: bool, explored: float, *, seed: int) -> Iterator[tuple]:
        """One arm, one seed: rows (round, metric, value)."""
        rng = np.random.default_rng([seed, 67])
        histories = list(self.start)
        chosen = np.empty((len(histories), 0), dtype=np.int64)
        model: Any = RandomLists(self.dataset.n_items, seed) if make is None else None
        for number in range(self.rounds + 1):
            if make is not None and (model is None or retrain):
                model = make().fit(self._split(histories), seed=seed, progress=False)
            shown = model
            if explored:
                shown = Exploring(model, explored, seed=1000 * seed + number)
            lists = shown.recommend(histories, self.k, users=self.users, exclude_seen=self.consume)
            picked = self._choose(lists, rng)
            chosen = np.column_stack([chosen, picked])
            for name, value in self._measure(lists, chosen).items():
                yield number, name, value
            histories = [np.append(h, item) for h, item in zip(histories, picked, strict=True)]

    def _split(self, histories: list[np.ndarray]) -> Split:
        """All histories as training data, nothing held out."""
        nothing = [EMPTY] * len(histories)
        return Split(
            self.dataset,
            "simulated",
            self.users,
            train=histories,
            valid_history=histories,
            valid_target=nothing,
            test_history=histories,
            test_target=nothing,
        )

    def _utility_of(self, lists: np.ndarray) -> np.ndarray:
        """True utility of each listed item, [n, k]; 0 where a place is empty."""
        utility = np.take_along_axis(self.utility, np.maximum(lists, 0), axis=1)
        return np.where(lists >= 0, utility, 0)

    def _choose(self, lists: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """One item per user, chosen with a chance proportional to attention times utility.

        Of exponential waiting times with these rates, the first to end is such a choice.
        """
        weight = np.maximum(self._utility_of(lists) * discounts(self.k), 1e-12)
        weight = np.where(lists >= 0, weight, 0)
        with np.errstate(divide="ignore"):
            first = np.argmin(rng.exponential(size=weight.shape) / weight, axis=1)
        return lists[np.arange(len(lists)), first]

    def _measure(self, lists: np.ndarray, chosen: np.ndarray) -> dict[str, float]:
        n_items = self.dataset.n_items
        shares = row_means(lists, self.shares)
        held = list_matrix(lists, n_items)
        together = (held @ held.T).toarray()[np.triu_indices(len(lists), 1)]  # items in common
        entropy = -np.where(shares > 0, shares * np.log(np.maximum(shares, 1e-12)), 0).sum(axis=1)
        drift = js_distance(self.taste, row_means(chosen, self.shares))
        values = {
            "gini": gini(lists, n_items),
            "coverage": coverage(lists, n_items),
            "popularity": float(np.nanmean(row_means(lists, self.counts))),
            "similarity": float((together / (2 * self.k - together)).mean()),
            "breadth": float(entropy.mean()),
            "drift": float(drift.mean()),
            "served": float((self._utility_of(lists).sum(axis=1) / self.best).mean()),
        }
        for name in np.unique(self.groups) if self.groups is not None else ():
            values[f"drift, group {name}"] = float(drift[self.groups == name].mean())
        return values


def longrun_findings(frame: pd.DataFrame, margins: Mapping[str, float]) -> list[Finding]:
    """For every arm and measure in 0..1: the change over the rounds, beyond that of random lists.

    The seed is the unit: t interval and t test over paired seeds; fewer than five get no interval.

    Args:
        frame: of `simulate`.
        margins: as in `audit`; "longrun" is used.
    """
    last = frame["round"].max()
    values = frame.pivot_table(index=["arm", "metric"], columns=["round", "seed"], values="value")
    start = values[0].copy()
    start[start.index.get_level_values("metric").str.startswith("drift")] = 0.0  # nothing chosen
    change = values[last] - start
    findings = []
    for (arm, metric), own in change.iterrows():
        if arm == "random" or not MEASURES[metric.split(",")[0]][1]:
            continue
        control = change.loc[("random", metric)]
        findings.append(
            make_finding(
                "H6",
                "creators" if metric in ("gini", "coverage") else "society",
                f"{metric}: {arm} - random, change over {last} rounds",
                _over_seeds((own - control).to_numpy()),
                n_by_group={"seeds": len(own)},
                margin=margins["longrun"],
                notes=[f"{arm} {own.mean():+.4f}, random {control.mean():+.4f}."],
            )
        )
    return findings


def _over_seeds(values: np.ndarray) -> Estimate:
    """Mean with t interval and t test; an interval of width 0 where all seeds agree."""
    n, mean = len(values), float(values.mean())
    if n < FEWEST_SEEDS:
        return Estimate.nothing(mean)
    se = float(values.std(ddof=1) / np.sqrt(n))
    if se == 0:
        return Estimate(mean, mean, mean, float(mean == 0), 0.0)
    return t_estimate(mean, mean, se, n - 1)
