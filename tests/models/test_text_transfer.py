"""A recommender by texts: it works in another catalogue, and for items that nobody has chosen, and
where texts say nothing it knows nothing.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from tutorial_lib.data import leave_last_out, load_dataset
from tutorial_lib.models.text_transfer import OUT_OF_REACH, TextEncoder, TextRecommender
from tutorial_workshop.experiments.transfer import with_texts_dealt_out

SMALL = {"width": 16, "layers": 1, "dropout": 0.0, "epochs": 2}


@pytest.fixture(scope="module")
def source():
    return leave_last_out(load_dataset("world-products").subset_users(range(150)))


@pytest.fixture(scope="module")
def target():
    return leave_last_out(load_dataset("world-movies").subset_users(range(60)))


@pytest.fixture(scope="module")
def encoder(source, target):
    return TextEncoder([source.dataset, target.dataset], width=32)


@pytest.fixture(scope="module")
def fitted(source, encoder):
    return TextRecommender(encoder, **SMALL).fit(source)


def test_vectors_follow_the_words(encoder, target):
    """Items with each other's texts get each other's vectors; a row has length 1."""
    vectors = encoder(target.dataset)
    dealt = with_texts_dealt_out(target.dataset, 0)
    place = {title: row for row, title in enumerate(target.dataset.items["title"])}
    moved = [place[title] for title in dealt.items["title"]]
    assert (encoder(dealt) == vectors[moved]).all() and moved != sorted(moved)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    assert (dealt.items["item_id"] == target.dataset.items["item_id"]).all()


def test_items_are_known_by_their_texts_alone(fitted, encoder, target):
    """Else the model could not be carried to another catalogue: two items that change places
    change their scores with them.
    """
    dealt = with_texts_dealt_out(target.dataset, 1)
    before = TextRecommender(encoder, fitted, **SMALL).read(target.dataset)
    after = TextRecommender(encoder, fitted, **SMALL).read(dealt)
    place = {title: row for row, title in enumerate(dealt.items["title"])}
    moved = np.array([place[title] for title in target.dataset.items["title"]])
    history = target.test_history[0]
    first, second = before.score([history]), after.score([moved[history]])
    assert first[0] == pytest.approx(second[0, moved], abs=1e-4)


def test_zero_shot_moves_no_weight_and_few_labels_move_some(fitted, encoder, target):
    weights = fitted.model.embedding.narrow.weight.clone()
    zero = TextRecommender(encoder, fitted, **SMALL).read(target.dataset)
    assert (zero.model.embedding.narrow.weight == weights).all() and not zero.model.bias.any()
    tuned = TextRecommender(encoder, fitted, **SMALL).fit(target)
    apart = (tuned.model.embedding.narrow.weight - weights).norm() / weights.norm()
    assert 0.01 < apart < 1  # it began there
    assert (fitted.model.embedding.narrow.weight == weights).all()
    scratch = TextRecommender(encoder, **SMALL).read(target.dataset)
    assert (scratch.model.embedding.narrow.weight - weights).norm() > apart * weights.norm()


def test_what_was_learned_elsewhere_helps_here_only_if_texts_mean_the_same(fitted, encoder, target):
    """The lesson of notebook 09 in small; without it all transfer there would be luck."""
    values = []
    for dataset in (target.dataset, with_texts_dealt_out(target.dataset, 0)):
        model = TextRecommender(encoder, fitted, **SMALL).read(dataset)
        p = target.dataset.truth.next_item_probabilities(target.test_history)
        lists = model.recommend(target.test_history, k=10)
        values.append(np.take_along_axis(p, lists, axis=1).sum(axis=1).mean())
    assert values[0] > 1.5 * values[1]


def test_new_items_are_not_learned_against(encoder, target):
    """An item that was not on offer is in no history, and a model that takes it for a wrong answer
    would never recommend it.
    """
    model = TextRecommender(encoder, **SMALL)
    counts = np.bincount(np.concatenate(target.train[:5]), minlength=target.dataset.n_items)
    few = replace(target, train=target.train[:5])
    model.fit(few)
    bias = model.model.bias[: len(counts)].detach().numpy()
    assert bias.min() > -5 > OUT_OF_REACH
    assert bias[counts == 0] == pytest.approx(bias[counts > 0].mean(), abs=1e-5)


def test_the_seed_decides(encoder, target):
    first, second, other = (
        TextRecommender(encoder, **SMALL).fit(target, seed=seed).score(target.test_history[:3])
        for seed in (0, 0, 1)
    )
    assert (first == second).all() and not np.allclose(first, other)
    assert torch.is_grad_enabled()
