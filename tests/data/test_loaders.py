"""Loaders of real formats, on small files made here: what is read, what is refused, and what the
card tells.
"""

from __future__ import annotations

import zipfile

import numpy as np
import pytest

from tutorial_lib.data import files, load_dataset
from tutorial_lib.data.movielens import GENRES
from tutorial_lib.errors import InputError


def item_100k(number, title, *genres):
    return f"{number}|{title}|01-Jan-1995||http://example.org|" + "|".join(
        str(int(g in genres)) for g in GENRES
    )


ML_100K = {
    "u.data": b"2\t1\t5\t300\n1\t3\t4\t100\n1\t1\t3\t100\n2\t3\t1\t200\n1\t2\t2\t50\n",
    "u.item": (
        "\n".join(
            [
                item_100k(1, "Misérables, Les (1995)", "Drama", "Musical"),
                item_100k(2, "unknown", "unknown"),
                item_100k(3, '"Q" (1982)'),
            ]
        ).encode("latin-1")
        + b"\n"
    ),
    "u.user": b"1|24|M|technician|85711\n2|56|F|other|T8H1N\n",
}
ML_1M = {
    "ratings.dat": b"1::1193::5::978300760\n1::661::3::978302109\n2::1193::4::978298413\n",
    "movies.dat": (
        b"661::L\xe9on: The Professional (1994)::Crime|Drama\n1193::Star Trek: X (1979)::Sci-Fi\n"
    ),
    "users.dat": b"1::F::1::10::48067\n2::M::56::16::70072\n",
}
ML_SMALL = {
    "ratings.csv": (
        b"userId,movieId,rating,timestamp\r\n"
        b"1,1,4.0,964982703\r\n1,6,0.5,964981247\r\n2,1,3.5,1445714835\r\n"
    ),
    "movies.csv": (
        "movieId,title,genres\r\n"
        "1,Toy Story (1995),Adventure|Comedy\r\n"
        '6,"Misérables, Les ""1995"" (1995)",(no genres listed)\r\n'
    ).encode(),
    "tags.csv": (
        b"userId,movieId,tag,timestamp\r\n"
        b'2,1,"funny, ""really""",1445714994\r\n2,6,sad,1445714996\r\n'
    ),
}
GAMES = {
    "Games-6k.test.inter": (
        b"user_id:token\titem_id_list:token_seq\titem_id:token\n0\t0 1\t2\n7\t2\t0\n"
    ),
    "Games-6k.item": (
        b'item_id:token\ttitle:token_seq\n0\tPikmin &amp; Olimar\n1\t3" Monitor\n2\tChess\n'
    ),
}
ARTICLE = "N{0}\tsports\tgolf\tTitle {0}\tAbstract\thttps://example.org\t[]\t[]"
MIND = {
    "behaviors.tsv": (
        b"1\tU9\t11/14/2019 9:00:00 AM\tN1 N2 N1\tN3-0 N4-1\n"
        b"2\tU5\t11/12/2019 12:00:00 PM\t\tN1-1 N2-0 N3-1\n"
        b"3\tU9\t11/12/2019 11:59:59 PM\tN1 N2 N1\tN3-1 N99-1\n"
    ),
    "news.tsv": "\n".join(ARTICLE.format(n) for n in (1, 2, 3, 4)).encode(),
}
PUBLISHED = {
    "ml-100k": ML_100K,
    "ml-1m": ML_1M,
    "ml-latest-small": ML_SMALL,
    "amazon-games": GAMES,
    "mind-small": MIND,
}


@pytest.fixture
def load(tmp_path):
    """load(name, file=bytes, ...) loads a data set from a folder in which these files replace the
    usual ones.
    """

    def from_folder(name, changed=None, **options):
        folder = tmp_path / "data" / name
        folder.mkdir(parents=True, exist_ok=True)
        for member, content in (PUBLISHED[name] | (changed or {})).items():
            (folder / member).write_bytes(content)
        return load_dataset(name, root=tmp_path / "data", download=False, **options)

    return from_folder


def rows(dataset):
    """Interactions in source ids, in row order."""
    frame = dataset.interactions
    users = dataset.users["user_id"].to_numpy()[frame["user"]]
    items = dataset.items["item_id"].to_numpy()[frame["item"]]
    columns = (users, items, frame["rating"], frame["timestamp"])
    return list(zip(*(column.tolist() for column in columns), strict=True))


def test_ml_100k(load):
    dataset = load("ml-100k")
    # file order, not sorted
    assert rows(dataset) == [
        (2, 1, 5, 300),
        (1, 3, 4, 100),
        (1, 1, 3, 100),
        (2, 3, 1, 200),
        (1, 2, 2, 50),
    ]
    # latin-1; a quotation mark is a letter
    assert dataset.items["title"].tolist() == ["Misérables, Les (1995)", "unknown", '"Q" (1982)']
    assert dataset.items["categories"].tolist() == [("Drama", "Musical"), ("unknown",), ()]
    assert dataset.items["year"].tolist() == [1995, 0, 1982]
    assert dataset.users["age_group"].tolist() == ["18-24", "56+"]
    assert dataset.users["zip_code"].tolist() == ["85711", "T8H1N"]
    # the tie at 100 keeps file order: film 3 before film 1
    assert [s.tolist() for s in dataset.sequences()] == [[1, 2, 0], [2, 0]]
    assert "no redistribution" in dataset.card.licence and dataset.card.counts["interactions"] == 5


def test_ml_1m(load):
    dataset = load("ml-1m")
    assert rows(dataset) == [
        (1, 1193, 5, 978300760),
        (1, 661, 3, 978302109),
        (2, 1193, 4, 978298413),
    ]
    # one colon does not split
    assert dataset.items["title"].tolist() == [
        "Léon: The Professional (1994)",
        "Star Trek: X (1979)",
    ]
    assert dataset.items["categories"].tolist() == [("Crime", "Drama"), ("Sci-Fi",)]
    assert dataset.users[["gender", "age_group", "occupation"]].to_numpy().tolist() == [
        ["F", "under 18", "K-12 student"],
        ["M", "56+", "self-employed"],
    ]


def test_ml_latest_small(load):
    dataset = load("ml-latest-small")
    assert rows(dataset) == [
        (1, 1, 4.0, 964982703),
        (1, 6, 0.5, 964981247),
        (2, 1, 3.5, 1445714835),
    ]
    # utf-8, CSV quotes, CRLF
    assert dataset.items["title"].tolist() == ["Toy Story (1995)", 'Misérables, Les "1995" (1995)']
    assert dataset.items["categories"].tolist() == [("Adventure", "Comedy"), ()]
    assert dataset.reviews["text"].tolist() == ['funny, "really"', "sad"]
    assert dataset.reviews[["user", "item"]].to_numpy().tolist() == [[1, 0], [1, 1]]
    # the tag's film as its user rated it, or not
    np.testing.assert_array_equal(dataset.reviews["rating"], [3.5, np.nan])
    assert "same conditions" in dataset.card.licence


def test_amazon_games(load):
    dataset = load("amazon-games")
    # history, then last
    assert [row[:2] + row[3:] for row in rows(dataset)] == [
        (0, 0, 0),
        (0, 1, 1),
        (0, 2, 2),
        (7, 2, 0),
        (7, 0, 1),
    ]
    assert dataset.interactions["rating"].isna().all()
    assert dataset.items["title"].tolist() == ["Pikmin & Olimar", '3" Monitor', "Chess"]
    assert any("leak the order" in note for note in dataset.card.notes)
    assert any("positions" in note for note in dataset.card.notes)


def test_a_user_without_items_has_no_interactions(load):
    lines = GAMES["Games-6k.test.inter"] + b"9\t\t\n"
    dataset = load("amazon-games", {"Games-6k.test.inter": lines})
    assert dataset.n_users == 3 and [len(s) for s in dataset.sequences()] == [3, 2, 0]


def test_mind_small(load):
    dataset = load("mind-small")
    # U9's first impression is on the third line, at 23:59:59 on 12 November: three clicks before it
    first = 1573603199 - 3
    noon = 1573560000
    assert [row[:2] + row[3:] for row in rows(dataset)] == [
        ("U9", "N1", first),
        ("U9", "N2", first + 1),
        ("U9", "N4", noon + 45 * 3600),
        ("U5", "N1", noon),
        ("U5", "N3", noon),
        ("U9", "N3", first + 3),
    ]
    assert [dataset.items["item_id"][s].tolist() for s in dataset.sequences()] == [
        ["N1", "N2", "N3", "N4"],
        ["N1", "N3"],
    ]
    assert (
        dataset.items["categories"][0] == ("sports", "golf")
        and dataset.items["text"][0] == "Abstract"
    )
    notes = " ".join(dataset.card.notes)
    assert "1 of 8 clicks are on articles that news.tsv lacks" in notes
    assert "1 repeated (user, item) pairs" in notes  # N1 stands twice in U9's history
    assert "3 of 156,965 impressions" in notes


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("top", ["", "top/"], ids=["flat", "with top folder"])
def test_zip_and_folder_give_the_same_dataset(load, tmp_path, name, top):
    folder = load(name)
    path = tmp_path / "zips" / files.ORIGINS[name].archives[0]
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in PUBLISHED[name].items():
            archive.writestr(top + member, content)
    zipped = load_dataset(name, root=path.parent, download=False)
    for table in ("interactions", "items", "users", "graph", "reviews"):
        assert getattr(folder, table).equals(getattr(zipped, table)), table
    assert folder.card == zipped.card


BROKEN = [  # name, file, line that is broken, its new content, what must be said
    ("ml-100k", "u.data", 3, b"1\t1\t3", "found 3 fields in '1\\t1\\t3'; expected 4 fields"),
    ("ml-100k", "u.data", 1, b"2\t1\t5\t300\t9", "found 5 fields"),
    ("ml-100k", "u.data", 4, b"2\tthree\t1\t200", "item 'three' is not a whole number"),
    ("ml-100k", "u.data", 2, b"1\t3\t4\t100.5", "timestamp '100.5' is not a whole number"),
    ("ml-100k", "u.data", 2, b"1\t3\tnan\t100", "rating 'nan' is not a number"),
    ("ml-100k", "u.data", 2, b"1\t3\t6\t100", "rating 6.0 outside 1..5"),
    (
        "ml-100k",
        "u.data",
        2,
        b"1\t3\t4\t99999999999999999999",
        "timestamp '99999999999999999999' is not a whole number",
    ),
    ("ml-100k", "u.data", 2, b"", "found 1 field in ''"),
    ("ml-100k", "u.data", 5, b"1\t77\t2\t50", "item 77 is not in the item table"),
    ("ml-100k", "u.data", 5, b"8\t2\t2\t50", "user 8 is not in the user table"),
    ("ml-100k", "u.item", 2, b"2|unknown", "found 2 fields"),
    ("ml-100k", "u.item", 2, item_100k(1, "again").encode(), "item_id 1 is there already"),
    ("ml-100k", "u.user", 2, b"2|old|F|other|1", "age 'old' is not a whole number"),
    (
        "ml-1m",
        "ratings.dat",
        2,
        b"1:661:3:978302109",
        "found 1 field in '1:661:3:978302109'; expected 4 fields split by '::'",
    ),
    ("ml-1m", "users.dat", 1, b"1::F::1::99::48067", "occupation 99 outside 0..20"),
    ("ml-latest-small", "ratings.csv", 3, b"1,6,0.5", "found 3 fields"),
    ("ml-latest-small", "movies.csv", 3, b'6,"Open quote,Drama', "found 0 fields"),
    ("ml-latest-small", "movies.csv", 3, b"6,Mis\xe9rables,Drama", "bytes that are not utf-8"),
    ("ml-latest-small", "tags.csv", 2, b"2,99,tag,1445714994", "item 99 is not in movies.csv"),
    ("amazon-games", "Games-6k.test.inter", 3, b"7\t2 9\t0", "item '9' is not in Games-6k.item"),
    ("amazon-games", "Games-6k.item", 2, b"0", "found 1 field"),
    ("mind-small", "behaviors.tsv", 2, b"2\tU5\tnoon\t\tN1-1", "time 'noon'"),
    (
        "mind-small",
        "behaviors.tsv",
        2,
        b"2\tU5\t11/12/2019 12:00:00 PM\t\tN1 N2-0",
        "impressions 'N1 N2-0'",
    ),
    (
        "mind-small",
        "behaviors.tsv",
        2,
        b"2\tU5\t11/12/9999 12:00:00 PM\t\tN1-1",
        "time '11/12/9999 12:00:00 PM'",
    ),
    (
        "mind-small",
        "behaviors.tsv",
        2,
        b"2\tU5\t11/12/2262 12:00:00 PM\t\tN1-1",
        "time '11/12/2262 12:00:00 PM'",
    ),
    (
        "mind-small",
        "behaviors.tsv",
        2,
        b"2\tU5\t11/12/0001 12:00:00 PM\t\tN1-1",
        "from 1990-01-01 to 2100-01-01",
    ),
    (
        "mind-small",
        "behaviors.tsv",
        2,
        b"2\tU5\t1/1/1970 12:00:00 AM\t\tN1-1",
        "time '1/1/1970 12:00:00 AM'",
    ),
    (
        "mind-small",
        "behaviors.tsv",
        2,
        b"2\tU5\t13/32/2019 12:00:00 PM\t\tN1-1",
        "time '13/32/2019 12:00:00 PM'",
    ),
    ("mind-small", "news.tsv", 4, b"N4\tsports", "found 2 fields"),
]


def break_line(name, member, line, content):
    lines = PUBLISHED[name][member].split(b"\n")
    lines[line - 1] = content
    return {member: b"\n".join(lines)}


@pytest.mark.parametrize(
    ("name", "member", "line", "content", "said"),
    BROKEN,
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_a_broken_row_is_refused_by_file_and_line(load, name, member, line, content, said):
    with pytest.raises(InputError) as caught:
        load(name, break_line(name, member, line, content))
    message = str(caught.value)
    assert (
        f"{name}/{member}, line {line}: " in message
        and said in message
        and "bad_rows='skip'" in message
    )
    assert "\n" not in message


@pytest.mark.parametrize(
    ("name", "member", "line", "content", "said"),
    BROKEN,
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_a_skipped_row_is_listed_and_nothing_else_goes(load, name, member, line, content, said):
    whole, part = load(name), load(name, break_line(name, member, line, content), bad_rows="skip")
    assert any(f"left out: 1 ({member}:{line})" in note for note in part.card.notes)
    assert 0 < len(part.interactions) <= len(whole.interactions)
    if member in ("u.data", "ratings.dat", "ratings.csv"):
        assert len(part.interactions) == len(whole.interactions) - 1


def test_many_skipped_rows_are_counted_and_the_listing_is_capped(load):
    bad = load("ml-100k", {"u.data": ML_100K["u.data"] + b"x\n" * 1000}, bad_rows="skip")
    note = next(note for note in bad.card.notes if "malformed" in note)
    assert note.startswith(
        "malformed rows left out: 1,000 (u.data:6, u.data:7, "
    ) and note.endswith("u.data:25 and 980 more)")
    assert len(bad.interactions) == 5


def test_repeated_pairs_keep_the_first_in_time_and_are_counted(load):
    repeated = b"1\t1\t3\t500\n1\t1\t1\t40\n1\t1\t5\t40\n" + ML_100K["u.data"]
    dataset = load("ml-100k", {"u.data": repeated})
    assert rows(dataset) == [
        (1, 1, 1, 40),
        (2, 1, 5, 300),
        (1, 3, 4, 100),
        (2, 3, 1, 200),
        (1, 2, 2, 50),
    ]
    assert "3 repeated (user, item) pairs left out: the first in time is kept" in dataset.card.notes


def test_a_copy_that_differs_from_the_published_file_is_noted(load):
    assert "u.data differs from the published file" in " ".join(load("ml-100k").card.notes)


@pytest.mark.parametrize("member", ["ratings.csv", "movies.csv", "tags.csv"])
def test_a_missing_header_is_not_taken_for_a_row(load, member):
    with pytest.raises(InputError, match="line 1: found .* expected the header"):
        load("ml-latest-small", {member: ML_SMALL[member].split(b"\r\n", 1)[1]})


@pytest.mark.parametrize("content", [b"", b"\n"], ids=["empty", "one blank line"])
def test_an_empty_file_is_refused(load, content):
    with pytest.raises(InputError, match="u.data"):
        load("ml-100k", {"u.data": content})


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("ml-100k", {"u.data": b"x\n"}),
        ("ml-100k", {"u.data": b"1\t9\t5\t1\n"}),
        ("amazon-games", {"Games-6k.item": b"item_id:token\ttitle:token_seq\n9\tOther\n"}),
        ("mind-small", {"behaviors.tsv": b"1\tU9\tnoon\tN1\tN3-0\n"}),
        ("mind-small", {"news.tsv": ARTICLE.format(7).encode()}),
    ],
)
def test_a_file_of_which_nothing_is_left_is_refused_even_when_skipping(load, name, changed):
    with pytest.raises(InputError, match="no usable row|no interaction is left"):
        load(name, changed, bad_rows="skip")


def test_last_line_may_lack_its_line_break_and_lines_may_end_as_on_windows(load):
    data = ML_100K["u.data"]
    assert rows(load("ml-100k", {"u.data": data[:-1]})) == rows(
        load("ml-100k", {"u.data": data.replace(b"\n", b"\r\n")})
    )


def test_a_knowledge_graph_beside_ml_100k_becomes_the_graph(load, tmp_path):
    folder = tmp_path / "data" / "ml-100k-kg"
    folder.mkdir(parents=True)
    (folder / "ml-100k.link").write_text(
        "item_id:token\tentity_id:token\n3\tm.3\n1\tm.1\n99\tm.99\n"
    )
    triples = [
        "m.1\tfilm.film.directed_by\tm.d",
        "m.d\tfilm.director.film\tm.1",
        "m.3\tfilm.film_subject.films\tm.1",
        "m.99\tfilm.film.genre\tm.g",
    ]
    (folder / "ml-100k.kg").write_text(
        "head_id:token\trelation_id:token\ttail_id:token\n" + "\n".join(triples)
    )
    dataset = load("ml-100k")
    assert dataset.graph.to_numpy().tolist() == [
        [0, "directed by", "m.d"],
        [2, "film subject films", "m.1"],
    ]
    assert dataset.card.counts["triples"] == 2 and "ml-100k.kg" in dataset.card.sha256
    assert any("2 of 4 triples" in note for note in dataset.card.notes)
    assert "Freebase" in dataset.card.licence
    assert dataset.k_core(1).graph["head"].tolist() == [0, 2]


def test_options_are_checked(load):
    with pytest.raises(InputError, match="expected 'error' or 'skip'"):
        load("ml-100k", bad_rows="ignore")


# --- files that an editor has saved again ---


TITLES = ["Blåbær (1999)", "Crème (1999)", "Plain (1999)"]
RESAVED = {  # name: member, its text
    "ml-100k": ("u.item", "".join(item_100k(i, title) + "\n" for i, title in enumerate(TITLES, 1))),
    "ml-1m": (
        "movies.dat",
        "".join(f"{i}::{title}::Drama\n" for i, title in zip((661, 1193, 7), TITLES)),
    ),
    "ml-latest-small": (
        "movies.csv",
        "movieId,title,genres\r\n"
        + "".join(f"{i},{t},Drama\r\n" for i, t in zip((1, 6, 7), TITLES)),
    ),
}


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8", "utf-8-sig", "cp1252"])
@pytest.mark.parametrize("name", RESAVED)
def test_titles_saved_again_in_another_encoding_come_out_right_or_are_refused(load, name, encoding):
    """Advice found in public issues makes UTF-8 of u.item, and "Blåbær" became "BlÃ¥bÃ¦r" without a
    word.
    """
    member, text = RESAVED[name]
    if name == "ml-latest-small" and not encoding.startswith("utf-8"):
        with pytest.raises(InputError, match="movies.csv, line 2: bytes that are not utf-8"):
            load(name, {member: text.encode(encoding)})
        return
    ds = load(name, {member: text.encode(encoding)})
    assert ds.items["title"].tolist() == TITLES
    told = any("was saved again as utf-8" in note for note in ds.card.notes)
    assert told == (name != "ml-latest-small" and encoding.startswith("utf-8"))


@pytest.mark.parametrize("name", ["ml-100k", "ml-1m"])
def test_letters_that_only_cp1252_has_are_read_as_cp1252(load, name):
    """A copy saved by an editor on Windows: in latin-1 these are control characters."""
    member, text = RESAVED[name]
    text = text.replace("Crème", "L’Œuvre – Š…")
    ds = load(name, {member: text.encode("cp1252")})
    assert ds.items["title"][1] == "L’Œuvre – Š… (1999)" and any(
        "saved again as cp1252" in note for note in ds.card.notes
    )


@pytest.mark.parametrize("name", ["ml-100k", "ml-1m"])
def test_a_file_in_two_encodings_is_refused_at_the_line_that_differs(load, name):
    member, text = RESAVED[name]
    lines = text.split("\n")
    mixed = lines[0].encode("utf-8") + b"\n" + "\n".join(lines[1:]).encode("latin-1")
    with pytest.raises(InputError, match=f"{member}, line 2: bytes that are not utf-8"):
        load(name, {member: mixed})


@pytest.mark.parametrize("taken_for", ["latin-1", "cp1252"])
@pytest.mark.parametrize("name", RESAVED)
def test_titles_that_went_through_a_wrong_encoding_are_refused(load, name, taken_for):
    member, text = RESAVED[name]
    with pytest.raises(
        InputError,
        match=f"{member}, line .: title 'BlÃ¥bÃ¦r .1999.' is UTF-8 read as another encoding",
    ):
        load(name, {member: text.encode("utf-8").decode(taken_for).encode("utf-8")})


@pytest.mark.parametrize("name", RESAVED)
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32"])
def test_a_file_saved_as_unicode_by_notepad_is_refused(load, name, encoding):
    member, text = RESAVED[name]
    with pytest.raises(InputError, match=member):
        load(name, {member: text.encode(encoding)})
    with pytest.raises(InputError, match="was saved as UTF-16"):
        load(name, {member: text.encode("utf-16")})


RATINGS = {"ml-100k": "u.data", "ml-1m": "ratings.dat", "ml-latest-small": "ratings.csv"}


@pytest.mark.parametrize("name", RATINGS)
@pytest.mark.parametrize("change", ["a mark before it", "Windows", "both", "neither"])
def test_ratings_with_a_mark_before_them_or_lines_as_on_windows_are_the_same(load, name, change):
    whole = rows(load(name))
    data = PUBLISHED[name][RATINGS[name]].replace(b"\r\n", b"\n")
    data = data.replace(b"\n", b"\r\n") if change in ("Windows", "both") else data
    data = b"\xef\xbb\xbf" + data if change in ("a mark before it", "both") else data
    assert rows(load(name, {RATINGS[name]: data})) == whole
