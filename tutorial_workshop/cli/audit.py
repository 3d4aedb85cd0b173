"""``tutorial audit``: audit a recommender, or the audit itself on worlds whose truth is known."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from tutorial_lib import data, models
from tutorial_lib.data import Dataset, Split
from tutorial_lib.errors import InputError, unknown_name
from tutorial_workshop.cli.arguments import plain_number
from tutorial_workshop.cli.compare import MODELS, five_core, known_model
from tutorial_workshop.cli.console import print_table

if TYPE_CHECKING:
    from tutorial_lib.audit import AuditReport, LoggedLists

QUICK = ("Popularity", "TransitionKNN", "ItemKNN", "EASE", "Random")  # fitted in seconds
SEEN = (
    "note: a saved model that was trained on another split may have seen these targets in training"
)
SPLITS = "leave-last-out, hold-out-N or random-N (N targets per user, such as 5)"


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
    refit: bool = False,
) -> int:
    """Audit, print findings and opinion, and write the report (`AuditReport.save`).

    Args:
        model: one of `compare.MODELS`, in any case, which is fitted first; a folder that
            `SequenceRecommender.save` wrote; or a .csv file of lists that any system has shown
            (`LoggedLists.from_frame`: user and items, as codes, or user_id and item_ids).
        dataset: a name for `load_dataset`; real data is cut to its 5-core.
        out: folder of the report.
        split: see `SPLITS`; default: hold-out-5, and leave-last-out for a saved model, which has
            been trained so by ``tutorial train``.
        k: length of the lists.
        attributes: user columns (default: all that can be compared).
        margins: "name=value" each.
        seed: of the model, a random split, and intervals.
        refit: gaps under several protocols also for models that are slow to fit.

    Returns:
        The exit status, 0.

    Raises:
        InputError: something is wrong; all input is checked before anything is fitted or written.
    """
    chosen = known_model(model)
    saved = chosen is None and Path(model).is_dir()
    is_log = model.lower().endswith((".csv", ".csv.gz")) and Path(model).is_file()
    if chosen is None and not saved and not is_log:
        raise InputError(
            f"{unknown_name('model', model, MODELS)}; or the folder of a model saved by tutorial"
            " train, or a .csv of lists"
        )
    given = parsed_margins(margins)
    from tutorial_lib.audit import audit

    kind, held = _parsed_split(split or ("leave-last-out" if saved else "hold-out-5"))
    whole = data.load_dataset(dataset)
    ds = five_core(whole)
    _check(ds, attributes, k)
    parts = _split(ds, kind, held, seed)
    recommender: Any = None
    if saved:
        recommender = _loaded(model, ds)
    elif chosen is None:
        recommender = _logged(model, ds, whole)
    out.mkdir(parents=True, exist_ok=True)  # a place that cannot be written is reported now
    print(parts, flush=True)
    if saved and kind != "leave-last-out":
        print(SEEN, flush=True)
    if chosen is not None:
        recommender = getattr(models, chosen)().fit(parts, seed=seed, progress=False)
    report = audit(recommender, ds, parts, given, k=k, attributes=attributes, seed=seed)
    try:
        table = _gaps_under_protocols(report, chosen, recommender, parts, k, seed, refit)
        report = report.with_protocols(table)
    except InputError as error:  # of the protocols, not of the audit, which stands
        print(f"note: gaps under several protocols are not measured: {error}", flush=True)
    show_report(report)
    page, *others = report.save(out)
    print(f"\nreport: {page} (also {', '.join(path.name for path in others)})")
    return 0


def _check(ds: Dataset, attributes: Sequence[str] | None, k: int) -> None:
    """InputError for an unknown attribute, or lists longer than the catalogue."""
    columns = [name for name in ds.users.columns if name != "user_id"]
    for name in attributes or ():
        if name not in columns:
            raise unknown_name("attribute", name, columns)
    if not 1 <= k <= ds.n_items:
        raise InputError(
            f"--k {k}: expected 1..{ds.n_items}, the size of the catalogue of {ds.name}"
        )


def _gaps_under_protocols(
    report: AuditReport,
    chosen: str | None,
    recommender: Any,
    split: Split,
    k: int,
    seed: int,
    refit: bool,
) -> pd.DataFrame:
    """Gaps between two groups with targets held out in several ways.

    Raises:
        InputError: the lists cannot be made again.
    """
    from tutorial_lib.audit import collect, gap_by_protocol, gap_by_targets

    sizes = report.groups.loc[report.groups["status"] == "measured"].groupby("attribute").size()
    declared = report.declaration.attributes if report.declaration else ()
    names = [name for name in declared if sizes.get(name) == 2]
    if not names:
        raise InputError("no attribute has two groups that are large enough")
    if chosen is None:
        if not hasattr(recommender, "lists"):
            raise InputError("a saved model cannot be fitted again")
        evidence = collect(recommender, split.dataset, split, k=k)
        return gap_by_targets(evidence, names, model=recommender.name, seed=seed)
    if not refit and chosen not in QUICK:
        raise InputError(f"{chosen} is slow to fit; add --protocols to fit it six times more")
    make = {chosen: getattr(models, chosen)}
    draws = range(seed, seed + 3)
    return gap_by_protocol(make, split.dataset, names, k=k, seeds=draws, seed=seed)


def show_report(report: AuditReport) -> None:
    """Print findings, what could not be measured, the three sentences, opinion and reasons."""
    from tutorial_lib.audit import opening
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
    """Margins from "name=value" texts.

    Raises:
        InputError: another form, an unknown name, or a value out of range.

    >>> parsed_margins(["exposure=0.05"])
    {'exposure': 0.05}
    """
    from tutorial_lib.audit import MARGINS

    margins = {}
    for text in given:
        name, sign, value = text.partition("=")
        margin = plain_number(value)
        if not sign:
            raise InputError(f"--margin {text}: expected NAME=VALUE, such as exposure=0.05")
        if name not in MARGINS:
            raise unknown_name("margin", name, MARGINS)
        _, largest, meaning = MARGINS[name]
        if not 0 < margin <= largest:
            raise InputError(
                f"--margin {text}: expected a number above 0 and at most {largest}: {meaning}"
            )
        margins[name] = margin
    return margins


def _parsed_split(name: str) -> tuple[str, int]:
    kind, _, number = name.rpartition("-")
    if name == "leave-last-out":
        return name, 1
    # a superscript is a digit to Python, and not a number
    positive = number.isascii() and number.isdigit() and len(number) < 10 and int(number) > 0
    if kind not in ("hold-out", "random") or not positive:
        raise InputError(f"--split {name}: expected {SPLITS}")
    return kind, int(number)


def _positive(text: str) -> bool:
    """True for the digits of a whole number from 1; a superscript is a digit to Python, and no
    number.
    """
    return text.isascii() and text.isdigit() and len(text) < 10 and int(text) > 0


def _split(ds: Dataset, kind: str, held: int, seed: int) -> Split:
    if kind == "leave-last-out":
        return data.leave_last_out(ds)
    if kind == "hold-out":
        return data.hold_out_k(ds, held)
    return data.random_hold_out(ds, held, seed=seed)


def _loaded(folder: str, ds: Dataset) -> models.SequenceRecommender:
    model = models.SequenceRecommender.load(folder)
    if model.n_items != ds.n_items:
        raise InputError(
            f"{folder}: the model knows {model.n_items} items, {ds.name} has {ds.n_items}; name the"
            " dataset it was trained on"
        )
    return model


def _logged(path: str, ds: Dataset, whole: Dataset) -> LoggedLists:
    """The log at ``path``; one that matches nobody is refused before anything is written."""
    from tutorial_lib.audit import LoggedLists
    from tutorial_lib.audit.logs.reading import read_log

    log = LoggedLists.from_frame(read_log(path), dataset=ds, whole=whole, name=Path(path).name)
    log.strangers(ds)
    return log


def export_ids(dataset: str, folder: Path) -> None:
    """Write users.csv and items.csv, which say what a code of `audit_model` stands for.

    Columns: code, user_id; and code, item_id, title. Existing files are replaced.
    """
    from tutorial_lib.audit.report.files import as_text_cell, write_together

    ds = five_core(data.load_dataset(dataset))
    items = ds.items[["item_id", "title"]]
    # ids stay as they are, so that they can be read back; titles may look like formulas
    titles = items["title"].map(as_text_cell)
    tables = {"users.csv": ds.users[["user_id"]], "items.csv": items.assign(title=titles)}
    texts = {name: table.to_csv(index_label="code") for name, table in tables.items()}
    users, items = write_together(Path(folder), texts)
    print(f"{ds}: ids of users in {users}, of items in {items}")


def validate_audit(replications: int = 30, *, seed: int = 0, jobs: int = 1) -> int:
    """Print what `validate` finds, with the recorded table beside it.

    Returns:
        The exit status: 1 if a bar is missed beyond what chance can do, else 0.
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
        then = _interval(recorded.loc[row.check]) if row.check in recorded.index else ""
        bar = "" if pd.isna(row.at_least) else f"{row.at_least:g} .. {row.at_most:g}"
        rows.append((row.check, _interval(row), then, bar, row.result))
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


def _interval(row: Any) -> str:
    return f"{row.value:.3f} [{row.low:.3f}, {row.high:.3f}]"
