"""The ``tutorial`` command. A wrong argument ends with one clear line and exit status 2, never a traceback."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import tutorial_lib
from tutorial_lib.errors import InputError, unknown_name

PROFILES = ("smoke", "quick", "full")


class _Parser(argparse.ArgumentParser):
    """Says what was wrong in one line, without the usage text before it."""

    def error(self, message: str):
        self.exit(2, f"{self.prog}: {' '.join(message.split())} (see {self.prog} --help)\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status: 0 done, 1 a check or a notebook failed, 2 wrong input, 130 interrupted."""
    # a shell that starts a job in the background makes it deaf to Ctrl-C; a notebook run must always be stoppable
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.default_int_handler)
    try:
        args = _parser().parse_args(argv)
        return args.action(args)
    except InputError as error:
        return _complain(str(error), 2)
    except KeyboardInterrupt:
        return _complain("interrupted: nothing half-written was left behind", 130)
    except BrokenPipeError:  # the reader, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except ModuleNotFoundError as error:
        return _complain(f"package {error.name} is missing: pip install 'tutorial-lib[lab]', or make lab in a clone", 2)
    except OSError as error:
        return _complain(f"{error.strerror or error}: {error.filename or ''}".rstrip(": "), 2)


def _complain(message: str, status: int) -> int:
    print(f"tutorial: {message}", file=sys.stderr)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="tutorial", description="Language-modelling paradigms in recommender systems: notebooks, data and comparisons.")
    parser.add_argument("--version", action="version", version=f"tutorial {tutorial_lib.__version__}")
    parser.set_defaults(action=lambda args: parser.print_help() or 0)
    commands = parser.add_subparsers(metavar="COMMAND", parser_class=_Parser)

    def command(name: str, action, summary: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=summary, description=summary)
        added.set_defaults(action=action)
        return added

    command("check", _check, "check the environment, with a fix for what is missing")
    command("datasets", _datasets, "list the datasets and where each one is")
    fetch = command("fetch", _fetch, "get a real dataset: from $TUTORIAL_DATA, the cache, or by download")
    fetch.add_argument("name", metavar="NAME")
    _add_run(command("run", _run, "execute notebooks; write them as HTML with a table of results"))
    _add_train(command("train", _train, "train an item Transformer and save it; also under accelerate launch -m tutorial_lib train ..."))
    pretrain = command("pretrain", _pretrain, "train one of the kit's own language models from nothing: kit-gpt, kit-bert or kit-t5")
    pretrain.add_argument("name", metavar="NAME", help="kit-gpt, kit-bert or kit-t5")
    pretrain.add_argument("--documents", type=int, metavar="N", help="texts to read; default: the kit's recipe, up to an hour on two cores")
    pretrain.add_argument("--seed", type=int, default=0)
    pretrain.add_argument("--out", metavar="DIR", type=Path, help="default: runs/NAME")
    pretrain.add_argument("--ship", action="store_true", help="also replace the copy under data/checkpoints/ that ships with the kit")
    compare = command("compare", _compare, "compare recommenders on one dataset, with intervals and paired tests")
    compare.add_argument("names", metavar="MODEL", nargs="*", help="two or more; the first is what the others are compared with")
    compare.add_argument("--dataset", metavar="NAME", default="world-movies")
    compare.add_argument("--metric", metavar="NAME@K", default="ndcg@10")
    compare.add_argument("--seed", type=int, default=0)
    _add_grid(command("grid", _grid, "run strategies and baselines over label budgets and seeds; goes on where a killed run stood"))
    _add_audit(command("audit", _audit, "audit a recommender for harms, by margins declared beforehand; or the audit itself"))
    command("slides", _slides, "say where the slides are")
    solutions = command("solutions", _solutions, "say where the solution notebooks are")
    solutions.add_argument("--build", action="store_true", help="build exercises and solutions from notebooks/src first")
    return parser


def _add_run(run: argparse.ArgumentParser) -> None:
    run.add_argument("notebooks", metavar="NOTEBOOK", nargs="*", help="name, number or path; all notebooks if none is given")
    run.add_argument(
        "--profile", choices=PROFILES, default="quick", help="smoke: seconds; quick: minutes (default); full: several seeds, full grids"
    )
    run.add_argument("--dataset", metavar="NAME", help="see tutorial datasets; each notebook's own default if not given")
    run.add_argument("--lm", metavar="NAME", help="language model: a kit model, a Hub id or a folder")
    run.add_argument("--seed", type=int)
    run.add_argument("--out", metavar="DIR", type=Path, help="default: runs/DATASET-PROFILE")
    run.add_argument("--solutions", action="store_true", help="the solution variants instead of the exercises")
    run.add_argument("--notebooks-folder", metavar="DIR", type=Path, help=argparse.SUPPRESS)


def _add_train(train: argparse.ArgumentParser) -> None:
    train.add_argument("--dataset", metavar="NAME", default="world-movies")
    train.add_argument("--objective", metavar="NAME", default="autoregressive", help="autoregressive (default), masked, permuted, ...")
    for name, kind in (("width", int), ("layers", int), ("heads", int), ("dropout", float), ("epochs", int), ("length", int)):
        train.add_argument(f"--{name}", type=kind, metavar="N", help="default: that of SequenceRecommender")
    train.add_argument("--learning-rate", type=float, metavar="RATE")
    train.add_argument("--refit", action="store_true", help="train on the validation items too, once all choices are made")
    train.add_argument("--seed", type=int, default=0)
    train.add_argument("--out", metavar="DIR", type=Path, help="default: runs/OBJECTIVE-DATASET; a run that was killed goes on from there")


def _add_grid(grid: argparse.ArgumentParser) -> None:
    grid.add_argument("strategies", metavar="STRATEGY", nargs="*", help="of adapt, and baselines; default: all that fit dataset and model")
    grid.add_argument("--dataset", metavar="NAME", default="world-movies")
    grid.add_argument("--lm", metavar="NAME", default="kit-gpt")
    grid.add_argument("--task", choices=("next", "like"), default="next", help="the next item, or liked against disliked ratings")
    grid.add_argument("--labels", metavar="N", nargs="+", default=[0, 8, 16, 64, 256, "all"], help="labelled users; all: every user")
    grid.add_argument("--seeds", type=int, metavar="N", nargs="+", default=[0, 1, 2, 3, 4])
    grid.add_argument("--users", type=int, metavar="N", default=60, help="test users of a cell")
    grid.add_argument("--jobs", type=int, metavar="N", default=1, help="processes")
    grid.add_argument("--dask", metavar="ADDRESS", help="a Dask scheduler, tcp://HOST:PORT, or local: a cluster of --jobs processes here")
    grid.add_argument("--out", metavar="DIR", type=Path, help="default: runs/grid-DATASET-LM-TASK")


def _add_audit(audit: argparse.ArgumentParser) -> None:
    audit.add_argument(
        "model", metavar="MODEL", nargs="?", help="a name that tutorial compare knows, a saved model's folder, or a .csv of lists"
    )
    audit.add_argument("--dataset", metavar="NAME", default="world-movies")
    audit.add_argument(
        "--split", metavar="NAME", help="leave-last-out, hold-out-N or random-N; default: hold-out-5 (saved: leave-last-out)"
    )
    audit.add_argument("--k", type=int, metavar="N", default=10, help="length of the lists")
    audit.add_argument("--attribute", metavar="NAME", nargs="+", action="extend", help="user columns to compare; default: all that can be")
    audit.add_argument("--margin", metavar="NAME=VALUE", nargs="+", action="extend", default=[], help="in place of a default margin")
    audit.add_argument("--seed", type=int, default=0)
    audit.add_argument("--out", metavar="DIR", type=Path, help="default: runs/audit-MODEL-DATASET")
    audit.add_argument("--validate", action="store_true", help="audit the audit: planted harms of known size, and worlds without any")
    audit.add_argument("--replications", type=int, metavar="N", default=30, help="of --validate, about 4 s each (default 30)")
    audit.add_argument("--jobs", type=int, metavar="N", default=1, help="processes of --validate")


def _audit(args) -> int:
    from tutorial_lib.audit_command import audit_model, validate_audit

    if args.validate == (args.model is not None):
        raise InputError("audit needs a model or --validate (not both), as in: tutorial audit EASE --dataset world-movies")
    if args.validate:
        return validate_audit(args.replications, seed=args.seed, jobs=args.jobs)
    _known_dataset(args.dataset)
    out = args.out or Path("runs", f"audit-{Path(args.model).name.removesuffix('.gz').removesuffix('.csv')}-{args.dataset}")
    options = {"split": args.split, "k": args.k, "attributes": args.attribute, "margins": args.margin, "seed": args.seed}
    return audit_model(args.model, args.dataset, out, **options)


def _grid(args) -> int:
    from tutorial_lib.experiments import cells_of, default_strategies, run_grid

    _known_dataset(args.dataset)
    labels = [int(label) if str(label).isdigit() else label for label in args.labels]
    chosen = args.strategies or default_strategies(args.dataset, args.lm, args.task)
    cells = cells_of(args.dataset, args.lm, chosen, labels, args.seeds, users=args.users, task=args.task)
    out = args.out or Path("runs", f"grid-{args.dataset}-{Path(args.lm).name}-{args.task}")
    run_grid(cells, out, jobs=args.jobs, dask=args.dask, tell=lambda line: print(line, flush=True))
    print(f"table: {out / 'grid.csv.gz'}")
    return 0


def _check(args) -> int:
    from tutorial_lib.teaching.environment import environment_rows, rows_to_text

    rows = environment_rows()
    print(rows_to_text(rows))
    return 0 if all(row.ok for row in rows) else 1


def _datasets(args) -> int:
    from tutorial_lib.console import print_table
    from tutorial_lib.data.loading import WORLDS, list_datasets

    rows = [(name, "embedded" if name in WORLDS else _whereabouts(name)) for name in list_datasets()]
    print_table(("dataset", "where"), rows)
    return 0


def _whereabouts(name: str) -> str:
    from tutorial_lib.data.files import find

    try:
        source = find(name)
    except InputError as error:  # a damaged copy is told, and the table goes on
        return str(error)
    return str(source.path) if source else f"not here: tutorial fetch {name}"


def _fetch(args) -> int:
    from tutorial_lib.data.files import fetch
    from tutorial_lib.data.loading import WORLDS, load_dataset

    _known_dataset(args.name)
    print(f"{args.name} ships with the kit" if args.name in WORLDS else f"{args.name} is in {fetch(args.name)}")
    print(load_dataset(args.name).card)  # read once, so that a damaged file is told now
    return 0


def _known_dataset(name: str) -> None:
    from tutorial_lib.data.loading import list_datasets

    if name not in list_datasets():
        raise unknown_name("dataset", name, list_datasets())


def _run(args) -> int:
    from tutorial_lib.notebooks import find_notebooks

    notebooks = find_notebooks(args.notebooks, solutions=args.solutions, folder=args.notebooks_folder)
    if args.dataset:
        _known_dataset(args.dataset)
    from tutorial_lib.runner import run_notebooks
    from tutorial_lib.teaching.export import export_html

    if args.dataset and not args.dataset.startswith("world-"):
        from tutorial_lib.data import load_dataset

        load_dataset(args.dataset)  # a missing file or a broken line is told now, and nothing is run
    variant = "solution" if args.solutions else "exercise"
    chosen = [path.stem.split("_")[0] for path in notebooks] if args.notebooks else []  # a part of the notebooks gets a folder of its own
    name = "-".join([args.dataset or "embedded", args.profile, *(["solutions"] if args.solutions else []), *chosen])
    out = args.out or Path("runs", name)
    given = {"PROFILE": args.profile, "DATASET": args.dataset, "LM": args.lm, "SEED": args.seed}
    parameters = {name: value for name, value in given.items() if value is not None}
    from tutorial_lib.console import NotebookProgress

    with NotebookProgress(len(notebooks)) as progress:
        runs = run_notebooks(
            notebooks, out, parameters, variant=variant, export_html=export_html, on_cell=progress.on_cell, on_end=progress.on_end
        )
    return _report(runs, out)


def _report(runs, out: Path) -> int:
    failed = [run for run in runs if run.error]
    print(f"\nExecuted notebooks (.html to read, .ipynb to open): {out}/")
    print(f"Results table: {out / 'results.csv'}    Time and memory: {out / 'notebooks.csv'}", flush=True)
    for run in failed:
        _complain(f"{run.notebook} failed at {run.error} (executed so far: {out / run.notebook}.ipynb)", 1)
    return 1 if failed else 0


def _train(args) -> int:
    _known_dataset(args.dataset)
    from tutorial_lib.training_command import train_model

    options = ("width", "layers", "heads", "dropout", "epochs", "length", "learning_rate")
    given = {name: getattr(args, name) for name in options if getattr(args, name) is not None}
    out = args.out or Path("runs", f"{args.objective}-{args.dataset}".replace(" ", "-"))
    train_model(args.dataset, args.objective, out, refit=args.refit, seed=args.seed, **given)
    return 0


def _pretrain(args) -> int:
    from tutorial_lib.pretraining_command import pretrain_model

    pretrain_model(args.name, args.out or Path("runs", args.name), seed=args.seed, documents=args.documents, ship_it=args.ship)
    return 0


def _compare(args) -> int:
    from tutorial_lib.comparison import compare_models

    compare_models(args.names, args.dataset, args.metric, seed=args.seed)
    return 0


def _slides(args) -> int:
    from tutorial_lib.notebooks import notebooks_folder

    folder = notebooks_folder().parent / "slides"
    decks = sorted(folder.glob("[0-9]*.html"))
    if not decks:
        raise InputError("no slides here: they come with a clone of the repository, where make slides builds them")
    for deck in decks:
        print(deck)
    return 0


def _solutions(args) -> int:
    from tutorial_lib.notebooks import find_notebooks, notebooks_folder

    if args.build:
        from tutorial_lib.teaching.builder import build_all

        build_all(notebooks_folder())
    for path in find_notebooks(solutions=True):
        print(path)
    return 0
