"""Likes asked in words: what the model reads, which answer counts, what moves."""

from __future__ import annotations

import numpy as np
import pytest
import tiny_lms

from tutorial_lib.data import hold_out_k, load_dataset
from tutorial_lib.data.likes import Rated, rated_histories
from tutorial_lib.errors import InputError
from tutorial_lib.language.verbalise import verbaliser
from tutorial_lib.models.decoding import naive_log_likelihood
from tutorial_lib.strategies.adapted import Adapted
from tutorial_lib.strategies.like_prediction import adapt_likes
from tutorial_lib.strategies.like_prompts import (
    LIKE_PROMPTS,
    LIKE_WORDINGS,
    SHOWN,
    LikePrompt,
    LikeWording,
)
from tutorial_lib.strategies.tuning import Budget

SHORT = Budget(1e-3, shortest=2, longest=2, size=2)


@pytest.fixture(scope="module")
def split():
    return hold_out_k(load_dataset("world-movies"), 4, valid_k=1)


@pytest.fixture(scope="module")
def rated(split) -> list[Rated]:
    return rated_histories(split)


def prompt(split, name: str = "plain", lm=None) -> LikePrompt:
    lm, words = lm or tiny_lms.lm("kit-gpt"), verbaliser(split.dataset)
    account = Adapted(lm, words, split.dataset.n_items)
    return LikePrompt(lm, words, LIKE_WORDINGS[name], account)


@pytest.mark.parametrize("name", LIKE_WORDINGS)
def test_a_score_is_the_log_odds_of_the_two_answers(split, rated, name):
    """A score taken from the title's own likelihood, or with the answers the wrong way round, would
    rank by something else.
    """
    asked, history, items = prompt(split, name), rated[0], [3, 50, 7]
    (scores,) = asked.score([history], [items])
    for item, score in zip(items, scores, strict=True):
        title = asked.words.titles[item]
        before, after = asked.wording.around(asked.values(history))
        whole = f"{before} {title}{after}"
        yes, no = naive_log_likelihood(asked.lm, [whole], asked.wording.answers)[0]
        assert score == pytest.approx(yes - no, abs=1e-3)


def test_the_newest_of_each_kind_are_written_out(split, rated):
    """Old items in place of new ones, or likes among the dislikes, would ask about another user."""
    asked = prompt(split)
    history = next(one for one in rated if min(one.liked.sum(), (~one.liked).sum()) > SHOWN)
    values = asked.values(history)
    titles = np.array(asked.words.titles)
    assert values["liked"] == "; ".join(titles[history.items[history.liked][-SHOWN:]])
    assert values["disliked"] == "; ".join(titles[history.items[~history.liked][-SHOWN:]])


@pytest.mark.parametrize("strategy", LIKE_PROMPTS)
def test_what_moves_is_what_the_strategy_names(split, strategy):
    """LoRA that leaves the answers alone, or a zero-shot model that moved, would be mislabelled."""
    lm = tiny_lms.tiny("kit-gpt")
    before = [parameter.detach().clone() for parameter in lm.model.parameters()]
    fitted = adapt_likes(lm, split, strategy, labels=4, seed=1, budget=SHORT)
    moved = {name for name, change in fitted.account.moved.items() if change}
    assert (
        moved == {"zero-shot": set(), "soft-prompt": {"prompt"}, "lora-words": {"head"}}[strategy]
    )
    assert all(bool((a == b).all()) for a, b in zip(before, lm.model.parameters(), strict=True))
    assert len(fitted.account.losses) == (0 if strategy == "zero-shot" else 2)


def test_a_soft_prompt_starts_as_the_words_it_replaces(split, rated):
    """Vectors that start elsewhere would make the first step a step down."""
    lm, items = tiny_lms.tiny("kit-gpt"), [[3, 50, 7]]
    still = Budget(1e-12, shortest=1, longest=1, size=1)
    plain = adapt_likes(lm, split, "zero-shot", labels=1)
    soft = adapt_likes(lm, split, "soft-prompt", labels=1, budget=still)
    assert soft.wording.source.startswith("{liked}")
    np.testing.assert_allclose(
        soft.score(rated[:1], items)[0], plain.score(rated[:1], items)[0], atol=1e-4
    )


def test_the_loss_is_that_of_the_right_answer(split, rated):
    """A loss of the wrong word would teach the opposite."""
    asked = prompt(split)
    (score,) = asked.score(rated[:1], [[5]])
    yes, no = (
        asked.loss(rated[:1], [5], [liked])[0].item() * len(asked.lm.target_ids(answer))
        for liked, answer in zip((True, False), asked.wording.answers, strict=True)
    )
    assert no - yes == pytest.approx(score[0], abs=1e-3)


@pytest.mark.parametrize("source", ["{liked}, {item}", "{item}: {liked}, {disliked}", "a {x}"])
def test_a_wording_needs_its_three_gaps_with_the_item_last(source):
    """A gap left out would be read as words."""
    with pytest.raises(InputError, match="expected each of {liked}, {disliked}, {item} once"):
        LikeWording(source, ("yes", "no"))


def test_an_unknown_wording_is_named(split):
    with pytest.raises(InputError, match="wording for likes 'plian': did you mean 'plain'"):
        adapt_likes(tiny_lms.lm("kit-gpt"), split, "zero-shot", wording="plian")
