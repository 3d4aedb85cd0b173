"""`run_capstone`: from files to a page, stage by stage."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import tutorial_lib
from tutorial_lib.errors import InputError
from tutorial_lib.evaluation import coverage
from tutorial_workshop.capstone.candidates import fit_candidates, refitted
from tutorial_workshop.capstone.findings import chosen_of, first_points, leaderboard, strata
from tutorial_workshop.capstone.page import write_page
from tutorial_workshop.capstone.prepare import Prepared, prepare
from tutorial_workshop.capstone.stages import Stages, Value, key_of

if TYPE_CHECKING:
    from tutorial_lib.audit.core.finding import Finding

LISTED = 10
PROTOCOL = 2  # raise it when a stage of the same files and options comes out otherwise


def run_capstone(
    log: Path,
    out: Path,
    *,
    items: Path | None = None,
    users: Path | None = None,
    columns: Mapping[str, str] | None = None,
    minutes: int = 5,
    seed: int = 0,
    tell: Callable[[str], None] = print,
) -> Path:
    """Compare models on a log, audit the chosen one, and write a page about it.

    A run that was broken off, or is started again with the same files and options, goes on from the
    stages that are finished.

    Args:
        log, items, users, columns: as `read_any_log` takes them.
        out: folder of the page and of everything else.
        minutes: that it may take on two cores, about; users and epochs are made fewer to fit.
        seed: of everything that is drawn.
        tell: gets a line at a time.

    Returns:
        The page, ``summary.html``.

    Raises:
        InputError: a file cannot be read, or too little is left.
    """
    start = time.perf_counter()
    files = [path for path in (log, items, users) if path is not None]
    prepared = prepare(log, items, users, columns or {}, minutes=minutes, seed=seed)
    for line in (*prepared.log.understood, *prepared.left_out, *prepared.limits):
        tell(f"  {line}")
    options = {"columns": dict(columns or {}), "minutes": minutes, "seed": seed}
    options |= {"items": items is not None, "users": users is not None}
    options |= {"protocol": PROTOCOL, "version": tutorial_lib.__version__}
    stages = Stages(out, key_of(files, **options), minutes, tell, start)
    found, left = fit_candidates(prepared, stages, out, seed)
    chosen = chosen_of(found)
    audited = stages.get(f"audit-{chosen}", lambda: _audited(chosen, prepared, out, seed))
    board = leaderboard(found, chosen)
    layers = strata(prepared, found, chosen)
    points = first_points(prepared, board, layers, audited)
    notes = [*prepared.limits, *left, *(v["limit"] for v in found.values() if "limit" in v)]
    command = _command(log, items, users, columns or {}, minutes, seed)
    pages = write_page(prepared, board, layers, points, audited, notes, out, command)
    tell(f"chosen on validation: {chosen}")
    for number, point in enumerate(points, 1):
        tell(f"{number}. {point.heading}")
    return pages[0]


def _audited(chosen: str, prepared: Prepared, out: Path, seed: int) -> Value:
    """The audit of the chosen model, saved, and what the page tells of it."""
    from tutorial_lib.audit import audit, opening

    split, dataset = prepared.split, prepared.dataset
    model = refitted(chosen, split, out, seed)
    report = audit(model, dataset, split, k=min(LISTED, dataset.n_items), seed=seed)
    report.save(out / "audit")
    harmful, also = (
        [_told(f) for f in part if f.harmful] for part in (report.declared, report.exploratory)
    )
    value: dict[str, Any] = {
        "opinion": report.opinion.word,
        "sentences": list(opening(report)),
        "reasons": list(report.opinion.reasons),
        "problems": list(report.problems),
        "family": list(report.family),
        "undecided": len(report.basis.undecided),
        "harmful": harmful,
        "also": also,
    }
    return value | _reach(model, split, dataset) | {"said": f"opinion: {report.opinion.word}"}


def _told(finding: Finding) -> str:
    return (
        f"{finding.metric}: {finding.estimate:+.3f}, beyond the margin of {finding.margin:.3f};"
        f" worse off: {finding.bearer}."
    )


def _reach(model: Any, split: Any, dataset: Any) -> Value:
    """How much of the catalogue the lists of the judged users hold, and how concentrated they are,
    beside what all users took.
    """
    rows = np.flatnonzero([len(target) > 0 for target in split.test_target])
    histories = [split.test_history[row] for row in rows]
    k = min(LISTED, dataset.n_items)
    lists = model.recommend(histories, k, users=np.asarray(split.users)[rows])
    shown = np.bincount(lists[lists >= 0], minlength=dataset.n_items)
    top = max(1, dataset.n_items // 100)
    titles = dataset.items["title"].to_numpy()
    return {
        "example": {  # of the first judged user: nobody chose it because it looks good
            "took": titles[histories[0][-3:]].tolist(),
            "shown": titles[lists[0][lists[0] >= 0][:5]].tolist(),
            "held": titles[split.test_target[rows[0]][0]],
        },
        "coverage": coverage(lists, dataset.n_items),
        "top": top,
        "top share": float(np.sort(shown)[-top:].sum() / max(shown.sum(), 1)),
        "top taken": float(np.sort(dataset.item_counts)[-top:].sum() / dataset.n_interactions),
    }


def _command(
    log: Path,
    items: Path | None,
    users: Path | None,
    columns: Mapping[str, str],
    minutes: int,
    seed: int,
) -> str:
    words = ["tutorial", "capstone", str(log)]
    words += ["--items", str(items)] if items else []
    words += ["--users", str(users)] if users else []
    if columns:
        words += ["--column", *(f"{role}={name}" for role, name in columns.items())]
    return shlex.join([*words, "--minutes", str(minutes), "--seed", str(seed)])


def parsed_columns(given: list[str]) -> dict[str, str]:
    """Role -> column from "role=name" texts.

    >>> parsed_columns(["item=track_id"])
    {'item': 'track_id'}
    """
    columns = {}
    for text in given:
        role, sign, name = text.partition("=")
        if not sign or not name:
            raise InputError(f"--column {text}: expected ROLE=NAME, such as item=track_id")
        columns[role] = name
    return columns
