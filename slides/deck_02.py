"""Deck 2, training strategies: what the kit found on prompts, fine-tuning and neither."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
from drawing import legible
from records import COUNTS, FAMILY_1, MARGIN, golden, goldens, grid, in_words, interval

from tutorial_lib.data import leave_last_out, load_dataset
from tutorial_lib.evaluation import compare, evaluate, holm_comparisons, mean_interval
from tutorial_lib.language import templates, verbaliser
from tutorial_lib.models import Oracle, Popularity, Random, load_language_model
from tutorial_lib.strategies import adapt
from tutorial_workshop.experiments import recorded_table
from tutorial_workshop.experiments.real_titles import by_wording
from tutorial_workshop.figures import (
    compared,
    crossing,
    family_tests,
    order_agreement,
    probe,
    seed_means,
    shares_of_calls,
    start_comparisons,
    task_comparisons,
)
from tutorial_workshop.figures.crossings import RESAMPLES, crossings
from tutorial_workshop.figures.labels import label_curves
from tutorial_workshop.figures.paired_tests import gains
from tutorial_workshop.figures.real_model import interval_table
from tutorial_workshop.figures.searches import LISTS, search_traces, values_of
from tutorial_workshop.page.plots import interval_bars

TESTED, DEALS = 48, 2  # users, and times that the titles are dealt out
CURVES = ("ease", "full", "soft-prompt", "item-transformer")
FLAT = ("zero-shot", "ceiling")
PASSES = (("ease", "zero-shot"), ("item-transformer", "zero-shot"), ("ease", "full"))
FROM_SCRATCH = ("from-scratch", "zero-shot")  # drawn, but in no sentence
AT = 64  # labelled users of the vote


def compute() -> dict[str, float | int | str]:
    """Every number and alt text by its name in the deck."""
    numbers: dict[str, float | int | str] = {"margin": MARGIN, "at": AT}
    numbers |= {"resamples": RESAMPLES, "most": COUNTS[-1]}
    numbers |= meaning() | curves() | verdicts() | worlds() | costs() | searches() | said()
    numbers |= goldens(wording_best="04.wording.best", patches="03.patches.share")
    numbers["wording_worst"] = golden("04.wording.best")["trivial"]
    return numbers


@cache
def known_before_labels() -> dict:
    """Mean and interval of NDCG@10, in expectation, of what needs no label, and of a counter."""
    dataset = load_dataset("world-movies")
    split, words = leave_last_out(dataset), verbaliser(dataset)
    tested = split.sample_targets(TESTED, seed=0)
    lm = load_language_model("kit-gpt")

    def judge(model):
        return evaluate(model, tested, k=10, expected=True)

    def asked(words):
        return judge(adapt(lm, split, "pre-train-only", labels=0, words=words, calibrate=0))

    def dealt_out(deal: int):
        order = np.random.default_rng([0, deal]).permutation(dataset.n_items)
        return asked(replace(words, titles=tuple(words.titles[i] for i in order)))

    frames = {
        "random": judge(Random().fit(split)),
        "titles dealt out": pd.concat([dealt_out(d) for d in range(DEALS)]).groupby("user").mean(),
        "popularity, all labels": judge(Popularity().fit(split)),
        "pre-trained, no label": asked(words),
        "ceiling": judge(Oracle().fit(split)),
    }
    return {name: mean_interval(frame, "ndcg@10") for name, frame in frames.items()}


def meaning() -> dict:
    """What is left of an untuned model when its titles are dealt out to other items."""
    found = known_before_labels()
    numbers: dict = {"meaning_users": TESTED, "meaning_deals": DEALS}
    for name, key in (
        ("pre-trained, no label", "untuned"),
        ("titles dealt out", "dealt"),
        ("popularity, all labels", "popular"),
        ("random", "chance"),
        ("ceiling", "known_ceiling"),
    ):
        numbers |= interval(key, found[name])
    words = "; ".join(
        f"{name} {i.mean:.3f} ({i.low:.3f} to {i.high:.3f})" for name, i in found.items()
    )
    return numbers | {"alt_meaning": f"Bars of NDCG@10 with 95 % intervals: {words}."}


def draw_meaning(numbers: Mapping):
    """Bars of `known_before_labels`."""
    found = known_before_labels()
    means, lows, highs = zip(*((i.mean, i.low, i.high) for i in found.values()), strict=True)
    names = [name.replace("dealt out", "dealt out, no label") for name in found]
    figure = interval_bars(
        names, means, lows, highs, quantity="NDCG@10, films", highlight="pre-trained, no label"
    )
    return legible(figure, 8.4, 3.2)


@cache
def lines() -> tuple[dict, dict]:
    """Curves over labelled users, and levels that need none."""
    films = grid()
    return (
        {name: seed_means(films, name) for name in CURVES},
        {name: seed_means(films, name)[0][1:] for name in FLAT},
    )


def curves() -> dict:
    """The learning curves in films, in words and one by one."""
    drawn, levels = lines()
    words = "; ".join(
        f"{name}: " + ", ".join(f"{mean:.3f} at {count:.0f}" for count, mean, *_ in rows)
        for name, rows in drawn.items()
    )
    flat = in_words({name: level[0] for name, level in levels.items()})
    numbers = {
        f"{name}_{count:.0f}".replace("-", "_"): mean
        for name, rows in drawn.items()
        for count, mean, *_ in rows
    }
    numbers |= {f"{name.replace('-', '_')}_level": level[0] for name, level in levels.items()}
    numbers |= {"seeds": int(grid()["seed"].nunique()), "users": int(grid()["user"].nunique())}
    alt = f"Test NDCG@10 over 16 to 1,000 labelled users. {words}. Without labels: {flat}."
    return numbers | {"alt_curves": alt}


def draw_curves(numbers: Mapping):
    """Learning curves of films."""
    figure = label_curves(*lines())
    figure.axes[0].legend(frameon=False, loc="upper left", ncols=2)
    return legible(figure, 8.4, 3.5)


@cache
def family(world: str = "world-movies") -> pd.DataFrame:
    """Family 1 of notebook 06: prompt strategies against full fine-tuning."""
    return family_tests(grid(world), FAMILY_1, COUNTS, MARGIN)


def verdict_words(rows: pd.DataFrame) -> str:
    """Gains and verdicts, for an alt text."""
    return "; ".join(
        f"{row.strategy} minus full at {row.labels}: {row.gain:+.3f}, {row.verdict}"
        for row in rows.itertuples()
    )


def verdicts() -> dict:
    """Who wins in films, and from how many labelled users on."""
    first, films = family(), grid()
    counts = first["verdict"].value_counts()
    numbers: dict = {"tests": len(first)}
    numbers |= {f"films_{name}": int(counts.get(name, 0)) for name in ("better", "worse")}
    numbers["films_equivalent"] = int(counts.get("equivalent", 0))
    lost = first[first["strategy"].isin(["zero-shot", "soft-prompt"])]
    numbers["prompts_behind"] = int((lost["verdict"] == "worse").sum())
    numbers["prompts_tests"] = len(lost)
    for name in ("zero-shot", "ease"):
        found = compared(films, "full", name, AT)
        numbers |= interval(f"full_{name.replace('-', '_')}", found)
        numbers[f"full_{name.replace('-', '_')}_verdict"] = found.verdict(MARGIN)
    for name, other in PASSES:
        found, key = crossing(films, name, other), f"{name}_{other}".replace("-", "_")
        numbers |= {f"{key}_cross": round(found.labels), f"{key}_from": round(found.low)}
        numbers |= {f"{key}_to": round(found.high)}
    numbers["alt_crossings"] = "Labelled users at which one passes the other: " + "; ".join(
        f"{name} passes {other} {crossing(films, name, other)}"
        for name, other in (*PASSES, FROM_SCRATCH)
    )
    numbers["alt_gains"] = f"Gain in NDCG@10 over labelled users. {verdict_words(shown(first))}."
    return numbers


def shown(rows: pd.DataFrame) -> pd.DataFrame:
    """The three strategies on the slide."""
    return rows[rows["strategy"].isin(["zero-shot", "soft-prompt", "prompt-and-lm"])]


def draw_gains(numbers: Mapping):
    """Three of the five prompt strategies against full fine-tuning, in films."""
    return legible(gains(shown(family()), MARGIN), 8.8, 3.3)


def draw_crossings(numbers: Mapping):
    """Crossing points with their intervals."""
    figure = crossings({pair: crossing(grid(), *pair) for pair in (*PASSES, FROM_SCRATCH)})
    return legible(figure, 8.8, 2.9)


@cache
def both_worlds() -> pd.DataFrame:
    """Family 1 in films and in products, side by side."""
    return family().merge(
        family("world-products"), on=["strategy", "labels"], suffixes=("", " there")
    )


def worlds() -> dict:
    """What becomes of the verdicts in a world whose behaviour the model has read about."""
    both = both_worlds()
    pairs = both[["verdict", "verdict there"]]
    decided = both[(pairs != "inconclusive").all(axis=1)]
    turned = both[(both["verdict"] == "worse") & (both["verdict there"] == "better")]
    lost = both[both["verdict"] == "worse"]["verdict there"].value_counts()
    there = grid("world-products")
    untuned, tuned = (
        there[(there["strategy"] == name) & there["labels"].isin([0, count])]["ndcg@10"].mean()
        for name, count in (("zero-shot", 0), ("full", COUNTS[0]))
    )
    return {
        "worlds_tests": len(both),
        "worlds_decided": len(decided),
        "worlds_turned": len(turned),
        "worlds_no_longer": int(lost.sum() - lost.get("worse", 0)),
        "worlds_still_worse": int(lost.get("worse", 0)),
        **worth(there),
        "products_zero_shot": float(untuned),
        "products_full_16": float(tuned),
        "alt_worlds": "Gain of prompts over full fine-tuning, films and products. Films: "
        + f"{verdict_words(two(family()))}. Products: "
        + f"{verdict_words(two(family('world-products')))}.",
    }


def worth(there: pd.DataFrame) -> dict:
    """How many people's histories a model over item codes needs where the asked one has read such
    behaviour.
    """
    found = crossing(there, "item-transformer", "zero-shot")
    ends = (found.labels, found.low, found.high)
    return {
        f"products_worth{end}": round(x) for end, x in zip(("", "_from", "_to"), ends, strict=True)
    }


def two(rows: pd.DataFrame) -> pd.DataFrame:
    """The two strategies of the slide on both worlds."""
    return rows[rows["strategy"].isin(["zero-shot", "soft-prompt"])]


def draw_worlds(numbers: Mapping):
    """The same tests in films and in products."""
    parts = []
    for world, name in (("world-movies", "films"), ("world-products", "products")):
        rows = two(family(world)).copy()
        rows["strategy"] = f"{name}: " + rows["strategy"]
        parts.append(rows)
    return legible(gains(pd.concat(parts), MARGIN), 8.8, 3.2)


def costs() -> dict:
    """What four strategies store and take, with 64 labelled users."""
    films, numbers = grid(), {}
    for name, labels in (
        ("zero-shot", 0),
        ("soft-prompt", AT),
        ("lora", AT),
        ("full", AT),
        ("ease", AT),
    ):
        rows = films[(films["strategy"] == name) & (films["labels"] == labels)]
        of_cell = rows.groupby("seed")[["trainable", "stored_bytes", "seconds"]].first().mean()
        key = name.replace("-", "_")
        numbers |= {f"{key}_moves": int(of_cell["trainable"]), f"{key}_s": of_cell["seconds"]}
        numbers |= {
            f"{key}_kb": of_cell["stored_bytes"] / 1000,
            f"{key}_at": rows["ndcg@10"].mean(),
        }
    return numbers


def searches() -> dict:
    """PAP-REC's four claims at this scale: see notebook 05."""
    recorded = recorded_table("automatic-prompts.csv.gz", dtype={"setting": str})
    shares = shares_of_calls(search_traces(recorded))
    tasks = holm_comparisons(task_comparisons(recorded), MARGIN)["verdict"]
    starts = holm_comparisons(start_comparisons(recorded), MARGIN)["verdict"]
    own, other = (values_of(recorded, "own", n, setting="5") for n in ("own", "shuffled"))
    personal = holm_comparisons({"own": compare(own, other, LISTS)}, MARGIN).iloc[0]
    numbers = goldens(rho="05.scores.spearman", promised="05.curse.promised")
    numbers |= {f"task_{i}": verdict for i, verdict in enumerate(tasks)}
    return numbers | {
        "searches_won": sum(np.isfinite(share) for share in shares),
        "searches_run": len(shares),
        "starts_better": int((starts == "better").sum()),
        "starts": len(starts),
        "tasks_better": int((tasks == "better").sum()),
        "tasks": len(tasks),
        "personal": personal["verdict"],
        "surrogates": surrogates(recorded),
    }


def said() -> dict:
    """What SmolLM2 says to one question in several wordings and forms: shares of yes on test users,
    and how well the form that does best tells likes from dislikes.
    """
    answers = probe("wordings")
    each = by_wording(answers[answers["part"] == "test"])
    yes = each.groupby("wording")["yes"].mean()
    forms = by_wording(probe("forms")).groupby("wording")
    ranks = interval_table({str(name): of["auc"].dropna() for name, of in forms})
    best = ranks.loc[ranks["mean"].idxmax(), ["mean", "low", "high"]]
    return interval("form_auc", best.to_numpy()) | {
        "forms": len(forms),
        "form_best": str(ranks["mean"].idxmax()),
        "form_chance": "chance is inside" if best["low"] < 0.5 < best["high"] else "beyond chance",
        "form_yes_least": forms["yes"].mean().min(),
        "form_yes_most": forms["yes"].mean().max(),
        "yes_least": yes.min(),
        "yes_most": yes.max(),
        "yes_truth": each["truth"].mean(),
        "yes_wordings": len(yes),
        "yes_users": int(each["user"].nunique()),
    }


def surrogates(recorded: pd.DataFrame) -> str:
    """The cheap measures that order prompts as NDCG@10 does, within both kinds of prompt."""
    measured = recorded[recorded["part"] == "surrogate"]
    written = measured["name"].isin({t.source for t in templates("sequential")})
    kinds = [measured[written], measured[~written]]
    measures = {"title loss": "loss of the title", "choice among six": "a choice among six"}
    measures["short answers"] = "short answers"
    good = [
        text
        for measure, text in measures.items()
        if all(order_agreement(kind, measure, "ndcg@10", draws=200)[1] > 0 for kind in kinds)
    ]
    return f"{len(good)} of {len(measures)}: {', '.join(good)}"


FIGURES = {
    "meaning": draw_meaning,
    "curves": draw_curves,
    "gains": draw_gains,
    "crossings": draw_crossings,
    "worlds": draw_worlds,
}
