"""The grid: nothing lost and nothing run twice whatever happens to it, one table, and cells that
measure what they say.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
from grid_stand_in import CELLS, stand_in

from tutorial_lib.data.shipped import shipped
from tutorial_lib.errors import InputError
from tutorial_lib.strategies import STRATEGIES, Budget
from tutorial_workshop.experiments import (
    Cell,
    Results,
    cells,
    cells_of,
    fingerprints,
    load_results,
    run_cell,
    run_grid,
    to_frame,
)
from tutorial_workshop.experiments.fingerprints import model_fingerprint
from tutorial_workshop.experiments.results import COLUMNS, to_bytes

HERE = Path(__file__).parents[1] / "helpers"


def quiet(line: str) -> None: ...


def start(folder: Path, jobs: int, **env) -> subprocess.Popen:
    """The grid in a process group of its own, workers included."""
    env = os.environ | {"PYTHONPATH": str(HERE)} | env
    command = [sys.executable, str(HERE / "grid_stand_in.py"), str(folder), str(jobs)]
    return subprocess.Popen(
        command,
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def wait_until(condition, process: subprocess.Popen, seconds: float = 300) -> None:
    """Seconds are many: a busy machine takes its time to start Python."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline and process.poll() is None, "the grid did not get there"
        time.sleep(0.01)


@pytest.mark.full
@pytest.mark.parametrize("jobs", [1, 2])
def test_killed_at_any_moment_it_goes_on_to_the_same_table(tmp_path, jobs):
    """Killing must lose no finished cell, repeat none, and leave no half-written file: else two
    hours are lost at the 119th minute.
    """
    whole = run_grid(CELLS, tmp_path / "whole", run=stand_in, tell=quiet)
    folder, log = tmp_path / "killed", tmp_path / "log"
    rng = np.random.default_rng(jobs)
    done, starts = set(), Counter()
    for _ in range(3):
        wanted = len(done) + int(rng.integers(1, 3))
        # One cell more than is waited for may end before the kill, the next one hangs: so the grid
        # cannot be over when it is killed, however long this process waits for a processor.
        most = starts.total() + wanted - len(done) + 1
        process = start(folder, jobs, GRID_LOG=str(log), GRID_SLEEP="0.15", GRID_FINISH=str(most))
        wait_until(lambda n=wanted: len(list(folder.glob("*.json"))) >= n, process)
        time.sleep(float(rng.uniform(0, 0.3)))
        assert process.poll() is None, "the test killed nothing"
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        again = Counter(log.read_text().split())
        assert all(again[name] == starts[name] for name in done), "a finished cell was run again"
        done, starts = {path.stem for path in folder.glob("*.json")}, again
    assert 3 <= len(done) < len(CELLS)
    before = {name: (folder / f"{name}.json").read_bytes() for name in done}
    frame = run_grid(CELLS, folder, run=stand_in, tell=quiet)
    assert all(
        (folder / f"{name}.json").read_bytes() == content for name, content in before.items()
    )
    pd.testing.assert_frame_equal(
        frame.drop(columns="commit"), whole.drop(columns="commit")
    )  # of a clone that may move on
    kept, expected = (
        load_results(place / "grid.csv.gz").assign(commit="")
        for place in (folder, tmp_path / "whole")
    )
    assert to_bytes(kept) == to_bytes(expected)


@pytest.mark.full
def test_dask_cluster_of_two_workers_gives_the_same_table(tmp_path, monkeypatch):
    """One flag takes the grid to a cluster; a worker that pickles differently, or a lost result,
    would show in the table.
    """
    pytest.importorskip(
        "distributed", reason="distributed is missing: pip install dask distributed"
    )
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    log = tmp_path / "log"
    monkeypatch.setenv("GRID_LOG", str(log))
    frame = run_grid(CELLS, tmp_path / "dask", jobs=2, dask="local", run=stand_in, tell=quiet)
    assert Counter(log.read_text().split()) == Counter(cell.name for cell in CELLS)
    monkeypatch.delenv("GRID_LOG")
    pd.testing.assert_frame_equal(
        frame, run_grid(CELLS, tmp_path / "here", run=stand_in, tell=quiet)
    )


@pytest.mark.full
def test_dask_address_where_nobody_listens_is_one_line(tmp_path):
    with pytest.raises(InputError, match="no Dask scheduler answers at 'tcp://127.0.0.1:9'"):
        run_grid(CELLS, tmp_path, dask="tcp://127.0.0.1:9", run=stand_in, tell=quiet)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b'{"format": 2, "cell"', "cannot be read"),
        (b"", "cannot be read"),
        (b"[1, 2]", "cannot be read"),
        (b"\xff\xfe", "cannot be read"),
        ({"format": 1}, "has format 1, this version of the kit writes 2"),
        ({"values": {"ndcg@10": [0.1]}}, "incomplete"),
        ({"cell": {"labels": 5}}, "another cell"),
        ({"seconds": None}, "incomplete"),
    ],
)
def test_a_file_that_is_no_good_is_kept_aside_and_the_rest_used(tmp_path, content, why):
    """A power cut in the middle of a disk write, or a folder from another version, must cost one
    cell and one line.
    """
    run_grid(CELLS, tmp_path, run=stand_in, tell=quiet)
    path = tmp_path / f"{CELLS[2].name}.json"
    good = json.loads(path.read_text())
    if isinstance(content, dict):
        if "cell" in content:
            content["cell"] = good["cell"] | content["cell"]
        content = {name: value for name, value in (good | content).items() if value is not None}
        content = json.dumps(content).encode()
    path.write_bytes(content)
    told, ran = [], []
    frame = run_grid(
        CELLS, tmp_path, run=lambda cell: ran.append(cell) or stand_in(cell), tell=told.append
    )
    assert ran == [CELLS[2]] and (tmp_path / "set-aside" / path.name).read_bytes() == content
    assert len([line for line in told if why in line]) == 1 and len(frame) == 3 * len(CELLS)


def test_an_exception_in_one_cell_loses_none_of_the_others(tmp_path):
    def breaks(cell):
        if cell == CELLS[4]:
            raise InputError("no")
        return stand_in(cell)

    with pytest.raises(InputError, match="no"):
        run_grid(CELLS, tmp_path, run=breaks, tell=quiet)
    assert sorted(path.stem for path in tmp_path.glob("*.json")) == sorted(
        cell.name for cell in CELLS[:4]
    )


def test_table_is_tidy_and_survives_its_file(tmp_path):
    """Every row names its cell, costs and origin; a reader needs nothing else."""
    frame = run_grid(CELLS, tmp_path, run=stand_in, tell=quiet)
    assert list(frame.columns) == COLUMNS
    assert not frame.duplicated(
        ["task", "dataset", "lm", "strategy", "labels", "seed", "user"]
    ).any()
    assert frame.drop(columns="auc").notna().all(axis=None)
    row = frame[(frame["labels"] == 16) & (frame["seed"] == 2) & (frame["user"] == 3)]
    assert row["ndcg@10"].round(9).tolist() == [0.036]
    pd.testing.assert_frame_equal(load_results(tmp_path / "grid.csv.gz"), frame, check_dtype=False)


@pytest.mark.parametrize("damage", ["cut", "other version", "no table", "missing"])
def test_recorded_table_that_is_no_good_is_one_line(tmp_path, damage):
    frame = run_grid(CELLS, tmp_path, run=stand_in, tell=quiet)
    path = tmp_path / "grid.csv.gz"
    content = {
        "cut": path.read_bytes()[:-40],
        "other version": to_bytes(frame.assign(format=1)),
        "no table": b"hello",
        "missing": None,
    }[damage]
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(
        InputError,
        match={"other version": "another version", "missing": "no such file"}.get(
            damage, "damaged"
        ),
    ):
        load_results(path)


def test_budgets_and_strategies_make_the_right_cells():
    """What tunes nothing has one cell a seed, at 0 labels; what tunes has none there; "all" is the
    users with a history.
    """
    found = cells_of(
        "world-movies",
        "kit-gpt",
        ["ceiling", "popularity", "zero-shot", "full"],
        [0, 8, "all"],
        [0, 1],
    )
    able = sum(len(history) > 1 for history in cells.split_of("world-movies").train)
    labels = {
        name: [cell.labels for cell in found if cell.strategy == name and cell.seed == 1]
        for name in {c.strategy for c in found}
    }
    assert labels == {"ceiling": [0], "zero-shot": [0], "popularity": [8, able], "full": [8, able]}
    assert {cell.lm for cell in found if cell.strategy == "popularity"} == {""} and len(
        set(found)
    ) == len(found)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"strategies": ["ful"]}, "did you mean 'full'"),
        ({"budgets": [10**6]}, "expected 'all' or a number of users from 0 to"),
        ({"budgets": ["every"]}, "expected 'all' or a number"),
        ({"dataset": "world-movie"}, "did you mean 'world-movies'"),
        ({"users": 10**6}, "users with test targets"),
        ({"lm": "kit-bert", "strategies": ["prefix"]}, "needs a causal model"),
        ({"task": "likes"}, "did you mean 'like'"),
        ({"task": "like", "strategies": ["few-shot"]}, "unknown strategy of the task 'like'"),
    ],
)
def test_a_grid_that_cannot_run_is_refused_before_anything_runs(change, message):
    given = {
        "dataset": "world-movies",
        "lm": "kit-gpt",
        "strategies": ["full"],
        "budgets": [8],
    } | change
    task, users = given.pop("task", "next"), given.pop("users", 10)
    with pytest.raises(InputError, match=message):
        cells_of(**given, task=task, users=users)


def test_ceiling_only_where_it_is_known(real_free="ml-100k"):
    with pytest.raises(InputError, match=r"ceiling|not here|TUTORIAL_DATA"):
        cells_of(real_free, "kit-gpt", ["ceiling"], [0])


def test_a_cell_sees_labelled_training_histories_only():
    """A baseline that sees all users, or a target, would beat every strategy at 8 labels."""
    split = cells.split_of("world-movies")
    known = cells.labelled_only(split, 8, 3)
    drawn = {int(user) for user in known.users}
    assert len(drawn) == 8 and not any(
        len(target) for target in [*known.valid_target, *known.test_target]
    )
    for user, history in zip(known.users, known.train, strict=True):
        row = list(split.users).index(user)
        np.testing.assert_array_equal(history, split.train[row])
    assert known.test_history == known.train and known.dataset is split.dataset


def test_a_cell_twice_is_the_same_cell():
    """Same seed, same numbers; and all cells are measured on the same users: else differences over
    seeds would be differences over users too.
    """
    cell = Cell("world-movies", "kit-gpt", "item-bias", 8, 1, users=4)
    first, second = run_cell(cell), run_cell(cell)
    assert first["values"] == second["values"] and first["users"] == second["users"]
    assert (
        first["trainable"] == 600 and first["stored_bytes"] == 2400 and first["score_seconds"] > 0
    )
    other = run_cell(Cell("world-movies", "", "popularity", 8, 1, users=4))
    assert other["users"] == first["users"] and other["flops"] is None
    assert (
        run_cell(Cell("world-movies", "", "popularity", 8, 2, users=4))["users"] == first["users"]
    )


@pytest.mark.full
def test_one_tuned_cell_counts_its_cost():
    result = run_cell(Cell("world-movies", "kit-gpt", "soft-prompt", 8, 0, users=2))
    assert result["flops"] > 1e9 and result["seconds"] > 0 and 0 < result["trainable"] < 10_000
    frame = to_frame([{"format": 2, "commit": "x", "version": "0", **result}])
    assert len(frame) == 2 and frame["strategy"].unique().tolist() == ["soft-prompt"]


def test_results_of_another_grid_in_the_same_folder_are_left_alone(tmp_path):
    run_grid(CELLS[:3], tmp_path, run=stand_in, tell=quiet)
    frame = run_grid(CELLS[3:5], tmp_path, run=stand_in, tell=quiet)
    assert len(frame) == 6 and len(Results(tmp_path).read(CELLS)) == 5


def test_command_line_goes_through(tmp_path, capsys):
    """`tutorial grid` with names and numbers as a user types them."""
    from tutorial_workshop.cli.main import main

    given = [
        "grid",
        "popularity",
        "ceiling",
        "--labels",
        "8",
        "all",
        "--seeds",
        "0",
        "--users",
        "5",
        "--out",
        str(tmp_path / "grid"),
    ]
    assert main(given) == 0 and main(given) == 0
    assert "3 of 3 cells are in" in capsys.readouterr().out
    assert (
        main(["grid", "popularity", "--labels", "9999999"]) == 2
        and main(["grid", "popularty"]) == 2
    )
    assert capsys.readouterr().err.count("\n") == 2


# what a cell was made from


def copied_model(tmp_path, name="model"):
    folder = tmp_path / name
    shutil.copytree(shipped("checkpoints/kit-gpt"), folder)
    return folder


@pytest.mark.parametrize(
    "change",
    ["weights", "one bit", "config.json", "tokenizer.json", "another model", "a file added"],
)
def test_a_model_that_was_replaced_is_measured_again(change, tmp_path):
    """ "0 to run" after the folder behind --lm was replaced gives the numbers of a model that is
    not there any more.
    """
    folder = copied_model(tmp_path)
    given = [
        Cell("world-movies", str(folder), "zero-shot", 0, seed, users=2) for seed in (0, 1)
    ] + [CELLS[0]]
    run_grid(given, tmp_path / "grid", run=stand_in, tell=quiet)
    weights = folder / "model.safetensors"
    if change == "another model":
        shutil.rmtree(folder)
        shutil.copytree(shipped("checkpoints/kit-bert"), folder)
    elif change == "one bit":
        content = bytearray(weights.read_bytes())
        content[-1] ^= 1
        weights.write_bytes(content)
    elif change == "a file added":
        (folder / "added_tokens.json").write_text("{}")
    else:
        path = weights if change == "weights" else folder / change
        path.write_bytes(path.read_bytes() + b" ")
    told, ran = [], []
    frame = run_grid(
        given,
        tmp_path / "grid",
        run=lambda cell: ran.append(cell) or stand_in(cell),
        tell=told.append,
    )
    assert ran == given[:2] and len(frame) == 9  # the cell of another model stays
    assert [
        line
        for line in told
        if "2 finished cells are run again" in line
        and "made from other weights, configuration" in line
    ]
    assert "1 of 3 cells are in" in " ".join(told)
    run_grid(given, tmp_path / "grid", run=lambda cell: pytest.fail("run a third time"), tell=quiet)


def test_the_same_model_copied_elsewhere_is_the_same_model(tmp_path):
    one, other = copied_model(tmp_path, "one"), copied_model(tmp_path, "other")
    assert (
        model_fingerprint(str(one))
        == model_fingerprint(str(other))
        == model_fingerprint("kit-gpt")
        != model_fingerprint("kit-bert")
    )


def test_other_data_and_other_settings_are_measured_again(tmp_path, monkeypatch):
    given, told = CELLS[:2], []
    run_grid(given, tmp_path, run=stand_in, tell=quiet)
    monkeypatch.setattr(fingerprints, "_data", lambda *_: "of another catalogue")
    run_grid(given, tmp_path, run=stand_in, tell=told.append)
    monkeypatch.setattr(cells, "CORE", 3)
    run_grid(given, tmp_path, run=stand_in, tell=told.append)
    assert [line.split("made from ")[1] for line in told if "made from" in line] == [
        "other data",
        "other settings, or by another protocol",
    ]


def test_a_cell_of_an_earlier_version_is_measured_again(tmp_path):
    """It does not say which model it was made from, so nobody can know."""
    run_grid(CELLS[:2], tmp_path, run=stand_in, tell=quiet)
    Results(tmp_path).write(CELLS[1], stand_in(CELLS[1]))
    told, ran = [], []
    run_grid(
        CELLS[:2], tmp_path, run=lambda cell: ran.append(cell) or stand_in(cell), tell=told.append
    )
    assert ran == [CELLS[1]] and any(
        "1 finished cells are run again" in line and "an earlier version" in line for line in told
    )


def test_a_process_reads_the_model_again_when_its_files_change(tmp_path):
    folder = copied_model(tmp_path)
    first = cells.language_model(str(folder))
    assert cells.language_model(str(folder)) is first
    (folder / "README.md").write_text("for readers")
    assert cells.language_model(str(folder)) is first
    (folder / "added.json").write_text("another")
    assert cells.language_model(str(folder)) is not first


def test_two_cells_never_share_a_file():
    models = [
        "a/b",
        "a_b",
        "a%2Fb",
        "a b",
        "a",
        "../a",
        "x" * 300,
        "x" * 301,
        "/models/" + "y" * 300,
        "ä" * 100,
    ]
    names = {Cell("world-movies", lm, "full", 8, 0).name for lm in models}
    assert len(names) == len(models) and all(
        len(name.encode()) < 250 and "/" not in name for name in names
    )
    assert (
        Cell("world-movies", "kit-gpt", "full", 8, 0).name
        == "next-world-movies-kit-gpt-full-8-0-300"
    )


@pytest.mark.full
def test_workers_end_with_their_parent(tmp_path):
    """`kill -9` of the parent left processes that worked on for minutes, at nobody's request."""
    process = start(tmp_path / "grid", 2, GRID_LOG=str(tmp_path / "log"), GRID_SLEEP="60")
    log = tmp_path / "log"
    wait_until(lambda: log.exists() and len(log.read_text().split()) >= 2, process)
    workers = psutil.Process(process.pid).children(recursive=True)
    try:
        assert len(workers) >= 2
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        _, alive = psutil.wait_procs(workers, timeout=60)
        assert not alive
    finally:
        for worker in workers:
            with contextlib.suppress(psutil.NoSuchProcess):
                worker.kill()


def test_a_grid_goes_on_from_a_recorded_table(tmp_path):
    """Its folder may be lost: what the table holds must not be run again, nor change on its way
    through a folder; what was made from another model, data or settings is run.
    """
    frame = run_grid(CELLS[:4], tmp_path / "first", run=stand_in, tell=quiet)
    stale = frame["strategy"].eq("full") & frame["labels"].eq(CELLS[0].labels)
    stale &= frame["seed"].eq(CELLS[0].seed)
    frame.loc[stale, "fingerprint"] = "other data entirely"
    path = tmp_path / "table.csv.gz"
    path.write_bytes(to_bytes(frame))
    ran = []
    again = run_grid(
        CELLS[:5],
        tmp_path / "second",
        run=lambda cell: ran.append(cell) or stand_in(cell),
        recorded=load_results(path),
        tell=quiet,
    )
    assert ran == [CELLS[0], CELLS[4]]
    whole = run_grid(CELLS[:5], tmp_path / "whole", run=stand_in, tell=quiet)
    pd.testing.assert_frame_equal(again.drop(columns="commit"), whole.drop(columns="commit"))


def test_a_budget_is_part_of_what_a_cell_was_made_from(monkeypatch):
    """Else the recorded curve would stay that of the old number of steps."""
    full, lora = (Cell("world-movies", "kit-gpt", name, 8, 0) for name in ("full", "lora"))
    before = fingerprints.fingerprint(full), fingerprints.fingerprint(lora)
    longer = replace(STRATEGIES["full"], budget=Budget(1e-4, epochs=9.0))
    monkeypatch.setitem(STRATEGIES, "full", longer)
    assert fingerprints.fingerprint(full) != before[0]
    assert fingerprints.fingerprint(lora) == before[1]


def test_a_folder_from_before_is_one_line(tmp_path):
    """A hundred cells of another format: a hundred lines would hide the one that says why."""
    run_grid(CELLS[:6], tmp_path, run=stand_in, tell=quiet)
    for path in tmp_path.glob("*.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 1}))
    told = []
    assert Results(tmp_path, told.append).read(CELLS[:6]) == {}
    assert len(told) == 1 and "has format 1" in told[0] and "and 5 files like it" in told[0]


@pytest.mark.parametrize("name", ["ease", "zero-shot"])
def test_worlds_are_judged_in_expectation_and_lists_are_kept(name):
    """Realised values come from one drawn target, expected ones from the known chances; both must
    be those of the list that is stored.
    """
    lm = "" if name == "ease" else "kit-gpt"
    result = run_cell(Cell("world-movies", lm, name, 16 if name == "ease" else 0, 0, users=6))
    split = cells.split_of("world-movies")
    values = result["values"]
    for place, user in enumerate(result["users"]):
        row = list(split.users).index(user)
        items = [int(item) for item in values["items"][place].split()]
        chances = split.dataset.truth.next_item_probabilities([split.test_history[row]])[0]
        assert values["hit@10"][place] == round(chances[items].sum(), 5) and len(set(items)) == 10
        target = int(split.test_target[row][0])
        assert values["realised_hit@10"][place] == (target in items)


# arguments


@pytest.mark.parametrize(
    ("task", "lm"), [("next", "kit-gpt"), ("next", "kit-bert"), ("like", "kit-gpt")]
)
def test_a_grid_without_names_is_every_strategy_that_fits(task, lm, monkeypatch, tmp_path, capsys):
    """The command's own default ended in an ImportError."""
    from tutorial_workshop import experiments
    from tutorial_workshop.cli.main import main

    ran = []
    monkeypatch.setattr(experiments, "run_grid", lambda cells, *_, **__: ran.extend(cells))
    given = [
        "grid",
        "--task",
        task,
        "--lm",
        lm,
        "--labels",
        "0",
        "8",
        "--seeds",
        "0",
        "--users",
        "2",
        "--out",
        str(tmp_path),
    ]
    data = ["--dataset", "world-movies"]
    assert main([*given, *data]) == 0, capsys.readouterr().err
    names = {cell.strategy for cell in ran}
    assert (
        {"popularity", "full", "lora"} <= names
        and len(names) >= 8
        and ("prefix" in names) == (task == "next" and lm == "kit-gpt")
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seeds": [0, -1]}, r"grid\(seed=-1\): expected a whole number from 0"),
        ({"seeds": [0.5]}, r"grid\(seed=0.5\): expected a whole number"),
        ({"seeds": [2**70]}, r"grid\(seed=\d+\): expected a whole number from 0 to"),
        ({"users": -3}, r"grid\(users=-3\): expected a whole number from 1"),
        ({"users": 2.5}, r"grid\(users=2.5\): expected a whole number"),
        ({"budgets": [2.5]}, "budget 2.5 .*expected 'all' or a number of users"),
        ({"budgets": ["²"]}, "budget '²' .*expected 'all' or a number of users"),
        ({"budgets": [float("nan")]}, "budget nan .*expected 'all' or a number"),
        ({"lm": "x" * 260}, "neither a known model"),
        ({"dataset": "x" * 260}, "unknown dataset"),
    ],
)
def test_numbers_and_names_that_cannot_be_are_refused(change, message, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    given = {
        "dataset": "world-movies",
        "lm": "kit-gpt",
        "strategies": ["full"],
        "budgets": [8],
        "seeds": [0],
    } | change
    with pytest.raises(InputError, match=message):
        cells_of(**given)


@pytest.mark.parametrize("jobs", [0, -1, 1.5, 10**6, True])
def test_jobs_that_cannot_be_are_refused(jobs, tmp_path):
    with pytest.raises(
        InputError, match=r"run_grid\(jobs=.*\): expected a whole number from 1 to 1,024"
    ):
        run_grid(CELLS, tmp_path, jobs=jobs, run=stand_in, tell=quiet)
