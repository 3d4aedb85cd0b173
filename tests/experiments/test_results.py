"""Recorded results: every number that reaches a table is one that somebody can have measured."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pandas as pd
import pytest
from grid_stand_in import CELLS, stand_in

from tutorial_lib.errors import InputError
from tutorial_workshop.experiments import Results, load_results, run_grid, to_frame
from tutorial_workshop.experiments import results as module
from tutorial_workshop.experiments.results import COLUMNS, LIMITS, TEXTS, to_bytes


def quiet(line: str) -> None: ...


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return to_frame(
        {"format": 2, "version": "0", "commit": "c", **stand_in(cell)} for cell in CELLS[:3]
    )


def written(path, frame):
    path.write_bytes(to_bytes(frame))
    return path


@pytest.mark.parametrize("column", LIMITS)
@pytest.mark.parametrize("value", ["text", "7e300", "inf", "-1", "True", "0x10", "1,5"])
def test_a_number_that_nobody_can_have_measured_names_column_and_line(
    frame, tmp_path, column, value
):
    """7e300 seconds, or a metric of -1, would go into every mean of the notebook."""
    broken = frame.astype({column: object})
    broken.loc[2, column] = value
    with pytest.raises(InputError) as caught:
        load_results(written(tmp_path / "grid.csv.gz", broken))
    assert (
        f"{column} " in str(caught.value)
        and "in line 4, expected" in str(caught.value)
        and "\n" not in str(caught.value)
    )


@pytest.mark.parametrize("column", [name for name, (_, _, whole, _) in LIMITS.items() if whole])
def test_counts_are_whole_numbers(frame, tmp_path, column):
    with pytest.raises(InputError, match=f"{column} '1.5' in line 2, expected a whole number"):
        load_results(written(tmp_path / "grid.csv.gz", frame.assign(**{column: 1.5})))


def test_only_what_nobody_measured_may_be_missing(frame, tmp_path):
    for column, (_, _, _, needed) in LIMITS.items():
        path = written(tmp_path / "grid.csv.gz", frame.assign(**{column: np.nan}))
        if needed:
            with pytest.raises(InputError, match=f"{column} 'nan' in line 2"):
                load_results(path)
        else:
            assert load_results(path)[column].isna().all()
    assert set(LIMITS) | set(TEXTS) | {"format"} == set(COLUMNS)


@pytest.mark.parametrize("value", ["9" * 400, "-" + "9" * 30, str(2**64)])
def test_a_number_too_large_for_any_type_is_one_line(frame, tmp_path, value):
    broken = frame.astype({"trainable": object})
    broken.loc[2, "trainable"] = value
    with pytest.raises(InputError, match="trainable '.*' in line 4, expected a whole number"):
        load_results(written(tmp_path / "grid.csv.gz", broken))


def test_a_table_without_rows_is_one_line(frame, tmp_path):
    with pytest.raises(InputError, match="no row; expected one for each cell"):
        load_results(written(tmp_path / "grid.csv.gz", frame.iloc[:0]))


def test_no_flipped_bit_is_a_traceback(frame, tmp_path):
    """zlib.error is neither an OSError nor a ValueError."""
    path, rng = tmp_path / "grid.csv.gz", np.random.default_rng(0)
    whole = to_bytes(frame)
    told = 0
    for place in rng.permutation(8 * len(whole))[:300]:
        changed = bytearray(whole)
        changed[place // 8] ^= 1 << (place % 8)
        path.write_bytes(changed)
        try:
            pd.testing.assert_frame_equal(
                load_results(path), frame, check_dtype=False
            )  # a bit of the header that nobody reads
        except InputError as error:
            assert "\n" not in str(error)
            told += 1
    assert told > 200


def test_a_table_that_would_fill_the_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOST_BYTES", 2**20)
    path = tmp_path / "grid.csv.gz"
    path.write_bytes(gzip.compress(bytes(2**22)))
    with pytest.raises(InputError, match="damaged"):
        load_results(path)


@pytest.mark.parametrize(
    "change",
    [
        {"values": {"ndcg@10": [0.1, "0.2", 1.0], "hit@10": [1.0, 0.0, 1.0]}},
        {"values": {"ndcg@10": [0.1, 7e300, 1.0], "hit@10": [1.0, 0.0, 1.0]}},
        {"values": {"ndcg@10": "abc", "hit@10": "abc"}},
        {"users": [1, 2, -3]},
        {"users": [1, 2, 2.5]},
        {"users": "abc"},
        {"seconds": "1.5"},
        {"seconds": True},
        {"seconds": float("inf")},
        {"score_seconds": -1},
    ],
    ids=str,
)
def test_a_cell_with_such_a_number_is_run_again(tmp_path, change):
    run_grid(CELLS[:2], tmp_path, run=stand_in, tell=quiet)
    path = Results(tmp_path).path(CELLS[1])
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    told = []
    assert list(Results(tmp_path, told.append).read(CELLS[:2])) == [CELLS[0]]
    assert (
        len(told) == 1 and "moved to" in told[0] and (tmp_path / "set-aside" / path.name).exists()
    )


def run_again(folder):
    """The cells that a second run of the grid repeats, and what it tells."""
    told, ran = [], []
    run_grid(
        CELLS[:2], folder, run=lambda cell: ran.append(cell) or stand_in(cell), tell=told.append
    )
    return ran, told


@pytest.mark.full
def test_no_flipped_bit_of_a_cell_changes_the_table_in_silence(tmp_path):
    """0.008 for 0.018 is a number that somebody can have measured."""
    whole = run_grid(CELLS[:2], tmp_path, run=stand_in, tell=quiet)
    path, rng = Results(tmp_path).path(CELLS[1]), np.random.default_rng(0)
    good, changed = path.read_bytes(), []
    for place in rng.permutation(8 * len(good))[:400]:
        content = bytearray(good)
        content[place // 8] ^= 1 << (place % 8)
        path.write_bytes(content)
        told = []
        found = Results(tmp_path, told.append).read(CELLS[:2])
        if CELLS[1] in found:  # a bit that says the same: the layout, or E for e
            pd.testing.assert_frame_equal(to_frame(found.values()), whole)
        else:
            assert len(told) == 1 and "run again" in told[0]
            changed += told
    assert len(changed) > 350 and sum("(checksum differs)" in line for line in changed) > 20


@pytest.mark.parametrize(
    "change",
    [
        {"values": {"ndcg@10": [0.01, 0.0, 1.0], "hit@10": [1.0, 0.0, 1.0]}},
        {"users": [3, 1, 4]},
        {"seconds": 2.5},
        {"commit": "another"},
        {"fingerprint": None},
        {"more": 1},
        {"sha256": "0" * 64},
        {"sha256": None},
    ],
    ids=str,
)
def test_a_cell_that_was_changed_is_set_aside_and_run_again(tmp_path, change):
    run_grid(CELLS[:2], tmp_path, run=stand_in, tell=quiet)
    path = Results(tmp_path).path(CELLS[1])
    good = path.read_bytes()
    path.write_text(json.dumps(json.loads(good) | change))
    ran, told = run_again(tmp_path)
    assert ran == [CELLS[1]] and path.read_bytes() == good
    assert sum(f"{path.name} was changed after it was written" in line for line in told) == 1
    assert (tmp_path / "set-aside" / path.name).exists()


def test_a_cell_without_a_checksum_is_run_again_and_one_laid_out_anew_is_not(tmp_path):
    run_grid(CELLS[:2], tmp_path, run=stand_in, tell=quiet)
    first, second = (Results(tmp_path).path(cell) for cell in CELLS[:2])
    content = json.loads(first.read_text())
    first.write_text(json.dumps(dict(sorted(content.items())), indent=2) + "\n")
    content = json.loads(second.read_text())
    del content["sha256"]
    second.write_text(json.dumps(content))
    ran, told = run_again(tmp_path)
    assert ran == [CELLS[1]] and sum("has no checksum" in line for line in told) == 1


def test_a_cell_nested_too_deep_to_read_is_run_again(tmp_path):
    path = Results(tmp_path).path(CELLS[0])
    path.write_text("[" * 100_000)
    assert Results(tmp_path, quiet).read(CELLS[:1]) == {}


def test_a_folder_in_the_place_of_a_cell_is_one_line(tmp_path):
    Results(tmp_path).path(CELLS[0]).mkdir(parents=True)
    with pytest.raises(InputError, match="a file that can be read was expected"):
        Results(tmp_path, quiet).read(CELLS[:1])
