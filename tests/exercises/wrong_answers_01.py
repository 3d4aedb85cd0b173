"""Answers that learners give to the exercises of notebook 01, and a piece of the message that each
must get.
"""

from __future__ import annotations

import math

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


def _dcg(recommended, relevant, k, discount=lambda rank: 1 / math.log2(rank + 1)):
    return sum(
        discount(rank)
        for rank, item in enumerate(dict.fromkeys(recommended[:k]), start=1)
        if item in relevant
    )


def _ideal(hits):
    return sum(1 / math.log2(rank + 1) for rank in range(1, hits + 1))


def not_normalised(recommended, relevant, k):
    return _dcg(recommended, relevant, k)


def ideal_over_k(recommended, relevant, k):
    return _dcg(recommended, relevant, k) / _ideal(k)


def ideal_over_all_relevant(recommended, relevant, k):
    return _dcg(recommended, relevant, k) / _ideal(len(relevant))


def ideal_over_hits_found(recommended, relevant, k):
    hits = len(set(recommended[:k]) & set(relevant))
    return _dcg(recommended, relevant, k) / _ideal(hits) if hits else 0.0


def discount_one_rank_off(recommended, relevant, k):
    def late(rank):
        return 1 / math.log2(rank + 2)

    return _dcg(recommended, relevant, k, late) / sum(
        late(rank) for rank in range(1, min(len(relevant), k) + 1)
    )


def discount_starts_at_zero(recommended, relevant, k):
    return _dcg(recommended, relevant, k, lambda rank: 1 / math.log2(rank)) / _ideal(
        min(len(relevant), k)
    )


def first_two_ranks_alike(recommended, relevant, k):
    return _dcg(recommended, relevant, k, lambda rank: 1 / max(1, math.log2(rank))) / _ideal(
        min(len(relevant), k)
    )


def reciprocal_rank(recommended, relevant, k):
    return _dcg(recommended, relevant, k, lambda rank: 1 / rank) / _ideal(min(len(relevant), k))


def two_log_bases(recommended, relevant, k):
    return _dcg(recommended, relevant, k, lambda rank: 1 / math.log(rank + 1)) / _ideal(
        min(len(relevant), k)
    )


def precision(recommended, relevant, k):
    return len(set(recommended[:k]) & set(relevant)) / k


def recall(recommended, relevant, k):
    return len(set(recommended[:k]) & set(relevant)) / len(relevant)


def no_cut_off(recommended, relevant, k):
    return _dcg(recommended, relevant, len(recommended)) / _ideal(min(len(relevant), k))


def duplicates_counted_twice(recommended, relevant, k):
    gains = sum(
        1 / math.log2(rank + 1)
        for rank, item in enumerate(recommended[:k], start=1)
        if item in relevant
    )
    return gains / _ideal(min(len(relevant), k))


def dedupes_then_cuts(recommended, relevant, k):
    return _dcg(list(dict.fromkeys(recommended)), relevant, k) / _ideal(min(len(relevant), k))


def cuts_then_closes_up(recommended, relevant, k):
    return _dcg(recommended, relevant, k) / _ideal(min(len(relevant), k))


def runs_past_the_end(recommended, relevant, k):
    gains = sum(
        1 / math.log2(rank + 1) for rank in range(1, k + 1) if recommended[rank - 1] in relevant
    )
    return gains / _ideal(min(len(relevant), k))


def gives_text(recommended, relevant, k):
    return "0.63"


def gives_a_list(recommended, relevant, k):
    return [1.0] * k


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
        (exchanged, "Rows and columns are exchanged"),
        (across_users, "they belong to different users"),
        (all_later_items, "Only direct neighbours count"),
        (index_arrays, "use np.add.at"),
        (seen_or_not, "you count 1"),
        (shares, "you count 1"),
        (a_dictionary, "expected an array of numbers"),
        (one_row, "one row per item before"),
        (fails_on_short_histories, "IndexError"),
    ],
    "01-ndcg": [
        (not_normalised, "divide it by IDCG"),
        (ideal_over_k, "not k hits: IDCG sums over min(len(relevant), k)"),
        (ideal_over_all_relevant, "even if more are relevant than fit"),
        (ideal_over_hits_found, "not from the hits found"),
        (discount_one_rank_off, "one rank off"),
        (discount_starts_at_zero, "ZeroDivisionError"),
        (first_two_ranks_alike, "must count less than at rank 1"),
        (reciprocal_rank, "the discount of MRR"),
        (two_log_bases, "use one base for both"),
        (precision, "This is precision"),
        (recall, "must count less than at rank 1"),
        (no_cut_off, "below the cut-off"),
        (duplicates_counted_twice, "counted twice"),
        (dedupes_then_cuts, "took the repeat out before you cut"),
        (cuts_then_closes_up, "the repeat of item 1 keeps rank 2"),
        (runs_past_the_end, "IndexError"),
        (gives_text, "expected one number"),
        (gives_a_list, "expected one number"),
    ],
}
