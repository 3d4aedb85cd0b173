"""Figures of an audit show what their frame says: every finding with its verdict in words, every
method apart, every seed in the band.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from tutorial_lib.audit.core.finding import INCONCLUSIVE, MATERIAL, findings_frame, make_finding
from tutorial_lib.audit.inference.statistics import Estimate
from tutorial_lib.audit.mitigation.frontier import frontier
from tutorial_lib.errors import InputError
from tutorial_workshop.figures.audit import REACH, draw_feedback, draw_findings, draw_frontier


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


def findings():
    estimates = {
        "far": Estimate(0.9, 0.8, 1.0, 0.001, 0.05),
        "near": Estimate(0.05, -0.1, 0.2, 0.5, 0.07),
        "none": Estimate.nothing(0.02),
    }
    return findings_frame(
        make_finding("H1", "users", name, e, n_by_group={"a": 50}, margin=0.1)
        for name, e in estimates.items()
    )


def test_a_forest_plot_tells_each_verdict_in_words_and_places_it_in_margins():
    frame = findings()
    ax = draw_findings(frame, title="x").axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == frame["metric"].tolist()
    assert (
        [text.get_text() for text in ax.texts]
        == frame["verdict"].tolist()
        == [MATERIAL, INCONCLUSIVE, INCONCLUSIVE]
    )
    markers = [line for line in ax.lines if line.get_marker() not in ("None", "", None)]
    assert [float(np.ravel(line.get_xdata())[0]) for line in markers] == pytest.approx(
        [REACH, 0.5, 0.2]
    )  # 9 margins stand at the edge
    assert (
        markers[0].get_marker() == ">" and markers[2].get_markerfacecolor() == "white"
    )  # beyond the edge; no interval


def test_a_forest_plot_of_nothing_is_refused_and_one_without_estimate_is_drawn():
    with pytest.raises(InputError, match="0 findings"):
        draw_findings(findings().iloc[:0])
    draw_findings(
        findings().assign(estimate=np.nan, low=np.nan, high=np.nan)
    ).draw_without_rendering()


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


@pytest.mark.parametrize("n", [1, 4, 5])
def test_a_loop_has_a_panel_a_metric_and_the_mean_over_seeds(n):
    rows = [
        (r, arm, s, f"m{m}", r + s + m)
        for r in range(3)
        for arm in ("x", "y")
        for s in range(2)
        for m in range(n)
    ]
    frame = pd.DataFrame(rows, columns=["round", "arm", "seed", "metric", "value"])
    fig = draw_feedback(frame, {"m0": "Gini"})
    used = [ax for ax in fig.axes if ax.lines]
    assert [ax.get_ylabel() for ax in used] == ["Gini", *(f"m{m}" for m in range(1, n))]
    assert used[0].lines[0].get_ydata().tolist() == [0.5, 1.5, 2.5]
    with pytest.raises(InputError, match="expected rows"):
        draw_feedback(frame.iloc[:0])


@pytest.mark.parametrize("name", ["$\\bad{$", "$5 or $10", "a_b^c $x$", "100 % & #1 \\alpha"])
def test_a_title_is_not_a_formula(name):
    """Titles and groups are data: a dollar in one must neither end in an error nor set the rest in
    italics.
    """
    from tutorial_workshop.page.display import png_bytes

    frame = findings().assign(metric=[name, "near", "none"])
    fig = draw_findings(frame, title=name)
    fig.draw_without_rendering()
    assert name in [
        label.get_text()
        for label in fig.axes[0].get_yticklabels()
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
