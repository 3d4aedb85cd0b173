"""The scorecard: if these fail, a model is called best on both sides without being so, or an
interval promises too much.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tutorial_lib.data import leave_last_out, load_dataset
from tutorial_lib.errors import InputError
from tutorial_lib.evaluation import (
    pareto_front,
    scorecard,
    spearman,
    target_ranks,
    text_frame,
    text_metrics,
)
from tutorial_lib.evaluation.protocols import (
    SampledMetricsWarning,
    evaluate_sampled,
    expected_sampled,
)
from tutorial_lib.models import TransitionKNN

USERS = pd.Index(range(40), name="user")


def ranked(values) -> pd.DataFrame:
    return pd.DataFrame({"ndcg@10": np.asarray(values, dtype=float)}, index=USERS)


@pytest.fixture
def pair():
    """Model a ranks better, model b writes better, c is worse than a on both; one user has two
    texts.
    """
    rng = np.random.default_rng(0)
    base = rng.random(40) * 0.3
    ranking = {"a": ranked(base + 0.6), "b": ranked(base + 0.1), "c": ranked(base)}
    words = [" ".join(rng.choice(list("uvwxyz"), 6)) for _ in range(41)]
    users = [*USERS, 7]
    changed = {"a": 3, "b": 1, "c": 6}
    texts = {
        m: text_frame([" ".join(["q"] * n + w.split()[n:]) for w in words], words, users)
        for m, n in changed.items()
    }
    return ranking, texts, words


def test_values_intervals_and_front(pair):
    ranking, texts, _ = pair
    card = scorecard(ranking, texts, seed=1)
    assert card.front == ("a", "b") and card.on_front["c"] == 0.0
    value = card.table["value"]
    assert value["a", "ndcg@10"] == pytest.approx(ranking["a"]["ndcg@10"].mean())
    assert value["a", "rougeL"] == pytest.approx(
        texts["a"]["rougeL"].groupby(level=0).mean().mean()
    )
    # where all users have the same value, sums of resamples differ from the mean in the last digit
    slack = 1e-12
    assert (card.table["low"] <= value + slack * value).all() and (
        value <= card.table["high"] + slack * value
    ).all()
    assert (
        card.table["n"].eq(40).all()
        and card.table["side"].tolist() == ["accuracy", "language", "language"] * 3
    )
    assert not any(
        line.startswith("By ndcg@10") for line in card.limits
    )  # constant shifts: all pairs are told apart
    assert card.wide().loc["a", "ndcg@10"].startswith(f"{value['a', 'ndcg@10']:.3f} [")
    assert scorecard(ranking, texts, seed=1).table.equals(card.table)
    assert card.sentences()[0].startswith("On the Pareto front of ndcg@10 and rougeL: a (in ")
    assert card.both()["front", ""].tolist() == [True, True, False]


def test_corpus_bleu_of_the_card_is_that_of_sacrebleu(pair):
    """And not the mean of sentences."""
    ranking, texts, words = pair
    card = scorecard(ranking, texts, language="bleu")
    rebuilt = [" ".join(["q"] + w.split()[1:]) for w in words]
    assert card.table.loc[("b", "bleu"), "value"] == pytest.approx(
        text_metrics(rebuilt, words)["bleu"], abs=1e-9
    )


@pytest.mark.full
def test_intervals_hold_the_truth_as_often_as_they_say():
    """Corpus BLEU over users: 95 % intervals that hold the whole population's value much less often
    would be decoration.
    """
    rng = np.random.default_rng(0)
    many = [
        (
            " ".join(["a", "b", "c", "d"][: rng.integers(2, 5)] + ["q"] * rng.integers(0, 3)),
            "a b c d e",
        )
        for _ in range(3000)
    ]
    frame = text_frame(*map(list, zip(*many)))
    truth, hits = text_metrics(*map(list, zip(*many)))["bleu"], 0
    for repeat in range(60):
        rows = rng.integers(0, 3000, 60)
        some = frame.iloc[rows].set_axis(pd.Index(range(60), name="user"))
        both = {"x": pd.DataFrame({"ndcg@10": rng.random(60)}, index=some.index)} | {
            "y": pd.DataFrame({"ndcg@10": rng.random(60)}, some.index)
        }
        row = scorecard(
            both, {"x": some, "y": some}, language="bleu", seed=repeat, resamples=300
        ).table.loc[("x", "bleu")]
        hits += row["low"] <= truth <= row["high"]
    assert hits >= 51  # 57 expected; 51 or more in 99 of 100 runs at a true rate of .93


def test_few_models_and_equal_models_are_not_concluded_from(pair):
    ranking, texts, _ = pair
    same = scorecard({"x": ranking["a"], "y": ranking["a"]}, {"x": texts["a"], "y": texts["a"]})
    assert same.front == ("x", "y")
    assert (
        sum("do not tell all 1 pairs" in line and "no pair is" in line for line in same.limits) == 2
    )
    assert np.isnan(same.over_models.value)
    card = scorecard(ranking, texts)
    assert (card.over_models.low, card.over_models.high, card.over_models.n) == (-1.0, 1.0, 3)
    assert any("p = 0.33" in line for line in card.limits)


def test_factual_precision_is_a_ratio_of_sums():
    """A text without statements neither helps nor hurts; a model that states nothing has none, and
    is never on the front for it.
    """
    told = pd.DataFrame(
        {"statements": [2] * 10 + [0] * 30, "true": [1] * 10 + [0] * 30}, index=USERS
    )
    card = scorecard(
        {"a": ranked(np.ones(40)), "b": ranked(np.ones(40))},
        {"a": told, "b": told * 0},
        language="factual_precision",
    )
    assert card.table.loc[("a", "factual_precision"), "value"] == 0.5
    assert np.isnan(card.table.loc[("b", "factual_precision"), "value"]) and card.front == ("a",)
    assert card.wide().loc["b", "factual_precision"] == "-"


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=12))
def test_pareto_front_by_definition(points):
    points = np.array(points)
    beaten = [any((q >= p).all() and (q > p).any() for q in points) for p in points]
    assert pareto_front(points).tolist() == [not b for b in beaten]


def test_spearman_equals_scipy_and_its_interval_covers():
    rng, hits = np.random.default_rng(0), 0
    for _ in range(300):
        x = rng.normal(size=50)
        y = 0.5 * x + rng.normal(size=50)
        found = spearman(x, y)
        assert found.value == pytest.approx(stats.spearmanr(x, y).statistic)
        hits += (
            found.low <= 6 / np.pi * np.arcsin(np.sqrt(0.2) / 2) <= found.high
        )  # true rank correlation of this pair of normals
    assert 270 <= hits <= 297
    assert spearman([1, 2, np.nan, 4, 5, 6], [1, 2, 3, 4, 5, 7]).n == 5
    assert str(spearman([1, 1, 1, 1], [1, 2, 3, 4])) == "undefined"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda r, t: (r, {"a": t["a"]}), "same two or more"),
        (lambda r, t: ({"a": r["a"]}, {"a": t["a"]}), "same two or more"),
        (lambda r, t: (r, {m: f.set_axis(f.index + 1000) for m, f in t.items()}), "0 users"),
        (lambda r, t: ({m: pd.concat([f, f]) for m, f in r.items()}, t), "appears twice"),
        (lambda r, t: ({m: f * np.nan for m, f in r.items()}, t), "is NaN"),
        (lambda r, t: (r, {m: f.drop(columns="rougeL") for m, f in t.items()}), "rougeL"),
        (lambda r, t: (r, {m: f.drop(columns="total1") for m, f in t.items()}), "total1"),
    ],
)
def test_bad_input_is_refused(pair, change, told):
    ranking, texts, _ = pair
    with pytest.raises(InputError, match=told):
        scorecard(*change(ranking, texts))


def test_expected_sampled_is_the_mean_over_draws():
    """The curves of notebook 07 are exact expectations: here against 60 draws of the protocol
    itself.
    """
    split = leave_last_out(load_dataset("world-news")).sample_targets(300)
    model = TransitionKNN().fit(split)
    rows = [row for row, target in enumerate(split.test_target) if len(target)]
    seen, targets = (
        [split.test_history[row] for row in rows],
        np.array([split.test_target[row][0] for row in rows]),
    )
    scores = model.score(seen) + 1e-9 * np.random.default_rng(0).random(
        (len(rows), split.dataset.n_items)
    )  # no ties
    for line, items, target in zip(scores, seen, targets):
        line[np.setdiff1d(items, target)] = -np.inf
    candidates = split.dataset.n_items - np.array(
        [len({*items, target}) for items, target in zip(seen, targets.tolist())]
    )
    exact = expected_sampled(target_ranks(scores, targets, ties="index"), candidates, negatives=50)
    fixed = type("Fixed", (), {"score": lambda self, histories, users=None: scores})()
    with pytest.warns(SampledMetricsWarning):
        drawn = [
            evaluate_sampled(fixed, split, k=10, negatives=50, seed=seed, block=len(rows))
            for seed in range(60)
        ]
    for name in ("hit@10", "mrr@10", "ndcg@10"):
        means = np.array([frame[name].mean() for frame in drawn])
        assert abs(means.mean() - exact[name].mean()) < 4 * means.std() / np.sqrt(60), name
    full = expected_sampled(np.array([1, 4, 30]), np.array([99, 99, 99]), negatives=99)
    assert full["hit@10"].tolist() == [1, 1, 0] and full["mrr@10"].tolist() == [1, 0.25, 0]
    for wrong in ({"ranks": [0]}, {"ranks": [1.5]}, {"ranks": [101]}, {"negatives": 0}):
        arguments = {"ranks": [1], "candidates": [99], "negatives": 10} | wrong
        with pytest.raises(InputError):
            expected_sampled(
                arguments["ranks"], arguments["candidates"], negatives=arguments["negatives"]
            )
