import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small import make_dataset, random_dataset

from tutorial_lib.data import hold_out_k, leave_last_out, temporal_split
from tutorial_lib.errors import InputError


def as_lists(part):
    return [p.tolist() for p in part]


def test_leave_last_out_by_hand():
    ds = make_dataset([(0, 0, 1), (0, 1, 2), (0, 2, 3), (0, 3, 4), (1, 1, 1), (1, 2, 2)])
    split = leave_last_out(ds)
    assert as_lists(split.train) == [[0, 1], [1, 2]]  # user 1 is too short for targets but still teaches the model
    assert as_lists(split.valid_target) == [[2], []] and as_lists(split.valid_history) == [[0, 1], [1, 2]]
    assert as_lists(split.test_target) == [[3], []] and as_lists(split.test_history) == [[0, 1, 2], [1, 2]]
    assert split.users.tolist() == [0, 1]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 3), st.integers(0, 2))
def test_no_target_ever_reaches_training(seed, k, valid_k):
    ds = random_dataset(seed, n_users=8, length=9)
    whole = ds.sequences()
    for split in (hold_out_k(ds, k, valid_k=valid_k), leave_last_out(ds), temporal_split(ds, valid=0.2, test=0.2)):
        for i, sequence in enumerate(whole):
            joined = np.concatenate([split.test_history[i], split.test_target[i]])
            if len(split.test_target[i]):
                assert joined.tolist() == sequence.tolist()
            assert split.train[i].tolist() == sequence[: len(split.train[i])].tolist()
            held = set(split.valid_target[i]) | set(split.test_target[i])
            assert not held & set(split.train[i])  # items are distinct within a user here


def test_merge_validation_moves_the_validation_target_into_training():
    split = leave_last_out(random_dataset(distinct_times=True))
    merged = split.merge_validation()
    assert all(np.array_equal(m, np.concatenate([t, v])) for m, t, v in zip(merged.train, split.train, split.valid_target))
    assert not any(len(t) for t in merged.valid_target) and merged.test_target is split.test_target


def test_merge_validation_keeps_users_that_are_too_short_for_targets():
    split = leave_last_out(make_dataset([(0, 0, 1), (0, 1, 2), (0, 2, 3), (1, 1, 1), (1, 2, 2)]))
    assert as_lists(split.merge_validation().train) == [[0, 1], [1, 2]]


def test_temporal_split_never_trains_on_the_future():
    ds = random_dataset(length=12, distinct_times=True)
    split = temporal_split(ds, valid=0.1, test=0.2)
    time = {(u, i): t for u, i, t in ds.interactions[["user", "item", "timestamp"]].itertuples(index=False)}
    latest_train = max(time[u, i] for u in split.users for i in split.train[u])
    earliest_test = min(time[u, i] for u in split.users for i in split.test_target[u])
    assert latest_train < earliest_test
    # leave-last-out does not have this property as soon as users differ in when they were active
    late = leave_last_out(make_dataset([(0, 0, 1), (0, 1, 2), (0, 2, 3), (1, 0, 10), (1, 1, 11), (1, 2, 12)]))
    assert late.train[1].tolist() == [0] and late.test_target[0].tolist() == [2]  # an event at time 10 trains a model judged at time 3


def test_temporal_split_counts_training_of_users_without_test_events():
    ds = make_dataset([(0, 0, 1), (0, 1, 2), (1, 0, 1), (1, 1, 9), (2, 2, 9), (2, 1, 10)])
    split = temporal_split(ds, valid=0.0, test=0.5)
    assert as_lists(split.test_target) == [[], [1], []]  # user 2 has no past at the cut, user 0 no future
    assert as_lists(split.train)[0] == [0, 1]


@pytest.mark.parametrize(("times", "share"), [([1, 2, 3, 4], 0.0), ([1, 2, 4, 4], 1.0), ([1, 1, 1, 4], 0.0)])
def test_share_of_tied_targets(times, share):
    ds = make_dataset([(0, i, t) for i, t in enumerate(times)])
    assert leave_last_out(ds).tied_targets == share


def test_tie_seed_changes_targets_only_where_times_are_tied():
    tied, distinct = random_dataset(length=12), random_dataset(length=12, distinct_times=True)
    assert as_lists(leave_last_out(distinct, tie_seed=1).test_target) == as_lists(leave_last_out(distinct).test_target)
    assert as_lists(leave_last_out(tied, tie_seed=1).test_target) != as_lists(leave_last_out(tied).test_target)


def test_empty_and_impossible_splits_are_refused_in_one_line():
    ds = make_dataset([(0, 0, 1), (0, 1, 2)])
    with pytest.raises(InputError, match="split of 'tiny' is empty"):
        leave_last_out(ds)
    with pytest.raises(InputError, match="k must be at least 1"):
        hold_out_k(ds, 0)
    with pytest.raises(InputError, match="valid \\+ test < 1"):
        temporal_split(ds, valid=0.6, test=0.5)
