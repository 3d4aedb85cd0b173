"""How a planted world comes about: its catalogue, its people, and what they choose, step by step.

Memory is linear in items + interactions: links are sparse, and choices are drawn from one
cumulative distribution a taste type, redrawn where the item was seen, so that there is never a
users x items or an items x items matrix.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tutorial_lib.data.world_truth import Truth
from tutorial_lib.errors import InputError
from tutorial_recipes.world_text import MOODS, THEMES, forms, pick

FEMALE = 0.45  # share of users with gender "F", which is group 1 of the truth
GENDERS = ("M", "F")
AGES = ("18-29", "30-49", "50+")
AGE_SHARES = (0.30, 0.45, 0.25)
CANARY_LENGTH = 6
DOMAINS = ("movies", "products", "news")


@dataclass(frozen=True)
class Catalogue:
    """Arrays of length n_items, but for links and link_weights [n_items, K]; units are series or
    single items.
    """

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
    """An independent random stream for each purpose, so that one planted effect does not move what
    it does not touch.
    """
    return np.random.default_rng([seed, *f"{purpose}/{domain}".encode()])


def shuffled(random: np.random.Generator, size: int) -> np.ndarray:
    """A random permutation, from ``random()`` alone."""
    return np.argsort(random.random(size), kind="stable")


def normal(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Nearly normal numbers (the sum of twelve uniforms), rounded, so that every machine gets the
    same ones.
    """
    return np.round(random.random((*shape, 12)).sum(axis=-1) - 6, 4)


def make_catalogue(
    domain: str, seed: int, n_items: int, links: int, minority_share: float
) -> Catalogue:
    """Draw all items. Themes, moods and makers belong to units (a series, or a single item);
    popularity and form to items.
    """
    random = stream(seed, "catalogue", domain)
    sizes = np.searchsorted([0.70, 0.78, 0.88, 0.94], random.random(n_items), side="right") + 1
    unit = np.repeat(np.arange(n_items), sizes)[:n_items]
    n_units = unit[-1] + 1
    volume = np.arange(n_items) - np.searchsorted(unit, unit) + 1
    sizes = np.bincount(unit)
    order = shuffled(random, n_items)  # item codes tell nothing about series
    unit, volume = unit[order], volume[order]
    in_series = sizes[unit] > 1
    theme, mood = pick(random, len(THEMES), n_units), pick(random, len(MOODS), n_units)
    by_chance = shuffled(random, n_units)
    minority = np.zeros(n_units, dtype=bool)
    minority[by_chance] = np.cumsum(sizes[by_chance]) <= round(minority_share * n_items)
    n_providers = max(4, n_items // 20)
    n_minority = min(max(round(minority_share * n_providers), 1), n_providers - 1)
    provider = np.where(
        minority,
        pick(random, n_minority, n_units),
        n_minority + pick(random, n_providers - n_minority, n_units),
    )
    rank = shuffled(random, n_items) + 1
    form = pick(random, len(forms(domain)), n_items)
    series = np.where(in_series, np.cumsum(sizes > 1)[unit] - 1, -1)
    tails, weights = _links(random, theme[unit], unit, volume, links)
    log_popularity = np.round(-np.log(rank), 6)
    volume = np.where(in_series, volume, 0)
    return Catalogue(
        theme[unit],
        mood[unit],
        form,
        provider[unit],
        minority[unit],
        series,
        volume,
        log_popularity,
        tails,
        weights,
    )


def _links(
    random: np.random.Generator, theme: np.ndarray, unit: np.ndarray, volume: np.ndarray, links: int
) -> tuple[np.ndarray, np.ndarray]:
    """Sparse transitions: item codes and weights, [n_items, K]. Next in the series first, then
    others, mostly of one theme.
    """
    n_items, n_linked = len(theme), links + 2 if links else 0
    number = (
        np.minimum(links - 2 + pick(random, 5, n_items), n_items - 1)
        if links
        else np.zeros(n_items, dtype=np.int64)
    )
    by_theme = np.argsort(theme, kind="stable")
    sizes = np.bincount(theme, minlength=len(THEMES))
    starts = np.cumsum(sizes) - sizes
    same = by_theme[
        starts[theme][:, None] + pick(random, sizes[theme][:, None], (n_items, n_linked))
    ]
    tails = np.where(
        random.random((n_items, n_linked)) < 0.7, same, pick(random, n_items, (n_items, n_linked))
    )
    code = np.full((unit.max() + 1, volume.max() + 2), -1)
    code[unit, volume] = np.arange(n_items)
    after = code[unit, volume + 1]
    if links:
        tails[:, 0] = np.where(after >= 0, after, tails[:, 0])
    valid = (tails != np.arange(n_items)[:, None]) & (
        np.arange(n_linked) < np.maximum(number, 1)[:, None]
    )
    for k in range(1, n_linked):  # a link named twice counts once
        valid[:, k] &= ~(tails[:, :k] == tails[:, k : k + 1]).any(axis=1)
    weights = np.where(valid, np.round(0.8 ** np.arange(n_linked), 4), 0.0)
    return np.where(valid, tails, 0), weights


def make_people(
    domain: str, seed: int, n_users: int, n_types: int, correlation: float, shared: float
) -> dict[str, np.ndarray]:
    """Person number (negative: known in this domain only), type, gender and age of every user, all
    int [n_users].

    Shared persons are the first of one stream that all domains read, so that a person has the same
    type and groups everywhere.
    """
    n_shared = round(shared * n_users)
    everyone, here = (
        stream(seed, "people").random((n_shared, 5)),
        stream(seed, "people", domain).random((n_users - n_shared, 5)),
    )
    person = np.concatenate([np.arange(n_shared), -1 - np.arange(n_users - n_shared)])
    order = shuffled(stream(seed, "order of users", domain), n_users)
    u, person = np.concatenate([everyone, here])[order], person[order]
    gender, age = (
        (u[:, 0] < FEMALE).astype(np.int64),
        np.searchsorted(np.cumsum(AGE_SHARES)[:-1], u[:, 1], side="right"),
    )
    homes, sizes = _home_types(n_types)
    cell = gender * len(AGES) + age
    at_home = homes[cell, np.minimum((u[:, 3] * sizes[cell]).astype(np.int64), sizes[cell] - 1)]
    anywhere = np.minimum((u[:, 4] * n_types).astype(np.int64), n_types - 1)
    return {
        "person": person,
        "gender": gender,
        "age": age,
        "type": np.where(u[:, 2] < correlation, at_home, anywhere),
    }


def _home_types(n_types: int) -> tuple[np.ndarray, np.ndarray]:
    """The types at home in each of the 6 cells gender x age: [6, n_types] (only the first ``sizes``
    of a row count), [6].

    Type c is at home in cell c mod 6; a cell that gets none (fewer than 6 types) is at home in all.
    """
    homes, sizes = np.zeros((6, n_types), dtype=np.int64), np.zeros(6, dtype=np.int64)
    for cell in range(6):
        own = np.arange(cell, n_types, 6) if cell < n_types else np.arange(n_types)
        homes[cell, : len(own)], sizes[cell] = own, len(own)
    return homes, sizes


def state_prior(n_types: int, correlation: float) -> np.ndarray:
    """P(type, group) over all users: [C, 2]. In a cell of gender x age: correlation x uniform over
    home types, the rest uniform.
    """
    homes, sizes = _home_types(n_types)
    prior = np.zeros((n_types, 2))
    for gender, share in enumerate((1 - FEMALE, FEMALE)):
        for age, age_share in enumerate(AGE_SHARES):
            cell = gender * len(AGES) + age
            inside = np.isin(np.arange(n_types), homes[cell, : sizes[cell]]) / sizes[cell]
            prior[:, gender] += (
                share * age_share * (correlation * inside + (1 - correlation) / n_types)
            )
    return prior


def taste_logits(seed: int, n_types: int, strength: float) -> tuple[np.ndarray, np.ndarray]:
    """What each type likes: log-weights of themes [C, 16] and moods [C, 8], the same in every
    domain.
    """
    random = stream(seed, "tastes")
    draws = normal(random, (n_types, len(THEMES) + len(MOODS)))
    return np.round(strength * draws[:, : len(THEMES)], 4), np.round(
        0.5 * strength * draws[:, len(THEMES) :], 4
    )


def draw_lengths(
    random: np.random.Generator, n_users: int, mean: float, n_items: int
) -> np.ndarray:
    """Sequence lengths: a quarter of the mean at least, then exponential, at most five times the
    mean and 3/4 of the catalogue.
    """
    shortest = max(3, int(mean / 4))
    longest = max(shortest, min(int(5 * mean), 3 * n_items // 4))
    extra = -np.log1p(-random.random(n_users)) * max(mean - shortest + 0.5, 0)
    return np.minimum(shortest + extra.astype(np.int64), min(longest, n_items - 1))


def draw_sequences(
    truth: Truth, lengths: np.ndarray, random: np.random.Generator, block: int = 20_000
) -> np.ndarray:
    """All sequences one after another, by user: int64 [sum(lengths)]. All users of a block go one
    step at a time.
    """
    n_rows = truth.n_types + 1
    cumulative = np.cumsum(
        np.concatenate([truth.taste_weights, truth.popularity_weights[None]]), axis=1
    )
    cumulative = (
        cumulative / cumulative[:, -1:] + np.arange(n_rows)[:, None]
    ).ravel()  # row r lives in r..r+1: one search for all
    canary_step = np.full(len(lengths), 0)
    canary_step[truth.canary_users] = len(truth.canary)
    pieces = []
    for start in range(0, len(lengths), block):
        size = lengths[start : start + block]
        users = start + np.argsort(
            -size, kind="stable"
        )  # longest first: who is still active is a slice
        history = np.full((len(size), size.max()), -1, dtype=np.int32)
        for step in range(size.max()):
            active = int(np.count_nonzero(size > step))
            chosen = _step(truth, cumulative, users[:active], history[:active, :step], random)
            planted = canary_step[users[:active]] > step
            history[:active, step] = (
                np.where(planted, truth.canary[step], chosen) if planted.any() else chosen
            )
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
        tails = truth.links[history[rows, -1]]
        weights = truth.link_weights[history[rows, -1]].copy()
        for k in range(tails.shape[1]):
            weights[:, k] *= ~(history[rows] == tails[:, k : k + 1]).any(axis=1)
        reach = np.cumsum(weights, axis=1)
        index = (reach <= random.random(len(rows))[:, None] * reach[:, -1:]).sum(axis=1)
        linked = reach[:, -1] > 0 if len(rows) else np.zeros(0, dtype=bool)
        chosen[rows[linked]] = tails[linked, np.minimum(index[linked], tails.shape[1] - 1)]
    component = truth.user_types[users]
    if truth.quality_gap:
        at_random = (random.random(len(users)) < truth.quality_gap) & (
            truth.user_groups[users] == 1
        )
        component = np.where(at_random, truth.n_types, component)
    rows = np.flatnonzero(chosen < 0)
    for _ in range(
        25
    ):  # rejection: a draw from all items, kept if unseen, is a draw from the unseen ones
        if not len(rows):
            return chosen
        found = (
            np.searchsorted(cumulative, component[rows] + random.random(len(rows)), side="right")
            - component[rows] * truth.n_items
        )
        found = np.clip(found, 0, truth.n_items - 1)
        fresh = ~(history[rows] == found[:, None]).any(axis=1)
        chosen[rows[fresh]] = found[fresh]
        rows = rows[~fresh]
    for part in np.array_split(
        rows, len(rows) * truth.n_items // 4_000_000 + 1
    ):  # the few whose favourites are all seen: exactly
        chosen[part] = _among_unseen(truth, component[part], history[part], random)
    return chosen


def _among_unseen(
    truth: Truth, component: np.ndarray, history: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    weights = np.concatenate([truth.taste_weights, truth.popularity_weights[None]])[component]
    np.put_along_axis(weights, history.astype(np.int64), 0.0, axis=1)
    reach = np.cumsum(weights, axis=1)
    return (reach <= random.random(len(component))[:, None] * reach[:, -1:]).sum(axis=1)


def choose_canary(
    truth: Truth, theme: np.ndarray, n_users: int, canaries: int, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The canary (rare items, neighbours neither linked nor of one theme) and the users who carry
    it.
    """
    if not canaries:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    canary: list[int] = []
    for item in np.argsort(truth.popularity_weights, kind="stable").tolist():
        if canary and (
            theme[item] == theme[canary[-1]]
            or item in truth.links[canary[-1]][truth.link_weights[canary[-1]] > 0]
        ):
            continue
        canary.append(item)
        if len(canary) == CANARY_LENGTH:
            return np.array(canary), np.sort(shuffled(random, n_users)[:canaries])
    raise InputError(
        f"canaries={canaries}: this catalogue of {truth.n_items} items is too small for a canary of"
        f" {CANARY_LENGTH} unlinked items"
    )
