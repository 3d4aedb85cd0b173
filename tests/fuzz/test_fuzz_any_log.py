"""Logs in every usual layout, whole and broken: read rightly, or refused in one line that names
file, column or line, and the mend. The reader only; nothing is trained.

TUTORIAL_FUZZ: number of cases (200).
"""

from __future__ import annotations

import gzip
import os
import random
import re
from collections import Counter

import pandas as pd
from fuzzing import CHANGES, SETTINGS, in_memory, mutated
from hypothesis import given, settings
from hypothesis import strategies as st

from tutorial_lib.data.any_log import read_any_log
from tutorial_lib.errors import InputError

CASES = int(os.environ.get("TUTORIAL_FUZZ", 200))
USER = ["user", "userId", "user_id", "uid", "visitorid", "customer", "UserID", "user id", "user_id:token"]  # fmt: skip  # noqa: E501
ITEM = ["item", "itemId", "item_id", "movieId", "asin", "parent_asin", "sku", "artistID", "ISBN"]
RATING = ["rating", "score", "stars", "overall", "Book-Rating", "rating:float"]
TIME = ["timestamp", "ts", "unixReviewTime", "date", "created_at", "timestamp:float", "Event Time"]
IDS = ["{}", "u{}", "000{}", "a-{}-b", "é{}", "日{}", "5f0c{:04d}-9d1e", "{}@x.org", "U {}"]
CLOCK = {
    "seconds": lambda t: str(t),
    "milliseconds": lambda t: str(t * 1000),
    "float": lambda t: f"{t}.0",
    "ISO": lambda t: pd.Timestamp(t, unit="s").isoformat(),
    "space": lambda t: str(pd.Timestamp(t, unit="s")),
    "UTC": lambda t: f"{pd.Timestamp(t, unit='s')} UTC",
    "dots": lambda t: pd.Timestamp(t, unit="s").strftime("%d.%m.%Y %H:%M:%S"),
}


@st.composite
def log(draw) -> tuple[list[list[str]], list[tuple[str, str, int]], random.Random]:
    """Header and rows as texts, and what they say: (user, item, seconds) in time order."""
    rng = random.Random(draw(st.integers(0, 2**32 - 1)))
    user, item, clock = rng.choice(IDS), rng.choice(IDS), rng.choice(list(CLOCK.values()))
    pairs = rng.sample([(u, i) for u in range(9) for i in range(12)], rng.randint(4, 40))
    start = rng.randint(10**9, 17 * 10**8)
    times = rng.sample(range(start, start + 10**7), len(pairs))
    header = [rng.choice(USER), rng.choice(ITEM), rng.choice(RATING), rng.choice(TIME)]
    told, rows = [], []
    for (u, i), time in zip(pairs, times):
        told.append((user.format(u), item.format(i), time))
        rows.append([*told[-1][:2], rng.choice(["5", "4.5", "", "3,5", "-1"]), clock(time)])
    order = rng.sample(range(4), 4)
    table = [[row[place] for place in order] for row in [header, *rows]]
    return table, sorted(told, key=lambda event: event[2]), rng


def as_bytes(table: list[list[str]], rng: random.Random) -> bytes:
    separator = rng.choice([",", "\t", ";", "|", "::"])
    quote = '"' if separator == "," or (separator in ";|" and rng.random() < 0.3) else ""
    end = rng.choice(["\n", "\r\n", "\r"])
    text = end.join(separator.join(f"{quote}{cell}{quote}" for cell in row) for row in table)
    data = (text + rng.choice(["", end])).encode(
        rng.choice(["utf-8", "utf-8", "utf-8-sig", "utf-16"])
    )
    return gzip.compress(data, mtime=0) if rng.random() < 0.2 else data


def events(found) -> list[tuple[str, str, int]]:
    data = found.dataset
    frame = data.interactions
    users = data.users["user_id"].to_numpy()[frame["user"]]
    items = data.items["item_id"].to_numpy()[frame["item"]]
    return list(zip(users, items, frame["timestamp"].tolist()))


def place(table: list[list[str]], names: list[str]) -> int:
    return next(n for n, name in enumerate(table[0]) if name in names)


# A harm changes the table; it returns what must be read then, or None where it must be refused.


def blank_id(table, told, rng):
    line, names = rng.randint(1, len(table) - 1), rng.choice([USER, ITEM])
    time = table[line][place(table, TIME)]
    table[line][place(table, names)] = rng.choice(["", " ", "NaN", "NULL"])
    return [
        event for event in told if not any(same(clock, event, time) for clock in CLOCK.values())
    ]


def same(clock, event, text) -> bool:
    return clock(event[2]) == text


def repeated_row(table, told, rng):
    table.append(list(rng.choice(table[1:])))
    return told


def shuffled_rows(table, told, rng):
    rows = table[1:]
    rng.shuffle(rows)
    table[1:] = rows
    return told


def extra_column(table, told, rng):
    for line, row in enumerate(table):
        row.insert(0, str(line) if line else rng.choice(["", "Unnamed: 0", "price", "country"]))
    return told


def spaces(table, told, rng):
    for row in table:
        row[:] = [f" {cell} " for cell in row]
    return told


def whole_as_float(table, told, rng):
    column = place(table, USER)
    if not all(row[column].isdigit() for row in table[1:]):
        return told
    for row in table[1:]:
        row[column] += ".0"
    return told


def long_row(table, told, rng):
    table[rng.randint(1, len(table) - 1)].append("more")


def short_row(table, told, rng):
    table[rng.randint(1, len(table) - 1)].pop()


def wrong_time(table, told, rng):
    table[-1][place(table, TIME)] = rng.choice(
        ["yesterday", "2019-02-30", "12:30", "99", "1e400", "-"]
    )


def other_unit(table, told, rng):
    column = place(table, TIME)
    table[-1][column] = "1400000000000" if len(table[-1][column]) != 13 else "1400000000"


def word_as_rating(table, told, rng):
    column = place(table, RATING)
    table[1][column], table[2][column] = "4", rng.choice(["good", "five", "4 stars", "1e999"])


def unknown_header(table, told, rng):
    table[0][place(table, rng.choice([USER, ITEM]))] = rng.choice(["foo", "x1", "who?"])


def twice_named(table, told, rng):
    table[0][place(table, RATING)] = table[0][place(table, ITEM)]


def two_users(table, told, rng):
    for line, row in enumerate(table):
        row.append(str(line % 3) if line else "account_id")
    table[0][place(table, USER)] = "member_id"


HARMS = [
    *(blank_id, repeated_row, shuffled_rows, extra_column, spaces, whole_as_float),
    *(long_row, short_row, wrong_time, other_unit, word_as_rating, unknown_header),
    *(twice_named, two_users),
]
MEND = re.compile(r"[;:] (mend|write|rename|give|say|call) ")
NAMES_A_LINE = {long_row, short_row, wrong_time, other_unit, word_as_rating, twice_named, two_users}
NAMES_A_COLUMN = {wrong_time, other_unit, word_as_rating, twice_named, two_users, unknown_header}


@settings(SETTINGS, max_examples=CASES)
@given(made=log(), harm=st.sampled_from(HARMS))
def test_a_harmed_log_is_read_rightly_or_refused(made, harm):
    table, told, rng = made
    told = harm(table, told, rng)
    with in_memory() as root:
        path = root / "log.csv"
        path.write_bytes(as_bytes(table, rng))
        try:
            found = events(read_any_log(path))
        except InputError as error:
            line = str(error)
            assert told is None, f"{harm.__name__} was refused: {line}"
            assert len(line.splitlines()) == 1 and "log.csv" in line
            assert "line " in line or harm not in NAMES_A_LINE, line
            assert "column" in line or harm not in NAMES_A_COLUMN, line
            assert MEND.search(line), line
            return
    assert told is not None, f"{harm.__name__} was read"
    assert found == told


VALID = b"user_id,item_id,rating,timestamp\n" + b"".join(
    f"u{n % 7},i{n % 11},{n % 5 + 1},{1_400_000_000 + 60 * n}\n".encode() for n in range(60)
)


@settings(SETTINGS, max_examples=CASES)
@given(steps=st.lists(st.tuples(st.sampled_from(CHANGES), st.integers(0, 2**32 - 1)), min_size=1, max_size=4))  # fmt: skip  # noqa: E501
def test_any_bytes_are_a_log_or_one_line(steps):
    data = VALID
    for change, seed in steps:
        data = mutated(data, change, random.Random(seed))
    outcomes: Counter = Counter()
    with in_memory() as root:
        path = root / "log.csv"
        path.write_bytes(data)
        try:
            frame = read_any_log(path).dataset.interactions
        except InputError as error:
            assert len(str(error).splitlines()) == 1
            outcomes["refused"] += 1
            return
    assert len(frame) and not frame.duplicated(["user", "item"]).any()
    assert (frame["timestamp"].diff().dropna() >= 0).all()
