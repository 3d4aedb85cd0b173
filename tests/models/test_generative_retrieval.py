"""Writing IDs: beams find what scoring everything finds, and only what exists."""

from itertools import product

import numpy as np
import pytest
import torch
from small import random_dataset

from tutorial_lib.data import leave_last_out
from tutorial_lib.errors import InputError
from tutorial_lib.models.generative_retrieval import GenerativeRetriever
from tutorial_lib.models.semantic_ids import TokenIds, token_ids
from tutorial_lib.recommender import Recommender, top_k

N_ITEMS = 40
SMALL = {"codes": 4, "levels": 3, "width": 16, "layers": 1, "epochs": 2, "evaluate_every": 2}


@pytest.fixture(scope="module")
def split():
    return leave_last_out(random_dataset(1, n_users=60, n_items=N_ITEMS, length=9))


@pytest.fixture(scope="module", params=["semantic", "collaborative", "random"])
def model(request, split):
    return GenerativeRetriever(request.param, **SMALL).fit(split, progress=False)


def by_hand(model, history, tokens):
    """log p of one ID, a token at a time, from the state that the history ends in."""
    (_, hidden), *_ = model._read([history])
    writer, prefix, total = model.model.writer, hidden[0], 0.0
    for place, token in enumerate(tokens):
        total += float(writer.log_probabilities(prefix, place)[token])
        prefix = prefix + writer.written.weight[writer.starts[place] + token]
    return total


def test_with_all_items_as_beams_every_item_has_its_exact_log_probability(model, split):
    histories = split.test_history[:3]
    with torch.no_grad():
        slow = [[by_hand(model, h, tokens) for tokens in model.ids.tokens] for h in histories]
    written = model.write(histories, beams=N_ITEMS)
    fast = np.take_along_axis(written.log_probabilities, np.argsort(written.items, axis=1), axis=1)
    np.testing.assert_allclose(fast, slow, atol=1e-5)
    assert written.invalid == 0


def test_probabilities_of_all_texts_sum_to_one(split):
    """Over IDs that exist and those that do not; the former alone sum to less."""
    ids = token_ids(split, "random", codes=4, levels=3)
    model = GenerativeRetriever(ids, width=8, layers=1, epochs=1).fit(split, progress=False)
    written = model.write(split.test_history[:2], beams=64, constrained=False)
    assert {tuple(t) for t in written.tokens[0].tolist()} == set(product(range(4), repeat=3))
    np.testing.assert_allclose(np.exp(written.log_probabilities).sum(axis=1), 1, atol=1e-5)
    assert written.invalid == 1 - N_ITEMS / 64
    valid = written.items[0] >= 0
    assert sorted(written.items[0, valid].tolist()) == list(range(N_ITEMS))


def test_lists_are_the_best_unseen_items_and_nothing_else(model, split):
    assert isinstance(model, Recommender)
    histories = split.test_history[:20]
    model.beams, usual = N_ITEMS, model.beams
    expected = top_k(model.score(histories), 10, exclude=histories)
    assert np.array_equal(model.recommend(histories, k=10), expected)
    model.beams = usual
    lists = model.recommend(histories, k=N_ITEMS)
    for items, history in zip(lists, histories):
        assert sorted(items[items >= 0].tolist()) == np.setdiff1d(range(N_ITEMS), history).tolist()
        assert (items[-len(np.unique(history)) :] == -1).all()
    seen = model.recommend(histories, k=N_ITEMS, exclude_seen=False)
    assert (np.sort(seen, axis=1) == np.arange(N_ITEMS)).all()


def test_few_beams_find_ids_that_exist_and_score_the_others_minus_infinity(model, split):
    written = model.write(split.test_history, beams=5)
    assert (written.items >= 0).all() and (np.diff(written.log_probabilities) <= 0).all()
    model.beams, usual = 5, model.beams
    scores = model.score(split.test_history)
    model.beams = usual
    assert ((scores > -np.inf).sum(axis=1) == 5).all()


def test_users_and_batches_make_no_difference(model, split, monkeypatch):
    whole = model.write(split.test_history, 7)
    monkeypatch.setattr("tutorial_lib.models.generative_retrieval.OPTIONS_AT_ONCE", 100)
    alone = model.write(split.test_history, 7)
    np.testing.assert_allclose(whole.log_probabilities, alone.log_probabilities, atol=1e-5)
    empty = model.recommend([[], [3]], k=2)
    assert empty.shape == (2, 2) and (empty >= 0).all()


def test_an_item_reads_as_its_tokens_and_special_tokens_as_themselves(model):
    reader, vocabulary = model.model.embedding, model.model.vocabulary
    items = torch.tensor([[3, vocabulary.start, 3], [vocabulary.pad, 17, 3]])
    with torch.no_grad():
        x = reader(items)
        depth = reader.tokens.shape[1]
        of_3 = reader.mix(reader.weight[reader.tokens[3]].sum(dim=0) * depth**-0.5)
        torch.testing.assert_close(x[0, 0], of_3)
        torch.testing.assert_close(x[1, 2], of_3)
        torch.testing.assert_close(x[0, 1], reader.weight[sum(model.ids.sizes) + 2])
        torch.testing.assert_close(x[1, 0], reader.weight[sum(model.ids.sizes)])


def test_an_item_that_nobody_chose_is_recommended_for_what_its_id_says():
    """The point of IDs that are read off the text: here the new item shares its first two tokens
    with what everybody of one taste takes.
    """
    ids = np.array([[i // 10, i // 5 % 2, i % 5] for i in range(20)])
    rng = np.random.default_rng(0)
    dataset = random_dataset(0, n_users=200, n_items=20, length=6, distinct_times=True)
    table = dataset.interactions
    for user in range(200):  # items 0..8 or 10..19, item 9 is new
        items = rng.permutation(9 if user % 2 else 10)[:6] + (0 if user % 2 else 10)
        table.loc[table["user"] == user, "item"] = items
    split = leave_last_out(dataset)
    ids = TokenIds("by hand", ids, (2, 2, 5))
    model = GenerativeRetriever(ids, width=16, layers=1, epochs=30, batch_tokens=256, beams=20)
    model.fit(split, progress=False)
    scores = model.score([[0, 1, 2, 3], [10, 11, 12, 13]])
    assert (scores[0, 9] > scores[0, 10:]).all() and (scores[1, 9] < scores[1, 14:]).all()


def test_the_seed_decides_everything(split):
    a, b = (GenerativeRetriever(**SMALL).fit(split, seed=3, progress=False) for _ in range(2))
    np.testing.assert_array_equal(a.score([[1, 2]]), b.score([[1, 2]]))


def test_bad_input_is_one_clear_line(split, model, tmp_path):
    other = leave_last_out(random_dataset(1, n_users=20, n_items=30, length=9))
    for call, words in (
        (lambda: GenerativeRetriever(beams=0), "beams=0"),
        (lambda: GenerativeRetriever("semantics").fit(split), "did you mean 'semantic'"),
        (lambda: GenerativeRetriever(codes=3, levels=3).fit(split), "27 IDs for 40 items"),
        (lambda: GenerativeRetriever(model.ids).fit(other), "IDs of 40 items for the 30"),
        (lambda: GenerativeRetriever().write([[1]]), "not fitted"),
        (lambda: model.write([[99]]), "holds item 99"),
        (lambda: model.save(tmp_path), "no saved form"),
    ):
        with pytest.raises(InputError, match=words) as error:
            call()
        assert "\n" not in str(error.value)
