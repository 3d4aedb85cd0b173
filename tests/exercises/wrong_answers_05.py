"""Answers that learners give to the exercises of notebook 05, and a piece of the message that each
must get.
"""

from __future__ import annotations

import numpy as np


def uphill(gradient, embeddings):
    return embeddings @ gradient


def one_number(gradient, embeddings):
    return -(embeddings @ gradient).sum()


def outer(gradient, embeddings):
    return -embeddings * gradient


def cosine(gradient, embeddings):
    return -(embeddings @ gradient) / np.linalg.norm(embeddings, axis=1) / np.linalg.norm(gradient)


def by_length(gradient, embeddings):
    return -(embeddings @ gradient) / np.linalg.norm(embeddings, axis=1)


def by_gradient(gradient, embeddings):
    return -(embeddings @ gradient) / np.linalg.norm(gradient)


def absolute(gradient, embeddings):
    return np.abs(embeddings @ gradient)


def distances(gradient, embeddings):
    return np.linalg.norm(embeddings - gradient, axis=1)


def ranks(gradient, embeddings):
    return np.argsort(np.argsort(-(embeddings @ gradient))).astype(float)


def a_text(gradient, embeddings):
    return "the best word"


def first_good(now, tried):
    good = np.flatnonzero(tried < now)
    return int(good[0]) if len(good) else -1


def highest(now, tried):
    return int(tried.argmax())


def always(now, tried):
    return int(tried.argmin())


def accepts_ties(now, tried):
    best = int(tried.argmin())
    return best if tried[best] <= now else -1


def with_a_margin(now, tried):
    best = int(tried.argmin())
    return best if tried[best] < now - 0.01 else -1


def the_loss(now, tried):
    return float(tried.min())


def true_or_false(now, tried):
    return bool(tried.min() < now)


def never(now, tried):
    return -1


WRONG_ANSWERS = {
    "05-scores": [
        (uphill, "Change the sign"),
        (one_number, "expected (4,)"),
        (outer, "expected (4,)"),
        (cosine, "That is the cosine"),
        (by_length, "divided by the length of the embedding"),
        (by_gradient, "divided by the length of the gradient"),
        (absolute, "took the absolute value"),
        (distances, "the inner product of each row"),
        (ranks, "no softmax and no ranks"),
        (a_text, "expected an array of numbers. Give one number per word"),
    ],
    "05-accept": [
        (first_good, "the first word that lowers the loss"),
        (highest, "the highest loss"),
        (always, "still worse than the present word"),
        (accepts_ties, "no better than the present word"),
        (with_a_margin, "A small gain is a gain"),
        (the_loss, "expected a whole number"),
        (true_or_false, "expected a whole number"),
        (never, "Two of these words"),
    ],
}
