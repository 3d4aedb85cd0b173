"""All texts that may be written, as a tree of tokens."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tutorial_lib.errors import InputError


class Trie:
    """All candidates as token sequences, common beginnings stored once.

    Node 0 is the root; a parent has a lower number than its children. ``parent`` and ``token``: int
    [n_nodes]; ``last``: the node where each candidate ends, int [n_candidates]. A node may have
    children and end a candidate at once ("Dark Comet" and "Dark Comet II").

    >>> trie = Trie([[5, 7], [5, 8], [5]])
    >>> trie.children(0), trie.children(1), trie.find([5, 7]), trie.find([7])
    ({5: 1}, {7: 2, 8: 3}, 2, None)
    """

    def __init__(self, sequences: Sequence[Sequence[int]]):
        self._children: list[dict[int, int]] = [{}]
        self.ends: dict[int | None, int] = {}  # node -> the first candidate that ends there
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

    def children(self, node: int | None) -> dict[int, int]:
        """Token -> node of all ways to go on."""
        return {} if node is None else self._children[node]

    def find(self, sequence: Sequence[int]) -> int | None:
        """The node that a beginning leads to; None if no candidate begins like this."""
        node: int | None = 0
        for t in sequence:
            node = self.children(node).get(int(t))
        return node

    def depth(self) -> np.ndarray:
        """Tokens from the root: int [n_nodes]."""
        out = np.zeros(len(self.parent), dtype=np.int64)
        for node in range(1, len(out)):
            out[node] = out[self.parent[node]] + 1
        return out
