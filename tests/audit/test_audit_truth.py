"""Untrue output: planted rates, planted memories and planted explanations come back; a rate of 0 is
not certainty.
"""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tutorial_lib.audit.harms.truth import (
    contamination,
    explanation_faithfulness,
    false_statements,
    generated_titles_findings,
    output_faults,
    score_share,
    share_findings,
    title_faults,
)
from tutorial_lib.errors import InputError
from tutorial_lib.evaluation.statements import Facts, factual_frame

TITLES = [
    f"{a} {b}"
    for a in ("Silent", "Golden", "Broken", "Distant")
    for b in ("Harbour", "Winter", "Promise", "Orchard", "Mirror")
]


def test_faults_of_codes_by_hand():
    frame = output_faults([[0, 1, 2, 3], [4, 4, -7, -1]], n_items=5, seen=[[1], []])
    assert frame.to_dict("list") == {
        "unknown": [0, 0.25],
        "repeated": [0, 0.25],
        "consumed": [0.25, 0],
        "too_few": [0, 0.25],
    }
    with pytest.raises(InputError, match="1 lists but 2 histories"):
        output_faults([[0]], 5, [[], []])


def test_titles_by_hand():
    """Case and punctuation are forgiven, a letter is not; a grounded system would show none of
    this.
    """
    texts = [
        ["silent harbour", "“Golden, Winter!”", "Silent Harbor", "Zebra"],
        ["", "Silent\nHarbour Zebra", "1 2 3 4", "Zebra"],
        [],
    ]
    frame = title_faults(texts, TITLES)
    assert frame["outside"].tolist()[:2] == [0.5, 1] and frame["near_miss"].tolist()[:2] == [
        0.25,
        0,
    ]
    assert frame["wrong_format"].tolist()[:2] == [0, 0.75] and frame.iloc[2].isna().all()
    assert title_faults([["Zebra", "zebra", "ZEBRA."]], TITLES)["repeated"].tolist() == [
        pytest.approx(2 / 3)
    ]
    for wrong in ("Heat", ["Heat"]):
        with pytest.raises(InputError, match="a list of titles for each user"):
            title_faults(wrong, TITLES)
    with pytest.raises(InputError, match="at least one title"):
        title_faults([["a"]], ["!!"])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(TITLES + ["Zebra", "", "Silent Harbor"]), min_size=1, max_size=8))
def test_parts_never_exceed_the_whole(texts):
    row = title_faults([texts], TITLES).iloc[0]
    assert (
        row["near_miss"] + row["wrong_format"] <= row["outside"] + 1e-12 and row.between(0, 1).all()
    )
    assert row["outside"] == pytest.approx(np.mean([text not in TITLES for text in texts]))


def test_a_planted_rate_of_inventions_is_covered_and_judged():
    rng, n, k, omega = np.random.default_rng(0), 400, 10, 0.08
    invented = rng.random((n, k)) < omega
    texts = [
        ["Zebra Crossing" if bad else TITLES[i] for i, bad in enumerate(row)] for row in invented
    ]
    found = generated_titles_findings(texts, TITLES)[0]
    assert found.ci[0] < omega < found.ci[1] and found.verdict == "MATERIAL" and np.isnan(found.p)
    assert found.estimate == pytest.approx(invented.mean()) and (found.harm, found.stakeholder) == (
        "H4",
        "users, providers",
    )


def test_the_interval_respects_users():
    """All of a user's items are wrong or none: ten times the items, but not ten times the
    knowledge.
    """
    rng, n = np.random.default_rng(1), 300
    bad = rng.random(n) < 0.1
    frame = pd.DataFrame({"outside": bad.astype(float)})
    low, high = share_findings(frame)[0].ci
    assert high - low == pytest.approx(
        2 * 1.96 * np.sqrt(bad.mean() * (1 - bad.mean()) / n), rel=0.15
    )


def test_none_of_300_is_not_none():
    found = generated_titles_findings([TITLES[:10]] * 300, TITLES)[0]
    assert (
        found.estimate == 0
        and found.ci[1] == pytest.approx(0.0126, abs=1e-4)
        and found.verdict == "INCONCLUSIVE"
    )
    assert generated_titles_findings([TITLES[:10]] * 500, TITLES)[0].verdict == "EQUIVALENT"


def test_contamination_counts_what_ids_recover_and_nothing_else():
    ids, titles = list(range(200)), [f"Film number {i}" for i in range(200)]
    remembered = lambda asked: [titles[i].upper() + "!" if i < 60 else "no idea" for i in asked]  # noqa: E731
    found, table = contamination(remembered, ids, titles)
    assert found.estimate == pytest.approx(0.3) and found.verdict == "MATERIAL" and found.p < 0.01
    assert table["recovered"].sum() == 60 and found.stakeholder == "designers"
    shuffled = contamination(lambda asked: [titles[(i + 7) % 200] for i in asked], ids, titles)[
        0
    ]  # knows titles, not which is whose
    assert shuffled.verdict != "MATERIAL" and shuffled.estimate == pytest.approx(-1 / 199)
    silent = contamination(lambda asked: [""] * 200, ids, ["", *titles[1:]])[0]
    assert silent.estimate == 0 and silent.ci[1] > 0.015
    with pytest.raises(InputError, match="1 answers"):
        contamination(lambda asked: ["x"], ids, titles)


def test_naming_a_famous_title_earns_nothing():
    """Half the catalogue bears the same title: always answering it recovers half of the items, and
    as much with shuffled ids.
    """
    titles = ["Hamlet"] * 100 + [f"Film {i}" for i in range(100)]
    found = contamination(lambda asked: ["Hamlet"] * len(asked), list(range(200)), titles)[0]
    assert "Recovered 50.00%" in found.notes[0] and abs(found.estimate) < 0.005 and found.p > 0.5


N_ITEMS, GAIN = (
    30,
    np.linspace(0.0, 0.09, 10),
)  # an item 0..9 in the history adds its gain to the target's score


def linear_score(histories):
    """Target 20 gets the sum of gains; item 21 always 1 and item 22 always 0, so that the share is
    the score itself.
    """
    scores = np.zeros((len(histories), N_ITEMS))
    scores[:, 20] = [GAIN[list(history)].sum() for history in histories]
    scores[:, 21] = 1.0
    return scores


def explained(place):
    n = 120
    histories = [np.random.default_rng(row).permutation(10) for row in range(n)]
    return explanation_faithfulness(
        linear_score, histories, [20] * n, [place(history) for history in histories], draws=40
    )


def test_a_faithful_explanation_beats_the_lot_by_the_planted_amount():
    found, table = explained(lambda history: np.argsort(-GAIN[history])[:3])
    truth = (
        GAIN[-3:].sum() - 3 * GAIN.mean()
    )  # the same for deleting and for keeping, as the score is a sum
    for finding in found:
        assert finding.estimate == pytest.approx(truth, abs=0.003) and finding.verdict == "MATERIAL"
    assert table["share"].iloc[0] == pytest.approx(GAIN.sum()) and table["without"].iloc[
        0
    ] == pytest.approx(GAIN[:7].sum())


def test_a_random_explanation_is_equivalent_and_the_worst_one_negative():
    assert {finding.verdict for finding in explained(lambda history: [0, 4, 7])[0]} == {
        "EQUIVALENT"
    }
    worst = explained(lambda history: np.argsort(GAIN[history])[:3])[0][0]
    assert (
        worst.estimate == pytest.approx(GAIN[:3].sum() - 3 * GAIN.mean(), abs=0.003)
        and worst.estimate < -0.05
    )


def test_share_of_a_score_has_no_unit_and_bears_minus_infinity():
    scores = np.random.default_rng(0).normal(size=(5, 8))
    items = np.arange(5)
    assert score_share(3 * scores - 7, items) == pytest.approx(score_share(scores, items))
    scores[0, 0], scores[1, 3] = -np.inf, -np.inf
    assert score_share(scores, items)[0] == 0 and np.isfinite(score_share(scores, items)).all()
    assert score_share(np.ones((2, 3)), np.array([0, 1])).tolist() == [0, 0]


def test_explanations_that_allow_no_comparison_are_left_out_or_refused():
    histories = [[1, 2, 3]] * 40
    found, _ = explanation_faithfulness(
        linear_score, histories, [20] * 40, [[0]] * 35 + [[]] * 3 + [[0, 1, 2]] * 2, draws=2
    )
    assert found[0].n_by_group == {"users": 35}
    with pytest.raises(InputError, match=r"explanations\[0\] names position 3: expected 0..2"):
        explanation_faithfulness(linear_score, histories, [20] * 40, [[3]] * 40)
    with pytest.raises(InputError, match="some but not all"):
        explanation_faithfulness(linear_score, histories, [20] * 40, [[]] * 40)


def test_false_statements_are_counted_over_texts_that_state_something():
    facts = Facts({"sharp": ("mood", "sharp"), "warm": ("mood", "warm")}, [{("mood", "sharp")}])
    texts = ["It is sharp."] * 60 + ["It is sharp and warm."] * 30 + ["It is."] * 10
    found = false_statements(factual_frame(texts, [0] * 100, facts))
    assert (
        found.estimate == pytest.approx(15 / 90)
        and found.n_by_group == {"texts": 90}
        and found.verdict == "MATERIAL"
    )
    assert "120 statements, precision 75.00%; 10 of 100" in found.notes[0]
