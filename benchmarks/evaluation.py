"""Speed of `evaluate` and `ranking_metrics` beside pytrec_eval, ranx, RecTools and recommenders.

Same lists, same numbers, one thread. Run it in the peers' environment (see requirements-peers.txt),
so that every ratio is measured in one process:

    PYTHONPATH=. .venv-peers/bin/python benchmarks/evaluation.py --write

``--alone`` leaves the peers out and runs anywhere, for the cost in terms of plain passes over the
matrix with today's numpy.

What is counted: each peer is timed twice. "ready": its own objects are built already (dicts,
Qrels/Run, data frames), only the metric runs. "from arrays": the peer starts from the same integer
arrays as the kit and builds what it needs. From a score matrix a peer also needs the top 10 (numpy
argpartition, timed once and added); the kit counts ranks in the matrix and needs no list.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from importlib.metadata import PackageNotFoundError, version

import numpy as np
import pandas as pd
from results_file import machine, write_section

from tutorial_lib.evaluation import evaluate_scores, ranking_metrics, target_ranks

SIZES = ((943, 1349), (6040, 3416))  # MovieLens-100K 5-core and MovieLens-1M: users, items
LIST_LENGTH, K = 100, 10
THREADS = {
    f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "NUMBA")
}
TREC = {"P.10", "recall.10", "success.10", "recip_rank", "map_cut.10", "ndcg_cut.10"}


def make_case(n_users: int, n_items: int, seed: int = 0) -> dict:
    """Seeded float32 scores and their top-100 lists; a fifth of the targets are in the top 10."""
    rng = np.random.default_rng(seed)
    scores = rng.standard_normal((n_users, n_items), dtype=np.float32)
    targets = rng.integers(0, n_items, n_users)
    scores[np.arange(n_users), targets] += 1.8
    lists = top(scores, LIST_LENGTH)
    five = [
        np.unique(np.append(rng.integers(0, n_items, 3), (target, items[20])))
        for target, items in zip(targets, lists, strict=True)
    ]
    return {
        "scores": scores,
        "targets": targets,
        "lists": lists,
        "one": [[int(t)] for t in targets],
        "several": [f.tolist() for f in five],
    }


def top(scores: np.ndarray, k: int) -> np.ndarray:
    best = np.argpartition(scores, -k, axis=1)[:, -k:]
    order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1)
    return np.take_along_axis(best, order, axis=1)


# --- peers: each function builds its objects from arrays; {task: callable giving mean NDCG@10} ---


def names_and_places(lists: np.ndarray, relevant: list[list[int]]) -> tuple[list, list]:
    """The name of every item, and a falling score for every place of a list."""
    n_items = int(max(lists.max(), max(map(max, relevant)))) + 1
    return [str(i) for i in range(n_items)], [float(-p) for p in range(lists.shape[1])]


def pytrec_eval_peer(lists: np.ndarray, relevant: list[list[int]]) -> dict[str, Callable]:
    import pytrec_eval

    names, places = names_and_places(lists, relevant)
    run = {
        str(u): dict(zip([names[i] for i in row], places, strict=True))
        for u, row in enumerate(lists.tolist())
    }
    qrels = {str(u): {names[i]: 1 for i in items} for u, items in enumerate(relevant)}
    one, many = (
        pytrec_eval.RelevanceEvaluator(qrels, measures) for measures in ({"ndcg_cut.10"}, TREC)
    )

    def mean(judge):
        return sum(row["ndcg_cut_10"] for row in judge.evaluate(run).values()) / len(qrels)

    return {"ndcg": lambda: mean(one), "all": lambda: mean(many)}


def ranx_peer(lists: np.ndarray, relevant: list[list[int]]) -> dict[str, Callable]:
    from ranx import Qrels, Run, evaluate

    names, places = names_and_places(lists, relevant)
    run = Run(
        {
            str(u): dict(zip([names[i] for i in row], places, strict=True))
            for u, row in enumerate(lists.tolist())
        }
    )
    qrels = Qrels({str(u): {names[i]: 1 for i in items} for u, items in enumerate(relevant)})
    metrics = ["precision@10", "recall@10", "hit_rate@10", "mrr@10", "map@10", "ndcg@10"]
    return {
        "ndcg": lambda: evaluate(qrels, run, "ndcg@10", threads=1),
        "all": lambda: evaluate(qrels, run, metrics, threads=1)["ndcg@10"],
    }


def rectools_peer(lists: np.ndarray, relevant: list[list[int]]) -> dict[str, Callable]:
    from rectools.metrics import MAP, MRR, NDCG, HitRate, Precision, Recall, calc_metrics

    n, length = lists.shape
    reco = pd.DataFrame(
        {
            "user_id": np.repeat(np.arange(n), length),
            "item_id": lists.ravel(),
            "rank": np.tile(np.arange(1, length + 1), n),
        }
    )
    sizes = [len(items) for items in relevant]
    truth = pd.DataFrame(
        {"user_id": np.repeat(np.arange(n), sizes), "item_id": np.concatenate(relevant)}
    )
    ndcg = NDCG(K, divide_by_achievable=True)
    metrics = {"p": Precision(K), "r": Recall(K), "h": HitRate(K)}
    metrics |= {"mrr": MRR(K), "map": MAP(K), "ndcg": ndcg}
    return {
        "ndcg": lambda: ndcg.calc(reco, truth),
        "all": lambda: calc_metrics(metrics, reco, interactions=truth)["ndcg"],
    }


def recommenders_peer(lists: np.ndarray, relevant: list[list[int]]) -> dict[str, Callable]:
    from recommenders.evaluation import python_evaluation as peer

    n, length = lists.shape
    pred = pd.DataFrame(
        {
            "userID": np.repeat(np.arange(n), length),
            "itemID": lists.ravel(),
            "prediction": np.tile(-np.arange(length, dtype=float), n),
        }
    )
    sizes = [len(items) for items in relevant]
    true = pd.DataFrame(
        {"userID": np.repeat(np.arange(n), sizes), "itemID": np.concatenate(relevant)}
    ).assign(rating=1.0)

    def all_metrics():  # it has no hit rate and no MRR
        for metric in (peer.precision_at_k, peer.recall_at_k, peer.map_at_k):
            metric(true, pred, k=K)
        return peer.ndcg_at_k(true, pred, k=K)

    return {"ndcg": lambda: peer.ndcg_at_k(true, pred, k=K), "all": all_metrics}


PEERS = {
    "pytrec_eval": (pytrec_eval_peer, "pytrec_eval-terrier"),
    "ranx": (ranx_peer, "ranx"),
    "RecTools": (rectools_peer, "rectools"),
    "recommenders": (recommenders_peer, "recommenders"),
}

# --- timing ---


def measure(tasks: dict[str, Callable], runs: int) -> dict[str, np.ndarray]:
    """Milliseconds of every run after one round of warm-up: [runs] per task.

    Tasks take turns, so that a disturbance hits all alike.
    """
    times = {name: [] for name in tasks}
    for turn in range(runs + 1):
        for name, task in tasks.items():
            gc.collect()
            start = time.perf_counter()
            task()
            if turn:
                times[name].append(1000 * (time.perf_counter() - start))
    return {name: np.array(values) for name, values in times.items()}


def ndcg_of_ranks(scores: np.ndarray, targets: np.ndarray) -> float:
    """Mean NDCG@10 from ranks; exact where nothing is tied, as here."""
    ranks = target_ranks(scores, targets)
    return float(np.where(ranks <= K, 1 / np.log2(ranks + 1), 0).mean())


def compare_case(
    case: dict, peers: dict, runs: int
) -> tuple[list[str], dict[str, np.ndarray], dict[str, float]]:
    """Lines on the agreement of NDCG@10, milliseconds by task, and the kit's NDCG@10."""
    scores, targets, lists = case["scores"], case["targets"], case["lists"]
    tasks = {
        "one pass": lambda: scores.max(axis=1),
        "matrix/kit ranks": lambda: ndcg_of_ranks(scores, targets),
        "matrix/kit": lambda: evaluate_scores(scores, targets, k=K)["ndcg@10"].mean(),
    }
    if peers:
        tasks["matrix/top 10"] = lambda: top(scores, K)
    agreement, own = [], {}

    def by_kit(relevant):
        return ranking_metrics(lists, relevant, k=K)["ndcg@10"].mean()

    def from_arrays(build, some, relevant):
        return build(some, relevant)["ndcg"]()

    for kind in ("one", "several"):
        relevant = case[kind]
        tasks[f"{kind}/kit"] = partial(by_kit, relevant)
        own[kind] = by_kit(relevant)
        for name, (build, _) in peers.items():
            ready = build(lists, relevant)
            tasks |= {f"{kind}/{name}/ready/{task}": call for task, call in ready.items()}
            tasks[f"{kind}/{name}/from arrays/ndcg"] = partial(from_arrays, build, lists, relevant)
            if kind == "one":
                heads = np.ascontiguousarray(lists[:, :K])
                tasks[f"matrix/{name}/ndcg"] = partial(from_arrays, build, heads, relevant)
            for task, call in ready.items():
                agreement.append(check(name, kind, task, call(), own[kind]))
    for name in ("matrix/kit ranks", "matrix/kit"):
        check(name, "one", "ndcg", tasks[name](), own["one"])
    return agreement, measure(tasks, runs), own


def check(name: str, kind: str, task: str, value: float, own: float) -> str:
    if abs(float(value) - own) > 1e-6:
        raise SystemExit(
            f"{name} gives NDCG@10 {value:.8f} ({kind} relevant, {task}), the kit {own:.8f}:"
            " timings of different numbers are worthless"
        )
    return f"{name} {kind} {task}: {float(value):.8f}"


# --- report ---


def text(times: np.ndarray) -> str:
    return f"{np.median(times):,.1f} ({times.min():,.1f}-{times.max():,.1f})"


def report_case(
    size: tuple[int, int], times: dict[str, np.ndarray], own: dict[str, float], peers: dict
) -> list[str]:
    half = {name: np.median(values) for name, values in times.items()}
    lines = [
        f"### {size[0]:,} users × {size[1]:,} items",
        "",
        "From the score matrix (float32), one target per user:",
        "",
        "| | ms: median (min-max) | × one pass | × the kit |",
        "|---|---|---|---|",
    ]
    rows = [
        ("one plain pass, `scores.max(axis=1)`", times["one pass"]),
        ("kit: `target_ranks`, NDCG@10", times["matrix/kit ranks"]),
        ("kit: `evaluate_scores`, seven metrics@10", times["matrix/kit"]),
    ]
    rows += [
        (f"{name}: top 10 by numpy, NDCG@10", times["matrix/top 10"] + times[f"matrix/{name}/ndcg"])
        for name in peers
    ]
    for name, values in rows:
        lines.append(
            f"| {name} | {text(values)} | {np.median(values) / half['one pass']:,.1f} |"
            f" {np.median(values) / half['matrix/kit']:,.1f} |"
        )
    lines += [
        "",
        f"From top-{LIST_LENGTH} lists (integer array); the kit computes all seven metrics:",
        "",
        "| relevant | | NDCG@10, ready | NDCG@10, from arrays | all metrics, ready "
        "| fastest peer route / kit |",
        "|---|---|---|---|---|---|",
    ]
    for kind, label in (("one", "1"), ("several", "about 5")):
        lines.append(f"| {label} | kit: `ranking_metrics` | | | {text(times[f'{kind}/kit'])} | |")
        for name in peers:
            cells = [
                times[f"{kind}/{name}/{start}/{task}"]
                for start, task in (("ready", "ndcg"), ("from arrays", "ndcg"), ("ready", "all"))
            ]
            ratio = min(np.median(cell) for cell in cells) / half[f"{kind}/kit"]
            lines.append(f"| {label} | {name} | {' | '.join(map(text, cells))} | {ratio:,.1f} × |")
    return [
        *lines,
        "",
        f"NDCG@10 {own['one']:.6f} with one relevant item and {own['several']:.6f} with several,"
        " the same in all rows to 1e-6.",
        "",
    ]


def installed(packages: list[str]) -> str:
    found = []
    for package in packages:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            raise SystemExit(
                f"{package} is not installed:"
                " see benchmarks/requirements-peers.txt, or run with --alone"
            ) from None
    return ", ".join(found)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    about_runs = "timed rounds after one warm-up (default 5)"
    parser.add_argument("--runs", type=int, default=5, help=about_runs)
    parser.add_argument("--alone", action="store_true", help="leave the peers out")
    parser.add_argument("--write", action="store_true", help="replace this section of RESULTS.md")
    options = parser.parse_args(arguments)
    warnings.filterwarnings("ignore")
    peers = {} if options.alone else PEERS
    versions = installed(["numpy", "pandas", "scipy", *(package for _, package in peers.values())])
    python = "python" if options.alone else ".venv-peers/bin/python"
    command = (
        f"PYTHONPATH=. {python} benchmarks/evaluation.py{' --alone' * options.alone}"
        f" --runs {options.runs} --write"
    )
    lines = [
        machine(),
        f"One thread, {options.runs} timed rounds after one warm-up,"
        f" load average {os.getloadavg()[0]:.1f} at the start.",
        versions + ".",
        "",
    ]
    if peers:
        lines += [*__doc__[__doc__.index("What is counted:") :].strip().split("\n"), ""]
    for size in SIZES:
        agreement, times, own = compare_case(make_case(*size), peers, options.runs)
        print(*agreement, sep="\n", file=sys.stderr)
        lines += report_case(size, times, own, peers)
    body = "\n".join(lines).rstrip()
    print(body)
    if options.write:
        if options.alone:
            write_section("evaluation-alone", "Evaluation: cost in passes", command, body)
        else:
            write_section("evaluation", "Evaluation: speed beside peers", command, body)


if __name__ == "__main__":
    if not THREADS.items() <= os.environ.items():  # numpy reads them when it starts: start again
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, **THREADS})
    main(sys.argv[1:])
