"""MIND (Microsoft News): clicks as interactions, the clicked history before the clicks in
impressions.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from tutorial_lib.data.dataset import Dataset
from tutorial_lib.data.files import Source
from tutorial_lib.data.histories import positions
from tutorial_lib.data.tables import TableReader

IMPRESSIONS, NEWS = 156_965, 51_282  # of MINDsmall_train as published
BEHAVIOURS = ("impression_id", "user_id", "time", "history", "impressions")
ARTICLES = "item_id category subcategory title text url title_entities text_entities".split()
POSSIBLE = ("1990-01-01", "2100-01-01")  # times of clicks on news
NOTES = (
    "history clicks have an order but no times: their timestamps are the seconds before the user's "
    "first impression",
    "clicks within one impression share its time; their order is that of display, not of clicking",
)


def read_mind(source: Source, name: str, bad_rows: str) -> Dataset:
    """MIND-small from its folder or zip: `behaviors.tsv` and `news.tsv`.

    Interactions are clicks only. A user's history column (the same on all of the user's lines) has
    an order but no times: its clicks come first and get the seconds just before the user's first
    impression. Then come the clicked articles of the impressions (suffix -1) at the time of the
    impression. Rows follow the file, and ``rating`` is NaN. For the arguments see `read_movielens`.
    """
    reader = TableReader(source, name, bad_rows)
    news = reader.table("news.tsv", dict.fromkeys(ARTICLES, str))
    news = reader.unique("news.tsv", news, "item_id")
    categories = list(zip(news["category"], news["subcategory"], strict=True))
    items = news.assign(categories=categories, provider="")
    items = items[["item_id", "title", "text", "categories", "provider"]]
    rows = _impressions(reader)
    users = pd.DataFrame({"user_id": rows["user_id"].unique()})
    events = _clicks(rows, users["user_id"], items["item_id"])
    known = events["item"] >= 0
    if not known.all():
        reader.notes.append(
            f"{(~known).sum():,} of {len(events):,} clicks are on articles that news.tsv lacks: "
            "left out"
        )
    if (len(rows), len(news)) != (IMPRESSIONS, NEWS):
        reader.notes.append(
            f"a part of MIND-small: {len(rows):,} of {IMPRESSIONS:,} impressions, {len(news):,} of "
            f"{NEWS:,} articles"
        )
    reader.notes += NOTES
    events = reader.first_of_each_pair(events[known])
    idle = len(users) - events["user"].nunique()
    if idle:
        reader.notes.append(
            f"{idle:,} of {len(users):,} users have no click on these articles and stay in the "
            "user table"
        )
    return reader.dataset(events, items, users)


def _impressions(reader: TableReader) -> pd.DataFrame:
    """`behaviors.tsv` with ``time`` in seconds; a line with an unreadable time or impression list
    is malformed.
    """
    member = "behaviors.tsv"
    rows = reader.table(member, dict.fromkeys(BEHAVIOURS, str))
    when = pd.to_datetime(rows["time"], format="%m/%d/%Y %I:%M:%S %p", errors="coerce")
    possible = when.between(*POSSIBLE)  # pandas' own limits depend on its version and unit
    expected = f"a time like 11/15/2019 8:55:22 AM, from {POSSIBLE[0]} to {POSSIBLE[1]}"
    rows = reader.reject(member, rows, "time", ~possible, "cannot be read", expected)
    well = rows["impressions"].str.fullmatch(r"\S+-[01]( +\S+-[01])* *")
    expected = "news ids that end in -0 or -1"
    rows = reader.reject(member, rows, "impressions", ~well, "cannot be read", expected)
    seconds = (when[rows.index] - pd.Timestamp(0)) // pd.Timedelta(seconds=1)
    return rows.assign(time=seconds.astype(np.int64))


def _clicks(rows: pd.DataFrame, user_ids: pd.Series, item_ids: pd.Series) -> pd.DataFrame:
    """One row per click, in file order, a user's history before the clicks of the user's first
    line; unknown articles have code -1.
    """
    user = pd.Index(user_ids).get_indexer(rows["user_id"])
    time = rows["time"].to_numpy()
    start = pd.Series(time).groupby(user).transform("min").to_numpy()
    first = ~pd.Series(user).duplicated().to_numpy()
    history, history_row = _flat(rows["history"].where(first, "").str.split())
    sizes = np.bincount(history_row, minlength=len(rows))
    before = start[history_row] - sizes[history_row] + positions(sizes)
    clicked, clicked_row = _flat(rows["impressions"].str.findall(r"(\S+)-1(?!\S)"))
    row = np.concatenate([history_row, clicked_row])
    article = pd.Index([*history, *clicked], dtype=object)
    events = pd.DataFrame(
        {
            "user": user[row],
            "item": pd.Index(item_ids).get_indexer(article),
            "rating": np.nan,
            "timestamp": np.concatenate([before, time[clicked_row]]),
        }
    )
    return events.iloc[np.argsort(row, kind="stable")]  # stable: history before its line's clicks


def _flat(words: pd.Series) -> tuple[list[str], np.ndarray]:
    """The words of every row in one list, and the row each belongs to."""
    sizes = words.map(len).to_numpy(dtype=np.int64)
    return [word for row in words for word in row], np.repeat(np.arange(len(words)), sizes)
