"""What notebook 05 reads and claims: the recorded searches, and the controls of its widget."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from test_content_00_01 import cells

from tutorial_lib.data import leave_last_out, load_dataset
from tutorial_lib.data.shipped import shipped
from tutorial_lib.language.prompts import templates
from tutorial_lib.language.verbalise import verbaliser
from tutorial_lib.models.language_models import load_language_model
from tutorial_lib.strategies.prompt_examples import EXPANSIONS, Examples, word_tokens, words_of
from tutorial_workshop.figures.labels import over_seeds
from tutorial_workshop.figures.prompts import ScorePlot, order_agreement
from tutorial_workshop.figures.searches import (
    calls_to_reach,
    mean_trace,
    search_traces,
    trace_curves,
)
from tutorial_workshop.page.display import png_bytes

NAME = "05_automatic_prompts"
PARTS = {"scores", "traces", "curse", "switches", "surrogate", "prompts"}


@pytest.fixture(scope="module")
def recorded() -> pd.DataFrame:
    return pd.read_csv(shipped("results/automatic-prompts.csv"), dtype={"words": str})


def test_recorded_results_say_where_they_come_from(recorded):
    """A number without seed, commit and seconds could not be made again."""
    assert set(recorded["part"]) == PARTS
    assert (
        recorded["commit"].astype(str).str.fullmatch(r"[0-9a-f]{7,}").all()
        and (recorded["seconds"] > 0).all()
    )
    assert recorded.groupby("part")["seed"].nunique().min() >= 3


def test_both_searches_were_stopped_at_the_same_calls(recorded):
    """A search that was let run on would win by that alone: the two may differ by one round at
    most.
    """
    chosen = recorded.query("part == 'traces' and metric == 'test loss' and words == 'all'")
    ends = chosen.pivot_table(index="seed", columns="setting", values="calls")
    assert (ends.min(axis=1) >= 6000).all() and (ends.max(axis=1) < 6000 + 96 * 13).all()


def test_a_search_never_goes_uphill(recorded):
    """The value in force is the lowest one so far; anything else was not accepted by it."""
    for words in ("128", "512", "all"):
        for seeds in search_traces(recorded, words).values():
            assert all(trace.is_monotonic_decreasing for trace in seeds)


def test_prompts_are_compared_on_the_same_test_users(recorded):
    """Paired tests need the same users under every prompt, and there are at least eight manual
    ones.
    """
    tested = recorded[recorded["part"] == "prompts"]
    users = {
        frozenset(zip(some["seed"], some["user"], strict=True))
        for _, some in tested.groupby(["name", "metric"])
    }
    assert len(users) == 2, "NDCG for some, the loss for all"
    manual = {
        name.removeprefix("manual: ") for name in tested["name"] if name.startswith("manual: ")
    }
    assert manual == {t.source for t in templates("sequential")} and len(manual) >= 8


def test_no_test_user_lent_labels(recorded):
    """A test user whose history chose the words would be no test."""
    from tutorial_lib.strategies.tuning import labelled_users

    split = leave_last_out(load_dataset("world-movies"))
    for seed, some in recorded[recorded["part"].isin(["prompts", "surrogate"])].groupby("seed"):
        assert not set(some["user"].dropna().astype(int)) & set(
            split.users[labelled_users(split, 64, seed)].tolist()
        )


def test_surrogates_were_measured_over_twenty_prompts_or_more(recorded):
    measured = recorded[recorded["part"] == "surrogate"]
    assert measured["name"].nunique() >= 20 and set(measured["metric"]) == {
        "loss",
        "short answers",
        "ndcg@10",
    }


def test_the_relation_of_loss_and_ranking_is_one_between_kinds(recorded):
    """Section 5 calls it Simpson's paradox: clear over all prompts, and not shown within manual or
    within random ones.
    """
    measured = recorded[recorded["part"] == "surrogate"]
    manual = measured["name"].isin({t.source for t in templates("sequential")})
    _, low, high = order_agreement(measured[~manual], "loss", "ndcg@10")
    assert low < 0 < high
    value, low, high = order_agreement(measured[manual], "loss", "ndcg@10")
    assert low < 0 < high and abs(value) < 0.2
    assert order_agreement(measured, "loss", "ndcg@10")[0] < -0.5
    means = (
        measured[measured["metric"] != "short answers"].groupby([manual, "metric"])["value"].mean()
    )
    assert (
        means[True, "ndcg@10"] > means[False, "ndcg@10"]
        and means[True, "loss"] > means[False, "loss"]
    )


def test_the_best_manual_prompt_is_chosen_by_the_metric_that_is_reported(recorded):
    """Chosen by loss, the opponent of the search would be the bare history, one of the weakest
    wordings.
    """
    text = "\n".join(cell.source for cell in cells(NAME) if cell.cell_type == "code")
    assert '"manual"]["ndcg@10"].idxmax()' in text and "idxmin()" not in text
    some = recorded[(recorded["part"] == "surrogate") & (recorded["metric"] == "ndcg@10")]
    some = some[some["name"].isin({t.source for t in templates("sequential")})]
    best = some.groupby("name")["value"].mean().idxmax()
    tested = (
        recorded[(recorded["part"] == "prompts") & (recorded["metric"] == "ndcg@10")]
        .groupby("name")["value"]
        .mean()
    )
    assert (
        best != "{history};" and tested[f"manual: {best}"] > tested.filter(like="manual: ").mean()
    )


def test_calls_to_reach_and_mean_trace_by_hand():
    trace = pd.Series([2.0, 1.5, 1.0], index=[10, 20, 40])
    assert (
        calls_to_reach(trace, 1.5) == 20
        and calls_to_reach(trace, 1.2) == 40
        and calls_to_reach(trace, 0.5) == float("inf")
    )
    found = mean_trace([trace, trace + 1], [5, 10, 30])
    assert np.isnan(found[0, 0]) and found[1:, 0].tolist() == [2.5, 2.0]
    assert over_seeds([3.0]) == (3.0, 3.0, 3.0) and over_seeds([1.0, 3.0])[0] == 2.0


def test_trace_figure_names_both_searches(recorded):
    traces = search_traces(recorded)
    fig = trace_curves(traces, {name: seeds[0] for name, seeds in traces.items()}, 1.7)
    assert {text.get_text() for text in fig.legends[0].get_texts()} == {
        "gradient",
        "random",
        "no words",
    }


def test_score_plot_over_its_whole_grid():
    """Every choice of the widget must draw, tell the same correlation in words, and differ from the
    others.
    """
    lm = load_language_model("kit-gpt")
    lm.model.requires_grad_(False)
    dataset = load_dataset("world-movies")
    split, vocabulary = leave_last_out(dataset), word_tokens(lm)
    examples = Examples(
        lm, verbaliser(dataset, limit=3), [(h[:3], int(h[3])) for h in split.train[:6]]
    )
    tried = vocabulary[::100]
    true = examples.losses([[int(t)] for t in tried]).mean(1)
    plot = ScorePlot(
        examples, true, tried, [words_of(lm, [t]) for t in tried], [int(tried[0])], 0, vocabulary
    )
    told = {
        (at, control): plot.describe(10, at, control)
        for at in EXPANSIONS
        for control in (False, True)
    }
    assert len(set(told.values())) == 8
    pictures = {png_bytes(plot.draw(10, at, True)) for at in EXPANSIONS}
    assert (
        len(pictures) == len(EXPANSIONS) and png_bytes(plot.draw(1, "token", True)) not in pictures
    )
    assert (
        plot.numbers(1, "token", True)[1] >= plot.numbers(10, "token", True)[1]
    )  # the more are tried, the better the best of them
    rho, rank = plot.numbers(10, "token", False)
    assert f"{rho:+.2f}" in told["token", False] and 1 <= rank <= len(tried) - 9


def test_parts_that_the_notebook_reads_are_recorded(recorded):
    """A part that is missing would break the notebook at a learner's."""
    text = "\n".join(cell.source for cell in cells(NAME) if cell.cell_type == "code")
    assert all(f'"{part}"' in text or f"'{part}'" in text for part in PARTS)
