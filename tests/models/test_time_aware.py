"""A model that is told times: it learns from them, sees none too early, says when it has none."""

import numpy as np
import pytest
import torch
from small import make_dataset

from tutorial_lib.data import leave_last_out
from tutorial_lib.errors import InputError
from tutorial_lib.models import ItemTransformer, SequenceRecommender
from tutorial_lib.models.time_aware import (
    LONGEST,
    NOTHING_BEFORE,
    TimeAwareRecommender,
    TimeAwareTransformer,
    TimedBatch,
    gap_buckets,
)
from tutorial_lib.objectives.batch import Batch

SMALL = {"width": 16, "layers": 1, "batch_tokens": 256}


def timed(tokens, times):
    n, length = tokens.shape
    rows, steps = torch.arange(n), torch.full((n,), length - 1)
    return TimedBatch(tokens, True, rows, steps, torch.zeros(n), times=times)


@pytest.fixture(scope="module")
def world():
    """The next item is its neighbour in the same second, else drawn: 200 users, 20 items."""
    rng = np.random.default_rng(0)
    rows = []
    for user in range(200):
        items, times = [int(rng.integers(20))], [0]
        while len(items) < 8:
            near = (items[-1] + 1) % 20
            same = rng.random() < 0.5 and near not in items
            rest = np.setdiff1d(range(20), [*items, near])
            items.append(near if same else int(rng.choice(rest)))
            times.append(times[-1] + (0 if same else 100_000))
        rows += zip([user] * 8, items, times, strict=True)
    return leave_last_out(make_dataset(rows))


def test_buckets_double_in_length_and_the_start_has_its_own():
    gaps = [0, 1, 2, 3, 4, 2**25, 2**40]
    times = torch.tensor([[7, 7 + gap] for gap in gaps])
    assert gap_buckets(times)[:, 1, 1].tolist() == [0, 1, 2, 2, 3, LONGEST, LONGEST]
    assert (gap_buckets(times)[:, :, 0] == NOTHING_BEFORE).all()


def test_without_a_learned_bias_it_is_the_blind_model():
    """Else a difference between the two would not be due to time."""
    torch.manual_seed(0)
    blind = ItemTransformer(9, width=16, layers=2, dropout=0.0)
    torch.manual_seed(0)
    told = TimeAwareTransformer(9, width=16, layers=2, dropout=0.0)
    tokens, times = torch.tensor([[11, 3, 4, 5]]), torch.tensor([[5, 5, 90, 91]])
    batch = timed(tokens, times)
    plain = Batch(tokens, True, batch.rows, batch.steps, batch.labels)
    torch.testing.assert_close(told(batch), blind(plain))


def test_no_token_sees_a_later_item_or_time():
    told = TimeAwareTransformer(9, width=16, layers=2, dropout=0.0).eval()
    torch.nn.init.normal_(told.time_bias.weight)
    tokens, times = torch.tensor([[11, 3, 4, 5]]), torch.tensor([[5, 5, 90, 91]])
    before = told(timed(tokens, times))
    later = told(timed(torch.tensor([[11, 3, 8, 8]]), torch.tensor([[5, 5, 700, 900]])))
    torch.testing.assert_close(before[:, :2], later[:, :2])
    assert not torch.allclose(before[:, 2:], later[:, 2:])
    moved = told(timed(tokens, torch.tensor([[5, 6, 90, 91]])))
    assert not torch.allclose(before[:, 1], moved[:, 1])  # but the time of the next item counts


def test_it_learns_what_only_the_clock_tells(world):
    """Here the gap alone says whether the neighbour comes next: a blind model cannot know."""
    long = {"epochs": 80, "learning_rate": 1e-2, "dropout": 0.0}
    told = TimeAwareRecommender(**long, **SMALL).fit(world, progress=False)
    blind = SequenceRecommender(**long, **SMALL)
    blind.fit(world.merge_validation(), progress=False)
    last = np.array([history[-1] for history in world.test_history])
    near = np.array([int(target[0]) for target in world.test_target]) == (last + 1) % 20
    share = {}
    for name, model in (("told", told), ("blind", blind)):
        scores = torch.tensor(model.score(world.test_history, users=world.users))
        p = scores.softmax(dim=1).numpy()[np.arange(len(last)), (last + 1) % 20]
        share[name] = p[near].mean() - p[~near].mean()
    assert share["told"] > 0.4 and abs(share["blind"]) < 0.2


def test_bad_input_is_one_clear_line(world):
    model = TimeAwareRecommender(epochs=1, **SMALL).fit(world, progress=False)
    whole = [*world.test_history[0], *world.test_target[0]]
    for call, words in (
        (lambda: TimeAwareRecommender().score([[1]], users=[0]), "not fitted"),
        (lambda: model.score([[1]]), "users are missing"),
        (lambda: model.score([[1, 1]], users=[0]), "the history of user 0 does not begin"),
        (lambda: model.score([whole], users=[0]), "none follows it"),
    ):
        with pytest.raises(InputError, match=words) as error:
            call()
        assert "\n" not in str(error.value)
