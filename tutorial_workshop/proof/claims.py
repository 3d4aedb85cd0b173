"""The claims ledger: what the sources claim, beside what this kit has recorded on each."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
from scipy import stats

from tutorial_lib.data.shipped import read_yaml, shipped
from tutorial_lib.errors import InputError
from tutorial_lib.evaluation import compare
from tutorial_workshop.experiments import recorded_table

CLAIMS = Path(__file__).with_name("claims.yaml")
PROFILE = "world-movies/quick"  # of the goldens
Measured = tuple[float, float, float, int, str, str]  # value, low, high, n, experiment, note
PAIRS = ["seed", "user", "item"]  # what is compared with itself
SUPPORTED, NOT_HERE, REFUTED, UNTESTABLE = (
    *("supported", "not here", "refuted", "not testable here"),
)


def ledger() -> pd.DataFrame:
    """Every claim of claims.yaml with its verdict, from recorded results alone.

    Returns:
        One row a claim, index its id: claim, source, experiment (file and rows), value, low, high
        (95 %; of the difference from what it is compared with), n (users, or seeds), margin,
        expects, note, verdict. A verdict holds for this kit's worlds and models, one claim at a
        time (no adjustment for their number); see `verdict_on_claim`.

    Raises:
        InputError: a recorded result that a claim names is not there.
    """
    rows = []
    for entry in read_yaml(CLAIMS):
        value, low, high, n, experiment, note = _measured(entry)
        row = {name: entry[name] for name in ("id", "claim", "source")}
        row |= {"experiment": experiment, "value": value, "low": low, "high": high, "n": n}
        row |= {"margin": entry["margin"], "expects": entry["expects"], "note": note}
        row["verdict"] = verdict_on_claim(low, high, entry["margin"], entry["expects"])
        rows.append(row)
    return pd.DataFrame(rows).set_index("id")


def verdict_on_claim(low: float, high: float, margin: float, expects: str) -> str:
    """What an interval says of a claim that expects "more", "less" or "same".

    "same" is supported by an interval within the margin and refuted by one beyond it. "more" and
    "less" are supported by an interval on their side of 0, refuted by one on the other, and "not
    here" where it lies within the margin. Any other interval leaves the claim open: "not testable
    here".

    >>> verdict_on_claim(0.02, 0.04, 0.01, "more"), verdict_on_claim(-0.004, 0.008, 0.01, "more")
    ('supported', 'not here')
    >>> verdict_on_claim(-0.04, -0.02, 0.01, "more"), verdict_on_claim(-0.04, 0.02, 0.01, "more")
    ('refuted', 'not testable here')
    """
    if expects == "less":
        low, high = -high, -low
    within = -margin < low and high < margin
    if expects == "same":
        beyond = low >= margin or high <= -margin
        return SUPPORTED if within else REFUTED if beyond else UNTESTABLE
    if within:
        return NOT_HERE
    return SUPPORTED if low > 0 else REFUTED if high < 0 else UNTESTABLE


def _measured(entry: Mapping[str, Any]) -> Measured:
    """Value, interval, size, and where they come from."""
    if "golden" in entry:
        return _golden(entry["golden"], entry["against"])
    if "row" in entry:
        return _row(entry)
    a = _values(entry["table"], entry["a"], entry["metric"])
    if isinstance(entry["b"], Mapping):
        b = _values(entry["table"], entry["b"], entry["metric"])
        both = a.index.intersection(b.index) if a.index.nlevels == b.index.nlevels else a.index
        b = b.reindex(both) if a.index.nlevels == b.index.nlevels else b
        against = _named(entry["b"])
    else:
        both = a.index
        b = pd.Series(float(entry["b"]), index=both)
        against = str(entry["b"])
    if both.empty:
        raise InputError(f"claim {entry['id']!r}: a and b share no seed and user; correct one")
    test = compare(a.loc[both].to_frame("value"), b.to_frame("value"), "value")
    experiment = f"{entry['table']}: {_named(entry['a'])} against {against}"
    return test.difference, *test.ci, test.n, experiment, test.note


def _named(rows: Mapping[str, Any]) -> str:
    return ", ".join(str(value) for value in rows.values())


def _golden(key: str, null: float | str) -> Measured:
    """A recorded mean over seeds less what a trivial method gives, with Student's interval."""
    goldens = _goldens()
    if PROFILE not in goldens.get(key, {}):
        raise InputError(f"goldens.json lacks {key!r} of {PROFILE}: record it, or correct the key")
    golden = goldens[key][PROFILE]
    value = golden["mean"] - (golden["trivial"] if null == "trivial" else float(null))
    n = golden["n"]
    reach = stats.t.ppf(0.975, n - 1) * golden["sd"] / math.sqrt(n) if n > 1 else math.nan
    return value, value - reach, value + reach, n, f"goldens.json: {key}, {PROFILE}", ""


def _row(entry: Mapping[str, Any]) -> Measured:
    """One row of a table that holds the ends of an interval itself; its middle stands for it."""
    rows = _chosen(entry["row"], entry["where"])
    if len(rows) != 1:
        raise InputError(f"claim {entry['id']!r}: {len(rows)} rows fit {entry['where']}, not one")
    low, high = (float(rows[name].iloc[0]) for name in entry.get("interval", ["low", "high"]))
    experiment = f"{entry['row']}: {_named(entry['where'])}"
    return (low + high) / 2, low, high, 1, experiment, ""


def _values(table: str, rows: Mapping[str, Any], metric: str) -> pd.Series:
    """The metric of the rows that fit, one for each seed and user (or item) that the table has."""
    chosen = _chosen(table, rows)
    if " == " in metric:
        one, other = metric.split(" == ")
        chosen = chosen.assign(**{metric: (chosen[one] == chosen[other]).astype(float)})
    keys = [name for name in PAIRS if name in chosen and chosen[name].notna().all()]
    return chosen.groupby(keys)[metric].mean()


def _chosen(table: str, rows: Mapping[str, Any]) -> pd.DataFrame:
    frame = _table(table)
    for column, value in rows.items():
        frame = frame[frame[column] == value]
    if frame.empty:
        raise InputError(f"{table} has no row of {_named(rows)}: record it, or correct the claim")
    return frame


@cache
def _table(name: str) -> pd.DataFrame:
    return recorded_table(name, low_memory=False)


@cache
def _goldens() -> dict:
    return json.loads(shipped("results/goldens.json").read_text(encoding="utf-8"))
