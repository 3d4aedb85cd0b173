"""Training on one thread: beside RecTools, against the machine's matrix products, and on a
catalogue of 16,859 games.

Run it in the peers' environment (see requirements-peers.txt); the parts do not depend on each other
and each writes its own section:

    PYTHONPATH=. .venv-peers/bin/python benchmarks/training.py --part peers --epochs 30 --seeds 3
    --write PYTHONPATH=. .venv-peers/bin/python benchmarks/training.py --part gemm --write
    PYTHONPATH=. .venv-peers/bin/python benchmarks/training.py --part games --write

Needs the original files: set TUTORIAL_DATA to the folder that holds ml-100k/ and amazon-games/.
"""

from __future__ import annotations

import argparse
import json
import os
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

# --- gemm
# -------------------------------------------------------------------------------------------------------------------------------


def product_rates() -> dict[int, float]:
    """Billions of float32 operations a second in n × n matrix products, the best of several, for
    two sizes n.
    """
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
    """Billions of operations of one epoch in matrix products that are of use: linear layers,
    attention, scores of the items.

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
    split = replace(
        split, valid_target=[target[:0] for target in split.valid_target]
    )  # trained for all epochs, not evaluated
    newest = replace(split, train=[history[-LENGTH:] for history in split.train])
    rates, rows = [product_rates()], []
    for width in (64, 128):
        matched = MATCHED | {"width": width, "expansion": EXPANSION["causal"]}
        for name, part, settings in (
            ("defaults", split, {"width": width}),
            ("matched", newest, matched),
        ):
            run = kit_run(part, Autoregressive(), judge=False, epochs=5, **settings)
            rates.append(product_rates())
            counts = operations(run, split.dataset.n_items)
            rows.append((f"{name}, width {width}", run, counts))
            print(
                f"{name}, width {width}: {np.median(run.per_epoch()):.2f} s an epoch, products"
                f" {rates[-1]}",
                flush=True,
            )
    best = {n: max(rate[n] for rate in rates) for n in rates[0]}
    return gemm_report(rows, best)


def gemm_report(rows: list[tuple], best: dict[int, float]) -> str:
    from training_runs import pace, seconds_text

    table = []
    for name, run, counts in rows:
        rate, cpu = counts.sum() / pace([run])
        padding = 1 - run.counted("items") / run.counted("padded")
        cells = [
            f"{run.counted('items'):,.0f}",
            f"{padding:.1%}",
            *(f"{c:,.0f}" for c in counts),
            seconds_text([run]),
            f"{rate:.1f}",
        ]
        table.append(
            (
                f"causal, {name}",
                *cells,
                f"{rate / max(best.values()):.0%} ({cpu / max(best.values()):.0%})",
            )
        )
    columns = [
        "configuration",
        "tokens",
        "padding",
        "linear",
        "attention",
        "scores",
        "s an epoch",
        "10⁹/s",
        "share",
    ]
    measured = ", ".join(f"{rate:.1f} ({n} × {n})" for n, rate in best.items())
    return "\n\n".join(
        [
            (
                f"Matrix products in float32 on one thread: {measured}, in 10⁹ operations a second,"
                " best of several before, between and after."
            ),
            (
                "Linear, attention, scores: 10⁹ operations an epoch, forward and backward: 6 a"
                " weight and real token; 12 × width a layer and visible pair, t (t + 1) / 2 of a"
                " sequence of t; 6 × width × items a prediction. Padding, and what a kernel"
                " computes beyond the visible pairs, is not counted. Share: of the highest"
                " measured rate. Seconds: median of 4 epochs after a first one (processor time),"
                " least-most; everything is included. In brackets: share in processor time. Goal:"
                f" {GOAL_GEMM:.0%} or more."
            ),
            markdown_table(pd.DataFrame(table, columns=columns)),
        ]
    )


# --- games
# ------------------------------------------------------------------------------------------------------------------------------


def peak_megabytes() -> float:
    """Of this process. A child's ru_maxrss begins with its parent's, so Linux's own count is read
    where there is one.
    """
    status = Path("/proc/self/status")
    if status.exists():
        return (
            next(
                int(line.split()[1])
                for line in status.read_text().splitlines()
                if line.startswith("VmHWM")
            )
            / 1024
        )
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
    users = np.random.default_rng(0).choice(
        dataset.n_users, round(share * dataset.n_users), replace=False
    )
    split = leave_last_out(dataset.subset_users(users)).merge_validation()
    model = SequenceRecommender(
        objectives.Autoregressive(loss=getattr(objectives, loss)()), epochs=1
    )
    clock = Clock()
    model.fit(split, progress=False)
    epoch = clock.now()
    frame = evaluate(model, split, k=10)
    told = {
        "epoch": epoch.tolist(),
        "evaluation": (clock.now() - epoch).tolist(),
        "predictions": model.history[0].predictions,
        "users": len(frame),
    }
    print(
        json.dumps(
            told
            | {
                "megabytes": peak_megabytes(),
                "ndcg": frame["ndcg@10"].mean(),
                "items": dataset.n_items,
            }
        )
    )


def games(options) -> str:
    rows, worst = [], {}
    for share in options.shares:
        for loss in ("Softmax", "SampledSoftmax"):
            command = [sys.executable, __file__, "--child", str(share), loss]
            told = json.loads(
                subprocess.run(
                    command, stdout=subprocess.PIPE, text=True, check=True
                ).stdout.splitlines()[-1]
            )
            print(share, loss, told, flush=True)
            (epoch, epoch_cpu), (evaluation, evaluation_cpu), memory = (
                told[name] for name in ("epoch", "evaluation", "megabytes")
            )
            worst[loss] = np.maximum(worst.get(loss, 0), (epoch + evaluation, memory))
            seconds = f"{epoch:.1f} ({epoch_cpu:.1f})", f"{evaluation:.1f} ({evaluation_cpu:.1f})"
            cells = (f"{told['users']:,}", f"{told['predictions']:,}", *seconds)
            each = (
                f"{1e6 * epoch / told['predictions']:.0f}",
                f"{1e6 * evaluation / told['users']:.0f}",
            )
            rows.append(
                (f"{share:.0%}", loss, *cells, *each, f"{memory:,.0f}", f"{told['ndcg']:.4f}")
            )
    columns = [
        "users",
        "loss",
        "users tested",
        "predictions an epoch",
        "epoch s",
        "evaluation s",
        "µs a prediction",
        "µs a user tested",
    ]
    met = {loss: s <= GOAL_SECONDS and m <= GOAL_MEGABYTES for loss, (s, m) in worst.items()}
    return "\n\n".join(
        [
            (
                f"amazon-games, {told['items']:,} items, the kit's defaults, each line in a fresh"
                " process. One epoch on all but the test items, then the full ranking of the whole"
                " catalogue for every user. Seconds: on the wall (processor time), preparation"
                " included, imports not. Memory: the process's peak, with Python and torch."
            ),
            markdown_table(
                pd.DataFrame(rows, columns=[*columns, "peak MB", "test NDCG@10 after it"])
            ),
            f"Goal: an epoch and a full evaluation within {GOAL_SECONDS} s and {GOAL_MEGABYTES:,}"
            " MB: " + ", ".join(f"{loss} {'met' if ok else 'not met'}" for loss, ok in met.items()),
        ]
    )


# --- main
# -------------------------------------------------------------------------------------------------------------------------------


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
    parser.add_argument("--part", choices=[*PARTS, "all"], default="all")
    parser.add_argument("--epochs", type=int, default=30, help="of the peers part (default 30)")
    parser.add_argument(
        "--every",
        type=int,
        default=2,
        help="epochs between two evaluations in the peers part (default 2)",
    )
    parser.add_argument("--seeds", type=int, default=3, help="of the peers part (default 3)")
    parser.add_argument(
        "--defaults", action="store_true", help="the peers part also trains the kit's own settings"
    )
    parser.add_argument(
        "--shares",
        type=float,
        nargs="+",
        default=[0.1, 0.3, 1.0],
        help="of the users in the games part",
    )
    parser.add_argument("--write", action="store_true", help="replace the sections of RESULTS.md")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
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
        command += f" --shares {' '.join(map(str, options.shares))}" * (name == "games")
        command += (
            f" --epochs {options.epochs} --seeds {options.seeds} --every {options.every}"
            * (name == "peers")
            + " --write"
        )
        minutes = (time.perf_counter() - start) / 60
        body = (
            f"{machine()} One thread, load average {load:.1f} at the start, {minutes:.0f}"
            f" minutes.\n\n{body}"
        )
        print(f"\n{body}\n", flush=True)
        if options.write:
            write_section(f"training-{name}", title, command, body)


if __name__ == "__main__":
    if any(
        os.environ.get(name) != value for name, value in ONE_THREAD.items()
    ):  # must be set before numpy starts: start again
        os.execve(
            sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, **ONE_THREAD}
        )
    main(sys.argv[1:])
