"""Figures on the page: if these fail, a reader who cannot see a figure gets nothing, or sees it
twice.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import pandas as pd
import pytest
from kernel import kernel, shown

from tutorial_lib.errors import InputError
from tutorial_lib.evaluation import compare, mean_interval
from tutorial_workshop.page import curves, interval_bars, show
from tutorial_workshop.page import output as page_output
from tutorial_workshop.page.display import image_html, png_bytes

ALT = "Two bars: Popularity 0.05 and Transition 0.11."
CAPTION = "Transition finds twice as many next items."


def bars():
    return interval_bars(
        ["Popularity", "Transition"],
        [0.05, 0.11],
        [0.04, 0.09],
        [0.06, 0.13],
        quantity="NDCG@10",
        ceiling=(0.2, "ceiling"),
    )


@pytest.mark.parametrize(
    ("alt", "caption", "named"),
    [
        ("", CAPTION, "alt"),
        ("a plot", CAPTION, "alt"),
        (ALT, "", "caption"),
        (ALT, None, "caption"),
    ],
)
def test_texts_are_required(alt, caption, named):
    with pytest.raises(InputError, match=f"^{named}=.*too short"):
        show(bars(), alt=alt, caption=caption)
    plt.close("all")


def test_show_needs_a_figure():
    with pytest.raises(InputError, match="expects a matplotlib Figure, got list"):
        show([1, 2], alt=ALT, caption=CAPTION)


def test_without_a_notebook_the_texts_are_printed_and_the_figure_is_closed(capsys):
    show(bars(), alt=ALT, caption=CAPTION)
    assert capsys.readouterr().out == f"[figure: {ALT}]\n{CAPTION}\n"
    assert plt.get_fignums() == []


def test_a_notebook_shows_the_figure_once_with_its_alt_text():
    """An open figure would be drawn again by the inline backend at the end of the cell."""
    with kernel() as run:
        outputs = shown(
            run(
                "%matplotlib inline\nimport matplotlib.pyplot as plt\nfrom tutorial_workshop.page"
                f" import show\nfig, ax = plt.subplots()\nax.plot([1, 2])\nshow(fig, alt={ALT!r},"
                f" caption={CAPTION!r})"
            )
        )
    (output,) = outputs
    assert output.metadata["image/png"]["alt"] == ALT and output.data["image/png"]
    assert f'alt="{ALT}"' in output.data["text/html"], (
        "JupyterLab drops the alt text of a PNG output, and keeps that of HTML"
    )
    assert f"<figcaption>{CAPTION}</figcaption>" in output.data["text/html"]


def test_the_same_figure_gives_the_same_bytes():
    assert png_bytes(bars()) == png_bytes(bars())
    assert plt.get_fignums() == []


def test_a_figure_that_fails_to_draw_is_closed_too(monkeypatch):
    fig, ax = plt.subplots()
    monkeypatch.setattr(ax, "draw", lambda renderer: float("no"))
    with pytest.raises(ValueError):
        png_bytes(fig)
    assert plt.get_fignums() == []


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437", "utf-8"])
def test_a_script_shows_any_text_in_any_encoding(encoding):
    """PYTHONIOENCODING=ascii, or a log file in an old code page, ended a training at its first line
    of progress.
    """
    program = (
        "from tutorial_workshop.figures.live_curve import LiveCurve\n"
        "from tutorial_workshop.page.display import display_html\n"
        "from tutorial_lib.training import Epoch\n"
        "LiveCurve('naïve … ━ 日本', 1)(Epoch(1, 5.25, 1.6, 60_000, ndcg=0.1))\n"
        "display_html('<p>', 'naïve … ━ 日本')"
    )
    env = os.environ | {"PYTHONIOENCODING": encoding}
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.decode(encoding).splitlines()) == 2


def test_alt_text_cannot_break_out_of_its_attribute():
    assert 'alt="&quot;&gt;&lt;script&gt;"' in image_html(b"x", '"><script>')


def test_interval_bars_show_value_interval_and_ceiling():
    fig = bars()
    ax = fig.axes[0]
    assert [text.get_text() for text in ax.texts] == ["0.050", "0.110"]
    assert ax.get_xlabel() == "NDCG@10" and ax.get_xlim()[1] > 0.2, (
        "the ceiling must lie inside the figure"
    )
    plt.close(fig)
    with pytest.raises(InputError, match="'b' has mean 0.5 outside"):
        interval_bars(["a", "b"], [0.5, 0.5], [0.4, 0.6], [0.6, 0.7], quantity="q")
    with pytest.raises(InputError, match="2 labels, 1 means"):
        interval_bars(["a", "b"], [0.5], [0.4], [0.6], quantity="q")


def test_curves_differ_in_more_than_colour():
    fig = curves(
        [1, 2], {"a": [1, 2], "b": [2, 3]}, x_label="cut-off k", y_label="NDCG", x_unit="items"
    )
    lines = fig.axes[0].get_lines()
    assert (
        len({(line.get_linestyle(), line.get_marker()) for line in lines}) == 2
        and fig.axes[0].get_xlabel() == "cut-off k [items]"
    )
    plt.close(fig)
    with pytest.raises(InputError, match="9 series"):
        curves([1], {str(i): [i] for i in range(9)}, x_label="x", y_label="y")
    with pytest.raises(InputError, match="'a' has 1 values for 2 positions"):
        curves([1, 2], {"a": [1]}, x_label="x", y_label="y")
    plt.close("all")


def test_bars_that_are_all_zero_draw_without_a_warning(recwarn):
    """Six users and no hit: a warning on the page looks like a fault of the learner's."""
    fig = interval_bars(["a", "b"], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0], quantity="q")
    fig.canvas.draw()
    plt.close(fig)
    assert [str(warning.message) for warning in recwarn] == []


def test_bars_and_points_say_where_there_is_no_interval(capsys):
    """Nobody has a hit: no whisker, and the text says why."""
    none = mean_interval(pd.DataFrame({"hit@10": [0.0] * 9}), "hit@10")
    same = pd.DataFrame({"hit@10": [0.0, 1.0]})
    page_output.bars({"Random": none, "EASE": (0.2, 0.1, 0.3)}, quantity="hit@10", caption=CAPTION)
    page_output.points(
        ["a - b"], {"gain": [compare(same, same, "hit@10")]}, quantity="hit@10", caption=CAPTION
    )
    shown = capsys.readouterr().out
    assert shown.count("no interval: too few non-zero users") == 2 and "nan" not in shown


def test_a_long_table_is_folded_and_a_missing_number_is_a_dash(monkeypatch):
    """Forty rows in the middle of a page hide what comes after them; "nan" is no word."""
    pages = []
    monkeypatch.setattr(page_output, "display_html", lambda html, text: pages.append((html, text)))
    frame = pd.DataFrame({"gain": [0.25, float("nan")]}, index=["a", "b"])
    for fold in (False, True):
        page_output.table(frame, caption=CAPTION, digits=2, fold=fold)
    (plain, text), (hidden, same) = pages
    assert hidden == f"<details><summary>{CAPTION}</summary>\n{plain}\n</details>"
    assert text == same == f"{CAPTION}\n-  gain\na  0.25\nb  -"


def test_numbers_stand_right_also_where_they_are_texts(monkeypatch):
    """Else the digits of "< 0.0001" and "16.7%" do not stand below each other."""
    pages = []
    monkeypatch.setattr(page_output, "display_html", lambda html, text: pages.append(html))
    rows = [("< 0.0001", "16.7%", "3 items", 1), ("0.04", "100%", "none", 2)]
    frame = pd.DataFrame(rows, columns=["p", "share", "what", "n"], index=["a", "b"])
    page_output.table(frame, caption=CAPTION)
    found = re.findall(r'<td style="text-align: (\w+)">', pages[0])
    assert found == ["right", "right", "left", "right"] * 2
