"""All texts that may be written, as a tree of tokens."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tutorial_lib.errors import InputError


class Trie:
    """All candidates as token sequences, common beginnings stored once.

    Node 0 is the root; a parent has a lower number than its children. A node may have children and
    end a candidate at once ("Dark Comet" and "Dark Comet II").

    Attributes:
        parent: int [n_nodes]; the root is its own.
        token: int [n_nodes]; -1 at the root.
        depth: int [n_nodes], tokens from the root.
        last: int [n_candidates], the node where each candidate ends.
        ends: node -> the first candidate that ends there.
        n_children: int [n_nodes].
        path: int [n_nodes, longest], the nodes from the root's child down to each node; -1 pads.

    >>> trie = Trie([[5, 7], [5, 8], [5]])
    >>> trie.children(0), trie.children(1), trie.find([5, 7]), trie.find([7])
    ({5: 1}, {7: 2, 8: 3}, 2, None)
    """

    def __init__(self, sequences: Sequence[Sequence[int]]):
        if not len(sequences):
            raise InputError("Trie: no candidates; expected at least one text to choose from")
        self._children: list[dict[int, int]] = [{}]
        self.ends: dict[int | None, int] = {}
        parent, token, last = [0], [-1], []
        for number, sequence in enumerate(sequences):
            if not len(sequence):
                raise InputError(f"Trie: candidate {number} has no tokens; every item needs a text")
            node = 0
            for t in sequence:
                child = self._children[node].get(int(t))
                if child is None:
                    child = len(parent)
                    self._children[node][int(t)] = child
                    self._children.append({})
                    parent.append(node)
                    token.append(int(t))
                node = child
            last.append(node)
            self.ends.setdefault(node, number)
        self.parent, self.token, self.last = np.array(parent), np.array(token), np.array(last)
        self.n_children = np.bincount(self.parent[1:], minlength=len(parent))
        self.depth = np.zeros(len(parent), dtype=np.int64)
        self.path = np.full((len(parent), max(map(len, sequences))), -1)
        for node in range(1, len(parent)):  # parents come first
            above = parent[node]
            self.depth[node] = self.depth[above] + 1
            self.path[node] = self.path[above]
            self.path[node, self.depth[above]] = node
        self._by_parent = np.argsort(self.parent[1:], kind="stable") + 1
        self._first_child = np.cumsum(self.n_children) - self.n_children

    @property
    def longest(self) -> int:
        """Tokens of the longest candidate."""
        return self.path.shape[1]

    def children(self, node: int | None) -> dict[int, int]:
        """Token -> node of all ways to go on."""
        return {} if node is None else self._children[node]

    def begins_others(self) -> list[int]:
        """The candidates that are the beginning of another one.

        >>> Trie([[5, 7], [5, 8], [5]]).begins_others()
        [2]
        """
        return [number for node, number in self.ends.items() if self.n_children[node]]

    def find(self, sequence: Sequence[int]) -> int | None:
        """The node that a beginning leads to; None if no candidate begins like this."""
        node: int | None = 0
        for t in sequence:
            node = self.children(node).get(int(t))
        return node

    def children_of(self, nodes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Children of many nodes at once: (place in ``nodes`` of the parent, child), int [n].

        >>> Trie([[5, 7], [5, 8], [5]]).children_of(np.array([1, 2]))[1].tolist()
        [2, 3]
        """
        counts = self.n_children[nodes]
        of = np.repeat(np.arange(len(nodes)), counts)
        within = np.arange(len(of)) - np.repeat(np.cumsum(counts) - counts, counts)
        return of, self._by_parent[self._first_child[nodes][of] + within]

    def down(self, edges: np.ndarray) -> np.ndarray:
        """Sums along every path, [n, n_nodes]: each node's own value and those of its ancestors.

        Args:
            edges: [n, n_nodes], one value per node; the root's is taken as 0.
        """
        total = edges.copy()
        total[:, 0] = 0.0
        for depth in range(1, self.longest + 1):
            level = np.flatnonzero(self.depth == depth)
            total[:, level] += total[:, self.parent[level]]
        return total

    def largest_below(self, values: np.ndarray) -> np.ndarray:
        """Of the candidates that end at a node or below it the largest value: [n, n_nodes].

        Args:
            values: [n, n_candidates].
        """
        out = np.full((len(values), len(self.parent)), -np.inf)
        np.maximum.at(out.T, self.last, values.T)
        for depth in range(self.longest, 0, -1):
            level = np.flatnonzero(self.depth == depth)
            np.maximum.at(out.T, self.parent[level], out.T[level])
        return out
