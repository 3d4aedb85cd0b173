"""Whole files of bytes as a log of lists: a table, or one line; nothing else may come out.

TUTORIAL_FUZZ: number of cases (100).
"""

from __future__ import annotations

import gzip
import os

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from tutorial_lib.audit.core.evidence import collect
from tutorial_lib.audit.logs.logged import LoggedLists
from tutorial_lib.audit.logs.reading import read_log
from tutorial_lib.data import hold_out_k, load_dataset
from tutorial_lib.errors import InputError

CASES = int(os.environ.get("TUTORIAL_FUZZ", 100))
DATA = load_dataset("world-news").subset_users(range(60))
SPLIT = hold_out_k(DATA, 5)
NAMES = ["", " Rank", " user ", *"user items user_id item_ids item item_id rank score".split()]
NAMES += ["position", "when", "USER"]
ODD = ["", "a b", "\x00", "\x1a", "\ufeff", "\u2028", "1\t2", str(10**20), "9" * 400]
ODD += "inf -inf nan 1.2 1.7 1.0 -1.0 v0.0 -1 -7 1e3 1_0 ² ١ 0x1 true 007 NULL".split()
ODD += ['"', "'", "1;2", "=1+1", "news-u00001", "news-i00001"]

code = st.integers(0, 70).map(str)
user_id = st.integers(0, 70).map("news-u{:05d}".format)
item_id = st.integers(0, 420).map("news-i{:05d}".format)
token = st.one_of(code, user_id, item_id, st.sampled_from(ODD), st.text(max_size=6))


def several(one: st.SearchStrategy) -> st.SearchStrategy:
    return st.lists(one, max_size=12).map(" ".join)


CLEAN = {  # kinds of log -> (header, strategies of the fields)
    "codes": (
        ["user", "items"],
        [st.integers(0, 59).map(str), several(st.integers(0, 399).map(str))],
    ),
    "ids": (["user_id", "item_ids"], [user_id, several(item_id)]),
    "rows": (["user_id", "item_id", "rank"], [user_id, item_id, st.integers(1, 10**6).map(str)]),
    "scored": (["user", "item", "score"], [code, code, st.floats().map(str)]),
}


@st.composite
def table(draw, flaws: int) -> list[list[str]]:
    """Header and rows that are mostly right, so that later checks are reached."""
    kind = draw(st.sampled_from(sorted(CLEAN)))
    names, fields = CLEAN[kind]
    key = (lambda row: row[0]) if kind in ("codes", "ids") else (lambda row: (row[0], row[2]))
    rows = draw(st.lists(st.tuples(*fields), min_size=1, max_size=15, unique_by=key))
    lines = [list(names), *map(list, rows)]
    for _ in range(flaws):
        flaw = draw(st.sampled_from(["name", "cell", "cell", "short", "long", "twice", "empty"]))
        row = lines[draw(st.integers(1, len(lines) - 1))] if len(lines) > 1 else []
        if flaw == "name":
            lines[0][draw(st.integers(0, len(lines[0]) - 1))] = draw(st.sampled_from(NAMES))
        elif flaw == "cell" and row:
            row[draw(st.integers(0, len(row) - 1))] = draw(st.one_of(token, several(token)))
        elif flaw == "short" and row:
            row.pop()
        elif flaw == "long":
            row.append(draw(token))
        elif flaw == "twice":
            lines = [[*line, line[0] if line else ""] for line in lines]
        elif flaw == "empty":
            lines = lines[:1]
    return lines


@st.composite
def file(draw) -> tuple[str, bytes]:
    """(name, bytes): a right log in one of three cases, else tables with flaws in any encoding,
    packed or not, cut or flipped, and any bytes."""
    right = draw(st.integers(0, 2)) == 0
    lines = draw(table(0 if right else draw(st.sampled_from([0, 1, 1, 2]))))
    quote = draw(st.sampled_from(["", '"'] if right else ["", "", "", '"', "'"]))
    comma = draw(st.sampled_from([","] if right else [","] * 6 + [";", "\t", ", "]))
    end = draw(st.sampled_from(["\n", "\r\n", "\r", "\n\n"]))
    text = end.join(comma.join(f"{quote}{cell}{quote}" for cell in line) for line in lines)
    codecs = ["utf-8", "utf-8-sig"] if right else ["utf-8"] * 9 + ["utf-16", "latin-1", "utf-32"]
    data = text.encode(draw(st.sampled_from(codecs)), "replace")
    packed = draw(st.booleans())
    if not right and draw(st.integers(0, 9)) == 0:
        data = draw(st.binary(max_size=200))
    data = gzip.compress(data, mtime=0) if packed else data
    harm = draw(st.sampled_from(["none"] if right else ["none"] * 5 + ["cut", "flip", "add"]))
    place = draw(st.integers(0, max(len(data) - 1, 0)))
    if harm == "cut":
        data = data[:place]
    elif harm == "flip" and data:
        data = data[:place] + bytes([data[place] ^ draw(st.integers(1, 255))]) + data[place + 1 :]
    elif harm == "add":
        data += draw(st.binary(max_size=20))
    misnamed = not right and draw(st.integers(0, 9)) == 0
    return "log.csv.gz" if packed ^ misnamed else "log.csv", data


@settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck))
@given(file=file())
def test_any_file_is_a_log_or_one_line(file, tmp_path_factory):
    name, data = file
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(data)
    try:
        log = LoggedLists.from_frame(read_log(path), dataset=DATA, name=name)
        evidence = collect(log, DATA, SPLIT)
    except InputError as error:
        assert len(str(error).splitlines()) == 1
        event("refused")
        return
    event("judged")
    assert set(evidence.users) <= set(log.lists)
    assert ((evidence.lists >= -1) & (evidence.lists < DATA.n_items)).all()
    assert all("\n" not in line for line in evidence.problems)
