"""Answers that learners give to the exercises of notebook 02, and a piece of the message that each
must get.
"""

from __future__ import annotations

import random

import torch


def upside_down(length):
    return torch.ones(length, length, dtype=torch.bool).triu()


def true_means_hidden(length):
    return torch.ones(length, length, dtype=torch.bool).triu(1) | (length == 1)


def without_itself(length):
    return torch.ones(length, length, dtype=torch.bool).tril(-1) | (length == 1)


def no_diagonal_at_all(length):
    return torch.ones(length, length, dtype=torch.bool).tril(-1)


def everything(length):
    return torch.ones(length, length, dtype=torch.bool)


def one_ahead(length):
    return torch.ones(length, length, dtype=torch.bool).tril(1)


def to_be_added(length):
    """The mask that most attention code adds to its scores."""
    return torch.zeros(length, length).masked_fill(
        torch.ones(length, length).triu(1).bool(), float("-inf")
    )


def to_be_added_as_lists(length):
    return [[0 if j <= i else -1e9 for j in range(length)] for i in range(length)]


def added_with_true_meaning_hidden(length):
    return torch.full((length, length), float("-inf")).triu(1)


def only_neighbours(length):
    near = torch.arange(length)
    return (near[:, None] - near <= 1) & (near[:, None] >= near)


def one_row(length):
    return [True] * length


def too_wide(length):
    return torch.ones(length, length + 1, dtype=torch.bool).tril()


def _chosen(history, ratio, rng):
    chosen = [rng.random() < ratio for _ in history]
    chosen[rng.randrange(len(history))] |= not any(chosen)
    return chosen


def in_place(history, ratio, mask, rng):
    labels = [None] * len(history)
    for place, hidden in enumerate(_chosen(history, ratio, rng)):
        if hidden:
            labels[place], history[place] = history[place], mask
    return history, labels


def labels_everywhere(history, ratio, mask, rng):
    return [
        mask if hidden else item for item, hidden in zip(history, _chosen(history, ratio, rng))
    ], list(history)


def label_is_the_mask(history, ratio, mask, rng):
    inputs = [
        mask if hidden else item for item, hidden in zip(history, _chosen(history, ratio, rng))
    ]
    return inputs, [mask if shown == mask else None for shown in inputs]


def only_the_targets(history, ratio, mask, rng):
    chosen = _chosen(history, ratio, rng)
    return [mask if hidden else item for item, hidden in zip(history, chosen)], [
        i for i, hidden in zip(history, chosen) if hidden
    ]


def sometimes_nothing(history, ratio, mask, rng):
    chosen = [rng.random() < ratio for _ in history]
    return [mask if h else i for i, h in zip(history, chosen)], [
        i if h else None for i, h in zip(history, chosen)
    ]


def keeps_the_ratio(history, ratio, mask, rng):
    chosen = _chosen(history, 1 - ratio, rng)
    return [mask if h else i for i, h in zip(history, chosen)], [
        i if h else None for i, h in zip(history, chosen)
    ]


def own_generator(history, ratio, mask, rng):
    return keeps_right(history, ratio, mask, random.Random())


def keeps_right(history, ratio, mask, rng):
    chosen = _chosen(history, ratio, rng)
    return [mask if h else i for i, h in zip(history, chosen)], [
        i if h else None for i, h in zip(history, chosen)
    ]


def always_the_last(history, ratio, mask, rng):
    return [*history[:-1], mask], [*[None] * (len(history) - 1), history[-1]]


def labels_the_next(history, ratio, mask, rng):
    chosen, following = _chosen(history, ratio, rng), [*history[1:], history[0]]
    return [mask if h else i for i, h in zip(history, chosen)], [
        i if h else None for i, h in zip(following, chosen)
    ]


def only_the_inputs(history, ratio, mask, rng):
    return [mask if hidden else item for item, hidden in zip(history, _chosen(history, ratio, rng))]


def _blocks(ranks, change):
    """The right mask, changed: ``change(sees, ranks, asked, T)``."""
    ranks = torch.as_tensor(ranks)
    asked = ranks[ranks > 0]
    size = len(ranks)
    sees = torch.eye(size + len(asked), dtype=torch.bool)
    sees[:size, :size] = ranks[None, :] <= ranks[:, None]
    sees[size:, :size] = ranks[None, :] < asked[:, None]
    changed = change(sees, ranks, asked, size)
    return sees if changed is None else changed


def its_own_answer(ranks):
    def change(sees, ranks, asked, size):
        sees[size:, :size] = ranks[None, :] <= asked[:, None]

    return _blocks(ranks, change)


def through_the_items(ranks):
    def change(sees, ranks, asked, size):
        sees[:size, :size] = True

    return _blocks(ranks, change)


def hidden_from_all(ranks):
    def change(sees, ranks, asked, size):
        sees[:size, :size] = (ranks == 0)[None, :] | torch.eye(size, dtype=torch.bool)

    return _blocks(ranks, change)


def what_is_not_hidden_alone(ranks):
    def change(sees, ranks, asked, size):
        sees[size:, :size] = (ranks == 0)[None, :]

    return _blocks(ranks, change)


def queries_by_rank(ranks):
    def change(sees, ranks, asked, size):
        sees[size:, :size] = ranks[None, :] < asked.sort().values[:, None]

    return _blocks(ranks, change)


def rows_are_looked_at(ranks):
    return _blocks(ranks, lambda sees, *_: sees.T)


def no_queries(ranks):
    return _blocks(ranks, lambda sees, ranks, asked, size: sees[:size, :size])


def a_query_for_each_item(ranks):
    return torch.eye(2 * len(ranks), dtype=torch.bool)


def queries_see_each_other(ranks):
    def change(sees, ranks, asked, size):
        sees[size:, size:] = True

    return _blocks(ranks, change)


def blind_queries(ranks):
    def change(sees, ranks, asked, size):
        sees[size:, size:] = False

    return _blocks(ranks, change)


def items_see_queries(ranks):
    def change(sees, ranks, asked, size):
        sees[:size, size:] = True

    return _blocks(ranks, change)


def added_to_scores(ranks):
    return _blocks(
        ranks, lambda sees, *_: torch.zeros(sees.shape).masked_fill(~sees, -float("inf"))
    )


WRONG_ANSWERS = {
    "02-causal-mask": [
        (upside_down, "upside down"),
        (true_means_hidden, "True means: may be seen"),
        (without_itself, "no token sees itself"),
        (no_diagonal_at_all, "must be [[True]]"),
        (everything, "bidirectional"),
        (one_ahead, "holds the answer"),
        (to_be_added, "a mask to *add* to attention scores"),
        (to_be_added_as_lists, "`mask == 0`"),
        (added_with_true_meaning_hidden, "a mask to *add* to attention scores"),
        (only_neighbours, "does not see all earlier ones"),
        (one_row, "expected an array"),
        (too_wide, "expected 1 rows of 1"),
    ],
    "02-block-mask": [
        (its_own_answer, "its answer is in sight"),
        (through_the_items, "what is still to be guessed"),
        (hidden_from_all, "not above its own"),
        (what_is_not_hidden_alone, "blocks that were guessed before"),
        (queries_by_rank, "in the order of the items"),
        (rows_are_looked_at, "what is still to be guessed"),
        (no_queries, "expected 3 rows of 3"),
        (a_query_for_each_item, "expected 3 rows of 3"),
        (queries_see_each_other, "and no other query"),
        (blind_queries, "each query must see itself"),
        (items_see_queries, "Nobody sees a query but itself"),
        (added_to_scores, "a mask to *add* to attention scores"),
    ],
    "02-mask-items": [
        (in_place, "The next epoch would train on masks"),
        (labels_everywhere, "could copy the answer"),
        (label_is_the_mask, "keep it before you hide it"),
        (only_the_targets, "so that both stay aligned"),
        (sometimes_nothing, "must still hide one item"),
        (keeps_the_ratio, "not the share that is kept"),
        (own_generator, "draw from `rng`"),
        (always_the_last, "hides 5%"),
        (labels_the_next, "expected the item that was hidden there"),
        (only_the_inputs, "expected two lists"),
    ],
}
