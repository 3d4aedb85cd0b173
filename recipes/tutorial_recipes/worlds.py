"""Planted worlds: data sets that look real, made by a process whose exact next-item distribution is
known (see `world_truth`).

``python -m tutorial_recipes.worlds --freeze`` writes the frozen copies that `load_world` reads.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from tutorial_lib.data.dataset import Dataset, DatasetCard
from tutorial_lib.data.world_truth import Truth
from tutorial_lib.errors import InputError, unknown_name
from tutorial_recipes import world_text as text
from tutorial_recipes.world_process import (
    AGES,
    DOMAINS,
    GENDERS,
    Catalogue,
    choose_canary,
    draw_lengths,
    draw_sequences,
    make_catalogue,
    make_people,
    state_prior,
    stream,
    taste_logits,
)
from tutorial_recipes.world_words import FEATURES

SIZES = {
    "movies": (2000, 600, 30.0),
    "products": (1600, 500, 26.0),
    "news": (1500, 400, 22.0),
}  # users, items, mean length
PACE = {"movies": 48, "products": 120, "news": 4}  # mean hours between two events of a user
LIMITS = {  # keyword: lowest, highest
    "seed": (0, 2**31 - 1), "n_users": (1, 10**7), "n_items": (4, 10**6), "n_types": (1, 500), "mean_length": (3, 1000), "order": (0, 0.95),
    "links": (0, 50), "popularity_exponent": (0, 2), "taste_strength": (0, 4), "group_taste_correlation": (0, 1), "quality_gap": (0, 1),
    "provider_bias": (-5, 5), "canaries": (0, 10**6), "duplicates": (0, 1), "minority_provider_share": (0, 1), "shared_users": (0, 1),
    "review_share": (0, 1),
}  # fmt: skip
WHOLE = ("seed", "n_users", "n_items", "n_types", "links", "canaries")


def make_world(
    domain: str, *, seed: int = 0, n_users: int | None = None, n_items: int | None = None, mean_length: float | None = None,
    n_types: int = 40, order: float = 0.2, links: int = 10, popularity_exponent: float = 0.6, taste_strength: float = 2.2,
    group_taste_correlation: float = 0.3, quality_gap: float = 0.0, provider_bias: float = 0.0, canaries: int = 0, duplicates: float = 0.0,
    minority_provider_share: float = 0.3, shared_users: float = 0.5, review_share: float = 1 / 3, **unknown: Any,
) -> Dataset:  # fmt: skip
    """A world of one domain ("movies", "products", "news"), generated from a seed; ``truth`` of the
    result is exact.

    Every planted effect is part of the process itself, has a unit and a range, and does nothing at
    its null value:

    ========================  ===========================================================================  ========  ====
    keyword                   meaning and unit                                                             range     null
    ========================  ===========================================================================  ========  ====
    order                     probability that a step follows a link of the last item                      0..0.95   0
    links                     links per item, about: next in series, then others (weight x 0.8 each)       0..50     0
    popularity_exponent       gamma in taste x popularity^gamma; popularity is 1 / rank                    0..2      0
    taste_strength            standard deviation of a type's log-weights over themes (moods: half of it)   0..4      0
    group_taste_correlation   probability that a user's type is drawn from the types at home in the        0..1      0
                              user's gender x age group, instead of from all
    quality_gap               probability that a taste step of a user of gender "F" follows popularity     0..1      0
                              alone: noise that makes this group harder to serve
    provider_bias             nats taken off the log-weight of items by minority providers, in tastes,     -5..5     0
                              popularity and links alike (the log-odds shift against any other item)
    canaries                  number of users whose history starts with one fixed sequence of six rare     0..users  0
                              items (`truth.canary`); what follows it obeys the process again
    duplicates                probability that an event is recorded twice, one second apart; the truth     0..1      0
                              speaks of the next new item and ignores repeats
    minority_provider_share   share of items by providers of the minority group                            0..1      0
    shared_users              share of users who are persons known in all three domains, with the same     0..1      0
                              taste type, gender and age (``users.person``)
    ========================  ===========================================================================  ========  ====

    n_users, n_items, mean_length (events a user), n_types, review_share (reviews per event) set
    sizes. Tables: see `Dataset`; besides its columns, items have provider_group, mood, series and
    volume ("" and 0: none), year, strength, weakness (named features), users have person, and
    reviews have features (tuple) and sentiment. Tails of the graph are "category:x", "mood:x",
    "maker:x", "series:x" and, for the relations next_in_series and links_to, "item:" + item_id.
    Nothing is taken from real people or works.

    Raises InputError for an unknown domain or keyword, and for a value out of range.

    >>> make_world("news", n_users=50, n_items=60, order=0.4)
    Dataset(world-news: 50 users, 60 items, 994 interactions, exact truth known)
    """
    options = dict(locals())
    if domain not in DOMAINS:
        raise unknown_name("domain", domain, DOMAINS)
    if options.pop("unknown"):
        raise unknown_name("option of make_world", next(iter(unknown)), LIMITS)
    return _generate(options.pop("domain"), _checked(domain, options))


def _checked(domain: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options with sizes filled in, each within its limits."""
    sizes = dict(zip(("n_users", "n_items", "mean_length"), SIZES[domain], strict=True))
    options = {
        name: sizes[name] if name in sizes and value is None else value
        for name, value in options.items()
    }
    for name, value in options.items():
        low, high = LIMITS[name]
        number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(
            value, bool
        )
        if not number or not low <= value <= high or (name in WHOLE and value != int(value)):
            kind = "a whole number" if name in WHOLE else "a number"
            raise InputError(f"make_world({name}={value!r}): expected {kind} in {low}..{high}")
        options[name] = int(value) if name in WHOLE else float(value)
    if options["canaries"] > options["n_users"]:
        raise InputError(
            f"make_world(canaries={options['canaries']}): expected at most"
            f" n_users={options['n_users']}, one canary a user"
        )
    return options


def _generate(domain: str, options: dict[str, Any]) -> Dataset:
    seed, n_users, n_items, n_types = (
        options[name] for name in ("seed", "n_users", "n_items", "n_types")
    )
    catalogue = make_catalogue(
        domain, seed, n_items, options["links"], options["minority_provider_share"]
    )
    people = make_people(
        domain, seed, n_users, n_types, options["group_taste_correlation"], options["shared_users"]
    )
    tastes = taste_logits(seed, n_types, options["taste_strength"])
    truth = build_truth(options, catalogue, tastes, people["type"], people["gender"])
    random = stream(seed, "sequences", domain)
    canary, carriers = choose_canary(
        truth, catalogue.theme, n_users, options["canaries"], stream(seed, "canary", domain)
    )
    truth = replace(truth, canary=canary, canary_users=carriers)
    lengths = draw_lengths(random, n_users, options["mean_length"], n_items)
    lengths[carriers] = np.minimum(np.maximum(lengths[carriers], len(canary) + 3), n_items - 1)
    sequences = draw_sequences(truth, lengths, random)
    items = _items(domain, seed, catalogue)
    interactions = _interactions(
        domain, seed, options["duplicates"], sequences, lengths, people["type"], catalogue, tastes
    )
    reviews = _reviews(domain, seed, options["review_share"], interactions, catalogue, items)
    return assemble(
        domain,
        options,
        interactions,
        items,
        _users(domain, people),
        _graph(items, catalogue),
        reviews,
        truth,
    )


def build_truth(
    options: Mapping[str, Any],
    catalogue: Catalogue,
    tastes: tuple[np.ndarray, np.ndarray],
    types: np.ndarray,
    groups: np.ndarray,
) -> Truth:
    """The exact process from its parts; generation and the frozen copies come through here alike."""
    penalty = -options["provider_bias"] * catalogue.minority
    popularity = np.exp(options["popularity_exponent"] * catalogue.log_popularity + penalty)
    themes, moods = tastes
    plan = {
        "options": dict(options), "theme_logits": themes, "mood_logits": moods, "log_popularity": catalogue.log_popularity,
        "links": catalogue.links, "link_weights": catalogue.link_weights,
    }  # fmt: skip
    return Truth(
        taste_weights=np.exp(themes[:, catalogue.theme] + moods[:, catalogue.mood]) * popularity,
        popularity_weights=popularity,
        prior=state_prior(options["n_types"], options["group_taste_correlation"]),
        links=catalogue.links,
        link_weights=catalogue.link_weights * np.exp(penalty)[catalogue.links],
        order=options["order"],
        quality_gap=options["quality_gap"],
        user_types=np.asarray(types, dtype=np.int64),
        user_groups=np.asarray(groups, dtype=np.int64),
        canary=np.empty(0, dtype=np.int64),
        canary_users=np.empty(0, dtype=np.int64),
        plan=plan,
    )


def assemble(
    domain: str,
    options: Mapping[str, Any],
    interactions,
    items,
    users,
    graph,
    reviews,
    truth: Truth,
    sha256: Mapping | None = None,
) -> Dataset:
    """The `Dataset` with its card, from tables made or read."""
    keywords = ", ".join(f"{name}={value:.4g}" for name, value in options.items())
    counts = {
        "users": len(users),
        "items": len(items),
        "interactions": len(interactions),
        "reviews": len(reviews),
        "triples": len(graph),
    }
    card = DatasetCard(
        name=f"world-{domain}",
        title=f"Planted world of {domain}",
        source=(
            "generated by tutorial_recipes.worlds.make_world; no real person, work or company is"
            " in it"
        ),
        licence="CC BY 4.0",
        sha256=sha256 or {},
        counts=counts,
        notes=(f"planted: {keywords}",),
    )
    return Dataset(f"world-{domain}", interactions, items, users, card, graph, reviews, truth)


def _items(domain: str, seed: int, c: Catalogue) -> pd.DataFrame:
    random, n_items = stream(seed, "texts", domain), len(c.theme)
    first = np.unique(c.series, return_index=True)
    names = text.series_names(domain, c.theme[first[1][first[0] >= 0]])
    series = [names[s] if s >= 0 else "" for s in c.series.tolist()]
    providers, forms, features = (
        text.provider_names(domain, int(c.provider.max()) + 1),
        text.forms(domain),
        FEATURES[domain],
    )
    strength = text.pick(random, len(features), n_items)
    weakness = (strength + 1 + text.pick(random, len(features) - 1, n_items)) % len(features)
    return pd.DataFrame(
        {
            "item_id": [f"{domain}-i{i:05d}" for i in range(n_items)],
            "title": text.titles(domain, c.theme, c.mood, c.form, series, c.volume),
            "text": text.descriptions(domain, c.theme, c.mood, c.form, random),
            "categories": [
                (text.THEMES[t], forms[f])
                for t, f in zip(c.theme.tolist(), c.form.tolist(), strict=True)
            ],
            "provider": [providers[p] for p in c.provider.tolist()],
            "provider_group": np.where(c.minority, "minority", "majority").tolist(),
            "mood": [text.MOODS[m] for m in c.mood.tolist()],
            "series": series,
            "volume": c.volume,
            "year": 1990 + text.pick(random, 30, n_items) + c.volume,
            "strength": [features[i] for i in strength.tolist()],
            "weakness": [features[i] for i in weakness.tolist()],
        }
    )


def _users(domain: str, people: Mapping[str, np.ndarray]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "user_id": [f"{domain}-u{u:05d}" for u in range(len(people["person"]))],
            "person": [
                f"person-{p:05d}" if p >= 0 else f"{domain}-person-{-1 - p:05d}"
                for p in people["person"].tolist()
            ],
            "gender": [GENDERS[g] for g in people["gender"].tolist()],
            "age_group": [AGES[a] for a in people["age"].tolist()],
        }
    )


def _interactions(
    domain: str,
    seed: int,
    duplicates: float,
    sequences,
    lengths,
    types,
    c: Catalogue,
    tastes: tuple[np.ndarray, np.ndarray],
) -> pd.DataFrame:
    """Ratings follow the taste match, times are strictly increasing within a user; rows in the
    order of time.
    """
    random = stream(seed, "events", domain)
    user = np.repeat(np.arange(len(lengths)), lengths)
    match = tastes[0][:, c.theme] + tastes[1][:, c.mood]
    match = (match - match.mean(axis=1, keepdims=True)) / np.maximum(
        match.std(axis=1, keepdims=True), 1e-9
    )
    u = random.random(len(user))
    rating = np.clip(
        np.round(2.7 + 0.8 * match[types[user], sequences] + 0.45 * np.log((u + 1e-12) / (1 - u))),
        1,
        5,
    )
    gap = 60 + (-np.log1p(-random.random(len(user))) * PACE[domain] * 3600).astype(np.int64)
    elapsed = np.cumsum(gap)
    starts = np.cumsum(lengths) - lengths
    time = (
        1_672_531_200
        + text.pick(random, 365 * 24 * 3600, len(lengths))[user]
        + elapsed
        - elapsed[starts][user]
    )
    table = pd.DataFrame({"user": user, "item": sequences, "rating": rating, "timestamp": time})
    if duplicates:
        again = table[random.random(len(table)) < duplicates]
        table = pd.concat(
            [table, again.assign(timestamp=again["timestamp"] + 1)], ignore_index=True
        )
    return table.iloc[np.argsort(table["timestamp"].to_numpy(), kind="stable")].reset_index(
        drop=True
    )


def _reviews(
    domain: str,
    seed: int,
    share: float,
    interactions: pd.DataFrame,
    c: Catalogue,
    items: pd.DataFrame,
) -> pd.DataFrame:
    random = stream(seed, "reviews", domain)
    fresh = interactions[~interactions.duplicated(["user", "item"])]
    table = fresh.loc[random.random(len(fresh)) < share, ["user", "item", "rating"]].reset_index(
        drop=True
    )
    item, names = table["item"].to_numpy(), FEATURES[domain]
    strength, weakness = (
        items[column].map(names.index).to_numpy(dtype=np.int64)[item]
        for column in ("strength", "weakness")
    )
    texts, features, sentiment = text.reviews(
        domain, c.theme[item], c.mood[item], strength, weakness, table["rating"].to_numpy(), random
    )
    return table.assign(text=texts, features=features, sentiment=sentiment)


def _graph(items: pd.DataFrame, c: Catalogue) -> pd.DataFrame:
    """Triples (item code, relation, tail), by head."""
    codes, ids = np.arange(len(items)), [f"item:{i}" for i in items["item_id"]]
    parts = [
        (codes, "has_category", [f"category:{categories[k]}" for categories in items["categories"]])
        for k in range(2)
    ]
    parts.append((codes, "has_mood", [f"mood:{x}" for x in items["mood"]]))
    parts.append((codes, "made_by", [f"maker:{x}" for x in items["provider"]]))
    in_series = np.flatnonzero(c.series >= 0)
    parts.append(
        (in_series, "in_series", [f"series:{x}" for x in items["series"].to_numpy()[in_series]])
    )
    by_volume = in_series[np.lexsort((c.volume[in_series], c.series[in_series]))]
    following = c.series[by_volume[:-1]] == c.series[by_volume[1:]]
    parts.append(
        (by_volume[:-1][following], "next_in_series", [ids[i] for i in by_volume[1:][following]])
    )
    head, column = np.nonzero(c.link_weights)
    parts.append((head, "links_to", [ids[i] for i in c.links[head, column].tolist()]))
    heads = np.concatenate([part[0] for part in parts])
    relations = [part[1] for part in parts for _ in part[2]]
    table = pd.DataFrame(
        {"head": heads, "relation": relations, "tail": [x for part in parts for x in part[2]]}
    )
    return table.iloc[np.argsort(heads, kind="stable")].reset_index(drop=True)


def load_world(domain: str) -> Dataset:
    """The world as `make_world` makes it with its defaults, read from the frozen files that ship
    with the kit.

    Raises InputError for an unknown domain or a missing or damaged file.

    >>> load_world("movies").truth.n_types
    40
    """
    if domain not in DOMAINS:
        raise unknown_name("domain", domain, DOMAINS)
    from tutorial_recipes.world_files import read_world

    return read_world(domain)


def main(arguments: list[str]) -> int:
    if arguments != ["--freeze"]:
        print(
            "usage: python -m tutorial_recipes.worlds --freeze   (writes the frozen worlds and"
            " data/MANIFEST.json)",
            file=sys.stderr,
        )
        return 2
    from tutorial_recipes.world_files import freeze

    for domain in DOMAINS:
        print(f"{domain}: {freeze(domain):,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
