"""The baselines on MovieLens-100K give the reference values of the protocol.

A drift in data, split or metric moves them.
"""

from dataclasses import replace

import pytest

from tutorial_lib.data import leave_last_out, load_dataset
from tutorial_lib.evaluation import compare, evaluate
from tutorial_lib.models import EASE, Popularity, TransitionKNN

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def split():
    return leave_last_out(load_dataset("ml-100k", download=False).k_core(5))


def test_values_of_the_protocol(split):
    """Deterministic models, refitted on all but the last item: the values known for this split."""
    refit = split.merge_validation()
    expected = {(Popularity, "index"): (0.0870, 0.0452), (EASE, "expected"): (0.1432, 0.0743)}
    for (model, ties), values in expected.items():
        frame = evaluate(model().fit(refit), refit, k=10, ties=ties)
        assert tuple(frame[["hit@10", "ndcg@10"]].mean().round(4)) == values


def test_transition_knn_is_the_one_to_beat(split):
    chain = evaluate(TransitionKNN().fit(split), split, k=10)
    ease = evaluate(EASE().fit(split), split, k=10)
    assert chain["hit@10"].mean() >= 0.204 and chain["ndcg@10"].mean() >= 0.109
    assert ease["hit@10"].mean() >= 0.143 and ease["ndcg@10"].mean() >= 0.074
    assert compare(chain, ease, "ndcg@10").ci[0] > 0


def test_the_rule_for_ties_in_time_moves_ease_as_published(split):
    """Sorted by falling item number EASE doubles: the reason why ties keep the file's order."""
    for rising, expected in ((True, 0.0912), (False, 0.1856)):
        events = split.dataset.interactions.sort_values("item", ascending=rising, kind="stable")
        ds = replace(split.dataset, interactions=events.reset_index(drop=True))
        ruled = leave_last_out(ds).merge_validation()
        found = evaluate(EASE().fit(ruled), ruled, k=10)["hit@10"].mean()
        assert found == pytest.approx(expected, abs=5e-4)
