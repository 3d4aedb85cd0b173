"""MovieLens-100K with a knowledge graph: RecBole's atomic files, which link films to Freebase."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd

from tutorial_lib.data.dataset import Dataset
from tutorial_lib.data.files import absolute, named_folder
from tutorial_lib.errors import InputError

FOLDER = "ml-100k-kg"
COLUMNS = {
    "ml-100k.kg": ["head_id:token", "relation_id:token", "tail_id:token"],
    "ml-100k.link": ["item_id:token", "entity_id:token"],
}


def with_movielens_graph(dataset: Dataset, root: str | Path | None = None) -> Dataset:
    """The same data set with ``graph``: the triples whose head is one of its films.

    A tail that is itself a film of the data set is named "item:" + item_id, as in planted worlds.
    Triples that lead back to a film say the same again and are left out.

    Args:
        dataset: "ml-100k", whole or a part.
        root: The folder that holds ``ml-100k-kg``; default ``$TUTORIAL_DATA``.

    Raises:
        InputError: The files are missing or damaged, or link none of the items.

    Source: Zhao et al. 2019 (KB4Rec); Zhao et al. 2021 (RecBole, arXiv 2011.01731).
    """
    given = named_folder("TUTORIAL_DATA") if root is None else absolute(root, "root")
    tables = {name: _read(given, name) for name in COLUMNS}
    link, graph = tables["ml-100k.link"], tables["ml-100k.kg"]
    link = link.drop_duplicates("entity_id:token").set_index("entity_id:token")["item_id:token"]
    ids = dataset.items["item_id"].astype(str)
    code = link.map(dict(zip(ids, ids.index, strict=True))).dropna().astype("int64")
    if code.empty:
        raise InputError(
            f"{FOLDER}: links none of the {dataset.n_items} items of {dataset.name!r}; expected the"
            " item_ids of ml-100k"
        )
    graph = graph[graph["head_id:token"].isin(code.index)].drop_duplicates()
    tail = graph["tail_id:token"]
    named = tail.where(~tail.isin(code.index), "item:" + tail.map(code).map(ids).astype(str))
    table = {"head": graph["head_id:token"].map(code), "relation": graph["relation_id:token"]}
    triples = pd.DataFrame({**table, "tail": named}).reset_index(drop=True)
    note = f"knowledge graph: {len(triples):,} triples about {triples['head'].nunique():,} items"
    counts = {**dataset.card.counts, "triples": len(triples)}
    card = replace(dataset.card, counts=counts, notes=(*dataset.card.notes, note))
    return replace(dataset, graph=triples, card=card)


def _read(root: Path | None, name: str) -> pd.DataFrame:
    """One of the files, tab-separated, as text."""
    expected = f"expected {FOLDER}/{name} below root or the folder that $TUTORIAL_DATA names"
    if root is None:
        raise InputError(f"{FOLDER}: no folder was given; {expected}")
    path = root / FOLDER / name
    try:
        table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    except FileNotFoundError:
        raise InputError(f"{path} is missing; {expected}") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is damaged ({type(error).__name__}); {expected}") from None
    if list(table.columns) != COLUMNS[name]:
        raise InputError(f"{path}: columns {list(table.columns)}; expected {COLUMNS[name]}")
    return table
