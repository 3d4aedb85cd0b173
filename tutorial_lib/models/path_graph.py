"""Users, items and what is known of items as one graph, whose walks are written as tokens:
user, chose, item, made_by, maker:X, ~made_by, other item.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from scipy import sparse

from tutorial_lib.data.histories import Histories, flatten, positions
from tutorial_lib.errors import InputError, check_whole

CHOSE = "chose"  # the relation between a user and an item
ITEM = "item:"  # how a tail begins that is itself an item
DRAWS = 100  # walks drawn for each user at a time, of which few end in the history
MOST_ROUNDS = 50


@dataclass(frozen=True, eq=False)
class PathGraph:
    """The tokens of paths, and the triples that exist.

    Tokens are numbered: items (their codes), entities, users, relations. "~r" leads back along r.

    Args:
        n_items: Size of the catalogue.
        entities: Names of what is no item, such as "mood:dark".
        n_users: Whose tokens a path may begin with.
        relations: Names; the first is `CHOSE`.
        triples: int [n, 3]: head and tail (items or entities) around the number of a relation.
    """

    n_items: int
    entities: tuple[str, ...] = field(repr=False)
    n_users: int
    relations: tuple[str, ...]
    triples: np.ndarray = field(repr=False)

    @property
    def n_nodes(self) -> int:
        """Items and entities."""
        return self.n_items + len(self.entities)

    @property
    def first_relation(self) -> int:
        """The token of `CHOSE`."""
        return self.n_nodes + self.n_users

    @property
    def n_tokens(self) -> int:
        return self.first_relation + len(self.relations)

    @cached_property
    def following(self) -> sparse.csr_matrix:
        """Whether (row // R, row % R, column) is a triple: bool [n_nodes * R, n_nodes]."""
        head, relation, tail = self.triples.T
        shape = (self.n_nodes * len(self.relations), self.n_nodes)
        rows = head * len(self.relations) + relation
        return sparse.csr_matrix((np.ones(len(rows), dtype=bool), (rows, tail)), shape=shape)

    @cached_property
    def leaving(self) -> np.ndarray:
        """Which relations a node has: bool [n_nodes, R]."""
        out = np.zeros((self.n_nodes, len(self.relations)), dtype=bool)
        out[self.triples[:, 0], self.triples[:, 1]] = True
        return out

    @cached_property
    def steps(self) -> sparse.csr_matrix:
        """In how many ways one node leads to another: [n_nodes, n_nodes]."""
        head, _, tail = self.triples.T
        return sparse.csr_matrix((np.ones(len(head)), (head, tail)), shape=(self.n_nodes,) * 2)

    def exists(self, head: np.ndarray, relation: np.ndarray, tail: np.ndarray) -> np.ndarray:
        """Whether each triple of tokens is in the graph (users' choices apart): bool [n]."""
        number = relation - self.first_relation
        right = (head < self.n_nodes) & (tail < self.n_nodes) & (number >= 0)
        out = np.zeros(len(head), dtype=bool)
        row = head[right] * len(self.relations) + number[right]
        out[right] = np.asarray(self.following[row, tail[right]]).ravel()
        return out

    def allowed(self, paths: np.ndarray, histories: Histories) -> np.ndarray:
        """The graph constraint: which tokens go on with a triple of the graph, or, after `CHOSE`,
        with an item of the user's history. bool [n, n_tokens]

        Args:
            paths: int [n, place], tokens so far; -1 after the end of a path, where the row means
                nothing.
            histories: Of the users, each of whom has n / len(histories) rows in turn.
        """
        out = np.zeros((len(paths), self.n_tokens), dtype=bool)
        place, R = paths.shape[1], len(self.relations)
        last = paths[:, -1].clip(min=0)
        if place == 2:
            by_user = out.reshape(len(histories), -1, self.n_tokens)
            for rows, history in zip(by_user, histories, strict=True):
                rows[:, np.asarray(history)] = True
        elif place % 2:  # a relation that leaves the node
            out[:, self.first_relation :] = self.leaving[last]
        else:  # a tail of the node and the relation
            row = paths[:, -2].clip(min=0) * R + (last - self.first_relation).clip(min=0)
            out[:, : self.n_nodes] = self.following[row].toarray()
        return out

    def within(self, histories: Histories, hops: int) -> np.ndarray:
        """Which items a path of at most ``hops`` triples from the user can end in: bool [n,
        n_items]. The first hop leads to the items of the history; the next item is the end.
        """
        check_whole("within", 1, 10, hops=hops)
        items, rows = flatten(histories)
        ones = np.ones(len(items))
        here = sparse.csr_matrix((ones, (rows, items)), shape=(len(histories), self.n_nodes))
        found = here > 0
        entities = sparse.diags((np.arange(self.n_nodes) >= self.n_items).astype(float))
        for _ in range(hops - 1):
            reached = ((here @ self.steps) > 0).astype(float)
            found = found + (reached > 0)
            here = reached @ entities  # a path that has come to an item ends there
        return found[:, : self.n_items].toarray()

    def names(self, path: Sequence[int], titles: Sequence[str]) -> list[str]:
        """The tokens of a path in words."""
        parts = [*titles, *self.entities, *(f"user {user}" for user in range(self.n_users))]
        return [[*parts, *self.relations][token] for token in path]


def graph_of(dataset) -> PathGraph:
    """The graph of a dataset's triples. Items without a triple are named by a warning: no path
    leads to them, or away from them.

    >>> from tutorial_lib.data import load_dataset
    >>> graph = graph_of(load_dataset("world-news"))
    >>> graph.relations[:3], graph.within([[0]], 1)[0].nonzero()[0].tolist()
    (('chose', 'has_category', 'has_mood'), [0])
    """
    table = dataset.graph
    if table.empty:
        raise InputError(
            f"graph_of: {dataset.name!r} has no knowledge graph; expected triples (head,"
            " relation, tail) in dataset.graph, as planted worlds have"
        )
    code = {ITEM + name: row for row, name in enumerate(dataset.items["item_id"].astype(str))}
    tails = table["tail"].to_numpy()
    entities = tuple(dict.fromkeys(tail for tail in tails if tail not in code))
    code |= {name: dataset.n_items + row for row, name in enumerate(entities)}
    forward = list(dict.fromkeys(table["relation"]))
    names = (CHOSE, *forward, *(f"~{name}" for name in forward))
    number = {name: row for row, name in enumerate(names)}
    head, tail = table["head"].to_numpy(), np.array([code[name] for name in tails])
    relation = table["relation"].map(number).to_numpy()
    there = np.stack([head, relation, tail], axis=1)
    back = there[tail >= dataset.n_items][:, [2, 1, 0]] + [0, len(forward), 0]
    triples = np.unique(np.concatenate([there, back]), axis=0)
    lonely = np.setdiff1d(np.arange(dataset.n_items), triples[:, [0, 2]])
    if len(lonely):
        warnings.warn(
            f"graph_of: {len(lonely)} of {dataset.n_items} items of {dataset.name!r} have no"
            f" triple, the first is item {lonely[0]}; no path can end there",
            stacklevel=2,
        )
    return PathGraph(dataset.n_items, entities, dataset.n_users, names, triples)


def sample_paths(
    graph: PathGraph, histories: Histories, users: Sequence[int], number: int, seed: int = 0
) -> list[np.ndarray]:
    """Random walks from one item of a user to a later one, as tokens: 5 where an item links to an
    item, 7 by way of an entity.

    Args:
        graph: To walk on.
        histories: Of each user.
        users: Codes, one for each history.
        number: Of paths for each user; fewer where `MOST_ROUNDS` of draws find no more.
        seed: Of the walks.
    """
    check_whole("sample_paths", 1, number=number)
    items, rows = flatten(histories)
    place = np.full((len(histories), graph.n_items), -1)
    sizes = np.bincount(rows, minlength=len(histories))
    place[rows, items] = positions(sizes)
    starts = np.cumsum(sizes) - sizes
    rng = np.random.default_rng(seed)
    able = np.flatnonzero(sizes > 1)
    found, missing = [], dict.fromkeys(able.tolist(), number)
    for _ in range(MOST_ROUNDS):
        if not missing:
            break
        row = np.repeat(np.array(list(missing)), DRAWS)
        first = items[starts[row] + (rng.random(len(row)) * sizes[row]).astype(int)]
        out, middle, back, last = _walk(graph, first, rng)
        right = (last >= 0) & (place[row, last] > place[row, first])
        for walk in np.stack([row, first, out, middle, back, last], axis=1)[right].tolist():
            if missing.get(walk[0]):
                missing[walk[0]] -= 1
                found.append(walk)
        missing = {user: count for user, count in missing.items() if count}
    if not found:
        raise InputError(
            "sample_paths: no path leads from an item of a history to a later one; expected a graph"
            " that connects items of the same users"
        )
    chose = graph.first_relation
    paths = []
    for row, first, out, middle, back, last in found:
        tail = [middle] if middle == last else [middle, chose + back, last]
        paths.append(np.array([graph.n_nodes + users[row], chose, first, chose + out, *tail]))
    return paths


def _walk(graph: PathGraph, first: np.ndarray, rng: np.random.Generator) -> tuple:
    """One random step from each item, and a second one back to an item where it led to an entity:
    relation, node, relation, item (-1 where there is no way; equal to the node after one step).
    """
    order = np.argsort(graph.triples[:, 0], kind="stable")
    _, relation, tail = graph.triples[order].T
    degree = np.bincount(graph.triples[:, 0], minlength=graph.n_nodes)
    begin = np.cumsum(degree) - degree

    def step(node: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        edge = begin[node] + (rng.random(len(node)) * degree[node]).astype(int)
        edge = np.minimum(edge, len(tail) - 1)
        able = degree[node] > 0
        return np.where(able, relation[edge], 0), np.where(able, tail[edge], -1)

    out, middle = step(first)
    back, last = step(np.maximum(middle, 0))
    last = np.where(middle < graph.n_items, middle, last)
    return out, middle, back, last
