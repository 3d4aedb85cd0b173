"""What a generated explanation talks about, and whether it is true."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import pandas as pd

from tutorial_lib.errors import InputError
from tutorial_lib.evaluation.text import tokens

Fact = tuple[str, str]  # (attribute, value), such as ("mood", "sharp")


def perplexity(log_likelihoods: Sequence[float], n_tokens: Sequence[int]) -> float:
    """exp(-log-likelihood per token) over all texts together.

    1 is certainty; the size of the vocabulary is knowing nothing. Only models with the same
    tokenizer can be compared: longer tokens are fewer, and each is harder to guess.

    Args:
        log_likelihoods: natural log-probability of each whole text.
        n_tokens: its number of tokens, all of which were predicted.

    >>> round(perplexity([-4.6052, -2.3026], [2, 1]), 2)
    10.0
    """
    total = np.asarray(log_likelihoods, dtype=np.float64)
    count = np.asarray(n_tokens)
    one_each = total.ndim == 1 and total.shape == count.shape and len(total) > 0
    if not one_each or not (total <= 1e-6).all() or (count < 1).any():
        raise InputError(
            "perplexity: expected one log-likelihood (at most 0, natural log) and one number of"
            " tokens (1 or more) for each text"
        )
    return float(np.exp(-total.sum() / count.sum()))


def mentioned(texts: Sequence[str], phrases: Collection[str]) -> list[set[str]]:
    """Which of the phrases each text contains, as whole words in a row, whatever their case.

    A longer phrase hides those inside it.

    >>> mentioned(["The special effects are loud."], ["special effects", "effect"])
    [{'special effects'}]
    """
    if isinstance(texts, str):
        raise InputError("texts: expected a list of texts, got one text; write ['...']")
    by_words: dict[tuple[str, ...], set[str]] = {}
    for phrase in phrases:
        by_words.setdefault(tuple(tokens(phrase)), set()).add(phrase)
    if not by_words or () in by_words:
        raise InputError("phrases: expected at least one phrase, each with at least one word")
    lengths = sorted({len(words) for words in by_words}, reverse=True)
    return [_phrases_in(tokens(text), by_words, lengths) for text in texts]


def _phrases_in(
    words: list[str], by_words: Mapping[tuple[str, ...], set[str]], lengths: Sequence[int]
) -> set[str]:
    """The phrases met from left to right, the longest first; ``lengths``: of phrases, falling."""
    phrases: set[str] = set()
    place = 0
    while place < len(words):
        runs = (tuple(words[place : place + n]) for n in lengths)
        run = next((run for run in runs if run in by_words), ())
        phrases |= by_words.get(run, set())
        place += len(run) or 1
    return phrases


def feature_metrics(
    texts: Sequence[str], features: Collection[str], wanted: Sequence[str]
) -> dict[str, float]:
    """How explanations name features: FMR, FCR and DIV.

    Args:
        texts: N generated explanations.
        features: the set F of all features.
        wanted: the feature f that each text was to be about.

    Returns:
        ``fmr``: share of texts that name their f; ``fcr``: features named anywhere / |F|; ``div``:
        mean, over all pairs of texts, of the number of features that both name,
        2 / (N (N - 1)) * sum of |F_a & F_b|; **lower** is more diverse; 0 for one text.

    Source: NETE (Li, Zhang & Chen 2020, section 5.2) and PEPLER (Li et al. 2023).

    >>> feature_metrics(["good plot", "good cast"], ["plot", "cast"], ["plot", "plot"])["fmr"]
    0.5
    """
    if len(wanted) != len(texts) or not len(texts):
        raise InputError(
            f"feature_metrics: {len(texts)} texts but {len(wanted)} wanted features; expected one"
            " or more, as many of both"
        )
    for feature in wanted:
        if feature not in features:
            raise InputError(
                f"feature_metrics: wanted feature {feature!r} is not among the {len(features)}"
                " features; add it there"
            )
    n = len(texts)
    named = mentioned(texts, set(features))
    times = np.array(list(Counter(chain.from_iterable(named)).values()), dtype=np.float64)
    return {
        "fmr": float(np.mean([one in names for one, names in zip(wanted, named, strict=True)])),
        "fcr": len(times) / len(set(features)),
        "div": float((times * (times - 1)).sum() / (n * (n - 1))) if n > 1 else 0.0,
    }


@dataclass(frozen=True)
class Facts:
    """What can be said about items, and what is true.

    Attributes:
        phrases: phrase -> the fact that it states.
        true: for each item, its facts.
    """

    phrases: Mapping[str, Fact]
    true: Sequence[Collection[Fact]]


def catalogue_facts(dataset) -> Facts:
    """The statements that texts about items can make, and which of them the catalogue confirms.

    On a planted world: mood (by its adjectives) and theme (by what descriptions and reviews are
    about). Elsewhere: the categories by name. InputError for a dataset whose items have none.
    """
    names = [
        tuple(kind for kind in kinds if kind and kind != "unknown")
        for kinds in dataset.items.get("categories", [])
    ]
    if not any(names):
        raise InputError(
            f"catalogue_facts: the items of {dataset.name!r} have no categories, so no statement"
            " about them can be checked"
        )
    if dataset.truth is None:
        kinds = sorted(set(chain.from_iterable(names)))
        return Facts(
            {kind: ("category", kind) for kind in kinds},
            [{("category", kind) for kind in own} for own in names],
        )
    from tutorial_lib.data.worlds import WORDS

    phrases = {
        word: ("mood", mood) for mood, adjectives in WORDS["moods"].items() for word in adjectives
    }
    phrases |= {
        subject: ("theme", theme)
        for theme, words in WORDS["themes"].items()
        for subject in words["subjects"]
    }
    return Facts(
        phrases,
        [
            {("theme", kinds[0]), ("mood", mood)}
            for kinds, mood in zip(names, dataset.items["mood"], strict=True)
        ],
    )


def factual_frame(
    texts: Sequence[str], items: Sequence[int], facts: Facts, users: Sequence | None = None
) -> pd.DataFrame:
    """How many checkable statements each text makes about its item, and how many are true.

    *Factual precision* of a set of texts is the sum of ``true`` by the sum of ``statements``: a
    text that says nothing says nothing false, so report the number of statements beside it.

    Args:
        texts: generated texts.
        items: the item code of each text.
        facts: of `catalogue_facts`.
        users: the index, as in `text_frame`.

    Returns:
        Columns ``statements``, ``true``, one row per text; a fact stated twice counts once.
    """
    if len(items) != len(texts) or (users is not None and len(users) != len(texts)):
        raise InputError(
            f"factual_frame: {len(texts)} texts but {len(items)} items; expected one item (and one"
            " user) per text"
        )
    wrong = next((item for item in items if not 0 <= item < len(facts.true)), None)
    if wrong is not None:
        raise InputError(
            f"factual_frame: item {wrong} lies outside the catalogue of {len(facts.true)} items"
        )
    rows = []
    for phrases, item in zip(mentioned(texts, facts.phrases), items, strict=True):
        said = {facts.phrases[phrase] for phrase in phrases}
        rows.append((len(said), len(said & set(facts.true[item]))))
    index = pd.Index(range(len(rows)) if users is None else users, name="user")
    return pd.DataFrame(rows, columns=["statements", "true"], index=index)
