"""Training on one thread: beside RecTools, against matrix products, and on 16,859 games.

Run it in the peers' environment (see requirements-peers.txt); the parts do not depend on each other
and each writes its own section:

    export PYTHONPATH=.
    .venv-peers/bin/python benchmarks/training.py --part peers --epochs 30 --seeds 3 --write
    .venv-peers/bin/python benchmarks/training.py --part gemm --write
    .venv-peers/bin/python benchmarks/training.py --part games --write

Needs the original files: set TUTORIAL_DATA to the folder that holds ml-100k/ and amazon-games/.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import time
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from evaluation import THREADS
from results_file import machine, markdown_table, write_section

from tutorial_lib.data import leave_last_out, load_dataset
from tutorial_lib.evaluation import evaluate

ONE_THREAD = THREADS | {"OMP_WAIT_POLICY": "PASSIVE"}
GOAL_GEMM, GOAL_SECONDS, GOAL_MEGABYTES = 0.4, 600, 4096

# --- gemm ---


def product_rates() -> dict[int, float]:
    """n -> billions of float32 operations per second in n × n products, the best of several."""
    import torch

    rates = {}
    for n, times in ((1024, 15), (2048, 5)):
        a, b, best = torch.randn(n, n), torch.randn(n, n), np.inf
        for _ in range(times):
            start = time.perf_counter()
            torch.mm(a, b)
            best = min(best, time.perf_counter() - start)
        rates[n] = 2e-9 * n**3 / best
    return rates


def operations(run, n_items: int) -> np.ndarray:
    """Billions of useful operations of one epoch: linear layers, attention, scores of the items.

    A product of [m, k] and [k, n] has 2mkn, and its two gradients twice as many. No padding;
    attention at the pairs that a causal model sees, t (t + 1) / 2 of a sequence of t, although the
    kernel may compute more.
    """
    width, layers, expansion = (run.shape[name] for name in ("width", "layers", "expansion"))
    tokens, pairs, targets = (run.counted(what) for what in ("items", "pairs", "targets"))
    linear = 6 * layers * (4 + 2 * expansion) * width**2 * tokens
    attention = 3 * 2 * 2 * layers * width * pairs  # queries · keys, weights · values
    return 1e-9 * np.array([linear, attention, 6 * width * n_items * targets])


def gemm(options) -> str:
    from training_runs import EXPANSION, LENGTH, MATCHED, kit_run

    from tutorial_lib.objectives import Autoregressive

    split = leave_last_out(load_dataset("ml-100k", download=False).k_core(5))
    # trained for all epochs, not evaluated
    split = replace(split, valid_target=[target[:0] for target in split.valid_target])
    newest = replace(split, train=[history[-LENGTH:] for history in split.train])
    rates, rows = [product_rates()], []
    for width in (64, 128):
        matched = MATCHED | {"width": width, "expansion": EXPANSION["causal"]}
        own = {"width": width}
        for name, part, settings in (("defaults", split, own), ("matched", newest, matched)):
            run = kit_run(part, Autoregressive(), judge=False, epochs=5, **settings)
            rates.append(product_rates())
            counts = operations(run, split.dataset.n_items)
            rows.append((f"{name}, width {width}", run, counts))
            seconds = np.median(run.per_epoch())
            print(
                f"{name}, width {width}: {seconds:.2f} s an epoch, products {rates[-1]}", flush=True
            )
    best = {n: max(rate[n] for rate in rates) for n in rates[0]}
    return gemm_report(rows, best)


def gemm_report(rows: list[tuple], best: dict[int, float]) -> str:
    from training_runs import pace, seconds_text

    table, top = [], max(best.values())
    for name, run, counts in rows:
        rate, cpu = counts.sum() / pace([run])
        linear, attention, scores = (f"{count:,.0f}" for count in counts)
        table.append(
            {
                "configuration": f"causal, {name}",
                "tokens": f"{run.counted('items'):,.0f}",
                "padding": f"{1 - run.counted('items') / run.counted('padded'):.1%}",
                "linear": linear,
                "attention": attention,
                "scores": scores,
                "s an epoch": seconds_text([run]),
                "10⁹/s": f"{rate:.1f}",
                "share": f"{rate / top:.0%} ({cpu / top:.0%})",
            }
        )
    measured = ", ".join(f"{rate:.1f} ({n} × {n})" for n, rate in best.items())
    products = (
        f"Matrix products in float32 on one thread: {measured}, in 10⁹ operations per second,"
        " best of several before, between and after."
    )
    how = (
        "Linear, attention, scores: 10⁹ operations per epoch, forward and backward: 6 per weight"
        " and real token; 12 × width per layer and visible pair, t (t + 1) / 2 of a sequence of t;"
        " 6 × width × items per prediction. Padding, and what a kernel computes beyond the visible"
        " pairs, is not counted. Share: of the highest measured rate. Seconds: median of 4 epochs"
        " after a first one (processor time), least-most; everything is included. In brackets:"
        f" share in processor time. Goal: {GOAL_GEMM:.0%} or more."
    )
    return "\n\n".join([products, how, markdown_table(pd.DataFrame(table))])


# --- games ---


def peak_megabytes() -> float:
    """Peak memory of this process.

    A child's ru_maxrss begins with its parent's, so Linux's own count is read where there is one.
    """
    status = Path("/proc/self/status")
    if status.exists():
        kilobytes = re.search(r"^VmHWM:\s*(\d+)", status.read_text(), re.M)[1]
        return int(kilobytes) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def games_child(share: float, loss: str) -> None:
    """One epoch and one evaluation in this fresh process; prints a line of JSON."""
    import accelerate  # noqa: F401 (fit would import it, on the clock)
    import torch
    from training_runs import Clock

    from tutorial_lib import objectives
    from tutorial_lib.models.sequence_recommender import SequenceRecommender

    torch.set_num_threads(1)
    dataset = load_dataset("amazon-games", download=False)
    some = round(share * dataset.n_users)
    users = np.random.default_rng(0).choice(dataset.n_users, some, replace=False)
    split = leave_last_out(dataset.subset_users(users)).merge_validation()
    objective = objectives.Autoregressive(loss=getattr(objectives, loss)())
    model = SequenceRecommender(objective, epochs=1)
    clock = Clock()
    model.fit(split, progress=False)
    epoch = clock.now()
    frame = evaluate(model, split, k=10)
    measured = {
        "epoch": epoch.tolist(),
        "evaluation": (clock.now() - epoch).tolist(),
        "predictions": model.history[0].predictions,
        "users": len(frame),
        "megabytes": peak_megabytes(),
        "ndcg": frame["ndcg@10"].mean(),
        "items": dataset.n_items,
    }
    print(json.dumps(measured))


def games(options) -> str:
    rows, worst = [], {}
    for share in options.shares:
        for loss in ("Softmax", "SampledSoftmax"):
            command = [sys.executable, __file__, "--child", str(share), loss]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            found = json.loads(done.stdout.splitlines()[-1])
            print(share, loss, found, flush=True)
            epoch, epoch_cpu = found["epoch"]
            evaluation, evaluation_cpu = found["evaluation"]
            predictions, users, memory = (
                found[name] for name in ("predictions", "users", "megabytes")
            )
            worst[loss] = np.maximum(worst.get(loss, 0), (epoch + evaluation, memory))
            rows.append(
                {
                    "users": f"{share:.0%}",
                    "loss": loss,
                    "users tested": f"{users:,}",
                    "predictions an epoch": f"{predictions:,}",
                    "epoch s": f"{epoch:.1f} ({epoch_cpu:.1f})",
                    "evaluation s": f"{evaluation:.1f} ({evaluation_cpu:.1f})",
                    "µs a prediction": f"{1e6 * epoch / predictions:.0f}",
                    "µs a user tested": f"{1e6 * evaluation / users:.0f}",
                    "peak MB": f"{memory:,.0f}",
                    "test NDCG@10 after it": f"{found['ndcg']:.4f}",
                }
            )
    met = {loss: s <= GOAL_SECONDS and m <= GOAL_MEGABYTES for loss, (s, m) in worst.items()}
    how = (
        f"amazon-games, {found['items']:,} items, the kit's defaults, each line in a fresh process."
        " One epoch on all but the test items, then the full ranking of the whole catalogue for"
        " every user. Seconds: on the wall (processor time), preparation included, imports not."
        " Memory: the process's peak, with Python and torch."
    )
    goal = (
        f"Goal: an epoch and a full evaluation within {GOAL_SECONDS} s and {GOAL_MEGABYTES:,} MB: "
        + ", ".join(f"{loss} {'met' if ok else 'not met'}" for loss, ok in met.items())
    )
    return "\n\n".join([how, markdown_table(pd.DataFrame(rows)), goal])


# --- main ---


def peers(options) -> str:
    import training_peers

    return training_peers.peers(options)


PARTS = {
    "peers": (peers, "Training: beside RecTools"),
    "gemm": (gemm, "Training: share of the machine's matrix-product rate"),
    "games": (games, "Training: a large catalogue"),
}


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--part", choices=[*PARTS, "all"], default="all")
    add("--epochs", type=int, default=30, help="peers: epochs (default 30)")
    add("--every", type=int, default=2, help="peers: epochs between two evaluations (default 2)")
    add("--seeds", type=int, default=3, help="peers: seeds (default 3)")
    add("--defaults", action="store_true", help="peers: train the kit's own settings as well")
    add("--shares", type=float, nargs="+", default=[0.1, 0.3, 1.0], help="games: of the users")
    add("--write", action="store_true", help="replace the sections of RESULTS.md")
    add("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    warnings.filterwarnings("ignore")
    if options.child:
        return games_child(float(options.child[0]), options.child[1])
    for name in PARTS if options.part == "all" else [options.part]:
        part, title = PARTS[name]
        load, start = os.getloadavg()[0], time.perf_counter()
        if name != "games":  # whose children are kept small
            import torch

            torch.set_num_threads(1)
        body = part(options)
        command = f"PYTHONPATH=. .venv-peers/bin/python benchmarks/training.py --part {name}"
        if name == "games":
            command += f" --shares {' '.join(map(str, options.shares))}"
        if name == "peers":
            command += f" --epochs {options.epochs} --seeds {options.seeds} --every {options.every}"
        command += " --write"
        minutes = (time.perf_counter() - start) / 60
        how = f"One thread, load average {load:.1f} at the start, {minutes:.0f} minutes."
        body = f"{machine()} {how}\n\n{body}"
        print(f"\n{body}\n", flush=True)
        if options.write:
            write_section(f"training-{name}", title, command, body)


if __name__ == "__main__":
    if not ONE_THREAD.items() <= os.environ.items():  # numpy reads them when it starts
        again = [sys.executable, *sys.orig_argv[1:]]
        os.execve(sys.executable, again, {**os.environ, **ONE_THREAD})
    main(sys.argv[1:])
