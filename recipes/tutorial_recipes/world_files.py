"""The frozen copies of the planted worlds: written once by `freeze`, read back by `read_world`, the
same as generated.
"""

from __future__ import annotations

import gzip
import io
import json
import zlib
from pathlib import Path

import numpy as np
import pandas as pd

from tutorial_lib.data.dataset import Dataset
from tutorial_lib.data.shipped import ship, shipped
from tutorial_lib.errors import InputError
from tutorial_recipes import world_text as text
from tutorial_recipes.world_process import GENDERS, Catalogue
from tutorial_recipes.worlds import assemble, build_truth, make_world

TABLES = ("interactions", "items", "users", "graph", "reviews")
TUPLES = {"items": "categories", "reviews": "features"}  # stored with | between the parts
MADE_BY = "python -m tutorial_recipes.worlds --freeze"


def frozen_bytes(domain: str) -> dict[str, bytes]:
    """File name -> content, not compressed: a pure function of the code. ``world.json`` holds what
    the truth needs beside the tables.
    """
    world = make_world(domain)
    files = {}
    for name in TABLES:
        table = getattr(world, name)
        if name in TUPLES:
            table = table.assign(
                **{TUPLES[name]: ["|".join(parts) for parts in table[TUPLES[name]]]}
            )
        if "rating" in table:
            table = table.assign(rating=table["rating"].astype("int64"))
        files[f"{name}.csv"] = table.to_csv(index=False, lineterminator="\n").encode()
    plan = {**world.truth.plan, "user_types": world.truth.user_types}
    plan = {
        name: value.tolist() if isinstance(value, np.ndarray) else value
        for name, value in plan.items()
    }
    lines = ",\n".join(
        f"{json.dumps(name)}: {json.dumps(value, separators=(',', ':'))}"
        for name, value in plan.items()
    )
    files["world.json"] = f"{{\n{lines}\n}}\n".encode()
    return files


def freeze(domain: str, folder: Path | None = None) -> int:
    """Write the frozen files of a domain and enter them in MANIFEST.json; returns the bytes
    written. folder: as in `shipped.ship`.
    """
    files = {}
    for name, content in frozen_bytes(domain).items():
        if name.endswith(".csv"):
            name, content = f"{name}.gz", _compressed(content)
        files[f"worlds/{domain}/{name}"] = content
    ship(files, MADE_BY, folder)
    return sum(map(len, files.values()))


def read_world(domain: str) -> Dataset:
    """The frozen world; see `worlds.load_world`."""
    folder = shipped(f"worlds/{domain}")
    try:
        plan = json.loads((folder / "world.json").read_text(encoding="utf-8"))
        tables = {name: _read_table(folder / f"{name}.csv.gz", name) for name in TABLES}
        manifest = json.loads(shipped("MANIFEST.json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(
            f"world {domain!r}: the file {error.filename} is missing; install the kit again, or run"
            f" {MADE_BY}"
        ) from None
    except (OSError, EOFError, ValueError, KeyError, TypeError, zlib.error) as error:
        raise InputError(
            f"world {domain!r}: a file in {folder} is damaged ({error}); install the kit again, or"
            f" run {MADE_BY}"
        ) from None
    prefix = f"worlds/{domain}/"
    sha256 = {
        name.removeprefix(prefix): entry["sha256"]
        for name, entry in manifest.items()
        if name.startswith(prefix)
    }
    return assemble(
        domain,
        plan["options"],
        truth=_read_truth(plan, tables["items"], tables["users"]),
        sha256=sha256,
        **tables,
    )


def _read_table(path: Path, name: str) -> pd.DataFrame:
    table = pd.read_csv(path, keep_default_na=False, dtype={"rating": "float64"})
    if name in TUPLES:
        table[TUPLES[name]] = [tuple(parts.split("|")) for parts in table[TUPLES[name]]]
    return table


def _read_truth(plan: dict, items: pd.DataFrame, users: pd.DataFrame):
    """The truth from its frozen plan and from what the tables say already."""
    arrays = {name: np.array(value) for name, value in plan.items() if name != "options"}
    theme = np.array([text.THEMES.index(categories[0]) for categories in items["categories"]])
    mood = np.array([text.MOODS.index(m) for m in items["mood"]])
    unused = np.empty(0, dtype=np.int64)
    catalogue = Catalogue(
        theme, mood, unused, unused, (items["provider_group"] == "minority").to_numpy(dtype=bool), unused, unused,
        arrays["log_popularity"], arrays["links"], arrays["link_weights"],
    )  # fmt: skip
    groups = np.array([GENDERS.index(g) for g in users["gender"]])
    return build_truth(
        plan["options"],
        catalogue,
        (arrays["theme_logits"], arrays["mood_logits"]),
        arrays["user_types"],
        groups,
    )


def _compressed(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=buffer, mtime=0) as file:
        file.write(content)
    return buffer.getvalue()
