"""``tutorial train``: one item Transformer on one data set, in one process or in several."""

from __future__ import annotations

import os
from pathlib import Path

from tutorial_lib import data
from tutorial_workshop.cli.compare import five_core


def train_model(
    dataset: str,
    objective: str,
    out: Path,
    *,
    refit: bool = False,
    seed: int = 0,
    **options: float,
) -> None:
    """Train, report on test, save.

    Under ``accelerate launch`` only the first process prints and saves.

    Args:
        dataset: a name for `load_dataset`, split leave-last-out; real data is cut to its 5-core.
        objective: of `SequenceRecommender`.
        out: folder; a run that was killed goes on from its training.checkpoint.
        refit: validation items are trained on as well.
        seed: of the weights and batches.
        options: other arguments of `SequenceRecommender`.
    """
    from tutorial_lib.evaluation import evaluate, summarise
    from tutorial_lib.models import SequenceRecommender

    checkpoint = out / "training.checkpoint"
    model = SequenceRecommender(objective, checkpoint=checkpoint, **options)
    out.mkdir(parents=True, exist_ok=True)  # a place that cannot be written is reported now
    split = data.leave_last_out(five_core(data.load_dataset(dataset)))
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
