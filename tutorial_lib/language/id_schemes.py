"""Names for items that a language model can write: six ways to number a catalogue. One of them
tells the answer, and another one may.

P5 (Geng et al. 2022, arXiv 2203.13366) writes an item as "item_7391". Which number an item gets is
decided before any training, and in the results of OpenP5 (Xu et al. 2023, arXiv 2306.11134) it
matters more than the wording of the prompt.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from tutorial_lib.data.histories import flatten, positions
from tutorial_lib.errors import unknown_name
from tutorial_lib.language.verbalise import Verbaliser

SCHEMES = {
    "leak-prone": (
        "numbered at first sight along each user's whole sequence, validation and test items"
        " included, user after user (P5)"
    ),
    "training-first": (
        "the same walk along the training parts only (OpenP5); items that are in none of them"
        " follow in a drawn order"
    ),
    "sequential": (
        "by the time at which an item first occurs in anybody's training part; items that are in"
        " none follow in a drawn order"
    ),
    "random": "a permutation drawn from the seed",
    "collaborative": (
        "a path in a tree of clusters: items with the same training users begin alike (Hua et al."
        " 2023, arXiv 2305.06569)"
    ),
    "as-given": (
        "item code + 1, the order of the dataset's own file: it leaks if that file was numbered"
        " along users' sequences"
    ),
}
CLUSTERS = 10  # branches of a node in the tree of "collaborative"
LEAF = 20  # items that are not divided further
DENSE = 500  # items up to which all eigenvectors are computed


@dataclass(frozen=True, eq=False)
class ItemIds:
    """The IDs of a catalogue.

    Args:
        scheme: One of `SCHEMES`.
        numbers: [n_items], the number of each item code, a permutation of 1..n_items.
        texts: The ID of each item code as a model reads and writes it, all different. For
            "collaborative" it is the path in the tree, so that items near each other share the
            beginning of their text, and the number is the place among all leaves.
    """

    scheme: str
    numbers: np.ndarray = field(repr=False)
    texts: tuple[str, ...] = field(repr=False)

    def verbaliser(self, noun: str = "item", plural: str = "items", limit: int = 12) -> Verbaliser:
        """A `Verbaliser` that writes IDs where others write titles.

        >>> ItemIds("random", np.array([2, 1]), ("item_2", "item_1")).verbaliser().history([0, 1])
        'item_2; item_1'
        """
        return Verbaliser(self.texts, noun, plural, limit)


def item_ids(split, scheme: str = "training-first", *, seed: int = 0) -> ItemIds:
    """The IDs of a catalogue's items by one of `SCHEMES`.

    Args:
        split: Every scheme but "leak-prone" looks at its training parts at most.
        scheme: A key of `SCHEMES`.
        seed: Of "random", of the order within a leaf of "collaborative", and of the items that are
            in no training part. OpenP5 numbers these along users' held-out items, and where they
            are many that leaks again; the order of their codes can leak in the same way.

    >>> from tutorial_lib.data import leave_last_out, load_dataset
    >>> split = leave_last_out(load_dataset("world-news"))
    >>> first, ids = split.train[0][:3], item_ids(split)
    >>> ids.numbers[first].tolist(), ids.verbaliser().history(first)
    ([1, 2, 3], 'item_1; item_2; item_3')
    """
    if scheme not in SCHEMES:
        raise unknown_name("scheme of item_ids", scheme, SCHEMES)
    n_items = split.dataset.n_items
    random = np.random.default_rng(seed)
    if scheme == "collaborative":
        paths = _cluster_paths(split, random)
        numbers = _numbered(sorted(range(n_items), key=paths.__getitem__))
        return ItemIds(scheme, numbers, tuple("item_" + "_".join(map(str, path)) for path in paths))
    if scheme == "random":
        order = random.permutation(n_items)
    elif scheme == "as-given":
        order = np.arange(n_items)
    else:
        seen, first = np.unique(_walk(split, scheme), return_index=True)
        rest = np.setdiff1d(np.arange(n_items), seen)
        order = np.concatenate([seen[np.argsort(first)], random.permutation(rest)])
    numbers = _numbered(order)
    return ItemIds(scheme, numbers, tuple(f"item_{number}" for number in numbers.tolist()))


def _numbered(order) -> np.ndarray:
    """1, 2, ... for the items in this order: [n_items]."""
    numbers = np.empty(len(order), dtype=np.int64)
    numbers[order] = np.arange(1, len(order) + 1)
    return numbers


def _walk(split, scheme: str) -> np.ndarray:
    """Item codes in the order in which a scheme meets them, with repeats."""
    if scheme == "leak-prone":
        users = zip(split.test_history, split.test_target, strict=True)
        return flatten([part for user in users for part in user])[0]
    items, rows = flatten(split.train)
    if scheme == "training-first":
        return items
    # a training part is the beginning of a user's sequence, and so are its times
    events = split.dataset.interactions
    sizes = np.bincount(events["user"].to_numpy(), minlength=split.dataset.n_users)
    starts = np.cumsum(sizes) - sizes
    place = positions(np.bincount(rows, minlength=len(split.users)))
    times = events["timestamp"].to_numpy()[split.dataset.sorted_rows()]
    when = times[starts[split.users][rows] + place]
    return items[np.argsort(when, kind="stable")]


def _cluster_paths(split, random: np.random.Generator) -> list[tuple[int, ...]]:
    """Each item's path in the tree of clusters, its place within the leaf last; paths of items that
    share no user with another begin with 0.

    Two items are as near as the number of users whose training parts hold both. A node with more
    than `LEAF` items is divided again.
    """
    from scipy import sparse

    items, rows = flatten(split.train)
    shape = (len(split.train), split.dataset.n_items)
    held = sparse.csr_matrix((np.ones(len(items)), (rows, items)), shape=shape)
    held.data[:] = 1.0
    together = held.T @ held
    together = (together - sparse.diags(together.diagonal())).tocsr()
    linked = np.asarray(together.sum(axis=1)).ravel() > 0
    paths: list[tuple[int, ...]] = [()] * len(linked)
    nodes: list[tuple[tuple[int, ...], np.ndarray, bool]] = [
        ((0,), np.flatnonzero(~linked), True),
        ((), np.flatnonzero(linked), False),
    ]
    while nodes:
        path, members, leaf = nodes.pop()
        groups = [] if leaf or len(members) <= LEAF else _clusters(together[members][:, members])
        if len(groups) > 1:
            for number, group in enumerate(groups, 1):
                nodes.append(((*path, number), members[group], False))
        else:
            for place, item in enumerate(random.permutation(members).tolist(), 1):
                paths[item] = (*path, place)
    return paths


def _clusters(affinity) -> list[np.ndarray]:
    """Spectral clustering into `CLUSTERS` groups or fewer, the largest first: row numbers of each.

    Degrees are raised by their mean, without which single badly linked items become clusters (Qin &
    Rohe 2013, arXiv 1309.4111). Groups are read from the eigenvectors by a pivoted QR
    decomposition, which needs no restarts (Damle, Minden & Ying 2019, doi 10.1093/imaiai/iay008),
    as in OpenP5.

    Args:
        affinity: Sparse, symmetric, [n, n]; rows without a link are one more group.
    """
    from scipy import linalg, sparse
    from scipy.sparse.linalg import eigsh

    n = affinity.shape[0]
    degree = np.asarray(affinity.sum(axis=1)).ravel()
    if not degree.any():
        return [np.arange(n)]
    scale = sparse.diags((degree + degree.mean()) ** -0.5)
    matrix = scale @ affinity @ scale
    if n <= DENSE:
        vectors = np.linalg.eigh(matrix.toarray())[1][:, -CLUSTERS:]
    else:
        start = np.random.default_rng(0).standard_normal(n)
        vectors = eigsh(matrix, k=CLUSTERS, which="LA", v0=start)[1]
    pivots = linalg.qr(vectors.T, pivoting=True, mode="r")[1][:CLUSTERS]
    left, _, right = linalg.svd(vectors[pivots].T)
    label = np.abs(vectors @ (left @ right)).argmax(axis=1)
    label[degree == 0] = CLUSTERS
    groups = [np.flatnonzero(label == value) for value in np.unique(label)]
    return sorted(groups, key=lambda group: (-len(group), group[0]))
