"""Logs as people have them: each of these is read rightly, or refused in one line that helps."""

from __future__ import annotations

import gzip
import io
import json

import numpy as np
import pandas as pd
import pytest

from tutorial_lib.data.any_log import read_any_log
from tutorial_lib.errors import InputError

ROWS = [
    ("u1", "a", "5", 1_400_000_000),
    ("u2", "b", "3", 1_400_000_060),
    ("u1", "b", "4", 1_400_000_120),
]
PAIRS = [("u1", "a"), ("u2", "b"), ("u1", "b")]


def written(tmp_path, content: str | bytes, name="log.csv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def table(header: str, separator=",", rows=ROWS, end="\n") -> str:
    lines = [header.replace(",", separator)] if header else []
    return end.join([*lines, *(separator.join(map(str, row)) for row in rows)]) + end


def pairs(log) -> list[tuple[str, str]]:
    data = log.dataset
    events = data.interactions
    ids = (
        data.users["user_id"].to_numpy()[events["user"]],
        data.items["item_id"].to_numpy()[events["item"]],
    )
    return list(zip(*ids))


HEADERS = [
    "user,item,rating,timestamp", "userId,movieId,rating,timestamp", "user_id,item_id,stars,ts",
    "uid,iid,score,time", "visitorid,itemid,rating,timestamp", "customer,product_id,overall,date",
    "UserID,artistID,rating,unixReviewTime", "user id,sku,rating,created_at",
    "reviewerID,asin,overall,unixReviewTime", "user_id,parent_asin,rating,timestamp",
    "user_id:token,item_id:token,rating:float,timestamp:float", "User-ID,ISBN,Book-Rating,When",
    "Customer ID,StockCode,rating,InvoiceDate", "session_id,track_id,rating,played_at",
    '"userId","movieId","rating","timestamp"', "#user,item,rating,timestamp",
]  # fmt: skip


@pytest.mark.parametrize("header", HEADERS)
def test_spellings_of_headers(tmp_path, header):
    log = read_any_log(written(tmp_path, table(header)))
    assert pairs(log) == PAIRS and log.order == "times"
    assert log.dataset.interactions["rating"].tolist() == [5, 3, 4]
    assert log.dataset.interactions["timestamp"].tolist() == [row[3] for row in ROWS]


@pytest.mark.parametrize("separator", [",", "\t", ";", "|", "::", " "])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("header", ["user,item,rating,timestamp", ""])
def test_separators_line_ends_and_no_header(tmp_path, separator, end, header):
    rows = [(user[1], item, *rest) for user, item, *rest in ROWS]
    log = read_any_log(written(tmp_path, table(header, separator, rows, end)))
    assert pairs(log) == [(user[1], item) for user, item in PAIRS]
    assert log.dataset.interactions["rating"].tolist() == [5, 3, 4]


def test_packed_bom_utf16_latin1_and_comments(tmp_path):
    text = table("user,item,rating,timestamp").replace("a,5", "Café,5")
    wanted = [("u1", "Café"), ("u2", "b"), ("u1", "b")]
    for data in (
        gzip.compress(text.encode()), text.encode("utf-8-sig"), text.encode("latin-1"),
        text.encode("utf-16"), b"% bip weighted\n" + text.encode(), b"sep=,\r\n" + text.encode(),
    ):  # fmt: skip
        assert pairs(read_any_log(written(tmp_path, data, "log.dat"))) == wanted


def test_no_row_is_lost_for_its_first_cell(tmp_path):
    """An empty first field, or an id that looks like a comment, is no blank line."""
    log = read_any_log(written(tmp_path, "rating,user,item\n ,u,%1\n,u,sep=2\n5,%v,3\n"))
    assert pairs(log) == [("u", "%1"), ("u", "sep=2"), ("%v", "3")]


def test_json_lines_and_lists(tmp_path):
    names = ("user_id", "parent_asin", "rating", "timestamp")
    rows = [dict(zip(names, row)) | {"images": []} for row in ROWS]
    for text in ("\n".join(map(json.dumps, rows)), json.dumps(rows)):
        log = read_any_log(written(tmp_path, text, "log.jsonl"))
        assert pairs(log) == PAIRS and log.order == "times"


def test_parquet(tmp_path):
    pytest.importorskip("pyarrow", reason="parquet needs it: pip install pyarrow")
    frame = pd.DataFrame(ROWS, columns=["user", "item", "rating", "when"])
    frame["when"] = pd.to_datetime(frame["when"], unit="s")
    content = io.BytesIO()
    frame.to_parquet(content)
    log = read_any_log(written(tmp_path, content.getvalue(), "log.parquet"))
    assert pairs(log) == PAIRS and log.dataset.interactions["timestamp"].max() == ROWS[2][3]


TIMES = {
    "milliseconds": ["1400000000000", "1400000060000", "1400000120000"],
    "ISO": ["2014-05-13 16:53:20", "2014-05-13T16:54:20Z", "2014-05-13 16:55:20 UTC"],
    "slashes": ["2014/5/13 16:53:20", "2014/5/13 16:54:20", "2014/5/13 16:55:20"],
    "day first": ["13/05/2014 16:53:20", "13/05/2014 16:54:20", "13/05/2014 16:55:20"],
    "month first": ["5/13/2014 4:53:20 PM", "5/13/2014 4:54:20 PM", "5/13/2014 4:55:20 PM"],
    "German": ["13.05.2014 16:53:20", "13.05.2014 16:54:20", "13.05.2014 16:55:20"],
    "named": ["13 May 2014 16:53:20", "13 May 2014 16:54:20", "13 May 2014 16:55:20"],
    "zone": ["2014-05-13T18:53:20+02:00", "2014-05-13T18:54:20+02:00", "2014-05-13T18:55:20+02:00"],
    "digits": ["20140513165320", "20140513165420", "20140513165520"],
}


@pytest.mark.parametrize("kind", TIMES)
def test_times(tmp_path, kind):
    rows = [(*row[:3], time) for row, time in zip(ROWS, TIMES[kind])]
    log = read_any_log(written(tmp_path, table("user;item;rating;date", ";", rows)))
    assert log.order == "times"
    assert log.dataset.interactions["timestamp"].tolist() == [row[3] for row in ROWS]


def test_an_order_is_no_time(tmp_path):
    """Places in a session order events; nobody can say when they were."""
    text = "user,item,position\nu,b,2\nu,a,1\nu,c,3\n"
    log = read_any_log(written(tmp_path, text))
    assert log.order == "positions" and [item for _, item in pairs(log)] == ["a", "b", "c"]


def test_play_counts_without_times(tmp_path):
    """No ratings, no order: both are said, and a count is not taken for a rating."""
    text = "userID\tartistID\tweight\n2\t51\t13883\n2\t52\t0\n3\t51\t7\n3\t51\t9\n"
    log = read_any_log(written(tmp_path, text, "user_artists.dat"))
    assert log.order == "none" and log.dataset.interactions["rating"].isna().all()
    assert pairs(log) == [("2", "51"), ("3", "51")]
    assert any("no order of events is known" in line for line in log.understood)
    assert any("is no rating" in line for line in log.understood)
    assert log.dropped == (
        "1 rows whose 'weight' is 0 or less",
        "1 repeated (user, item) pairs, of which the first is kept",
    )


def test_a_no_is_no_interaction(tmp_path):
    """Rows of an impression log say what was left as well as what was taken."""
    log = read_any_log(written(tmp_path, "user,item,click\nu,a,1\nu,b,0\nv,a,0\nv,c,1\n"))
    assert pairs(log) == [("u", "a"), ("v", "c")]
    assert log.dropped == ("2 rows whose 'click' says no (0 or -1)",)


def test_a_no_may_be_a_word(tmp_path):
    log = read_any_log(written(tmp_path, "user,item,liked\nu,a,True\nu,b,False\nv,c,yes\n"))
    assert pairs(log) == [("u", "a"), ("v", "c")]


def test_lists_are_parted_by_any_usual_sign_or_are_real_lists(tmp_path):
    """A whole list is no single item."""
    for text in (
        "u,a|b\nv,c|a",
        "u,a;b\nv,c;a",
        "u,a b\nv,c a",
        "u,\"['a', 'b']\"\nv,\"['c', 'a']\"",
    ):  # noqa: E501
        log = read_any_log(written(tmp_path, f"user,items\n{text}\n"))
        assert sorted(pairs(log)) == [("u", "a"), ("u", "b"), ("v", "a"), ("v", "c")], text
    lines = '{"user": 1, "items": ["a b", 7]}\n{"user": 2, "items": []}\n'
    assert pairs(read_any_log(written(tmp_path, lines))) == [("1", "a b"), ("1", "7")]
    with pytest.raises(InputError, match=r"column 'items', line 2: \{'id': 3\} is no single value"):
        read_any_log(written(tmp_path, lines.replace("[]", '[{"id": 3}]')))


def test_an_accent_is_one_sign_or_two(tmp_path):
    log = read_any_log(written(tmp_path, "user,item\nJos\u00e9,a\nJose\u0301,b\n"))
    assert log.dataset.n_users == 1


def test_a_folder_or_nothing_is_no_log(tmp_path):
    for path in (tmp_path, tmp_path / "gone.csv"):
        with pytest.raises(InputError, match="no such file; give the path of a log"):
            read_any_log(path)


def test_titles_of_reviews_are_not_titles_of_items(tmp_path):
    text = "user_id,asin,title\nu,1,Great!\nv,1,Broke at once\nu,2,Fine\nv,2,Not bad\n"
    log = read_any_log(written(tmp_path, text))
    assert not log.titles and log.dataset.items["title"].tolist() == ["item 1", "item 2"]
    assert any("differs from event to event" in line for line in log.understood)


def test_what_is_dropped_is_counted(tmp_path):
    rows = [*ROWS, ("", "a", 1, 1_400_000_200), ("u3", "NaN", 1, 1_400_000_200)]
    rows += [("u3", "a", 1, ""), ROWS[0]]
    log = read_any_log(written(tmp_path, table("user,item,rating,timestamp", ",", rows)))
    assert pairs(log) == PAIRS
    assert [line.split()[0] for line in log.dropped] == ["2", "1", "1"]


def test_sequences_as_recbole_has_them(tmp_path):
    text = "user_id:token\titem_id_list:token_seq\titem_id:token\n7\t1 2 3\t4\n8\t2 1\t3\n"
    log = read_any_log(written(tmp_path, text, "games.inter"))
    assert [items.tolist() for items in log.dataset.sequences()] == [
        [log.dataset.items["item_id"].tolist().index(i) for i in some] for some in ("1234", "213")
    ]
    assert log.order == "positions"


def test_ids_that_a_program_wrote_as_numbers(tmp_path):
    log = read_any_log(written(tmp_path, "user,item\n1.0,007\n2.0,v1.0\n"))
    assert pairs(log) == [("1", "007"), ("2", "v1.0")]


def test_items_and_users(tmp_path):
    path = written(tmp_path, table("userId,movieId,rating,timestamp"))
    items = written(
        tmp_path, "movieId|title|genres\na|Fish &amp; Chips|Drama;War\nc|No|X\n", "i.txt"
    )
    people = "u1,F,17\nu2,M,18\n"
    users = written(tmp_path, "id,gender,age\n" + people, "u.csv")
    log = read_any_log(path, items=items, users=users)
    assert log.dataset.items["title"].tolist() == ["Fish & Chips", "item b"]
    assert log.dataset.items["categories"].tolist() == [("Drama", "War"), ()] and not log.titles
    assert log.dataset.users["gender"].tolist() == ["F", "M"]
    assert log.dataset.users["age"].tolist() == ["under 18", "18-24"]
    assert any("1 of 2 items are not in that table" in line for line in log.understood)


def test_a_title_stands_in_for_a_missing_item_id(tmp_path):
    log = read_any_log(written(tmp_path, "user,title\nu,Tea\nv,Tea\n"))
    assert log.dataset.items["title"].tolist() == ["Tea"] and log.titles


def test_columns_by_name(tmp_path):
    text = "who,artist_id,track_id\nu,1,2\nv,1,3\n"
    path = written(tmp_path, text)
    log = read_any_log(path, columns={"user": "who", "item": "track_id"})
    assert pairs(log) == [("u", "2"), ("v", "3")]


PUBLIC = {  # header and a row as published -> user, item, rating, seconds (None: not known)
    "RetailRocket": ("timestamp,visitorid,event,itemid,transactionid\n1433221332117,257597,view,355908,\n", "257597", "355908", None, 1433221332),  # noqa: E501
    "LastFM tags": ("userID\tartistID\ttagID\ttimestamp\n2\t52\t13\t1238536800000\n", "2", "52", None, 1238536800),  # noqa: E501
    "Online Retail": ("InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n1,85123A,HOLDER,6,12/13/2010 8:26,2.55,17850.0,UK\n", "17850", "85123A", None, 1292228760),  # noqa: E501
    "Book-Crossing": ('"User-ID";"ISBN";"Book-Rating"\r\n"276725";"034545104X";"0"\r\n', "276725", "034545104X", 0, None),  # noqa: E501
    "Amazon 2014": ("A2CX7LUOHB2NDG,B000032944,5.0,1341100800\n", "A2CX7LUOHB2NDG", "B000032944", 5, 1341100800),  # noqa: E501
    "Amazon 2018": ('{"overall": 5.0, "reviewTime": "09 13, 2009", "reviewerID": "A1", "asin": "B1", "reviewerName": "x", "unixReviewTime": 1252800000}\n', "A1", "B1", 5, 1252800000),  # noqa: E501
    "goodbooks": ("user_id,book_id,rating\n1,258,5\n", "1", "258", 5, None),
    "Yelp": ('{"review_id": "K", "user_id": "m", "business_id": "X", "stars": 3.0, "text": "Good", "date": "2018-07-07 22:09:11"}\n', "m", "X", 3, 1531001351),  # noqa: E501
    "H&M": ("t_dat,customer_id,article_id,price,sales_channel_id\n2018-09-20,0000f,0663713001,0.05,2\n", "0000f", "0663713001", None, 1537401600),  # noqa: E501
    "REES46": ("event_time,event_type,product_id,category_id,price,user_id,user_session\n2019-11-01 00:00:00 UTC,view,1003461,2053,489.07,520088904,4d3b\n", "520088904", "1003461", None, 1572566400),  # noqa: E501
    "KuaiRec": ("user_id,video_id,play_duration,time,date,timestamp,watch_ratio\n0,3649,13838,2020-07-05 00:08:23.438,20200705.0,1593878903.438,1.27\n", "0", "3649", None, 1593878903),  # noqa: E501
    "Ta-Feng": ("TRANSACTION_DT,CUSTOMER_ID,AGE_GROUP,PRODUCT_ID,AMOUNT\n2000-11-01,01104905,45-49,4710199010372,2\n", "01104905", "4710199010372", None, 973036800),  # noqa: E501
    "KONECT": ("% bip weighted\n1 1 5 964982703\n", "1", "1", 5, 964982703),
    "ml-1m": ("1::1193::5::978300760\n", "1", "1193", 5, 978300760),
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLIC)
def test_public_logs(tmp_path, name):
    content, user, item, rating, seconds = PUBLIC[name]
    log = read_any_log(written(tmp_path, content))
    event = log.dataset.interactions.iloc[0]
    assert pairs(log) == [(user, item)]
    assert np.isnan(event["rating"]) if rating is None else event["rating"] == rating
    assert event["timestamp"] == (seconds or 0)


REFUSED = {
    "Yoochoose": ("1,2014-04-07T10:51:09.277Z,214536502,0\n", "line 1: no header, and its 4 columns"),  # noqa: E501
    "LastFM-360K": ("a1\t3bd7\tthe name\t2137\n", "line 1: no header, and its 4 columns"),
    "steam-200k": ('15160,"Skyrim",purchase,1.0,0\n', "line 1: no header, and its 5 columns"),
    "Netflix": ("1:\n1488844,3,2005-09-06\n", "line 1: '1:' is not parted"),
    "Otto": ('{"session": 1, "events": [{"aid": 2, "ts": 3}]}\n', "no column is known as the item"),
    "no user": ("who,item\nu,1\n", "line 1: no column is known as the user"),
    "two items": ("user,artist_id,track_id\nu,1,2\nv,1,3\n", "'artist_id' and 'track_id' could all be the item"),  # noqa: E501
    "twice": ("user,item,item\nu,1,2\n", "line 1: the column 'item' stands twice"),
    "fields": ("user,item\nu,1\nv,2,3\n", "line 3: 3 fields, expected 2"),
    "quote": ('user,item\nu,"1\nv,2\n', "mend the quotation mark"),
    "rating": ("user,item,rating\nu,1,2\nv,2,good\n", "column 'rating', line 3: 'good' is no number"),  # noqa: E501
    "mixed units": (
        "user,item,ts\nu,1,1400000000\nu,2,1400000000000\nv,1,1400000001\n",
        "column 'ts', line 3: '1400000000000' is no time in seconds",
    ),
    "two ways": (
        "user,item,date\nu,1,03/04/2019\nu,2,05/04/2019\n",
        "column 'date', line 2: '03/04/2019' may be day or month first",
    ),
    "both ways": (
        "user,item,date\nu,1,13/04/2019\nu,2,14/05/2019\nu,3,05/15/2019\n",
        "column 'date', line 4: '05/15/2019' has day and month the other way",
    ),
    "no such day": ("user,item,date\nu,1,2019-02-30\nu,2,2019-02-01\n", "line 2: '2019-02-30' is no date"),  # noqa: E501
    "some other time": ("user,item,date\nu,1,2019-02-03\nu,2,yesterday\n", "line 3: 'yesterday' is no time"),  # noqa: E501
    "spreadsheet": ("user,item\nu,1.23457E+12\n", "column 'item', line 2: the id 1.23457E+12 was rounded"),  # noqa: E501
    "no rows": ("user,item\n", "no rows below it"),
    "empty": ("", "is empty"),
    "blank": ("\n \n", "is empty"),
    "one column": ("just a sentence\nand another one here\n", "line 1: 'just a sentence' is not parted"),  # noqa: E501
    "prose": ("hello\nworld\n", "line 1: 'hello' is not parted by commas"),
    "words": ("alice,tea\nbob,milk\n", "line 1: no column is known as the user"),
    "wide": ("1,2,3,4,5\n1,2,3,4,5\n", "line 1: no header"),
    "zip": (b"PK\x03\x04....", "is a zip or a spreadsheet: unpack it"),
    "NUL": (b"user,item\nu,\x001\n", "line 2: a NUL byte"),
    "half UTF-8": (b"user,item\nu,\xc3\xa9\nv,\xe9\n", "line 3: bytes that are not UTF-8"),
    "json": ('{"user": 1, "item": 2}\n{"user": 1,\n', "line 2: is not JSON"),
    "nested": ('{"user": 1, "item": [2]}\n', "column 'item', line 1: [2] is no single value"),
    "all ids missing": ("user,item\n,1\nnull,2\n", "nothing is left without rows without a user"),
    "gzip": (gzip.compress(b"user,item\nu,1\n" * 99)[:40], "cannot be read"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused_in_one_line(tmp_path, case):
    content, said = REFUSED[case]
    with pytest.raises(InputError) as error:
        read_any_log(written(tmp_path, content))
    assert said in str(error.value) and "\n" not in str(error.value)
    assert "log.csv" in str(error.value)


def test_tables_beside_that_do_not_belong(tmp_path):
    path = written(tmp_path, "user,item\nu,1\n")
    with pytest.raises(InputError, match="holds no item of the log"):
        read_any_log(path, items=written(tmp_path, "item,title\nx,Tea\n", "i.csv"))
    with pytest.raises(InputError, match="u.csv, line 1: no header"):
        read_any_log(path, users=written(tmp_path, "1|24|M\n2|53|F\n", "u.csv"))


def test_a_million_rows_need_no_gigabyte(tmp_path):
    """Ids and ratings are kept once each, whatever the number of rows."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"user": rng.integers(0, 900, 30_000), "item": rng.integers(0, 700, 30_000)}
    )
    frame["timestamp"] = 1_400_000_000 + np.arange(30_000)
    log = read_any_log(written(tmp_path, frame.to_csv(index=True)))
    first = frame.drop_duplicates(["user", "item"]).astype(str)
    assert pairs(log) == list(zip(first["user"], first["item"]))
