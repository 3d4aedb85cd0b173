"""`tutorial run` while it goes on: pages appear one by one, and no interrupt, kill or full disk
loses or mixes them.
"""

from __future__ import annotations

import csv
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from test_cli import COMMON, environment, running, tutorial, wait_for, write_notebook

SEED = "PROFILE = 'quick'\nSEED = 0"
WAIT = "import os, pathlib, time\nflag = pathlib.Path({flag!r})\n"
UNTIL_GONE = WAIT + "flag.write_text(str(os.getpid()))\nwhile flag.exists(): time.sleep(.02)"
posix = pytest.mark.skipif(os.name != "posix", reason="sends signals")


@pytest.fixture
def here(tmp_path):
    folder = tmp_path / "here"
    folder.mkdir()
    return folder


@pytest.fixture
def notebooks(tmp_path):
    """Two quick notebooks; the second and a third wait until the test removes the file ``flag``."""
    folder = tmp_path / "notebooks"
    write_notebook(folder, "00_quick", SEED, "print('seed', SEED)")
    for name in ("01_waits", "02_waits"):
        write_notebook(folder, name, SEED, UNTIL_GONE.format(flag=str(tmp_path / "flag")))
    return folder


def start(here: Path, notebooks: Path, *arguments: str, **extra: object) -> subprocess.Popen:
    command = [sys.executable, "-m", "tutorial_lib", "run", "--jobs", "1", *arguments]
    command += ["--out", "out", "--notebooks-folder", str(notebooks)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    if os.name == "posix":
        pipes["preexec_fn"] = signals_as_in_a_terminal
    return subprocess.Popen(command, cwd=here, env=environment(here.parent, **extra), **pipes)


def signals_as_in_a_terminal() -> None:
    """Under nohup, or in the background of a script, some are ignored, and a run rightly keeps to
    that.
    """
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


@pytest.mark.full
@posix
def test_a_run_under_nohup_outlives_its_terminal(here, notebooks):
    """Whoever ignores SIGHUP before the run wants it to go on."""
    command = [sys.executable, "-m", "tutorial_lib", "run", "01_waits", "--out", "out"]
    run = subprocess.Popen(
        ["nohup", *command, "--notebooks-folder", str(notebooks)],
        cwd=here,
        env=environment(here.parent),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    waits(here)
    run.send_signal(signal.SIGHUP)
    time.sleep(1)
    assert run.poll() is None
    run.send_signal(signal.SIGTERM)
    run.communicate(timeout=60)
    assert run.returncode == 128 + signal.SIGTERM


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def table(folder: Path) -> dict[str, str]:
    with (folder / "notebooks.csv").open() as file:
        return {row["notebook"]: row["status"] for row in csv.DictReader(file)}


def waits(here: Path) -> int:
    """The process of the kernel that waits, as soon as it does."""
    flag = here.parent / "flag"
    wait_for(lambda: flag.exists() and flag.read_text(), seconds=30)
    return int(flag.read_text())


def stop(run: subprocess.Popen, number: int) -> str:
    """Send a signal; returns what stderr said."""
    try:
        run.send_signal(number)
        return run.communicate(timeout=60)[1]
    finally:
        run.kill()


@posix
def test_pages_and_index_grow_as_notebooks_end(here, notebooks):
    """Published at the end only, twenty minutes of work are lost to one interrupt."""
    run = start(here, notebooks)
    waits(here)
    out = here / "out"
    assert {"00_quick.html", "00_quick.ipynb", *COMMON} <= set(names(out))
    assert not (out / "01_waits.html").exists() and table(out) == {"00_quick": "ok"}
    page = (out / "index.html").read_text()
    assert '<a href="00_quick.html">' in page and "Running: 1 of 3" in page
    for state in ("done", "running", "waiting"):
        assert page.count(f'<td role="cell">{state}</td>') == 1
    error = stop(run, signal.SIGINT)
    assert "interrupted: 1 of 3 notebooks are done and kept" in error and "out/index.html" in error
    assert names(out) == sorted(["00_quick.html", "00_quick.ipynb", *COMMON])
    page = (out / "index.html").read_text()
    assert (
        "Broken off: 1 of 3" in page
        and '<td role="cell">interrupted</td>' in page
        and '<td role="cell">not run</td>' in page
    )


@pytest.mark.full
@posix
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=["SIGTERM", "SIGHUP"])
def test_every_signal_that_asks_to_stop_leaves_no_trace(here, notebooks, number):
    """A closed terminal (SIGHUP) left a hidden folder and a kernel behind."""
    run = start(here, notebooks, "01_waits")
    kernel = waits(here)
    run.send_signal(number)  # and an impatient second one
    error = stop(run, number)
    assert run.returncode == 128 + number
    assert error == "tutorial: interrupted: no notebook was done; nothing was left behind\n"
    assert names(here) == []
    wait_for(lambda: not running(kernel))


@pytest.mark.full
@posix
def test_an_interrupt_before_the_first_page_leaves_the_earlier_run_as_it_was(here, notebooks):
    assert (
        tutorial(here, "run", "00", "--out", "out", "--notebooks-folder", notebooks).returncode == 0
    )
    before = {path.name: path.read_bytes() for path in (here / "out").iterdir()}
    run = start(here, notebooks, "01_waits")
    waits(here)
    assert "the earlier run in" in stop(run, signal.SIGINT)
    assert {path.name: path.read_bytes() for path in (here / "out").iterdir()} == before


@pytest.mark.full
@posix
def test_an_earlier_complete_run_outlives_runs_that_break_off(here, notebooks):
    """Old pages and new ones in one folder are read as one run; and a complete run is not given up
    for half of one.
    """
    assert (
        tutorial(here, "run", "00", "--out", "out", "--notebooks-folder", notebooks).returncode == 0
    )
    (here / "out" / "notes.txt").write_text("mine")
    complete = (here / "out" / "index.html").read_text()
    run = start(here, notebooks, "00", "01_waits", "--seed", "1")
    waits(here)
    assert "the earlier run is in" in stop(run, signal.SIGINT)
    pages = ["00_quick.html", "00_quick.ipynb", *COMMON]
    assert names(here / "out") == sorted([*pages, "earlier", "notes.txt"])
    assert names(here / "out" / "earlier") == sorted(pages)
    assert (here / "out" / "earlier" / "index.html").read_text() == complete
    assert "seed 1" in (here / "out" / "00_quick.html").read_text()
    index = (here / "out" / "index.html").read_text()
    assert 'href="earlier/index.html"' in index and "Broken off: 1 of 2" in index
    assert (
        tutorial(here, "run", "00", "--out", "out", "--notebooks-folder", notebooks).returncode == 0
    )
    assert names(here / "out") == sorted(["00_quick.html", "00_quick.ipynb", "notes.txt", *COMMON])
    assert "Complete: 1 of 1" in (here / "out" / "index.html").read_text()


@pytest.mark.full
@posix
def test_a_killed_run_keeps_its_pages_and_the_next_one_tidies_up(here, notebooks):
    """kill -9 can be met by nobody but the next run in the same folder."""
    run = start(here, notebooks)
    kernel = waits(here)
    stop(run, signal.SIGKILL)
    out = here / "out"
    assert table(out) == {"00_quick": "ok"} and (out / "00_quick.html").exists()
    assert (out / ".tutorial-run").is_dir()
    wait_for(lambda: not running(kernel))
    assert (
        tutorial(here, "run", "00", "--out", "out", "--notebooks-folder", notebooks).returncode == 0
    )
    assert names(out) == sorted(["00_quick.html", "00_quick.ipynb", *COMMON])


@pytest.mark.full
@posix
def test_a_second_run_in_the_same_folder_is_refused_and_one_beside_it_is_not(here, notebooks):
    """Two runs in one folder would overwrite each other; and to tidy up after the dead must not
    touch the living.
    """
    run = start(here, notebooks)
    waits(here)
    beside = tutorial(here, "run", "00", "--out", "beside", "--notebooks-folder", notebooks)
    assert beside.returncode == 0, beside.stderr
    refused = tutorial(here, "run", "00", "--out", "out", "--notebooks-folder", notebooks)
    assert refused.returncode == 2 and "another tutorial run is at work in" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    (here.parent / "flag").unlink()
    waits(here)
    (here.parent / "flag").unlink()
    assert run.wait(timeout=60) == 0
    assert set(table(here / "out").values()) == {"ok"} and len(table(here / "out")) == 3


@pytest.mark.parametrize("after", range(7))
def test_a_kill_while_the_earlier_run_is_set_aside_loses_nothing(tmp_path, monkeypatch, after):
    """Between any two renames, the folder is there, and the next run finds the earlier one."""
    from tutorial_workshop.cli import run_folder

    files = {name: name.encode() for name in ("00_quick.html", "00_quick.ipynb", *COMMON)}
    files["notebooks.csv"] = b"notebook,status\n00_quick,ok\n"
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    left = iter(range(after))

    def until_killed(move):
        def one(*arguments):
            if next(left, None) is None:
                raise KeyboardInterrupt
            return move(*arguments)

        return one

    with monkeypatch.context() as patch:
        patch.setattr(run_folder.os, "replace", until_killed(os.replace))
        patch.setattr(Path, "rename", until_killed(Path.rename))
        if after < 6:
            with pytest.raises(KeyboardInterrupt):
                run_folder._set_aside(tmp_path)
        else:
            run_folder._set_aside(tmp_path)
    found = {path.name: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert found == files
    assert run_folder._written_by_a_run(tmp_path)
    if after < 6:
        run_folder._set_aside(tmp_path)
    earlier = tmp_path / "earlier"
    assert {path.name: path.read_bytes() for path in earlier.iterdir()} == files
    assert [path.name for path in tmp_path.iterdir()] == ["earlier"]


@pytest.mark.full
def test_notebooks_of_one_name_are_both_kept(here, tmp_path):
    """The page of the first one was overwritten by that of the second."""
    for folder in ("a", "b"):
        write_notebook(tmp_path / folder, "00_tiny", SEED, f"print('from', {folder!r})")
    write_notebook(tmp_path / "a", "index", SEED, "print('no index')")
    paths = [
        tmp_path / "a" / "00_tiny.ipynb",
        tmp_path / "b" / "00_tiny.ipynb",
        tmp_path / "a" / "index.ipynb",
    ]
    done = tutorial(here, "run", *paths, paths[0], "--out", "out")
    assert done.returncode == 0, done.stderr
    assert table(here / "out") == {"00_tiny": "ok", "00_tiny-2": "ok", "index-2": "ok"}
    for name, text in {"00_tiny": "from a", "00_tiny-2": "from b", "index-2": "no index"}.items():
        assert text in (here / "out" / f"{name}.html").read_text()
        assert f'href="{name}.html"' in (here / "out" / "index.html").read_text()


def test_names_never_clash():
    from tutorial_workshop.cli.run_input import unique_names

    paths = [
        Path(name) for name in ("a/x.ipynb", "b/x.ipynb", "c/x-2.ipynb", "d/X.ipynb", "a/x.ipynb")
    ]
    named = unique_names([Path("/", path) for path in paths])
    assert list(named) == ["x", "x-2", "x-2-2", "X-3"]
    assert (
        len(
            unique_names(
                [Path("/", "é" * 120, "a" * 248 + ".ipynb"), Path("/", "b", "a" * 248 + ".ipynb")]
            )
        )
        == 2
    )


@pytest.mark.full
@posix
def test_a_full_disk_is_told_with_the_path_and_keeps_what_is_done(here, notebooks):
    """ "No space left on device" without a place sends a learner to the wrong disk."""
    write_notebook(notebooks, "01_large", SEED, "print('x' * 3_000_000)")
    # one at a time: side by side, the large one may end first, and then nothing is done yet
    command = f"ulimit -f 2000; exec {sys.executable} -m tutorial_lib run 00 01_large --jobs 1"
    run = ["bash", "-c", f"{command} --out out --notebooks-folder {notebooks}"]
    done = subprocess.run(
        run, cwd=here, env=environment(here.parent), capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "01_large.ipynb" in done.stderr and "1 of 2 notebooks are done and kept" in done.stderr
    assert names(here / "out") == sorted(["00_quick.html", "00_quick.ipynb", *COMMON])


@posix
def test_paths_hold_in_the_kernel(here, notebooks, tmp_path, monkeypatch):
    """The kernel works elsewhere: what is relative to the place of the command, or to a home, must
    be made absolute.
    """
    from tutorial_workshop.cli.kernels import PLACES, kernel_environment

    monkeypatch.chdir(here)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in PLACES[1:]:
        monkeypatch.setenv(name, f"some/{name}")
    monkeypatch.setenv("TUTORIAL_DATA", "~/data")
    monkeypatch.setenv("PYTHONPATH", f"lib{os.pathsep}/other")
    found = kernel_environment({}, tmp_path / "own")
    assert {name: found[name] for name in PLACES[2:]} == {
        name: str(here / "some" / name) for name in PLACES[2:]
    }
    assert found["TUTORIAL_DATA"] == str(tmp_path / "data")
    assert found["PYTHONPATH"] == f"{here / 'lib'}{os.pathsep}/other"
    monkeypatch.setenv("HOME", "/nonexistent")
    for name in ("IPYTHONDIR", "MPLCONFIGDIR"):
        monkeypatch.delenv(name)
        assert kernel_environment({}, tmp_path / "own")[name].startswith(str(tmp_path / "own"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("TUTORIAL_CACHE")
    assert kernel_environment({}, tmp_path / "own")["TUTORIAL_CACHE"] == str(
        tmp_path / ".cache" / "tutorial_lib"
    )


@pytest.mark.full
def test_a_model_folder_reaches_the_kernel_as_an_absolute_path(here, tmp_path):
    (here / "my-model").mkdir()
    write_notebook(
        tmp_path / "notebooks", "00_lm", "PROFILE = 'quick'\nLM = 'kit-gpt'", "print(LM)"
    )
    options = ["--out", "../out", "--notebooks-folder", tmp_path / "notebooks"]
    done = tutorial(here, "run", "--lm", "./my-model", *options)
    assert done.returncode == 0, done.stderr
    assert str(here / "my-model") in (tmp_path / "out" / "00_lm.html").read_text()


def test_what_a_model_may_be_called(tmp_path, monkeypatch):
    """A folder, the kit's models and names of the Hub; what cannot be is refused before minutes are
    spent.
    """
    from tutorial_lib.errors import InputError
    from tutorial_workshop.cli.run import _model_place

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("my-model", "kit-gpt"):
        (tmp_path / name).mkdir()
    for given in (
        "my-model",
        "./my-model",
        "~/my-model",
        str(tmp_path / "my-model"),
        "kit-gpt/../my-model",
    ):
        assert _model_place(given) == os.path.join(
            tmp_path, given.removeprefix("./").removeprefix("~/")
        )
    assert _model_place("./kit-gpt") == str(tmp_path / "kit-gpt")
    for given in ("kit-gpt", "minilm", "gpt2", "google/flan-t5-small"):
        assert _model_place(given) == given
    for given in ("./no-model", "../no", "/no/model", "~/no-model", "a/b/c", "a b", "é"):
        with pytest.raises(InputError, match="--lm"):
            _model_place(given)


@pytest.mark.full
@posix
@pytest.mark.parametrize(
    "home",
    [None, *(pytest.param(home, marks=pytest.mark.full) for home in ("/nonexistent", "relative"))],
)
def test_a_run_needs_no_home(here, notebooks, tmp_path, home):
    """Containers run under a number that no passwd file knows; Jupyter, IPython and matplotlib want
    a home.
    """
    unknown = ["unshare", "--user", "--map-user=54321", "--map-group=54321"]
    if (
        not shutil.which("unshare")
        or subprocess.run([*unknown, "true"], capture_output=True).returncode
    ):
        pytest.skip("this machine does not allow user namespaces")
    code = (
        "import matplotlib.pyplot, getpass, pathlib\nprint('user', getpass.getuser(),"
        " pathlib.Path.home())"
    )
    write_notebook(notebooks, "00_quick", SEED, code)
    names_of_homes = ("HOME", "USER", "LOGNAME", "TUTORIAL_CACHE")
    env = {key: value for key, value in environment(tmp_path).items() if key not in names_of_homes}
    env |= {"HOME": home} if home else {}
    command = [sys.executable, "-m", "tutorial_lib", "run", "00", "--out", "out"]
    command += ["--notebooks-folder", str(notebooks)]
    done = subprocess.run(
        [*unknown, *command], cwd=here, env=env, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "user" in (here / "out" / "00_quick.html").read_text()
    assert names(here) in (["out"], ["out", "relative"])


@pytest.mark.full
def test_a_file_that_is_no_notebook_is_told_before_anything_runs(here, tmp_path):
    for name, text in {"a": "no json", "b": "[]", "c": '{"cells": 3}', "d": "\x00\xff"}.items():
        (tmp_path / f"{name}.ipynb").write_text(text, encoding="latin-1")
        done = tutorial(here, "run", tmp_path / f"{name}.ipynb")
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr
        assert f"{name}.ipynb" in done.stderr and "expected an .ipynb file" in done.stderr
    assert names(here) == []


def test_a_notebook_without_kernel_metadata_runs_and_braces_in_its_path_are_no_parameters(
    here, tmp_path
):
    import nbformat

    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("print('ran')")])
    (tmp_path / "{SEED}").mkdir()
    nbformat.write(notebook, tmp_path / "{SEED}" / "a.b {x}.ipynb")
    done = tutorial(
        here, "run", tmp_path / "{SEED}" / "a.b {x}.ipynb", "--profile", "smoke", "--out", "{out}"
    )
    assert done.returncode == 2 and "PROFILE is not declared" in done.stderr
    notebook.cells.insert(
        0, nbformat.v4.new_code_cell("PROFILE = 'quick'", metadata={"tags": ["parameters"]})
    )
    nbformat.write(notebook, tmp_path / "{SEED}" / "a.b {x}.ipynb")
    done = tutorial(
        here, "run", tmp_path / "{SEED}" / "a.b {x}.ipynb", "--profile", "smoke", "--out", "{out}"
    )
    assert done.returncode == 0, done.stderr
    assert "ran" in (here / "{out}" / "a.b {x}.html").read_text()
    assert 'href="a.b%20%7Bx%7D.html"' in (here / "{out}" / "index.html").read_text()


@posix
def test_two_notebooks_at_a_time(here, notebooks, tmp_path):
    """Each waits for the other: one after the other they would wait for ever."""
    for name, other in (("01_waits", "02_waits"), ("02_waits", "01_waits")):
        code = f"import pathlib, time\npathlib.Path({str(tmp_path / name)!r}).touch()\n"
        code += f"while not pathlib.Path({str(tmp_path / other)!r}).exists(): time.sleep(.02)"
        write_notebook(notebooks, name, SEED, code)
    done = tutorial(here, "run", "--jobs", "2", "--out", "out", "--notebooks-folder", notebooks)
    assert done.returncode == 0, done.stderr
    assert list(table(here / "out")) == ["00_quick", "01_waits", "02_waits"]
    refused = tutorial(
        here, "run", "--jobs", "1000", "--out", "out", "--notebooks-folder", notebooks
    )
    assert refused.returncode == 2 and "take --jobs" in refused.stderr


def test_as_many_at_a_time_as_cores_and_memory_allow(monkeypatch):
    """Three notebooks of 1.5 GB in 4 GB of memory would swap; three on two cores would wait."""
    from types import SimpleNamespace

    from tutorial_workshop.cli import run

    monkeypatch.setattr(run, "total_memory_gb", lambda: 8.0)
    free = {"available": 4e9}
    monkeypatch.setattr(run.psutil, "virtual_memory", lambda: SimpleNamespace(**free))
    monkeypatch.setattr(run, "cores", lambda: 8)
    assert [run._jobs(None, notebooks) for notebooks in (1, 9)] == [1, 2]
    free["available"] = 0.5e9
    assert run._jobs(None, 9) == 1 and run._jobs(4, 9) == 4
    free["available"] = 64e9
    monkeypatch.setattr(run, "cores", lambda: 2)
    assert run._jobs(None, 9) == 2


def test_the_longest_notebooks_begin(tmp_path):
    """A long one that begins last runs alone at the end. Those without a record come last."""
    from tutorial_workshop.cli.run import _longest_first

    names = ["00_start_here", "mine", "03_pretrain_finetune", "02_objectives_am_mlm"]
    named = {name: tmp_path / f"{name}.ipynb" for name in names}
    assert _longest_first(named) == [names[2], names[3], names[0], names[1]]


@pytest.mark.full
def test_a_reader_that_goes_away_does_not_stop_the_run(here, notebooks):
    command = (
        f"{sys.executable} -m tutorial_lib run 00 00_quick --out out --notebooks-folder {notebooks}"
        " | true"
    )
    subprocess.run(command, shell=True, cwd=here, env=environment(here.parent), timeout=120)
    end = time.monotonic() + 60
    while (
        not (here / "out" / "index.html").exists()
        or "Complete" not in (here / "out" / "index.html").read_text()
    ):
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.mark.full
def test_a_folder_of_the_users_own_called_earlier_stays_as_it_is(here, notebooks):
    """It was deleted without a word, because a run sets aside the one before it under that name."""
    options = ["--out", "out", "--notebooks-folder", notebooks]
    assert tutorial(here, "run", "00", *options).returncode == 0
    mine = here / "out" / "earlier"
    mine.mkdir()
    (mine / "thesis.txt").write_text("mine")
    for _ in range(2):
        assert tutorial(here, "run", "00", *options).returncode == 0
        assert names(mine) == ["thesis.txt"]
        assert names(here / "out") == sorted(
            ["00_quick.html", "00_quick.ipynb", "earlier", *COMMON]
        )


def make_run(folder: Path, name: str) -> None:
    """The files of a run of one notebook."""
    folder.mkdir(exist_ok=True)
    for file in (f"{name}.html", f"{name}.ipynb", "index.html", "results.csv"):
        (folder / file).write_text(name)
    (folder / "notebooks.csv").write_text(f"notebook,status\n{name},ok\n")


def test_what_a_user_puts_into_an_earlier_run_stays(tmp_path):
    from tutorial_workshop.cli import run_folder

    make_run(tmp_path, "00_old")
    (tmp_path / "earlier-2").write_text("a file of that name")
    run_folder._set_aside(tmp_path)
    make_run(tmp_path, "01_new")
    run_folder._set_aside(tmp_path)
    assert names(tmp_path) == ["earlier", "earlier-2", "earlier-3"]
    assert [path.name for path in run_folder.earlier_runs(tmp_path)] == ["earlier", "earlier-3"]
    (tmp_path / "earlier" / "notes.txt").write_text("mine")
    run_folder._remove_earlier(tmp_path)
    assert names(tmp_path) == ["earlier", "earlier-2"]
    assert names(tmp_path / "earlier") == ["notes.txt"]


def run_of(name: str, **extra):
    from tutorial_workshop.cli.kernels import NotebookRun

    return NotebookRun(name, "ok", 60.0, 3, 500.0, **extra)


@pytest.mark.parametrize("room", [0, 3_000])
def test_a_full_disk_does_not_leave_an_index_that_says_running(tmp_path, monkeypatch, room):
    """The last index could not be written, and "Running" stood there for good."""
    from tutorial_workshop.cli import run_folder

    write, size = run_folder.write_text_file, [10**9]

    def on_a_small_disk(path: Path, text: str) -> None:
        files = [file for file in tmp_path.rglob("*") if file.is_file() and file != path]
        if sum(file.stat().st_size for file in files) + len(text) > size[0]:
            raise OSError(28, "No space left on device", str(path))
        write(path, text)

    monkeypatch.setattr(run_folder, "write_text_file", on_a_small_disk)
    with pytest.raises(OSError, match="No space"):
        with run_folder.RunFolder(tmp_path / "out", ["00_a", "01_b"], {}) as folder:
            folder.begin("00_a")
            (folder.work / "00_a.ipynb").write_text("x")
            folder.publish(run_of("00_a"), [])
            folder.begin("01_b")
            (folder.work / "01_b.ipynb").write_text("x" * 50_000)
            files = [file for file in tmp_path.rglob("*") if file.is_file()]
            size[0] = sum(file.stat().st_size for file in files) + room - 50_000
            run_folder.write_text_file(folder.work / "01_b.html", "x" * 60_000)
    page = (tmp_path / "out" / "index.html").read_text()
    assert "Broken off: 1 of 2" in page and "Running" not in page
    assert names(tmp_path / "out") == sorted(["00_a.ipynb", *COMMON])


def test_a_disk_that_is_full_for_the_last_index_leaves_the_folder_in_order(tmp_path, monkeypatch):
    from tutorial_workshop.cli import run_folder

    tell = run_folder.RunFolder._tell

    def full(folder, state):
        if state == "complete":
            raise OSError(28, "No space left on device", "index.html")
        tell(folder, state)

    monkeypatch.setattr(run_folder.RunFolder, "_tell", full)
    with pytest.raises(OSError, match="No space"):
        with run_folder.RunFolder(tmp_path / "out", ["00_a"], {}) as folder:
            folder.publish(run_of("00_a"), [])
    assert names(tmp_path / "out") == sorted(COMMON)
    assert "Broken off: 1 of 1" in (tmp_path / "out" / "index.html").read_text()


BROKEN = {  # an output against the format, results that are half a line
    "00_page": "from IPython.display import display\ndisplay({'text/html': None}, raw=True)",
    "02_results": "import os\nopen(os.environ['TUTORIAL_RESULTS'], 'a').write('{\"name\": ')",
}


@pytest.mark.full
def test_a_notebook_without_a_page_keeps_what_it_did_and_the_others_run(here, tmp_path):
    """A traceback ended the whole run, and the executed notebook was lost."""
    for name, code in (BROKEN | {"03_sound": "print('sound')"}).items():
        write_notebook(tmp_path / "notebooks", name, SEED, "print('kept')", code)
    done = tutorial(here, "run", "--out", "out", "--notebooks-folder", tmp_path / "notebooks")
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    found = table(here / "out")
    assert found == {"00_page": "failed", "02_results": "failed", "03_sound": "ok"}
    lines = done.stderr.splitlines()
    assert any(
        "00_page failed: code cell 4 of 4: NotebookValidationError: " in line for line in lines
    )
    assert any("02_results failed: its results cannot be read: " in line for line in lines)
    for name in found:
        assert "kept" in (here / "out" / f"{name}.ipynb").read_text()
    index = (here / "out" / "index.html").read_text()
    assert "Complete: 3 of 3" in index and 'href="00_page.html"' in index


@pytest.mark.full
@pytest.mark.parametrize(
    "error", [OSError(36, "File name too long", "x"), RecursionError(), MemoryError(), KeyError(3)]
)
def test_whatever_the_export_raises_ends_one_notebook(tmp_path, error):
    from tutorial_workshop.cli.run import run_notebooks

    write_notebook(tmp_path, "00_a", SEED, "1")
    write_notebook(tmp_path, "01_b", SEED, "1 / 0")

    def export(notebook: Path, folder: Path) -> str:
        raise error

    paths = sorted(tmp_path.glob("*.ipynb"))
    runs = run_notebooks(paths, tmp_path / "out", {}, export_html=export)
    assert [run.status for run in runs] == ["failed", "failed"]
    assert runs[0].error.startswith(f"the page could not be made: {type(error).__name__}")
    assert "ZeroDivisionError" in runs[1].error and "; the page could" in runs[1].error
    assert (tmp_path / "out" / "00_a.ipynb").exists()


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1100])
def test_the_index_fits_a_telephone(tmp_path, chromium, width):
    from tutorial_workshop.cli import run_folder

    long = "code cell 3 of 9: FileNotFoundError: " + "/a-folder-without-end" * 12 + "_x" * 60
    known = ["00_start_here", "01_recommendation_as_language", "06_prompt_vs_finetune", "n" * 90]
    with run_folder.RunFolder(tmp_path / "out", known, {"dataset": "ml-100k"}) as folder:
        for name, error in zip(known, ("", long, "", "")):
            folder.publish(run_of(name, error=error), [])
    page = chromium.new_page(viewport={"width": width, "height": 800})
    page.goto((tmp_path / "out" / "index.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.screenshot(path=str(tmp_path / f"index-{width}.png"))


def test_a_kernel_that_does_not_answer_is_started_once_more(tmp_path, notebooks, monkeypatch):
    """Two programs that start kernels at the same moment may be given the same port; a learner who
    waited a minute would have to begin again.
    """
    from tutorial_workshop.cli import kernels

    silent = [f"{kernels.NO_ANSWER}: in 60 seconds"] * 2
    monkeypatch.setattr(kernels, "_execute", lambda *given: silent.pop() if silent else "")
    given = {"env": {}, "cwd": tmp_path, "own": tmp_path, "on_cell": lambda *_: None}
    notebook = next(notebooks.glob("00*.ipynb"))
    done = kernels.execute(notebook, tmp_path / "a.ipynb", {}, **given)
    assert done.status == "failed" and not silent  # it gives up after the second
    silent.append(f"{kernels.NO_ANSWER}: in 60 seconds")
    assert kernels.execute(notebook, tmp_path / "a.ipynb", {}, **given).status == "ok"
