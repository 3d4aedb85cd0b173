"""The knowledge graph of MovieLens-100K: triples about its films, in the form of the worlds'."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tutorial_lib.data import Dataset, DatasetCard
from tutorial_lib.data.movielens_graph import with_movielens_graph
from tutorial_lib.errors import InputError

LINK = "item_id:token\tentity_id:token\n7\tm.a\n9\tm.b\n5\tm.elsewhere\n"
KG = (
    "head_id:token\trelation_id:token\ttail_id:token\n"
    "m.a\tfilm.film.genre\tm.comedy\nm.comedy\tfilm_genre.films\tm.a\n"
    "m.a\tfilm.film.sequel\tm.b\nm.b\tfilm.film.genre\tm.comedy\nm.b\tfilm.film.genre\tm.comedy\n"
    "m.elsewhere\tfilm.film.genre\tm.comedy\n"
)


@pytest.fixture
def films() -> Dataset:
    items = pd.DataFrame({"item_id": ["9", "8", "7"], "title": list("BXA")})
    events = pd.DataFrame({"user": [0], "item": [0], "rating": [5.0], "timestamp": [1]})
    card = DatasetCard("ml-100k", "films", "made up", "CC0")
    return Dataset("ml-100k", events, items, pd.DataFrame({"user_id": ["1"]}), card)


def write(folder: Path, kg: str = KG, link: str = LINK) -> Path:
    (folder / "ml-100k-kg").mkdir()
    (folder / "ml-100k-kg" / "ml-100k.kg").write_text(kg)
    (folder / "ml-100k-kg" / "ml-100k.link").write_text(link)
    return folder


def test_triples_about_the_films_with_films_named_as_items(tmp_path, films):
    found = with_movielens_graph(films, write(tmp_path))
    assert sorted(found.graph.itertuples(index=False, name=None)) == [
        (0, "film.film.genre", "m.comedy"),
        (2, "film.film.genre", "m.comedy"),
        (2, "film.film.sequel", "item:9"),
    ]
    assert found.card.counts["triples"] == 3 and "about 2 items" in found.card.notes[-1]


@pytest.mark.parametrize(
    ("kg", "link", "words"),
    [
        ("a\tb\n1\t2\n", LINK, "expected ['head_id:token'"),
        ("", LINK, "is damaged"),
        (KG, LINK.replace("7\t", "17\t").replace("9\t", "19\t"), "links none of the 3 items"),
    ],
)
def test_files_that_are_no_good_end_in_one_line(tmp_path, films, kg, link, words):
    with pytest.raises(InputError) as caught:
        with_movielens_graph(films, write(tmp_path, kg, link))
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_a_missing_folder_is_named(tmp_path, films, monkeypatch):
    with pytest.raises(InputError, match="ml-100k.kg is missing"):
        with_movielens_graph(films, tmp_path)
    monkeypatch.delenv("TUTORIAL_DATA", raising=False)
    with pytest.raises(InputError, match="no folder was given"):
        with_movielens_graph(films)
