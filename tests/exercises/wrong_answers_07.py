"""Answers that learners give to the exercises of notebook 07, and a piece of the message that each
must get.
"""

from __future__ import annotations

import re

import numpy as np


def optimistic(scores, target):
    return 1 + sum(score > scores[target] for score in scores)


def pessimistic(scores, target):
    return sum(score >= scores[target] for score in scores)


def counts_itself(scores, target):
    tied = sum(score == scores[target] for score in scores)
    return 1 + sum(score > scores[target] for score in scores) + tied / 2


def whole_places(scores, target):
    tied = sum(score == scores[target] for score in scores) - 1
    return 1 + sum(score > scores[target] for score in scores) + tied // 2


def from_zero(scores, target):
    return sum(score > scores[target] for score in scores)


def upside_down(scores, target):
    return 1 + sum(score < scores[target] for score in scores)


def by_order(scores, target):
    return sorted(range(len(scores)), key=lambda item: -scores[item]).index(target) + 1


def by_difference(scores, target):
    tied = sum(abs(score - scores[target]) < 1e-9 for score in scores) - 1
    return 1 + sum(score > scores[target] for score in scores) + tied / 2


def through_lists(lists, relevant, k):
    found = [
        len(set(items[:k]) & relevant[user]) / len(relevant[user])
        for user, items in lists.items()
        if relevant[user]
    ]
    return sum(found) / len(found)


def by_k(lists, relevant, k):
    found = [
        len(set(lists.get(user, [])[:k]) & wanted) / min(k, len(wanted))
        for user, wanted in relevant.items()
        if wanted
    ]
    return sum(found) / len(found)


def counts_repeats(lists, relevant, k):
    found = [
        sum(item in wanted for item in lists.get(user, [])[:k]) / len(wanted)
        for user, wanted in relevant.items()
        if wanted
    ]
    return sum(found) / len(found)


def uncut(lists, relevant, k):
    found = [
        len(set(lists.get(user, [])) & wanted) / len(wanted)
        for user, wanted in relevant.items()
        if wanted
    ]
    return sum(found) / len(found)


def fails_for_nobody(lists, relevant, k):
    found = [
        len(set(lists.get(user, [])[:k]) & wanted) / len(wanted)
        for user, wanted in relevant.items()
    ]
    return sum(found) / len(found)


def nothing_to_find_is_a_miss(lists, relevant, k):
    found = [
        len(set(lists.get(user, [])[:k]) & wanted) / max(1, len(wanted))
        for user, wanted in relevant.items()
    ]
    return sum(found) / len(found)


def mean_over_texts(texts):
    shares = []
    for text in texts:
        words = re.findall(r"\w+", text.lower())
        shares.append(len(set(words)) / max(1, len(words)))
    return sum(shares) / len(shares)


def latin_only(texts):
    words = [word for text in texts for word in re.findall(r"[a-z]+", text.lower())]
    return len(set(words)) / len(words) if words else 0.0


def by_spaces(texts):
    words = " ".join(texts).lower().split()
    return len(set(words)) / len(words) if words else 0.0


def keeps_case(texts):
    words = re.findall(r"\w+", " ".join(texts))
    return len(set(words)) / len(words) if words else 0.0


def divides_by_nothing(texts):
    words = re.findall(r"\w+", " ".join(texts).lower())
    return len(set(words)) / len(words)


def counts_only(texts):
    return len(set(re.findall(r"\w+", " ".join(texts).lower())))


def full_if_empty(texts):
    words = re.findall(r"\w+", " ".join(texts).lower())
    return len(set(words)) / len(words) if words else 1.0


def _means(gains, resamples, rng, users=True, seeds=True, fewer=1):
    """Means of resamples, of users, of seeds, or of both."""
    n, m = gains.shape
    for _ in range(resamples):
        rows = rng.integers(n, size=n // fewer) if users else np.arange(n)
        columns = rng.integers(m, size=m) if seeds else np.arange(m)
        yield gains[rows][:, columns].mean()


def _ends(means, outside=0.025):
    return tuple(np.quantile(list(means), [outside, 1 - outside]))


def users_alone(a, b, resamples, rng):
    return _ends(_means(a - b, resamples, rng, seeds=False))


def seeds_alone(a, b, resamples, rng):
    return _ends(_means(a - b, resamples, rng, users=False))


def not_paired(a, b, resamples, rng):
    return _ends(
        x - y for x, y in zip(_means(a, resamples, rng), _means(b, resamples, rng), strict=True)
    )


def cell_by_cell(a, b, resamples, rng):
    gains = (a - b).ravel()
    return _ends(rng.choice(gains, gains.size).mean() for _ in range(resamples))


def seeds_anew_for_each_user(a, b, resamples, rng):
    gains, means = a - b, []
    n, m = gains.shape
    for _ in range(resamples):
        rows = rng.integers(n, size=n)
        means.append(gains[rows[:, None], rng.integers(m, size=(n, m))].mean())
    return _ends(means)


def ninety_per_cent(a, b, resamples, rng):
    return _ends(_means(a - b, resamples, rng), 0.05)


def divided_again(a, b, resamples, rng):
    means = list(_means(a - b, resamples, rng))
    half = 1.96 * np.std(means) / np.sqrt(len(a))
    return np.mean(means) - half, np.mean(means) + half


def two_standard_errors(a, b, resamples, rng):
    means = list(_means(a - b, resamples, rng))
    return np.mean(means) - 1.96 * np.std(means), np.mean(means) + 1.96 * np.std(means)


def too_few_users(a, b, resamples, rng):
    return _ends(_means(a - b, resamples, rng, fewer=2))


def b_minus_a(a, b, resamples, rng):
    return _ends(_means(b - a, resamples, rng))


def high_first(a, b, resamples, rng):
    return _ends(_means(a - b, resamples, rng))[::-1]


def all_means(a, b, resamples, rng):
    return list(_means(a - b, resamples, rng))


def its_own_generator(a, b, resamples, rng):
    return _ends(_means(a - b, resamples, np.random.default_rng(0)))


def no_seed_at_all(a, b, resamples, rng):
    return _ends(_means(a - b, resamples, np.random.default_rng()))


def in_place(a, b, resamples, rng):
    a -= b
    return _ends(_means(a, resamples, rng))


WRONG_ANSWERS = {
    "07-rank": [
        (optimistic, "would be perfect"),
        (pessimistic, "last among its equals"),
        (counts_itself, "Did you count the target itself"),
        (whole_places, "No `//`"),
        (from_zero, "Ranks begin at 1"),
        (upside_down, "not below"),
        (by_order, "a model that scores all items alike"),
        (by_difference, "not with a difference"),
    ],
    "07-recall": [
        (through_lists, "Go through `relevant`, not `lists`"),
        (by_k, "not by k"),
        (counts_repeats, "was counted twice"),
        (uncut, "cut it at k first"),
        (fails_for_nobody, "leave her out before you divide"),
        (nothing_to_find_is_a_miss, "she is no miss"),
    ],
    "07-distinct": [
        (mean_over_texts, "pool the words of all texts"),
        (latin_only, r"use \w"),
        (by_spaces, "not what stands between spaces"),
        (keeps_case, "lower the case"),
        (divides_by_nothing, "A model may write nothing"),
        (counts_only, "by the number of all words"),
        (full_if_empty, "not diverse, but 0"),
    ],
    "07-bootstrap": [
        (users_alone, "Draw the seeds too"),
        (seeds_alone, "Draw users with replacement"),
        (not_paired, "the *same* ones for both models"),
        (cell_by_cell, "not cell by cell"),
        (seeds_anew_for_each_user, "not anew for each user"),
        (ninety_per_cent, "That is a 90 % interval"),
        (divided_again, "nothing is divided by a root"),
        (two_standard_errors, "not their mean ± 2 standard deviations"),
        (too_few_users, "fewer users or seeds than there are"),
        (b_minus_a, "mean(a) − mean(b)"),
        (high_first, "the lower end first"),
        (all_means, "expected two numbers"),
        (its_own_generator, "do not make another"),
        (no_seed_at_all, "draw from `rng` only"),
        (in_place, "write into neither"),
    ],
}
