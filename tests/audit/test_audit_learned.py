"""User states without an attribute: what a fresh probe still reads, and what the filter costs."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures

from tutorial_lib.audit.mitigation.learned import remove_attribute
from tutorial_lib.errors import InputError
from tutorial_lib.evaluation import auc


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
