"""``tutorial compare``: recommenders on one dataset, side by side with intervals and paired tests."""

from __future__ import annotations

from collections.abc import Sequence

from tutorial_lib.console import print_table
from tutorial_lib.errors import InputError, unknown_name

MODELS = ("Popularity", "TransitionKNN", "ItemKNN", "EASE", "SequenceRecommender", "Random", "Oracle")


def compare_models(names: Sequence[str], dataset: str, metric: str = "ndcg@10", *, seed: int = 0, core: int = 5) -> None:
    """Print mean and 95 % interval of each model, and the paired difference of each from the first.

    names: two or more of `MODELS`, in any case. dataset: a name for `load_dataset`; real data is cut to its ``core``-core, and on a
    planted world the exact ceiling (Oracle) joins the table. The split is leave-last-out.
    metric: ``ndcg@10``, ``hit@5``, ... (full ranking over the catalogue, seen items left out). seed: of the models and the intervals.
    """
    known = {model.lower(): model for model in MODELS}
    for name in names:
        if name.lower() not in known:
            raise unknown_name("model", name, MODELS)
    chosen = list(dict.fromkeys(known[name.lower()] for name in names))
    if len(chosen) < 2:
        raise InputError(f"compare needs two or more different models, as in: tutorial compare Popularity EASE; known: {', '.join(MODELS)}")
    cutoff = metric.rpartition("@")[2]
    if not cutoff.isdigit():
        raise InputError(f"metric {metric!r}: expected a name and a cut-off, such as ndcg@10 or hit@5")
    from tutorial_lib import models
    from tutorial_lib.data import leave_last_out, load_dataset
    from tutorial_lib.evaluation import compare, evaluate, mean_interval

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
    rows = []
    for name, frame in frames.items():
        row = [f"{name} (ceiling)" if name == "Oracle" else name, mean_interval(frame, metric, seed=seed)]
        if name != first:
            paired = compare(frame, frames[first], metric, seed=seed)
            low, high = paired.ci
            row += [f"{paired.difference:+.4f} [{low:+.4f}, {high:+.4f}]", f"{paired.p:.4f}", f"{paired.minimum_detectable_effect:.4f}"]
        rows.append([*row, *[""] * (5 - len(row))])
    print_table(("model", f"{metric}, 95 % interval", f"difference from {first}", "p", "detectable"), rows)
