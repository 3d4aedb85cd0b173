"""H3, users: what can be read out of a system about a person who never said it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from scipy import sparse, stats

from tutorial_lib.audit.core.finding import Finding, make_finding
from tutorial_lib.audit.core.groups import MISSING
from tutorial_lib.audit.core.lists import list_matrix
from tutorial_lib.audit.inference.statistics import Estimate
from tutorial_lib.errors import InputError

FOLDS = 5
PERMUTATIONS = 199
RESAMPLES = 999
MOST_USERS = 4_000  # more are sampled: the permutation test needs a kernel of users x users
RIDGE = 0.1  # of the mean diagonal of the kernel
FEWEST = 30  # users with the attribute's rarest value, below which there is no interval
Features: TypeAlias = np.ndarray | sparse.csr_matrix


def history_features(histories: Sequence[Sequence[int]], n_items: int) -> sparse.csr_matrix:
    """Which items a history or a list holds: [n, n_items].

    Each row has length 1, so that its size says nothing.
    """
    held = list_matrix(histories, n_items)
    held.data[:] = 1.0
    norms = np.sqrt(np.asarray(held.sum(axis=1)).ravel())
    return sparse.diags(1 / np.maximum(norms, 1e-12)) @ held


def size_features(histories: Sequence[Sequence[int]]) -> np.ndarray:
    """Log of the number of items, [n, 1]: the least that anybody could know of a user."""
    return np.log1p(np.array([[len(history)] for history in histories], dtype=float))


def attribute_leak(
    features: Mapping[str, Features], labels: np.ndarray, margin: float, *, seed: int = 0
) -> list[Finding]:
    """How well each set of features reveals an attribute: AUC of a cross-fitted probe minus .5.

    A probe gives a lower bound: another one might read more. An AUC below .5 counts as .5: on
    held-out users a probe that learned nothing falls below it by chance.

    Args:
        features: name -> [n, d], such as user states, the lists alone (what an outsider sees),
            histories (what the system was told) and the profile size.
        labels: [n] group names; users of unknown group are left out. With more than two groups
            the AUC is the mean over groups of one against the rest.
        margin: in AUC.

    Returns:
        One finding per set of features. Interval: bootstrap over users. p: labels shuffled 199
        times, a linear probe refitted each time. With "state" and "history" given, the last
        finding is the *leak amplification*: the AUC of the state minus that of the history, paired
        over users; a state that reveals less amplifies by 0.

    Raises:
        InputError: fewer than two groups, or rows that do not match.

    Source: Li et al. 2023 (UP5), arXiv 2305.12090, for the set-up.
    """
    labels = np.asarray(labels).astype(str)
    rng = np.random.default_rng([seed, 47])
    rows = np.sort(rng.permutation(np.flatnonzero(labels != MISSING))[:MOST_USERS])
    names = np.unique(labels[rows])
    if len(names) < 2:
        raise InputError(
            f"attribute_leak: labels hold {len(names)} known group(s); expected at least two"
        )
    for name, matrix in features.items():
        if matrix.shape[0] != len(labels):
            raise InputError(
                f"attribute_leak: features {name!r} have {matrix.shape[0]} rows, the labels"
                f" {len(labels)}; expected the same users"
            )
    truth = labels[rows][:, None] == (names[1:] if len(names) == 2 else names)  # [n, groups]
    sizes = {str(name): int((labels[rows] == name).sum()) for name in names}
    draws = np.stack([rng.integers(0, len(rows), len(rows)) for _ in range(RESAMPLES)], axis=1)
    findings = []
    estimates: dict[str, Estimate] = {}
    bootstraps: dict[str, np.ndarray] = {}
    for name, matrix in features.items():
        x = sparse.csr_matrix(matrix) if sparse.issparse(matrix) else np.asarray(matrix, float)
        x = x[rows]
        linear = cross_fitted(x, truth, "logistic", seed)
        auc = aucs(truth, linear).mean()
        auc_hidden = aucs(truth, cross_fitted(x, truth, "hidden layer", seed)).mean()
        groups = zip(truth.T, linear.T, strict=True)
        bootstraps[name] = np.mean([aucs(t[draws], guess[draws]) for t, guess in groups], axis=0)
        p = _shuffled_p(x, truth, rng)
        estimates[name], notes = _leak_estimate(
            auc, auc_hidden, bootstraps[name], p, min(sizes.values())
        )
        metric = f"attribute told by {name}: AUC - .5"
        findings.append(_finding(metric, estimates[name], sizes, margin, notes))
    if {"state", "history"} <= set(features):
        value = estimates["state"].value - estimates["history"].value
        estimate, notes = _amplification(value, bootstraps["state"] - bootstraps["history"])
        metric = "leak amplification: AUC of state - history"
        findings.append(_finding(metric, estimate, sizes, margin, notes))
    return findings


def _finding(
    metric: str, estimate: Estimate, sizes: Mapping[str, int], margin: float, notes: list[str]
) -> Finding:
    return make_finding(
        "H3", "users", metric, estimate, n_by_group=sizes, margin=margin, notes=notes
    )


def _leak_estimate(
    auc: float, auc_hidden: float, bootstrap: np.ndarray, p: float, smallest: int
) -> tuple[Estimate, list[str]]:
    value = auc - 0.5
    both = f"AUC: logistic {auc:.3f}, one hidden layer {auc_hidden:.3f}. A probe is a lower bound."
    if smallest < FEWEST:
        few = f"A group has {smallest} users: no interval below {FEWEST}."
        return Estimate.nothing(value), [few, both]
    low, high = np.nanquantile(bootstrap, [0.025, 0.975]) - 0.5
    estimate = Estimate(value, float(low), float(high), p, float(np.nanstd(bootstrap)))
    if value >= 0:
        return estimate, [both]
    chance = (
        f"AUC {auc:.3f} is below chance and counts as .5: a probe that learned nothing falls"
        " below it on new users."
    )
    return _moved_to_zero(estimate), [chance, both]


def _amplification(value: float, bootstrap: np.ndarray) -> tuple[Estimate, list[str]]:
    low, high = (float(end) for end in np.nanquantile(bootstrap, [0.025, 0.975]))
    tail = min((bootstrap <= 0).sum(), (bootstrap >= 0).sum())
    p = float(min(1.0, 2 * (1 + tail) / (1 + len(bootstrap))))
    estimate = Estimate(value, low, high, p, float(np.nanstd(bootstrap)))
    if value >= 0:
        return estimate, []
    note = (
        f"The state tells less than the history, by {-value:.3f} [{-high:.3f}, {-low:.3f}]: no"
        " amplification."
    )
    return _moved_to_zero(replace(estimate, p=1.0)), [note]


def _moved_to_zero(estimate: Estimate) -> Estimate:
    """The estimate with its interval moved up, so that its negative value becomes 0."""
    below = -estimate.value
    return replace(estimate, value=0.0, low=estimate.low + below, high=estimate.high + below)


def cross_fitted(x: Features, truth: np.ndarray, probe: str, seed: int) -> np.ndarray:
    """Out-of-fold guesses of a probe, [n, groups]; nobody is guessed by a probe trained on them.

    Args:
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
    if not sparse.issparse(x):
        model = make_pipeline(StandardScaler(with_mean=False), model)
    # The group of each user; with two groups ``truth`` has one column, and code 1 is the other.
    group = truth.argmax(axis=1) + (~truth.any(axis=1)) * truth.shape[1]
    smallest = np.unique(group, return_counts=True)[1].min()
    if smallest < 2:
        raise InputError("attribute_leak: a group has one user; group the values more coarsely")
    folds = StratifiedKFold(int(min(smallest, FOLDS)), shuffle=True, random_state=seed)
    guesses = np.zeros(truth.shape)
    with warnings.catch_warnings():
        # Stopped early on purpose: 40 passes regularise.
        warnings.simplefilter("ignore", ConvergenceWarning)
        for train, test in folds.split(np.zeros(len(group)), group):
            for column in range(truth.shape[1]):
                model.fit(x[train], truth[train, column])
                guesses[test, column] = model.predict_proba(x[test])[:, 1]
    return guesses


def aucs(truth: np.ndarray, guesses: np.ndarray) -> np.ndarray:
    """AUC of every column, [columns], ties counted half; nan where a column has one class.

    Args:
        truth: bool [n, columns].
        guesses: [n, columns].
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        ranks = stats.rankdata(guesses, axis=0)
        positive = truth.sum(axis=0)
        wins = (ranks * truth).sum(axis=0) - positive * (positive + 1) / 2
        return wins / (positive * (len(truth) - positive))


def _shuffled_p(x: Features, truth: np.ndarray, rng: np.random.Generator) -> float:
    """One-sided p of the AUC of a cross-fitted ridge probe, by shuffled labels.

    All shuffles are fitted at once: one kernel, and one linear system per fold.
    """
    if isinstance(x, np.ndarray):
        centred = x - x.mean(axis=0)
        kernel = centred @ centred.T
    else:
        kernel = (x @ x.T).toarray()
    n, groups = truth.shape
    labelings = [truth] + [truth[rng.permutation(n)] for _ in range(PERMUTATIONS)]
    shuffled = np.concatenate(labelings, axis=1)  # the first columns are the true ones
    targets = shuffled.astype(float)
    kernel[np.diag_indices(n)] += RIDGE * max(np.trace(kernel) / n, 1e-12)
    fold = rng.permutation(n) % FOLDS
    guesses = np.empty(targets.shape)
    for part in range(FOLDS):
        train = np.flatnonzero(fold != part)
        test = np.flatnonzero(fold == part)
        # Centred on the fold's own mean: a fold with more members must not rank higher for that.
        wanted = targets[train] - targets[train].mean(axis=0)
        weights = np.linalg.solve(kernel[np.ix_(train, train)], wanted)
        guesses[test] = kernel[np.ix_(test, train)] @ weights
    true, *chance = aucs(shuffled, guesses).reshape(len(labelings), groups).mean(axis=1)
    return float((1 + np.sum(np.array(chance) >= true - 1e-12)) / (1 + PERMUTATIONS))
