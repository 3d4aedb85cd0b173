"""Answers that learners give to the exercises of notebook 10, and a piece of the message that each
must get.
"""

from __future__ import annotations

import numpy as np


def residual(vectors, levels, cluster, take=lambda left, own: left - own, copy=True, stop=0):
    """The right loop, with a step that may be wrong."""
    left = np.array(vectors, dtype=float) if copy else vectors
    words = []
    for level in range(levels):
        group, centres = cluster(left, level)
        words.append(group)
        if level < levels - stop:
            left = take(left, centres[group])
    return words, left


def the_same_every_level(vectors, levels, cluster):
    words, left = residual(vectors, levels, cluster, lambda left, own: left)
    return np.stack(words, axis=1), left


def added(vectors, levels, cluster):
    words, left = residual(vectors, levels, cluster, lambda left, own: left + own)
    return np.stack(words, axis=1), left


def one_centre_for_all(vectors, levels, cluster):
    words, left = residual(vectors, levels, cluster, lambda left, own: left - own[0])
    return np.stack(words, axis=1), left


def rows_are_levels(vectors, levels, cluster):
    words, left = residual(vectors, levels, cluster)
    return np.stack(words), left


def words_alone(vectors, levels, cluster):
    return np.stack(residual(vectors, levels, cluster)[0], axis=1)


def what_the_words_say(vectors, levels, cluster):
    words, left = residual(vectors, levels, cluster)
    return np.stack(words, axis=1), vectors - left


def last_level_not_taken_off(vectors, levels, cluster):
    words, left = residual(vectors, levels, cluster, stop=1)
    return np.stack(words, axis=1), left


def in_place(vectors, levels, cluster):
    words, left = residual(
        vectors, levels, cluster, lambda left, own: left.__isub__(own), copy=False
    )
    return np.stack(words, axis=1), left


def level_always_0(vectors, levels, cluster):
    return residual_of(vectors, levels, lambda points, level: cluster(points, 0))


def residual_of(vectors, levels, cluster):
    words, left = residual(vectors, levels, cluster)
    return np.stack(words, axis=1), left


def one_level_less(vectors, levels, cluster):
    return residual_of(vectors, levels - 1, cluster)


def any_token_of_the_place(prefix, ids):
    return sorted({known[len(prefix)] for known in ids if len(known) > len(prefix)})


def repeated(prefix, ids):
    n = len(prefix)
    return sorted(known[n] for known in ids if known[:n] == prefix and len(known) > n)


def last_token_alone(prefix, ids):
    n = len(prefix)
    begins = [known for known in ids if not n or known[n - 1 : n] == prefix[-1:]]
    return sorted({known[n] for known in begins if len(known) > n})


def first_token_alone(prefix, ids):
    n = len(prefix)
    return sorted(
        {known[n] for known in ids if known[:1] == prefix[:1] and len(known) > n}
        if n
        else {known[0] for known in ids}
    )


def all_that_come_later(prefix, ids):
    n = len(prefix)
    if not n:
        return sorted({known[0] for known in ids})
    return sorted({token for known in ids if known[:n] == prefix for token in known[n:]})


def ends_too(prefix, ids):
    n = len(prefix)
    return sorted({known[n] for known in ids if known[:n] == prefix})


def the_prefix(prefix, ids):
    n = len(prefix)
    if not n:
        return sorted({known[0] for known in ids})
    return sorted({known[n - 1] for known in ids if known[:n] == prefix})


WRONG_ANSWERS = {
    "10-residual": [
        (the_same_every_level, "found the same groups again"),
        (added, "The centres were added"),
        (one_centre_for_all, "*its own* group"),
        (rows_are_levels, "a row for each vector"),
        (words_alone, "expected two things"),
        (what_the_words_say, "what the words *say*"),
        (last_level_not_taken_off, "after the *last* level"),
        (in_place, "works in place"),
        (level_always_0, "asked for the levels [0, 0, 0]"),
        (one_level_less, "words of shape (5, 2)"),
    ],
    "10-allowed": [
        (any_token_of_the_place, "look at the whole prefix"),
        (repeated, "Use a set"),
        (last_token_alone, "Is the token before enough?"),
        (first_token_alone, "not the first alone"),
        (all_that_come_later, "not all that may come later"),
        (ends_too, "IndexError"),
        (the_prefix, "That is the prefix itself"),
    ],
}
