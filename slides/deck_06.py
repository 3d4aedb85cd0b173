"""Deck 6, open challenges: what is not settled, each with the number that leaves it open."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import pandas as pd
from deck_02 import family
from deck_04 import three_systems
from deck_05 import sides
from drawing import legible
from records import COUNTS, MARGIN, grid, interval

from tutorial_lib.evaluation import compare, holm_comparisons
from tutorial_workshop.experiments import recorded_table
from tutorial_workshop.figures import joint_table, probe
from tutorial_workshop.figures.generative import kind_means
from tutorial_workshop.figures.real_model import interval_table
from tutorial_workshop.figures.transfer import DEALT, recorded_cells
from tutorial_workshop.page.plots import interval_bars

SCORERS = {
    "log p": "log-likelihood",
    "PMI": "what the history adds",
    "popularity": "popularity",
    "EASE": "EASE",
    "TransitionKNN": "Transition kNN",
}
COLD = 5  # an item with fewer interactions


def compute() -> dict[str, float | int | str]:
    """Every number and alt text by its name in the deck."""
    numbers = real_titles() | costs() | joint() | {"margin": MARGIN}
    numbers |= launches() | moved() | written_ids() | objectives()
    audited = three_systems()
    kept = ("audit_users", "ease_tests", "ease_undecided", "mde", "limit")
    numbers |= {name: audited[name] for name in kept}
    needed = audited["audit_users"] * (audited["mde"] / audited["limit"]) ** 2
    numbers["audit_needs"] = round(needed, -2)
    written = sides()
    return numbers | {
        name: written[name] for name in ("closest_true", "truest_true", "closest_rouge")
    }


@cache
def ranked() -> pd.DataFrame:
    """How often each scorer puts the next film above films of the same popularity."""
    frame = probe("reranking")
    groups = {text: frame.loc[frame["scorer"] == name, "auc"] for name, text in SCORERS.items()}
    return interval_table(groups)


def real_titles() -> dict:
    """SmolLM2 on MovieLens: where popularity cannot help, and on cold films."""
    frame = probe("reranking")
    numbers: dict = {"films_ranked": int(ranked()["n"].iloc[0]), "cold": COLD}
    keys = dict(zip(SCORERS.values(), ("logp", "pmi", "popular", "ease", "chain"), strict=True))
    for name, row in ranked().iterrows():
        numbers |= interval(keys[str(name)], row[["mean", "low", "high"]].to_numpy())
    cold = frame[(frame["count"] < COLD) & (frame["scorer"] == "PMI")]
    few = interval_table({"cold": cold["auc"]}).iloc[0]
    numbers |= interval("cold_pmi", few[["mean", "low", "high"]].to_numpy())
    numbers["cold_films"] = int(few["n"])
    of = {name: part.set_index("user")[["auc"]] for name, part in frame.groupby("scorer")}
    pair = {"ease": compare(of["EASE"], of["PMI"], "auc")}
    numbers["ease_pmi"] = holm_comparisons(pair, 0.02)["verdict"].iloc[0]
    numbers |= interval("ease_pmi_gap", pair["ease"])
    words = "; ".join(
        f"{n} {r['mean']:.3f} ({r.low:.3f} to {r.high:.3f})" for n, r in ranked().iterrows()
    )
    return numbers | {"alt_ranked": f"Share of pairs in the right order, by scorer: {words}."}


def draw_ranked(numbers: Mapping):
    """A real language model beside counters, where popularity cannot help."""
    of = ranked()
    ends = (of[name].tolist() for name in ("mean", "low", "high"))
    figure = interval_bars(
        of.index.tolist(),
        *ends,
        quantity="next film above equally popular ones",
        ceiling=(0.5, "chance"),
    )
    return legible(figure, 8.4, 3.3)


def costs() -> dict:
    """Processor milliseconds for one user's list, by a small language model and by EASE."""
    films = grid()
    tuned = films[films["labels"] == 64].groupby("strategy")["score_seconds"].mean()
    asked, counted = 1000 * tuned["full"], 1000 * tuned["ease"]
    times = asked / counted
    return {"lm_ms": asked, "ease_ms": counted, "times": round(times, -2)}


def joint() -> dict:
    """Six tasks at once against one: is a joint objective better, in two worlds?"""
    numbers: dict = {"joint_tests": len(COUNTS)}
    for key, world in (("films", "world-movies"), ("products", "world-products")):
        tests = family(world)
        mine = tests[tests["strategy"] == "multi-task"]
        for verdict in ("better", "equivalent", "worse"):
            numbers[f"joint_{key}_{verdict}"] = int((mine["verdict"] == verdict).sum())
    return numbers


def launches() -> dict:
    """New items of a planted world that come at the end: what text and counting earn on these."""
    recorded = recorded_table("transfer.csv.gz")
    systems = {"text": "text Transformer", "codes": "item Transformer", "counter": "EASE"}
    systems["best"] = "ceiling"
    numbers: dict = {}
    for key, system in systems.items():
        rows = recorded_cells(recorded, system, part="cold")
        numbers |= {f"new_{key}": rows["among new"].mean(), f"all_{key}": rows["ndcg@10"].mean()}
    return numbers


def moved() -> dict:
    """A text model from another domain, asked without any label here: where words mean the same,
    where none do, and with the texts dealt out.
    """
    recorded, system = recorded_table("transfer.csv.gz"), "text, from the source"
    cases = {"same": (system, 1.0), "other": (system, 0.0), "dealt": (system + DEALT, 1.0)}
    return {
        f"moved_{key}": recorded_cells(recorded, name, overlap=overlap)["ndcg@10"].mean()
        for key, (name, overlap) in cases.items()
    }


def written_ids() -> dict:
    """Writing a semantic ID beside scoring every item: NDCG@10, and milliseconds a list."""
    users, cells = recorded_table("generative-users.csv.gz"), recorded_table("generative.csv")
    world = "world-movies-cold"
    means = kind_means(users, world, ["all", "new"])
    written, scored = means.loc["IDs: semantic"], means.loc["item Transformer"]
    beam = cells[cells["world"] == world].groupby("model")["beam_milliseconds"].mean()
    runs = users[(users["world"] == world) & (users["model"] == "IDs: semantic")]
    numbers = {f"ids_{kind}": written[kind] for kind in means}
    numbers |= {f"scored_{kind}": scored[kind] for kind in means}
    return numbers | {
        "beam_ms": beam["IDs: semantic"],
        "library_ms": beam["generate of transformers"],
        "ids_seeds": int(runs["seed"].nunique()),
    }


def objectives() -> dict:
    """Objectives of one item Transformer joined with the auto-regressive one, against it alone."""
    found = joint_table(recorded_table("joint-objectives.csv.gz"), "AM", MARGIN)
    joined = found[found.index.str.startswith("AM + ")]
    counts = joined["verdict"].value_counts()
    numbers = {f"objectives_{v}": int(counts.get(v, 0)) for v in ("better", "equivalent", "worse")}
    numbers["objectives_tests"] = len(joined)
    times = joined["seconds"].mean() / found.loc["AM", "seconds"]
    return numbers | {"objectives_times": times}


FIGURES = {"ranked": draw_ranked}
