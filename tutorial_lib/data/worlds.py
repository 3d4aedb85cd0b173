"""Planted worlds as they ship: read from frozen files, with the exact truth beside the tables.

`tutorial_recipes.worlds` makes them; nothing here needs it.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tutorial_lib.data.dataset import Dataset, DatasetCard
from tutorial_lib.data.shipped import read_yaml, shipped
from tutorial_lib.data.world_truth import Truth
from tutorial_lib.errors import InputError, unknown_name

DOMAINS = ("movies", "products", "news")
WORLDS = {  # name: title
    "movies": "Planted world of movies",
    "products": "Planted world of products",
    "news": "Planted world of news",
    "movies-cold": "Planted world of movies, a tenth of them new in the test period",
    "movies-visits": "Planted world of movies, entered page by page",
}
TABLES = ("interactions", "items", "users", "graph", "reviews")
TUPLES = {"items": "categories", "reviews": "features"}  # stored with | between the parts
NUMBERS = {"user": "int64", "item": "int64", "rating": "float64"}  # also of empty tables
MADE_BY = "python -m tutorial_recipes.worlds --freeze"
_MEND = f"install the kit again, or run {MADE_BY}"

WORDS = read_yaml(Path(__file__).with_name("world_words.yaml"))
THEMES = list(WORDS["themes"])  # in the order of the columns of a plan's theme_logits
MOODS = list(WORDS["moods"])  # likewise of mood_logits

GENDERS = ("M", "F")  # groups 0 and 1 of the truth
FEMALE = 0.45  # share of users with gender "F"
AGES = ("18-29", "30-49", "50+")
AGE_SHARES = (0.30, 0.45, 0.25)


def load_world(name: str) -> Dataset:
    """A planted world by its name in `WORLDS`, with the effects it was frozen with.

    Raises:
        InputError: the name is unknown, or a file is missing or damaged.

    >>> load_world("movies").truth.n_types
    40
    """
    if name not in WORLDS:
        raise unknown_name("world", name, WORLDS)
    folder = shipped(f"worlds/{name}")
    try:
        plan = json.loads((folder / "world.json").read_text(encoding="utf-8"))
        tables = {table: _read_table(folder / f"{table}.csv.gz", table) for table in TABLES}
        manifest = json.loads(shipped("MANIFEST.json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        wrong = f"the file {error.filename} is missing"
        raise InputError(f"world {name!r}: {wrong}; {_MEND}") from None
    except (OSError, EOFError, ValueError, KeyError, TypeError, zlib.error) as error:
        wrong = f"a file in {folder} is damaged ({error})"
        raise InputError(f"world {name!r}: {wrong}; {_MEND}") from None
    options = plan.pop("options")
    arrays = {key: np.array(values) for key, values in plan.items()}
    user_types = arrays.pop("user_types")
    truth = build_truth(
        {"options": options, **arrays}, tables["items"], tables["users"], user_types
    )
    prefix = f"worlds/{name}/"
    sha256 = {
        path.removeprefix(prefix): entry["sha256"]
        for path, entry in manifest.items()
        if path.startswith(prefix)
    }
    return assemble(name, tables, truth, sha256)


def _read_table(path: Path, name: str) -> pd.DataFrame:
    table = pd.read_csv(path, keep_default_na=False, dtype=NUMBERS)
    if name in TUPLES:
        table[TUPLES[name]] = [tuple(parts.split("|")) for parts in table[TUPLES[name]]]
    return table


def build_truth(
    plan: Mapping[str, Any], items: pd.DataFrame, users: pd.DataFrame, user_types: np.ndarray
) -> Truth:
    """The exact process, from what was planned and drawn; made and frozen worlds come through here.

    Args:
        plan: options (the keywords of `make_world`), theme_logits [C, themes], mood_logits
            [C, moods], log_popularity [n_items], links and link_weights [n_items, K], and in some
            worlds new_items, and theme and mood [n_items] where they are not those of the words.
        items: the item table; its categories (theme first), mood and provider_group are read.
        users: the user table; its gender is read.
        user_types: taste type of each user, int [n_users].
    """
    options = plan["options"]
    written = [THEMES.index(categories[0]) for categories in items["categories"]]
    theme = np.asarray(plan.get("theme", written))
    mood = np.asarray(plan.get("mood", [MOODS.index(name) for name in items["mood"]]))
    penalty = -options["provider_bias"] * (items["provider_group"] == "minority").to_numpy(bool)
    popularity = np.exp(options["popularity_exponent"] * plan["log_popularity"] + penalty)
    taste = np.exp(plan["theme_logits"][:, theme] + plan["mood_logits"][:, mood])
    return Truth(
        taste_weights=taste * popularity,
        popularity_weights=popularity,
        prior=state_prior(options["n_types"], options["group_taste_correlation"]),
        links=plan["links"],
        link_weights=plan["link_weights"] * np.exp(penalty)[plan["links"]],
        order=options["order"],
        quality_gap=options["quality_gap"],
        user_types=user_types,
        user_groups=np.array([GENDERS.index(gender) for gender in users["gender"]]),
        canary=np.empty(0, dtype=np.int64),
        canary_users=np.empty(0, dtype=np.int64),
        plan=plan,
        new_items=plan.get("new_items", np.empty(0, dtype=np.int64)),
    )


def state_prior(n_types: int, correlation: float) -> np.ndarray:
    """P(taste type, group) over all users: [C, 2].

    In each cell of gender and age, ``correlation`` of the users are spread evenly over the types
    at home there, the others over all types.
    """
    homes = home_types(n_types)
    prior = np.zeros((n_types, 2))
    for gender, share in enumerate((1 - FEMALE, FEMALE)):
        for age, age_share in enumerate(AGE_SHARES):
            home = homes[gender * len(AGES) + age]
            inside = np.isin(np.arange(n_types), home) / len(home)
            mixed = correlation * inside + (1 - correlation) / n_types
            prior[:, gender] += share * age_share * mixed
    return prior


def home_types(n_types: int) -> list[np.ndarray]:
    """The taste types at home in each of the 6 cells of gender and age (age varies fastest).

    Type c is at home in cell c mod 6; a cell that gets none (fewer than 6 types) is home to all.
    """
    everyone = np.arange(n_types)
    return [everyone[cell::6] if cell < n_types else everyone for cell in range(6)]


def assemble(
    name: str, tables: Mapping[str, pd.DataFrame], truth: Truth, sha256: Mapping[str, str]
) -> Dataset:
    """The `Dataset` with its card, from the tables of `TABLES`, made or read."""
    options = ", ".join(f"{key}={value:.4g}" for key, value in truth.plan["options"].items())
    counted = ("users", "items", "interactions", "reviews", "graph")
    counts = {table: len(tables[table]) for table in counted}
    counts["triples"] = counts.pop("graph")
    card = DatasetCard(
        name=f"world-{name}",
        title=WORLDS[name],
        source="generated by tutorial_recipes.worlds.make_world; no real person, work or company "
        "is in it",
        licence="CC BY 4.0",
        sha256=sha256,
        counts=counts,
        notes=(f"planted: {options}",),
    )
    return Dataset(name=f"world-{name}", card=card, truth=truth, **tables)


def __getattr__(name: str) -> Any:
    """Names that moved out of this module; to be removed after release 0.2."""
    if name == "make_world":
        raise ImportError("make_world has moved: import tutorial_recipes.worlds instead")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
