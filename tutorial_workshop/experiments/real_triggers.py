"""Words that a search puts into a real model's question about likes: what the gradient says about
them, what random search finds at equal cost, and what they repair.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from tutorial_lib.data.likes import drawn_likes, rated_histories
from tutorial_lib.data.splits import Split
from tutorial_lib.language.verbalise import verbaliser
from tutorial_lib.models.language_models import LanguageModel
from tutorial_lib.strategies.adapted import Adapted
from tutorial_lib.strategies.like_prompts import LikePrompt, LikeWording, like_wording
from tutorial_lib.strategies.prompt_examples import EXPANSIONS, Examples
from tutorial_lib.strategies.prompt_objectives import AnswerLoss
from tutorial_lib.strategies.prompt_search import METHODS, Search, SearchPlan
from tutorial_lib.strategies.wordings import Wording, candidate_scores, word_tokens

ASKED = like_wording("plain")
OWN_WORDS = "Answer yes or no"  # of the question, behind the item: what a search may replace
EXAMPLES = 20  # for gradients, and as many of other users to choose by
TOP = 10  # highest scores: what a search would try


def like_examples(
    lm: LanguageModel, split: Split, rows: Sequence[int], seed: int, n: int = EXAMPLES
) -> Examples:
    """Questions about ``n`` training ratings of these users, the right answer first."""
    before = ASKED.source.removesuffix(f" {OWN_WORDS}:")
    tokens = lm.tokenizer(f" {OWN_WORDS}", add_special_tokens=False)["input_ids"]
    wording = Wording("like", before, tuple(tokens), ":", "{answer}")
    rated = rated_histories(split)
    rng = np.random.default_rng([seed, 46])
    drawn = drawn_likes([rated[row] for row in rows], n, rng)
    words = verbaliser(split.dataset, spoken=True)
    prompt = LikePrompt(lm, words, ASKED, Adapted(lm, words, split.dataset.n_items))
    values, answers = [], []
    for history, item, liked in zip(*drawn, strict=True):
        values.append({**prompt.values(history), "item": words.titles[item]})
        answers.append(list(ASKED.answers if liked else ASKED.answers[::-1]))
    return Examples(lm, wording, values, answers)


def words_in_slot(
    learn: Examples, judge: Examples, start: Sequence[int], slot: int, words: np.ndarray, seed: int
) -> tuple[np.ndarray, dict[tuple[str, str], np.ndarray]]:
    """What each of some words is worth in one slot, and what the gradient says about it.

    Returns:
        The loss of ``judge`` with each word, nats; (whose gradient, expansion point) -> first-order
        scores, higher is better.
    """
    true = judge.losses([[*start[:slot], int(t), *start[slot + 1 :]] for t in words]).mean(1)
    table, vocabulary = judge.vocabulary.numpy()[words].astype(float), word_tokens(judge.lm)
    sides = {"other examples": learn, "same examples": judge}
    scores = {}
    for (whose, examples), at in product(sides.items(), EXPANSIONS):
        gradient = examples.gradients(start, slot, at, seed, vocabulary).mean(0)
        scores[whose, at] = candidate_scores(gradient, table, norm_control=True)
    return true, scores


def trigger_scores(learn: Examples, judge: Examples, seed: int, tried: int = 40) -> pd.DataFrame:
    """First-order scores against the true loss of a sample of words, in two slots.

    One slot is among three random words, one in the question's own; the loss is that of ``judge``.

    Returns:
        name (expansion point), setting (whose gradient), metric ("spearman", of score and fall of
        the loss; "better than the best of ten": share of words), value.
    """
    rng = np.random.default_rng([seed, 47])
    vocabulary = word_tokens(judge.lm)
    lines = []
    for start in (rng.choice(vocabulary, 3).tolist(), list(judge.wording.words)):
        slot = int(rng.integers(len(start)))
        words = np.sort(rng.choice(vocabulary, tried, replace=False))
        true, scores = words_in_slot(learn, judge, start, slot, words, seed)
        for (whose, at), found in scores.items():
            ahead = (true < true[np.argsort(-found)[:TOP]].min()).mean()
            values = {"spearman": spearmanr(found, -true)[0], "better than the best of ten": ahead}
            lines += [(at, whose, metric, value) for metric, value in values.items()]
    return pd.DataFrame(lines, columns=["name", "setting", "metric", "value"])


def trigger_searches(
    learn: Examples, judge: Examples, seed: int, calls: int
) -> tuple[pd.DataFrame, dict[str, LikeWording]]:
    """Three words by gradient and by random search, from the same random ones, at equal calls.

    Returns:
        name (of `METHODS`), calls, value (the objective in force, nats); and the question that each
        found.
    """
    traces, found = [], {}
    for method in METHODS:
        plan = SearchPlan(
            start="random", shorten=False, calls=calls, top=5, method=method, seed=seed
        )
        search = Search(learn, AnswerLoss(judge), plan).run()
        log = search.frame()
        trace = log.groupby("calls", as_index=False)["value"].last()
        first = pd.DataFrame({"calls": [0], "value": [log["before"].iloc[0]]})
        traces.append(pd.concat([first, trace]).assign(name=method))
        wording = search.train.wording
        end = wording.end(search.train.lm, search.tokens)
        found[method] = LikeWording(wording.before + end, ASKED.answers)
    return pd.concat(traces, ignore_index=True), found
