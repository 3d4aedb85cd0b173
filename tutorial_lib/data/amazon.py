"""Amazon Video Games (2018, 5-core) in the layout of LLMRank: one line a user, whole sequences,
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

ABOUT = {
    "title": "Amazon Video Games 2018 (5-core, LLMRank files)",
    "source": (
        "https://github.com/RUCAIBox/LLMRank, made from https://nijianmo.github.io/amazon/ (Amazon"
        " review data 2018)"
    ),
    "licence": (
        "academic use; the publishers state no other licence, so do not redistribute the rows"
    ),
    "citation": (
        "Ni, Li and McAuley. 2019. Justifying Recommendations using Distantly-Labeled Reviews and"
        " Fine-Grained Aspects. EMNLP-IJCNLP. Hou et al. 2024. Large Language Models are Zero-Shot"
        " Rankers for Recommender Systems. ECIR. arXiv 2305.08845"
    ),
}
SEQUENCES, TITLES = "Games-6k.test.inter", "Games-6k.item"
LEAK = (
    "item ids leak the order: they were numbered while walking through users' sequences, so the"
    " next id is often the next item; never show ids to a model and never break ties by id"
)


def read_amazon_games(
    source: Source, name: str = "amazon-games", *, bad_rows: str = "error"
) -> Dataset:
    """Amazon Video Games from its folder or zip.

    `Games-6k.test.inter` holds a user's history and last item, which together are the whole
    sequence. The files carry no time and no rating: ``timestamp`` is the position in the user's
    sequence (0, 1, ...), ``rating`` is NaN.
    """
    reader = TableReader(source, name, bad_rows)
    items = reader.unique(
        TITLES,
        reader.table(
            TITLES, {"item_id": int, "title": str}, header="item_id:token\ttitle:token_seq"
        ),
        "item_id",
    )
    items = items.assign(
        title=items["title"].map(html.unescape), text="", categories=[()] * len(items), provider=""
    )
    header = "user_id:token\titem_id_list:token_seq\titem_id:token"
    rows = reader.table(SEQUENCES, {"user_id": int, "history": str, "last": str}, header=header)
    rows = reader.unique(SEQUENCES, rows, "user_id")
    events = _events(reader, rows, items["item_id"])
    reader.notes += [
        (
            "timestamps are positions in the user's sequence (0, 1, ...), not times: a temporal"
            " split across users has no meaning"
        ),
        LEAK,
        "ratings are not part of these files (NaN); HTML entities in titles (&amp;) are decoded",
    ]
    reader.note_repeated_titles(items)
    return reader.dataset(reader.first_of_each_pair(events), items, rows[["user_id"]], ABOUT)


def _events(reader: TableReader, rows: pd.DataFrame, item_ids: pd.Series) -> pd.DataFrame:
    """One row an interaction, in file order; items without a title row are refused, or left out and
    their lines listed.
    """
    tokens = (rows["history"] + " " + rows["last"]).str.split()
    sizes = tokens.map(len).to_numpy()
    flat = pd.Series([token for row in tokens for token in row], index=np.repeat(rows.index, sizes))
    codes = pd.Index(item_ids.astype(str)).get_indexer(flat)
    bad = {
        line: f"item {token!r} is not in {TITLES}" for line, token in flat[codes < 0][::-1].items()
    }
    reader.report(
        SEQUENCES,
        bad,
        "known item ids split by spaces",
        "lines with unknown items, which alone are left out",
    )
    user, position = np.repeat(np.arange(len(rows)), sizes), positions(sizes)
    return pd.DataFrame({"user": user, "item": codes, "rating": np.nan, "timestamp": position})[
        codes >= 0
    ]
