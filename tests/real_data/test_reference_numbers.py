"""The baselines on MovieLens-100K give the reference values of the protocol; a drift in data, split
or metric moves them.
"""

import pytest

from tutorial_lib.data import leave_last_out, load_dataset
from tutorial_lib.evaluation import compare, evaluate
from tutorial_lib.models import EASE, Popularity, TransitionKNN

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def split():
    return leave_last_out(load_dataset("ml-100k", download=False).k_core(5))


def test_values_of_the_protocol(split):
    """Deterministic models: refitted on all but the last item they give the values known for this
    split, to the fourth digit.
    """
    refit = split.merge_validation()
    expected = {(Popularity, "index"): (0.0870, 0.0452), (EASE, "expected"): (0.1432, 0.0743)}
    for (model, ties), values in expected.items():
        frame = evaluate(model().fit(refit), refit, k=10, ties=ties)
        assert tuple(frame[["hit@10", "ndcg@10"]].mean().round(4)) == values


def test_transition_knn_is_the_one_to_beat(split):
    frames = {
        model: evaluate(model().fit(split), split, k=10)
        for model in (TransitionKNN, EASE, Popularity)
    }
    assert (
        frames[TransitionKNN]["hit@10"].mean() >= 0.204
        and frames[TransitionKNN]["ndcg@10"].mean() >= 0.109
    )
    assert frames[EASE]["hit@10"].mean() >= 0.143 and frames[EASE]["ndcg@10"].mean() >= 0.074
    assert compare(frames[TransitionKNN], frames[EASE], "ndcg@10").ci[0] > 0


def test_the_rule_for_ties_in_time_moves_ease_as_published(split):
    """Sorted by item number, falling, EASE doubles: the reason why ties keep the order of the file."""
    ds, found = split.dataset, {}
    for name, rising in (("rising", True), ("falling", False)):
        events = ds.interactions.sort_values("item", ascending=rising, kind="stable")
        ruled = leave_last_out(
            type(ds)(ds.name, events.reset_index(drop=True), ds.items, ds.users, ds.card)
        ).merge_validation()
        found[name] = evaluate(EASE().fit(ruled), ruled, k=10)["hit@10"].mean()
    assert found["rising"] == pytest.approx(0.0912, abs=5e-4) and found["falling"] == pytest.approx(
        0.1856, abs=5e-4
    )
