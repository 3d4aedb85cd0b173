"""What the ``tutorial`` command takes, subcommand by subcommand."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping

import tutorial_lib
from tutorial_workshop.cli.arguments import (
    LARGEST_SEED,
    Parser,
    folder,
    labels,
    name,
    number,
    whole,
)

PROFILES = ("smoke", "quick", "full")
SEED = whole(0, LARGEST_SEED)
COUNT = whole(1, 1_000_000_000)
JOBS = whole(1, 1024)


def build_parser(
    actions: Mapping[str, Callable[[argparse.Namespace], int]],
) -> argparse.ArgumentParser:
    """The parser of the ``tutorial`` command. actions: subcommand -> what does its work."""
    parser = Parser(
        prog="tutorial",
        description=(
            "Language-modelling paradigms in recommender systems: notebooks, data and comparisons."
        ),
    )
    parser.add_argument(
        "--version", action="version", version=f"tutorial {tutorial_lib.__version__}"
    )
    parser.set_defaults(action=lambda args: parser.print_help() or 0)
    commands = parser.add_subparsers(metavar="COMMAND", parser_class=Parser)

    for which, (summary, add_arguments) in _commands().items():
        added = commands.add_parser(which, help=summary, description=summary)
        added.set_defaults(action=actions[which])
        add_arguments(added)
    return parser


def _commands() -> dict[str, tuple[str, Callable[[argparse.ArgumentParser], object]]]:
    """Every subcommand: what it does, and what adds its arguments."""
    return {
        "check": ("check the environment, with a fix for what is missing", _nothing),
        "datasets": ("list the datasets and where each one is", _nothing),
        "fetch": (
            "get a real dataset: from $TUTORIAL_DATA, the cache, or by download",
            lambda fetch: fetch.add_argument("name", metavar="NAME"),
        ),
        "run": ("execute notebooks; write them as HTML with a table of results", _add_run),
        "train": (
            (
                "train an item Transformer and save it; "
                "also under accelerate launch -m tutorial_lib train ..."
            ),
            _add_train,
        ),
        "pretrain": (
            "train one of the kit's own language models from nothing: kit-gpt, kit-bert or kit-t5",
            _add_pretrain,
        ),
        "compare": (
            "compare recommenders on one dataset, with intervals and paired tests",
            _add_compare,
        ),
        "grid": (
            (
                "run strategies and baselines over label budgets and seeds; "
                "goes on where a killed run stood"
            ),
            _add_grid,
        ),
        "audit": (
            "audit a recommender for harms, by margins declared beforehand; or the audit itself",
            _add_audit,
        ),
        "slides": ("say where the slides are", _nothing),
        "solutions": ("say where the solution notebooks are", _add_solutions),
    }


def _nothing(command: argparse.ArgumentParser) -> None:
    """A subcommand without arguments."""


def _add_solutions(solutions: argparse.ArgumentParser) -> None:
    solutions.add_argument(
        "--build",
        action="store_true",
        help="build exercises and solutions from notebooks/src first",
    )


def _add_pretrain(pretrain: argparse.ArgumentParser) -> None:
    pretrain.add_argument("name", metavar="NAME", help="kit-gpt, kit-bert or kit-t5")
    pretrain.add_argument(
        "--documents",
        type=COUNT,
        metavar="N",
        help="texts to read; default: the kit's recipe, up to an hour on two cores",
    )
    pretrain.add_argument("--seed", type=SEED, default=0)
    pretrain.add_argument("--out", metavar="DIR", type=folder, help="default: runs/NAME")
    pretrain.add_argument(
        "--ship",
        action="store_true",
        help="also replace the copy under data/checkpoints/ that ships with the kit",
    )


def _add_compare(compare: argparse.ArgumentParser) -> None:
    compare.add_argument(
        "names",
        metavar="MODEL",
        nargs="*",
        help="two or more; the first is what the others are compared with",
    )
    compare.add_argument("--dataset", metavar="NAME", default="world-movies")
    compare.add_argument("--metric", metavar="NAME@K", default="ndcg@10")
    compare.add_argument("--seed", type=SEED, default=0)


def _add_run(run: argparse.ArgumentParser) -> None:
    run.add_argument(
        "notebooks",
        metavar="NOTEBOOK",
        nargs="*",
        help="name, number or path; all notebooks if none is given",
    )
    run.add_argument(
        "--profile",
        choices=PROFILES,
        default="quick",
        help="smoke: seconds; quick: minutes (default); full: several seeds, full grids",
    )
    run.add_argument(
        "--dataset",
        metavar="NAME",
        help="see tutorial datasets; each notebook's own default if not given",
    )
    run.add_argument(
        "--lm", metavar="NAME", type=name, help="language model: a kit model, a Hub id or a folder"
    )
    run.add_argument("--seed", type=SEED)
    run.add_argument("--out", metavar="DIR", type=folder, help="default: runs/DATASET-PROFILE")
    run.add_argument(
        "--jobs",
        type=JOBS,
        metavar="N",
        default=1,
        help="notebooks at a time; each takes up to 1.5 GB (default 1)",
    )
    run.add_argument(
        "--solutions", action="store_true", help="the solution variants instead of the exercises"
    )
    run.add_argument("--notebooks-folder", metavar="DIR", type=folder, help=argparse.SUPPRESS)


def _add_train(train: argparse.ArgumentParser) -> None:
    train.add_argument("--dataset", metavar="NAME", default="world-movies")
    train.add_argument(
        "--objective",
        metavar="NAME",
        default="autoregressive",
        help="autoregressive (default), masked, permuted, ...",
    )
    for option, most in (
        ("width", 8192),
        ("layers", 128),
        ("heads", 1024),
        ("epochs", 100_000),
        ("length", 10_000),
    ):
        train.add_argument(
            f"--{option}",
            type=whole(1, most),
            metavar="N",
            help="default: that of SequenceRecommender",
        )
    train.add_argument(
        "--dropout", type=number(0, 1), metavar="SHARE", help="default: that of SequenceRecommender"
    )
    train.add_argument("--learning-rate", type=number(1e-12, 100), metavar="RATE")
    train.add_argument(
        "--refit",
        action="store_true",
        help="train on the validation items too, once all choices are made",
    )
    train.add_argument("--seed", type=SEED, default=0)
    train.add_argument(
        "--out",
        metavar="DIR",
        type=folder,
        help="default: runs/OBJECTIVE-DATASET; a run that was killed goes on from there",
    )


def _add_grid(grid: argparse.ArgumentParser) -> None:
    grid.add_argument(
        "strategies",
        metavar="STRATEGY",
        nargs="*",
        help="of adapt, and baselines; default: all that fit dataset and model",
    )
    grid.add_argument("--dataset", metavar="NAME", default="world-movies")
    grid.add_argument("--lm", metavar="NAME", type=name, default="kit-gpt")
    grid.add_argument(
        "--task",
        choices=("next", "like"),
        default="next",
        help="the next item, or liked against disliked ratings",
    )
    grid.add_argument(
        "--labels",
        metavar="N",
        nargs="+",
        type=labels,
        default=[0, 8, 16, 64, 256, "all"],
        help="labelled users; all: every user",
    )
    grid.add_argument("--seeds", type=SEED, metavar="N", nargs="+", default=[0, 1, 2, 3, 4])
    grid.add_argument("--users", type=COUNT, metavar="N", default=60, help="test users of a cell")
    grid.add_argument("--jobs", type=JOBS, metavar="N", default=1, help="processes")
    grid.add_argument(
        "--dask",
        metavar="ADDRESS",
        help="a Dask scheduler, tcp://HOST:PORT, or local: a cluster of --jobs processes here",
    )
    grid.add_argument(
        "--out", metavar="DIR", type=folder, help="default: runs/grid-DATASET-LM-TASK"
    )


def _add_audit(audit: argparse.ArgumentParser) -> None:
    audit.add_argument(
        "model",
        metavar="MODEL",
        nargs="?",
        help="a name that tutorial compare knows, a saved model's folder, or a .csv of lists",
    )
    audit.add_argument("--dataset", metavar="NAME", default="world-movies")
    audit.add_argument(
        "--split",
        metavar="NAME",
        help="leave-last-out, hold-out-N or random-N; default: hold-out-5 (saved: leave-last-out)",
    )
    audit.add_argument("--k", type=COUNT, metavar="N", default=10, help="length of the lists")
    audit.add_argument(
        "--attribute",
        metavar="NAME",
        nargs="+",
        action="extend",
        help="user columns to compare; default: all that can be",
    )
    audit.add_argument(
        "--margin",
        metavar="NAME=VALUE",
        nargs="+",
        action="extend",
        default=[],
        help="in place of a default margin",
    )
    audit.add_argument("--seed", type=SEED, default=0)
    _add_audit_output(audit)
    _add_audit_validation(audit)


def _add_audit_output(audit: argparse.ArgumentParser) -> None:
    audit.add_argument(
        "--out", metavar="DIR", type=folder, help="default: runs/audit-MODEL-DATASET"
    )
    audit.add_argument(
        "--export-ids",
        metavar="DIR",
        type=folder,
        help="write users.csv and items.csv: what the codes of a .csv of lists mean",
    )
    audit.add_argument(
        "--protocols",
        action="store_true",
        help="gaps under several protocols also for a model that is slow to fit",
    )


def _add_audit_validation(audit: argparse.ArgumentParser) -> None:
    audit.add_argument(
        "--validate",
        action="store_true",
        help="audit the audit: planted harms of known size, and worlds without any",
    )
    audit.add_argument(
        "--replications",
        type=COUNT,
        metavar="N",
        default=30,
        help="of --validate, about 1 s each (default 30)",
    )
    audit.add_argument("--jobs", type=JOBS, metavar="N", default=1, help="processes of --validate")
