"""H3, users: what can be read out of a system about a person who never said it, or about a record
that was in its training data?
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from scipy import sparse, stats

from tutorial_lib.audit.core.categories import list_matrix
from tutorial_lib.audit.core.evidence import MISSING
from tutorial_lib.audit.core.finding import Finding, make_finding
from tutorial_lib.audit.harms.planting import with_users
from tutorial_lib.audit.inference.statistics import Estimate
from tutorial_lib.data.splits import Split
from tutorial_lib.errors import InputError
from tutorial_lib.evaluation import auc, target_ranks

FOLDS, PERMUTATIONS, RESAMPLES = 5, 199, 999
MOST_USERS = (
    4_000  # of a probe: more are drawn at random, since the null needs a kernel of users x users
)
RIDGE = 0.1  # of the mean diagonal of the kernel
FEWEST = 30  # users with the attribute's rarer value, or canaries, below which there is no interval
FEW_OUTSIDE = (
    2_000  # non-members below which the true-positive rate at 1 % false positives is mostly noise
)


def history_features(histories: Sequence[Sequence[int]], n_items: int) -> sparse.csr_matrix:
    """Which items a history or a list holds, [n, n_items] of 0 and 1, each row scaled to length 1
    (so that its size says nothing).
    """
    held = list_matrix(histories, n_items)
    held.data[:] = 1.0
    norms = np.sqrt(np.asarray(held.sum(axis=1)).ravel())
    return sparse.diags(1 / np.maximum(norms, 1e-12)) @ held


def size_features(histories: Sequence[Sequence[int]]) -> np.ndarray:
    """Log of the number of items, [n, 1]: the least that anybody could know of a user."""
    return np.log1p(np.array([[len(history)] for history in histories], dtype=float))


def attribute_leak(
    features: Mapping[str, object], labels: np.ndarray, margin: float, *, seed: int = 0
) -> list[Finding]:
    """How well each set of features tells the attribute: AUC of a cross-fitted probe minus .5, one
    finding a set.

    features: name -> [n, d] array or sparse matrix, such as user states, the lists alone (what an
        outsider sees), histories (what the
    system was told) and the profile size. labels: [n] group names; users of unknown group are left
    out. With more than two groups the AUC is the mean of one group against the rest. Interval:
    bootstrap over users; an AUC below .5, where the labels that a probe trained on and those it is
    tried on pull apart by chance, counts as .5. p: labels shuffled 199 times, a linear probe
    refitted each time. A probe gives a lower bound: another one might read more. With "state" and
    "history" given, the last finding is the *leak amplification*, the AUC of the state minus that
    of the history, paired over users; a state that tells less amplifies by 0. Raises InputError for
    fewer than two groups, or rows that do not match. Source: Li et al. 2023 (UP5), arXiv
    2305.12090, for the set-up.
    """
    labels = np.asarray(labels).astype(str)
    rng = np.random.default_rng([seed, 47])
    rows = np.flatnonzero(labels != MISSING)
    rows = np.sort(rng.permutation(rows)[:MOST_USERS])
    names = np.unique(labels[rows])
    if len(names) < 2:
        raise InputError(
            f"attribute_leak: labels hold {len(names)} known group(s); expected at least two"
        )
    truth = labels[rows][:, None] == (names[1:] if len(names) == 2 else names)  # [n, groups]
    sizes = {str(name): int((labels[rows] == name).sum()) for name in names}
    draws = [rng.integers(0, len(rows), len(rows)) for _ in range(RESAMPLES)]
    findings, boots = [], {}
    for name, matrix in features.items():
        if matrix.shape[0] != len(labels):
            raise InputError(
                f"attribute_leak: features {name!r} have {matrix.shape[0]} rows, the labels"
                f" {len(labels)}; expected the same users"
            )
        x = (
            sparse.csr_matrix(matrix)[rows]
            if sparse.issparse(matrix)
            else np.asarray(matrix, dtype=float)[rows]
        )
        guesses = {
            probe: cross_fitted(x, truth, probe, seed) for probe in ("logistic", "hidden layer")
        }
        aucs = {probe: mean_auc(truth, guess) for probe, guess in guesses.items()}
        boots[name] = np.array([mean_auc(truth[draw], guesses["logistic"][draw]) for draw in draws])
        estimate, notes = _leak_estimate(
            aucs["logistic"], boots[name], _shuffled_p(x, truth, rng), min(sizes.values())
        )
        notes += [
            f"AUC: logistic {aucs['logistic']:.3f}, one hidden layer {aucs['hidden layer']:.3f}. A"
            " probe is a lower bound."
        ]
        findings.append(
            make_finding(
                "H3",
                "users",
                f"attribute told by {name}: AUC - .5",
                estimate,
                n_by_group=sizes,
                margin=margin,
                notes=notes,
            )
        )
    if {"state", "history"} <= set(features):
        findings.append(
            _amplification(
                boots["state"] - boots["history"], findings, list(features), sizes, margin
            )
        )
    return findings


def _leak_estimate(
    value: float, boot: np.ndarray, p: float, smallest: int
) -> tuple[Estimate, list[str]]:
    if smallest < FEWEST:
        return Estimate.nothing(value - 0.5), [
            f"A group has {smallest} users: no interval below {FEWEST}."
        ]
    low, high = np.nanquantile(boot, [0.025, 0.975]) - 0.5
    told = (
        f"AUC {value:.3f} is below chance and counts as .5: a probe that learned nothing falls"
        " below it on new users."
    )
    return _from_zero(Estimate(value - 0.5, float(low), float(high), p, float(np.nanstd(boot)))), (
        [told] if value < 0.5 else []
    )


def _from_zero(estimate: Estimate) -> Estimate:
    """A negative value counts as 0, its interval moved along."""
    below = max(0.0, -estimate.value)
    return replace(
        estimate, value=estimate.value + below, low=estimate.low + below, high=estimate.high + below
    )


def _amplification(
    boot: np.ndarray,
    findings: list[Finding],
    names: list[str],
    sizes: Mapping[str, int],
    margin: float,
) -> Finding:
    value = findings[names.index("state")].estimate - findings[names.index("history")].estimate
    low, high = np.nanquantile(boot, [0.025, 0.975])
    p = min(1.0, 2 * (1 + min((boot <= 0).sum(), (boot >= 0).sum())) / (1 + len(boot)))
    told = (
        f"The state tells less than the history, by {-value:.3f} [{-high:.3f}, {-low:.3f}]: no"
        " amplification."
    )
    notes = [told] if value < 0 else []
    estimate = _from_zero(
        Estimate(value, float(low), float(high), 1.0 if notes else float(p), float(np.nanstd(boot)))
    )
    return make_finding(
        "H3",
        "users",
        "leak amplification: AUC of state - history",
        estimate,
        n_by_group=sizes,
        margin=margin,
        notes=notes,
    )


def cross_fitted(x, truth: np.ndarray, probe: str, seed: int) -> np.ndarray:
    """Out-of-fold guesses of a probe, [n, groups]; nobody is guessed by a probe that has seen them.
    probe: "logistic" or "hidden layer".
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if probe == "logistic":
        model = LogisticRegression(C=1.0, max_iter=300)
    else:
        model = MLPClassifier(
            (16,), alpha=1.0, learning_rate_init=0.01, max_iter=40, random_state=seed
        )
    pipe = (
        make_pipeline(StandardScaler(with_mean=False), model) if not sparse.issparse(x) else model
    )
    code = truth.argmax(axis=1) + (~truth.any(axis=1)) * truth.shape[1]
    smallest = np.unique(code, return_counts=True)[1].min()
    folds = (
        StratifiedKFold(int(np.clip(smallest, 2, FOLDS)), shuffle=True, random_state=seed)
        if smallest > 1
        else None
    )
    if folds is None:
        raise InputError("attribute_leak: a group has one user; group the values more coarsely")
    out = np.zeros(truth.shape)
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", ConvergenceWarning
        )  # stopped early on purpose: 40 passes regularise
        for train, test in folds.split(np.zeros(len(code)), code):
            for column in range(truth.shape[1]):
                pipe.fit(x[train], truth[train, column])
                out[test, column] = pipe.predict_proba(x[test])[:, 1]
    return out


def mean_auc(truth: np.ndarray, guesses: np.ndarray) -> float:
    """Mean over columns of the AUC, ties counted half: truth bool [n, groups], guesses [n, groups];
    nan where a column has one class.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        ranks = stats.rankdata(guesses, axis=0)
        positive = truth.sum(axis=0)
        wins = (ranks * truth).sum(axis=0) - positive * (positive + 1) / 2
        return float(np.mean(wins / (positive * (len(truth) - positive))))


def _shuffled_p(x, truth: np.ndarray, rng: np.random.Generator) -> float:
    """One-sided p of the AUC of a cross-fitted ridge probe, all label shuffles fitted at once: one
    kernel, one solve a fold.
    """
    kernel = (
        np.asarray((x @ x.T).todense())
        if sparse.issparse(x)
        else (x - x.mean(axis=0)) @ (x - x.mean(axis=0)).T
    )
    n, groups = truth.shape
    shuffled = [truth] + [truth[rng.permutation(n)] for _ in range(PERMUTATIONS)]
    targets = np.concatenate(shuffled, axis=1).astype(float)
    kernel[np.diag_indices(n)] += RIDGE * max(np.trace(kernel) / n, 1e-12)
    fold, guesses = rng.permutation(n) % FOLDS, np.empty(targets.shape)
    for part in range(FOLDS):
        train, test = np.flatnonzero(fold != part), np.flatnonzero(fold == part)
        middle = targets[train].mean(axis=0)
        # centred on the fold's own mean: a fold with more members must not rank higher for that
        guesses[test] = kernel[np.ix_(test, train)] @ np.linalg.solve(
            kernel[np.ix_(train, train)], targets[train] - middle
        )
    found = [
        mean_auc(labels, guesses[:, groups * i : groups * (i + 1)])
        for i, labels in enumerate(shuffled)
    ]
    return float((1 + np.sum(np.array(found[1:]) >= found[0] - 1e-12)) / (1 + PERMUTATIONS))


def plant_canaries(
    split: Split, times: Sequence[int], n: int = 40, size: int = 6, *, seed: int = 0
) -> tuple[Split, dict[int, np.ndarray]]:
    """Sequences that nobody would choose, planted in the training data: the split with them, and
    for each of ``times`` its own ``n`` canaries, int [n, size], of which each was planted so often.
    0 times is the control, which the model never sees.

    Items are drawn evenly over the catalogue, so that no canary follows from what other users do.
    Raises InputError for a number below 0 or none above it, fewer than 2 canaries, or a size that
    cannot be.
    """
    n_items = split.dataset.n_items
    if (
        n < 2
        or not 2 <= size <= n_items
        or not any(times)
        or min(times) < 0
        or len(set(times)) < len(times)
    ):
        given = f"times={list(times)}, n={n}, size={size}"
        raise InputError(
            f"plant_canaries: got {given}; expected different times from 0, one above 0, n from 2,"
            f" size 2..{n_items}"
        )
    rng = np.random.default_rng([seed, 67])
    canaries = {
        often: rng.permuted(np.tile(np.arange(n_items), (n, 1)), axis=1)[:, :size]
        for often in times
    }
    rows = np.concatenate([np.repeat(some, often, axis=0) for often, some in canaries.items()])
    return with_users(split, rows, f"{len(rows)} canaries", prefix="canary"), canaries


def canary_ranks(recommender, canaries: np.ndarray) -> np.ndarray:
    """1-based place of each canary's last item after its others, among all items but those: int
    [n]; ties count half, rounded up.
    """
    canaries = np.asarray(canaries)
    scores = np.array(recommender.score(list(canaries[:, :-1])), dtype=float)
    np.put_along_axis(scores, canaries[:, :-1], -np.inf, axis=1)
    return np.ceil(target_ranks(scores, canaries[:, -1])).astype(int)


def canary_exposure(ranks: np.ndarray, candidates: int) -> np.ndarray:
    """Exposure in bits of planted sequences: log2(candidates) - log2(rank), [n] (Carlini et al.
    2019, definition 2).

    ranks: [n], 1-based place of each canary among all ``candidates`` sequences of its format, by
        the model's likelihood, itself included.
    Of a canary that was never planted 2 ** -exposure is uniform, and the mean exposure 1.44 bits.

    >>> canary_exposure(np.array([1, 8]), 1024).tolist()
    [10.0, 7.0]
    """
    ranks = np.asarray(ranks, dtype=float)
    if candidates < 2 or (ranks < 1).any() or (ranks > candidates).any():
        raise InputError(
            f"canary_exposure: ranks must lie in 1..candidates ({candidates}), and there must be at"
            " least two candidates"
        )
    return np.log2(candidates) - np.log2(ranks)


def memorisation(
    ranks: np.ndarray, candidates: int, margin: float = 1.0, *, planted: int = 0, seed: int = 0
) -> Finding:
    """Mean exposure of canaries beyond the null's: in bits. ``planted``: how often each was in the
    training data, for the name.

    margin: in bits. Interval: t over canaries. p: Kolmogorov-Smirnov test of 2 ** -exposure against
        the uniform distribution, the ranks
    spread within their step so that few candidates do not look like a departure.
    """
    exposure = canary_exposure(ranks, candidates)
    n, places = len(exposure), np.arange(1, candidates + 1)
    null = float(np.mean(np.log2(candidates) - np.log2(places)))
    spread = (np.asarray(ranks) - np.random.default_rng([seed, 53]).random(n)) / candidates
    estimate = Estimate.nothing(exposure.mean() - null)
    if n >= FEWEST:
        se = float(exposure.std(ddof=1) / np.sqrt(n))
        reach = stats.t.ppf(0.975, n - 1) * se
        value = float(exposure.mean() - null)
        estimate = Estimate(
            value, value - reach, value + reach, float(stats.kstest(spread, "uniform").pvalue), se
        )
    name, note = (
        f"canary exposure, planted {planted} times (bits)",
        f"Mean {exposure.mean():.2f} of at most {np.log2(candidates):.2f}.",
    )
    return make_finding(
        "H3",
        "users",
        name,
        estimate,
        n_by_group={"canaries": n},
        margin=margin,
        notes=[note, f"Null mean {null:.2f}."],
    )


def membership(
    inside: np.ndarray,
    outside: np.ndarray,
    margin: float,
    *,
    blind: tuple[np.ndarray, np.ndarray] | None = None,
    seed: int = 0,
) -> Finding:
    """AUC minus .5 with which a score tells members of the training data from non-members.

    inside, outside: scores that should be higher for members, such as minus the loss per item.
        blind: scores of both made from the record
    alone (its length, its popularity), never from the model: if they tell members too, the two
    samples differ and the number says nothing.
    Interval: bootstrap over both. p: Mann-Whitney, two-sided. Notes: the true-positive rate at 1 %
        false positives (Carlini et al. 2022).
    """
    inside, outside = np.asarray(inside, dtype=float), np.asarray(outside, dtype=float)
    if min(len(inside), len(outside)) < 2:
        raise InputError(
            f"membership: {len(inside)} members and {len(outside)} non-members; expected at least"
            " two of each"
        )
    value, rng = auc_of(inside, outside), np.random.default_rng([seed, 59])
    boot = [
        auc_of(rng.choice(inside, len(inside)), rng.choice(outside, len(outside)))
        for _ in range(RESAMPLES)
    ]
    low, high = np.quantile(boot, [0.025, 0.975])
    p = stats.mannwhitneyu(inside, outside).pvalue
    caught = float((inside > np.quantile(outside, 0.99)).mean())
    notes = [f"AUC {value:.3f}; {caught:.3f} of the members are found at 1 % false positives."]
    if len(outside) < FEW_OUTSIDE:
        notes.append(f"{len(outside)} non-members: that rate needs {FEW_OUTSIDE:,}.")
    if blind is not None:
        without = auc_of(*blind)
        void = abs(without - 0.5) > margin
        notes.append(
            "Blind baseline, which never asks the model: AUC"
            f" {without:.3f}{': VOID, the samples differ' if void else ''}."
        )
        if void:
            low, high, p = np.nan, np.nan, np.nan
    estimate = Estimate(
        value - 0.5, float(low - 0.5), float(high - 0.5), float(p), float(np.std(boot))
    )
    sizes = {"members": len(inside), "non-members": len(outside)}
    return make_finding(
        "H3",
        "users",
        "membership: AUC - .5",
        estimate,
        n_by_group=sizes,
        margin=margin,
        notes=notes,
    )


def auc_of(higher: np.ndarray, lower: np.ndarray) -> float:
    """The chance that a value of ``higher`` exceeds one of ``lower``, ties half.

    >>> auc_of(np.array([2.0, 3.0]), np.array([1.0, 2.0]))
    0.875
    """
    return float(auc(np.repeat([1, 0], [len(higher), len(lower)]), np.concatenate([higher, lower])))
