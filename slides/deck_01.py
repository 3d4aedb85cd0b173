"""Deck 1: its numbers and examples, computed from the planted world of films."""

from __future__ import annotations

import numpy as np
import pandas as pd
from deck_01_figures import FIGURES
from scipy.stats import hypergeom

from tutorial_lib.data import leave_last_out, load_dataset
from tutorial_lib.evaluation import compare, evaluate, evaluate_scores, mean_interval, target_ranks
from tutorial_lib.models import EASE, ItemKNN, Oracle, Popularity, Random, TransitionKNN

__all__ = ["FIGURES", "compute"]
WORLD = "world-movies"
NEGATIVES = 99  # the number of sampled competitors in the sampled protocol that the slides warn of
SHOWN = 4  # items of the example history on the slide
MODELS = {
    "random": Random,
    "popularity": Popularity,
    "itemknn": ItemKNN,
    "ease": EASE,
    "transition": TransitionKNN,
    "oracle": Oracle,
    "oracle_types": lambda: Oracle(know_types=True),
}


def compute() -> dict[str, float | int | str]:
    """Every number and title by its name in the deck."""
    dataset = load_dataset(WORLD)
    split = leave_last_out(dataset)
    fitted = {name: make().fit(split) for name, make in MODELS.items()}
    numbers = {
        "world": WORLD,
        "n_users": dataset.n_users,
        "n_items": dataset.n_items,
        "n_interactions": dataset.n_interactions,
        "n_types": dataset.truth.n_types,
        "negatives": NEGATIVES,
    }
    numbers |= leaderboard(fitted, split) | sampled(fitted, split) | ties(split)
    numbers |= example(dataset, split, fitted["oracle"]) | samples(dataset)
    return numbers


def leaderboard(fitted: dict, split) -> dict[str, float]:
    """NDCG@10 and HR@10 of every model, and what the best baseline leaves to the ceiling."""
    numbers, frames = {}, {name: evaluate(model, split, k=10) for name, model in fitted.items()}
    for name, frame in frames.items():
        for short, metric in (("ndcg", "ndcg@10"), ("hr", "hit@10")):
            interval = mean_interval(frame, metric)
            numbers |= {
                f"{name}_{short}": interval.mean,
                f"{name}_{short}_low": interval.low,
                f"{name}_{short}_high": interval.high,
            }
    numbers["n_test"] = len(frames["oracle"])
    baselines = [name for name in frames if not name.startswith("oracle")]
    best = max(baselines, key=lambda name: numbers[f"{name}_ndcg"])
    gap = compare(frames["oracle"], frames[best], "ndcg@10")
    numbers |= {"best": best, "best_share": numbers[f"{best}_ndcg"] / numbers["oracle_ndcg"]}
    return numbers | {
        "gap": gap.difference,
        "gap_low": float(gap.ci[0]),
        "gap_high": float(gap.ci[1]),
        "gap_mde": gap.minimum_detectable_effect,
    }


def sampled(fitted: dict, split) -> dict[str, float]:
    """HR@10 against sampled negatives, in exact expectation.

    A hit: of `NEGATIVES` unseen items at most 9 rank above the target.
    """
    targets = np.array([int(target[0]) for target in split.test_target])
    seen = np.array([len(np.unique(history)) for history in split.test_history])
    unseen = split.dataset.n_items - seen - 1
    numbers = {}
    for name, model in fitted.items():
        scores = np.array(model.score(split.test_history, users=split.users), dtype=np.float64)
        for row, history in enumerate(split.test_history):
            scores[row, history] = -np.inf
        # tied scores: the mean of the best and the worst case
        ranks = [
            np.round(target_ranks(scores, targets, ties=rule)).astype(int)
            for rule in ("optimistic", "pessimistic")
        ]
        hits = np.mean([hypergeom.cdf(9, unseen, rank - 1, NEGATIVES) for rank in ranks], axis=0)
        interval = mean_interval(pd.DataFrame({"hit@10": hits}), "hit@10")
        numbers |= {
            f"{name}_sampled_hr": interval.mean,
            f"{name}_sampled_hr_low": interval.low,
            f"{name}_sampled_hr_high": interval.high,
        }
    return numbers


def ties(split) -> dict[str, float]:
    """HR@10 of a scorer that gives every item the same score, under three rules for ties."""
    targets = np.array([int(target[0]) for target in split.test_target])
    scores = np.zeros((len(targets), split.dataset.n_items))
    rules = {"tie_best": "optimistic", "tie_worst": "pessimistic", "tie_expected": "expected"}
    return {
        name: float(evaluate_scores(scores, targets, k=10, ties=rule)["hit@10"].mean())
        for name, rule in rules.items()
    }


def example(dataset, split, oracle) -> dict[str, float | int | str]:
    """A history whose most probable next item is the right one, with three wrong options."""
    probabilities = oracle.score(split.test_history, users=split.users)
    targets = np.array([int(target[0]) for target in split.test_target])
    titles = dataset.items["title"].tolist()
    right = np.flatnonzero(probabilities.argmax(axis=1) == targets)
    # the clearest case that fits on a slide: the highest probability among short titles
    length = [sum(len(titles[item]) for item in split.test_history[row][-SHOWN:]) for row in right]
    short = right[np.array(length) <= np.quantile(length, 0.25)]
    row = int(short[probabilities[short, targets[short]].argmax()])
    history, target, p = split.test_history[row], targets[row], probabilities[row]
    top = np.argsort(-p, kind="stable")[:5]
    popular = np.argsort(-dataset.item_counts, kind="stable")
    wrong = [int(item) for item in popular if item not in history and item not in top][:2]
    options = sorted(titles[item] for item in [int(target), int(top[1]), *wrong])
    numbers: dict[str, float | int | str] = {
        "history_length": len(history),
        "oracle_hit1": float((probabilities.argmax(axis=1) == targets).mean()),
    }
    for place, item in enumerate(history[-SHOWN:], 1):
        numbers |= {f"title_{place}": titles[item], f"item_{place}": int(item)}
    for place, item in enumerate(top, 1):
        numbers |= {f"top_{place}_title": titles[item], f"top_{place}_p": float(p[item])}
    numbers |= {f"option_{letter}": title for letter, title in zip("ABCD", options, strict=True)}
    answer = "ABCD"[options.index(titles[target])]
    return numbers | {
        "target_title": titles[target],
        "target_item": int(target),
        "target_p": float(p[target]),
        "answer": answer,
    }


def samples(dataset) -> dict[str, str]:
    """A step of the knowledge graph: a film of a series and the one that follows it."""
    sequels = dataset.graph[dataset.graph["relation"] == "next_in_series"]
    items = dataset.items.set_index("item_id")
    head = dataset.items.iloc[sequels["head"].iloc[0]]
    tail = items.loc[sequels["tail"].iloc[0].removeprefix("item:")]
    return {
        "head": f"{head['series']} {head['volume']}",
        "tail": f"{tail['series']} {tail['volume']}",
    }
