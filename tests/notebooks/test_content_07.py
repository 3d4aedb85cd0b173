"""What notebook 07 reads and claims: the recorded explanations, the conventions it computes by
hand, and its widget.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from test_content_00_01 import cells

from tutorial_lib.data import leave_last_out, load_dataset
from tutorial_lib.data.shipped import shipped
from tutorial_lib.evaluation import catalogue_facts, compare, factual_frame, ranking_metrics
from tutorial_lib.language.explanations import explanation_cases
from tutorial_workshop.exercises.loading import reference
from tutorial_workshop.experiments import load_results
from tutorial_workshop.figures import select
from tutorial_workshop.figures.evaluation import (
    SampledCurves,
    curse_curves,
    draws_picture,
    pareto_picture,
    recorded_signs,
)
from tutorial_workshop.page.widgets import grid

NAME = "07_evaluation"


@pytest.fixture(scope="module")
def recorded() -> pd.DataFrame:
    return pd.read_csv(shipped("results/explanations.csv"), keep_default_na=False)


def test_recorded_explanations_say_where_they_come_from(recorded):
    """A number without seed, commit and seconds could not be made again."""
    columns = {
        "user",
        "item",
        "rating",
        "feature",
        "reference",
        "model",
        "seed",
        "labels",
        "hypothesis",
        "ndcg@10",
        "seconds",
        "commit",
    }
    assert columns <= set(recorded)
    assert (
        recorded["commit"].str.fullmatch(r"[0-9a-f]{7,}").all() and (recorded["seconds"] > 0).all()
    )
    assert recorded["ndcg@10"].between(0, 1).all()


def test_recorded_explanations_compare_like_with_like(recorded):
    """The card draws users for all models together: every model of a seed needs the same users,
    items and references.
    """
    for _, some in recorded.groupby("seed"):
        keys = {
            name: frozenset(zip(part["user"], part["item"], part["reference"]))
            for name, part in some.groupby("model")
        }
        assert len(set(keys.values())) == 1 and len(keys) == recorded["model"].nunique()
    assert not recorded.duplicated(["seed", "model", "user"]).any()


def test_recorded_cases_are_those_of_the_library(recorded):
    """And their references are what people wrote about the test item: all true."""
    split = leave_last_out(load_dataset("world-movies"))
    facts = catalogue_facts(split.dataset)
    for seed, some in recorded[recorded["model"] == "kit-gpt"].groupby("seed"):
        cases, _ = explanation_cases(split, len(some), seed=seed)
        assert (
            cases["reference"].tolist() == some["reference"].tolist()
            and cases.index.tolist() == some["user"].tolist()
        )
        said = factual_frame(some["reference"].tolist(), some["item"].tolist(), facts)
        assert (said["true"] == said["statements"]).all()


def test_conventions_of_the_notebook():
    """The hand-made formulas of section 2, run as they stand in the notebook, give the values that
    were measured in the libraries.
    """
    sources = [cell.source for cell in cells(NAME) if cell.cell_type == "code"]
    space: dict = {"np": np}
    for source in sources:
        if "def dcg(" in source or "cases = [" in source:
            exec(source, space)
    found = {(case, convention): value for case, convention, value, _ in space["cases"]}
    assert round(found["NDCG@10, hit at 3, R = 1", "ideal over k places"], 4) == 0.1100
    assert round(found["NDCG@10, hit at 3, R = 1", "discount max(log2 r, 1)"], 4) == 0.6309
    assert round(found["AP@10, hits at 1, 3, R = 3", "÷ R"], 4) == 0.5556
    assert round(found["AP@10, hits at 1, 3, R = 3", "÷ hits found"], 4) == 0.8333
    kit = ranking_metrics([[9, 8, 1]], [{1}], k=10)["ndcg@10"].item()
    assert found["NDCG@10, hit at 3, R = 1", "ideal over min(R, k)"] == pytest.approx(kit)


CURVES = SampledCurves(
    [10, 100, 500],
    {
        "hit@10": {"a": [0.9, 0.5, 0.1], "b": [0.8, 0.6, 0.3]},
        "mrr@10": {"a": [0.5, 0.2, 0.1], "b": [0.6, 0.4, 0.2]},
    },
    {"hit@10": {"a": 0.1, "b": 0.3}, "mrr@10": {"a": 0.1, "b": 0.2}},
)


def test_sampled_curves_over_their_whole_grid():
    """Every setting draws, the first slider changes the picture, the sentence says the order."""
    import matplotlib.pyplot as plt

    titles = set()
    for values in grid({"negatives": CURVES.negatives, "metric": ["hit@10", "mrr@10"]}):
        fig = CURVES.draw(**values)
        titles.add((values["metric"], fig.axes[0].get_title()))
        assert fig.axes[0].lines[-2].get_xdata()[0] == values["negatives"]
        plt.close(fig)
    assert len(titles) == 6
    assert CURVES.swaps("hit@10") == [("a", "b", 10)] and CURVES.swaps("mrr@10") == []
    assert "another order" in CURVES.describe(10, "hit@10") and "the same order" in CURVES.describe(
        100, "hit@10"
    )


def test_other_figures_draw():
    import matplotlib.pyplot as plt

    columns = pd.MultiIndex.from_product([["ndcg@10", "rougeL"], ["value", "low", "high"]]).append(
        pd.MultiIndex.from_tuples([("front", "")])
    )
    both = pd.DataFrame(
        [[0.2, 0.1, 0.3, 0.5, 0.4, 0.6, True], [0.1, 0.0, 0.2, 0.3, 0.2, 0.4, False]],
        index=["m", "n"],
        columns=columns,
    )
    texts = [
        text.get_text() for text in pareto_picture(both, "ndcg@10", "rougeL").legends[0].get_texts()
    ]
    assert texts == ["m (front)", "n"]
    assert len(curse_curves([1, 2], {"100 users": [0.0, 0.1]}).axes[0].lines) == 2
    plt.close("all")


def test_a_recorded_test_is_wrong_only_against_an_expectation_that_is_sure():
    """System b is ahead of a in expectation; drawn targets of seed 0 say the opposite, clearly."""
    rng = np.random.default_rng(0)
    rows = []
    for seed, user in [(seed, user) for seed in range(3) for user in range(60)]:
        for name, expected, realised in (
            ("a", 0.10, 0.5 if seed == 0 else 0.1),
            ("b", 0.11, 0.1),
            ("ceiling", 0.9, 0.9),
        ):
            noise = 0.001 * rng.random(2)
            rows.append((name, 64, seed, user, expected + noise[0], realised + noise[1]))
    columns = ["strategy", "labels", "seed", "user", "ndcg@10", "realised_ndcg@10"]
    table = pd.DataFrame(rows, columns=columns)
    found = recorded_signs(table, labels=64).set_index("seed")
    assert found["pair"].tolist() == ["a − b"] * 3 and (found["users"] == 60).all()
    assert found["wrong"].tolist() == [True, False, False]
    assert found.loc[0, "significant"] and found.loc[0, "realised"] > 0 > found.loc[0, "expected"]
    alike = table.assign(**{"ndcg@10": rng.random(len(table))})
    assert not recorded_signs(alike, labels=64)["wrong"].any()  # of which nothing is known
    assert recorded_signs(table[table["strategy"] != "b"], labels=64).empty


def test_drawn_test_sets_are_drawn_by_verdict():
    import matplotlib.pyplot as plt

    verdicts = ["right sign", "not significant", "wrong sign", "right sign"]
    draws = pd.DataFrame(
        {
            "how": ["drawn target"] * 3 + ["expectation"],
            "difference": [0.3, 0.0, -0.2, 0.1],
            "verdict": verdicts,
        }
    )
    axes = draws_picture(draws, 0.05).axes
    shown = {line.get_label(): line.get_ydata().tolist() for line in axes[0].lines[:3]}
    assert shown == {"not significant": [0.0], "right sign": [0.3], "wrong sign": [-0.2]}
    assert len({line.get_marker() for line in axes[0].lines[:3]}) == 3  # never colour alone
    assert [ax.get_title() for ax in axes] == ["drawn target", "expectation"]
    plt.close("all")


def test_intervals_for_other_users_and_seeds_are_as_the_text_says():
    """Too short for users alone where seeds differ; longer than the kit's where they hardly do."""
    runs = select(load_results(), "world-movies", "kit-gpt")
    runs = runs[runs["labels"] == 64]
    length = {}
    for other in ("lora", "soft-prompt", "ease"):
        two = [runs[runs["strategy"] == name] for name in ("full", other)]
        a, b = (r.pivot(index="user", columns="seed", values="ndcg@10").to_numpy() for r in two)
        kit = compare(*(r.set_index(["seed", "user"])[["ndcg@10"]] for r in two)).ci
        interval, dice = reference("07-bootstrap"), np.random.default_rng(0)
        alone = interval(*(x.mean(axis=1, keepdims=True) for x in (a, b)), 1000, dice)
        both = interval(a, b, 1000, dice)
        length[other] = [high - low for low, high in (alone, both, kit)]
    alone, both, kit = length["lora"]
    assert alone < 0.8 * both and alone < 0.8 * kit
    for other in ("soft-prompt", "ease"):
        assert length[other][1] > length[other][2]
