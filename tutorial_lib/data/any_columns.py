"""Which column of somebody's table is which, and its cells as clean texts."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from tutorial_lib.data.any_table import AnyTable
from tutorial_lib.data.shipped import read_yaml
from tutorial_lib.errors import InputError, short_repr, unknown_name

ROLES: dict[str, list[list[str]]] = read_yaml(Path(__file__).with_name("any_columns.yaml"))
KEYS = ["id", "code", "key", "index"]  # of a table of items or of users: whose, is clear
SHOWN = 200  # rows that show what a column holds
DATE = re.compile(r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{4}")
ID = ("number", "text")  # large numbers look like times; a column of such ids needs a header
BY_PLACE = {  # roles -> what their columns hold
    ("user", "item"): (("number", "text", "time"), ("number", "text", "time")),
    ("user", "item", "rating"): (ID, ID, ("number",)),
    ("user", "item", "time"): (ID, ID, ("time",)),
    ("user", "item", "rating", "time"): (ID, ID, ("number",), ("time",)),
}
MISSING = frozenset(("", "nan", "null", "none", "na", "n/a", "<na>", "nat", "\\n", "undefined"))
YES_NO = {"": "", "true": "1", "false": "0", "yes": "1", "no": "0", "t": "1", "f": "0"}


def normalised(name: str) -> str:
    """A column's name in small letters and digits, without RecBole's type.

    >>> normalised("User ID"), normalised("item_id:token")
    ('userid', 'itemid')
    """
    return re.sub(r"[^a-z0-9]", "", re.sub(r":(token|float)(_seq)?$", "", name).lower())


def is_known(name: str) -> bool:
    plain = normalised(name)
    return any(plain in names for groups in ROLES.values() for names in groups)


def roles_of(table: AnyTable, roles: Sequence[str], given: Mapping[str, str]) -> dict[str, str]:
    """Role -> column, for the roles that have one."""
    for role, name in given.items():
        if role not in roles:
            raise unknown_name("role of --column", role, roles)
        if name not in table.columns:
            raise unknown_name(f"column of {table.path.name}", name, table.columns)
    found = dict(given)
    taken = set(given.values())
    for role in roles:
        names = [name for name in table.columns if name not in taken]
        for group in ROLES[role]:
            fitting = [name for name in names if normalised(name) in group]
            if role in found or not fitting:
                continue
            found[role] = fitting[0] if len(fitting) == 1 else _one_of(table, role, fitting)
    # "history" or "items" is a list only where no column holds single items
    weak = ROLES["list"][1]
    if "item" in found and normalised(found.get("list", "")) in weak and "list" not in given:
        del found["list"]
    return {role: found[role] for role in roles if role in found}


def _one_of(table: AnyTable, role: str, names: list[str]) -> str:
    """Of several columns for one role the one with ids, or one of those that are equal."""
    plain = [normalised(name) for name in names]
    ids = [name for name, short in zip(names, plain, strict=True) if short.endswith("id")]
    if len(ids) == 1 and {short.removesuffix("id") for short in plain} == {
        normalised(ids[0]).removesuffix("id")
    }:
        return ids[0]
    first, *others = (list(table.columns[name]) for name in names)
    if all(other == first for other in others):
        return names[0]
    raise InputError(
        f"{table.path}, line 1: the columns {' and '.join(map(repr, names[:3]))} could all be the"
        f" {role}; say which: --column {role}={names[0]}"
    )


def no_column(table: AnyTable, role: str, meaning: str) -> InputError:
    names = ", ".join(map(repr, table.columns))[:200]
    return InputError(
        f"{table.path}, line 1: no column is known as the {role} ({meaning}); the columns are"
        f" {names}: call one of them {role!r} in the header, or say --column {role}=NAME"
    )


def by_place(table: AnyTable) -> dict[str, str]:
    """Roles of a file without header: user, item, rating, time, as MovieLens has them.

    Raises:
        InputError: there are other columns, or what they hold is something else.
    """
    names = list(table.columns)
    kinds = [_kind(table.columns[name][:SHOWN]) for name in names]
    for roles, expected in BY_PLACE.items():
        fits = len(kinds) == len(expected) and all(map(lambda k, e: k in e, kinds, expected))
        if fits:
            return dict(zip(roles, names, strict=True))
    raise InputError(
        f"{table.path}, line 1: no header, and its {len(names)} columns are not user, item, rating"
        " and time in this order; add a first line such as user,item,rating,time"
    )


def _kind(cells: Sequence[str]) -> str:
    """What a column of texts holds: "time", "number" or "text"."""
    given = [cell.strip() for cell in cells if cell.strip()]
    numbers = pd.to_numeric(pd.Series(given, dtype=object), errors="coerce")
    if given and all(DATE.match(cell) for cell in given):
        return "time"
    if numbers.notna().all():
        return "time" if len(given) and (numbers >= 1e8).all() else "number"
    return "text"


def texts_of(table: AnyTable, name: str) -> list[str]:
    """The cells of a column as texts without spaces around them, "" where a value is missing."""
    cells = table.columns[name]
    out = []
    for place, cell in enumerate(cells):
        if isinstance(cell, (list, dict, tuple, set, bytes, np.ndarray)):
            raise InputError(
                f"{table.path}, column {name!r}, line {table.lines[place]}:"
                f" {short_repr(cell, 40)} is no single value; write one value a field"
            )
        missing = cell is None or cell is pd.NaT or cell is pd.NA or cell != cell
        text = "" if missing else str(cell).strip()
        # an accent may be one sign or two: both are the same name
        out.append(text if text.isascii() else unicodedata.normalize("NFC", text))
    return out


def items_of(table: AnyTable, name: str) -> list[list[str]]:
    """The items of each cell of a column of lists: real ones, as in JSON, or texts such as "1 2",
    "['a', 'b']" and "a|b".
    """
    cells = list(table.columns[name])
    if not all(isinstance(cell, list) for cell in cells):
        return [re.findall(r"[^\s,;|\[\]'\"]+", text) for text in texts_of(table, name)]
    sizes = [len(cell) for cell in cells]
    lines = np.repeat(np.array(table.lines), sizes).tolist()
    flat = AnyTable(table.path, {name: [item for cell in cells for item in cell]}, lines, True, ())
    items = iter(texts_of(flat, name))
    return [[next(items) for _ in range(size)] for size in sizes]


def whole_ids(texts: list[str], where: Callable[[int], str]) -> list[str]:
    """Ids as they are written, "" for those that say "missing"; numbers that a program wrote as 1.0
    are whole again.

    Raises:
        InputError: a spreadsheet rounded long ids to 1.2E+12.

    >>> whole_ids(["1.0", "2.0", "NaN"], str), whole_ids(["v1.0", "1.0"], str)
    (['1', '2', ''], ['v1.0', '1.0'])
    """
    unique = {text: "" if text.lower() in MISSING else text for text in set(texts)}
    given = [text for text in unique.values() if text]
    if any(text.endswith(".0") for text in given):
        if all(re.fullmatch(r"\d+(\.0)?", text) for text in given):
            unique = {text: plain.removesuffix(".0") for text, plain in unique.items()}
    for text in given:
        if re.fullmatch(r"\d\.\d+E\+\d+", text):
            place = texts.index(text)
            raise InputError(
                f"{where(place)}: the id {text} was rounded by a spreadsheet, so different ids look"
                " alike; export the log again with ids as text"
            )
    return [unique[text] for text in texts]
