"""Answers that learners give to the exercises of notebook 11, and a piece of the message that each
must get.
"""

from __future__ import annotations


def citations(cited, shown, supports):
    """The reference."""
    cited, shown = set(cited), set(shown)
    good = {one for one in shown if supports(one)}

    def share(part, of):
        return len(part) / len(of) if of else 0.0

    return share(cited & shown, cited), share(cited & good, cited), share(cited & good, good)


def with_repeats(cited, shown, supports):
    good = [one for one in cited if one in shown and supports(one)]
    n = len(cited) or 1
    could = [one for one in shown if supports(one)]
    recall = len(set(good)) / (len(could) or 1)
    return sum(one in shown for one in cited) / n, len(good) / n, recall


def among_the_shown(cited, shown, supports):
    return citations([one for one in cited if one in shown], shown, supports)


def never_shown_supports(cited, shown, supports):
    exist, _, recall = citations(cited, shown, supports)
    distinct = set(cited)
    supporting = sum(map(supports, distinct)) / len(distinct) if distinct else 0.0
    return exist, supporting, recall


def of_nothing_is_one(cited, shown, supports):
    return citations(cited, shown, supports) if cited else (1.0, 1.0, 0.0)


def recall_of_cited(cited, shown, supports):
    exist, supporting, _ = citations(cited, shown, supports)
    return exist, supporting, float(supporting > 0)


def beaten(seconds, gains):
    pairs = list(zip(seconds, gains, strict=True))
    return [any(s <= t and g >= h and (s < t or g > h) for s, g in pairs) for t, h in pairs]


def strictly_on_both(seconds, gains):
    pairs = list(zip(seconds, gains, strict=True))
    return [not any(s < t and g > h for s, g in pairs) for t, h in pairs]


def equals_beat(seconds, gains):
    pairs = list(enumerate(zip(seconds, gains, strict=True)))
    return [not any(i != j and s <= t and g >= h for j, (s, g) in pairs) for i, (t, h) in pairs]


def the_best_alone(seconds, gains):
    return [gain == max(gains) for gain in gains]


WRONG_ANSWERS = {
    "11-citations": [
        (with_repeats, "one document"),
        (among_the_shown, "were never shown"),
        (never_shown_supports, "it was not shown"),
        (of_nothing_is_one, "no evidence"),
        (recall_of_cited, "cited or not"),
    ],
    "11-front": [
        (beaten, "Turn it around"),
        (strictly_on_both, "Only one needs to be strict"),
        (equals_beat, "must be strict"),
        (the_best_alone, "Nobody beats it"),
    ],
}
