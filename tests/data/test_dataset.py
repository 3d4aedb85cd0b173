import datetime
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from small import make_dataset, random_dataset

from tutorial_lib.data import Dataset, DatasetCard, leave_last_out, temporal_split
from tutorial_lib.errors import InputError


def test_ties_in_time_keep_file_order_and_never_item_order():
    ds = make_dataset([(0, 5, 10), (0, 2, 10), (1, 1, 3), (0, 9, 7), (0, 3, 10)])
    assert ds.sequences()[0].tolist() == [9, 5, 2, 3]
    reordered = make_dataset([(0, 2, 10), (0, 5, 10), (1, 1, 3), (0, 9, 7), (0, 3, 10)])
    assert reordered.sequences()[0].tolist() == [9, 2, 5, 3]


def test_tie_seed_shuffles_only_ties():
    ds = random_dataset(length=12)
    plain, shuffled = ds.sequences(), ds.sequences(seed=3)
    assert any(a.tolist() != b.tolist() for a, b in zip(plain, shuffled))
    for a, b in zip(plain, shuffled):
        for start in range(0, 12, 3):  # three events share each timestamp
            assert set(a[start : start + 3]) == set(b[start : start + 3])
    assert all((a == b).all() for a, b in zip(shuffled, ds.sequences(seed=3)))


def test_sequences_include_users_without_interactions():
    ds = make_dataset([(0, 0, 1), (2, 1, 1)], n_users=4)
    assert [len(s) for s in ds.sequences()] == [1, 0, 1, 0]


def test_k_core_reaches_the_fixed_point_and_renumbers_every_table():
    # user 2 has one interaction; dropping it leaves item 2 with one; dropping that leaves user 1
    # with one ...
    ds = make_dataset([(0, 0, 1), (0, 1, 2), (3, 0, 1), (3, 1, 2), (1, 1, 1), (1, 2, 2), (2, 2, 1)])
    graph = pd.DataFrame({"head": [0, 1, 2], "relation": "has", "tail": ["a", "b", "c"]})
    reviews = pd.DataFrame(
        {"user": [0, 3, 1], "item": [0, 1, 2], "rating": 1.0, "text": ["x", "y", "z"]}
    )
    ds = Dataset("t", ds.interactions, ds.items, ds.users, ds.card, graph, reviews)
    core = ds.k_core(2)
    assert (core.n_users, core.n_items, core.n_interactions) == (2, 2, 4)
    assert core.items["item_id"].tolist() == ["i0", "i1"] and core.users["user_id"].tolist() == [
        "u0",
        "u3",
    ]
    assert core.graph[["head", "tail"]].values.tolist() == [[0, "a"], [1, "b"]]
    assert core.reviews[["user", "item", "text"]].values.tolist() == [[0, 0, "x"], [1, 1, "y"]]
    assert core.card.counts["interactions"] == 4 and "2-core" in core.card.notes[-1]


def test_k_core_refuses_what_leaves_nothing():
    with pytest.raises(InputError, match="smaller k"):
        random_dataset().k_core(1000)
    with pytest.raises(InputError, match="at least 1"):
        random_dataset().k_core(0)


def test_codes_outside_the_tables_are_refused():
    ds = make_dataset([(0, 0, 1)])
    bad = pd.DataFrame({"user": [0], "item": [7], "rating": [1.0], "timestamp": [1]})
    with pytest.raises(InputError, match=r"item codes must lie in 0..0, found 7..7"):
        Dataset("t", bad, ds.items, ds.users, ds.card)
    with pytest.raises(InputError, match="lack column 'timestamp'"):
        Dataset("t", bad.drop(columns="timestamp"), ds.items, ds.users, ds.card)


def test_subset_users_keeps_the_catalogue():
    ds = random_dataset()
    part = ds.subset_users([3, 7])
    assert part.n_users == 2 and part.n_items == ds.n_items
    assert [s.tolist() for s in part.sequences()] == [ds.sequences()[u].tolist() for u in (3, 7)]
    with pytest.raises(InputError, match="user codes in 0..39"):
        ds.subset_users([40])


def test_card_prints_what_a_reader_must_know():
    card = DatasetCard(
        "x",
        "Title",
        "somewhere",
        "CC0",
        counts={"users": 1200},
        sha256={"u.data": "0" * 64},
        notes=("2 rows left out",),
    )
    text = str(card)
    assert all(
        part in text
        for part in ("Title (x)", "somewhere", "CC0", "1,200", "000… u.data", "2 rows left out")
    )


def test_item_counts_match_the_interactions():
    ds = random_dataset()
    assert ds.item_counts.sum() == ds.n_interactions and np.array_equal(
        ds.item_counts, np.bincount(ds.interactions["item"], minlength=30)
    )


# --- an own log ---


LOG = pd.DataFrame(
    {
        "user": [0] * 4 + [1] * 4,
        "item": [0, 1, 2, 3, 3, 2, 1, 0],
        "rating": 1.0,
        "timestamp": [1, 2, 3, 4] * 2,
    }
)


def own(items=None, users=None, log=LOG, **columns):
    """A data set as somebody makes it from a log, with these columns instead of the good ones."""
    items = (
        pd.DataFrame({"item_id": list("abcd"), "title": list("ABCD")}) if items is None else items
    )
    users = pd.DataFrame({"user_id": ["u", "v"]}) if users is None else users
    return Dataset(
        "own", log.assign(**columns), items, users, DatasetCard("own", "Own", "self", "none")
    )


NAN, PAIR = float("nan"), [1, 2, 3, 4]
WORDS = ["9", "10", "100", "1000"]
DAYS = ["12/31/2019", "1/1/2020", "1/2/2020", "1/10/2020"]
WRONG = {  # what was given: column, values of one user, the first bad row, what must be said
    "text dates": ("timestamp", DAYS, 0, "pd.to_datetime"),
    "text numbers": ("timestamp", WORDS, 0, "pd.to_numeric"),
    "text numbers of pandas 3": ("timestamp", pd.array(WORDS * 2, dtype="str"), 0, "pd.to_numeric"),
    "text numbers of pandas 2": (
        "timestamp",
        pd.array(WORDS * 2, dtype="string"),
        0,
        "pd.to_numeric",
    ),
    "one text among times": ("timestamp", [1, "2", 3, 4], 1, "'2' is no number"),
    "dates as objects": (
        "timestamp",
        [datetime.date(2020, 1, d) for d in PAIR],
        0,
        "pd.to_datetime",
    ),
    "datetimes as objects": (
        "timestamp",
        pd.Series([datetime.datetime(2020, 1, d) for d in PAIR] * 2, dtype=object),
        0,
        "pd.to_datetime",
    ),
    "periods": (
        "timestamp",
        pd.period_range("2020", periods=8, freq="D").array,
        0,
        "pd.to_datetime",
    ),
    "spans of time": ("timestamp", pd.to_timedelta(PAIR * 2, unit="D"), 0, "pd.to_datetime"),
    "true and false as times": ("timestamp", [True, False, True, True], 0, "bool, no number"),
    "a category of times": ("timestamp", pd.Categorical(PAIR * 2), 0, "category, no number"),
    "a missing time": ("timestamp", [1, NAN, 3, 4], 1, "dropna"),
    "a missing time in Int64": (
        "timestamp",
        pd.array([1, 2, None, 4] * 2, dtype="Int64"),
        2,
        "dropna",
    ),
    "NaT": (
        "timestamp",
        pd.to_datetime(["2020-01-01", None, "2020-01-02", "2020-01-03"] * 2),
        1,
        "dropna",
    ),
    "None among objects": ("timestamp", pd.Series([1, 2, 3, None] * 2, dtype=object), 3, "dropna"),
    "an endless time": ("timestamp", [1, 2, float("inf"), 4], 2, "not finite"),
    "a negative time": ("timestamp", [1, -1, 3, 4], 1, "negative"),
    "a date before 1970": (
        "timestamp",
        pd.to_datetime(["1969-12-31", "1970-01-01", "2000-01-01", "2001-01-01"] * 2),
        0,
        "negative",
    ),
    "milliseconds": (
        "timestamp",
        [t * 1000 for t in range(1_500_000_000, 1_500_000_004)],
        0,
        "divide",
    ),
    "mixed units": (
        "timestamp",
        [1_500_000_000, 1_500_000_001, 1_500_000_002_000, 1_500_000_003],
        2,
        "divide",
    ),
    "float32 seconds": ("timestamp", np.float32([1.5e9, 1.5e9, 1.5e9, 1.5e9] * 2), 0, "float32"),
    "complex times": ("timestamp", [1j, 2, 3, 4], 0, "complex128, no number"),
    "text ids": ("item", list("abcd"), 0, "pd.factorize(log['item'])"),
    "ids in pandas 3 text": ("item", pd.array(list("abcdabcd"), dtype="str"), 0, "pd.factorize"),
    "a category of ids": ("item", pd.Categorical(list("abcdabcd")), 0, "pd.factorize"),
    "codes kept as text": ("user", ["0", "0", "0", "0"], 0, "pd.factorize(log['user'])"),
    "a missing code": ("item", [0, NAN, 2, 3], 1, "missing"),
    "a missing code in Int64": ("item", pd.array([0, 1, 2, None] * 2, dtype="Int64"), 3, "missing"),
    "NA among objects": ("item", pd.Series([0, pd.NA, 2, 3] * 2, dtype=object), 1, "missing"),
    "NA among user codes": ("user", pd.Series([0, 0, None, pd.NA] * 2, dtype=object), 2, "missing"),
    "NA among times": ("timestamp", pd.Series([1, 2, pd.NA, 4] * 2, dtype=object), 2, "dropna"),
    "a fractional code": ("item", [0, 1.5, 2, 3], 1, "1.5 is not a whole number"),
    "an endless code": ("item", [0, 1, float("-inf"), 3], 2, "not a whole number"),
    "a huge code": ("item", [0, 1, 2, 1e300], 3, "codes must lie in 0..3"),
    "a huge whole code": ("item", [0, 1, 2, 2**63], 3, "codes must lie in 0..3"),
    "a code of 30 digits": ("item", [0, 1, 2, 10**30], 3, "codes must lie in 0..3"),
    "a code of 400 digits": ("item", [0, 1, 2, 10**400], 3, "not a whole number"),
    "a time of 400 digits": ("timestamp", [1, 2, 3, 10**400], 3, "not finite"),
    "a rating of 400 digits": ("rating", [1, 2, 3, 10**400], 3, "not finite"),
    "a negative code": ("item", [0, -1, 2, 3], 1, "found -1..3"),
    "a code past the table": ("item", [0, 1, 4, 3], 2, "found 0..4"),
    "true and false as codes": ("item", [True, False, True, False], 0, "bool, no number"),
    "one true among codes": (
        "item",
        pd.Series([0, True, 2, 3] * 2, dtype=object),
        1,
        "True is no number",
    ),
    "dates as codes": ("item", pd.to_datetime(["1970-01-01"] * 8), 0, "no number"),
    "ratings as text": ("rating", ["5", "4", "3", "2"], 0, "pd.to_numeric"),
    "likes as ratings": ("rating", [True, False, True, True], 0, "bool, no number"),
    "an endless rating": ("rating", [1, 2, float("inf"), 4], 2, "not finite"),
}


@pytest.mark.parametrize(("column", "values", "row", "said"), WRONG.values(), ids=WRONG)
def test_a_column_that_takes_a_guess_is_refused_with_row_and_mend(column, values, row, said):
    """Else text sorts as text, a missing time becomes the newest event, and item 1.5 becomes item
    1, without a word.
    """
    with pytest.raises(InputError) as caught:
        own(**{column: values * 2 if isinstance(values, list) else values})
    line = str(caught.value)
    assert said in line and "\n" not in line and f"row {row}" in line and column in line


RIGHT = {
    "small integers": {
        "user": np.int8(LOG["user"]),
        "item": np.uint16(LOG["item"]),
        "timestamp": np.int32(LOG["timestamp"]),
    },
    "Int64": {
        "user": LOG["user"].astype("Int64"),
        "item": LOG["item"].astype("UInt8"),
        "timestamp": LOG["timestamp"].astype("Int64"),
    },
    "whole floats, as NaN once left them": {
        "item": LOG["item"] * 1.0,
        "timestamp": LOG["timestamp"] * 1.0,
    },
    "objects": {"user": LOG["user"].astype(object), "timestamp": LOG["timestamp"].astype(object)},
    "sparse": {"item": LOG["item"].astype(pd.SparseDtype("int64", 0))},
    "ratings with gaps": {"rating": pd.array([1, None] * 4, dtype="Float64")},
    "ratings in float32": {"rating": np.float32([0.5, NAN] * 4)},
    "objects as ratings": {"rating": pd.Series([None, 2] * 4, dtype=object)},
}


@pytest.mark.parametrize("columns", RIGHT.values(), ids=RIGHT)
def test_columns_that_mean_one_thing_only_become_int64_and_float64(columns):
    ds = own(**columns)
    assert [str(kind) for kind in ds.interactions.dtypes] == ["int64", "int64", "float64", "int64"]
    assert ds.interactions[["user", "item", "timestamp"]].equals(LOG[["user", "item", "timestamp"]])
    wanted = pd.to_numeric(pd.Series(columns.get("rating", LOG["rating"]))).to_numpy(
        dtype=float, na_value=NAN
    )
    np.testing.assert_array_equal(ds.interactions["rating"], wanted)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Kolkata"])
def test_datetimes_become_seconds_since_1970_in_utc(unit, zone):
    days = pd.DatetimeIndex(["2020-01-03", "2020-01-01", "2020-01-02", "2020-01-04"] * 2).as_unit(
        unit
    )
    ds = own(timestamp=days if zone is None else days.tz_localize(zone))
    shift = {None: 0, "UTC": 0, "Asia/Kolkata": -19_800}[zone]
    assert ds.interactions["timestamp"].tolist()[:2] == [1578009600 + shift, 1577836800 + shift]
    assert ds.sequences()[0].tolist() == [1, 2, 0, 3]


def test_fractions_of_a_second_are_dropped_only_where_they_decide_nothing():
    """Two events of one second in the wrong order of rows would come out in that order, without a
    word.
    """
    for make in (lambda t: t, lambda t: pd.to_datetime(pd.Series(t), unit="s")):
        assert (
            own(timestamp=make([1.25, 1.5, 1.75, 4.0] * 2)).interactions["timestamp"].tolist()
            == [1, 1, 1, 4] * 2
        )
        with pytest.raises(InputError, match="sort_values"):
            own(timestamp=make([1.25, 1.75, 1.5, 4.0] * 2))


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ({"items": pd.DataFrame({"title": list("ABCD")})}, "items lack column 'item_id'"),
        ({"users": pd.DataFrame({"name": ["u", "v"]})}, "users lack column 'user_id'"),
        (
            {"users": pd.DataFrame({"user_id": ["u", "u"]})},
            "column 'user_id', row 1: 'u' is there already",
        ),
        (
            {"items": pd.DataFrame({"item_id": ["a", None, "c", "d"]})},
            "column 'item_id', row 1: .* is missing",
        ),
        (
            {"items": pd.DataFrame({"item_id": [["a"], ["b"], ["c"], ["d"]]})},
            "ids must be text or numbers",
        ),
        (
            {"items": pd.DataFrame({"item_id": list("abc")})},
            "item codes must lie in 0..2, found 0..3",
        ),
        ({"users": pd.DataFrame({"user_id": []})}, r"user codes must lie in 0..-1"),
        (
            {"items": pd.DataFrame({"item_id": list("abcd")}, index=[2, 0, 3, 1])},
            "row labels must be 0..3 in order",
        ),
        (
            {"items": pd.DataFrame({"item_id": list("abcd")}, index=[0, 1, 2, 5])},
            "row labels must be 0..3 in order",
        ),
        (
            {"items": pd.DataFrame({"item_id": list("abcd"), "title": ["A", NAN, "C", "D"]})},
            "column 'title', row 1: nan is no text",
        ),
        (
            {"items": pd.DataFrame({"item_id": list("abcd"), "title": [1917, 300, 12, 21]})},
            "column 'title', row 0: 1917 is no text",
        ),
        (
            {"items": pd.DataFrame({"item_id": list("abcd"), "categories": "Drama|War"})},
            "str.split",
        ),
        ({"log": LOG.drop(columns="rating")}, "interactions lack column 'rating'"),
        ({"log": pd.concat([LOG, LOG[["item"]]], axis=1)}, "2 columns 'item'"),
        ({"items": {"item_id": list("abcd")}}, "expected a pandas DataFrame, found dict"),
    ],
)
def test_tables_that_do_not_fit_the_codes_are_refused(tables, said):
    log = tables.pop("log", LOG)
    with pytest.raises(InputError, match=said):
        Dataset(
            "own",
            log,
            tables.get("items", own().items),
            tables.get("users", own().users),
            DatasetCard("own", "Own", "self", "none"),
        )


def test_reviews_graph_and_card_are_checked_too():
    ds = own()
    reviews = pd.DataFrame({"user": [0, 1], "item": [0, 9], "rating": 1.0, "text": "x"})
    with pytest.raises(InputError, match="reviews, row 1: item codes must lie in 0..3"):
        replace(ds, reviews=reviews)
    with pytest.raises(InputError, match="graph, column 'item', row 0: nan is missing"):
        replace(ds, graph=pd.DataFrame({"head": [NAN], "relation": "has", "tail": "x"}))
    with pytest.raises(InputError, match="graph lack column 'tail'"):
        replace(ds, graph=pd.DataFrame({"head": [0], "relation": "has"}))
    with pytest.raises(InputError, match="expected a DatasetCard"):
        replace(ds, card=None)


def test_rows_of_a_filtered_log_are_numbered_afresh_and_the_log_is_left_alone():
    log = LOG[LOG["item"] != 2]
    kept = log.copy()
    ds = own(log=log)
    assert ds.interactions.index.tolist() == list(range(6)) and [
        s.tolist() for s in ds.sequences()
    ] == [[0, 1, 3], [3, 1, 0]]
    pd.testing.assert_frame_equal(log, kept)


def test_an_empty_log_has_no_sequences_and_splits_into_nothing():
    empty = pd.DataFrame(columns=["user", "item", "rating", "timestamp"])
    ds = own(log=empty)
    assert [len(s) for s in ds.sequences()] == [0, 0] and ds.item_counts.tolist() == [0, 0, 0, 0]
    assert own(log=empty, users=pd.DataFrame({"user_id": []})).sequences() == []
    for split in (leave_last_out, temporal_split):
        with pytest.raises(InputError, match="is empty|no interactions"):
            split(ds)


@pytest.mark.parametrize(
    "users",
    [[True, False], [0.5], ["u"], [NAN], [0, pd.NA], pd.array([0, None], dtype="Int64"), [-1], []],
)
def test_subset_users_takes_codes_only(users):
    """A mask of true and false would choose users 1 and 0."""
    with pytest.raises(InputError, match="subset_users: expected user codes in 0..1"):
        own().subset_users(users)


def test_a_missing_rating_may_be_written_in_any_way():
    for missing in (None, pd.NA, NAN, pd.NaT):
        ratings = pd.Series([1, missing, 3, 4] * 2, dtype=object)
        found = own(rating=ratings).interactions["rating"]
        np.testing.assert_array_equal(found, [1, NAN, 3, 4] * 2)


@pytest.mark.parametrize("k", [2.5, True, "2", None])
def test_k_core_takes_whole_numbers(k):
    with pytest.raises(InputError, match="at least 1"):
        own().k_core(k)
