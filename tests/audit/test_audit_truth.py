"""Untrue output: planted rates, planted memories and planted explanations come back; a rate of 0 is
not certainty.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tutorial_lib.audit.harms.truth import contamination, generated_titles_findings, title_faults
from tutorial_lib.errors import InputError

TITLES = [
    f"{a} {b}"
    for a in ("Silent", "Golden", "Broken", "Distant")
    for b in ("Harbour", "Winter", "Promise", "Orchard", "Mirror")
]


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
    texts = [["Zebra Crossing"] * 10 if wrong else TITLES[:10] for wrong in bad]
    low, high = generated_titles_findings(texts, TITLES)[0].ci
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
