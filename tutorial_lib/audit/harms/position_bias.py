"""H5: manipulation by place. What the order of the candidates in a prompt decides."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from tutorial_lib.audit.core.finding import Finding, make_finding
from tutorial_lib.audit.core.margins import checked_margins
from tutorial_lib.audit.inference.paired import (
    FEWEST,
    int_lists,
    paired_finding,
    size_estimate,
    size_reach,
)
from tutorial_lib.audit.inference.statistics import Estimate
from tutorial_lib.errors import InputError
from tutorial_lib.evaluation import ranking_metrics

# candidates, int [n, c] -> the same items of each row, best first
Rank = Callable[[np.ndarray], np.ndarray]
NULL_DRAWS = 999


def position_findings(
    rank: Rank,
    candidates: np.ndarray,
    targets: Sequence[Collection[int]] | None = None,
    *,
    orders: int = 8,
    margins: Mapping[str, float] | None = None,
    seed: int = 0,
) -> tuple[list[Finding], pd.DataFrame]:
    """How far the order in which candidates are listed decides how they are ranked.

    Args:
        rank: called ``orders`` + 1 times, with the same candidates in random orders, and with the
            first order twice.
        candidates: int [n, c], distinct in a row, no padding.
        targets: [n] collections of relevant items.

    Returns:
        Three findings (margin "order") and a table. "tau": see `order_repeated`. "first place":
        see `_first_place`. "instability": `order_swaps`, minus the same for one order asked twice.
        The table has one row per user: tau, swapped, swapped_on_repeat, with targets also ndcg and
        ndcg_sd over the orders (at k = min(10, c)); ``attrs["first_from_place"]`` is the share of
        winners from each input place.

    Raises:
        InputError: ``rank`` gives other items back.

    Source: Hou et al. 2024, arXiv 2305.08845 (position bias of LLM rankers).
    """
    margin = checked_margins(margins)[0]["order"]
    rng = np.random.default_rng([seed, 67])
    candidates = _checked(candidates, orders)
    inputs = [rng.permuted(candidates, axis=1) for _ in range(orders)]
    outputs = [_ranked(rank, given) for given in inputs]
    repeated = _ranked(rank, inputs[0])
    table = pd.DataFrame(
        {
            "tau": order_repeated(inputs, outputs),
            "swapped": order_swaps(outputs),
            "swapped_on_repeat": order_swaps([outputs[0], repeated]),
        }
    )
    notes = _add_quality(table, outputs, targets)
    winners = np.mean([i == o[:, :1] for i, o in zip(inputs, outputs, strict=True)], axis=0)
    table.attrs["first_from_place"] = winners.mean(axis=0).tolist()
    name = f"of {candidates.shape[1]} candidates over {orders} orders"
    tau, excess = table["tau"].to_numpy(), table["swapped"] - table["swapped_on_repeat"]
    findings = [
        paired_finding("H5", "providers", f"tau of input and output {name}", tau, margin),
        _first_place(winners, orders, f"first place by input place {name}", margin, rng),
        paired_finding(
            "H5", "users", f"instability {name}", excess.to_numpy(), margin / 2, notes=notes
        ),
    ]
    return findings, table


def order_repeated(inputs: Sequence[np.ndarray], outputs: Sequence[np.ndarray]) -> np.ndarray:
    """Kendall's tau of an item's place in the input and in the output, mean over orders: [n].

    0 where the input's order does not matter, 1 where it is merely repeated.
    """
    pairs = zip(inputs, outputs, strict=True)
    return np.mean([kendall(np.argsort(i), np.argsort(o)) for i, o in pairs], axis=0)


def order_swaps(outputs: Sequence[np.ndarray]) -> np.ndarray:
    """Share of pairs of items that two outputs order differently, mean over outputs: [n]."""
    n_outputs = len(outputs)
    first, second = np.triu_indices(outputs[0].shape[1], 1)
    places = [np.argsort(output, axis=1) for output in outputs]
    # [n, pairs]: share of the outputs in which the first item of a pair stands before the second
    before = np.mean([place[:, first] < place[:, second] for place in places], axis=0)
    return (2 * before * (1 - before)).mean(axis=1) * n_outputs / (n_outputs - 1)


def kendall(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Kendall's tau of two rankings without ties, row by row: [n, c], [n, c] -> [n] in [-1, 1].

    >>> kendall(np.array([[0, 1, 2]]), np.array([[0, 2, 1]])).round(3).tolist()
    [0.333]
    """
    first, second = np.triu_indices(a.shape[1], 1)
    same = (a[:, first] < a[:, second]) == (b[:, first] < b[:, second])
    return 2 * same.mean(axis=1) - 1


def _add_quality(
    table: pd.DataFrame, outputs: Sequence[np.ndarray], targets: Sequence[Collection[int]] | None
) -> list[str]:
    """Adds the columns ndcg and ndcg_sd, where targets are known; the note that sums them up."""
    if targets is None:
        return []
    k = min(10, outputs[0].shape[1])
    ndcg = np.stack(
        [
            ranking_metrics(output, targets, k)[f"ndcg@{k}"].reindex(range(len(output))).to_numpy()
            for output in outputs
        ]
    )
    table["ndcg"] = ndcg.mean(axis=0)
    table["ndcg_sd"] = ndcg.std(axis=0, ddof=1)
    return [
        f"ndcg@{k} {table['ndcg'].mean():.4f}; its standard deviation over the orders of one user"
        f" {table['ndcg_sd'].mean():.4f}."
    ]


def _first_place(
    winners: np.ndarray, orders: int, name: str, margin: float, rng: np.random.Generator
) -> Finding:
    """Total variation between the input places that winners come from and equal chances.

    It also sees a pull to the middle, which tau does not. p: chi-square test.

    Args:
        winners: [n, c], how often each user's winner came from each place, rows sum to 1.
    """
    n, c = winners.shape
    shares = winners.mean(axis=0)
    sample = n * orders
    notes = [
        f"Winners from input place {shares.argmax() + 1} of {c}: {shares.max():.1%}, by equal"
        f" chances {1 / c:.1%}."
    ]

    def variation(means: np.ndarray) -> np.ndarray:
        return np.abs(means).sum(axis=-1) / 2

    observed = float(variation(shares - 1 / c))
    if n < FEWEST:
        estimate = Estimate.nothing(observed)
        notes.append(f"{n} users: no interval below {FEWEST}.")
    else:
        draws = rng.multinomial(sample, np.full(c, 1 / c), size=NULL_DRAWS)
        null = variation(draws / sample - 1 / c)
        reach = size_reach(winners, variation, rng=rng)
        p = float(stats.chisquare(np.rint(shares * sample)).pvalue)
        estimate, lines = size_estimate(observed, null, reach, p)
        notes += lines
        if sample < 5 * c:
            expected = sample / c
            notes.append(
                f"Only {expected:.1f} winners expected a place: chi-square is rough below 5."
            )
    return make_finding(
        "H5", "providers", name, estimate, n_by_group={"users": n}, margin=margin, notes=notes
    )


def order_bootstrap(
    rank: Rank, candidates: np.ndarray, *, orders: int = 8, seed: int = 0
) -> np.ndarray:
    """The mitigation: rank ``orders`` random orders of the candidates and sort by mean place.

    Starts from the item codes and not from the given order, so that order cannot matter at all.
    Costs ``orders`` times as much. Equal mean places: lower item code first.

    Returns:
        int [n, c], best first.

    Source: Hou et al. 2024, arXiv 2305.08845.
    """
    ordered = np.sort(_checked(candidates, orders), axis=1)
    rng = np.random.default_rng([seed, 71])
    places = np.zeros_like(ordered)
    for _ in range(orders):
        places += np.argsort(_ranked(rank, rng.permuted(ordered, axis=1)), axis=1)
    return np.take_along_axis(ordered, np.argsort(places, axis=1, kind="stable"), axis=1)


def _checked(candidates: np.ndarray, orders: int) -> np.ndarray:
    candidates = int_lists("candidates", candidates)
    ordered = np.sort(candidates, axis=1)
    repeated = (ordered[:, 1:] == ordered[:, :-1]).any()
    if candidates.shape[1] < 2 or orders < 2 or repeated or (ordered < 0).any():
        raise InputError(
            "candidates: expected rows of two or more distinct item codes without padding, and"
            " orders=2 or more"
        )
    return candidates


def _ranked(rank: Rank, given: np.ndarray) -> np.ndarray:
    output = np.asarray(rank(given))
    if output.shape != given.shape or (np.sort(output, axis=1) != np.sort(given, axis=1)).any():
        raise InputError(
            f"rank: expected the candidates of each row again, best first, as [{given.shape[0]},"
            f" {given.shape[1]}] item codes"
        )
    return output
