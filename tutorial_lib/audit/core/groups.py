"""Groups by name: which there are, which are unknown, and how tests of them are named."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd

from tutorial_lib.errors import unknown_name

MISSING = "(missing)"
MOST_GROUPS = 25  # values of an attribute that may be compared when it is named
USUAL_GROUPS = 8  # values of an attribute that is taken up without being named
UNKNOWN = frozenset(  # texts, in any case, that say "not known" in the tables people exchange
    "nan <na> na n/a n.a. #n/a nat null nil unknown unk undefined undisclosed unspecified missing"
    " ? ?? ??? - -- --- . n/k n.k.".split()
) | {MISSING, "not known", "not available", "not specified", "not stated", "not given", "no answer"}


def is_unknown(value: str) -> bool:
    """Does a text say that the group is not known?

    >>> is_unknown("N/A"), is_unknown(" "), is_unknown("other")
    (True, True, False)
    """
    text = value.strip()
    # "none" is an answer (an occupation of MovieLens), "None" is what Python writes for nothing
    return not text or text == "None" or text.casefold() in UNKNOWN


def group_names(column: pd.Series) -> np.ndarray:
    """Values of any type as names, without the space around them: [n] str; `MISSING` for missing
    and blank ones, and for texts that say "unknown" (`is_unknown`).

    >>> group_names(pd.Series(["F", " F", "", None, "n/a", 3])).tolist()
    ['F', 'F', '(missing)', '(missing)', '(missing)', '3']
    """
    codes, values = _factorized(column)
    names = [MISSING if is_unknown(str(value)) else str(value).strip() for value in values]
    return np.array([*names, MISSING], dtype=object)[codes]  # -1, a missing value, is the last name


def _factorized(column: pd.Series) -> tuple[np.ndarray, Sequence]:
    try:
        return pd.factorize(column)
    except TypeError:  # lists and other values that cannot be looked up
        return pd.factorize(column.map(str).where(column.notna()))


def known_groups(column: pd.Series) -> list[str]:
    """Names of all groups that a column has or, as a categorical, could have; in order."""
    possible = column.cat.categories if isinstance(column.dtype, pd.CategoricalDtype) else []
    return sorted(
        {*group_names(column), *group_names(pd.Series(possible, dtype=object))} - {MISSING}
    )


def unknown_line(what: str, column: pd.Series) -> list[str]:
    """A line that names the texts which `group_names` reads as unknown; none if there are none."""
    texts = {str(value).strip() for value in _factorized(column)[1]}
    spelled = sorted(repr(text) for text in texts if text and is_unknown(text))
    if not spelled:
        return []
    verb = "is" if len(spelled) == 1 else "are"
    told = f"{what}: {', '.join(spelled)} {verb} read as unknown, not as a group"
    return [f"{told}; give another name to what is an answer"]


def rest_name(groups: Collection[str]) -> str:
    """What all other groups together are called: "rest", unless a group has that name itself.

    >>> rest_name(["a", "b"]), rest_name(["a", "rest"])
    ('rest', 'all the rest')
    """
    name = "rest"
    while name in groups:
        name = f"all the {name}"
    return name


def contrast_name(attribute: str, a: str, b: str) -> str:
    """The name of a comparison; a column or group that could be read in two ways is quoted.

    >>> contrast_name("gender", "F", "M"), contrast_name("age group", "18 - 24", "rest")
    ('gender F - M', '"age group" "18 - 24" - rest')
    """
    return f"{quoted_column(attribute)} {quoted_group(a)} - {quoted_group(b)}"


def cell_name(a: str, b: str) -> str:
    """The name of those who are in group a of one attribute and in group b of another."""
    return f"{quoted_group(a)} x {quoted_group(b)}"


def quoted_column(name: str) -> str:
    """A column's name, which ends where the first space stands, unless it is quoted."""
    return _quoted(name, any(sign.isspace() or sign == '"' for sign in str(name)))


def quoted_group(name: str) -> str:
    """A group's name, quoted where it holds what joins groups: " x " or " - "."""
    words = name.split()
    return _quoted(name, '"' in name or (len(words) > 1 and not {"x", "-"}.isdisjoint(words)))


def _quoted(name: str, ambiguous: bool) -> str:
    inside = str(name).replace('"', '""')
    return f'"{inside}"' if ambiguous else str(name)


def usable_attributes(dataset, attributes: Sequence[str] | None) -> tuple[list[str], list[str]]:
    """The attributes whose groups can be compared, and one line for each that cannot, or that has
    texts which are read as unknown.

    attributes: names of user columns; None: every column with 2 to 8 groups (the others are told),
    identifiers left out.
    """
    users = dataset.users
    known = {
        c: sorted(set(group_names(users[c])) - {MISSING}) for c in users.columns if c != "user_id"
    }
    wanted = [attributes] if isinstance(attributes, str) else attributes
    if wanted is None:
        most = max(dataset.n_users // 2, USUAL_GROUPS)
        wanted = [c for c, groups in known.items() if len(groups) <= most]
        if not wanted:
            none = f"{dataset.name} has no user attribute: group gaps are not measured"
            return [], [f"{none}; add a column to ds.users, such as gender"]
    usable, problems = [], []
    for name in dict.fromkeys(wanted):
        if name not in known:
            problems.append(str(unknown_name("attribute", name, known)) + " (columns of ds.users)")
            continue
        problems += unknown_line(f"attribute {name!r}", users[name])
        why = _why_not(name, known[name], named=attributes is not None)
        problems += [f"attribute {name!r} {why}"] if why else []
        usable += [] if why else [name]
    return usable, problems


def _why_not(name: str, groups: Sequence[str], *, named: bool) -> str:
    """Why the groups of an attribute cannot be compared; "" if they can."""
    n = len(groups)
    if n == 0:
        return "is missing for every user: fill the column, or leave it out"
    if n == 1:
        return f"has one group only, {groups[0]!r}: a gap needs at least two"
    if n > MOST_GROUPS:
        how = f"group them into at most {MOST_GROUPS}, as age_group does for age"
        return f"has {n} values, too many to compare: {how}"
    if not named and n > USUAL_GROUPS:
        how = f"pass attributes=[..., {name!r}] to audit it as well"
        return f"has {n} groups and was not named: {how}"
    return ""
