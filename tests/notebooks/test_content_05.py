"""What notebook 05 reads and claims: the recorded searches, and the controls of its widget."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tutorial_lib.data import leave_last_out, load_dataset
from tutorial_lib.data.shipped import shipped
from tutorial_lib.language.prompts import templates
from tutorial_lib.language.verbalise import verbaliser
from tutorial_lib.models.pretrained import load_language_model
from tutorial_lib.strategies.prompt_examples import EXPANSIONS, Examples
from tutorial_lib.strategies.wordings import word_tokens, words_of
from tutorial_workshop.figures.labels import over_seeds
from tutorial_workshop.figures.prompts import ScorePlot, order_agreement
from tutorial_workshop.figures.searches import (
    best_found,
    best_manual,
    calls_to_reach,
    mean_trace,
    search_traces,
    task_comparisons,
    trace_curves,
    values_of,
)
from tutorial_workshop.page.display import png_bytes

NAME = "05_automatic_prompts"
PARTS = {"manual", "searches", "opponents", "surrogate", "own", "scores"}
PARTS |= {"straightforward", "explanation"}
SEEDS = {0, 1, 2, 3, 4}


@pytest.fixture(scope="module")
def recorded() -> pd.DataFrame:
    return pd.read_csv(shipped("results/automatic-prompts.csv.gz"), dtype={"setting": str})


def test_recorded_results_say_where_they_come_from(recorded):
    """A number without seed, commit and seconds could not be made again."""
    assert set(recorded["part"]) >= PARTS
    assert (
        recorded["commit"].astype(str).str.fullmatch(r"[0-9a-f]{7,}").all()
        and (recorded["seconds"] > 0).all()
    )
    for part in ("searches", "opponents", "own", "scores"):
        assert set(recorded.loc[recorded["part"] == part, "seed"]) == SEEDS, part


def test_searches_were_stopped_at_the_same_calls(recorded):
    """A search that was let run on would win by that alone: one round of difference at most."""
    judged = recorded[(recorded["part"] == "searches") & (recorded["metric"] == "test ndcg@10")]
    of_choice = judged[~judged["name"].str.startswith("title")]
    ends = of_choice.groupby(["name", "seed"])["calls"].first()
    assert (ends >= 15_000).all() and (ends < 15_000 + 6 * (6 * 48 + 3 * 24)).all()


def test_a_search_never_goes_uphill(recorded):
    """The value in force is the lowest one so far; anything else was not accepted by it."""
    for seeds in search_traces(recorded).values():
        assert len(seeds) == 5 and all(trace.is_monotonic_decreasing for trace in seeds)


def test_prompts_are_compared_on_the_same_fresh_users(recorded):
    """Paired tests need the same users under every prompt, at least 300 of them, and none that lent
    labels or chose a prompt.
    """
    some = recorded[recorded["part"].isin(["manual", "searches", "hard", "straightforward"])]
    users = {
        metric: {frozenset(rows["user"]) for _, rows in of.groupby(["part", "seed", "name"])}
        for metric, of in some.groupby("metric")
    }
    assert len(users["test ndcg@10"]) == 1 == len(users["valid ndcg@10"])
    (tested,), (checked,) = users["test ndcg@10"], users["valid ndcg@10"]
    labelled = set(recorded.loc[recorded["part"] == "own", "user"].dropna())
    assert len(tested) >= 300 and not tested & checked and not labelled & (tested | checked)
    manual = recorded[(recorded["part"] == "manual") & (recorded["setting"] == "manual")]
    assert {t.source for t in templates("sequential")} <= set(manual["name"])
    assert manual["name"].nunique() >= 8


def test_what_is_chosen_is_chosen_on_validation_users(recorded):
    """The best of many on the test users would beat any opponent."""
    some = recorded[recorded["part"] == "manual"].copy()
    chosen = best_manual(recorded)
    worse = recorded.copy()
    test = worse["metric"] == "test ndcg@10"
    worse.loc[test & (worse["name"] == chosen), "value"] = 0.0
    assert best_manual(worse) == chosen
    assert some.loc[some["name"] == chosen, "value"].mean() > 0
    frame, prompts = best_found(recorded)
    found = worse.copy()
    found.loc[test & found["part"].isin(["searches", "hard"]), "value"] = 0.0
    assert best_found(found)[1].equals(prompts) and len(prompts) == 5
    assert len(frame) == 5 * len(values_of(recorded, "manual", chosen).loc[0])


def test_every_claim_of_the_paper_gets_a_verdict_on_its_three_tasks(recorded):
    tests = task_comparisons(recorded)
    assert len(tests) == 6
    decided = [c.verdict(0.01) for name, c in tests.items() if name.startswith("next item")]
    assert "inconclusive" not in decided, "300 users and five seeds settle a hundredth"


def test_surrogates_were_measured_over_twenty_prompts_or_more(recorded):
    measured = recorded[recorded["part"] == "surrogate"]
    names = {"title loss", "choice among six", "short answers", "ndcg@10"}
    assert measured["name"].nunique() >= 20 and set(measured["metric"]) == names


def test_order_agreement_by_hand():
    """The cheap measure is lower where the full one is higher: +1; users it did not ask count
    nothing.
    """
    rows = [
        (0, user, f"p{prompt}", metric, sign * (prompt + 0.01 * user))
        for user in range(4)
        for prompt in range(5)
        for metric, sign in (("cheap", -1.0), ("full", 1.0))
        if metric == "full" or user < 3
    ]
    frame = pd.DataFrame(rows, columns=["seed", "user", "name", "metric", "value"])
    assert order_agreement(frame, "cheap", "full") == pytest.approx((1.0, 1.0, 1.0))


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
    fig = trace_curves(traces, {name: seeds[0] for name, seeds in traces.items()})
    assert {text.get_text() for text in fig.legends[0].get_texts()} == set(traces)
    assert set(traces) == {"gradient", "gradient at the present word", "random"}


def test_score_plot_over_its_whole_grid():
    """Every choice of the widget must draw, tell the same correlation in words, and differ from the
    others.
    """
    lm = load_language_model("kit-gpt")
    lm.model.requires_grad_(False)
    dataset = load_dataset("world-movies")
    split, vocabulary = leave_last_out(dataset), word_tokens(lm)
    events = [(user, history[:3], int(history[3])) for user, history in enumerate(split.train[:6])]
    bare = templates("sequential")[2]
    examples = Examples.of_events(lm, verbaliser(dataset, limit=3), events, bare, wrong=2)
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
    assert len(set(told.values())) == 6
    pictures = {png_bytes(plot.draw(10, at, True)) for at in EXPANSIONS}
    assert (
        len(pictures) == len(EXPANSIONS) and png_bytes(plot.draw(1, "token", True)) not in pictures
    )
    assert (
        plot.numbers(1, "token", True)[1] >= plot.numbers(10, "token", True)[1]
    )  # the more are tried, the better the best of them
    rho, rank = plot.numbers(10, "token", False)
    assert f"{rho:+.2f}" in told["token", False] and 1 <= rank <= len(tried) - 9
