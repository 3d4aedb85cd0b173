"""The ``tutorial`` command. A wrong argument ends with one clear line and exit status 2, never a
traceback.
"""

from __future__ import annotations

import re
import signal
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from tutorial_lib.errors import InputError, unknown_name
from tutorial_lib.home import ensure_home
from tutorial_workshop.cli.arguments import check_text
from tutorial_workshop.cli.console import complain, forget_stdout, show_any_text, stdout_fails
from tutorial_workshop.cli.parser import build_parser
from tutorial_workshop.cli.stopping import stop_on_signals

INSTALLED_AS = {"yaml": "pyyaml", "sklearn": "scikit-learn"}  # by the name to import
OUT_OF_MEMORY = "allocate memory|out of memory"  # in an error of torch or numpy


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns:
        The exit status: 0 done, 1 a check or a notebook failed, 2 wrong input, 128 + the number of
        the signal that ended it (130: Ctrl-C).
    """
    show_any_text()
    ensure_home()
    stopped = stop_on_signals()
    try:
        argv = sys.argv[1:] if argv is None else list(argv)
        check_text(argv)
        parser = build_parser(ACTIONS)
        args = parser.parse_args(argv)
        if args.action is None:
            parser.print_help()
            return 0
        status = args.action(args)
        if sys.stdout:
            sys.stdout.flush()  # a full disk behind a redirection is reported now
        return status
    except SystemExit as end:  # --help and --version
        return int(end.code or 0)
    except InputError as error:
        return complain(str(error), 2)
    except KeyboardInterrupt as error:
        line = str(error) or "interrupted: nothing half-written was left behind"
        return complain(line, 128 + (stopped[0] if stopped else signal.SIGINT))
    except BrokenPipeError:  # the reader, such as head, has seen enough
        forget_stdout()
        return 0
    except ModuleNotFoundError as error:
        package = (error.name or "").split(".")[0]
        package = INSTALLED_AS.get(package, package)
        line = f"package {package} is missing: pip install {package}, or make lab in a clone"
        return complain(line, 2)
    except OSError as error:
        place = error.filename or ("standard output" if stdout_fails() else "")
        return complain(f"{error.strerror or error}: {place}".rstrip(": "), 2)
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not re.search(OUT_OF_MEMORY, str(error)):
            raise
        return complain(
            "not enough memory: take a smaller model, fewer items or a larger machine", 2
        )


def _audit(args: Namespace) -> int:
    from tutorial_workshop.cli.audit import audit_model, export_ids, validate_audit

    if args.export_ids and not args.validate:
        _known_dataset(args.dataset)
        export_ids(args.dataset, args.export_ids)
        if args.model is None:
            return 0
    if args.validate == (args.model is not None):
        raise InputError(
            "audit needs a model or --validate (not both), as in: tutorial audit EASE --dataset"
            " world-movies"
        )
    if args.validate:
        return validate_audit(args.replications, seed=args.seed, jobs=args.jobs)
    _known_dataset(args.dataset)
    name = Path(args.model).name.removesuffix(".gz").removesuffix(".csv")
    return audit_model(
        args.model,
        args.dataset,
        args.out or Path("runs", f"audit-{name}-{args.dataset}"),
        split=args.split,
        k=args.k,
        attributes=args.attribute,
        margins=args.margin,
        seed=args.seed,
        refit=args.protocols,
    )


def _grid(args: Namespace) -> int:
    from tutorial_workshop.experiments import cells_of, default_strategies, run_grid

    _known_dataset(args.dataset)
    chosen = args.strategies or default_strategies(args.dataset, args.lm, args.task)
    cells = cells_of(
        args.dataset, args.lm, chosen, args.labels, args.seeds, users=args.users, task=args.task
    )
    out = args.out or Path("runs", f"grid-{args.dataset}-{Path(args.lm).name}-{args.task}")
    run_grid(cells, out, jobs=args.jobs, dask=args.dask, tell=lambda line: print(line, flush=True))
    print(f"table: {out / 'grid.csv.gz'}")
    return 0


def _check(args: Namespace) -> int:
    from tutorial_workshop.page.environment import environment_rows, rows_to_text

    rows = environment_rows()
    print(rows_to_text(rows))
    return 0 if all(row.ok for row in rows) else 1


def _progress(args: Namespace) -> int:
    from tutorial_workshop.page.progress import save_progress

    for path in save_progress(args.out or Path(".")):
        print(path)
    return 0


def _datasets(args: Namespace) -> int:
    from tutorial_lib.data.loading import WORLDS, list_datasets
    from tutorial_workshop.cli.console import print_table

    rows = [(name, "embedded" if name in WORLDS else _place(name)) for name in list_datasets()]
    print_table(("dataset", "where"), rows)
    return 0


def _place(name: str) -> str:
    from tutorial_lib.data.files import find

    try:
        source = find(name)
    except InputError as error:  # a damaged copy is reported, and the table goes on
        return str(error)
    return str(source.path) if source else f"not here: tutorial fetch {name}"


def _fetch(args: Namespace) -> int:
    from tutorial_lib.data.files import fetch
    from tutorial_lib.data.loading import WORLDS, load_dataset

    _known_dataset(args.name)
    if args.name in WORLDS:
        print(f"{args.name} ships with the kit")
    else:
        print(f"{args.name} is in {fetch(args.name)}")
    print(load_dataset(args.name).card)  # read once, so that a damaged file is reported now
    return 0


def _known_dataset(name: str) -> None:
    from tutorial_lib.data.loading import list_datasets

    if name not in list_datasets():
        raise unknown_name("dataset", name, list_datasets())


def _run(args: Namespace) -> int:
    if args.dataset:
        _known_dataset(args.dataset)
    from tutorial_workshop.cli import run

    return run.run(args)


def _train(args: Namespace) -> int:
    _known_dataset(args.dataset)
    from tutorial_workshop.cli.train import train_model

    options = ("width", "layers", "heads", "dropout", "epochs", "length", "learning_rate")
    given = {name: getattr(args, name) for name in options if getattr(args, name) is not None}
    _fits(args.width or 0, args.layers or 1)
    out = args.out or Path("runs", f"{args.objective}-{args.dataset}".replace(" ", "-"))
    train_model(args.dataset, args.objective, out, refit=args.refit, seed=args.seed, **given)
    return 0


def _fits(width: int, layers: int) -> None:
    """InputError for a Transformer that this machine cannot train.

    It has 12 x width^2 weights per layer, of 16 bytes each with Adam's state.
    """
    from tutorial_workshop.page.environment import total_memory_gb

    needed = 12 * width**2 * layers * 16 / 1e9
    memory = total_memory_gb()
    if memory is not None and needed > memory:
        raise InputError(
            f"--width {width} and {layers} layers need {needed:.0f} GB or more, and there are"
            f" {memory:.1f}: take a smaller model"
        )


def _pretrain(args: Namespace) -> int:
    from tutorial_workshop.cli.pretrain import pretrain_model

    pretrain_model(
        args.name,
        args.out or Path("runs", args.name),
        seed=args.seed,
        documents=args.documents,
        width=args.width,
        ship_it=args.ship,
    )
    return 0


def _compare(args: Namespace) -> int:
    from tutorial_workshop.cli.compare import compare_models

    compare_models(args.names, args.dataset, args.metric, seeds=args.seed, margin=args.margin)
    return 0


def _capstone(args: Namespace) -> int:
    from tutorial_workshop.cli.capstone import capstone

    return capstone(args)


def _slides(args: Namespace) -> int:
    from tutorial_workshop.page.notebooks import notebooks_folder

    folder = notebooks_folder().parent / "slides"
    decks = sorted(folder.glob("[0-9]*.html"))
    if not decks:
        raise InputError(
            "no slides here: they come with a clone of the repository, where make slides builds"
            " them"
        )
    for deck in decks:
        print(deck)
    return 0


def _solutions(args: Namespace) -> int:
    from tutorial_workshop.page.notebooks import find_notebooks

    for path in find_notebooks(solutions=True):
        print(path)
    return 0


ACTIONS = {
    "check": _check,
    "datasets": _datasets,
    "fetch": _fetch,
    "run": _run,
    "train": _train,
    "pretrain": _pretrain,
    "compare": _compare,
    "grid": _grid,
    "audit": _audit,
    "capstone": _capstone,
    "progress": _progress,
    "slides": _slides,
    "solutions": _solutions,
}
