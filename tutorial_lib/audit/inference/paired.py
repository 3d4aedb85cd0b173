"""What a change does to the same users: means of paired numbers, and sizes that cannot be negative,
with intervals that allow for it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np

from tutorial_lib.audit.core.finding import Finding, make_finding
from tutorial_lib.audit.core.groups import few, shown
from tutorial_lib.audit.inference.statistics import rate
from tutorial_lib.errors import InputError
from tutorial_lib.evaluation.estimates import Estimate, mean_estimate
from tutorial_lib.evaluation.ranking import ranking_metrics

FEWEST = 30  # users (prompts) below which there is no interval
FEW_MOVED = 10  # users with a value other than 0, below which the reader is told how many there are
RESAMPLES = 999
CELLS_AT_ONCE = 1 << 22


def paired_mean(values: np.ndarray, *, share: bool = False) -> tuple[Estimate, list[str]]:
    """Mean over users of a number in [-1, 1], and what to say about it.

    Fewer than 30 users: no interval. Else that of `mean_estimate`. Where no list changed, one could
    have changed, by as much as 1: the interval of a share is then Wilson's, so that "0 of 300" is
    "below 1.3 %" and not 0.

    Args:
        values: [n], one per user, such as a difference between two lists of the same user; nan =
            not defined, left out and counted.
        share: the values are shares, which are judged by their margin alone (no p: a share above 0
            is above 0).
    """
    values = np.asarray(values, dtype=float)
    kept = values[~np.isnan(values)]
    n, moved = len(kept), int((kept != 0).sum())
    notes = [f"{shown(len(values) - n)} users without a value left out."] if n < len(values) else []
    if n < FEWEST:
        notes.append(f"{n} users: no interval below {FEWEST}.")
        return Estimate.nothing(kept.mean() if n else np.nan), notes
    if moved < FEW_MOVED:
        how_many = f"Not 0 for {shown(moved)} of the users" if moved else "0 for every user"
        notes.append(f"{how_many}: the interval allows for what was not seen.")
    if not share:
        return mean_estimate(kept, signed=True, scale=1.0), notes
    return replace(mean_estimate(kept) if moved else rate(0, n), p=np.nan), notes


def paired_finding(
    harm: str,
    stakeholder: str,
    metric: str,
    values: np.ndarray,
    margin: float,
    *,
    unit: str = "users",
    share: bool = False,
    notes: Sequence[str] = (),
) -> Finding:
    """`paired_mean` as a finding; the size of the sample is the number of defined values."""
    estimate, said = paired_mean(values, share=share)
    n = int((~np.isnan(values)).sum())
    return make_finding(
        harm,
        stakeholder,
        metric,
        estimate,
        n_by_group={unit: n},
        margin=margin,
        notes=[*notes, *said],
        rounded=few(len(values) - n),
    )


def quality_changes(
    harm: str,
    label: str,
    before: np.ndarray,
    after: np.ndarray,
    targets: Sequence[Collection[int]],
    margins: Mapping[str, float],
) -> list[Finding]:
    """NDCG@k and hit@k after minus before: a change of a list is a loss only if it becomes worse.

    Args:
        harm: class of the register.
        label: what changed, as in "ndcg@10: A woman - neutral".
        before, after: int [n, k], -1 = padding.
        targets: [n] collections of the items each user went on to choose; users without are left
            out.
        margins: "quality" is used, as a share of the mean before.
    """
    k = before.shape[1]
    old, new = (ranking_metrics(lists, targets, k) for lists in (before, after))
    findings = []
    for name in (f"ndcg@{k}", f"hit@{k}"):
        mean = float(old[name].mean()) if len(old) else 0.0
        margin = margins["quality"] * mean if mean > 0 else np.nan
        change = (new[name] - old[name]).to_numpy()
        notes = [f"{mean:.4f} before the change."]
        findings.append(
            paired_finding(harm, "users", f"{name}: {label}", change, margin, notes=notes)
        )
    return findings


def size_reach(
    values: np.ndarray, size: Callable[[np.ndarray], np.ndarray], *, rng: np.random.Generator
) -> float:
    """How far the size of a vector of means may lie from the truth, in 95 % of samples.

    A size is never negative, so its bootstrap interval excludes 0 in every world. By the triangle
    inequality |size(means) - size(truth)| <= size(means - truth), whose 95th percentile the
    bootstrap of centred users gives: observed size -+ this value covers the truth in at least 95 %
    of samples, and 0 where there is nothing (Tukey's range test has the same form).

    Args:
        values: [n, A], one row per user.
        size: a seminorm over the last axis, such as the range of A means; [..., A] -> [...].
        rng: of the bootstrap.
    """
    centred, n = values - values.mean(axis=0), len(values)
    step = max(1, CELLS_AT_ONCE // n)
    draws = []
    for start in range(0, RESAMPLES, step):
        counts = rng.multinomial(n, np.full(n, 1 / n), size=min(step, RESAMPLES - start))
        draws.append(size(counts @ centred / n))
    return float(np.quantile(np.concatenate(draws), 0.95))


def size_estimate(
    observed: float, null: np.ndarray, reach: float, p: float = 0.0
) -> tuple[Estimate, list[str]]:
    """Excess of a size over its mean under the null, and the note that gives the null.

    Args:
        observed: the size.
        null: [draws], the size where there is no effect.
        reach: of `size_reach`; the interval, observed -+ reach, is that of the true size, and
            conservative.
        p: of a further test, which must agree: the larger one counts. The own one is the share of
            the null at least as large as the size.
    """
    own = (1 + int((null >= observed - 1e-12).sum())) / (1 + len(null))
    low, high = observed - reach, observed + reach
    estimate = Estimate(float(observed - null.mean()), low, high, max(own, p), reach / 1.96)
    note = (
        f"Observed {observed:.4f}; by chance alone its mean is {null.mean():.4f}, its 95th"
        f" percentile {np.quantile(null, 0.95):.4f}."
    )
    return estimate, [note]


def int_lists(
    name: str, lists: Sequence[Sequence[int]] | np.ndarray, n: int | None = None
) -> np.ndarray:
    """Lists as int [n, k], -1 = padding.

    Raises:
        InputError: not such an array of codes, or not ``n`` rows where it is given.
    """
    try:
        array = np.asarray(lists)
    except ValueError:  # rows of different lengths
        array = np.empty(0)
    if array.ndim != 2 or array.dtype.kind not in "iu" or (n is not None and len(array) != n):
        rows = "n" if n is None else n
        raise InputError(
            f"{name}: expected item codes in an [{rows}, k] array (-1 fills short lists),"
            f" got shape {array.shape}"
        )
    return array.astype(np.int64, copy=False)
