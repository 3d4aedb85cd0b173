"""The tables of a planted world: items, users, interactions, reviews and the knowledge graph."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from tutorial_lib.data.worlds import AGES, GENDERS, MOODS, THEMES
from tutorial_recipes import world_text as text
from tutorial_recipes.world_process import Catalogue, stream

HOURS = {"movies": 48, "products": 120, "news": 4}  # mean time between two events of a user
START = 1_672_531_200  # 1 January 2023, UTC
YEAR = 365 * 24 * 3600  # seconds
MONTH = 30 * 24 * 3600


def item_table(domain: str, seed: int, catalogue: Catalogue) -> pd.DataFrame:
    """One row per item: id, texts, categories (theme, form), provider, mood, series, features."""
    c = catalogue
    n_items = len(c.theme)
    random = stream(seed, "texts", domain)
    forms = np.array(list(text.WORDS["forms"][domain]), dtype=object)
    features = np.array(text.WORDS["features"][domain], dtype=object)
    providers = np.array(text.provider_names(domain, int(c.provider.max()) + 1), dtype=object)
    numbers, first = np.unique(c.series, return_index=True)
    names = text.series_names(domain, c.theme[first[numbers >= 0]])
    series = [names[number] if number >= 0 else "" for number in c.series.tolist()]
    themes = np.array(THEMES, dtype=object)[c.theme]
    strength = text.pick(random, len(features), n_items)
    weakness = (strength + 1 + text.pick(random, len(features) - 1, n_items)) % len(features)
    return pd.DataFrame(
        {
            "item_id": [f"{domain}-i{i:05d}" for i in range(n_items)],
            "title": text.titles(domain, c.theme, c.mood, c.form, series, c.volume),
            "text": text.descriptions(domain, c.theme, c.mood, c.form, random),
            "categories": list(zip(themes, forms[c.form], strict=True)),
            "provider": providers[c.provider],
            "provider_group": np.where(c.minority, "minority", "majority").tolist(),
            "mood": np.array(MOODS, dtype=object)[c.mood],
            "series": series,
            "volume": c.volume,
            "year": 1990 + text.pick(random, 30, n_items) + c.volume,
            "strength": features[strength],
            "weakness": features[weakness],
        }
    )


def user_table(domain: str, people: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """One row per user: id, person, gender and age group."""
    persons = [
        f"person-{number:05d}" if number >= 0 else f"{domain}-person-{-1 - number:05d}"
        for number in people["person"].tolist()
    ]
    return pd.DataFrame(
        {
            "user_id": [f"{domain}-u{number:05d}" for number in range(len(persons))],
            "person": persons,
            "gender": np.array(GENDERS, dtype=object)[people["gender"]],
            "age_group": np.array(AGES, dtype=object)[people["age"]],
        }
    )


def interaction_table(
    domain: str,
    seed: int,
    duplicates: float,
    sequences: np.ndarray,
    lengths: np.ndarray,
    taste: np.ndarray,
    *,
    arrivals: bool = False,
    tied: np.ndarray | None = None,
) -> pd.DataFrame:
    """One row per event, in the order of time; times increase within a user, but for ``tied``.

    Args:
        domain: "movies", "products" or "news".
        seed: of the world.
        duplicates: probability that an event is recorded once more, a second later.
        sequences: item codes of all users one after another.
        lengths: events of each user.
        taste: how much the type of the event's user likes the item, as a z-score among all items;
            ratings follow it.
        arrivals: everybody's last event comes after all other events of all users.
        tied: events that have the time of the event before.
    """
    random = stream(seed, "events", domain)
    user = np.repeat(np.arange(len(lengths)), lengths)
    u = random.random(len(user))
    noise = np.log((u + 1e-12) / (1 - u))
    rating = np.clip(np.round(2.7 + 0.8 * taste + 0.45 * noise), 1, 5)
    exponential = -np.log1p(-random.random(len(user)))
    gap = 60 + (exponential * HOURS[domain] * 3600).astype(np.int64)
    elapsed = np.cumsum(gap if tied is None else np.where(tied, 0, gap))
    starts = np.cumsum(lengths) - lengths
    first = START + text.pick(random, YEAR, len(lengths))
    time = first[user] + elapsed - elapsed[starts][user]
    if arrivals:
        last = starts + lengths - 1
        begins = np.delete(time, last).max() + 1
        time[last] = begins + text.pick(random, MONTH, len(lengths))
    table = pd.DataFrame({"user": user, "item": sequences, "rating": rating, "timestamp": time})
    if duplicates:
        again = table[random.random(len(table)) < duplicates]
        again = again.assign(timestamp=again["timestamp"] + 1)
        table = pd.concat([table, again], ignore_index=True)
    return table.sort_values("timestamp", kind="stable", ignore_index=True)


def review_table(
    domain: str,
    seed: int,
    share: float,
    interactions: pd.DataFrame,
    catalogue: Catalogue,
    items: pd.DataFrame,
) -> pd.DataFrame:
    """Reviews of a ``share`` of the events."""
    random = stream(seed, "reviews", domain)
    fresh = interactions[~interactions.duplicated(["user", "item"])]
    chosen = random.random(len(fresh)) < share
    table = fresh.loc[chosen, ["user", "item", "rating"]].reset_index(drop=True)
    item = table["item"].to_numpy()
    features = pd.Index(text.WORDS["features"][domain])
    texts, named, sentiment = text.reviews(
        domain,
        catalogue.theme[item],
        catalogue.mood[item],
        features.get_indexer(items["strength"])[item],
        features.get_indexer(items["weakness"])[item],
        table["rating"].to_numpy(),
        random,
    )
    return table.assign(text=texts, features=named, sentiment=sentiment)


def graph_table(items: pd.DataFrame, catalogue: Catalogue) -> pd.DataFrame:
    """Triples (item code, relation, tail), by head."""
    codes = np.arange(len(items))
    ids = ("item:" + items["item_id"]).to_numpy()
    series = catalogue.series
    in_series = np.flatnonzero(series >= 0)
    by_volume = in_series[np.lexsort((catalogue.volume[in_series], series[in_series]))]
    before = by_volume[:-1]
    after = by_volume[1:]
    same = series[before] == series[after]
    head, column = np.nonzero(catalogue.link_weights)
    parts = [
        (codes, "has_category", "category:" + items["categories"].str[0]),
        (codes, "has_category", "category:" + items["categories"].str[1]),
        (codes, "has_mood", "mood:" + items["mood"]),
        (codes, "made_by", "maker:" + items["provider"]),
        (in_series, "in_series", ("series:" + items["series"]).iloc[in_series]),
        (before[same], "next_in_series", ids[after[same]]),
        (head, "links_to", ids[catalogue.links[head, column]]),
    ]
    table = pd.DataFrame(
        {
            "head": np.concatenate([heads for heads, _, _ in parts]),
            "relation": [relation for heads, relation, _ in parts for _ in heads],
            "tail": [tail for _, _, tails in parts for tail in tails],
        }
    )
    return table.sort_values("head", kind="stable", ignore_index=True)
