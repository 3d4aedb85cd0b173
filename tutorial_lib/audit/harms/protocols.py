"""One gap under several ways to hold out targets: how much of it does the protocol make?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from tutorial_lib.audit.core.evidence import Evidence, collect
from tutorial_lib.audit.core.groups import SUPPRESSED, contrasts, status
from tutorial_lib.audit.harms.popularity import delta_gap
from tutorial_lib.audit.inference.statistics import Estimate, group_gap
from tutorial_lib.data import hold_out_k, leave_last_out, random_hold_out
from tutorial_lib.errors import InputError

PROTOCOLS: dict[str, Callable] = {  # name -> (dataset, seed) -> Split
    "20 % at random": lambda dataset, seed: random_hold_out(dataset, share=0.2, seed=seed),
    "5 at random": lambda dataset, seed: random_hold_out(dataset, 5, seed=seed),
    "last 5": lambda dataset, seed: hold_out_k(dataset, 5, valid_k=0),
    "last 1": lambda dataset, seed: leave_last_out(dataset).merge_validation(),
}
# Drawn once per seed. Splits of the same users are no replicates: each user's values are averaged
# over them before any inference.
REPEATED = ("5 at random",)
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

    Args:
        make: name -> constructor of an unfitted recommender.
        attribute: user column, or several. Of two groups the gap is first name - second name, of
            more each group - the rest.
        seeds: of the splits that are drawn repeatedly.

    Returns:
        Columns model, protocol, metric, attribute, a, b, n_a, n_b, mean, gap, low, high, p,
        delta_gap (of all users). A contrast with a side of fewer than 10 users has no row; one
        below the evidence's minimum has neither interval nor p. Where a group has fewer than 10
        users, all n_a and n_b are rounded to tens, so that its size cannot be derived.

    Raises:
        InputError: an attribute without two groups of 10 judged users under any protocol.
    """
    attributes = [attribute] if isinstance(attribute, str) else list(attribute)
    rows = []
    for protocol, draw in PROTOCOLS.items():
        splits = [draw(dataset, s) for s in (seeds if protocol in REPEATED else seeds[:1])]
        for model, kind in make.items():
            draws = [
                collect(kind().fit(split, seed=seed, progress=False), dataset, split, k=k)
                for split in splits
            ]
            rows += [(model, protocol, *row) for row in _gaps(draws, attributes, seed)]
    return _table(rows, attributes)


def gap_by_targets(
    evidence: Evidence, attribute: str | Sequence[str], *, model: str, seed: int = 0
) -> pd.DataFrame:
    """The same for recorded lists: judged by each user's first target, the first half, and all.

    Args:
        evidence: with three or more targets for every user.
        model: its name in the table.

    Returns:
        The columns of `gap_by_protocol`.

    Raises:
        InputError: fewer than three targets.
    """
    attributes = [attribute] if isinstance(attribute, str) else list(attribute)
    most = min(map(len, evidence.targets))
    if most < 3:
        raise InputError(
            f"gap_by_targets: {most} targets per user; expected 3 or more, as hold-out-5 has"
        )
    rows = []
    for n in (1, -(-most // 2), most):
        part = replace(evidence, targets=[target[:n] for target in evidence.targets])
        protocol = f"{n} of {most} targets"
        rows += [(model, protocol, *row) for row in _gaps([part], attributes, seed)]
    return _table(rows, attributes)


def _table(rows: Sequence[tuple], attributes: Sequence[str]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=COLUMNS)
    for attribute in attributes:
        if not (table["attribute"] == attribute).any():
            raise InputError(
                f"gap_by_protocol: attribute {attribute!r} has fewer than two groups of "
                f"{SUPPRESSED} judged users or more; use coarser groups, or another attribute"
            )
    return table


def _gaps(draws: Sequence[Evidence], attributes: Sequence[str], seed: int) -> Iterator[tuple]:
    """Rows from the metric on; ``draws``: the same users under several draws of one protocol."""
    ndcg, one = f"ndcg@{draws[0].k}", draws[0]
    measures = {
        ndcg: np.array([draw.metrics[ndcg].to_numpy() for draw in draws]),
        "popularity lift": np.array([draw.popularity_lift for draw in draws]),
    }
    delta = float(np.mean([delta_gap(draw) for draw in draws]))
    for attribute in attributes:
        sizes = one.sizes(attribute)
        rounded = sizes["status"].eq("suppressed").any()
        compared = list(contrasts(one.labels(attribute), sizes))
        for metric, drawn in measures.items():
            defined = ~np.isnan(drawn).all(axis=0)  # no lift without a profile and a list
            values = np.nanmean(drawn[:, defined], axis=0)
            for a, b, rows_a, rows_b in compared:
                x = values[rows_a[defined]]
                y = values[rows_b[defined]]
                if min(len(x), len(y)) < SUPPRESSED:
                    continue
                gap = _gap(x, y, one.minimum, seed)
                n_a, n_b = (round(len(side), -1) if rounded else len(side) for side in (x, y))
                numbers = float(values.mean()), gap.value, gap.low, gap.high, gap.p, delta
                yield metric, attribute, a, b, n_a, n_b, *numbers


def _gap(x: np.ndarray, y: np.ndarray, minimum: int, seed: int) -> Estimate:
    if status(min(len(x), len(y)), minimum) != "measured":
        return Estimate.nothing(x.mean() - y.mean())
    return group_gap(x, y, rng=np.random.default_rng([seed, 5]))
