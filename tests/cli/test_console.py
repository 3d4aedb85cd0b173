"""What the command line prints, wherever it goes: another encoding, a full disk, a reader or a
terminal that is gone.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys

import pytest
from test_cli import environment, write_notebook

from tutorial_workshop.cli import console

CODE = "import sys\nfrom tutorial_workshop.cli import console\nconsole.show_any_text()\n"
LETTERS = "é … — ’ ━ │ 日本 \\udcff"
ENCODINGS = ("ascii", "latin-1", "cp437", "cp1252", "utf-8", "utf-16", "shift_jis")


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_no_letter_ends_in_a_traceback(encoding, stream):
    """A film title, a dash or a box character, and PYTHONIOENCODING=ascii: everything printed so
    far was lost.
    """
    lines = CODE + f"print('{LETTERS}', file=sys.{stream})\n"
    lines += f"console.print_table(('naïve', '…'), [('━', 'ß')])\nconsole.complain('{LETTERS}', 2)"
    env = os.environ | {"PYTHONIOENCODING": encoding}
    done = subprocess.run([sys.executable, "-c", lines], env=env, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr.decode(encoding, "replace")


@pytest.mark.parametrize(
    "command", [["datasets"], ["check"], ["--help"], ["run", "--help"], ["fetch", "é…日本"]]
)
@pytest.mark.parametrize(
    "variables",
    [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}],
)
def test_every_command_prints_in_any_encoding(tmp_path, command, variables):
    data = tmp_path / "é…日本"  # a folder that the messages name
    data.mkdir()
    with (tmp_path / "log").open("wb") as log:
        env = environment(tmp_path, TUTORIAL_DATA=data, **variables)
        done = subprocess.run(
            [sys.executable, "-m", "tutorial_lib", *command],
            cwd=tmp_path,
            env=env,
            stdout=log,
            stderr=log,
        )
    told = (tmp_path / "log").read_bytes()
    assert done.returncode == (2 if "fetch" in command else 0) and b"Traceback" not in told, told
    assert told.isascii() or variables.get("PYTHONUTF8") == "0"


@pytest.mark.full
def test_a_run_prints_in_any_encoding(tmp_path):
    write_notebook(tmp_path / "é…日本", "00_é…日本", "PROFILE = 'quick'", "1 / 0  # …")
    command = [
        sys.executable,
        "-m",
        "tutorial_lib",
        "run",
        "--notebooks-folder",
        str(tmp_path / "é…日本"),
    ]
    env = environment(tmp_path, PYTHONIOENCODING="ascii")
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, timeout=120)
    assert done.returncode == 1 and done.stdout.isascii() and done.stderr.isascii()
    assert b"00_\\xe9\\u2026" in done.stdout and b"ZeroDivisionError" in done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("words", ["datasets", "--help", "run --help", "--version", ""])
def test_a_full_disk_behind_stdout_is_told(tmp_path, words):
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "tutorial_lib", *words.split()]
        done = subprocess.run(
            command, env=environment(tmp_path), stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 2
    assert done.stderr == "tutorial: No space left on device: standard output\n"


def test_a_closed_stdout_or_stderr_is_no_error(tmp_path):
    for closed in (">&-", "2>&-", ">&- 2>&-"):
        command = f"{sys.executable} -m tutorial_lib datasets {closed}"
        done = subprocess.run(
            ["bash", "-c", command], env=environment(tmp_path), capture_output=True, text=True
        )
        assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr


def test_a_complaint_is_one_line_without_control_characters(capsys):
    assert console.complain("a\nb\x1b[2J\u2028c\r\x85d", 2) == 2
    assert capsys.readouterr().err == "tutorial: a b?[2J c d\n"
    console.complain("what is wrong: " + "9" * 5000 + "; the mend", 2)
    line = capsys.readouterr().err
    assert len(line) == 1500 + len("tutorial: \n")
    assert "what is wrong" in line and line.endswith("the mend\n")


class Run:
    notebook, status, cells, seconds, peak_memory_mb = "00_[bold]a[/b]", "ok", 3, 1.25, 80.0


def test_progress_on_a_terminal_takes_any_name(monkeypatch):
    """Square brackets are mark-up to the bar, and end in an error."""
    screen = io.StringIO()
    screen.isatty = lambda: True
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("TERM", "xterm")
    with console.NotebookProgress(2) as progress:
        for name in (Run.notebook, "01_b"):
            progress.on_cell(name, 1, 3)
        progress.on_end(Run)
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen.getvalue())
    assert "[1/2] 00_[bold]a[/b]" in text and "[2/2] 01_b" in text
    assert "done  00_[bold]a[/b]  3 cells in 1.2 s, 80 MB" in text


def test_progress_elsewhere_is_a_line_at_start_and_end(capsys):
    with console.NotebookProgress(2) as progress:
        for cell in (1, 2, 3):
            progress.on_cell("00_a", cell, 3)
            progress.on_cell("01_b", cell, 3)
        progress.on_end(Run)
    first, second, done = capsys.readouterr().out.splitlines()
    assert (first, second) == ("[1/2] 00_a started, 3 cells", "[2/2] 01_b started, 3 cells")
    assert done.startswith("done")
