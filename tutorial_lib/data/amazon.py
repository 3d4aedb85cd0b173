"""Amazon Video Games (2018, 5-core) in the layout of LLMRank: whole sequences, one line per user,
titles apart.
"""

from __future__ import annotations

import html

import numpy as np
import pandas as pd

from tutorial_lib.data.dataset import Dataset
from tutorial_lib.data.files import Source
from tutorial_lib.data.histories import positions
from tutorial_lib.data.tables import TableReader

SEQUENCES = "Games-6k.test.inter"
TITLES = "Games-6k.item"
NOTES = (
    "timestamps are positions in the user's sequence (0, 1, ...), not times: a temporal split "
    "across users has no meaning",
    "item ids leak the order: they were numbered while walking through users' sequences, so the "
    "next id is often the next item; never show ids to a model and never break ties by id",
    "ratings are not part of these files (NaN); HTML entities in titles (&amp;) are decoded",
)


def read_amazon_games(source: Source, name: str, bad_rows: str) -> Dataset:
    """Amazon Video Games from its folder or zip.

    `Games-6k.test.inter` holds a user's history and last item, which together are the whole
    sequence. The files carry no time and no rating: ``timestamp`` is the position in the user's
    sequence (0, 1, ...), ``rating`` is NaN. For the arguments see `read_movielens`.
    """
    reader = TableReader(source, name, bad_rows)
    header = "item_id:token\ttitle:token_seq"
    items = reader.table(TITLES, {"item_id": int, "title": str}, header=header)
    items = reader.unique(TITLES, items, "item_id")
    titles = items["title"].map(html.unescape)
    nothing: list[tuple[str, ...]] = [()] * len(items)
    items = items.assign(title=titles, text="", categories=nothing, provider="")
    header = "user_id:token\titem_id_list:token_seq\titem_id:token"
    columns = {"user_id": int, "history": str, "last": str}
    rows = reader.unique(SEQUENCES, reader.table(SEQUENCES, columns, header=header), "user_id")
    events = _events(reader, rows, items["item_id"])
    reader.notes += NOTES
    reader.note_repeated_titles(items)
    return reader.dataset(reader.first_of_each_pair(events), items, rows[["user_id"]])


def _events(reader: TableReader, rows: pd.DataFrame, item_ids: pd.Series) -> pd.DataFrame:
    """One row per interaction, in file order; items without a title row are refused, or left out
    and their lines listed.
    """
    tokens = (rows["history"] + " " + rows["last"]).str.split()
    sizes = tokens.map(len).to_numpy()
    flat = tokens[sizes > 0].explode()  # of an empty list, explode makes a missing value
    codes = pd.Index(item_ids.astype(str)).get_indexer(flat)
    unknown = flat[codes < 0]
    bad = {}
    for line, token in unknown[~unknown.index.duplicated()].items():
        bad[line] = f"item {token!r} is not in {TITLES}"
    what = "lines with unknown items, which alone are left out"
    reader.report(SEQUENCES, bad, "known item ids split by spaces", what)
    events = pd.DataFrame(
        {
            "user": np.repeat(np.arange(len(rows)), sizes),
            "item": codes,
            "rating": np.nan,
            "timestamp": positions(sizes),
        }
    )
    return events[codes >= 0]
