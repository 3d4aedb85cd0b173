"""What a model learns from: weights, thinned splits and swapped attributes; filtered states;
training under differential privacy.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures
from small import random_dataset
from tutorial_recipes.worlds import make_world

from tutorial_lib.audit.mitigation.learned import private_training, remove_attribute
from tutorial_lib.audit.mitigation.training import (
    effective_sample_size,
    ips_weights,
    reweighted_split,
    stay_chances,
    swap_attribute,
)
from tutorial_lib.data import hold_out_k, leave_last_out
from tutorial_lib.data.histories import flatten
from tutorial_lib.errors import InputError
from tutorial_lib.evaluation import auc, spearman
from tutorial_lib.language.attributes import ATTRIBUTES, PARAPHRASES, about
from tutorial_lib.models import EASE, Popularity

# --- weights and thinning
# ----------------------------------------------------------------------------------------------------------------


def test_weights_follow_the_power_law_and_stop_at_the_clip():
    counts = np.array([100, 25, 1, 0])
    weights = ips_weights(counts, beta=0.5, clip=1000)
    assert (
        weights[1] / weights[0] == pytest.approx(2)
        and weights[2] / weights[0] == pytest.approx(10)
        and weights[3] == 0
    )
    assert (weights * counts).sum() / counts.sum() == pytest.approx(1)
    assert ips_weights(counts, beta=0.5, clip=3).max() == 3
    assert (
        np.ptp(ips_weights(counts, beta=1, clip=1000)[:3] * counts[:3]) < 1e-12
    )  # every item the same in total


def test_a_stronger_weight_costs_sample_size():
    counts = Popularity().fit(leave_last_out(make_world("movies", n_users=300, n_items=200))).counts
    sizes = [effective_sample_size(ips_weights(counts, beta), counts) for beta in (0, 0.3, 0.6, 1)]
    assert (
        sizes[0] == pytest.approx(counts.sum())
        and sizes == sorted(sizes, reverse=True)
        and sizes[-1] < 0.9 * sizes[0]
    )
    assert effective_sample_size(ips_weights(counts, 1, clip=1.5), counts) > sizes[-1]


@settings(max_examples=60, deadline=None)
@given(
    weights=st.lists(st.floats(0.0, 100.0).map(lambda x: round(x, 3)), min_size=1, max_size=30),
    keep=st.floats(0.05, 1.0),
)
def test_chances_to_stay_have_the_mean_that_was_asked_for(weights, keep):
    weights = np.array(weights)
    chance = stay_chances(weights, keep)
    assert ((chance >= 0) & (chance <= 1)).all()
    assert chance.mean() == pytest.approx(min(keep, (weights > 0).mean()))
    free = (chance > 0) & (chance < 1)
    if free.sum() > 1:  # proportional where not clipped
        ratio = chance[free] / weights[free]
        assert np.ptp(ratio) < 1e-9 * ratio.max()


def test_a_thinned_split_has_the_planted_shares_and_leaves_judgement_alone():
    split = hold_out_k(make_world("movies", n_users=600, n_items=100), 2)
    counts = Popularity().fit(split).counts
    weights = ips_weights(counts, 1.0, clip=100)
    thin = reweighted_split(split, weights, keep=0.3, seed=1)
    after = Popularity().fit(thin).counts
    assert after.sum() / counts.sum() == pytest.approx(0.3, abs=0.03)
    assert (
        np.std(counts) / counts.mean() > 0.25
    )  # skewed before; afterwards every item is equally frequent, but for the draw
    assert np.std(after) < 1.3 * np.sqrt(after.mean())
    assert thin.test_target is split.test_target and thin.test_history is split.test_history
    assert all(
        len(part) for part, old in zip(thin.train, split.train, strict=True) if len(old)
    )  # nobody vanishes
    for part, old in zip(thin.train[:50], split.train, strict=False):  # in the order of time
        places = [list(old).index(item) for item in part]
        assert places == sorted(places)
    again = reweighted_split(split, weights, keep=0.3, seed=1)
    assert all((a == b).all() for a, b in zip(again.train, thin.train, strict=True))
    assert (
        flatten(reweighted_split(split, weights, keep=0.3, seed=2).train)[0][:50]
        != flatten(thin.train)[0][:50]
    ).any()


def test_keeping_all_at_equal_weights_changes_nothing():
    split = leave_last_out(random_dataset())
    same = reweighted_split(split, np.ones(30), keep=1.0)
    assert all((a == b).all() for a, b in zip(same.train, split.train, strict=True))


def test_reweighting_makes_lists_less_popular():
    split = hold_out_k(make_world("movies", n_users=600, n_items=200), 5)
    counts = Popularity().fit(split).counts

    def agreement(part):  # of scores with popularity
        return spearman(EASE(100).fit(part).score(split.test_history).mean(axis=0), counts).value

    plain = agreement(reweighted_split(split, np.ones(200), keep=0.5))
    weighted = agreement(reweighted_split(split, ips_weights(counts, 1.0), keep=0.5))
    assert weighted < plain - 0.1


def test_bad_weights_are_refused():
    split = leave_last_out(random_dataset())
    for weights in (np.ones(29), -np.ones(30), np.full(30, np.nan)):
        with pytest.raises(InputError, match="30 weights"):
            reweighted_split(split, weights)
    with pytest.raises(InputError, match="keep=0"):
        reweighted_split(split, np.ones(30), keep=0)
    with pytest.raises(InputError, match="beta=2"):
        ips_weights(np.ones(3), beta=2)
    with pytest.raises(InputError, match="not all 0"):
        ips_weights(np.zeros(3))


# --- swapped attributes
# ------------------------------------------------------------------------------------------------------------------


def test_every_text_of_the_kit_is_swapped_into_its_counterpart():
    for values in ATTRIBUTES.values():
        texts = [about(who).source for who in values]
        assert (
            sorted(swap_attribute(texts[:1], values))
            == sorted(texts)
            == sorted(swap_attribute(texts[1:], values))
        )
    neutral = [about(who).source for who in PARAPHRASES]
    assert sorted(swap_attribute(neutral, ATTRIBUTES["gender"])) == sorted(neutral)


def test_words_are_swapped_whole_at_once_and_in_their_case():
    assert set(swap_attribute(["Woman and man, not manly humans"], ["man", "woman"])) == {
        "Woman and man, not manly humans",
        "Man and woman, not manly humans",
    }
    three = swap_attribute(["a child and an adult"], ["child", "adult", "senior"])
    assert set(three) == {
        "a child and an adult",
        "a adult and an senior",
        "a senior and an child",
    }  # articles belong into the values


def test_augmented_texts_tell_nothing_about_the_attribute():
    """The law that the augmentation is for: every context occurs equally often with every value."""
    texts = [
        f"{who} enjoyed {item}"
        for who, item in [("A man", "x")] * 9 + [("A woman", "x")] + [("A woman", "y")] * 5
    ]
    out = swap_attribute(texts, ["a woman", "a man"], seed=3)
    for item in "xy":
        assert out.count(f"A man enjoyed {item}") == out.count(f"A woman enjoyed {item}") > 0
    assert (
        out
        == swap_attribute(texts, ["a woman", "a man"], seed=3)
        != swap_attribute(texts, ["a woman", "a man"], seed=4)
    )


def test_fewer_than_two_values_are_refused():
    for values in (["man"], ["man", "Man"], ["man", ""]):
        with pytest.raises(InputError, match="two or more different"):
            swap_attribute(["a man"], values)


# --- adversarial removal
# -----------------------------------------------------------------------------------------------------------------


def fresh_probe(states, labels, model=None):
    model = model or LogisticRegression(max_iter=500)
    return auc(labels, cross_val_predict(model, states, labels, cv=5, method="predict_proba")[:, 1])


def curved_probe(states, labels):
    return fresh_probe(
        states,
        labels,
        make_pipeline(PolynomialFeatures(2), LogisticRegression(max_iter=500, C=0.1)),
    )


@pytest.fixture(scope="module")
def leaky():
    """States that leak a label along one direction (Bayes AUC .856), and by their spread along
    another; item vectors.
    """
    rng = np.random.default_rng(0)
    labels = rng.random(1500) < 0.4
    states = rng.normal(size=(1500, 12))
    states[:, 0] += 1.5 * labels
    states[:, 1] *= np.where(labels, 2.5, 1.0)
    return states, labels, rng.normal(size=(150, 12))


def test_a_filter_removes_what_a_linear_probe_reads_and_keeps_most_of_the_scores(leaky):
    states, labels, items = leaky
    filtered = remove_attribute(states, labels, items)
    assert fresh_probe(states, labels) > 0.82 and fresh_probe(filtered.states, labels) < 0.55
    assert (
        filtered.scores_changed < 0.2
    )  # one direction of twelve carries the leak: 1/12 of the variance, and a little more
    assert np.allclose(filtered.apply(states[:7]), filtered.states[:7])
    assert (
        curved_probe(filtered.states, labels) > 0.65
    )  # what a linear adversary cannot see it does not remove


def test_the_adversary_of_the_training_is_fooled_before_a_fresh_probe_is(leaky):
    """Stopped early, the adversary points the wrong way: it guesses at chance while the leak is
    still there.
    """
    states, labels, items = leaky
    stopped = [remove_attribute(states, labels, items, steps=200, seed=seed) for seed in range(3)]
    own, fresh = np.array([(f.adversary_auc, fresh_probe(f.states, labels)) for f in stopped]).T
    assert (np.abs(own - 0.5) < 0.1).all()
    assert (fresh > own + 0.15).all()


def test_no_strength_filters_nothing(leaky):
    states, labels, items = leaky
    filtered = remove_attribute(states, labels, items, strength=0.0, steps=50)
    assert np.allclose(filtered.states, states, atol=1e-3) and filtered.scores_changed < 1e-6


def test_states_that_do_not_fit_are_refused(leaky):
    states, labels, items = leaky
    for wrong in (
        (states, labels[:9], items),
        (states, labels, items[:, :3]),
        (states, np.zeros(len(states)), items),
    ):
        with pytest.raises(InputError, match="labels of two values"):
            remove_attribute(*wrong)


# --- differential privacy
# ----------------------------------------------------------------------------------------------------------------


def tiny_gpt2(seed=0):
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(seed)
    shape = {"n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": 8}
    return GPT2LMHeadModel(
        GPT2Config(vocab_size=20, **shape, bos_token_id=1, eos_token_id=2, pad_token_id=0)
    )


def counting(rows=160):
    """Sequences that count upwards modulo 20, a loader of them, and the loss of a GPT-2."""
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    tokens = (
        torch.arange(6)
        + torch.randint(0, 20, (rows, 1), generator=torch.Generator().manual_seed(0))
    ) % 20

    def loss_of(model, batch):
        (tokens,) = batch
        return model(
            input_ids=tokens,
            labels=tokens,
            position_ids=torch.arange(tokens.shape[1]).expand_as(tokens),
        ).loss

    return DataLoader(TensorDataset(tokens), batch_size=32), loss_of


@pytest.fixture
def opacus():
    return pytest.importorskip(
        "opacus", reason="differential privacy is an optional extra: pip install opacus"
    )


def test_private_training_learns_within_its_budget_and_gives_the_model_back(opacus):
    loader, loss_of = counting()
    model = tiny_gpt2()
    loose = private_training(model, loader, loss_of, epsilon=50, epochs=3, lr=1e-2)
    assert (
        loose.model is model
        and loose.moved > 0.1
        and 0 < loose.epsilon <= 50
        and loose.delta == 1 / 160
    )
    assert loose.losses[-1] < 0.95 * loose.losses[0]
    assert not any(
        hasattr(parameter, "grad_sample") for parameter in model.parameters()
    )  # an ordinary model again
    tight = private_training(tiny_gpt2(), loader, loss_of, epsilon=1, epochs=3, lr=1e-2)
    assert (
        tight.epsilon <= 1 and tight.noise_multiplier > 2 * loose.noise_multiplier
    )  # privacy is bought with noise
    assert tight.losses[-1] > loose.losses[-1]
    assert (
        private_training(tiny_gpt2(), loader, loss_of, epsilon=1, epochs=3, lr=1e-2).losses
        == tight.losses
    )  # the seed decides


def test_what_makes_private_training_void_is_refused(opacus):
    loader, loss_of = counting(rows=64)
    with pytest.raises(InputError, match="no weight has moved"):
        private_training(tiny_gpt2(), loader, loss_of, epsilon=5, epochs=1, lr=0.0)
    with pytest.raises(InputError, match="0 trainable parameters"):
        private_training(tiny_gpt2().requires_grad_(False), loader, loss_of, epsilon=5)
    model = tiny_gpt2()
    with pytest.raises(InputError, match="position_ids"):
        private_training(
            model,
            loader,
            lambda m, batch: m(input_ids=batch[0], labels=batch[0]).loss,
            epsilon=5,
            epochs=1,
        )
    assert (
        private_training(model, loader, loss_of, epsilon=5, epochs=1).moved > 0
    )  # the same model can be trained after the mend
