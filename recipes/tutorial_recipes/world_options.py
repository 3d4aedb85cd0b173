"""The keywords of `make_world`: defaults that depend on the domain, limits, and named choices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tutorial_lib.errors import InputError

SIZES = {  # where a keyword is None
    "movies": {"n_users": 2000, "n_items": 600, "mean_length": 30.0},
    "products": {"n_users": 1600, "n_items": 500, "mean_length": 26.0},
    "news": {"n_users": 1500, "n_items": 400, "mean_length": 22.0},
}
VARIANTS = {  # world: domain, and what differs from it
    "movies-cold": ("movies", {"new_items": 0.1, "review_share": 0.0}),
    "movies-visits": ("movies", {"page": 12, "order": 0.5, "review_share": 0.0}),
}
LIMITS = {  # keyword: lowest, highest
    "seed": (0, 2**31 - 1),
    "n_users": (1, 10**7),
    "n_items": (4, 10**6),
    "n_types": (1, 500),
    "mean_length": (3, 1000),
    "order": (0, 0.95),
    "links": (0, 50),
    "popularity_exponent": (0, 2),
    "taste_strength": (0, 4),
    "group_taste_correlation": (0, 1),
    "quality_gap": (0, 1),
    "provider_bias": (-5, 5),
    "canaries": (0, 10**6),
    "duplicates": (0, 1),
    "minority_provider_share": (0, 1),
    "shared_users": (0, 1),
    "review_share": (0, 1),
    "new_items": (0, 0.5),
    "page": (0, 51),
    "overlap": (0, 1),
}
# named in a plan only where they differ: older frozen files lack them
NULL = {"new_items": 0.0, "page": 0, "overlap": 1.0}
WHOLE = ("seed", "n_users", "n_items", "n_types", "links", "canaries", "page")


def checked_options(domain: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options with sizes filled in, each within its limits."""
    out = {}
    for name, value in options.items():
        value = SIZES[domain][name] if value is None and name in SIZES[domain] else value
        low, high = LIMITS[name]
        number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
        if not number or not low <= value <= high or (name in WHOLE and value != int(value)):
            kind = "a whole number" if name in WHOLE else "a number"
            raise InputError(f"make_world({name}={value!r}): expected {kind} in {low}..{high}")
        out[name] = int(value) if name in WHOLE else float(value)
    out = {name: value for name, value in out.items() if value != NULL.get(name)}
    if out["canaries"] > out["n_users"]:
        raise InputError(
            f"make_world(canaries={out['canaries']}): expected at most n_users={out['n_users']}, "
            "one canary per user"
        )
    return out
