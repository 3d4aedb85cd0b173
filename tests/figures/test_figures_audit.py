"""Figures of an audit show what their frame says: every method apart, and names as they stand."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from tutorial_lib.audit.mitigation.frontier import frontier
from tutorial_lib.errors import InputError
from tutorial_workshop.figures.audit import draw_frontier


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


def sweep():
    return pd.DataFrame(
        {
            "method": ["a", "a", "a", "b", "b"],
            "strength": [0.0, 0.5, 1.0, 0.0, 0.5],
            "ndcg@10": [0.4, 0.38, 0.2, 0.4, 0.3],
            "gini": [0.9, 0.6, 0.3, 0.9, 0.8],
        }
    )


def test_a_frontier_fills_what_is_on_the_front_and_names_knobs_that_do_not_overlap():
    frame = frontier(sweep())
    ax = draw_frontier(frame, harm_label="Gini").axes[0]
    drawn = {line.get_markerfacecolor(): 0 for line in ax.lines}
    for line in ax.lines:
        drawn[line.get_markerfacecolor()] += (
            len(line.get_xdata()) if line.get_linestyle() == "None" else 0
        )
    assert drawn["white"] == (~frame["front"]).sum() == 1
    assert sorted(text.get_text() for text in ax.texts) == [
        "0",
        "0.5",
        "0.5",
        "1",
    ]  # 0 of both methods is one point
    assert ax.get_xlabel() == "Gini"


def test_intervals_are_drawn_where_the_frame_has_them():
    frame = frontier(sweep())

    def ends(f):
        return sum(len(c.get_segments()) for c in draw_frontier(f).axes[0].collections)

    assert ends(frame) == 0
    assert ends(
        frame.assign(
            **{"ndcg@10_low": frame["ndcg@10"] - 0.01, "ndcg@10_high": frame["ndcg@10"] + 0.01}
        )
    ) == len(frame)


def test_too_many_methods_are_refused():
    frame = pd.concat([frontier(sweep()).assign(method=str(i)) for i in range(9)])
    with pytest.raises(InputError, match="9 methods"):
        draw_frontier(frame)


@pytest.mark.parametrize("name", ["$\\bad{$", "$5 or $10", "a_b^c $x$", "100 % & #1 \\alpha"])
def test_a_title_is_not_a_formula(name):
    """Titles and groups are data: a dollar in one must neither end in an error nor set the rest in
    italics.
    """
    from tutorial_workshop.page.display import png_bytes

    fig = draw_frontier(frontier(sweep().replace({"method": {"a": name}})))
    fig.draw_without_rendering()
    assert name in [
        label.get_text()
        for label in fig.legends[0].get_texts()
        if label.get_parse_math() is ("$" not in name)
    ]
    bars, ax = plt.subplots()
    ax.barh([name, "other"], [1, 10], label=name)
    ax.set(xlabel=name, ylabel=name, xscale="log")
    ax.annotate(name, (1, 0))
    ax.legend(title=name)
    assert png_bytes(bars).startswith(b"\x89PNG")
    powers = [label for label in ax.get_xticklabels() if "mathdefault" in label.get_text()]
    assert powers and all(label.get_parse_math() for label in powers)
