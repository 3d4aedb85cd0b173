"""Small valid files, broken as a copy, an editor or a disk may break them; what may come of that.

``TUTORIAL_FUZZ`` sets the number of cases of each test (default 100, always the same ones).
"""

from __future__ import annotations

import os
import random
import shutil
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tutorial_lib.data import Dataset, files, leave_last_out, load_dataset, temporal_split
from tutorial_lib.errors import InputError

CASES = int(os.environ.get("TUTORIAL_FUZZ", 100))
SETTINGS = settings(
    max_examples=CASES,
    deadline=None,
    database=None,
    derandomize="TUTORIAL_FUZZ" not in os.environ,
    suppress_health_check=list(HealthCheck),
)
NASTY = [
    "", " ", "0", "-1", "1.5", "5.0", "1e3", "1e400", "-1e400", "nan", "NaN", "inf", "None", "True",
    "0x1F", "1_000", "+7", "٣", "²", str(2**31), str(2**53), str(2**53 + 1), str(2**63), str(2**64),
    "9" * 400, "9" * 5000, "0.1" * 40, "6", "99", "1::2", "a|b", "a,b", '"', '""', '"a', "'", "\\",
    "\t", "\r", "\r\n", "\n", "\n\n", "\0", "\x1a", "\x85", "\u2028", "\u00a0", "\ufeff", "\ufffd",
    "é", "Ã©", "日本", "😀", "(1995)", "(²²²²)", "(٣٣٣٣)", "=1+1", "<b>", "$\\bad{$", "N1-1",
    "N1-2", "N1-", "-1 N1-0", "N1-0 N1-1", "N1 N2", "11/15/2019 8:55:22 AM",
    "11/15/9999 8:55:22 AM", "2/30/2019 8:55:22 AM", "11/15/0001 8:55:22 AM",
    "11/15/2262 11:59:59 PM", "2019-11-15", "1/1/1990 12:00:00 AM", "1/1/2100 12:00:00 AM",
]  # fmt: skip
SEPARATORS = [b"\t", b"|", b"::", b",", b";", b" ", b"\n"]
ENCODINGS = ["utf-8", "utf-8-sig", "latin-1", "cp1252", "utf-16", "utf-16-be", "utf-32", "cp437"]
METHODS = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2]


# --- what may happen to bytes ---


def flip_bit(data: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(8 * len(data))
    return data[: place // 8] + bytes([data[place // 8] ^ 1 << place % 8]) + data[place // 8 + 1 :]


def change_bytes(data: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(data))
    size = rng.choice([1, 2, 8, 100])
    new = rng.choice([rng.randbytes(size), bytes(size), b"\xff" * size])
    return data[:start] + new + data[start + size :]


def cut(data: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(data))
    return data[:start] + data[start + rng.choice([1, 2, 10, len(data)]) :]


def insert(data: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(data) + 1)
    return data[:start] + encoded(rng.choice(NASTY), rng) + data[start:]


def change_field(data: bytes, rng: random.Random) -> bytes:
    lines, line, fields, mark = parts(data, rng)
    fields[rng.randrange(len(fields))] = encoded(rng.choice(NASTY), rng)
    lines[line] = mark.join(fields)
    return b"\n".join(lines)


def change_fields(data: bytes, rng: random.Random) -> bytes:
    """Add, drop or swap fields of one line, or the same field of all."""
    lines, line, fields, mark = parts(data, rng)
    column, kind = rng.randrange(len(fields)), rng.choice(["drop", "double", "swap"])
    for number in [line] if rng.random() < 0.5 else range(len(lines)):
        fields = lines[number].split(mark)
        if column < len(fields):
            moved = fields.pop(column)
            fields = {"drop": fields, "double": [moved, moved, *fields], "swap": [moved, *fields]}[
                kind
            ]
            lines[number] = mark.join(fields)
    return b"\n".join(lines)


def change_lines(data: bytes, rng: random.Random) -> bytes:
    lines = data.split(b"\n")
    line, kind = (
        rng.randrange(len(lines)),
        rng.choice(["drop", "double", "shuffle", "blank", "reverse", "many"]),
    )
    if kind == "shuffle":
        rng.shuffle(lines)
    elif kind == "reverse":
        lines.reverse()
    elif kind == "blank":
        lines.insert(line, b"")
    else:
        lines[line : line + 1] = [lines[line]] * {"drop": 0, "double": 2, "many": 40}[kind]
    return b"\n".join(lines)


def change_separator(data: bytes, rng: random.Random) -> bytes:
    return data.replace(rng.choice(SEPARATORS), rng.choice(SEPARATORS), rng.choice([-1, 1, 3]))


def change_encoding(data: bytes, rng: random.Random) -> bytes:
    text = data.decode(rng.choice(["utf-8", "latin-1"]), "replace")
    return text.encode(rng.choice(ENCODINGS), "replace")


def change_line_ends(data: bytes, rng: random.Random) -> bytes:
    data = data.replace(b"\r\n", b"\n")
    return rng.choice(
        [
            data.replace(b"\n", b"\r\n"),
            data.replace(b"\n", b"\r"),
            data.rstrip(b"\n"),
            b"\xef\xbb\xbf" + data,
        ]
    )


CHANGES: list[Callable[[bytes, random.Random], bytes]] = [
    flip_bit,
    change_bytes,
    cut,
    insert,
    *[change_field] * 3,
    change_fields,
    change_lines,
    change_separator,
    change_encoding,
    change_line_ends,
]


def encoded(text: str, rng: random.Random) -> bytes:
    return text.encode(rng.choice(["utf-8", "utf-8", "latin-1"]), "replace")


def parts(data: bytes, rng: random.Random) -> tuple[list[bytes], int, list[bytes], bytes]:
    lines = data.split(b"\n")
    line = rng.randrange(len(lines))
    mark = max(SEPARATORS[:5], key=lines[line].count)
    return lines, line, lines[line].split(mark), mark


def mutated(data: bytes, change: Callable, rng: random.Random) -> bytes:
    return change(data, rng) if data else data


# --- what may happen to a data set, and what may come of it ---


steps = st.lists(
    st.tuples(st.sampled_from(CHANGES), st.integers(0, 2**32 - 1)), min_size=1, max_size=5
)
wrappers = st.sampled_from(["folder"] * 6 + ["zip", "broken zip"])


@contextmanager
def in_memory() -> Iterator[Path]:
    """A folder on a file system in memory where there is one, removed afterwards."""
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="tutorial-fuzz-", dir=base))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def write(
    name: str, members: dict[str, bytes], wrapper: str, root: Path, rng: random.Random
) -> None:
    """The data set as a folder or a zip below ``root``, which holds nothing else."""
    for old in root.iterdir():
        shutil.rmtree(old) if old.is_dir() else old.unlink()
    if wrapper == "folder":
        (root / name).mkdir()
        for member, content in members.items():
            (root / name / member).write_bytes(content)
        return
    path = root / files.ORIGINS[name].archives[0]
    with zipfile.ZipFile(path, "w", rng.choice(METHODS)) as archive:
        prefix = rng.choice(["", "top/", "a/b/"])
        for member, content in members.items():
            archive.writestr(prefix + member, content)
    if wrapper == "broken zip":
        path.write_bytes(
            mutated(path.read_bytes(), rng.choice([flip_bit, change_bytes, cut, insert]), rng)
        )


def fuzz_loader(name: str, valid: dict[str, bytes]) -> Counter:
    """Load ``name`` from mutated files, ``CASES`` times; returns how many were loaded and refused.

    Fails for anything but an `InputError` in one line, or a sound `Dataset`.
    """
    outcomes: Counter = Counter()

    @SETTINGS
    @given(steps=steps, wrapper=wrappers, bad_rows=st.sampled_from(["error", "skip"]))
    def case(steps, wrapper, bad_rows):
        members, rng = dict(valid), random.Random(steps[0][1])
        for change, seed in steps:
            rng = random.Random(seed)
            member = rng.choice(list(members))
            members[member] = mutated(members[member], change, rng)
        if rng.random() < 0.02:
            del members[rng.choice(list(members))]
        write(name, members, wrapper, root, rng)
        try:
            dataset = load_dataset(name, root=root, download=False, bad_rows=bad_rows)
        except InputError as error:
            assert "\n" not in str(error)
            outcomes["refused"] += 1
        else:
            check(dataset)
            outcomes["loaded"] += 1

    with in_memory() as root:
        case()
    print(f"\n{name}: {outcomes['loaded']:,} loaded, {outcomes['refused']:,} refused")
    return outcomes


def check(dataset: Dataset) -> None:
    """What every `Dataset` from a loader holds, whatever the files looked like."""
    events = dataset.interactions
    assert [str(events[c].dtype) for c in ("user", "item", "rating", "timestamp")] == [
        "int64",
        "int64",
        "float64",
        "int64",
    ]
    assert len(events) and not events.duplicated(["user", "item"]).any()
    assert (
        events["user"].between(0, dataset.n_users - 1).all()
        and events["item"].between(0, dataset.n_items - 1).all()
    )
    assert events["timestamp"].between(0, 10**11).all()
    assert (events["rating"].isna() | events["rating"].between(0.5, 5)).all()
    for table, column in ((dataset.items, "item_id"), (dataset.users, "user_id")):
        assert table[column].notna().all() and not table[column].duplicated().any()
        assert table.index.tolist() == list(range(len(table)))
    assert all(isinstance(title, str) and "\n" not in title for title in dataset.items["title"])
    assert all(isinstance(kinds, tuple) for kinds in dataset.items["categories"])
    assert dataset.card.counts["interactions"] == len(events)
    sequences = dataset.sequences()
    assert len(sequences) == dataset.n_users and sum(map(len, sequences)) == len(events)
    if len(dataset.reviews):
        assert dataset.reviews["user"].between(0, dataset.n_users - 1).all()
        assert dataset.reviews["item"].between(0, dataset.n_items - 1).all()
        assert all(isinstance(text, str) for text in dataset.reviews["text"])
    assert dataset.k_core(1).n_interactions == len(events)
    for split in (leave_last_out, temporal_split):
        try:
            found = split(dataset)
        except InputError:
            continue
        assert np.concatenate(found.test_target).size > 0
