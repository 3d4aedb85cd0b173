"""What a capstone found: the leaderboard, who is served how well, and what to look at first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tutorial_lib.evaluation import by_cuts, compare, cuts_of, holm_comparisons, mean_interval
from tutorial_workshop.capstone.candidates import TRANSFORMER
from tutorial_workshop.capstone.prepare import Prepared
from tutorial_workshop.capstone.prompted import PROMPT
from tutorial_workshop.capstone.stages import Value, kept_frame

METRIC, MARGIN = "ndcg@10", 0.01  # differences of less than the margin do not matter
TIED, CUT = 0.2, 0.5  # shares that are worth a warning
BY_COST = ("Popularity", "ItemKNN", "TransitionKNN", "EASE", TRANSFORMER)  # the cheapest first


def chosen_of(found: Mapping[str, Value]) -> str:
    """The model with the best validation NDCG@10; the prompted one was asked for too few users."""
    able = [name for name in found if name != PROMPT]
    return max(able, key=lambda name: found[name]["valid"])


def leaderboard(found: Mapping[str, Value], chosen: str) -> pd.DataFrame:
    """One row per model, best on validation first: test metrics with 95 % intervals, and the paired
    difference from the chosen one, judged by Holm's method and `MARGIN`.
    """
    frames = {name: kept_frame(value) for name, value in found.items()}
    tests = {
        name: compare(frame, frames[chosen].loc[frame.index], METRIC)
        for name, frame in frames.items()
        if name != chosen
    }
    judged = holm_comparisons(tests, MARGIN)
    rows = []
    for name, frame in frames.items():
        value = mean_interval(frame, METRIC)
        row = {"model": name, "validation": found[name].get("valid", np.nan)}
        row |= {"test": value.mean, "low": value.low, "high": value.high, "users": value.n}
        row["hit"] = frame["hit@10"].mean()
        if name != chosen:
            test = judged.loc[name]
            row |= {"difference": test["difference"], "verdict": test["verdict"]}
            row |= {"difference low": test["low"], "difference high": test["high"]}
        rows.append(row | {"chosen": name == chosen})
    return pd.DataFrame(rows).sort_values("validation", ascending=False, ignore_index=True)


def strata(prepared: Prepared, found: Mapping[str, Value], chosen: str) -> pd.DataFrame:
    """The chosen model and Popularity in the cuts of `cuts_of` by length of the history and by how
    often the target was taken: columns stratum, model, by, test, low, high, users.
    """
    frames = {name: kept_frame(found[name]) for name in dict.fromkeys((chosen, "Popularity"))}
    cuts = {  # some are empty, and the few with the shortest histories may be a third
        cut.users.tobytes(): cut
        for cut in reversed(cuts_of(prepared.split))
        if len(cut.users) and not cut.name.startswith("items of the history")
    }
    table = by_cuts(frames, list(cuts.values())[::-1], METRIC).rename(
        columns={"cut": "stratum", "mean": "test"}
    )
    names = table["stratum"].str.replace("next item in", "users whose next item is in")
    table["stratum"] = names.str.replace("^history", "users with a history", regex=True)
    if not prepared.ordered:
        table["stratum"] = table["stratum"].str.replace("next item", "held-out item")
    return table


@dataclass(frozen=True)
class Point:
    """Something to look at: a heading, what was found, what to do."""

    weight: int  # the higher, the earlier
    heading: str
    text: str


def first_points(
    prepared: Prepared, board: pd.DataFrame, layers: pd.DataFrame, audit: Value
) -> list[Point]:
    """The three things to look at first, the most important one first."""
    points = [
        _winner(board),
        *_order(prepared),
        *_left(prepared),
        *_weak(layers),
        *_audit(audit),
        _reach(audit),
    ]
    return sorted(points, key=lambda point: -point.weight)[:3]


def _winner(board: pd.DataFrame) -> Point:
    """Which model, how sure, and whether a cheaper one does as well."""
    rows = board.set_index("model")
    chosen = rows.index[rows["chosen"]][0]
    best = rows.loc[chosen]
    said = (
        f"It was best on the validation items. On the test items its NDCG@10 is {best['test']:.3f}"
        f" ({_interval(best)}), and {_percent(best['hit'])} of users find their held-out item"
        " among the ten."
    )
    if chosen == "Popularity":
        return Point(100, "Nothing beats a popularity list here", f"{said} Personal models need"
            " more events per user, or better ones; do not ship one of these.")  # fmt: skip
    cheaper = [name for name in BY_COST[: BY_COST.index(chosen)] if name in rows.index]
    alike = [name for name in cheaper if rows.loc[name, "verdict"] in ("equivalent", "better")]
    unsure = [name for name in cheaper if rows.loc[name, "verdict"] == "inconclusive"]
    if unsure and not alike:
        said += f" These users cannot tell it from {' or '.join(unsure)}, which costs less."
    if alike:
        said += (
            f" But {alike[0]}, which costs less, is {rows.loc[alike[0], 'verdict']} within the"
            f" margin of {MARGIN}: start with that one."
        )
    counter = rows.loc["Popularity"]
    verdict = {
        "worse": "clearly better than a popularity list",
        "better": "worse than a popularity list on the test items: do not trust the choice",
        "equivalent": "no better than a popularity list, by any margin that matters",
        "inconclusive": "not shown to beat a popularity list; more users would tell",
    }[counter["verdict"]]
    return Point(
        100, f"{chosen} is {verdict} ({best['test']:.3f} against {counter['test']:.3f})", said
    )


def _order(prepared: Prepared) -> list[Point]:
    if not prepared.ordered:
        text = (
            "So nobody can say what comes next: the held-out items were drawn at random from each"
            " user's items, and models of order were left out. The numbers say how well a missing"
            " item is guessed, which is easier than what comes next. Log times to know more."
        )
        return [Point(90, "This log has no times", text)]
    if prepared.log.order == "positions":
        text = (
            "Each user's order is known, but not when things happened, so a model may learn from"
            " events that came after the ones it predicts. Judge again with times before you"
            " decide."
        )
        return [Point(45, "The log has an order but no times", text)]
    tied = prepared.split.tied_targets
    if tied > TIED:
        text = (
            f"{_percent(tied)} of the held-out items have the time of the item before or after, so"
            " the order of the file decided which one was 'next'. Differences between models of"
            " order and others may be due to that."
        )
        return [Point(80, "Many events happened at the same moment", text)]
    return []


def _left(prepared: Prepared) -> list[Point]:
    whole, kept = prepared.log.dataset, prepared.dataset
    share = kept.n_users / whole.n_users
    if share >= 1 - CUT:
        return []
    text = (
        f"{kept.n_users:,} of {whole.n_users:,} users and {kept.n_items:,} of {whole.n_items:,}"
        " items had enough events, or fitted into the time, to be used. Nothing here says how well"
        " newcomers, casual users and new items are served."
    )
    return [Point(70, f"Only {_percent(share)} of the users are behind these numbers", text)]


def _weak(layers: pd.DataFrame) -> list[Point]:
    """A stratum that is served worse, where the intervals show it."""
    own = layers[layers["model"] == layers["model"].iloc[0]].dropna(subset=["low"])
    points = []
    for by, weight in (("target", 60), ("history", 65)):
        part = own[own["by"] == by].sort_values("test")
        if len(part) < 2 or part["high"].iloc[0] >= part["low"].iloc[-1]:
            continue
        low, high = part.iloc[0], part.iloc[-1]
        text = (
            f"NDCG@10 is {low['test']:.3f} ({_interval(low)}, {low['users']:,} of them), and"
            f" {high['test']:.3f} ({_interval(high)}) for {high['stratum']}. An average hides this:"
            " look at both before you change anything."
        )
        points.append(Point(weight, f"Served worst: {low['stratum']}", text))
    return points


def _audit(audit: Value) -> list[Point]:
    if audit["harmful"]:
        return [Point(95, "The audit found harm", " ".join(audit["harmful"]))]
    if not audit["family"]:
        text = (
            "No group of users or of providers could be compared, so nothing is known about unequal"
            " treatment; that is not the same as none. Give --users with attributes such as gender"
            " or age, and --items with a column provider."
        )
        return [Point(55, "Fairness was not audited", text)]
    if audit["undecided"]:
        of = f"{audit['undecided']} of {len(audit['family'])}"
        return [Point(58, f"{of} fairness tests are undecided", audit["sentences"][2])]
    return []


def _reach(audit: Value) -> Point:
    text = (
        f"The lists of the judged users hold {_percent(audit['coverage'])} of the catalogue; the"
        f" {audit['top']:,} most shown items (1 %) take {_percent(audit['top share'])} of all"
        f" places, against {_percent(audit['top taken'])} of what users took themselves."
        " Watch it if your suppliers or your stock matter."
    )
    return Point(50, f"{_percent(1 - audit['coverage'])} of the catalogue is shown to nobody", text)


def _interval(row: pd.Series) -> str:
    if np.isnan(row["low"]):
        return "too few hits for an interval"
    return f"95 % interval {row['low']:.3f} to {row['high']:.3f}"


def _percent(share: float) -> str:
    """A share in words.

    >>> _percent(0.125)
    '12 %'
    """
    return f"{100 * share:.0f} %"
