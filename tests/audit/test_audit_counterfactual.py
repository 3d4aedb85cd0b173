"""Counterfactual prompts: similarities equal hand counts, a planted effect is found, and a mere
rewording is not called one.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from tutorial_lib.audit.harms.counterfactual import (
    beyond_wordings,
    counterfactual_findings,
    wording_table,
)
from tutorial_lib.audit.harms.similarity import KINDS, list_similarity
from tutorial_lib.audit.inference.paired import paired_mean, size_reach
from tutorial_lib.errors import InputError

K = 10


def naive(a, b, kind):
    """The printed formulas, one list at a time."""
    a, b = (list(dict.fromkeys(x for x in one if x >= 0)) for one in (a, b))
    m = max(len(a), len(b))
    if m == 0:
        return 1.0
    if kind == "jaccard":
        return len(set(a) & set(b)) / len(set(a) | set(b))
    if kind == "serp":
        return sum(m - r for r, v in enumerate(a) if v in b) / (m * (m + 1) / 2)
    if m == 1:
        return float(a == b)
    pairs = [(v, w) for i, v in enumerate(a) for w in a[i + 1 :]]
    return sum(v in b and (w not in b or b.index(v) < b.index(w)) for v, w in pairs) / (
        m * (m - 1) / 2
    )


lists = st.lists(st.integers(-1, 7), min_size=6, max_size=6)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(lists, lists), min_size=1, max_size=4), st.sampled_from(KINDS))
def test_similarity_is_the_printed_formula_also_with_repeats_and_short_lists(rows, kind):
    a, b = (np.array([row[i] for row in rows]) for i in (0, 1))
    got = list_similarity(a, b, kind)
    assert got == pytest.approx([naive(x, y, kind) for x, y in rows])
    assert list_similarity(a, a, kind) == pytest.approx(1)
    wider = np.pad(a, ((0, 0), (0, 2)), constant_values=-1)
    assert list_similarity(wider, b, kind) == pytest.approx(got)  # more padding changes nothing


def test_similarity_by_hand():
    a, reverse, other, half = (
        np.array([[1, 2, 3, 4]]),
        np.array([[4, 3, 2, 1]]),
        np.array([[5, 6, 7, 8]]),
        np.array([[1, 9, 2, 8]]),
    )
    assert [float(list_similarity(a, reverse, kind)[0]) for kind in KINDS] == [1, 1, 0]
    assert [float(list_similarity(a, other, kind)[0]) for kind in KINDS] == [0, 0, 0]
    # 2 of 6 in the union; weights 4 + 3 of 10; 1 before 2, 3, 4 and 2 before 3, 4: 5 of 6 pairs
    assert [float(list_similarity(a, half, kind)[0]) for kind in KINDS] == pytest.approx(
        [1 / 3, 0.7, 5 / 6]
    )
    nothing = np.full((1, 4), -1)
    assert [float(list_similarity(a, nothing, kind)[0]) for kind in KINDS] == [0, 0, 0]
    assert [float(list_similarity(nothing, nothing, kind)[0]) for kind in KINDS] == [1, 1, 1]
    long = np.arange(20)[None]
    released = (20 + 3) / (4 * (20 + 1))  # what FaiRLLM's code gives for identical lists
    assert (
        released == pytest.approx(0.274, abs=5e-4) and list_similarity(long, long, "serp")[0] == 1
    )
    with pytest.raises(InputError, match="did you mean 'jaccard'"):
        list_similarity(a, a, "jacard")
    with pytest.raises(InputError, match=r"expected item codes in an \[1, k\] array"):
        list_similarity(a, np.zeros((2, 4), dtype=int))


def base(n):
    return np.tile(np.arange(K), (n, 1))


def swapped(rng, neutral, kappa):
    """Each place filled with a new item with probability kappa."""
    n = len(neutral)
    return np.where(rng.random((n, K)) < kappa, 100 + np.arange(K), neutral)


def jaccard_truth(kappa):
    kept = np.arange(K + 1)
    return float((binom.pmf(kept, K, 1 - kappa) * kept / (2 * K - kept)).sum())


def test_planted_sensitivity_is_estimated_without_bias_and_called_material():
    rng = np.random.default_rng(0)
    neutral, truth = base(500), jaccard_truth(0.1) - jaccard_truth(0.3)
    paraphrases = [swapped(rng, neutral, 0.1) for _ in range(6)]
    found = counterfactual_findings(
        neutral, {"a woman": swapped(rng, neutral, 0.3)}, paraphrases, kind="jaccard"
    )[0]
    assert found.ci[0] < truth < found.ci[1] and found.ci[1] - found.ci[0] < truth / 2
    assert (found.harm, found.stakeholder, found.verdict, found.n_by_group) == (
        "H1",
        "users",
        "MATERIAL",
        {"users": 500},
    )


def test_a_wording_with_the_noise_of_paraphrases_is_equivalent_and_covered():
    rng, covered, called = np.random.default_rng(1), 0, 0
    for seed in range(40):
        neutral = base(500)
        lists = [swapped(rng, neutral, 0.2) for _ in range(7)]
        found = counterfactual_findings(
            neutral, {"x": lists[0]}, lists[1:], kind="jaccard", seed=seed
        )[0]
        covered += found.ci[0] <= 0 <= found.ci[1]
        called += found.verdict == "EQUIVALENT"
    assert covered >= 34 and called >= 32  # at 95 % coverage, fewer than 34 of 40 come once in 300


def test_a_mere_rewording_is_not_detected_although_users_alone_would_swear_to_it():
    """Paraphrases differ among themselves: without the wording as a sample, most of them would
    count as an attribute's effect.
    """
    rng, over_users, over_both, n = np.random.default_rng(2), 0, 0, 300
    for _ in range(40):
        kappas = rng.uniform(0.1, 0.4, 7)
        moved = (rng.random((7, n, K)) < kappas[:, None, None]).mean(axis=2)
        estimate, _ = beyond_wordings(moved[:1], moved[1:])
        alone, _ = paired_mean(moved[0] - moved[1:].mean(axis=0))
        over_users += alone.p < 0.05
        over_both += estimate.p < 0.05
    assert over_users > 25 and over_both <= 6  # more than 6 of 40 at a true 5 %: once in 300


def test_more_wordings_of_the_value_narrow_the_interval():
    rng, n = np.random.default_rng(3), 300
    moved = (rng.random((16, n, K)) < rng.uniform(0.15, 0.25, 16)[:, None, None]).mean(axis=2)
    one, many = (beyond_wordings(moved[:v], moved[8:])[0] for v in (1, 8))
    assert many.high - many.low < 0.75 * (one.high - one.low)


def test_quality_is_lost_only_where_targets_are():
    """Every attribute list loses its first item: NDCG falls by exactly its gain where that was the
    target, and not elsewhere.
    """
    neutral, n = base(100), 100
    worse = neutral.copy()
    worse[:, 0] = 77
    same = [neutral] * 5
    first, none = ([[item]] * n for item in (0, 55))
    ndcg, hit = counterfactual_findings(neutral, {"x": worse}, same, first)[1:3]
    assert (
        ndcg.estimate == hit.estimate == -1
        and ndcg.margin == pytest.approx(0.1)
        and ndcg.verdict == "MATERIAL"
    )
    found = counterfactual_findings(neutral, {"x": worse}, same, none)[1]
    assert (
        found.estimate == 0 and found.verdict == "INCONCLUSIVE"
    )  # nobody is served: a relative margin says nothing
    part = counterfactual_findings(neutral, {"x": worse}, same, [[0]] * 60 + [[]] * 40)[1]
    assert part.n_by_group == {"users": 60}


def test_the_range_is_set_against_its_null():
    rng, neutral = np.random.default_rng(4), base(400)
    paraphrases = [swapped(rng, neutral, 0.2) for _ in range(6)]
    equal = {f"v{a}": swapped(rng, neutral, 0.2) for a in range(8)}
    null = counterfactual_findings(neutral, equal, paraphrases, kind="jaccard")[-1]
    assert (
        null.metric.startswith("SNSR")
        and abs(null.estimate) < 0.02
        and null.p > 0.05
        and null.ci[0] < 0
    )
    unequal = equal | {"v0": swapped(rng, neutral, 0.5)}
    found = counterfactual_findings(neutral, unequal, paraphrases, kind="jaccard")[-1]
    truth = jaccard_truth(0.2) - jaccard_truth(0.5)
    assert (
        found.ci[0] < truth < found.ci[1]
        and found.verdict == "MATERIAL"
        and "95th percentile" in found.notes[1]
    )


def test_the_interval_of_a_range_covers_it_with_and_without_an_effect():
    rng, n = np.random.default_rng(5), 150
    for truth in (np.zeros(4), np.array([0.0, 0.0, 0.1, 0.4])):
        hits = 0
        for _ in range(60):
            values = truth + rng.normal(size=(n, 4))
            reach = size_reach(values, lambda means: np.ptp(means, axis=-1), rng=rng)
            hits += abs(np.ptp(values.mean(axis=0)) - np.ptp(truth)) <= reach
        assert hits >= 52  # at 95 % coverage, fewer come once in 300


def test_few_users_few_wordings_and_wrong_shapes():
    neutral = base(20)
    found = counterfactual_findings(neutral, {"x": neutral, "y": neutral}, [neutral] * 2)
    assert {f.verdict for f in found} == {"INCONCLUSIVE"} and np.isnan(found[0].ci[0])
    assert any("use 5 or more" in note for note in found[0].notes)
    with pytest.raises(InputError, match="expected at least 1 and 2"):
        counterfactual_findings(neutral, {"x": neutral}, [neutral])
    with pytest.raises(InputError, match=r"by_value\['x'\]: expected item codes in an \[20, k\]"):
        counterfactual_findings(neutral, {"x": neutral[:5]}, [neutral] * 5)
    table = wording_table(neutral, {"x": np.stack([neutral, neutral])}, [neutral] * 5)
    assert (
        table["names_value"].tolist() == [True] * 2 + [False] * 5
        and (table["dissimilarity"] == 0).all()
    )


def test_paired_mean_knows_what_it_cannot_know():
    nothing, notes = paired_mean(np.zeros(300), share=True)
    assert (
        nothing.low == 0
        and nothing.high == pytest.approx(0.0126, abs=1e-4)
        and np.isnan(nothing.p)
        and "0 for every user" in notes[0]
    )
    few, _ = paired_mean(np.r_[0.5, np.zeros(299)])
    assert few.low < 0 < few.high and few.p > 0.3
    assert np.isnan(paired_mean(np.ones(29))[0].low)
    left, notes = paired_mean(np.r_[np.nan, np.ones(40)])
    assert left.value == 1 and notes == ["fewer than 10 users without a value left out."]
