"""The causal item Transformer on MovieLens-100K: settings that were tried, and blends of three.

    python benchmarks/sequence_tuned.py tried
    python benchmarks/sequence_tuned.py blends
    python benchmarks/sequence_tuned.py test [--seeds 5]
    python benchmarks/sequence_tuned.py --write

Protocol as in sequence_models.py. Choices are made on more validation targets than one a user: the
five newest items before the test item, each predicted from all before it, by models fitted without
these five. A model is fitted once for a setting and seed; blends mix those fitted models.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from results_file import machine, markdown_table, write_section
from sequence_models import FIRST_SEED, fitted, keep, row, summary
from torch.optim.optimizer import register_optimizer_step_post_hook

from tutorial_lib.data import Split, leave_last_out, load_dataset
from tutorial_lib.data.shipped import clone_commit, ship
from tutorial_lib.evaluation import compare, evaluate, evaluate_scores
from tutorial_lib.models import EASE, Average, Blend, SequenceRecommender, TransitionKNN
from tutorial_lib.objectives import Autoregressive
from tutorial_lib.recommender import ScoreRecommender

RUNS = Path("runs/sequence")
NEWEST = 5  # validation targets a user


@dataclass(frozen=True)
class Altered(Autoregressive):
    """`Autoregressive` on altered histories, altered anew each time.

    Args:
        jitter: Items are sorted by their place plus a uniform number below this: half of the
            neighbours share a second, so their order means nothing.
        drop: Share of items that is left out.
    """

    jitter: float = 0.0
    drop: float = 0.0

    def corrupt(self, sequences, vocabulary, generator):
        noise = torch.rand(sequences.shape, generator=generator)
        key = torch.arange(sequences.shape[1]) + self.jitter * noise
        gone = sequences == vocabulary.pad
        if self.drop:
            gone |= torch.rand(sequences.shape, generator=generator) < self.drop
        order = key.masked_fill(gone, torch.inf).argsort(dim=1, stable=True)
        sequences = sequences.masked_fill(gone, vocabulary.pad).gather(1, order)
        return super().corrupt(sequences, vocabulary, generator)


AS_IT_WAS = {"epochs": 20, "dropout": 0.4}
TRIED: dict[str, tuple[Autoregressive, dict]] = {
    "as it was": (Autoregressive(), {}),
    "jitter=4": (Altered(jitter=4), {}),
    "drop=0.2": (Altered(drop=0.2), {}),
    "weight_decay=0.5": (Autoregressive(), {"weight_decay": 0.5}),
    "weight_decay=2": (Autoregressive(), {"weight_decay": 2.0}),
    "width=128, dropout=0.5, weight_decay=0.5": (
        Autoregressive(),
        {"width": 128, "dropout": 0.5, "weight_decay": 0.5},
    ),
}
AVERAGE, AVERAGED = 0.99, "weights averaged over steps, decay 0.99"
CHOSEN = "weight_decay=0.5"
DRAFT = "Fitted by a draft of this script, which kept no scores of the averaged weights."
BLENDS = ("causal + TransitionKNN", "causal + EASE", "causal + EASE + TransitionKNN")


def recommender(setting: str) -> SequenceRecommender:
    objective, options = TRIED[setting]
    return SequenceRecommender(objective, **{**AS_IT_WAS, **options})


def weights_averaged(model: SequenceRecommender, split: Split) -> SequenceRecommender:
    """Fitted, then given the moving average of its weights (Polyak & Juditsky 1992)."""
    averages: dict[torch.Tensor, torch.Tensor] = {}

    def follow(optimizer, *_):
        for group in optimizer.param_groups:
            for weights in group["params"]:
                average = averages.setdefault(weights, weights.detach().clone())
                average.lerp_(weights.detach(), 1 - AVERAGE)

    hook = register_optimizer_step_post_hook(follow)
    try:
        model.fit(split, progress=False)
    finally:
        hook.remove()
    with torch.no_grad():
        for weights, average in averages.items():
            weights.copy_(average)
    return model


class Logits(ScoreRecommender):
    """The logarithm of a blend's probabilities: it can be the main member of another."""

    def __init__(self, blend: Blend):
        self.blend = blend
        self.n_items = blend.n_items

    def score(self, histories, users=None) -> np.ndarray:
        return np.log(self.blend.score(histories, users=users) + 1e-12)


class Known(ScoreRecommender):
    """Scores that were computed before, of the histories that it is asked for."""

    def __init__(self, scores: np.ndarray):
        self.scores = scores.astype(np.float32)
        self.n_items = scores.shape[1]

    def score(self, histories, users=None) -> np.ndarray:
        assert len(histories) == len(self.scores)
        return self.scores


def data() -> Split:
    return leave_last_out(load_dataset("ml-100k", download=False).k_core(5))


def five_newest(split: Split) -> Split:
    """What choices are made on: ``train`` leaves out each user's `NEWEST` items, and each of these
    has a row in the validation histories and targets.
    """
    known = [np.concatenate(pair) for pair in zip(split.train, split.valid_target, strict=True)]
    places = [(items, len(items) - back) for back in range(1, NEWEST + 1) for items in known]
    return dataclasses.replace(
        split,
        train=[items[:-NEWEST] for items in known],
        valid_history=[items[:place] for items, place in places],
        valid_target=[items[place : place + 1] for items, place in places],
    )


def measured(model: str, scores: np.ndarray, split: Split, **recorded) -> dict:
    frame = evaluate_scores(scores, split.valid_target, split.valid_history, k=10)
    return row("ml-100k", model, 0, frame, "five newest", **recorded)


def differences(names: list[str]) -> list[str]:
    """NDCG@10 less that of the first setting, with its 95 % interval over users; "" where no
    scores were kept.
    """
    split = five_newest(data())
    frames = {}
    for name in names:
        path = RUNS / f"tuned-{name}.npy"
        if path.exists():
            scores = np.load(path).astype(np.float32)
            frame = evaluate_scores(scores, split.valid_target, split.valid_history, k=10)
            frame.index = pd.Index(np.tile(split.users, NEWEST), name="user")
            frames[name] = frame.groupby("user").mean()
    found = dict.fromkeys(names, "")
    for name in list(frames)[1:]:
        difference = compare(frames[name], frames[names[0]], "ndcg@10")
        low, high = difference.ci
        found[name] = f"{difference.difference:+.4f} [{low:.4f}, {high:.4f}]"
    return list(found.values())


def tried() -> None:
    """The single model, by setting; no setting sees a test target."""
    split = five_newest(data())
    fit_on = dataclasses.replace(split, valid_target=[])  # no choice of the best epoch
    path = RUNS / "tuned-tried.json"
    rows = json.loads(path.read_text()) if path.exists() else []
    for name in (*TRIED, AVERAGED):
        if name in {done["model"] for done in rows}:
            continue
        started, commit = time.process_time(), clone_commit(mark_changes=False)
        if name == AVERAGED:
            model = weights_averaged(recommender("as it was"), fit_on)
        else:
            model = recommender(name).fit(fit_on, progress=False)
        seconds = round(time.process_time() - started, 1)
        scores = model.score(split.valid_history)
        np.save(RUNS / f"tuned-{name}.npy", scores.astype(np.float16))
        rows.append(measured(name, scores, split, seconds=seconds, commit=commit))
        keep("tuned-tried", rows)


def blended(model, knn, ease, split: Split, how: dict | None = None) -> dict[str, Blend]:
    """Mixtures of fitted members; weights and powers as ``how`` says, else chosen on the split."""
    of = how or {name: () for name in BLENDS}
    two, taste, three = BLENDS
    blends = {
        two: Blend(model, knn, *of[two]).choose(split),
        taste: Blend(model, ease, *of[taste]).choose(split),
    }
    blends[three] = Blend(Logits(blends[taste]), knn, *of[three]).choose(split)
    return blends


def blends() -> None:
    """Weights, chosen with the scores of the chosen setting."""
    split = five_newest(data())
    model = Known(np.load(RUNS / f"tuned-{CHOSEN}.npy"))
    knn, ease = TransitionKNN().fit(split), EASE().fit(split)
    rows = []
    for name, blend in blended(model, knn, ease, split).items():
        how = {"weight": blend.chosen_weight, "power": blend.chosen_power}
        rows.append(measured(name, blend.score(split.valid_history), split, **how))
    keep("tuned-blends", rows)


def test(seeds: int) -> None:
    """Fitted once more on training and validation items; the only look at test targets."""
    split = data().merge_validation()
    kept = json.loads((RUNS / "tuned-blends.json").read_text())
    how = {chosen["model"]: (chosen["weight"], chosen["power"]) for chosen in kept}
    knn, ease = TransitionKNN().fit(split), EASE().fit(split)
    make = partial(recommender, CHOSEN)
    models = [fitted(f"ml-100k-{CHOSEN}", seed, make, split) for seed in range(seeds)]
    asked = [(f"causal, {CHOSEN}", seed, *model) for seed, model in enumerate(models)]
    as_called = partial(SequenceRecommender, "autoregressive")
    name = "defaults-autoregressive-split.merge_validation()"  # of sequence_models.py
    asked.append(("causal, defaults", FIRST_SEED, *fitted(name, FIRST_SEED, as_called, split)))
    if seeds > 1:
        average = Average([model for model, _ in models])
        asked.append(("mean of causal models", 0, average, {}))
    rows = []
    for name, seed, model, recorded in asked:
        both = {name: model}
        for blend, mixture in blended(model, knn, ease, split, how).items():
            both[blend.replace("causal", name)] = mixture
        for label, one in both.items():
            frame = evaluate(one, split, k=10)
            rows.append(row("ml-100k", label, seed, frame, "test", **recorded))
    keep("tuned-test", rows)


def write() -> None:
    parts = {
        name: pd.DataFrame(json.loads((RUNS / f"tuned-{name}.json").read_text()))
        for name in ("tried", "blends", "test")
    }
    table = pd.concat(parts.values())
    content = table.to_csv(index=False, compression=None, float_format="%.6f").encode()
    ship({"results/sequence-tuned.csv": content}, "python benchmarks/sequence_tuned.py --write")
    validation = parts["tried"][["model", "users", "hit@10", "ndcg@10", "seconds"]]
    validation = validation.rename(columns={"model": "setting", "users": "predictions"})
    validation["difference of ndcg@10"] = differences(list(validation["setting"]))
    mixed = parts["blends"][["model", "weight", "power", "hit@10", "ndcg@10"]]
    rounds = {"hit@10": 4, "ndcg@10": 4, "seconds": 0}
    tables = {
        "The single model by setting (width 64, dropout 0.4, 20 epochs where nothing else is said;"
        f" seed 0; processor seconds, other jobs beside), on the five newest. {DRAFT}": (
            validation.round(rounds)
        ),
        f"Blends of the setting {CHOSEN}, weights chosen on these same targets:": mixed.round(4),
        "Fitted once more on training + validation items, on test (± is half the 95 % t interval"
        " over seeds; seconds by the clock, the core shared):": summary(
            parts["test"], ["model"], ["hit@10", "ndcg@10"]
        ),
    }
    protocol = __doc__.split("\n\n")[2]
    about = f"{machine()} torch {torch.__version__}, one thread."
    body = "\n\n".join(f"{title}\n\n{markdown_table(rows)}" for title, rows in tables.items())
    script = "python benchmarks/sequence_tuned.py"
    seeds = parts["test"]["model"].eq(f"causal, {CHOSEN}").sum()
    steps = ("tried", "blends", f"test --seeds {seeds}", "--write")
    command = "; ".join(f"{script} {step}" for step in steps)
    title = "Item Transformers tuned on MovieLens-100K, and blends of three"
    write_section("sequence-tuned", title, command, f"{protocol}\n{about}\n\n{body}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("part", nargs="?", choices=("tried", "blends", "test"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.part == "tried":
        tried()
    elif given.part == "blends":
        blends()
    elif given.part == "test":
        test(given.seeds)
    if given.write:
        write()


if __name__ == "__main__":
    main()
