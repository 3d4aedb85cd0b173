"""Answers that learners give to the exercise of notebook 00, and a piece of the message that each
must get.
"""

from __future__ import annotations


def no_cut_off(recommended, target, k):
    return float(target in recommended)


def precision(recommended, target, k):
    return float(target in recommended[:k]) / k


def first_place_only(recommended, target, k):
    return float(recommended[:1] == [target])


def one_place_short(recommended, target, k):
    return float(target in recommended[: k - 1])


def always_found(recommended, target, k):
    return 1.0


def runs_past_the_end(recommended, target, k):
    return float(any(recommended[rank] == target for rank in range(k)))


WRONG_ANSWERS = {
    "00-hit": [
        (no_cut_off, "Look at the first k items only"),
        (precision, "That is precision"),
        (first_place_only, "inside the first k items, so it is a hit"),
        (one_place_short, "inside the first k items, so it is a hit"),
        (always_found, "no hit, 0"),
        (runs_past_the_end, "IndexError"),
    ]
}
