"""Paths over a graph: walks and constrained beams stay on it, free ones are counted, and what
cannot be reached is not recommended.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tutorial_lib.data import Dataset, DatasetCard, leave_last_out, load_dataset
from tutorial_lib.errors import InputError
from tutorial_lib.models.path_graph import CHOSE, graph_of, sample_paths
from tutorial_lib.models.paths import PathRecommender, WrittenPaths
from tutorial_lib.training import Plan


def tiny(triples) -> Dataset:
    """Five items a..e, two users; ``triples`` as the graph."""
    items = pd.DataFrame({"item_id": list("abcde"), "title": list("ABCDE")})
    events = pd.DataFrame({"user": [0, 0, 0, 1, 1, 1], "item": [0, 1, 2, 2, 1, 3]})
    events = events.assign(rating=5.0, timestamp=[1, 2, 3, 1, 2, 3])
    graph = pd.DataFrame(triples, columns=["head", "relation", "tail"])
    card = DatasetCard("tiny", "tiny", "made up", "CC0")
    users = pd.DataFrame({"user_id": ["u", "v"]})
    return Dataset("tiny", events, items, users, card, graph=graph)


MADE = [(0, "made_by", "maker:x"), (1, "made_by", "maker:x"), (1, "links_to", "item:c")]
MADE += [(2, "made_by", "maker:y"), (3, "made_by", "maker:y"), (4, "made_by", "maker:z")]


@pytest.fixture(scope="module")
def world():
    return leave_last_out(load_dataset("world-movies").subset_users(range(40)))


@pytest.fixture(scope="module")
def model(world):
    return PathRecommender(paths=5, beams=12, width=16, layers=1, plan=Plan(epochs=1)).fit(world)


def test_the_graph_holds_its_triples_and_the_way_back():
    graph = graph_of(tiny(MADE))
    assert graph.relations == (CHOSE, "made_by", "links_to", "~made_by", "~links_to")
    assert graph.entities == ("maker:x", "maker:y", "maker:z")
    made, links, back = (graph.first_relation + n for n in (1, 2, 3))
    yes = [(0, made, 5), (5, back, 1), (1, links, 2), (3, made, 6)]
    no = [(0, made, 6), (5, made, 1), (2, links, 1), (0, links, 2), (8, made, 0), (0, 3, 5)]
    assert graph.exists(*np.array(yes).T).all() and not graph.exists(*np.array(no).T).any()


def test_what_can_be_reached_in_so_many_hops():
    """By hand: user 0 has a; x leads on to b, where the path ends, though b links to c."""
    graph = graph_of(tiny(MADE))
    found = [graph.within([[0]], hops)[0].nonzero()[0].tolist() for hops in (1, 2, 3, 4)]
    assert found == [[0], [0], [0, 1], [0, 1]]
    assert graph.within([[1]], 2)[0].nonzero()[0].tolist() == [1, 2]


def test_walks_lead_from_an_item_of_a_user_to_a_later_one(world):
    graph = graph_of(world.dataset)
    paths = sample_paths(graph, world.train, world.users, 6, seed=3)
    assert {len(path) for path in paths} == {5, 7} and len(paths) <= 6 * len(world.users)
    for path in paths:
        user = path[0] - graph.n_nodes
        history = world.train[user].tolist()
        assert graph.relations[path[1] - graph.first_relation] == CHOSE
        assert history.index(path[-1]) > history.index(path[2])
        triples = np.array([path[at : at + 3] for at in range(2, len(path) - 2, 2)])
        assert graph.exists(*triples.T).all()


def test_along_the_graph_every_triple_exists_and_freely_not(world, model):
    histories, users = world.test_history[:15], list(range(15))
    along = model.write(histories, users)
    free = model.write(histories, users, constrained=False)
    assert (along.faithful(model.graph, histories) == 1).all() and (along.items >= 0).all()
    assert np.nanmin(free.faithful(model.graph, histories)) < 0.9  # hardly trained
    for written in (along, free):
        assert (np.diff(written.log_probabilities, axis=1) <= 0).all()
        for row, history in enumerate(histories):
            assert not np.isin(written.items[row], history).any()
            assert len(np.unique(written.tokens[row], axis=0)) == len(written.tokens[row])


def test_a_score_sums_the_paths_to_an_item(world, model):
    written = model.write(world.test_history[:4], range(4))
    scores = model.score(world.test_history[:4], range(4))
    item = np.bincount(written.items[0]).argmax()
    own = written.log_probabilities[0][written.items[0] == item]
    assert len(own) > 1 and scores[0, item] == pytest.approx(np.log(np.exp(own).sum()))
    assert np.isneginf(scores[0, np.setdiff1d(np.arange(600), written.items[0])]).all()


def test_wide_beams_along_the_graph_are_exact(world, model):
    """With more beams than paths nothing is cut off: the probabilities of all paths, each token's
    taken over all tokens, sum to no more than 1 and to more than with few beams.
    """
    histories = [world.test_history[0][:2]]
    wide = replace_beams(model, 4000).write(histories, [0])
    few = model.write(histories, [0])
    real = wide.log_probabilities > -np.inf
    assert real.sum() < 4000 and np.exp(wide.log_probabilities[real]).sum() <= 1 + 1e-6
    assert wide.log_probabilities[0, 0] >= few.log_probabilities[0, 0] - 1e-6
    ends = set(wide.items[wide.items >= 0].tolist())
    reach = model.graph.within(histories, 3)[0].nonzero()[0]
    assert ends == set(reach.tolist()) - set(histories[0].tolist())


def replace_beams(model, beams):
    """The same fitted model, which writes more."""
    other = PathRecommender(beams=beams)
    for name in ("graph", "model", "objective", "n_items"):
        setattr(other, name, getattr(model, name))
    return other


def test_faithfulness_is_counted_hop_by_hop():
    graph = graph_of(tiny(MADE))
    chose, made, back = (graph.first_relation + n for n in (0, 1, 3))
    user = graph.n_nodes
    right = [user, chose, 0, made, 5, back, 1]
    foreign_item, wrong_tail = right.copy(), right.copy()
    foreign_item[2] = 1
    wrong_tail[6] = 2
    written = WrittenPaths(
        np.array([[right, foreign_item, wrong_tail]]), np.array([[1, 1, 2]]), np.zeros((1, 3))
    )
    assert written.faithful(graph, [[0]]) == pytest.approx([2 / 3, 1, 2 / 3])


def test_items_without_a_triple_cost_one_line_and_the_rest_goes_on():
    with pytest.warns(UserWarning, match=r"1 of 5 items .* item 4; no path can end there"):
        graph = graph_of(tiny(MADE[:-1]))
    assert not graph.within([[0, 1, 2, 3]], 3)[0, 4]


def test_bad_input_ends_in_one_line(world, model):
    empty = replace(world.dataset, graph=world.dataset.graph.iloc[:0])
    apart = graph_of(tiny([(row, "made_by", f"maker:{row}") for row in range(5)]))
    calls = {
        "no knowledge graph": lambda: graph_of(empty),
        "no path leads": lambda: sample_paths(apart, [np.array([0, 1])], [0], 3),
        "one user code per history": lambda: model.recommend(world.test_history[:2], k=3),
        "paths=0": lambda: PathRecommender(paths=0),
    }
    for words, call in calls.items():
        with pytest.raises(InputError, match=words) as caught:
            call()
        assert "\n" not in str(caught.value)
