"""``tutorial compare``: recommenders on one dataset, side by side with intervals and paired tests."""

from __future__ import annotations

from collections.abc import Sequence

from tutorial_lib.errors import InputError, unknown_name
from tutorial_workshop.cli.console import print_table

MODELS = (
    "Popularity",
    "TransitionKNN",
    "ItemKNN",
    "EASE",
    "SequenceRecommender",
    "Random",
    "Oracle",
)


def compare_models(
    names: Sequence[str], dataset: str, metric: str = "ndcg@10", *, seed: int = 0, core: int = 5
) -> None:
    """Print mean and 95 % interval of each model, and the paired difference of each from the first,
    with its p, its p adjusted by Holm's method for the number of tests, and what could be detected.

    names: two or more of `MODELS`, in any case. dataset: a name for `load_dataset`; real data is
        cut to its ``core``-core, and on a
    planted world the exact ceiling (Oracle) joins the table. The split is leave-last-out.
    metric: ``ndcg@10``, ``hit@5``, ... (full ranking over the catalogue, seen items left out).
        seed: of the models and the intervals.
    """
    known = {model.lower(): model for model in MODELS}
    for name in names:
        if name.lower() not in known:
            raise unknown_name("model", name, MODELS)
    chosen = list(dict.fromkeys(known[name.lower()] for name in names))
    if len(chosen) < 2:
        raise InputError(
            "compare needs two or more different models, as in: tutorial compare Popularity EASE;"
            f" known: {', '.join(MODELS)}"
        )
    cutoff = metric.rpartition("@")[2]
    if not (cutoff.isascii() and cutoff.isdigit() and len(cutoff) < 10 and int(cutoff)):
        raise InputError(
            f"metric {metric!r}: expected a name and a cut-off, such as ndcg@10 or hit@5"
        )
    from tutorial_lib import models
    from tutorial_lib.data import leave_last_out, load_dataset
    from tutorial_lib.evaluation import compare, evaluate, holm_comparisons, mean_interval
    from tutorial_lib.evaluation.estimates import p_text

    ds = load_dataset(dataset)
    if ds.truth is not None and "Oracle" not in chosen:
        chosen.append("Oracle")
    split = leave_last_out(ds if ds.truth is not None else ds.k_core(core))
    print(split)
    frames = {}
    for name in chosen:
        model = getattr(models, name)().fit(split, seed=seed, progress=False)
        frames[name] = evaluate(model, split, k=int(cutoff))
    first, *_ = frames
    tests = {
        name: compare(frame, frames[first], metric)
        for name, frame in frames.items()
        if name != first
    }
    adjusted, rows = holm_comparisons(tests), []
    for name, frame in frames.items():
        row = [f"{name} (ceiling)" if name == "Oracle" else name, mean_interval(frame, metric)]
        if name != first:
            found = adjusted.loc[name]
            row += [
                _difference(tests[name]),
                p_text(found["p"]),
                p_text(found["p_holm"]),
                f"{found['detectable']:.4f}",
            ]
        rows.append([*row, *[""] * (6 - len(row))])
    columns = (
        "model",
        f"{metric}, 95 % interval",
        f"difference from {first}",
        "p",
        "p (Holm)",
        "detectable",
    )
    print_table(columns, rows)
    n = int(adjusted["p"].notna().sum())
    print(
        f"p (Holm): adjusted for {n} test{'s' * (n != 1)}; detectable: seen in 80 % of repetitions"
        f" at .05{f' / {n}' * (n > 1)}."
    )


def _difference(found) -> str:
    low, high = found.ci
    interval = (
        f"[{low:+.4f}, {high:+.4f}]" if low == low else f"no interval: {found.note}"
    )  # nan is not itself
    return f"{found.difference:+.4f} {interval}"
