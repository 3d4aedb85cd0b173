"""One gap under several ways to hold targets out: how much of it is the protocol's doing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from tutorial_lib.audit.core.evidence import (
    SUPPRESSED,
    Evidence,
    collect,
    contrasts,
    group_sizes,
    status,
)
from tutorial_lib.audit.harms.exposure import delta_gap, popularity_lift
from tutorial_lib.audit.inference.statistics import Estimate, group_gap
from tutorial_lib.data import hold_out_k, leave_last_out, random_hold_out
from tutorial_lib.errors import InputError

PROTOCOLS: dict[str, Callable] = {  # name -> (dataset, seed) -> Split
    "20 % at random": lambda dataset, seed: random_hold_out(dataset, share=0.2, seed=seed),
    "5 at random": lambda dataset, seed: random_hold_out(dataset, 5, seed=seed),
    "last 5": lambda dataset, seed: hold_out_k(dataset, 5, valid_k=0),
    "last 1": lambda dataset, seed: leave_last_out(dataset).merge_validation(),
}
DRAWN = (
    "5 at random",
)  # averaged over seeds per user before any inference: splits are no replicates
COLUMNS = "model protocol metric attribute a b n_a n_b mean gap low high p delta_gap".split()


def gap_by_protocol(
    make: Mapping[str, Callable],
    dataset,
    attribute: str | Sequence[str],
    *,
    k: int = 10,
    seeds: Sequence[int] = (0, 1, 2, 3, 4),
    seed: int = 0,
) -> pd.DataFrame:
    """Gap in ndcg@k and in popularity lift between groups, for each model and protocol.

    make: name -> constructor of an unfitted recommender. attribute: one or more user columns; of
    two groups the first name - the second, of more each - the rest. seeds: of the splits that
    are drawn several times; a user's values are averaged over them.
    Returns columns model, protocol, metric, attribute, a, b, n_a, n_b, mean, gap, low, high, p,
    delta_gap (of all users). A contrast with a side of fewer than 10 users has no row, one below
    the evidence's minimum has no interval and no p. Beside a group of fewer than 10, n_a and n_b
    are rounded to tens.
    Raises InputError for an attribute without two groups of 10 judged users under any protocol.
    """
    names = [attribute] if isinstance(attribute, str) else list(attribute)
    rows = []
    for protocol, draw in PROTOCOLS.items():
        splits = [draw(dataset, drawn) for drawn in (seeds if protocol in DRAWN else seeds[:1])]
        for model, kind in make.items():
            fitted = [kind().fit(split, seed=seed, progress=False) for split in splits]
            pairs = zip(fitted, splits, strict=True)
            looks = [collect(recommender, dataset, split, k=k) for recommender, split in pairs]
            rows += [(model, protocol, *row) for row in _gaps(looks, names, seed)]
    return _table(rows, names)


def gap_by_targets(
    evidence: Evidence, attribute: str | Sequence[str], *, model: str, seed: int = 0
) -> pd.DataFrame:
    """The same for lists that are there and cannot be made again: judged by the first target of
    each user, by the first half of them, and by all.

    evidence: with three targets or more for every user. model: its name in the table.
    Returns the columns of `gap_by_protocol`. Raises InputError for fewer targets.
    """
    names = [attribute] if isinstance(attribute, str) else list(attribute)
    most = min(map(len, evidence.targets))
    if most < 3:
        raise InputError(
            f"gap_by_targets: {most} targets a user; expected 3 or more, as hold-out-5 has"
        )
    rows = []
    for n in (1, -(-most // 2), most):
        part = replace(evidence, targets=[target[:n] for target in evidence.targets])
        told = f"{n} of {most} targets"
        rows += [(model, told, *row) for row in _gaps([part], names, seed)]
    return _table(rows, names)


def _table(rows: Sequence[tuple], attributes: Sequence[str]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=COLUMNS)
    for attribute in attributes:
        if not (table["attribute"] == attribute).any():
            raise InputError(
                f"gap_by_protocol: attribute {attribute!r} has fewer than two groups of "
                f"{SUPPRESSED} judged users or more; use coarser groups, or another attribute"
            )
    return table


def _gaps(looks: Sequence[Evidence], attributes: Sequence[str], seed: int) -> Iterator[tuple]:
    """Rows from the metric on; ``looks``: the same users under several draws of one protocol."""
    name = f"ndcg@{looks[0].k}"
    measures = {
        name: np.array([look.metrics[name].to_numpy() for look in looks]),
        "popularity lift": np.array([popularity_lift(look) for look in looks]),
    }
    delta = float(np.mean([delta_gap(look) for look in looks]))
    for attribute in attributes:
        sizes = group_sizes(looks[0], attribute)
        hidden = sizes["status"].eq("suppressed").any()  # and it must not follow from the others
        compared = list(contrasts(looks[0].labels(attribute), sizes))
        for metric, drawn in measures.items():
            defined = ~np.isnan(drawn).all(axis=0)  # no lift without a profile and a list
            values = np.nanmean(drawn[:, defined], axis=0)
            for a, b, *rows in compared:
                x, y = (values[row[defined]] for row in rows)
                if min(len(x), len(y)) < SUPPRESSED:
                    continue
                found = _gap(x, y, looks[0].minimum, seed)
                numbers = float(values.mean()), found.value, found.low, found.high, found.p, delta
                n_a, n_b = (round(len(side), -1) if hidden else len(side) for side in (x, y))
                yield metric, attribute, a, b, n_a, n_b, *numbers


def _gap(x: np.ndarray, y: np.ndarray, minimum: int, seed: int) -> Estimate:
    if status(min(len(x), len(y)), minimum) != "measured":
        return Estimate.nothing(x.mean() - y.mean())
    return group_gap(x, y, rng=np.random.default_rng([seed, 5]))
