"""The command line as a user meets it: exit statuses, one clear line for bad input, and nothing
half-written.
"""

from __future__ import annotations

import contextlib
import csv
import io
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import nbformat
import pytest

from tutorial_workshop.cli.main import main

STOPS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
COMMON = ["index.html", "notebooks.csv", "results.csv"]  # beside the pages of every run
RATING = "1\t{item}\t5\t{time}\n"


def write_notebook(folder: Path, name: str, *cells: str) -> None:
    notebook = nbformat.v4.new_notebook(
        metadata={
            "kernelspec": {"name": "no-such-kernel", "display_name": "x", "language": "python"}
        }
    )
    notebook.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
    notebook.cells[0].metadata.tags = ["parameters"]
    folder.mkdir(exist_ok=True)
    nbformat.write(notebook, folder / f"{name}.ipynb")


@pytest.fixture
def notebooks(tmp_path):
    folder = tmp_path / "notebooks"
    write_notebook(
        folder,
        "00_first",
        "PROFILE = 'quick'\nDATASET = 'world-movies'\nSEED = 0",
        "import json, os, sys\nprint('PROFILE', PROFILE, DATASET, SEED)\nprint(sys.executable)",
        "open('scrap.txt', 'w').write('x')\nline = {'name': 'a', 'value': 0.25, 'ok': True, 'mean':"
        " 0.25}\nopen(os.environ['TUTORIAL_RESULTS'], 'a').write(json.dumps(line) + '\\n')",
    )
    write_notebook(folder, "01_second", "PROFILE = 'quick'", "print('second', PROFILE)")
    return folder


@pytest.fixture
def here(tmp_path):
    folder = tmp_path / "here"
    folder.mkdir()
    return folder


def environment(tmp_path: Path, **extra: object) -> dict[str, str]:
    """No real data, an empty cache, and a network that answers nobody."""
    nowhere = {
        name: "http://127.0.0.1:9"
        for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")
    }
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in ("TUTORIAL_DATA", "TUTORIAL_RESULTS", "TUTORIAL_STRICT")
    }
    return (
        kept
        | nowhere
        | {"TUTORIAL_CACHE": str(tmp_path / "cache")}
        | {name: str(value) for name, value in extra.items()}
    )


def tutorial(here: Path, *arguments: object, **extra: object) -> subprocess.CompletedProcess:
    """The command in this process, as if it had been given in the folder ``here``: a process of its
    own would spend seconds on imports.
    """
    words = [os.fsdecode(word) if isinstance(word, bytes) else str(word) for word in arguments]
    signals = {number: signal.getsignal(number) for number in STOPS}
    before = dict(os.environ)
    out, error = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(here),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(error),
    ):
        os.environ.clear()
        os.environ.update(environment(here.parent, **extra))
        try:
            status = main(words)
        finally:
            os.environ.clear()
            os.environ.update(before)
            for number, handler in signals.items():
                signal.signal(number, handler)
    return subprocess.CompletedProcess(words, status, out.getvalue(), error.getvalue())


def refused(done: subprocess.CompletedProcess, here: Path, *words: str) -> None:
    """One line on stderr with these words, status 2, nothing written."""
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    for word in words:
        assert word in done.stderr
    assert list(here.iterdir()) == []
    cache = here.parent / "cache"
    assert not cache.exists() or not any(path.is_file() for path in cache.rglob("*"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["rnu"], ["rnu", "run"]),
        (["run", "--profile", "quik"], ["quik", "smoke", "quick", "full"]),
        (["run", "--seed", "one"], ["--seed", "one"]),
        (["run", "--seed", "-1"], ["--seed", "-1", "0 to"]),
        (["run", "--colour"], ["--colour"]),
        (["fetch"], ["NAME"]),
        (["fetch", "ml-100"], ["unknown dataset 'ml-100'", "did you mean 'ml-100k'"]),
        (
            ["compare", "popularity", "ease", "--dataset", "world-movie"],
            ["unknown dataset", "'world-movies'"],
        ),
        (
            ["compare", "popularity", "TransitonKNN"],
            ["unknown model 'TransitonKNN'", "'TransitionKNN'"],
        ),
        (["compare", "ease", "EASE"], ["two or more different models"]),
        (["compare", "popularity", "ease", "--metric", "ndcg"], ["metric 'ndcg'", "ndcg@10"]),
        (["compare", "popularity", "ease", "--metric", "ndcg@²"], ["metric 'ndcg@²'", "ndcg@10"]),
        (["compare", "popularity", "ease", "--metric", "ndcg@0"], ["metric 'ndcg@0'", "ndcg@10"]),
        (["audit", "EASE", "--split", "random-²"], ["--split random-²", "leave-last-out"]),
        (["audit", "EASE", "--k", "1" + "0" * 30], ["--k", "whole number"]),
        (["grid", "--labels", "²"], ["--labels", "'²'", "all"]),
        (["grid", "--seeds", "-1"], ["--seeds", "-1"]),
        (["train", "--learning-rate", "nan"], ["--learning-rate", "'nan'"]),
        (["train", "--width", "100000000"], ["--width", "whole number from 1"]),
        (["train", "--width", "8192", "--layers", "128"], ["--width 8192", "GB", "smaller model"]),
        (["run", "--out", "a" * 260], ["--out", "255 bytes"]),
        (["run", "--out", ""], ["--out", "empty"]),
        (["run", "--profile=--"], ["--profile=--", "no value"]),
        (["audit", "EASE", "--seed=--"], ["--seed=--", "no value"]),
        (["run", "--dataset="], ["--dataset=", "no value"]),
        (["audit", "Random", "--split", " "], ["--split", "empty"]),
        (["compare", "", "ease"], ["argument 2", "empty"]),
        (["audit", "Random", "--margin", "exposure=١"], ["--margin", "above 0"]),
        (["audit", "Random", "--margin", "exposure=0.0_1"], ["--margin", "above 0"]),
        (["train", "--dropout", "0.٢"], ["--dropout", "number from 0"]),
        (["fetch", "a" * 260], ["unknown dataset '" + "a" * 56 + "...: Known"]),
        (["fetch", b"\xff"], ["argument 2", "not text"]),
        (
            ["compare", "popularity", "ease", "--metric", "ndgc@10", "--dataset", "world-news"],
            ["unknown metric", "ndcg@10"],
        ),
        (
            ["compare", "popularity", "ease", "--metric", "hit@99999", "--dataset", "world-news"],
            ["99999", "catalogue"],
        ),
    ],
    ids=lambda value: (
        " ".join(map(str, value))[:60] if isinstance(value, list) and len(value) < 7 else None
    ),
)
def test_wrong_argument_is_one_line(here, arguments, words):
    """A traceback, or a page of usage text, is what a learner would otherwise get for a typing
    error.
    """
    refused(tutorial(here, *arguments), here, *words)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "01_secnd"], ["unknown notebook '01_secnd'", "'01_second'"]),
        (["run", "--dataset", "ml-100"], ["unknown dataset", "'ml-100k'"]),
        (["run", "01", "--seed", "3"], ["SEED", "not declared by 01_second"]),
        (["run", "--out", "../a-file"], ["a-file", "is a file"]),
        (["run", "--out", "../a-file/results"], ["cannot write to", "a-file", "not a folder"]),
        (["run", "--out", "../notebooks"], ["no run has written"]),
    ],
)
def test_run_refuses_before_anything_is_executed(here, notebooks, arguments, words):
    """Minutes of execution would be lost, or somebody's folder overwritten, if this came at the
    end.
    """
    (here.parent / "a-file").write_text("kept")
    refused(tutorial(here, *arguments, "--notebooks-folder", notebooks), here, *words)
    assert (here.parent / "a-file").read_text() == "kept"
    assert sorted(path.name for path in notebooks.iterdir()) == [
        "00_first.ipynb",
        "01_second.ipynb",
    ]


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may write anywhere"
)
def test_folder_without_permission(here, notebooks):
    here.chmod(0o555)
    refused(tutorial(here, "run", "--notebooks-folder", notebooks), here, "cannot write to")


def test_missing_file_without_network(here, notebooks):
    """The line must say where to get the file and where to put it; so must `run`, before the first
    notebook.
    """
    for command in (
        ["fetch", "ml-100k"],
        ["run", "--dataset", "ml-100k", "--notebooks-folder", notebooks],
    ):
        refused(tutorial(here, *command), here, "ml-100k.zip", "put it")


def test_truncated_zip(here, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    with zipfile.ZipFile(data / "ml-100k.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for member in ("u.data", "u.item", "u.user"):
            archive.writestr(f"ml-100k/{member}", os.urandom(5000))
    whole = (data / "ml-100k.zip").read_bytes()
    (data / "ml-100k.zip").write_bytes(whole[: len(whole) // 2])
    refused(
        tutorial(here, "fetch", "ml-100k", TUTORIAL_DATA=data),
        here,
        "ml-100k.zip",
        "not a complete zip file",
    )


def small_movielens(tmp_path: Path, ratings: str) -> Path:
    folder = tmp_path / "data" / "ml-100k"
    folder.mkdir(parents=True)
    (folder / "u.data").write_text(ratings)
    flags = "|".join(["0"] * 18 + ["1"])
    (folder / "u.item").write_text(
        "".join(f"{i}|Film {i} (1995)|01-Jan-1995||http://x|{flags}\n" for i in range(1, 7)),
        encoding="latin-1",
    )
    (folder / "u.user").write_text("1|24|M|technician|85711\n")
    return folder.parent


def test_broken_line_is_named_by_file_and_number(here, tmp_path, notebooks):
    """Also by `run`, before any notebook is executed."""
    data = small_movielens(
        tmp_path, RATING.format(item=1, time=10) + "1\tbroken\n" + RATING.format(item=2, time=20)
    )
    for command in (
        ["fetch", "ml-100k"],
        ["run", "--dataset", "ml-100k", "--notebooks-folder", notebooks],
    ):
        refused(
            tutorial(here, *command, TUTORIAL_DATA=data),
            here,
            "u.data, line 2: found 2 fields",
            "Mend the line",
        )


def test_empty_split(here, tmp_path):
    data = small_movielens(
        tmp_path, RATING.format(item=1, time=10) + RATING.format(item=2, time=20)
    )
    done = tutorial(
        here, "compare", "popularity", "ease", "--dataset", "ml-100k", TUTORIAL_DATA=data
    )
    refused(done, here, "ml-100k")


def test_run_writes_notebooks_pages_and_tables(here, notebooks):
    """`make run` promises executed HTML and a results table, in a kernel of this interpreter, with
    parameters that arrived.
    """
    options = "--profile smoke --dataset world-news --seed 7 --notebooks-folder".split()
    done = tutorial(here, "run", *options, notebooks)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    out = here / "runs" / "world-news-smoke"
    names = ["00_first.html", "00_first.ipynb", "01_second.html", "01_second.ipynb", *COMMON]
    assert sorted(path.name for path in out.iterdir()) == names
    assert [path.name for path in (here / "runs").iterdir()] == ["world-news-smoke"]
    assert "runs/world-news-smoke" in done.stdout.splitlines()[-1]
    page = (out / "00_first.html").read_text()
    assert "PROFILE smoke world-news 7" in page
    assert sys.executable in page
    (result,) = csv.DictReader((out / "results.csv").open())
    given = {"notebook": "00_first", "dataset": "world-news", "profile": "smoke", "seed": "7"}
    assert result | given | {"value": "0.25", "ok": "True"} == result
    first, second = csv.DictReader((out / "notebooks.csv").open())
    assert (first["status"], second["status"]) == ("ok", "ok")
    assert float(first["seconds"]) > 0 and float(first["peak_memory_mb"]) > 10
    text = (out / "00_first.ipynb").read_text()
    assert str(out.parent) not in text  # no path of this machine in a file that may be passed on


def test_a_run_of_one_notebook_leaves_the_pages_of_all_alone(here, notebooks):
    done = tutorial(here, "run", "01", "--profile", "smoke", "--notebooks-folder", notebooks)
    assert (
        done.returncode == 0 and (here / "runs" / "embedded-smoke-01" / "01_second.html").exists()
    )


@pytest.mark.full
def test_second_run_replaces_the_first(here, notebooks):
    """Pages of an older run among the new ones would be read as new."""
    for name in ("00", "01_second"):
        assert (
            tutorial(here, "run", name, "--out", "out", "--notebooks-folder", notebooks).returncode
            == 0
        )
    assert sorted(path.name for path in (here / "out").iterdir()) == [
        "01_second.html",
        "01_second.ipynb",
        *COMMON,
    ]
    assert [path.name for path in here.iterdir()] == ["out"]


def test_failing_notebook_keeps_what_it_did(here, notebooks):
    """The cell, its error and the partial notebook are what somebody needs to mend it; the other
    notebooks still run.
    """
    write_notebook(
        notebooks, "00_broken", "PROFILE = 'quick'", "print('so far')", "1 / 0", "print('never')"
    )
    write_notebook(notebooks, "02_dies", "PROFILE = 'quick'", "import os; os._exit(3)")
    done = tutorial(here, "run", "--out", "out", "--notebooks-folder", notebooks)
    assert done.returncode == 1
    broken, dies = done.stderr.strip().splitlines()
    assert (
        "00_broken failed: code cell 4 of 5: ZeroDivisionError: division by zero" in broken
    )  # one cell more: the injected parameters
    assert "02_dies" in dies and "kernel died" in dies
    partial = (here / "out" / "00_broken.ipynb").read_text()
    assert "so far" in partial and "never\\n" not in partial
    status = {
        row["notebook"]: row["status"]
        for row in csv.DictReader((here / "out" / "notebooks.csv").open())
    }
    assert status == {
        "00_broken": "failed",
        "00_first": "ok",
        "01_second": "ok",
        "02_dies": "failed",
    }


@pytest.mark.full
@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
@pytest.mark.parametrize("older", [False, True], ids=["nothing there", "older run there"])
def test_interrupt_leaves_nothing_behind(here, notebooks, tmp_path, older):
    """Ctrl-C in the middle: a running kernel, a half-written folder or a lost older run would each
    be damage.
    """
    if older:
        options = ["--out", "runs/out", "--notebooks-folder", notebooks]
        assert tutorial(here, "run", "01", *options).returncode == 0
    start_child = "import os, subprocess, time\nchild = subprocess.Popen(['sleep', '60'])\n"
    long = (
        start_child + f"open({str(tmp_path / 'pid')!r}, 'w').write(f'{{os.getpid()}}"
        " {child.pid}')\ntime.sleep(60)"
    )
    write_notebook(notebooks, "00_long", "PROFILE = 'quick'", long)
    options = ["run", "00_long", "--out", "runs/out", "--notebooks-folder", str(notebooks)]
    run = subprocess.Popen(
        [sys.executable, "-m", "tutorial_lib", *options],
        cwd=here,
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_for(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
        run.send_signal(signal.SIGINT)
        _, error = run.communicate(timeout=20)
    finally:
        run.kill()
    assert run.returncode == 130
    assert len(error.strip().splitlines()) == 1 and "interrupted" in error
    wait_for(lambda: not any(map(running, map(int, (tmp_path / "pid").read_text().split()))))
    left = (
        sorted(path.name for path in (here / "runs" / "out").iterdir())
        if older
        else list(here.iterdir())
    )
    assert left == (["01_second.html", "01_second.ipynb", *COMMON] if older else [])
    assert not older or [path.name for path in (here / "runs").iterdir()] == ["out"]


def wait_for(condition, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        status = Path(
            f"/proc/{pid}/stat"
        )  # an ended process whose parent has not asked for it yet is there, but does not run
        return not (status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z")
    except (ProcessLookupError, FileNotFoundError):
        return False


def test_unknown_parameter_is_an_error(notebooks, tmp_path):
    """A misspelt name would run the notebook with its default."""
    from tutorial_lib.errors import InputError
    from tutorial_workshop.cli.run import run_notebooks

    with pytest.raises(InputError, match="PROFIL is not declared by 00_first"):
        run_notebooks([notebooks / "00_first.ipynb"], tmp_path / "out", {"PROFIL": "smoke"})
    assert not (tmp_path / "out").exists()


def test_compare_prints_intervals_and_paired_tests(here):
    command = "compare Popularity transitionknn --dataset world-news --metric ndcg@10"
    done = tutorial(here, *command.split())
    assert done.returncode == 0, done.stderr
    header, first, second, ceiling, told = done.stdout.splitlines()[-5:]
    assert (
        header.split()[0] == "model"
        and "difference from Popularity" in header
        and "detectable" in header
    )
    assert "p (Holm)" in header and header.endswith("verdict")
    assert "adjusted for 2 tests" in told and "after the adjustment" in told
    assert (
        first.count("[") == 1 and second.count("[") == 2
    )  # the first is the reference: an interval, no difference
    assert ceiling.startswith("Oracle (ceiling)")  # every leaderboard on a world has its top


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--version"], "tutorial 0."),
        (["datasets"], "world-movies"),
        (["check"], "torch"),
        ([], "usage"),
    ],
)
def test_small_commands(here, arguments, expected):
    done = tutorial(here, *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert expected in done.stdout
    assert list(here.iterdir()) == []


def test_import_is_light():
    """The package itself imports nothing heavy: what needs pandas or torch imports it."""
    code = (
        "import sys, tutorial_lib; print([name for name in ('numpy', 'pandas', 'torch', 'rich') if"
        " name in sys.modules])"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip()
        == "[]"
    )


@pytest.mark.parametrize(
    ("command", "limit"),
    [(["-c", "import tutorial_lib"], 0.3), (["-m", "tutorial_lib", "--help"], 1.0)],
)
def test_starts_quickly(command, limit):
    """One import of torch or pandas at the top of a module, and every `tutorial --help` takes
    seconds.
    """
    times = []
    for _ in range(3):
        start = time.perf_counter()
        subprocess.run([sys.executable, *command], check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    assert min(times) <= limit
