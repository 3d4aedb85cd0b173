"""``tutorial compare``: recommenders on one dataset, with intervals and paired tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from tutorial_lib import data, models
from tutorial_lib.data import Dataset
from tutorial_lib.errors import InputError, check_number, unknown_name
from tutorial_workshop.cli.console import print_table

if TYPE_CHECKING:
    from tutorial_lib.evaluation import Comparison

MODELS = (
    *("Popularity", "TransitionKNN", "ItemKNN", "EASE"),
    *("SequenceRecommender", "Random", "Oracle"),
)


def known_model(name: str) -> str | None:
    """One of `MODELS`, whatever the case; None for any other name."""
    return next((model for model in MODELS if model.lower() == name.lower()), None)


def five_core(ds: Dataset) -> Dataset:
    """Data as it is compared: real data cut to its 5-core, a world as it is."""
    return ds if ds.truth is not None else ds.k_core(5)


def compare_models(
    names: Sequence[str],
    dataset: str,
    metric: str = "ndcg@10",
    *,
    seeds: Sequence[int] = (0,),
    margin: float = 0.01,
) -> None:
    """Print mean and 95 % interval of each model, and the paired difference of each from the first,
    with its p adjusted by Holm's method for the number of tests, what could be detected, and a
    verdict.

    Args:
        names: two or more of `MODELS`, in any case.
        dataset: a name for `load_dataset`, split leave-last-out; on a planted world the exact
            ceiling (Oracle) joins the table, and all are judged in expectation.
        metric: ``ndcg@10``, ``hit@5``, ... (full ranking over the catalogue, seen items left out).
        seeds: of the models; with several, differences must hold for other seeds too.
        margin: difference that does not matter, in the metric's unit.

    Raises:
        InputError: an unknown name, fewer than two models, no such metric, a margin of 0 or less.
    """
    chosen = _chosen(names)
    k = _cutoff(metric)
    check_number("compare", "(0, inf)", margin=margin)
    from tutorial_lib.evaluation import compare, evaluate, holm_comparisons, mean_interval
    from tutorial_lib.evaluation.estimates import p_text

    ds = five_core(data.load_dataset(dataset))
    if ds.truth is not None and "Oracle" not in chosen:
        chosen.append("Oracle")
    split = data.leave_last_out(ds)
    print(split)
    frames = {}
    for name in chosen:
        runs = [
            evaluate(
                getattr(models, name)().fit(split, seed=seed, progress=False),
                split,
                k=k,
                expected=ds.truth is not None,
            )
            for seed in dict.fromkeys(seeds)
        ]
        frames[name] = pd.concat(runs, keys=dict.fromkeys(seeds), names=["seed", "user"])
    print(runs[0].attrs["protocol"])
    first, *others = chosen
    tests = {name: compare(frames[name], frames[first], metric) for name in others}
    judged = holm_comparisons(tests, margin)
    means = {n: mean_interval(f.groupby("user").mean(), metric) for n, f in frames.items()}
    rows = [[first, means[first], *[""] * 4]]
    for name in others:
        test = judged.loc[name]
        label = f"{name} (ceiling)" if name == "Oracle" else name
        seen = (p_text(test["p_holm"]), f"{test['detectable']:.4f}", test["verdict"])
        rows.append([label, means[name], _difference(tests[name]), *seen])
    difference = f"difference from {first}"
    header = ("model", f"{metric}, 95 % interval", difference, "p (Holm)", "detectable", "verdict")
    print_table(header, rows)
    print(_explained(int(judged["p"].notna().sum()), margin, len(dict.fromkeys(seeds))))


def _explained(tests: int, margin: float, seeds: int) -> str:
    """What the last three columns mean."""
    over = f"users and {seeds} seeds" if seeds > 1 else "users, not over seeds"
    return (
        f"p (Holm): adjusted for {tests} test{'s' * (tests != 1)}, over {over}; detectable: seen in"
        f" 80 % of repetitions, after the adjustment; equivalent: within {margin:g} either way, by"
        " two one-sided tests, adjusted alike."
    )


def _chosen(names: Sequence[str]) -> list[str]:
    """Two or more of `MODELS`, each once."""
    chosen = []
    for given in names:
        name = known_model(given)
        if name is None:
            raise unknown_name("model", given, MODELS)
        if name not in chosen:
            chosen.append(name)
    if len(chosen) < 2:
        raise InputError(
            "compare needs two or more different models, as in: tutorial compare Popularity EASE;"
            f" known: {', '.join(MODELS)}"
        )
    return chosen


def _cutoff(metric: str) -> int:
    """The 10 of ndcg@10."""
    cutoff = metric.rpartition("@")[2]
    if not (cutoff.isascii() and cutoff.isdigit() and len(cutoff) < 10 and int(cutoff)):
        raise InputError(
            f"metric {metric!r}: expected a name and a cut-off, such as ndcg@10 or hit@5"
        )
    return int(cutoff)


def _difference(test: Comparison) -> str:
    low, high = test.ci
    interval = f"[{low:+.4f}, {high:+.4f}]"
    if low != low:  # nan is not itself
        interval = f"no interval: {test.note}"
    return f"{test.difference:+.4f} {interval}"
