"""Answers that learners give to the exercises of notebook 09, and a piece of the message that each
must get.
"""

from __future__ import annotations

import numpy as np


def not_divided(p, new):
    return p * new


def old_ones(p, new):
    return not_nan(p * ~new)


def not_nan(kept):
    total = kept.sum(axis=1, keepdims=True)
    return np.divide(kept, total, out=np.zeros_like(kept), where=total > 0)


def all_alike(p, new):
    return np.ones_like(p) * new / new.sum()


def columns_dropped(p, new):
    return not_nan(p[:, new])


def nothing_over_nothing(p, new):
    with np.errstate(invalid="ignore"):
        return p * new / (p * new).sum(axis=1, keepdims=True)


def one_sum_for_all(p, new):
    return p * new / (p * new).sum()


def all_relations(path, triples):
    if len(path) % 2:
        return {relation for _, relation, _ in triples}
    return {tail for head, relation, tail in triples if (head, relation) == tuple(path[-2:])}


def tails_at_once(path, triples):
    return {tail for head, _, tail in triples if head == path[-1]}


def any_head(path, triples):
    if len(path) % 2:
        return {relation for head, relation, _ in triples if head == path[-1]}
    return {tail for _, relation, tail in triples if relation == path[-1]}


def any_relation(path, triples):
    if len(path) % 2:
        return {relation for head, relation, _ in triples if head == path[-1]}
    return {tail for head, _, tail in triples if head == path[-2]}


def not_back(path, triples):
    if len(path) % 2:
        return {relation for head, relation, _ in triples if head == path[-1]}
    return {
        tail
        for head, relation, tail in triples
        if (head, relation) == (path[-2], path[-1]) and tail not in path
    }


def a_list(path, triples):
    return sorted(right(path, triples))


def right(path, triples):
    if len(path) % 2:
        return {relation for head, relation, _ in triples if head == path[-1]}
    return {t for head, relation, t in triples if head == path[-2] and relation == path[-1]}


def pops(path, triples):
    last = path.pop()
    if len(path) % 2 == 0:
        return {relation for head, relation, _ in triples if head == last}
    return {t for head, relation, t in triples if head == path[-1] and relation == last}


def first_node(path, triples):
    if len(path) % 2:
        return {relation for head, relation, _ in triples if head == path[0]}
    return {t for head, relation, t in triples if head == path[-2] and relation == path[-1]}


WRONG_ANSWERS = {
    "09-given": [
        (not_divided, "divide by that"),
        (old_ones, "given that the item is old"),
        (all_alike, "came out alike"),
        (columns_dropped, "0 for the old ones"),
        (nothing_over_nothing, "0 / 0, and it must stay 0"),
        (one_sum_for_all, "a sum of its own"),
    ],
    "09-constraint": [
        (all_relations, "Those are all relations"),
        (tails_at_once, "Those are the tails"),
        (any_head, "belongs to another head"),
        (any_relation, "belongs to another relation"),
        (not_back, "Going back is a triple"),
        (a_list, "expected a set"),
        (pops, "changed the value it was given"),
        (first_node, "nothing may follow"),
    ],
}
