"""How a planted world is drawn: its catalogue, its people, and what they choose, step by step.

Memory is linear in items + interactions: links are sparse, and choices are drawn from one
cumulative distribution per taste type, redrawn where the item was seen already, so that there is
never a users x items or an items x items matrix.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tutorial_lib.data.world_truth import Truth
from tutorial_lib.data.worlds import AGE_SHARES, AGES, FEMALE, MOODS, THEMES, home_types
from tutorial_lib.errors import InputError
from tutorial_recipes.world_text import WORDS, pick

CANARY_LENGTH = 6


@dataclass(frozen=True)
class Catalogue:
    """Arrays of length n_items, but for links and link_weights [n_items, K]."""

    theme: np.ndarray
    mood: np.ndarray
    form: np.ndarray
    provider: np.ndarray
    minority: np.ndarray
    series: np.ndarray  # series number, -1: none
    volume: np.ndarray  # 1, 2, ... within the series, 0: none
    log_popularity: np.ndarray
    links: np.ndarray
    link_weights: np.ndarray


def stream(seed: int, purpose: str, domain: str = "") -> np.random.Generator:
    """An independent random stream for each purpose: one planted effect does not move what it does
    not touch.
    """
    return np.random.default_rng([seed, *f"{purpose}/{domain}".encode()])


def shuffled(random: np.random.Generator, size: int) -> np.ndarray:
    """A random permutation, from ``random()`` alone."""
    return np.argsort(random.random(size), kind="stable")


def make_catalogue(
    domain: str, seed: int, n_items: int, links: int, minority_share: float
) -> Catalogue:
    """Draw all items.

    Theme, mood and maker belong to a unit, which is a series or a single item; popularity and form
    belong to an item.
    """
    random = stream(seed, "catalogue", domain)
    drawn = np.searchsorted([0.70, 0.78, 0.88, 0.94], random.random(n_items), side="right") + 1
    unit = np.repeat(np.arange(n_items), drawn)[:n_items]
    n_units = unit[-1] + 1
    volume = np.arange(n_items) - np.searchsorted(unit, unit) + 1
    sizes = np.bincount(unit)
    order = shuffled(random, n_items)  # item codes say nothing about series
    unit = unit[order]
    volume = volume[order]
    theme = pick(random, len(THEMES), n_units)
    mood = pick(random, len(MOODS), n_units)
    by_chance = shuffled(random, n_units)
    minority = np.zeros(n_units, dtype=bool)
    minority[by_chance] = np.cumsum(sizes[by_chance]) <= round(minority_share * n_items)
    n_providers = max(4, n_items // 20)
    n_minority = min(max(round(minority_share * n_providers), 1), n_providers - 1)
    of_minority = pick(random, n_minority, n_units)
    of_majority = n_minority + pick(random, n_providers - n_minority, n_units)
    provider = np.where(minority, of_minority, of_majority)
    rank = shuffled(random, n_items) + 1
    form = pick(random, len(WORDS["forms"][domain]), n_items)
    tails, weights = _links(random, theme[unit], unit, volume, links)
    in_series = sizes[unit] > 1
    return Catalogue(
        theme=theme[unit],
        mood=mood[unit],
        form=form,
        provider=provider[unit],
        minority=minority[unit],
        series=np.where(in_series, np.cumsum(sizes > 1)[unit] - 1, -1),
        volume=np.where(in_series, volume, 0),
        log_popularity=np.round(-np.log(rank), 6),
        links=tails,
        link_weights=weights,
    )


def _links(
    random: np.random.Generator, theme: np.ndarray, unit: np.ndarray, volume: np.ndarray, links: int
) -> tuple[np.ndarray, np.ndarray]:
    """Sparse transitions: item codes and weights, both [n_items, K].

    The next volume of the series comes first, then other items, mostly of the same theme.
    """
    n_items = len(theme)
    if not links:
        return np.zeros((n_items, 0), dtype=np.int64), np.zeros((n_items, 0))
    shape = (n_items, links + 2)
    number = np.minimum(links - 2 + pick(random, 5, n_items), n_items - 1)
    by_theme = np.argsort(theme, kind="stable")
    sizes = np.bincount(theme, minlength=len(THEMES))
    starts = np.cumsum(sizes) - sizes
    same = by_theme[starts[theme][:, None] + pick(random, sizes[theme][:, None], shape)]
    tails = np.where(random.random(shape) < 0.7, same, pick(random, n_items, shape))
    code = np.full((unit.max() + 1, volume.max() + 2), -1)
    code[unit, volume] = np.arange(n_items)
    after = code[unit, volume + 1]
    tails[:, 0] = np.where(after >= 0, after, tails[:, 0])
    within = np.arange(shape[1]) < np.maximum(number, 1)[:, None]
    valid = within & (tails != np.arange(n_items)[:, None])
    for k in range(1, shape[1]):  # a link named twice counts once
        valid[:, k] &= ~(tails[:, :k] == tails[:, k : k + 1]).any(axis=1)
    weights = np.where(valid, np.round(0.8 ** np.arange(shape[1]), 4), 0.0)
    return np.where(valid, tails, 0), weights


def make_people(
    domain: str, seed: int, n_users: int, n_types: int, correlation: float, shared: float
) -> dict[str, np.ndarray]:
    """Person number (negative: known in this domain only), type, gender and age of every user, each
    int [n_users].

    Shared persons are the first of one stream that all domains read, so that a person has the same
    type, gender and age everywhere.
    """
    n_shared = round(shared * n_users)
    everywhere = stream(seed, "people").random((n_shared, 5))
    here = stream(seed, "people", domain).random((n_users - n_shared, 5))
    order = shuffled(stream(seed, "order of users", domain), n_users)
    u = np.concatenate([everywhere, here])[order]
    person = np.concatenate([np.arange(n_shared), -1 - np.arange(n_users - n_shared)])[order]
    gender = (u[:, 0] < FEMALE).astype(np.int64)
    age = np.searchsorted(np.cumsum(AGE_SHARES)[:-1], u[:, 1], side="right")
    homes = home_types(n_types)
    sizes = np.array([len(home) for home in homes])
    table = np.array([np.resize(home, n_types) for home in homes])  # a row's first `sizes` count
    cell = gender * len(AGES) + age
    at_home = table[cell, np.minimum((u[:, 3] * sizes[cell]).astype(np.int64), sizes[cell] - 1)]
    anywhere = np.minimum((u[:, 4] * n_types).astype(np.int64), n_types - 1)
    types = np.where(u[:, 2] < correlation, at_home, anywhere)
    return {"person": person, "gender": gender, "age": age, "type": types}


def taste_logits(seed: int, n_types: int, strength: float) -> tuple[np.ndarray, np.ndarray]:
    """What each type likes, the same in every domain: log-weights of themes [C, 16] and of moods
    [C, 8].

    The draws are nearly normal (sums of twelve uniforms) and rounded, so that every machine gets
    the same ones.
    """
    uniform = stream(seed, "tastes").random((n_types, len(THEMES) + len(MOODS), 12))
    draws = np.round(uniform.sum(axis=-1) - 6, 4)
    themes = np.round(strength * draws[:, : len(THEMES)], 4)
    moods = np.round(0.5 * strength * draws[:, len(THEMES) :], 4)
    return themes, moods


def standardised(logits: np.ndarray) -> np.ndarray:
    """Each row with mean 0 and standard deviation 1 (0, where all of it is equal)."""
    spread = np.maximum(logits.std(axis=1, keepdims=True), 1e-9)
    return (logits - logits.mean(axis=1, keepdims=True)) / spread


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
) -> np.ndarray:
    """All sequences one after another, by user: int64 [sum(lengths)].

    The users of a block take their steps together.
    """
    weights = np.concatenate([truth.taste_weights, truth.popularity_weights[None]])
    cumulative = np.cumsum(weights, axis=1)
    cumulative = cumulative / cumulative[:, -1:] + np.arange(len(weights))[:, None]
    cumulative = cumulative.ravel()  # row r lies in r..r+1: one search serves all rows
    canary_steps = np.zeros(len(lengths), dtype=np.int64)
    canary_steps[truth.canary_users] = len(truth.canary)
    pieces = []
    for start in range(0, len(lengths), block):
        size = lengths[start : start + block]
        # longest first: the users who are still active are a slice
        users = start + np.argsort(-size, kind="stable")
        history = np.full((len(size), size.max()), -1, dtype=np.int32)
        for step in range(size.max()):
            active = int(np.count_nonzero(size > step))
            chosen = _step(truth, cumulative, users[:active], history[:active, :step], random)
            planted = canary_steps[users[:active]] > step
            if planted.any():
                chosen = np.where(planted, truth.canary[step], chosen)
            history[:active, step] = chosen
        back = np.empty_like(history)
        back[users - start] = history
        pieces.append(back[np.arange(size.max()) < size[:, None]].astype(np.int64))
    return np.concatenate(pieces)


def _step(
    truth: Truth,
    cumulative: np.ndarray,
    users: np.ndarray,
    history: np.ndarray,
    random: np.random.Generator,
) -> np.ndarray:
    """The next item of each of these users, whose histories all have the same length."""
    chosen = np.full(len(users), -1, dtype=np.int64)
    if history.shape[1] and truth.order and truth.links.shape[1]:
        rows = np.flatnonzero(random.random(len(users)) < truth.order)
        tails, linked = _follow_links(truth, history[rows], random)
        chosen[rows[linked]] = tails[linked]
    component = truth.user_types[users]
    if truth.quality_gap:
        noisy = random.random(len(users)) < truth.quality_gap
        component = np.where(noisy & (truth.user_groups[users] == 1), truth.n_types, component)
    rows = np.flatnonzero(chosen < 0)
    # rejection: a draw from all items, kept if unseen, is a draw from the unseen ones
    for _ in range(25):
        if not len(rows):
            return chosen
        target = component[rows] + random.random(len(rows))
        drawn = np.searchsorted(cumulative, target, side="right") - component[rows] * truth.n_items
        drawn = np.clip(drawn, 0, truth.n_items - 1)
        fresh = ~(history[rows] == drawn[:, None]).any(axis=1)
        chosen[rows[fresh]] = drawn[fresh]
        rows = rows[~fresh]
    # the few users who have seen nearly all of their favourites: exactly, in parts of bounded size
    for part in np.array_split(rows, len(rows) * truth.n_items // 4_000_000 + 1):
        chosen[part] = _among_unseen(truth, component[part], history[part], random)
    return chosen


def _follow_links(
    truth: Truth, history: np.ndarray, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """An unseen item linked from the last one, and whether there is any: both [rows]."""
    tails = truth.links[history[:, -1]]
    weights = truth.link_weights[history[:, -1]].copy()
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
    weights = np.concatenate([truth.taste_weights, truth.popularity_weights[None]])[component]
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
