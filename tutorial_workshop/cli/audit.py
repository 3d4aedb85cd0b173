"""``tutorial audit``: audit one recommender on one dataset, or hold the audit itself against towns
whose truth is known.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from tutorial_lib.errors import InputError, unknown_name
from tutorial_workshop.cli.arguments import plain_number
from tutorial_workshop.cli.compare import MODELS
from tutorial_workshop.cli.console import print_table

QUICK = ("Popularity", "TransitionKNN", "ItemKNN", "EASE", "Random")  # fitted in seconds
SPLITS = "leave-last-out, hold-out-N or random-N (N targets a user, such as 5)"


def audit_model(
    model: str,
    dataset: str,
    out: Path,
    *,
    split: str | None = None,
    k: int = 10,
    attributes: Sequence[str] | None = None,
    margins: Sequence[str] = (),
    seed: int = 0,
    core: int = 5,
    refit: bool = False,
) -> int:
    """Audit, print the findings and the opinion, write the report (`AuditReport.save`) to ``out``;
    returns 0.

    model: one of `comparison.MODELS`, in any case, which is fitted first, a folder that
        `SequenceRecommender.save` wrote, or a .csv file of lists that any system has shown
        (`LoggedLists.from_frame`: user and items, as codes, or user_id and item_ids).
    dataset: a name for `load_dataset`; real data is cut to its ``core``-core.
    split: see `SPLITS`; default: hold-out-5, and leave-last-out for a saved model, which has been
        trained so by ``tutorial train``.
    attributes: user columns (default: all that can be compared). margins: "name=value" each.
    refit: gaps under several protocols also for models that are slow to fit.
    All input is checked before anything is fitted or written; raises InputError.
    """
    chosen, given = _known_model(model), parsed_margins(margins)
    saved = chosen is None and Path(model).is_dir()
    from tutorial_lib.audit import audit
    from tutorial_lib.data import load_dataset

    kind, held = _parsed_split(split or ("leave-last-out" if saved else "hold-out-5"))
    whole, ds = _audited(load_dataset(dataset), core)
    columns = [name for name in ds.users.columns if name != "user_id"]
    for name in attributes or ():
        if name not in columns:
            raise unknown_name("attribute", name, columns)
    if not 1 <= k <= ds.n_items:
        raise InputError(
            f"--k {k}: expected 1..{ds.n_items}, the size of the catalogue of {dataset}"
        )
    parts = _split(ds, kind, held, seed)
    recommender = None if chosen else _loaded(model, ds) if saved else _logged(model, ds, whole)
    Path(out).mkdir(
        parents=True, exist_ok=True
    )  # a place that cannot be written is told now, not after the training
    print(parts, flush=True)
    if saved and kind != "leave-last-out":
        print(
            "note: a saved model that was trained on another split may have seen these targets in"
            " training",
            flush=True,
        )
    recommender = recommender or _fitted(chosen, parts, seed)
    report = audit(recommender, ds, parts, given, k=k, attributes=attributes, seed=seed)
    report = _with_protocols(report, chosen, recommender, parts, k, seed, refit)
    show_report(report)
    page, *others = report.save(out)
    print(f"\nreport: {page} (also {', '.join(path.name for path in others)})")
    return 0


def _with_protocols(report, chosen: str | None, recommender, split, k: int, seed: int, refit: bool):
    """The report with gaps between two groups under several protocols, as far as lists can be made
    again; one line says where they cannot."""
    from tutorial_lib import models
    from tutorial_lib.audit.core.evidence import collect
    from tutorial_lib.audit.harms.protocols import gap_by_protocol, gap_by_targets

    sizes = report.groups.loc[report.groups["status"] == "measured"].groupby("attribute").size()
    names = [name for name in report.declaration.attributes if sizes.get(name) == 2]
    why = "no attribute has two groups that are large enough"
    quick = chosen and (refit or chosen in QUICK)
    if names and chosen and not quick:
        why = f"{chosen} is slow to fit; add --protocols to fit it six times more"
    elif names and not chosen and not hasattr(recommender, "lists"):
        why = "a saved model cannot be fitted again"
    elif names:
        try:
            if quick:
                make = {chosen: getattr(models, chosen)}
                draws = range(seed, seed + 3)
                table = gap_by_protocol(make, split.dataset, names, k=k, seeds=draws, seed=seed)
            else:
                evidence = collect(recommender, split.dataset, split, k=k)
                table = gap_by_targets(evidence, names, model=recommender.name, seed=seed)
            return report.with_protocols(table)
        except InputError as error:  # of the protocols, not of the audit, which stands
            why = str(error)
    print(f"note: gaps under several protocols are not measured: {why}", flush=True)
    return report


def show_report(report) -> None:
    """Print an `AuditReport`: findings, what could not be measured, the three sentences, opinion
    and reasons.
    """
    from tutorial_lib.audit.report.opening import opening
    from tutorial_lib.audit.report.tables import interval, number

    rows = [
        (
            f.verdict,
            f.metric,
            interval(f.estimate, *f.ci),
            number(f.margin, sign=False),
            "" if pd.isna(f.p_adjusted) else f"{f.p_adjusted:.4f}",
            "declared" if f.metric in report.family else "",
        )
        for f in report.findings
    ]
    print_table(
        ("verdict", "metric", "estimate, 95 % interval", "margin", "adjusted p", "family"), rows
    )
    for line in report.problems:
        print(f"not measured as asked: {line}")
    print()
    for line in opening(report):
        print(line)
    print(f"\nopinion: {report.opinion.word}")
    for reason in report.opinion.reasons:
        print(f"  {reason}")


def parsed_margins(given: Sequence[str]) -> dict[str, float]:
    """Margins from "name=value" texts. Raises InputError for another form, an unknown name, or a
    value out of range.

    >>> parsed_margins(["exposure=0.05"])
    {'exposure': 0.05}
    """
    from tutorial_lib.audit import MARGINS

    margins = {}
    for text in given:
        name, sign, value = text.partition("=")
        number = plain_number(value)
        if not sign:
            raise InputError(f"--margin {text}: expected NAME=VALUE, such as exposure=0.05")
        if name not in MARGINS:
            raise unknown_name("margin", name, MARGINS)
        if not 0 < number <= MARGINS[name][1]:
            raise InputError(
                f"--margin {text}: expected a number above 0 and at most {MARGINS[name][1]}:"
                f" {MARGINS[name][2]}"
            )
        margins[name] = number
    return margins


def _known_model(name: str) -> str | None:
    """Name of a class in `tutorial_lib.models`, or None for a folder or a log."""
    known = {model.lower(): model for model in MODELS}
    if name.lower() in known:
        return known[name.lower()]
    if Path(name).is_dir() or (name.lower().endswith((".csv", ".csv.gz")) and Path(name).is_file()):
        return None
    raise InputError(
        f"{unknown_name('model', name, MODELS)}; or the folder of a model saved by tutorial train,"
        " or a .csv of lists"
    )


def _parsed_split(name: str) -> tuple[str, int]:
    kind, _, number = name.rpartition("-")
    if name == "leave-last-out":
        return name, 1
    if kind not in ("hold-out", "random") or not _positive(number):
        raise InputError(f"--split {name}: expected {SPLITS}")
    return kind, int(number)


def _positive(text: str) -> bool:
    """True for the digits of a whole number from 1; a superscript is a digit to Python, and no
    number.
    """
    return text.isascii() and text.isdigit() and len(text) < 10 and int(text) > 0


def _split(ds, kind: str, held: int, seed: int):
    from tutorial_lib.data import hold_out_k, leave_last_out, random_hold_out

    if kind == "leave-last-out":
        return leave_last_out(ds)
    return hold_out_k(ds, held) if kind == "hold-out" else random_hold_out(ds, held, seed=seed)


def _fitted(name: str, split, seed: int):
    from tutorial_lib import models

    return getattr(models, name)().fit(split, seed=seed, progress=False)


def _loaded(folder: str, ds):
    from tutorial_lib.models import SequenceRecommender

    model = SequenceRecommender.load(folder)
    if model.n_items != ds.n_items:
        raise InputError(
            f"{folder}: the model knows {model.n_items} items, {ds.name} has {ds.n_items}; name the"
            " dataset it was trained on"
        )
    return model


def _logged(path: str, ds, whole):
    """The log at ``path``; one that matches nobody is refused before anything is written."""
    from tutorial_lib.audit.logs.logged import LoggedLists
    from tutorial_lib.audit.logs.reading import read_log

    log = LoggedLists.from_frame(read_log(path), dataset=ds, whole=whole, name=Path(path).name)
    log.strangers(ds)
    return log


def export_ids(dataset: str, folder: Path, *, core: int = 5) -> tuple[Path, Path]:
    """Write users.csv and items.csv, which say what a code of `audit_model` stands for; their
    paths.

    Columns: code, user_id; and code, item_id, title. Existing files are replaced.
    """
    from tutorial_lib.audit.report.files import as_text_cell, write_together
    from tutorial_lib.data import load_dataset

    _, ds = _audited(load_dataset(dataset), core)
    items = ds.items[["item_id", "title"]]
    # ids stay as they are, so that they can be read back; titles may look like formulas
    titles = items["title"].map(as_text_cell)
    tables = {"users.csv": ds.users[["user_id"]], "items.csv": items.assign(title=titles)}
    texts = {name: table.to_csv(index_label="code") for name, table in tables.items()}
    users, items = write_together(Path(folder), texts)
    print(f"{ds}: ids of users in {users}, of items in {items}")
    return users, items


def _audited(whole, core: int):
    """The data set as it was loaded, and as it is audited."""
    return whole, whole if whole.truth is not None else whole.k_core(core)


def validate_audit(replications: int = 30, *, seed: int = 0, jobs: int = 1) -> int:
    """Print what `validate` finds, with the recorded table beside it; returns 1 if a bar is missed
    beyond what chance can do, else 0.
    """
    from tutorial_lib.data.shipped import shipped
    from tutorial_workshop.proof.validation import RECORDED, validate

    table = validate(
        replications, seed, jobs, tell=lambda line: print(line, file=sys.stderr, flush=True)
    )
    path = shipped(RECORDED)
    recorded = pd.read_csv(path).set_index("check") if path.is_file() else pd.DataFrame()
    rows = []
    for row in table.itertuples():
        then = recorded.loc[row.check] if row.check in recorded.index else None
        bar = "" if pd.isna(row.at_least) else f"{row.at_least:g} .. {row.at_most:g}"
        rows.append(
            (row.check, _interval(row), "" if then is None else _interval(then), bar, row.result)
        )
    n = "" if recorded.empty else f", {int(recorded['replications'].iloc[0])} replications"
    print_table(
        ("check", f"now, {replications} replications", f"recorded{n}", "bar", "result"), rows
    )
    missed = table.loc[table["result"] == "missed", "check"]
    print(
        f"bars missed: {len(missed)}; open: outside the bar by less than chance can do, so take"
        " more replications"
    )
    return 1 if len(missed) else 0


def _interval(row) -> str:
    return f"{row.value:.3f} [{row.low:.3f}, {row.high:.3f}]"
