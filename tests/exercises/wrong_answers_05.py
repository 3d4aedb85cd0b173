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


def _loss(log_p, sharpness):
    scores = sharpness * log_p
    top = scores.max(axis=1, keepdims=True)
    return top[:, 0] + np.log(np.exp(scores - top).sum(axis=1)) - scores[:, 0]


def _ndcg(log_p, ties=0.5, higher=True, extra=1):
    others, right = log_p[:, 1:], log_p[:, :1]
    above = (others > right if higher else others < right).sum(axis=1)
    rank = 1 + above + ties * (others == right).sum(axis=1)
    return 1 / np.log2(extra + rank)


def loss_alone(log_p, sharpness):
    return _loss(log_p, sharpness)


def gain(log_p, sharpness):
    return -_loss(log_p, sharpness), _ndcg(log_p)


def bits(log_p, sharpness):
    return _loss(log_p, sharpness) / np.log(2), _ndcg(log_p)


def probability(log_p, sharpness):
    return np.exp(-_loss(log_p, sharpness)), _ndcg(log_p)


def against_the_others(log_p, sharpness):
    scores = sharpness * log_p
    return np.log(np.exp(scores[:, 1:]).sum(axis=1)) - scores[:, 0], _ndcg(log_p)


def over_questions(log_p, sharpness):
    scores = sharpness * log_p
    return (np.log(np.exp(scores).sum(axis=0)) - scores)[:, 0], _ndcg(log_p)


def not_sharp(log_p, sharpness):
    return _loss(log_p, 1.0), _ndcg(log_p)


def sharp_outside(log_p, sharpness):
    return sharpness * _loss(log_p, 1.0), _ndcg(log_p)


def nothing_left(log_p, sharpness):
    with np.errstate(divide="ignore"):
        total = np.log(np.exp(sharpness * log_p).sum(axis=1))
    return total - sharpness * log_p[:, 0], _ndcg(log_p)


def ties_beaten(log_p, sharpness):
    return _loss(log_p, sharpness), _ndcg(log_p, ties=0)


def ties_lost(log_p, sharpness):
    return _loss(log_p, sharpness), _ndcg(log_p, ties=1)


def lower_is_better(log_p, sharpness):
    return _loss(log_p, sharpness), _ndcg(log_p, higher=False)


def one_rank_too_low(log_p, sharpness):
    return _loss(log_p, sharpness), _ndcg(log_p, extra=2)


def reciprocal(log_p, sharpness):
    return _loss(log_p, sharpness), 1 / (2 ** (1 / _ndcg(log_p)) - 1)


def natural(log_p, sharpness):
    return _loss(log_p, sharpness), _ndcg(log_p) / np.log(2)


def over_all(log_p, sharpness):
    return _loss(log_p, sharpness).mean(), _ndcg(log_p).mean()


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
    "05-listwise": [
        (loss_alone, "Give back two arrays"),
        (over_all, "one number a question"),
        (gain, "Change the sign"),
        (bits, "Those are bits"),
        (probability, "minus their logarithm"),
        (against_the_others, "the right one too"),
        (over_questions, "sum with axis=1"),
        (not_sharp, "Where is the sharpness?"),
        (sharp_outside, "inside the softmax"),
        (nothing_left, "far below -700"),
        (ties_beaten, "counts a tied title as beaten"),
        (ties_lost, "behind its equals"),
        (lower_is_better, "*higher* log p"),
        (one_rank_too_low, "The first rank is 1"),
        (reciprocal, "That is the reciprocal rank"),
        (natural, "has base 2"),
    ],
}
