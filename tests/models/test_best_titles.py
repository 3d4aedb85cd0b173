"""Branch and bound against scoring every title: the same lists, for a fraction of the nodes."""

from __future__ import annotations

import numpy as np
import pytest
import tiny_lms
import torch

from tutorial_lib.data import leave_last_out, load_dataset
from tutorial_lib.errors import InputError
from tutorial_lib.models import best_titles as module
from tutorial_lib.models.best_titles import best_titles
from tutorial_lib.models.decoding import log_likelihood, tokens_at_once
from tutorial_lib.models.generation import catalogue_trie
from tutorial_lib.recommender import ScoreRecommender, top_k
from tutorial_lib.strategies import Budget, adapt

SHORT = Budget(1e-3, shortest=1, longest=1, size=2)


def alike(found: np.ndarray, scores: np.ndarray, k: int, hidden) -> None:
    """The lists are those of ``scores``; two items change places only where their scores are equal
    but for rounding.
    """
    expected = top_k(scores, k, exclude=hidden)
    assert found.shape == expected.shape and np.array_equal(found < 0, expected < 0)
    for row, (one, other) in enumerate(zip(found, expected, strict=True)):
        listed = one[one >= 0]
        assert len(set(listed)) == len(listed) and not set(listed) & set(hidden[row])
        assert np.allclose(scores[row, listed], scores[row, other[other >= 0]], rtol=1e-5)


@pytest.mark.parametrize("name", ["kit-gpt", "gpt2"])
@pytest.mark.parametrize(
    "k, nodes, prompts", [(1, 16, 64), (3, 1, 1), (3, 4, 3), (10, 16, 64), (None, 16, 64)]
)
def test_the_lists_are_those_of_scoring_everything(name, k, nodes, prompts, monkeypatch):
    """Titles that begin other titles, titles of one token, duplicates, prompts of all lengths; a
    bias may lift a title whose words alone would never be reached, or bar one.
    """
    monkeypatch.setattr(module, "NODES_AT_ONCE", nodes)
    monkeypatch.setattr(module, "MOST_PROMPTS", prompts)
    lm, titles, asked = tiny_lms.lm(name), tiny_lms.catalogue(), tiny_lms.prompts()
    k, rng = k or len(titles), np.random.default_rng(0)
    plain, trie = log_likelihood(lm, asked, titles).log_probability, catalogue_trie(lm, titles)
    hidden = [rng.choice(len(titles), row, replace=False).tolist() for row in range(len(asked))]
    for added in (
        None,
        rng.normal(size=len(titles)) * 20,
        np.where(rng.random(len(titles)) < 0.5, -np.inf, 0),
    ):
        scores = plain if added is None else plain + added
        found = best_titles(lm, asked, trie, k, added=added, hidden=hidden)
        alike(found.items, scores, k, hidden)
        there = found.items >= 0
        rows = np.broadcast_to(np.arange(len(asked))[:, None], there.shape)
        assert np.allclose(found.scores[there], scores[rows[there], found.items[there]], rtol=1e-5)
        assert (found.scores[~there] == -np.inf).all()


@pytest.mark.parametrize("loose", [0.0, 0.25, 0.5])
def test_a_loose_bound_ends_the_search_and_the_lists_stay_the_same(loose, monkeypatch):
    """A prior taken off lifts the bound of every node: without an end, all nodes would be read, a
    few at a time, for ten times what scoring all of them costs.
    """
    lm, titles, asked = tiny_lms.lm("kit-gpt"), tiny_lms.catalogue(), tiny_lms.prompts()
    plain, trie = log_likelihood(lm, asked, titles).log_probability, catalogue_trie(lm, titles)
    prior = log_likelihood(lm, ["and then"], titles).log_probability[0]
    hidden, inner, full = [[]] * len(asked), (trie.n_children > 0).sum() - 1, []
    monkeypatch.setattr(module, "NODES_AT_ONCE", 2)
    monkeypatch.setattr(module, "LOOSE", loose)
    every = module.every_title
    monkeypatch.setattr(module, "every_title", lambda *of: full.append(of[1]) or every(*of))
    found = best_titles(lm, asked, trie, 5, added=-prior, hidden=hidden)
    alike(found.items, plain - prior, 5, hidden)
    given_up = found.n_read >= inner
    assert len(full) == given_up.sum() > 0 and all(len(prompts) == 1 for prompts in full)
    assert (found.n_read[given_up] - inner <= loose * inner + 2).all()


@pytest.mark.parametrize(
    "strategy", ["zero-shot", "item-bias", "soft-prompt", "prefix", "lora", "head"]
)
def test_recommend_is_score_without_the_seen_items(strategy):
    """For every way of adapting a causal model: with a prior, a bias, vectors in front, a head."""
    tuned = {} if strategy in ("zero-shot", "item-bias") else {"budget": SHORT}
    labels = 0 if strategy == "zero-shot" else 4
    fitted = adapt(tiny_lms.lm("kit-gpt"), tiny_lms.split(), strategy, labels=labels, **tuned)
    histories = tiny_lms.split().test_history[:9]
    scores = fitted.score(histories)
    alike(fitted.recommend(histories, 7), scores, 7, histories)
    alike(fitted.recommend(histories, 7, exclude_seen=False), scores, 7, [[]] * 9)


@pytest.mark.parametrize("name", ["kit-gpt", "kit-t5", "kit-bert"])
def test_the_kits_models_list_what_they_score(name):
    """The shipped weights, all titles of a world; only the causal one has the shorter way, which
    must read at most a twelfth of the catalogue's inner nodes.
    """
    split = leave_last_out(load_dataset("world-movies"))
    fitted = adapt(name, split, "zero-shot", calibrate=2)
    histories = split.test_history[: 12 if name == "kit-gpt" else 2]
    alike(fitted.recommend(histories), fitted.score(histories), 10, histories)
    if name == "kit-gpt":
        found = best_titles(fitted.lm, fitted.prompts(histories), fitted.trie, hidden=histories)
        assert found.n_read.mean() <= (fitted.trie.n_children > 0).sum() / 12


def test_nothing_is_scored_where_a_list_is_enough(monkeypatch):
    fitted = adapt(tiny_lms.lm("kit-gpt"), tiny_lms.split(), "zero-shot", labels=0, calibrate=0)
    monkeypatch.setattr(ScoreRecommender, "_best", None)
    assert fitted.recommend([[1, 2]], 3).shape == (1, 3)


def test_memory_for_logits_is_bounded_whatever_the_vocabulary():
    """Logits of a pass never hold more numbers than ``megabytes`` allows, down to one token."""
    lm, titles = tiny_lms.lm("kit-gpt"), tiny_lms.catalogue()
    longest = catalogue_trie(lm, titles).longest
    sizes, head = [], lm.model.get_output_embeddings()
    hook = head.register_forward_hook(
        lambda module, given, out: sizes.append(out.shape[0] * out.shape[1])
    )
    try:
        for megabytes in (0.05, 0.3, 256.0):
            sizes.clear()
            log_likelihood(lm, tiny_lms.prompts(), titles, megabytes=megabytes)
            best_titles(lm, tiny_lms.prompts(), catalogue_trie(lm, titles), megabytes=megabytes)
            assert max(sizes) <= max(tokens_at_once(lm, 1, megabytes), longest)
    finally:
        hook.remove()
    assert tokens_at_once(lm, 1, 8.0) == 2**20 // lm.model.config.vocab_size


def test_bad_arguments_are_refused_in_one_line(monkeypatch):
    lm, titles = tiny_lms.lm("kit-gpt"), tiny_lms.catalogue()
    trie = catalogue_trie(lm, titles)
    for k in (0, len(titles) + 1, 2.5):
        with pytest.raises(InputError, match=r"best_titles\(k=.*expected 1.."):
            best_titles(lm, ["and;"], trie, k)
    with pytest.raises(InputError, match="needs a causal model"):
        best_titles(tiny_lms.lm("bert"), ["and;"], trie)
    with pytest.raises(InputError, match="no candidates"):
        catalogue_trie(lm, [])
    assert best_titles(lm, [], trie, 3).items.shape == (0, 3)
    monkeypatch.setattr(type(lm), "start_ids", [])  # a model without a start token
    with torch.no_grad(), pytest.raises(InputError, match="an empty prompt"):
        best_titles(lm, ["and;", ""], trie, 3)
