"""``tutorial train``: one item Transformer on one data set, in one process or in several."""

from __future__ import annotations

import os
from pathlib import Path

from tutorial_lib.errors import check_seed, check_whole


def train_model(
    dataset: str,
    objective: str,
    out: Path,
    *,
    refit: bool = False,
    seed: int = 0,
    core: int = 5,
    **options,
) -> None:
    """Train, report on test, save to ``out``; a run that was killed goes on from
    ``out``/training.checkpoint.

    dataset: a name for `load_dataset`; real data is cut to its ``core``-core. The split is
        leave-last-out. refit: validation items are
    trained on as well. options: arguments of `SequenceRecommender`. Under ``accelerate launch``
    only the first process prints and saves.
    """
    from tutorial_lib.data import leave_last_out, load_dataset
    from tutorial_lib.evaluation import evaluate, summarise
    from tutorial_lib.models import SequenceRecommender

    check_seed("train", seed)
    check_whole("train", 1, core=core)
    checkpoint = Path(out) / "training.checkpoint"
    model = SequenceRecommender(objective, checkpoint=checkpoint, **options)
    Path(out).mkdir(
        parents=True, exist_ok=True
    )  # a place that cannot be written is told now, not after the training
    ds = load_dataset(dataset)
    split = leave_last_out(ds if ds.truth is not None else ds.k_core(core))
    split = split.merge_validation() if refit else split
    first = os.environ.get("RANK", "0") == "0"  # set by accelerate launch
    if first:
        print(split, flush=True)
    model.fit(split, seed=seed, progress=first)
    if not first:
        return
    model.save(out)
    checkpoint.unlink(missing_ok=True)
    frame = evaluate(model, split, k=10)
    print(frame.attrs["protocol"])
    print(summarise(frame, ["hit@10", "ndcg@10"]).to_string(float_format="{:.4f}".format))
    print(f"saved in {out}: SequenceRecommender.load({str(out)!r})")
