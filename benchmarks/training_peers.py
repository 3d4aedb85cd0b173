"""The peers part of training.py: the kit's models beside RecTools' SASRec and BERT4Rec.

All run under the same clock and the same judge. The clock of a run starts before `fit` (preparing
the data counts, imports do not) and stands still during every evaluation.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from evaluation import installed
from results_file import markdown_table
from training_runs import EXPANSION, LENGTH, MATCHED, Clock, Run, kit_run, pace, seconds_text

from tutorial_lib.data import leave_last_out, load_dataset
from tutorial_lib.evaluation import evaluate, mean_interval
from tutorial_lib.models import SequenceRecommender
from tutorial_lib.objectives import Autoregressive, Masked
from tutorial_lib.training import Plan

FIGURE = Path(__file__).with_name("figures") / "training.svg"
RECTOOLS_SIZE = {  # n_heads: theirs, 4
    "n_factors": 64,
    "n_blocks": 2,
    "session_max_len": LENGTH,
    "batch_size": 64,
    "loss": "softmax",
}
PEERS = {"causal": "RecTools SASRec", "masked": "RecTools BERT4Rec"}
WHAT_AN_EPOCH_IS = f"""Full softmax, seen items filtered, full ranking. What an epoch covers:

- RecTools: the last {LENGTH} items of each user, padded to {LENGTH}, 64 users per batch; width 64,
  2 layers, 4 heads, dropout 0.2, Adam at a constant 0.001. SASRec predicts each item from those
  before it, BERT4Rec a random 15 %.
- kit, matched: the same last {LENGTH} items of each user, same width, layers, heads and
  feed-forward size; the kit's own objective (the masked one hides 20 % of half of the histories,
  and the last item of the other half), batches and learning rate, dropout 0.3.
- kit, defaults (only with --defaults): all training items, in windows of at most {Plan().length}
  (neighbouring windows may overlap), everything else as `SequenceRecommender` has it, and at most
  its own number of epochs (20, masked 40).

All are fitted on the same interactions (all but each user's last two), evaluated on validation
targets outside the clock, and judged once on test with the weights of the best validation NDCG@10.
Seconds an epoch: median on the wall (processor time), least-most."""

# --- RecTools ---


def rectools_dataset(histories, users):
    """RecTools' data set with exactly these interactions.

    The place in the history stands in for the time, so that the order stays.
    """
    from rectools.dataset import Dataset

    sizes = [len(history) for history in histories]
    place = np.concatenate([np.arange(size) for size in sizes])
    time_of = pd.to_datetime(place, unit="s")
    table = {
        "user_id": np.repeat(users, sizes),
        "item_id": np.concatenate(histories),
        "weight": 1.0,
        "datetime": time_of,
    }
    return Dataset.construct(pd.DataFrame(table))


class RecToolsScores:
    """A RecTools model for `evaluate`: its ten best unseen items get 10, 9, ... 1, others -inf.

    HR@10 and NDCG@10 are exact that way; other cut-offs would not be.
    """

    def __init__(self, model, n_items: int):
        self.model, self.n_items = model, n_items

    def score(self, histories, users) -> np.ndarray:
        known = self.model.is_fitted
        self.model.is_fitted = True  # it is asked between epochs too
        dataset = rectools_dataset(histories, users)
        listed = self.model.recommend(users, dataset=dataset, k=10, filter_viewed=True)
        self.model.is_fitted = known
        scores = np.full((len(users), self.n_items), -np.inf, dtype=np.float32)
        rows = pd.Index(users).get_indexer(listed["user_id"])
        scores[rows, listed["item_id"].to_numpy()] = 11 - listed["rank"].to_numpy()
        return scores


def rectools_run(
    name: str, split, *, epochs: int, every: int, seed: int = 0, tell=lambda *_: None
) -> Run:
    """Fit a RecTools model with its default trainer, watched by a callback.

    Like the kit, it is judged on test with the weights of its best validation NDCG@10.

    Args:
        name: "SASRecModel" or "BERT4RecModel".
    """
    import rectools.models
    from pytorch_lightning import seed_everything
    from pytorch_lightning.callbacks import LambdaCallback

    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    seed_everything(seed, verbose=False)
    model = getattr(rectools.models, name)(**RECTOOLS_SIZE, epochs=epochs)
    scores = RecToolsScores(model, split.dataset.n_items)
    run = Run()
    best = {"ndcg": -1.0}
    count = {"items": 0, "targets": 0}

    def batch_start(trainer, module, batch, number) -> None:
        count["items"] += int((batch["x"] != 0).sum())
        count["targets"] += int((batch["y"] != 0).sum())

    def epoch_end(trainer, module) -> None:
        run.seconds.append(clock.now())
        run.counts.append(dict(count))
        count.update(items=0, targets=0)
        if len(run.seconds) % every and len(run.seconds) < epochs:
            return
        with clock.pause(), torch.random.fork_rng():
            ndcg = float(evaluate(scores, split, k=10, on="valid")["ndcg@10"].mean())
            if ndcg > best["ndcg"]:
                best.update(ndcg=ndcg, weights=copy.deepcopy(module.torch_model.state_dict()))
            module.train()
        run.curve.append((len(run.seconds), run.seconds[-1][0], ndcg))
        tell(*run.curve[-1])

    watch = LambdaCallback(on_train_batch_start=batch_start, on_train_epoch_end=epoch_end)
    model._trainer.callbacks.append(watch)
    clock = Clock()
    model.fit(rectools_dataset(split.train, split.users))
    model.torch_model.load_state_dict(best["weights"])
    run.test = evaluate(scores, split, k=10)
    return run


# --- both ---


OBJECTIVES = {"causal": Autoregressive(), "masked": Masked(ratio=0.2, last=0.5)}


def contestants(split, epochs: int, every: int, defaults: bool = False) -> dict[str, Callable]:
    """name -> function of ``seed`` and ``tell``, a listener, that trains and gives a `Run`.

    Args:
        defaults: the kit's own settings as well.
    """
    newest = replace(split, train=[history[-LENGTH:] for history in split.train])
    found = {}
    for kind, peer in PEERS.items():
        size = {"epochs": epochs, "every": every}
        found[peer] = partial(rectools_run, f"{peer.split()[1]}Model", split, **size)
        objective, size = OBJECTIVES[kind], {"epochs": epochs, "expansion": EXPANSION[kind]}
        matched = MATCHED | size | {"dropout": 0.3, "evaluate_every": every}
        found[f"kit {kind}, matched"] = partial(kit_run, newest, objective, **matched)
        if defaults:
            usual = SequenceRecommender(objective)
            size = {"epochs": min(epochs, usual.plan.epochs), "dropout": usual.shape["dropout"]}
            own = partial(kit_run, split, objective, **size, evaluate_every=every)
            found[f"kit {kind}, defaults"] = own
    return found


def say(epoch: int, seconds: float, ndcg: float) -> None:
    print(f"  epoch {epoch}: {seconds:.1f} s, NDCG@10 {ndcg:.4f}", flush=True)


def train_all(epochs: int, every: int, seeds: int, defaults: bool) -> dict[str, list]:
    """Runs of each contestant, one per seed; they take turns, so that a disturbance hits all alike.

    Tiny runs come first, for the imports.
    """
    dataset = load_dataset("ml-100k", download=False).k_core(5)
    for start in contestants(leave_last_out(dataset.subset_users(range(60))), 1, 1).values():
        start(seed=0)
    runs = {}
    for seed in range(seeds):
        for name, start in contestants(leave_last_out(dataset), epochs, every, defaults).items():
            print(f"{name}, seed {seed}", flush=True)
            run = start(seed=seed, tell=say)
            seconds, ndcg = np.median(run.per_epoch()), run.test["ndcg@10"].mean()
            print(f"  {seconds:.2f} s an epoch, test NDCG@10 {ndcg:.4f}", flush=True)
            runs.setdefault(name, []).append(run)
    return runs


def mean_curve(runs: list) -> pd.DataFrame:
    """Means over seeds at each evaluated epoch: seconds, ndcg, and the standard error of ndcg."""
    curves = [pd.DataFrame(run.curve, columns=["epoch", "seconds", "ndcg"]) for run in runs]
    table = pd.concat(curves).groupby("epoch")
    curve = table[["seconds", "ndcg"]].mean()
    return curve.assign(error=(table["ndcg"].std() / np.sqrt(len(runs))).fillna(0.0))


def quality(runs: list, metric: str) -> str:
    """Mean over seeds ± its standard error, and the bootstrap interval over users' means."""
    means = [run.test[metric].mean() for run in runs]
    error = f" ± {np.std(means, ddof=1) / np.sqrt(len(means)):.4f}" if len(means) > 1 else ""
    users = mean_interval(sum(run.test[[metric]] for run in runs) / len(runs), metric)
    return f"{users.mean:.4f}{error} [{users.low:.4f}, {users.high:.4f}]"


def peer_of(name: str) -> str:
    if name in PEERS.values():
        return name
    return next(peer for kind, peer in PEERS.items() if f" {kind}," in name)


def to_target(runs: dict[str, list], name: str) -> str:
    """Seconds until the mean validation NDCG@10 is the best of the RecTools peer, and the gain."""
    peer = mean_curve(runs[peer_of(name)])
    target = peer["ndcg"].max()
    reached = [curve[curve["ndcg"] >= target] for curve in (mean_curve(runs[name]), peer)]
    if not len(reached[0]):
        return "not reached"
    own, theirs = (curve["seconds"].iloc[0] for curve in reached)
    return f"{own:.1f} (epoch {reached[0].index[0]}): {theirs / own:.1f} ×"


def table(runs: dict[str, list]) -> pd.DataFrame:
    rows = []
    for name, own in runs.items():
        wall, cpu = pace(runs[peer_of(name)]) / pace(own)
        items = np.mean([run.counted("items") for run in own])
        targets = np.mean([run.counted("targets") for run in own])
        rows.append(
            {
                "model": name,
                "epochs": len(own[0].seconds),
                "items an epoch": f"{items:,.0f}",
                "targets an epoch": f"{targets:,.0f}",
                "s an epoch": seconds_text(own),
                "epoch: gain": f"{wall:.1f} × ({cpu:.1f} ×)",
                "targets a s": f"{targets / pace(own)[0]:,.0f}",
                "s to RecTools' best: gain": to_target(runs, name),
                "test HR@10": quality(own, "hit@10"),
                "test NDCG@10": quality(own, "ndcg@10"),
            }
        )
    return pd.DataFrame(rows)


def draw(runs: dict[str, list]) -> None:
    import matplotlib.pyplot as plt

    from tutorial_workshop.page.plots import LINE_STYLES, MARKERS, OKABE_ITO, label_axes, use_style

    use_style()
    plt.rcParams["svg.hashsalt"] = "training"
    fig, ax = plt.subplots(figsize=(7.5, 4.2))
    looks = zip(OKABE_ITO.values(), LINE_STYLES, MARKERS, strict=False)
    for name, (colour, style, marker) in zip(runs, looks, strict=False):
        curve = mean_curve(runs[name])
        x, y, error = (curve[column] for column in ("seconds", "ndcg", "error"))
        ax.plot(x, y, color=colour, linestyle=style, marker=marker, label=name)
        ax.fill_between(x, y - error, y + error, color=colour, alpha=0.2)
    ax.set_xscale("log")
    time_label = "training time on one thread"
    label_axes(ax, time_label, "validation NDCG@10", x_unit="seconds, logarithmic")
    fig.legend(loc="outside lower center", ncols=2, frameon=False)
    FIGURE.parent.mkdir(exist_ok=True)
    fig.savefig(FIGURE, metadata={"Date": None})


def peers(options) -> str:
    packages = ["numpy", "pandas", "torch", "accelerate", "rectools", "pytorch-lightning"]
    versions = installed(packages)
    runs = train_all(options.epochs, options.every, options.seeds, options.defaults)
    if options.write:
        draw(runs)
    shapes = "; ".join(f"{name}: {own[0].shape}" for name, own in runs.items() if own[0].shape)
    curves = {name: mean_curve(own)["ndcg"] for name, own in runs.items()}
    ends = "; ".join(
        f"{name} {curve.max():.4f}, {curve.iloc[-1]:.4f}" for name, curve in curves.items()
    )
    gain = (
        "Gain: how many times less than the RecTools model of the same kind. RecTools' best: its"
        " best validation NDCG@10 at any evaluated epoch, mean over seeds; the first evaluation"
        " that reaches it counts. HR and NDCG: mean over seeds ± standard error; in brackets the"
        " 95 % bootstrap interval over users."
    )
    alt = (
        "Validation NDCG@10 over training seconds, one line per model, bands of one standard error"
        " over seeds"
    )
    parts = [
        f"{versions}. Seeds: {options.seeds}; an evaluation every {options.every} epochs.",
        WHAT_AN_EPOCH_IS,
        markdown_table(table(runs)),
        gain,
        f"Validation NDCG@10, mean over seeds, best and last: {ends}.",
        f"Shapes: {shapes}.",
        f"![{alt}](figures/{FIGURE.name})",
    ]
    return "\n\n".join(parts)
