"""What the people of a planted world choose, step by step.

Memory is linear in the interactions: choices are drawn from one cumulative distribution per taste
type, redrawn where the item was seen already, so that there is never a users x items matrix.
"""

from __future__ import annotations

import numpy as np

from tutorial_lib.data.world_truth import Truth
from tutorial_lib.errors import InputError
from tutorial_recipes.world_process import shuffled

CANARY_LENGTH = 6


def draw_lengths(
    random: np.random.Generator, n_users: int, mean: float, n_items: int
) -> np.ndarray:
    """Sequence lengths: at least a quarter of the mean, then exponential, at most five times the
    mean and 3/4 of the catalogue.
    """
    shortest = max(3, int(mean / 4))
    longest = max(shortest, min(int(5 * mean), 3 * n_items // 4))
    extra = -np.log1p(-random.random(n_users)) * max(mean - shortest + 0.5, 0)
    return np.minimum(shortest + extra.astype(np.int64), min(longest, n_items - 1))


def draw_sequences(
    truth: Truth, lengths: np.ndarray, random: np.random.Generator, block: int = 20_000
) -> tuple[np.ndarray, np.ndarray]:
    """All sequences one after another, by user, int64 [sum(lengths)], and where a link was
    followed, bool [sum(lengths)].

    The users of a block take their steps together.
    """
    weights = _weights(truth)
    cumulative = np.cumsum(weights, axis=1)
    cumulative = cumulative / cumulative[:, -1:] + np.arange(len(weights))[:, None]
    cumulative = cumulative.ravel()  # row r lies in r..r+1: one search serves all rows
    canary_steps = np.zeros(len(lengths), dtype=np.int64)
    canary_steps[truth.canary_users] = len(truth.canary)
    pieces, links = [], []
    for start in range(0, len(lengths), block):
        size = lengths[start : start + block]
        # longest first: the users who are still active are a slice
        users = start + np.argsort(-size, kind="stable")
        history = np.full((len(size), size.max()), -1, dtype=np.int32)
        linked = np.zeros(history.shape, dtype=bool)
        for step in range(size.max()):
            active = int(np.count_nonzero(size > step))
            late = size[users[:active] - start] == step + 1  # the last event
            chosen, linked[:active, step] = _step(
                truth, cumulative, users[:active], history[:active, :step], late, random
            )
            planted = canary_steps[users[:active]] > step
            if planted.any():
                chosen = np.where(planted, truth.canary[step], chosen)
            history[:active, step] = chosen
        real = np.arange(size.max()) < size[:, None]
        back = np.argsort(users)
        pieces.append(history[back][real].astype(np.int64))
        links.append(linked[back][real])
    return np.concatenate(pieces), np.concatenate(links)


def _weights(truth: Truth) -> np.ndarray:
    """What is drawn from where no link is followed: [components, n_items], the taste types and
    popularity; with new items first without, then with them.
    """
    weights = np.concatenate([truth.taste_weights, truth.popularity_weights[None]])
    if not len(truth.new_items):
        return weights
    early = weights.copy()
    early[:, truth.new_items] = 0.0
    return np.concatenate([early, weights])


def _step(
    truth: Truth,
    cumulative: np.ndarray,
    users: np.ndarray,
    history: np.ndarray,
    late: np.ndarray,
    random: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """The next item of each of these users, whose histories all have the same length, and whether
    it follows a link; ``late``: new items are on offer to them.
    """
    chosen = np.full(len(users), -1, dtype=np.int64)
    if history.shape[1] and truth.order and truth.links.shape[1]:
        rows = np.flatnonzero(random.random(len(users)) < truth.order)
        tails, linked = _follow_links(truth, history[rows], late[rows], random)
        chosen[rows[linked]] = tails[linked]
    followed = chosen >= 0
    component = truth.user_types[users]
    if truth.quality_gap:
        noisy = random.random(len(users)) < truth.quality_gap
        component = np.where(noisy & (truth.user_groups[users] == 1), truth.n_types, component)
    if len(truth.new_items):
        component = component + late * (truth.n_types + 1)
    rows = np.flatnonzero(chosen < 0)
    # rejection: a draw from all items, kept if unseen, is a draw from the unseen ones
    for _ in range(25):
        if not len(rows):
            return chosen, followed
        target = component[rows] + random.random(len(rows))
        drawn = np.searchsorted(cumulative, target, side="right") - component[rows] * truth.n_items
        drawn = np.clip(drawn, 0, truth.n_items - 1)
        fresh = ~(history[rows] == drawn[:, None]).any(axis=1)
        chosen[rows[fresh]] = drawn[fresh]
        rows = rows[~fresh]
    # the few users who have seen nearly all of their favourites: exactly, in parts of bounded size
    for part in np.array_split(rows, len(rows) * truth.n_items // 4_000_000 + 1):
        chosen[part] = _among_unseen(truth, component[part], history[part], random)
    return chosen, followed


def _follow_links(
    truth: Truth, history: np.ndarray, late: np.ndarray, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """An unseen item on offer linked from the last one, and whether there is any: both [rows]."""
    tails = truth.links[history[:, -1]]
    weights = truth.link_weights[history[:, -1]].copy()
    if len(truth.new_items):
        weights *= late[:, None] | ~np.isin(tails, truth.new_items)
    for k in range(tails.shape[1]):
        weights[:, k] *= ~(history == tails[:, k : k + 1]).any(axis=1)
    reach = np.cumsum(weights, axis=1)
    index = (reach <= random.random(len(history))[:, None] * reach[:, -1:]).sum(axis=1)
    index = np.minimum(index, tails.shape[1] - 1)
    return tails[np.arange(len(tails)), index], reach[:, -1] > 0


def _among_unseen(
    truth: Truth, component: np.ndarray, history: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    """One unseen item per row of ``history``, by the weights of its component."""
    weights = _weights(truth)[component]
    np.put_along_axis(weights, history.astype(np.int64), 0.0, axis=1)
    reach = np.cumsum(weights, axis=1)
    return (reach <= random.random(len(component))[:, None] * reach[:, -1:]).sum(axis=1)


def choose_canary(
    truth: Truth, theme: np.ndarray, n_users: int, canaries: int, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The canary, and the users whose history starts with it.

    A canary is a sequence of rare items; neighbours are neither linked nor of one theme.
    """
    if not canaries:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    canary: list[int] = []
    for item in np.argsort(truth.popularity_weights, kind="stable").tolist():
        if item in truth.new_items:
            continue
        if canary:
            last = canary[-1]
            linked = truth.links[last][truth.link_weights[last] > 0]
            if theme[item] == theme[last] or item in linked:
                continue
        canary.append(item)
        if len(canary) == CANARY_LENGTH:
            return np.array(canary), np.sort(shuffled(random, n_users)[:canaries])
    raise InputError(
        f"canaries={canaries}: this catalogue of {truth.n_items} items is too small for a canary "
        f"of {CANARY_LENGTH} unlinked items"
    )
