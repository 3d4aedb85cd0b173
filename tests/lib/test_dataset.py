import numpy as np
import pandas as pd
import pytest
from small import make_dataset, random_dataset

from tutorial_lib.data import Dataset, DatasetCard
from tutorial_lib.errors import InputError


def test_ties_in_time_keep_file_order_and_never_item_order():
    ds = make_dataset([(0, 5, 10), (0, 2, 10), (1, 1, 3), (0, 9, 7), (0, 3, 10)])
    assert ds.sequences()[0].tolist() == [9, 5, 2, 3]
    reordered = make_dataset([(0, 2, 10), (0, 5, 10), (1, 1, 3), (0, 9, 7), (0, 3, 10)])
    assert reordered.sequences()[0].tolist() == [9, 2, 5, 3]


def test_tie_seed_shuffles_only_ties():
    ds = random_dataset(length=12)
    plain, shuffled = ds.sequences(), ds.sequences(seed=3)
    assert any(a.tolist() != b.tolist() for a, b in zip(plain, shuffled))
    for a, b in zip(plain, shuffled):
        for start in range(0, 12, 3):  # three events share each timestamp
            assert set(a[start : start + 3]) == set(b[start : start + 3])
    assert all((a == b).all() for a, b in zip(shuffled, ds.sequences(seed=3)))


def test_sequences_include_users_without_interactions():
    ds = make_dataset([(0, 0, 1), (2, 1, 1)], n_users=4)
    assert [len(s) for s in ds.sequences()] == [1, 0, 1, 0]


def test_k_core_reaches_the_fixed_point_and_renumbers_every_table():
    # user 2 has one interaction; dropping it leaves item 2 with one; dropping that leaves user 1 with one ...
    ds = make_dataset([(0, 0, 1), (0, 1, 2), (3, 0, 1), (3, 1, 2), (1, 1, 1), (1, 2, 2), (2, 2, 1)])
    graph = pd.DataFrame({"head": [0, 1, 2], "relation": "has", "tail": ["a", "b", "c"]})
    reviews = pd.DataFrame({"user": [0, 3, 1], "item": [0, 1, 2], "rating": 1.0, "text": ["x", "y", "z"]})
    ds = Dataset("t", ds.interactions, ds.items, ds.users, ds.card, graph, reviews)
    core = ds.k_core(2)
    assert (core.n_users, core.n_items, core.n_interactions) == (2, 2, 4)
    assert core.items["item_id"].tolist() == ["i0", "i1"] and core.users["user_id"].tolist() == ["u0", "u3"]
    assert core.graph[["head", "tail"]].values.tolist() == [[0, "a"], [1, "b"]]
    assert core.reviews[["user", "item", "text"]].values.tolist() == [[0, 0, "x"], [1, 1, "y"]]
    assert core.card.counts["interactions"] == 4 and "2-core" in core.card.notes[-1]


def test_k_core_refuses_what_leaves_nothing():
    with pytest.raises(InputError, match="smaller k"):
        random_dataset().k_core(1000)
    with pytest.raises(InputError, match="at least 1"):
        random_dataset().k_core(0)


def test_codes_outside_the_tables_are_refused():
    ds = make_dataset([(0, 0, 1)])
    bad = pd.DataFrame({"user": [0], "item": [7], "rating": [1.0], "timestamp": [1]})
    with pytest.raises(InputError, match=r"item codes must lie in 0..0, found 7..7"):
        Dataset("t", bad, ds.items, ds.users, ds.card)
    with pytest.raises(InputError, match="lack column 'timestamp'"):
        Dataset("t", bad.drop(columns="timestamp"), ds.items, ds.users, ds.card)


def test_subset_users_keeps_the_catalogue():
    ds = random_dataset()
    part = ds.subset_users([3, 7])
    assert part.n_users == 2 and part.n_items == ds.n_items
    assert [s.tolist() for s in part.sequences()] == [ds.sequences()[u].tolist() for u in (3, 7)]
    with pytest.raises(InputError, match="user codes in 0..39"):
        ds.subset_users([40])


def test_card_prints_what_a_reader_must_know():
    card = DatasetCard("x", "Title", "somewhere", "CC0", counts={"users": 1200}, sha256={"u.data": "0" * 64}, notes=("2 rows left out",))
    text = str(card)
    assert all(part in text for part in ("Title (x)", "somewhere", "CC0", "1,200", "000… u.data", "2 rows left out"))


def test_item_counts_match_the_interactions():
    ds = random_dataset()
    assert ds.item_counts.sum() == ds.n_interactions and np.array_equal(ds.item_counts, np.bincount(ds.interactions["item"], minlength=30))
