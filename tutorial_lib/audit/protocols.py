"""The same gap under several ways to hold targets out: how much of a finding is the protocol's doing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from tutorial_lib.audit.evidence import collect, contrasts, group_sizes
from tutorial_lib.audit.exposure import delta_gap, popularity_lift
from tutorial_lib.audit.inference import group_gap
from tutorial_lib.data import hold_out_k, leave_last_out, random_hold_out
from tutorial_lib.errors import InputError

PROTOCOLS: dict[str, Callable] = {  # name -> (dataset, seed) -> Split; deterministic ones take one seed only
    "20 % at random": lambda dataset, seed: random_hold_out(dataset, share=0.2, seed=seed),
    "5 at random": lambda dataset, seed: random_hold_out(dataset, 5, seed=seed),
    "last 5": lambda dataset, seed: hold_out_k(dataset, 5, valid_k=0),
    "last 1": lambda dataset, seed: leave_last_out(dataset).merge_validation(),
}
DRAWN = ("5 at random",)  # averaged over seeds per user before any inference: splits are no replicates


def gap_by_protocol(
    make: Mapping[str, Callable], dataset, attribute: str, *, k: int = 10, seeds: Sequence[int] = (0, 1, 2, 3, 4), seed: int = 0
) -> pd.DataFrame:
    """Gap in ndcg@k and in popularity lift between the two groups of an attribute, for each model and protocol.

    make: name -> constructor of an unfitted recommender. seeds: of the splits that are drawn several times; a user's values are averaged
    over them. Returns columns model, protocol, metric, a, b, n_a, n_b, mean, gap, low, high, p, delta_gap (of all users).
    Raises InputError unless the attribute has two groups.
    """
    rows = []
    for protocol, draw in PROTOCOLS.items():
        for name, kind in make.items():
            looks = []
            for drawn in seeds if protocol in DRAWN else seeds[:1]:
                split = draw(dataset, drawn)
                looks.append(collect(kind().fit(split, seed=seed, progress=False), dataset, split, k=k))
            compared = list(contrasts(looks[0].labels(attribute), group_sizes(looks[0], attribute)))
            if len(compared) != 1 or compared[0][1] == "rest":
                raise InputError(f"gap_by_protocol: attribute {attribute!r} needs exactly two groups, as gender has in most data sets")
            a, b, of_a, of_b = compared[0]
            measures = {
                f"ndcg@{k}": [look.metrics[f"ndcg@{k}"].to_numpy() for look in looks],
                "popularity lift": map(popularity_lift, looks),
            }
            for metric, values in measures.items():
                values = np.nanmean(list(values), axis=0)
                found = group_gap(values[of_a], values[of_b], rng=np.random.default_rng([seed, 5]))
                numbers = values.mean(), found.value, found.low, found.high, found.p, np.mean([delta_gap(look) for look in looks])
                rows.append((name, protocol, metric, a, b, int(of_a.sum()), int(of_b.sum()), *map(float, numbers)))
    columns = "model protocol metric a b n_a n_b mean gap low high p delta_gap".split()
    return pd.DataFrame(rows, columns=columns)
