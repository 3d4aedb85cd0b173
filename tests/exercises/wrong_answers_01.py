"""Answers that learners give to the exercises of notebook 01, and a piece of the message that each
must get.
"""

from __future__ import annotations

import math


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
    ]
}
