"""MovieLens 100K, 1M and latest-small (GroupLens), each in its own original format."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tutorial_lib.data.dataset import Dataset
from tutorial_lib.data.files import Source
from tutorial_lib.data.tables import TableReader

RATINGS = {"user": int, "item": int, "rating": float, "timestamp": int}
TERMS = (
    "research use with acknowledgement in publications; no implied endorsement by the University of"
    " Minnesota or GroupLens; no commercial or revenue-bearing use without permission; "
)
CITATION = (
    "F. Maxwell Harper and Joseph A. Konstan. 2015. The MovieLens Datasets: History and Context."
    " ACM Transactions on Interactive Intelligent Systems 5, 4: 19:1-19:19."
    " https://doi.org/10.1145/2827872"
)
ABOUT = {
    "ml-100k": {
        "title": "MovieLens 100K",
        "source": "https://grouplens.org/datasets/movielens/100k/",
        "licence": TERMS + "no redistribution without separate permission",
        "citation": CITATION,
    },
    "ml-1m": {
        "title": "MovieLens 1M",
        "source": "https://grouplens.org/datasets/movielens/1m/",
        "licence": TERMS + "no redistribution without separate permission",
        "citation": CITATION,
    },
    "ml-latest-small": {
        "title": "MovieLens latest-small (September 2018)",
        "source": "https://grouplens.org/datasets/movielens/latest/",
        "licence": (
            TERMS + "redistribution, also of transformations, only under these same conditions"
        ),
        "citation": CITATION,
    },
}
GENRES = (
    "unknown|Action|Adventure|Animation|Children's|Comedy|Crime|Documentary|Drama|Fantasy|Film-Noir|Horror|"
    "Musical|Mystery|Romance|Sci-Fi|Thriller|War|Western"
).split("|")
AGES = {
    1: "under 18",
    18: "18-24",
    25: "25-34",
    35: "35-44",
    45: "45-49",
    50: "50-55",
    56: "56+",
}  # lowest age: group, as ml-1m has it
OCCUPATIONS = (
    "other|academic/educator|artist|clerical/admin|college/grad student|customer"
    " service|doctor/health care|executive/managerial|"
    "farmer|homemaker|K-12"
    " student|lawyer|programmer|retired|sales/marketing|scientist|self-employed|technician/engineer|"
    "tradesman/craftsman|unemployed|writer"
).split("|")


def read_movielens(source: Source, name: str, *, bad_rows: str = "error") -> Dataset:
    """The MovieLens release ``name`` ("ml-100k", "ml-1m" or "ml-latest-small") from its folder or
    zip.

    The catalogue is the whole item table, also films nobody rated. Titles and categories (genres)
    are as published, without
    descriptions: ``text`` is empty, and the tags of latest-small are ``reviews``. A knowledge graph
        in a folder `ml-100k-kg`
    beside ml-100k becomes ``graph``. Raises InputError naming file and line of a malformed row, or
    see ``bad_rows`` of `load_dataset`.
    """
    reader = TableReader(source, name, bad_rows)
    return {"ml-100k": _read_100k, "ml-1m": _read_1m, "ml-latest-small": _read_latest_small}[name](
        reader
    )


def _read_100k(reader: TableReader) -> Dataset:
    flags = {f"genre {genre}": int for genre in GENRES}
    columns = {
        "item_id": int,
        "title": str,
        "release_date": str,
        "video_date": str,
        "imdb_url": str,
        **flags,
    }
    limits = {flag: (0, 1) for flag in flags}
    films = reader.table("u.item", columns, separator="|", encoding="latin-1", limits=limits)
    films = _legible(reader, "u.item", reader.unique("u.item", films, "item_id"))
    genres = np.array(GENRES, dtype=object)
    films = films.assign(
        categories=[tuple(genres[row]) for row in films[list(flags)].to_numpy(dtype=bool)]
    )
    columns = {"user_id": int, "age": int, "gender": str, "occupation": str, "zip_code": str}
    people = reader.unique(
        "u.user",
        reader.table("u.user", columns, separator="|", limits={"age": (0, 120)}),
        "user_id",
    )
    ratings = reader.table("u.data", RATINGS, limits={"rating": (1, 5), "timestamp": (0, 2**40)})
    about, tables = ABOUT["ml-100k"], {}
    graph = _read_graph(reader, films["item_id"])
    if graph is not None:
        tables["graph"] = graph
        about = about | {
            "licence": (
                about["licence"]
                + "; graph: triples from Freebase (CC BY), linked for non-commercial research"
            )
        }
        about = about | {
            "citation": (
                about["citation"]
                + "; graph: Zhao et al. 2019, KB4Rec, Data Intelligence 1(2), arXiv 1807.11141"
            )
        }
    return _finish(
        reader, "u.data", ratings, _items(films, ["release_date"]), _users(people), about, **tables
    )


def _read_1m(reader: TableReader) -> Dataset:
    films = reader.table(
        "movies.dat",
        {"item_id": int, "title": str, "genres": str},
        separator="::",
        encoding="latin-1",
    )
    films = _legible(reader, "movies.dat", reader.unique("movies.dat", films, "item_id"))
    films = films.assign(categories=[tuple(genres.split("|")) for genres in films["genres"]])
    columns = {"user_id": int, "gender": str, "age": int, "occupation": int, "zip_code": str}
    people = reader.table(
        "users.dat",
        columns,
        separator="::",
        limits={"age": (0, 120), "occupation": (0, len(OCCUPATIONS) - 1)},
    )
    people = reader.unique("users.dat", people, "user_id")
    people = people.assign(occupation=np.array(OCCUPATIONS, dtype=object)[people["occupation"]])
    ratings = reader.table(
        "ratings.dat", RATINGS, separator="::", limits={"rating": (1, 5), "timestamp": (0, 2**40)}
    )
    return _finish(reader, "ratings.dat", ratings, _items(films), _users(people), ABOUT["ml-1m"])


def _read_latest_small(reader: TableReader) -> Dataset:
    columns = {"item_id": int, "title": str, "genres": str}
    films = reader.table(
        "movies.csv", columns, separator=",", header="movieId,title,genres", quoted=True
    )
    films = _legible(reader, "movies.csv", reader.unique("movies.csv", films, "item_id"))
    films = films.assign(
        categories=[
            () if g == "(no genres listed)" else tuple(g.split("|")) for g in films["genres"]
        ]
    )
    limits = {"rating": (0.5, 5), "timestamp": (0, 2**40)}
    ratings = reader.table(
        "ratings.csv",
        RATINGS,
        separator=",",
        header="userId,movieId,rating,timestamp",
        limits=limits,
    )
    columns = {"user": int, "item": int, "text": str, "timestamp": int}
    tags = reader.table(
        "tags.csv", columns, separator=",", header="userId,movieId,tag,timestamp", quoted=True
    )
    given = (
        ratings.sort_values("timestamp", kind="stable")
        .drop_duplicates(["user", "item"])
        .set_index(["user", "item"])["rating"]
    )
    tags = tags.assign(
        rating=given.reindex(pd.MultiIndex.from_frame(tags[["user", "item"]])).to_numpy()
    )
    users = pd.DataFrame({"user_id": np.unique(np.concatenate([ratings["user"], tags["user"]]))})
    tags = reader.coded("tags.csv", tags, "user", users["user_id"], "ratings.csv")
    tags = reader.coded("tags.csv", tags, "item", films["item_id"], "movies.csv")
    reader.notes.append(
        "reviews are the tags that users gave to films, one row a tag; their rating is NaN where"
        " the user gave none"
    )
    reviews = tags[["user", "item", "rating", "text", "timestamp"]]
    return _finish(
        reader,
        "ratings.csv",
        ratings,
        _items(films),
        users,
        ABOUT["ml-latest-small"],
        reviews=reviews,
    )


def _finish(
    reader: TableReader,
    member: str,
    ratings: pd.DataFrame,
    items: pd.DataFrame,
    users: pd.DataFrame,
    about: dict,
    **tables,
) -> Dataset:
    ratings = reader.coded(member, ratings, "user", users["user_id"], "the user table")
    ratings = reader.first_of_each_pair(
        reader.coded(member, ratings, "item", items["item_id"], "the item table")
    )
    unrated = len(items) - ratings["item"].nunique()
    if unrated:
        reader.notes.append(
            f"{unrated:,} of {len(items):,} items have no rating and stay in the catalogue"
        )
    reader.note_repeated_titles(items)
    return reader.dataset(ratings, items, users, about, **tables)


def _legible(reader: TableReader, member: str, films: pd.DataFrame) -> pd.DataFrame:
    """The films; a title that went through a wrong encoding ("BlÃ¥bÃ¦r") is malformed."""
    wrong = films["title"][films["title"].map(_garbled).astype(bool)]
    bad = {line: f"title {t!r} is UTF-8 read as another encoding" for line, t in wrong.items()}
    expected = "letters as published; download the file again, or save it as UTF-8"
    return reader.reject(member, films, bad, expected)


def _garbled(title: str) -> bool:
    """Was this text UTF-8, taken for cp1252 or latin-1, and saved as that?"""
    for encoding in () if title.isascii() else ("cp1252", "latin-1"):
        try:
            title.encode(encoding).decode("utf-8")
        except UnicodeError:
            continue
        return True
    return False


def _items(films: pd.DataFrame, extras: list[str] | None = None) -> pd.DataFrame:
    """The item table; year: as the title gives it in brackets, 0 where it does not."""
    year = (
        films["title"].str.extract(r"\((\d{4})[^()]*\)\s*$", expand=False).fillna("0").astype(int)
    )
    films = films.assign(text="", provider="", year=year)
    return films[["item_id", "title", "text", "categories", "provider", "year", *(extras or [])]]


def _users(people: pd.DataFrame) -> pd.DataFrame:
    starts = np.array(list(AGES))
    group = np.array(list(AGES.values()), dtype=object)[
        np.searchsorted(starts[1:], people["age"], side="right")
    ]
    return people.assign(age_group=group)[
        ["user_id", "gender", "age_group", "age", "occupation", "zip_code"]
    ]


def _read_graph(reader: TableReader, item_ids: pd.Series) -> pd.DataFrame | None:
    """Triples about linked films from a folder `ml-100k-kg` beside the data; None without one."""
    members = ("ml-100k.kg", "ml-100k.link")
    source = reader.source.beside("ml-100k-kg", members)
    if source is None:
        return None
    side = TableReader(source, reader.name, reader.bad_rows)
    triples = side.table(
        members[0],
        {"head": str, "relation": str, "tail": str},
        header="head_id:token\trelation_id:token\ttail_id:token",
    )
    links = side.table(
        members[1], {"item": int, "entity": str}, header="item_id:token\tentity_id:token"
    )
    links = side.unique(members[1], links, "entity")
    links = links.assign(item=pd.Index(item_ids).get_indexer(links["item"]))
    links = links[links["item"] >= 0]  # an item table may be a part of the published one
    heads = pd.Index(links["entity"]).get_indexer(triples["head"])
    kept = triples[heads >= 0].assign(head=links["item"].to_numpy()[heads[heads >= 0]])
    names = {
        r: r.removeprefix("film.film.").removeprefix("film.").replace(".", " ").replace("_", " ")
        for r in kept["relation"].unique()
    }
    side.notes.append(
        f"graph: {len(kept):,} of {len(triples):,} triples start at one of the {len(links):,}"
        " linked films; the others (their head is a person, genre or film outside the catalogue)"
        " are left out; tails are Freebase ids"
    )
    reader.sha256 |= side.sha256
    reader.notes += side.notes
    return kept.assign(relation=kept["relation"].map(names))
