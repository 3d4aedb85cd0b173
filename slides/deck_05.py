"""Deck 5, evaluation: when a number about a recommender can be believed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np
import pandas as pd
from drawing import legible
from records import goldens, grid, interval
from sacrebleu.metrics import BLEU

from tutorial_lib.data import leave_last_out, load_dataset, temporal_split
from tutorial_lib.evaluation import (
    catalogue_facts,
    evaluate,
    expected_sampled,
    factual_frame,
    impossible_share,
    mean_interval,
    scorecard,
    target_ranks,
    text_frame,
)
from tutorial_lib.models import EASE, ItemKNN, TransitionKNN
from tutorial_workshop.experiments import recorded_table
from tutorial_workshop.figures import SampledCurves, recorded_signs
from tutorial_workshop.figures.evaluation import curse_curves, draws_picture, pareto_picture

USERS, TIMES = 120, 800  # of a test set, and how many are drawn
KINDS = ("one drawn target each", "in expectation")
SYSTEMS = (1, 2, 4, 8, 16, 32, 64)
FEW = 32  # systems of the winner's curse that the slide names
MODELS = (TransitionKNN, ItemKNN, EASE)


def compute() -> dict[str, float | int | str]:
    """Every number and alt text by its name in the deck."""
    numbers = redrawn() | recorded_runs() | sampled() | conventions() | time() | curse()
    return numbers | texts() | sides() | goldens(text_perplexity="07.p5.perplexity")


@cache
def world():
    """The films' split, three fitted models by name, and the probabilities of the next item."""
    split = leave_last_out(load_dataset("world-movies"))
    models = {kind.__name__: kind().fit(split) for kind in MODELS}
    return split, models, split.dataset.truth.next_item_probabilities(split.test_history)


@cache
def gains() -> tuple[np.ndarray, np.ndarray]:
    """EASE minus ItemKNN: [users, items] for each possible target, and [users] in expectation."""
    split, models, chances = world()
    worth = []
    for name in ("EASE", "ItemKNN"):
        lists = models[name].recommend(split.test_history, k=10)
        values = np.zeros(chances.shape)
        discounts = np.broadcast_to(1 / np.log2(np.arange(2, 12)), lists.shape)
        np.put_along_axis(values, lists, discounts, axis=1)
        worth.append(values)
    gain = worth[0] - worth[1]
    return gain, (chances * gain).sum(axis=1)


@cache
def draws() -> tuple[pd.DataFrame, float]:
    """Test sets drawn again, as notebook 07 draws them; the true difference."""
    gain, expected = gains()
    chances, rng = world()[2], np.random.default_rng(0)
    cumulated, truth, rows = chances.cumsum(axis=1), expected.mean(), []
    for _ in range(TIMES):
        users = rng.integers(len(gain), size=USERS)
        drawn = (cumulated[users] > rng.random((USERS, 1))).argmax(axis=1)
        for how, values in zip(KINDS, (gain[users, drawn], expected[users]), strict=True):
            found = mean_interval(pd.DataFrame({"x": values}), "x")
            rows.append((how, found.mean, found.low, found.high))
    frame = pd.DataFrame(rows, columns=["how", "difference", "low", "high"])
    ends = np.sign(truth) * frame[["low", "high"]].to_numpy()
    right, wrong = (ends > 0).all(axis=1), (ends < 0).all(axis=1)
    frame["verdict"] = np.select([right, wrong], ["right sign", "wrong sign"], "not significant")
    return frame, float(truth)


def redrawn() -> dict:
    """How many significant differences have the wrong sign, and by how much they exaggerate."""
    frame, truth = draws()
    numbers: dict = {"draw_users": USERS, "draw_times": TIMES, "truth": truth}
    shares = frame.groupby("how", sort=False)["verdict"].value_counts(normalize=True)
    for key, how in zip(("drawn", "expected"), KINDS, strict=True):
        some = frame[(frame["how"] == how) & (frame["verdict"] != "not significant")]
        numbers[f"{key}_significant"] = len(some)
        numbers[f"{key}_wrong_share"] = (some["verdict"] == "wrong sign").mean()
        numbers[f"{key}_exaggerates"] = some["difference"].abs().mean() / abs(truth)
    gain, expected = gains()
    targets = np.array([int(target[0]) for target in world()[0].test_target])
    one = gain[np.arange(len(gain)), targets]
    needed = {"drawn": one.std(), "expected": expected.std()}
    numbers |= {f"{key}_needs": int((2.8 * sd / truth) ** 2) for key, sd in needed.items()}
    words = "; ".join(f"{how}, {name}: {x:.1%}" for (how, name), x in shares.items())
    numbers["alt_draws"] = (
        f"Differences of two models on {TIMES} test sets of {USERS} users, sorted; left by one "
        f"drawn target each, right in expectation. {words}. Truth {truth:+.4f}."
    )
    return numbers


def draw_draws(numbers: Mapping):
    """Every drawn test set as a point."""
    return legible(draws_picture(*draws()), 8.6, 3.7)


def recorded_runs() -> dict:
    """Among the recorded systems with 64 labels: significant, and against the expectation."""
    signs = recorded_signs(grid(), labels=64)
    hits = signs[signs["significant"]]
    return {
        "run_tests": len(signs),
        "run_significant": len(hits),
        "run_wrong": int(hits["wrong"].sum()),
        "run_one_in": round(len(hits) / max(1, hits["wrong"].sum())),
        "run_users": int(signs["users"].median()),
    }


@cache
def sampled_curves() -> SampledCurves:
    """Exact expectations of sampled metrics, over the number of negatives."""
    split, models, _ = world()
    targets = np.array([int(target[0]) for target in split.test_target])
    seen = [np.unique(history) for history in split.test_history]
    others = split.dataset.n_items - np.array([len(items) + 1 for items in seen])
    ranks = {}
    for name, model in models.items():
        scores = np.array(model.score(split.test_history), dtype=float)
        for line, items in zip(scores, seen, strict=True):
            line[items] = -np.inf
        ranks[name] = target_ranks(scores, targets, ties="index")
    most = int(others.max())
    negatives = sorted({int(round(n)) for n in np.geomspace(15, most, 14)} | {100})
    found = {
        n: {name: expected_sampled(r, others, negatives=n).mean() for name, r in ranks.items()}
        for n in negatives
    }
    of = {name: [found[n][name]["hit@10"] for n in negatives] for name in ranks}
    full = {name: found[most][name]["hit@10"] for name in ranks}
    return SampledCurves(negatives, {"hit@10": of}, {"hit@10": full})


def sampled() -> dict:
    """Which two models change places, and at how many negatives."""
    curves = sampled_curves()
    ahead, behind, last = curves.swaps("hit@10")[0]
    at = curves.negatives.index(100)
    words = "; ".join(f"{name} {x[at]:.3f}" for name, x in curves.values["hit@10"].items())
    full = "; ".join(f"{name} {x:.3f}" for name, x in curves.full["hit@10"].items())
    alt = "Lead in hit@10 over the mean of three models, over the number of sampled negatives. "
    alt += f"With 100: {words}. All items: {full}."
    return {"swap_few": ahead, "swap_full": behind, "swap_at": last, "alt_sampled": alt}


def draw_sampled(numbers: Mapping):
    """Lines that cross are models that change places."""
    figure = sampled_curves().draw(100, "hit@10")
    figure.axes[0].set_title("")
    return legible(figure, 8.6, 3.3)


@cache
def timed():
    """A split at a moment in time, with EASE fitted on it."""
    split = temporal_split(load_dataset("world-movies"))
    return split, EASE().fit(split)


def conventions() -> dict:
    """One name, three formulas: MAP@10 of the same lists."""
    split, model = timed()
    lists = model.recommend(split.test_history, k=10).tolist()
    values: dict = {"map_min": [], "map_r": [], "map_hits": []}
    for items, target in zip(lists, split.test_target, strict=True):
        wanted = set(target.tolist())
        if not wanted:
            continue
        places = [place for place, item in enumerate(items, 1) if item in wanted]
        total = sum((number + 1) / place for number, place in enumerate(places))
        values["map_min"].append(total / min(len(wanted), 10))
        values["map_r"].append(total / len(wanted))
        values["map_hits"].append(total / max(1, len(places)))
    return {name: float(np.mean(of)) for name, of in values.items()} | {
        "map_users": len(values["map_r"])
    }


def time() -> dict:
    """Recommendations that were impossible at the time, and what the model saw of the future."""
    split, models, _ = world()
    last = impossible_share(models["EASE"].recommend(split.test_history, k=10), split)
    numbers = interval("impossible", mean_interval(last, "impossible"))
    return numbers | goldens(future="01.last.future-share", random_split="01.random-split.gain")


@cache
def lucky() -> dict[str, list[float]]:
    """What the best of m equal systems seems to gain, by number of test users."""
    split, models, _ = world()
    values = evaluate(models["EASE"], split, k=10)["ndcg@10"].to_numpy()
    steps, times = np.unique(values, return_counts=True)
    rng = np.random.default_rng(0)

    def best_of(m: int, n: int) -> float:
        drawn = rng.multinomial(n, times / times.sum(), size=(300, m)) @ steps / n
        return float(drawn.max(axis=1).mean() - values.mean())

    return {f"{n:,} users": [best_of(m, n) for m in SYSTEMS] for n in (100, 500, 2000)}


def curse() -> dict:
    """The winner of many, in words."""
    found = lucky()
    words = "; ".join(f"{name}: " + ", ".join(f"{x:.3f}" for x in of) for name, of in found.items())
    numbers = goldens(luck="07.curse.best-of-32")
    alt = f"Gain of the best of 1 to {SYSTEMS[-1]} equal systems. {words}."
    share = found["100 users"][SYSTEMS.index(FEW)] / evaluate_mean()
    return numbers | {"luck_systems": FEW, "luck_share": share, "alt_curse": alt}


def evaluate_mean() -> float:
    """NDCG@10 of EASE by drawn targets."""
    split, models, _ = world()
    return float(evaluate(models["EASE"], split, k=10)["ndcg@10"].mean())


def draw_curse(numbers: Mapping):
    """Curves of `lucky`."""
    figure = curse_curves(SYSTEMS, lucky())
    figure.axes[0].set_ylabel("gain of the best")
    return legible(figure, 8.6, 3.2)


def texts() -> dict:
    """Four BLEU scores of texts that a reader would call alike."""
    chinese = "这是一部好电影"
    pairs = {
        "bleu_space": ("The ending is good .", "The ending is good.", {"tokenize": "none"}),
        "bleu_tokens": ("The ending is good .", "The ending is good.", {}),
        "bleu_short": ("good film", "a good film", {}),
        "bleu_same": (chinese, chinese, {}),
        "bleu_zh": (chinese, chinese, {"tokenize": "zh"}),
    }
    return {
        name: BLEU(**options).corpus_score([text], [[reference]]).score
        for name, (text, reference, options) in pairs.items()
    }


@cache
def card():
    """Accuracy and language of the recorded models, every seed with users of its own."""
    recorded = recorded_table("explanations.csv", keep_default_na=False)
    recorded["user"] += 100_000 * recorded["seed"]
    facts = catalogue_facts(load_dataset("world-movies"))
    ranking, writing = {}, {}
    for name, part in recorded.groupby("model", sort=False):
        users, said = part["user"].tolist(), part["hypothesis"].tolist()
        ranking[name] = part.set_index("user")[["ndcg@10"]]
        written = text_frame(said, part["reference"].tolist(), users)
        true = factual_frame(said, part["item"].tolist(), facts, users)
        writing[name] = pd.concat([written, true], axis=1)
    return scorecard(ranking, writing, "ndcg@10", ("rougeL", "factual_precision"), seed=0)


def sides() -> dict:
    """Who is closest to the users' words, and whose statements are true."""
    values = card().table["value"]
    closest, truest = (
        values.xs(side, level="metric").idxmax() for side in ("rougeL", "factual_precision")
    )
    both = card().both()
    words = "; ".join(
        f"{name} {values[name, 'ndcg@10']:.3f}, {values[name, 'rougeL']:.3f}" for name in both.index
    )
    return {
        "closest": closest,
        "closest_rouge": values[closest, "rougeL"],
        "closest_true": values[closest, "factual_precision"],
        "truest": truest,
        "truest_rouge": values[truest, "rougeL"],
        "truest_true": values[truest, "factual_precision"],
        "writers": len(both),
        "alt_sides": f"Models by NDCG@10 and ROUGE-L: {words}.",
    }


def draw_sides(numbers: Mapping):
    """Accuracy against overlap with the users' own words."""
    figure = pareto_picture(card().both(), "ndcg@10", "rougeL")
    figure.axes[0].set(xlabel="NDCG@10", ylabel="ROUGE-L")
    return legible(figure, 8.6, 3.3)


FIGURES = {
    "draws": draw_draws,
    "sampled": draw_sampled,
    "curse": draw_curse,
    "sides": draw_sides,
}
