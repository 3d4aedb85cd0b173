"""The ``tutorial`` command. A wrong argument ends with one clear line and exit status 2, never a
traceback.
"""

from __future__ import annotations

import logging
import os
import re
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from tutorial_lib.errors import InputError, unknown_name
from tutorial_lib.home import ensure_home
from tutorial_workshop.cli.arguments import check_text, shortened
from tutorial_workshop.cli.console import complain, forget_stdout, show_any_text, stdout_fails
from tutorial_workshop.cli.parser import build_parser
from tutorial_workshop.cli.stopping import stop_on_signals

INSTALLED_AS = {"yaml": "pyyaml", "sklearn": "scikit-learn"}  # by the name to import
NOTEBOOK_GB = 1.5  # memory that a notebook takes at most


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
        args = build_parser(ACTIONS).parse_args(argv)
        status = args.action(args)
        if sys.stdout:
            sys.stdout.flush()  # a full disk behind a redirection is told now
        return status
    except SystemExit as end:  # --help and --version
        return end.code or 0
    except InputError as error:
        return complain(str(error), 2)
    except KeyboardInterrupt as error:
        told = str(error) or "interrupted: nothing half-written was left behind"
        return complain(told, 128 + (stopped[0] if stopped else signal.SIGINT))
    except BrokenPipeError:  # the reader, such as head, has seen enough
        forget_stdout()
        return 0
    except ModuleNotFoundError as error:
        package = (error.name or "").split(".")[0]
        package = INSTALLED_AS.get(package, package)
        return complain(
            f"package {package} is missing: pip install {package}, or make lab in a clone", 2
        )
    except OSError as error:
        place = error.filename or ("standard output" if stdout_fails() else "")
        return complain(f"{error.strerror or error}: {place}".rstrip(": "), 2)
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not re.search(
            "allocate memory|out of memory", str(error)
        ):
            raise
        return complain(
            "not enough memory: take a smaller model, fewer items or a larger machine", 2
        )


def _audit(args) -> int:
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
    out = args.out or Path(
        "runs",
        f"audit-{Path(args.model).name.removesuffix('.gz').removesuffix('.csv')}-{args.dataset}",
    )
    options = {
        "split": args.split,
        "k": args.k,
        "attributes": args.attribute,
        "margins": args.margin,
        "seed": args.seed,
    }
    return audit_model(args.model, args.dataset, out, refit=args.protocols, **options)


def _grid(args) -> int:
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


def _check(args) -> int:
    from tutorial_workshop.page.environment import environment_rows, rows_to_text

    rows = environment_rows()
    print(rows_to_text(rows))
    return 0 if all(row.ok for row in rows) else 1


def _datasets(args) -> int:
    from tutorial_lib.data.loading import WORLDS, list_datasets
    from tutorial_workshop.cli.console import print_table

    rows = [
        (name, "embedded" if name in WORLDS else _whereabouts(name)) for name in list_datasets()
    ]
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
    print(
        f"{args.name} ships with the kit"
        if args.name in WORLDS
        else f"{args.name} is in {fetch(args.name)}"
    )
    print(load_dataset(args.name).card)  # read once, so that a damaged file is told now
    return 0


def _known_dataset(name: str) -> None:
    from tutorial_lib.data.loading import list_datasets

    if name not in list_datasets():
        raise unknown_name("dataset", name, list_datasets())


def _run(args) -> int:
    from tutorial_workshop.page.notebooks import find_notebooks

    notebooks = find_notebooks(
        args.notebooks, solutions=args.solutions, folder=args.notebooks_folder
    )
    if args.dataset:
        _known_dataset(args.dataset)
    _enough_memory(args.jobs)
    given = {
        "PROFILE": args.profile,
        "DATASET": args.dataset,
        "LM": args.lm and _model_place(args.lm),
        "SEED": args.seed,
    }
    parameters = {name: value for name, value in given.items() if value is not None}
    import nbconvert  # noqa: F401  what is missing is told now, and not when the first notebook is done

    # what fails in the watcher of a kernel after its notebook has failed is told by that one's line
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    from tutorial_workshop.cli.console import NotebookProgress
    from tutorial_workshop.cli.run import run_notebooks
    from tutorial_workshop.page.export import export_html

    if args.dataset and not args.dataset.startswith("world-"):
        from tutorial_lib.data import load_dataset

        load_dataset(
            args.dataset
        )  # a missing file or a broken line is told now, and nothing is run
    options = {
        "variant": "solution" if args.solutions else "exercise",
        "jobs": args.jobs,
        "export_html": export_html,
    }
    out = args.out or _default_folder(args, notebooks)
    with NotebookProgress(len(notebooks)) as progress:
        runs = run_notebooks(
            notebooks, out, parameters, on_cell=progress.on_cell, on_end=progress.on_end, **options
        )
    return _report(runs, out)


def _default_folder(args, notebooks: Sequence[Path]) -> Path:
    """A folder under runs/; a part of the notebooks gets one of its own."""
    chosen = [path.stem.split("_")[0] for path in notebooks] if args.notebooks else []
    variant = ["solutions"] if args.solutions else []
    return Path(
        "runs", "-".join([args.dataset or "embedded", args.profile, *variant, *chosen])[:100]
    )


def _enough_memory(jobs: int) -> None:
    """InputError where ``jobs`` notebooks at a time would use up the memory."""
    from tutorial_workshop.page.environment import total_memory_gb

    memory = total_memory_gb()
    if jobs > 1 and memory is not None and jobs * NOTEBOOK_GB > memory:
        most = max(1, int(memory / NOTEBOOK_GB))
        raise InputError(
            f"--jobs {jobs}: a notebook takes up to {NOTEBOOK_GB} GB, and there are {memory:.1f}:"
            f" take --jobs {most}"
        )


def _model_place(name: str) -> str:
    """A language model as a kernel finds it, which works in another folder: a folder as an absolute
    path, any other name as it is.
    """
    from tutorial_lib.data.shipped import shipped

    if (
        name == "minilm"
        or shipped(f"checkpoints/{Path(name).name}").is_dir()
        and name == Path(name).name
    ):
        return name
    folder = Path(name).expanduser() if os.path.expanduser(name) != name else Path(name)
    if folder.is_dir():
        return str(folder.absolute())
    if not re.fullmatch(r"\w[\w.-]*(/\w[\w.-]*)?", name, re.ASCII):
        raise InputError(
            f"--lm {shortened(name)}: no such folder here, and no name of a model such as kit-gpt,"
            " gpt2 or google/flan-t5-small"
        )
    return name


def _report(runs, out: Path) -> int:
    failed = [run for run in runs if run.error]
    print(f"\nExecuted notebooks: {out / 'index.html'} lists them (.html to read, .ipynb to open)")
    print(
        f"Results table: {out / 'results.csv'}    Time and memory: {out / 'notebooks.csv'}",
        flush=True,
    )
    for run in failed:
        complain(
            f"{run.notebook} failed: {run.error} (executed so far: {out / run.notebook}.ipynb)", 1
        )
    return 1 if failed else 0


def _train(args) -> int:
    _known_dataset(args.dataset)
    from tutorial_workshop.cli.train import train_model

    options = ("width", "layers", "heads", "dropout", "epochs", "length", "learning_rate")
    given = {name: getattr(args, name) for name in options if getattr(args, name) is not None}
    _fits(args.width or 0, args.layers or 1)
    out = args.out or Path("runs", f"{args.objective}-{args.dataset}".replace(" ", "-"))
    train_model(args.dataset, args.objective, out, refit=args.refit, seed=args.seed, **given)
    return 0


def _fits(width: int, layers: int) -> None:
    """InputError for a Transformer that this machine cannot train: 12 x width^2 weights a layer, 16
    bytes each with Adam's state.
    """
    from tutorial_workshop.page.environment import total_memory_gb

    needed, memory = 12 * width**2 * layers * 16 / 1e9, total_memory_gb()
    if memory is not None and needed > memory:
        raise InputError(
            f"--width {width} and {layers} layers need {needed:.0f} GB or more, and there are"
            f" {memory:.1f}: take a smaller model"
        )


def _pretrain(args) -> int:
    from tutorial_workshop.cli.pretrain import pretrain_model

    pretrain_model(
        args.name,
        args.out or Path("runs", args.name),
        seed=args.seed,
        documents=args.documents,
        ship_it=args.ship,
    )
    return 0


def _compare(args) -> int:
    from tutorial_workshop.cli.compare import compare_models

    compare_models(args.names, args.dataset, args.metric, seed=args.seed)
    return 0


def _slides(args) -> int:
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


def _solutions(args) -> int:
    from tutorial_workshop.page.notebooks import find_notebooks, notebooks_folder

    if args.build:
        from tools.builder import build_all

        build_all(notebooks_folder())
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
    "slides": _slides,
    "solutions": _solutions,
}
