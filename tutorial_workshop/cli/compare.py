"""``tutorial compare``: recommenders side by side, with intervals and paired tests."""

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


COLUMNS = (
    "model",
    "{metric}, 95 % interval",
    "difference from {first}",
    "p",
    "p (Holm)",
    "detectable",
)


def compare_models(
    names: Sequence[str], dataset: str, metric: str = "ndcg@10", *, seed: int = 0, core: int = 5
) -> None:
    """Print each model's mean with its 95 % interval, and its paired difference from the first.

    Beside a difference stand its p, its p adjusted by Holm's method for the number of tests, and
    what could be detected. The split is leave-last-out, the ranking full, seen items left out.

    Args:
        names: two or more of `MODELS`, in any case.
        dataset: a name for `load_dataset`; real data is cut to its ``core``-core, and on a planted
            world the exact ceiling (Oracle) joins the table.
        metric: ``ndcg@10``, ``hit@5``, ...
        seed: of the models.
        core: interactions that each user and item of real data must have.
    """
    chosen = _models(names)
    cutoff = _cutoff(metric)
    from tutorial_lib import models
    from tutorial_lib.data import leave_last_out, load_dataset
    from tutorial_lib.evaluation import compare, evaluate

    ds = load_dataset(dataset)
    if ds.truth is not None and "Oracle" not in chosen:
        chosen.append("Oracle")
    split = leave_last_out(ds if ds.truth is not None else ds.k_core(core))
    print(split)
    frames = {}
    for name in chosen:
        model = getattr(models, name)().fit(split, seed=seed, progress=False)
        frames[name] = evaluate(model, split, k=cutoff)
    first, *others = frames
    tests = {name: compare(frames[name], frames[first], metric) for name in others}
    _print_results(frames, tests, metric)


def _models(names: Sequence[str]) -> list[str]:
    """The names as in `MODELS`, each once; InputError for unknown ones, or fewer than two."""
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
    return chosen


def _cutoff(metric: str) -> int:
    """The 10 of ndcg@10."""
    cutoff = metric.rpartition("@")[2]
    if not (cutoff.isascii() and cutoff.isdigit() and len(cutoff) < 10 and int(cutoff)):
        raise InputError(
            f"metric {metric!r}: expected a name and a cut-off, such as ndcg@10 or hit@5"
        )
    return int(cutoff)


def _print_results(frames: dict, tests: dict, metric: str) -> None:
    from tutorial_lib.evaluation import holm_comparisons, mean_interval, p_text

    adjusted = holm_comparisons(tests)
    rows = []
    for name, frame in frames.items():
        test = ["", "", "", ""]
        if name in tests:
            row = adjusted.loc[name]
            test = [_difference(tests[name]), p_text(row["p"]), p_text(row["p_holm"])]
            test.append(f"{row['detectable']:.4f}")
        label = f"{name} (ceiling)" if name == "Oracle" else name
        rows.append([label, mean_interval(frame, metric), *test])
    first = next(iter(frames))
    print_table([column.format(metric=metric, first=first) for column in COLUMNS], rows)
    n = int(adjusted["p"].notna().sum())
    print(
        f"p (Holm): adjusted for {n} test{'s' * (n != 1)}; detectable: seen in 80 % of repetitions"
        f" at .05{f' / {n}' * (n > 1)}."
    )


def _difference(comparison) -> str:
    low, high = comparison.ci
    interval = f"[{low:+.4f}, {high:+.4f}]"
    if low != low:  # nan is not itself
        interval = f"no interval: {comparison.note}"
    return f"{comparison.difference:+.4f} {interval}"
