"""Sizes below ten are published nowhere, and follow from nothing that is."""

from __future__ import annotations

import re

import numpy as np
import pytest
from audit_town import Fixed, finding, town

from tutorial_lib.audit import audit
from tutorial_lib.audit.inference.paired import paired_mean
from tutorial_lib.data import random_hold_out


def test_a_group_of_seven_is_nowhere_told_by_number():
    """Opinion, notes, table, annex and findings.csv: none gives the size of a group below ten, nor
    lets it follow from the others.
    """
    ds = town(gender=["F"] * 7 + ["M"] * 233)
    report = audit(Fixed(), ds, random_hold_out(ds, 3), attributes=["gender"])
    gap = finding(report, "ndcg@10: gender F - M")
    assert np.isnan(gap.estimate) and not gap.levels and np.isnan(gap.ratio).all()
    for text in (
        report.to_markdown(),
        report.to_frame().to_csv(),
        "\n".join(report.opinion.reasons),
        report.to_html(),
        str(gap),
    ):
        assert "F 7" not in text and "233" not in text and "fewer than 10" in text


def test_no_note_tells_the_size_that_the_sizes_hide():
    """A note said 12 where the sizes said about 10, and the units needed gave the rest."""
    ds = town(gender=["F"] * 7 + ["M"] * 12 + ["N"] * 98 + ["O"] * 123)
    report = audit(Fixed(), ds, random_hold_out(ds, 3), attributes=["gender"])
    frame = report.to_frame()
    page = re.sub(r"<path [^>]*>", "", report.to_html())  # coordinates, such as M 12 98
    for text in (report.to_markdown(), page, frame.to_csv(), *map(str, report.findings)):
        assert not any(f"has {n} users" in text or f"M {n}" in text for n in (7, 12, 98, 123))
    rows = frame[frame["metric"].str.contains("gender N - rest")]
    needed = rows["n_needed"].dropna()
    assert len(needed) and all(len(str(int(n)).rstrip("0")) <= 2 for n in needed)


def test_the_number_of_the_few_without_a_list_follows_from_no_size():
    """users 237 beside "fewer than 10 users left out" and 240 users judged."""
    ds = town()
    split = random_hold_out(ds, 3)
    some = Fixed(lambda lists: np.where(np.arange(len(lists))[:, None] < 3, -1, lists))
    report = audit(some, ds, split)
    assert "fewer than 10 users with an empty list left out." in " ".join(
        finding(report, "exposure - merit: minority").notes
    )
    for text in (report.to_frame().to_csv(), report.to_html(), *map(str, report.findings)):
        assert not re.search(r"[^.\d]237\b", text)
    assert "about 240" in finding(report, "popularity lift of lists over profiles").sizes
    lifts = [f for f in report.findings if f.metric.startswith("popularity lift: gender")]
    assert lifts and all("about" in f.sizes for f in lifts)


@pytest.mark.parametrize(
    ("moved", "told"), [(0, "0 for every user"), (3, "Not 0 for fewer than 10 of")]
)
def test_the_few_whose_lists_are_broken_are_not_counted(moved, told):
    _, notes = paired_mean(np.r_[np.full(moved, 0.1), np.zeros(400 - moved)], share=True)
    assert notes[-1].startswith(told) and "400" not in notes[-1]


def test_a_small_group_does_not_follow_from_the_others():
    """A - rest with 120 and 120, B - rest with 113 and 127: the difference is the 7 of the third
    group.
    """
    ds = town(age=["a"] * 120 + ["b"] * 113 + ["c"] * 7)
    report = audit(Fixed(), ds, random_hold_out(ds, 3), attributes=["age"])
    for text in (
        report.to_markdown(),
        report.to_frame().to_csv(),
        report.to_html(),
        "\n".join(map(str, report.findings)),
    ):
        assert not any(
            f"{group} {n}" in text
            for group, n in (("a", 120), ("b", 113), ("rest", 127), ("c", 7), ("rest", 233))
        )
        assert "about 110" in text and "fewer than 10" in text
