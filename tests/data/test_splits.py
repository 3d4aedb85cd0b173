import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small import make_dataset, random_dataset

from tutorial_lib.data import hold_out_k, leave_last_out, random_hold_out, temporal_split
from tutorial_lib.errors import InputError


def as_lists(part):
    return [p.tolist() for p in part]


def test_leave_last_out_by_hand():
    ds = make_dataset([(0, 0, 1), (0, 1, 2), (0, 2, 3), (0, 3, 4), (1, 1, 1), (1, 2, 2)])
    split = leave_last_out(ds)
    # user 1 is too short for targets but still teaches the model
    assert as_lists(split.train) == [[0, 1], [1, 2]]
    assert as_lists(split.valid_target) == [[2], []] and as_lists(split.valid_history) == [
        [0, 1],
        [1, 2],
    ]
    assert as_lists(split.test_target) == [[3], []] and as_lists(split.test_history) == [
        [0, 1, 2],
        [1, 2],
    ]
    assert split.users.tolist() == [0, 1]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 3), st.integers(0, 2))
def test_no_target_ever_reaches_training(seed, k, valid_k):
    ds = random_dataset(seed, n_users=8, length=9)
    whole = ds.sequences()
    for split in (
        hold_out_k(ds, k, valid_k=valid_k),
        leave_last_out(ds),
        temporal_split(ds, valid=0.2, test=0.2),
    ):
        for i, sequence in enumerate(whole):
            joined = np.concatenate([split.test_history[i], split.test_target[i]])
            if len(split.test_target[i]):
                assert joined.tolist() == sequence.tolist()
            assert split.train[i].tolist() == sequence[: len(split.train[i])].tolist()
            held = set(split.valid_target[i]) | set(split.test_target[i])
            assert not held & set(split.train[i])  # items are distinct within a user here


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10_000), st.one_of(st.integers(1, 9), st.floats(0.05, 0.95)), st.integers(0, 5)
)
def test_random_hold_out_divides_every_sequence_and_keeps_the_order_of_time(
    seed, amount, split_seed
):
    ds = random_dataset(seed, n_users=8, length=9, distinct_times=True)
    how = {"k": amount} if isinstance(amount, int) else {"share": amount}
    try:
        split = random_hold_out(ds, **how, seed=split_seed)
    except InputError:
        assert amount == 9  # nothing would be left as history
        return
    held = amount if isinstance(amount, int) else min(max(1, round(amount * 9)), 8)
    for i, sequence in enumerate(ds.sequences()):
        history, target = split.test_history[i].tolist(), split.test_target[i].tolist()
        assert len(target) == held and sorted(history + target) == sorted(sequence.tolist())
        assert history == [item for item in sequence if item in set(history)] and target == [
            item for item in sequence if item in set(target)
        ]
        assert split.train[i].tolist() == history and not len(split.valid_target[i])


def test_random_hold_out_draws_each_item_equally_often_and_by_its_seed():
    ds = make_dataset([(0, i, i) for i in range(10)])
    drawn = [random_hold_out(ds, 3, seed=seed).test_target[0] for seed in range(400)]
    counts = np.bincount(np.concatenate(drawn), minlength=10)
    # the last items are not favoured
    assert np.abs(counts / 400 - 0.3).max() < 3.5 * np.sqrt(0.3 * 0.7 / 400)
    assert (
        random_hold_out(ds, 3, seed=7).test_target[0].tolist() == drawn[7].tolist()
        and len({tuple(d) for d in drawn}) > 50
    )


def test_random_hold_out_leaves_short_users_to_training():
    ds = make_dataset([(0, i, i) for i in range(4)] + [(1, i, i) for i in range(2)] + [(2, 0, 0)])
    # k + 1 interactions are needed
    assert list(map(len, random_hold_out(ds, 2).test_target)) == [2, 0, 0]
    # one stays in the history, however large the share
    assert list(map(len, random_hold_out(ds, share=0.9).test_target)) == [3, 1, 0]
    assert list(map(len, random_hold_out(ds, share=0.1).test_target)) == [1, 1, 0]
    assert as_lists(random_hold_out(ds, 2).train)[1:] == [[0, 1], [0]]


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"k": 2, "share": 0.2},
        {"k": 0},
        {"share": 0.0},
        {"share": 1.0},
        {"share": float("nan")},
        {"share": -0.2},
    ],
)
def test_random_hold_out_refuses_what_names_no_amount(arguments):
    with pytest.raises(InputError, match="give either k, at least 1, or share, between 0 and 1"):
        random_hold_out(random_dataset(), **arguments)


def test_merge_validation_moves_the_validation_target_into_training():
    split = leave_last_out(random_dataset(distinct_times=True))
    merged = split.merge_validation()
    assert all(
        np.array_equal(m, np.concatenate([t, v]))
        for m, t, v in zip(merged.train, split.train, split.valid_target)
    )
    assert not any(len(t) for t in merged.valid_target) and merged.test_target is split.test_target


def test_merge_validation_keeps_users_that_are_too_short_for_targets():
    split = leave_last_out(make_dataset([(0, 0, 1), (0, 1, 2), (0, 2, 3), (1, 1, 1), (1, 2, 2)]))
    assert as_lists(split.merge_validation().train) == [[0, 1], [1, 2]]


def test_temporal_split_never_trains_on_the_future():
    ds = random_dataset(length=12, distinct_times=True)
    split = temporal_split(ds, valid=0.1, test=0.2)
    time = {
        (u, i): t
        for u, i, t in ds.interactions[["user", "item", "timestamp"]].itertuples(index=False)
    }
    latest_train = max(time[u, i] for u in split.users for i in split.train[u])
    earliest_test = min(time[u, i] for u in split.users for i in split.test_target[u])
    assert latest_train < earliest_test
    # leave-last-out does not have this property as soon as users differ in when they were active
    late = leave_last_out(
        make_dataset([(0, 0, 1), (0, 1, 2), (0, 2, 3), (1, 0, 10), (1, 1, 11), (1, 2, 12)])
    )
    # an event at time 10 trains a model judged at time 3
    assert late.train[1].tolist() == [0] and late.test_target[0].tolist() == [2]


def test_temporal_split_counts_training_of_users_without_test_events():
    ds = make_dataset([(0, 0, 1), (0, 1, 2), (1, 0, 1), (1, 1, 9), (2, 2, 9), (2, 1, 10)])
    split = temporal_split(ds, valid=0.0, test=0.5)
    # user 2 has no past at the cut, user 0 no future
    assert as_lists(split.test_target) == [[], [1], []]
    assert as_lists(split.train)[0] == [0, 1]


@pytest.mark.parametrize(
    ("times", "share"), [([1, 2, 3, 4], 0.0), ([1, 2, 4, 4], 1.0), ([1, 1, 1, 4], 0.0)]
)
def test_share_of_tied_targets(times, share):
    ds = make_dataset([(0, i, t) for i, t in enumerate(times)])
    assert leave_last_out(ds).tied_targets == share


def test_tie_seed_changes_targets_only_where_times_are_tied():
    tied, distinct = random_dataset(length=12), random_dataset(length=12, distinct_times=True)
    assert as_lists(leave_last_out(distinct, tie_seed=1).test_target) == as_lists(
        leave_last_out(distinct).test_target
    )
    assert as_lists(leave_last_out(tied, tie_seed=1).test_target) != as_lists(
        leave_last_out(tied).test_target
    )


def test_empty_and_impossible_splits_are_refused_in_one_line():
    ds = make_dataset([(0, 0, 1), (0, 1, 2)])
    with pytest.raises(InputError, match="split of 'tiny' is empty"):
        leave_last_out(ds)
    with pytest.raises(InputError, match="k must be at least 1"):
        hold_out_k(ds, 0)
    with pytest.raises(InputError, match="valid \\+ test < 1"):
        temporal_split(ds, valid=0.6, test=0.5)


@pytest.mark.parametrize("seed", [-1, 1.5, "a", True, 2**70])
def test_seeds_that_are_none_are_refused_in_one_line(seed):
    ds = random_dataset()
    for split in (
        lambda: leave_last_out(ds, tie_seed=seed),
        lambda: hold_out_k(ds, 2, tie_seed=seed),
        lambda: temporal_split(ds, tie_seed=seed),
        lambda: random_hold_out(ds, 2, seed=seed),
        lambda: leave_last_out(ds).sample_targets(3, seed=seed),
    ):
        with pytest.raises(InputError, match="expected a whole number from 0"):
            split()


@pytest.mark.parametrize("wrong", [2.5, "3", True, None, float("nan")])
def test_amounts_that_are_no_whole_numbers_are_refused_in_one_line(wrong):
    """True would hold out one target, 2.5 and "3" would fail somewhere inside numpy."""
    ds = random_dataset()
    with pytest.raises(InputError, match="k must be at least 1"):
        hold_out_k(ds, wrong)
    with pytest.raises(InputError, match="give either k, at least 1"):
        random_hold_out(ds, wrong)
    with pytest.raises(InputError, match="expected 1..40"):
        leave_last_out(ds).sample_targets(wrong)


@pytest.mark.parametrize(
    "shares", [{"test": "0.1"}, {"valid": None}, {"test": True}, {"test": float("nan")}]
)
def test_shares_that_are_no_numbers_are_refused_in_one_line(shares):
    with pytest.raises(InputError, match="both are shares"):
        temporal_split(random_dataset(), **shares)


def test_a_share_of_less_than_one_event_tests_on_the_last_event():
    split = temporal_split(random_dataset(distinct_times=True), valid=0.0, test=1e-9)
    assert 0 < sum(map(len, split.test_target)) <= 40  # one time, at most an event a user
