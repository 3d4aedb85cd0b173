"""One page for strangers, a model card and a table, all written together or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tutorial_lib.audit.report import render as report_render
from tutorial_lib.audit.report.files import safe_csv, write_together
from tutorial_lib.templating import render
from tutorial_workshop.capstone.findings import MARGIN, Point
from tutorial_workshop.capstone.prepare import Prepared

HERE = Path(__file__).parent
FUTURE = (
    "Each user's last items are held out, so models may learn from other users' later events."
    " Judge by one date for all before you decide on anything that depends on trends."
)
LIMITS = (
    "A held-out item that is not recommended counts as a miss, though the user might have liked the"
    " list: offline numbers rank systems, they do not say what people will do. Test the winner on"
    " people.",
    "Every interaction counts as interest, also a low rating, a return or a click by mistake.",
    "Intervals and verdicts hold for other users like these; one training run stands behind each"
    " model, so they do not hold for other random starts.",
)


def write_page(
    prepared: Prepared,
    board: pd.DataFrame,
    layers: pd.DataFrame,
    points: Sequence[Point],
    audit: Mapping[str, Any],
    notes: Sequence[str],
    out: Path,
    command: str,
) -> tuple[Path, ...]:
    """Write summary.html, model_card.md and leaderboard.csv.

    Args:
        notes: what was left out or made smaller, one sentence each.
        command: that makes the same again.
    """
    values = {
        "name": prepared.log.dataset.card.title.removeprefix("Log "),
        "data": prepared.dataset,
        "whole": prepared.log.dataset,
        "judged": int(board["users"].max()),
        "ordered": prepared.ordered,
        "board": board.to_dict("records"),
        "chosen": board.loc[board["chosen"], "model"].iloc[0],
        "strata": {
            name: rows.to_dict("records") for name, rows in layers.groupby("stratum", sort=False)
        },
        "points": points,
        "audit": audit,
        "understood": prepared.log.understood,
        "left_out": prepared.left_out,
        "notes": notes,
        "limits": (*LIMITS, FUTURE) if prepared.ordered else LIMITS,
        "margin": MARGIN,
        "command": command,
        "board_scale": scale_of(board),
        "strata_scale": scale_of(layers),
        "css": Path(report_render.__file__).with_name("page.css").read_text(encoding="utf-8"),
    }
    files = {
        "summary.html": render(HERE / "summary.html.j2", **values),
        "model_card.md": render(HERE / "card.md.j2", **values),
        "leaderboard.csv": safe_csv(board),
    }
    return write_together(out, files)


def scale_of(table: pd.DataFrame) -> float:
    """The right end of an axis that holds all intervals."""
    most = float(np.nanmax(table[["test", "high"]].to_numpy(dtype=float)))
    return most * 1.05 if most > 0 else 1.0
