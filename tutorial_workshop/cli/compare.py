"""``tutorial compare``: recommenders on one dataset, with intervals and paired tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tutorial_lib import data, models
from tutorial_lib.data import Dataset
from tutorial_lib.errors import InputError, unknown_name
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
    names: Sequence[str], dataset: str, metric: str = "ndcg@10", *, seed: int = 0
) -> None:
    """Print mean and 95 % interval of each model, and the paired difference of each from the first,
    with its p, its p adjusted by Holm's method for the number of tests, and what could be detected.

    Args:
        names: two or more of `MODELS`, in any case.
        dataset: a name for `load_dataset`, split leave-last-out; on a planted world the exact
            ceiling (Oracle) joins the table.
        metric: ``ndcg@10``, ``hit@5``, ... (full ranking over the catalogue, seen items left out).
        seed: of the models and the intervals.

    Raises:
        InputError: an unknown name, fewer than two models, or no such metric.
    """
    chosen = _chosen(names)
    k = _cutoff(metric)
    from tutorial_lib.evaluation import compare, evaluate, holm_comparisons, mean_interval
    from tutorial_lib.evaluation.estimates import p_text

    ds = five_core(data.load_dataset(dataset))
    if ds.truth is not None and "Oracle" not in chosen:
        chosen.append("Oracle")
    split = data.leave_last_out(ds)
    print(split)
    frames = {}
    for name in chosen:
        model = getattr(models, name)().fit(split, seed=seed, progress=False)
        frames[name] = evaluate(model, split, k=k)
    first, *others = chosen
    tests = {name: compare(frames[name], frames[first], metric) for name in others}
    adjusted = holm_comparisons(tests)
    label = {name: f"{name} (ceiling)" if name == "Oracle" else name for name in chosen}
    rows = [[label[first], mean_interval(frames[first], metric), "", "", "", ""]]
    for name in others:
        test = adjusted.loc[name]
        row = [
            label[name],
            mean_interval(frames[name], metric),
            _difference(tests[name]),
            p_text(test["p"]),
            p_text(test["p_holm"]),
            f"{test['detectable']:.4f}",
        ]
        rows.append(row)
    interval = f"{metric}, 95 % interval"
    print_table(
        ("model", interval, f"difference from {first}", "p", "p (Holm)", "detectable"), rows
    )
    n = int(adjusted["p"].notna().sum())
    print(
        f"p (Holm): adjusted for {n} test{'s' * (n != 1)}; detectable: seen in 80 % of repetitions"
        f" at .05{f' / {n}' * (n > 1)}."
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
