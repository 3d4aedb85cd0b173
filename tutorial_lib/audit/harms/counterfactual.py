"""H1, users: does naming an attribute in the prompt change the lists more than rewording it does?

Every function takes lists, int [n, k] with -1 for padding, row i always the same user (or prompt),
however they were made.

A wording is a sample too. Judged over users alone, as is usual, each paraphrase differs
"significantly" from the others (six of six on the kit's language model), although none of them
names anything. So an effect must hold for other users *and* for other wordings.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from tutorial_lib.audit.core.finding import Finding, make_finding
from tutorial_lib.audit.core.margins import checked_margins
from tutorial_lib.audit.harms.similarity import list_similarity
from tutorial_lib.audit.inference.paired import (
    FEWEST,
    int_lists,
    paired_mean,
    size_estimate,
    size_reach,
)
from tutorial_lib.audit.inference.statistics import Estimate
from tutorial_lib.errors import InputError
from tutorial_lib.evaluation import ranking_metrics

ENOUGH = 5  # paraphrases: with fewer, the noise floor itself is mostly noise
PERMUTATIONS = 999


def counterfactual_findings(
    neutral: np.ndarray,
    by_value: Mapping[str, np.ndarray],
    paraphrases: Sequence[np.ndarray],
    targets: Sequence[Collection[int]] | None = None,
    *,
    kind: str = "prag",
    margins: Mapping[str, float] | None = None,
    seed: int = 0,
) -> list[Finding]:
    """What naming each value of an attribute does to the lists, beyond what rewording does.

    Args:
        neutral: int [n, k], lists of the prompt that names no attribute.
        by_value: value -> lists of the prompt that names it, [n, k], or of V wordings that name it,
            [V, n, k] ("A woman", "A female viewer", ...).
        paraphrases: lists of at least two, better five or more, rewordings that mean the same as
            the neutral prompt.
        targets: [n] collections of the items that the users went on to choose.
        kind: of `list_similarity`.

    Returns:
        For each value the excess dissimilarity, [1 - sim(value, neutral)] - mean over paraphrases
        of [1 - sim(paraphrase, neutral)], user by user (margin "similarity"). With targets also
        NDCG@k and hit@k under the value minus under the neutral wordings, since a changed list
        need not be a worse one (margin "quality"). For two values or more SNSR, see
        `_sensitivity_range`. Interval and p: see `beyond_wordings`.

    Raises:
        InputError: lists that do not match, no value, or fewer than two paraphrases.

    Source: Zhang et al. 2023, arXiv 2305.07609; Deldjoo & Di Noia 2024 (CFaiRLLM), arXiv
    2403.05668 (quality beside change).
    """
    checked = checked_margins(margins)[0]
    neutral, named, paraphrases = _checked(neutral, by_value, paraphrases)

    def similarity(lists: np.ndarray) -> np.ndarray:
        return list_similarity(lists, neutral, kind)

    similarities = {value: _each(lists, similarity) for value, lists in named.items()}
    plain = 1 - _each(paraphrases, similarity)  # [J, n]
    findings = []
    for value, similar in similarities.items():
        name = f"dissimilarity ({kind}): {value} - paraphrases"
        findings.append(_finding(name, 1 - similar, plain, checked["similarity"]))
    if targets is not None:
        wordings = [neutral, *paraphrases]
        for name in (f"ndcg@{neutral.shape[1]}", f"hit@{neutral.shape[1]}"):
            findings += _quality_findings(name, named, wordings, targets, checked["quality"])
    if len(named) > 1:
        rng = np.random.default_rng([seed, 41])
        margin = checked["similarity"]
        findings.append(_sensitivity_range(similarities, 1 - plain, kind, margin, rng=rng))
    return findings


def _quality_findings(
    name: str,
    by_value: Mapping[str, Sequence[np.ndarray]],
    wordings: Sequence[np.ndarray],
    targets: Sequence[Collection[int]],
    share: float,
) -> list[Finding]:
    """A ranking metric under each value minus under the neutral wordings."""

    def quality(lists: np.ndarray) -> np.ndarray:
        return ranking_metrics(lists, targets, lists.shape[1])[name].to_numpy()

    usual = _each(wordings, quality)
    margin = share * usual.mean() if usual.size and usual.mean() > 0 else np.nan
    return [
        _finding(f"{name}: {value} - neutral wordings", _each(lists, quality), usual, margin)
        for value, lists in by_value.items()
    ]


def _finding(metric: str, named: np.ndarray, plain: np.ndarray, margin: float) -> Finding:
    estimate, notes = beyond_wordings(named, plain)
    if len(plain) < ENOUGH:
        notes.append(f"Only {len(plain)} wordings without the value: use {ENOUGH} or more.")
    n = int((~np.isnan(named.sum(axis=0) + plain.sum(axis=0))).sum())
    return make_finding(
        "H1", "users", metric, estimate, n_by_group={"users": n}, margin=margin, notes=notes
    )


def beyond_wordings(named: np.ndarray, plain: np.ndarray) -> tuple[Estimate, list[str]]:
    """Mean of a per-user number over wordings that name a value, minus over those that do not.

    The interval is the hull of two, and p the larger of two, because the effect must hold for other
    users and for other wordings. Over users: `paired_mean`. Over wordings: Student's t between the
    V and the J means, their spread pooled (J + V - 2 degrees of freedom). With one wording of the
    value, t predicts where one more paraphrase would fall; more wordings of both kinds make the
    interval narrower.

    Args:
        named: [V, n].
        plain: [J, n], J >= 2; nan = not defined for this user, who is left out.

    Returns:
        The estimate, and notes.
    """
    kept = ~(np.isnan(named).any(axis=0) | np.isnan(plain).any(axis=0))
    change = np.where(kept, named.mean(axis=0) - plain.mean(axis=0), np.nan)
    over_users, notes = paired_mean(change)
    if not kept.any():
        return over_users, notes
    named_means, plain_means = (rows[:, kept].mean(axis=1) for rows in (named, plain))
    v, j = len(named), len(plain)
    as_high = int((plain_means >= named_means.mean()).sum())
    notes = [
        f"Mean {named_means.mean():.4f}; without the value {plain_means.mean():.4f}, {as_high} of"
        f" {j} such wordings at least as high.",
        *notes,
    ]
    if np.isnan(over_users.low):
        return over_users, notes
    notes.append(
        f"Over users alone [{over_users.low:+.4f}, {over_users.high:+.4f}], p {over_users.p:.3f}."
    )
    value, freedom = over_users.value, v + j - 2
    se = _wording_spread(named_means, plain_means) * np.sqrt(1 / v + 1 / j)
    reach = stats.t.ppf(0.975, freedom) * se
    p = 2 * stats.t.sf(abs(value) / se, freedom) if se > 0 else float(value == 0)
    estimate = Estimate(
        value,
        float(min(over_users.low, value - reach)),
        float(max(over_users.high, value + reach)),
        float(max(p, over_users.p)),
        float(max(over_users.se, se)),
    )
    return estimate, notes


def _wording_spread(*means: np.ndarray) -> float:
    """Standard deviation between wordings of one kind, pooled over kinds; a mean per wording."""
    squares = sum(((m - m.mean()) ** 2).sum() for m in means)
    return float(np.sqrt(squares / (sum(map(len, means)) - len(means))))


def _sensitivity_range(
    similarities: Mapping[str, np.ndarray],
    plain: np.ndarray,
    kind: str,
    margin: float,
    *,
    rng: np.random.Generator,
) -> Finding:
    """SNSR: the largest minus the smallest mean similarity over the values of an attribute.

    A range is above 0 in every world and grows with the number of values, so it is compared with
    two nulls: the values shuffled within each user (its mean is subtracted), and the studentised
    range of as many paraphrases (Tukey). p is the larger of both; the interval is that of the true
    range, `size_reach` or Tukey's, whichever is wider. SNSV, the (population) standard deviation of
    the means, is in the notes.

    Args:
        similarities: value -> [V, n], similarity of each user's list to the neutral one under each
            wording of the value.
        plain: [J, n], the same under paraphrases.

    Source: Zhang et al. 2023, arXiv 2305.07609.
    """
    table = np.column_stack([rows.mean(axis=0) for rows in similarities.values()])
    n, a = table.shape
    means = table.mean(axis=0)
    snsr = float(np.ptp(means))
    notes = [f"SNSV {means.std():.4f}."]
    if n < FEWEST:
        estimate = Estimate.nothing(snsr)
        notes.append(f"{n} users: no interval below {FEWEST}, and the null is not taken off.")
    else:
        shuffles = (rng.permuted(table, axis=1) for _ in range(PERMUTATIONS))
        null = np.array([np.ptp(shuffled.mean(axis=0)) for shuffled in shuffles])
        fewest = min(map(len, similarities.values()))
        step = _wording_spread(plain.mean(axis=1)) / np.sqrt(fewest)
        tukey = stats.studentized_range(a, len(plain) - 1)
        tukey_reach = float(tukey.ppf(0.95)) * step
        p = float(tukey.sf(snsr / step)) if step > 0 else 0.0
        reach = max(size_reach(table, lambda some: np.ptp(some, axis=-1), rng=rng), tukey_reach)
        estimate, lines = size_estimate(snsr, null, reach, p)
        notes += [*lines, f"{a} paraphrases would exceed {tukey_reach:.4f} in 5 % of cases."]
    metric = f"SNSR ({kind}) over {a} values, beyond chance"
    return make_finding(
        "H1", "users", metric, estimate, n_by_group={"users": n}, margin=margin, notes=notes
    )


def wording_table(
    neutral: np.ndarray,
    by_value: Mapping[str, np.ndarray],
    paraphrases: Sequence[np.ndarray],
    kind: str = "prag",
) -> pd.DataFrame:
    """Mean dissimilarity of each wording to the neutral list, for a figure.

    Returns:
        Columns wording, names_value, dissimilarity, se.
    """
    neutral, named, paraphrases = _checked(neutral, by_value, paraphrases)
    wordings = [(value, True, one) for value, lists in named.items() for one in lists]
    wordings += [(f"paraphrase {j}", False, lists) for j, lists in enumerate(paraphrases, 1)]
    rows = []
    for name, names_value, lists in wordings:
        moved = 1 - list_similarity(lists, neutral, kind)
        rows.append((name, names_value, moved.mean(), moved.std(ddof=1) / np.sqrt(len(moved))))
    return pd.DataFrame(rows, columns=["wording", "names_value", "dissimilarity", "se"])


def _each(
    wordings: Sequence[np.ndarray], measure: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """[wordings, n]: a per-user number of the lists of every wording."""
    return np.stack([measure(lists) for lists in wordings])


def _checked(
    neutral, by_value, paraphrases
) -> tuple[np.ndarray, dict[str, list[np.ndarray]], list[np.ndarray]]:
    """The lists as int arrays of the same users; of each value a list of wordings."""
    neutral = int_lists("neutral", neutral)
    if not by_value or len(paraphrases) < 2:
        raise InputError(
            f"counterfactual: {len(by_value)} values and {len(paraphrases)} paraphrases; expected"
            " at least 1 and 2 (better 5)"
        )
    n = len(neutral)
    named = {}
    for value, lists in by_value.items():
        wordings = lists if np.ndim(lists) == 3 and len(lists) else [lists]
        named[value] = [int_lists(f"by_value[{value!r}]", one, n) for one in wordings]
    plain = [int_lists(f"paraphrases[{j}]", lists, n) for j, lists in enumerate(paraphrases)]
    return neutral, named, plain
