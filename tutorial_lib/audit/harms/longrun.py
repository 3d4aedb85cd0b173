"""H6, society and creators: what happens when lists make choices, and choices make the next lists?

A simulation, not a forecast: users choose among what they are shown by a taste that never changes,
and the model learns from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from tutorial_lib.audit.core.categories import category_shares, list_matrix, row_means
from tutorial_lib.audit.core.finding import Finding, make_finding
from tutorial_lib.audit.harms.exposure import discounts
from tutorial_lib.audit.harms.quality import js_distance
from tutorial_lib.audit.inference.statistics import Estimate
from tutorial_lib.audit.mitigation.reranking import Exploring
from tutorial_lib.data import Split
from tutorial_lib.errors import InputError
from tutorial_lib.evaluation import coverage, gini

FEWEST_SEEDS = 5
MEASURES = {  # name -> (what it says, does it lie in 0..1)
    "gini": ("Gini index of exposure", True),
    "coverage": ("share of the catalogue in at least one list", True),
    "popularity": ("mean count, in the first training data, of a listed item", False),
    "similarity": ("mean Jaccard similarity between the lists of two users", True),
    "breadth": ("mean entropy of the categories of a list, in nats", False),
    "drift": (
        (
            "distance (Jensen-Shannon) between true taste and what was chosen since the start, in"
            " categories"
        ),
        True,
    ),
    "served": ("true utility of the lists, as a share of the best lists", True),
}


class RandomLists:
    """The control that learns nothing: every place an item at random. Loops of systems are judged
    against it.
    """

    def __init__(self, n_items: int, seed: int):
        self.n_items, self.rng = n_items, np.random.default_rng([seed, 61])

    def recommend(
        self, histories, k: int = 10, *, users=None, exclude_seen: bool = True
    ) -> np.ndarray:
        chance = self.rng.random((len(histories), self.n_items))
        if exclude_seen:
            chance[np.asarray(list_matrix(histories, self.n_items).todense()) > 0] = -1
        return np.argpartition(-chance, k - 1, axis=1)[:, :k]


def simulate(
    make: Callable,
    dataset,
    *,
    rounds: int = 10,
    k: int = 10,
    explore: Sequence[float] = (0.0,),
    seeds: Iterable[int] = range(5),
    consume: bool = True,
    utility: np.ndarray | None = None,
    group: str | None = None,
) -> pd.DataFrame:
    """Run the loop: show k items to every user, let each choose one, train again; once for every
    arm and seed.

    make: constructor of an unfitted recommender, retrained each round. explore: shares of places
        given to random items, one arm each.
    Two controls run beside: "frozen" is trained once and never again, "random" shows random lists.
    A user picks one shown item with a chance proportional to attention (1 / log2(rank + 1)) times
    true utility.
    consume: chosen items leave the user's lists; without it they may be shown again. Removal alone
        makes lists more alike or less alike,
    whatever the model does, so look at both.
    utility: [n_users, n_items] > 0, the true taste; default: that of a planted world. group: a user
        attribute; drift is then also told
    for each group, as "drift, group F". Returns columns arm, seed, round (0..rounds), metric
    (`MEASURES`), value. Raises InputError without a known utility.
    Sources: Chaney, Stewart & Engelhardt 2018; Mansoury et al. 2020, arXiv 2007.13019.
    """
    if utility is None and dataset.truth is None:
        raise InputError(
            f"simulate: the true taste of users of {dataset.name!r} is not known; pass"
            " utility=[n_users, n_items]"
        )
    if rounds < 1 or not 1 <= k <= dataset.n_items // 2 or not all(0 <= e <= 1 for e in explore):
        raise InputError(
            f"simulate(rounds={rounds}, k={k}, explore={list(explore)}): expected rounds >= 1, k >="
            " 1, shares in 0..1"
        )
    start = dataset.sequences()
    if utility is None:
        utility = np.asarray(
            dataset.truth.next_item_probabilities(
                [h[:0] for h in start], users=np.arange(dataset.n_users)
            )
        )
    groups = None if group is None else dataset.users[group].astype(str).to_numpy()
    world = _World(dataset, start, utility, groups, k, rounds, consume)
    rows = []
    for seed in seeds:
        arms = {_arm_name(e): (make, True, e) for e in explore} | {
            "frozen": (make, False, 0.0),
            "random": (None, False, 0.0),
        }
        for arm, settings in arms.items():
            rows += [(arm, seed, *row) for row in world.run(*settings, seed=seed)]
    return pd.DataFrame(rows, columns=["arm", "seed", "round", "metric", "value"])


def _arm_name(explored: float) -> str:
    return "retrained" if explored == 0 else f"retrained, {explored:.0%} explored"


class _World:
    """Users with a fixed taste, and what is measured of every round."""

    def __init__(
        self,
        dataset,
        start: list[np.ndarray],
        utility: np.ndarray,
        groups,
        k: int,
        rounds: int,
        consume: bool,
    ):
        self.dataset, self.start, self.groups = dataset, start, groups
        self.utility = utility / utility.sum(axis=1, keepdims=True)
        self.k, self.rounds, self.consume = k, rounds, consume
        self.shares = category_shares(dataset)[0]
        self.taste, self.counts = self.utility @ self.shares, dataset.item_counts.astype(float)
        self.best = np.sort(self.utility, axis=1)[:, ::-1][:, :k].sum(axis=1)

    def run(self, make, retrain: bool, explored: float, *, seed: int):
        """One arm, one seed: rows (round, metric, value)."""
        rng, histories = np.random.default_rng([seed, 67]), list(self.start)
        everyone, chosen = np.arange(len(histories)), np.empty((len(histories), 0), dtype=np.int64)
        model = RandomLists(self.dataset.n_items, seed) if make is None else None
        for turn in range(self.rounds + 1):
            if make is not None and (model is None or retrain):
                model = make().fit(self._split(histories), seed=seed, progress=False)
            shown = model if not explored else Exploring(model, explored, seed=1000 * seed + turn)
            lists = shown.recommend(histories, self.k, users=everyone, exclude_seen=self.consume)
            picked = self._choose(lists, rng)
            chosen = np.column_stack([chosen, picked])
            yield from ((turn, name, value) for name, value in self._measure(lists, chosen).items())
            histories = [np.append(h, item) for h, item in zip(histories, picked, strict=True)]

    def _split(self, histories: list[np.ndarray]) -> Split:
        nothing = [np.empty(0, dtype=np.int64)] * len(histories)
        return Split(
            self.dataset,
            "simulated",
            np.arange(len(histories)),
            histories,
            histories,
            nothing,
            histories,
            nothing,
        )

    def _choose(self, lists: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """One item a user: attention times utility, drawn by exponential races."""
        weight = np.take_along_axis(self.utility, np.maximum(lists, 0), axis=1) * discounts(self.k)
        weight = np.where(lists >= 0, np.maximum(weight, 1e-12), 0)
        with np.errstate(divide="ignore"):
            first = np.argmin(rng.exponential(size=weight.shape) / weight, axis=1)
        return lists[np.arange(len(lists)), first]

    def _measure(self, lists: np.ndarray, chosen: np.ndarray) -> dict[str, float]:
        n_items, shares = self.dataset.n_items, row_means(lists, self.shares)
        held = list_matrix(lists, n_items)
        together = np.asarray((held @ held.T).todense())[np.triu_indices(len(lists), 1)]
        drift = js_distance(self.taste, row_means(chosen, self.shares))
        utility = np.where(
            lists >= 0, np.take_along_axis(self.utility, np.maximum(lists, 0), axis=1), 0
        ).sum(axis=1)
        found = {
            "gini": gini(lists, n_items),
            "coverage": coverage(lists, n_items),
            "popularity": float(np.nanmean(row_means(lists, self.counts))),
            "similarity": float((together / (2 * self.k - together)).mean()),
            "breadth": float(
                -np.where(shares > 0, shares * np.log(np.maximum(shares, 1e-12)), 0)
                .sum(axis=1)
                .mean()
            ),
            "drift": float(drift.mean()),
            "served": float((utility / self.best).mean()),
        }
        for name in np.unique(self.groups) if self.groups is not None else ():
            found[f"drift, group {name}"] = float(drift[self.groups == name].mean())
        return found


def longrun_findings(
    frame: pd.DataFrame, margins: Mapping[str, float], *, control: str = "random"
) -> list[Finding]:
    """For every arm and measure in 0..1: the change from the first to the last round, beyond that
    of the control.

    frame: of `simulate`. The seed is the unit: t interval and t test over paired seeds; fewer than
        five get no interval.
    """
    ends = frame[frame["round"].isin([0, frame["round"].max()])].pivot_table(
        index=["arm", "seed", "metric"], columns="round", values="value"
    )
    before = ends[ends.columns[0]].where(
        ~ends.index.get_level_values("metric").str.startswith("drift"), 0.0
    )  # nothing chosen yet: no drift
    change = (ends[ends.columns[-1]] - before).unstack("seed")
    if control not in change.index.get_level_values("arm"):
        raise InputError(
            f"longrun_findings(control={control!r}): no such arm; expected one of"
            f" {', '.join(frame['arm'].unique())}"
        )
    findings = []
    for (arm, metric), values in change.iterrows():
        if arm == control or not MEASURES.get(metric.split(",")[0], ("", False))[1]:
            continue
        excess = (values - change.loc[(control, metric)]).to_numpy()
        n, name = (
            len(excess),
            f"{metric}: {arm} - {control}, change over {frame['round'].max()} rounds",
        )
        stakeholder = "creators" if metric in ("gini", "coverage") else "society"
        note = f"{arm} {values.mean():+.4f}, {control} {change.loc[(control, metric)].mean():+.4f}."
        estimate = _over_seeds(excess)
        findings.append(
            make_finding(
                "H6",
                stakeholder,
                name,
                estimate,
                n_by_group={"seeds": n},
                margin=margins["longrun"],
                notes=[note],
            )
        )
    return findings


def _over_seeds(values: np.ndarray) -> Estimate:
    """Mean with t interval and t test; no inference below five seeds, an interval of width 0 where
    all agree.
    """
    n, mean = len(values), float(values.mean())
    if n < FEWEST_SEEDS:
        return Estimate.nothing(mean)
    se = float(values.std(ddof=1) / np.sqrt(n))
    if se == 0:
        return Estimate(mean, mean, mean, float(mean == 0), 0.0)
    reach = stats.t.ppf(0.975, n - 1) * se
    return Estimate(
        mean, mean - reach, mean + reach, float(2 * stats.t.sf(abs(mean) / se, n - 1)), se
    )
