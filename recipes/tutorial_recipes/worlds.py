"""Planted worlds: data sets that look real, made by a process whose exact next-item distribution is
known (see `tutorial_lib.data.world_truth`).

``python -m tutorial_recipes.worlds --freeze`` writes the frozen copies that
`tutorial_lib.data.worlds.load_world` reads.
"""

from __future__ import annotations

import gzip
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tutorial_lib.data.dataset import Dataset
from tutorial_lib.data.shipped import ship, shipped
from tutorial_lib.data.world_truth import Truth
from tutorial_lib.data.worlds import (
    DOMAINS,
    MADE_BY,
    TABLES,
    TUPLES,
    WORLDS,
    assemble,
    build_truth,
)
from tutorial_lib.errors import unknown_name
from tutorial_recipes.world_options import LIMITS, VARIANTS, checked_options
from tutorial_recipes.world_process import (
    Catalogue,
    as_written,
    choose_new,
    make_catalogue,
    make_people,
    standardised,
    stream,
    taste_logits,
)
from tutorial_recipes.world_sequences import choose_canary, draw_lengths, draw_sequences
from tutorial_recipes.world_tables import (
    graph_table,
    interaction_table,
    item_table,
    review_table,
    user_table,
)


def make_world(
    domain: str,
    *,
    seed: int = 0,
    n_users: int | None = None,
    n_items: int | None = None,
    mean_length: float | None = None,
    n_types: int = 40,
    order: float = 0.2,
    links: int = 10,
    popularity_exponent: float = 0.6,
    taste_strength: float = 2.2,
    group_taste_correlation: float = 0.3,
    quality_gap: float = 0.0,
    provider_bias: float = 0.0,
    canaries: int = 0,
    duplicates: float = 0.0,
    minority_provider_share: float = 0.3,
    shared_users: float = 0.5,
    review_share: float = 1 / 3,
    new_items: float = 0.0,
    page: int = 0,
    overlap: float = 1.0,
    **unknown: Any,
) -> Dataset:
    """A world of one domain, generated from a seed; ``truth`` of the result is exact.

    Every planted effect is part of the process itself, and does nothing at its null value. Nothing
    is taken from real people or works.

    Args:
        domain: "movies", "products" or "news".
        seed: 0..2^31 - 1.
        n_users: number of users; the default depends on the domain (`world_options.SIZES`).
        n_items: number of items, likewise.
        mean_length: mean number of events per user, likewise.
        n_types: number of taste types, 1..500.
        order: probability that a step follows a link of the last item; 0..0.95, null 0.
        links: links per item, about: the next in the series, then others, each with 0.8 of the
            weight of the one before; 0..50, null 0.
        popularity_exponent: gamma in taste x popularity^gamma, where popularity is 1 / rank; 0..2,
            null 0.
        taste_strength: standard deviation of a type's log-weights over themes (over moods half of
            it); 0..4, null 0.
        group_taste_correlation: probability that a user's type is drawn from the types at home in
            the user's gender x age group, instead of from all; 0..1, null 0.
        quality_gap: probability that a taste step of a user of gender "F" follows popularity alone:
            noise that makes this group harder to serve; 0..1, null 0.
        provider_bias: nats taken off the log-weight of items by minority providers, in tastes,
            popularity and links alike (the log-odds shift against any other item); -5..5, null 0.
        canaries: number of users whose history starts with one fixed sequence of six rare items
            (`truth.canary`); what follows it obeys the process again; 0..n_users, null 0.
        duplicates: probability that an event is recorded twice, one second apart; the truth speaks
            of the next new item and ignores repeats; 0..1, null 0.
        minority_provider_share: share of items by providers of the minority group; 0..1, null 0.
        shared_users: share of users who are persons known in all three domains, with the same
            gender, age and taste type (``users.person``); 0..1, null 0.
        review_share: reviews per event, 0..1.
        new_items: share of the items that are on offer in the test period only, which is the last
            event of every user (`leave_last_out`) and later than all other events; they are liked
            and linked like the rest (`truth.new_items`); 0..0.5, null 0.
        page: items on a page of the catalogue, listed in a drawn order, a series in one piece;
            links lead to the rest of the page, the nearest below first, and an event that follows
            one has the time of the event before, in one visit; 0..51, null 0.
        overlap: how far what is known elsewhere holds here: the probability that a shared person
            keeps their taste type, and the share of series and single items whose words are those
            of the theme and mood for which they are liked, as in every frozen world; the others
            are written with each other's words; 0..1, null 1.

    Returns:
        A `Dataset`. Besides its columns, items have provider_group, mood, series and volume ("" and
        0: none), year, strength and weakness (named features); users have person; reviews have
        features (tuple) and sentiment. Tails of the graph are "category:x", "mood:x", "maker:x",
        "series:x" and, for the relations next_in_series and links_to, "item:" + item_id.

    Raises:
        InputError: the domain or a keyword is unknown, or a value is out of range.

    >>> make_world("news", n_users=50, n_items=60, order=0.4)
    Dataset(world-news: 50 users, 60 items, 994 interactions, exact truth known)
    """
    options = dict(locals())
    if domain not in DOMAINS:
        raise unknown_name("domain", domain, DOMAINS)
    if options.pop("unknown"):
        raise unknown_name("option of make_world", next(iter(unknown)), LIMITS)
    return _generate(options.pop("domain"), checked_options(domain, options))


def _generate(domain: str, options: dict[str, Any]) -> Dataset:
    """Draw the catalogue and the people, then what the people choose, then write the tables."""
    seed, n_users = options["seed"], options["n_users"]
    catalogue = make_catalogue(
        domain,
        seed,
        options["n_items"],
        options["links"],
        options["minority_provider_share"],
        options.get("page", 0),
    )
    people = make_people(
        domain,
        seed,
        n_users,
        options["n_types"],
        options["group_taste_correlation"],
        options["shared_users"],
        options.get("overlap", 1.0),
    )
    plan = _plan(domain, options, catalogue)
    words = stream(seed, "other words", domain)
    written = as_written(catalogue, options.get("overlap", 1.0), words)
    items = item_table(domain, seed, written)
    users = user_table(domain, people)
    truth = build_truth(plan, items, users, people["type"])
    canary, carriers = choose_canary(
        truth, catalogue.theme, n_users, options["canaries"], stream(seed, "canary", domain)
    )
    truth = replace(truth, canary=canary, canary_users=carriers)
    interactions = _interactions(domain, options, catalogue, truth)
    reviews = review_table(domain, seed, options["review_share"], interactions, written, items)
    tables = {
        "interactions": interactions,
        "items": items,
        "users": users,
        "graph": graph_table(items, catalogue),
        "reviews": reviews,
    }
    return assemble(domain, tables, truth, sha256={})


def _plan(domain: str, options: dict[str, Any], catalogue: Catalogue) -> dict[str, Any]:
    """The numbers that the truth is built from."""
    seed = options["seed"]
    themes, moods = taste_logits(seed, options["n_types"], options["taste_strength"])
    plan = {
        "options": options,
        "theme_logits": themes,
        "mood_logits": moods,
        "log_popularity": catalogue.log_popularity,
        "links": catalogue.links,
        "link_weights": catalogue.link_weights,
    }
    if "overlap" in options:  # what items are liked for, whatever their words
        plan |= {"theme": catalogue.theme, "mood": catalogue.mood}
    if "new_items" in options:
        random = stream(seed, "new items", domain)
        plan["new_items"] = choose_new(catalogue, options["new_items"], random)
    return plan


def _interactions(
    domain: str, options: dict[str, Any], catalogue: Catalogue, truth: Truth
) -> pd.DataFrame:
    """What everybody chooses, and when."""
    random = stream(options["seed"], "sequences", domain)
    n_users, n_items = options["n_users"], options["n_items"]
    lengths = draw_lengths(random, n_users, options["mean_length"], n_items)
    carriers, shortest = truth.canary_users, len(truth.canary) + 3
    lengths[carriers] = np.minimum(np.maximum(lengths[carriers], shortest), n_items - 1)
    sequences, linked = draw_sequences(truth, lengths, random)
    themes, moods = truth.plan["theme_logits"], truth.plan["mood_logits"]
    taste = standardised(themes[:, catalogue.theme] + moods[:, catalogue.mood])
    taste = taste[np.repeat(truth.user_types, lengths), sequences]
    return interaction_table(
        domain,
        options["seed"],
        options["duplicates"],
        sequences,
        lengths,
        taste,
        arrivals=len(truth.new_items) > 0,
        tied=linked if "page" in options else None,
    )


def planted_world(name: str, **changes: Any) -> Dataset:
    """A world by name, such as "movies-cold", made anew with other keywords of `make_world`.

    >>> planted_world("movies-cold", n_users=50, n_items=60)
    Dataset(world-movies-cold: 50 users, 60 items, 1,282 interactions, exact truth known)
    """
    domain, options = VARIANTS.get(name, (name, {}))
    world = make_world(domain, **{**options, **changes})
    card = replace(world.card, name=f"world-{name}", title=WORLDS[name])
    return replace(world, name=card.name, card=card)


def frozen_bytes(name: str) -> dict[str, bytes]:
    """File name -> content, not compressed: a pure function of the code.

    ``world.json`` holds what the truth needs beside the tables.
    """
    world = planted_world(name)
    files = {}
    for part in TABLES:
        table = getattr(world, part)
        if part in TUPLES:
            column = TUPLES[part]
            table = table.assign(**{column: ["|".join(parts) for parts in table[column]]})
        if "rating" in table:
            table = table.assign(rating=table["rating"].astype("int64"))
        files[f"{part}.csv"] = table.to_csv(index=False, lineterminator="\n").encode()
    lines = []
    for key, value in {**world.truth.plan, "user_types": world.truth.user_types}.items():
        value = value.tolist() if isinstance(value, np.ndarray) else value
        lines.append(f"{json.dumps(key)}: {json.dumps(value, separators=(',', ':'))}")
    files["world.json"] = ("{\n" + ",\n".join(lines) + "\n}\n").encode()
    return files


def freeze(world: str, folder: Path | None = None) -> int:
    """Write the frozen files of a world and enter them in MANIFEST.json; a compressed file whose
    content is the same stays, however this version of zlib would write it.

    Args:
        world: a key of `WORLDS`.
        folder: as in `shipped.ship`.

    Returns:
        The number of bytes written.
    """
    files = {}
    for name, content in frozen_bytes(world).items():
        if name.endswith(".csv"):
            name = f"{name}.gz"
            there = (folder or shipped()) / "worlds" / world / name
            kept = there.read_bytes() if there.exists() else b""
            same = bool(kept) and gzip.decompress(kept) == content
            content = kept if same else gzip.compress(content, compresslevel=9, mtime=0)
        files[f"worlds/{world}/{name}"] = content
    ship(files, MADE_BY, folder)
    return sum(map(len, files.values()))


def main(arguments: list[str]) -> int:
    """Freeze all worlds; returns the exit status."""
    if arguments != ["--freeze"]:
        print(f"usage: {MADE_BY}   (writes the frozen worlds and MANIFEST.json)", file=sys.stderr)
        return 2
    for world in WORLDS:
        print(f"{world}: {freeze(world):,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
