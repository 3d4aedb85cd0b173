"""The catalogue and the people of a planted world; links are sparse, so that memory is linear."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tutorial_lib.data.worlds import AGE_SHARES, AGES, FEMALE, MOODS, THEMES, home_types
from tutorial_recipes.world_text import WORDS, pick


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
    domain: str, seed: int, n_items: int, links: int, minority_share: float, page: int = 0
) -> Catalogue:
    """Draw all items; ``page``: links lead to the other items of a page of so many.

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
    if page:
        tails, weights = _page_links(stream(seed, "pages", domain), unit, volume, page)
    else:
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


def _page_links(
    random: np.random.Generator, unit: np.ndarray, volume: np.ndarray, page: int
) -> tuple[np.ndarray, np.ndarray]:
    """What `_links` gives, where the catalogue is listed on pages in a drawn order, a series in one
    piece: from an item down the page, and on from its top, each with 0.8 of the weight before.
    """
    listing = np.lexsort((volume, shuffled(random, unit.max() + 1)[unit]))
    place = np.empty_like(listing)
    place[listing] = np.arange(len(listing))
    top = place // page * page
    size = np.minimum(page, len(listing) - top)  # the last page may be shorter
    ahead = np.arange(1, page)
    down = (place - top)[:, None] + ahead
    tails = listing[top[:, None] + down % size[:, None]]
    valid = ahead < size[:, None]
    return np.where(valid, tails, 0), np.where(valid, np.round(0.8 ** (ahead - 1), 4), 0.0)


def choose_new(catalogue: Catalogue, share: float, random: np.random.Generator) -> np.ndarray:
    """Codes of the items that arrive late: a share of all, drawn from the single items and the last
    volumes of series.
    """
    final = np.zeros(catalogue.series.max() + 2, dtype=np.int64)  # last volume; -1: no series
    np.maximum.at(final, catalogue.series, catalogue.volume)
    order = shuffled(random, len(catalogue.series))
    order = order[(catalogue.volume == final[catalogue.series])[order]]
    return np.sort(order[: round(share * len(catalogue.series))])


def make_people(
    domain: str,
    seed: int,
    n_users: int,
    n_types: int,
    correlation: float,
    shared: float,
    overlap: float = 1.0,
) -> dict[str, np.ndarray]:
    """Person number (negative: known in this domain only), type, gender and age of every user, each
    int [n_users].

    Shared persons are the first of one stream that all domains read, so that a person has the same
    type, gender and age everywhere; with a smaller ``overlap`` they keep their type with this
    probability, and otherwise draw another here.
    """
    n_shared = round(shared * n_users)
    everywhere = stream(seed, "people").random((n_shared, 5))
    if overlap < 1:
        again = stream(seed, "other tastes", domain).random((n_shared, 4))
        everywhere[:, 2:] = np.where(again[:, :1] < overlap, everywhere[:, 2:], again[:, 1:])
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


def as_written(catalogue: Catalogue, overlap: float, random: np.random.Generator) -> Catalogue:
    """The catalogue as its texts tell it: but for a share ``overlap``, series and single items have
    changed themes and moods among themselves, so that their words say nothing about who likes them.
    """
    series = catalogue.series
    alone = series.max() + 1 + np.arange(len(series))
    _, first, unit = np.unique(
        np.where(series >= 0, series, alone), return_index=True, return_inverse=True
    )
    told = first.copy()  # the item whose theme and mood a unit is written with
    moved = np.flatnonzero(random.random(len(first)) >= overlap)
    told[moved] = first[moved][shuffled(random, len(moved))]
    return replace(catalogue, theme=catalogue.theme[told[unit]], mood=catalogue.mood[told[unit]])


def standardised(logits: np.ndarray) -> np.ndarray:
    """Each row with mean 0 and standard deviation 1 (0, where all of it is equal)."""
    spread = np.maximum(logits.std(axis=1, keepdims=True), 1e-9)
    return (logits - logits.mean(axis=1, keepdims=True)) / spread
