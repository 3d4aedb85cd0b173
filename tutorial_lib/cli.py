"""The ``tutorial`` command. A wrong argument ends with one clear line and exit status 2, never a traceback."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from tutorial_lib.arguments import check_text, shortened
from tutorial_lib.command_parser import build_parser
from tutorial_lib.console import forget_stdout, show_any_text
from tutorial_lib.errors import InputError, unknown_name
from tutorial_lib.home import ensure_home

PATIENCE = 10  # seconds that tidying up may take before a second signal ends it
NOTEBOOK_GB = 1.5  # memory that a notebook takes at most


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns:
        The exit status: 0 done, 1 a check or a notebook failed, 2 wrong input, 128 + the number of
        the signal that ended it (130: Ctrl-C).
    """
    show_any_text()
    ensure_home()
    stopped = _stop_on_signals()
    try:
        argv = sys.argv[1:] if argv is None else list(argv)
        check_text(argv)
        args = build_parser(ACTIONS).parse_args(argv)
        status = args.action(args)
        if sys.stdout:
            sys.stdout.flush()  # a full disk behind a redirection is told now
        return status
    except InputError as error:
        return _complain(str(error), 2)
    except KeyboardInterrupt as error:
        told = str(error) or "interrupted: nothing half-written was left behind"
        return _complain(told, 128 + (stopped[0] if stopped else signal.SIGINT))
    except BrokenPipeError:  # the reader, such as head, has seen enough
        forget_stdout()
        return 0
    except ModuleNotFoundError as error:
        return _complain(f"package {error.name} is missing: pip install 'tutorial-lib[lab]', or make lab in a clone", 2)
    except OSError as error:
        if error.filename is None and sys.stdout and not _writable(sys.stdout):
            forget_stdout()
            return _complain(f"{error.strerror or error}: standard output", 2)
        return _complain(f"{error.strerror or error}: {error.filename or ''}".rstrip(": "), 2)
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not re.search("allocate memory|out of memory", str(error)):
            raise
        return _complain("not enough memory: take a smaller model, fewer items or a larger machine", 2)


def _stop_on_signals() -> list[int]:
    """Turn the first signal that asks to stop into KeyboardInterrupt; the list then holds its number.

    A shell that starts a job in the background makes it deaf to Ctrl-C; a run must always be stoppable.
    """
    stopped: list[int] = []
    wanted = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # else nohup
        wanted.append(signal.SIGHUP)

    def stop(number: int, frame) -> None:
        if stopped:  # a second Ctrl-C must not break off the tidying up that the first one began ...
            if time.monotonic() - start[0] > PATIENCE:  # ... unless that hangs
                os._exit(128 + number)
            return
        stopped.append(number)
        start.append(time.monotonic())
        raise KeyboardInterrupt

    start: list[float] = []
    if threading.current_thread() is threading.main_thread():
        for name in wanted:
            signal.signal(name, stop)
    return stopped


def _writable(stream) -> bool:
    try:
        stream.flush()
    except OSError:
        return False
    return True


def _complain(message: str, status: int) -> int:
    """One line on stderr, without control characters, whatever a name held."""
    line = "".join(letter if letter.isprintable() else "?" for letter in " ".join(message.split()))
    with contextlib.suppress(OSError, ValueError):  # a terminal that is gone
        print(f"tutorial: {line}", file=sys.stderr, flush=True)
    return status


def _audit(args) -> int:
    from tutorial_lib.audit_command import audit_model, export_ids, validate_audit

    if args.export_ids and not args.validate:
        _known_dataset(args.dataset)
        export_ids(args.dataset, args.export_ids)
        if args.model is None:
            return 0
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
    chosen = args.strategies or default_strategies(args.dataset, args.lm, args.task)
    cells = cells_of(args.dataset, args.lm, chosen, args.labels, args.seeds, users=args.users, task=args.task)
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
