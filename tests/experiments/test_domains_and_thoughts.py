"""Worlds side by side, which expert reads them, and answers that begin with a thought."""

from __future__ import annotations

import numpy as np
import pytest

from tutorial_lib.data import leave_last_out, load_dataset
from tutorial_lib.errors import InputError
from tutorial_lib.models import load_language_model
from tutorial_lib.models.decoding import log_likelihood
from tutorial_lib.models.experts import ExpertRecommender
from tutorial_lib.strategies import Budget, adapt
from tutorial_workshop.experiments.domains import expert_load, mixed_worlds
from tutorial_workshop.experiments.reasoning import committed, words_with


@pytest.fixture(scope="module")
def mix():
    return mixed_worlds(("world-movies", "world-news"), 30)


def test_a_mix_holds_each_world_as_it_was(mix):
    news = load_dataset("world-news").subset_users(range(30))
    first = mix.starts[1]
    for user in (0, 29):
        row = np.flatnonzero(mix.split.users == 30 + user)[0]
        own = leave_last_out(news)
        history = mix.split.test_history[row] - first
        np.testing.assert_array_equal(history, own.test_history[user])
        chances = mix.chances([mix.split.test_history[row]])[0]
        assert chances[:first].sum() == 0
        expected = news.truth.next_item_probabilities([history])[0]
        np.testing.assert_allclose(chances[first:], expected)


def test_the_load_of_experts_that_know_the_domain(mix):
    """A gate that reads the domain is told from one that does not."""
    model = ExpertRecommender(2, width=8, layers=1, epochs=1).fit(mix.split, progress=False)
    found = expert_load(model, mix, 0)
    assert (found["main"] >= 0.5).all() and list(found["domain"]) == ["world-movies", "world-news"]
    import tutorial_workshop.experiments.domains as domains

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(domains, "_chosen", lambda _, pieces: [mix.domain_of(np.concatenate(pieces))])
        known = expert_load(model, mix, 0)
        patch.setattr(domains, "_chosen", lambda _, pieces: [np.concatenate(pieces) % 2])
        blind = expert_load(model, mix, 0)
    assert (known["main"] == 1).all() and (known["shuffled"] < 0.8).all()
    assert (blind["main"] - blind["shuffled"]).abs().max() < 0.05


@pytest.fixture(scope="module")
def movies():
    return load_dataset("world-movies")


@pytest.mark.parametrize("thought, start", [("theme", "sport: "), ("filler", "movie: "), ("none", "Rally")])  # fmt: skip  # noqa: E501
def test_answers_begin_with_the_thought_and_histories_do_not(movies, thought, start):
    words = words_with(thought, movies)
    assert words.answers[0].startswith(start) and words.answers[0].endswith(
        movies.items["title"][0]
    )
    assert words.history([0]) == movies.items["title"][0]


def test_a_filler_is_as_long_as_a_theme_and_shuffled_themes_are_as_many(movies):
    """The control for equal tokens would otherwise be none."""
    lm = load_language_model("kit-gpt")
    theme, filler, dealt = (words_with(name, movies) for name in ("theme", "filler", "shuffled"))
    sizes = [np.mean([len(lm.target_ids(a)) for a in w.answers]) for w in (theme, filler, dealt)]
    assert np.ptp(sizes) < 0.1
    assert sorted(dealt.thoughts) == sorted(theme.thoughts) and dealt.thoughts != theme.thoughts
    with pytest.raises(InputError, match="expected none, theme"):
        words_with("themes", movies)


def test_the_model_is_tuned_on_thought_and_title_and_may_commit_itself(movies):
    split = leave_last_out(movies)
    words, budget = words_with("theme", movies), Budget(5e-4, shortest=4, longest=4)
    lm = load_language_model("kit-gpt")
    model = adapt(lm, split, "full", 8, 0, words=words, budget=budget, calibrate=0)
    assert model.losses[-1] < model.losses[0]
    history = split.test_history[0]
    lists = committed(model, [history])
    themes = np.array(words.thoughts)[lists[0][lists[0] >= 0]]
    assert len(set(themes)) == 1 and not set(lists[0]) & set(history.tolist())
    each = sorted(set(words.thoughts))
    scores = log_likelihood(model.lm, [model.prompt(history)], [f"{t}:" for t in each])
    assert themes[0] == each[int(scores.log_probability.argmax())]
