"""Checks of notebook 09: a walk by the learner's constraint never leaves the graph."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tutorial_workshop.exercises.checks import Mistake, expect_unchanged

TRIPLES = frozenset(
    (int(head), 20 + int(relation), int(tail))
    for head, relation, tail in np.random.default_rng(9).integers((0, 0, 0), (12, 3, 12), (40, 3))
)


def _walks_stay_in_the_graph(allowed_next: Callable) -> None:
    """Random walks of five steps: each triple of theirs exists, and each that exists may come."""
    rng = np.random.default_rng(0)
    for start in range(12):
        path = [start]
        for _ in range(5):
            allowed = allowed_next(list(path), set(TRIPLES))
            if not isinstance(allowed, (set, frozenset)):
                raise Mistake(
                    f"`allowed_next({path}, triples)` gave {type(allowed).__name__}; expected a"
                    " set."
                )
            if not allowed:
                break
            path.append(sorted(allowed)[rng.integers(len(allowed))])
        for at in range(0, len(path) - 2, 2):
            if tuple(path[at : at + 3]) not in TRIPLES:
                raise Mistake(
                    f"A walk by `allowed_next` took the step {tuple(path[at : at + 3])}, which is"
                    " no triple of the graph. Head, relation and tail must belong to one triple."
                )


def _path_unchanged(allowed_next: Callable) -> None:
    """The path is the caller's."""
    why = "The caller goes on with its path. Read path[-1] and path[-2], and change nothing."
    expect_unchanged(allowed_next, [5, 21], set(TRIPLES), why=why)


CHECKS = {"09-constraint": (_walks_stay_in_the_graph, _path_unchanged)}
