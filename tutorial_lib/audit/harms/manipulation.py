"""H5: manipulation. What the order of the candidates decides, and what someone gains who plants a
text or fake profiles.

Attacks are shown on the kit's own models and catalogues, to measure how much a defence is worth.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from tutorial_lib.audit.core.finding import Finding, checked_margins, make_finding
from tutorial_lib.audit.harms.planting import with_users
from tutorial_lib.audit.inference.paired import (
    FEWEST,
    int_lists,
    paired_finding,
    quality_changes,
    size_estimate,
    size_reach,
)
from tutorial_lib.audit.inference.statistics import Estimate
from tutorial_lib.data.histories import flatten
from tutorial_lib.data.splits import Split
from tutorial_lib.errors import InputError, unknown_name
from tutorial_lib.evaluation import ranking_metrics

Rank = Callable[
    [np.ndarray], np.ndarray
]  # candidates, int [n, c] -> the same items of each row, best first
NULL_DRAWS = 999
KINDS = ("random", "bandwagon")


def position_findings(
    rank: Rank,
    candidates: np.ndarray,
    targets: Sequence[Collection[int]] | None = None,
    *,
    orders: int = 8,
    margins: Mapping[str, float] | None = None,
    seed: int = 0,
) -> tuple[list[Finding], pd.DataFrame]:
    """How far the order in which candidates are listed decides how they are ranked, from ``orders``
    random orders of the same candidates.

    rank: candidates [n, c] -> [n, c], the same items best first; called orders + 1 times.
        candidates: int [n, c], distinct in a row, no
    padding. targets: [n] collections of relevant items.
    Findings (margin "order"): "tau", Kendall's correlation of an item's place in the input with its
        place in the output, mean over orders,
    then users (0 where the order does not matter, 1 where it is merely repeated); "first place",
    total variation between the input places from which the winner comes and equal chances, beyond
    chance (chi-square test; it also sees a pull to the middle, which tau does not); "instability",
    1 - mean Kendall's tau between outputs, halved, which is the share of pairs of candidates that
    swap, minus the same for one order asked twice. Returns also a row a user: tau, swapped,
    swapped_on_repeat, with targets ndcg and ndcg_sd over the orders (at k = min(10, c)), and in
    ``attrs["first_from_place"]`` the share of winners from each place.
    Source: Hou et al. 2024, arXiv 2305.08845 (position bias of LLM rankers). Raises InputError if
        ``rank`` gives other items back.
    """
    margins, rng = checked_margins(margins)[0], np.random.default_rng([seed, 67])
    candidates = _checked(candidates, orders)
    n, c = candidates.shape
    inputs = [rng.permuted(candidates, axis=1) for _ in range(orders)]
    outputs = [_ranked(rank, given) for given in inputs]
    again = _ranked(rank, inputs[0])
    table = pd.DataFrame(
        {
            "tau": np.mean(
                [
                    kendall(np.argsort(i), np.argsort(o))
                    for i, o in zip(inputs, outputs, strict=True)
                ],
                axis=0,
            )
        }
    )
    table["swapped"] = _swapped(outputs)
    table["swapped_on_repeat"] = (1 - kendall(np.argsort(outputs[0]), np.argsort(again))) / 2
    notes = []
    if targets is not None:
        k = min(10, c)
        ndcg = np.stack(
            [
                ranking_metrics(output, targets, k)[f"ndcg@{k}"].reindex(range(n)).to_numpy()
                for output in outputs
            ]
        )
        table["ndcg"], table["ndcg_sd"] = ndcg.mean(axis=0), ndcg.std(axis=0, ddof=1)
        notes.append(
            f"ndcg@{k} {table['ndcg'].mean():.4f}; its standard deviation over the orders of one"
            f" user {table['ndcg_sd'].mean():.4f}."
        )
    winner = np.mean(
        [i == o[:, :1] for i, o in zip(inputs, outputs, strict=True)], axis=0
    )  # [n, c]: how often it came from each place
    table.attrs["first_from_place"] = winner.mean(axis=0).tolist()
    name, margin = f"of {c} candidates over {orders} orders", margins["order"]
    excess = (table["swapped"] - table["swapped_on_repeat"]).to_numpy()
    findings = [
        paired_finding(
            "H5",
            "providers",
            f"tau of input and output {name}",
            table["tau"].to_numpy(),
            margin,
            rng=rng,
        ),
        _first_place(winner, orders, f"first place by input place {name}", margin, rng),
        paired_finding(
            "H5", "users", f"instability {name}", excess, margin / 2, rng=rng, notes=notes
        ),
    ]
    return findings, table


def _first_place(
    winner: np.ndarray, orders: int, name: str, margin: float, rng: np.random.Generator
) -> Finding:
    """Total variation between the places that winners come from and equal chances; winner: [n, c],
    a distribution for each user.
    """
    n, c = winner.shape
    shares = winner.mean(axis=0)

    def distance(means: np.ndarray) -> np.ndarray:
        return np.abs(means).sum(axis=-1) / 2

    counts, sizes = np.rint(shares * n * orders), {"users": n}
    notes = [
        f"Winners from input place {shares.argmax() + 1} of {c}: {shares.max():.1%}, by equal"
        f" chances {1 / c:.1%}."
    ]
    if n < FEWEST:
        estimate, said = (
            Estimate.nothing(distance(shares - 1 / c)),
            [f"{n} users: no interval below {FEWEST}."],
        )
    else:
        null = distance(
            rng.multinomial(n * orders, np.full(c, 1 / c), size=NULL_DRAWS) / (n * orders) - 1 / c
        )
        reach = size_reach(winner, distance, rng=rng)
        estimate, said = size_estimate(
            float(distance(shares - 1 / c)), null, reach, float(stats.chisquare(counts).pvalue)
        )
        said += (
            [f"Only {n * orders / c:.1f} winners expected a place: chi-square is rough below 5."]
            if n * orders < 5 * c
            else []
        )
    return make_finding(
        "H5", "providers", name, estimate, n_by_group=sizes, margin=margin, notes=notes + said
    )


def kendall(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Kendall's tau of two rankings without ties, row by row: [n, c], [n, c] -> [n] in [-1, 1].

    >>> kendall(np.array([[0, 1, 2]]), np.array([[0, 2, 1]])).round(3).tolist()
    [0.333]
    """
    upper = np.triu_indices(a.shape[1], 1)
    same = (a[:, upper[0]] < a[:, upper[1]]) == (b[:, upper[0]] < b[:, upper[1]])
    return 2 * same.mean(axis=1) - 1


def _swapped(outputs: Sequence[np.ndarray]) -> np.ndarray:
    """Share of pairs of items that two of the outputs order differently, mean over all pairs of
    outputs: [n].
    """
    upper, before, times = np.triu_indices(outputs[0].shape[1], 1), 0.0, len(outputs)
    for output in outputs:
        place = np.argsort(output, axis=1)
        before = before + (place[:, upper[0]] < place[:, upper[1]]) / times
    return (2 * before * (1 - before)).mean(axis=1) * times / (times - 1)


def order_bootstrap(
    rank: Rank, candidates: np.ndarray, *, orders: int = 8, seed: int = 0
) -> np.ndarray:
    """The mitigation: rank ``orders`` random orders of the candidates and sort by mean place, [n,
    c] items best first.

    Starts from the item codes, not from the given order, so that order cannot matter at all; what
    is left is the luck of the draw, the same for everyone who knows no seed. Costs ``orders`` times
    as much. Equal mean places: lower item code first.
    Source: Hou et al. 2024, arXiv 2305.08845.
    """
    ordered = np.sort(_checked(candidates, orders), axis=1)
    rng, places = np.random.default_rng([seed, 71]), 0
    for _ in range(orders):
        places = places + np.argsort(_ranked(rank, rng.permuted(ordered, axis=1)), axis=1)
    return np.take_along_axis(ordered, np.argsort(places, axis=1, kind="stable"), axis=1)


def _checked(candidates: np.ndarray, orders: int) -> np.ndarray:
    candidates = int_lists("candidates", candidates)
    ordered = np.sort(candidates, axis=1)
    if (
        candidates.shape[1] < 2
        or orders < 2
        or (ordered < 0).any()
        or (ordered[:, 1:] == ordered[:, :-1]).any()
    ):
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


def attack_findings(
    before: np.ndarray,
    after: np.ndarray,
    target: int,
    controls: Sequence[int],
    targets: Sequence[Collection[int]] | None = None,
    *,
    margins: Mapping[str, float] | None = None,
    seed: int = 0,
) -> list[Finding]:
    """What an attack on one item gains: its rise in the lists of the same users, beyond that of
    items as popular.

    before, after: int [n, k], lists of the system as it was and attacked, whether by text in a
        title, fake profiles or else; -1 = padding.
    target: the attacked item. controls: of `matched_controls`. targets: [n] collections of the
        items that users went on to choose.
    Findings: lift, the share of users shown the target, after minus before, minus the mean of the
        same over the controls; success, the
    share of users not shown it before who are shown it after; with targets the collateral change of
    NDCG@k and hit@k.
    """
    margins, rng = checked_margins(margins)[0], np.random.default_rng([seed, 73])
    before, controls = int_lists("before", before), np.asarray(controls, dtype=np.int64)
    after = int_lists("after", after, len(before))
    if not len(controls) or target in controls:
        raise InputError(
            f"controls: expected at least one item, and not the target {target}; take them from"
            " matched_controls"
        )
    was, now = ((lists == target).any(axis=1) for lists in (before, after))
    shift = now.astype(float) - was
    usual = (np.isin(after, controls).sum(axis=1) - np.isin(before, controls).sum(axis=1)) / len(
        controls
    )
    notes = [
        f"Shown to {was.mean():.2%} before, {now.mean():.2%} after; {len(controls)} controls rise"
        f" by {usual.mean():+.2%}."
    ]
    gained = np.where(was, np.nan, now)
    who, margin = "platform, providers", margins["lift"]
    findings = [
        paired_finding(
            "H5",
            who,
            "exposure lift of the attacked item - controls",
            shift - usual,
            margin,
            rng=rng,
            notes=notes,
        ),
        paired_finding(
            "H5",
            who,
            "attack success: users newly shown the item",
            gained,
            margin,
            rng=rng,
            share=True,
        ),
    ]
    return findings + (
        quality_changes("H5", "attacked - before", before, after, targets, margins, rng=rng)
        if targets is not None
        else []
    )


def matched_controls(counts: np.ndarray, target: int, n: int = 20, *, seed: int = 0) -> np.ndarray:
    """The ``n`` items whose number of interactions is nearest to the target's, in ratio; equally
    near ones drawn at random: [n] codes.

    counts: [n_items], of the training part before the attack.

    >>> matched_controls(np.array([5, 100, 6, 90]), target=1, n=1).tolist()
    [3]
    """
    counts = np.asarray(counts)
    if not 0 <= target < len(counts) or not 1 <= n < len(counts):
        raise InputError(
            f"matched_controls(target={target}, n={n}): expected an item 0..{len(counts) - 1} and"
            f" 1..{len(counts) - 1} controls"
        )
    far = np.abs(np.log1p(counts) - np.log1p(counts[target]))
    far[target] = np.inf
    return np.sort(np.lexsort((np.random.default_rng([seed, 79]).random(len(counts)), far))[:n])


def shilled(
    split: Split, target: int, profiles: int, size: int = 20, *, kind: str = "random", seed: int = 0
) -> Split:
    """The split with fake users added, each with ``size`` interactions of which one is the target,
    in random order: any `fit` takes it.

    kind: "random", the other items drawn from the whole catalogue; "bandwagon", half of them the
        most popular, to be near many.
    The fakes are added by `with_users`, as "fake-0" and so on.
    Source: Lam & Riedl 2004; Mobasher et al. 2007 (bandwagon). Raises InputError for an item,
        number or size that cannot be.
    """
    n_items = split.dataset.n_items
    if kind not in KINDS:
        raise unknown_name("kind of profiles", kind, KINDS)
    if not (0 <= target < n_items and profiles >= 1 and 1 <= size <= n_items):
        raise InputError(
            f"shilled(target={target}, profiles={profiles}, size={size}): expected"
            f" 0..{n_items - 1}, 1 or more, 1..{n_items}"
        )
    rng = np.random.default_rng([seed, 83])
    wanted = rng.random((profiles, n_items))  # the size lowest are taken
    if kind == "bandwagon":
        counts = np.bincount(flatten(split.train)[0], minlength=n_items).astype(float)
        counts[target] = -1
        wanted[:, np.argsort(-counts, kind="stable")[: (size - 1) // 2]] = -1
    wanted[:, target] = -2
    fakes = rng.permuted(np.argsort(wanted, axis=1)[:, :size], axis=1)
    return with_users(split, fakes, f"{profiles} fake profiles", prefix="fake")
