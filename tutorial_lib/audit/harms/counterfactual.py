"""H1, users: the same request, told of another person. Lists may change with any rewording; does
naming an attribute change them more?

Every function takes lists, int [n, k] with -1 for padding, row i always the same user (or prompt).
How they came about is not its business.

A wording is a sample too. Judged over users alone, as is usual, each paraphrase differs
"significantly" from the others (six of six on the kit's language model), although none names
anything. So an effect must hold for other users *and* for other wordings.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from tutorial_lib.audit.core.categories import row_means
from tutorial_lib.audit.core.finding import Finding, checked_margins, make_finding
from tutorial_lib.audit.inference.paired import (
    FEWEST,
    int_lists,
    paired_mean,
    size_estimate,
    size_reach,
)
from tutorial_lib.audit.inference.statistics import Estimate
from tutorial_lib.errors import InputError, unknown_name
from tutorial_lib.evaluation import ranking_metrics

KINDS = ("jaccard", "serp", "prag")
ENOUGH = 5  # paraphrases: with fewer, the noise floor itself is mostly noise
PERMUTATIONS = 999
PAIRS_AT_ONCE = 1 << 24


def list_similarity(a: np.ndarray, b: np.ndarray, kind: str = "prag") -> np.ndarray:
    """How alike two lists are, row by row, in [0, 1]: [n]. Identical lists give 1 and disjoint ones
    0, whatever the kind and their length.

    a, b: int [n, k_a], [n, k_b]; -1 is padding, a repeated item counts at its first place. Both
        empty: 1; one of them: 0.
    With m the length of the longer list, r the place of v in a: "jaccard": |a & b| / |a | b|; blind
    to order. "serp": sum over v in a and b of (m - r + 1), by m (m + 1) / 2; top places weigh more,
    the order in b does not count. "prag": share of the m (m - 1) / 2 pairs of places whose order in
    a, v1 before v2, b keeps: v1 in b, and v2 absent or after it;
        reversed lists give 0. For m = 1: whether the items are the same.
    Source: Zhang et al. 2023 (FaiRLLM, arXiv 2305.07609), as printed. Their released code differs:
        it weighs the places of
    SERP one too high and divides by four times too much, so identical lists score (K + 3) / (4 (K +
    1)), .274 at K = 20, and its SERP values cannot be compared with ours; its Jaccard divides by
    zero where both lists are empty.

    >>> a = np.array([[1, 2, 3]])
    >>> [[float(list_similarity(a, b, kind)[0]) for kind in KINDS] for b in (a, a[:, ::-1])]
    [[1.0, 1.0, 1.0], [1.0, 1.0, 0.0]]
    """
    if kind not in KINDS:
        raise unknown_name("similarity", kind, KINDS)
    a = int_lists("list_similarity: a", a)
    b = int_lists("list_similarity: b", b, len(a))
    step = max(1, PAIRS_AT_ONCE // max(1, a.shape[1] * max(a.shape[1], b.shape[1])))
    parts = [_similarity(a[i : i + step], b[i : i + step], kind) for i in range(0, len(a), step)]
    return np.concatenate(parts) if parts else np.empty(0)


def _similarity(a: np.ndarray, b: np.ndarray, kind: str) -> np.ndarray:
    a, b = _closed(a), _closed(b)
    size_a, size_b = (a >= 0).sum(axis=1), (b >= 0).sum(axis=1)
    longer = np.maximum(size_a, size_b)
    same = (a[:, :, None] == b[:, None, :]) & (a >= 0)[:, :, None]
    found = same.any(axis=2)
    if kind == "jaccard":
        got, most = found.sum(axis=1), size_a + size_b - found.sum(axis=1)
    elif kind == "serp":
        got, most = (
            (found * (longer[:, None] - np.arange(a.shape[1]))).sum(axis=1),
            longer * (longer + 1) // 2,
        )
    else:
        place = np.where(
            found, same.argmax(axis=2), b.shape[1]
        )  # an absent item stands after all of b
        kept = (
            (place[:, :, None] < place[:, None, :])
            & (a >= 0)[:, None, :]
            & np.triu(np.ones((a.shape[1],) * 2, dtype=bool), 1)
        )
        got = np.where(longer == 1, found.any(axis=1), kept.sum(axis=(1, 2)))
        most = np.where(longer == 1, 1, longer * (longer - 1) // 2)
    return np.divide(got, most, out=np.ones(len(a)), where=most > 0)


def _closed(lists: np.ndarray) -> np.ndarray:
    """Each row without repeats and padding before its end."""
    again = np.tril(lists[:, :, None] == lists[:, None, :], -1).any(axis=2)
    lists = np.where(again | (lists < 0), -1, lists)
    return np.take_along_axis(lists, np.argsort(lists < 0, axis=1, kind="stable"), axis=1)


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

    neutral: int [n, k], lists of the prompt that names no attribute. by_value: value -> lists of
        the prompt that names it, [n, k], or of
    V wordings that name it, [V, n, k] ("A woman", "A female viewer", ...). paraphrases: lists of at
    least two, better five or more, rewordings that mean the same as the neutral prompt. targets:
    [n] collections of the items that the users went on to choose.
    Findings: for each value the excess dissimilarity, [1 - sim(value, neutral)] - mean over
        paraphrases of [1 - sim(paraphrase, neutral)],
    user by user (margin "similarity"); with targets also NDCG@k and hit@k under the value minus
    under the neutral wordings, since a changed list need not be a worse one (margin "quality"); for
    two values or more SNSR (see `sensitivity_range`). Interval and p: see `beyond_wordings`. Raises
    InputError for lists that do not match, no value, or fewer than two paraphrases.
    Sources: Zhang et al. 2023, arXiv 2305.07609; Deldjoo & Di Noia 2024 (CFaiRLLM), arXiv
        2403.05668 (quality beside change).
    """
    margins, rng = checked_margins(margins)[0], np.random.default_rng([seed, 41])
    neutral, by_value, paraphrases = _checked(neutral, by_value, paraphrases)
    similarities = {
        value: _each(lists, lambda one: list_similarity(one, neutral, kind))
        for value, lists in by_value.items()
    }
    plain = 1 - _each(paraphrases, lambda one: list_similarity(one, neutral, kind))  # [J, n]
    findings = []
    for value, named in similarities.items():
        name = f"dissimilarity ({kind}): {value} - paraphrases"
        findings.append(_finding(name, 1 - named, plain, margins["similarity"], rng))
    for measure in ("ndcg", "hit") if targets is not None else ():
        name = f"{measure}@{neutral.shape[1]}"
        usual = _each([neutral, *paraphrases], lambda one, name=name: _quality(one, targets, name))
        margin = margins["quality"] * usual.mean() if usual.size and usual.mean() > 0 else np.nan
        for value, lists in by_value.items():
            named = _each(lists, lambda one, name=name: _quality(one, targets, name))
            findings.append(
                _finding(f"{name}: {value} - neutral wordings", named, usual, margin, rng)
            )
    if len(by_value) > 1:
        findings.append(
            sensitivity_range(similarities, 1 - plain, kind, margins["similarity"], rng=rng)
        )
    return findings


def beyond_wordings(
    named: np.ndarray, plain: np.ndarray, *, rng: np.random.Generator
) -> tuple[Estimate, list[str]]:
    """Mean of a per-user number over V wordings that name a value, minus its mean over J >= 2 that
    name none, and what to say about it.

    named: [V, n]. plain: [J, n]; nan = not defined for this user, who is left out.
    The interval is the hull of two, and p the larger of two, because the effect must hold for other
    users and for other wordings: over users `paired_mean`; over wordings Student's t between the V
    and the J means, their spread pooled (J + V - 2 degrees of freedom). With one wording of the
    value, t predicts where one more paraphrase would fall; more wordings of both kinds make it
    narrower.
    """
    kept = ~(np.isnan(named).any(axis=0) | np.isnan(plain).any(axis=0))
    over_users, notes = paired_mean(
        np.where(kept, named.mean(axis=0) - plain.mean(axis=0), np.nan), rng=rng
    )
    v, j = len(named), len(plain)
    if not kept.any():
        return over_users, notes
    means = [rows[:, kept].mean(axis=1) for rows in (named, plain)]
    far = int((means[1] >= means[0].mean()).sum())
    notes = [
        (
            f"Mean {means[0].mean():.4f}; without the value {means[1].mean():.4f}, {far} of {j}"
            " such wordings at least as high."
        ),
        *notes,
    ]
    if np.isnan(over_users.low):
        return over_users, notes
    spread = wording_spread(*means)
    se, freedom, value = spread * np.sqrt(1 / v + 1 / j), v + j - 2, over_users.value
    reach = stats.t.ppf(0.975, freedom) * se
    p = 2 * stats.t.sf(abs(value) / se, freedom) if se > 0 else float(value == 0)
    notes.append(
        f"Over users alone [{over_users.low:+.4f}, {over_users.high:+.4f}], p {over_users.p:.3f}."
    )
    low, high = min(over_users.low, value - reach), max(over_users.high, value + reach)
    return (
        Estimate(
            value,
            float(low),
            float(high),
            float(max(p, over_users.p)),
            float(max(over_users.se, se)),
        ),
        notes,
    )


def wording_spread(*means: np.ndarray) -> float:
    """Standard deviation between wordings of one kind, pooled over the kinds: each an array of one
    mean a wording.
    """
    return float(
        np.sqrt(
            sum(((m - m.mean()) ** 2).sum() for m in means) / (sum(map(len, means)) - len(means))
        )
    )


def sensitivity_range(
    similarities: Mapping[str, np.ndarray],
    plain: np.ndarray,
    kind: str,
    margin: float,
    *,
    rng: np.random.Generator,
) -> Finding:
    """SNSR, the largest minus the smallest mean similarity over the values of an attribute, beyond
    its mean under shuffled values.

    similarities: value -> [V, n], similarity of each user's list to the neutral one under each
        wording of the value. plain: [J, n], the
    same under paraphrases. A range is above 0 in every world and grows with the number of values,
    so it stands next to two nulls: the values shuffled within each user, and the studentised range
    of as many paraphrases (Tukey). p is the larger of both; the interval is that of the true range,
    `size_reach` or Tukey's, whichever is wider. SNSV, the (population) standard deviation of the
    means, is in the notes. Source: Zhang et al. 2023, arXiv 2305.07609.
    """
    table = np.column_stack([rows.mean(axis=0) for rows in similarities.values()])
    n, a = table.shape
    snsr, notes = float(np.ptp(table.mean(axis=0))), [f"SNSV {table.mean(axis=0).std():.4f}."]
    name, sizes = f"SNSR ({kind}) over {a} values, beyond chance", {"users": n}
    if n < FEWEST:
        notes.append(f"{n} users: no interval below {FEWEST}, and the null is not taken off.")
        return make_finding(
            "H1",
            "users",
            name,
            Estimate.nothing(snsr),
            n_by_group=sizes,
            margin=margin,
            notes=notes,
        )
    null = np.array([np.ptp(rng.permuted(table, axis=1).mean(axis=0)) for _ in range(PERMUTATIONS)])
    step = wording_spread(plain.mean(axis=1)) / np.sqrt(min(map(len, similarities.values())))
    usual = stats.studentized_range(a, len(plain) - 1)
    p = float(usual.sf(snsr / step)) if step > 0 else 0.0
    reach = max(
        size_reach(table, lambda means: np.ptp(means, axis=-1), rng=rng),
        float(usual.ppf(0.95)) * step,
    )
    estimate, said = size_estimate(snsr, null, reach, p)
    notes += [*said, f"{a} paraphrases would exceed {usual.ppf(0.95) * step:.4f} in 5 % of cases."]
    return make_finding("H1", "users", name, estimate, n_by_group=sizes, margin=margin, notes=notes)


def wording_table(
    neutral: np.ndarray,
    by_value: Mapping[str, np.ndarray],
    paraphrases: Sequence[np.ndarray],
    kind: str = "prag",
) -> pd.DataFrame:
    """Mean dissimilarity to the neutral list of each wording, for a figure: columns wording,
    names_value, dissimilarity, se.
    """
    neutral, by_value, paraphrases = _checked(neutral, by_value, paraphrases)
    wordings = [(value, True, one) for value, lists in by_value.items() for one in lists]
    wordings += [(f"paraphrase {j}", False, lists) for j, lists in enumerate(paraphrases, 1)]
    rows = []
    for name, named, lists in wordings:
        moved = 1 - list_similarity(lists, neutral, kind)
        rows.append((name, named, moved.mean(), moved.std(ddof=1) / np.sqrt(len(moved))))
    return pd.DataFrame(rows, columns=["wording", "names_value", "dissimilarity", "se"])


def category_shift(
    value: str,
    lists: np.ndarray,
    paraphrases: Sequence[np.ndarray],
    shares: np.ndarray,
    names: Sequence[str],
    prior: np.ndarray,
    everyone: np.ndarray,
    *,
    margins: Mapping[str, float] | None = None,
    seed: int = 0,
) -> Finding:
    """Does naming a value pull the lists towards what is said of its group? The direction of a
    stereotype, as a share of the list.

    value, lists: the attribute value and the lists of the prompt that names it, [n, k] or [V, n,
        k]. paraphrases: lists of prompts that
    name none, the neutral one among them. shares, names: of `category_shares`. prior, everyone:
    [C], the shares of the categories in what the group, and in what all users, consume.
    Estimate: the share of the list in categories that the group consumes more of than everyone
        does, under the value minus under the
    paraphrases. Users with an empty list are left out. Margin "similarity". Interval and p: see
    `beyond_wordings`.
    """
    margins, rng = checked_margins(margins)[0], np.random.default_rng([seed, 43])
    if len(paraphrases) < 2:
        raise InputError(
            f"category_shift: {len(paraphrases)} paraphrases; expected at least 2 (better 5)"
        )
    _, by_value, paraphrases = _checked(paraphrases[0], {value: lists}, paraphrases)
    if not shares.shape[1] == len(names) == len(prior) == len(everyone):
        raise InputError(
            f"category_shift: {shares.shape[1]} categories, {len(names)} names, priors of"
            f" {len(prior)} and {len(everyone)}"
        )
    typical = np.asarray(prior) > np.asarray(everyone) + 1e-12
    named, plain = (
        _each(some, lambda one: row_means(one, shares @ typical))
        for some in (by_value[value], paraphrases)
    )
    liked = ", ".join(name for name, more in zip(names, typical, strict=True) if more) or "none"
    metric = f"share of the list typical of the group: {value} - paraphrases"
    return _finding(
        metric, named, plain, margins["similarity"], rng, [f"Typical of the group: {liked}."]
    )


def _finding(metric, named, plain, margin, rng, notes=()) -> Finding:
    estimate, said = beyond_wordings(named, plain, rng=rng)
    few = (
        [f"Only {len(plain)} wordings without the value: use {ENOUGH} or more."]
        if len(plain) < ENOUGH
        else []
    )
    sizes = {"users": int((~np.isnan(named.sum(axis=0) + plain.sum(axis=0))).sum())}
    return make_finding(
        "H1",
        "users",
        metric,
        estimate,
        n_by_group=sizes,
        margin=margin,
        notes=[*notes, *said, *few],
    )


def _each(
    wordings: Sequence[np.ndarray], measure: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """[wordings, n]: a per-user number of the lists of every wording."""
    return np.stack([measure(lists) for lists in wordings])


def _quality(lists: np.ndarray, targets: Sequence[Collection[int]], name: str) -> np.ndarray:
    """A metric of `ranking_metrics` at k for the users with targets."""
    return ranking_metrics(lists, targets, lists.shape[1])[name].to_numpy()


def _checked(
    neutral, by_value, paraphrases
) -> tuple[np.ndarray, dict[str, list[np.ndarray]], list[np.ndarray]]:
    neutral = int_lists("neutral", neutral)
    if not by_value or len(paraphrases) < 2:
        raise InputError(
            f"counterfactual: {len(by_value)} values and {len(paraphrases)} paraphrases; expected"
            " at least 1 and 2 (better 5)"
        )
    named = {}
    for value, lists in by_value.items():
        lists = np.asarray(lists)
        wordings = lists if lists.ndim == 3 and len(lists) else [lists]
        named[value] = [int_lists(f"by_value[{value!r}]", one, len(neutral)) for one in wordings]
    return (
        neutral,
        named,
        [
            int_lists(f"paraphrases[{j}]", lists, len(neutral))
            for j, lists in enumerate(paraphrases)
        ],
    )
