"""Progress: if these fail, a saved notebook holds a bar stuck half way, or a log holds thousands of
lines.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys

import pytest
from kernel import kernel, printed, shown

from tutorial_lib.errors import InputError
from tutorial_workshop.page import Progress, progress


def test_a_notebook_keeps_exactly_one_output_and_it_is_the_last_state():
    with kernel() as run:
        outputs = run(
            "from tutorial_workshop.page import progress\nimport time\nfor _ in progress(range(30),"
            " 'epochs'): time.sleep(.01)"
        )
        broken = run("for i in progress(range(10), 'looking'):\n    if i == 3: break\ndel i")
        failed = run(
            "try:\n    for i in progress(range(10), 'failing'):\n        1 / (2 - i)\nexcept"
            " ZeroDivisionError: pass"
        )
    assert len(outputs) == 1 and printed(outputs) == ""
    assert outputs[0].data["text/plain"].startswith("epochs: 30 of 30")
    assert '<progress value="30" max="30"' in outputs[0].data["text/html"]
    assert "looking: 3 of 10" in shown(broken)[0].data["text/plain"] and len(broken) == 1
    assert "failing: 2 of 10" in shown(failed)[0].data["text/plain"] and len(failed) == 1


def test_a_terminal_gets_few_lines(capsys):
    assert list(progress(range(10_000), "steps")) == list(range(10_000))
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("steps: 10000 of 10000, ")


def test_updates_are_throttled_but_not_lost():
    out = io.StringIO()
    with Progress("work", 3, every=0, _file=out) as bar:
        bar.update(1)
        bar.update(2, note="loss 0.5")
    assert [line.split(", ")[0] for line in out.getvalue().splitlines()] == [
        "work: 1 of 3",
        "work: 2 of 3",
        "work: 2 of 3",
    ]
    assert out.getvalue().endswith("loss 0.5\n")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437", "utf-8"])
def test_a_script_shows_any_label_in_any_encoding(encoding):
    """PYTHONIOENCODING=ascii, or a log file in an old code page, ended a training at its first line
    of progress.
    """
    program = (
        "from tutorial_workshop.figures.live_curve import LiveCurve; from"
        " tutorial_workshop.page.progress_bar import Progress\nfrom tutorial_workshop.page.display"
        " import display_html; from tutorial_lib.training import Epoch\nwith Progress('naïve … ━"
        " 日本', 1) as bar: bar.update(1)\nLiveCurve('naïve … ━ 日本', 1)(Epoch(1, 5.25, 1.6,"
        " 60_000, ndcg=0.1))\ndisplay_html('<p>', 'naïve … ━ 日本')"
    )
    env = os.environ | {"PYTHONIOENCODING": encoding}
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.decode(encoding).splitlines()) == 3


def test_an_error_goes_through_and_is_named():
    out = io.StringIO()
    with pytest.raises(ZeroDivisionError), Progress("work", 3, _file=out):
        _ = 1 / 0
    assert out.getvalue().startswith("work: 0 of 3, ") and out.getvalue().endswith(
        ", stopped by ZeroDivisionError\n"
    )


def test_unknown_length_and_bad_total(capsys):
    assert list(progress(iter("ab"), "letters")) == ["a", "b"]
    assert capsys.readouterr().out.startswith("letters: 2, ")
    with pytest.raises(InputError, match="total=-1"):
        Progress("x", -1)
