"""Answers that learners give to the exercises on sentences and transitions, and a piece of the
message that each must get.
"""

from __future__ import annotations

import numpy as np


def codes(history, titles, last=5):
    return " | ".join(str(item) for item in history[-last:])


def newest_first(history, titles, last=5):
    return " | ".join(titles[item] for item in history[::-1][:last])


def oldest_items(history, titles, last=5):
    return " | ".join(titles[item] for item in history[:last])


def whole_history(history, titles, last=5):
    return " | ".join(titles[item] for item in history)


def no_separator(history, titles, last=5):
    return " ".join(titles[item] for item in history[-last:])


def separator_at_the_end(history, titles, last=5):
    return "".join(titles[item] + " | " for item in history[-last:])


def bar_without_spaces(history, titles, last=5):
    return "|".join(titles[item] for item in history[-last:])


def a_list(history, titles, last=5):
    return [titles[item] for item in history[-last:]]


def exactly_last(history, titles, last=5):
    return " | ".join(
        titles[history[len(history) - last + i]]
        for i in range(last)
        if last <= len(history) or history[i] is not None
    )


def exchanged(histories, n_items):
    return right(histories, n_items).T


def right(histories, n_items):
    counts = np.zeros((n_items, n_items))
    for history in histories:
        for before, after in zip(history[:-1], history[1:]):
            counts[before, after] += 1
    return counts


def across_users(histories, n_items):
    return right([[item for history in histories for item in history]], n_items)


def all_later_items(histories, n_items):
    counts = np.zeros((n_items, n_items))
    for history in histories:
        for i, before in enumerate(history):
            for after in history[i + 1 :]:
                counts[before, after] += 1
    return counts


def index_arrays(histories, n_items):
    counts = np.zeros((n_items, n_items))
    before = np.array([a for history in histories for a in history[:-1]], dtype=int)
    after = np.array([b for history in histories for b in history[1:]], dtype=int)
    counts[before, after] += 1
    return counts


def seen_or_not(histories, n_items):
    return (right(histories, n_items) > 0).astype(float)


def shares(histories, n_items):
    counts = right(histories, n_items)
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


def a_dictionary(histories, n_items):
    return {(a, b): 1 for history in histories for a, b in zip(history[:-1], history[1:])}


def one_row(histories, n_items):
    return right(histories, n_items).sum(axis=0)


def fails_on_short_histories(histories, n_items):
    for history in histories:
        _ = history[1]
    return right(histories, n_items)


WRONG_ANSWERS = {
    "01-sentence": [
        (codes, "Those are the item codes"),
        (newest_first, "The newest item must come last"),
        (oldest_items, "Those are the two oldest items"),
        (whole_history, "That is the whole history"),
        (no_separator, "Put ' | ' between two titles"),
        (separator_at_the_end, "a separator too many"),
        (bar_without_spaces, "a space on each side"),
        (a_list, "expected one text"),
        (exactly_last, "IndexError"),
    ],
    "01-transitions": [
        (exchanged, "rows and columns exchanged"),
        (across_users, "they belong to different users"),
        (all_later_items, "Only direct neighbours count"),
        (index_arrays, "use np.add.at"),
        (seen_or_not, "you count 1"),
        (shares, "you count 1"),
        (a_dictionary, "expected an array of numbers"),
        (one_row, "one row per item before"),
        (fails_on_short_histories, "IndexError"),
    ],
}
