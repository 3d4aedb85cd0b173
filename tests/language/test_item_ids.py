"""Item IDs: what each scheme may look at, and what a rule that only counts can read from them."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg, sparse
from small import make_dataset, random_dataset
from tutorial_recipes.worlds import make_world

from tutorial_lib.data import files, hold_out_k, leave_last_out, load_dataset, temporal_split
from tutorial_lib.errors import InputError
from tutorial_lib.evaluation import compare, evaluate
from tutorial_lib.language import id_schemes as module
from tutorial_lib.language.id_schemes import SCHEMES, ItemIds, item_ids
from tutorial_lib.models import Popularity, Random, TransitionKNN
from tutorial_lib.models.baselines import NextNumber
from tutorial_lib.recommender import Recommender

HONEST = ("training-first", "sequential", "random", "collaborative")


def by_hand():
    """Training parts 4 1 5 (times 1, 6, 7) and 5 0 1 (times 2, 3, 8); held out 3, 2 and 2, 6; item
    7 occurs nowhere.
    """
    first = [(0, 4, 1), (0, 1, 6), (0, 5, 7), (0, 3, 8), (0, 2, 9)]
    return leave_last_out(
        make_dataset([*first, (1, 5, 2), (1, 0, 3), (1, 1, 8), (1, 2, 9), (1, 6, 10)], n_items=8)
    )


@pytest.fixture(scope="module")
def sparse_split():
    """Few people in a large catalogue: every third target was seen by nobody else before."""
    return leave_last_out(make_world("products", n_users=400, n_items=3000, mean_length=8))


@pytest.mark.parametrize(
    "scheme, expected",
    [
        ("leak-prone", [4, 1, 5, 3, 2, 0, 6, 7]),
        ("training-first", [4, 1, 5, 0]),
        ("sequential", [4, 5, 0, 1]),
        ("as-given", [0, 1, 2, 3, 4, 5, 6, 7]),
    ],
)
def test_the_numbers_are_those_worked_out_by_hand(scheme, expected):
    """Each scheme would be another one: a walk that stops too early or too late, or takes users
    where it should take time.
    """
    ids = item_ids(by_hand(), scheme)
    assert np.argsort(ids.numbers)[: len(expected)].tolist() == expected
    assert ids.texts[4] == f"item_{ids.numbers[4]}"


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(list(SCHEMES)), st.integers(0, 2**31))
def test_every_item_has_one_id_of_its_own(scheme, seed):
    """Two items with one text could never be told apart in what a model writes, and a separator in
    one would break a history.
    """
    split = leave_last_out(random_dataset(seed, n_users=6, n_items=70, length=5))
    ids, again = item_ids(split, scheme, seed=seed), item_ids(split, scheme, seed=seed)
    assert sorted(ids.numbers.tolist()) == list(range(1, 71)) and len(set(ids.texts)) == 70
    assert (
        np.array_equal(ids.numbers, again.numbers)
        and ids.texts == again.texts
        and ids.scheme == scheme
    )
    # refuses titles with a separator in them
    words = ids.verbaliser(noun="game", plural="games", limit=2)
    assert (words.noun, words.plural, words.history([3, 1, 2])) == (
        "game",
        "games",
        f"{ids.texts[1]}; {ids.texts[2]}",
    )


@pytest.mark.parametrize("scheme", ["training-first", "sequential", "random", "collaborative"])
def test_the_seed_decides_what_training_does_not(scheme, sparse_split):
    """Without the draw, items in no training part stand in the order of their codes, and that order
    may be the answer.
    """
    unseen = np.setdiff1d(np.arange(3000), np.concatenate(sparse_split.train))
    a, b = (item_ids(sparse_split, scheme, seed=seed).numbers[unseen] for seed in (0, 1))
    assert not np.array_equal(a, b)
    assert max(abs(np.corrcoef(unseen, numbers)[0, 1]) for numbers in (a, b)) < 0.1


@pytest.mark.parametrize("scheme", SCHEMES)
def test_only_the_leak_prone_scheme_looks_at_what_is_held_out(scheme):
    """A scheme that changes with the held-out items has read the answers."""
    dataset = random_dataset(3, n_users=30, n_items=120, length=9, distinct_times=True)
    events, rng = dataset.interactions.copy(), np.random.default_rng(0)
    rows = dataset.sorted_rows().reshape(30, 9)[:, -2:].ravel()
    # other held-out items at the same times
    events.loc[rows, "item"] = rng.permutation(events.loc[rows, "item"].to_numpy())
    split, other = leave_last_out(dataset), leave_last_out(replace(dataset, interactions=events))
    assert all(map(np.array_equal, split.train, other.train)) and not all(
        map(np.array_equal, split.test_target, other.test_target)
    )
    same = np.array_equal(item_ids(split, scheme).numbers, item_ids(other, scheme).numbers)
    assert same == (scheme != "leak-prone")


@pytest.mark.parametrize(
    "make",
    [
        lambda ds: leave_last_out(ds, tie_seed=5),
        lambda ds: leave_last_out(ds).merge_validation(),
        lambda ds: hold_out_k(ds, 3),
        lambda ds: temporal_split(ds, valid=0.2, test=0.3),
    ],
)
def test_sequential_numbers_follow_the_clock_in_every_split(make):
    """The times of a training part would be read from the wrong events: of another user, or after
    the part has ended.
    """
    dataset, starts = (
        random_dataset(1, n_users=25, n_items=60, length=10),
        np.random.default_rng(1).integers(0, 90, size=25),
    )
    events = dataset.interactions.assign(
        timestamp=lambda frame: frame["timestamp"] * 7 + starts[frame["user"]]
    )
    split = make(replace(dataset, interactions=events))
    some = np.array([3, 17, 8])  # any users, in any order
    split = replace(split, users=split.users[some], train=[split.train[row] for row in some])
    when = events.set_index(["user", "item"])["timestamp"]
    first = {}
    for user, part in zip(split.users, split.train):
        for item in part.tolist():
            first[item] = min(first.get(item, np.inf), when[user, item])
    ids = item_ids(split, "sequential")
    order = np.argsort(ids.numbers)[: len(first)].tolist()
    assert set(order) == set(first) and (np.diff([first[item] for item in order]) >= 0).all()


def worlds_apart(groups=4, size=40, users=50, length=14):
    """Users who keep to one group of items each, and one user whose only training item is nobody
    else's.
    """
    rng, rows = np.random.default_rng(0), []
    for user in range(groups * users):
        # group of an item: its code modulo `groups`
        items = rng.permutation(size)[:length] * groups + user % groups
        rows += [(user, item, step) for step, item in enumerate(items)]
    n = groups * size
    return leave_last_out(
        make_dataset(
            [*rows, (groups * users, n, 0), (groups * users, 0, 1), (groups * users, 1, 2)],
            n_items=n + 3,
        )
    )


def paths_of(ids):
    return [tuple(map(int, text.removeprefix("item_").split("_"))) for text in ids.texts]


def test_collaborative_ids_begin_alike_where_users_are_the_same():
    """Clusters that mix items of different users say nothing: then the scheme is "random" with
    longer names.
    """
    paths = paths_of(item_ids(worlds_apart(), "collaborative"))
    branches = {}
    for item, path in enumerate(paths[:160]):
        branches.setdefault(path[0], set()).add(item % 4)
    assert all(len(groups) == 1 for groups in branches.values()) and 0 not in branches
    assert [path[0] for path in paths[160:]] == [0, 0, 0]  # in nobody's company: nothing to go by


def test_collaborative_leaves_are_small_and_numbers_follow_the_tree():
    """A leaf too large is a node that was not divided; numbers out of order would call far items
    neighbours.
    """
    ids = item_ids(leave_last_out(load_dataset("world-movies")), "collaborative")
    paths = paths_of(ids)
    assert [paths[item] for item in np.argsort(ids.numbers)] == sorted(paths)
    leaves, sizes = np.unique([str(path[:-1]) for path in paths], return_counts=True)
    assert sizes.max() <= 20 and len(leaves) > 600 / 20
    assert max(map(max, paths)) <= 20  # no ID needs a number above that


def test_collaborative_leaves_hold_one_theme_in_a_world():
    """People of a world keep to themes, and the tree has only people to learn them from."""
    dataset = load_dataset("world-movies")
    paths = paths_of(item_ids(leave_last_out(dataset), "collaborative"))
    theme = np.array([categories[0] for categories in dataset.items["categories"]])
    leaf = np.array([hash(path[:-1]) for path in paths])
    pair = np.triu(np.ones((600, 600), dtype=bool), 1)
    alike = theme[:, None] == theme
    # 0.84 and 0.06; 0.68 if the eigenvectors are not rotated
    assert alike[pair & (leaf[:, None] == leaf)].mean() > 12 * alike[pair].mean()


def test_no_cluster_is_a_badly_linked_item(sparse_split):
    """Without raised degrees, a sparse catalogue falls into one giant and crumbs, and the first
    number says nothing.
    """
    first = np.array([path[0] for path in paths_of(item_ids(sparse_split, "collaborative"))])
    sizes = np.bincount(first[first > 0])[1:]
    assert len(sizes) == 10 and sizes.min() > 20 and sizes.max() < sizes.sum() / 3


def test_items_without_a_link_within_a_cluster_stay_by_themselves():
    """They would be put among items with which they share nobody; and a cluster without any link
    cannot be divided.
    """
    block = np.ones((30, 30)) - np.eye(30)
    groups = module._clusters(sparse.csr_matrix(linalg.block_diag(block, block, np.zeros((5, 5)))))
    assert [60, 61, 62, 63, 64] in [group.tolist() for group in groups]
    assert [group.tolist() for group in module._clusters(sparse.csr_matrix((600, 600)))] == [
        list(range(600))
    ]


def test_a_large_catalogue_gives_the_tree_of_a_small_one(monkeypatch):
    """Some eigenvectors of a sparse matrix and all of a dense one must lead to the same groups."""
    split = leave_last_out(load_dataset("world-news"))
    dense = item_ids(split, "collaborative").texts
    monkeypatch.setattr(module, "DENSE", 0)
    assert item_ids(split, "collaborative").texts == dense


def test_unknown_schemes_are_refused_in_one_line():
    with pytest.raises(
        InputError, match="unknown scheme of item_ids 'randon': did you mean 'random'"
    ):
        item_ids(by_hand(), "randon")
    with pytest.raises(
        InputError, match="unknown ids_scheme of NextNumber 'leak_prone': did you mean 'leak-prone'"
    ):
        NextNumber("leak_prone")


def test_next_number_counts_on_from_the_largest():
    """From the newest item or the first, it would miss what P5's numbering gives away; the rest
    stands below, nearest first.
    """
    model = NextNumber().fit(by_hand())
    # leak-prone without being asked
    assert model.recommend([[1, 5, 4]], k=5)[0].tolist() == [3, 2, 0, 6, 7]
    number = model.ids.numbers
    order = np.argsort(-model.score([[5, 1], [], [7]]), axis=1)
    assert number[order].tolist() == [
        [4, 5, 6, 7, 8, 3, 2, 1],
        [1, 2, 3, 4, 5, 6, 7, 8],
        [8, 7, 6, 5, 4, 3, 2, 1],
    ]


def test_next_number_obeys_the_contract_of_a_recommender():
    split = leave_last_out(random_dataset(seed=1))
    with pytest.raises(
        InputError, match=r"NextNumber is not fitted: call NextNumber\(\).fit\(split\)"
    ):
        NextNumber().recommend([[0]])
    fitted = NextNumber("random").fit(split, seed=4, progress=False)
    assert isinstance(fitted, Recommender) and isinstance(fitted.ids, ItemIds)
    # the seed arrives
    assert np.array_equal(fitted.ids.numbers, item_ids(split, "random", seed=4).numbers)
    histories = [*split.test_history[:5], np.empty(0, dtype=np.int64)]
    scores = fitted.score(histories)
    # no ties
    assert scores.shape == (6, 30) and all(len(set(row)) == 30 for row in scores.tolist())
    assert np.array_equal(fitted.score(histories[2:3]), scores[2:3])
    with pytest.raises(
        InputError, match="history 1 holds item 99, unknown to this catalogue of 30 items"
    ):
        fitted.score([[0], [99]])


def test_the_rule_finds_the_answers_under_leak_prone_ids_only(sparse_split):
    """If this fails, either the leak is not the one reported for P5, or a scheme that should be
    honest has it too.
    """
    frames = {
        scheme: evaluate(NextNumber(scheme).fit(sparse_split), sparse_split, k=10)
        for scheme in SCHEMES
    }
    leak = frames["leak-prone"]
    for scheme in HONEST:
        assert leak["ndcg@10"].mean() > 20 * frames[scheme]["ndcg@10"].mean(), scheme
        # a chance of 10 in 3,000, and room for luck
        assert frames[scheme]["hit@10"].mean() < 0.02, scheme
    # a rule that has learnt nothing is far ahead of all that have
    for model in (Popularity(), TransitionKNN(), Random()):
        assert (
            compare(leak, evaluate(model.fit(sparse_split), sparse_split, k=10), "ndcg@10").ci[0]
            > 0.3
        )


def test_codes_that_were_numbered_along_users_leak_as_given_and_no_further(sparse_split):
    """Item codes are the ids of a file. If they stood in for a missing order, the leak would come
    in by the back door.
    """
    renumbered = item_ids(sparse_split, "leak-prone").numbers - 1
    parts = ("train", "valid_history", "valid_target", "test_history", "test_target")
    leaky = replace(
        sparse_split,
        **{part: [renumbered[items] for items in getattr(sparse_split, part)] for part in parts},
    )
    events = sparse_split.dataset.interactions
    leaky = replace(
        leaky,
        dataset=replace(
            leaky.dataset, interactions=events.assign(item=renumbered[events["item"]]), truth=None
        ),
    )
    hits = {
        scheme: evaluate(NextNumber(scheme).fit(leaky), leaky, k=10)["hit@10"].mean()
        for scheme in SCHEMES
    }
    assert hits["as-given"] == hits["leak-prone"] > 0.4
    assert max(hits[scheme] for scheme in HONEST) < 0.02


@pytest.mark.real
def test_public_item_ids_of_amazon_games_leak():
    """Its ids were numbered along users' sequences: shown to a model, or used to break ties, they
    give the next item away.
    """
    if files.find("amazon-games") is None:
        pytest.skip("$TUTORIAL_DATA holds no amazon-games")
    split = leave_last_out(load_dataset("amazon-games", download=False).k_core(5))
    some = np.sort(np.random.default_rng(0).permutation(len(split.users))[:4000])
    histories, targets = (
        [part[row] for row in some] for part in (split.test_history, split.test_target)
    )
    part = replace(split, users=split.users[some], test_history=histories, test_target=targets)
    models = {
        scheme: NextNumber(scheme)
        for scheme in ("leak-prone", "as-given", "training-first", "random")
    }
    frames = {
        name: evaluate(model.fit(split), part, k=10)
        for name, model in {**models, "popularity": Popularity()}.items()
    }
    ndcg = {name: frame["ndcg@10"].mean() for name, frame in frames.items()}
    assert min(ndcg["leak-prone"], ndcg["as-given"]) > 2 * ndcg["popularity"]
    assert min(ndcg["leak-prone"], ndcg["as-given"]) > 8 * max(
        ndcg["training-first"], ndcg["random"]
    )
    # who comes first in the file is walked first, and meets most items first
    early = frames["leak-prone"].index < len(split.users) / 10
    assert (
        frames["leak-prone"]["hit@10"][early].mean()
        > 0.1
        > 10 * frames["leak-prone"]["hit@10"][~early].mean()
    )
