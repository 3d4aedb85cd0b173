"""Mitigations of the recorded table: FA*IR, thinned data, swapped words, private training."""

import sys
from pathlib import Path

import numpy as np
import pytest
from tutorial_recipes.worlds import make_world

from tutorial_lib.data import hold_out_k
from tutorial_lib.language.attributes import ATTRIBUTES, about
from tutorial_lib.models import Popularity

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
remedies = pytest.importorskip("remedies", reason="benchmarks/ is in the clone, not in the wheel")


def test_minimums_equal_the_published_ones():
    # Zehlike et al. 2017, table 2 (alpha = .1), and the table of k=20, p=.25, alpha=.1 that the
    # authors' own software documents
    assert remedies.fair_minimums(12, 0.3, 0.1).tolist() == [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2]
    minimums = remedies.fair_minimums(20, 0.25, 0.1)
    assert minimums.tolist() == [0] * 8 + [1] * 6 + [2] * 5 + [3]
    counts = np.cumsum(np.random.default_rng(0).random((40_000, 20)) < 0.25, axis=1)
    failed = (counts < minimums).any(axis=1).mean()
    assert failed == pytest.approx(remedies.fail_probability(minimums, 0.25), abs=0.006)
    level = remedies.adjusted_alpha(20, 0.25, 0.1)
    assert remedies.fail_probability(remedies.fair_minimums(20, 0.25, level), 0.25) <= 0.1


def test_fair_lists_meet_every_minimum_and_cost_no_relevance_they_need_not():
    protected = np.arange(60) % 3 == 0
    scores = np.random.default_rng(4).random((50, 60)) - 2.0 * protected  # the protected come last
    minimums = remedies.fair_minimums(10, 0.5, remedies.adjusted_alpha(10, 0.5, 0.1))
    pool = np.argsort(-scores, axis=1)
    relevance = np.take_along_axis(scores, pool, axis=1)
    columns = remedies.FairTopK(protected, p=0.5)(pool, relevance, None, 10)
    lists = np.take_along_axis(pool, columns, axis=1)
    assert (np.cumsum(protected[lists], axis=1) == minimums).all()  # met, and never exceeded here
    for row, own in zip(lists, scores, strict=True):
        for part in (protected, ~protected):  # within a group the order is that of the scores
            assert (np.diff(own[row[part[row]]]) <= 0).all()


def test_a_thinned_split_has_equally_frequent_items_and_leaves_judgement_alone():
    split = hold_out_k(make_world("movies", n_users=600, n_items=100), 2)
    counts = Popularity().fit(split).counts
    weights = remedies.ips_weights(counts, 1.0, clip=100)
    assert (weights * counts).sum() / counts.sum() == pytest.approx(1)
    thin = remedies.reweighted_split(split, weights, keep=0.3, seed=1)
    after = Popularity().fit(thin).counts
    assert after.sum() / counts.sum() == pytest.approx(0.3, abs=0.03)
    assert np.std(counts) / counts.mean() > 0.25 and np.std(after) < 1.3 * np.sqrt(after.mean())
    assert thin.test_target is split.test_target and thin.test_history is split.test_history
    assert all(len(part) for part, old in zip(thin.train, split.train, strict=True) if len(old))
    for part, old in zip(thin.train[:50], split.train, strict=False):  # in the order of time
        places = [list(old).index(item) for item in part]
        assert places == sorted(places)


def test_every_text_of_the_kit_is_swapped_into_its_counterpart():
    for values in ATTRIBUTES.values():
        texts = [about(who).source for who in values]
        assert sorted(remedies.swap_attribute(texts[:1], values)) == sorted(texts)
    assert sorted(remedies.swap_attribute(["A woman liked it", "Human"], ["a woman", "a man"])) == [
        "A man liked it",
        "A woman liked it",
        "Human",
    ]


@pytest.mark.full
def test_private_training_learns_within_its_budget_and_gives_the_model_back():
    pytest.importorskip("opacus", reason="an optional extra: pip install opacus")
    import torch

    torch.manual_seed(0)
    x = torch.randn(160, 4)
    data = torch.utils.data.TensorDataset(x, (x[:, 0] > 0).float())
    model = torch.nn.Linear(4, 1)

    def loss_of(model, batch):
        inputs, wanted = batch
        return torch.nn.functional.binary_cross_entropy_with_logits(model(inputs)[:, 0], wanted)

    before = float(loss_of(model, data.tensors).detach())
    loader = torch.utils.data.DataLoader(data, batch_size=32)
    spent = remedies.private_training(model, loader, loss_of, epsilon=50, epochs=3, lr=0.05)
    assert 0 < spent <= 50 and float(loss_of(model, data.tensors).detach()) < 0.9 * before
    assert not any(hasattr(parameter, "grad_sample") for parameter in model.parameters())
