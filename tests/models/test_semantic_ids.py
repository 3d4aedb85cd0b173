"""IDs made of tokens: what quantisation promises, and what no ID may do."""

import time

import numpy as np
import pytest
import torch
from small import make_dataset, random_dataset
from vector_quantize_pytorch import ResidualVQ

from tutorial_lib.data import leave_last_out, load_dataset
from tutorial_lib.errors import InputError
from tutorial_lib.models.rq_vae import ResidualVAE, rq_vae
from tutorial_lib.models.semantic_ids import ID_SCHEMES, residual_kmeans, text_vectors, token_ids


@pytest.fixture(scope="module")
def split():
    return leave_last_out(load_dataset("world-movies"))


@pytest.fixture(scope="module")
def vectors(split):
    return text_vectors(split.dataset)


@pytest.mark.parametrize("scheme", list(ID_SCHEMES))
def test_every_item_has_an_id_of_its_own(scheme):
    """Two items with one ID could never both be recommended."""
    split = leave_last_out(random_dataset(0, n_users=8, n_items=70, length=6))
    ids = token_ids(split, scheme, codes=6, levels=3, seed=4)
    again = token_ids(split, scheme, codes=6, levels=3, seed=4)
    assert len(np.unique(ids.tokens, axis=0)) == 70 and np.array_equal(ids.tokens, again.tokens)
    assert (ids.tokens >= 0).all() and (ids.tokens < np.array(ids.sizes)).all()


@pytest.mark.parametrize("scheme", ["semantic", "rq-vae"])
def test_semantic_ids_of_a_world_use_the_codebooks_and_collide_rarely(split, scheme):
    started = time.process_time()
    ids = token_ids(split, scheme)
    assert time.process_time() - started < 10
    assert ids.codebook_use >= 0.9 and ids.collisions <= 0.03
    assert len(np.unique(ids.tokens, axis=0)) == split.dataset.n_items
    # neighbours in a history begin alike more often than chance has it
    first = ids.tokens[:, 0]
    pairs = np.concatenate([np.column_stack([h[:-1], h[1:]]) for h in split.train])
    by_chance = (first[pairs[:, 0]] == np.roll(first[pairs[:, 1]], 1000)).mean()
    assert (first[pairs[:, 0]] == first[pairs[:, 1]]).mean() > 2.5 * by_chance


def test_each_code_word_is_the_nearest_to_what_the_levels_before_left(vectors):
    words, codebooks = residual_kmeans(vectors, 16, 3)
    left, errors = vectors.copy(), [1.0]
    for level, book in enumerate(codebooks):
        distance = ((left[:, None] - book) ** 2).sum(axis=2)
        assert (distance.argmin(axis=1) == words[:, level]).mean() > 0.99  # equal but for rounding
        left = left - book[words[:, level]]
        errors.append((left**2).sum() / (vectors**2).sum())
    assert all(after < 0.9 * before for before, after in zip(errors, errors[1:]))


def test_quantisation_agrees_with_a_published_implementation(vectors):
    model = ResidualVAE(64, codes=16, levels=3)
    encoded = model.encoder(torch.tensor(vectors).float()).detach().numpy()
    _, books = residual_kmeans(encoded, 16, 3)
    with torch.no_grad():
        model.codebooks.copy_(torch.tensor(np.stack(books)))
        z = model.encoder(torch.tensor(vectors).float())
        words, quantised, _ = model.quantise(z)
        other = ResidualVQ(dim=32, num_quantizers=3, codebook_size=16).eval()
        for layer, book in zip(other.layers, model.codebooks):
            layer._codebook.embed.data.copy_(book[None])
            layer._codebook.initted.data.fill_(True)
        theirs, indices, _ = other(z[None])
    assert (indices[0] == words).float().mean() > 0.999
    torch.testing.assert_close(theirs[0], quantised, atol=1e-5, rtol=0)


def test_an_rq_vae_keeps_its_codebooks_in_use_and_learns(vectors):
    words, codebooks = rq_vae(vectors, 32, 3)
    used = [len(np.unique(column)) for column in words.T]
    assert sum(used) >= 0.9 * 96 and [book.shape for book in codebooks] == [(32, 32)] * 3
    torch.manual_seed(0)
    model, x = ResidualVAE(64, 32, 3), torch.tensor(vectors).float()
    torch.nn.init.normal_(model.codebooks)
    loss = model(x)
    loss.backward()
    # straight through: the encoder learns though the nearest code vector has no gradient
    assert all(layer.grad.abs().sum() > 0 for layer in model.parameters())
    coarse, _ = rq_vae(vectors, 32, 3, steps=1)
    assert (coarse != words).any()  # code words move while it trains


def test_vectors_may_come_from_elsewhere_and_equal_ones_are_told_apart():
    split = leave_last_out(random_dataset(0, n_users=8, n_items=30, length=6))
    vectors = np.repeat(np.eye(3), 10, axis=0)
    ids = token_ids(split, codes=6, levels=2, vectors=vectors + np.arange(30)[:, None] // 5 * 0.01)
    assert ids.collisions == 1 and ids.sizes == (6, 6, 5)
    assert sorted(ids.tokens[:5, -1].tolist()) == [0, 1, 2, 3, 4]
    assert np.isnan(token_ids(split, "random", codes=6).codebook_use)


def test_bad_input_is_one_clear_line():
    split = leave_last_out(random_dataset(0, n_users=8, n_items=70, length=6))
    silent = leave_last_out(make_dataset([(0, i, i) for i in range(8)]))
    silent.dataset.items.loc[3, "title"] = "..."
    for call, words in (
        (lambda: token_ids(split, "semantics"), "did you mean 'semantic'"),
        (lambda: token_ids(split, codes=4, levels=3), "64 IDs for 70 items"),
        (lambda: token_ids(split, codes=100), "no more codes than items"),
        (lambda: token_ids(split, codes=1), "codes=1"),
        (lambda: token_ids(split, codes=9, vectors=np.zeros((4, 2))), "each of the 70 items"),
        (lambda: token_ids(silent, codes=3), "1 of 8 items .* have no text, the first is item 3"),
        (lambda: token_ids(silent, "title"), "have no text"),
    ):
        with pytest.raises(InputError, match=words) as error:
            call()
        assert "\n" not in str(error.value)
    assert token_ids(silent, "random", codes=3).sizes == (3, 3, 3)
