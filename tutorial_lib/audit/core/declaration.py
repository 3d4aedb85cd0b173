"""What an audit will test, written down and hashed before the system is asked for anything."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime

import numpy as np
import pandas as pd

from tutorial_lib.audit.core.evidence import judged_rows
from tutorial_lib.audit.core.groups import (
    MISSING,
    SUPPRESSED,
    contrasts,
    gap_name,
    group_names,
    known_groups,
    provider_groups,
    usable_attributes,
)
from tutorial_lib.audit.core.lists import row_means
from tutorial_lib.audit.core.margins import DEFAULT, GIVEN, checked_margins
from tutorial_lib.data import Dataset, Split
from tutorial_lib.errors import InputError, check_seed, check_whole

LARGEST_FAMILY = 8
UNEQUAL = 0.1  # a larger relative difference between groups in targets per user is reported


@dataclass(frozen=True)
class Declaration:
    """Everything that decides what is tested and how it is judged.

    Args:
        date: day (UTC) on which it was made.
        dataset: its name.
        data_sha256: of its interactions, and of the groups of users and items.
        split: its name.
        targets_sha256: of the users and items that it holds out.
        on, k, seed: as in `audit`.
        attributes: user columns that are compared.
        contrasts: (attribute, a, b) of every signed gap.
        family: metric names that are tested together (Holm).
        margins: name -> (value, None where it was unusable; who set it, "default" or "given").
        problems: what could not be declared as asked, one line each.
    """

    date: str
    dataset: str
    data_sha256: str
    split: str
    targets_sha256: str
    on: str
    k: int
    seed: int
    attributes: tuple[str, ...]
    contrasts: tuple[tuple[str, str, str], ...]
    family: tuple[str, ...]
    margins: Mapping[str, tuple[float | None, str]]
    problems: tuple[str, ...] = ()

    def to_json(self) -> str:
        """Canonical JSON: keys sorted, no spaces, so that equal declarations have equal hashes."""
        record = {field.name: getattr(self, field.name) for field in fields(self)}
        record["margins"] = dict(self.margins)
        return json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    @property
    def sha256(self) -> str:
        """Hash of `to_json`.

        Publish it, or the text, before the audit: then anybody can check that nothing was chosen
        afterwards.
        """
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    @property
    def used_margins(self) -> dict[str, float]:
        """Name -> value; nan where the given value was unusable."""
        return {
            name: math.nan if value is None else value for name, (value, _) in self.margins.items()
        }


def declare(
    dataset,
    split,
    margins: Mapping[str, float] | None = None,
    *,
    k: int = 10,
    attributes: Sequence[str] | None = None,
    on: str = "test",
    seed: int = 0,
    date: str | None = None,
) -> Declaration:
    """The declaration of an audit with these arguments.

    No recommender is needed: none can have been asked yet.

    Args:
        dataset, split, margins, k, attributes, on, seed: as in `audit`.
        date: yyyy-mm-dd, by default today (UTC).

    >>> from tutorial_lib.data import hold_out_k, load_dataset
    >>> ds = load_dataset("world-news")
    >>> declared = declare(ds, hold_out_k(ds, 5), {"exposure": 0.1}, attributes=["gender"])
    >>> declared.family, declared.margins["exposure"], len(declared.sha256)
    (('ndcg@10: gender F - M', 'exposure - merit: minority'), (0.1, 'given'), 64)
    """
    _check_arguments(dataset, split, k, attributes, on, seed, date)
    _, users, targets = judged_rows(dataset, split, k=k, on=on)
    used, problems = checked_margins(margins)
    names, lines = usable_attributes(dataset, attributes)
    providers, more_lines = provider_groups(dataset)
    labels = {name: group_names(dataset.users[name])[users] for name in names}
    gaps = [(name, a, b) for name in names for a, b in _gaps(dataset, name, labels[name])]
    family = [gap_name(f"ndcg@{k}", *gap) for gap in gaps]
    if providers is not None:
        family += [merit_name(name) for name in reported_groups(providers, targets)]
    problems += [*lines, *more_lines, *_family_problems(names, gaps, family)]
    problems += [line for name in names for line in _unequal_targets(name, labels[name], targets)]
    return Declaration(
        date=date or datetime.now(UTC).date().isoformat(),
        dataset=str(dataset.name),
        data_sha256=_data_digest(dataset, names, providers),
        split=str(split.name),
        targets_sha256=digest(users, np.array([len(t) for t in targets]), np.concatenate(targets)),
        on=on,
        k=int(k),
        seed=int(seed),
        attributes=tuple(names),
        contrasts=tuple(gaps),
        family=tuple(family),
        margins=_with_origin(used, margins),
        problems=tuple(dict.fromkeys(problems)),
    )


def _check_arguments(dataset, split, k, attributes, on, seed, date) -> None:
    """InputError for the first argument of `declare` that is not of its type."""
    for name, value, kind in (("dataset", dataset, Dataset), ("split", split, Split)):
        if not isinstance(value, kind):
            got = type(value).__name__
            raise InputError(f"audit({name}): expected a {kind.__name__}, got {got}")
    check_whole("audit", 1, dataset.n_items, k=k)
    check_seed("audit", seed)
    listed = isinstance(attributes, (list, tuple, type(None), str))
    if not listed or any(not isinstance(name, str) for name in attributes or ()):
        wanted = "expected names of user columns, such as ['gender']"
        raise InputError(f"audit(attributes={attributes!r}): {wanted}")
    if not isinstance(on, str):
        raise InputError(f"audit(on={on!r}): expected 'test' or 'valid'")
    if date is not None and not _is_day(date):
        raise InputError(f"declare(date={date!r}): expected a day as yyyy-mm-dd")


def _with_origin(used: Mapping[str, float], margins) -> dict[str, tuple[float | None, str]]:
    """Every margin with who set it; None in place of one that cannot be used."""
    given = margins if isinstance(margins, Mapping) else {}
    return {
        name: (None if math.isnan(value) else value, GIVEN if name in given else DEFAULT)
        for name, value in used.items()
    }


def _is_day(text) -> bool:
    try:
        return datetime.fromisoformat(text).date().isoformat() == text
    except (TypeError, ValueError):
        return False


def _gaps(dataset, attribute: str, labels: np.ndarray) -> list[tuple[str, str]]:
    """The two sides of every contrast of an attribute. labels: of the judged users."""
    names = known_groups(dataset.users[attribute])
    sizes = pd.DataFrame({"group": names, "n": [int((labels == name).sum()) for name in names]})
    return [(a, b) for a, b, *_ in contrasts(labels, sizes)]


def _family_problems(
    names: Sequence[str], gaps: Sequence[tuple[str, str, str]], family: Sequence[str]
) -> list[str]:
    """A line for every attribute without a contrast, and for a family that costs much power."""
    compared = {name for name, *_ in gaps}
    lines = [
        f"attribute {name!r}: fewer than two groups hold a user with targets, so there is no gap"
        for name in names
        if name not in compared
    ]
    if len(family) > LARGEST_FAMILY:
        lines.append(
            f"the declared family holds {len(family)} tests, and each one costs power:"
            f" name fewer attributes to stay within {LARGEST_FAMILY}"
        )
    return lines


def _unequal_targets(
    attribute: str, labels: np.ndarray, targets: Sequence[np.ndarray]
) -> list[str]:
    """A line where groups differ in targets per user: NDCG rises with their number by itself."""
    counts = pd.Series([len(t) for t in targets], dtype=float).groupby(labels)
    sizes = counts.agg(["size", "mean"]).drop(MISSING, errors="ignore")
    means = sizes.loc[sizes["size"] >= SUPPRESSED, "mean"]
    if len(means) < 2 or means.max() <= (1 + UNEQUAL) * means.min():
        return []
    return [
        f"attribute {attribute!r}: users of {means.idxmin()} have {means.min():.1f} targets on"
        f" average, those of {means.idxmax()} {means.max():.1f}, and ndcg rises with that number:"
        " hold out the same number for everybody"
    ]


def merit_name(group: str) -> str:
    """The name of an exposure finding, the same before and after it is measured."""
    return f"exposure - merit: {group}"


def reported_groups(groups: np.ndarray, targets: Sequence[np.ndarray]) -> list[str]:
    """Provider groups that get a finding: all, but of two that share all items the lesser only.

    The difference of the other is minus this one's, and its margin, a share of its larger merit,
    is wider: nothing can be MATERIAL there and not here.

    Args:
        groups: [n_items] str, "" = unknown.
        targets: item codes, one array per user.
    """
    names = np.unique(groups[groups != ""].astype(str)).tolist()
    if len(names) != 2 or (groups == "").any():
        return names
    merit = np.nanmean(row_means(targets, members_of(groups, names)), axis=0)
    return [names[merit.argmin()]]


def members_of(groups: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """[n_items, n_names]: 1 where an item is of the group, else 0."""
    return (groups[:, None] == np.array(names, dtype=object)).astype(float)


def _data_digest(dataset, names: Sequence[str], providers: np.ndarray | None) -> str:
    events = dataset.interactions[["user", "item", "timestamp"]].to_numpy()
    groups = [group_names(dataset.users[name]).tolist() for name in names]
    groups.append([] if providers is None else providers.tolist())
    texts = (json.dumps(labels).encode() for labels in groups)
    return digest(events, *(np.frombuffer(text, dtype=np.uint8) for text in texts))


def digest(*arrays: np.ndarray) -> str:
    """SHA-256 over the bytes of arrays, the first 16 hexadecimal digits."""
    sha = hashlib.sha256()
    for array in arrays:
        sha.update(np.ascontiguousarray(array).tobytes())
    return sha.hexdigest()[:16]
