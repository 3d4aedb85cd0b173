"""Groups of users and of items: which there are, which may be compared, how comparisons are named,
and which sizes may be published.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from tutorial_lib.errors import unknown_name

MISSING = "(missing)"
MOST_GROUPS = 25  # values of an attribute that may be compared when it is named
USUAL_GROUPS = 8  # values of an attribute that is compared without being named
SUPPRESSED = 10  # users: smaller groups are never shown as numbers
UNKNOWN = frozenset(  # texts, in any case, that say "not known" in the tables people exchange
    "nan <na> na n/a n.a. #n/a nat null nil unknown unk undefined undisclosed unspecified missing"
    " ? ?? ??? - -- --- . n/k n.k.".split()
) | {MISSING, "not known", "not available", "not specified", "not stated", "not given", "no answer"}


# --- which groups there are ---


def group_names(column: pd.Series) -> np.ndarray:
    """Values of any type as names, without the space around them.

    Returns:
        [n] str; `MISSING` for missing and blank values, and for texts that say "unknown".

    >>> group_names(pd.Series(["F", " F", "", None, "n/a", 3])).tolist()
    ['F', 'F', '(missing)', '(missing)', '(missing)', '3']
    """
    codes, values = _factorized(column)
    names = [MISSING if _is_unknown(str(value)) else str(value).strip() for value in values]
    return np.array([*names, MISSING], dtype=object)[codes]  # -1, a missing value, is the last name


def _is_unknown(value: str) -> bool:
    """Does a text say that the group is not known?"""
    text = value.strip()
    # "none" is an answer (an occupation of MovieLens), "None" is what Python writes for nothing
    return not text or text == "None" or text.casefold() in UNKNOWN


def _factorized(column: pd.Series) -> tuple[np.ndarray, Sequence]:
    try:
        return pd.factorize(column)
    except TypeError:  # lists and other values that cannot be hashed
        return pd.factorize(column.map(str).where(column.notna()))


def known_groups(column: pd.Series) -> list[str]:
    """Names of all groups that a column has or, as a categorical, could have; sorted."""
    possible = column.cat.categories if isinstance(column.dtype, pd.CategoricalDtype) else []
    names = {*group_names(column), *group_names(pd.Series(possible, dtype=object))}
    return sorted(names - {MISSING})


def unknown_line(what: str, column: pd.Series) -> list[str]:
    """A line that names the texts which `group_names` reads as unknown; none if there are none."""
    texts = {str(value).strip() for value in _factorized(column)[1]}
    spelled = sorted(repr(text) for text in texts if text and _is_unknown(text))
    if not spelled:
        return []
    verb = "is" if len(spelled) == 1 else "are"
    listed = f"{what}: {', '.join(spelled)} {verb} read as unknown, not as a group"
    return [f"{listed}; give another name to what is an answer"]


def usable_attributes(dataset, attributes: Sequence[str] | None) -> tuple[list[str], list[str]]:
    """Which attributes can be compared, and one line for each that cannot.

    Args:
        dataset: its ``users`` hold the attributes.
        attributes: names of user columns; None: every column with 2 to 8 groups, identifiers left
            out.

    Returns:
        The usable names; lines about the others, and about texts that are read as unknown.
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
            problems.append(f"{unknown_name('attribute', name, known)} (columns of ds.users)")
            continue
        problems += unknown_line(f"attribute {name!r}", users[name])
        reason = _why_not(name, known[name], named=attributes is not None)
        if reason:
            problems.append(f"attribute {name!r} {reason}")
        else:
            usable.append(name)
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
        return f"has {n} groups and was not named: pass attributes=[..., {name!r}] to audit it"
    return ""


def provider_groups(dataset) -> tuple[np.ndarray | None, list[str]]:
    """Provider group of every item, from ``provider_group`` or, if few enough, ``provider``.

    Returns:
        [n_items] str ("" = unknown), or None; and the lines that say why there is none, and which
        texts are read as unknown.
    """
    for name in ("provider_group", "provider"):
        if name not in dataset.items:
            continue
        column = dataset.items[name]
        groups = group_names(column)
        groups[groups == MISSING] = ""
        n = len(set(groups) - {""})
        if n > MOST_GROUPS:
            return None, [
                f"items have {n} providers: add a column provider_group to ds.items with at"
                f" most {MOST_GROUPS} groups"
            ]
        if n == 1:
            one = f"items have one provider group only, {max(groups)!r}"
            return None, [*unknown_line(name, column), f"{one}: exposure cannot be compared"]
        if n:
            return groups, unknown_line(name, column)
    return None, [
        f"{dataset.name} names no provider: exposure of providers is not measured; add a column"
        " provider_group to ds.items"
    ]


# --- which groups are compared ---


def contrasts(
    labels: np.ndarray, sizes: pd.DataFrame
) -> Iterator[tuple[str, str, np.ndarray, np.ndarray]]:
    """The comparisons of an attribute: two groups with each other, each of more with the rest.

    In the order of their names, not the smaller minus the larger: with a few users more or less,
    the same gap would change its sign. Users of unknown group are in no contrast.

    Args:
        labels: [n] str, one per user.
        sizes: columns group and n; empty groups are skipped.

    Yields:
        Name of a, name of b, which users are in a, which are in b ([n] bool each).
    """
    groups = sorted(sizes.loc[(sizes["group"] != MISSING) & (sizes["n"] > 0), "group"])
    if len(groups) == 2:
        yield groups[0], groups[1], labels == groups[0], labels == groups[1]
    elif len(groups) > 2:
        known = labels != MISSING
        rest = rest_name(set(sizes["group"]))
        for name in groups:
            yield name, rest, labels == name, known & (labels != name)


def rest_name(groups: Collection[str]) -> str:
    """What all other groups together are called: "rest", unless a group has that name itself.

    >>> rest_name(["a", "b"]), rest_name(["a", "rest"])
    ('rest', 'all the rest')
    """
    name = "rest"
    while name in groups:
        name = f"all the {name}"
    return name


def gap_name(measure: str, attribute: str, a: str, b: str) -> str:
    """The name of a gap, the same before and after it is measured: "ndcg@10: gender F - M"."""
    return f"{measure}: {contrast_name(attribute, a, b)}"


def contrast_name(attribute: str, a: str, b: str) -> str:
    """The name of a comparison; a column or group that could be read in two ways is quoted.

    >>> contrast_name("gender", "F", "M"), contrast_name("age group", "18 - 24", "rest")
    ('gender F - M', '"age group" "18 - 24" - rest')
    """
    return f"{quoted_column(attribute)} {_quoted_group(a)} - {_quoted_group(b)}"


def cell_name(a: str, b: str) -> str:
    """The name of those who are in group a of one attribute and in group b of another."""
    return f"{_quoted_group(a)} x {_quoted_group(b)}"


def quoted_column(name: str) -> str:
    """A column's name, quoted where it holds a space, which ends an unquoted one."""
    return _quoted(name, any(sign.isspace() or sign == '"' for sign in str(name)))


def _quoted_group(name: str) -> str:
    """A group's name, quoted where it holds what joins groups: " x " or " - "."""
    words = name.split()
    return _quoted(name, '"' in name or (len(words) > 1 and not {"x", "-"}.isdisjoint(words)))


def _quoted(name: str, ambiguous: bool) -> str:
    inside = str(name).replace('"', '""')
    return f'"{inside}"' if ambiguous else str(name)


# --- which sizes may be published: none below ten, and none that gives one away ---


def status(n: int, minimum: int) -> str:
    """What may be said about a group of n users, of whom an interval needs ``minimum``."""
    if n == 0:
        return "empty"
    if n < SUPPRESSED:
        return "suppressed"
    return "too few for an interval" if n < minimum else "measured"


def few(*counts: int) -> bool:
    """Is one of the counts above 0 and too small to be published?"""
    return any(0 < n < SUPPRESSED for n in counts)


def shown(n: int, *, rounded: bool = False) -> str:
    """A group's size as it may be published.

    Args:
        n: the size.
        rounded: to tens, so that a small group beside it does not follow from the total.
    """
    if 0 < n < SUPPRESSED:
        return f"fewer than {SUPPRESSED}"
    return f"about {round(n, -1):,}" if rounded and n else f"{n:,}"


def sizes_text(n_by_group: Mapping[str, int], *, rounded: bool = False) -> str:
    """Group sizes as they may be published; beside a group below ten the others are rounded.

    >>> sizes_text({"F": 5, "M": 92}), sizes_text({"F": 20, "M": 92})
    ('F fewer than 10, M about 90', 'F 20, M 92')
    """
    hide = rounded or few(*n_by_group.values())
    return ", ".join(f"{name} {shown(n, rounded=hide)}" for name, n in n_by_group.items())


def two_digits(n: float) -> float:
    """Rounded up to two digits: nobody knows a needed number better; nan stays nan."""
    if math.isnan(n):
        return n
    unit = 10 ** max(0, len(str(int(n))) - 2)
    return math.ceil(n / unit) * unit
