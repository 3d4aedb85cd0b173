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

from tutorial_lib.audit.core.evidence import SUPPRESSED, contrasts, judged_rows
from tutorial_lib.audit.core.groups import MISSING, group_names, known_groups, usable_attributes
from tutorial_lib.audit.core.margins import DEFAULT, GIVEN, checked_margins
from tutorial_lib.audit.harms import exposure, quality
from tutorial_lib.data import Dataset, Split
from tutorial_lib.errors import InputError, check_seed, check_whole

LARGEST_FAMILY = 8
UNEQUAL = (
    0.10  # mean numbers of targets that differ by more than this share between groups are flagged
)


@dataclass(frozen=True)
class Declaration:
    """Everything that decides what is tested and how it is judged, fixed by data set, split and
    arguments alone.

    date: day (UTC) on which it was made. dataset, data_sha256: name and content (interactions,
    groups of users and items). split, targets_sha256: name of the split, and the users and items it
    holds out. on, k, seed: as in `audit`. attributes: user columns compared. contrasts: (attribute,
    a, b) of every signed gap. family: metric names tested together (Holm). margins: name -> (value,
    None where it was unusable; who set it, "default" or "given"). problems: what could not be
    declared as asked, one line each.
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
        return json.dumps(
            record | {"margins": dict(self.margins)},
            sort_keys=True,
            separators=(",", ":"),
            ensure_ascii=False,
        )

    @property
    def sha256(self) -> str:
        """Hash of `to_json`. Publish it, or the text, before the audit: then anybody can check that
        nothing was chosen afterwards.
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
    """The declaration of an audit with these arguments. No recommender is needed: none can have
    been asked yet.

    Arguments as in `audit`. date: yyyy-mm-dd, by default today (UTC).

    >>> from tutorial_lib.data import hold_out_k, load_dataset
    >>> ds = load_dataset("world-news")
    >>> declared = declare(ds, hold_out_k(ds, 5), {"exposure": 0.1}, attributes=["gender"])
    >>> declared.family, declared.margins["exposure"], len(declared.sha256)
    (('ndcg@10: gender F - M', 'exposure - merit: minority'), (0.1, 'given'), 64)
    """
    _check_arguments(dataset, split, k, attributes, on, seed, date)
    users, targets = judged_rows(dataset, split, k=k, on=on)[1:]
    used, problems = checked_margins(margins)
    names, lines = usable_attributes(dataset, attributes)
    groups, more = exposure.provider_groups(dataset)
    compared = {name: _contrasts(dataset, users, name) for name in names}
    family = [
        quality.gap_name(f"ndcg@{k}", name, a, b)
        for name, found in compared.items()
        for a, b in found
    ]
    providers = [] if groups is None else exposure.reported_groups(groups, targets)
    family += [exposure.merit_name(name) for name in providers]
    problems += [*lines, *more, *_family_problems(compared, family)]
    problems += [line for name in names for line in _unequal_targets(dataset, users, targets, name)]
    given = set(margins) if isinstance(margins, Mapping) else set()
    who = {
        name: (None if math.isnan(value) else value, GIVEN if name in given else DEFAULT)
        for name, value in used.items()
    }
    signed = tuple((name, a, b) for name, found in compared.items() for a, b in found)
    return Declaration(
        date=date or datetime.now(UTC).date().isoformat(),
        dataset=str(dataset.name),
        data_sha256=_data_digest(dataset, names, groups),
        split=str(split.name),
        targets_sha256=digest(users, np.array([len(t) for t in targets]), np.concatenate(targets)),
        on=on,
        k=int(k),
        seed=int(seed),
        attributes=tuple(names),
        contrasts=signed,
        family=tuple(family),
        margins=who,
        problems=tuple(dict.fromkeys(problems)),
    )


def _check_arguments(dataset, split, k, attributes, on, seed, date) -> None:
    """InputError for the first argument of `declare` of another type than it names."""
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


def _is_day(text) -> bool:
    try:
        return datetime.fromisoformat(text).date().isoformat() == text
    except (TypeError, ValueError):
        return False


def _contrasts(dataset, users: np.ndarray, attribute: str) -> list[tuple[str, str]]:
    labels = group_names(dataset.users[attribute])[users]
    names = known_groups(dataset.users[attribute])
    sizes = pd.DataFrame({"group": names, "n": [int((labels == name).sum()) for name in names]})
    return [(a, b) for a, b, *_ in contrasts(labels, sizes)]


def _family_problems(compared: Mapping[str, list], family: Sequence[str]) -> list[str]:
    alone = [name for name, found in compared.items() if not found]
    lines = [
        f"attribute {name!r}: fewer than two groups hold a user with targets, so there is no gap"
        for name in alone
    ]
    if len(family) > LARGEST_FAMILY:
        text = (
            f"the declared family holds {len(family)} tests, and each one costs power: name fewer"
            " attributes to stay within"
        )
        lines.append(f"{text} {LARGEST_FAMILY}")
    return lines


def _unequal_targets(
    dataset, users: np.ndarray, targets: Sequence[np.ndarray], attribute: str
) -> list[str]:
    """A line where the groups of an attribute are judged on unequal numbers of targets: NDCG rises
    with that number by itself.
    """
    labels = group_names(dataset.users[attribute])[users]
    sizes = (
        pd.Series([len(t) for t in targets], dtype=float)
        .groupby(labels)
        .agg(["size", "mean"])
        .drop(MISSING, errors="ignore")
    )
    means = sizes.loc[sizes["size"] >= SUPPRESSED, "mean"]
    if len(means) < 2 or means.max() <= (1 + UNEQUAL) * means.min():
        return []
    told = (
        f"{means.idxmin()} have {means.min():.1f} targets on average, those of {means.idxmax()}"
        f" {means.max():.1f}"
    )
    return [
        f"attribute {attribute!r}: users of {told}, and ndcg rises with that number: hold out the"
        " same number for everybody"
    ]


def _data_digest(dataset, names: Sequence[str], groups: np.ndarray | None) -> str:
    events = dataset.interactions[["user", "item", "timestamp"]].to_numpy()
    labels = [json.dumps(group_names(dataset.users[name]).tolist()) for name in names]
    providers = json.dumps([] if groups is None else groups.tolist())
    return digest(
        events, *(np.frombuffer(text.encode(), dtype=np.uint8) for text in (*labels, providers))
    )


def digest(*arrays: np.ndarray) -> str:
    """SHA-256 over the bytes of arrays, the first 16 hexadecimal digits."""
    found = hashlib.sha256()
    for array in arrays:
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()[:16]
