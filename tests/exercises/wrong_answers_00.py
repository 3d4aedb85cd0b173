"""Answers that learners give to the exercises of notebook 00, and a piece of the message that each
must get.
"""

from __future__ import annotations

import numpy as np


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


def counting(
    histories, newest, n_items, reach, first=1, last=0, weight=lambda distance: 1 / distance
):
    """The counter with its parts to be got wrong."""
    scores = np.zeros(n_items)
    for history in histories:
        for place, item in enumerate(history):
            if item in newest:
                after = history[place + first : place + 1 + reach + last]
                for distance, other in enumerate(after, start=1):
                    scores[other] += weight(distance)
    return scores


def counts_itself(*given):
    return counting(*given, first=0, last=-1)


def no_reach(*given):
    return counting(*given, last=99)


def slice_too_short(*given):
    return counting(*given, last=-1)


def no_weight(*given):
    return counting(*given, weight=lambda distance: 1)


def times_distance(*given):
    return counting(*given, weight=lambda distance: distance)


def distance_from_two(*given):
    return counting(*given, weight=lambda distance: 1 / (distance + 1))


def returns_too_early(histories, newest, n_items, reach):
    return counting(histories[:1], newest, n_items, reach)


def one_long_history(histories, newest, n_items, reach):
    return counting([sum(histories, [])], newest, n_items, reach)


def only_the_last(histories, newest, n_items, reach):
    return counting(histories, newest[-1:], n_items, reach)


def first_place_of_each(histories, newest, n_items, reach):
    cut = [h[: h.index(newest[0]) + 1 + reach] if newest[0] in h else h for h in histories]
    return counting(cut, newest, n_items, reach)


def runs_off_the_end(histories, newest, n_items, reach):
    scores = np.zeros(n_items)
    for history in histories:
        for place, item in enumerate(history):
            for distance in range(1, reach + 1):
                scores[history[place + distance]] += (item in newest) / distance
    return scores


WRONG_ANSWERS = {
    "00-counter": [
        (counts_itself, "You count the newest item itself"),
        (no_reach, "two steps away, and reach is 1"),
        (slice_too_short, "one place short"),
        (no_weight, "counts half as much"),
        (times_distance, "you multiply by it"),
        (distance_from_two, "Only item 1 comes one step after"),
        (returns_too_early, "Two users made that step"),
        (one_long_history, "they belong to different users"),
        (only_the_last, "if item in newest"),
        (first_place_of_each, "not only after the first"),
        (runs_off_the_end, "IndexError"),
    ],
    "00-hit": [
        (no_cut_off, "Look at the first k items only"),
        (precision, "That is precision"),
        (first_place_only, "inside the first k items, so it is a hit"),
        (one_place_short, "inside the first k items, so it is a hit"),
        (always_found, "no hit, 0"),
        (runs_past_the_end, "IndexError"),
    ],
}
