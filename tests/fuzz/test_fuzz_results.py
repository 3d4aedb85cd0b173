"""Recorded results and files of cells, mutated: refused, or numbers that can have been measured."""

import gzip
import json
import random
from collections import Counter
from dataclasses import asdict

import numpy as np
from fuzzing import CASES, SETTINGS, in_memory, mutated, steps
from hypothesis import given
from hypothesis import strategies as st

from tutorial_lib.errors import InputError
from tutorial_workshop.experiments import Cell, Results, load_results, to_frame
from tutorial_workshop.experiments.results import CHECKSUM, COLUMNS, LIMITS, checksum

CELLS = [Cell("world-movies", "kit-gpt", "full", labels, 0, 3) for labels in (8, 16)]


def result(cell: Cell) -> dict:
    costs = {
        "score_seconds": 0.1,
        "seconds": 1.5,
        "flops": 1e9,
        "trainable": 10,
        "stored_bytes": 40,
    }
    head = {
        "format": 2,
        "version": "0.1.0",
        "commit": "abc",
        "cell": asdict(cell),
        "users": [3, 1, 2],
    }
    return {**head, "values": {"ndcg@10": [0.5, 0.0, 1.0], "hit@10": [1.0, 0.0, 1.0]}, **costs}


TABLE = to_frame(map(result, CELLS)).to_csv(index=False, lineterminator="\n").encode()
FILE = json.dumps(result(CELLS[0])).encode()


def sound(frame) -> None:
    assert list(frame.columns) == COLUMNS and set(frame["format"]) <= {2}
    for column, (low, high, whole, needed) in LIMITS.items():
        values = frame[column].to_numpy(dtype=float)
        known = values[~np.isnan(values)]
        assert len(known) == len(values) or not needed
        assert ((known >= low) & (known <= high)).all() and (not whole or (known % 1 == 0).all())


def changed(data: bytes, steps) -> bytes:
    for change, seed in steps:
        data = mutated(data, change, random.Random(seed))
    return data


def signed(data: bytes) -> bytes:
    """With the right checksum, where it can have one: else that alone would refuse every case."""
    try:
        content = json.loads(data)
        return json.dumps({**content, CHECKSUM: checksum(content)}).encode()
    except (ValueError, TypeError, RecursionError):
        return data


def test_mutated_tables_are_refused_or_hold_possible_numbers():
    outcomes: Counter = Counter()

    @SETTINGS
    @given(steps=steps, where=st.sampled_from(["text", "text", "packed"]))
    def case(steps, where):
        content = (
            changed(gzip.compress(TABLE), steps)
            if where == "packed"
            else gzip.compress(changed(TABLE, steps))
        )
        path.write_bytes(content)
        try:
            frame = load_results(path)
        except InputError as error:
            assert "\n" not in str(error)
            outcomes["refused"] += 1
        else:
            sound(frame)
            outcomes["loaded"] += 1

    with in_memory() as folder:
        path = folder / "grid.csv.gz"
        case()
    print(f"\ntables: {outcomes['loaded']:,} loaded, {outcomes['refused']:,} refused")
    assert min(outcomes["loaded"], outcomes["refused"]) > CASES / 50


def test_mutated_cells_are_set_aside_or_hold_possible_numbers():
    outcomes: Counter = Counter()

    @SETTINGS
    @given(steps=steps)
    def case(steps):
        store.path(CELLS[0]).write_bytes(signed(changed(FILE, steps)))
        found = store.read(CELLS[:1])
        sound(to_frame(found.values()))
        outcomes["loaded" if found else "set aside"] += 1

    with in_memory() as folder:
        store = Results(folder, lambda line: None)
        case()
    print(f"\ncells: {outcomes['loaded']:,} loaded, {outcomes['set aside']:,} set aside")
    assert outcomes["set aside"] > CASES / 50
