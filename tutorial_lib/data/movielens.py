"""MovieLens 100K, 1M and latest-small (GroupLens), each in its own original format."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tutorial_lib.data.dataset import Dataset
from tutorial_lib.data.files import Source
from tutorial_lib.data.tables import TableReader

RATINGS = {"user": int, "item": int, "rating": float, "timestamp": int}
TAGS = {"user": int, "item": int, "text": str, "timestamp": int}
FILMS = {"item_id": int, "title": str, "genres": str}
WHEN = (0, 2**40)  # seconds
GENRES = (
    "unknown|Action|Adventure|Animation|Children's|Comedy|Crime|Documentary|Drama|Fantasy|Film-Noir"
    "|Horror|Musical|Mystery|Romance|Sci-Fi|Thriller|War|Western"
).split("|")
AGES = {  # lowest age: group, as ml-1m has it
    1: "under 18",
    18: "18-24",
    25: "25-34",
    35: "35-44",
    45: "45-49",
    50: "50-55",
    56: "56+",
}
OCCUPATIONS = (
    "other|academic/educator|artist|clerical/admin|college/grad student|customer service"
    "|doctor/health care|executive/managerial|farmer|homemaker|K-12 student|lawyer|programmer"
    "|retired|sales/marketing|scientist|self-employed|technician/engineer|tradesman/craftsman"
    "|unemployed|writer"
).split("|")


def read_movielens(source: Source, name: str, bad_rows: str) -> Dataset:
    """A MovieLens release from its folder or zip.

    The catalogue is the whole item table, with films that nobody rated. Titles and categories
    (genres) are as published, without descriptions: ``text`` is empty. The tags of latest-small are
    ``reviews``. A knowledge graph in a folder `ml-100k-kg` beside ml-100k becomes ``graph``.

    Args:
        source: the files.
        name: "ml-100k", "ml-1m" or "ml-latest-small".
        bad_rows: "error" or "skip", see `load_dataset`.

    Raises:
        InputError: a row is malformed (file and line are named).
    """
    reader = TableReader(source, name, bad_rows)
    if name == "ml-100k":
        return _read_100k(reader)
    return _read_1m(reader) if name == "ml-1m" else _read_latest_small(reader)


def _read_100k(reader: TableReader) -> Dataset:
    flags = [f"genre {genre}" for genre in GENRES]
    texts = ("title", "release_date", "video_date", "imdb_url")
    columns = {"item_id": int, **dict.fromkeys(texts, str), **dict.fromkeys(flags, int)}
    limits = dict.fromkeys(flags, (0, 1))
    films = reader.table("u.item", columns, separator="|", encoding="latin-1", limits=limits)
    films = _legible(reader, "u.item", reader.unique("u.item", films, "item_id"))
    genres = np.array(GENRES, dtype=object)
    categories = [tuple(genres[row]) for row in films[flags].to_numpy(dtype=bool)]
    columns = {"user_id": int, "age": int, "gender": str, "occupation": str, "zip_code": str}
    people = reader.table("u.user", columns, separator="|", limits={"age": (0, 120)})
    people = reader.unique("u.user", people, "user_id")
    ratings = reader.table("u.data", RATINGS, limits={"rating": (1, 5), "timestamp": WHEN})
    items = _items(films, categories).assign(release_date=films["release_date"])
    others = _read_graph(reader, films["item_id"])
    return _finish(reader, "u.data", ratings, items, _users(people), **others)


def _read_1m(reader: TableReader) -> Dataset:
    films = reader.table("movies.dat", FILMS, separator="::", encoding="latin-1")
    films = _legible(reader, "movies.dat", reader.unique("movies.dat", films, "item_id"))
    categories = [tuple(genres.split("|")) for genres in films["genres"]]
    columns = {"user_id": int, "gender": str, "age": int, "occupation": int, "zip_code": str}
    limits = {"age": (0, 120), "occupation": (0, len(OCCUPATIONS) - 1)}
    people = reader.table("users.dat", columns, separator="::", limits=limits)
    people = reader.unique("users.dat", people, "user_id")
    people = people.assign(occupation=np.array(OCCUPATIONS, dtype=object)[people["occupation"]])
    limits = {"rating": (1, 5), "timestamp": WHEN}
    ratings = reader.table("ratings.dat", RATINGS, separator="::", limits=limits)
    return _finish(reader, "ratings.dat", ratings, _items(films, categories), _users(people))


def _read_latest_small(reader: TableReader) -> Dataset:
    films = reader.table(
        "movies.csv", FILMS, separator=",", header="movieId,title,genres", quoted=True
    )
    films = _legible(reader, "movies.csv", reader.unique("movies.csv", films, "item_id"))
    named = films["genres"].where(films["genres"] != "(no genres listed)", "")
    categories = [tuple(genres.split("|")) if genres else () for genres in named]
    ratings = reader.table(
        "ratings.csv",
        RATINGS,
        separator=",",
        header="userId,movieId,rating,timestamp",
        limits={"rating": (0.5, 5), "timestamp": WHEN},
    )
    tags = reader.table(
        "tags.csv", TAGS, separator=",", header="userId,movieId,tag,timestamp", quoted=True
    )
    first = ratings.sort_values("timestamp", kind="stable").drop_duplicates(["user", "item"])
    given = first.set_index(["user", "item"])["rating"]
    pairs = pd.MultiIndex.from_frame(tags[["user", "item"]])
    tags = tags.assign(rating=given.reindex(pairs).to_numpy())
    users = pd.DataFrame({"user_id": np.unique(np.concatenate([ratings["user"], tags["user"]]))})
    tags = reader.coded("tags.csv", tags, "user", users["user_id"], "ratings.csv")
    tags = reader.coded("tags.csv", tags, "item", films["item_id"], "movies.csv")
    reader.notes.append(
        "reviews are the tags that users gave to films, one row per tag; their rating is NaN where "
        "the user gave none"
    )
    reviews = tags[["user", "item", "rating", "text", "timestamp"]]
    items = _items(films, categories)
    return _finish(reader, "ratings.csv", ratings, items, users, reviews=reviews)


def _finish(
    reader: TableReader,
    member: str,
    ratings: pd.DataFrame,
    items: pd.DataFrame,
    users: pd.DataFrame,
    **others: pd.DataFrame,
) -> Dataset:
    ratings = reader.coded(member, ratings, "user", users["user_id"], "the user table")
    ratings = reader.coded(member, ratings, "item", items["item_id"], "the item table")
    ratings = reader.first_of_each_pair(ratings)
    unrated = len(items) - ratings["item"].nunique()
    if unrated:
        reader.notes.append(
            f"{unrated:,} of {len(items):,} items have no rating and stay in the catalogue"
        )
    reader.note_repeated_titles(items)
    return reader.dataset(ratings, items, users, **others)


def _legible(reader: TableReader, member: str, films: pd.DataFrame) -> pd.DataFrame:
    """The films; a title that went through a wrong encoding ("BlÃ¥bÃ¦r") is malformed."""
    wrong = [_garbled(title) for title in films["title"]]
    why = "is UTF-8 read as another encoding"
    expected = "letters as published; download the file again, or save it as UTF-8"
    return reader.reject(member, films, "title", wrong, why, expected)


def _garbled(title: str) -> bool:
    """Was this text UTF-8, taken for cp1252 or latin-1, and saved as that?"""
    for encoding in () if title.isascii() else ("cp1252", "latin-1"):
        try:
            title.encode(encoding).decode("utf-8")
        except UnicodeError:
            continue
        return True
    return False


def _items(films: pd.DataFrame, categories: list[tuple[str, ...]]) -> pd.DataFrame:
    """The item table; year: as the title gives it in brackets, 0 where it does not."""
    year = films["title"].str.extract(r"\((\d{4})[^()]*\)\s*$", expand=False).fillna("0")
    films = films.assign(text="", categories=categories, provider="", year=year.astype(int))
    return films[["item_id", "title", "text", "categories", "provider", "year"]]


def _users(people: pd.DataFrame) -> pd.DataFrame:
    """The user table; age_group as ml-1m has it."""
    groups = np.array(list(AGES.values()), dtype=object)
    starts = np.array(list(AGES))
    group = groups[np.searchsorted(starts[1:], people["age"], side="right")]
    columns = ["user_id", "gender", "age_group", "age", "occupation", "zip_code"]
    return people.assign(age_group=group)[columns]


def _read_graph(reader: TableReader, item_ids: pd.Series) -> dict[str, pd.DataFrame]:
    """{"graph": triples about linked films} from a folder `ml-100k-kg` beside the data; {} without
    one.
    """
    graph = "ml-100k.kg"
    link = "ml-100k.link"
    source = reader.source.beside("ml-100k-kg", [graph, link])
    if source is None:
        return {}
    side = TableReader(source, reader.name, reader.bad_rows)
    columns: dict[str, type] = {"head": str, "relation": str, "tail": str}
    header = "head_id:token\trelation_id:token\ttail_id:token"
    triples = side.table(graph, columns, header=header)
    columns = {"item": int, "entity": str}
    links = side.table(link, columns, header="item_id:token\tentity_id:token")
    links = side.unique(link, links, "entity")
    links = links.assign(item=pd.Index(item_ids).get_indexer(links["item"]))
    links = links[links["item"] >= 0]  # an item table may be a part of the published one
    heads = pd.Index(links["entity"]).get_indexer(triples["head"])
    known = heads >= 0
    kept = triples[known].assign(head=links["item"].to_numpy()[heads[known]])
    relation = kept["relation"].str.replace(r"^(film\.film\.|film\.)", "", regex=True)
    relation = relation.str.replace(r"[._]", " ", regex=True)
    reader.notes += side.notes
    reader.notes.append(
        f"graph: {len(kept):,} of {len(triples):,} triples start at one of the {len(links):,} "
        "linked films; the others (their head is a person, genre or film outside the catalogue) "
        "are left out; tails are Freebase ids"
    )
    reader.sha256 |= side.sha256
    reader.about["licence"] += (
        "; graph: triples from Freebase (CC BY), linked for non-commercial research"
    )
    reader.about["citation"] += (
        "; graph: Zhao et al. 2019, KB4Rec, Data Intelligence 1(2), arXiv 1807.11141"
    )
    return {"graph": kept.assign(relation=relation)}
